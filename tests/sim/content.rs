//! The bytes of one simulated file, as they are seen and as a power loss leaves them.

use super::random::Random;

/// How a power loss treats what was written but not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// All of it is lost.
    Nothing,
    /// All of it happens to survive.
    Everything,
    /// So many bytes of each file's fresh part survive.
    Prefix,
    /// Each sector of this size survives or not by itself.
    Sectors(usize),
}

impl Tear {
    /// Any.
    pub fn any(random: &mut Random) -> Self {
        random.weighted([
            (2, Self::Nothing),
            (2, Self::Everything),
            (4, Self::Prefix),
            (3, Self::Sectors(SECTOR)),
            (1, Self::Sectors(8 * SECTOR)),
        ])
    }
}

/// Bytes with a tail of spaces that takes no memory: the store fills a journal with spaces by the
/// megabyte, and a simulation that moved them all would do nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    bytes: Vec<u8>,
    /// Beyond `bytes` the file is blank up to here.
    length: usize,
}

/// Writes that begin like this and end as a prepared stretch of a journal are taken for one.
static BLANK: [u8; 64 << 10] = [b' '; 64 << 10];
/// What a disk writes wholly or not at all.
const SECTOR: usize = 512;

impl Content {
    /// Length of the file.
    pub fn len(&self) -> usize {
        self.length
    }

    fn materialize(&mut self, end: usize) {
        if self.bytes.len() < end.min(self.length) {
            self.bytes.resize(end.min(self.length), b' ');
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
    }

    /// Writes at an offset; a gap before it is filled with zeros.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        let is_stretch = data.starts_with(&BLANK) && data.ends_with(b"  \n");
        if is_stretch && offset >= self.bytes.len() && end >= self.length {
            self.materialize(offset);
            self.length = end;
            return;
        }
        self.materialize(end);
        self.bytes[offset..end].copy_from_slice(data);
        self.length = self.length.max(end);
    }

    /// Sets the length; what is added is zeros.
    pub fn set_len(&mut self, length: usize) {
        if length > self.length {
            self.materialize(self.length);
            self.bytes.resize(length, 0);
        }
        self.bytes.truncate(length);
        self.length = length;
    }

    /// The bytes, with at most `blank_max` of the blank tail.
    pub fn read(&self, blank_max: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let blanks = (self.length - self.bytes.len()).min(blank_max);
        bytes.resize(self.bytes.len() + blanks, b' ');
        if blanks > 0 {
            bytes.pop();
            bytes.push(b'\n');
        }
        bytes
    }

    /// Copies a range of `from`; what is blank there and was never more than blank here stays so.
    fn take_over(&mut self, from: &Self, start: usize, end: usize) {
        let written = end.min(from.bytes.len());
        if start < written {
            self.materialize(written);
            self.bytes[start..written].copy_from_slice(&from.bytes[start..written]);
            self.length = self.length.max(written);
        }
        let blank = start.max(from.bytes.len())..end.min(from.length).min(self.bytes.len());
        if !blank.is_empty() {
            self.bytes[blank].fill(b' ');
        }
        if end >= from.length && from.length > 0 && self.bytes.len() >= from.length {
            let last = from.length - 1;
            self.bytes[last] = from.bytes.get(last).copied().unwrap_or(b'\n');
        }
    }

    /// Takes the same length as `other`, blank where nothing else is known.
    fn take_length(&mut self, other: &Self) {
        if other.length < self.length {
            self.bytes.truncate(other.length);
        }
        self.length = other.length;
    }
}

/// A file: what is seen, what is safe, and which parts differ.
#[derive(Clone, Default)]
pub struct Inode {
    pub seen: Content,
    pub safe: Content,
    dirty: Vec<(usize, usize)>,
    /// What a failed sync gave up on.
    given_up: Vec<(usize, usize)>,
}

impl Inode {
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        self.seen.write(offset, data);
        // A disk writes whole sectors.
        let end = (offset + data.len()).next_multiple_of(SECTOR);
        self.dirty.push((offset / SECTOR * SECTOR, end));
    }

    /// Everything written becomes safe.
    pub fn sync(&mut self) {
        for (start, end) in std::mem::take(&mut self.dirty) {
            self.safe.take_over(&self.seen, start, end);
        }
        self.safe.take_length(&self.seen);
    }

    /// A sync that failed: some of it is safe, and, as on Linux, no later sync tries the rest again.
    pub fn sync_in_part(&mut self, tear: Tear, random: &mut Random) {
        let span = random.one_of([200, 1_000, 5_000]);
        let cut = random.below(span);
        let written = self.seen.bytes.len().max(self.safe.bytes.len());
        let mut fresh = 0;
        let dirty = std::mem::take(&mut self.dirty);
        self.given_up.extend_from_slice(&dirty);
        for (start, end) in dirty {
            let end = if tear == Tear::Everything {
                end
            } else {
                end.min(written)
            };
            match tear {
                Tear::Nothing => {}
                Tear::Everything => self.safe.take_over(&self.seen, start, end),
                Tear::Prefix => {
                    let kept = end.min(start + cut.saturating_sub(fresh));
                    self.safe.take_over(&self.seen, start, kept);
                    fresh += end.saturating_sub(start);
                }
                Tear::Sectors(size) => {
                    let mut at = start;
                    while at < end {
                        let next = (at / size + 1) * size;
                        if random.chance(50) {
                            self.safe.take_over(&self.seen, at, next.min(end));
                        }
                        at = next;
                    }
                }
            }
        }
        if tear == Tear::Everything || tear != Tear::Nothing && random.chance(50) {
            self.safe.take_length(&self.seen);
        }
    }

    /// The next process is not held to what an earlier one's failed sync gave up on.
    pub fn take_up(&mut self) {
        self.dirty.append(&mut self.given_up);
    }

    /// Power loss: what is safe, and by luck some of the rest, is what there is.
    pub fn lose_power(&mut self, tear: Tear, random: &mut Random) {
        if self.dirty.is_empty() && self.seen == self.safe {
            return;
        }
        self.sync_in_part(tear, random);
        self.given_up.clear();
        self.seen = self.safe.clone();
    }
}
