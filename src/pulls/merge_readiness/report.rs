//! The answer of `check_merge_readiness`.

use jiff::Timestamp;
use serde::Serialize;

use crate::pulls::Warning;
use crate::pulls::overflow::{Rule, Said};

/// Whether a pull request can be merged, and if not, what is in the way: everything, before it is
/// cut into pages.
#[derive(Clone, Debug, Serialize)]
pub struct MergeReadiness {
    /// The whole name of the head commit.
    #[serde(skip)]
    pub commit: String,
    /// `owner/name#number`.
    pub pr: String,
    /// First digits of the head commit.
    pub head_sha: String,
    /// When it was looked at.
    pub fetched_at: Timestamp,
    /// Whether a merge would go through now.
    pub ready_to_merge: bool,
    /// In a word.
    pub verdict: Verdict,
    /// GitHub's own word, as `BLOCKED`.
    pub merge_state_status: String,
    /// The questions one by one; null is unknown.
    pub checks: Answers,
    /// Everything in the way.
    pub blocking_issues: Vec<Blocker>,
    /// What the base branch demands, and how far it is met.
    pub branch_protection: Protection,
    /// How to merge.
    pub merge: Merge,
    /// The open pull request whose branch this one goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacked_on: Option<u64>,
    /// The branch whose rules hold, where it is not the base: in a stack that GitHub keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_of: Option<String>,
    /// Issues that the merge closes.
    pub closes: Vec<String>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Fields with words of others.
    pub untrusted: [&'static str; 2],
}

/// How long the lists of the first page are, level by level: names of checks, names in a blocker,
/// blockers, warnings.
const LENGTHS: [(usize, usize, usize, usize); 6] = [
    (20, 5, 32, 8),
    (10, 5, 32, 8),
    (5, 5, 32, 5),
    (2, 3, 24, 4),
    (1, 1, 16, 4),
    (0, 0, 10, 2),
];

/// The rules by which the first page is cut, each cutting more than the one before.
pub(super) fn levels() -> Vec<Vec<Rule>> {
    LENGTHS.into_iter().map(rules).collect()
}

fn rules((names, in_blocker, blockers, warnings): (usize, usize, usize, usize)) -> Vec<Rule> {
    const BLOCKERS: &[&str] = &["blocking_issues"];
    let checks: [&[&str]; 6] = [
        &["branch_protection", "failing_checks"],
        &["branch_protection", "missing_checks"],
        &["branch_protection", "pending_checks"],
        &["branch_protection", "passing_checks"],
        &["branch_protection", "required_checks"],
        &["branch_protection", "optional_failing"],
    ];
    let checks = checks
        .into_iter()
        .map(|list| Rule::of(list, names, Said::Flag("truncated")));
    let others = [
        Rule::of(BLOCKERS, blockers, Said::Count("more_blocking_issues")),
        Rule::within(
            BLOCKERS,
            "names",
            &["category", "description"],
            in_blocker,
            Said::Count("more_names"),
        ),
        Rule::of(
            &["branch_protection", "sources"],
            names.max(2),
            Said::Nothing,
        ),
        Rule::of(&["closes"], names, Said::Count("more_closes")),
        Rule::of(&["warnings"], warnings, Said::Nothing),
    ];
    others.into_iter().chain(checks).collect()
}

/// The state of things in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It can be merged and everything is green.
    Ready,
    /// It can be merged, though checks that nothing demands fail or run.
    Unstable,
    /// The merge queue has it.
    Queued,
    /// Something is in the way.
    Blocked,
    /// GitHub has not told yet whether the branches merge.
    Computing,
    /// It was merged.
    Merged,
    /// It was closed.
    Closed,
}

/// The questions one by one. `None` is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// All checks passed, demanded or not.
    pub ci_passing: Option<bool>,
    /// Reviews are as demanded.
    pub approvals_met: Option<bool>,
    /// The branches merge.
    pub no_conflicts: Option<bool>,
    /// The head has every commit of the base.
    pub up_to_date: Option<bool>,
    /// No conversation is unresolved.
    pub conversations_resolved: Option<bool>,
    /// GitHub would let the merge through.
    pub branch_protection_satisfied: Option<bool>,
}

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// What kind of thing.
    pub category: Category,
    /// What it is.
    pub description: String,
    /// Names of checks, people or environments that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Who can do something about it.
    pub who: Who,
    /// What to do, or which tool tells more.
    pub action_required: String,
    /// The command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Kinds of things in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Category {
    Draft,
    Closed,
    Conflicts,
    Computing,
    Behind,
    CheckFailing,
    CheckPending,
    CheckMissing,
    CheckUnknown,
    WorkflowApproval,
    ChangesRequested,
    ReviewRequired,
    CodeOwner,
    LastPush,
    Threads,
    Signatures,
    LinearHistory,
    Method,
    Deployments,
    MergeQueue,
    LockedBranch,
    StackBelowNotReady,
    Permission,
    UnexplainedBlock,
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Who {
    Author,
    Reviewer,
    Maintainer,
    Ci,
    Github,
}

/// What the base branch demands.
#[derive(Clone, Debug, Serialize)]
pub struct Protection {
    /// What was read: `ruleset:<id>`, `classic`, and `…:unknown` for what could not be read.
    pub sources: Vec<String>,
    /// Approvals demanded.
    pub required_approvals: Option<u64>,
    /// Approvals by people who may write; those that a push dismissed do not count.
    pub current_approvals: Option<u64>,
    /// Those of them that were given to the head commit.
    pub approvals_on_head: Option<u64>,
    /// Checks demanded.
    pub required_checks: Vec<String>,
    /// Those that passed.
    pub passing_checks: Vec<String>,
    /// Those that failed.
    pub failing_checks: Vec<String>,
    /// Those that run.
    pub pending_checks: Vec<String>,
    /// Those that nobody reported.
    pub missing_checks: Vec<String>,
    /// Failed checks that nothing is known to demand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional_failing: Vec<String>,
}

/// How to merge.
#[derive(Clone, Debug, Serialize)]
pub struct Merge {
    /// Methods that repository and rules allow; null is unknown.
    pub allowed_methods: Option<Vec<Method>>,
    /// Whether merges go through a queue.
    pub queue: Option<bool>,
    /// Merging as soon as nothing is in the way.
    pub auto_merge: Option<AutoMerge>,
    /// The next command; null while no merge can be asked for.
    pub command: Option<String>,
    /// What an administrator may do; only where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminMerge>,
}

/// Merging in spite of the rules. The blockers stay what they are.
#[derive(Clone, Debug, Serialize)]
pub struct AdminMerge {
    /// Whether this login may bypass the rules here; null is unknown.
    pub may_bypass: Option<bool>,
    /// The command that does it; none where nothing is in the way, or something that no right helps
    /// against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What is in the way of an administrator too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_bypassed: Vec<Category>,
}

/// Merging as soon as nothing is in the way.
#[derive(Clone, Debug, Serialize)]
pub struct AutoMerge {
    /// Whether this login may switch it on here.
    pub allowed: bool,
    /// Whether it is on.
    pub enabled: bool,
}

/// A way to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A merge commit.
    Merge,
    /// One commit for all.
    Squash,
    /// The commits one by one on top of the base.
    Rebase,
}

impl Method {
    /// All of them, in the order of GitHub's menu.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}
