//! The tools that read: repositories, lists of issues, one issue.

use serde_json::{Value, json};

use crate::github::World;
use crate::support::{Place, Server, field, issues};

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no list '{name}' in {value}"))
}

fn numbers(value: &Value) -> Vec<u64> {
    list(value, "issues")
        .iter()
        .filter_map(|issue| issue["number"].as_u64())
        .collect()
}

/// All pages of a tool's list; each answer must be small.
fn all_pages(server: &Server, tool: &str, mut arguments: Value, name: &str) -> Vec<Value> {
    let mut items = Vec::new();
    loop {
        let answer = server.tool(tool, arguments.clone());
        assert!(
            answer.body.len() <= 8_192,
            "{tool}: {} bytes",
            answer.body.len()
        );
        let page = answer.expect(200);
        assert!(!list(&page, name).is_empty(), "{page}");
        items.extend(list(&page, name).clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => return items,
        }
    }
}

#[test]
fn repositories_are_listed_with_what_is_open_and_claimed() {
    let mut world = issues(3);
    world
        .repository("acme/api")
        .add_pull_request("not an issue", &[]);
    world.close_issue("acme/api", 3);
    world.add_repository("acme/web").is_private = true;
    world.add_repository("octo/notes").add_issue("one");
    let place = Place::new(world);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let repos = server.get("/api/repos").expect(200);
    let find = |name: &str| {
        list(&repos, "repos")
            .iter()
            .find(|repo| repo["repo"] == name)
            .cloned()
    };
    let api = find("acme/api").expect("it is listed");
    assert_eq!(
        (&api["open_issues"], &api["claimed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(api["private"], false);
    assert!(field(&api, "synced_at").parse::<jiff::Timestamp>().is_ok());
    assert_eq!(find("acme/web").expect("it is listed")["private"], true);
    let of_octo = server.get("/api/repos?owner=OCTO").expect(200);
    assert_eq!(list(&of_octo, "repos").len(), 1);
    assert_eq!(server.tool("list_repos", json!({})).expect(200), repos);
}

#[test]
fn lists_have_small_pages_and_every_item_once() {
    let mut world = World::new("octo");
    for number in 0..120 {
        world.add_repository(&format!("acme/a-rather-long-name-of-a-repository-{number}"));
    }
    let repository = world.add_repository("acme/api");
    for number in 1..=130 {
        repository.add_issue(&format!("{} {number}", "A title of some length".repeat(4)));
    }
    let place = Place::new(world);
    let server = place.serve_synced();
    let repos = all_pages(&server, "list_repos", json!({"limit": 100}), "repos");
    assert_eq!(repos.len(), 121);
    for (tool, arguments) in [
        (
            "list_open_issues",
            json!({"repo": "acme/api", "limit": 100}),
        ),
        ("list_open_issues", json!({"repo": "acme/api"})),
    ] {
        let issues = all_pages(&server, tool, arguments, "issues");
        let mut numbers: Vec<_> = issues
            .iter()
            .filter_map(|issue| issue["number"].as_u64())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=130).collect::<Vec<_>>(), "{tool}");
    }
    for number in 1..=40 {
        server.granted("agent-a", number);
    }
    let claims = all_pages(&server, "get_all_claims", json!({}), "claims");
    assert_eq!(claims.len(), 40);
}

#[test]
fn fetched_issues_have_pages_too() {
    let place = Place::with_issues(70);
    place
        .github
        .change(|world| world.close_issue("acme/api", 70));
    let server = place.serve_synced();
    for (state, count) in [("open", 69), ("all", 70)] {
        let arguments = json!({"repo": "acme/api", "state": state, "limit": 30});
        let issues = all_pages(&server, "fetch_issues", arguments, "issues");
        let mut numbers: Vec<_> = issues
            .iter()
            .filter_map(|issue| issue["number"].as_u64())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{state}");
    }
}

#[test]
fn open_issues_are_filtered_and_described() {
    let mut world = issues(2);
    let issue = world.issue("acme/api", 2);
    issue
        .labels(&["Bug", "P1"])
        .milestone("v2", None)
        .comment("ada", "hm");
    world
        .repository("acme/api")
        .add_issue("three")
        .labels(&["bug", "good first issue"]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let path = "/api/repos/acme/api/issues";
    let all = server.get(path).expect(200);
    assert_eq!(numbers(&all), [2, 1, 3]);
    assert_eq!(all["total"], 3);
    let first = &list(&all, "issues")[0];
    assert_eq!(
        (&first["title"], &first["milestone"]),
        (&json!("Issue 2"), &json!("v2"))
    );
    assert_eq!(
        (&first["labels"], &first["comments"]),
        (&json!(["Bug", "P1"]), &json!(1))
    );
    assert!(first["priority"].to_string().contains("P1"), "{first}");
    assert!(
        first["age_days"]
            .as_u64()
            .is_some_and(|days| (29..=31).contains(&days)),
        "{first}"
    );
    assert_eq!(
        numbers(&server.get(&format!("{path}?label=bug")).expect(200)),
        [2, 3]
    );
    assert_eq!(
        numbers(&server.get(&format!("{path}?milestone=V2")).expect(200)),
        [2]
    );
    assert_eq!(
        numbers(&server.get(&format!("{path}?limit=1")).expect(200)),
        [2]
    );
    for label in ["good%20first%20issue", "Good+first+issue"] {
        let labelled = server.get(&format!("{path}?label={label}")).expect(200);
        assert_eq!(numbers(&labelled), [3], "{label}");
    }
    server.granted("agent-a", 2);
    assert_eq!(
        numbers(&server.get(path).expect(200)),
        [1, 3],
        "claimed ones are not listed"
    );
    let unknown = server.get("/api/repos/acme/nothing/issues");
    assert!(matches!(unknown.status, 400 | 404), "{}", unknown.text());
}

#[test]
fn issues_of_every_state_are_fetched() {
    let mut world = issues(4);
    world.close_issue("acme/api", 2);
    world.issue("acme/api", 3).labels(&["bug", "easy"]);
    world.issue("acme/api", 4).labels(&["bug"]);
    world.repository("acme/api").add_pull_request("Fix", &[1]);
    let place = Place::new(world);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let fetch = |arguments: Value| server.tool("fetch_issues", arguments).expect(200);
    let sorted = |arguments: Value| {
        let mut numbers = numbers(&fetch(arguments));
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(
        sorted(json!({"repo": "acme/api", "state": "all"})),
        [1, 2, 3, 4]
    );
    assert_eq!(sorted(json!({"repo": "acme/api", "state": "closed"})), [2]);
    assert_eq!(
        sorted(json!({"repo": "acme/api", "state": "open"})),
        [1, 3, 4]
    );
    assert_eq!(
        sorted(json!({"repo": "acme/api", "labels": ["BUG", "easy"]})),
        [3]
    );
    let open = fetch(json!({"repo": "acme/api", "state": "open"}));
    let claimed = list(&open, "issues")
        .iter()
        .find(|issue| issue["number"] == 1);
    assert_eq!(claimed.expect("it is there")["claimed_by"], "agent-a");
    assert_eq!(
        server
            .tool("fetch_issues", json!({"repo": "acme/api", "state": "odd"}))
            .status,
        400
    );
}
