//! Two windows with one name, neighbours that are confused, and sessions that died.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Connection, McpClient, Place, Server, claims, field, holds, until, within};

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
    let answer = until("the owner knows that it died", || {
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
    assert_eq!(claims(&mine).len(), 2, "{mine}");
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
fn two_windows_of_one_name_do_not_take_turns_on_a_dead_sessions_claim() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut first = place.mcp().joined();
    let id = claim_id(&first, "agent-a", 1);
    first.process.kill();
    let (second, third) = (place.mcp().joined(), place.mcp().joined());
    let update = json!({"claim_id": id, "status": "in_progress"});
    until("the owner knows that it died", || {
        holds(!second.tool("update_claim_status", update.clone()).is_error)
    });
    let refused = third.tool("update_claim_status", update.clone()).failure();
    assert!(refused.contains("held_by_other_session"), "{refused}");
    // Also where there is nothing left to take.
    let refused = third
        .tool("next_issue", json!({"agent_id": "agent-a"}))
        .failure();
    assert!(refused.contains("agent_id_in_use"), "{refused}");
    second.tool("update_claim_status", update).record();
    assert_eq!(server.claims()[0]["status"], "in_progress");
}

#[test]
fn a_session_that_left_politely_leaves_its_claims() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut first = place.mcp().joined();
    claim_id(&first, "agent-a", 1);
    let status = first.leave(Duration::from_secs(2));
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

/// Opens the connection by which another process of this user says that its session lives.
fn hold_session(server: &Server, token: &str, session: &Value) -> Connection {
    let mut connection = server.connect();
    let process = session["pid"].to_string();
    let headers = [
        ("host", "localhost"),
        ("authorization", token),
        ("x-issuecommand-session", field(session, "id")),
        ("x-issuecommand-process", &process),
    ];
    let sent = connection.send_request("GET", "/internal/session", &headers, b"");
    sent.expect("it is taken");
    connection
}

#[test]
fn a_session_that_hangs_up_while_it_connects_is_dead() {
    let place = Place::with_issues(30);
    let server = place.serve_synced();
    let token = place.lock().expect("there is an owner");
    let token = format!("Bearer {}", field(&token, "token"));
    // A process that claims in the name of its session, as a follower does.
    let claim = |agent: &str, number: u64| {
        let session = json!({"id": uuid::Uuid::new_v4(), "pid": std::process::id()});
        let arguments = json!({"agent_id": agent, "repo": "acme/api", "issue_number": number});
        let call = json!({"tool": "claim_issue", "arguments": arguments, "session": session});
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        let call = call.to_string();
        let answer =
            server
                .connect()
                .request("POST", "/internal/forward", &headers, call.as_bytes());
        answer.expect(200);
        session
    };
    let successor = place.mcp().joined();
    // While the connection stands, the name is in use: this is how it works at all.
    let session = claim("alive", 20);
    let mut held = hold_session(&server, &token, &session);
    held.read_head().expect("it answers");
    assert!(
        successor
            .claim("alive", 20)
            .failure()
            .contains("agent_id_in_use")
    );
    server.while_busy(25, || {
        for number in 1..=12 {
            let agent = format!("agent-{number}");
            let session = claim(&agent, number);
            drop(hold_session(&server, &token, &session));
            let taken_over = within(Duration::from_secs(5), || {
                holds(!successor.claim(&agent, number).is_error)
            });
            assert!(
                taken_over.is_some(),
                "{agent} is thought to be alive for ever"
            );
        }
    });
}
