//! Reads job logs: pure functions from bytes to failures, one file a format.
//!
//! [`parse`] cleans the log once, looks once for the sentinels of all formats, and lets only those
//! parsers read it whose sentinel is there. What no parser knows is never turned into a test.

mod dotnet;
mod exunit;
mod failure;
mod formats;
mod gradle;
mod infra;
mod java_trace;
mod junit;
mod log;
mod minitest;
mod mypy;
mod phpunit;
mod place;
mod pytest;
mod python_trace;
mod rspec;
mod ruff;
mod surefire;
#[cfg(test)]
mod tests;
mod trx;
mod unittest;
mod xctest;
mod xml;

use std::collections::HashSet;

pub use failure::{
    Confidence, EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, LINE_CHARS_MAX, Run, cut,
    shell_word,
};
pub use infra::{classify, first_error};
pub use junit::parse_junit;
pub use log::Log;
pub use trx::parse_trx;

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Tools that were recognised, in the order of the log.
    pub frameworks: Vec<&'static str>,
    /// What failed, in the order of the log, each once, at most [`FAILURES_MAX`].
    pub failures: Vec<Failure>,
}

/// Reads a job's log as GitHub delivers it, or any part of it.
pub fn parse(bytes: &[u8]) -> LogReport {
    let log = Log::clean(bytes);
    parse_clean(&log, bytes)
}

/// The same for a log that is already cleaned; `bytes` are searched for sentinels.
fn parse_clean(log: &Log<'_>, bytes: &[u8]) -> LogReport {
    let mut found: Vec<(&'static formats::Format, Run)> = Vec::new();
    for format in formats::present(bytes) {
        found.extend((format.parse)(log).into_iter().map(|run| (format, run)));
    }
    // The outermost run wins where runs are nested; of equal ones the format that comes first.
    found.sort_by_key(|(format, run)| {
        let length = run.lines.len();
        (run.lines.start, usize::MAX - length, format.is_diagnostic)
    });
    let mut report = LogReport::default();
    let mut owned_until = 0;
    let mut known = HashSet::new();
    for (format, run) in found {
        if run.lines.end <= owned_until {
            continue;
        }
        if !report.frameworks.contains(&format.name) {
            report.frameworks.push(format.name);
        }
        for failure in run.failures {
            if report.failures.len() < FAILURES_MAX && known.insert(identity(&failure)) {
                report.failures.push(failure);
            }
        }
        if !format.is_diagnostic {
            owned_until = owned_until.max(run.lines.end);
        }
    }
    report
}

/// File, line and words of a diagnostic.
type Place = (Option<String>, Option<u32>, String);

/// What makes two failures the same: a test by its name, a diagnostic by its place and words too.
fn identity(failure: &Failure) -> (String, Option<Place>) {
    let place = || (failure.file.clone(), failure.line, failure.error.clone());
    let name = format!("{} {}", failure.framework, failure.test);
    (name, (failure.kind != FailureKind::Test).then(place))
}
