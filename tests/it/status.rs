//! The life of a claim: which steps it may take, and what GitHub has to say about them.

use serde_json::{Value, json};

use crate::github::Fault;
use crate::support::{Place, Server, field};

const PULL: &str = "https://github.com/acme/api/pull/3";

/// `acme/api` with two issues and a pull request with number 3.
fn place() -> Place {
    let place = Place::with_issues(2);
    place.github.change(|world| {
        world
            .repository("acme/api")
            .add_pull_request("Unrelated", &[]);
        world
            .add_repository("acme/web")
            .add_pull_request("Elsewhere", &[]);
    });
    place
}

fn update(server: &Server, id: &str, status: &str) -> Value {
    server.patch(id, json!({"status": status})).expect(200)
}

#[test]
fn a_claim_goes_from_start_to_end() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let answer = server.patch(&id, json!({"status": "in_progress", "note": "begun"}));
    assert_eq!(answer.expect(200)["status"], "in_progress");
    // The same status again is a sign of life.
    update(&server, &id, "in_progress");
    let answer = server
        .patch(&id, json!({"status": "pr_submitted", "pr_url": PULL}))
        .expect(200);
    assert_eq!(
        (&answer["ok"], &answer["status"]),
        (&json!(true), &json!("pr_submitted"))
    );
    assert_eq!(server.claims()[0]["pr_url"], PULL);
    update(&server, &id, "in_progress");
    // The address is known by now.
    update(&server, &id, "pr_submitted");
    place
        .github
        .change(|world| world.merge_pull_request("acme/api", 3));
    update(&server, &id, "pr_merged");
    let closed = update(&server, &id, "closed");
    assert_eq!(closed["issue_closed"], true);
    place.github.change(|world| {
        assert!(!world.issue("acme/api", 1).open);
        assert!(world.issue("acme/api", 2).open);
    });
    assert!(server.claims().is_empty());
    let history = server.get("/api/claims/history").expect(200);
    let claim = &history["claims"][0];
    assert_eq!(
        (&claim["claim_id"], &claim["status"]),
        (&json!(id), &json!("closed"))
    );
    assert_eq!(claim["status_history"][1]["note"], "begun");
    let late = server.patch(&id, json!({"status": "closed"})).expect(409);
    assert_eq!(late["code"], "claim_lost");
}

#[test]
fn a_step_that_is_not_allowed_is_refused_with_those_that_are() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let refused = |status: &str, from: &str, allowed: &[&str]| {
        let error = server.patch(&id, json!({"status": status})).expect(409);
        assert_eq!(error["category"], "logical", "{from} to {status}: {error}");
        let listed = error["allowed"]
            .as_array()
            .expect("those allowed are listed");
        for status in allowed {
            assert!(listed.contains(&json!(status)), "{from}: {error}");
        }
        assert!(!listed.contains(&json!(status)), "{from}: {error}");
        assert_eq!(server.claims()[0]["status"], from);
    };
    refused(
        "stale",
        "claimed",
        &["in_progress", "pr_submitted", "closed", "released"],
    );
    update(&server, &id, "in_progress");
    refused(
        "claimed",
        "in_progress",
        &["pr_submitted", "closed", "released"],
    );
    server
        .patch(&id, json!({"status": "pr_submitted", "pr_url": PULL}))
        .expect(200);
    refused(
        "claimed",
        "pr_submitted",
        &["in_progress", "pr_merged", "closed", "released"],
    );
    place
        .github
        .change(|world| world.merge_pull_request("acme/api", 3));
    update(&server, &id, "pr_merged");
    refused("in_progress", "pr_merged", &["closed", "released"]);
    let released = server.patch(&id, json!({"status": "released"}));
    assert_eq!(released.expect(200)["status"], "released");
}

#[test]
fn a_submitted_pull_request_is_checked() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let submit = |body: Value| {
        let answer = server.patch(&id, body.clone());
        assert!(
            (400..=422).contains(&answer.status),
            "{body}: {}",
            answer.text()
        );
        assert!(!field(&answer.json(), "suggestion").is_empty(), "{body}");
        assert_eq!(server.claims()[0]["status"], "claimed", "{body}");
    };
    submit(json!({"status": "pr_submitted"}));
    for url in [
        "3",
        "https://github.com/acme/api/pull/99",
        "https://github.com/acme/api/issues/3",
        "https://github.com/acme/api/pull/1",
        "https://github.com/acme/web/pull/1",
        "https://evil.example/acme/api/pull/3",
    ] {
        submit(json!({"status": "pr_submitted", "pr_url": url}));
    }
    place.github.inject(Fault::unavailable().on("/pulls/"));
    place.github.inject(Fault::unavailable().on("/graphql"));
    let unsure = server.patch(&id, json!({"status": "pr_submitted", "pr_url": PULL}));
    assert!(matches!(unsure.status, 502 | 503), "{}", unsure.text());
    assert_eq!(server.claims()[0]["status"], "claimed");
}

#[test]
fn closing_an_issue_that_is_closed_closes_the_claim() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    place
        .github
        .change(|world| world.close_issue("acme/api", 1));
    let closed = update(&server, &id, "closed");
    assert_eq!(closed["status"], "closed");
    assert_ne!(
        closed["issue_closed"], true,
        "it was closed before: {closed}"
    );
}

#[test]
fn where_github_refuses_to_close_the_claim_stays() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    update(&server, &id, "in_progress");
    let message = r#"{"message":"Resource not accessible by personal access token"}"#;
    place
        .github
        .inject(Fault::respond(403, message).on("PATCH"));
    let answer = server.patch(&id, json!({"status": "closed"}));
    assert!((400..=503).contains(&answer.status), "{}", answer.text());
    let error = answer.json();
    assert!(
        answer.text().contains("not accessible"),
        "it says why: {error}"
    );
    assert!(!field(&error, "suggestion").is_empty());
    assert_eq!(server.claims()[0]["status"], "in_progress");
    place
        .github
        .change(|world| assert!(world.issue("acme/api", 1).open));
    place.github.clear_faults();
    assert_eq!(update(&server, &id, "closed")["issue_closed"], true);
}

#[test]
fn a_close_whose_answer_is_lost_is_found_to_be_done() {
    let place = place().with("GH_TIMEOUT_SECONDS", 1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    place.github.inject(Fault::answer_lost().on("PATCH"));
    let answer = server.patch(&id, json!({"status": "closed"}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    place
        .github
        .change(|world| assert!(!world.issue("acme/api", 1).open));
    let closes = place.github.requests();
    let closes = closes
        .iter()
        .filter(|request| request.method == "PATCH")
        .count();
    assert_eq!(closes, 1, "a write is not repeated blindly");
    assert!(server.claims().is_empty());
}

#[test]
fn notes_have_a_limit_and_come_back_as_they_were() {
    let place = place();
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let long = "x".repeat(5_000);
    assert_eq!(
        server
            .patch(&id, json!({"status": "in_progress", "note": long}))
            .status,
        400
    );
    let note = "line one\nline \"two\" \u{1F980}";
    server
        .patch(&id, json!({"status": "in_progress", "note": note}))
        .expect(200);
    let claim = &server.claims()[0];
    let steps = claim["status_history"]
        .as_array()
        .expect("there is a history");
    assert_eq!(steps.last().expect("it is not empty")["note"], note);
}
