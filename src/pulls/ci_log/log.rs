//! A job's log as its programs wrote it: without the runner's time stamps, without colours.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memrchr};

/// A cleaned log. Lines are numbered from 0.
#[derive(Debug)]
pub struct Log<'a> {
    /// All lines, without line ends.
    pub lines: Vec<Cow<'a, str>>,
}

impl<'a> Log<'a> {
    /// Cleans a log: byte order mark, the runner's time stamps, terminal escapes, what a carriage
    /// return overwrote, and carriage returns before line ends. Bytes that are no UTF-8 become U+FFFD.
    pub fn clean(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut lines = Vec::with_capacity(bytes.len() / 48);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (line, after) = match memchr(b'\n', rest) {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = after;
            lines.push(clean_line(line));
        }
        Self { lines }
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

    /// The first line from `start` on for which `wanted` holds.
    pub fn find(&self, start: usize, mut wanted: impl FnMut(&str) -> bool) -> Option<usize> {
        self.from(start)
            .find(|(_, line)| wanted(line))
            .map(|(index, _)| index)
    }
}

fn clean_line(line: &[u8]) -> Cow<'_, str> {
    let line = without_time_stamp(line.strip_suffix(b"\r").unwrap_or(line));
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

/// The runner puts `2026-11-20T10:00:00.1234567Z ` before each line.
fn without_time_stamp(line: &[u8]) -> &[u8] {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd.";
    if line.len() <= SHAPE.len() || line[4] != b'-' || line[10] != b'T' {
        return line;
    }
    let shaped = SHAPE.iter().zip(line).all(|(shape, byte)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => other == byte,
    });
    if !shaped {
        return line;
    }
    let fraction = &line[SHAPE.len()..];
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit());
    let rest = &fraction[digits.count()..];
    match rest {
        [b'Z', b' ', text @ ..] => text,
        [b'Z'] => &[],
        _ => line,
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
        let log = Log::clean(b"\xef\xbb\xbfa\r\nb\n");
        assert_eq!(log.lines, ["a", "b"]);
    }
}
