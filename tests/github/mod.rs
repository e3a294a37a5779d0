//! A stand-in for GitHub that runs on this machine, without a network.
//!
//! The real `gh` program is its client: the `http_unix_socket` setting in gh's
//! configuration sends every request in plain HTTP to the socket served here,
//! so whatever drives `gh` is exercised down to the last process and pipe.
//!
//! # Layout
//!
//! - [`World`]: repositories, issues and pull requests, changed by tests through
//!   methods that read like what happened (`close_issue`, `merge_pull_request`).
//! - [`GitHub`]: the server and the handle to it, its record of requests
//!   ([`RequestRecord`]) and the folder that points `gh` at it.
//! - `rest` and `graphql`: the two faces of the API. GraphQL documents are parsed,
//!   checked against a schema and priced in points before they are executed.
//! - [`Fault`]: everything that goes wrong with a real service, on demand.
//!
//! It answers with what is in the world and nothing else: there are no canned
//! answers, so a client that asks the wrong question gets GitHub's error.
#![allow(
    dead_code,
    unused_imports,
    reason = "each consumer includes the whole folder and uses a part of it"
)]

mod body;
mod clock;
mod faults;
mod git_repository;
mod graphql;
mod handle;
mod history;
mod issue;
mod json;
mod merges;
mod pull_request;
mod record;
mod repository;
mod rest;
mod review;
mod server;
mod store;
mod synthetic;
mod world;

pub use clock::{Clock, RateLimit};
pub use faults::{Effect, Fault};
pub use git_repository::GitRepository;
pub use handle::GitHub;
pub use history::{BranchSide, History, PullEvent, oid};
pub use issue::{Comment, Issue, IssueKey, Milestone, PullRequest};
pub use merges::Merges;
pub use pull_request::{FAILING_TESTS, LOG_LINES, OPEN_THREADS, THREADS};
pub use record::{RequestRecord, Summary};
pub use repository::{Gone, Repository};
pub use review::{Review, ReviewComment, ReviewThread, Reviews};
pub use store::{Store, StoredEntry};
pub use world::World;
