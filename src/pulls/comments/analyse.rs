//! What is open and who owes the next word: a pure function of what was read.
//!
//! A thread says itself whether it is resolved. What was said in the conversation and in the body
//! of a review does not: it counts as answered when the author of the pull request, or whoever
//! asks (an agent answers under its own login), spoke there later.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::super::{Warning, overflow};
use super::data::{Connection, Remark, Thread};
use super::fetch::Fetched;
use super::review_body::Finding;
use super::{CommentQuery, Needs, Sort};

/// Most authors and files that the summary names.
const NAMED_MAX: usize = 10;
/// Longest path that the summary names, and all of them, in bytes.
const PATH_BYTES_MAX: usize = 120;
const FILES_BYTES_MAX: usize = 1_000;
/// Most bytes of the ids of hidden threads.
const IDS_BYTES_MAX: usize = 400;

/// Who owes the next word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Somebody else spoke last.
    AwaitingAuthor,
    /// The author, or whoever asks, spoke last.
    AwaitingReviewer,
}

/// Where something was said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Thread(&'a Thread),
    Conversation,
    Review,
    /// What the body of a review says about a file.
    Finding(&'a Finding),
}

/// One thing that was said, with what became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub id: &'a str,
    pub place: Place<'a>,
    /// The remark itself: in a thread the first one.
    pub remark: &'a Remark,
    /// What was written there, as Markdown.
    pub written: &'a str,
    pub created_at: Timestamp,
    last_at: Timestamp,
    pub state: State,
    is_open: bool,
}

/// Everything that was said, in the order asked for.
pub(super) struct Analysis<'a> {
    entries: Vec<Entry<'a>>,
    pub unresolved_threads: usize,
    /// Ids of the threads that are not resolved and whose first remark somebody hid.
    pub minimized: Vec<&'a str>,
    pub warnings: Vec<Warning>,
    last_word: Option<Timestamp>,
}

/// What waits for the author.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Ids of threads.
    pub threads: BTreeSet<String>,
    /// When remarks in the conversation were made; what bots say there are reports.
    pub remarks: Vec<Timestamp>,
    /// When reviews were submitted whose bodies say something, whatever they find.
    pub reviews: Vec<Timestamp>,
    /// When the author, or whoever asks, spoke last outside of threads.
    pub last_word: Option<Timestamp>,
}

/// What the listed entries are, all pages together.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Summary<'a> {
    pub by_author: BTreeMap<&'a str, usize>,
    /// Authors beside those, of fewer remarks.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_authors: usize,
    pub bots: usize,
    pub humans: usize,
    pub outdated: usize,
    pub awaiting_author: usize,
    pub awaiting_reviewer: usize,
    /// Threads that somebody hid and nobody resolved. They are not listed, and for GitHub they are
    /// open conversations all the same.
    #[serde(skip_serializing_if = "is_zero")]
    pub minimized: usize,
    /// Ids of the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minimized_threads: Vec<&'a str>,
    pub files: Vec<&'a str>,
    /// Files beside those: each entry names its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_files: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Sorts out what was read.
pub(super) fn analyse(fetched: &Fetched, sort: Sort) -> Analysis<'_> {
    let mut entries: Vec<Entry> = fetched
        .threads
        .iter()
        .filter_map(|thread| of_thread(fetched, thread))
        .collect();
    let minimized = |entry: &&Entry| entry.remark.is_minimized && !entry.is_resolved();
    let minimized = entries.iter().filter(minimized);
    let minimized = minimized.map(|entry| entry.id).collect();
    let unresolved_threads = entries.iter().filter(|entry| entry.is_open).count();
    let told = entries.len();
    let last_word = last_word(fetched);
    entries.extend(remarks(fetched, last_word));
    entries.sort_by(|left, right| compare(sort, &left.key(), &right.key()));
    let mut warnings = unread_remarks(fetched, last_word);
    warnings.extend(unread_findings(fetched));
    let untold = fetched.threads.len() - told;
    if untold > 0 {
        let reason = format!("{untold} threads came without their first comment");
        warnings.push(Warning::new(
            "review_threads",
            reason,
            "unresolved ones may be missing",
        ));
    }
    Analysis {
        entries,
        unresolved_threads,
        minimized,
        warnings,
        last_word,
    }
}

fn of_thread<'a>(fetched: &Fetched, thread: &'a Thread) -> Option<Entry<'a>> {
    let remark = thread.first.told().next()?;
    let last = thread.last.told().next_back().unwrap_or(remark);
    let created_at = remark.created_at?;
    Some(Entry {
        id: &thread.id,
        place: Place::Thread(thread),
        remark,
        written: &remark.body,
        created_at,
        last_at: last.created_at.unwrap_or(created_at),
        state: state(fetched, remark, last),
        is_open: !thread.is_resolved && !remark.is_minimized,
    })
}

/// The author answers, and so does whoever asks, unless the thread is their own question. What is
/// not submitted yet can be answered by nobody.
fn state(fetched: &Fetched, first: &Remark, last: &Remark) -> State {
    let speaker = Some(last.author());
    let by_author = last.author.is_some() && speaker == fetched.author.as_deref();
    let by_viewer = speaker == Some(&fetched.viewer) && first.author() != fetched.viewer;
    if by_author || by_viewer || first.is_pending() {
        State::AwaitingReviewer
    } else {
        State::AwaitingAuthor
    }
}

/// When the author, or whoever asks, spoke last outside of threads.
fn last_word(fetched: &Fetched) -> Option<Timestamp> {
    let said = outside(fetched).filter(|(_, remark)| is_own(fetched, remark));
    let said = said.filter(|(_, remark)| !remark.body.trim().is_empty());
    said.filter_map(|(_, remark)| remark.created_at).max()
}

fn is_own(fetched: &Fetched, remark: &Remark) -> bool {
    remark.author.as_ref().is_some_and(|author| {
        author.login == fetched.viewer || Some(&author.login) == fetched.author.as_ref()
    })
}

fn outside(fetched: &Fetched) -> impl Iterator<Item = (Place<'_>, &Remark)> {
    fn of<'a>(
        part: &'a Option<Connection<Remark>>,
        place: Place<'a>,
    ) -> impl Iterator<Item = (Place<'a>, &'a Remark)> {
        let told = part.iter().flat_map(Connection::told);
        told.map(move |remark| (place, remark))
    }
    of(&fetched.comments, Place::Conversation).chain(of(&fetched.reviews, Place::Review))
}

fn remarks(fetched: &Fetched, last_word: Option<Timestamp>) -> impl Iterator<Item = Entry<'_>> {
    let told = outside(fetched).filter_map(move |(place, remark)| {
        let created_at = remark.created_at?;
        let answered = last_word.is_some_and(|last_word| created_at < last_word);
        Some(Entry {
            id: &remark.id,
            place,
            remark,
            written: &remark.body,
            created_at,
            last_at: created_at,
            state: State::AwaitingAuthor,
            is_open: !answered
                && !remark.is_minimized
                && !remark.is_pending()
                && !is_own(fetched, remark),
        })
    });
    let told = told.flat_map(|entry| apart(fetched, entry));
    // Nothing was said where a review only approves, or where only its findings say something.
    told.filter(|entry| !entry.written.trim().is_empty())
}

/// A remark, or what the body of a review says about files and what it says besides.
fn apart<'a>(fetched: &'a Fetched, entry: Entry<'a>) -> impl Iterator<Item = Entry<'a>> {
    let apart = fetched.taken_apart.get(entry.id);
    let apart = apart.filter(|_| matches!(entry.place, Place::Review));
    let whole = Entry {
        written: apart.map_or(entry.written, |apart| &apart.rest),
        ..entry
    };
    let findings = apart.into_iter().flat_map(|apart| &apart.findings);
    let findings = findings.map(move |finding| Entry {
        id: &finding.id,
        place: Place::Finding(finding),
        written: &finding.written,
        ..entry
    });
    std::iter::once(whole).chain(findings)
}

/// Says where the title of a section announces more than was recognised below it.
fn unread_findings(fetched: &Fetched) -> Option<Warning> {
    let unread: usize = fetched.taken_apart.values().map(|apart| apart.unread).sum();
    (unread > 0).then(|| {
        Warning::new(
            "review_bodies",
            format!("{unread} findings that bots announce were not recognised"),
            "url leads to all that was written",
        )
    })
}

/// Only the newest remarks are read: says so where an older one may await an answer.
fn unread_remarks(fetched: &Fetched, last_word: Option<Timestamp>) -> Vec<Warning> {
    let parts = [
        ("conversation", &fetched.comments),
        ("reviews", &fetched.reviews),
    ];
    let unread = parts.into_iter().filter_map(|(source, part)| {
        let part = part.as_ref()?;
        let told = part.told().count() as u64;
        let oldest = part.told().filter_map(|remark| remark.created_at).min();
        let reaches_back = last_word.is_some() && oldest <= last_word;
        let reason = format!("the newest {told} of {} were read", part.total_count);
        (told < part.total_count && !reaches_back)
            .then(|| Warning::new(source, reason, "older remarks may await an answer"))
    });
    unread.collect()
}

impl<'a> Analysis<'a> {
    /// What the query asks for, in order.
    pub fn listed<'b>(&'b self, query: &CommentQuery) -> impl Iterator<Item = &'b Entry<'a>> {
        let needs = query.needs;
        let (bots, since) = (query.include_bots, query.since);
        let (excluded, outdated) = (&query.exclude_authors, query.include_outdated);
        self.entries.iter().filter(move |entry| {
            entry.is_open
                && (bots || !entry.remark.is_bot())
                && !excluded.iter().any(|login| entry.remark.is_by(login))
                && (outdated || !entry.thread().is_some_and(|thread| thread.is_outdated))
                && since.is_none_or(|since| entry.last_at >= since)
                && match needs {
                    Needs::Any => true,
                    Needs::AuthorReply => entry.state == State::AwaitingAuthor,
                    Needs::Reviewer => entry.state == State::AwaitingReviewer,
                }
        })
    }

    /// The same after the last entry of an earlier page, which may be resolved or answered since:
    /// places are found by what does not change. None when that entry is gone.
    pub fn listed_after<'b>(
        &'b self,
        query: &CommentQuery,
        id: &str,
        state: State,
    ) -> Option<impl Iterator<Item = &'b Entry<'a>>> {
        let anchor = self.entries.iter().find(|entry| entry.id == id)?;
        let anchor = Key {
            state,
            ..anchor.key()
        };
        let sort = query.sort;
        let after = move |entry: &&Entry| compare(sort, &entry.key(), &anchor).is_gt();
        Some(self.listed(query).filter(after))
    }

    /// What waits for the author, whatever is asked for.
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting {
            last_word: self.last_word,
            ..Waiting::default()
        };
        let mut reviews = BTreeMap::new();
        let everything = CommentQuery::default();
        for entry in self.listed(&everything) {
            if entry.state != State::AwaitingAuthor {
                continue;
            }
            match entry.place {
                Place::Thread(_) => {
                    waiting.threads.insert(entry.id.to_owned());
                }
                Place::Conversation if entry.remark.is_bot() => {}
                Place::Conversation => waiting.remarks.push(entry.created_at),
                Place::Review | Place::Finding(_) => {
                    reviews.insert(entry.remark.id.as_str(), entry.created_at);
                }
            }
        }
        waiting.reviews = reviews.into_values().collect();
        waiting
    }

    /// Counts what the query asks for.
    pub fn summary(&self, query: &CommentQuery) -> (usize, Summary<'a>) {
        let mut summary = Summary {
            minimized: self.minimized.len(),
            minimized_threads: overflow::fit(self.minimized.clone(), IDS_BYTES_MAX).0,
            ..Summary::default()
        };
        let mut authors: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut total, mut files) = (0, BTreeSet::new());
        for entry in self.listed(query) {
            total += 1;
            *authors.entry(entry.remark.author()).or_default() += 1;
            *if entry.remark.is_bot() {
                &mut summary.bots
            } else {
                &mut summary.humans
            } += 1;
            match entry.state {
                State::AwaitingAuthor => summary.awaiting_author += 1,
                State::AwaitingReviewer => summary.awaiting_reviewer += 1,
            }
            let outdated = entry.thread().is_some_and(|thread| thread.is_outdated);
            summary.outdated += usize::from(outdated);
            if let Some(path) = entry.path() {
                let path = crate::domain::text::cut(path, PATH_BYTES_MAX).0;
                if files.insert(path) && summary.files.len() < NAMED_MAX {
                    summary.files.push(path);
                }
            }
        }
        let mut authors: Vec<_> = authors.into_iter().collect();
        authors.sort_by_key(|(_, count)| Reverse(*count));
        summary.more_authors = authors.len().saturating_sub(NAMED_MAX);
        authors.truncate(NAMED_MAX);
        summary.files = overflow::fit(summary.files, FILES_BYTES_MAX).0;
        summary.more_files = files.len() - summary.files.len();
        summary.by_author = authors.into_iter().collect();
        (total, summary)
    }
}

/// What entries are ordered by.
struct Key<'a> {
    state: State,
    is_bot: bool,
    path: Option<&'a str>,
    line: Option<u64>,
    author: &'a str,
    created_at: Timestamp,
    id: &'a str,
}

fn compare(sort: Sort, left: &Key<'_>, right: &Key<'_>) -> Ordering {
    let order = match sort {
        Sort::ByFile => {
            // What is about no file comes last.
            let left = (left.path.is_none(), left.path, left.line);
            left.cmp(&(right.path.is_none(), right.path, right.line))
        }
        Sort::ByAuthor => left.author.cmp(right.author),
        Sort::Chronological => Ordering::Equal,
        Sort::Priority => {
            let rank = |key: &Key<'_>| (key.state, key.is_bot, Reverse(key.created_at));
            rank(left).cmp(&rank(right))
        }
    };
    order.then_with(|| (left.created_at, left.id).cmp(&(right.created_at, right.id)))
}

impl<'a> Entry<'a> {
    fn key(&self) -> Key<'a> {
        Key {
            state: self.state,
            is_bot: self.remark.is_bot(),
            path: self.path(),
            line: self.line(),
            author: self.remark.author(),
            created_at: self.created_at,
            id: self.id,
        }
    }

    /// The thread, if it is one.
    pub fn thread(&self) -> Option<&'a Thread> {
        match self.place {
            Place::Thread(thread) => Some(thread),
            Place::Conversation | Place::Review | Place::Finding(_) => None,
        }
    }

    /// The finding in the body of a review, if it is one.
    pub fn finding(&self) -> Option<&'a Finding> {
        match self.place {
            Place::Finding(finding) => Some(finding),
            Place::Thread(_) | Place::Conversation | Place::Review => None,
        }
    }

    /// The file it is about.
    pub fn path(&self) -> Option<&'a str> {
        let of_thread = self.thread().map(|thread| thread.path.as_str());
        of_thread.or_else(|| self.finding()?.path.as_deref())
    }

    /// The line it is about; for an outdated thread the line it was about.
    pub fn line(&self) -> Option<u64> {
        let of_thread = self.thread().and_then(Thread::place);
        of_thread.or_else(|| self.finding()?.line)
    }

    /// The first line it is about, where there are several.
    pub fn start(&self) -> Option<u64> {
        let of_thread = self.thread().and_then(Thread::start);
        of_thread.or_else(|| self.finding()?.start)
    }

    /// The commit that was commented on.
    pub fn commit(&self) -> Option<&'a str> {
        self.thread()?;
        let commit = self.remark.original_commit.as_ref()?;
        Some(&commit.oid)
    }

    fn is_resolved(&self) -> bool {
        self.thread().is_some_and(|thread| thread.is_resolved)
    }
}

impl Thread {
    /// The line it is about; for an outdated thread the line it was about.
    fn place(&self) -> Option<u64> {
        self.line.or(self.original_line)
    }

    /// The first line it is about, where there are several.
    fn start(&self) -> Option<u64> {
        match self.line {
            Some(_) => self.start_line,
            None => self.original_start_line,
        }
    }
}
