//! The arguments of each tool. Their names, types and comments are the tools' input schemas, the
//! command line's flags and the fields of the HTTP interface.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pulls::create::FileChange;

macro_rules! arguments {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_about])*
                pub $field: $kind,
            )*
        }
    )*};
}

type Optional<T> = Option<T>;

arguments! {
    /// Arguments of `list_repos`.
    ListRepos {
        /// Account
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Optional<String>,
        /// Page size
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `list_open_issues`.
    ListOpenIssues {
        /// owner/name
        repo: String,
        /// Label
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Optional<String>,
        /// Milestone title
        #[serde(default, skip_serializing_if = "Option::is_none")]
        milestone: Optional<String>,
        /// Page size, 20
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `fetch_issues`.
    FetchIssues {
        /// owner/name
        repo: String,
        /// open, closed or all
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Optional<String>,
        /// All of these
        #[serde(default, skip_serializing_if = "Option::is_none")]
        labels: Optional<Vec<String>>,
        /// Page size, 10
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `get_issue_details`.
    GetIssueDetails {
        /// owner/name
        repo: String,
        /// Number
        issue_number: u64,
        /// How many, 20
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comments: Optional<u64>,
        /// From next_cursor: older comments
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `next_issue`.
    NextIssue {
        /// Your name, the same in every call
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// owner/name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Optional<String>,
        /// All of these
        #[serde(default, skip_serializing_if = "Option::is_none")]
        labels: Optional<Vec<String>>,
        /// Milestone title
        #[serde(default, skip_serializing_if = "Option::is_none")]
        milestone: Optional<String>,
        /// 0 to 45
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_seconds: Optional<u64>,
    }
    /// Arguments of `claim_issue`.
    ClaimIssue {
        /// Your name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// owner/name
        repo: String,
        /// Number
        issue_number: u64,
    }
    /// Arguments of `release_issue`.
    ReleaseIssue {
        /// Or repo and issue_number
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim_id: Optional<String>,
        /// Your name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// owner/name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Optional<String>,
        /// Number
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issue_number: Optional<u64>,
        /// Why
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Optional<String>,
        /// For the next agent
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handoff_note: Optional<String>,
    }
    /// Arguments of `update_claim_status`.
    UpdateClaimStatus {
        /// From next_issue
        claim_id: String,
        /// The new status
        status: String,
        /// Your name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// Why
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Optional<String>,
        /// For pr_submitted
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pr_url: Optional<String>,
    }
    /// Arguments of `get_my_claims`.
    GetMyClaims {
        /// Your name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
    }
    /// Arguments of `get_all_claims`.
    GetAllClaims {
        /// owner/name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Optional<String>,
        /// Whose
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// Status
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Optional<String>,
        /// Only stale ones
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stale: Optional<bool>,
        /// Page size
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `get_claim_history`.
    GetClaimHistory {
        /// owner/name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Optional<String>,
        /// Whose
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
        /// released or closed
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Optional<String>,
        /// For the filters of active claims: none that ended is
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stale: Optional<bool>,
        /// RFC 3339 time
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Optional<String>,
        /// Page size, 50
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `create_pull_request`.
    CreatePullRequest {
        /// owner/name
        repo: String,
        /// One line
        title: String,
        /// Markdown
        body: String,
        /// New branch for files, or a pushed one (owner:branch of a fork)
        head: String,
        /// Branch, the default one
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Optional<String>,
        /// path, content, encoding, executable, delete
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Optional<Vec<FileChange>>,
        /// Becomes pr_submitted
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim_id: Optional<String>,
        /// It closes, where claim_id is not given
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issue_number: Optional<u64>,
        /// As a draft
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft: Optional<bool>,
        /// Your name
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Optional<String>,
    }
    /// Arguments of `get_failing_tests`.
    GetFailingTests {
        /// owner/name#1 or URL
        pr: String,
        /// Until done, 45 s a call
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Optional<bool>,
        /// A shorter wait
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_wait_seconds: Optional<u64>,
        /// Wait ends at the first failure, true
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bail_on_first: Optional<bool>,
        /// Only required checks
        #[serde(default, skip_serializing_if = "Option::is_none")]
        required_only: Optional<bool>,
        /// Parts of names, or patterns with *
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checks: Optional<Vec<String>>,
        /// Names left out, in the same way
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ignore_checks: Optional<Vec<String>>,
        /// annotations, logs, junit: all
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sources: Optional<Vec<String>>,
        /// false: not whether the base fails too
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compare_base: Optional<bool>,
        /// Lines that show a failure, 0 to 12
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_error_lines: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `check_merge_readiness`.
    CheckMergeReadiness {
        /// owner/name#1
        pr: String,
        /// merge, squash or rebase
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Optional<String>,
        /// Whether you may merge in spite of the rules, and how
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admin: Optional<bool>,
        /// 0 to 45
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_seconds: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `find_unresolved_comments`.
    FindUnresolvedComments {
        /// owner/name#number or its address
        pr: String,
        /// This thread with all replies, in place of the list
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread_id: Optional<String>,
        /// any, author_reply or reviewer
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needs: Optional<String>,
        /// false leaves bots out
        #[serde(default, skip_serializing_if = "Option::is_none")]
        include_bots: Optional<bool>,
        /// Logins left out
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude_authors: Optional<Vec<String>>,
        /// false leaves out threads on lines that changed since
        #[serde(default, skip_serializing_if = "Option::is_none")]
        include_outdated: Optional<bool>,
        /// false leaves what bots find in a review's body in one piece
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parse_review_bodies: Optional<bool>,
        /// Of each remark, 40 to 4000, 600
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_chars: Optional<u64>,
        /// by_file, priority, chronological or by_author
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sort: Optional<String>,
        /// RFC 3339 time
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Optional<String>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `resolve_review_thread`.
    ResolveReviewThread {
        /// owner/name#number or its address
        pr: String,
        /// Or comment_id
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread_id: Optional<String>,
        /// Of any comment in the thread
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment_id: Optional<u64>,
        /// Said before
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Optional<String>,
        /// Open it again
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unresolve: Optional<bool>,
    }
    /// Arguments of `manage_stacked_prs`.
    ManageStackedPrs {
        /// owner/name#number or URL, any layer
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pr: Optional<String>,
        /// With dependent_pr in place of pr: what that builds on
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_pr: Optional<String>,
        /// With base_pr
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dependent_pr: Optional<String>,
        /// Another branch to move it onto
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onto_base: Optional<String>,
        /// true or false: every rebase with --onto, or none
        #[serde(default, skip_serializing_if = "Option::is_none")]
        use_onto: Optional<bool>,
        /// false leaves out the steps to verify and fix
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_fix: Optional<bool>,
        /// Rounds of these, 1 to 10, 3
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_iterations: Optional<u64>,
        /// Of your clone, origin
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote: Optional<String>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `detect_merge_conflicts`.
    DetectMergeConflicts {
        /// owner/name#1
        pr: String,
        /// Its base
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_branch: Optional<String>,
        /// auto, fast, exact
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Optional<String>,
        /// 20
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_files: Optional<u64>,
        /// Overlaps too
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with_open_prs: Optional<bool>,
        /// 0 to 45
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_seconds: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `analyze_pr_impact`.
    AnalyzePrImpact {
        /// owner/name#number or its address
        pr: String,
        /// summary or detailed
        #[serde(default, skip_serializing_if = "Option::is_none")]
        depth: Optional<String>,
        /// false leaves reviewers out
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suggest_reviewers: Optional<bool>,
        /// false leaves other pull requests out
        #[serde(default, skip_serializing_if = "Option::is_none")]
        include_open_prs: Optional<bool>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `get_review_suggestions`.
    GetReviewSuggestions {
        /// owner/name#number or its address
        pr: String,
        /// security, performance, errors, tests, api, concurrency, ci, deps, docs
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus_areas: Optional<Vec<String>>,
        /// As in CODEOWNERS
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Optional<Vec<String>>,
        /// false leaves the diff out
        #[serde(default, skip_serializing_if = "Option::is_none")]
        include_diff: Optional<bool>,
        /// A page, 20 to 500, 500
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_diff_lines: Optional<u64>,
        /// From next_cursor
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Optional<String>,
    }
    /// Arguments of `system_health`: none.
    SystemHealth {
        /// Whether GitHub is left alone: for the program itself, whose watchers ask all the time.
        #[serde(skip)]
        only_known: bool,
    }
}
