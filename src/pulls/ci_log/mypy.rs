//! mypy (read from 1.4 and 2.4).

use super::python_trace::path_line;
use super::{Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "mypy";
/// Most lines of one error: `--pretty` wraps its message and shows the source.
const ERROR_LINES_MAX: usize = 12;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, line) in log.from(0) {
        let Some(count) = found(line) else { continue };
        let above = runs.last().map_or(0, |run| run.lines.end);
        let near = index.saturating_sub(count.saturating_mul(ERROR_LINES_MAX));
        let lines = log.within(near.max(above)..index).rev();
        let lines = lines.take_while(|(_, line)| !line.starts_with("##["));
        let errors = lines.filter(|(_, line)| error(line).is_some()).take(count);
        let starts: Vec<usize> = errors.map(|(index, _)| index).collect();
        let start = starts.last().copied().unwrap_or(index);
        let failures = starts
            .iter()
            .rev()
            .filter_map(|at| failure(log, *at, index))
            .collect();
        runs.push(Run {
            lines: start..index + 1,
            failures,
        });
    }
    runs
}

/// How many errors `Found 3 errors in 1 file (checked 2 source files)` says there are.
fn found(line: &str) -> Option<usize> {
    if line.starts_with("Success: no issues found in ") {
        return Some(0);
    }
    let (count, rest) = line.strip_prefix("Found ")?.split_once(' ')?;
    let rest = rest
        .strip_prefix("errors in ")
        .or_else(|| rest.strip_prefix("error in "))?;
    let is_ours =
        rest.contains("(checked ") || rest.contains("(errors prevented further checking)");
    count.parse().ok().filter(|_| is_ours)
}

/// Path, line and message of `a.py:7:12:7:22: error: message`; columns are options. An error of a
/// whole file has no line.
fn error(line: &str) -> Option<(&str, Option<u32>, &str)> {
    let (place, message) = line.split_once(": error: ")?;
    let is_path = |path: &str| !path.is_empty() && !path.starts_with([' ', '[', '#']);
    match path_line(place) {
        Some((path, line, _)) => Some((path, Some(line), message)),
        None => Some((place, None, message)),
    }
    .filter(|(path, _, _)| is_path(path))
}

fn failure(log: &Log<'_>, start: usize, end: usize) -> Option<Failure> {
    let (path, line, first) = error(log.line(start))?;
    let is_next = |line: &str| error(line).is_some() || line.contains(": note: ");
    let lines = log
        .within(start + 1..end.min(start + ERROR_LINES_MAX))
        .map(|(_, line)| line);
    let more: Vec<&str> = lines.take_while(|line| !is_next(line)).collect();
    let mut message = first.to_owned();
    // A wrapped message goes on at the start of a line, the source is indented.
    for line in more.iter().take_while(|line| !line.starts_with(' ')) {
        message = format!("{message} {line}");
    }
    let coded = message
        .strip_suffix(']')
        .and_then(|message| message.rsplit_once("  ["));
    let (message, code) = coded.unwrap_or((&message, ""));
    let failure = Failure::new(FailureKind::Lint, NAME, code, message)
        .at(path, line)
        .shown_by([log.line(start)].into_iter().chain(more))
        .reproduced_by(format!("mypy {}", shell_word(path)));
    Some(failure)
}
