//! Reviewing: from arguments to what the pulls floor asks for.

use super::Reply;
use super::arguments::{AnalyzePrImpact, GetReviewSuggestions};
use super::desk::Parts;
use crate::domain::ApiError;
use crate::pulls::impact::{self, Depth, ImpactQuery};
use crate::pulls::review::{self, Focus, ReviewQuery};

/// Most patterns of files in a call.
const PATTERNS_MAX: usize = 20;

impl Parts {
    pub(super) async fn analyze_pr_impact(
        &self,
        arguments: AnalyzePrImpact,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let depth = arguments.depth.as_deref().map(Depth::parse).transpose()?;
        let query = ImpactQuery {
            depth: depth.unwrap_or_default(),
            suggest_reviewers: arguments.suggest_reviewers.unwrap_or(true),
            others: match arguments.include_open_prs.unwrap_or(true) {
                true => Some(self.claimants(id.repo.clone()).await?),
                false => None,
            },
        };
        let source = self.pulls.open(id).await?;
        let now = self.read(|view| view.now).await?;
        let cursor = arguments.cursor.as_deref();
        let page = impact::analyze_pr_impact(source, &query, cursor, now).await?;
        Reply::new(&page)
    }

    /// Whose claims are behind the open pull requests of a repository.
    pub(super) async fn get_review_suggestions(
        &self,
        arguments: GetReviewSuggestions,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let focus = arguments.focus_areas.unwrap_or_default();
        let focus = focus.iter().map(|name| Focus::parse(name));
        let query = ReviewQuery {
            focus: focus.collect::<Result<_, _>>()?,
            files: arguments.files.unwrap_or_default(),
            include_diff: arguments.include_diff.unwrap_or(true),
            diff_lines_max: diff_lines(arguments.max_diff_lines)?,
        };
        if query.files.len() > PATTERNS_MAX {
            return Err(ApiError::invalid(
                format!("files takes at most {PATTERNS_MAX} patterns"),
                "name folders instead of single files",
            ));
        }
        let source = self.pulls.open(id).await?;
        let title = review::diff_title(&source.id.to_string(), source.pull.head_short());
        let now = self.read(|view| view.now).await?;
        let cursor = arguments.cursor.as_deref();
        let (report, diff) = review::get_review_suggestions(source, &query, cursor, now).await?;
        Ok(Reply::new(&report.page()?)?.with_text("diff", title, diff))
    }
}

fn diff_lines(given: Option<u64>) -> Result<usize, ApiError> {
    let (least, most) = (review::DIFF_LINES_MIN, review::DIFF_LINES_MAX);
    let Some(given) = given else {
        return Ok(review::DIFF_LINES_DEFAULT);
    };
    usize::try_from(given)
        .ok()
        .filter(|lines| (least..=most).contains(lines))
        .ok_or_else(|| {
            ApiError::invalid(
                format!("max_diff_lines must be between {least} and {most}"),
                "leave it out for the default; include_diff false leaves the diff out, next_cursor goes on with it",
            )
        })
}
