//! What failed in a Go package, by what its test binary wrote: the same with `go test`, `-v` and
//! `-json`.

use std::collections::{HashMap, HashSet};

use super::place::{self, Place};
use super::{Confidence, FAILURES_MAX, Failure, FailureKind, LINE_CHARS_MAX, cut, shell_word};

const NAME: &str = "go-test";
/// What the names of tests begin with.
const TEST_KINDS: [&str; 4] = ["Test", "Fuzz", "Example", "Benchmark"];
/// Lines of a test's output that are read.
const OUTPUT_LINES_MAX: usize = 100;
/// Lines of a stack trace that are read.
const TRACE_LINES_MAX: usize = 60;
/// Deepest subtest whose parents are looked for.
pub(super) const DEPTH_MAX: usize = 32;

/// Name of the test of `--- PASS: TestA (0.00s)`, whatever its result.
pub(super) fn finished(line: &str) -> Option<&str> {
    let (result, rest) = line.trim_start().strip_prefix("--- ")?.split_once(": ")?;
    let (name, _) = rest.strip_suffix("s)")?.rsplit_once(" (")?;
    matches!(result, "PASS" | "FAIL" | "SKIP" | "BENCH").then_some(name)
}

/// Name of the test of `--- FAIL: TestA/b (0.00s)`, of a benchmark without time. It stands behind
/// what the test printed last, if that does not end its line.
pub(super) fn failed(line: &str) -> Option<&str> {
    if !line.ends_with("s)") && !line.starts_with("--- FAIL: Bench") {
        return None;
    }
    let (before, rest) = line.rsplit_once("--- FAIL: ")?;
    let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
    let is_glued = !before.trim_start().is_empty();
    if is_glued && (before.starts_with(' ') || name.contains('/')) {
        return None;
    }
    is_test(name).then_some(name)
}

fn is_test(name: &str) -> bool {
    TEST_KINDS.iter().any(|kind| name.starts_with(kind))
}

fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// What failed in a package that failed, by the lines its test binary wrote.
pub(super) fn failures(lines: &[&str], package: &str) -> Vec<Failure> {
    let failed = failed_tests(lines);
    let mut outputs = outputs(lines, &failed);
    let crash = crash(lines, package);
    let race = lines.iter().position(|line| *line == "WARNING: DATA RACE");
    let mut failures: Vec<Failure> = Vec::new();
    for name in failed.into_iter().take(FAILURES_MAX) {
        let output = outputs.remove(name).unwrap_or_default();
        match &crash {
            Some(crash) if crash.test == name => {}
            _ => {
                let race = race.map(|start| &lines[start..]);
                failures.push(explain(failure(name, package), &output, race));
            }
        }
    }
    match crash {
        Some(crash) => failures.push(crash),
        None if failures.is_empty() => failures.push(exited(lines, package)),
        None => {}
    }
    failures
}

/// The tests that failed, without those that failed only because a subtest did, in their order.
fn failed_tests<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let started = lines
        .iter()
        .filter_map(|line| line.strip_prefix("=== RUN   "));
    let started: HashSet<&str> = started.collect();
    let names = lines.iter().filter_map(|line| failed(line));
    let names = names.filter(|name| started.is_empty() || started.contains(name));
    let mut seen = HashSet::new();
    let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    let parents: HashSet<&str> = names.iter().flat_map(|name| parents(name)).collect();
    // A test whose parent did not fail was only printed.
    let mut names = names;
    names.retain(|name| !parents.contains(name) && seen.contains(top(name)));
    names
}

/// What these tests printed.
fn outputs<'a>(lines: &[&'a str], names: &[&'a str]) -> HashMap<&'a str, Vec<&'a str>> {
    let mut outputs: HashMap<_, Vec<_>> = names.iter().map(|name| (*name, Vec::new())).collect();
    let mut current = None;
    // With `-v` all that is printed between two such lines is of one test.
    let mut all = false;
    for &line in lines {
        let named = || line.strip_prefix("=== ")?.split_at_checked(6);
        if line.starts_with("=== ")
            && let Some((_, name)) = named()
        {
            current = Some(name);
            all = true;
        } else if line == "FAIL" || line.starts_with("panic: ") {
            current = None;
        } else if let Some(name) = failed(line).or_else(|| finished(line)) {
            current = Some(name);
            all = name.starts_with("Example");
        } else if (all || line.starts_with([' ', '\t']))
            && let Some(output) = current.and_then(|name| outputs.get_mut(name))
            && output.len() < OUTPUT_LINES_MAX
        {
            output.push(line);
        }
    }
    outputs
}

/// A failed test, of which nothing is known yet but its name.
pub(super) fn failure(name: &str, package: &str) -> Failure {
    let package = if package.is_empty() { "./..." } else { package };
    let is_benchmark = name.starts_with("Benchmark");
    let flag = if is_benchmark {
        "-run '^$' -bench"
    } else {
        "-run"
    };
    let command = format!(
        "go test {} {flag} {}",
        shell_word(package),
        shell_word(&pattern(name))
    );
    Failure::new(FailureKind::Test, NAME, name, "the test failed").reproduced_by(command)
}

/// The pattern for exactly this test: a regular expression for each level of subtests.
pub(super) fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for part in name.split('/') {
        pattern.push_str(if pattern.is_empty() { "^" } else { "/^" });
        for character in part.chars() {
            if r"\.+*?()|[]{}^$".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('$');
    }
    pattern
}

/// The failure of a package as a whole.
fn whole(package: &str, error: &str) -> Failure {
    let command = format!("go test {}", shell_word(package));
    Failure::new(FailureKind::Test, NAME, package, error).reproduced_by(command)
}

/// The failure of a package that was not even built, for that reason: `build failed`.
pub(super) fn unbuilt(package: &str, reason: &str) -> Failure {
    Failure {
        kind: FailureKind::Build,
        ..whole(package, reason)
    }
}

/// The test binary exited without a failed test: amid a test, or outside of all.
fn exited(lines: &[&str], package: &str) -> Failure {
    let texts = || lines.iter().copied();
    let is_said = |line: &&str| {
        !line.trim().is_empty()
            && !["FAIL", "PASS"].contains(line)
            && !["exit status ", "coverage: ", "=== ", "--- "]
                .iter()
                .any(|start| line.starts_with(start))
    };
    let count = texts().count();
    let said = texts().rev().take(OUTPUT_LINES_MAX).find(is_said);
    let error = said.unwrap_or("the test binary exited").trim();
    let failure = match running(lines) {
        Some(name) => Failure {
            error: cut(error, LINE_CHARS_MAX),
            ..failure(name, package)
        },
        None => whole(package, error),
    };
    failure.shown_by(texts().skip(count.saturating_sub(super::EXCERPT_LINES_MAX)))
}

/// The test that was started last and has not finished.
fn running<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let done: HashSet<&str> = lines.iter().filter_map(|line| finished(line)).collect();
    let started = lines
        .iter()
        .rev()
        .filter_map(|line| line.strip_prefix("=== RUN   "));
    started.into_iter().find(|name| !done.contains(name))
}

/// Completes the failure of a test by what it printed; the race detector's first report may stand
/// elsewhere in the package's output.
pub(super) fn explain(mut failure: Failure, output: &[&str], report: Option<&[&str]>) -> Failure {
    if failure.test.starts_with("Example")
        && let Some(got) = output.iter().position(|line| *line == "got:")
        && let Some(want) = output.iter().position(|line| *line == "want:")
        && got < want
    {
        let text = |lines: &[&str]| lines.join("\n").trim_end().to_owned();
        let error = format!(
            "got {:?}, want {:?}",
            text(&output[got + 1..want]),
            text(&output[want + 1..])
        );
        let error = cut(&error, LINE_CHARS_MAX);
        return Failure { error, ..failure }.shown_by(output.iter().copied());
    }
    // The fuzzer keeps the input that failed as a case of its own.
    let kept = output
        .iter()
        .find_map(|line| line.trim().strip_prefix("go test -run="));
    if let Some(name) = kept
        && let Some((before, _)) = failure
            .reproduce
            .as_deref()
            .and_then(|own| own.split_once(" -run "))
    {
        failure.reproduce = Some(format!("{before} -run {}", shell_word(&pattern(name))));
    }
    // `t.Log` writes as `t.Error` does; what was logged before an error is seldom about it.
    let said = output
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, logged(line)?)));
    let said: Vec<(usize, Place<'_>)> = said.collect();
    let telling = said.iter().find(|(_, place)| is_telling(place.rest));
    let Some((at, place)) = telling.or(said.last()) else {
        if let Some(crash) = crash(output, "") {
            return Failure {
                test: failure.test,
                reproduce: failure.reproduce,
                ..crash
            };
        }
        let last = output.iter().rfind(|line| !line.trim().is_empty());
        let error = last.map_or(failure.error.clone(), |line| line.trim().to_owned());
        return Failure { error, ..failure }.shown_by(output.iter().copied());
    };
    let shown = output[*at..].iter().copied();
    if place.file == "testing.go" {
        let error = place.rest.to_owned();
        return race(Failure { error, ..failure }, report);
    }
    let error = if place.rest.is_empty() {
        testify(&output[at + 1..])
    } else {
        place.rest.to_owned()
    };
    Failure { error, ..failure }
        .at(place.file, Some(place.line))
        .shown_by(shown)
}

/// `    a_test.go:4: got 1 want 2`, as the log functions of `testing.T` write it.
fn logged(line: &str) -> Option<Place<'_>> {
    let text = line.strip_prefix("    ")?.trim_start_matches(' ');
    let place = place::leading(text)?;
    (place.file.ends_with(".go") && !place.file.contains(' ')).then_some(place)
}

/// Whether a logged text is about what is wrong; testify begins with an empty line.
fn is_telling(text: &str) -> bool {
    let words = [
        "want",
        "expect",
        "got",
        "fail",
        "error",
        "mismatch",
        "invalid",
        "wrong",
        "race detected",
    ];
    let text = text.to_ascii_lowercase();
    text.is_empty() || words.iter().any(|word| text.contains(word))
}

/// The error of an assertion of testify, which labels its lines (`Error:      \tNot equal: `).
fn testify(lines: &[&str]) -> String {
    let mut told: Vec<&str> = Vec::new();
    for line in lines.iter().take(OUTPUT_LINES_MAX) {
        let line = line.trim();
        let label = line
            .split_once(":")
            .filter(|(label, _)| ["Error Trace", "Error", "Test", "Messages"].contains(label));
        match label {
            Some(("Error", text)) => told.push(text.trim()),
            Some(_) if !told.is_empty() => break,
            None if !told.is_empty() && told.len() < 4 && !line.is_empty() => told.push(line),
            _ => {}
        }
    }
    told.join(" ")
}

/// Completes the failure of a test in which the race detector found something.
fn race(failure: Failure, report: Option<&[&str]>) -> Failure {
    let Some(report) = report else {
        return failure;
    };
    let report = &report[..report.len().min(TRACE_LINES_MAX)];
    let place = frames(report).find(Frame::is_own).map(|frame| frame.place);
    let failure = failure.shown_by(report.iter().copied());
    match place {
        Some(place) => failure.at(place.file, Some(place.line)),
        None => failure,
    }
}

/// A frame of a stack trace: a line with the function, and an indented one with the place.
struct Frame<'a> {
    function: &'a str,
    place: Place<'a>,
}

fn frames<'a>(lines: &[&'a str]) -> impl Iterator<Item = Frame<'a>> {
    lines.windows(2).filter_map(|pair| {
        let place = pair[1].strip_prefix(['\t', ' '])?.trim_start();
        let (place, _) = place.rsplit_once(" +0x").unwrap_or((place, ""));
        let place = place::leading(place).filter(|place| place.file.ends_with(".go"))?;
        let function = pair[0].trim_start().trim_start_matches("created by ");
        Some(Frame { function, place })
    })
}

impl<'a> Frame<'a> {
    /// Whether it is neither of the standard library nor of a dependency.
    fn is_own(&self) -> bool {
        let file = self.place.file;
        let path_end = self.function.rfind('/').map_or(0, |slash| slash + 1);
        let package_end = self.function[path_end..].find(['.', '(']);
        let package =
            &self.function[..package_end.map_or(self.function.len(), |dot| path_end + dot)];
        let is_standard = file.contains(&format!("/src/{package}/"))
            || file.contains("/src/runtime/")
            || file == "_testmain.go";
        !is_standard && !file.contains("/pkg/mod/")
    }

    /// The test this is a frame of: `example.com/api/crash.TestA.func1(…)`.
    fn test(&self) -> Option<&'a str> {
        let name = self.function.rsplit('/').next()?.split_once('.')?.1;
        let name = name.split(['.', '(', ' ']).next()?;
        is_test(name).then_some(name)
    }
}

/// How many lines below the first one the first goroutine is, if there the runtime panics.
pub(super) fn is_panic<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<usize> {
    let first = lines.next()?;
    if !first.starts_with("panic: ") && !first.starts_with("fatal error: ") {
        return None;
    }
    let is_goroutine = |line: &str| line.starts_with("goroutine ") && line.ends_with("]:");
    let below = lines.take(TRACE_LINES_MAX - 1).position(is_goroutine);
    below.map(|below| 1 + below)
}

/// Which tests had run longest by the list that newer releases print when the time is over, sorted
/// by name: `\t\tTestHang (10m0s)`. A test waits for its subtests, so that it is not one of them where
/// a subtest has run as long.
fn longest_running<'a>(message: &[&'a str]) -> Vec<&'a str> {
    let entry = |line: &&'a str| {
        let (name, time) = line
            .strip_prefix("\t\t")?
            .strip_suffix(')')?
            .rsplit_once(" (")?;
        Some((name, seconds(time)?))
    };
    let listed: Vec<(&str, u64)> = message.iter().filter_map(entry).collect();
    let most = listed.iter().map(|(_, time)| *time).max();
    let longest = listed.iter().filter(|(_, time)| Some(*time) == most);
    let mut names: Vec<&str> = longest.map(|(name, _)| *name).collect();
    names.sort_unstable();
    let parents: HashSet<&str> = names.iter().flat_map(|name| parents(name)).collect();
    names.retain(|name| !parents.contains(name));
    names
}

/// The seconds of a duration as Go writes it, rounded to seconds: `1h0m5s`.
fn seconds(time: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = time;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (digits, unit) = rest.split_at(end);
        let factor = match unit.as_bytes()[0] {
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        let number: u64 = digits.parse().ok()?;
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &unit[1..];
    }
    Some(total)
}

/// The tests that a subtest is in.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices('/').take(DEPTH_MAX);
    ends.map(|(at, _)| &name[..at])
}

/// The panic that ended the test binary.
fn crash(lines: &[&str], package: &str) -> Option<Failure> {
    let panic = |at: usize| Some((at, is_panic(lines[at..].iter().copied())?));
    let (at, goroutine) = (0..lines.len()).find_map(panic)?;
    let text = lines[at..].iter().copied().take(2 * TRACE_LINES_MAX);
    let text: Vec<&str> = text.collect();
    let (message, trace) = text.split_at_checked(goroutine)?;
    let trace = trace.split(|line| line.is_empty()).next()?;
    let own = || frames(trace).filter(Frame::is_own);
    let error = message.first()?.split(" [recovered").next()?;
    let is_timeout = error.starts_with("panic: test timed out after ");
    let above = || lines[..at].last().and_then(|line| failed(line));
    let hung = longest_running(message);
    let name = match hung.first() {
        _ if !is_timeout => above().or_else(|| own().find_map(|frame| frame.test())),
        hung => hung.copied(),
    };
    let failure = match name.or_else(|| running(&lines[..at])) {
        Some(name) => Failure {
            error: cut(error, LINE_CHARS_MAX),
            ..failure(name, package)
        },
        None => whole(package, error),
    };
    if is_timeout {
        let failure = Failure {
            kind: FailureKind::Timeout,
            // Of tests that run side by side any may be the one that hangs.
            confidence: match hung.len() {
                0 | 1 => failure.confidence,
                _ => Confidence::Medium,
            },
            ..failure
        };
        return Some(failure.shown_by(text));
    }
    let place = own().next().map(|frame| frame.place);
    let failure = match place {
        Some(place) => failure.at(place.file, Some(place.line)),
        None => failure,
    };
    Some(failure.shown_by(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_names_the_test_that_has_run_longest() {
        let table: &[(&[&str], &str, Confidence)] = &[
            (
                &["TestHang (10m0s)", "TestQuick (0s)"],
                "TestHang",
                Confidence::High,
            ),
            (
                &["TestA (9m59s)", "TestB (1h0m0s)"],
                "TestB",
                Confidence::High,
            ),
            (
                &["TestA (1s)", "TestA/b (1s)", "TestA/b/c (1s)"],
                "TestA/b/c",
                Confidence::High,
            ),
            // It has just begun: the loop around it is what takes so long.
            (
                &["TestA (10m0s)", "TestA/b_999 (0s)"],
                "TestA",
                Confidence::High,
            ),
            (
                &["TestA (10m0s)", "TestB (10m0s)", "TestC (3s)"],
                "TestA",
                Confidence::Medium,
            ),
            (
                &["TestA (5s)", "TestA/b (5s)", "TestA/c (5s)"],
                "TestA/b",
                Confidence::Medium,
            ),
        ];
        for (listed, name, confidence) in table {
            let listed: String = listed.iter().map(|test| format!("\t\t{test}\n")).collect();
            let log = format!(
                "panic: test timed out after 10m0s\n\trunning tests:\n{listed}\n\
                 goroutine 5 [running]:\ntesting.(*M).startAlarm.func1()\n\
                 \t/usr/local/go/src/testing/testing.go:2484 +0x394\n\nexit status 2\n"
            );
            let lines: Vec<&str> = log.lines().collect();
            let failures = failures(&lines, "example.com/a");
            let [failure] = &*failures else {
                panic!("{failures:?}");
            };
            assert_eq!((&*failure.test, failure.confidence), (*name, *confidence));
            assert_eq!(failure.kind, FailureKind::Timeout);
        }
        assert_eq!(seconds("1h2m3s"), Some(3_723));
        for wrong in [
            "10",
            "s",
            "1.5s",
            "9x",
            "99999999999999999999s",
            "9223372036854775807h",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
