//! `get_failing_tests`: which tests fail and why, told apart from what is nobody's fault.

mod analyse;
mod annotations;
mod artifacts;
mod fetch;
mod fit;
mod jobs;
mod passes;
mod query;
mod report;
mod services;

#[cfg(test)]
pub(super) mod pages_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

pub(super) use passes::Passes;
use query::Start;
pub use query::{ERROR_LINES_MAX, Filters, Query, Sources};
pub use report::{FailedNames, FailingTests};
use report::{Instructions, PollInfo, Status};

use super::checks::Freshness;
use super::{PullRequest, PullSource, Pulls, Warning, overflow};
use crate::domain::ApiError;
use crate::domain::cursor::Page;

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

/// Hears how far a wait is: seconds gone by, and words.
pub type Progress<'a> = &'a (dyn Fn(f64, String) + Send + Sync);

/// Carries the request out.
///
/// # Errors
/// `head_moved` for a cursor of an older head, or when other failures were found since;
/// `invalid_argument` for one of another call; else as [`Pulls::open`].
pub async fn get_failing_tests(
    pulls: &Pulls,
    query: &Query,
    progress: Option<Progress<'_>>,
) -> Result<FailingTests, ApiError> {
    let mut wait = Wait::new(Instant::now());
    loop {
        let source = Arc::new(pulls.open(query.pr.clone()).await?);
        let head = source.pull.head.sha.clone();
        let start = query.start(TOOL, &head)?;
        let (mut verdict, warnings) = look(pulls, &source, query).await;
        let pause = wait.pause(query, &head, &mut verdict, Instant::now());
        let Some(pause) = pause else {
            let now = source.as_of(pulls.now());
            let mut answer = frame(&source.pull, query, &verdict, warnings, now);
            answer.head_changed_from = wait.changed_from(&head);
            return fill(answer, query, &verdict, start);
        };
        if let Some(progress) = progress {
            let seconds = wait.began.elapsed().as_secs_f64();
            progress(seconds, analyse::summary(&verdict));
        }
        tokio::time::sleep(pause).await;
    }
}

/// A call that looks until something ends its wait. It reads no clock.
struct Wait {
    began: Instant,
    /// The head of the first look.
    first_head: Option<String>,
    /// How many looks were followed by an ordinary pause.
    pauses: usize,
}

impl Wait {
    fn new(began: Instant) -> Self {
        Self {
            began,
            first_head: None,
            pauses: 0,
        }
    }

    /// How long to wait after a look that ended at `now`; none when it was the last one. Whoever
    /// waits is not told of a pass that only one look has seen.
    fn pause(
        &mut self,
        query: &Query,
        head: &str,
        verdict: &mut analyse::Verdict,
        now: Instant,
    ) -> Option<Duration> {
        self.first_head.get_or_insert_with(|| head.to_owned());
        let bails = query.bail_on_first && verdict.status == Status::Failed;
        // A pass that is not confirmed yet is looked at again as soon as it can be.
        let pause = match verdict.passed_for {
            Some(age) if verdict.settled && age < passes::APART => passes::APART - age,
            _ => {
                self.pauses += 1;
                PAUSES[self.pauses.min(PAUSES.len()) - 1]
            }
        };
        if query.wait {
            verdict.doubt_pass();
        }
        let late = now.duration_since(self.began) + pause > query.max_wait;
        let ends = !query.wait || verdict.settled || bails || late;
        (!ends).then_some(pause)
    }

    /// The head of the first look, where that was another one.
    fn changed_from(self, head: &str) -> Option<String> {
        self.first_head.filter(|first| first != head)
    }
}

/// One look at the head, and what it means.
async fn look(
    pulls: &Pulls,
    source: &Arc<PullSource>,
    query: &Query,
) -> (analyse::Verdict, Vec<Warning>) {
    let head = query.head(&source.pull.head.sha);
    // The time before the look: one that was not due when it began confirms nothing.
    let began = Instant::now();
    let freshness = if source.is_settled(query.wait) {
        Freshness::Remembered
    } else if query.wait && pulls.passes().is_due(&head, began) {
        // The second of the two looks that agree has to be one: nothing of the first serves it.
        Freshness::Now
    } else {
        Freshness::Watched
    };
    let (reading, warnings) = fetch::read(source, query, freshness).await;
    let mut verdict = analyse::judge(&reading, pulls.now());
    if freshness != Freshness::Remembered {
        let has_passed = verdict.status == Status::Passed;
        if has_passed {
            let look = (began, Instant::now());
            let age = pulls.passes().note(head, &reading.checks, look);
            verdict.passed_for = Some(age);
        } else {
            pulls.passes().forget(&head);
        }
        if verdict.settled && query.is_whole() {
            let confirms = freshness == Freshness::Now || !has_passed;
            source.note_settled(confirms && verdict.is_certain());
        }
    }
    (verdict, warnings)
}

/// The answer without its failures.
fn frame(
    pull: &PullRequest,
    query: &Query,
    verdict: &analyse::Verdict,
    warnings: Vec<Warning>,
    fetched_at: Timestamp,
) -> FailingTests {
    let is_running = !verdict.settled;
    let poll_info = is_running.then(|| PollInfo {
        message: verdict.expected(),
        retry_after_seconds: RETRY_SECONDS,
        next_call: json!({ "tool": TOOL, "args": query.next_arguments() }),
    });
    let mut commands: Vec<String> = Vec::new();
    let told = verdict.failures.iter();
    let mut told: Vec<&String> = told.filter_map(|it| it.reproduce.as_ref()).collect();
    // Those that show more come first.
    told.sort_by_key(|command| services::is_checkout(command));
    for command in told {
        if commands.len() < COMMANDS_MAX && !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    FailingTests {
        commit: pull.head.sha.clone(),
        names: verdict.names(),
        pr: query.pr.to_string(),
        head_sha: pull.head_short().to_owned(),
        fetched_at,
        status: verdict.status,
        settled: verdict.settled,
        counts: verdict.counts.clone(),
        failures: Vec::new(),
        total_failures: verdict.failures.len(),
        no_ci_reason: verdict.no_ci_reason,
        pull_request_runs_missing: verdict.pull_request_runs_missing,
        head_changed_from: None,
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
        more_warnings: 0,
        next_cursor: None,
        page: None,
    }
}

/// Takes failures from `start` on until the page is full. After the last one come the pages of what
/// had no room beside them.
fn fill(
    answer: FailingTests,
    query: &Query,
    verdict: &analyse::Verdict,
    start: Start,
) -> Result<FailingTests, ApiError> {
    let failures = &verdict.failures;
    let call = query.rest_call(TOOL, &answer.commit);
    let rest = |level| fit::rest(&answer, failures, query.error_lines_max, level);
    let start = match start {
        Start::Failures { place, told } => query::place_in(failures, place, told)?,
        Start::Rest(position) => {
            let rest = rest(position.level())?;
            let page = overflow::rest_page(&call, &rest, &fit::rest_rules(), position)?;
            return Ok(FailingTests {
                page: Some(page),
                ..answer
            });
        }
    };
    let (mut fitted, level) = fit::frame(&answer)?;
    let around = serde_json::to_string(&fitted).map_or(0, |text| text.len());
    let mut page = Page::new(PAGE_SIZE).beside(around);
    let mut untold = failures.iter().enumerate().skip(start);
    fitted.next_cursor = loop {
        let Some((place, failure)) = untold.next() else {
            break overflow::rest_cursor(&call, &rest(level)?, &fit::rest_rules(), level)?;
        };
        if !page.push(&fit::failure(failure, query.error_lines_max)?)? {
            break Some(query.cursor_after(TOOL, &answer.commit, &failures[..place]));
        }
    };
    fitted.failures = page.items;
    Ok(fitted)
}
