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
mod place;
mod report;
mod template;
#[cfg(test)]
pub(super) mod tests;
mod window;
mod workflow_rules;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;

pub use detectors::{FocusPoint, points as focus_points};
pub use focus::Focus;
pub use report::ReviewSuggestions;

use self::frame::Subject;
use self::place::{Place, Position, files_call, list_name, rest_call};
use self::report::{Omitted, Rest, RestOfFile, UNTRUSTED, rest_rules};
use self::window::{Portion, not_shown, shown_path, shown_points, window};
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
const CURSOR_BYTES_MAX: usize = 72;
/// Most bytes of the warnings, and of the reason of one.
const WARNINGS_BYTES_MAX: usize = 1_200;
const REASON_BYTES_MAX: usize = 160;
/// Lines of the diff that a page shows at most when the caller does not say, and the bounds of what
/// can be said. A page is full before that where its lines are long.
pub const DIFF_LINES_DEFAULT: usize = DIFF_LINES_MAX;
/// Fewest lines that can be asked for.
pub const DIFF_LINES_MIN: usize = 20;
/// Most lines that can be asked for.
pub const DIFF_LINES_MAX: usize = 500;
/// Points shown with one file, and most bytes of them: the others have pages of their own after
/// those with the files.
const FILE_POINTS_MAX: usize = 6;
const FILE_POINTS_BYTES_MAX: usize = 1_400;
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
    let place = after.map(|given| Place::read(given, &pr, query, &source.pull.head.sha));
    let place = place.transpose()?.unwrap_or_default();
    let (files, context) = tokio::join!(files::fetch(&source), async {
        // The other pages with files do not tell of it.
        match place.tells_context() {
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
        lasting,
        aside: &aside,
    };
    match place {
        Place::Files(position) => frame.page(&looked, &context, position),
        Place::Rest(position) => frame.rest_page(&looked, &context, position),
    }
}

/// The warnings of the first page, and those that it has no room for.
fn told(warnings: &[Warning]) -> (Vec<Warning>, Vec<Warning>) {
    let short = warnings.iter().map(|warning| Warning {
        reason: super::short(&warning.reason, REASON_BYTES_MAX),
        ..warning.clone()
    });
    let all: Vec<Warning> = short.collect();
    let (told, left) = overflow::fit(all.clone(), WARNINGS_BYTES_MAX);
    let rest = all[all.len() - left..].to_vec();
    (told, rest)
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

/// The answer without its files.
struct Frame<'a> {
    pull: &'a PullRequest,
    query: &'a ReviewQuery,
    pr: String,
    fetched_at: Timestamp,
    /// What every page warns of.
    lasting: Vec<Warning>,
    /// Changed files that were not asked for.
    aside: &'a [ChangedFile],
}

impl Frame<'_> {
    fn subject<'a>(&'a self, looked: &'a [Looked], context: &'a Context) -> Subject<'a> {
        Subject {
            pull: self.pull,
            context,
            looked,
            aside: self.aside,
            focus: &self.query.focus,
        }
    }

    /// What the pages with files had no room for.
    fn rest(&self, looked: &[Looked], context: &Context, halved: usize) -> Rest {
        let with_more = looked.iter().filter_map(|file| {
            let rest = &file.points[shown_points(file)..];
            (!rest.is_empty()).then(|| RestOfFile {
                path: shown_path(file),
                focus_points: rest.to_vec(),
            })
        });
        Rest {
            pr: self.pr.clone(),
            head_sha: self.pull.head_short().to_owned(),
            fetched_at: self.fetched_at,
            untrusted: [
                "questions",
                "files",
                "metadata",
                "context",
                "warnings[].reason",
            ],
            frame: frame::rest(&self.subject(looked, context), halved),
            files: with_more.collect(),
            warnings: told(&context.warnings).1,
        }
    }

    /// A page of it.
    fn rest_page(
        self,
        looked: &[Looked],
        context: &Context,
        position: overflow::Position,
    ) -> Result<(ReviewSuggestions, String), ApiError> {
        let rest = self.rest(looked, context, position.level());
        let call = rest_call(&self.pr, self.query, &self.pull.head.sha);
        let page = overflow::rest_page(&call, &rest, &rest_rules(), position);
        let page = page.map_err(|error| match context.warnings.first() {
            // What could not be read this time looks as if it were gone.
            Some(Warning { source, reason, .. }) if error.code == head_cursor::HEAD_MOVED => {
                head_cursor::head_moved(&format!(
                    "{source} cannot be read ({reason}), or what this cursor goes on with has changed"
                ))
            }
            _ => error,
        })?;
        let answer = ReviewSuggestions {
            page: Some(page),
            ..self.empty()
        };
        Ok((answer, String::new()))
    }

    /// An answer without files.
    fn empty(self) -> ReviewSuggestions {
        ReviewSuggestions {
            head_sha: self.pull.head_short().to_owned(),
            fetched_at: self.fetched_at,
            first: None,
            files: Vec::new(),
            omitted: Omitted::default(),
            untrusted: UNTRUSTED,
            warnings: self.lasting,
            next_cursor: None,
            page: None,
            pr: self.pr,
        }
    }

    fn page(
        self,
        looked: &[Looked],
        context: &Context,
        position: Position,
    ) -> Result<(ReviewSuggestions, String), ApiError> {
        let Self { pull, query, .. } = self;
        let list = list_name(looked);
        let (mut rest, mut of_first) = (position.rest, (None, Vec::new()));
        if position.is_first() {
            let (first, halved) = frame::first_page(&self.subject(looked, context));
            let of_rest = self.rest(looked, context, halved);
            rest = overflow::rest_position(&of_rest, &rest_rules(), halved)?;
            of_first = (Some(first), told(&context.warnings).0);
        } else if position.list != list {
            return Err(head_cursor::head_moved(
                "the list of changed files has changed",
            ));
        }
        let plain = self.empty();
        let (first, warnings) = of_first;
        let mut answer = ReviewSuggestions {
            first,
            warnings: [warnings, plain.warnings.clone()].concat(),
            ..plain.clone()
        };
        let around = around(&answer)?;
        let (end, listed) = window(looked, position, query.include_diff, around)?;
        let files = &looked[position.start..end];
        let is_new = position.round == 0;
        let first_bytes = match is_new {
            true => limits::ANSWER_BYTES_MAX.saturating_sub(around + bytes(&listed)?),
            false => position.first_bytes,
        };
        let portion = match query.include_diff {
            true => {
                // The later pages of a window have a record without files to begin with, and no
                // first page's words and warnings: as large whenever it is asked for.
                let plain = ReviewSuggestions {
                    fetched_at: Timestamp::MAX,
                    ..plain
                };
                let room = limits::ANSWER_BYTES_MAX.saturating_sub(self::around(&plain)?);
                Some(Portion::of(
                    files,
                    position.round,
                    query,
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
                list,
                rest,
                ..position
            }),
            () if end < looked.len() => Some(Position {
                start: end,
                list,
                rest,
                ..Position::default()
            }),
            () => None,
        };
        let head = &pull.head.sha;
        answer.next_cursor = match next {
            Some(next) => Some(next.make(&files_call(&answer.pr, query, head))),
            None => rest.map(|rest| rest.make(&rest_call(&answer.pr, query, head))),
        };
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
