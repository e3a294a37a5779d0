//! The handle by which everybody reaches the coordinator.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use super::core::{Core, View};
use super::feed::Feed;
use super::inbox::{Inbox, Refused};
use super::message::{Delivery, Handover, Message, Read};
use super::writer::Writer;
use super::{Answer, NextOutcome, NextQuery, Operation};
use crate::domain::{ApiError, Category};
use crate::store::StoreError;

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
    /// The files of the state were moved or replaced: nothing can be stored until a person acts.
    #[error("the change could not be stored: {message}")]
    Moved {
        /// Which file.
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
            // Asking again changes nothing.
            Self::Moved { suggestion, .. } => {
                ApiError::new(Category::User, "state_moved", message, suggestion.clone())
            }
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

/// Reaches the coordinator. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator {
    inbox: Arc<Inbox<Message>>,
    feed: Feed,
    changed: watch::Receiver<u64>,
    thread: Arc<Thread>,
}

/// Where a delivery arrives.
type Asked = oneshot::Receiver<Result<Delivery, CoordinatorError>>;

async fn delivered(asked: Asked) -> Result<Delivery, CoordinatorError> {
    asked.await.unwrap_or(Err(CoordinatorError::Stopped))
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
    /// Starts the writer: its task in the current runtime, and its thread.
    pub fn start(core: Core) -> std::io::Result<Self> {
        let feed = core.feed();
        let (changed_sender, changed) = watch::channel(0);
        let (writer, inbox) = Writer::new(core, changed_sender);
        let handle = writer.start()?;
        let thread = Thread {
            inbox: inbox.clone(),
            handle: Mutex::new(Some(handle)),
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

    /// Has an operation performed, which is asked for at once; the answer comes when its changes are
    /// on disk.
    pub fn perform(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Answer, CoordinatorError>> + use<> {
        // Outside of the future, so that it need not carry the operation about.
        let asked = self.ask(operation);
        async move {
            let Delivery { answer, handover } = delivered(asked?).await?;
            if let Some(handover) = handover {
                handover.done();
            }
            Ok(answer)
        }
    }

    /// Has an operation performed that nobody waits for.
    pub fn tell(&self, operation: Operation) {
        // Full or stopped: what is asked next says so.
        let _ = self.send(Message::Perform(Box::new(operation), None));
    }

    /// Chooses and grants the best issue. The grant is taken back unless the handover is done.
    pub async fn next(
        &self,
        query: NextQuery,
    ) -> Result<(NextOutcome, Option<Handover>), CoordinatorError> {
        let asked = self.ask(Operation::Next(query))?;
        let Delivery { answer, handover } = delivered(asked).await?;
        match answer {
            Answer::Next(outcome) => Ok((outcome, handover)),
            _ => Err(CoordinatorError::Stopped),
        }
    }

    fn ask(&self, operation: Operation) -> Result<Asked, CoordinatorError> {
        let (reply, asked) = oneshot::channel();
        self.send(Message::Perform(Box::new(operation), Some(reply)))?;
        Ok(asked)
    }

    /// Reads the state: what is on disk, also while nothing can be stored.
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> R + Send + 'static,
    ) -> Result<R, CoordinatorError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |view| {
            let result = read(view);
            Box::new(move || {
                // A caller that went away is not an error.
                let _ = reply.send(result);
            })
        });
        self.send(Message::Read(read))?;
        answer.await.map_err(|_| CoordinatorError::Stopped)
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

    /// Writes a last snapshot and ends the thread. What is asked in the same moment may come too late:
    /// who stops others first, and reads once, has all they gave back taken in.
    pub async fn stop(&self) -> Result<(), CoordinatorError> {
        let (reply, done) = oneshot::channel();
        // A closed queue drops it, and with it the reply.
        let _ = self.inbox.send_urgent(Message::Stop(reply));
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

/// What callers are told when the disk failed.
pub(super) fn storage_error(error: &StoreError) -> CoordinatorError {
    let (message, suggestion) = (error.to_string(), error.suggestion());
    match error {
        StoreError::Moved { .. } => CoordinatorError::Moved {
            message,
            suggestion,
        },
        _ => CoordinatorError::Storage {
            message,
            suggestion,
        },
    }
}
