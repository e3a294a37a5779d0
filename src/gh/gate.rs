//! When a call may go out: circuit breaker, rate budgets, pace of writes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::GhError;
use super::response::Response;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;
const BREAK_SHORTEST: Duration = Duration::from_secs(10);
const BREAK_LONGEST: Duration = Duration::from_secs(300);
/// GitHub asks for a second between writes, 80 a minute and 500 an hour at most.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
const WRITES_PER_MINUTE: usize = 80;
const WRITES_PER_HOUR: usize = 500;

/// What is left of an hourly budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Points left.
    pub remaining: u64,
    /// When it is filled again, in Unix seconds.
    pub reset: u64,
}

/// State of the breaker, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerState {
    Closed,
    HalfOpen,
    Open,
}

#[derive(Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
    break_length: Duration,
    trial_under_way: bool,
    /// By resource: `core`, `graphql`, `search`.
    budgets: HashMap<String, RateLimit>,
    /// GitHub asked to slow down: nothing goes out before.
    held_until: Option<Instant>,
    writes: VecDeque<Instant>,
    next_write: Option<Instant>,
}

/// Decides about calls; shared by all of them.
#[derive(Default)]
pub(super) struct Gate(Mutex<State>);

/// Seconds since 1970 by the wall clock: GitHub's reset times are absolute.
fn unix_seconds() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

impl Gate {
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call to `resource` may go out now.
    pub fn admit(&self, resource: &str) -> Result<(), GhError> {
        self.with(|state| {
            let now = Instant::now();
            if let Some(until) = state.held_until {
                if now < until {
                    return Err(GhError::SecondaryLimit {
                        retry_after: until - now,
                    });
                }
                state.held_until = None;
            }
            if let Some(budget) = state.budgets.get(resource)
                && budget.remaining == 0
                && budget.reset > unix_seconds()
            {
                let retry_after = Duration::from_secs(budget.reset - unix_seconds());
                return Err(GhError::RateLimited { retry_after });
            }
            match state.open_until {
                Some(until) if now < until => Err(GhError::BreakerOpen {
                    retry_after: until - now,
                }),
                Some(_) if state.trial_under_way => Err(GhError::BreakerOpen {
                    retry_after: Duration::from_secs(1),
                }),
                Some(_) => {
                    state.trial_under_way = true;
                    Ok(())
                }
                None => Ok(()),
            }
        })
    }

    /// How long a write must wait for its turn; the turn is taken.
    pub fn write_turn(&self) -> Result<Duration, GhError> {
        self.with(|state| {
            let now = Instant::now();
            let hour_ago = now.checked_sub(Duration::from_secs(3_600));
            while state
                .writes
                .front()
                .is_some_and(|first| hour_ago.is_some_and(|hour| *first < hour))
            {
                state.writes.pop_front();
            }
            let minute_ago = now.checked_sub(Duration::from_secs(60));
            let recent = state
                .writes
                .iter()
                .filter(|at| minute_ago.is_none_or(|ago| **at > ago))
                .count();
            if recent >= WRITES_PER_MINUTE || state.writes.len() >= WRITES_PER_HOUR {
                return Err(GhError::SecondaryLimit {
                    retry_after: Duration::from_secs(60),
                });
            }
            let turn = state.next_write.map_or(now, |next| next.max(now));
            state.next_write = Some(turn + WRITE_INTERVAL);
            state.writes.push_back(turn);
            Ok(turn - now)
        })
    }

    /// Notes the budget headers of an answer.
    pub fn note_budget(&self, response: &Response) {
        let remaining = response.number("X-RateLimit-Remaining");
        if let (Some(remaining), Some(reset)) = (remaining, response.number("X-RateLimit-Reset")) {
            let resource = response
                .header("X-RateLimit-Resource")
                .unwrap_or("core")
                .to_owned();
            self.with(|state| {
                state
                    .budgets
                    .insert(resource, RateLimit { remaining, reset });
            });
        }
    }

    /// Notes how a call to `resource` ended: an answer of any kind proves that GitHub is there.
    pub fn note_result(&self, resource: &str, error: Option<&GhError>) {
        self.with(|state| {
            state.trial_under_way = false;
            match error {
                // Each resource has a budget of its own: claims go on by REST when sync has used
                // up GraphQL's.
                Some(GhError::RateLimited { retry_after }) => {
                    let reset = unix_seconds() + retry_after.as_secs().max(1);
                    let used_up = RateLimit {
                        remaining: 0,
                        reset,
                    };
                    state.budgets.insert(resource.to_owned(), used_up);
                }
                Some(GhError::SecondaryLimit { retry_after }) => {
                    state.held_until = Some(Instant::now() + *retry_after);
                }
                Some(error) if error.is_transient() => {
                    state.failures += 1;
                    if state.failures >= FAILURES_MAX {
                        let longer = (state.break_length * 2).clamp(BREAK_SHORTEST, BREAK_LONGEST);
                        state.break_length = longer;
                        state.open_until = Some(Instant::now() + longer);
                    }
                }
                // Nothing was learnt about GitHub.
                Some(GhError::Overloaded | GhError::BreakerOpen { .. }) => {}
                _ => {
                    state.failures = 0;
                    state.open_until = None;
                    state.break_length = Duration::ZERO;
                }
            }
        });
    }

    /// The call was given up: a trial must not block all later ones.
    pub fn note_cancelled(&self) {
        self.with(|state| state.trial_under_way = false);
    }

    pub fn breaker(&self) -> BreakerState {
        self.with(|state| match state.open_until {
            None => BreakerState::Closed,
            Some(until) if Instant::now() < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        })
    }

    /// The scarcer of the budgets.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.with(|state| {
            state
                .budgets
                .values()
                .min_by_key(|budget| budget.remaining)
                .copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> GhError {
        GhError::Upstream {
            status: 502,
            message: String::new(),
        }
    }

    #[test]
    fn the_breaker_opens_after_a_row_of_failures_and_lets_one_trial_through() {
        let gate = Gate::default();
        for _ in 0..FAILURES_MAX {
            gate.admit("core").unwrap();
            gate.note_result("core", Some(&failure()));
        }
        assert!(matches!(
            gate.admit("core"),
            Err(GhError::BreakerOpen { .. })
        ));
        gate.with(|state| state.open_until = Some(Instant::now()));
        gate.admit("core").unwrap();
        assert!(gate.admit("core").is_err(), "one trial at a time");
        gate.note_result("core", None);
        gate.admit("core").unwrap();
        assert_eq!(gate.breaker(), BreakerState::Closed);
    }

    #[test]
    fn a_used_up_budget_holds_calls_until_its_reset() {
        let gate = Gate::default();
        let headers = [
            ("X-Ratelimit-Remaining", "0".to_owned()),
            ("X-Ratelimit-Reset", (unix_seconds() + 90).to_string()),
        ];
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec();
        gate.note_budget(&Response {
            status: 200,
            headers,
            body: Vec::new(),
        });
        match gate.admit("core") {
            Err(GhError::RateLimited { retry_after }) => assert!(retry_after.as_secs() > 80),
            other => panic!("{other:?}"),
        }
        gate.admit("graphql").unwrap();
    }

    #[test]
    fn writes_keep_their_distance() {
        let gate = Gate::default();
        assert_eq!(gate.write_turn().unwrap(), Duration::ZERO);
        assert!(gate.write_turn().unwrap() > Duration::from_millis(900));
        for _ in 0..WRITES_PER_MINUTE - 2 {
            gate.write_turn().unwrap();
        }
        assert!(gate.write_turn().is_err());
    }
}
