//! TAP 13 and 14 as node:test, tape, tap and others write it: `not ok 2 - name # TODO`, with
//! subtests indented by four blanks before the result of their parent.

use super::javascript::{is_error, literal, own_frame, place, with_values};
use super::{FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "tap";
/// Most lines that the YAML block of one result may have.
const BLOCK_LINES_MAX: usize = 2_000;
/// Most comments above a result in which to look for an error.
const COMMENTS_MAX: usize = 60;

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut stream: Option<Stream> = None;
    let mut index = 0;
    while index < log.len() {
        let line = log.line(index);
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let starts = indent == 0
            && (text.starts_with("TAP version ")
                || plan(text).is_some() && result(log.line(index + 1)).is_some());
        // Subtests may have a version of their own; a plan may come at the end.
        if starts && (stream.is_none() || text.starts_with("TAP")) {
            runs.extend(stream.take().map(Stream::into_run));
            stream = Some(Stream::new(index));
        }
        if let Some(stream) = &mut stream {
            index = stream.read(log, index, indent / 4, text);
        } else {
            index += 1;
        }
    }
    runs.extend(stream.map(Stream::into_run));
    runs
}

/// `1..7`, perhaps with `# reason`.
fn plan(text: &str) -> Option<u32> {
    let count = text.strip_prefix("1..")?;
    count.split(' ').next()?.parse().ok()
}

/// `not ok 3 - name`: whether it is ok, its number, and the rest.
fn result(text: &str) -> Option<(bool, u32, &str)> {
    let (ok, rest) = match text.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok ")?),
    };
    let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((
        ok,
        number.parse().ok()?,
        name.strip_prefix("- ").unwrap_or(name),
    ))
}

/// One stream from its version or plan on.
struct Stream {
    start: usize,
    end: usize,
    levels: Vec<Level>,
    /// In the order of the log; those that turned out to be printed by a test are taken out again.
    failures: Vec<Option<Failure>>,
    /// The last comment: tape names its tests so, and its results are only assertions.
    comment: String,
    /// Where the comments after the last result begin: node:test tells there what a file printed.
    comments_from: usize,
}

/// What is known of one depth of subtests.
#[derive(Default)]
struct Level {
    /// Title of the subtest whose own results are one level deeper.
    subtest: String,
    last: u32,
    last_failure: Option<usize>,
    has_failed: bool,
}

impl Stream {
    fn new(start: usize) -> Self {
        Self {
            start,
            end: start + 1,
            levels: Vec::new(),
            failures: Vec::new(),
            comment: String::new(),
            comments_from: start,
        }
    }

    fn into_run(self) -> Run {
        Run {
            lines: self.start..self.end,
            failures: self.failures.into_iter().flatten().collect(),
        }
    }

    /// Reads the line and what belongs to it; the index after.
    fn read(&mut self, log: &Log<'_>, index: usize, depth: usize, text: &str) -> usize {
        match text.as_bytes().first() {
            Some(b'#') if let Some(comment) = text.strip_prefix("# ") => {
                self.end = index + 1;
                if let Some(subtest) = comment.strip_prefix("Subtest: ") {
                    self.level(depth).subtest = subtest.to_owned();
                } else if depth == 0 {
                    comment.clone_into(&mut self.comment);
                }
            }
            Some(b'1') if plan(text).is_some() => self.end = index + 1,
            Some(b'B')
                if depth == 0
                    && let Some(reason) = text.strip_prefix("Bail out!") =>
            {
                self.end = index + 1;
                if self.failures.len() >= FAILURES_MAX {
                    return index + 1;
                }
                let error = if reason.trim().is_empty() {
                    text
                } else {
                    reason
                };
                self.failures.push(Some(Failure::new(
                    FailureKind::Test,
                    NAME,
                    "Bail out!",
                    error,
                )));
            }
            Some(b'n' | b'o') if let Some((ok, number, name)) = result(text) => {
                let block = Block::after(log, index + 1);
                if self.accepts(depth, number) {
                    self.end = block.end;
                    self.result(depth, ok, name, &block);
                    self.add_printed_error(log, index);
                    self.comments_from = block.end;
                }
                return block.end;
            }
            _ => {}
        }
        index + 1
    }

    /// Of a file that ended before its tests node:test says only `test failed`; why was printed.
    fn add_printed_error(&mut self, log: &Log<'_>, result: usize) {
        let Some(Some(failure)) = self
            .failures
            .last_mut()
            .filter(|_| self.comments_from < result)
        else {
            return;
        };
        let first = self.comments_from.max(result.saturating_sub(COMMENTS_MAX));
        let comments: Vec<&str> = (first..result)
            .filter_map(|index| log.line(index).strip_prefix("# "))
            .collect();
        let error = comments.iter().position(|line| is_error(line));
        if failure.error == "test failed"
            && let Some(error) = error
        {
            failure.error = super::cut(comments[error], super::LINE_CHARS_MAX);
            *failure = failure.clone().shown_by(
                comments[error..]
                    .iter()
                    .copied()
                    .filter(|line| is_shown(line.trim())),
            );
        }
    }

    fn level(&mut self, depth: usize) -> &mut Level {
        // So deep no subtest is; a test may print anything.
        let depth = depth.min(32);
        if self.levels.len() <= depth {
            self.levels.resize_with(depth + 1, Level::default);
        }
        &mut self.levels[depth]
    }

    /// Numbers follow each other. A test that prints a result takes the number away from the real
    /// one, which then comes with the same number, and replaces it.
    fn accepts(&mut self, depth: usize, number: u32) -> bool {
        let level = self.level(depth);
        let again = number == level.last && number > 0;
        if !again && number != level.last.wrapping_add(1) {
            return false;
        }
        level.last = number;
        if let Some(printed) = level.last_failure.take()
            && again
            && let Some(failure) = self.failures.get_mut(printed)
        {
            *failure = None;
        }
        true
    }

    fn result(&mut self, depth: usize, ok: bool, name: &str, block: &Block<'_>) {
        // The parent's result comes after those of its subtests, and ends them.
        let children_failed = self
            .levels
            .get(depth + 1)
            .is_some_and(|level| level.has_failed);
        self.levels.truncate(depth + 1);
        let (name, directive) = directive(name);
        if ok || matches!(directive, "TODO" | "SKIP") {
            return;
        }
        self.level(depth).has_failed = true;
        if self.failures.len() >= FAILURES_MAX {
            return;
        }
        let failure_type = block.value("failureType");
        if failure_type.map_or(children_failed, |kind| kind == "subtestsFailed") {
            return;
        }
        let parents = self
            .levels
            .iter()
            .take(depth)
            .map(|level| level.subtest.as_str());
        let tape = block
            .value("operator")
            .filter(|_| failure_type.is_none())
            .map(|_| self.comment.as_str());
        let name = name.replace("\\#", "#").replace("\\\\", "\\");
        let path: Vec<&str> = parents
            .chain(tape)
            .chain([name.as_str()])
            .filter(|part| !part.is_empty())
            .collect();
        let failure = block.failure(&path.join(" > "), &name, failure_type.is_some());
        self.level(depth).last_failure = Some(self.failures.len());
        self.failures.push(Some(failure));
    }
}

/// Splits `name # TODO reason`; a `#` of the name itself is escaped, or has no such word after it.
fn directive(name: &str) -> (&str, &'static str) {
    let Some((title, rest)) = name
        .rsplit_once(" # ")
        .or_else(|| Some(("", name.strip_prefix("# ")?)))
    else {
        return (name, "");
    };
    let word = rest.split([' ', ':', '=']).next().unwrap_or_default();
    match () {
        () if word.eq_ignore_ascii_case("todo") => (title, "TODO"),
        () if word.eq_ignore_ascii_case("skip") || word.eq_ignore_ascii_case("skipped") => {
            (title, "SKIP")
        }
        () if word == "time" => (title, "time"),
        () => (name, ""),
    }
}

/// The lines of the YAML block after a result: `  ---` to `  ...`.
struct Block<'a> {
    lines: Vec<&'a str>,
    end: usize,
}

impl<'a> Block<'a> {
    fn after(log: &'a Log<'_>, start: usize) -> Self {
        if log.line(start).trim() != "---" {
            return Self {
                lines: Vec::new(),
                end: start,
            };
        }
        let mut lines = Vec::new();
        let indent = log.line(start).trim_end_matches('-');
        for (index, line) in log.from(start).take(BLOCK_LINES_MAX) {
            let text = line.trim_start();
            if !text.is_empty() && !line.starts_with(indent) {
                break;
            }
            if text == "..." {
                return Self {
                    lines,
                    end: index + 1,
                };
            }
            lines.push(line);
        }
        // A block without an end is none: the log is cut, or a test printed its start.
        Self {
            lines: Vec::new(),
            end: start,
        }
    }

    /// The value of `key: value` of the block itself, without quotes; of a text block (`|-`) its
    /// first line.
    fn value(&self, key: &str) -> Option<&'a str> {
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let outermost = indent(self.lines.get(1)?);
        self.value_where(key, |line| indent(line) == outermost)
    }

    fn value_where(&self, key: &str, is_wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        let mut lines = self.lines.iter();
        let wanted = |line: &&'a str| {
            let value = line.trim().strip_prefix(key)?.strip_prefix(':')?;
            is_wanted(line).then(|| value.trim())
        };
        let value = lines.find_map(wanted)?;
        if value.starts_with(['|', '>']) {
            return lines.map(|line| line.trim()).find(|line| !line.is_empty());
        }
        let unquoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        Some(unquoted('\'').or_else(|| unquoted('"')).unwrap_or(value))
    }

    fn failure(&self, test: &str, name: &str, is_node: bool) -> Failure {
        let failure = Failure::new(FailureKind::Test, NAME, test, &self.error(name));
        let shown = self
            .lines
            .iter()
            .skip(1)
            .filter(|line| is_shown(line.trim()));
        let indent = self
            .lines
            .first()
            .map_or("", |line| line.trim_end_matches('-'));
        let failure = failure.shown_by(shown.map(|line| line.strip_prefix(indent).unwrap_or(line)));
        // node:test has no `at ` before the frames.
        let frame = |line: &&str| {
            let line = line
                .trim()
                .trim_start_matches("at ")
                .trim_start_matches("at: ");
            own_frame(&format!("at {line}")).map(|(file, line)| (file.to_owned(), line))
        };
        let frame = self
            .lines
            .iter()
            .filter(|line| line.ends_with(')'))
            .find_map(frame);
        let location = self.value("location").and_then(place);
        // The `at:` of tap has these below it.
        let at_file = self
            .value_where("file", |_| true)
            .zip(self.value_where("line", |_| true));
        let failure = match (frame, location, at_file) {
            (Some((file, line)), ..) => failure.at(&file, Some(line)),
            (None, Some((file, line)), _) => failure.at(file, Some(line)),
            (None, None, Some((file, line))) => failure.at(file, line.parse().ok()),
            (None, None, None) => failure,
        };
        match location {
            Some((file, _)) if is_node => failure.reproduced_by(node_command(name, file)),
            _ => failure,
        }
    }

    fn error(&self, name: &str) -> String {
        if let Some(error) = self.value("error") {
            let rest = self
                .lines
                .iter()
                .skip_while(|line| !line.contains(error))
                .skip(1);
            let error = with_values(error, rest.copied());
            let class = self.value("name").map(|class| format!("{class}: "));
            return format!("{}{error}", class.unwrap_or_default());
        }
        match (self.value("expected"), self.value("actual")) {
            (Some(expected), Some(actual)) => {
                format!("{name}: expected: {expected}, actual: {actual}")
            }
            _ => self
                .value("type")
                .map_or_else(|| name.to_owned(), |class| format!("{class}: {name}")),
        }
    }
}

/// Runs one test of node:test again.
pub(super) fn node_command(name: &str, file: &str) -> String {
    if name == file {
        return format!("node --test {}", shell_word(file));
    }
    let pattern = shell_word(&format!("--test-name-pattern=^{}$", literal(name)));
    format!("node --test {pattern} {}", shell_word(file))
}

fn is_shown(line: &str) -> bool {
    let dull = [
        "duration_ms:",
        "location:",
        "stack:",
        "type: 'test'",
        "failureType:",
        "code: 'ERR_",
        "at ",
        "at:",
        "...",
    ];
    let is_frame = line.ends_with(')') && line.contains(" (") && line.contains(':');
    !line.is_empty()
        && (is_frame && own_frame(&format!("at {}", line.trim_start_matches("at "))).is_some()
            || !is_frame
                && !dull.iter().any(|dull| line.starts_with(dull))
                && !line.starts_with("node:internal"))
}
