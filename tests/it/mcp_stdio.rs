//! MCP over stdio: both eras, the tools' words and sizes, prompts, resources, and how it ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::github::Fault;
use crate::support::{Era, McpClient, Place, holds, until};

/// Tools that exist for claims and discovery, and whether they only read.
const TOOLS: [(&str, bool); 21] = [
    ("list_repos", true),
    ("list_open_issues", true),
    ("get_issue_details", true),
    ("next_issue", false),
    ("fetch_issues", true),
    ("claim_issue", false),
    ("release_issue", false),
    ("update_claim_status", false),
    ("get_my_claims", true),
    ("get_all_claims", true),
    ("get_claim_history", true),
    ("create_pull_request", false),
    ("get_failing_tests", true),
    ("check_merge_readiness", true),
    ("find_unresolved_comments", true),
    ("resolve_review_thread", false),
    ("manage_stacked_prs", true),
    ("detect_merge_conflicts", true),
    ("analyze_pr_impact", true),
    ("get_review_suggestions", true),
    ("system_health", true),
];

const ERAS: [Era; 3] = [
    Era::Legacy("2025-06-18"),
    Era::Legacy("2025-11-25"),
    Era::Stateless,
];

/// An agent's process with which a conversation was opened.
#[track_caller]
fn open(place: &Place, era: Era) -> (McpClient, Value) {
    let client = place.mcp_of(era);
    let about = match era {
        Era::Legacy(_) => client.initialize(),
        Era::Stateless => client.result("server/discover", json!({})),
    };
    (client, about)
}

#[test]
fn every_era_is_spoken() {
    let place = Place::with_issues(2);
    for era in ERAS {
        let (client, about) = open(&place, era);
        match era {
            Era::Legacy(version) => assert_eq!(about["protocolVersion"], version, "{about}"),
            Era::Stateless => {
                let versions = about["supportedVersions"].to_string();
                assert!(versions.contains("2026-07-28"), "{about}");
            }
        }
        let text = about.to_string();
        assert!(text.contains("issuecommand"), "{about}");
        for capability in ["tools", "prompts", "resources", "completions"] {
            assert!(
                about["capabilities"][capability].is_object(),
                "{capability}: {about}"
            );
        }
        let instructions = about["instructions"]
            .as_str()
            .expect("there are instructions");
        assert!(instructions.len() <= 4_096, "{} bytes", instructions.len());
        let beginning: String = instructions.chars().take(250).collect();
        assert!(
            beginning.contains("next_issue"),
            "the beginning stands alone: {beginning}"
        );
        let listed = client.result("tools/list", json!({}));
        assert!(
            listed["tools"]
                .as_array()
                .is_some_and(|tools| tools.len() >= TOOLS.len())
        );
        if era == Era::Stateless {
            assert_eq!(listed["resultType"], "complete", "{era:?}");
            assert!(
                listed["ttlMs"].as_u64().is_some_and(|time| time > 0),
                "{era:?}"
            );
        }
        let all = client.tool("get_all_claims", json!({})).record();
        assert_eq!(all["claims"], json!([]));
        let unknown = client.call("tools/call", json!({"name": "take_issue", "arguments": {}}));
        assert!(unknown["error"]["code"].is_i64(), "{era:?}: {unknown}");
        for (method, next) in [
            ("no/such/method", "; the methods are"),
            ("tool/call", "; did you mean tools/call?"),
            ("tasks/get", "; "),
            ("subscriptions/listen", "; "),
        ] {
            let unknown = client.call(method, json!({"notifications": {}, "taskId": "x"}));
            assert_eq!(unknown["error"]["code"], -32601, "{era:?}: {unknown}");
            let told = unknown["error"]["message"].as_str().unwrap_or_default();
            assert!(told.contains(next), "{era:?}: {unknown}");
        }
    }
}

#[test]
fn lines_that_are_no_message_are_answered_and_the_next_ones_too() {
    let place = Place::with_issues(0);
    for era in ERAS {
        let (client, _) = open(&place, era);
        client.write_line("{\"jsonrpc\": \"2.0\", \"id\":");
        let told = until("the line is answered", || {
            let lines = client.notifications();
            lines.into_iter().find(|line| line["error"].is_object())
        });
        assert_eq!(told["error"]["code"], -32700, "{era:?}: {told}");
        assert!(told.get("id").is_none_or(Value::is_null), "{told}");
        let no_messages = [
            "[]",
            "null",
            "{}",
            r#"{"method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":"x","method":5}"#,
        ];
        no_messages.iter().for_each(|line| client.write_line(line));
        let told = until("each of them is answered", || {
            let mut told = client.notifications();
            told.retain(|it| it["error"]["code"] == -32600);
            (told.len() == no_messages.len()).then_some(told)
        });
        for answer in &told {
            let words = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(words.contains("; "), "no next step in {answer}");
        }
        assert_eq!(told[4]["id"], "x");
        for (method, parameters) in [
            ("tools/call", json!({"name": 5})),
            (
                "tools/call",
                json!({"name": "get_my_claims", "arguments": []}),
            ),
            ("resources/read", json!({"url": "x"})),
        ] {
            let wrong = client.call(method, parameters);
            assert_eq!(wrong["error"]["code"], -32602, "{era:?}: {wrong}");
            let message = wrong["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(method), "{wrong}");
        }
        assert_eq!(
            client
                .tool("get_my_claims", json!({"agent_id": "a"}))
                .record()["claims"],
            json!([])
        );
    }
}

#[test]
fn a_version_with_lists_of_messages_is_not_agreed_on() {
    let place = Place::with_issues(0);
    let client = place.mcp_of(Era::Legacy("2025-03-26"));
    // Whoever speaks that one knows this one too, and may know no later one.
    assert_eq!(client.initialize()["protocolVersion"], "2024-11-05");
    assert!(client.result("tools/list", json!({}))["tools"].is_array());
}

#[test]
fn notifications_are_not_answered_and_methods_are_those_of_the_era() {
    let place = Place::with_issues(0);
    for era in ERAS {
        let (client, _) = open(&place, era);
        let broken = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#;
        client.write_line(broken);
        let unknown = client.call("no/such/method", json!({}));
        let words = unknown["error"]["message"].to_string();
        let is_stateless = era == Era::Stateless;
        assert_eq!(words.contains(" ping"), !is_stateless, "{words}");
        assert_eq!(words.contains("server/discover"), is_stateless, "{words}");
        if is_stateless {
            let refused = client.call("ping", json!({}));
            let words = refused["error"]["message"].to_string();
            assert!(
                words.contains("the methods are server/discover, tools"),
                "{words}"
            );
        }
        assert!(
            client.notifications().is_empty(),
            "{:?}",
            client.notifications()
        );
    }
}

#[test]
fn each_of_many_wrong_requests_is_answered() {
    let place = Place::with_issues(0);
    let (client, _) = open(&place, Era::Legacy("2025-11-25"));
    let ids = 1_000..1_100_u64;
    let lines: Vec<String> = ids
        .clone()
        .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": []}))
        .map(|request| request.to_string())
        .collect();
    client.write_line(&lines.join("\n"));
    client.result("ping", json!({}));
    until("each is answered", || {
        let answers = client.notifications();
        let answered = |id: u64| {
            let is_it = |it: &&Value| it["id"] == id && it["error"].is_object();
            answers.iter().any(|it| is_it(&it))
        };
        holds(ids.clone().all(answered))
    });
}

#[test]
fn what_comes_before_the_greeting_ends_nothing() {
    let place = Place::with_issues(0);
    for era in ERAS {
        let client = place.mcp_of(era);
        for line in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":900,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":901,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":902,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":902}}"#,
        ] {
            client.write_line(line);
        }
        if let Era::Legacy(_) = era {
            client.initialize();
        }
        let listed = client.result("tools/list", json!({}));
        assert!(listed["tools"].is_array(), "{era:?}: {listed}");
        let early = client.notifications();
        let refused = early.iter().find(|it| it["id"] == 902);
        let words = refused.map(|it| it["error"]["message"].to_string());
        assert!(
            words.is_some_and(|words| words.contains("; send initialize first")),
            "{era:?}: {early:?}"
        );
    }
}

#[test]
fn the_tool_list_is_complete() {
    let place = Place::with_issues(0);
    for era in ERAS {
        let (client, _) = open(&place, era);
        let line = client
            .try_line("tools/list", json!({}))
            .expect("it answers");
        let list: Value = serde_json::from_str(&line).expect("it is JSON");
        let tools = list["result"]["tools"].as_array().expect("there is a list");
        for tool in tools {
            let name = &tool["name"];
            assert!(tool["title"].is_string(), "{name}");
            assert!(tool.get("outputSchema").is_none(), "{name}");
            assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
            let at_once = tool["_meta"]["anthropic/alwaysLoad"] == true;
            assert_eq!(
                at_once,
                name == "next_issue" || name == "update_claim_status",
                "{name}"
            );
        }
        for (name, reads) in TOOLS {
            let tool = tools.iter().find(|tool| tool["name"] == name);
            let tool = tool.unwrap_or_else(|| panic!("{name} is missing"));
            let hint = if reads {
                json!({"readOnlyHint": true})
            } else {
                json!({"destructiveHint": false})
            };
            assert_eq!(tool["annotations"], hint, "{name}");
        }
    }
}

#[test]
fn the_tool_list_is_small() {
    let place = Place::with_issues(0);
    for era in ERAS {
        let (client, _) = open(&place, era);
        let line = client
            .try_line("tools/list", json!({}))
            .expect("it answers");
        assert!(line.len() <= 8_192, "{era:?}: {} bytes", line.len());
        let list: Value = serde_json::from_str(&line).expect("it is JSON");
        let tools = list["result"]["tools"].as_array().expect("there is a list");
        let sizes = tools
            .iter()
            .map(|tool| (tool["name"].to_string(), tool.to_string().len()));
        // The tool with the most arguments may have a little more.
        let most = |name: &str| {
            if name.contains("create_pull_request") {
                600
            } else {
                500
            }
        };
        let large: Vec<_> = sizes.filter(|(name, size)| *size > most(name)).collect();
        assert!(large.is_empty(), "too many bytes: {large:?}");
    }
}

#[test]
fn a_probe_touches_nothing() {
    let place = Place::with_issues(1);
    for era in ERAS {
        let start = Instant::now();
        let (mut client, _) = open(&place, era);
        client.result("tools/list", json!({}));
        assert!(client.process.children().is_empty(), "no gh yet");
        let status = client.leave(Duration::from_secs(1));
        assert_eq!(status.code(), Some(0));
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
    }
    assert!(
        place.github.requests().is_empty(),
        "{:?}",
        place.github.requests()
    );
}

#[test]
fn the_list_is_there_while_gh_and_lock_are_not() {
    let mut place = Place::with_issues(1);
    place.set("GH_PATH", "/nonexistent/gh");
    place.set("STATE_FILE_PATH", "/proc/nowhere/state.json");
    let (mut client, _) = open(&place, Era::Legacy("2025-06-18"));
    client.result("tools/list", json!({}));
    let failure = client.tool("get_all_claims", json!({})).failure();
    assert!(failure.contains("STATE_FILE_PATH"), "{failure}");
    assert!(client.leave(Duration::from_secs(2)).success());
}

#[test]
fn it_joins_within_a_second_of_the_first_request() {
    let place = Place::with_issues(1);
    let (client, _) = open(&place, Era::Legacy("2025-06-18"));
    client.result("tools/list", json!({}));
    let start = Instant::now();
    until("it is the owner and listens", || {
        let lock = place.lock()?;
        holds(lock["pid"] == client.process.pid() && !lock["address"].as_str()?.is_empty())
    });
    place.until_asked(|requests| !requests.is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let address = place.lock().expect("it is there")["address"]
        .as_str()
        .map(str::to_owned);
    let mut http = crate::support::Connection::open(&address.expect("it is text"));
    assert_eq!(http.request("GET", "/api/health", &[], b"").status, 200);
}

#[test]
fn the_end_of_input_ends_it_even_in_the_middle_of_calls() {
    let place = Place::with_issues(2);
    let mut client = place.mcp().joined().synced();
    place.github.inject(Fault::stall());
    let details = json!({"repo": "acme/api", "issue_number": 1});
    client.send(
        "tools/call",
        json!({"name": "get_issue_details", "arguments": details}),
    );
    let wait = json!({"agent_id": "a", "repo": "acme/none", "wait_seconds": 45});
    client.send(
        "tools/call",
        json!({"name": "next_issue", "arguments": wait}),
    );
    until("gh is at work", || {
        holds(!client.process.children().is_empty())
    });
    let status = client.leave(Duration::from_secs(1));
    assert_eq!(status.code(), Some(0), "{}", client.process.log());
    until("no gh is left", || {
        holds(client.process.children().is_empty())
    });
    // A follower's end is as quick.
    let server = place.serve();
    let mut follower = place.mcp().joined();
    let wait = json!({"agent_id": "b", "wait_seconds": 45});
    follower.send(
        "tools/call",
        json!({"name": "next_issue", "arguments": wait}),
    );
    follower.tool("system_health", json!({})).record();
    assert_eq!(follower.leave(Duration::from_secs(1)).code(), Some(0));
    server.stop();
}

#[test]
fn standard_output_belongs_to_the_protocol() {
    let place = Place::with_issues(1).with("LOG_LEVEL", "debug");
    let client = place.mcp().joined().synced();
    client.claim("agent-a", 1).record();
    for line in [
        "{",
        "[]",
        "null",
        "\u{1b}[31m",
        "{\"jsonrpc\":\"2.0\",\"method\":5}",
    ] {
        client.write_line(line);
    }
    client.claim("agent-a", 1).record();
    for message in client.notifications() {
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
    }
    until("claim events are logged on standard error", || {
        holds(client.process.log().contains("claim.created"))
    });
}
