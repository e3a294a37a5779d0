//! What GitHub's pages have told so far, kept a second time, and the choice that follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::GitHubFact;
use issuecommand::coordinator::CatalogueUpdate;
use issuecommand::domain::{IssueState, IssueSummary, PullRequestState, RepoName, later};
use issuecommand::gh::SyncedPullRequest;
use jiff::Timestamp;

use super::hub::{LABELS, LOGINS, SKIPPED};
use super::model::{Issue, State};

/// One repository as it was told.
#[derive(Clone)]
pub struct ToldRepo {
    pub synced_at: Timestamp,
    pub issues: BTreeMap<u64, IssueSummary>,
    pub pulls: Pulls,
}

/// Open pull requests by number.
type Pulls = BTreeMap<u64, SyncedPullRequest>;

/// All of them.
#[derive(Clone, Default)]
pub struct Told {
    pub repos: BTreeMap<usize, ToldRepo>,
    /// What was open before each page of the batch under way: a batch that is refused told nothing.
    before: Vec<(usize, Pulls)>,
}

/// What a choice is asked with.
#[derive(Clone, Debug)]
pub struct Wish {
    pub agent: usize,
    pub repo: Option<usize>,
    pub label: Option<&'static str>,
    pub milestone: Option<&'static str>,
    pub except: Vec<Issue>,
}

/// What decides besides.
#[derive(Clone, Debug)]
pub struct Taste {
    /// Which repositories are allowed.
    pub allowed: Vec<bool>,
    /// Whether PRIORITY_LABELS is set.
    pub configured: bool,
    /// Whether the account in use is known.
    pub viewer: bool,
}

/// For how long an issue is kept from the agent that gave it back.
const COOLDOWN: Duration = Duration::from_secs(30 * 60);

impl Told {
    /// Takes a page in and tells what it says of issues, in order.
    pub fn take(
        &mut self,
        update: &CatalogueUpdate,
        place: impl Fn(&RepoName) -> usize,
    ) -> Vec<(Issue, GitHubFact)> {
        let told = update
            .facts
            .iter()
            .map(|(repo, number, fact)| ((place(repo), *number), fact));
        let mut facts: Vec<_> = told.map(|(issue, fact)| (issue, fact.clone())).collect();
        for page in &update.repos {
            if page.complete || !page.pulls.is_empty() {
                let at = place(&page.name);
                let known = self.repos.get(&at).map(|repo| repo.pulls.clone());
                self.before.push((at, known.unwrap_or_default()));
            }
        }
        for name in &update.dropped {
            self.repos.remove(&place(name));
        }
        for page in &update.repos {
            let at = place(&page.name);
            let repo = self.repos.entry(at).or_insert_with(|| ToldRepo {
                synced_at: Timestamp::UNIX_EPOCH,
                issues: BTreeMap::new(),
                pulls: BTreeMap::new(),
            });
            repo.synced_at = page.synced_at.unwrap_or(repo.synced_at);
            let mut pulls = page.pulls.clone();
            pulls.sort_by_key(|pull| pull.summary.updated_at);
            for pull in &pulls {
                let open = || repo.pulls.get(&pull.summary.number);
                let known = open().filter(|_| pull.summary.state == PullRequestState::Open);
                let known: Vec<Issue> = known
                    .map(|known| closed_by(known, at, &place).collect())
                    .unwrap_or_default();
                let news = closed_by(pull, at, &place).filter(|issue| !known.contains(issue));
                facts.extend(news.map(|issue| (issue, fact_of(pull))));
            }
            if page.complete {
                repo.issues.clear();
                repo.pulls.clear();
            }
            for pull in &pulls {
                repo.pulls.remove(&pull.summary.number);
                if pull.summary.state == PullRequestState::Open {
                    repo.pulls.insert(pull.summary.number, pull.clone());
                }
            }
            for issue in &page.issues {
                let number = issue.number;
                let known = repo.issues.get(&number);
                if known.is_some_and(|known| known.updated_at > issue.updated_at) {
                    continue;
                }
                if issue.state == IssueState::Open {
                    repo.issues.insert(number, issue.clone());
                } else {
                    repo.issues.remove(&number);
                    facts.push(((at, number), GitHubFact::IssueClosed));
                }
            }
            if let Some(open) = &page.open_numbers {
                repo.issues.retain(|number, _| open.contains(number));
            }
        }
        for (name, number) in &update.gone {
            if let Some(repo) = self.repos.get_mut(&place(name)) {
                repo.issues.remove(number);
            }
        }
        facts
    }

    /// The batch under way is over.
    pub fn end_batch(&mut self, is_refused: bool) {
        let before = std::mem::take(&mut self.before);
        for (at, pulls) in before.into_iter().rev().filter(|_| is_refused) {
            if let Some(repo) = self.repos.get_mut(&at) {
                repo.pulls = pulls;
            }
        }
    }

    /// The newest open pull request that will close the issue.
    pub fn newest_linked(
        &self,
        issue: Issue,
        place: impl Fn(&RepoName) -> usize,
    ) -> Option<Arc<str>> {
        let mut newest = None;
        for (at, repo) in &self.repos {
            let mut pulls = repo.pulls.values().rev();
            let linked = pulls.find(|pull| closed_by(pull, *at, &place).any(|it| it == issue));
            newest = linked.or(newest);
        }
        newest.map(|pull| pull.summary.url.clone())
    }

    /// Whether an open pull request will close the issue.
    fn is_linked(&self, issue: Issue, place: &impl Fn(&RepoName) -> usize) -> bool {
        self.repos.iter().any(|(at, repo)| {
            repo.pulls
                .values()
                .any(|pull| closed_by(pull, *at, place).any(|closed| closed == issue))
        })
    }

    /// The issue that the wish must get, or how many were passed by, claimed ones apart.
    pub fn best(
        &self,
        state: &State,
        taste: &Taste,
        wish: &Wish,
        now: Timestamp,
        place: impl Fn(&RepoName) -> usize,
    ) -> Result<Issue, (u64, u64)> {
        let (mut claimed, mut others) = (0, 0);
        let mut best = None;
        for (at, repo) in &self.repos {
            if !taste.allowed[*at] || wish.repo.is_some_and(|wanted| wanted != *at) {
                continue;
            }
            for found in repo.issues.values() {
                let issue = (*at, found.number);
                if !fits(found, wish) || wish.except.contains(&issue) {
                    continue;
                }
                if state.held.contains_key(&issue) {
                    claimed += 1;
                    continue;
                }
                let memory = state.memory.get(&issue);
                let cools = memory.is_some_and(|memory| {
                    let mut releases = memory.releases.iter();
                    releases.any(|(agent, at)| *agent == wish.agent && later(*at, COOLDOWN) > now)
                });
                if cools || is_unfit(found, taste) || self.is_linked(issue, &place) {
                    others += 1;
                    continue;
                }
                let due = found
                    .milestone
                    .as_ref()
                    .and_then(|milestone| milestone.due_on);
                let attempts = memory.map_or(0, |memory| memory.attempts);
                let rank = (
                    level(found, taste.configured),
                    due.unwrap_or(Timestamp::MAX),
                    attempts,
                    found.created_at,
                    issue,
                );
                best = best.into_iter().chain([rank]).min();
            }
        }
        best.map(|(_, _, _, _, issue)| issue)
            .ok_or((claimed, others))
    }
}

/// What the present state of a pull request says of an issue that it will close.
fn fact_of(pull: &SyncedPullRequest) -> GitHubFact {
    let url = pull.summary.url.clone();
    match pull.summary.state {
        PullRequestState::Open => GitHubFact::PullRequestOpen(url),
        PullRequestState::Closed => GitHubFact::PullRequestClosed(url),
        PullRequestState::Merged => GitHubFact::PullRequestMerged {
            url,
            at: pull.merged_at,
        },
    }
}

/// The issues that a pull request of repository `at` will close.
fn closed_by<'a>(
    pull: &'a SyncedPullRequest,
    at: usize,
    place: &'a impl Fn(&RepoName) -> usize,
) -> impl Iterator<Item = Issue> + 'a {
    let own = pull.summary.closes.iter().map(move |number| (at, *number));
    own.chain(
        pull.closes_elsewhere
            .iter()
            .map(move |(repo, number)| (place(repo), *number)),
    )
}

fn fits(issue: &IssueSummary, wish: &Wish) -> bool {
    let has = |wanted: &str| {
        issue
            .labels
            .iter()
            .any(|label| label.eq_ignore_ascii_case(wanted))
    };
    let milestone = issue
        .milestone
        .as_ref()
        .map(|milestone| milestone.title.to_lowercase());
    wish.label.is_none_or(has)
        && wish
            .milestone
            .is_none_or(|wanted| milestone == Some(wanted.to_lowercase()))
}

fn is_unfit(issue: &IssueSummary, taste: &Taste) -> bool {
    let mut assignees = issue.assignees.iter();
    issue.blocked_by > 0
        || assignees.any(|login| !taste.viewer || **login != *LOGINS[0])
        || issue
            .labels
            .iter()
            .any(|label| label.eq_ignore_ascii_case(SKIPPED))
}

fn level(issue: &IssueSummary, configured: bool) -> u8 {
    let of = |label: &str| {
        let (_, built_in, own) = LABELS.iter().find(|(name, _, _)| *name == label)?;
        if configured { *own } else { *built_in }
    };
    issue
        .labels
        .iter()
        .filter_map(|label| of(label))
        .min()
        .unwrap_or(u8::MAX)
}
