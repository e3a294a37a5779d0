//! The answer of `analyze_pr_impact`.

use jiff::Timestamp;
use serde::Serialize;

use super::dependencies::DependencyChange;
use super::reviewers::Reviewer;
use super::risk::Risk;
use crate::domain::limits;
use crate::pulls::Warning;
use crate::pulls::areas::Area;
use crate::pulls::overlap::OverlappingPull;

/// What a pull request touches.
#[derive(Clone, Debug, Serialize)]
pub struct PullImpact {
    /// `owner/name#number`.
    pub pr: String,
    /// First digits of the head commit.
    pub head_sha: String,
    /// The time of which the answer tells.
    pub fetched_at: Timestamp,
    /// How large it is.
    pub changes: Changes,
    /// What its files are for, the most changed first.
    pub impact_areas: Vec<ImpactArea>,
    /// What makes it risky.
    pub risk: Risk,
    /// Dependencies that it adds, drops or moves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyChange>,
    /// How many more there are.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub more_dependencies: usize,
    /// Where they are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency_source: Option<DependencySource>,
    /// Whether the base branch has a CODEOWNERS file; null is unknown.
    pub has_code_owners: Option<bool>,
    /// Changed files that nobody owns, where there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unowned_files: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub more_unowned_files: usize,
    /// Who could review it; null was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_reviewers: Option<Vec<Reviewer>>,
    /// Other open pull requests that touch the same files; null was not asked or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlapping_prs: Option<Vec<OverlappingPull>>,
    /// How many more there are.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub more_overlapping_prs: usize,
    /// Issues that the merge closes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked_issues: Vec<String>,
    /// Title or commits say that something others use stops working; null is unknown.
    pub breaking_changes_detected: Option<bool>,
    /// Fields with words of others.
    pub untrusted: &'static [&'static str],
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// How large a change is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Files.
    pub files_changed: usize,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// Commits.
    pub commits: u64,
    /// Lines of code, added and removed, without tests and what nobody wrote by hand.
    pub code_lines: u64,
    /// Files that a program wrote, or that are copies: lock files too.
    pub generated_files: usize,
}

/// Files that are for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImpactArea {
    /// What they are for.
    pub category: Area,
    /// Their language, of code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'static str>,
    /// How many there are.
    pub count: usize,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// Those with the most changed lines.
    pub files: Vec<String>,
}

/// Where changes of dependencies are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencySource {
    /// GitHub's dependency graph.
    DependencyGraph,
    /// Changed lines of manifests and lock files: vulnerabilities are unknown.
    ChangedLines,
}

/// Fields with words of others.
pub(super) const UNTRUSTED: &[&str] = &[
    "impact_areas[].files",
    "risk.factors[].evidence",
    "dependencies",
    "unowned_files",
    "overlapping_prs[].title and paths",
];

/// How long the lists may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Files of an area.
    pub files: usize,
    /// Evidence of a factor.
    pub evidence: usize,
    /// Everything else.
    pub others: usize,
}

impl PullImpact {
    /// With lists of these lengths, and shorter ones until the answer is of bearable size.
    pub(super) fn fitted(self, mut lengths: Lengths) -> Self {
        loop {
            let cut = self.clone().cut(lengths);
            let bytes = serde_json::to_string(&cut).map_or(0, |json| json.len());
            if bytes <= limits::ANSWER_BYTES_MAX || lengths.others <= 1 {
                return cut;
            }
            lengths = Lengths {
                files: (lengths.files / 2).max(1),
                evidence: (lengths.evidence / 2).max(1),
                others: lengths.others / 2,
            };
        }
    }

    fn cut(mut self, lengths: Lengths) -> Self {
        for area in &mut self.impact_areas {
            area.files.truncate(lengths.files);
        }
        for factor in &mut self.risk.factors {
            factor.more += factor.evidence.len().saturating_sub(lengths.evidence);
            factor.evidence.truncate(lengths.evidence);
        }
        let most = lengths.others;
        self.more_dependencies += shorten(&mut self.dependencies, most);
        self.more_unowned_files += shorten(&mut self.unowned_files, most);
        if let Some(pulls) = &mut self.overlapping_prs {
            self.more_overlapping_prs += shorten(pulls, most);
            for pull in pulls {
                pull.more_paths += shorten(&mut pull.paths, lengths.files);
                pull.places.truncate(lengths.files);
            }
        }
        if let Some(reviewers) = &mut self.suggested_reviewers {
            reviewers.truncate(most.max(2));
        }
        self.warnings.truncate(most.max(4));
        self
    }
}

/// Cuts a list and says how much of it is gone.
fn shorten<T>(list: &mut Vec<T>, most: usize) -> usize {
    let gone = list.len().saturating_sub(most);
    list.truncate(most);
    gone
}
