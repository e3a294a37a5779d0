//! The table of formats.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use super::{
    Log, Run, dotnet, exunit, gradle, minitest, mypy, phpunit, pytest, rspec, ruff, surefire,
    unittest, xctest,
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
];

/// A search for all sentinels, and whose each of them is.
struct Sentinels {
    search: AhoCorasick,
    owners: Vec<usize>,
}

static SENTINELS: LazyLock<Option<Sentinels>> = LazyLock::new(|| {
    let mut owners = Vec::new();
    let mut texts = Vec::new();
    for (index, format) in FORMATS.iter().enumerate() {
        for sentinel in format.sentinels {
            owners.push(index);
            texts.push(*sentinel);
        }
    }
    // Leftmost matching lets the library look for rare bytes first.
    let mut builder = AhoCorasick::builder();
    let search = builder.match_kind(MatchKind::LeftmostFirst).build(texts);
    search.ok().map(|search| Sentinels { search, owners })
});

/// The formats of which a sentinel is in the log.
pub(super) fn present(bytes: &[u8]) -> impl Iterator<Item = &'static Format> {
    let mut seen = vec![false; FORMATS.len()];
    if let Some(Sentinels { search, owners }) = &*SENTINELS {
        let mut rest = 0;
        // On from the byte after its beginning: sentinels may overlap.
        while let Some(found) = search.find(Input::new(bytes).range(rest..)) {
            seen[owners[found.pattern().as_usize()]] = true;
            rest = found.start() + 1;
        }
    }
    let all = FORMATS.iter().zip(seen);
    all.filter(|(_, seen)| *seen).map(|(format, _)| format)
}
