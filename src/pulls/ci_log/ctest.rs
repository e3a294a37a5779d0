//! CTest (recorded with CMake 3.25 and 4.4). What failed is listed below `N% tests passed, …`; with
//! `--output-on-failure` the output stands below a test's result, with `-V` above it.

use std::collections::HashMap;
use std::ops::Range;

use super::place::number;
use super::{FAILURES_MAX, Failure, FailureKind, LINE_CHARS_MAX, Log, Run, cut, gtest, shell_word};

const NAME: &str = "ctest";
/// Lines of one test's output that are read.
const OUTPUT_LINES_MAX: usize = 300;
/// Lines below the summary in which the list begins.
const LIST_LINES_MAX: usize = 100;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut summary = None;
    for (index, line) in log.from(0) {
        if line.starts_with("Test project ") {
            // Results that no summary follows are those of a run that was stopped.
            runs.extend(start.map(|start| run(log, start..index, summary.take())));
            start = Some(index);
        } else if start.is_some() && line.contains("% tests passed, ") {
            summary = Some(index);
        }
    }
    runs.extend(start.map(|start| run(log, start..log.len(), summary)));
    runs
}

fn run(log: &Log<'_>, lines: Range<usize>, summary: Option<usize>) -> Run {
    let folder = log
        .line(lines.start)
        .strip_prefix("Test project ")
        .unwrap_or("");
    let Some(summary) = summary else {
        let results = results(log, lines.clone());
        // What the last test printed is the run's as well.
        let last = results.values().map(|result| result.line).max();
        let end = last.map_or(lines.start + 1, |last| {
            let below = log.from(last + 1).take(OUTPUT_LINES_MAX);
            let below =
                below.take_while(|(index, line)| *index < lines.end && !line.starts_with("##["));
            last + 1 + below.count()
        });
        let failed = results
            .iter()
            .filter(|(_, result)| result.text.contains("***"));
        let failed = failed.filter(|(_, result)| {
            !["Skipped", "Disabled"]
                .iter()
                .any(|kept| result.text.contains(kept))
        });
        let mut failed: Vec<_> = failed.collect();
        failed.sort_unstable_by_key(|(number, _)| **number);
        let failures = failed.into_iter().take(FAILURES_MAX);
        let failures = failures.map(|(number, result)| {
            let listed = Listed {
                number: *number,
                name: result.name,
                reason: result.reason(),
            };
            failure(log, lines.clone(), folder, &listed, Some(result))
                .with_confidence(super::Confidence::Medium)
        });
        return Run {
            failures: failures.collect(),
            lines: lines.start..end,
        };
    };
    let list = log.from(summary).take(LIST_LINES_MAX);
    let list = list.take_while(|(index, _)| *index < lines.end);
    let mut list = list.filter(|(_, line)| *line == "The following tests FAILED:");
    let Some((list, _)) = list.next() else {
        return Run {
            lines: lines.start..summary + 1,
            failures: Vec::new(),
        };
    };
    let listed: Vec<Listed<'_>> = log
        .from(list + 1)
        .map_while(|(_, line)| listed(line))
        .collect();
    let end = list + 1 + listed.len();
    // `Errors while running CTest` and two hints.
    let hints = [
        "Errors while running",
        "Output from these",
        "Use \"--rerun-failed",
    ];
    let hints = log
        .from(end)
        .take_while(|(_, line)| hints.iter().any(|hint| line.starts_with(hint)));
    let results = results(log, lines.start..summary);
    let failures = listed.iter().take(FAILURES_MAX).map(|listed| {
        failure(
            log,
            lines.start..summary,
            folder,
            listed,
            results.get(&listed.number),
        )
    });
    Run {
        failures: failures.collect(),
        lines: lines.start..end + hints.count(),
    }
}

/// An entry of the list: `\t  2 - name (Failed)`, in newer releases with labels behind it.
struct Listed<'a> {
    number: u32,
    name: &'a str,
    reason: &'a str,
}

fn listed(line: &str) -> Option<Listed<'_>> {
    let (number, rest) = number(line.strip_prefix('\t')?.trim_start())?;
    let (name, rest) = rest.strip_prefix(" - ")?.rsplit_once(" (")?;
    let (reason, _) = rest.split_once(')')?;
    Some(Listed {
        number,
        name,
        reason,
    })
}

/// The line with the result of a test.
struct TestResult<'a> {
    line: usize,
    name: &'a str,
    /// What stands behind the name: `...***Failed    0.01 sec`.
    text: &'a str,
}

impl<'a> TestResult<'a> {
    /// As the list would say it: of `....Subprocess aborted***Exception:   0.00 sec` what stands
    /// first.
    fn reason(&self) -> &'a str {
        let (before, after) = self.text.split_once("***").unwrap_or((self.text, ""));
        let before = before.trim_matches(['.', ' ']);
        let after = after.trim_start_matches("Exception: ");
        if before.is_empty() {
            after.split("  ").next().unwrap_or(after)
        } else {
            before
        }
    }
}

/// Results by the numbers of the tests; of a repeated test the last.
fn results<'a>(log: &'a Log<'_>, lines: Range<usize>) -> HashMap<u32, TestResult<'a>> {
    let lines = log.from(lines.start).take(lines.len());
    lines
        .filter_map(|(line, text)| result(line, text))
        .collect()
}

/// ` 2/12 Test  #2: name ...***Failed    0.00 sec`
fn result(line: usize, text: &str) -> Option<(u32, TestResult<'_>)> {
    if !text.starts_with(|first: char| first == ' ' || first.is_ascii_digit()) {
        return None;
    }
    let (count, rest) = text.split_once("Test ")?;
    if !count
        .bytes()
        .all(|byte| byte == b' ' || byte == b'/' || byte.is_ascii_digit())
    {
        return None;
    }
    let (number, rest) = number(rest.trim_start().strip_prefix('#')?)?;
    let (name, text) = rest.strip_prefix(": ")?.split_once(" .")?;
    Some((
        number,
        TestResult {
            line,
            name: name.trim_end(),
            text,
        },
    ))
}

/// What a test printed: below its result, or above with its number before each line.
fn output<'a>(log: &'a Log<'_>, lines: Range<usize>, number: u32, result: usize) -> Vec<&'a str> {
    let prefix = format!("{number}: ");
    let above = log.within(lines.start..result).rev();
    let above = above
        .map_while(|(_, line)| line.strip_prefix(prefix.trim_end()))
        .take(OUTPUT_LINES_MAX);
    let mut above: Vec<&str> = above
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    if !above.is_empty() {
        above.reverse();
        let own = [
            "Test command: ",
            "Working Directory: ",
            "Test timeout computed to be: ",
            "Environment variables: ",
        ];
        above.retain(|line| !own.iter().any(|own| line.starts_with(own)));
        return above;
    }
    let below = log
        .from(result + 1)
        .take_while(|(index, _)| *index < lines.end);
    let below = below.take(OUTPUT_LINES_MAX).map(|(_, line)| line);
    let is_next = |line: &&str| is_started(line) || self::result(0, line).is_some();
    below.take_while(|line| !is_next(line)).collect()
}

/// `      Start  2: name`
fn is_started(line: &str) -> bool {
    let rest = line.strip_prefix("    ").map(|line| line.trim_start());
    let rest = rest.and_then(|line| line.strip_prefix("Start "));
    rest.is_some_and(|rest| {
        number(rest.trim_start()).is_some_and(|(_, rest)| rest.starts_with(": "))
    })
}

fn failure(
    log: &Log<'_>,
    lines: Range<usize>,
    folder: &str,
    listed: &Listed<'_>,
    result: Option<&TestResult<'_>>,
) -> Failure {
    let kind = if listed.reason == "Timeout" {
        FailureKind::Timeout
    } else {
        FailureKind::Test
    };
    let mut pattern = String::from("^");
    for character in listed.name.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('$');
    let folder = shell_word(&build_folder(folder));
    let command = format!(
        "ctest --test-dir {folder} --output-on-failure -R {}",
        shell_word(&pattern)
    );
    let failure = Failure::new(kind, NAME, listed.name, listed.reason).reproduced_by(command);
    let Some(result) = result else { return failure };
    let shown = [log.line(result.line)];
    if listed.reason == "Not Run" {
        let why = log.line(result.line.saturating_sub(1)).trim();
        let error = cut(&format!("not run: {why}"), LINE_CHARS_MAX);
        return Failure { error, ..failure }.shown_by([why].into_iter().chain(shown));
    }
    let output = output(log, lines, listed.number, result.line);
    let failure = match gtest::assertion(&output) {
        _ if kind == FailureKind::Timeout => Failure {
            error: timed_out(result.text),
            ..failure
        },
        Some((_, error, Some(place))) => {
            Failure { error, ..failure }.at(place.file, Some(place.line))
        }
        Some((_, error, None)) => Failure { error, ..failure },
        None => match told(listed, result.text, &output) {
            Some(error) => Failure { error, ..failure },
            None => failure,
        },
    };
    let start = gtest::assertion(&output).map_or(0, |(at, _, _)| at);
    failure.shown_by(shown.into_iter().chain(output[start..].iter().copied()))
}

fn timed_out(text: &str) -> String {
    let time = text.rsplit("***Timeout").next().unwrap_or("").trim();
    format!("timed out after {time}")
}

/// What is wrong, in one line: a missed pattern, an assertion, or the last words.
fn told(listed: &Listed<'_>, text: &str, output: &[&str]) -> Option<String> {
    if let Some((_, why)) = text
        .split_once("***Failed")
        .filter(|(_, why)| why.contains("egular expression"))
    {
        return Some(cut(why.trim(), LINE_CHARS_MAX));
    }
    let assertion = output
        .iter()
        .find(|line| line.contains("Assertion ") || line.contains("terminate called"));
    let last = || output.iter().rfind(|line| !line.trim().is_empty());
    let line = assertion.or_else(last)?.trim();
    let reason = if listed.reason == "Failed" {
        String::new()
    } else {
        format!("{}: ", listed.reason)
    };
    Some(cut(&format!("{reason}{line}"), LINE_CHARS_MAX))
}

/// The build folder as seen from the project's, where the runner keeps it in `work/api/api`.
fn build_folder(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let is_project = |three: &[&str]| three[0] == "work" && three[1] == three[2];
    let below_project = parts
        .windows(3)
        .position(is_project)
        .map(|place| parts[place + 3..].join("/"));
    let last = path.rsplit(['/', '\\']).next().map(str::to_owned);
    below_project
        .filter(|folder| !folder.is_empty())
        .or(last)
        .filter(|folder| !folder.is_empty())
        .unwrap_or_else(|| "build".to_owned())
}
