//! Where the lines of a file conflict.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::domain::text;
use crate::git::{Changes, Git, GitError, Versions};
use crate::pulls::edits::{edits, meetings, numbers};
use crate::pulls::files::hunks;
use crate::pulls::secrets;

/// Most places of one file that are told.
const REGIONS_MAX: usize = 200;
/// Most lines and bytes of one version of a place.
const EXCERPT_LINES_MAX: usize = 6;
const EXCERPT_BYTES_MAX: usize = 400;
/// Most bytes of it as JSON, which takes six for a control character: a place is told whole, and all
/// its versions have to fit a page.
const EXCERPT_JSON_BYTES_MAX: usize = 2 * EXCERPT_BYTES_MAX;
/// Git takes a file for binary that has a zero byte among this many.
const BINARY_LOOK_BYTES: usize = 8_000;

/// What becomes of the lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Merged {
    /// They merge.
    Clean,
    /// They are no lines.
    Binary,
    /// These conflict; the number counts those that are not told as well.
    Conflict(Vec<Region>, usize),
}

/// A place where both sides changed the same or neighbouring lines. Lines count from 1; a side
/// that has none there has the number of the line before, twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// First and last line in the pull request.
    pub pr_lines: [usize; 2],
    /// First and last line in the target.
    pub target_lines: [usize; 2],
    /// What the pull request has there.
    pub pr: String,
    /// What the target has there.
    pub target: String,
    /// What the common ancestor has there.
    pub ancestor: String,
}

/// Merges the lines of three versions as git does. `pr` is `ours`.
///
/// # Errors
/// As git tells.
pub async fn merge(git: &Git, versions: Versions<'_>) -> Result<Merged, GitError> {
    let all = [versions.ancestor, versions.ours, versions.theirs];
    if all.into_iter().any(is_binary) {
        return Ok(Merged::Binary);
    }
    let changes = git.compare(versions).await?;
    Ok(judge(versions, &changes))
}

fn is_binary(content: &[u8]) -> bool {
    let look = content.get(..BINARY_LOOK_BYTES).unwrap_or(content);
    look.contains(&0)
}

/// Finds the parts that both sides changed, and not alike.
fn judge(versions: Versions<'_>, changes: &Changes) -> Merged {
    let (ours, theirs) = (lines(versions.ours), lines(versions.theirs));
    let ancestor = lines(versions.ancestor);
    let met = meetings(
        &edits(&hunks(&changes.ours)),
        &edits(&hunks(&changes.theirs)),
    );
    let regions = met.into_iter().filter_map(|met| {
        let (pr, target) = (part(&ours, &met.ours), part(&theirs, &met.theirs));
        if pr == target {
            return None;
        }
        // What both have alike at the ends is not in conflict.
        let same = pr
            .iter()
            .zip(target)
            .take_while(|(ours, theirs)| ours == theirs);
        let head = same.count();
        let most = pr.len().min(target.len()) - head;
        let same = pr.iter().rev().zip(target.iter().rev()).take(most);
        let tail = same.take_while(|(ours, theirs)| ours == theirs).count();
        let cut = |range: &Range<usize>| range.start + head..range.end - tail;
        let (pr_range, target_range) = (cut(&met.ours), cut(&met.theirs));
        Some(Region {
            pr_lines: numbers(&pr_range),
            target_lines: numbers(&target_range),
            pr: excerpt(part(&ours, &pr_range)),
            target: excerpt(part(&theirs, &target_range)),
            ancestor: excerpt(part(&ancestor, &met.ancestor)),
        })
    });
    let mut regions: Vec<Region> = regions.collect();
    let count = regions.len();
    regions.truncate(REGIONS_MAX);
    if count == 0 {
        Merged::Clean
    } else {
        Merged::Conflict(regions, count)
    }
}

/// Lines with their ends: one without is another line.
fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

fn part<'a, 'b>(lines: &'a [&'b [u8]], range: &Range<usize>) -> &'a [&'b [u8]] {
    lines.get(range.clone()).unwrap_or_default()
}

/// The beginning of some lines, and how many are left out.
pub(super) fn excerpt(lines: &[&[u8]]) -> String {
    let shown = lines.iter().take(EXCERPT_LINES_MAX).copied();
    let shown = shown.collect::<Vec<_>>().concat();
    let shown = secrets::mask(&String::from_utf8_lossy(&shown));
    let (shown, cut) = text::cut(shown.trim_end_matches(['\r', '\n']), EXCERPT_BYTES_MAX);
    let (shown, cut_again) = text::cut_as_json(shown, EXCERPT_JSON_BYTES_MAX);
    let cut = cut || cut_again;
    match lines.len().saturating_sub(EXCERPT_LINES_MAX) {
        0 if cut => format!("{shown}…"),
        0 => shown.to_owned(),
        left => format!("{shown}\n… {left} more lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn merged(ancestor: &str, ours: &str, theirs: &str) -> Merged {
        let versions = Versions {
            ancestor: ancestor.as_bytes(),
            ours: ours.as_bytes(),
            theirs: theirs.as_bytes(),
        };
        merge(&Git::find(), versions).await.expect("git is there")
    }

    async fn regions(ancestor: &str, ours: &str, theirs: &str) -> Vec<Region> {
        match merged(ancestor, ours, theirs).await {
            Merged::Conflict(regions, count) if count == regions.len() => regions,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_place_is_told_as_each_side_has_it() {
        let found = regions(
            "a\nb\nc\nd\n",
            "x\na\nB1\nB2\nc\nd\n",
            "a\nB1\nB3\nc\nd\ny\n",
        )
        .await;
        let expected = Region {
            pr_lines: [4, 4],
            target_lines: [3, 3],
            pr: "B2".to_owned(),
            target: "B3".to_owned(),
            ancestor: "b".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[tokio::test]
    async fn what_both_did_alike_or_apart_merges() {
        assert_eq!(merged("a\nb\n", "a\nc\n", "a\nc\n").await, Merged::Clean);
        let apart = merged("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n").await;
        assert_eq!(apart, Merged::Clean);
        // Together both sides' edits come to the same.
        let alike = merged("a\nb\nc\nd\n", "a\nd\n", "a\nd\n").await;
        assert_eq!(alike, Merged::Clean);
    }

    #[tokio::test]
    async fn ends_of_lines_and_empty_sides_count() {
        let crlf = regions("a\nb\n", "a\r\nb\r\n", "a\nc\n").await;
        assert_eq!((crlf[0].pr_lines, crlf[0].target_lines), ([1, 2], [1, 2]));
        let no_end = regions("a\nb", "a\nb\n", "a\nc").await;
        assert_eq!((&*no_end[0].pr, &*no_end[0].target), ("b", "c"));
        let removed = regions("a\nb\nc\n", "a\nc\n", "a\nB\nc\n").await;
        assert_eq!(removed[0].pr_lines, [1, 1]);
        assert_eq!((&*removed[0].pr, &*removed[0].target), ("", "B"));
        let all = regions("a\n", "", "b\n").await;
        assert_eq!((all[0].pr_lines, all[0].target_lines), ([0, 0], [1, 1]));
    }

    #[tokio::test]
    async fn lines_that_look_like_marks_are_lines() {
        let mark = "<<<<<<< a\n=======\n>>>>>>> b\n@@ -1 +1 @@\n\\ No newline\n";
        let with = |line: &str| format!("{mark}{line}\n--- x\n+++ y\n{mark}");
        let found = regions(&with("a"), &with("b"), &with("c")).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].pr_lines, found[0].target_lines), ([6, 6], [6, 6]));
    }

    #[tokio::test]
    async fn long_places_are_cut_and_what_is_no_text_is_said() {
        let long = |word: &str| format!("{word}\n").repeat(9);
        let found = regions("x\n", &long("a"), &long("b")).await;
        assert_eq!(found[0].pr, "a\na\na\na\na\na\n… 3 more lines");
        assert_eq!(found[0].pr_lines, [1, 9]);
        assert_eq!(merged("a", "b\0", "c").await, Merged::Binary);
        let count = REGIONS_MAX + 3;
        let spread = |word: &str| -> String {
            let places = (0..count).map(|line| format!("{word}\n{line}\n\n"));
            places.collect()
        };
        let many = merged(&spread("x"), &spread("y"), &spread("z")).await;
        let Merged::Conflict(told, all) = many else {
            panic!("{many:?}");
        };
        assert_eq!((told.len(), all), (REGIONS_MAX, count));
    }
}
