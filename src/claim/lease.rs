//! Leases: how long an agent may be silent. One lease an agent, because every call that names the
//! agent renews all it holds; the deadlines are a sorted set, so the next one is always known.

use std::collections::BTreeSet;
use std::time::Duration;

use foldhash::HashMap;
use jiff::Timestamp;

use crate::domain::{AgentId, ClaimId, later};

/// The configured lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeasePolicy {
    /// Silence after which a claim is stale (CLAIM_TIMEOUT_MINUTES).
    pub claim_timeout: Duration,
    /// Further time after which a stale claim is released (STALE_AUTO_RELEASE_MINUTES); `None` is
    /// never.
    pub stale_auto_release: Option<Duration>,
}

/// Agents whose calls are remembered beyond their claims.
const HEARD_MAX: usize = 4_096;

/// When each agent was last heard of, and which deadline comes next.
#[derive(Debug, Default)]
pub(super) struct Leases {
    last_seen: HashMap<AgentId, Timestamp>,
    /// Calls alone, without the periods that changes of status begin anew: what counts when such a
    /// change is undone.
    heard: HashMap<AgentId, Timestamp>,
    /// At or before the true deadline of each agent: renewing does not touch it, the expiry of an
    /// entry looks again. So a renewal costs one map write.
    agent_deadlines: BTreeSet<(Timestamp, AgentId)>,
    scheduled: HashMap<AgentId, Timestamp>,
    releases: BTreeSet<(Timestamp, ClaimId)>,
    release_at: HashMap<ClaimId, Timestamp>,
}

impl Leases {
    /// Notes that the agent was heard of. Time never moves back.
    pub(super) fn renew(&mut self, agent_id: &AgentId, now: Timestamp) {
        match self.last_seen.get_mut(agent_id) {
            Some(seen) => *seen = (*seen).max(now),
            None => {
                self.last_seen.insert(agent_id.clone(), now);
            }
        }
    }

    /// When the agent was last heard of.
    pub(super) fn last_seen(&self, agent_id: &AgentId) -> Option<Timestamp> {
        self.last_seen.get(agent_id).copied()
    }

    /// Notes a call of the agent.
    pub(super) fn hear(&mut self, agent_id: &AgentId, now: Timestamp) {
        if self.heard.len() > HEARD_MAX {
            self.heard
                .retain(|known, _| self.last_seen.contains_key(known));
        }
        self.heard.insert(agent_id.clone(), now);
    }

    /// Goes back to an earlier period, because the change that began a new one is undone. A call
    /// that came meanwhile still counts.
    pub(super) fn rewind(&mut self, agent_id: &AgentId, seen: Timestamp, policy: &LeasePolicy) {
        let seen = self
            .heard
            .get(agent_id)
            .map_or(seen, |heard| seen.max(*heard));
        if let Some(known) = self.last_seen.get_mut(agent_id) {
            *known = seen;
        }
        if let Some(deadline) = self.scheduled.remove(agent_id) {
            self.agent_deadlines.remove(&(deadline, agent_id.clone()));
            self.schedule(agent_id.clone(), later(seen, policy.claim_timeout));
        }
    }

    /// Makes sure that the agent's silence will be noticed.
    pub(super) fn watch(&mut self, agent_id: &AgentId, now: Timestamp, policy: &LeasePolicy) {
        if !self.scheduled.contains_key(agent_id) {
            let seen = *self.last_seen.entry(agent_id.clone()).or_insert(now);
            self.schedule(agent_id.clone(), later(seen, policy.claim_timeout));
        }
    }

    fn schedule(&mut self, agent_id: AgentId, deadline: Timestamp) {
        self.scheduled.insert(agent_id.clone(), deadline);
        self.agent_deadlines.insert((deadline, agent_id));
    }

    /// The next agent whose lease ran out by `now`; entries that were renewed meanwhile are set
    /// anew on the way.
    pub(super) fn next_expired(&mut self, now: Timestamp, policy: &LeasePolicy) -> Option<AgentId> {
        while let Some((deadline, agent_id)) = self.agent_deadlines.first().cloned() {
            if deadline > now {
                return None;
            }
            self.agent_deadlines.pop_first();
            self.scheduled.remove(&agent_id);
            let seen = self.last_seen.get(&agent_id).copied().unwrap_or(deadline);
            let actual = later(seen, policy.claim_timeout);
            if actual <= now {
                return Some(agent_id);
            }
            self.schedule(agent_id, actual);
        }
        None
    }

    /// Gives every agent a full period from `now`.
    pub(super) fn promote_all(&mut self, now: Timestamp) {
        for seen in self.last_seen.values_mut() {
            *seen = (*seen).max(now);
        }
    }

    /// Drops an agent that holds nothing, so that names do not pile up.
    pub(super) fn forget(&mut self, agent_id: &AgentId) {
        self.last_seen.remove(agent_id);
        if let Some(deadline) = self.scheduled.remove(agent_id) {
            self.agent_deadlines.remove(&(deadline, agent_id.clone()));
        }
    }

    /// Schedules the release of a stale claim.
    pub(super) fn schedule_release(&mut self, claim_id: ClaimId, at: Timestamp) {
        self.cancel_release(claim_id);
        self.release_at.insert(claim_id, at);
        self.releases.insert((at, claim_id));
    }

    /// The claim is no longer stale.
    pub(super) fn cancel_release(&mut self, claim_id: ClaimId) {
        if let Some(at) = self.release_at.remove(&claim_id) {
            self.releases.remove(&(at, claim_id));
        }
    }

    /// Stale claims whose time is over at `now`.
    pub(super) fn due_releases(&self, now: Timestamp) -> Vec<ClaimId> {
        let due = self.releases.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, claim_id)| *claim_id).collect()
    }

    /// The first moment at which anything may be due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let agents = self.agent_deadlines.first().map(|(at, _)| *at);
        let releases = self.releases.first().map(|(at, _)| *at);
        agents.into_iter().chain(releases).min()
    }
}
