//! XCTest, as `swift test` and `xcodebuild` run it, and Swift Testing.
//!
//! A result counts when the log says before that the test started, and what stands between its start
//! and its end is what it printed; a test that started and never ended while the process crashed has
//! failed.

use std::collections::{HashMap, HashSet};

use super::place::path_and_line;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const SWIFT_TESTING: &str = "swift-testing";
/// How many lines of a crash are shown.
const CRASH_LINES_MAX: usize = 12;
/// How far below a crash the frame is searched that is the project's.
const TRACE_LINES_MAX: usize = 60;
/// How many lines of a message are shown.
const MESSAGE_LINES_MAX: usize = 6;
/// So many tests are open at most: one, and what it prints, or those that crashed.
const OPEN_MAX: usize = 32;

/// An XCTest case that started.
struct Open<'a> {
    test: &'a str,
    at: usize,
    /// Where the process crashed since.
    crash: Option<usize>,
}

#[derive(Default)]
struct Seen<'a> {
    begin: Option<usize>,
    end: usize,
    /// The XCTest cases that started and did not end. They run one after another: all but the first
    /// are printed by it, or it crashed.
    open: Vec<Open<'a>>,
    /// Tests of Swift Testing that run; these run side by side.
    running: HashSet<&'a str>,
    /// Where the process crashed while they did.
    crash: Option<usize>,
    /// Where `swift test` says that the process of the tests crashed. It says so in another stream,
    /// so that it may stand before all of their output.
    exit: Option<usize>,
    /// The lines that say what is wrong, by test.
    issues: HashMap<&'a str, Vec<usize>>,
    /// By the lines that tell them.
    failures: Vec<(usize, Failure)>,
    is_ended: bool,
    is_xcode: bool,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut seen = Seen::default();
    for (index, line) in log.from(0) {
        match line.as_bytes() {
            [b'T', ..] if line.starts_with("Test ") => xctest(log, &mut seen, index, line),
            [b'*', ..] if line.starts_with("** TEST ") => {
                (seen.is_xcode, seen.is_ended) = (true, true);
                seen.end = index + 1;
            }
            [b'*', ..] if line.starts_with("*** Program crashed: ") => crash(&mut seen, index),
            [b'C', ..] if line.starts_with("Command line invocation:") => seen.is_xcode = true,
            [b'/' | b'<', ..] if line.contains(": error: ") => {
                if let Some((test, _)) = assertion(line) {
                    seen.issues.entry(test).or_default().push(index);
                }
            }
            [b'R' | b'e' | b'E', ..] if is_crash(line) => {
                if seen.open.is_empty() && seen.running.is_empty() {
                    seen.exit = Some(index);
                }
                crash(&mut seen, index);
            }
            // The symbols of Swift Testing: ◇ ✔ ✘ ↳, on macOS those of a private font, on Windows ×.
            [0xc3 | 0xe2 | 0xf4, ..] => swift_testing(log, &mut seen, index, line),
            [b'#', ..] if line.starts_with("##[group]") => {
                runs.extend(run(log, std::mem::take(&mut seen), index));
            }
            _ => {}
        }
    }
    runs.extend(run(log, seen, log.len()));
    runs
}

/// `Test Case '-[ApiTests.UserTests testGreets]' started.`, on Linux `Test Case 'UserTests.testGreets'
/// started at ...`; with parallel testing only `Test case 'UserTests.testGreets()' failed on 'Clone 1
/// of iPhone' (0.1 seconds)`.
fn xctest<'a>(log: &'a Log<'_>, seen: &mut Seen<'a>, at: usize, line: &'a str) {
    if let Some(rest) = line.strip_prefix("Test Suite '") {
        seen.begin.get_or_insert(at);
        // A test that runs may print it.
        let is_between = seen.open.iter().all(|open| open.crash.is_some());
        let is_end = rest.contains("' failed at ") || rest.contains("' passed at ");
        seen.is_ended = is_end && is_between;
        // `Executed 7 tests, with 1 failure` follows.
        seen.end = at + 1 + usize::from(seen.is_ended);
        return;
    }
    let Some((test, what)) = line
        .strip_prefix("Test Case '")
        .or(line.strip_prefix("Test case '"))
        .and_then(|rest| rest.split_once("' "))
    else {
        return;
    };
    if what.starts_with("started") {
        seen.begin.get_or_insert(at);
        if seen.open.len() == OPEN_MAX {
            let oldest = seen.open.remove(0);
            keep_crash(log, seen, &oldest);
        }
        let crash = None;
        seen.open.push(Open { test, at, crash });
        return;
    }
    let is_failed = what.starts_with("failed");
    if !is_failed && !what.starts_with("passed") && !what.starts_with("skipped") {
        return;
    }
    let opened = seen.open.iter().rposition(|open| open.test == test);
    match opened {
        Some(opened) => {
            // What it printed looked like results.
            let start = seen.open[opened].at;
            while seen.failures.pop_if(|(line, _)| *line > start).is_some() {}
            seen.open.truncate(opened);
        }
        None if what.contains(" on '") => {}
        None => return,
    }
    seen.end = at + 1;
    if is_failed {
        let issues = seen.issues.remove(test).unwrap_or_default();
        let failure = failed(log, &xctest_name(test), &issues);
        keep(seen, at, failure);
    } else {
        // With `-retry-tests-on-failure` the last attempt counts.
        let name = xctest_name(test);
        seen.failures.retain(|(_, known)| known.test != name);
    }
}

fn failed(log: &Log<'_>, name: &str, issues: &[usize]) -> Failure {
    let issue = issues.first().map_or("", |&issue| log.line(issue));
    let error = assertion(issue).map_or("failed", |(_, error)| error);
    let failure = Failure::new(FailureKind::Test, "xctest", name, error);
    let is_next = |line: &str| line.starts_with("Test Case '") || assertion(line).is_some();
    let failure = failure.shown_by(
        issues
            .iter()
            .flat_map(|&issue| message(log, issue, is_next)),
    );
    // An error that was thrown is at `<EXPR>:0`.
    let place = path_and_line(issue).filter(|(path, _)| !path.starts_with('<'));
    match place {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    }
}

/// The line that tells an issue, and those below it up to what is told next.
fn message<'a>(
    log: &'a Log<'_>,
    issue: usize,
    is_next: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'a str> {
    let below = log.from(issue + 1).take(MESSAGE_LINES_MAX - 1);
    let below = below.map(|(_, line)| line);
    std::iter::once(log.line(issue)).chain(below.take_while(move |line| !is_next(line)))
}

fn keep(seen: &mut Seen<'_>, at: usize, failure: Failure) {
    if seen.failures.len() < FAILURES_MAX {
        seen.failures
            .retain(|(_, known)| known.test != failure.test);
        seen.failures.push((at, failure));
    }
}

/// `ApiTests.UserTests/testGreets`: what `swift test --filter` and `-only-testing:` take.
fn xctest_name(test: &str) -> String {
    let method = test
        .strip_prefix("-[")
        .and_then(|test| test.strip_suffix(']'));
    let parts = match method {
        Some(method) => method.split_once(' '),
        None => test.rsplit_once(['.', '/']),
    };
    parts.map_or(test.to_owned(), |(class, method)| {
        format!("{class}/{}", method.trim_end_matches("()"))
    })
}

/// Test and text of `/path/UserTests.swift:44: error: -[ApiTests.UserTests testGreets] : text`.
fn assertion(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(": error: ")?;
    rest.split_once(" : ")
}

fn is_crash(line: &str) -> bool {
    line.starts_with("Restarting after unexpected exit, crash, or test timeout")
        || line.contains("xited with signal code ")
        || line.contains("xited with unexpected signal code ")
}

/// The process crashed here, or a test prints that: whether it ends will tell.
fn crash(seen: &mut Seen<'_>, at: usize) {
    if let Some(open) = seen.open.last_mut() {
        open.crash.get_or_insert(at);
    } else if !seen.running.is_empty() {
        seen.crash.get_or_insert(at);
    }
}

/// Keeps the failure of a test that started and did not end, if the process crashed since.
fn keep_crash(log: &Log<'_>, seen: &mut Seen<'_>, open: &Open<'_>) {
    if let Some(crash) = open.crash {
        let name = xctest_name(open.test);
        let failure = crash_failure(log, "xctest", &name, open.at, crash);
        seen.end = seen.end.max(crash + 1);
        keep(seen, open.at, failure);
    }
}

/// The tests in which the process crashed.
fn crashed(log: &Log<'_>, seen: &mut Seen<'_>) {
    let mut open = std::mem::take(&mut seen.open);
    if let (true, Some(exit), Some(first)) = (
        open.iter().all(|open| open.crash.is_none()),
        seen.exit,
        open.first_mut(),
    ) {
        first.crash = Some(exit);
    }
    for open in open {
        keep_crash(log, seen, &open);
    }
    if let Some(crash) = seen.crash.filter(|_| !seen.running.is_empty()) {
        // Of several that ran the log does not say which one it was.
        let only = match seen.running.len() {
            1 => seen.running.iter().next().copied(),
            _ => None,
        };
        let name = only.map_or("test process", named);
        let start = crash.saturating_sub(CRASH_LINES_MAX);
        let failure = crash_failure(log, SWIFT_TESTING, name, start, crash);
        let failure = match only.and_then(filter) {
            Some(function) => failure.reproduced_by(format!("swift test --filter {function}")),
            None => failure,
        };
        seen.end = seen.end.max(crash + 1);
        keep(seen, crash, failure);
    }
}

/// A crash of the process at `at`, of a test that started at `start`.
fn crash_failure(log: &Log<'_>, framework: &str, name: &str, start: usize, at: usize) -> Failure {
    let printed = log.within(start + 1..at + 1).map(|(_, line)| line);
    let fatal = printed.rev().find(|line| line.contains("Fatal error: "));
    let error = fatal.unwrap_or(log.line(at));
    let shown = match fatal.and_then(|fatal| log.find(start + 1, |line| line == fatal)) {
        Some(fatal) => fatal..fatal + CRASH_LINES_MAX,
        None if at > start => start + 1..at + 1,
        // `swift test` says so before the output of the tests.
        None => at..at + 1,
    };
    let is_own = |path: &str| path.ends_with(".swift") && !path.starts_with("Swift/");
    let place = path_and_line(error).filter(|(path, _)| is_own(path));
    // `5 [ra] 0x1f UserTests.testCrashes() + 98 in apiTests.xctest at /path/UserTests.swift:6:63`
    let trace = log.from(at).take(TRACE_LINES_MAX).map(|(_, line)| line);
    let mut frames = trace.filter_map(|line| path_and_line(line.rsplit_once(" at ")?.1));
    let place = place.or_else(|| frames.find(|(path, _)| is_own(path)));
    let error = error
        .find("Fatal error: ")
        .map_or(error, |start| &error[start..]);
    let failure = Failure::new(FailureKind::Test, framework, name, error);
    let failure = failure.shown_by(log.within(shown).map(|(_, line)| line));
    match place {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    }
}

/// `✘ Test four() recorded an issue at UserTests.swift:9:5: text`, `✘ Test four() failed after ...`
fn swift_testing<'a>(log: &'a Log<'_>, seen: &mut Seen<'a>, at: usize, line: &'a str) {
    let Some(text) = line.split_once(' ').map(|(_, text)| text.trim_start()) else {
        return;
    };
    let Some(text) = text.strip_prefix("Test ") else {
        return;
    };
    if text.starts_with("run ") {
        seen.begin.get_or_insert(at);
        (seen.is_ended, seen.end) = (!text.ends_with("started."), at + 1);
    } else if let Some(test) = text.strip_suffix(" started.") {
        seen.running.insert(test);
    } else if let Some((test, _)) = text.split_once(" recorded an issue") {
        seen.issues.entry(test).or_default().push(at);
    } else if let Some((test, _)) = text.rsplit_once(" failed after ") {
        let test = without_cases(test);
        if seen.running.remove(test) {
            let issues = seen.issues.remove(test).unwrap_or_default();
            let failure = expectation(log, test, &issues);
            keep(seen, at, failure);
            seen.end = at + 1;
        }
    } else if let Some((test, _)) = text
        .rsplit_once(" passed after ")
        .or_else(|| text.rsplit_once(" was cancelled after "))
    {
        seen.running.remove(without_cases(test));
    }
}

/// Without the ` with 3 test cases` of a test that has arguments.
fn without_cases(test: &str) -> &str {
    let split = test.rsplit_once(" with ");
    let split = split.filter(|(_, cases)| cases.contains(" test case"));
    split.map_or(test, |(name, _)| name)
}

/// A test's name without the quotes of a display name.
fn named(test: &str) -> &str {
    let inner = test.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(test)
}

/// What `swift test --filter` takes. A display name is nothing that can be filtered by.
fn filter(test: &str) -> Option<String> {
    let (function, _) = test.split_once('(').filter(|_| !test.starts_with('"'))?;
    Some(shell_word(function))
}

fn expectation(log: &Log<'_>, test: &str, issues: &[usize]) -> Failure {
    let issue = issues.first().map_or("", |&issue| log.line(issue));
    let (_, text) = issue
        .split_once(" recorded an issue")
        .unwrap_or(("", issue));
    let (place, error) = match text.split_once(" at ").filter(|_| !text.starts_with(": ")) {
        Some((_, rest)) => (
            path_and_line(rest),
            rest.split_once(": ").map_or(rest, |(_, e)| e),
        ),
        None => (None, text.trim_start_matches(": ")),
    };
    let error = if error.is_empty() { "failed" } else { error };
    // `↳` lines below an issue are its comments.
    let is_next = |line: &str| line.starts_with(['✘', '✔', '◇', '×', '√', '◊', '\u{100884}']);
    let mut failure = Failure::new(FailureKind::Test, SWIFT_TESTING, named(test), error).shown_by(
        issues
            .iter()
            .flat_map(|&issue| message(log, issue, is_next)),
    );
    if let Some((path, line)) = place {
        failure = failure.at(path, Some(line));
    }
    match filter(test) {
        Some(function) => failure.reproduced_by(format!("swift test --filter {function}")),
        None => failure,
    }
}

fn run(log: &Log<'_>, mut seen: Seen<'_>, last: usize) -> Option<Run> {
    let begin = seen.begin?;
    crashed(log, &mut seen);
    seen.failures.sort_by_key(|(line, _)| *line);
    let mut failures: Vec<Failure> = seen.failures.into_iter().map(|(_, it)| it).collect();
    for failure in &mut failures {
        if failure.framework == "xctest" {
            let test = shell_word(&failure.test.replacen(
                '.',
                if seen.is_xcode { "/" } else { "." },
                1,
            ));
            failure.reproduce = Some(match seen.is_xcode {
                true => format!("xcodebuild test -only-testing:{test}"),
                false => format!("swift test --filter {test}"),
            });
        }
        if !seen.is_ended {
            failure.confidence = Confidence::Medium;
        }
    }
    Some(Run {
        lines: begin..if seen.is_ended {
            seen.end.min(last)
        } else {
            last
        },
        failures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_after_any_number_of_crashes() {
        let mut log = String::from("Test Suite 'All tests' started at 2026-11-20 10:00:00.100\n");
        for number in 0..2 * OPEN_MAX {
            log.push_str(&format!(
                "Test Case 'ATests.test{number}' started at 2026-11-20 10:00:00.1\n\
                 a.swift:{number}: Fatal error: no {number}\n\
                 Restarting after unexpected exit, crash, or test timeout in ATests.test{number}()\n"
            ));
        }
        log.push_str(
            "Test Case 'ATests.testLast' started at 2026-11-20 10:00:00.1\n\
             /a.swift:4: error: ATests.testLast : XCTAssertTrue failed - \n\
             Test Case 'ATests.testLast' failed (0.1 seconds)\n",
        );
        let runs = parse(&Log::clean(log.as_bytes()));
        let [run] = &*runs else { panic!("{runs:?}") };
        assert_eq!(run.failures.len(), 2 * OPEN_MAX + 1);
        assert_eq!(run.failures[3].error, "Fatal error: no 3");
        assert_eq!(run.failures[2 * OPEN_MAX].test, "ATests/testLast");
    }
}
