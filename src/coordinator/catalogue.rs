//! The catalogue: what is known of repositories, open issues and open pull requests. A cache of
//! GitHub's state with times; pure, so that sync can be tested without GitHub.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::{Change, GitHubFact};
use crate::domain::{IssueState, IssueSummary, PullRequestState, PullRequestSummary, RepoName};
use crate::gh::SyncedPullRequest;

/// One repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepoEntry {
    /// Its name as GitHub writes it.
    pub name: RepoName,
    /// Whether it is private.
    pub private: bool,
    /// Open issues by number.
    #[serde(with = "as_list")]
    pub issues: BTreeMap<u64, IssueSummary>,
    /// Open pull requests by number.
    #[serde(with = "as_list")]
    pub pulls: BTreeMap<u64, PullRequestSummary>,
    /// When GitHub was last asked about it.
    pub synced_at: Timestamp,
    /// Newest change of an issue that is known, by GitHub's clock.
    #[serde(default)]
    pub issues_cursor: Option<Timestamp>,
    /// Newest change of a pull request that is known, by GitHub's clock.
    #[serde(default)]
    pub pulls_cursor: Option<Timestamp>,
    /// When the open numbers were last compared with GitHub's.
    #[serde(default)]
    pub reconciled_at: Option<Timestamp>,
    /// Issues of other repositories that pull requests of this one will close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes_elsewhere: Vec<(u64, RepoName, u64)>,
}

impl RepoEntry {
    /// Whether a sync has looked at the whole repository, not only a call at one of its issues.
    pub fn is_synced(&self) -> bool {
        self.synced_at > Timestamp::UNIX_EPOCH
    }
}

/// Maps keyed by a number that is also in the value are stored as lists.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub trait Numbered {
        fn number(&self) -> u64;
    }

    impl Numbered for crate::domain::IssueSummary {
        fn number(&self) -> u64 {
            self.number
        }
    }

    impl Numbered for crate::domain::PullRequestSummary {
        fn number(&self) -> u64 {
            self.number
        }
    }

    pub fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<u64, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.values())
    }

    pub fn deserialize<'de, T: Deserialize<'de> + Numbered, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, T>, D::Error> {
        let list = Vec::<T>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|item| (item.number(), item)).collect())
    }
}

/// What one visit to GitHub told of one repository.
#[derive(Clone, Debug)]
pub struct RepoUpdate {
    /// Its name.
    pub name: RepoName,
    /// Whether it is private, where that was told.
    pub private: Option<bool>,
    /// Issues with any state.
    pub issues: Vec<IssueSummary>,
    /// Pull requests with any state.
    pub pulls: Vec<SyncedPullRequest>,
    /// `issues` and `pulls` are all that are open: what else was known is forgotten.
    pub complete: bool,
    /// The numbers of all open issues, where they were compared: known issues that are not among
    /// them are forgotten. This never touches a claim: absence proves nothing.
    pub open_numbers: Option<Vec<u64>>,
    /// Newest change of an issue at GitHub.
    pub issues_cursor: Option<Timestamp>,
    /// Newest change of a pull request at GitHub.
    pub pulls_cursor: Option<Timestamp>,
    /// When GitHub was asked about the whole repository; `None` when only one issue was looked at.
    pub synced_at: Option<Timestamp>,
}

impl RepoUpdate {
    /// An update that tells nothing but that the repository was looked at.
    pub fn unchanged(name: RepoName, private: bool, synced_at: Timestamp) -> Self {
        Self {
            private: Some(private),
            synced_at: Some(synced_at),
            ..Self::of_issues(name, Vec::new())
        }
    }

    fn tells_of_pulls(&self) -> bool {
        self.complete || !self.pulls.is_empty()
    }

    /// An update about some issues alone.
    pub fn of_issues(name: RepoName, issues: Vec<IssueSummary>) -> Self {
        Self {
            name,
            private: None,
            issues,
            pulls: Vec::new(),
            complete: false,
            open_numbers: None,
            issues_cursor: None,
            pulls_cursor: None,
            synced_at: None,
        }
    }
}

/// What one sync told.
#[derive(Clone, Debug, Default)]
pub struct CatalogueUpdate {
    /// Repositories that were looked at.
    pub repos: Vec<RepoUpdate>,
    /// Repositories that are no longer to be offered.
    pub dropped: Vec<RepoName>,
    /// Issues that were looked at and are no longer there. No fact about a claim.
    pub gone: Vec<(RepoName, u64)>,
    /// Facts about claimed issues that were looked at one by one.
    pub facts: Vec<(RepoName, u64, GitHubFact)>,
}

/// How far one repository was fetched.
#[derive(Clone, Debug)]
pub(super) struct Cursors {
    repo: RepoName,
    issues: Option<Timestamp>,
    pulls: Option<Timestamp>,
    /// What was open, where the update tells of pull requests: they are news once.
    open: Option<OpenPulls>,
}

/// Open pull requests of a repository, and the issues of other repositories that they will close.
type OpenPulls = (BTreeMap<u64, PullRequestSummary>, Vec<(u64, RepoName, u64)>);

/// What follows from an update for claims and readers.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    pub facts: Vec<(RepoName, u64, GitHubFact)>,
    pub events: Vec<Change>,
    pub changed: u64,
}

/// Everything known of GitHub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    repos: BTreeMap<RepoName, RepoEntry>,
    /// Issue → open pull requests that will close it.
    linked: HashMap<(RepoName, u64), BTreeSet<(RepoName, u64)>>,
    /// When a sync was last complete.
    synced_at: Option<Timestamp>,
}

impl Catalogue {
    /// A catalogue from stored entries.
    pub fn from_entries(entries: Vec<RepoEntry>, synced_at: Option<Timestamp>) -> Self {
        let mut catalogue = Self {
            synced_at,
            ..Self::default()
        };
        for entry in entries {
            let name = entry.name.clone();
            catalogue.repos.insert(name.clone(), entry);
            catalogue.relink(&name);
        }
        catalogue
    }

    /// All repositories, by name.
    pub fn repos(&self) -> impl Iterator<Item = &RepoEntry> {
        self.repos.values()
    }

    /// One repository.
    pub fn repo(&self, name: &RepoName) -> Option<&RepoEntry> {
        self.repos.get(name)
    }

    /// One open issue.
    pub fn issue(&self, repo: &RepoName, number: u64) -> Option<&IssueSummary> {
        self.repos.get(repo)?.issues.get(&number)
    }

    /// The open pull request that will close this issue.
    pub fn linked_pull(&self, repo: &RepoName, number: u64) -> Option<&(RepoName, u64)> {
        self.linked.get(&(repo.clone(), number))?.first()
    }

    /// The address of the newest open pull request that will close this issue.
    pub(super) fn newest_linked(&self, repo: &RepoName, number: u64) -> Option<Arc<str>> {
        let linked = self.linked.get(&(repo.clone(), number))?;
        let (home, pull) = linked.last()?;
        Some(self.repo(home)?.pulls.get(pull)?.url.clone())
    }

    /// When a sync was last complete.
    pub fn synced_at(&self) -> Option<Timestamp> {
        self.synced_at
    }

    /// Notes that a sync is complete.
    pub(super) fn complete(&mut self, at: Timestamp) {
        self.synced_at = Some(at);
    }

    /// An update by which one issue, known as open until now, is closed.
    pub fn closing(&self, repo: &RepoName, number: u64, at: Timestamp) -> Option<CatalogueUpdate> {
        let mut issue = self.issue(repo, number)?.clone();
        issue.state = IssueState::Closed;
        issue.updated_at = issue.updated_at.max(at);
        let repos = vec![RepoUpdate::of_issues(repo.clone(), vec![issue])];
        Some(CatalogueUpdate {
            repos,
            ..CatalogueUpdate::default()
        })
    }

    /// Number of open issues.
    pub fn open_issues(&self) -> usize {
        self.repos.values().map(|entry| entry.issues.len()).sum()
    }

    /// How far the repositories of an update were fetched before it.
    pub(super) fn cursors(&self, update: &CatalogueUpdate) -> Vec<Cursors> {
        let before = |repo: &RepoUpdate| {
            let known = self.repos.get(&repo.name);
            let open = |entry: &RepoEntry| (entry.pulls.clone(), entry.closes_elsewhere.clone());
            Cursors {
                repo: repo.name.clone(),
                issues: known.and_then(|entry| entry.issues_cursor),
                pulls: known.and_then(|entry| entry.pulls_cursor),
                open: repo
                    .tells_of_pulls()
                    .then(|| known.map(open).unwrap_or_default()),
            }
        };
        update.repos.iter().map(before).collect()
    }

    /// Goes back to earlier cursors: what came since is fetched again.
    pub(super) fn rewind(&mut self, cursors: Cursors) {
        let Some(entry) = self.repos.get_mut(&cursors.repo) else {
            return;
        };
        entry.issues_cursor = cursors.issues;
        entry.pulls_cursor = cursors.pulls;
        if let Some(open) = cursors.open {
            (entry.pulls, entry.closes_elsewhere) = open;
            self.relink(&cursors.repo);
        }
    }

    /// Takes an update in and tells what follows from it.
    pub(super) fn apply(&mut self, update: CatalogueUpdate) -> Consequences {
        let mut consequences = Consequences {
            facts: update.facts,
            ..Consequences::default()
        };
        for name in &update.dropped {
            self.repos.remove(name);
            // Links into it stay: those pull requests are open elsewhere.
            self.unlink(name);
        }
        for repo in update.repos {
            self.apply_repo(repo, &mut consequences);
        }
        for (repo, number) in &update.gone {
            if let Some(entry) = self.repos.get_mut(repo) {
                entry.issues.remove(number);
            }
        }
        consequences
    }

    fn apply_repo(&mut self, mut update: RepoUpdate, consequences: &mut Consequences) {
        let relink = update.tells_of_pulls();
        let entry = self
            .repos
            .entry(update.name.clone())
            .or_insert_with(|| RepoEntry {
                name: update.name.clone(),
                private: false,
                issues: BTreeMap::new(),
                pulls: BTreeMap::new(),
                synced_at: Timestamp::UNIX_EPOCH,
                issues_cursor: None,
                pulls_cursor: None,
                reconciled_at: None,
                closes_elsewhere: Vec::new(),
            });
        if update.synced_at.is_some() {
            // GitHub's own spelling; a look at one issue may have brought another.
            entry.name = update.name.clone();
        }
        entry.private = update.private.unwrap_or(entry.private);
        entry.synced_at = update.synced_at.unwrap_or(entry.synced_at);
        entry.issues_cursor = entry.issues_cursor.max(update.issues_cursor);
        entry.pulls_cursor = entry.pulls_cursor.max(update.pulls_cursor);
        // Pull requests first: a merge and the closing it causes often come in one sync, and the
        // claim goes through both. They come newest first, but happened the other way round.
        update.pulls.sort_by_key(|pull| pull.summary.updated_at);
        for pull in &update.pulls {
            pull_facts(entry, pull, consequences);
        }
        if update.complete {
            entry.issues.clear();
            entry.pulls.clear();
            entry.closes_elsewhere.clear();
            entry.reconciled_at = update.synced_at;
        }
        apply_pulls(entry, update.pulls);
        apply_issues(entry, update.issues, consequences);
        if let Some(open) = update.open_numbers {
            let open: std::collections::HashSet<u64> = open.into_iter().collect();
            entry.issues.retain(|number, _| open.contains(number));
            entry.reconciled_at = update.synced_at;
        }
        if relink {
            self.relink(&update.name);
        }
    }

    /// Forgets what the pull requests of this repository will close.
    fn unlink(&mut self, name: &RepoName) {
        self.linked.retain(|_, pulls| {
            pulls.retain(|(source, _)| source != name);
            !pulls.is_empty()
        });
    }

    fn relink(&mut self, name: &RepoName) {
        self.unlink(name);
        let Some(entry) = self.repos.get(name) else {
            return;
        };
        for pull in entry.pulls.values() {
            for issue in &pull.closes {
                self.linked
                    .entry((name.clone(), *issue))
                    .or_default()
                    .insert((name.clone(), pull.number));
            }
        }
        for (pull, repo, issue) in &entry.closes_elsewhere {
            self.linked
                .entry((repo.clone(), *issue))
                .or_default()
                .insert((name.clone(), *pull));
        }
    }
}

fn apply_issues(entry: &mut RepoEntry, issues: Vec<IssueSummary>, consequences: &mut Consequences) {
    for issue in issues {
        // The overlap of two syncs brings old news; it must not undo newer ones.
        let known = entry.issues.get(&issue.number);
        if known.is_some_and(|known| known.updated_at > issue.updated_at) {
            continue;
        }
        if known.is_none_or(|known| *known != issue) {
            consequences.changed += 1;
        }
        match issue.state {
            IssueState::Open => {
                entry.issues.insert(issue.number, issue);
            }
            IssueState::Closed => {
                if entry.issues.remove(&issue.number).is_some() {
                    consequences.events.push(Change::IssueClosed {
                        repo: entry.name.clone(),
                        issue_number: issue.number,
                        issue_title: issue.title,
                    });
                }
                let closed = GitHubFact::IssueClosed;
                consequences
                    .facts
                    .push((entry.name.clone(), issue.number, closed));
            }
        }
    }
}

/// What a pull request tells of the issues that it will close. That it is open is told once: later
/// changes of it say nothing new of a claim that was granted meanwhile.
fn pull_facts(entry: &RepoEntry, pull: &SyncedPullRequest, consequences: &mut Consequences) {
    let summary = &pull.summary;
    let url: Arc<str> = summary.url.clone();
    let fact = match summary.state {
        PullRequestState::Open => GitHubFact::PullRequestOpen(url),
        PullRequestState::Merged => GitHubFact::PullRequestMerged {
            url,
            at: pull.merged_at,
        },
        PullRequestState::Closed => GitHubFact::PullRequestClosed(url),
    };
    let is_open = summary.state == PullRequestState::Open;
    let known = entry.pulls.get(&summary.number).filter(|_| is_open);
    let here = summary.closes.iter().copied();
    let here = here.filter(|issue| known.is_none_or(|known| !known.closes.contains(issue)));
    let elsewhere = pull.closes_elsewhere.iter().filter(|(repo, issue)| {
        let link = (summary.number, repo.clone(), *issue);
        known.is_none() || !entry.closes_elsewhere.contains(&link)
    });
    let here = here.map(|issue| (entry.name.clone(), issue));
    let all = here.chain(elsewhere.cloned());
    let facts = all.map(|(repo, issue)| (repo, issue, fact.clone()));
    consequences.facts.extend(facts);
}

fn apply_pulls(entry: &mut RepoEntry, pulls: Vec<SyncedPullRequest>) {
    for pull in pulls {
        let number = pull.summary.number;
        entry
            .closes_elsewhere
            .retain(|(known, _, _)| *known != number);
        if pull.summary.state == PullRequestState::Open {
            let elsewhere = pull.closes_elsewhere.into_iter();
            entry
                .closes_elsewhere
                .extend(elsewhere.map(|(repo, issue)| (number, repo, issue)));
            entry.pulls.insert(number, pull.summary);
        } else {
            entry.pulls.remove(&number);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An issue without anything special.
    pub fn issue(number: u64, state: IssueState, minute: i64) -> IssueSummary {
        IssueSummary {
            number,
            title: "t".into(),
            state,
            labels: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            comments: 0,
            blocked_by: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::from_second(minute * 60).unwrap(),
        }
    }

    fn pull(number: u64, state: PullRequestState, closes: &[u64]) -> SyncedPullRequest {
        SyncedPullRequest {
            summary: PullRequestSummary {
                number,
                title: "p".into(),
                state,
                draft: false,
                url: format!("https://github.com/o/r/pull/{number}").into(),
                closes: closes.to_vec(),
                updated_at: Timestamp::UNIX_EPOCH,
            },
            closes_elsewhere: Vec::new(),
            merged_at: (state == PullRequestState::Merged).then_some(Timestamp::UNIX_EPOCH),
        }
    }

    fn update(issues: Vec<IssueSummary>, pulls: Vec<SyncedPullRequest>) -> CatalogueUpdate {
        let name: RepoName = "o/r".parse().unwrap();
        let mut repo = RepoUpdate::unchanged(name, false, Timestamp::UNIX_EPOCH);
        repo.issues = issues;
        repo.pulls = pulls;
        CatalogueUpdate {
            repos: vec![repo],
            ..CatalogueUpdate::default()
        }
    }

    #[test]
    fn closed_issues_leave_and_old_news_changes_nothing() {
        let mut catalogue = Catalogue::default();
        let name: RepoName = "o/r".parse().unwrap();
        catalogue.apply(update(
            vec![issue(1, IssueState::Open, 1), issue(2, IssueState::Open, 1)],
            vec![],
        ));
        let closed = catalogue.apply(update(vec![issue(1, IssueState::Closed, 5)], vec![]));
        assert_eq!(closed.events.len(), 1);
        assert_eq!(closed.facts, [(name.clone(), 1, GitHubFact::IssueClosed)]);
        assert!(catalogue.issue(&name, 1).is_none());
        catalogue.apply(update(vec![issue(2, IssueState::Open, 9)], vec![]));
        let stale = catalogue.apply(update(vec![issue(2, IssueState::Closed, 3)], vec![]));
        assert_eq!(stale.changed, 0);
        assert!(catalogue.issue(&name, 2).is_some());
    }

    #[test]
    fn a_missing_number_is_forgotten_but_is_no_fact() {
        let mut catalogue = Catalogue::default();
        catalogue.apply(update(
            vec![issue(1, IssueState::Open, 1), issue(2, IssueState::Open, 1)],
            vec![],
        ));
        let mut compare = update(vec![], vec![]);
        compare.repos[0].open_numbers = Some(vec![2]);
        let consequences = catalogue.apply(compare);
        assert!(consequences.facts.is_empty());
        assert_eq!(catalogue.open_issues(), 1);
    }

    #[test]
    fn pull_requests_link_issues_while_they_are_open() {
        let mut catalogue = Catalogue::default();
        let name: RepoName = "o/r".parse().unwrap();
        catalogue.apply(update(
            vec![issue(1, IssueState::Open, 1)],
            vec![pull(9, PullRequestState::Open, &[1])],
        ));
        assert_eq!(catalogue.linked_pull(&name, 1), Some(&(name.clone(), 9)));
        let merged = catalogue.apply(update(
            vec![],
            vec![pull(9, PullRequestState::Merged, &[1])],
        ));
        assert!(matches!(
            merged.facts[0].2,
            GitHubFact::PullRequestMerged { .. }
        ));
        assert_eq!(catalogue.linked_pull(&name, 1), None);
    }

    #[test]
    fn a_pull_request_is_told_as_open_once_for_an_issue() {
        let mut catalogue = Catalogue::default();
        let mut told = |pulls: Vec<SyncedPullRequest>| -> Vec<u64> {
            let facts = catalogue.apply(update(vec![], pulls)).facts;
            facts.into_iter().map(|(_, issue, _)| issue).collect()
        };
        let open = |closes: &[u64]| pull(9, PullRequestState::Open, closes);
        assert_eq!(told(vec![open(&[1])]), [1]);
        assert!(told(vec![open(&[1])]).is_empty(), "it was edited");
        assert_eq!(told(vec![open(&[1, 2])]), [2], "a link was added");
        let mut elsewhere = open(&[1, 2]);
        elsewhere.closes_elsewhere = vec![("o/other".parse().unwrap(), 5)];
        assert_eq!(told(vec![elsewhere.clone()]), [5]);
        assert!(told(vec![elsewhere.clone()]).is_empty());
        // All that is open, once more.
        let mut all = update(vec![], vec![elsewhere]);
        all.repos[0].complete = true;
        assert!(catalogue.apply(all).facts.is_empty());
        let closed = pull(9, PullRequestState::Closed, &[1]);
        assert_eq!(catalogue.apply(update(vec![], vec![closed])).facts.len(), 1);
        let reopened = catalogue.apply(update(vec![], vec![open(&[1])]));
        assert_eq!(reopened.facts.len(), 1);
    }

    #[test]
    fn what_a_refused_batch_took_in_is_told_again() {
        let mut catalogue = Catalogue::default();
        catalogue.apply(update(vec![], vec![pull(8, PullRequestState::Open, &[])]));
        let before = catalogue.clone();
        let page = update(vec![], vec![pull(9, PullRequestState::Open, &[1])]);
        let cursors = catalogue.cursors(&page);
        assert_eq!(catalogue.apply(page.clone()).facts.len(), 1);
        for cursors in cursors {
            catalogue.rewind(cursors);
        }
        assert_eq!(catalogue, before);
        assert_eq!(catalogue.apply(page).facts.len(), 1);
    }

    #[test]
    fn pull_requests_happen_in_the_order_of_their_changes() {
        let mut catalogue = Catalogue::default();
        let mut newer = pull(9, PullRequestState::Merged, &[1]);
        newer.summary.updated_at = Timestamp::from_second(60).unwrap();
        let older = pull(8, PullRequestState::Closed, &[1]);
        let facts = catalogue.apply(update(vec![], vec![newer, older])).facts;
        assert!(matches!(facts[0].2, GitHubFact::PullRequestClosed(_)));
    }

    #[test]
    fn a_stored_catalogue_comes_back_the_same() {
        let mut catalogue = Catalogue::default();
        catalogue.apply(update(
            vec![issue(1, IssueState::Open, 1)],
            vec![pull(9, PullRequestState::Open, &[1])],
        ));
        let entries: Vec<RepoEntry> = catalogue.repos().cloned().collect();
        let text = serde_json::to_string(&entries).unwrap();
        let again = Catalogue::from_entries(serde_json::from_str(&text).unwrap(), None);
        assert_eq!(again, catalogue);
    }
}
