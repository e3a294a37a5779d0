//! What a pull request touches, with the real gh against the stand-in.

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Answer, Cost, Place, Server, field, issues};

const TOOL: &str = "analyze_pr_impact";

/// `acme/api#2` by `bob`, which closes issue 1; #3 and #4 touch the same code and other files.
fn world() -> World {
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    repository.add_pull_request("Bind ids", &[1]).author("bob");
    repository.add_pull_request("Other", &[]).author("agent-3");
    repository.add_pull_request("Apart", &[]);
    let lock = "@@ -1,4 +1,4 @@\n [[package]]\n name = \"tokio\"\n-version = \"1.40.0\"\n+version = \"2.0.0\"";
    let code = "@@ -40,2 +40,2 @@\n-pub fn gone() {}\n+fn kept() {}";
    let merges = &mut repository.merges;
    merges
        .changes_file(2, file("src/db.rs", 120, code))
        .changes_file(2, file("src/api.rs", 10, "@@ -1 +1 @@\n+a"))
        .changes_file(2, file(".github/workflows/ci.yml", 1, "@@ -1 +1 @@\n+  contents: write"))
        .changes_file(2, file("Cargo.lock", 900, lock))
        .changes_file(2, file("NOTES.txt", 1, "@@ -1 +1 @@\n+a"))
        .changes_file(3, file("src/db.rs", 1, "@@ -41 +41 @@\n-a\n+b"))
        .changes(4, "README.md")
        .file("main", "CODEOWNERS", "* @acme/core\n/src/ @lea @bob\nNOTES.txt\n")
        .file("main", "docs/CODEOWNERS", "* @nobody\n")
        .authors("main", "src/db.rs", &["lea", "kim", "lea", "-", "bob", "dependabot[bot]"])
        .authors("main", "src/api.rs", &["kim"])
        .dependency(json!({"change_type": "removed", "manifest": "Cargo.lock", "ecosystem": "cargo",
            "name": "tokio", "version": "1.40.0", "vulnerabilities": []}))
        .dependency(json!({"change_type": "added", "manifest": "Cargo.lock", "ecosystem": "cargo",
            "name": "tokio", "version": "2.0.0", "vulnerabilities":
            [{"severity": "high", "advisory_ghsa_id": "GHSA-1", "advisory_summary": "x", "advisory_url": "https://x"}]}));
    world
}

fn file(path: &str, additions: u64, patch: &str) -> Value {
    json!({"filename": path, "status": "modified", "additions": additions, "deletions": 1, "patch": patch})
}

fn ask(server: &Server, more: Value) -> Answer {
    let mut arguments = json!({"pr": "acme/api#2"});
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    server.tool(TOOL, arguments)
}

fn factors(answer: &Value) -> Vec<(&str, u64)> {
    let factors = answer["risk"]["factors"]
        .as_array()
        .expect("there is a list");
    let pair = |factor| {
        (
            field(factor, "code"),
            factor["points"].as_u64().expect("points"),
        )
    };
    factors.iter().map(pair).collect()
}

#[test]
fn one_look_costs_six_processes_and_explains_every_point() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let claimed = server.tool(
        "claim_issue",
        json!({"agent_id": "agent-3", "repo": "acme/api", "issue_number": 1}),
    );
    let claim_id = field(&claimed.expect(200)["claim"], "claim_id").to_owned();
    for arguments in [
        json!({"claim_id": claim_id, "agent_id": "agent-3", "status": "in_progress"}),
        json!({"claim_id": claim_id, "agent_id": "agent-3", "status": "pr_submitted",
            "pr_url": "https://github.com/acme/api/pull/3"}),
    ] {
        server.tool("update_claim_status", arguments).expect(200);
    }
    place.github.clear_requests();
    let answer = ask(&server, json!({})).expect(200);
    assert_eq!(place.cost(), Cost::is(6, 3, 3));
    assert_eq!(
        factors(&answer),
        [
            ("vulnerable_dependency", 25),
            ("workflows_changed", 15),
            ("workflow_rights", 15),
            ("dependency_added_or_major", 10),
            ("code_without_tests", 10),
            ("public_api_removed", 10),
            ("unowned_files", 5),
            ("size", 2),
        ],
        "{answer}"
    );
    let risk = &answer["risk"];
    assert_eq!(
        (&risk["score"], &risk["level"]),
        (&json!(92), &json!("critical"))
    );
    assert_eq!(
        risk["factors"][5]["evidence"],
        json!(["gone (src/db.rs:40, before)"])
    );
    assert_eq!(
        answer["changes"],
        json!({"files_changed": 5, "additions": 1_032, "deletions": 5, "commits": 1, "code_lines": 132, "generated_files": 1})
    );
    assert_eq!(answer["impact_areas"][1]["category"], "backend");
    assert_eq!(
        answer["impact_areas"][1]["files"],
        json!(["src/db.rs", "src/api.rs"])
    );
    assert_eq!(
        answer["dependencies"],
        json!([{"name": "tokio", "from": "1.40.0", "to": "2.0.0", "manifest": "Cargo.lock", "vulnerabilities": ["high GHSA-1"]}])
    );
    assert_eq!(answer["dependency_source"], "dependency_graph");
    assert_eq!(
        (&answer["has_code_owners"], &answer["unowned_files"]),
        (&json!(true), &json!(["NOTES.txt"]))
    );
    let reviewers = answer["suggested_reviewers"]
        .as_array()
        .expect("there is a list");
    let reviewers: Vec<(&str, &str)> = reviewers
        .iter()
        .map(|one| (field(one, "username"), field(one, "reason")))
        .collect();
    assert_eq!(
        reviewers,
        [
            (
                "lea",
                "code owner of 2 changed files; 2 of the last 6 commits to src/db.rs"
            ),
            ("acme/core", "code owner of 2 changed files"),
            ("kim", "1 of the last 6 commits to src/db.rs"),
        ]
    );
    let others = answer["overlapping_prs"]
        .as_array()
        .expect("there is a list");
    assert_eq!(others.len(), 1, "{answer}");
    assert_eq!(
        (
            &others[0]["pr"],
            &others[0]["paths"],
            &others[0]["agent"],
            &others[0]["claim"]
        ),
        (
            &json!(3),
            &json!(["src/db.rs"]),
            &json!("agent-3"),
            &json!(claim_id)
        )
    );
    assert_eq!(answer["linked_issues"], json!(["acme/api#1"]));
    assert_eq!(answer["breaking_changes_detected"], false);
    assert!(answer["warnings"].is_null(), "{answer}");
    // The second call looks whether the pull request is still the same; lines are one more.
    place.github.clear_requests();
    let again = ask(&server, json!({"suggest_reviewers": false})).expect(200);
    assert_eq!(again["risk"], answer["risk"]);
    assert!(again["suggested_reviewers"].is_null());
    place.assert_repeat(1, 0);
    let detailed = ask(&server, json!({"depth": "detailed"})).expect(200);
    assert_eq!(
        detailed["overlapping_prs"][0]["overlap"], "lines",
        "{detailed}"
    );
    assert_eq!(place.github.requests().len(), 3);
    // What review suggestions ask of the same pull request is known by now.
    place.github.clear_requests();
    server
        .tool("get_review_suggestions", json!({"pr": "acme/api#2"}))
        .expect(200);
    assert_eq!(place.github.requests().len(), 1);
}

#[test]
fn every_transport_tells_the_same() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let without_time = |mut answer: Value| {
        answer["fetched_at"].take();
        answer
    };
    let told = without_time(ask(&server, json!({})).expect(200));
    let ran = place.cli(&["analyze-pr-impact", "--pr", "acme/api#2", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(without_time(ran.json()), told);
    let by_mcp = place.mcp().joined().tool(TOOL, json!({"pr": "acme/api#2"}));
    assert_eq!(without_time(by_mcp.record()), told);
    let text = place
        .cli(&["analyze-pr-impact", "--pr", "acme/api#2"])
        .stdout;
    for words in [
        "risk: critical (92 points)\n",
        "25      vulnerable_dependency",
        "\nlea: code owner of 2 changed files; 2 of the last 6 commits to src/db.rs\n",
        "nobody owns NOTES.txt",
        "closes acme/api#1",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn what_cannot_be_read_is_said_and_what_cannot_be_asked_refused() {
    let mut world = world();
    world.repository("acme/api").merges.dependencies = None;
    world.repository("acme/api").add_pull_request("Empty", &[]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let answer = ask(&server, json!({})).expect(200);
    assert_eq!(
        answer["warnings"][0]["source"], "dependency_graph",
        "{answer}"
    );
    assert_eq!(answer["dependency_source"], "changed_lines");
    assert_eq!(
        answer["dependencies"],
        json!([{"name": "tokio", "from": "1.40.0", "to": "2.0.0", "manifest": "Cargo.lock"}])
    );
    assert!(factors(&answer).contains(&("dependency_added_or_major", 10)));
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    place.github.inject(Fault::graphql_refused());
    let answer = ask(&server, json!({})).expect(200);
    let warnings = answer["warnings"].as_array().expect("there are warnings");
    let sources: Vec<&str> = warnings
        .iter()
        .map(|warning| field(warning, "source"))
        .collect();
    assert_eq!(
        sources,
        [
            "graphql",
            "dependency_graph",
            "open_pull_requests",
            "history"
        ],
        "{answer}"
    );
    for unknown in [
        "has_code_owners",
        "breaking_changes_detected",
        "overlapping_prs",
    ] {
        assert!(answer[unknown].is_null(), "{unknown}: {answer}");
    }
    assert!(
        !factors(&answer)
            .iter()
            .any(|(code, _)| *code == "unowned_files")
    );
    place.github.clear_faults();
    for (arguments, status, code) in [
        (json!({"pr": "acme/api#5"}), 409, "no_changes"),
        (json!({"pr": "acme/api#1"}), 400, "not_a_pull_request"),
        (json!({"pr": "acme/api#99"}), 404, "not_found"),
        (json!({"pr": "acme"}), 400, "invalid_argument"),
        (json!({"depth": "deep"}), 400, "invalid_argument"),
    ] {
        let answer = ask(&server, arguments.clone());
        assert_eq!(answer.status, status, "{arguments}: {}", answer.text());
        assert_eq!(answer.json()["code"], code, "{arguments}");
    }
}

#[test]
fn a_repository_without_owners_says_so() {
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    repository.add_pull_request("Words", &[1]);
    repository.merges.changes(2, "README.md");
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, json!({"include_open_prs": false})).expect(200);
    assert_eq!(answer["has_code_owners"], false);
    assert_eq!(
        answer["risk"],
        json!({"level": "low", "score": 0, "factors": []})
    );
    assert!(answer["overlapping_prs"].is_null() && answer["unowned_files"].is_null());
    // Without code and manifests there is nothing else to ask.
    assert_eq!(place.github.requests().len(), 3);
}

#[test]
fn what_was_not_looked_at_is_said() {
    let mut world = world();
    let repository = world.repository("acme/api");
    repository.add_pull_request("Move it", &[]);
    repository.merges.changes_file(
        2,
        json!({"filename": "logo.png", "status": "modified",
        "additions": 0, "deletions": 0}),
    );
    let renamed = json!({"filename": "src/store.rs", "previous_filename": "src/db.rs",
        "status": "renamed", "additions": 0, "deletions": 0});
    repository.merges.changes_file(5, renamed);
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, json!({})).expect(200);
    assert_eq!(place.github.requests().len(), 6, "that costs no request");
    let warnings = answer["warnings"].as_array().expect("there are warnings");
    let told: Vec<(&str, &str)> = warnings
        .iter()
        .map(|warning| (field(warning, "source"), field(warning, "reason")))
        .collect();
    let lines = "no lines came of logo.png: binary, too large, empty or only another mode";
    assert_eq!(
        told,
        [
            ("patches", lines),
            ("open_pull_requests", "#5 rename files")
        ],
        "{answer}"
    );
    let detailed = ask(&server, json!({"depth": "detailed"})).expect(200);
    let numbers: Vec<&Value> = detailed["overlapping_prs"]
        .as_array()
        .expect("there is a list")
        .iter()
        .map(|other| &other["pr"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(5)], "{detailed}");
    assert_eq!(detailed["warnings"].as_array().map(Vec::len), Some(1));
    let text = place
        .cli(&["analyze-pr-impact", "--pr", "acme/api#2"])
        .stdout;
    assert!(
        text.contains("warning: patches: no lines came of logo.png"),
        "{text}"
    );
}

/// The strings of a list, at the end of these names.
fn strings(answer: &Value, names: &[&str]) -> Vec<String> {
    let list = names.iter().fold(answer, |at, name| &at[*name]);
    let list = list.as_array().into_iter().flatten();
    list.map(|one| one.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_cursor_brings_everything_that_had_no_room() {
    const FILES: usize = 150;
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    repository.add_pull_request("Large", &[1]).author("bob");
    repository.add_pull_request("Other", &[]).author("agent-3");
    let path = |number: usize| format!("src/{}/file_{number}.rs", "deep".repeat(12));
    for number in 0..FILES {
        let merges = &mut repository.merges;
        merges.changes_file(2, file(&path(number), 9, "@@ -1 +1 @@\n+a"));
        if number < 40 {
            merges.changes_file(3, file(&path(number), 1, "@@ -1 +1 @@\n-a\n+b"));
        }
    }
    repository
        .merges
        .file("main", "CODEOWNERS", "/docs/ @lea\n");
    let place = Place::new(world);
    let server = place.serve_synced();
    let first = ask(&server, json!({})).expect(200);
    let next = field(&first, "next_cursor").to_owned();
    assert_eq!(
        first["more_unowned_files"],
        FILES - first["unowned_files"].as_array().map_or(0, Vec::len)
    );
    place.github.clear_requests();
    let (mut unowned, mut shared, mut pages) = (Vec::new(), Vec::new(), vec![first]);
    loop {
        let last = &pages[pages.len() - 1];
        unowned.extend(strings(last, &["unowned_files"]));
        for other in last["overlapping_prs"].as_array().into_iter().flatten() {
            assert_eq!(other["pr"], 3, "{last}");
            shared.extend(strings(other, &["paths"]));
        }
        let Some(cursor) = last["next_cursor"].as_str() else {
            break;
        };
        let page = ask(&server, json!({"cursor": cursor}));
        assert!(page.body.len() <= 8_192, "{} bytes", page.body.len());
        let page = page.expect(200);
        assert!(
            page["risk"]["score"].is_null() && page["changes"].is_null(),
            "said once: {page}"
        );
        pages.push(page);
    }
    assert!(pages.len() > 3, "{} pages", pages.len());
    // A page costs what the same question costs: one look whether the pull request has changed. On a
    // machine that needs over half a minute for them, what was read is read anew.
    let slowness = place.cost().graphql_points;
    assert!(slowness <= 3, "{slowness} points");
    place.assert_repeat(pages.len() - 1 + slowness as usize, slowness);
    for (told, count) in [(&mut unowned, FILES), (&mut shared, 40)] {
        let mut expected: Vec<String> = (0..count).map(path).collect();
        expected.sort_unstable();
        told.sort_unstable();
        assert_eq!(*told, expected, "each once");
    }
    // Every transport has the same pages.
    let by_mcp = place.mcp().joined();
    let by_mcp = by_mcp.tool(TOOL, json!({"pr": "acme/api#2", "cursor": next}));
    assert_eq!(by_mcp.record()["unowned_files"], pages[1]["unowned_files"]);
    let flags = ["analyze-pr-impact", "--pr", "acme/api#2", "--cursor", &next];
    let text = place.cli(&flags).stdout;
    for number in strings(&pages[1], &["unowned_files"]) {
        assert!(text.contains(&number), "{number} in {text}");
    }
    assert!(text.contains("\nmore with --cursor "), "{text}");
    // Cursors of other calls and of what is no more.
    let detailed = ask(&server, json!({"cursor": next, "depth": "detailed"}));
    assert_eq!(detailed.expect(400)["code"], "invalid_argument");
    let other = server.tool(TOOL, json!({"pr": "acme/api#3", "cursor": next}));
    assert_eq!(other.expect(400)["code"], "invalid_argument");
    let other = server.tool(
        "check_merge_readiness",
        json!({"pr": "acme/api#2", "cursor": next}),
    );
    assert_eq!(other.expect(400)["code"], "invalid_argument");
    place.github.change(|world| {
        world
            .issue("acme/api", 2)
            .push("b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0", &[]);
    });
    let moved = ask(&server, json!({"cursor": next}));
    assert_eq!(moved.expect(409)["code"], "head_moved");
}
