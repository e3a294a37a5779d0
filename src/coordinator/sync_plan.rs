//! What a sync has to fetch: pure decisions from what is known and what the probe tells.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Catalogue, RepoEntry};
use crate::domain::RepoName;
use crate::gh::{DeltaRequest, RepoProbe};

/// GitHub's `since` has a resolution of a second and its replicas lag: look this far back.
const OVERLAP: SignedDuration = SignedDuration::from_mins(3);
/// The open numbers are compared at least this often.
const RECONCILE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Issues of one page when only changes are fetched, and when all are.
const DELTA_PAGE: u32 = 50;
const FULL_PAGE: u32 = 100;

/// Most issues that are asked about anew in one run: one query, for a point.
const BLOCKED_MAX: usize = 50;

/// What to do about one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Visit {
    /// Nothing changed.
    None,
    /// Fetch all that is open.
    Full,
    /// Fetch what changed.
    Delta {
        /// Whether issues changed.
        issues: bool,
        /// Whether pull requests changed.
        pulls: bool,
    },
}

/// Compares a probe with what is known.
pub(super) fn plan(known: Option<&RepoEntry>, probe: &RepoProbe) -> Visit {
    let Some(known) = known else {
        return Visit::Full;
    };
    let newer = |theirs: Option<Timestamp>, ours: Option<Timestamp>| match (theirs, ours) {
        (Some(theirs), Some(ours)) => theirs > ours,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let issues = newer(probe.issues_updated_at, known.issues_cursor);
    let pulls = newer(probe.pulls_updated_at, known.pulls_cursor);
    if issues && known.issues_cursor.is_none() {
        // Never fetched to its end: fetching changes since ever would bring all closed ones.
        return Visit::Full;
    }
    if issues || pulls {
        Visit::Delta { issues, pulls }
    } else {
        Visit::None
    }
}

/// Whether the open numbers have to be compared after the visit.
pub(super) fn needs_reconcile(catalogue: &Catalogue, probe: &RepoProbe, now: Timestamp) -> bool {
    let Some(known) = catalogue.repo(&probe.name) else {
        return false;
    };
    let age = known
        .reconciled_at
        .map(|at| Duration::try_from(now.duration_since(at)));
    let overdue = !matches!(age, Some(Ok(age)) if age < RECONCILE_EVERY);
    known.issues.len() as u64 != probe.open_issues || overdue && probe.open_issues > 0
}

/// Issues that are known as blocked, by repository: as many as one query takes, and others of them
/// the next time.
pub(super) fn blocked(catalogue: &Catalogue, turn: usize) -> Vec<(RepoName, Vec<u64>)> {
    let blocked = catalogue.repos().flat_map(|entry| {
        let blocked = entry.issues.values().filter(|issue| issue.blocked_by > 0);
        blocked.map(|issue| (&entry.name, issue.number))
    });
    let mut blocked: Vec<(&RepoName, u64)> = blocked.collect();
    let start = turn.wrapping_mul(BLOCKED_MAX) % blocked.len().max(1);
    blocked.rotate_left(start);
    blocked.truncate(BLOCKED_MAX);
    let mut by_repo = BTreeMap::<&RepoName, Vec<u64>>::new();
    for (repo, number) in blocked {
        by_repo.entry(repo).or_default().push(number);
    }
    let owned = |(repo, numbers): (&RepoName, _)| (repo.clone(), numbers);
    by_repo.into_iter().map(owned).collect()
}

/// The first request of a visit.
pub(super) fn first_request(
    known: Option<&RepoEntry>,
    probe: &RepoProbe,
    visit: &Visit,
) -> Option<DeltaRequest> {
    let full = *visit == Visit::Full;
    let (issues, pulls) = match visit {
        Visit::None => return None,
        Visit::Full => (probe.open_issues > 0, probe.open_pulls > 0),
        Visit::Delta { issues, pulls } => (*issues, *pulls),
    };
    let cursor = known.and_then(|known| known.issues_cursor);
    let since = cursor.map(|at| at.checked_sub(OVERLAP).unwrap_or(at));
    Some(DeltaRequest {
        repo: probe.name.clone(),
        issues_since: if full {
            None
        } else {
            Some(since.unwrap_or(Timestamp::UNIX_EPOCH))
        },
        issues_after: issues.then_some(None),
        pulls_after: pulls.then_some(None),
        pulls_any_state: !full,
        page_size: if full { FULL_PAGE } else { DELTA_PAGE },
    })
}

/// Pull requests come newest first: a page that reaches back beyond what is known is the last.
pub(super) fn reaches_known(oldest: Option<Timestamp>, cursor: Option<Timestamp>) -> bool {
    match (oldest, cursor) {
        (Some(oldest), Some(cursor)) => oldest < cursor.checked_sub(OVERLAP).unwrap_or(cursor),
        // Without a cursor only one page of old pull requests is worth having.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::catalogue::tests::issue;
    use crate::coordinator::{CatalogueUpdate, RepoUpdate};
    use crate::domain::{IssueState, IssueSummary};

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    fn probe(issues: Option<Timestamp>, pulls: Option<Timestamp>, open: u64) -> RepoProbe {
        RepoProbe {
            name: "o/r".parse().unwrap(),
            private: false,
            archived: false,
            has_issues: true,
            issues_updated_at: issues,
            open_issues: open,
            pulls_updated_at: pulls,
            open_pulls: 0,
        }
    }

    fn known() -> Catalogue {
        let mut catalogue = Catalogue::default();
        let mut update = RepoUpdate::unchanged("o/r".parse().unwrap(), false, at(1_000).unwrap());
        update.complete = true;
        update.issues_cursor = at(900);
        catalogue.apply(CatalogueUpdate {
            repos: vec![update],
            ..CatalogueUpdate::default()
        });
        catalogue
    }

    #[test]
    fn only_changes_are_fetched() {
        let catalogue = known();
        let entry = catalogue.repos().next();
        assert_eq!(plan(None, &probe(None, None, 0)), Visit::Full);
        assert_eq!(plan(entry, &probe(at(900), None, 0)), Visit::None);
        let visit = plan(entry, &probe(at(901), None, 0));
        assert_eq!(
            visit,
            Visit::Delta {
                issues: true,
                pulls: false
            }
        );
        let request = first_request(entry, &probe(at(901), None, 0), &visit).unwrap();
        assert_eq!(request.issues_since, at(900 - 180));
        assert_eq!(request.pulls_after, None);
    }

    #[test]
    fn blocked_issues_take_turns() {
        let mut catalogue = Catalogue::default();
        assert!(blocked(&catalogue, 3).is_empty());
        let issue = |number: u64| IssueSummary {
            blocked_by: u32::from(number > 1),
            ..issue(number, IssueState::Open, 0)
        };
        let issues = (1..=BLOCKED_MAX as u64 + 11).map(issue).collect();
        catalogue.apply(CatalogueUpdate {
            repos: vec![RepoUpdate::of_issues("o/r".parse().unwrap(), issues)],
            ..CatalogueUpdate::default()
        });
        let turn = |turn: usize| blocked(&catalogue, turn).remove(0).1;
        assert_eq!(turn(0), (2..=BLOCKED_MAX as u64 + 1).collect::<Vec<_>>());
        assert_eq!(turn(1).len(), BLOCKED_MAX);
        let both: std::collections::BTreeSet<u64> = turn(0).into_iter().chain(turn(1)).collect();
        assert_eq!(both.len(), BLOCKED_MAX + 10);
    }

    #[test]
    fn numbers_are_compared_when_counts_disagree_and_daily() {
        let catalogue = known();
        let now = at(1_500).unwrap();
        assert!(!needs_reconcile(&catalogue, &probe(None, None, 0), now));
        assert!(needs_reconcile(&catalogue, &probe(None, None, 3), now));
        let tomorrow = at(1_500 + 86_400).unwrap();
        assert!(!needs_reconcile(
            &catalogue,
            &probe(None, None, 0),
            tomorrow
        ));
    }
}
