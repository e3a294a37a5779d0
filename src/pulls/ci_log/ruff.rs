//! ruff, `check` and `format --check`, with full, concise and grouped output (read from 0.6 and 0.17).

use super::python_trace::path_line;
use super::{EXCERPT_LINES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "ruff";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut found: Vec<Found<'_>> = Vec::new();
    // The file whose diagnostics follow in grouped output.
    let mut group = "";
    for (index, line) in log.from(0) {
        if line.starts_with("##[") {
            found.clear();
        } else if let Some(count) = summary(line) {
            // Other linters write the same lines, so only as many as ruff counts are ruff's.
            let extra = count.map_or(0, |count| found.len().saturating_sub(count));
            let found = std::mem::take(&mut found);
            let found = found.get(extra..).unwrap_or_default();
            let start = found.first().map_or(index, |found| found.index);
            let failures = found.iter().map(|found| found.failure(log)).collect();
            runs.push(Run {
                lines: start..index + 1,
                failures,
            });
        } else if let Some(path) = line.strip_suffix(':').filter(|path| is_checked(path)) {
            group = path;
        } else {
            found.extend(Found::read(log, index, line, group));
        }
    }
    runs
}

/// Whether this is a last line of ruff, and how many diagnostics it counts. That of `format` does
/// not count files that cannot be parsed.
fn summary(line: &str) -> Option<Option<usize>> {
    if let Some(rest) = line.strip_prefix("Found ") {
        let (count, rest) = rest.split_once(' ')?;
        let count = match rest {
            "error." | "errors." => count,
            // `Found 5 errors (2 fixed, 3 remaining).`
            _ => rest.strip_suffix(" remaining).")?.rsplit_once(' ')?.1,
        };
        return count.parse().ok().map(Some);
    }
    if line == "All checks passed!" {
        return Some(Some(0));
    }
    if !line.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (count, rest) = line.split_once(' ')?;
    let is_format = ["file would be reformatted", "files would be reformatted"];
    // Black ends the same sentence with a full stop.
    let is_format = is_format.iter().any(|text| rest.starts_with(text)) && !rest.ends_with('.');
    (is_format && count.parse::<usize>().is_ok()).then_some(None)
}

struct Found<'a> {
    index: usize,
    path: &'a str,
    line: Option<u32>,
    code: &'a str,
    message: &'a str,
}

impl<'a> Found<'a> {
    fn read(log: &'a Log<'_>, index: usize, line: &'a str, group: &'a str) -> Option<Self> {
        let found = |index, path, line, text| {
            let (code, message) = code(text)?;
            Some(Self {
                index,
                path,
                line,
                code,
                message,
            })
        };
        if let Some(path) = line.strip_prefix("Would reformat: ") {
            return Some(Self {
                index,
                path,
                line: None,
                code: "unformatted",
                message: "File would be reformatted",
            });
        }
        if let Some(text) = line.strip_prefix("error: Failed to parse ") {
            let (path, line, rest) = path_line(text)?;
            let (_, message) = rest.split_once(": ")?;
            return Some(Self {
                index,
                path,
                line: Some(line),
                code: "invalid-syntax",
                message,
            });
        }
        let inner = line.trim_start();
        if let Some(place) = inner.strip_prefix("--> ") {
            // The header is the line above.
            let index = index.checked_sub(1)?;
            let (path, line, _) = path_line(place)?;
            return found(index, path, Some(line), log.line(index)).filter(|_| is_checked(path));
        }
        // `a.py:6:5: F841 message`, and in groups `  6:5  F841 message`.
        if inner.len() < line.len() {
            let (line, rest) = inner.split_once(':').filter(|_| !group.is_empty())?;
            let (column, text) = rest.split_once(' ')?;
            column.parse::<u32>().ok()?;
            return found(index, group, Some(line.parse().ok()?), text.trim_start());
        }
        let (path, line, rest) = path_line(line).filter(|(path, _, _)| is_checked(path))?;
        let (_, text) = rest.split_once(": ")?;
        found(index, path, Some(line), text)
    }

    fn failure(&self, log: &Log<'_>) -> Failure {
        let command = match self.code {
            "unformatted" => "ruff format --diff",
            _ => "ruff check",
        };
        let lines = log.from(self.index).take(EXCERPT_LINES_MAX).enumerate();
        // The source is drawn below, until an empty line.
        let is_drawn = |first: char| matches!(first, ' ' | '|' | '0'..='9');
        let lines = lines.take_while(|(at, (_, line))| {
            *at == 0 || line.starts_with(is_drawn) || line.starts_with("help: ")
        });
        Failure::new(FailureKind::Lint, NAME, self.code, self.message)
            .at(self.path, self.line)
            .shown_by(lines.map(|(_, (_, line))| line))
            .reproduced_by(format!("{command} {}", shell_word(self.path)))
    }
}

/// Code and message of `F401 [*] message` or `invalid-syntax: message`.
fn code(text: &str) -> Option<(&str, &str)> {
    let (code, message) = text.split_once(' ')?;
    let message = message.strip_prefix("[*] ").unwrap_or(message);
    if let Some(name) = code.strip_suffix(':') {
        let is_known = matches!(name, "invalid-syntax" | "unformatted" | "SyntaxError");
        return is_known.then_some((name, message));
    }
    let digits = code.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
    let is_code = digits.len() < code.len()
        && digits.len() >= 3
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some((code, message))
}

/// The files that ruff reads.
fn is_checked(path: &str) -> bool {
    let path = path.trim_end();
    [".py", ".pyi", ".ipynb", ".toml", ".md"]
        .iter()
        .any(|end| path.ends_with(end))
        || path.contains(".ipynb:cell ")
}
