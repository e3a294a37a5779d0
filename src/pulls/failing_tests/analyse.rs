//! From what was read to what it means. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::fit;
use super::passes::APART;
use super::report::{Counts, Evidence, FailedNames, NoCiReason, ReportedFailure, Status};
use super::services;
use crate::domain::{Host, text};
use crate::pulls::checks::{Check, CheckState, Checks};
use crate::pulls::ci_log::{Failure, FailureKind, cut};
use crate::pulls::required::{Outcome, Required};
use crate::pulls::{PullId, PullRequest};

/// A commit younger than this may get checks that nobody has registered yet.
const REGISTRATION: Duration = Duration::from_secs(90);
/// After a re-run GitHub shows fewer checks for about this long.
const CALM: Duration = Duration::from_secs(12);

/// What Actions writes in place of a secret.
const MASKED: &str = "***";
/// Most names of checks, and of tests, that are told elsewhere, and longest of them in characters.
const NAMES_MAX: usize = 10;
const NAME_CHARS_MAX: usize = 200;

/// A failed check with what was found out about it.
#[derive(Clone, Debug)]
pub(super) struct FailedCheck {
    pub check: Check,
    pub failures: Vec<Failure>,
    pub evidence: Evidence,
    pub log_pending: bool,
}

impl FailedCheck {
    /// Whether it makes the whole fail while other checks run. One that was stopped tells no fault.
    pub fn counts(&self) -> bool {
        self.check.state != CheckState::Cancelled
    }
}

/// All that one look at the pull request has told.
pub(super) struct Reading {
    pub id: PullId,
    /// The host it is on.
    pub host: Host,
    pub pull: PullRequest,
    pub checks: Checks,
    /// There are checks, and the filters want none of them.
    pub none_left: bool,
    pub required: Required,
    pub failed: Vec<FailedCheck>,
    /// Names of checks that fail on the base branch; `None` when it was not looked at.
    pub failing_on_base: Option<HashMap<String, bool>>,
    /// Paths that the pull request changes; `None` when not known.
    pub changed_paths: Option<Vec<String>>,
}

/// What it means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub status: Status,
    pub settled: bool,
    pub counts: Counts,
    pub no_ci_reason: Option<NoCiReason>,
    pub pull_request_runs_missing: bool,
    pub failures: Vec<ReportedFailure>,
    /// For how long looks at GitHub have agreed that all has passed; `None` when memory served.
    pub passed_for: Option<Duration>,
}

impl Verdict {
    /// Whether it stands as it is: a pass does when two looks agree, or when that is remembered.
    pub fn is_certain(&self) -> bool {
        self.passed_for.is_none_or(|age| age >= APART)
    }

    /// Takes a pass that only one look has seen for a state on the way.
    pub fn doubt_pass(&mut self) {
        if !self.is_certain() {
            self.status = Status::Running;
            self.settled = false;
        }
    }

    /// The first checks and tests that failed.
    pub fn names(&self) -> FailedNames {
        let mut names = FailedNames::default();
        let add = |names: &mut Vec<String>, name: &str| {
            let name = cut(&text::one_line(name), NAME_CHARS_MAX);
            if names.len() < NAMES_MAX && !names.contains(&name) {
                names.push(name);
            }
        };
        for failure in &self.failures {
            for check in &failure.checks {
                add(&mut names.checks, check);
            }
            if failure.kind == FailureKind::Test {
                add(&mut names.tests, &failure.test);
            }
        }
        names.is_told = self.failures.iter().any(|failure| !failure.log_pending);
        names
    }

    /// What is still waited for.
    pub fn expected(&self) -> String {
        if self.counts.running > 0 {
            not_done(self.counts.running)
        } else if self.failures.iter().any(|failure| failure.log_pending) {
            "the log of a failed job is not there yet".to_owned()
        } else if self.passed_for.is_some() {
            "all checks have passed, a second look has to confirm it".to_owned()
        } else {
            "GitHub may still register checks".to_owned()
        }
    }
}

/// Judges a reading.
pub(super) fn judge(reading: &Reading, now: Timestamp) -> Verdict {
    let counts = counts(&reading.checks, &reading.required);
    let checks = &reading.checks;
    let runs_open = checks.workflow_runs.iter().any(|run| !run.is_completed());
    let waits = counts.running > 0 || runs_open || !counts.missing_required.is_empty();
    let nothing = checks.all.is_empty() && !runs_open;
    let no_ci_reason = nothing.then(|| no_ci_reason(reading, now)).flatten();
    let has_failed = counts.failed > 0 || reading.failed.iter().any(FailedCheck::counts);
    let status = if has_failed {
        Status::Failed
    } else if nothing && checks.complete {
        Status::NoChecks
    } else if waits {
        Status::Running
    } else if counts.cancelled > 0 {
        Status::Failed
    } else if checks.complete {
        Status::Passed
    } else {
        Status::Unknown
    };
    let newest = checks
        .all
        .iter()
        .filter_map(|check| check.completed_at)
        .max();
    let calm = newest.is_none_or(|at| now.duration_since(at).unsigned_abs() >= CALM);
    let dirty = reading.pull.mergeable_state == "dirty";
    let log_pending = reading.failed.iter().any(|failed| failed.log_pending);
    let has_own_run = checks
        .workflow_runs
        .iter()
        .any(|run| run.event.starts_with("pull_request"));
    Verdict {
        status,
        settled: !waits
            && calm
            && !log_pending
            && no_ci_reason != Some(NoCiReason::NotRegisteredYet),
        counts,
        no_ci_reason,
        pull_request_runs_missing: dirty && !has_own_run,
        failures: merged(reading),
        passed_for: None,
    }
}

fn counts(checks: &Checks, required: &Required) -> Counts {
    let in_state = |state| checks.in_state(state).count();
    let missing = required.contexts.iter().filter(|context| {
        matches!(
            Required::outcome(context, checks),
            Outcome::Missing | Outcome::OtherApp
        )
    });
    let skipped = checks.all.iter().filter(|check| check.is_skipped()).count();
    Counts {
        failed: in_state(CheckState::Fail),
        allowed_failures: in_state(CheckState::Allowed),
        cancelled: in_state(CheckState::Cancelled),
        running: in_state(CheckState::Pending),
        passed: in_state(CheckState::Ok) - skipped,
        skipped,
        missing_required: missing.map(|context| context.context.clone()).collect(),
        more_missing_required: 0,
    }
}

/// Why there is no check. Where there are some and the filters want none of them, nothing hinders
/// checks: then there is a reason only while those that are wanted may still come.
fn no_ci_reason(reading: &Reading, now: Timestamp) -> Option<NoCiReason> {
    let runs = &reading.checks.workflow_runs;
    let ended = |word: &str| {
        let is = |run: &crate::pulls::checks::WorkflowRun| run.conclusion.as_deref() == Some(word);
        runs.iter().any(is)
    };
    // Nothing tells when the head was pushed; a pull request changes when it is.
    let is_new = now.duration_since(reading.pull.updated_at).unsigned_abs() < REGISTRATION;
    let may_come = is_new || !reading.required.contexts.is_empty();
    if reading.none_left {
        return may_come.then_some(NoCiReason::NotRegisteredYet);
    }
    let reason = if reading.pull.mergeable_state == "dirty" {
        NoCiReason::Conflicts
    } else if runs.iter().any(|run| run.awaits_approval()) {
        NoCiReason::AwaitingApproval
    } else if ended("startup_failure") {
        NoCiReason::StartupFailure
    } else if may_come {
        NoCiReason::NotRegisteredYet
    } else {
        NoCiReason::NoneConfigured
    };
    Some(reason)
}

/// The same failure in several jobs is one; those of this pull request come first, tests before
/// what is nobody's fault.
fn merged(reading: &Reading) -> Vec<ReportedFailure> {
    let mut all: Vec<ReportedFailure> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let shared = shared_names(reading);
    for failed in &reading.failed {
        let base = reading
            .failing_on_base
            .as_ref()
            .and_then(|base| base.get(&failed.check.name).copied());
        for failure in &failed.failures {
            let id = match (identity(failure, &failed.check), &failure.reproduce) {
                (name, Some(command)) if shared.contains(&name) => format!("{name}: {command}"),
                (name, _) => name,
            };
            if let Some(known) = places.get(&id).and_then(|place| all.get_mut(*place)) {
                if !known.checks.contains(&failed.check.name) {
                    known.checks.push(failed.check.name.clone());
                }
                known.required = worst(known.required, failed.check.required);
                known.run_attempt = known.run_attempt.max(attempt(reading, &failed.check));
                // One leg that is sound on the base is enough: something is new.
                known.also_fails_on_base = match (known.also_fails_on_base, base) {
                    (Some(one), Some(other)) => Some(one && other),
                    (one, other) => one.or(other),
                };
                continue;
            }
            places.insert(id.clone(), all.len());
            all.push(reported(reading, failed, failure, id, base));
        }
    }
    all.sort_by_key(|failure| (failure.also_fails_on_base == Some(true), failure.kind));
    all
}

/// Names of which one report tells several tests: packages of Go, crates of Rust may each have a test
/// of that name, and only the command tells them apart.
fn shared_names(reading: &Reading) -> HashSet<String> {
    let mut shared = HashSet::new();
    for failed in &reading.failed {
        let mut commands: HashMap<String, &str> = HashMap::new();
        let is_test = |failure: &&Failure| failure.kind == FailureKind::Test;
        for failure in failed.failures.iter().filter(is_test) {
            let Some(command) = &failure.reproduce else {
                continue;
            };
            let name = identity(failure, &failed.check);
            let known = *commands.entry(name.clone()).or_insert(command);
            if known != command {
                shared.insert(name);
            }
        }
    }
    shared
}

/// Which attempt a check is of, where its workflow run was run again.
fn attempt(reading: &Reading, check: &Check) -> Option<u64> {
    let mut runs = reading.checks.workflow_runs.iter();
    let run = runs.find(|run| Some(run.id) == check.run_id)?;
    (run.run_attempt > 1).then_some(run.run_attempt)
}

fn worst(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Tests and diagnostics are known by what they are, so is what is said of a place for a reason that
/// nobody knows (annotations); everything else by the job it struck.
fn identity(failure: &Failure, check: &Check) -> String {
    let place = || {
        let line = failure
            .line
            .map_or(String::new(), |line| format!(":{line}"));
        failure.file.as_ref().map(|file| format!("{file}{line}"))
    };
    match failure.kind {
        FailureKind::Test => format!("{}:{}", failure.framework, failure.test),
        FailureKind::Build | FailureKind::Lint => {
            let place = place().unwrap_or_else(|| failure.error.clone());
            let code = Some(&failure.test).filter(|code| !code.is_empty());
            let code = code.map_or(String::new(), |code| format!(":{code}"));
            format!("{}{code}:{place}", failure.framework)
        }
        FailureKind::Unknown if failure.file.is_some() => {
            let place = place().unwrap_or_default();
            let said = [&*failure.test, &*failure.error];
            let said = said.into_iter().find(|words| !words.is_empty());
            format!("unknown:{place}:{}", said.unwrap_or_default())
        }
        kind => {
            let kind = serde_json::to_value(kind).unwrap_or_default();
            format!("{}:{}", kind.as_str().unwrap_or("unknown"), check.name)
        }
    }
}

fn reported(
    reading: &Reading,
    failed: &FailedCheck,
    failure: &Failure,
    id: String,
    also_fails_on_base: Option<bool>,
) -> ReportedFailure {
    let changed = reading.changed_paths.as_ref();
    let in_pr_diff = failure
        .file
        .as_ref()
        .zip(changed)
        .map(|(file, changed)| changed.iter().any(|path| is_same_file(file, path)));
    // Actions writes asterisks for a secret: such a command names something else.
    let own = failure.reproduce.clone();
    let own = own.filter(|command| !command.contains(MASKED));
    // Where no command of its own is known, Actions can at least do it again, which proves a fix or
    // chance; so do some other services.
    let (pr, host) = (&reading.id, &reading.host);
    let rerun = || {
        let run = failed.check.run_id?;
        let repository = services::repository(pr, host);
        Some(format!("gh run rerun {run} --failed -R {repository}"))
    };
    let reproduce = own
        .or_else(rerun)
        .or_else(|| services::command(&failed.check));
    ReportedFailure {
        id,
        kind: failure.kind,
        framework: failure.framework.clone(),
        test: failure.test.clone(),
        error: failure.error.clone(),
        excerpt: failure.excerpt.clone(),
        file: failure.file.clone(),
        line: failure.line,
        in_pr_diff,
        checks: vec![failed.check.name.clone()],
        required: failed.check.required,
        also_fails_on_base,
        run_attempt: attempt(reading, &failed.check),
        confidence: failure.confidence,
        source: failed.evidence,
        log_pending: failed.log_pending,
        log_url: failed.check.details_url.clone(),
        reproduce: reproduce.or_else(|| Some(services::checkout(pr, host))),
        more_checks: 0,
        cut: Vec::new(),
    }
}

/// Logs name files from the folder of the job or from a folder in it, or in full.
fn is_same_file(logged: &str, changed: &str) -> bool {
    let logged = logged.trim_start_matches("./").replace('\\', "/");
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    ends(&logged, changed) || ends(changed, &logged)
}

fn not_done(checks: usize) -> String {
    match checks {
        1 => "1 check is not done".to_owned(),
        many => format!("{many} checks are not done"),
    }
}

/// The state in a sentence.
pub(super) fn summary(verdict: &Verdict) -> String {
    let mut parts: Vec<String> = Vec::new();
    let kinds = [
        (FailureKind::Test, "test", "tests", "failed"),
        (FailureKind::Build, "build error", "build errors", "found"),
        (FailureKind::Lint, "lint error", "lint errors", "found"),
        (
            FailureKind::Infra,
            "infrastructure failure",
            "infrastructure failures",
            "happened",
        ),
        (FailureKind::Timeout, "job", "jobs", "ran out of time"),
        (FailureKind::Cancelled, "job", "jobs", "ended as cancelled"),
        (
            FailureKind::Unknown,
            "job",
            "jobs",
            "failed for a reason that no log names",
        ),
    ];
    for (kind, one, many, what) in kinds {
        let of_kind: Vec<_> = verdict
            .failures
            .iter()
            .filter(|it| it.kind == kind)
            .collect();
        if of_kind.is_empty() {
            continue;
        }
        let mut jobs: Vec<&String> = of_kind.iter().flat_map(|it| &it.checks).collect();
        jobs.sort_unstable();
        jobs.dedup();
        let known = of_kind
            .iter()
            .filter(|it| it.also_fails_on_base == Some(true))
            .count();
        // Several annotations may be of one job.
        let counts_jobs = one == "job";
        let count = if counts_jobs {
            jobs.len()
        } else {
            of_kind.len()
        };
        let noun = if count == 1 { one } else { many };
        let mut part = format!("{count} {noun} {what}");
        if !counts_jobs {
            let jobs_noun = if jobs.len() == 1 { "job" } else { "jobs" };
            part.push_str(&format!(" in {} {jobs_noun}", jobs.len()));
        }
        if known > 0 {
            part.push_str(&format!(
                " ({known} in jobs that fail on the base branch too)"
            ));
        }
        parts.push(part);
    }
    let commands = verdict
        .failures
        .iter()
        .filter_map(|it| it.reproduce.as_ref());
    match commands.filter(|it| services::is_checkout(it)).count() {
        0 => {}
        1 => parts.push(
            "of 1 only the checkout is known: its log_url tells what the service ran".to_owned(),
        ),
        many => parts.push(format!(
            "of {many} only the checkout is known: their log_url tells what the service ran"
        )),
    }
    let counts = &verdict.counts;
    if counts.running > 0 {
        parts.push(not_done(counts.running));
    }
    if !counts.missing_required.is_empty() {
        let names = fit::in_words(&counts.missing_required);
        parts.push(format!("required but not reported: {names}"));
    }
    match verdict.no_ci_reason {
        Some(NoCiReason::Conflicts) => parts.push(
            "no checks: GitHub starts none while the pull request conflicts with its base".into(),
        ),
        Some(NoCiReason::AwaitingApproval) => {
            parts.push("no checks: a maintainer has to approve the workflow runs".into());
        }
        Some(NoCiReason::StartupFailure) => {
            parts.push("no checks: a workflow could not start, its file is broken".into());
        }
        Some(NoCiReason::NotRegisteredYet) => {
            parts.push("no checks yet: they are expected but not registered".into());
        }
        Some(NoCiReason::NoneConfigured) => {
            parts.push("no checks: nothing in the repository makes any for this commit".into());
        }
        None if verdict.status == Status::NoChecks => {
            parts.push("no check is left by these filters".to_owned());
        }
        None => {}
    }
    if parts.is_empty() {
        return match verdict.status {
            Status::Passed => match (counts.passed, counts.skipped) {
                (passed, 0) => format!("all {passed} checks passed"),
                (0, skipped) => format!("no check failed: {skipped} skipped"),
                (passed, skipped) => format!("all {passed} checks passed, {skipped} skipped"),
            },
            Status::Running => verdict.expected(),
            Status::Unknown => "what could be read has passed, but not all could be read".into(),
            _ => format!("{} checks failed", counts.failed + counts.cancelled),
        };
    }
    parts.join("; ")
}
