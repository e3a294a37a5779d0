//! Which issue `next_issue` hands out, which it passes by, and what it waits for.

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Place, Server, all_at_once, field, issues};

fn take(server: &Server, arguments: Value) -> Value {
    server.tool("next_issue", arguments).expect(200)
}

#[test]
fn the_order_is_priority_then_due_date_then_age() {
    let mut world = World::new("octo");
    let repository = world.add_repository("acme/api");
    let due = |day: u32| format!("2030-01-{day:02}T00:00:00Z");
    repository.add_issue("unlabelled, oldest");
    repository.add_issue("medium").labels(&["priority: medium"]);
    repository.add_issue("high, older").labels(&["P1"]);
    repository
        .add_issue("high, newer")
        .labels(&["Priority/High"]);
    repository
        .add_issue("high, due late")
        .labels(&["P1"])
        .milestone("late", Some(&due(20)));
    repository
        .add_issue("high, due soon")
        .labels(&["P1"])
        .milestone("soon", Some(&due(10)));
    repository
        .add_issue("critical, newest")
        .labels(&["bug", "CRITICAL"]);
    repository.add_issue("low").labels(&["severity-low"]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let listed = server.get("/api/repos/acme/api/issues").expect(200);
    let listed: Vec<_> = listed["issues"]
        .as_array()
        .expect("there is a list")
        .iter()
        .map(|issue| field(issue, "title").to_owned())
        .collect();
    let taken: Vec<_> = (0..8)
        .map(|_| {
            let next = server.next("agent-a").expect(201);
            assert_eq!(next["status"], "claimed");
            field(&next, "title").to_owned()
        })
        .collect();
    let expected = [
        "critical, newest",
        "high, due soon",
        "high, due late",
        "high, older",
        "high, newer",
        "medium",
        "low",
        "unlabelled, oldest",
    ];
    assert_eq!(taken, expected);
    assert_eq!(listed, expected, "lists show the same order");
    let nothing = server.next("agent-a").expect(200);
    assert_eq!(nothing["claim_id"], Value::Null);
    assert_eq!(nothing["reason"], "no_eligible_issue");
    assert_eq!(nothing["passed_by"]["claimed"], 8);
}

#[test]
fn a_repository_whose_issues_github_refuses_is_passed_by_with_the_reason() {
    let mut world = issues(6);
    world.add_repository("acme/web").add_issue("the youngest");
    let place = Place::new(world);
    let server = place.serve_synced();
    let refusal = r#"{"message":"Resource not accessible by personal access token"}"#;
    let refuse = |path: &str| {
        let fault = Fault::respond(403, refusal).on(path);
        place.github.inject(fault);
    };
    refuse("/repos/acme/api/issues/");
    let next = server.next("agent-a").expect(201);
    assert_eq!(next["repo"], "acme/web");
    let warnings = next["warnings"].to_string();
    assert!(warnings.contains("acme/api is passed by"), "{warnings}");
    assert!(warnings.contains("not accessible"), "{warnings}");
    let wait = json!({"agent_id": "agent-a", "wait_seconds": 20});
    let answer = server.post("/api/claims/next", wait);
    let error = answer.json();
    assert_eq!(error["code"], "forbidden", "{error}");
    assert!(field(&error, "suggestion").contains("rights"), "{error}");
    assert_eq!(server.claims().len(), 1);
    // One was tried of the repository each time.
    let history = server.get("/api/claims/history").expect(200);
    assert_eq!(history["claims"].as_array().map(Vec::len), Some(2));
}

#[test]
fn labels_can_be_given_an_order() {
    let mut world = issues(0);
    let repository = world.repository("acme/api");
    repository.add_issue("first, by age").labels(&["P0"]);
    repository.add_issue("second").labels(&["later"]);
    repository.add_issue("third").labels(&["NOW"]);
    let place = Place::new(world).with("PRIORITY_LABELS", "now,later");
    let server = place.serve_synced();
    let titles: Vec<_> = (0..3)
        .map(|_| field(&server.next("a").expect(201), "title").to_owned())
        .collect();
    assert_eq!(titles, ["third", "second", "first, by age"]);
}

#[test]
fn an_answer_has_all_that_work_needs() {
    let place = Place::with_issues(1);
    place.github.change(|world| {
        world
            .issue("acme/api", 1)
            .labels(&["bug"])
            .body("Look \"here\"\nand there.");
    });
    let server = place.serve_synced();
    let next = server.next("agent-a").expect(201);
    assert!(field(&next, "claim_id").parse::<uuid::Uuid>().is_ok());
    assert_eq!(
        (&next["repo"], &next["issue_number"]),
        (&json!("acme/api"), &json!(1))
    );
    assert_eq!(next["url"], "https://github.com/acme/api/issues/1");
    assert_eq!(next["labels"], json!(["bug"]));
    assert!(
        next.to_string().contains("and there."),
        "the body comes with it: {next}"
    );
    assert!(next.get("handoff_note").is_none_or(Value::is_null));
}

#[test]
fn what_is_passed_by_is_counted_by_reason() {
    let mut world = issues(0);
    let repository = world.repository("acme/api");
    repository.add_issue("claimed by another");
    repository.add_issue("assigned").assignees(&["ada"]);
    repository.add_issue("blocked").blocked_by(1);
    repository.add_issue("has a pull request");
    repository.add_issue("wontfix").labels(&["WontFix"]);
    repository.add_issue("given back").labels(&["P0"]);
    repository.add_pull_request("Fix", &[4]);
    let place = Place::new(world);
    let server = place.serve_synced();
    server.granted("agent-b", 1);
    let given = server.next("agent-a").expect(201);
    assert_eq!(given["issue_number"], 6);
    let id = field(&given, "claim_id");
    let release = json!({"claim_id": id, "handoff_note": "start in login.rs"});
    server.tool("release_issue", release).expect(200);
    let nothing = server.next("agent-a").expect(200);
    let expected = json!({
        "claimed": 1, "assigned": 1, "blocked": 1,
        "linked_pull_request": 1, "skip_label": 1, "recently_released": 1,
    });
    assert_eq!(nothing["passed_by"], expected);
    // Another agent gets it, with what the first one left.
    let next = server.next("agent-c").expect(201);
    assert_eq!(next["issue_number"], 6);
    assert_eq!(next["handoff_note"], "start in login.rs");
    assert_eq!(next["previous_attempts"], 1);
    let listed = server.get("/api/repos/acme/api/issues").expect(200);
    let minded = listed["issues"].as_array().expect("there is a list");
    assert_eq!(minded.len(), 4, "claimed ones are not listed: {listed}");
    assert!(
        minded.iter().all(|issue| issue["why_not"].is_string()),
        "{listed}"
    );
    // Whoever gave it back may still ask for it by its number.
    let id = field(&next, "claim_id");
    server.delete(id).expect(200);
    server.granted("agent-a", 6);
}

#[test]
fn ones_own_assignment_is_no_obstacle_and_a_closed_blocker_none_either() {
    let mut world = issues(0);
    let repository = world.repository("acme/api");
    repository.add_issue("done").close("completed");
    repository.add_issue("mine").assignees(&["Octo"]);
    repository.add_issue("free at last").blocked_by(1);
    let place = Place::new(world);
    let server = place.serve_synced();
    assert_eq!(server.next("a").expect(201)["issue_number"], 2);
    assert_eq!(server.next("a").expect(201)["issue_number"], 3);
}

#[test]
fn filters_narrow_the_choice() {
    let mut world = issues(0);
    let repository = world.repository("acme/api");
    repository.add_issue("one").labels(&["bug"]);
    repository
        .add_issue("two")
        .labels(&["bug", "easy"])
        .milestone("v2", None);
    repository.add_issue("three").labels(&["easy"]);
    world
        .add_repository("acme/web")
        .add_issue("web")
        .labels(&["P0"]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let number = |arguments: Value| take(&server, arguments)["issue_number"].clone();
    assert_eq!(
        number(json!({"agent_id": "a", "repo": "ACME/api", "labels": ["Easy", "BUG"]})),
        2
    );
    assert_eq!(
        number(json!({"agent_id": "a", "repo": "acme/api", "milestone": "v3"})),
        Value::Null
    );
    assert_eq!(
        number(json!({"agent_id": "a", "repo": "acme/api", "labels": ["easy"]})),
        3
    );
    assert_eq!(take(&server, json!({"agent_id": "a"}))["repo"], "acme/web");
}

#[test]
fn the_issue_is_checked_with_github_before_it_is_handed_out() {
    let place = Place::with_issues(4);
    let server = place.serve_synced();
    place.github.change(|world| {
        world.close_issue("acme/api", 1);
        world.issue("acme/api", 2).assignees(&["ada"]);
        world.delete_issue("acme/api", 3);
    });
    assert_eq!(server.next("agent-a").expect(201)["issue_number"], 4);
    let held: Vec<_> = server
        .claims()
        .iter()
        .map(|claim| claim["issue_number"].clone())
        .collect();
    assert_eq!(held, [4], "no claim is left on what was passed by");
}

#[test]
fn an_issue_that_is_gone_is_not_tried_for_ever() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    place
        .github
        .change(|world| world.delete_issue("acme/api", 1));
    let nothing = server.next("agent-a").expect(200);
    assert_eq!(nothing["claim_id"], Value::Null);
    assert!(server.claims().is_empty());
    let asked = place.github.requests().len();
    server.next("agent-a").expect(200);
    assert!(
        place.github.requests().len() <= asked + 1,
        "it is asked for again and again"
    );
}

#[test]
fn a_repository_that_is_not_there_is_said_to_be_so_at_once() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let ask = json!({"agent_id": "a", "repo": "typo/typo", "wait_seconds": 30});
    let begun = std::time::Instant::now();
    let next = server.tool("next_issue", ask).expect(404);
    let listed = server.tool("list_open_issues", json!({"repo": "typo/typo"}));
    assert_eq!(next, listed.expect(404));
    assert!(begun.elapsed().as_secs() < 20, "it waited");
}

#[test]
fn a_server_lends_its_name_to_nobody() {
    let place = Place::with_issues(1).with("AGENT_ID", "boss");
    let server = place.serve_synced();
    let refused = server.post("/api/claims/next", json!({})).expect(400);
    // Nor does it advise what does not help.
    assert!(
        field(&refused, "suggestion").contains("agent_id"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("AGENT_ID"), "{refused}");
}

#[test]
fn many_agents_get_different_issues() {
    let place = Place::with_issues(12);
    let server = place.serve_synced();
    let mut numbers = all_at_once(12, |index| {
        let next = server.next(&format!("agent-{index}")).expect(201);
        next["issue_number"].as_u64().expect("it is a number")
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert_eq!(server.next("late").expect(200)["passed_by"]["claimed"], 12);
}

#[test]
fn allowed_repos_are_all_that_is_seen() {
    for (allowed, expected) in [
        ("Acme/API", vec!["acme/api"]),
        ("acme/*", vec!["acme/api", "acme/web"]),
    ] {
        let mut world = issues(1);
        world.add_repository("acme/web").add_issue("web");
        world
            .add_repository("octo/notes")
            .add_issue("notes")
            .labels(&["P0"]);
        let place = Place::new(world).with("ALLOWED_REPOS", allowed);
        let server = place.serve_synced();
        let repos = server.get("/api/repos").expect(200);
        let mut names: Vec<_> = repos["repos"]
            .as_array()
            .expect("there is a list")
            .iter()
            .map(|repo| field(repo, "repo").to_owned())
            .collect();
        names.sort();
        assert_eq!(names, expected);
        let refused = server.claim_in("octo/notes", "a", 1);
        assert!(
            matches!(refused.status, 400 | 403 | 404 | 409),
            "{}",
            refused.text()
        );
        assert!(
            refused.text().contains("ALLOWED_REPOS"),
            "{}",
            refused.text()
        );
        let next = server.next("a").expect(201);
        assert_ne!(next["repo"], "octo/notes");
        let details = server.get("/api/issues/octo/notes/1");
        assert!((400..=409).contains(&details.status), "{}", details.text());
        let named = server.tool("next_issue", json!({"agent_id": "a", "repo": "octo/notes"}));
        assert!(
            !named.text().contains("\"claim_id\":\""),
            "{}",
            named.text()
        );
    }
}
