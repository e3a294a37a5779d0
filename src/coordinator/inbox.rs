//! The queue in front of the one writer.
//!
//! Messages that tasks of the runtime send in one turn are taken together: the first one wakes the
//! task that ends the turn, which comes after all the tasks that were ready before it. What other
//! threads send meanwhile goes along. One sync on the disk then carries all their changes. Waking
//! somebody for each message would make batches of one, and a sync and two context switches for each.
//!
//! While a crowd asks, the thread is woken before the turn is over: it stores the first messages
//! while the runtime reads the rest.

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
/// Of a crowd's messages so many are worth waking the thread for. Measured: from 8 to 32 there is
/// little between them, and the least waits shortest.
const EARLY: usize = 8;

struct State<M> {
    messages: VecDeque<M>,
    /// The thread shall look.
    rung: bool,
    /// It shall look before a turn is over.
    rings_early: bool,
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
                rings_early: false,
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

    /// Queues a message; it is taken once the tasks that are ready now had their turn, if not by the
    /// thread before.
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
        if state.rings_early && state.messages.len() == EARLY {
            self.wake(state);
        } else {
            drop(state);
        }
        if is_first {
            self.asked.notify_one();
        }
        Ok(())
    }

    /// Queues a message whatever the queue's length, for the thread: what cannot wait for a turn of
    /// the runtime, and what must not be refused. `false`: the queue is closed.
    pub fn send_urgent(&self, message: M) -> bool {
        let mut state = self.state();
        let open = state.open;
        if open {
            state.messages.push_back(message);
            self.wake(state);
        }
        open
    }

    /// A thread that was told already is not told again, which takes a system call.
    fn wake(&self, mut state: MutexGuard<'_, State<M>>) {
        if !state.rung {
            state.rung = true;
            drop(state);
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
            let count = self.len();
            // Fewer, when the thread took some.
            if count <= known {
                break;
            }
            known = count;
            tokio::task::yield_now().await;
        }
        self.state().open
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    /// Whether the thread shall be woken before a turn is over.
    pub fn ring_early(&self, early: bool) {
        self.state().rings_early = early;
    }

    /// Has the thread look at the queue.
    pub fn ring(&self) {
        self.wake(self.state());
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
        assert!(inbox.send_urgent(4), "what must not be refused");
        assert!(inbox.turn_over().await);
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert_eq!(taken, [1, 2, 3, 4]);
        assert_eq!(inbox.send(5), Ok(()));
        inbox.take(&mut taken);
        assert_eq!(taken, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn while_a_crowd_asks_the_thread_is_woken_before_the_turn_is_over() {
        let inbox = Inbox::new(100);
        let send = |count: usize| (0..count).for_each(|_| assert_eq!(inbox.send(7), Ok(())));
        let is_rung = || inbox.state().rung;
        send(2 * EARLY);
        assert!(!is_rung(), "no crowd");
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        inbox.ring_early(true);
        send(EARLY - 1);
        assert!(!is_rung(), "too few yet");
        send(1);
        assert!(is_rung());
        assert!(inbox.wait(Duration::ZERO));
        send(EARLY);
        assert!(!is_rung(), "it is awake, and takes all");
        assert_eq!(inbox.len(), 2 * EARLY);
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
        assert!(inbox.send_urgent(8));
        assert!(inbox.wait(minute));
        inbox.close();
        assert!(!inbox.wait(minute));
        assert_eq!(inbox.send(9), Err(Refused::Closed));
        assert!(!inbox.send_urgent(10));
        assert!(!inbox.turn_over().await);
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert!(taken.is_empty(), "what waited was dropped");
    }
}
