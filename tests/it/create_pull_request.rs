//! Pull requests from files and from branches: the real gh against a stand-in whose repository is
//! a real git repository, in which git itself tells what was written.

use std::time::Duration;

use serde_json::{Value, json};

use crate::github::{Fault, Store, World};
use crate::support::{Answer, Cost, Place, all_at_once, field, issues};

const TOOL: &str = "create_pull_request";
const LOGO: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff";

/// A world with the issue `acme/api#1` and a repository with some files.
fn world() -> World {
    let mut world = issues(1);
    world.repository("acme/api").store = Some(Store::new(&[
        ("README.md", "100644", b"old\n"),
        ("run.sh", "100755", b"#!/bin/sh\n"),
        ("src/a.rs", "100644", b"a\n"),
        ("src/b.rs", "100644", b"b\n"),
        ("link", "120000", b"README.md"),
    ]));
    world
}

fn ask(head: &str, files: Value) -> Value {
    json!({"repo": "acme/api", "title": "Fix it", "body": "Because.", "head": head, "files": files})
}

fn edit() -> Value {
    json!([{"path": "README.md", "content": "new\n"}])
}

fn with(mut arguments: Value, name: &str, value: Value) -> Value {
    arguments[name] = value;
    arguments
}

/// Looks at the repository.
fn git<R>(place: &Place, look: impl FnOnce(&Store) -> R) -> R {
    place.github.change(|world| {
        let repository = world.repository("acme/api");
        look(repository.store.as_ref().expect("there is a store"))
    })
}

/// Numbers and branches of the pull requests.
fn pulls(place: &Place) -> Vec<(u64, String)> {
    place.github.change(|world| {
        let issues = world.repository("acme/api").issues.values();
        let pulls = issues.filter_map(|issue| {
            let pull = issue.pull_request.as_ref()?;
            Some((issue.number, pull.head_ref.clone()))
        });
        pulls.collect()
    })
}

/// Requests since the record was cleared, as methods and last parts of paths.
fn asked(place: &Place) -> Vec<String> {
    let requests = place.github.requests();
    let of = |path: &str| {
        path.split('?')
            .next()
            .unwrap_or(path)
            .replace("/repos/acme/api", "")
    };
    requests
        .iter()
        .map(|it| format!("{} {}", it.method, of(&it.path)))
        .collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    let error = answer.expect(status);
    assert_eq!(error["code"], code, "{error}");
    assert!(!field(&error, "suggestion").is_empty());
    error
}

#[test]
fn files_become_one_commit_and_a_pull_request() {
    let place = Place::new(world());
    let server = place.serve_synced();
    place.github.clear_requests();
    let call = with(ask("fix/ü-1", edit()), "draft", json!(true));
    let answer = server.tool(TOOL, call.clone()).expect(200);
    let tip = git(&place, |git| git.tip("fix/ü-1")).expect("there is a branch");
    let expected = json!({"number": 2, "url": "https://github.com/acme/api/pull/2",
        "head": "fix/ü-1", "base": "main", "created": true, "head_sha": tip[..7], "draft": true});
    assert_eq!(answer, expected);
    assert_eq!(
        asked(&place),
        [
            "GET /pulls",
            "GET ",
            "GET /branches/main",
            "POST /graphql",
            "POST /git/trees",
            "POST /git/commits",
            "POST /git/refs",
            "POST /pulls",
        ]
    );
    assert_eq!(place.cost(), Cost::is(8, 7, 1));
    git(&place, |git| {
        assert_eq!(git.between("main", &tip).len(), 1);
        assert_eq!(
            git.must(&["show", "-s", "--format=%B", &tip], b"").trim(),
            "Fix it\n\nBecause."
        );
        assert_eq!(
            git.must(&["show", "--stat=80", "--format=", &tip], b"")
                .lines()
                .count(),
            2
        );
        assert_eq!(git.content(&tip, "README.md"), b"new\n");
        git.must(&["fsck", "--strict", "--no-dangling"], b"");
    });
    // Asked again: found, and the files are looked at.
    place.github.clear_requests();
    let again = server.tool(TOOL, call).expect(200);
    assert_eq!(again, with(expected, "created", json!(false)));
    assert_eq!(asked(&place), ["GET /pulls", "POST /graphql"]);
    // The list was not empty before: it is asked for anew once, and free of points from then on.
    place.github.clear_requests();
    server.tool(TOOL, ask("fix/ü-1", edit())).expect(200);
    place.assert_repeat(2, 1);
    // Asked again with other contents: said, not done.
    let other = json!([{"path": "README.md", "content": "newer\n"}]);
    let other = server.tool(TOOL, ask("fix/ü-1", other)).expect(200);
    assert_eq!(other["created"], false);
    let reason = "the open pull request has not got these changes: README.md";
    assert_eq!(other["warnings"][0]["reason"], reason, "{other}");
    assert_eq!(git(&place, |git| git.tip("fix/ü-1")), Some(tip));
    assert_eq!(pulls(&place).len(), 1);
}

#[test]
fn git_finds_what_was_asked_for() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let base64 = "iVBORw0KGgoA/w==";
    let files = json!([
        {"path": "run.sh", "content": "#!/bin/sh\nexit\n"},
        {"path": "src/a.rs", "executable": true},
        {"path": "src/b.rs", "delete": true},
        {"path": "new/tool", "content": "x", "executable": true},
        {"path": "docs/日本 ü/👨‍👩‍👧.md", "content": "é\r\n\u{1}"},
        {"path": "logo.png", "content": base64, "encoding": "base64"},
        {"path": "copy/logo.png", "content": base64, "encoding": "base64"},
        {"path": "text", "content": "aGk=", "encoding": "base64"},
        {"path": "empty", "content": ""},
        {"path": "README.md", "delete": true},
        {"path": "README.md/inside", "content": "1"},
        {"path": "link", "delete": true},
    ]);
    place.github.clear_requests();
    let answer = server.tool(TOOL, ask("change", files)).expect(200);
    assert!(answer["warnings"].is_null(), "{answer}");
    let blobs = asked(&place)
        .iter()
        .filter(|it| *it == "POST /git/blobs")
        .count();
    assert_eq!(blobs, 2, "binary and empty contents, each once");
    git(&place, |git| {
        let tip = git.tip("change").expect("there is a branch");
        let expected = [
            ("100644", "README.md/inside", &b"1"[..]),
            ("100644", "copy/logo.png", LOGO),
            ("100644", "docs/日本 ü/👨‍👩‍👧.md", "é\r\n\u{1}".as_bytes()),
            ("100644", "empty", b""),
            ("100644", "logo.png", LOGO),
            ("100755", "new/tool", b"x"),
            ("100755", "run.sh", b"#!/bin/sh\nexit\n"),
            ("100755", "src/a.rs", b"a\n"),
            ("100644", "text", b"hi"),
        ];
        let listed = git.must(&["ls-tree", "-r", "-z", &tip], b"");
        let listed: Vec<(&str, &str)> = listed
            .split_terminator('\0')
            .map(|line| (&line[..6], line.split_once('\t').expect("git's form").1))
            .collect();
        assert_eq!(listed, expected.map(|(mode, path, _)| (mode, path)));
        for (_, path, content) in expected {
            assert_eq!(git.content(&tip, path), content, "{path}");
        }
    });
}

#[test]
fn a_hundred_files_of_any_kind_are_one_commit() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let file = |number: usize| match number % 4 {
        0 => {
            json!({"path": format!("bin/{number}"), "content": "/w==", "encoding": "base64", "executable": true})
        }
        _ => {
            json!({"path": format!("ä/{}/{number}.txt", number % 7), "content": "text ".repeat(number)})
        }
    };
    let files: Vec<Value> = (1..=100).map(file).collect();
    place.github.clear_requests();
    let began = std::time::Instant::now();
    let call = ask("many", files.into());
    let answer = server.tool(TOOL, call.clone()).expect(200);
    assert_eq!(answer["created"], true, "{answer}");
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    // 8, one more query for the folders, and the 25 equal contents are one blob.
    assert_eq!(place.cost(), Cost::is(10, 8, 2));
    place.github.clear_requests();
    let again = server.tool(TOOL, call.clone()).expect(200);
    assert_eq!(again["created"], false);
    assert!(again["warnings"].is_null(), "{again}");
    assert_eq!(asked(&place), ["GET /pulls", "POST /graphql"]);
    assert_eq!(place.cost().graphql_points, 1);
    // Where that is too much for GitHub it is asked for by halves.
    let too_much = r#"{"data":{"repository":null},
        "errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"too much"}]}"#;
    place
        .github
        .inject(Fault::respond(200, too_much).on("Files").times(1));
    place.github.clear_requests();
    let halves = server.tool(TOOL, call).expect(200);
    assert!(halves["warnings"].is_null(), "{halves}");
    assert_eq!(place.cost().requests, 4, "{:?}", asked(&place));
    git(&place, |git| {
        let tip = git.tip("many").expect("there is a branch");
        assert_eq!(git.between("main", &tip).len(), 1);
        let added = git.must(&["diff", "--name-only", "-z", "main", &tip], b"");
        assert_eq!(added.split_terminator('\0').count(), 100);
        assert_eq!(
            git.content(&tip, "ä/1/99.txt"),
            "text ".repeat(99).as_bytes()
        );
    });
}

#[test]
fn the_claim_is_checked_before_and_moved_after() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let claim_id = server.granted("ada", 1);
    let stranger = with(ask("fix", edit()), "agent_id", json!("bob"));
    place.github.clear_requests();
    for (name, value) in [("claim_id", json!(claim_id)), ("issue_number", json!(1))] {
        let answer = server.tool(TOOL, with(stranger.clone(), name, value));
        refused(&answer, 409, "not_yours");
    }
    let mismatch = with(
        with(ask("fix", edit()), "claim_id", json!(claim_id)),
        "issue_number",
        json!(7),
    );
    refused(&server.tool(TOOL, mismatch), 400, "invalid_argument");
    assert!(
        place.github.requests().is_empty(),
        "nothing was asked or written"
    );
    let call = with(ask("fix", edit()), "claim_id", json!(claim_id));
    let answer = server.tool(TOOL, call.clone()).expect(200);
    assert_eq!(answer["claim_status"], "pr_submitted", "{answer}");
    let claim = server.claim_of("acme/api", 1).expect("there is a claim");
    assert_eq!(claim["status"], "pr_submitted");
    assert_eq!(claim["pr_url"], answer["url"]);
    let body = place
        .github
        .change(|world| world.issue("acme/api", 2).body.clone());
    assert_eq!(&*body, "Because.\n\nCloses #1");
    let again = server.tool(TOOL, call).expect(200);
    assert_eq!(
        (&again["created"], &again["claim_status"]),
        (&json!(false), &json!("pr_submitted"))
    );
    // By the issue's number, for whoever says their name.
    let by_number = with(ask("fix", edit()), "issue_number", json!(1));
    let nameless = server.tool(TOOL, by_number.clone()).expect(200);
    assert!(nameless["claim_status"].is_null(), "{nameless}");
    assert_eq!(nameless["warnings"][0]["source"], "claim");
    let named = server
        .tool(TOOL, with(by_number, "agent_id", json!("ada")))
        .expect(200);
    assert_eq!(named["claim_status"], "pr_submitted");
    server.delete(&claim_id).expect(200);
    let late = with(ask("late", edit()), "claim_id", json!(claim_id));
    refused(&server.tool(TOOL, late), 409, "claim_lost");
    assert_eq!(pulls(&place).len(), 1);
}

#[test]
fn the_issue_that_it_closes_must_be_one() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let number = |number: u64| with(ask("fix", edit()), "issue_number", json!(number));
    place.github.clear_requests();
    let missing = refused(&server.tool(TOOL, number(99)), 404, "not_found");
    assert!(
        field(&missing, "error").contains("acme/api#99"),
        "{missing}"
    );
    let looked = ["GET /pulls", "GET /issues/99"];
    assert_eq!(asked(&place), looked, "nothing was written");
    assert_eq!(git(&place, |git| git.tip("fix")), None);
    place.github.clear_requests();
    let first = server.tool(TOOL, number(1)).expect(200);
    assert_eq!(asked(&place)[1], "GET /issues/1");
    assert_eq!(place.cost().requests, 9, "one look more");
    assert_eq!(first["number"], 2);
    let body = place
        .github
        .change(|world| world.issue("acme/api", 2).body.clone());
    assert_eq!(&*body, "Because.\n\nCloses #1");
    // Its description says that it closes the issue: that is not looked up again.
    place.github.clear_requests();
    let again = server.tool(TOOL, number(1)).expect(200);
    assert_eq!(again["created"], false);
    assert_eq!(asked(&place), ["GET /pulls", "POST /graphql"]);
    // Where it does not say so, the issue must be one.
    refused(&server.tool(TOOL, number(99)), 404, "not_found");
    let pull = with(number(2), "head", json!("other"));
    let wrong = refused(&server.tool(TOOL, pull), 400, "not_an_issue");
    assert_eq!(wrong["suggestion"], "give the issue that it is about");
    // Of the issue of a claim nothing has to be asked.
    server.granted("ada", 1);
    place.github.clear_requests();
    let mine = with(number(1), "agent_id", json!("ada"));
    assert_eq!(server.tool(TOOL, mine).expect(200)["created"], false);
    assert!(!asked(&place).contains(&"GET /issues/1".to_owned()));
    // Who may not see issues may open pull requests all the same.
    let forbidden = r#"{"message":"Resource not accessible by personal access token"}"#;
    place
        .github
        .inject(Fault::respond(403, forbidden).on("/issues/98"));
    let unseen = with(number(98), "head", json!("unseen"));
    let answer = server.tool(TOOL, unseen).expect(200);
    assert_eq!(answer["created"], true, "{answer}");
    assert_eq!(answer["warnings"][0]["source"], "issue", "{answer}");
}

#[test]
fn a_lost_answer_makes_nothing_twice() {
    for lost in ["/git/trees", "/git/commits", "/git/refs", "/api/pulls"] {
        let place = Place::new(world()).with("GH_TIMEOUT_SECONDS", 2);
        let server = place.serve_synced();
        place.github.inject(Fault::answer_lost().on(lost).times(1));
        let answer = server.tool(TOOL, ask("fix", edit())).expect(200);
        assert_eq!(answer["created"], true, "{lost}: {answer}");
        git(&place, |git| {
            let tip = git.tip("fix").expect("there is a branch");
            assert_eq!(git.between("main", &tip).len(), 1, "{lost}");
        });
        assert_eq!(pulls(&place), [(2, "fix".to_owned())], "{lost}");
        let again = server.tool(TOOL, ask("fix", edit())).expect(200);
        assert_eq!(
            (&again["created"], &again["number"]),
            (&json!(false), &json!(2)),
            "{lost}"
        );
        assert!(again["warnings"].is_null(), "{again}");
    }
}

#[test]
fn a_call_takes_up_what_one_before_it_left() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let binary = json!([{"path": "logo.png", "content": "/w==", "encoding": "base64"}]);
    place.github.inject(
        Fault::server_error()
            .on("POST /repos/acme/api/pulls")
            .times(1),
    );
    let failed = server.tool(TOOL, ask("fix", binary.clone()));
    let error = refused(&failed, 502, "github_unavailable");
    assert!(
        field(&error, "suggestion").contains("nothing is done twice"),
        "{error}"
    );
    let tip = git(&place, |git| git.tip("fix")).expect("the branch is there");
    // Meanwhile the base goes on.
    git(&place, |git| {
        let main = git.tip("main").expect("there is a base");
        let next = git
            .commit("next", &git.tree_of(&main), &[&main])
            .expect("git takes it");
        git.must(&["update-ref", "refs/heads/main", &next], b"");
    });
    let answer = server.tool(TOOL, ask("fix", binary.clone())).expect(200);
    assert_eq!(answer["created"], true, "{answer}");
    assert_eq!(git(&place, |git| git.tip("fix")), Some(tip));
    // A branch that somebody made is left as it is, even without commits of its own: it may be what
    // is deployed.
    git(&place, |git| {
        let start = git.must(&["rev-parse", "main~1"], b"");
        git.create_branch("empty", &start).expect("it is new");
    });
    let before = git(&place, |git| git.tip("empty"));
    let refusal = server.tool(TOOL, ask("empty", binary.clone()));
    refused(&refusal, 409, "branch_exists");
    assert_eq!(git(&place, |git| git.tip("empty")), before);
    // After a squash the branch is still there with just this commit: all of it was merged.
    let number = answer["number"].as_u64().expect("it is one");
    place
        .github
        .change(|world| world.merge_pull_request("acme/api", number));
    let refusal = server.tool(TOOL, ask("fix", binary));
    refused(&refusal, 409, "already_merged");
}

#[test]
fn a_claim_is_not_moved_to_a_pull_request_for_something_else() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let first = server.tool(TOOL, ask("fix", edit())).expect(200);
    let claim = server.granted("agent-b", 1);
    let mut again = ask("fix", json!([]));
    again["claim_id"] = json!(claim);
    again["agent_id"] = json!("agent-b");
    let answer = server.tool(TOOL, again).expect(200);
    assert_eq!(answer["created"], false, "{answer}");
    assert_eq!(answer["number"], first["number"]);
    assert!(answer["claim_status"].is_null(), "{answer}");
    let warning = &answer["warnings"][0];
    assert!(field(warning, "reason").contains("closes #1"), "{answer}");
    let held = &server.claims()[0];
    assert_eq!(
        (&held["status"], &held["pr_url"]),
        (&json!("claimed"), &Value::Null)
    );
}

#[test]
fn the_same_call_twice_at_once_makes_one_pull_request() {
    let place = Place::new(world());
    let server = place.serve_synced();
    // Both are past the first look before either writes.
    let slow = Duration::from_millis(500);
    place
        .github
        .inject(Fault::delay(slow).on("/branches/main").times(2));
    let answers = all_at_once(2, |_| server.tool(TOOL, ask("fix", edit())).expect(200));
    let created = answers
        .iter()
        .filter(|answer| answer["created"] == true)
        .count();
    assert_eq!(created, 1, "{answers:?}");
    for answer in &answers {
        assert_eq!(answer["number"], 2, "{answers:?}");
        assert!(answer["warnings"].is_null(), "{answers:?}");
    }
    assert_eq!(pulls(&place), [(2, "fix".to_owned())]);
    git(&place, |git| {
        let tip = git.tip("fix").expect("there is a branch");
        assert_eq!(git.between("main", &tip).len(), 1);
    });
}

/// Puts a commit with one more file on a branch, as a push does.
fn push(place: &Place, branch: &str, file: &str) {
    git(place, |git| {
        let main = git.tip("main").expect("there is a base");
        let blob = git.blob(file.as_bytes());
        let listed = git.must(&["ls-tree", &main], b"");
        let tree = format!("{listed}\n100644 blob {blob}\t{file}\n");
        let tree = git.must(&["mktree"], tree.as_bytes());
        let commit = git.commit("pushed", &tree, &[&main]).expect("git takes it");
        git.must(
            &["update-ref", &format!("refs/heads/{branch}"), &commit],
            b"",
        );
    });
}

#[test]
fn a_pushed_branch_needs_no_files() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let mut call = ask("it's/pushed", json!([]));
    let missing = refused(&server.tool(TOOL, call.clone()), 400, "branch_missing");
    let next = "push it: git push -u origin 'it'\\''s/pushed'; or give files";
    assert_eq!(missing["suggestion"], next);
    push(&place, "it's/pushed", "one");
    place.github.clear_requests();
    let answer = server.tool(TOOL, call.clone()).expect(200);
    assert_eq!(answer["created"], true, "{answer}");
    assert_eq!(place.cost(), Cost::is(4, 2, 0), "{:?}", asked(&place));
    place.github.clear_requests();
    let again = server.tool(TOOL, call.clone()).expect(200);
    assert_eq!(
        (&again["created"], &again["number"]),
        (&json!(false), &answer["number"])
    );
    assert_eq!(asked(&place), ["GET /pulls"]);
    // Another base is another pull request.
    git(&place, |git| {
        let main = git.tip("main").expect("there is a base");
        git.create_branch("next", &main).expect("it is new");
    });
    let other = server
        .tool(TOOL, with(call.clone(), "base", json!("next")))
        .expect(200);
    assert_eq!(other["number"], 3, "{other}");
    // Merged, and asked once more: not opened again.
    place
        .github
        .change(|world| world.merge_pull_request("acme/api", 2));
    let merged = refused(&server.tool(TOOL, call.clone()), 409, "already_merged");
    assert_eq!(merged["number"], 2);
    let fork = server.tool(TOOL, with(call.clone(), "head", json!("bob:it's/pushed")));
    assert_eq!(fork.expect(200)["head"], "bob:it's/pushed");
    let requests = place.github.requests();
    let sent = &requests.last().expect("it was asked").request_body;
    assert!(sent.contains(r#""head":"bob:it's/pushed""#), "{sent}");
    call["head"] = json!("empty");
    git(&place, |git| {
        let main = git.tip("main").expect("there is a base");
        git.create_branch("empty", &main).expect("it is new");
    });
    refused(&server.tool(TOOL, call), 409, "no_commits");
}

#[test]
fn what_cannot_be_is_refused_with_the_next_step() {
    let place = Place::new(world());
    let server = place.serve_synced();
    let tool = |arguments: Value| server.tool(TOOL, arguments);
    for (name, value, told) in [
        ("title", json!(" "), "title must be one line"),
        ("title", json!("a\nb"), "title must be one line"),
        (
            "head",
            json!("a..b"),
            "head 'a..b' is no name for a branch: it holds .. or @{",
        ),
        ("head", json!("main"), "head and base are the same branch"),
        ("base", json!("a b"), "base 'a b' is no name for a branch"),
        (
            "head",
            json!("bob:fix"),
            "files cannot be committed to a fork",
        ),
        (
            "files",
            json!([{"path": "../x", "content": ""}]),
            "files[0] ('../x') has an empty name",
        ),
        (
            "files",
            json!([{"path": "x", "contents": ""}]),
            "files[0] has no field 'contents'",
        ),
        (
            "files",
            json!([{"path": "x", "content": 1}]),
            "'content' of files[0] must be a string",
        ),
        (
            "files",
            json!("x"),
            "'files' of create_pull_request must be an array",
        ),
        (
            "files",
            json!([1]),
            "'files[0]' of create_pull_request must be an object",
        ),
    ] {
        let error = refused(
            &tool(with(ask("fix", edit()), name, value)),
            400,
            "invalid_argument",
        );
        assert!(field(&error, "error").starts_with(told), "{error}");
    }
    let files = |files: Value| tool(ask("fix", files));
    refused(
        &files(json!([{"path": "src", "content": ""}])),
        400,
        "not_a_file",
    );
    refused(
        &files(json!([{"path": "README.md/x", "content": ""}])),
        400,
        "not_a_file",
    );
    refused(
        &files(json!([{"path": "no", "delete": true}])),
        400,
        "no_such_file",
    );
    refused(
        &files(json!([{"path": "README.md", "content": "old\n"}])),
        409,
        "no_changes",
    );
    refused(
        &tool(with(ask("fix", edit()), "base", json!("no"))),
        400,
        "base_missing",
    );
    push(&place, "taken", "one");
    let taken = git(&place, |git| git.tip("taken"));
    refused(&tool(ask("taken", edit())), 409, "branch_exists");
    assert_eq!(git(&place, |git| git.tip("taken")), taken);
    assert_eq!(git(&place, |git| git.tip("fix")), None);
    let message = |text: &str| format!(r#"{{"message":"{text}"}}"#);
    for (at, status, words, answer, code) in [
        (
            "/git/refs",
            422,
            "Repository rule violations found",
            409,
            "branch_rules",
        ),
        (
            "/git/trees",
            403,
            "Resource not accessible by personal access token",
            403,
            "forbidden",
        ),
        ("/git/commits", 404, "Not Found", 403, "forbidden"),
        (
            "/git/trees",
            409,
            "Git Repository is empty.",
            409,
            "repository_empty",
        ),
    ] {
        place
            .github
            .inject(Fault::respond(status, &message(words)).on(at).times(1));
        refused(&tool(ask("fix", edit())), answer, code);
    }
    place.github.inject(
        Fault::respond(404, &message("Not Found"))
            .on("/git/refs")
            .times(1),
    );
    let workflow = json!([{"path": ".github/workflows/ci.yml", "content": "on: push"}]);
    let error = refused(&files(workflow), 403, "forbidden");
    assert!(
        field(&error, "suggestion").contains("gh auth refresh -s workflow"),
        "{error}"
    );
    place
        .github
        .change(|world| world.repository("acme/api").may_push = false);
    let error = refused(&tool(ask("fix", edit())), 403, "forbidden");
    assert!(
        field(&error, "suggestion").contains("gh repo fork acme/api"),
        "{error}"
    );
    place.github.change(|world| world.archive("acme/api"));
    refused(&tool(ask("fix", edit())), 409, "archived");
    assert!(pulls(&place).is_empty());
    let place = Place::new(world()).with("ALLOWED_REPOS", "acme/web");
    refused(
        &place.serve().tool(TOOL, ask("fix", edit())),
        403,
        "repo_not_allowed",
    );
    assert!(pulls(&place).is_empty());
}

#[test]
fn without_graphql_the_modes_are_a_warning() {
    let place = Place::new(world());
    let server = place.serve_synced();
    place.github.inject(Fault::graphql_refused());
    let files = json!([{"path": "run.sh", "content": "new"}, {"path": "src/b.rs", "delete": true}]);
    let answer = server.tool(TOOL, ask("fix", files)).expect(200);
    assert_eq!(answer["warnings"][0]["source"], "file_modes", "{answer}");
    git(&place, |git| {
        let tip = git.tip("fix").expect("there is a branch");
        assert_eq!(
            git.entry(&tip, "run.sh").map(|entry| entry.mode).as_deref(),
            Some("100644")
        );
        assert_eq!(git.entry(&tip, "src/b.rs"), None);
    });
}

#[test]
fn every_transport_opens_them() {
    let place = Place::new(world());
    let _server = place.serve_synced();
    let mcp = place.mcp();
    // gh would fill in a `:branch` that reached it.
    let by_mcp = mcp.tool(TOOL, ask("branch", edit())).record();
    assert_eq!(
        (&by_mcp["number"], &by_mcp["created"]),
        (&json!(2), &json!(true)),
        "{by_mcp}"
    );
    std::fs::write(place.folder().join("README.md"), "by hand\n").expect("it can be written");
    std::fs::write(place.folder().join("logo.png"), LOGO).expect("it can be written");
    let flags = [
        "create-pull-request",
        "--repo",
        "acme/api",
        "--title",
        "By hand",
        "--body",
        "-",
        "--head",
        "by-cli",
        "--file",
        "README.md",
        "--file=logo.png",
        "--delete",
        "src/a.rs",
    ];
    let ran = place.cli(&flags);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout
            .contains("opened pull request #3 (by-cli -> main)"),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("https://github.com/acme/api/pull/3"),
        "{ran:?}"
    );
    git(&place, |git| {
        let tip = git.tip("by-cli").expect("there is a branch");
        assert_eq!(git.content(&tip, "README.md"), b"by hand\n");
        assert_eq!(git.content(&tip, "logo.png"), LOGO);
        assert_eq!(git.entry(&tip, "src/a.rs"), None);
    });
    let again = place.cli(&[&flags[..], &["--json"]].concat());
    assert_eq!(again.json()["created"], false, "{again:?}");
    let help = place.cli(&["create-pull-request", "--help"]).stdout;
    assert!(
        help.contains("--file PATH") && help.contains("--files JSON"),
        "{help}"
    );
    let wrong = place.cli(&[&flags[..9], &["--files", "[{\"path\":1}]"]].concat());
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.stderr.contains("'path' of files[0] must be a string"),
        "{wrong:?}"
    );
}
