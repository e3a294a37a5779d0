//! `next_issue` with `wait_seconds`: what ends a wait, and what a waiter that left gets.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use rustix::process::Signal;

use crate::github::Fault;
use crate::support::{Place, Server, holds, until};

fn take(server: &Server, arguments: Value) -> Value {
    server.tool("next_issue", arguments).expect(200)
}

#[test]
fn a_wait_ends_with_a_release() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let start = Instant::now();
    thread::scope(|scope| {
        let waiting =
            scope.spawn(|| take(&server, json!({"agent_id": "agent-b", "wait_seconds": 30})));
        // The waiter is heard of, and others are served meanwhile.
        assert_eq!(server.next("agent-c").expect(200)["claim_id"], Value::Null);
        server.delete(&id).expect(200);
        let next = waiting.join().expect("it answers");
        assert_eq!(next["issue_number"], 1, "{next}");
    });
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_wait_ends_with_a_sync() {
    let place = Place::with_issues(0).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    let start = Instant::now();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            server.post(
                "/api/claims/next",
                json!({"agent_id": "agent-b", "wait_seconds": 30}),
            )
        });
        server.wait_for_another_sync();
        place.github.change(|world| {
            world.repository("acme/api").add_issue("new");
        });
        let next = waiting.join().expect("it answers").expect(201);
        assert_eq!(next["title"], "new");
    });
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_wait_ends_with_its_time() {
    let place = Place::with_issues(0);
    let server = place.serve_synced();
    let start = Instant::now();
    let nothing = take(&server, json!({"agent_id": "a", "wait_seconds": 1}));
    assert_eq!(nothing["reason"], "no_eligible_issue");
    let waited = start.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(4)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn a_waiter_that_hangs_up_gets_nothing() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let body = json!({"agent_id": "gone", "wait_seconds": 30}).to_string();
    let mut connection = server.connect();
    let headers = [("content-type", "application/json")];
    let sent = connection.send_request("POST", "/api/claims/next", &headers, body.as_bytes());
    sent.expect("it is taken");
    // Another one that is answered: the first was read by then.
    server.next("agent-b").expect(200);
    drop(connection);
    server.next("agent-b").expect(200);
    server.delete(&id).expect(200);
    let next = take(&server, json!({"agent_id": "agent-b", "wait_seconds": 10}));
    assert_eq!(next["issue_number"], 1, "{:?}", server.claims());
}

#[test]
fn a_waiter_whose_process_dies_gets_nothing() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let mut waiter = place.mcp().joined();
    let wait = json!({"agent_id": "gone", "wait_seconds": 45});
    waiter.send(
        "tools/call",
        json!({"name": "next_issue", "arguments": wait}),
    );
    waiter.tool("system_health", json!({})).record();
    waiter.process.kill();
    // The kernel closes what it had open; a request later the owner has seen that.
    server.next("agent-b").expect(200);
    server.delete(&id).expect(200);
    let next = take(&server, json!({"agent_id": "agent-b", "wait_seconds": 10}));
    assert_eq!(next["issue_number"], 1, "{:?}", server.claims());
}

#[test]
fn a_wait_in_another_process_tells_of_progress_and_brings_the_issue() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let follower = place.mcp().joined();
    let owner = place.lock().expect("there is an owner")["pid"].clone();
    assert_ne!(owner, json!(follower.process.pid()), "it asks the owner");
    let too_long = json!({"agent_id": "agent-b", "wait_seconds": 46});
    let refused = follower.tool("next_issue", too_long).failure();
    assert!(refused.contains("between 0 and 45"), "{refused}");
    let parameters = json!({
        "name": "next_issue",
        "arguments": {"agent_id": "agent-b", "wait_seconds": 45},
        "_meta": {"progressToken": "wait-1"},
    });
    let start = Instant::now();
    let (_, answer) = follower.send("tools/call", parameters);
    let progress = || {
        let all = follower.notifications().into_iter();
        let of_wait = |message: &Value| message["params"]["progressToken"] == "wait-1";
        all.filter(of_wait).count()
    };
    until("progress twice", || holds(progress() >= 2));
    server.delete(&id).expect(200);
    let line = answer.recv_timeout(Duration::from_secs(20));
    let line = line.expect("the wait ends with the release");
    let answer: Value = serde_json::from_str(&line).expect("JSON");
    let next = crate::support::ToolAnswer::of(&answer["result"]).record();
    assert_eq!(next["issue_number"], 1, "{next}");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    let holder = server.claim_of("acme/api", 1).expect("it is claimed");
    assert_eq!(holder["agent_id"], "agent-b");
    assert_eq!(server.claims().len(), 1, "it was claimed once");
}

#[test]
fn a_cancelled_wait_is_cancelled_at_the_owner_too() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let waiter = place.mcp().joined();
    let wait = json!({"agent_id": "agent-b", "wait_seconds": 45});
    let (request, _answer) = waiter.send(
        "tools/call",
        json!({"name": "next_issue", "arguments": wait}),
    );
    waiter.tool("system_health", json!({})).record();
    waiter.notify("notifications/cancelled", json!({"requestId": request}));
    waiter.tool("system_health", json!({})).record();
    server.next("agent-c").expect(200);
    server.delete(&id).expect(200);
    let next = take(&server, json!({"agent_id": "agent-c", "wait_seconds": 10}));
    assert_eq!(next["issue_number"], 1, "{:?}", server.claims());
}

#[test]
fn callers_that_hang_up_at_once_leave_no_claim_behind() {
    let place = Place::with_issues(60);
    let server = place.serve_synced();
    let headers = [("content-type", "application/json")];
    server.while_busy(50, || {
        for number in 0..30 {
            let body = json!({"agent_id": format!("gone-{number}")}).to_string();
            let mut connection = server.connect();
            let sent =
                connection.send_request("POST", "/api/claims/next", &headers, body.as_bytes());
            sent.expect("it is taken");
            drop(connection);
            server.get("/api/claims");
        }
    });
    let left = || {
        let of_gone = |claim: &Value| {
            claim["agent_id"]
                .as_str()
                .is_some_and(|name| name.starts_with("gone"))
        };
        server.claims().into_iter().filter(of_gone).count()
    };
    let none_left = crate::support::within(Duration::from_secs(5), || holds(left() == 0));
    assert!(
        none_left.is_some(),
        "{} claims whose agents never heard of them",
        left()
    );
}

/// GitHub does not answer when it is asked about issue 1.
fn stall_on_the_issue(place: &Place) {
    place.github.inject(Fault::stall().on("/issues/1"));
    place.github.inject(Fault::stall().on_body("\"number\":1"));
}

#[test]
fn a_grant_on_its_way_is_taken_back_when_the_server_ends() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    stall_on_the_issue(&place);
    let mut connection = server.connect();
    let headers = [("content-type", "application/json")];
    let body = json!({"agent_id": "gone"}).to_string();
    let sent = connection.send_request("POST", "/api/claims/next", &headers, body.as_bytes());
    sent.expect("it is taken");
    until("a grant", || server.claim_of("acme/api", 1));
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "it ends at once");
    place.github.clear_faults();
    assert!(place.serve_synced().claims().is_empty());
}

#[test]
fn a_grant_on_its_way_is_taken_back_when_the_command_is_ended() {
    let place = Place::with_issues(1);
    place.serve_synced().stop();
    stall_on_the_issue(&place);
    let mut command = place.spawn(&["next-issue", "--agent-id", "gone"]);
    until("a grant", || {
        let claims = place.cli(&["get-all-claims"]).text();
        holds(claims.contains("gone"))
    });
    command.signal(Signal::TERM);
    let status = command.wait(Duration::from_secs(5)).expect("it ends");
    assert!(!status.success());
    assert!(command.log().contains("before there was an answer"));
    place.github.clear_faults();
    assert!(place.serve_synced().claims().is_empty());
}
