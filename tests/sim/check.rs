//! The comparisons of the core with the reference.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::Ledger;
use issuecommand::domain::ClaimId;
use issuecommand::store::{HistoryFilter, read_changes_since};
use tokio::sync::broadcast::error::TryRecvError;

use super::model::{Check, Held, State};
use super::tally::Seen;
use super::world::World;

impl World {
    /// The core's claims must be the reference's.
    pub fn compare(&mut self, when: &str) -> Check {
        match self.differs(&self.model.now, self.core.view().ledger, false) {
            None => Ok(()),
            Some(difference) => Err(format!("{when}: {difference}")),
        }
    }

    /// Where a ledger is not what the reference says; `wholly` compares answered requests too.
    pub fn differs(&self, state: &State, ledger: &Ledger, wholly: bool) -> Option<String> {
        let mut sessions = BTreeSet::new();
        for (issue, held) in &state.held {
            let Some(claim) = ledger.claim(held.id) else {
                return Some(format!("{held:?} of {issue:?} is lost"));
            };
            let theirs = Held {
                id: claim.claim_id,
                agent: self.setting.agent(&claim.agent_id),
                session: claim.session.map(|session| session.id),
                status: claim.working_status(),
                stale_since: held.stale_since.filter(|_| claim.status == held.shown()),
                since: claim.claimed_at,
                pull: claim.pr_url.clone(),
                handoff: claim.handoff_note.clone(),
            };
            if theirs != *held
                || claim.status != held.shown()
                || claim.key() != self.setting.key(*issue)
            {
                return Some(format!("{held:?} of {issue:?} is {claim:?}"));
            }
            let holder = ledger.holder(&self.setting.key(*issue));
            if holder.map(|claim| claim.claim_id) != Some(held.id) {
                return Some(format!("{issue:?} is held by {holder:?}, not {held:?}"));
            }
            let lives = held
                .session
                .filter(|session| self.model.live.contains(session));
            let is_whole = !self.parted.contains(&held.agent);
            sessions.extend(
                lives
                    .filter(|_| is_whole)
                    .map(|session| (held.agent, session)),
            );
        }
        let both = sessions
            .iter()
            .zip(sessions.iter().skip(1))
            .find(|(a, b)| a.0 == b.0);
        if let (Some((one, two)), false) = (both, wholly) {
            return Some(format!(
                "one agent holds claims in two live windows: {one:?}, {two:?}"
            ));
        }
        if ledger.active().count() != state.held.len() {
            let unknown: Vec<_> = ledger
                .active()
                .filter(|claim| state.by_id(claim.claim_id).is_none())
                .collect();
            return Some(format!("nobody was told of {unknown:?}"));
        }
        if ledger.ended_total() != state.ended.len() as u64 {
            return Some(format!(
                "{} ended, not {:?}",
                ledger.ended_total(),
                state.ended
            ));
        }
        for (issue, memory) in &state.memory {
            let theirs = ledger
                .memory(&self.setting.key(*issue))
                .cloned()
                .unwrap_or_default();
            let releases = theirs.releases.iter();
            let same_releases = releases
                .map(|(agent, at)| (self.setting.agent(agent), *at))
                .eq(memory.releases.iter().copied());
            if theirs.attempts != memory.attempts
                || theirs.handoff_note != memory.handoff
                || !same_releases
            {
                return Some(format!(
                    "of {issue:?} is remembered {theirs:?}, not {memory:?}"
                ));
            }
        }
        if !wholly {
            return None;
        }
        let image = ledger.image();
        if image.issues.len() != state.memory.len() {
            return Some(format!(
                "remembered issues: {:?}, not {:?}",
                image.issues, state.memory
            ));
        }
        let mut requests = image.requests.iter();
        let known = requests.all(|(request, id)| state.requests.get(request) == Some(id));
        if !known || image.requests.len() != state.requests.len() {
            return Some(format!(
                "requests: {:?}, not {:?}",
                image.requests, state.requests
            ));
        }
        None
    }

    /// Every event must come once and in order, and be known as durable by then.
    pub fn read_feed(&mut self) -> Check {
        loop {
            match self.reader.live.try_recv() {
                Ok(event) => self.book.enter(&event.recorded, &self.setting)?,
                Err(TryRecvError::Empty) => break,
                Err(error) => return Err(format!("the feed ends: {error}")),
            }
        }
        let (told, seq) = (self.book.seq(), self.core.view().ledger.seq());
        if told == seq {
            Ok(())
        } else {
            Err(format!("events to {told}, ledger at {seq}"))
        }
    }

    /// A reader comes back with the number of the last event it saw.
    pub fn resume_reading(&mut self) -> Check {
        let last = self.book.seq();
        let since = last.saturating_sub(self.random.below(40) as u64);
        self.reader = self.core.feed().subscribe(Some(since));
        // What memory no longer has, the journals may have.
        let missed: Vec<_> = self
            .reader
            .missed
            .iter()
            .map(|event| &event.recorded)
            .collect();
        let start = missed.first().map_or(last + 1, |first| first.seq);
        if missed.len() as u64 != last + 1 - start {
            return Err(format!(
                "a gap in events {start} to {last}: {}",
                missed.len()
            ));
        }
        for recorded in missed {
            let known = &self.book.changes[usize::try_from(recorded.seq - 1).unwrap_or_default()];
            if known != recorded {
                return Err(format!("{known:?} is told again as {recorded:?}"));
            }
        }
        if start <= last {
            self.tally.count(Seen::ReaderResumed);
        }
        Ok(())
    }

    /// The core must wake in time for whatever must happen by itself.
    pub fn check_idle_time(&self) -> Check {
        let now = self.core.now();
        let Some(first) = self.deadlines().min().filter(|first| *first > now) else {
            return Ok(());
        };
        if self.pause_until.is_some() {
            return Ok(());
        }
        let needed = Duration::try_from(first.duration_since(now)).unwrap_or_default();
        match self.core.idle_time() {
            Some(idle) if idle <= needed => Ok(()),
            idle => Err(format!(
                "sleeps for {idle:?}, but something is due in {needed:?}"
            )),
        }
    }

    /// Now and then everything that is stored: ended claims exactly once, old events without a gap.
    pub fn audit(&mut self, always: bool) -> Check {
        if !always && self.random.chance(75) {
            return Ok(());
        }
        self.tally.count(Seen::Audits);
        let view = self.core.view();
        let filed = view.history().page(&HistoryFilter::default(), usize::MAX);
        let filed = filed.map_err(|error| format!("history: {error}"))?;
        let remembered = view
            .ledger
            .ended()
            .map(|(index, claim)| (index, Arc::clone(claim)));
        let mut all: Vec<_> = remembered.chain(filed).collect();
        all.sort_by_key(|(index, _)| *index);
        let mut expected: Vec<(ClaimId, String)> = Vec::new();
        for ended in &self.model.now.ended {
            expected.push((ended.id, ended.status.to_string()));
        }
        let mut found: Vec<(ClaimId, String)> = Vec::new();
        for (place, (index, claim)) in all.iter().enumerate() {
            if *index != place as u64 + 1 {
                return Err(format!(
                    "ended claim {index} is found at place {}",
                    place + 1
                ));
            }
            found.push((claim.claim_id, claim.status.to_string()));
        }
        expected.sort_unstable();
        found.sort_unstable();
        if expected != found {
            return Err(format!("history has {found:?}, not {expected:?}"));
        }
        let since = self.random.below(self.book.changes.len() + 1);
        let changes = read_changes_since(&self.disk, &self.files, since as u64);
        let mut changes = changes.map_err(|error| format!("old events: {error}"))?;
        // Beyond the last durable change there may be remains: readers know where to stop.
        changes.retain(|change| change.seq <= self.book.seq());
        let known = &self.book.changes[self.book.changes.len().saturating_sub(changes.len())..];
        let first = changes.first().map(|first| first.seq);
        if changes != known || first.is_some_and(|first| first <= since as u64) {
            let (count, last) = (changes.len(), changes.last().map(|last| last.seq));
            let all = self.book.seq();
            return Err(format!(
                "old events after {since} of {all}: {count}, {first:?} to {last:?}"
            ));
        }
        Ok(())
    }
}
