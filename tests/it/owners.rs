//! Several processes, one truth: one owns the state, the others forward, and any may die.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{McpClient, Place, Server, alive, all_at_once, claims, field, holds, until};

#[test]
fn a_second_coordinator_is_refused_and_told_who_is_there() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let second = place.cli(&["serve"]);
    assert!(second.code.is_some_and(|code| code != 0), "{second:?}");
    assert!(
        second.stderr.contains(&server.process.pid().to_string()),
        "{second:?}"
    );
    assert_eq!(server.get("/api/claims").status, 200);
    assert_eq!(place.owner(), Some(server.process.pid().into()));
}

#[test]
fn a_command_that_owns_the_state_for_its_call_does_not_stop_serve() {
    let place = Place::with_issues(0);
    let command = place.spawn(&["next-issue", "--agent-id", "a", "--wait-seconds", "3"]);
    until("the command owns the state", || {
        let lock = place.lock()?;
        let is_its_own = lock["pid"] == command.pid() && !field(&lock, "address").is_empty();
        is_its_own.then_some(())
    });
    let server = place.serve();
    assert_eq!(place.owner(), Some(server.process.pid().into()));
}

#[test]
fn a_process_that_is_just_starting_does_not_stop_serve() {
    let mut ended = Command::new("true").spawn().expect("there is a true");
    ended.wait().expect("it is our child");
    let info = |pid: u32, address: &str| {
        let info = json!({"pid": pid, "address": address, "token": "x", "command": "serve",
            "version": "0"});
        format!("{info}\n")
    };
    // Nobody was owner before, one that is dead by now, or it says that it starts.
    for said in [
        String::new(),
        info(ended.id(), "127.0.0.1:1"),
        info(std::process::id(), ""),
    ] {
        let place = Place::with_issues(0);
        let mut lock = File::create(place.beside("lock")).expect("the folder can be written to");
        lock.lock().expect("nobody else has it");
        lock.write_all(said.as_bytes()).expect("it is open");
        let serve = place.spawn(&["serve"]);
        until("it waits", || holds(serve.log().contains("waiting for it")));
        drop(lock);
        Server::wait_for(&place, serve);
    }
}

/// A port that this very process holds.
fn taken_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

#[test]
fn a_taken_port_stops_serve_which_names_the_holder() {
    let (_held, port) = taken_port();
    let place = Place::with_issues(1).with("HTTP_PORT", port);
    let refused = place.cli(&["serve"]);
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains(&port.to_string()), "{refused:?}");
    assert!(
        refused.stderr.contains(&std::process::id().to_string()),
        "{refused:?}"
    );
}

#[test]
fn a_taken_port_stops_no_agent() {
    let (_held, port) = taken_port();
    let place = Place::with_issues(1).with("HTTP_PORT", port);
    let client = place.mcp().joined();
    let claim = client.claim("agent-a", 1).record();
    assert_eq!(claim["claimed"], true);
    let lock = place.lock().expect("there is an owner");
    assert_eq!(lock["pid"], client.process.pid());
    let address = field(&lock, "address");
    assert!(
        !address.is_empty() && !address.ends_with(&format!(":{port}")),
        "{lock}"
    );
    let log = client.process.log();
    let told = log
        .lines()
        .filter(|line| line.contains(&port.to_string()) && !line.starts_with('{'));
    assert_eq!(told.count(), 1, "{log}");
}

#[test]
fn agents_share_one_owner() {
    let place = Place::with_issues(4);
    let clients = all_at_once(4, |_| place.mcp().joined());
    let owner = place.owner().expect("there is an owner");
    let owners = clients
        .iter()
        .filter(|client| u64::from(client.process.pid()) == owner);
    assert_eq!(owners.count(), 1);
    until("the first sync", || {
        let health = clients[0].tool("system_health", json!({})).record();
        holds(!health["last_sync"].is_null())
    });
    let answers = all_at_once(4, |index| {
        clients[index].claim(&format!("agent-{index}"), 1).record()
    });
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer["claimed"] == true)
        .collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let mut numbers = all_at_once(4, |index| {
        let arguments = json!({"agent_id": format!("agent-{index}")});
        let record = clients[index].tool("next_issue", arguments).record();
        record["issue_number"].as_u64()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, [None, Some(2), Some(3), Some(4)]);
    for client in &clients {
        let all = client.tool("get_all_claims", json!({})).record();
        assert_eq!(claims(&all).len(), 4);
        let health = client.tool("system_health", json!({})).record();
        assert_eq!(health["owner"]["pid"], owner);
    }
    let syncs = place.github.requests();
    let syncs = syncs
        .iter()
        .filter(|request| request.path == "/user")
        .count();
    assert_eq!(syncs, 1, "one of them speaks with GitHub for all");
}

#[test]
fn an_owner_with_http_serves_agents_too() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let client = place.mcp().joined();
    assert_eq!(place.owner(), Some(server.process.pid().into()));
    client.claim("agent-a", 1).record();
    assert_eq!(server.claim("agent-b", 1).expect(409)["owner"], "agent-a");
    server.stop();
    // The agent's process takes over, HTTP included.
    let claim = client.claim("agent-a", 2).record();
    assert_eq!(claim["claimed"], true);
    until("the agent's process owns it", || {
        holds(place.owner() == Some(client.process.pid().into()))
    });
    assert_eq!(
        client
            .tool("get_my_claims", json!({"agent_id": "agent-a"}))
            .record()["claims"][0]["issue_number"],
        1
    );
}

/// Agents that take issues one after the other while the owner is killed under them.
fn takeover_under_load(place: &Place, clients: &[McpClient], kill: impl FnOnce()) -> Vec<String> {
    let (granted, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let slowest = Mutex::new(Duration::ZERO);
    thread::scope(|scope| {
        for (index, client) in clients.iter().enumerate() {
            let (granted, stop, slowest) = (&granted, &stop, &slowest);
            scope.spawn(move || {
                let arguments = json!({"agent_id": format!("agent-{index}")});
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let record = client.tool("next_issue", arguments.clone()).record();
                    let took = start.elapsed();
                    let mut slowest = slowest.lock().expect("nobody panics");
                    *slowest = took.max(*slowest);
                    drop(slowest);
                    let id = field(&record, "claim_id").to_owned();
                    granted.lock().expect("nobody panics").push(id);
                }
            });
        }
        let count = || {
            granted
                .lock()
                .map(|granted| granted.len())
                .unwrap_or_default()
        };
        until("work has begun", || holds(count() >= 2 * clients.len()));
        kill();
        let before = count();
        until("work goes on", || {
            holds(count() >= before + 3 * clients.len())
        });
        stop.store(true, Ordering::Relaxed);
    });
    let slowest = slowest.into_inner().expect("nobody panics");
    assert!(
        slowest < Duration::from_secs(4),
        "the slowest call took {slowest:?}"
    );
    until("there is a new owner", || {
        let owner = place.owner()?;
        holds(
            clients
                .iter()
                .any(|client| u64::from(client.process.pid()) == owner),
        )
    });
    granted.into_inner().expect("nobody panics")
}

fn assert_each_once(client: &McpClient, granted: Vec<String>) {
    let mut held = Vec::new();
    let mut arguments = json!({"limit": 100});
    loop {
        let page = client.tool("get_all_claims", arguments.clone()).record();
        held.extend(
            claims(&page)
                .iter()
                .map(|claim| field(claim, "claim_id").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    let mut granted = granted;
    granted.sort();
    held.sort();
    assert_eq!(
        held, granted,
        "what is held is what was answered: nothing lost, nothing twice"
    );
}

#[test]
fn calls_under_way_are_answered_once_when_the_coordinator_is_killed() {
    let place = Place::with_issues(120);
    let mut server = Some(place.serve_synced());
    let clients = all_at_once(3, |_| place.mcp().joined());
    let granted = takeover_under_load(&place, &clients, || {
        server.take().expect("it runs").kill();
    });
    assert_each_once(&clients[0], granted);
}

#[test]
fn calls_under_way_are_answered_once_when_the_coordinator_is_stopped() {
    let place = Place::with_issues(120);
    let mut server = Some(place.serve_synced());
    let clients = all_at_once(3, |_| place.mcp().joined());
    let granted = takeover_under_load(&place, &clients, || {
        server.take().expect("it runs").stop();
    });
    assert_each_once(&clients[0], granted);
}

#[test]
fn calls_under_way_are_answered_once_when_the_owning_agent_leaves() {
    let place = Place::with_issues(120);
    let mut owner = place.mcp().joined().synced();
    let clients = all_at_once(3, |_| place.mcp().joined());
    assert_eq!(place.owner(), Some(owner.process.pid().into()));
    let granted = takeover_under_load(&place, &clients, || {
        assert!(owner.leave(Duration::from_secs(1)).success());
    });
    assert_each_once(&clients[0], granted);
}

#[test]
fn an_idle_follower_takes_over_within_a_second() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let client = place.mcp().joined();
    let start = Instant::now();
    server.kill();
    until("the follower owns it", || {
        holds(place.owner() == Some(client.process.pid().into()))
    });
    let address = until("it listens", || {
        let lock = place.lock()?;
        Some(
            lock["address"]
                .as_str()
                .filter(|text| !text.is_empty())?
                .to_owned(),
        )
    });
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let answer = crate::support::Connection::open(&address).request("GET", "/api/claims", &[], b"");
    assert_eq!(answer.status, 200);
}

/// Has the client wait for an issue. The wait has begun: what is asked after it was answered.
fn begin_to_wait(waiter: &McpClient) -> Receiver<String> {
    let arguments = json!({"agent_id": "agent-b", "wait_seconds": 30});
    let (_, answer) = waiter.send(
        "tools/call",
        json!({"name": "next_issue", "arguments": arguments}),
    );
    waiter.tool("system_health", json!({})).record();
    answer
}

/// The wait ends with issue 1 as soon as its holder releases it.
fn ends_with_a_release(holder: &McpClient, claim: &Value, answer: &Receiver<String>) {
    let release = json!({"claim_id": claim["claim"]["claim_id"]});
    holder.tool("release_issue", release).record();
    let line = answer
        .recv_timeout(Duration::from_secs(15))
        .expect("it is answered");
    assert!(line.contains("Issue 1"), "{line}");
}

#[test]
fn a_wait_survives_the_owner() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let (holder, waiter) = (place.mcp().joined(), place.mcp().joined());
    let claim = holder.claim("agent-a", 1).record();
    let answer = begin_to_wait(&waiter);
    server.kill();
    ends_with_a_release(&holder, &claim, &answer);
    let all = holder.tool("get_all_claims", json!({})).record();
    assert_eq!(claims(&all)[0]["agent_id"], "agent-b");
}

#[test]
fn a_wait_does_not_hold_up_the_end_of_a_coordinator() {
    let place = Place::with_issues(1);
    let mut server = place.serve_synced();
    let (holder, waiter) = (place.mcp().joined(), place.mcp().joined());
    let claim = holder.claim("agent-a", 1).record();
    let answer = begin_to_wait(&waiter);
    let start = Instant::now();
    server.process.terminate();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    ends_with_a_release(&holder, &claim, &answer);
}

#[test]
fn a_stale_lock_file_is_no_lock() {
    let place = Place::with_issues(1);
    for remains in [
        "",
        "{",
        "{\"pid\":1,\"address\":\"127.0.0.1:1\",\"token\":\"x\",\"command\":\"serve\",\"version\":\"0\"}\n",
    ] {
        std::fs::write(place.beside("lock"), remains).expect("it can be written");
        let client = place.mcp().joined();
        assert_eq!(
            place.owner(),
            Some(client.process.pid().into()),
            "after {remains:?}"
        );
    }
}

#[test]
fn an_owner_that_hangs_does_not_hang_its_followers_for_ever() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let client = place.mcp().joined();
    server.process.signal(rustix::process::Signal::STOP);
    let call = json!({"name": "system_health", "arguments": {}});
    let (_, answer) = client.send("tools/call", call);
    let answer = answer.recv_timeout(Duration::from_secs(20));
    server.process.signal(rustix::process::Signal::CONT);
    assert!(
        answer.is_ok(),
        "a call that cannot be forwarded is answered with why"
    );
    assert!(alive(server.process.pid()));
}
