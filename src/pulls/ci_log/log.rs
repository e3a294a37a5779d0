//! A job's log as its programs wrote it: without the runner's time stamps, without colours.

use std::iter;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memrchr};

/// A cleaned log. Lines are numbered from 0.
#[derive(Debug)]
pub struct Log<'a> {
    /// The log as it is, up to the first byte that is no UTF-8. Most lines are parts of it.
    text: &'a str,
    /// The lines that are not, one after another.
    cleaned: String,
    lines: Vec<Line>,
    /// Indices of the lines that the runner marked as errors, in order. The mark is taken off,
    /// because a problem matcher puts it before lines of any tool; only on the runner's own line
    /// about the exit code of a step it stays.
    pub errors: Vec<usize>,
}

/// Where the text of a line is. A log has hundreds of thousands of them, and memory that is written
/// for the first time is what costs most: eight bytes each.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: u32,
    length: u16,
    /// In [`Log::cleaned`], else in [`Log::text`].
    is_cleaned: bool,
    /// Tells most lines that a parser has no use for, without touching their text. [`EMPTY`] where
    /// there is none.
    first: u8,
}

/// Longest line that is read, in bytes; the rest of a longer one is left out. Names and places are
/// in the first of them, and a parser may look at one line for each of many others.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What is behind is left out. Cleaning makes three bytes of one at most, so that places fit.
const BYTES_MAX: usize = 1 << 30;
/// No line begins with it.
const EMPTY: u8 = b'\n';
/// The runner's mark of an error.
pub(super) const ERROR: &[u8] = b"##[error]";
/// The runner's own line after each failed command; it says nothing of the cause.
pub(super) const COMPLETED: &str = "##[error]Process completed with exit code ";

impl<'a> Log<'a> {
    /// Cleans a log: byte order mark, the runner's time stamps, terminal escapes, what a carriage
    /// return overwrote, carriage returns before line ends, and what exceeds a line's bound. Bytes
    /// that are no UTF-8 become U+FFFD.
    pub fn clean(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
        let mut log = Self {
            text: valid(bytes),
            cleaned: String::new(),
            lines: Vec::with_capacity(bytes.len() / 64),
            errors: Vec::new(),
        };
        // Nearly all lines of nearly all logs are taken as they are; looking once where that may
        // end spares looking at each line.
        let plain = memchr2(b'\x1b', b'\r', bytes).unwrap_or(bytes.len());
        let plain = plain.min(log.text.len());
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes).chain(iter::once(bytes.len())) {
            // Nothing is no line, where the last one has an end.
            if start < bytes.len() {
                log.push(bytes, start..end, end <= plain);
            }
            start = end + 1;
        }
        log
    }

    /// Adds a line of the log, given without its line feed.
    fn push(&mut self, bytes: &[u8], place: Range<usize>, is_plain: bool) {
        let line = &bytes[place.clone()];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut rest = &line[stamp_length(line)..];
        if let Some(marked) = rest.strip_prefix(ERROR) {
            self.errors.push(self.lines.len());
            if !rest.starts_with(COMPLETED.as_bytes()) {
                rest = marked;
            }
        }
        let end = place.start + line.len();
        if is_plain || end <= self.text.len() && memchr2(b'\x1b', b'\r', rest).is_none() {
            let length = bounded(self.text, end - rest.len(), end);
            self.lines.push(Line {
                start: (end - rest.len()) as u32,
                length: length as u16,
                is_cleaned: false,
                first: *rest.first().unwrap_or(&EMPTY),
            });
        } else {
            let start = self.cleaned.len();
            clean_line(rest, &mut self.cleaned);
            let length = bounded(&self.cleaned, start, self.cleaned.len());
            self.cleaned.truncate(start + length);
            self.lines.push(Line {
                start: start as u32,
                length: length as u16,
                is_cleaned: true,
                first: *self.cleaned.as_bytes().get(start).unwrap_or(&EMPTY),
            });
        }
    }

    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line with this index.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(|line| self.text_of(*line))
    }

    /// The line with this index; empty after the end.
    pub fn line(&self, index: usize) -> &str {
        self.get(index).unwrap_or_default()
    }

    fn text_of(&self, line: Line) -> &str {
        let text = if line.is_cleaned {
            &self.cleaned
        } else {
            self.text
        };
        let start = line.start as usize;
        &text[start..start + usize::from(line.length)]
    }

    /// Index and text of the lines from `start` on.
    pub fn from(
        &self,
        start: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, &str)> + ExactSizeIterator + Clone {
        self.within(start..self.lines.len())
    }

    /// Index and text of the lines in this range, as far as they exist.
    pub fn within(
        &self,
        lines: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (usize, &str)> + ExactSizeIterator + Clone {
        let lines = self.existing(lines);
        let texts = self.lines[lines.clone()].iter();
        lines.zip(texts.map(|line| self.text_of(*line)))
    }

    /// Those of the lines in this range that begin with a byte for which `wanted` holds. Far
    /// cheaper than to look at each line.
    pub fn led_by(
        &self,
        lines: Range<usize>,
        wanted: impl Fn(u8) -> bool,
    ) -> impl DoubleEndedIterator<Item = (usize, &str)> {
        let lines = self.existing(lines);
        let all = lines.clone().zip(&self.lines[lines]);
        all.filter(move |(_, line)| wanted(line.first))
            .map(|(index, line)| (index, self.text_of(*line)))
    }

    /// Texts of the lines in this range, as far as they exist.
    pub fn texts(&self, lines: Range<usize>) -> Vec<&str> {
        self.within(lines).map(|(_, line)| line).collect()
    }

    /// The first line from `start` on for which `wanted` holds.
    pub fn find(&self, start: usize, mut wanted: impl FnMut(&str) -> bool) -> Option<usize> {
        self.from(start)
            .find(|(_, line)| wanted(line))
            .map(|(index, _)| index)
    }

    fn existing(&self, lines: Range<usize>) -> Range<usize> {
        let end = lines.end.min(self.lines.len());
        lines.start.min(end)..end
    }
}

/// The bytes up to the first that is no UTF-8.
fn valid(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
    })
}

/// Length of the line at this place, up to its bound.
fn bounded(text: &str, start: usize, end: usize) -> usize {
    if end - start <= LINE_BYTES_MAX {
        return end - start;
    }
    text.floor_char_boundary(start + LINE_BYTES_MAX) - start
}

/// Writes what a terminal would show of the line at the end of `cleaned`.
fn clean_line(line: &[u8], cleaned: &mut String) {
    // A progress bar writes its line again and again: the last state stays.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = memrchr(b'\r', line).map_or(line, |at| &line[at + 1..]);
    let mut rest = line;
    let mut plain = Vec::with_capacity(line.len());
    while let Some(at) = memchr(b'\x1b', rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = after_escape(&rest[at + 1..]);
    }
    plain.extend_from_slice(rest);
    cleaned.push_str(&String::from_utf8_lossy(&plain));
}

/// The runner puts `2026-11-20T10:00:00.1234567Z ` before each line, always with seven digits of a
/// second: how many bytes of it there are.
pub(super) fn stamp_length(line: &[u8]) -> usize {
    const LENGTH: usize = "2026-11-20T10:00:00.1234567Z".len();
    let Some((stamp, rest)) = line.split_first_chunk::<LENGTH>() else {
        return 0;
    };
    // The separators and one digit of each group are enough; this is looked at for each line.
    let shaped = stamp[10] == b'T'
        && stamp[LENGTH - 1] == b'Z'
        && (stamp[4], stamp[7], stamp[13], stamp[16], stamp[19]) == (b'-', b'-', b':', b':', b'.')
        && [0, 5, 8, 11, 14, 17, 20, 26]
            .iter()
            .all(|place| stamp[*place].is_ascii_digit());
    match rest.first() {
        _ if !shaped => 0,
        Some(b' ') => LENGTH + 1,
        None => LENGTH,
        Some(_) => 0,
    }
}

/// What follows an escape sequence whose ESC is already taken (ECMA-48: CSI, OSC, two bytes).
fn after_escape(rest: &[u8]) -> &[u8] {
    match rest {
        [b'[', sequence @ ..] => {
            let end = sequence
                .iter()
                .position(|byte| (0x40..=0x7e).contains(byte));
            end.map_or(&[], |end| &sequence[end + 1..])
        }
        [b']', sequence @ ..] => {
            let end = memchr2(b'\x07', b'\x1b', sequence);
            match end.map(|end| (sequence[end], &sequence[end + 1..])) {
                Some((b'\x1b', [b'\\', rest @ ..])) => rest,
                Some((_, rest)) => rest,
                None => &[],
            }
        }
        [b'(' | b')', _, rest @ ..] => rest,
        [_, rest @ ..] => rest,
        [] => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cleaned_of_what_the_runner_and_terminals_add() {
        let table: &[(&[u8], &str)] = &[
            (b"2026-11-20T10:00:00.1234567Z FAILED x", "FAILED x"),
            (b"2026-11-20T10:00:00.1234567Z", ""),
            (
                b"2026-11-20T10:00:00Z not the runner's",
                "2026-11-20T10:00:00Z not the runner's",
            ),
            (b"\x1b[31mred\x1b[0m text\r", "red text"),
            (b"10%\r50%\r100%", "100%"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x07 end", "link end"),
            (b"\x1b(Bplain \x1b[38;5;9", "plain "),
            (b"bad \xff byte", "bad \u{fffd} byte"),
        ];
        for (given, wanted) in table {
            assert_eq!(Log::clean(given).line(0), *wanted, "{given:?}");
        }
        // The bound is within a character, which is left out.
        let long = format!("{}{}", "x".repeat(LINE_BYTES_MAX - 1), "é".repeat(9));
        for given in [long.clone(), format!("\x1b[1m{long}")] {
            let given = format!("{given}\nnext");
            let log = Log::clean(given.as_bytes());
            assert_eq!(log.line(0).len(), LINE_BYTES_MAX - 1);
            assert_eq!(log.line(1), "next");
        }
        let log = Log::clean(
            b"\xef\xbb\xbfa\r\n##[error]b\n##[error]Process completed with exit code 1.",
        );
        assert_eq!(log.texts(0..2), ["a", "b"]);
        assert!(log.line(2).starts_with(COMPLETED));
        assert_eq!(log.errors, [1, 2]);
    }
}
