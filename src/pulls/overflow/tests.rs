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
    // So it is where only what the first page has shown is another: the pages belong together.
    let mut in_place = whole.clone();
    in_place["in"]["others"][0] = json!("x");
    assert_eq!(code(cursor, &own, &in_place), "head_moved");
    let digest = cursor.split('.').nth(3).unwrap();
    for position in [
        "",
        "0",
        "9.0.0",
        &format!("0.{digest}.20"),
        &format!("0.{digest}.x"),
        &format!("9.{digest}.0"),
    ] {
        let damaged = own.make(position);
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

#[test]
fn warnings_are_shortened_before_one_is_left_out() {
    let warning = |number: usize| {
        let reason = format!("{number} {}", "because ".repeat(20));
        Warning::new("source", reason, "something is unknown")
    };
    let all: Vec<Warning> = (0..11).map(warning).collect();
    let told = fit_warnings(all.clone(), 1_600);
    assert_eq!(told.len(), 11);
    assert!(told[10].reason.starts_with("10 because"), "{told:?}");
    assert_eq!(fit_warnings(all[..3].to_vec(), 1_600), all[..3]);
    let told = fit_warnings(all, 400);
    let last = told.last().unwrap();
    let left = 11 - (told.len() - 1);
    assert_eq!(last.reason, format!("{left} more"));
}

#[test]
fn parts_of_two_owners_of_one_name_stay_apart() {
    let owner = |parts: &[u8]| json!({"key": "k", "parts": parts});
    let whole =
        json!({"in": {"owners": [owner(&[1, 2]), owner(&[3, 4]), owner(&[5]), owner(&[6])]}});
    let levels = [vec![
        Rule::of(&["in", "owners"], 2, Said::Nothing),
        Rule::within(&["in", "owners"], "parts", &["key"], 1, Said::Nothing),
    ]];
    let pages = all_pages(&whole, &levels);
    let owners = [owner(&[2]), owner(&[4]), owner(&[5]), owner(&[6])];
    assert_eq!(pages[1]["in"]["owners"], json!(owners));
}
