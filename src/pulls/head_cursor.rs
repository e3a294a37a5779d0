//! Cursors of answers about one state of a pull request: after a push the same place would mean
//! something else.

use serde::Serialize;

use super::shell::short;
use crate::domain::{ApiError, Category, cursor};

/// The code of an error that says that a cursor is of another state.
pub const HEAD_MOVED: &str = "head_moved";

/// What is asked: the tool, and what its cursors are bound to.
#[derive(Clone, Debug)]
pub struct Call {
    tool: &'static str,
    filters: String,
    head: String,
}

impl Call {
    /// A call of a tool; `filters` are all arguments that decide what is in the answer, `head` is
    /// the whole name of the head commit.
    pub fn new(tool: &'static str, filters: &impl Serialize, head: &str) -> Self {
        Self {
            tool,
            // These types have no value that JSON cannot hold.
            filters: serde_json::to_string(filters).unwrap_or_default(),
            head: head.to_owned(),
        }
    }

    /// The same for pages that come after the tool's own: no cursor of the one kind is taken for one
    /// of the other.
    pub fn of_rest(tool: &'static str, filters: &impl Serialize, head: &str) -> Self {
        Self::new(tool, &("rest", filters), head)
    }

    /// Makes a cursor for a position in the answer.
    pub fn make(&self, position: &str) -> String {
        let inside = format!("{}.{position}", short(&self.head));
        cursor::make(self.tool, &self.filters, &inside)
    }

    /// The position in a cursor.
    ///
    /// # Errors
    /// `invalid_argument` for one of another tool or other filters, `head_moved` for one of another
    /// commit.
    pub fn read<'a>(&self, given: &'a str) -> Result<&'a str, ApiError> {
        let inside = cursor::read(self.tool, &self.filters, given)?;
        match inside.split_once('.') {
            Some((found, position)) if found == short(&self.head) => Ok(position),
            Some((found, _)) if !found.is_empty() => Err(head_moved("somebody pushed")),
            _ => Err(damaged()),
        }
    }

    /// Refuses a cursor that was made for another call. That needs no look at the head.
    ///
    /// # Errors
    /// `invalid_argument` for one of another tool or other filters.
    pub fn check(&self, given: &str) -> Result<(), ApiError> {
        cursor::read(self.tool, &self.filters, given).map(drop)
    }

    /// Whether a cursor was made for this call, be it of another head.
    pub fn made(&self, given: &str) -> bool {
        self.check(given).is_ok()
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
        let call = |filters: &str, commit: &str| Call::new("t", &filters, commit);
        let own = call("f", HEAD);
        let given = own.make("3.x.4");
        assert_eq!(own.read(&given).unwrap(), "3.x.4");
        let code = |asked: &Call, given: &str| asked.read(given).unwrap_err().code;
        assert_eq!(code(&call("f", &"0".repeat(40)), &given), "head_moved");
        assert_eq!(code(&call("g", HEAD), &given), "invalid_argument");
        for damaged in ["", ".3", "3"] {
            let given = cursor::make("t", &own.filters, damaged);
            assert_eq!(code(&own, &given), "invalid_argument", "{damaged}");
        }
    }
}
