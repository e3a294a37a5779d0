//! Floor 4: pull-request tools. Each fetches through the gh floor and then analyses: what fails,
//! who waits for whom, what blocks, and the commands that come next. [`create`] opens one.
//!
//! Invariants: every analysis is a pure function of what was fetched; a source that could not be
//! read becomes a [`Warning`], never silence; what strangers wrote stays in fields of its own.

pub mod areas;
mod branch_name;
pub mod checks;
pub mod ci_log;
pub mod code_owners;
pub mod comments;
pub mod conflicts;
pub mod context;
pub mod create;
pub mod edits;
mod failing_tests;
pub mod files;
mod head_cursor;
pub mod impact;
mod kept;
pub mod merge_readiness;
pub mod native_stack;
mod overflow;
pub mod overlap;
pub mod path_pattern;
pub mod public_api;
mod pull_id;
mod pull_request;
pub mod required;
pub mod review;
mod rollup;
pub mod secrets;
pub mod shell;
#[cfg(test)]
mod sizes;
mod source;
pub mod stack;
mod standing;
mod standing_file;

pub use failing_tests::{
    ERROR_LINES_MAX, FailedNames, FailingTests, Filters as CheckFilters,
    Query as FailingTestsQuery, Sources as CheckSources, get_failing_tests,
};
pub use pull_id::PullId;
pub use pull_request::PullRequest;
pub use rollup::{Conversation, ROLLUPS_MAX, Rollup, RollupState, rollups};
pub use source::{PullSource, Pulls};
pub use standing::Standing;

use serde::Serialize;

use crate::domain::text;

/// Words of others on one line, with an ellipsis where they are cut.
fn short(words: &str, bytes_max: usize) -> String {
    match text::cut(words, bytes_max) {
        (shown, true) => format!("{}…", text::one_line(shown)),
        (shown, false) => text::one_line(shown),
    }
}

/// A source that could not be read, and what that does to the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What was asked, as `branch_protection`.
    pub source: &'static str,
    /// Why there is no answer.
    pub reason: String,
    /// What may be incomplete.
    pub effect: &'static str,
}

impl Warning {
    /// A warning. The reason is often what GitHub says: on one line, and no longer than it has to
    /// be.
    pub fn new(source: &'static str, reason: impl ToString, effect: &'static str) -> Self {
        const REASON_BYTES_MAX: usize = 300;
        Self {
            source,
            reason: short(&reason.to_string(), REASON_BYTES_MAX),
            effect,
        }
    }
}
