use serde_json::{Value, json};

use super::*;

fn parsed<T: DeserializeOwned>(value: Value) -> Vec<T> {
    serde_json::from_value(value).unwrap()
}

fn run(id: u64, name: &str, suite: u64, conclusion: &str) -> Value {
    let pending = matches!(conclusion, "queued" | "in_progress");
    json!({
        "id": id, "name": name, "head_sha": "9f3c", "external_id": "x",
        "status": if pending { conclusion } else { "completed" },
        "conclusion": if pending { Value::Null } else { conclusion.into() },
        "started_at": "2026-01-02T03:04:05Z", "completed_at": null,
        "details_url": format!("https://github.com/o/r/actions/runs/{suite}1/job/{id}"),
        "html_url": "https://github.com/o/r/runs/1",
        "output": {"title": null, "summary": null, "text": null, "annotations_count": 1},
        "app": {"id": 15368, "slug": "github-actions", "name": "GitHub Actions"},
        "check_suite": {"id": suite}, "pull_requests": [],
    })
}

fn workflow(suite: u64, workflow: u64, event: &str, conclusion: &str) -> Value {
    json!({
        "id": suite * 10 + 1, "name": "CI", "workflow_id": workflow, "path": ".github/workflows/ci.yml",
        "event": event, "status": "completed", "conclusion": conclusion, "run_attempt": 1,
        "check_suite_id": suite, "html_url": "",
    })
}

fn names(runs: Value, statuses: Value, workflows: Value) -> Vec<(String, CheckState)> {
    let (all, _) = merge(parsed(runs), parsed(statuses), parsed(workflows));
    all.into_iter()
        .map(|check| (check.name, check.state))
        .collect()
}

#[test]
fn every_word_of_github_has_a_state() {
    use CheckState::*;
    for (status, conclusion, state) in [
        ("completed", Some("success"), Ok),
        ("completed", Some("neutral"), Ok),
        ("completed", Some("skipped"), Ok),
        ("completed", Some("failure"), Fail),
        ("completed", Some("timed_out"), Fail),
        ("completed", Some("startup_failure"), Fail),
        ("completed", Some("action_required"), Fail),
        ("completed", Some("a_new_word"), Fail),
        ("completed", Some("cancelled"), Cancelled),
        ("completed", Some("stale"), Pending),
        ("completed", None, Pending),
        ("queued", None, Pending),
        ("in_progress", None, Pending),
        ("waiting", None, Pending),
        ("requested", None, Pending),
        ("pending", None, Pending),
    ] {
        assert_eq!(
            state_of_run(status, conclusion),
            state,
            "{status} {conclusion:?}"
        );
    }
}

#[test]
fn a_newer_run_of_the_same_workflow_and_event_replaces_the_older_one() {
    let runs = json!([run(1, "test", 10, "failure"), run(2, "test", 11, "success")]);
    let same = json!([
        workflow(10, 7, "pull_request", "failure"),
        workflow(11, 7, "pull_request", "success")
    ]);
    let passed = vec![("test".to_owned(), CheckState::Ok)];
    assert_eq!(names(runs.clone(), json!([]), same), passed);
    let both = vec![
        ("test".to_owned(), CheckState::Fail),
        ("test".to_owned(), CheckState::Ok),
    ];
    for others in [
        json!([
            workflow(10, 7, "push", "failure"),
            workflow(11, 7, "pull_request", "success")
        ]),
        json!([
            workflow(10, 7, "push", "failure"),
            workflow(11, 8, "push", "success")
        ]),
        // Nothing is known of the workflows: the failure stays.
        json!([]),
    ] {
        assert_eq!(names(runs.clone(), json!([]), others), both);
    }
}

#[test]
fn a_queued_run_replaces_a_finished_one() {
    let mut queued = run(9, "test", 11, "queued");
    queued["started_at"] = Value::Null;
    let workflows = json!([
        workflow(10, 7, "pull_request", "failure"),
        workflow(11, 7, "pull_request", "")
    ]);
    let found = names(
        json!([run(1, "test", 10, "failure"), queued]),
        json!([]),
        workflows,
    );
    assert_eq!(found, vec![("test".to_owned(), CheckState::Pending)]);
}

#[test]
fn a_run_without_jobs_yet_replaces_what_failed_before_it() {
    let runs = json!([
        run(1, "test", 10, "failure"),
        run(2, "docs", 12, "failure"),
        run(3, "lint", 13, "success"),
        // What passed counts for GitHub until it has failed.
        run(4, "unit", 10, "success")
    ]);
    let table = [
        ("queued", true),
        ("in_progress", true),
        ("waiting", true),
        ("completed", false),
    ];
    for (status, replaces) in table {
        let mut newer = workflow(11, 7, "pull_request", "");
        newer["status"] = status.into();
        let workflows = json!([
            newer,
            workflow(10, 7, "pull_request", "failure"),
            // Of another event, and of another workflow.
            workflow(12, 7, "push", "failure"),
            workflow(13, 8, "pull_request", "success"),
        ]);
        let found = names(runs.clone(), json!([]), workflows);
        let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let expected: &[&str] = if replaces {
            &["docs", "lint", "unit"]
        } else {
            &["docs", "test", "lint", "unit"]
        };
        assert_eq!(found, expected, "{status}");
    }
}

#[test]
fn jobs_of_one_name_in_one_run_both_count() {
    let runs = json!([run(1, "test", 10, "failure"), run(2, "test", 10, "success")]);
    let found = names(runs, json!([]), json!([workflow(10, 7, "push", "failure")]));
    assert_eq!(found.len(), 2);
}

#[test]
fn a_failure_in_a_run_that_succeeded_is_allowed() {
    let runs = json!([
        run(1, "nightly", 10, "failure"),
        run(2, "test", 11, "failure")
    ]);
    let workflows = json!([
        workflow(10, 7, "push", "success"),
        workflow(11, 8, "push", "failure")
    ]);
    let expected = vec![
        ("test".to_owned(), CheckState::Fail),
        ("nightly".to_owned(), CheckState::Allowed),
    ];
    assert_eq!(names(runs, json!([]), workflows), expected);
}

#[test]
fn statuses_stand_beside_check_runs() {
    let statuses = json!([
        {"id": 1, "context": "ci/circleci", "state": "error", "description": "a\nb",
         "target_url": "https://circleci.com/x", "created_at": "2026-01-02T03:04:05Z",
         "updated_at": "2026-01-02T03:04:05Z"},
        {"id": 3, "context": "deploy", "state": "success", "description": null, "target_url": null},
        {"id": 2, "context": "deploy", "state": "pending", "description": null, "target_url": null},
    ]);
    let (all, _) = merge(
        parsed(json!([run(5, "test", 10, "success")])),
        parsed(statuses),
        Vec::new(),
    );
    let found: Vec<_> = all
        .iter()
        .map(|check| (check.name.as_str(), check.state))
        .collect();
    assert_eq!(
        found,
        [
            ("ci/circleci", CheckState::Fail),
            ("deploy", CheckState::Ok),
            ("test", CheckState::Ok)
        ]
    );
    assert_eq!(all[0].summary.as_deref(), Some("a b"));
    assert_eq!(
        (all[2].check_run_id, all[2].run_id, all[2].suite_id),
        (Some(5), Some(101), Some(10))
    );
    assert_eq!(all[0].check_run_id, None);
}

#[test]
fn the_newest_run_of_a_workflow_is_kept() {
    let runs = newest_runs(parsed(json!([
        workflow(10, 7, "pull_request", "failure"),
        workflow(12, 7, "pull_request", "action_required"),
        workflow(11, 7, "push", "success"),
    ])));
    let ids: Vec<u64> = runs.iter().map(|run| run.id).collect();
    assert_eq!(ids, [121, 111]);
    assert!(runs[0].awaits_approval() && runs[0].is_completed());
}

#[test]
fn runs_are_read_from_addresses() {
    for (url, id) in [
        ("https://github.com/o/r/actions/runs/9/job/88", Some(9)),
        ("https://ghe.example/o/r/actions/runs/9?pr=1", Some(9)),
        ("https://circleci.com/gh/o/r/9", None),
        ("https://github.com/o/r/actions/runs/x", None),
    ] {
        assert_eq!(workflow_run_id(url), id, "{url}");
    }
}
