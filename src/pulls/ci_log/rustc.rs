//! rustc, clippy, rustfmt and what cargo says when it cannot build at all (recorded with Rust 1.95).

use super::place::{self, Place};
use super::{FAILURES_MAX, Failure, FailureKind, Log, Run, cut, shell_word};

/// Lines of one diagnostic that are read.
const DIAGNOSTIC_LINES_MAX: usize = 200;
/// Lines below the first one in which the place is looked for: messages can have several lines.
const MESSAGE_LINES_MAX: usize = 8;
/// How the errors begin that have no place. All others of this kind only sum up or come from
/// programs that cargo ran.
const WITHOUT_PLACE: [&str; 11] = [
    "linking with `",
    "failed to run custom build command for `",
    "could not compile `",
    "no matching package",
    "failed to select a version",
    "failed to parse manifest",
    "failed to load manifest",
    "failed to get `",
    "failed to parse lock file",
    "the lock file ",
    "cannot update the lock file ",
];

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut index = 0;
    while let Some(line) = log.get(index) {
        let found = match line.as_bytes().first() {
            Some(b'e') => diagnostic(log, index),
            Some(b'D') => unformatted(log, index),
            _ => None,
        };
        let Some((failure, end)) = found else {
            index += 1;
            continue;
        };
        // A blank line stands between diagnostics.
        match runs.last_mut().filter(|run| run.lines.end + 1 >= index) {
            Some(run) => {
                run.lines.end = end;
                // One failure for all that rustfmt would change in a file.
                if run.failures.len() < FAILURES_MAX
                    && !run
                        .failures
                        .iter()
                        .any(|known| is_same_file(known, &failure))
                {
                    run.failures.push(failure);
                }
            }
            None => runs.push(Run {
                lines: index..end,
                failures: vec![failure],
            }),
        }
        index = end.max(index + 1);
    }
    runs
}

/// The error that begins with this line, and its end.
fn diagnostic(log: &Log<'_>, start: usize) -> Option<(Failure, usize)> {
    let rest = log.line(start).strip_prefix("error")?;
    let (code, message) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]: ")?,
        None => ("", rest.strip_prefix(": ")?),
    };
    let is_numbered =
        code.len() == 5 && code.starts_with('E') && place::number(&code[1..]).is_some();
    let below = || log.from(start + 1).map(|(_, line)| line);
    let place = below()
        .take(MESSAGE_LINES_MAX)
        .take_while(|line| !line.is_empty())
        .find_map(arrow);
    if place.is_none() && !is_numbered {
        return (code.is_empty())
            .then(|| without_place(log, start, message))
            .flatten();
    }
    let is_ours =
        place.is_none_or(|place| place.file.ends_with(".rs") || place.file.ends_with(".toml"));
    if !is_ours && !is_numbered {
        return None;
    }
    // Behind the message and the place come only source lines, notes and help.
    let head = below()
        .take(MESSAGE_LINES_MAX)
        .position(|line| arrow(line).is_some());
    let head = head.map_or(0, |arrow| arrow + 1);
    let body = below()
        .skip(head)
        .take(DIAGNOSTIC_LINES_MAX)
        .take_while(|line| is_body(line))
        .count();
    let end = start + 1 + head + body;
    let lines = || log.from(start).take(end - start).map(|(_, line)| line);
    let lint = lines().find_map(lint);
    let failure = match &lint {
        Some(name) if name.starts_with("clippy::") => {
            let command = format!("cargo clippy --all-targets -- -D {}", shell_word(name));
            Failure::new(FailureKind::Lint, "clippy", name, message).reproduced_by(command)
        }
        Some(name) => check(Failure::new(FailureKind::Lint, "rustc", name, message)),
        // Only the first error of a lint says its name.
        None if message.starts_with("unused ") || message.contains(" is never ") => {
            check(Failure::new(FailureKind::Lint, "rustc", code, message))
        }
        None => check(Failure::new(FailureKind::Build, "rustc", code, message)),
    };
    let failure = match place {
        Some(place) => failure.at(place.file, Some(place.line)),
        None => failure,
    };
    Some((failure.shown_by(lines()), end))
}

fn is_body(line: &str) -> bool {
    line.starts_with(|first: char| first == ' ' || first.is_ascii_digit())
        || ["help: ", "note: ", "..."]
            .iter()
            .any(|start| line.starts_with(start))
}

fn check(failure: Failure) -> Failure {
    failure.reproduced_by("cargo check --all-targets".to_owned())
}

/// The place of `  --> src/lib.rs:3:7`.
fn arrow(line: &str) -> Option<Place<'_>> {
    place::leading(line.trim_start().strip_prefix("--> ")?)
}

/// Name of the lint by a note: ``= note: `-D dead-code` implied by …``, `rust-clippy/…#len_zero`.
fn lint(line: &str) -> Option<String> {
    if let Some((_, name)) = line
        .split_once("rust-clippy/")
        .and_then(|(_, url)| url.split_once('#'))
    {
        return Some(format!("clippy::{}", name.trim()));
    }
    let name = line
        .split_once("= note: `-D ")
        .or_else(|| line.split_once("= note: `-F "));
    if let Some((_, name)) = name {
        return Some(name.split('`').next()?.replace('-', "_"));
    }
    let (_, name) = line
        .split_once("= note: `#[deny(")
        .or_else(|| line.split_once("= note: `#[forbid("))?;
    Some(name.split(')').next()?.to_owned())
}

/// An error of cargo or the linker.
fn without_place(log: &Log<'_>, start: usize, message: &str) -> Option<(Failure, usize)> {
    let begin = WITHOUT_PLACE
        .iter()
        .find(|begin| message.starts_with(**begin))?;
    let is_script = begin.starts_with("failed to run custom");
    // What caused it stands below, indented, and can have blank lines.
    let is_more = |line: &str| line.is_empty() || line.starts_with(' ') || line == "Caused by:";
    let plain =
        |line: &str| !line.is_empty() && !line.starts_with("error") && !line.starts_with("warning");
    let below = log
        .from(start + 1)
        .take(DIAGNOSTIC_LINES_MAX)
        .map(|(_, line)| line);
    let is_resolution =
        !is_script && !begin.starts_with("linking") && !begin.starts_with("could not");
    let below: Vec<&str> = below
        .take_while(|line| is_more(line) || is_resolution && plain(line))
        .collect();
    let trimmed = below
        .iter()
        .rposition(|line| !line.trim().is_empty())
        .map_or(0, |last| last + 1);
    let below = &below[..trimmed];
    let told = if is_script {
        script_error(below)
    } else if begin.starts_with("linking") {
        let wanted = [
            "undefined symbol",
            "undefined reference",
            "cannot find -l",
            "unable to find library",
        ];
        let is_told = |line: &&&str| wanted.iter().any(|wanted| line.contains(wanted));
        below
            .iter()
            .find(is_told)
            .map(|line| line.trim().trim_start_matches("= note: "))
    } else if begin.starts_with("could not") {
        // The errors above say why, unless the compiler itself was killed.
        let ended = below
            .iter()
            .find(|line| line.starts_with("  process didn't exit"))?;
        ended
            .rsplit_once(" (")
            .map(|(_, how)| how.trim_end_matches(')'))
    } else {
        None
    };
    // Cargo names a package with its folder.
    let message = match message.split_once(" (/") {
        Some((message, _)) if is_script => format!("{message}`"),
        _ => message.to_owned(),
    };
    let error = match told {
        Some(told) => format!("{}: {told}", cut(&message, 120)),
        None => message,
    };
    let failure = check(Failure::new(FailureKind::Build, "cargo", "", &error));
    let end = start + 1 + below.len();
    Some((
        failure.shown_by(log.from(start).take(end - start).map(|(_, line)| line)),
        end,
    ))
}

/// The panic of a build script, or else the last that it wrote to its standard error.
fn script_error<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let panic = lines.iter().position(|line| line.contains("panicked at "));
    let message = panic.and_then(|panic| lines.get(panic + 1));
    let errors = lines.iter().position(|line| line.trim() == "--- stderr");
    let last = || {
        lines[errors?..]
            .iter()
            .rfind(|line| !line.trim().is_empty())
    };
    message.or_else(last).map(|line| line.trim())
}

/// What `cargo fmt --check` would change, from `Diff in src/lib.rs:3:` on (in older releases
/// `Diff in src/lib.rs at line 3:`).
fn unformatted(log: &Log<'_>, start: usize) -> Option<(Failure, usize)> {
    let text = log
        .line(start)
        .strip_prefix("Diff in ")?
        .strip_suffix(':')?;
    let (file, line) = text
        .rsplit_once(" at line ")
        .or_else(|| text.rsplit_once(':'))?;
    let (line, rest) = place::number(line)?;
    if !rest.is_empty() || !file.ends_with(".rs") {
        return None;
    }
    let is_diff = |line: &str| line.is_empty() || line.starts_with([' ', '+', '-']);
    let below = log.from(start + 1).take(DIAGNOSTIC_LINES_MAX);
    let end = start + 1 + below.take_while(|(_, line)| is_diff(line)).count();
    let failure = Failure::new(
        FailureKind::Lint,
        "rustfmt",
        "",
        "the file is not formatted",
    )
    .at(file, Some(line))
    .shown_by(log.from(start).take(end - start).map(|(_, line)| line))
    .reproduced_by("cargo fmt --check".to_owned());
    Some((failure, end))
}

fn is_same_file(known: &Failure, failure: &Failure) -> bool {
    failure.framework == "rustfmt" && known.framework == "rustfmt" && known.file == failure.file
}
