//! States as crashes and people leave them, on a real folder.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::claim::Change;
use crate::store::{FolderDisk, SnapshotJob, write_snapshot};

const POLICY: LeasePolicy = LeasePolicy {
    claim_timeout: Duration::from_secs(7_200),
    stale_auto_release: None,
};

/// A state file in a folder of its own.
struct Place {
    disk: Arc<dyn Disk>,
    files: StateFiles,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(&folder.path().join("st.json")).unwrap();
        Self {
            disk: Arc::new(FolderDisk::new(folder.path()).unwrap()),
            files,
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn journal(&self) -> PathBuf {
        self.path(&self.files.journal())
    }

    fn recover(&self) -> Result<Recovered, StoreError> {
        recover(self.disk.clone(), &self.files, POLICY)
    }

    /// Number of the last change that a start finds.
    fn last(&self) -> u64 {
        self.recover().unwrap().ledger.seq()
    }

    /// Why no start is possible. Looking at the state tells the same.
    fn refusal(&self) -> String {
        let refusal = self.recover().err().expect("it is refused").to_string();
        let check = recover_check(&*self.disk, &self.files, POLICY);
        assert_eq!(check.unwrap_err().to_string(), refusal);
        refusal
    }

    /// One more change, stored; then the owner dies.
    fn change(&self) -> u64 {
        let mut recovered = self.recover().unwrap();
        recovered.change()
    }

    /// A rotation and its snapshot, as at a clean end.
    fn snapshot(&self) {
        let mut recovered = self.recover().unwrap();
        recovered.rotate(&self.files).unwrap();
        let job = SnapshotJob {
            image: recovered.ledger.image(),
            ended: Vec::new(),
            history: recovered.history,
        };
        write_snapshot(&*self.disk, &self.files, job).unwrap();
    }
}

impl Recovered {
    fn change(&mut self) -> u64 {
        let recorded = Recorded {
            seq: self.ledger.seq() + 1,
            at: "2026-11-20T10:00:00Z".parse().unwrap(),
            change: Change::SyncCompleted {
                repos: 1,
                open_issues: 2,
                changed: 3,
            },
        };
        self.journal.push(&recorded).unwrap();
        self.ledger.apply(&recorded);
        self.journal.commit(recorded.seq).unwrap();
        recorded.seq
    }

    fn rotate(&mut self, files: &StateFiles) -> Result<(), StoreError> {
        let old_name = files.old_journal(self.journal.first_seq());
        self.journal.rotate(&old_name)
    }
}

#[test]
fn a_header_without_an_end_gets_one_before_the_first_change() {
    for header in [
        "{\"journal_version\":1,\"first_seq\":2}",
        "{\"journal_version\":1,\"first_seq\":2}   ",
        "{\"journal_version\":1,\"first_seq\":2}\n",
    ] {
        let place = Place::new();
        place.change();
        place.snapshot();
        std::fs::write(place.journal(), header).unwrap();
        assert_eq!(place.last(), 1, "{header:?}");
        assert_eq!(place.change(), 2);
        assert_eq!(place.change(), 3);
        assert_eq!(place.last(), 3, "{header:?}");
    }
}

#[test]
fn an_older_copy_of_the_journal_is_damage() {
    let place = Place::new();
    let copy = |changes: u64| {
        for _ in 0..changes {
            place.change();
        }
        std::fs::read(place.journal()).unwrap()
    };
    let (short, long) = (copy(1), copy(2));
    // A rotation whose snapshot was never written sets it aside as well.
    place.recover().unwrap().rotate(&place.files).unwrap();
    let newest = copy(1);
    for older in [&short, &long] {
        std::fs::write(place.journal(), older).unwrap();
        let refusal = place.refusal();
        assert!(refusal.contains("begins with change 1"), "{refusal}");
        assert!(refusal.contains("ends with 3"), "{refusal}");
    }
    std::fs::write(place.journal(), &newest).unwrap();
    place.snapshot();
    let newest = copy(1);
    for older in [&short, &long] {
        std::fs::write(place.journal(), older).unwrap();
        let refusal = place.refusal();
        assert!(refusal.contains("begins with change 1"), "{refusal}");
        assert!(refusal.contains("ends with 4"), "{refusal}");
    }
    std::fs::write(place.journal(), &newest).unwrap();
    assert_eq!(place.last(), 5);
}
