//! The files that a pull request changes, with the hunks of their patches.

use serde::{Deserialize, Serialize};

use super::{PullSource, Warning};
use crate::gh::GhError;

/// Most files that GitHub lists of one pull request
/// (<https://docs.github.com/rest/pulls/pulls#list-pull-requests-files>).
pub const FILES_MAX: usize = 3_000;

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// New.
    Added,
    /// Gone.
    Removed,
    /// Has another name; its content may have changed too.
    Renamed,
    /// A copy of another file.
    Copied,
    /// Other content; GitHub calls a change of mode alone `changed`.
    #[serde(other)]
    Modified,
}

/// A changed file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ChangedFile {
    /// Path in the head commit; of a removed file, the path that it had.
    pub filename: String,
    /// What happened to it.
    pub status: FileStatus,
    /// Path before it was renamed.
    #[serde(default)]
    pub previous_filename: Option<String>,
    /// Lines added.
    #[serde(default)]
    pub additions: u64,
    /// Lines removed.
    #[serde(default)]
    pub deletions: u64,
    /// The change as hunks; none for binary files and for changes that GitHub finds too large.
    #[serde(default)]
    pub patch: Option<String>,
}

/// Consecutive lines of a change with their surroundings. Line numbers count from 1; a side
/// without lines has the number of the line before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// First line in the old file.
    pub old_start: u32,
    /// Lines of the old file.
    pub old_lines: u32,
    /// First line in the new file.
    pub new_start: u32,
    /// Lines of the new file.
    pub new_lines: u32,
    /// The header line and the lines below it, each with its mark (`+`, `-` or a space).
    pub text: &'a str,
}

/// A line that a hunk adds or removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedLine<'a> {
    /// Its number: in the new file when added, in the old file when removed.
    pub number: u32,
    /// Whether it is added.
    pub added: bool,
    /// Its text without the mark.
    pub text: &'a str,
}

impl ChangedFile {
    /// Hunks of the patch, in their order.
    pub fn hunks(&self) -> Vec<Hunk<'_>> {
        self.patch.as_deref().map(hunks).unwrap_or_default()
    }

    /// The paths by which the file is known now and was known before.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [Some(&self.filename), self.previous_filename.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Whether its lines are not told although some may have changed: it is binary, or GitHub finds
    /// the change too large (a change of the mode alone looks the same). A file that only has
    /// another name has no lines to tell.
    pub fn lacks_lines(&self) -> bool {
        let only_moved = matches!(self.status, FileStatus::Renamed | FileStatus::Copied)
            && self.additions + self.deletions == 0;
        self.patch.is_none() && !only_moved
    }

    /// Whether a test that stands beside the code is new, as Rust has them.
    pub fn adds_inline_tests(&self) -> bool {
        let hunks = self.hunks();
        let mut lines = hunks.iter().flat_map(Hunk::changed_lines);
        lines.any(|line| {
            line.added && (line.text.contains("#[test]") || line.text.contains("::test]"))
        })
    }

    /// Whether the file was known by this path before or is known by it now.
    pub fn is_at(&self, path: &str) -> bool {
        self.names().any(|name| name == path)
    }
}

impl<'a> Hunk<'a> {
    /// The lines that it adds and removes.
    pub fn changed_lines(&self) -> impl Iterator<Item = ChangedLine<'a>> + use<'a> {
        let (mut old, mut new) = (self.old_start, self.new_start);
        self.text.lines().skip(1).filter_map(move |line| {
            let (mark, text) = line.split_at_checked(1).unwrap_or((line, ""));
            let place = match mark {
                "+" => &mut new,
                "-" => &mut old,
                // `\ No newline at end of file` is no line.
                "\\" => return None,
                _ => {
                    (old, new) = (old.saturating_add(1), new.saturating_add(1));
                    return None;
                }
            };
            let number = *place;
            *place = place.saturating_add(1);
            let added = mark == "+";
            Some(ChangedLine {
                number,
                added,
                text,
            })
        })
    }
}

/// Reads the files that a pull request changes; the flag tells whether GitHub cut the list.
///
/// # Errors
/// As the gh floor tells.
pub async fn fetch(source: &PullSource) -> Result<(Vec<ChangedFile>, bool), GhError> {
    let number = source.id.number;
    let path = source.path().then("pulls").then(number).then("files");
    source.list(&path, None, FILES_MAX).await
}

/// Says that only the first files were looked at.
pub fn cut_warning(effect: &'static str) -> Warning {
    Warning::new("files", format!("more than {FILES_MAX} files"), effect)
}

/// The hunks of a patch, in their order; what stands before them is left out.
pub fn hunks(patch: &str) -> Vec<Hunk<'_>> {
    let mut starts: Vec<usize> = patch.match_indices("\n@@ ").map(|(at, _)| at + 1).collect();
    if patch.starts_with("@@ ") {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).map(|start| start - 1);
    let ends = ends.chain([patch.len()]);
    let parts = starts.iter().zip(ends);
    parts
        .filter_map(|(start, end)| hunk(patch.get(*start..end)?))
        .collect()
}

/// `@@ -old,lines +new,lines @@ …`; a count of one is left out.
fn hunk(text: &str) -> Option<Hunk<'_>> {
    let (header, _) = text.strip_prefix("@@ ")?.split_once(" @@")?;
    let (old, new) = header.split_once(' ')?;
    let (old_start, old_lines) = span(old.strip_prefix('-')?)?;
    let (new_start, new_lines) = span(new.strip_prefix('+')?)?;
    Some(Hunk {
        old_start,
        old_lines,
        new_start,
        new_lines,
        text,
    })
}

fn span(text: &str) -> Option<(u32, u32)> {
    match text.split_once(',') {
        Some((start, lines)) => Some((start.parse().ok()?, lines.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "@@ -1,3 +1,4 @@ fn main() {\n a\n-b\n+c\n+@@ -9 +9 @@\n d\n@@ -10 +11,0 @@\n-gone\n\\ No newline at end of file";

    #[test]
    fn hunks_and_their_lines_keep_their_numbers() {
        let hunks = hunks(PATCH);
        assert_eq!(hunks.len(), 2);
        assert_eq!((hunks[0].old_start, hunks[0].old_lines), (1, 3));
        assert_eq!((hunks[0].new_start, hunks[0].new_lines), (1, 4));
        assert!(hunks[0].text.ends_with("\n d"));
        let line = |number, added, text| ChangedLine {
            number,
            added,
            text,
        };
        let first: Vec<_> = hunks[0].changed_lines().collect();
        let expected = [
            line(2, false, "b"),
            line(2, true, "c"),
            line(3, true, "@@ -9 +9 @@"),
        ];
        assert_eq!(first, expected);
        let second: Vec<_> = hunks[1].changed_lines().collect();
        assert_eq!(second, [line(10, false, "gone")]);
    }

    #[test]
    fn a_file_without_a_patch_lacks_its_lines_unless_it_only_moved() {
        let file = |status, additions, patch: Option<&str>| ChangedFile {
            filename: "a".to_owned(),
            status,
            previous_filename: None,
            additions,
            deletions: 0,
            patch: patch.map(str::to_owned),
        };
        for (status, additions, patch, expected) in [
            (FileStatus::Modified, 0, None, true),
            (FileStatus::Added, 9_000, None, true),
            (FileStatus::Modified, 1, Some("@@ -1 +1 @@\n+a"), false),
            (FileStatus::Renamed, 0, None, false),
            (FileStatus::Renamed, 9_000, None, true),
        ] {
            let file = file(status, additions, patch);
            assert_eq!(file.lacks_lines(), expected, "{file:?}");
        }
    }

    #[test]
    fn no_patch_and_no_hunk_are_no_hunks() {
        assert!(hunks("").is_empty());
        assert!(hunks("@@ nonsense @@\n+a").is_empty());
        assert!(hunks("@@ -1 +99999999999 @@\n+ä").is_empty());
    }
}
