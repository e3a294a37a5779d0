//! The answer of `get_failing_tests`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::ApiError;
use crate::pulls::Warning;
use crate::pulls::ci_log::{Confidence, FailureKind};

/// How the checks stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Something failed that counts.
    Failed,
    /// Nothing failed yet and something is not done.
    Running,
    /// Everything passed.
    Passed,
    /// No check is there; the reason says why. This is never a pass.
    NoChecks,
    /// What could be read has passed, but not everything could be read.
    Unknown,
}

/// Why there is no check at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoCiReason {
    /// GitHub starts no `pull_request` runs while the merge has conflicts.
    Conflicts,
    /// A maintainer has to let the workflows run.
    AwaitingApproval,
    /// A workflow file is broken.
    StartupFailure,
    /// Checks are demanded or the head is very new: they may still come.
    NotRegisteredYet,
    /// Nothing in the repository makes checks for this pull request.
    NoneConfigured,
}

/// How many checks are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Failed, timed out, could not start.
    pub failed: usize,
    /// Failed with `continue-on-error`: not counted as failures.
    pub allowed_failures: usize,
    /// Stopped by somebody or something.
    pub cancelled: usize,
    /// Not done.
    pub running: usize,
    /// Passed.
    pub passed: usize,
    /// Skipped or neutral: nothing ran that could fail.
    pub skipped: usize,
    /// Demanded by the base branch and not reported by anybody.
    pub missing_required: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_missing_required: usize,
}

/// Where a failure was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The job's log.
    Log,
    /// A test report that a job uploaded (JUnit XML or TRX).
    Junit,
    /// An annotation on the check.
    Annotation,
    /// The check's own line.
    Check,
}

/// One failure, merged over the jobs that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportedFailure {
    /// Names it: framework and test, or kind and job.
    pub id: String,
    /// What sort it is.
    pub kind: FailureKind,
    /// The tool that reported it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub framework: String,
    /// The test, or the code of a diagnostic.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub test: String,
    /// What is wrong, in one line.
    pub error: String,
    /// Lines that show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excerpt: Vec<String>,
    /// File.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether the pull request changes that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_pr_diff: Option<bool>,
    /// Checks that show it.
    pub checks: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_checks: usize,
    /// Whether one of them is demanded for merging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Whether the check of this name fails on the base branch too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also_fails_on_base: Option<bool>,
    /// Which attempt of its workflow run this is, where somebody has run it again: from 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_attempt: Option<u64>,
    /// How sure this is.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: Evidence,
    /// The log will be there when the job has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log_pending: bool,
    /// Page of the first of the jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
    /// A command that shows it again; where none is known, the one that checks out what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproduce: Option<String>,
    /// Fields of this failure that are cut or left out: too large for an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<&'static str>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instructions {
    /// The state in a sentence.
    pub summary: String,
    /// Commands that show the first failures again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// How to go on waiting.
#[derive(Clone, Debug, Serialize)]
pub struct PollInfo {
    /// What is waited for.
    pub message: String,
    /// When to ask again.
    pub retry_after_seconds: u64,
    /// The call to make.
    pub next_call: Value,
}

impl FailingTests {
    /// The page that was asked for, as compact JSON.
    ///
    /// # Errors
    /// Only a bug.
    pub fn page(&self) -> Result<Box<RawValue>, ApiError> {
        if let Some(page) = &self.page {
            return Ok(page.clone());
        }
        let page = serde_json::value::to_raw_value(self);
        page.map_err(|error| ApiError::internal(error.to_string()))
    }

    /// Whether something is still expected and nothing has failed.
    pub fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// Whether nothing more is expected for this commit.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether checks fail; `None` while that is not known.
    pub fn fails(&self) -> Option<bool> {
        match self.status {
            Status::Failed => Some(true),
            Status::Passed => Some(false),
            Status::Running | Status::NoChecks | Status::Unknown => None,
        }
    }
}

/// Names of what failed, for those who tell of it elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedNames {
    /// Checks.
    pub checks: Vec<String>,
    /// Tests, where they are known.
    pub tests: Vec<String>,
    /// Whether what is known may be all that will be: no log is still to come.
    pub is_told: bool,
}

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct FailingTests {
    /// The whole name of the commit.
    #[serde(skip)]
    pub commit: String,
    /// What failed, in short.
    #[serde(skip)]
    pub names: FailedNames,
    /// The pull request.
    pub pr: String,
    /// The commit that was looked at.
    pub head_sha: String,
    /// When.
    pub fetched_at: Timestamp,
    /// How it stands.
    pub status: Status,
    /// Whether nothing more is expected for this commit.
    pub settled: bool,
    /// Counts of checks.
    pub counts: Counts,
    /// What failed.
    pub failures: Vec<Box<RawValue>>,
    /// How many failures there are in all.
    pub total_failures: usize,
    /// Why there are no checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_ci_reason: Option<NoCiReason>,
    /// Runs for the pull request itself do not start while it has conflicts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pull_request_runs_missing: bool,
    /// The commit this call began with, when another was pushed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_changed_from: Option<String>,
    /// What to do.
    pub instructions: Instructions,
    /// How to wait on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_info: Option<PollInfo>,
    /// Fields that others wrote.
    pub untrusted: &'static [&'static str],
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_warnings: usize,
    /// The next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What is told in place of all this, on a page of what had no room beside the failures.
    #[serde(skip)]
    pub(super) page: Option<Box<RawValue>>,
}
