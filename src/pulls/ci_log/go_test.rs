//! `go test` with and without `-v` (recorded with Go 1.19 and 1.27).
//!
//! A package ends with `FAIL\tpackage\t0.01s` or `ok  \tpackage\t…`; what its tests printed stands
//! above. Package after package is written, never two at once.

use std::collections::HashSet;

use super::go_package::{failed, failures, finished, is_panic, unbuilt};
use super::log::COMPLETED;
use super::{Confidence, Log, Run};

/// Lines above a package's end that are read when nothing else tells where its output begins.
const PREAMBLE_LINES_MAX: usize = 12;
/// Lines below a package's end in which one of its tests may still report: then it was no end.
const STILL_RUNNING_LINES_MAX: usize = 200;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    // Where the output of the current package begins, if that is known, and the test that runs.
    let mut start = None;
    let mut running: Option<&str> = None;
    let mut last_own = 0;
    let mut last_end = 0;
    // Packages of which the compiler or vet said why they cannot be built.
    let mut explained = HashSet::new();
    for (index, line) in log.from(0) {
        let is_own = match line.as_bytes().first() {
            Some(b'=') => {
                if let Some(name) = line.strip_prefix("=== RUN   ") {
                    running = running.or(Some(name));
                }
                // gotestsum tells again what it showed, and of which package.
                if line == "=== Failed" {
                    start = None;
                }
                line.starts_with("=== RUN   ") || is_race(log, index)
            }
            Some(b'-') => {
                if finished(line).is_some_and(|name| running == Some(name)) {
                    running = None;
                }
                failed(line).is_some()
            }
            Some(b'p' | b'f') => is_panic(log.from(index).map(|(_, line)| line)).is_some(),
            Some(b'#') => {
                explained.extend(
                    line.strip_prefix("# ")
                        .and_then(|line| line.split(' ').next()),
                );
                false
            }
            Some(b'o' | b'F') => {
                let Some(end) = package_end(line) else {
                    continue;
                };
                if running.is_some_and(|name| still_runs(log, index, name)) {
                    continue;
                }
                let from = start
                    .take()
                    .unwrap_or_else(|| preamble(log, last_end, index, end.reason));
                let lines = from..index + 1;
                let is_certain = running.is_none() || goes_on(log, index);
                let mut failures = match end.reason {
                    None => Vec::new(),
                    Some("") => failures(&log.texts(from..index), end.package),
                    Some(_) if explained.contains(end.package) => Vec::new(),
                    Some(reason) => vec![unbuilt(end.package, reason)],
                };
                if !is_certain {
                    for failure in &mut failures {
                        failure.confidence = Confidence::Medium;
                    }
                }
                runs.push(Run { lines, failures });
                running = None;
                last_end = index + 1;
                false
            }
            _ => false,
        };
        if is_own {
            start.get_or_insert(index);
            last_own = index;
        }
    }
    // The log was cut amid a package: its name and how it ended are not known.
    if let Some(start) = start {
        let lines = start..last_own + 1;
        let told = failures(&log.texts(lines.clone()), "");
        let told = told.into_iter().filter(|failure| !failure.test.is_empty());
        let failures = told
            .map(|failure| failure.with_confidence(Confidence::Medium))
            .collect();
        runs.push(Run { lines, failures });
    }
    runs
}

struct PackageEnd<'a> {
    package: &'a str,
    /// Why it failed: `build failed`, `setup failed`, or empty if its tests did.
    reason: Option<&'a str>,
}

fn package_end(line: &str) -> Option<PackageEnd<'_>> {
    if let Some(rest) = line.strip_prefix("ok  \t") {
        let package = rest.split('\t').next()?;
        return Some(PackageEnd {
            package,
            reason: None,
        });
    }
    let rest = line.strip_prefix("FAIL\t")?;
    if let Some((package, reason)) = rest.split_once(" [") {
        return Some(PackageEnd {
            package,
            reason: Some(reason.strip_suffix(']')?),
        });
    }
    let (package, time) = rest.split_once('\t')?;
    let is_time = time.ends_with('s') && time.starts_with(|first: char| first.is_ascii_digit());
    is_time.then_some(PackageEnd {
        package,
        reason: Some(""),
    })
}

/// Whether that test reports soon: then the line above was printed by it.
fn still_runs(log: &Log<'_>, end: usize, name: &str) -> bool {
    let mut below = log.from(end + 1).take(STILL_RUNNING_LINES_MAX);
    let line = below.find_map(|(_, line)| {
        let is_next = line.starts_with("ok  \t") || line.strip_prefix("=== RUN   ") == Some(name);
        (is_next || finished(line) == Some(name)).then_some(line)
    });
    line.is_some_and(|line| finished(line).is_some())
}

/// Whether the log shows that a package really ended here, amid a test that exited: otherwise that
/// test may have printed the line, and the log ends before it says so.
fn goes_on(log: &Log<'_>, end: usize) -> bool {
    let mut below = log.from(end + 1).take(STILL_RUNNING_LINES_MAX);
    below.any(|(_, line)| {
        let starts = ["ok  \t", "FAIL\t", "=== ", COMPLETED];
        line == "FAIL" || starts.iter().any(|start| line.starts_with(start))
    })
}

/// First line of the output of a package of which no line is known: it exited before its tests.
fn preamble(log: &Log<'_>, last_end: usize, end: usize, reason: Option<&str>) -> usize {
    if reason != Some("") {
        return end;
    }
    let above = log.within(last_end..end).rev();
    let is_own = |(_, line): &(usize, &str)| !line.starts_with(['#', '\u{feff}']);
    end - above.take(PREAMBLE_LINES_MAX).take_while(is_own).count()
}

/// The race detector frames its report: the line below this rule says what it is.
fn is_race(log: &Log<'_>, index: usize) -> bool {
    log.line(index + 1) == "WARNING: DATA RACE"
}
