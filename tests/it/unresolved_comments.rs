//! What reviewers said: what is open, whose turn it is, and resolving it.

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Answer, Cost, Place, Server, field, issues};

const PULL: &str = "acme/api#2";

/// A pull request by `octo`, whom the tests are logged in as, with some of everything.
fn reviewed() -> World {
    let mut world = issues(1);
    let pull = world
        .repository("acme/api")
        .add_pull_request("Bind ids", &[1]);
    pull.comment("grace", "Before the author's last word.");
    pull.comment("octo", "I answered above.");
    pull.thread(
        "lea",
        "src/db.rs",
        42,
        "This can inject SQL.\n\n```suggestion\nlet q = bind(id);\n```",
    );
    pull.thread("lea", "src/api.rs", 7, "Name it better.");
    pull.reply("octo", "Will do.");
    pull.thread("lea", "src/old.rs", 3, "Fixed long ago.")
        .resolved = true;
    pull.thread("lea", "src/gone.rs", 9, "Was it meant?").line = None;
    pull.thread("kim", "src/db.rs", 50, "Rude.").comments[0].minimized = true;
    let bot = "**Check it.**\n<details>\n<summary>🧩 Analysis</summary>\nlong story\n</details>\n<!-- made by a bot -->";
    pull.thread("coderabbitai[bot]", "src/db.rs", 10, bot);
    pull.thread("lea", "src/ghost.rs", 1, "Gone.").comments[0].author = None;
    pull.comment("kim", "Please rebase.");
    pull.review("kim", "APPROVED", "");
    pull.review("lea", "CHANGES_REQUESTED", "Not yet: see the threads.");
    pull.reviews().decision = Some("CHANGES_REQUESTED");
    pull.push("b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0", &["src/db.rs"]);
    world
}

fn ask(server: &Server, more: Value) -> Answer {
    let mut arguments = json!({"pr": PULL});
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    server.tool("find_unresolved_comments", arguments)
}

fn bodies(answer: &Value) -> Vec<&str> {
    let comments = answer["comments"].as_array().expect("there is a list");
    comments
        .iter()
        .map(|comment| field(comment, "body"))
        .collect()
}

fn with<'a>(answer: &'a Value, path: &str) -> &'a Value {
    let comments = answer["comments"].as_array().expect("there is a list");
    let found = comments.iter().find(|comment| comment["path"] == path);
    found.unwrap_or_else(|| panic!("nothing on {path} in {answer}"))
}

#[test]
fn what_is_open_is_told_with_whose_turn_it_is() {
    let place = Place::new(reviewed());
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, json!({}));
    let told = answer.expect(200);
    // The pull request, all that was said, and one comparison.
    assert_eq!(place.cost(), Cost::is(3, 2, 1));
    assert_eq!(told["pr"], PULL);
    assert_eq!(told["head_sha"], "b1b2b3b");
    assert!(told["fetched_at"].is_string());
    assert_eq!(told["review_decision"], "CHANGES_REQUESTED");
    assert_eq!(
        (&told["total_threads"], &told["total_unresolved"]),
        (&json!(7), &json!(5))
    );
    assert_eq!(
        bodies(&told),
        [
            "Name it better.",
            "**Check it.**\n[+ 🧩 Analysis (10 chars)]",
            "This can inject SQL.\n\n[suggestion]",
            "Gone.",
            "Was it meant?",
            "Please rebase.",
            "Not yet: see the threads.",
        ]
    );
    let renamed = with(&told, "src/api.rs");
    assert_eq!(renamed["state"], "awaiting_reviewer");
    assert_eq!(renamed["replies"][0]["body"], "Will do.");
    assert_eq!(
        (&renamed["reply_count"], &renamed["changed_since"]),
        (&json!(1), &json!(false))
    );
    let gone = with(&told, "src/gone.rs");
    assert_eq!(
        (&gone["outdated"], &gone["line"]),
        (&json!(true), &json!(9))
    );
    assert_eq!(with(&told, "src/ghost.rs")["author"], "ghost");
    let comments = told["comments"].as_array().expect("there is a list");
    let injection = &comments[2];
    assert_eq!(
        injection["suggestion"],
        json!({"start": 42, "end": 42, "replacement": "let q = bind(id);\n"})
    );
    assert_eq!(injection["state"], "awaiting_author");
    assert_eq!(injection["changed_since"], true);
    assert!(field(injection, "hunk").ends_with("+new"));
    assert!(field(injection, "url").contains("#discussion_r"));
    assert_eq!(
        (&comments[1]["is_bot"], &comments[1]["author"]),
        (&json!(true), &json!("coderabbitai"))
    );
    assert_eq!(comments[5]["kind"], "conversation");
    assert_eq!(comments[6]["kind"], "review_body");
    assert_eq!(told["summary"]["minimized"], 1);
    assert_eq!(
        (&told["summary"]["bots"], &told["summary"]["humans"]),
        (&json!(1), &json!(6))
    );
    assert!(told["untrusted"].to_string().contains("comments[].body"));
    assert!(
        told.get("warnings").is_none() && told.get("next_cursor").is_none(),
        "{told}"
    );
    // A second question costs one look at the pull request.
    place.github.clear_requests();
    ask(&server, json!({"needs": "author_reply"})).expect(200);
    place.assert_repeat(1, 0);
}

#[test]
fn filters_and_orders() {
    let place = Place::new(reviewed());
    let server = place.serve_synced();
    let told = |more: Value| ask(&server, more).expect(200);
    let count = |more: Value| bodies(&told(more)).len();
    assert_eq!(
        bodies(&told(json!({"needs": "reviewer"}))),
        ["Name it better."]
    );
    assert_eq!(count(json!({"needs": "author_reply"})), 6);
    assert_eq!(count(json!({"include_bots": false})), 6);
    let all = told(json!({"sort": "chronological"}));
    let newest = field(&all["comments"][6], "created_at").to_owned();
    assert_eq!(
        bodies(&told(json!({"since": newest}))),
        ["Not yet: see the threads."]
    );
    let first = told(json!({"sort": "priority"}));
    assert_eq!(bodies(&first)[0], "Not yet: see the threads.");
    assert_eq!(
        bodies(&first)[6],
        "Name it better.",
        "whose turn is the reviewer's"
    );
    assert!(bodies(&first)[5].contains("Check it"), "bots after people");
    assert_eq!(
        told(json!({"sort": "by_author"}))["comments"][0]["is_bot"],
        true
    );
    assert_eq!(
        count(json!({"exclude_authors": ["Lea", "coderabbitai[bot]"]})),
        2
    );
    assert_eq!(count(json!({"include_outdated": false})), 6);
    let short = told(json!({"body_chars": 40, "needs": "author_reply", "include_bots": false}));
    assert_eq!(bodies(&short)[0], "This can inject SQL.\n\n[suggestion]");
    let shortest = told(json!({"body_chars": 40, "sort": "priority"}));
    assert!(
        bodies(&shortest)
            .iter()
            .all(|body| body.chars().count() <= 40)
    );
    let flags = "find-unresolved-comments --pr acme/api#2 --json --exclude-authors lea,kim \
                 --include-outdated=false --body-chars 40";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let by_hand = place.cli(&flags).json();
    let by_mcp = place.mcp().joined().tool(
        "find_unresolved_comments",
        json!({"pr": PULL, "exclude_authors": ["lea", "kim"], "include_outdated": false,
            "body_chars": 40}),
    );
    let by_mcp = by_mcp.record();
    assert_eq!(by_mcp["comments"], by_hand["comments"]);
    let authors: Vec<&str> = by_hand["comments"]
        .as_array()
        .expect("there is a list")
        .iter()
        .map(|comment| field(comment, "author"))
        .collect();
    assert_eq!(authors, ["coderabbitai", "ghost"]);
    for wrong in [
        json!({"body_chars": 39}),
        json!({"body_chars": 4_001}),
        json!({"exclude_authors": vec!["x"; 51]}),
        json!({"exclude_authors": "lea"}),
        json!({"include_outdated": 1}),
        json!({"sort": "severity"}),
        json!({"needs": "me"}),
        json!({"since": "yesterday"}),
        json!({"cursor": "x"}),
        json!({"pr": "acme/api"}),
        json!({"pr": "acme/api#-1"}),
    ] {
        let refused = ask(&server, wrong.clone());
        let refused = refused.expect(400);
        assert_eq!(refused["code"], "invalid_argument", "{wrong}: {refused}");
        assert!(!field(&refused, "suggestion").is_empty());
    }
    let issue = ask(&server, json!({"pr": "acme/api#1"}));
    assert_eq!(
        issue.json()["code"],
        "not_a_pull_request",
        "{}",
        issue.text()
    );
    assert_eq!(
        ask(&server, json!({"pr": "acme/api#99"})).json()["code"],
        "not_found"
    );
}

#[test]
fn what_a_bot_folds_in_a_review_is_told_by_file_and_line() {
    let fold = |title: &str, content: &str| {
        format!(
            "<details>\n<summary>{title}</summary><blockquote>\n\n{content}\n\n</blockquote></details>\n"
        )
    };
    let outside = fold(
        "⚠️ Outside diff range comments (1)",
        &fold(
            "src/db.rs (1)",
            "`3-4`: _⚠️ Potential issue_ | _🟠 Major_\n\n**Close it.**",
        ),
    );
    let quoted: String = outside.lines().map(|line| format!("> {line}\n")).collect();
    let pair =
        "`8`: **Rename it.**\n\n```suggestion\nlet id = 1;\n```\n\n---\n\n`20-22`: **Split it.**";
    let body = format!(
        "**Actionable comments posted: 1**\n\n> [!CAUTION]\n> Some are elsewhere.\n>\n{quoted}\n{}{}",
        fold("🧹 Nitpick comments (2)", &fold("src/api.rs (2)", pair)),
        fold("📜 Review details", "**Run ID**: 5"),
    );
    let mut world = issues(1);
    let pull = world
        .repository("acme/api")
        .add_pull_request("Bind ids", &[1]);
    pull.review("coderabbitai[bot]", "COMMENTED", &body);
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let told = ask(&server, json!({})).expect(200);
    assert_eq!(place.cost(), Cost::is(2, 1, 1));
    let facts: Vec<String> = told["comments"]
        .as_array()
        .expect("there is a list")
        .iter()
        .map(|comment| {
            let lines = (&comment["start_line"], &comment["line"]);
            format!(
                "{} {} {}-{}",
                field(comment, "section"),
                field(comment, "path"),
                lines.0,
                lines.1
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            "nitpick src/api.rs null-8",
            "nitpick src/api.rs 20-22",
            "outside_diff src/db.rs 3-4"
        ]
    );
    assert_eq!(
        bodies(&told),
        [
            "**Rename it.**\n\n[suggestion]",
            "**Split it.**",
            "_⚠️ Potential issue_ | _🟠 Major_\n\n**Close it.**"
        ]
    );
    let suggestion = &told["comments"][0]["suggestion"];
    assert_eq!(
        suggestion,
        &json!({"start": 8, "end": 8, "replacement": "let id = 1;\n"})
    );
    assert!(told.get("warnings").is_none(), "{told}");
    // In one piece: through MCP, which does not list the argument, and by hand.
    let whole = json!({"pr": PULL, "parse_review_bodies": false});
    let by_mcp = place.mcp().joined().tool("find_unresolved_comments", whole);
    let by_mcp = by_mcp.record();
    assert_eq!(by_mcp["total_listed"], 1);
    assert!(
        bodies(&by_mcp)[0].starts_with("**Actionable comments posted: 1**"),
        "{by_mcp}"
    );
    let shown = place.cli(&["find-unresolved-comments", "--pr", PULL]);
    for words in [
        "src/api.rs:20-22\n  coderabbitai (bot), in a review, nitpick, ",
        "Split it.",
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    let by_hand = place.cli(&[
        "find-unresolved-comments",
        "--pr",
        PULL,
        "--json",
        "--parse-review-bodies=false",
    ]);
    assert_eq!(by_hand.json()["comments"], by_mcp["comments"]);
    let openapi = server.get("/openapi.json").expect(200).to_string();
    assert!(openapi.contains("parse_review_bodies"));
}

#[test]
fn pages_stay_right_while_threads_are_resolved() {
    let mut world = issues(1);
    let pull = world.repository("acme/api").add_pull_request("Large", &[]);
    for number in 0..120 {
        let body = format!("Remark {number:03}. {}", "\u{1}\"x ".repeat(400));
        pull.thread("lea", "src/a.rs", number + 1, &body);
    }
    let place = Place::new(world);
    let server = place.serve_synced();
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    for _ in 0..60 {
        let more = if cursor.is_null() {
            json!({})
        } else {
            json!({"cursor": cursor})
        };
        let answer = ask(&server, more);
        assert!(answer.body.len() <= 8_192, "{} bytes", answer.body.len());
        let told = answer.expect(200);
        let comments = told["comments"].as_array().expect("there is a list");
        assert!(!comments.is_empty(), "{told}");
        for comment in comments {
            seen.push(field(comment, "body")[..10].to_owned());
            let id = field(comment, "thread_id");
            // Somebody resolves it before the next page is asked for.
            place.github.change(|world| {
                let pull = world.issue("acme/api", 2);
                let mut threads = pull.reviews().threads.iter_mut();
                let thread = threads.find(|thread| thread.node_id() == id);
                thread.expect("it is the world's").resolved = true;
                pull.touch();
            });
        }
        cursor = told["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let expected: Vec<String> = (0..120)
        .map(|number| format!("Remark {number:03}"))
        .collect();
    assert_eq!(seen, expected);
    // A push makes lines mean something else.
    let first = ask(&server, json!({})).expect(200);
    assert_eq!(first["comments"], json!([]));
    place.github.change(|world| {
        for thread in &mut world.issue("acme/api", 2).reviews().threads {
            thread.resolved = false;
        }
        world.issue("acme/api", 2).touch();
    });
    let cursor = ask(&server, json!({})).expect(200)["next_cursor"].clone();
    place.github.change(|world| {
        world
            .issue("acme/api", 2)
            .push("c".repeat(40).as_str(), &["src/a.rs"]);
    });
    let refused = ask(&server, json!({"cursor": cursor}));
    assert_eq!(refused.expect(409)["code"], "head_moved");
}

#[test]
fn what_is_not_known_is_not_taken_for_resolved() {
    let place = Place::new(reviewed());
    let server = place.serve_synced();
    let partial = json!({
        "data": {"viewer": {"login": "octo"}, "repository": {"pullRequest": null}},
        "errors": [{"type": "FORBIDDEN", "path": ["repository", "pullRequest"], "message": "no"}],
    });
    place.github.inject(
        Fault::respond(200, &partial.to_string())
            .on("PrComments")
            .times(1),
    );
    assert_eq!(ask(&server, json!({})).json()["code"], "forbidden");
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    place.github.inject(Fault::bad_gateway().on("PrComments"));
    let refused = ask(&server, json!({}));
    assert_eq!(refused.json()["category"], "api", "{}", refused.text());
    place.github.clear_faults();
    // A comparison is worth a warning, no more.
    place
        .github
        .inject(Fault::respond(403, r#"{"message":"no"}"#).on("/compare/"));
    let told = ask(&server, json!({})).expect(200);
    assert_eq!(bodies(&told).len(), 7);
    assert_eq!(told["warnings"][0]["source"], "compare", "{told}");
    assert!(with(&told, "src/db.rs").get("changed_since").is_none());
}

#[test]
fn hidden_threads_are_named_and_can_be_read_and_resolved() {
    let mut world = issues(1);
    let pull = world.repository("acme/api").add_pull_request("Small", &[]);
    pull.thread("kim", "src/db.rs", 50, "Rude.").comments[0].minimized = true;
    let place = Place::new(world);
    let server = place.serve_synced();
    let told = ask(&server, json!({})).expect(200);
    assert_eq!(told["total_listed"], 0, "{told}");
    let id = told["summary"]["minimized_threads"][0].as_str();
    let id = id.expect("it is named").to_owned();
    assert!(told["actions"]["resolve"].is_object(), "{told}");
    let shown = place
        .cli(&["find-unresolved-comments", "--pr", PULL])
        .stdout;
    assert!(shown.contains(&format!("  thread {id}\n")), "{shown}");
    let read = ask(&server, json!({"thread_id": id})).expect(200);
    assert_eq!(
        (
            &read["comments"][0]["body"],
            &read["comments"][0]["minimized"]
        ),
        (&json!("Rude."), &json!(true)),
        "{read}"
    );
    let call = json!({"pr": PULL, "thread_id": id});
    server.tool("resolve_review_thread", call).expect(200);
    let told = ask(&server, json!({})).expect(200);
    assert!(told["summary"].get("minimized").is_none(), "{told}");
    assert!(told.get("actions").is_none(), "{told}");
}

#[test]
fn all_replies_of_a_thread_can_be_read() {
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    let pull = repository.add_pull_request("Long", &[]);
    pull.thread("lea", "src/a.rs", 7, "Remark 000.");
    for number in 1..130 {
        let body = format!("Remark {number:03}. {}", "\u{1}\"x ".repeat(number % 400));
        pull.reply(if number % 2 == 0 { "lea" } else { "octo" }, &body);
    }
    repository.add_pull_request("Another", &[]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let listed = ask(&server, json!({})).expect(200);
    let entry = with(&listed, "src/a.rs");
    assert_eq!(entry["reply_count"], 129);
    assert!(field(&listed["actions"], "read").contains("thread_id"));
    let id = field(entry, "thread_id").to_owned();
    let mut seen = Vec::new();
    let mut arguments = json!({"thread_id": id});
    for page in 0..130 {
        let answer = ask(&server, arguments.clone());
        assert!(answer.body.len() <= 8_192, "{} bytes", answer.body.len());
        let told = answer.expect(200);
        assert_eq!(
            (&told["total_comments"], &told["resolved"], &told["line"]),
            (&json!(130), &json!(false), &json!(7)),
            "{told}"
        );
        assert!(!bodies(&told).is_empty(), "{told}");
        seen.extend(bodies(&told).iter().map(|body| body[..10].to_owned()));
        if told["next_cursor"].is_null() {
            assert!(page > 1, "{page}");
            break;
        }
        arguments["cursor"] = told["next_cursor"].clone();
    }
    let expected: Vec<String> = (0..130)
        .map(|number| format!("Remark {number:03}"))
        .collect();
    assert_eq!(seen, expected);
    let shown = place.cli(&["find-unresolved-comments", "--pr", PULL, "--thread-id", &id]);
    assert!(shown.stdout.contains(": 130 remarks\n"), "{}", shown.stdout);
    for (more, code) in [
        (json!({"thread_id": "PRRT_unknown"}), "not_found"),
        (json!({"thread_id": "x y"}), "invalid_argument"),
        (json!({"thread_id": id, "needs": "any"}), "invalid_argument"),
        (json!({"cursor": arguments["cursor"]}), "invalid_argument"),
        (
            json!({"thread_id": id, "pr": "acme/api#3"}),
            "invalid_argument",
        ),
    ] {
        let refused = ask(&server, more.clone());
        assert_eq!(refused.json()["code"], code, "{more}: {}", refused.text());
    }
}

fn thread_id(server: &Server, path: &str) -> String {
    let told = ask(server, json!({})).expect(200);
    field(with(&told, path), "thread_id").to_owned()
}

#[test]
fn a_thread_is_resolved_once() {
    let place = Place::new(reviewed());
    let server = place.serve_synced();
    let resolve = |more: Value| {
        let mut arguments = json!({"pr": PULL});
        for (name, value) in more.as_object().into_iter().flatten() {
            arguments[name] = value.clone();
        }
        server.tool("resolve_review_thread", arguments)
    };
    let id = thread_id(&server, "src/api.rs");
    place.github.clear_requests();
    let call = json!({"thread_id": id, "reply": "Renamed in b1b2b3b."});
    let done = resolve(call.clone()).expect(200);
    // The pull request, which was known, the thread, the reply, and that it is resolved.
    assert_eq!(place.cost(), Cost::is(4, 0, 3));
    assert_eq!(
        (&done["ok"], &done["resolved"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&done["resolved_by"], &done["reply"]["already_there"]),
        (&json!("octo"), &json!(false))
    );
    assert!(done["already_resolved"].is_null());
    // It is seen at once, although what was read before is remembered.
    let left = ask(&server, json!({})).expect(200);
    assert!(!left.to_string().contains("Name it better"), "{left}");
    place.github.clear_requests();
    let again = resolve(call).expect(200);
    place.assert_repeat(2, 1);
    assert_eq!(
        (&again["already_resolved"], &again["reply"]["already_there"]),
        (&json!(true), &json!(true))
    );
    place.github.change(|world| {
        let thread = &world.issue("acme/api", 2).reviews().threads[1];
        let said: Vec<&str> = thread
            .comments
            .iter()
            .map(|said| said.body.as_str())
            .collect();
        assert_eq!(said, ["Name it better.", "Will do.", "Renamed in b1b2b3b."]);
    });
    let open = resolve(json!({"thread_id": id, "unresolve": true})).expect(200);
    assert_eq!(
        (&open["ok"], &open["resolved"]),
        (&json!(true), &json!(false))
    );
    let open = resolve(json!({"thread_id": id, "unresolve": true})).expect(200);
    assert_eq!(open["already_unresolved"], true);
}

#[test]
fn threads_are_found_by_any_of_their_comments() {
    let mut world = reviewed();
    let pull = world.issue("acme/api", 2);
    pull.thread("lea", "src/long.rs", 1, "A long story.");
    for number in 0..12 {
        pull.reply("lea", &format!("part {number}"));
    }
    let thread = pull.reviews().threads.last().expect("there is one");
    let (first, middle, last) = (
        thread.comments[0].id,
        thread.comments[4].id,
        thread.comments[12].id,
    );
    let node = thread.node_id();
    let place = Place::new(world);
    let server = place.serve_synced();
    for comment in [first, middle, last] {
        let call = json!({"pr": PULL, "comment_id": comment});
        let done = server
            .tool("resolve_review_thread", call.clone())
            .expect(200);
        assert_eq!(done["thread_id"], node.as_str());
        place.github.clear_requests();
        let again = server.tool("resolve_review_thread", call).expect(200);
        assert_eq!(again["already_resolved"], true, "{again}");
        place.assert_repeat(2, 1);
    }
    for (call, code) in [
        (json!({"comment_id": 5}), "not_found"),
        (json!({"thread_id": "PRRT_unknown"}), "not_found"),
        (json!({"thread_id": "R_kgDO1000"}), "not_found"),
        (json!({"thread_id": "x y\"}"}), "invalid_argument"),
        (json!({}), "invalid_argument"),
        (
            json!({"thread_id": node, "comment_id": first}),
            "invalid_argument",
        ),
        (json!({"thread_id": node, "reply": " "}), "invalid_argument"),
        (json!({"thread_id": node, "pr": "acme/api#3"}), "not_found"),
    ] {
        let mut arguments = json!({"pr": PULL});
        for (name, value) in call.as_object().into_iter().flatten() {
            arguments[name] = value.clone();
        }
        let refused = server.tool("resolve_review_thread", arguments);
        assert_eq!(refused.json()["code"], code, "{call}: {}", refused.text());
    }
}

#[test]
fn whoever_may_not_is_told_so() {
    let mut world = reviewed();
    world.issue("acme/api", 2).reviews().threads[0].viewer_can_resolve = false;
    world
        .repository("acme/api")
        .add_pull_request("Another", &[]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let id = place
        .github
        .change(|world| world.issue("acme/api", 2).reviews().threads[0].node_id());
    let before = place.github.requests().len();
    let refused = server.tool(
        "resolve_review_thread",
        json!({"pr": PULL, "thread_id": id}),
    );
    assert_eq!(refused.json()["code"], "forbidden", "{}", refused.text());
    assert_eq!(refused.json()["category"], "user");
    assert_eq!(
        place.github.requests().len() - before,
        2,
        "nothing was written"
    );
    let elsewhere = server.tool(
        "resolve_review_thread",
        json!({"pr": "acme/api#3", "thread_id": id}),
    );
    assert_eq!(
        elsewhere.json()["code"],
        "invalid_argument",
        "{}",
        elsewhere.text()
    );
    // GitHub itself says no, or says nothing.
    let open = thread_id(&server, "src/gone.rs");
    let no = r#"{"data":{"resolveReviewThread":null},"errors":[{"type":"FORBIDDEN","path":["resolveReviewThread"],"message":"no"}]}"#;
    place
        .github
        .inject(Fault::respond(200, no).on("graphql Resolve").times(1));
    let call = json!({"pr": PULL, "thread_id": open});
    let refused = server.tool("resolve_review_thread", call.clone());
    assert_eq!(refused.json()["code"], "forbidden", "{}", refused.text());
    place.github.inject(
        Fault::bad_gateway()
            .after_applying()
            .on("graphql Resolve")
            .times(1),
    );
    let lost = server.tool("resolve_review_thread", call.clone());
    assert_eq!(lost.json()["category"], "api", "{}", lost.text());
    assert_eq!(
        server.tool("resolve_review_thread", call).expect(200)["already_resolved"],
        true
    );
}

#[test]
fn other_repositories_stay_out_of_reach() {
    let place = Place::new(reviewed()).with("ALLOWED_REPOS", "acme/web");
    let server = place.serve();
    for (tool, more) in [
        ("find_unresolved_comments", json!({"pr": PULL})),
        (
            "resolve_review_thread",
            json!({"pr": PULL, "thread_id": "PRRT_x"}),
        ),
    ] {
        let refused = server.tool(tool, more);
        assert_eq!(
            refused.json()["code"],
            "repo_not_allowed",
            "{}",
            refused.text()
        );
    }
}

#[test]
fn mcp_and_the_command_line_tell_the_same() {
    let place = Place::new(reviewed());
    let client = place.mcp().joined().synced();
    let told = client
        .tool("find_unresolved_comments", json!({"pr": PULL}))
        .record();
    assert_eq!(bodies(&told).len(), 7);
    let ran = place.cli(&["find-unresolved-comments", "--pr", PULL, "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["comments"], told["comments"]);
    let shown = place.cli(&[
        "find-unresolved-comments",
        "--pr",
        "https://github.com/acme/api/pull/2",
    ]);
    for words in [
        "src/db.rs:42",
        "lea, ",
        "the author owes the next word",
        "suggested for line 42:",
        "| let q = bind(id);",
        "issuecommand resolve-review-thread --pr acme/api#2 --thread-id THREAD_ID",
        "This can inject SQL.",
        "PRRT_",
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    let number = with(&told, "src/gone.rs")["comment_id"].to_string();
    let resolve = [
        "resolve-review-thread",
        "--pr",
        PULL,
        "--comment-id",
        &number,
        "--json",
    ];
    let ran = place.cli(&resolve);
    assert_eq!(
        (ran.code, &ran.json()["resolved"]),
        (Some(0), &json!(true)),
        "{ran:?}"
    );
    let refused = place.cli(&["resolve-review-thread", "--pr", PULL]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
