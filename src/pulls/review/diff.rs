//! The diff of a page: whole hunks within a budget of lines and bytes, each file's share by its
//! size. What did not fit comes in the next rounds, so that nothing is lost. A hunk that no page can
//! hold is cut between lines, and says so.

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
    /// Bytes, as [`cost`] counts them.
    pub bytes: usize,
}

/// A hunk, or a part of one that is larger than a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// With its header, secrets masked.
    pub text: String,
    pub lines: usize,
    /// What it takes of a budget.
    pub bytes: usize,
    /// The place of its hunk in the file, from 1.
    pub hunk: usize,
    /// Whether it is a part of the hunk only.
    pub is_part: bool,
}

/// A file with its pieces, and what it takes of a budget to show one of them.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Bytes of the line above the pieces.
    pub heading: usize,
    /// Bytes of its entry in the record, on pages that list only files whose pieces they show.
    pub entry: usize,
    pub pieces: Vec<Piece>,
}

/// What one round shows of each file: which of its pieces.
pub(super) type Round = Vec<std::ops::Range<usize>>;

/// The bytes that a text takes in an answer: as JSON, or within a fence that is longer than any run
/// of backticks in it.
pub(super) fn cost(text: &str) -> usize {
    let quotes = serde_json::to_string(text).map_or(0, |json| json.len());
    let run = text.split(|letter| letter != '`').map(str::len).max();
    quotes.saturating_sub(2) + 2 * run.unwrap_or(0)
}

/// The hunks of a file; one that does not fit `most` under its heading is cut between lines, each
/// part with a header of its own that says so.
pub(super) fn pieces(file: &ChangedFile, most: Budget) -> Vec<Piece> {
    let mut masker = Masker::of(&file.filename);
    let hunks = file.hunks();
    hunks
        .iter()
        .enumerate()
        .flat_map(|(place, hunk)| parts(hunk, place + 1, &mut masker, most))
        .collect()
}

fn parts(hunk: &Hunk<'_>, number: usize, masker: &mut Masker, most: Budget) -> Vec<Piece> {
    // The numbers in a header, and what it says of a part.
    const HEADER_BYTES: usize = 128;
    // What hides goes first: it could hide within a secret.
    let visible = |words: &str| -> String {
        let shown = words.chars();
        shown
            .filter(|letter| *letter == '\t' || !text::is_deceptive(*letter))
            .collect()
    };
    let (header, _) = hunk.text.split_once('\n').unwrap_or((hunk.text, ""));
    let about = header.splitn(3, "@@").nth(2).unwrap_or_default();
    let about = masker.line(text::cut(&visible(about), 80).0).into_owned();
    let header = cost(&about) + HEADER_BYTES;
    let mut parts = Vec::new();
    let mut part = Part::at(hunk.old_start, hunk.new_start);
    for line in hunk.text.lines().skip(1) {
        let (mark, words) = line.split_at_checked(1).unwrap_or((line, ""));
        let visible = visible(words);
        let masked = masker.line(&visible);
        let (shown, cut) = text::cut(&masked, LINE_BYTES_MAX);
        // The end of the line is two letters, an ellipsis three bytes.
        let bytes = cost(mark) + cost(shown) + if cut { 5 } else { 2 };
        let full = part.lines + 2 > most.lines || part.bytes + bytes + header > most.bytes;
        if full && part.lines > 0 {
            let next = Part::at(part.old_end(), part.new_end());
            parts.push(std::mem::replace(&mut part, next));
        }
        part.push(mark, shown, cut);
        part.bytes += bytes;
    }
    parts.push(part);
    let count = parts.len();
    let parts = parts.into_iter().enumerate();
    parts
        .map(|(place, part)| part.piece(&about, number, (place + 1, count)))
        .collect()
}

/// A part of a hunk that grows.
struct Part {
    old_start: u32,
    new_start: u32,
    old_lines: u32,
    new_lines: u32,
    lines: usize,
    bytes: usize,
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
            bytes: 0,
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

    fn piece(self, about: &str, hunk: usize, (part, parts): (usize, usize)) -> Piece {
        let (old, new) = (self.old_start, self.new_start);
        let (olds, news) = (self.old_lines, self.new_lines);
        let is_part = parts > 1;
        let mark = match is_part {
            true => format!(" [part {part} of {parts} of a hunk larger than a page]"),
            false => String::new(),
        };
        let text = format!(
            "@@ -{old},{olds} +{new},{news} @@{about}{mark}\n{}",
            self.text
        );
        Piece {
            bytes: cost(&text),
            lines: self.lines + 1,
            hunk,
            is_part,
            text,
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

/// Shares the budgets out, round after round, until all pieces of all files are shown: first that of
/// the first page, which may be too small for any of them, then `later`, page after page. There a
/// file has its entry in the record only when something of it is shown.
pub(super) fn rounds(files: &[Cut], first: Budget, later: Budget) -> Vec<Round> {
    let mut shown: Vec<usize> = vec![0; files.len()];
    let mut rounds = Vec::new();
    let is_left = |shown: &[usize]| {
        let mut all = files.iter().zip(shown);
        all.any(|(file, shown)| *shown < file.pieces.len())
    };
    while is_left(&shown) {
        let before = shown.clone();
        match rounds.is_empty() {
            true => fill(files, &mut shown, first, false),
            false => fill(files, &mut shown, later, true),
        }
        // A piece fits an empty page, so this never happens; a loop must end all the same.
        if !rounds.is_empty()
            && shown == before
            && let Some(place) =
                (0..files.len()).find(|place| shown[*place] < files[*place].pieces.len())
        {
            shown[place] += 1;
        }
        let round = before.iter().zip(&shown).map(|(from, to)| *from..*to);
        rounds.push(round.collect());
    }
    rounds
}

fn fill(files: &[Cut], shown: &mut [usize], budget: Budget, with_entries: bool) {
    let sums = files.iter().zip(&*shown).map(|(file, shown)| {
        let left = file.pieces[*shown..].iter();
        left.fold((0, 0), |(lines, bytes), piece| {
            (lines + piece.lines, bytes + piece.bytes)
        })
    });
    let shares: Vec<(usize, usize)> = sums.collect();
    let all_lines = shares.iter().map(|(lines, _)| lines).sum::<usize>().max(1);
    let all_bytes = shares.iter().map(|(_, bytes)| bytes).sum::<usize>().max(1);
    let (mut lines, mut bytes) = (0, 0);
    let mut begun = vec![false; files.len()];
    // First to each file by its size, then what is left over to the first that can use it.
    for proportional in [true, false] {
        for (place, file) in files.iter().enumerate() {
            let line_share = budget.lines * shares[place].0 / all_lines;
            let byte_share = budget.bytes * shares[place].1 / all_bytes;
            let (mut own_lines, mut own_bytes) = (0, 0);
            while let Some(piece) = file.pieces.get(shown[place]) {
                let entry = if with_entries { file.entry } else { 0 };
                let (line, begins) = match begun[place] {
                    true => (0, 0),
                    false => (1, file.heading + entry),
                };
                let (cost, size) = (piece.lines + line, piece.bytes + begins);
                let over_share = proportional
                    && (own_lines + cost > line_share || own_bytes + size > byte_share);
                if over_share || lines + cost > budget.lines || bytes + size > budget.bytes {
                    break;
                }
                (own_lines, own_bytes) = (own_lines + cost, own_bytes + size);
                (lines, bytes) = (lines + cost, bytes + size);
                begun[place] = true;
                shown[place] += 1;
            }
        }
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
    use proptest::prelude::*;

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

    fn shared(files: &[ChangedFile], first: Budget, later: Budget) -> (Vec<Cut>, Vec<Round>) {
        let cut = |file: &ChangedFile| {
            let heading = cost(&heading(file));
            let most = Budget {
                lines: later.lines - 1,
                bytes: later.bytes - heading - 100,
            };
            Cut {
                heading,
                entry: 100,
                pieces: pieces(file, most),
            }
        };
        let files: Vec<Cut> = files.iter().map(cut).collect();
        let rounds = rounds(&files, first, later);
        (files, rounds)
    }

    /// Lines and bytes that a round takes.
    fn taken(files: &[Cut], round: &Round, entry: usize) -> (usize, usize) {
        let parts = files
            .iter()
            .zip(round)
            .filter(|(_, range)| !range.is_empty());
        parts.fold((0, 0), |(lines, bytes), (file, range)| {
            let pieces = &file.pieces[range.clone()];
            let own: usize = pieces.iter().map(|piece| piece.lines).sum();
            let size: usize = pieces.iter().map(|piece| piece.bytes).sum();
            (lines + own + 1, bytes + size + file.heading + entry)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_piece_is_shown_once_and_every_round_keeps_its_budget(
            sizes in proptest::collection::vec((0_usize..9, 1_usize..150), 1..12),
            first_bytes in 0_usize..3_000,
            bytes in 1_500_usize..8_000,
            lines in 20_usize..200,
        ) {
            let files: Vec<ChangedFile> = sizes
                .iter()
                .enumerate()
                .map(|(place, (hunks, lines))| file(&format!("{place}.rs"), *hunks, *lines))
                .collect();
            let (first, later) = (Budget { lines, bytes: first_bytes }, Budget { lines, bytes });
            let (cut, rounds) = shared(&files, first, later);
            for (place, file) in cut.iter().enumerate() {
                let mut next = 0;
                for round in &rounds {
                    prop_assert_eq!(round[place].start, next);
                    next = round[place].end;
                }
                prop_assert_eq!(next, file.pieces.len());
                // Whole hunks, but for those that no page could hold.
                for piece in file.pieces.iter().filter(|piece| piece.is_part) {
                    let parts = file.pieces.iter().filter(|other| other.hunk == piece.hunk);
                    let whole: (usize, usize) = parts.fold((0, 0), |(lines, bytes), part| {
                        (lines + part.lines, bytes + part.bytes)
                    });
                    prop_assert!(whole.0 > lines - 1 || whole.1 + 300 > bytes, "{whole:?}");
                    prop_assert!(piece.text.contains(" of a hunk larger than a page]\n"));
                }
            }
            for (place, round) in rounds.iter().enumerate() {
                let (budget, entry) = if place == 0 { (first, 0) } else { (later, 100) };
                let (lines, bytes) = taken(&cut, round, entry);
                prop_assert!(lines <= budget.lines && bytes <= budget.bytes, "{lines} {bytes}");
                prop_assert!(place == 0 || lines > 0, "a page that shows nothing");
            }
        }
    }

    #[test]
    fn the_first_round_shows_something_of_every_file() {
        let budget = Budget {
            lines: 60,
            bytes: 8_192,
        };
        let (_, rounds) = shared(&[file("a.rs", 20, 5), file("b.rs", 10, 5)], budget, budget);
        let shown: Vec<usize> = rounds[0].iter().map(ExactSizeIterator::len).collect();
        assert!(shown[0] > shown[1] && shown[1] > 0, "{shown:?}");
        let (_, rounds) = shared(&[file("a.rs", 2, 5)], budget, budget);
        assert_eq!(rounds.len(), 1, "what fits is shown at once");
    }

    #[test]
    fn a_hunk_larger_than_a_page_is_cut_with_headers_that_say_so() {
        let most = Budget {
            lines: 19,
            bytes: 8_192,
        };
        let pieces = pieces(&file("a.rs", 1, 40), most);
        assert_eq!(pieces.len(), 3);
        for (piece, header) in pieces.iter().zip([
            "@@ -1,0 +1,18 @@ fn f() { [part 1 of 3 of a hunk larger than a page]\n+line\n",
            "@@ -1,0 +19,18 @@ fn f() { [part 2 of 3 of a hunk larger than a page]\n+line\n",
            "@@ -1,0 +37,4 @@ fn f() { [part 3 of 3 of a hunk larger than a page]\n+line\n",
        ]) {
            assert!(piece.text.starts_with(header), "{}", piece.text);
        }
        let mut long = file("a.js", 1, 1);
        long.patch = Some(format!("@@ -1 +1 @@\n+{}", "ä".repeat(4_000)));
        let piece = &super::pieces(&long, most)[0];
        assert!(piece.text.len() < LINE_BYTES_MAX + 100 && piece.text.ends_with("…\n"));
    }

    #[test]
    fn a_text_costs_what_it_takes_as_json_and_in_a_fence() {
        for text in ["a\tb\n", "\"\\", "```` ` ```", "ä"] {
            let json = serde_json::to_string(text).unwrap().len() - 2;
            let empty = text::fence_untrusted("", "").len();
            let fenced = text::fence_untrusted("", text).len() - empty;
            assert!(cost(text) >= json && cost(text) >= fenced, "{text}");
        }
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
        let cut = Cut {
            heading: 0,
            entry: 0,
            pieces: pieces.clone(),
        };
        let round = &rounds(&[cut], budget, budget)[0];
        let text = text_of(&[(&file, &pieces)], round);
        assert!(
            !text.contains("a1a1") && !text.contains('\u{202e}'),
            "{text}"
        );
        assert_eq!(text.matches("[masked]").count(), 4);
    }
}
