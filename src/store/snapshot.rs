//! The snapshot: the state as indented JSON, replaced as a whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Disk, StateFiles, StoreError, history, io_error};
use crate::claim::{Claim, LedgerImage};
use crate::domain::limits;

/// Version of the snapshot format.
pub(super) const VERSION: u32 = 1;

/// Where history ends: bytes beyond it belong to a snapshot that was never finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPosition {
    /// Number of the newest history file, from 1; 0 when there is none.
    pub file: u32,
    /// Valid bytes in it.
    pub bytes: u64,
    /// Ended claims in all files together.
    pub claims: u64,
}

/// The content of the state file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Format version.
    pub version: u32,
    /// What wrote it, for people.
    #[serde(default)]
    pub written_by: String,
    /// Where history ends.
    #[serde(default)]
    pub history: HistoryPosition,
    /// Claims and what goes with them.
    pub state: Arc<LedgerImage>,
}

/// Everything that a snapshot needs, taken at one moment; cheap to take and to copy, slow to write.
#[derive(Clone)]
pub struct SnapshotJob {
    /// The state.
    pub image: Arc<LedgerImage>,
    /// Claims that ended since the last snapshot, oldest first.
    pub ended: Vec<Arc<Claim>>,
    /// Where history ends before this snapshot.
    pub history: HistoryPosition,
}

impl SnapshotJob {
    /// Of a state in which nothing has happened yet.
    pub(super) fn empty() -> Self {
        Self {
            image: Arc::default(),
            ended: Vec::new(),
            history: HistoryPosition::default(),
        }
    }
}

/// Reads the snapshot; `None` when there is none yet.
pub(super) fn read(disk: &dyn Disk, files: &StateFiles) -> Result<Option<Snapshot>, StoreError> {
    let name = files.snapshot();
    let Some(bytes) = disk.read(&name).map_err(io_error("read", &name))? else {
        return Ok(None);
    };
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        file: name.clone(),
        line: error.line(),
        reason: format!("not a state file of this program: {error}"),
    };
    let Version { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if version > VERSION {
        return Err(StoreError::Newer {
            file: name,
            found: version,
            known: VERSION,
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Appends the ended claims to history, writes the snapshot, and deletes journals that nobody
/// needs any more. Returns where history ends now and the snapshot's size in bytes.
pub fn write_snapshot(
    disk: &dyn Disk,
    files: &StateFiles,
    job: SnapshotJob,
) -> Result<(HistoryPosition, u64), StoreError> {
    let history = history::append(disk, files, job.history, &job.ended)?;
    let seq = job.image.seq;
    let snapshot = Snapshot {
        version: VERSION,
        written_by: concat!("issuecommand ", env!("CARGO_PKG_VERSION")).to_owned(),
        history,
        state: job.image,
    };
    let temporary = files.snapshot_temporary();
    let mut bytes = serde_json::to_vec_pretty(&snapshot)
        .map_err(|error| io_error("encode", &temporary)(error.into()))?;
    bytes.push(b'\n');
    disk.write_synced(&temporary, &bytes)
        .map_err(io_error("write", &temporary))?;
    disk.rename(&temporary, &files.snapshot())
        .map_err(io_error("rename", &temporary))?;
    disk.sync_folder()
        .map_err(io_error("sync", "the state folder"))?;
    remove_old_journals(disk, files, seq)?;
    Ok((history, bytes.len() as u64))
}

/// Keeps the newest cut journals for readers of events; all of them are covered by `seq`. They are
/// counted by their events: each clean end of an owner cuts one, however few are in it.
fn remove_old_journals(disk: &dyn Disk, files: &StateFiles, seq: u64) -> Result<(), StoreError> {
    let names = disk.list().map_err(io_error("list", "the state folder"))?;
    let covered: Vec<u64> = files
        .old_journals(&names)
        .into_iter()
        .filter(|first| *first <= seq)
        .collect();
    let surplus = covered.len().saturating_sub(limits::OLD_JOURNALS_KEPT);
    let kept_from = (seq + 1).saturating_sub(limits::FEED_EVENTS_MAX as u64);
    for journals in covered.windows(2).take(surplus) {
        let [first_seq, next] = *journals else { break };
        if next > kept_from {
            break;
        }
        let name = files.old_journal(first_seq);
        disk.remove(&name).map_err(io_error("delete", &name))?;
    }
    Ok(())
}
