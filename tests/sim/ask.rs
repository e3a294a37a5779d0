//! The setting of a history, and what can be asked in it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::{Actor, Command, Grant, LeasePolicy, Refusal, Status, Target};
use issuecommand::claim::{Claim, Outcome};
use issuecommand::coordinator::{
    Answer, CatalogueUpdate, ClaimAnswer, NextOutcome, NextQuery, Operation,
};
use issuecommand::domain::{
    AgentId, ClaimId, Host, IssueKey, RepoName, RequestId, SessionId, SessionRef,
};

use super::model::Issue;
use super::told::{Taste, Wish};

/// What stays the same during a history.
pub struct Setting {
    pub agents: Vec<AgentId>,
    pub repos: Vec<RepoName>,
    /// The same names in other letters.
    pub shouted: Vec<RepoName>,
    pub policy: LeasePolicy,
    pub taste: Taste,
}

impl Setting {
    /// The place of a repository.
    pub fn place(&self, name: &RepoName) -> usize {
        self.repos
            .iter()
            .position(|known| known == name)
            .unwrap_or(usize::MAX)
    }

    /// The place of an agent.
    pub fn agent(&self, name: &AgentId) -> usize {
        self.agents
            .iter()
            .position(|known| known == name)
            .unwrap_or(usize::MAX)
    }

    /// The issue of a claim.
    pub fn issue(&self, claim: &Claim) -> Issue {
        (self.place(&claim.repo), claim.issue_number)
    }

    /// The key of an issue.
    pub fn key(&self, (repo, number): Issue) -> IssueKey {
        IssueKey {
            host: Host::default(),
            repo: self.repos[repo].clone(),
            number,
        }
    }

    fn key_as(&self, (repo, number): Issue, shouts: bool) -> IssueKey {
        let repo = if shouts {
            &self.shouted[repo]
        } else {
            &self.repos[repo]
        };
        IssueKey {
            host: Host::default(),
            repo: repo.clone(),
            number,
        }
    }
}

/// Who asks for a claim.
#[derive(Clone, Debug)]
pub struct Want {
    pub id: ClaimId,
    pub agent: usize,
    pub session: Option<SessionRef>,
    pub request: Option<RequestId>,
}

/// Who asks for a change.
#[derive(Clone, Debug)]
pub struct By {
    pub agent: Option<usize>,
    pub session: Option<SessionRef>,
    pub request: Option<RequestId>,
}

/// Which claim is to be given back.
#[derive(Clone, Debug)]
pub enum Which {
    Claim(ClaimId),
    /// With the flag, the name is written otherwise.
    Issue(Issue, bool),
}

/// One request.
#[derive(Clone, Debug)]
pub enum Ask {
    /// `claim_issue` from the catalogue, no older than this.
    Claim(Want, Issue, Option<Duration>),
    /// `claim_issue` after GitHub was asked; the flag says that the name is written otherwise.
    Grant(Want, Issue, bool),
    Next(Want, Wish),
    Update(ClaimId, By, Status, Option<Arc<str>>),
    /// With a handoff note, and a reason that is repeated so many times.
    Release(Which, By, Option<Arc<str>>, usize),
    /// A new session asks for what its agent's dead ones held; it has a session.
    TakeOver(Want),
    Withdraw(ClaimId),
    Heard(usize),
    /// Any call of this process.
    SessionHeard(SessionRef),
    /// A process of this agent, in this window, connects.
    Opened(usize, usize, SessionRef),
    /// It goes away; with the flag it has ended.
    Closed(usize, usize, SessionRef, bool),
    Page(Box<CatalogueUpdate>),
    Synced,
}

impl Ask {
    /// The same request again, as a caller sends it that did not hear an answer.
    pub fn again(&self, id: ClaimId) -> Self {
        let mut again = self.clone();
        if let Self::Claim(want, ..) | Self::Grant(want, ..) | Self::Next(want, _) = &mut again {
            want.id = id;
        }
        again
    }

    /// For the trace.
    pub fn show(&self) -> String {
        let Self::Page(update) = self else {
            return format!("{self:?}");
        };
        let mut told = format!("Page dropped {:?} facts {:?}", update.dropped, update.facts);
        for page in &update.repos {
            let _ = write!(told, "\n    {} complete {}", page.name, page.complete);
            let _ = write!(
                told,
                " open {:?} cursor {:?}",
                page.open_numbers, page.pulls_cursor
            );
            for issue in &page.issues {
                let _ = write!(
                    told,
                    " #{} {:?} {}",
                    issue.number, issue.state, issue.updated_at
                );
            }
            for pull in &page.pulls {
                let summary = &pull.summary;
                let _ = write!(told, " !{} {:?}", summary.number, summary.state);
                let _ = write!(
                    told,
                    " closes {:?} {:?}",
                    summary.closes, pull.closes_elsewhere
                );
            }
        }
        told
    }

    /// Its request id.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Claim(want, ..) | Self::Grant(want, ..) | Self::Next(want, _) => want.request,
            Self::Update(_, by, ..) | Self::Release(_, by, ..) => by.request,
            _ => None,
        }
    }

    /// The request as the core takes it.
    pub fn operation(&self, setting: &Setting) -> Operation {
        let actor = |by: &By| Actor {
            agent_id: by.agent.map(|agent| setting.agents[agent].clone()),
            session: by.session,
            request_id: by.request,
        };
        let grant = |want: &Want, key: IssueKey| Grant {
            new_claim_id: want.id,
            agent_id: setting.agents[want.agent].clone(),
            session: want.session,
            request_id: want.request,
            key,
            title: "a title".into(),
        };
        match self {
            Self::Claim(want, issue, fresh_within) => Operation::Claim {
                grant: grant(want, setting.key(*issue)),
                fresh_within: *fresh_within,
            },
            Self::Grant(want, issue, shouts) => {
                Operation::Command(Command::Grant(grant(want, setting.key_as(*issue, *shouts))))
            }
            Self::Next(want, wish) => Operation::Next(NextQuery {
                new_claim_id: want.id,
                agent_id: setting.agents[want.agent].clone(),
                session: want.session,
                request_id: want.request,
                within: Vec::new(),
                repo: wish.repo.map(|repo| setting.shouted[repo].clone()),
                labels: wish.label.map(str::to_owned).into_iter().collect(),
                milestone: wish.milestone.map(str::to_owned),
                except: wish
                    .except
                    .iter()
                    .map(|issue| setting.key(*issue))
                    .collect(),
                except_repos: Vec::new(),
            }),
            Self::Update(claim_id, by, status, pr_url) => Operation::Command(Command::Update {
                claim_id: *claim_id,
                actor: actor(by),
                status: *status,
                note: None,
                pr_url: pr_url.clone(),
            }),
            Self::Release(which, by, handoff_note, times) => Operation::Command(Command::Release {
                target: match which {
                    Which::Claim(claim_id) => Target::Claim(*claim_id),
                    Which::Issue(issue, shouts) => Target::Issue(setting.key_as(*issue, *shouts)),
                },
                actor: actor(by),
                reason: (*times > 0).then(|| "no time ".repeat(*times).into()),
                handoff_note: handoff_note.clone(),
            }),
            Self::TakeOver(want) => match want.session {
                Some(session) => Operation::Command(Command::TakeOver {
                    agent_id: setting.agents[want.agent].clone(),
                    session,
                    fresh_id: want.id,
                }),
                None => Operation::Heard(setting.agents[want.agent].clone()),
            },
            Self::Withdraw(claim_id) => Operation::Command(Command::Withdraw {
                claim_id: *claim_id,
                why: "nobody took it",
            }),
            Self::Heard(agent) => Operation::Heard(setting.agents[*agent].clone()),
            Self::SessionHeard(session) => Operation::SessionHeard(*session),
            Self::Opened(_, _, session) => Operation::SessionOpened(*session, 0),
            Self::Closed(_, _, session, _) => Operation::SessionClosed(*session, 0),
            Self::Page(update) => Operation::Catalogue((**update).clone()),
            Self::Synced => Operation::SyncCompleted { changed: 1 },
        }
    }
}

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
            Answer::Claim(ClaimAnswer::Unknown(_)) => Self::Unknown,
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

/// A session that asks, if any.
pub fn id_of(session: Option<SessionRef>) -> Option<SessionId> {
    session.map(|session| session.id)
}
