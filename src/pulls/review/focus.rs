//! What a reviewer may want to look at.

use serde::Serialize;

use crate::domain::ApiError;

/// What a point or a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Focus {
    /// Secrets, injection, unsafe code.
    Security,
    /// Slow calls.
    Performance,
    /// Failures that are not dealt with, and output for debugging.
    Errors,
    /// Tests that are missing, disabled or weaker.
    Tests,
    /// What others call.
    Api,
    /// Threads and waiting.
    Concurrency,
    /// Workflows.
    Ci,
    /// Dependencies.
    Deps,
    /// Documentation, and what is left to do.
    Docs,
}

const NAMES: [(&str, Focus); 9] = [
    ("security", Focus::Security),
    ("performance", Focus::Performance),
    ("errors", Focus::Errors),
    ("tests", Focus::Tests),
    ("api", Focus::Api),
    ("concurrency", Focus::Concurrency),
    ("ci", Focus::Ci),
    ("deps", Focus::Deps),
    ("docs", Focus::Docs),
];

impl Focus {
    /// Reads the name of an area of focus.
    ///
    /// # Errors
    /// `invalid_argument` with the names.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        let known = NAMES.iter().find(|(name, _)| *name == given);
        known.map(|(_, focus)| *focus).ok_or_else(|| {
            ApiError::invalid(
                format!("focus_areas are {}", NAMES.map(|(name, _)| name).join(", ")),
                "leave it out for all of them",
            )
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(_, focus)| *focus == self);
        known.map_or("", |(name, _)| name)
    }
}
