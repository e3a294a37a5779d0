//! The time of the world, and the limits of an hour of real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Days by which the world's time starts before the real one: room for millions
/// of changes of a second each before it could reach the future.
const DAYS_BEHIND: i64 = 30;

/// A logical clock: every change takes one second of it, so no two changes carry
/// the same time and tests need not wait for time to pass.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(super) fn new() -> Self {
        let start = Timestamp::now() - SignedDuration::from_hours(24 * DAYS_BEHIND);
        Self(Arc::new(AtomicI64::new(start.as_second())))
    }

    /// The time of the latest change.
    pub fn now(&self) -> Timestamp {
        timestamp(self.0.load(Ordering::Relaxed))
    }

    /// Lets a second pass and returns the new time.
    pub fn tick(&self) -> Timestamp {
        self.advance(1)
    }

    /// Lets some seconds pass and returns the new time.
    pub fn advance(&self, seconds: u32) -> Timestamp {
        let now =
            timestamp(self.0.fetch_add(seconds.into(), Ordering::Relaxed) + i64::from(seconds));
        assert!(
            now <= Timestamp::now(),
            "the world's clock has run into the future"
        );
        now
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("the clock holds seconds of this century")
}

/// What a user may ask in an hour.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// How much an hour allows.
    pub limit: u64,
    /// How much of it is gone.
    pub used: u64,
    /// When the hour ends, in real time.
    pub reset: Timestamp,
}

impl RateLimit {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            reset: next_hour(),
        }
    }

    /// What is left.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Takes some of it, or says that there is not enough.
    pub(super) fn take(&mut self, points: u64) -> bool {
        if Timestamp::now() >= self.reset {
            self.used = 0;
            self.reset = next_hour();
        }
        let enough = self.remaining() >= points;
        if enough {
            self.used += points;
        }
        enough
    }
}

fn next_hour() -> Timestamp {
    timestamp(Timestamp::now().as_second() + 3600)
}
