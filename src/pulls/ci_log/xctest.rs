//! XCTest, as `swift test` and `xcodebuild` run it, and Swift Testing. From their documented output.
//!
//! A result counts when the log says before that the test started, so that what tests print does
//! not; a test that started and never ended while the process crashed has failed.

use std::collections::{HashMap, HashSet};

use super::place::path_and_line;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const SWIFT_TESTING: &str = "swift-testing";
/// How far below a crash its traces are read.
const CRASH_LINES_MAX: usize = 12;

#[derive(Default)]
struct Seen<'a> {
    begin: Option<usize>,
    end: usize,
    /// The XCTest case that runs.
    started: Option<(&'a str, usize)>,
    /// Tests of Swift Testing that run; these run side by side.
    running: HashSet<&'a str>,
    /// The lines that say what is wrong, by test.
    issues: HashMap<&'a str, Vec<usize>>,
    failures: Vec<Failure>,
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
            [b'C', ..] if line.starts_with("Command line invocation:") => seen.is_xcode = true,
            [b'/' | b'<', ..] if line.contains(": error: ") => {
                if let Some((test, _)) = assertion(line) {
                    seen.issues.entry(test).or_default().push(index);
                }
            }
            [b'R' | b'e' | b'E', ..] if is_crash(line) => crash(log, &mut seen, index),
            // The symbols of Swift Testing: ◇ ✔ ✘ ↳, on macOS those of a private font.
            [0xe2 | 0xf4, ..] => swift_testing(log, &mut seen, index, line),
            [b'#', ..] if line.starts_with("##[group]") => {
                runs.extend(run(std::mem::take(&mut seen), index));
            }
            _ => {}
        }
    }
    runs.extend(run(seen, log.len()));
    runs
}

/// `Test Case '-[ApiTests.UserTests testGreets]' started.`, on Linux `Test Case 'UserTests.testGreets'
/// started at ...`; with parallel testing only `Test case 'UserTests.testGreets()' failed on 'Clone 1
/// of iPhone' (0.1 seconds)`.
fn xctest<'a>(log: &'a Log<'_>, seen: &mut Seen<'a>, at: usize, line: &'a str) {
    if let Some(rest) = line.strip_prefix("Test Suite '") {
        seen.begin.get_or_insert(at);
        seen.is_ended = rest.contains("' failed at ") || rest.contains("' passed at ");
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
    let is_parallel = what.contains(" on '");
    let is_running = is_parallel || seen.started.is_some_and(|(started, _)| started == test);
    if what.starts_with("started") {
        seen.begin.get_or_insert(at);
        seen.started = Some((test, at));
    } else if is_running && what.starts_with("failed") {
        let name = xctest_name(test);
        let issues = seen.issues.remove(test).unwrap_or_default();
        let issue = issues.first().map_or("", |&issue| log.line(issue));
        let error = assertion(issue).map_or("failed", |(_, error)| error);
        let failure = Failure::new(FailureKind::Test, "xctest", &name, error)
            .shown_by(issues.iter().map(|&issue| log.line(issue)));
        // An error that was thrown is at `<EXPR>:0`.
        let place = path_and_line(issue).filter(|(path, _)| !path.starts_with('<'));
        let failure = match place {
            Some((path, line)) => failure.at(path, Some(line)),
            None => failure,
        };
        keep(seen, failure);
        (seen.started, seen.end) = (None, at + 1);
    } else if is_running && (what.starts_with("passed") || what.starts_with("skipped")) {
        // With `-retry-tests-on-failure` the last attempt counts.
        let name = xctest_name(test);
        seen.failures.retain(|known| known.test != name);
        (seen.started, seen.end) = (None, at + 1);
    }
}

fn keep(seen: &mut Seen<'_>, failure: Failure) {
    if seen.failures.len() < FAILURES_MAX {
        seen.failures.retain(|known| known.test != failure.test);
        seen.failures.push(failure);
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

fn crash<'a>(log: &'a Log<'_>, seen: &mut Seen<'a>, at: usize) {
    seen.end = at + 1;
    let Some((test, started)) = seen.started.take() else {
        return;
    };
    let printed = log
        .from(started + 1)
        .take(at - started)
        .map(|(_, line)| line);
    let printed: Vec<&str> = printed.take(CRASH_LINES_MAX).collect();
    let fatal = printed.iter().find(|line| line.contains("Fatal error: "));
    let error = fatal.map_or(log.line(at), |line| line);
    let place = path_and_line(error).filter(|(path, _)| path.ends_with(".swift"));
    let error = error
        .find("Fatal error: ")
        .map_or(error, |start| &error[start..]);
    let mut failure = Failure::new(FailureKind::Test, "xctest", &xctest_name(test), error);
    if let Some((path, line)) = place {
        failure = failure.at(path, Some(line));
    }
    keep(seen, failure.shown_by(printed));
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
    } else if let Some((test, _)) = text.split_once(" failed after ") {
        // Of one with arguments the line has ` with 3 test cases` in between.
        let test = test.rsplit_once(" with ").map_or(test, |(name, cases)| {
            if cases.contains(" test case") {
                name
            } else {
                test
            }
        });
        if seen.running.remove(test) {
            let issues = seen.issues.remove(test).unwrap_or_default();
            let failure = expectation(log, test, &issues);
            keep(seen, failure);
            seen.end = at + 1;
        }
    }
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
    let name = test.trim_matches('"');
    let mut failure = Failure::new(FailureKind::Test, SWIFT_TESTING, name, error)
        // `↳` lines below an issue are its comments.
        .shown_by(issues.iter().flat_map(|&issue| {
            let below = log.from(issue + 1).map(|(_, line)| line);
            let below = below.take_while(|line| line.starts_with('↳')).take(4);
            [log.line(issue)].into_iter().chain(below)
        }));
    if let Some((path, line)) = place {
        failure = failure.at(path, Some(line));
    }
    // A display name is nothing that can be filtered by.
    match test.split_once('(').filter(|_| !test.starts_with('"')) {
        Some((function, _)) => {
            failure.reproduced_by(format!("swift test --filter {}", shell_word(function)))
        }
        None => failure,
    }
}

fn run(seen: Seen<'_>, last: usize) -> Option<Run> {
    let begin = seen.begin?;
    let mut failures = seen.failures;
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
