//! Merge conflicts for people: each place as both sides have it, then what to run.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{FURTHER_PAGE, bold, next_page, warnings};
use crate::domain::text;

/// The answer of `detect_merge_conflicts` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let is_first = record["total_conflicts"].is_number();
    let verdict = match record["has_conflicts"].as_bool() {
        _ if !is_first => FURTHER_PAGE.to_owned(),
        Some(true) => format!("conflicts in {} files", record["total_conflicts"]),
        Some(false) => "no conflicts".to_owned(),
        None => "not known whether it conflicts".to_owned(),
    };
    let into = match is_first {
        true => format!(" into {}", words(&record["target"])),
        false => String::new(),
    };
    let mut out = format!(
        "{} at {}{into}: {}\n",
        words(&record["pr"]),
        words(&record["head_sha"]),
        bold(&verdict, colours)
    );
    if record["unlocated"] == true {
        let _ = writeln!(out, "GitHub says that it conflicts; no place was found");
    }
    for note in ["disagreement", "ci_note"] {
        if record[note].is_string() {
            let _ = writeln!(out, "{}", words(&record[note]));
        }
    }
    for conflict in list(&record["conflicts"]) {
        conflict_lines(&mut out, conflict, colours);
    }
    for (title, field) in [
        ("both changed, and it merges", "clean_overlaps"),
        ("not looked into", "undecided"),
    ] {
        let names: Vec<String> = list(&record[field]).iter().map(words).collect();
        if !names.is_empty() {
            let _ = writeln!(out, "\n{title}: {}", names.join(", "));
        }
    }
    for other in list(&record["other_open_prs"]) {
        let paths: Vec<String> = list(&other["paths"]).iter().map(words).collect();
        let agent = words(&other["agent"]);
        let by = if agent.is_empty() {
            words(&other["author"])
        } else {
            format!("{agent} (claim {})", words(&other["claim"]))
        };
        let (number, nearness) = (&other["pr"], words(&other["overlap"]));
        let title = words(&other["title"]);
        let _ = writeln!(
            out,
            "\n#{number} {title}, by {by}: {nearness} of {}",
            paths.join(", ")
        );
    }
    warnings(&mut out, record);
    let steps = list(&record["instructions"]["resolution_steps"]);
    if !steps.is_empty() {
        let _ = writeln!(
            out,
            "\n{}",
            bold("run in your clone, in this order:", colours)
        );
    }
    for step in steps {
        let _ = writeln!(out, "{}", words(step));
    }
    next_page(&mut out, record);
    out
}

fn conflict_lines(out: &mut String, conflict: &Value, colours: bool) {
    let path = bold(&words(&conflict["path"]), colours);
    let estimated = if conflict["estimated"] == true {
        ", judged by patches or names alone"
    } else {
        ""
    };
    let _ = writeln!(out, "\n{path}: {}{estimated}", words(&conflict["type"]));
    for (side, field) in [
        ("in the common ancestor", "ancestor_path"),
        ("in the pull request", "pr_path"),
        ("in the target", "target_path"),
    ] {
        if conflict[field].is_string() {
            let _ = writeln!(out, "  {side}: {}", words(&conflict[field]));
        }
    }
    for region in list(&conflict["regions"]) {
        for (side, numbers, field) in [
            ("pull request", &region["pr_lines"], "pr"),
            ("target", &region["target_lines"], "target"),
        ] {
            let _ = writeln!(out, "  {side}, lines {}-{}:", numbers[0], numbers[1]);
            for line in region[field].as_str().unwrap_or_default().lines() {
                let _ = writeln!(out, "    {}", text::one_line(line));
            }
        }
    }
    for commit in list(&conflict["target_commits"]) {
        let (sha, subject) = (words(&commit["sha"]), words(&commit["subject"]));
        let _ = writeln!(
            out,
            "  from {sha} {subject}, by {}",
            words(&commit["author"])
        );
    }
}

fn words(value: &Value) -> String {
    text::one_line(value.as_str().unwrap_or_default())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
