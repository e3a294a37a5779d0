//! The claim record: the same shape in answers, in the snapshot and in history.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Status;
use crate::domain::{AgentId, ClaimId, Host, IssueKey, RepoName, SessionRef, limits};

/// One step in the life of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The status from then on.
    pub status: Status,
    /// When.
    #[serde(serialize_with = "crate::domain::serialize_time")]
    pub timestamp: Timestamp,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
}

/// The right of one agent to one issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Names this grant; the fencing token of every later write.
    pub claim_id: ClaimId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// GitHub instance, left out for github.com.
    #[serde(default, skip_serializing_if = "Host::is_default")]
    pub host: Host,
    /// Repository of the issue.
    pub repo: RepoName,
    /// Number of the issue.
    pub issue_number: u64,
    /// Title of the issue when it was claimed.
    pub issue_title: Arc<str>,
    /// Where the claim stands.
    pub status: Status,
    /// When it was granted.
    #[serde(serialize_with = "crate::domain::serialize_time")]
    pub claimed_at: Timestamp,
    /// When it last changed.
    #[serde(serialize_with = "crate::domain::serialize_time")]
    pub last_updated: Timestamp,
    /// Its steps so far, oldest first.
    pub status_history: Vec<StatusChange>,
    /// Address of its pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr_url: Option<Arc<str>>,
    /// What its holder left for the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff_note: Option<Arc<str>>,
    /// For a stale claim, the status it returns to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_from: Option<Status>,
    /// The process that holds it. Not part of the record that others see.
    #[serde(skip)]
    pub session: Option<SessionRef>,
}

impl Claim {
    /// The issue it is about.
    pub fn key(&self) -> IssueKey {
        IssueKey {
            host: self.host.clone(),
            repo: self.repo.clone(),
            number: self.issue_number,
        }
    }

    /// The status from which transitions are judged: a stale claim counts as what it was.
    pub fn working_status(&self) -> Status {
        match self.status {
            Status::Stale => self.stale_from.unwrap_or(Status::Claimed),
            status => status,
        }
    }

    /// Whether its agent's silence makes it stale. Not while it has an open pull request, which then
    /// holds the lease, also when changes are asked for. Without one, or after its merge, its agent
    /// goes on renewing the lease by its calls: an issue that the merge did not close waits for it.
    pub fn needs_renewal(&self) -> bool {
        let is_held_by_pull = self.pr_url.is_some() && self.status != Status::PrMerged;
        self.status.is_active() && self.status != Status::Stale && !is_held_by_pull
    }

    /// Sets the status and adds the step to the history, which keeps its first and newest steps.
    pub(super) fn step(&mut self, status: Status, at: Timestamp, note: Option<Arc<str>>) {
        self.stale_from = (status == Status::Stale).then(|| self.working_status());
        self.status = status;
        self.last_updated = at;
        if self.status_history.len() >= limits::STATUS_HISTORY_MAX {
            self.status_history.remove(1);
        }
        self.status_history.push(StatusChange {
            status,
            timestamp: at,
            note,
        });
    }
}
