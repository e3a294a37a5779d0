//! The queue in front of the one writer.
//!
//! Messages that tasks of the runtime send in one turn are taken together: the first one asks the
//! bell to ring, the bell is a task itself, and so it rings after all the tasks that were ready
//! before it. What other threads send meanwhile goes along. One sync on the disk then carries all
//! their changes. Waking somebody for each message would make batches of one, and a sync and two
//! context switches for each.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait.
    Full,
    /// Nobody takes messages any more.
    Closed,
}

/// Turns of the runtime that the first message waits for others, at most.
const TURNS_MAX: usize = 8;

struct State<M> {
    messages: VecDeque<M>,
    /// The thread shall look.
    rung: bool,
    open: bool,
}

/// The queue. Senders and whoever takes messages share it.
pub(super) struct Inbox<M> {
    state: Mutex<State<M>>,
    /// Wakes the thread.
    bell: Condvar,
    /// Wakes the task that ends a turn.
    asked: Notify,
    capacity: usize,
}

impl<M> Inbox<M> {
    /// An empty queue for so many messages.
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

    /// Queues a message; it is taken once the tasks that are ready now had their turn.
    pub fn send(&self, message: M) -> Result<(), Refused> {
        let mut state = self.state();
        if !state.open {
            return Err(Refused::Closed);
        }
        if state.messages.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.messages.push_back(message);
        let is_first = state.messages.len() == 1;
        drop(state);
        if is_first {
            self.asked.notify_one();
        }
        Ok(())
    }

    /// Queues a message whatever the queue's length, for the thread. For what cannot wait for a
    /// turn of the runtime.
    pub fn send_urgent(&self, message: M) {
        let mut state = self.state();
        if state.open {
            state.messages.push_back(message);
            state.rung = true;
            self.bell.notify_one();
        }
    }

    /// Waits for the end of a turn in which messages were sent, and of those after it that brought
    /// more: a caller whose request arrives while others' are read shares their sync. `false`: the
    /// queue is closed.
    pub async fn turn_over(&self) -> bool {
        self.asked.notified().await;
        let mut known = 0;
        for _ in 0..TURNS_MAX {
            let count = self.state().messages.len();
            if count == known {
                break;
            }
            known = count;
            tokio::task::yield_now().await;
        }
        self.state().open
    }

    /// Has the thread look at the queue.
    pub fn ring(&self) {
        self.state().rung = true;
        self.bell.notify_one();
    }

    /// Sleeps until somebody rings, up to `patience`. `false`: the queue is closed.
    pub fn wait(&self, patience: Duration) -> bool {
        let asleep = |state: &mut State<M>| state.open && !state.rung;
        let (mut state, _) = self
            .bell
            .wait_timeout_while(self.state(), patience, asleep)
            .unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        state.open
    }

    /// Moves what waits to the end of `taken`.
    pub fn take(&self, taken: &mut VecDeque<M>) {
        let mut state = self.state();
        if taken.is_empty() {
            std::mem::swap(&mut state.messages, taken);
        } else {
            taken.append(&mut state.messages);
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
    async fn messages_of_one_turn_are_taken_together() {
        let inbox = Inbox::new(3);
        for number in 1..=3 {
            assert_eq!(inbox.send(number), Ok(()));
        }
        assert_eq!(inbox.send(99), Err(Refused::Full));
        assert!(inbox.turn_over().await);
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert_eq!(taken, [1, 2, 3]);
        assert_eq!(inbox.send(4), Ok(()));
        inbox.take(&mut taken);
        assert_eq!(taken, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn the_thread_is_woken_once_for_each_ring() {
        let inbox = Inbox::new(3);
        let minute = Duration::from_secs(60);
        inbox.ring();
        assert!(inbox.wait(minute), "a ring before the sleep is not lost");
        assert!(
            inbox.wait(Duration::ZERO),
            "nobody rang again: time is over"
        );
        inbox.send_urgent(8);
        assert!(inbox.wait(minute));
        inbox.close();
        assert!(!inbox.wait(minute));
        assert_eq!(inbox.send(9), Err(Refused::Closed));
        assert!(!inbox.turn_over().await);
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert!(taken.is_empty(), "what waited was dropped");
    }
}
