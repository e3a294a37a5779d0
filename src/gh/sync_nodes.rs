//! What the queries of the sync are answered.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::issue_nodes::{IssueNode, NameWithOwner, Nodes};
use super::sync_queries::{DeltaPage, DeltaRequest, RepoProbe, SyncedPullRequest};
use crate::domain::{PullRequestState, PullRequestSummary, RepoName};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl PageInfo {
    pub fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T> {
    #[serde(default)]
    pub page_info: Option<PageInfo>,
    pub nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    updated_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProbeNode {
    name_with_owner: String,
    is_private: bool,
    is_archived: bool,
    has_issues_enabled: bool,
    latest: Nodes<Updated>,
    open: Count,
    latest_pull: Nodes<Updated>,
    open_pulls: Count,
}

impl ProbeNode {
    pub fn into_probe(self) -> Option<RepoProbe> {
        Some(RepoProbe {
            name: self.name_with_owner.parse().ok()?,
            private: self.is_private,
            archived: self.is_archived,
            has_issues: self.has_issues_enabled,
            issues_updated_at: self.latest.nodes.first().map(|node| node.updated_at),
            open_issues: self.open.total_count,
            pulls_updated_at: self.latest_pull.nodes.first().map(|node| node.updated_at),
            open_pulls: self.open_pulls.total_count,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeltaNode {
    #[serde(default)]
    issues: Option<Connection<IssueNode>>,
    #[serde(default)]
    pull_requests: Option<Connection<PullNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullNode {
    number: u64,
    title: Arc<str>,
    state: String,
    #[serde(default)]
    is_draft: bool,
    url: Arc<str>,
    updated_at: Timestamp,
    #[serde(default)]
    merged_at: Option<Timestamp>,
    #[serde(default)]
    closing_issues_references: Option<Nodes<ClosingNode>>,
}

#[derive(Deserialize)]
struct ClosingNode {
    number: u64,
    repository: NameWithOwner,
}

impl PullNode {
    fn into_pull(self, repo: &RepoName) -> SyncedPullRequest {
        let closing = self
            .closing_issues_references
            .map(|list| list.nodes)
            .unwrap_or_default();
        let mut closes = Vec::new();
        let mut closes_elsewhere = Vec::new();
        for node in closing {
            match node.repository.name_with_owner.parse::<RepoName>() {
                Ok(other) if other != *repo => closes_elsewhere.push((other, node.number)),
                Ok(_) => closes.push(node.number),
                Err(_) => {}
            }
        }
        let state = match self.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            _ => PullRequestState::Closed,
        };
        SyncedPullRequest {
            summary: PullRequestSummary {
                number: self.number,
                title: self.title,
                state,
                draft: self.is_draft,
                url: self.url,
                closes,
                updated_at: self.updated_at,
            },
            closes_elsewhere,
            merged_at: self.merged_at,
        }
    }
}

impl DeltaNode {
    pub fn into_page(self, request: &DeltaRequest) -> DeltaPage {
        let mut page = DeltaPage {
            repo: request.repo.clone(),
            issues: Vec::new(),
            issues_next: None,
            pulls: Vec::new(),
            pulls_next: None,
        };
        if let Some(list) = self.issues {
            page.issues_next = list.page_info.and_then(PageInfo::next);
            page.issues = list
                .nodes
                .into_iter()
                .map(IssueNode::into_summary)
                .collect();
        }
        if let Some(list) = self.pull_requests {
            page.pulls_next = list.page_info.and_then(PageInfo::next);
            let pulls = list.nodes.into_iter();
            page.pulls = pulls.map(|node| node.into_pull(&request.repo)).collect();
        }
        page
    }
}
