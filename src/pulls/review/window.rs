//! Which files a page has, and which part of their diff.

use std::ops::Range;

use super::diff::{self, Budget, Cut, Piece, Round};
use super::place::Position;
use super::report::{Omitted, ReviewedFile};
use super::{
    FILE_POINTS_BYTES_MAX, FILE_POINTS_MAX, FocusPoint, LABEL_BYTES_MAX, Looked, PAGE_FILES_MAX,
    PATH_BYTES_MAX, RECORD_BYTES_MAX, ReviewQuery, bytes, rank,
};
use crate::domain::{ApiError, limits, text};
use crate::pulls::files::ChangedFile;
use crate::pulls::{head_cursor, overflow};

/// Where the files of a page end, and how the record has them. `around` is what the record has
/// beside them, in bytes.
pub(super) fn window(
    looked: &[Looked],
    position: Position,
    include_diff: bool,
    around: usize,
) -> Result<(usize, Vec<ReviewedFile>), ApiError> {
    let Position { start, end, .. } = position;
    if end != 0 {
        let fits = start < end && end <= looked.len() && end - start <= PAGE_FILES_MAX;
        if !fits {
            return Err(head_cursor::damaged());
        }
        let files = looked[start..end].iter();
        return Ok((end, files.map(|file| reviewed(file, false)).collect()));
    }
    if start >= looked.len() {
        return Err(head_cursor::damaged());
    }
    let most = match include_diff {
        true => RECORD_BYTES_MAX,
        false => limits::ANSWER_BYTES_MAX,
    };
    let (mut listed, mut taken): (Vec<ReviewedFile>, usize) = (Vec::new(), around);
    for file in looked[start..].iter().take(PAGE_FILES_MAX) {
        let told = reviewed(file, true);
        // A comma stands between two.
        let size = bytes(&told)? + 1;
        if taken + size > most && !listed.is_empty() {
            break;
        }
        taken += size;
        listed.push(told);
    }
    Ok((start + listed.len(), listed))
}

/// A file as the answer has it, with room for the words about its diff; on a page that goes on with
/// its diff without its points.
pub(super) fn reviewed(looked: &Looked, is_new: bool) -> ReviewedFile {
    let points = if is_new { &*looked.points } else { &[] };
    let shown = if is_new { shown_points(looked) } else { 0 };
    let file = &looked.file;
    ReviewedFile {
        path: shown_path(looked),
        status: file.status,
        area: looked.area,
        additions: file.additions,
        deletions: file.deletions,
        diff: Some("x".repeat(LABEL_BYTES_MAX)),
        focus_points: points[..shown].to_vec(),
        more_points: points.len() - shown,
    }
}

pub(super) fn shown_path(looked: &Looked) -> String {
    text::one_line(text::cut(&looked.file.filename, PATH_BYTES_MAX).0)
}

/// How many of a file's points its entry shows, whatever else its page has.
pub(super) fn shown_points(looked: &Looked) -> usize {
    let first: Vec<&FocusPoint> = looked.points.iter().take(FILE_POINTS_MAX).collect();
    overflow::fit(first, FILE_POINTS_BYTES_MAX).0.len()
}

/// Why a page shows nothing of a file's diff.
pub(super) fn not_shown(looked: &Looked) -> String {
    let file = &looked.file;
    let words = match () {
        () if rank(looked) == 5 && file.patch.is_some() => "left out: made by a program or copied",
        () if file.patch.is_some() => "on the next page",
        () if file.additions + file.deletions == 0 => "no changed line",
        () => "none: binary, or too large for GitHub",
    };
    words.to_owned()
}

/// The diff of a page.
pub(super) struct Portion {
    pub(super) text: String,
    /// How much is shown of each file; none when nothing is.
    pub(super) shown: Vec<Option<String>>,
    /// What of these files is left.
    pub(super) left: Omitted,
    pub(super) is_last: bool,
}

impl Portion {
    /// `bytes` are those that the first page of these files has for their diff, and those that each
    /// later page has for diff and files.
    pub(super) fn of(
        files: &[Looked],
        round: usize,
        query: &ReviewQuery,
        bytes: [usize; 2],
    ) -> Result<Self, ApiError> {
        let [first, later] = bytes.map(|bytes| Budget {
            lines: query.diff_lines_max,
            bytes,
        });
        let cut = files.iter().map(|file| cut(file, query, later));
        let cut = cut.collect::<Result<Vec<Cut>, ApiError>>()?;
        let rounds = diff::rounds(&cut, first, later);
        let nothing: Round = vec![0..0; files.len()];
        let current = match rounds.get(round) {
            Some(current) => current,
            None if round == 0 => &nothing,
            None => return Err(head_cursor::damaged()),
        };
        let parts = files.iter().zip(&cut);
        let parts: Vec<(&ChangedFile, &[Piece])> = parts
            .map(|(file, cut)| (&file.file, &*cut.pieces))
            .collect();
        let left = cut.iter().zip(current).map(|(file, shown)| {
            let left = &file.pieces[shown.end..];
            let hunks = left.chunk_by(|one, other| one.hunk == other.hunk);
            (hunks.count(), left.iter().map(|piece| piece.lines).sum())
        });
        let left = left.fold(Omitted::default(), |sum, (hunks, lines): (usize, usize)| {
            Omitted {
                hunks: sum.hunks + hunks,
                diff_lines: sum.diff_lines + lines,
                ..sum
            }
        });
        Ok(Self {
            text: diff::text_of(&parts, current),
            shown: cut
                .iter()
                .zip(current)
                .map(|(file, shown)| label(file, shown))
                .collect(),
            left,
            is_last: round + 1 >= rounds.len(),
        })
    }
}

/// The pieces of a file. Each fits a page of its own, with its heading and the entry of its file.
fn cut(file: &Looked, query: &ReviewQuery, page: Budget) -> Result<Cut, ApiError> {
    // Whoever asks for a file by name wants to see it.
    let is_left_out = query.files.is_empty() && rank(file) == 5;
    let heading = diff::cost(&diff::heading(&file.file));
    // A comma stands before it.
    let entry = bytes(&reviewed(file, false))? + 1;
    let most = Budget {
        lines: page.lines.saturating_sub(1),
        bytes: page.bytes.saturating_sub(heading + entry),
    };
    let pieces = match is_left_out {
        true => Vec::new(),
        false => diff::pieces(&file.file, most),
    };
    Ok(Cut {
        heading,
        entry,
        pieces,
    })
}

/// How much a page shows of a file; none when it shows nothing.
fn label(file: &Cut, shown: &Range<usize>) -> Option<String> {
    let (first, last) = (
        file.pieces[shown.clone()].first()?,
        file.pieces.get(shown.end - 1)?,
    );
    if shown.len() == file.pieces.len() && !first.is_part {
        return Some("whole".to_owned());
    }
    let all = file.pieces.last().map_or(0, |piece| piece.hunk);
    let part = match first.is_part || last.is_part {
        true => ", parts of a large one",
        false => "",
    };
    Some(format!("hunks {}-{} of {all}{part}", first.hunk, last.hunk))
}
