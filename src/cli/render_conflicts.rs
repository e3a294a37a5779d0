//! Merge conflicts for people: each place as both sides have it, then what to run.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{FURTHER_PAGE, bold, list, next_page, warnings, words};
use crate::domain::text;

/// The answer of `detect_merge_conflicts` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let is_first = record["total_conflicts"].is_number();
    let verdict = match record["has_conflicts"].as_bool() {
        _ if !is_first => FURTHER_PAGE.to_owned(),
        Some(true) if record["total_conflicts"] == 0 => "conflicts, place unknown".to_owned(),
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
        other_lines(&mut out, other);
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

/// Another pull request: which files it shares with this one, then the lines at which both meet. A
/// page that goes on with what it shares has its number alone.
fn other_lines(out: &mut String, other: &Value) {
    let _ = write!(out, "\n#{}", other["pr"]);
    let mut nearness = "also:";
    if other["title"].is_string() {
        let agent = words(&other["agent"]);
        let by = if agent.is_empty() {
            words(&other["author"])
        } else {
            format!("{agent} (claim {})", words(&other["claim"]))
        };
        let _ = write!(out, " {}, by {by}:", words(&other["title"]));
        nearness = match other["overlap"].as_str() {
            Some("lines") => "same lines in",
            Some("apart") => "apart in",
            _ => "same files:",
        };
    }
    let paths: Vec<String> = list(&other["paths"]).iter().map(words).collect();
    if paths.is_empty() {
        let nearness = nearness.trim_end_matches(" in").trim_end_matches(':');
        let _ = write!(out, " {nearness}");
    } else {
        let _ = write!(out, " {nearness} {}", paths.join(", "));
    }
    if other["more_paths"].is_number() {
        let _ = write!(out, " and {} more", other["more_paths"]);
    }
    out.push('\n');
    for place in list(&other["places"]) {
        let path = words(&place["path"]);
        let (here, there) = (span(&place["lines"]), span(&place["their_lines"]));
        let _ = writeln!(out, "  {path}:{here}, there {there}");
    }
    if other["more_places"].is_number() {
        let _ = writeln!(out, "  and {} more places", other["more_places"]);
    }
}

/// First and last line, as one number where they are the same.
fn span(lines: &Value) -> String {
    match lines[0] == lines[1] {
        true => lines[0].to_string(),
        false => format!("{}-{}", lines[0], lines[1]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_pull_requests_say_how_near_they_come_and_where() {
        let record = json!({"pr": "o/r#1", "head_sha": "abc", "target": "main",
        "total_conflicts": 2, "has_conflicts": true, "conflicts": [], "other_open_prs": [
            {"pr": 2, "title": "Near", "author": "kim", "overlap": "lines", "paths": ["a", "b"],
             "more_paths": 4, "more_places": 2, "places": [
                {"path": "a", "lines": [3, 4], "their_lines": [9, 9]}]},
            {"pr": 3, "title": "Same", "author": "kim", "overlap": "files", "paths": ["c"]},
            {"pr": 4, "title": "Apart", "agent": "agent-3", "claim": "x", "overlap": "apart",
             "paths": ["d"]}]});
        let expected = "o/r#1 at abc into main: conflicts in 2 files\n\
                        \n#2 Near, by kim: same lines in a, b and 4 more\n  a:3-4, there 9\n\
                        \u{20} and 2 more places\n\
                        \n#3 Same, by kim: same files: c\n\
                        \n#4 Apart, by agent-3 (claim x): apart in d\n";
        assert_eq!(render(&record, false), expected);
    }

    #[test]
    fn a_further_page_names_what_each_shares_besides() {
        let place = json!({"path": "f", "lines": [7, 7], "their_lines": [8, 9]});
        let record = json!({"pr": "o/r#1", "head_sha": "abc", "conflicts": [], "other_open_prs": [
            {"pr": 58, "paths": ["e", "f"], "places": [place]},
            {"pr": 59, "places": [place]},
            {"pr": 60, "title": "Whole", "author": "kim", "overlap": "lines", "places": [place]}]});
        let expected = "o/r#1 at abc: what the page before had no room for\n\
                        \n#58 also: e, f\n  f:7, there 8-9\n\
                        \n#59 also\n  f:7, there 8-9\n\
                        \n#60 Whole, by kim: same lines\n  f:7, there 8-9\n";
        assert_eq!(render(&record, false), expected);
    }

    #[test]
    fn a_conflict_of_no_known_place_is_not_counted() {
        let record = json!({"pr": "o/r#1", "head_sha": "abc", "target": "main", "unlocated": true,
            "total_conflicts": 0, "has_conflicts": true, "conflicts": []});
        let expected = "o/r#1 at abc into main: conflicts, place unknown\n\
                        GitHub says that it conflicts; no place was found\n";
        assert_eq!(render(&record, false), expected);
    }
}
