//! The book of everything that was ever acknowledged, as the feed told it: who held which issue
//! from which change to which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use issuecommand::claim::{Change, Recorded, Status};
use issuecommand::domain::ClaimId;

use super::ask::Setting;
use super::model::{Check, Issue, may_follow};

struct Page {
    id: ClaimId,
    agent: usize,
    /// As the last event told it.
    shown: Status,
    working: Status,
}

/// The book.
#[derive(Default)]
pub struct Book {
    /// All durable changes; the first has number 1.
    pub changes: Vec<Recorded>,
    open: BTreeMap<Issue, Page>,
    used: BTreeSet<ClaimId>,
}

impl Book {
    /// Number of the last change.
    pub fn seq(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Enters the next change.
    pub fn enter(&mut self, recorded: &Recorded, setting: &Setting) -> Check {
        if recorded.seq != self.seq() + 1 {
            return Err(format!("event {} follows {}", recorded.seq, self.seq()));
        }
        if self
            .changes
            .last()
            .is_some_and(|last| last.at > recorded.at)
        {
            return Err(format!("time runs backwards at event {}", recorded.seq));
        }
        self.check(&recorded.change, setting)
            .map_err(|reason| format!("event {}: {reason}", recorded.seq))?;
        let mut recorded = recorded.clone();
        if let Change::HandedOn { claim, .. } = &mut recorded.change {
            // Stored beside the claim, not in it.
            Arc::make_mut(claim).session = None;
        }
        self.changes.push(recorded);
        Ok(())
    }

    fn check(&mut self, change: &Change, setting: &Setting) -> Check {
        match change {
            Change::Granted {
                claim_id,
                agent_id,
                repo,
                issue_number,
                ..
            } => {
                let issue = (setting.place(repo), *issue_number);
                if self.open.contains_key(&issue) {
                    return Err(format!("{issue:?} is granted while it is held"));
                }
                self.begin(issue, *claim_id, setting.agent(agent_id), Status::Claimed)
            }
            Change::HandedOn {
                old_claim_id,
                claim,
                ..
            } => {
                let issue = setting.issue(claim);
                let old = self.open.remove(&issue).ok_or("handed on, but not held")?;
                if old.id != *old_claim_id || old.agent != setting.agent(&claim.agent_id) {
                    return Err("handed on by somebody else".to_owned());
                }
                if claim.status != old.working {
                    return Err(format!(
                        "handed on as {}, was {}",
                        claim.status, old.working
                    ));
                }
                self.begin(issue, claim.claim_id, old.agent, claim.status)
            }
            Change::Moved {
                claim_id,
                agent_id,
                repo,
                issue_number,
                from,
                to,
                ..
            } => {
                let issue = (setting.place(repo), *issue_number);
                let page = self.open.get_mut(&issue).ok_or("moved, but not held")?;
                if page.id != *claim_id || page.agent != setting.agent(agent_id) {
                    return Err(format!("{claim_id} moves, but {} holds {issue:?}", page.id));
                }
                if page.shown != *from {
                    return Err(format!("moves from {from}, but it was {}", page.shown));
                }
                // What was submitted has a pull request, which holds the lease. A merge may be told
                // without one.
                let becomes_stale = *to == Status::Stale
                    && matches!(
                        page.shown,
                        Status::Claimed | Status::InProgress | Status::PrMerged
                    );
                if !becomes_stale && !may_follow(page.working, *to) {
                    return Err(format!("{to} must not follow {}", page.working));
                }
                page.shown = *to;
                if !becomes_stale {
                    page.working = *to;
                }
                if !to.is_active() {
                    self.open.remove(&issue);
                }
                Ok(())
            }
            Change::IssueClosed { .. } | Change::SyncCompleted { .. } | Change::ChecksFailed(_) => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, issue: Issue, id: ClaimId, agent: usize, shown: Status) -> Check {
        if !self.used.insert(id) {
            return Err(format!("claim id {id} is used twice"));
        }
        self.open.insert(
            issue,
            Page {
                id,
                agent,
                shown,
                working: shown,
            },
        );
        Ok(())
    }
}
