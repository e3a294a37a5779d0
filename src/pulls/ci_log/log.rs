//! A job's log as its programs wrote it: without the runner's time stamps, without colours.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

/// A cleaned log. Lines are numbered from 0.
#[derive(Debug)]
pub struct Log<'a> {
    /// All lines, without line ends.
    pub lines: Vec<Cow<'a, str>>,
    /// Indices of the lines that the runner marked as errors, in order. The mark is taken off,
    /// because a problem matcher puts it before lines of any tool; only on the runner's own line
    /// about the exit code of a step it stays.
    pub errors: Vec<usize>,
}

/// Longest line that is read, in bytes; the rest of a longer one is left out. Names and places are
/// in the first of them, and a parser may look at one line for each of many others.
const LINE_BYTES_MAX: usize = 16 << 10;
/// The runner's mark of an error.
const ERROR: &[u8] = b"##[error]";
/// The runner's own line after each failed command; it says nothing of the cause.
pub(super) const COMPLETED: &str = "##[error]Process completed with exit code ";

impl<'a> Log<'a> {
    /// Cleans a log: byte order mark, the runner's time stamps, terminal escapes, what a carriage
    /// return overwrote, carriage returns before line ends, and what exceeds a line's bound. Bytes
    /// that are no UTF-8 become U+FFFD.
    pub fn clean(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // Nearly all lines of nearly all logs are taken as they are; looking once whether the whole
        // log is valid and plain spares looking at each line.
        let text = std::str::from_utf8(bytes).ok();
        let is_plain = memchr(b'\x1b', bytes).is_none();
        let mut lines = Vec::with_capacity(bytes.len() / 64);
        let mut errors = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
            let next = end + 1;
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let end = start + line.len();
            start += stamp_length(line);
            if bytes[start..end].starts_with(ERROR) {
                errors.push(lines.len());
                if !bytes[start..end].starts_with(COMPLETED.as_bytes()) {
                    start += ERROR.len();
                }
            }
            let line = &bytes[start..end];
            lines.push(bounded(match text.and_then(|text| text.get(start..end)) {
                Some(text) if is_plain && memchr(b'\r', line).is_none() => Cow::Borrowed(text),
                _ => clean_line(line),
            }));
            start = next;
        }
        Self { lines, errors }
    }

    /// The line with this index; empty after the end.
    pub fn line(&self, index: usize) -> &str {
        self.lines.get(index).map_or("", |line| line)
    }

    /// Index and text of the lines from `start` on.
    pub fn from(&self, start: usize) -> impl DoubleEndedIterator<Item = (usize, &str)> {
        let start = start.min(self.lines.len());
        let lines = self.lines[start..].iter().enumerate();
        lines.map(move |(index, line)| (start + index, &**line))
    }

    /// Index and text of the lines in this range, as far as they exist.
    pub fn within(
        &self,
        lines: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (usize, &str)> + ExactSizeIterator + Clone {
        let end = lines.end.min(self.lines.len());
        let start = lines.start.min(end);
        let numbers = start..end;
        numbers.zip(self.lines[start..end].iter().map(|line| &**line))
    }

    /// The first line from `start` on for which `wanted` holds.
    pub fn find(&self, start: usize, mut wanted: impl FnMut(&str) -> bool) -> Option<usize> {
        self.from(start)
            .find(|(_, line)| wanted(line))
            .map(|(index, _)| index)
    }
}

/// The line up to its bound.
fn bounded(line: Cow<'_, str>) -> Cow<'_, str> {
    if line.len() <= LINE_BYTES_MAX {
        return line;
    }
    let is_boundary = |end: &usize| line.is_char_boundary(*end);
    let end = (0..=LINE_BYTES_MAX).rev().find(is_boundary).unwrap_or(0);
    match line {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        // Truncating alone would keep the memory of the whole.
        Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
    }
}

fn clean_line(line: &[u8]) -> Cow<'_, str> {
    if memchr2(b'\x1b', b'\r', line).is_none() {
        return String::from_utf8_lossy(line);
    }
    // A progress bar writes its line again and again: the last state stays.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = memrchr(b'\r', line).map_or(line, |at| &line[at + 1..]);
    if memchr(b'\x1b', line).is_none() {
        return String::from_utf8_lossy(line);
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr(b'\x1b', rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = after_escape(&rest[at + 1..]);
    }
    plain.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// The runner puts `2026-11-20T10:00:00.1234567Z ` before each line, always with seven digits of a
/// second: how many bytes of it there are.
fn stamp_length(line: &[u8]) -> usize {
    const LENGTH: usize = "2026-11-20T10:00:00.1234567Z".len();
    let Some((stamp, rest)) = line.split_at_checked(LENGTH) else {
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
        assert_eq!(log.lines[..2], ["a", "b"]);
        assert!(log.line(2).starts_with(COMPLETED));
        assert_eq!(log.errors, [1, 2]);
    }
}
