//! Floor 1: the claim core, a pure state machine.
//!
//! [`Ledger::execute`] decides a [`Command`] by the state and the time, hands the [`Change`]s that
//! follow to whoever puts them on disk, and answers with an [`Outcome`]. [`Ledger::apply`] performs a
//! change, and [`Ledger::undo`] takes it back when it could not be made durable.
//!
//! Invariant: this folder reads no clock, no file and no environment, and cannot fail other than
//! by refusing. Time, ids and the life of sessions are handed in.

mod change;
mod command;
mod decide;
mod eligibility;
mod image;
mod lease;
mod ledger;
mod moves;
mod record;
mod sessions;
mod status;

#[cfg(test)]
mod tests;

pub use change::{Change, FailedChecks, Recorded};
pub use command::{Actor, Command, GitHubFact, Grant, Outcome, Refusal, Target};
pub use eligibility::{Assessment, Candidate, EligibilityRules, Exclusion, PassedBy, age_days};
pub use image::LedgerImage;
pub use lease::LeasePolicy;
pub use ledger::{FailedHead, IssueMemory, Ledger, PullKey, Undo};
pub use record::{Claim, StatusChange};
pub use status::Status;
