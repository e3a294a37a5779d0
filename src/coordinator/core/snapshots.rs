//! When a snapshot is taken, and what is done when it could not be written.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Core, StorageProblem};
use crate::domain::limits;
use crate::store::{Disk, HistoryPosition, SnapshotJob, StateFiles, StoreError, write_snapshot};

/// Pause before a snapshot that failed is tried again. It doubles with each failure.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The last snapshot could not be written.
pub(super) struct SnapshotFailure {
    pub problem: StorageProblem,
    pause: Duration,
    pub retry_at: Timestamp,
    /// What is tried again, unless it failed before it was taken. Its journal is set aside already:
    /// a new one would set another aside for each try.
    job: Option<SnapshotJob>,
}

impl Core {
    /// Whether it is time for a snapshot.
    pub fn snapshot_is_due(&self) -> bool {
        if self.snapshot_under_way.is_some() {
            return false;
        }
        if let Some(failure) = &self.snapshot_failure {
            return failure.retry_at <= self.now();
        }
        let journal_max = self.settings.journal_bytes_max.max(2 * self.snapshot_bytes);
        self.journal.len() >= journal_max
            || self.ledger.ended_count() >= limits::ENDED_IN_MEMORY_MAX
    }

    /// Sets the journal aside and takes what a snapshot needs, when it is time for one. What the
    /// last snapshot failed to write comes first, as it was.
    pub fn snapshot_job(&mut self) -> Option<SnapshotJob> {
        if !self.snapshot_is_due() {
            return None;
        }
        let unwritten = self.snapshot_failure.as_mut().and_then(|it| it.job.take());
        if unwritten.is_some() {
            self.snapshot_under_way.clone_from(&unwritten);
            return unwritten;
        }
        let old_name = self.settings.files.old_journal(self.journal.first_seq());
        if let Err(error) = self.journal.rotate(&old_name) {
            tracing::warn!(%error, "the journal could not be cut; it goes on growing");
            self.snapshot_failed(&error, None);
            return None;
        }
        Some(self.make_job())
    }

    fn make_job(&mut self) -> SnapshotJob {
        let mut ended: Vec<_> = self
            .ledger
            .ended()
            .map(|(_, claim)| claim.clone())
            .collect();
        ended.reverse();
        let job = SnapshotJob {
            image: Arc::new(self.ledger.image()),
            ended,
            history: self.history,
        };
        self.snapshot_under_way = Some(job.clone());
        job
    }

    /// Where a snapshot is written.
    pub fn storage(&self) -> (Arc<dyn Disk>, StateFiles) {
        (self.settings.disk.clone(), self.settings.files.clone())
    }

    /// Takes note of a written snapshot.
    pub fn snapshot_done(&mut self, result: Result<(HistoryPosition, u64), StoreError>) {
        let job = self.snapshot_under_way.take();
        match result {
            Ok((history, bytes)) => {
                self.history = history;
                self.snapshot_bytes = bytes;
                self.snapshot_failure = None;
                let ended_through = job.map_or(0, |job| job.image.ended_total);
                self.ledger.forget_ended(ended_through);
            }
            Err(error) => {
                // The cut journal stays, so nothing is lost.
                tracing::warn!(%error, "the snapshot could not be written");
                self.snapshot_failed(&error, job);
            }
        }
    }

    fn snapshot_failed(&mut self, error: &StoreError, job: Option<SnapshotJob>) {
        let before = self.snapshot_failure.take();
        let pause = before.as_ref().map_or(SNAPSHOT_PAUSE, |before| {
            (before.pause * 2).min(SNAPSHOT_PAUSE_MAX)
        });
        self.snapshot_failure = Some(SnapshotFailure {
            problem: StorageProblem::of(error),
            pause,
            retry_at: crate::domain::later(self.now(), pause),
            job: job.or(before.and_then(|before| before.job)),
        });
    }

    /// A last snapshot at a clean end, so that the next start reads one file.
    pub fn shut_down(&mut self) -> Result<(), StoreError> {
        let unchanged = self.journal.is_empty() && self.snapshot_failure.is_none();
        if unchanged || self.snapshot_under_way.is_some() {
            return self.journal.trim();
        }
        let old_name = self.settings.files.old_journal(self.journal.first_seq());
        self.journal.rotate(&old_name)?;
        let job = self.make_job();
        let result = write_snapshot(&*self.settings.disk, &self.settings.files, job);
        result.map(|done| self.snapshot_done(Ok(done)))
    }
}
