//! Where a page begins, and the cursor that says so.

use super::{Looked, ReviewQuery, TOOL};
use crate::domain::{ApiError, cursor, limits};
use crate::pulls::head_cursor::{self, Call};
use crate::pulls::overflow;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the files.
    Files(Position),
    /// In what those pages had no room for.
    Rest(overflow::Position),
}

impl Default for Place {
    fn default() -> Self {
        Self::Files(Position::default())
    }
}

impl Place {
    pub(super) fn read(
        given: &str,
        pr: &str,
        query: &ReviewQuery,
        head: &str,
    ) -> Result<Self, ApiError> {
        let of_rest = rest_call(pr, query, head);
        match of_rest.made(given) {
            true => overflow::Position::read(&of_rest, given).map(Self::Rest),
            false => Position::read(&files_call(pr, query, head), given).map(Self::Files),
        }
    }

    /// Whether the page tells what surrounds the pull request.
    pub(super) fn tells_context(self) -> bool {
        match self {
            Self::Files(position) => position.is_first(),
            Self::Rest(_) => true,
        }
    }
}

pub(super) fn files_call(pr: &str, query: &ReviewQuery, head: &str) -> Call {
    Call::new(TOOL, &(pr, query), head)
}

pub(super) fn rest_call(pr: &str, query: &ReviewQuery, head: &str) -> Call {
    Call::of_rest(TOOL, &(pr, query), head)
}

/// Where a page with files begins: a window of them, and how often the diff of that window was continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) start: usize,
    /// End of the window; 0 while it is not known how many fit.
    pub(super) end: usize,
    pub(super) round: usize,
    /// Bytes that the first page of the window had for the diff: what it showed follows from them.
    pub(super) first_bytes: usize,
    /// Names the list of files in which this is a place.
    pub(super) list: u32,
    /// Where what the pages with files have no room for begins, as the first page found it; none
    /// where nothing is left.
    pub(super) rest: Option<overflow::Position>,
}

impl Position {
    pub(super) fn is_first(self) -> bool {
        self == Self::default()
    }

    fn read(call: &Call, given: &str) -> Result<Self, ApiError> {
        let position = call.read(given)?;
        let is_ours = |position: &Self| {
            (position.end != 0) == (position.round != 0)
                && position.first_bytes <= limits::ANSWER_BYTES_MAX
        };
        let position = Self::of_text(position).filter(is_ours);
        position.ok_or_else(head_cursor::damaged)
    }

    fn of_text(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, '.').collect();
        let [start, end, round, first_bytes, list, rest] = *parts else {
            return None;
        };
        Some(Self {
            start: start.parse().ok()?,
            end: end.parse().ok()?,
            round: round.parse().ok()?,
            first_bytes: first_bytes.parse().ok()?,
            list: u32::from_str_radix(list, 16).ok()?,
            rest: match rest {
                "" => None,
                given => Some(overflow::Position::of_text(given)?),
            },
        })
    }

    pub(super) fn make(self, call: &Call) -> String {
        let Self {
            start,
            end,
            round,
            first_bytes,
            list,
            rest,
        } = self;
        let rest = rest.map_or_else(String::new, overflow::Position::text);
        call.make(&format!(
            "{start}.{end}.{round}.{first_bytes}.{list:08x}.{rest}"
        ))
    }
}

/// Names a list of files. A pull request that gets another base has another one at the same head.
pub(super) fn list_name(looked: &[Looked]) -> u32 {
    let files = looked.iter().map(|Looked { file, .. }| {
        let bytes = file.patch.as_ref().map(String::len);
        let lines = (file.additions, file.deletions);
        (&file.filename, file.status, lines, bytes)
    });
    cursor::fingerprint(TOOL, &files.collect::<Vec<_>>())
}
