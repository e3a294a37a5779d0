//! Where the own commits of a layer begin.
//!
//! A layer above a squashed or rewritten one still contains the old commits of the layer below.
//! Replaying those gives conflicts or duplicates. The *old base* is the newest common ancestor with
//! that version of the layer below (its head, or any head that was pushed over) which covers most
//! of the branch. `git merge-base --fork-point` is no help: it reads one clone's reflog and silently
//! drops commits (git-spice #1024).

use std::collections::BTreeSet;

use super::facts::{Event, Layer};
use super::judge::Judge;

/// Most earlier heads of one layer that are looked at.
const VERSIONS_MAX: usize = 8;

/// The last commit of a branch that belongs to the layer below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldBase {
    /// The commit.
    pub oid: String,
    /// `parent_head`, `merge_base`, `force_push` or `common_prefix`.
    pub source: &'static str,
    /// Whether commits were compared (`high`) or only their authors and subjects (`medium`).
    pub certain: bool,
}

impl Judge<'_> {
    /// Where the own commits of a layer begin, how many follow, and whether that can be trusted.
    pub(super) fn old_base(&self, layer: &Layer, parent: &Layer) -> Option<(OldBase, u64, bool)> {
        let of_head = self.comparisons.get(&parent.head_sha, &layer.head_sha);
        if let Some(found) = of_head.as_ref().filter(|found| found.behind == 0) {
            let old_base = OldBase {
                oid: parent.head_sha.clone(),
                source: "parent_head",
                certain: true,
            };
            return Some((old_base, found.ahead, true));
        }
        let versions = parent.earlier_heads();
        let mut complete = of_head.is_some()
            && parent.events_complete
            && versions.len() <= VERSIONS_MAX
            && !lost_versions(parent);
        let mut best = of_head.map(|found| (found.ahead, found.merge_base, "merge_base"));
        for version in versions.into_iter().take(VERSIONS_MAX) {
            let Some(found) = self.comparisons.get(version, &layer.head_sha) else {
                complete = false;
                continue;
            };
            if best.as_ref().is_none_or(|(ahead, ..)| found.ahead < *ahead) {
                best = Some((found.ahead, found.merge_base, "force_push"));
            }
        }
        let by_name = common_prefix(layer, parent);
        if let Some((ahead, oid)) = by_name
            && best.as_ref().is_none_or(|(least, ..)| ahead < *least)
        {
            let old_base = OldBase {
                oid,
                source: "common_prefix",
                certain: false,
            };
            return Some((old_base, ahead, true));
        }
        let (ahead, oid, source) = best?;
        // A gap in the history matters unless something of the layer below was found.
        let found_some = source == "force_push" || contains(parent, &oid);
        let old_base = OldBase {
            oid,
            source,
            certain: complete,
        };
        Some((old_base, ahead, complete || found_some))
    }

    /// Own commits by the comparison; without merges where the list shows them: those are not
    /// replayed.
    pub(super) fn own_counted(&self, layer: &Layer, old_base: &str, ahead: u64) -> (OwnList, u64) {
        let (list, listed) = self.own(layer, Some(old_base));
        match list {
            Some((_, merges)) if listed == ahead => {
                let merges_count = u64::try_from(merges).unwrap_or_default();
                (list, ahead - merges_count)
            }
            // GitHub's list may be of an earlier moment.
            _ => (None, ahead),
        }
    }

    /// The commits of a layer's list that the old base does not reach, and how many they are.
    fn own(&self, layer: &Layer, old_base: Option<&str>) -> (OwnList, u64) {
        if layer.commits_total != u64::try_from(layer.commits.len()).unwrap_or_default() {
            return (None, 0);
        }
        let mut reached: BTreeSet<&str> = old_base.into_iter().collect();
        for commit in layer.commits.iter().rev() {
            if reached.contains(commit.oid.as_str()) {
                reached.extend(commit.parents.iter().map(String::as_str));
            }
        }
        let own: Vec<_> = layer
            .commits
            .iter()
            .filter(|commit| !reached.contains(commit.oid.as_str()))
            .collect();
        let plain = own.iter().filter(|commit| commit.parents.len() < 2);
        let subjects: Vec<String> = plain.map(|commit| commit.subject.clone()).collect();
        let merges = own.len() - subjects.len();
        (
            Some((subjects, merges)),
            u64::try_from(own.len()).unwrap_or_default(),
        )
    }
}

/// Subjects of own commits, and how many of those are merges.
pub(super) type OwnList = Option<(Vec<String>, usize)>;

/// Whether an old base belongs to the layer below, and not to what both have in common.
pub(super) fn is_of(parent: &Layer, old_base: &OldBase) -> bool {
    old_base.source != "merge_base" || contains(parent, &old_base.oid)
}

fn contains(layer: &Layer, oid: &str) -> bool {
    layer.head_sha == oid || layer.commits.iter().any(|commit| commit.oid == oid)
}

/// Whether GitHub has lost what was pushed over.
fn lost_versions(layer: &Layer) -> bool {
    layer
        .events
        .iter()
        .any(|event| matches!(event, Event::HeadRewritten { before: None, .. }))
}

/// The longest beginning of a branch that consists of versions of the parent's commits: how many
/// commits follow it, and its last one.
fn common_prefix(layer: &Layer, parent: &Layer) -> Option<(u64, String)> {
    let whole = layer.commits_total == u64::try_from(layer.commits.len()).ok()?;
    let linear = layer.commits.iter().all(|commit| commit.parents.len() < 2);
    if !whole || !linear {
        return None;
    }
    let mut theirs = parent.commits.iter();
    let shared = layer
        .commits
        .iter()
        .take_while(|commit| theirs.any(|other| commit.is_version_of(other)))
        .count();
    let last = layer.commits.get(shared.checked_sub(1)?)?;
    let ahead = u64::try_from(layer.commits.len() - shared).ok()?;
    Some((ahead, last.oid.clone()))
}
