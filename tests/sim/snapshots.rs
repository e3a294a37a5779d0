//! Snapshots, at a clean end and in between.

use issuecommand::store::write_snapshot;

use super::faults::{Kind, Plan};
use super::model::Check;
use super::tally::Seen;
use super::world::World;

impl World {
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
    pub fn arm_store(&mut self, fails: usize, dies: usize) {
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
