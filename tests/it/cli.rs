//! The command line: every tool as a subcommand, exit codes that scripts can rely on.

use serde_json::{Value, json};

use crate::support::{Place, field};

#[test]
fn every_tool_is_a_subcommand_with_the_tools_json() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let ended = server.granted("agent-a", 2);
    server.delete(&ended).expect(200);
    for (arguments, tool, given) in [
        (&["list-repos"][..], "list_repos", json!({})),
        (
            &["list-repos", "--owner", "acme", "--limit", "5"],
            "list_repos",
            json!({"owner": "acme", "limit": 5}),
        ),
        (
            &["list-open-issues", "--repo", "acme/api"],
            "list_open_issues",
            json!({"repo": "acme/api"}),
        ),
        (
            &["fetch-issues", "--repo", "acme/api", "--state", "all"],
            "fetch_issues",
            json!({"repo": "acme/api", "state": "all"}),
        ),
        (
            &[
                "get-issue-details",
                "--repo",
                "acme/api",
                "--issue-number",
                "1",
            ],
            "get_issue_details",
            json!({"repo": "acme/api", "issue_number": 1}),
        ),
        (
            &["get-my-claims", "--agent-id", "agent-a"],
            "get_my_claims",
            json!({"agent_id": "agent-a"}),
        ),
        (
            &["get-all-claims", "--stale"],
            "get_all_claims",
            json!({"stale": true}),
        ),
        (&["get-claim-history"], "get_claim_history", json!({})),
    ] {
        let ran = place.cli(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        assert_eq!(
            ran.json(),
            server.tool(tool, given).expect(200),
            "{arguments:?}"
        );
        let text = place.cli(arguments);
        assert_eq!(text.code, Some(0), "{arguments:?}: {text:?}");
        assert!(
            serde_json::from_str::<Value>(&text.stdout).is_err(),
            "for people: {text:?}"
        );
        assert!(
            !text.stdout.contains('\u{1b}'),
            "no colours in a pipe: {text:?}"
        );
    }
    let health = place.cli(&["system-health", "--json"]).json();
    assert_eq!(health["owner"]["pid"], server.process.pid());
    let update = [
        "update-claim-status",
        "--claim-id",
        &id,
        "--status",
        "in_progress",
        "--note",
        "begun",
        "--json",
    ];
    let updated = place.cli(&update);
    assert_eq!(
        (updated.code, &updated.json()["status"]),
        (Some(0), &json!("in_progress"))
    );
    let released = place.cli(&[
        "release-issue",
        "--claim-id",
        &id,
        "--handoff-note",
        "see branch x",
        "--json",
    ]);
    assert_eq!(
        (released.code, &released.json()["ok"]),
        (Some(0), &json!(true))
    );
    let next = place.cli(&[
        "next-issue",
        "--agent-id",
        "agent-b",
        "--repo",
        "acme/api",
        "--json",
    ]);
    assert_eq!(
        (next.code, &next.json()["issue_number"]),
        (Some(0), &json!(3)),
        "{next:?}"
    );
    let claimed = place.claim_by_command("agent-b", 1);
    assert_eq!(
        (claimed.code, &claimed.json()["claimed"]),
        (Some(0), &json!(true)),
        "{claimed:?}"
    );
    assert_eq!(server.claims().len(), 2);
}

#[test]
fn without_an_owner_a_command_is_the_owner_for_one_call() {
    let place = Place::with_issues(3);
    let claim = |number: u64, agent: &str| place.claim_by_command(agent, number);
    let claimed = claim(1, "agent-a");
    assert_eq!(claimed.code, Some(0), "{claimed:?}");
    let refused = claim(1, "agent-b");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let next = place.cli(&["next-issue", "--agent-id", "agent-b", "--json"]);
    assert_eq!(
        (next.code, &next.json()["issue_number"]),
        (Some(0), &json!(2)),
        "{next:?}"
    );
    let server = place.serve();
    let mut held: Vec<_> = server
        .claims()
        .iter()
        .map(|claim| field(claim, "agent_id").to_owned())
        .collect();
    held.sort();
    assert_eq!(held, ["agent-a", "agent-b"]);
}

#[test]
fn commands_started_together_do_not_step_on_each_other() {
    let place = Place::with_issues(8);
    let ran = crate::support::all_at_once(8, |index| place.claim_by_command("a", index as u64 + 1));
    for ran in ran {
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(place.serve().claims().len(), 8);
}

#[test]
fn help_and_version_are_there() {
    let place = Place::with_issues(0);
    let help = place.cli(&["--help"]);
    assert_eq!(help.code, Some(0), "{help:?}");
    let tools = place.cli(&["tools"]);
    let listed = format!("{}{}", help.stdout, tools.stdout);
    for command in [
        "mcp",
        "serve",
        "doctor",
        "watch",
        "next-issue",
        "claim-issue",
        "system-health",
    ] {
        assert!(listed.contains(command), "{command} is missing: {listed}");
        let own = place.cli(&[command, "--help"]);
        assert_eq!(own.code, Some(0), "{command}: {own:?}");
        assert!(own.stdout.len() > 20, "{command}: {own:?}");
    }
    let version = place.cli(&["--version"]);
    assert_eq!(version.code, Some(0), "{version:?}");
    assert!(
        version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{version:?}"
    );
    let nothing = place.cli(&[]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("--help"), "{nothing:?}");
    assert!(place.lock().is_none(), "none of these needs the state");
}
