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
mod tests;
mod workflow_rules;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;

pub use detectors::{FocusPoint, points as focus_points};
pub use focus::Focus;
pub use report::ReviewSuggestions;

use self::diff::{Budget, Piece, Round};
use self::report::{Omitted, ReviewedFile, UNTRUSTED};
use super::areas::{self, Area};
use super::context::{self, Context};
use super::files::{self, ChangedFile};
use super::path_pattern::PathPattern;
use super::{PullSource, Warning, head_cursor};
use crate::domain::cursor::Page;
use crate::domain::{ApiError, Category, limits, text};

const TOOL: &str = "get_review_suggestions";
/// Files of a page.
const PAGE_FILES_MAX: usize = 20;
/// Lines of the diff that a page shows when the caller does not say, and the bounds of what can be
/// said. The answer goes into an agent's context: the default is about as large as its JSON.
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
    let mut warnings = context.warnings.clone();
    if cut {
        warnings.push(files::cut_warning("the other files were not looked at"));
    }
    let wanted = |file: &ChangedFile| {
        let named = |name| patterns.iter().any(|pattern| pattern.matches(name));
        patterns.is_empty() || file.names().any(named)
    };
    let files: Vec<ChangedFile> = files.into_iter().filter(wanted).collect();
    if files.is_empty() {
        return Err(ApiError::invalid(
            "no changed file is named by files",
            "patterns are written as in CODEOWNERS: src/, *.rs, /docs/*; leave files out for all",
        ));
    }
    let looked = look(files, &query.focus);
    let frame = Frame {
        source: &source,
        query,
        pr,
        fetched_at: source.as_of(now),
        warnings,
    };
    frame.page(&looked, &context, position)
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
}

impl Position {
    fn is_first(self) -> bool {
        self == Self::default()
    }

    fn read(given: &str, pr: &str, query: &ReviewQuery, head: &str) -> Result<Self, ApiError> {
        let position = head_cursor::read(TOOL, &(pr, query), head, given)?;
        let numbers: Option<Vec<usize>> = position.split('.').map(|it| it.parse().ok()).collect();
        let Some([start, end, round]) = numbers.as_deref() else {
            return Err(head_cursor::damaged());
        };
        Ok(Self {
            start: *start,
            end: *end,
            round: *round,
        })
    }

    fn make(self, pr: &str, query: &ReviewQuery, head: &str) -> String {
        let Self { start, end, round } = self;
        head_cursor::make(TOOL, &(pr, query), head, &format!("{start}.{end}.{round}"))
    }
}

/// The answer without its files.
struct Frame<'a> {
    source: &'a PullSource,
    query: &'a ReviewQuery,
    pr: String,
    fetched_at: Timestamp,
    warnings: Vec<Warning>,
}

impl Frame<'_> {
    fn page(
        self,
        looked: &[Looked],
        context: &Context,
        position: Position,
    ) -> Result<(ReviewSuggestions, String), ApiError> {
        let mut answer = ReviewSuggestions {
            head_sha: self.source.pull.head_short().to_owned(),
            fetched_at: self.fetched_at,
            first: position
                .is_first()
                .then(|| frame::first_page(&self.source.pull, context, looked, &self.query.focus)),
            files: Vec::new(),
            omitted: Omitted::default(),
            untrusted: UNTRUSTED,
            warnings: self.warnings,
            next_cursor: None,
            pr: self.pr,
        };
        let end = window_end(looked, position, &answer)?;
        let files = &looked[position.start..end];
        let portion = match self.query.include_diff {
            true => Some(Portion::of(files, position.round, self.query)?),
            false => None,
        };
        let is_new = position.round == 0;
        for (place, file) in files.iter().enumerate() {
            let shown = portion.as_ref().map(|portion| &portion.shown[place]);
            if is_new || shown.is_some_and(|shown| shown.is_some()) {
                let words = shown.map(|shown| shown.clone().unwrap_or_else(|| not_shown(file)));
                answer.files.push(reviewed(file, is_new, words));
            }
        }
        let goes_on = portion.as_ref().is_some_and(|portion| !portion.is_last);
        let next = match () {
            () if goes_on => Some(Position {
                end,
                round: position.round + 1,
                ..position
            }),
            () if end < looked.len() => Some(Position {
                start: end,
                ..Position::default()
            }),
            () => None,
        };
        let head = &self.source.pull.head.sha;
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

/// Where the files of a page end.
fn window_end(
    looked: &[Looked],
    position: Position,
    answer: &ReviewSuggestions,
) -> Result<usize, ApiError> {
    let Position { start, end, round } = position;
    if end != 0 {
        let fits = start < end && end <= looked.len() && end - start <= PAGE_FILES_MAX;
        return fits.then_some(end).ok_or_else(head_cursor::damaged);
    }
    if start >= looked.len() || round != 0 {
        return Err(head_cursor::damaged());
    }
    // Room for the cursor and the counts beside the files.
    const REST_BYTES: usize = 160;
    let around = serde_json::to_string(answer).map_or(0, |json| json.len());
    let mut page = Page::new(PAGE_FILES_MAX).beside(around + REST_BYTES);
    for (place, file) in looked.iter().enumerate().skip(start) {
        let words = Some(not_shown(file));
        if !page.push(&reviewed(file, true, words))? {
            return Ok(place);
        }
    }
    Ok(looked.len())
}

/// A file as the answer has it; on a page that goes on with its diff without its points.
fn reviewed(looked: &Looked, is_new: bool, diff: Option<String>) -> ReviewedFile {
    let points = if is_new { &*looked.points } else { &[] };
    let file = &looked.file;
    ReviewedFile {
        path: text::one_line(text::cut(&file.filename, PATH_BYTES_MAX).0),
        status: file.status,
        area: looked.area,
        additions: file.additions,
        deletions: file.deletions,
        diff,
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
    fn of(files: &[Looked], round: usize, query: &ReviewQuery) -> Result<Self, ApiError> {
        let budget = Budget {
            lines: query.diff_lines_max,
            bytes: query.diff_lines_max * limits::ANSWER_BYTES_MAX / DIFF_LINES_DEFAULT,
        };
        // Whoever asks for a file by name wants to see it.
        let is_left_out = |file: &Looked| query.files.is_empty() && rank(file) == 5;
        let cut = files.iter().map(|file| match is_left_out(file) {
            true => (0, Vec::new()),
            false => (
                diff::heading(&file.file).len(),
                diff::pieces(&file.file, budget),
            ),
        });
        let cut: Vec<(usize, Vec<Piece>)> = cut.collect();
        let rounds = diff::rounds(&cut, budget);
        let nothing: Round = vec![0..0; files.len()];
        let current = match rounds.get(round) {
            Some(current) => current,
            None if round == 0 => &nothing,
            None => return Err(head_cursor::damaged()),
        };
        let parts = files.iter().zip(&cut);
        let parts: Vec<(&ChangedFile, &[Piece])> = parts
            .map(|(file, (_, pieces))| (&file.file, &**pieces))
            .collect();
        let left = cut
            .iter()
            .zip(current)
            .flat_map(|((_, pieces), shown)| &pieces[shown.end..]);
        let left = left.fold(Omitted::default(), |sum, piece| Omitted {
            hunks: sum.hunks + 1,
            diff_lines: sum.diff_lines + piece.lines,
            ..sum
        });
        let shown = cut.iter().zip(current).map(|((_, pieces), shown)| {
            let all = pieces.len();
            match shown {
                shown if shown.is_empty() => None,
                shown if shown.len() == all => Some("whole".to_owned()),
                shown => Some(format!("hunks {}-{} of {all}", shown.start + 1, shown.end)),
            }
        });
        Ok(Self {
            text: diff::text_of(&parts, current),
            shown: shown.collect(),
            left,
            is_last: round + 1 >= rounds.len(),
        })
    }
}
