//! jest 27 to 30: `FAIL path`, then `  ● describe › test` with a body indented by four blanks.

use super::javascript::{literal, own_frame, place, slashed, starts_command, with_values};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "jest";
/// Title of a file that could not be loaded; alone, for a test's title has ` › ` or its own name.
const NOT_LOADED: &str = "Test suite failed to run";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut found = Found::default();
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        match line.as_bytes().first() {
            Some(b'>' | b'$' | b'#') if starts_command(line, NAME) => found.start = Some(index),
            Some(b'F' | b'P' | b' ') if let Some((failed, path)) = result_line(line) => {
                found.start.get_or_insert(index);
                found.end = index + 1;
                found.file = failed.then_some(path);
            }
            Some(b' ') if let Some(title) = line.strip_prefix("  ● ") => {
                if let Some(end) = body_end(log, index) {
                    found.start.get_or_insert(index);
                    found.block(log, title, index + 2..end);
                    index = end - 1;
                }
            }
            // `Jest: "global" coverage threshold for lines (90%) not met: 50%`
            Some(b'J') if line.starts_with("Jest: ") && line.contains(" not met: ") => {
                found
                    .failures
                    .push(Failure::new(FailureKind::Lint, NAME, "coverage", line));
            }
            Some(b'T') if let Some(suites) = line.strip_prefix("Test Suites: ") => {
                let end = summary_end(log, index);
                let start = found.start.unwrap_or(index);
                let failed = suites.contains(" failed");
                // Without a failed suite what looks like a failure was printed by a test.
                let counts = |failure: &Failure| {
                    failure.confidence == Confidence::High
                        && (failed || failure.kind == FailureKind::Lint)
                };
                let failures = found.failures.into_iter().filter(counts).collect();
                runs.push(Run {
                    lines: start..end,
                    failures,
                });
                found = Found::default();
                index = end - 1;
            }
            _ => {}
        }
        index += 1;
    }
    if let (Some(start), false) = (found.start, found.failures.is_empty()) {
        let medium = |failure: Failure| failure.with_confidence(Confidence::Medium);
        let failures = found.failures.into_iter().map(medium).collect();
        runs.push(Run {
            lines: start..found.end,
            failures,
        });
    }
    runs
}

/// What was read of a run so far.
#[derive(Default)]
struct Found<'a> {
    start: Option<usize>,
    end: usize,
    /// The failed file whose blocks come now.
    file: Option<&'a str>,
    failures: Vec<Failure>,
}

impl Found<'_> {
    /// Takes one `  ● title` block, whose body is these lines.
    fn block(&mut self, log: &Log<'_>, title: &str, body: std::ops::Range<usize>) {
        self.end = body.end;
        let body: Vec<&str> = body.map(|index| unindented(log.line(index))).collect();
        let is_output = title == "Console"
            && body
                .first()
                .is_some_and(|line| line.starts_with("console."));
        match self.file {
            _ if self.failures.len() >= FAILURES_MAX => {}
            Some(file) if !is_output => {
                self.failures
                    .push(failure(&slashed(file), title.trim(), &body));
            }
            // A worker that calls process.exit tells so outside its file's result, and jest may
            // then end without a summary. Only then this counts.
            None if title.trim_start().starts_with("process.exit called") => {
                let place = body.iter().find_map(|line| own_frame(line));
                let (file, line) = place.map_or(("", None), |(file, line)| (file, Some(line)));
                let file = &slashed(file);
                let failure =
                    Failure::new(FailureKind::Test, NAME, file, title).shown_by(shown(&body));
                let failure = failure.at(file, line).with_confidence(Confidence::Medium);
                self.failures
                    .push(failure.reproduced_by(format!("npx jest {}", shell_word(file))));
            }
            _ => {}
        }
    }
}

/// `FAIL path` and `PASS path`; with colours ` FAIL  path`; with projects `FAIL name path`; of slow
/// files `FAIL path (5.123 s)`.
fn result_line(line: &str) -> Option<(bool, &str)> {
    let line = line.strip_prefix(' ').unwrap_or(line);
    let (failed, path) = match line.strip_prefix("FAIL ") {
        Some(path) => (true, path),
        None => (false, line.strip_prefix("PASS ")?),
    };
    let path = match path.rsplit_once(" (") {
        Some((path, time))
            if time.ends_with(')') && time.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            path
        }
        _ => path,
    };
    let path = path.rsplit(' ').next().unwrap_or(path);
    let path = path.strip_prefix("./").unwrap_or(path);
    path.contains('.').then_some((failed, path))
}

/// The end of the body of the `  ● ` line at `index`, if it has one: an empty line, then lines
/// indented by four blanks.
fn body_end(log: &Log<'_>, index: usize) -> Option<usize> {
    let is_body = |line: &str| line.starts_with("    ") || line.trim().is_empty();
    if !log.line(index + 1).is_empty() || !log.line(index + 2).starts_with("    ") {
        return None;
    }
    log.find(index + 2, |line| !is_body(line))
        .or(Some(log.len()))
}

/// The end of the summary whose first line is at `index`.
fn summary_end(log: &Log<'_>, index: usize) -> usize {
    let labels = [
        "Test Suites:",
        "Tests:",
        "Snapshots:",
        "Time:",
        "Ran all test suites",
    ];
    let is_summary = |line: &str| labels.iter().any(|label| line.starts_with(label));
    log.find(index, |line| !is_summary(line))
        .unwrap_or(log.len())
}

fn failure(test_file: &str, title: &str, body: &[&str]) -> Failure {
    // A parse error begins with advice; what is wrong comes after `Details:`.
    let details = body.iter().position(|line| line.trim() == "Details:");
    let body = details.and_then(|at| body.get(at + 1..)).unwrap_or(body);
    let mut lines = body
        .iter()
        .copied()
        .skip_while(|line| line.trim().is_empty());
    let first = lines.next().unwrap_or(title).trim();
    let error = with_values(first, lines);
    let file = shell_word(test_file);
    let failure = if title == NOT_LOADED {
        let failure = Failure::new(FailureKind::Test, NAME, test_file, &error);
        failure.reproduced_by(format!("npx jest {file}"))
    } else {
        // `-t` is a regular expression for the titles joined by blanks; one may have a ` › ` itself.
        let name = format!("^{}$", literal(title).replace(" › ", "( ›)? "));
        let test = format!("{test_file} › {title}");
        let failure = Failure::new(FailureKind::Test, NAME, &test, &error);
        failure.reproduced_by(format!("npx jest {file} -t {}", shell_word(&name)))
    };
    let failure = failure.shown_by(shown(body));
    let frames = || {
        let frames = body.iter().filter_map(|line| own_frame(line));
        frames.map(|(file, line)| (slashed(file), line))
    };
    // Frames are relative to the project's folder, the file to the one where jest started.
    let folder = frames()
        .find_map(|(file, _)| test_file.strip_suffix(&file))
        .unwrap_or("");
    let in_error = || {
        let (file, line) = place(error.split(" - ").next()?)?;
        Some((slashed(file), line))
    };
    match frames().next().or_else(in_error) {
        Some((file, line)) if file.starts_with('/') => failure.at(&file, Some(line)),
        Some((file, line)) => failure.at(&format!("{folder}{file}"), Some(line)),
        None => failure.at(test_file, body.iter().find_map(|line| marked_line(line))),
    }
}

/// The number of the line that a code frame marks: `> 12 | code`.
fn marked_line(line: &str) -> Option<u32> {
    let (number, _) = line.trim_start().strip_prefix('>')?.split_once(" |")?;
    number.trim().parse().ok()
}

fn unindented(line: &str) -> &str {
    line.strip_prefix("    ").unwrap_or(line)
}

/// The lines of a body that tell something: not the empty ones, not what happens inside jest.
fn shown<'a>(body: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let is_shown = |line: &str| {
        !line.trim().is_empty()
            && (!line.trim_start().starts_with("at ") || own_frame(line).is_some())
    };
    body.iter().copied().filter(move |line| is_shown(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_on_windows_is_the_same_test() {
        let failure = |path: &str| {
            let log = format!(
                "FAIL web/{path}\n  ● takes a\\b\n\n    no\n\n      at Object.x ({path}:3:5)\n\n\
                 Test Suites: 1 failed, 1 total\n"
            );
            let log = log.replace("web/src\\", "web\\src\\");
            let mut runs = parse(&Log::clean(log.as_bytes()));
            let mut failure = runs.remove(0).failures.remove(0);
            failure.excerpt.clear();
            failure
        };
        let windows = failure(r"src\b.test.ts");
        assert_eq!(windows, failure("src/b.test.ts"));
        assert_eq!(windows.test, r"web/src/b.test.ts › takes a\b");
        assert_eq!(windows.file.as_deref(), Some("web/src/b.test.ts"));
    }
}
