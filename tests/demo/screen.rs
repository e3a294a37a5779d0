//! What is printed: plain lines, colours and reading time on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Time to read a step; the demonstration itself never waits for a clock.
const READING_TIME: Duration = Duration::from_millis(2_500);
/// Width when there is no terminal to ask, and its bounds when there is.
const WIDTH: usize = 100;
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;
/// Columns before every line of a step.
const INDENT: usize = 3;

const BOLD: &str = "1";
const HEADING: &str = "1;36";
const GREEN: &str = "32";
const DIM: &str = "2";
const RED: &str = "1;31";

/// Standard output.
#[derive(Clone, Copy)]
pub struct Screen {
    is_terminal: bool,
    has_colours: bool,
    width: usize,
}

impl Screen {
    /// Looks at what standard output is.
    pub fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let width = size
            .map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0);
        Self {
            is_terminal,
            has_colours: is_terminal && !unwanted,
            width: width.unwrap_or(WIDTH).clamp(*WIDTHS.start(), *WIDTHS.end()),
        }
    }

    /// The first line.
    pub fn title(&self, text: &str) {
        self.print(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    /// The heading of a step, after some time to read the one before.
    pub async fn step(&self, number: u32, text: &str) {
        if self.is_terminal {
            tokio::time::sleep(READING_TIME).await;
        }
        let heading = self.paint(HEADING, &format!("{number}  {text}"));
        self.print(&format!("\n{heading}"));
    }

    /// A heading without a number.
    pub fn heading(&self, text: &str) {
        self.print(&format!("\n{}", self.paint(HEADING, text)));
    }

    /// A line of a step, cut to the width.
    pub fn line(&self, text: &str) {
        self.print(&format!("   {}", cut(text, self.width - INDENT)));
    }

    /// A line that is never cut, because it is there to be copied.
    pub fn whole_line(&self, text: &str) {
        self.print(&format!("   {text}"));
    }

    /// Words on as many lines as they need.
    pub fn words(&self, text: &str) {
        for line in wrapped(text, self.width - INDENT) {
            self.print(&format!("   {line}"));
        }
    }

    /// Words of less weight.
    pub fn note(&self, text: &str) {
        for line in wrapped(text, self.width - INDENT) {
            self.print(&format!("   {}", self.paint(DIM, &line)));
        }
    }

    /// An empty line.
    pub fn gap(&self) {
        self.print("");
    }

    /// Lines in columns; the last column is cut to the width.
    pub fn table(&self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            self.line(line.trim_end());
        }
    }

    /// A check that was made and holds.
    pub fn check(&self, text: &str) {
        let mark = self.paint(GREEN, "✓");
        self.print(&format!("   {mark} {}", cut(text, self.width - INDENT - 2)));
    }

    /// Why it ended early.
    pub fn failure(&self, text: &str) {
        let mut error = io::stderr();
        let has_colours = self.has_colours && error.is_terminal();
        let mark = if has_colours {
            paint(RED, "✗")
        } else {
            "✗".to_owned()
        };
        // Nothing can be done about a closed standard error.
        let _ = writeln!(error, "\n{mark} {text}");
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.has_colours {
            paint(style, text)
        } else {
            text.to_owned()
        }
    }

    fn print(&self, text: &str) {
        // A reader that went away does not stop the checks.
        let _ = writeln!(io::stdout(), "{text}");
    }
}

fn paint(style: &str, text: &str) -> String {
    format!("\u{1b}[{style}m{text}\u{1b}[0m")
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Words in lines of at most this width, unless one word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A duration for people.
pub fn time(duration: Duration) -> String {
    match duration.as_millis() {
        0 => format!("{} µs", duration.as_micros()),
        milliseconds @ 1..1_000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
