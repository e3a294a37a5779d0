//! From files to state: snapshot, then the journals after it.

use std::sync::Arc;

use super::snapshot::{self, HistoryPosition, SnapshotJob, write_snapshot};
use super::{Disk, Journal, StateFiles, StoreError, io_error, journal};
use crate::claim::{LeasePolicy, Ledger, LedgerImage, Recorded};
use crate::domain::limits;

/// What a start finds.
pub struct Recovered {
    /// The claims as they were.
    pub ledger: Ledger,
    /// The journal, ready for the next change.
    pub journal: Journal,
    /// Where history ends.
    pub history: HistoryPosition,
    /// Changes that were replayed, for readers that resume.
    pub replayed: Vec<Recorded>,
    /// What was unusual, in words.
    pub notes: Vec<String>,
}

/// Loads the state. The caller holds the owner lock.
///
/// # Errors
/// Damage and newer formats; nothing is changed on disk then.
pub fn recover(
    disk: Arc<dyn Disk>,
    files: &StateFiles,
    policy: LeasePolicy,
) -> Result<Recovered, StoreError> {
    let Loaded {
        ledger,
        history,
        replayed,
        mut notes,
        current,
        read_old,
        set_aside,
        left_over,
        has_snapshot,
    } = load(&*disk, files, policy)?;
    let name = files.journal();
    // Renames of a dead owner that no sync has made safe: changes are about to rely on them.
    disk.sync_folder()
        .map_err(io_error("sync", "the state folder"))?;
    // A rotation that failed half-way leaves the newest changes in a journal that is already set
    // aside; the last of them may never have been synced.
    for name in read_old {
        let mut file = disk.open(&name).map_err(io_error("open", &name))?;
        file.sync_data().map_err(io_error("sync", &name))?;
    }
    if let Some(old_name) = set_aside {
        let renamed = disk.rename(&old_name, &name);
        renamed.map_err(io_error("rename", &old_name))?;
        disk.sync_folder()
            .map_err(io_error("sync", "the state folder"))?;
    }
    let journal = match current.first_seq {
        Some(_) => Journal::resume(disk.clone(), name, &current, ledger.seq())?,
        None => Journal::create(disk.clone(), name, ledger.seq() + 1)?,
    };
    if !has_snapshot {
        // From now on a journal that is missing is a lost one. An empty snapshot tells what none
        // does; it comes last, so that a start that dies before it has only begun a journal.
        write_snapshot(&*disk, files, SnapshotJob::empty())?;
    }
    let journal = journal.guarded_by(files.lock())?;
    if let Some(temporary) = left_over
        && let Err(error) = disk.remove(&temporary)
    {
        // Nothing relies on it, and nothing is misled by it.
        notes.push(format!("{temporary} is left over: {error}"));
    }
    Ok(Recovered {
        ledger,
        journal,
        history,
        replayed,
        notes,
    })
}

/// Reads the state without touching it, and tells how many claims are active.
pub fn recover_check(
    disk: &dyn Disk,
    files: &StateFiles,
    policy: LeasePolicy,
) -> Result<usize, StoreError> {
    load(disk, files, policy).map(|loaded| loaded.ledger.active().count())
}

struct Loaded {
    ledger: Ledger,
    history: HistoryPosition,
    replayed: Vec<Recorded>,
    notes: Vec<String>,
    /// The current journal, its changes taken out.
    current: journal::Parsed,
    /// Journals set aside that the state relies on.
    read_old: Vec<String>,
    /// What the current journal is called, when a rotation ended between its two renames.
    set_aside: Option<String>,
    /// The file of a rotation that was not finished.
    left_over: Option<String>,
    has_snapshot: bool,
}

fn load(disk: &dyn Disk, files: &StateFiles, policy: LeasePolicy) -> Result<Loaded, StoreError> {
    let snapshot = snapshot::read(disk, files)?;
    let has_snapshot = snapshot.is_some();
    let (image, history) = snapshot.map_or_else(
        || (LedgerImage::default(), HistoryPosition::default()),
        |snapshot| (Arc::unwrap_or_clone(snapshot.state), snapshot.history),
    );
    let mut ledger = Ledger::from_image(policy, image);
    let covered = ledger.seq();
    let mut replayed = Vec::new();
    let mut notes = Vec::new();
    let names = disk.list().map_err(io_error("list", "the state folder"))?;
    let name = files.journal();
    let mut current = read_journal(disk, &name)?;
    let firsts = files.old_journals(&names);
    let is_new = !has_snapshot && firsts.is_empty();
    let mut read_old = Vec::new();
    let mut last_old = None;
    for (index, first_seq) in firsts.iter().enumerate() {
        // A cut journal ends where the next one begins, unless that is an older copy; what the
        // snapshot covers is not read.
        let next = firsts.get(index + 1).copied().or(current.first_seq);
        if *first_seq > covered || next.is_none_or(|next| next > ledger.seq() + 1) {
            let name = files.old_journal(*first_seq);
            let mut old = read_journal(disk, &name)?;
            replay(&mut ledger, &name, &mut old, &mut replayed)?;
            read_old.push(name);
            last_old = Some(old);
        }
    }
    let temporary = journal::temporary_name(&name);
    let left_over = names.contains(&temporary).then_some(temporary);
    let mut set_aside = None;
    if current.first_seq.is_some() {
        refuse_older_copy(&name, &current, ledger.seq())?;
    } else if let (Some(temporary), Some(old)) = (&left_over, last_old)
        && old.first_seq.is_some_and(|first| first > covered)
        && is_next(disk, temporary, &old, ledger.seq())
    {
        // It goes on from there under its own name: whatever happens meanwhile, it is found.
        current = old;
        set_aside = read_old.last().cloned();
    } else if !is_new {
        return Err(StoreError::JournalMissing {
            file: name,
            last_seq: ledger.seq(),
        });
    }
    if current.torn {
        notes.push(format!(
            "{name}: an unfinished write at its end was cut off"
        ));
    }
    replay(&mut ledger, &name, &mut current, &mut replayed)?;
    let surplus = replayed.len().saturating_sub(limits::FEED_EVENTS_MAX);
    replayed.drain(..surplus);
    Ok(Loaded {
        ledger,
        history,
        replayed,
        notes,
        current,
        read_old,
        set_aside,
        left_over,
        has_snapshot,
    })
}

fn read_journal(disk: &dyn Disk, name: &str) -> Result<journal::Parsed, StoreError> {
    let bytes = disk.read(name).map_err(io_error("read", name))?;
    match bytes {
        Some(bytes) => journal::parse(name, &bytes),
        None => Ok(journal::Parsed::default()),
    }
}

/// Whether the file `temporary` waits for the name of the current journal. That one is set aside as
/// `old`, which no snapshot covers and whose changes go up to `last_seq`. Only between the two
/// renames of a rotation is there no current journal: the next one then begins behind the first
/// change of `old`, which is written on until the rotation is tried again. What an earlier or a
/// later rotation left over does not.
fn is_next(disk: &dyn Disk, temporary: &str, old: &journal::Parsed, last_seq: u64) -> bool {
    let next = read_journal(disk, temporary)
        .ok()
        .and_then(|next| next.first_seq);
    next.is_some_and(|next| next <= last_seq + 1 && old.first_seq.is_some_and(|old| old < next))
}

/// A current journal begins where the others end: they are set aside before the next one is begun,
/// and so is every journal before a snapshot covers it. One that begins earlier is a copy from
/// before that. What was acknowledged after it is not in it, and what would be written into it now
/// the next start could not read.
fn refuse_older_copy(
    file: &str,
    current: &journal::Parsed,
    last_seq: u64,
) -> Result<(), StoreError> {
    match current.first_seq {
        Some(first_seq) if first_seq <= last_seq => Err(StoreError::Damaged {
            file: file.to_owned(),
            line: 1,
            reason: format!(
                "it begins with change {first_seq}, but the state before it ends with {last_seq}: \
                 it is an older copy of the journal, without the newest changes (without any \
                 journal, a start tells how to go on)"
            ),
        }),
        _ => Ok(()),
    }
}

/// Applies what the journal has and the ledger does not know. A journal that begins later than it
/// should is damage even when nothing is in it: changes before it are gone.
fn replay(
    ledger: &mut Ledger,
    file: &str,
    journal: &mut journal::Parsed,
    replayed: &mut Vec<Recorded>,
) -> Result<(), StoreError> {
    if let Some(first_seq) = journal.first_seq
        && first_seq > ledger.seq() + 1
    {
        return Err(StoreError::Damaged {
            file: file.to_owned(),
            line: 1,
            reason: format!(
                "it begins with change {first_seq}, but the state before it ends with {}: a \
                 journal or the snapshot between them is missing",
                ledger.seq()
            ),
        });
    }
    for recorded in std::mem::take(&mut journal.changes) {
        if recorded.seq > ledger.seq() {
            ledger.apply(&recorded);
        }
        replayed.push(recorded);
    }
    Ok(())
}

/// Changes after `seq` that are still on disk, oldest first, for readers of events. The first of
/// them has a number above `seq + 1` when older ones are no longer kept.
pub fn read_changes_since(
    disk: &dyn Disk,
    files: &StateFiles,
    seq: u64,
) -> Result<Vec<Recorded>, StoreError> {
    let names = disk.list().map_err(io_error("list", "the state folder"))?;
    let firsts = files.old_journals(&names);
    let mut changes = Vec::new();
    for (index, first_seq) in firsts.iter().enumerate() {
        let ends_before = firsts.get(index + 1).is_some_and(|next| *next <= seq + 1);
        if !ends_before {
            changes.extend(read_journal(disk, &files.old_journal(*first_seq))?.changes);
        }
    }
    changes.extend(read_journal(disk, &files.journal())?.changes);
    changes.retain(|recorded| recorded.seq > seq);
    Ok(changes)
}

/// Number of the newest change on disk, 0 without any, for readers of events that begin now.
pub fn newest_change(disk: &dyn Disk, files: &StateFiles) -> Result<u64, StoreError> {
    let mut newest = read_journal(disk, &files.journal())?;
    if newest.first_seq.is_none() {
        // No owner has begun one yet, or a rotation is between its two renames.
        let names = disk.list().map_err(io_error("list", "the state folder"))?;
        if let Some(first_seq) = files.old_journals(&names).last() {
            newest = read_journal(disk, &files.old_journal(*first_seq))?;
        }
    }
    let before = newest.first_seq.unwrap_or(1).saturating_sub(1);
    Ok(before + newest.changes.len() as u64)
}

#[cfg(test)]
mod tests;
