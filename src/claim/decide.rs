//! The rules: what follows from a command, or from time alone, in the present state. Nothing is
//! changed here but by the caller's `commit`.

use std::sync::Arc;

use jiff::Timestamp;

use super::moves::moved;
use super::sessions::{Heir, is_with};
use super::{
    Actor, Change, Claim, Command, GitHubFact, Grant, Ledger, Outcome, Refusal, Status, Target,
};
use crate::domain::{AgentId, ClaimId, IssueKey, SessionId};

/// Changes to make, in order, and the answer once they are durable. The answer's claim is looked
/// up after the changes, so a decision names it by id.
pub(super) struct Step {
    /// Changes, in order.
    pub changes: Vec<Change>,
    /// What to answer then.
    pub answer: Answer,
}

pub(super) enum Answer {
    Granted {
        claim_id: ClaimId,
        already_owned: bool,
    },
    Updated(ClaimId),
    Unchanged,
    Refused(Refusal),
    /// The request was answered before.
    Repeated {
        claim: Arc<Claim>,
        granted: bool,
    },
}

impl Step {
    fn refuse(refusal: Refusal) -> Self {
        Self {
            changes: Vec::new(),
            answer: Answer::Refused(refusal),
        }
    }

    fn unchanged() -> Self {
        Self {
            changes: Vec::new(),
            answer: Answer::Unchanged,
        }
    }
}

impl Ledger {
    /// Decides a command, applies what follows through `commit` (which assigns the sequence
    /// number and the journal line) and gives the outcome.
    pub fn execute(
        &mut self,
        command: &Command,
        now: Timestamp,
        mut commit: impl FnMut(&mut Ledger, Change),
    ) -> Outcome {
        if let Some(agent_id) = self.agent_of(command) {
            self.revive(&agent_id, now, &mut commit);
        }
        let step = self.decide(command, now);
        for change in step.changes {
            commit(self, change);
        }
        match step.answer {
            Answer::Granted {
                claim_id,
                already_owned,
            } => match self.claim(claim_id) {
                Some(claim) => Outcome::Granted {
                    claim: claim.clone(),
                    already_owned,
                },
                None => Outcome::Unchanged,
            },
            Answer::Updated(claim_id) => {
                let claim = self.claim(claim_id).or_else(|| self.ended_claim(claim_id));
                claim.cloned().map_or(Outcome::Unchanged, Outcome::Updated)
            }
            Answer::Unchanged => Outcome::Unchanged,
            Answer::Refused(refusal) => Outcome::Refused(refusal),
            Answer::Repeated {
                claim,
                granted: true,
            } => Outcome::Granted {
                claim,
                already_owned: false,
            },
            Answer::Repeated {
                claim,
                granted: false,
            } => Outcome::Updated(claim),
        }
    }

    /// Revives what the silence of this agent had made stale.
    pub fn revive(
        &mut self,
        agent_id: &AgentId,
        now: Timestamp,
        mut commit: impl FnMut(&mut Ledger, Change),
    ) {
        self.renew(agent_id, now);
        if !self.has_stale(agent_id) {
            return;
        }
        let stale: Vec<Arc<Claim>> = self
            .held_by(agent_id)
            .filter(|claim| claim.status == Status::Stale)
            .cloned()
            .collect();
        for claim in stale {
            let to = claim.working_status();
            commit(self, moved(&claim, to).note("heard of again").done());
        }
    }

    /// A call from a session is a sign of life of the agent whose claims lie with it. Where several
    /// agents share a process, one may have died: only those that are named are heard of.
    pub fn hear_session(
        &mut self,
        session: SessionId,
        now: Timestamp,
        mut commit: impl FnMut(&mut Ledger, Change),
    ) {
        if let [agent_id] = &*self.agents_of(session) {
            self.revive(agent_id, now, &mut commit);
        }
    }

    /// Everything that is due at `now`: leases that ran out, stale claims to release.
    pub fn tick(&mut self, now: Timestamp, mut commit: impl FnMut(&mut Ledger, Change)) {
        let policy = self.policy;
        while let Some(agent_id) = self.leases.next_expired(now, &policy) {
            let silent: Vec<Arc<Claim>> = self
                .held_by(&agent_id)
                .filter(|claim| claim.needs_renewal())
                .cloned()
                .collect();
            for claim in silent {
                commit(
                    self,
                    moved(&claim, Status::Stale).note("not heard of").done(),
                );
            }
        }
        for claim_id in self.leases.due_releases(now) {
            if let Some(claim) = self.claim(claim_id).cloned() {
                let change = moved(&claim, Status::Released)
                    .note("stale for too long")
                    .done();
                commit(self, change);
            }
        }
    }

    /// The agent whose lease a command renews: the one it names, or the holder of the claim it
    /// names. What GitHub tells is not a sign of life of an agent.
    fn agent_of(&self, command: &Command) -> Option<AgentId> {
        match command {
            Command::Grant(grant) => Some(grant.agent_id.clone()),
            Command::Update {
                claim_id, actor, ..
            }
            | Command::Release {
                target: Target::Claim(claim_id),
                actor,
                ..
            } => {
                let holder = || self.claim(*claim_id).map(|claim| claim.agent_id.clone());
                actor.agent_id.clone().or_else(holder)
            }
            Command::Release { actor, .. } => actor.agent_id.clone(),
            Command::TakeOver { agent_id, .. } => Some(agent_id.clone()),
            Command::Observe { .. } | Command::Withdraw { .. } => None,
        }
    }

    fn decide(&self, command: &Command, now: Timestamp) -> Step {
        match command {
            Command::Grant(grant) => self.decide_grant(grant, now),
            Command::Update {
                claim_id,
                actor,
                status,
                note,
                pr_url,
            } => self.decide_update(*claim_id, actor, *status, note.clone(), pr_url.clone()),
            Command::Release {
                target,
                actor,
                reason,
                handoff_note,
            } => self.decide_release(target, actor, reason.clone(), handoff_note.clone()),
            Command::Observe { key, fact } => self.decide_fact(key, fact),
            Command::TakeOver {
                agent_id,
                session,
                fresh_id,
            } => {
                let dead = self
                    .other_sessions(agent_id, Some(*session))
                    .unwrap_or_default();
                let heir = Heir {
                    fresh_id: *fresh_id,
                    session: Some(*session),
                    request_id: None,
                };
                Step {
                    changes: self.take_over(&dead, heir, now, None),
                    answer: Answer::Unchanged,
                }
            }
            Command::Withdraw { claim_id, why } => match self.claim(*claim_id) {
                Some(claim) => Step {
                    changes: vec![moved(claim, Status::Released).note(why).uncounted().done()],
                    answer: Answer::Updated(*claim_id),
                },
                None => Step::unchanged(),
            },
        }
    }

    fn decide_grant(&self, grant: &Grant, now: Timestamp) -> Step {
        // A claim that ended meanwhile is no answer: the request is then a new one.
        let answered = grant.request_id.and_then(|id| self.answered(id));
        if let Some(claim) = answered.filter(|claim| claim.status.is_active()) {
            let claim = claim.clone();
            return Step {
                changes: Vec::new(),
                answer: Answer::Repeated {
                    claim,
                    granted: true,
                },
            };
        }
        match self.holder(&grant.key) {
            Some(held) if held.agent_id != grant.agent_id => {
                Step::refuse(Refusal::AlreadyClaimed(held.clone()))
            }
            Some(held) => self.decide_own(held, grant, now),
            None => match self.other_sessions(&grant.agent_id, grant.session) {
                Err(refusal) => Step::refuse(refusal),
                Ok(dead) => {
                    let mut changes = self.take_over(&dead, Heir::of(grant), now, None);
                    changes.push(Change::Granted {
                        claim_id: grant.new_claim_id,
                        agent_id: grant.agent_id.clone(),
                        host: grant.key.host.clone(),
                        repo: grant.key.repo.clone(),
                        issue_number: grant.key.number,
                        issue_title: grant.title.clone(),
                        session: grant.session,
                        request_id: grant.request_id,
                    });
                    let claim_id = grant.new_claim_id;
                    Step {
                        changes,
                        answer: Answer::Granted {
                            claim_id,
                            already_owned: false,
                        },
                    }
                }
            },
        }
    }

    /// The agent asks for an issue that its name already holds.
    fn decide_own(&self, held: &Arc<Claim>, grant: &Grant, now: Timestamp) -> Step {
        // Another session of the same name, whether it holds this claim or others.
        let dead = match self.other_sessions(&grant.agent_id, grant.session) {
            Err(refusal) => return Step::refuse(refusal),
            Ok(dead) => dead,
        };
        let asked = dead.iter().any(|claim| claim.claim_id == held.claim_id);
        let asked = asked.then_some(held.claim_id);
        let mut changes = self.take_over(&dead, Heir::of(grant), now, asked);
        if asked.is_some() {
            let answer = Answer::Granted {
                claim_id: grant.new_claim_id,
                already_owned: true,
            };
            return Step { changes, answer };
        }
        let adopts = held.session.is_none() && grant.session.is_some();
        if held.status == Status::Stale || adopts {
            let to = held.working_status();
            let session = grant.session.filter(|_| adopts);
            changes.push(
                moved(held, to)
                    .session(session)
                    .request(grant.request_id)
                    .done(),
            );
        }
        let answer = Answer::Granted {
            claim_id: held.claim_id,
            already_owned: true,
        };
        Step { changes, answer }
    }

    /// Whether this actor could move this claim to `status` now; the claim if so.
    pub fn may_move(
        &self,
        claim_id: ClaimId,
        actor: &Actor,
        status: Status,
    ) -> Result<Arc<Claim>, Refusal> {
        let claim = match self.writable(claim_id, actor) {
            Ok(claim) => claim.clone(),
            Err(Step {
                answer: Answer::Repeated { claim, .. },
                ..
            }) => return Ok(claim),
            Err(Step {
                answer: Answer::Refused(refusal),
                ..
            }) => return Err(refusal),
            Err(_) => return Err(self.lost(claim_id)),
        };
        self.left_with(&claim, actor)?;
        let working = claim.working_status();
        if status == working || working.allowed_next().contains(&status) {
            Ok(claim)
        } else {
            Err(Refusal::NotAllowed {
                claim,
                asked: status,
            })
        }
    }

    fn decide_update(
        &self,
        claim_id: ClaimId,
        actor: &Actor,
        status: Status,
        note: Option<Arc<str>>,
        pr_url: Option<Arc<str>>,
    ) -> Step {
        if status == Status::Released {
            return self.decide_release(&Target::Claim(claim_id), actor, note, None);
        }
        let claim = match self.writable(claim_id, actor) {
            Ok(claim) => claim,
            Err(step) => return step,
        };
        let others = match self.left_with(claim, actor) {
            Ok(others) => others,
            Err(refusal) => return Step::refuse(refusal),
        };
        let working = claim.working_status();
        if status != working && !working.allowed_next().contains(&status) {
            return Step::refuse(Refusal::NotAllowed {
                claim: claim.clone(),
                asked: status,
            });
        }
        if status == Status::PrSubmitted && pr_url.is_none() && claim.pr_url.is_none() {
            return Step::refuse(Refusal::PullRequestMissing(claim.clone()));
        }
        let session = actor.session.filter(|asks| !is_with(claim, *asks));
        let adopt =
            |other: &Arc<Claim>| moved(other, other.working_status()).session(session).done();
        let mut changes: Vec<Change> = others.iter().map(adopt).collect();
        let change = moved(claim, status)
            .with_note(note)
            .pr_url(pr_url)
            .session(session)
            .request(actor.request_id)
            .done();
        changes.push(change);
        Step {
            changes,
            answer: Answer::Updated(claim_id),
        }
    }

    fn decide_release(
        &self,
        target: &Target,
        actor: &Actor,
        reason: Option<Arc<str>>,
        handoff_note: Option<Arc<str>>,
    ) -> Step {
        let claim_id = match target {
            Target::Claim(claim_id) => *claim_id,
            Target::Issue(key) => {
                if let Some(claim) = actor.request_id.and_then(|id| self.answered(id)) {
                    claim.claim_id
                } else if let Some(claim) = self.holder(key) {
                    claim.claim_id
                } else {
                    return Step::refuse(Refusal::NotClaimed);
                }
            }
        };
        let claim = match self.writable(claim_id, actor) {
            Ok(claim) => claim,
            Err(step) => return step,
        };
        let change = moved(claim, Status::Released)
            .with_note(reason)
            .handoff_note(handoff_note)
            .request(actor.request_id)
            .done();
        Step {
            changes: vec![change],
            answer: Answer::Updated(claim_id),
        }
    }

    /// The active claim with this id, if this actor may write to it.
    fn writable(&self, claim_id: ClaimId, actor: &Actor) -> Result<&Arc<Claim>, Step> {
        if let Some(claim) = actor.request_id.and_then(|id| self.answered(id)) {
            let claim = claim.clone();
            let answer = Answer::Repeated {
                claim,
                granted: false,
            };
            return Err(Step {
                changes: Vec::new(),
                answer,
            });
        }
        let Some(claim) = self.claim(claim_id) else {
            return Err(Step::refuse(self.lost(claim_id)));
        };
        if actor
            .agent_id
            .as_ref()
            .is_some_and(|agent_id| *agent_id != claim.agent_id)
        {
            return Err(Step::refuse(Refusal::NotYours(claim.clone())));
        }
        let is_elsewhere = actor.session.is_some_and(|asks| !is_with(claim, asks));
        if is_elsewhere && claim.session.is_some_and(|held| self.is_live(held.id)) {
            return Err(Step::refuse(Refusal::HeldByOtherSession(claim.clone())));
        }
        Ok(claim)
    }

    /// The refusal for an id that is not, or no longer, active.
    fn lost(&self, claim_id: ClaimId) -> Refusal {
        let ended = self.ended_claim(claim_id).cloned();
        let now_held_by = ended.as_ref().and_then(|claim| self.holder(&claim.key()));
        Refusal::ClaimLost {
            now_held_by: now_held_by.map(|claim| claim.agent_id.clone()),
            ended,
        }
    }

    fn decide_fact(&self, key: &IssueKey, fact: &GitHubFact) -> Step {
        let Some(claim) = self.holder(key) else {
            return Step::unchanged();
        };
        let working = claim.working_status();
        let change = match fact {
            GitHubFact::IssueClosed => moved(claim, Status::Closed).note("closed on GitHub"),
            GitHubFact::IssueGone(why) => moved(claim, Status::Released).note(why).uncounted(),
            GitHubFact::PullRequestOpen(url) => {
                // Its agent may have gone back to work on purpose; and what it submitted is not
                // replaced by somebody else's.
                if !working.is_at_work() || claim.pr_url.is_some() {
                    return Step::unchanged();
                }
                moved(claim, Status::PrSubmitted)
                    .note("pull request opened")
                    .pr_url(Some(url.clone()))
            }
            GitHubFact::PullRequestMerged { url, at } => {
                let counts = match &claim.pr_url {
                    // Its agent may have told the merge before.
                    Some(known) => known == url && working != Status::PrMerged,
                    // What was merged before did not finish the issue, or it was opened again.
                    None => at.is_some_and(|at| at >= claim.claimed_at),
                };
                if !counts {
                    return Step::unchanged();
                }
                moved(claim, Status::PrMerged)
                    .note("pull request merged")
                    .pr_url(Some(url.clone()))
            }
            GitHubFact::PullRequestClosed(url) => {
                if working == Status::PrMerged || claim.pr_url.as_ref() != Some(url) {
                    return Step::unchanged();
                }
                let to = if working.is_at_work() {
                    working
                } else {
                    Status::InProgress
                };
                moved(claim, to)
                    .note("pull request closed unmerged")
                    .pr_closed()
            }
        };
        Step {
            changes: vec![change.done()],
            answer: Answer::Updated(claim.claim_id),
        }
    }
}
