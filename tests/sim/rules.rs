//! What the rules say must follow from a request, in facts and in an answer.

use std::collections::BTreeSet;

use issuecommand::claim::{GitHubFact, Ledger, Status};
use issuecommand::coordinator::CatalogueUpdate;
use issuecommand::domain::{ClaimId, RequestId, SessionId, later};
use jiff::Timestamp;

use super::ask::{Ask, By, Reply, Setting, Want, Which, Why, id_of};
use super::model::{Check, Fact, Held, Issue, Move, State, may_follow};
use super::told::{Told, Wish};

/// The reference with all that is forgotten by a crash.
pub struct Model {
    /// What is acknowledged.
    pub base: State,
    /// What follows from the batch under way.
    pub now: State,
    /// How: facts of the batch, in order.
    pub facts: Vec<Fact>,
    /// How many of them followed from time alone.
    pub ticked: usize,
    pub told: Told,
    pub live: BTreeSet<SessionId>,
    /// Sessions of a former owner that are taken for alive, and until when.
    pub returning: Option<(Timestamp, Vec<SessionId>)>,
    /// When each agent was last heard of.
    heard: Vec<Timestamp>,
    /// When GitHub last began a new period of each agent's lease, and what of that is acknowledged.
    begun: [Vec<Timestamp>; 2],
    /// The present.
    pub time: Timestamp,
    /// The first thing that cannot be.
    pub problem: Check,
}

impl Model {
    /// At the beginning of a state file.
    pub fn new(agents: usize, time: Timestamp) -> Self {
        Self {
            base: State::default(),
            now: State::default(),
            facts: Vec::new(),
            ticked: 0,
            told: Told::default(),
            live: BTreeSet::new(),
            returning: None,
            heard: vec![time; agents],
            begun: [vec![time; agents], vec![time; agents]],
            time,
            problem: Ok(()),
        }
    }

    /// Makes a fact true.
    pub fn commit(&mut self, fact: Fact) {
        let applied = self.now.apply(&fact);
        if self.problem.is_ok() {
            self.problem = applied;
        }
        self.facts.push(fact);
    }

    /// The batch under way is over; one that is refused told nothing and began nothing.
    pub fn end_batch(&mut self, is_refused: bool) {
        self.told.end_batch(is_refused);
        let [now, base] = &mut self.begun;
        if is_refused {
            now.clone_from(base);
        } else {
            base.clone_from(now);
        }
    }

    fn shift(&mut self, issue: Issue, to: Status, change: impl FnOnce(&mut Move)) {
        let mut moved = Move::new(issue, to, self.time);
        change(&mut moved);
        self.commit(Fact::Moved(moved));
    }

    /// Every call of an agent renews its lease and revives what is stale.
    fn hear(&mut self, agent: usize) {
        self.heard[agent] = self.heard[agent].max(self.time);
        for issue in self.now.held_by(agent) {
            let held = &self.now.held[&issue];
            if held.stale_since.is_some() {
                let status = held.status;
                self.shift(issue, status, |_| {});
            }
        }
    }

    /// The deadline of a claim's lease, if it has one.
    pub fn deadline(&self, held: &Held, setting: &Setting) -> Option<Timestamp> {
        let since = self.heard[held.agent].max(self.begun[0][held.agent]);
        let by = later(since, setting.policy.claim_timeout);
        held.needs_renewal().then_some(by)
    }

    /// What must be answered. Ids that the core derives are looked up in its ledger, which has
    /// already done the same.
    pub fn expect(&mut self, ask: &Ask, setting: &Setting, ledger: &Ledger) -> Reply {
        match ask {
            Ask::Claim(want, issue, fresh_within) => {
                let repo = self.told.repos.get(&issue.0);
                let is_known = repo.is_some_and(|repo| {
                    let fresh = fresh_within
                        .is_none_or(|within| later(repo.synced_at, within) >= self.time);
                    fresh && repo.issues.contains_key(&issue.1)
                });
                if !self.now.held.contains_key(issue) && !is_known {
                    self.hear(want.agent);
                    return Reply::Unknown;
                }
                self.grant(want, *issue, setting, ledger)
            }
            Ask::Grant(want, issue, _) => self.grant(want, *issue, setting, ledger),
            Ask::Next(want, wish) => self.next(want, wish, setting, ledger),
            Ask::Update(id, by, status, pull) => {
                self.hear_by(by, Some(*id));
                let changes = |moved: &mut Move| {
                    moved.pull = pull.clone().map(Some);
                    moved.request = by.request;
                };
                self.change(*id, by, *status, changes)
            }
            Ask::Release(which, by, handoff, _) => {
                let named = if let Which::Claim(id) = which {
                    Some(*id)
                } else {
                    None
                };
                self.hear_by(by, named);
                let id = match which {
                    Which::Claim(id) => *id,
                    Which::Issue(issue, _) => match self.now.held.get(issue) {
                        Some(held) => held.id,
                        None => match self.done_before(by.request) {
                            Some(id) => return Reply::Again(id),
                            None => return Reply::Refused(Why::NotClaimed),
                        },
                    },
                };
                let changes = |moved: &mut Move| {
                    moved.handoff.clone_from(handoff);
                    moved.request = by.request;
                };
                self.change(id, by, Status::Released, changes)
            }
            Ask::TakeOver(want) => {
                self.hear(want.agent);
                if let Some(others) = self.left_behind(want.agent, id_of(want.session)) {
                    self.take_over(&others, want, None, setting, ledger);
                }
                Reply::Unchanged
            }
            Ask::Withdraw(id) => match self.now.by_id(*id) {
                None => Reply::Unchanged,
                Some((issue, _)) => {
                    self.shift(issue, Status::Released, |moved| moved.uncounted = true);
                    Reply::Updated {
                        id: *id,
                        status: Status::Released,
                    }
                }
            },
            Ask::SessionHeard(session) => {
                let lies = |held: &&Held| held.session == Some(session.id);
                let held = self.now.held.values().filter(lies);
                let mut agents: Vec<usize> = held.map(|held| held.agent).collect();
                agents.sort_unstable();
                agents.dedup();
                // One of several that share a process may be dead.
                if let [agent] = *agents {
                    self.hear(agent);
                }
                Reply::Done
            }
            Ask::Heard(agent) => {
                self.hear(*agent);
                Reply::Done
            }
            Ask::Opened(_, _, session) => {
                if let Some((_, returning)) = &mut self.returning {
                    returning.retain(|id| *id != session.id);
                }
                self.live.insert(session.id);
                Reply::Done
            }
            Ask::Closed(_, _, session, _) => {
                self.live.remove(&session.id);
                Reply::Done
            }
            Ask::Page(update) => {
                self.learn(update, setting);
                Reply::Done
            }
            Ask::Synced => Reply::Done,
        }
    }

    fn hear_by(&mut self, by: &By, named: Option<ClaimId>) {
        let holder = named
            .and_then(|id| self.now.by_id(id))
            .map(|(_, held)| held.agent);
        if let Some(agent) = by.agent.or(holder) {
            self.hear(agent);
        }
    }

    fn done_before(&self, request: Option<RequestId>) -> Option<ClaimId> {
        self.now.requests.get(&request?).copied()
    }

    /// An active claim that this very request led to.
    fn answered(&self, request: Option<RequestId>) -> Option<(Issue, Held)> {
        let id = self.done_before(request)?;
        self.now
            .by_id(id)
            .map(|(issue, held)| (issue, held.clone()))
    }

    fn grant(&mut self, want: &Want, issue: Issue, setting: &Setting, ledger: &Ledger) -> Reply {
        self.hear(want.agent);
        if let Some((_, held)) = self.answered(want.request) {
            return Reply::Granted {
                id: held.id,
                owned: false,
                status: held.shown(),
            };
        }
        let held = self.now.held.get(&issue).cloned();
        if held.as_ref().is_some_and(|held| held.agent != want.agent) {
            return Reply::Refused(Why::AlreadyClaimed);
        }
        let ours = id_of(want.session);
        let is_here = held
            .as_ref()
            .is_some_and(|held| ours.is_none() || held.session == ours);
        if let (true, Some(held)) = (is_here, &held) {
            return Reply::Granted {
                id: held.id,
                owned: true,
                status: held.shown(),
            };
        }
        // Not held, or held by the same name elsewhere: no other session of it may live.
        let Some(others) = self.left_behind(want.agent, ours) else {
            return Reply::Refused(Why::AgentIdInUse);
        };
        self.take_over(&others, want, Some(issue), setting, ledger);
        match held {
            Some(held) if held.session.is_some() => Reply::Granted {
                id: want.id,
                owned: true,
                status: held.status,
            },
            Some(held) => {
                // It was claimed without a session: this one adopts it.
                self.shift(issue, held.status, |moved| {
                    (moved.session, moved.request) = (ours, want.request);
                });
                Reply::Granted {
                    id: held.id,
                    owned: true,
                    status: held.status,
                }
            }
            None => {
                let held = Held {
                    id: want.id,
                    agent: want.agent,
                    session: ours,
                    status: Status::Claimed,
                    stale_since: None,
                    since: self.time,
                    pull: None,
                    handoff: None,
                };
                self.commit(Fact::Granted {
                    issue,
                    held,
                    request: want.request,
                });
                Reply::Granted {
                    id: want.id,
                    owned: false,
                    status: Status::Claimed,
                }
            }
        }
    }

    /// What an agent's other sessions hold; none while one of them lives.
    fn left_behind(&self, agent: usize, ours: Option<SessionId>) -> Option<Vec<Issue>> {
        let mut others = self.now.held_by(agent);
        others.retain(|issue| {
            let session = self.now.held[issue].session;
            ours.is_some() && session.is_some() && session != ours
        });
        let lives = |issue: &Issue| {
            let session = self.now.held[issue].session;
            session.is_some_and(|session| self.live.contains(&session))
        };
        (!others.iter().any(lives)).then_some(others)
    }

    /// The claims go on in the new session, each under a new id.
    fn take_over(
        &mut self,
        others: &[Issue],
        want: &Want,
        asked: Option<Issue>,
        setting: &Setting,
        ledger: &Ledger,
    ) {
        for issue in others {
            let is_asked = asked == Some(*issue);
            let derived = ledger
                .holder(&setting.key(*issue))
                .map(|claim| claim.claim_id);
            let id = if is_asked {
                want.id
            } else {
                derived.unwrap_or(want.id)
            };
            let request = want.request.filter(|_| is_asked);
            let session = id_of(want.session);
            self.commit(Fact::HandedOn {
                issue: *issue,
                id,
                session,
                request,
            });
        }
    }

    fn next(&mut self, want: &Want, wish: &Wish, setting: &Setting, ledger: &Ledger) -> Reply {
        self.hear(want.agent);
        if let Some((issue, held)) = self.answered(want.request) {
            let memory = self.now.memory.get(&issue).cloned().unwrap_or_default();
            let (attempts, handoff) = (memory.attempts, memory.handoff);
            return Reply::Chosen {
                id: held.id,
                issue,
                attempts,
                handoff,
            };
        }
        let place = |name: &_| setting.place(name);
        let issue = match self
            .told
            .best(&self.now, &setting.taste, wish, self.time, place)
        {
            Ok(issue) => issue,
            Err(_) if self.left_behind(want.agent, id_of(want.session)).is_none() => {
                return Reply::Refused(Why::AgentIdInUse);
            }
            Err((claimed, others)) => return Reply::Nothing { claimed, others },
        };
        let memory = self.now.memory.get(&issue).cloned().unwrap_or_default();
        match self.grant(want, issue, setting, ledger) {
            Reply::Granted { id, .. } => {
                let (attempts, handoff) = (memory.attempts, memory.handoff);
                Reply::Chosen {
                    id,
                    issue,
                    attempts,
                    handoff,
                }
            }
            other => other,
        }
    }

    fn change(
        &mut self,
        id: ClaimId,
        by: &By,
        status: Status,
        changes: impl FnOnce(&mut Move),
    ) -> Reply {
        if let Some(id) = self.done_before(by.request) {
            return Reply::Again(id);
        }
        let Some((issue, held)) = self.now.by_id(id) else {
            return Reply::Refused(Why::ClaimLost);
        };
        if by.agent.is_some_and(|agent| agent != held.agent) {
            return Reply::Refused(Why::NotYours);
        }
        let lives = held
            .session
            .is_some_and(|session| self.live.contains(&session));
        let asks = id_of(by.session).filter(|asks| held.session != Some(*asks));
        if lives && asks.is_some() {
            return Reply::Refused(Why::HeldByOtherSession);
        }
        // It goes on in the session that works on it, and so does all that dead ones left.
        let asks = asks.filter(|_| status != Status::Released);
        let Some(mut others) = self.left_behind(held.agent, asks) else {
            return Reply::Refused(Why::AgentIdInUse);
        };
        others.retain(|other| *other != issue);
        if !may_follow(held.status, status) {
            return Reply::Refused(Why::NotAllowed);
        }
        let mut moved = Move::new(issue, status, self.time);
        changes(&mut moved);
        if status == Status::PrSubmitted && moved.pull.is_none() && held.pull.is_none() {
            return Reply::Refused(Why::PullRequestMissing);
        }
        moved.session = asks;
        for other in others {
            let status = self.now.held[&other].status;
            self.shift(other, status, |moved| moved.session = asks);
        }
        self.commit(Fact::Moved(moved));
        Reply::Updated { id, status }
    }

    /// Every lease begins anew.
    pub fn renew_all(&mut self, now: Timestamp) {
        self.heard.fill(now);
        self.begun.iter_mut().for_each(|begun| begun.fill(now));
    }

    /// The lease begins anew, so that the agent has time to notice.
    fn begin_period(&mut self, agent: usize) {
        self.begun[0][agent] = self.time;
    }

    fn learn(&mut self, update: &CatalogueUpdate, setting: &Setting) {
        let mut without_pull = Vec::new();
        for (issue, fact) in self.told.take(update, |name| setting.place(name)) {
            let Some(held) = self.now.held.get(&issue) else {
                continue;
            };
            let (status, pull, agent) = (held.status, held.pull.clone(), held.agent);
            let works = matches!(status, Status::Claimed | Status::InProgress);
            match fact {
                GitHubFact::IssueClosed => self.shift(issue, Status::Closed, |_| {}),
                GitHubFact::IssueGone(_) => {
                    self.shift(issue, Status::Released, |moved| moved.uncounted = true);
                }
                GitHubFact::PullRequestOpen(url) if works && pull.is_none() => {
                    self.shift(issue, Status::PrSubmitted, |moved| {
                        moved.pull = Some(Some(url))
                    });
                }
                // Before the claim it was merged for somebody else.
                GitHubFact::PullRequestMerged { url, at }
                    if pull.as_ref() == Some(&url) && status != Status::PrMerged
                        || pull.is_none() && at >= Some(held.since) =>
                {
                    self.begin_period(agent);
                    self.shift(issue, Status::PrMerged, |moved| {
                        moved.pull = Some(Some(url))
                    });
                }
                GitHubFact::PullRequestClosed(url)
                    if status != Status::PrMerged && pull.as_ref() == Some(&url) =>
                {
                    self.begin_period(agent);
                    let to = if works { status } else { Status::InProgress };
                    self.shift(issue, to, |moved| moved.pull = Some(None));
                    without_pull.push(issue);
                }
                _ => {}
            }
        }
        for issue in without_pull {
            let linked = self.told.newest_linked(issue, |name| setting.place(name));
            let held = self
                .now
                .held
                .get(&issue)
                .map(|held| (held.status, &held.pull));
            if let (Some(url), Some((Status::Claimed | Status::InProgress, None))) = (linked, held)
            {
                self.shift(issue, Status::PrSubmitted, |moved| {
                    moved.pull = Some(Some(url))
                });
            }
        }
    }
}
