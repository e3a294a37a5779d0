//! What reading a large job log costs, beside `grep -c FAILED` over the same file.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use issuecommand::pulls::ci_log;
use serde_json::json;

use crate::report::{Bar, Report, Side, median};
use crate::{Bench, Result, fail, progress};

/// Size of a log.
const BYTES: usize = 50_000_000;
/// Time of our parsers ÷ time of grep, at most.
const BAR: f64 = 4.0;

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let rounds = bench.options.rounds.unwrap_or(7);
    let header = [
        "50 MB log",
        "fastest ms",
        "median ms",
        "grep -c, ms",
        "file too, ms",
        "ratio",
        "failures",
    ];
    let mut report = Report::new("logs", bench.machine.clone(), &header);
    report.note(format!(
        "{rounds} interleaved rounds: ours on bytes in memory, as the server has them when gh has \
         ended; grep as a process on a file in the page cache, which it reads in pieces as it goes. \
         `file too`: ours with the whole file read into fresh memory before, which no bar is on"
    ));
    for (name, log) in [
        ("pytest -v", pytest()),
        ("cargo test", cargo_test()),
        ("no tests", plain()),
    ] {
        let path = bench.folder.join("job.log");
        fs::write(&path, &log)?;
        let (mut ours_ms, mut grep_ms, mut file_ms) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = 0;
        for _ in 0..rounds {
            let begun = Instant::now();
            found = ci_log::parse(log.as_bytes()).failures.len();
            ours_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            let begun = Instant::now();
            let mut grep = Command::new("grep");
            // With /dev/null as its output it would stop at the first line that it finds.
            let grep = grep
                .args(["-c", "FAILED"])
                .arg(&path)
                .stdout(Stdio::piped());
            // 1 is "no line found".
            if grep.output()?.status.code().is_none_or(|code| code > 1) {
                return fail("grep failed");
            }
            grep_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            let begun = Instant::now();
            ci_log::parse(&fs::read(&path)?);
            file_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        progress(format!("{name} {found} failures"));
        let ratio = median(ours_ms.iter().zip(&grep_ms).map(|(ours, grep)| ours / grep));
        let fastest = ours_ms.iter().copied().reduce(f64::min);
        let (ours, grep, file) = (median(ours_ms), median(grep_ms), median(file_ms));
        let shown = |time: Option<f64>| format!("{:.1}", time.unwrap_or(f64::NAN));
        report.row(
            vec![
                name.to_owned(),
                shown(fastest),
                shown(ours),
                shown(grep),
                shown(file),
                shown(ratio),
                found.to_string(),
            ],
            json!({
                "log": name, "fastest_ms": fastest, "median_ms": ours,
                "grep_ms": grep, "with_file_ms": file, "ratio": ratio, "failures": found,
            }),
        );
        report.bar(Bar::new(
            format!("{name}, ours / grep"),
            ratio,
            Side::AtMost,
            BAR,
        ));
    }
    Ok(report)
}

/// A line as GitHub delivers it.
fn push(log: &mut String, number: usize, text: &str) {
    let second = number / 1_000 % 60;
    let _ = writeln!(
        log,
        "2026-11-20T10:00:{second:02}.{:07}Z {text}",
        number % 10_000_000
    );
}

/// A verbose run of hundreds of thousands of tests, two of which fail.
fn pytest() -> String {
    let mut log = String::with_capacity(BYTES + 4_096);
    push(&mut log, 0, &format!("{:=^80}", " test session starts "));
    let mut number = 0;
    while log.len() < BYTES {
        number += 1;
        let (module, percent) = (number % 90, number % 100);
        let text =
            format!("tests/test_module_{module}.py::test_case[{number}] PASSED [{percent:3}%]");
        push(&mut log, number, &text);
    }
    push(
        &mut log,
        number,
        &format!("{:=^80}", " short test summary info "),
    );
    for name in ["test_one", "test_two[a b]"] {
        push(
            &mut log,
            number,
            &format!("FAILED tests/test_a.py::{name} - assert 1 == 2"),
        );
    }
    push(
        &mut log,
        number,
        &format!("{:=^80}", " 2 failed, 9 passed in 1.00s "),
    );
    log
}

/// The same of libtest.
fn cargo_test() -> String {
    let mut log = String::with_capacity(BYTES + 4_096);
    push(
        &mut log,
        0,
        "     Running unittests src/lib.rs (target/debug/deps/api-0123456789abcdef)",
    );
    push(&mut log, 0, "");
    push(&mut log, 0, "running 500000 tests");
    let mut number = 0;
    while log.len() < BYTES {
        number += 1;
        push(
            &mut log,
            number,
            &format!("test module::of::tests::case_{number} ... ok"),
        );
    }
    for text in [
        "test module::bad ... FAILED",
        "",
        "failures:",
        "",
        "---- module::bad stdout ----",
        "",
        "thread 'module::bad' panicked at src/lib.rs:3:5:",
        "it is bad",
        "",
        "",
        "failures:",
        "    module::bad",
        "",
        "test result: FAILED. 9 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
    ] {
        push(&mut log, number, text);
    }
    log
}

/// A download and a compilation, and nothing that a parser knows.
fn plain() -> String {
    let mut log = String::with_capacity(BYTES + 4_096);
    let mut number = 0;
    while log.len() < BYTES {
        number += 1;
        push(
            &mut log,
            number,
            &format!("   Compiling package-{number} v1.2.{number} (registry) with features"),
        );
    }
    log
}
