//! One look at the checks of a pull request and at the logs of those that failed.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use tokio::task::JoinSet;

use super::analyse::{FailedCheck, Reading};
use super::annotations::{self, Annotations};
use super::artifacts;
use super::jobs::{failed_steps, without_log};
use super::report::Evidence;
use super::{Query, Sources};
use crate::gh::GhError;
use crate::pulls::checks::{
    self, ACTIONS_APP_ID, Check, CheckState, Checks, Freshness, WorkflowRun,
};
use crate::pulls::ci_log::{Confidence, FAILURES_MAX, Failure, FailureKind, JobLog};
use crate::pulls::{PullSource, Warning, files, required};

/// Logs read for one answer. A matrix of hundreds of legs fails in all of them for one reason.
const LOGS_MAX: usize = 20;
/// Who reports what no parser reads.
pub(super) const UNKNOWN_FRAMEWORK: &str = "";

/// Reads everything that the analysis wants.
pub(super) async fn read(
    source: &Arc<PullSource>,
    query: &Query,
    freshness: Freshness,
) -> (Reading, Vec<Warning>) {
    let sha = source.pull.head.sha.clone();
    let (mut checks, mut required) = tokio::join!(
        checks::fetch(source, &sha, freshness),
        required::fetch(source, &source.pull.base.name),
    );
    required.mark(&mut checks);
    let mut warnings = std::mem::take(&mut checks.warnings);
    warnings.append(&mut required.warnings);
    let any = !checks.all.is_empty();
    let filters = &query.filters;
    checks.all.retain(|check| filters.wants(check));
    required
        .contexts
        .retain(|context| filters.names(&context.context));
    if any {
        let stillborn = stillborn(&checks).into_iter();
        checks.all.extend(stillborn.filter(|it| filters.wants(it)));
    }
    let none_left = any && checks.all.is_empty();
    if none_left {
        let reason = "no check is left by these filters";
        let effect = "checks of other names may fail";
        warnings.push(Warning::new("checks", reason, effect));
    }
    let mut failed = failed_checks(source, &checks, filters.sources, &mut warnings).await;
    if filters.sources.junit {
        artifacts::add(source, &mut failed, &mut warnings).await;
    }
    if query.wait && query.bail_on_first && !failed.iter().any(FailedCheck::counts) {
        failed.extend(failed_steps(source, &checks, &mut warnings).await);
    }
    let (mut base, mut changed) = (None, None);
    if !failed.is_empty() {
        let on_base = async {
            match filters.compare_base {
                true => Some(failing_on_base(source, &failed).await),
                false => None,
            }
        };
        let (on_base, paths) = tokio::join!(on_base, changed_paths(source));
        base = on_base.and_then(|on_base| noted(on_base, &mut warnings));
        changed = noted(paths, &mut warnings);
    }
    let reading = Reading {
        id: source.id.clone(),
        host: source.gh().host().clone(),
        pull: source.pull.clone(),
        checks,
        none_left,
        required,
        failed,
        failing_on_base: base,
        changed_paths: changed,
    };
    (reading, warnings)
}

/// Workflow runs that ended before they had a job, as checks: GitHub shows none for them.
fn stillborn(checks: &Checks) -> Vec<Check> {
    let ends = ["startup_failure", "action_required"];
    let ended = |run: &&WorkflowRun| {
        run.conclusion
            .as_deref()
            .is_some_and(|it| ends.contains(&it))
    };
    let has_job = |run: &WorkflowRun| {
        let of_run =
            |check: &Check| check.suite_id.is_some() && check.suite_id == run.check_suite_id;
        checks.all.iter().any(of_run)
    };
    let runs = checks.workflow_runs.iter().filter(ended);
    let runs = runs.filter(|run| !has_job(run));
    let check = |run: &WorkflowRun| Check {
        name: run.name.clone().unwrap_or_else(|| run.path.clone()),
        app: None,
        state: CheckState::Fail,
        conclusion: run.conclusion.clone().unwrap_or_default(),
        details_url: Some(run.html_url.clone()),
        check_run_id: None,
        run_id: Some(run.id),
        suite_id: run.check_suite_id,
        started_at: None,
        completed_at: None,
        summary: None,
        text: Vec::new(),
        required: None,
    };
    runs.map(check).collect()
}

/// The value, or a note of why there is none.
fn noted<T>(answer: Result<T, Warning>, warnings: &mut Vec<Warning>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(warning) => {
            warnings.push(warning);
            None
        }
    }
}

/// The failed checks with what their logs tell, several at a time.
async fn failed_checks(
    source: &Arc<PullSource>,
    checks: &Checks,
    sources: Sources,
    warnings: &mut Vec<Warning>,
) -> Vec<FailedCheck> {
    let counted = |check: &&Check| matches!(check.state, CheckState::Fail | CheckState::Cancelled);
    let failed: Vec<&Check> = checks.all.iter().filter(counted).collect();
    let mut reading = JoinSet::new();
    for (place, check) in failed.iter().enumerate().take(LOGS_MAX) {
        let (source, check) = (source.clone(), (*check).clone());
        reading.spawn(async move { (place, look_into(&source, check, sources).await) });
    }
    let mut found: Vec<(usize, FailedCheck)> = Vec::new();
    while let Some(result) = reading.join_next().await {
        match result {
            Ok((place, (failed, mut new))) => {
                found.push((place, failed));
                warnings.append(&mut new);
            }
            Err(error) => {
                let effect = "one failed check is not listed";
                warnings.push(Warning::new("job_logs", error, effect));
            }
        }
    }
    found.sort_by_key(|(place, _)| *place);
    let mut found: Vec<FailedCheck> = found.into_iter().map(|(_, failed)| failed).collect();
    if failed.len() > LOGS_MAX {
        let reason = format!("{} checks failed, {LOGS_MAX} logs were read", failed.len());
        let effect = "failures of the other jobs are listed without their tests";
        warnings.push(Warning::new("job_logs", reason, effect));
        let rest = failed.into_iter().skip(LOGS_MAX).cloned();
        found.extend(rest.map(by_its_own_line));
    }
    found
}

/// What is known of one failed check: from its log, else from annotations, else from its own line.
async fn look_into(
    source: &PullSource,
    check: Check,
    sources: Sources,
) -> (FailedCheck, Vec<Warning>) {
    let mut warnings = Vec::new();
    let is_action = check
        .app
        .as_ref()
        .is_some_and(|app| app.id == ACTIONS_APP_ID);
    let Some(job) = check.check_run_id.filter(|_| is_action) else {
        return (by_its_own_line(check), warnings);
    };
    let (report, no_log) = match sources.logs {
        true => log(source, &check, job, &mut warnings).await,
        false => (
            Arc::default(),
            Some(NoLog::Because("its log was not asked for".to_owned())),
        ),
    };
    let found = |check, failures, evidence| FailedCheck {
        failures,
        evidence,
        log_pending: false,
        check,
    };
    let is_stopped = report.is_stopped();
    if report.is_certain && !is_stopped {
        let failures = report.failures.clone();
        return (found(check, failures, Evidence::Log), warnings);
    }
    let annotated = match sources.annotations {
        true => annotations::fetch(source, &check, job, &mut warnings).await,
        false => Annotations::default(),
    };
    let of_files = annotated.of_files;
    // What the log says in the same words it says with the lines before them. Marks on files are of all
    // steps too, and name no test.
    let is_news = |it: &Failure| report.failures.iter().all(|known| known.error != it.error);
    let failed = if let Some(verdict) = annotated.verdict.filter(is_news) {
        found(check, vec![verdict], Evidence::Annotation)
    } else if !of_files.is_empty() && !is_stopped && !report.is_recognised() {
        found(check, of_files, Evidence::Annotation)
    } else if !report.failures.is_empty() {
        found(check, report.failures.clone(), Evidence::Log)
    } else {
        let mut failed = match no_log {
            Some(NoLog::Missing) => without_log(source, check, job, &mut warnings).await,
            Some(NoLog::Because(reason)) => by_its_own_line_and(check, &reason),
            None => by_its_own_line_and(check, "its log names no cause"),
        };
        if let Some(told) = annotated.of_job.filter(|_| !failed.log_pending) {
            failed.failures = vec![told];
            failed.evidence = Evidence::Annotation;
        }
        failed
    };
    (failed, warnings)
}

/// Why there is no log.
enum NoLog {
    /// Not there (yet): the job may tell why.
    Missing,
    Because(String),
}

/// What the log of a job tells, and why it tells nothing where it could not be read.
async fn log(
    source: &PullSource,
    check: &Check,
    job: u64,
    warnings: &mut Vec<Warning>,
) -> (Arc<JobLog>, Option<NoLog>) {
    let of_check = |error: &GhError| format!("{}: {error}", check.name);
    let no_log = match source.job_log(job).await {
        Ok((report, untold)) => {
            if report.failures.len() >= FAILURES_MAX {
                let reason = format!("a log names {FAILURES_MAX} failures, and maybe more");
                let effect = "further failures of the job are not told";
                warnings.push(Warning::new("job_logs", reason, effect));
            }
            if let Some(error) = untold {
                let effect = "a failure may be of a step that did not make its job fail";
                warnings.push(Warning::new("jobs", of_check(&error), effect));
            }
            return (report, None);
        }
        // Logs go after 90 days.
        Err(GhError::Gone(_)) => NoLog::Because("its log has expired".to_owned()),
        Err(GhError::NotFound(_)) => NoLog::Missing,
        Err(error) => {
            let effect = "the failed tests of a job are not known";
            warnings.push(Warning::new("job_logs", of_check(&error), effect));
            NoLog::Because(format!("its log could not be read: {error}"))
        }
    };
    (Arc::default(), Some(no_log))
}

/// A check of which nothing is known but what whoever reported it says.
pub(super) fn by_its_own_line(check: Check) -> FailedCheck {
    by_its_own_line_and(check, "there is no log to read")
}

/// The same, and why nothing more is known of it.
fn by_its_own_line_and(check: Check, reason: &str) -> FailedCheck {
    let kind = match check.conclusion.as_str() {
        "cancelled" => FailureKind::Cancelled,
        "timed_out" => FailureKind::Timeout,
        _ => FailureKind::Unknown,
    };
    // Without a title the first line of the text stands for one.
    let (title, text) = match (&check.summary, check.text.split_first()) {
        (None, Some((first, rest))) => (Some(first), rest),
        (summary, _) => (summary.as_ref(), &*check.text),
    };
    let told = match (title, &*check.conclusion) {
        (Some(summary), _) => summary.clone(),
        (None, "action_required") => "waits for somebody to act on its page".to_owned(),
        (None, "startup_failure") => "the workflow could not start: its file is broken".to_owned(),
        (None, conclusion) => format!("ended as {conclusion}; {reason}"),
    };
    let failure = Failure::new(kind, UNKNOWN_FRAMEWORK, "", &told)
        .shown_by(text.iter().map(String::as_str))
        .with_confidence(Confidence::Low);
    FailedCheck {
        failures: vec![failure],
        evidence: Evidence::Check,
        log_pending: false,
        check,
    }
}

/// Which of the failed checks fail on the newest commit of the base branch too.
async fn failing_on_base(
    source: &PullSource,
    failed: &[FailedCheck],
) -> Result<HashMap<String, bool>, Warning> {
    #[derive(Deserialize)]
    struct BaseRun {
        name: String,
        status: String,
        #[serde(default)]
        conclusion: Option<String>,
    }
    let base = &source.pull.base.name;
    let path = source.path().then("commits").then(base).then("check-runs");
    let path = path.with("filter", "latest");
    let runs = source
        .list::<BaseRun>(&path, Some("check_runs"), 1_000)
        .await;
    match runs {
        Ok((runs, _)) => {
            let mut by_name: HashMap<String, bool> = HashMap::new();
            let wanted = |run: &&BaseRun| failed.iter().any(|it| it.check.name == run.name);
            for run in runs.iter().filter(wanted) {
                let state = checks::state_of_run(&run.status, run.conclusion.as_deref());
                if matches!(state, CheckState::Ok | CheckState::Fail) {
                    *by_name.entry(run.name.clone()).or_default() |= state == CheckState::Fail;
                }
            }
            Ok(by_name)
        }
        Err(error) => {
            let effect = "whether checks fail on the base branch too is not known";
            Err(Warning::new("base_checks", error, effect))
        }
    }
}

async fn changed_paths(source: &PullSource) -> Result<Vec<String>, Warning> {
    const EFFECT: &str = "whether failures lie in changed files is not known";
    match files::fetch(source).await {
        // What is not among those that are told may be changed all the same.
        Ok((_, true)) => Err(files::cut_warning(EFFECT)),
        Ok((files, false)) => Ok(files.into_iter().map(|file| file.filename).collect()),
        Err(error) => Err(Warning::new("files", error, EFFECT)),
    }
}
