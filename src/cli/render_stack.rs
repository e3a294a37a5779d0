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
    next_page(&mut out, record);
    out
}
