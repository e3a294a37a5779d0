//! No room on the disk: changes are refused, nothing acknowledged is lost, and work goes on when
//! there is room again. A limit on the size of files stands in for the full disk.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{Place, Process, Server, all_at_once, claims, field, holds, until};

/// Starts the coordinator so that a write beyond the limit fails instead of ending it.
fn serve(place: &Place) -> Server {
    let program = env!("CARGO_BIN_EXE_issuecommand");
    let script = "trap '' XFSZ; exec \"$0\" serve";
    let (command, home) = place.command_of("/bin/sh".as_ref(), &["-c", script, program]);
    let server = Server::wait_for(place, Process::start(command, &home, |_| {}).0);
    server.wait_for_sync();
    server
}

fn limit_files(pid: Pid, bytes: Option<u64>) {
    let limits = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(pid), Resource::Fsize, limits).expect("it is our child");
}

#[test]
fn a_full_disk_refuses_changes_and_loses_nothing() {
    let place = Place::with_issues(12);
    let server = serve(&place);
    let pid = server.process.rustix_pid();
    let kept = server.granted("agent-a", 1);
    limit_files(pid, Some(64));
    let refusals = all_at_once(6, |index| server.claim("agent-b", index as u64 + 2));
    for answer in refusals {
        let error = answer.expect(503);
        assert_eq!(error["code"], "storage_unavailable", "{error}");
        assert!(answer.header("retry-after").is_some());
        assert!(!field(&error, "suggestion").is_empty());
    }
    assert_eq!(
        server.patch(&kept, json!({"status": "in_progress"})).status,
        503
    );
    assert_eq!(server.delete(&kept).status, 503);
    assert_eq!(server.next("agent-c").status, 503);
    // Reading goes on, and shows what is on disk.
    let claims = server.claims();
    assert_eq!(claims.len(), 1);
    assert_eq!(
        (&claims[0]["claim_id"], &claims[0]["status"]),
        (&json!(kept), &json!("claimed"))
    );
    let health = server.health();
    assert_ne!(health["status"], "ok", "{health}");
    limit_files(pid, None);
    let second = until("there is room again", || {
        let answer = server.claim("agent-b", 2);
        (answer.status == 201).then(|| field(&answer.json(), "claim_id").to_owned())
    });
    until("health says so", || {
        holds(server.health()["status"] == "ok")
    });
    server
        .patch(&kept, json!({"status": "in_progress"}))
        .expect(200);
    server.kill();
    let server = place.serve();
    let mut held: Vec<_> = server
        .claims()
        .iter()
        .map(|claim| field(claim, "claim_id").to_owned())
        .collect();
    held.sort();
    let mut expected = vec![kept, second];
    expected.sort();
    assert_eq!(held, expected, "refused changes did not come back");
}

#[test]
fn a_disk_that_is_full_now_and_then_never_lies() {
    let place = Place::with_issues(60);
    let server = serve(&place);
    let pid = server.process.rustix_pid();
    let mut granted = Vec::new();
    let mut refused = Vec::new();
    for number in 1..=60_u64 {
        if number % 3 == 0 {
            limit_files(pid, Some(64));
        }
        let answer = server.claim("agent-a", number);
        match answer.status {
            201 => granted.push(field(&answer.json(), "claim_id").to_owned()),
            503 => refused.push(number),
            status => panic!("{status} {}", answer.text()),
        }
        limit_files(pid, None);
    }
    assert!(!refused.is_empty() && !granted.is_empty());
    server.kill();
    let server = place.serve();
    let held = server.claims();
    assert_eq!(held.len(), granted.len());
    for claim in held {
        assert!(
            granted.contains(&field(&claim, "claim_id").to_owned()),
            "{claim}"
        );
    }
}

#[test]
fn an_agent_whose_claim_is_stale_reads_on() {
    let place = Place::with_issues(1).with("CLAIM_TIMEOUT_MINUTES", 0.01);
    let server = serve(&place);
    let pid = server.process.rustix_pid();
    let mut events = server.events("", None);
    let client = place.mcp().joined();
    client.claim("agent-a", 1).record();
    events.next_of("claim.stale");
    limit_files(pid, Some(64));
    // Each call of its process is a sign of life that cannot be stored.
    for _ in 0..3 {
        for name in ["list_repos", "get_all_claims", "get_my_claims"] {
            let arguments = match name {
                "get_my_claims" => json!({"agent_id": "agent-a"}),
                _ => json!({}),
            };
            let record = client.tool(name, arguments).record();
            if name != "list_repos" {
                assert_eq!(claims(&record)[0]["status"], "stale", "{record}");
            }
        }
    }
    limit_files(pid, None);
    until("a sign of life counts again", || {
        let listed = client.tool("get_all_claims", json!({})).record();
        holds(claims(&listed)[0]["status"] == "claimed")
    });
}
