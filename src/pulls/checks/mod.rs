//! Checks of a commit: check runs and commit statuses read from GitHub and merged into one list, in
//! which a newer run has replaced those it supersedes.
//!
//! Facts: <https://docs.github.com/rest/checks/runs> (`filter=latest` leaves out earlier attempts of
//! one suite), <https://docs.github.com/rest/commits/statuses> (the combined state is `pending` when
//! there is no status at all, so it is never used), <https://docs.github.com/rest/actions/workflow-runs>.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{PullSource, Warning};
use crate::domain::text;
use crate::gh::{ApiPath, GhError};

/// Most check runs, statuses and workflow runs that are read of one commit.
const ITEMS_MAX: usize = 1_000;
/// Most workflow runs whose jobs are read one by one where check runs may not be read.
const RUNS_ASKED_MAX: usize = 10;
/// The list in GitHub's answer about check runs.
const CHECK_RUNS: &str = "check_runs";
/// GitHub's own id of the app that reports jobs of workflows.
pub const ACTIONS_APP_ID: u64 = 15_368;
/// Its short name.
const ACTIONS_APP: &str = "github-actions";
/// Longest summary kept of a check, in bytes.
const SUMMARY_BYTES_MAX: usize = 200;
/// Most lines that are kept of what stands below it, and the longest of them in bytes.
const TEXT_LINES_MAX: usize = 8;
const TEXT_LINE_BYTES_MAX: usize = 200;

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Up to half a minute, as [`PullSource`] remembers it.
    Remembered,
    /// Check runs as GitHub tells now. Commit statuses and workflow runs too where those changed;
    /// else they are as remembered: a look at checks that run on costs one request for them.
    Watched,
    /// All as GitHub tells now.
    Now,
}

/// What has become of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// Passed, was skipped or is neutral.
    Ok,
    /// Failed, but its workflow run succeeded all the same (`continue-on-error`).
    Allowed,
    /// Not done yet.
    Pending,
    /// Somebody or something stopped it.
    Cancelled,
    /// Failed, timed out, could not start or waits for an action.
    Fail,
}

/// The app that reported a check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its id, which rulesets call `integration_id`.
    pub id: u64,
    /// Its short name, as `github-actions`.
    #[serde(default)]
    pub slug: String,
}

/// One check of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, the `context` of rules; written by authors of workflows and apps.
    pub name: String,
    /// Who reported it; `None` for commit statuses, whose list does not tell.
    pub app: Option<App>,
    /// What has become of it.
    pub state: CheckState,
    /// GitHub's word: the conclusion, or the status while there is none.
    pub conclusion: String,
    /// Page with details.
    pub details_url: Option<String>,
    /// Id of the check run, for GitHub Actions also that of the job; `None` for commit statuses.
    pub check_run_id: Option<u64>,
    /// Id of its workflow run.
    pub run_id: Option<u64>,
    /// Id of its check suite.
    pub suite_id: Option<u64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// One line about the result, written by whoever reported it.
    pub summary: Option<String>,
    /// The first lines of what its reporter wrote below that; of checks that did not pass only.
    pub text: Vec<String>,
    /// Whether a rule of the base branch demands it; `None` while the rules are not known.
    pub required: Option<bool>,
}

impl Check {
    /// Whether nothing ran that could fail: skipped, or neutral.
    pub fn is_skipped(&self) -> bool {
        self.state == CheckState::Ok && matches!(self.conclusion.as_str(), "skipped" | "neutral")
    }
}

/// A run of a workflow.
#[derive(Clone, Debug, Deserialize)]
pub struct WorkflowRun {
    /// Its id.
    pub id: u64,
    /// Name of the workflow.
    #[serde(default)]
    pub name: Option<String>,
    /// Id of the workflow.
    #[serde(default)]
    pub workflow_id: u64,
    /// File of the workflow, as `.github/workflows/ci.yml`.
    #[serde(default)]
    pub path: String,
    /// What set it off, as `pull_request`.
    #[serde(default)]
    pub event: String,
    /// `completed`, or how far it is.
    #[serde(default)]
    pub status: Option<String>,
    /// How it ended, as `success`, `startup_failure` or `action_required` (waits for an approval).
    #[serde(default)]
    pub conclusion: Option<String>,
    /// Number of the attempt, from 1.
    #[serde(default)]
    pub run_attempt: u64,
    /// Id of its check suite.
    #[serde(default)]
    pub check_suite_id: Option<u64>,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
}

impl WorkflowRun {
    /// Whether it has ended.
    pub fn is_completed(&self) -> bool {
        self.status.as_deref() == Some("completed")
    }

    /// Whether somebody has to let it run (first contribution, fork, environment).
    pub fn awaits_approval(&self) -> bool {
        self.conclusion.as_deref() == Some("action_required")
            || self.status.as_deref() == Some("action_required")
    }
}

/// All checks of a commit.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Each check that counts, the worst first, then by name.
    pub all: Vec<Check>,
    /// The newest run of each workflow and event.
    pub workflow_runs: Vec<WorkflowRun>,
    /// Whether every check run and status was read. If not, a check that is missing here is
    /// unknown, not missing.
    pub complete: bool,
    /// Sources that could not be read.
    pub warnings: Vec<Warning>,
}

impl Checks {
    /// The checks in this state.
    pub fn in_state(&self, state: CheckState) -> impl Iterator<Item = &Check> {
        self.all.iter().filter(move |check| check.state == state)
    }
}

/// A check run as REST tells it; a job of a workflow run has the same fields.
#[derive(Clone, Debug, Deserialize)]
struct CheckRun {
    id: u64,
    name: String,
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    started_at: Option<Timestamp>,
    #[serde(default)]
    completed_at: Option<Timestamp>,
    #[serde(default)]
    details_url: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    app: Option<App>,
    #[serde(default)]
    check_suite: Option<Suite>,
    #[serde(default)]
    output: Option<Output>,
    /// Of jobs only.
    #[serde(default)]
    run_id: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Suite {
    id: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Output {
    #[serde(default)]
    title: Option<String>,
    /// Markdown, as is the text, which has the details.
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// A commit status as REST tells it.
#[derive(Clone, Debug, Deserialize)]
struct Status {
    #[serde(default)]
    id: u64,
    context: String,
    state: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
    #[serde(default)]
    created_at: Option<Timestamp>,
    #[serde(default)]
    updated_at: Option<Timestamp>,
}

/// Reads all checks of a commit. What cannot be read is a warning and makes the list incomplete.
pub async fn fetch(source: &PullSource, sha: &str, freshness: Freshness) -> Checks {
    let commit = source.path().then("commits").then(sha);
    let runs_path = commit.clone().then("check-runs").with("filter", "latest");
    let statuses_path = commit.then("status");
    let workflows_path = source.path().then("actions").then("runs");
    let workflows_path = workflows_path.with("head_sha", sha);
    let others = async |freshness| {
        tokio::join!(
            list::<Status>(source, &statuses_path, "statuses", freshness),
            list::<WorkflowRun>(source, &workflows_path, "workflow_runs", freshness),
        )
    };
    let may_be_same = freshness == Freshness::Watched
        && source.remembers(&runs_path, Some(CHECK_RUNS), ITEMS_MAX);
    let (runs, (statuses, workflow_runs)) = if may_be_same {
        let runs = source.list_now(&runs_path, Some(CHECK_RUNS), ITEMS_MAX);
        let (runs, freshness) = match runs.await {
            Ok((runs, true)) => (Ok(runs), Freshness::Remembered),
            Ok((runs, false)) => (Ok(runs), Freshness::Now),
            Err(error) => (Err(error), Freshness::Now),
        };
        (runs, others(freshness).await)
    } else {
        let runs = list::<CheckRun>(source, &runs_path, CHECK_RUNS, freshness);
        tokio::join!(runs, others(freshness))
    };
    let mut warnings = Vec::new();
    let workflow_runs = taken(
        workflow_runs,
        &mut warnings,
        "workflow_runs",
        "superseded and allowed failures may be listed as failures",
    )
    .0;
    let (runs, runs_known) = match runs {
        Err(error) => {
            warnings.push(Warning::new(
                "check_runs",
                error,
                "only jobs of GitHub Actions are known; checks of other apps are missing",
            ));
            (
                jobs(source, &workflow_runs, freshness, &mut warnings).await,
                false,
            )
        }
        runs => taken(runs, &mut warnings, "check_runs", "checks may be missing"),
    };
    let (statuses, statuses_known) = taken(
        statuses,
        &mut warnings,
        "commit_statuses",
        "checks that are reported as commit statuses may be missing",
    );
    let (all, workflow_runs) = merge(runs, statuses, workflow_runs);
    Checks {
        all,
        workflow_runs,
        complete: runs_known && statuses_known,
        warnings,
    }
}

async fn list<T: DeserializeOwned>(
    source: &PullSource,
    path: &ApiPath,
    member: &str,
    freshness: Freshness,
) -> Result<(Vec<T>, bool), GhError> {
    match freshness {
        Freshness::Remembered => source.list(path, Some(member), ITEMS_MAX).await,
        Freshness::Watched | Freshness::Now => {
            let read = source.list_now(path, Some(member), ITEMS_MAX).await;
            read.map(|(list, _)| list)
        }
    }
}

/// What was read of a list, and whether that is all of it.
fn taken<T>(
    answer: Result<(Vec<T>, bool), GhError>,
    warnings: &mut Vec<Warning>,
    name: &'static str,
    effect: &'static str,
) -> (Vec<T>, bool) {
    match answer {
        Ok((items, false)) => (items, true),
        Ok((items, true)) => {
            let reason = format!("more than {ITEMS_MAX}");
            warnings.push(Warning::new(name, reason, effect));
            (items, false)
        }
        Err(error) => {
            warnings.push(Warning::new(name, error, effect));
            (Vec::new(), false)
        }
    }
}

/// The jobs of workflow runs: a token with the permission `actions` but not `checks` sees these.
async fn jobs(
    source: &PullSource,
    workflow_runs: &[WorkflowRun],
    freshness: Freshness,
    warnings: &mut Vec<Warning>,
) -> Vec<CheckRun> {
    let mut found = Vec::new();
    if workflow_runs.len() > RUNS_ASKED_MAX {
        let reason = format!(
            "{RUNS_ASKED_MAX} of {} runs were asked",
            workflow_runs.len()
        );
        warnings.push(Warning::new("jobs", reason, "checks may be missing"));
    }
    for run in workflow_runs.iter().take(RUNS_ASKED_MAX) {
        let path = source.path().then("actions").then("runs").then(run.id);
        let path = path.then("jobs").with("filter", "latest");
        let jobs = list::<CheckRun>(source, &path, "jobs", freshness).await;
        let (jobs, _) = taken(jobs, warnings, "jobs", "checks may be missing");
        found.extend(jobs.into_iter().map(|job| CheckRun {
            app: Some(App {
                id: ACTIONS_APP_ID,
                slug: ACTIONS_APP.to_owned(),
            }),
            check_suite: run.check_suite_id.map(|id| Suite { id }),
            ..job
        }));
    }
    found
}

/// Merges what was read: drops superseded runs, judges each check, sorts.
fn merge(
    mut runs: Vec<CheckRun>,
    statuses: Vec<Status>,
    workflow_runs: Vec<WorkflowRun>,
) -> (Vec<Check>, Vec<WorkflowRun>) {
    let replaced = replaced_suites(&workflow_runs);
    runs.retain(|run| {
        let suite = run.check_suite.as_ref();
        let is_replaced = suite.is_some_and(|suite| replaced.contains(&suite.id));
        let state = state_of_run(&run.status, run.conclusion.as_deref());
        !is_replaced || !matches!(state, CheckState::Fail | CheckState::Cancelled)
    });
    let by_suite: HashMap<u64, &WorkflowRun> = workflow_runs
        .iter()
        .filter_map(|run| Some((run.check_suite_id?, run)))
        .collect();
    let suite = |run: &CheckRun| run.check_suite.as_ref().map(|suite| suite.id);
    let workflow = |run: &CheckRun| suite(run).and_then(|id| by_suite.get(&id).copied());
    // A run replaces those of the same name, app, workflow and event. Where the workflow is not
    // known, two suites of GitHub Actions may be two workflows: both count.
    let place = |run: &CheckRun| {
        let app = run.app.as_ref().map(|app| app.id);
        let origin = match workflow(run) {
            Some(known) => (known.workflow_id, known.event.clone()),
            None if app == Some(ACTIONS_APP_ID) => (suite(run).unwrap_or(run.id), String::new()),
            None => (0, String::new()),
        };
        (app, origin, run.name.clone())
    };
    // Ids grow with time, and unlike `started_at` queued runs have one too.
    let mut newest = HashMap::new();
    for run in &runs {
        let known = newest.entry(place(run)).or_insert((run.id, suite(run)));
        if run.id > known.0 {
            *known = (run.id, suite(run));
        }
    }
    let counts = |run: &&CheckRun| {
        let known = newest.get(&place(run));
        // Two jobs of one workflow run may bear one name: GitHub has dropped their older attempts.
        known.is_some_and(|known| known.0 == run.id || known.1.is_some() && known.1 == suite(run))
    };
    let mut all: Vec<Check> = runs
        .iter()
        .filter(counts)
        .map(|run| check_of_run(run, workflow(run)))
        .collect();
    let mut newest_status: HashMap<&str, &Status> = HashMap::new();
    for status in &statuses {
        let known = newest_status.entry(&status.context).or_insert(status);
        if status.id > known.id {
            *known = status;
        }
    }
    all.extend(newest_status.into_values().map(check_of_status));
    all.sort_by(|one, other| {
        let worst_first = other.state.cmp(&one.state);
        let by_name = one.name.cmp(&other.name);
        worst_first
            .then(by_name)
            .then(one.check_run_id.cmp(&other.check_run_id))
    });
    (all, newest_runs(workflow_runs))
}

/// Suites of workflow runs after which a newer one of the same workflow and event is under way. What
/// failed in them is done again, and the newer one may have no job yet which would replace it. What
/// passed counts on, as it does for GitHub.
fn replaced_suites(runs: &[WorkflowRun]) -> HashSet<u64> {
    let mut newest: HashMap<(u64, &str), &WorkflowRun> = HashMap::new();
    for run in runs {
        let known = newest.entry((run.workflow_id, &run.event)).or_insert(run);
        if run.id > known.id {
            *known = run;
        }
    }
    let is_replaced = |run: &&WorkflowRun| {
        let newest = newest.get(&(run.workflow_id, &*run.event));
        let is_known = run.workflow_id != 0;
        is_known && newest.is_some_and(|newest| newest.id > run.id && !newest.is_completed())
    };
    let replaced = runs.iter().filter(is_replaced);
    replaced.filter_map(|run| run.check_suite_id).collect()
}

/// The newest run of each workflow and event, newest first.
fn newest_runs(mut runs: Vec<WorkflowRun>) -> Vec<WorkflowRun> {
    runs.sort_by_key(|run| Reverse(run.id));
    let mut seen = HashSet::new();
    // Without a workflow's id (an old server) each run stands for itself.
    runs.retain(|run| run.workflow_id == 0 || seen.insert((run.workflow_id, run.event.clone())));
    runs
}

fn check_of_run(run: &CheckRun, workflow: Option<&WorkflowRun>) -> Check {
    let state = match state_of_run(&run.status, run.conclusion.as_deref()) {
        CheckState::Fail if workflow.is_some_and(succeeded) => CheckState::Allowed,
        state => state,
    };
    let details_url = run.details_url.clone().or_else(|| run.html_url.clone());
    let from_url = details_url.as_deref().and_then(workflow_run_id);
    Check {
        name: run.name.clone(),
        app: run.app.clone(),
        state,
        conclusion: run.conclusion.as_ref().unwrap_or(&run.status).clone(),
        check_run_id: Some(run.id),
        run_id: from_url.or(run.run_id).or(workflow.map(|run| run.id)),
        suite_id: run.check_suite.as_ref().map(|suite| suite.id),
        started_at: run.started_at,
        completed_at: run.completed_at,
        summary: summary(run.output.as_ref().and_then(|output| output.title.as_ref())),
        text: match (state, &run.output) {
            (CheckState::Fail | CheckState::Cancelled, Some(output)) => text_lines(output),
            _ => Vec::new(),
        },
        required: None,
        details_url,
    }
}

fn check_of_status(status: &Status) -> Check {
    let state = match status.state.as_str() {
        "success" => CheckState::Ok,
        "pending" => CheckState::Pending,
        _ => CheckState::Fail,
    };
    Check {
        name: status.context.clone(),
        app: None,
        state,
        conclusion: status.state.clone(),
        check_run_id: None,
        run_id: status.target_url.as_deref().and_then(workflow_run_id),
        suite_id: None,
        started_at: status.created_at,
        completed_at: status.updated_at.filter(|_| state != CheckState::Pending),
        summary: summary(status.description.as_ref()),
        text: Vec::new(),
        required: None,
        details_url: status.target_url.clone(),
    }
}

fn succeeded(run: &WorkflowRun) -> bool {
    run.conclusion.as_deref() == Some("success")
}

fn summary(text: Option<&String>) -> Option<String> {
    let line = text::one_line(text::cut(text?, SUMMARY_BYTES_MAX).0);
    (!line.trim().is_empty()).then_some(line)
}

/// The first lines of what a check's reporter wrote, those that say nothing left out.
fn text_lines(output: &Output) -> Vec<String> {
    let written = [&output.summary, &output.text].into_iter().flatten();
    let lines = written.flat_map(|words| words.lines());
    let says_something = |line: &&str| line.contains(char::is_alphanumeric);
    let lines = lines.filter(says_something).take(TEXT_LINES_MAX);
    lines
        .map(|line| text::one_line(text::cut(line.trim_end(), TEXT_LINE_BYTES_MAX).0))
        .collect()
}

/// What status and conclusion of a check run come to. A word that nobody knows has not passed.
pub fn state_of_run(status: &str, conclusion: Option<&str>) -> CheckState {
    match (status, conclusion) {
        ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Ok,
        // GitHub calls a check stale when it gave up waiting for the app: a new one may come.
        ("completed", Some("stale") | None) => CheckState::Pending,
        ("completed", Some("cancelled")) => CheckState::Cancelled,
        ("completed", Some(_)) => CheckState::Fail,
        _ => CheckState::Pending,
    }
}

/// The run in an address such as `https://github.com/o/r/actions/runs/9/job/88`.
pub fn workflow_run_id(url: &str) -> Option<u64> {
    let (_, rest) = url.split_once("/actions/runs/")?;
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
