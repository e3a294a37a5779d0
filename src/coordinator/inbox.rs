//! The queue in front of the coordinator's thread.
//!
//! Messages that tasks of the runtime send in one turn arrive together: the first one asks the
//! bell to ring, the bell is a task itself, and so it rings after all the tasks that were ready
//! before it. One sync on the disk then carries all their changes. Waking the thread for each
//! message would give it batches of one, and a sync and two context switches for each. A thread that
//! waits gets long turns in parts, so that it decides while the runtime still reads requests.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait.
    Full,
    /// The thread has ended.
    Closed,
}

/// Messages worth waking the thread for before the turn is over.
const PART: usize = 8;

struct State<M> {
    messages: VecDeque<M>,
    /// The turn of the last message is over.
    rung: bool,
    open: bool,
}

/// What [`Inbox::receive`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// More of the same turn follows.
    Part,
    /// The turn is over, or the time is.
    Turn,
    /// The queue is closed.
    Closed,
}

/// The queue. Senders and the one receiver share it.
pub(super) struct Inbox<M> {
    state: Mutex<State<M>>,
    /// Wakes the receiver.
    bell: Condvar,
    /// Wakes the task that rings.
    asked: Notify,
    capacity: usize,
}

impl<M> Inbox<M> {
    /// An empty queue for so many messages. Somebody must run [`Inbox::ring`].
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                rung: false,
                open: true,
            }),
            bell: Condvar::new(),
            asked: Notify::new(),
            capacity,
        })
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message; it is received once the tasks that are ready now had their turn.
    pub fn send(&self, message: M) -> Result<(), Refused> {
        let mut state = self.state();
        if !state.open {
            return Err(Refused::Closed);
        }
        if state.messages.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.messages.push_back(message);
        let count = state.messages.len();
        drop(state);
        if count == 1 {
            self.asked.notify_one();
        }
        if count == PART {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Queues a message whatever the queue's length, and rings at once. For the coordinator's own
    /// helpers, which cannot wait for a turn of the runtime.
    pub fn send_urgent(&self, message: M) {
        let mut state = self.state();
        if state.open {
            state.messages.push_back(message);
            state.rung = true;
            self.bell.notify_one();
        }
    }

    /// Rings whenever it is asked to, until the queue is closed.
    pub async fn ring(&self) {
        loop {
            self.asked.notified().await;
            let mut state = self.state();
            if !state.open {
                return;
            }
            state.rung = true;
            self.bell.notify_one();
        }
    }

    /// Moves what waits into `taken`, which must be empty, sleeping up to `patience` for it.
    pub fn receive(&self, taken: &mut VecDeque<M>, patience: Duration) -> Received {
        let asleep =
            |state: &mut State<M>| state.open && !state.rung && state.messages.len() < PART;
        let (mut state, timed_out) = self
            .bell
            .wait_timeout_while(self.state(), patience, asleep)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.open {
            return Received::Closed;
        }
        std::mem::swap(&mut state.messages, taken);
        if std::mem::take(&mut state.rung) || timed_out.timed_out() {
            Received::Turn
        } else {
            Received::Part
        }
    }

    /// Takes no more messages and drops those that wait, so that their senders notice.
    pub fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let dropped = std::mem::take(&mut state.messages);
        drop(state);
        drop(dropped);
        self.bell.notify_one();
        self.asked.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_of_one_turn_arrive_together() {
        let inbox = Inbox::new(PART + 1);
        let bell = inbox.clone();
        let ringing = tokio::spawn(async move { bell.ring().await });
        let mut taken = VecDeque::new();
        let minute = Duration::from_secs(60);
        assert_eq!(inbox.receive(&mut taken, Duration::ZERO), Received::Turn);
        assert!(taken.is_empty());
        for number in 0..=PART {
            assert_eq!(inbox.send(number), Ok(()));
        }
        assert_eq!(inbox.send(99), Err(Refused::Full));
        assert_eq!(inbox.receive(&mut taken, minute), Received::Part);
        assert_eq!(taken.drain(..).count(), PART + 1);
        assert_eq!(inbox.send(7), Ok(()));
        tokio::task::yield_now().await;
        assert_eq!(inbox.receive(&mut taken, minute), Received::Turn);
        assert_eq!(taken.pop_front(), Some(7));
        inbox.send_urgent(8);
        assert_eq!(inbox.receive(&mut taken, minute), Received::Turn);
        assert_eq!(taken.pop_front(), Some(8));
        inbox.close();
        assert_eq!(inbox.send(9), Err(Refused::Closed));
        assert_eq!(inbox.receive(&mut taken, minute), Received::Closed);
        assert!(ringing.await.is_ok());
    }
}
