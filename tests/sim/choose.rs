//! What is asked next.

use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::Status;
use issuecommand::coordinator::{CatalogueUpdate, RepoUpdate};
use issuecommand::domain::{ClaimId, RequestId, SessionId, SessionRef};
use jiff::SignedDuration;

use super::ask::{Ask, By, Want, Which};
use super::hub::Hub;
use super::model::Issue;
use super::random::Random;
use super::tally::Seen;
use super::told::Wish;
use super::world::{JOURNAL_BYTES_MAX, World};

/// How often a reason of some letters is repeated to make the journal longer than its limit, so
/// that it is cut by itself.
const BIG: usize = JOURNAL_BYTES_MAX as usize / 8 + 1;

impl World {
    /// The next request.
    pub fn choose_ask(&mut self) -> Ask {
        #[derive(Clone, Copy)]
        enum Kind {
            Claim,
            Next,
            Update,
            Release,
            TakeOver,
            Withdraw,
            Heard,
            Open,
            Close,
            Page,
            Synced,
            Again,
        }
        let kind = self.random.weighted([
            (20, Kind::Claim),
            (22, Kind::Next),
            (21, Kind::Update),
            (9, Kind::Release),
            (4, Kind::TakeOver),
            (1, Kind::Withdraw),
            (4, Kind::Heard),
            (10, Kind::Open),
            (4, Kind::Close),
            (11, Kind::Page),
            (1, Kind::Synced),
            (7, Kind::Again),
        ]);
        let (agent, window) = self.somebody();
        match kind {
            Kind::Claim => self.claim(agent, window),
            Kind::Next => self.next(agent, window),
            Kind::Update => self.update(),
            Kind::Release => self.release(),
            Kind::TakeOver => {
                let want = self.want(agent, window);
                match want.session {
                    Some(_) => Ask::TakeOver(want),
                    None => Ask::Heard(agent),
                }
            }
            Kind::Withdraw => Ask::Withdraw(self.token().0),
            Kind::Heard => match self.windows[agent][window].session {
                Some(session) if self.random.chance(50) => Ask::SessionHeard(session),
                _ => Ask::Heard(agent),
            },
            Kind::Open => {
                let known = self.windows[agent][window].session;
                let pid = 100 + u32::try_from(self.pids.len()).unwrap_or_default();
                let fresh = SessionRef {
                    id: SessionId(self.random.uuid()),
                    pid,
                };
                Ask::Opened(agent, window, known.unwrap_or(fresh))
            }
            Kind::Close => match self.windows[agent][window].session {
                Some(session) => Ask::Closed(agent, window, session, self.random.chance(70)),
                None => Ask::Heard(agent),
            },
            Kind::Page => self.page(),
            Kind::Synced => Ask::Synced,
            Kind::Again => {
                let recent = self.asked.len().saturating_sub(30);
                let known = self.random.pick(&self.asked[recent..]).cloned();
                match known {
                    Some((ask, before_restart)) => {
                        self.tally.count(Seen::Repeated);
                        if before_restart {
                            self.tally.count(Seen::RepeatedAfterRestart);
                        }
                        ask.again(ClaimId(self.random.uuid()))
                    }
                    None => self.next(agent, window),
                }
            }
        }
    }

    /// An agent, mostly in its first window.
    fn somebody(&mut self) -> (usize, usize) {
        (
            self.random.below(self.setting.agents.len()),
            usize::from(self.random.chance(20)),
        )
    }

    fn want(&mut self, agent: usize, window: usize) -> Want {
        let session = self.windows[agent][window]
            .session
            .filter(|_| self.random.chance(80));
        let request = self
            .random
            .chance(40)
            .then(|| RequestId(self.random.uuid()));
        Want {
            id: ClaimId(self.random.uuid()),
            agent,
            session,
            request,
        }
    }

    /// An issue, mostly one that is known.
    fn issue(&mut self) -> Issue {
        let repo = self.random.below(self.setting.repos.len());
        let numbers = self
            .model
            .told
            .repos
            .get(&repo)
            .map(|repo| repo.issues.keys().copied());
        let numbers: Vec<u64> = numbers.into_iter().flatten().collect();
        let known = self
            .random
            .pick(&numbers)
            .copied()
            .filter(|_| self.random.chance(85));
        (
            repo,
            known.unwrap_or_else(|| self.random.between(1, 12) as u64),
        )
    }

    fn claim(&mut self, agent: usize, window: usize) -> Ask {
        let want = self.want(agent, window);
        let issue = self.issue();
        if self.hub.is_open(issue.0, issue.1) && self.random.chance(30) {
            return Ask::Grant(want, issue, self.random.chance(40));
        }
        let fresh = self
            .random
            .one_of([None, Some(600), Some(3_600)])
            .map(Duration::from_secs);
        Ask::Claim(want, issue, fresh)
    }

    fn next(&mut self, agent: usize, window: usize) -> Ask {
        let want = self.want(agent, window);
        let repos = self.setting.repos.len();
        let random = &mut self.random;
        let mut wish = Wish {
            agent,
            repo: None,
            label: None,
            milestone: None,
            except: Vec::new(),
        };
        if random.chance(25) {
            wish.repo = Some(random.below(repos));
        }
        if random.chance(8) {
            wish.label = Some(random.one_of(["BUG", "p0", "soon"]));
        }
        if random.chance(5) {
            wish.milestone = Some("V1");
        }
        if random.chance(10) {
            wish.except.push(self.issue());
        }
        Ask::Next(want, wish)
    }

    /// A claim id with its session: mostly of an active claim, sometimes of one that is over.
    fn token(&mut self) -> (ClaimId, Option<usize>, Option<SessionRef>, usize) {
        let held: Vec<_> = self.model.now.held.iter().collect();
        match self.random.pick(&held).filter(|_| self.random.chance(75)) {
            Some((issue, held)) => {
                let pid = held.session.and_then(|session| self.pids.get(&session));
                let session = held
                    .session
                    .zip(pid)
                    .map(|(id, pid)| SessionRef { id, pid: *pid });
                (held.id, Some(held.agent), session, issue.0)
            }
            None => {
                let old = self.random.pick(&self.tokens).copied();
                (
                    old.unwrap_or_else(|| ClaimId(self.random.uuid())),
                    None,
                    None,
                    0,
                )
            }
        }
    }

    fn by(&mut self, agent: Option<usize>, session: Option<SessionRef>) -> By {
        let (other, window) = self.somebody();
        let agent = match self.random.below(10) {
            0 => Some(other),
            1 | 2 => None,
            _ => agent,
        };
        let session = match self.random.below(10) {
            0 | 1 => self.windows[agent.unwrap_or(other)][1 - window].session,
            2 | 3 => None,
            _ => session,
        };
        let request = self
            .random
            .chance(40)
            .then(|| RequestId(self.random.uuid()));
        By {
            agent,
            session,
            request,
        }
    }

    fn update(&mut self) -> Ask {
        let (id, agent, session, repo) = self.token();
        let by = self.by(agent, session);
        let status = self.random.weighted([
            (25, Status::InProgress),
            (22, Status::PrSubmitted),
            (8, Status::PrMerged),
            (7, Status::Closed),
            (6, Status::Released),
            (6, Status::Claimed),
            (2, Status::Stale),
        ]);
        let tells = if status == Status::PrSubmitted { 80 } else { 6 };
        let pull = self.random.chance(tells).then(|| self.pull(repo));
        Ask::Update(id, by, status, pull)
    }

    /// The address of a pull request, mostly of one that exists.
    fn pull(&mut self, repo: usize) -> Arc<str> {
        let pulls = &self.hub.repos[repo].pulls;
        let urls: Vec<Arc<str>> = pulls
            .values()
            .map(|pull| pull.summary.url.clone())
            .collect();
        let known = self
            .random
            .pick(&urls)
            .cloned()
            .filter(|_| self.random.chance(80));
        known.unwrap_or_else(|| "https://github.com/acme/api/pull/999".into())
    }

    fn release(&mut self) -> Ask {
        let (id, agent, session, _) = self.token();
        let by = self.by(agent, session);
        let which = if self.random.chance(70) {
            Which::Claim(id)
        } else {
            let held = self.model.now.by_id(id).map(|(issue, _)| issue);
            Which::Issue(held.unwrap_or_else(|| self.issue()), self.random.chance(40))
        };
        let handoff = self.random.chance(40).then(|| {
            // Some are longer than a sector, so that a torn write can fall inside one.
            let times = self.random.weighted([(6, 1), (1, 120)]);
            let words = format!("look at file {} ", self.random.below(100)).repeat(times);
            Arc::from(words.trim_end())
        });
        let mut times = self.random.below(3);
        if self.big_notes > 0 && self.model.now.by_id(id).is_some() && self.job.is_none() {
            self.big_notes -= 1;
            times = BIG;
        }
        Ask::Release(which, by, handoff, times)
    }

    fn page(&mut self) -> Ask {
        let mut update = CatalogueUpdate::default();
        let asked_at = self.core.now();
        let stale = self
            .random
            .pick(&self.older)
            .cloned()
            .filter(|_| self.random.chance(20));
        let hub = if let Some(older) = stale {
            self.tally.count(Seen::StalePage);
            older
        } else {
            self.hub.clone()
        };
        for _ in 0..self.random.between(1, 2) {
            let at = self.random.below(hub.repos.len());
            let name = hub.repos[at].name.clone();
            match self.random.below(20) {
                0..=6 => {
                    let mut pages = hub.repos[at].all_open(&mut self.random, asked_at);
                    if self.random.chance(20) {
                        pages.pop();
                        self.tally.count(Seen::MissingPage);
                    }
                    update.repos.extend(pages);
                }
                7..=14 => {
                    let overlap = SignedDuration::from_mins(3);
                    let known = self.core.catalogue().repo(&name);
                    let since = known.and_then(|entry| entry.issues_cursor);
                    let since = since.and_then(|since| since.checked_sub(overlap).ok());
                    let mut page = hub.repos[at].changes(since, asked_at);
                    if self.random.chance(25) {
                        thin_out(&mut page, &mut self.random);
                        self.tally.count(Seen::MissingPage);
                    }
                    update.repos.push(page);
                }
                15 | 16 => update.repos.push(hub.repos[at].numbers(asked_at)),
                17 | 18 => self.look_after_claims(&hub, &mut update),
                19 if self.random.chance(50) => {
                    let gone = hub.repos[at].gone.keys();
                    update
                        .gone
                        .extend(gone.map(|number| (name.clone(), *number)));
                }
                _ => {
                    self.tally.count(Seen::RepoDropped);
                    update.dropped.push(name);
                }
            }
        }
        Ask::Page(Box::new(update))
    }

    /// Claimed issues that are not known as open are looked at one by one.
    fn look_after_claims(&mut self, hub: &Hub, update: &mut CatalogueUpdate) {
        for (repo, number) in self.model.now.held.keys() {
            let told = self.model.told.repos.get(repo);
            let is_known = told.is_some_and(|told| told.issues.contains_key(number));
            if let (false, Some(fact)) = (is_known, hub.look_at(*repo, *number)) {
                update
                    .facts
                    .push((hub.repos[*repo].name.clone(), *number, fact));
            }
        }
    }
}

fn thin_out(page: &mut RepoUpdate, random: &mut Random) {
    page.issues.retain(|_| random.chance(70));
    page.pulls.retain(|_| random.chance(70));
    (page.issues_cursor, page.pulls_cursor) = (None, None);
}
