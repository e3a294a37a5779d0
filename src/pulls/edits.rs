//! Changes of a file as edits of lines, and where those of two sides meet.

use std::ops::Range;

use super::files::Hunk;

/// Lines that are replaced by others. Lines count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Replaced lines of the file as it was; empty for an insertion.
    pub old: Range<usize>,
    /// Lines that stand there instead; empty for a removal.
    pub new: Range<usize>,
    /// Their text.
    pub added: Vec<&'a str>,
}

impl Edit<'_> {
    /// Whether git would not merge both: they overlap or touch, and are not the same.
    pub fn collides_with(&self, other: &Self) -> bool {
        let touches = self.old.start <= other.old.end && other.old.start <= self.old.end;
        touches && (self.old != other.old || self.added != other.added)
    }
}

/// First and last line of a range, counted from 1. An empty one is the line before it, twice.
pub fn numbers(lines: &Range<usize>) -> [usize; 2] {
    if lines.is_empty() {
        [lines.start; 2]
    } else {
        [lines.start + 1, lines.end]
    }
}

/// The edits that hunks consist of, in their order.
pub fn edits<'a>(hunks: &[Hunk<'a>]) -> Vec<Edit<'a>> {
    let mut edits = Vec::new();
    for hunk in hunks {
        // A side without lines has the number of the line before it.
        let first = |start: u32, lines: u32| start.saturating_sub(u32::from(lines > 0)) as usize;
        let mut old = first(hunk.old_start, hunk.old_lines);
        let mut new = first(hunk.new_start, hunk.new_lines);
        let mut open: Option<Edit<'a>> = None;
        let mut above = "";
        // Not by `lines`, which would take a carriage return away.
        for line in hunk.text.split('\n').skip(1) {
            let at = Edit {
                old: old..old,
                new: new..new,
                added: Vec::new(),
            };
            let (mark, text) = line.split_at_checked(1).unwrap_or_default();
            match mark {
                "+" => {
                    let edit = open.get_or_insert(at);
                    new += 1;
                    edit.new.end = new;
                    edit.added.push(text);
                }
                "-" => {
                    old += 1;
                    open.get_or_insert(at).old.end = old;
                }
                // Says of the line above that it has no end.
                "\\" => {
                    if let Some(edit) = open.as_mut().filter(|_| above == "+") {
                        edit.added.push(text);
                    }
                }
                _ => {
                    edits.extend(open.take());
                    (old, new) = (old + 1, new + 1);
                }
            }
            above = mark;
        }
        edits.extend(open);
    }
    edits
}

/// A part of a file that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Its lines in the common version.
    pub ancestor: Range<usize>,
    /// Its lines on one side.
    pub ours: Range<usize>,
    /// Its lines on the other side.
    pub theirs: Range<usize>,
}

/// The parts where edits of both sides overlap or touch, from top to bottom. Both sides may have
/// made the same of such a part.
pub fn meetings(ours: &[Edit<'_>], theirs: &[Edit<'_>]) -> Vec<Meeting> {
    let mut all: Vec<(&Range<usize>, bool)> = ours.iter().map(|edit| (&edit.old, true)).collect();
    all.extend(theirs.iter().map(|edit| (&edit.old, false)));
    all.sort_by_key(|(old, _)| (old.start, old.end));
    let mut groups: Vec<(Range<usize>, [bool; 2])> = Vec::new();
    for (old, is_ours) in all {
        match groups.last_mut() {
            Some((group, sides)) if old.start <= group.end => {
                group.end = group.end.max(old.end);
                sides[usize::from(is_ours)] = true;
            }
            _ => groups.push((old.clone(), [!is_ours, is_ours])),
        }
    }
    let both = groups.into_iter().filter(|(_, sides)| *sides == [true; 2]);
    both.map(|(ancestor, _)| Meeting {
        ours: on_side(&ancestor, ours),
        theirs: on_side(&ancestor, theirs),
        ancestor,
    })
    .collect()
}

/// Lines of the common version as lines of a side. No edit crosses the ends of the range.
fn on_side(ancestor: &Range<usize>, edits: &[Edit<'_>]) -> Range<usize> {
    let (mut start, mut end) = (ancestor.start, ancestor.end);
    for edit in edits.iter().filter(|edit| edit.old.start <= ancestor.end) {
        if edit.old.end < ancestor.start {
            start = start + edit.new.len() - edit.old.len();
        }
        end = end + edit.new.len() - edit.old.len();
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulls::files::hunks;

    fn ranges(patch: &str) -> Vec<(Range<usize>, Range<usize>)> {
        let edits = edits(&hunks(patch)).into_iter();
        edits.map(|edit| (edit.old, edit.new)).collect()
    }

    #[test]
    fn edits_are_runs_of_changed_lines() {
        let patch = "@@ -3,4 +3,5 @@\n a\n-b\n+c\n+d\n e\n-f\n@@ -20,0 +21,2 @@ fn x\n+g\n+h\n@@ -30 +32,0 @@\n-z\n\\ No newline at end of file";
        let expected = [
            (3..4, 3..5),
            (5..6, 6..6),
            (20..20, 20..22),
            (29..30, 32..32),
        ];
        assert_eq!(ranges(patch), expected);
        assert_eq!(ranges("@@ -0,0 +1,2 @@\n+a\n+b"), [(0..0, 0..2)]);
        assert_eq!(numbers(&(3..5)), [4, 5]);
        assert_eq!(numbers(&(6..6)), [6, 6]);
    }

    #[test]
    fn the_same_edit_does_not_collide_and_one_without_line_end_is_another() {
        let edit = |patch| edits(&hunks(patch)).remove(0);
        let plain = edit("@@ -3 +3 @@\n-a\n+b");
        assert!(!plain.collides_with(&edit("@@ -3 +3 @@\n-a\n+b")));
        let end = edit("@@ -3 +3 @@\n-a\n\\ No newline at end of file\n+b");
        assert_eq!(end, plain);
        for other in [
            "@@ -3 +3 @@\n-a\n+c",
            "@@ -3 +3 @@\n-a\n+b\r",
            "@@ -3 +3 @@\n-a\n+b\n\\ No newline at end of file",
            "@@ -2 +2 @@\n-a\n+b",
            "@@ -3,0 +4 @@\n+b",
        ] {
            assert!(plain.collides_with(&edit(other)), "{other}");
        }
        assert!(!plain.collides_with(&edit("@@ -5 +5 @@\n-a\n+c")));
    }

    #[test]
    fn edits_of_both_sides_that_touch_meet() {
        let ours = "@@ -1,0 +2,2 @@\n+x\n+y\n@@ -10,2 +12 @@\n-a\n-b\n+c\n@@ -20 +21 @@\n-d\n+e";
        let theirs = "@@ -12 +12,3 @@\n-a\n+b\n+c\n+d\n@@ -30 +32 @@\n-a\n+b";
        let (ours, theirs) = (edits(&hunks(ours)), edits(&hunks(theirs)));
        let expected = Meeting {
            ancestor: 9..12,
            ours: 11..13,
            theirs: 9..14,
        };
        assert_eq!(meetings(&ours, &theirs), [expected]);
        assert!(meetings(&ours, &[]).is_empty());
    }
}
