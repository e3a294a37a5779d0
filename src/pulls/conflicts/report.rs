//! The answer of `detect_merge_conflicts`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::cases::{Kind, Side};
use super::lines::Region;
use crate::pulls::overlap::OverlappingPull;
use crate::pulls::{Warning, short};

/// Fields with words of others.
pub const UNTRUSTED: [&str; 4] = [
    "conflicts[].path",
    "conflicts[].regions[]",
    "conflicts[].target_commits[].subject",
    "other_open_prs[].title",
];

/// Longest path of a conflict for which there is hardly any room, in bytes.
const SHORTEST_PATH_BYTES: usize = 60;

/// Whether a pull request merges, and if not, where it conflicts.
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
    /// Those of this page.
    pub conflicts: Vec<Box<RawValue>>,
    /// GitHub says that there is a conflict, and none was found.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlocated: bool,
    /// GitHub says that there is none, and one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<&'static str>,
    /// Files that both sides changed and that merge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clean_overlaps: Vec<String>,
    /// Such files beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_clean_overlaps: usize,
    /// Files that both sides changed and that were not looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
    /// Such files beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_undecided: usize,
    /// Other open pull requests into the target that touch the same files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_open_prs: Option<Vec<OverlappingPull>>,
    /// Such pull requests beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_open_prs: usize,
    /// What else a conflict brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci_note: Option<&'static str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Fields with words of others.
    pub untrusted: [&'static str; 4],
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
    /// Places beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_regions: usize,
    /// Commits of the target that changed it, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_commits: Vec<TargetCommit>,
}

impl Conflict {
    /// Leaves places out until it takes no more room than this.
    pub(super) fn shrink(&mut self, bytes_max: usize) {
        let bytes = |conflict: &Self| serde_json::to_vec(conflict).map_or(0, |json| json.len());
        while bytes(self) > bytes_max && self.regions.pop().is_some() {
            self.more_regions += 1;
        }
        if bytes(self) > bytes_max {
            self.target_commits.clear();
        }
        if bytes(self) > bytes_max {
            self.shorten(SHORTEST_PATH_BYTES);
        }
    }

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
