//! `check_merge_readiness`: whether a pull request can be merged, and if not, everything that is
//! in the way, who can do something about it, and how.
//!
//! GitHub's own word (`mergeStateStatus`) decides whether the way is free; rulesets, classic
//! protection, checks and reviews explain it. Where they do not, the answer says so.

mod analyse;
mod blockers;
#[cfg(test)]
mod case;
mod commands;
mod graph;
mod merge;
mod policy;
mod report;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub use report::{MergeReadiness, Method, Verdict};

use self::analyse::{Facts, analyse};
use self::policy::Policy;
use super::checks::{self, Freshness};
use super::overflow::{self, Call, Position};
use super::{PullId, Pulls, Warning, required};
use crate::domain::{ApiError, Category};

const TOOL: &str = "check_merge_readiness";

/// What is asked.
pub struct Question {
    /// Which pull request.
    pub id: PullId,
    /// The way to merge; none leaves the choice open.
    pub method: Option<Method>,
    /// For how long GitHub may compute.
    pub patience: Duration,
    /// Whether it is told what an administrator may do in spite of the rules.
    pub admin: bool,
    /// The cursor of an earlier page: what that had no room for is told.
    pub cursor: Option<String>,
}

/// Looks at everything that a merge depends on, at `now`: what was found, and the page of it that
/// was asked for as compact JSON.
///
/// # Errors
/// `head_moved` when somebody pushed meanwhile, for a cursor of an older head, or of lists that
/// changed since; `invalid_argument` for a cursor of another call; else as [`Pulls::open`].
pub async fn check_merge_readiness(
    pulls: &Pulls,
    question: Question,
    now: Timestamp,
) -> Result<(MergeReadiness, Box<RawValue>), ApiError> {
    let source = pulls.open(question.id.clone()).await?;
    let filters = (question.id.to_string(), question.method, question.admin);
    let call = Call::new(TOOL, &filters, &source.pull.head.sha);
    let given = question.cursor.as_deref();
    let position = given
        .map(|given| Position::read(&call, given))
        .transpose()?;
    let (head, base) = (&source.pull.head.sha, &source.pull.base.name);
    let (graph, mut checks, required) = tokio::join!(
        graph::fetch(&source, question.patience),
        checks::fetch(&source, head, Freshness::Remembered),
        required::fetch(&source, base),
    );
    required.mark(&mut checks);
    let mut warnings = Vec::new();
    let graph = match graph {
        Ok((graph, problems)) => {
            if graph.pull_request.head_ref_oid != *head {
                return Err(head_moved());
            }
            let effect = "classic protection, reviews or commits behind may be incomplete";
            let told = problems.into_iter();
            warnings.extend(told.map(|problem| Warning::new("graphql", problem, effect)));
            Some(graph)
        }
        Err(error) => {
            let effect = "reviews, conversations, merge queue and methods are unknown";
            warnings.push(Warning::new("graphql", error, effect));
            None
        }
    };
    let mut unsigned = None;
    if Policy::of(&required, graph.as_ref()).signatures {
        let effect = "whether all commits are signed is unknown";
        match graph::unsigned(&source).await {
            Ok(found) => {
                if !found.1 {
                    let reason = "more than 100 commits";
                    warnings.push(Warning::new("signatures", reason, effect));
                }
                unsigned = Some(found.0);
            }
            Err(error) => warnings.push(Warning::new("signatures", error, effect)),
        }
    }
    let seen_at = source.as_of(now);
    let facts = Facts {
        host: source.gh().host().clone(),
        id: source.id,
        pull: source.pull,
        graph,
        checks,
        required,
        unsigned,
        method: question.method,
        admin: question.admin,
        warnings,
    };
    let report = analyse(facts, seen_at);
    let page = overflow::page(&call, &report, &report::levels(), position)?;
    Ok((report, page))
}

fn head_moved() -> ApiError {
    ApiError::new(
        Category::Logical,
        "head_moved",
        "somebody pushed to the pull request while it was looked at",
        "call again",
    )
    .retry_after(1)
}

impl Method {
    /// Reads a method's name.
    ///
    /// # Errors
    /// `invalid_argument` with the names there are.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        let known = Self::ALL
            .into_iter()
            .find(|method| method.as_str() == given);
        known.ok_or_else(|| {
            ApiError::invalid(
                "method must be merge, squash or rebase",
                "leave it out to see which are allowed",
            )
        })
    }
}
