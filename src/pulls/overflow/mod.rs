//! Lists for which an answer has no room. The first page is the answer with its lists cut, further
//! pages bring what was cut, each entry once, under the names that it has in the answer.
//!
//! A tool that has pages of its own gives what those have no room for on pages of this kind after
//! the last of its own: see [`Call::of_rest`] and [`rest_cursor`].
//!
//! Which entries are left follows from the answer, the rules and the level of the first page alone:
//! nothing is kept between two pages. Where the lists changed meanwhile, be it where they are shown
//! already, the cursor is refused: all pages are of one answer.

mod entries;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use self::entries::{cut, digest, listed};
use super::Warning;
use super::head_cursor::{self, Call};
use crate::domain::{ApiError, limits};

/// Fields of the answer that every page has.
const ON_EVERY_PAGE: [&str; 4] = ["pr", "head_sha", "fetched_at", "untrusted"];
/// A list whose words may differ between two calls though nothing changed: times, ids of requests.
const WARNINGS: &str = "warnings";

/// A list that may be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// The names that lead to it.
    pub list: &'static [&'static str],
    /// A list in each of its entries that is cut in its place.
    pub within: Option<Within>,
    /// Most entries of the first page.
    pub most: usize,
    /// How the answer says that entries are gone, beside its cursor.
    pub said: Said,
    /// Fields of its entries that may differ between two pages: the list counts as the same.
    pub passing: &'static [&'static str],
}

/// A list in an entry of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    /// Its name.
    pub name: &'static str,
    /// The fields that name the entry.
    pub key: &'static [&'static str],
}

/// How an answer says that entries are gone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// By its cursor alone.
    Nothing,
    /// How many are, in this field beside the list.
    Count(&'static str),
    /// That some are, in this field beside the list.
    Flag(&'static str),
}

impl Rule {
    /// Cuts this list.
    pub fn of(list: &'static [&'static str], most: usize, said: Said) -> Self {
        Self {
            list,
            within: None,
            most,
            said,
            passing: &[],
        }
    }

    /// The same, whatever its entries have in these fields from one page to the next.
    pub fn but(self, passing: &'static [&'static str]) -> Self {
        Self { passing, ..self }
    }

    /// Cuts this list in each entry of a list; `key` are the fields that name such an entry.
    pub fn within(
        list: &'static [&'static str],
        name: &'static str,
        key: &'static [&'static str],
        most: usize,
        said: Said,
    ) -> Self {
        Self {
            list,
            within: Some(Within { name, key }),
            most,
            said,
            passing: &[],
        }
    }
}

/// As much of a list as fits, and how many are left.
pub(super) fn fit<T: Serialize>(mut list: Vec<T>, bytes_max: usize) -> (Vec<T>, usize) {
    let mut bytes = 0;
    let fits = |item: &T| {
        bytes += serde_json::to_vec(item).map_or(0, |json| json.len() + 1);
        bytes <= bytes_max
    };
    let shown = list.iter().map(fits).take_while(|fits| *fits).count();
    let left = list.len() - shown;
    list.truncate(shown);
    (list, left)
}

/// All warnings, their reasons as long as there is room for. Where there are more than fit with the
/// shortest of them, one more says how many are left.
pub(super) fn fit_warnings(warnings: Vec<Warning>, bytes_max: usize) -> Vec<Warning> {
    const REASON_BYTES: [usize; 4] = [300, 120, 60, 16];
    let (mut told, mut left) = (Vec::new(), 0);
    for bytes in REASON_BYTES {
        let short = warnings.iter().map(|warning| Warning {
            reason: super::short(&warning.reason, bytes),
            ..warning.clone()
        });
        (told, left) = fit(short.collect(), bytes_max);
        if left == 0 {
            return told;
        }
    }
    if left > 0 {
        let effect = "more may be incomplete than these warnings say";
        told.push(Warning::new("warnings", format!("{left} more"), effect));
    }
    told
}

/// Where a further page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// How far the first page was cut.
    level: usize,
    /// Names the lists that were cut.
    digest: u32,
    /// How many entries of it were shown.
    start: usize,
}

impl Position {
    /// Reads a cursor.
    ///
    /// # Errors
    /// `invalid_argument` for one of another call, `head_moved` for one of an older head.
    pub fn read(call: &Call, given: &str) -> Result<Self, ApiError> {
        Self::of_text(call.read(given)?).ok_or_else(head_cursor::damaged)
    }

    /// The position of which this is the text; none where it is that of none.
    pub fn of_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut part = || parts.next();
        let (level, digest, start) = (part()?, part()?, part()?);
        Some(Self {
            level: level.parse().ok()?,
            digest: u32::from_str_radix(digest, 16).ok()?,
            start: start.parse().ok()?,
        })
    }

    /// The position as text: for the cursors of pages that come before it.
    pub fn text(self) -> String {
        let Self {
            level,
            digest,
            start,
        } = self;
        format!("{level}.{digest:08x}.{start}")
    }

    /// How far the first page was cut.
    pub fn level(self) -> usize {
        self.level
    }

    /// The cursor of a page that begins here.
    pub fn make(self, call: &Call) -> String {
        call.make(&self.text())
    }
}

/// The page of an answer that begins at `position`; the first one where that is none. `levels` are
/// the rules by which the first page is cut, each cutting more than the one before.
///
/// # Errors
/// `head_moved` when the lists are not those any more for which the cursor was made.
pub(super) fn page(
    call: &Call,
    answer: &impl Serialize,
    levels: &[Vec<Rule>],
    position: Option<Position>,
) -> Result<Box<RawValue>, ApiError> {
    let whole = serde_json::to_value(answer).map_err(internal)?;
    let page = match position {
        None => first(call, &whole, levels)?,
        Some(position) => {
            let rules = levels
                .get(position.level)
                .ok_or_else(head_cursor::damaged)?;
            further(call, whole, rules, position)?
        }
    };
    serde_json::value::to_raw_value(&page).map_err(internal)
}

/// The cursor of the first page of `rest`, which the rules cut wholly; none where there is nothing
/// in it. `level` is for the caller, who builds the same rest again by it.
pub(super) fn rest_cursor(
    call: &Call,
    rest: &impl Serialize,
    rules: &[Rule],
    level: usize,
) -> Result<Option<String>, ApiError> {
    let position = rest_position(rest, rules, level)?;
    Ok(position.map(|position| position.make(call)))
}

/// The same for a caller whose pages before that one carry it in their own cursors: what is cut
/// follows from what the first of them was made of.
pub(super) fn rest_position(
    rest: &impl Serialize,
    rules: &[Rule],
    level: usize,
) -> Result<Option<Position>, ApiError> {
    let mut whole = serde_json::to_value(rest).map_err(internal)?;
    let digest = digest(&whole, rules);
    let entries = cut(&mut whole, rules);
    let position = Position {
        level,
        digest,
        start: 0,
    };
    Ok((!entries.is_empty()).then_some(position))
}

/// A page of `rest`.
///
/// # Errors
/// `head_moved` when it is not that any more for which the cursor was made.
pub(super) fn rest_page(
    call: &Call,
    rest: &impl Serialize,
    rules: &[Rule],
    position: Position,
) -> Result<Box<RawValue>, ApiError> {
    let whole = serde_json::to_value(rest).map_err(internal)?;
    let page = further(call, whole, rules, position)?;
    serde_json::value::to_raw_value(&page).map_err(internal)
}

fn internal(error: serde_json::Error) -> ApiError {
    ApiError::internal(error.to_string())
}

/// The answer, cut no further than it must be.
fn first(call: &Call, whole: &Value, levels: &[Vec<Rule>]) -> Result<Value, ApiError> {
    let mut page = whole.clone();
    for (level, rules) in levels.iter().enumerate() {
        page = whole.clone();
        let entries = cut(&mut page, rules);
        if !entries.is_empty() {
            let position = Position {
                level,
                digest: digest(whole, rules),
                start: 0,
            };
            page["next_cursor"] = Value::from(position.make(call));
        }
        if bytes(&page)? <= limits::ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(page)
}

fn further(
    call: &Call,
    mut whole: Value,
    rules: &[Rule],
    position: Position,
) -> Result<Value, ApiError> {
    let digest = digest(&whole, rules);
    let entries = cut(&mut whole, rules);
    if digest != position.digest {
        return Err(head_cursor::head_moved(
            "what this cursor goes on with has changed",
        ));
    }
    let start = position.start;
    if start >= entries.len() {
        return Err(head_cursor::damaged());
    }
    let render = |end: usize| {
        let mut page = listed(&whole, &entries[start..end]);
        if end < entries.len() {
            let next = Position {
                start: end,
                digest,
                ..position
            };
            page["next_cursor"] = Value::from(next.make(call));
        }
        page
    };
    let end = end_of(start..entries.len(), |end| {
        Ok(bytes(&render(end))? <= limits::ANSWER_BYTES_MAX)
    })?;
    Ok(render(end))
}

/// The largest end up to which entries fit, one of them at least.
fn end_of(
    all: Range<usize>,
    fits: impl Fn(usize) -> Result<bool, ApiError>,
) -> Result<usize, ApiError> {
    // Doubled until it is too far: what is left may be much more than a page.
    let (mut fitting, mut step) = (all.start + 1, 1);
    let mut too_far = loop {
        let next = fitting.saturating_add(step).min(all.end);
        match next > fitting && fits(next)? {
            true => (fitting, step) = (next, step * 2),
            false => break next,
        }
    };
    while fitting + 1 < too_far {
        let middle = fitting.midpoint(too_far);
        match fits(middle)? {
            true => fitting = middle,
            false => too_far = middle,
        }
    }
    Ok(fitting)
}

fn bytes(page: &Value) -> Result<usize, ApiError> {
    serde_json::to_vec(page)
        .map(|json| json.len())
        .map_err(internal)
}

/// All pages of an answer, one after the other: what tests of the tools read.
///
/// # Panics
/// When a page is too large, or there is no end of them.
#[cfg(test)]
pub(super) fn all_pages(answer: &impl Serialize, levels: &[Vec<Rule>]) -> Vec<Value> {
    const PAGES_MAX: usize = 10_000;
    let call = Call::new("tool", &"filters", &"9f3c1e2a".repeat(5));
    let (mut pages, mut position) = (Vec::new(), None);
    while pages.len() < PAGES_MAX {
        let page = page(&call, answer, levels, position).expect("it is a page");
        let bytes = page.get().len();
        assert!(
            bytes <= limits::ANSWER_BYTES_MAX,
            "page {} has {bytes} bytes",
            pages.len()
        );
        let page: Value = serde_json::from_str(page.get()).expect("it is JSON");
        let next = page["next_cursor"].as_str();
        position = next.map(|next| Position::read(&call, next).expect("it is a cursor"));
        pages.push(page);
        if position.is_none() {
            return pages;
        }
    }
    panic!("there is no end of pages");
}
