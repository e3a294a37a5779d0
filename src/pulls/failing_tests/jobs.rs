//! Jobs of GitHub Actions themselves: steps that fail while a job runs, and jobs without a log.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::analyse::FailedCheck;
use super::fetch::{UNKNOWN_FRAMEWORK, by_its_own_line};
use super::report::Evidence;
use crate::pulls::checks::{Check, Checks, WorkflowRun};
use crate::pulls::ci_log::{Confidence, Failure, FailureKind, JobStep};
use crate::pulls::{PullSource, Warning};

/// Running workflow runs whose steps are looked at.
const RUNS_LOOKED_INTO_MAX: usize = 5;
/// The log of a job that has ended may be this late.
const LOG_DELAY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Job {
    id: u64,
    name: String,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    completed_at: Option<Timestamp>,
    #[serde(default)]
    steps: Vec<JobStep>,
}

impl Job {
    /// Whether its log may still come: it runs, or has ended this moment.
    fn awaits_log(&self, now: Timestamp) -> bool {
        let is_new = |at: Timestamp| now.duration_since(at).unsigned_abs() < LOG_DELAY;
        self.status != "completed" || self.completed_at.is_some_and(is_new)
    }

    /// The step in which its runner was lost, else the one that failed.
    fn lost_or_failed_step(&self) -> Option<Failure> {
        if self.status != "completed" || self.conclusion.as_deref() != Some("failure") {
            return None;
        }
        let lost = self.steps.iter().find(|step| step.conclusion.is_none());
        let (kind, told) = match (lost, self.steps.iter().find(|step| step.is_failed())) {
            (Some(step), _) => (
                FailureKind::Infra,
                format!(
                    "the runner was lost in step '{}'; there is no log",
                    step.name
                ),
            ),
            (None, Some(step)) => (
                FailureKind::Unknown,
                format!("step '{}' failed; there is no log", step.name),
            ),
            (None, None) => return None,
        };
        let failure = Failure::new(kind, UNKNOWN_FRAMEWORK, "", &told);
        Some(failure.with_confidence(Confidence::Medium))
    }
}

/// Steps that have failed in jobs that still run: the job will fail too, its log comes at its end.
pub(super) async fn failed_steps(
    source: &PullSource,
    checks: &Checks,
    warnings: &mut Vec<Warning>,
) -> Vec<FailedCheck> {
    let mut found = Vec::new();
    let open = checks
        .workflow_runs
        .iter()
        .filter(|run| !run.is_completed());
    let open: Vec<&WorkflowRun> = open.collect();
    let effect = "a failed step shows only when its job has ended";
    if open.len() > RUNS_LOOKED_INTO_MAX {
        let reason = format!(
            "{RUNS_LOOKED_INTO_MAX} of {} runs were looked into",
            open.len()
        );
        warnings.push(Warning::new("jobs", reason, effect));
    }
    for run in open.into_iter().take(RUNS_LOOKED_INTO_MAX) {
        let path = source.path().then("actions").then("runs").then(run.id);
        let path = path.then("jobs").with("filter", "latest");
        let jobs = match source.gh().list::<Job>(&path, Some("jobs"), 300).await {
            Ok((jobs, is_cut)) => {
                if is_cut {
                    let reason = format!("a run has more than {}", jobs.len());
                    warnings.push(Warning::new("jobs", reason, effect));
                }
                jobs
            }
            Err(error) => {
                warnings.push(Warning::new("jobs", error, effect));
                continue;
            }
        };
        for job in jobs.iter().filter(|job| job.status == "in_progress") {
            let failed = |step: &&JobStep| step.is_failed();
            let known = checks
                .all
                .iter()
                .find(|check| check.check_run_id == Some(job.id));
            if let (Some(step), Some(check)) = (job.steps.iter().find(failed), known) {
                let told = format!("step '{}' of {} failed", step.name, job.name);
                let failure = Failure::new(FailureKind::Unknown, UNKNOWN_FRAMEWORK, "", &told);
                let mut check = check.clone();
                check.details_url = check.details_url.or_else(|| job.html_url.clone());
                found.push(FailedCheck {
                    failures: vec![failure],
                    evidence: Evidence::Check,
                    log_pending: true,
                    check,
                });
            }
        }
    }
    found
}

/// A failed job that has no log: the job itself may tell why.
pub(super) async fn without_log(
    source: &PullSource,
    check: Check,
    id: u64,
    warnings: &mut Vec<Warning>,
) -> FailedCheck {
    let path = source.path().then("actions").then("jobs").then(id);
    let mut failed = by_its_own_line(check);
    match source.gh().get::<Job>(&path).await {
        Ok(job) => {
            failed.log_pending = job.awaits_log(source.now());
            if let Some(failure) = job.lost_or_failed_step() {
                failed.failures = vec![failure];
            }
        }
        Err(error) => {
            let effect = "why a failed job has no log is not known";
            let reason = format!("{}: {error}", failed.check.name);
            warnings.push(Warning::new("jobs", reason, effect));
        }
    }
    failed
}
