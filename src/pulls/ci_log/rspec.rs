//! RSpec (3.12 and 4.0 beta): progress and documentation output.
//!
//! The order at the end of a run is fixed by `RSpec::Core::Reporter#finish`: `Pending:`,
//! `Failures:`, `Finished in`, the counts, `Failed examples:`. Only what stands in the last
//! `Failures:` before the counts is believed, and only as many as the counts say: tests print too.

use std::ops::Range;

use super::place::{path_and_line, without_dot};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "rspec";
/// How many lines above a failed example the groups it is in are looked for.
const GROUP_LINES_MAX: usize = 300;
/// Of a failure's message and back trace only so many lines are looked at.
const BODY_LINES_MAX: usize = 100;

/// What the lines since the last summary have shown.
#[derive(Default)]
struct Seen {
    begin: Option<usize>,
    /// `An error occurred while loading ...` and the like.
    errors: Vec<usize>,
    /// The documentation formatter's `... (FAILED - 1)`.
    marked: Vec<usize>,
    failures: Option<usize>,
    finished: Option<usize>,
}

/// `18 examples, 13 failures, 2 pending, 1 error occurred outside of examples`
struct Counts {
    failures: usize,
    errors: usize,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut seen = Seen::default();
    for (index, line) in log.from(0) {
        match line.as_bytes() {
            [b'F', ..] if line == "Failures:" => seen.failures = Some(index),
            [b'F', ..] if line.starts_with("Finished in ") => seen.finished = Some(index),
            [b'F' | b'.' | b'*', ..] if is_progress(line) => begin(&mut seen, index),
            [b'R', ..] if is_header(line) => begin(&mut seen, index),
            [b'A', ..] if line.starts_with("An error occurred ") => {
                begin(&mut seen, index);
                if seen.errors.len() < FAILURES_MAX {
                    seen.errors.push(index);
                }
            }
            // A new step of the job: what came before is not of this run.
            [b'#', ..] if line.starts_with("##[group]") => seen = Seen::default(),
            [b'0'..=b'9', ..] if seen.finished.is_some_and(|finished| finished + 1 == index) => {
                if let Some(counts) = counts(line) {
                    runs.push(finished_run(log, &seen, index, &counts));
                }
                // Otherwise it is the summary of another tool; minitest writes `Finished in` too.
                seen = Seen::default();
            }
            [b' ', .., b')'] if is_marked(line, seen.marked.len() + 1) => seen.marked.push(index),
            _ => {}
        }
    }
    runs.extend(cut_run(log, &seen));
    runs
}

fn begin(seen: &mut Seen, index: usize) {
    seen.begin.get_or_insert(index);
}

fn is_progress(line: &str) -> bool {
    line.bytes().all(|byte| b".F*".contains(&byte))
}

fn is_header(line: &str) -> bool {
    line.starts_with("Randomized with seed ")
        || line.strip_prefix("Run options:").is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(" include ") || rest.starts_with(" exclude ")
        })
}

/// Failed examples are numbered from 1, so a line that a test prints is out of order.
fn is_marked(line: &str, number: usize) -> bool {
    line.rsplit_once(" (FAILED - ")
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .is_some_and(|text| text.parse() == Ok(number))
}

fn counts(line: &str) -> Option<Counts> {
    let number = |text: &str| text.split_once(' ')?.0.parse::<usize>().ok();
    let mut parts = line.split(", ");
    let examples = parts.next()?;
    if !examples.ends_with(" example") && !examples.ends_with(" examples") {
        return None;
    }
    let failures = number(parts.next().filter(|part| part.contains(" failure"))?)?;
    let errors = parts.find(|part| part.contains(" occurred outside"));
    Some(Counts {
        failures,
        errors: errors.and_then(number).unwrap_or(0),
    })
}

fn finished_run(log: &Log<'_>, seen: &Seen, counted: usize, counts: &Counts) -> Run {
    let finished = seen.finished.unwrap_or(counted);
    let first_error = seen.errors.len().saturating_sub(counts.errors);
    let mut failures: Vec<Failure> = seen.errors[first_error..]
        .iter()
        .map(|&at| outside_error(log, at))
        .collect();
    let (reruns, end) = failed_examples(log, counted + 1);
    let blocks = match seen.failures {
        Some(at) if counts.failures > 0 => blocks(log, at + 1..finished),
        _ => Vec::new(),
    };
    let known = reruns.len().max(blocks.len()).min(FAILURES_MAX);
    for index in 0..counts.failures.min(known) {
        let rerun = reruns.get(index).copied();
        let mut failure = example(log, blocks.get(index), rerun);
        // Descriptions need not be unique; the place is.
        if let Some((place, _)) = rerun
            && failures.iter().any(|known| known.test == failure.test)
        {
            failure.test = format!("{} ({})", failure.test, without_dot(place));
        }
        failures.push(failure);
    }
    let begin = seen.begin.or(seen.failures).unwrap_or(finished);
    Run {
        lines: begin..end,
        failures,
    }
}

/// The lines `rspec PLACE # DESCRIPTION` after the counts, and where the run ends.
fn failed_examples<'a>(log: &'a Log<'_>, start: usize) -> (Vec<(&'a str, &'a str)>, usize) {
    let mut found = Vec::new();
    let mut end = start;
    for (index, line) in log.from(start) {
        if let Some(rerun) = line.strip_prefix("rspec ") {
            let (place, description) = rerun.split_once(" # ").unwrap_or((rerun, ""));
            // RSpec quotes places with brackets where the user's shell is zsh.
            found.push((place.trim_matches('\''), description));
        } else if !line.is_empty()
            && line != "Failed examples:"
            && !line.starts_with("Randomized with seed ")
        {
            break;
        }
        if !line.is_empty() {
            end = index + 1;
        }
        if found.is_empty() && index > start + 3 {
            break;
        }
    }
    (found, end)
}

/// The numbered blocks of a `Failures:` section; each range starts at its `  1) description`.
fn blocks(log: &Log<'_>, lines: Range<usize>) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for (index, line) in log.from(lines.start).take(lines.len()) {
        if described(line, blocks.len() + 1).is_some() {
            blocks.push(index..index + 1);
        } else if !line.is_empty() && !line.starts_with(' ') {
            break;
        } else if let Some(block) = blocks.last_mut() {
            block.end = index + 1;
        }
    }
    blocks
}

fn described(line: &str, number: usize) -> Option<&str> {
    let (found, description) = line.strip_prefix("  ")?.split_once(") ")?;
    (found.parse() == Ok(number)).then_some(description)
}

fn example(log: &Log<'_>, block: Option<&Range<usize>>, rerun: Option<(&str, &str)>) -> Failure {
    let block = block.cloned().unwrap_or(0..0);
    let lines = log.from(block.start).take(block.len()).skip(1);
    let body: Vec<&str> = lines.map(|(_, line)| line).take(BODY_LINES_MAX).collect();
    let heading = log.line(block.start).split_once(") ");
    let test = match (rerun, heading) {
        (Some((_, description)), _) if !description.is_empty() => description,
        (_, Some((_, description))) => description,
        _ => rerun.map_or("", |(place, _)| place),
    };
    let error = message(&body).unwrap_or_else(|| "failed".to_owned());
    let frame = body.iter().find_map(|line| project_frame(line));
    let mut failure = Failure::new(FailureKind::Test, NAME, test, &error).shown_by(body);
    if let Some((path, line)) = frame.or_else(|| path_and_line(rerun?.0)) {
        failure = failure.at(without_dot(path), Some(line));
    } else if let Some((place, _)) = rerun {
        failure.file = place
            .split('[')
            .next()
            .map(|path| without_dot(path).to_owned());
    }
    match rerun {
        Some((place, _)) => failure.reproduced_by(format!("rspec {}", shell_word(place))),
        None => failure.reproduced_by(format!("rspec -e {}", shell_word(test))),
    }
}

/// `# ./lib/user.rb:4:in ...`; frames of gems have absolute paths.
fn project_frame(line: &str) -> Option<(&str, u32)> {
    let frame = line.trim_start().strip_prefix("# ")?;
    (frame.starts_with("./") && !frame.starts_with("./vendor/"))
        .then(|| path_and_line(frame))
        .flatten()
}

/// The one line that tells most: after `Failure/Error:` come the code (to a blank line when it is
/// of several lines) and then the exception's class, where it is not RSpec's own, and its message.
fn message(body: &[&str]) -> Option<String> {
    let Some(at) = body.iter().position(|line| line.contains("Failure/Error:")) else {
        let shown = body
            .iter()
            .map(|line| line.trim())
            .find(|line| !line.is_empty());
        return shown.map(str::to_owned);
    };
    let mut rest = body.iter().skip(at);
    let (_, code) = rest.next()?.split_once("Failure/Error:")?;
    if code.trim().is_empty() {
        rest.find(|line| line.trim().is_empty());
    }
    let is_text = |line: &&str| !line.is_empty() && !line.starts_with("# ");
    let mut texts = rest.map(|line| line.trim()).filter(|line| !line.is_empty());
    let Some(first) = texts.next().filter(is_text) else {
        return Some(code.trim().to_owned());
    };
    let second = texts.next().filter(is_text).unwrap_or_default();
    Some(match first.strip_suffix(':') {
        Some(class) if second.is_empty() => class.to_owned(),
        Some(_) => format!("{first} {second}"),
        None if first.starts_with("expected") && second.starts_with("got: ") => {
            format!("{first}, {second}")
        }
        None => first.to_owned(),
    })
}

/// A spec file that cannot be loaded, or a hook around a whole group that failed.
fn outside_error(log: &Log<'_>, at: usize) -> Failure {
    let is_next = |line: &&str| {
        let next = [
            "An error occurred ",
            "Pending: (",
            "Failures:",
            "Finished in ",
        ];
        next.iter().any(|next| line.starts_with(next))
    };
    let lines = log.from(at + 1).take(BODY_LINES_MAX).map(|(_, line)| line);
    // Up to 3.12 other spec files are proposed first.
    let lines = lines.skip_while(|line| line.trim_start().starts_with("rspec "));
    let body: Vec<&str> = lines.take_while(|line| !is_next(line)).collect();
    let heading = log.line(at);
    let error = message(&body).unwrap_or_else(|| heading.to_owned());
    let frame = body.iter().find_map(|line| project_frame(line));
    // Up to 3.12 `- Did you mean?` follows the name when there are other spec files.
    let loaded = heading.strip_prefix("An error occurred while loading ");
    let loaded = loaded.map(|rest| rest.split(". - Did").next().unwrap_or(rest));
    let (test, file) = match (loaded.map(|path| path.trim_end_matches('.')), frame) {
        (Some(path), _) => (without_dot(path).to_owned(), Some(path)),
        (None, Some((path, _))) => {
            let hook = heading.split('`').nth(1).unwrap_or("hook");
            (format!("{} {hook}", without_dot(path)), Some(path))
        }
        (None, None) => (heading.to_owned(), None),
    };
    let mut failure = Failure::new(FailureKind::Test, NAME, &test, &error).shown_by(body);
    if let Some((path, line)) = frame {
        failure = failure.at(without_dot(path), Some(line));
    } else if let Some(path) = file.map(without_dot) {
        // Ruby's syntax errors name the place in their text only.
        let place = error.find(path).map(|start| &error[start..]);
        failure = failure.at(path, place.and_then(path_and_line).map(|(_, line)| line));
    }
    match file {
        Some(path) => failure.reproduced_by(format!("rspec {}", shell_word(path))),
        None => failure,
    }
}

/// A run that was stopped before its summary.
fn cut_run(log: &Log<'_>, seen: &Seen) -> Option<Run> {
    // RSpec's own section comes after all marks and shows where each example failed.
    let is_real = |&at: &usize| {
        seen.marked.last().is_none_or(|&marked| marked < at)
            && log.from(at).any(|(_, line)| project_frame(line).is_some())
    };
    let failures: Vec<Failure> = match seen.failures.filter(is_real) {
        Some(at) => blocks(log, at + 1..log.len())
            .iter()
            .take(FAILURES_MAX)
            .map(|block| example(log, Some(block), None).with_confidence(Confidence::Medium))
            .collect(),
        None => {
            let marked = seen.marked.iter().take(FAILURES_MAX);
            marked.map(|&at| marked_example(log, at)).collect()
        }
    };
    let begin = seen
        .begin
        .or(seen.failures)
        .or(seen.marked.first().copied())?;
    (!failures.is_empty()).then_some(Run {
        lines: begin..log.len(),
        failures,
    })
}

/// `    works (FAILED - 1)` of the documentation formatter, below the groups it is in.
fn marked_example(log: &Log<'_>, at: usize) -> Failure {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let line = log.line(at);
    let own = line.rsplit_once(" (FAILED - ").map_or(line, |(own, _)| own);
    let mut test = own.trim().to_owned();
    let mut inner = indent(line);
    for above in (at.saturating_sub(GROUP_LINES_MAX)..at).rev() {
        let group = log.line(above);
        if inner == 0 || group.is_empty() {
            break;
        }
        if indent(group) < inner {
            inner = indent(group);
            // As RSpec joins them: methods follow their class without a space.
            let space = if test.starts_with(['#', '.']) {
                ""
            } else {
                " "
            };
            test = format!("{}{space}{test}", group.trim());
        }
    }
    Failure::new(
        FailureKind::Test,
        NAME,
        &test,
        "failed; the log ends before its message",
    )
    .shown_by([line])
    .reproduced_by(format!("rspec -e {}", shell_word(&test)))
    .with_confidence(Confidence::Medium)
}
