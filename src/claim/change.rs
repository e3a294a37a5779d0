//! What happened: the journal's vocabulary. A change carries all that readers of the event
//! stream are told, so that an old journal can be replayed to them without the state of its time.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Claim, Status};
use crate::domain::{AgentId, ClaimId, Host, RepoName, RequestId, SessionRef};

/// One durable change of state. The tag is the journal's own name for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// An issue was granted. What a new claim always has is left out.
    Granted {
        /// The new claim's id.
        claim_id: ClaimId,
        /// Its holder.
        agent_id: AgentId,
        /// GitHub instance.
        #[serde(default, skip_serializing_if = "Host::is_default")]
        host: Host,
        /// Its repository.
        repo: RepoName,
        /// Its issue.
        issue_number: u64,
        /// The issue's title.
        issue_title: Arc<str>,
        /// The process that holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionRef>,
        /// The request that asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// A claim moved to another status, or was confirmed in the one it has.
    Moved {
        /// The claim.
        claim_id: ClaimId,
        /// Its holder.
        agent_id: AgentId,
        /// Its repository.
        repo: RepoName,
        /// Its issue.
        issue_number: u64,
        /// The status before.
        from: Status,
        /// The status from now on.
        to: Status,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
        /// The pull request, where this change tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pr_url: Option<Arc<str>>,
        /// The pull request was closed unmerged: it is no longer this claim's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pr_closed: bool,
        /// Not a failed attempt of its agent: GitHub took the issue away.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        uncounted: bool,
        /// What the holder leaves for the next one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handoff_note: Option<Arc<str>>,
        /// The session that holds it from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionRef>,
        /// The request that asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// A claim of a dead session goes to a new session of the same agent, under a new id.
    HandedOn {
        /// The id that is refused from now on.
        old_claim_id: ClaimId,
        /// The claim under its new id.
        claim: Arc<Claim>,
        /// The process that holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionRef>,
        /// The request that asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// An open issue was closed on GitHub.
    IssueClosed {
        /// Its repository.
        repo: RepoName,
        /// Its number.
        issue_number: u64,
        /// Its title.
        issue_title: Arc<str>,
    },
    /// The catalogue was brought up to date.
    SyncCompleted {
        /// Repositories known.
        repos: u64,
        /// Open issues known.
        open_issues: u64,
        /// Issues that changed.
        changed: u64,
    },
    /// Checks of a pull request that is watched were seen to fail, the first time for this commit.
    /// No claim changes by it. It is in the journal all the same: the numbers of the journal are
    /// the ids of events, and a reader that resumes must miss none.
    ChecksFailed(Arc<FailedChecks>),
}

/// A pull request whose checks were seen to fail. Texts are bounded by whoever makes it; names were
/// written by authors of workflows and tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedChecks {
    /// Its repository.
    pub repo: RepoName,
    /// Its number.
    pub number: u64,
    /// The commit they ran for.
    pub head_sha: Arc<str>,
    /// The claim that the pull request is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_id: Option<ClaimId>,
    /// The holder of that claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The issue of that claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_number: Option<u64>,
    /// The first checks that failed.
    pub checks: Vec<Arc<str>>,
    /// The first tests that failed, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Arc<str>>,
}

/// A change with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Sequence number: the first change of a state file is 1. Also the id of its event.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
}
