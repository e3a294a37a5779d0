//! The feed: durable changes as events for readers, in order, without a gap.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::claim::{Change, Recorded, Status};
use crate::domain::{AgentId, ClaimId, RepoName, limits, text, with_time_text};

/// One event: a change that is on disk.
#[derive(Debug)]
pub struct FeedEvent {
    /// The change. Its sequence number is the event's id.
    pub recorded: Recorded,
    frame: OnceLock<Bytes>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: u64,
    r#type: &'static str,
    #[serde(serialize_with = "crate::domain::serialize_time")]
    at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_id: Option<ClaimId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_claim_id: Option<ClaimId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<&'a RepoName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pr_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_issues: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checks: &'a [Arc<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tests: &'a [Arc<str>],
}

impl FeedEvent {
    /// Wraps a change.
    pub fn new(recorded: Recorded) -> Self {
        Self {
            recorded,
            frame: OnceLock::new(),
        }
    }

    /// The event's name on the stream.
    pub fn kind(&self) -> &'static str {
        match &self.recorded.change {
            Change::Granted { .. } => "claim.created",
            Change::Moved {
                to: Status::Released,
                ..
            } => "claim.released",
            Change::Moved {
                to: Status::Stale, ..
            } => "claim.stale",
            Change::Moved { .. } | Change::HandedOn { .. } => "claim.status_changed",
            Change::IssueClosed { .. } => "issue.closed",
            Change::SyncCompleted { .. } => "sync.completed",
            Change::ChecksFailed(_) => "ci.failed",
        }
    }

    /// Whether a reader with these filters wants it.
    pub fn matches(&self, repo: Option<&RepoName>, agent_id: Option<&AgentId>) -> bool {
        let data = self.data();
        repo.is_none_or(|wanted| data.repo == Some(wanted))
            && agent_id.is_none_or(|wanted| data.agent_id == Some(wanted))
    }

    fn data(&self) -> Data<'_> {
        let Recorded { seq, at, change } = &self.recorded;
        let mut data = Data {
            id: *seq,
            r#type: self.kind(),
            at: *at,
            claim_id: None,
            previous_claim_id: None,
            agent_id: None,
            repo: None,
            issue_number: None,
            issue_title: None,
            status: None,
            previous_status: None,
            note: None,
            pr_url: None,
            repos: None,
            open_issues: None,
            changed: None,
            pr: None,
            head_sha: None,
            checks: &[],
            tests: &[],
        };
        match change {
            Change::Granted {
                claim_id,
                agent_id,
                repo,
                issue_number,
                issue_title,
                ..
            } => {
                data.claim_id = Some(*claim_id);
                data.agent_id = Some(agent_id);
                data.repo = Some(repo);
                data.issue_number = Some(*issue_number);
                data.issue_title = Some(issue_title);
                data.status = Some(Status::Claimed);
            }
            Change::HandedOn {
                old_claim_id,
                claim,
                ..
            } => {
                data.claim_id = Some(claim.claim_id);
                data.agent_id = Some(&claim.agent_id);
                data.repo = Some(&claim.repo);
                data.issue_number = Some(claim.issue_number);
                data.issue_title = Some(&claim.issue_title);
                data.status = Some(claim.status);
                data.previous_claim_id = Some(*old_claim_id);
            }
            Change::Moved {
                claim_id,
                agent_id,
                repo,
                issue_number,
                from,
                to,
                note,
                pr_url,
                ..
            } => {
                data.claim_id = Some(*claim_id);
                data.agent_id = Some(agent_id);
                data.repo = Some(repo);
                data.issue_number = Some(*issue_number);
                data.status = Some(*to);
                data.previous_status = Some(*from);
                data.note = note.as_deref();
                data.pr_url = pr_url.as_deref();
            }
            Change::IssueClosed {
                repo,
                issue_number,
                issue_title,
            } => {
                data.repo = Some(repo);
                data.issue_number = Some(*issue_number);
                data.issue_title = Some(issue_title);
            }
            Change::SyncCompleted {
                repos,
                open_issues,
                changed,
            } => {
                data.repos = Some(*repos);
                data.open_issues = Some(*open_issues);
                data.changed = Some(*changed);
            }
            Change::ChecksFailed(failed) => {
                data.claim_id = failed.claim_id;
                data.agent_id = failed.agent_id.as_ref();
                data.repo = Some(&failed.repo);
                data.issue_number = failed.issue_number;
                data.pr = Some(format!("{}#{}", failed.repo, failed.number));
                data.head_sha = Some(&failed.head_sha);
                data.checks = &failed.checks;
                data.tests = &failed.tests;
            }
        }
        data
    }

    /// The event as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.data()).unwrap_or_default()
    }

    /// The event as a server-sent event; made once, whatever the number of readers.
    pub fn frame(&self) -> Bytes {
        let frame = || {
            let (id, kind, json) = (self.recorded.seq, self.kind(), self.json());
            Bytes::from(format!("id: {id}\nevent: {kind}\ndata: {json}\n\n"))
        };
        self.frame.get_or_init(frame).clone()
    }

    /// Adds the event to `lines`, as a line for people.
    pub fn write_line(&self, lines: &mut String) {
        // Writing into a string does not fail.
        use std::fmt::Write as _;
        let data = self.data();
        let mut words = |words: &[&str]| lines.extend(words.iter().copied());
        with_time_text(data.at, |time| {
            let seconds = time.split(['.', 'Z']).next().unwrap_or_default();
            words(&[seconds, "Z ", data.r#type]);
        });
        words(&[KIND_COLUMN.get(data.r#type.len()..).unwrap_or_default()]);
        if let Some(pr) = &data.pr {
            words(&[" ", pr]);
        } else if let Some(repo) = data.repo {
            words(&[" ", repo.as_str()]);
            if let Some(number) = data.issue_number {
                let _ = write!(lines, "#{number}");
            }
        }
        let mut words = |words: &[&str]| lines.extend(words.iter().copied());
        if let Some(agent_id) = data.agent_id {
            words(&[" by ", agent_id.as_str()]);
        }
        match (data.previous_status, data.status) {
            (Some(from), Some(to)) if from != to => {
                words(&[" ", from.as_str(), " -> ", to.as_str()]);
            }
            (_, Some(status)) => words(&[" ", status.as_str()]),
            _ => {}
        }
        if let (Some(repos), Some(issues)) = (data.repos, data.open_issues) {
            let changed = data.changed.unwrap_or_default();
            let _ = write!(
                lines,
                " {repos} repositories, {issues} open issues, {changed} changed"
            );
        }
        let named = if data.tests.is_empty() {
            data.checks
        } else {
            data.tests
        };
        for (place, name) in named.iter().enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            lines.push_str(before);
            text::push_one_line(lines, name);
        }
        for text in [data.issue_title, data.note].into_iter().flatten() {
            lines.push_str(": ");
            text::push_one_line(lines, text);
        }
        lines.push('\n');
    }
}

/// What fills the column of kinds.
const KIND_COLUMN: &str = "                    ";

/// Where events are published and read.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    recent: Mutex<VecDeque<Arc<FeedEvent>>>,
    sender: broadcast::Sender<Arc<FeedEvent>>,
    printer: OnceLock<SyncSender<Vec<Arc<FeedEvent>>>>,
}

/// A reader's place in the feed: first the events that were missed, then new ones.
pub struct Subscription {
    /// Events after the one asked for that are still in memory, oldest first.
    pub missed: Vec<Arc<FeedEvent>>,
    /// Events from now on.
    pub live: broadcast::Receiver<Arc<FeedEvent>>,
}

/// How many events a reader may be behind before it is cut.
const READER_LAG_MAX: usize = 1_024;
/// How many batches the printer may be behind.
const PRINTER_BATCHES_MAX: usize = 256;

impl Feed {
    /// A feed that remembers these changes.
    pub fn new(replayed: Vec<Recorded>) -> Self {
        let events = replayed
            .into_iter()
            .map(|recorded| Arc::new(FeedEvent::new(recorded)));
        Self(Arc::new(Shared {
            recent: Mutex::new(events.collect()),
            sender: broadcast::Sender::new(READER_LAG_MAX),
            printer: OnceLock::new(),
        }))
    }

    /// Publishes durable changes, in order.
    pub(super) fn publish(&self, changes: Vec<Recorded>) {
        let events: Vec<_> = changes
            .into_iter()
            .map(|recorded| Arc::new(FeedEvent::new(recorded)))
            .collect();
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &events {
            if recent.len() >= limits::FEED_EVENTS_MAX {
                recent.pop_front();
            }
            recent.push_back(event.clone());
            // No reader is not an error.
            let _ = self.0.sender.send(event.clone());
        }
        drop(recent);
        if let Some(printer) = self.0.printer.get() {
            // A printer that cannot keep up notices the gap in the numbers.
            let _ = printer.try_send(events);
        }
    }

    /// Batches of events as they are published, for the one printer; further calls get nothing.
    pub fn batches(&self) -> Option<Receiver<Vec<Arc<FeedEvent>>>> {
        let (sender, receiver) = sync_channel(PRINTER_BATCHES_MAX);
        self.0.printer.set(sender).ok().map(|()| receiver)
    }

    /// Reads on after event `since`; without it, from now on.
    pub fn subscribe(&self, since: Option<u64>) -> Subscription {
        // Under the same lock as publishing, so that no event falls between the two parts.
        let recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.0.sender.subscribe();
        let missed = since.map_or_else(Vec::new, |since| {
            recent
                .iter()
                .filter(|event| event.recorded.seq > since)
                .cloned()
                .collect()
        });
        Subscription { missed, live }
    }
}
