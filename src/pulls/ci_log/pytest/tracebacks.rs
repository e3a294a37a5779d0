//! What pytest's tracebacks tell.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::super::python_trace::{is_installed_python, path_line, python_frame};
use super::super::{EXCERPT_LINES_MAX, Log};
use super::sessions::titled;

/// The tracebacks: `____ title ____` and what follows.
#[derive(Default)]
pub(super) struct Tracebacks<'a> {
    pub bodies: Vec<(&'a str, Range<usize>)>,
    /// By kind (index 1: of errors) and title; in the order of the log, since modules may have tests
    /// of equal names.
    pub by_title: [HashMap<&'a str, VecDeque<usize>>; 2],
}

impl<'a> Tracebacks<'a> {
    pub(super) fn read(log: &'a Log<'_>, lines: &Range<usize>) -> Self {
        let mut tracebacks = Self::default();
        let mut is_open = false;
        let telling = |first| matches!(first, b'_' | b'=' | b'-');
        for (index, line) in log.led_by(lines.clone(), telling) {
            let fill = match line.as_bytes().first() {
                Some(b'_') => '_',
                Some(b'=') => '=',
                // Captured output follows, or something of a plugin.
                Some(b'-') => '-',
                _ => continue,
            };
            let Some(title) = titled(line, fill) else {
                continue;
            };
            if is_open && let Some((_, body)) = tracebacks.bodies.last_mut() {
                body.end = index;
            }
            is_open = fill == '_';
            if is_open {
                tracebacks.add(title, index + 1..lines.end);
            }
        }
        tracebacks
    }

    fn add(&mut self, title: &'a str, body: Range<usize>) {
        let prefixes = [
            "ERROR collecting ",
            "ERROR at setup of ",
            "ERROR at teardown of ",
        ];
        let error = prefixes
            .iter()
            .find_map(|prefix| title.strip_prefix(prefix));
        let is_error = error.is_some();
        let title = error.unwrap_or(title);
        let title = title.strip_prefix("[doctest] ").unwrap_or(title);
        let number = self.bodies.len();
        self.bodies.push((title, body));
        let titles = &mut self.by_title[usize::from(is_error)];
        titles.entry(title).or_default().push_back(number);
        // A subtest is also found by its test, for the versions that do not name it.
        if let Some(end) = title.find(" (").into_iter().chain(title.find(" [")).min() {
            titles.entry(&title[..end]).or_default().push_back(number);
        }
    }

    pub(super) fn has(&self, is_error: bool, id: &str, subtest: &str) -> bool {
        let known = &self.by_title[usize::from(is_error)];
        known.contains_key(title_of(id, subtest).as_str()) || known.contains_key(file_of(id))
    }

    /// Takes the next traceback of this test: its title and lines. A crashed worker's has its file.
    pub(super) fn take(
        &mut self,
        is_error: bool,
        id: &str,
        subtest: &str,
    ) -> Option<(&'a str, Range<usize>)> {
        let known = &mut self.by_title[usize::from(is_error)];
        let mut next = |title: &str| known.get_mut(title)?.pop_front();
        let number = next(&title_of(id, subtest)).or_else(|| next(file_of(id)))?;
        self.bodies.get(number).cloned()
    }
}

/// The title of the traceback of `tests/test_a.py::TestA::test_b[x]`: `TestA.test_b[x]`.
pub(super) fn title_of(id: &str, subtest: &str) -> String {
    let name = split(id).map_or(id, |(_, name)| name);
    let (name, parameters) = name.split_at(name.find('[').unwrap_or(name.len()));
    let space = if subtest.is_empty() { "" } else { " " };
    format!("{}{parameters}{space}{subtest}", name.replace("::", "."))
}

/// The file of a node id.
pub(super) fn file_of(id: &str) -> &str {
    split(id).map_or(id, |(file, _)| file)
}

fn split(id: &str) -> Option<(&str, &str)> {
    // Parameters hold any text.
    id.split_once("::").filter(|(file, _)| !file.contains('['))
}

/// What a traceback tells.
#[derive(Default)]
pub(in super::super) struct Details<'a> {
    pub error: Option<Cow<'a, str>>,
    pub place: Option<(&'a str, u32)>,
    pub excerpt: Vec<&'a str>,
}

impl<'a> Details<'a> {
    /// `message` is the one of the summary, perhaps cut, perhaps empty.
    pub(in super::super) fn read(body: &[&'a str], message: &str) -> Self {
        let lines = || body.iter().copied();
        // Each exception of a chain has its lines `E   text`; the last counts.
        let end = lines()
            .rposition(|line| exception(line).is_some())
            .map_or(0, |last| last + 1);
        let above = lines()
            .take(end)
            .rev()
            .take_while(|line| exception(line).is_some());
        let start = end - above.count();
        let mut texts = lines().take(end).skip(start).filter_map(exception);

        let own = |(path, line, _): (&'a str, u32, &'a str)| {
            (path.contains('.') && !is_installed_python(path)).then_some((path, line))
        };
        let place = || lines().filter_map(path_line).filter_map(own).next_back();
        let frame = || lines().filter_map(python_frame).filter_map(own).next_back();
        let first = texts.next();
        // A syntax error shows its place before its text.
        let (error, place) = match first.and_then(python_frame) {
            Some((path, line, _)) => (texts.next_back(), Some((path, line))),
            None => (first, place().or_else(frame)),
        };
        let wanted = message.strip_suffix("...").unwrap_or(message).trim_end();
        let is_wanted = |text: &&str| !wanted.is_empty() && text.starts_with(wanted);
        let whole = || {
            lines()
                .map(|line| exception(line).unwrap_or(told(line)))
                .rfind(is_wanted)
        };
        let error = error
            .filter(is_wanted)
            .or_else(whole)
            .or(error)
            .map(Cow::Borrowed);
        let error = error.or_else(|| doctest(body)).or_else(|| {
            let plain = lines().find(|line| is_plain(line));
            plain
                .filter(|_| wanted.is_empty())
                .map(|line| Cow::Borrowed(told(line)))
        });

        let excerpt = match end {
            0 => body.len().saturating_sub(EXCERPT_LINES_MAX)..body.len(),
            _ => {
                let end = body.len().min(end + 2);
                // Rather the line that raised than the end of a long message.
                end.saturating_sub(EXCERPT_LINES_MAX)
                    .min(start.saturating_sub(1))..end
            }
        };
        Self {
            error,
            place,
            excerpt: body[excerpt].to_vec(),
        }
    }
}

/// The text of `E       text`.
pub(super) fn exception(line: &str) -> Option<&str> {
    let text = line.strip_prefix('E')?;
    (text.is_empty() || text.starts_with(' ')).then_some(text.trim())
}

/// The text of a line of `--tb=native`, where the tracebacks of exception groups are drawn as a tree.
fn told(line: &str) -> &str {
    line.trim_start_matches([' ', '|']).trim_end()
}

/// Not blank, not xdist's `[gw0] linux -- Python 3.11.7 …`, no argument as `self = <…>`.
fn is_plain(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("[gw") && !line.contains(" = ")
}

/// What `_pytest/doctest.py` shows, in one line.
fn doctest<'a>(body: &[&'a str]) -> Option<Cow<'a, str>> {
    let after = |title: &str| {
        let at = body.iter().position(|line| *line == title)?;
        body.get(at + 1).map(|line| line.trim())
    };
    let exception = body
        .iter()
        .find(|line| line.starts_with("UNEXPECTED EXCEPTION: "));
    exception.map(|line| Cow::Borrowed(*line)).or_else(|| {
        let (expected, got) = (after("Expected:")?, after("Got:")?);
        Some(Cow::Owned(format!("expected {expected}, got {got}")))
    })
}
