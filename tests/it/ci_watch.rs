//! Checks are watched while nobody waits for them: events, what claims say, and the next answer.

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::support::{Event, Place, Server, holds, issues, until};

const TOOL: &str = "get_failing_tests";
const LOG: &str = "\
============================= test session starts ==============================
collected 1 item

tests/test_a.py F                                                        [100%]

=========================== short test summary info ============================
FAILED tests/test_a.py::test_b - assert 1 == 2
============================== 1 failed in 0.03s ===============================
";

/// A world with the pull request `acme/api#2`, whose check `slow` runs, and its head commit.
fn world() -> (World, String) {
    let mut world = issues(1);
    let repository = world.repository("acme/api");
    let pull = repository.add_pull_request("Fix it", &[1]);
    let head = pull
        .pull_request
        .as_ref()
        .expect("it is one")
        .head_sha
        .clone();
    repository.merges.check_run(&head, "slow", "in_progress");
    (world, head)
}

/// The check `test` of a commit fails.
fn fail(place: &Place, head: &str) {
    place.github.change(|world| {
        let merges = &mut world.repository("acme/api").merges;
        merges.check_run(head, "test", "failure");
        merges.log(head, LOG);
    });
}

/// `agent-a` has claimed the issue and submitted the pull request.
fn submitted(server: &Server) -> Value {
    let id = server.claim("agent-a", 1).expect(201)["claim_id"].clone();
    let pr_url = "https://github.com/acme/api/pull/2";
    let update = json!({"claim_id": id, "status": "pr_submitted", "pr_url": pr_url});
    server.tool("update_claim_status", update).expect(200);
    id
}

fn waiting(server: &Server) -> Value {
    let mine = server.tool("get_my_claims", json!({"agent_id": "agent-a"}));
    mine.expect(200)["claims"][0]["waiting"].clone()
}

fn wait_a_moment(server: &Server) -> Value {
    let arguments = json!({"pr": "acme/api#2", "wait": true, "max_wait_seconds": 0});
    server.tool(TOOL, arguments).expect(200)
}

/// All events of a kind after one, up to a mark that is made now.
fn events_since(server: &Server, since: u64, kind: &str) -> Vec<Event> {
    let mut events = server.events("", Some(since));
    server.claim("agent-mark", 1);
    let claim = server.claim_of("acme/api", 1).expect("somebody has it");
    let id = claim["claim_id"].as_str().expect("an id");
    let note = json!({"status": claim["status"], "note": "mark"});
    server.patch(id, note).expect(200);
    let mut found = Vec::new();
    while let Some(event) = events.read() {
        if event.data["note"] == "mark" {
            break;
        }
        if event.kind == kind {
            found.push(event);
        }
    }
    found
}

#[test]
fn a_wait_that_ended_goes_on_in_the_background() {
    let (world, head) = world();
    let place = Place::new(world);
    let mut server = place.serve_synced();
    let claim_id = submitted(&server);
    let mut events = server.events("?agent_id=agent-a", None);
    let first = wait_a_moment(&server);
    assert_eq!(first["status"], "running", "{first}");
    let next = &first["poll_info"]["next_call"]["args"];
    assert_eq!(*next, json!({"pr": "acme/api#2", "wait": true}));
    fail(&place, &head);
    let event = events.next_of("ci.failed");
    let told = &event.data;
    assert_eq!(told["pr"], "acme/api#2", "{told}");
    assert_eq!(
        (&told["claim_id"], &told["agent_id"]),
        (&claim_id, &json!("agent-a"))
    );
    assert_eq!(
        (&told["issue_number"], &told["head_sha"]),
        (&json!(1), &json!(head))
    );
    assert_eq!(told["checks"], json!(["test"]));
    assert_eq!(told["tests"], json!(["tests/test_a.py::test_b"]));
    assert_eq!(waiting(&server), json!(["ci failing"]), "nobody has asked");
    place.github.clear_requests();
    let answer = wait_a_moment(&server);
    assert_eq!(answer["failures"][0]["test"], "tests/test_a.py::test_b");
    let requests = place.github.requests();
    let is_log = |it: &&crate::github::RequestRecord| it.path.ends_with("/logs");
    assert!(!requests.iter().any(|it| is_log(&it)), "the log is known");
    // Pull request and check runs again; while those are the same the rest is remembered.
    place.assert_repeat(2, 0);
    // Whoever resumes gets the event under the same id, also after a restart, and it is told once.
    let id = event.id.expect("an id");
    let again = events_since(&server, id - 1, "ci.failed");
    assert_eq!(again.iter().map(|it| it.id).collect::<Vec<_>>(), [Some(id)]);
    server.stop();
    server = place.serve();
    let answer = wait_a_moment(&server);
    assert_eq!(answer["status"], "failed", "{answer}");
    let again = events_since(&server, id - 1, "ci.failed");
    assert_eq!(again.iter().map(|it| it.id).collect::<Vec<_>>(), [Some(id)]);
}

#[test]
fn pull_requests_of_claims_are_watched_after_each_sync() {
    let (world, head) = world();
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    submitted(&server);
    let mut events = server.events("", None);
    assert_eq!(waiting(&server), Value::Null);
    let rollups = |place: &Place| {
        let requests = place.github.requests();
        let of_name =
            |it: &&crate::github::RequestRecord| it.operation.as_deref() == Some("Rollups");
        requests.iter().filter(of_name).count()
    };
    until("the checks are asked for", || holds(rollups(&place) >= 2));
    let looked = |requests: &[crate::github::RequestRecord]| {
        requests
            .iter()
            .filter(|it| it.path.contains("/check-runs?"))
            .count()
    };
    assert_eq!(looked(&place.github.requests()), 0, "nothing has failed");
    fail(&place, &head);
    let event = events.next_of("ci.failed");
    assert_eq!(event.data["tests"], json!(["tests/test_a.py::test_b"]));
    assert_eq!(waiting(&server), json!(["ci failing"]));
    // It passes when it is run again; then a push fails.
    place.github.change(|world| {
        let merges = &mut world.repository("acme/api").merges;
        merges
            .forget_checks(&head)
            .check_run(&head, "test", "success");
    });
    until("it is seen to pass", || {
        holds(waiting(&server) == json!(["ready to merge"]))
    });
    let pushed = "f".repeat(40);
    place.github.change(|world| {
        let issue = world.issue("acme/api", 2);
        issue.pull_request.as_mut().expect("it is one").head_sha = pushed.clone();
    });
    fail(&place, &pushed);
    let event = events.next_of("ci.failed");
    assert_eq!(event.data["head_sha"], json!(pushed));
    // What is known to fail is not looked at again.
    until("it is settled", || holds(rollups(&place) >= 2));
    place.github.clear_requests();
    until("some more syncs", || holds(rollups(&place) >= 3));
    assert_eq!(looked(&place.github.requests()), 0);
}

#[test]
fn a_check_that_was_stopped_is_no_failure_while_others_run() {
    let (mut world, head) = world();
    let merges = &mut world.repository("acme/api").merges;
    merges.check_run(&head, "stopped", "cancelled");
    let place = Place::new(world);
    let server = place.serve_synced();
    submitted(&server);
    assert_eq!(wait_a_moment(&server)["status"], "running");
    assert_eq!(waiting(&server), Value::Null);
    assert!(events_since(&server, 0, "ci.failed").is_empty());
}

#[test]
fn the_watch_ends_with_the_owner() {
    let (world, _) = world();
    let place = Place::new(world);
    let server = place.serve_synced();
    wait_a_moment(&server);
    place.github.clear_requests();
    place.github.inject(Fault::stall().on("/check-runs"));
    place.until_asked(|requests| {
        requests
            .iter()
            .any(|request| request.path.contains("/check-runs"))
    });
    // It asserts that the end is clean and soon.
    server.stop();
}

#[test]
fn nobody_hears_of_pull_requests_that_nobody_works_on() {
    let (world, head) = world();
    let place = Place::new(world);
    let server = place.serve_synced();
    fail(&place, &head);
    let answer = server.tool(TOOL, json!({"pr": "acme/api#2"})).expect(200);
    assert_eq!(answer["status"], "failed");
    assert!(events_since(&server, 0, "ci.failed").is_empty());
}

/// A pull request whose checks passed and on which two threads wait, and its head.
fn green_with_two_threads() -> (World, String) {
    let (mut world, head) = world();
    let repository = world.repository("acme/api");
    repository
        .merges
        .forget_checks(&head)
        .check_run(&head, "test", "success");
    let pull = world.issue("acme/api", 2);
    pull.thread("lea", "src/db.rs", 42, "This can inject SQL.");
    pull.thread("kim", "src/db.rs", 43, "Name it better.");
    (world, head)
}

/// Until `get_my_claims` says this of the claim.
fn until_waiting(server: &Server, words: &Value) {
    until(&words.to_string(), || holds(waiting(server) == *words));
}

#[test]
fn claims_tell_all_that_waits_for_them_from_one_question() {
    let (world, _) = green_with_two_threads();
    let place = Place::new(world).with("SYNC_INTERVAL_MINUTES", 0.01);
    let server = place.serve_synced();
    submitted(&server);
    until_waiting(&server, &json!(["2 comments await you"]));
    let say = |state: &str, mergeable: &str| {
        place.github.change(|world| {
            let merges = &mut world.repository("acme/api").merges;
            merges.say_of(2, "mergeStateStatus", json!(state)).say_of(
                2,
                "mergeable",
                json!(mergeable),
            );
        });
    };
    say("DIRTY", "CONFLICTING");
    until_waiting(&server, &json!(["conflicts", "2 comments await you"]));
    say("CLEAN", "MERGEABLE");
    until_waiting(&server, &json!(["2 comments await you"]));
    // Somebody answers on the page of GitHub, and the other thread is resolved there.
    place.github.change(|world| {
        let pull = world.issue("acme/api", 2);
        pull.reply("octo", "Done.");
        pull.reviews().threads[0].resolved = true;
    });
    until_waiting(&server, &json!(["ready to merge"]));
    for record in place.github.requests() {
        if record.operation.as_deref() == Some("Rollups") {
            assert_eq!(record.points, 1, "{record:?}");
        }
    }
    // What is not known is not told as ready.
    say("UNKNOWN", "UNKNOWN");
    until_waiting(&server, &Value::Null);
    say("CLEAN", "MERGEABLE");
    until_waiting(&server, &json!(["ready to merge"]));
    // A push whose checks fail, and then one whose checks run.
    let push = |sha: &str, conclusion: &str| {
        place.github.change(|world| {
            world.issue("acme/api", 2).push(sha, &["src/db.rs"]);
            let merges = &mut world.repository("acme/api").merges;
            merges.check_run(sha, "test", conclusion);
        });
    };
    push(&"e".repeat(40), "failure");
    until_waiting(&server, &json!(["ci failing"]));
    push(&"f".repeat(40), "in_progress");
    until_waiting(&server, &Value::Null);
    place.github.change(|world| {
        world.issue("acme/api", 2).reviews().threads[0].resolved = false;
    });
    until_waiting(&server, &json!(["1 comment awaits you"]));
    // What people say in the conversation is seen, too; bots report there.
    place.github.change(|world| {
        let pull = world.issue("acme/api", 2);
        pull.comment("coverage[bot]", "93 %, 1 % more.");
        pull.comment("kim", "Please rebase.");
    });
    until_waiting(&server, &json!(["2 comments await you"]));
    // The body of a review is known to whoever asked. An answer ends both.
    place.github.change(|world| {
        let pull = world.issue("acme/api", 2);
        pull.review("lea", "COMMENTED", "Not yet.");
    });
    let asked = json!({"pr": "acme/api#2"});
    server.tool("find_unresolved_comments", asked).expect(200);
    until_waiting(&server, &json!(["3 comments await you"]));
    place.github.change(|world| {
        world.issue("acme/api", 2).comment("octo", "Done.");
    });
    until_waiting(&server, &json!(["1 comment awaits you"]));
}

#[test]
fn what_tools_learned_goes_with_the_head_and_with_what_is_resolved() {
    let (mut world, _) = green_with_two_threads();
    let pull = world.issue("acme/api", 2);
    let threads = pull.reviews().threads.iter();
    let threads: Vec<String> = threads.map(|thread| thread.node_id()).collect();
    // No sync comes by itself.
    let place = Place::new(world);
    let server = place.serve_synced();
    submitted(&server);
    let pull = || json!({"pr": "acme/api#2"});
    server.tool("check_merge_readiness", pull()).expect(200);
    assert_eq!(waiting(&server), json!(["ready to merge"]));
    server.tool("find_unresolved_comments", pull()).expect(200);
    assert_eq!(waiting(&server), json!(["2 comments await you"]));
    let resolve = |thread: &str, more: Value| {
        let mut arguments = json!({"pr": "acme/api#2", "thread_id": thread});
        for (name, value) in more.as_object().into_iter().flatten() {
            arguments[name] = value.clone();
        }
        server.tool("resolve_review_thread", arguments).expect(200)
    };
    resolve(&threads[0], json!({}));
    assert_eq!(waiting(&server), json!(["1 comment awaits you"]));
    resolve(&threads[0], json!({}));
    assert_eq!(waiting(&server), json!(["1 comment awaits you"]), "once");
    resolve(&threads[0], json!({"unresolve": true}));
    assert_eq!(waiting(&server), json!(["2 comments await you"]));
    resolve(&threads[0], json!({}));
    resolve(&threads[1], json!({"reply": "Done."}));
    assert_eq!(waiting(&server), json!(["ready to merge"]));
    let pushed = "f".repeat(40);
    place.github.change(|world| {
        world.issue("acme/api", 2).push(&pushed, &["src/db.rs"]);
        let merges = &mut world.repository("acme/api").merges;
        merges.check_run(&pushed, "test", "in_progress");
    });
    // Whatever sees the new head puts an end to what was known of the old one.
    let looked = server.tool("get_failing_tests", pull()).expect(200);
    assert_eq!(looked["status"], "running", "{looked}");
    assert_eq!(waiting(&server), Value::Null);
}

#[test]
fn what_was_learned_is_handed_to_the_next_owner_once() {
    let (mut world, _) = world();
    let pull = world.issue("acme/api", 2);
    pull.thread("lea", "src/db.rs", 42, "This can inject SQL.");
    pull.review("lea", "COMMENTED", "Not yet.");
    // No sync comes by itself, and no look at many pull requests is answered.
    let place = Place::new(world);
    place.github.inject(Fault::bad_gateway().on("Rollups"));
    let server = place.serve_synced();
    submitted(&server);
    let asked = json!({"pr": "acme/api#2"});
    server.tool("find_unresolved_comments", asked).expect(200);
    let two = json!(["2 comments await you"]);
    assert_eq!(waiting(&server), two);
    server.stop();
    let server = place.serve();
    assert_eq!(waiting(&server), two);
    // Who ends without a last word hands nothing over, nothing old either.
    server.kill();
    assert_eq!(waiting(&place.serve()), Value::Null);
}
