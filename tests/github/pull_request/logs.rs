//! Logs of the failing jobs, as GitHub delivers them: a byte order mark, a time stamp on each line,
//! groups, the colour of commands, and what `cargo test`, `pytest` and `jest` print.

use std::fmt::Write as _;

/// The tests that fail, as each framework names them.
pub const FAILING_TESTS: [&str; 5] = [
    "money::tests::half_cents_go_to_the_even_neighbour",
    "invoice::tests::total_is_the_sum_of_its_lines",
    "importer/tests/test_prices.py::test_half_cents[0.125-0.12]",
    "importer/tests/test_feed.py::TestFeed::test_currency_is_missing",
    "web/src/cart/total.test.ts › cart total › rounds half to even",
];

/// How many lines each log has at least.
pub const LOG_LINES: usize = 2_000;

/// How many tests pass in each job; with what surrounds them they fill [`LOG_LINES`].
const PASSING: usize = 1_700;
/// How many packages are fetched or compiled before.
const PACKAGES: usize = 260;

const AREAS: [&str; 8] = [
    "basket",
    "catalogue",
    "discounts",
    "feeds",
    "orders",
    "shipping",
    "stock",
    "taxes",
];
const CASES: [&str; 5] = [
    "accepts_an_empty_list",
    "keeps_the_order",
    "refuses_what_is_negative",
    "reads_what_it_wrote",
    "says_what_is_missing",
];

/// The log of a job, and the code that its last command exits with.
pub(super) fn of(job: &str) -> (String, u8) {
    let (command, text, code) = match job {
        "backend / test" => ("cargo test --workspace --no-fail-fast", cargo(), 101),
        "importer / test" => ("python -m pytest -v importer", pytest(), 1),
        _ => ("npx jest --ci --verbose", jest(), 1),
    };
    let mut log = set_up();
    let _ = write!(
        log,
        "##[group]Run {command}\n\u{1b}[36;1m{command}\u{1b}[0m\nshell: /usr/bin/bash -e {{0}}\n\
         env:\n  CI_PROJECT: api\n##[endgroup]\n{text}\
         ##[error]Process completed with exit code {code}.\n{TEAR_DOWN}"
    );
    (stamped(&log), code)
}

/// The time at which the runner printed each line.
fn stamped(text: &str) -> String {
    let mut log = String::from("\u{feff}");
    for (place, line) in text.lines().enumerate() {
        let (minute, second, fraction) = (place / 600 % 60, place / 10 % 60, place % 10);
        let _ = write!(
            log,
            "2026-11-20T10:{minute:02}:{second:02}.{fraction}234567Z {line}\r\n"
        );
    }
    log
}

fn set_up() -> String {
    let mut log = String::from(
        "Current runner version: '2.330.0'\n##[group]Runner Image Provisioner\nHosted Compute Agent\n\
         Version: 20261016.472\n##[endgroup]\n##[group]Operating System\nUbuntu\n24.04.3\nLTS\n\
         ##[endgroup]\n##[group]Runner Image\nImage: ubuntu-24.04\nVersion: 20261112.124.1\n\
         ##[endgroup]\n##[group]GITHUB_TOKEN Permissions\nContents: read\nMetadata: read\n\
         ##[endgroup]\nSecret source: Actions\nPrepare workflow directory\n\
         Prepare all required actions\nGetting action download info\n\
         Download action repository 'actions/checkout@v5'\nComplete job name: test\n\
         ##[group]Run actions/checkout@v5\nwith:\n  repository: acme/api\n  fetch-depth: 1\n\
         ##[endgroup]\nSyncing repository: acme/api\n##[group]Getting Git version info\n\
         [command]/usr/bin/git version\ngit version 2.51.2\n##[endgroup]\n",
    );
    for place in 0..40 {
        let _ = writeln!(
            log,
            " * [new branch]      topic-{place:02} -> origin/topic-{place:02}"
        );
    }
    log
}

const TEAR_DOWN: &str = "Post job cleanup.\n[command]/usr/bin/git version\ngit version 2.51.2\n\
     [command]/usr/bin/git config --local --get-regexp core.sshCommand\n\
     Cleaning up orphan processes\n";

/// An area, a case and a number that tell a passing test from all others.
fn passing() -> impl Iterator<Item = (&'static str, &'static str, usize)> {
    (0..PASSING).map(|place| {
        let (area, case) = (AREAS[place % AREAS.len()], CASES[place % CASES.len()]);
        (area, case, place)
    })
}

fn cargo() -> String {
    let mut log = String::from("    Updating crates.io index\n Downloading crates ...\n");
    for place in 0..PACKAGES {
        let _ = writeln!(
            log,
            "   Compiling package-{place:03} v1.{}.{}",
            place % 40,
            place % 7
        );
    }
    let _ = write!(
        log,
        "   Compiling backend v0.1.0 (/__w/api/api/backend)\n    \
         Finished `test` profile [unoptimized + debuginfo] target(s) in 2m 11s\n     \
         Running unittests src/lib.rs (target/debug/deps/backend-0d34a4734a895634)\n\n\
         running {} tests\n",
        PASSING + 2
    );
    for (area, case, place) in passing() {
        let _ = writeln!(log, "test {area}::tests::{case}_{place} ... ok");
    }
    let [money, invoice, ..] = FAILING_TESTS;
    let _ = write!(
        log,
        "test {invoice} ... FAILED\ntest {money} ... FAILED\n\nfailures:\n\n\
         ---- {invoice} stdout ----\nreading fixtures/invoice-17.json\n\n\
         thread '{invoice}' (2564) panicked at backend/src/invoice.rs:88:9:\n\
         assertion `left == right` failed: the total of invoice 17\n  left: Money {{ cents: 1004 }}\n \
         right: Money {{ cents: 1005 }}\n\
         note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\
         ---- {money} stdout ----\n\n\
         thread '{money}' (2565) panicked at backend/src/money.rs:51:9:\n\
         assertion `left == right` failed\n  left: Money {{ cents: 13 }}\n \
         right: Money {{ cents: 12 }}\n\n\nfailures:\n    {invoice}\n    {money}\n\n\
         test result: FAILED. {PASSING} passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in 4.71s\n\nerror: test failed, to rerun pass `-p backend --lib`\n   \
         Doc-tests backend\n\nrunning 0 tests\n\n\
         test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in 0.00s\n\nerror: 1 target failed:\n    `-p backend --lib`\n"
    );
    log
}

fn pytest() -> String {
    let mut log = String::new();
    for place in 0..PACKAGES {
        let _ = writeln!(
            log,
            "Requirement already satisfied: package-{place:03} in ./venv"
        );
    }
    let all = PASSING + 2;
    let _ = write!(
        log,
        "============================= test session starts ==============================\n\
         platform linux -- Python 3.12.1, pytest-9.2.0, pluggy-1.6.0 -- /opt/python/bin/python\n\
         rootdir: /__w/api/api\nplugins: xdist-3.8.0, anyio-4.16.0\n\
         collecting ... collected {all} items\n\n"
    );
    for (area, case, place) in passing() {
        let percent = place * 100 / all;
        let _ = writeln!(
            log,
            "importer/tests/test_{area}.py::test_{case}[{place}] PASSED   [{percent:>3}%]"
        );
    }
    let [_, _, half_cents, currency, _] = FAILING_TESTS;
    for test in [half_cents, currency] {
        let _ = writeln!(log, "{test} FAILED [100%]");
    }
    let _ = write!(
        log,
        "\n=================================== FAILURES ===================================\n\
         __________________________ test_half_cents[0.125-0.12] _________________________\n\n\
         price = '0.125', wanted = '0.12'\n\n    \
         @pytest.mark.parametrize(\"price, wanted\", CASES)\n    \
         def test_half_cents(price, wanted):\n>       assert str(rounded(price)) == wanted\n\
         E       AssertionError: assert '0.13' == '0.12'\nE         \n\
         E         - 0.12\nE         + 0.13\n\n\
         importer/tests/test_prices.py:21: AssertionError\n"
    );
    let _ = write!(
        log,
        "_______________________ TestFeed.test_currency_is_missing ______________________\n\n\
         self = <test_feed.TestFeed object at 0x7f6c13355d90>\n\n    \
         def test_currency_is_missing(self):\n>       prices = read(FEED_WITHOUT_CURRENCY)\n\n\
         importer/tests/test_feed.py:34: \n\
         _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ \n\n\
         feed = {{'prices': ['1,20']}}\n\n    def read(feed):\n\
         >       currency = feed[\"currency\"]\nE       KeyError: 'currency'\n\n\
         importer/importer/feed.py:12: KeyError\n\
         =========================== short test summary info ============================\n\
         FAILED {half_cents} - AssertionError: assert '0.13' == '0.12'\n\
         FAILED {currency} - KeyError: 'currency'\n\
         ================== 2 failed, {PASSING} passed in 31.22s (0:00:31) ===================\n"
    );
    log
}

fn jest() -> String {
    let mut log = String::new();
    for place in 0..PACKAGES {
        let _ = writeln!(
            log,
            "npm warn deprecated package-{place:03}@1.0.0: no longer supported"
        );
    }
    let suites = PASSING / 20;
    for suite in 0..suites {
        let area = AREAS[suite % AREAS.len()];
        let _ = write!(
            log,
            "PASS web/src/{area}/part-{suite:03}.test.ts\n  {area}\n"
        );
        for place in 0..20 {
            let case = CASES[place % CASES.len()].replace('_', " ");
            let _ = writeln!(log, "    ✓ {case} {place} ({} ms)", place % 9 + 1);
        }
        log.push('\n');
    }
    let [.., test] = FAILING_TESTS;
    let (file, name) = test.split_once(" › ").expect("a file and a name");
    let failed = format!(
        "FAIL {file}\n  ● {name}\n\n    \
         expect(received).toBe(expected) // Object.is equality\n\n    Expected: 12\n    \
         Received: 13\n\n       9 | describe('cart total', () => {{\n      \
         10 |   it('rounds half to even', () => {{\n    > 11 |     expect(cents(0.125)).toBe(12);\n         \
         |                          ^\n      12 |   }});\n      13 |\n\n      \
         at Object.toBe ({file}:11:26)\n\n"
    );
    let _ = write!(
        log,
        "{failed}Summary of all failing tests\n{failed}\n\
         Test Suites: 1 failed, {suites} passed, {} total\n\
         Tests:       1 failed, {PASSING} passed, {} total\nSnapshots:   0 total\n\
         Time:        41.318 s\nRan all test suites.\n",
        suites + 1,
        PASSING + 1
    );
    log
}
