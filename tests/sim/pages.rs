//! GitHub's pages: whole, in part, late, or not at all.

use issuecommand::coordinator::{CatalogueUpdate, RepoUpdate};
use issuecommand::domain::{IssueState, IssueSummary, PullRequestState};
use issuecommand::gh::SyncedPullRequest;
use jiff::{SignedDuration, Timestamp};

use super::ask::Ask;
use super::hub::{Hub, HubRepo};
use super::random::Random;
use super::tally::Seen;
use super::world::World;

impl HubRepo {
    /// All that is open, on one page or two.
    pub fn all_open(&self, random: &mut Random, asked_at: Timestamp) -> Vec<RepoUpdate> {
        let open = self
            .issues
            .values()
            .filter(|issue| issue.state == IssueState::Open);
        let mut issues: Vec<IssueSummary> = open.cloned().collect();
        let mut first = RepoUpdate::unchanged(self.name.clone(), false, asked_at);
        first.complete = true;
        let pulls = self.pulls.values();
        first.pulls = pulls.filter(|pull| is_open(pull)).cloned().collect();
        let rest = issues.split_off(random.below(issues.len() + 1));
        first.issues = issues;
        let mut second = RepoUpdate::unchanged(self.name.clone(), false, asked_at);
        second.issues = rest;
        self.set_cursors(&mut second);
        vec![first, second]
    }

    /// What changed after some moment, with any state.
    pub fn changes(&self, since: Option<Timestamp>, asked_at: Timestamp) -> RepoUpdate {
        let fresh = |at: Timestamp| since.is_none_or(|since| at >= since);
        let mut page = RepoUpdate::unchanged(self.name.clone(), false, asked_at);
        page.issues = self
            .issues
            .values()
            .filter(|issue| fresh(issue.updated_at))
            .cloned()
            .collect();
        page.pulls = self
            .pulls
            .values()
            .filter(|pull| fresh(pull.summary.updated_at))
            .cloned()
            .collect();
        self.set_cursors(&mut page);
        page
    }

    /// The numbers of all open issues.
    pub fn numbers(&self, asked_at: Timestamp) -> RepoUpdate {
        let mut page = RepoUpdate::unchanged(self.name.clone(), false, asked_at);
        let open = self
            .issues
            .values()
            .filter(|issue| issue.state == IssueState::Open);
        page.open_numbers = Some(open.map(|issue| issue.number).collect());
        page
    }

    fn set_cursors(&self, page: &mut RepoUpdate) {
        page.issues_cursor = self.issues.values().map(|issue| issue.updated_at).max();
        page.pulls_cursor = self
            .pulls
            .values()
            .map(|pull| pull.summary.updated_at)
            .max();
    }
}

fn is_open(pull: &SyncedPullRequest) -> bool {
    pull.summary.state == PullRequestState::Open
}

impl World {
    /// What one visit to GitHub tells.
    pub fn page(&mut self) -> Ask {
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
