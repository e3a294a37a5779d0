//! The answer of `get_review_suggestions`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::detectors::FocusPoint;
use crate::domain::ApiError;
use crate::pulls::Warning;
use crate::pulls::areas::Area;
use crate::pulls::files::FileStatus;
use crate::pulls::overflow::{Rule, Said};

/// What to look at in a pull request.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewSuggestions {
    /// `owner/name#number`.
    pub pr: String,
    /// First digits of the head commit.
    pub head_sha: String,
    /// The time of which the answer tells.
    pub fetched_at: Timestamp,
    /// What the whole is about; on the first page only.
    #[serde(flatten)]
    pub first: Option<FirstPage>,
    /// The files of this page, what matters most first.
    pub files: Vec<ReviewedFile>,
    /// What comes on further pages.
    #[serde(skip_serializing_if = "Omitted::is_nothing")]
    pub omitted: Omitted,
    /// Fields with words of others.
    pub untrusted: &'static [&'static str],
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What is told in place of all this, on a page of what had no room before.
    #[serde(skip)]
    pub(super) page: Option<Box<RawValue>>,
}

impl ReviewSuggestions {
    /// The page that was asked for, as compact JSON.
    ///
    /// # Errors
    /// Only a bug.
    pub fn page(&self) -> Result<Box<RawValue>, ApiError> {
        if let Some(page) = &self.page {
            return Ok(page.clone());
        }
        let page = serde_json::value::to_raw_value(self);
        page.map_err(|error| ApiError::internal(error.to_string()))
    }
}

/// What the pages with files had no room for: points of files, and the rest of the first page.
#[derive(Debug, Serialize)]
pub(super) struct Rest {
    pub pr: String,
    pub head_sha: String,
    pub fetched_at: Timestamp,
    pub untrusted: [&'static str; 5],
    #[serde(flatten)]
    pub frame: RestOfFrame,
    pub files: Vec<RestOfFile>,
    pub warnings: Vec<Warning>,
}

/// What the first page had no room for.
#[derive(Debug, Serialize)]
pub(super) struct RestOfFrame {
    pub metadata: RestOfMetadata,
    pub context: RestOfContext,
    /// Each by itself, with what it is about.
    pub questions: Vec<Question>,
}

#[derive(Debug, Serialize)]
pub(super) struct RestOfMetadata {
    pub labels: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct RestOfContext {
    pub related_issues: Vec<RelatedIssue>,
    pub mentioned: Vec<String>,
}

/// A question of the checklist by itself.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    pub category: &'static str,
    #[serde(flatten)]
    pub item: Item,
}

/// The points of a file that its entry had no room for.
#[derive(Debug, Serialize)]
pub(super) struct RestOfFile {
    pub path: String,
    pub focus_points: Vec<FocusPoint>,
}

/// The lists of [`Rest`].
pub(super) fn rest_rules() -> [Rule; 9] {
    const ISSUES: &[&str] = &["context", "related_issues"];
    const QUESTIONS: &[&str] = &["questions"];
    const FILES: &[&str] = &["files"];
    let within = |list, name, key| Rule::within(list, name, key, 0, Said::Nothing);
    [
        Rule::of(QUESTIONS, 0, Said::Nothing),
        within(QUESTIONS, "evidence", &["category", "question"]),
        Rule::of(FILES, 0, Said::Nothing),
        within(FILES, "focus_points", &["path"]),
        Rule::of(ISSUES, 0, Said::Nothing),
        within(ISSUES, "acceptance", &["issue"]),
        Rule::of(&["context", "mentioned"], 0, Said::Nothing),
        Rule::of(&["metadata", "labels"], 0, Said::Nothing),
        Rule::of(&["warnings"], 0, Said::Nothing),
    ]
}

/// What is said once.
#[derive(Clone, Debug, Serialize)]
pub struct FirstPage {
    /// The pull request itself.
    pub metadata: Metadata,
    /// What surrounds it.
    pub context: Surroundings,
    /// Sums over the files that were asked for.
    pub totals: Totals,
    /// Questions that the change itself asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub review_checklist: Vec<Section>,
}

/// The pull request itself.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata {
    /// Title.
    pub title: String,
    /// Login of the author.
    pub author: String,
    /// `open` or `closed`, where that is not `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it is a draft.
    pub draft: bool,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_labels: usize,
    /// The beginning of its description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What surrounds the change.
#[derive(Clone, Debug, Serialize)]
pub struct Surroundings {
    /// Issues that the merge closes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_issues: Vec<RelatedIssue>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_related_issues: usize,
    /// Other issues and pull requests that the description names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentioned: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_mentioned: usize,
    /// Title or commits say that something others use stops working; null is unknown.
    pub breaking_changes_detected: Option<bool>,
    /// What CI says of the head: `success`, `failure`, `error`, `pending` or `expected`; null is
    /// unknown or nothing.
    pub ci: Option<String>,
    /// Conversations that are not resolved; null is unknown.
    pub unresolved_threads: Option<usize>,
}

/// An issue that the merge closes.
#[derive(Clone, Debug, Serialize)]
pub struct RelatedIssue {
    /// `owner/name#number`.
    pub issue: String,
    /// Title.
    pub title: String,
    /// Lines of its task lists, as `[ ] ids are bound`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// Sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files.
    pub files: usize,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// Points in all files.
    pub focus_points: usize,
}

/// Questions of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What they are about: an area of focus, `acceptance`, `description`, `conversations`.
    pub category: &'static str,
    /// The questions.
    pub items: Vec<Item>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What is to be answered.
    pub question: String,
    /// Where to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<String>,
    /// What makes the question: `path`, `path:line`, an issue or a commit.
    pub evidence: Vec<String>,
    /// How much more of it there is.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// A file of the page.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewedFile {
    /// Path in the head commit.
    pub path: String,
    /// What happened to it.
    pub status: FileStatus,
    /// What it is for.
    pub area: Area,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// How much of its diff this page shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Lines to look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub focus_points: Vec<FocusPoint>,
    /// How many more points there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_points: usize,
}

/// What comes on further pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Files that were not listed yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub files: usize,
    /// Hunks of the listed files that were not shown yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub hunks: usize,
    /// Their lines.
    #[serde(skip_serializing_if = "is_zero")]
    pub diff_lines: usize,
}

impl Omitted {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Fields with words of others.
pub(super) const UNTRUSTED: &[&str] = &[
    "diff",
    "metadata",
    "context.related_issues",
    "files[].path",
    "files[].focus_points[].text",
    "review_checklist[].items",
];
