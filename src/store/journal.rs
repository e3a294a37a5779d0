//! The journal: one change a line, in order, each with a checksum.
//!
//! A line is `{"seq":12,"durable":11,"at":"…","change":{…},"crc":"1a2b3c4d"}`. `durable` is the
//! number of the last change that was known to be synced when the line was written. It tells a
//! torn write (the first bad line was never acknowledged: cut it off) from damage (a later line
//! says that the bad one had been synced: stop).
//!
//! The file is filled with spaces ahead of its end. Overwriting them changes no file size, so the
//! sync writes one block instead of two.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Disk, DiskFile, FileId, StoreError, io_error};
use crate::claim::{Change, Recorded};
use crate::domain::{limits, write_compact_json};

/// Version of the line format, in the first line of each journal.
pub(super) const VERSION: u32 = 1;

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// Format version.
    pub journal_version: u32,
    /// Number of the first change in it.
    pub first_seq: u64,
}

/// The fields of a line before its checksum.
#[derive(Serialize)]
struct Unsealed<'a> {
    seq: u64,
    durable: u64,
    #[serde(serialize_with = "crate::domain::serialize_time")]
    at: Timestamp,
    change: &'a Change,
}

/// A line as it is read back.
#[derive(Debug, Deserialize)]
pub struct JournalLine {
    /// Number of the change.
    pub seq: u64,
    /// Last change that was synced when this line was written.
    pub durable: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
    #[serde(rename = "crc")]
    _crc: String,
}

const SEAL: &[u8] = b",\"crc\":\"";
const SEAL_LENGTH: usize = SEAL.len() + 8 + 2;

/// Appends one line for `recorded` to `buffer`.
fn write_line(buffer: &mut Vec<u8>, recorded: &Recorded, durable: u64) -> Result<(), StoreError> {
    let start = buffer.len();
    let line = Unsealed {
        seq: recorded.seq,
        durable,
        at: recorded.at,
        change: &recorded.change,
    };
    if let Err(error) = write_compact_json(buffer, &line) {
        buffer.truncate(start);
        return Err(io_error("encode", "journal line")(error.into()));
    }
    buffer.pop();
    let crc = crc32fast::hash(&buffer[start..]);
    buffer.extend_from_slice(SEAL);
    buffer.extend_from_slice(&hexadecimal(crc));
    buffer.extend_from_slice(b"\"}\n");
    Ok(())
}

/// Eight digits, without what formatting costs: each change needs it.
fn hexadecimal(number: u32) -> [u8; 8] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    std::array::from_fn(|place| DIGITS[(number >> (28 - 4 * place)) as usize & 0xf])
}

/// Checks the checksum of a line and parses it.
fn parse_line(line: &[u8]) -> Result<JournalLine, String> {
    let split = line
        .len()
        .checked_sub(SEAL_LENGTH)
        .ok_or("too short for a change")?;
    let (body, seal) = line.split_at(split);
    let stored = seal
        .strip_prefix(SEAL)
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .and_then(|hex| std::str::from_utf8(hex).ok())
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .ok_or("no checksum at its end")?;
    if crc32fast::hash(body) != stored {
        return Err("the checksum does not match".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// The changes of a journal, and how many of its bytes they take.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Number of the first change, from the header.
    pub first_seq: Option<u64>,
    pub changes: Vec<Recorded>,
    pub valid_bytes: u64,
    /// Whether the header is the last line and does not end, as a person may have written it.
    pub is_header_open: bool,
    /// Whether a torn end was left out.
    pub torn: bool,
}

/// The lines of a file, each with the line break at its end.
pub(super) fn lines_of(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let line = bytes.split_off(..end)?;
        (!line.is_empty()).then_some(line)
    })
}

/// Reads a journal's bytes. Changes must follow each other from `first_seq` of the header.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Parsed, StoreError> {
    let mut parsed = Parsed::default();
    let mut lines = lines_of(bytes).enumerate();
    let first = lines.next().map_or(&b""[..], |(_, line)| line);
    let mut expected = read_header(file, first)?.first_seq;
    parsed.first_seq = Some(expected);
    parsed.is_header_open = !first.ends_with(b"\n");
    let mut offset = first.len();
    parsed.valid_bytes = offset as u64;
    while let Some((index, line)) = lines.next() {
        offset += line.len();
        if line.trim_ascii().is_empty() {
            continue;
        }
        let complete = line.strip_suffix(b"\n").ok_or_else(|| "cut off".to_owned());
        let problem = match complete.and_then(|line| parse_line(line.trim_ascii_start())) {
            Ok(line) if line.seq == expected => {
                let JournalLine {
                    seq, at, change, ..
                } = line;
                parsed.changes.push(Recorded { seq, at, change });
                parsed.valid_bytes = offset as u64;
                expected += 1;
                continue;
            }
            Ok(line) if line.durable < expected => "a change is missing before it".to_owned(),
            Ok(line) => {
                let reason = format!("change {} follows where {expected} belongs", line.seq);
                return Err(damaged(file, index, reason));
            }
            Err(reason) => reason,
        };
        // Whatever follows an unacknowledged write is part of it, unless a later line proves that
        // this one had been synced.
        let acknowledged = lines.any(|(_, later)| {
            let later = later
                .strip_suffix(b"\n")
                .unwrap_or(later)
                .trim_ascii_start();
            parse_line(later).is_ok_and(|later| later.durable >= expected)
        });
        if acknowledged {
            return Err(damaged(file, index, problem));
        }
        parsed.torn = true;
        break;
    }
    Ok(parsed)
}

/// Parses every whole line of a journal, ignoring a torn end: for readers of old events.
pub fn parse_lines(file: &str, bytes: &[u8]) -> Result<Vec<Recorded>, StoreError> {
    parse(file, bytes).map(|parsed| parsed.changes)
}

fn damaged(file: &str, index: usize, reason: String) -> StoreError {
    StoreError::Damaged {
        file: file.to_owned(),
        line: index + 1,
        reason,
    }
}

/// The header. A journal gets its name when its header is on disk: no crash leaves one without.
fn read_header(file: &str, line: &[u8]) -> Result<Header, StoreError> {
    let header: Header = serde_json::from_slice(line)
        .map_err(|error| damaged(file, 0, format!("not a journal header: {error}")))?;
    if header.journal_version > VERSION {
        return Err(StoreError::Newer {
            file: file.to_owned(),
            found: header.journal_version,
            known: VERSION,
        });
    }
    Ok(header)
}

/// The name of a journal that is being made.
pub(super) fn temporary_name(name: &str) -> String {
    format!("{name}.new")
}

/// The open journal. One value of this type exists in one process at a time: the owner's.
pub struct Journal {
    disk: Arc<dyn Disk>,
    /// The name of a current journal.
    name: String,
    /// The name that the open file has: another one after a rotation that failed half-way.
    file_name: String,
    folder_unsynced: bool,
    file: Box<dyn DiskFile>,
    id: FileId,
    /// The file whose lock lets this process write.
    lock: Option<(String, FileId)>,
    /// Where the next line goes.
    offset: u64,
    /// How far the file is filled with spaces.
    prepared: u64,
    first_seq: u64,
    durable: u64,
    /// A failed write may have left bytes beyond `offset`; they are blanked before the next one.
    unclean: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Continues the journal `name`, of which `found` was read; its last change is `last_seq`.
    pub(super) fn resume(
        disk: Arc<dyn Disk>,
        name: String,
        found: &Parsed,
        last_seq: u64,
    ) -> Result<Self, StoreError> {
        let mut offset = found.valid_bytes;
        let first_seq = found.first_seq.unwrap_or(last_seq + 1);
        let mut file = disk.open(&name).map_err(io_error("open", &name))?;
        file.set_len(offset).map_err(io_error("cut", &name))?;
        if found.is_header_open {
            // The first change must not become a part of the header's line.
            let ended = file.write_at(offset, b"\n");
            ended.map_err(io_error("write", &name))?;
            offset += 1;
        }
        // What a dead owner wrote but never synced is state from now on: it must not be lost by the
        // next power failure after readers have seen it.
        file.sync_data().map_err(io_error("sync", &name))?;
        let id = file.id().map_err(io_error("look at", &name))?;
        Ok(Self {
            disk,
            id,
            lock: None,
            file_name: name.clone(),
            name,
            folder_unsynced: false,
            file,
            offset,
            prepared: offset,
            first_seq,
            durable: last_seq,
            unclean: false,
            buffer: Vec::with_capacity(64 << 10),
        })
    }

    /// Takes no more changes once the file `name`, which is there now, is another one: whoever makes
    /// a new lock file owns the state as well.
    pub(super) fn guarded_by(mut self, name: String) -> Result<Self, StoreError> {
        let id = self.disk.id(&name).map_err(io_error("look at", &name))?;
        self.lock = id.map(|id| (name, id));
        Ok(self)
    }

    /// Whether the files still have their names: a state that was moved away may have another
    /// owner by now.
    fn check_in_place(&self) -> Result<(), StoreError> {
        let own = (&self.file_name, self.id);
        let lock = self.lock.iter().map(|(name, id)| (name, *id));
        for (name, id) in [own].into_iter().chain(lock) {
            let found = self.disk.id(name).map_err(io_error("look at", name))?;
            if found != Some(id) {
                return Err(StoreError::Moved { file: name.clone() });
            }
        }
        Ok(())
    }

    /// Begins a new journal whose first change will be `first_seq`.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        name: String,
        first_seq: u64,
    ) -> Result<Self, StoreError> {
        let mut journal = Self::create_file(disk, temporary_name(&name), first_seq)?;
        journal.take_name(name)?;
        journal.sync_folder()?;
        Ok(journal)
    }

    fn create_file(disk: Arc<dyn Disk>, name: String, first_seq: u64) -> Result<Self, StoreError> {
        let header = Header {
            journal_version: VERSION,
            first_seq,
        };
        let mut line =
            serde_json::to_vec(&header).map_err(|error| io_error("encode", &name)(error.into()))?;
        line.push(b'\n');
        disk.write_synced(&name, &line)
            .map_err(io_error("write", &name))?;
        let made = Parsed {
            first_seq: Some(first_seq),
            valid_bytes: line.len() as u64,
            ..Parsed::default()
        };
        Self::resume(disk, name, &made, first_seq.saturating_sub(1))
    }

    /// Puts a change into the batch. Nothing is written before [`Journal::commit`].
    pub fn push(&mut self, recorded: &Recorded) -> Result<(), StoreError> {
        write_line(&mut self.buffer, recorded, self.durable)
    }

    /// Forgets the batch.
    pub fn discard(&mut self) {
        self.buffer.clear();
    }

    /// Writes and syncs the batch. After an error nothing of it counts.
    pub fn commit(&mut self, last_seq: u64) -> Result<(), StoreError> {
        let result = self.write_batch();
        self.buffer.clear();
        match result {
            Ok(()) => {
                self.durable = last_seq;
                Ok(())
            }
            // Nothing was written, and what is there may be another owner's by now.
            Err(error @ StoreError::Moved { .. }) => Err(error),
            Err(error) => {
                self.unclean = true;
                // At once, if the disk lets us: a process that dies now must not leave a change
                // behind that was refused. Otherwise the next batch begins with it.
                if let Err(remains) = self.blank_remains() {
                    tracing::warn!(error = %remains, "a refused change is still in the journal");
                }
                Err(error)
            }
        }
    }

    fn write_batch(&mut self) -> Result<(), StoreError> {
        self.check_in_place()?;
        if self.folder_unsynced {
            self.sync_folder()?;
        }
        if self.unclean {
            self.blank_remains()?;
        }
        let end = self.offset + self.buffer.len() as u64;
        if end > self.prepared {
            self.prepare(end)?;
        }
        let written = self.file.write_at(self.offset, &self.buffer);
        written.map_err(io_error("write", &self.name))?;
        self.file
            .sync_data()
            .map_err(io_error("sync", &self.name))?;
        self.offset = end;
        Ok(())
    }

    /// Fills the file with spaces beyond `end`; on a nearly full disk just up to it.
    fn prepare(&mut self, end: u64) -> Result<(), StoreError> {
        let needed = usize::try_from(end - self.prepared).unwrap_or(usize::MAX);
        let mut spaces = vec![b' '; needed.saturating_add(limits::JOURNAL_EXTENSION_BYTES)];
        if let Some(last) = spaces.last_mut() {
            *last = b'\n';
        }
        let mut written = self.file.write_at(self.prepared, &spaces);
        if written.is_err() {
            spaces.truncate(needed);
            written = self.file.write_at(self.prepared, &spaces);
        }
        written.map_err(io_error("extend", &self.name))?;
        self.prepared += spaces.len() as u64;
        Ok(())
    }

    /// Overwrites what a failed batch may have left, so that a refused change can't come back.
    fn blank_remains(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(self.offset)
            .map_err(io_error("cut", &self.name))?;
        self.prepared = self.offset;
        self.file
            .sync_data()
            .map_err(io_error("sync", &self.name))?;
        self.unclean = false;
        Ok(())
    }

    /// Bytes of changes in this journal.
    pub fn len(&self) -> u64 {
        self.offset
    }

    /// Whether no change is in it.
    pub fn is_empty(&self) -> bool {
        self.durable < self.first_seq
    }

    /// Sets this journal aside under `old_name` and begins a new one; an empty one goes on.
    ///
    /// The new file is whole, and safe under its temporary name, before anything is renamed, and no
    /// file is ever replaced: a failure between two renames leaves the changes in the old file,
    /// which is written on until the next try.
    pub(crate) fn rotate(&mut self, old_name: &str) -> Result<(), StoreError> {
        self.trim()?;
        if self.file_name != self.name {
            // Back to where the last try began. The new file is made anew only then: a state
            // without a current journal is read only as long as that file is whole.
            self.take_name(self.name.clone())?;
        }
        if self.folder_unsynced {
            self.sync_folder()?;
        }
        if self.is_empty() {
            return Ok(());
        }
        let mut next = self.create_next()?;
        let renamed = self.disk.rename(&self.file_name, old_name);
        renamed.map_err(io_error("rename", &self.file_name))?;
        old_name.clone_into(&mut self.file_name);
        self.folder_unsynced = true;
        next.take_name(self.name.clone())?;
        next.lock = self.lock.take();
        *self = next;
        self.sync_folder()
    }

    /// The journal after this one, under a temporary name that no power failure takes away.
    fn create_next(&self) -> Result<Self, StoreError> {
        let temporary = temporary_name(&self.name);
        let made = Self::create_file(self.disk.clone(), temporary.clone(), self.durable + 1);
        let made = made.and_then(|mut next| next.sync_folder().map(|()| next));
        if made.is_err()
            && let Err(error) = self.disk.remove(&temporary)
        {
            tracing::warn!(%error, "{temporary} is left over");
        }
        made
    }

    /// Gives the file its name.
    fn take_name(&mut self, name: String) -> Result<(), StoreError> {
        let renamed = self.disk.rename(&self.file_name, &name);
        renamed.map_err(io_error("rename", &self.file_name))?;
        self.file_name.clone_from(&name);
        self.name = name;
        self.folder_unsynced = true;
        Ok(())
    }

    /// A change must not be acknowledged while the name of its file could still be lost.
    fn sync_folder(&mut self) -> Result<(), StoreError> {
        self.disk
            .sync_folder()
            .map_err(io_error("sync", "the state folder"))?;
        self.folder_unsynced = false;
        Ok(())
    }

    /// Cuts the spaces off: at a clean end the file holds lines only.
    pub fn trim(&mut self) -> Result<(), StoreError> {
        self.check_in_place()?;
        if self.unclean {
            return self.blank_remains();
        }
        self.file
            .set_len(self.offset)
            .map_err(io_error("cut", &self.name))?;
        self.prepared = self.offset;
        Ok(())
    }

    /// Number of the first change of this journal.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }
}

#[cfg(test)]
mod tests;
