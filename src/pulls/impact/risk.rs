//! The risk of a change as a sum of facts: one table of weights, every point with its evidence. It
//! says where to look, not whether the change is good.

use std::collections::BTreeSet;

use serde::Serialize;

use super::dependencies::DependencyChange;
use crate::domain::text;
use crate::pulls::areas::{self, Area};
use crate::pulls::files::{ChangedFile, FileStatus};
use crate::pulls::public_api::removed_names;
use crate::pulls::review::{FocusPoint, focus_points};

/// Lines of code for one point of size, and the most points that size makes.
const LINES_PER_POINT: u64 = 50;
const SIZE_POINTS_MAX: u64 = 25;
/// Folders for one point of spread, and the most points that spread makes.
const FOLDERS_PER_POINT: usize = 4;
const SPREAD_POINTS_MAX: u64 = 10;
/// Points of facts that are there or not.
const WEIGHTS: [(&str, u64); 12] = [
    ("workflows_changed", 15),
    ("workflow_rights", 15),
    ("migration", 15),
    ("deleted_tests", 15),
    ("secrets_path", 15),
    ("secret_in_diff", 25),
    ("vulnerable_dependency", 25),
    ("dependency_added_or_major", 10),
    ("code_without_tests", 10),
    ("public_api_removed", 10),
    ("unowned_files", 5),
    ("config_changed", 5),
];
/// Where each level begins.
const LEVELS: [(u64, Level); 4] = [
    (75, Level::Critical),
    (50, Level::High),
    (25, Level::Medium),
    (0, Level::Low),
];
/// Longest piece of evidence, in bytes.
const EVIDENCE_BYTES_MAX: usize = 160;

/// How much there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Less than 25 points.
    Low,
    /// From 25.
    Medium,
    /// From 50.
    High,
    /// From 75.
    Critical,
}

/// The risk of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// By the score.
    pub level: Level,
    /// The sum of the points.
    pub score: u64,
    /// What makes them, the most points first.
    pub factors: Vec<Factor>,
}

/// A fact that makes points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Factor {
    /// What it is.
    pub code: &'static str,
    /// Its points.
    pub points: u64,
    /// Files, lines or names that show it.
    pub evidence: Vec<String>,
}

/// Lines of code that are written by hand, tests left out.
pub(super) fn code_lines(files: &[ChangedFile]) -> u64 {
    let code = files
        .iter()
        .filter(|file| Area::of(&file.filename).is_code());
    code.map(|file| file.additions.saturating_add(file.deletions))
        .sum()
}

/// The risk of a change. `unowned` are the files that nobody owns, where there are owners.
pub(super) fn assess(
    files: &[ChangedFile],
    unowned: &[&str],
    dependencies: &[DependencyChange],
) -> Risk {
    let mut factors = Vec::new();
    let lines = code_lines(files);
    let size = (lines / LINES_PER_POINT).min(SIZE_POINTS_MAX);
    factors.push(factor(
        "size",
        size,
        vec![format!("{lines} changed lines of code")],
    ));
    let folders: BTreeSet<&str> = files
        .iter()
        .map(|file| {
            file.filename
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder)
        })
        .collect();
    let spread = u64::try_from(folders.len() / FOLDERS_PER_POINT).unwrap_or(SPREAD_POINTS_MAX);
    let words = format!("{} folders", folders.len());
    factors.push(factor("spread", spread.min(SPREAD_POINTS_MAX), vec![words]));
    let points: Vec<(&ChangedFile, Vec<FocusPoint>)> = files
        .iter()
        .map(|file| (file, focus_points(file)))
        .collect();
    for (code, weight) in WEIGHTS {
        let evidence = evidence(code, files, &points, unowned, dependencies);
        if !evidence.is_empty() {
            factors.push(factor(code, weight, evidence));
        }
    }
    factors.retain(|factor| factor.points > 0);
    factors.sort_by_key(|factor| std::cmp::Reverse(factor.points));
    let score = factors.iter().map(|factor| factor.points).sum();
    let level = LEVELS.iter().find(|(from, _)| score >= *from);
    Risk {
        level: level.map_or(Level::Low, |(_, level)| *level),
        score,
        factors,
    }
}

fn factor(code: &'static str, points: u64, mut evidence: Vec<String>) -> Factor {
    for words in &mut evidence {
        *words = text::one_line(text::cut(words, EVIDENCE_BYTES_MAX).0);
    }
    Factor {
        code,
        points,
        evidence,
    }
}

/// What shows a fact; nothing when it is not so.
fn evidence(
    code: &str,
    files: &[ChangedFile],
    points: &[(&ChangedFile, Vec<FocusPoint>)],
    unowned: &[&str],
    dependencies: &[DependencyChange],
) -> Vec<String> {
    let paths = |wanted: &dyn Fn(&ChangedFile) -> bool| -> Vec<String> {
        let found = files.iter().filter(|file| wanted(file));
        found.map(|file| file.filename.clone()).collect()
    };
    let of_area = |area: Area| paths(&move |file| Area::of(&file.filename) == area);
    let lines = |codes: &[&str]| -> Vec<String> {
        let found = points.iter().flat_map(|(file, points)| {
            let points = points.iter().filter(|point| codes.contains(&point.code));
            points.map(|point| format!("{}:{}", file.filename, point.line))
        });
        found.collect()
    };
    let changed = |wanted: &dyn Fn(&DependencyChange) -> bool| -> Vec<String> {
        let found = dependencies.iter().filter(|change| wanted(change));
        found.map(words_of).collect()
    };
    match code {
        "workflows_changed" => of_area(Area::Ci),
        "workflow_rights" => lines(&["pull_request_target", "workflow_may_write"]),
        "migration" => of_area(Area::Migrations),
        "deleted_tests" => paths(&|file| {
            Area::of(&file.filename) == Area::Tests && file.status == FileStatus::Removed
        }),
        "secrets_path" => paths(&|file| areas::holds_secrets(&file.filename)),
        "secret_in_diff" => lines(&["secret"]),
        "vulnerable_dependency" => changed(&|change| {
            let known = change.vulnerabilities.as_ref();
            known.is_some_and(|known| !known.is_empty())
        }),
        "dependency_added_or_major" => changed(&|change| change.is_new() || change.is_major()),
        "code_without_tests" => untested(files),
        "public_api_removed" => {
            let gone = removed_names(files).into_iter();
            gone.map(|gone| format!("{} ({}:{}, before)", gone.name, gone.path, gone.line))
                .collect()
        }
        "unowned_files" => unowned.iter().map(|path| (*path).to_owned()).collect(),
        "config_changed" => of_area(Area::Config),
        _ => Vec::new(),
    }
}

fn words_of(change: &DependencyChange) -> String {
    let from = change.from.as_deref().unwrap_or("new");
    let to = change.to.as_deref().unwrap_or("gone");
    format!("{} {from} -> {to}", change.name)
}

/// Files of code that grew, where no test did.
fn untested(files: &[ChangedFile]) -> Vec<String> {
    let has_tests = |file: &ChangedFile| {
        let is_test = Area::of(&file.filename) == Area::Tests && file.status != FileStatus::Removed;
        is_test || file.adds_inline_tests()
    };
    if files.iter().any(has_tests) {
        return Vec::new();
    }
    let grew = files.iter().filter(|file| {
        let path = &file.filename;
        file.additions > 0 && Area::of(path).is_code() && areas::language(path).is_some()
    });
    grew.map(|file| file.filename.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, status: FileStatus, additions: u64, patch: &str) -> ChangedFile {
        ChangedFile {
            filename: path.to_owned(),
            status,
            previous_filename: None,
            additions,
            deletions: 0,
            patch: Some(patch.to_owned()),
        }
    }

    /// The factors of a change of these files.
    fn factors(files: &[ChangedFile]) -> Vec<(&'static str, u64)> {
        let risk = assess(files, &[], &[]);
        assert_eq!(
            risk.score,
            risk.factors.iter().map(|factor| factor.points).sum::<u64>()
        );
        assert!(
            risk.factors
                .iter()
                .all(|factor| !factor.evidence.is_empty())
        );
        risk.factors
            .iter()
            .map(|factor| (factor.code, factor.points))
            .collect()
    }

    #[test]
    fn each_fact_has_its_points() {
        use FileStatus::*;
        let secret = ["ghp_", &"a1".repeat(18)].concat();
        let test = || file("tests/a.rs", Modified, 1, "");
        type Case = (Vec<ChangedFile>, &'static [(&'static str, u64)]);
        let table: Vec<Case> = vec![
            (vec![file("README.md", Modified, 900, "")], &[]),
            (vec![file("Cargo.lock", Modified, 900, "")], &[]),
            (
                vec![file("src/a.rs", Modified, 120, ""), test()],
                &[("size", 2)],
            ),
            (
                vec![file("src/a.rs", Modified, 9_000, ""), test()],
                &[("size", 25)],
            ),
            (
                vec![file("src/a.rs", Modified, 10, "")],
                &[("code_without_tests", 10)],
            ),
            (
                vec![file("src/a.rs", Modified, 10, "@@ -1 +1 @@\n+    #[test]")],
                &[],
            ),
            (
                vec![file(
                    ".github/workflows/a.yml",
                    Modified,
                    1,
                    "@@ -1 +1 @@\n+  contents: write",
                )],
                &[("workflows_changed", 15), ("workflow_rights", 15)],
            ),
            (
                vec![file("migrations/1.sql", Added, 1, ""), test()],
                &[("migration", 15)],
            ),
            (
                vec![file("tests/a.rs", Removed, 0, "")],
                &[("deleted_tests", 15)],
            ),
            (vec![file(".env", Modified, 1, "")], &[("secrets_path", 15)]),
            (
                vec![file(
                    "README.md",
                    Modified,
                    1,
                    &format!("@@ -1 +1 @@\n+{secret}"),
                )],
                &[("secret_in_diff", 25)],
            ),
            (
                vec![file(
                    "src/a.rs",
                    Modified,
                    0,
                    "@@ -1 +0,0 @@\n-pub fn gone() {}",
                )],
                &[("public_api_removed", 10)],
            ),
            (
                vec![file("config/a.yaml", Modified, 1, "")],
                &[("config_changed", 5)],
            ),
            (
                (0..9)
                    .map(|number| file(&format!("docs/{number}/a.md"), Modified, 1, ""))
                    .collect(),
                &[("spread", 2)],
            ),
        ];
        for (files, expected) in table {
            assert_eq!(factors(&files), expected, "{}", files[0].filename);
        }
    }

    #[test]
    fn levels_begin_where_they_are_said_to() {
        let change = |vulnerabilities| DependencyChange {
            name: "a".to_owned(),
            from: Some("1.0.0".to_owned()),
            to: Some("2.0.0".to_owned()),
            manifest: "Cargo.lock".to_owned(),
            vulnerabilities,
        };
        let bad = change(Some(vec!["high GHSA-1".to_owned()]));
        let risk = assess(&[], &["a.rs"], &[bad]);
        assert_eq!((risk.score, risk.level), (40, Level::Medium));
        assert_eq!(risk.factors[0].evidence, ["a 1.0.0 -> 2.0.0"]);
        let risk = assess(&[], &[], &[change(None)]);
        assert_eq!((risk.score, risk.level), (10, Level::Low));
        for (score, level) in [
            (24, Level::Low),
            (25, Level::Medium),
            (50, Level::High),
            (75, Level::Critical),
            (140, Level::Critical),
        ] {
            let found = LEVELS.iter().find(|(from, _)| score >= *from);
            assert_eq!(found.map(|(_, level)| *level), Some(level));
        }
    }
}
