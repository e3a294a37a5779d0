//! `detect_merge_conflicts` from end to end: what GitHub is asked, what is told when it does not
//! answer, and the answer over every transport. Whether git agrees is proven in `merge_scenarios`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;

use serde_json::{Value, json};

use crate::github::{Fault, World};
use crate::merge_lab::{Lab, Merge};
use crate::support::{Cost, Place, Server, field};

const TOOL: &str = "detect_merge_conflicts";

/// One conflict in `src/db.rs`, one file that merges, one that only the pull request touches.
const ONE: Merge = Merge {
    name: "one",
    ancestor: "put src/db.rs a b c d e; put Cargo.toml 1 2 3 4 5; put other 1",
    pr: "put src/db.rs a b x1 x2 d e; put Cargo.toml 0 2 3 4 5; put other 2",
    target: "put src/db.rs new a b y d e; put Cargo.toml 1 2 3 4 6",
};

fn lab(merges: &[Merge]) -> Lab {
    let lab = Lab::new();
    for (place, merge) in merges.iter().enumerate() {
        lab.add(place + 1, merge);
    }
    lab
}

fn one() -> (Lab, Place) {
    let lab = lab(&[ONE]);
    let place = Place::new(lab.world(1));
    (lab, place)
}

#[track_caller]
fn ask(server: &Server, number: u64, more: Value) -> Value {
    let mut arguments = json!({"pr": format!("acme/api#{number}")});
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    server.tool(TOOL, arguments).expect(200)
}

fn steps(answer: &Value) -> Vec<&str> {
    let steps = answer["instructions"]["resolution_steps"].as_array();
    let steps = steps.into_iter().flatten();
    steps.filter_map(Value::as_str).collect()
}

#[test]
fn a_conflict_costs_eleven_processes_and_the_next_look_one() {
    let (_lab, place) = one();
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = ask(&server, 1, json!({}));
    // The pull request, two comparisons, the trees, three blobs of each of two files, commits.
    assert_eq!(place.cost(), Cost::is(11, 10, 1));
    assert_eq!(answer["has_conflicts"], true);
    assert_eq!(answer["mergeable"], "conflicting");
    assert_eq!(answer["method"], "exact");
    assert_eq!(
        (&answer["target"], &answer["target_ahead_by"]),
        (&json!("base-1"), &json!(1))
    );
    assert_eq!(answer["clean_overlaps"], json!(["Cargo.toml"]));
    assert!(field(&answer, "ci_note").contains("pull_request"));
    let conflict = &answer["conflicts"][0];
    assert_eq!(
        (&conflict["path"], &conflict["type"]),
        (&json!("src/db.rs"), &json!("content"))
    );
    let region = json!({"pr_lines": [3, 4], "target_lines": [4, 4], "pr": "x1\nx2", "target": "y",
        "ancestor": "c"});
    assert_eq!(conflict["regions"], json!([region]));
    let commit = &conflict["target_commits"][0];
    assert_eq!(commit["subject"], "theirs of one (#157)");
    assert_eq!(
        (&commit["pr"], &commit["author"]),
        (&json!(157), &json!("Kim"))
    );
    assert!(answer["warnings"].is_null() && answer["next_cursor"].is_null());
    place.github.clear_requests();
    let again = ask(&server, 1, json!({}));
    assert_eq!(again["conflicts"], answer["conflicts"]);
    // Memory serves the rest.
    place.assert_repeat(1, 0);
}

#[test]
fn every_transport_tells_the_same() {
    let (_lab, place) = one();
    let server = place.serve_synced();
    let without_time = |mut answer: Value| {
        answer["fetched_at"].take();
        answer
    };
    let answer = without_time(ask(&server, 1, json!({})));
    let client = place.mcp().joined();
    let told = client.tool(TOOL, json!({"pr": "acme/api#1"}));
    assert_eq!(without_time(told.record()), answer);
    let ran = place.cli(&["detect-merge-conflicts", "--pr", "acme/api#1", "--json"]);
    assert_eq!(without_time(ran.json()), answer);
    let ran = place.cli(&["detect-merge-conflicts", "--pr", "acme/api#1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "acme/api#1 at ",
        " into base-1: conflicts in 1 files\n",
        "src/db.rs: content\n  pull request, lines 3-4:\n    x1\n    x2\n  target, lines 4-4:\n    y\n",
        " theirs of one (#157), by Kim\n",
        "both changed, and it merges: Cargo.toml\n",
        "\ngit merge origin/base-1\n",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} in {}", ran.stdout);
    }
}

#[test]
fn what_github_merges_is_not_looked_into_unless_asked() {
    let (lab, place) = one();
    let server = place.serve_synced();
    place
        .github
        .change(|world| lab.says(world.repository("acme/api"), 1, true));
    place.github.clear_requests();
    let answer = ask(&server, 1, json!({}));
    assert_eq!(place.github.requests().len(), 3);
    assert_eq!(answer["has_conflicts"], false);
    assert_eq!(answer["method"], "fast");
    assert_eq!(answer["clean_overlaps"], json!(["Cargo.toml", "src/db.rs"]));
    assert!(steps(&answer).is_empty(), "{answer}");
    // Where git and GitHub differ both are told.
    let answer = ask(&server, 1, json!({"mode": "exact"}));
    assert_eq!(answer["has_conflicts"], true);
    assert_eq!(answer["mergeable"], "mergeable");
    assert!(field(&answer, "disagreement").contains("attributes"));
}

#[test]
fn what_was_not_found_is_said() {
    // A folder that one side renamed and the other added to: git calls that a conflict.
    let moved = Merge {
        name: "moved",
        ancestor: "for f in 1 2 3; do put old/$f $f-1 $f-2 $f-3 $f-4; done",
        pr: "put old/4 4",
        target: "git mv old new",
    };
    let lab = lab(&[moved]);
    let mut world = lab.world(1);
    let conflicts = lab.shell("git merge-tree --write-tree base-1 pr-1");
    assert_eq!(conflicts.status.code(), Some(1));
    lab.says(world.repository("acme/api"), 1, false);
    let place = Place::new(world);
    let server = place.serve_synced();
    let answer = ask(&server, 1, json!({}));
    assert_eq!(answer["has_conflicts"], true);
    assert_eq!(answer["conflicts"], json!([]));
    assert_eq!(answer["unlocated"], true);
    let command = "git merge-tree --write-tree --name-only origin/base-1 HEAD";
    assert!(steps(&answer).contains(&command), "{answer}");
}

#[test]
fn what_github_still_computes_is_waited_for() {
    let (lab, place) = one();
    let server = place.serve_synced();
    let unknown = |world: &mut World| {
        let merges = &mut world.repository("acme/api").merges;
        merges.say_of(1, "mergeable", json!("UNKNOWN"));
        merges.say_of(1, "mergeStateStatus", json!("UNKNOWN"));
    };
    place.github.change(unknown);
    let answer = ask(&server, 1, json!({"wait_seconds": 0}));
    assert_eq!(answer["mergeable"], "computing");
    assert_eq!(answer["retry_after"], 5);
    assert_eq!(answer["has_conflicts"], true, "git needs no word of GitHub");
    place.github.clear_requests();
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(&server, 1, json!({})));
        place.until_asked(|requests| !requests.is_empty());
        let change = |world: &mut World| lab.says(world.repository("acme/api"), 1, false);
        place.github.change(change);
        waiting.join().expect("it answers")
    });
    assert_eq!(answer["mergeable"], "conflicting");
}

#[test]
fn another_target_is_judged_without_github() {
    let (lab, place) = one();
    lab.run("git branch release/1.0 base-1~1");
    lab.run("git checkout -q -b other base-1~1 && echo z > other && git commit -qam other");
    let server = place.serve_synced();
    let answer = ask(&server, 1, json!({"target_branch": "release/1.0"}));
    assert_eq!(answer["has_conflicts"], false, "{answer}");
    assert_eq!(answer["target_ahead_by"], 0);
    assert!(answer["mergeable"].is_null() && answer["mergeable_state"].is_null());
    let answer = ask(&server, 1, json!({"target_branch": "other"}));
    assert_eq!(answer["has_conflicts"], true);
    assert_eq!(answer["conflicts"][0]["path"], "other");
    assert!(steps(&answer).contains(&"git merge origin/other"));
}

#[test]
fn what_cannot_be_asked_is_refused_with_words() {
    let unrelated = Merge {
        name: "unrelated",
        ..ONE
    };
    let lab = lab(&[ONE, unrelated]);
    let mut world = lab.world(2);
    world.repository("acme/api").add_issue("No pull request");
    world.close_pull_request("acme/api", 2);
    let place = Place::new(world);
    let server = place.serve_synced();
    for (arguments, status, code) in [
        (json!({"pr": "acme/api"}), 400, "invalid_argument"),
        (
            json!({"pr": "acme/api#1", "mode": "guess"}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "max_files": 0}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "max_files": 51}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "wait_seconds": 46}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "target_branch": "a..b"}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "cursor": "x"}),
            400,
            "invalid_argument",
        ),
        (
            json!({"pr": "acme/api#1", "target_branch": "gone"}),
            400,
            "target_not_found",
        ),
        (
            json!({"pr": "acme/api#1", "target_branch": "base-2"}),
            409,
            "no_common_ancestor",
        ),
        (json!({"pr": "acme/api#2"}), 409, "pr_not_open"),
        (json!({"pr": "acme/api#3"}), 400, "not_a_pull_request"),
        (json!({"pr": "acme/api#99"}), 404, "not_found"),
    ] {
        let answer = server.tool(TOOL, arguments.clone());
        assert_eq!(answer.status, status, "{arguments}: {}", answer.text());
        assert_eq!(answer.json()["code"], code, "{arguments}");
        assert!(!field(&answer.json(), "suggestion").is_empty());
    }
}

#[test]
fn what_is_not_told_degrades_and_is_said() {
    let (_lab, place) = one();
    let server = place.serve_synced();
    let forbidden = r#"{"message":"Resource not accessible by personal access token"}"#;
    let touch = || {
        place.github.clear_faults();
        place.github.change(|world| {
            world.issue("acme/api", 1).touch();
        });
    };
    for (part, source, method, estimated) in [
        ("MergeTrees", "trees", "fast", true),
        ("/git/blobs/", "files", "exact", true),
        ("/commits?", "commits", "exact", false),
    ] {
        place.github.inject(Fault::respond(403, forbidden).on(part));
        let answer = ask(&server, 1, json!({"with_open_prs": true}));
        assert_eq!(answer["warnings"][0]["source"], source, "{answer}");
        assert_eq!(answer["method"], method, "{part}");
        assert_eq!(answer["has_conflicts"], true, "GitHub says so");
        let conflict = &answer["conflicts"][0];
        assert_eq!(conflict["path"], "src/db.rs", "{part}");
        assert_eq!(conflict["estimated"] == true, estimated, "{part}");
        touch();
    }
    place
        .github
        .inject(Fault::respond(403, forbidden).on("OpenPrFiles"));
    let answer = ask(&server, 1, json!({"with_open_prs": true}));
    assert_eq!(answer["warnings"][0]["source"], "open_pull_requests");
    assert!(
        answer["other_open_prs"].is_null(),
        "unknown is not none: {answer}"
    );
}

#[test]
fn without_git_names_and_patches_must_do() {
    let (_lab, mut place) = one();
    place.set("PATH", "/nonexistent");
    let server = place.serve_synced();
    let answer = ask(&server, 1, json!({}));
    assert_eq!(answer["method"], "fast");
    assert_eq!(answer["warnings"][0]["source"], "git");
    assert_eq!(answer["conflicts"][0]["path"], "src/db.rs");
    assert_eq!(answer["conflicts"][0]["estimated"], true);
    assert_eq!(answer["clean_overlaps"], json!(["Cargo.toml"]));
}

#[test]
fn other_open_pull_requests_and_their_claims_are_told() {
    let (lab, _) = one();
    let mut world = lab.world(1);
    let git = lab.git();
    for (branch, script) in [
        ("near", "sed -i s/c/z/ src/db.rs"),
        ("apart", "sed -i s/a/z/ src/db.rs"),
        ("renames", "git mv src/db.rs src/database.rs"),
        ("elsewhere", "echo > unrelated"),
    ] {
        lab.run(&format!(
            "git checkout -q -f -b {branch} base-1~1 && {script} && git add -A && git commit -qm {branch}"
        ));
        let repository = world.repository("acme/api");
        let pull = repository.add_pull_request(branch, &[]).head(branch);
        let number = pull.number;
        let details = pull.pull_request.as_mut().expect("it is one");
        details.base_ref = "base-1".to_owned();
        details.head_sha = git.branch(branch).expect("it was made");
        for file in git.changed_files("base-1~1", branch) {
            repository.merges.changes_file(number, file);
        }
    }
    let issue = world.repository("acme/api").add_issue("Find it").number;
    let place = Place::new(world);
    let server = place.serve_synced();
    let claim = server.granted("agent-3", issue);
    let update = |body: Value| server.patch(&claim, body).expect(200);
    update(json!({"status": "in_progress"}));
    let url = "https://github.com/acme/api/pull/2";
    update(json!({"status": "pr_submitted", "pr_url": url}));
    place.github.clear_requests();
    let answer = ask(&server, 1, json!({"with_open_prs": true}));
    let requests = place.github.requests().len();
    assert_eq!(requests, 15, "{:?}", place.github.requests());
    let others = answer["other_open_prs"]
        .as_array()
        .expect("there is a list");
    let told: Vec<(u64, &str)> = others
        .iter()
        .map(|other| {
            (
                other["pr"].as_u64().expect("a number"),
                field(other, "overlap"),
            )
        })
        .collect();
    // A rename without a change has no patch.
    assert_eq!(told, [(2, "lines"), (4, "files"), (3, "apart")], "{answer}");
    assert_eq!(others[0]["paths"], json!(["src/db.rs"]));
    let place_told = json!([{"path": "src/db.rs", "lines": [3, 4], "their_lines": [3, 3]}]);
    assert_eq!(others[0]["places"], place_told);
    assert_eq!(
        (field(&others[0], "claim"), field(&others[0], "agent")),
        (&*claim, "agent-3")
    );
    assert!(others[1]["claim"].is_null());
    place.github.clear_requests();
    ask(&server, 1, json!({"with_open_prs": true}));
    assert_eq!(place.github.requests().len(), 1, "memory serves the rest");
    let text = place.cli(&[
        "detect-merge-conflicts",
        "--pr",
        "acme/api#1",
        "--with-open-prs",
    ]);
    let line = format!("#2 near, by agent-3 (claim {claim}): same lines in src/db.rs");
    assert!(text.stdout.contains(&line), "{text:?}");
    let met = "\n  src/db.rs:3-4, there 3\n";
    assert!(text.stdout.contains(met), "{text:?}");
}

#[test]
fn many_conflicts_come_in_pages() {
    let script = |word: &str| -> &'static str {
        let mut script = String::new();
        for file in 0..30 {
            let _ = write!(
                script,
                "put dir/file-{file} {word} {word} {word} {word} {word} {word}; "
            );
        }
        script.leak()
    };
    let many = Merge {
        name: "many",
        ancestor: script("some-line-of-the-common-ancestor"),
        pr: script("some-line-of-the-pull-request-that-is-long"),
        target: script("some-line-of-the-target-that-is-long-as-well"),
    };
    let lab = lab(&[many]);
    let place = Place::new(lab.world(1));
    let server = place.serve_synced();
    let mut paths = BTreeSet::new();
    let mut arguments = json!({"max_files": 25});
    let (mut pages, mut places) = (0, 0);
    loop {
        let answer = ask(&server, 1, arguments.clone());
        assert!(answer.to_string().len() <= 8_192);
        if pages == 0 {
            assert_eq!(answer["total_conflicts"], 30);
            let reason = field(&answer["warnings"][0], "reason");
            assert!(reason.starts_with("25 of 30 files"), "{reason}");
        }
        let list = answer["conflicts"].as_array().expect("there is a list");
        assert!(!list.is_empty());
        paths.extend(
            list.iter()
                .map(|conflict| field(conflict, "path").to_owned()),
        );
        places += list
            .iter()
            .filter_map(|conflict| conflict["regions"].as_array())
            .map(Vec::len)
            .sum::<usize>();
        pages += 1;
        match answer["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    assert_eq!(paths.len(), 30);
    // Five files were not looked into.
    assert_eq!(places, 25);
    assert!(pages > 1);
    // A cursor is good for these commits only.
    lab.run("git checkout -q -f base-1 && git commit -q --allow-empty -m more");
    place.github.change(|world| {
        world.issue("acme/api", 1).touch();
    });
    let arguments = json!({"pr": "acme/api#1", "max_files": 25, "cursor": arguments["cursor"]});
    let moved = server.tool(TOOL, arguments).expect(409);
    assert_eq!(moved["code"], "head_moved");
}

#[test]
fn a_cursor_of_another_call_costs_no_request() {
    let script = |word: &str| -> &'static str {
        let lines = format!(" {}", word.repeat(12)).repeat(6);
        let puts = (0..25).map(|file| format!("put dir/file-{file}{lines}; "));
        puts.collect::<String>().leak()
    };
    let many = Merge {
        name: "many",
        ancestor: script("ancestor"),
        pr: script("pull"),
        target: script("target"),
    };
    let lab = lab(&[many]);
    let place = Place::new(lab.world(1));
    let server = place.serve_synced();
    let first = ask(&server, 1, json!({"with_open_prs": true}));
    let cursor = field(&first, "next_cursor");
    place.github.clear_requests();
    let refused = |arguments: Value| {
        let refused = server.tool(TOOL, arguments).expect(400);
        assert_eq!(field(&refused, "code"), "invalid_argument");
        assert_eq!(place.github.requests().len(), 0, "{refused}");
        refused
    };
    refused(json!({"pr": "acme/api#1", "cursor": "garbage"}));
    // A flag that is missing makes it another call, whatever has changed meanwhile.
    let other = refused(json!({"pr": "acme/api#1", "cursor": cursor}));
    assert_eq!(
        field(&other, "error"),
        "this cursor does not belong to this call"
    );
    let second = ask(&server, 1, json!({"with_open_prs": true, "cursor": cursor}));
    assert!(second["total_conflicts"].is_null(), "{second}");
}

#[test]
fn large_places_are_left_out_where_they_do_not_fit() {
    let script = |word: &str| -> &'static str {
        // JSON writes each of these as six bytes.
        let line = format!("'{}{}'", word.repeat(20), "\u{1}".repeat(40));
        let mut script = "put a".to_owned();
        for block in 0..5 {
            let _ = write!(
                script,
                "{} 1-{block} 2-{block}",
                format!(" {line}").repeat(6)
            );
        }
        script.leak()
    };
    let large = Merge {
        name: "large",
        ancestor: script("x"),
        pr: script("y"),
        target: script("z"),
    };
    let lab = lab(&[large]);
    let place = Place::new(lab.world(1));
    let server = place.serve_synced();
    let answer = server.tool(TOOL, json!({"pr": "acme/api#1"})).expect(200);
    assert!(answer.to_string().len() <= 8_192);
    let conflict = &answer["conflicts"][0];
    let told = conflict["regions"].as_array().expect("some fit").len();
    assert_eq!(conflict["more_regions"], 5 - told, "{answer}");
}

#[test]
fn a_target_with_many_files_is_looked_up() {
    let wide = Merge {
        name: "wide",
        ancestor: "put z 1; put zz 1 2 3 4 5",
        pr: "put z 2; put zz 0 2 3 4 5; put a-305 1",
        target: "for f in $(seq 1 320); do put a-$f x; done; put z 3; put zz 1 2 3 4 6",
    };
    let lab = lab(&[wide]);
    let place = Place::new(lab.world(1));
    let server = place.serve_synced();
    let answer = ask(&server, 1, json!({}));
    let told: BTreeSet<String> = answer["conflicts"]
        .as_array()
        .expect("there is a list")
        .iter()
        .map(|conflict| field(conflict, "path").to_owned())
        .collect();
    assert_eq!(told, lab.conflicts("base-1", "pr-1"), "{answer}");
    assert_eq!(answer["clean_overlaps"], json!(["zz"]));
    assert_eq!(answer["warnings"][0]["source"], "compare");
}

#[test]
fn what_a_large_target_may_have_renamed_is_not_called_a_conflict() {
    let renamed = Merge {
        name: "renamed",
        ancestor: "put old.rs 1 2 3 4 5 6 7 8; put gone.rs 1 2 3",
        pr: "put old.rs 1 2 3 4 5 6 7 x; put gone.rs 1 2 x",
        target: "for f in $(seq 1 320); do put a-$f x; done; git mv old.rs z.rs; put z.rs x 2 3 4 5 6 7 8",
    };
    let lab = lab(&[renamed]);
    assert!(lab.conflicts("base-1", "pr-1").is_empty());
    let place = Place::new(lab.world(1));
    let server = place.serve_synced();
    for mode in ["auto", "exact", "fast"] {
        let answer = ask(&server, 1, json!({"mode": mode}));
        assert_eq!(answer["mergeable"], "mergeable", "{answer}");
        assert_eq!(answer["has_conflicts"], false, "{mode}: {answer}");
        assert_eq!(answer["conflicts"], json!([]), "{mode}");
        assert!(answer["disagreement"].is_null() && answer["instructions"].is_null());
        assert_eq!(answer["clean_overlaps"], json!(["old.rs"]));
        assert_eq!(
            field(&answer["warnings"][0], "effect"),
            "a file that it renamed looks deleted"
        );
    }
    // Without GitHub's word it stays open whether that is a conflict.
    place.github.change(|world| {
        let merges = &mut world.repository("acme/api").merges;
        merges.say_of(1, "mergeable", json!("UNKNOWN"));
        merges.say_of(1, "mergeStateStatus", json!("UNKNOWN"));
    });
    let answer = ask(&server, 1, json!({"wait_seconds": 0}));
    assert!(answer["has_conflicts"].is_null(), "{answer}");
    assert_eq!(answer["conflicts"][0]["type"], "modify_delete");
    assert_eq!(answer["conflicts"][0]["estimated"], true);
    let text = place.cli(&[
        "detect-merge-conflicts",
        "--pr",
        "acme/api#1",
        "--wait-seconds",
        "0",
    ]);
    assert!(
        text.stdout
            .contains("modify_delete, judged by patches or names alone"),
        "{text:?}"
    );
}

#[test]
fn the_steps_lead_to_a_merge() {
    let (lab, place) = one();
    let server = place.serve_synced();
    let answer = ask(&server, 1, json!({}));
    // Pushing to a branch that is checked out is refused.
    lab.run("git checkout -q -f start");
    lab.run("git clone -q . clone");
    for step in steps(&answer) {
        let output = lab.shell(&format!("cd clone\n{step}"));
        if step.starts_with("git merge origin/") {
            assert_eq!(output.status.code(), Some(1), "it stops at the conflict");
            lab.run("cd clone && printf 'solved\\n' > src/db.rs && git add src/db.rs");
        } else {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{step}: {errors}");
        }
    }
    assert!(lab.conflicts("base-1", "pr-1").is_empty());
    assert_eq!(lab.run("git show pr-1:src/db.rs"), "solved");
}
