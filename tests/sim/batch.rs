//! One batch: what time demands, some requests, one sync; and everything that can go wrong.

use issuecommand::claim::Status;
use issuecommand::coordinator::Core;
use issuecommand::domain::{RepoName, SessionId, later};
use issuecommand::store::StoreError;
use jiff::Timestamp;
use std::time::Duration;

use super::ask::{Ask, Reply, Why};
use super::disk::{Kind, Plan};
use super::model::{Check, Fact, Held, Issue, Move};
use super::random::Random;
use super::tally::Seen;
use super::world::World;

/// After a failure the core may leave time-driven changes alone for this long.
const PAUSE: Duration = Duration::from_secs(1);

type Cursors = Vec<(RepoName, Option<Timestamp>, Option<Timestamp>)>;

/// What must be as it was if the batch is refused.
struct Before {
    image: String,
    cursors: Cursors,
    /// Only one operation will fail, so that cleaning up can succeed.
    is_single: bool,
}

impl World {
    /// One batch.
    pub fn batch(&mut self) -> Check {
        self.tally.count(Seen::Batches);
        let before = self.arm();
        let dies = before.is_none() && self.random.chance(4);
        self.core.begin();
        self.model.time = self.core.now();
        self.follow_time()?;
        let count = self
            .random
            .weighted([(50, 1), (25, 2), (12, 3), (8, 5), (5, 8)]);
        for number in 0..count {
            if let Some(ask) = self.choose(number) {
                self.ask(ask)?;
            }
        }
        self.compare("after the requests")?;
        if self.random.chance(1) {
            self.note(|| "the process dies before anything is written".to_owned());
            self.tally.count(Seen::DiedBetweenDecisionAndDisk);
            let power = self.random.chance(50);
            return self.crash(power);
        }
        if dies {
            let operations = self.random.below(4);
            self.note(|| format!("the process dies {operations} operations into the batch"));
            self.disk
                .die_after(u32::try_from(operations).unwrap_or_default());
        }
        let wrote = self.core.has_pending();
        if !wrote && !self.model.facts.is_empty() {
            return Err(format!("{:?} need not be written?", self.model.facts));
        }
        let result = self.core.finish();
        self.model.end_batch(result.is_err());
        if self.disk.is_dead() {
            self.tally.count(Seen::DiedInFinish);
            let power = self.random.chance(70);
            return self.crash(power);
        }
        let failed = self.disk.heal();
        self.disk.set_full(self.is_full);
        match result {
            Ok(()) => self.accepted(wrote),
            Err(error) => self.refused(&error, failed, before),
        }
    }

    /// Sometimes the disk will fail in this batch.
    fn arm(&mut self) -> Option<Before> {
        let before = |core: &Core, is_single| Before {
            image: format!("{:?}", core.view().ledger.image()),
            cursors: cursors(core),
            is_single,
        };
        if self.is_full {
            return Some(before(&self.core, true));
        }
        if self.random.chance(2) {
            self.is_full = true;
            self.disk.set_full(true);
            self.tally.count(Seen::DiskFull);
            self.note(|| "the disk is full".to_owned());
            return Some(before(&self.core, true));
        }
        if !self.random.chance(7) {
            return None;
        }
        let kinds = match self.random.below(6) {
            0 => vec![Kind::Write],
            1..=3 => vec![Kind::Sync],
            4 => vec![Kind::Length, Kind::Sync],
            _ => vec![Kind::Write, Kind::Sync, Kind::Length],
        };
        let count = self.random.weighted([(6, 1), (2, 2), (1, 3), (1, 4)]);
        let plan = Plan {
            kinds,
            after: u32::from(self.random.chance(25)),
            count,
        };
        self.note(|| format!("the disk will fail: {plan:?}"));
        self.disk.fail(plan);
        Some(before(&self.core, count == 1))
    }

    /// The request at this place of the batch; none where a shrunk history has none.
    fn choose(&mut self, number: usize) -> Option<Ask> {
        let at = (self.at.1, number);
        if let Some(script) = &self.script {
            return script.asks.get(&at).cloned();
        }
        let index = at.1 + 1;
        let random = Random::of_step(self.at.0, at.0 * 16 + u32::try_from(index).ok()?);
        let rest = std::mem::replace(&mut self.random, random);
        let ask = self.choose_ask();
        self.random = rest;
        if self.trace.is_some() {
            self.record.asks.insert(at, ask.clone());
        }
        Some(ask)
    }

    fn ask(&mut self, ask: Ask) -> Check {
        self.tally.count(Seen::Requests);
        match &ask {
            Ask::Opened(agent, window, session) => {
                let returning = self.model.returning.as_ref();
                if returning.is_some_and(|(_, gone)| gone.contains(&session.id)) {
                    self.tally.count(Seen::SessionReturned);
                }
                self.open_session(*agent, *window, *session);
            }
            Ask::Closed(agent, window, _, true) => self.end_session(*agent, *window),
            Ask::Closed(agent, window, _, false) => {
                self.windows[*agent][*window].is_connected = false;
            }
            _ => {}
        }
        let answer = self.core.perform(ask.operation(&self.setting));
        let given = Reply::of(&answer, &self.setting);
        let expected = self
            .model
            .expect(&ask, &self.setting, self.core.view().ledger);
        self.note(|| format!("{} -> {given:?}", ask.show()));
        std::mem::replace(&mut self.model.problem, Ok(()))?;
        if !expected.allows(&given) {
            return Err(format!(
                "{} is answered {given:?}, not {expected:?}",
                ask.show()
            ));
        }
        if let Reply::Granted { id, .. } | Reply::Chosen { id, .. } = &given {
            self.tokens.push(*id);
        }
        self.count(&ask, &given);
        if ask.request().is_some() {
            self.asked.push((ask, false));
        }
        Ok(())
    }

    fn count(&mut self, ask: &Ask, given: &Reply) {
        let seen = match given {
            Reply::Granted { owned: false, .. } => Seen::Granted,
            Reply::Granted { owned: true, .. } => Seen::AlreadyTheirs,
            Reply::Chosen { .. } => Seen::Chosen,
            Reply::Nothing { .. } => Seen::NothingToChoose,
            Reply::Unknown => Seen::CatalogueUnsure,
            Reply::Updated { .. } if matches!(ask, Ask::Withdraw(_)) => Seen::Withdrawn,
            Reply::Updated {
                status: Status::Closed,
                ..
            } => Seen::ClosedByAgent,
            Reply::Updated { .. } => Seen::Heartbeat,
            Reply::Refused(why) => match why {
                Why::AlreadyClaimed => Seen::AlreadyClaimed,
                Why::AgentIdInUse => Seen::AgentIdInUse,
                Why::HeldByOtherSession => Seen::HeldByOtherSession,
                Why::NotYours => Seen::NotYours,
                Why::ClaimLost => Seen::ClaimLost,
                Why::NotClaimed => Seen::NotClaimed,
                Why::NotAllowed => Seen::NotAllowed,
                Why::PullRequestMissing => Seen::PullRequestMissing,
            },
            Reply::Unchanged | Reply::Done | Reply::Again(_) => return,
        };
        self.tally.count(seen);
    }

    /// What must have happened by itself when the batch began.
    fn follow_time(&mut self) -> Check {
        let time = self.model.time;
        if std::mem::take(&mut self.slept) {
            self.model.renew_all(time);
        }
        if let Some((until, mut sessions)) = self.model.returning.take() {
            let stays = |session: &SessionId| until > time && self.session_lives(*session);
            let gone: Vec<_> = sessions.extract_if(.., |session| !stays(session)).collect();
            for session in gone {
                self.tally.count(Seen::SessionMissed);
                self.model.live.remove(&session);
            }
            self.model.returning = (!sessions.is_empty()).then_some((until, sessions));
        }
        let paused = self.pause_until.is_some_and(|until| until > time);
        let mut due: Vec<(Timestamp, Issue, Status)> = Vec::new();
        for (issue, held) in &self.model.now.held {
            let shown = self
                .core
                .view()
                .ledger
                .claim(held.id)
                .map(|claim| claim.status);
            let (should, to) = self.due(held);
            let did = shown != Some(held.shown());
            let target = if to == Status::Released {
                None
            } else {
                Some(to)
            };
            match should {
                Some(at) if at <= time && did && shown == target => due.push((at, *issue, to)),
                Some(at) if at <= time && !did && !paused => {
                    return Err(format!("{held:?} should be {to} since {at}"));
                }
                _ if did => return Err(format!("{held:?} became {shown:?} at {time}")),
                _ => {}
            }
        }
        due.sort_by_key(|(at, issue, to)| (*to == Status::Released, *at, *issue));
        for (_, issue, to) in due {
            self.note(|| format!("{issue:?} becomes {to} by itself"));
            self.model.commit(Fact::Moved(Move::new(issue, to, time)));
        }
        self.model.ticked = self.model.facts.len();
        Ok(())
    }

    /// What time will do to a claim, and when.
    fn due(&self, held: &Held) -> (Option<Timestamp>, Status) {
        match held.stale_since {
            Some(since) => {
                let wait = self.setting.policy.stale_auto_release;
                (wait.map(|wait| later(since, wait)), Status::Released)
            }
            None => (self.model.deadline(held, &self.setting), Status::Stale),
        }
    }

    /// The batch is acknowledged.
    fn accepted(&mut self, wrote: bool) -> Check {
        let facts = std::mem::take(&mut self.model.facts);
        for (index, fact) in facts.iter().enumerate() {
            self.count_fact(fact, index < self.model.ticked);
            self.model.base.apply(fact)?;
        }
        if wrote {
            self.suspects.clear();
            self.pause_until = None;
        }
        self.read_feed()?;
        self.check_idle_time()?;
        self.take_job();
        Ok(())
    }

    fn count_fact(&mut self, fact: &Fact, by_itself: bool) {
        let before = |issue: &Issue| self.model.base.held.get(issue);
        let seen = match fact {
            Fact::HandedOn { .. } => Seen::TakenOver,
            Fact::Granted { .. } => return,
            Fact::Moved(moved) if by_itself && moved.to == Status::Stale => Seen::Stale,
            Fact::Moved(_) if by_itself => Seen::ReleasedAsStale,
            Fact::Moved(moved) if moved.session.is_some() => Seen::Adopted,
            Fact::Moved(moved) => match (&moved.pull, moved.to) {
                (Some(None), _) => Seen::PullClosed,
                (Some(Some(_)), Status::PrSubmitted) => Seen::PullOpened,
                (Some(Some(_)), Status::PrMerged) => Seen::PullMerged,
                (_, Status::Closed) if moved.request.is_none() => Seen::ClosedOnGitHub,
                (_, Status::Released) if moved.uncounted => Seen::GoneOnGitHub,
                _ if before(&moved.issue).is_some_and(|held| held.stale_since.is_some()) => {
                    Seen::Revived
                }
                _ => return,
            },
        };
        self.tally.count(seen);
    }

    /// The disk failed: nothing of the batch may have happened.
    fn refused(&mut self, error: &StoreError, failed: u32, before: Option<Before>) -> Check {
        self.note(|| format!("refused: {error}"));
        self.tally.count(Seen::BatchRefused);
        if error.to_string().contains("sync") {
            self.tally.count(Seen::SyncFailed);
        }
        let Some(before) = before.filter(|_| failed > 0) else {
            return Err(format!("a healthy disk, but: {error}"));
        };
        let facts = std::mem::take(&mut self.model.facts);
        self.model.now = self.model.base.clone();
        if !before.is_single {
            self.tally.count(Seen::RefusedBatchSuspected);
            self.suspects.push((facts, self.model.ticked));
        }
        self.pause_until = Some(later(self.model.time, PAUSE));
        let image = format!("{:?}", self.core.view().ledger.image());
        if image != before.image {
            let (was, is) = difference(&before.image, &image);
            return Err(format!("undone, but not all: {was}, now {is}"));
        }
        let is_new = |cursor: &&(_, Option<_>, Option<_>)| {
            (cursor.1.is_some() || cursor.2.is_some()) && !before.cursors.contains(cursor)
        };
        if let Some((name, ..)) = cursors(&self.core).iter().find(is_new) {
            return Err(format!(
                "a refused page of {name} counts as read: its facts are lost"
            ));
        }
        self.compare("after a refused batch")?;
        self.read_feed()
    }
}

fn cursors(core: &Core) -> Cursors {
    let repos = core.catalogue().repos();
    repos
        .map(|entry| (entry.name.clone(), entry.issues_cursor, entry.pulls_cursor))
        .collect()
}

/// Where two texts part, with some of what surrounds the place.
fn difference<'a>(one: &'a str, two: &'a str) -> (&'a str, &'a str) {
    let same = one
        .bytes()
        .zip(two.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &'a str| text.get(same.saturating_sub(60)..).unwrap_or(text);
    let short = |text: &'a str| text.get(..200).unwrap_or(text);
    (short(around(one)), short(around(two)))
}
