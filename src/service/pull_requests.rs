//! The pull-request tools: what is asked is checked here, the rest is done by [`crate::pulls`].

use std::time::Duration;

use super::desk::{Parts, Progress};
use super::{CheckMergeReadiness, GetFailingTests, ManageStackedPrs, Reply};
use crate::domain::{ApiError, limits};
use crate::pulls::merge_readiness::{self, Method, Question, Verdict};
use crate::pulls::stack::{self, FixLoop, StackQuery, Wish};
use crate::pulls::{self, CheckFilters, CheckSources, ERROR_LINES_MAX, FailingTestsQuery, PullId};

/// For how long GitHub may compute when the caller does not say.
const PATIENCE_DEFAULT: u64 = 15;
/// Longest wait for checks that may be asked for; the command line makes several calls of it.
const WAIT_ASKED_MAX: u64 = 3_600;

/// For how long GitHub may compute.
///
/// # Errors
/// `invalid_argument` when it is longer than a call may take.
pub(super) fn patience(wait_seconds: Option<u64>) -> Result<Duration, ApiError> {
    let seconds = wait_seconds.unwrap_or(PATIENCE_DEFAULT);
    let most = limits::WAIT_SECONDS_MAX;
    if seconds <= most {
        return Ok(Duration::from_secs(seconds));
    }
    Err(ApiError::invalid(
        format!("wait_seconds must be between 0 and {most}"),
        "call again to wait longer",
    ))
}

/// For how long one call waits for checks: clients drop those that take longer.
fn slice(max_wait_seconds: Option<u64>) -> Result<Duration, ApiError> {
    let asked = max_wait_seconds.unwrap_or(WAIT_ASKED_MAX);
    if asked > WAIT_ASKED_MAX {
        return Err(ApiError::invalid(
            format!("max_wait_seconds must be between 0 and {WAIT_ASKED_MAX}"),
            "one call waits up to 45 s; call again to wait longer",
        ));
    }
    Ok(Duration::from_secs(asked.min(limits::WAIT_SECONDS_MAX)))
}

/// How many lines may show a failure.
fn error_lines(given: Option<u64>) -> Result<usize, ApiError> {
    let Some(given) = given else {
        return Ok(ERROR_LINES_MAX);
    };
    let lines = usize::try_from(given).ok();
    lines
        .filter(|lines| *lines <= ERROR_LINES_MAX)
        .ok_or_else(|| {
            ApiError::invalid(
                format!("max_error_lines must be between 0 and {ERROR_LINES_MAX}"),
                "leave it out for the most; log_url has the whole log",
            )
        })
}

impl Parts {
    /// A pull request of a repository that ALLOWED_REPOS lets in.
    pub(super) fn pull_id(&self, given: &str) -> Result<PullId, ApiError> {
        let id = PullId::parse(given, self.host())?;
        self.repo(id.repo.as_str())?;
        Ok(id)
    }

    pub(super) async fn get_failing_tests(
        &self,
        arguments: GetFailingTests,
        progress: Option<Progress>,
    ) -> Result<Reply, ApiError> {
        let query = FailingTestsQuery {
            pr: self.pull_id(&arguments.pr)?,
            wait: arguments.wait.unwrap_or(false),
            bail_on_first: arguments.bail_on_first.unwrap_or(true),
            max_wait: slice(arguments.max_wait_seconds)?,
            filters: CheckFilters {
                required_only: arguments.required_only.unwrap_or(false),
                checks: arguments.checks.unwrap_or_default(),
                ignore_checks: arguments.ignore_checks.unwrap_or_default(),
                sources: CheckSources::parse(&arguments.sources.unwrap_or_default())?,
                compare_base: arguments.compare_base.unwrap_or(true),
            },
            error_lines_max: error_lines(arguments.max_error_lines)?,
            cursor: arguments.cursor,
        };
        let was_watched = self.ci_watch.contains(&query.pr);
        let report = pulls::get_failing_tests(&self.pulls, &query, progress.as_deref());
        let report = if query.wait {
            self.unless_closing(report).await??
        } else {
            report.await?
        };
        if !report.is_running() {
            self.ci_watch.remove(&query.pr);
        } else if query.wait {
            self.ci_watch.add(&query.pr);
        }
        if query.is_whole() {
            self.take_in_checks(&query.pr, &report, was_watched).await;
        }
        Reply::new(&report.page()?)
    }

    pub(super) async fn check_merge_readiness(
        &self,
        arguments: CheckMergeReadiness,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let method = arguments.method.as_deref().map(Method::parse).transpose()?;
        let question = Question {
            id: id.clone(),
            method,
            patience: patience(arguments.wait_seconds)?,
            admin: arguments.admin.unwrap_or(false),
            cursor: arguments.cursor,
        };
        let now = self.read(|view| view.now).await?;
        let (report, page) =
            merge_readiness::check_merge_readiness(&self.pulls, question, now).await?;
        self.pulls.learn(&id, &report.commit, |it| {
            // What merges though checks still run or fail has something that waits.
            it.is_ready = report.verdict == Verdict::Ready;
            it.conflicts = report.checks.no_conflicts.map(|none| !none);
        });
        Reply::new(&page)
    }

    pub(super) async fn manage_stacked_prs(
        &self,
        arguments: ManageStackedPrs,
    ) -> Result<Reply, ApiError> {
        let (pr, base_pr) = match (arguments.pr, arguments.base_pr, arguments.dependent_pr) {
            (Some(pr), None, None) => (pr, None),
            (None, Some(base), Some(dependent)) => (dependent, Some(base)),
            _ => {
                return Err(ApiError::invalid(
                    "manage_stacked_prs takes either pr, or base_pr and dependent_pr",
                    "pr is any layer of the stack; dependent_pr is one that builds on base_pr",
                ));
            }
        };
        let query = StackQuery {
            pr: self.pull_id(&pr)?,
            base_pr: base_pr.map(|base| self.pull_id(&base)).transpose()?,
            remote: arguments.remote.unwrap_or_else(|| "origin".to_owned()),
            wish: Wish {
                target: arguments.onto_base,
                onto: arguments.use_onto,
            },
            fix_loop: FixLoop::of(arguments.auto_fix, arguments.max_iterations)?,
            cursor: arguments.cursor,
        };
        let now = self.read(|view| view.now).await?;
        let page = stack::manage_stacked_prs(&self.pulls, query, now).await?;
        Reply::new(&page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_waits_for_a_slice_of_a_longer_wait() {
        let seconds = |asked: Option<u64>| slice(asked).map(|slice| slice.as_secs());
        for (asked, expected) in [
            (None, 45),
            (Some(0), 0),
            (Some(44), 44),
            (Some(46), 45),
            (Some(3_600), 45),
        ] {
            assert_eq!(seconds(asked).unwrap(), expected, "{asked:?}");
        }
        assert_eq!(seconds(Some(3_601)).unwrap_err().code, "invalid_argument");
    }
}
