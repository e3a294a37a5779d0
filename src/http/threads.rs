//! Which thread serves a connection.
//!
//! The runtime's own thread has the writer's batches as its work too, and as long as there are few
//! connections it serves them all: one busy thread beats two that wake each other. Of many, a second
//! thread has half, so that reading requests and writing answers goes on beside the batches.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// So many connections are too few to share.
const UNSHARED_MAX: usize = 16;

/// The threads with what they serve.
pub(super) struct Threads {
    first: Thread,
    /// From the first connection that it shall serve; `Some(None)` when it could not be started.
    second: Option<Option<Second>>,
}

struct Thread {
    runtime: Handle,
    /// Connections that it works for.
    open: Arc<AtomicUsize>,
}

/// The second thread. It ends, and all that runs there, when this is dropped: a process that ends
/// takes its children with it only if those who guard them are dropped before.
struct Second {
    thread: Thread,
    end: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// A connection's place at a thread, until it is dropped.
pub(super) struct Place {
    runtime: Handle,
    open: Arc<AtomicUsize>,
    counts: AtomicBool,
}

impl Threads {
    /// The runtime of the caller, and none beside it yet.
    pub fn new() -> Self {
        Self {
            first: Thread::new(Handle::current()),
            second: None,
        }
    }

    /// The place of a new connection.
    pub fn place(&mut self) -> Place {
        let first = self.first.open.load(Ordering::Relaxed);
        if first < UNSHARED_MAX {
            return self.first.place();
        }
        let second = self.second.get_or_insert_with(|| {
            let second = Second::start();
            second
                .inspect_err(|error| tracing::warn!(%error, "one thread serves all connections"))
                .ok()
        });
        match second {
            Some(second) if second.thread.open.load(Ordering::Relaxed) < first => {
                second.thread.place()
            }
            _ => self.first.place(),
        }
    }
}

impl Thread {
    fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            open: Arc::default(),
        }
    }

    fn place(&self) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place {
            runtime: self.runtime.clone(),
            open: self.open.clone(),
            counts: AtomicBool::new(true),
        }
    }
}

impl Second {
    fn start() -> io::Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        // The runtime is made there: here none may be dropped, were there no thread to be had.
        let running = std::thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || {
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(error))),
                };
                let _ = started.send(Ok(runtime.handle().clone()));
                // Nothing is ever sent.
                let _ = runtime.block_on(ended);
                // Waits for no job that blocks; all tasks are dropped.
                runtime.shutdown_background();
            })?;
        let runtime = start.recv().map_err(io::Error::other)??;
        Ok(Self {
            thread: Thread::new(runtime),
            end: Some(end),
            running: Some(running),
        })
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.end = None;
        if let Some(running) = self.running.take() {
            // It waits for nobody; what panicked there has said so.
            let _ = running.join();
        }
    }
}

impl Place {
    /// The thread's runtime.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Has this thread's runtime, rather than the one that accepted it, hear of the stream.
    pub fn bring(&self, stream: TcpStream) -> io::Result<TcpStream> {
        if self.runtime.id() == Handle::current().id() {
            return Ok(stream);
        }
        let stream = stream.into_std()?;
        let _entered = self.runtime.enter();
        TcpStream::from_std(stream)
    }

    /// The connection is only held open from now on: no work for its thread. Windows of agents and
    /// readers of events must not drive those who ask apart.
    pub fn hold(&self) {
        if self.counts.swap(false, Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hold();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the places are at the thread of the caller.
    fn here(places: &[Place]) -> usize {
        let here = Handle::current().id();
        let is_here = |place: &&Place| place.runtime().id() == here;
        places.iter().filter(is_here).count()
    }

    #[tokio::test]
    async fn few_connections_stay_together_and_many_are_halved() {
        let mut threads = Threads::new();
        let few: Vec<Place> = (0..UNSHARED_MAX).map(|_| threads.place()).collect();
        assert_eq!(here(&few), UNSHARED_MAX);
        let more: Vec<Place> = (0..3 * UNSHARED_MAX).map(|_| threads.place()).collect();
        assert_eq!(here(&more), UNSHARED_MAX, "so that each has 32 of 64");
        few.iter().for_each(Place::hold);
        drop(few);
        let next: Vec<Place> = (0..UNSHARED_MAX).map(|_| threads.place()).collect();
        assert_eq!(
            here(&next),
            UNSHARED_MAX,
            "where places have become free, once"
        );
        let last = [threads.place(), threads.place()];
        assert_eq!(here(&last), 1, "both have as many again");
    }

    #[tokio::test]
    async fn a_connection_at_the_second_thread_is_served() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let mut threads = Threads::new();
        let _first: Vec<Place> = (0..UNSHARED_MAX).map(|_| threads.place()).collect();
        let place = threads.place();
        let runtime = place.runtime().clone();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = place.bring(stream).unwrap();
        let echo = runtime.spawn(async move {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            std::thread::current().name().map(str::to_owned)
        });
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        assert_eq!(echo.await.unwrap().as_deref(), Some("connections"));
        drop(place);
        let guarded = Arc::new(());
        let guard = guarded.clone();
        runtime.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        drop(threads);
        assert_eq!(Arc::strong_count(&guarded), 1, "all tasks are gone by then");
    }
}
