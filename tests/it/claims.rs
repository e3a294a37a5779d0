//! Claims over HTTP: granted once, given back once, and only by whom they belong to.

use serde_json::{Value, json};

use crate::support::{Place, all_at_once, claims, field};

fn assert_time(value: &Value) {
    let text = value.as_str().expect("a time is text");
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    assert!(parsed.is_ok() && text.ends_with('Z'), "{text}");
}

#[test]
fn a_claim_is_granted_once_and_its_holder_is_named() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let record = server.claim("agent-a", 1).expect(201);
    let id: Result<uuid::Uuid, _> = field(&record, "claim_id").parse();
    assert!(id.is_ok(), "{record}");
    assert_eq!(record["agent_id"], "agent-a");
    assert_eq!(record["repo"], "acme/api");
    assert_eq!(record["issue_number"], 1);
    assert_eq!(record["issue_title"], "Issue 1");
    assert_eq!(record["status"], "claimed");
    assert_eq!(record["status_history"][0]["status"], "claimed");
    assert_time(&record["claimed_at"]);
    assert_time(&record["last_updated"]);
    assert_time(&record["status_history"][0]["timestamp"]);
    let again = server.claim("agent-a", 1).expect(200);
    assert_eq!(again["claim_id"], record["claim_id"]);
    let refused = server.claim("agent-b", 1).expect(409);
    assert_eq!(refused["claimed"], false);
    assert_eq!(refused["owner"], "agent-a");
    // GitHub's names have no case.
    let shouted = server.claim_in("ACME/Api", "agent-b", 1).expect(409);
    assert_eq!(shouted["owner"], "agent-a");
    // The agent's own name has.
    assert_eq!(server.claim("Agent-A", 1).expect(409)["owner"], "agent-a");
    assert_eq!(server.claims().len(), 1);
}

#[test]
fn a_repository_is_one_and_the_same_however_it_is_spelled() {
    const SPELLINGS: [&str; 4] = ["acme/api", "ACME/API", "Acme/Api", "aCmE/aPi"];
    let place = Place::with_issues(4);
    let server = place.serve_synced();
    let answers = all_at_once(16, |index| {
        server.claim_in(SPELLINGS[index % 4], &format!("agent-{index}"), 1)
    });
    let won: Vec<_> = answers.iter().filter(|it| it.status == 201).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].json()["repo"], "acme/api");
    for answer in answers.iter().filter(|it| it.status != 201) {
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert_eq!(answer.json()["owner"], won[0].json()["agent_id"]);
    }
    // Over MCP, by two agents' processes.
    let [first, second] = [place.mcp(), place.mcp()];
    let claim =
        |repo: &str, agent: &str| json!({"agent_id": agent, "repo": repo, "issue_number": 2});
    let granted = first.tool("claim_issue", claim("ACME/api", "one")).record();
    assert_eq!(granted["claim"]["repo"], "acme/api", "{granted}");
    let refused = second
        .tool("claim_issue", claim("acme/API", "two"))
        .record();
    assert_eq!(refused["owner"], "one", "{refused}");
    // An issue and a repository that the catalogue does not know yet.
    place.github.change(|world| {
        world.repository("acme/api").add_issue("New");
        world.add_repository("acme/New").add_issue("New as well");
    });
    let unknown = server.claim_in("ACME/API", "agent-a", 5).expect(201);
    assert_eq!(unknown["repo"], "acme/api");
    let elsewhere = server.claim_in("acme/nEW", "agent-a", 1).expect(201);
    assert_eq!(elsewhere["repo"], "acme/New");
    assert_eq!(server.claim_in("ACME/NEW", "agent-b", 1).status, 409);
    let listed = server.get("/api/repos").expect(200).to_string();
    assert!(listed.contains("\"acme/New\""), "{listed}");
    let details = server.get("/api/issues/ACME/new/1").expect(200);
    assert_eq!(details["repo"], "acme/New");
}

#[test]
fn the_claim_tool_answers_a_lost_race_without_an_error() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let claim = |agent: &str| {
        let arguments = json!({"agent_id": agent, "repo": "acme/api", "issue_number": 1});
        server.tool("claim_issue", arguments).json()
    };
    let granted = claim("agent-a");
    assert_eq!(
        (&granted["claimed"], &granted["already_owned"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(granted["claim"]["issue_number"], 1);
    let again = claim("agent-a");
    assert_eq!(
        (&again["claimed"], &again["already_owned"]),
        (&json!(true), &json!(true))
    );
    let lost = claim("agent-b");
    assert_eq!(
        (&lost["claimed"], &lost["reason"]),
        (&json!(false), &json!("already_claimed"))
    );
    assert_eq!(
        (&lost["owner"], &lost["status"]),
        (&json!("agent-a"), &json!("claimed"))
    );
    assert_time(&lost["since"]);
}

#[test]
fn of_many_that_ask_at_once_one_wins() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let answers = all_at_once(32, |index| server.claim(&format!("agent-{index}"), 1));
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 1);
    let owner = won[0].json()["agent_id"].clone();
    for answer in lost {
        assert_eq!(answer.expect(409)["owner"], owner);
    }
}

#[test]
fn what_is_given_back_is_final() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let released = server.delete(&id).expect(200);
    assert_eq!(
        (&released["claim_id"], &released["status"]),
        (&json!(id), &json!("released"))
    );
    assert!(server.claims().is_empty());
    assert_eq!(server.delete(&id).status, 409);
    let never = "0190aaaa-0000-7000-8000-000000000000";
    assert!(matches!(server.delete(never).status, 404 | 409));
    assert_eq!(server.delete("not-a-uuid").status, 400);
    let lost = server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(409);
    assert_eq!(lost["code"], "claim_lost");
    assert_eq!(
        (&lost["ok"], &lost["reason"]),
        (&json!(false), &json!("claim_lost"))
    );
    server.granted("agent-b", 1);
    let lost = server.patch(&id, json!({"status": "closed"})).expect(409);
    assert_eq!(lost["now_held_by"], "agent-b");
    assert_eq!(server.claims()[0]["agent_id"], "agent-b");
    assert!(place.github.change(|world| world.issue("acme/api", 1).open));
}

#[test]
fn a_claim_can_be_named_by_its_issue() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let arguments =
        json!({"agent_id": "agent-a", "repo": "acme/api", "issue_number": 1, "reason": "stuck"});
    let released = server.tool("release_issue", arguments.clone()).expect(200);
    assert_eq!(
        (&released["ok"], &released["claim"]["claim_id"]),
        (&json!(true), &json!(id))
    );
    let nothing = server.tool("release_issue", arguments).json();
    assert_eq!(nothing["category"], "logical", "{nothing}");
}

#[test]
fn a_write_in_a_wrong_name_is_refused() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let update = json!({"agent_id": "agent-b", "status": "in_progress"});
    for answer in [
        server.patch(&id, update),
        server.tool(
            "release_issue",
            json!({"claim_id": id, "agent_id": "agent-b"}),
        ),
        server.tool(
            "release_issue",
            json!({"agent_id": "agent-b", "repo": "acme/api", "issue_number": 1}),
        ),
    ] {
        let refusal = answer.json();
        assert_eq!(refusal["code"], "not_yours", "{refusal}");
        assert!(answer.text().contains("agent-a"), "{refusal}");
        assert!(matches!(answer.status, 403 | 409), "{}", answer.status);
    }
    assert_eq!(server.claims()[0]["status"], "claimed");
}

#[test]
fn only_open_issues_of_this_world_are_claimed() {
    let place = Place::with_issues(2);
    place.github.change(|world| {
        world.close_issue("acme/api", 2);
        world.repository("acme/api").add_pull_request("Fix", &[1]);
    });
    let server = place.serve_synced();
    for (repo, number) in [
        ("acme/api", 2),
        ("acme/api", 3),
        ("acme/api", 99),
        ("acme/nothing", 1),
    ] {
        let answer = server.claim_in(repo, "agent-a", number);
        assert!(
            matches!(answer.status, 400 | 404 | 409),
            "{repo}#{number}: {}",
            answer.text()
        );
        assert_ne!(answer.json()["category"], "api");
        assert!(!field(&answer.json(), "suggestion").is_empty());
    }
    assert!(server.claims().is_empty());
    // What next_issue would mind is a warning here.
    let arguments = json!({"agent_id": "agent-a", "repo": "acme/api", "issue_number": 1});
    let granted = server.tool("claim_issue", arguments).expect(200);
    assert!(
        granted["warnings"]
            .as_array()
            .is_some_and(|warnings| !warnings.is_empty()),
        "{granted}"
    );
}

#[test]
fn lists_are_filtered_and_have_pages() {
    let mut world = crate::support::issues(30);
    world.add_repository("acme/web").add_issue("Web");
    let place = Place::new(world);
    let server = place.serve_synced();
    for number in 1..=30 {
        server.granted(if number % 2 == 0 { "even" } else { "odd" }, number);
    }
    let web = server.claim_in("acme/web", "odd", 1).expect(201);
    let count = |query: &str| {
        let answer = server.get(&format!("/api/claims?limit=100&{query}"));
        claims(&answer.expect(200)).len()
    };
    assert_eq!(count("agent_id=even"), 15);
    assert_eq!(count("repo=ACME/web"), 1);
    assert_eq!(count("status=in_progress"), 0);
    assert_eq!(count("stale=true"), 0);
    assert_eq!(server.get("/api/claims?status=nonsense").status, 400);
    assert_eq!(server.get("/api/claims?nonsense=1").status, 400);
    assert_eq!(server.get("/api/claims?cursor=nonsense").status, 400);
    let mine = server
        .tool("get_my_claims", json!({"agent_id": "even"}))
        .expect(200);
    assert!(
        claims(&mine)
            .iter()
            .all(|claim| claim["agent_id"] == "even")
    );
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server
            .get(&format!("/api/claims?limit=7{cursor}"))
            .expect(200);
        assert!(claims(&page).len() <= 7);
        seen.extend(
            claims(&page)
                .iter()
                .map(|claim| field(claim, "claim_id").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (31, 31), "each claim is on one page");
    assert!(seen.contains(&field(&web, "claim_id").to_owned()));
}

#[test]
fn history_is_filtered_as_active_claims_are() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let released = server.granted("agent-a", 1);
    server.delete(&released).expect(200);
    let closed = server.granted("agent-a", 2);
    server
        .patch(&closed, json!({"status": "closed"}))
        .expect(200);
    let found = |query: &str| {
        let page = server
            .get(&format!("/api/claims/history?{query}"))
            .expect(200);
        let ids = claims(&page)
            .iter()
            .map(|claim| field(claim, "claim_id").to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found("status=released"), std::slice::from_ref(&released));
    let of_closed = found("status=closed&repo=acme/api&stale=false");
    assert_eq!(of_closed, std::slice::from_ref(&closed));
    assert_eq!(found("stale=false"), [closed, released]);
    assert!(found("stale=true").is_empty());
    assert_eq!(server.get("/api/claims/history?status=done").status, 400);
}

#[test]
fn history_is_newest_first_and_outlives_restarts() {
    let place = Place::with_issues(4);
    let server = place.serve_synced();
    let before = server.granted("agent-a", 4);
    server.delete(&before);
    let since = jiff::Timestamp::now();
    for number in 1..=3 {
        let id = server.granted("agent-a", number);
        server
            .patch(&id, json!({"status": "in_progress", "note": "begun"}))
            .expect(200);
        server.delete(&id).expect(200);
    }
    let numbers = |query: &str, server: &crate::support::Server| {
        let answer = server
            .get(&format!("/api/claims/history{query}"))
            .expect(200);
        let numbers = claims(&answer)
            .iter()
            .map(|claim| claim["issue_number"].as_u64());
        numbers
            .collect::<Option<Vec<u64>>>()
            .expect("numbers are numbers")
    };
    assert_eq!(numbers("", &server), [3, 2, 1, 4]);
    assert_eq!(numbers("?limit=2", &server), [3, 2]);
    assert_eq!(numbers(&format!("?since={since}"), &server), [3, 2, 1]);
    assert_eq!(numbers("?agent_id=agent-b", &server), [] as [u64; 0]);
    let page = server.get("/api/claims/history?limit=3").expect(200);
    let cursor = field(&page, "next_cursor").to_owned();
    assert_eq!(numbers(&format!("?limit=3&cursor={cursor}"), &server), [4]);
    let steps: Vec<_> = page["claims"][0]["status_history"]
        .as_array()
        .expect("a claim has a history")
        .iter()
        .map(|step| field(step, "status").to_owned())
        .collect();
    assert_eq!(steps, ["claimed", "in_progress", "released"]);
    server.stop();
    let server = place.serve();
    assert_eq!(numbers("", &server), [3, 2, 1, 4]);
    server.kill();
    assert_eq!(numbers("", &place.serve()), [3, 2, 1, 4]);
}

#[test]
fn names_and_filters_may_have_any_printable_character() {
    let place = Place::with_issues(2);
    let server = place.serve_synced();
    let agent = "Ärger & Söhne/1 + 50% \u{1F980}";
    server.granted(agent, 1);
    server.granted("other", 2);
    let encoded: String = agent.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let listed = server
        .get(&format!("/api/claims?agent_id={encoded}&repo=acme%2Fapi"))
        .expect(200);
    assert_eq!(claims(&listed).len(), 1);
    assert_eq!(claims(&listed)[0]["agent_id"], agent);
    let plus = server.get("/api/claims?agent_id=a+b").expect(200);
    assert!(claims(&plus).is_empty());
}

#[test]
fn a_claim_outlives_a_change_of_the_allowed_repositories() {
    let mut place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    server.stop();
    place.set("ALLOWED_REPOS", "acme/web");
    let server = place.serve();
    assert_eq!(server.claims().len(), 1);
    assert_eq!(server.delete(&id).expect(200)["status"], "released");
}
