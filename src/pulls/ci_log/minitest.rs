//! Minitest (5.17 and 6.0), alone and under Rails (6.1: failures are shown as they happen, each
//! with the `rails test path:line` that runs it again), and test files Ruby cannot load.

use std::ops::Range;

use super::place::{path_and_line, without_dot};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "minitest";
/// A failure that Rails shows as it happens is not longer than this, in lines.
const INLINE_LINES_MAX: usize = 400;
/// Of a back trace only so many lines are looked at.
const TRACE_LINES_MAX: usize = 60;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut next = 0;
    while let Some(at) = log.find(next, |line| {
        line.starts_with("# Running:") || line.ends_with("Error)") && line.contains(":in ")
    }) {
        let run = if log.line(at).starts_with('#') {
            Some(run(log, at))
        } else {
            load_error(log, at)
        };
        next = at + 1;
        if let Some(run) = run {
            next = next.max(run.lines.end);
            runs.push(run);
        }
    }
    runs
}

/// The run whose `# Running:` is in this line.
fn run(log: &Log<'_>, at: usize) -> Run {
    let is_option = |line: &str| line.starts_with("Run options:");
    let begin = (at.saturating_sub(3)..at).find(|&above| is_option(log.line(above)));
    let begin = begin.unwrap_or(at);
    let mut inline = Vec::new();
    let mut finished = None;
    // The number of failures and errors, once the summary is there.
    let mut bad = None;
    let mut end = log.len();
    let mut skip_to = at + 1;
    for (index, line) in log.from(at + 1) {
        if index < skip_to {
            continue;
        }
        match line.as_bytes() {
            [b'F' | b'E', ..] if finished.is_none() && is_kind(line) => {
                if let Some((block, rerun)) = inline_block(log, index) {
                    skip_to = rerun + 1;
                    inline.push((block, Some(rerun)));
                }
            }
            [b'F', ..] if line.starts_with("Finished in ") && line.contains(" runs/s, ") => {
                finished = Some(index);
            }
            // A test may print a summary; Minitest's own follows what it finished in.
            [b'0'..=b'9', ..] if finished.is_some() => {
                bad = bad_count(line);
                if bad.is_some() {
                    end = index + 1;
                    break;
                }
            }
            [b'R' | b'#', ..] if is_option(line) || line.starts_with("##[group]") => {
                end = index;
                break;
            }
            _ => {}
        }
    }
    let mut blocks = match finished {
        Some(finished) => numbered_blocks(log, finished + 1..end),
        None => Vec::new(),
    };
    let reruns = match bad {
        Some(_) => deferred_reruns(log, end),
        None => Vec::new(),
    };
    end = reruns.last().map_or(end, |last| last + 1);
    for (index, block) in blocks.iter_mut().enumerate() {
        block.1 = reruns.get(index).copied();
    }
    blocks.retain(|(block, _)| !log.line(block.start).ends_with("Skipped:"));
    blocks.append(&mut inline);
    let mut failures: Vec<Failure> = blocks
        .into_iter()
        .take(bad.unwrap_or(FAILURES_MAX).min(FAILURES_MAX))
        .map(|(block, rerun)| failure(log, block, rerun))
        .collect();
    if bad.is_none() {
        if failures.is_empty() {
            failures = verbose_failures(log, at..end);
        }
        for failure in &mut failures {
            failure.confidence = Confidence::Medium;
        }
    }
    Run {
        lines: begin..end,
        failures,
    }
}

/// `10 runs, 8 assertions, 6 failures, 1 errors, 1 skips`; of these the failures and errors.
fn bad_count(line: &str) -> Option<usize> {
    let mut parts = line.split(", ").map(|part| part.split_once(' '));
    let mut count = |unit: &str| {
        let (number, found) = parts.next()??;
        number.parse::<usize>().ok().filter(|_| found == unit)
    };
    count("runs")?;
    count("assertions")?;
    Some(count("failures")? + count("errors")?)
}

fn is_kind(line: &str) -> bool {
    matches!(line, "Failure:" | "Error:")
}

/// A failure as Rails shows it when it happens: after the result's letter and an empty line, up to
/// the command that runs it again. Gives its lines and the line of that command.
fn inline_block(log: &Log<'_>, at: usize) -> Option<(Range<usize>, usize)> {
    let result = log.line(at.checked_sub(2)?);
    let is_head = log.line(at + 1).ends_with(':') && log.line(at + 1).contains('#');
    if !is_head || !result.ends_with(['F', 'E']) || !log.line(at - 1).is_empty() {
        return None;
    }
    let mut lines = log.from(at + 2).take(INLINE_LINES_MAX);
    let rerun = lines.find(|(_, line)| is_rerun(line))?.0;
    Some((at..rerun, rerun))
}

/// File and line of `rails test path:line`; `bin/rails test path:line` since Rails 7.1, which may name
/// the program in full.
fn rerun_place(line: &str) -> Option<(&str, u32)> {
    let (before, place) = line.split_once("rails test ")?;
    (before.is_empty() || before.ends_with('/'))
        .then(|| path_and_line(place))
        .flatten()
}

fn is_rerun(line: &str) -> bool {
    rerun_place(line).is_some()
}

/// With `--defer-output` Rails lists the commands after the summary, in the order of the failures.
fn deferred_reruns(log: &Log<'_>, end: usize) -> Vec<usize> {
    let heading = (end..end + 5).find(|&at| log.line(at) == "Failed tests:");
    let Some(heading) = heading else {
        return Vec::new();
    };
    let lines = log.from(heading + 2).take_while(|(_, line)| is_rerun(line));
    lines.map(|(index, _)| index).collect()
}

/// The blocks `  1) Failure:` between what the run finished in and its summary.
fn numbered_blocks(log: &Log<'_>, lines: Range<usize>) -> Vec<(Range<usize>, Option<usize>)> {
    let mut blocks: Vec<(Range<usize>, Option<usize>)> = Vec::new();
    for (index, line) in log.from(lines.start).take(lines.len()) {
        let number = blocks.len() + 1;
        if line.starts_with(' ') && is_heading(line.trim_start(), number) {
            blocks.push((index..index + 1, None));
        } else if let Some((block, _)) = blocks.last_mut()
            && bad_count(line).is_none()
        {
            block.end = index + 1;
        }
    }
    blocks
}

fn is_heading(line: &str, number: usize) -> bool {
    line.split_once(") ").is_some_and(|(found, kind)| {
        found.parse() == Ok(number)
            && matches!(kind, "Failure:" | "Error:" | "Skipped:" | "Warning:")
    })
}

/// The failure whose kind is in the block's first line and whose test in its second:
/// `UserTest#test_token:` or `UserTest#test_greets [test/user_test.rb:6]:`.
fn failure(log: &Log<'_>, block: Range<usize>, rerun: Option<usize>) -> Failure {
    let heading = log.line(block.start + 1);
    let heading = heading.strip_suffix(':').unwrap_or(heading);
    let located = heading
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once(" ["));
    let (test, place) = match located {
        Some((test, place)) => (test, path_and_line(place)),
        None => (heading, None),
    };
    let body = || {
        let lines = log
            .from(block.start + 2)
            .take(block.len().saturating_sub(2));
        lines.map(|(_, line)| line)
    };
    let mut frames = body().filter_map(project_frame);
    let inner = frames.next();
    let outer = frames.next_back().or(inner);
    let error = message(body());
    let failure = Failure::new(FailureKind::Test, NAME, test, &error).shown_by(body());
    let rerun = rerun.and_then(|at| rerun_place(log.line(at)));
    let failure = match place.or(inner).or(rerun) {
        // Rails writes the same file absolute here and relative in its command.
        Some((path, line)) => match rerun {
            Some((relative, _)) if path.ends_with(relative) => failure.at(relative, Some(line)),
            _ => failure.at(without_dot(path), Some(line)),
        },
        None => failure,
    };
    match (rerun, place.or(outer)) {
        // Not the line itself: an application has no global `rails`, and a log may hold anything.
        (Some((path, line)), _) => {
            let place = shell_word(&format!("{path}:{line}"));
            failure.reproduced_by(format!("bin/rails test {place}"))
        }
        (None, Some((path, _))) => {
            let (path, name) = (shell_word(without_dot(path)), shell_word(test));
            failure.reproduced_by(format!("ruby -Itest -Ilib {path} -n {name}"))
        }
        (None, None) => failure,
    }
}

/// `    lib/user.rb:4:in 'User#token'`: four spaces, and relative to the project's folder.
fn project_frame(line: &str) -> Option<(&str, u32)> {
    let frame = line.strip_prefix("    ")?;
    (frame.contains(":in ") && !frame.starts_with([' ', '/']))
        .then(|| path_and_line(frame))
        .flatten()
}

/// The one line that tells most; assertions spread what they compare over two lines.
fn message<'a>(mut body: impl Iterator<Item = &'a str>) -> String {
    let first = body.next().unwrap_or("failed");
    let second = body.next().unwrap_or_default();
    let third = body.next().unwrap_or_default();
    let compared = |expected: &str, actual: &str| {
        let is_pair = expected.starts_with("Expected: ") && actual.starts_with("  Actual: ");
        is_pair.then(|| format!("{expected}, {}", actual.trim()))
    };
    if let Some(both) = compared(first, second) {
        return both;
    }
    match compared(second, third) {
        Some(both) => format!("{first} {both}"),
        None if second.starts_with("Class: <") => format!("{first} {second}"),
        None if first == "--- expected" => {
            // A diff: its first line that is missing and its first that is too much.
            let mut side = |sign| {
                let line = body.find(|line: &&str| line.starts_with(sign));
                line.map_or("", |line| &line[1..]).to_owned()
            };
            format!("expected {}, actual {}", side('-'), side('+'))
        }
        None => first.to_owned(),
    }
}

/// `UserTest#test_token = 0.00 s = E` in a verbose run that was stopped before its summary.
fn verbose_failures(log: &Log<'_>, lines: Range<usize>) -> Vec<Failure> {
    let failed = |line: &'_ str| {
        let (line, result) = line.rsplit_once(" = ")?;
        let (test, time) = line.rsplit_once(" = ")?;
        let is_failure = matches!(result, "F" | "E") && time.ends_with(" s") && test.contains('#');
        is_failure.then(|| test.to_owned())
    };
    let lines = log.from(lines.start).take(lines.len());
    let tests = lines.filter_map(|(_, line)| Some((failed(line)?, line)));
    tests
        .take(FAILURES_MAX)
        .map(|(test, line)| {
            let error = "failed; the log ends before its message";
            Failure::new(FailureKind::Test, NAME, &test, error).shown_by([line])
        })
        .collect()
}

/// An exception that left a test file while it was loaded:
/// ``test/user_test.rb:3:in `<class:UserTest>': uninitialized constant X (NameError)``.
fn load_error(log: &Log<'_>, at: usize) -> Option<Run> {
    let (path, line) = path_and_line(log.line(at))?;
    let is_frame = |line: &str| line.trim_start().starts_with("from ");
    let trace = || log.from(at + 1).take(TRACE_LINES_MAX);
    // Only where the trace says that a test runner was loading it.
    let loads = |line: &str| line.contains("rails/test_unit/") || line.contains("rake_test_loader");
    let (_, loader) = trace().find(|(_, line)| is_frame(line) && loads(line))?;
    let text = log.line(at);
    let error = text.split_once("': ").map_or(text, |(_, error)| error);
    let end = trace().rfind(|(_, line)| is_frame(line))?.0 + 1;
    let path = project_path(path);
    let failure = Failure::new(FailureKind::Test, NAME, path, error)
        .shown_by(log.from(at).map(|(_, line)| line).take(end - at))
        .at(path, Some(line));
    let runner = if loader.contains("rails/") {
        "bin/rails test"
    } else {
        "ruby -Itest -Ilib"
    };
    Some(Run {
        lines: at..end,
        failures: vec![failure.reproduced_by(format!("{runner} {}", shell_word(path)))],
    })
}

/// Ruby names the files it loads by their absolute paths; tests are below `test/`.
fn project_path(path: &str) -> &str {
    path.find("/test/").map_or(path, |at| &path[at + 1..])
}
