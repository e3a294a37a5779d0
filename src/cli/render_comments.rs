//! Unresolved comments for people: each remark at a width that can be read, whose turn it is, and
//! how to answer.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::render::{bold, list, next_page, printable, warnings, words};
use crate::domain::text;

/// Widest line of words, in characters, with what stands before them.
const WIDTH: usize = 88;
/// What stands below words that are cut.
const CUT: &str = "    … (cut: --body-chars shows more)\n";

/// The answer of `find_unresolved_comments` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    if record["thread_id"].is_string() {
        return thread(record, colours);
    }
    let comments = list(&record["comments"]);
    let summary = &record["summary"];
    let hidden = summary["minimized"].as_u64().unwrap_or_default();
    let verdict = match record["total_listed"].as_u64() {
        Some(0) if hidden > 0 => "nothing unresolved but what somebody hid".to_owned(),
        Some(0) => "nothing unresolved".to_owned(),
        Some(count) => format!(
            "{count} unresolved, {} await the author, {} a reviewer",
            number(&summary["awaiting_author"]),
            number(&summary["awaiting_reviewer"])
        ),
        None => "not known what is unresolved".to_owned(),
    };
    let mut out = format!(
        "{} at {}: {}\n",
        words(&record["pr"]),
        words(&record["head_sha"]),
        bold(&verdict, colours)
    );
    if record["review_decision"].is_string() {
        let decision = words(&record["review_decision"]).to_lowercase();
        let _ = writeln!(out, "reviews: {}", decision.replace('_', " "));
    }
    let now = record["fetched_at"].as_str().and_then(|at| at.parse().ok());
    for comment in comments {
        entry(&mut out, comment, now, colours);
    }
    if hidden > 0 {
        hidden_threads(&mut out, hidden, list(&summary["minimized_threads"]));
    }
    warnings(&mut out, record);
    how_to_answer(&mut out, record, colours);
    next_page(&mut out, record);
    out
}

/// Threads that are not listed, and open all the same.
fn hidden_threads(out: &mut String, count: u64, ids: &[Value]) {
    let what = match count {
        1 => "1 thread that somebody hid is not resolved: GitHub counts it as open".to_owned(),
        _ => format!(
            "{count} threads that somebody hid are not resolved: GitHub counts them as open"
        ),
    };
    let _ = writeln!(out, "\n{what}");
    for id in ids {
        let _ = writeln!(out, "  thread {}", words(id));
    }
    let more = count.saturating_sub(ids.len() as u64);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
}

/// All that was said in one thread.
fn thread(record: &Value, colours: bool) -> String {
    let mut out = format!(
        "{} at {}: {}\n",
        words(&record["pr"]),
        words(&record["head_sha"]),
        bold(&place(record), colours)
    );
    let mut about = vec![format!("{} remarks", number(&record["total_comments"]))];
    for (holds, note) in [
        (record["resolved"] == true, "resolved"),
        (record["outdated"] == true, "outdated"),
        (record["can_resolve"] == false, "not yours to resolve"),
    ] {
        if holds {
            about.push(note.to_owned());
        }
    }
    let _ = writeln!(
        out,
        "thread {}: {}",
        words(&record["thread_id"]),
        about.join(", ")
    );
    let now = record["fetched_at"].as_str().and_then(|at| at.parse().ok());
    for comment in list(&record["comments"]) {
        let mut about = vec![author(comment)];
        about.extend(age(&comment["created_at"], now));
        for (holds, note) in [
            (comment["minimized"] == true, "hidden"),
            (comment["pending"] == true, "not submitted yet"),
        ] {
            if holds {
                about.push(note.to_owned());
            }
        }
        let _ = writeln!(out, "\n  {}", about.join(", "));
        wrap(
            &mut out,
            "    ",
            comment["body"].as_str().unwrap_or_default(),
        );
        if comment["body_truncated"] == true {
            out.push_str(CUT);
        }
    }
    warnings(&mut out, record);
    next_page(&mut out, record);
    out
}

/// Where something was said.
fn place(comment: &Value) -> String {
    match (&comment["path"], &comment["start_line"], &comment["line"]) {
        (Value::String(path), Value::Number(start), Value::Number(line)) if start != line => {
            format!("{}:{start}-{line}", text::one_line(path))
        }
        (Value::String(path), _, Value::Number(line)) => {
            format!("{}:{line}", text::one_line(path))
        }
        (Value::String(path), ..) => text::one_line(path),
        _ if comment["kind"] == "review_body" => "a review as a whole".to_owned(),
        _ => "the conversation".to_owned(),
    }
}

/// A thread, or a remark outside of threads.
fn entry(out: &mut String, comment: &Value, now: Option<Timestamp>, colours: bool) {
    let place = place(comment);
    let mut about = vec![author(comment)];
    if let Some(section) = comment["section"].as_str() {
        about.push(format!("in a review, {}", section.replace('_', " ")));
    }
    about.extend(age(&comment["created_at"], now));
    about.push(
        match comment["state"].as_str() {
            Some("awaiting_reviewer") => "a reviewer owes the next word",
            _ => "the author owes the next word",
        }
        .to_owned(),
    );
    for (holds, note) in [
        (comment["outdated"] == true, "outdated"),
        (comment["changed_since"] == true, "the file changed since"),
        (comment["pending"] == true, "not submitted yet"),
        (comment["can_resolve"] == false, "not yours to resolve"),
    ] {
        if holds {
            about.push(note.to_owned());
        }
    }
    let _ = writeln!(out, "\n{}\n  {}", bold(&place, colours), about.join(", "));
    // The words have a mark where the suggestion stood; it follows below them.
    let body = comment["body"].as_str().unwrap_or_default();
    wrap(out, "    ", &body.replace("[suggestion]", ""));
    if comment["body_truncated"] == true {
        out.push_str(CUT);
    }
    let suggestion = &comment["suggestion"];
    if suggestion.is_object() {
        let lines = match (&suggestion["start"], &suggestion["end"]) {
            (Value::Number(start), Value::Number(end)) if start != end => {
                format!(" for lines {start}-{end}")
            }
            (_, Value::Number(end)) => format!(" for line {end}"),
            _ => String::new(),
        };
        let _ = writeln!(out, "    suggested{lines}:");
        let replacement = printable(suggestion["replacement"].as_str().unwrap_or_default());
        for line in replacement.lines() {
            let _ = writeln!(out, "    | {line}");
        }
        if suggestion["truncated"] == true {
            let _ = writeln!(out, "    | …");
        }
    }
    replies(out, comment, now);
    for (name, id) in [
        ("thread", words(&comment["thread_id"])),
        ("comment", number(&comment["comment_id"])),
    ] {
        if !id.is_empty() {
            let _ = writeln!(out, "  {name} {id}");
        }
    }
}

fn replies(out: &mut String, comment: &Value, now: Option<Timestamp>) {
    let told = list(&comment["replies"]);
    let all = comment["reply_count"].as_u64().unwrap_or_default();
    let left_out = all.saturating_sub(told.len() as u64);
    if left_out > 0 {
        let _ = writeln!(
            out,
            "  > … {left_out} more replies before: --thread-id tells all"
        );
    }
    for reply in told {
        let mut about = vec![words(&reply["author"])];
        about.extend(age(&reply["at"], now));
        let _ = writeln!(out, "  > {}:", about.join(", "));
        wrap(out, "  >   ", reply["body"].as_str().unwrap_or_default());
    }
}

/// What is the same for all entries, said once.
fn how_to_answer(out: &mut String, record: &Value, colours: bool) {
    let actions = &record["actions"];
    if !actions.is_object() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{}",
        bold("to answer, and to resolve what is done:", colours)
    );
    for (about, field) in [
        ("a thread, which stays open", "reply"),
        ("the conversation", "comment"),
    ] {
        let _ = writeln!(out, "# {about}\n$ {}", words(&actions[field]));
    }
    let arguments = &actions["resolve"]["args"];
    let _ = writeln!(
        out,
        "# when {}\n$ issuecommand resolve-review-thread --pr {} --thread-id {}",
        words(&actions["resolve"]["only_after"]),
        words(&arguments["pr"]),
        words(&arguments["thread_id"])
    );
}

fn author(comment: &Value) -> String {
    let bot = if comment["is_bot"] == true {
        " (bot)"
    } else {
        ""
    };
    format!("{}{bot}", words(&comment["author"]))
}

/// How long ago, in the largest unit that fits.
fn age(at: &Value, now: Option<Timestamp>) -> Option<String> {
    let at: Timestamp = at.as_str()?.parse().ok()?;
    let minutes = now?.duration_since(at).as_secs().max(0) / 60;
    Some(match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..1_440 => format!("{} h ago", minutes / 60),
        _ => format!("{} d ago", minutes / 1_440),
    })
}

/// Words of a stranger, broken between words; lines that they broke themselves stay broken. What is
/// set off with blanks, as code is, keeps them.
fn wrap(out: &mut String, before: &str, words: &str) {
    let room = WIDTH.saturating_sub(before.chars().count());
    let words = printable(words);
    for line in words.trim().lines() {
        let line = line.trim_end();
        let blanks: String = line.chars().take_while(|c| c.is_whitespace()).collect();
        let mut current = blanks;
        let mut is_begun = false;
        for word in line.split_whitespace() {
            let longer = current.chars().count() + usize::from(is_begun) + word.chars().count();
            if is_begun && longer > room {
                let _ = writeln!(out, "{before}{current}");
                current.clear();
                is_begun = false;
            }
            if is_begun {
                current.push(' ');
            }
            current.push_str(word);
            is_begun = true;
        }
        let _ = writeln!(out, "{}", format!("{before}{current}").trim_end());
    }
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "pr": "acme/api#2", "head_sha": "b1b2b3b", "fetched_at": "2026-01-03T12:00:00Z",
            "review_decision": "CHANGES_REQUESTED",
            "total_threads": 7, "total_unresolved": 2, "total_listed": 2,
            "comments": [
                {"thread_id": "PRRT_1", "comment_id": 11, "kind": "review_thread",
                 "path": "src/db.rs", "start_line": 41, "line": 42, "outdated": false,
                 "changed_since": true, "author": "lea", "is_bot": false,
                 "created_at": "2026-01-01T11:00:00Z",
                 "body": "This can \u{1b}[31minject SQL, since the name of the table comes from \
                          the request and nothing on the way looks at it.\n  let q = old;\n\
                          [suggestion]",
                 "replies": [{"author": "octo", "body": "Where from?",
                              "at": "2026-01-03T11:30:00Z"}],
                 "reply_count": 3, "state": "awaiting_reviewer",
                 "suggestion": {"start": 41, "end": 42, "replacement": "let q = bind(id);\nrun(q)"}},
                {"comment_id": 12, "kind": "conversation", "author": "rabbit", "is_bot": true,
                 "created_at": "2026-01-03T08:00:00Z", "body": "Please rebase.",
                 "body_truncated": true, "state": "awaiting_author"},
            ],
            "summary": {"awaiting_author": 1, "awaiting_reviewer": 1},
            "actions": {"reply": "gh api X -f body='…'", "comment": "gh pr comment 2 --body '…'",
                "resolve": {"tool": "resolve_review_thread",
                    "args": {"pr": "acme/api#2", "thread_id": "THREAD_ID"},
                    "only_after": "the fix is pushed and verified"}},
            "warnings": [{"source": "compare", "reason": "gone", "effect": "unknown"}],
            "next_cursor": "abc",
        })
    }

    #[test]
    fn threads_can_be_read_and_answered() {
        let expected = "\
acme/api#2 at b1b2b3b: 2 unresolved, 1 await the author, 1 a reviewer
reviews: changes requested

src/db.rs:41-42
  lea, 2 d ago, a reviewer owes the next word, the file changed since
    This can [31minject SQL, since the name of the table comes from the request and
    nothing on the way looks at it.
      let q = old;
    suggested for lines 41-42:
    | let q = bind(id);
    | run(q)
  > … 2 more replies before: --thread-id tells all
  > octo, 30 min ago:
  >   Where from?
  thread PRRT_1
  comment 11

the conversation
  rabbit (bot), 4 h ago, the author owes the next word
    Please rebase.
    … (cut: --body-chars shows more)
  comment 12
warning: compare: gone: unknown

to answer, and to resolve what is done:
# a thread, which stays open
$ gh api X -f body='…'
# the conversation
$ gh pr comment 2 --body '…'
# when the fix is pushed and verified
$ issuecommand resolve-review-thread --pr acme/api#2 --thread-id THREAD_ID

more with --cursor abc
";
        assert_eq!(render(&record(), false), expected);
        let coloured = render(&record(), true);
        assert!(coloured.contains("\u{1b}[1msrc/db.rs:41-42\u{1b}[0m"));
        assert!(!coloured.contains("\u{1b}[31m"), "not by a stranger");
    }

    #[test]
    fn a_thread_is_told_as_a_whole() {
        let record = json!({
            "pr": "acme/api#2", "head_sha": "b1b2b3b", "fetched_at": "2026-01-03T12:00:00Z",
            "thread_id": "PRRT_1", "path": "src/db.rs", "line": 42, "outdated": true,
            "resolved": false, "total_comments": 3,
            "comments": [
                {"author": "lea", "is_bot": false, "created_at": "2026-01-03T11:00:00Z",
                 "body": "Bind it.", "minimized": true},
                {"author": "octo", "is_bot": false, "created_at": "2026-01-03T12:00:00Z",
                 "body": "Why\u{1b}[31m", "body_truncated": true},
            ],
            "next_cursor": "abc",
        });
        let expected = "\
acme/api#2 at b1b2b3b: src/db.rs:42
thread PRRT_1: 3 remarks, outdated

  lea, 1 h ago, hidden
    Bind it.

  octo, just now
    Why[31m
    … (cut: --body-chars shows more)

more with --cursor abc
";
        assert_eq!(render(&record, false), expected);
    }

    #[test]
    fn hidden_threads_are_named() {
        let record = json!({"pr": "acme/api#2", "head_sha": "b1b2b3b", "total_listed": 0,
            "comments": [], "summary": {"minimized": 3, "minimized_threads": ["PRRT_1", "PRRT_2"]},
            "actions": record()["actions"]});
        let text = render(&record, false);
        let expected = "\
acme/api#2 at b1b2b3b: nothing unresolved but what somebody hid

3 threads that somebody hid are not resolved: GitHub counts them as open
  thread PRRT_1
  thread PRRT_2
  and 1 more

to answer, and to resolve what is done:
";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn nothing_is_one_line() {
        let record = json!({"pr": "acme/api#2", "head_sha": "b1b2b3b", "total_listed": 0,
            "comments": [], "summary": {}});
        let text = render(&record, false);
        assert_eq!(text, "acme/api#2 at b1b2b3b: nothing unresolved\n");
    }
}
