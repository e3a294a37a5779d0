//! How many children may run at once, shared by everybody, with places kept for claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Which places a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// An agent waits for a claim: every place.
    Claim,
    /// Everything else: all but the places that are kept for claims.
    Ordinary,
    /// Nobody waits for it: a place that nobody else wants at this moment, and few at once.
    Background,
}

/// Most places that the background has at once.
const BACKGROUND_MAX: usize = 2;

/// A bounded number of places.
#[derive(Clone, Debug)]
pub struct Pool {
    all: Arc<Semaphore>,
    ordinary: Arc<Semaphore>,
    background: Arc<Semaphore>,
    freed: Arc<Notify>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    queue_max: usize,
}

/// One place in the pool, given back when dropped. It travels with the child.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _ordinary: Option<OwnedSemaphorePermit>,
    _background: Option<OwnedSemaphorePermit>,
    /// Dropped last: the place is free then.
    _freed: Freed,
}

/// Tells the background that a place has become free.
#[derive(Debug)]
struct Freed(Arc<Notify>);

impl Drop for Freed {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// The queue before the pool is full.
#[derive(Debug, thiserror::Error)]
#[error("{waiting} calls already wait for a place")]
pub struct PoolFull {
    /// How many wait.
    pub waiting: usize,
}

/// The pool as `system_health` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLoad {
    /// Children alive.
    pub running: usize,
    /// Calls that wait for a place.
    pub queued: usize,
    /// Most children at once.
    pub limit: usize,
}

impl Pool {
    /// A pool of `limit` places (at least one), of which `kept` are for claims where that leaves
    /// at least one for everything else; at most `queue_max` calls wait.
    pub fn new(limit: usize, kept: usize, queue_max: usize) -> Self {
        let limit = limit.max(1);
        let ordinary = limit.saturating_sub(kept).max(1);
        Self {
            all: Arc::new(Semaphore::new(limit)),
            ordinary: Arc::new(Semaphore::new(ordinary)),
            background: Arc::new(Semaphore::new(BACKGROUND_MAX)),
            freed: Arc::default(),
            waiting: Arc::default(),
            limit,
            queue_max,
        }
    }

    /// Waits for a place. Cancelling gives the place in the queue up.
    pub async fn permit(&self, priority: Priority) -> Result<Permit, PoolFull> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.waiting);
        if waiting >= self.queue_max {
            return Err(PoolFull { waiting });
        }
        let closed = |_| PoolFull { waiting };
        let ordinary = match priority {
            Priority::Background => return self.spare_place().await.ok_or(PoolFull { waiting }),
            Priority::Claim => None,
            Priority::Ordinary => Some(
                self.ordinary
                    .clone()
                    .acquire_owned()
                    .await
                    .map_err(closed)?,
            ),
        };
        let all = self.all.clone().acquire_owned().await.map_err(closed)?;
        Ok(Permit {
            _all: all,
            _ordinary: ordinary,
            _background: None,
            _freed: Freed(self.freed.clone()),
        })
    }

    /// Waits until there is a place that nobody else waits for.
    async fn spare_place(&self) -> Option<Permit> {
        let background = self.background.clone().acquire_owned().await.ok()?;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no release is missed.
            freed.as_mut().enable();
            // A place that somebody waits for is handed on and never seen as free.
            let ordinary = self.ordinary.clone().try_acquire_owned().ok();
            let all = ordinary
                .is_some()
                .then(|| self.all.clone().try_acquire_owned().ok());
            if let Some(all) = all.flatten() {
                return Some(Permit {
                    _all: all,
                    _ordinary: ordinary,
                    _background: Some(background),
                    _freed: Freed(self.freed.clone()),
                });
            }
            drop(ordinary);
            freed.await;
        }
    }

    /// How busy it is.
    pub fn load(&self) -> PoolLoad {
        PoolLoad {
            running: self.limit - self.all.available_permits(),
            queued: self.waiting.load(Ordering::Relaxed),
            limit: self.limit,
        }
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_kept_for_claims() {
        let pool = Pool::new(3, 2, 10);
        let first = pool.permit(Priority::Ordinary).await.unwrap();
        let blocked = tokio::time::timeout(
            std::time::Duration::from_millis(20),
            pool.permit(Priority::Ordinary),
        );
        assert!(
            blocked.await.is_err(),
            "the other two places are for claims"
        );
        let _claims = (
            pool.permit(Priority::Claim).await,
            pool.permit(Priority::Claim).await,
        );
        assert_eq!(
            pool.load(),
            PoolLoad {
                running: 3,
                queued: 0,
                limit: 3
            }
        );
        drop(first);
        assert_eq!(pool.load().running, 2);
    }

    #[tokio::test]
    async fn the_background_takes_what_nobody_wants() {
        let pool = Pool::new(3, 1, 10);
        let held = [
            pool.permit(Priority::Ordinary).await.unwrap(),
            pool.permit(Priority::Ordinary).await.unwrap(),
        ];
        let start = |priority, name: &'static str, order: &Arc<std::sync::Mutex<Vec<_>>>| {
            let (pool, order) = (pool.clone(), order.clone());
            tokio::spawn(async move {
                let permit = pool.permit(priority).await.unwrap();
                order.lock().unwrap().push(name);
                permit
            })
        };
        let order = Arc::default();
        let background = start(Priority::Background, "background", &order);
        while pool.load().queued < 1 {
            tokio::task::yield_now().await;
        }
        let ordinary = start(Priority::Ordinary, "ordinary", &order);
        while pool.load().queued < 2 {
            tokio::task::yield_now().await;
        }
        let [first, second] = held;
        drop(first);
        let ordinary = ordinary.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["ordinary"], "it came later");
        drop((second, ordinary));
        let first = background.await.unwrap();
        let _second = pool.permit(Priority::Background).await.unwrap();
        assert!(pool.permit(Priority::Claim).await.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let pool = Pool::new(1, 2, 1);
        let _held = pool.permit(Priority::Ordinary).await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.permit(Priority::Ordinary).await.map(drop) }
        });
        while pool.load().queued == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            pool.permit(Priority::Ordinary).await.unwrap_err().waiting,
            1
        );
        waiting.abort();
    }
}
