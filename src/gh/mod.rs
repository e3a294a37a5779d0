//! Floor 3: GitHub through the gh command-line program. One method a verb: build, run, parse.
//!
//! Every access is `gh api -i …` as a child of the bounded pool. What strangers wrote goes in by
//! standard input only; the token only by the child's environment.
//!
//! Invariant: this floor knows nothing of claims.

mod cache;
mod client;
mod environment;
mod error;
mod gate;
mod graphql;
mod issue_nodes;
mod issue_rest;
mod issues;
mod response;
mod rest;
mod sync_nodes;
mod sync_queries;
mod verdict;
mod version;

pub use client::{Account, Gh, GhSettings, GhStatus};
pub use environment::locate;
pub use error::{GhError, Help};
pub use gate::RateLimit;
pub use issues::{Comment, FetchedIssue, IssueDetails, IssueListing, IssueLookup, LinkedIssue};
pub use rest::{ApiPath, GraphAnswer};
pub use sync_queries::{
    DeltaPage, DeltaRequest, ProbePage, ProbeScope, RepoProbe, SyncedPullRequest,
};
pub use version::{GhVersion, MINIMUM_VERSION};
