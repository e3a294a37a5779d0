//! `doctor` finds what is wrong and says how to mend it.

use std::net::TcpListener;

use crate::github::Fault;
use crate::support::{Place, Ran, fake_gh};

#[track_caller]
fn assert_finds(ran: &Ran, words: &[&str]) {
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    for word in words {
        assert!(ran.text().contains(word), "'{word}' is missing: {ran:?}");
    }
}

#[test]
fn a_healthy_set_up_passes() {
    let place = Place::with_issues(1);
    let alone = place.cli(&["doctor"]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    for word in ["gh", "2.", "octo", "repo", "state.json"] {
        assert!(
            alone.stdout.contains(word),
            "'{word}' is missing: {alone:?}"
        );
    }
    let server = place.serve();
    let beside = place.cli(&["doctor"]);
    assert_eq!(beside.code, Some(0), "{beside:?}");
    assert!(
        beside.stdout.contains(&server.process.pid().to_string()),
        "it names the owner: {beside:?}"
    );
    let json = place.cli(&["doctor", "--json"]);
    assert_eq!(json.code, Some(0), "{json:?}");
    assert!(json.json().is_object() || json.json().is_array());
}

#[test]
fn trouble_with_gh_is_told_apart() {
    let mut place = Place::with_issues(1);
    place.set("GH_PATH", "/nonexistent/gh");
    assert_finds(&place.cli(&["doctor"]), &["/nonexistent/gh", "GH_PATH"]);
    place.unset("GH_PATH");
    place.set("PATH", "/nonexistent");
    assert_finds(&place.cli(&["doctor"]), &["gh", "https://cli.github.com"]);
    place.set("PATH", "/usr/bin:/bin");
    let gh = fake_gh(&place, "2.22.1", "exit 1");
    place.set("GH_PATH", gh.display());
    assert_finds(&place.cli(&["doctor"]), &["2.22.1", "2.23"]);
    let gh = fake_gh(
        &place,
        "2.60.0",
        "echo 'please run:  gh auth login' >&2; exit 4",
    );
    place.set("GH_PATH", gh.display());
    assert_finds(&place.cli(&["doctor"]), &["gh auth login"]);
}

/// Health of a command that owns the state for its one call.
#[track_caller]
fn assert_health(place: &Place, status: &str, words: &[&str]) {
    let ran = place.cli(&["system-health", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let health = ran.json();
    assert_eq!(health["status"], status, "{health}");
    for word in words {
        assert!(
            health.to_string().contains(word),
            "'{word}' is missing: {health}"
        );
    }
}

#[test]
fn health_is_not_well_before_github_was_asked() {
    let mut place = Place::with_issues(1);
    assert_health(&place, "ok", &["\"user\":\"octo\""]);
    // The catalogue is fresh from now on: nothing but health itself asks.
    place.serve_synced().stop();
    assert_health(&place, "ok", &["\"user\":\"octo\""]);
    place.github.inject(Fault::unauthorized());
    assert_health(&place, "degraded", &["gh auth login"]);
    place.github.clear_faults();
    place.github.inject(Fault::stall());
    assert_health(&place, "degraded", &["has not answered yet"]);
    let server = place.serve();
    let started = std::time::Instant::now();
    assert_eq!(server.health()["status"], "degraded");
    assert!(started.elapsed().as_secs() < 2, "it is waited for once");
    server.kill();
    place.github.clear_faults();
    place.set("GH_PATH", "/nonexistent/gh");
    assert_health(&place, "degraded", &["/nonexistent/gh", "GH_PATH"]);
    let gh = fake_gh(
        &place,
        "2.60.0",
        "echo 'please run:  gh auth login' >&2; exit 4",
    );
    place.set("GH_PATH", gh.display());
    assert_health(&place, "degraded", &["gh auth login"]);
}

#[test]
fn a_login_that_is_missing_or_revoked_is_found() {
    let mut place = Place::with_issues(1);
    place.github.inject(Fault::unauthorized());
    assert_finds(&place.cli(&["doctor"]), &["gh auth login"]);
    place.github.clear_faults();
    let empty = place.folder().join("empty");
    std::fs::create_dir(&empty).expect("the folder can be written to");
    place.set("GH_CONFIG_DIR", empty.display());
    assert_finds(&place.cli(&["doctor"]), &["gh auth login"]);
}

#[test]
fn what_has_the_name_of_a_state_file_and_is_none_is_found_and_holds_nothing_up() {
    let place = Place::with_issues(1);
    let lock = place.beside("lock");
    std::fs::create_dir(&lock).expect("the folder can be written to");
    assert_finds(&place.cli(&["doctor"]), &["state.lock"]);
    std::fs::remove_dir(&lock).expect("it is empty");
    std::os::unix::fs::symlink("state.lock", &lock).expect("the folder can be written to");
    assert_finds(&place.cli(&["doctor"]), &["state.lock"]);
    assert_finds(&place.cli(&["serve"]), &["state.lock", "STATE_FILE_PATH"]);
    std::fs::remove_file(&lock).expect("it is there");
    for name in ["state.json", "state.journal.jsonl"] {
        let pipe = place.folder().join(name);
        let made = rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU);
        made.expect("the folder can be written to");
        for command in ["serve", "get-all-claims", "doctor"] {
            let ran = place.cli(&[command]);
            assert_finds(&ran, &[name, "no ordinary file", "move"]);
            assert_eq!(ran.code, Some(2), "{ran:?}");
        }
        std::fs::remove_file(&pipe).expect("it is there");
    }
    assert_eq!(place.cli(&["doctor"]).code, Some(0));
}

#[test]
fn trouble_with_state_and_port_is_found() {
    let mut place = Place::with_issues(1);
    std::fs::write(place.state_file(), "{ not json").expect("it can be written");
    assert_finds(&place.cli(&["doctor"]), &["state.json"]);
    let text = std::fs::read_to_string(place.state_file()).expect("it is there");
    assert_eq!(text, "{ not json", "doctor changes nothing");
    std::fs::remove_file(place.state_file()).expect("it is there");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    place.set("HTTP_PORT", port);
    let ran = place.cli(&["doctor"]);
    assert!(ran.text().contains(&port.to_string()), "{ran:?}");
    drop(taken);
    place.set("STATE_FILE_PATH", "/proc/nowhere/state.json");
    assert_finds(&place.cli(&["doctor"]), &["/proc/nowhere"]);
}
