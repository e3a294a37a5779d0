//! How an answer is cut into pages, and that nothing is lost on the way.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::analyse::{FailedCheck, Reading, judge};
use super::tests::{check, failed, now, reading, required};
use super::{ERROR_LINES_MAX, Filters, Query, Start, TOOL, fill, frame};
use crate::domain::Host;
use crate::pulls::checks::CheckState;
use crate::pulls::ci_log::{Failure, FailureKind};
use crate::pulls::{PullId, Warning};

/// A long name of which no two are the same.
fn long(number: usize, bytes: usize, filler: &str) -> String {
    format!("{number} {}", filler.repeat(bytes / filler.len()))
}

/// Everything that can be long is, and there is much of it.
pub(super) fn extreme(
    filler: &str,
    bytes: usize,
    failures: usize,
) -> (Reading, Query, Vec<Warning>) {
    let many = |count: usize| (0..count).map(move |number| long(number, bytes, filler));
    let failure = |number: usize| {
        let name = long(number, bytes, filler);
        let lines: Vec<String> = many(12).collect();
        Failure {
            file: Some(name.clone()),
            line: Some(u32::MAX),
            excerpt: lines,
            ..Failure::new(FailureKind::Test, &name, &name, &name)
        }
        .reproduced_by(format!("pytest '{name}'"))
    };
    let all: Vec<Failure> = (0..failures).map(failure).collect();
    let mut of_checks: Vec<FailedCheck> = many(20).map(|name| failed(&name, all.clone())).collect();
    for failed in &mut of_checks {
        failed.check.details_url = Some(format!("https://example.com/{}", "u".repeat(bytes)));
    }
    let mut reading = reading(vec![check("a", CheckState::Pending)], of_checks);
    reading.required.contexts = many(300).map(|name| required(&name)).collect();
    let query = Query {
        pr: PullId::parse(
            &format!("{}/{}#5", "o".repeat(39), "r".repeat(100)),
            &Host::default(),
        )
        .unwrap(),
        wait: true,
        bail_on_first: false,
        max_wait: Duration::ZERO,
        filters: Filters {
            checks: many(50).collect(),
            ignore_checks: many(50).collect(),
            ..Filters::default()
        },
        error_lines_max: ERROR_LINES_MAX,
        cursor: None,
    };
    let warnings =
        many(40).map(|reason| Warning::new("check_runs", reason, "checks may be missing"));
    (reading, query, warnings.collect())
}

/// All pages of an answer, each of bearable size.
fn pages(reading: &Reading, query: &Query, warnings: &[Warning]) -> Vec<Value> {
    let verdict = judge(reading, now());
    let (mut all, mut start) = (Vec::new(), Start::default());
    loop {
        let mut answer = frame(
            &reading.pull,
            query,
            &verdict,
            warnings.to_vec(),
            Timestamp::MAX,
        );
        answer.head_changed_from = Some("9f3c1e2a".repeat(5));
        let answer = fill(answer, query, &verdict, start).unwrap();
        let json = answer.page().unwrap().get().to_owned();
        let most = crate::domain::limits::ANSWER_BYTES_MAX;
        assert!(
            json.len() <= most,
            "page {}: {} bytes",
            all.len(),
            json.len()
        );
        let page: Value = serde_json::from_str(&json).unwrap();
        let next = page["next_cursor"].as_str().map(str::to_owned);
        all.push(page);
        let Some(next) = next else {
            return all;
        };
        let query = Query {
            cursor: Some(next),
            ..query.clone()
        };
        start = query.start(TOOL, &reading.pull.head.sha).unwrap();
        assert!(all.len() < 1_000, "there is no end of pages");
    }
}

#[test]
fn the_answer_stays_small_and_says_what_is_gone() {
    const ESCAPE: &str = "\u{1b}[0m";
    // Each letter with each length, and each of both with one failure and with several: all of all
    // would take a minute. A page has no room for two names of the last length.
    for (filler, bytes, failures) in [
        ("ä", 40, 12),
        ("ä", 1_000, 1),
        ("ä", 4_500, 3),
        ("\"", 40, 1),
        ("\"", 1_000, 12),
        ("\"", 4_500, 1),
        (ESCAPE, 40, 12),
        (ESCAPE, 1_000, 1),
        (ESCAPE, 4_500, 1),
    ] {
        let (reading, query, warnings) = extreme(filler, bytes, failures);
        let pages = pages(&reading, &query, &warnings);
        // The pages with failures, and those with what had no room beside them.
        let is_own = |page: &&Value| page["status"].is_string();
        let (own, rest): (Vec<&Value>, Vec<&Value>) = pages.iter().partition(is_own);
        let told: usize = own
            .iter()
            .map(|page| page["failures"].as_array().unwrap().len())
            .sum();
        assert_eq!(told, failures, "{filler:?} {bytes}");
        let first = &pages[0];
        let left = |pointer: &str| {
            let lists = rest
                .iter()
                .filter_map(|page| page.pointer(pointer)?.as_array());
            lists.map(|list| list.len() as u64).sum::<u64>()
        };
        let (more_missing, more_warnings) = (left("/counts/missing_required"), left("/warnings"));
        assert_eq!(first["counts"]["more_missing_required"], more_missing);
        assert_eq!(first["more_warnings"], more_warnings);
        let more_checks = own
            .iter()
            .flat_map(|page| page["failures"].as_array().unwrap());
        let more_checks: u64 = more_checks
            .filter_map(|failure| failure["more_checks"].as_u64())
            .sum();
        let rest_of_checks = rest.iter().filter_map(|page| page["failures"].as_array());
        let rest_of_checks = rest_of_checks.flatten().map(|failure| {
            assert!(failure["id"].is_string(), "{failure}");
            failure["checks"].as_array().unwrap().len() as u64
        });
        assert_eq!(rest_of_checks.sum::<u64>(), more_checks);
        let counts = &first["counts"];
        let named = counts["missing_required"].as_array().unwrap().len() as u64;
        assert_eq!(
            named + counts["more_missing_required"].as_u64().unwrap(),
            300
        );
        let warned = first["warnings"].as_array().unwrap().len() as u64;
        assert_eq!(warned + first["more_warnings"].as_u64().unwrap(), 40);
        for failure in own
            .iter()
            .flat_map(|page| page["failures"].as_array().unwrap())
        {
            let checks = failure["checks"].as_array().unwrap().len() as u64;
            assert_eq!(checks + failure["more_checks"].as_u64().unwrap_or(0), 20);
            let is_cut = failure["cut"].is_array();
            assert!(is_cut || failure["reproduce"].is_string(), "{failure}");
        }
    }
}

#[test]
fn failures_that_come_in_between_end_the_pages() {
    let of = |count: usize, kind| {
        let name = |number: usize| format!("{kind:?} {number}");
        let failures = (0..count).map(|number| Failure::new(kind, "f", &name(number), "no"));
        failed("job", failures.collect())
    };
    let query = Query {
        filters: Filters::default(),
        ..extreme("x", 3, 1).1
    };
    let told = of(12, FailureKind::Build);
    let page = |failed: Vec<FailedCheck>, cursor: Option<String>| {
        let reading = reading(Vec::new(), failed);
        let query = Query {
            cursor,
            ..query.clone()
        };
        let verdict = judge(&reading, now());
        let start = query.start(TOOL, &reading.pull.head.sha)?;
        let answer = frame(&reading.pull, &query, &verdict, Vec::new(), now());
        fill(answer, &query, &verdict, start)
    };
    let cursor = page(vec![told.clone()], None).unwrap().next_cursor;
    let later = of(1, FailureKind::Infra);
    let same = page(vec![told.clone(), later], cursor.clone()).unwrap();
    assert_eq!(same.failures.len(), 3, "what comes behind is told");
    let earlier = of(1, FailureKind::Test);
    let moved = page(vec![told, earlier], cursor).unwrap_err();
    assert_eq!(moved.code, "head_moved");
}

/// All pages of the largest answer that can be built.
pub(in crate::pulls) fn largest(letters: &str) -> Vec<String> {
    let (reading, query, warnings) = extreme(letters, 1_200, 6);
    let pages = pages(&reading, &query, &warnings);
    pages.iter().map(Value::to_string).collect()
}

#[test]
fn what_is_short_is_told_whole() {
    let (reading, query, _) = extreme("x", 3, 1);
    let query = Query {
        filters: Filters::default(),
        ..query
    };
    let verdict = judge(&reading, now());
    let failure = super::fit::failure(&verdict.failures[0], ERROR_LINES_MAX).unwrap();
    assert_eq!(failure, verdict.failures[0]);
    let mut few = reading;
    few.required.contexts.truncate(3);
    let pages = pages(&few, &query, &[]);
    let text = pages[0].to_string();
    for gone in [
        "more_missing_required",
        "more_warnings",
        "more_checks",
        "\"cut\"",
    ] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert_eq!(
        pages[0]["counts"]["missing_required"],
        json!(["0 xxx", "1 xxx", "2 xxx"])
    );
}
