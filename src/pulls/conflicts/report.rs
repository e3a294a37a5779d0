//! The answer of `detect_merge_conflicts`.

use jiff::Timestamp;
use serde::Serialize;

use super::cases::{Kind, Side};
use super::lines::Region;
use crate::pulls::overflow::{Rule, Said};
use crate::pulls::overlap::OverlappingPull;
use crate::pulls::{Warning, short};

/// Fields with words of others.
pub const UNTRUSTED: &[&str] = &[
    "conflicts",
    "clean_overlaps",
    "undecided",
    "other_open_prs",
    "instructions",
];

/// How long the lists of the first page are, level by level: conflicts, places of one and commits of
/// one, paths of each list, other pull requests, their paths and places, warnings.
const LENGTHS: [(usize, usize, usize, usize, usize, usize, usize); 9] = [
    (20, 5, 3, 20, 10, 5, 8),
    (20, 3, 3, 10, 5, 3, 5),
    (15, 2, 2, 10, 5, 3, 5),
    (10, 2, 2, 5, 3, 2, 3),
    (6, 2, 1, 5, 3, 2, 3),
    (4, 1, 1, 3, 2, 1, 2),
    (2, 1, 1, 2, 1, 1, 1),
    (1, 1, 0, 1, 0, 0, 1),
    (1, 0, 0, 0, 0, 0, 0),
];

/// The rules by which the first page is cut, each cutting more than the one before.
pub(super) fn levels() -> Vec<Vec<Rule>> {
    const CONFLICTS: &[&str] = &["conflicts"];
    const OTHERS: &[&str] = &["other_open_prs"];
    let rules = |(conflicts, regions, commits, paths, others, shared, warnings)| {
        let of_conflict = |name, most, said| {
            Rule::within(CONFLICTS, name, &["path", "type"], most, Said::Count(said))
        };
        vec![
            Rule::of(CONFLICTS, conflicts, Said::Nothing),
            of_conflict("regions", regions, "more_regions"),
            of_conflict("target_commits", commits, "more_target_commits"),
            Rule::of(&["undecided"], paths, Said::Count("more_undecided")),
            Rule::of(
                &["clean_overlaps"],
                paths,
                Said::Count("more_clean_overlaps"),
            ),
            Rule::of(OTHERS, others, Said::Count("more_open_prs")),
            Rule::within(OTHERS, "paths", &["pr"], shared, Said::Count("more_paths")),
            Rule::within(
                OTHERS,
                "places",
                &["pr"],
                shared,
                Said::Count("more_places"),
            ),
            Rule::of(&["warnings"], warnings, Said::Nothing),
        ]
    };
    LENGTHS.into_iter().map(rules).collect()
}

/// Whether a pull request merges, and if not, where it conflicts: everything, before it is cut into
/// pages.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `owner/name#number`.
    pub pr: String,
    /// First digits of the head commit.
    pub head_sha: String,
    /// When it was looked at.
    pub fetched_at: Timestamp,
    /// The branch that it shall go to.
    pub target: String,
    /// Whether it conflicts; null is unknown.
    pub has_conflicts: Option<bool>,
    /// What GitHub says of its base; not for another target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mergeable: Option<GithubSays>,
    /// GitHub's word for the state of the merge, as `dirty`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mergeable_state: String,
    /// Seconds after which GitHub may know more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// How the files were looked at.
    pub method: Method,
    /// First digits of the common ancestor.
    pub merge_base: String,
    /// Commits of the target that the pull request lacks.
    pub target_ahead_by: u64,
    /// Conflicts in all.
    pub total_conflicts: usize,
    /// Each of them.
    pub conflicts: Vec<Conflict>,
    /// GitHub says that there is a conflict, and none was found.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlocated: bool,
    /// GitHub says that there is none, and one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<&'static str>,
    /// Files that both sides changed and that merge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clean_overlaps: Vec<String>,
    /// Files that both sides changed and that were not looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
    /// Other open pull requests into the target that touch the same files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_open_prs: Option<Vec<OverlappingPull>>,
    /// What else a conflict brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci_note: Option<&'static str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Fields with words of others.
    pub untrusted: &'static [&'static str],
}

/// What GitHub says of the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GithubSays {
    /// It conflicts.
    Conflicting,
    /// It merges.
    Mergeable,
    /// Not known yet.
    Computing,
}

/// How the files were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By their names, and by the lines of their patches.
    Fast,
    /// By git, with the contents of all three versions.
    Exact,
}

/// One file that conflicts.
#[derive(Clone, Debug, Serialize)]
pub struct Conflict {
    /// The file as it is called after the merge.
    pub path: String,
    /// What kind of conflict.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its name in the common ancestor, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ancestor_path: Option<String>,
    /// Its name in the pull request, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_path: Option<String>,
    /// Its name in the target, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_path: Option<String>,
    /// The side that does not have it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<Side>,
    /// It was judged by patches or by names alone: there may be none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Places in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Places beside those, of more than are kept of one file.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_regions: usize,
    /// Commits of the target that changed it, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_commits: Vec<TargetCommit>,
}

impl Conflict {
    /// Cuts its names where they are longer than this.
    pub(super) fn shorten(&mut self, bytes_max: usize) {
        let others = [
            &mut self.ancestor_path,
            &mut self.pr_path,
            &mut self.target_path,
        ];
        for path in others.into_iter().flatten().chain([&mut self.path]) {
            *path = short(path, bytes_max);
        }
        for commit in &mut self.target_commits {
            commit.author = short(&commit.author, bytes_max);
        }
    }
}

/// A commit of the target.
#[derive(Clone, Debug, Serialize)]
pub struct TargetCommit {
    /// First digits of its name.
    pub sha: String,
    /// First line of its message.
    pub subject: String,
    /// The pull request that its subject names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr: Option<u64>,
    /// Login of its author, or the name where there is no account.
    pub author: String,
}

/// What to do.
#[derive(Clone, Debug, Serialize)]
pub struct Instructions {
    /// Commands for a clone, quoted for a POSIX shell; lines that begin with `#` are notes.
    pub resolution_steps: Vec<String>,
}

pub(super) fn is_zero(count: &usize) -> bool {
    *count == 0
}
