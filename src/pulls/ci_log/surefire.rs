//! Maven: test runs of Surefire and Failsafe (recorded with 2.22; 3.x after its source), and
//! compilations that failed.
//!
//! The list below `Results:` says what counts: a test that passed when it was repeated is not in
//! it. The blocks below each class's `Tests run:` line have the full names and the traces.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::{
    Confidence, EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, Log, Run, java_trace,
    shell_word,
};

const NAME: &str = "surefire";
/// Of a trace only so many lines are looked at.
const TRACE_LINES_MAX: usize = 100;

/// One failed test as the lines below its class show it.
struct Block {
    /// `com.example.UserTest`, of nested classes `com.example.UserTest$WhenEmpty`.
    class: String,
    /// `length(String, int)[1]`, or empty when the class itself failed.
    method: String,
    lines: Range<usize>,
}

/// What Maven said before a run: which module and which plugin it is.
#[derive(Default)]
struct Context<'a> {
    module: Option<&'a str>,
    is_failsafe: bool,
    has_modules: bool,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // Classes that began and did not end, by the run they are in.
    let mut unfinished: Vec<(usize, Failure)> = Vec::new();
    let mut context = Context::default();
    let mut skip_to = 0;
    for (index, line) in log.from(0) {
        if index < skip_to {
            continue;
        }
        if line.ends_with(" T E S T S") {
            let (run, started) = run(log, index, &context);
            skip_to = run.lines.end.max(index + 1);
            let number = runs.len();
            runs.push(run);
            unfinished.extend(started.into_iter().map(|failure| (number, failure)));
        } else if let Some(plugin) = line.strip_prefix("[INFO] --- ") {
            context.is_failsafe = plugin.contains("failsafe");
            context.module = plugin
                .split_once(" @ ")
                .and_then(|(_, rest)| rest.split(' ').next());
        } else if line.starts_with("[INFO] Reactor Build Order:") {
            context.has_modules = true;
        } else if let Some((kind, error)) = fork_failure(line) {
            // Of one that ended its process Maven tells only here, after all modules.
            for (number, mut failure) in unfinished.drain(..) {
                (failure.kind, failure.error) = (kind, error.to_owned());
                let excerpt = log.from(index).map(|(_, line)| line).take(8);
                runs[number].failures.push(failure.shown_by(excerpt));
            }
        }
    }
    runs
}

/// The errors of a fork are those of `ForkStarter` and `SurefireHelper`.
fn fork_failure(line: &str) -> Option<(FailureKind, &str)> {
    let text = line.strip_prefix("[ERROR] ")?;
    if text.starts_with("The forked VM terminated") {
        return Some((FailureKind::Test, text));
    }
    let timeout = "There was a timeout or other error in the fork";
    let is_timeout = text.starts_with("Failed to execute goal") && text.contains(timeout);
    is_timeout.then_some((FailureKind::Timeout, timeout))
}

/// What Maven wrote, without its level. Before Surefire 2.20 there was none.
fn untagged(line: &str) -> &str {
    let tags = ["[ERROR] ", "[INFO] ", "[WARNING] "];
    let rest = tags.iter().find_map(|tag| line.strip_prefix(tag));
    rest.unwrap_or(line)
}

/// The run whose heading is in this line, and failures for the classes that never ended.
fn run(log: &Log<'_>, at: usize, context: &Context<'_>) -> (Run, Vec<Failure>) {
    let mut blocks: Vec<Block> = Vec::new();
    // Classes that began, in their order; those that ended as well are told apart at the end.
    let mut running: Vec<&str> = Vec::new();
    let mut ended: HashMap<&str, usize> = HashMap::new();
    let mut class = "";
    // How many blocks are to come of the class whose counts were the last: tests print too.
    let mut expected = 0;
    let mut results = None;
    let mut end = None;
    let mut last = log.len();
    for (index, line) in log.from(at + 1) {
        let text = untagged(line);
        match text.as_bytes() {
            [b'T', ..] if text.starts_with("Tests run: ") => {
                if text.contains("Time elapsed:") {
                    class = text.rsplit_once(" in ").map_or("", |(_, class)| class);
                    expected = bad_count(text);
                    ended.insert(class, running.len());
                } else if results.is_some() {
                    end = Some(index + 1);
                    break;
                }
            }
            [b'R', ..] if text.starts_with("Running ") => running.push(&text[8..]),
            [b'R', ..] if matches!(text.trim_end(), "Results:" | "Results :") => {
                results = Some(index);
            }
            [.., b'!'] if expected > 0 && text.contains("Time elapsed: ") => {
                if let Some(block) = block(log, index, text, class) {
                    expected -= 1;
                    blocks.push(block);
                }
            }
            [b'-', ..] if line.starts_with("[INFO] --- ") => {
                last = index;
                break;
            }
            [b'B', ..] if text.starts_with("BUILD ") && line.starts_with("[INFO] ") => {
                last = index;
                break;
            }
            _ => {}
        }
    }
    let failures = match (end, results) {
        (Some(end), Some(results)) => listed(log, results + 1..end - 1, &blocks, context),
        _ => blocks
            .iter()
            .take(FAILURES_MAX)
            .map(|block| failure(log, Some(block), "", context).with_confidence(Confidence::Medium))
            .collect(),
    };
    let is_open = |(place, class): &(usize, &str)| ended.get(class).is_none_or(|end| end <= place);
    let running = running.into_iter().enumerate().filter(is_open);
    let started = running.take(FAILURES_MAX).map(|(_, class)| {
        Failure::new(FailureKind::Test, NAME, class, "").reproduced_by(command(class, "", context))
    });
    let lines = at.saturating_sub(1)..end.unwrap_or(last);
    (Run { lines, failures }, started.collect())
}

/// Failures and errors in `Tests run: 8, Failures: 4, Errors: 2, Skipped: 1, ...`
fn bad_count(text: &str) -> usize {
    let count = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        rest.split(',').next()?.trim().parse::<usize>().ok()
    };
    count("Failures:").unwrap_or(0) + count("Errors:").unwrap_or(0)
}

/// `com.example.UserTest.greets -- Time elapsed: 0.01 s <<< FAILURE!` since 3.1; before that two
/// spaces and no class for JUnit 5 (2.22), or `greets(com.example.UserTest)` for JUnit 4.
fn block(log: &Log<'_>, at: usize, text: &str, class: &str) -> Option<Block> {
    let (text, _) = text.split_once("Time elapsed: ")?;
    let is_failed = log.line(at).ends_with("<<< FAILURE!") || log.line(at).ends_with("<<< ERROR!");
    let id = text.trim_end().trim_end_matches("--").trim_end();
    let (given, method) = named(id, class);
    let trace = log.from(at + 1).take(TRACE_LINES_MAX);
    let trace = trace.take_while(|(_, line)| !line.is_empty() && !line.starts_with(['[', '#']));
    let end = trace.last().map_or(at + 1, |(index, _)| index + 1);
    // Without a class in its name it may be of a nested one: the trace knows.
    let nested = log.from(at + 1).take(end - at - 1).find_map(|(_, line)| {
        let frame = line.trim_start().strip_prefix("at ")?.split('(').next()?;
        let (class, last) = frame.rsplit('/').next()?.rsplit_once('.')?;
        (last == bare(&method) && class.strip_prefix(given)?.starts_with('$')).then_some(class)
    });
    is_failed.then(|| Block {
        class: nested.unwrap_or(given).to_owned(),
        method,
        lines: at..end,
    })
}

/// Class and method of a test's id.
fn named<'a>(id: &'a str, class: &'a str) -> (&'a str, String) {
    if id == class {
        return (class, String::new());
    }
    if let Some((method, class)) = id.strip_suffix(')').and_then(|id| id.rsplit_once('('))
        && class.contains('.')
        && !class.contains([' ', ','])
    {
        // In the list of repeated tests the class stands before it too.
        let own = method
            .strip_prefix(class)
            .and_then(|rest| rest.strip_prefix('.'));
        return (class, own.unwrap_or(method).to_owned());
    }
    let method = id
        .strip_prefix(class)
        .and_then(|rest| rest.strip_prefix('.'));
    match (method, bare(id).rsplit_once('.')) {
        (Some(method), _) => (class, method.to_owned()),
        (None, Some((class, _))) => (class, id[class.len() + 1..].to_owned()),
        (None, None) => (class, id.to_owned()),
    }
}

/// A method's name without its parameters: `length(String, int)[1]`, `isEmpty[0: a b - x]`.
fn bare(method: &str) -> &str {
    let end = method.find(['(', '{', '[']);
    &method[..end.unwrap_or(method.len())]
}

/// As the list below `Results:` names it: `UserTest.length`.
fn short(class: &str, method: &str) -> String {
    let class = class.rsplit('.').next().unwrap_or(class);
    match bare(method) {
        "" => class.to_owned(),
        method => format!("{class}.{method}"),
    }
}

/// The failures in the list below `Results:`.
fn listed(
    log: &Log<'_>,
    lines: Range<usize>,
    blocks: &[Block],
    context: &Context<'_>,
) -> Vec<Failure> {
    let mut known: HashMap<String, VecDeque<&Block>> = HashMap::new();
    for block in blocks {
        known
            .entry(short(&block.class, &block.method))
            .or_default()
            .push_back(block);
    }
    let mut take = |short: &str| known.get_mut(short).and_then(VecDeque::pop_front);
    let mut failures: Vec<Failure> = Vec::new();
    let mut is_listing = false;
    for (_, line) in log.from(lines.start).take(lines.len()) {
        let text = untagged(line);
        match text.trim_end() {
            "Failures:" | "Errors:" | "Failed tests:" | "Tests in error:" => is_listing = true,
            "Flakes:" => is_listing = false,
            _ if !is_listing || failures.len() >= FAILURES_MAX => {}
            "" => {}
            // Of a test that was repeated: its name, then each attempt.
            _ if text.starts_with("  Run ") => {}
            _ if text.starts_with("  ") => {
                let entry = text.trim();
                let (class, method) = entry_names(entry);
                let block = take(&short(class, method)).or_else(|| take(class));
                failures.push(failure(log, block, entry, context));
            }
            id if line.starts_with("[ERROR] ") => {
                let (class, method) = named(id, "");
                let block = take(&short(class, &method));
                failures.push(failure(log, block, id, context));
            }
            _ => {}
        }
    }
    failures
}

/// Class and method of `UserTest.greets:9 message`, `OldTest>BaseTest.check:5->help:6 message`.
fn entry_names(entry: &str) -> (&str, &str) {
    let id = entry.split([' ', ':']).next().unwrap_or_default();
    let (path, method) = id.rsplit_once('.').unwrap_or((id, ""));
    (
        path.split('>').next().unwrap_or(path),
        method.split("->").next().unwrap_or(method),
    )
}

/// A failure from its block, or from its line in the list alone.
fn failure(log: &Log<'_>, block: Option<&Block>, entry: &str, context: &Context<'_>) -> Failure {
    let Some(block) = block else {
        let (class, method) = entry_names(entry);
        let id = entry.split(' ').next().unwrap_or(entry);
        let test = if method.is_empty() {
            id.to_owned()
        } else {
            format!("{class}.{method}")
        };
        return Failure::new(FailureKind::Test, NAME, &test, entry)
            .shown_by([entry])
            .reproduced_by(command(class, method, context));
    };
    let body = || {
        let lines = log.from(block.lines.start + 1).take(block.lines.len() - 1);
        lines.map(|(_, line)| line)
    };
    let mut shown = body().map(str::trim).filter(|line| !line.is_empty());
    let first = shown.next().unwrap_or("failed");
    // A message that begins with a line break: the class alone says little.
    let error = match shown.next() {
        Some(second) if first.ends_with(':') => format!("{first} {second}"),
        _ => first.to_owned(),
    };
    let test = match &*block.method {
        "" => block.class.clone(),
        method => format!("{}.{method}", block.class),
    };
    let failure = Failure::new(FailureKind::Test, NAME, &test, &error)
        .shown_by(body())
        .reproduced_by(command(&block.class, &block.method, context));
    match java_trace::place(body(), &block.class) {
        Some((path, line)) => failure.at(&path, Some(line)),
        None => failure,
    }
}

fn command(class: &str, method: &str, context: &Context<'_>) -> String {
    let goal = if context.is_failsafe {
        "verify -Dit.test="
    } else {
        "test -Dtest="
    };
    let test = match bare(method) {
        "" => class.to_owned(),
        method => format!("{class}#{method}"),
    };
    let module = context.module.filter(|_| context.has_modules);
    let module = module.map_or(String::new(), |name| format!("-pl :{} ", shell_word(name)));
    format!("mvn {module}{goal}{}", shell_word(&test))
}

/// What the compiler plugin (3.x) lists below `COMPILATION ERROR`: javac's or Kotlin's errors.
pub(super) fn parse_compilation(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut next = 0;
    while let Some(at) = log.find(next, |line| line.starts_with("[ERROR] COMPILATION ERROR")) {
        let is_end = |line: &str| {
            let text = line.strip_prefix("[INFO] ");
            text.is_some_and(|text| text.contains(" error") || text.starts_with("BUILD "))
        };
        let end = log.find(at + 1, is_end).unwrap_or(log.len());
        let mut failures = Vec::new();
        for (index, line) in log.from(at + 1).take(end - at - 1) {
            if let Some(failure) = compile_error(log, index, line)
                && failures.len() < FAILURES_MAX
            {
                failures.push(failure);
            }
        }
        next = end.max(at + 1);
        runs.push(Run {
            lines: at..next,
            failures,
        });
    }
    runs
}

/// `[ERROR] /path/UserTest.java:[3,69] cannot find symbol` and the lines that belong to it.
fn compile_error(log: &Log<'_>, at: usize, line: &str) -> Option<Failure> {
    let (path, rest) = line.strip_prefix("[ERROR] ")?.split_once(":[")?;
    let (place, error) = rest.split_once("] ")?;
    let line = place.split(',').next()?.parse().ok()?;
    let more = log.from(at + 1).take(EXCERPT_LINES_MAX);
    let more: Vec<&str> = more
        .map(|(_, line)| line)
        .take_while(|line| line.starts_with(" "))
        .collect();
    // What symbol it is stands in the next line, and that is the whole point.
    let symbol = more
        .first()
        .filter(|line| line.trim_start().starts_with("symbol:"));
    let symbol = symbol.map_or(String::new(), |line| {
        format!(
            " ({})",
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    });
    let goal = if path.contains("/src/test/") {
        "test-compile"
    } else {
        "compile"
    };
    let failure = Failure::new(FailureKind::Build, "javac", "", &format!("{error}{symbol}"))
        .shown_by(std::iter::once(log.line(at)).chain(more))
        .at(path, Some(line));
    Some(failure.reproduced_by(format!("mvn {goal}")))
}
