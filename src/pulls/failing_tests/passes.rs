//! Since when all checks of a head have passed. After a re-run GitHub shows fewer checks for a
//! moment: whoever waits for a pass is told of one only when two looks agree.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::pulls::checks::Checks;

/// Time between two looks that agree.
pub(super) const APART: Duration = Duration::from_secs(10);
/// Most heads that are remembered.
const HEADS_MAX: usize = 256;

/// The first look at each head that found what the last one found.
#[derive(Default)]
pub(in crate::pulls) struct Passes(Mutex<HashMap<String, Seen>>);

struct Seen {
    checks: u64,
    first: Instant,
}

impl Passes {
    /// Notes a look, by when it began and when it ended, that found these checks passed; tells how
    /// long before it one first found the same.
    pub(super) fn note(&self, head: String, checks: &Checks, look: (Instant, Instant)) -> Duration {
        let (began, ended) = look;
        let checks = fingerprint(checks);
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= HEADS_MAX && !heads.contains_key(&head) {
            heads.clear();
        }
        let seen = heads.entry(head).or_insert(Seen {
            checks,
            first: ended,
        });
        if seen.checks != checks {
            *seen = Seen {
                checks,
                first: ended,
            };
        }
        began.duration_since(seen.first)
    }

    /// Whether a look that begins now and finds the same again would confirm a pass.
    pub(super) fn is_due(&self, head: &str, now: Instant) -> bool {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = heads.get(head);
        seen.is_some_and(|seen| now.duration_since(seen.first) >= APART)
    }

    /// A look found something else.
    pub(super) fn forget(&self, head: &str) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.remove(head);
    }
}

/// Tells one set of checks and attempts from another.
fn fingerprint(checks: &Checks) -> u64 {
    let mut hasher = DefaultHasher::new();
    for check in &checks.all {
        (&check.name, check.check_run_id, check.state).hash(&mut hasher);
    }
    for run in &checks.workflow_runs {
        (run.id, run.run_attempt).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;
    use crate::pulls::checks::CheckState;

    fn passed(names: &[&str]) -> Checks {
        Checks {
            all: names
                .iter()
                .map(|name| check(name, CheckState::Ok))
                .collect(),
            ..Checks::default()
        }
    }

    #[test]
    fn a_pass_is_as_old_as_the_first_look_that_agrees() {
        let passes = Passes::default();
        let start = Instant::now();
        let look = |names: &[&str], seconds| {
            let now = start + Duration::from_secs(seconds);
            passes.note("o/r#1 abc".to_owned(), &passed(names), (now, now))
        };
        assert_eq!(look(&["a", "b"], 0), Duration::ZERO);
        assert_eq!(look(&["a", "b"], 4), Duration::from_secs(4));
        assert_eq!(look(&["a"], 8), Duration::ZERO, "a re-run began");
        assert_eq!(look(&["a", "b"], 12), Duration::ZERO, "and is over");
        let is_due = |seconds| passes.is_due("o/r#1 abc", start + Duration::from_secs(seconds));
        assert!(!is_due(21) && is_due(22));
        assert_eq!(look(&["a", "b"], 22), APART);
        passes.forget("o/r#1 abc");
        assert!(!is_due(40));
        assert_eq!(look(&["a", "b"], 23), Duration::ZERO);
    }
}
