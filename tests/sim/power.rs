//! Ends and beginnings of the owner: crashes, restarts, snapshots.

use std::sync::Arc;
use std::time::Duration;

use issuecommand::coordinator::{Catalogue, Core};
use issuecommand::domain::{Clock as _, ManualClock, later};
use issuecommand::store::{Recovered, StoreError, recover, write_snapshot};

use super::content::Tear;
use super::disk::{Kind, Plan};
use super::hub::LOGINS;
use super::model::{Check, Fact, Held, State};
use super::tally::Seen;
use super::told::Told;
use super::world::World;

/// For how long sessions of a former owner are taken for alive.
const RETURN: Duration = Duration::from_secs(3);

impl World {
    /// The owner ends without warning, alone or with its machine.
    pub fn crash(&mut self, power: bool) -> Check {
        let tear = power.then(|| Tear::any(&mut self.random));
        self.note(|| format!("CRASH {tear:?}"));
        self.tally
            .count(if power { Seen::PowerLost } else { Seen::Killed });
        self.disk.crash(tear);
        for agent in 0..self.windows.len() {
            for window in 0..2 {
                self.windows[agent][window].is_connected = false;
                if power || self.random.chance(15) {
                    self.end_session(agent, window);
                }
            }
        }
        self.restart()
    }

    /// A clean end and a new beginning.
    pub fn restart_cleanly(&mut self) -> Check {
        self.tally.count(Seen::CleanRestarts);
        self.arm_store(20, 10);
        let result = self.core.shut_down();
        self.note(|| format!("clean restart: {result:?}"));
        if self.disk.is_dead() {
            self.tally.count(Seen::DiedInSnapshot);
            let power = self.random.chance(70);
            return self.crash(power);
        }
        let failed = self.disk.heal();
        self.is_full = false;
        if let (Err(error), 0) = (&result, failed) {
            return Err(format!("a healthy disk, but: {error}"));
        }
        for window in self.windows.iter_mut().flatten() {
            window.is_connected = false;
        }
        self.disk.crash(None);
        self.restart()
    }

    /// Makes the disk fail, or the process die, with these chances in percent.
    fn arm_store(&mut self, fails: usize, dies: usize) {
        if self.random.chance(fails) {
            let all = [
                Kind::Write,
                Kind::Sync,
                Kind::Rename,
                Kind::Folder,
                Kind::Create,
            ];
            let mut kinds = all.to_vec();
            kinds.push(Kind::Length);
            if self.random.chance(60) {
                kinds = vec![self.random.one_of(all)];
            }
            let after = u32::try_from(self.random.below(7)).unwrap_or_default();
            let plan = Plan {
                kinds,
                after,
                count: self.random.one_of([1, 1, 2, 3]),
            };
            self.note(|| format!("the disk will fail: {plan:?}"));
            self.disk.fail(plan);
        }
        if self.random.chance(dies) {
            let operations = u32::try_from(self.random.below(16)).unwrap_or_default();
            self.note(|| format!("the process dies {operations} operations later"));
            self.disk.die_after(operations);
        }
    }

    fn restart(&mut self) -> Check {
        // What a batch took in that never came to its end stays in memory here.
        self.model.end_batch(false);
        self.job = None;
        self.is_full = false;
        let recovered = self.recover()?;
        for note in &recovered.notes {
            self.tally.count(Seen::TornTail);
            self.note(|| note.clone());
        }
        self.find_state(&recovered)?;
        for recorded in &recovered.replayed {
            match self
                .book
                .changes
                .get(usize::try_from(recorded.seq - 1).unwrap_or(usize::MAX))
            {
                Some(known) if known == recorded => {}
                Some(known) => return Err(format!("{known:?} came back as {recorded:?}")),
                None => self.book.enter(recorded, &self.setting)?,
            }
        }
        if self.book.seq() != recovered.ledger.seq() {
            let (book, ledger) = (self.book.seq(), recovered.ledger.seq());
            return Err(format!(
                "events up to {book} are known, the ledger is at {ledger}"
            ));
        }
        let last = recovered.ledger.last_time();
        if self.random.chance(15) {
            // Somebody set the wall clock back; the clock starts no earlier than the last change.
            let back = Duration::from_secs(self.random.between(1, 9_000) as u64);
            let wall = self
                .clock
                .now()
                .checked_sub(back)
                .unwrap_or(self.clock.now());
            self.clock = ManualClock::new(last.map_or(wall, |last| last.max(wall)));
            self.tally.count(Seen::ClockSetBack);
        } else {
            let down = Duration::from_secs(self.random.between(0, 600) as u64);
            self.clock = ManualClock::new(later(self.clock.now(), down));
            self.true_time = later(self.true_time, down);
        }
        let mut catalogue = self.core.catalogue().clone();
        if self.random.chance(20) {
            catalogue = Catalogue::default();
            self.model.told = Told::default();
        }
        self.core = Core::new(self.core_settings(), recovered, catalogue);
        self.core
            .set_viewer(self.setting.taste.viewer.then(|| LOGINS[0].into()));
        self.forget();
        self.resume_reading()?;
        self.compare("after the restart")?;
        self.audit(false)
    }

    fn recover(&mut self) -> Check<Recovered> {
        for attempt in 0..4 {
            if attempt < 3 {
                self.arm_store(6, 6);
            }
            let disk = Arc::new(self.disk.clone());
            let result = recover(disk, &self.files, self.setting.policy);
            let died = self.disk.is_dead();
            let failed = self.disk.heal();
            match result {
                Ok(recovered) if !died => return Ok(recovered),
                Err(StoreError::Io { .. }) if failed > 0 && !died => {
                    self.tally.count(Seen::RecoveryFailed);
                    self.disk.crash(None);
                }
                _ if died => {
                    let tear = self.random.chance(60).then(|| Tear::any(&mut self.random));
                    self.note(|| format!("CRASH while starting {tear:?}"));
                    self.tally.count(Seen::DiedInRecovery);
                    self.disk.crash(tear);
                }
                Err(error) => return Err(format!("the state is not readable: {error}")),
                Ok(_) => {}
            }
        }
        Err("four starts failed".to_owned())
    }

    /// The recovered state must be what is acknowledged, and at most the beginning of the batch
    /// that was under way, or of a refused one that the disk did not let the core clean away.
    fn find_state(&mut self, recovered: &Recovered) -> Check {
        let acknowledged = self.book.seq();
        if recovered.ledger.seq() < acknowledged {
            let seq = recovered.ledger.seq();
            return Err(format!(
                "change {acknowledged} was acknowledged, {seq} is the last one"
            ));
        }
        let ticked = self.model.ticked;
        let under_way = std::mem::take(&mut self.model.facts);
        let suspects = std::mem::take(&mut self.suspects);
        let mut reason = String::new();
        for (facts, ticked) in std::iter::once(&(under_way, ticked)).chain(&suspects) {
            // What time did has no order among itself: some of that alone, or all of it and then
            // the beginning of the rest.
            let (by_itself, asked) = facts.split_at((*ticked).min(facts.len()));
            let mut state = self.model.base.clone();
            let mut happened = 0;
            for fact in by_itself {
                if has_happened(fact, &state, recovered) {
                    state.apply(fact)?;
                    happened += 1;
                }
            }
            match self.differs(&state, &recovered.ledger, true) {
                None => return self.settle_on(state, happened, facts),
                Some(difference) => {
                    reason.push_str("\n  ");
                    reason.push_str(&difference);
                }
            }
            let mut state = self.model.base.clone();
            for fact in by_itself {
                state.apply(fact)?;
            }
            for (index, fact) in asked.iter().enumerate() {
                state.apply(fact)?;
                if self.differs(&state, &recovered.ledger, true).is_none() {
                    return self.settle_on(state, by_itself.len() + index + 1, facts);
                }
            }
        }
        Err(format!("recovered something else: {reason}"))
    }

    fn settle_on(&mut self, state: State, happened: usize, facts: &[Fact]) -> Check {
        let of = facts.len();
        if happened > 0 {
            self.tally.count(Seen::UnacknowledgedKept);
        }
        if (1..of).contains(&happened) {
            self.tally.count(Seen::BatchKeptInPart);
            for fact in facts {
                let issue = match fact {
                    Fact::HandedOn { issue, .. } => Some(issue),
                    Fact::Moved(moved) => moved.session.map(|_| &moved.issue),
                    Fact::Granted { .. } => None,
                };
                let held = issue.and_then(|issue| state.held.get(issue));
                self.parted.extend(held.map(|held| held.agent));
            }
        }
        self.note(|| format!("{happened} of {of} unacknowledged facts survived"));
        self.model.base = state;
        self.model.now = self.model.base.clone();
        Ok(())
    }

    /// A new owner knows no sessions, and gives every lease a full period.
    fn forget(&mut self) {
        let now = self.core.now();
        let model = &self.model;
        let sessions = model.base.held.values().filter_map(|held| held.session);
        let alive: Vec<_> = sessions
            .filter(|session| self.session_lives(*session))
            .collect();
        let model = &mut self.model;
        model.time = now;
        model.renew_all(now);
        model.live = alive.iter().copied().collect();
        model.returning = (!alive.is_empty()).then(|| (later(now, RETURN), alive));
        model.ticked = 0;
        self.pause_until = None;
        self.slept = false;
        for (_, before_restart) in &mut self.asked {
            *before_restart = true;
        }
    }

    /// A snapshot, by the same steps as at a clean end.
    pub fn snapshot(&mut self) -> Check {
        if self.job.is_some() {
            return self.write_job();
        }
        self.arm_store(30, 12);
        let result = self.core.shut_down();
        self.note(|| format!("snapshot: {result:?}"));
        if self.disk.is_dead() {
            self.tally.count(Seen::DiedInSnapshot);
            let power = self.random.chance(70);
            return self.crash(power);
        }
        let failed = self.disk.heal();
        self.disk.set_full(self.is_full);
        match result {
            Ok(()) => self.tally.count(Seen::Snapshots),
            Err(error) if failed > 0 || self.is_full => {
                self.tally.count(Seen::SnapshotFailed);
                self.core.snapshot_done(Err(error));
            }
            Err(error) => return Err(format!("a healthy disk, but: {error}")),
        }
        self.compare("after a snapshot")?;
        self.audit(false)
    }

    /// Takes the work of a snapshot when the core finds it time for one.
    pub fn take_job(&mut self) {
        if let Some(job) = self.core.snapshot_job() {
            self.note(|| "a snapshot begins in the background".to_owned());
            self.job = Some(job);
        }
    }

    /// Writes the snapshot that was begun in the background.
    pub fn write_job(&mut self) -> Check {
        let Some(job) = self.job.take() else {
            return Ok(());
        };
        self.arm_store(20, 15);
        let result = write_snapshot(&self.disk, &self.files, job);
        self.note(|| format!("background snapshot: {result:?}"));
        if self.disk.is_dead() {
            self.tally.count(Seen::DiedInSnapshot);
            let power = self.random.chance(70);
            return self.crash(power);
        }
        self.disk.heal();
        self.disk.set_full(self.is_full);
        if let Ok((position, _)) = &result {
            self.tally.count(Seen::BackgroundSnapshots);
            if position.file > 1 {
                self.tally.count(Seen::HistoryFilesRolled);
            }
        }
        self.core.snapshot_done(result);
        self.audit(false)
    }
}

/// Whether a claim is no longer as it was before this fact.
fn has_happened(fact: &Fact, state: &State, recovered: &Recovered) -> bool {
    let Fact::Moved(moved) = fact else {
        return false;
    };
    let held = state.held.get(&moved.issue);
    let claim = held.and_then(|held| recovered.ledger.claim(held.id));
    claim.map(|claim| claim.status) != held.map(Held::shown)
}
