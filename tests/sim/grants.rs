//! What must follow from asking for an issue.

use issuecommand::claim::{Ledger, Status};
use issuecommand::domain::SessionId;

use super::ask::{Want, id_of};
use super::model::{Fact, Held, Issue};
use super::reply::{Reply, Why};
use super::rules::Model;
use super::setting::Setting;
use super::told::Wish;

impl Model {
    /// `claim_issue`.
    pub fn grant(
        &mut self,
        want: &Want,
        issue: Issue,
        setting: &Setting,
        ledger: &Ledger,
    ) -> Reply {
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
    pub fn left_behind(&self, agent: usize, ours: Option<SessionId>) -> Option<Vec<Issue>> {
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
    pub fn take_over(
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

    /// `next_issue`.
    pub fn next(&mut self, want: &Want, wish: &Wish, setting: &Setting, ledger: &Ledger) -> Reply {
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
}
