//! Repositories, and what becomes of their issues.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::git_repository::GitRepository;
use super::history::{BranchSide, History};
use super::issue::{Common, Issue, IssueKey, PullRequest};
use super::merges::Merges;
use super::review::Reviews;
use super::store::Store;

/// What became of an issue that left its repository.
#[derive(Debug, Clone)]
pub enum Gone {
    /// It was deleted.
    Deleted,
    /// It lives on elsewhere.
    Transferred(IssueKey),
}

/// A repository.
#[derive(Debug)]
pub struct Repository {
    /// The database id.
    pub id: u64,
    /// The login of the owner.
    pub owner: String,
    /// The name without the owner.
    pub name: String,
    /// Whether only its members see it.
    pub is_private: bool,
    /// Whether it is read-only.
    pub is_archived: bool,
    /// Whether the user may push to it.
    pub may_push: bool,
    /// Whether it is a fork.
    pub is_fork: bool,
    /// Whether issues are switched on.
    pub has_issues: bool,
    /// Whether it is hidden from the user: every answer is then "not found".
    pub inaccessible: bool,
    /// The name of the default branch.
    pub default_branch: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When somebody last pushed to it.
    pub pushed_at: Timestamp,
    /// Issues and pull requests by number.
    pub issues: BTreeMap<u64, Issue>,
    /// Numbers that are no longer here.
    pub gone: BTreeMap<u64, Gone>,
    /// Names (`owner/name`) it had before.
    pub former_names: Vec<String>,
    /// What merges depend on: checks, reviews, rules of branches.
    pub merges: Merges,
    /// Commits and branches, where a test needs them.
    pub history: History,
    /// Its objects and branches in a real git repository, where a test needs them.
    pub store: Option<Store>,
    /// A real repository that answers what it can, where a test needs one.
    pub git: Option<GitRepository>,
    pub(super) common: Arc<Common>,
}

impl Repository {
    /// The real repository behind it, where there is one.
    pub(super) fn git(&self) -> Option<&GitRepository> {
        let stored = self.store.as_ref().map(|store| &store.git);
        self.git.as_ref().or(stored)
    }

    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Opens an issue with the next number.
    pub fn add_issue(&mut self, title: &str) -> &mut Issue {
        let number = self.next_number();
        let issue = Issue::new(self.issue_id(number), number, title, self.common.clone());
        self.updated_at = issue.updated_at;
        self.issues.entry(number).or_insert(issue)
    }

    /// Opens a pull request with the next number that closes some issues of the repository.
    pub fn add_pull_request(&mut self, title: &str, closes: &[u64]) -> &mut Issue {
        let key = |&number| IssueKey {
            repository: self.full_name(),
            number,
        };
        let closes: Vec<IssueKey> = closes.iter().map(key).collect();
        let base_ref = self.default_branch.clone();
        for closed in &closes {
            // A link to a pull request counts as a change of the issue.
            if let Some(issue) = self.issues.get_mut(&closed.number) {
                issue.touch();
            }
        }
        let pull = self.add_issue(title);
        pull.pull_request = Some(PullRequest {
            draft: false,
            merged_at: None,
            head_ref: format!("change-{}", pull.number),
            head_sha: format!("{:040x}", pull.id),
            base_ref,
            closes,
            reviews: Reviews::default(),
            branches: BranchSide::default(),
        });
        pull
    }

    /// The issue or pull request with a number.
    #[track_caller]
    pub fn issue(&mut self, number: u64) -> &mut Issue {
        self.issues.get_mut(&number).expect("the issue exists")
    }

    /// How many issues (not pull requests) are open.
    pub fn open_issues(&self) -> usize {
        self.issues
            .values()
            .filter(|issue| issue.open && issue.pull_request.is_none())
            .count()
    }

    pub(super) fn next_number(&self) -> u64 {
        let highest = self
            .issues
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        highest.max(self.gone.last_key_value().map_or(0, |(number, _)| *number)) + 1
    }

    pub(super) fn issue_id(&self, number: u64) -> u64 {
        self.id * 1_000_000 + number
    }

    pub(super) fn goes_by(&self, full_name: &str) -> bool {
        self.full_name().eq_ignore_ascii_case(full_name)
    }
}
