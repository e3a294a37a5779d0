//! The one writer: whoever holds its lock takes what waits in the inbox, has the core decide it,
//! stores it with one sync, and replies.
//!
//! Two take turns with it. A task of the runtime, at the end of each turn, as long as few ask and the
//! disk has been quick of late: a sync of a tenth of a millisecond costs less than waking a thread
//! for it and being woken back. And a thread, which does the rest: batches that take long, and those
//! of many callers, during which the runtime reads the next requests and writes the last answers;
//! what is due by the clock; snapshots.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::core::Core;
use super::handle::{CoordinatorError, storage_error};
use super::inbox::Inbox;
use super::message::{Deliver, Delivery, Handover, Message, Read, Replies};
use super::{Answer, NextOutcome, Operation};
use crate::domain::limits;
use crate::store::{StoreError, write_snapshot};

/// Longest sleep of the thread: a machine that was suspended is noticed within this time after it
/// wakes.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// The runtime may stand still for so long. Disks that are quick have a hiccup of some milliseconds
/// every few hundred syncs, and a batch without any waits for a processor now and then.
const QUICK_BATCH_MAX: Duration = Duration::from_millis(10);
/// After a batch that took longer the thread has the writer for so many times as long: such a disk
/// costs the runtime a twentieth of its time, at most.
const SLOW_FACTOR: u32 = 20;
/// How long a quick sync speaks for the disk: it may have been put to sleep since.
const QUICK_MEMORY: Duration = Duration::from_secs(1);

/// With so many callers the thread does the batches while the runtime serves. Measured on two cores,
/// callers that ask again at once: with 16 that is a tenth slower than the runtime alone, because two
/// threads wake each other for half a batch each; with 20 to 24 it is the same; from 32 on it is a
/// sixth to a quarter quicker.
const CROWD_MIN: usize = 20;
/// How long a crowd is taken to go on asking.
const CROWD_MEMORY: Duration = Duration::from_millis(100);

/// The writer, shared by its task and its thread.
pub(super) struct Writer {
    inbox: Arc<Inbox<Message>>,
    /// Of the task: there the callers wait.
    runtime: Handle,
    changed: watch::Sender<u64>,
    /// `None` once it was stopped.
    state: Mutex<Option<State>>,
}

/// What the lock protects.
struct State {
    core: Core,
    /// Taken from the inbox and not yet in a batch.
    waiting: VecDeque<Message>,
    /// Somebody wants the writer to end, which the thread does.
    stop: Option<oneshot::Sender<Result<(), CoordinatorError>>>,
    pace: Pace,
    /// When the thread looks at the clock next.
    thread_wakes_at: Instant,
}

/// Whether the runtime can do batches itself.
struct Pace {
    /// The last slow batch counts until then.
    slow_until: Instant,
    /// The last quick sync counts until then.
    quick_until: Instant,
    /// The last crowd counts until then.
    crowd_until: Instant,
}

/// One batch, as its pace is judged.
struct Lap {
    /// When it ended.
    ended: Instant,
    took: Duration,
    /// Whether the disk took part.
    synced: bool,
    /// How many asked: those whom it answers, and the messages that came meanwhile.
    callers: usize,
}

impl Pace {
    /// Slow until it has shown otherwise, and no crowd.
    fn new(now: Instant) -> Self {
        Self {
            slow_until: now,
            quick_until: now,
            crowd_until: now,
        }
    }

    fn is_quick(&self, now: Instant) -> bool {
        self.slow_until <= now && now < self.quick_until
    }

    fn is_crowded(&self, now: Instant) -> bool {
        now < self.crowd_until
    }

    /// Takes note of a batch.
    fn note(&mut self, lap: &Lap) {
        if lap.took > QUICK_BATCH_MAX {
            self.slow_until = self.slow_until.max(lap.ended + lap.took * SLOW_FACTOR);
        } else if lap.synced {
            self.quick_until = lap.ended + QUICK_MEMORY;
        }
        if lap.synced && lap.callers >= CROWD_MIN {
            self.crowd_until = lap.ended + CROWD_MEMORY;
        }
    }
}

/// Closes the inbox when a half of the writer ends, however it ends: nobody shall wait for it.
struct CloseAtEnd(Arc<Inbox<Message>>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Writer {
    /// A writer for the current runtime, and the inbox by which it is reached. `changed` tells that
    /// something may have changed.
    pub fn new(core: Core, changed: watch::Sender<u64>) -> (Arc<Self>, Arc<Inbox<Message>>) {
        let inbox = Inbox::new(limits::COORDINATOR_QUEUE_MAX);
        let state = State {
            core,
            waiting: VecDeque::new(),
            stop: None,
            pace: Pace::new(Instant::now()),
            thread_wakes_at: Instant::now(),
        };
        let writer = Self {
            inbox: inbox.clone(),
            runtime: Handle::current(),
            changed,
            state: Mutex::new(Some(state)),
        };
        (Arc::new(writer), inbox)
    }

    /// Starts the task and the thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let of_thread = self.clone();
        let thread = std::thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn(move || of_thread.run())?;
        let task = self.clone();
        self.runtime.spawn(async move { task.end_turns().await });
        Ok(thread)
    }

    /// The task: at the end of each turn in which something was asked, does it or has the thread
    /// do it.
    async fn end_turns(&self) {
        let _close = CloseAtEnd(self.inbox.clone());
        while self.inbox.turn_over().await {
            let batch = match self.state.try_lock() {
                Ok(mut state) => state
                    .as_mut()
                    .and_then(|state| state.quick_batch(&self.inbox)),
                Err(TryLockError::WouldBlock) => None,
                Err(TryLockError::Poisoned(_)) => return,
            };
            let is_done = match batch {
                Some((replies, is_done)) => {
                    self.hand_out(replies);
                    is_done
                }
                // The thread may have taken all before the turn was over.
                None => self.inbox.len() == 0,
            };
            if !is_done {
                self.inbox.ring();
            }
        }
    }

    fn hand_out(&self, replies: Replies) {
        if replies.changed {
            self.changed.send_modify(|version| *version += 1);
        }
        replies.answer();
    }

    /// The thread.
    fn run(self: &Arc<Self>) {
        let _close = CloseAtEnd(self.inbox.clone());
        while let Some(sleep) = self.locked(State::sleep)
            && self.inbox.wait(sleep)
        {
            // Outside of the lock, and before a snapshot is taken. By one task where the callers
            // are: waking each of them from here would take a system call each. When the runtime has
            // ended nobody waits any more.
            if let Some(replies) = self.locked(|state| state.batch(&self.inbox))
                && !replies.is_empty()
            {
                let writer = self.clone();
                self.runtime.spawn(async move { writer.hand_out(replies) });
            }
            let rest = |state: &mut State| {
                state.snapshot_if_due(&self.inbox);
                state.stop.take()
            };
            if let Some(stop) = self.locked(rest).flatten() {
                self.stop(stop);
            }
        }
    }

    /// Writes a last snapshot and lets go of the journal.
    fn stop(&self, reply: oneshot::Sender<Result<(), CoordinatorError>>) {
        let state = self.state.lock().ok().and_then(|mut state| state.take());
        let result = state.map_or(Err(CoordinatorError::Stopped), |mut state| {
            let result = state.core.shut_down();
            result.map_err(|error| storage_error(&error))
        });
        // Whoever asked may be gone.
        let _ = reply.send(result);
    }

    /// `None` once the writer was stopped, and after a panic: what that left behind is not to be
    /// trusted.
    fn locked<R>(&self, act: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state.lock().ok()?.as_mut().map(act)
    }
}

impl State {
    /// How long the thread may sleep.
    fn sleep(&mut self) -> Duration {
        let idle = self.core.idle_time().unwrap_or(SLEEP_MAX);
        let sleep = if self.waiting.is_empty() {
            idle.min(SLEEP_MAX)
        } else {
            Duration::ZERO
        };
        self.thread_wakes_at = Instant::now() + sleep;
        sleep
    }

    /// A batch on behalf of the runtime, and whether that was all there is to do for now. `None`
    /// when the runtime has better things to do than to wait for the disk.
    fn quick_batch(&mut self, inbox: &Arc<Inbox<Message>>) -> Option<(Replies, bool)> {
        let now = Instant::now();
        if !self.pace.is_quick(now) || self.pace.is_crowded(now) {
            return None;
        }
        let replies = self.batch(inbox);
        let idle = self.core.idle_time();
        let thread_sleeps = self
            .thread_wakes_at
            .saturating_duration_since(Instant::now());
        let is_done = self.waiting.is_empty()
            && self.stop.is_none()
            && !self.core.snapshot_is_due()
            && idle.is_none_or(|idle| idle >= thread_sleeps);
        Some((replies, is_done))
    }

    /// One batch: everything that waits is decided and stored with one sync.
    fn batch(&mut self, inbox: &Arc<Inbox<Message>>) -> Replies {
        let begun = Instant::now();
        // What is more stays in the queue, which is bounded.
        if self.waiting.len() <= limits::COORDINATOR_BATCH_MAX {
            inbox.take(&mut self.waiting);
        }
        let mut performed =
            Vec::with_capacity(self.waiting.len().min(limits::COORDINATOR_BATCH_MAX));
        let mut reads: Vec<Read> = Vec::new();
        let mut catalogue_changed = false;
        self.core.begin();
        for _ in 0..limits::COORDINATOR_BATCH_MAX {
            if self.stop.is_some() {
                break;
            }
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            match message {
                Message::Perform(operation, reply) => {
                    catalogue_changed |= matches!(*operation, Operation::Catalogue(_));
                    let answer = self.core.perform(*operation);
                    let handover = handover(inbox, &answer);
                    if let Some(reply) = reply {
                        performed.push((reply, Delivery { answer, handover }));
                    }
                }
                Message::Read(read) => reads.push(read),
                Message::Viewer(viewer) => self.core.set_viewer(viewer),
                Message::SnapshotDone(result) => self.core.snapshot_done(*result),
                Message::Stop(reply) => self.stop = Some(reply),
            }
        }
        let wrote = self.core.has_pending();
        let result = self.core.finish();
        // Only now: what they see is durable, and they see it too when the batch could not be stored.
        let view = self.core.view();
        let reads: Vec<Deliver> = reads.into_iter().map(|read| read(&view)).collect();
        let ended = Instant::now();
        self.pace.note(&Lap {
            ended,
            took: ended - begun,
            synced: wrote && result.is_ok(),
            callers: performed.len() + reads.len() + inbox.len(),
        });
        inbox.ring_early(self.pace.is_crowded(ended));
        Replies {
            performed,
            reads,
            changed: wrote || catalogue_changed,
            durable: result.map_err(|error| storage_error(&error)),
        }
    }

    fn snapshot_if_due(&mut self, inbox: &Arc<Inbox<Message>>) {
        let Some(job) = self.core.snapshot_job() else {
            return;
        };
        let (disk, files) = self.core.storage();
        let inbox = inbox.clone();
        let write = move || {
            let result = write_snapshot(&*disk, &files, job);
            // Where the queue is closed nobody needs it: a last snapshot tells for itself.
            let _ = inbox.send_urgent(Message::SnapshotDone(Box::new(result)));
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

fn handover(inbox: &Arc<Inbox<Message>>, answer: &Answer) -> Option<Handover> {
    match answer {
        Answer::Next(NextOutcome::Granted(grant)) => {
            Some(Handover::new(inbox.clone(), grant.claim.claim_id))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
