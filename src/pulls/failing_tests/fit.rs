//! What is cut of an answer so that it fits: entries of lists, which come on pages after those of the
//! failures, and words that no person wrote. What is gone is said.

use jiff::Timestamp;
use serde::Serialize;

use super::report::{FailingTests, ReportedFailure};
use crate::domain::{ApiError, limits};
use crate::pulls::overflow::{Rule, Said};
use crate::pulls::{Warning, head_cursor, short};

/// Most bytes of an answer without its failures.
const FRAME_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX / 2;
/// Most bytes of a failure: it must leave room for others.
const FAILURE_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX / 3;
/// What is kept of a failure that would take the room of others: lines and checks.
const SHORT_EXCERPT_LINES: usize = 3;
const SHORT_CHECKS: usize = 10;
/// Longest words of such a failure, in bytes, from try to try.
const WORDS: [usize; 3] = [400, 160, 60];
/// Longest name of a check that did not report, and of one in a sentence, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// How much of an answer is told beside its failures.
struct Told {
    missing: usize,
    command_bytes: usize,
    warnings: usize,
    reason_bytes: usize,
    call_bytes: usize,
}

/// From try to try.
const TOLD: [Told; 4] = [
    Told {
        missing: 30,
        command_bytes: 2_000,
        warnings: 10,
        reason_bytes: 300,
        call_bytes: 1_000,
    },
    Told {
        missing: 10,
        command_bytes: 800,
        warnings: 5,
        reason_bytes: 160,
        call_bytes: 600,
    },
    Told {
        missing: 5,
        command_bytes: 400,
        warnings: 3,
        reason_bytes: 100,
        call_bytes: 400,
    },
    Told {
        missing: 2,
        command_bytes: 0,
        warnings: 1,
        reason_bytes: 60,
        call_bytes: 300,
    },
];

/// The first of some names in a sentence, and how many more there are.
pub(super) fn in_words(names: &[String]) -> String {
    const NAMED_MAX: usize = 5;
    let named = names.iter().take(NAMED_MAX);
    let named: Vec<String> = named.map(|name| short(name, NAME_BYTES_MAX)).collect();
    match names.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// An answer without its failures, cut until it leaves room for those; and how far it was cut.
///
/// # Errors
/// Only a bug.
pub(super) fn frame(answer: &FailingTests) -> Result<(FailingTests, usize), ApiError> {
    let (mut fitted, mut last) = (answer.clone(), 0);
    for (level, told) in TOLD.iter().enumerate() {
        (fitted, last) = (answer.clone(), level);
        cut_frame(&mut fitted, told);
        if bytes(&fitted)? <= FRAME_BYTES_MAX {
            break;
        }
    }
    Ok((fitted, last))
}

/// What was cut of an answer and has pages of its own after those of the failures.
#[derive(Serialize)]
pub(super) struct Rest {
    pr: String,
    head_sha: String,
    fetched_at: Timestamp,
    untrusted: [&'static str; 3],
    counts: RestOfCounts,
    failures: Vec<RestOfFailure>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct RestOfCounts {
    missing_required: Vec<String>,
}

/// The checks of a failure that has more of them than were told with it.
#[derive(Serialize)]
struct RestOfFailure {
    id: String,
    checks: Vec<String>,
}

/// The lists of [`Rest`].
pub(super) fn rest_rules() -> [Rule; 4] {
    const FAILURES: &[&str] = &["failures"];
    [
        Rule::of(&["counts", "missing_required"], 0, Said::Nothing),
        Rule::of(FAILURES, 0, Said::Nothing),
        Rule::within(FAILURES, "checks", &["id"], 0, Said::Nothing),
        Rule::of(&["warnings"], 0, Said::Nothing),
    ]
}

/// What is cut of an answer at a level, and of its failures.
///
/// # Errors
/// `invalid_argument` when there is no such level.
pub(super) fn rest(
    answer: &FailingTests,
    failures: &[ReportedFailure],
    error_lines_max: usize,
    level: usize,
) -> Result<Rest, ApiError> {
    let told = TOLD.get(level).ok_or_else(head_cursor::damaged)?;
    let mut with_more = Vec::new();
    for whole in failures {
        let shown = failure(whole, error_lines_max)?;
        let more = whole.checks.iter().skip(shown.checks.len());
        let checks: Vec<String> = more.map(|check| short(check, WORDS[0])).collect();
        if !checks.is_empty() {
            let id = shown.id;
            with_more.push(RestOfFailure { id, checks });
        }
    }
    let missing = answer.counts.missing_required.iter().skip(told.missing);
    Ok(Rest {
        pr: answer.pr.clone(),
        head_sha: answer.head_sha.clone(),
        fetched_at: answer.fetched_at,
        untrusted: ["failures", "counts.missing_required", "warnings[].reason"],
        counts: RestOfCounts {
            missing_required: missing.map(|name| short(name, NAME_BYTES_MAX)).collect(),
        },
        failures: with_more,
        warnings: answer
            .warnings
            .iter()
            .skip(told.warnings)
            .cloned()
            .collect(),
    })
}

fn cut_frame(answer: &mut FailingTests, told: &Told) {
    let counts = &mut answer.counts;
    counts.more_missing_required = counts.missing_required.len().saturating_sub(told.missing);
    counts.missing_required.truncate(told.missing);
    for name in &mut counts.missing_required {
        *name = short(name, NAME_BYTES_MAX);
    }
    let mut left = told.command_bytes;
    // A part of a command does something else: each is told whole or not at all.
    answer.instructions.commands.retain(|command| {
        let fits = command.len() <= left;
        left -= if fits { command.len() } else { 0 };
        fits
    });
    answer.more_warnings = answer.warnings.len().saturating_sub(told.warnings);
    answer.warnings.truncate(told.warnings);
    for warning in &mut answer.warnings {
        warning.reason = short(&warning.reason, told.reason_bytes);
    }
    if let Some(poll) = &mut answer.poll_info
        && poll.next_call.to_string().len() > told.call_bytes
        && let Some(arguments) = poll.next_call["args"].as_object_mut()
    {
        for filter in ["checks", "ignore_checks"] {
            if arguments.shift_remove(filter).is_some() {
                poll.message
                    .push_str(&format!("; give the same {filter} again"));
            }
        }
    }
}

/// A failure that leaves room for others, with at most so many lines that show it.
///
/// # Errors
/// Only a bug.
pub(super) fn failure(
    whole: &ReportedFailure,
    error_lines_max: usize,
) -> Result<ReportedFailure, ApiError> {
    let mut failure = whole.clone();
    failure.excerpt.truncate(error_lines_max);
    if bytes(&failure)? <= FAILURE_BYTES_MAX {
        return Ok(failure);
    }
    if failure.excerpt.len() > SHORT_EXCERPT_LINES {
        failure.excerpt.truncate(SHORT_EXCERPT_LINES);
        failure.cut.push("excerpt");
    }
    failure.more_checks = failure.checks.len().saturating_sub(SHORT_CHECKS);
    failure.checks.truncate(SHORT_CHECKS);
    let short_lists = failure;
    let mut failure = short_lists.clone();
    for words_max in WORDS {
        if bytes(&failure)? <= FAILURE_BYTES_MAX {
            break;
        }
        failure = short_lists.clone();
        cut_words(&mut failure, words_max);
    }
    Ok(failure)
}

fn cut_words(failure: &mut ReportedFailure, bytes_max: usize) {
    let mut gone = std::mem::take(&mut failure.cut);
    let mut cut = |name: &'static str, words: &mut String| {
        if words.len() > bytes_max {
            *words = short(words, bytes_max);
            if !gone.contains(&name) {
                gone.push(name);
            }
        }
    };
    cut("id", &mut failure.id);
    cut("framework", &mut failure.framework);
    cut("test", &mut failure.test);
    cut("error", &mut failure.error);
    for line in &mut failure.excerpt {
        cut("excerpt", line);
    }
    for check in &mut failure.checks {
        cut("checks", check);
    }
    if let Some(file) = &mut failure.file {
        cut("file", file);
    }
    // A part of these leads to somewhere else: they are told whole or not at all.
    for (name, words) in [
        ("log_url", &mut failure.log_url),
        ("reproduce", &mut failure.reproduce),
    ] {
        if words.take_if(|words| words.len() > bytes_max).is_some() {
            gone.push(name);
        }
    }
    failure.cut = gone;
}

fn bytes(value: &impl Serialize) -> Result<usize, ApiError> {
    serde_json::to_vec(value)
        .map(|json| json.len())
        .map_err(|error| ApiError::internal(error.to_string()))
}
