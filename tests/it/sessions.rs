//! Two windows with one name, neighbours that are confused, and sessions that died.

use serde_json::json;

use crate::support::{McpClient, Place, field};

fn claim_id(client: &McpClient, agent_id: &str, number: u64) -> String {
    let record = client.claim(agent_id, number).record();
    assert_eq!(record["claimed"], true, "{record}");
    field(&record["claim"], "claim_id").to_owned()
}

#[test]
fn a_name_at_work_in_a_live_session_is_refused_to_another() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let (first, second) = (place.mcp().joined(), place.mcp().joined());
    let id = claim_id(&first, "agent-a", 1);
    for answer in [
        second.claim("agent-a", 2),
        second.claim("agent-a", 1),
        second.tool("next_issue", json!({"agent_id": "agent-a"})),
    ] {
        let failure = answer.failure();
        assert!(failure.contains("agent_id_in_use"), "{failure}");
    }
    assert_eq!(server.claims().len(), 1);
    // Under its own name it may work, and the first one is not disturbed.
    claim_id(&second, "agent-b", 2);
    assert_eq!(claim_id(&first, "agent-a", 1), id);
    claim_id(&first, "agent-a", 3);
}

#[test]
fn a_neighbour_cannot_touch_a_live_sessions_claim_but_a_person_can() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let (first, second) = (place.mcp().joined(), place.mcp().joined());
    let id = claim_id(&first, "agent-a", 1);
    for answer in [
        second.tool("release_issue", json!({"claim_id": id})),
        second.tool(
            "release_issue",
            json!({"claim_id": id, "agent_id": "agent-a"}),
        ),
        second.tool(
            "update_claim_status",
            json!({"claim_id": id, "status": "closed"}),
        ),
    ] {
        let failure = answer.failure();
        assert!(failure.contains("held_by_other_session"), "{failure}");
    }
    let failure = second
        .tool(
            "release_issue",
            json!({"claim_id": id, "agent_id": "agent-b"}),
        )
        .failure();
    assert!(failure.contains("agent-a"), "{failure}");
    assert!(place.github.change(|world| world.issue("acme/api", 1).open));
    assert_eq!(server.claims()[0]["status"], "claimed");
    let other = claim_id(&first, "agent-a", 2);
    server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    server.delete(&id).expect(200);
    let ran = place.cli(&["release-issue", "--claim-id", &other]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(server.claims().is_empty());
    let lost = first
        .tool(
            "update_claim_status",
            json!({"claim_id": id, "status": "in_progress"}),
        )
        .failure();
    assert!(lost.contains("claim_lost"), "{lost}");
}

#[test]
fn a_dead_sessions_claims_go_to_its_successor() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let mut first = place.mcp().joined();
    let old = claim_id(&first, "agent-a", 1);
    let update = json!({"claim_id": old, "status": "in_progress"});
    first.tool("update_claim_status", update.clone()).record();
    let other = claim_id(&first, "agent-a", 2);
    first.process.kill();
    let second = place.mcp().joined();
    let answer = crate::support::until("the owner knows that it died", || {
        let answer = second.claim("agent-a", 1);
        (!answer.is_error).then(|| answer.record())
    });
    assert_eq!(
        (&answer["claimed"], &answer["already_owned"]),
        (&json!(true), &json!(true))
    );
    let new = field(&answer["claim"], "claim_id");
    assert_ne!(new, old, "the dead session's id must not work any more");
    assert_eq!(answer["claim"]["status"], "in_progress");
    let mine = second
        .tool("get_my_claims", json!({"agent_id": "agent-a"}))
        .record();
    assert_eq!(crate::support::claims(&mine).len(), 2, "{mine}");
    for (id, number) in [(&old, 1), (&other, 2)] {
        let lost = second
            .tool(
                "update_claim_status",
                json!({"claim_id": id, "status": "closed"}),
            )
            .failure();
        assert!(lost.contains("claim_lost"), "#{number}: {lost}");
    }
    let lost = server
        .patch(&old, json!({"status": "in_progress"}))
        .expect(409);
    assert_eq!(
        (&lost["code"], &lost["now_held_by"]),
        (&json!("claim_lost"), &json!("agent-a"))
    );
    second
        .tool(
            "update_claim_status",
            json!({"claim_id": new, "status": "in_progress"}),
        )
        .record();
}

#[test]
fn a_dead_owners_claims_go_to_its_successor() {
    let place = Place::with_issues(2);
    let mut first = place.mcp().joined();
    let old = claim_id(&first, "agent-a", 1);
    assert_eq!(place.owner(), Some(first.process.pid().into()));
    first.process.kill();
    let second = place.mcp().joined();
    let new = claim_id(&second, "agent-a", 1);
    assert_ne!(new, old);
    let lost = second
        .tool("release_issue", json!({"claim_id": old}))
        .failure();
    assert!(lost.contains("claim_lost"), "{lost}");
}

#[test]
fn a_session_that_left_politely_leaves_its_claims() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut first = place.mcp().joined();
    claim_id(&first, "agent-a", 1);
    let status = first.leave(std::time::Duration::from_secs(2));
    assert!(status.success());
    assert_eq!(server.claims().len(), 1);
    let refused = server.claim("agent-b", 1).expect(409);
    assert_eq!(refused["owner"], "agent-a");
    let second = place.mcp().joined();
    claim_id(&second, "agent-a", 1);
}

#[test]
fn a_live_session_keeps_its_name_when_the_owner_changes() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let (first, second) = (place.mcp().joined(), place.mcp().joined());
    let id = claim_id(&first, "agent-a", 1);
    server.kill();
    let failure = second.claim("agent-a", 2).failure();
    assert!(failure.contains("agent_id_in_use"), "{failure}");
    let failure = second
        .tool("release_issue", json!({"claim_id": id}))
        .failure();
    assert!(failure.contains("held_by_other_session"), "{failure}");
    assert_eq!(claim_id(&first, "agent-a", 1), id);
    first
        .tool("release_issue", json!({"claim_id": id}))
        .record();
    claim_id(&second, "agent-a", 2);
}

#[test]
fn the_configured_agent_id_stands_in_where_a_call_names_none() {
    let place = Place::with_issues(1).with("AGENT_ID", "agent-of-this-window");
    let client = place.mcp().joined().synced();
    let record = client.tool("next_issue", json!({})).record();
    assert!(record["claim_id"].is_string(), "{record}");
    let mine = client.tool("get_my_claims", json!({})).record();
    assert_eq!(mine["claims"][0]["agent_id"], "agent-of-this-window");
    // Without a configured one the name must be given.
    let mut place = Place::with_issues(1);
    place.unset("AGENT_ID");
    let failure = place.mcp().joined().tool("next_issue", json!({})).failure();
    assert!(failure.contains("agent_id"), "{failure}");
}
