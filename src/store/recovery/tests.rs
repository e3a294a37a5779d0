//! States as crashes and people leave them, on a real folder.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::claim::Change;
use crate::store::FolderDisk;

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
            image: Arc::new(recovered.ledger.image()),
            ended: Vec::new(),
            history: recovered.history,
        };
        write_snapshot(&*self.disk, &self.files, job).unwrap();
    }
}

impl Recovered {
    fn change(&mut self) -> u64 {
        self.changes(1)
    }

    /// So many changes with one sync.
    fn changes(&mut self, count: usize) -> u64 {
        for _ in 0..count {
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
        }
        self.journal.commit(self.ledger.seq()).unwrap();
        self.ledger.seq()
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
    // The copies are refused, and the newest journal is put back.
    let refused = |end: &str| {
        let newest = copy(1);
        for older in [&short, &long] {
            std::fs::write(place.journal(), older).unwrap();
            let refusal = place.refusal();
            assert!(refusal.contains("begins with change 1"), "{refusal}");
            assert!(refusal.contains(end), "{refusal}");
        }
        std::fs::write(place.journal(), &newest).unwrap();
    };
    refused("ends with 3");
    place.snapshot();
    refused("ends with 4");
    assert_eq!(place.last(), 5);
}

/// A folder that refuses to give a file this name.
struct Nameless {
    folder: FolderDisk,
    refused: std::sync::Mutex<Option<String>>,
}

impl Disk for Nameless {
    fn open(&self, name: &str) -> std::io::Result<Box<dyn crate::store::DiskFile>> {
        self.folder.open(name)
    }

    fn id(&self, name: &str) -> std::io::Result<Option<crate::store::FileId>> {
        self.folder.id(name)
    }

    fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.folder.read(name)
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let written = self.folder.write_synced(name, bytes);
        match &*self.refused.lock().unwrap() {
            Some(refused) if refused == name => Err(std::io::Error::other("refused")),
            _ => written,
        }
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        match &*self.refused.lock().unwrap() {
            Some(refused) if refused == to => Err(std::io::Error::other("refused")),
            _ => self.folder.rename(from, to),
        }
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.folder.remove(name)
    }

    fn list(&self) -> std::io::Result<Vec<String>> {
        self.folder.list()
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        self.folder.sync_folder()
    }
}

impl Place {
    /// The same, with the disk that refuses names.
    fn nameless() -> (Self, Arc<Nameless>) {
        let mut place = Self::new();
        let disk = Arc::new(Nameless {
            folder: FolderDisk::new(place.folder.path()).unwrap(),
            refused: std::sync::Mutex::new(None),
        });
        place.disk = disk.clone();
        (place, disk)
    }

    fn temporary(&self) -> String {
        journal::temporary_name(&self.files.journal())
    }

    fn header(first_seq: u64) -> String {
        format!("{{\"journal_version\":1,\"first_seq\":{first_seq}}}\n")
    }
}

#[test]
fn a_rotation_that_ended_between_its_names_is_read() {
    let (place, disk) = Place::nameless();
    place.change();
    place.snapshot();
    let mut owner = place.recover().unwrap();
    owner.change();
    *disk.refused.lock().unwrap() = Some(place.files.journal());
    assert!(owner.rotate(&place.files).is_err());
    // Written on, and tried again.
    owner.change();
    assert!(owner.rotate(&place.files).is_err());
    owner.change();
    assert!(!place.journal().exists());
    // What a start that dies leaves is read as well.
    assert!(place.recover().is_err());
    *disk.refused.lock().unwrap() = None;
    drop(owner);
    assert_eq!(place.last(), 4);
    assert!(place.journal().exists());
    assert!(!place.path(&place.temporary()).exists());
    assert_eq!(place.change(), 5);
    place.snapshot();
    assert_eq!(place.last(), 5);
}

#[test]
fn the_owner_goes_on_after_a_rotation_that_failed_between_its_names() {
    let (place, disk) = Place::nameless();
    let mut owner = place.recover().unwrap();
    owner.change();
    *disk.refused.lock().unwrap() = Some(place.files.journal());
    assert!(owner.rotate(&place.files).is_err());
    owner.change();
    *disk.refused.lock().unwrap() = None;
    owner.rotate(&place.files).unwrap();
    assert_eq!(owner.journal.first_seq(), 3);
    owner.change();
    assert_eq!(place.last(), 3);
}

#[test]
fn a_file_that_is_left_over_hides_no_lost_journal() {
    let place = Place::new();
    place.change();
    place.snapshot();
    place.change();
    place.change();
    // Set aside, and no snapshot was written.
    place.recover().unwrap().rotate(&place.files).unwrap();
    place.change();
    std::fs::remove_file(place.journal()).unwrap();
    for left_over in [
        String::new(),
        "{".to_owned(),
        // Of the rotation before the lost journal, of one after it.
        Place::header(2),
        Place::header(5),
    ] {
        std::fs::write(place.path(&place.temporary()), &left_over).unwrap();
        let refusal = place.refusal();
        assert!(refusal.contains("is missing"), "{left_over:?}: {refusal}");
    }
    // Nor where the snapshot covers what was set aside.
    std::fs::remove_file(place.path(&place.temporary())).unwrap();
    std::fs::write(place.journal(), Place::header(4)).unwrap();
    place.change();
    place.snapshot();
    std::fs::remove_file(place.journal()).unwrap();
    std::fs::write(place.path(&place.temporary()), Place::header(5)).unwrap();
    assert!(place.refusal().contains("is missing"));
}

#[test]
fn nothing_is_left_over_by_a_rotation_that_could_not_begin() {
    let (place, disk) = Place::nameless();
    let mut owner = place.recover().unwrap();
    owner.change();
    *disk.refused.lock().unwrap() = Some(place.temporary());
    assert!(owner.rotate(&place.files).is_err());
    assert!(!place.path(&place.temporary()).exists());
    *disk.refused.lock().unwrap() = None;
    owner.change();
    drop(owner);
    // A start takes away what an owner that died left.
    std::fs::write(place.path(&place.temporary()), Place::header(9)).unwrap();
    assert_eq!(place.last(), 2);
    assert!(!place.path(&place.temporary()).exists());
}

#[test]
fn a_lost_journal_is_missed_from_the_first_start_on() {
    let place = Place::new();
    assert_eq!(place.last(), 0);
    let header = std::fs::read(place.journal()).unwrap();
    // A start that died before the snapshot has begun a journal, and no more.
    let snapshot = place.path(&place.files.snapshot());
    std::fs::remove_file(&snapshot).unwrap();
    assert_eq!(place.change(), 1);
    assert!(snapshot.exists());
    let journal = std::fs::read(place.journal()).unwrap();
    std::fs::remove_file(place.journal()).unwrap();
    assert!(place.refusal().contains("is missing"));
    std::fs::write(place.journal(), journal).unwrap();
    assert_eq!(place.last(), 1);
    // What the refusal advises goes on from nothing.
    std::fs::write(place.journal(), header).unwrap();
    assert_eq!(place.change(), 1);
}

#[test]
fn cut_journals_are_kept_until_there_are_events_enough_after_them() {
    let place = Place::new();
    for _ in 0..limits::OLD_JOURNALS_KEPT + 3 {
        place.change();
        place.snapshot();
    }
    let kept = || place.files.old_journals(&place.disk.list().unwrap());
    assert_eq!(kept().first(), Some(&1), "{:?}", kept());
    let changes = read_changes_since(&*place.disk, &place.files, 0).unwrap();
    assert_eq!(changes.len() as u64, place.last());
    let mut recovered = place.recover().unwrap();
    let before = recovered.ledger.seq();
    recovered.changes(limits::FEED_EVENTS_MAX);
    drop(recovered);
    for _ in 0..2 {
        place.snapshot();
        place.change();
    }
    let oldest = kept()[0];
    assert!((2..=before + 1).contains(&oldest), "{:?}", kept());
    let changes = read_changes_since(&*place.disk, &place.files, 0).unwrap();
    assert!(changes.len() >= limits::FEED_EVENTS_MAX);
}

#[test]
fn the_newest_change_is_known_whatever_journal_it_is_in() {
    let place = Place::new();
    let newest = || newest_change(&*place.disk, &place.files).unwrap();
    assert_eq!(newest(), 0);
    place.change();
    place.change();
    assert_eq!(newest(), 2);
    place.snapshot();
    assert_eq!(newest(), 2, "the current journal is empty");
    place.change();
    assert_eq!(newest(), 3);
    let set_aside = place.path(&place.files.old_journal(3));
    std::fs::rename(place.journal(), set_aside).unwrap();
    assert_eq!(newest(), 3, "there is no current journal");
}
