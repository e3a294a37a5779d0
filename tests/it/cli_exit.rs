//! What a command leaves behind: exit codes that scripts can rely on, logs, and no noise.

use serde_json::Value;

use crate::github::Fault;
use crate::support::{Place, holds, until};

#[test]
fn exit_codes_tell_whose_turn_it_is() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let claim = |agent: &str| {
        place.cli(&[
            "claim-issue",
            "--agent-id",
            agent,
            "--repo",
            "acme/api",
            "--issue-number",
            "1",
        ])
    };
    assert_eq!(claim("agent-a").code, Some(0));
    let refused = claim("agent-b");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.text().contains("agent-a"), "{refused:?}");
    let update =
        |status: &str| place.cli(&["update-claim-status", "--claim-id", &id, "--status", status]);
    assert_eq!(update("in_progress").code, Some(0));
    let refused = update("claimed");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(
        refused.stderr.contains("pr_submitted"),
        "it says what is allowed: {refused:?}"
    );
    for arguments in [
        &[
            "claim-issue",
            "--agent-id",
            "a",
            "--repo",
            "acme",
            "--issue-number",
            "1",
        ][..],
        &[
            "claim-issue",
            "--agent-id",
            "a",
            "--repo",
            "acme/api",
            "--issue-number",
            "one",
        ],
        &["claim-issue", "--agent-id", "a", "--repo", "acme/api"],
        &[
            "claim-issue",
            "--agent-id",
            "a",
            "--repo",
            "acme/api",
            "--issue-number",
            "1",
            "--nonsense",
            "x",
        ],
        &["get-all-claims", "extra"],
        &[
            "update-claim-status",
            "--claim-id",
            "x",
            "--status",
            "closed",
        ],
        &["no-such-tool"],
        &["--nonsense"],
    ] {
        let ran = place.cli(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{arguments:?}: {ran:?}"
        );
    }
    let near = place.cli(&["claim-isue"]);
    assert!(near.stderr.contains("claim-issue"), "{near:?}");
    place.github.inject(Fault::unavailable());
    // An issue that the cache does not know: GitHub has to be asked.
    let details = [
        "get-issue-details",
        "--repo",
        "acme/api",
        "--issue-number",
        "99",
    ];
    let failed = place.cli(&details);
    assert_eq!(failed.code, Some(3), "{failed:?}");
    assert!(
        failed.stdout.is_empty() && !failed.stderr.is_empty(),
        "{failed:?}"
    );
    // A failure as JSON, for scripts that parse.
    let failed = place.cli(&[&details[..], &["--json"]].concat());
    assert_eq!(failed.code, Some(3), "{failed:?}");
    let told = if failed.stdout.trim().is_empty() {
        &failed.stderr
    } else {
        &failed.stdout
    };
    let told = told
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    assert_eq!(
        told.expect("there is a line of JSON")["category"],
        "api",
        "{failed:?}"
    );
}

#[test]
fn words_that_are_no_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::with_issues(1);
    let run = |arguments: &[&str], last: &[u8], agent_id: Option<&[u8]>| {
        let (mut command, _) = place.command(arguments);
        command.arg(OsStr::from_bytes(last));
        if let Some(agent_id) = agent_id {
            command.env("AGENT_ID", OsStr::from_bytes(agent_id));
        }
        let output = command.output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(output.stdout.is_empty() && told.contains("UTF-8"), "{told}");
        assert!(!told.contains("panic"), "{told}");
        told
    };
    let told = run(&["get-my-claims", "--agent-id"], b"agent-\xff", None);
    assert!(told.contains("--agent-id"), "{told}");
    run(&["get-my-claims"], b"--agent-id=agent-\xff", None);
    run(&["list-repos", "--http-port"], b"\xff", None);
    run(&["serve", "--state-file-path"], b"/tmp/\xff.json", None);
    run(&["watch", "--agent-id"], b"\xff", None);
    run(&[], b"\xff", None);
    let json = run(&["get-my-claims", "--json", "--agent-id"], b"\xff", None);
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["code"], "invalid_argument");
    let told = run(&["get-my-claims"], b"--json", Some(b"agent-\xff"));
    assert!(told.contains("AGENT_ID"), "{told}");
    assert!(place.lock().is_none(), "nothing was begun");
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error_to_tell_of() {
    let place = Place::with_issues(60);
    let server = place.serve_synced();
    let (mut command, _) = place.command(&["fetch-issues", "--repo", "acme/api", "--limit", "50"]);
    let pipes = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = pipes.spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it is our child");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("panic"), "{told}");
    drop(server);
}

#[test]
fn an_answer_that_cannot_be_written_is_told() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let (mut command, _) = place.command(&["get-all-claims", "--json"]);
    let full = std::fs::File::options().write(true).open("/dev/full");
    command
        .stdout(full.expect("Linux has it"))
        .stderr(std::process::Stdio::piped());
    let output = command.output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("the answer could not be written"), "{told}");
    assert_eq!(output.status.code(), Some(2));
    drop(server);
}

#[test]
fn serve_prints_claim_events_and_logs_the_rest_elsewhere() {
    let mut place = Place::with_issues(1);
    let log_file = place.folder().join("issuecommand.log");
    place.set("LOG_FILE", log_file.display());
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let is_told = |text: &str| {
        text.lines().any(|line| {
            line.contains("claim.created")
                && line.contains("acme/api#1")
                && line.contains("agent-a")
        })
    };
    until("the event is printed", || {
        holds(is_told(&server.process.log()))
    });
    until("the file has it too", || {
        holds(is_told(
            &std::fs::read_to_string(&log_file).unwrap_or_default(),
        ))
    });
    let mut missing = Place::with_issues(0);
    missing.set("LOG_FILE", "/nonexistent/folder/log");
    let refused = missing.cli(&["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("LOG_FILE"), "{refused:?}");
}
