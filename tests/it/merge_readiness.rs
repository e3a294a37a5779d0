//! Whether a pull request can be merged, with the real gh against the stand-in.

use std::thread;

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Cost, Place, Server, field, issues};

const TOOL: &str = "check_merge_readiness";

/// A world with the pull request `acme/api#2`, which closes issue 1, and its head commit.
fn world() -> (World, String) {
    let mut world = issues(1);
    let pull = world
        .repository("acme/api")
        .add_pull_request("Fix it", &[1]);
    assert_eq!(pull.number, 2);
    let head = pull
        .pull_request
        .as_ref()
        .expect("it is one")
        .head_sha
        .clone();
    let merges = &mut world.repository("acme/api").merges;
    merges.check_run(&head, "test", "success");
    (world, head)
}

fn asked(server: &Server) -> Value {
    server.tool(TOOL, json!({"pr": "acme/api#2"})).expect(200)
}

fn categories(answer: &Value) -> Vec<&str> {
    let blockers = answer["blocking_issues"]
        .as_array()
        .expect("there is a list");
    blockers
        .iter()
        .map(|blocker| field(blocker, "category"))
        .collect()
}

#[test]
fn one_look_costs_seven_processes_and_the_next_one_more() {
    let (world, head) = world();
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = asked(&server);
    assert_eq!(answer["verdict"], "ready", "{answer}");
    assert_eq!(answer["ready_to_merge"], true);
    assert_eq!(answer["closes"], json!(["acme/api#1"]));
    assert_eq!(answer["head_sha"], head[..7]);
    let command = format!("gh pr merge 2 -R acme/api --merge --match-head-commit {head}");
    assert_eq!(answer["merge"]["command"], command);
    assert!(answer["warnings"].is_null(), "{answer}");
    assert_eq!(place.cost(), Cost::is(7, 6, 1));
    place.github.clear_requests();
    let again = server.tool(
        TOOL,
        json!({"pr": "https://github.com/acme/api/pull/2/files", "method": "squash"}),
    );
    let again = again.expect(200);
    assert!(
        field(&again["merge"], "command").contains(" --squash "),
        "{again}"
    );
    // The memory serves the rest.
    place.assert_repeat(1, 0);
}

#[test]
fn everything_in_the_way_is_told_alike_by_every_transport() {
    let (mut world, head) = world();
    world.issue("acme/api", 2).draft(true);
    let merges = &mut world.repository("acme/api").merges;
    merges
        .check_run(&head, "e2e", "failure")
        .status(&head, "deploy/preview", "pending")
        .protect("main", &["deploy/preview", "lint"])
        .workflow_run(&head, 77, "action_required")
        .rule("main", "required_signatures", json!({}))
        .rule(
            "main",
            "required_status_checks",
            json!({"strict_required_status_checks_policy": true, "required_status_checks":
                [{"context": "e2e", "integration_id": 15368}, {"context": "test", "integration_id": 4}]}),
        )
        .rule(
            "main",
            "pull_request",
            json!({"required_approving_review_count": 1, "required_review_thread_resolution": true,
                "require_code_owner_review": true, "allowed_merge_methods": ["squash"]}),
        );
    let base = json!({"compare": {"behindBy": 3}, "associatedPullRequests": [],
        "refUpdateRule": null, "branchProtectionRule": null});
    merges
        .say_of(2, "mergeStateStatus", json!("BLOCKED"))
        .say_of(2, "reviewDecision", json!("REVIEW_REQUIRED"))
        .say_of(2, "baseRef", base)
        .say_of(2, "reviewThreads", json!([{"isResolved": false}]))
        .say_of(
            2,
            "reviewRequests",
            json!([{"asCodeOwner": true,
            "requestedReviewer": {"__typename": "Team", "slug": "core"}}]),
        );
    let place = Place::new(world);
    let server = place.serve_synced();
    let answer = asked(&server);
    let expected = [
        "draft",
        "behind",
        "check_failing",
        "check_pending",
        "check_missing",
        "check_missing",
        "workflow_approval",
        "review_required",
        "code_owner",
        "threads",
        "signatures",
    ];
    assert_eq!(categories(&answer), expected, "{answer}");
    assert_eq!(answer["ready_to_merge"], false);
    assert_eq!(answer["merge"]["allowed_methods"], json!(["squash"]));
    let protection = &answer["branch_protection"];
    assert_eq!(
        protection["sources"],
        json!(["ruleset:42", "classic:checks_only"])
    );
    assert_eq!(protection["failing_checks"], json!(["e2e"]));
    assert_eq!(protection["missing_checks"], json!(["test", "lint"]));
    assert_eq!(answer["checks"]["ci_passing"], false);
    for blocker in answer["blocking_issues"].as_array().expect("a list") {
        assert!(!field(blocker, "who").is_empty() && !field(blocker, "action_required").is_empty());
    }
    let mcp = place.mcp();
    let by_mcp = mcp.tool(TOOL, json!({"pr": "acme/api#2"})).record();
    let ran = place.cli(&["check-merge-readiness", "--pr", "acme/api#2", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for other in [by_mcp, ran.json()] {
        assert_eq!(categories(&other), expected);
        assert_eq!(other["branch_protection"], *protection);
    }
    let text = place
        .cli(&["check-merge-readiness", "--pr", "acme/api#2"])
        .stdout;
    for part in [
        "acme/api#2 at ",
        ": blocked (GitHub says BLOCKED)\ncloses acme/api#1\n\nin the way:\n",
        "draft: it is a draft\n  author: mark it as ready\n  $ gh pr ready 2 -R acme/api\n",
        "CI passes                       no\n",
        "required checks not reported: test, lint\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
}

#[test]
fn what_github_still_computes_is_asked_for_again() {
    let (mut world, _) = world();
    let unknown = |world: &mut World, word: &str, state: &str| {
        let merges = &mut world.repository("acme/api").merges;
        merges
            .say_of(2, "mergeable", json!(word))
            .say_of(2, "mergeStateStatus", json!(state));
    };
    unknown(&mut world, "UNKNOWN", "UNKNOWN");
    let place = Place::new(world);
    let server = place.serve_synced();
    let at_once = server.tool(TOOL, json!({"pr": "acme/api#2", "wait_seconds": 0}));
    let at_once = at_once.expect(200);
    assert_eq!(at_once["verdict"], "computing");
    assert!(
        at_once["checks"]["no_conflicts"].is_null(),
        "unknown is not passed"
    );
    place.github.clear_requests();
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| asked(&server));
        place.until_asked(|requests| {
            requests
                .iter()
                .any(|request| request.operation.as_deref() == Some("PrReadiness"))
        });
        place
            .github
            .change(|world| unknown(world, "MERGEABLE", "CLEAN"));
        waiting.join().expect("it answers")
    });
    assert_eq!(answer["verdict"], "ready", "{answer}");
}

#[test]
fn sources_that_fail_are_named_and_never_taken_for_passed() {
    let (mut world, head) = world();
    let merges = &mut world.repository("acme/api").merges;
    merges.protect("main", &["test"]);
    merges.workflow_run(&head, 9, "success");
    let place = Place::new(world);
    let server = place.serve_synced();
    let forbidden = r#"{"message":"Resource not accessible by personal access token"}"#;
    for part in ["/check-runs", "/rules/branches", "/branches/main"] {
        place.github.inject(Fault::respond(403, forbidden).on(part));
    }
    let answer = asked(&server);
    let sources: Vec<&str> = answer["warnings"]
        .as_array()
        .expect("there are warnings")
        .iter()
        .map(|warning| field(warning, "source"))
        .collect();
    assert!(
        sources.contains(&"check_runs") && sources.contains(&"rulesets"),
        "{answer}"
    );
    assert!(answer["checks"]["ci_passing"].is_null(), "{answer}");
    assert!(answer["checks"]["approvals_met"].is_null(), "{answer}");
    let unknown = json!(["rulesets:unknown", "classic:unknown"]);
    assert_eq!(answer["branch_protection"]["sources"], unknown);
    place.github.clear_faults();
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    // Jobs of workflow runs may be seen by who may not see check runs.
    let fault = Fault::respond(403, forbidden).on("/check-runs");
    place.github.inject(fault);
    let answer = asked(&server);
    assert_eq!(
        answer["branch_protection"]["passing_checks"],
        json!(["test"]),
        "{answer}"
    );
    assert!(
        answer["checks"]["ci_passing"].is_null(),
        "other apps' checks are unknown"
    );
    assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(1));
    place.github.clear_faults();
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    place.github.inject(Fault::graphql_refused());
    let answer = asked(&server);
    assert_eq!(answer["warnings"][0]["source"], "graphql", "{answer}");
    assert_eq!(answer["merge_state_status"], "CLEAN");
    assert_eq!(answer["checks"]["ci_passing"], true);
    for unknown in ["approvals_met", "up_to_date", "conversations_resolved"] {
        assert!(answer["checks"][unknown].is_null(), "{unknown}: {answer}");
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_words() {
    let (world, _) = world();
    let place = Place::new(world);
    let server = place.serve_synced();
    for (arguments, status, code) in [
        (json!({"pr": "acme/api"}), 400, "invalid_argument"),
        (
            json!({"pr": "acme/api#2", "method": "octopus"}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#2", "wait_seconds": 46}),
            400,
            "invalid_argument",
        ),
        (json!({}), 400, "invalid_argument"),
        (json!({"pr": "acme/api#1"}), 400, "not_a_pull_request"),
        (json!({"pr": "acme/api#99"}), 404, "not_found"),
    ] {
        let answer = server.tool(TOOL, arguments.clone());
        assert_eq!(answer.status, status, "{arguments}: {}", answer.text());
        assert_eq!(answer.json()["code"], code, "{arguments}");
        assert!(!field(&answer.json(), "suggestion").is_empty());
    }
}

#[test]
fn administrators_are_told_how_and_what_it_passes_over() {
    let (mut world, head) = world();
    let merges = &mut world.repository("acme/api").merges;
    merges
        .protect("main", &["e2e"])
        .say_of(2, "mergeStateStatus", json!("BLOCKED"))
        .say_of(2, "viewerCanMergeAsAdmin", json!(true));
    let place = Place::new(world);
    let server = place.serve_synced();
    let plain = asked(&server);
    assert!(plain["merge"].get("admin").is_none(), "{plain}");
    place.github.clear_requests();
    let arguments = json!({"pr": "acme/api#2", "admin": true});
    let answer = server.tool(TOOL, arguments.clone()).expect(200);
    assert_eq!(place.github.requests().len(), 1, "it was known before");
    let admin = &answer["merge"]["admin"];
    assert_eq!(admin["may_bypass"], true, "{answer}");
    let command = format!("gh pr merge 2 -R acme/api --admin --merge --match-head-commit {head}");
    assert_eq!(admin["command"], command);
    assert_eq!(answer["ready_to_merge"], false);
    assert_eq!(categories(&answer), ["check_missing"]);
    let by_mcp = place.mcp().tool(TOOL, arguments).record();
    assert_eq!(by_mcp["merge"], answer["merge"]);
    let flags = ["check-merge-readiness", "--pr", "acme/api#2", "--admin"];
    let text = place.cli(&flags).stdout;
    let line = format!("as administrator, in spite of the rules:\n  $ {command}\n");
    assert!(text.contains(&line), "{text}");
    let wrong = json!({"pr": "acme/api#2", "admin": "yes"});
    assert_eq!(
        server.tool(TOOL, wrong).expect(400)["code"],
        "invalid_argument"
    );
}

#[test]
fn a_cursor_brings_every_check_that_had_no_room() {
    const CHECKS: usize = 200;
    let (mut world, head) = world();
    let name = |number: usize| format!("{} / build ({number})", "matrix".repeat(5));
    let demanded: Vec<String> = (0..CHECKS).map(name).collect();
    let merges = &mut world.repository("acme/api").merges;
    for (number, name) in demanded.iter().enumerate() {
        let conclusion = ["failure", "success"][number % 2];
        merges.check_run(&head, name, conclusion);
    }
    let contexts: Vec<&str> = demanded.iter().map(String::as_str).collect();
    merges
        .protect("main", &contexts)
        .say_of(2, "mergeStateStatus", json!("BLOCKED"));
    let place = Place::new(world);
    let server = place.serve_synced();
    let first = asked(&server);
    assert_eq!(first["branch_protection"]["truncated"], true, "{first}");
    let next = field(&first, "next_cursor").to_owned();
    place.github.clear_requests();
    let mut told: Vec<(String, String)> = Vec::new();
    let mut pages = vec![first];
    loop {
        let last = &pages[pages.len() - 1];
        for list in ["required_checks", "passing_checks", "failing_checks"] {
            let names = last["branch_protection"][list].as_array();
            let names = names.into_iter().flatten();
            told.extend(names.map(|name| (list.to_owned(), name.to_string())));
        }
        for blocker in last["blocking_issues"].as_array().into_iter().flatten() {
            assert_eq!(blocker["category"], "check_failing", "{last}");
            let names = blocker["names"].as_array().into_iter().flatten();
            told.extend(names.map(|name| ("blocker".to_owned(), name.to_string())));
        }
        let Some(cursor) = last["next_cursor"].as_str() else {
            break;
        };
        let page = server.tool(TOOL, json!({"pr": "acme/api#2", "cursor": cursor}));
        assert!(page.body.len() <= 8_192, "{} bytes", page.body.len());
        let page = page.expect(200);
        assert!(page["verdict"].is_null(), "said once: {page}");
        pages.push(page);
    }
    // A page costs what the same question costs.
    assert!(pages.len() > 2, "{} pages", pages.len());
    place.assert_repeat(pages.len() - 1, 0);
    let mut expected: Vec<(String, String)> = Vec::new();
    for (number, name) in demanded.iter().enumerate() {
        let lists: &[&str] = match number % 2 {
            0 => &["required_checks", "failing_checks", "blocker"],
            _ => &["required_checks", "passing_checks"],
        };
        let quoted = json!(name).to_string();
        expected.extend(
            lists
                .iter()
                .map(|list| ((*list).to_owned(), quoted.clone())),
        );
    }
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected, "each once");
    let arguments = json!({"pr": "acme/api#2", "cursor": next});
    let by_mcp = place.mcp().tool(TOOL, arguments.clone()).record();
    assert_eq!(by_mcp["branch_protection"], pages[1]["branch_protection"]);
    let flags = [
        "check-merge-readiness",
        "--pr",
        "acme/api#2",
        "--cursor",
        &next,
    ];
    let text = place.cli(&flags).stdout;
    assert!(
        text.contains("what the page before had no room for\n"),
        "{text}"
    );
    assert!(text.contains("\nmore with --cursor "), "{text}");
    let other = json!({"pr": "acme/api#2", "cursor": next, "method": "squash"});
    assert_eq!(
        server.tool(TOOL, other).expect(400)["code"],
        "invalid_argument"
    );
    // Rules change without a push: the lists are not those any more.
    place.github.change(|world| {
        let merges = &mut world.repository("acme/api").merges;
        let more: Vec<&str> = contexts.iter().copied().chain(["one more"]).collect();
        merges.protect("main", &more);
        world.issue("acme/api", 2).touch();
    });
    let changed = server.tool(TOOL, arguments.clone()).expect(409);
    assert_eq!(changed["code"], "head_moved", "{changed}");
    place.github.change(|world| {
        world
            .issue("acme/api", 2)
            .push("b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0", &[]);
    });
    assert_eq!(
        server.tool(TOOL, arguments).expect(409)["code"],
        "head_moved"
    );
}

#[test]
fn a_stack_that_github_keeps_is_judged_by_its_base_and_what_is_below() {
    let (mut world, head) = world();
    let repository = world.repository("acme/api");
    let below = repository.add_pull_request("Below", &[]).head("feature");
    let below = below.pull_request.as_ref().expect("it is one");
    let head_below = below.head_sha.clone();
    let pull = repository.issue(2).pull_request.as_mut();
    pull.expect("it is one").base_ref = "feature".to_owned();
    let merges = &mut repository.merges;
    merges.stack(50, "main", &[3, 2]);
    merges.protect("main", &["e2e"]);
    merges.check_run(&head_below, "test", "failure");
    merges.say_of(3, "mergeStateStatus", json!("BLOCKED"));
    merges.say_of(2, "mergeStateStatus", json!("BLOCKED"));
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = asked(&server);
    // Two more than for any other: the stack, and the layers below.
    assert_eq!(place.cost(), Cost::is(9, 7, 2));
    let expected = ["check_missing", "stack_below_not_ready"];
    assert_eq!(categories(&answer), expected, "{answer}");
    let blockers = answer["blocking_issues"].as_array().expect("a list");
    assert_eq!(blockers[0]["names"], json!(["e2e"]), "rules of main");
    assert_eq!(blockers[1]["names"], json!(["#3: checks failed"]));
    assert_eq!(answer["rules_of"], "main");
    assert!(answer["warnings"].is_null(), "{answer}");
    let ready = |world: &mut World| {
        let merges = &mut world.repository("acme/api").merges;
        merges.say_of(3, "mergeStateStatus", json!("CLEAN"));
        merges.say_of(2, "mergeStateStatus", json!("CLEAN"));
        merges.check_run(&head, "e2e", "success");
        world.issue("acme/api", 2).touch();
    };
    place.github.change(ready);
    let answer = asked(&server);
    assert_eq!(answer["verdict"], "ready", "{answer}");
    let command = field(&answer["merge"], "command");
    assert!(command.contains("pulls/2/merge-async"), "{command}");

    // Where stacks are not told by themselves, that is said, and it is not called ready.
    place.github.change(|world| {
        world.repository("acme/api").merges.stacks_enabled = false;
        world.issue("acme/api", 2).touch();
    });
    let answer = asked(&server);
    assert_eq!(answer["warnings"][0]["source"], "native_stack", "{answer}");
    assert_eq!(categories(&answer), ["stack_below_not_ready"], "{answer}");
    assert_eq!(answer["ready_to_merge"], false);
}

#[test]
fn lists_that_are_longer_than_what_is_asked_for_are_told_of() {
    let mut world = issues(101);
    let closes: Vec<u64> = (1..=101).collect();
    let repository = world.repository("acme/api");
    let number = repository.add_pull_request("Fix it all", &closes).number;
    let many = |entry: Value| Value::from(vec![entry; 101]);
    let reviewer = json!({"__typename": "User", "login": "kim"});
    let opinion = json!({"author": {"login": "lea"}, "state": "COMMENTED", "commit": null});
    let base = json!({"compare": {"behindBy": 0}, "refUpdateRule": null,
        "associatedPullRequests": [{"number": 7}, {"number": 8}], "branchProtectionRule": null});
    repository
        .merges
        .say_of(number, "baseRef", base)
        .say_of(number, "latestOpinionatedReviews", many(opinion))
        .say_of(number, "reviewThreads", many(json!({"isResolved": true})))
        .say_of(
            number,
            "reviewRequests",
            many(json!({"asCodeOwner": false, "requestedReviewer": reviewer})),
        );
    let place = Place::new(world);
    let server = place.serve_synced();
    let pr = format!("acme/api#{number}");
    let (mut told, mut closed, mut arguments) = (Vec::new(), 0, json!({"pr": pr}));
    loop {
        let page = server.tool(TOOL, arguments.clone()).expect(200);
        let warnings = page["warnings"].as_array().into_iter().flatten();
        told.extend(warnings.map(|it| {
            (
                field(it, "source").to_owned(),
                field(it, "reason").to_owned(),
            )
        }));
        closed += page["closes"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    assert_eq!(closed, 100);
    for (source, reason) in [
        ("reviews", "100 of 101 were read"),
        ("review_requests", "100 of 101 were read"),
        ("closing_issues", "100 of 101 were read"),
        ("base_branch", "1 of 2 were read"),
        ("review_threads", "more than 100"),
    ] {
        let expected = (source.to_owned(), reason.to_owned());
        assert!(told.contains(&expected), "{source}: {told:?}");
    }
}
