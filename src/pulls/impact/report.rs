//! The answer of `analyze_pr_impact`.

use jiff::Timestamp;
use serde::Serialize;

use super::dependencies::DependencyChange;
use super::reviewers::Reviewer;
use super::risk::Risk;
use crate::pulls::Warning;
use crate::pulls::areas::Area;
use crate::pulls::overflow::{Rule, Said};
use crate::pulls::overlap::{OverlappingPull, PATHS_TOLD_MAX, PLACES_TOLD_MAX};

/// What a pull request touches: everything, before it is cut into pages.
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
    /// Where they are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency_source: Option<DependencySource>,
    /// Whether the base branch has a CODEOWNERS file; null is unknown.
    pub has_code_owners: Option<bool>,
    /// Changed files that nobody owns, where there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unowned_files: Vec<String>,
    /// Who could review it; null was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_reviewers: Option<Vec<Reviewer>>,
    /// Other open pull requests that touch the same files; null was not asked or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlapping_prs: Option<Vec<OverlappingPull>>,
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

/// How long the lists of the first page may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Files of an area, and of another pull request.
    pub files: usize,
    /// Evidence of a factor.
    pub evidence: usize,
    /// Everything else.
    pub others: usize,
}

/// How often the lengths are halved before the answer fits: nothing is left of them in the end.
const HALVES: usize = 6;
/// Most vulnerabilities of a dependency that the first page names.
const VULNERABILITIES_MAX: usize = 5;

impl Lengths {
    /// The rules by which the first page is cut, each cutting more than the one before.
    pub fn levels(self) -> Vec<Vec<Rule>> {
        (0..=HALVES).map(|level| self.rules(level)).collect()
    }

    fn rules(self, level: usize) -> Vec<Rule> {
        let halved = |length: usize, least: usize| match level < HALVES {
            true => (length >> level).max(least),
            false => 0,
        };
        let (files, evidence) = (halved(self.files, 1), halved(self.evidence, 1));
        let others = halved(self.others, 0);
        // These are short, but for what nobody would expect.
        let areas = [usize::MAX, usize::MAX, 24, 12, 8, 6, 4][level.min(HALVES)];
        const AREAS: &[&str] = &["impact_areas"];
        const FACTORS: &[&str] = &["risk", "factors"];
        const DEPENDENCIES: &[&str] = &["dependencies"];
        const PULLS: &[&str] = &["overlapping_prs"];
        vec![
            Rule::within(
                FACTORS,
                "evidence",
                &["code"],
                evidence,
                Said::Count("more"),
            ),
            Rule::of(AREAS, areas, Said::Count("more_impact_areas")),
            Rule::within(
                AREAS,
                "files",
                &["category", "language"],
                files,
                Said::Nothing,
            ),
            Rule::of(DEPENDENCIES, others, Said::Count("more_dependencies")),
            Rule::within(
                DEPENDENCIES,
                "vulnerabilities",
                &["name", "manifest", "from", "to"],
                VULNERABILITIES_MAX >> level.min(2),
                Said::Count("more_vulnerabilities"),
            ),
            Rule::of(
                &["unowned_files"],
                others,
                Said::Count("more_unowned_files"),
            ),
            Rule::of(PULLS, others, Said::Count("more_overlapping_prs")),
            Rule::within(
                PULLS,
                "paths",
                &["pr"],
                files.min(PATHS_TOLD_MAX),
                Said::Count("more_paths"),
            ),
            Rule::within(
                PULLS,
                "places",
                &["pr"],
                files.min(PLACES_TOLD_MAX),
                Said::Count("more_places"),
            ),
            Rule::of(&["suggested_reviewers"], others.max(2), Said::Nothing),
            Rule::of(&["linked_issues"], (10 >> level).max(1), Said::Nothing),
            Rule::of(&["warnings"], others.max(4), Said::Nothing),
        ]
    }
}
