//! Bodies of answers, among them those that end badly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::server::InService;

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Cut,
    Hang,
}

/// The body of a response: one chunk and an ending.
pub(super) struct Answer {
    chunk: Option<Bytes>,
    ending: Ending,
    flushed: bool,
    /// What is dropped when the body is: a body that hangs keeps its request in service.
    held: Option<InService>,
}

impl Answer {
    pub(super) fn new(chunk: Bytes, ending: Ending, held: Option<InService>) -> Self {
        Self {
            chunk: Some(chunk),
            ending,
            flushed: false,
            held,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(chunk) = self.chunk.take() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match self.ending {
            Ending::Complete => Poll::Ready(None),
            Ending::Hang => Poll::Pending,
            // Pending once: hyper then sends what it has before it learns of the end.
            Ending::Cut if !self.flushed => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Cut => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Complete && self.chunk.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.chunk, self.ending) {
            (Some(chunk), Ending::Complete) => SizeHint::with_exact(chunk.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
