//! Which claim led to which pull request.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::View;
use crate::claim::Claim;
use crate::domain::{RepoName, parse_pull_request_url};

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
}
