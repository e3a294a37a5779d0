//! What is asked of `manage_stacked_prs`, and why it may be refused.

use serde::Serialize;

use super::discover::Stack;
use super::facts::State;
use super::fix_loop::FixLoop;
use super::judge::Wish;
use crate::domain::{ApiError, Category};
use crate::gh::GhError;
use crate::pulls::{PullId, PullSource, branch_name};

/// What is asked.
#[derive(Clone, Debug)]
pub struct StackQuery {
    /// A layer.
    pub pr: PullId,
    /// The layer that it is said to build on.
    pub base_pr: Option<PullId>,
    /// Name of the repository's remote in the clone.
    pub remote: String,
    /// What shall be otherwise than it would be.
    pub wish: Wish,
    /// What shall follow the commands beside one look at the checks; no matter of the plan.
    pub fix_loop: Option<FixLoop>,
    /// The cursor of an earlier page: what that had no room for is told.
    pub cursor: Option<String>,
}

impl StackQuery {
    /// Checks what was given.
    ///
    /// # Errors
    /// `invalid_argument` for pull requests of two repositories, or one with itself, and for a bad
    /// name of a branch.
    pub fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(base) = &self.base_pr {
            if base.repo != self.pr.repo {
                return Err(ApiError::invalid(
                    format!("{base} and {} are in two repositories", self.pr),
                    "a stack lives in one: give the pull request that the dependent one builds on",
                ));
            }
            if base.number == self.pr.number {
                return Err(ApiError::invalid(
                    format!("base_pr and dependent_pr are both {base}"),
                    "give the lower layer as base_pr, the one that builds on it as dependent_pr",
                ));
            }
        }
        let target = self.wish.target.as_deref();
        let target = target.map(|given| branch_name::checked("onto_base", given));
        self.wish.target = target.transpose()?;
        Ok(self)
    }

    /// What cursors are bound to.
    pub(super) fn filters(&self) -> impl Serialize {
        let base = self.base_pr.as_ref().map(ToString::to_string);
        let Wish { target, onto } = &self.wish;
        (self.pr.to_string(), base, &self.remote, target, onto)
    }
}

/// Refuses to move a layer onto itself, onto what builds on it, and what is closed.
pub(super) fn check_target(
    source: &PullSource,
    stack: &Stack,
    target: &str,
) -> Result<(), ApiError> {
    let selected = stack.layer(stack.selected);
    if let Some(layer) = selected.filter(|layer| !layer.is_alive()) {
        let state = match layer.state {
            State::Merged => "merged",
            _ => "closed",
        };
        return Err(ApiError::new(
            Category::Logical,
            "pr_not_open",
            format!(
                "{} is {state}: it cannot be moved onto '{target}'",
                source.id
            ),
            "give the open pull request that shall be moved as pr",
        ));
    }
    let members = stack.members();
    let mut above = members
        .iter()
        .filter(|number| **number == stack.selected || stack.builds_on(**number, stack.selected));
    let is_head = |number: &&u64| {
        let layer = stack.layer(**number);
        layer.is_some_and(|layer| layer.head == target && !layer.from_fork)
    };
    match above.find(is_head) {
        Some(number) => Err(ApiError::invalid(
            format!(
                "'{target}' is the branch of #{number}, which is or builds on {}",
                source.id
            ),
            "give a branch as onto_base that this pull request may be merged into",
        )),
        None => Ok(()),
    }
}

/// There is no such branch, or none to compare with.
pub(super) fn no_target(source: &PullSource, target: &str, error: &GhError) -> ApiError {
    match error {
        GhError::NotFound(_) => ApiError::new(
            Category::User,
            "target_not_found",
            format!(
                "{} has no branch '{target}', or none that has anything in common with {}",
                source.id.repo, source.id
            ),
            "give an existing branch as onto_base, or leave it out",
        ),
        error => error.to_api(),
    }
}

/// The pull request does not build on the one that was named.
pub(super) fn not_on(source: &PullSource, stack: &Stack, base: &PullId) -> ApiError {
    let id = &source.id;
    let parent = stack.parent(stack.selected);
    let (told, next) = match parent {
        _ if stack.builds_on(base.number, id.number) => (
            format!("it is the other way round: {base} builds on {id}"),
            format!("give base_pr {id}, dependent_pr {base}"),
        ),
        Some(parent) => (
            format!("{id} builds on #{}, not on {base}", parent.number),
            format!("give #{} as base_pr, or {id} as pr", parent.number),
        ),
        None => (
            format!(
                "{id} goes into '{}' and does not build on {base}",
                source.pull.base.name
            ),
            format!("give {id} as pr to see its stack, or onto_base to move it"),
        ),
    };
    ApiError::new(Category::Logical, "not_stacked", told, next)
        .detail("base", source.pull.base.name.clone())
}

/// Nothing builds on the pull request, and it builds on nothing.
pub(super) fn not_stacked(source: &PullSource) -> ApiError {
    let (id, pull) = (&source.id, &source.pull);
    if pull.state != "open" {
        let state = if pull.merged { "merged" } else { "closed" };
        return ApiError::new(
            Category::Logical,
            "pr_not_open",
            format!("{id} is {state}, and no pull request builds on it"),
            "give an open pull request of the stack",
        );
    }
    ApiError::new(
        Category::Logical,
        "not_stacked",
        format!(
            "{id} goes into '{}', and no pull request builds on it",
            pull.base.name
        ),
        "a plain rebase on that branch is all it may need: check_merge_readiness says whether",
    )
    .detail("base", pull.base.name.clone())
}
