//! Sessions of one agent name: only one may be at work, and what a dead one left goes to its heir.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Actor, Change, Claim, Grant, Ledger, Refusal};
use crate::domain::{AgentId, ClaimId, RequestId, SessionRef};

impl Ledger {
    /// Why this session may not ask in this name: another live one is at work under it.
    pub fn in_use(&self, agent_id: &AgentId, session: Option<SessionRef>) -> Option<Refusal> {
        self.other_sessions(agent_id, session).err()
    }

    /// The agent's claims that lie with other sessions: an error while one of those lives.
    pub(super) fn other_sessions(
        &self,
        agent_id: &AgentId,
        session: Option<SessionRef>,
    ) -> Result<Vec<Arc<Claim>>, Refusal> {
        let Some(ours) = session else {
            return Ok(Vec::new());
        };
        let others = self.sessions_of(agent_id);
        for (session, pid) in others.iter().filter(|(session, _)| *session != ours.id) {
            if self.is_live(*session) {
                return Err(Refusal::AgentIdInUse {
                    session: *session,
                    pid: *pid,
                });
            }
        }
        let is_other = |claim: &&Arc<Claim>| claim.session.is_some_and(|held| held.id != ours.id);
        Ok(self.held_by(agent_id).filter(is_other).cloned().collect())
    }

    /// Hands the claims of dead sessions to the heir, each under a new id. The claim `asked` for
    /// gets the heir's own fresh id.
    pub(super) fn take_over(
        &self,
        dead: &[Arc<Claim>],
        heir: Heir,
        now: Timestamp,
        asked: Option<ClaimId>,
    ) -> Vec<Change> {
        let hand_on = |old: &Arc<Claim>| {
            let mut claim = Claim::clone(old);
            let is_asked = asked == Some(old.claim_id);
            claim.claim_id = if is_asked {
                heir.fresh_id
            } else {
                ClaimId(derive_id(heir.fresh_id, old.claim_id))
            };
            let note = "taken over from a session that ended".into();
            claim.step(old.working_status(), now, Some(note));
            Change::HandedOn {
                old_claim_id: old.claim_id,
                claim: Arc::new(claim),
                session: heir.session,
                request_id: heir.request_id.filter(|_| is_asked),
            }
        };
        dead.iter().map(hand_on).collect()
    }

    /// What goes to the actor's session together with `claim`. A claim of a dead session, or of
    /// none, goes to the session that works on it, or two windows of one name could write in turn;
    /// and so does, under the ids it has, all else that dead sessions of that name left.
    pub(super) fn left_with(
        &self,
        claim: &Claim,
        actor: &Actor,
    ) -> Result<Vec<Arc<Claim>>, Refusal> {
        let Some(asks) = actor.session.filter(|asks| !is_with(claim, *asks)) else {
            return Ok(Vec::new());
        };
        let mut others = self.other_sessions(&claim.agent_id, Some(asks))?;
        others.retain(|other| other.claim_id != claim.claim_id);
        Ok(others)
    }
}

/// Whether the claim lies with this session.
pub(super) fn is_with(claim: &Claim, session: SessionRef) -> bool {
    claim.session.is_some_and(|held| held.id == session.id)
}

/// Who takes claims over.
#[derive(Clone, Copy)]
pub(super) struct Heir {
    pub fresh_id: ClaimId,
    pub session: Option<SessionRef>,
    pub request_id: Option<RequestId>,
}

impl Heir {
    pub fn of(grant: &Grant) -> Self {
        Self {
            fresh_id: grant.new_claim_id,
            session: grant.session,
            request_id: grant.request_id,
        }
    }
}

/// An id that is new, and the same in every replay: made of two ids that are.
fn derive_id(new: ClaimId, old: ClaimId) -> uuid::Uuid {
    let (high, low) = new.0.as_u64_pair();
    let (old_high, old_low) = old.0.as_u64_pair();
    let mixed = low ^ old_low.rotate_left(17) ^ old_high;
    // Keep the time of version 7 in the upper half, and the variant bits in the lower.
    uuid::Uuid::from_u64_pair(
        high,
        (mixed & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000,
    )
}
