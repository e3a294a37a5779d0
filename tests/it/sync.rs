//! What happens on GitHub is noticed, and nothing that did not happen.

use serde_json::json;

use crate::github::Fault;
use crate::support::{Place, Server, field, issues, until};

fn place(count: usize) -> Place {
    Place::with_issues(count).with("SYNC_INTERVAL_MINUTES", 0.01)
}

#[track_caller]
fn assert_note(server: &Server, repo: &str, number: u64, status: &str, word: &str) {
    let claim = server.until_status(repo, number, status);
    let steps = claim["status_history"]
        .as_array()
        .expect("there is a history");
    let note = steps
        .last()
        .and_then(|step| step["note"].as_str())
        .unwrap_or_default();
    assert!(
        note.contains(word),
        "{repo}#{number}: '{note}' does not tell of '{word}'"
    );
}

#[test]
fn a_closed_issue_closes_its_claim_and_a_reopened_one_is_free() {
    let place = place(2);
    let server = place.serve_synced();
    let mut events = server.events("", None);
    server.granted("agent-a", 1);
    place.github.change(|world| {
        world.close_issue("acme/api", 1);
        world.close_issue("acme/api", 2);
    });
    assert_note(&server, "acme/api", 1, "closed", "closed on GitHub");
    let closed = events.find("both closed", |event| {
        event.kind == "issue.closed" && event.data["issue_number"] == 2
    });
    assert_eq!(closed.data["repo"], "acme/api");
    assert_eq!(server.next("agent-b").expect(200)["claim_id"], json!(null));
    place
        .github
        .change(|world| world.reopen_issue("acme/api", 1));
    let next = json!({"agent_id": "agent-b", "wait_seconds": 20});
    let next = server.post("/api/claims/next", next).expect(201);
    assert_eq!(next["issue_number"], 1);
}

#[test]
fn pull_requests_move_the_claim() {
    let place = place(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let open = || {
        place.github.change(|world| {
            world
                .repository("acme/api")
                .add_pull_request("Fix", &[1])
                .number
        })
    };
    let first = open();
    let claim = server.until_status("acme/api", 1, "pr_submitted");
    let url = |number: u64| format!("https://github.com/acme/api/pull/{number}");
    assert_eq!(claim["pr_url"], url(first));
    place
        .github
        .change(|world| world.close_pull_request("acme/api", first));
    server.until_status("acme/api", 1, "in_progress");
    let second = open();
    let claim = server.until_status("acme/api", 1, "pr_submitted");
    assert_eq!(claim["pr_url"], url(second));
    // Merged into another branch: the issue stays open.
    place.github.change(|world| {
        world.merge_pull_request("acme/api", second);
        world.reopen_issue("acme/api", 1);
    });
    let claim = server.until_status("acme/api", 1, "pr_merged");
    assert_eq!(field(&claim, "claim_id"), id);
    place
        .github
        .change(|world| world.close_issue("acme/api", 1));
    assert_note(&server, "acme/api", 1, "closed", "closed on GitHub");
}

#[test]
fn a_merge_that_closes_the_issue_closes_the_claim() {
    let place = place(1);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let pull = place.github.change(|world| {
        world
            .repository("acme/api")
            .add_pull_request("Fix", &[1])
            .number
    });
    server.until_status("acme/api", 1, "pr_submitted");
    place
        .github
        .change(|world| world.merge_pull_request("acme/api", pull));
    server.until_status("acme/api", 1, "closed");
}

#[test]
fn old_pull_requests_change_no_newer_claim() {
    let place = place(1);
    let server = place.serve_synced();
    let open = |closes: &[u64]| {
        place.github.change(|world| {
            let repository = world.repository("acme/api");
            repository.add_pull_request("Fix", closes).number
        })
    };
    let merged = open(&[1]);
    place.github.change(|world| {
        world.merge_pull_request("acme/api", merged);
        world.reopen_issue("acme/api", 1);
    });
    server.wait_for_another_sync();
    let id = server.granted("agent-b", 1);
    open(&[]);
    server.wait_for_another_sync();
    let claim = server.claim_of("acme/api", 1).expect("it is held");
    assert_eq!(claim["status"], "claimed", "{claim}");
    // Of two that are open the claim keeps the one it submitted.
    let own = open(&[]);
    let url = format!("https://github.com/acme/api/pull/{own}");
    let submit = json!({"status": "pr_submitted", "pr_url": url});
    server.patch(&id, submit).expect(200);
    server
        .patch(&id, json!({"status": "in_progress"}))
        .expect(200);
    let other = open(&[1]);
    server.wait_for_another_sync();
    place
        .github
        .change(|world| world.close_pull_request("acme/api", other));
    server.wait_for_another_sync();
    let claim = server.claim_of("acme/api", 1).expect("it is held");
    let (status, kept) = (&claim["status"], &claim["pr_url"]);
    assert_eq!((status, kept), (&json!("in_progress"), &json!(url)));
}

#[test]
fn a_pull_request_that_takes_anothers_place_holds_the_claim() {
    let place = place(1);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let open = |place: &Place| {
        place.github.change(|world| {
            let repository = world.repository("acme/api");
            repository.add_pull_request("Fix", &[1]).number
        })
    };
    let first = open(&place);
    server.until_status("acme/api", 1, "pr_submitted");
    let second = open(&place);
    server.wait_for_another_sync();
    place
        .github
        .change(|world| world.close_pull_request("acme/api", first));
    server.wait_for_another_sync();
    let claim = server.claim_of("acme/api", 1).expect("it is held");
    let url = format!("https://github.com/acme/api/pull/{second}");
    let (status, kept) = (&claim["status"], &claim["pr_url"]);
    assert_eq!((status, kept), (&json!("pr_submitted"), &json!(url)));
}

#[test]
fn a_pull_request_that_only_its_agent_named_is_watched() {
    let place = place(2);
    let server = place.serve_synced();
    let submitted = |number: u64| {
        let id = server.granted("agent-a", number);
        let pull = place.github.change(|world| {
            let repository = world.repository("acme/api");
            repository.add_pull_request("No keyword", &[]).number
        });
        let url = format!("https://github.com/acme/api/pull/{pull}");
        let submit = json!({"status": "pr_submitted", "pr_url": url});
        server.patch(&id, submit).expect(200);
        pull
    };
    let (merged, closed) = (submitted(1), submitted(2));
    server.wait_for_another_sync();
    // Those that are known to be open cost no call.
    place.github.clear_requests();
    server.wait_for_another_sync();
    let requests = place.github.requests();
    assert!(
        !requests
            .iter()
            .any(|request| request.path.contains("/pulls/"))
    );
    place.github.change(|world| {
        world.merge_pull_request("acme/api", merged);
        world.close_pull_request("acme/api", closed);
    });
    assert_note(&server, "acme/api", 1, "pr_merged", "merged");
    assert_note(&server, "acme/api", 2, "in_progress", "closed unmerged");
    let claim = server.claim_of("acme/api", 2).expect("it is held");
    assert_eq!(claim["pr_url"], serde_json::Value::Null);
}

#[test]
fn issues_that_left_are_released_with_the_reason() {
    let mut world = issues(2);
    for name in ["acme/web", "acme/archive", "acme/secret"] {
        world.add_repository(name).add_issue("only");
    }
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    server.granted("agent-a", 2);
    for repo in ["acme/archive", "acme/secret"] {
        server.claim_in(repo, "agent-b", 1).expect(201);
    }
    place.github.change(|world| {
        world.transfer_issue("acme/api", 1, "acme/web");
        world.delete_issue("acme/api", 2);
        world.archive("acme/archive");
        world.set_inaccessible("acme/secret", true);
    });
    assert_note(&server, "acme/api", 1, "released", "transferred");
    assert_note(&server, "acme/api", 2, "released", "deleted");
    assert_note(&server, "acme/archive", 1, "released", "archived");
    assert_note(&server, "acme/secret", 1, "released", "accessible");
    // The transferred one can be had where it is now, and not by an attempt that failed.
    let moved = json!({"agent_id": "agent-c", "repo": "acme/web", "wait_seconds": 10});
    for _ in 0..2 {
        server.post("/api/claims/next", moved.clone()).expect(201);
    }
}

#[test]
fn an_issue_of_a_renamed_repository_has_one_claim() {
    let mut world = issues(2);
    world.add_repository("acme/web").add_issue("another first");
    let place = Place::new(world);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    place.github.change(|world| {
        world.rename_repository("acme/api", "acme/core");
    });
    // Nobody has told of the new name yet. What another repository has is left alone.
    server.claim_in("acme/web", "agent-a", 1).expect(201);
    server.claim_in("acme/core", "agent-b", 1).expect(201);
    let held: Vec<_> = server.claims();
    assert_eq!(held.len(), 2, "{held:?}");
    let agents = ["acme/core", "acme/web"].map(|repo| {
        let claim = server.claim_of(repo, 1).expect("it is held");
        field(&claim, "agent_id").to_owned()
    });
    assert_eq!(agents, ["agent-b", "agent-a"]);
    // The other one can only be had once: under the new name.
    server.claim_in("acme/core", "agent-b", 2).expect(201);
    assert_eq!(server.claim("agent-a", 2).status, 404);
}

#[test]
fn a_claim_under_a_former_name_ends_before_the_new_one_is_had() {
    let place = place(1);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    let mut events = server.events("", None);
    place.github.change(|world| {
        world.rename_repository("acme/api", "acme/core");
    });
    let next = json!({"agent_id": "agent-b", "wait_seconds": 20});
    let next = server.post("/api/claims/next", next).expect(201);
    assert_eq!(next["repo"], "acme/core");
    // Whoever looks for the second event would not find it if it came first.
    events.next_of("claim.released");
    events.next_of("claim.created");
}

#[test]
fn a_claimed_issue_in_trouble_keeps_only_new_repositories_back() {
    let mut world = issues(1);
    world.add_repository("acme/web").add_issue("first");
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    place
        .github
        .inject(Fault::respond(503, "{}").on("repos/acme/api/issues/1"));
    place.github.change(|world| {
        world.rename_repository("acme/api", "acme/core");
        world.repository("acme/web").add_issue("second");
    });
    until("the other repository is synced", || {
        let listed = server.get("/api/repos/acme/web/issues").expect(200);
        (listed["total"] == 2).then_some(())
    });
    let next = json!({"agent_id": "agent-b", "repo": "acme/core"});
    let status = server.post("/api/claims/next", next.clone()).status;
    assert!(matches!(status, 404 | 502), "{status}");
    place.github.clear_faults();
    server.wait_for_another_sync();
    assert_eq!(
        server.post("/api/claims/next", next).expect(201)["repo"],
        "acme/core"
    );
}

/// Waits until so many more requests for repositories have been answered.
fn wait_for_probes(place: &Place, count: usize) {
    let seen = place.github.requests().len();
    place.until_asked(|requests| {
        let probe = |request: &&crate::github::RequestRecord| request.path.contains("/graphql");
        requests[seen..].iter().filter(probe).count() >= count
    });
}

#[test]
fn a_repository_that_is_not_told_is_not_gone() {
    let list = r#"{"data":{"viewer":{"login":"octo","repositories":{"pageInfo":{"hasNextPage":false,
        "endCursor":null},"nodes":[null]}}},"errors":[{"message":"Something went wrong",
        "path":["viewer","repositories","nodes",0]}]}"#;
    let named = r#"{"data":{"viewer":{"login":"octo"},"r0":null},"errors":[{"message":"Timeout",
        "path":["r0"]}]}"#;
    for (allowed, answer) in [("", list), ("acme/api", named)] {
        let place = place(2).with("ALLOWED_REPOS", allowed);
        let server = place.serve_synced();
        place
            .github
            .inject(Fault::respond(200, answer).on_body("latestPull"));
        wait_for_probes(&place, 3);
        assert_eq!(server.next("agent-a").expect(201)["issue_number"], 1);
        let problems = server.health()["problems"].to_string();
        assert!(
            problems.contains("Something went wrong") || problems.contains("Timeout"),
            "{problems}"
        );
        place.github.clear_faults();
        server.wait_for_another_sync();
        assert_eq!(server.health()["problems"], serde_json::Value::Null);
    }
}

#[test]
fn an_owner_that_cannot_be_seen_is_left_out() {
    let place = place(1).with("ALLOWED_REPOS", "nosuchorg/*,acme/*");
    let server = place.serve_synced();
    assert_eq!(server.next("agent-a").expect(201)["issue_number"], 1);
    let problems = server.health()["problems"].to_string();
    assert!(problems.contains("nosuchorg"), "{problems}");
    assert!(problems.contains("ALLOWED_REPOS"), "{problems}");
    server.wait_for_another_sync();
}

#[test]
fn an_answer_that_fails_changes_no_claim() {
    let place = place(2);
    place.github.change(|world| {
        world.add_repository("acme/web");
    });
    let server = place.serve_synced();
    server.granted("agent-a", 1);
    server.granted("agent-b", 2);
    place
        .github
        .inject(Fault::unavailable().on("/repos/acme/api"));
    place.github.change(|world| {
        world.transfer_issue("acme/api", 1, "acme/web");
    });
    // Look-ups of the single issue fail while lists do not show it any more.
    let seen = place.github.requests().len();
    place.until_asked(|requests| {
        let failed =
            |request: &&crate::github::RequestRecord| request.path.contains("/repos/acme/api");
        requests[seen..].iter().filter(failed).count() >= 2
    });
    assert_eq!(server.claims().len(), 2);
    place.github.clear_faults();
    server.until_status("acme/api", 1, "released");
    assert_eq!(server.claims().len(), 1);
}

#[test]
fn new_and_changed_issues_arrive() {
    let place = place(1);
    let server = place.serve_synced();
    place.github.change(|world| {
        world
            .repository("acme/api")
            .add_issue("urgent one")
            .labels(&["P0"]);
        world.add_repository("acme/new").add_issue("first here");
        world.issue("acme/api", 1).title("A better title");
    });
    server.wait_for_another_sync();
    let next = server.next("agent-a").expect(201);
    assert_eq!(next["title"], "urgent one");
    assert_eq!(
        server.claim("agent-a", 1).expect(201)["issue_title"],
        "A better title"
    );
    server.claim_in("acme/new", "agent-a", 1).expect(201);
}

#[test]
fn an_issue_is_free_when_what_blocks_it_is_closed_elsewhere() {
    let mut world = issues(1);
    let web = world.add_repository("acme/web");
    web.add_issue("waits").blocked_by_in("acme/api", 1);
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    let next = |wait: u64| {
        let next = json!({"agent_id": "agent-a", "repo": "acme/web", "wait_seconds": wait});
        server.post("/api/claims/next", next)
    };
    assert_eq!(next(0).expect(200)["passed_by"]["blocked"], 1);
    place
        .github
        .change(|world| world.close_issue("acme/api", 1));
    assert_eq!(next(20).expect(201)["title"], "waits");
}

#[test]
fn by_rest_a_page_of_pull_requests_hides_no_issue() {
    let place = place(1);
    place.github.inject(Fault::graphql_refused());
    let server = place.serve_synced();
    place.github.change(|world| {
        world.issue("acme/api", 1).title("A better title");
        // Beyond the overlap of two syncs.
        world.clock.advance(600);
        let repository = world.repository("acme/api");
        for _ in 0..100 {
            repository.add_pull_request("Unrelated", &[]);
        }
    });
    server.wait_for_another_sync();
    let claim = server.claim("agent-a", 1).expect(201);
    assert_eq!(claim["issue_title"], "A better title");
}

#[test]
fn a_quiet_sync_costs_one_request_for_twenty_repositories() {
    let mut world = issues(3);
    for number in 1..20 {
        world
            .add_repository(&format!("acme/service-{number}"))
            .add_issue("one");
    }
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    server.wait_for_another_sync();
    place.github.clear_requests();
    let mut events = server.events("", None);
    for _ in 0..4 {
        events.next_of("sync.completed");
    }
    // One may be under way when the count begins, and one when it ends.
    let requests = place.github.requests().len();
    assert!(
        (3..=6).contains(&requests),
        "{requests} requests for 4 syncs"
    );
}
