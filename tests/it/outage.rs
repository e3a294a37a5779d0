//! GitHub is down, slow or talks nonsense: claims go on, and answers say what is wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::github::Fault;
use crate::support::{Answer, Place, Server, all_at_once, fake_gh, field, holds, until};

/// A place whose first issue is closed: the cache does not have it.
fn place(count: usize) -> Place {
    let place = Place::with_issues(count);
    place
        .github
        .change(|world| world.close_issue("acme/api", 1));
    place
}

/// Details of the issue that the cache does not have: GitHub has to be asked.
fn details(server: &Server) -> Answer {
    server.get("/api/issues/acme/api/1")
}

#[track_caller]
fn assert_failed(answer: &Answer) -> Value {
    assert!(
        matches!(answer.status, 429 | 502 | 503),
        "{} {}",
        answer.status,
        answer.text()
    );
    let error = answer.json();
    assert_eq!(error["category"], "api", "{error}");
    assert!(!field(&error, "suggestion").is_empty(), "{error}");
    if matches!(answer.status, 429 | 503) {
        assert!(answer.header("retry-after").is_some(), "{error}");
    }
    error
}

#[track_caller]
fn until_unwell(server: &Server, word: &str) {
    let mut last = Value::Null;
    let told = crate::support::within(crate::support::DEADLINE, || {
        last = server.health();
        holds(last["status"] != "ok" && last.to_string().contains(word))
    });
    assert!(told.is_some(), "health does not tell of '{word}': {last}");
}

#[test]
fn claims_go_on_while_github_is_down() {
    let place = place(4);
    let server = place.serve_synced();
    assert_eq!(server.health()["status"], "ok");
    place.github.inject(Fault::unavailable());
    let id = server.granted("agent-a", 2);
    server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    assert_failed(&details(&server));
    until_unwell(&server, "GitHub");
    let next = server.next("agent-b").expect(201);
    assert_eq!(next["issue_number"], 3);
    let told = next["warnings"].to_string();
    let is_told = ["synced", "old", "ago", "as of"]
        .iter()
        .any(|word| told.contains(word));
    assert!(is_told, "it says how old this is: {next}");
    server.delete(&id).expect(200);
    let listed = server.get("/api/repos/acme/api/issues").expect(200);
    assert!(
        listed["issues"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        "{listed}"
    );
    place.github.clear_faults();
    until("it is well again", || {
        details(&server);
        holds(server.health()["status"] == "ok")
    });
}

#[test]
fn health_looks_again_when_a_problem_is_old_and_watchers_never_ask() {
    let place = Place::with_issues(1)
        .with("GH_TIMEOUT_SECONDS", 1)
        .with("API_KEY", "sesame");
    place.serve_synced().stop();
    // Its catalogue is fresh: nobody asks GitHub.
    let server = place.serve();
    let asked = place.github.requests().len();
    assert_eq!(server.get("/metrics").status, 200);
    let stranger = server
        .connect()
        .request("GET", "/api/health", &[], b"")
        .expect(200);
    assert_eq!(stranger["status"], "ok", "nothing is known to be wrong");
    assert_eq!(place.github.requests().len(), asked);
    place.github.inject(Fault::stall());
    until_unwell(&server, "within 1 s");
    place.github.clear_faults();
    until("it is well again", || {
        holds(server.health()["status"] == "ok")
    });
    assert!(place.github.requests().len() > asked);
}

#[test]
fn a_start_without_github_serves_what_it_can() {
    let place = Place::with_issues(1);
    place.github.inject(Fault::unavailable());
    let server = place.serve();
    until_unwell(&server, "GitHub");
    // It does not know the issue and cannot ask.
    assert_failed(&server.claim("agent-a", 1));
    assert!(server.claims().is_empty());
    assert_eq!(server.get("/metrics").status, 200);
}

#[test]
fn a_restart_without_github_remembers_the_issues() {
    let place = place(3);
    let server = place.serve_synced();
    until("what was learnt is on disk", || {
        let files = std::fs::read_dir(place.folder()).expect("the folder is there");
        let mut files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
        holds(files.any(|bytes| bytes.windows(7).any(|text| text == b"Issue 3")))
    });
    server.stop();
    place.github.inject(Fault::unavailable());
    let server = place.serve();
    server.granted("agent-a", 2);
    assert_eq!(server.next("agent-b").expect(201)["issue_number"], 3);
}

#[test]
fn limits_are_passed_on_with_the_time_to_wait() {
    let place = place(2);
    let server = place.serve_synced();
    for fault in [
        Fault::secondary_limit(60),
        Fault::too_many_requests(60),
        Fault::primary_limit(Duration::from_secs(60)),
    ] {
        place.github.inject(fault);
        let error = assert_failed(&details(&server));
        let wait = error["retry_after"].as_u64().unwrap_or_default();
        assert!((1..=61).contains(&wait), "{error}");
    }
    // Whoever waits does not ask.
    let asked = place.github.requests().len();
    assert_failed(&details(&server));
    assert_eq!(place.github.requests().len(), asked);
    server.granted("agent-a", 2);
}

#[test]
fn spoiled_answers_are_failures_and_nothing_else() {
    let faults = [
        Fault::malformed_json(),
        Fault::truncated(),
        Fault::closed(),
        Fault::respond(200, ""),
        Fault::respond(200, "[]"),
        Fault::respond(200, "{}"),
        Fault::respond(200, "<html>proxy</html>").header("content-type", "text/html"),
        Fault::server_error(),
    ];
    all_at_once(faults.len(), |index| {
        let place = place(1);
        let server = place.serve_synced();
        let fault = &faults[index];
        place.github.inject(fault.clone());
        let answer = details(&server);
        let told = format!("{fault:?}: {} {}", answer.status, answer.text());
        assert!(matches!(answer.status, 502 | 503), "{told}");
        assert_eq!(answer.json()["category"], "api", "{told}");
        place.github.clear_faults();
        until("it works again", || holds(details(&server).status == 200));
    });
}

#[test]
fn a_stall_is_cut_at_the_time_limit() {
    for fault in [Fault::stall(), Fault::stall_mid_body()] {
        let place = place(2).with("GH_TIMEOUT_SECONDS", 1);
        let server = place.serve_synced();
        place.github.inject(fault);
        std::thread::scope(|scope| {
            let stalled = scope.spawn(|| details(&server));
            // Nobody else waits for it.
            server.granted("agent-a", 2);
            assert_eq!(server.get("/api/claims").status, 200);
            assert_failed(&stalled.join().expect("it answers"));
        });
        until("no gh is left", || {
            holds(server.process.children().is_empty())
        });
    }
}

#[test]
fn a_gh_that_ignores_term_is_killed_with_its_children() {
    let mut place = Place::with_issues(1).with("GH_TIMEOUT_SECONDS", 1);
    let gh = fake_gh(
        &place,
        "2.50.0",
        "trap '' TERM\nsleep 300 &\nsleep 300\nsleep 300",
    );
    place.set("GH_PATH", gh.display());
    let server = place.serve();
    until("gh and what it started run", || {
        holds(server.process.children().len() >= 3)
    });
    until("all are gone", || {
        holds(server.process.children().is_empty())
    });
    until_unwell(&server, "1 s");
}

#[test]
fn a_broken_gh_is_told_from_a_login_that_is_missing() {
    let cases = [
        (
            "2.50.0",
            "echo 'To get started with GitHub CLI, please run:  gh auth login' >&2; exit 4",
            "gh auth login",
        ),
        ("2.50.0", "head -c 200000 /dev/urandom", "gh"),
        ("2.50.0", "echo 'panic: runtime error' >&2; exit 2", "gh"),
        ("2.22.1", "exit 1", "2.23"),
        ("two", "exit 1", "gh"),
    ];
    all_at_once(cases.len(), |index| {
        let (version, behaviour, word) = cases[index];
        let mut place = Place::with_issues(1);
        let gh = fake_gh(&place, version, behaviour);
        place.set("GH_PATH", gh.display());
        let server = place.serve();
        until_unwell(&server, word);
        let error = assert_failed_or_user(&server.claim("agent-a", 1));
        assert!(!field(&error, "suggestion").is_empty());
    });
}

/// Without a usable gh it is the set-up that is wrong: either category is right.
#[track_caller]
fn assert_failed_or_user(answer: &Answer) -> Value {
    assert!((400..=503).contains(&answer.status), "{}", answer.text());
    answer.json()
}

#[test]
fn a_missing_gh_is_named_and_found_when_it_comes() {
    let mut place = Place::with_issues(1);
    let missing = place.folder().join("fake-gh");
    let real = place.setting("GH_PATH").expect("it is set").to_owned();
    place.set("GH_PATH", missing.display());
    let server = place.serve();
    until_unwell(&server, "fake-gh");
    std::os::unix::fs::symlink(real, &missing).expect("a link can be made");
    until("it works without a restart", || {
        holds(server.claim("agent-a", 1).status == 201)
    });
}

#[test]
fn a_login_that_ends_is_noticed_and_claims_go_on() {
    let place = place(2);
    let server = place.serve_synced();
    place.github.inject(Fault::unauthorized());
    details(&server);
    until_unwell(&server, "gh auth login");
    server.granted("agent-a", 2);
    place.github.clear_faults();
    until("the login is back", || {
        holds(details(&server).status == 200)
    });
}
