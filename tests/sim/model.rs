//! The reference: who holds what, written down a second time and as simply as can be. Facts are
//! what the rules say must follow; the state is what the facts so far amount to.

use std::collections::BTreeMap;
use std::sync::Arc;

use issuecommand::claim::Status;
use issuecommand::domain::{ClaimId, RequestId, SessionId};
use jiff::Timestamp;

/// A violation in words.
pub type Check<T = ()> = Result<T, String>;

/// Repository (by its place in the setting) and number.
pub type Issue = (usize, u64);

/// An active claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub id: ClaimId,
    pub agent: usize,
    pub session: Option<SessionId>,
    /// The status it has, or for a stale claim the one it returns to.
    pub status: Status,
    pub stale_since: Option<Timestamp>,
    pub pull: Option<Arc<str>>,
    pub handoff: Option<Arc<str>>,
}

impl Held {
    /// The status as others see it.
    pub fn shown(&self) -> Status {
        if self.stale_since.is_some() {
            Status::Stale
        } else {
            self.status
        }
    }

    /// Whether silence makes it stale: a pull request holds the lease, and nothing else does.
    pub fn needs_renewal(&self) -> bool {
        self.stale_since.is_none() && self.pull.is_none()
    }
}

/// A claim that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub id: ClaimId,
    pub issue: Issue,
    pub agent: usize,
    pub status: Status,
}

/// What is remembered of an issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub attempts: u32,
    pub handoff: Option<Arc<str>>,
    pub releases: Vec<(usize, Timestamp)>,
}

/// One thing that becomes true.
#[derive(Clone, Debug)]
pub enum Fact {
    Granted {
        issue: Issue,
        held: Held,
        request: Option<RequestId>,
    },
    /// A claim of a dead session goes on under a new id.
    HandedOn {
        issue: Issue,
        id: ClaimId,
        session: Option<SessionId>,
        request: Option<RequestId>,
    },
    Moved(Move),
}

/// A change of an active claim.
#[derive(Clone, Debug)]
pub struct Move {
    pub issue: Issue,
    pub to: Status,
    pub at: Timestamp,
    /// A pull request that it has from now on, or that it no longer has.
    pub pull: Option<Option<Arc<str>>>,
    pub handoff: Option<Arc<str>>,
    pub session: Option<SessionId>,
    pub request: Option<RequestId>,
    /// GitHub took the issue away, or nobody ever got the claim: no failed attempt.
    pub uncounted: bool,
}

impl Move {
    /// To a status, with nothing else said.
    pub fn new(issue: Issue, to: Status, at: Timestamp) -> Self {
        Self {
            issue,
            to,
            at,
            pull: None,
            handoff: None,
            session: None,
            request: None,
            uncounted: false,
        }
    }
}

/// Everything that must survive.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub held: BTreeMap<Issue, Held>,
    pub ended: Vec<Ended>,
    pub memory: BTreeMap<Issue, Memory>,
    pub requests: BTreeMap<RequestId, ClaimId>,
    /// When a change last began an agent's lease anew. It did not if the batch is refused.
    pub begun: BTreeMap<usize, Timestamp>,
}

impl State {
    /// The active claim with this id.
    pub fn by_id(&self, id: ClaimId) -> Option<(Issue, &Held)> {
        self.held
            .iter()
            .find(|(_, held)| held.id == id)
            .map(|(issue, held)| (*issue, held))
    }

    /// The issues an agent holds, by claim id.
    pub fn held_by(&self, agent: usize) -> Vec<Issue> {
        let mut held: Vec<(ClaimId, Issue)> = self
            .held
            .iter()
            .filter(|(_, held)| held.agent == agent)
            .map(|(issue, held)| (held.id, *issue))
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, issue)| issue).collect()
    }

    /// Whether the id was given out before.
    fn is_used(&self, id: ClaimId) -> bool {
        self.by_id(id).is_some() || self.ended.iter().any(|ended| ended.id == id)
    }

    /// Makes a fact part of the state.
    pub fn apply(&mut self, fact: &Fact) -> Check {
        match fact {
            Fact::Granted {
                issue,
                held,
                request,
            } => {
                if self.is_used(held.id) {
                    return Err(format!("claim id {} is given out twice", held.id));
                }
                self.requests
                    .extend(request.map(|request| (request, held.id)));
                match self.held.insert(*issue, held.clone()) {
                    Some(other) => Err(format!("{issue:?} is granted while {other:?} holds it")),
                    None => Ok(()),
                }
            }
            Fact::HandedOn {
                issue,
                id,
                session,
                request,
            } => {
                if self.is_used(*id) {
                    return Err(format!("claim id {id} is given out twice"));
                }
                self.requests.extend(request.map(|request| (request, *id)));
                let held = self
                    .held
                    .get_mut(issue)
                    .ok_or("handed on, but nobody held it")?;
                let (old, agent) = (held.id, held.agent);
                (held.id, held.session, held.stale_since) = (*id, *session, None);
                let status = Status::Released;
                self.ended.push(Ended {
                    id: old,
                    issue: *issue,
                    agent,
                    status,
                });
                Ok(())
            }
            Fact::Moved(moved) => self.apply_move(moved),
        }
    }

    fn apply_move(&mut self, moved: &Move) -> Check {
        let held = self
            .held
            .get_mut(&moved.issue)
            .ok_or("moved, but nobody held it")?;
        self.requests
            .extend(moved.request.map(|request| (request, held.id)));
        if let Some(pull) = &moved.pull {
            held.pull.clone_from(pull);
            if pull.is_none() {
                // So that its agent has time to notice.
                self.begun.insert(held.agent, moved.at);
            }
        }
        if moved.handoff.is_some() {
            held.handoff.clone_from(&moved.handoff);
        }
        if moved.session.is_some() {
            held.session = moved.session;
        }
        match moved.to {
            Status::Stale => held.stale_since = Some(moved.at),
            Status::Released | Status::Closed => {
                let held = held.clone();
                self.end(&held, moved);
            }
            status => (held.status, held.stale_since) = (status, None),
        }
        Ok(())
    }

    fn end(&mut self, held: &Held, moved: &Move) {
        self.held.remove(&moved.issue);
        let status = moved.to;
        self.ended.push(Ended {
            id: held.id,
            issue: moved.issue,
            agent: held.agent,
            status,
        });
        if status == Status::Closed {
            self.memory.remove(&moved.issue);
        } else if !moved.uncounted {
            let memory = self.memory.entry(moved.issue).or_default();
            memory.attempts += 1;
            if held.handoff.is_some() {
                memory.handoff.clone_from(&held.handoff);
            }
            memory.releases.retain(|(agent, _)| *agent != held.agent);
            memory.releases.push((held.agent, moved.at));
        }
    }
}

/// The steps that a claim may take when an agent or a person asks, from the rules' own words.
pub fn may_follow(from: Status, to: Status) -> bool {
    use Status::{Claimed, Closed, InProgress, PrMerged, PrSubmitted, Released};
    let place = |status| match status {
        Claimed => 0,
        InProgress => 1,
        PrSubmitted => 2,
        PrMerged => 3,
        _ => 4,
    };
    match (from, to) {
        (_, Status::Stale) => false,
        (Closed | Released | Status::Stale, _) => false,
        (_, Released) => true,
        (PrSubmitted, InProgress) => true,
        (from, to) => place(to) >= place(from),
    }
}
