//! Cursors of answers about one state of a pull request: after a push the same place would mean
//! something else.

use serde::Serialize;

use super::shell::short;
use crate::domain::{ApiError, Category, cursor};

/// The code of an error that says that a cursor is of another state.
pub const HEAD_MOVED: &str = "head_moved";

/// Makes a cursor for a position in an answer about a commit.
pub fn make(tool: &str, filters: &impl Serialize, commit: &str, position: &str) -> String {
    cursor::make(tool, filters, &format!("{}.{position}", short(commit)))
}

/// The position in a cursor.
///
/// # Errors
/// `invalid_argument` for one of another tool or other filters, `head_moved` for one of another
/// commit.
pub fn read<'a>(
    tool: &str,
    filters: &impl Serialize,
    commit: &str,
    given: &'a str,
) -> Result<&'a str, ApiError> {
    let inside = cursor::read(tool, filters, given)?;
    match inside.split_once('.') {
        Some((found, position)) if found == short(commit) => Ok(position),
        Some((found, _)) if !found.is_empty() => Err(head_moved("somebody pushed")),
        _ => Err(damaged()),
    }
}

/// Somebody pushed since a cursor was given.
pub fn head_moved(what: &str) -> ApiError {
    ApiError::new(
        Category::Logical,
        HEAD_MOVED,
        format!("{what} since this cursor was given"),
        "call again without cursor",
    )
}

/// A cursor that is none of ours, although it belongs to the call.
pub fn damaged() -> ApiError {
    ApiError::invalid(
        "this cursor is damaged",
        "give next_cursor exactly as it was answered",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "9f3c1e2a9f3c1e2a9f3c1e2a9f3c1e2a9f3c1e2a";

    #[test]
    fn a_cursor_is_good_for_its_commit_only() {
        let given = make("t", &"f", HEAD, "3.x.4");
        assert_eq!(read("t", &"f", HEAD, &given).unwrap(), "3.x.4");
        let code = |filters: &str, commit: &str, given: &str| {
            read("t", &filters, commit, given).unwrap_err().code
        };
        assert_eq!(code("f", &"0".repeat(40), &given), "head_moved");
        assert_eq!(code("g", HEAD, &given), "invalid_argument");
        for damaged in ["", ".3", "3"] {
            let given = cursor::make("t", &"f", damaged);
            assert_eq!(code("f", HEAD, &given), "invalid_argument", "{damaged}");
        }
    }
}
