//! Looks at checks while nobody waits for them: `get_my_claims` then knows of failures, readers of
//! events hear of them, and the next `get_failing_tests` is answered at once. The same question
//! tells which pull requests of claims conflict, have threads that wait, or are ready.
//!
//! Two kinds of pull requests are watched: for some minutes those whose checks ran when a waiting
//! call ended, and after each sync those of submitted claims, many in one question. It takes places
//! in the gh pool that nobody else wants, and rests while points are short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::desk::Parts;
use crate::claim::{Claim, FailedChecks, Status};
use crate::coordinator::Operation;
use crate::pulls::{
    self, CheckFilters, FailingTests, FailingTestsQuery, PullId, ROLLUPS_MAX, RollupState,
};

/// For how long a pull request is watched after somebody waited for its checks.
const WATCH_TIME: Duration = Duration::from_secs(10 * 60);
/// Most pull requests that are watched like that.
const WATCHED_MAX: usize = 16;
/// Pauses between two looks at one; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(15),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// Most claims whose pull requests are asked for after a sync.
const CLAIMS_MAX: usize = 3 * ROLLUPS_MAX;
/// Most of them that are looked at check by check; the others follow after the next sync.
const LOOKS_MAX: usize = 5;
/// Nothing is watched while fewer points are left: agents need them.
const POINTS_KEPT: u64 = 500;

/// A pull request that is watched.
struct Watched {
    id: PullId,
    until: Instant,
    next: Instant,
    looks: usize,
}

/// What is watched because somebody waited for it, by name in small letters.
#[derive(Default)]
pub(super) struct CiWatch {
    watched: Mutex<HashMap<String, Watched>>,
    added: Notify,
}

impl CiWatch {
    fn watched(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a pull request from now on.
    pub fn add(&self, id: &PullId) {
        let mut watched = self.watched();
        if watched.len() >= WATCHED_MAX && !watched.contains_key(&name(id)) {
            let first = watched.iter().min_by_key(|(_, it)| it.until);
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                watched.remove(&first);
            }
        }
        let now = Instant::now();
        let new = Watched {
            id: id.clone(),
            until: now + WATCH_TIME,
            next: now + PAUSES[0],
            looks: 0,
        };
        watched.insert(name(id), new);
        self.added.notify_one();
    }

    /// Whether it is watched.
    pub fn contains(&self, id: &PullId) -> bool {
        self.watched().contains_key(&name(id))
    }

    /// Watches it no more.
    pub fn remove(&self, id: &PullId) {
        self.watched().remove(&name(id));
    }

    /// When the next look is due.
    fn next(&self) -> Option<Instant> {
        self.watched().values().map(|it| it.next).min()
    }

    /// A pull request whose look is due, and when to look at it again.
    fn take_due(&self, now: Instant) -> Option<PullId> {
        let mut watched = self.watched();
        watched.retain(|_, it| it.until > now);
        let due = watched.values_mut().filter(|it| it.next <= now);
        let due = due.min_by_key(|it| it.next)?;
        due.looks += 1;
        due.next = now + PAUSES[due.looks.min(PAUSES.len() - 1)];
        Some(due.id.clone())
    }
}

fn name(id: &PullId) -> String {
    id.to_string().to_lowercase()
}

/// The last look, check by check, at a failing pull request of a submitted claim.
struct Look {
    head_sha: String,
    /// Nothing more was expected.
    settled: bool,
    at: Instant,
}

/// Looks by name of the pull request.
type Looked = HashMap<String, Look>;

impl Parts {
    /// Watches until it is dropped.
    pub(super) async fn watch_checks(&self) {
        let mut reports = self.syncer.reports();
        let mut runs = reports.borrow_and_update().runs;
        let mut looked = Looked::new();
        loop {
            let due = async {
                match self.ci_watch.next() {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.ci_watch.added.notified() => {}
                changed = reports.changed() => if changed.is_err() { return },
            }
            while let Some(id) = self.ci_watch.take_due(Instant::now()) {
                if self.has_points() && self.look_at_checks(&id, true).await {
                    self.ci_watch.remove(&id);
                }
            }
            let synced = {
                let report = reports.borrow_and_update();
                let is_new = report.runs != runs && report.problem.is_none();
                runs = report.runs;
                is_new
            };
            if synced && self.has_points() {
                self.look_at_submitted(&mut looked).await;
            }
        }
    }

    fn has_points(&self) -> bool {
        let limit = self.gh.status().rate_limit;
        limit.is_none_or(|limit| limit.remaining >= POINTS_KEPT)
    }

    /// Looks at one pull request; tells whether nothing more is expected.
    async fn look_at_checks(&self, id: &PullId, is_asked_for: bool) -> bool {
        let query = FailingTestsQuery {
            pr: id.clone(),
            // One look that doubts a pass as a waiting call does.
            wait: true,
            max_wait: Duration::ZERO,
            // Steps of running jobs have no log yet that could be told.
            bail_on_first: false,
            filters: CheckFilters::default(),
            error_lines_max: 0,
            cursor: None,
        };
        let background = self.pulls.in_background();
        match pulls::get_failing_tests(&background, &query, None).await {
            Ok(report) => {
                self.take_in_checks(id, &report, is_asked_for).await;
                report.is_settled()
            }
            Err(error) => {
                tracing::debug!(%id, error = %error.message, "checks could not be watched");
                false
            }
        }
    }

    /// Notes how checks stand. Failures are announced where somebody waited for them or a claim
    /// depends on them.
    pub(super) async fn take_in_checks(
        &self,
        id: &PullId,
        report: &FailingTests,
        is_asked_for: bool,
    ) {
        self.pulls
            .learn(id, &report.commit, |it| it.ci_fails = report.fails());
        if report.fails() != Some(true) || !report.names.is_told {
            return;
        }
        let claims = self.claims_with_pulls().await;
        let claim = claims.into_iter().find(|(pull, _)| pull == id);
        let claim = claim.map(|(_, claim)| claim);
        if claim.is_none() && !is_asked_for {
            return;
        }
        let texts = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let failed = FailedChecks {
            repo: id.repo.clone(),
            number: id.number,
            head_sha: report.commit.as_str().into(),
            claim_id: claim.as_ref().map(|claim| claim.claim_id),
            agent_id: claim.as_ref().map(|claim| claim.agent_id.clone()),
            issue_number: claim.as_ref().map(|claim| claim.issue_number),
            checks: texts(&report.names.checks),
            tests: texts(&report.names.tests),
        };
        let told = self
            .coordinator
            .perform(Operation::ChecksFailed(Arc::new(failed)));
        if let Err(error) = told.await {
            tracing::warn!(%id, %error, "failing checks could not be announced");
        }
    }

    /// Asks how the pull requests of submitted claims stand, and looks at those that fail.
    async fn look_at_submitted(&self, looked: &mut Looked) {
        let claims = self.claims_with_pulls().await;
        let submitted = claims
            .into_iter()
            .filter(|(_, it)| it.status == Status::PrSubmitted);
        let ids: Vec<PullId> = submitted.map(|(id, _)| id).take(CLAIMS_MAX).collect();
        looked.retain(|known, _| ids.iter().any(|id| name(id) == *known));
        let background = self.pulls.in_background();
        let mut failing = Vec::new();
        for ids in ids.chunks(ROLLUPS_MAX) {
            let rollups = match pulls::rollups(&background, ids).await {
                Ok(rollups) => rollups,
                Err(error) => {
                    tracing::debug!(%error, "checks of claims could not be asked for");
                    return;
                }
            };
            for (id, rollup) in ids.iter().zip(rollups) {
                let Some(rollup) = rollup else { continue };
                self.pulls
                    .learn(id, &rollup.head_sha, |it| it.take_in(&rollup));
                if rollup.state != RollupState::Failing {
                    looked.remove(&name(id));
                    continue;
                }
                let last = looked.get(&name(id));
                if !last.is_some_and(|it| it.settled && it.head_sha == rollup.head_sha) {
                    failing.push((last.map(|it| it.at), id, rollup.head_sha));
                }
            }
        }
        // Those that wait longest come first, so that a few that never settle hold up nobody.
        failing.sort_by_key(|(at, ..)| *at);
        for (_, id, head_sha) in failing.into_iter().take(LOOKS_MAX) {
            let look = Look {
                head_sha,
                settled: self.look_at_checks(id, true).await,
                at: Instant::now(),
            };
            looked.insert(name(id), look);
        }
    }

    /// Active claims with their pull requests, the oldest first.
    async fn claims_with_pulls(&self) -> Vec<(PullId, Arc<Claim>)> {
        let read = self.read(|view| {
            let with_pull = view.ledger.active().filter(|claim| claim.pr_url.is_some());
            with_pull.cloned().collect::<Vec<Arc<Claim>>>()
        });
        let mut claims = read.await.unwrap_or_default();
        claims.sort_unstable_by_key(|claim| claim.claim_id);
        let named = claims.into_iter().filter_map(|claim| {
            let id = PullId::parse(claim.pr_url.as_deref()?, self.host()).ok()?;
            Some((id, claim))
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Host;

    fn id(number: u64) -> PullId {
        PullId::parse(&format!("Acme/Api#{number}"), &Host::default()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_the_watch_ends() {
        let watch = CiWatch::default();
        let start = Instant::now();
        watch.add(&id(1));
        let mut looks = Vec::new();
        while let Some(next) = watch.next() {
            tokio::time::sleep_until(next).await;
            if watch.take_due(next).is_some() {
                looks.push(next.duration_since(start).as_secs());
            }
        }
        assert_eq!(looks[..7], [5, 15, 30, 50, 80, 140, 200]);
        assert!(*looks.last().unwrap() < WATCH_TIME.as_secs(), "{looks:?}");
        assert!(looks.len() < 15, "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_is_bounded() {
        let watch = CiWatch::default();
        for number in 1..=WATCHED_MAX as u64 + 1 {
            watch.add(&id(number));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(!watch.contains(&id(1)), "the oldest made room");
        watch.add(&id(3));
        assert!(watch.contains(&id(2)), "one that is known needs no room");
        watch.remove(&id(2));
        assert!(!watch.contains(&id(2)));
    }
}
