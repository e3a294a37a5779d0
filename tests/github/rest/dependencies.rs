//! `GET dependency-graph/compare/{base}...{head}`.

use serde_json::{Value, json};

use super::Reply;

/// What changed between two commits: the whole list at once, as GitHub documents no pages.
pub(super) fn compare(changes: Option<&[Value]>, range: &str) -> Reply {
    if !range.contains("...") {
        return Reply::message(404, "Not Found");
    }
    match changes {
        Some(changes) => Reply::json(200, |json| json.raw(json!(changes))),
        None => Reply::message(
            403,
            "Dependency review is not supported on this repository.",
        ),
    }
}
