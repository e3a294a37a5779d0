//! What is sent to the one writer, and what comes back.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::core::View;
use super::handle::CoordinatorError;
use super::inbox::Inbox;
use super::{Answer, Operation};
use crate::claim::Command;
use crate::domain::ClaimId;
use crate::store::{HistoryPosition, StoreError};

/// Where a performed operation is answered.
pub(super) type Reply = oneshot::Sender<Result<Delivery, CoordinatorError>>;

/// An answer on its way to its caller.
pub(super) struct Delivery {
    pub answer: Answer,
    pub handover: Option<Handover>,
}

/// A grant of `next_issue` on its way to its agent. Wherever it is dropped before it is
/// [`Handover::done`], because a caller went away, the grant is taken back: no claim stays behind
/// whose agent never heard of it.
pub struct Handover {
    inbox: Arc<Inbox<Message>>,
    claim_id: Option<ClaimId>,
}

impl Handover {
    /// Of this grant.
    pub(super) fn new(inbox: Arc<Inbox<Message>>, claim_id: ClaimId) -> Self {
        Self {
            inbox,
            claim_id: Some(claim_id),
        }
    }

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
        let message = Message::Perform(Box::new(command), None);
        // Also when the queue is full: there is one of these at most for each request let in.
        if !self.inbox.send_urgent(message) {
            tracing::warn!(%claim_id, "a grant that did not arrive could not be taken back");
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.take_back("the caller went away before it was handed over");
    }
}

/// Gives the result of a read away.
pub(super) type Deliver = Box<dyn FnOnce() + Send>;

/// Looks at the state after a batch.
pub(super) type Read = Box<dyn FnOnce(&View<'_>) -> Deliver + Send>;

/// What comes of one batch.
pub(super) struct Replies {
    /// The answers to operations.
    pub performed: Vec<(Reply, Delivery)>,
    /// What was read.
    pub reads: Vec<Deliver>,
    /// Whether claims or the catalogue may have changed.
    pub changed: bool,
    /// Whether it is on disk.
    pub durable: Result<(), CoordinatorError>,
}

impl Replies {
    /// Whether there is nothing to tell anybody.
    pub fn is_empty(&self) -> bool {
        self.performed.is_empty() && self.reads.is_empty() && !self.changed
    }

    /// Answers all who wait.
    pub fn answer(self) {
        // A caller that went away is not an error.
        for (reply, delivery) in self.performed {
            let _ = reply.send(self.durable.clone().map(|()| delivery));
        }
        for deliver in self.reads {
            deliver();
        }
    }
}

/// What the writer is asked.
pub(super) enum Message {
    /// To do something and to reply, if somebody waits for it, when it is durable.
    Perform(Box<Operation>, Option<Reply>),
    /// To let somebody read the state.
    Read(Read),
    /// To take note of who is logged in.
    Viewer(Option<Arc<str>>),
    /// To take note of a written snapshot.
    SnapshotDone(Box<Result<(HistoryPosition, u64), StoreError>>),
    /// To write a last snapshot and end.
    Stop(oneshot::Sender<Result<(), CoordinatorError>>),
}
