//! The answer: the entries of one page with their texts cut to size.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::Warning;
use super::analyse::{Entry, Place, State, Summary};
use super::data::{Remark, Thread};
use super::review_body::Section;
use super::text::{Compact, compact};
use crate::domain::{ApiError, text};

/// Most bytes of one reply, of the lines of the diff, of a suggested change, of a path.
const REPLY_BYTES: usize = 300;
const HUNK_BYTES: usize = 300;
const SUGGESTION_BYTES: usize = 1_000;
pub(super) const PATH_BYTES: usize = 400;
/// By how much texts may be divided: nothing is left of any of them then.
const SHRINK_MAX: usize = 4_096;
/// How many of the last replies are shown.
const REPLIES_SHOWN: usize = 3;
/// How many lines of the diff are shown above the remark.
const HUNK_LINES: usize = 4;

/// Fields that hold what strangers wrote.
pub(super) const UNTRUSTED: [&str; 6] = [
    "comments[].path",
    "comments[].body",
    "comments[].hunk",
    "comments[].replies[].body",
    "comments[].suggestion.replacement",
    "summary.files",
];

/// What is unresolved on a pull request.
#[derive(Serialize)]
pub struct UnresolvedComments<'a> {
    pub(super) pr: String,
    pub(super) head_sha: &'a str,
    pub(super) fetched_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) review_decision: Option<&'a str>,
    pub(super) total_threads: u64,
    /// Threads, whatever the filters are.
    pub(super) total_unresolved: usize,
    /// Threads and remarks that the filters let through, all pages together.
    pub(super) total_listed: usize,
    pub(super) comments: Vec<Box<RawValue>>,
    pub(super) summary: Summary<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actions: Option<Actions>,
    pub(super) untrusted: [&'static str; 6],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// What can be done about an entry; said once, as it is the same for all.
#[derive(Serialize)]
pub(super) struct Actions {
    /// Tells what is cut or left out of a thread, and what a hidden one says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<&'static str>,
    /// Answers a thread and leaves it open.
    pub reply: String,
    /// Answers what is no thread.
    pub comment: String,
    pub resolve: Resolve,
}

/// The call that resolves a thread.
#[derive(Serialize)]
pub(super) struct Resolve {
    pub tool: &'static str,
    pub args: ResolveArguments,
    pub only_after: &'static str,
}

/// Its arguments.
#[derive(Serialize)]
pub(super) struct ResolveArguments {
    pub pr: String,
    pub thread_id: &'static str,
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_id: Option<u64>,
    kind: &'static str,
    /// Under which title the body of a review says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<Section>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated: Option<bool>,
    /// Left out when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_since: Option<bool>,
    #[serde(skip_serializing_if = "is_false")]
    pending: bool,
    /// `false` when this login may not resolve the thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    can_resolve: Option<bool>,
    author: &'a str,
    is_bot: bool,
    association: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_state: Option<&'a str>,
    body: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    body_truncated: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    hunk: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replies: Vec<ReplyText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_count: Option<u64>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<Suggestion<'a>>,
    url: &'a str,
}

#[derive(Serialize)]
struct ReplyText<'a> {
    author: &'a str,
    body: String,
    at: Option<Timestamp>,
}

/// Lines that the remark would put in place of lines `start` to `end`.
#[derive(Serialize)]
struct Suggestion<'a> {
    start: Option<u64>,
    end: Option<u64>,
    replacement: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
}

pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Which files changed since the commits that were commented on; a commit that could not be
/// compared is missing.
pub(super) type Changes = HashMap<String, Vec<String>>;

/// An entry as JSON, its texts cut until it has at most `bytes_max` bytes.
pub(super) fn render(
    entry: &Entry<'_>,
    changes: &Changes,
    body_chars: usize,
    bytes_max: usize,
) -> Result<Box<RawValue>, ApiError> {
    let mut shrink = 1;
    loop {
        let json = rendered(entry, changes, body_chars, shrink)?;
        // Some characters take six bytes as JSON: what a stranger wrote decides how many do.
        if json.get().len() <= bytes_max || shrink >= SHRINK_MAX {
            return Ok(json);
        }
        shrink *= 2;
    }
}

fn rendered(
    entry: &Entry<'_>,
    changes: &Changes,
    body_chars: usize,
    shrink: usize,
) -> Result<Box<RawValue>, ApiError> {
    let remark = entry.remark;
    let thread = entry.thread();
    let Compact { words, suggestion } = compact(entry.written, remark.is_bot());
    let (body, body_truncated) = cut_chars(&words, body_chars / shrink);
    let suggestion = suggestion.as_deref().map(|replacement| {
        let (replacement, truncated) = text::cut(replacement, SUGGESTION_BYTES / shrink);
        let end = entry.line();
        Suggestion {
            start: entry.start().or(end),
            end,
            replacement,
            truncated,
        }
    });
    let hunk = remark.diff_hunk.as_deref().unwrap_or_default();
    let listed = Listed {
        thread_id: thread.map(|_| entry.id),
        comment_id: remark.number(),
        kind: match entry.place {
            Place::Thread(_) => "review_thread",
            Place::Conversation => "conversation",
            Place::Review | Place::Finding(_) => "review_body",
        },
        section: entry.finding().map(|finding| finding.section),
        path: entry
            .path()
            .map(|path| text::cut(path, PATH_BYTES / shrink).0),
        start_line: entry.start(),
        line: entry.line(),
        side: thread.and_then(|thread| thread.diff_side.as_deref()),
        outdated: thread.map(|thread| thread.is_outdated),
        changed_since: entry.commit().and_then(|commit| {
            let files = changes.get(commit)?;
            Some(
                files
                    .iter()
                    .any(|file| thread.is_some_and(|thread| thread.path == *file)),
            )
        }),
        pending: remark.is_pending(),
        can_resolve: thread.and_then(|thread| (!thread.viewer_can_resolve).then_some(false)),
        author: remark.author(),
        is_bot: remark.is_bot(),
        association: &remark.author_association,
        created_at: entry.created_at,
        review_state: remark.state.as_deref(),
        body,
        body_truncated,
        hunk: tail(hunk, HUNK_BYTES / shrink),
        replies: thread
            .map(|thread| replies(thread, remark, shrink))
            .unwrap_or_default(),
        reply_count: thread.map(|thread| thread.first.total_count.saturating_sub(1)),
        state: entry.state,
        suggestion,
        url: &remark.url,
    };
    serde_json::value::to_raw_value(&listed).map_err(|error| ApiError::internal(error.to_string()))
}

/// At most so many characters of a text, and whether it was cut.
pub(super) fn cut_chars(words: &str, chars: usize) -> (&str, bool) {
    match words.char_indices().nth(chars) {
        Some((end, _)) => (&words[..end], true),
        None => (words, false),
    }
}

/// Whether an entry is a thread of which not all words are shown.
pub(super) fn leaves_out(entry: &Entry<'_>, body_chars: usize) -> bool {
    let Some(thread) = entry.thread() else {
        return false;
    };
    let first = || compact(entry.written, entry.remark.is_bot()).words;
    let is_long = |reply: &Remark| in_one_piece(reply).len() > REPLY_BYTES;
    thread.first.total_count > 1 + REPLIES_SHOWN as u64
        || cut_chars(&first(), body_chars).1
        || thread.last.told().any(is_long)
}

/// The last words in a thread, without the remark that opened it.
fn replies<'a>(thread: &'a Thread, first: &Remark, shrink: usize) -> Vec<ReplyText<'a>> {
    let is_first = |reply: &&Remark| reply.full_database_id == first.full_database_id;
    let told: Vec<&Remark> = thread
        .last
        .told()
        .filter(|reply| !is_first(reply))
        .collect();
    let shown = told.iter().skip(told.len().saturating_sub(REPLIES_SHOWN));
    let shown = shown.map(|reply| {
        let words = if reply.is_minimized {
            "[hidden on GitHub]".to_owned()
        } else {
            in_one_piece(reply)
        };
        let (body, cut) = text::cut(&words, REPLY_BYTES / shrink);
        ReplyText {
            author: reply.author(),
            body: if cut {
                format!("{body}…")
            } else {
                body.to_owned()
            },
            at: reply.created_at,
        }
    });
    shown.collect()
}

/// The words of a remark with the change that it suggests among them.
pub(super) fn in_one_piece(remark: &Remark) -> String {
    let Compact { words, suggestion } = compact(&remark.body, remark.is_bot());
    match suggestion {
        Some(replacement) => words.replacen(
            "[suggestion]",
            &format!("```suggestion\n{replacement}```"),
            1,
        ),
        None => words,
    }
}

/// The header of the hunk and the last lines before the remark.
fn tail(hunk: &str, bytes_max: usize) -> String {
    let lines: Vec<&str> = hunk.lines().collect();
    let (header, lines) = match lines.split_first() {
        Some((header, rest)) if header.starts_with("@@") => (*header, rest),
        _ => ("", lines.as_slice()),
    };
    let header = text::cut(header.rfind("@@").map_or("", |end| &header[..end + 2]), 60).0;
    let mut kept: Vec<&str> = Vec::new();
    let mut bytes = header.len();
    for line in lines.iter().rev().take(HUNK_LINES) {
        bytes += line.len() + 1;
        if bytes > bytes_max && !kept.is_empty() {
            break;
        }
        kept.push(text::cut(line, bytes_max).0);
    }
    kept.reverse();
    let all = (!header.is_empty() && !kept.is_empty()).then_some(header);
    let joined: Vec<&str> = all.into_iter().chain(kept).collect();
    joined.join("\n")
}
