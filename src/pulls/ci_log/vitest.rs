//! vitest 3 and 4: ` FAIL  file > describe > test` below a `⎯⎯ Failed Tests N ⎯⎯` banner.

use super::javascript::{literal, own_frame, with_values};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "vitest";
/// Of what is said of one error only so many lines are looked at.
const BODY_LINES_MAX: usize = 300;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        match line.as_bytes().first() {
            Some(b' ') if is_header(line) => {
                let run = run(log, index);
                index = run.lines.end;
                runs.push(run);
                continue;
            }
            // The configuration cannot be read: there is no run.
            Some(0xe2) if banner(line) == Some("Startup Error") => {
                let end = end_of_block(log, index + 1);
                let body = lines(log, index + 1, end);
                let failure = failure(FailureKind::Build, "", &body);
                runs.push(Run {
                    lines: index..end,
                    failures: vec![failure],
                });
            }
            // `ERROR: Coverage for lines (0%) does not meet global threshold (90%)`, after the run.
            Some(b'E')
                if line.starts_with("ERROR: Coverage for ") && line.contains(" does not meet ") =>
            {
                if let Some(run) = runs.last_mut() {
                    run.failures
                        .push(Failure::new(FailureKind::Lint, NAME, "coverage", line));
                }
            }
            _ => {}
        }
        index += 1;
    }
    runs
}

/// ` RUN  v4.1.12 /folder`; ` DEV  v…` when it watches.
fn is_header(line: &str) -> bool {
    let rest = line
        .strip_prefix(" RUN ")
        .or_else(|| line.strip_prefix(" DEV "));
    let version = rest.and_then(|rest| rest.trim_start().strip_prefix('v'));
    version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// The text of a banner: `⎯⎯⎯⎯ Failed Tests 2 ⎯⎯⎯⎯`. Between failures there is
/// `⎯⎯⎯⎯[1/2]⎯` or only the line.
fn banner(line: &str) -> Option<&str> {
    line.starts_with('⎯').then(|| line.trim_matches('⎯').trim())
}

/// The run whose header is at `start`.
fn run(log: &Log<'_>, start: usize) -> Run {
    let mut failures = Vec::new();
    let mut section = Section::Running;
    let mut seen = Vec::new();
    let mut file = None;
    let mut index = start + 1;
    while index < log.len() {
        let line = log.line(index);
        if let Some(text) = banner(line) {
            section = Section::of(text).unwrap_or(section);
            if section == Section::Unhandled && !text.is_empty() && text != "Unhandled Errors" {
                let end = end_of_block(log, index + 1);
                let body = lines(log, index + 1, end);
                // An error is introduced by its own banner, the errors together by some words.
                if body.iter().any(|line| {
                    line.trim_start().starts_with("❯ ") || line.starts_with("This error originated")
                }) {
                    failures.push(unhandled(text, &body));
                }
                index = end;
                continue;
            }
        } else if section == Section::Failed
            && let Some(title) = line.strip_prefix(" FAIL  ")
        {
            // The same error of several tests is told once, after all their titles.
            let mut titles = vec![title];
            while let Some(title) = log.line(index + titles.len()).strip_prefix(" FAIL  ") {
                titles.push(title);
            }
            let body_start = index + titles.len();
            let end = end_of_block(log, body_start);
            let body = lines(log, body_start, end);
            let left = FAILURES_MAX.saturating_sub(failures.len());
            let told = titles.into_iter().take(left);
            failures.extend(told.map(|title| failure(FailureKind::Test, title, &body)));
            index = end;
            continue;
        } else if line.starts_with(" Test Files  ") {
            let end = summary_end(log, index);
            // Only a run whose summary is missing needs what was told while it ran.
            return Run {
                lines: start..end,
                failures,
            };
        } else if is_header(line) {
            break;
        } else if section == Section::Running {
            file = match line
                .strip_prefix(" ❯ ")
                .and_then(|line| line.split_once(" ("))
            {
                Some((file, count)) if count.contains(" failed") => Some(file),
                _ if line.starts_with("  ") => file,
                _ => None,
            };
            seen.extend(cross(line, file).map(|title| (title, index)));
        }
        index += 1;
    }
    if failures.is_empty() {
        failures.extend(seen.iter().take(FAILURES_MAX).map(|(title, at)| {
            let body = [log.line(at + 1).trim_start_matches([' ', '→'])];
            failure(FailureKind::Test, title, &body)
        }));
    }
    let failures = failures
        .into_iter()
        .map(|failure| failure.with_confidence(Confidence::Medium));
    Run {
        lines: start..index,
        failures: failures.collect(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Running,
    Failed,
    Unhandled,
}

impl Section {
    fn of(banner: &str) -> Option<Self> {
        match banner.split(' ').next()? {
            "Failed" => Some(Self::Failed),
            "Unhandled" | "Uncaught" => Some(Self::Unhandled),
            _ => None,
        }
    }
}

/// The test of a line that is told while tests run: ` × file > test 2ms`, or `   × test 2ms` below
/// its file.
fn cross(line: &str, file: Option<&str>) -> Option<String> {
    let title = line.trim_start().strip_prefix("× ")?;
    let title = match title.rsplit_once(' ') {
        Some((title, time)) if time.ends_with("ms") => title,
        _ => title,
    };
    if line.starts_with("  ") {
        return file.map(|file| format!("{file} > {title}"));
    }
    title.contains(" > ").then(|| title.to_owned())
}

/// The end of what is said of one error: the next banner or rule, title or summary.
fn end_of_block(log: &Log<'_>, start: usize) -> usize {
    let ends = |line: &str| {
        line.starts_with('⎯')
            || line.starts_with(" FAIL  ")
            || line.starts_with(" Test Files  ")
            || is_header(line)
    };
    log.find(start, ends).unwrap_or(log.len())
}

fn lines<'a>(log: &'a Log<'_>, start: usize, end: usize) -> Vec<&'a str> {
    let lines = log.within(start..end).take(BODY_LINES_MAX);
    lines.map(|(_, line)| line).collect()
}

/// The end of the run whose line ` Test Files  …` is at `index`: the summary and what the
/// github-actions reporter says again.
fn summary_end(log: &Log<'_>, index: usize) -> usize {
    let summary = log
        .find(index, |line| !line.starts_with(' '))
        .unwrap_or(log.len());
    let again = |line: &str| line.is_empty() || line.starts_with("::error ");
    log.find(summary, |line| !again(line)).unwrap_or(log.len())
}

/// `title` is `|project| file > describe > test`, ` project  file > test` with colours, or
/// `file [ file ]` of a file that could not be loaded.
fn failure(kind: FailureKind, title: &str, body: &[&str]) -> Failure {
    let (project, title) = match title
        .strip_prefix('|')
        .and_then(|title| title.split_once("| "))
    {
        Some((project, title)) => (Some(project), title),
        None => match title
            .strip_prefix(' ')
            .and_then(|title| title.split_once("  "))
        {
            Some((project, title)) => (Some(project), title),
            None => (None, title),
        },
    };
    let title = title.split_once(" [ ").map_or(title, |(file, _)| file);
    let (file, name) = title.split_once(" > ").unwrap_or((title, ""));
    let mut rest = body
        .iter()
        .copied()
        .skip_while(|line| line.trim().is_empty());
    let first = rest.next().unwrap_or_default();
    let error = match rest.clone().next() {
        Some(next) if first.ends_with(':') => format!("{first} {}", next.trim()),
        _ => with_values(first, rest),
    };
    let test = project.map_or_else(
        || title.to_owned(),
        |project| format!("|{project}| {title}"),
    );
    let mut command = format!("npx vitest run {}", shell_word(file));
    if let Some(project) = project {
        command.push_str(&format!(" {}", shell_word(&format!("--project={project}"))));
    }
    if !name.is_empty() {
        // `-t` is a regular expression for the titles joined by blanks; one may have a ` > ` itself.
        let name = format!("^{}$", literal(name).replace(" > ", "( >)? "));
        command.push_str(&format!(" -t {}", shell_word(&name)));
    }
    let failure = Failure::new(kind, NAME, &test, &error).shown_by(shown(body));
    let failure = match body.iter().find_map(|line| own_frame(line)) {
        Some((file, line)) => failure.at(file, Some(line)),
        // `  File: /a.test.js:3:8` of a parse error, relative to the project's root.
        None if !file.is_empty() => {
            failure.at(file, body.iter().find_map(|line| parse_error_line(line)))
        }
        None => failure,
    };
    if file.is_empty() {
        failure
    } else {
        failure.reproduced_by(command)
    }
}

fn parse_error_line(line: &str) -> Option<u32> {
    let place = line.trim_start().strip_prefix("File: ")?;
    super::javascript::place(place).map(|(_, line)| line)
}

/// An error that no test caught. It says in which file, and which test probably caused it.
fn unhandled(what: &str, body: &[&str]) -> Failure {
    let quoted = |start: &str| {
        let line = body.iter().find_map(|line| line.strip_prefix(start))?;
        line.split('"').next()
    };
    let file = quoted("This error originated in \"").unwrap_or_default();
    let test = quoted("The latest test that might've caused the error is \"");
    let title = test.map_or_else(|| file.to_owned(), |test| format!("{file} > {test}"));
    let mut failure = failure(FailureKind::Test, &title, body);
    failure.error = super::cut(&format!("{what}: {}", failure.error), super::LINE_CHARS_MAX);
    failure
}

/// What tells something: not empty lines, not frames of other packages.
fn shown<'a>(body: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let is_frame = |line: &str| line.trim_start().starts_with("❯ ");
    body.iter().copied().filter(move |line| {
        !line.trim().is_empty() && (!is_frame(line) || own_frame(line).is_some())
    })
}
