//! What a log says went wrong, in the words of no particular framework.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most lines of an excerpt, and most characters of one of them.
pub const EXCERPT_LINES_MAX: usize = 12;
/// Longest line of an excerpt, in characters.
pub const LINE_CHARS_MAX: usize = 300;
/// Most failures kept of one log. A broken import can fail ten thousand tests at once.
pub const FAILURES_MAX: usize = 1_000;

/// What sort of failure it is: it decides who has to do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// A test ran and failed, or could not be loaded.
    Test,
    /// The code does not compile.
    Build,
    /// A linter, formatter or type checker objects.
    Lint,
    /// The runner or a service failed; the code is not to blame.
    Infra,
    /// It took too long.
    Timeout,
    /// Somebody or something stopped it.
    Cancelled,
    /// None of the above could be told.
    Unknown,
}

/// How sure the parser is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The framework's own summary says so.
    High,
    /// A line that looks so; the summary is missing.
    Medium,
    /// A guess.
    Low,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort it is.
    pub kind: FailureKind,
    /// The tool that reported it, as `pytest`, `cargo-test`, `tsc`.
    pub framework: String,
    /// The test's id as its framework writes it (`tests/test_a.py::test_b[x-1]`); of a diagnostic
    /// its code (`E0308`, `TS2322`, `no-unused-vars`), or empty.
    pub test: String,
    /// What is wrong, in one line.
    pub error: String,
    /// At most [`EXCERPT_LINES_MAX`] lines that show it.
    pub excerpt: Vec<String>,
    /// File, as written in the log (relative where the log has it relative).
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<u32>,
    /// A command that shows this failure again, to be typed in the project's folder.
    pub reproduce: Option<String>,
    /// How sure this is.
    pub confidence: Confidence,
}

impl Failure {
    /// A failure of `framework` with nothing known but its test (or code) and error. Texts are cut
    /// to their bounds.
    pub fn new(kind: FailureKind, framework: &str, test: &str, error: &str) -> Self {
        Self {
            kind,
            framework: framework.to_owned(),
            test: cut(test, 1_000),
            error: cut(error.trim(), LINE_CHARS_MAX),
            excerpt: Vec::new(),
            file: None,
            line: None,
            reproduce: None,
            confidence: Confidence::High,
        }
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, file: &str, line: Option<u32>) -> Self {
        self.file = Some(file.to_owned());
        self.line = line;
        self
    }

    /// Shown by these lines: the first of them that fit the bound, without blank ones at the ends.
    #[must_use]
    pub fn shown_by<'a>(mut self, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines = lines.into_iter().skip_while(|line| line.trim().is_empty());
        let lines = lines.take(EXCERPT_LINES_MAX);
        self.excerpt = lines
            .map(|line| cut(line.trim_end(), LINE_CHARS_MAX))
            .collect();
        while self.excerpt.last().is_some_and(String::is_empty) {
            self.excerpt.pop();
        }
        self
    }

    /// Shown again by this command.
    #[must_use]
    pub fn reproduced_by(mut self, command: String) -> Self {
        self.reproduce = Some(command);
        self
    }

    /// Known only so well.
    #[must_use]
    pub fn with_confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}

/// One run of a framework in a log: the lines it owns and what failed in it.
///
/// A run that lies inside the run of another framework is output of that one's tests and does not
/// count; so is a diagnostic inside a run, and a run without an end that begins inside one that has
/// an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Indices of the lines from its first to its last, end exclusive.
    pub lines: Range<usize>,
    /// What failed; empty when all passed.
    pub failures: Vec<Failure>,
}

impl Run {
    /// Whether the log says how the run ended.
    pub(super) fn is_finished(&self) -> bool {
        let mut failures = self.failures.iter();
        failures.all(|failure| failure.confidence == Confidence::High)
    }

    /// Adds a diagnostic on these lines to the last run if it ends there, else as a new run.
    pub fn append(runs: &mut Vec<Self>, lines: Range<usize>, failure: Failure) {
        match runs.last_mut().filter(|run| run.lines.end == lines.start) {
            Some(run) => {
                run.lines.end = lines.end;
                if run.failures.len() < FAILURES_MAX {
                    run.failures.push(failure);
                }
            }
            None => runs.push(Self {
                lines,
                failures: vec![failure],
            }),
        }
    }
}

/// At most `chars` characters of `text`; what was cut is shown by an ellipsis.
pub fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
