//! Settings: flags over environment over `.env` over defaults; what cannot be read stops the start.

use crate::support::{Place, Ran, holds, until};

#[track_caller]
fn assert_names(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "'{word}' is missing: {ran:?}");
    }
}

#[test]
fn a_value_that_cannot_be_read_stops_the_start() {
    for (name, value) in [
        ("CLAIM_TIMEOUT_MINUTES", "soon"),
        ("CLAIM_TIMEOUT_MINUTES", "-1"),
        ("CLAIM_TIMEOUT_MINUTES", "NaN"),
        ("CLAIM_TIMEOUT_MINUTES", "0"),
        ("STALE_AUTO_RELEASE_MINUTES", "never"),
        ("SYNC_INTERVAL_MINUTES", "0"),
        ("SYNC_INTERVAL_MINUTES", "inf"),
        ("GH_MAX_PROCESSES", "0"),
        ("GH_MAX_PROCESSES", "many"),
        ("GH_TIMEOUT_SECONDS", "0"),
        ("GH_HOST", "https://github.com"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "http"),
        ("HTTP_HOST", "not a host"),
        ("ALLOWED_REPOS", "acme"),
        ("ALLOWED_REPOS", "*/x"),
        ("LOG_LEVEL", "loud"),
        ("AGENT_ID", "\u{7}"),
    ] {
        let place = Place::with_issues(0).with(name, value);
        assert_names(&place.cli(&["serve"]), &[name, value.trim_matches('\u{7}')]);
        assert!(place.lock().is_none(), "{name}={value}: nothing was begun");
    }
}

#[test]
fn an_empty_value_is_the_default() {
    let mut place = Place::with_issues(1);
    for name in [
        "CLAIM_TIMEOUT_MINUTES",
        "GH_MAX_PROCESSES",
        "ALLOWED_REPOS",
        "API_KEY",
        "LOG_FILE",
        "GITHUB_TOKEN",
    ] {
        place.set(name, "");
    }
    let server = place.serve_synced();
    assert_eq!(server.health()["gh"]["pool"]["limit"], 8);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let mut place = Place::with_issues(1);
    let limit = |place: &Place, arguments: &[&str]| {
        let (command, home) = place.command(arguments);
        let process = crate::support::Process::start(command, &home, |_| {}).0;
        let server = crate::support::Server::wait_for(place, process);
        let limit = server.health()["gh"]["pool"]["limit"].clone();
        server.stop();
        limit
    };
    assert_eq!(limit(&place, &["serve"]), 8);
    let file = "# a comment\nGH_MAX_PROCESSES=5\nexport LOG_LEVEL=\"debug\"\n\nSKIP_LABELS='a,b'\n";
    std::fs::write(place.folder().join(".env"), file).expect("it can be written");
    assert_eq!(limit(&place, &["serve"]), 5);
    place.set("GH_MAX_PROCESSES", 4);
    assert_eq!(limit(&place, &["serve"]), 4);
    assert_eq!(limit(&place, &["serve", "--gh-max-processes", "3"]), 3);
    let ran = place.cli(&["serve", "--gh-max-processes", "x"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    place.unset("GH_MAX_PROCESSES");
    std::fs::write(place.folder().join(".env"), "GH_MAX_PROCESSES=many\n")
        .expect("it can be written");
    assert_names(&place.cli(&["serve"]), &["GH_MAX_PROCESSES", "many"]);
}

#[test]
fn the_state_file_is_in_the_users_state_folder() {
    let mut place = Place::with_issues(1);
    place.unset("STATE_FILE_PATH");
    let state = place.folder().join("xdg");
    place.set("XDG_STATE_HOME", state.display());
    let claim = [
        "claim-issue",
        "--agent-id",
        "a",
        "--repo",
        "acme/api",
        "--issue-number",
        "1",
    ];
    let ran = place.cli(&claim);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let names = || {
        let entries = std::fs::read_dir(state.join("issuecommand"));
        let names = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.collect::<Vec<_>>()
    };
    until("the state is there", || {
        holds(
            names()
                .iter()
                .any(|name| name.starts_with("issuecommand-state")),
        )
    });
    place.unset("XDG_STATE_HOME");
    let (mut command, home) = place.command(&claim);
    let status = command
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it starts");
    assert!(status.success());
    let folder = home.join(".local/state/issuecommand");
    assert!(folder.is_dir(), "the default is below HOME");
}
