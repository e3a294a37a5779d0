//! ALLOWED_REPOS of a client binds its agent, whichever process carries its calls out.

use serde_json::{Value, json};

use crate::support::{Place, claims, field, issues};

/// `acme/api` with the more urgent issues, and `octo/notes`.
fn place() -> Place {
    let mut world = issues(0);
    let urgent = world.repository("acme/api");
    for title in ["first", "second"] {
        urgent.add_issue(title).labels(&["P0"]);
    }
    world.add_repository("octo/notes").add_issue("notes");
    Place::new(world)
}

fn repos(page: &Value) -> Vec<&str> {
    let rows = page["repos"].as_array().expect("there is a list");
    rows.iter().map(|row| field(row, "repo")).collect()
}

#[test]
fn a_limited_client_stays_limited_though_the_owner_is_not() {
    let mut place = place();
    let server = place.serve_synced();
    let others = server.granted("bob", 2);
    place.set("ALLOWED_REPOS", "octo/*");
    let client = place.mcp().joined();
    let tool = |name: &str, arguments: Value| client.tool(name, arguments);

    assert_eq!(
        repos(&tool("list_repos", json!({})).record()),
        ["octo/notes"]
    );
    let next = tool("next_issue", json!({"agent_id": "a"})).record();
    assert_eq!(next["repo"], "octo/notes", "{next}");
    let nothing = tool("next_issue", json!({"agent_id": "a"})).record();
    assert!(nothing["claim_id"].is_null(), "{nothing}");

    place.github.clear_requests();
    let repo = json!({"repo": "acme/api"});
    let issue = json!({"agent_id": "a", "repo": "acme/api", "issue_number": 1});
    let pull = json!({"pr": "https://github.com/acme/api/pull/3"});
    let new_pull = json!({"repo": "acme/api", "title": "t", "body": "", "head": "h"});
    let stack = json!({"base_pr": "octo/notes#1", "dependent_pr": "acme/api#3"});
    let thread = json!({"pr": "acme/api#3", "thread_id": "T_1"});
    let update = json!({"claim_id": others, "status": "closed"});
    for (name, arguments) in [
        ("list_open_issues", &repo),
        ("fetch_issues", &repo),
        ("get_all_claims", &repo),
        ("get_claim_history", &repo),
        ("next_issue", &issue),
        ("claim_issue", &issue),
        ("get_issue_details", &issue),
        ("create_pull_request", &new_pull),
        ("update_claim_status", &update),
        ("get_failing_tests", &pull),
        ("find_unresolved_comments", &pull),
        ("check_merge_readiness", &pull),
        ("detect_merge_conflicts", &pull),
        ("analyze_pr_impact", &pull),
        ("get_review_suggestions", &pull),
        ("resolve_review_thread", &thread),
        ("manage_stacked_prs", &stack),
    ] {
        // Each takes what it knows of them.
        let mut arguments = arguments.clone();
        let given = arguments.as_object_mut().expect("it is an object");
        if matches!(name, "next_issue" | "get_issue_details") {
            given.remove(if name == "next_issue" {
                "issue_number"
            } else {
                "agent_id"
            });
        }
        let failure = tool(name, arguments).failure();
        assert!(failure.contains("repo_not_allowed"), "{name}: {failure}");
    }
    assert_eq!(place.github.requests().len(), 0, "GitHub was asked");

    // Lists leave out what others do elsewhere.
    let seen = tool("get_all_claims", json!({})).record();
    assert_eq!(claims(&seen).len(), 1, "{seen}");
    server.delete(&others).expect(200);
    let seen = tool("get_claim_history", json!({})).record();
    assert!(claims(&seen).is_empty(), "{seen}");
    assert_eq!(
        claims(&server.get("/api/claims/history").expect(200)).len(),
        1
    );
}

#[test]
fn a_command_is_limited_by_its_flag() {
    let place = place();
    let server = place.serve_synced();
    let listed = place.cli(&["list-repos", "--allowed-repos", "octo/*", "--json"]);
    assert_eq!(repos(&listed.json()), ["octo/notes"]);
    let arguments = ["claim-issue", "--agent-id", "a", "--repo", "acme/api"];
    let limited = ["--issue-number", "1", "--allowed-repos", "octo/*"];
    let refused = place.cli(&[arguments.as_slice(), &limited].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(server.claims().is_empty());
}

#[test]
fn what_was_held_before_the_limit_can_be_given_back() {
    let mut place = place();
    let server = place.serve_synced();
    server.granted("a", 1);
    place.set("ALLOWED_REPOS", "octo/*");
    let client = place.mcp().joined();
    let mine = client
        .tool("get_my_claims", json!({"agent_id": "a"}))
        .record();
    let id = field(&claims(&mine)[0], "claim_id");
    let released = client
        .tool("release_issue", json!({"claim_id": id}))
        .record();
    assert_eq!(released["ok"], true);
}

#[test]
fn the_owners_own_limit_is_named_as_such() {
    let mut place = place().with("ALLOWED_REPOS", "octo/*");
    let server = place.serve_synced();
    place.unset("ALLOWED_REPOS");
    let failure = place.mcp().joined().claim("a", 1).failure();
    let owner = format!("process {}", server.process.pid());
    assert!(
        failure.contains("repo_not_allowed") && failure.contains(&owner),
        "{failure}"
    );
}

#[test]
fn the_owners_limit_keeps_a_claim_from_before_where_it_is_until_it_is_given_back() {
    let mut place = place();
    let server = place.serve_synced();
    let held = server.granted("a", 1);
    server.stop();
    place.set("ALLOWED_REPOS", "octo/*");
    let server = place.serve_synced();
    place.unset("ALLOWED_REPOS");
    let client = place.mcp().joined();
    let mine = client
        .tool("get_my_claims", json!({"agent_id": "a"}))
        .record();
    assert_eq!(claims(&mine).len(), 1, "{mine}");
    let everybodys = client.tool("get_all_claims", json!({})).record();
    assert_eq!(claims(&everybodys).len(), 1, "{everybodys}");

    place.github.clear_requests();
    let closed = json!({"claim_id": held, "status": "closed"});
    let owner = format!("process {}", server.process.pid());
    for failure in [
        client.tool("update_claim_status", closed).failure(),
        server.patch(&held, json!({"status": "closed"})).text(),
    ] {
        assert!(
            failure.contains("repo_not_allowed") && failure.contains(&owner),
            "{failure}"
        );
    }
    assert_eq!(place.github.requests().len(), 0, "GitHub was asked");

    let issue = json!({"agent_id": "a", "repo": "acme/api", "issue_number": 1});
    let released = client.tool("release_issue", issue).record();
    assert_eq!(released["ok"], true, "{released}");
}
