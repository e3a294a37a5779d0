//! gotestsum's own summary (recorded with 1.8), in the formats that hide the output of `go test`.

use std::collections::HashSet;

use super::go_package::{DEPTH_MAX, explain, failure, unbuilt};
use super::{FAILURES_MAX, Failure, Log, Run};

/// Lines of one failure that are read.
const OUTPUT_LINES_MAX: usize = 200;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut failures = Vec::new();
    // In formats that show it, the output of `go test` itself tells more.
    let mut is_shown = false;
    for (index, line) in log.from(0) {
        match line.as_bytes().first() {
            Some(b'=') => {
                if ["=== Failed", "=== Skipped", "=== Errors"].contains(&line) {
                    start.get_or_insert(index);
                } else if start.is_some() && !is_shown && failures.len() < FAILURES_MAX {
                    failures.extend(failed(log, index, line));
                }
            }
            Some(b'F' | b'o') if start.is_none() => {
                is_shown |= line.starts_with("FAIL\t") || line.starts_with("ok  \t");
            }
            Some(b'D') if line.starts_with("DONE ") => {
                if let Some(start) = start.take() {
                    let failures = leaves(std::mem::take(&mut failures));
                    runs.push(Run {
                        lines: start..index + 1,
                        failures,
                    });
                }
                is_shown = false;
            }
            _ => {}
        }
    }
    runs
}

/// The failure headed by `=== FAIL: pkg/a TestNew (0.00s)`, and this `pkg/a TestNew`. The package is
/// relative to the module.
fn failed<'a>(log: &Log<'_>, index: usize, line: &'a str) -> Option<(&'a str, Failure)> {
    let (test, _) = line.strip_prefix("=== FAIL: ")?.rsplit_once(" (")?;
    let (package, name) = test.split_once(' ')?;
    let package = format!("./{}", package.trim_start_matches("./"));
    let is_next = |line: &str| line.starts_with("=== FAIL: ") || line.starts_with("DONE ");
    let below = log.from(index + 1).map(|(_, line)| line);
    let below = below.take(OUTPUT_LINES_MAX);
    let output: Vec<&str> = below.take_while(|line| !is_next(line)).collect();
    if !name.is_empty() {
        let race = output.iter().position(|line| *line == "WARNING: DATA RACE");
        let race = race.map(|start| &output[start..]);
        return Some((test, explain(failure(name, &package), &output, race)));
    }
    let reason = output
        .iter()
        .find_map(|line| line.strip_prefix("FAIL\t")?.split_once(" ["));
    let reason = reason.map(|(_, reason)| reason.trim_end_matches(']'))?;
    Some((test, unbuilt(&package, reason)))
}

/// Without the tests that failed only because a subtest did.
fn leaves(failures: Vec<(&str, Failure)>) -> Vec<Failure> {
    let mut parents = HashSet::new();
    for (test, _) in &failures {
        let name = test.find(' ').unwrap_or(0);
        let ends = test.match_indices('/').filter(|(at, _)| *at > name);
        let ends = ends.take(DEPTH_MAX);
        parents.extend(ends.map(|(at, _)| &test[..at]));
    }
    let leaves = failures
        .into_iter()
        .filter(|(test, _)| !parents.contains(test));
    leaves.map(|(_, failure)| failure).collect()
}
