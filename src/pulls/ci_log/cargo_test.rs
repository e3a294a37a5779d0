//! `cargo test`: libtest's report of each test binary, doctests included, and cargo's word about it.
//!
//! libtest says `running N tests` first and a `test result:` whose counts add up to N last; what
//! lies between belongs to it, the reports that its tests print included. Recorded with Rust 1.70 and
//! 1.95.

use std::collections::HashMap;
use std::ops::Range;

use super::place::number;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, rust_panic, shell_word};

const NAME: &str = "cargo-test";
/// How many reports without an end are asked whether a line ends them.
const OPEN_MAX: usize = 16;
/// What the line of a test ends with that failed.
const FAILED: &str = " ... FAILED";
/// Lines of an uncaptured panic that are read.
const UNCAPTURED_LINES_MAX: usize = 40;

/// The report of one test binary.
struct Report<'a> {
    lines: Range<usize>,
    /// Cargo's line above, without its first word: `unittests src/lib.rs (target/debug/deps/api-01)`.
    header: Option<&'a str>,
    /// File name of the binary that cargo's line ends with.
    binary: &'a str,
    /// Number of tests it announced.
    total: Option<usize>,
    /// The report that had no end when this one ended: one of its tests may have printed this.
    within: Option<usize>,
    end: End<'a>,
}

enum End<'a> {
    /// The log ends, or the process did before its summary, with success.
    Missing,
    /// Its summary counts so many failures.
    Summary { failed: usize },
    /// Cargo saw the process end so: `signal: 6, SIGABRT: process abort signal`.
    Crash { how: &'a str },
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let (reports, failed) = reports(log);
    let has_end = |report: usize| !matches!(reports[report].end, End::Missing);
    let run = |report: &Report<'_>| {
        let mut failures = failures(log, report, &failed);
        // The log ends amid the other report: whether that has an end, it does not tell.
        if !report.within.is_none_or(has_end) {
            for failure in &mut failures {
                failure.confidence = Confidence::Medium;
            }
        }
        Run {
            lines: report.lines.clone(),
            failures,
        }
    };
    reports.iter().map(run).collect()
}

/// All reports, of which the frame drops those inside another, and the lines of tests that failed.
fn reports<'a>(log: &'a Log<'_>) -> (Vec<Report<'a>>, Vec<usize>) {
    let mut failed = Vec::new();
    let mut reports: Vec<Report<'a>> = Vec::new();
    // Reports without an end, innermost last.
    let mut open: Vec<usize> = Vec::new();
    let mut last_ended = None;
    let telling = |first| matches!(first, b' ' | b'r' | b't');
    for (index, line) in log.led_by(0..log.len(), telling) {
        match line.as_bytes().first() {
            Some(b' ') => {
                if let Some(header) = header(line) {
                    // A binary with its own harness says nothing that ends its report.
                    if let Some(silent) = open.pop_if(|last| reports[*last].total.is_none()) {
                        reports[silent].lines.end = index;
                    }
                    open.push(reports.len());
                    reports.push(Report {
                        lines: index..index + 1,
                        header: Some(header),
                        binary: binary(header),
                        total: None,
                        within: None,
                        end: End::Missing,
                    });
                    last_ended = None;
                } else if let Some((process, how)) = crash(line) {
                    let ended = end(&mut open, |open| reports[open].is_of(process));
                    if let Some(ended) = ended {
                        reports[ended].lines.end = index + 1;
                        reports[ended].end = End::Crash { how };
                        reports[ended].within = open.last().copied();
                    }
                }
            }
            Some(b'r') if line.starts_with("running ") => {
                let Some(total) = announced(line) else {
                    continue;
                };
                last_ended = None;
                let waiting = open.last().copied();
                match waiting.filter(|last| reports[*last].total.is_none()) {
                    Some(waiting) => reports[waiting].total = Some(total),
                    None => {
                        open.push(reports.len());
                        reports.push(Report {
                            lines: index..index + 1,
                            header: None,
                            binary: "",
                            total: Some(total),
                            within: None,
                            end: End::Missing,
                        });
                    }
                }
            }
            Some(b't') => {
                if let Some((total, failed)) = summary(line) {
                    // Tests can print a summary as well: of several that fit the last counts.
                    let fits = |report: usize| reports[report].total == Some(total);
                    let ended = end(&mut open, fits).or(last_ended.filter(|last| fits(*last)));
                    if let Some(ended) = ended {
                        reports[ended].lines.end = index + 1;
                        reports[ended].end = End::Summary { failed };
                        reports[ended].within = open.last().copied();
                        last_ended = Some(ended);
                    }
                } else if line.starts_with("test ") {
                    if let Some(last) = open.last() {
                        reports[*last].lines.end = index + 1;
                    }
                    if line.ends_with(FAILED) {
                        failed.push(index);
                    }
                }
            }
            _ => {}
        }
    }
    (reports, failed)
}

/// Takes the innermost open report that fits, and those inside it, from the open ones.
fn end(open: &mut Vec<usize>, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let above = open
        .iter()
        .rev()
        .take(OPEN_MAX)
        .position(|report| fits(*report))?;
    open.truncate(open.len() - above);
    open.pop()
}

impl Report<'_> {
    /// Whether this is the report of that process: `/api/target/debug/deps/api-0123 --nocapture`.
    fn is_of(&self, process: &str) -> bool {
        // Without cargo's line (`--quiet`) it is the one that runs.
        process.contains(self.binary)
    }

    /// The source file of its binary.
    fn source(&self) -> Option<&str> {
        let words = self.header?.split(' ');
        words.into_iter().find(|word| word.ends_with(".rs"))
    }
}

/// Cargo's line above a report, right-aligned to twelve columns.
fn header(line: &str) -> Option<&str> {
    let running = line
        .strip_prefix("     Running ")
        .filter(|rest| rest.contains("deps"));
    running.or_else(|| line.strip_prefix("   Doc-tests "))
}

/// `api-01` of `unittests src/lib.rs (target/debug/deps/api-01)`.
fn binary(header: &str) -> &str {
    let last = header.rsplit([' ', '(', '/', '\\']).next();
    last.unwrap_or(header).trim_end_matches(')')
}

fn announced(line: &str) -> Option<usize> {
    let (total, rest) = number(line.strip_prefix("running ")?)?;
    matches!(rest, " test" | " tests").then_some(total as usize)
}

/// Number of tests and of failures of `test result: FAILED. 1 passed; 2 failed; 0 ignored; …`.
fn summary(line: &str) -> Option<(usize, usize)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut total = 0;
    let mut failures = None;
    for count in counts.split("; ") {
        let (count, what) = number(count)?;
        match what {
            " failed" => failures = Some(count as usize),
            " passed" | " ignored" | " measured" => {}
            _ => break,
        }
        total += count as usize;
    }
    Some((total, failures?))
}

/// Process and end of ``  process didn't exit successfully: `…/api-0123` (signal: 6, …)``.
fn crash(line: &str) -> Option<(&str, &str)> {
    let told = line.strip_prefix("  process didn't exit successfully: `")?;
    let (process, how) = told.rsplit_once("` (")?;
    Some((process, how.strip_suffix(')')?))
}

fn failures(log: &Log<'_>, report: &Report<'_>, failed_lines: &[usize]) -> Vec<Failure> {
    let unfinished = |target| unfinished(log, report, failed_lines, target);
    let last = report.lines.end.saturating_sub(1);
    match report.end {
        End::Summary { failed: 0 } => Vec::new(),
        End::Summary { failed } => {
            let target = target(log, last..last + 5);
            let listed = listed(log, report, last, failed);
            let outputs = outputs(log, report, &listed);
            let told = listed.iter().take(FAILURES_MAX).map(|name| {
                let output = outputs.get(name).map_or(&[][..], Vec::as_slice);
                let told = rust_panic::explain(failure(name, target), name, output);
                in_doctest(told, name)
            });
            // Where the list is missing, the lines of the tests have to do.
            let unlisted = listed.is_empty().then(|| unfinished(target));
            told.chain(unlisted.into_iter().flatten()).collect()
        }
        End::Crash { how } => {
            let target = target(log, last.saturating_sub(4)..last);
            let mut failures: Vec<_> = unfinished(target).collect();
            failures.push(crashed(log, report, how, target));
            failures
        }
        End::Missing => unfinished(None).collect(),
    }
}

/// What to pass to cargo to run this binary only: `-p api --lib`. Older cargo quoted it with apostrophes.
/// It becomes a part of a command: whoever else wrote that line cannot put one of its own there.
fn target<'a>(log: &'a Log<'_>, verdict: Range<usize>) -> Option<&'a str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./:@+".contains(&byte);
    let verdict = log.from(verdict.start).take(verdict.len());
    let told = verdict.filter_map(|(_, line)| line.split_once(" failed, to rerun pass "));
    let mut told = told.map(|(_, told)| told.trim_matches(['`', '\'']));
    told.find(|told| told.starts_with('-') && told.bytes().all(plain))
}

/// The names that stand, indented, between the last `failures:` and the summary.
fn listed<'a>(
    log: &'a Log<'_>,
    report: &Report<'_>,
    summary: usize,
    failed: usize,
) -> Vec<&'a str> {
    let Some(first) = summary.checked_sub(failed + 1) else {
        return Vec::new();
    };
    if first <= report.lines.start || log.line(first - 1) != "failures:" {
        return Vec::new();
    }
    let names = log.from(first).take(failed);
    let names: Option<_> = names.map(|(_, line)| line.strip_prefix("    ")).collect();
    names.unwrap_or_default()
}

/// What each of these tests printed: the blocks `---- NAME stdout ----`, or, where libtest did not
/// capture it, the lines from its panic on.
fn outputs<'a>(
    log: &'a Log<'_>,
    report: &Report<'_>,
    names: &[&'a str],
) -> HashMap<&'a str, Vec<&'a str>> {
    let mut outputs: HashMap<_, Vec<_>> = names.iter().map(|name| (*name, Vec::new())).collect();
    let start = report.lines.start;
    let end = start + report.lines.len().saturating_sub(names.len() + 3);
    // libtest-mimic writes no ` stdout`.
    let header = |line: &'a str| {
        let header = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
        Some(header.strip_suffix(" stdout").unwrap_or(header))
    };
    let mut dashes = log.led_by(start..end, |first| first == b'-');
    let is_block = |line| header(line).is_some_and(|name| outputs.contains_key(name));
    let blocks = dashes.find(|(_, line)| is_block(line));
    let blocks = blocks.map_or(end, |(index, _)| index);
    let mut current = None;
    for (_, line) in log.within(blocks..end) {
        let name = header(line);
        if let Some(name) = name.filter(|name| outputs.get(name).is_some_and(Vec::is_empty)) {
            current = Some(name);
        } else if let Some(output) = current.and_then(|name| outputs.get_mut(name)) {
            output.push(line);
        }
    }
    let tells = |output: &Vec<&str>| output.iter().any(|line| line.starts_with("thread '"));
    if outputs.values().all(tells) {
        return outputs;
    }
    let mut panics = HashMap::new();
    for (index, line) in log.led_by(start..blocks, |first| first == b't') {
        let thread = line.strip_prefix("thread '");
        if let Some((thread, _)) = thread.and_then(|line| line.split_once('\'')) {
            panics.entry(thread).or_insert(index);
        }
    }
    for (name, output) in &mut outputs {
        if !tells(output)
            && let Some(start) = panics.get(name)
        {
            let lines = log
                .from(*start)
                .take(UNCAPTURED_LINES_MAX)
                .map(|(_, line)| line);
            let end = |line: &&str| !line.is_empty() && !line.starts_with("test ");
            let told: Vec<_> = lines.take_while(end).collect();
            output.splice(0..0, told);
        }
    }
    outputs
}

/// The tests that failed in a report without summary, by their own lines.
fn unfinished<'a>(
    log: &'a Log<'_>,
    report: &Report<'_>,
    failed_lines: &'a [usize],
    target: Option<&'a str>,
) -> impl Iterator<Item = Failure> {
    let from = |line: usize| failed_lines.partition_point(|failed| *failed < line);
    let lines = &failed_lines[from(report.lines.start)..from(report.lines.end)];
    lines
        .iter()
        .filter_map(move |index| {
            let name = log
                .line(*index)
                .strip_prefix("test ")?
                .strip_suffix(FAILED)?;
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            Some(failure(name, target).with_confidence(Confidence::Medium))
        })
        .take(FAILURES_MAX)
}

/// The process ended amid its tests. Which one did it, is told only by a thread that overflowed its
/// stack, by a panic, and with `--test-threads=1` by a line without result.
fn crashed(log: &Log<'_>, report: &Report<'_>, how: &str, target: Option<&str>) -> Failure {
    let lines = || log.from(report.lines.start).take(report.lines.len());
    let mut named = lines().filter_map(|(index, line)| {
        let pending = line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(" ... "));
        let pending =
            pending.filter(|(_, result)| result.is_empty() || result.starts_with("error: "));
        let thread = || line.strip_prefix("thread '")?.split_once('\'');
        let (name, _) = pending.or_else(thread)?;
        Some((index, name))
    });
    let shown = |start: usize| {
        log.from(start)
            .map(|(_, line)| line)
            .take(report.lines.end - start)
    };
    let error = format!("the test process ended with {how}");
    match named.next_back() {
        Some((start, name)) if !matches!(name, "main" | "<unnamed>") => {
            let mut told = lines().filter(|(_, line)| line.starts_with("fatal runtime error: "));
            let told = told.next_back().and_then(|(_, line)| line.split_once(": "));
            let error = told.map_or(error.clone(), |(_, told)| format!("{told}: {error}"));
            Failure {
                error,
                ..failure(name, target)
            }
            .shown_by(shown(start))
        }
        _ => {
            let name = target.or(report.source()).unwrap_or("test binary");
            let mut failure = Failure::new(FailureKind::Test, NAME, name, &error);
            failure.file = report.source().map(str::to_owned);
            let start = report.lines.end.saturating_sub(super::EXCERPT_LINES_MAX);
            let command = format!("cargo test {}", target.unwrap_or(""));
            failure
                .shown_by(shown(start.max(report.lines.start)))
                .reproduced_by(command.trim_end().to_owned())
        }
    }
}

/// A failed test, of which nothing is known yet but its name.
fn failure(name: &str, target: Option<&str>) -> Failure {
    let failure = Failure::new(FailureKind::Test, NAME, name, "the test failed");
    let Some((file, line)) = doctest(name) else {
        let target = target.map_or(String::new(), |target| format!("{target} "));
        return failure.reproduced_by(format!(
            "cargo test {target}-- --exact {}",
            shell_word(name)
        ));
    };
    // rustdoc splits the filter at blanks, each part alone is enough: the only one that a few
    // tests have is the last.
    let target = target.unwrap_or("--doc");
    let filter = shell_word(&format!("{line})"));
    failure
        .at(file, Some(line))
        .reproduced_by(format!("cargo test {target} -- {filter}"))
}

/// The program made of a doctest counts its own lines, and goes by the name of the source file: a
/// line above the doctest is not the one that panicked.
fn in_doctest(failure: Failure, name: &str) -> Failure {
    let is_above = |file: &str, line: u32| {
        failure.file.as_deref() == Some(file) && failure.line.is_some_and(|told| told < line)
    };
    match doctest(name).filter(|(file, line)| is_above(file, *line)) {
        Some((file, line)) => failure.at(file, Some(line)),
        None => failure,
    }
}

/// File and line of `src/lib.rs - Store<T>::get (line 22)`.
fn doctest(name: &str) -> Option<(&str, u32)> {
    let (file, _) = name.split_once(" - ")?;
    let (_, line) = name.rsplit_once("(line ")?;
    let (line, end) = number(line)?;
    (end == ")").then_some((file, line))
}
