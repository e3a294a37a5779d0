//! How many children may run at once, shared by everybody, with places kept for claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which places a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// An agent waits for a claim: every place.
    Claim,
    /// Everything else: all but the places that are kept for claims.
    Ordinary,
}

/// A bounded number of places.
#[derive(Clone)]
pub struct Pool {
    all: Arc<Semaphore>,
    ordinary: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    queue_max: usize,
}

/// One place in the pool, given back when dropped. It travels with the child.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _ordinary: Option<OwnedSemaphorePermit>,
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
        })
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
