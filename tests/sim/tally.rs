//! How often each interesting thing happened: a simulation that never tears a write tests nothing.

use std::fmt::Write as _;

macro_rules! seen {
    ($($name:ident,)*) => {
        /// Things that must happen somewhere in a full run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Seen { $($name,)* }

        impl Seen {
            const ALL: &'static [Seen] = &[$(Seen::$name,)*];
        }
    };
}

seen! {
    // What is asked and answered.
    Batches, Requests, Granted, AlreadyTheirs, Chosen, NothingToChoose, CatalogueUnsure,
    ClosedByAgent, Heartbeat, Repeated, RepeatedAfterRestart, Withdrawn,
    AlreadyClaimed, AgentIdInUse, HeldByOtherSession, NotYours, ClaimLost, NotClaimed,
    NotAllowed, PullRequestMissing,
    // What follows from time and sessions.
    Stale, Revived, ReleasedAsStale, TakenOver, Adopted, Slept, ClockSetBack, SessionReturned,
    SessionMissed,
    // What GitHub tells.
    ClosedOnGitHub, GoneOnGitHub, PullOpened, PullMerged, PullClosed, StalePage, MissingPage,
    RepoDropped,
    // What goes wrong.
    Killed, PowerLost, DiedBetweenDecisionAndDisk, DiedInFinish, DiedInSnapshot, DiedInRecovery,
    TornTail, UnacknowledgedKept, BatchKeptInPart, BatchRefused, SyncFailed, DiskFull,
    RecoveryFailed, SnapshotFailed, RefusedBatchSuspected,
    // What is written and read.
    Snapshots, BackgroundSnapshots, HistoryFilesRolled, CleanRestarts, ReaderResumed, Audits,
}

/// Counts of all of them.
#[derive(Clone)]
pub struct Tally([u64; Seen::ALL.len()]);

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        Self([0; Seen::ALL.len()])
    }

    /// One more.
    pub fn count(&mut self, seen: Seen) {
        self.0[seen as usize] += 1;
    }

    /// All of another's.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// What never happened.
    pub fn never(&self) -> Vec<Seen> {
        Seen::ALL
            .iter()
            .copied()
            .filter(|seen| self.0[*seen as usize] == 0)
            .collect()
    }

    /// As a table of three columns.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (index, seen) in Seen::ALL.iter().enumerate() {
            let end = if index % 3 == 2 { "\n" } else { "  " };
            let _ = write!(
                table,
                "{:>9} {:<28}{end}",
                self.0[*seen as usize],
                format!("{seen:?}")
            );
        }
        table.trim_end().to_owned()
    }
}
