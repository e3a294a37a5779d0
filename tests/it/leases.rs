//! Time: silence makes a claim stale, a sign of life revives it.

use serde_json::json;

use crate::support::{Place, claims, holds, until};

#[test]
fn a_silent_agents_claim_goes_stale_and_still_blocks() {
    let place = Place::with_issues(2).with("CLAIM_TIMEOUT_MINUTES", 0.02);
    place.github.change(|world| {
        world.repository("acme/api").add_pull_request("Work", &[]);
    });
    let server = place.serve_synced();
    let mut events = server.events("", None);
    let id = server.granted("agent-a", 1);
    server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    let waiting = server.granted("agent-b", 2);
    let pull = "https://github.com/acme/api/pull/3";
    server
        .patch(&waiting, json!({"status": "pr_submitted", "pr_url": pull}))
        .expect(200);
    let stale = events.next_of("claim.stale");
    assert_eq!(
        (&stale.data["issue_number"], &stale.data["agent_id"]),
        (&json!(1), &json!("agent-a"))
    );
    let listed = server.get("/api/claims?stale=true").expect(200);
    assert_eq!(claims(&listed).len(), 1);
    assert_eq!(claims(&listed)[0]["claim_id"], json!(id));
    assert_eq!(server.health()["stale_claims"], 1);
    assert_eq!(server.claim("agent-c", 1).expect(409)["status"], "stale");
    assert_eq!(
        server.next("agent-c").expect(200)["passed_by"]["claimed"],
        2
    );
    // The one whose pull request is open waits without a limit.
    let pulls = server.get("/api/claims?status=pr_submitted").expect(200);
    assert_eq!(claims(&pulls).len(), 1);
    // Any call that names the agent revives it to what it was.
    let mine = server
        .tool("get_my_claims", json!({"agent_id": "agent-a"}))
        .expect(200);
    assert_eq!(claims(&mine)[0]["status"], "in_progress");
    let revived = events.find("the revival", |event| {
        event.data["issue_number"] == 1 && event.kind == "claim.status_changed"
    });
    assert_eq!(revived.data["status"], "in_progress");
    // And a call that names the claim does, too.
    events.next_of("claim.stale");
    let answer = server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    assert_eq!(answer["status"], "in_progress");
}

#[test]
fn a_stale_claim_is_released_when_that_is_asked_for() {
    let place = Place::with_issues(1)
        .with("CLAIM_TIMEOUT_MINUTES", 0.01)
        .with("STALE_AUTO_RELEASE_MINUTES", 0.01);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    let id = server.granted("agent-a", 1);
    events.next_of("claim.stale");
    let released = events.next_of("claim.released");
    assert_eq!(released.data["claim_id"], json!(id));
    assert!(server.claims().is_empty());
    server.granted("agent-b", 1);
    let lost = server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(409);
    assert_eq!(
        (&lost["code"], &lost["now_held_by"]),
        (&json!("claim_lost"), &json!("agent-b"))
    );
}

#[test]
fn a_person_can_release_a_stale_claim() {
    let place = Place::with_issues(1).with("CLAIM_TIMEOUT_MINUTES", 0.01);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    let id = server.granted("agent-a", 1);
    events.next_of("claim.stale");
    let ran = place.cli(&[
        "release-issue",
        "--claim-id",
        &id,
        "--reason",
        "gone",
        "--json",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(server.claims().is_empty());
}

#[test]
fn an_agent_that_calls_now_and_then_is_never_stale() {
    let place = Place::with_issues(1).with("CLAIM_TIMEOUT_MINUTES", 0.03);
    let server = place.serve_synced();
    let mut events = server.events("?agent_id=agent-a", None);
    let id = server.granted("agent-a", 1);
    let start = std::time::Instant::now();
    // Three periods long.
    until("time passes", || {
        server
            .tool("get_my_claims", json!({"agent_id": "agent-a"}))
            .expect(200);
        holds(start.elapsed().as_millis() > 5_400)
    });
    server.delete(&id).expect(200);
    let kinds: Vec<_> = [events.read(), events.read()]
        .into_iter()
        .map(|event| event.expect("the stream goes on").kind)
        .collect();
    assert_eq!(kinds, ["claim.created", "claim.released"]);
}

#[test]
fn an_agents_process_is_never_silent_whatever_it_asks() {
    let place = Place::with_issues(1)
        .with("CLAIM_TIMEOUT_MINUTES", 0.03)
        .with("AGENT_ID", "agent-a");
    let server = place.serve_synced();
    let client = place.mcp().joined();
    let mut events = server.events("?agent_id=agent-a", None);
    let claim = client.claim("agent-a", 1).record();
    let start = std::time::Instant::now();
    // Three periods long.
    until("time passes", || {
        let issue = json!({"repo": "acme/api", "issue_number": 1});
        client.tool("get_issue_details", issue).record();
        holds(start.elapsed().as_millis() > 5_400)
    });
    let id = json!({"claim_id": claim["claim"]["claim_id"]});
    client.tool("release_issue", id).record();
    let kinds: Vec<_> = [events.read(), events.read()]
        .into_iter()
        .map(|event| event.expect("the stream goes on").kind)
        .collect();
    assert_eq!(kinds, ["claim.created", "claim.released"]);
}

#[test]
fn after_a_restart_every_lease_gets_a_full_period() {
    let place = Place::with_issues(1).with("CLAIM_TIMEOUT_MINUTES", 0.05);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let granted = std::time::Instant::now();
    until("most of the period", || {
        holds(granted.elapsed().as_millis() > 2_000)
    });
    server.kill();
    let server = place.serve();
    let restarted = std::time::Instant::now();
    let mut events = server.events("", None);
    events.next_of("claim.stale");
    let alive_for = restarted.elapsed();
    assert!(
        alive_for.as_millis() > 2_500,
        "stale {alive_for:?} after the restart"
    );
}
