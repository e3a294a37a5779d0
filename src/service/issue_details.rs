//! One issue with its text, comments, pull requests and blockers.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Reply;
use super::arguments::GetIssueDetails;
use super::desk::{Parts, cached, issue_number};
use super::next::bounded;
use crate::claim::{Claim, Status};
use crate::coordinator::{CatalogueUpdate, RepoUpdate};
use crate::domain::{AgentId, ApiError, IssueSummary, RepoName, cursor, text};
use crate::gh::{IssueDetails, LinkedIssue};

/// Longest comment handed on, in bytes.
const COMMENT_BYTES_MAX: usize = 2_048;

#[derive(Serialize)]
struct Details<'a> {
    repo: &'a RepoName,
    number: u64,
    title: &'a str,
    state: crate::domain::IssueState,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    labels: &'a [Arc<str>],
    assignees: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    milestone: Option<&'a crate::domain::Milestone>,
    created_at: Timestamp,
    updated_at: Timestamp,
    comments_total: u64,
    pull_requests: &'a [LinkedIssue],
    blocked_by: &'a [LinkedIssue],
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<ClaimBrief<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The claim without its history: details are about the issue.
#[derive(Serialize)]
struct ClaimBrief<'a> {
    claim_id: crate::domain::ClaimId,
    agent_id: &'a AgentId,
    status: Status,
    claimed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pr_url: Option<&'a str>,
}

impl Parts {
    pub(super) async fn get_issue_details(
        &self,
        arguments: GetIssueDetails,
    ) -> Result<Reply, ApiError> {
        let repo = self.repo(&arguments.repo)?;
        let number = issue_number(arguments.issue_number)?;
        let comments = arguments.comments.unwrap_or(20);
        if comments > 100 {
            return Err(ApiError::invalid(
                "comments must be between 0 and 100",
                "use next_cursor for older ones",
            ));
        }
        let filters = GetIssueDetails {
            cursor: None,
            ..arguments.clone()
        };
        let before = match &arguments.cursor {
            Some(given) => Some(cursor::read("get_issue_details", &filters, given)?.to_owned()),
            None => None,
        };
        // GraphQL's `last` must be at least one.
        let last = u32::try_from(comments.max(1)).unwrap_or(20);
        let fetched = self
            .gh
            .issue_details(&repo, number, last, before.as_deref())
            .await;
        match fetched {
            Ok(mut details) => {
                if comments == 0 {
                    details.comments.clear();
                }
                let repo = details.issue.repo(&repo);
                self.refresh(&repo, &details).await?;
                self.details_reply(&filters, &repo, &details).await
            }
            Err(error) if error.is_outage() => self.details_from_cache(&repo, number, &error).await,
            Err(error) => Err(error.to_api()),
        }
    }

    /// What was just read is news for the catalogue, where it knows the repository.
    async fn refresh(&self, repo: &RepoName, details: &IssueDetails) -> Result<(), ApiError> {
        let known = repo.clone();
        if self
            .read(move |view| view.catalogue.repo(&known).is_some())
            .await?
        {
            let issues = vec![details.issue.summary.clone()];
            let repos = vec![RepoUpdate::of_issues(repo.clone(), issues)];
            let update = CatalogueUpdate {
                repos,
                ..CatalogueUpdate::default()
            };
            self.perform(crate::coordinator::Operation::Catalogue(update))
                .await?;
        }
        Ok(())
    }

    async fn claim_of(&self, repo: &RepoName, number: u64) -> Result<Option<Arc<Claim>>, ApiError> {
        let repo = repo.clone();
        self.read(move |view| view.ledger.holder(&view.key(&repo, number)).cloned())
            .await
    }

    async fn details_reply(
        &self,
        filters: &GetIssueDetails,
        repo: &RepoName,
        details: &IssueDetails,
    ) -> Result<Reply, ApiError> {
        let issue = &details.issue;
        let claim = self.claim_of(repo, issue.summary.number).await?;
        let older = details.older.as_deref();
        let next_cursor = older.map(|older| cursor::make("get_issue_details", filters, older));
        let record = Details {
            url: Some(&issue.url),
            author: issue.author.as_deref(),
            comments_total: details.comments_total,
            pull_requests: &details.pull_requests,
            blocked_by: details.blocked_by.as_deref().unwrap_or_default(),
            claim: claim.as_deref().map(brief),
            next_cursor,
            ..summary_details(repo, &issue.summary)
        };
        let number = issue.summary.number;
        let reply = Reply::new(&record)?.with_text(
            "body",
            format!("Text of {repo}#{number}"),
            bounded(&issue.body),
        );
        let comments = comments_text(details);
        Ok(reply.with_text(
            "comments",
            format!("Comments on {repo}#{number}"),
            bounded(&comments),
        ))
    }

    async fn details_from_cache(
        &self,
        repo: &RepoName,
        number: u64,
        error: &crate::gh::GhError,
    ) -> Result<Reply, ApiError> {
        let name = repo.clone();
        let found = self.read(move |view| {
            let entry = view.catalogue.repo(&name)?;
            Some((
                entry.issues.get(&number)?.clone(),
                entry.synced_at,
                view.now,
            ))
        });
        let Some((summary, synced_at, now)) = found.await? else {
            return Err(error.to_api());
        };
        let claim = self.claim_of(repo, number).await?;
        let warning = cached(Some(synced_at), now, error);
        let record = Details {
            claim: claim.as_deref().map(brief),
            warnings: vec![warning],
            ..summary_details(repo, &summary)
        };
        Reply::new(&record)
    }
}

fn summary_details<'a>(repo: &'a RepoName, summary: &'a IssueSummary) -> Details<'a> {
    Details {
        repo,
        number: summary.number,
        title: &summary.title,
        state: summary.state,
        url: None,
        author: None,
        labels: &summary.labels,
        assignees: &summary.assignees,
        milestone: summary.milestone.as_ref(),
        created_at: summary.created_at,
        updated_at: summary.updated_at,
        comments_total: u64::from(summary.comments),
        pull_requests: &[],
        blocked_by: &[],
        claim: None,
        next_cursor: None,
        warnings: Vec::new(),
    }
}

fn brief(claim: &Claim) -> ClaimBrief<'_> {
    ClaimBrief {
        claim_id: claim.claim_id,
        agent_id: &claim.agent_id,
        status: claim.status,
        claimed_at: claim.claimed_at,
        pr_url: claim.pr_url.as_deref(),
    }
}

fn comments_text(details: &IssueDetails) -> String {
    let mut written = String::new();
    for comment in &details.comments {
        let author = comment.author.as_deref().unwrap_or("ghost");
        let (body, cut) = text::cut(&comment.body, COMMENT_BYTES_MAX);
        let mark = if cut { " [cut]" } else { "" };
        let _ = write!(
            written,
            "{author}, {}:\n{body}{mark}\n\n",
            comment.created_at
        );
    }
    written.trim_end().to_owned()
}
