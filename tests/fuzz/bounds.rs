//! What holds of every failure, whatever it was read from.

use issuecommand::pulls::ci_log::{EXCERPT_LINES_MAX, FAILURES_MAX, Failure, LINE_CHARS_MAX};

/// Longest test id in characters, as `Failure::new` cuts it.
const TEST_CHARS_MAX: usize = 1_000;

/// Panics where a failure or their number is out of bounds.
pub fn check(failures: &[Failure]) {
    assert!(failures.len() <= FAILURES_MAX);
    for failure in failures {
        // A cut text has an ellipsis more.
        let fits = |text: &str, chars: usize| text.chars().count() <= chars + 1;
        assert!(fits(&failure.test, TEST_CHARS_MAX), "{failure:?}");
        assert!(fits(&failure.error, LINE_CHARS_MAX), "{failure:?}");
        assert!(failure.excerpt.len() <= EXCERPT_LINES_MAX, "{failure:?}");
        assert!(
            failure
                .excerpt
                .iter()
                .all(|line| fits(line, LINE_CHARS_MAX)),
            "{failure:?}"
        );
    }
}
