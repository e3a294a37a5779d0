//! Ends connections on which nothing happens: no request comes, or no answer is taken.
//!
//! The protocol's library could watch this too, but sets a timer for each request and wakes its own
//! driver for it. Here a connection has one timer, which is set anew only when it has run out.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::body::ResponseBody;

/// What a connection does.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<State>);

#[derive(Default)]
struct State {
    /// Requests that are not wholly answered.
    running: AtomicUsize,
    /// Whether one was, or a part of its answer was taken, since the watch last looked. Not when:
    /// to ask the clock for each request costs more than all the rest of this.
    was_active: AtomicBool,
}

impl Activity {
    /// The head of a request has come.
    pub fn begin(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    fn note(&self) {
        self.0.was_active.store(true, Ordering::Relaxed);
    }

    /// Waits until the connection was idle for `limit`; sees it after twice as long, at the latest.
    pub async fn idle_for(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit).await;
            // First: what ends between the two looks has been noted before.
            let is_running = self.0.running.load(Ordering::Acquire) > 0;
            let was_active = self.0.was_active.swap(false, Ordering::Relaxed);
            if !is_running && !was_active {
                return;
            }
        }
    }
}

/// A request that is being answered, until it is dropped.
pub(super) struct Running(Activity);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.running.fetch_sub(1, Ordering::Release);
    }
}

/// A connection's stream. An answer is written on after its body was handed over as a whole: that
/// it is being taken counts, too.
pub(super) struct WatchedStream {
    stream: TcpStream,
    activity: Activity,
}

impl WatchedStream {
    /// The stream of the connection with this activity.
    pub fn new(stream: TcpStream, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.note();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer; the request runs until it is handed over.
pub(super) struct RunningBody {
    body: ResponseBody,
    _request: Running,
}

impl RunningBody {
    /// The body of the answer to `request`.
    pub fn new(body: ResponseBody, request: Running) -> Self {
        Self {
            body,
            _request: request,
        }
    }
}

impl Body for RunningBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_end_of_the_last_request() {
        let begun = Instant::now();
        let activity = Activity::default();
        let watched = activity.clone();
        let watch = tokio::spawn(async move { watched.idle_for(LIMIT).await });
        tokio::time::sleep(LIMIT / 2).await;
        let running = activity.begin();
        tokio::time::sleep(6 * LIMIT).await;
        assert!(
            !watch.is_finished(),
            "a request that takes long is no idleness"
        );
        let ended = begun.elapsed();
        drop(running);
        watch.await.unwrap();
        let idle = begun.elapsed() - ended;
        assert!((LIMIT..2 * LIMIT).contains(&idle), "{idle:?}");
    }
}
