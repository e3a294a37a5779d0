//! Reads the threads and the conversation. A thread that could not be read is never taken for one
//! that is resolved, nor for one that is not.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{PullSource, Warning};
use super::data::{Connection, FIRST_PAGE, NEXT_PAGE, Pull, Remark, Thread};
use super::review_body::{TakenApart, take_apart};
use crate::domain::{ApiError, Category};
use crate::gh::{GhError, GraphAnswer};

/// Most review threads that are read; a page has 50.
const THREADS_MAX: usize = 1_000;

/// What was read.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Login of whoever asks.
    pub viewer: String,
    /// Author of the pull request; none when the account is gone.
    pub author: Option<String>,
    pub review_decision: Option<String>,
    pub total_threads: u64,
    pub threads: Vec<Thread>,
    pub reviews: Option<Connection<Remark>>,
    pub comments: Option<Connection<Remark>>,
    /// Bodies of bots' reviews by the id of the review, where they are told as their findings.
    pub taken_apart: HashMap<String, TakenApart>,
    pub warnings: Vec<Warning>,
}

impl Fetched {
    /// Takes the bodies of bots' reviews apart into what they find.
    pub fn take_reviews_apart(&mut self) {
        let reviews = self.reviews.iter().flat_map(Connection::told);
        let of_bots = reviews.filter(|review| review.is_bot());
        self.taken_apart = of_bots
            .filter_map(|review| Some((review.id.clone(), take_apart(&review.id, &review.body)?)))
            .collect();
    }

    /// Leaves the bodies of reviews in one piece. One that says nothing but how much is said
    /// elsewhere still is nothing: what waits does not depend on how it is shown.
    pub fn leave_reviews_whole(&mut self) {
        self.taken_apart.retain(|_, apart| apart.is_nothing());
    }
}

/// Reads everything that was said on a pull request.
///
/// # Errors
/// As the gh floor tells; `github_failed` when the threads are not told.
pub(super) async fn fetch(source: &PullSource) -> Result<Fetched, ApiError> {
    let answer = graph(source, FIRST_PAGE, source.variables()).await?;
    let viewer = answer
        .data
        .get("viewer")
        .and_then(|viewer| viewer["login"].as_str());
    let viewer = viewer.unwrap_or_default().to_owned();
    let pull: Pull = pull_of(&answer)?;
    let mut page = pull.review_threads.ok_or_else(|| untold(&answer))?;
    let mut warnings = Vec::new();
    for (part, source) in [(&pull.reviews, "reviews"), (&pull.comments, "conversation")] {
        if part.is_none() {
            let reason = answer.problems.first().cloned().unwrap_or_default();
            warnings.push(Warning::new(
                source,
                reason,
                "remarks outside of threads are missing",
            ));
        }
    }
    let total_threads = page.total_count;
    let mut threads = Vec::new();
    let mut unread = 0_u64;
    loop {
        for thread in page.nodes {
            match thread {
                Some(thread) => threads.push(thread),
                None => unread += 1,
            }
        }
        let next = page.page_info.filter(|info| info.has_next_page);
        let Some(after) = next.and_then(|info| info.end_cursor) else {
            break;
        };
        if threads.len() >= THREADS_MAX {
            unread = total_threads.saturating_sub(threads.len() as u64);
            break;
        }
        let mut variables = source.variables();
        variables["after"] = Value::from(after);
        let answer = graph(source, NEXT_PAGE, variables).await?;
        let pull: Pull = pull_of(&answer)?;
        page = pull.review_threads.ok_or_else(|| untold(&answer))?;
    }
    if unread > 0 {
        let reason = format!("{unread} of {total_threads} threads were not told");
        warnings.push(Warning::new(
            "review_threads",
            reason,
            "unresolved ones may be missing",
        ));
    }
    Ok(Fetched {
        viewer,
        author: pull.author.map(|author| author.login),
        review_decision: pull.review_decision,
        total_threads,
        threads,
        reviews: pull.reviews,
        comments: pull.comments,
        taken_apart: HashMap::new(),
        warnings,
    })
}

/// Asks GraphQL.
///
/// # Errors
/// As the gh floor tells.
pub(super) async fn graph(
    source: &PullSource,
    document: &str,
    variables: Value,
) -> Result<GraphAnswer, ApiError> {
    let answer = source.graph(document, variables).await;
    answer.map_err(|error| error.to_api())
}

/// The pull request of an answer.
///
/// # Errors
/// [`untold`] when it is not there.
pub(super) fn pull_of<T: DeserializeOwned>(answer: &GraphAnswer) -> Result<T, ApiError> {
    let repository = answer.data.get("repository");
    let pull = repository.and_then(|repository| repository.get("pullRequest"));
    match pull.filter(|pull| !pull.is_null()) {
        Some(pull) => typed(pull),
        None => Err(untold(answer)),
    }
}

/// A part of an answer.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    T::deserialize(value).map_err(|error| GhError::Malformed(error.to_string()).to_api())
}

/// GraphQL answered, but not what was asked: an error, since silence would read as "nothing is
/// unresolved".
pub(super) fn untold(answer: &GraphAnswer) -> ApiError {
    match answer.refusal("this pull request or thread") {
        error @ (GhError::NotFound(_) | GhError::Forbidden { .. }) => error.to_api(),
        error => ApiError::new(
            Category::Api,
            "github_failed",
            format!("GitHub did not tell the review threads: {error}"),
            "call again; nothing is known about resolved and unresolved until then",
        )
        .retry_after(30),
    }
}
