//! What must be true once a batch is acknowledged or refused.

use std::time::Duration;

use issuecommand::claim::Status;
use issuecommand::coordinator::Core;
use issuecommand::domain::{RepoName, later};
use issuecommand::store::StoreError;
use jiff::Timestamp;

use super::model::{Check, Fact, Issue};
use super::tally::Seen;
use super::world::World;

/// After a failure the core may leave time-driven changes alone for this long.
const PAUSE: Duration = Duration::from_secs(1);

type Cursors = Vec<(RepoName, Option<Timestamp>, Option<Timestamp>)>;

/// What must be as it was if the batch is refused.
pub struct Before {
    pub image: String,
    pub cursors: Cursors,
    /// Only one operation will fail, so that cleaning up can succeed.
    pub is_single: bool,
}

impl World {
    /// The batch is acknowledged.
    pub fn accepted(&mut self, wrote: bool) -> Check {
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
    pub fn refused(&mut self, error: &StoreError, failed: u32, before: Option<Before>) -> Check {
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

/// How far each repository has been read.
pub fn cursors(core: &Core) -> Cursors {
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
