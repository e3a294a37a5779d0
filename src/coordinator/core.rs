//! The state of the owner and what it does with one batch of requests. No thread and no channel
//! here: the simulation drives it by hand, with a clock and a disk of its own.

mod snapshots;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::snapshots::SnapshotFailure;
pub use self::view::View;
use super::catalogue::Cursors;
use super::feed::Feed;
use super::next::{NextGrant, NextOutcome, NextQuery, choose};
use super::{Answer, Catalogue, CatalogueUpdate, ClaimAnswer, Operation};
use crate::claim::{
    Change, Claim, Command, EligibilityRules, GitHubFact, Grant, Ledger, Outcome, Recorded, Undo,
};
use crate::domain::{Clock, Host, IssueKey, RepoPattern, SessionRef};
use crate::store::{
    Disk, HistoryPosition, Journal, Recovered, SnapshotJob, StateFiles, StoreError,
};

/// What the core is built with.
pub struct CoreSettings {
    /// GitHub instance.
    pub host: Host,
    /// ALLOWED_REPOS; empty allows all.
    pub allowed: Vec<RepoPattern>,
    /// Which issues may be handed out, and in which order.
    pub rules: EligibilityRules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The state folder.
    pub disk: Arc<dyn Disk>,
    /// Names in it.
    pub files: StateFiles,
    /// The journal is cut by a snapshot when it has grown to this size (or twice the last one).
    pub journal_bytes_max: u64,
    /// Tells whether a process lives: sessions of a former owner are taken for alive for a moment
    /// when their process does.
    pub process_lives: fn(u32) -> bool,
}

/// How long sessions of a former owner have to come back.
const SESSION_RETURN: Duration = Duration::from_secs(3);
/// Pause before leases are looked at again after the disk failed.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// The owner's state.
pub struct Core {
    settings: CoreSettings,
    ledger: Ledger,
    catalogue: Catalogue,
    journal: Journal,
    feed: Feed,
    history: HistoryPosition,
    viewer: Option<Arc<str>>,
    started_at: Timestamp,
    /// The time of everything in the present batch.
    batch_time: Timestamp,
    returning: Option<(Timestamp, Vec<SessionRef>)>,
    snapshot_bytes: u64,
    snapshot_under_way: Option<SnapshotJob>,
    snapshot_failure: Option<SnapshotFailure>,
    storage_problem: Option<StorageProblem>,
    retry_at: Option<Timestamp>,
    pending: Vec<(Recorded, Undo)>,
    /// How far GitHub had been read before this batch: what it told counts only with the batch.
    cursors_before: Vec<Cursors>,
    push_error: Option<StoreError>,
}

/// Why something could not be stored, in words.
#[derive(Clone, Debug)]
pub struct StorageProblem {
    /// What is wrong.
    pub what: String,
    /// What the user can do about it.
    pub mend: String,
}

impl StorageProblem {
    fn of(error: &StoreError) -> Self {
        Self {
            what: error.to_string(),
            mend: error.suggestion(),
        }
    }
}

impl Core {
    /// The owner's state after a start. Every live lease gets a full period.
    pub fn new(settings: CoreSettings, recovered: Recovered, catalogue: Catalogue) -> Self {
        let now = settings.clock.now();
        let Recovered {
            mut ledger,
            journal,
            history,
            replayed,
            ..
        } = recovered;
        ledger.promote(now);
        let mut returning = Vec::new();
        let sessions: Vec<SessionRef> = ledger.active().filter_map(|claim| claim.session).collect();
        for session in sessions {
            if !ledger.is_live(session.id) && (settings.process_lives)(session.pid) {
                ledger.session_opened(session.id, 0);
                returning.push(session);
            }
        }
        let until = crate::domain::later(now, SESSION_RETURN);
        Self {
            settings,
            ledger,
            catalogue,
            journal,
            feed: Feed::new(replayed),
            history,
            viewer: None,
            started_at: now,
            batch_time: now,
            returning: (!returning.is_empty()).then_some((until, returning)),
            snapshot_bytes: 0,
            snapshot_under_way: None,
            snapshot_failure: None,
            storage_problem: None,
            retry_at: None,
            pending: Vec::new(),
            cursors_before: Vec::new(),
            push_error: None,
        }
    }

    /// The feed of events.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The present, never before the last change.
    pub fn now(&self) -> Timestamp {
        let now = self.settings.clock.now();
        self.ledger.last_time().map_or(now, |last| now.max(last))
    }

    /// When the owner started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Sets the login in use.
    pub fn set_viewer(&mut self, viewer: Option<Arc<str>>) {
        self.viewer = viewer;
    }

    /// Begins a batch: what is due by now happens first.
    pub fn begin(&mut self) {
        if !self.settings.clock.slept().is_zero() {
            let now = self.now();
            self.ledger.promote(now);
        }
        let now = self.now();
        self.batch_time = now;
        self.end_gone_sessions(now);
        if self.retry_at.is_none_or(|at| at <= now) {
            self.with_ledger(|ledger, commit| ledger.tick(now, commit));
        }
    }

    /// Sessions of a former owner that did not come back in time, or whose process has died.
    fn end_gone_sessions(&mut self, now: Timestamp) {
        let Some((until, sessions)) = &mut self.returning else {
            return;
        };
        let late = *until <= now;
        let lives = self.settings.process_lives;
        for session in sessions.extract_if(.., |session| late || !lives(session.pid)) {
            self.ledger.session_closed(session.id, 0);
        }
        if sessions.is_empty() {
            self.returning = None;
        }
    }

    /// Performs one operation. Its answer counts only when [`Core::finish`] succeeds.
    pub fn perform(&mut self, operation: Operation) -> Answer {
        let now = self.batch_time;
        match operation {
            Operation::Command(command) => Answer::Outcome(self.command(&command, now)),
            Operation::Claim {
                grant,
                fresh_within,
            } => Answer::Claim(self.claim(grant, fresh_within, now)),
            Operation::Next(query) => Answer::Next(self.next(&query, now)),
            Operation::Heard(agent_id) => {
                self.with_ledger(|ledger, commit| ledger.revive(&agent_id, now, commit));
                Answer::Done
            }
            Operation::SessionHeard(session) => {
                self.with_ledger(|ledger, commit| ledger.hear_session(session.id, now, commit));
                Answer::Done
            }
            Operation::Catalogue(update) => Answer::Changed(self.take_in(update, now)),
            Operation::SyncCompleted { changed } => {
                self.catalogue.complete(now);
                let change = Change::SyncCompleted {
                    repos: self.catalogue.repos().count() as u64,
                    open_issues: self.catalogue.open_issues() as u64,
                    changed,
                };
                self.with_ledger(|ledger, commit| commit(ledger, change));
                Answer::Done
            }
            Operation::ChecksFailed(failed) => {
                if !self.ledger.is_failure_told(&failed) {
                    let change = Change::ChecksFailed(failed);
                    self.with_ledger(|ledger, commit| commit(ledger, change));
                }
                Answer::Done
            }
            Operation::SessionOpened(session, connection) => {
                if let Some((_, returning)) = &mut self.returning {
                    returning.retain(|known| known.id != session.id);
                }
                self.ledger.session_opened(session.id, connection);
                Answer::Done
            }
            Operation::SessionClosed(session, connection) => {
                self.ledger.session_closed(session.id, connection);
                Answer::Done
            }
        }
    }

    fn command(&mut self, command: &Command, now: Timestamp) -> Outcome {
        self.with_ledger(|ledger, commit| ledger.execute(command, now, commit))
    }

    /// Grants an issue that the catalogue knows as open and looked at lately enough. The record
    /// has the repository as GitHub writes it, however the caller did.
    fn claim(
        &mut self,
        mut grant: Grant,
        fresh_within: Option<Duration>,
        now: Timestamp,
    ) -> ClaimAnswer {
        let mut warnings = Vec::new();
        if self.ledger.holder(&grant.key).is_none() {
            let view = self.view();
            let entry = view.catalogue.repo(&grant.key.repo);
            let known = entry.and_then(|entry| {
                let age =
                    Duration::try_from(now.duration_since(entry.synced_at)).unwrap_or_default();
                fresh_within
                    .is_none_or(|limit| age <= limit)
                    .then_some(())?;
                let issue = entry.issues.get(&grant.key.number)?;
                Some((issue, &entry.name))
            });
            let Some((issue, repo)) = known else {
                // Asking is a sign of life, whatever comes of it.
                self.with_ledger(|ledger, commit| ledger.revive(&grant.agent_id, now, commit));
                return ClaimAnswer::Unknown(grant);
            };
            let candidate = view.candidate(issue, &grant.key);
            let found = view.rules.warnings(&candidate);
            warnings.extend(found.iter().map(crate::claim::Exclusion::explain));
            grant.title = issue.title.clone();
            grant.key.repo = repo.clone();
        }
        let outcome = self.command(&Command::Grant(grant), now);
        ClaimAnswer::Decided { outcome, warnings }
    }

    fn next(&mut self, query: &NextQuery, now: Timestamp) -> NextOutcome {
        // Asking is a sign of life, whatever comes of it.
        let agent_id = &query.agent_id;
        self.with_ledger(|ledger, commit| ledger.revive(agent_id, now, commit));
        let repeated = query
            .request_id
            .and_then(|id| self.ledger.answered(id))
            .cloned();
        let repeated = repeated.filter(|claim| claim.status.is_active());
        let (grant, why) = match repeated {
            Some(claim) => return NextOutcome::Granted(Box::new(self.again(claim))),
            None => match choose(&self.view(), query) {
                Ok(choice) => choice,
                // A second window of one name learns it now, not when there is work again.
                Err(passed_by) => {
                    return match self.ledger.in_use(agent_id, query.session) {
                        Some(refusal) => NextOutcome::Refused(refusal),
                        None => NextOutcome::Nothing { passed_by },
                    };
                }
            },
        };
        let memory = self.ledger.memory(&grant.key).cloned().unwrap_or_default();
        let synced_at = self
            .catalogue
            .repo(&grant.key.repo)
            .map(|entry| entry.synced_at);
        match self.command(&Command::Grant(grant), now) {
            Outcome::Granted { claim, .. } => NextOutcome::Granted(Box::new(NextGrant {
                claim,
                why,
                previous_attempts: memory.attempts,
                handoff_note: memory.handoff_note,
                synced_at,
            })),
            Outcome::Refused(refusal) => NextOutcome::Refused(refusal),
            Outcome::Updated(_) | Outcome::Unchanged => NextOutcome::Nothing {
                passed_by: crate::claim::PassedBy::default(),
            },
        }
    }

    /// The answer for a claim that was granted before its first answer was lost.
    fn again(&self, claim: Arc<Claim>) -> NextGrant {
        let view = self.view();
        let key = claim.key();
        let memory = self.ledger.memory(&key).cloned().unwrap_or_default();
        let issue = view.catalogue.issue(&key.repo, key.number);
        let why = issue.map(|issue| {
            let candidate = view.candidate(issue, &key);
            view.rules.why(&candidate, view.ledger, view.now)
        });
        NextGrant {
            why: why.unwrap_or_default(),
            previous_attempts: memory.attempts,
            handoff_note: memory.handoff_note,
            synced_at: view.catalogue.repo(&key.repo).map(|entry| entry.synced_at),
            claim,
        }
    }

    fn take_in(&mut self, update: CatalogueUpdate, now: Timestamp) -> u64 {
        self.cursors_before.extend(self.catalogue.cursors(&update));
        let consequences = self.catalogue.apply(update);
        for event in consequences.events {
            self.with_ledger(|ledger, commit| commit(ledger, event));
        }
        let mut without_pull = Vec::new();
        for (repo, number, fact) in consequences.facts {
            let key = IssueKey {
                host: self.settings.host.clone(),
                repo,
                number,
            };
            let is_closed = matches!(fact, GitHubFact::PullRequestClosed(_));
            let observe = Command::Observe {
                key: key.clone(),
                fact,
            };
            if matches!(self.command(&observe, now), Outcome::Updated(_)) && is_closed {
                without_pull.push(key);
            }
        }
        // Another one that is open may have taken its place. It was told when it was opened, while
        // the claim named the first.
        for key in without_pull {
            if let Some(url) = self.catalogue.newest_linked(&key.repo, key.number) {
                let fact = GitHubFact::PullRequestOpen(url);
                self.command(&Command::Observe { key, fact }, now);
            }
        }
        consequences.changed
    }

    /// Runs `act` with a `commit` that numbers a change, puts it into the journal's batch and
    /// applies it.
    fn with_ledger<R>(
        &mut self,
        act: impl FnOnce(&mut Ledger, &mut dyn FnMut(&mut Ledger, Change)) -> R,
    ) -> R {
        let now = self.batch_time;
        let Self {
            ledger,
            journal,
            pending,
            push_error,
            ..
        } = self;
        let mut commit = |ledger: &mut Ledger, change: Change| {
            let recorded = Recorded {
                seq: ledger.seq() + 1,
                at: now,
                change,
            };
            if let Err(error) = journal.push(&recorded) {
                *push_error = Some(error);
            }
            let undo = ledger.apply(&recorded);
            pending.push((recorded, undo));
        };
        act(ledger, &mut commit)
    }

    /// Whether answers given since [`Core::begin`] depend on changes that are not on disk yet.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts the batch on disk and publishes it; after an error nothing of it has happened.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        let cursors_before = std::mem::take(&mut self.cursors_before);
        if self.pending.is_empty() {
            return Ok(());
        }
        let result = match self.push_error.take() {
            Some(error) => {
                self.journal.discard();
                Err(error)
            }
            None => self.journal.commit(self.ledger.seq()),
        };
        match result {
            Ok(()) => {
                self.storage_problem = None;
                self.retry_at = None;
                // Its room is for the next batch.
                let changes = self.pending.drain(..).map(|(recorded, _)| recorded);
                self.feed.publish(changes.collect());
                Ok(())
            }
            Err(error) => {
                for (_, undo) in self.pending.drain(..).rev() {
                    self.ledger.undo(undo);
                }
                for cursors in cursors_before.into_iter().rev() {
                    self.catalogue.rewind(cursors);
                }
                self.storage_problem = Some(StorageProblem::of(&error));
                self.retry_at = Some(crate::domain::later(self.now(), DISK_PAUSE));
                Err(error)
            }
        }
    }

    /// How long nothing needs to happen by itself; `None` is for ever.
    pub fn idle_time(&self) -> Option<Duration> {
        let returning = self.returning.as_ref().map(|(until, _)| *until);
        let next = self
            .ledger
            .next_deadline()
            .into_iter()
            .chain(returning)
            .min();
        let next = next.map(|next| self.retry_at.map_or(next, |retry| next.max(retry)));
        let snapshot = self.snapshot_failure.as_ref().map(|it| it.retry_at);
        let snapshot = snapshot.filter(|_| self.snapshot_under_way.is_none());
        let next = next.into_iter().chain(snapshot).min()?;
        Some(Duration::try_from(next.duration_since(self.now())).unwrap_or_default())
    }

    /// The catalogue, to be stored.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

#[cfg(test)]
mod tests;
