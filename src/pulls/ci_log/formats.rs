//! The table of formats.

use super::{
    Log, Run, c_compiler, cargo_test, ctest, dotnet, eslint, exunit, go_build, go_test,
    go_test_json, gotestsum, gradle, gtest, jest, minitest, mocha, mypy, nextest, node_test,
    phpunit, playwright, prettier, pytest, rspec, ruff, rustc, surefire, swiftc, tap, tsc,
    unittest, vitest, xctest,
};

/// One log format.
pub(super) struct Format {
    /// Name of the tool.
    pub name: &'static str,
    /// Texts of which at least one is in every log of this format that matters, as the tool writes
    /// them whether coloured or not. Rare in other logs: a parser that is not needed costs time.
    pub sentinels: &'static [&'static str],
    /// Compilers and linters: what they say inside a test run is output of that run.
    pub is_diagnostic: bool,
    /// Finds the runs in a log, in order. Pure, linear in the log's size, and never panics.
    pub parse: fn(&Log<'_>) -> Vec<Run>,
}

/// All formats.
pub(super) static FORMATS: &[Format] = &[
    Format {
        name: "pytest",
        sentinels: &[
            "test session starts",
            "short test summary info",
            "ImportError while loading conftest",
        ],
        is_diagnostic: false,
        parse: pytest::parse,
    },
    Format {
        name: "unittest",
        sentinels: &[" tests in ", "Ran 1 test in ", ") ... FAIL", ") ... ERROR"],
        is_diagnostic: false,
        parse: unittest::parse,
    },
    Format {
        name: "mypy",
        sentinels: &[
            " source file)",
            " source files)",
            "(errors prevented further checking)",
            "Success: no issues found in ",
        ],
        is_diagnostic: true,
        parse: mypy::parse,
    },
    Format {
        name: "ruff",
        sentinels: &[
            "Found 1 error.",
            " errors.",
            " remaining).",
            "would be reformatted",
            "All checks passed!",
        ],
        is_diagnostic: true,
        parse: ruff::parse,
    },
    Format {
        name: "rspec",
        sentinels: &[
            "Failure/Error:",
            " examples, ",
            "1 example, ",
            " (FAILED - 1)",
        ],
        is_diagnostic: false,
        parse: rspec::parse,
    },
    Format {
        name: "minitest",
        sentinels: &[
            "# Running:",
            "rails/test_unit/runner.rb",
            "rake_test_loader.rb",
        ],
        is_diagnostic: false,
        parse: minitest::parse,
    },
    Format {
        name: "gradle",
        sentinels: &[
            "> Task :",
            " tests completed, ",
            "Execution failed for task '",
            " STANDARD_OUT",
            " STANDARD_ERROR",
        ],
        is_diagnostic: false,
        parse: gradle::parse,
    },
    Format {
        name: "phpunit",
        sentinels: &[" by Sebastian Bergmann", r"PHPUnit\TextUI"],
        is_diagnostic: false,
        parse: phpunit::parse,
    },
    Format {
        name: "exunit",
        sentinels: &[
            "Running ExUnit",
            "s async, ",
            "_test.exs",
            "== Compilation error in file ",
        ],
        is_diagnostic: false,
        parse: exunit::parse,
    },
    Format {
        name: "surefire",
        sentinels: &[" T E S T S"],
        is_diagnostic: false,
        parse: surefire::parse,
    },
    Format {
        name: "dotnet-test",
        sentinels: &[
            "Starting test execution",
            "Test run for ",
            "!  - Failed:",
            "Test run summary:",
            "Test summary: total: ",
            "error TESTERROR",
        ],
        is_diagnostic: false,
        parse: dotnet::parse,
    },
    Format {
        name: "xctest",
        sentinels: &["Test Suite '", "Test case '", "Test run started."],
        is_diagnostic: false,
        parse: xctest::parse,
    },
    Format {
        name: "dotnet-build",
        sentinels: &[
            "error CS",
            "error FS",
            "error NETSDK",
            "error MSB",
            "error NU",
            ": error : ",
        ],
        is_diagnostic: true,
        parse: dotnet::parse_compilation,
    },
    Format {
        name: "javac",
        sentinels: &["COMPILATION ERROR"],
        is_diagnostic: true,
        parse: surefire::parse_compilation,
    },
    // `● ` is in the header of each failure; the summary is missing when jest crashed.
    Format {
        name: "jest",
        sentinels: &["Test Suites:", "● "],
        is_diagnostic: false,
        parse: jest::parse,
    },
    Format {
        name: "vitest",
        sentinels: &[" RUN ", " Startup Error "],
        is_diagnostic: false,
        parse: vitest::parse,
    },
    // `1) ` is in the line of a failure, for logs that end before the summary.
    Format {
        name: "mocha",
        sentinels: &[" passing", "Exception during run: ", "1) "],
        is_diagnostic: false,
        parse: mocha::parse,
    },
    Format {
        name: "node-test",
        sentinels: &["ℹ duration_ms ", "✖ "],
        is_diagnostic: false,
        parse: node_test::parse,
    },
    Format {
        name: "tap",
        sentinels: &["TAP version 1", "not ok "],
        is_diagnostic: false,
        parse: tap::parse,
    },
    // With colours `Running` stands alone, but the list of failures has this.
    Format {
        name: "playwright",
        sentinels: &[" tests using ", " test using ", "] › ", "playwright test"],
        is_diagnostic: false,
        parse: playwright::parse,
    },
    // `error` and the code are of different colours when pretty.
    Format {
        name: "tsc",
        sentinels: &["error TS", "\u{1b}[90m TS"],
        is_diagnostic: true,
        parse: tsc::parse,
    },
    Format {
        name: "eslint",
        sentinels: &[
            " problem (",
            " problems (",
            " problem\n",
            " problems\n",
            " problems\r",
            " problem\r",
        ],
        is_diagnostic: true,
        parse: eslint::parse,
    },
    Format {
        name: "prettier",
        sentinels: &["Checking formatting..."],
        is_diagnostic: true,
        parse: prettier::parse,
    },
    Format {
        name: "cargo-test",
        sentinels: &[
            "test result: ",
            ", to rerun pass ",
            "unittests src",
            " ... FAILED",
            " ... \x1b[31mFAILED",
        ],
        is_diagnostic: false,
        parse: cargo_test::parse,
    },
    Format {
        name: "nextest",
        sentinels: &["nextest profile: ", "tests across ", "test across "],
        is_diagnostic: false,
        parse: nextest::parse,
    },
    Format {
        name: "go-test",
        sentinels: &["--- FAIL: ", "=== RUN   ", "FAIL\t"],
        is_diagnostic: false,
        parse: go_test::parse,
    },
    Format {
        name: "go-test",
        sentinels: &["\"Action\":\""],
        is_diagnostic: false,
        parse: go_test_json::parse,
    },
    Format {
        name: "go-test",
        sentinels: &["=== Failed"],
        is_diagnostic: false,
        parse: gotestsum::parse,
    },
    Format {
        name: "go-build",
        sentinels: &[".go:"],
        is_diagnostic: true,
        parse: go_build::parse,
    },
    Format {
        name: "rustc",
        sentinels: &[
            "error[E",
            "could not compile `",
            "Diff in ",
            "custom build command for `",
            "no matching package",
            "failed to select a version",
            "Cargo.toml",
            "Cargo.lock",
        ],
        is_diagnostic: true,
        parse: rustc::parse,
    },
    Format {
        name: "c-compiler",
        sentinels: &[
            "error: ",
            "undefined reference to `",
            "ld: cannot find ",
            "multiple definition of `",
            "Undefined symbols for architecture",
        ],
        is_diagnostic: true,
        parse: c_compiler::parse,
    },
    Format {
        name: "swiftc",
        sentinels: &[".swift:"],
        is_diagnostic: true,
        parse: swiftc::parse,
    },
    Format {
        name: "ctest",
        sentinels: &[
            "tests passed, ",
            "Test project ",
            "The following tests FAILED:",
        ],
        is_diagnostic: false,
        parse: ctest::parse,
    },
    Format {
        name: "gtest",
        sentinels: &["[==========]"],
        is_diagnostic: false,
        parse: gtest::parse,
    },
];
