//! Issues as GitHub's GraphQL interface writes them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::issues::{Comment, FetchedIssue, IssueDetails, LinkedIssue};
use crate::domain::{IssueState, IssueSummary, Milestone, RepoName};

#[derive(Deserialize)]
pub(super) struct Nodes<T> {
    pub nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetailsNode {
    #[serde(flatten)]
    issue: IssueNode,
    #[serde(default)]
    body: String,
    url: String,
    author: Option<Login>,
    comments: CommentNodes,
    #[serde(default)]
    closed_by_pull_requests_references: Option<Nodes<LinkNode>>,
    #[serde(default)]
    blocked_by: Option<Nodes<LinkNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentNodes {
    total_count: u64,
    page_info: PreviousPage,
    nodes: Vec<CommentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreviousPage {
    has_previous_page: bool,
    start_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentNode {
    author: Option<Login>,
    created_at: Timestamp,
    body: String,
}

#[derive(Deserialize)]
struct LinkNode {
    number: u64,
    title: String,
    state: String,
    repository: NameWithOwner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NameWithOwner {
    pub name_with_owner: String,
}

#[derive(Deserialize)]
struct Login {
    login: Arc<str>,
}

#[derive(Deserialize)]
struct LabelName {
    name: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MilestoneNode {
    title: Arc<str>,
    #[serde(default)]
    due_on: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DependenciesNode {
    #[serde(default)]
    blocked_by: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TotalCount {
    total_count: u32,
}

/// The issue fields that sync and details share.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssueNode {
    number: u64,
    title: Arc<str>,
    state: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    labels: Option<Nodes<LabelName>>,
    #[serde(default)]
    assignees: Option<Nodes<Login>>,
    #[serde(default)]
    milestone: Option<MilestoneNode>,
    #[serde(default)]
    discussion: Option<TotalCount>,
    #[serde(default)]
    issue_dependencies_summary: Option<DependenciesNode>,
}

impl IssueNode {
    pub fn into_summary(self) -> IssueSummary {
        let labels = self.labels.map(|labels| labels.nodes).unwrap_or_default();
        let assignees = self.assignees.map(|users| users.nodes).unwrap_or_default();
        let dependencies = self.issue_dependencies_summary;
        IssueSummary {
            number: self.number,
            title: self.title,
            state: if self.state == "OPEN" {
                IssueState::Open
            } else {
                IssueState::Closed
            },
            labels: labels.into_iter().map(|label| label.name).collect(),
            assignees: assignees.into_iter().map(|user| user.login).collect(),
            milestone: self.milestone.map(|node| Milestone {
                title: node.title,
                due_on: node.due_on,
            }),
            comments: self.discussion.map_or(0, |count| count.total_count),
            blocked_by: dependencies.map_or(0, |summary| summary.blocked_by),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl DetailsNode {
    pub fn into_details(self, repo: &RepoName) -> IssueDetails {
        let login = |author: Option<Login>| author.map(|author| author.login.to_string());
        let link = |node: LinkNode| LinkedIssue {
            repo: Some(node.repository.name_with_owner)
                .filter(|name| !name.eq_ignore_ascii_case(repo.as_str())),
            number: node.number,
            state: node.state.to_lowercase(),
            title: node.title,
        };
        let links = |nodes: Nodes<LinkNode>| nodes.nodes.into_iter().map(link).collect();
        let comment = |node: CommentNode| Comment {
            author: login(node.author),
            created_at: node.created_at,
            body: node.body,
        };
        let pages = self.comments.page_info;
        let mut summary = self.issue.into_summary();
        summary.comments = u32::try_from(self.comments.total_count).unwrap_or(u32::MAX);
        IssueDetails {
            issue: FetchedIssue {
                summary,
                body: self.body,
                url: self.url,
                author: login(self.author),
            },
            comments_total: self.comments.total_count,
            comments: self.comments.nodes.into_iter().map(comment).collect(),
            older: pages.start_cursor.filter(|_| pages.has_previous_page),
            pull_requests: self
                .closed_by_pull_requests_references
                .map(links)
                .unwrap_or_default(),
            blocked_by: self.blocked_by.map(links),
        }
    }
}
