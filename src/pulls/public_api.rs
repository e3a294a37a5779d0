//! Public names that a change takes away, told from its hunks: a name that is added again anywhere
//! in the change was moved or given another shape, and is not listed.

use std::collections::HashSet;

use super::areas::{self, Area};
use super::files::ChangedFile;

/// A public name that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedName {
    /// File.
    pub path: String,
    /// Line in the old file.
    pub line: u32,
    /// The name.
    pub name: String,
}

/// The public names that a change takes away from code, in the order of its files.
pub fn removed_names(files: &[ChangedFile]) -> Vec<RemovedName> {
    let mut added = HashSet::new();
    let mut removed = Vec::new();
    for file in files {
        let area = Area::of(&file.filename);
        let language = areas::language(&file.filename).unwrap_or_default();
        if !area.is_code() {
            continue;
        }
        for line in file.hunks().iter().flat_map(|hunk| hunk.changed_lines()) {
            let Some(name) = public_name(language, line.text) else {
                continue;
            };
            if line.added {
                added.insert(name.to_owned());
            } else {
                removed.push(RemovedName {
                    path: file.filename.clone(),
                    line: line.number,
                    name: name.to_owned(),
                });
            }
        }
    }
    removed.retain(|gone| !added.contains(&gone.name));
    removed
}

/// The public name that a line declares.
fn public_name<'a>(language: &str, line: &'a str) -> Option<&'a str> {
    let rest = match language {
        "Rust" => after_words(
            line.trim_start().strip_prefix("pub ")?,
            &["async ", "const ", "unsafe ", "extern \"C\" "],
            &[
                "fn ", "struct ", "enum ", "trait ", "type ", "static ", "mod ", "",
            ],
        )?,
        "JavaScript" | "TypeScript" => after_words(
            line.strip_prefix("export ")?,
            &["default ", "declare ", "abstract ", "async "],
            &[
                "function ",
                "class ",
                "const ",
                "interface ",
                "type ",
                "enum ",
                "let ",
            ],
        )?,
        "Python" => after_words(line, &["async "], &["def ", "class "])?,
        "Go" => {
            let rest = after_words(line, &[], &["func ", "type "])?;
            match rest.strip_prefix('(') {
                Some(method) => method.split_once(") ")?.1,
                None => rest,
            }
        }
        _ => return None,
    };
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let name = &rest[..end.unwrap_or(rest.len())];
    let is_public = match language {
        "Go" => name.starts_with(char::is_uppercase),
        _ => !name.starts_with('_'),
    };
    let is_keyword = matches!(name, "use" | "crate" | "in" | "fn");
    (!name.is_empty() && is_public && !is_keyword).then_some(name)
}

/// What follows any of the optional words and one of the others.
fn after_words<'a>(line: &'a str, optional: &[&str], one_of: &[&str]) -> Option<&'a str> {
    let mut rest = line;
    while let Some(after) = optional.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = after;
    }
    one_of.iter().find_map(|word| rest.strip_prefix(word))
}

#[cfg(test)]
mod tests {
    use super::super::files::FileStatus;
    use super::*;

    fn file(path: &str, lines: &[&str]) -> ChangedFile {
        ChangedFile {
            filename: path.to_owned(),
            status: FileStatus::Modified,
            previous_filename: None,
            additions: 0,
            deletions: 0,
            patch: Some(format!("@@ -1,9 +1,9 @@\n{}", lines.join("\n"))),
        }
    }

    #[test]
    fn declarations_have_names() {
        for (language, line, name) in [
            ("Rust", "    pub async fn open(&self) {", Some("open")),
            ("Rust", "pub const MAX: u8 = 1;", Some("MAX")),
            ("Rust", "pub(crate) fn open() {", None),
            ("Rust", "pub use a::b;", None),
            ("Rust", "pub const fn f() {}", Some("f")),
            ("TypeScript", "export default class App {", Some("App")),
            ("TypeScript", "export { a } from './a'", None),
            ("Python", "def open(path):", Some("open")),
            ("Python", "    def method(self):", None),
            ("Python", "def _hidden():", None),
            ("Go", "func (f *File) Close() error {", Some("Close")),
            ("Go", "func open() {", None),
            ("C", "int open(void) {", None),
        ] {
            assert_eq!(public_name(language, line), name, "{line}");
        }
    }

    #[test]
    fn what_moved_is_not_gone() {
        let files = [
            file(
                "src/a.rs",
                &[
                    "-pub fn moved() {}",
                    "-pub fn gone() {}",
                    " x",
                    "+pub fn gone2() {}",
                ],
            ),
            file("src/b.rs", &["+pub fn moved() -> u8 {}"]),
            file("tests/c.rs", &["-pub fn helper() {}"]),
        ];
        let removed = removed_names(&files);
        assert_eq!(removed.len(), 1);
        assert_eq!((&*removed[0].name, removed[0].line), ("gone", 2));
    }
}
