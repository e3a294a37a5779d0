//! Which files both sides touch, and what git makes of each: a pure function of the lists of
//! changed files and of what stands in the three trees.
//!
//! Follows `git merge` with its default strategy
//! (<https://git-scm.com/docs/merge-strategies#Documentation/merge-strategies.txt-ort>), but for
//! whole folders that one side renamed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::pulls::edits::{Edit, edits};
use crate::pulls::files::{ChangedFile, FileStatus};

/// What kind of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Both changed the same or neighbouring lines.
    Content,
    /// Both added the file, with different content.
    AddAdd,
    /// The pull request changed it, the target deleted it.
    ModifyDelete,
    /// The pull request deleted it, the target changed it.
    DeleteModify,
    /// Both renamed it, to different names; or two files to one name.
    RenameRename,
    /// One side renamed it, the other deleted it.
    RenameDelete,
    /// One side has a file where the other has a folder.
    FileDirectory,
    /// Both changed what the file is: executable, symbolic link.
    Mode,
    /// Both changed a file that is not text.
    Binary,
    /// Both moved a submodule.
    Submodule,
}

/// One of the three trees of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The common ancestor.
    Ancestor,
    /// The pull request.
    Pr,
    /// The branch that it goes to.
    Target,
}

/// A file that both sides touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name after the merge.
    pub path: String,
    /// Its name in the common ancestor; none when both added it.
    pub ancestor: Option<String>,
    /// Its name in the pull request; none when that deleted it.
    pub pr: Option<String>,
    /// Its name in the target; none when that deleted it.
    pub target: Option<String>,
    /// The conflict, where the names alone tell it.
    pub settled: Option<Kind>,
    /// The kind that a conflict of its content is.
    pub kind: Kind,
    /// Whether the patches come near each other; none when there are no patches.
    pub near: Option<bool>,
    /// Lines changed by both sides together.
    pub lines: u64,
}

/// What a tree has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Git's mode, as 0o100644.
    pub mode: u32,
    /// Name of the blob, tree or commit.
    pub oid: String,
    /// Bytes of a blob.
    pub size: u64,
}

/// What the three trees have of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The common ancestor.
    pub ancestor: Option<Entry>,
    /// The pull request.
    pub pr: Option<Entry>,
    /// The target.
    pub target: Option<Entry>,
}

/// What the trees say of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It merges.
    Clean,
    /// It conflicts, whatever is in it.
    Conflict(Kind),
    /// That depends on the lines.
    Lines,
}

const TYPE_MASK: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SUBMODULE: u32 = 0o160_000;

impl Entry {
    fn kind(&self) -> u32 {
        self.mode & TYPE_MASK
    }

    /// Whether it is a file with lines, and no link or submodule.
    pub fn is_regular(&self) -> bool {
        self.kind() == REGULAR
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.mode, &self.oid) == (other.mode, &other.oid)
    }
}

impl Case {
    /// What becomes of it.
    pub fn verdict(&self, entries: &Entries) -> Verdict {
        if let Some(kind) = self.settled {
            return Verdict::Conflict(kind);
        }
        let ancestor = entries.ancestor.as_ref();
        let (pr, target) = match (&entries.pr, &entries.target) {
            (Some(pr), Some(target)) => (pr, target),
            // The lists said otherwise; a deleted file that nobody changed merges.
            (Some(left), None) | (None, Some(left)) => {
                let changed = ancestor.is_some_and(|ancestor| !ancestor.is_same(left));
                let kind = if entries.pr.is_some() {
                    Kind::ModifyDelete
                } else {
                    Kind::DeleteModify
                };
                return if changed {
                    Verdict::Conflict(kind)
                } else {
                    Verdict::Clean
                };
            }
            (None, None) => return Verdict::Clean,
        };
        let kept = |side: &Entry| ancestor.is_some_and(|ancestor| ancestor.is_same(side));
        if pr.is_same(target) || kept(pr) || kept(target) {
            return Verdict::Clean;
        }
        if pr.kind() != target.kind() {
            let submodule = [pr, target].iter().any(|side| side.kind() == SUBMODULE);
            let kind = if submodule {
                Kind::Submodule
            } else {
                Kind::Mode
            };
            return Verdict::Conflict(kind);
        }
        let same_kind = ancestor.filter(|ancestor| ancestor.kind() == pr.kind());
        let moved = |side: &Entry| same_kind.is_none_or(|ancestor| ancestor.oid != side.oid);
        let both_moved = pr.oid != target.oid && moved(pr) && moved(target);
        let modes = ancestor.map(|ancestor| ancestor.mode);
        let both_moded =
            pr.mode != target.mode && ![pr.mode, target.mode].map(Some).contains(&modes);
        match pr.kind() {
            SUBMODULE if both_moved => Verdict::Conflict(Kind::Submodule),
            _ if both_moded => Verdict::Conflict(Kind::Mode),
            _ if !both_moved => Verdict::Clean,
            REGULAR => Verdict::Lines,
            // The target of a symbolic link is one word.
            _ => Verdict::Conflict(self.kind),
        }
    }
}

/// One side's changes by name.
struct Changes<'a> {
    /// By the name in the common ancestor.
    left: BTreeMap<&'a str, &'a ChangedFile>,
    /// Files that the common ancestor does not have under this name.
    born: BTreeMap<&'a str, &'a ChangedFile>,
}

impl<'a> Changes<'a> {
    fn of(files: &'a [ChangedFile]) -> Self {
        let mut changes = Self {
            left: BTreeMap::new(),
            born: BTreeMap::new(),
        };
        for file in files {
            let name = file.filename.as_str();
            match (file.status, file.previous_filename.as_deref()) {
                (FileStatus::Renamed, Some(previous)) => {
                    changes.left.insert(previous, file);
                    changes.born.insert(name, file);
                }
                (FileStatus::Added | FileStatus::Copied | FileStatus::Renamed, _) => {
                    changes.born.insert(name, file);
                }
                (FileStatus::Removed | FileStatus::Modified, _) => {
                    changes.left.insert(name, file);
                }
            }
        }
        changes
    }
}

/// The name that a file of the common ancestor has on a side.
fn name_on(file: &ChangedFile) -> Option<&str> {
    (file.status != FileStatus::Removed).then_some(file.filename.as_str())
}

/// The files that both sides touch, those that conflict for certain first, then the likeliest.
pub fn cases(pr: &[ChangedFile], target: &[ChangedFile]) -> Vec<Case> {
    let (pr, target) = (Changes::of(pr), Changes::of(target));
    let mut cases: Vec<Case> = Vec::new();
    for (ancestor, ours) in &pr.left {
        if let Some(theirs) = target.left.get(ancestor) {
            cases.extend(changed_by_both(ancestor, ours, theirs));
        }
    }
    let told: BTreeSet<String> = cases.iter().map(|case| case.path.clone()).collect();
    for (path, ours) in &pr.born {
        if let Some(theirs) = target.born.get(path)
            && !told.contains(*path)
        {
            cases.push(born_on_both(path, ours, theirs));
        }
    }
    cases.extend(files_for_folders(&pr, &target));
    let likelihood = |case: &Case| match (case.settled.is_some(), case.near) {
        (true, _) => 0,
        (_, Some(true)) => 1,
        (_, None) => 2,
        (_, Some(false)) => 3,
    };
    cases.sort_by_key(|case| (likelihood(case), std::cmp::Reverse(case.lines)));
    cases
}

/// A file of the common ancestor that both sides changed, renamed or deleted.
fn changed_by_both(ancestor: &str, ours: &ChangedFile, theirs: &ChangedFile) -> Option<Case> {
    let (pr, target) = (name_on(ours), name_on(theirs));
    let renamed = |name: Option<&str>| name.is_some_and(|name| name != ancestor);
    let settled = match (pr, target) {
        (None, None) => return None,
        (Some(pr), Some(target)) if renamed(Some(pr)) && renamed(Some(target)) => {
            (pr != target).then_some(Kind::RenameRename)
        }
        (Some(_), Some(_)) => None,
        _ if renamed(pr) || renamed(target) => Some(Kind::RenameDelete),
        (Some(_), None) => Some(Kind::ModifyDelete),
        (None, Some(_)) => Some(Kind::DeleteModify),
    };
    let path = [pr, target]
        .into_iter()
        .flatten()
        .find(|name| *name != ancestor)
        .unwrap_or(ancestor);
    Some(Case {
        path: path.to_owned(),
        ancestor: Some(ancestor.to_owned()),
        pr: pr.map(str::to_owned),
        target: target.map(str::to_owned),
        settled,
        kind: Kind::Content,
        near: near(ours, theirs),
        lines: lines(ours) + lines(theirs),
    })
}

/// A file that both sides added under one name.
fn born_on_both(path: &str, ours: &ChangedFile, theirs: &ChangedFile) -> Case {
    let is_rename = |file: &ChangedFile| file.status == FileStatus::Renamed;
    let kind = if is_rename(ours) && is_rename(theirs) {
        Kind::RenameRename
    } else {
        Kind::AddAdd
    };
    let renamed = is_rename(ours) || is_rename(theirs);
    Case {
        path: path.to_owned(),
        ancestor: None,
        pr: Some(path.to_owned()),
        target: Some(path.to_owned()),
        settled: None,
        kind,
        near: if renamed { None } else { near(ours, theirs) },
        lines: lines(ours) + lines(theirs),
    }
}

/// Names under which one side has a file and the other a folder.
fn files_for_folders(pr: &Changes<'_>, target: &Changes<'_>) -> Vec<Case> {
    let clash = |file: &str, other: &Changes<'_>| {
        let folder = format!("{file}/");
        let mut below = other.born.range(folder.as_str()..);
        below
            .next()
            .is_some_and(|(name, _)| name.starts_with(&folder))
    };
    let case = |path: &str, is_pr: bool, file: &ChangedFile| Case {
        path: path.to_owned(),
        ancestor: None,
        pr: is_pr.then(|| path.to_owned()),
        target: (!is_pr).then(|| path.to_owned()),
        settled: Some(Kind::FileDirectory),
        kind: Kind::FileDirectory,
        near: None,
        lines: lines(file),
    };
    let ours = pr.born.iter().filter(|(path, _)| clash(path, target));
    let theirs = target.born.iter().filter(|(path, _)| clash(path, pr));
    let ours = ours.map(|(path, file)| case(path, true, file));
    ours.chain(theirs.map(|(path, file)| case(path, false, file)))
        .collect()
}

fn lines(file: &ChangedFile) -> u64 {
    file.additions + file.deletions
}

/// Whether the patches of both sides come near each other. Both begin at the same version.
fn near(ours: &ChangedFile, theirs: &ChangedFile) -> Option<bool> {
    if ours.patch.is_none() || theirs.patch.is_none() {
        return None;
    }
    let theirs = edits(&theirs.hunks());
    let ours = edits(&ours.hunks());
    let collides = |edit: &Edit<'_>| theirs.iter().any(|other| edit.collides_with(other));
    Some(ours.iter().any(collides))
}
