//! The README's commands, run: a sentence that is not so is a defect.

use std::process::Command;

use serde_json::Value;

use crate::support::{Place, Server, issues};

/// The lines after `$ ` in the README's examples.
fn commands() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).expect("README.md");
    let lines = text.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.map(str::to_owned).collect()
}

/// The command with the names of this test in place of the example's.
fn made_real(command: &str, server: &Server, claim_id: &str) -> String {
    command
        .replace("localhost:3100", &server.address)
        .replace("my-org/api", "acme/api")
        .replace("0190…", claim_id)
        .replace("\"issue_number\":42", "\"issue_number\":2")
}

fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_of_the_readme_runs() {
    let mut world = issues(42);
    let repository = world.repository("acme/api");
    let pull = repository.add_pull_request("Fix it", &[]);
    assert_eq!(pull.number, 43);
    let head = pull
        .pull_request
        .as_ref()
        .expect("it is one")
        .head_sha
        .clone();
    repository.merges.check_run(&head, "lint", "failure");
    let place = Place::new(world);
    let server = place.serve_synced();
    let mut seen = Vec::new();
    for (number, command) in (3..).zip(commands()) {
        let kind = command.split(' ').next().unwrap_or_default().to_owned();
        match kind.as_str() {
            // Ends only when it is told to; has tests of its own.
            "issuecommand" if command.ends_with(" watch") => {}
            "issuecommand" => {
                let claim_id = server.granted("example", number);
                let real = words(&made_real(&command, &server, &claim_id));
                let arguments: Vec<&str> = real.iter().skip(1).map(String::as_str).collect();
                let ran = place.cli(&arguments);
                assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
                server.delete(&claim_id);
            }
            "curl" => {
                let claim_id = server.granted("example", number);
                let real = made_real(&command, &server, &claim_id);
                // The stream of events has no end.
                let bounded = real.replacen("curl ", "curl --max-time 2 --fail-with-body ", 1);
                let ran = Command::new("sh").args(["-c", &bounded]).output();
                let ran = ran.expect("sh and curl are there");
                let text = String::from_utf8_lossy(&ran.stdout);
                let stream = command.ends_with("/sse");
                assert!(ran.status.success() || stream, "{command}: {text}");
                assert_eq!(text.contains("connected"), stream, "{command}: {text}");
                if !stream {
                    serde_json::from_str::<Value>(&text).expect("an answer in JSON");
                }
                server.delete(&claim_id);
            }
            // What they start is the server of this test, the demo and the tests themselves.
            "cargo" => assert_eq!(command, "cargo run --release -- serve"),
            "scripts/demo" | "scripts/test" => {
                let script = format!("{}/{kind}", env!("CARGO_MANIFEST_DIR"));
                assert!(std::path::Path::new(&script).exists(), "{script}");
            }
            "claude" => assert!(command.ends_with("-- issuecommand mcp"), "{command}"),
            _ => panic!("the README has a command that no test runs: {command}"),
        }
        seen.push(kind);
    }
    for kind in [
        "issuecommand",
        "curl",
        "cargo",
        "scripts/demo",
        "scripts/test",
        "claude",
    ] {
        assert!(seen.iter().any(|known| known == kind), "{kind} has gone");
    }
}

#[test]
fn the_client_configuration_of_the_readme_is_json() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).expect("README.md");
    let example = text
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example: Value = serde_json::from_str(example.expect("an example")).expect("JSON");
    let server = &example["mcpServers"]["issuecommand"];
    assert_eq!(server["command"], "issuecommand");
    assert_eq!(server["args"][0], "mcp");
}
