//! node:test, reporter `spec`, node 18 to 24: `✖ failing tests:` after the counts.

use std::collections::HashMap;

use super::javascript::{is_error, own_frame, place, starts_command, with_values};
use super::tap::node_command;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "node-test";
/// Most lines above a file's result in which to look for why it ended.
const LOOK_BACK_MAX: usize = 60;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut crosses: Vec<usize> = Vec::new();
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        match line.as_bytes().first() {
            Some(b'>' | b'$' | b'#') if starts_command(line, "--test") => start = Some(index),
            Some(b' ' | 0xe2) => {
                let text = line.trim_start_matches(' ');
                if text.starts_with("✔ ") || text.starts_with("▶ ") || text.starts_with("✖ ")
                {
                    start.get_or_insert(index);
                    crosses.extend(cross(text).map(|_| index));
                } else if line.starts_with("ℹ duration_ms ") {
                    let (end, failures) = summary(log, index, &crosses);
                    runs.push(Run {
                        lines: start.unwrap_or(index)..end,
                        failures,
                    });
                    (start, crosses) = (None, Vec::new());
                    index = end;
                    continue;
                }
            }
            _ => {}
        }
        index += 1;
    }
    if let (Some(start), Some(last)) = (start, crosses.last()) {
        let failures = leaves(log, &crosses)
            .take(FAILURES_MAX)
            .map(|at| told_inline(log, at))
            .collect();
        runs.push(Run {
            lines: start..last + 1,
            failures,
        });
    }
    runs
}

/// The name in `✖ name (1.5ms)`. What has ` # TODO` after it may fail.
fn cross(text: &str) -> Option<&str> {
    let (name, time) = text.strip_prefix("✖ ")?.rsplit_once(" (")?;
    time.strip_suffix("ms)")?.parse::<f64>().ok()?;
    // gotestsum has two spaces before the name of a package.
    (!name.starts_with(' ')).then_some(name)
}

/// The end of the run whose counts end at `index`, and its list of failures.
fn summary(log: &Log<'_>, index: usize, crosses: &[usize]) -> (usize, Vec<Failure>) {
    let mut at = index + 1;
    let mut failures = Vec::new();
    if !log.line(at).is_empty() || log.line(at + 1) != "✖ failing tests:" {
        return (at, failures);
    }
    at += 2;
    // Where each test that failed was told first.
    let crosses = crosses.iter().rev();
    let crosses = crosses.filter_map(|at| Some((cross(log.line(*at))?, *at)));
    let crosses: HashMap<&str, usize> = crosses.collect();
    // `test at a.test.js:7:5`, `✖ name (1.5ms)`, and the error, indented.
    while let Some(header) = log.find(at, |line| !line.is_empty()) {
        let (place_line, title) = (log.line(header), log.line(header + 1));
        let Some((place_text, title)) = place_line
            .strip_prefix("test at ")
            .zip(title.strip_prefix("✖ "))
        else {
            break;
        };
        let body_start = header + 2;
        let is_body = |line: &str| line.is_empty() || line.starts_with("  ");
        at = log
            .find(body_start, |line| !is_body(line))
            .unwrap_or(log.len());
        // A test that was cancelled has no time.
        let has_directive = title.contains("ms) # TODO");
        if !has_directive && failures.len() < FAILURES_MAX {
            let name = cross(log.line(header + 1)).unwrap_or(title);
            let body: Vec<&str> = log
                .from(body_start)
                .take(at - body_start)
                .map(|(_, line)| line)
                .collect();
            failures.push(failure(log, place_text, name, &body, &crosses));
        }
    }
    (at, failures)
}

fn failure(
    log: &Log<'_>,
    place_text: &str,
    name: &str,
    body: &[&str],
    crosses: &HashMap<&str, usize>,
) -> Failure {
    let (file, line) = place(place_text).unwrap_or((place_text, 1));
    let is_file = name.ends_with(file);
    let printed = if is_file {
        printed_before(log, name, crosses)
    } else {
        Vec::new()
    };
    let body = if printed.is_empty() { body } else { &printed };
    let mut lines = body
        .iter()
        .map(|line| line.trim())
        .skip_while(|line| line.is_empty());
    let first = if printed.is_empty() {
        lines.next()
    } else {
        lines.find(|line| is_error(plain(line)))
    };
    let error = with_values(plain(first.unwrap_or_default()), lines);
    let is_frame = |line: &str| line.trim_start().starts_with("at ");
    let shown = body
        .iter()
        .filter(|line| !line.trim().is_empty() && (!is_frame(line) || own_frame(line).is_some()));
    let test = if is_file {
        file.to_owned()
    } else {
        format!("{file} > {name}")
    };
    let command = if is_file {
        format!("node --test {}", shell_word(file))
    } else {
        node_command(name, file)
    };
    let failure = Failure::new(FailureKind::Test, NAME, &test, &error).shown_by(shown.copied());
    let failure = match body.iter().find_map(|line| own_frame(line)) {
        Some((file, line)) => failure.at(file, Some(line)),
        None => failure.at(file, Some(line)),
    };
    failure.reproduced_by(command)
}

/// Without the quotes of an error that is a string, and without the sign of the runner's own words.
fn plain(error: &str) -> &str {
    let quoted = error
        .strip_prefix('\'')
        .and_then(|error| error.strip_suffix('\''));
    quoted.unwrap_or(error).trim_start_matches("ℹ ")
}

/// What a file's process printed before its result: of a file that ended without a test this is
/// all that tells why.
fn printed_before<'a>(
    log: &'a Log<'_>,
    name: &str,
    crosses: &HashMap<&str, usize>,
) -> Vec<&'a str> {
    let Some(at) = crosses.get(name) else {
        return Vec::new();
    };
    let is_result = |line: &str| ["✖ ", "✔ ", "▶ "].iter().any(|sign| line.starts_with(sign));
    let above = (at.saturating_sub(LOOK_BACK_MAX)..*at)
        .rev()
        .map(|index| log.line(index));
    let mut lines: Vec<&str> = above.take_while(|line| !is_result(line)).collect();
    lines.reverse();
    if lines.iter().any(|line| is_error(plain(line))) {
        lines
    } else {
        Vec::new()
    }
}

/// The lines of crosses that are no parent's: that comes after its tests, and less indented.
fn leaves(log: &Log<'_>, crosses: &[usize]) -> impl Iterator<Item = usize> {
    let depth = |at: usize| log.line(at).len() - log.line(at).trim_start_matches(' ').len();
    let mut deepest_before = 0;
    crosses.iter().copied().filter(move |at| {
        let is_parent = depth(*at) < deepest_before;
        deepest_before = depth(*at);
        !is_parent
    })
}

/// A failure as told while tests run; for logs without the list.
fn told_inline(log: &Log<'_>, at: usize) -> Failure {
    let text = log.line(at).trim_start_matches(' ');
    let name = cross(text).unwrap_or_default();
    let indent = log.line(at).len() - text.len() + 2;
    let is_body =
        |line: &&str| line.len() > indent && line.bytes().take(indent).all(|byte| byte == b' ');
    let body = log
        .from(at + 1)
        .map(|(_, line)| line)
        .take(LOOK_BACK_MAX)
        .take_while(|line| line.len() == indent || is_body(line));
    let body: Vec<&str> = body.filter(|line| !line.trim().is_empty()).collect();
    let mut lines = body.iter().map(|line| line.trim());
    let error = with_values(
        plain(
            lines
                .next()
                .unwrap_or("failed; the log ends before its summary"),
        ),
        lines,
    );
    let failure =
        Failure::new(FailureKind::Test, NAME, name, &error).shown_by(body.iter().copied());
    let failure = failure.with_confidence(Confidence::Medium);
    let frames = || body.iter().filter_map(|line| own_frame(line));
    match (frames().next(), frames().next_back()) {
        // The outermost frame is the test's.
        (Some((file, line)), Some((test_file, _))) => failure
            .at(file, Some(line))
            .reproduced_by(node_command(name, test_file)),
        _ => failure,
    }
}
