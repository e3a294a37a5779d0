//! What GitHub refuses while a pull request is made, with the next step.

use super::super::shell::shell_word;
use super::NewPullRequest;
use super::files::Act;
use crate::domain::{ApiError, Category};
use crate::gh::GhError;

/// What to do after a failure of which nobody knows how far it went.
const AGAIN: &str =
    "call again with the same arguments: what was done already is found, nothing is done twice";

/// A write that failed.
pub(super) fn of_write(ask: &NewPullRequest, error: &GhError) -> ApiError {
    let mut told = error.to_api();
    match error {
        GhError::NotFound(_) | GhError::Forbidden { .. } => ApiError::new(
            Category::User,
            "forbidden",
            format!("this login may not write to {}: {error}", ask.repo),
            rights_needed(ask),
        ),
        GhError::Rejected(words) => refused(ask, words),
        error if error.is_transient() => {
            AGAIN.clone_into(&mut told.suggestion);
            told
        }
        _ => told,
    }
}

fn rights_needed(ask: &NewPullRequest) -> String {
    let workflow = |(path, act): (&String, &Act)| {
        path.starts_with(".github/workflows/") && *act != Act::Delete
    };
    if ask.changes.iter().any(workflow) {
        return "workflow files need one more right: gh auth refresh -s workflow (fine-grained \
                tokens: Workflows write)"
            .to_owned();
    }
    format!(
        "a token needs Contents and Pull requests write; without a right to push: gh repo fork {}, \
         push the branch to the fork and call again with head YOU:{}, without files",
        ask.repo, ask.head.branch
    )
}

/// What GitHub's words mean. They are no part of its documented interface: what is not known is
/// passed on as it is.
fn refused(ask: &NewPullRequest, words: &str) -> ApiError {
    let logical = |code, next: String| {
        ApiError::new(
            Category::Logical,
            code,
            format!("GitHub did not accept this: {words}"),
            next,
        )
    };
    let says = |part: &str| words.to_lowercase().contains(part);
    match () {
        () if says("already exists") => logical("already_exists", AGAIN.to_owned()).retry_after(2),
        () if says("no commits between") => logical(
            "no_commits",
            "the branch has nothing that the base lacks: commit, push, and call again".to_owned(),
        ),
        () if says("head invalid") => branch_missing(ask),
        () if says("base invalid") => base_missing(ask, "the base"),
        () if says("draft pull requests are not supported") => {
            logical("draft_not_supported", "call again without draft".to_owned())
        }
        () if says("archived") => archived(ask),
        () if says("rule violation") || says("protected branch") => logical(
            "branch_rules",
            "choose a head that the repository's rules allow, or ask an administrator".to_owned(),
        ),
        () if says("repository is empty") => logical(
            "repository_empty",
            "push a first commit to its default branch".to_owned(),
        ),
        () => GhError::Rejected(words.to_owned()).to_api(),
    }
}

/// There is no such branch to open a pull request from.
pub(super) fn branch_missing(ask: &NewPullRequest) -> ApiError {
    let next = if ask.head.in_fork {
        "push it to the fork; write head as owner:branch".to_owned()
    } else {
        format!(
            "push it: git push -u origin {}; or give files",
            shell_word(&ask.head.branch)
        )
    };
    ApiError::new(
        Category::User,
        "branch_missing",
        format!("GitHub has no branch {} of {}", ask.head.name(), ask.repo),
        next,
    )
}

/// There is no such branch to merge into.
pub(super) fn base_missing(ask: &NewPullRequest, base: &str) -> ApiError {
    ApiError::new(
        Category::User,
        "base_missing",
        format!("{} has no branch {base}", ask.repo),
        "give an existing branch as base, or leave it out for the default branch (an empty \
         repository has none: push a first commit)",
    )
}

/// The repository takes no changes.
pub(super) fn archived(ask: &NewPullRequest) -> ApiError {
    ApiError::new(
        Category::Logical,
        "archived",
        format!("{} is archived: it cannot be changed", ask.repo),
        "take an issue of another repository with next_issue",
    )
}

/// This login may not push there.
pub(super) fn no_push(ask: &NewPullRequest) -> ApiError {
    ApiError::new(
        Category::User,
        "forbidden",
        format!("this login may not push to {}", ask.repo),
        rights_needed(ask),
    )
}

/// The repository has another name by now.
pub(super) fn moved(ask: &NewPullRequest, to: &str) -> ApiError {
    ApiError::new(
        Category::User,
        "repo_moved",
        format!("{} is called {to} now", ask.repo),
        "call again with that name",
    )
}

/// The files are as the base has them.
pub(super) fn no_changes(ask: &NewPullRequest, base: &str) -> ApiError {
    ApiError::new(
        Category::Logical,
        "no_changes",
        format!("{base} of {} has these files as they are given", ask.repo),
        "nothing is left to do if a pull request with them was merged; else check the contents",
    )
}

/// What the branch has was merged.
pub(super) fn already_merged(ask: &NewPullRequest, number: u64, url: &str) -> ApiError {
    ApiError::new(
        Category::Logical,
        "already_merged",
        format!(
            "#{number} brought what {} has into the base",
            ask.head.name()
        ),
        "update_claim_status with pr_merged; for further work commit and push first",
    )
    .detail("number", number)
    .detail("url", url)
}
