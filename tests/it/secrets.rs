//! The token reaches gh and nothing else.

use std::fs;

use serde_json::json;

use crate::github::Fault;
use crate::support::{Place, until};

const TOKEN: &str = "ghp_TheTokenThatMustNotBeSeen000000000000";

#[test]
fn the_token_is_in_no_argument_log_answer_or_file() {
    let mut place = Place::with_issues(2)
        .with("LOG_LEVEL", "trace")
        .with("GITHUB_TOKEN", TOKEN);
    let log_file = place.folder().join("log");
    place.set("LOG_FILE", log_file.display());
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    place.github.inject(Fault::stall().on("/issues/2"));
    place.github.inject(Fault::stall().on("/graphql"));
    let mut stuck = server.connect();
    stuck
        .send_request("GET", "/api/issues/acme/api/2", &[], b"")
        .expect("it is taken");
    let read = |pid: u32, name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let has_token = |bytes: &[u8]| {
        bytes
            .windows(TOKEN.len())
            .any(|part| part == TOKEN.as_bytes())
    };
    let child = until("a gh that is at work", || {
        let children = server.process.children();
        children
            .into_iter()
            .find(|pid| read(*pid, "cmdline").windows(3).any(|part| part == b"api"))
    });
    assert!(has_token(&read(child, "environ")), "gh gets the token");
    let environment = read(child, "environ");
    assert!(!environment.windows(8).any(|part| part == b"GH_DEBUG"));
    for pid in [child, server.process.pid()] {
        assert!(!has_token(&read(pid, "cmdline")));
    }
    drop(stuck);
    place.github.clear_faults();
    place.github.inject(Fault::unauthorized());
    let answers = [
        server.get("/api/issues/acme/api/2"),
        server.get("/api/health"),
        server.get("/metrics"),
        server.get("/openapi.json"),
        server.tool("system_health", json!({})),
    ];
    for answer in answers {
        assert!(!has_token(&answer.body), "{}", answer.text());
    }
    let doctor = place.cli(&["doctor"]);
    assert!(!has_token(doctor.text().as_bytes()), "{doctor:?}");
    let log = server.process.log();
    assert!(!has_token(log.as_bytes()), "{log}");
    server.stop();
    for entry in fs::read_dir(place.folder()).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_file() {
            assert!(
                !has_token(&fs::read(&path).expect("it can be read")),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_api_key_is_in_no_log_or_answer() {
    let place = Place::with_issues(1)
        .with("LOG_LEVEL", "trace")
        .with("API_KEY", "the-key-of-the-api");
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    for path in ["/api/health", "/api/nonsense", "/metrics", "/"] {
        assert!(
            !server.get(path).text().contains("the-key-of-the-api"),
            "{path}"
        );
    }
    assert!(!server.process.log().contains("the-key-of-the-api"));
    let child = server.process.children();
    for pid in child {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains("the-key-of-the-api"));
    }
}
