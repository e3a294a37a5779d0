//! What machines and people look at: metrics, the description of the API, the web page, health.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{Place, field};

#[test]
fn metrics_can_be_read_by_prometheus() {
    let place = Place::with_issues(3);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let ended = server.granted("agent-b", 2);
    server.delete(&ended).expect(200);
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(
        kind.starts_with("text/plain") || kind.starts_with("application/openmetrics"),
        "{kind}"
    );
    let text = answer.text();
    let (mut types, mut values) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type has a name");
            assert!(
                types.insert(name.to_owned(), kind).is_none(),
                "{name} twice"
            );
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
        let value: f64 = value
            .parse()
            .unwrap_or_else(|_| panic!("'{line}' is no sample"));
        let base = name.split('{').next().unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        assert!(
            base.bytes().all(allowed) && base.starts_with("issuecommand_"),
            "{line}"
        );
        assert_eq!(name.contains('{'), name.ends_with('}'), "{line}");
        let known = ["", "_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|end| {
                base.strip_suffix(end)
                    .is_some_and(|base| types.contains_key(base))
            });
        assert!(known || types.contains_key(base), "{line} has no type");
        assert!(
            values.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
    }
    assert!(values.len() >= 5, "{text}");
    assert!(
        values.values().any(|value| *value == 1.0),
        "one claim is active: {text}"
    );
}

#[test]
fn the_description_has_every_route() {
    let place = Place::with_issues(0);
    let server = place.serve();
    let described = server.get("/openapi.json").expect(200);
    assert!(
        field(&described, "openapi").starts_with("3.1"),
        "{}",
        described["openapi"]
    );
    assert!(described["info"]["version"].is_string());
    let paths = described["paths"].as_object().expect("there are paths");
    let shape = |path: &str| {
        let parts = path
            .split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    for (method, path) in [
        ("get", "/sse"),
        ("get", "/api/repos"),
        ("get", "/api/repos/{owner}/{repo}/issues"),
        ("get", "/api/issues/{owner}/{repo}/{number}"),
        ("get", "/api/claims"),
        ("post", "/api/claims"),
        ("post", "/api/claims/next"),
        ("get", "/api/claims/history"),
        ("patch", "/api/claims/{claim_id}"),
        ("delete", "/api/claims/{claim_id}"),
        ("get", "/api/health"),
        ("post", "/api/tools/{name}"),
        ("post", "/mcp"),
        ("get", "/metrics"),
        ("get", "/openapi.json"),
    ] {
        let found = paths.iter().find(|(known, _)| shape(known) == shape(path));
        let tools = || paths.keys().any(|known| known.starts_with("/api/tools/"));
        let operation = found.map(|(_, operations)| &operations[method]);
        let is_there = operation.is_some_and(|operation| operation["responses"].is_object());
        assert!(
            is_there || (path.starts_with("/api/tools/") && tools()),
            "{method} {path}"
        );
    }
    let events = described["paths"]["/sse"]["get"]["parameters"].as_array();
    let events: Vec<_> = events
        .into_iter()
        .flatten()
        .map(|it| field(it, "name"))
        .collect();
    assert_eq!(events, ["since", "repo", "agent_id", "Last-Event-ID"]);
    // Every reference leads somewhere.
    let text = described.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap_or_default();
        assert!(
            described.pointer(pointer).is_some(),
            "{pointer} leads nowhere"
        );
    }
}

#[test]
fn health_has_all_fields() {
    let place = Place::with_issues(2);
    let mut server = place.serve_synced();
    server.granted("agent-a", 1);
    let ended = server.granted("agent-b", 2);
    server.delete(&ended).expect(200);
    let health = server.health();
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].is_u64(), "{health}");
    assert_eq!(health["total_claims"], 2, "{health}");
    assert_eq!(health["active_claims"], 1, "{health}");
    assert_eq!(health["stale_claims"], 0, "{health}");
    assert_eq!(health["active_agents"], 1, "{health}");
    assert!(!health["last_sync"].is_null(), "{health}");
    let gh = &health["gh"];
    assert!(field(gh, "version").starts_with("2."), "{health}");
    assert_eq!(gh["user"], "octo", "{health}");
    assert_eq!(gh["pool"]["limit"], 8, "{health}");
    assert!(
        gh["pool"]["running"].is_u64() && gh["pool"]["queued"].is_u64(),
        "{health}"
    );
    assert!(
        gh["rate_limit"]["remaining"]
            .as_u64()
            .is_some_and(|left| left <= 5_000),
        "{health}"
    );
    assert!(!gh["rate_limit"]["reset"].is_null(), "{health}");
    assert_eq!(gh["breaker"], "closed", "{health}");
    assert_eq!(health["owner"]["pid"], server.process.pid(), "{health}");
    assert_eq!(
        health["owner"]["address"],
        json!(server.address),
        "{health}"
    );
    assert_eq!(
        server.tool("system_health", json!({})).expect(200)["gh"],
        health["gh"]
    );
    assert!(server.process.is_running());
}
