//! What is true on GitHub, and the pages it hands out: whole, in part, late, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::GitHubFact;
use issuecommand::coordinator::RepoUpdate;
use issuecommand::domain::{
    IssueState, IssueSummary, Milestone, PullRequestState, PullRequestSummary, RepoName, later,
};
use issuecommand::gh::SyncedPullRequest;
use jiff::Timestamp;

use super::random::Random;

/// Labels with their level by the built-in scheme and by the configured one (`now`, `soon`).
pub const LABELS: [(&str, Option<u8>, Option<u8>); 12] = [
    ("P0", Some(0), None),
    ("p1", Some(1), None),
    ("Priority: High", Some(1), None),
    ("severity/medium", Some(2), None),
    ("priority-low", Some(3), None),
    ("P4", Some(4), None),
    ("URGENT", Some(0), None),
    ("now", None, Some(0)),
    ("Soon", None, Some(1)),
    ("bug", None, None),
    ("blocked", None, None),
    ("WontFix", None, None),
];
/// The label that keeps an issue from being handed out, as SKIP_LABELS has it.
pub const SKIPPED: &str = "wontfix";
/// Who may be assigned; the first is the account in use.
pub const LOGINS: [&str; 3] = ["robot", "mona", "hubot"];
/// Issues have low numbers, pull requests begin here.
const FIRST_PULL: u64 = 100;

/// One repository.
#[derive(Clone)]
pub struct HubRepo {
    pub name: RepoName,
    pub issues: BTreeMap<u64, IssueSummary>,
    /// Why an issue is no longer there.
    pub gone: BTreeMap<u64, &'static str>,
    pub pulls: BTreeMap<u64, SyncedPullRequest>,
}

/// GitHub.
#[derive(Clone)]
pub struct Hub {
    pub repos: Vec<HubRepo>,
}

impl Hub {
    /// Repositories with issues.
    pub fn new(names: &[RepoName], random: &mut Random, now: Timestamp) -> Self {
        let repo = |name: &RepoName| {
            let count = random.between(3, 12) as u64;
            let issues = (1..=count).map(|number| (number, issue(number, random, now)));
            HubRepo {
                name: name.clone(),
                issues: issues.collect(),
                gone: BTreeMap::new(),
                pulls: BTreeMap::new(),
            }
        };
        Self {
            repos: names.iter().map(repo).collect(),
        }
    }

    /// Something happens; told in words for the trace.
    pub fn mutate(&mut self, random: &mut Random, now: Timestamp) -> String {
        let at = random.below(self.repos.len());
        let elsewhere = self.elsewhere(at, random);
        let repo = &mut self.repos[at];
        let numbers: Vec<u64> = repo.issues.keys().copied().collect();
        let number = random.pick(&numbers).copied().unwrap_or(1);
        if random.chance(45) {
            return repo.mutate_pull(random, number, elsewhere, now);
        }
        let name = repo.name.clone();
        let Some(issue) = repo.issues.get_mut(&number) else {
            return format!("{name} is empty");
        };
        issue.updated_at = now;
        let is_open = issue.state == IssueState::Open;
        match random.below(9) {
            0 | 1 if is_open => issue.state = IssueState::Closed,
            0..=3 => issue.state = IssueState::Open,
            4 => label(issue, random),
            5 => assign(issue, random),
            6 => issue.milestone = milestone(random, now),
            7 => issue.blocked_by = u32::from(issue.blocked_by == 0 && random.chance(60)),
            _ if random.chance(25) => {
                repo.issues.remove(&number);
                repo.gone
                    .insert(number, random.one_of(["transferred on GitHub", "deleted"]));
                return format!("{name}#{number} is gone");
            }
            _ => issue.comments += 1,
        }
        format!("{name}#{number} is now {issue:?}")
    }

    /// An issue of another repository that a pull request may close.
    fn elsewhere(&self, at: usize, random: &mut Random) -> Vec<(RepoName, u64)> {
        let other = random.below(self.repos.len());
        if other == at || random.chance(70) {
            return Vec::new();
        }
        vec![(self.repos[other].name.clone(), random.between(1, 6) as u64)]
    }

    /// What GitHub says of one issue that is asked for.
    pub fn look_at(&self, repo: usize, number: u64) -> Option<GitHubFact> {
        let repo = &self.repos[repo];
        match repo.issues.get(&number) {
            Some(issue) if issue.state == IssueState::Closed => Some(GitHubFact::IssueClosed),
            Some(_) => None,
            None => Some(GitHubFact::IssueGone(
                repo.gone.get(&number).copied().unwrap_or("gone"),
            )),
        }
    }

    /// Whether work on the issue makes sense.
    pub fn is_open(&self, repo: usize, number: u64) -> bool {
        let issue = self.repos[repo].issues.get(&number);
        issue.is_some_and(|issue| issue.state == IssueState::Open)
    }
}

impl HubRepo {
    fn mutate_pull(
        &mut self,
        random: &mut Random,
        issue: u64,
        closes_elsewhere: Vec<(RepoName, u64)>,
        now: Timestamp,
    ) -> String {
        let numbers: Vec<u64> = self.pulls.keys().copied().collect();
        let known = random.pick(&numbers).copied().filter(|_| random.chance(65));
        let Some(pull) = known.and_then(|number| self.pulls.get_mut(&number)) else {
            let number = FIRST_PULL + numbers.len() as u64;
            let mut closes = vec![issue];
            if random.chance(25) {
                closes.push(random.between(1, 6) as u64);
            }
            let summary = PullRequestSummary {
                number,
                title: "a change".into(),
                state: PullRequestState::Open,
                draft: false,
                url: format!("https://github.com/{}/pull/{number}", self.name).into(),
                closes,
                updated_at: now,
            };
            let told = format!(
                "{} has pull request {summary:?} {closes_elsewhere:?}",
                self.name
            );
            self.pulls.insert(
                number,
                SyncedPullRequest {
                    summary,
                    closes_elsewhere,
                    merged_at: None,
                },
            );
            return told;
        };
        pull.summary.updated_at = now;
        pull.summary.state = match (pull.summary.state, random.below(3)) {
            (PullRequestState::Open, 0 | 1) => PullRequestState::Merged,
            (PullRequestState::Open, _) => PullRequestState::Closed,
            (PullRequestState::Closed, _) => PullRequestState::Open,
            (PullRequestState::Merged, _) => PullRequestState::Merged,
        };
        if pull.summary.state == PullRequestState::Merged && pull.merged_at.is_none() {
            pull.merged_at = Some(now);
        }
        if pull.summary.state == PullRequestState::Merged && random.chance(70) {
            for number in &pull.summary.closes {
                if let Some(issue) = self.issues.get_mut(number) {
                    (issue.state, issue.updated_at) = (IssueState::Closed, now);
                }
            }
        }
        format!(
            "{}: pull request {} is {:?}",
            self.name, pull.summary.number, pull.summary.state
        )
    }

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

fn issue(number: u64, random: &mut Random, now: Timestamp) -> IssueSummary {
    let age = Duration::from_secs(86_400 * random.between(0, 4) as u64);
    let created_at = now.checked_sub(age).unwrap_or(now);
    let mut issue = IssueSummary {
        number,
        title: format!("issue {number}").into(),
        state: if random.chance(90) {
            IssueState::Open
        } else {
            IssueState::Closed
        },
        labels: Vec::new(),
        assignees: Vec::new(),
        milestone: milestone(random, now),
        comments: 0,
        blocked_by: u32::from(random.chance(8)),
        created_at,
        updated_at: created_at,
    };
    label(&mut issue, random);
    if random.chance(20) {
        assign(&mut issue, random);
    }
    issue
}

fn label(issue: &mut IssueSummary, random: &mut Random) {
    issue.labels.clear();
    for _ in 0..random.below(3) {
        let (label, _, _) = random.one_of(LABELS);
        issue.labels.push(label.into());
    }
}

fn assign(issue: &mut IssueSummary, random: &mut Random) {
    issue.assignees.clear();
    if random.chance(60) {
        issue.assignees.push(Arc::from(random.one_of(LOGINS)));
    }
}

fn milestone(random: &mut Random, now: Timestamp) -> Option<Milestone> {
    random.chance(30).then(|| Milestone {
        title: random.one_of(["v1", "V2"]).into(),
        due_on: random.chance(70).then(|| {
            later(
                now,
                Duration::from_secs(86_400 * random.between(1, 3) as u64),
            )
        }),
    })
}
