//! Issues, pull requests and repositories as GitHub's REST interface writes them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::issues::FetchedIssue;
use super::sync_queries::RepoProbe;
use crate::domain::{IssueState, IssueSummary, Milestone, RepoName};

#[derive(Deserialize)]
pub(super) struct RestIssue {
    pub number: u64,
    title: Arc<str>,
    state: IssueState,
    #[serde(default)]
    body: Option<String>,
    html_url: String,
    #[serde(default)]
    user: Option<Named>,
    #[serde(default)]
    labels: Vec<RestLabel>,
    #[serde(default)]
    assignees: Vec<Named>,
    #[serde(default)]
    milestone: Option<RestMilestone>,
    #[serde(default)]
    comments: u32,
    created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    repository_url: String,
    #[serde(default)]
    issue_dependencies_summary: Option<RestDependencies>,
}

#[derive(Deserialize)]
struct RestDependencies {
    #[serde(default)]
    blocked_by: u32,
}

#[derive(Deserialize)]
struct Named {
    login: Arc<str>,
}

/// GitHub answers labels as objects, and in old data as bare names.
#[derive(Deserialize)]
#[serde(untagged)]
enum RestLabel {
    Object { name: Arc<str> },
    Name(Arc<str>),
}

#[derive(Deserialize)]
struct RestMilestone {
    title: Arc<str>,
    #[serde(default)]
    due_on: Option<Timestamp>,
}

impl RestIssue {
    pub fn into_fetched(self) -> FetchedIssue {
        let label = |label: RestLabel| match label {
            RestLabel::Object { name } | RestLabel::Name(name) => name,
        };
        let milestone = |from: RestMilestone| Milestone {
            title: from.title,
            due_on: from.due_on,
        };
        FetchedIssue {
            summary: IssueSummary {
                number: self.number,
                title: self.title,
                state: self.state,
                labels: self.labels.into_iter().map(label).collect(),
                assignees: self.assignees.into_iter().map(|user| user.login).collect(),
                milestone: self.milestone.map(milestone),
                comments: self.comments,
                blocked_by: self
                    .issue_dependencies_summary
                    .map_or(0, |summary| summary.blocked_by),
                created_at: self.created_at,
                updated_at: self.updated_at,
            },
            body: self.body.unwrap_or_default(),
            url: self.html_url,
            author: self.user.map(|user| user.login.to_string()),
        }
    }

    pub fn is_in(&self, repo: &RepoName) -> bool {
        // Empty on servers that leave it out; then there is nothing to compare.
        let mut parts = self.repository_url.rsplit('/');
        match (parts.next(), parts.next()) {
            (Some(name), Some(owner)) if !name.is_empty() => {
                name.eq_ignore_ascii_case(repo.name()) && owner.eq_ignore_ascii_case(repo.owner())
            }
            _ => true,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RestRepo {
    full_name: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    has_issues: bool,
}

impl RestRepo {
    pub fn into_probe(self) -> Option<RepoProbe> {
        Some(RepoProbe {
            name: self.full_name.parse().ok()?,
            private: self.private,
            archived: self.archived,
            has_issues: self.has_issues,
            issues_updated_at: None,
            open_issues: 0,
            pulls_updated_at: None,
            open_pulls: 0,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RestPull {
    pub number: u64,
    pub title: Arc<str>,
    pub state: IssueState,
    #[serde(default)]
    pub merged: bool,
    #[serde(default)]
    pub merged_at: Option<Timestamp>,
    #[serde(default)]
    pub draft: bool,
    pub html_url: Arc<str>,
    pub updated_at: Timestamp,
}
