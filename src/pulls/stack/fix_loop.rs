//! What follows the plan: the checks of what was pushed, and what to do where they fail. Whoever runs
//! the plan does that, too.

use serde::Serialize;

use crate::domain::ApiError;

/// How often it is gone through when the caller does not say.
const ITERATIONS_DEFAULT: u64 = 3;
/// The most that can be asked for.
const ITERATIONS_MAX: u64 = 10;
/// Its steps. The layers above one that was fixed lack the fix: they have to be moved again.
const STEPS: [&str; 3] = [
    "verify: get_failing_tests with wait true for every pushed pull request, the lowest first",
    "fix: where one fails for its own change, mend that on its branch, commit, git push",
    "again: manage_stacked_prs, run its commands, verify; after max_iterations rounds stop and tell what still fails",
];

/// Verify, fix and begin again.
#[derive(Clone, Debug, Serialize)]
pub struct FixLoop {
    max_iterations: u64,
    steps: [&'static str; 3],
}

impl FixLoop {
    /// From the arguments of a call; none where that is not wanted.
    ///
    /// # Errors
    /// `invalid_argument` for a number out of bounds.
    pub fn of(auto_fix: Option<bool>, iterations: Option<u64>) -> Result<Option<Self>, ApiError> {
        let max_iterations = iterations.unwrap_or(ITERATIONS_DEFAULT);
        if !(1..=ITERATIONS_MAX).contains(&max_iterations) {
            return Err(ApiError::invalid(
                format!("max_iterations must be between 1 and {ITERATIONS_MAX}"),
                "auto_fix false leaves the steps to verify and fix out",
            ));
        }
        Ok(auto_fix.unwrap_or(true).then_some(Self {
            max_iterations,
            steps: STEPS,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_unless_it_is_not_wanted() {
        let rounds = |auto_fix, iterations| {
            let made = FixLoop::of(auto_fix, iterations).unwrap();
            made.map(|it| it.max_iterations)
        };
        assert_eq!(rounds(None, None), Some(3));
        assert_eq!(rounds(Some(true), Some(10)), Some(10));
        assert_eq!(rounds(Some(false), Some(2)), None);
        for wrong in [0, 11] {
            assert!(FixLoop::of(Some(false), Some(wrong)).is_err(), "{wrong}");
        }
    }
}
