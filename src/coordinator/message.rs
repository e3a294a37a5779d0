//! What is sent to the one writer, and what comes back.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::core::View;
use super::handle::CoordinatorError;
use super::inbox::Inbox;
use super::{Answer, Operation};
use crate::claim::Command;
use crate::domain::ClaimId;
use crate::store::{HistoryPosition, StoreError};

type ReplySender = oneshot::Sender<Result<Delivery, CoordinatorError>>;

/// Where a performed operation is answered.
pub(super) struct Reply {
    pub sender: ReplySender,
    /// In which it was asked for, and whoever asked waits.
    pub runtime: Handle,
}

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

/// Gives the result of a read away.
pub(super) type Deliver = Box<dyn FnOnce() + Send>;
/// Looks at the state after a batch.
pub(super) struct Read {
    pub read: Box<dyn FnOnce(&View<'_>) -> Deliver + Send>,
    /// In which it was asked for, and whoever asked waits.
    pub runtime: Handle,
}

/// Replies of one batch, by the runtime in which their callers wait. Each is handed out there:
/// waking one task of a runtime and letting that wake the callers costs one system call a batch
/// instead of one a caller.
pub(super) struct Replies {
    groups: Vec<ReplyGroup>,
    /// What came of the batch.
    pub durable: Result<(), CoordinatorError>,
}

/// Replies to the callers at one runtime.
struct ReplyGroup {
    runtime: Handle,
    performed: Vec<(ReplySender, Delivery)>,
    reads: Vec<Deliver>,
}

impl Replies {
    /// None yet, of a batch that went well.
    pub fn new() -> Self {
        Self {
            groups: Vec::new(),
            durable: Ok(()),
        }
    }

    /// Adds the reply to an operation.
    pub fn add(&mut self, reply: Reply, delivery: Delivery) {
        let group = self.group(reply.runtime);
        group.performed.push((reply.sender, delivery));
    }

    /// Adds what was read.
    pub fn add_read(&mut self, runtime: Handle, deliver: Deliver) {
        self.group(runtime).reads.push(deliver);
    }

    /// There are few runtimes.
    fn group(&mut self, runtime: Handle) -> &mut ReplyGroup {
        let known = |group: &ReplyGroup| group.runtime.id() == runtime.id();
        let index = self.groups.iter().position(known).unwrap_or_else(|| {
            self.groups.push(ReplyGroup {
                runtime,
                performed: Vec::new(),
                reads: Vec::new(),
            });
            self.groups.len() - 1
        });
        &mut self.groups[index]
    }

    /// Hands them out.
    pub fn hand_out(self) {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let is_here = |group: &ReplyGroup| Some(group.runtime.id()) == here;
        let (near, far): (Vec<_>, Vec<_>) = self.groups.into_iter().partition(is_here);
        // Others first: they are at work then while these are handed out.
        for group in far {
            let (runtime, durable) = (group.runtime.clone(), self.durable.clone());
            // One that has ended drops them, and with them the grants that nobody takes.
            runtime.spawn(async move { group.hand_out(&durable) });
        }
        for group in near {
            group.hand_out(&self.durable);
        }
    }
}

impl ReplyGroup {
    fn hand_out(self, durable: &Result<(), CoordinatorError>) {
        // A caller that went away is not an error.
        for (sender, delivery) in self.performed {
            let _ = sender.send(durable.clone().map(|()| delivery));
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
