//! A stack of pull requests for people: the drawing, a table, and the plan as lines to copy.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{Column, FURTHER_PAGE, bold, next_page, table, warnings};
use crate::domain::text;

const LAYER_COLUMNS: [Column; 7] = [
    ("#", "pr"),
    ("BRANCH", "branch"),
    ("STATE", "state"),
    ("STATUS", "status"),
    ("CI", "ci"),
    ("OWN", "own_commits"),
    ("BELONGS ON", "belongs_on"),
];

/// The answer of `manage_stacked_prs` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let words = |value: &Value| text::one_line(value.as_str().unwrap_or_default());
    let list = |name: &str| {
        record[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let stack = &record["stack"];
    let is_first = stack["visualization"].is_string();
    let title = match is_first {
        true => words(&stack["visualization"]),
        false => FURTHER_PAGE.to_owned(),
    };
    let mut out = format!("{title}\n\n");
    let layers = stack["layers"].as_array().map(Vec::as_slice);
    let layers = layers.unwrap_or_default();
    if !layers.is_empty() {
        table(&mut out, &LAYER_COLUMNS, layers, colours);
        out.push('\n');
    }
    if is_first {
        let _ = writeln!(out, "{}", words(&record["summary"]["reason"]));
    }
    for hazard in list("hazards") {
        let _ = writeln!(out, "! {}", words(&hazard["text"]));
    }
    warnings(&mut out, record);
    own_commits(&mut out, &record["rebase_strategy"], colours);
    let commands = list("commands");
    if !commands.is_empty() {
        let _ = writeln!(
            out,
            "\n{}",
            bold("run in your clone, in this order:", colours)
        );
    }
    for command in commands {
        let (line, about) = (words(&command["command"]), words(&command["description"]));
        let _ = writeln!(out, "# {about}\n{line}");
    }
    let then = words(&record["summary"]["then"]);
    if !then.is_empty() {
        let _ = writeln!(out, "# then: {then}");
    }
    let fix_loop = &record["fix_loop"];
    if let Some(rounds) = fix_loop["max_iterations"].as_u64() {
        let _ = writeln!(out, "# at most {rounds} times:");
    }
    for step in fix_loop["steps"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "#   {}", words(step));
    }
    next_page(&mut out, record);
    out
}

/// The commits that are replayed.
fn own_commits(out: &mut String, strategy: &Value, colours: bool) {
    let subjects = strategy["own_subjects"].as_array().map(Vec::as_slice);
    let subjects = subjects.unwrap_or_default();
    if subjects.is_empty() {
        return;
    }
    let title = match strategy["pr"].as_u64() {
        Some(number) => format!("own commits of #{number}:"),
        None => "own commits, continued:".to_owned(),
    };
    let _ = writeln!(out, "\n{}", bold(&title, colours));
    for subject in subjects {
        let subject = text::one_line(subject.as_str().unwrap_or_default());
        let _ = writeln!(out, "  {subject}");
    }
    if let Some(more) = strategy["more_own_subjects"].as_u64() {
        let _ = writeln!(out, "  and {more} more");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_follows_the_commands_is_told_below_them() {
        let record = json!({"stack": {"visualization": "main <- #2*"},
            "commands": [{"command": "git push", "description": "push"}],
            "summary": {"then": "look"},
            "fix_loop": {"max_iterations": 3, "steps": ["verify: a", "fix: b"]}});
        let text = render(&record, false);
        let expected = "git push\n# then: look\n# at most 3 times:\n#   verify: a\n#   fix: b\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn own_commits_are_told_on_every_page() {
        let drawn = json!({"visualization": "main <- #2*", "layers": []});
        let strategy = json!({"pr": 2, "own_subjects": ["one", "two\nlines"]});
        let strategy_and = |more: u64| {
            let mut strategy = strategy.clone();
            strategy["more_own_subjects"] = json!(more);
            strategy
        };
        let first = json!({"stack": drawn, "rebase_strategy": strategy});
        let text = render(&first, false);
        assert!(
            text.ends_with("\nown commits of #2:\n  one\n  two lines\n"),
            "{text}"
        );
        let cut = json!({"stack": drawn, "rebase_strategy": strategy_and(3)});
        let text = render(&cut, false);
        assert!(text.ends_with("  two lines\n  and 3 more\n"), "{text}");
        let further = json!({"rebase_strategy": {"own_subjects": ["three"]}});
        let text = render(&further, false);
        assert!(
            text.ends_with("\nown commits, continued:\n  three\n"),
            "{text}"
        );
        assert!(!render(&json!({"stack": drawn}), false).contains("own commits"));
    }
}
