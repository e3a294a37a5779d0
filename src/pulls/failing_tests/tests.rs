//! The analysis, on readings put together by hand.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::analyse::{FailedCheck, Reading, judge, summary};
use super::pages_tests::extreme;
use super::report::{Evidence, NoCiReason, Status};
use super::{Filters, Query, Wait};
use crate::domain::Host;
use crate::pulls::PullId;
use crate::pulls::checks::{Check, CheckState, Checks, WorkflowRun};
use crate::pulls::ci_log::{Failure, FailureKind};
use crate::pulls::required::{Classic, Required, RequiredContext};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    at("2026-11-20T12:00:00Z")
}

pub(super) fn check(name: &str, state: CheckState) -> Check {
    Check {
        name: name.to_owned(),
        app: None,
        state,
        conclusion: String::new(),
        details_url: Some(format!("https://github.com/o/r/actions/runs/9/job/{name}")),
        check_run_id: Some(1),
        run_id: Some(9),
        suite_id: None,
        started_at: None,
        completed_at: (state != CheckState::Pending).then(|| at("2026-11-20T11:00:00Z")),
        summary: None,
        text: Vec::new(),
        required: Some(false),
    }
}

pub(super) fn failed(name: &str, failures: Vec<Failure>) -> FailedCheck {
    FailedCheck {
        check: check(name, CheckState::Fail),
        failures,
        evidence: Evidence::Log,
        log_pending: false,
    }
}

pub(super) fn reading(all: Vec<Check>, failed: Vec<FailedCheck>) -> Reading {
    let pull = json!({
        "number": 5, "state": "open", "title": "t", "updated_at": "2026-11-20T11:00:00Z",
        "html_url": "https://github.com/o/r/pull/5", "mergeable_state": "clean",
        "head": {"ref": "h", "sha": "abc"}, "base": {"ref": "main", "sha": "def"},
    });
    Reading {
        id: PullId::parse("o/r#5", &Host::default()).unwrap(),
        host: Host::default(),
        pull: serde_json::from_value(pull).unwrap(),
        checks: Checks {
            all,
            complete: true,
            ..Checks::default()
        },
        required: Required {
            contexts: Vec::new(),
            strict: false,
            rules: Some(Vec::new()),
            classic: Classic::Unknown,
            warnings: Vec::new(),
        },
        none_left: false,
        failed,
        failing_on_base: None,
        changed_paths: None,
    }
}

fn run(event: &str, status: &str, conclusion: Option<&str>) -> WorkflowRun {
    let run = json!({"id": 9, "event": event, "status": status, "conclusion": conclusion});
    serde_json::from_value(run).unwrap()
}

pub(super) fn required(context: &str) -> RequiredContext {
    RequiredContext {
        context: context.to_owned(),
        integration_id: None,
    }
}

#[test]
fn the_state_of_all_checks_together() {
    use CheckState::{Allowed, Cancelled, Fail, Ok, Pending};
    let table: &[(&[CheckState], Status, bool)] = &[
        (&[Ok, Ok], Status::Passed, true),
        (&[Ok, Allowed], Status::Passed, true),
        (&[Ok, Pending], Status::Running, false),
        (&[Fail, Pending], Status::Failed, false),
        (&[Fail, Ok], Status::Failed, true),
        (&[Ok, Cancelled], Status::Failed, true),
        (&[Ok, Cancelled, Pending], Status::Running, false),
        (&[], Status::NoChecks, true),
    ];
    for (states, status, settled) in table {
        let all: Vec<Check> = states.iter().map(|state| check("a", *state)).collect();
        let looked_into = all.iter().filter(|it| matches!(it.state, Fail | Cancelled));
        let looked_into = looked_into.map(|check| FailedCheck {
            check: check.clone(),
            ..failed("a", Vec::new())
        });
        for failed in [Vec::new(), looked_into.collect()] {
            let verdict = judge(&reading(all.clone(), failed), now());
            assert_eq!(
                (verdict.status, verdict.settled),
                (*status, *settled),
                "{states:?}"
            );
        }
    }
}

#[test]
fn what_was_skipped_did_not_pass() {
    let told = |conclusions: &[&str]| {
        let of = |conclusion: &&str| Check {
            conclusion: (*conclusion).to_owned(),
            ..check("a", CheckState::Ok)
        };
        let all = conclusions.iter().map(of).collect();
        let verdict = judge(&reading(all, Vec::new()), now());
        assert_eq!(verdict.status, Status::Passed, "{conclusions:?}");
        let counts = (verdict.counts.passed, verdict.counts.skipped);
        (counts, summary(&verdict))
    };
    let cases: [(&[&str], (usize, usize), &str); 3] = [
        (&["success", "success"], (2, 0), "all 2 checks passed"),
        (
            &["success", "skipped", "neutral"],
            (1, 2),
            "all 1 checks passed, 2 skipped",
        ),
        (&["skipped"], (0, 1), "no check failed: 1 skipped"),
    ];
    for (conclusions, counts, words) in cases {
        assert_eq!(told(conclusions), (counts, words.to_owned()));
    }
}

#[test]
fn a_run_that_was_repeated_says_so() {
    let lost = || {
        vec![Failure::new(
            FailureKind::Infra,
            "github-actions",
            "",
            "lost",
        )]
    };
    let attempt = |run_attempt: u64, run_id: Option<u64>| {
        let mut failed = failed("job", lost());
        failed.check.run_id = run_id;
        let mut reading = reading(vec![failed.check.clone()], vec![failed]);
        let mut run = run("push", "completed", Some("failure"));
        run.run_attempt = run_attempt;
        reading.checks.workflow_runs = vec![run];
        judge(&reading, now()).failures[0].run_attempt
    };
    assert_eq!(attempt(3, Some(9)), Some(3));
    assert_eq!(attempt(1, Some(9)), None, "the first needs no word");
    assert_eq!(attempt(3, Some(8)), None, "another run");
    assert_eq!(attempt(3, None), None, "another service");
}

#[test]
fn a_demanded_check_that_nobody_reports_is_waited_for() {
    let mut reading = reading(vec![check("a", CheckState::Ok)], Vec::new());
    reading.required.contexts = vec![required("a"), required("e2e")];
    let verdict = judge(&reading, now());
    assert_eq!((verdict.status, verdict.settled), (Status::Running, false));
    assert_eq!(verdict.counts.missing_required, ["e2e"]);
    assert_eq!(summary(&verdict), "required but not reported: e2e");
}

#[test]
fn what_could_not_be_read_is_no_pass() {
    let mut reading = reading(vec![check("a", CheckState::Ok)], Vec::new());
    reading.checks.complete = false;
    assert_eq!(judge(&reading, now()).status, Status::Unknown);
}

#[test]
fn a_result_of_this_moment_may_still_change() {
    let reading = reading(vec![check("a", CheckState::Ok)], Vec::new());
    assert!(!judge(&reading, at("2026-11-20T11:00:05Z")).settled);
}

#[test]
fn no_checks_have_a_reason() {
    let reason = |change: fn(&mut Reading)| {
        let mut reading = reading(Vec::new(), Vec::new());
        change(&mut reading);
        let verdict = judge(&reading, now());
        assert_ne!(verdict.status, Status::Passed);
        verdict.no_ci_reason
    };
    assert_eq!(reason(|_| {}), Some(NoCiReason::NoneConfigured));
    let dirty = |reading: &mut Reading| reading.pull.mergeable_state = "dirty".to_owned();
    assert_eq!(reason(dirty), Some(NoCiReason::Conflicts));
    let waits = |reading: &mut Reading| {
        reading.checks.workflow_runs =
            vec![run("pull_request", "completed", Some("action_required"))];
    };
    assert_eq!(reason(waits), Some(NoCiReason::AwaitingApproval));
    let broken = |reading: &mut Reading| {
        reading.checks.workflow_runs = vec![run("push", "completed", Some("startup_failure"))];
    };
    assert_eq!(reason(broken), Some(NoCiReason::StartupFailure));
    let new = |reading: &mut Reading| reading.pull.updated_at = at("2026-11-20T11:59:30Z");
    assert_eq!(reason(new), Some(NoCiReason::NotRegisteredYet));
    let demanded = |reading: &mut Reading| reading.required.contexts = vec![required("e2e")];
    assert_eq!(reason(demanded), Some(NoCiReason::NotRegisteredYet));
}

#[test]
fn checks_that_filters_leave_out_are_not_missing() {
    let told = |change: fn(&mut Reading)| {
        let mut reading = reading(Vec::new(), Vec::new());
        reading.none_left = true;
        change(&mut reading);
        let verdict = judge(&reading, now());
        assert_eq!(verdict.status, Status::NoChecks);
        (verdict.no_ci_reason, verdict.settled, summary(&verdict))
    };
    let left_out = (None, true, "no check is left by these filters".to_owned());
    assert_eq!(told(|_| {}), left_out);
    // Others have run: neither of these hinders checks.
    let dirty = |reading: &mut Reading| reading.pull.mergeable_state = "dirty".to_owned();
    assert_eq!(told(dirty), left_out);
    let broken = |reading: &mut Reading| {
        reading.checks.workflow_runs = vec![run("push", "completed", Some("startup_failure"))];
    };
    assert_eq!(told(broken), left_out);
    let new = |reading: &mut Reading| reading.pull.updated_at = at("2026-11-20T11:59:30Z");
    let (reason, settled, _) = told(new);
    assert_eq!(
        (reason, settled),
        (Some(NoCiReason::NotRegisteredYet), false)
    );
    let demanded = |reading: &mut Reading| reading.required.contexts = vec![required("e2e")];
    let (reason, settled, _) = told(demanded);
    assert_eq!(
        (reason, settled),
        (Some(NoCiReason::NotRegisteredYet), false)
    );
}

#[test]
fn a_failure_of_several_jobs_is_told_once() {
    let test = || {
        Failure::new(
            FailureKind::Test,
            "pytest",
            "tests/a.py::test_b",
            "assert 1 == 2",
        )
        .at("/github/workspace/tests/a.py", Some(4))
        .reproduced_by("pytest tests/a.py::test_b".to_owned())
    };
    let shutdown = Failure::new(FailureKind::Infra, "github-actions", "", "shutdown signal");
    let mut needed = failed("test (3.12)", vec![test()]);
    needed.check.required = Some(true);
    let mut reading = reading(
        vec![check("test (3.11)", CheckState::Fail)],
        vec![
            failed("windows", vec![shutdown]),
            failed("test (3.11)", vec![test()]),
            needed,
        ],
    );
    reading.changed_paths = Some(vec!["tests/a.py".to_owned()]);
    reading.failing_on_base = Some(HashMap::from([("windows".to_owned(), true)]));
    let verdict = judge(&reading, now());
    let [first, second] = verdict.failures.as_slice() else {
        panic!("{:?}", verdict.failures);
    };
    assert_eq!(first.id, "pytest:tests/a.py::test_b");
    assert_eq!(first.checks, ["test (3.11)", "test (3.12)"]);
    assert_eq!((first.required, first.in_pr_diff), (Some(true), Some(true)));
    assert_eq!(second.id, "infra:windows");
    assert_eq!(second.also_fails_on_base, Some(true));
    assert_eq!(
        second.reproduce.as_deref(),
        Some("gh run rerun 9 --failed -R o/r")
    );
    assert_eq!(
        summary(&verdict),
        "1 test failed in 2 jobs; 1 infrastructure failure happened in 1 job (1 in jobs that fail \
         on the base branch too)"
    );
}

#[test]
fn every_failure_has_a_command() {
    let command = |kind, run_id| {
        let failure = Failure::new(kind, "", "", "it failed");
        let mut failed = failed("job", vec![failure]);
        failed.check.run_id = run_id;
        let reading = reading(vec![failed.check.clone()], vec![failed]);
        judge(&reading, now()).failures[0].reproduce.clone()
    };
    for kind in [
        FailureKind::Test,
        FailureKind::Build,
        FailureKind::Lint,
        FailureKind::Infra,
        FailureKind::Timeout,
        FailureKind::Cancelled,
        FailureKind::Unknown,
    ] {
        let again = Some("gh run rerun 9 --failed -R o/r".to_owned());
        assert_eq!(command(kind, Some(9)), again, "{kind:?}");
        let checkout = Some("gh pr checkout 5 -R o/r".to_owned());
        assert_eq!(command(kind, None), checkout, "another service: {kind:?}");
    }
}

#[test]
fn tests_of_one_name_in_two_packages_are_two() {
    let test = |package: &str| {
        let failure = Failure::new(FailureKind::Test, "go-test", "TestAdds", "no");
        failure.reproduced_by(format!("go test {package} -run '^TestAdds$'"))
    };
    let ids = |legs: Vec<FailedCheck>| {
        let failures = judge(&reading(Vec::new(), legs), now()).failures;
        let ids = failures.into_iter().map(|it| (it.id, it.checks.len()));
        ids.collect::<Vec<(String, usize)>>()
    };
    let named = |package: &str| format!("go-test:TestAdds: go test {package} -run '^TestAdds$'");
    let both = failed("1.24", vec![test("./a"), test("./b")]);
    assert_eq!(
        ids(vec![both, failed("1.25", vec![test("./b")])]),
        [(named("./a"), 1), (named("./b"), 2)]
    );
    let legs = ["1.24", "1.25"].map(|leg| failed(leg, vec![test("./a")]));
    assert_eq!(ids(legs.to_vec()), [("go-test:TestAdds".to_owned(), 2)]);
}

#[test]
fn each_annotation_is_a_failure() {
    let annotation = |file: &str, line, title: &str, error: &str| {
        Failure::new(FailureKind::Unknown, "", title, error).at(file, Some(line))
    };
    let all = || {
        vec![
            annotation("a.ts", 3, "cart > adds", "expected 1"),
            annotation("a.ts", 3, "cart > takes", "expected 2"),
            annotation("a.ts", 9, "", "unused"),
            annotation("b.ts", 9, "", "unused"),
            Failure::new(FailureKind::Unknown, "", "", "coverage fell"),
        ]
    };
    let legs = vec![failed("one", all()), failed("two", all())];
    let verdict = judge(&reading(Vec::new(), legs), now());
    let told = verdict.failures.iter();
    let told: Vec<(&str, usize)> = told.map(|it| (&*it.id, it.checks.len())).collect();
    let expected = [
        ("unknown:a.ts:3:cart > adds", 2),
        ("unknown:a.ts:3:cart > takes", 2),
        ("unknown:a.ts:9:unused", 2),
        ("unknown:b.ts:9:unused", 2),
        ("unknown:one", 1),
        ("unknown:two", 1),
    ];
    assert_eq!(told, expected);
    assert!(summary(&verdict).starts_with("2 jobs failed for a reason"));
}

#[test]
fn a_command_with_a_masked_secret_is_not_proposed() {
    let command = |own: &str| {
        let failure = Failure::new(FailureKind::Test, "pytest", "t", "it failed");
        let failure = failure.reproduced_by(own.to_owned());
        let reading = reading(Vec::new(), vec![failed("job", vec![failure])]);
        judge(&reading, now()).failures[0].reproduce.clone()
    };
    assert_eq!(command("pytest t.py").as_deref(), Some("pytest t.py"));
    let masked = command("pytest '***_auth.py::t'");
    assert_eq!(masked.as_deref(), Some("gh run rerun 9 --failed -R o/r"));
}

#[test]
fn a_run_of_an_enterprise_server_is_started_again_there() {
    let lost = Failure::new(FailureKind::Infra, "", "", "shutdown signal");
    let mut reading = reading(Vec::new(), vec![failed("job", vec![lost])]);
    reading.host = "git.example.com".parse().unwrap();
    assert_eq!(
        judge(&reading, now()).failures[0].reproduce.as_deref(),
        Some("gh run rerun 9 --failed -R git.example.com/o/r")
    );
    reading.failed[0].check.run_id = None;
    assert_eq!(
        judge(&reading, now()).failures[0].reproduce.as_deref(),
        Some("gh pr checkout 5 -R git.example.com/o/r")
    );
}

#[test]
fn who_has_only_a_checkout_is_sent_to_the_page_of_the_check() {
    let elsewhere = |name| {
        let failure = Failure::new(FailureKind::Unknown, "", "", "coverage fell");
        let mut failed = failed(name, vec![failure]);
        failed.check.run_id = None;
        failed
    };
    let told = |failed: Vec<FailedCheck>| {
        let all = failed.iter().map(|it| it.check.clone()).collect();
        summary(&judge(&reading(all, failed), now()))
    };
    let one = told(vec![elsewhere("coverage")]);
    assert!(
        one.ends_with("; of 1 only the checkout is known: its log_url tells what the service ran"),
        "{one}"
    );
    let two = told(vec![elsewhere("coverage"), elsewhere("preview")]);
    assert!(
        two.ends_with(
            "; of 2 only the checkout is known: their log_url tells what the service ran"
        ),
        "{two}"
    );
    let service = told(vec![elsewhere("ci/circleci: build")]);
    assert!(!service.contains("checkout"), "{service}");
}

/// When the looks of a call are of which the checks stand as these tell, one after the other and the
/// last one again and again; in seconds. And the status that the last one gives.
fn looks(query: &Query, states: &[CheckState]) -> (Vec<u64>, Status) {
    let began = Instant::now();
    let (mut now, mut wait, mut looks) = (began, Wait::new(began), Vec::new());
    loop {
        let state = states[looks.len().min(states.len() - 1)];
        looks.push((now - began).as_secs());
        let failed = matches!(state, CheckState::Fail).then(|| failed("a", Vec::new()));
        let reading = reading(vec![check("a", state)], failed.into_iter().collect());
        let mut verdict = judge(&reading, self::now());
        match wait.pause(query, "h", &mut verdict, now) {
            Some(pause) => now += pause,
            None => return (looks, verdict.status),
        }
        assert!(looks.len() < 1_000, "there is no end of looks");
    }
}

#[test]
fn a_wait_ends_when_its_time_is_over_or_something_fails() {
    let waiting = |seconds: u64, wait: bool| Query {
        wait,
        bail_on_first: true,
        max_wait: Duration::from_secs(seconds),
        filters: Filters::default(),
        ..extreme("x", 3, 1).1
    };
    let pending = [CheckState::Pending];
    let slice = crate::domain::limits::WAIT_SECONDS_MAX;
    let told = looks(&waiting(slice, true), &pending);
    assert_eq!(told, (vec![0, 5, 15, 30, 45], Status::Running));
    // None whose pause would end too late, and one where nobody waits.
    assert_eq!(looks(&waiting(14, true), &pending).0, [0, 5]);
    assert_eq!(looks(&waiting(0, true), &pending).0, [0]);
    assert_eq!(looks(&waiting(slice, false), &pending).0, [0]);
    let fails = [CheckState::Pending, CheckState::Fail];
    let told = looks(&waiting(slice, true), &fails);
    assert_eq!(told, (vec![0, 5], Status::Failed));
}

#[test]
fn a_wait_names_the_head_that_it_began_with() {
    let query = extreme("x", 3, 1).1;
    let pushed = |heads: &[&str]| {
        let began = Instant::now();
        let mut wait = Wait::new(began);
        for head in heads {
            let reading = reading(vec![check("a", CheckState::Pending)], Vec::new());
            wait.pause(&query, head, &mut judge(&reading, now()), began);
        }
        wait.changed_from(heads[heads.len() - 1])
    };
    assert_eq!(pushed(&["a"]), None);
    assert_eq!(pushed(&["a", "a"]), None);
    assert_eq!(pushed(&["a", "b", "c"]).as_deref(), Some("a"));
}
