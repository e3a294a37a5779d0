//! Gradle (recorded with 4.4; later ones after their documented output): test tasks, and
//! compilations by javac and Kotlin that failed.
//!
//! What tests print is indented or not shown at all, so that results at the start of a line are
//! Gradle's own. A failed test counts when its task failed: a plugin may have run it again.

use std::collections::HashSet;
use std::ops::Range;

use super::place::path_and_line;
use super::{
    Confidence, EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, Log, Run, java_trace,
    shell_word,
};

const NAME: &str = "gradle";
/// Of a failure only so many lines are looked at.
const BODY_LINES_MAX: usize = 100;

/// A task and its output so far.
struct Task<'a> {
    path: &'a str,
    begin: usize,
    end: usize,
    failures: Vec<Failure>,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let mut failed: HashSet<&str> = HashSet::new();
    let mut is_finished = false;
    let mut runs = Vec::new();
    let mut open: Option<Task<'_>> = None;
    for (index, line) in log.from(0) {
        match line.as_bytes() {
            [b'>' | b':', ..] => {
                if let Some((path, outcome)) = task(line) {
                    if outcome == "FAILED" {
                        failed.insert(path);
                    }
                    // Older versions repeat the task's name when it fails.
                    if let Some(open) = open.as_mut().filter(|open| open.path == path) {
                        open.end = index + 1;
                        continue;
                    }
                    // Before Gradle 4.7 a compiler's first line stands right behind the name.
                    let behind = line.strip_prefix(path).unwrap_or_default();
                    let failures = compile_error(log, index, behind, path);
                    tasks.extend(open.replace(Task {
                        path,
                        begin: index,
                        end: index + 1,
                        failures: failures.into_iter().collect(),
                    }));
                }
            }
            [b'F', ..] if line.starts_with("FAILURE: Build ") => tasks.extend(open.take()),
            [b'E', ..] if line.starts_with("Execution failed for task '") => {
                let path = line.split('\'').nth(1).unwrap_or_default();
                failed.insert(path);
                runs.extend(process_failure(log, index, path));
            }
            [b'B', ..] if line.starts_with("BUILD FAILED") || line.starts_with("BUILD SUCC") => {
                is_finished = true;
                tasks.extend(open.take());
            }
            [b' ' | b'\t', ..] | [] => {}
            _ => {
                if let Some(open) = open.as_mut() {
                    if line.contains(" tests completed, ") || line.contains(" test completed, ") {
                        open.end = index + 1;
                    }
                    let failure = failed_test(log, index, open.path)
                        .or_else(|| compile_error(log, index, line, open.path));
                    if let Some(failure) = failure.filter(|_| open.failures.len() < FAILURES_MAX) {
                        open.end = index + 1 + failure.excerpt.len();
                        open.failures.push(failure);
                    }
                }
            }
        }
    }
    tasks.extend(open.take());
    for mut task in tasks {
        let is_test = task.path.to_ascii_lowercase().ends_with("test");
        if is_finished && !failed.contains(task.path) {
            task.failures.clear();
        }
        if !is_finished {
            for failure in &mut task.failures {
                failure.confidence = Confidence::Medium;
            }
        }
        if is_test || !task.failures.is_empty() {
            runs.push(Run {
                lines: task.begin..task.end,
                failures: task.failures,
            });
        }
    }
    runs
}

/// The lines that tests printed, in order: they are indented below a heading such as
/// `com.example.UserTest > greets STANDARD_OUT`. Whatever they look like, no tool wrote them.
pub(super) fn printed(log: &Log<'_>) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for (index, line) in log.from(0) {
        let is_heading = line.ends_with(" STANDARD_OUT") || line.ends_with(" STANDARD_ERROR");
        if is_heading && line.contains(" > ") && !line.starts_with(' ') {
            blocks.push(index..index + 1);
        } else if let Some(block) = blocks.last_mut().filter(|block| block.end == index)
            && (line.is_empty() || line.starts_with("    "))
        {
            block.end = index + 1;
        }
    }
    blocks
}

/// `> Task :app:test FAILED`; up to Gradle 4.6 without a console `:app:test FAILED`.
fn task(line: &str) -> Option<(&str, &str)> {
    let text = line.strip_prefix("> Task ").unwrap_or(line);
    let end = text.find([' ', '/']).unwrap_or(text.len());
    let (path, outcome) = (&text[..end], text[end..].trim_start());
    if outcome.starts_with('/') {
        return Some((path, "")).filter(|_| path.len() > 1 && path.starts_with(':'));
    }
    let is_outcome = outcome
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    (path.len() > 1 && path.starts_with(':') && !path.contains("::") && is_outcome)
        .then_some((path, outcome))
}

/// `com.example.UserTest > greets FAILED` and the exception in the indented lines below.
fn failed_test(log: &Log<'_>, at: usize, task: &str) -> Option<Failure> {
    let test = log.line(at).strip_suffix(" FAILED")?;
    if !test.contains(" > ") || !log.line(at + 1).starts_with("    ") {
        return None;
    }
    // With a finer `displayGranularity` Gradle's own processes come first.
    let is_own = |part: &&str| !part.starts_with("Gradle Test ");
    let parts: Vec<&str> = test.split(" > ").filter(is_own).collect();
    let body = indented(log, at);
    let error = match (body.first(), body.get(1)) {
        (Some(first), Some(second)) if first.ends_with(':') => format!("{first} {}", second.trim()),
        (first, _) => first.copied().unwrap_or("failed").to_owned(),
    };
    let class = parts.first().copied().unwrap_or_default();
    let mut failure = Failure::new(FailureKind::Test, NAME, &parts.join(" > "), &error);
    let short = body
        .first()
        .and_then(|line| path_and_line(line.rsplit_once(" at ")?.1));
    if let Some((path, line)) = java_trace::place(body.iter().copied(), class) {
        failure = failure.at(&path, Some(line));
    } else if let Some((file, line)) = short {
        // The short form names the frame that is in the test's own class.
        let folder = class
            .rsplit_once('.')
            .map(|(package, _)| package.replace('.', "/"));
        let path = folder.map_or(file.to_owned(), |folder| format!("{folder}/{file}"));
        failure = failure.at(&path, Some(line));
    }
    let tests = shell_word(&filter(&parts));
    Some(
        failure
            .shown_by(body)
            .reproduced_by(format!("./gradlew {task} --tests {tests}")),
    )
}

/// The indented lines below this one, without their indent.
fn indented<'a>(log: &'a Log<'_>, at: usize) -> Vec<&'a str> {
    let lines = log.from(at + 1).take(BODY_LINES_MAX).map(|(_, line)| line);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let mut lines: Vec<&str> = lines.map(|line| line.get(4..).unwrap_or("")).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// What `--tests` takes for `UserTest > WhenEmpty > length(String, int) > [1] a b`.
fn filter(parts: &[&str]) -> String {
    let Some((class, rest)) = parts.split_first() else {
        return String::new();
    };
    let is_method = |part: &&str| part.contains('(') && !part.starts_with(['[', '(']);
    let method = rest.iter().position(is_method).unwrap_or(0);
    let nested: String = rest[..method]
        .iter()
        .map(|part| format!("${part}"))
        .collect();
    let name = rest
        .get(method)
        .map_or("", |part| part.split(['(', '[']).next().unwrap_or(part));
    format!("{class}{nested}.{}", name.trim())
}

/// A test process that ended, or a task that took too long: `What went wrong` says only that.
fn process_failure(log: &Log<'_>, at: usize, task: &str) -> Option<Run> {
    let error = log.line(at + 1).strip_prefix("> ")?;
    let kind = if error.starts_with("Process 'Gradle Test Executor") {
        FailureKind::Test
    } else if error.starts_with("Timeout has been exceeded") {
        FailureKind::Timeout
    } else {
        return None;
    };
    let failure = Failure::new(kind, NAME, task, error)
        .shown_by([log.line(at), log.line(at + 1)])
        .reproduced_by(format!("./gradlew {}", shell_word(task)));
    Some(Run {
        lines: at..at + 2,
        failures: vec![failure],
    })
}

/// `/path/User.java:3: error: cannot find symbol`, and of Kotlin `e: file:///path/A.kt:3:5 message`
/// (up to 1.7 `e: /path/A.kt: (3, 5): message`).
fn compile_error(log: &Log<'_>, at: usize, text: &str, task: &str) -> Option<Failure> {
    let (path, line, error) = if let Some(text) = text.strip_prefix("e: ") {
        let text = text.strip_prefix("file://").unwrap_or(text);
        match text.split_once(": (") {
            Some((path, rest)) => {
                let (place, error) = rest.split_once("): ")?;
                (path, place.split(',').next()?.parse().ok()?, error)
            }
            None => {
                let (path, line) = path_and_line(text)?;
                (path, line, text[path.len()..].split_once(' ')?.1)
            }
        }
    } else {
        let (place, error) = text.split_once(": error: ")?;
        let (path, line) = path_and_line(place)?;
        (path, line, error)
    };
    // javac shows the line, a caret below it, and which symbol it is.
    let more: Vec<&str> = log
        .from(at + 1)
        .take(EXCERPT_LINES_MAX)
        .map(|(_, line)| line)
        .take_while(|line| line.starts_with(' '))
        .collect();
    let symbol = more
        .iter()
        .find(|line| line.trim_start().starts_with("symbol:"));
    let symbol = symbol.map_or(String::new(), |line| {
        format!(
            " ({})",
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    });
    let failure = Failure::new(FailureKind::Build, NAME, "", &format!("{error}{symbol}"))
        .shown_by([text].into_iter().chain(more))
        .at(path, Some(line));
    Some(failure.reproduced_by(format!("./gradlew {}", shell_word(task))))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn a_compiler_may_speak_right_behind_the_name_of_a_task_which_has_any_letters() {
        // Of the whole line, so many bytes end within a letter.
        assert_eq!(parse("> Task :äöüäöüäöü\n".as_bytes()).failures, []);
        let old = ":compileJava/path/User.java:3: error: no symbol\n";
        let log =
            format!("{old}> Task :x UP-TO-DATE\nBUILD SUCCESSFUL\n> Task :compileJava FAILED");
        let failures = parse(log.as_bytes()).failures;
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].file.as_deref(), Some("/path/User.java"));
    }
}
