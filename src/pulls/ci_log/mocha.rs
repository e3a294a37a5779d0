//! mocha 8 to 11, and cypress, which prints the same: `N failing`, then `  1) describe`.

use super::javascript::{literal, own_frame, starts_command, with_values};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, Log, Run, cut, shell_word};

const NAME: &str = "mocha";
/// Most lines that the text of one failure may have.
const ITEM_LINES_MAX: usize = 1_000;
/// Most characters of a title with those of the suites around it.
const TITLE_CHARS_MAX: usize = 1_000;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut spec = None;
    let mut inline = Inline::default();
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        match line.as_bytes().first() {
            Some(b'>' | b'$' | b'#')
                if starts_command(line, NAME) || starts_command(line, "cypress") =>
            {
                start = Some(index);
            }
            Some(b' ') => {
                // `  Running:  login.cy.js        (1 of 2)` of cypress
                if let Some(file) = line.strip_prefix("  Running:  ") {
                    spec = file.split("  ").next();
                    start.get_or_insert(index);
                } else if let Some(error) = line.strip_prefix(" Exception during run: ") {
                    // A file cannot be loaded: nothing runs.
                    let body = log.from(index).take(ITEM_LINES_MAX);
                    let body = body.take_while(|(_, line)| *line != "}" && !line.is_empty());
                    let body: Vec<&str> = body.map(|(_, line)| line).collect();
                    let end = index + body.len();
                    let mut failure =
                        located(Failure::new(FailureKind::Test, NAME, "", error), &body);
                    failure.test = failure.file.clone().unwrap_or_default();
                    let lines = start.take().unwrap_or(index)..end;
                    runs.push(Run {
                        lines,
                        failures: vec![failure],
                    });
                    index = end;
                    continue;
                } else if number(line, " passing (").is_some()
                    && let Some((end, failures)) = epilogue(log, index, spec)
                {
                    let lines = start.or(inline.start).unwrap_or(index)..end;
                    // One without failures may be printed by a test: the run may go on.
                    inline = Inline {
                        start: inline.start.filter(|_| failures.is_empty()),
                        ..Inline::default()
                    };
                    start = start.filter(|_| failures.is_empty());
                    runs.push(Run { lines, failures });
                    index = end;
                    continue;
                } else {
                    inline.read(log, index);
                }
            }
            _ => {}
        }
        index += 1;
    }
    // Other tools number lines too: this must be known to be mocha.
    if let (Some(start), Some(last)) = (start, inline.last) {
        let failures = inline.failed.iter().map(|title| {
            let failure = Failure::new(
                FailureKind::Test,
                NAME,
                title,
                "failed; the log ends before its summary",
            );
            failure
                .with_confidence(Confidence::Medium)
                .reproduced_by(command(title, spec))
        });
        runs.push(Run {
            lines: start..last + 1,
            failures: failures.collect(),
        });
    }
    runs
}

/// `  12 passing (3ms)`: the number before `unit`.
fn number(line: &str, unit: &str) -> Option<usize> {
    let (number, _) = line.split_once(unit)?;
    number.trim_start().parse().ok()
}

/// `  7) title`, indented by exactly two blanks as in the list after `N failing`.
fn item(line: &str, number: usize) -> Option<&str> {
    let rest = line.strip_prefix("  ")?.strip_prefix(&number.to_string())?;
    rest.strip_prefix(") ")
}

/// The line of the item with this number, at most so many lines away.
fn next_item(log: &Log<'_>, start: usize, number: usize, lines_max: usize) -> Option<usize> {
    let mut lines = log.from(start).take(lines_max);
    lines
        .find(|(_, line)| item(line, number).is_some())
        .map(|(index, _)| index)
}

/// The summary and list whose first line is at `index`: where they end and what failed. None if a
/// test printed it.
fn epilogue(log: &Log<'_>, index: usize, spec: Option<&str>) -> Option<(usize, Vec<Failure>)> {
    let mut at = index + 1;
    let mut failing = 0;
    // `  2 pending` comes between, if at all.
    while let Some(count) =
        number(log.line(at), " pending").or_else(|| number(log.line(at), " failing"))
    {
        if log.line(at).ends_with(" failing") {
            failing = count;
        }
        at += 1;
    }
    let mut failures = Vec::new();
    for which in 1..=failing {
        let header = next_item(log, at, which, 3)?;
        let (title, body_start) = title(log, header, which)?;
        // After the last one come two empty lines.
        let end = if which < failing {
            next_item(log, body_start, which + 1, ITEM_LINES_MAX)?
        } else {
            end_of_list(log, body_start)?
        };
        let body: Vec<&str> = log
            .from(body_start)
            .take(end - body_start)
            .map(|(_, line)| line)
            .collect();
        if failures.len() < FAILURES_MAX {
            failures.push(failure(&title, &body, spec));
        }
        at = end;
    }
    Some((at, failures))
}

/// Where the last failure's text ends. What a test printed is followed by that test's result.
fn end_of_list(log: &Log<'_>, start: usize) -> Option<usize> {
    let mut last_is_empty = false;
    for (index, line) in log.from(start).take(ITEM_LINES_MAX) {
        let line_is_empty = line.is_empty();
        if line_is_empty && last_is_empty && index > start + 1 {
            return Some(index);
        }
        if line.trim_start().starts_with(['✔', '✓']) || number(line, " passing (").is_some() {
            return None;
        }
        last_is_empty = line_is_empty;
    }
    Some(log.len().min(start + ITEM_LINES_MAX))
}

/// The title of an item, its parts joined by blanks as mocha does it: each part on its own line,
/// two blanks deeper than the one above, and a colon after the last.
fn title(log: &Log<'_>, header: usize, number: usize) -> Option<(String, usize)> {
    let mut title = item(log.line(header), number)?.to_owned();
    let mut at = header + 1;
    let mut indent = 7;
    loop {
        let line = log.line(at);
        let depth = line.len() - line.trim_start_matches(' ').len();
        if depth != indent
            || line.trim().is_empty()
            || (indent == 7 && title.ends_with(':') && !line.ends_with(':'))
        {
            break;
        }
        title.push(' ');
        title.push_str(line.trim_start_matches(' '));
        indent += 2;
        at += 1;
    }
    Some((title.strip_suffix(':').unwrap_or(&title).to_owned(), at))
}

fn failure(title: &str, body: &[&str], spec: Option<&str>) -> Failure {
    let mut lines = body
        .iter()
        .map(|line| line.trim())
        .skip_while(|line| line.is_empty());
    let error = with_values(lines.next().unwrap_or_default(), lines);
    // `Error: Timeout of 50ms exceeded. … (/folder/a.test.js)`
    let of_file = error
        .strip_suffix(')')
        .and_then(|error| error.rsplit_once(" ("));
    let failure = Failure::new(FailureKind::Test, NAME, title, &error);
    let failure = match of_file {
        Some((text, file)) if text.contains("Timeout of ") => failure.at(file, None),
        _ => failure,
    };
    let failure = located(failure, body);
    failure.reproduced_by(command(title, spec))
}

/// With the place and the lines that these lines give.
fn located(failure: Failure, body: &[&str]) -> Failure {
    let is_shown = |line: &&&str| {
        !line.trim().is_empty()
            && (!line.trim_start().starts_with("at ") || own_frame(line).is_some())
    };
    let failure = failure.shown_by(body.iter().filter(is_shown).copied());
    match body.iter().find_map(|line| own_frame(line)) {
        Some((file, line)) => failure.at(file, Some(line)),
        None => failure,
    }
}

fn command(title: &str, spec: Option<&str>) -> String {
    if let Some(spec) = spec {
        return format!(
            "npx cypress run --spec {}",
            shell_word(&format!("**/{spec}"))
        );
    }
    // A hook is no test: what it belongs to is run.
    let (title, end) = match title
        .split_once(" \"before ")
        .or_else(|| title.split_once(" \"after "))
    {
        Some((suite, _)) => (suite, ""),
        None => (title, "$"),
    };
    format!(
        "npx mocha --grep {}",
        shell_word(&format!("^{}{end}", literal(title)))
    )
}

/// The failures of the spec reporter while tests run: `    3) title`, below `  describe`. They count
/// only if the summary is missing.
#[derive(Default)]
struct Inline {
    start: Option<usize>,
    last: Option<usize>,
    /// Depth and index of the lines above, from the least to the most indented.
    suites: Vec<(usize, usize)>,
    failed: Vec<String>,
}

impl Inline {
    fn read(&mut self, log: &Log<'_>, index: usize) {
        let line = log.line(index);
        let text = line.trim_start_matches(' ');
        let depth = line.len() - text.len();
        if text.starts_with(['✔', '✓']) {
            self.start.get_or_insert(index);
        } else if let Some((number, name)) = text.split_once(") ")
            && number.parse() == Ok(self.failed.len() + 1)
            && self.failed.len() < FAILURES_MAX
        {
            self.start.get_or_insert(index);
            let above = self
                .suites
                .iter()
                .filter(|(suite_depth, _)| *suite_depth < depth);
            let parts: Vec<&str> = above
                .map(|(_, suite)| log.line(*suite).trim())
                .chain([name])
                .collect();
            self.last = Some(index);
            self.failed.push(cut(&parts.join(" "), TITLE_CHARS_MAX));
        } else if !text.is_empty() {
            while self
                .suites
                .pop_if(|(suite_depth, _)| *suite_depth >= depth)
                .is_some()
            {}
            self.suites.push((depth, index));
        }
    }
}
