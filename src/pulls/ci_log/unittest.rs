//! Python's unittest, also as Django's `manage.py test` runs it (read from Python 3.8 to 3.13).

use std::ops::Range;

use super::python_trace::{own_python_frame, python_frame};
use super::{
    Confidence, EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, Log, Run, shell_word,
};

const NAME: &str = "unittest";
/// `unittest.runner.TextTestResult.separator1` and `separator2`.
const DOUBLE: &str = "======================================================================";
const SINGLE: &str = "----------------------------------------------------------------------";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    for (index, line) in log.from(0) {
        let is_step_end = line.starts_with("##[group]Run ") || line.starts_with("##[error]Process");
        if is_step_end {
            runs.extend(start.take().and_then(|start| unfinished(log, start..index)));
        } else if let Some(counts) = summary(log, index, line) {
            let lines = start.take().unwrap_or(index)..index + 3;
            let failures = failures(log, lines.start..index - 1, counts);
            runs.push(Run { lines, failures });
        } else if start.is_none() && begins(log, index, line) {
            start = Some(index);
        }
    }
    runs.extend(start.and_then(|start| unfinished(log, start..log.len())));
    runs
}

/// How many tests did not pass, as the last line says.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Failures and errors.
    failed: usize,
    unexpected: usize,
}

/// `Ran 3 tests in 0.002s`, below a line of dashes and above the result. A test prints such a line
/// more easily than all three.
fn summary(log: &Log<'_>, index: usize, line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("Ran ")?;
    if !(rest.contains(" test in ") || rest.contains(" tests in ")) || index == 0 {
        return None;
    }
    let result = log.line(index + 2);
    let is_framed = log.line(index - 1) == SINGLE && log.line(index + 1).is_empty();
    let is_result = ["OK", "FAILED (", "NO TESTS RAN"]
        .iter()
        .any(|word| result.starts_with(word));
    if !is_framed || !is_result {
        return None;
    }
    let mut counts = Counts::default();
    let inner = result.strip_prefix("FAILED (").unwrap_or_default();
    for count in inner.trim_end().trim_end_matches(')').split(", ") {
        let (what, number) = count.split_once('=').unwrap_or_default();
        let number = number.parse().unwrap_or(0);
        match what {
            "failures" | "errors" => counts.failed += number,
            "unexpected successes" => counts.unexpected += number,
            _ => {}
        }
    }
    Some(counts)
}

/// Whether a run begins here: unittest has no first line of its own.
fn begins(log: &Log<'_>, index: usize, line: &str) -> bool {
    match line.as_bytes() {
        [b'=', ..] => line == DOUBLE && header(log, index + 1).is_some(),
        [b'F', b'o', ..] => line.starts_with("Found ") && line.ends_with(" test(s)."),
        [first, ..] if first.is_ascii_alphabetic() || *first == b'_' || *first == b'.' => {
            let is_mark = |byte: &u8| b".FEsxu".contains(byte);
            line.as_bytes().iter().all(is_mark) || result(line).is_some()
        }
        _ => false,
    }
}

/// A test and its result of `-v`: `test_a (tests.test_b.TestC.test_a) ... FAIL`.
fn result(line: &str) -> Option<(&str, &str)> {
    let (test, result) = line
        .split_once(" ... ")
        .or_else(|| Some((line.strip_suffix(" ...")?, "")))?;
    let (name, class) = test.strip_suffix(')')?.split_once(" (")?;
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"._<>".contains(&byte);
    let is_test = !name.contains(' ') && class.contains('.') && class.bytes().all(is_path);
    is_test.then_some((test, result))
}

/// Kind and test of the line that heads a traceback: `FAIL: test_a (tests.test_b.TestC.test_a)`.
fn header<'a>(log: &'a Log<'_>, index: usize) -> Option<(&'a str, &'a str)> {
    let (kind, test) = log.line(index).split_once(": ")?;
    matches!(kind, "FAIL" | "ERROR" | "UNEXPECTED SUCCESS").then_some((kind, test))
}

/// The tracebacks are the last thing before the summary, so those that tests print come before.
fn failures(log: &Log<'_>, lines: Range<usize>, counts: Counts) -> Vec<Failure> {
    let mut left = counts;
    let mut records = Vec::new();
    let mut end = lines.end;
    for (index, line) in log.within(lines.clone()).rev() {
        if left.failed == 0 && left.unexpected == 0 {
            break;
        }
        if line != DOUBLE {
            continue;
        }
        let Some((kind, test)) = header(log, index + 1) else {
            continue;
        };
        let left = match kind {
            "UNEXPECTED SUCCESS" => &mut left.unexpected,
            _ => &mut left.failed,
        };
        if *left > 0 {
            *left -= 1;
            records.push((kind, test, index + 2..end));
        }
        end = index;
    }
    records.reverse();
    // Before Python 3.11 an unexpected success has no record.
    if left.unexpected > 0 {
        let results = log
            .within(lines.clone())
            .filter_map(|(_, line)| result(line));
        let tests = results.filter(|(_, result)| *result == "unexpected success");
        records.extend(
            tests
                .take(left.unexpected)
                .map(|(test, _)| ("UNEXPECTED SUCCESS", test, 0..0)),
        );
    }
    let is_django = log
        .within(lines)
        .any(|(_, line)| line.starts_with("Creating test database for "));
    let command = if is_django {
        "python manage.py test"
    } else {
        "python -m unittest"
    };
    let records = records.into_iter().take(FAILURES_MAX);
    records
        .map(|(kind, test, body)| failure(log, kind, test, body, command))
        .collect()
}

fn failure(log: &Log<'_>, kind: &str, test: &str, body: Range<usize>, command: &str) -> Failure {
    let body: Vec<&str> = log.within(body).map(|(_, line)| line).collect();
    let last = body.iter().rposition(|line| python_frame(line).is_some());
    let mut after = body.iter().skip(last.map_or(0, |last| last + 1));
    let is_error = |line: &&&str| !line.is_empty() && !line.starts_with(' ') && **line != SINGLE;
    let error = match kind {
        "UNEXPECTED SUCCESS" => "unexpected success",
        _ => after
            .find(is_error)
            .unwrap_or(&"failed; the log does not say why"),
    };
    let (id, subtest) = id(test);
    let shown = if subtest.is_empty() {
        id.clone()
    } else {
        format!("{id} {subtest}")
    };
    let own = body
        .iter()
        .rposition(|line| own_python_frame(line).is_some());
    let start = if body.len() > EXCERPT_LINES_MAX {
        own.or(last).unwrap_or(0)
    } else {
        0
    };
    let rerun = id
        .rsplit_once('(')
        .map_or(id.as_str(), |(_, class)| class.trim_end_matches(')'));
    let failure = Failure::new(FailureKind::Test, NAME, &shown, error)
        .shown_by(body[start..].iter().copied().filter(|line| *line != SINGLE))
        .reproduced_by(format!("{command} {}", shell_word(rerun)));
    match own.and_then(|own| own_python_frame(body[own])) {
        Some((file, line, _)) => failure.at(file, Some(line)),
        None => failure,
    }
}

/// The id to run a test again, and its subtest. `test_a (tests.test_b.TestC)`, since Python 3.11
/// `test_a (tests.test_b.TestC.test_a)`, is `tests.test_b.TestC.test_a`.
fn id(test: &str) -> (String, &str) {
    let parts = test.split_once(" (").and_then(|(name, rest)| {
        let (class, subtest) = rest.split_once(')')?;
        Some((name, class, subtest.trim()))
    });
    let Some((name, class, subtest)) = parts else {
        return (test.to_owned(), "");
    };
    let id = if class.contains("._FailedTest") {
        name.to_owned()
    } else if name.starts_with("setUp") || name.starts_with("tearDown") {
        // It belongs to no test: the class or module is run again.
        format!("{name} ({class})")
    } else if class
        .strip_suffix(name)
        .is_some_and(|class| class.ends_with('.'))
    {
        class.to_owned()
    } else {
        format!("{class}.{name}")
    };
    (id, subtest)
}

/// A run without a last line: what its result lines say.
fn unfinished(log: &Log<'_>, lines: Range<usize>) -> Option<Run> {
    let results = || {
        log.within(lines.clone())
            .filter_map(|(_, line)| result(line))
    };
    let command = "python -m unittest";
    let failed = |(test, result): (&str, &str)| {
        let kind = if result.starts_with("FAIL") {
            "FAIL"
        } else {
            "ERROR"
        };
        let is_failed = matches!(result.trim_end(), "FAIL" | "ERROR");
        is_failed.then(|| failure(log, kind, test, 0..0, command))
    };
    let mut failures: Vec<Failure> = results().filter_map(failed).take(FAILURES_MAX).collect();
    let mut told = log
        .within(lines.clone())
        .rev()
        .filter(|(_, line)| !line.trim().is_empty());
    if let Some((_, line)) = told.next()
        && let Some((test, "")) = result(line)
    {
        let mut last = failure(log, "ERROR", test, 0..0, command).shown_by([line]);
        "no result: the log ends while this test runs".clone_into(&mut last.error);
        failures.push(last);
    }
    for failure in &mut failures {
        failure.confidence = Confidence::Medium;
    }
    // Without a result it may be anything.
    results().next()?;
    Some(Run { lines, failures })
}
