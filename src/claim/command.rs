//! What can be asked of the ledger, and what it answers.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Claim, Status};
use crate::domain::{AgentId, ClaimId, IssueKey, RequestId, SessionId, SessionRef};

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The agent the request names.
    pub agent_id: Option<AgentId>,
    /// The process it came from; none for HTTP and the command line, where a person may act.
    pub session: Option<SessionRef>,
    /// Names the request, when it may be repeated.
    pub request_id: Option<RequestId>,
}

/// Asks for one issue.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The id a new claim will get, and ids for claims that are handed on on the way.
    pub new_claim_id: ClaimId,
    /// For whom.
    pub agent_id: AgentId,
    /// From which process.
    pub session: Option<SessionRef>,
    /// Names the request.
    pub request_id: Option<RequestId>,
    /// Which issue.
    pub key: IssueKey,
    /// Its title.
    pub title: Arc<str>,
}

/// Which claim is meant.
#[derive(Clone, Debug)]
pub enum Target {
    /// The claim with this id.
    Claim(ClaimId),
    /// Whatever claim is active for this issue.
    Issue(IssueKey),
}

/// A fact about a claimed issue that GitHub told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitHubFact {
    /// The issue is closed.
    IssueClosed,
    /// The issue can no longer be worked on here: transferred, deleted, converted, repository
    /// archived or out of reach. The text says which.
    IssueGone(&'static str),
    /// A pull request that will close the issue was opened.
    PullRequestOpen(Arc<str>),
    /// It is merged.
    PullRequestMerged {
        /// Which one.
        url: Arc<str>,
        /// When; unknown counts only for a claim that names this pull request.
        at: Option<Timestamp>,
    },
    /// It was closed without a merge.
    PullRequestClosed(Arc<str>),
}

/// One request to the ledger.
#[derive(Clone, Debug)]
pub enum Command {
    /// Claim an issue.
    Grant(Grant),
    /// Move a claim to a status, or confirm it in the one it has.
    Update {
        /// Which claim.
        claim_id: ClaimId,
        /// Who asks.
        actor: Actor,
        /// The status asked for.
        status: Status,
        /// Why.
        note: Option<Arc<str>>,
        /// The pull request, already checked with GitHub.
        pr_url: Option<Arc<str>>,
    },
    /// Give an issue back.
    Release {
        /// Which claim.
        target: Target,
        /// Who asks.
        actor: Actor,
        /// Why.
        reason: Option<Arc<str>>,
        /// Words for the next holder.
        handoff_note: Option<Arc<str>>,
    },
    /// Take over what dead sessions of this agent hold, each claim under a new id. Nothing happens
    /// while one of those sessions lives.
    TakeOver {
        /// The agent.
        agent_id: AgentId,
        /// Its new session.
        session: SessionRef,
        /// New ids are derived from this one.
        fresh_id: ClaimId,
    },
    /// Take back a grant that never reached its agent; no failed attempt of anybody.
    Withdraw {
        /// Which claim.
        claim_id: ClaimId,
        /// Why.
        why: &'static str,
    },
    /// Tell what GitHub says of an issue.
    Observe {
        /// The issue.
        key: IssueKey,
        /// What is so.
        fact: GitHubFact,
    },
}

/// What a command led to. A refusal is a value, not an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The claim is held by the one who asked.
    Granted {
        /// The claim.
        claim: Arc<Claim>,
        /// Whether it was theirs before.
        already_owned: bool,
    },
    /// The claim was changed (or is confirmed).
    Updated(Arc<Claim>),
    /// Nothing changes.
    Unchanged,
    /// Not allowed.
    Refused(Refusal),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Another agent holds the issue.
    AlreadyClaimed(Arc<Claim>),
    /// The agent id is at work in another live process.
    AgentIdInUse {
        /// The process that uses it.
        session: SessionId,
        /// Its process id.
        pid: u32,
    },
    /// Another live process of the same agent holds the claim.
    HeldByOtherSession(Arc<Claim>),
    /// Another agent holds the claim.
    NotYours(Arc<Claim>),
    /// The claim is no longer held; the holder of its issue now, if there is one.
    ClaimLost {
        /// The claim as it ended, where it is still in memory.
        ended: Option<Arc<Claim>>,
        /// Who holds its issue now.
        now_held_by: Option<AgentId>,
    },
    /// No active claim for this issue.
    NotClaimed,
    /// The status cannot be reached from the present one.
    NotAllowed {
        /// The claim.
        claim: Arc<Claim>,
        /// The status asked for.
        asked: Status,
    },
    /// `pr_submitted` needs the address of a pull request.
    PullRequestMissing(Arc<Claim>),
}
