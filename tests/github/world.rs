//! What exists on the stand-in: accounts, repositories, issues and pull requests.

use std::collections::BTreeMap;

use super::clock::{Clock, RateLimit};
use super::history::History;
use super::issue::{Common, Issue, IssueKey};
use super::merges::Merges;
use super::repository::{Gone, Repository};

/// Everything the stand-in knows, as seen by one user.
#[derive(Debug)]
pub struct World {
    /// The login of the user whose token `gh` sends.
    pub user: String,
    /// The host it stands in for.
    pub host: String,
    /// The repositories.
    pub repositories: Vec<Repository>,
    /// The time of the world.
    pub clock: Clock,
    /// The limit of REST requests.
    pub rest_limit: RateLimit,
    /// The limit of GraphQL points.
    pub graphql_limit: RateLimit,
    /// Whether the host knows which issue blocks which; older Enterprise Servers do not.
    pub issue_dependencies: bool,
    /// The number of top-level fields above which GraphQL runs out of resources.
    pub aliases_max: Option<usize>,
}

impl World {
    /// An empty world with one user.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            host: "github.com".to_owned(),
            repositories: Vec::new(),
            clock: Clock::new(),
            rest_limit: RateLimit::new(5_000),
            graphql_limit: RateLimit::new(5_000),
            issue_dependencies: true,
            aliases_max: None,
        }
    }

    /// Creates a repository from `owner/name`.
    #[track_caller]
    pub fn add_repository(&mut self, full_name: &str) -> &mut Repository {
        let (owner, name) = full_name
            .split_once('/')
            .expect("a repository is owner/name");
        let now = self.clock.tick();
        self.repositories.push(Repository {
            id: 1_000 + self.repositories.len() as u64,
            owner: owner.to_owned(),
            name: name.to_owned(),
            is_private: false,
            is_archived: false,
            may_push: true,
            is_fork: false,
            has_issues: true,
            inaccessible: false,
            default_branch: "main".to_owned(),
            created_at: now,
            updated_at: now,
            pushed_at: now,
            issues: BTreeMap::new(),
            gone: BTreeMap::new(),
            former_names: Vec::new(),
            merges: Merges::default(),
            history: History::default(),
            store: None,
            git: None,
            common: Common::new(self.clock.clone(), full_name.to_owned(), self.user.clone()),
        });
        self.repositories
            .last_mut()
            .expect("it was added a line ago")
    }

    /// A repository, hidden or not.
    #[track_caller]
    pub fn repository(&mut self, full_name: &str) -> &mut Repository {
        let found = self
            .repositories
            .iter_mut()
            .find(|repository| repository.goes_by(full_name));
        found.expect("the repository exists")
    }

    /// An issue or pull request.
    #[track_caller]
    pub fn issue(&mut self, repository: &str, number: u64) -> &mut Issue {
        self.repository(repository).issue(number)
    }

    /// Closes an issue as completed.
    #[track_caller]
    pub fn close_issue(&mut self, repository: &str, number: u64) {
        self.issue(repository, number).close("completed");
    }

    /// Opens an issue again.
    #[track_caller]
    pub fn reopen_issue(&mut self, repository: &str, number: u64) {
        self.issue(repository, number).reopen();
    }

    /// Moves an issue to another repository and returns its number there.
    #[track_caller]
    pub fn transfer_issue(&mut self, repository: &str, number: u64, to: &str) -> u64 {
        let from = self.repository(repository);
        let mut issue = from.issues.remove(&number).expect("the issue exists");
        let target = self.repository(to);
        let key = IssueKey {
            repository: target.full_name(),
            number: target.next_number(),
        };
        let new_number = key.number;
        issue.number = new_number;
        issue.id = target.issue_id(new_number);
        issue.common = target.common.clone();
        issue.touch();
        target.issues.insert(new_number, issue);
        self.repository(repository)
            .gone
            .insert(number, Gone::Transferred(key));
        new_number
    }

    /// Deletes an issue.
    #[track_caller]
    pub fn delete_issue(&mut self, repository: &str, number: u64) {
        let now = self.clock.tick();
        let repository = self.repository(repository);
        repository.issues.remove(&number).expect("the issue exists");
        repository.gone.insert(number, Gone::Deleted);
        repository.updated_at = now;
    }

    /// Merges a pull request and closes the issues it closes.
    #[track_caller]
    pub fn merge_pull_request(&mut self, repository: &str, number: u64) {
        let pull = self.issue(repository, number);
        pull.close("");
        let merged_at = pull.updated_at;
        let details = pull.pull_request.as_mut().expect("it is a pull request");
        details.merged_at = Some(merged_at);
        for key in details.closes.clone() {
            self.close_issue(&key.repository, key.number);
        }
        let repository = self.repository(repository);
        (repository.updated_at, repository.pushed_at) = (merged_at, merged_at);
    }

    /// Closes a pull request without merging it.
    #[track_caller]
    pub fn close_pull_request(&mut self, repository: &str, number: u64) {
        self.issue(repository, number).close("");
    }

    /// Makes a repository read-only.
    #[track_caller]
    pub fn archive(&mut self, repository: &str) {
        let now = self.clock.tick();
        let repository = self.repository(repository);
        (repository.is_archived, repository.updated_at) = (true, now);
    }

    /// Hides a repository from the user, or shows it again.
    #[track_caller]
    pub fn set_inaccessible(&mut self, repository: &str, inaccessible: bool) {
        self.repository(repository).inaccessible = inaccessible;
    }

    /// Renames a repository; the old name leads to the new one, as on GitHub.
    #[track_caller]
    pub fn rename_repository(&mut self, from: &str, to: &str) {
        let (owner, name) = to.split_once('/').expect("a repository is owner/name");
        let now = self.clock.tick();
        let repository = self.repository(from);
        repository.former_names.push(from.to_owned());
        (repository.owner, repository.name) = (owner.to_owned(), name.to_owned());
        repository.updated_at = now;
    }

    /// The repository that the user sees under a name, and whether that is its present name.
    pub(super) fn find(&self, full_name: &str) -> Option<(&Repository, bool)> {
        let visible = || {
            self.repositories
                .iter()
                .filter(|repository| !repository.inaccessible)
        };
        let current = visible().find(|repository| repository.goes_by(full_name));
        current.map(|repository| (repository, true)).or_else(|| {
            let before = |name: &String| name.eq_ignore_ascii_case(full_name);
            let moved = visible().find(|repository| repository.former_names.iter().any(before))?;
            Some((moved, false))
        })
    }

    /// The issue behind a key, if the user sees it.
    pub(super) fn find_issue(&self, key: &IssueKey) -> Option<(&Repository, &Issue)> {
        let (repository, _) = self.find(&key.repository)?;
        match repository.gone.get(&key.number) {
            Some(Gone::Transferred(key)) => self.find_issue(key),
            _ => Some((repository, repository.issues.get(&key.number)?)),
        }
    }

    /// Whether a login is an organisation: in this world every owner but the user is one.
    pub(super) fn is_organization(&self, login: &str) -> bool {
        let owner = |repository: &Repository| repository.owner.eq_ignore_ascii_case(login);
        !login.eq_ignore_ascii_case(&self.user) && self.repositories.iter().any(owner)
    }

    /// Where web pages are.
    pub(super) fn web_url(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Where the REST API is.
    pub(super) fn api_url(&self) -> String {
        if self.host == "github.com" {
            "https://api.github.com".to_owned()
        } else {
            format!("https://{}/api/v3", self.host)
        }
    }
}
