//! Floor 4: the one writer, which owns ledger, catalogue and journal: it decides, puts the changes
//! on disk, applies them, publishes them and replies, for all callers that wait at that moment
//! together, so that they share one sync of the disk.
//!
//! Beside it: the feed of events, the catalogue of issues, and the task that keeps the catalogue
//! in step with GitHub.
//!
//! Invariant: nothing outside this folder changes a claim, and no lock is held across a GitHub
//! call.

mod catalogue;
mod catalogue_file;
mod core;
mod feed;
mod handle;
mod inbox;
mod message;
mod next;
mod pull_claims;
mod sync;
mod sync_claims;
mod sync_plan;
mod sync_rest;
mod writer;

pub use self::core::{Core, CoreSettings, StorageProblem, View};
pub use catalogue::{Catalogue, CatalogueUpdate, RepoEntry, RepoUpdate};
pub use catalogue_file::{read_catalogue, write_catalogue};
pub use feed::{Feed, FeedEvent, Subscription};
pub use handle::{Coordinator, CoordinatorError};
pub use message::Handover;
pub use next::{NextGrant, NextOutcome, NextQuery};
pub use sync::{SyncReport, SyncSettings, Syncer};

use std::sync::Arc;
use std::time::Duration;

use crate::claim::{Command, FailedChecks, Grant, Outcome};
use crate::domain::{AgentId, SessionRef};

/// What the coordinator can be asked to do.
#[derive(Debug)]
pub enum Operation {
    /// One command of the claim core.
    Command(Command),
    /// Claim an issue that the catalogue knows as open. Its title is taken from there.
    Claim {
        /// What is asked for.
        grant: Grant,
        /// How old the catalogue's knowledge may be; `None` takes any.
        fresh_within: Option<Duration>,
    },
    /// Choose the best issue and grant it, in one step.
    Next(NextQuery),
    /// A call that names the agent: renews its lease and revives what is stale.
    Heard(AgentId),
    /// A call from an agent process: the same, where all claims that lie with it are of one agent.
    SessionHeard(SessionRef),
    /// What sync learnt.
    Catalogue(CatalogueUpdate),
    /// Note that a sync is complete.
    SyncCompleted {
        /// How many issues changed.
        changed: u64,
    },
    /// Announce failing checks of a pull request, once for each commit.
    ChecksFailed(Arc<FailedChecks>),
    /// An agent process connected. Connections are numbered from 1 as they come: the end of one is
    /// sometimes noticed after its process has come back by the next. 0: it is the owner's own
    /// process.
    SessionOpened(SessionRef, u64),
    /// That connection of it ended; a later one keeps the session alive.
    SessionClosed(SessionRef, u64),
}

/// What came of an [`Operation`], once it is durable.
#[derive(Debug)]
pub enum Answer {
    /// Of a command.
    Outcome(Outcome),
    /// Of a claim.
    Claim(ClaimAnswer),
    /// Of a choice.
    Next(NextOutcome),
    /// Of a catalogue update: how many issues changed.
    Changed(u64),
    /// Nothing to tell.
    Done,
}

/// What came of [`Operation::Claim`].
#[derive(Debug)]
pub enum ClaimAnswer {
    /// The ledger decided.
    Decided {
        /// How.
        outcome: Outcome,
        /// What `next_issue` would have minded.
        warnings: Vec<String>,
    },
    /// The catalogue does not know the issue as open, or not freshly enough: ask GitHub, then ask
    /// for this again.
    Unknown(Grant),
}
