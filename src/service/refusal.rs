//! Refusals of the claim core in the words of the interface: what is so, and the next step.

use crate::claim::Refusal;
use crate::domain::{ApiError, Category, ClaimId};

/// A refusal as an error with its code. `already_claimed` is an ordinary answer where the tool
/// has one; here it is the error for all other places.
pub(super) fn to_error(refusal: &Refusal) -> ApiError {
    let logical = |code, message: String, suggestion: &str| {
        ApiError::new(Category::Logical, code, message, suggestion)
            .detail("ok", false)
            .detail("reason", code)
    };
    match refusal {
        Refusal::AlreadyClaimed(claim) => logical(
            "already_claimed",
            format!(
                "{}#{} is claimed by {}",
                claim.repo, claim.issue_number, claim.agent_id
            ),
            "take another one with next_issue",
        )
        .detail("owner", claim.agent_id.as_str()),
        Refusal::AgentIdInUse { pid, .. } => logical(
            "agent_id_in_use",
            format!("this agent_id is at work in another live session (process {pid})"),
            "use another agent_id in this window, or close the other one",
        )
        .detail("pid", *pid),
        Refusal::HeldByOtherSession(claim) => logical(
            "held_by_other_session",
            format!(
                "another live session of {} holds this claim",
                claim.agent_id
            ),
            "leave it alone: take another issue with next_issue; a person can release it with \
             issuecommand release-issue",
        ),
        Refusal::NotYours(claim) => logical(
            "not_yours",
            format!("this claim belongs to {}", claim.agent_id),
            "use the claim_id of your own claim: get_my_claims lists them",
        )
        .detail("holder", claim.agent_id.as_str()),
        Refusal::ClaimLost { ended, now_held_by } => {
            let ended_as = ended.as_ref().map(|claim| claim.status.as_str());
            let message = match ended_as {
                Some(status) => format!("this claim is no longer held: it was {status}"),
                None => "this claim is no longer held".to_owned(),
            };
            let error = logical(
                "claim_lost",
                message,
                "stop work on it and do not push; take another issue with next_issue",
            );
            match now_held_by {
                Some(agent_id) => error.detail("now_held_by", agent_id.as_str()),
                None => error,
            }
        }
        Refusal::NotClaimed => logical(
            "not_claimed",
            "nobody holds this issue".to_owned(),
            "there is nothing to release; get_all_claims shows who holds what",
        ),
        Refusal::NotAllowed { claim, asked } => {
            let working = claim.working_status();
            let allowed: Vec<&str> = working
                .allowed_next()
                .iter()
                .map(|status| status.as_str())
                .collect();
            logical(
                "transition_not_allowed",
                format!("a claim cannot go from {working} to {asked}"),
                &format!("from {working} it may go to {}", allowed.join(", ")),
            )
            .detail("allowed", allowed)
            .detail("status", claim.status.as_str())
        }
        Refusal::PullRequestMissing(claim) => ApiError::invalid(
            "pr_submitted needs pr_url",
            format!(
                "give the address of the pull request: https://{}/{}/pull/NUMBER",
                claim.host, claim.repo
            ),
        ),
    }
}

/// An id that was never handed out here.
pub(super) fn unknown_claim(claim_id: ClaimId) -> ApiError {
    ApiError::new(
        Category::User,
        "unknown_claim",
        format!("no claim has the id {claim_id}"),
        "use the claim_id that next_issue or claim_issue returned; get_my_claims lists yours",
    )
}
