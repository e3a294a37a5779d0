//! The stream of events: in order, without a gap, also across restarts, and never held up by one
//! slow reader.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::{
    Connection, Event, Events, Place, Process, Server, all_at_once, field, runtime,
};

/// The ids and what happened, for comparison.
fn told(events: &[Event]) -> Vec<(String, Value)> {
    events
        .iter()
        .map(|event| (event.kind.clone(), event.data["issue_number"].clone()))
        .collect()
}

fn read(events: &mut Events, count: usize) -> Vec<Event> {
    (0..count)
        .map(|_| events.read().expect("the stream goes on"))
        .collect()
}

fn cycle(server: &Server, number: u64) {
    let id = server.granted("agent-a", number);
    server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    server.delete(&id).expect(200);
}

#[test]
fn every_change_is_an_event_in_order() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    for number in 1..=3 {
        cycle(&server, number);
    }
    let seen = read(&mut events, 9);
    let kinds = ["claim.created", "claim.status_changed", "claim.released"];
    let expected: Vec<_> = (1..=3)
        .flat_map(|number| kinds.map(|kind| (kind.to_owned(), json!(number))))
        .collect();
    assert_eq!(told(&seen), expected);
    let ids: Vec<_> = seen
        .iter()
        .map(|event| event.id.expect("every event has an id"))
        .collect();
    assert!(ids.is_sorted_by(|before, after| before < after), "{ids:?}");
    let created = &seen[0].data;
    assert_eq!(created["repo"], "acme/api");
    assert_eq!(created["agent_id"], "agent-a");
    assert!(created["claim_id"].is_string(), "{created}");
}

#[test]
fn a_reader_resumes_without_a_gap() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let mut all = server.events("", None);
    for number in 1..=3 {
        cycle(&server, number);
    }
    let seen = read(&mut all, 9);
    let ids: Vec<_> = seen.iter().map(|event| event.id).collect();
    for start in 0..9 {
        let since = seen[start].id.expect("every event has an id");
        let mut by_header = server.events("", Some(since));
        let mut by_query = server.events(&format!("?since={since}"), None);
        let rest = 8 - start;
        for events in [&mut by_header, &mut by_query] {
            let resumed: Vec<_> = read(events, rest).iter().map(|event| event.id).collect();
            assert_eq!(resumed, ids[start + 1..]);
        }
    }
    assert_eq!(server.get("/sse?since=nonsense").status, 400);
}

#[test]
fn a_reader_resumes_across_restarts() {
    let place = Place::with_issues(9);
    let mut server = place.serve_synced();
    let mut events = server.events("?repo=acme/api", None);
    cycle(&server, 1);
    // The last event of each round is left for the reader after it.
    let mut seen = read(&mut events, 2);
    let mut number = 1;
    for is_clean in [true, false, true] {
        cycle(&server, number + 1);
        if is_clean {
            server.stop();
        } else {
            server.kill();
        }
        server = place.serve();
        cycle(&server, number + 2);
        number += 2;
        let last = seen.last().and_then(|event| event.id);
        let mut events = server.events("?repo=acme/api", last);
        seen.extend(read(&mut events, 6));
    }
    let kinds = ["claim.created", "claim.status_changed", "claim.released"];
    let expected: Vec<_> = (1..=7)
        .flat_map(|number| kinds.map(|kind| (kind.to_owned(), json!(number))))
        .take(seen.len())
        .collect();
    assert_eq!(told(&seen), expected);
}

#[test]
fn a_reader_resumes_after_many_short_owners() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    cycle(&server, 1);
    let last = read(&mut events, 3)[2].id.expect("every event has an id");
    server.stop();
    // Each of these owns the state for one call, and ends cleanly.
    for _ in 0..4 {
        let claimed = place.claim_by_command("a", 2);
        let id = claimed.json()["claim"]["claim_id"].clone();
        let id = id.as_str().expect("it was granted");
        let released = place.cli(&["release-issue", "--claim-id", id]);
        assert_eq!(released.code, Some(0), "{released:?}");
    }
    let server = place.serve();
    let mut events = server.events("", Some(last));
    let mut releases = 0;
    let mut expected = last;
    while releases < 4 {
        let event = events.read().expect("the stream goes on");
        expected += 1;
        assert_eq!(event.id, Some(expected), "{event:?}");
        releases += usize::from(event.kind == "claim.released");
    }
}

#[test]
fn filters_narrow_the_stream() {
    let mut world = crate::support::issues(2);
    world.add_repository("acme/web").add_issue("web");
    let place = Place::new(world);
    let server = place.serve_synced();
    let mut of_repo = server.events("?repo=ACME/web", None);
    let mut of_agent = server.events("?agent_id=agent-b", None);
    let mut of_both = server.events("?agent_id=agent-b&repo=acme/api", None);
    server.claim_in("acme/api", "agent-a", 1).expect(201);
    server.claim_in("acme/web", "agent-b", 1).expect(201);
    server.claim_in("acme/api", "agent-b", 2).expect(201);
    assert_eq!(read(&mut of_repo, 1)[0].data["agent_id"], "agent-b");
    let seen: Vec<_> = read(&mut of_agent, 2)
        .iter()
        .map(|event| event.data["repo"].clone())
        .collect();
    assert_eq!(seen, ["acme/web", "acme/api"]);
    assert_eq!(read(&mut of_both, 1)[0].data["issue_number"], 2);
    for query in ["?repo=acme", "?agent_id=", "?nonsense=1"] {
        assert_eq!(server.get(&format!("/sse{query}")).status, 400, "{query}");
    }
}

#[test]
fn many_readers_see_the_same() {
    let place = Place::with_issues(20);
    let server = place.serve_synced();
    let readers: Vec<_> = (0..40)
        .map(|_| std::sync::Mutex::new(server.events("", None)))
        .collect();
    let next = AtomicU64::new(1);
    all_at_once(4, |_| {
        for _ in 0..5 {
            cycle(&server, next.fetch_add(1, Ordering::Relaxed));
        }
    });
    let seen: Vec<Vec<Option<u64>>> = readers
        .iter()
        .map(|reader| {
            let mut reader = reader.lock().expect("nobody panics");
            read(&mut reader, 60).iter().map(|event| event.id).collect()
        })
        .collect();
    assert!(seen[0].is_sorted_by(|before, after| before < after));
    assert!(seen.iter().all(|ids| *ids == seen[0]));
}

/// A reader with a small window that does not read.
fn sleepy_reader(server: &Server) -> Connection {
    let address: SocketAddr = server.address.parse().expect("it is an address");
    let stream = runtime().block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        socket.connect(address).await?.into_std()
    });
    let stream = stream.expect("the server listens");
    stream.set_nonblocking(false).expect("it can block");
    let mut connection = Connection::over(stream, &server.address);
    let sent = connection.send_request("GET", "/sse", &[], b"");
    sent.expect("it is taken");
    assert_eq!(connection.read_head().expect("it answers").status, 200);
    connection
}

#[test]
fn a_slow_reader_is_cut_and_the_others_go_on() {
    let place = Place::with_issues(8);
    let server = place.serve_synced();
    let sleepy = sleepy_reader(&server);
    let mut awake = server.events("", None);
    let ids: Vec<_> = (1..=8)
        .map(|number| server.granted("agent-a", number))
        .collect();
    // More than sockets hold, with the events that may wait in the server on top.
    let (rounds, note) = (400_u64, "n".repeat(4_000));
    let expected = 8 + 8 * rounds;
    let seen = std::thread::scope(|scope| {
        let reading = scope.spawn(move || read(&mut awake, expected as usize));
        all_at_once(8, |index| {
            let mut connection = server.connect();
            let body = json!({"status": "in_progress", "note": note}).to_string();
            let path = format!("/api/claims/{}", ids[index]);
            let kind = [("content-type", "application/json")];
            for _ in 0..rounds {
                let answer = connection.request("PATCH", &path, &kind, body.as_bytes());
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
        reading.join().expect("the other reader misses nothing")
    });
    let numbers: Vec<_> = seen.iter().filter_map(|event| event.id).collect();
    assert!(
        numbers.is_sorted_by(|before, after| before + 1 == *after),
        "there is a gap"
    );
    let late = Events::new(sleepy).drain();
    let last = late.last().expect("it got something");
    assert_eq!(last.kind, "lagged", "{} events, then {last:?}", late.len());
    let before: Vec<_> = late.iter().filter_map(|event| event.id).collect();
    assert!(!before.is_empty() && (before.len() as u64) < expected);
    assert!(
        before.is_sorted_by(|before, after| before + 1 == *after),
        "there is a gap"
    );
    // It comes back where it was.
    let since = late
        .iter()
        .rev()
        .find(|event| event.kind != "lagged")
        .and_then(|event| event.id);
    let mut resumed = server.events("", since);
    assert_eq!(
        resumed.read().and_then(|event| event.id),
        since.map(|id| id + 1)
    );
}

#[test]
fn a_reader_that_is_ahead_is_told_so() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    cycle(&server, 1);
    let newest = read(&mut events, 3)[2].id.expect("every event has an id");
    for since in [newest + 1_000, u64::MAX] {
        let mut ahead = server.events(&format!("?since={since}"), None);
        let told = ahead.read().expect("it is told");
        assert_eq!((told.kind.as_str(), told.id), ("lagged", Some(newest)));
        let reason = field(&told.data, "reason");
        assert!(
            reason.contains("ahead of the newest event") && reason.contains(&newest.to_string()),
            "{reason}"
        );
        assert!(!field(&told.data, "suggestion").is_empty());
    }
    let mut ahead = server.events("", Some(newest + 1));
    assert_eq!(
        ahead.read().map(|event| event.kind),
        Some("lagged".to_owned())
    );
    cycle(&server, 2);
    assert_eq!(ahead.read().and_then(|event| event.id), Some(newest + 1));
}

#[test]
fn the_stream_is_not_cached_or_closed_by_the_way() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut connection = server.connect();
    connection
        .send_request("GET", "/sse", &[], b"")
        .expect("it is taken");
    let head = connection.read_head().expect("it answers");
    let cache = head.header("cache-control").unwrap_or_default();
    assert!(
        cache.contains("no-cache") || cache.contains("no-store"),
        "{cache}"
    );
}

#[test]
fn watch_prints_what_happens() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let watch = place.spawn(&["watch"]);
    let follower = place.spawn(&["watch", "--json"]);
    // It tells nothing of the past, so something happens until it is there.
    crate::support::until("both tell of it", || {
        cycle(&server, 1);
        let line = watch.log();
        let json = follower.log();
        (line.contains("acme/api#1") && line.contains("agent-a") && json.contains("claim.created"))
            .then_some(())
    });
    let first = follower.log();
    let first: Value =
        serde_json::from_str(first.lines().next().unwrap_or_default()).expect("a line is JSON");
    assert!(field(&first, "type").starts_with("claim."), "{first}");
}

/// The ids that a `watch --json` has printed.
fn printed(log: &str) -> Vec<u64> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|event| event["id"].as_u64()).collect()
}

#[test]
fn watch_never_owns_and_misses_nothing() {
    let mut place = Place::with_issues(3);
    let server = place.serve_synced();
    place.set("LOG_LEVEL", "debug");
    let from_now_on = place.spawn(&["watch", "--json"]);
    crate::support::until("it follows", || {
        let log = from_now_on.log();
        log.contains("following the owner's events").then_some(())
    });
    place.unset("LOG_LEVEL");
    let claim = |number: u64| {
        let claimed = place.claim_by_command("a", number);
        assert_eq!(claimed.code, Some(0), "{claimed:?}");
    };
    // The owner ends before it told of anything, and at once a command owns the state for a moment.
    server.stop();
    claim(1);
    // Without an owner it tells what there was.
    let from_the_first = place.spawn(&["watch", "--json", "--since", "0"]);
    let watches = [&from_now_on, &from_the_first];
    crate::support::until("both tell of the claim", || {
        let tells = |watch: &&Process| watch.log().contains("claim.created");
        watches.iter().all(tells).then_some(())
    });
    let watched = |newest: u64| {
        crate::support::until("both tell of it", || {
            let both = watches.map(|watch| printed(&watch.log()));
            both.iter()
                .all(|ids| ids.last() >= Some(&newest))
                .then_some(both)
        })
    };
    let [new, all] = watched(2);
    // The first event is older than that watch.
    assert_eq!(all[0], 1);
    assert!(new[0] > 1, "{new:?}");
    // What another command does, it tells of, too.
    claim(2);
    watched(all.last().expect("there were some") + 1);
    // Nor does it stand in the way of an owner.
    let server = place.serve();
    let mut events = server.events("?repo=acme/api", None);
    cycle(&server, 3);
    let newest = read(&mut events, 3)[2].id.expect("every event has an id");
    for ids in watched(newest) {
        assert!(
            ids.is_sorted_by(|before, after| before + 1 == *after),
            "{ids:?}"
        );
    }
}
