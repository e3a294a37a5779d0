//! `dotnet test`: VSTest (15 to 17) and Microsoft.Testing.Platform (.NET 9, 10), and errors of the
//! C# and F# compilers. From their documented output.

use std::ops::Range;

use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "dotnet-test";
/// Of a failure only so many lines are looked at.
const BODY_LINES_MAX: usize = 100;
/// How far below the end of a crashed process the test that ran is named.
const NAMED_LINES_MAX: usize = 40;

/// What the lines since the last complete run have shown. Projects run side by side and their
/// lines mix, so that a run ends with the last summary that is due.
#[derive(Default)]
struct Seen {
    begin: Option<usize>,
    end: usize,
    /// Test projects that began and have no summary yet.
    due: usize,
    /// How many tests failed by the summaries.
    failed: usize,
    blocks: Vec<Range<usize>>,
    aborted: Option<usize>,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut seen = Seen::default();
    for (index, line) in log.from(0) {
        match line.as_bytes() {
            [b'T', ..] if line.starts_with("Test run for ") => {
                seen.begin.get_or_insert(index);
                seen.due += 1;
            }
            [b'S', ..] if line.starts_with("Starting test execution") => {
                seen.begin.get_or_insert(index);
            }
            [b' ', b' ', b'F', ..] | [b'f', ..] => {
                if let Some(end) = block_end(log, index, line) {
                    seen.begin.get_or_insert(index);
                    seen.blocks.push(index..end);
                    seen.end = end;
                }
            }
            [b'T', ..] if line.starts_with("The active test run was aborted") => {
                seen.aborted = Some(index);
            }
            [b'F' | b'P' | b'T', ..] => {
                if let Some((failed, end)) = summary(log, index, line) {
                    seen.failed += failed;
                    seen.end = end;
                    seen.due = seen.due.saturating_sub(1);
                    if seen.due == 0 {
                        runs.extend(run(log, std::mem::take(&mut seen), true));
                    }
                }
            }
            [b'#', ..] if line.starts_with("##[group]") => {
                runs.extend(run(log, std::mem::take(&mut seen), false));
            }
            _ => {}
        }
    }
    runs.extend(run(log, seen, false));
    runs
}

/// `  Failed Api.Tests.UserTests.Greets [5 ms]` and its `  Error Message:`, or of the newer
/// platform `failed Greets (5ms)` and its indented lines.
fn block_end(log: &Log<'_>, at: usize, line: &str) -> Option<usize> {
    let next = log.line(at + 1);
    let is_classic = line.starts_with("  Failed ")
        && line.ends_with(']')
        && matches!(next.trim_end(), "  Error Message:" | "  Stack Trace:");
    let is_new = line.starts_with("failed ") && line.ends_with(')') && next.starts_with("  ");
    if !is_classic && !is_new {
        return None;
    }
    let is_end = |line: &str| {
        let is_result = |text: &str| {
            ["Failed ", "Passed ", "Skipped "]
                .iter()
                .any(|result| text.starts_with(result))
        };
        match line.strip_prefix("  ") {
            Some(text) => is_classic && is_result(text) && text.ends_with(']'),
            None if line.starts_with(' ') => false,
            None => {
                !is_classic
                    || line.starts_with(['[', '#'])
                    || line.starts_with("Failed!")
                    || line.starts_with("Test ")
            }
        }
    };
    // A blank line is part of a message when indented lines follow.
    let is_last = |index: usize, line: &str| match line.is_empty() {
        true => !log.line(index + 1).starts_with(' '),
        false => is_end(line),
    };
    let mut lines = log.from(at + 1).take(BODY_LINES_MAX);
    let end = lines
        .find(|(index, line)| is_last(*index, line))
        .map(|(index, _)| index);
    Some(end.unwrap_or((at + 1 + BODY_LINES_MAX).min(log.len())))
}

/// How many tests failed and where the summary ends. It is one of
/// `Failed!  - Failed:     2, Passed:     3, ...`, `Test Run Failed.` with `     Failed: 2` below,
/// and `Test run summary: Failed!` with `  failed: 2` below.
fn summary(log: &Log<'_>, at: usize, line: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    if let Some((_, rest)) = line.split_once("!  - Failed:") {
        let is_start = line.starts_with("Failed!") || line.starts_with("Passed!");
        let failed = number(rest.split(',').next()?)?;
        return is_start.then_some((failed, at + 1));
    }
    let is_start = [
        "Test Run Failed",
        "Test Run Successful",
        "Test Run Aborted",
        "Test run summary:",
    ];
    if !is_start.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let (mut failed, mut end) = (0, at + 1);
    for (index, line) in log.from(at + 1).take(8) {
        let Some((name, count)) = line.trim().split_once(": ") else {
            continue;
        };
        match name {
            "Failed" | "failed" => failed = number(count).unwrap_or(0),
            "Passed" | "Skipped" | "Total tests" | "Total time" => {}
            "total" | "succeeded" | "skipped" | "duration" => {}
            _ => break,
        }
        end = index + 1;
    }
    Some((failed, end))
}

fn run(log: &Log<'_>, seen: Seen, is_complete: bool) -> Option<Run> {
    let begin = seen.begin?;
    let limit = if is_complete {
        seen.failed
    } else {
        FAILURES_MAX
    };
    let is_aborted = seen.aborted.is_some();
    let blocks = seen
        .blocks
        .into_iter()
        .take(if is_aborted { FAILURES_MAX } else { limit });
    let mut failures: Vec<Failure> = blocks
        .take(FAILURES_MAX)
        .map(|block| failure(log, block))
        .map(|failure| match is_complete {
            true => failure,
            false => failure.with_confidence(Confidence::Medium),
        })
        .collect();
    failures.extend(seen.aborted.map(|at| aborted(log, at)));
    let end = if is_complete {
        seen.end
    } else {
        log.len().min(seen.end.max(begin + 1))
    };
    Some(Run {
        lines: begin..end,
        failures,
    })
}

fn failure(log: &Log<'_>, block: Range<usize>) -> Failure {
    let heading = log.line(block.start).trim_start();
    let named = heading.split_once(' ').map_or(heading, |(_, rest)| rest);
    let test = without_duration(named);
    let body = log.from(block.start + 1).take(block.len() - 1);
    let body: Vec<&str> = body.map(|(_, line)| line).collect();
    let is_heading = |line: &str| line.starts_with("  ") && line.trim_end().ends_with(':');
    let is_trace = |line: &str| line.trim_start().starts_with("at ");
    let message: Vec<&str> = body
        .iter()
        .copied()
        .skip_while(|line| line.trim_end() == "  Error Message:")
        .take_while(|line| line.trim_end() != "  Stack Trace:" && !is_trace(line))
        .collect();
    let place = body.iter().find_map(|line| place(line));
    let shown = body
        .iter()
        .copied()
        .filter(|line| !is_heading(line) || line.contains("Stack"));
    let failure = Failure::new(FailureKind::Test, NAME, test, &error(&message)).shown_by(shown);
    let failure = match place {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    };
    let bare = test.split('(').next().unwrap_or(test).trim_end();
    let property = if bare.contains('.') {
        "FullyQualifiedName"
    } else {
        "Name"
    };
    let relation = if bare == test { "=" } else { "~" };
    let filter = format!("{property}{relation}{bare}");
    failure.reproduced_by(format!("dotnet test --filter {}", shell_word(&filter)))
}

/// `Greets [5 ms]`, `Greets [< 1 ms]`, `Greets (6s 220ms)`
fn without_duration(text: &str) -> &str {
    let open = if text.ends_with(']') { " [" } else { " (" };
    text.rsplit_once(open).map_or(text, |(test, _)| test)
}

/// `   at Api.UserTests.Greets() in /path/UserTests.cs:line 12`, of the newer platform `.cs:12`.
fn place(line: &str) -> Option<(&str, u32)> {
    let (_, place) = line.trim_start().strip_prefix("at ")?.rsplit_once(" in ")?;
    // Sources of libraries are named by the folder they were built in.
    let is_own = !place.starts_with("/_/");
    let (path, line) = place.rsplit_once(':')?;
    let line = line
        .strip_prefix("line ")
        .unwrap_or(line)
        .trim()
        .parse()
        .ok()?;
    is_own.then_some((path, line))
}

/// The first line, and of a comparison what was expected and what there was.
fn error(message: &[&str]) -> String {
    let mut lines = message
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty());
    let mut error = lines.next().unwrap_or("failed").to_owned();
    for line in lines {
        if line.starts_with("Expected: ")
            || line.starts_with("Actual: ")
            || line.starts_with("But was: ")
        {
            let tidy: Vec<&str> = line.split_whitespace().collect();
            error = format!("{error}, {}", tidy.join(" "));
        }
    }
    error
}

/// The process of the tests crashed or hung.
fn aborted(log: &Log<'_>, at: usize) -> Failure {
    let line = log.line(at);
    let error = line
        .split_once("Reason: ")
        .map_or(line, |(_, reason)| reason);
    // With `--blame` the names of the tests that ran follow.
    let is_named = |line: &str| line.starts_with("The test running when the crash occurred");
    let mut below = log.from(at).take(NAMED_LINES_MAX);
    let running = below.find(|(_, line)| is_named(line));
    let test = running.map(|(running, _)| log.line(running + 1));
    let kind = match line.contains("inactivity") || line.contains("hang") {
        true => FailureKind::Timeout,
        false => FailureKind::Test,
    };
    let test = test.map(str::trim).filter(|test| !test.is_empty());
    Failure::new(kind, NAME, test.unwrap_or("test host"), error)
        .shown_by(log.from(at).map(|(_, line)| line))
}

/// `/path/User.cs(12,5): error CS1002: ; expected [/path/Api.csproj]`: MSBuild's canonical form.
pub(super) fn parse_compilation(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, line) in log.from(0) {
        if !line.contains(": error ") {
            continue;
        }
        let Some(failure) = compile_error(line) else {
            continue;
        };
        match runs.last_mut().filter(|run| run.lines.end == index) {
            Some(run) if run.failures.len() < FAILURES_MAX => {
                run.lines.end = index + 1;
                run.failures.push(failure);
            }
            _ => runs.push(Run {
                lines: index..index + 1,
                failures: vec![failure],
            }),
        }
    }
    runs
}

fn compile_error(line: &str) -> Option<Failure> {
    let (place, rest) = line.split_once(": error ")?;
    let (code, error) = rest.split_once(": ")?;
    let is_code = ["CS", "FS", "NETSDK", "MSB", "NU"].iter().any(|tool| {
        let number = code.strip_prefix(tool);
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    // NuGet's list of what it found instead.
    if error.starts_with("  - ") {
        return None;
    }
    // The project stands behind the message.
    let project = error.rsplit_once(" [");
    let project = project.filter(|(_, name)| name.contains("proj") || name.contains(".sln"));
    let error = project.map_or(error, |(error, _)| error);
    let failure = Failure::new(FailureKind::Build, "dotnet-build", code, error)
        .shown_by([line])
        .reproduced_by("dotnet build".to_owned());
    let located = place
        .strip_suffix(')')
        .and_then(|place| place.rsplit_once('('));
    let failure = match located {
        Some((path, numbers)) => {
            failure.at(path.trim_start(), numbers.split(',').next()?.parse().ok())
        }
        // Or the tool itself: `MSBUILD`, `CSC`.
        None if !place.contains(['.', '/', '\\']) => failure,
        None => failure.at(place.trim(), None),
    };
    is_code.then_some(failure)
}
