//! Floor 2: durability. A journal of changes, a snapshot that a person can read, history files of
//! ended claims, and the lock that makes one process the owner.
//!
//! | file | what |
//! | --- | --- |
//! | `X.json` | snapshot: active claims and what is remembered, written at the first start and now and then |
//! | `X.journal.jsonl` | changes since, one JSON object a line, synced before they are acknowledged |
//! | `X.journal-N.jsonl` | cut journals whose first change is N, kept for readers of events |
//! | `X.history-N.jsonl` | ended claims, one a line |
//! | `X.lock` | held by the owner; tells the others where it is |
//!
//! Invariant: the coordinator asks this floor only to load, to append and to read history.

mod disk;
mod history;
mod journal;
mod lock;
mod recovery;
mod snapshot;

pub use disk::{Disk, DiskFile, FileId, FolderDisk, StateFiles, check_writable};
pub use history::{HistoryFilter, HistoryPage, HistoryReader};
pub use journal::{Journal, JournalLine, parse_lines};
pub use lock::{LockError, LockInfo, OwnerLock, read_lock_info};
pub use recovery::{Recovered, newest_change, read_changes_since, recover, recover_check};
pub use snapshot::{HistoryPosition, Snapshot, SnapshotJob, write_snapshot};

/// Why durable state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {file}: {source}")]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// Name of the file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file holds what this program did not write.
    #[error("{file}, line {line}: {reason}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The current journal is not there, although there is a state that it belongs to.
    #[error("{file} is missing: the changes after the one with number {last_seq} would be in it")]
    JournalMissing {
        /// Name of the file.
        file: String,
        /// Number of the last change that the other files have.
        last_seq: u64,
    },
    /// A file was moved, deleted or replaced while this process used it.
    #[error("{file} was moved, deleted or replaced while it was in use")]
    Moved {
        /// Name of the file.
        file: String,
    },
    /// A newer version of this program wrote the file.
    #[error("{file} has format version {found}; this program knows versions up to {known}")]
    Newer {
        /// Name of the file.
        file: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
}

impl StoreError {
    /// What the user can do about it.
    pub fn suggestion(&self) -> String {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free space on the disk of the state file; nothing was lost and work goes on by \
                 itself when there is room"
                    .to_owned()
            }
            Self::Io { source, file, .. } if source.kind() == std::io::ErrorKind::Unsupported => {
                format!("nothing was changed: move {file} away, it has the name of a state file")
            }
            Self::Io { .. } => "make the folder of STATE_FILE_PATH readable and writable for this \
                                user; nothing was lost"
                .to_owned(),
            Self::Damaged { file, .. } => format!(
                "nothing was changed: restore {file} from a backup, or move it away together with \
                 the other files of the same name to begin anew (active claims are then forgotten)"
            ),
            Self::JournalMissing { file, last_seq } => format!(
                "nothing was changed: put {file} back or restore it from a backup; where it is \
                 lost, a {file} of this one line goes on from what the other files have, without \
                 the changes that were in it: {{\"journal_version\":{},\"first_seq\":{}}}",
                journal::VERSION,
                last_seq + 1
            ),
            Self::Moved { file } => format!(
                "put {file} back, or stop every issuecommand process of this state file and start \
                 one again: it goes on from the files that are there then; asking again does not \
                 help"
            ),
            Self::Newer { .. } => {
                "install the newer issuecommand again, or use another STATE_FILE_PATH".to_owned()
            }
        }
    }
}

/// Attaches the file and the action to an operating-system error.
pub(crate) fn io_error(
    action: &'static str,
    file: &str,
) -> impl FnOnce(std::io::Error) -> StoreError {
    let file = file.to_owned();
    move |source| StoreError::Io {
        action,
        file,
        source,
    }
}
