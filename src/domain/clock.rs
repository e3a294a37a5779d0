//! Time as an argument. Only the outermost rooms hold a [`SystemClock`]; all logic takes a
//! [`Timestamp`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of time that never runs backwards.
pub trait Clock: Send + Sync {
    /// The present, in whole milliseconds, never before an earlier answer.
    fn now(&self) -> Timestamp;

    /// How far the wall clock ran ahead of the time this process was awake for since the last
    /// call: more than a few seconds means that the machine slept.
    fn slept(&self) -> Duration;
}

/// Wall-clock time at start plus monotonic time since: setting the clock back changes nothing.
pub struct SystemClock {
    anchor: Mutex<Anchor>,
}

struct Anchor {
    wall: Timestamp,
    instant: Instant,
}

/// Differences below this are drift or a corrected clock, not a suspended machine.
const SLEEP_THRESHOLD: Duration = Duration::from_secs(5);

impl SystemClock {
    /// A clock that starts at the wall-clock time, but not before `floor` (the last time on
    /// record): a clock that was set back between two runs does not rewind the claims.
    pub fn starting_at_least(floor: Option<Timestamp>) -> Self {
        let wall = Timestamp::now();
        let wall = floor.map_or(wall, |floor| wall.max(floor));
        Self {
            anchor: Mutex::new(Anchor {
                wall,
                instant: Instant::now(),
            }),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        whole_milliseconds(later(anchor.wall, anchor.instant.elapsed()))
    }

    fn slept(&self) -> Duration {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = later(anchor.wall, anchor.instant.elapsed());
        let wall = Timestamp::now();
        let ahead = Duration::try_from(wall.duration_since(ours)).unwrap_or_default();
        if ahead < SLEEP_THRESHOLD {
            return Duration::ZERO;
        }
        *anchor = Anchor {
            wall,
            instant: Instant::now(),
        };
        ahead
    }
}

/// A clock that tests and the simulation turn by hand.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<(Timestamp, Duration)>>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((start, Duration::ZERO))))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = later(state.0, by);
    }

    /// Moves the clock forward as a machine that slept does.
    pub fn sleep(&self, by: Duration) {
        self.advance(by);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        whole_milliseconds(self.0.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn slept(&self) -> Duration {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// `at` plus `by`, held at the end of representable time.
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
