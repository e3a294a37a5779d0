//! `cargo nextest run` (cargo-nextest 0.9).
//!
//! Every status line has its status right-aligned to twelve columns, and then ` [`; the output of
//! tests is indented unless asked otherwise. What failed in the end is listed below `Summary`.

use std::collections::HashMap;
use std::ops::Range;

use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, rust_panic, shell_word};

const NAME: &str = "nextest";
/// The line above the summary; in older releases (0.9.50) of hyphens.
const RULES: [&str; 2] = ["────────────", "------------"];
const STATUS_COLUMNS: usize = 12;
/// Lines of the last output of a log that was cut.
const UNENDED_LINES_MAX: usize = 60;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut starts: Vec<usize> = Vec::new();
    for (index, line) in log.from(0) {
        if line.starts_with(" Nextest run ID ")
            // In older releases the first line, now the second.
            || line.starts_with("    Starting ") && line.contains(" across ")
                && starts.last().is_none_or(|last| index != last + 1)
        {
            starts.push(index);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([log.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| run(log, *start..end))
        .collect()
}

/// A line that says how a test or a script fares.
#[derive(Clone, Copy)]
struct Status<'a> {
    /// `FAIL`, `TRY 2 SIGABRT`, `FLAKY 2/3`.
    status: &'a str,
    /// Binary id and test: `api::http v1::status`.
    test: &'a str,
}

fn status(line: &str) -> Option<Status<'_>> {
    let (status, rest) = line.split_at_checked(STATUS_COLUMNS)?;
    let (_, rest) = rest.strip_prefix(" [")?.split_once("] ")?;
    // The count, `( 1/15)` or `(────)`, is missing in older releases.
    let counted = rest
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(") "));
    let test = counted.map_or(rest, |(_, test)| test);
    let status = status.trim_start();
    let spelled = |byte: u8| !byte.is_ascii_lowercase() && byte.is_ascii();
    (!status.is_empty() && status.bytes().all(spelled)).then_some(Status { status, test })
}

impl Status<'_> {
    /// Whether it is the last word on a test, and a bad one. Signals go by all their names, so it
    /// is the others that are listed.
    fn is_failure(self) -> bool {
        let kept = [
            "PASS",
            "LEAK",
            "SLOW",
            "SKIP",
            "START",
            "TERMINATING",
            "TRMNTG",
            "TMPASS",
        ];
        let first = ["FLAKY", "SLOW", "DELAY", "RETRY", "SETUP"];
        let short = self
            .status
            .strip_prefix("TRY ")
            .and_then(|tried| tried.split_once(' '));
        let status = short.map_or(self.status, |(_, status)| status);
        !(kept.contains(&status)
            || status == "TIMEOUT-PASS"
            || first.iter().any(|first| status.starts_with(first)))
    }

    fn is_timeout(self) -> bool {
        self.status.ends_with("TIMEOUT") || self.status.ends_with("TMT")
    }
}

fn run(log: &Log<'_>, lines: Range<usize>) -> Run {
    let mut summary = None;
    // The last output of each test, and its last status.
    let mut outputs: HashMap<&str, Range<usize>> = HashMap::new();
    let mut last: HashMap<&str, (usize, Status<'_>)> = HashMap::new();
    let mut failures = Vec::new();
    let mut current: Option<(&str, usize)> = None;
    let mut blank = true;
    let mut reached = lines.start;
    for (index, line) in log.from(lines.start).take(lines.len()) {
        if line.starts_with("     Summary [") && RULES.contains(&log.line(index - 1)) {
            summary = Some(index);
        }
        // An output that is not indented can hold lines that look like a status; only a script's
        // output need not end with a blank line.
        let found = status(line).filter(|found| blank || found.status.starts_with("SETUP "));
        let is_own = RULES.contains(&line) || line.starts_with("    Starting ");
        blank = found.is_some() || line.is_empty() || is_own || summary == Some(index);
        if found.is_some() || is_own || line.starts_with("  Cancelling due to ") {
            if let Some((test, start)) = current.take()
                && start < index
            {
                outputs.insert(test, start..index);
            }
            reached = index + 1;
        }
        let Some(found) = found else { continue };
        current = Some((found.test, index + 1));
        last.insert(found.test, (index, found));
        if let Some("FAIL" | "LKFAIL" | "XFAIL" | "TMT") = found.status.strip_prefix("SETUP ")
            && failures.len() < FAILURES_MAX
        {
            failures.push(script(log, index, found, lines.start));
        }
    }
    let end = summary.map_or(lines.end, |summary| end(log, summary..lines.end));
    if let Some((test, start)) = current {
        let output = log
            .from(start)
            .take(UNENDED_LINES_MAX.min(end.saturating_sub(start)));
        let output = output.take_while(|(_, line)| !line.starts_with("##["));
        reached = start + output.count();
        outputs.entry(test).or_insert(start..reached);
    }
    let failed: Vec<_> = match summary {
        Some(summary) => {
            let lines = log.from(summary + 1).take(end - summary - 1);
            lines
                .filter_map(|(_, line)| status(line))
                .filter(|status| status.is_failure())
                .collect()
        }
        None => {
            let mut last: Vec<_> = last
                .into_values()
                .filter(|(_, status)| status.is_failure())
                .collect();
            last.sort_unstable_by_key(|(index, _)| *index);
            last.into_iter().map(|(_, status)| status).collect()
        }
    };
    let confidence = if summary.is_some() {
        Confidence::High
    } else {
        Confidence::Medium
    };
    failures.extend(failed.into_iter().take(FAILURES_MAX).map(|status| {
        // Listed again, it is told without its output.
        let output = outputs.remove(status.test).unwrap_or_default();
        failure(log, status, output).with_confidence(confidence)
    }));
    // Without a summary it is not known where the run ended, only that it came so far.
    let end = if summary.is_some() { end } else { reached };
    Run {
        lines: lines.start..end,
        failures,
    }
}

/// End of a run with that summary: behind cargo-nextest's own error, or else behind the list.
fn end(log: &Log<'_>, lines: Range<usize>) -> usize {
    let verdict = [
        "error: test run failed",
        "error: setup script failed",
        "error: no tests to run",
    ];
    let mut rest = log.from(lines.start).take(lines.len());
    let error = rest
        .find(|(_, line)| verdict.contains(line))
        .map(|(index, _)| index + 1);
    error.unwrap_or_else(|| {
        let listed = log
            .from(lines.start + 1)
            .take_while(|(_, line)| status(line).is_some());
        lines.start + 1 + listed.count()
    })
}

fn failure(log: &Log<'_>, status: Status<'_>, output: Range<usize>) -> Failure {
    let kind = if status.is_timeout() {
        FailureKind::Timeout
    } else {
        FailureKind::Test
    };
    let (binary, name) = status.test.split_once(' ').unwrap_or(("", status.test));
    let filter = format!("binary_id(={binary}) & test(={name})");
    let command = format!("cargo nextest run -E {}", shell_word(&filter));
    let lines = log.from(output.start).take(output.len());
    let lines = lines.map(|(_, line)| line.strip_prefix("    ").unwrap_or(line));
    let mut told: Vec<&str> = lines.filter(|line| !is_frame(line, name)).collect();
    // Nextest's own word comes last: `(test aborted with signal 6: SIGABRT)`.
    let verdict = told.iter().rposition(|line| line.starts_with("(test "));
    let verdict = verdict.map(|at| told.remove(at).trim_matches(['(', ')']));
    let error = verdict.map_or_else(
        || format!("the test failed: {}", status.status),
        str::to_owned,
    );
    let panicked = told.iter().any(|line| line.starts_with("thread '"));
    let failure = Failure::new(kind, NAME, status.test, &error).reproduced_by(command);
    let explained = rust_panic::explain(failure, name, &told);
    match verdict {
        Some(_) if status.is_timeout() || !panicked => Failure { error, ..explained },
        _ => explained,
    }
}

/// A line around the output of the one test: libtest's, or nextest's.
fn is_frame(line: &str, name: &str) -> bool {
    [
        "  stdout ───",
        "  stderr ───",
        "  output ───",
        "── stdout ──",
        "── stderr ──",
    ]
    .contains(&line)
        || ["running 1 test", "failures:"].contains(&line)
        || line.starts_with("--- STDOUT: ")
        || line.starts_with("--- STDERR: ")
        || line.starts_with("test result: ")
        || line
            .strip_prefix("test ")
            .is_some_and(|line| line.starts_with(name))
        || line.trim_start() == name
}

/// A script that should have prepared the tests and failed.
fn script(log: &Log<'_>, at: usize, status: Status<'_>, start: usize) -> Failure {
    let name = status
        .test
        .split_once(": ")
        .map_or(status.test, |(name, _)| name);
    let told = log
        .from(at)
        .skip(1)
        .take(3)
        .find_map(|(_, line)| line.trim().strip_prefix('('));
    let told = told.map_or("script failed", |told| told.trim_end_matches(')'));
    let above = log.within(start..at).rev().map(|(_, line)| line);
    let above = above.take(super::EXCERPT_LINES_MAX - 1);
    let shown = above
        .take_while(|line| !line.starts_with("       SETUP ["))
        .count();
    let lines = log.from(at - shown).take(shown + 1).map(|(_, line)| line);
    Failure::new(
        FailureKind::Test,
        NAME,
        &format!("setup script {name}"),
        told,
    )
    .shown_by(lines)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn a_status_below_the_end_of_a_run_is_read() {
        let log = " Nextest run ID x\n    Starting 1 test across 1 binary\n────────────\n     \
                   Summary [   0.1s] 1 test run\nerror: test run failed\n\n        FAIL [   0.1s] a b";
        assert_eq!(parse(log.as_bytes()).failures, []);
    }
}
