//! GoogleTest, when its program is run directly (recorded with 1.12).

use std::collections::HashMap;
use std::ops::Range;

use super::place::{self, Place};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, LINE_CHARS_MAX, Log, Run, cut};

const NAME: &str = "gtest";
const RUN: &str = "[ RUN      ] ";
const FAILED: &str = "[  FAILED  ] ";
/// Lines of one test's output that are read.
const OUTPUT_LINES_MAX: usize = 200;
/// Lines of one assertion that are told.
const ASSERTION_LINES_MAX: usize = 4;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut index = 0;
    while let Some(start) = log.find(index, |line| line.starts_with("[==========] Running ")) {
        // `[==========] 7 tests from 3 test suites ran. (0 ms total)`
        let is_end = |line: &str| {
            line.starts_with("[==========] ")
                && (line.contains(" ran.") || line.contains(" Running "))
        };
        let end = log.find(start + 1, |line| {
            line.starts_with('[') && is_end(line) || is_start(line)
        });
        let end = end.filter(|end| !is_start(log.line(*end)));
        let run = match end {
            Some(end) => finished(log, start, end),
            None => crashed(log, start),
        };
        index = run.lines.end.max(start + 1);
        runs.push(run);
    }
    runs
}

fn is_start(line: &str) -> bool {
    line.starts_with("[==========] Running ")
}

/// A run with its list of failed tests, which stands below its last line.
fn finished(log: &Log<'_>, start: usize, end: usize) -> Run {
    let is_list =
        |line: &str| line.is_empty() || line.starts_with("[  ") || line.starts_with("  YOU HAVE ");
    let listed = log
        .from(end + 1)
        .take_while(|(_, line)| is_list(line))
        .count();
    let last = end + 1 + listed;
    let is_count = |line: &str| line.trim_start().split_once(" FAILED TEST").is_some();
    let last = if is_count(log.line(last)) {
        last + 1
    } else {
        last
    };
    let list = log.from(end + 1).take(listed);
    let names = list.filter_map(|(_, line)| line.strip_prefix(FAILED));
    let names = names
        .filter(|text| !text.ends_with(", listed below:"))
        .map(name);
    let mut starts = HashMap::new();
    for (index, line) in log.from(start).take(end - start) {
        if let Some(name) = line.strip_prefix(RUN) {
            starts.insert(name, index);
        }
    }
    let failure = |name| {
        failure(
            log,
            starts.get(name).map_or(end, |start| start + 1)..end,
            name,
        )
    };
    Run {
        lines: start..last,
        failures: names.take(FAILURES_MAX).map(failure).collect(),
    }
}

/// A run that ended amid a test.
fn crashed(log: &Log<'_>, start: usize) -> Run {
    let mut running = None;
    let mut failures = Vec::new();
    let mut last = start;
    for (index, line) in log
        .from(start)
        .take_while(|(index, line)| *index == start || !is_start(line))
    {
        if let Some(name) = line.strip_prefix(RUN) {
            running = Some((index, name));
        } else if let Some((at, test)) = running {
            let result = line
                .strip_prefix(FAILED)
                .or_else(|| line.strip_prefix("[       OK ] "));
            let result = result.or_else(|| line.strip_prefix("[  SKIPPED ] "));
            if result.map(name) != Some(test) {
                continue;
            }
            if line.starts_with(FAILED) && failures.len() < FAILURES_MAX {
                failures
                    .push(failure(log, at + 1..index, test).with_confidence(Confidence::Medium));
            }
            running = None;
        } else {
            continue;
        }
        last = index;
    }
    let lines = start..last + 1;
    if let Some((at, test)) = running {
        let output = log.from(at).map(|(_, line)| line);
        let failure = Failure::new(
            FailureKind::Test,
            NAME,
            test,
            "the program ended while the test ran",
        );
        failures.push(failure.shown_by(output).with_confidence(Confidence::Medium));
    }
    Run { lines, failures }
}

/// Without the time and the parameters: `All/P.Names/1, where GetParam() = "two words" (0 ms)`.
fn name(text: &str) -> &str {
    let text = text.split_once(", where ").map_or(text, |(name, _)| name);
    text.split(' ').next().unwrap_or(text)
}

/// The failure of a test that printed these lines.
fn failure(log: &Log<'_>, lines: Range<usize>, name: &str) -> Failure {
    let failure = Failure::new(FailureKind::Test, NAME, name, "the test failed");
    let output = log
        .from(lines.start)
        .take(lines.len().min(OUTPUT_LINES_MAX));
    let output = output.map(|(_, line)| line);
    let output = output.take_while(|line| line.strip_prefix(FAILED).map(self::name) != Some(name));
    let output: Vec<&str> = output.collect();
    match assertion(&output) {
        None => failure.shown_by(output),
        Some((at, error, place)) => {
            let failure = Failure { error, ..failure }.shown_by(output[at..].iter().copied());
            match place {
                Some(place) => failure.at(place.file, Some(place.line)),
                None => failure,
            }
        }
    }
}

/// The first failed assertion: its line, what it says, and its place.
pub(super) fn assertion<'a>(output: &[&'a str]) -> Option<(usize, String, Option<Place<'a>>)> {
    let at = output.iter().position(|line| line.ends_with(": Failure"))?;
    let place = place::leading(output[at]);
    let told = output[at + 1..].iter().take(ASSERTION_LINES_MAX);
    let told = told.take_while(|line| {
        !line.ends_with(": Failure") && !line.starts_with('[') && !line.is_empty()
    });
    let told: Vec<&str> = told.map(|line| line.trim()).collect();
    Some((
        at,
        cut(&told.join("; ").replace(":; ", ": "), LINE_CHARS_MAX),
        place,
    ))
}
