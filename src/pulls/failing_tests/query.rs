//! What is asked of `get_failing_tests`.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::report::ReportedFailure;
use crate::domain::{ApiError, cursor};
use crate::pulls::PullId;
use crate::pulls::checks::Check;
use crate::pulls::ci_log::EXCERPT_LINES_MAX;
use crate::pulls::head_cursor::{self, Call};
use crate::pulls::overflow::Position;

/// Lines that show a failure when the caller does not say, and at most: more are not kept of logs.
pub const ERROR_LINES_MAX: usize = EXCERPT_LINES_MAX;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which pull request.
    pub pr: PullId,
    /// Wait until all is done.
    pub wait: bool,
    /// Waiting ends with the first failure.
    pub bail_on_first: bool,
    /// Longest wait of this call.
    pub max_wait: Duration,
    /// What is looked at.
    pub filters: Filters,
    /// Most lines that show a failure.
    pub error_lines_max: usize,
    /// Where the page begins.
    pub cursor: Option<String>,
}

/// What is looked at. It decides which failures there are and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// Only checks that the base branch demands.
    pub required_only: bool,
    /// Only checks with one of these names; all when empty.
    pub checks: Vec<String>,
    /// No checks with one of these names.
    pub ignore_checks: Vec<String>,
    /// What may be asked about a failed check.
    pub sources: Sources,
    /// Whether it is looked up which checks fail on the base branch too.
    pub compare_base: bool,
}

/// What may be asked about a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sources {
    /// Annotations on it.
    pub annotations: bool,
    /// The log of its job.
    pub logs: bool,
    /// Test reports that its job uploaded.
    pub junit: bool,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            required_only: false,
            checks: Vec::new(),
            ignore_checks: Vec::new(),
            sources: Sources::ALL,
            compare_base: true,
        }
    }
}

impl Sources {
    /// Whatever there is.
    pub const ALL: Self = Self {
        annotations: true,
        logs: true,
        junit: true,
    };

    /// Reads a list of names; none at all stands for all.
    ///
    /// # Errors
    /// `invalid_argument` with the names there are.
    pub fn parse(names: &[String]) -> Result<Self, ApiError> {
        if names.is_empty() {
            return Ok(Self::ALL);
        }
        let mut sources = Self {
            annotations: false,
            logs: false,
            junit: false,
        };
        for name in names {
            match name.as_str() {
                "annotations" => sources.annotations = true,
                "logs" => sources.logs = true,
                "junit" => sources.junit = true,
                _ => {
                    return Err(ApiError::invalid(
                        "sources takes annotations, logs and junit",
                        "leave it out to have all of them asked",
                    ));
                }
            }
        }
        Ok(sources)
    }

    fn names(self) -> Vec<&'static str> {
        let all = [
            (self.annotations, "annotations"),
            (self.logs, "logs"),
            (self.junit, "junit"),
        ];
        let named = all.into_iter().filter(|(asked, _)| *asked);
        named.map(|(_, name)| name).collect()
    }
}

impl Filters {
    /// Whether this check is asked about.
    pub(super) fn wants(&self, check: &Check) -> bool {
        (!self.required_only || check.required != Some(false)) && self.names(&check.name)
    }

    /// Whether checks of this name are asked about.
    pub(super) fn names(&self, check: &str) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| is_named(check, pattern));
        (self.checks.is_empty() || fits(&self.checks)) && !fits(&self.ignore_checks)
    }

    fn is_whole(&self) -> bool {
        !self.required_only
            && self.checks.is_empty()
            && self.ignore_checks.is_empty()
            && self.sources == Sources::ALL
    }
}

impl Query {
    /// Whether it is about all checks, and all that can be found out about them.
    pub fn is_whole(&self) -> bool {
        self.filters.is_whole()
    }

    /// Names a head with these filters.
    pub(super) fn head(&self, sha: &str) -> String {
        let Filters {
            required_only,
            checks,
            ignore_checks,
            ..
        } = &self.filters;
        format!(
            "{} {sha} {required_only} {checks:?} {ignore_checks:?}",
            self.pr
        )
    }

    /// Where the page begins in the failures of this head.
    ///
    /// # Errors
    /// `head_moved` for a cursor of another head, `invalid_argument` for one of another call.
    pub(super) fn start(&self, tool: &'static str, head: &str) -> Result<Start, ApiError> {
        let Some(given) = &self.cursor else {
            return Ok(Start::default());
        };
        let of_rest = self.rest_call(tool, head);
        if of_rest.made(given) {
            return Position::read(&of_rest, given).map(Start::Rest);
        }
        let start = self
            .call(tool, head)
            .read(given)?
            .split_once('.')
            .and_then(|(place, told)| {
                let told = u32::from_str_radix(told, 16).ok()?;
                let place = place.parse().ok()?;
                Some(Start::Failures { place, told })
            });
        start.ok_or_else(head_cursor::damaged)
    }

    /// The cursor of a page that begins behind these failures.
    pub(super) fn cursor_after(
        &self,
        tool: &'static str,
        head: &str,
        told: &[ReportedFailure],
    ) -> String {
        let position = format!("{}.{:08x}", told.len(), digest(told));
        self.call(tool, head).make(&position)
    }

    fn call(&self, tool: &'static str, head: &str) -> Call {
        Call::new(tool, &self.cursor_filters(), head)
    }

    /// A call for what has no room beside the failures.
    pub(super) fn rest_call(&self, tool: &'static str, head: &str) -> Call {
        Call::of_rest(tool, &(self.cursor_filters(), self.error_lines_max), head)
    }

    fn cursor_filters(&self) -> impl Serialize {
        (self.pr.to_string(), self.filters.clone())
    }

    /// The arguments of a call that waits on, as this one does.
    pub(super) fn next_arguments(&self) -> Value {
        let mut arguments = json!({ "pr": self.pr.to_string(), "wait": true });
        let filters = &self.filters;
        if !self.bail_on_first {
            arguments["bail_on_first"] = false.into();
        }
        if filters.required_only {
            arguments["required_only"] = true.into();
        }
        for (name, list) in [
            ("checks", &filters.checks),
            ("ignore_checks", &filters.ignore_checks),
        ] {
            if !list.is_empty() {
                arguments[name] = json!(list);
            }
        }
        if filters.sources != Sources::ALL {
            arguments["sources"] = json!(filters.sources.names());
        }
        if !filters.compare_base {
            arguments["compare_base"] = false.into();
        }
        if self.error_lines_max != ERROR_LINES_MAX {
            arguments["max_error_lines"] = self.error_lines_max.into();
        }
        arguments
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// In the list of failures.
    Failures {
        /// At which of them.
        place: usize,
        /// Names the failures that the pages before have told.
        told: u32,
    },
    /// In what has no room beside those.
    Rest(Position),
}

impl Default for Start {
    fn default() -> Self {
        Self::Failures { place: 0, told: 0 }
    }
}

/// The place in these failures at which a page begins, after pages that have told some.
///
/// # Errors
/// `head_moved` when others stand before it now: while checks run, failures come in between.
pub(super) fn place_in(
    failures: &[ReportedFailure],
    place: usize,
    told: u32,
) -> Result<usize, ApiError> {
    let before = failures.get(..place);
    let is_same = |before: &[ReportedFailure]| before.is_empty() || digest(before) == told;
    match before.is_some_and(is_same) {
        true => Ok(place),
        false => Err(head_cursor::head_moved("other failures were found")),
    }
}

fn digest(failures: &[ReportedFailure]) -> u32 {
    let ids: Vec<&str> = failures.iter().map(|failure| &*failure.id).collect();
    cursor::fingerprint("failures", &ids)
}

/// Whether a name has this text in it; with a `*` the pattern is about the whole name, and the star
/// stands for any letters, slashes too. Case does not matter.
fn is_named(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.to_lowercase(), pattern.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(first) = parts.next().filter(|_| pattern.contains('*')) else {
        return name.contains(&pattern);
    };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Host;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn query(filters: Filters) -> Query {
        Query {
            pr: PullId::parse("o/r#5", &Host::default()).unwrap(),
            wait: true,
            bail_on_first: true,
            max_wait: Duration::ZERO,
            filters,
            error_lines_max: ERROR_LINES_MAX,
            cursor: None,
        }
    }

    #[test]
    fn checks_are_named_by_a_part_or_by_a_pattern() {
        for (pattern, name, expected) in [
            ("unit", "Test / Unit (3.11)", true),
            ("unit*", "test / unit", false),
            ("*unit*", "test / unit (3.11)", true),
            ("test*(3.11)", "test / unit (3.11)", true),
            ("test*(3.11)", "test / unit (3.12)", false),
            ("*", "anything", true),
            ("a*a", "a", false),
            ("a**a", "aa", true),
            ("*b*c", "abcb", false),
            ("codecov/*", "codecov/patch", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(is_named(name, pattern), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_ignored_is_left_out_of_what_is_named() {
        let filters = Filters {
            checks: named(&["test"]),
            ignore_checks: named(&["*windows*", "flaky"]),
            ..Filters::default()
        };
        let kept = |name: &str| filters.names(name);
        assert!(kept("test (linux)"));
        assert!(!kept("test (windows)") && !kept("flaky test") && !kept("lint"));
        let only_ignoring = Filters {
            checks: Vec::new(),
            ..filters.clone()
        };
        assert!(only_ignoring.names("lint") && !only_ignoring.names("flaky"));
        assert!(!only_ignoring.is_whole());
    }

    #[test]
    fn sources_are_named_and_none_means_all() {
        let parse = |names: &[&str]| Sources::parse(&named(names));
        assert_eq!(parse(&[]).unwrap(), Sources::ALL);
        let some = parse(&["junit", "logs", "junit"]).unwrap();
        assert_eq!(some.names(), ["logs", "junit"]);
        assert_eq!(parse(&["log"]).unwrap_err().code, "invalid_argument");
    }

    #[test]
    fn whoever_waits_on_asks_for_the_same() {
        let plain = query(Filters::default());
        assert_eq!(plain.next_arguments(), json!({"pr": "o/r#5", "wait": true}));
        assert!(plain.is_whole());
        let mut odd = query(Filters {
            required_only: true,
            checks: named(&["a"]),
            ignore_checks: named(&["b*"]),
            sources: Sources::parse(&named(&["logs"])).unwrap(),
            compare_base: false,
        });
        odd.bail_on_first = false;
        odd.error_lines_max = 3;
        let expected = json!({"pr": "o/r#5", "wait": true, "bail_on_first": false,
            "required_only": true, "checks": ["a"], "ignore_checks": ["b*"], "sources": ["logs"],
            "compare_base": false, "max_error_lines": 3});
        assert_eq!(odd.next_arguments(), expected);
    }

    #[test]
    fn a_page_belongs_to_a_head() {
        let mut query = query(Filters::default());
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        query.cursor = Some(query.cursor_after("t", &old, &[]));
        let start = query.start("t", &old).unwrap();
        assert!(
            matches!(start, Start::Failures { place: 0, .. }),
            "{start:?}"
        );
        assert_eq!(query.start("t", &new).unwrap_err().code, "head_moved");
        query.filters.compare_base = false;
        assert_eq!(query.start("t", &old).unwrap_err().code, "invalid_argument");
    }
}
