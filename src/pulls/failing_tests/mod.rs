//! `get_failing_tests`: which tests fail and why, told apart from what is nobody's fault.

mod analyse;
mod artifacts;
mod fetch;
mod jobs;
mod passes;
mod report;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use passes::Passes;
pub use report::{FailedNames, FailingTests};
use report::{Instructions, PollInfo, ReportedFailure, Status};

use super::checks::{Check, Freshness};
use super::{PullId, PullSource, Pulls, Warning};
use crate::domain::cursor::{self, Page};
use crate::domain::{ApiError, limits};

const TOOL: &str = "get_failing_tests";
/// Failures of a page.
const PAGE_SIZE: usize = 10;
/// Commands shown in the instructions.
const COMMANDS_MAX: usize = 5;
/// Pauses between two looks; unchanged answers are free of points.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(15),
];
/// When to ask again after an answer that something runs.
const RETRY_SECONDS: u64 = 15;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which pull request.
    pub pr: PullId,
    /// Wait until all is done.
    pub wait: bool,
    /// Waiting ends with the first failure.
    pub bail_on_first: bool,
    /// Longest wait of this call.
    pub max_wait: Duration,
    /// Only checks that the base branch demands.
    pub required_only: bool,
    /// Only checks with one of these texts in their name; all when empty.
    pub checks: Vec<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
}

impl Query {
    fn wants(&self, check: &Check) -> bool {
        (!self.required_only || check.required != Some(false)) && self.names(&check.name)
    }

    /// Whether it is about all checks.
    pub fn is_whole(&self) -> bool {
        self.checks.is_empty() && !self.required_only
    }

    /// Names a head with these filters.
    fn head(&self, sha: &str) -> String {
        format!("{} {sha} {} {:?}", self.pr, self.required_only, self.checks)
    }

    /// The arguments of a call that waits on, as this one does.
    fn next_arguments(&self) -> Value {
        let mut arguments = json!({ "pr": self.pr.to_string(), "wait": true });
        if !self.bail_on_first {
            arguments["bail_on_first"] = false.into();
        }
        if self.required_only {
            arguments["required_only"] = true.into();
        }
        if !self.checks.is_empty() {
            arguments["checks"] = json!(self.checks);
        }
        arguments
    }

    fn names(&self, check: &str) -> bool {
        let named = |text: &String| check.to_lowercase().contains(&text.to_lowercase());
        self.checks.is_empty() || self.checks.iter().any(named)
    }
}

/// Hears how far a wait is: seconds gone by, and words.
pub type Progress<'a> = &'a (dyn Fn(f64, String) + Send + Sync);

/// Carries the request out.
pub async fn get_failing_tests(
    pulls: &Pulls,
    query: &Query,
    progress: Option<Progress<'_>>,
) -> Result<FailingTests, ApiError> {
    let began = Instant::now();
    let mut first_head = None;
    let mut pauses = PAUSES.iter().copied();
    loop {
        let source = Arc::new(pulls.open(query.pr.clone()).await?);
        let head = source.pull.head.sha.clone();
        let first = first_head.get_or_insert_with(|| head.clone()).clone();
        let (mut verdict, warnings) = look(pulls, &source, query).await;
        let bails = query.bail_on_first && verdict.status == Status::Failed;
        // A pass that is not confirmed yet is looked at again as soon as it can be.
        let pause = match verdict.passed_for {
            Some(age) if verdict.settled && age < passes::APART => passes::APART - age,
            _ => pauses.next().unwrap_or(PAUSES[PAUSES.len() - 1]),
        };
        if query.wait {
            verdict.doubt_pass();
        }
        let late = began.elapsed() + pause > query.max_wait;
        if !query.wait || verdict.settled || bails || late {
            let changed_from = (first != head).then_some(first);
            let now = pulls.now();
            return answer(&source, query, &verdict, changed_from, warnings, now);
        }
        if let Some(progress) = progress {
            progress(began.elapsed().as_secs_f64(), analyse::summary(&verdict));
        }
        tokio::time::sleep(pause).await;
    }
}

/// One look at the head, and what it means.
async fn look(
    pulls: &Pulls,
    source: &Arc<PullSource>,
    query: &Query,
) -> (analyse::Verdict, Vec<Warning>) {
    let freshness = if source.is_settled(query.wait) {
        Freshness::Remembered
    } else {
        Freshness::Now
    };
    let (reading, warnings) = fetch::read(source, query, freshness).await;
    let mut verdict = analyse::judge(&reading, pulls.now());
    if freshness == Freshness::Now {
        let head = query.head(&source.pull.head.sha);
        if verdict.status == Status::Passed {
            let age = pulls.passes().note(head, &reading.checks, Instant::now());
            verdict.passed_for = Some(age);
        } else {
            pulls.passes().forget(&head);
        }
        if verdict.settled && query.is_whole() {
            source.note_settled(verdict.is_certain());
        }
    }
    (verdict, warnings)
}

fn answer(
    source: &PullSource,
    query: &Query,
    verdict: &analyse::Verdict,
    head_changed_from: Option<String>,
    warnings: Vec<Warning>,
    now: Timestamp,
) -> Result<FailingTests, ApiError> {
    let pr = query.pr.to_string();
    let filters = (
        &pr,
        &source.pull.head.sha,
        query.required_only,
        &query.checks,
    );
    let start = cursor::read_number(TOOL, &filters, query.cursor.as_deref())?.unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let is_running = !verdict.settled;
    let poll_info = is_running.then(|| PollInfo {
        message: verdict.expected(),
        retry_after_seconds: RETRY_SECONDS,
        next_call: json!({ "tool": TOOL, "args": query.next_arguments() }),
    });
    let mut commands: Vec<String> = Vec::new();
    for command in verdict
        .failures
        .iter()
        .filter_map(|it| it.reproduce.as_ref())
    {
        if commands.len() < COMMANDS_MAX && !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    let mut answer = FailingTests {
        commit: source.pull.head.sha.clone(),
        names: verdict.names(),
        pr: pr.clone(),
        head_sha: source.pull.head_short().to_owned(),
        fetched_at: source.as_of(now),
        status: verdict.status,
        settled: verdict.settled,
        counts: verdict.counts.clone(),
        failures: Vec::new(),
        total_failures: verdict.failures.len(),
        no_ci_reason: verdict.no_ci_reason,
        pull_request_runs_missing: verdict.pull_request_runs_missing,
        head_changed_from,
        instructions: Instructions {
            summary: analyse::summary(verdict),
            commands,
        },
        poll_info,
        untrusted: if verdict.failures.is_empty() {
            &[]
        } else {
            &["failures"]
        },
        warnings,
        next_cursor: None,
    };
    let around = serde_json::to_string(&answer).map_or(0, |text| text.len());
    let mut page = Page::new(PAGE_SIZE).beside(around);
    for (place, failure) in verdict.failures.iter().enumerate().skip(start) {
        let shortened;
        let failure = if room_for_whole(failure) {
            failure
        } else {
            shortened = without_excerpt(failure);
            &shortened
        };
        if !page.push(failure)? {
            answer.next_cursor = Some(cursor::make(TOOL, &filters, &place.to_string()));
            break;
        }
    }
    answer.failures = page.items;
    Ok(answer)
}

/// One failure must leave room for others.
fn room_for_whole(failure: &ReportedFailure) -> bool {
    serde_json::to_string(failure).map_or(0, |text| text.len()) < limits::ANSWER_BYTES_MAX / 3
}

fn without_excerpt(failure: &ReportedFailure) -> ReportedFailure {
    let mut short = failure.clone();
    short.excerpt.truncate(3);
    short.checks.truncate(10);
    short
}
