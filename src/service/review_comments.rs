//! Review comments: from arguments to what the pulls floor asks for.

use jiff::Timestamp;

use super::Reply;
use super::arguments::{FindUnresolvedComments, ResolveReviewThread};
use super::desk::Parts;
use crate::domain::ApiError;
use crate::pulls::comments::{
    self, BODY_CHARS_DEFAULT, BODY_CHARS_MAX, BODY_CHARS_MIN, CommentQuery, Needs, Sort,
    ThreadChange, ThreadName,
};
use crate::pulls::{PullId, PullSource};

/// Most authors in a call.
const AUTHORS_MAX: usize = 50;

/// Whose words are left out.
fn authors(given: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let given = given.unwrap_or_default();
    if given.len() <= AUTHORS_MAX {
        return Ok(given);
    }
    Err(ApiError::invalid(
        format!("exclude_authors takes at most {AUTHORS_MAX} logins"),
        "include_bots false leaves all bots out",
    ))
}

/// How much of a remark is shown.
fn body_chars(given: Option<u64>) -> Result<usize, ApiError> {
    let (least, most) = (BODY_CHARS_MIN, BODY_CHARS_MAX);
    let Some(given) = given else {
        return Ok(BODY_CHARS_DEFAULT);
    };
    let given = usize::try_from(given).ok();
    let fits = given.filter(|chars| (least..=most).contains(chars));
    fits.ok_or_else(|| {
        ApiError::invalid(
            format!("body_chars must be between {least} and {most}"),
            "url leads to the whole remark",
        )
    })
}

impl Parts {
    async fn open_pull(&self, id: PullId) -> Result<(PullSource, Timestamp), ApiError> {
        let source = self.pulls.open(id).await?;
        let now = self.read(|view| view.now).await?;
        Ok((source, now))
    }

    pub(super) async fn find_unresolved_comments(
        &self,
        arguments: FindUnresolvedComments,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        if let Some(thread) = &arguments.thread_id {
            return self.read_thread(id, thread, &arguments).await;
        }
        let since = arguments.since.as_deref().map(|since| {
            since.parse::<Timestamp>().map_err(|_| {
                ApiError::invalid(
                    "since must be a time in RFC 3339",
                    "write it as 2026-01-31T12:00:00Z",
                )
            })
        });
        let query = CommentQuery {
            include_bots: arguments.include_bots.unwrap_or(true),
            exclude_authors: authors(arguments.exclude_authors)?,
            include_outdated: arguments.include_outdated.unwrap_or(true),
            body_chars: body_chars(arguments.body_chars)?,
            sort: arguments
                .sort
                .as_deref()
                .map(Sort::parse)
                .transpose()?
                .unwrap_or_default(),
            needs: arguments
                .needs
                .as_deref()
                .map(Needs::parse)
                .transpose()?
                .unwrap_or_default(),
            since: since.transpose()?,
            parse_review_bodies: arguments.parse_review_bodies.unwrap_or(true),
        };
        let (source, now) = self.open_pull(id).await?;
        let cursor = arguments.cursor.as_deref();
        let report = comments::find_unresolved_comments(source, &query, cursor, now).await?;
        Reply::new(&report)
    }

    /// All that was said in one thread.
    async fn read_thread(
        &self,
        id: PullId,
        thread: &str,
        arguments: &FindUnresolvedComments,
    ) -> Result<Reply, ApiError> {
        let used = FindUnresolvedComments {
            pr: arguments.pr.clone(),
            thread_id: Some(thread.to_owned()),
            body_chars: arguments.body_chars,
            cursor: arguments.cursor.clone(),
            ..Default::default()
        };
        if *arguments != used {
            return Err(ApiError::invalid(
                "with thread_id only pr, body_chars and cursor can be given",
                "leave the others out: the thread is told as a whole",
            ));
        }
        let body_chars = body_chars(used.body_chars)?;
        let (source, now) = self.open_pull(id).await?;
        let cursor = used.cursor.as_deref();
        let page = comments::read_thread(source, thread, body_chars, cursor, now).await?;
        Reply::new(&page)
    }

    pub(super) async fn resolve_review_thread(
        &self,
        arguments: ResolveReviewThread,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let change = ThreadChange {
            name: ThreadName::of(arguments.thread_id, arguments.comment_id)?,
            reply: arguments.reply,
            unresolve: arguments.unresolve.unwrap_or(false),
        };
        let (source, now) = self.open_pull(id).await?;
        let done = comments::resolve_review_thread(&self.pulls, source, change, now).await?;
        Reply::new(&done)
    }
}
