//! Entries for which an answer has no room: how they are taken out of it, and how a further page has
//! them.

use serde_json::{Map, Value};

use super::{ON_EVERY_PAGE, Rule, Said, WARNINGS, Within};
use crate::domain::cursor;

/// An entry that was cut.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    list: &'static [&'static str],
    /// The entry of the list that it belongs to, and in which list of that; none when it is an entry
    /// of the list itself.
    owner: Option<(Map<String, Value>, &'static str)>,
    /// Which entry of the list that is: the fields that name it may be those of another one too.
    place: usize,
    value: Value,
}

/// Names the lists that the rules cut, before they do: another number is of other lists. What the
/// first page shows counts as much as what is cut, else a plan could be of two moments.
pub(super) fn digest(answer: &Value, rules: &[Rule]) -> u32 {
    let lists = firsts(rules).map(|rule| {
        let mut way = rule.list.iter();
        let list = way.try_fold(answer, |at, name| at.get(*name));
        let list = list.and_then(Value::as_array).map(Vec::as_slice);
        let list = list.unwrap_or_default();
        match rule.list {
            // Where a page begins follows from how many are cut, not from their words.
            [WARNINGS] => vec![Value::from(list.len().saturating_sub(rule.most))],
            _ => list.iter().map(|one| lasting(one, rule)).collect(),
        }
    });
    let lists: Vec<Vec<Value>> = lists.collect();
    cursor::fingerprint("lists", &lists)
}

/// An entry without what passes.
fn lasting(entry: &Value, rule: &Rule) -> Value {
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        fields.retain(|name, _| !rule.passing.contains(&name.as_str()));
    }
    entry
}

/// The first rule about each list.
fn firsts(rules: &[Rule]) -> impl Iterator<Item = &Rule> {
    let numbered = rules.iter().enumerate();
    let firsts =
        numbered.filter(|(place, rule)| rules[..*place].iter().all(|it| it.list != rule.list));
    firsts.map(|(_, rule)| rule)
}

/// Cuts an answer by the rules, and gives what was cut.
pub(super) fn cut(answer: &mut Value, rules: &[Rule]) -> Vec<Entry> {
    let mut entries = Vec::new();
    // All rules about a list are carried out with the first of them.
    for rule in firsts(rules) {
        let of_list = rules.iter().filter(|other| other.list == rule.list);
        cut_list(answer, rule.list, of_list, &mut entries);
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
    let mut places = 0..;
    let kept = parent.get_mut(*name).into_iter().flat_map(as_list);
    for (kept, place) in kept.zip(&mut places) {
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
                place,
                value,
            }));
        }
    }
    for (value, place) in gone.into_iter().zip(places) {
        take_apart((list, place), value, &inner, entries);
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
    (list, place): (&'static [&'static str], usize),
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
                place,
                value,
            }));
        }
        value => entries.push(Entry {
            list,
            owner: None,
            place,
            value,
        }),
    }
}

/// A further page with these entries.
pub(super) fn listed(answer: &Value, entries: &[Entry]) -> Value {
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
                let is_same = |before: &Entry| {
                    let known = before.owner.as_ref().map(|(owner, _)| owner);
                    (before.list, before.place, known) == (entry.list, entry.place, Some(owner))
                };
                let goes_on = before.is_some_and(is_same);
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
