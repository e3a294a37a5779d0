//! What an agent reads to learn what is wrong with a pull request: a bar on its bytes, on a pull
//! request with 12 jobs, three of which fail with long logs, and 40 review threads.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::github::{FAILING_TESTS, OPEN_THREADS, THREADS, World};
use crate::support::{McpClient, Place, field};

const PULL: &str = "acme/api#2";

/// What the three answers may take together: about three thousand tokens.
const BYTES_MAX: usize = 12 * 1024;

const TOOLS: [&str; 3] = [
    "get_failing_tests",
    "find_unresolved_comments",
    "check_merge_readiness",
];

fn client() -> (Place, McpClient) {
    let place = Place::new(World::pull_request());
    let client = place.mcp().joined().synced();
    (place, client)
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    let list = answer[name].as_array();
    list.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[test]
fn three_answers_fit_into_twelve_kibibytes() {
    let (_place, client) = client();
    let answers = TOOLS.map(|tool| client.tool(tool, json!({"pr": PULL})));
    let sizes = answers
        .each_ref()
        .map(|answer| answer.texts.iter().map(String::len).sum::<usize>());
    let all: usize = sizes.iter().sum();
    assert!(all <= BYTES_MAX, "{all} bytes: {TOOLS:?} {sizes:?}");
    let [failing, comments, readiness] = answers.each_ref().map(|answer| answer.record());

    let named: BTreeSet<&str> = list(&failing, "failures")
        .iter()
        .map(|failure| field(failure, "test"))
        .collect();
    assert_eq!(named, BTreeSet::from(FAILING_TESTS), "{failing}");
    assert_eq!(failing["counts"]["failed"], 3, "{failing}");

    let told: Vec<(&str, u64)> = list(&comments, "comments")
        .iter()
        .map(|comment| {
            (
                field(comment, "path"),
                comment["line"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    let expected = OPEN_THREADS.map(|(path, line, _)| (path, line));
    assert_eq!(
        BTreeSet::from_iter(told.clone()),
        expected.into(),
        "{comments}"
    );
    assert_eq!(told.len(), OPEN_THREADS.len(), "each once: {comments}");
    for (path, _, words) in OPEN_THREADS {
        let has =
            |comment: &&Value| comment["path"] == path && field(comment, "body").contains(words);
        let found = list(&comments, "comments").iter().find(has);
        assert!(found.is_some(), "{path}: {words}: {comments}");
    }
    assert_eq!(comments["total_threads"], THREADS, "{comments}");

    assert_eq!(readiness["verdict"], "blocked", "{readiness}");
    let blockers: BTreeSet<&str> = list(&readiness, "blocking_issues")
        .iter()
        .map(|blocker| field(blocker, "category"))
        .collect();
    let expected = [
        "behind",
        "changes_requested",
        "check_failing",
        "check_missing",
        "review_required",
        "threads",
    ];
    assert_eq!(blockers, expected.into(), "{readiness}");

    // Nothing else: no second page, no passing test, no settled thread, nothing that degraded.
    for (tool, answer) in TOOLS.iter().zip(&answers) {
        let text = answer.texts.join("\n");
        for other in [
            "next_cursor",
            "warnings",
            "truncated",
            "Settled",
            "PASSED",
            "... ok",
            "✓",
        ] {
            assert!(!text.contains(other), "{tool} says {other}: {text}");
        }
    }
}
