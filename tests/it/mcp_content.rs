//! What MCP offers beside tools: the issue as a resource, completions, prompts.

use serde_json::{Value, json};

use crate::support::{Era, McpClient, Place, issues};

const TEMPLATE: &str = "github://issue/{owner}/{repo}/{number}";

fn client(place: &Place) -> McpClient {
    place.mcp().joined().synced()
}

#[test]
fn an_issue_is_a_resource() {
    let place = Place::with_issues(2);
    place.github.change(|world| {
        world.issue("acme/api", 2).body("The text of the issue.");
    });
    let client = client(&place);
    let templates = client.result("resources/templates/list", json!({}));
    let templates = templates["resourceTemplates"]
        .as_array()
        .expect("there is a list")
        .clone();
    assert!(
        templates
            .iter()
            .any(|template| template["uriTemplate"] == TEMPLATE),
        "{templates:?}"
    );
    assert!(client.result("resources/list", json!({}))["resources"].is_array());
    let read = client.result(
        "resources/read",
        json!({"uri": "github://issue/acme/api/2"}),
    );
    let contents = read["contents"].as_array().expect("there are contents");
    assert_eq!(contents[0]["uri"], "github://issue/acme/api/2");
    let text = contents
        .iter()
        .map(|content| content["text"].as_str().unwrap_or_default());
    let text: String = text.collect();
    assert!(
        text.contains("Issue 2") && text.contains("The text of the issue."),
        "{text}"
    );
    for uri in [
        "github://issue/acme/api/99",
        "github://issue/acme/api/x",
        "github://issue/acme/api",
        "github://issue/acme/../1",
        "file:///etc/passwd",
        "nonsense",
    ] {
        let refused = client.call("resources/read", json!({"uri": uri}));
        assert!(refused["error"]["code"].is_i64(), "{uri}: {refused}");
    }
}

#[test]
fn arguments_are_completed() {
    let mut world = issues(3);
    world.add_repository("acme/app").add_issue("one");
    world.add_repository("octo/notes").add_issue("one");
    let place = Place::new(world);
    let client = client(&place);
    let complete = |name: &str, value: &str, known: Value| {
        let parameters = json!({
            "ref": {"type": "ref/resource", "uri": TEMPLATE},
            "argument": {"name": name, "value": value},
            "context": {"arguments": known},
        });
        client.result("completion/complete", parameters)["completion"]["values"].clone()
    };
    assert_eq!(complete("owner", "A", json!({})), json!(["acme"]));
    let both = complete("repo", "a", json!({"owner": "acme"}));
    assert!(
        both.as_array().is_some_and(|both| both.len() == 2),
        "{both}"
    );
    assert_eq!(
        complete("repo", "n", json!({"owner": "octo"})),
        json!(["notes"])
    );
    let numbers = complete("number", "", json!({"owner": "acme", "repo": "api"}));
    assert!(
        numbers
            .as_array()
            .is_some_and(|numbers| numbers.contains(&json!("2"))),
        "{numbers}"
    );
    assert_eq!(complete("owner", "zzz", json!({})), json!([]));
    let unknown = json!({
        "ref": {"type": "ref/resource", "uri": "github://nonsense/{x}"},
        "argument": {"name": "x", "value": ""},
    });
    let answer = client.call("completion/complete", unknown);
    let values = &answer["result"]["completion"]["values"];
    assert!(
        answer["error"]["code"].is_i64() || *values == json!([]),
        "{answer}"
    );
}

#[test]
fn prompts_say_how_work_is_done() {
    let place = Place::with_issues(1);
    for era in [Era::Legacy("2025-11-25"), Era::Stateless] {
        let client = place.mcp_of(era);
        if era != Era::Stateless {
            client.initialize();
        }
        let listed = client.result("prompts/list", json!({}));
        let listed = listed["prompts"]
            .as_array()
            .expect("there is a list")
            .clone();
        for name in ["take_next_issue", "finish_pull_request", "triage"] {
            let prompt = listed.iter().find(|prompt| prompt["name"] == name);
            let prompt = prompt.unwrap_or_else(|| panic!("{name} is missing"));
            assert!(prompt["description"].is_string(), "{name}");
            let arguments = prompt["arguments"].as_array().cloned().unwrap_or_default();
            let given: serde_json::Map<_, _> = arguments
                .iter()
                .filter_map(|argument| argument["name"].as_str())
                .map(|name| {
                    (
                        name.to_owned(),
                        json!(if name == "repo" {
                            "acme/api"
                        } else {
                            "value-7"
                        }),
                    )
                })
                .collect();
            let got = client.result("prompts/get", json!({"name": name, "arguments": given}));
            let messages = got["messages"].as_array().expect("there are messages");
            let text = messages[0]["content"]["text"].as_str().unwrap_or_default();
            assert!(text.len() > 50, "{name}: {got}");
            if !given.is_empty() {
                assert!(
                    text.contains("acme/api") || text.contains("value-7"),
                    "{name}: {text}"
                );
            }
        }
        let unknown = client.call("prompts/get", json!({"name": "nonsense"}));
        assert!(unknown["error"]["code"].is_i64(), "{unknown}");
    }
}
