//! Sync for servers that refuse GraphQL: a page of each repository at a fixed address, with its
//! ETag, so that an unchanged repository costs a 304. Links from pull requests to issues are not
//! told by REST: pull requests are then noticed by their merge closing the issue.

use jiff::{SignedDuration, Timestamp};

use super::sync::{SyncError, Syncer, known_cursors, scopes};
use super::{CatalogueUpdate, RepoEntry, RepoUpdate};
use crate::domain::{RepoName, limits};
use crate::gh::{GhError, ProbePage, RepoProbe};

const PAGE: u32 = 100;
/// As for GraphQL: clocks have a resolution of a second, and replicas lag.
const OVERLAP: SignedDuration = SignedDuration::from_mins(3);
/// All open issues are listed anew this often: deleted ones are in no list of changes.
const FULL_EVERY: SignedDuration = SignedDuration::from_hours(24);

impl Syncer {
    /// Brings the catalogue up to date by REST.
    pub(super) async fn sync_by_rest(
        &self,
        problem: &mut Option<GhError>,
    ) -> Result<(ProbePage, u64), SyncError> {
        let mut found = ProbePage::default();
        for scope in scopes(&self.0.settings.allowed) {
            let repositories = self.0.gh.repositories_by_rest(&scope).await;
            let page = repositories.map(|repositories| ProbePage {
                repositories,
                ..ProbePage::default()
            });
            found.add_scope(&scope, page)?;
        }
        let probes = self.look_after_unlisted(&found, problem).await?;
        let names: Vec<RepoName> = probes.iter().map(|probe| probe.name.clone()).collect();
        let known = self
            .0
            .coordinator
            .read(move |view| (known_cursors(view.catalogue, &names), view.now));
        let (known, now) = known.await?;
        let mut changed = 0;
        for probe in probes
            .iter()
            .filter(|probe| !probe.archived && probe.has_issues)
        {
            self.note(|report| {
                report.progress = Some(format!("fetching issues of {}", probe.name))
            });
            match self.repo_by_rest(probe, known.get(&probe.name), now).await {
                Ok(update) => {
                    let update = CatalogueUpdate {
                        repos: vec![update],
                        ..CatalogueUpdate::default()
                    };
                    changed += self.take_in(update).await?;
                }
                Err(error) => {
                    *problem = Some(error.clone());
                    if error.is_outage() {
                        break;
                    }
                }
            }
        }
        Ok((found, changed))
    }

    async fn repo_by_rest(
        &self,
        probe: &RepoProbe,
        known: Option<&RepoEntry>,
        now: Timestamp,
    ) -> Result<RepoUpdate, GhError> {
        let listed_at = known.and_then(|known| known.reconciled_at);
        let recent = listed_at.is_some_and(|at| now.duration_since(at) < FULL_EVERY);
        let cursor = known
            .and_then(|known| known.issues_cursor)
            .filter(|_| recent);
        let state = if cursor.is_some() { "all" } else { "open" };
        let mut update = RepoUpdate::unchanged(probe.name.clone(), probe.private, now);
        update.complete = cursor.is_none();
        for page in 1..=u32::try_from(limits::PAGES_MAX).unwrap_or(u32::MAX) {
            let listing = self
                .0
                .gh
                .list_issues(&probe.name, state, &[], PAGE, page)
                .await?;
            let oldest = listing.last_updated;
            update.issues.extend(listing.issues);
            let reached = cursor.is_some_and(|cursor| {
                oldest.is_none_or(|oldest| oldest < cursor.checked_sub(OVERLAP).unwrap_or(cursor))
            });
            if reached || listing.next_page.is_none() {
                break;
            }
        }
        let newest = update.issues.iter().map(|issue| issue.updated_at).max();
        // An empty repository has been looked at too: changes are fetched from now on.
        update.issues_cursor = newest.or(Some(Timestamp::UNIX_EPOCH));
        Ok(update)
    }
}
