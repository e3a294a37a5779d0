//! What a pull request touches, for people: the risk with its points, areas, reviewers, neighbours.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{Column, bold, next_page, table, warnings};
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
const COUNTED: [(&str, &str); 4] = [
    ("more_impact_areas", "areas"),
    ("more_dependencies", "dependencies"),
    ("more_unowned_files", "unowned files"),
    ("more_overlapping_prs", "overlapping pull requests"),
];

/// The answer of `analyze_pr_impact` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let mut out = format!(
        "{} at {}\n",
        words(&record["pr"]),
        words(&record["head_sha"])
    );
    match record["changes"].is_object() {
        true => {
            sums(&mut out, record, colours);
            lists(&mut out, record, colours);
        }
        false => further_page(&mut out, record, colours),
    }
    warnings(&mut out, record);
    next_page(&mut out, record);
    out
}

/// What is said once: how large it is, and how risky.
fn sums(out: &mut String, record: &Value, colours: bool) {
    let (changes, risk) = (&record["changes"], &record["risk"]);
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
}

/// What the page before had no room for: nothing of it is cut to the width of a table.
fn further_page(out: &mut String, record: &Value, colours: bool) {
    let lists = [
        ("risk", list(&record["risk"], "factors")),
        ("area", list(record, "impact_areas")),
        ("dependency", list(record, "dependencies")),
        ("nobody owns", list(record, "unowned_files")),
        ("overlapping", list(record, "overlapping_prs")),
        ("could review it", list(record, "suggested_reviewers")),
        ("closes", list(record, "linked_issues")),
    ];
    for (what, entries) in lists {
        for entry in entries {
            let _ = writeln!(
                out,
                "{} {}",
                bold(&format!("{what}:"), colours),
                said(entry)
            );
        }
    }
}

/// All that an entry says, in its order.
fn said(value: &Value) -> String {
    match value {
        Value::String(_) => words(value),
        Value::Array(all) => all.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| match value {
                Value::Array(_) | Value::Object(_) | Value::Number(_) | Value::Bool(_) => {
                    format!("{name} {}", said(value))
                }
                _ => said(value),
            });
            fields.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn lists(out: &mut String, record: &Value, colours: bool) {
    let issues: Vec<String> = list(record, "linked_issues").iter().map(words).collect();
    if !issues.is_empty() {
        let _ = writeln!(out, "closes {}", issues.join(", "));
    }
    let lists: [(&[Value], &[Column]); 4] = [
        (list(&record["risk"], "factors"), &FACTOR_COLUMNS),
        (list(record, "impact_areas"), &AREA_COLUMNS),
        (list(record, "dependencies"), &DEPENDENCY_COLUMNS),
        (list(record, "overlapping_prs"), &OVERLAP_COLUMNS),
    ];
    for (rows, columns) in lists {
        if !rows.is_empty() {
            out.push('\n');
            table(out, columns, rows, colours);
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
}
