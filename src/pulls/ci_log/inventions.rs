//! Where no test failed, none is told: logs of runs that passed, alone, cut, and with another
//! framework's failing run in the output of their tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// A recorded log, with its folder and name.
struct Recorded {
    framework: String,
    name: String,
    lines: Vec<String>,
}

impl Recorded {
    fn text(lines: &[String]) -> Vec<u8> {
        lines.join("\n").into_bytes()
    }

    /// The tests that failed by these lines.
    fn tests(lines: &[String]) -> BTreeSet<String> {
        let failures = JobLog::read(&Self::text(lines), None).failures;
        let tests = failures
            .into_iter()
            .filter(|failure| failure.kind == FailureKind::Test);
        tests
            .map(|failure| format!("{} {}", failure.framework, failure.test))
            .collect()
    }
}

fn recorded() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
    let mut all = Vec::new();
    for folder in tests::log_folders() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "log") {
                let text = fs::read(&path).unwrap();
                all.push(Recorded {
                    framework: folder.clone(),
                    name: format!("{folder}/{}", path.file_stem().unwrap().display()),
                    lines: String::from_utf8_lossy(&text)
                        .lines()
                        .map(str::to_owned)
                        .collect(),
                });
            }
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn passing() -> Vec<Recorded> {
    let mut all = recorded();
    all.retain(|log| parse(&Recorded::text(&log.lines)).failures.is_empty());
    all
}

#[test]
fn a_log_that_ends_amid_a_run_that_passes_has_no_certain_failure() {
    let mut wrong = Vec::new();
    for log in passing() {
        for end in 0..log.lines.len() {
            // What a test printed may look like a result; only its own end tells that it passed.
            let mut failures = parse(&Recorded::text(&log.lines[..end])).failures;
            failures.retain(|failure| {
                failure.kind == FailureKind::Test && failure.confidence == Confidence::High
            });
            if !failures.is_empty() {
                wrong.push(format!("{} {end}: {}", log.name, failures[0].test));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_log_without_some_line_is_read() {
    for log in recorded() {
        // All of them take a minute.
        for at in (0..log.lines.len()).step_by(1 + log.lines.len() / 20) {
            let mut lines = log.lines.clone();
            lines.remove(at);
            parse(&Recorded::text(&lines));
        }
    }
}

/// Where frameworks show what tests print: a recorded log of a run that passed, the line after
/// which it is shown, and what is put before each of its lines. ExUnit before 1.15 has no first
/// line, so that what its first test prints stands before the run.
const SHOWN: &[(&str, &str, &str)] = &[
    ("cargo_test/passing", "running 5 tests", ""),
    ("ctest/passing", "1: Test timeout", "1: "),
    (
        "dotnet-test/passing-documented",
        "A total of 1 test files",
        "",
    ),
    (
        "dotnet-test/vstest-15-passing",
        "Starting test execution",
        "",
    ),
    ("go_test/passing", "=== RUN   TestTraps", ""),
    ("go_test/passing", "=== RUN   TestTraps", "        "),
    (
        "gradle/passing",
        "com.example.TrapTest > prints STANDARD_OUT",
        "    ",
    ),
    ("gtest/passing", "[ RUN      ] Math.Fine", ""),
    ("jest/v30-passing", "  console.log", "    "),
    ("minitest/passing", "# Running:", ""),
    ("mocha/v11-passing", "  green", ""),
    ("nextest/passing", "  stdout ───", "    "),
    ("node-test/green", "> node --test", ""),
    ("phpunit/passing", "PHPUnit 9.6.7", ""),
    ("playwright/passing", "Running 2 tests", ""),
    (
        "pytest/passing",
        "tests/test_traps.py::test_prints_traps",
        "",
    ),
    ("pytest/passing-shows-output", "----", ""),
    ("rspec/passing", "traps", ""),
    (
        "surefire/passing",
        "[INFO] Running com.example.PassTest",
        "",
    ),
    ("tap/node-green", "TAP version 13", "# "),
    ("unittest/passing", "test_prints (ok", ""),
    ("vitest/v3-green", "stdout |", ""),
    (
        "xctest/passing-documented",
        "Test Case 'UserTests.testPrints' started",
        "",
    ),
    (
        "xctest/swift-6-passing",
        "Test Case 'UserTests.testPrints' started",
        "",
    ),
    ("xctest/swift-6-passing", "◇ Test prints() started.", ""),
];

/// Folders of logs that cannot be told apart from the run around them, by that run. ExUnit's trace
/// overwrites its lines, and with them the blanks that Gradle puts before what is printed. CTest
/// prints what GoogleTest prints, and gotestsum what `go test` does. The `Finished in` of ExUnit and
/// Minitest may be RSpec's.
const NOT_TOLD_APART: &[(&str, &[&str])] = &[
    ("gradle/passing", &["exunit"]),
    ("gtest/passing", &["ctest"]),
    ("go_test/passing", &["gotestsum"]),
    ("rspec/passing", &["exunit", "minitest"]),
];

#[test]
fn output_of_a_run_that_passed_has_no_failed_test() {
    let all = recorded();
    let failing = |log: &&Recorded| !Recorded::tests(&log.lines).is_empty();
    let failing: Vec<&Recorded> = all.iter().filter(failing).collect();
    let mut wrong = Vec::new();
    for (name, after, mark) in SHOWN {
        let outer = all.iter().find(|log| log.name == *name).unwrap();
        let at = outer.lines.iter().position(|line| line.starts_with(after));
        let at = at.unwrap_or_else(|| panic!("{name} has no line {after:?}")) + 1;
        for inner in &failing {
            let is_known = |(outer, inners): &(&str, &[&str])| {
                outer == name && inners.contains(&&*inner.framework)
            };
            if inner.framework == outer.framework || NOT_TOLD_APART.iter().any(is_known) {
                continue;
            }
            let mut lines = outer.lines[..at].to_vec();
            lines.extend(inner.lines.iter().map(|line| format!("{mark}{line}")));
            lines.extend_from_slice(&outer.lines[at..]);
            let tests = Recorded::tests(&lines);
            if !tests.is_empty() {
                let first = tests.first().unwrap();
                wrong.push(format!("{name} {} ({}) {first}", inner.name, tests.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
