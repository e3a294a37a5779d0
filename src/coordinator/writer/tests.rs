//! The writer on a disk that is as quick as the test wants.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::claim::{Command, EligibilityRules, Grant, LeasePolicy, Outcome, Status};
use crate::coordinator::catalogue::tests::issue;
use crate::coordinator::{
    Catalogue, CatalogueUpdate, Coordinator, CoreSettings, NextQuery, RepoUpdate,
};
use crate::domain::{ClaimId, Host, IssueKey, IssueState, ManualClock};
use crate::store::{Disk, DiskFile, FileId, FolderDisk, StateFiles, recover, recover_check};

const BATCH_MAX: usize = limits::COORDINATOR_BATCH_MAX;
const POLICY: LeasePolicy = LeasePolicy {
    claim_timeout: Duration::from_secs(7_200),
    stale_auto_release: None,
};

/// The half of the writer that has the disk sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Task,
    Thread,
}

/// How a sync goes.
#[derive(Clone, Copy)]
enum DiskPace {
    Quick,
    /// Longer than the runtime may stand still.
    Slow,
    /// It panics for this half, and is quick for the other one.
    PanicsFor(Half),
}

/// A folder whose syncs the test knows of.
struct PacedDisk {
    folder: FolderDisk,
    pace: Mutex<DiskPace>,
    /// The thread's next sync lasts until the other end is dropped.
    hold: Mutex<Option<Receiver<()>>>,
    syncs: mpsc::UnboundedSender<Half>,
}

impl PacedDisk {
    fn sync(&self) {
        let half = match thread::current().name() {
            Some("coordinator") => Half::Thread,
            _ => Half::Task,
        };
        self.syncs.send(half).unwrap();
        let pace = *self.pace.lock().unwrap();
        match pace {
            DiskPace::Quick => {}
            DiskPace::Slow => thread::sleep(QUICK_BATCH_MAX * 2),
            DiskPace::PanicsFor(other) => assert_ne!(half, other, "the test wants this"),
        }
        if half == Half::Thread {
            let hold = self.hold.lock().unwrap().take();
            if let Some(hold) = hold {
                assert!(hold.recv().is_err(), "nothing is ever sent");
            }
        }
    }
}

/// The disk, as the core gets it.
struct Shared(Arc<PacedDisk>);

impl Disk for Shared {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.0.folder.open(name)?;
        Ok(Box::new(PacedFile(file, self.0.clone())))
    }

    fn id(&self, name: &str) -> io::Result<Option<FileId>> {
        self.0.folder.id(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.folder.read(name)
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.folder.write_synced(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.folder.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.folder.list()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.0.folder.sync_folder()
    }
}

struct PacedFile(Box<dyn DiskFile>, Arc<PacedDisk>);

impl DiskFile for PacedFile {
    fn id(&self) -> io::Result<FileId> {
        self.0.id()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.1.sync();
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

type Granted = Result<(), CoordinatorError>;

/// A coordinator on a paced disk, and callers that each claim an issue of their own.
struct Stage {
    coordinator: Coordinator,
    disk: Arc<PacedDisk>,
    /// Which half had it sync, in order.
    syncs: mpsc::UnboundedReceiver<Half>,
    files: StateFiles,
    /// So many issues were asked for.
    claimed: u64,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(&folder.path().join("state.json")).unwrap();
        let (sender, mut syncs) = mpsc::unbounded_channel();
        let disk = Arc::new(PacedDisk {
            folder: FolderDisk::new(folder.path()).unwrap(),
            pace: Mutex::new(DiskPace::Quick),
            hold: Mutex::new(None),
            syncs: sender,
        });
        let shared: Arc<dyn Disk> = Arc::new(Shared(disk.clone()));
        let recovered = recover(shared.clone(), &files, POLICY).unwrap();
        let settings = CoreSettings {
            host: Host::default(),
            allowed: Vec::new(),
            rules: EligibilityRules::default(),
            clock: Arc::new(ManualClock::new("2026-11-20T10:00:00Z".parse().unwrap())),
            disk: shared,
            files: files.clone(),
            journal_bytes_max: u64::MAX,
            process_lives: |_| false,
        };
        let core = Core::new(settings, recovered, one_issue());
        while syncs.try_recv().is_ok() {}
        Self {
            coordinator: Coordinator::start(core).unwrap(),
            disk,
            syncs,
            files,
            claimed: 0,
            _folder: folder,
        }
    }

    fn set(&self, pace: DiskPace) {
        *self.disk.pace.lock().unwrap() = pace;
    }

    /// Holds the thread's next sync until what this gives is dropped.
    fn hold(&self) -> Sender<()> {
        let (release, hold) = channel();
        *self.disk.hold.lock().unwrap() = Some(hold);
        release
    }

    /// A stage whose thread syncs one caller's claim until it is released.
    async fn with_a_sync_under_way() -> (Self, Sender<()>, JoinSet<Granted>) {
        let mut stage = Self::new();
        let release = stage.hold();
        let first = stage.callers(1);
        assert_eq!(stage.syncs.recv().await, Some(Half::Thread));
        (stage, release, first)
    }

    /// Claims an issue that nobody else wants.
    fn claim(&mut self) -> impl Future<Output = Granted> + use<> {
        self.claimed += 1;
        let number = self.claimed;
        let operation = Operation::Command(Command::Grant(Grant {
            new_claim_id: ClaimId(uuid::Uuid::from_u128(number.into())),
            agent_id: format!("agent-{number}").parse().unwrap(),
            session: None,
            request_id: None,
            key: IssueKey {
                host: Host::default(),
                repo: "acme/api".parse().unwrap(),
                number,
            },
            title: "Fix it".into(),
        }));
        let coordinator = self.coordinator.clone();
        async move {
            let answer = coordinator.perform(operation).await?;
            let is_own = matches!(
                &answer,
                Answer::Outcome(Outcome::Granted { claim, .. }) if claim.issue_number == number
            );
            assert!(is_own, "{number}: {answer:?}");
            Ok(())
        }
    }

    /// So many callers at once.
    fn callers(&mut self, count: usize) -> JoinSet<Granted> {
        let mut callers = JoinSet::new();
        for _ in 0..count {
            callers.spawn(self.claim());
        }
        callers
    }

    /// One caller after the other, until this half did so many batches in a row.
    async fn until(&mut self, half: Half, in_a_row: usize) {
        while self.syncs.try_recv().is_ok() {}
        let mut row = 0;
        while row < in_a_row {
            self.claim().await.unwrap();
            let did = self.syncs.recv().await.unwrap();
            row = if did == half { row + 1 } else { 0 };
        }
    }

    /// Claims on the disk.
    fn stored(&self) -> usize {
        recover_check(&self.disk.folder, &self.files, POLICY).unwrap()
    }
}

/// What `next` can choose from.
fn one_issue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let now = "2026-11-20T10:00:00Z".parse().unwrap();
    let mut repo = RepoUpdate::unchanged("acme/queue".parse().unwrap(), false, now);
    repo.issues = vec![issue(1, IssueState::Open, 0)];
    catalogue.apply(CatalogueUpdate {
        repos: vec![repo],
        ..CatalogueUpdate::default()
    });
    catalogue
}

/// All tasks that are ready now have had their turn.
async fn turn() {
    tokio::spawn(async {}).await.unwrap();
}

/// The results, of which each caller has exactly one: how many were granted, and the errors.
async fn results(mut callers: JoinSet<Granted>) -> (usize, Vec<CoordinatorError>) {
    let mut granted = 0;
    let mut errors = Vec::new();
    while let Some(result) = callers.join_next().await {
        match result.unwrap() {
            Ok(()) => granted += 1,
            Err(error) => errors.push(error),
        }
    }
    (granted, errors)
}

/// A caller that waits for ever fails the test.
async fn in_time(test: impl Future<Output = ()>) {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, test).await.expect("an end");
}

#[tokio::test]
async fn batches_move_to_the_thread_while_the_disk_is_slow_and_back() {
    in_time(async {
        let mut stage = Stage::new();
        stage.until(Half::Task, 50).await;
        stage.set(DiskPace::Slow);
        stage.until(Half::Thread, 5).await;

        let release = stage.hold();
        let count = 2 * BATCH_MAX + 100;
        let mut callers = stage.callers(count);
        while stage.syncs.recv().await != Some(Half::Thread) {}
        let others = tokio::spawn(async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        });
        others.await.expect("the runtime goes on");
        let mut answered = 0;
        while let Some(result) = callers.try_join_next() {
            result.unwrap().unwrap();
            answered += 1;
        }
        // None, unless the machine stood still for so long that the task had another try.
        assert!(
            answered <= BATCH_MAX,
            "{answered} were told of what is not stored"
        );
        let coordinator = stage.coordinator.clone();
        let read = async move { coordinator.read(|view| view.ledger.active().count()).await };
        let read = tokio::spawn(read);
        turn().await;
        assert!(
            !read.is_finished(),
            "it waits for what it sees to be stored"
        );

        drop(release);
        let (granted, errors) = results(callers).await;
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(answered + granted, count);
        let all = usize::try_from(stage.claimed).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), all);

        stage.set(DiskPace::Quick);
        stage.until(Half::Task, 50).await;
        stage.coordinator.stop().await.unwrap();
        assert_eq!(stage.stored(), usize::try_from(stage.claimed).unwrap());
    })
    .await;
}

#[tokio::test]
async fn more_callers_than_a_batch_takes_share_few_syncs() {
    in_time(async {
        let mut stage = Stage::new();
        stage.until(Half::Task, 1).await;
        let count = 3 * BATCH_MAX + 1;
        let begun = Instant::now();
        let callers = stage.callers(count);
        let (granted, errors) = results(callers).await;
        let took = begun.elapsed();
        assert!(
            took < SLEEP_MAX / 2,
            "who is left over waits {took:?} for the thread to look"
        );
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(granted, count);
        let mut syncs = 0;
        while stage.syncs.try_recv().is_ok() {
            syncs += 1;
        }
        assert!((4..20).contains(&syncs), "{syncs} syncs");
        assert_eq!(stage.stored(), usize::try_from(stage.claimed).unwrap());
    })
    .await;
}

#[tokio::test]
async fn callers_beyond_the_queue_are_refused_at_once() {
    in_time(async {
        let (mut stage, release, first) = Stage::with_a_sync_under_way().await;
        let mut callers = stage.callers(limits::COORDINATOR_QUEUE_MAX + 10);
        for _ in 0..10 {
            let refused = callers.join_next().await.unwrap().unwrap();
            assert!(matches!(refused, Err(CoordinatorError::Overloaded)));
        }
        turn().await;
        assert!(callers.try_join_next().is_none(), "the others wait");
        drop(release);
        assert_eq!(results(first).await.0, 1);
        let (granted, errors) = results(callers).await;
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(granted, limits::COORDINATOR_QUEUE_MAX);
        assert_eq!(stage.stored(), granted + 1);
    })
    .await;
}

#[tokio::test]
async fn who_asked_before_the_end_is_served_and_who_asked_after_it_is_told() {
    in_time(async {
        let (mut stage, release, first) = Stage::with_a_sync_under_way().await;
        let before = stage.callers(BATCH_MAX + 100);
        let coordinator = stage.coordinator.clone();
        let stop = tokio::spawn(async move { coordinator.stop().await });
        let after = stage.callers(10);
        turn().await;
        drop(release);
        stop.await.unwrap().unwrap();
        assert_eq!(results(first).await.0, 1);
        let (granted, errors) = results(before).await;
        assert_eq!((granted, errors.len()), (BATCH_MAX + 100, 0));
        let (late, errors) = results(after).await;
        let is_stopped = |error: &CoordinatorError| matches!(error, CoordinatorError::Stopped);
        assert!(
            late == 0 && errors.iter().all(is_stopped),
            "{late}, {errors:?}"
        );
        assert_eq!(stage.stored(), granted + 1);
    })
    .await;
}

#[tokio::test]
async fn a_grant_whose_caller_went_away_is_taken_back() {
    in_time(async {
        let (mut stage, release, first) = Stage::with_a_sync_under_way().await;
        let coordinator = stage.coordinator.clone();
        let query = NextQuery {
            new_claim_id: ClaimId(uuid::Uuid::from_u128(1 << 64)),
            agent_id: "gone".parse().unwrap(),
            session: None,
            request_id: None,
            within: Vec::new(),
            repo: None,
            labels: Vec::new(),
            milestone: None,
            except: Vec::new(),
            except_repos: Vec::new(),
        };
        let asked = tokio::spawn(async move { coordinator.next(query).await });
        turn().await;
        asked.abort();
        drop(release);
        assert_eq!(results(first).await.0, 1);
        // Later than the grant, and than its withdrawal.
        for _ in 0..2 {
            assert_eq!(results(stage.callers(1)).await.0, 1);
        }
        let seen = stage.coordinator.read(|view| {
            let of_gone = view
                .ledger
                .ended()
                .find(|(_, claim)| claim.agent_id.as_str() == "gone");
            of_gone.map(|(_, claim)| claim.status)
        });
        assert_eq!(seen.await.unwrap(), Some(Status::Released));
        stage.coordinator.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn batches_of_a_crowd_move_to_the_thread_and_back() {
    in_time(async {
        let mut stage = Stage::new();
        stage.until(Half::Task, 5).await;
        // The first crowd comes as a surprise; the next is one that goes on asking, unless the
        // machine stood still meanwhile. That may happen, but not time after time.
        let mut by_thread = false;
        for _ in 0..5 {
            let (granted, errors) = results(stage.callers(CROWD_MIN)).await;
            assert_eq!((granted, errors.len()), (CROWD_MIN, 0));
            while stage.syncs.try_recv().is_ok() {}
            assert_eq!(results(stage.callers(CROWD_MIN)).await.0, CROWD_MIN);
            by_thread = stage.syncs.recv().await == Some(Half::Thread);
            if by_thread {
                break;
            }
        }
        assert!(by_thread);
        stage.until(Half::Task, 5).await;
        stage.coordinator.stop().await.unwrap();
        assert_eq!(stage.stored(), usize::try_from(stage.claimed).unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_panic_in_a_batch_ends_all_waits() {
    in_time(async {
        for half in [Half::Thread, Half::Task] {
            // A machine that stood still makes the disk look slow, and the thread do a round.
            let (mut stage, errors) = loop {
                let mut stage = Stage::new();
                if half == Half::Task {
                    stage.until(half, 1).await;
                }
                stage.set(DiskPace::PanicsFor(half));
                let callers = stage.callers(2 * BATCH_MAX + 100);
                let (granted, errors) = results(callers).await;
                assert_eq!(granted + errors.len(), 2 * BATCH_MAX + 100);
                if !errors.is_empty() {
                    break (stage, errors);
                }
            };
            let is_stopped = |error: &CoordinatorError| matches!(error, CoordinatorError::Stopped);
            assert!(errors.iter().all(is_stopped), "{half:?}: {errors:?}");
            let later = stage.claim().await;
            assert!(matches!(later, Err(CoordinatorError::Stopped)), "{later:?}");
            let stopped = stage.coordinator.stop().await;
            assert!(matches!(stopped, Err(CoordinatorError::Stopped)));
        }
    })
    .await;
}

/// A batch of one caller that ended so many milliseconds after `start`.
fn lap(start: Instant, ended: u64, took: Duration, synced: bool) -> Lap {
    Lap {
        ended: start + Duration::from_millis(ended),
        took,
        synced,
        callers: 1,
    }
}

#[test]
fn the_runtime_waits_for_disks_that_were_quick_of_late() {
    let start = Instant::now();
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    let mut pace = Pace::new(start);
    assert!(!pace.is_quick(start), "nothing is known");
    pace.note(&lap(start, 1, Duration::from_micros(50), false));
    assert!(!pace.is_quick(at(1)), "no sync, no evidence");
    pace.note(&lap(start, 2, QUICK_BATCH_MAX, true));
    assert!(pace.is_quick(at(1_001)));
    assert!(!pace.is_quick(at(1_002)), "too long ago");
    pace.note(&lap(start, 2_000, Duration::from_millis(50), true));
    pace.note(&lap(start, 2_010, Duration::from_micros(100), true));
    assert!(!pace.is_quick(at(2_999)), "one quick sync is no promise");
    assert!(pace.is_quick(at(3_005)));
    pace.note(&lap(start, 3_006, Duration::from_millis(300), false));
    assert!(!pace.is_quick(at(3_007)), "deciding counts too");
}

#[test]
fn a_crowd_is_one_for_a_while() {
    let start = Instant::now();
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    let of = |callers, ended| Lap {
        callers,
        ..lap(start, ended, Duration::from_micros(200), true)
    };
    let mut pace = Pace::new(start);
    pace.note(&of(CROWD_MIN - 1, 1));
    assert!(!pace.is_crowded(at(1)));
    pace.note(&of(CROWD_MIN, 2));
    // A share of the crowd: the others are on their way.
    pace.note(&of(5, 3));
    assert!(pace.is_crowded(at(101)));
    assert!(!pace.is_crowded(at(102)));
}
