//! `get_review_suggestions`: what to look at in a pull request, the most sensitive files first, with
//! the questions that the change itself asks and its diff in portions.

mod api_rules;
mod checklist;
mod code_lines;
mod detectors;
#[cfg(test)]
mod detectors_tests;
mod diff;
mod focus;
mod frame;
mod report;
mod template;
#[cfg(test)]
pub(super) mod tests;
mod workflow_rules;

use std::cmp::Reverse;
use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;

pub use detectors::{FocusPoint, points as focus_points};
pub use focus::Focus;
pub use report::ReviewSuggestions;

use self::diff::{Budget, Cut, Piece, Round};
use self::report::{Omitted, ReviewedFile, UNTRUSTED};
use super::areas::{self, Area};
use super::context::{self, Context};
use super::files::{self, ChangedFile};
use super::path_pattern::PathPattern;
use super::{PullRequest, PullSource, Warning, head_cursor, overflow};
use crate::domain::{ApiError, Category, limits, text};

const TOOL: &str = "get_review_suggestions";
/// Files of a page.
const PAGE_FILES_MAX: usize = 20;
/// Most bytes of the record of a page that shows a diff too: the rest of the page is for that.
const RECORD_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX * 5 / 8;
/// Longest words that say how much of a file's diff a page shows, in bytes.
const LABEL_BYTES_MAX: usize = 48;
/// Longest cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 64;
/// Most bytes of the warnings, and of the reason of one.
const WARNINGS_BYTES_MAX: usize = 1_200;
const REASON_BYTES_MAX: usize = 160;
/// Lines of the diff that a page shows at most when the caller does not say, and the bounds of what
/// can be said. A page is full before that where its lines are long.
pub const DIFF_LINES_DEFAULT: usize = 200;
/// Fewest lines that can be asked for.
pub const DIFF_LINES_MIN: usize = 20;
/// Most lines that can be asked for.
pub const DIFF_LINES_MAX: usize = 500;
/// Points shown of one file.
const FILE_POINTS_MAX: usize = 6;
/// Longest path shown, in bytes.
const PATH_BYTES_MAX: usize = 300;

/// What is asked.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewQuery {
    /// Points and questions of these only; all when empty.
    pub focus: Vec<Focus>,
    /// Files of these patterns only, as CODEOWNERS writes them; all when empty.
    pub files: Vec<String>,
    /// Whether the diff is shown.
    pub include_diff: bool,
    /// Most lines of it on a page.
    pub diff_lines_max: usize,
}

/// A changed file with what was found in it.
#[derive(Debug)]
struct Looked {
    file: ChangedFile,
    area: Area,
    points: Vec<FocusPoint>,
}

/// What to look at, and the diff of the page as plain text.
///
/// # Errors
/// `no_changes` when no file is changed, `invalid_argument` for a pattern that fits none or for the
/// cursor of another call, `head_moved` for one of an older head; else as the gh floor tells.
pub async fn get_review_suggestions(
    source: PullSource,
    query: &ReviewQuery,
    after: Option<&str>,
    now: Timestamp,
) -> Result<(ReviewSuggestions, String), ApiError> {
    let patterns = patterns(&query.files)?;
    let pr = source.id.to_string();
    let position = after.map(|given| Position::read(given, &pr, query, &source.pull.head.sha));
    let position = position.transpose()?.unwrap_or_default();
    let (files, context) = tokio::join!(files::fetch(&source), async {
        // Further pages do not tell of it.
        match position.is_first() {
            true => context::fetch(&source).await,
            false => Context::default(),
        }
    });
    let (files, cut) = files.map_err(|error| error.to_api())?;
    if files.is_empty() {
        return Err(ApiError::new(
            Category::Logical,
            "no_changes",
            format!("{pr} changes no file"),
            "push a commit, or look at the base branch",
        ));
    }
    let lasting: Vec<Warning> = cut
        .then(|| files::cut_warning("the other files were not looked at"))
        .into_iter()
        .collect();
    let wanted = |file: &ChangedFile| {
        let named = |name| patterns.iter().any(|pattern| pattern.matches(name));
        patterns.is_empty() || file.names().any(named)
    };
    let (files, aside): (Vec<ChangedFile>, Vec<ChangedFile>) = files.into_iter().partition(wanted);
    if files.is_empty() {
        return Err(ApiError::invalid(
            "no changed file is named by files",
            "patterns are written as in CODEOWNERS: src/, *.rs, /docs/*; leave files out for all",
        ));
    }
    let looked = look(files, &query.focus);
    let frame = Frame {
        pull: &source.pull,
        query,
        pr,
        fetched_at: source.as_of(now),
        warnings: told(&context.warnings),
        lasting,
        aside: &aside,
    };
    frame.page(&looked, &context, position)
}

/// Warnings of bounded number and length.
fn told(warnings: &[Warning]) -> Vec<Warning> {
    let short = warnings.iter().map(|warning| Warning {
        reason: super::short(&warning.reason, REASON_BYTES_MAX),
        ..warning.clone()
    });
    overflow::fit_warnings(short.collect(), WARNINGS_BYTES_MAX)
}

fn patterns(given: &[String]) -> Result<Vec<PathPattern>, ApiError> {
    let pattern = |text: &String| {
        PathPattern::parse(text).ok_or_else(|| {
            ApiError::invalid(
                format!(
                    "'{}' is no pattern of files",
                    text::one_line(text::cut(text, 60).0)
                ),
                "write it as in CODEOWNERS, without ! and [ ]: src/, *.rs, /docs/*",
            )
        })
    };
    given.iter().map(pattern).collect()
}

/// Looks at each file and puts them in order: sensitive, code, tests, settings, documentation, what
/// nobody wrote; those with points before those without, large changes before small ones.
fn look(files: Vec<ChangedFile>, focus: &[Focus]) -> Vec<Looked> {
    let mut looked: Vec<Looked> = files
        .into_iter()
        .map(|file| {
            let mut points = detectors::points(&file);
            points.retain(|point| focus.is_empty() || focus.contains(&point.area));
            let area = Area::of(&file.filename);
            Looked { file, area, points }
        })
        .collect();
    looked.sort_by_key(|file| {
        let unfocused = !focus.is_empty() && file.points.is_empty();
        let size = file.file.additions.saturating_add(file.file.deletions);
        (
            unfocused,
            rank(file),
            Reverse(size),
            file.file.filename.clone(),
        )
    });
    looked
}

fn rank(looked: &Looked) -> u8 {
    let is_security = |point: &FocusPoint| point.area == Focus::Security;
    match looked.area {
        Area::Generated | Area::Vendored => 5,
        Area::Dependencies if areas::is_lock_file(&looked.file.filename) => 5,
        Area::SecuritySensitive | Area::Migrations | Area::ApiContract | Area::Ci => 0,
        _ if looked.points.iter().any(is_security) => 0,
        Area::Backend | Area::Frontend => 1,
        Area::Tests => 2,
        Area::Config | Area::Infra | Area::Dependencies | Area::Other => 3,
        Area::Docs => 4,
    }
}

/// Where a page begins: a window of files, and how often the diff of that window was continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    start: usize,
    /// End of the window; 0 while it is not known how many fit.
    end: usize,
    round: usize,
    /// Bytes that the first page of the window had for the diff: what it showed follows from them.
    first_bytes: usize,
}

impl Position {
    fn is_first(self) -> bool {
        self == Self::default()
    }

    fn read(given: &str, pr: &str, query: &ReviewQuery, head: &str) -> Result<Self, ApiError> {
        let position = head_cursor::read(TOOL, &(pr, query), head, given)?;
        let numbers: Option<Vec<usize>> = position.split('.').map(|it| it.parse().ok()).collect();
        let Some([start, end, round, first_bytes]) = numbers.as_deref() else {
            return Err(head_cursor::damaged());
        };
        let position = Self {
            start: *start,
            end: *end,
            round: *round,
            first_bytes: *first_bytes,
        };
        let is_ours = (position.end != 0) == (position.round != 0)
            && position.first_bytes <= limits::ANSWER_BYTES_MAX;
        is_ours.then_some(position).ok_or_else(head_cursor::damaged)
    }

    fn make(self, pr: &str, query: &ReviewQuery, head: &str) -> String {
        let Self {
            start,
            end,
            round,
            first_bytes,
        } = self;
        let position = format!("{start}.{end}.{round}.{first_bytes}");
        head_cursor::make(TOOL, &(pr, query), head, &position)
    }
}

/// The answer without its files.
struct Frame<'a> {
    pull: &'a PullRequest,
    query: &'a ReviewQuery,
    pr: String,
    fetched_at: Timestamp,
    /// What this page alone warns of: what surrounds the pull request is asked for by the first one.
    warnings: Vec<Warning>,
    /// What every page warns of.
    lasting: Vec<Warning>,
    /// Changed files that were not asked for.
    aside: &'a [ChangedFile],
}

impl Frame<'_> {
    fn page(
        self,
        looked: &[Looked],
        context: &Context,
        position: Position,
    ) -> Result<(ReviewSuggestions, String), ApiError> {
        let mut answer = ReviewSuggestions {
            head_sha: self.pull.head_short().to_owned(),
            fetched_at: self.fetched_at,
            first: position.is_first().then(|| {
                let files = (looked, self.aside);
                frame::first_page(self.pull, context, files, &self.query.focus)
            }),
            files: Vec::new(),
            omitted: Omitted::default(),
            untrusted: UNTRUSTED,
            warnings: [self.warnings, self.lasting.clone()].concat(),
            next_cursor: None,
            pr: self.pr,
        };
        let around = around(&answer)?;
        let (end, listed) = window(looked, position, self.query.include_diff, around)?;
        let files = &looked[position.start..end];
        let is_new = position.round == 0;
        let first_bytes = match is_new {
            true => limits::ANSWER_BYTES_MAX.saturating_sub(around + bytes(&listed)?),
            false => position.first_bytes,
        };
        let portion = match self.query.include_diff {
            true => {
                // The later pages of a window have a record without files to begin with, and no
                // first page's words and warnings: as large whenever it is asked for.
                let plain = ReviewSuggestions {
                    fetched_at: Timestamp::MAX,
                    first: None,
                    warnings: self.lasting,
                    ..answer.clone()
                };
                let room = limits::ANSWER_BYTES_MAX.saturating_sub(self::around(&plain)?);
                Some(Portion::of(
                    files,
                    position.round,
                    self.query,
                    [first_bytes, room],
                )?)
            }
            false => None,
        };
        for (place, (file, mut told)) in files.iter().zip(listed).enumerate() {
            let shown = portion.as_ref().map(|portion| &portion.shown[place]);
            if is_new || shown.is_some_and(|shown| shown.is_some()) {
                told.diff = shown.map(|shown| shown.clone().unwrap_or_else(|| not_shown(file)));
                answer.files.push(told);
            }
        }
        let goes_on = portion.as_ref().is_some_and(|portion| !portion.is_last);
        let next = match () {
            () if goes_on => Some(Position {
                end,
                round: position.round + 1,
                first_bytes,
                ..position
            }),
            () if end < looked.len() => Some(Position {
                start: end,
                ..Position::default()
            }),
            () => None,
        };
        let head = &self.pull.head.sha;
        answer.next_cursor = next.map(|next| next.make(&answer.pr, self.query, head));
        let (left, text) =
            portion.map_or_else(Default::default, |portion| (portion.left, portion.text));
        answer.omitted = Omitted {
            files: looked.len() - end,
            ..left
        };
        Ok((answer, text))
    }
}

fn bytes(value: &impl Serialize) -> Result<usize, ApiError> {
    serde_json::to_vec(value)
        .map(|json| json.len())
        .map_err(|error| ApiError::internal(error.to_string()))
}

/// The bytes of an answer without its files and its diff, but with all that stands around those.
fn around(answer: &ReviewSuggestions) -> Result<usize, ApiError> {
    // The name of the diff as a field, or its title and fence as a block.
    const DIFF_BYTES: usize = 128;
    const COUNT: usize = 9_999_999;
    let whole = ReviewSuggestions {
        files: Vec::new(),
        omitted: Omitted {
            files: COUNT,
            hunks: COUNT,
            diff_lines: COUNT,
        },
        next_cursor: Some("x".repeat(CURSOR_BYTES_MAX)),
        ..answer.clone()
    };
    Ok(bytes(&whole)? + diff_title(&answer.pr, &answer.head_sha).len() + DIFF_BYTES)
}

/// What the diff of a page is, for people.
pub fn diff_title(pr: &str, head: &str) -> String {
    format!("Diff of {pr} at {head}")
}

/// Where the files of a page end, and how the record has them. `around` is what the record has
/// beside them, in bytes.
fn window(
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
        let mut told = reviewed(file, true);
        let most = match listed.is_empty() {
            // The first one is told in any case, if need be without its points.
            true => {
                let room = limits::ANSWER_BYTES_MAX.saturating_sub(taken);
                while bytes(&told)? > room && told.focus_points.pop().is_some() {
                    told.more_points += 1;
                }
                limits::ANSWER_BYTES_MAX
            }
            false => most,
        };
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
fn reviewed(looked: &Looked, is_new: bool) -> ReviewedFile {
    let points = if is_new { &*looked.points } else { &[] };
    let file = &looked.file;
    ReviewedFile {
        path: text::one_line(text::cut(&file.filename, PATH_BYTES_MAX).0),
        status: file.status,
        area: looked.area,
        additions: file.additions,
        deletions: file.deletions,
        diff: Some("x".repeat(LABEL_BYTES_MAX)),
        focus_points: points.iter().take(FILE_POINTS_MAX).cloned().collect(),
        more_points: points.len().saturating_sub(FILE_POINTS_MAX),
    }
}

/// Why a page shows nothing of a file's diff.
fn not_shown(looked: &Looked) -> String {
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
struct Portion {
    text: String,
    /// How much is shown of each file; none when nothing is.
    shown: Vec<Option<String>>,
    /// What of these files is left.
    left: Omitted,
    is_last: bool,
}

impl Portion {
    /// `bytes` are those that the first page of these files has for their diff, and those that each
    /// later page has for diff and files.
    fn of(
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
