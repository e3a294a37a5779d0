//! What fails on a pull request, with the real gh against the stand-in.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::github::{Fault, Merges, World};
use crate::support::{Answer, Cost, Place, Server, ToolAnswer, field, holds, issues, until};

const TOOL: &str = "get_failing_tests";
const PYTEST: &str = "\
============================= test session starts ==============================
platform linux -- Python 3.12.1, pytest-9.2.0, pluggy-1.6.0
rootdir: /github/workspace
collected 2 items

tests/test_auth.py .F                                                    [100%]

=================================== FAILURES ===================================
__________________________________ test_login __________________________________

    def test_login():
>       assert status() == 200
E       assert 401 == 200
E        +  where 401 = status()

tests/test_auth.py:45: AssertionError
=========================== short test summary info ============================
FAILED tests/test_auth.py::test_login - assert 401 == 200
========================= 1 failed, 1 passed in 0.03s ==========================
##[error]Process completed with exit code 1.
";

/// A world with the pull request `acme/api#2`, and its head commit.
fn world() -> (World, String) {
    let mut world = issues(1);
    let pull = world
        .repository("acme/api")
        .add_pull_request("Fix it", &[1]);
    let pull = pull.pull_request.as_ref().expect("it is one");
    let head = pull.head_sha.clone();
    (world, head)
}

/// Two legs that fail alike, one lost runner that is lost on the base branch too, one that passes.
fn failing() -> (World, String) {
    let (mut world, head) = world();
    let merges = &mut world.repository("acme/api").merges;
    merges.check_run(&head, "test (3.11)", "failure");
    merges.log(&head, stamped(PYTEST));
    merges.check_run(&head, "test (3.12)", "failure");
    merges.log(&head, stamped(&coloured()));
    merges.check_run(&head, "windows", "failure");
    merges.log(
        &head,
        "##[error]The runner has received a shutdown signal.\n",
    );
    merges.check_run(&head, "lint", "success");
    merges.check_run(&head, "deploy", "skipped");
    merges.check_run("main", "windows", "failure");
    merges.changes(2, "tests/test_auth.py");
    merges.protect("main", &["test (3.12)"]);
    (world, head)
}

/// As GitHub stamps each line.
fn stamped(log: &str) -> String {
    log.lines()
        .map(|line| format!("2026-11-20T10:00:00.1234567Z {line}\r\n"))
        .collect()
}

/// What gh refuses to print unless it is told to.
fn coloured() -> String {
    PYTEST.replace("FAILED", "\u{1b}[31mFAILED\u{1b}[0m")
}

/// A server whose `acme/api#2` has on its head what is prepared there; and the name of that head.
fn served(prepare: impl FnOnce(&mut Merges, &str)) -> (Place, Server, String) {
    let (mut world, head) = world();
    prepare(&mut world.repository("acme/api").merges, &head);
    let place = Place::new(world);
    let server = place.serve_synced();
    (place, server, head)
}

/// Changes what is there later on.
fn later(place: &Place, change: impl FnOnce(&mut Merges)) {
    place
        .github
        .change(|world| change(&mut world.repository("acme/api").merges));
}

/// Asks about `acme/api#2`, and for what else is given.
fn ask(server: &Server, more: Value) -> Answer {
    let mut arguments = json!({"pr": "acme/api#2"});
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    server.tool(TOOL, arguments)
}

fn asked(server: &Server) -> Value {
    ask(server, json!({})).expect(200)
}

/// Paths of what GitHub was asked for.
fn paths(place: &Place) -> Vec<String> {
    let requests = place.github.requests().into_iter();
    requests.map(|it| it.path).collect()
}

/// A check that fails as [`PYTEST`] tells.
fn fails(merges: &mut Merges, head: &str) {
    merges.check_run(head, "test", "failure");
    merges.log(head, PYTEST);
}

#[test]
fn failures_are_named_with_what_reproduces_them() {
    let (world, head) = failing();
    let place = Place::new(world);
    let server = place.serve_synced();
    place.github.clear_requests();
    let answer = asked(&server);
    assert_eq!(answer["status"], "failed", "{answer}");
    assert_eq!(answer["settled"], true);
    assert_eq!(answer["head_sha"], head[..7]);
    let counts = &answer["counts"];
    assert_eq!(
        (&counts["failed"], &counts["passed"], &counts["skipped"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let failures = answer["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 2, "{answer}");
    let test = &failures[0];
    assert_eq!(test["id"], "pytest:tests/test_auth.py::test_login");
    assert_eq!(test["kind"], "test");
    assert_eq!(
        (&test["file"], &test["line"]),
        (&json!("tests/test_auth.py"), &json!(45))
    );
    assert_eq!(test["checks"], json!(["test (3.11)", "test (3.12)"]));
    assert_eq!(
        (&test["required"], &test["in_pr_diff"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(test["reproduce"], "pytest tests/test_auth.py::test_login");
    let lost = &failures[1];
    assert_eq!(
        (&lost["id"], &lost["also_fails_on_base"]),
        (&json!("infra:windows"), &json!(true))
    );
    assert_eq!(lost["reproduce"], "gh run rerun 9 --failed -R acme/api");
    assert!(answer["warnings"].is_null(), "{answer}");
    // Pull request, checks, statuses, runs, rules, branch, three logs, base, files.
    assert_eq!(place.cost(), Cost::is(11, 11, 0));
    place.github.clear_requests();
    asked(&server);
    // Memory serves the rest.
    place.assert_repeat(1, 0);
    let lint = ask(&server, json!({"checks": ["lint"]})).expect(200);
    assert_eq!(lint["status"], "passed", "{lint}");
    assert_eq!(
        lint["counts"]["missing_required"],
        json!([]),
        "only filtered out"
    );
}

#[test]
fn a_failure_that_was_run_again_says_which_attempt_it_is() {
    let (mut world, head) = failing();
    let merges = &mut world.repository("acme/api").merges;
    merges.workflow_run(&head, 9, "failure");
    merges.run_again(&head);
    let place = Place::new(world);
    let answer = asked(&place.serve_synced());
    for failure in answer["failures"].as_array().expect("a list") {
        assert_eq!(failure["run_attempt"], 2, "{answer}");
    }
    let shown = place.cli(&["get-failing-tests", "--pr", "acme/api#2"]);
    assert!(
        shown.stdout.contains("\n  attempt 2 of its run\n"),
        "{shown:?}"
    );
}

#[test]
fn the_same_answer_comes_by_mcp_and_by_the_command_line() {
    let (world, _) = failing();
    let place = Place::new(world);
    let client = place.mcp().joined().synced();
    let by_mcp = client.tool(TOOL, json!({"pr": "acme/api#2"})).record();
    let run = |arguments: &[&str]| {
        let (mut command, _) = place.command(arguments);
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let told = run(&["get-failing-tests", "--pr", "acme/api/pull/2", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["failures"], by_mcp["failures"]);
    let text = run(&["get-failing-tests", "--pr", "acme/api#2"]);
    assert!(text.contains("tests/test_auth.py::test_login"), "{text}");
    assert!(
        text.contains("$ pytest tests/test_auth.py::test_login"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
}

#[test]
fn the_agents_claims_say_what_waits_for_it() {
    let (world, _) = failing();
    let place = Place::new(world);
    let server = place.serve_synced();
    let claimed = server.claim("agent-a", 1).expect(201);
    let pr_url = "https://github.com/acme/api/pull/2";
    for (status, pr_url) in [("in_progress", None), ("pr_submitted", Some(pr_url))] {
        let mut update = json!({"claim_id": claimed["claim_id"], "status": status});
        if let Some(pr_url) = pr_url {
            update["pr_url"] = json!(pr_url);
        }
        server.tool("update_claim_status", update).expect(200);
    }
    let mine = || {
        server
            .tool("get_my_claims", json!({"agent_id": "agent-a"}))
            .expect(200)
    };
    assert!(mine()["claims"][0]["waiting"].is_null());
    asked(&server);
    place.github.clear_requests();
    assert_eq!(mine()["claims"][0]["waiting"], json!(["ci failing"]));
    assert!(
        place.github.requests().is_empty(),
        "told from what is known"
    );
}

#[test]
fn a_log_that_no_parser_knows_is_never_a_test() {
    let (_place, server, _) = served(|merges, head| {
        merges.check_run(head, "deploy", "failure");
        merges.log(
            head,
            "pushing\nerror: cannot frobnicate\n##[error]Process completed with exit code 3.\n",
        );
        merges.check_run(head, "odd", "failure");
        merges.annotate(head, "src/a.rs", 7, "this is wrong");
        merges.check_run(head, "gone", "timed_out");
    });
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list");
    let by_check = |name: &str| {
        let found = failures
            .iter()
            .find(|failure| failure["checks"] == json!([name]));
        found.unwrap_or_else(|| panic!("{name} in {answer}"))
    };
    assert_eq!(by_check("deploy")["kind"], "unknown");
    assert_eq!(by_check("deploy")["error"], "error: cannot frobnicate");
    assert_eq!(
        (&by_check("odd")["file"], &by_check("odd")["line"]),
        (&json!("src/a.rs"), &json!(7))
    );
    assert_eq!(by_check("gone")["kind"], "timeout");
}

/// A job in which a step that is allowed to fail fails before the one that matters.
fn job_with_an_allowed_failure(merges: &mut Merges, head: &str) {
    merges.check_run(head, "docs", "failure");
    let step = |second: u32, script: &str, output: &str| -> String {
        let heading =
            format!("##[group]Run {script}\n{script}\nshell: bash\n##[endgroup]\n{output}");
        let stamp = format!("2026-11-20T10:00:{second:02}.1234567Z");
        heading
            .lines()
            .map(|line| format!("{stamp} {line}\r\n"))
            .collect()
    };
    let failed = "fatal: 1 broken link\n##[error]Process completed with exit code 2.\n";
    merges.log(
        head,
        step(1, "pytest", PYTEST) + &step(5, "./deploy.sh", failed),
    );
    for (name, conclusion, from, to) in [("pytest", "success", 1, 5), ("deploy", "failure", 5, 6)] {
        let at = |second: u32| json!(format!("2026-11-20T10:00:{second:02}Z"));
        merges.step(head, name, Some(conclusion));
        merges.say_of_step(head, &[("started_at", at(from)), ("completed_at", at(to))]);
    }
}

#[test]
fn a_step_that_no_parser_knows_is_told_with_the_tests_that_failed_before() {
    let (place, server, _) = served(job_with_an_allowed_failure);
    place.github.clear_requests();
    let answer = ask(&server, json!({"compare_base": false})).expect(200);
    let failures = answer["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 2, "{answer}");
    assert_eq!(failures[0]["test"], "tests/test_auth.py::test_login");
    assert_eq!(failures[0]["confidence"], "medium", "{answer}");
    assert_eq!(failures[1]["error"], "fatal: 1 broken link", "{answer}");
    assert!(answer["warnings"].is_null(), "{answer}");
    // Pull request, checks, statuses, runs, rules, branch, log, job, annotations, files.
    assert_eq!(place.cost(), Cost::is(10, 10, 0));
    place.github.clear_requests();
    ask(&server, json!({"compare_base": false})).expect(200);
    place.assert_repeat(1, 0);
}

#[test]
fn of_tests_before_a_failed_step_a_lost_runner_tells_more_and_marks_on_files_less() {
    let lost = "The hosted runner lost communication with the server.";
    for (path, message, source, kind) in [
        (".github", lost, "annotation", "infra"),
        ("tests/test_auth.py", "assert 401 == 200", "log", "test"),
    ] {
        let (_place, server, _) = served(|merges, head| {
            job_with_an_allowed_failure(merges, head);
            merges.annotate(head, path, 45, message);
        });
        let answer = asked(&server);
        assert_eq!(answer["failures"][0]["source"], source, "{answer}");
        assert_eq!(answer["failures"][0]["kind"], kind, "{answer}");
    }
}

#[test]
fn without_the_steps_of_a_job_its_failures_are_less_certain() {
    let (place, server, _) = served(job_with_an_allowed_failure);
    let refused = Fault::respond(403, r#"{"message":"Resource not accessible"}"#);
    // Of the job itself, not of its log.
    place.github.inject(refused.on("/actions/jobs/900 "));
    let answer = asked(&server);
    assert_eq!(
        answer["failures"][0]["test"],
        "tests/test_auth.py::test_login"
    );
    assert_eq!(answer["failures"][0]["confidence"], "medium", "{answer}");
    let told = reasons(&server, "jobs");
    assert!(
        told.iter().any(|it| it.contains("Resource not accessible")),
        "{told:?}"
    );
}

#[test]
fn what_the_service_says_of_a_job_is_told() {
    let (_place, server, _) = served(|merges, head| {
        let mut job = |name: &str, conclusion: &str, log: Option<&str>, messages: &[&str]| {
            merges.check_run(head, name, conclusion);
            if let Some(log) = log {
                merges.log(head, log);
            }
            for message in messages {
                merges.annotate(head, ".github", 1, message);
            }
        };
        let unpaid = "The job was not started because recent account payments have failed";
        job("unpaid", "failure", None, &[unpaid]);
        let stopped = Some("##[error]The operation was canceled.\n");
        let late =
            "The job running on runner r has exceeded the maximum execution time of 360 minutes.";
        job(
            "late",
            "cancelled",
            stopped,
            &["The operation was canceled.", late],
        );
        job(
            "stopped",
            "cancelled",
            stopped,
            &["The operation was canceled."],
        );
        let told = "Unable to resolve action `a/b@v9`, unable to find version `v9`";
        job(
            "broken",
            "failure",
            None,
            &["Process completed with exit code 1.", told],
        );
        // Without a cause among them the log's first error stays.
        let log = Some("error: it broke\n##[error]Process completed with exit code 1.\n");
        job(
            "plain",
            "failure",
            log,
            &["Process completed with exit code 1.", "it broke"],
        );
        // A step that may fail says this, and another one is broken.
        let log = Some("fatal: 1 broken link\n##[error]Process completed with exit code 2.\n");
        job("limited", "failure", log, &["curl: 429 Too Many Requests"]);
    });
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list").iter();
    let told = failures.map(|it| {
        let check = it["checks"][0].as_str().unwrap_or_default();
        (
            check,
            (field(it, "kind"), field(it, "source"), field(it, "error")),
        )
    });
    let told: std::collections::BTreeMap<_, _> = told.collect();
    for (check, kind, source, error) in [
        (
            "unpaid",
            "infra",
            "annotation",
            "not started because recent account payments",
        ),
        (
            "late",
            "timeout",
            "annotation",
            "exceeded the maximum execution time of 360 minutes",
        ),
        ("stopped", "cancelled", "log", "The operation was canceled."),
        (
            "broken",
            "unknown",
            "annotation",
            "Unable to resolve action",
        ),
        ("plain", "unknown", "log", "error: it broke"),
        ("limited", "unknown", "log", "fatal: 1 broken link"),
    ] {
        let found = told[check];
        assert_eq!((found.0, found.1), (kind, source), "{check}: {answer}");
        assert!(found.2.contains(error), "{check}: {answer}");
    }
    // A place that is none is not told as one.
    assert!(
        !answer["failures"].to_string().contains(".github\""),
        "{answer}"
    );
}

#[test]
fn why_a_log_could_not_be_read_is_told() {
    let (place, server, _) = served(|merges, head| {
        for name in ["old", "refused", "broken"] {
            merges.check_run(head, name, "failure");
        }
    });
    for (job, status) in [(900, 410), (901, 403), (902, 500)] {
        let fault = Fault::respond(status, r#"{"message":"no such luck"}"#);
        place.github.inject(fault.on(&format!("/jobs/{job}/logs")));
    }
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list");
    for (check, reason) in [
        ("old", "its log has expired"),
        (
            "refused",
            "its log could not be read: GitHub refused: no such luck",
        ),
        (
            "broken",
            "its log could not be read: GitHub answered 500: no such luck",
        ),
    ] {
        let found = failures.iter().find(|it| it["checks"] == json!([check]));
        let found = found.unwrap_or_else(|| panic!("{check} in {answer}"));
        assert_eq!(field(found, "error"), format!("ended as failure; {reason}"));
    }
    let warned = reasons(&server, "job_logs");
    for check in ["refused: ", "broken: "] {
        assert!(warned.iter().any(|it| it.starts_with(check)), "{warned:?}");
    }
    let without = ask(
        &server,
        json!({"sources": ["annotations"], "checks": ["old"]}),
    )
    .expect(200);
    let error = field(&without["failures"][0], "error");
    assert_eq!(error, "ended as failure; its log was not asked for");
}

#[test]
fn a_long_log_is_read_and_a_longer_one_said_to_be() {
    let passing =
        "tests/test_auth.py::test_of_something_that_passes PASSED                 [ 50%]\n";
    let (place, server, _) = served(|merges, head| {
        merges.check_run(head, "long", "failure");
        let (start, end) = PYTEST
            .split_once("tests/test_auth.py .F")
            .expect("its progress");
        let lines = passing.repeat((33 << 20) / passing.len());
        merges.log(head, format!("{start}{lines}tests/test_auth.py .F{end}"));
    });
    let answer = asked(&server);
    assert_eq!(
        answer["failures"][0]["test"], "tests/test_auth.py::test_login",
        "{answer}"
    );
    assert!(answer["warnings"].is_null(), "{answer}");
    later(&place, |merges| {
        let head = "f".repeat(40);
        merges.check_run(&head, "longer", "failure");
        merges.log(&head, passing.repeat((65 << 20) / passing.len()));
    });
    place.github.change(|world| {
        let issue = world.issue("acme/api", 2);
        issue.pull_request.as_mut().expect("it is one").head_sha = "f".repeat(40);
        issue.touch();
    });
    place.github.clear_requests();
    let answer = asked(&server);
    let error = field(&answer["failures"][0], "error");
    let longer = "its log could not be read: GitHub's answer is longer than 64 MiB";
    assert_eq!(error, format!("ended as failure; {longer}"), "{answer}");
    ask(&server, json!({"max_error_lines": 3})).expect(200);
    let logs = paths(&place)
        .iter()
        .filter(|path| path.ends_with("/logs"))
        .count();
    assert_eq!(logs, 1, "it is as long the next time");
}

const JUNIT: &str = "<testsuites><testsuite name='pytest'>\
    <testcase classname='tests.test_auth' name='test_login'>\
    <failure message='assert 401 == 200'>E   assert 401 == 200</failure></testcase>\
    <testcase classname='tests.test_auth' name='test_logout'/></testsuite></testsuites>";

/// A zip archive with one file, not packed: its bytes pass through gh as they are.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let options = options.compression_method(zip::CompressionMethod::Stored);
    writer.start_file(name, options).expect("a name");
    writer.write_all(content).expect("memory takes it");
    writer.finish().expect("memory takes it").into_inner()
}

/// A job whose log names no test.
fn silent_job(merges: &mut Merges, head: &str, name: &str) {
    merges.check_run(head, name, "failure");
    merges.log(head, "##[error]Process completed with exit code 1.\n");
}

#[test]
fn a_test_report_names_what_no_log_does() {
    let (place, server, _) = served(|merges, head| {
        silent_job(merges, head, "test");
        // Bytes that a terminal would take for commands reach us as they are.
        let content = format!("{JUNIT}<!-- \u{1b}[31m\u{9b}\r\n\0 -->");
        let report = archive("out/junit.xml", content.as_bytes());
        merges.artifact(9, "coverage", archive("coverage.xml", b"<coverage/>"));
        merges.artifact(9, "test-results", report);
        let other = archive("junit.xml", JUNIT.as_bytes());
        merges.artifact(8, "junit-of-another-run", other);
    });
    place.github.clear_requests();
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 1, "{answer}");
    assert_eq!(failures[0]["test"], "tests/test_auth.py::test_login");
    assert_eq!(failures[0]["source"], "junit");
    assert_eq!(failures[0]["confidence"], "high");
    assert_eq!(failures[0]["checks"], json!(["test"]));
    assert!(answer["warnings"].is_null(), "{answer}");
    let requests = place.github.requests();
    let stored: Vec<_> = requests
        .iter()
        .filter(|request| request.path.contains("sig="))
        .collect();
    assert_eq!(stored.len(), 1, "{requests:?}");
    assert!(!stored[0].had_authorization, "the token stays with GitHub");
    // Pull request, checks, statuses, runs, rules, branch, log, annotations, artifacts, archive and
    // where it is stored, base, files.
    assert_eq!(requests.len(), 13, "{requests:?}");
    asked(&server);
    assert_eq!(place.github.requests().len(), 14, "memory serves the rest");
}

#[test]
fn a_log_that_names_tests_needs_no_report() {
    let (mut world, _) = failing();
    let merges = &mut world.repository("acme/api").merges;
    merges.artifact(9, "junit", archive("junit.xml", JUNIT.as_bytes()));
    let place = Place::new(world);
    let answer = asked(&place.serve_synced());
    assert_eq!(answer["failures"][0]["source"], "log");
    let asked_for = |request: &crate::github::RequestRecord| request.path.contains("/artifacts");
    assert!(!place.github.requests().iter().any(asked_for));
}

#[test]
fn reports_that_cannot_be_had_are_told() {
    let (place, server, _) = served(|merges, head| {
        let report = archive("junit.xml", JUNIT.as_bytes());
        silent_job(merges, head, "test");
        merges.artifact(9, "junit-old", report.clone());
        merges.say_of_artifact("expired", json!(true));
        merges.artifact(9, "junit-huge", report.clone());
        merges.say_of_artifact("size_in_bytes", json!(21 << 20));
        merges.artifact(9, "junit-broken", b"no archive".to_vec());
        merges.artifact(9, "junit-refused", report);
    });
    let refused = Fault::respond(403, r#"{"message":"Resource not accessible"}"#);
    place.github.inject(refused.on("/artifacts/703/zip"));
    let answer = asked(&server);
    let told = answer["warnings"].as_array().expect("warnings");
    let reasons: Vec<_> = told.iter().map(|it| field(it, "reason")).collect();
    assert_eq!(told.len(), 4, "{answer}");
    for part in ["expired", "larger than", "not accessible", "no archive"] {
        assert!(
            reasons.iter().any(|it| it.contains(part)),
            "{part}: {reasons:?}"
        );
    }
    assert!(told.iter().all(|it| it["source"] == "artifacts"));
    assert_eq!(answer["failures"][0]["kind"], "unknown", "{answer}");
}

/// The reasons of the warnings of one source, on all pages of a call that waits for a moment.
fn reasons(server: &Server, source: &str) -> Vec<String> {
    let mut arguments = json!({"wait": true, "max_wait_seconds": 0});
    let mut told = Vec::new();
    loop {
        let page = ask(server, arguments.clone()).expect(200);
        let warnings = page["warnings"].as_array().into_iter().flatten();
        let of_source = warnings.filter(|it| it["source"] == source);
        told.extend(of_source.map(|it| field(it, "reason").to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => return told,
        }
    }
}

#[test]
fn runs_that_were_not_looked_into_are_told_of() {
    // Jobs that only a report could explain, each of a run of its own.
    let (_place, server, _) = served(|merges, head| {
        for run in 1..=4 {
            silent_job(merges, head, &format!("test {run}"));
            let page = format!("https://github.com/acme/api/actions/runs/{run}/job/{run}");
            merges.say_of_check(head, &[("details_url", json!(page))]);
        }
    });
    let told = reasons(&server, "artifacts");
    assert!(
        told.contains(&"3 of 4 runs were looked into".to_owned()),
        "{told:?}"
    );
    // Runs under way, whose steps may have failed.
    let (place, server, _) = served(|merges, head| {
        merges.check_run(head, "slow", "in_progress");
        for run in 1..=11 {
            merges.workflow_run(head, run, "in_progress");
            // Each of a workflow of its own.
            let own = [("workflow_id", json!(run)), ("check_suite_id", json!(run))];
            merges.say_of_run(head, &own);
        }
    });
    let told = reasons(&server, "jobs");
    assert!(
        told.contains(&"5 of 11 runs were looked into".to_owned()),
        "{told:?}"
    );
    // A token that may not read checks sees jobs alone.
    let refused = Fault::respond(403, r#"{"message":"Resource not accessible"}"#);
    place.github.inject(refused.on("/check-runs"));
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    let told = reasons(&server, "jobs");
    assert!(
        told.contains(&"10 of 11 runs were asked".to_owned()),
        "{told:?}"
    );
}

#[test]
fn what_has_no_room_beside_the_failures_has_pages_of_its_own() {
    let (mut world, _) = failing();
    let merges = &mut world.repository("acme/api").merges;
    let names: Vec<String> = (0..60)
        .map(|number| format!("required {number:02}"))
        .collect();
    let contexts: Vec<&str> = names.iter().map(String::as_str).collect();
    merges.protect("main", &contexts);
    let place = Place::new(world);
    let server = place.serve_synced();
    let first = asked(&server);
    assert_eq!(first["counts"]["more_missing_required"], 30, "{first}");
    let cursor = first["next_cursor"].as_str().expect("it goes on");
    let rest = json!({"pr": "acme/api#2", "cursor": cursor});
    let second = server.tool(TOOL, rest.clone()).expect(200);
    let missing = |page: &Value| page["counts"]["missing_required"].as_array().cloned();
    let told = [missing(&first), missing(&second)].map(Option::unwrap_or_default);
    assert_eq!(json!(told.concat()), json!(names));
    assert!(
        second["next_cursor"].is_null() && second["status"].is_null(),
        "{second}"
    );
    let told = |arguments: &[&str]| {
        let call = ["get-failing-tests", "--pr", "acme/api#2"];
        place.cli(&[&call, arguments].concat()).stdout
    };
    let text = told(&[]) + &told(&["--cursor", cursor]);
    for name in &names {
        let line = format!("\nrequired and not reported: {name}\n");
        assert_eq!(text.matches(&line).count(), 1, "{name}: {text}");
    }
    // One that reports meanwhile makes it another list.
    place.github.change(|world| {
        let issue = world.issue("acme/api", 2);
        let head = issue
            .pull_request
            .as_ref()
            .expect("it is one")
            .head_sha
            .clone();
        issue.touch();
        let merges = &mut world.repository("acme/api").merges;
        merges.check_run(&head, "required 45", "success");
    });
    assert_eq!(server.tool(TOOL, rest).expect(409)["code"], "head_moved");
}

#[test]
fn no_checks_are_explained_and_never_a_pass() {
    let (_place, server, _) = served(|merges, _| {
        merges.protect("main", &["e2e"]);
    });
    let answer = asked(&server);
    assert_eq!(answer["status"], "no_checks", "{answer}");
    assert_eq!(answer["no_ci_reason"], "not_registered_yet");
    assert_eq!(answer["counts"]["missing_required"], json!(["e2e"]));
    assert_eq!(answer["poll_info"]["next_call"]["tool"], TOOL);
}

#[test]
fn filters_that_leave_no_check_are_told_as_such() {
    let (_place, server, _) = served(|merges, head| {
        merges.check_run(head, "lint", "success");
    });
    let answer = ask(&server, json!({"checks": ["nosuch"]})).expect(200);
    assert_eq!(answer["status"], "no_checks", "{answer}");
    assert!(answer["no_ci_reason"].is_null(), "{answer}");
    assert_eq!(
        answer["instructions"]["summary"],
        "no check is left by these filters"
    );
}

#[test]
fn waiting_ends_with_the_first_failure() {
    let (place, server, head) = served(|merges, head| {
        merges.check_run(head, "slow", "in_progress");
    });
    let first = asked(&server);
    assert_eq!(first["status"], "running", "{first}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(&server, json!({"wait": true})));
        place.until_asked(|requests| {
            let of_checks = requests
                .iter()
                .filter(|request| request.path.contains("/check-runs"));
            of_checks.count() >= 2
        });
        later(&place, |merges| fails(merges, &head));
        let answer = waiting.join().expect("it answers").expect(200);
        assert_eq!(answer["status"], "failed", "{answer}");
        assert_eq!(answer["counts"]["running"], 1);
    });
}

#[test]
fn a_wait_tells_what_it_sees_and_brings_the_failure() {
    let (mut world, head) = world();
    let merges = &mut world.repository("acme/api").merges;
    merges.check_run(&head, "slow", "in_progress");
    let place = Place::new(world);
    let client = place.mcp().joined().synced();
    let parameters = json!({
        "name": TOOL,
        "arguments": {"pr": "acme/api#2", "wait": true},
        "_meta": {"progressToken": "wait-1"},
    });
    let (_, answer) = client.send("tools/call", parameters);
    let told = || {
        let all = client.notifications().into_iter();
        let of_wait = all.filter(|it| it["params"]["progressToken"] == "wait-1");
        of_wait
            .map(|mut it| it["params"].take())
            .collect::<Vec<_>>()
    };
    until("progress", || holds(!told().is_empty()));
    let first = told().remove(0);
    let message = field(&first, "message");
    assert!(message.contains("1 check is not done"), "{first}");
    assert!(answer.try_recv().is_err(), "the checks still run");
    later(&place, |merges| fails(merges, &head));
    let line = answer.recv_timeout(std::time::Duration::from_secs(30));
    let answer: Value = serde_json::from_str(&line.expect("it ends")).expect("JSON");
    let record = ToolAnswer::of(&answer["result"]).record();
    assert_eq!(record["status"], "failed", "{record}");
    let test = "tests/test_auth.py::test_login";
    assert_eq!(record["failures"][0]["test"], test, "{record}");
}

#[test]
fn a_command_waits_no_longer_than_it_may() {
    let (place, _server, _) = served(|merges, head| {
        merges.check_run(head, "slow", "in_progress");
    });
    place.github.clear_requests();
    let wait = [
        "--pr",
        "acme/api#2",
        "--wait",
        "--max-wait-seconds",
        "7",
        "--json",
    ];
    let ran = place.cli(&[&["get-failing-tests"], &wait[..]].concat());
    let answer = ran.json();
    assert_eq!(answer["status"], "running", "{answer}");
    assert_eq!(answer["poll_info"]["next_call"]["args"]["wait"], true);
    let requests = place.github.requests();
    let looks = requests.iter().filter(|it| it.path.contains("/check-runs"));
    assert_eq!(looks.count(), 2, "at once and after 5 s: {requests:?}");
}

#[test]
fn bad_input_and_failing_sources_are_told() {
    let (world, _) = failing();
    let place = Place::new(world);
    let server = place.serve_synced();
    for (pr, code) in [
        ("acme/api", 400),
        ("acme/api#1", 400),
        ("acme/api#77", 404),
        ("-x/y#1", 400),
    ] {
        let error = server.tool(TOOL, json!({"pr": pr})).expect(code);
        assert!(error["suggestion"].is_string(), "{pr}: {error}");
    }
    let refused = Fault::respond(403, r#"{"message":"Resource not accessible"}"#);
    place.github.inject(refused.on("/rules/branches/"));
    let answer = asked(&server);
    assert_eq!(answer["status"], "failed");
    assert_eq!(answer["warnings"][0]["source"], "rulesets", "{answer}");
    let error = ask(&server, json!({"cursor": "x"})).expect(400);
    assert_eq!(field(&error, "code"), "invalid_argument");
}

#[test]
fn waiting_ends_with_a_failed_step() {
    let (_place, server, _) = served(|merges, head| {
        merges.check_run(head, "test", "in_progress");
        merges.step(head, "Set up job", Some("success"));
        merges.step(head, "Run tests", Some("failure"));
        merges.step(head, "Upload reports", None);
        merges.workflow_run(head, 9, "in_progress");
    });
    let answer = ask(&server, json!({"wait": true, "checks": ["test"]})).expect(200);
    assert_eq!(answer["status"], "failed", "{answer}");
    let failure = &answer["failures"][0];
    assert_eq!(failure["error"], "step 'Run tests' of test failed");
    assert_eq!(failure["log_pending"], true);
    assert_eq!(answer["settled"], false);
    let next = &answer["poll_info"]["next_call"]["args"];
    assert_eq!(next["checks"], json!(["test"]), "it waits for the same");
}

#[test]
fn what_was_stopped_or_is_run_again_ends_no_wait() {
    let waits =
        |server: &Server| ask(server, json!({"wait": true, "max_wait_seconds": 0})).expect(200);
    let (place, server, head) = served(|merges, head| {
        merges.check_run(head, "test (3.11)", "cancelled");
        merges.check_run(head, "test (3.12)", "in_progress");
        merges.check_run(head, "lint", "success");
    });
    let answer = waits(&server);
    assert_eq!(answer["status"], "running", "{answer}");
    assert_eq!(answer["failures"][0]["kind"], "cancelled", "{answer}");
    later(&place, |merges| {
        merges
            .forget_checks(&head)
            .check_run(&head, "test", "cancelled");
    });
    assert_eq!(waits(&server)["status"], "failed", "now nothing else comes");
    // The jobs of the older run stand there until the newer one has its own.
    let (_place, server, _) = served(|merges, head| {
        fails(merges, head);
        merges.workflow_run(head, 9, "failure");
        merges.workflow_run(head, 10, "queued");
        merges.say_of_run(head, &[("check_suite_id", json!(91))]);
    });
    let answer = waits(&server);
    assert_eq!(answer["status"], "running", "{answer}");
    assert_eq!(answer["failures"], json!([]), "{answer}");
}

#[test]
fn a_push_begins_the_wait_again() {
    let (place, server, head) = served(|merges, head| {
        merges.check_run(head, "test", "in_progress");
    });
    let pushed = "f".repeat(40);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(&server, json!({"wait": true})));
        place.until_asked(|requests| {
            requests
                .iter()
                .any(|request| request.path.contains("/check-runs"))
        });
        place.github.change(|world| {
            let issue = world.issue("acme/api", 2);
            issue.pull_request.as_mut().expect("it is one").head_sha = pushed.clone();
            world
                .repository("acme/api")
                .merges
                .check_run(&pushed, "test", "failure");
        });
        let answer = waiting.join().expect("it answers").expect(200);
        assert_eq!(answer["status"], "failed", "{answer}");
        assert_eq!(answer["head_sha"], pushed[..7]);
        assert_eq!(answer["head_changed_from"], head);
    });
}

#[test]
fn a_wait_is_told_of_a_pass_after_a_second_look() {
    let (place, server, _) = served(|merges, head| {
        merges.check_run(head, "test", "success");
    });
    let moment = ask(&server, json!({"wait": true, "max_wait_seconds": 0})).expect(200);
    assert_eq!(moment["status"], "running", "{moment}");
    let message = field(&moment["poll_info"], "message");
    assert!(message.contains("second look"), "{message}");
    let plain = asked(&server);
    assert_eq!(
        plain["status"], "passed",
        "who does not wait is told what is seen: {plain}"
    );
    let began = std::time::Instant::now();
    let waited = ask(&server, json!({"wait": true})).expect(200);
    assert_eq!(
        (&waited["status"], &waited["settled"]),
        (&json!("passed"), &json!(true))
    );
    assert!(began.elapsed().as_secs() >= 8, "{:?}", began.elapsed());
    place.github.clear_requests();
    let again = ask(&server, json!({"wait": true})).expect(200);
    assert_eq!(again["status"], "passed");
    assert_eq!(place.github.requests().len(), 1, "it is remembered");
    let most = ask(&server, json!({"max_wait_seconds": 3_601}));
    assert_eq!(field(&most.expect(400), "code"), "invalid_argument");
}

#[test]
fn a_log_that_is_missing_is_explained() {
    let (_place, server, _) = served(|merges, head| {
        merges.check_run(head, "lost", "failure");
        merges
            .step(head, "Build", Some("success"))
            .step(head, "Run tests", None);
        merges.check_run(head, "failed", "failure");
        merges.step(head, "Deploy", Some("failure"));
        merges.check_run(head, "stopped", "cancelled");
        merges.workflow_run(head, 9, "failure");
        // A run that never had a job is on no list of checks.
        merges.workflow_run(head, 10, "startup_failure");
        merges.say_of_run(
            head,
            &[
                ("name", json!("Broken")),
                ("workflow_id", json!(8)),
                ("check_suite_id", json!(91)),
            ],
        );
    });
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list");
    let told: std::collections::BTreeMap<&str, (&str, &str)> = failures
        .iter()
        .map(|it| {
            (
                it["checks"][0].as_str().unwrap_or_default(),
                (field(it, "kind"), field(it, "error")),
            )
        })
        .collect();
    assert_eq!(
        told["lost"],
        (
            "infra",
            "the runner was lost in step 'Run tests'; there is no log"
        )
    );
    assert_eq!(
        told["failed"],
        ("unknown", "step 'Deploy' failed; there is no log")
    );
    assert_eq!(
        told["stopped"],
        ("cancelled", "ended as cancelled; there is no log to read")
    );
    assert_eq!(
        told["Broken"],
        (
            "unknown",
            "the workflow could not start: its file is broken"
        )
    );
}

/// Reports a failed check of another app than GitHub Actions.
fn foreign_check(merges: &mut Merges, head: &str, name: &str, output: Value) {
    merges.check_run(head, name, "failure");
    let app = json!({"id": 254, "slug": "codecov", "name": "Codecov"});
    let page = json!(format!("https://codecov.io/{name}"));
    merges.say_of_check(
        head,
        &[("app", app), ("output", output), ("details_url", page)],
    );
}

#[test]
fn checks_of_other_apps_are_told_in_their_own_words() {
    let (place, server, _) = served(|merges, head| {
        let summary = "## Coverage\n\n---\nsrc/a.rs: **50%**\u{202e}!\n";
        let title = "70% of the diff hit";
        let output = json!({"title": title, "summary": summary, "text": "src/b.rs"});
        foreign_check(merges, head, "codecov/patch", output);
        let output = json!({"title": null, "summary": "Step 3 failed\nExit code 2", "text": null});
        foreign_check(merges, head, "ci/other", output);
    });
    let answer = asked(&server);
    let failures = answer["failures"].as_array().expect("a list");
    let told: Vec<_> = failures
        .iter()
        .map(|it| (field(it, "error"), it["excerpt"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("Step 3 failed", json!(["Exit code 2"])),
            (
                "70% of the diff hit",
                json!(["## Coverage", "src/a.rs: **50%** !", "src/b.rs"])
            ),
        ]
    );
    for failure in failures {
        assert_eq!(
            (&failure["confidence"], &failure["source"]),
            (&json!("low"), &json!("check"))
        );
    }
    // What they ran nobody tells: the code that failed can be had, once for both.
    let checkout = json!("gh pr checkout 2 -R acme/api");
    assert!(
        failures.iter().all(|it| it["reproduce"] == checkout),
        "{answer}"
    );
    assert_eq!(answer["instructions"]["commands"], json!([checkout]));
    let summary = field(&answer["instructions"], "summary");
    assert!(
        summary
            .ends_with("of 2 only the checkout is known: their log_url tells what the service ran"),
        "{summary}"
    );
    let short = ask(&server, json!({"max_error_lines": 1})).expect(200);
    assert_eq!(short["failures"][1]["excerpt"], json!(["## Coverage"]));
    // What is asked of jobs is not asked of them.
    assert!(
        !paths(&place)
            .iter()
            .any(|path| path.contains("/annotations"))
    );
}

#[test]
fn what_another_service_documents_to_do_a_job_again_comes_first() {
    let (_place, server, _) = served(|merges, head| {
        merges.status(head, "buildkite/api", "failure");
        merges.status(head, "ci/circleci: unit", "failure");
    });
    let answer = asked(&server);
    let commands = answer["instructions"]["commands"].as_array();
    let commands = commands.expect("there are some");
    let again = "circleci config process .circleci/config.yml > process.yml && circleci local \
                 execute -c process.yml unit";
    assert_eq!(
        commands,
        &[json!(again), json!("gh pr checkout 2 -R acme/api")],
        "{answer}"
    );
}

#[test]
fn annotations_that_were_not_read_are_told_of() {
    let (mut world, head) = failing();
    let merges = &mut world.repository("acme/api").merges;
    merges.check_run(&head, "style", "failure");
    for line in 1..=101 {
        merges.annotate(&head, "src/a.rs", line, &format!("problem {line}"));
    }
    let place = Place::new(world);
    let server = place.serve_synced();
    let answer = ask(&server, json!({"sources": ["annotations"]})).expect(200);
    let warnings = answer["warnings"].as_array().expect("there are some");
    let told: Vec<_> = warnings
        .iter()
        .filter(|it| it["source"] == "annotations")
        .collect();
    assert_eq!(told.len(), 1, "{answer}");
    assert_eq!(told[0]["reason"], "a check has more than 100");
}

#[test]
fn arguments_choose_what_is_looked_at() {
    let (world, _) = failing();
    let place = Place::new(world);
    let server = place.serve_synced();
    let ask = |more: Value| ask(&server, more);
    let checks = |answer: &Value| -> Vec<Value> {
        let failures = answer["failures"].as_array().expect("a list").iter();
        failures.map(|failure| failure["checks"].clone()).collect()
    };
    place.github.clear_requests();
    let answer = ask(json!({"ignore_checks": ["win*"], "compare_base": false})).expect(200);
    assert_eq!(checks(&answer), [json!(["test (3.11)", "test (3.12)"])]);
    assert_eq!(answer["counts"]["failed"], 2);
    assert!(answer["failures"][0].get("also_fails_on_base").is_none());
    // Neither the third log nor the base.
    assert_eq!(place.github.requests().len(), 9);
    let answer = ask(json!({"checks": ["test"], "ignore_checks": ["*3.11*"]})).expect(200);
    assert_eq!(checks(&answer), [json!(["test (3.12)"])]);
    place.github.change(|world| {
        world.issue("acme/api", 2).touch();
    });
    place.github.clear_requests();
    let answer = ask(json!({"sources": ["annotations"], "checks": ["test"]})).expect(200);
    assert_eq!(answer["failures"][0]["kind"], "unknown", "{answer}");
    assert_eq!(answer["failures"][0]["source"], "check");
    let paths = paths(&place);
    let asked_for = |part: &str| paths.iter().any(|path| path.contains(part));
    assert!(asked_for("/annotations"), "{paths:?}");
    assert!(!asked_for("/logs") && !asked_for("/artifacts"), "{paths:?}");
    // One look that leaves checks out settles nothing for others.
    assert_eq!(asked(&server)["counts"]["failed"], 3);
    for lines in [0, 1] {
        let answer = ask(json!({"max_error_lines": lines})).expect(200);
        let excerpt = answer["failures"][0]["excerpt"].as_array();
        assert_eq!(excerpt.map_or(0, Vec::len), lines, "{answer}");
    }
    for wrong in [
        json!({"max_error_lines": 13}),
        json!({"sources": ["log"]}),
        json!({"ignore_checks": "lint"}),
        json!({"compare_base": "no"}),
    ] {
        let refused = ask(wrong.clone()).expect(400);
        assert_eq!(refused["code"], "invalid_argument", "{wrong}: {refused}");
    }
    let flags = "get-failing-tests --pr acme/api#2 --json --ignore-checks windows,lint \
                 --compare-base=false --max-error-lines 1 --sources logs";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let by_hand = place.cli(&flags).json();
    assert_eq!(checks(&by_hand), [json!(["test (3.11)", "test (3.12)"])]);
    let by_mcp = place.mcp().joined().tool(
        TOOL,
        json!({"pr": "acme/api#2", "ignore_checks": ["windows", "lint"], "compare_base": false,
            "max_error_lines": 1, "sources": ["logs"]}),
    );
    assert_eq!(by_mcp.record()["failures"], by_hand["failures"]);
}

#[test]
fn checks_that_run_on_cost_two_requests_a_look() {
    let (place, server, head) = served(|merges, head| {
        merges.check_run(head, "test", "in_progress");
        merges.status(head, "license", "success");
    });
    place.github.clear_requests();
    assert_eq!(asked(&server)["status"], "running");
    // Pull request, checks, statuses, runs, rules, branch.
    assert_eq!(place.cost(), Cost::is(6, 6, 0));
    for wait in [false, true] {
        place.github.clear_requests();
        let again = ask(&server, json!({"wait": wait, "max_wait_seconds": 0})).expect(200);
        assert_eq!(again["status"], "running", "{again}");
        place.assert_repeat(2, 0);
    }
    // Another app's status is asked for again when check runs change, and seen then.
    later(&place, |merges| {
        merges.status(&head, "audit", "failure");
    });
    assert_eq!(asked(&server)["counts"]["failed"], 0);
    later(&place, |merges| {
        merges.check_run(&head, "lint", "success");
    });
    place.github.clear_requests();
    let answer = asked(&server);
    assert_eq!(
        answer["failures"][0]["checks"],
        json!(["audit"]),
        "{answer}"
    );
    let paths = paths(&place);
    for part in ["/check-runs", "/status", "/actions/runs"] {
        assert!(
            paths.iter().any(|path| path.contains(part)),
            "{part}: {paths:?}"
        );
    }
}

#[test]
fn the_look_that_confirms_a_pass_reads_all_again() {
    let (place, server, head) = served(|merges, head| {
        merges.check_run(head, "test", "success");
    });
    // The first of the two looks sees a pass; another app's status fails before the second.
    let first = ask(&server, json!({"wait": true, "max_wait_seconds": 0})).expect(200);
    assert_eq!(first["settled"], false, "{first}");
    later(&place, |merges| {
        merges.status(&head, "audit", "failure");
    });
    let second = ask(&server, json!({"wait": true, "max_wait_seconds": 20})).expect(200);
    assert_eq!(second["status"], "failed", "{second}");
    assert_eq!(
        second["failures"][0]["checks"],
        json!(["audit"]),
        "{second}"
    );
}

#[test]
fn a_cursor_of_an_older_head_says_so() {
    let (place, server, _) = served(|merges, head| {
        for number in 0..12 {
            let output = json!({"title": format!("broken {number}")});
            foreign_check(merges, head, &format!("check {number:02}"), output);
        }
    });
    let first = asked(&server);
    assert_eq!(first["failures"].as_array().map(Vec::len), Some(10));
    let cursor = &first["next_cursor"];
    let ask = |mut more: Value| {
        more["cursor"] = cursor.clone();
        ask(&server, more)
    };
    let second = ask(json!({"max_error_lines": 2})).expect(200);
    let told: Vec<&str> = second["failures"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| field(it, "error"))
        .collect();
    assert_eq!(told, ["broken 10", "broken 11"]);
    let other = ask(json!({"ignore_checks": ["02"]})).expect(400);
    assert_eq!(other["code"], "invalid_argument");
    place.github.change(|world| {
        let issue = world.issue("acme/api", 2);
        issue.pull_request.as_mut().expect("it is one").head_sha = "f".repeat(40);
        issue.touch();
    });
    place.github.clear_requests();
    let moved = ask(json!({})).expect(409);
    assert_eq!(
        (&moved["code"], &moved["category"]),
        (&json!("head_moved"), &json!("logical"))
    );
    assert_eq!(moved["suggestion"], "call again without cursor");
    assert_eq!(place.github.requests().len(), 1, "nothing else was asked");
}
