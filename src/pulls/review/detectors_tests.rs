use super::detectors::{FocusPoint, points};
use crate::pulls::files::{ChangedFile, FileStatus};

fn changed(path: &str, status: FileStatus, patch: &str) -> Vec<FocusPoint> {
    points(&ChangedFile {
        filename: path.to_owned(),
        status,
        previous_filename: None,
        additions: 0,
        deletions: 0,
        patch: Some(patch.to_owned()),
    })
}

/// The codes of what these lines show when a file with this path is given them.
fn codes(path: &str, lines: &[&str]) -> Vec<&'static str> {
    let mut patch = format!("@@ -10,2 +10,{} @@", lines.len() + 1);
    for line in lines {
        patch.push_str("\n+");
        patch.push_str(line);
    }
    let points = changed(path, FileStatus::Modified, &patch);
    points.iter().map(|point| point.code).collect()
}

#[test]
fn lines_show_what_a_reviewer_looks_for() {
    let to_do = ["// TO", "DO: later"].concat();
    let debug = ["let x = dbg", "!(y);"].concat();
    let table: &[(&str, &str, &[&str])] = &[
        (
            "src/a.rs",
            "let row = rows.next().unwrap();",
            &["rust_unwrap"],
        ),
        (
            "src/a.rs",
            "let row = rows.next().unwrap_or_default();",
            &[],
        ),
        ("src/a.rs", "// never .unwrap() here", &[]),
        ("src/a.rs", "let s = \"call .unwrap() later\";", &[]),
        ("tests/a.rs", "let row = rows.next().unwrap();", &[]),
        (
            "src/a.rs",
            "f().expect(\"why\"); panic!(\"x\")",
            &["rust_expect", "rust_panic"],
        ),
        ("src/a.rs", "unsafe { *p }", &["rust_unsafe"]),
        ("src/a.rs", "forbid(unsafe_code)", &[]),
        ("src/a.rs", &debug, &["debug_output"]),
        ("src/a.rs", &to_do, &["left_to_do"]),
        ("src/a.py", "# a hackathon, not a mess", &[]),
        ("src/a.py", "result = eval(text)", &["eval"]),
        ("src/a.py", "literal_eval(text)", &[]),
        (
            "src/a.py",
            "subprocess.run(cmd, shell=True)",
            &["shell_command"],
        ),
        ("src/a.py", "except:", &["bare_except"]),
        ("src/a.py", "except ValueError:", &[]),
        (
            "src/a.py",
            "db.execute(f\"SELECT * FROM t WHERE id={x}\")",
            &["sql_built_from_strings", "select_star"],
        ),
        (
            "src/a.py",
            "db.execute(\"SELECT a FROM t WHERE id=%s\", (x,))",
            &[],
        ),
        (
            "src/a.py",
            "print(f\"WHERE did {x} go FROM here\")",
            &["debug_output"],
        ),
        (
            "src/a.rs",
            "let q = format!(\"DELETE FROM t WHERE id = {id}\");",
            &["sql_built_from_strings"],
        ),
        (
            "src/a.ts",
            "const q = `SELECT a FROM t WHERE id = ${id}`;",
            &["sql_built_from_strings"],
        ),
        ("src/a.ts", "console.log(user)", &["debug_output"]),
        ("scripts/a.js", "console.log(user)", &[]),
        ("src/a.ts", "// @ts-ignore", &["check_silenced"]),
        (
            "src/a.test.ts",
            "it.skip('x', () => {})",
            &["test_disabled"],
        ),
        (
            "src/a.test.ts",
            "describe.only('x', () => {})",
            &["test_focused"],
        ),
        (
            "tests/test_a.py",
            "@pytest.mark.skip(reason='flaky')",
            &["test_disabled"],
        ),
        ("tests/test_a.py", "time.sleep(2)", &["sleep_in_test"]),
        ("src/a.py", "time.sleep(2)", &[]),
        (
            "tests/a.rs",
            concat!("#[", "ignore = \"slow\"]"),
            &["test_disabled"],
        ),
        ("pkg/a_test.go", "t.Skip(\"later\")", &["test_disabled"]),
        ("a.go", "go func() {", &["goroutine"]),
        ("docs/a.md", "call .unwrap() and eval(x)", &[]),
        ("vendor/a.rs", "x.unwrap()", &[]),
        (
            ".github/workflows/ci.yml",
            "  pull_request_target:",
            &["pull_request_target"],
        ),
        (".github/workflows/ci.yml", "  # pull_request_target:", &[]),
        (
            ".github/workflows/ci.yml",
            "  contents: write",
            &["workflow_may_write"],
        ),
        (
            ".github/workflows/ci.yml",
            "    - uses: actions/checkout@v4",
            &["action_not_pinned"],
        ),
        (".github/workflows/ci.yml", "    - uses: ./local", &[]),
        (
            ".github/workflows/ci.yml",
            "    - uses: a/b@0123456789012345678901234567890123456789 # v4",
            &[],
        ),
        (
            ".github/workflows/ci.yml",
            "    - run: echo ${{ github.event.pull_request.title }}",
            &["expression_in_script"],
        ),
        (
            ".github/workflows/ci.yml",
            "    env: {TITLE: \"${{ github.event.pull_request.title }}\"}",
            &[],
        ),
        (
            ".github/workflows/ci.yml",
            "    - run: curl -s https://x | sh",
            &["script_from_the_net"],
        ),
        (
            "package.json",
            "    \"left-pad\": \"*\",",
            &["dependency_any_version"],
        ),
        (
            "Cargo.toml",
            "a = { git = \"https://x\" }",
            &["dependency_from_git"],
        ),
        ("a.go", "func Open(path string) error {", &[]),
    ];
    for (path, line, expected) in table {
        assert_eq!(codes(path, &[line]), *expected, "{path}: {line}");
    }
}

#[test]
fn rules_see_the_lines_around() {
    assert_eq!(
        codes("a.py", &["except Exception:", "    pass"]),
        ["bare_except"]
    );
    assert_eq!(codes("a.py", &["except Exception:", "    raise"]), [""; 0]);
    assert_eq!(
        codes("a.rs", &["", "pub fn open() {}"]),
        ["public_without_docs"]
    );
    assert_eq!(
        codes("a.rs", &["/// Opens.", "#[must_use]", "pub fn open() {}"]),
        [""; 0]
    );
    assert_eq!(
        codes("a.go", &["", "func Open() error {"]),
        ["public_without_docs"]
    );
    assert_eq!(
        codes("a.go", &["// Open opens.", "func (f *File) Open() {"]),
        [""; 0]
    );
    assert_eq!(
        codes("a.rs", &["#[cfg(test)]", "mod tests {", "x.unwrap();"]),
        [""; 0]
    );
    assert_eq!(
        codes("a.rs", &["let x = y.unwrap();", "assert_eq!(x, 1);"]),
        [""; 0]
    );
    let script = ["    - run: |", "        echo ${{ github.head_ref }}"];
    assert_eq!(
        codes(".github/workflows/ci.yml", &script),
        ["expression_in_script"]
    );
}

#[test]
fn points_know_their_line_and_hide_secrets() {
    let secret = ["ghp_", &"a1".repeat(18)].concat();
    let patch =
        format!("@@ -1,2 +1,3 @@\n a\n-let t = \"\";\n+let t = \"{secret}\";\n+b.unwrap();");
    let points = changed("src/a.rs", FileStatus::Modified, &patch);
    let told: Vec<_> = points
        .iter()
        .map(|point| (point.line, point.code, &*point.text))
        .collect();
    assert_eq!(
        told,
        [
            (2, "secret", "let t = \"ghp_[masked]\";"),
            (3, "rust_unwrap", "b.unwrap();")
        ]
    );
}

#[test]
fn checks_that_are_taken_away_are_told() {
    let patch =
        "@@ -5,3 +5,2 @@\n a\n-    assert_eq!(x, 1);\n-    assert!(y);\n+    assert!(y || z);";
    let points = changed("tests/a.rs", FileStatus::Modified, patch);
    assert_eq!(points.len(), 1);
    assert_eq!(
        (points[0].line, points[0].removed, points[0].code),
        (6, true, "assertion_removed")
    );
    assert!(changed("src/a.rs", FileStatus::Modified, patch).is_empty());
}

#[test]
fn migrations_need_a_way_back() {
    let forth = "@@ -0,0 +1,2 @@\n+def upgrade():\n+    op.drop_column('a', 'b')";
    let points = changed("alembic/versions/1_x.py", FileStatus::Added, forth);
    let codes: Vec<_> = points.iter().map(|point| point.code).collect();
    assert_eq!(codes, ["migration_without_down", "migration_loses_data"]);
    let both = "@@ -0,0 +1,4 @@\n+def upgrade():\n+    op.add_column('a')\n+def downgrade():\n+    op.drop_column('a', 'b')";
    assert!(changed("alembic/versions/1_x.py", FileStatus::Added, both).is_empty());
    let down = "@@ -0,0 +1 @@\n+DROP TABLE a;";
    assert!(changed("migrations/1.down.sql", FileStatus::Added, down).is_empty());
    assert_eq!(
        changed("migrations/1.up.sql", FileStatus::Added, down).len(),
        1
    );
}
