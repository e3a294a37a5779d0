//! IssueCommand hands out GitHub issues to coding agents and helps to land their pull requests. An
//! agent asks for the next issue and holds it exclusively from claim to pull request to merge to
//! close, over MCP, HTTP and the command line, all on one shared state, however many processes
//! there are.
//!
//! # Floors
//! A folder imports only from lower floors; two folders on one floor never import each other.
//! `tests/tidy.rs` reads the `use` lines and holds this.
//!
//! | floor | folder | what |
//! | --- | --- | --- |
//! | 0 | [`domain`] | words: ids, issues, priorities, limits, errors, time as an argument |
//! | 1 | [`claim`] | the pure state machine: ledger, transitions, leases, eligibility |
//! | 2 | [`store`] | durability: journal, snapshot, history, recovery, the owner's lock |
//! | 2 | [`process`] | children: one way to run a program, a bounded pool |
//! | 3 | [`gh`] | GitHub through the gh command-line program |
//! | 3 | [`git`] | git itself: what two sides changed in a file |
//! | 4 | [`coordinator`] | the one writer; feed, catalogue, sync |
//! | 4 | [`pulls`] | pull-request tools: each fetches, then analyses; `ci_log` reads job logs |
//! | 5 | [`service`] | the front desk: one request with a variant a tool |
//! | 6 | [`mcp`], then [`http`] | the transports; HTTP carries MCP, so it stands above it |
//! | 7 | [`app`], then [`cli`] | configuration and composition; commands, built on it |
//!
//! # Invariants
//! - At most one active claim exists for an issue; a change is acknowledged only when it is on disk.
//! - The core reads no clock, file or environment: everything that can go wrong with time, disk,
//!   network or processes is played in a test (`tests/sim`).
//! - One writer: [`coordinator`]. No lock is held across a call to GitHub.
//! - Transports know only the request vocabulary of [`service`].
//! - Every GitHub access is a child of one bounded pool; what strangers wrote reaches it by
//!   standard input only.
//! - Deliberately absent: a GitHub client library, a web framework, a database.
//!
//! # One call, from a stdio agent
//! [`mcp`] turns JSON into a request → [`app::Node`] carries it to the owner, here or in another
//! process → [`service::Desk`] checks it → the [`coordinator`] chooses and decides in one step →
//! [`store::Journal`] appends and syncs → published to readers → [`gh`] verifies the issue and
//! brings its text → reply.
//!
//! Read first: [`claim`] (the rules), [`store`] (the files), [`coordinator`] (the writer).

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]
pub mod app;
pub mod claim;
pub mod cli;
pub mod coordinator;
pub mod domain;
pub mod gh;
pub mod git;
pub mod http;
pub mod mcp;
pub mod process;
pub mod pulls;
pub mod service;
pub mod store;
