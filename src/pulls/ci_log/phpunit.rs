//! PHPUnit (recorded with 9.6, compared with what the tests of 13 expect) and ParaTest.
//!
//! What failed is listed between the line with `Time:` and `Memory:` and the summary. With
//! `--testdox` there is no list: each failure is shown below its test.

use std::ops::Range;

use super::place::path_and_line;
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "phpunit";
/// Of a failure only so many lines are looked at.
const BODY_LINES_MAX: usize = 200;
/// How far below a fatal error its trace is searched for PHPUnit.
const TRACE_LINES_MAX: usize = 15;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut next = 0;
    while let Some(at) = log.find(next, |line| is_header(line) || is_fatal(line)) {
        let run = if is_header(log.line(at)) {
            Some(run(log, at))
        } else {
            // PHP dies of a file it cannot parse before PHPUnit has said who it is.
            let mut trace = log.from(at).take(TRACE_LINES_MAX);
            let end = (at + TRACE_LINES_MAX).min(log.len());
            trace
                .any(|(_, line)| line.contains(r"PHPUnit\"))
                .then(|| fatal_run(log, at, at..end))
        };
        next = run.as_ref().map_or(at + 1, |run| run.lines.end.max(at + 1));
        runs.extend(run);
    }
    runs
}

fn is_header(line: &str) -> bool {
    line.starts_with('P') && line.contains(" by Sebastian Bergmann")
}

fn is_fatal(line: &str) -> bool {
    line.starts_with("PHP Fatal error: ") || line.starts_with("Fatal error: ")
}

/// The run whose header is in this line.
fn run(log: &Log<'_>, at: usize) -> Run {
    let mut time = None;
    let mut fatal = None;
    let mut end = None;
    let mut last = log.len();
    for (index, line) in log.from(at + 1) {
        match line.as_bytes() {
            [b'T', ..] if line.starts_with("Time: ") && line.contains(", Memory: ") => {
                time = Some(index);
            }
            [b'T', ..] if time.is_some() && line.starts_with("Tests: ") => {
                end = Some((index + 1, bad_count(line)));
                break;
            }
            [b'O', ..] if time.is_some() && line.starts_with("OK (") => {
                end = Some((index + 1, 0));
                break;
            }
            // Since PHPUnit 10 an invalid data provider is an error and leaves nothing to run.
            [b'N', ..] if time.is_none() && line == "No tests executed!" => {
                (time, end) = (Some(at), Some((index + 1, FAILURES_MAX)));
                break;
            }
            [b'P' | b'F', ..] if is_fatal(line) => fatal = Some(index),
            [b'P', ..] if is_header(line) => {
                last = index;
                break;
            }
            [b'#', ..] if line.starts_with("##[group]") => {
                last = index;
                break;
            }
            _ => {}
        }
    }
    let lines = at..end.map_or(last, |(end, _)| end);
    let failures = match (time, end, fatal) {
        (Some(_), Some((_, 0)), _) => Vec::new(),
        (Some(time), Some((end, bad)), _) => {
            let mut failures = listed(log, time + 1..end);
            if failures.is_empty() {
                failures = described(log, at + 1..end);
            }
            failures.truncate(bad);
            failures
        }
        (Some(time), None, _) => listed(log, time + 1..last)
            .into_iter()
            .map(|failure| failure.with_confidence(Confidence::Medium))
            .collect(),
        (None, _, Some(fatal)) => return fatal_run(log, fatal, lines),
        (None, _, None) => Vec::new(),
    };
    Run { lines, failures }
}

/// Errors and failures in `Tests: 14, Assertions: 8, Errors: 3, Failures: 6, Skipped: 1.`
fn bad_count(line: &str) -> usize {
    let count = |part: &str| {
        part.trim_end_matches('.')
            .rsplit_once(": ")?
            .1
            .parse::<usize>()
            .ok()
    };
    let is_bad = |part: &&str| {
        let name = part.rsplit_once(':').map_or("", |(name, _)| name);
        matches!(name, "Errors" | "Failures" | "PHPUnit Errors")
    };
    line.split(", ").filter(is_bad).filter_map(count).sum()
}

/// The sections `There were 3 errors:` and `There was 1 failure:`, with items `1) Class::method`.
fn listed(log: &Log<'_>, lines: Range<usize>) -> Vec<Failure> {
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut is_bad = false;
    // The number of the next item, once a section has begun.
    let mut number = 1;
    let mut is_open = false;
    for (index, line) in log.from(lines.start).take(lines.len()) {
        let heading = line
            .strip_prefix("There was ")
            .or(line.strip_prefix("There were "));
        if let Some(heading) = heading.filter(|heading| heading.ends_with(':')) {
            let kind = heading
                .trim_end_matches(':')
                .trim_start_matches(|c: char| c != ' ');
            is_bad = matches!(
                kind.trim().trim_end_matches('s'),
                "error" | "failure" | "PHPUnit error"
            );
            (number, is_open) = (1, false);
        } else if line == "--" || matches!(line, "FAILURES!" | "ERRORS!") {
            is_open = false;
        } else if is_bad && is_item(line, number) {
            items.push(index..index + 1);
            (number, is_open) = (number + 1, true);
        } else if is_open && let Some(item) = items.last_mut() {
            item.end = index + 1;
        }
    }
    let items = items.into_iter().take(FAILURES_MAX);
    items.map(|item| failure(log, item)).collect()
}

fn is_item(line: &str, number: usize) -> bool {
    let found = line.split_once(") ").map(|(found, _)| found.parse());
    found == Some(Ok(number))
}

fn failure(log: &Log<'_>, item: Range<usize>) -> Failure {
    let id = log
        .line(item.start)
        .split_once(") ")
        .map_or("", |(_, id)| id);
    let test = without_data(id);
    let body = log
        .from(item.start + 1)
        .take(item.len() - 1)
        .take(BODY_LINES_MAX);
    let body: Vec<&str> = body.map(|(_, line)| line).collect();
    let failure = Failure::new(FailureKind::Test, NAME, test, &message(&body));
    let place = body.iter().find_map(|line| place(line));
    let failure = failure.shown_by(body);
    let failure = match place {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    };
    let filter = format!("/^{}$/", regex(test));
    failure.reproduced_by(format!(
        "vendor/bin/phpunit --filter {}",
        shell_word(&filter)
    ))
}

/// The test's name without its data: ` ('a b', 1)`, since PHPUnit 10 ` with data ('a b', 1)`.
fn without_data(id: &str) -> &str {
    let Some(at) = id.find(" with data set ") else {
        return id;
    };
    let set = at + " with data set ".len();
    let end = if id[set..].starts_with('#') {
        id[set..].find(' ')
    } else {
        let ends = ["\" (", "\" with data ("].map(|text| id[set..].find(text));
        ends.into_iter().flatten().min().map(|end| end + 1)
    };
    end.map_or(id, |end| &id[..set + end])
}

/// A line that ends with a place: `/path/tests/UserTest.php:6`, `Exception: gone in /path/x.php:6`.
fn place(line: &str) -> Option<(&str, u32)> {
    let (path, number) = line.trim().rsplit_once(':')?;
    let path = path.rsplit_once(" in ").map_or(path, |(_, path)| path);
    let is_own = path.ends_with(".php") && !path.contains("/vendor/");
    let number = number.parse().ok()?;
    is_own.then_some((path, number))
}

/// The one line that tells most: the message, what was asserted, and the first difference.
fn message(body: &[&str]) -> String {
    let first = body.first().copied().unwrap_or("failed");
    let asserted = body
        .get(1)
        .filter(|line| line.starts_with("Failed asserting"));
    let mut message = asserted.map_or(first.to_owned(), |line| format!("{first}: {line}"));
    if let Some(diff) = body.iter().position(|line| *line == "+++ Actual") {
        let side = |sign| body[diff + 1..].iter().find(|line| line.starts_with(sign));
        for line in [side('-'), side('+')].into_iter().flatten() {
            message = format!("{message} {}", line.trim_end());
        }
    }
    message
}

/// `text` for a regular expression that is between slashes.
fn regex(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if r"\^$.|?*+()[]{}/".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// What `--testdox` shows, up to PHPUnit 9 before `Time:` and then after it: ` ✘ Greets` below `User (Tests\User)`, then a box.
fn described(log: &Log<'_>, lines: Range<usize>) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    let mut class = "";
    for (index, line) in log.from(lines.start).take(lines.len()) {
        let Some(name) = line.strip_prefix(" ✘ ") else {
            if line.ends_with(')') && line.starts_with(char::is_alphanumeric) {
                class = line;
            }
            continue;
        };
        let in_box = |line: &'_ str| {
            line.trim_start()
                .starts_with(['┐', '├', '┊', '│', '╵', '┴'])
        };
        let body: Vec<&str> = log
            .from(index + 1)
            .take(BODY_LINES_MAX)
            .map(|(_, line)| line)
            .take_while(|line| in_box(line))
            .map(|line| {
                line.trim_start()
                    .trim_start_matches(['┐', '├', '┊', '│', '╵', '┴'])
                    .trim()
            })
            .filter(|line| !line.is_empty())
            .collect();
        // Tests that print have no box.
        if body.is_empty() || failures.len() >= FAILURES_MAX {
            continue;
        }
        let mut failure = Failure::new(
            FailureKind::Test,
            NAME,
            &format!("{class} {name}"),
            &message(&body),
        );
        if let Some((path, line)) = body.iter().find_map(|line| place(line)) {
            failure = failure
                .at(path, Some(line))
                .reproduced_by(format!("vendor/bin/phpunit {}", shell_word(path)));
        }
        failures.push(failure.shown_by(body));
    }
    failures
}

/// PHP itself gave up: `PHP Fatal error:  Uncaught Error: message in /path/x.php:3`.
fn fatal_run(log: &Log<'_>, at: usize, lines: Range<usize>) -> Run {
    let text = log.line(at);
    let error = text
        .split_once("rror: ")
        .map_or(text, |(_, error)| error)
        .trim();
    let place = error.rsplit_once(" in ").and_then(|(_, place)| {
        let spelled = place.split_once(" on line ");
        let spelled = spelled.and_then(|(path, line)| Some((path, line.parse().ok()?)));
        spelled.or_else(|| path_and_line(place))
    });
    let test = place.map_or("PHP Fatal error", |(path, _)| path);
    let failure = Failure::new(FailureKind::Test, NAME, test, error).shown_by(
        log.from(at)
            .map(|(_, line)| line)
            .take(lines.end.saturating_sub(at)),
    );
    let failure = match place {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    };
    Run {
        lines,
        failures: vec![failure],
    }
}
