//! Review suggestions for people: questions, files with the lines to look at, and the diff.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{bold, next_page, printable};
use crate::service::Reply;

/// The answer of `get_review_suggestions` as text.
pub(super) fn render(record: &Value, reply: &Reply, colours: bool) -> String {
    let mut out = format!(
        "{} at {}\n",
        words(&record["pr"]),
        words(&record["head_sha"])
    );
    if record["totals"].is_object() {
        first_page(&mut out, record, colours);
    } else {
        rest(&mut out, record);
    }
    for file in list(record, "files") {
        let path = bold(&words(&file["path"]), colours);
        let _ = write!(out, "\n{path}");
        if file["status"].is_string() {
            let (status, area) = (words(&file["status"]), words(&file["area"]));
            let (added, removed) = (&file["additions"], &file["deletions"]);
            let _ = write!(out, "  {status}, {area}, +{added} -{removed}");
        }
        if file["diff"].is_string() {
            let _ = write!(out, ", diff: {}", words(&file["diff"]));
        }
        out.push('\n');
        for point in list(file, "focus_points") {
            let mark = if point["removed"] == true { "-" } else { "" };
            let code = words(&point["code"]);
            let _ = writeln!(
                out,
                "  {mark}{}  {code}: {}",
                point["line"],
                words(&point["text"])
            );
        }
        more(&mut out, &file["more_points"]);
    }
    for warning in list(record, "warnings") {
        let (source, reason) = (words(&warning["source"]), words(&warning["reason"]));
        let _ = writeln!(
            out,
            "\nwarning: {source}: {reason}: {}",
            words(&warning["effect"])
        );
    }
    for long in &reply.long {
        let _ = writeln!(
            out,
            "\n{}\n{}",
            bold(&long.title, colours),
            diff(&long.text, colours)
        );
    }
    if record["next_cursor"].is_string() {
        let counts = record["omitted"].as_object().into_iter().flatten();
        let counts: Vec<String> = counts
            .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
            .collect();
        if !counts.is_empty() {
            let _ = writeln!(out, "\nleft: {}", counts.join(", "));
        }
    }
    next_page(&mut out, record);
    out
}

fn first_page(out: &mut String, record: &Value, colours: bool) {
    let (metadata, context) = (&record["metadata"], &record["context"]);
    let draft = if metadata["draft"] == true {
        " (draft)"
    } else {
        ""
    };
    let title = bold(&words(&metadata["title"]), colours);
    let _ = writeln!(out, "{title} by {}{draft}", words(&metadata["author"]));
    if metadata["description"].is_string() {
        let _ = writeln!(out, "\n{}\n", words(&metadata["description"]));
    }
    let known = |value: &Value| match value {
        Value::Null => "unknown".to_owned(),
        Value::String(_) => words(value),
        other => other.to_string(),
    };
    let (ci, open) = (known(&context["ci"]), known(&context["unresolved_threads"]));
    let _ = writeln!(out, "CI: {ci}; unresolved conversations: {open}");
    if context["breaking_changes_detected"] == true {
        let _ = writeln!(out, "breaking changes are announced");
    }
    named(
        out,
        "labels: ",
        &metadata["labels"],
        &metadata["more_labels"],
    );
    issues(out, context);
    named(
        out,
        "mentions ",
        &context["mentioned"],
        &context["more_mentioned"],
    );
    let sections = list(record, "review_checklist");
    if !sections.is_empty() {
        let _ = writeln!(out, "\n{}", bold("to answer:", colours));
    }
    for section in sections {
        let category = words(&section["category"]);
        for item in list(section, "items") {
            question(out, &category, item);
        }
        if list(section, "items").is_empty() {
            let _ = writeln!(out, "- {category}:");
        }
        more(out, &section["more"]);
    }
}

/// What the first page had no room for, on a page of its own.
fn rest(out: &mut String, record: &Value) {
    let context = &record["context"];
    named(
        out,
        "more labels: ",
        &record["metadata"]["labels"],
        &Value::Null,
    );
    issues(out, context);
    named(out, "mentions also ", &context["mentioned"], &Value::Null);
    for item in list(record, "questions") {
        question(out, &words(&item["category"]), item);
    }
}

/// A list of names on one line, with how many are left; nothing where there is none.
fn named(out: &mut String, title: &str, names: &Value, left: &Value) {
    let names: Vec<String> = names.as_array().into_iter().flatten().map(words).collect();
    if names.is_empty() {
        return;
    }
    let left = match left.as_u64() {
        Some(left) => format!(" and {left} more"),
        None => String::new(),
    };
    let _ = writeln!(out, "{title}{}{left}", names.join(", "));
}

fn issues(out: &mut String, context: &Value) {
    for issue in list(context, "related_issues") {
        let _ = writeln!(
            out,
            "closes {} {}",
            words(&issue["issue"]),
            words(&issue["title"])
        );
        for line in list(issue, "acceptance") {
            let _ = writeln!(out, "  {}", words(line));
        }
        more(out, &issue["more"]);
    }
    if context["more_related_issues"].is_number() {
        let _ = writeln!(out, "closes {} more issues", context["more_related_issues"]);
    }
}

fn question(out: &mut String, category: &str, item: &Value) {
    let _ = writeln!(out, "- {category}: {}", words(&item["question"]));
    if item["guidance"].is_string() {
        let _ = writeln!(out, "    {}", words(&item["guidance"]));
    }
    let evidence: Vec<String> = list(item, "evidence").iter().map(words).collect();
    if !evidence.is_empty() {
        let _ = writeln!(out, "    {}", evidence.join(", "));
    }
    more(out, &item["more"]);
}

fn more(out: &mut String, count: &Value) {
    if count.is_number() {
        let _ = writeln!(out, "    and {count} more");
    }
}

pub(super) fn words(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default())
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A diff, in the usual colours on a terminal.
fn diff(text: &str, colours: bool) -> String {
    let printed = printable(text);
    if !colours {
        return printed;
    }
    let mut painted = String::with_capacity(printed.len());
    for line in printed.lines() {
        let colour = match line {
            line if line.starts_with("+++ ") || line.starts_with("--- ") => "1",
            line if line.starts_with("@@") => "36",
            line if line.starts_with('+') => "32",
            line if line.starts_with('-') => "31",
            _ => "0",
        };
        let _ = writeln!(painted, "\u{1b}[{colour}m{line}\u{1b}[0m");
    }
    painted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_room_on_the_first_page_is_begun_there() {
        let first = json!({"pr": "acme/api#2", "head_sha": "abc", "files": [], "totals": {},
            "metadata": {"title": "t", "author": "bob", "labels": ["bug", "api"], "more_labels": 3},
            "context": {
                "related_issues": [{"issue": "acme/api#1", "title": "One", "acceptance": ["[ ] a"], "more": 4}],
                "more_related_issues": 2, "mentioned": ["#40"], "more_mentioned": 1,
            },
            "review_checklist": [{"category": "acceptance", "items": [], "more": 7}],
        });
        let text = render(&first, &Reply::new(&first).unwrap(), false);
        for lines in [
            "\nlabels: bug, api and 3 more\n",
            "\ncloses acme/api#1 One\n  [ ] a\n    and 4 more\ncloses 2 more issues\n",
            "\nmentions #40 and 1 more\n",
            "\n- acceptance:\n    and 7 more\n",
        ] {
            assert!(text.contains(lines), "{lines} in {text}");
        }
        let rest = json!({"pr": "acme/api#2", "head_sha": "abc",
            "metadata": {"labels": ["web"]}, "context": {"mentioned": ["#41"]}});
        let text = render(&rest, &Reply::new(&rest).unwrap(), false);
        assert!(
            text.ends_with("\nmore labels: web\nmentions also #41\n"),
            "{text}"
        );
    }

    #[test]
    fn the_diff_is_painted_on_a_terminal_only() {
        let record = json!({"pr": "acme/api#2", "head_sha": "abc", "files": [], "untrusted": []});
        let reply = Reply::new(&record).unwrap();
        let reply = reply.with_text(
            "diff",
            "Diff".to_owned(),
            "+++ a.rs\n@@ -1 +1 @@\n-a\u{1b}[2J\n+b\n".to_owned(),
        );
        let plain = render(&record, &reply, false);
        assert!(
            plain.contains("\n+++ a.rs\n@@ -1 +1 @@\n-a[2J\n+b\n"),
            "{plain}"
        );
        let painted = render(&record, &reply, true);
        assert!(
            painted.contains("\u{1b}[32m+b\u{1b}[0m\n") && painted.contains("\u{1b}[1m+++ a.rs"),
            "{painted}"
        );
    }
}
