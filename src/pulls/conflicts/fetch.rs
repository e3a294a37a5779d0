//! What both sides changed since their common ancestor.
//!
//! Facts: <https://docs.github.com/rest/commits/commits#compare-two-commits>: the first page has
//! the files, at most 300 of them, whatever the number of commits on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::cases::{Entry, Side};
use super::entries::{self, Commits};
use crate::domain::{ApiError, Category};
use crate::gh::{ApiPath, GhError};
use crate::pulls::files::{self, ChangedFile, FileStatus};
use crate::pulls::{PullId, PullSource, Pulls, Warning};

/// Most files of a comparison.
const COMPARED_FILES_MAX: usize = 300;
/// Most commits of the target that are read along.
const COMMITS_MAX: usize = 100;
/// Most paths that are looked up one by one when the list of the target's files is cut.
const LOOKED_UP_MAX: usize = 300;
/// Pauses while GitHub computes whether the branches merge; the last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Both sides of a merge.
#[derive(Debug)]
pub struct Sides {
    /// What is merged.
    pub commits: Commits,
    /// When the common ancestor was committed.
    pub ancestor_at: Option<Timestamp>,
    /// Files that the pull request changes.
    pub pr_files: Vec<ChangedFile>,
    /// Files that the target changed.
    pub target_files: Vec<ChangedFile>,
    /// Whether both lists have all files.
    pub complete: bool,
    /// Files of the ancestor that are known to be gone from the target only because its tree does
    /// not have them: it may have renamed them.
    pub perhaps_renamed: BTreeSet<String>,
    /// Commits that the target is ahead of the common ancestor.
    pub target_ahead: u64,
    /// Names of those commits, if all are told.
    pub target_commits: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Comparison {
    ahead_by: u64,
    behind_by: u64,
    base_commit: Named,
    merge_base_commit: Named,
    #[serde(default)]
    commits: Vec<Named>,
    #[serde(default)]
    files: Vec<ChangedFile>,
}

#[derive(Deserialize)]
struct Named {
    sha: String,
    #[serde(default)]
    commit: Option<Committed>,
}

#[derive(Deserialize)]
struct Committed {
    committer: Option<Dated>,
}

#[derive(Deserialize)]
struct Dated {
    date: Option<Timestamp>,
}

/// Looks at the pull request until GitHub knows whether it merges, for up to `patience` of pauses.
/// GitHub computes that for its base only.
///
/// # Errors
/// As [`Pulls::open`].
pub async fn open(
    pulls: &Pulls,
    id: PullId,
    target: Option<&str>,
    patience: Duration,
) -> Result<PullSource, ApiError> {
    let mut source = pulls.open(id.clone()).await?;
    let mut left = patience;
    let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(PAUSES[3]));
    let computes = |source: &PullSource| {
        let pull = &source.pull;
        let is_base = target.is_none_or(|target| target == pull.base.name);
        is_base && pull.state == "open" && pull.mergeable.is_none()
    };
    while computes(&source) {
        let pause = pauses.next().unwrap_or(PAUSES[3]).min(left);
        if pause.is_zero() {
            break;
        }
        left = left.saturating_sub(pause);
        tokio::time::sleep(pause).await;
        source = pulls.open(id.clone()).await?;
    }
    Ok(source)
}

/// Reads what both sides changed.
///
/// # Errors
/// `target_not_found`, `no_common_ancestor`; else as the gh floor tells.
pub async fn sides(
    source: &Arc<PullSource>,
    target: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Sides, ApiError> {
    let head = source.pull.head.sha.clone();
    let path = compare_path(source, target, &head).with("per_page", 1);
    let ours: Comparison = match source.get(&path).await {
        Ok(ours) => ours,
        Err(GhError::NotFound(_)) => return Err(incomparable(source, target).await),
        Err(error) => return Err(error.to_api()),
    };
    let commits = Commits {
        ancestor: ours.merge_base_commit.sha,
        pr: head,
        target: ours.base_commit.sha,
    };
    let committer = ours.merge_base_commit.commit.and_then(|it| it.committer);
    let mut sides = Sides {
        commits,
        ancestor_at: committer.and_then(|committer| committer.date),
        pr_files: ours.files,
        target_files: Vec::new(),
        complete: true,
        perhaps_renamed: BTreeSet::new(),
        target_ahead: ours.behind_by,
        target_commits: None,
    };
    if ours.behind_by > 0 {
        let path = compare_path(source, &sides.commits.ancestor, &sides.commits.target);
        let path = path.with("per_page", COMMITS_MAX);
        let theirs: Result<Comparison, GhError> = source.get(&path).await;
        let theirs = theirs.map_err(|error| error.to_api())?;
        let all_told = theirs.commits.len() as u64 == theirs.ahead_by;
        let names = theirs.commits.into_iter().map(|commit| commit.sha);
        sides.target_commits = all_told.then(|| names.collect());
        sides.target_files = theirs.files;
    }
    complete(source, target, &mut sides, warnings).await;
    Ok(sides)
}

fn compare_path(source: &PullSource, base: &str, head: &str) -> ApiPath {
    source
        .path()
        .then("compare")
        .then(format!("{base}...{head}"))
}

/// A comparison is refused when the branch does not exist, and when both have nothing in common.
async fn incomparable(source: &PullSource, target: &str) -> ApiError {
    let path = source.path().then("branches").then(target);
    match source.get::<Value>(&path).await {
        Err(GhError::NotFound(_)) => ApiError::new(
            Category::User,
            "target_not_found",
            format!("{} has no branch '{target}'", source.id.repo),
            "leave target_branch out for the base of the pull request",
        ),
        Err(error) => error.to_api(),
        Ok(_) => ApiError::new(
            Category::Logical,
            "no_common_ancestor",
            format!("{} and '{target}' have no commit in common", source.id),
            "git merge refuses that too: rebuild the branch on the target",
        ),
    }
}

/// Fills up lists that GitHub cut.
async fn complete(
    source: &Arc<PullSource>,
    target: &str,
    sides: &mut Sides,
    warnings: &mut Vec<Warning>,
) {
    const EFFECT: &str = "conflicts in other files may be missing";
    if sides.pr_files.len() >= COMPARED_FILES_MAX {
        // That list tells the difference to the base of the pull request.
        if target == source.pull.base.name {
            match files::fetch(source).await {
                Ok((files, cut)) => {
                    sides.pr_files = files;
                    if cut {
                        sides.complete = false;
                        warnings.push(files::cut_warning(EFFECT));
                    }
                }
                Err(error) => {
                    sides.complete = false;
                    warnings.push(Warning::new("files", error, EFFECT));
                }
            }
        } else {
            sides.complete = false;
            let reason = format!("more than {COMPARED_FILES_MAX} files differ from '{target}'");
            warnings.push(Warning::new("compare", reason, EFFECT));
        }
    }
    if sides.target_files.len() >= COMPARED_FILES_MAX {
        if let Err(reason) = look_up(source, sides).await {
            sides.complete = false;
            warnings.push(Warning::new("compare", reason, EFFECT));
        }
        let reason = format!("the target changed more than {COMPARED_FILES_MAX} files");
        let effect = "a file that it renamed looks deleted";
        warnings.push(Warning::new("compare", reason, effect));
    }
}

/// Asks the trees themselves for the files of the pull request that the target's cut list lacks.
async fn look_up(source: &Arc<PullSource>, sides: &mut Sides) -> Result<(), String> {
    let known: BTreeSet<&str> = sides
        .target_files
        .iter()
        .flat_map(ChangedFile::names)
        .collect();
    let names = sides.pr_files.iter().flat_map(ChangedFile::names);
    let names: BTreeSet<String> = names
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect();
    if names.len() > LOOKED_UP_MAX {
        return Err(format!("{} files to look up", names.len()));
    }
    let both = |name: &String| [Side::Ancestor, Side::Target].map(|side| (side, name.clone()));
    let wanted = names.iter().flat_map(both).collect();
    let trees = entries::fetch(source, &sides.commits, wanted).await;
    let trees = trees.map_err(|error| error.to_string())?;
    for name in names {
        let of = |side| trees.get(&(side, name.clone())).cloned().flatten();
        let (before, now) = (of(Side::Ancestor), of(Side::Target));
        if let Some(status) = status(before, now) {
            if status == FileStatus::Removed {
                sides.perhaps_renamed.insert(name.clone());
            }
            sides.target_files.push(ChangedFile {
                filename: name,
                status,
                previous_filename: None,
                additions: 0,
                deletions: 0,
                patch: None,
            });
        }
    }
    Ok(())
}

fn status(before: Option<Entry>, now: Option<Entry>) -> Option<FileStatus> {
    match (before, now) {
        (Some(before), Some(now)) if before == now => None,
        (Some(_), Some(_)) => Some(FileStatus::Modified),
        (Some(_), None) => Some(FileStatus::Removed),
        (None, Some(_)) => Some(FileStatus::Added),
        (None, None) => None,
    }
}
