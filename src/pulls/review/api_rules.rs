//! What others depend on: public names without documentation, and changes of a database that have
//! no way back.

use super::detectors::{FocusPoint, NewLine, is_new, point};
use super::focus::Focus;
use crate::pulls::areas::Area;
use crate::pulls::files::ChangedFile;

/// Beginnings of public items of Rust.
const RUST_ITEMS: [&str; 8] = [
    "pub fn ",
    "pub async fn ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub const ",
    "pub type ",
    "pub unsafe fn ",
];
/// Statements that lose data.
const LOSSES: [&str; 6] = [
    "drop table",
    "drop column",
    "truncate ",
    "drop_table",
    "remove_column",
    "op.drop_column",
];

/// What a line of code shows.
pub(super) fn of_line(
    path: &str,
    language: &str,
    tests: bool,
    lines: &[NewLine<'_>],
    place: usize,
) -> Vec<(&'static str, Focus)> {
    let undocumented = match language {
        "Rust" => {
            let code = lines[place].parts.code.trim_start();
            RUST_ITEMS.iter().any(|item| code.starts_with(item)) && !has_rust_docs(lines, place)
        }
        "Go" => is_public_go(lines[place].text) && !above(lines, place).starts_with("//"),
        _ => false,
    };
    let is_library = !path.ends_with("main.rs") && !path.contains("/bin/");
    if undocumented && !tests && is_library {
        vec![("public_without_docs", Focus::Api)]
    } else {
        Vec::new()
    }
}

/// Whether documentation stands above, with attributes in between. At the top of a hunk it may
/// stand above that: then nothing is said.
fn has_rust_docs(lines: &[NewLine<'_>], place: usize) -> bool {
    for line in lines[..place].iter().rev() {
        let text = line.text.trim();
        if text.starts_with("///") || text.starts_with("#[doc") || text.ends_with("*/") {
            return true;
        }
        let is_attribute = text.starts_with("#[") || text.ends_with(")]") || text.starts_with("//");
        if !is_attribute {
            return false;
        }
    }
    true
}

fn above<'a>(lines: &[NewLine<'a>], place: usize) -> &'a str {
    let line = place.checked_sub(1).and_then(|above| lines.get(above));
    line.map_or("//", |line| line.text.trim())
}

fn is_public_go(text: &str) -> bool {
    let rest = text
        .strip_prefix("func ")
        .or_else(|| text.strip_prefix("type "));
    let name = rest.map(|rest| match rest.strip_prefix('(') {
        Some(method) => method.split_once(") ").map_or("", |(_, name)| name),
        None => rest,
    });
    name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// What a migration shows as a whole.
pub(super) fn of_migration(file: &ChangedFile, area: Area) -> Vec<FocusPoint> {
    if area != Area::Migrations {
        return Vec::new();
    }
    let mut points = Vec::new();
    let is_back = file.filename.to_lowercase().contains("down");
    let mut goes_forth = None;
    let mut goes_back = false;
    let hunks = file.hunks();
    for line in hunks
        .iter()
        .flat_map(|hunk| hunk.changed_lines())
        .filter(|line| line.added)
    {
        let lower = line.text.to_lowercase();
        goes_back |= [
            "def downgrade",
            "def down",
            "exports.down",
            "fn down",
            "function down",
            "async down(",
        ]
        .iter()
        .any(|word| lower.contains(word));
        let forth = [
            "def upgrade",
            "def up",
            "exports.up",
            "fn up",
            "function up",
            "async up(",
        ];
        if goes_forth.is_none() && forth.iter().any(|word| lower.contains(word)) {
            goes_forth = Some(line);
        }
        let is_comment =
            lower.trim_start().starts_with("--") || lower.trim_start().starts_with('#');
        if !is_comment && !is_back && !goes_back && LOSSES.iter().any(|word| lower.contains(word)) {
            points.push(point(
                line.number,
                "migration_loses_data",
                Focus::Api,
                line.text,
            ));
        }
    }
    if let Some(line) = goes_forth.filter(|_| is_new(file) && !goes_back) {
        points.push(point(
            line.number,
            "migration_without_down",
            Focus::Api,
            line.text,
        ));
    }
    points
}
