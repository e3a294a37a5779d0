//! Tests of the whole program: its processes as users start them, the real `gh`, and a stand-in
//! for GitHub at the other end. Every test has its own state folder, stand-in and processes.
//!
//! `ISSUECOMMAND_TEST_GH` names another `gh` than the one on PATH.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic and says why"
)]

#[path = "../github/mod.rs"]
mod github;
mod support;

mod access;
mod allowed_repos;
mod ci_watch;
mod claims;
mod cli;
mod cli_exit;
mod configuration;
mod create_pull_request;
mod detect_merge_conflicts;
mod doctor;
mod durability;
mod enterprise;
mod events;
mod failing_tests;
mod full_disk;
mod http_errors;
mod issue_details;
mod leases;
mod load;
mod manage_stacked_prs;
mod mcp_calls;
mod mcp_content;
mod mcp_http;
mod mcp_stdio;
mod merge_lab;
mod merge_readiness;
mod merge_scenarios;
mod moved_state;
mod next_issue;
mod outage;
mod owners;
mod pages;
mod pr_impact;
mod reading;
mod readme;
mod review_suggestions;
mod secrets;
mod sessions;
mod stack_lab;
mod stack_topologies;
mod status;
mod stress;
mod sync;
mod token_bar;
mod unresolved_comments;
mod waiting;
