//! What is unresolved on a pull request, who owes the next word, and resolving it.

mod analyse;
mod data;
mod fetch;
mod markdown;
mod report;
pub(super) mod resolve;
mod review_body;
#[cfg(test)]
pub(super) mod tests;
mod text;
pub(super) mod thread_page;

pub use report::UnresolvedComments;
pub use resolve::{Resolution, ThreadChange, ThreadName, resolve_review_thread};
pub use thread_page::read_thread;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::head_cursor::{self, Call};
use super::{PullId, PullRequest, PullSource, Warning, overflow};
use crate::domain::{ApiError, Host, limits};
use analyse::{Analysis, Entry, State, analyse};
use fetch::{Fetched, fetch};
use report::{Actions, Changes, Resolve, ResolveArguments, UNTRUSTED, leaves_out, render};

const TOOL: &str = "find_unresolved_comments";
/// Most bytes of the warnings: enough for one of each kind, and there are no more. Those are two on
/// remarks outside of threads, two on threads, one on findings, and one on commits that are not
/// compared beside one for each of [`COMPARISONS_MAX`].
const WARNINGS_BYTES_MAX: usize = 1_600;
/// Most entries of a page.
const PAGE_ENTRIES_MAX: usize = 20;
/// Most commits that are compared with the head for one page.
const COMPARISONS_MAX: usize = 5;
/// GitHub lists no more files than these of a comparison.
const COMPARED_FILES_MAX: usize = 300;
/// Characters of a remark that are shown when the caller does not say.
pub const BODY_CHARS_DEFAULT: usize = 600;
/// The least that can be asked for.
pub const BODY_CHARS_MIN: usize = 40;
/// The most that can be asked for.
pub const BODY_CHARS_MAX: usize = 4_000;
/// Most entries that share one answer are not worth a cut of each to less than this.
const FIRST_ENTRY_BYTES_MIN: usize = 1_024;

/// The order of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Sort {
    /// Path, line, time.
    #[default]
    ByFile,
    /// What awaits the author, people before bots, newest first.
    Priority,
    /// Oldest first.
    Chronological,
    /// Login, time.
    ByAuthor,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Needs {
    /// Anybody's.
    #[default]
    Any,
    /// The author's.
    AuthorReply,
    /// A reviewer's.
    Reviewer,
}

impl Sort {
    /// Reads the name of an order.
    ///
    /// # Errors
    /// `invalid_argument` with the names.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        match given {
            "by_file" => Ok(Self::ByFile),
            "priority" => Ok(Self::Priority),
            "chronological" => Ok(Self::Chronological),
            "by_author" => Ok(Self::ByAuthor),
            _ => Err(ApiError::invalid(
                "sort must be by_file, priority, chronological or by_author",
                "leave it out for by_file",
            )),
        }
    }
}

impl Needs {
    /// Reads whose turn is asked for.
    ///
    /// # Errors
    /// `invalid_argument` with the names.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        match given {
            "any" => Ok(Self::Any),
            "author_reply" => Ok(Self::AuthorReply),
            "reviewer" => Ok(Self::Reviewer),
            _ => Err(ApiError::invalid(
                "needs must be any, author_reply or reviewer",
                "leave it out for all that is unresolved",
            )),
        }
    }
}

/// What is asked for. Cursors are bound to it.
#[derive(Clone, Debug, Serialize)]
pub struct CommentQuery {
    /// Whether bots' words are listed.
    pub include_bots: bool,
    /// Whose words are left out, as logins.
    pub exclude_authors: Vec<String>,
    /// Whether threads about lines that have changed since are listed.
    pub include_outdated: bool,
    /// The order.
    pub sort: Sort,
    /// Whose turn.
    pub needs: Needs,
    /// Only where something was said from then on.
    pub since: Option<Timestamp>,
    /// Whether what bots find in the bodies of their reviews is listed by file and line.
    pub parse_review_bodies: bool,
    /// Most characters of a remark that are shown; no matter of what is listed.
    #[serde(skip)]
    pub body_chars: usize,
}

impl Default for CommentQuery {
    fn default() -> Self {
        Self {
            include_bots: true,
            exclude_authors: Vec::new(),
            include_outdated: true,
            sort: Sort::default(),
            needs: Needs::default(),
            since: None,
            parse_review_bodies: true,
            body_chars: BODY_CHARS_DEFAULT,
        }
    }
}

/// What is unresolved, as compact JSON.
///
/// # Errors
/// `head_moved` for a cursor of an older head, `invalid_argument` for one of another call;
/// else as [`fetch`] tells. Never an answer that takes unknown threads for resolved ones.
pub async fn find_unresolved_comments(
    source: PullSource,
    query: &CommentQuery,
    after: Option<&str>,
    now: Timestamp,
) -> Result<Box<RawValue>, ApiError> {
    let source = Arc::new(source);
    let pr = source.id.to_string();
    let call = Call::new(TOOL, &(&pr, query), &source.pull.head.sha);
    let after = after.map(|given| Position::read(&call, given));
    let after = after.transpose()?;
    let mut fetched = fetch(&source).await?;
    fetched.take_reviews_apart();
    if !query.parse_review_bodies {
        fetched.leave_reviews_whole();
    }
    let mut warnings = std::mem::take(&mut fetched.warnings);
    let mut analysis = analyse(&fetched, query.sort);
    warnings.append(&mut analysis.warnings);
    let waiting = analysis.waiting();
    source.learn(|standing| {
        standing.threads_waiting = Some(waiting.threads);
        standing.remarks_waiting = waiting.remarks;
        standing.reviews_waiting = waiting.reviews;
        standing.last_word = standing.last_word.max(waiting.last_word);
    });
    let (window, more) = window(&analysis, query, after.as_ref())?;
    let changes = changes(&source, &window, &mut warnings).await;
    let answer = Frame {
        id: &source.id,
        pull: &source.pull,
        host: source.gh().host(),
        fetched: &fetched,
        query,
        pr,
        call,
        fetched_at: source.as_of(now),
        warnings: overflow::fit_warnings(warnings, WARNINGS_BYTES_MAX),
    };
    answer.fill(&analysis, &window, more, &changes)
}

/// Where a page ended: at this entry, which had this state then.
#[derive(Debug, PartialEq)]
struct Position {
    state: State,
    id: String,
}

impl Position {
    fn read(call: &Call, given: &str) -> Result<Self, ApiError> {
        let position = call.read(given)?;
        let (state, id) = position.split_once('.').ok_or_else(head_cursor::damaged)?;
        let state = match state {
            "0" => State::AwaitingAuthor,
            "1" => State::AwaitingReviewer,
            _ => return Err(head_cursor::damaged()),
        };
        Ok(Self {
            state,
            id: id.to_owned(),
        })
    }

    fn make(entry: &Entry<'_>, call: &Call) -> String {
        let state = u8::from(entry.state == State::AwaitingReviewer);
        call.make(&format!("{state}.{}", entry.id))
    }
}

/// The entries of one page, and whether there are more.
fn window<'a, 'b>(
    analysis: &'b Analysis<'a>,
    query: &CommentQuery,
    after: Option<&Position>,
) -> Result<(Vec<&'b Entry<'a>>, bool), ApiError> {
    let mut window: Vec<&Entry> = match after {
        None => analysis.listed(query).take(PAGE_ENTRIES_MAX + 1).collect(),
        Some(position) => {
            let found = analysis.listed_after(query, &position.id, position.state);
            let found = found.ok_or_else(|| {
                ApiError::invalid(
                    "the comment at which the last page ended is gone",
                    "call again without cursor",
                )
            })?;
            found.take(PAGE_ENTRIES_MAX + 1).collect()
        }
    };
    let more = window.len() > PAGE_ENTRIES_MAX;
    window.truncate(PAGE_ENTRIES_MAX);
    Ok((window, more))
}

/// Which files changed since the commits that the entries are about.
async fn changes(
    source: &Arc<PullSource>,
    window: &[&Entry<'_>],
    warnings: &mut Vec<Warning>,
) -> Changes {
    const EFFECT: &str = "changed_since is unknown for some threads";
    let head = &source.pull.head.sha;
    let mut changes = Changes::from([(head.clone(), Vec::new())]);
    let mut commits: Vec<&str> = window.iter().filter_map(|entry| entry.commit()).collect();
    commits.sort_unstable();
    commits.dedup();
    commits.retain(|commit| commit != head);
    if commits.len() > COMPARISONS_MAX {
        let reason = format!(
            "only {COMPARISONS_MAX} of {} commits compared",
            commits.len()
        );
        warnings.push(Warning::new("compare", reason, EFFECT));
        commits.truncate(COMPARISONS_MAX);
    }
    let mut running = JoinSet::new();
    for commit in commits {
        let (source, commit) = (source.clone(), commit.to_owned());
        running.spawn(async move {
            let files = changed_files(&source, &commit).await;
            (commit, files)
        });
    }
    while let Some(compared) = running.join_next().await {
        match compared {
            Ok((commit, Ok(files))) => {
                changes.insert(commit, files);
            }
            Ok((_, Err(reason))) => warnings.push(Warning::new("compare", reason, EFFECT)),
            Err(error) => warnings.push(Warning::new("compare", error, EFFECT)),
        }
    }
    changes
}

/// Paths of the files that differ between a commit and the head, or why they are not known.
async fn changed_files(source: &PullSource, commit: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Comparison {
        status: String,
        #[serde(default)]
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        #[serde(default)]
        previous_filename: Option<String>,
    }
    let head = &source.pull.head.sha;
    // The files come with the first page, whatever its size; the commits are not needed.
    let path = source
        .path()
        .then("compare")
        .then(format!("{commit}...{head}"));
    let path = path.with("per_page", 1);
    let comparison: Comparison = source.get(&path).await.map_err(|error| error.to_string())?;
    let short = commit.get(..7).unwrap_or(commit);
    match comparison.status.as_str() {
        "ahead" | "identical" if comparison.files.len() < COMPARED_FILES_MAX => {
            let names = comparison.files.into_iter();
            Ok(names
                .flat_map(|file| [Some(file.filename), file.previous_filename])
                .flatten()
                .collect())
        }
        "ahead" => Err(format!("too many files changed since {short}")),
        // Compared with where both began, which says nothing about what changed since.
        _ => Err(format!("{short} was force-pushed away")),
    }
}

/// The answer without its entries.
struct Frame<'a> {
    id: &'a PullId,
    pull: &'a PullRequest,
    host: &'a Host,
    fetched: &'a Fetched,
    query: &'a CommentQuery,
    pr: String,
    call: Call,
    fetched_at: Timestamp,
    warnings: Vec<Warning>,
}

impl<'a> Frame<'a> {
    /// Takes entries until the answer is full.
    fn fill(
        self,
        analysis: &Analysis<'a>,
        window: &[&Entry<'a>],
        mut more: bool,
        changes: &Changes,
    ) -> Result<Box<RawValue>, ApiError> {
        let (total_listed, summary) = analysis.summary(self.query);
        let next = |entry: &Entry<'_>| Position::make(entry, &self.call);
        // Hidden threads can be read and resolved, too.
        let hidden = summary.minimized > 0;
        let actions = (!window.is_empty() || hidden).then(|| {
            let leaves_out = |entry: &&Entry<'_>| leaves_out(entry, self.query.body_chars);
            let has_more = hidden || window.iter().any(leaves_out);
            actions(self.id, self.host, has_more)
        });
        let mut answer = UnresolvedComments {
            head_sha: self.pull.head_short(),
            fetched_at: self.fetched_at,
            review_decision: self.fetched.review_decision.as_deref(),
            total_threads: self.fetched.total_threads,
            total_unresolved: analysis.unresolved_threads,
            total_listed,
            comments: Vec::new(),
            summary,
            actions,
            untrusted: UNTRUSTED,
            warnings: self.warnings,
            next_cursor: window.last().map(|entry| next(entry)),
            pr: self.pr.clone(),
        };
        let mut room = limits::ANSWER_BYTES_MAX.saturating_sub(json(&answer)?.get().len());
        for entry in window {
            let bytes_max = room.max(FIRST_ENTRY_BYTES_MIN);
            let first = answer.comments.is_empty();
            let bytes_max = if first { bytes_max } else { usize::MAX };
            let rendered = render(entry, changes, self.query.body_chars, bytes_max)?;
            // A comma stands between two.
            if !first && rendered.get().len() + 1 > room {
                more = true;
                break;
            }
            room = room.saturating_sub(rendered.get().len() + 1);
            answer.comments.push(rendered);
        }
        let last = answer
            .comments
            .len()
            .checked_sub(1)
            .and_then(|last| window.get(last));
        answer.next_cursor = last.filter(|_| more).map(|entry| next(entry));
        json(&answer)
    }
}

fn json(answer: &UnresolvedComments<'_>) -> Result<Box<RawValue>, ApiError> {
    serde_json::value::to_raw_value(answer).map_err(|error| ApiError::internal(error.to_string()))
}

fn actions(id: &PullId, host: &Host, has_more: bool) -> Actions {
    let (repo, number) = (&id.repo, id.number);
    let (flag, prefix) = if *host == Host::default() {
        (String::new(), String::new())
    } else {
        (format!("--hostname {host} "), format!("{host}/"))
    };
    Actions {
        read: has_more.then_some(
            "find_unresolved_comments with thread_id and body_chars (up to 4000): one thread from its start",
        ),
        reply: format!(
            "gh api {flag}repos/{repo}/pulls/{number}/comments/COMMENT_ID/replies -f body='…'"
        ),
        comment: format!("gh pr comment {number} -R {prefix}{repo} --body '…'"),
        resolve: Resolve {
            tool: "resolve_review_thread",
            args: ResolveArguments {
                pr: id.to_string(),
                thread_id: "THREAD_ID",
            },
            only_after: "the fix is pushed and verified",
        },
    }
}
