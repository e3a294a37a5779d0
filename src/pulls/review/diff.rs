//! The diff of a page: whole hunks within a budget of lines and bytes, each file's share by its
//! size. What did not fit comes in the next rounds, so that nothing is lost.

use std::fmt::Write as _;

use crate::domain::text;
use crate::pulls::files::{ChangedFile, FileStatus, Hunk};
use crate::pulls::secrets::Masker;

/// Longest line that is shown, in bytes: longer ones were not written by hand.
const LINE_BYTES_MAX: usize = 400;

/// How much may be shown at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Lines.
    pub lines: usize,
    /// Bytes.
    pub bytes: usize,
}

/// A hunk, or a part of one that is larger than the whole budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// With its header, secrets masked.
    pub text: String,
    pub lines: usize,
}

/// What one round shows of each file: which of its pieces.
pub(super) type Round = Vec<std::ops::Range<usize>>;

/// The hunks of a file; one that is larger than the budget is cut between lines, each part with a
/// header of its own.
pub(super) fn pieces(file: &ChangedFile, budget: Budget) -> Vec<Piece> {
    let mut masker = Masker::of(&file.filename);
    let heading = heading(file).len();
    let most = Budget {
        lines: budget.lines.saturating_sub(1),
        bytes: budget.bytes.saturating_sub(heading),
    };
    let hunks = file.hunks();
    hunks
        .iter()
        .flat_map(|hunk| parts(hunk, &mut masker, most))
        .collect()
}

fn parts(hunk: &Hunk<'_>, masker: &mut Masker, most: Budget) -> Vec<Piece> {
    // Room for a header.
    const HEADER_BYTES: usize = 160;
    let (header, _) = hunk.text.split_once('\n').unwrap_or((hunk.text, ""));
    let about = header.splitn(3, "@@").nth(2).unwrap_or_default();
    let about = masker.line(text::cut(about, 80).0).into_owned();
    let mut parts = Vec::new();
    let mut part = Part::at(hunk.old_start, hunk.new_start);
    for line in hunk.text.lines().skip(1) {
        let (mark, words) = line.split_at_checked(1).unwrap_or((line, ""));
        // What hides goes first: it could hide within a secret.
        let visible: String = words
            .chars()
            .filter(|letter| *letter == '\t' || !text::is_deceptive(*letter))
            .collect();
        let masked = masker.line(&visible);
        let (shown, cut) = text::cut(&masked, LINE_BYTES_MAX);
        let length = shown.len() + mark.len() + 4;
        let full =
            part.lines + 2 > most.lines || part.text.len() + length + HEADER_BYTES > most.bytes;
        if full && part.lines > 0 {
            let next = Part::at(part.old_end(), part.new_end());
            parts.push(std::mem::replace(&mut part, next).piece(&about));
        }
        part.push(mark, shown, cut);
    }
    parts.push(part.piece(&about));
    parts
}

/// A part of a hunk that grows.
struct Part {
    old_start: u32,
    new_start: u32,
    old_lines: u32,
    new_lines: u32,
    lines: usize,
    text: String,
}

impl Part {
    fn at(old_start: u32, new_start: u32) -> Self {
        Self {
            old_start,
            new_start,
            old_lines: 0,
            new_lines: 0,
            lines: 0,
            text: String::new(),
        }
    }

    fn push(&mut self, mark: &str, shown: &str, cut: bool) {
        match mark {
            "+" => self.new_lines += 1,
            "-" => self.old_lines += 1,
            "\\" => {}
            _ => {
                self.old_lines += 1;
                self.new_lines += 1;
            }
        }
        self.lines += 1;
        let end = if cut { "…" } else { "" };
        self.text.push_str(mark);
        self.text.push_str(shown);
        self.text.push_str(end);
        self.text.push('\n');
    }

    fn old_end(&self) -> u32 {
        self.old_start.saturating_add(self.old_lines)
    }

    fn new_end(&self) -> u32 {
        self.new_start.saturating_add(self.new_lines)
    }

    fn piece(self, about: &str) -> Piece {
        let (old, new) = (self.old_start, self.new_start);
        let (olds, news) = (self.old_lines, self.new_lines);
        Piece {
            text: format!("@@ -{old},{olds} +{new},{news} @@{about}\n{}", self.text),
            lines: self.lines + 1,
        }
    }
}

/// The line above the hunks of a file.
pub(super) fn heading(file: &ChangedFile) -> String {
    let name = |path: &str| text::one_line(path);
    let now = name(&file.filename);
    match (file.status, &file.previous_filename) {
        (FileStatus::Added, _) => format!("+++ {now} (new)\n"),
        (FileStatus::Removed, _) => format!("--- {now} (removed)\n"),
        (_, Some(before)) => format!("+++ {now} (was {})\n", name(before)),
        _ => format!("+++ {now}\n"),
    }
}

/// Shares the budget out, round after round, until all pieces of all files are shown. Each round
/// shows at least one.
pub(super) fn rounds(files: &[(usize, Vec<Piece>)], budget: Budget) -> Vec<Round> {
    let mut shown: Vec<usize> = vec![0; files.len()];
    let mut rounds = Vec::new();
    while files
        .iter()
        .zip(&shown)
        .any(|((_, pieces), shown)| *shown < pieces.len())
    {
        let before = shown.clone();
        fill(files, &mut shown, budget);
        let round = before.iter().zip(&shown).map(|(from, to)| *from..*to);
        rounds.push(round.collect());
    }
    rounds
}

fn fill(files: &[(usize, Vec<Piece>)], shown: &mut [usize], budget: Budget) {
    let left = |(place, (_, pieces)): (usize, &(usize, Vec<Piece>)), shown: &[usize]| -> usize {
        pieces[shown[place]..].iter().map(|piece| piece.lines).sum()
    };
    let shares: Vec<usize> = files
        .iter()
        .enumerate()
        .map(|file| left(file, shown))
        .collect();
    let total = shares.iter().sum::<usize>().max(1);
    let (mut lines, mut bytes) = (0, 0);
    // First to each file by its size, then what is left over to the first that can use it.
    for proportional in [true, false] {
        for (place, (heading, pieces)) in files.iter().enumerate() {
            let share = budget.lines * shares[place] / total;
            let mut own = 0;
            while let Some(piece) = pieces.get(shown[place]) {
                let first = if own == 0 { 1 } else { 0 };
                let cost = piece.lines + first;
                let size = piece.text.len() + heading * first;
                let over_share = proportional && own + cost > share;
                if over_share || lines + cost > budget.lines || bytes + size > budget.bytes {
                    break;
                }
                (own, lines, bytes) = (own + cost, lines + cost, bytes + size);
                shown[place] += 1;
            }
        }
    }
    // A piece fits an empty budget, so this never happens; a loop must end all the same.
    if lines == 0
        && let Some(place) = (0..files.len()).find(|place| shown[*place] < files[*place].1.len())
    {
        shown[place] += 1;
    }
}

/// The text of one round.
pub(super) fn text_of(files: &[(&ChangedFile, &[Piece])], round: &Round) -> String {
    let mut text = String::new();
    for ((file, pieces), range) in files.iter().zip(round) {
        if range.is_empty() {
            continue;
        }
        text.push_str(&heading(file));
        for piece in &pieces[range.clone()] {
            let _ = write!(text, "{}", piece.text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, hunks: usize, lines: usize) -> ChangedFile {
        let hunk = |number: usize| {
            let body = "+line\n".repeat(lines);
            let at = number * 100 + 1;
            format!("@@ -{at},0 +{at},{lines} @@ fn f() {{\n{body}")
        };
        let patch: String = (0..hunks).map(hunk).collect();
        ChangedFile {
            filename: name.to_owned(),
            status: FileStatus::Modified,
            previous_filename: None,
            additions: 0,
            deletions: 0,
            patch: Some(patch.trim_end().to_owned()),
        }
    }

    fn shared(files: &[ChangedFile], budget: Budget) -> (Vec<(usize, Vec<Piece>)>, Vec<Round>) {
        let files: Vec<_> = files
            .iter()
            .map(|file| (heading(file).len(), pieces(file, budget)))
            .collect();
        let rounds = rounds(&files, budget);
        (files, rounds)
    }

    #[test]
    fn every_piece_is_shown_once_and_every_round_keeps_the_budget() {
        let budget = Budget {
            lines: 40,
            bytes: 2_000,
        };
        let files = [file("a.rs", 7, 5), file("b.rs", 2, 9), file("c.rs", 1, 120)];
        let (files, rounds) = shared(&files, budget);
        assert!(rounds.len() > 3, "{rounds:?}");
        for (place, (_, pieces)) in files.iter().enumerate() {
            let mut next = 0;
            for round in &rounds {
                assert_eq!(round[place].start, next);
                next = round[place].end;
            }
            assert_eq!(next, pieces.len());
        }
        for round in &rounds {
            let parts = files.iter().zip(round);
            let lines: usize = parts
                .clone()
                .map(|((_, pieces), range)| {
                    let own: usize = pieces[range.clone()].iter().map(|piece| piece.lines).sum();
                    own + usize::from(!range.is_empty())
                })
                .sum();
            assert!(lines <= budget.lines, "{lines} lines");
            assert!(parts.clone().any(|(_, range)| !range.is_empty()));
        }
    }

    #[test]
    fn the_first_round_shows_something_of_every_file() {
        let budget = Budget {
            lines: 60,
            bytes: 8_192,
        };
        let (_, rounds) = shared(&[file("a.rs", 20, 5), file("b.rs", 10, 5)], budget);
        let shown: Vec<usize> = rounds[0].iter().map(ExactSizeIterator::len).collect();
        assert!(shown[0] > shown[1] && shown[1] > 0, "{shown:?}");
        let (_, rounds) = shared(&[file("a.rs", 2, 5)], budget);
        assert_eq!(rounds.len(), 1, "what fits is shown at once");
    }

    #[test]
    fn a_hunk_larger_than_the_budget_is_cut_with_headers() {
        let budget = Budget {
            lines: 20,
            bytes: 8_192,
        };
        let pieces = pieces(&file("a.rs", 1, 40), budget);
        assert_eq!(pieces.len(), 3);
        assert!(
            pieces[0]
                .text
                .starts_with("@@ -1,0 +1,18 @@ fn f() {\n+line\n"),
            "{}",
            pieces[0].text
        );
        assert!(
            pieces[1].text.starts_with("@@ -1,0 +19,18 @@"),
            "{}",
            pieces[1].text
        );
        let mut long = file("a.js", 1, 1);
        long.patch = Some(format!("@@ -1 +1 @@\n+{}", "ä".repeat(4_000)));
        let piece = &super::pieces(&long, budget)[0];
        assert!(piece.text.len() < LINE_BYTES_MAX + 100 && piece.text.ends_with("…\n"));
    }

    #[test]
    fn secrets_are_masked_on_every_side() {
        let secret = ["ghp_", &"a1".repeat(18)].concat();
        let mut file = file("a.rs", 1, 1);
        file.patch = Some(format!(
            "@@ -1,3 +1,3 @@ {secret}\n {secret}\n-{secret}\n+{}\u{202e}{}",
            &secret[..9],
            &secret[9..]
        ));
        let budget = Budget {
            lines: 20,
            bytes: 8_192,
        };
        let pieces = pieces(&file, budget);
        let round = &rounds(&[(0, pieces.clone())], budget)[0];
        let text = text_of(&[(&file, &pieces)], round);
        assert!(
            !text.contains("a1a1") && !text.contains('\u{202e}'),
            "{text}"
        );
        assert_eq!(text.matches("[masked]").count(), 4);
    }
}
