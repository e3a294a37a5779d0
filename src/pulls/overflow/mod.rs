//! Lists for which an answer has no room. The first page is the answer with its lists cut, further
//! pages bring what was cut, each entry once, under the names that it has in the answer.
//!
//! Which entries are left follows from the answer, the rules and the level of the first page alone:
//! nothing is kept between two pages. Where the lists changed meanwhile, the cursor is refused.

use std::ops::Range;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Warning, head_cursor};
use crate::domain::{ApiError, cursor, limits};

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
        }
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

/// As many warnings as fit; one more says how many are left.
pub(super) fn fit_warnings(warnings: Vec<Warning>, bytes_max: usize) -> Vec<Warning> {
    let (mut told, left) = fit(warnings, bytes_max);
    if left > 0 {
        let effect = "more may be incomplete than these warnings say";
        told.push(Warning::new("warnings", format!("{left} more"), effect));
    }
    told
}

/// What is asked: the tool, and what its cursors are bound to.
#[derive(Clone, Debug)]
pub(super) struct Call {
    tool: &'static str,
    filters: String,
    head: String,
}

impl Call {
    /// A call of a tool; `filters` are all arguments that decide what is in the answer, `head` is
    /// the whole name of the head commit.
    pub fn new(tool: &'static str, filters: &impl Serialize, head: &str) -> Self {
        Self {
            tool,
            // These types have no value that JSON cannot hold.
            filters: serde_json::to_string(filters).unwrap_or_default(),
            head: head.to_owned(),
        }
    }
}

/// Where a further page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// How far the first page was cut.
    level: usize,
    /// Names all that was cut.
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
        let position = head_cursor::read(call.tool, &call.filters, &call.head, given)?;
        let mut parts = position.split('.');
        let mut part = || parts.next().ok_or_else(head_cursor::damaged);
        let (level, digest, start) = (part()?, part()?, part()?);
        let read = || {
            Some(Self {
                level: level.parse().ok()?,
                digest: u32::from_str_radix(digest, 16).ok()?,
                start: start.parse().ok()?,
            })
        };
        read().ok_or_else(head_cursor::damaged)
    }

    fn make(self, call: &Call) -> String {
        let Self {
            level,
            digest,
            start,
        } = self;
        let position = format!("{level}.{digest:08x}.{start}");
        head_cursor::make(call.tool, &call.filters, &call.head, &position)
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
        Some(position) => further(call, whole, levels, position)?,
    };
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
                digest: digest(&entries),
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
    levels: &[Vec<Rule>],
    position: Position,
) -> Result<Value, ApiError> {
    let rules = levels
        .get(position.level)
        .ok_or_else(head_cursor::damaged)?;
    let entries = cut(&mut whole, rules);
    if digest(&entries) != position.digest {
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

/// An entry that was cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Entry {
    list: &'static [&'static str],
    /// The entry of the list that it belongs to, and in which list of that; none when it is an entry
    /// of the list itself.
    owner: Option<(Map<String, Value>, &'static str)>,
    value: Value,
}

/// Names entries: another number is of other ones.
fn digest(entries: &[Entry]) -> u32 {
    let lasting: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.list != [WARNINGS])
        .collect();
    cursor::fingerprint("entries", &(entries.len(), lasting))
}

/// Cuts an answer by the rules, and gives what was cut.
fn cut(answer: &mut Value, rules: &[Rule]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        // All rules about a list are carried out with the first of them.
        if rules[..place].iter().all(|other| other.list != rule.list) {
            let of_list = rules.iter().filter(|other| other.list == rule.list);
            cut_list(answer, rule.list, of_list, &mut entries);
        }
    }
    entries
}

fn cut_list<'a>(
    answer: &mut Value,
    list: &'static [&'static str],
    rules: impl Iterator<Item = &'a Rule>,
    entries: &mut Vec<Entry>,
) {
    let Some((name, way)) = list.split_last() else {
        return;
    };
    let parent = way
        .iter()
        .try_fold(answer, |at, name| at.get_mut(*name))
        .and_then(Value::as_object_mut);
    let Some(parent) = parent.filter(|parent| parent.get(*name).is_some_and(Value::is_array))
    else {
        return;
    };
    let (inner, own): (Vec<&Rule>, Vec<&Rule>) = rules.partition(|rule| rule.within.is_some());
    let gone = own.iter().flat_map(|rule| shorten(parent, name, rule));
    let gone: Vec<Value> = gone.collect();
    for kept in parent.get_mut(*name).into_iter().flat_map(as_list) {
        for rule in &inner {
            let (Some(Within { name, key }), Some(kept)) = (rule.within, kept.as_object_mut())
            else {
                continue;
            };
            let parts = shorten(kept, name, rule);
            let named = |field: &&str| Some(((*field).to_owned(), kept.get(*field)?.clone()));
            let owner: Map<String, Value> = key.iter().filter_map(named).collect();
            entries.extend(parts.into_iter().map(|value| Entry {
                list,
                owner: Some((owner.clone(), name)),
                value,
            }));
        }
    }
    for value in gone {
        take_apart(list, value, &inner, entries);
    }
}

fn as_list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// Cuts the list of this name and says so; gives what was cut.
fn shorten(parent: &mut Map<String, Value>, name: &str, rule: &Rule) -> Vec<Value> {
    let list = parent.get_mut(name).and_then(Value::as_array_mut);
    let gone = match list {
        Some(list) if list.len() > rule.most => list.split_off(rule.most),
        _ => return Vec::new(),
    };
    match rule.said {
        Said::Nothing => {}
        Said::Count(field) => {
            // Some may not even have been gathered.
            let before = parent.get(field).and_then(Value::as_u64).unwrap_or(0);
            let count = before.saturating_add(gone.len() as u64);
            parent.insert(field.to_owned(), Value::from(count));
        }
        Said::Flag(field) => drop(parent.insert(field.to_owned(), Value::from(true))),
    }
    gone
}

/// An entry that was cut, as its parts where it has lists: each part must fit a page.
fn take_apart(
    list: &'static [&'static str],
    mut value: Value,
    inner: &[&Rule],
    entries: &mut Vec<Entry>,
) {
    let mut parts: Vec<(&'static str, Value)> = Vec::new();
    if let Some(fields) = value.as_object_mut() {
        for Within { name, .. } in inner.iter().filter_map(|rule| rule.within) {
            match fields.shift_remove(name) {
                Some(Value::Array(all)) => parts.extend(all.into_iter().map(|one| (name, one))),
                Some(other) => drop(fields.insert(name.to_owned(), other)),
                None => {}
            }
        }
    }
    match value {
        Value::Object(owner) if !parts.is_empty() => {
            entries.extend(parts.into_iter().map(|(name, value)| Entry {
                list,
                owner: Some((owner.clone(), name)),
                value,
            }));
        }
        value => entries.push(Entry {
            list,
            owner: None,
            value,
        }),
    }
}

/// A further page with these entries.
fn listed(answer: &Value, entries: &[Entry]) -> Value {
    let mut page = Map::new();
    let told = ON_EVERY_PAGE
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), answer.get(*name)?.clone())));
    page.extend(told);
    let mut before: Option<&Entry> = None;
    for entry in entries {
        let Some(list) = list_at(&mut page, entry.list) else {
            continue;
        };
        match &entry.owner {
            None => list.push(entry.value.clone()),
            Some((owner, name)) => {
                let goes_on = before.is_some_and(|before| {
                    let known = before.owner.as_ref().map(|(owner, _)| owner);
                    before.list == entry.list && known == Some(owner)
                });
                if !goes_on {
                    list.push(Value::Object(owner.clone()));
                }
                let last = list.last_mut().and_then(Value::as_object_mut);
                let parts = last.map(|last| {
                    last.entry(*name)
                        .or_insert_with(|| Value::Array(Vec::new()))
                });
                if let Some(parts) = parts.and_then(Value::as_array_mut) {
                    parts.push(entry.value.clone());
                }
            }
        }
        before = Some(entry);
    }
    Value::Object(page)
}

/// The list to which these names lead, made where it is not there.
fn list_at<'a>(page: &'a mut Map<String, Value>, names: &[&str]) -> Option<&'a mut Vec<Value>> {
    let (name, way) = names.split_last()?;
    let mut at = page;
    for name in way {
        let next = at.entry(*name).or_insert_with(|| Value::Object(Map::new()));
        at = next.as_object_mut()?;
    }
    let list = at.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules(names: usize, owners: usize, parts: usize) -> Vec<Rule> {
        vec![
            Rule::of(&["names"], names, Said::Count("more_names")),
            Rule::of(&["in", "owners"], owners, Said::Nothing),
            Rule::within(
                &["in", "owners"],
                "parts",
                &["key"],
                parts,
                Said::Count("more"),
            ),
            Rule::within(&["in", "owners"], "places", &["key"], parts, Said::Nothing),
            Rule::of(&["in", "others"], names, Said::Flag("truncated")),
        ]
    }

    fn levels() -> Vec<Vec<Rule>> {
        vec![
            rules(20, 9, 5),
            rules(6, 4, 2),
            rules(1, 1, 1),
            rules(0, 0, 0),
        ]
    }

    /// Every entry of a page, with where it is.
    fn leaves(page: &Value) -> Vec<String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut found = Vec::new();
        found.extend(
            list(&page["names"])
                .iter()
                .map(|name| format!("names {name}")),
        );
        let inside = &page["in"];
        found.extend(
            list(&inside["others"])
                .iter()
                .map(|name| format!("others {name}")),
        );
        for owner in list(&inside["owners"]) {
            let key = &owner["key"];
            let parts = list(&owner["parts"]);
            found.extend(parts.iter().map(|part| format!("part {key} {part}")));
            let places = list(&owner["places"]);
            found.extend(places.iter().map(|place| format!("place {key} {place}")));
        }
        found
    }

    fn answer(
        names: Vec<String>,
        owners: Vec<(String, Vec<String>, Vec<String>)>,
        fetched_at: &str,
    ) -> Value {
        let owners = owners.into_iter().enumerate();
        let owners: Vec<Value> = owners
            .map(|(key, (words, parts, places))| {
                json!({"key": key, "words": words, "parts": parts, "places": places})
            })
            .collect();
        json!({"pr": "o/r#1", "head_sha": "abc", "fetched_at": fetched_at, "untrusted": ["names"],
            "said_once": "x".repeat(500), "names": names, "in": {"owners": owners, "others": names},
            "not_cut": [1, 2]})
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_pages_together_have_every_entry_once(
            names in proptest::collection::vec(".{0,400}", 0..60),
            owners in proptest::collection::vec(
                (
                    ".{0,300}",
                    proptest::collection::vec(".{0,300}", 0..30),
                    proptest::collection::vec(".{0,80}", 0..6),
                ),
                0..25,
            ),
        ) {
            // The same words may stand in a list twice.
            let whole = answer(names, owners, "2026-01-02T03:04:05Z");
            let pages = all_pages(&whole, &levels());
            let mut told: Vec<String> = pages.iter().flat_map(leaves).collect();
            let mut all = leaves(&whole);
            told.sort_unstable();
            all.sort_unstable();
            prop_assert_eq!(told, all);
            for further in &pages[1..] {
                prop_assert!(further.get("said_once").is_none() && further.get("not_cut").is_none());
                prop_assert_eq!(&further["pr"], &whole["pr"]);
            }
        }
    }

    #[test]
    fn what_fits_is_told_at_once_and_what_is_cut_is_said() {
        let small = answer(vec!["a".to_owned()], Vec::new(), "");
        assert_eq!(all_pages(&small, &levels()), std::slice::from_ref(&small));
        let names = (0..25).map(|number| number.to_string()).collect();
        let parts = vec!["p".to_owned(); 7];
        let owners = vec![("w".to_owned(), parts, Vec::new())];
        let pages = all_pages(&answer(names, owners, ""), &levels());
        let [first, second] = pages.as_slice() else {
            panic!("{pages:?}");
        };
        assert_eq!(
            (&first["more_names"], &first["in"]["truncated"]),
            (&json!(5), &json!(true))
        );
        assert_eq!(first["in"]["owners"][0]["more"], 2);
        assert_eq!(
            second["in"]["owners"],
            json!([{"key": 0, "parts": ["p", "p"]}])
        );
        assert_eq!(second["names"], json!(["20", "21", "22", "23", "24"]));
        let fields: Vec<&String> = second.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["pr", "head_sha", "fetched_at", "untrusted", "names", "in"]
        );
    }

    #[test]
    fn a_cursor_is_good_for_its_call_its_head_and_its_lists() {
        let names = |count: usize| {
            (0..count)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
        };
        let call = |tool, filters: &str, head: &str| Call::new(tool, &filters, &head.repeat(40));
        let own = call("t", "f", "a");
        let get = |given: &str, asked: &Call, answer: &Value| {
            let position = Position::read(asked, given)?;
            page(asked, answer, &levels(), Some(position))
        };
        let whole = answer(names(30), Vec::new(), "2026-01-02T03:04:05Z");
        let first = page(&own, &whole, &levels(), None).unwrap();
        let first: Value = serde_json::from_str(first.get()).unwrap();
        let cursor = first["next_cursor"].as_str().unwrap();
        assert!(get(cursor, &own, &whole).is_ok());
        // The time is another one at the next call, and longer.
        let later = answer(names(30), Vec::new(), "2026-01-02T03:04:06.123456789Z");
        assert!(get(cursor, &own, &later).is_ok());
        let code =
            |given: &str, asked: &Call, answer: &Value| get(given, asked, answer).unwrap_err().code;
        assert_eq!(code(cursor, &call("t", "f", "b"), &whole), "head_moved");
        assert_eq!(
            code(cursor, &call("t", "g", "a"), &whole),
            "invalid_argument"
        );
        assert_eq!(
            code(cursor, &call("u", "f", "a"), &whole),
            "invalid_argument"
        );
        let changed = answer(names(31), Vec::new(), "");
        assert_eq!(code(cursor, &own, &changed), "head_moved");
        let digest = cursor.split('.').nth(3).unwrap();
        for position in [
            "",
            "0",
            "9.0.0",
            &format!("0.{digest}.20"),
            &format!("0.{digest}.x"),
            &format!("9.{digest}.0"),
        ] {
            let damaged = head_cursor::make("t", &own.filters, &own.head, position);
            let code = code(&damaged, &own, &whole);
            assert_eq!(code, "invalid_argument", "{position}");
        }
    }

    #[test]
    fn what_was_not_even_gathered_stays_counted() {
        let mut answer = json!({"names": [1, 2, 3], "more": 4});
        let rule = Rule::of(&["names"], 1, Said::Count("more"));
        assert_eq!(cut(&mut answer, &[rule]).len(), 2);
        assert_eq!(answer, json!({"names": [1], "more": 6}));
    }

    #[test]
    fn warnings_may_come_in_other_words() {
        let with = |words: &str| json!({"names": [], "warnings": [words, words]});
        let rules = [vec![Rule::of(&["warnings"], 1, Said::Nothing)]];
        let call = Call::new("t", &"f", &"a".repeat(40));
        let first = page(&call, &with("retry in 9 s"), &rules, None).unwrap();
        let first: Value = serde_json::from_str(first.get()).unwrap();
        let position = Position::read(&call, first["next_cursor"].as_str().unwrap()).unwrap();
        let second = page(&call, &with("retry in 8 s"), &rules, Some(position)).unwrap();
        let second: Value = serde_json::from_str(second.get()).unwrap();
        assert_eq!(second["warnings"], json!(["retry in 8 s"]));
    }
}
