//! Load and bad neighbours: gh stays within its limit, slow clients hold up nobody.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::github::Fault;
use crate::support::{Connection, Place, all_at_once, holds, until};

#[test]
fn gh_never_exceeds_its_limit() {
    let place = Place::with_issues(24).with("GH_MAX_PROCESSES", 3);
    let server = place.serve_synced();
    place.github.clear_requests();
    place
        .github
        .inject(Fault::delay(Duration::from_millis(100)));
    let (done, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(server.process.children().len(), Ordering::Relaxed);
            }
        });
        let answers = all_at_once(24, |index| {
            server.get(&format!("/api/issues/acme/api/{}", index + 1))
        });
        done.store(true, Ordering::Relaxed);
        for answer in answers {
            answer.expect(200);
        }
    });
    let most = most.into_inner();
    assert!((1..=3).contains(&most), "{most} gh at once");
    assert!(
        place.github.most_at_once() <= 3,
        "{}",
        place.github.most_at_once()
    );
    until("the pool is empty again", || {
        let pool = &server.health()["gh"]["pool"];
        holds(pool["running"] == 0 && pool["queued"] == 0)
    });
}

#[test]
fn two_places_are_kept_for_claims() {
    let place = Place::with_issues(20).with("GH_MAX_PROCESSES", 4);
    let server = place.serve_synced();
    place.github.inject(Fault::stall().on("/issues/19"));
    place.github.inject(Fault::stall().on_body("\"number\":19"));
    let details = "/api/issues/acme/api/19";
    let mut stuck: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for connection in &mut stuck {
        connection
            .send_request("GET", details, &[], b"")
            .expect("it is taken");
    }
    until("readers have all places that they may have", || {
        holds(server.health()["gh"]["pool"]["queued"].as_u64() >= Some(1))
    });
    let start = Instant::now();
    server.next("agent-a").expect(201);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn slow_clients_hold_up_nobody() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut slow = Vec::new();
    for index in 0..120 {
        let mut connection = server.connect();
        let head = format!("POST /api/claims HTTP/1.1\r\nhost: {}\r\n", server.address);
        let begun = match index % 3 {
            0 => "GE".to_owned(),
            1 => head,
            _ => format!(
                "{head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"agent"
            ),
        };
        connection.send(begun.as_bytes()).expect("it is taken");
        slow.push(connection);
    }
    let start = Instant::now();
    server.granted("agent-a", 1);
    assert_eq!(server.get("/api/claims").status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    drop(slow);
    assert_eq!(server.get("/api/claims").status, 200);
}

#[test]
fn connections_without_a_whole_request_are_closed() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut connections: Vec<_> = ["", "GET /api/health HTTP/1.1\r\nhost: "]
        .into_iter()
        .map(|begun| {
            let mut connection = server.connect();
            connection.send(begun.as_bytes()).expect("it is taken");
            connection
        })
        .collect();
    // One that was in use and is not any more.
    let mut kept = server.connect();
    assert_eq!(kept.request("GET", "/api/health", &[], b"").status, 200);
    connections.push(kept);
    for connection in &mut connections {
        assert_eq!(connection.rest(), b"", "closed, and nothing said");
    }
    assert_eq!(server.get("/api/claims").status, 200);
}

#[test]
fn callers_that_hang_up_leave_no_gh_behind() {
    let place = Place::with_issues(6);
    let server = place.serve_synced();
    place.github.inject(Fault::stall());
    let mut callers: Vec<_> = (1..=3).map(|_| server.connect()).collect();
    for (index, connection) in callers.iter_mut().enumerate() {
        let path = format!("/api/issues/acme/api/{}", index + 1);
        connection
            .send_request("GET", &path, &[], b"")
            .expect("it is taken");
    }
    until("gh is at work for them", || {
        holds(server.process.children().len() >= 3)
    });
    drop(callers);
    until("nobody works for those who left", || {
        holds(server.process.children().is_empty())
    });
    until("their places are free", || {
        holds(server.health()["gh"]["pool"]["running"] == 0)
    });
}

#[test]
fn many_agents_over_http_work_side_by_side() {
    let place = Place::with_issues(40);
    let server = place.serve_synced();
    let kind = [("content-type", "application/json")];
    all_at_once(20, |index| {
        let mut connection = server.connect();
        let agent = format!("agent-{index}");
        for number in [index + 1, index + 21] {
            let body =
                json!({"agent_id": agent, "repo": "acme/api", "issue_number": number}).to_string();
            let claim = connection
                .request("POST", "/api/claims", &kind, body.as_bytes())
                .expect(201);
            let path = format!("/api/claims/{}", crate::support::field(&claim, "claim_id"));
            for status in ["in_progress", "in_progress"] {
                let body = json!({"status": status, "agent_id": agent}).to_string();
                connection
                    .request("PATCH", &path, &kind, body.as_bytes())
                    .expect(200);
            }
            connection.request("DELETE", &path, &[], b"").expect(200);
        }
    });
    assert!(server.claims().is_empty());
    assert_eq!(server.health()["total_claims"], 40);
}

#[test]
fn many_kept_connections_are_one_server() {
    const ISSUES: usize = 32;
    let place = Place::with_issues(ISSUES);
    let mut server = place.serve_synced();
    // A crowd: the writer's thread stores while others are read and answered.
    let mut connections: Vec<_> = (0..2 * ISSUES).map(|_| server.connect()).collect();
    for connection in &mut connections {
        assert_eq!(
            connection.request("GET", "/api/health", &[], b"").status,
            200
        );
    }
    let connections: Vec<_> = connections.into_iter().map(Mutex::new).collect();
    let ask = |index: usize, method: &str, path: &str, body: &str| {
        let headers = [("content-type", "application/json")];
        let mut connection = connections[index].lock().expect("one asks at a time");
        connection.request(method, path, &headers, body.as_bytes())
    };
    let granted = all_at_once(connections.len(), |index| {
        let number = index % ISSUES + 1;
        let body = json!({"agent_id": format!("agent-{index}"), "repo": "acme/api", "issue_number": number});
        let answer = ask(index, "POST", "/api/claims", &body.to_string());
        assert!(matches!(answer.status, 201 | 409), "{}", answer.text());
        (answer.status == 201).then_some(number)
    });
    let mut granted: Vec<usize> = granted.into_iter().flatten().collect();
    granted.sort_unstable();
    assert!(granted.into_iter().eq(1..=ISSUES), "each once");
    // Several children of gh at once.
    let details = all_at_once(8, |index| {
        let path = format!("/api/issues/acme/api/{}", index % ISSUES + 1);
        ask(index, "GET", &path, "")
    });
    for answer in details {
        answer.expect(200);
    }
    // A request that does not end is cut, and its gh with it.
    place.github.inject(Fault::stall());
    let mut last = connections[connections.len() - 1]
        .lock()
        .expect("nobody else asks");
    let sent = last.send_request("GET", "/api/issues/acme/api/1", &[], b"");
    sent.expect("it is taken");
    until("gh hangs", || holds(!server.process.children().is_empty()));
    server.process.terminate();
    assert!(server.process.children().is_empty());
}

#[test]
fn a_window_that_is_closed_leaves_no_gh_of_many_callers_behind() {
    let place = Place::with_issues(1);
    let mut window = place.mcp().joined().synced();
    let owner = place.lock().expect("it is the owner");
    let address = crate::support::field(&owner, "address");
    let mut callers: Vec<_> = (0..40).map(|_| Connection::open(address)).collect();
    for caller in &mut callers {
        assert_eq!(caller.request("GET", "/api/claims", &[], b"").status, 200);
    }
    place.github.inject(Fault::stall());
    for caller in callers.iter_mut().take(2) {
        let sent = caller.send_request("GET", "/api/issues/acme/api/1", &[], b"");
        sent.expect("it is taken");
    }
    until("gh hangs", || holds(!window.process.children().is_empty()));
    let status = window.leave(Duration::from_secs(2));
    assert_eq!(status.code(), Some(0), "{}", window.process.log());
    until("no gh is left", || {
        holds(window.process.children().is_empty())
    });
}
