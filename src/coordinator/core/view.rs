//! What readers see of the owner's state.

use jiff::Timestamp;

use super::{Core, StorageProblem};
use crate::claim::{Candidate, EligibilityRules, Ledger};
use crate::coordinator::Catalogue;
use crate::domain::{Host, IssueKey, IssueSummary, RepoName, RepoPattern};
use crate::store::HistoryReader;

/// What readers see: the state between two batches.
pub struct View<'a> {
    /// Claims.
    pub ledger: &'a Ledger,
    /// Repositories and issues.
    pub catalogue: &'a Catalogue,
    /// Rules of choice.
    pub rules: &'a EligibilityRules,
    /// GitHub instance.
    pub host: &'a Host,
    /// Login in use.
    pub viewer: Option<&'a str>,
    /// The present.
    pub now: Timestamp,
    /// Why the last change or the last snapshot could not be stored.
    pub storage_problem: Option<&'a StorageProblem>,
    allowed: &'a [RepoPattern],
    core: &'a Core,
}

impl View<'_> {
    /// Whether ALLOWED_REPOS lets this repository in.
    pub fn is_allowed(&self, repo: &RepoName) -> bool {
        RepoPattern::let_in(self.allowed, repo)
    }

    /// The issue's key on this host.
    pub fn key(&self, repo: &RepoName, number: u64) -> IssueKey {
        IssueKey {
            host: self.host.clone(),
            repo: repo.clone(),
            number,
        }
    }

    /// An issue with what else decides about it.
    pub fn candidate<'b>(&'b self, issue: &'b IssueSummary, key: &'b IssueKey) -> Candidate<'b> {
        let linked = self.catalogue.linked_pull(&key.repo, key.number);
        Candidate {
            issue,
            key,
            linked_pull_request: linked.map(|(_, number)| *number),
            viewer: self.viewer,
        }
    }

    /// A reader of ended claims that are no longer in memory.
    pub fn history(&self) -> HistoryReader {
        let settings = &self.core.settings;
        HistoryReader::new(
            settings.disk.clone(),
            settings.files.clone(),
            self.core.history,
        )
    }
}

impl Core {
    /// What readers see.
    pub fn view(&self) -> View<'_> {
        let snapshot_problem = self.snapshot_failure.as_ref().map(|it| &it.problem);
        View {
            ledger: &self.ledger,
            catalogue: &self.catalogue,
            rules: &self.settings.rules,
            host: &self.settings.host,
            viewer: self.viewer.as_deref(),
            now: self.batch_time,
            storage_problem: self.storage_problem.as_ref().or(snapshot_problem),
            allowed: &self.settings.allowed,
            core: self,
        }
    }
}
