//! Replies laid out for people: aligned columns, plain words, colours on a terminal only. What
//! strangers wrote is printed without control characters.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    render_comments, render_conflicts, render_impact, render_merge, render_review, render_stack,
};
use crate::domain::text;
use crate::service::Reply;

/// One column: its heading and where its value is.
pub(super) type Column = (&'static str, &'static str);

const REPO_COLUMNS: [Column; 4] = [
    ("REPOSITORY", "repo"),
    ("OPEN", "open_issues"),
    ("CLAIMED", "claimed"),
    ("SYNCED", "synced_at"),
];
const ISSUE_COLUMNS: [Column; 8] = [
    ("#", "number"),
    ("STATE", "state"),
    ("PRIORITY", "priority"),
    ("AGE", "age_days"),
    ("TITLE", "title"),
    ("LABELS", "labels"),
    ("CLAIMED BY", "claimed_by"),
    ("WHY NOT", "why_not"),
];
const CLAIM_COLUMNS: [Column; 7] = [
    ("STATUS", "status"),
    ("REPOSITORY", "repo"),
    ("ISSUE", "issue_number"),
    ("AGENT", "agent_id"),
    ("TITLE", "issue_title"),
    ("SINCE", "claimed_at"),
    ("CLAIM ID", "claim_id"),
];
/// Title of a page that goes on with the lists of the one before.
pub(super) const FURTHER_PAGE: &str = "what the page before had no room for";
/// Widest cell of a table, in characters.
const CELL_CHARS_MAX: usize = 60;

/// The reply as text. `colours` only for a terminal.
pub(super) fn render(tool: &str, reply: &Reply, colours: bool) -> String {
    let record: Value = serde_json::from_str(&reply.json()).unwrap_or(Value::Null);
    if tool == "check_merge_readiness" {
        return render_merge::render(&record, colours);
    }
    if tool == "find_unresolved_comments" {
        return render_comments::render(&record, colours);
    }
    if tool == "manage_stacked_prs" {
        return render_stack::render(&record, colours);
    }
    if tool == "detect_merge_conflicts" {
        return render_conflicts::render(&record, colours);
    }
    if tool == "analyze_pr_impact" {
        return render_impact::render(&record, colours);
    }
    if tool == "get_review_suggestions" {
        return render_review::render(&record, reply, colours);
    }
    let mut out = String::new();
    let lists: [(&str, &[Column], &str); 3] = [
        ("repos", &REPO_COLUMNS, "no repositories"),
        ("issues", &ISSUE_COLUMNS, "no issues"),
        ("claims", &CLAIM_COLUMNS, "no claims"),
    ];
    let list = lists.iter().find(|(field, _, _)| record[*field].is_array());
    match list {
        Some((field, columns, empty)) => {
            let rows = record[*field]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            if rows.is_empty() {
                let _ = writeln!(out, "{empty}");
            } else {
                table(&mut out, columns, rows, colours);
            }
            fields(&mut out, &record, &[field], 0, colours);
        }
        None if tool == "create_pull_request" => created_pull(&mut out, &record, colours),
        None if tool == "get_failing_tests" => failing_tests(&mut out, &record, colours),
        None if tool == "next_issue" && record["claim_id"].is_null() => {
            let _ = writeln!(out, "no eligible issue");
            fields(&mut out, &record, &["claim_id", "reason"], 0, colours);
        }
        None => fields(&mut out, &record, &[], 0, colours),
    }
    for long in &reply.long {
        let _ = writeln!(
            out,
            "\n{}:\n{}",
            bold(&long.title, colours),
            printable(&long.text)
        );
    }
    out
}

/// What was opened, or was open, and the rest of the answer below it.
fn created_pull(out: &mut String, record: &Value, colours: bool) {
    let deed = if record["created"] == true {
        "opened"
    } else {
        "already open:"
    };
    let deed = bold(
        &format!("{deed} pull request #{}", record["number"]),
        colours,
    );
    let (head, base) = (whole(&record["head"]), whole(&record["base"]));
    let _ = writeln!(out, "{deed} ({head} -> {base})\n{}", whole(&record["url"]));
    let told = ["created", "number", "head", "base", "url"];
    fields(out, record, &told, 0, colours);
}

/// Failures one below the other, each with what shows it; then what to do.
fn failing_tests(out: &mut String, record: &Value, colours: bool) {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let (pr, head) = (text(&record["pr"]), text(&record["head_sha"]));
    if record["status"].is_string() {
        let status = bold(&text(&record["status"]), colours);
        let summary = text(&record["instructions"]["summary"]);
        let _ = writeln!(out, "{pr} at {head}: {status}\n{summary}");
    } else {
        let _ = writeln!(out, "{pr} at {head}: {FURTHER_PAGE}");
    }
    let counts = &record["counts"];
    for name in list(&counts["missing_required"]) {
        let _ = writeln!(out, "required and not reported: {}", text(name));
    }
    if counts["more_missing_required"].is_number() {
        let more = &counts["more_missing_required"];
        let _ = writeln!(out, "required and not reported: {more} more");
    }
    for failure in list(&record["failures"]) {
        let place = match (&failure["file"], &failure["line"]) {
            (Value::String(file), Value::Number(line)) => format!("  {}:{line}", printable(file)),
            (Value::String(file), _) => format!("  {}", printable(file)),
            _ => String::new(),
        };
        let id = bold(&text(&failure["id"]), colours);
        let _ = writeln!(out, "\n{id}{place}");
        if failure["error"].is_string() {
            let _ = writeln!(out, "  {}", text(&failure["error"]));
        }
        for line in list(&failure["excerpt"]) {
            let _ = writeln!(out, "    {}", text(line));
        }
        let checks = list(&failure["checks"]).iter().map(text);
        let more = match failure["more_checks"].as_u64() {
            Some(more) => format!(" and {more} more"),
            None => String::new(),
        };
        let _ = writeln!(out, "  in {}{more}", checks.collect::<Vec<_>>().join(", "));
        if failure["also_fails_on_base"] == true {
            let _ = writeln!(out, "  the check fails on the base branch too");
        }
        if let Some(attempt) = failure["run_attempt"].as_u64() {
            let _ = writeln!(out, "  attempt {attempt} of its run");
        }
        if failure["reproduce"].is_string() {
            let _ = writeln!(out, "  $ {}", text(&failure["reproduce"]));
        } else if failure["log_url"].is_string() {
            let _ = writeln!(out, "  see {}", text(&failure["log_url"]));
        }
    }
    let told = [
        "pr",
        "head_sha",
        "fetched_at",
        "status",
        "settled",
        "failures",
        "instructions",
        "untrusted",
        "counts",
        "poll_info",
        "warnings",
        "next_cursor",
    ];
    fields(out, record, &told, 0, colours);
    warnings(out, record);
    next_page(out, record);
}

/// What could not be read, a line each.
pub(super) fn warnings(out: &mut String, record: &Value) {
    for warning in list(&record["warnings"]) {
        let (source, reason) = (words(&warning["source"]), words(&warning["reason"]));
        let effect = words(&warning["effect"]);
        let _ = writeln!(out, "warning: {source}: {reason}: {effect}");
    }
}

/// How to get the next page, where there is one.
pub(super) fn next_page(out: &mut String, record: &Value) {
    if let Some(cursor) = record["next_cursor"].as_str() {
        let _ = writeln!(out, "\nmore with --cursor {}", text::one_line(cursor));
    }
}

/// A text in one line; nothing where there is none.
pub(super) fn words(value: &Value) -> String {
    text::one_line(value.as_str().unwrap_or_default())
}

/// The entries of a list; none where there is none.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn bold(words: &str, colours: bool) -> String {
    if colours {
        format!("\u{1b}[1m{words}\u{1b}[0m")
    } else {
        words.to_owned()
    }
}

pub(super) fn table(out: &mut String, columns: &[Column], rows: &[Value], colours: bool) {
    let used: Vec<&Column> = columns
        .iter()
        .filter(|(_, field)| rows.iter().any(|row| !row[*field].is_null()))
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| used.iter().map(|(_, field)| cell(&row[*field])).collect())
        .collect();
    let width = |index: usize, heading: &str| {
        let widest = cells
            .iter()
            .map(|row| row[index].chars().count())
            .max()
            .unwrap_or(0);
        widest.max(heading.chars().count())
    };
    let widths: Vec<usize> = used
        .iter()
        .enumerate()
        .map(|(index, (heading, _))| width(index, heading))
        .collect();
    let line = |words: &[&str]| {
        let padded = words
            .iter()
            .zip(&widths)
            .map(|(word, width)| format!("{word:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let headings: Vec<&str> = used.iter().map(|(heading, _)| *heading).collect();
    let _ = writeln!(out, "{}", bold(&line(&headings), colours));
    for row in &cells {
        let words: Vec<&str> = row.iter().map(String::as_str).collect();
        let _ = writeln!(out, "{}", line(&words));
    }
}

/// A value as one short line.
fn cell(value: &Value) -> String {
    let words = match value {
        Value::Null => String::new(),
        Value::String(words) => time(words).unwrap_or_else(|| words.clone()),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let words = text::one_line(&words);
    if words.chars().count() <= CELL_CHARS_MAX {
        return words;
    }
    words
        .chars()
        .take(CELL_CHARS_MAX - 1)
        .chain(['…'])
        .collect()
}

/// A time to the second.
fn time(words: &str) -> Option<String> {
    let looks_like_time = words.len() >= 20 && words.as_bytes()[4] == b'-' && words.ends_with('Z');
    let at = looks_like_time
        .then(|| words.parse::<jiff::Timestamp>().ok())
        .flatten()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// `name: value` lines; objects are indented below their name.
fn fields(out: &mut String, record: &Value, except: &[&str], depth: usize, colours: bool) {
    let Some(object) = record.as_object() else {
        return;
    };
    let indent = "  ".repeat(depth);
    for (name, value) in object
        .iter()
        .filter(|(name, _)| !except.contains(&name.as_str()))
    {
        let title = bold(&name.replace('_', " "), colours);
        match value {
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(_) => {
                let _ = writeln!(out, "{indent}{title}:");
                fields(out, value, &[], depth + 1, colours);
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                let _ = writeln!(out, "{indent}{title}:");
                for item in list {
                    let words: Vec<String> = item
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| format!("{}: {}", name.replace('_', " "), cell(value)))
                        .collect();
                    let _ = writeln!(out, "{indent}  - {}", words.join(", "));
                }
            }
            Value::Array(list) if list.is_empty() => {}
            Value::Array(list) => {
                let words: Vec<String> = list.iter().map(whole).collect();
                let _ = writeln!(out, "{indent}{title}: {}", words.join(", "));
            }
            value => {
                let _ = writeln!(out, "{indent}{title}: {}", whole(value));
            }
        }
    }
}

/// A value on one line, not shortened.
fn whole(value: &Value) -> String {
    match value {
        Value::String(words) => time(words).unwrap_or_else(|| text::one_line(words)),
        other => other.to_string(),
    }
}

/// Several lines without what could move the cursor or hide.
pub(super) fn printable(words: &str) -> String {
    words
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !text::is_deceptive(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_tables() {
        let record = json!({"issues": [
            {"number": 7, "title": "Fix \u{1b}[31mit", "labels": ["bug", "P1"], "age_days": 3},
            {"number": 12, "title": "Other", "age_days": 1},
        ], "total": 2});
        let reply = Reply::new(&record).unwrap();
        let text = render("list_open_issues", &reply, false);
        let expected = "#   AGE  TITLE        LABELS\n7   3    Fix  [31mit  bug, P1\n12  1    Other\ntotal: 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_new_pull_request_is_two_lines() {
        let record = json!({"number": 7, "url": "https://github.com/a/b/pull/7", "head": "x",
            "base": "main", "created": true, "claim_status": "pr_submitted"});
        let text = render("create_pull_request", &Reply::new(&record).unwrap(), false);
        let expected = "opened pull request #7 (x -> main)\nhttps://github.com/a/b/pull/7\n\
                        claim status: pr_submitted\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn required_checks_that_did_not_report_are_all_named() {
        let names: Vec<String> = (0..12).map(|number| format!("e2e {number}")).collect();
        let reason = "a reason ".repeat(9);
        let record = json!({"pr": "o/r#5", "head_sha": "abc", "status": "running",
            "settled": false, "counts": {"passed": 1, "missing_required": names,
            "more_missing_required": 28}, "failures": [], "total_failures": 0,
            "instructions": {"summary": "in short"}, "untrusted": [], "next_cursor": "1.2",
            "warnings": [{"source": "jobs", "reason": reason, "effect": "unknown"}]});
        let text = render("get_failing_tests", &Reply::new(&record).unwrap(), false);
        let named: String = names
            .iter()
            .map(|name| format!("required and not reported: {name}\n"))
            .collect();
        let expected = format!(
            "o/r#5 at abc: running\nin short\n{named}required and not reported: 28 more\n\
             total failures: 0\nwarning: jobs: {reason}: unknown\n\nmore with --cursor 1.2\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_is_said_in_words() {
        let record =
            json!({"claim_id": null, "reason": "no_eligible_issue", "passed_by": {"claimed": 4}});
        let text = render("next_issue", &Reply::new(&record).unwrap(), false);
        assert_eq!(text, "no eligible issue\npassed by:\n  claimed: 4\n");
    }
}
