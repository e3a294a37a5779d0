//! Every fixture under `fixtures/ci-logs/`, against what is expected of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs")
}

/// What is compared: `kind framework test | file:line | error | reproduce`, one line a failure.
fn told(report: &LogReport) -> String {
    let line = |failure: &Failure| {
        let kind = serde_json::to_value(failure.kind).unwrap();
        let line = failure
            .line
            .map_or(String::new(), |line| format!(":{line}"));
        format!(
            "{} {} {} | {}{line} | {} | {}\n",
            kind.as_str().unwrap(),
            failure.framework,
            failure.test,
            failure.file.as_deref().unwrap_or("-"),
            failure.error,
            failure.reproduce.as_deref().unwrap_or("-")
        )
    };
    report.failures.iter().map(line).collect()
}

/// As GitHub delivers a log: time stamps, CRLF, the runner's own lines around.
fn as_delivered(log: &[u8]) -> Vec<u8> {
    let stamp = "2026-11-20T10:00:00.1234567Z ";
    let text = String::from_utf8_lossy(log);
    let mut delivered = format!("\u{feff}{stamp}##[group]Run make test\r\n{stamp}##[endgroup]\r\n");
    for line in text.lines() {
        delivered.push_str(&format!("{stamp}{line}\r\n"));
    }
    delivered.push_str(&format!(
        "{stamp}##[error]Process completed with exit code 1.\r\n"
    ));
    delivered.into_bytes()
}

#[test]
fn every_recorded_log_gives_exactly_the_expected_failures() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for format in fs::read_dir(folder()).unwrap() {
        for entry in fs::read_dir(format.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            count += 1;
            let log = fs::read(&path).unwrap();
            let expected_path = path.with_extension("expected");
            for (how, log) in [
                ("as recorded", log.clone()),
                ("as delivered", as_delivered(&log)),
            ] {
                let found = told(&parse(&log));
                if std::env::var_os("UPDATE_EXPECTED").is_some() && how == "as recorded" {
                    fs::write(&expected_path, &found).unwrap();
                }
                let expected = fs::read_to_string(&expected_path).unwrap_or_default();
                if found != expected || !expected_path.exists() {
                    wrong.push(format!(
                        "{} {how}\n--- expected\n{expected}--- found\n{found}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} logs:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 0, "no fixtures");
}
