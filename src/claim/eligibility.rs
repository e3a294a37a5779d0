//! Which issues `next_issue` may hand out, and in which order.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Ledger;
use crate::domain::priority::{PriorityScheme, UNLABELLED};
use crate::domain::{AgentId, IssueKey, IssueState, IssueSummary, later, limits};

/// What the choice depends on besides issues and claims.
#[derive(Clone, Debug, Default)]
pub struct EligibilityRules {
    /// Labels that keep an issue from being handed out, in lower case.
    pub skip_labels: Vec<String>,
    /// How priority labels are read.
    pub priorities: PriorityScheme,
}

/// An issue with the facts about it that the issue itself does not carry.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The issue.
    pub issue: &'a IssueSummary,
    /// Its key.
    pub key: &'a IssueKey,
    /// Number of an open pull request that will close it.
    pub linked_pull_request: Option<u64>,
    /// Login of the account in use: an issue assigned to it is not somebody else's.
    pub viewer: Option<&'a str>,
}

/// Why an issue is passed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// Somebody has it.
    Claimed(AgentId),
    /// Assigned to somebody else.
    Assigned(Arc<str>),
    /// An open issue blocks it.
    Blocked(u32),
    /// An open pull request will close it.
    LinkedPullRequest(u64),
    /// It bears one of SKIP_LABELS.
    SkipLabel(Arc<str>),
    /// This agent gave it back not long ago.
    RecentlyReleased,
    /// It is closed.
    Closed,
}

/// How many issues were passed by, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PassedBy {
    /// Held by somebody.
    #[serde(skip_serializing_if = "is_zero")]
    pub claimed: u64,
    /// Assigned to others.
    #[serde(skip_serializing_if = "is_zero")]
    pub assigned: u64,
    /// Blocked by open issues.
    #[serde(skip_serializing_if = "is_zero")]
    pub blocked: u64,
    /// A pull request is under way.
    #[serde(skip_serializing_if = "is_zero")]
    pub linked_pull_request: u64,
    /// A label says no.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip_label: u64,
    /// Given back by this agent lately.
    #[serde(skip_serializing_if = "is_zero")]
    pub recently_released: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl PassedBy {
    /// Counts one more.
    pub fn count(&mut self, exclusion: &Exclusion) {
        let counter = match exclusion {
            Exclusion::Claimed(_) => &mut self.claimed,
            Exclusion::Assigned(_) => &mut self.assigned,
            Exclusion::Blocked(_) => &mut self.blocked,
            Exclusion::LinkedPullRequest(_) => &mut self.linked_pull_request,
            Exclusion::SkipLabel(_) => &mut self.skip_label,
            Exclusion::RecentlyReleased => &mut self.recently_released,
            Exclusion::Closed => return,
        };
        *counter += 1;
    }
}

impl Exclusion {
    /// The reason in words, for `why_not` and warnings.
    pub fn explain(&self) -> String {
        match self {
            Self::Claimed(agent_id) => format!("claimed by {agent_id}"),
            Self::Assigned(login) => format!("assigned to {login}"),
            Self::Blocked(1) => "blocked by an open issue".to_owned(),
            Self::Blocked(count) => format!("blocked by {count} open issues"),
            Self::LinkedPullRequest(number) => format!("pull request #{number} will close it"),
            Self::SkipLabel(label) => format!("label {label}"),
            Self::RecentlyReleased => "given back by this agent in the last 30 minutes".to_owned(),
            Self::Closed => "closed".to_owned(),
        }
    }
}

/// The place of an issue in the order: less is sooner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assessment {
    level: u8,
    due_on: Timestamp,
    attempts: u32,
    created_at: Timestamp,
    key: IssueKey,
}

impl EligibilityRules {
    /// Why `agent_id` would not be handed this issue; `None` means that it may be.
    pub fn exclusion(
        &self,
        candidate: &Candidate<'_>,
        ledger: &Ledger,
        agent_id: Option<&AgentId>,
        now: Timestamp,
    ) -> Option<Exclusion> {
        if let Some(claim) = ledger.holder(candidate.key) {
            return Some(Exclusion::Claimed(claim.agent_id.clone()));
        }
        self.warnings(candidate).into_iter().next().or_else(|| {
            let recent = |(released_by, at): &(AgentId, Timestamp)| {
                agent_id.is_none_or(|agent_id| agent_id == released_by)
                    && later(*at, limits::RELEASE_COOLDOWN) > now
            };
            let memory = agent_id.and_then(|_| ledger.memory(candidate.key))?;
            memory
                .releases
                .iter()
                .any(recent)
                .then_some(Exclusion::RecentlyReleased)
        })
    }

    /// Everything but claims that speaks against handing this issue out.
    pub fn warnings(&self, candidate: &Candidate<'_>) -> Vec<Exclusion> {
        let issue = candidate.issue;
        let mut found = Vec::new();
        if issue.state == IssueState::Closed {
            found.push(Exclusion::Closed);
        }
        let is_viewer = |login: &str| {
            candidate
                .viewer
                .is_some_and(|viewer| viewer.eq_ignore_ascii_case(login))
        };
        if let Some(other) = issue.assignees.iter().find(|login| !is_viewer(login)) {
            found.push(Exclusion::Assigned(other.clone()));
        }
        if let Some(number) = candidate.linked_pull_request {
            found.push(Exclusion::LinkedPullRequest(number));
        }
        if issue.blocked_by > 0 {
            found.push(Exclusion::Blocked(issue.blocked_by));
        }
        let skips = |label: &&Arc<str>| {
            self.skip_labels
                .iter()
                .any(|skip| skip.eq_ignore_ascii_case(label))
        };
        if let Some(label) = issue.labels.iter().find(skips) {
            found.push(Exclusion::SkipLabel(label.clone()));
        }
        found
    }

    /// Where the issue stands in the order of all issues.
    pub fn assess(&self, candidate: &Candidate<'_>, ledger: &Ledger) -> Assessment {
        let issue = candidate.issue;
        let (level, _) = self.priorities.rank(issue.labels.iter().map(AsRef::as_ref));
        let due_on = issue
            .milestone
            .as_ref()
            .and_then(|milestone| milestone.due_on);
        Assessment {
            level,
            due_on: due_on.unwrap_or(Timestamp::MAX),
            attempts: ledger
                .memory(candidate.key)
                .map_or(0, |memory| memory.attempts),
            created_at: issue.created_at,
            key: candidate.key.clone(),
        }
    }

    /// The order in words: `P1, milestone v2 due 2026-12-01, 1 failed attempt, opened 12 days ago`.
    pub fn why(&self, candidate: &Candidate<'_>, ledger: &Ledger, now: Timestamp) -> String {
        let issue = candidate.issue;
        let (level, label) = self.priorities.rank(issue.labels.iter().map(AsRef::as_ref));
        let mut why = match label {
            Some(label) if level != UNLABELLED => label.to_owned(),
            _ => "no priority label".to_owned(),
        };
        if let Some(milestone) = &issue.milestone {
            let _ = write!(why, ", milestone {}", milestone.title);
            if let Some(due_on) = milestone.due_on {
                let _ = write!(why, " due {}", due_on.strftime("%Y-%m-%d"));
            }
        }
        match ledger
            .memory(candidate.key)
            .map_or(0, |memory| memory.attempts)
        {
            0 => {}
            1 => why.push_str(", 1 failed attempt"),
            attempts => {
                let _ = write!(why, ", {attempts} failed attempts");
            }
        }
        let _ = write!(why, ", opened {} days ago", age_days(issue.created_at, now));
        why
    }
}

/// Whole days between two moments, never negative.
pub fn age_days(created_at: Timestamp, now: Timestamp) -> u64 {
    let age = Duration::try_from(now.duration_since(created_at)).unwrap_or_default();
    age.as_secs() / 86_400
}
