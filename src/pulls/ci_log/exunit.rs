//! ExUnit (recorded with Elixir 1.14; later ones begin with `Running ExUnit with seed`), and
//! compilations that `mix test` could not finish.

use std::ops::Range;

use super::place::path_and_line;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "exunit";
/// Of a failure only so many lines are looked at.
const BODY_LINES_MAX: usize = 100;
/// How far above `== Compilation error` the compiler's own message is.
const MESSAGE_LINES_MAX: usize = 60;

/// What the lines since the last summary have shown.
#[derive(Default)]
struct Seen {
    begin: Option<usize>,
    finished: Option<usize>,
    blocks: Vec<Block>,
    /// The last of them that is a test's.
    last_test: Option<usize>,
    /// The compiler's last `error: `, since Elixir 1.15.
    error: Option<usize>,
}

/// `  1) test greets (UserTest)` and what belongs to it.
struct Block {
    number: usize,
    lines: Range<usize>,
    has_trace: bool,
    /// A whole module that never ran: not one of the failures that are counted.
    is_setup: bool,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut seen = Seen::default();
    for (index, line) in log.from(0) {
        match line.as_bytes() {
            [b' ', b' ', ..] => {
                if let Some(block) = block(log, index, line) {
                    seen.begin.get_or_insert(index);
                    keep(&mut seen, block);
                } else if line.trim_start().starts_with("error: ") {
                    seen.error = Some(index);
                }
            }
            [b'e', ..] if line.starts_with("error: ") => seen.error = Some(index),
            [b'.' | b'*' | b'?', ..] if line.bytes().all(|byte| b".*?".contains(&byte)) => {
                seen.begin.get_or_insert(index);
            }
            [b'R', ..] if line.starts_with("Running ExUnit with seed") => {
                seen = Seen::default();
                seen.begin = Some(index);
            }
            [b'=', ..] if line.starts_with("== Compilation error in file ") => {
                runs.push(compile_error(log, index, seen.error));
            }
            [b'F', ..] if line.starts_with("Finished in ") => seen.finished = Some(index),
            [b'0'..=b'9', ..] if seen.finished.is_some_and(|finished| finished + 1 == index) => {
                if let Some(count) = failure_count(line)
                    && let Some(end) = seed(log, seen.begin, index)
                {
                    runs.push(finished_run(log, &seen, index..end + 1, count));
                    seen = Seen::default();
                }
            }
            [b'#', ..] if line.starts_with("##[group]") => seen = Seen::default(),
            _ => {}
        }
    }
    if !seen.blocks.is_empty() {
        let blocks = seen.blocks.iter().filter(|block| block.has_trace);
        let failures = blocks.take(FAILURES_MAX).map(|block| failure(log, block));
        runs.push(Run {
            lines: seen.begin.unwrap_or(0)..log.len(),
            failures: failures
                .map(|failure| failure.with_confidence(Confidence::Medium))
                .collect(),
        });
    }
    runs
}

/// The seed stands in the run's first line, before Elixir 1.15 below its summary: a summary with
/// neither was printed by a test.
fn seed(log: &Log<'_>, begin: Option<usize>, counted: usize) -> Option<usize> {
    let is_seed = |line: &str| line.starts_with("Randomized with seed ");
    let is_first = |&begin: &usize| log.line(begin).starts_with("Running ExUnit with seed");
    let below = (counted + 1..counted + 3).find(|&index| is_seed(log.line(index)));
    below.or(begin.filter(is_first).map(|_| counted))
}

/// `1 doctest, 13 tests, 7 failures, 2 invalid, 2 skipped`
fn failure_count(line: &str) -> Option<usize> {
    let mut parts = line.split(", ").filter_map(|part| part.split_once(' '));
    let is_test = |(_, unit): &(&str, &str)| {
        matches!(
            *unit,
            "test" | "tests" | "doctest" | "doctests" | "property" | "properties"
        )
    };
    parts.next().filter(is_test)?;
    let (number, _) = parts.find(|(_, unit)| matches!(*unit, "failure" | "failures"))?;
    number.parse().ok()
}

fn block(log: &Log<'_>, at: usize, line: &str) -> Option<Block> {
    let (number, name) = line.trim_start().split_once(") ")?;
    let number = number.parse().ok()?;
    let is_setup = name.contains(": failure on setup_all callback");
    let is_placed = path_and_line(log.line(at + 1).trim_start()).is_some();
    if !(is_setup || name.ends_with(')') && is_placed) {
        return None;
    }
    // Lines of a block are indented, also those that are blank.
    let body = log.from(at + 1).take(BODY_LINES_MAX);
    let body = body.take_while(|(_, line)| line.starts_with("     "));
    let (mut end, mut has_trace) = (at + 1, false);
    for (index, line) in body {
        end = index + 1;
        has_trace |= line.trim() == "stacktrace:";
    }
    Some(Block {
        number,
        lines: at..end,
        has_trace,
        is_setup,
    })
}

/// Failures are numbered in their order; of two with one number a test has printed one.
fn keep(seen: &mut Seen, block: Block) {
    let last = seen.last_test.and_then(|last| seen.blocks.get_mut(last));
    let number = last.as_ref().map_or(0, |last| last.number);
    if block.is_setup || block.number == number + 1 {
        if !block.is_setup {
            seen.last_test = Some(seen.blocks.len());
        }
        seen.blocks.push(block);
    } else if block.number == number
        && block.has_trace
        && let Some(last) = last
        && !last.has_trace
    {
        *last = block;
    }
}

fn finished_run(log: &Log<'_>, seen: &Seen, summary: Range<usize>, count: usize) -> Run {
    let mut left = count.min(FAILURES_MAX);
    let is_counted = |block: &&Block| {
        let keep = block.is_setup || left > 0;
        left -= usize::from(keep && !block.is_setup);
        keep
    };
    let failures = seen
        .blocks
        .iter()
        .filter(is_counted)
        .take(FAILURES_MAX)
        .map(|block| failure(log, block));
    Run {
        lines: seen.begin.unwrap_or(summary.start)..summary.end,
        failures: failures.collect(),
    }
}

fn failure(log: &Log<'_>, block: &Block) -> Failure {
    let heading = log.line(block.lines.start);
    let test = heading.split_once(") ").map_or(heading, |(_, test)| test);
    let test = test.split(": failure on setup_all").next().unwrap_or(test);
    let place = path_and_line(log.line(block.lines.start + 1).trim_start());
    let place = place.filter(|_| !block.is_setup);
    let body = log.from(block.lines.start + 1).take(block.lines.len() - 1);
    let body: Vec<&str> = body.map(|(_, line)| line.get(5..).unwrap_or("")).collect();
    let trace = body
        .iter()
        .skip_while(|line| **line != "stacktrace:")
        .skip(1);
    // Frames of other applications begin with their name: `(elixir 1.14.0) lib/process.ex:250:`.
    let frame = trace
        .map(|line| line.trim_start())
        .filter(|line| !line.starts_with(['(', ':']))
        .find_map(path_and_line);
    let text = &body[usize::from(place.is_some()).min(body.len())..];
    let failure = Failure::new(FailureKind::Test, NAME, test, &message(text));
    let failure = failure.shown_by(text.iter().copied());
    let failure = match frame.or(place) {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    };
    match (place, frame) {
        (Some((path, line)), _) => {
            failure.reproduced_by(format!("mix test {}:{line}", shell_word(path)))
        }
        (None, Some((path, _))) => failure.reproduced_by(format!("mix test {}", shell_word(path))),
        (None, None) => failure,
    }
}

/// The one line that tells most, of a comparison both sides.
fn message(body: &[&str]) -> String {
    let first = body.first().copied().unwrap_or("failed");
    let first = first.strip_prefix("** ").unwrap_or(first);
    let side = |name: &str| body.iter().take(20).find(|line| line.starts_with(name));
    if let (true, Some(left), Some(right)) = (
        first.starts_with("Assertion"),
        side("left:"),
        side("right:"),
    ) {
        let tidy = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        return format!("{first}, {}, {}", tidy(left), tidy(right));
    }
    match body
        .iter()
        .skip(1)
        .map(|line| line.trim())
        .find(|line| !line.is_empty())
    {
        Some(second) if first.ends_with("arguments:") => format!("{first} {second}"),
        _ => first.to_owned(),
    }
}

/// `== Compilation error in file lib/b.ex ==` and the exception in the next line.
fn compile_error(log: &Log<'_>, at: usize, error: Option<usize>) -> Run {
    let path = log
        .line(at)
        .trim_start_matches("== Compilation error in file ");
    let path = path.trim_end_matches(" ==");
    let exception = log.line(at + 1);
    // Since Elixir 1.15 the compiler has already said what is wrong, and only counts here.
    let error = error.filter(|&error| {
        exception.ends_with("(errors have been logged)") && at - error <= MESSAGE_LINES_MAX
    });
    let start = error.unwrap_or(at + 1);
    let text = log.line(start).trim_start();
    let text = text
        .strip_prefix("** ")
        .or(text.strip_prefix("error: "))
        .unwrap_or(text);
    let lines = || log.from(start).map(|(_, line)| line).take(at + 2 - start);
    let place = lines().find_map(|line| path_and_line(&line[line.find(path)?..]));
    let failure = Failure::new(FailureKind::Build, NAME, "", text)
        .shown_by(lines().take_while(|line| !line.starts_with("==")))
        .at(path, place.map(|(_, line)| line))
        .reproduced_by("mix test".to_owned());
    Run {
        lines: start..at + 2,
        failures: vec![failure],
    }
}
