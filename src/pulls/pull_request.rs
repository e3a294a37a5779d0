//! A pull request as REST tells it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A pull request as REST tells it, in the parts that the tools use.
#[derive(Clone, Debug, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    pub state: String,
    /// Title, written by its author.
    pub title: String,
    /// Description, written by its author.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// Whether it was merged.
    #[serde(default)]
    pub merged: bool,
    /// Commit it was merged as.
    #[serde(default)]
    pub merge_commit_sha: Option<String>,
    /// Author; none when the account is gone.
    #[serde(default)]
    pub user: Option<Account>,
    /// Where it comes from.
    pub head: Branch,
    /// Where it shall go.
    pub base: Branch,
    /// `None` while GitHub computes it, and for closed ones.
    #[serde(default)]
    pub mergeable: Option<bool>,
    /// `clean`, `dirty`, `blocked`, `behind`, `unstable`, `draft`, `has_hooks` or `unknown`.
    #[serde(default)]
    pub mergeable_state: String,
    /// Whether maintainers of the base may push to the head.
    #[serde(default)]
    pub maintainer_can_modify: bool,
    /// When anything about it changed. Checks are not part of it.
    pub updated_at: Timestamp,
    /// Its page.
    pub html_url: String,
    /// Commits in it.
    #[serde(default)]
    pub commits: u64,
    /// Lines added.
    #[serde(default)]
    pub additions: u64,
    /// Lines removed.
    #[serde(default)]
    pub deletions: u64,
    /// Files touched.
    #[serde(default)]
    pub changed_files: u64,
    /// Labels.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// The stack it belongs to, where GitHub keeps one: see [`super::native_stack`].
    #[serde(default)]
    pub stack: Option<Value>,
}

/// A label.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
}

/// An account.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Its login.
    pub login: String,
}

/// One end of a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct Branch {
    /// Branch name.
    #[serde(rename = "ref")]
    pub name: String,
    /// Commit.
    pub sha: String,
    /// Repository; none when a fork was deleted.
    #[serde(default)]
    pub repo: Option<BranchRepo>,
}

/// The repository of a branch.
#[derive(Clone, Debug, Deserialize)]
pub struct BranchRepo {
    /// `owner/name`.
    pub full_name: String,
}

impl PullRequest {
    /// Login of the author; `ghost` when the account is gone, as GitHub shows it.
    pub fn author(&self) -> &str {
        self.user.as_ref().map_or("ghost", |user| &user.login)
    }

    /// The first seven digits of the head commit.
    pub fn head_short(&self) -> &str {
        self.head.sha.get(..7).unwrap_or(&self.head.sha)
    }

    /// Whether the head is a branch of another repository.
    pub fn is_from_fork(&self) -> bool {
        let name = |branch: &Branch| {
            branch
                .repo
                .as_ref()
                .map(|repo| repo.full_name.to_lowercase())
        };
        name(&self.head) != name(&self.base)
    }
}
