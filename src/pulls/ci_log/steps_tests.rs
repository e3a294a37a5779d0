//! Logs of several steps, and what GitHub tells of those.

use proptest::prelude::*;
use serde_json::json;

use super::steps::{JobStep, Sections};
use super::{Confidence, FAILURES_MAX, Failure, JobLog};

/// A test or an error, and how sure it is.
type Told = (String, Confidence);

const PYTEST: &str = "\
    ============================= test session starts ==============================\n\
    collected 1 item\n\ntests/test_a.py F                                         [100%]\n\n\
    =========================== short test summary info ============================\n\
    FAILED tests/test_a.py::test_old - assert 1 == 2\n\
    ============================== 1 failed in 0.03s ===============================\n";
const TSC: &str = "src/a.ts(3,7): error TS2322: Type 'x' is not assignable to type 'y'.\n";
const FAILED: &str = "##[error]Process completed with exit code 1.\n";
const BROKEN: &str = "fatal: 1 broken link\n##[error]Process completed with exit code 2.\n";
const TEST: &str = "tests/test_a.py::test_old";
const GATE: &str = "if [ \"$OUTCOME\" != success ]; then\n  echo \"Tests failed\"\n  exit 1\nfi";

/// A minute's second, as in stamps.
fn at(second: u32) -> String {
    format!("2026-11-20T10:00:{second:02}")
}

/// The log of a job whose steps begin at these seconds, run these scripts and print this, all of
/// it at once.
fn job(steps: &[(u32, &str, &str)]) -> String {
    let mut log = stamped(0, "\u{feff}Current runner version: '2.330.0'\n");
    for (second, script, output) in steps {
        let shown = script.lines().next().unwrap_or_default();
        let lines = script.lines();
        let lines: String = lines
            .map(|line| format!("\x1b[36;1m{line}\x1b[0m\n"))
            .collect();
        let heading = format!(
            "##[group]Run {shown}\n{lines}shell: /usr/bin/bash -e {{0}}\n\
             env:\n  CI: 1\n##[endgroup]\n{output}"
        );
        log += &stamped(*second, &heading);
    }
    log + &stamped(50, "Post job cleanup.\nCleaning up orphan processes\n")
}

fn stamped(second: u32, text: &str) -> String {
    let stamp = at(second);
    let lines = text.lines();
    lines
        .map(|line| format!("{stamp}.1234567Z {line}\r\n"))
        .collect()
}

fn steps(told: &[(&str, &str, u32, u32)]) -> Vec<JobStep> {
    let step = |(name, conclusion, start, end): &(&str, &str, u32, u32)| {
        json!({"name": name, "conclusion": conclusion, "status": "completed", "number": 1,
            "started_at": at(*start) + "Z", "completed_at": at(*end) + "Z"})
    };
    let told: Vec<_> = told.iter().map(step).collect();
    serde_json::from_value(json!(told)).unwrap()
}

fn told(log: &str, steps: Option<&[JobStep]>) -> Vec<(String, Confidence)> {
    let failures = JobLog::read(log.as_bytes(), steps).failures.into_iter();
    let words = |it: Failure| match it.test.is_empty() {
        true => (it.error, it.confidence),
        false => (it.test, it.confidence),
    };
    failures.map(words).collect()
}

/// What a step says of itself that no parser knows, and after it the test that failed in another one.
fn beside(said: &str) -> [(String, Confidence); 2] {
    [
        (said.to_owned(), Confidence::Low),
        (TEST.to_owned(), Confidence::Medium),
    ]
}

#[test]
fn what_made_the_job_fail_is_told() {
    // Allowed to fail; and after it a step that fails by a fault of its own. No parser knows that, so
    // that the tests may be the reason.
    let log = job(&[
        (1, "pytest nightly", &format!("{PYTEST}{FAILED}")),
        (7, "./deploy.sh", BROKEN),
    ]);
    let known = steps(&[
        ("Set up job", "success", 0, 1),
        ("Run pytest nightly", "success", 1, 7),
        ("Run ./deploy.sh", "failure", 7, 8),
        ("Run never", "skipped", 8, 8),
        ("Complete job", "success", 8, 8),
    ]);
    assert!(JobLog::needs_steps(log.as_bytes()));
    assert_eq!(told(&log, Some(&known)), beside("fatal: 1 broken link"));
    // One attempt of several failed within a step that passed.
    let log = job(&[
        (1, "retry", PYTEST),
        (7, "npx tsc", &format!("{TSC}{FAILED}")),
        (9, "upload", ""),
    ]);
    let known = steps(&[
        ("retry", "success", 1, 7),
        ("tsc", "failure", 7, 9),
        ("upload", "success", 9, 9),
    ]);
    assert_eq!(
        told(&log, Some(&known)),
        [("TS2322".to_owned(), Confidence::High)]
    );
}

#[test]
fn a_log_with_one_failed_step_at_its_end_needs_no_steps() {
    let log = job(&[(1, "pytest || true", PYTEST), (7, "./publish.sh", BROKEN)]);
    assert!(!JobLog::needs_steps(log.as_bytes()));
    assert_eq!(told(&log, None), beside("fatal: 1 broken link"));
    // Nor does a log with one step.
    let log = job(&[(1, "pytest", &format!("{PYTEST}done\n"))]);
    assert!(!JobLog::needs_steps(log.as_bytes()));
    assert_eq!(told(&log, None), [(TEST.to_owned(), Confidence::High)]);
}

#[test]
fn without_the_steps_what_ends_in_an_error_is_less_certain() {
    let log = job(&[
        (1, "pytest || true", PYTEST),
        (5, "npx tsc", &format!("{TSC}{FAILED}")),
        (7, "./deploy.sh", &format!("pushed\n{FAILED}")),
    ]);
    let doubted = [("TS2322".to_owned(), Confidence::Medium)];
    assert_eq!(told(&log, None), doubted);
    assert_eq!(told(&log, Some(&[])), doubted, "nobody knows them");
    // An action may end without a word: then all counts.
    let log = job(&[(1, "pytest", PYTEST), (5, "an action", "")]);
    assert_eq!(told(&log, None), [(TEST.to_owned(), Confidence::Medium)]);
    let known = steps(&[("pytest", "failure", 1, 5), ("action", "success", 5, 5)]);
    assert_eq!(
        told(&log, Some(&known)),
        [(TEST.to_owned(), Confidence::High)]
    );
}

#[test]
fn steps_of_one_second_are_told_apart_by_their_order() {
    let failed = format!("{PYTEST}{FAILED}");
    let log = job(&[
        (1, "pytest", &failed),
        (1, "./deploy.sh", BROKEN),
        (1, "npx tsc", TSC),
    ]);
    let known = |first, second| {
        steps(&[
            ("Set up job", "success", 0, 1),
            ("allowed", first, 1, 1),
            ("deploy", second, 1, 1),
            ("always", "success", 1, 2),
            ("Complete job", "success", 2, 2),
        ])
    };
    let deployed = told(&log, Some(&known("success", "failure")));
    assert_eq!(deployed, beside("fatal: 1 broken link"));
    let test = [(TEST.to_owned(), Confidence::High)];
    assert_eq!(told(&log, Some(&known("failure", "success"))), test);
}

#[test]
fn tests_are_told_whose_result_a_later_step_turns_into_the_failure() {
    let known = steps(&[("pytest", "success", 1, 6), ("gate", "failure", 7, 7)]);
    let test = [(TEST.to_owned(), Confidence::Medium)];
    let reporter = "Failed test were found and 'fail-on-error' option is set to true";
    let marked = |said: &str| format!("##[error]{said}\n");
    let gates: [(&str, &str, &[Told]); 4] = [
        // It prints nothing, or only that there is an error.
        ("exit 1", FAILED, &test),
        (
            "echo '::error::see above' && exit 1",
            &format!("{}{FAILED}", marked("see above")),
            &beside("see above"),
        ),
        (
            GATE,
            &format!("Tests failed\n{FAILED}"),
            &beside("Tests failed"),
        ),
        (
            "dorny/test-reporter@v2",
            &marked(reporter),
            &beside(reporter),
        ),
    ];
    for (gate, output, expected) in gates {
        let failed = format!("{PYTEST}{FAILED}");
        let log = job(&[(1, "pytest", &failed), (7, gate, output)]);
        assert_eq!(told(&log, Some(&known)), expected, "{gate}");
        // With `|| true` nothing marks the step before.
        let log = job(&[(1, "pytest || true", PYTEST), (7, gate, output)]);
        assert!(!JobLog::needs_steps(log.as_bytes()));
        assert_eq!(told(&log, None), expected, "{gate}");
    }
}

#[test]
fn tests_are_told_whose_result_the_same_composite_action_turns_into_the_failure() {
    let log = job(&[
        (1, "./.github/actions/test", ""),
        (
            1,
            "pytest || echo \"code=$?\" >> \"$GITHUB_OUTPUT\"",
            PYTEST,
        ),
        (7, GATE, &format!("Tests failed\n{FAILED}")),
    ]);
    assert!(!JobLog::needs_steps(log.as_bytes()));
    assert_eq!(told(&log, None), beside("Tests failed"));
}

#[test]
fn a_step_that_says_what_it_does_is_told_for_itself() {
    let failed = format!("{PYTEST}{FAILED}");
    let known = steps(&[("pytest", "success", 1, 6), ("build", "failure", 7, 7)]);
    let with = |script, output: &str| {
        let log = job(&[(1, "pytest nightly", &failed), (7, script, output)]);
        told(&log, Some(&known))
    };
    let built = with("echo building && npx tsc", &format!("{TSC}{FAILED}"));
    assert_eq!(built, [("TS2322".to_owned(), Confidence::High)]);
    let broken = beside("fatal: 1 broken link");
    for script in ["echo x | ./deploy.sh", "echo x; ./deploy.sh"] {
        assert_eq!(with(script, BROKEN), broken, "{script}");
    }
}

#[test]
fn a_service_that_let_another_step_down_explains_no_error() {
    let limited = format!("##[error]curl: 429 Too Many Requests\n{FAILED}");
    let known = steps(&[("upload", "success", 1, 6), ("deploy", "failure", 7, 7)]);
    let with = |script, output| {
        let log = job(&[(1, "upload", &limited), (7, script, output)]);
        told(&log, Some(&known))
    };
    let broken = ("fatal: 1 broken link".to_owned(), Confidence::Low);
    assert_eq!(with("./deploy.sh", BROKEN), [broken]);
    // Where the step says nothing, it may.
    let limit = ("curl: 429 Too Many Requests".to_owned(), Confidence::Medium);
    assert_eq!(with("exit 1", FAILED), [limit]);
}

#[test]
fn no_more_failures_are_told_than_may_be() {
    let names = (0..FAILURES_MAX).map(|it| format!("FAILED tests/test_a.py::test_{it} - no\n"));
    let summary = "FAILED tests/test_a.py::test_old - assert 1 == 2\n";
    let many = PYTEST.replace(summary, &names.collect::<String>());
    let log = job(&[(1, "pytest || true", &many), (7, "./deploy.sh", BROKEN)]);
    assert_eq!(told(&log, None).len(), FAILURES_MAX);
}

#[test]
fn of_a_lost_runner_the_step_counts_in_which_it_was_lost() {
    let log = job(&[
        (1, "pytest || true", PYTEST),
        (7, "npx tsc && ./deploy.sh", TSC),
    ]);
    let step = |name: &str, conclusion: Option<&str>, started: Option<u32>| {
        json!({"name": name, "conclusion": conclusion,
            "started_at": started.map(|second| at(second) + "Z"), "completed_at": null})
    };
    let mut known = vec![
        json!({"name": "pytest", "conclusion": "success",
            "started_at": at(1) + "Z", "completed_at": at(7) + "Z"}),
        step("tsc", None, Some(7)),
    ];
    known.extend((0..17).map(|_| step("never", None, None)));
    let known: Vec<JobStep> = serde_json::from_value(json!(known)).unwrap();
    let built = [("TS2322".to_owned(), Confidence::High)];
    assert_eq!(told(&log, Some(&known)), built);
}

#[test]
fn a_group_of_a_program_begins_no_step() {
    let output = format!(
        "##[group]Run tests\n{PYTEST}##[endgroup]\n##[group]Run lint\nok\n##[endgroup]\n{FAILED}"
    );
    let log = job(&[
        (1, "./ci.sh", &output),
        (9, "npx tsc", &format!("{TSC}{FAILED}")),
    ]);
    let expected = [
        (TEST.to_owned(), Confidence::Medium),
        ("TS2322".to_owned(), Confidence::Medium),
    ];
    assert_eq!(told(&log, None), expected);
    let log = job(&[(1, "./ci.sh", &output)]);
    assert_eq!(told(&log, None), [(TEST.to_owned(), Confidence::High)]);
}

#[test]
fn what_the_runner_does_itself_is_found_by_its_time() {
    let pull = "##[group]Starting job container\n##[error]Docker pull failed with exit code 1\n";
    let log = stamped(0, "Prepare workflow directory\n")
        + &stamped(3, pull)
        + &job(&[
            (5, "always", &format!("{PYTEST}{FAILED}")),
            (6, "always too", ""),
        ]);
    let known = steps(&[
        ("Set up job", "success", 0, 2),
        ("Initialize containers", "failure", 2, 4),
        ("always", "success", 5, 6),
        ("always too", "success", 6, 6),
    ]);
    let expected = [(
        "Docker pull failed with exit code 1".to_owned(),
        Confidence::High,
    )];
    assert_eq!(told(&log, Some(&known)), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever GitHub tells of the steps of whatever log, no part of it is told twice.
    #[test]
    fn parts_of_a_log_are_parts_of_it(
        lines in prop::collection::vec((0..12usize, 0..9u32), 0..60),
        ran in prop::collection::vec((0..5usize, 0..9u32, 0..9u32), 0..8),
    ) {
        const LINES: [&str; 12] = [
            "##[group]Run x", "##[group]Run make", "\u{1b}[36;1mmake\u{1b}[0m", "shell: sh", "##[endgroup]",
            "##[error]x", "##[error]Process completed with exit code 1.", "Post job cleanup.", "", "words",
            "##[group]x", "Cleaning up orphan processes",
        ];
        const ENDS: [&str; 5] = ["success", "failure", "skipped", "cancelled", "timed_out"];
        let log: String = lines.iter().map(|(line, second)| match line {
            9 => "no stamp\n".to_owned(),
            _ => stamped(*second, &format!("{}\n", LINES[*line])),
        }).collect();
        let ran: Vec<_> = ran.iter().map(|(end, from, to)| ("step", ENDS[*end], *from, *to)).collect();
        let known = steps(&ran);
        for steps in [None, Some(&*known)] {
            let part = Sections::of(log.as_bytes()).blamed(log.as_bytes(), steps);
            let mut until = 0;
            for range in &part.ranges {
                prop_assert!(until <= range.start && range.end <= log.len());
                until = range.end;
            }
            JobLog::read(log.as_bytes(), steps);
        }
    }
}
