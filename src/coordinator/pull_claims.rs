//! Which claim led to which pull request, and which claims GitHub has to be asked about.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RepoEntry, View};
use crate::claim::{Claim, Status};
use crate::domain::{IssueSummary, RepoName, parse_pull_request_url, split_pull_request_url};

/// Most repositories that are asked about for one claim; one is what there ever is.
const FORMER_NAMES_MAX: usize = 8;

impl View<'_> {
    /// The active claims behind the open pull requests of a repository, by their numbers: the
    /// holder named the pull request, or it says that it closes the issue.
    pub fn claims_by_pull(&self, repo: &RepoName) -> BTreeMap<u64, Arc<Claim>> {
        let mut found = BTreeMap::new();
        for claim in self.ledger.active() {
            let linked = self
                .catalogue
                .linked_pull(&claim.repo, claim.issue_number)
                .filter(|(home, _)| home == repo);
            if let Some((_, number)) = linked {
                found.entry(*number).or_insert_with(|| claim.clone());
            }
        }
        // What a holder says counts more than what a description says.
        for claim in self.ledger.active() {
            let url = claim.pr_url.as_deref();
            let named = url.and_then(|url| parse_pull_request_url(url, self.host, repo).ok());
            if let Some(number) = named {
                found.insert(number, claim.clone());
            }
        }
        found
    }

    /// The issues of some active claims of this host.
    pub(super) fn claimed(&self, wanted: impl Fn(&Claim) -> bool) -> Vec<(RepoName, u64)> {
        let claims = self.ledger.active();
        let claims = claims.filter(|claim| claim.host == *self.host && wanted(claim));
        claims
            .map(|claim| (claim.repo.clone(), claim.issue_number))
            .collect()
    }

    /// Other repositories that may be this one under a former name, when no sync has seen it under
    /// this one: they have an issue of the same number and time, or one is claimed there of which
    /// nothing is known.
    pub fn former_names(&self, repo: &RepoName, issue: &IssueSummary) -> Vec<RepoName> {
        if self.catalogue.repo(repo).is_some_and(RepoEntry::is_synced) {
            return Vec::new();
        }
        let number = issue.number;
        let is_same = |entry: &&RepoEntry| {
            let known = entry.issues.get(&number);
            known.is_some_and(|known| known.created_at == issue.created_at)
        };
        let same = self.catalogue.repos().filter(is_same);
        let mut names: Vec<RepoName> = same.map(|entry| entry.name.clone()).collect();
        let is_unknown = |claim: &Claim| {
            claim.issue_number == number && self.catalogue.issue(&claim.repo, number).is_none()
        };
        names.extend(self.claimed(is_unknown).into_iter().map(|(name, _)| name));
        names.retain(|name| name != repo);
        names.truncate(FORMER_NAMES_MAX);
        names
    }

    /// Claims with a pull request that is not known to be open or merged. Whether it says that it
    /// closes the issue does not matter: the holder named it. By REST nothing tells that one is open
    /// no longer.
    pub(super) fn claims_with_doubtful_pulls(
        &self,
        by_rest: bool,
    ) -> Vec<(Arc<Claim>, RepoName, u64)> {
        let doubtful = |claim: &Arc<Claim>| {
            let url = claim.pr_url.as_deref()?;
            let (repo, number) = split_pull_request_url(url, self.host)?;
            let entry = self.catalogue.repo(&repo);
            let is_known = entry.is_some_and(|entry| entry.pulls.contains_key(&number));
            let is_open = is_known && !by_rest;
            let is_settled = is_open || claim.working_status() == Status::PrMerged;
            (!is_settled).then(|| (claim.clone(), repo, number))
        };
        self.ledger.active().filter_map(doubtful).collect()
    }
}
