//! MCP over HTTP, in both eras, and its doors.

use serde_json::{Value, json};

use crate::support::{Answer, Connection, Era, Place, Server, ToolAnswer};

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

/// The message in an answer, which may be JSON or the last event of a stream.
#[track_caller]
fn message(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    if answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        return answer.json();
    }
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let messages = data.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
    let mut answers = messages.filter(|message| !message["id"].is_null());
    answers
        .next()
        .unwrap_or_else(|| panic!("no message in {text}"))
}

/// A client in one of the eras.
struct Client {
    connection: Connection,
    era: Era,
    session: Option<String>,
    last_id: u64,
}

impl Client {
    fn open(server: &Server, era: Era) -> Self {
        let mut client = Self {
            connection: server.connect(),
            era,
            session: None,
            last_id: 0,
        };
        if let Era::Legacy(version) = era {
            let about = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "it", "version": "1"}});
            let answer = client.post("initialize", about);
            client.session = answer.header("mcp-session-id").map(str::to_owned);
            assert_eq!(message(&answer)["result"]["protocolVersion"], version);
            let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            let taken = client.post_body("notifications/initialized", "", &ready);
            assert_eq!(taken.status, 202, "{}", taken.text());
        }
        client
    }

    fn post(&mut self, method: &str, parameters: Value) -> Answer {
        self.last_id += 1;
        let name = parameters["name"]
            .as_str()
            .or(parameters["uri"].as_str())
            .unwrap_or_default()
            .to_owned();
        let parameters = self.era.parameters(parameters);
        let body =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": parameters});
        self.post_body(method, &name, &body)
    }

    fn post_body(&mut self, method: &str, name: &str, body: &Value) -> Answer {
        let session = self.session.clone();
        let mut headers = vec![ACCEPT, JSON];
        if let Some(session) = &session {
            headers.push(("mcp-session-id", session));
        }
        match self.era {
            Era::Legacy(version) if method != "initialize" => {
                headers.push(("mcp-protocol-version", version))
            }
            Era::Legacy(_) => {}
            Era::Stateless => {
                headers.extend([
                    ("mcp-protocol-version", "2026-07-28"),
                    ("mcp-method", method),
                ]);
                if !name.is_empty() {
                    headers.push(("mcp-name", name));
                }
            }
        }
        self.connection
            .request("POST", "/mcp", &headers, body.to_string().as_bytes())
    }

    #[track_caller]
    fn result(&mut self, method: &str, parameters: Value) -> Value {
        let answer = message(&self.post(method, parameters));
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    #[track_caller]
    fn tool(&mut self, name: &str, arguments: Value) -> ToolAnswer {
        ToolAnswer::of(&self.result("tools/call", json!({"name": name, "arguments": arguments})))
    }
}

#[test]
fn both_eras_work_over_http() {
    let place = Place::with_issues(4);
    let server = place.serve_synced();
    for (index, era) in [
        Era::Legacy("2025-06-18"),
        Era::Legacy("2025-11-25"),
        Era::Stateless,
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::open(&server, era);
        if era == Era::Stateless {
            let about = client.result("server/discover", json!({}));
            assert!(
                about["supportedVersions"]
                    .to_string()
                    .contains("2026-07-28"),
                "{about}"
            );
            assert!(client.session.is_none());
        }
        let listed = client.result("tools/list", json!({}));
        assert!(
            listed["tools"]
                .as_array()
                .is_some_and(|tools| tools.len() >= 12),
            "{era:?}"
        );
        let agent = format!("agent-{index}");
        let next = client
            .tool("next_issue", json!({"agent_id": agent}))
            .record();
        assert_eq!(next["issue_number"], index as u64 + 1, "{era:?}");
        let failure = client.tool(
            "claim_issue",
            json!({"agent_id": agent, "repo": "x", "issue_number": 1}),
        );
        assert!(failure.failure().contains("owner/name"), "{era:?}");
        let read = client.result(
            "resources/read",
            json!({"uri": "github://issue/acme/api/1"}),
        );
        assert!(read["contents"].to_string().contains("Issue 1"), "{era:?}");
        let unknown = client.post("tools/call", json!({"name": "nonsense", "arguments": {}}));
        assert!(
            unknown.text().contains("\"error\""),
            "{era:?}: {}",
            unknown.text()
        );
        for method in ["tool/call", "logging/setLevel", "resources/subscribe"] {
            let unknown = client
                .post(method, json!({"level": "info", "uri": "x"}))
                .text();
            assert!(unknown.contains("-32601"), "{era:?}: {unknown}");
            assert!(
                unknown.contains("; did you mean") || unknown.contains("; the methods are"),
                "{era:?}: {unknown}"
            );
        }
    }
    assert_eq!(server.claims().len(), 3);
}

#[test]
fn the_list_is_the_same_as_over_stdio() {
    let place = Place::with_issues(0);
    let server = place.serve();
    let over_http = Client::open(&server, Era::Stateless).result("tools/list", json!({}));
    let over_stdio = place.mcp_of(Era::Stateless).result("tools/list", json!({}));
    assert_eq!(over_http["tools"], over_stdio["tools"]);
}

#[test]
fn foreign_hosts_and_origins_stay_out() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": Era::Stateless.parameters(json!({"name": "claim_issue", "arguments": {"agent_id": "a", "repo": "acme/api", "issue_number": 1}}))});
    let call = call.to_string();
    let post = |header: (&str, &str)| {
        let headers = [
            ACCEPT,
            JSON,
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "claim_issue"),
            header,
        ];
        server
            .connect()
            .request("POST", "/mcp", &headers, call.as_bytes())
            .status
    };
    assert_eq!(post(("origin", "http://evil.example")), 403);
    assert_eq!(post(("origin", "null")), 403);
    assert_eq!(post(("host", "evil.example")), 403);
    assert!(server.claims().is_empty());
    assert_eq!(post(("origin", "http://localhost:6274")), 200);
    assert_eq!(post(("x-nothing", "special")), 200);
}

#[test]
fn malformed_posts_are_answered_and_the_connection_survives() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut connection = server.connect();
    for (headers, body, statuses) in [
        (&[ACCEPT, JSON][..], "{", &[400, 422][..]),
        (&[ACCEPT, JSON], "{\"jsonrpc\":\"2.0\"}", &[400, 422]),
        (&[JSON, ("accept", "text/html")], "{}", &[406, 400]),
        (&[ACCEPT, ("content-type", "text/plain")], "{}", &[415]),
    ] {
        let answer = connection.request("POST", "/mcp", headers, body.as_bytes());
        assert!(
            statuses.contains(&answer.status),
            "{body}: {} {}",
            answer.status,
            answer.text()
        );
        let error = answer.json();
        assert_eq!(error["jsonrpc"], "2.0", "{body}: {error}");
        let told = error["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains("; "), "{body}: no next step in {error}");
        assert_eq!(
            connection.request("GET", "/api/health", &[], b"").status,
            200,
            "after {body}"
        );
    }
    let wrong = connection.request("PUT", "/mcp", &[ACCEPT, JSON], b"{}");
    assert_eq!(wrong.status, 405);
    assert!(
        wrong
            .header("allow")
            .is_some_and(|allow| allow.contains("POST"))
    );
}

#[test]
fn a_request_without_a_session_is_told_what_comes_first() {
    let place = Place::with_issues(0);
    let server = place.serve();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let headers = [ACCEPT, JSON];
    let answer = server
        .connect()
        .request("POST", "/mcp", &headers, body.as_bytes());
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let error = answer.json();
    assert_eq!(error["id"], 1, "{error}");
    let told = error["error"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("; send initialize first"), "{error}");
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_connection_survives() {
    let place = Place::with_issues(0);
    let server = place.serve();
    let mut connection = server.connect();
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(
        connection
            .request("POST", "/mcp", &[ACCEPT, JSON], &large)
            .status,
        413
    );
    assert_eq!(
        connection.request("GET", "/api/health", &[], b"").status,
        200
    );
}

#[test]
fn a_claim_made_over_http_belongs_to_no_session() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let mut first = Client::open(&server, Era::Stateless);
    let mut second = Client::open(&server, Era::Legacy("2025-06-18"));
    let claim = first.tool(
        "claim_issue",
        json!({"agent_id": "a", "repo": "acme/api", "issue_number": 1}),
    );
    let id = claim.record()["claim"]["claim_id"].clone();
    let update = json!({"claim_id": id, "status": "in_progress", "agent_id": "a"});
    assert_eq!(
        second.tool("update_claim_status", update).record()["ok"],
        true
    );
    assert_eq!(
        second
            .tool("release_issue", json!({"claim_id": id}))
            .record()["ok"],
        true
    );
}
