//! Answers, reduced to what the rules promise.

use std::sync::Arc;

use issuecommand::claim::{Outcome, Refusal, Status};
use issuecommand::coordinator::{Answer, ClaimAnswer, NextOutcome};
use issuecommand::domain::ClaimId;

use super::model::Issue;
use super::setting::Setting;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    AlreadyClaimed,
    AgentIdInUse,
    HeldByOtherSession,
    NotYours,
    ClaimLost,
    NotClaimed,
    NotAllowed,
    PullRequestMissing,
}

/// An answer, reduced to what the rules promise.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Granted {
        id: ClaimId,
        owned: bool,
        status: Status,
    },
    Chosen {
        id: ClaimId,
        issue: Issue,
        attempts: u32,
        handoff: Option<Arc<str>>,
    },
    Nothing {
        claimed: u64,
        others: u64,
    },
    Updated {
        id: ClaimId,
        status: Status,
    },
    Unchanged,
    Refused(Why),
    /// The catalogue does not know the issue well enough.
    Unknown,
    Done,
    /// Expected only: the request was done before; whatever is answered, nothing changes.
    Again(ClaimId),
}

impl Reply {
    /// What was answered.
    pub fn of(answer: &Answer, setting: &Setting) -> Self {
        match answer {
            Answer::Outcome(outcome) => Self::of_outcome(outcome),
            Answer::Claim(ClaimAnswer::Decided { outcome, .. }) => Self::of_outcome(outcome),
            Answer::Claim(ClaimAnswer::Unknown) => Self::Unknown,
            Answer::Next(NextOutcome::Granted(grant)) => Self::Chosen {
                id: grant.claim.claim_id,
                issue: setting.issue(&grant.claim),
                attempts: grant.previous_attempts,
                handoff: grant.handoff_note.clone(),
            },
            Answer::Next(NextOutcome::Nothing { passed_by: by }) => Self::Nothing {
                claimed: by.claimed,
                others: by.assigned
                    + by.blocked
                    + by.linked_pull_request
                    + by.skip_label
                    + by.recently_released,
            },
            Answer::Next(NextOutcome::Refused(refusal)) => Self::Refused(Why::of(refusal)),
            Answer::Changed(_) | Answer::Done => Self::Done,
        }
    }

    fn of_outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Granted {
                claim,
                already_owned,
            } => Self::Granted {
                id: claim.claim_id,
                owned: *already_owned,
                status: claim.status,
            },
            Outcome::Updated(claim) => Self::Updated {
                id: claim.claim_id,
                status: claim.status,
            },
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Refused(refusal) => Self::Refused(Why::of(refusal)),
        }
    }

    /// Whether this expected reply allows the one that was `given`.
    pub fn allows(&self, given: &Self) -> bool {
        match (self, given) {
            (Self::Again(id), Self::Updated { id: told, .. }) => id == told,
            (Self::Again(_), Self::Refused(why)) => {
                matches!(why, Why::ClaimLost | Why::NotClaimed)
            }
            _ => self == given,
        }
    }
}

impl Why {
    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::AlreadyClaimed(_) => Self::AlreadyClaimed,
            Refusal::AgentIdInUse { .. } => Self::AgentIdInUse,
            Refusal::HeldByOtherSession(_) => Self::HeldByOtherSession,
            Refusal::NotYours(_) => Self::NotYours,
            Refusal::ClaimLost { .. } => Self::ClaimLost,
            Refusal::NotClaimed => Self::NotClaimed,
            Refusal::NotAllowed { .. } => Self::NotAllowed,
            Refusal::PullRequestMissing(_) => Self::PullRequestMissing,
        }
    }
}
