//! Which claim led to which pull request.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::View;
use crate::claim::{Claim, Status};
use crate::domain::{RepoName, parse_pull_request_url, split_pull_request_url};

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

    /// Claims with a pull request that is not known to be open or merged. Whether it says that it
    /// closes the issue does not matter: the holder named it.
    pub(super) fn claims_with_doubtful_pulls(&self) -> Vec<(Arc<Claim>, RepoName, u64)> {
        let doubtful = |claim: &Arc<Claim>| {
            let url = claim.pr_url.as_deref()?;
            let (repo, number) = split_pull_request_url(url, self.host)?;
            let entry = self.catalogue.repo(&repo);
            let is_open = entry.is_some_and(|entry| entry.pulls.contains_key(&number));
            let is_settled = is_open || claim.working_status() == Status::PrMerged;
            (!is_settled).then(|| (claim.clone(), repo, number))
        };
        self.ledger.active().filter_map(doubtful).collect()
    }
}
