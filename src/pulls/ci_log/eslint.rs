//! eslint 8 to 10, formatters stylish, unix and compact: `  1:7  error  text  rule` below the file.

use super::javascript::place;
use super::{FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "eslint";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open = Open::default();
    for (index, line) in log.from(0) {
        match line.as_bytes().first() {
            // `✖ 3 problems (2 errors, 1 warning)`; the unix formatter has only `3 problems`.
            Some(0xe2 | b'0'..=b'9') if let Some(count) = problems(line) => {
                if let Some(start) = open.start {
                    let fails_on_warnings = open.errors == 0 && too_many_warnings(log, index);
                    let counts = |found: &Found| found.is_error || fails_on_warnings;
                    let failures = open
                        .found
                        .drain(..)
                        .filter(counts)
                        .map(|found| found.failure);
                    let failures: Vec<Failure> = failures.collect();
                    if count > 0 {
                        runs.push(Run {
                            lines: start..index + 1,
                            failures,
                        });
                    }
                }
                open = Open::default();
            }
            Some(b' ') => open.stylish(index, line),
            Some(_) => {
                if let Some(found) = one_line(line) {
                    open.add(index, found);
                } else if is_path(line) {
                    open.file = Some((index, line));
                } else {
                    open.file = None;
                }
            }
            None => {}
        }
    }
    runs
}

/// `✖ 3 problems (…)`, `1 problem`.
fn problems(line: &str) -> Option<u32> {
    let line = line.strip_prefix("✖ ").unwrap_or(line);
    let (count, rest) = line.split_once(' ')?;
    let rest = rest.strip_prefix("problem")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    (rest.is_empty() || rest.starts_with(" (")).then(|| count.parse().ok())?
}

/// `ESLint found too many warnings (maximum: 0).` soon after the count.
fn too_many_warnings(log: &Log<'_>, index: usize) -> bool {
    log.from(index + 1)
        .take(8)
        .any(|(_, line)| line.starts_with("ESLint found too many warnings"))
}

fn is_path(line: &str) -> bool {
    line.contains(['/', '\\', '.'])
        && !line.ends_with([':', '.', ',', ';', ')', '{'])
        && !line.contains("  ")
}

struct Found {
    failure: Failure,
    is_error: bool,
}

#[derive(Default)]
struct Open<'a> {
    start: Option<usize>,
    file: Option<(usize, &'a str)>,
    found: Vec<Found>,
    errors: usize,
}

impl Open<'_> {
    fn add(&mut self, index: usize, found: Found) {
        self.start.get_or_insert(index);
        self.errors += usize::from(found.is_error);
        if self.found.len() < FAILURES_MAX {
            self.found.push(found);
        }
    }

    /// `   12:7  error  'a' is assigned a value but never used  no-unused-vars`
    fn stylish(&mut self, index: usize, line: &str) {
        let Some((file_index, file)) = self.file else {
            return;
        };
        let Some((row, rest)) = line.trim_start().split_once(':') else {
            return;
        };
        let (Ok(row), Some((_, rest))) = (row.parse::<u32>(), rest.split_once("  ")) else {
            return;
        };
        let (severity, text) = rest.split_once("  ").unwrap_or((rest, ""));
        let is_error = severity.trim() == "error";
        if !is_error && severity.trim() != "warning" {
            return;
        }
        // A rule has no blanks; a parse error has no rule.
        let (text, rule) = match text.trim().rsplit_once("  ") {
            Some((text, rule)) if !rule.contains(' ') => (text, rule),
            _ => (text, "parse-error"),
        };
        let found = Found {
            failure: failure(file, row, rule, text, line),
            is_error,
        };
        self.add(file_index.min(index), found);
    }
}

/// `file:1:7: text [Error/rule]` (unix), `file: line 1, col 7, Error - text (rule)` (compact).
fn one_line(line: &str) -> Option<Found> {
    if let Some(rest) = line.strip_suffix(']') {
        let (rest, severity) = rest.rsplit_once(" [")?;
        let (severity, rule) = severity
            .split_once('/')
            .unwrap_or((severity, "parse-error"));
        let is_error = severity == "Error";
        if !is_error && severity != "Warning" {
            return None;
        }
        let (at, text) = rest.split_once(": ")?;
        let (file, row) = place(at)?;
        return Some(Found {
            failure: failure(file, row, rule, text, line),
            is_error,
        });
    }
    let (file, rest) = line.split_once(": line ")?;
    let (row, rest) = rest.split_once(", col ")?;
    let (_, rest) = rest.split_once(", ")?;
    let (severity, text) = rest.split_once(" - ")?;
    let is_error = severity == "Error";
    if !is_error && severity != "Warning" {
        return None;
    }
    let (text, rule) = match text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("))
    {
        Some((text, rule)) if !rule.contains(' ') => (text, rule),
        _ => (text, "parse-error"),
    };
    Some(Found {
        failure: failure(file, row.parse().ok()?, rule, text, line),
        is_error,
    })
}

fn failure(file: &str, row: u32, rule: &str, text: &str, line: &str) -> Failure {
    let failure = Failure::new(FailureKind::Lint, NAME, rule, text);
    let command = format!("npx eslint {}", shell_word(file));
    failure
        .at(file, Some(row))
        .shown_by([line.trim()])
        .reproduced_by(command)
}
