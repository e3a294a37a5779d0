//! Playwright test 1.x, all terminal reporters: the list after `  2 failed` names the tests, each
//! told before as `  1) [project] › file:line:column › describe › title ────`.

use std::collections::HashMap;

use super::javascript::{own_frame, place, slashed, starts_command, with_values};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "playwright";
/// Most lines shown of the attempt of one test.
const BODY_LINES_MAX: usize = 200;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut open = Open::default();
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        match line.as_bytes().first() {
            Some(b'>' | b'$' | b'#') if starts_command(line, "playwright") => {
                runs.extend(open.close(log));
                open.start = Some(index);
            }
            // `Running 21 tests using 2 workers`
            Some(b'R')
                if line.starts_with("Running ")
                    && line.contains(" using ")
                    && line.contains(" worker") =>
            {
                runs.extend(open.close(log).filter(|_| open.has_header));
                open.start.get_or_insert(index);
                open.has_header = true;
                let total = line["Running ".len()..].split(' ').next();
                open.total = total.and_then(|total| total.parse().ok());
            }
            Some(b'E') if !open.has_header && open.start.is_some() && line.contains("rror: ") => {
                open.load_errors.push(index);
            }
            Some(b' ') => {
                if let Some(title) = item(line) {
                    open.details.insert(title, index);
                } else if count(line).is_some() {
                    // Each summary takes the place of one that a test printed before.
                    let end = log.find(index, |line| {
                        count(line).is_none() && listed(line).is_none()
                    });
                    let end = end.unwrap_or(log.len());
                    open.summary = Some(index..end);
                    index = end;
                    continue;
                }
            }
            _ => {}
        }
        index += 1;
    }
    runs.extend(open.close(log));
    runs
}

/// `  2 failed`, `  1 flaky`, `  3 passed (2.1s)`.
fn count(line: &str) -> Option<&str> {
    let (number, word) = line.strip_prefix("  ")?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let words = [
        "failed",
        "flaky",
        "skipped",
        "did not run",
        "interrupted",
        "passed",
        "error was not",
        "errors were not",
    ];
    words.into_iter().find(|known| word.starts_with(known))
}

/// The title in a line of a summary's list: `    [project] › file:1:2 › title ────`.
fn listed(line: &str) -> Option<&str> {
    let title = line.strip_prefix("    ")?;
    title
        .contains(" › ")
        .then(|| title.trim_end_matches(['─', ' ']))
}

/// The title in the first line of what is told of a failure: `  12) [project] › … ────`.
fn item(line: &str) -> Option<&str> {
    let (number, title) = line.strip_prefix("  ")?.split_once(") ")?;
    number.parse::<u32>().ok()?;
    title
        .contains(" › ")
        .then(|| title.trim_end_matches(['─', ' ']))
}

/// What was read of a run so far.
#[derive(Default)]
struct Open<'a> {
    start: Option<usize>,
    has_header: bool,
    /// How many tests were to run.
    total: Option<usize>,
    /// Where each test's failure is told; the last place, for tests print before.
    details: HashMap<&'a str, usize>,
    summary: Option<std::ops::Range<usize>>,
    load_errors: Vec<usize>,
}

impl Open<'_> {
    /// The run, if there was one; and a new beginning.
    fn close(&mut self, log: &Log<'_>) -> Option<Run> {
        let open = std::mem::take(self);
        let start = open.start.or_else(|| open.details.values().min().copied());
        let Some(summary) = open
            .summary
            .filter(|_| start.is_some() || !open.details.is_empty())
        else {
            return Some(Run {
                lines: start?..open.details.values().chain(&open.load_errors).max()? + 1,
                failures: without_summary(log, &open.details, &open.load_errors),
            });
        };
        let mut failures = Vec::new();
        let mut is_failed = false;
        let mut counted = 0;
        for index in summary.clone() {
            let line = log.line(index);
            if let Some(word) = count(line) {
                if !word.starts_with("error") {
                    let number = line.trim_start().split(' ').next();
                    counted += number.and_then(|it| it.parse().ok()).unwrap_or(0);
                }
                is_failed = word == "failed" || word == "interrupted";
            } else if let Some(title) =
                listed(line).filter(|_| is_failed && failures.len() < FAILURES_MAX)
            {
                failures.push(failure(log, title, open.details.get(title).copied()));
            }
        }
        // A test may print a summary: that the log ends before the real one, the numbers tell.
        if open.total.is_some_and(|total| total != counted) {
            for failure in &mut failures {
                failure.confidence = Confidence::Medium;
            }
        }
        Some(Run {
            lines: start.unwrap_or(summary.start).min(summary.start)..summary.end,
            failures,
        })
    }
}

/// What is told of tests when the log ends before its summary (some may be retried, and pass), and
/// the errors of files that cannot be loaded, after which nothing runs.
fn without_summary(
    log: &Log<'_>,
    details: &HashMap<&str, usize>,
    load_errors: &[usize],
) -> Vec<Failure> {
    let mut places: Vec<_> = details.iter().map(|(title, at)| (*at, *title)).collect();
    places.sort_unstable();
    let told = places
        .into_iter()
        .map(|(at, title)| failure(log, title, Some(at)));
    let told = told.map(|failure| failure.with_confidence(Confidence::Medium));
    let not_loaded = load_errors.iter().map(|at| {
        let lines = log.from(*at).take(BODY_LINES_MAX);
        let lines = lines.take_while(|(index, line)| index == at || !line.contains("Error: "));
        let body: Vec<&str> = lines.map(|(_, line)| line).collect();
        // The place has three blanks before it: `   at missing.spec.js:1`.
        let at = body.iter().find_map(|line| line.strip_prefix("   at "));
        let at = at.map(slashed).unwrap_or_default();
        let (file, line) = place(&at).map_or(("", None), |(file, line)| (file, Some(line)));
        let failure = Failure::new(
            FailureKind::Test,
            NAME,
            file,
            body.first().copied().unwrap_or_default(),
        );
        let failure = failure.shown_by(body.iter().copied().filter(|line| !line.is_empty()));
        if file.is_empty() {
            return failure;
        }
        failure
            .at(file, line)
            .reproduced_by(format!("npx playwright test {}", shell_word(file)))
    });
    told.chain(not_loaded).take(FAILURES_MAX).collect()
}

/// `title` is `[project] › file:line:column › describe › title`, without the project where there is
/// only one without a name.
fn failure(log: &Log<'_>, title: &str, details: Option<usize>) -> Failure {
    let body: Vec<&str> = details.map_or_else(Vec::new, |at| attempt(log, at + 1));
    let mut lines = body
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or("failed").to_owned();
    // `expect(value, 'message')` puts the message before.
    if let Some(next) = lines
        .clone()
        .next()
        .filter(|next| next.starts_with("expect(") && !first.contains("expect("))
    {
        first = format!("{first}: {next}");
    }
    let error = with_values(&first, lines);
    let (project, rest) = match title
        .strip_prefix('[')
        .and_then(|title| title.split_once("] › "))
    {
        Some((project, rest)) => (Some(project), rest),
        None => (None, title),
    };
    let (place_told, titles) = rest.split_at(rest.find(" › ").unwrap_or(rest.len()));
    let place_told = slashed(place_told);
    let before = &title[..title.len() - rest.len()];
    let title = format!("{before}{place_told}{titles}");
    let failure = Failure::new(FailureKind::Test, NAME, &title, &error);
    let is_shown = |line: &&str| {
        let line = line.trim_start();
        !line.is_empty()
            && !line.starts_with("Error Context: ")
            && (!line.starts_with("at ") || own_frame(line).is_some())
    };
    let unindented = |line: &'_ str| line.strip_prefix("    ").unwrap_or(line).to_owned();
    let shown: Vec<String> = body
        .iter()
        .copied()
        .filter(is_shown)
        .map(unindented)
        .collect();
    let failure = failure.shown_by(shown.iter().map(String::as_str));
    let Some((file, line)) = place(&place_told) else {
        return failure;
    };
    let mut command = format!(
        "npx playwright test {}",
        shell_word(&format!("{file}:{line}"))
    );
    if let Some(project) = project {
        command.push_str(&format!(" {}", shell_word(&format!("--project={project}"))));
    }
    let frame = body.iter().find_map(|line| own_frame(line));
    let failure = match frame.map(|(frame, line)| (slashed(frame), line)) {
        // The title has the file relative to the project, the frame has its absolute path.
        Some((frame, line)) if frame.ends_with(file) => failure.at(file, Some(line)),
        Some((frame, line)) => failure.at(&frame, Some(line)),
        None => failure.at(file, Some(line)),
    };
    failure.reproduced_by(command)
}

/// What is told of the first attempt of a test.
fn attempt<'a>(log: &'a Log<'_>, start: usize) -> Vec<&'a str> {
    let lines = log.from(start).take(BODY_LINES_MAX).map(|(_, line)| line);
    let is_more = |line: &&str| {
        !line.starts_with("    Retry #")
            && item(line).is_none()
            && count(line).is_none()
            && (line.is_empty() || line.starts_with("    "))
    };
    lines.take_while(is_more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_on_windows_is_the_same_test() {
        let failure = |path: &str, root: &str| {
            let log = format!(
                "Running 1 test using 1 worker\n\n  1) [chromium] › {path}:5:3 › a › takes a\\b ───\n\n    \
                 Error: no\n\n        at {root}{path}:6:9\n\n  1 failed\n    \
                 [chromium] › {path}:5:3 › a › takes a\\b ───\n"
            );
            let mut runs = parse(&Log::clean(log.as_bytes()));
            let mut failure = runs.remove(0).failures.remove(0);
            failure.excerpt.clear();
            failure
        };
        let windows = failure(r"tests\b.spec.ts", r"D:\a\r\");
        assert_eq!(windows, failure("tests/b.spec.ts", "/home/runner/r/"));
        assert_eq!(
            windows.test,
            r"[chromium] › tests/b.spec.ts:5:3 › a › takes a\b"
        );
        assert_eq!(
            (windows.file.as_deref(), windows.line),
            (Some("tests/b.spec.ts"), Some(6))
        );
        assert_eq!(
            windows.reproduce.as_deref(),
            Some("npx playwright test tests/b.spec.ts:5 --project=chromium")
        );
    }
}
