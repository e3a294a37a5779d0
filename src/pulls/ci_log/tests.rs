//! Every fixture under `fixtures/ci-logs/`, against what is expected of it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// What is compared: `kind framework test | file:line | error | reproduce`, one line a failure.
fn told(failures: &[Failure]) -> String {
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
    failures.iter().map(line).collect()
}

/// Reads the files with this extension below `fixtures/ci-logs/{folder}` and compares what they
/// tell with the `.expected` file beside each. `UPDATE_EXPECTED=1` writes those; then they have to
/// be checked by hand.
pub(super) fn check(folder: &str, extension: &str, read: fn(&[u8]) -> Vec<Failure>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        count += 1;
        let found = told(&read(&fs::read(&path).unwrap()));
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        match fs::read_to_string(&expected) {
            Ok(expected) if found == expected => {}
            expected => wrong.push(format!(
                "{}\n--- expected\n{expected:?}\n--- found\n{found}",
                path.display()
            )),
        }
    }
    let list = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {count} files:\n{list}",
        wrong.len()
    );
    assert!(count > 0, "no fixtures in {folder}");
}

/// As GitHub delivers a log: time stamps, CRLF, the runner's own lines around.
fn as_delivered(log: &[u8]) -> Vec<u8> {
    let stamp = "2026-11-20T10:00:00.1234567Z ";
    let text = String::from_utf8_lossy(log);
    let mut delivered = format!("\u{feff}{stamp}##[group]Run make test\r\n{stamp}##[endgroup]\r\n");
    for line in text.lines() {
        delivered.push_str(&format!("{stamp}{line}\r\n"));
    }
    let end = "##[error]Process completed with exit code 1.";
    delivered.push_str(&format!("{stamp}{end}\r\n"));
    delivered.into_bytes()
}

/// Folders of logs, each named after its format.
pub(super) fn log_folders() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
    let mut folders = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let files = fs::read_dir(&path).unwrap();
        let is_log = |file: fs::DirEntry| file.path().extension().is_some_and(|it| it == "log");
        if files.flatten().any(is_log) {
            folders.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    folders
}

#[test]
fn every_recorded_log_gives_exactly_the_expected_failures() {
    for folder in log_folders() {
        check(&folder, "log", |log| parse(log).failures);
    }
}

#[test]
fn and_so_it_does_as_github_delivers_it() {
    for folder in log_folders() {
        check(&folder, "log", |log| parse(&as_delivered(log)).failures);
    }
}

#[test]
fn a_line_of_a_log_is_no_command_by_itself() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
    let commands = |file: &str, from: &str, to: &str| -> Vec<String> {
        let log = fs::read_to_string(root.join(file)).unwrap();
        assert!(log.contains(from), "{file}");
        let failures = parse(log.replace(from, to).as_bytes()).failures;
        failures.into_iter().filter_map(|it| it.reproduce).collect()
    };
    let rails = commands(
        "minitest/rails-deferred.log",
        "rails test test/models",
        "rails test $(id)test/models",
    );
    let quoted = "bin/rails test '$(id)test/models/user_test.rb:4'";
    assert!(rails.iter().any(|command| command == quoted), "{rails:?}");
    let cargo = commands(
        "cargo_test/backtrace.log",
        "pass `--lib`",
        "pass `--lib; id`",
    );
    assert!(!cargo.is_empty(), "there are failures");
    for command in rails.iter().chain(&cargo) {
        let mut bare = command.split('\'').step_by(2);
        let is_safe = bare.all(|part| !part.contains("$(id)") && !part.contains("; id"));
        assert!(is_safe, "{command}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Lines of real logs in any order, cut anywhere: whatever comes, the parsers stay on their feet.
    #[test]
    fn any_mixture_of_log_lines_is_read(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..400),
    ) {
        let all = all_lines();
        let mut log = Vec::new();
        for (pick, cut) in picks {
            let line = &all[pick.index(all.len())];
            let kept = if cut < 8 { line.len() * usize::from(cut) / 8 } else { line.len() };
            log.extend_from_slice(&line[..kept]);
            log.push(b'\n');
        }
        parse(&log);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        parse(&bytes);
    }
}

/// The lines of all recorded logs.
fn all_lines() -> &'static [Vec<u8>] {
    static LINES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
        let mut lines = Vec::new();
        for folder in log_folders() {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let log = fs::read(entry.unwrap().path()).unwrap();
                lines.extend(log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
            }
        }
        lines
    });
    &LINES
}
