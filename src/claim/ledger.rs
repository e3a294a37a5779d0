//! The state: who holds what, what ended lately, and what is remembered of an issue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lease::{LeasePolicy, Leases};
use super::{Change, Claim, FailedChecks, Recorded, Status, StatusChange};
use crate::domain::{
    AgentId, ClaimId, IssueKey, RepoName, RequestId, SessionId, SessionRef, later, limits,
};

/// What is remembered of an issue between two claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueMemory {
    /// How often it was given back without being done.
    pub attempts: u32,
    /// What the last holder left for the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff_note: Option<Arc<str>>,
    /// Who gave it back, and when; the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<(AgentId, Timestamp)>,
}

#[derive(Debug, Default)]
struct AgentHoldings {
    claims: BTreeSet<ClaimId>,
    stale: u32,
    sessions: HashMap<SessionId, (u32, u32)>,
}

/// All claims and all that follows from them.
#[derive(Debug)]
pub struct Ledger {
    pub(super) policy: LeasePolicy,
    pub(super) active: HashMap<ClaimId, Arc<Claim>>,
    by_issue: HashMap<IssueKey, ClaimId>,
    by_agent: HashMap<AgentId, AgentHoldings>,
    /// Agents whose claims lie with a session.
    by_session: HashMap<SessionId, BTreeSet<AgentId>>,
    ended: BTreeMap<u64, Arc<Claim>>,
    ended_by_id: HashMap<ClaimId, u64>,
    pub(super) memory: BTreeMap<IssueKey, IssueMemory>,
    pub(super) requests: HashMap<RequestId, ClaimId>,
    pub(super) request_order: VecDeque<RequestId>,
    /// Ended claims that remembered requests led to, kept when history files have the others.
    pub(super) answered_ended: HashMap<ClaimId, Arc<Claim>>,
    /// With the number of the newest connection of each.
    live_sessions: HashMap<SessionId, u64>,
    pub(super) leases: Leases,
    pub(super) seq: u64,
    pub(super) last_time: Option<Timestamp>,
    pub(super) ended_total: u64,
    pub(super) failed_heads: BTreeMap<PullKey, FailedHead>,
}

/// A pull request: its repository and number.
pub type PullKey = (RepoName, u64);

/// The newest commit of a pull request whose checks were said to fail, and in which change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHead {
    /// The commit.
    pub sha: Arc<str>,
    /// Sequence number of the change.
    pub seq: u64,
}

/// How to take one change back.
#[derive(Debug)]
pub struct Undo {
    seq: u64,
    last_time: Option<Timestamp>,
    claims: Vec<(ClaimId, Option<Arc<Claim>>)>,
    memory: Option<(IssueKey, Option<IssueMemory>)>,
    request: Option<(RequestId, Option<ClaimId>)>,
    failed_heads: Vec<(PullKey, Option<FailedHead>)>,
    /// When the agent was last heard of before the change.
    seen: Option<(AgentId, Timestamp)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(policy: LeasePolicy) -> Self {
        Self {
            policy,
            active: HashMap::new(),
            by_issue: HashMap::new(),
            by_agent: HashMap::new(),
            by_session: HashMap::new(),
            ended: BTreeMap::new(),
            ended_by_id: HashMap::new(),
            memory: BTreeMap::new(),
            requests: HashMap::new(),
            request_order: VecDeque::new(),
            answered_ended: HashMap::new(),
            live_sessions: HashMap::new(),
            leases: Leases::default(),
            seq: 0,
            last_time: None,
            ended_total: 0,
            failed_heads: BTreeMap::new(),
        }
    }

    /// Performs a change that is on its way to the disk. The sequence numbers must follow.
    pub fn apply(&mut self, recorded: &Recorded) -> Undo {
        debug_assert_eq!(recorded.seq, self.seq + 1, "changes must follow each other");
        let mut undo = Undo {
            seq: self.seq,
            last_time: self.last_time,
            claims: Vec::with_capacity(1),
            memory: None,
            request: None,
            failed_heads: Vec::new(),
            seen: None,
        };
        let agent_id = match &recorded.change {
            Change::Granted { agent_id, .. } | Change::Moved { agent_id, .. } => Some(agent_id),
            Change::HandedOn { claim, .. } => Some(&claim.agent_id),
            Change::IssueClosed { .. } | Change::SyncCompleted { .. } | Change::ChecksFailed(_) => {
                None
            }
        };
        undo.seen = agent_id
            .and_then(|agent_id| Some((agent_id.clone(), self.leases.last_seen(agent_id)?)));
        self.seq = recorded.seq;
        self.last_time = Some(
            self.last_time
                .map_or(recorded.at, |last| last.max(recorded.at)),
        );
        match &recorded.change {
            Change::Granted {
                claim_id,
                request_id,
                ..
            } => {
                undo.claims.push((*claim_id, None));
                undo.request = self.remember_request(*request_id, *claim_id);
                let claim = granted(recorded).map(Arc::new);
                self.put(*claim_id, claim, recorded.at);
            }
            Change::HandedOn {
                old_claim_id,
                claim,
                session,
                request_id,
            } => {
                undo.claims.push((claim.claim_id, None));
                undo.claims
                    .push((*old_claim_id, self.active.get(old_claim_id).cloned()));
                undo.request = self.remember_request(*request_id, claim.claim_id);
                if let Some(mut old) = self.active.get(old_claim_id).cloned() {
                    let note = Some("taken over by a new session of the same agent".into());
                    Arc::make_mut(&mut old).step(Status::Released, recorded.at, note);
                    self.put(*old_claim_id, Some(old), recorded.at);
                }
                self.put(
                    claim.claim_id,
                    Some(with_session(claim, *session)),
                    recorded.at,
                );
            }
            Change::Moved { claim_id, .. } => {
                let Some(before) = self.active.get(claim_id).cloned() else {
                    return undo;
                };
                undo.claims.push((*claim_id, Some(before.clone())));
                self.apply_move(before, recorded, &mut undo);
            }
            Change::ChecksFailed(failed) => {
                let key = (failed.repo.clone(), failed.number);
                let head = FailedHead {
                    sha: failed.head_sha.clone(),
                    seq: recorded.seq,
                };
                undo.failed_heads = self.remember_failed_head(key, head);
            }
            Change::IssueClosed { .. } | Change::SyncCompleted { .. } => {}
        }
        undo
    }

    fn apply_move(&mut self, before: Arc<Claim>, recorded: &Recorded, undo: &mut Undo) {
        let Change::Moved {
            claim_id,
            to,
            note,
            pr_url,
            pr_closed,
            uncounted,
            handoff_note,
            session,
            request_id,
            ..
        } = &recorded.change
        else {
            return;
        };
        let mut claim = before;
        let record = Arc::make_mut(&mut claim);
        if *to == record.status && note.is_none() && pr_url.is_none() {
            // A heartbeat: no step worth keeping.
            record.last_updated = recorded.at;
        } else {
            record.step(*to, recorded.at, note.clone());
        }
        if pr_url.is_some() {
            record.pr_url.clone_from(pr_url);
        } else if *pr_closed {
            record.pr_url = None;
        }
        if handoff_note.is_some() {
            record.handoff_note.clone_from(handoff_note);
        }
        if session.is_some() {
            record.session = *session;
        }
        undo.request = self.remember_request(*request_id, *claim_id);
        let key = claim.key();
        if !to.is_active() {
            let known = self.memory.get_key_value(&key);
            undo.memory = Some(known.map_or_else(
                || (key.clone(), None),
                |(key, memory)| (key.clone(), Some(memory.clone())),
            ));
            match to {
                Status::Released if *uncounted => {}
                Status::Released => {
                    let memory = self.memory_after_release(&key, &claim, recorded.at);
                    self.remember_issue(key, Some(memory));
                }
                _ => self.remember_issue(key, None),
            }
        }
        self.put(*claim_id, Some(claim), recorded.at);
    }

    fn memory_after_release(&self, key: &IssueKey, claim: &Claim, at: Timestamp) -> IssueMemory {
        let mut memory = self.memory.get(key).cloned().unwrap_or_default();
        memory.attempts = memory.attempts.saturating_add(1);
        if claim.handoff_note.is_some() {
            memory.handoff_note.clone_from(&claim.handoff_note);
        }
        memory
            .releases
            .retain(|(agent_id, _)| *agent_id != claim.agent_id);
        memory.releases.push((claim.agent_id.clone(), at));
        if memory.releases.len() > limits::RELEASES_PER_ISSUE_MAX {
            memory.releases.remove(0);
        }
        memory
    }

    /// Takes back the last change that was applied; changes are taken back newest first.
    pub fn undo(&mut self, undo: Undo) {
        let at = undo.last_time.unwrap_or(Timestamp::UNIX_EPOCH);
        for (claim_id, prior) in undo.claims {
            self.put(claim_id, prior, at);
        }
        if let Some((agent_id, seen)) = undo.seen {
            let policy = self.policy;
            self.leases.rewind(&agent_id, seen, &policy);
        }
        if let Some((key, prior)) = undo.memory {
            self.remember_issue(key, prior);
        }
        for (key, prior) in undo.failed_heads {
            match prior {
                Some(head) => self.failed_heads.insert(key, head),
                None => self.failed_heads.remove(&key),
            };
        }
        match undo.request {
            Some((request_id, Some(before))) => {
                self.requests.insert(request_id, before);
            }
            Some((request_id, None)) => {
                self.requests.remove(&request_id);
                self.request_order.retain(|id| *id != request_id);
            }
            None => {}
        }
        self.seq = undo.seq;
        self.last_time = undo.last_time;
    }

    /// Puts a claim into the state it shall have (`None`: it never was) and keeps every index.
    pub(super) fn put(&mut self, claim_id: ClaimId, claim: Option<Arc<Claim>>, at: Timestamp) {
        if let Some(before) = self.active.remove(&claim_id) {
            self.unindex(&before);
        }
        if let Some(index) = self.ended_by_id.remove(&claim_id) {
            self.ended.remove(&index);
            self.ended_total = self.ended_total.saturating_sub(1);
        }
        let Some(claim) = claim else { return };
        if !claim.status.is_active() {
            self.ended_total += 1;
            self.ended.insert(self.ended_total, claim);
            self.ended_by_id.insert(claim_id, self.ended_total);
            return;
        }
        self.index(&claim, at);
        self.active.insert(claim_id, claim);
    }

    fn index(&mut self, claim: &Arc<Claim>, at: Timestamp) {
        self.by_issue.insert(claim.key(), claim.claim_id);
        let holdings = self.by_agent.entry(claim.agent_id.clone()).or_default();
        holdings.claims.insert(claim.claim_id);
        if let Some(session) = claim.session {
            let held = holdings.sessions.entry(session.id);
            let (_, count) = held.or_insert((session.pid, 0));
            *count += 1;
            if *count == 1 {
                let agents = self.by_session.entry(session.id).or_default();
                agents.insert(claim.agent_id.clone());
            }
        }
        if claim.status == Status::Stale {
            holdings.stale += 1;
            if let Some(wait) = self.policy.stale_auto_release {
                let at = later(claim.last_updated, wait);
                self.leases.schedule_release(claim.claim_id, at);
            }
        } else if claim.needs_renewal() {
            // Also when GitHub moved it here: the agent then gets a full period to notice.
            self.leases.renew(&claim.agent_id, at);
            self.leases.watch(&claim.agent_id, at, &self.policy);
        }
    }

    fn unindex(&mut self, claim: &Claim) {
        self.by_issue.remove(&claim.key());
        self.leases.cancel_release(claim.claim_id);
        let Some(holdings) = self.by_agent.get_mut(&claim.agent_id) else {
            return;
        };
        holdings.claims.remove(&claim.claim_id);
        holdings.stale -= u32::from(claim.status == Status::Stale);
        if let Some(session) = claim.session
            && let Some((_, count)) = holdings.sessions.get_mut(&session.id)
        {
            *count -= 1;
            if *count == 0 {
                holdings.sessions.remove(&session.id);
                if let Some(agents) = self.by_session.get_mut(&session.id) {
                    agents.remove(&claim.agent_id);
                    if agents.is_empty() {
                        self.by_session.remove(&session.id);
                    }
                }
            }
        }
        if holdings.claims.is_empty() {
            self.by_agent.remove(&claim.agent_id);
            self.leases.forget(&claim.agent_id);
        }
    }

    pub(super) fn remember_issue(&mut self, key: IssueKey, memory: Option<IssueMemory>) {
        let Some(memory) = memory else {
            self.memory.remove(&key);
            return;
        };
        self.memory.insert(key, memory);
        if self.memory.len() > limits::ISSUE_MEMORY_MAX {
            let last_release =
                |(_, memory): &(&IssueKey, &IssueMemory)| memory.releases.last().map(|(_, at)| *at);
            let oldest = self.memory.iter().min_by_key(last_release);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.memory.remove(&oldest);
            }
        }
    }

    /// Remembers whose checks were said to fail; returns what was known of each that this changes.
    fn remember_failed_head(
        &mut self,
        key: PullKey,
        head: FailedHead,
    ) -> Vec<(PullKey, Option<FailedHead>)> {
        let before = self.failed_heads.insert(key.clone(), head);
        let mut changed = vec![(key, before)];
        if self.failed_heads.len() > limits::FAILED_HEADS_MAX {
            let heads = self.failed_heads.iter();
            let oldest = heads.min_by_key(|(_, head)| head.seq);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                let head = self.failed_heads.remove(&oldest);
                changed.push((oldest, head));
            }
        }
        changed
    }

    /// Whether checks of this commit were said to fail.
    pub fn is_failure_told(&self, failed: &FailedChecks) -> bool {
        let key = (failed.repo.clone(), failed.number);
        let told = self.failed_heads.get(&key);
        told.is_some_and(|head| head.sha == failed.head_sha)
    }

    /// Remembers what a request led to; returns it with what it had led to before.
    pub(super) fn remember_request(
        &mut self,
        request_id: Option<RequestId>,
        claim_id: ClaimId,
    ) -> Option<(RequestId, Option<ClaimId>)> {
        let request_id = request_id?;
        let before = self.requests.insert(request_id, claim_id);
        if before.is_none() {
            self.request_order.push_back(request_id);
        }
        if self.request_order.len() > limits::REQUESTS_REMEMBERED_MAX
            && let Some(oldest) = self.request_order.pop_front()
        {
            self.requests.remove(&oldest);
        }
        Some((request_id, before))
    }

    /// A session began or came back, by the connection of this number.
    pub fn session_opened(&mut self, session: SessionId, connection: u64) {
        let newest = self.live_sessions.entry(session).or_insert(connection);
        *newest = connection.max(*newest);
    }

    /// A session's connection of this number is gone, and with it, unless it has come back by a
    /// later one, the session: its agent's next session may take its claims over.
    pub fn session_closed(&mut self, session: SessionId, connection: u64) {
        let is_back = |newest: &u64| *newest > connection;
        if !self.live_sessions.get(&session).is_some_and(is_back) {
            self.live_sessions.remove(&session);
        }
    }

    /// Whether the session is connected.
    pub fn is_live(&self, session: SessionId) -> bool {
        self.live_sessions.contains_key(&session)
    }

    /// Every lease starts anew: nobody could renew while nobody listened.
    pub fn promote(&mut self, now: Timestamp) {
        let agents: Vec<AgentId> = self.by_agent.keys().cloned().collect();
        for agent_id in &agents {
            self.leases.renew(agent_id, now);
            self.leases.watch(agent_id, now, &self.policy);
        }
        self.leases.promote_all(now);
    }

    /// Notes a sign of life of an agent. One that holds nothing may get something back: when the
    /// change that took it is undone.
    pub fn renew(&mut self, agent_id: &AgentId, now: Timestamp) {
        self.leases.hear(agent_id, now);
        if self.by_agent.contains_key(agent_id) {
            self.leases.renew(agent_id, now);
            self.leases.watch(agent_id, now, &self.policy);
        }
    }

    /// Drops ended claims up to the `count`-th of all time: history files have them.
    pub fn forget_ended(&mut self, count: u64) {
        self.answered_ended = self.answered_by_requests().into_iter().collect();
        let kept = self.ended.split_off(&(count + 1));
        for claim in std::mem::replace(&mut self.ended, kept).values() {
            self.ended_by_id.remove(&claim.claim_id);
        }
    }

    /// Sequence number of the last change.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Time of the last change: no later change may lie before it.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    /// The active claim with this id.
    pub fn claim(&self, claim_id: ClaimId) -> Option<&Arc<Claim>> {
        self.active.get(&claim_id)
    }

    /// The active claim for this issue.
    pub fn holder(&self, key: &IssueKey) -> Option<&Arc<Claim>> {
        self.active.get(self.by_issue.get(key)?)
    }

    /// All active claims, in no order.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.active.values()
    }

    /// The active claims of one agent, oldest first.
    pub fn held_by<'a>(&'a self, agent_id: &AgentId) -> impl Iterator<Item = &'a Arc<Claim>> {
        let holdings = self.by_agent.get(agent_id);
        let ids = holdings.into_iter().flat_map(|holdings| &holdings.claims);
        ids.filter_map(|claim_id| self.active.get(claim_id))
    }

    /// How many agents hold something.
    pub fn agent_count(&self) -> usize {
        self.by_agent.len()
    }

    /// Whether the agent has stale claims that its next call revives.
    pub fn has_stale(&self, agent_id: &AgentId) -> bool {
        self.by_agent
            .get(agent_id)
            .is_some_and(|holdings| holdings.stale > 0)
    }

    /// The agents whose claims lie with a session.
    pub(super) fn agents_of(&self, session: SessionId) -> Vec<AgentId> {
        let agents = self.by_session.get(&session);
        agents.into_iter().flatten().cloned().collect()
    }

    /// The sessions in which an agent holds claims: (session, process id).
    pub(super) fn sessions_of(&self, agent_id: &AgentId) -> Vec<(SessionId, u32)> {
        let holdings = self.by_agent.get(agent_id);
        let sessions = holdings.into_iter().flat_map(|holdings| &holdings.sessions);
        sessions
            .map(|(session, (pid, _))| (*session, *pid))
            .collect()
    }

    /// Ended claims that are not yet in a history file, newest first, with their place in the
    /// order of all ended claims.
    pub fn ended(&self) -> impl Iterator<Item = (u64, &Arc<Claim>)> {
        self.ended
            .iter()
            .rev()
            .map(|(index, claim)| (*index, claim))
    }

    /// How many ended claims are not yet in a history file.
    pub fn ended_count(&self) -> usize {
        self.ended.len()
    }

    /// An ended claim that is still in memory.
    pub fn ended_claim(&self, claim_id: ClaimId) -> Option<&Arc<Claim>> {
        self.ended.get(self.ended_by_id.get(&claim_id)?)
    }

    /// How many claims have ended since the state file was made.
    pub fn ended_total(&self) -> u64 {
        self.ended_total
    }

    /// What is remembered of an issue.
    pub fn memory(&self, key: &IssueKey) -> Option<&IssueMemory> {
        self.memory.get(key)
    }

    /// The claim that an already answered request led to, active or ended.
    pub fn answered(&self, request_id: RequestId) -> Option<&Arc<Claim>> {
        let claim_id = *self.requests.get(&request_id)?;
        let ended = || {
            self.ended_claim(claim_id)
                .or_else(|| self.answered_ended.get(&claim_id))
        };
        self.claim(claim_id).or_else(ended)
    }

    /// The first moment at which a lease may run out.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.leases.next_deadline()
    }
}

/// The claim that a grant begins.
fn granted(recorded: &Recorded) -> Option<Claim> {
    let Change::Granted {
        claim_id,
        agent_id,
        host,
        repo,
        issue_number,
        issue_title,
        session,
        ..
    } = &recorded.change
    else {
        return None;
    };
    let timestamp = recorded.at;
    Some(Claim {
        claim_id: *claim_id,
        agent_id: agent_id.clone(),
        host: host.clone(),
        repo: repo.clone(),
        issue_number: *issue_number,
        issue_title: issue_title.clone(),
        status: Status::Claimed,
        claimed_at: timestamp,
        last_updated: timestamp,
        status_history: vec![StatusChange {
            status: Status::Claimed,
            timestamp,
            note: None,
        }],
        pr_url: None,
        handoff_note: None,
        stale_from: None,
        session: *session,
    })
}

fn with_session(claim: &Arc<Claim>, session: Option<SessionRef>) -> Arc<Claim> {
    let mut claim = claim.clone();
    if claim.session != session {
        Arc::make_mut(&mut claim).session = session;
    }
    claim
}
