//! Issues as the catalogue knows them.

use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{is_owner, is_repository};
use super::{ApiError, RepoName};

/// Whether an issue is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssueState {
    /// Work may be done on it.
    Open,
    /// Done or declined.
    Closed,
}

/// A milestone, as far as the order of issues needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// Its title.
    pub title: Arc<str>,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Timestamp>,
}

/// What the catalogue keeps of one open issue: enough to choose, not to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueSummary {
    /// Number within the repository.
    pub number: u64,
    /// Title as written.
    pub title: Arc<str>,
    /// Open or closed.
    pub state: IssueState,
    /// Label names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Arc<str>>,
    /// Logins of the assignees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<Arc<str>>,
    /// The milestone, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<Milestone>,
    /// Number of comments.
    #[serde(default)]
    pub comments: u32,
    /// Number of open issues that block this one (GitHub's issue dependencies).
    #[serde(default)]
    pub blocked_by: u32,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When GitHub last changed it.
    pub updated_at: Timestamp,
}

/// One entry of ALLOWED_REPOS: `owner/name` or `owner/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum RepoPattern {
    /// One repository.
    Repository(RepoName),
    /// Every repository of one account.
    Owner(String),
}

impl RepoPattern {
    /// Whether a list lets `repo` in; an empty one lets all in.
    pub fn let_in(list: &[Self], repo: &RepoName) -> bool {
        list.is_empty() || list.iter().any(|pattern| pattern.matches(repo))
    }

    /// Whether `repo` is meant.
    pub fn matches(&self, repo: &RepoName) -> bool {
        match self {
            Self::Repository(name) => name == repo,
            Self::Owner(owner) => owner.eq_ignore_ascii_case(repo.owner()),
        }
    }
}

impl From<RepoPattern> for String {
    fn from(pattern: RepoPattern) -> Self {
        match pattern {
            RepoPattern::Repository(name) => name.as_str().to_owned(),
            RepoPattern::Owner(owner) => owner + "/*",
        }
    }
}

impl TryFrom<String> for RepoPattern {
    type Error = ApiError;

    fn try_from(given: String) -> Result<Self, ApiError> {
        given.parse()
    }
}

impl FromStr for RepoPattern {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        match given.split_once('/') {
            Some((owner, "*")) if is_owner(owner) => Ok(Self::Owner(owner.to_owned())),
            Some((owner, name)) if is_owner(owner) && is_repository(name) => {
                Ok(Self::Repository(given.parse()?))
            }
            _ => Err(ApiError::invalid(
                format!(
                    "'{}' is neither owner/name nor owner/*",
                    super::text::one_line(given)
                ),
                "separate entries by commas, for example octo-org/api,my-name/*",
            )),
        }
    }
}
