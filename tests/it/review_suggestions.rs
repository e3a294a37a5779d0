//! What to look at in a pull request, with the real gh against the stand-in.

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Answer, Cost, Place, Server, field, issues};

const TOOL: &str = "get_review_suggestions";
const TEMPLATE: &str = "## What\n<!-- say it -->\n\n## How tested\n- [ ] by hand\n";

/// Put together here, so that no scanner takes this file for a leak.
fn secret() -> String {
    ["ghp_", &"a1".repeat(18)].concat()
}

/// `acme/api#2`, which closes issue 1 and touches code, a workflow, documentation and a lock file.
fn world() -> World {
    let mut world = issues(1);
    world
        .issue("acme/api", 1)
        .body("Ids are text.\n\n- [ ] ids are bound\n- [x] a test shows it\n");
    let repository = world.repository("acme/api");
    let pull = repository.add_pull_request("fix!: bind ids", &[1]);
    pull.body(format!(
        "## What\nBinds ids, see #40 and #1. Token: {}\n## How tested\n- [ ] by hand\n",
        secret()
    ));
    pull.author("bob").labels(&["bug"]);
    pull.thread("lea", "src/db.rs", 42, "This can inject SQL.");
    let code = format!(
        "@@ -40,3 +40,5 @@ fn read() {{\n let a = 1;\n-let q = \"\";\n+let q = format!(\"SELECT a FROM t WHERE id = {{id}}\");\n\
         +let row = rows.next().unwrap();\n+let token = \"{}\";\n end",
        secret()
    );
    let workflow = "@@ -1,2 +1,3 @@\n on:\n+  pull_request_target:\n jobs:";
    let merges = &mut repository.merges;
    merges
        .changes_file(2, file("README.md", 1, "@@ -1 +1,2 @@\n a\n+b"))
        .changes_file(2, file("Cargo.lock", 1, "@@ -1 +1,2 @@\n a\n+b"))
        .changes_file(2, file("src/db.rs", 3, &code))
        .changes_file(2, file(".github/workflows/ci.yml", 1, workflow))
        .changes_file(
            2,
            json!({"filename": "logo.png", "status": "added", "additions": 0, "deletions": 0}),
        )
        .template(TEMPLATE)
        .say_of(
            2,
            "commits",
            json!([{"commit": {"messageHeadline": "Bind ids", "messageBody": "", "statusCheckRollup": {"state": "FAILURE"}}}]),
        );
    world
}

fn file(path: &str, additions: u64, patch: &str) -> Value {
    json!({"filename": path, "status": "modified", "additions": additions, "deletions": 0, "patch": patch})
}

fn ask(server: &Server, more: Value) -> Answer {
    let mut arguments = json!({"pr": "acme/api#2"});
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    server.tool(TOOL, arguments)
}

fn paths(answer: &Value) -> Vec<&str> {
    let files = answer["files"].as_array().expect("there is a list");
    files.iter().map(|file| field(file, "path")).collect()
}

/// Codes of the points of a file.
fn codes<'a>(answer: &'a Value, path: &str) -> Vec<&'a str> {
    let files = answer["files"].as_array().expect("there is a list");
    let found = files.iter().find(|file| file["path"] == path);
    let points = found.and_then(|file| file["focus_points"].as_array());
    let points = points.into_iter().flatten();
    points.map(|point| field(point, "code")).collect()
}

fn questions(answer: &Value, category: &str) -> String {
    let sections = answer["review_checklist"].as_array().into_iter().flatten();
    let found = sections.filter(|section| section["category"] == category);
    found.map(|section| section["items"].to_string()).collect()
}

#[test]
fn one_look_costs_three_processes_and_tells_what_to_look_at() {
    let place = Place::new(world());
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, json!({})).expect(200);
    assert_eq!(place.cost(), Cost::is(3, 2, 1));
    assert_eq!(
        paths(&answer),
        [
            "src/db.rs",
            ".github/workflows/ci.yml",
            "logo.png",
            "README.md",
            "Cargo.lock"
        ]
    );
    assert_eq!(
        codes(&answer, "src/db.rs"),
        ["sql_built_from_strings", "rust_unwrap", "secret"]
    );
    assert_eq!(
        codes(&answer, ".github/workflows/ci.yml"),
        ["pull_request_target"]
    );
    let points = &answer["files"][0]["focus_points"];
    assert_eq!(
        (&points[1]["line"], &points[1]["area"]),
        (&json!(42), &json!("errors"))
    );
    assert_eq!(points[1]["text"], "let row = rows.next().unwrap();");
    let metadata = &answer["metadata"];
    assert_eq!(
        (&metadata["title"], &metadata["author"], &metadata["labels"]),
        (&json!("fix!: bind ids"), &json!("bob"), &json!(["bug"]))
    );
    let context = &answer["context"];
    assert_eq!(
        context["related_issues"],
        json!([{"issue": "acme/api#1", "title": "Issue 1", "acceptance": ["[ ] ids are bound", "[x] a test shows it"]}])
    );
    assert_eq!(context["mentioned"], json!(["#40"]));
    assert_eq!(context["breaking_changes_detected"], true);
    assert_eq!(
        (&context["ci"], &context["unresolved_threads"]),
        (&json!("failure"), &json!(1))
    );
    assert_eq!(answer["totals"]["files"], 5);
    for (category, words) in [
        ("acceptance", "ids are bound"),
        ("tests", "3 lines of code are new and no test changed"),
        ("security", ".github/workflows/ci.yml:2"),
        ("errors", "src/db.rs:42"),
        ("conversations", "find_unresolved_comments"),
        ("ci", "get_failing_tests"),
        ("deps", "Cargo.lock"),
        ("description", "How tested"),
    ] {
        let asked = questions(&answer, category);
        assert!(asked.contains(words), "{category}: {asked} in {answer}");
    }
    let diff = field(&answer, "diff");
    assert!(
        diff.starts_with("+++ src/db.rs\n@@ -40,3 +40,5 @@ fn read() {\n let a = 1;\n"),
        "{diff}"
    );
    assert!(
        diff.contains("+  pull_request_target:\n") && !diff.contains("Cargo.lock"),
        "{diff}"
    );
    assert_eq!(answer["files"][0]["diff"], "whole");
    assert!(
        answer["next_cursor"].is_null() && answer["warnings"].is_null(),
        "{answer}"
    );
    let text = answer.to_string();
    assert!(
        !text.contains("a1a1") && text.contains("ghp_[masked]"),
        "{text}"
    );
    // The second call looks whether the pull request is still the same.
    place.github.clear_requests();
    let tests = ask(
        &server,
        json!({"focus_areas": ["ci", "errors"], "include_diff": false}),
    );
    let tests = tests.expect(200);
    place.assert_repeat(1, 0);
    assert_eq!(codes(&tests, "src/db.rs"), ["rust_unwrap"]);
    assert_eq!(questions(&tests, "security"), "");
    assert!(!questions(&tests, "ci").is_empty());
    assert!(tests["diff"].is_null() && tests["files"][0]["diff"].is_null());
}

#[test]
fn files_are_named_by_patterns_and_even_lock_files_are_shown_then() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let answer = ask(&server, json!({"files": ["*.lock", "/src/"]})).expect(200);
    assert_eq!(paths(&answer), ["src/db.rs", "Cargo.lock"]);
    assert!(field(&answer, "diff").contains("+++ Cargo.lock\n"));
}

/// A pull request of many files, some of them large.
fn large() -> World {
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    repository
        .add_pull_request("Large", &[1])
        .body("y".repeat(20_000));
    for number in 0..40 {
        let path = format!("src/{}/file_{number}.rs", "deep".repeat(20));
        let hunk = |hunk: usize| {
            let lines = "+let value = compute(number).unwrap();\n".repeat(9);
            format!("@@ -{0},0 +{0},9 @@\n{lines}", hunk * 50 + 1)
        };
        let patch: String = (0..(number % 7) + 1).map(hunk).collect();
        let merges = &mut repository.merges;
        merges.changes_file(2, file(&path, 9, patch.trim_end()));
    }
    world
}

#[test]
fn pages_are_small_and_together_show_everything_once() {
    let place = Place::new(large());
    let server = place.serve_synced();
    let mut cursor = Value::Null;
    let (mut listed, mut hunks, mut pages, mut points) = (Vec::new(), 0, 0, 0);
    loop {
        let more = match &cursor {
            Value::Null => json!({}),
            cursor => json!({"cursor": cursor}),
        };
        let page = ask(&server, more);
        assert!(page.body.len() <= 8_192, "{} bytes", page.body.len());
        let mut answer = page.expect(200);
        let diff = answer["diff"]
            .take()
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(diff.lines().count() <= 200);
        hunks += diff.matches("\n@@ ").count();
        let new = answer["files"].as_array().into_iter().flatten();
        let new = new.filter(|file| file["focus_points"].is_array());
        for file in new {
            listed.push(field(file, "path").to_owned());
            points += file["focus_points"].as_array().map_or(0, Vec::len);
        }
        assert_eq!(pages == 0, answer["metadata"].is_object(), "said once");
        pages += 1;
        cursor = answer["next_cursor"].take();
        if cursor.is_null() {
            assert!(answer["omitted"].is_null(), "{answer}");
            break;
        }
        // What is left is counted until all files are told; then come the points without room.
        let is_rest = answer["totals"].is_null() && diff.is_empty();
        let is_last_of_files = answer["omitted"].is_null() && !diff.is_empty();
        assert!(
            answer["omitted"].is_object() || is_rest || is_last_of_files,
            "{answer}"
        );
        assert!(pages < 80, "{answer}");
    }
    let hunks_of_all: usize = (0..40).map(|number| number % 7 + 1).sum();
    assert_eq!(points, 9 * hunks_of_all);
    listed.sort_unstable();
    listed.dedup();
    assert_eq!((listed.len(), hunks), (40, hunks_of_all));
    let first = ask(&server, json!({})).expect(200);
    // The next page asks no more of GitHub than the same question would. The list of files is
    // remembered for half a minute, which the pages above may have taken.
    place.github.clear_requests();
    ask(&server, json!({"cursor": first["next_cursor"]})).expect(200);
    place.assert_repeat(2, 0);
    // Every transport has the same pages: the record and the block with the diff make one.
    let by_mcp = place.mcp().joined();
    let page = by_mcp.tool(TOOL, json!({"pr": "acme/api#2", "max_diff_lines": 500}));
    let bytes: usize = page.texts.iter().map(String::len).sum();
    assert!(page.texts.len() == 2 && bytes <= 8_192, "{bytes} bytes");
    let cursor = field(&first, "next_cursor");
    let flags = [
        "get-review-suggestions",
        "--pr",
        "acme/api#2",
        "--cursor",
        cursor,
    ];
    let text = place.cli(&flags).stdout;
    assert!(text.contains("\nmore with --cursor "), "{text}");
    place.github.change(|world| {
        world
            .issue("acme/api", 2)
            .push("b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0", &[]);
    });
    let cursor = &first["next_cursor"];
    let moved = ask(&server, json!({"cursor": cursor}));
    assert_eq!(moved.status, 409, "{}", moved.text());
    assert_eq!(moved.json()["code"], "head_moved");
    let other = ask(&server, json!({"cursor": cursor, "max_diff_lines": 100}));
    assert_eq!(other.expect(400)["code"], "invalid_argument");
}

#[test]
fn every_transport_tells_the_same_and_the_diff_is_plain_text() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let told = ask(&server, json!({})).expect(200);
    let ran = place.cli(&["get-review-suggestions", "--pr", "acme/api#2", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for name in ["files", "review_checklist", "diff", "context"] {
        assert_eq!(ran.json()[name], told[name], "{name}");
    }
    let by_mcp = place.mcp().joined().tool(TOOL, json!({"pr": "acme/api#2"}));
    let record = by_mcp.record();
    assert_eq!(record["files"], told["files"]);
    assert!(record["diff"].is_null(), "the diff is a block of its own");
    let block = by_mcp.texts.get(1).expect("there is a second block");
    assert!(
        block.contains("untrusted") && block.contains("\n+let row = rows.next().unwrap();\n"),
        "{block}"
    );
    assert!(!block.contains("a1a1"), "{block}");
    let ran = place.cli(&["get-review-suggestions", "--pr", "acme/api#2"]);
    let text = &ran.stdout;
    for words in [
        "fix!: bind ids by bob",
        "labels: bug\n",
        "closes acme/api#1 Issue 1",
        "mentions #40\n",
        "- acceptance: is it met: ids are bound",
        "src/db.rs  modified, backend, +3 -0, diff: whole",
        "  42  rust_unwrap: let row = rows.next().unwrap();",
        "\n+++ src/db.rs\n@@ -40,3 +40,5 @@ fn read() {\n",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("a1a1"), "{text}");
}

#[test]
fn what_cannot_be_read_is_said_and_what_cannot_be_asked_refused() {
    let place = Place::new(world());
    let server = place.serve_synced();
    place.github.inject(Fault::graphql_refused());
    let answer = ask(&server, json!({})).expect(200);
    assert_eq!(answer["warnings"][0]["source"], "graphql", "{answer}");
    for unknown in ["ci", "unresolved_threads"] {
        assert!(answer["context"][unknown].is_null(), "{unknown}: {answer}");
    }
    assert_eq!(
        codes(&answer, ".github/workflows/ci.yml"),
        ["pull_request_target"]
    );
    place.github.clear_faults();
    place.github.change(|world| {
        world.repository("acme/api").add_pull_request("Empty", &[]);
    });
    for (arguments, status, code) in [
        (json!({"pr": "acme/api#3"}), 409, "no_changes"),
        (json!({"pr": "acme/api#1"}), 400, "not_a_pull_request"),
        (json!({"pr": "acme/api#99"}), 404, "not_found"),
        (json!({"focus_areas": ["beauty"]}), 400, "invalid_argument"),
        (json!({"files": ["!src/"]}), 400, "invalid_argument"),
        (json!({"files": ["nowhere/"]}), 400, "invalid_argument"),
        (json!({"max_diff_lines": 0}), 400, "invalid_argument"),
        (json!({"max_diff_lines": 5_000}), 400, "invalid_argument"),
        (json!({"cursor": "nonsense"}), 400, "invalid_argument"),
    ] {
        let answer = ask(&server, arguments.clone());
        assert_eq!(answer.status, status, "{arguments}: {}", answer.text());
        assert_eq!(answer.json()["code"], code, "{arguments}");
        assert!(!field(&answer.json(), "suggestion").is_empty());
    }
}
