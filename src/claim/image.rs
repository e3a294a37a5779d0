//! The ledger as the snapshot stores it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Claim;
use super::lease::LeasePolicy;
use super::ledger::{FailedHead, IssueMemory, Ledger, PullKey};
use crate::domain::{ClaimId, IssueKey, RequestId, SessionRef};

/// A ledger as the snapshot stores it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LedgerImage {
    /// Sequence number of the last change in it.
    pub seq: u64,
    /// Time of that change.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// How many claims have ended in all.
    #[serde(default)]
    pub ended_total: u64,
    /// Active claims, oldest first.
    pub claims: Vec<Arc<Claim>>,
    /// The sessions of claims that have one.
    #[serde(default)]
    pub sessions: BTreeMap<ClaimId, SessionRef>,
    /// What is remembered of issues.
    #[serde(default)]
    pub issues: Vec<(IssueKey, IssueMemory)>,
    /// Requests answered lately.
    #[serde(default)]
    pub requests: Vec<(RequestId, ClaimId)>,
    /// Ended claims that those requests led to.
    #[serde(default)]
    pub answered: Vec<Arc<Claim>>,
    /// Commits whose checks were said to fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_heads: Vec<(PullKey, FailedHead)>,
}

impl Ledger {
    /// A ledger from a snapshot. Leases start when [`Ledger::promote`] is called.
    pub fn from_image(policy: LeasePolicy, image: LedgerImage) -> Self {
        let mut ledger = Self::new(policy);
        ledger.seq = image.seq;
        ledger.last_time = image.at;
        ledger.ended_total = image.ended_total;
        for (key, memory) in image.issues {
            ledger.remember_issue(key, Some(memory));
        }
        for (request_id, claim_id) in image.requests {
            ledger.remember_request(Some(request_id), claim_id);
        }
        ledger.failed_heads = image.failed_heads.into_iter().collect();
        let answered = image.answered.into_iter();
        ledger.answered_ended = answered.map(|claim| (claim.claim_id, claim)).collect();
        for mut claim in image.claims {
            let session = image.sessions.get(&claim.claim_id).copied();
            Arc::make_mut(&mut claim).session = session;
            let at = claim.last_updated;
            ledger.put(claim.claim_id, Some(claim), at);
        }
        ledger
    }

    /// What the snapshot stores. Cheap: claims are shared, not copied.
    pub fn image(&self) -> LedgerImage {
        let mut claims: Vec<Arc<Claim>> = self.active.values().cloned().collect();
        claims.sort_by_key(|claim| (claim.claimed_at, claim.claim_id));
        let sessions = claims
            .iter()
            .filter_map(|claim| Some((claim.claim_id, claim.session?)))
            .collect();
        let request = |id: &RequestId| Some((*id, *self.requests.get(id)?));
        LedgerImage {
            seq: self.seq,
            at: self.last_time,
            ended_total: self.ended_total,
            claims,
            sessions,
            issues: self.memory.clone().into_iter().collect(),
            requests: self.request_order.iter().filter_map(request).collect(),
            answered: self.answered_by_requests().into_values().collect(),
            failed_heads: self.failed_heads.clone().into_iter().collect(),
        }
    }

    /// Ended claims that remembered requests led to, by id.
    pub(super) fn answered_by_requests(&self) -> BTreeMap<ClaimId, Arc<Claim>> {
        let find = |claim_id: &ClaimId| {
            let claim = self
                .ended_claim(*claim_id)
                .or(self.answered_ended.get(claim_id))?;
            Some((*claim_id, claim.clone()))
        };
        self.requests.values().filter_map(find).collect()
    }
}
