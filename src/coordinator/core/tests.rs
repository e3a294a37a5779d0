//! Snapshots that cannot be written.

use std::path::PathBuf;

use super::*;
use crate::claim::LeasePolicy;
use crate::domain::ManualClock;
use crate::store::{FolderDisk, recover, write_snapshot};

const POLICY: LeasePolicy = LeasePolicy {
    claim_timeout: Duration::from_secs(7_200),
    stale_auto_release: None,
};
/// Reached after a few changes.
const JOURNAL_BYTES_MAX: u64 = 400;

struct Place {
    folder: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    files: StateFiles,
    clock: ManualClock,
    core: Core,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(&folder.path().join("st.json")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(folder.path()).unwrap());
        let clock = ManualClock::new("2026-11-20T10:00:00Z".parse().unwrap());
        let settings = CoreSettings {
            host: Host::default(),
            allowed: Vec::new(),
            rules: EligibilityRules::default(),
            clock: Arc::new(clock.clone()),
            disk: disk.clone(),
            files: files.clone(),
            journal_bytes_max: JOURNAL_BYTES_MAX,
            process_lives: |_| false,
        };
        let recovered = recover(disk.clone(), &files, POLICY).unwrap();
        Self {
            core: Core::new(settings, recovered, Catalogue::default()),
            folder,
            disk,
            files,
            clock,
        }
    }

    /// No file of this name can be written: a folder has it.
    fn block(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    fn change(&mut self) {
        self.core.begin();
        self.core.perform(Operation::SyncCompleted { changed: 1 });
        self.core.finish().unwrap();
    }

    fn change_until_due(&mut self) {
        while !self.core.snapshot_is_due() {
            self.change();
        }
    }

    /// What the snapshot's thread does; whether it could.
    fn write(&mut self) -> bool {
        let job = self.core.snapshot_job().expect("it is time for one");
        assert!(!self.core.snapshot_is_due());
        let result = write_snapshot(&*self.disk, &self.files, job);
        let is_written = result.is_ok();
        self.core.snapshot_done(result);
        is_written
    }

    /// Lets the time pass until something is due, and tells how long that was.
    fn pause(&self) -> Duration {
        const MOMENT: Duration = Duration::from_millis(1);
        let pause = self.core.idle_time().expect("something is due some time");
        self.clock.advance(pause - MOMENT);
        assert!(!self.core.snapshot_is_due());
        self.clock.advance(MOMENT);
        assert!(self.core.snapshot_is_due());
        pause
    }

    fn journals_set_aside(&self) -> usize {
        self.files.old_journals(&self.disk.list().unwrap()).len()
    }
}

#[test]
fn a_snapshot_that_fails_is_tried_again_with_pauses_and_without_new_files() {
    let mut place = Place::new();
    place.change_until_due();
    let covered = place.core.ledger.seq();
    let obstacle = place.block(&place.files.snapshot_temporary());
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert!(!place.write());
        for _ in 0..5 {
            place.change();
        }
        assert!(!place.core.snapshot_is_due());
        // Changes can be stored all the same; that is not all there is to tell.
        assert!(place.core.view().storage_problem.is_some());
        pauses.push(place.pause().as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(place.journals_set_aside(), 1);
    std::fs::remove_dir(obstacle).unwrap();
    assert!(place.write());
    assert!(place.core.view().storage_problem.is_none());
    // What failed is written, and then what came meanwhile.
    assert!(place.core.snapshot_is_due());
    let text = std::fs::read_to_string(place.folder.path().join("st.json")).unwrap();
    assert!(text.contains(&format!("\"seq\": {covered},")), "{text}");
    assert!(place.write());
    assert!(!place.core.snapshot_is_due());
    assert_eq!(place.core.idle_time(), None);
    place.change();
    let last = place.core.ledger.seq();
    let recovered = recover(place.disk.clone(), &place.files, POLICY).unwrap();
    assert_eq!(recovered.ledger.seq(), last);
}

#[test]
fn a_journal_that_cannot_be_cut_is_tried_again_with_pauses() {
    let mut place = Place::new();
    place.change_until_due();
    let obstacle = place.block(&format!("{}.new", place.files.journal()));
    for seconds in [1, 2, 4] {
        assert!(place.core.snapshot_job().is_none());
        place.change();
        assert!(!place.core.snapshot_is_due());
        assert_eq!(place.pause(), Duration::from_secs(seconds));
    }
    std::fs::remove_dir(obstacle).unwrap();
    assert!(place.write());
    assert_eq!(place.journals_set_aside(), 1);
    assert!(place.core.view().storage_problem.is_none());
}

#[test]
fn a_clean_end_writes_the_snapshot_that_failed() {
    let mut place = Place::new();
    place.change_until_due();
    let obstacle = place.block(&place.files.snapshot_temporary());
    assert!(!place.write());
    std::fs::remove_dir(obstacle).unwrap();
    place.core.shut_down().unwrap();
    let recovered = recover(place.disk.clone(), &place.files, POLICY).unwrap();
    assert_eq!(recovered.ledger.seq(), place.core.ledger.seq());
    assert!(recovered.replayed.is_empty(), "nothing is left to replay");
}
