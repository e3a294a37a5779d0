//! Reads job logs: pure functions from bytes to failures, one file a format.
//!
//! [`JobLog::read`] cuts a log to the steps that made its job fail; what is left the parsers read, and
//! the whole log where they recognise nothing in that.
//! [`parse`] cleans the log once, looks once for the sentinels of all formats, and lets only those
//! parsers read it whose sentinel is there. What no parser knows is never turned into a test.

mod archive;
mod c_compiler;
mod cargo_test;
mod ctest;
mod dotnet;
mod eslint;
mod exunit;
mod failure;
mod formats;
mod go_build;
mod go_package;
mod go_test;
mod go_test_json;
mod gotestsum;
mod gradle;
mod gtest;
mod infra;
#[cfg(test)]
mod inventions;
mod java_trace;
mod javascript;
mod jest;
mod junit;
mod log;
mod minitest;
mod mocha;
mod mypy;
mod nextest;
mod node_test;
mod phpunit;
mod place;
mod playwright;
mod presence;
mod prettier;
mod pytest;
mod python_trace;
mod reproduce;
mod rspec;
mod ruff;
mod rust_panic;
mod rustc;
mod steps;
#[cfg(test)]
mod steps_tests;
mod surefire;
mod swiftc;
mod tap;
#[cfg(test)]
mod tests;
mod trx;
mod tsc;
mod unittest;
mod vitest;
mod xctest;
mod xml;

use std::cell::LazyCell;
use std::collections::HashSet;

use formats::Format;
use presence::Presence;
use reproduce::Commands;
use steps::Sections;

use super::shell::shell_word;
pub use archive::{ArchiveError, TestReports};
pub use failure::{
    Confidence, EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, LINE_CHARS_MAX, Run, cut,
};

pub use infra::{classify, first_error, said_of_job};
pub use junit::parse_junit;
pub use log::Log;
pub use steps::JobStep;
pub use trx::parse_trx;

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Tools that were recognised, in the order of the log.
    pub frameworks: Vec<&'static str>,
    /// What failed, in the order of the log, each once, at most [`FAILURES_MAX`].
    pub failures: Vec<Failure>,
}

/// From this size on, a log is read by several threads.
const LARGE: usize = 1 << 20;

/// Reads a job's log as GitHub delivers it, or any part of it.
pub fn parse(bytes: &[u8]) -> LogReport {
    parse_cleaned(bytes).0
}

fn parse_cleaned(bytes: &[u8]) -> (LogReport, Log<'_>) {
    let presence = Presence::new(bytes);
    if bytes.len() < LARGE {
        let log = Log::clean(bytes);
        presence.search();
        let found = presence.found().into_iter();
        let found = report(&log, found.map(|format| (format, (format.parse)(&log))));
        return (found, log);
    }
    let log = std::thread::scope(|scope| {
        scope.spawn(|| presence.search());
        let log = Log::clean(bytes);
        presence.search();
        log
    });
    let found = std::thread::scope(|scope| {
        let log = &log;
        let start = |format: &'static Format| (format, scope.spawn(move || (format.parse)(log)));
        let started: Vec<_> = presence.found().into_iter().map(start).collect();
        let ended = started.into_iter();
        report(log, ended.map(|(format, runs)| (format, joined(runs))))
    });
    (found, log)
}

/// What a thread came to; its panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Puts together what the parsers found.
fn report(log: &Log<'_>, parsed: impl Iterator<Item = (&'static Format, Vec<Run>)>) -> LogReport {
    let mut found: Vec<(&'static Format, Run)> = parsed
        .flat_map(|(format, runs)| runs.into_iter().map(move |run| (format, run)))
        .collect();
    if found.iter().any(|(format, _)| format.name == "gradle") {
        let printed = gradle::printed(log);
        let is_printed = |line: usize| {
            let after = printed.partition_point(|block| block.start <= line);
            after > 0 && printed[after - 1].contains(&line)
        };
        found.retain(|(format, run)| {
            let last = run.lines.end.saturating_sub(1);
            format.name == "gradle" || !is_printed(run.lines.start) && !is_printed(last)
        });
    }
    // The outermost run wins where runs are nested; of equal ones the format that comes first.
    found.sort_by_key(|(format, run)| {
        let length = run.lines.len();
        (run.lines.start, usize::MAX - length, format.is_diagnostic)
    });
    let mut report = LogReport::default();
    let mut owned_until = 0;
    let mut finished_until = 0;
    let mut known = HashSet::new();
    let commands = LazyCell::new(|| Commands::new(log));
    for (format, run) in found {
        let is_finished = run.is_finished();
        // Where a run without an end does end, is a guess; where it begins, is not.
        if run.lines.end <= owned_until || !is_finished && run.lines.start < finished_until {
            continue;
        }
        if !report.frameworks.contains(&format.name) {
            report.frameworks.push(format.name);
        }
        for failure in run.failures {
            if report.failures.len() < FAILURES_MAX && known.insert(identity(&failure)) {
                let failure = match failure.reproduce {
                    Some(_) => failure,
                    None => commands.complete(&run.lines, failure),
                };
                report.failures.push(failure);
            }
        }
        if !format.is_diagnostic {
            owned_until = owned_until.max(run.lines.end);
            if is_finished {
                finished_until = finished_until.max(run.lines.end);
            }
        }
    }
    report
}

/// What a job's log told.
#[derive(Debug, Default)]
pub struct JobLog {
    /// What failed.
    pub failures: Vec<Failure>,
    /// Whether the steps that made the job fail tell it: a parser recognised it in what they wrote, or
    /// the runner said what happened.
    pub is_certain: bool,
}

impl JobLog {
    /// Whether the log alone does not say which of several steps made the job fail.
    pub fn needs_steps(bytes: &[u8]) -> bool {
        Sections::of(bytes).are_ambiguous()
    }

    /// Reads what the steps wrote that made the job fail. Without knowledge of its steps, where that is
    /// [needed](Self::needs_steps), what the log tells is less certain. So is what the other steps tell,
    /// which is added where nothing is recognised: the step that fails may only pass on their result.
    pub fn read(bytes: &[u8], steps: Option<&[JobStep]>) -> Self {
        let sections = Sections::of(bytes);
        let blamed = sections.blamed(bytes, steps);
        let part = blamed.of(bytes);
        let mut told = Self::of_part(&part);
        if !told.is_certain && part.len() < bytes.len() {
            // Steps that end in an error, then those that hide it.
            let parts = [sections.by_errors(bytes).of(bytes), bytes.into()];
            let mut others = parts.iter().map(|part| Self::of_part(part));
            // An error that no parser knows is not explained by a service that let another step down.
            let says_nothing = told.failures.is_empty();
            let others = others.find(|it| it.is_recognised() || it.is_certain && says_nothing);
            let others = others.unwrap_or_default().doubted();
            told.failures.extend(others.failures);
            told.failures.truncate(FAILURES_MAX);
        }
        match blamed.is_certain {
            true => told,
            false => told.doubted(),
        }
    }

    /// Reads a part. When no parser finds anything, what the runner says and the first error count.
    fn of_part(bytes: &[u8]) -> Self {
        let (report, log) = parse_cleaned(bytes);
        if !report.failures.is_empty() {
            return Self {
                failures: report.failures,
                is_certain: true,
            };
        }
        if let Some(failure) = classify(&log) {
            return Self {
                is_certain: failure.confidence == Confidence::High,
                failures: vec![failure],
            };
        }
        let unknown = first_error(&log);
        let unknown = unknown.map(|failure| Commands::new(&log).complete_unknown(failure));
        Self {
            failures: unknown.into_iter().collect(),
            is_certain: false,
        }
    }

    /// Whether a parser recognised any of it, in whatever step.
    pub fn is_recognised(&self) -> bool {
        let mut failures = self.failures.iter();
        failures.any(|failure| failure.framework != infra::NAME)
    }

    /// Whether all it says is that the job was stopped: why, the service may say.
    pub fn is_stopped(&self) -> bool {
        matches!(&*self.failures, [only] if only.kind == FailureKind::Cancelled)
    }

    /// The same, when it may be of a step that did not make the job fail.
    fn doubted(mut self) -> Self {
        for failure in &mut self.failures {
            failure.confidence = failure.confidence.max(Confidence::Medium);
        }
        self
    }
}

/// File, line and words of a diagnostic.
type Place = (Option<String>, Option<u32>, String);

/// What makes two failures the same: a test by its name, a diagnostic by its place and words too.
fn identity(failure: &Failure) -> (String, Option<Place>) {
    let place = || (failure.file.clone(), failure.line, failure.error.clone());
    // Two packages may have a test of one name: the command tells them apart.
    let command = failure.reproduce.as_deref().unwrap_or_default();
    let name = format!("{} {} {command}", failure.framework, failure.test);
    (name, (failure.kind != FailureKind::Test).then(place))
}
