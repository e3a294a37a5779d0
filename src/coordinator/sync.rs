//! Sync: keeps the catalogue in step with GitHub. One runs at a time, at most one more is asked
//! for: requests during a run share the next one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::sync_plan::{self, Visit};
use super::{Answer, CatalogueUpdate, Coordinator, CoordinatorError, Operation, RepoUpdate};
use super::{RepoEntry, write_catalogue};
use crate::domain::{RepoName, RepoPattern, limits};
use crate::gh::{DeltaPage, DeltaRequest, Gh, GhError, ProbePage, ProbeScope, RepoProbe};
use crate::store::{Disk, StateFiles};

/// Repositories in one probe, and in one query of changes, at first; halved when GitHub finds it
/// too much.
const PROBE_PAGE: u32 = 50;
const DELTA_BATCH: usize = 5;

/// What sync is built with.
pub struct SyncSettings {
    /// Time between two runs.
    pub interval: Duration,
    /// ALLOWED_REPOS; empty means all that are accessible.
    pub allowed: Vec<RepoPattern>,
    /// Where the catalogue is stored.
    pub disk: Arc<dyn Disk>,
    /// Names there.
    pub files: StateFiles,
}

/// What the last run came to.
#[derive(Clone, Debug, Default)]
pub struct SyncReport {
    /// Counts runs, failed ones too.
    pub runs: u64,
    /// Why the last one failed or what it left out.
    pub problem: Option<GhError>,
    /// Owners in ALLOWED_REPOS that it could not see.
    pub unseen: Vec<String>,
    /// In words, while one is under way.
    pub progress: Option<String>,
}

/// Syncs, and tells of it. Cheap to clone.
#[derive(Clone)]
pub struct Syncer(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) gh: Gh,
    pub(super) coordinator: Coordinator,
    pub(super) settings: SyncSettings,
    report: watch::Sender<SyncReport>,
    probe_page: Mutex<u32>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SyncError {
    #[error(transparent)]
    GitHub(#[from] GhError),
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

impl Syncer {
    /// Makes a syncer; [`Syncer::run`] does its work.
    pub fn new(gh: Gh, coordinator: Coordinator, settings: SyncSettings) -> Self {
        Self(Arc::new(Shared {
            gh,
            coordinator,
            settings,
            report: watch::Sender::new(SyncReport::default()),
            probe_page: Mutex::new(PROBE_PAGE),
        }))
    }

    /// Reports as they change.
    pub fn reports(&self) -> watch::Receiver<SyncReport> {
        self.0.report.subscribe()
    }

    /// Waits until the first run is over, or for the one under way.
    pub async fn first_run(&self) {
        let mut reports = self.reports();
        // The sender lives as long as this value.
        let _ = reports.wait_for(|report| report.runs > 0).await;
    }

    /// Runs until it is dropped. The first run starts at once when the catalogue is old.
    pub async fn run(self) {
        let shared = &*self.0;
        let mut pause = self.first_pause().await;
        loop {
            tokio::time::sleep(pause).await;
            self.note(|report| report.progress = Some("asking GitHub what changed".to_owned()));
            let problem = match self.sync_once().await {
                Ok(problem) => problem,
                Err(SyncError::GitHub(error)) => Some(error),
                Err(SyncError::Coordinator(error)) => {
                    tracing::warn!(%error, "sync could not be recorded");
                    None
                }
            };
            if let Some(problem) = &problem {
                tracing::warn!(error = %problem, "sync is not complete");
            }
            pause = pause_after(problem.as_ref(), shared.settings.interval);
            self.note(|report| {
                report.runs += 1;
                report.problem = problem;
                report.progress = None;
            });
        }
    }

    async fn first_pause(&self) -> Duration {
        let synced = self
            .0
            .coordinator
            .read(|view| (view.catalogue.synced_at(), view.now))
            .await;
        match synced {
            Ok((Some(synced_at), now)) => {
                let age = Duration::try_from(now.duration_since(synced_at)).unwrap_or_default();
                self.0
                    .settings
                    .interval
                    .saturating_sub(age)
                    .min(self.0.settings.interval)
            }
            _ => Duration::ZERO,
        }
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut SyncReport)) {
        self.0.report.send_modify(change);
    }

    async fn sync_once(&self) -> Result<Option<GhError>, SyncError> {
        let shared = &*self.0;
        shared.gh.sign_in().await?;
        shared.coordinator.set_viewer(shared.gh.login());
        let mut changed = 0;
        let mut problem = None;
        let (found, by_rest) = match self.probe_all().await {
            Ok(found) => {
                shared.coordinator.set_viewer(shared.gh.login());
                let probes = self.look_after_unlisted(&found, &mut problem).await?;
                changed += self.visit_all(&probes, &mut problem).await?;
                changed += self.look_at_blocked(&mut problem).await?;
                changed += self.reconcile(&probes, &mut problem).await?;
                (found, false)
            }
            Err(SyncError::GitHub(GhError::QueryRefused(reason))) => {
                tracing::info!(reason, "GraphQL is refused: syncing by REST");
                let (found, by_rest) = self.sync_by_rest(&mut problem).await?;
                changed += by_rest;
                (found, true)
            }
            Err(error) => return Err(error),
        };
        if let (Some(owner), []) = (found.unseen.first(), &*found.repositories) {
            return Err(GhError::NotFound(owner.clone()).into());
        }
        self.look_after_claims(&found, by_rest, &mut problem)
            .await?;
        self.note(|report| report.unseen = found.unseen);
        let problem = problem.or(found.unknown);
        if problem.is_none() {
            shared
                .coordinator
                .perform(Operation::SyncCompleted { changed })
                .await?;
        }
        self.store().await?;
        Ok(problem)
    }

    /// All repositories in scope. What a failed page would have told stays unknown.
    async fn probe_all(&self) -> Result<ProbePage, SyncError> {
        let mut found = ProbePage::default();
        for scope in scopes(&self.0.settings.allowed) {
            let page = self.probe_scope(&scope).await;
            found.add_scope(&scope, page)?;
        }
        let mut seen = HashSet::new();
        found
            .repositories
            .retain(|probe| seen.insert(probe.name.clone()));
        Ok(found)
    }

    async fn probe_scope(&self, scope: &ProbeScope) -> Result<ProbePage, GhError> {
        let mut found = ProbePage::default();
        let mut after: Option<String> = None;
        let mut page_size = *self
            .0
            .probe_page
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for _ in 0..limits::PAGES_MAX {
            match self.0.gh.probe(scope, page_size, after.as_deref()).await {
                Ok(mut page) => {
                    let next = page.next.take();
                    found.add(page);
                    // A cursor that repeats would go round for ever.
                    if next.is_none() || next == after {
                        break;
                    }
                    after = next;
                }
                Err(error) if is_too_much(&error) && page_size > 5 => {
                    page_size /= 2;
                    *self
                        .0
                        .probe_page
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = page_size;
                }
                Err(error) => return Err(error),
            }
            self.note(|report| {
                let count = found.repositories.len();
                report.progress = Some(format!("looked at {count} repositories"));
            });
        }
        Ok(found)
    }

    /// Fetches what the probe says has changed, several repositories in one process.
    async fn visit_all(
        &self,
        probes: &[RepoProbe],
        problem: &mut Option<GhError>,
    ) -> Result<u64, SyncError> {
        let now = self.0.coordinator.read(|view| view.now).await?;
        let names: Vec<RepoName> = probes.iter().map(|probe| probe.name.clone()).collect();
        let cursors = self
            .0
            .coordinator
            .read(move |view| known_cursors(view.catalogue, &names));
        let known = cursors.await?;
        let mut quiet = CatalogueUpdate::default();
        let mut requests = Vec::new();
        let mut visits = HashMap::new();
        for probe in probes
            .iter()
            .filter(|probe| !probe.archived && probe.has_issues)
        {
            let entry = known.get(&probe.name);
            let visit = sync_plan::plan(entry, probe);
            match sync_plan::first_request(entry, probe, &visit) {
                Some(request)
                    if request.issues_after.is_some() || request.pulls_after.is_some() =>
                {
                    requests.push(request);
                }
                _ => {
                    let mut update = finished_update(probe, now);
                    update.complete = visit == Visit::Full;
                    quiet.repos.push(update);
                }
            }
            visits.insert(
                probe.name.clone(),
                Visited {
                    probe,
                    visit,
                    cursor: entry.and_then(|e| e.pulls_cursor),
                },
            );
        }
        let mut changed = self.take_in(quiet).await?;
        let total = requests.len();
        let mut batch_size = DELTA_BATCH;
        while !requests.is_empty() {
            let batch: Vec<DeltaRequest> =
                requests.drain(..batch_size.min(requests.len())).collect();
            self.note(|report| {
                let done = total.saturating_sub(requests.len());
                report.progress = Some(format!("fetching issues: {done} of {total} repositories"));
            });
            match self.0.gh.deltas(&batch).await {
                Ok(pages) => {
                    let mut update = CatalogueUpdate::default();
                    for (page, request) in pair(pages, &batch) {
                        let Some(visited) = visits.get(&request.repo) else {
                            continue;
                        };
                        let (repo, more) = visited.take_page(page, request, now);
                        update.repos.push(repo);
                        requests.extend(more);
                    }
                    changed += self.take_in(update).await?;
                }
                Err(error) if is_too_much(&error) && batch_size > 1 => {
                    batch_size = (batch_size / 2).max(1);
                    requests.splice(..0, batch);
                }
                Err(error) => {
                    *problem = Some(error.clone());
                    if error.is_outage() {
                        return Ok(changed);
                    }
                }
            }
        }
        Ok(changed)
    }

    /// Asks anew about issues that are known as blocked: one does not change when what blocks it is
    /// closed, and so it is not among the changes.
    async fn look_at_blocked(&self, problem: &mut Option<GhError>) -> Result<u64, SyncError> {
        // By the clock: many a process makes one run only.
        let interval = self.0.settings.interval.as_secs().max(1);
        let blocked = self.0.coordinator.read(move |view| {
            let second = u64::try_from(view.now.as_second()).unwrap_or_default();
            let turn = usize::try_from(second / interval).unwrap_or_default();
            sync_plan::blocked(view.catalogue, turn)
        });
        let blocked = blocked.await?;
        if blocked.is_empty() {
            return Ok(0);
        }
        match self.0.gh.issues_anew(&blocked).await {
            Ok(found) => {
                let found = found.into_iter();
                let repos = found.map(|(repo, issues)| RepoUpdate::of_issues(repo, issues));
                let update = CatalogueUpdate {
                    repos: repos.collect(),
                    ..CatalogueUpdate::default()
                };
                self.take_in(update).await
            }
            Err(error) => {
                // What is too much for GitHub says nothing of the rest of the run.
                if is_too_much(&error) {
                    tracing::info!(%error, "blocked issues could not be asked about");
                } else {
                    *problem = Some(error);
                }
                Ok(0)
            }
        }
    }

    /// Compares open numbers where counts disagree: transferred and deleted issues never show up
    /// among the changes.
    async fn reconcile(
        &self,
        probes: &[RepoProbe],
        problem: &mut Option<GhError>,
    ) -> Result<u64, SyncError> {
        if problem.is_some() {
            return Ok(0);
        }
        let probes: Vec<RepoProbe> = probes
            .iter()
            .filter(|probe| !probe.archived && probe.has_issues)
            .cloned()
            .collect();
        let pick = move |view: &super::View<'_>| {
            let needs =
                |probe: &&RepoProbe| sync_plan::needs_reconcile(view.catalogue, probe, view.now);
            (
                probes.iter().filter(needs).cloned().collect::<Vec<_>>(),
                view.now,
            )
        };
        let (wanting, now) = self.0.coordinator.read(pick).await?;
        let mut changed = 0;
        for probe in wanting {
            match self.0.gh.open_numbers(&probe.name).await {
                Ok(numbers) => {
                    let mut update = finished_update(&probe, now);
                    update.open_numbers = Some(numbers);
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
        Ok(changed)
    }

    pub(super) async fn take_in(&self, update: CatalogueUpdate) -> Result<u64, SyncError> {
        if update.repos.is_empty() && update.dropped.is_empty() && update.facts.is_empty() {
            return Ok(0);
        }
        match self
            .0
            .coordinator
            .perform(Operation::Catalogue(update))
            .await?
        {
            Answer::Changed(changed) => Ok(changed),
            _ => Ok(0),
        }
    }

    /// Stores the catalogue, so that the next start needs no full sync.
    pub async fn store(&self) -> Result<(), CoordinatorError> {
        let complete = |view: &super::View<'_>| view.catalogue.synced_at().is_some();
        if !self.0.coordinator.read(complete).await? {
            // Half a catalogue would be taken for a whole one.
            return Ok(());
        }
        let catalogue = self
            .0
            .coordinator
            .read(|view| view.catalogue.clone())
            .await?;
        let shared = self.0.clone();
        let write = move || {
            let settings = &shared.settings;
            write_catalogue(
                &*settings.disk,
                &settings.files,
                shared.gh.host(),
                &catalogue,
            )
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!(%error, "the catalogue could not be stored; it stays in memory");
        }
        Ok(())
    }
}

/// What is needed of a known repository to plan a visit: not its issues.
pub(super) fn known_cursors(
    catalogue: &super::Catalogue,
    names: &[RepoName],
) -> HashMap<RepoName, RepoEntry> {
    let slim = |entry: &RepoEntry| RepoEntry {
        name: entry.name.clone(),
        private: entry.private,
        issues: std::collections::BTreeMap::new(),
        pulls: std::collections::BTreeMap::new(),
        synced_at: entry.synced_at,
        issues_cursor: entry.issues_cursor,
        pulls_cursor: entry.pulls_cursor,
        reconciled_at: entry.reconciled_at,
        closes_elsewhere: Vec::new(),
    };
    let known = names.iter().filter_map(|name| catalogue.repo(name));
    known
        .map(|entry| (entry.name.clone(), slim(entry)))
        .collect()
}

struct Visited<'a> {
    probe: &'a RepoProbe,
    visit: Visit,
    cursor: Option<Timestamp>,
}

impl Visited<'_> {
    /// What a page tells, and the request for the next one.
    fn take_page(
        &self,
        page: DeltaPage,
        request: &DeltaRequest,
        now: Timestamp,
    ) -> (RepoUpdate, Option<DeltaRequest>) {
        let first = matches!(request.issues_after, Some(None) | None)
            && matches!(request.pulls_after, Some(None) | None);
        let oldest_pull = page.pulls.last().map(|pull| pull.summary.updated_at);
        let pulls_done =
            self.visit != Visit::Full && sync_plan::reaches_known(oldest_pull, self.cursor);
        let more = DeltaRequest {
            issues_after: page.issues_next.map(Some),
            pulls_after: page.pulls_next.filter(|_| !pulls_done).map(Some),
            ..request.clone()
        };
        let has_more = more.issues_after.is_some() || more.pulls_after.is_some();
        let mut update = if has_more {
            // Cursors move only when all pages are in: a crash between two pages repeats them.
            RepoUpdate::unchanged(self.probe.name.clone(), self.probe.private, now)
        } else {
            finished_update(self.probe, now)
        };
        update.complete = first && self.visit == Visit::Full;
        update.issues = page.issues;
        update.pulls = page.pulls;
        (update, has_more.then_some(more))
    }
}

fn finished_update(probe: &RepoProbe, now: Timestamp) -> RepoUpdate {
    let mut update = RepoUpdate::unchanged(probe.name.clone(), probe.private, now);
    update.issues_cursor = probe.issues_updated_at;
    update.pulls_cursor = probe.pulls_updated_at;
    update
}

/// Pages with the requests they answer; a repository may be asked for once in a batch.
fn pair(
    pages: Vec<DeltaPage>,
    batch: &[DeltaRequest],
) -> impl Iterator<Item = (DeltaPage, &DeltaRequest)> {
    pages.into_iter().filter_map(|page| {
        let request = batch.iter().find(|request| request.repo == page.repo)?;
        Some((page, request))
    })
}

/// GitHub gives up after 10 s with a 502 or 504, or says that the query costs too much.
fn is_too_much(error: &GhError) -> bool {
    matches!(
        error,
        GhError::TooExpensive
            | GhError::Upstream {
                status: 502 | 504,
                ..
            }
    )
}

pub(super) fn scopes(allowed: &[RepoPattern]) -> Vec<ProbeScope> {
    if allowed.is_empty() {
        return vec![ProbeScope::Viewer];
    }
    let mut scopes = Vec::new();
    let mut names = Vec::new();
    for pattern in allowed {
        match pattern {
            RepoPattern::Owner(owner) => scopes.push(ProbeScope::Owner(owner.clone())),
            RepoPattern::Repository(name) => names.push(name.clone()),
        }
    }
    scopes.extend(
        names
            .chunks(20)
            .map(|chunk| ProbeScope::Named(chunk.to_vec())),
    );
    scopes
}

/// After a failure sooner than usual, but not before GitHub says so.
fn pause_after(problem: Option<&GhError>, interval: Duration) -> Duration {
    const SOON: Duration = Duration::from_secs(30);
    match problem {
        None => interval,
        Some(
            GhError::RateLimited { retry_after }
            | GhError::SecondaryLimit { retry_after }
            | GhError::BreakerOpen { retry_after },
        ) => (*retry_after).max(Duration::from_secs(1)),
        Some(_) => SOON.min(interval),
    }
}
