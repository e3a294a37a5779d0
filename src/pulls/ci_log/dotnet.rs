//! `dotnet test`: VSTest (15 to 18, as its console and as MSBuild's terminal logger write it) and
//! Microsoft.Testing.Platform (.NET 9, 10), and errors of the C# and F# compilers. Recorded are VSTest
//! 15 and MSBuild 15; the rest is from the format strings in their sources.

use std::ops::Range;

use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "dotnet-test";
/// Of a failure only so many lines are looked at.
const BODY_LINES_MAX: usize = 100;
/// A summary of the newer platform names each assembly first.
const SUMMARY_LINES_MAX: usize = 100;
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

impl Seen {
    /// Whether this line is not part of a test's message, which may look like a result.
    fn is_after_blocks(&self, index: usize) -> bool {
        self.blocks.last().is_none_or(|block| block.end <= index)
    }
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
            [b'T', ..] if is_aborted(line) => {
                seen.aborted.get_or_insert(index);
            }
            _ if seen.is_after_blocks(index)
                && let Some(end) = block_end(log, index, line) =>
            {
                seen.begin.get_or_insert(index);
                seen.blocks.push(index..end);
                seen.end = end;
            }
            [b'F' | b'P' | b'S' | b'N' | b'T', ..] => {
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

/// The process of the tests ended before they did, or did not even start.
fn is_aborted(line: &str) -> bool {
    let is_host = line.starts_with("Testhost process ") && line.contains("exited with error: ");
    is_host || line.starts_with("The active test run was aborted")
}

/// How a test that failed is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `  Failed Api.Tests.UserTests.Greets [5 ms]` and its `  Error Message:`.
    Console,
    /// The same of VSTest 15: `Failed   Api.Tests.UserTests.Greets` and its `Error Message:`.
    Old,
    /// Of Microsoft.Testing.Platform: `failed Greets (5ms)` and its indented lines.
    Platform,
    /// Of MSBuild's terminal logger: `    /path/UserTests.cs(12): error TESTERROR: ` and its
    /// `      Api.Tests.UserTests.Greets (5ms): Error Message: ...`.
    Terminal,
}

/// What ends the place of a failure in MSBuild's terminal logger.
const TERMINAL: &str = ": error TESTERROR:";

/// Whether a part of what is told of a failure begins here. The message comes first.
fn is_banner(text: &str) -> bool {
    matches!(
        text,
        "Error Message:"
            | "Stack Trace:"
            | "Standard Output Messages:"
            | "Standard Error Messages:"
            | "Debug Traces Messages:"
            | "Additional Information Messages:"
    )
}

fn style(log: &Log<'_>, at: usize, line: &str) -> Option<Style> {
    let next = log.line(at + 1);
    match line.as_bytes() {
        [b' ', b' ', b'F', ..] if line.starts_with("  Failed ") => {
            let heading = next.trim_end().strip_prefix("  ");
            heading.is_some_and(is_banner).then_some(Style::Console)
        }
        [b'F', ..] if line.starts_with("Failed   ") => {
            is_banner(next.trim_end()).then_some(Style::Old)
        }
        [b'f', ..] if line.starts_with("failed ") && line.ends_with(')') => {
            next.starts_with("  ").then_some(Style::Platform)
        }
        // It is indented by four.
        [b' ', ..] if line.starts_with("     ") => None,
        _ => line.contains(TERMINAL).then_some(Style::Terminal),
    }
}

/// The end of what is told of a test that failed, if such begins here.
fn block_end(log: &Log<'_>, at: usize, line: &str) -> Option<usize> {
    let style = style(log, at, line)?;
    let is_result = |text: &str, padding: &str| {
        ["Failed", "Passed", "Skipped"].iter().any(|result| {
            let rest = text.strip_prefix(result);
            rest.is_some_and(|rest| rest.starts_with(padding))
        })
    };
    let is_runners = |line: &str| line.starts_with(['[', '#']) || line.starts_with("Test ");
    let is_end = |index: usize, line: &str| match style {
        Style::Console => match line.strip_prefix("  ") {
            Some(text) if is_result(text, " ") => {
                // One that took no time has no brackets.
                let next = log.line(index + 1).trim_end().strip_prefix("  ");
                text.ends_with(']') || next.is_some_and(is_banner)
            }
            Some(_) => false,
            None => !line.starts_with(' ') && (is_runners(line) || is_result(line, "! ")),
        },
        // `Passed   ` and `Skipped  ` are of one width.
        Style::Old => {
            is_result(line, "  ") || is_runners(line) || line.starts_with("Total tests: ")
        }
        Style::Platform => !line.starts_with(' '),
        Style::Terminal => !line.starts_with("      "),
    };
    // A blank line is part of a message when indented lines follow.
    let is_last = |index: usize, line: &str| match line.is_empty() {
        true => !log.line(index + 1).starts_with(' ') && style != Style::Old,
        false => is_end(index, line),
    };
    let mut lines = log.from(at + 1).take(BODY_LINES_MAX);
    let end = lines
        .find(|(index, line)| is_last(*index, line))
        .map(|(index, _)| index);
    Some(end.unwrap_or((at + 1 + BODY_LINES_MAX).min(log.len())))
}

/// `  from /path/Api.Tests.dll (net10.0|x64)`: where several assemblies run side by side.
fn is_assembly(line: &str) -> bool {
    line.starts_with("  from ") && line.ends_with(')')
}

/// How many tests failed and where the summary ends. It is one of
/// `Failed!  - Failed:     2, Passed:     3, ...`, `Test Run Failed.` with `     Failed: 2` below,
/// `Total tests: 5. Passed: 3. Failed: 2. Skipped: 0.` of VSTest 15, `Test run summary: Failed!` with
/// `  failed: 2` below, and `Test summary: total: 5, failed: 2, ...`.
fn summary(log: &Log<'_>, at: usize, line: &str) -> Option<(usize, usize)> {
    if let Some(failed) = summary_line(line) {
        return Some((failed, at + 1));
    }
    let is_start = [
        "Test Run Failed",
        "Test Run Successful",
        "Test Run Aborted",
        "Test Run Canceled",
        "Test run summary:",
    ];
    let above = log.line(at.saturating_sub(1));
    // It may follow a summary in one line, and is of the same run.
    if !is_start.iter().any(|start| line.starts_with(start)) || summary_line(above).is_some() {
        return None;
    }
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (mut failed, mut end) = (0, at + 1);
    let is_platform = line.starts_with("Test run summary:");
    let limit = if is_platform { SUMMARY_LINES_MAX } else { 8 };
    let is_indented = |line: &str| line.is_empty() || line.starts_with(' ');
    let below = log.from(at + 1).take(limit);
    for (index, line) in below.take_while(|(_, line)| !is_platform || is_indented(line)) {
        let Some((name, count)) = line.trim().split_once(": ") else {
            continue;
        };
        match name {
            "Failed" | "failed" => failed = number(count).unwrap_or(0),
            "Passed" | "Skipped" | "Total tests" | "Total time" => {}
            "total" | "succeeded" | "skipped" | "duration" | "error" | "flaky" | "retried" => {}
            _ => break,
        }
        end = index + 1;
    }
    Some((failed, end))
}

/// How many tests failed by a summary that is one line.
fn summary_line(line: &str) -> Option<usize> {
    let (_, counts) = match line.as_bytes() {
        // The word is padded to the longest: `Failed!  -`, `Skipped! -`.
        [b'F' | b'P' | b'S' | b'N', ..] => {
            let words = ["Failed! ", "Passed! ", "Skipped!", "None    "];
            let is_summary = words.iter().any(|word| line.starts_with(word));
            line.split_once(" - Failed:").filter(|_| is_summary)?
        }
        [b'T', ..] if line.starts_with("Total tests: ") => line.split_once(". Failed: ")?,
        [b'T', ..] if line.starts_with("Test summary: total: ") => line.split_once(", failed: ")?,
        _ => return None,
    };
    let digits = counts.trim_start().split([',', '.']).next()?;
    digits.parse().ok()
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
    let heading = log.line(block.start);
    let body = log.texts(block.start + 1..block.end);
    let style = style(log, block.start, heading).unwrap_or(Style::Console);
    if style == Style::Terminal {
        return terminal_failure(heading, &body);
    }
    let (_, named) = heading.trim_start().split_once(' ').unwrap_or(("", ""));
    let test = match style {
        Style::Old => named.trim_start(),
        _ => without_duration(named.trim_start_matches("(canceled) ")),
    };
    let is_heading = |line: &str| line.starts_with("  ") && line.trim_end().ends_with(':');
    let is_trace = |line: &str| line.trim_start().starts_with("at ");
    let message: Vec<&str> = body
        .iter()
        .copied()
        .skip_while(|line| line.trim() == "Error Message:" || is_assembly(line))
        .take_while(|line| !is_banner(line.trim()) && !is_trace(line))
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
    failure.reproduced_by(command(test))
}

/// What MSBuild's terminal logger tells: the place in the heading, the name before the message.
fn terminal_failure(heading: &str, body: &[&str]) -> Failure {
    let (place, rest) = heading.split_once(TERMINAL).unwrap_or((heading, ""));
    let lines: Vec<&str> = std::iter::once(rest).chain(body.iter().copied()).collect();
    let lines: Vec<&str> = lines.into_iter().map(str::trim).collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    let told = lines.get(first).copied().unwrap_or_default();
    // `Error Message` may be of another language.
    let ends = told.match_indices("): ").map(|(at, _)| at + 1);
    let mut ends = ends.filter(|end| without_duration(&told[..*end]).len() < *end);
    let (test, said) = match ends.next() {
        Some(end) => (without_duration(&told[..end]), &told[end + 2..]),
        None => (told, ""),
    };
    let (_, said) = said.split_once(": ").unwrap_or(("", said));
    let below = lines.iter().skip(first + 1).copied();
    let below = below.take_while(|line| !is_banner(line) && !line.starts_with("at "));
    let message: Vec<&str> = std::iter::once(said).chain(below).collect();
    let failure = Failure::new(FailureKind::Test, NAME, test, &error(&message))
        .shown_by(std::iter::once(heading).chain(body.iter().copied()))
        .reproduced_by(command(test));
    let located = place.trim().strip_suffix(')');
    let located = located.and_then(|place| place.rsplit_once('('));
    match located.and_then(|(path, line)| Some((path, line.parse().ok()?))) {
        Some((path, line)) => failure.at(path, Some(line)),
        None => failure,
    }
}

/// Runs this test alone.
fn command(test: &str) -> String {
    let bare = test.split('(').next().unwrap_or(test).trim_end();
    let property = if bare.contains('.') {
        "FullyQualifiedName"
    } else {
        "Name"
    };
    let relation = if bare == test { "=" } else { "~" };
    let filter = format!("{property}{relation}{bare}");
    format!("dotnet test --filter {}", shell_word(&filter))
}

/// `Greets [5 ms]`, `Greets [< 1 ms]`, `Greets (6s 220ms)`. A test that took no time has none.
fn without_duration(text: &str) -> &str {
    let (open, close) = if text.ends_with(']') {
        (" [", ']')
    } else {
        (" (", ')')
    };
    let is_part = |word: &str| {
        let unit = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
        ["", "ms", "s", "m", "h", "d"].contains(&unit)
    };
    let split = text.rsplit_once(open).filter(|(_, duration)| {
        let duration = duration.strip_suffix(close).unwrap_or_default();
        let duration = duration.trim_start_matches("< ");
        !duration.is_empty() && duration.split(' ').all(is_part)
    });
    split.map_or(text, |(test, _)| test)
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
    // NuGet's own errors have no code.
    let (code, error) = match rest.strip_prefix(": ") {
        Some(error) => ("", error),
        None => rest.split_once(": ")?,
    };
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
    let is_code = is_code || code.is_empty() && project.is_some();
    let error = project.map_or(error, |(error, _)| error);
    let folder = project.and_then(|(_, name)| Some(name.rsplit_once(['/', '\\'])?.0));
    // A relative path is seen from the project.
    let full = |path: &str| match folder {
        Some(folder) if !path.starts_with('/') && !path.contains(':') => format!("{folder}/{path}"),
        _ => path.to_owned(),
    };
    let failure = Failure::new(FailureKind::Build, "dotnet-build", code, error)
        .shown_by([line])
        .reproduced_by("dotnet build".to_owned());
    let located = place
        .strip_suffix(')')
        .and_then(|place| place.rsplit_once('('));
    let failure = match located {
        Some((path, numbers)) => {
            let line = numbers.split(',').next()?.parse().ok();
            failure.at(&full(path.trim_start()), line)
        }
        // Or the tool itself: `MSBUILD`, `CSC`.
        None if !place.contains(['.', '/', '\\']) => failure,
        None => failure.at(place.trim(), None),
    };
    is_code.then_some(failure)
}
