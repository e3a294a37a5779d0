//! pytest, with or without xdist, subtests and other plugins (read from 6.2, 8.4 and 9.2).

mod sessions;
mod tracebacks;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

use self::sessions::{Session, sessions, titled};
pub(super) use self::tracebacks::Details;
use self::tracebacks::{Tracebacks, exception, file_of, title_of};
use super::python_trace::{own_python_frame, python_frame};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "pytest";
const SUMMARY: &str = "short test summary info";
/// What pytest's own `conftest.py` loader says before there is a session (`_pytest/config`).
const CONFTEST: &str = "ImportError while loading conftest '";
/// Python's faulthandler.
const FATAL: &str = "Fatal Python error: ";
/// pytest-timeout's banner, without its second half.
const TIMEOUT: &str = "++++ Timeout ";
/// The function of `_pytest/python.py` that calls a test.
const CALLER: &str = "pytest_pyfunc_call";
/// Most lines looked at around a run's ends.
const NEAR: usize = 200;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut sessions = sessions(log);
    sessions.sort_by_key(|session| (session.lines.start, Reverse(session.lines.end)));
    // What lies inside another session is output of its tests.
    let mut end = 0;
    sessions.retain(|session| {
        let is_outer = session.lines.end > end;
        end = end.max(session.lines.end);
        is_outer
    });
    let read = |session: Session| Run {
        failures: failures(log, &session),
        lines: session.lines,
    };
    sessions.into_iter().map(read).collect()
}

/// A line of the summary, or of the results while tests run.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// `ERROR`: it was not the test's own code that failed.
    is_error: bool,
    /// A subtest, as `[message] (number=1)`; often empty.
    subtest: &'a str,
    /// The node id, and ` - message` where there is one.
    text: &'a str,
}

impl<'a> Entry<'a> {
    /// Reads a line of the summary. The plugin pytest-subtests wrote `SUBFAIL id` and later
    /// `[message] (number=1) SUBFAIL id`, pytest 9 itself writes `SUBFAILED[message] (number=1) id`.
    fn read(line: &'a str) -> Option<Self> {
        let entry = |is_error, subtest, text| {
            Some(Self {
                is_error,
                subtest,
                text,
            })
        };
        match line.as_bytes().first()? {
            b'F' => entry(false, "", line.strip_prefix("FAILED ")?),
            b'E' => entry(true, "", line.strip_prefix("ERROR ")?),
            b'S' => {
                let line = line.strip_prefix("SUBFAIL")?;
                let line = line.strip_prefix("ED").unwrap_or(line);
                // The arguments may hold spaces; a path hardly holds a `)` or `]` before one.
                let id = line.find("::")?;
                let end = line[..id].rfind([')', ']']).map_or(0, |end| end + 1);
                entry(false, line[..end].trim(), line[end..].strip_prefix(' ')?)
            }
            b'[' | b'(' => {
                let (subtest, text) = line.split_once(" SUBFAIL ")?;
                entry(false, subtest, text)
            }
            _ => None,
        }
    }

    /// Node id and message. Both may hold ` - `: the id is the one that heads a traceback, else
    /// one whose brackets are closed.
    fn split(&self, tracebacks: &Tracebacks<'_>) -> (&'a str, &'a str) {
        let splits = self.text.match_indices(" - ").take(8);
        let mut splits = splits.map(|(at, mark)| (&self.text[..at], &self.text[at + mark.len()..]));
        let all = (self.text, "");
        let known = |(id, _): &(&str, &str)| tracebacks.has(self.is_error, id, self.subtest);
        let closed =
            |(id, _): &(&str, &str)| !id.contains("::") || !id.contains('[') || id.ends_with(']');
        let found = splits.clone().find(known);
        found
            .or_else(|| known(&all).then_some(all))
            .or_else(|| splits.find(closed))
            .unwrap_or(all)
    }
}

fn failures(log: &Log<'_>, session: &Session) -> Vec<Failure> {
    let lines = &session.lines;
    if log.line(lines.start).starts_with(CONFTEST) {
        return vec![conftest(log, lines.start)];
    }
    let beside = || without_tests(log, lines);
    if session.counted == Some(0) {
        return beside().into_iter().collect();
    }
    let mut tracebacks = Tracebacks::read(log, lines);
    let summary = summary(log, session, &tracebacks);
    let has_summary = session.counted.is_some() || !summary.is_empty();
    let entries = if has_summary {
        summary
    } else {
        results(log, lines)
    };
    let is_subtest = |entry: &&Entry<'_>| !entry.subtest.is_empty();
    let subtests = entries.iter().filter(is_subtest);
    let parents: HashSet<&str> = subtests.map(|entry| entry.split(&tracebacks).0).collect();
    let mut failures = Vec::new();
    for entry in entries.iter().take(FAILURES_MAX) {
        let (id, message) = entry.split(&tracebacks);
        // A test with failed subtests fails too (pytest 9), which says nothing more.
        let is_parent = message.starts_with("contains ") && message.contains(" failed subtest");
        if !is_parent || !parents.contains(id) {
            let traceback = tracebacks.take(entry.is_error, id, entry.subtest);
            failures.push(failure(log, entry.subtest, id, message, traceback));
        }
    }
    if has_summary {
        failures.extend(beside());
    } else {
        if failures.is_empty() {
            failures = headed(log, lines, &tracebacks);
        }
        let last = unfinished(log, lines);
        let is_new = |last: &Failure| failures.iter().all(|known| known.test != last.test);
        failures.extend(last.filter(is_new));
    }
    if session.counted.is_none() {
        for failure in &mut failures {
            failure.confidence = Confidence::Medium;
        }
    }
    failures
}

/// The entries of the summary, in order.
///
/// With `CI` set a message is not cut, has many lines, and may hold a summary itself; and tests
/// print summaries. So an entry must have a traceback if there are tracebacks of its kind, and the
/// summary begins at the last banner under which there are as many as the last line counts.
fn summary<'a>(log: &'a Log<'_>, session: &Session, tracebacks: &Tracebacks<'_>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    let mut plausible = 0;
    let mut under_last = None;
    for (_, line) in log.within(session.lines.clone()).rev() {
        if let Some(entry) = Entry::read(line) {
            let has_tracebacks = !tracebacks.by_title[usize::from(entry.is_error)].is_empty();
            let (id, _) = entry.split(tracebacks);
            let has_own = || tracebacks.has(entry.is_error, id, entry.subtest);
            let is_plausible = !has_tracebacks || has_own();
            plausible += usize::from(is_plausible);
            entries.push((entry, is_plausible));
        } else if titled(line, '=') == Some(SUMMARY) {
            under_last = under_last.or(Some(entries.len()));
            if session.counted == Some(plausible) {
                break;
            }
        }
    }
    let Some(under_last) = under_last else {
        return Vec::new();
    };
    if session.counted.is_some_and(|counted| counted != plausible) {
        // Plugins have tracebacks of other titles: then the last summary is believed.
        entries.truncate(under_last);
    } else {
        entries.retain(|(_, is_plausible)| *is_plausible);
    }
    entries.into_iter().rev().map(|(entry, _)| entry).collect()
}

/// The result lines of `-v`, `id FAILED   [ 17%]`, and of xdist, `[gw0] [ 17%] FAILED id`.
fn results<'a>(log: &'a Log<'_>, lines: &Range<usize>) -> Vec<Entry<'a>> {
    let entry = |line: &'a str| {
        if let Some(worker) = line.strip_prefix("[gw") {
            let (_, result) = worker.split_once("] [")?;
            return Entry::read(result.split_once("%] ")?.1.trim_end());
        }
        let line = line.strip_suffix("%]")?;
        let line = line[..line.rfind('[')?].trim_end();
        let (text, is_error) = match line.strip_suffix(" FAILED") {
            Some(text) => (text, false),
            None => (line.strip_suffix(" ERROR")?, true),
        };
        text.contains("::").then_some(Entry {
            is_error,
            subtest: "",
            text,
        })
    };
    let lines = log.within(lines.clone());
    lines.filter_map(|(_, line)| entry(line)).collect()
}

/// Of a log that ends among the tracebacks: their titles.
fn headed(log: &Log<'_>, lines: &Range<usize>, tracebacks: &Tracebacks<'_>) -> Vec<Failure> {
    let is_banner = |line: &str| matches!(titled(line, '='), Some("FAILURES" | "ERRORS"));
    let banner = log.within(lines.clone()).find(|(_, line)| is_banner(line));
    let start = banner.map_or(lines.end, |(index, _)| index);
    let bodies = tracebacks
        .bodies
        .iter()
        .filter(|(_, body)| body.start > start);
    let failure = |(title, body): &(&str, Range<usize>)| Failure {
        reproduce: None,
        ..failure(log, "", title, "", Some((*title, body.clone())))
    };
    bodies.take(FAILURES_MAX).map(failure).collect()
}

fn failure(
    log: &Log<'_>,
    subtest: &str,
    id: &str,
    message: &str,
    traceback: Option<(&str, Range<usize>)>,
) -> Failure {
    let title = title_of(id, "");
    let (header, body) = traceback.unwrap_or_default();
    let subtest = header.strip_prefix(&title).map_or(subtest, str::trim);
    let test = if subtest.is_empty() {
        id.to_owned()
    } else {
        format!("{id} {subtest}")
    };
    let lines: Vec<&str> = log.within(body).map(|(_, line)| line).collect();
    let details = Details::read(&lines, message);
    let error = details.error.as_deref().unwrap_or(message);
    let error = if error.is_empty() {
        "failed; the log does not say why"
    } else {
        error
    };
    let failure = Failure::new(FailureKind::Test, NAME, &test, error)
        .shown_by(details.excerpt)
        .reproduced_by(format!("pytest {}", shell_word(id)));
    match details.place {
        Some((file, line)) => failure.at(file, Some(line)),
        None if file_of(id) != id => failure.at(file_of(id), None),
        None => failure,
    }
}

/// `conftest.py` cannot be imported: no session starts.
fn conftest(log: &Log<'_>, start: usize) -> Failure {
    let told = log.from(start + 1).take(NEAR);
    let told = told.take_while(|(_, line)| !line.starts_with("##[") && !line.starts_with(CONFTEST));
    let end = told.filter(|(_, line)| exception(line).is_some()).last();
    let end = end.map_or(start + 1, |(index, _)| index + 1);
    let file = log.line(start).trim_end().trim_start_matches(CONFTEST);
    let file = file.trim_end_matches("'.");
    let lines: Vec<&str> = log.within(start + 1..end).map(|(_, line)| line).collect();
    let details = Details::read(&lines, "");
    let error = details.error.as_deref().unwrap_or(log.line(start));
    let (place, line) = details
        .place
        .map_or((file, None), |(file, line)| (file, Some(line)));
    Failure::new(FailureKind::Test, NAME, file, error)
        .shown_by(details.excerpt)
        .at(place, line)
        .reproduced_by("pytest".to_owned())
}

/// What fails a run beside its tests: wrong arguments, a crash of pytest itself, low coverage.
fn without_tests(log: &Log<'_>, lines: &Range<usize>) -> Option<Failure> {
    let after = log.from(lines.end).take(3);
    // `_pytest/main.py` writes usage errors after the last line.
    let usage = after
        .take_while(|(_, line)| !line.starts_with("##["))
        .find_map(|(_, line)| {
            let told = ["file or directory not found: ", "not found: "];
            let error = line.strip_prefix("ERROR: ")?;
            told.iter()
                .any(|told| error.starts_with(told))
                .then_some(error)
        });
    let near = || log.within(lines.end.saturating_sub(NEAR).max(lines.start)..lines.end);
    let internal = || {
        near()
            .rev()
            .find_map(|(_, line)| line.strip_prefix("INTERNALERROR> "))
    };
    // pytest-cov 2 to 7, after its report.
    let coverage = || {
        let above = near().rev().take(8).map(|(_, line)| line);
        above
            .take_while(|line| titled(line, '_').is_none())
            .find(|line| line.starts_with("FAIL Required test coverage of "))
    };
    let error = usage.or_else(internal);
    let test = |error: &str| Failure::new(FailureKind::Test, NAME, "", error).shown_by([error]);
    let lint = |error: &str| {
        Failure::new(FailureKind::Lint, "pytest-cov", "coverage", error).shown_by([error])
    };
    error.map(test).or_else(|| coverage().map(lint))
}

/// The test that ran when the process ended: by a crash, by pytest-timeout's thread method, or
/// without a word.
fn unfinished(log: &Log<'_>, lines: &Range<usize>) -> Option<Failure> {
    let ends = |line: &str| line.contains(FATAL) || line.trim_end_matches('+').ends_with(TIMEOUT);
    let Some((index, line)) = log.within(lines.clone()).find(|(_, line)| ends(line)) else {
        let mut told = log
            .within(lines.clone())
            .rev()
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, line) = told.next()?;
        let test = started(line).filter(|test| line.trim_end() == *test)?;
        // With xdist several tests run at once.
        if log
            .within(lines.clone())
            .any(|(_, line)| line.starts_with("[gw"))
        {
            return None;
        }
        let error = "no result: the log ends while this test runs";
        return Some(crashed(test, error).shown_by([line]));
    };
    let frames: Vec<&str> = log
        .within(index + 1..lines.end)
        .take(NEAR)
        .map(|(_, line)| line)
        .collect();
    let own = || frames.iter().filter_map(|line| own_python_frame(line));
    // faulthandler has the last call first, pytest-timeout has it last.
    let (error, place) = match line.find(FATAL) {
        Some(at) => (&line[at..], own().next()),
        None => (
            "Timeout: pytest-timeout ended the process",
            own().next_back(),
        ),
    };
    // Without `-v` the test is the own frame next to pytest's that calls tests; the other lines
    // between are source.
    let calls = |line: &&str| python_frame(line).is_some_and(|(_, _, name)| name == CALLER);
    let called = || {
        let at = frames.iter().position(calls)?;
        let around = &frames[at.saturating_sub(1)..frames.len().min(at + 4)];
        let (file, _, name) = around.iter().find_map(|line| own_python_frame(line))?;
        let first = log.within(lines.start..lines.end.min(lines.start + NEAR));
        let mut roots = first.filter_map(|(_, line)| line.strip_prefix("rootdir: "));
        let root = roots.next().and_then(|root| root.split(", ").next());
        let inside = root.and_then(|root| file.strip_prefix(root.trim_end())?.strip_prefix('/'));
        Some(format!("{}::{name}", inside.unwrap_or(file)))
    };
    let test = started(line).map(str::to_owned).or_else(called)?;
    let own_lines = frames
        .iter()
        .copied()
        .filter(|line| own_python_frame(line).is_some());
    let failure = crashed(&test, error).shown_by([line].into_iter().chain(own_lines));
    Some(match place {
        Some((file, line, _)) => failure.at(file, Some(line)),
        None => failure,
    })
}

fn crashed(test: &str, error: &str) -> Failure {
    let failure = Failure::new(FailureKind::Test, NAME, test, error);
    failure.reproduced_by(format!("pytest {}", shell_word(test)))
}

/// The id in `tests/test_a.py::test_b Fatal …`, as `-v` writes it before a test runs.
fn started(line: &str) -> Option<&str> {
    let (file, _) = line.split_once("::")?;
    let end = [FATAL, "+++"].iter().find_map(|mark| line.find(mark));
    let id = line[..end.unwrap_or(line.len())].trim_end();
    (file.ends_with(".py") && !file.contains(' ')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn tests(log: &str) -> Vec<String> {
        parse(log.as_bytes())
            .failures
            .into_iter()
            .map(|failure| failure.test)
            .collect()
    }

    #[test]
    fn a_crashed_session_does_not_swallow_the_next() {
        let log = "=== test session starts ===\na.py::test_a FAILED [ 50%]\nKilled\n\
                   === test session starts ===\n\
                   === short test summary info ===\nFAILED b.py::test_b - x\n\
                   === 1 failed, 1 passed in 61.00s (0:01:01) ===\n";
        assert_eq!(tests(log), ["a.py::test_a", "b.py::test_b"]);
    }

    #[test]
    fn a_passing_test_may_print_a_session_and_a_failing_one_its_end() {
        let log = "=== test session starts ===\n=== test session starts ===\n\
                   === FAILURES ===\n___ test_in ___\nE   assert 0\n\
                   === short test summary info ===\nFAILED in.py::test_in - assert 0\n\
                   === 1 failed in 0.01s ===\n=== 1 passed in 0.02s ===\n";
        assert_eq!(tests(log), [] as [&str; 0]);
        let log = "=== test session starts ===\n=== FAILURES ===\n___ test_a ___\nE   assert 0\n\
                   === short test summary info ===\nFAILED fake.py::x\n=== 1 failed in 1s ===\n\
                   ___ test_b ___\nE   assert 0\n=== short test summary info ===\n\
                   FAILED a.py::test_a\nFAILED a.py::test_b\n=== 2 failed in 0.03s ===\n";
        assert_eq!(tests(log), ["a.py::test_a", "a.py::test_b"]);
    }
}
