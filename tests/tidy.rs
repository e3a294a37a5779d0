//! The plan of the house, held against the code: floors, configuration, README, leftovers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use issuecommand::app::VARIABLES;

/// Folders of `src/` from the ground up. A folder may use those of lower rows only.
const FLOORS: [&[&str]; 10] = [
    &["domain"],
    &["claim"],
    &["store", "process"],
    &["gh", "git"],
    &["coordinator", "pulls", "index"],
    &["service"],
    &["mcp", "worker"],
    &["http"],
    &["app"],
    &["cli"],
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = all_files_below(folder);
    found.retain(|file| has_extension(file, extension));
    found
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

fn all_files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
        if entry.is_dir() {
            found.extend(all_files_below(&entry));
        } else {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

#[test]
fn folders_import_only_from_lower_floors() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in files_below(&src, "rs") {
        let relative = file.strip_prefix(&src).expect("below src");
        let Some(folder) = relative.parent().and_then(|folder| folder.iter().next()) else {
            continue;
        };
        let folder = folder.to_str().expect("a plain name");
        let own =
            floor_of(folder).unwrap_or_else(|| panic!("{folder} has no floor: add it to the plan"));
        let text = fs::read_to_string(&file).expect("a readable file");
        for used in text.split("crate::").skip(1) {
            let name: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let Some(floor) = floor_of(&name) else {
                continue;
            };
            if name != folder && floor >= own {
                wrong.push(format!("{}: {folder} uses {name}", relative.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the plan:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_the_outermost_rooms_touch_clock_environment_and_console() {
    let allowed = [
        ("Timestamp::now()", &["domain/clock.rs"][..]),
        (
            "env::var",
            &["cli/mod.rs", "gh/client.rs", "pulls/ci_log/tests.rs"][..],
        ),
        ("io::stdout()", &["cli/", "app/printer.rs"][..]),
    ];
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in files_below(&src, "rs") {
        let relative = file
            .strip_prefix(&src)
            .expect("below src")
            .display()
            .to_string();
        let text = fs::read_to_string(&file).expect("a readable file");
        for (call, rooms) in allowed {
            if text.contains(call) && !rooms.iter().any(|room| relative.starts_with(room)) {
                wrong.push(format!("{relative} calls {call}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_environment_lists_every_variable() {
    let text = fs::read_to_string(root().join(".env.example")).expect(".env.example");
    let shown = |line: &str| {
        let line = line.strip_prefix('#').unwrap_or(line).trim();
        line.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let listed: Vec<(String, String)> = text
        .lines()
        .filter_map(shown)
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    let own = VARIABLES
        .iter()
        .filter(|variable| !matches!(variable.name, "HOME" | "XDG_STATE_HOME"));
    let expected: Vec<(String, String)> = own
        .map(|variable| (variable.name.to_owned(), variable.default.to_owned()))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn the_readme_names_every_variable_tool_and_script() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    for variable in VARIABLES.iter().filter(|variable| variable.name != "HOME") {
        assert!(
            text.contains(variable.name),
            "README.md does not name {}",
            variable.name
        );
    }
    for tool in issuecommand::service::tools() {
        assert!(
            text.contains(tool.name),
            "README.md does not name {}",
            tool.name
        );
    }
    for script in [
        "scripts/test",
        "scripts/demo",
        "scripts/bench",
        "scripts/fuzz",
    ] {
        assert!(text.contains(script), "README.md does not name {script}");
        assert!(root().join(script).exists(), "{script} does not exist");
    }
}

#[test]
fn no_leftovers() {
    // Put together, so that this file does not find itself.
    let banned = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["dbg", "!("].concat(),
    ];
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "scripts"] {
        for file in files_below(&root().join(folder), "rs") {
            // The Test Anything Protocol has a directive of this name.
            if file.ends_with("ci_log/tap.rs") || file.ends_with("ci_log/node_test.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a readable file");
            wrong.extend(
                banned
                    .iter()
                    .filter(|word| text.contains(*word))
                    .map(|word| format!("{}: {word}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_file_belongs_to_a_module() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests/it", "tests/sim", "tests/bench"] {
        let all = files_below(&root().join(folder), "rs");
        let folders: BTreeSet<&Path> = all.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            let named = |name: &str| folder.join(name);
            let beside = folder.with_extension("rs");
            let heads = [named("mod.rs"), named("lib.rs"), named("main.rs"), beside];
            let texts: String = heads
                .iter()
                .filter_map(|head| fs::read_to_string(head).ok())
                .collect();
            for file in all.iter().filter(|file| file.parent() == Some(folder)) {
                let stem = file
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .expect("a plain name");
                let is_head = matches!(stem, "mod" | "lib" | "main");
                if !is_head && !texts.contains(&format!("mod {stem};")) {
                    wrong.push(file.display().to_string());
                }
            }
        }
    }
    let others = all_files_below(&root().join("src")).into_iter();
    let others = others.filter(|file| !has_extension(file, "rs"));
    wrong.extend(others.map(|file| file.display().to_string()));
    assert!(
        wrong.is_empty(),
        "no module names these files:\n{}",
        wrong.join("\n")
    );
}
