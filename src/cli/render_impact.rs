//! What a pull request touches, for people: the risk with its points, areas, reviewers, neighbours.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{Column, bold, table};
use super::render_review::{list, words};

const AREA_COLUMNS: [Column; 6] = [
    ("AREA", "category"),
    ("LANGUAGE", "language"),
    ("FILES", "count"),
    ("+", "additions"),
    ("-", "deletions"),
    ("MOST CHANGED", "files"),
];
const FACTOR_COLUMNS: [Column; 3] = [
    ("POINTS", "points"),
    ("WHY", "code"),
    ("EVIDENCE", "evidence"),
];
const DEPENDENCY_COLUMNS: [Column; 5] = [
    ("DEPENDENCY", "name"),
    ("FROM", "from"),
    ("TO", "to"),
    ("IN", "manifest"),
    ("VULNERABILITIES", "vulnerabilities"),
];
const OVERLAP_COLUMNS: [Column; 6] = [
    ("#", "pr"),
    ("TITLE", "title"),
    ("AUTHOR", "author"),
    ("OVERLAP", "overlap"),
    ("FILES", "paths"),
    ("AGENT", "agent"),
];
const COUNTED: [(&str, &str); 3] = [
    ("more_dependencies", "dependencies"),
    ("more_unowned_files", "unowned files"),
    ("more_overlapping_prs", "overlapping pull requests"),
];

/// The answer of `analyze_pr_impact` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let (changes, risk) = (&record["changes"], &record["risk"]);
    let mut out = format!(
        "{} at {}\n",
        words(&record["pr"]),
        words(&record["head_sha"])
    );
    let _ = writeln!(
        out,
        "{} files, +{} -{}, {} lines of code, {} generated files, {} commits",
        changes["files_changed"],
        changes["additions"],
        changes["deletions"],
        changes["code_lines"],
        changes["generated_files"],
        changes["commits"],
    );
    let level = bold(&words(&risk["level"]), colours);
    let _ = writeln!(out, "risk: {level} ({} points)", risk["score"]);
    if record["breaking_changes_detected"] == true {
        let _ = writeln!(out, "breaking changes are announced");
    }
    let issues: Vec<String> = list(record, "linked_issues").iter().map(words).collect();
    if !issues.is_empty() {
        let _ = writeln!(out, "closes {}", issues.join(", "));
    }
    let lists: [(&[Value], &[Column]); 4] = [
        (list(risk, "factors"), &FACTOR_COLUMNS),
        (list(record, "impact_areas"), &AREA_COLUMNS),
        (list(record, "dependencies"), &DEPENDENCY_COLUMNS),
        (list(record, "overlapping_prs"), &OVERLAP_COLUMNS),
    ];
    for (rows, columns) in lists {
        if !rows.is_empty() {
            out.push('\n');
            table(&mut out, columns, rows, colours);
        }
    }
    let reviewers = list(record, "suggested_reviewers");
    if !reviewers.is_empty() {
        let _ = writeln!(out, "\n{}", bold("could review it:", colours));
    }
    for reviewer in reviewers {
        let (name, reason) = (words(&reviewer["username"]), words(&reviewer["reason"]));
        let _ = writeln!(out, "{name}: {reason}");
    }
    let unowned: Vec<String> = list(record, "unowned_files").iter().map(words).collect();
    if !unowned.is_empty() {
        let _ = writeln!(out, "\nnobody owns {}", unowned.join(", "));
    }
    for (field, what) in COUNTED {
        if record[field].is_number() {
            let _ = writeln!(out, "and {} more {what}", record[field]);
        }
    }
    for warning in list(record, "warnings") {
        let (source, reason) = (words(&warning["source"]), words(&warning["reason"]));
        let _ = writeln!(
            out,
            "warning: {source}: {reason}: {}",
            words(&warning["effect"])
        );
    }
    out
}
