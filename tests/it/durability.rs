//! What was acknowledged stays, however the coordinator ends; damage is shown and not made worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Connection, Place, Ran, field, holds, until};

/// The files of the state, but for the lock.
fn files(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(place.folder()).expect("the folder is there");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_state = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("state.") && name != "state.lock"
    };
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("it can be read"));
    paths.filter(is_state).map(read).collect()
}

fn ids(claims: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> = claims
        .iter()
        .map(|claim| field(claim, "claim_id").to_owned())
        .collect();
    ids.sort();
    ids
}

/// Where the last line of a journal ends: behind it is only space.
fn written_end(journal: &[u8]) -> usize {
    journal
        .iter()
        .rposition(|byte| *byte == b'}')
        .expect("there is a line")
        + 2
}

#[test]
fn acknowledged_claims_survive_a_kill_in_the_middle_of_work() {
    survive_a_kill(6, 400);
}

/// So many that the writer's thread stores while others are read and answered.
#[test]
fn acknowledged_claims_of_a_crowd_survive_a_kill() {
    survive_a_kill(48, 1_000);
}

fn survive_a_kill(agents: usize, issues: usize) {
    let place = Place::with_issues(issues);
    let server = place.serve_synced();
    let (address, pid) = (server.address.clone(), server.process.rustix_pid());
    let (granted, next, stop) = (
        Mutex::new(Vec::new()),
        Mutex::new(0_u64),
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        for agent in 0..agents {
            let (address, granted, next, stop) = (&address, &granted, &next, &stop);
            scope.spawn(move || {
                let mut connection = Connection::open(address);
                while !stop.load(Ordering::Relaxed) {
                    let number = {
                        let mut next = next.lock().expect("nobody panics");
                        *next += 1;
                        *next
                    };
                    let body = json!({"agent_id": format!("a{agent}"), "repo": "acme/api", "issue_number": number});
                    let kind = [("content-type", "application/json")];
                    let body = body.to_string();
                    let sent = connection.send_request("POST", "/api/claims", &kind, body.as_bytes());
                    let Ok(answer) = sent.and_then(|()| connection.read_answer()) else {
                        return;
                    };
                    if answer.status == 201 {
                        let id = field(&answer.json(), "claim_id").to_owned();
                        granted.lock().expect("nobody panics").push(id);
                    }
                }
            });
        }
        until("work is in full swing", || {
            holds(granted.lock().expect("nobody panics").len() > 100)
        });
        rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
        stop.store(true, Ordering::Relaxed);
    });
    drop(server);
    let server = place.serve();
    let held = ids(&server.claims());
    let granted = granted.into_inner().expect("nobody panics");
    assert!(granted.len() > 100);
    for id in granted {
        assert!(held.contains(&id), "{id} was acknowledged and is lost");
    }
}

#[test]
fn a_torn_end_is_cut_off() {
    let place = Place::with_issues(5);
    let server = place.serve_synced();
    let kept: Vec<_> = (1..=3)
        .map(|number| server.granted("agent-a", number))
        .collect();
    server.kill();
    let journal = place.beside("journal.jsonl");
    let bytes = fs::read(&journal).expect("there is a journal");
    let end = written_end(&bytes);
    let line = bytes[..end]
        .split_inclusive(|byte| *byte == b'\n')
        .next_back()
        .expect("there is a line");
    for torn in [
        // Half of a line, and nothing behind it.
        [&bytes[..end], &line[..line.len() / 2]].concat(),
        // Half of a line over the prepared space.
        [
            &bytes[..end],
            &line[..line.len() / 2],
            &bytes[end + line.len() / 2..],
        ]
        .concat(),
        // A line whose middle never came.
        [&bytes[..end], &line[..10], &[0; 64][..], &line[70..]].concat(),
        // No prepared space at all.
        bytes[..end].to_vec(),
    ] {
        fs::write(&journal, torn).expect("it can be written");
        let server = place.serve();
        let mut expected = kept.clone();
        expected.sort();
        assert_eq!(ids(&server.claims()), expected);
        let fourth = server.granted("agent-b", 4);
        server.kill();
        // The new change stands where the torn one was.
        let server = place.serve();
        server.delete(&fourth).expect(200);
        server.kill();
    }
}

#[track_caller]
fn assert_refused_untouched(place: &Place, words: &[&str]) -> Ran {
    let before = files(place);
    let ran = place.cli(&["serve"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "'{word}' is missing: {ran:?}");
    }
    assert!(files(place) == before, "a file was changed");
    // Nor does any other command touch it.
    let claimed = place.claim_by_command("a", 5);
    assert!(claimed.code.is_some_and(|code| code != 0), "{claimed:?}");
    assert!(files(place) == before, "a file was changed");
    ran
}

#[test]
fn damage_in_the_middle_stops_the_start_and_nothing_is_overwritten() {
    let place = Place::with_issues(5);
    let server = place.serve_synced();
    for number in 1..=4 {
        server.granted("agent-a", number);
    }
    server.kill();
    let journal = place.beside("journal.jsonl");
    let good = fs::read(&journal).expect("there is a journal");
    let lines: Vec<_> = good[..written_end(&good)]
        .split_inclusive(|byte| *byte == b'\n')
        .collect();
    let damaged = lines.len() - 2;
    // One bit of a text, which stays valid JSON: only the checksum can tell.
    let flipped = {
        let mut lines: Vec<_> = lines.iter().map(|line| line.to_vec()).collect();
        let line = &mut lines[damaged - 1];
        let place = line
            .windows(7)
            .position(|bytes| bytes == b"agent-a")
            .expect("it names the agent");
        line[place] ^= 1;
        lines.concat()
    };
    fs::write(&journal, &flipped).expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl", &format!("line {damaged}")]);
    // A line that is missing.
    let mut missing = lines.clone();
    missing.remove(damaged - 1);
    fs::write(&journal, missing.concat()).expect("it can be written");
    let folder = place.folder().display().to_string();
    assert_refused_untouched(&place, &["state.journal.jsonl", "line", &folder]);
    // Nothing that this program does leaves a journal without its first line.
    fs::write(&journal, "").expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl, line 1"]);
    // An agent's process answers instead of leaving, and says the same.
    let client = place.mcp();
    let failure = client.tool("get_all_claims", json!({})).failure();
    assert!(failure.contains("state.journal.jsonl"), "{failure}");
    drop(client);
    fs::write(&journal, &good).expect("it can be written");
    assert_eq!(place.serve().claims().len(), 4);
}

#[test]
fn a_missing_journal_is_damage_and_no_empty_one() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let first = server.granted("agent-a", 1);
    server.stop();
    let server = place.serve();
    let second = server.granted("agent-a", 2);
    server.kill();
    let mut both = vec![first.clone(), second];
    both.sort();
    let (journal, next) = (
        place.beside("journal.jsonl"),
        place.beside("journal.jsonl.new"),
    );
    let good = fs::read(&journal).expect("there is a journal");
    fs::remove_file(&journal).expect("it is there");
    let ran = assert_refused_untouched(&place, &["state.journal.jsonl is missing", "backup"]);
    let doctor = place.cli(&["doctor"]);
    assert!(doctor.text().contains("is missing"), "{doctor:?}");
    // What is told for a journal that is lost is true.
    let header = ran
        .stderr
        .lines()
        .find_map(|line| line.find('{').map(|at| &line[at..]));
    let header = header.expect("the line that is needed is told");
    fs::write(&journal, format!("{header}\n")).expect("it can be written");
    let server = place.serve();
    assert_eq!(ids(&server.claims()), [first]);
    server.kill();
    // A journal that begins too late is no better, though nothing is in it.
    let late = "{\"journal_version\":1,\"first_seq\":999}\n";
    fs::write(&journal, late).expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl, line 1", "999"]);
    // A power failure between the two names of a rotation leaves none either, and loses nothing.
    let text = String::from_utf8_lossy(&good);
    let begins: Value = text
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a journal begins with its header");
    let set_aside = format!(
        "journal-{:012}.jsonl",
        begins["first_seq"].as_u64().expect("a number")
    );
    fs::remove_file(&journal).expect("it is there");
    fs::write(place.beside(&set_aside), &good).expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl is missing"]);
    fs::write(&next, "").expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl is missing"]);
    let follows = begins["first_seq"].as_u64().map(|first| first + 1);
    let header = json!({"journal_version": 1, "first_seq": follows});
    fs::write(&next, format!("{header}\n")).expect("it can be written");
    assert_eq!(ids(&place.serve().claims()), both);
}

#[test]
fn a_damaged_snapshot_stops_the_start() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    server.stop();
    let good = fs::read_to_string(place.state_file()).expect("a clean end leaves a snapshot");
    fs::write(place.state_file(), &good[..good.len() / 2]).expect("it can be written");
    assert_refused_untouched(&place, &["state.json", "line"]);
    fs::write(place.state_file(), "[]\n").expect("it can be written");
    assert_refused_untouched(&place, &["state.json"]);
    fs::write(place.state_file(), good).expect("it can be written");
    assert_eq!(place.serve().claims().len(), 1);
}

#[test]
fn files_of_a_newer_version_are_never_written() {
    let place = Place::with_issues(1);
    fs::write(
        place.state_file(),
        "{\"version\": 99, \"state\": {\"claims\": {}}}\n",
    )
    .expect("it can be written");
    assert_refused_untouched(&place, &["state.json", "99"]);
    fs::remove_file(place.state_file()).expect("it is there");
    let journal = "{\"journal_version\":99,\"first_seq\":1}\n{\"unknown\":true}\n";
    fs::write(place.beside("journal.jsonl"), journal).expect("it can be written");
    assert_refused_untouched(&place, &["state.journal.jsonl", "99"]);
}

#[test]
fn a_clean_end_leaves_a_snapshot_and_nothing_to_replay() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let ended = server.granted("agent-a", 2);
    server
        .tool(
            "release_issue",
            json!({"claim_id": ended, "handoff_note": "half done"}),
        )
        .expect(200);
    server.stop();
    let text = fs::read_to_string(place.state_file()).expect("there is a snapshot");
    assert!(
        text.contains(&id) && text.lines().count() > 10,
        "a person can read it: {text}"
    );
    let snapshot: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(snapshot["version"], 1);
    let journal = fs::read_to_string(place.beside("journal.jsonl")).expect("there is a journal");
    let changes = journal
        .lines()
        .filter(|line| line.contains("\"change\""))
        .count();
    assert_eq!(changes, 0, "nothing is left to replay: {journal}");
    let server = place.serve();
    assert_eq!(ids(&server.claims()), [id]);
    let next = server.next("agent-b").expect(201);
    assert_eq!(next["issue_number"], 3, "fewer failed attempts come first");
    let next = server.next("agent-b").expect(201);
    assert_eq!(
        (&next["issue_number"], &next["handoff_note"]),
        (&json!(2), &json!("half done"))
    );
}

#[test]
fn an_interrupt_is_a_clean_end_too() {
    let place = Place::with_issues(1);
    let mut server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    server.process.signal(Signal::INT);
    let status = server.process.wait(std::time::Duration::from_secs(5));
    let code = status.and_then(|status| status.code());
    assert!(
        matches!(code, Some(0 | 130)),
        "{code:?}: {}",
        server.process.log()
    );
    let text = fs::read_to_string(place.state_file()).expect("there is a snapshot");
    assert!(text.contains(&id));
}

#[test]
fn term_lets_requests_end_and_waiters_go() {
    let place = Place::with_issues(0);
    let mut server = place.serve_synced();
    let mut waiting = server.connect();
    let body = json!({"agent_id": "a", "wait_seconds": 45}).to_string();
    let kind = [("content-type", "application/json")];
    waiting
        .send_request("POST", "/api/claims/next", &kind, body.as_bytes())
        .expect("it is taken");
    let mut events = server.events("", None);
    let idle = server.connect();
    server.get("/api/claims").expect(200);
    let start = std::time::Instant::now();
    server.process.terminate();
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    while events.read().is_some() {}
    drop(idle);
    // The lock is free at once.
    drop(place.serve());
}
