//! The part of a job's log that was written by the steps that made the job fail. A log holds all of
//! its steps: tests may fail in one that is allowed to (`continue-on-error`, `|| true`).
//!
//! The runner stamps each line and begins each step with a heading, as it does with the steps inside
//! a composite action (github.com/actions/runner: Handler.cs, ScriptHandler.cs). GitHub tells of
//! each step when it began and ended, in whole seconds.

use std::borrow::Cow;
use std::iter;
use std::ops::{Range, RangeInclusive};

use jiff::Timestamp;
use memchr::{memchr, memrchr};
use serde::Deserialize;

use super::log::{ERROR, stamp_length};

/// Failed steps that are looked for in a log. Hardly any job has more than two.
const STEPS_MAX: usize = 16;
/// Steps that begin without a heading.
const WITHOUT_HEADING: [&str; 4] = [
    "Set up job",
    "Initialize containers",
    "Stop containers",
    "Complete job",
];
const HEADING: &[u8] = b"##[group]Run ";
const GROUP: &[u8] = b"##[group]";
const GROUP_END: &[u8] = b"##[endgroup]";
const POST: &[u8] = b"Post job cleanup.";
const TIDYING: &[u8] = b"Cleaning up orphan processes";
const SHELL: &[u8] = b"shell: ";
/// The colour in which the runner shows a script.
const SCRIPT_COLOUR: &[u8] = b"\x1b[36;1m";

/// A step of a job, as GitHub tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct JobStep {
    /// Its name, or what it runs.
    #[serde(default)]
    pub name: String,
    /// How it ended; none while it runs, and where its runner was lost.
    #[serde(default)]
    pub conclusion: Option<String>,
    #[serde(default)]
    started_at: Option<Timestamp>,
    #[serde(default)]
    completed_at: Option<Timestamp>,
}

/// A stamp up to its second, `2026-11-20T10:00:00`: they compare as the times do.
type Second = [u8; 19];

impl JobStep {
    /// The seconds in which it ran; without an end those that follow.
    fn seconds(&self) -> Option<(Second, Second)> {
        let second = |at: Timestamp| {
            let text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            text.as_bytes().try_into().ok()
        };
        let last = self.completed_at.map_or(Some([u8::MAX; 19]), second);
        Some((second(self.started_at?)?, last?))
    }

    /// Whether it ran and began with a heading.
    fn has_heading(&self) -> bool {
        let is_skipped = self.conclusion.as_deref() == Some("skipped");
        !is_skipped && !WITHOUT_HEADING.contains(&self.name.as_str())
    }

    /// Whether it ended in a failure that its job did not allow.
    pub fn is_failed(&self) -> bool {
        self.conclusion.as_deref() == Some("failure")
    }

    /// Whether it was stopped, or lost with its runner. Those after it never began.
    fn is_cut_short(&self) -> bool {
        let conclusion = self.conclusion.as_deref();
        let is_complete = matches!(conclusion, Some("success" | "skipped" | "neutral"));
        self.started_at.is_some() && !is_complete
    }
}

/// What begins with a heading and ends before the next one.
struct Section {
    range: Range<usize>,
    /// When it began.
    second: Option<Second>,
    begins: Begins,
    has_error: bool,
    ends_in_error: bool,
}

/// What a section begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    Step,
    /// What a step does after all others.
    PostStep,
    /// The runner's own work.
    Nothing,
}

/// Parts of a log.
pub(super) struct Part {
    /// In their order.
    pub ranges: Vec<Range<usize>>,
    /// Whether these are the steps that made the job fail, as far as it can be known.
    pub is_certain: bool,
}

impl Part {
    /// The text of the parts, one after another.
    pub fn of<'a>(&self, log: &'a [u8]) -> Cow<'a, [u8]> {
        match self.ranges.as_slice() {
            [only] => Cow::Borrowed(&log[only.clone()]),
            several => {
                let texts = several.iter().map(|range| &log[range.clone()]);
                Cow::Owned(texts.collect::<Vec<_>>().concat())
            }
        }
    }
}

/// A log by its headings.
pub(super) struct Sections(Vec<Section>);

impl Sections {
    /// Finds them.
    pub fn of(log: &[u8]) -> Self {
        let mut all: Vec<Section> = Vec::new();
        for (start, line) in lines(log, 0) {
            let after = start + line.length;
            let text = line.text;
            let shown = text.strip_prefix(HEADING);
            let begins = match shown {
                Some(shown) if is_heading(shown, texts(log, after)) => Begins::Step,
                _ if text.starts_with(POST) => Begins::PostStep,
                _ => Begins::Nothing,
            };
            if begins != Begins::Nothing || text.starts_with(TIDYING) || all.is_empty() {
                all.push(Section {
                    range: start..after,
                    second: line.second,
                    begins,
                    has_error: false,
                    ends_in_error: false,
                });
            }
            if let Some(last) = all.last_mut() {
                last.range.end = after;
                let is_error = text.starts_with(ERROR);
                last.has_error |= is_error;
                last.ends_in_error = is_error || last.ends_in_error && text.trim_ascii().is_empty();
            }
        }
        Self(all)
    }

    /// Whether only GitHub knows which of several steps made the job fail.
    pub fn are_ambiguous(&self) -> bool {
        self.steps() > 1 && self.only_failed().is_none()
    }

    /// The part that the steps wrote that made the job fail. Where nobody tells those, it is what ends
    /// in an error, and else all.
    pub fn blamed(&self, log: &[u8], steps: Option<&[JobStep]>) -> Part {
        let part = |ranges, is_certain| Part { ranges, is_certain };
        if self.steps() < 2 {
            return part(vec![whole(log)], true);
        }
        if let Some(only) = self.only_failed() {
            return part(vec![only.range.clone()], true);
        }
        let by_steps = steps.map_or_else(Vec::new, |steps| self.of_steps(log, steps));
        match by_steps.is_empty() {
            false => part(by_steps, true),
            true => self.by_errors(log),
        }
    }

    /// What ends in an error, and else all.
    pub fn by_errors(&self, log: &[u8]) -> Part {
        let failed = self.0.iter().filter(|section| section.ends_in_error);
        let mut ranges: Vec<Range<usize>> = failed.map(|it| it.range.clone()).collect();
        if ranges.is_empty() {
            ranges.push(whole(log));
        }
        Part {
            ranges,
            is_certain: false,
        }
    }

    fn steps(&self) -> usize {
        let steps = self.0.iter().filter(|it| it.begins == Begins::Step);
        steps.count()
    }

    /// The last step, when it ends in an error and nothing else tells one. An action may fail without
    /// a word, so that a step before others need not be the one.
    fn only_failed(&self) -> Option<&Section> {
        let last = self.0.iter().rfind(|it| it.begins == Begins::Step)?;
        let with_errors = self.0.iter().filter(|section| section.has_error).count();
        (last.ends_in_error && with_errors == 1).then_some(last)
    }

    /// What the failed steps wrote, else those that were cut short, in the order of the log.
    fn of_steps(&self, log: &[u8], steps: &[JobStep]) -> Vec<Range<usize>> {
        let has_failed = steps.iter().any(JobStep::is_failed);
        let is_blamed = |step: &JobStep| match has_failed {
            true => step.is_failed(),
            false => step.is_cut_short(),
        };
        let places = 0..steps.len();
        let blamed: Vec<usize> = places.filter(|place| is_blamed(&steps[*place])).collect();
        if blamed.len() > STEPS_MAX {
            return Vec::new();
        }
        let ranges = blamed.into_iter();
        let ranges = ranges.flat_map(|place| self.of_step(log, steps, place));
        let mut ranges: Vec<Range<usize>> = ranges.filter(|range| !range.is_empty()).collect();
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut until = 0;
        for range in &mut ranges {
            range.start = range.start.max(until);
            until = until.max(range.end);
        }
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    /// What one step wrote: the sections that began while it ran, to the second in which it ended.
    /// Without one (what the runner does itself has no heading) all lines of that time.
    fn of_step(&self, log: &[u8], steps: &[JobStep], place: usize) -> Vec<Range<usize>> {
        let Some((first, last)) = steps[place].seconds() else {
            return Vec::new();
        };
        // Several steps may run in one second: each has its heading, in their order.
        let ran = steps.iter().enumerate();
        let ran = ran.filter_map(|(place, step)| {
            Some((place, step.seconds()?)).filter(|_| step.has_heading())
        });
        let before = |(at, ran): &(usize, _)| *at < place && *ran == (first, first);
        let after = |(at, ran): &(usize, (Second, Second))| *at > place && ran.0 == last;
        let before = ran.clone().filter(before).count();
        let after = ran.filter(after).count();
        let began_in = |section: &Section, seconds: RangeInclusive<Second>| {
            let began = section.second.filter(|_| section.begins != Begins::Nothing);
            began.is_some_and(|at| seconds.contains(&at))
        };
        let own = self.0.iter().filter(|it| began_in(it, first..=last));
        let own: Vec<&Section> = own.collect();
        let in_first = own.iter().filter(|it| began_in(it, first..=first)).count();
        let own = &own[before.min(in_first.saturating_sub(1))..];
        let in_last = own.iter().filter(|it| began_in(it, last..=last)).count();
        let least = usize::from(first == last);
        let own = &own[..own.len() - after.min(in_last.saturating_sub(least))];
        if own.is_empty() || !steps[place].has_heading() {
            return vec![within(log, first, last)];
        }
        let ranges = own.iter().map(|section| section.range.clone());
        ranges.map(|range| until(log, range, last)).collect()
    }
}

fn whole(log: &[u8]) -> Range<usize> {
    0..log.len()
}

/// A line of a log without its stamp.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// The second of its stamp.
    second: Option<Second>,
    text: &'a [u8],
    /// Bytes of all of it, with its end.
    length: usize,
}

/// The lines from here on, each with its place.
fn lines(log: &[u8], start: usize) -> impl Iterator<Item = (usize, Line<'_>)> {
    let mut next = start;
    iter::from_fn(move || {
        let rest = log.get(next..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let place = next;
        next += length;
        Some((place, line(&rest[..length])))
    })
}

/// Their texts.
fn texts(log: &[u8], start: usize) -> impl Iterator<Item = &[u8]> {
    lines(log, start).map(|(_, line)| line.text)
}

fn line(bytes: &[u8]) -> Line<'_> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let stamp = stamp_length(text);
    let second = (stamp > 0).then(|| text.first_chunk().copied()).flatten();
    Line {
        second,
        text: &text[stamp..],
        length: bytes.len(),
    }
}

/// Whether the runner wrote the heading that shows this, by the lines below it: the script again, its
/// shell, the inputs of an action. A program that makes a group of that name puts its output there.
pub(super) fn is_heading<'a>(shown: &[u8], below: impl Iterator<Item = &'a [u8]>) -> bool {
    const NAMES: [&[u8]; 3] = [SHELL, b"with:", b"env:"];
    for (count, text) in below.enumerate() {
        if text.starts_with(GROUP_END) {
            return count == 0;
        }
        // A program that fails leaves its group open.
        if text.starts_with(ERROR) {
            return false;
        }
        let script = text.strip_prefix(SCRIPT_COLOUR).unwrap_or(text);
        let is_script = count == 0 && script.starts_with(shown);
        let is_named = NAMES.iter().any(|name| text.starts_with(name));
        if text.starts_with(GROUP) || is_named || is_script {
            return true;
        }
    }
    true
}

/// The range without the lines at its end that were written after this second.
fn until(log: &[u8], range: Range<usize>, last: Second) -> Range<usize> {
    let mut end = range.end;
    while end > range.start {
        let before = &log[range.start..end - 1];
        let start = range.start + memrchr(b'\n', before).map_or(0, |at| at + 1);
        if line(&log[start..end]).second.is_none_or(|at| at <= last) {
            break;
        }
        end = start;
    }
    range.start..end
}

/// The lines that were written in these seconds.
fn within(log: &[u8], first: Second, last: Second) -> Range<usize> {
    let mut range = 0..0;
    for (start, line) in lines(log, 0) {
        match line.second {
            Some(at) if at < first => {}
            Some(at) if at > last => break,
            Some(_) if range.is_empty() => range = start..start + line.length,
            // A line without a stamp goes on with the one before it.
            _ if !range.is_empty() => range.end = start + line.length,
            _ => {}
        }
    }
    range
}
