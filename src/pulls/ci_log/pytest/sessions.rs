//! Where a call of pytest begins and ends in a log.

use std::ops::Range;

use super::super::Log;
use super::{CONFTEST, Entry, NEAR, SUMMARY};

/// The lines of one call of pytest.
pub(super) struct Session {
    pub lines: Range<usize>,
    /// How many failures and errors its last line counts; `None` where that line is missing.
    pub counted: Option<usize>,
    /// It printed no first line: `-q`.
    is_quiet: bool,
}

impl Session {
    fn new(lines: Range<usize>, counted: Option<usize>, is_quiet: bool) -> Self {
        Self {
            lines,
            counted,
            is_quiet,
        }
    }
}

/// First and last lines are matched like brackets, since tests of pytest plugins print whole
/// sessions. The inner ones are returned too.
pub(super) fn sessions(log: &Log<'_>) -> Vec<Session> {
    let mut done: Vec<Session> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut quiet = None;
    // Sessions before this one are of an earlier step.
    let mut first_of_step = 0;
    let telling = |first| matches!(first, b'=' | b'0'..=b'9' | b'n' | b'I' | b'#');
    for (index, line) in log.led_by(0..log.len(), telling) {
        match line.as_bytes().first() {
            Some(b'=') => {
                let Some(title) = titled(line, '=') else {
                    continue;
                };
                let earlier = done[first_of_step..].last_mut();
                if title == "test session starts" {
                    open.push(index);
                } else if let Some(counted) = counted(title) {
                    if let Some(start) = open.pop() {
                        done.push(Session::new(start..index + 1, Some(counted), false));
                    } else if let Some(earlier) = earlier.filter(|earlier| !earlier.is_quiet) {
                        // The line taken for its last was printed by a test.
                        earlier.lines.end = index + 1;
                        earlier.counted = Some(counted);
                        quiet = None;
                    }
                } else if open.is_empty() && quiet.is_none() {
                    match title {
                        "FAILURES" | "ERRORS" | "warnings summary" => {
                            quiet = Some(start_of_quiet(log, index));
                        }
                        SUMMARY => match earlier.filter(|earlier| earlier.is_quiet) {
                            Some(earlier) => {
                                quiet = Some(earlier.lines.start);
                                done.pop();
                            }
                            None => quiet = Some(start_of_quiet(log, index)),
                        },
                        _ => {}
                    }
                }
            }
            Some(b'0'..=b'9' | b'n') => {
                if let Some(start) = quiet
                    && let Some(counted) = counted(line.trim_end())
                {
                    done.push(Session::new(start..index + 1, Some(counted), true));
                    quiet = None;
                }
            }
            Some(b'I') if line.starts_with(CONFTEST) => {
                done.push(Session::new(index..index + 1, None, true));
            }
            Some(b'#') if is_step_end(line) => {
                cut_off(
                    log,
                    index,
                    &mut open,
                    quiet.take(),
                    &mut done,
                    first_of_step,
                );
                first_of_step = done.len();
            }
            _ => {}
        }
    }
    cut_off(log, log.len(), &mut open, quiet, &mut done, first_of_step);
    done
}

/// Sessions without a last line end where the next begins, or with the step.
fn cut_off(
    log: &Log<'_>,
    end: usize,
    open: &mut Vec<usize>,
    quiet: Option<usize>,
    done: &mut Vec<Session>,
    first_of_step: usize,
) {
    let sessions = done[first_of_step..].iter();
    let mut starts: Vec<usize> = sessions.map(|session| session.lines.start).collect();
    starts.extend(&*open);
    starts.sort_unstable();
    for start in open.drain(..) {
        let next = starts.get(starts.partition_point(|other| *other <= start));
        let end = next.copied().unwrap_or(end);
        done.push(Session::new(start..end, None, false));
    }
    if let Some(start) = quiet {
        // With `-qq` the summary is the end.
        let entry = |(index, line): (usize, &str)| Entry::read(line).map(|_| index + 1);
        let last = log.within(start..end).rev().find_map(entry);
        done.push(Session::new(start..last.unwrap_or(end), None, true));
    }
}

fn is_step_end(line: &str) -> bool {
    line.starts_with("##[group]Run ") || line.starts_with("##[error]Process completed")
}

/// With `-q` the first lines are those of the progress: `..F.   [ 40%]`.
fn start_of_quiet(log: &Log<'_>, banner: usize) -> usize {
    let is_progress = |index: &usize| log.line(*index).ends_with("%]");
    let above = (banner.saturating_sub(NEAR)..banner).rev();
    above.take_while(is_progress).last().unwrap_or(banner)
}

/// The title of `==== title ====`.
pub(super) fn titled(line: &str, fill: char) -> Option<&str> {
    let line = line.trim_end().strip_prefix(fill)?;
    let title = line.trim_start_matches(fill).strip_prefix(' ')?;
    let title = title.trim_end_matches(fill).strip_suffix(' ')?;
    // `_ _ _ _` separates the frames of one traceback.
    (!title.is_empty() && !title.starts_with("_ ")).then_some(title)
}

/// Failures and errors of `2 failed, 1 passed, 1 error in 0.06s`; `None` if it is another text.
fn counted(text: &str) -> Option<usize> {
    let (counts, time) = text.rsplit_once(" in ")?;
    if !time.starts_with(|first: char| first.is_ascii_digit()) || !time.ends_with(['s', ')']) {
        return None;
    }
    if counts == "no tests ran" {
        return Some(0);
    }
    let mut failed = 0;
    for count in counts.split(", ") {
        let (number, what) = count.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        if what
            .split(' ')
            .any(|word| matches!(word, "failed" | "error" | "errors"))
        {
            failed += number;
        }
    }
    Some(failed)
}
