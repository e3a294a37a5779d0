//! Looks at what is claimed, one by one, where the lists do not tell how it stands: only an issue's
//! own state, and that of the pull request its holder named, changes a claim.

use std::collections::HashSet;

use super::sync::{SyncError, Syncer};
use super::{CatalogueUpdate, View};
use crate::claim::{Claim, GitHubFact};
use crate::domain::{IssueState, PullRequestState, RepoName};
use crate::gh::{GhError, IssueLookup, ProbePage, RepoProbe};
use crate::process::Priority;

impl Syncer {
    /// Looks at claimed issues of repositories that are not among those found, before anything of a
    /// new one can be had: it may be one of these under another name. Tells which of those found can
    /// be visited: without GitHub's word on the claimed issues only those that are not new.
    pub(super) async fn look_after_unlisted(
        &self,
        found: &ProbePage,
        problem: &mut Option<GhError>,
    ) -> Result<Vec<RepoProbe>, SyncError> {
        let mut probes = found.repositories.clone();
        let names = names(found);
        let unlisted = self
            .0
            .coordinator
            .read(move |view| view.claimed(|claim| !names.contains(&claim.repo)));
        let mut update = CatalogueUpdate::default();
        for (repo, number) in unlisted.await? {
            match self.look_at(&repo, number).await {
                Ok(fact) => update.facts.extend(fact.map(|fact| (repo, number, fact))),
                Err(error) if error.is_outage() => {
                    *problem = Some(error);
                    let known = self.0.coordinator.read(|view| {
                        let synced = view.catalogue.repos().filter(|entry| entry.is_synced());
                        synced
                            .map(|entry| entry.name.clone())
                            .collect::<HashSet<_>>()
                    });
                    let known = known.await?;
                    probes.retain(|probe| known.contains(&probe.name));
                    break;
                }
                // What is refused is not one of those found.
                Err(error) => tracing::info!(%error, %repo, number, "a claimed issue is not shown"),
            }
        }
        self.take_in(update).await?;
        Ok(probes)
    }

    /// Claimed issues that the catalogue does not know as open are looked at one by one: only an
    /// issue's own state changes a claim.
    pub(super) async fn look_after_claims(
        &self,
        found: &ProbePage,
        by_rest: bool,
        problem: &mut Option<GhError>,
    ) -> Result<(), SyncError> {
        let probes = found.repositories.iter();
        let archived: HashSet<RepoName> = probes
            .filter(|probe| probe.archived)
            .map(|probe| probe.name.clone())
            .collect();
        let seen = names(found);
        let listed = seen.clone();
        let doubtful = self.0.coordinator.read(move |view| {
            let catalogue = view.catalogue;
            let is_known = |it: &Claim| catalogue.issue(&it.repo, it.issue_number).is_some();
            view.claimed(|claim| listed.contains(&claim.repo) && !is_known(claim))
        });
        let mut update = CatalogueUpdate {
            // Pull requests first, as in a page: a claim goes through a merge and the closing it
            // causes.
            facts: self.look_at_pulls(by_rest, problem).await?,
            ..CatalogueUpdate::default()
        };
        for (repo, number) in doubtful.await? {
            if archived.contains(&repo) {
                update
                    .facts
                    .push((repo, number, GitHubFact::IssueGone("repository archived")));
                continue;
            }
            match self.look_at(&repo, number).await {
                Ok(Some(fact)) => update.facts.push((repo, number, fact)),
                Ok(None) => {}
                Err(error) => {
                    *problem = Some(error.clone());
                    if error.is_outage() {
                        break;
                    }
                }
            }
        }
        update.dropped.extend(archived);
        update.dropped.extend(found.missing.iter().cloned());
        // Only a complete list of repositories tells which are no longer accessible.
        if found.unknown.is_none() {
            let known = self.0.coordinator.read(|view| {
                let known = view.catalogue.repos();
                known.map(|entry| entry.name.clone()).collect::<Vec<_>>()
            });
            let known = known.await?.into_iter();
            update
                .dropped
                .extend(known.filter(|name| !seen.contains(name)));
        }
        self.take_in(update).await?;
        Ok(())
    }

    /// What became of pull requests that claims name and the catalogue does not know as open. One
    /// that closes its issue by its own words has told it by now. By REST none does, and each costs
    /// a call.
    async fn look_at_pulls(
        &self,
        by_rest: bool,
        problem: &mut Option<GhError>,
    ) -> Result<Vec<(RepoName, u64, GitHubFact)>, SyncError> {
        let doubtful = move |view: &View<'_>| view.claims_with_doubtful_pulls(by_rest);
        let mut facts = Vec::new();
        for (claim, repo, number) in self.0.coordinator.read(doubtful).await? {
            let Some(url) = claim.pr_url.clone() else {
                continue;
            };
            let ask = self.0.gh.pull_request(&repo, number, Priority::Ordinary);
            let fact = match ask.await.map(|pull| pull.state) {
                Ok(PullRequestState::Merged) => GitHubFact::PullRequestMerged { url, at: None },
                Ok(PullRequestState::Closed) => GitHubFact::PullRequestClosed(url),
                Ok(PullRequestState::Open) | Err(GhError::NotFound(_) | GhError::Gone(_)) => {
                    continue;
                }
                Err(error) => {
                    let is_outage = error.is_outage();
                    *problem = Some(error);
                    if is_outage {
                        break;
                    }
                    continue;
                }
            };
            facts.push((claim.repo.clone(), claim.issue_number, fact));
        }
        Ok(facts)
    }

    /// What became of one claimed issue.
    async fn look_at(&self, repo: &RepoName, number: u64) -> Result<Option<GitHubFact>, GhError> {
        match self.0.gh.issue(repo, number, Priority::Ordinary).await? {
            IssueLookup::Found(issue) if issue.summary.state == IssueState::Closed => {
                Ok(Some(GitHubFact::IssueClosed))
            }
            IssueLookup::Found(_) | IssueLookup::IsPullRequest => Ok(None),
            IssueLookup::Transferred => Ok(Some(GitHubFact::IssueGone("transferred on GitHub"))),
            IssueLookup::Deleted => Ok(Some(GitHubFact::IssueGone("deleted on GitHub"))),
            IssueLookup::Unknown => match self.0.gh.repository_is_archived(repo).await {
                Ok(_) => Ok(Some(GitHubFact::IssueGone(
                    "deleted on GitHub or converted to a discussion",
                ))),
                Err(GhError::NotFound(_)) => Ok(Some(GitHubFact::IssueGone(
                    "repository no longer accessible",
                ))),
                Err(error) => Err(error),
            },
        }
    }
}

fn names(found: &ProbePage) -> HashSet<RepoName> {
    let probes = found.repositories.iter();
    probes.map(|probe| probe.name.clone()).collect()
}
