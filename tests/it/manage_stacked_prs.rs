//! `manage_stacked_prs` from end to end: what GitHub is asked, and the answer over every transport.
//! Whether the plans are right is proven in `stack_topologies`.

use serde_json::{Value, json};

use crate::github::{Fault, PullEvent, World, oid};
use crate::support::{Cost, Place, Server, issues};

/// `acme/api` with `auth` (#2), squashed into main as `s`, `auth-ui` (#3) moved to main by that, and
/// `docs` (#4) on it. #1 is an issue, #5 builds on nothing.
fn stack() -> World {
    let mut world = issues(1);
    let clock = world.clock.clone();
    let repository = world.repository("acme/api");
    for (branch, word, parents) in [
        ("main", "0", &[][..]),
        ("auth", "a1", &["0"]),
        ("auth-ui", "b1", &["a1"]),
        ("auth-ui", "b2", &["b1"]),
        ("docs", "c1", &["b2"]),
        ("auth", "a2", &["0"]),
        ("alone", "d1", &["0"]),
        ("main", "5", &["0"]),
        ("release", "6", &["0"]),
    ] {
        repository
            .history
            .commit(branch, word, parents, clock.tick());
    }
    for (branch, base, head) in [
        ("auth", "main", "a2"),
        ("auth-ui", "main", "b2"),
        ("docs", "auth-ui", "c1"),
        ("alone", "main", "d1"),
    ] {
        let pull = repository.add_pull_request(branch, &[]).head(branch);
        let details = pull.pull_request.as_mut().expect("it is one");
        (details.base_ref, details.head_sha) = (base.to_owned(), oid(head));
    }
    repository.history.branches.remove("auth");
    let mut add = |number: u64, event| {
        let pull = repository.issue(number).pull_request.as_mut();
        pull.expect("it is one").branches.events.push(event);
    };
    add(2, PullEvent::HeadForcePushed(oid("a1"), oid("a2")));
    add(
        3,
        PullEvent::AutomaticBaseChange("auth".to_owned(), "main".to_owned()),
    );
    let merged = repository
        .issue(2)
        .pull_request
        .as_mut()
        .expect("it is one");
    merged.branches.merged_as = Some((oid("0"), oid("5")));
    world.merge_pull_request("acme/api", 2);
    world
}

fn ask(server: &Server, pr: &str) -> Value {
    server
        .tool("manage_stacked_prs", json!({"pr": pr}))
        .expect(200)
}

fn commands(answer: &Value) -> Vec<&str> {
    let list = answer["commands"].as_array().expect("there are commands");
    let texts = list.iter().map(|command| command["command"].as_str());
    texts.map(|text| text.expect("it is text")).collect()
}

#[test]
fn the_whole_stack_is_found_and_its_plan_written() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, "acme/api#3");
    assert_eq!(
        place.cost(),
        Cost::is(10, 6, 11),
        "{:?}",
        place.github.requests()
    );
    assert_eq!(answer["pr"], "acme/api#3");
    assert!(oid("b2").starts_with(answer["head_sha"].as_str().expect("it is text")));
    assert_eq!(
        answer["stack"]["visualization"],
        "main <- #2 (squash_or_rebase) <- #3* <- #4"
    );
    let statuses = answer["stack"]["layers"]
        .as_array()
        .expect("there are layers")
        .iter();
    let statuses: Vec<&str> = statuses
        .filter_map(|layer| layer["status"].as_str())
        .collect();
    assert_eq!(statuses, ["merged", "needs_onto", "restack_with_parent"]);
    let ci = |place: usize| &answer["stack"]["layers"][place]["ci"];
    assert_eq!(
        [ci(0), ci(1), ci(2)],
        [&json!(null), &json!("no_checks"), &json!("no_checks")]
    );
    let strategy = &answer["rebase_strategy"];
    assert_eq!(strategy["old_base_source"], "force_push");
    assert_eq!(strategy["own_subjects"], json!(["commit b1", "commit b2"]));
    let rebase = format!("rebase --onto origin/main {} auth-ui", &oid("a1")[..12]);
    let above = format!("rebase --onto auth-ui {} docs", &oid("b2")[..12]);
    let commands = commands(&answer).join("\n");
    assert!(
        commands.contains(&rebase) && commands.contains(&above),
        "{commands}"
    );
    assert!(answer.get("warnings").is_none(), "{answer}");
    // The second call looks whether the pull request is still the same, and at nothing else.
    place.github.clear_requests();
    let second = ask(&server, "https://github.com/acme/api/pull/3/files");
    assert_eq!(second["commands"], answer["commands"]);
    place.assert_repeat(1, 0);
    // From the layers below and above the plan is the same.
    for other in ["acme/api#2", "acme/api/pull/4"] {
        assert_eq!(
            ask(&server, other)["commands"],
            answer["commands"],
            "{other}"
        );
    }
}

#[test]
fn a_stack_that_github_keeps_has_its_order() {
    let mut world = stack();
    let repository = world.repository("acme/api");
    // GitHub has moved #3 to main without a word about its base.
    let moved = repository.issue(3).pull_request.as_mut();
    moved.expect("it is one").branches.events.clear();
    let merges = &mut repository.merges;
    merges.stack(50, "main", &[2, 3, 4]);
    merges.check_run(&oid("b2"), "test", "failure");
    merges.check_run(&oid("c1"), "test", "in_progress");
    let place = Place::new(world);
    let server = place.serve_synced();
    let layers = |answer: &Value| {
        let layers = answer["stack"]["layers"].as_array().expect("a list");
        let told = layers
            .iter()
            .map(|layer| (layer["pr"].clone(), layer["ci"].clone()));
        told.collect::<Vec<_>>()
    };
    let three = [
        (json!(2), json!(null)),
        (json!(3), json!("failed")),
        (json!(4), json!("running")),
    ];
    for pr in ["acme/api#2", "acme/api#3", "acme/api#4"] {
        let answer = ask(&server, pr);
        assert_eq!(layers(&answer), three, "{answer}");
        let stack = &answer["stack"];
        assert_eq!(
            (&stack["source"], &stack["number"], &stack["target"]),
            (&json!("native"), &json!(50), &json!("main"))
        );
        assert!(answer.get("warnings").is_none(), "{answer}");
        assert!(answer["hazards"].to_string().contains("merge-async"));
        let plan = commands(&answer).join("\n");
        let rebase = format!("rebase --onto origin/main {} auth-ui", &oid("a1")[..12]);
        assert!(plan.contains(&rebase) && !plan.contains("--base"), "{plan}");
    }
    // Where stacks are not told by themselves their order is derived, which is said.
    place.github.change(|world| {
        world.repository("acme/api").merges.stacks_enabled = false;
        world.issue("acme/api", 3).touch();
    });
    let answer = ask(&server, "acme/api#3");
    assert_eq!(layers(&answer), three[1..], "{answer}");
    assert_eq!(answer["stack"]["source"], "native");
    assert_eq!(answer["warnings"][0]["source"], "native_stack", "{answer}");
}

/// That stack with so many further layers on `docs`, each with one commit.
fn tall_stack(layers: usize) -> World {
    let mut world = stack();
    let clock = world.clock.clone();
    let repository = world.repository("acme/api");
    let (mut base, mut below) = ("docs".to_owned(), "c1".to_owned());
    for layer in 0..layers {
        let (branch, word) = (format!("layer-{layer}"), format!("e{layer}"));
        let at = clock.tick();
        repository
            .history
            .commit(&branch, &word, &[below.as_str()], at);
        let pull = repository.add_pull_request(&branch, &[]).head(&branch);
        let details = pull.pull_request.as_mut().expect("it is one");
        (details.base_ref, details.head_sha) = (base, oid(&word));
        (base, below) = (branch, word);
    }
    world
}

#[test]
fn a_plan_that_is_too_long_for_an_answer_has_pages() {
    let place = Place::new(tall_stack(12));
    let server = place.serve_synced();
    let list = |page: &Value, pointer: &str| -> Vec<Value> {
        let list = page.pointer(pointer).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let first = ask(&server, "acme/api#3");
    assert!(first["more_commands"].is_u64(), "{first}");
    let then = first["summary"]["then"]
        .as_str()
        .expect("there is a next step");
    assert!(then.contains("next_cursor"), "{then}");
    let (mut pages, mut arguments) = (vec![first], json!({"pr": "acme/api#3"}));
    while let Some(cursor) = pages.last().expect("one")["next_cursor"].as_str() {
        arguments["cursor"] = json!(cursor);
        let page = server
            .tool("manage_stacked_prs", arguments.clone())
            .expect(200);
        assert!(page.get("summary").is_none(), "{page}");
        pages.push(page);
    }
    for page in &pages {
        assert!(page.to_string().len() <= 8_192, "{page}");
        assert!(page["untrusted"].to_string().contains("commands[].command"));
    }
    // Each layer that moves is pushed once, in the order of the steps.
    let all: Vec<Value> = pages.iter().flat_map(|it| list(it, "/commands")).collect();
    let steps: Vec<u64> = all.iter().filter_map(|it| it["step"].as_u64()).collect();
    assert_eq!(steps, (1..=all.len() as u64).collect::<Vec<u64>>());
    let pushed = all.iter().filter_map(|it| it["command"].as_str());
    let pushed = pushed.filter(|command| command.starts_with("git push"));
    assert_eq!(pushed.count(), 14);
    let layers: Vec<Value> = pages
        .iter()
        .flat_map(|it| list(it, "/stack/layers"))
        .collect();
    assert_eq!(layers.len(), 15);
    // By the command line, and by MCP.
    let cursor = pages[0]["next_cursor"].as_str().expect("it goes on");
    let flags = [
        "manage-stacked-prs",
        "--pr",
        "acme/api#3",
        "--cursor",
        cursor,
    ];
    let by_hand = place.cli(&[&flags[..], &["--json"]].concat()).json();
    assert_eq!(by_hand["commands"], pages[1]["commands"]);
    let text = place.cli(&flags).stdout;
    assert!(text.starts_with("what the page before"), "{text}");
    assert!(!text.contains("null"), "{text}");
    let by_mcp = json!({"pr": "acme/api#3", "cursor": cursor});
    let by_mcp = place.mcp().joined().tool("manage_stacked_prs", by_mcp);
    assert_eq!(by_mcp.record()["commands"], pages[1]["commands"]);
    // A cursor is good for its question and its head.
    let refused = |arguments: Value, status: u16| {
        let error = server.tool("manage_stacked_prs", arguments).expect(status);
        error["code"].as_str().expect("it is text").to_owned()
    };
    let other = json!({"pr": "acme/api#3", "cursor": cursor, "remote": "upstream"});
    assert_eq!(refused(other, 400), "invalid_argument");
    place.github.change(|world| {
        let issue = world.issue("acme/api", 3);
        issue.pull_request.as_mut().expect("it is one").head_sha = oid("b1");
        issue.touch();
    });
    let old = json!({"pr": "acme/api#3", "cursor": cursor});
    assert_eq!(refused(old, 409), "head_moved");
}

/// That stack beside so many pull requests from forks whose branch has this name.
fn beside_forks(branch: &str, forks: usize) -> World {
    let mut world = stack();
    let repository = world.repository("acme/api");
    for _ in 0..forks {
        let pull = repository.add_pull_request("from a fork", &[]).head(branch);
        let details = pull.pull_request.as_mut().expect("it is one");
        (details.head_sha, details.branches.from_fork) = (oid("d1"), true);
    }
    world
}

#[test]
fn only_pull_requests_that_could_be_a_layer_are_missed() {
    // Nothing is below the default branch, though many a fork's branch has its name.
    let place = Place::new(beside_forks("main", 12));
    let answer = ask(&place.serve_synced(), "acme/api#2");
    assert!(answer.get("warnings").is_none(), "{answer}");
    let place = Place::new(beside_forks("auth", 12));
    let answer = ask(&place.serve_synced(), "acme/api#3");
    let reason = "the newest 10 of 13 pull requests from 'auth' were read";
    assert_eq!(answer["warnings"][0]["reason"], reason, "{answer}");
}

#[test]
fn a_plan_that_fits_is_whole_with_all_subjects() {
    let mut world = stack();
    let clock = world.clock.clone();
    let repository = world.repository("acme/api");
    let words: Vec<String> = (0..15).map(|number| format!("f{number}")).collect();
    let mut below = "c1";
    for word in &words {
        let at = clock.tick();
        repository.history.commit("docs", word, &[below], at);
        below = word;
    }
    let docs = repository.issue(4).pull_request.as_mut();
    docs.expect("it is one").head_sha = oid(below);
    let place = Place::new(world);
    let answer = ask(&place.serve_synced(), "acme/api#4");
    assert!(answer.get("next_cursor").is_none(), "{answer}");
    let subjects = answer["rebase_strategy"]["own_subjects"].as_array();
    assert_eq!(subjects.map(Vec::len), Some(16), "{answer}");
    let text = place.cli(&["manage-stacked-prs", "--pr", "acme/api#4"]);
    let subjects = "\nown commits of #4:\n  commit c1\n  commit f0\n";
    assert!(text.stdout.contains(subjects), "{text:?}");
    assert!(!text.stdout.contains("--cursor"), "{text:?}");
}

#[test]
fn every_transport_gives_the_same() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    let without_time = |mut answer: Value| {
        answer["fetched_at"].take();
        answer
    };
    let answer = without_time(ask(&server, "acme/api#3"));
    let client = place.mcp().joined();
    let told = client.tool("manage_stacked_prs", json!({"pr": "acme/api#3"}));
    assert_eq!(without_time(told.record()), answer);
    let ran = place.cli(&["manage-stacked-prs", "--pr", "acme/api#3", "--json"]);
    assert_eq!(without_time(ran.json()), answer);
    let text = place.cli(&[
        "manage-stacked-prs",
        "--pr",
        "acme/api#3",
        "--remote",
        "upstream",
    ]);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.starts_with("main <- #2"), "{text:?}");
    assert!(text.stdout.contains("\ngit fetch upstream "), "{text:?}");
}

#[test]
fn what_cannot_be_restacked_is_refused() {
    let place = Place::new(stack()).with("ALLOWED_REPOS", "acme/*");
    let server = place.serve_synced();
    let refused = |arguments: Value, status: u16| {
        let error = server.tool("manage_stacked_prs", arguments).expect(status);
        error["code"].as_str().expect("it is text").to_owned()
    };
    assert_eq!(refused(json!({"pr": "acme/api#5"}), 409), "not_stacked");
    assert_eq!(
        refused(json!({"pr": "acme/api#1"}), 400),
        "not_a_pull_request"
    );
    assert_eq!(refused(json!({"pr": "acme/api#99"}), 404), "not_found");
    assert_eq!(
        refused(json!({"pr": "other/api#3"}), 403),
        "repo_not_allowed"
    );
    assert_eq!(refused(json!({"pr": "three"}), 400), "invalid_argument");
    assert_eq!(
        refused(json!({"pr": "acme/api#3", "remote": "-x"}), 400),
        "invalid_argument"
    );
    place
        .github
        .change(|world| world.close_pull_request("acme/api", 5));
    assert_eq!(refused(json!({"pr": "acme/api#5"}), 409), "pr_not_open");
}

#[test]
fn what_github_refuses_is_no_outage() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    for (kind, repository, code) in [
        ("FORBIDDEN", json!(null), "forbidden"),
        ("NOT_FOUND", json!(null), "not_found"),
        (
            "FORBIDDEN",
            json!({"defaultBranchRef": {"name": "main"}, "pullRequest": null}),
            "forbidden",
        ),
    ] {
        let answer = json!({
            "data": {"repository": repository},
            "errors": [{"type": kind, "path": ["repository"], "message": "no"}],
        });
        place
            .github
            .inject(Fault::respond(200, &answer.to_string()).on("StackRound"));
        let refused = server
            .tool("manage_stacked_prs", json!({"pr": "acme/api#3"}))
            .json();
        assert_eq!(
            (&refused["code"], &refused["category"]),
            (&json!(code), &json!("user")),
            "{refused}"
        );
        assert!(refused.get("retry_after").is_none(), "{refused}");
        place.github.clear_faults();
        place
            .github
            .change(|world| world.issue("acme/api", 3).touch().number);
    }
}

#[test]
fn what_follows_the_plan_is_verified_as_often_as_is_asked() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    let asked = |more: Value| {
        let mut arguments = json!({"pr": "acme/api#3"});
        for (name, value) in more.as_object().into_iter().flatten() {
            arguments[name] = value.clone();
        }
        server.tool("manage_stacked_prs", arguments)
    };
    let whole = asked(json!({})).expect(200);
    assert_eq!(whole["fix_loop"]["max_iterations"], 3, "{whole}");
    let steps = whole["fix_loop"]["steps"].to_string();
    for tool in ["get_failing_tests", "git push", "manage_stacked_prs"] {
        assert!(steps.contains(tool), "{tool}: {steps}");
    }
    let twice = asked(json!({"auto_fix": true, "max_iterations": 2})).expect(200);
    assert_eq!(twice["fix_loop"]["max_iterations"], 2);
    let plain = asked(json!({"auto_fix": false})).expect(200);
    assert!(plain.get("fix_loop").is_none(), "{plain}");
    assert_eq!(plain["commands"], whole["commands"]);
    let refused = asked(json!({"max_iterations": 0}));
    assert_eq!(refused.json()["code"], "invalid_argument");
    let flags = [
        "manage-stacked-prs",
        "--pr",
        "acme/api#3",
        "--max-iterations",
        "4",
    ];
    let shown = place.cli(&flags).stdout;
    assert!(
        shown.contains("# at most 4 times:\n#   verify: "),
        "{shown}"
    );
}

#[test]
fn what_github_does_not_tell_is_said() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    place
        .github
        .inject(Fault::respond(404, r#"{"message":"Not Found"}"#).on("/compare/"));
    let answer = ask(&server, "acme/api#3");
    assert_eq!(answer["commands"], json!([]), "{answer}");
    assert_eq!(answer["warnings"][0]["source"], "compare", "{answer}");
    assert_eq!(answer["summary"]["action_required"], true);
    place.github.clear_faults();
    // Commits are not needed to find where the own ones begin.
    place
        .github
        .change(|world| world.issue("acme/api", 3).touch().number);
    let broken = r#"{"errors":[{"message":"Something went wrong"}]}"#;
    place
        .github
        .inject(Fault::respond(200, broken).on("StackCommits"));
    let answer = ask(&server, "acme/api#3");
    assert_eq!(answer["warnings"][0]["source"], "commits", "{answer}");
    assert!(!commands(&answer).is_empty());
}

#[test]
fn a_layer_is_named_by_two_pull_requests_as_well() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    let pair = |base: &str, dependent: &str| json!({"base_pr": base, "dependent_pr": dependent});
    let tool = |arguments: Value| server.tool("manage_stacked_prs", arguments);
    let expected = ask(&server, "acme/api#3");
    let answer = tool(pair("acme/api#2", "acme/api/pull/3")).expect(200);
    assert_eq!(answer["commands"], expected["commands"]);
    assert_eq!(answer["pr"], "acme/api#3");
    // Not only the next layer.
    assert_eq!(
        tool(pair("acme/api#2", "acme/api#4")).expect(200)["pr"],
        "acme/api#4"
    );
    for (base, dependent, told) in [
        ("acme/api#3", "acme/api#2", "other way round"),
        (
            "acme/api#5",
            "acme/api#3",
            "builds on #2, not on acme/api#5",
        ),
        ("acme/api#2", "acme/api#5", "goes into 'main'"),
    ] {
        let error = tool(pair(base, dependent)).expect(409);
        assert_eq!(error["code"], "not_stacked", "{error}");
        assert!(
            error["error"].as_str().is_some_and(|it| it.contains(told)),
            "{error}"
        );
    }
    for wrong in [
        json!({}),
        json!({"base_pr": "acme/api#2"}),
        json!({"dependent_pr": "acme/api#3"}),
        json!({"pr": "acme/api#3", "base_pr": "acme/api#2"}),
        pair("acme/web#2", "acme/api#3"),
        pair("acme/api#3", "acme/api#3"),
    ] {
        let error = tool(wrong.clone()).expect(400);
        assert_eq!(error["code"], "invalid_argument", "{wrong}: {error}");
    }
    let by_mcp = place
        .mcp()
        .joined()
        .tool("manage_stacked_prs", pair("acme/api#2", "acme/api#3"));
    assert_eq!(by_mcp.record()["commands"], expected["commands"]);
    let flags = "manage-stacked-prs --base-pr acme/api#2 --dependent-pr acme/api#3 --json";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    assert_eq!(place.cli(&flags).json()["commands"], expected["commands"]);
}

#[test]
fn the_target_and_the_kind_of_rebase_may_be_chosen() {
    let place = Place::new(stack());
    let server = place.serve_synced();
    let onto = |pr: &str, target: &str| {
        let arguments = json!({"pr": pr, "onto_base": target});
        server.tool("manage_stacked_prs", arguments)
    };
    place.github.clear_requests();
    let answer = onto("acme/api#3", "release").expect(200);
    let asked = place.github.requests().len();
    assert!(asked <= 11, "{asked} gh processes");
    let plan = commands(&answer).join("\n");
    let rebase = format!("rebase --onto origin/release {} auth-ui", &oid("a1")[..12]);
    assert!(plan.contains(&rebase), "{plan}");
    assert!(
        plan.contains("gh pr edit 3 -R acme/api --base release"),
        "{plan}"
    );
    assert!(
        plan.contains("rebase --onto auth-ui"),
        "those above follow: {plan}"
    );
    // What builds on nothing can be moved as well.
    let single = onto("acme/api#5", "release").expect(200);
    assert_eq!(single["is_stacked"], false);
    assert!(
        commands(&single).join("\n").contains("--base release"),
        "{single}"
    );
    for (pr, target, status, code) in [
        ("acme/api#3", "gone", 400, "target_not_found"),
        ("acme/api#3", "a..b", 400, "invalid_argument"),
        ("acme/api#3", "auth-ui", 400, "invalid_argument"),
        ("acme/api#3", "docs", 400, "invalid_argument"),
        ("acme/api#2", "release", 409, "pr_not_open"),
    ] {
        let error = onto(pr, target).expect(status);
        assert_eq!(error["code"], code, "{pr} {target}: {error}");
    }
    let flags = "manage-stacked-prs --pr acme/api#3 --use-onto=false";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let text = place.cli(&flags).stdout;
    assert!(text.contains("rebase origin/main auth-ui"), "{text}");
    assert!(!text.contains("rebase --onto"), "{text}");
    assert!(text.contains("! #3: without --onto"), "{text}");
}
