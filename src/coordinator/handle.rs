//! The coordinator's thread and the handle by which everybody reaches it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::core::{Core, View};
use super::feed::Feed;
use super::inbox::{Inbox, Received, Refused};
use super::{Answer, NextOutcome, NextQuery, Operation};
use crate::claim::Command;
use crate::domain::{ApiError, Category, ClaimId, limits};
use crate::store::{HistoryPosition, StoreError, write_snapshot};

/// Why the coordinator did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The change could not be put on disk: it has not happened.
    #[error("the change could not be stored: {message}")]
    Storage {
        /// What the system said.
        message: String,
        /// What to do.
        suggestion: String,
    },
    /// Too many requests wait.
    #[error("too many requests are waiting")]
    Overloaded,
    /// It has ended.
    #[error("the coordinator is shutting down")]
    Stopped,
}

impl CoordinatorError {
    /// The error as callers see it.
    pub fn to_api(&self) -> ApiError {
        let message = self.to_string();
        match self {
            Self::Storage { suggestion, .. } => ApiError::new(
                Category::Api,
                "storage_unavailable",
                message,
                suggestion.clone(),
            )
            .retry_after(2),
            Self::Overloaded => ApiError::new(
                Category::Api,
                "overloaded",
                message,
                "call again in a second",
            )
            .retry_after(1),
            Self::Stopped => ApiError::new(
                Category::Api,
                "shutting_down",
                message,
                "call again in a second",
            )
            .retry_after(1),
        }
    }
}

type Reply = oneshot::Sender<Result<Delivery, CoordinatorError>>;

/// An answer on its way to its caller.
struct Delivery {
    answer: Answer,
    handover: Option<Handover>,
}

/// A grant of `next_issue` on its way to its agent. Wherever it is dropped before it is
/// [`Handover::done`], because a caller went away, the grant is taken back: no claim stays behind
/// whose agent never heard of it.
pub struct Handover {
    inbox: Arc<Inbox<Message>>,
    claim_id: Option<ClaimId>,
}

impl Handover {
    /// It has arrived.
    pub fn done(mut self) {
        self.claim_id = None;
    }

    /// It shall not arrive: the issue turned out to be unfit.
    pub fn withdraw(mut self, why: &'static str) {
        self.take_back(why);
    }

    fn take_back(&mut self, why: &'static str) {
        let Some(claim_id) = self.claim_id.take() else {
            return;
        };
        let command = Operation::Command(Command::Withdraw { claim_id, why });
        let (reply, _) = oneshot::channel();
        let message = Message::Perform(Box::new(command), reply);
        if self.inbox.send(message).is_err() {
            tracing::warn!(%claim_id, "a grant that did not arrive could not be taken back");
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.take_back("the caller went away before it was handed over");
    }
}

/// Gives its result away once it is known whether the state it saw is durable.
type Deliver = Box<dyn FnOnce(Result<(), CoordinatorError>) + Send>;
type Read = Box<dyn FnOnce(&View<'_>) -> Deliver + Send>;

/// Replies of one batch. They are handed out by a task of the runtime: waking that one task and
/// letting it wake the callers costs one system call a batch instead of one a caller.
struct Replies {
    performed: Vec<(Reply, Delivery)>,
    reads: Vec<Deliver>,
    durable: Result<(), CoordinatorError>,
}

impl Replies {
    fn hand_out(self) {
        // A caller that went away is not an error.
        for (reply, delivery) in self.performed {
            let _ = reply.send(self.durable.clone().map(|()| delivery));
        }
        for deliver in self.reads {
            deliver(self.durable.clone());
        }
    }
}

enum Message {
    Perform(Box<Operation>, Reply),
    Read(Read),
    Viewer(Option<Arc<str>>),
    SnapshotDone(Box<Result<(HistoryPosition, u64), StoreError>>),
    Stop(oneshot::Sender<Result<(), CoordinatorError>>),
}

/// Reaches the coordinator. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator {
    inbox: Arc<Inbox<Message>>,
    feed: Feed,
    changed: watch::Receiver<u64>,
    thread: Arc<Thread>,
}

/// The thread; it ends when nobody can reach it any more.
struct Thread {
    inbox: Arc<Inbox<Message>>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl Coordinator {
    /// Starts the thread, and in the current runtime the task that hands out replies.
    pub fn start(core: Core) -> std::io::Result<Self> {
        let inbox = Inbox::new(limits::COORDINATOR_QUEUE_MAX);
        let bell = inbox.clone();
        tokio::spawn(async move { bell.ring().await });
        // Bounded by the queue before it: a reply belongs to a request that was let in.
        let (replies, mut batches) = mpsc::unbounded_channel::<Replies>();
        tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                batch.hand_out();
            }
        });
        let feed = core.feed();
        let (changed_sender, changed) = watch::channel(0);
        let received = inbox.clone();
        let thread = std::thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn(move || {
                let changed = changed_sender;
                Worker {
                    core,
                    inbox: received,
                    waiting: VecDeque::new(),
                    changed,
                    replies,
                }
                .run();
            })?;
        let thread = Thread {
            inbox: inbox.clone(),
            handle: Mutex::new(Some(thread)),
        };
        Ok(Self {
            inbox,
            feed,
            changed,
            thread: Arc::new(thread),
        })
    }

    fn send(&self, message: Message) -> Result<(), CoordinatorError> {
        self.inbox.send(message).map_err(|refused| match refused {
            Refused::Full => CoordinatorError::Overloaded,
            Refused::Closed => CoordinatorError::Stopped,
        })
    }

    /// Has an operation performed; the answer comes when its changes are on disk.
    pub async fn perform(&self, operation: Operation) -> Result<Answer, CoordinatorError> {
        let Delivery { answer, handover } = self.deliver(operation).await?;
        if let Some(handover) = handover {
            handover.done();
        }
        Ok(answer)
    }

    /// Chooses and grants the best issue. The grant is taken back unless the handover is done.
    pub async fn next(
        &self,
        query: NextQuery,
    ) -> Result<(NextOutcome, Option<Handover>), CoordinatorError> {
        let Delivery { answer, handover } = self.deliver(Operation::Next(query)).await?;
        match answer {
            Answer::Next(outcome) => Ok((outcome, handover)),
            _ => Err(CoordinatorError::Stopped),
        }
    }

    async fn deliver(&self, operation: Operation) -> Result<Delivery, CoordinatorError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Perform(Box::new(operation), reply))?;
        answer.await.unwrap_or(Err(CoordinatorError::Stopped))
    }

    /// Reads the state. What is read is durable when the answer comes.
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> R + Send + 'static,
    ) -> Result<R, CoordinatorError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |view| {
            let result = read(view);
            Box::new(move |durable| {
                // A caller that went away is not an error.
                let _ = reply.send(durable.map(|()| result));
            })
        });
        self.send(Message::Read(read))?;
        answer.await.unwrap_or(Err(CoordinatorError::Stopped))
    }

    /// Tells who is logged in.
    pub fn set_viewer(&self, viewer: Option<Arc<str>>) {
        // Full or stopped: the next sync tells again.
        let _ = self.send(Message::Viewer(viewer));
    }

    /// The feed of events.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Changes whenever claims or the catalogue may have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Writes a last snapshot and ends the thread.
    pub async fn stop(&self) -> Result<(), CoordinatorError> {
        let (reply, done) = oneshot::channel();
        self.send(Message::Stop(reply))?;
        let result = done.await.unwrap_or(Err(CoordinatorError::Stopped));
        let thread = self
            .thread
            .handle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        result
    }
}

struct Worker {
    core: Core,
    inbox: Arc<Inbox<Message>>,
    /// Received and not yet in a batch.
    waiting: VecDeque<Message>,
    changed: watch::Sender<u64>,
    replies: mpsc::UnboundedSender<Replies>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However the thread ends: nobody shall wait for it.
        self.inbox.close();
    }
}

/// Longest sleep: a machine that was suspended is noticed within this time after it wakes.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// A batch of this many messages does not wait for more: its sync goes on while the runtime reads
/// further requests.
const BATCH_WORTH_A_SYNC: usize = 16;
/// Longest wait for the rest of a turn: a task that takes its time must not hold up the others'
/// changes.
const TURN_MAX: Duration = Duration::from_millis(1);

impl Worker {
    fn run(mut self) {
        loop {
            let mut more = false;
            if self.waiting.is_empty() {
                let idle = self.core.idle_time();
                let sleep = idle.map_or(SLEEP_MAX, |idle| idle.min(SLEEP_MAX));
                more = match self.inbox.receive(&mut self.waiting, sleep) {
                    Received::Part => true,
                    Received::Turn => false,
                    Received::Closed => return,
                };
            }
            if let Some(stop) = self.batch(more) {
                let result = self.core.shut_down().map_err(|error| storage_error(&error));
                let _ = stop.send(result);
                return;
            }
        }
    }

    /// One batch: everything that waits, and what else comes in the same turn, is decided, stored
    /// with one sync, and answered.
    fn batch(&mut self, mut more: bool) -> Option<oneshot::Sender<Result<(), CoordinatorError>>> {
        let mut replies: Vec<(Reply, Delivery)> = Vec::new();
        let mut reads: Vec<Deliver> = Vec::new();
        let mut stop = None;
        let mut catalogue_changed = false;
        self.core.begin();
        for taken in 0..limits::COORDINATOR_BATCH_MAX {
            while more && self.waiting.is_empty() && taken < BATCH_WORTH_A_SYNC {
                let received = self.inbox.receive(&mut self.waiting, TURN_MAX);
                more = received == Received::Part;
            }
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            match message {
                Message::Perform(operation, reply) => {
                    catalogue_changed |= matches!(*operation, Operation::Catalogue(_));
                    let answer = self.core.perform(*operation);
                    let handover = self.handover(&answer);
                    replies.push((reply, Delivery { answer, handover }));
                }
                Message::Read(read) => {
                    reads.push(read(&self.core.view()));
                }
                Message::Viewer(viewer) => self.core.set_viewer(viewer),
                Message::SnapshotDone(result) => self.core.snapshot_done(*result),
                Message::Stop(reply) => {
                    stop = Some(reply);
                    break;
                }
            }
        }
        let wrote = self.core.has_pending();
        let result = self.core.finish().map_err(|error| storage_error(&error));
        // Without a runtime nobody waits any more.
        let _ = self.replies.send(Replies {
            performed: replies,
            reads,
            durable: result,
        });
        if wrote || catalogue_changed {
            self.changed.send_modify(|version| *version += 1);
        }
        self.snapshot_if_due();
        stop
    }

    fn handover(&self, answer: &Answer) -> Option<Handover> {
        match answer {
            Answer::Next(NextOutcome::Granted(grant)) => Some(Handover {
                inbox: self.inbox.clone(),
                claim_id: Some(grant.claim.claim_id),
            }),
            _ => None,
        }
    }

    fn snapshot_if_due(&mut self) {
        let Some(job) = self.core.snapshot_job() else {
            return;
        };
        let (disk, files) = self.core.storage();
        let inbox = self.inbox.clone();
        let write = move || {
            let result = write_snapshot(&*disk, &files, job);
            inbox.send_urgent(Message::SnapshotDone(Box::new(result)));
        };
        let thread = std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(write);
        if let Err(source) = thread {
            let error = StoreError::Io {
                action: "start a thread for",
                file: "the snapshot".to_owned(),
                source,
            };
            self.core.snapshot_done(Err(error));
        }
    }
}

fn storage_error(error: &StoreError) -> CoordinatorError {
    CoordinatorError::Storage {
        message: error.to_string(),
        suggestion: error.suggestion(),
    }
}
