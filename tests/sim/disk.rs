//! A folder in memory that fails on demand and loses power: single sectors of unsynced writes may
//! survive, renames that were not synced may be undone, a failed sync drops what it should have
//! written, and the power may go at any single operation.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use issuecommand::store::{Disk, DiskFile, FileId};

use super::content::{Inode, Tear};
use super::random::Random;

/// Operations that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Write,
    Sync,
    Length,
    Rename,
    Folder,
    Create,
}

/// Failures to come: after `after` operations of these kinds the next `count` fail.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub kinds: Vec<Kind>,
    pub after: u32,
    pub count: u32,
}

enum FolderStep {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

struct State {
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    unsynced: Vec<FolderStep>,
    inodes: Vec<Inode>,
    plan: Plan,
    full: bool,
    power_left: Option<u32>,
    dead: bool,
    whole_tail: bool,
    failed: u32,
    random: Random,
}

/// The disk. Clones share it.
#[derive(Clone)]
pub struct PowerDisk(Arc<Mutex<State>>);

/// How much of a journal's blank tail is read in most histories.
const BLANKS_READ: usize = 700;

impl PowerDisk {
    /// An empty disk. With `whole_tail` a journal is read with its megabyte of spaces.
    pub fn new(seed: u64, whole_tail: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsynced: Vec::new(),
            inodes: Vec::new(),
            plan: Plan::default(),
            full: false,
            power_left: None,
            dead: false,
            whole_tail,
            failed: 0,
            random: Random::new(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chances from here on.
    pub fn reseed(&self, seed: u64) {
        self.state().random = Random::new(seed);
    }

    /// Arms failures.
    pub fn fail(&self, plan: Plan) {
        self.state().plan = plan;
    }

    /// No file may grow until this is taken back.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// The process or the machine dies at the operation after the next `operations`.
    pub fn die_after(&self, operations: u32) {
        self.state().power_left = Some(operations);
    }

    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Takes back all failures to come, and tells how many operations failed since the last call.
    pub fn heal(&self) -> u32 {
        let mut state = self.state();
        state.plan = Plan::default();
        state.full = false;
        state.power_left = None;
        std::mem::take(&mut state.failed)
    }

    /// The process ended, by a signal (`None`) or with the machine.
    pub fn crash(&self, power: Option<Tear>) {
        let mut state = self.state();
        let state = &mut *state;
        state.plan = Plan::default();
        (state.full, state.power_left, state.dead) = (false, None, false);
        let Some(tear) = power else {
            state.inodes.iter_mut().for_each(Inode::take_up);
            return;
        };
        let kept = state.random.below(state.unsynced.len() + 1);
        let steps: Vec<FolderStep> = state.unsynced.drain(..).take(kept).collect();
        for step in &steps {
            step.perform(&mut state.safe_names);
        }
        state.names.clone_from(&state.safe_names);
        let mut inodes = std::mem::take(&mut state.inodes);
        let named: Vec<usize> = state.names.values().copied().collect();
        for (index, inode) in inodes.iter_mut().enumerate() {
            if named.contains(&index) {
                inode.lose_power(tear, &mut state.random);
            } else {
                *inode = Inode::default();
            }
        }
        state.inodes = inodes;
    }
}

impl FolderStep {
    fn perform(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

fn no_power() -> io::Error {
    io::Error::other("the simulated machine is dead")
}

fn no_space() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the simulated disk is full")
}

/// What becomes of an operation.
enum Pass {
    Done,
    Fails,
    /// It is the last one: some of it happens.
    Dies,
}

impl State {
    fn pass(&mut self, kind: Kind) -> io::Result<Pass> {
        if self.dead {
            return Err(no_power());
        }
        match &mut self.power_left {
            Some(0) => {
                self.dead = true;
                return Ok(Pass::Dies);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.plan.count == 0 || !self.plan.kinds.contains(&kind) {
            return Ok(Pass::Done);
        }
        if self.plan.after > 0 {
            self.plan.after -= 1;
            return Ok(Pass::Done);
        }
        self.plan.count -= 1;
        self.failed += 1;
        Ok(Pass::Fails)
    }

    fn folder_step(&mut self, step: FolderStep) {
        step.perform(&mut self.names);
        self.unsynced.push(step);
    }

    /// The file's number; it is made when it is missing.
    fn open(&mut self, name: &str) -> io::Result<usize> {
        if let Some(inode) = self.names.get(name) {
            return if self.dead {
                Err(no_power())
            } else {
                Ok(*inode)
            };
        }
        match self.pass(Kind::Create)? {
            Pass::Dies => return Err(no_power()),
            Pass::Fails => return Err(no_space()),
            Pass::Done => {}
        }
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.folder_step(FolderStep::Create(name.to_owned(), inode));
        Ok(inode)
    }

    fn write(&mut self, inode: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let part = self.random.below(bytes.len().min(2_000) + 1);
        let grows = offset + bytes.len() > self.inodes[inode].seen.len();
        let (part, result) = match self.pass(Kind::Write)? {
            Pass::Dies => (&bytes[..part], Err(no_power())),
            Pass::Fails => (&bytes[..part], Err(no_space())),
            Pass::Done if self.full && grows => {
                self.failed += 1;
                (&bytes[..part], Err(no_space()))
            }
            Pass::Done => (bytes, Ok(())),
        };
        self.inodes[inode].write(offset, part);
        result
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        match self.pass(Kind::Sync)? {
            Pass::Done => {
                self.inodes[inode].sync();
                Ok(())
            }
            Pass::Dies => Err(no_power()),
            Pass::Fails => {
                let tear = Tear::any(&mut self.random);
                self.inodes[inode].sync_in_part(tear, &mut self.random);
                Err(io::Error::other("the simulated disk failed to sync"))
            }
        }
    }

    fn set_len(&mut self, inode: usize, length: usize) -> io::Result<()> {
        match self.pass(Kind::Length)? {
            Pass::Dies => Err(no_power()),
            Pass::Fails => Err(io::Error::other("the simulated disk failed to cut a file")),
            Pass::Done => {
                self.inodes[inode].seen.set_len(length);
                Ok(())
            }
        }
    }
}

impl Disk for PowerDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().open(name)?;
        Ok(Box::new(PowerFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let state = self.state();
        if state.dead {
            return Err(no_power());
        }
        let blanks = if state.whole_tail {
            usize::MAX
        } else {
            BLANKS_READ
        };
        Ok(state
            .names
            .get(name)
            .map(|inode| state.inodes[*inode].seen.read(blanks)))
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.open(name)?;
        state.set_len(inode, 0)?;
        state.write(inode, 0, bytes)?;
        state.sync(inode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let pass = state.pass(Kind::Rename)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let dies = matches!(pass, Pass::Dies);
        if matches!(pass, Pass::Fails) {
            return Err(io::Error::other("the simulated disk failed to rename"));
        }
        if !dies || state.random.chance(50) {
            state.folder_step(FolderStep::Rename(from.to_owned(), to.to_owned()));
        }
        if dies { Err(no_power()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.pass(Kind::Rename)? {
            Pass::Dies => Err(no_power()),
            Pass::Fails => Err(io::Error::other("the simulated disk failed to delete")),
            Pass::Done => {
                state.folder_step(FolderStep::Remove(name.to_owned()));
                Ok(())
            }
        }
    }

    fn id(&self, name: &str) -> io::Result<Option<FileId>> {
        Ok(self.state().names.get(name).copied().map(file_id))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        if state.dead {
            Err(no_power())
        } else {
            Ok(state.names.keys().cloned().collect())
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.pass(Kind::Folder)? {
            Pass::Dies => Err(no_power()),
            Pass::Fails => Err(io::Error::other(
                "the simulated disk failed to sync its folder",
            )),
            Pass::Done => {
                state.unsynced.clear();
                state.safe_names = state.names.clone();
                Ok(())
            }
        }
    }
}

fn file_id(inode: usize) -> FileId {
    FileId {
        device: 0,
        inode: inode as u64,
    }
}

struct PowerFile {
    disk: PowerDisk,
    inode: usize,
}

impl DiskFile for PowerFile {
    fn id(&self) -> io::Result<FileId> {
        Ok(file_id(self.inode))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.disk.state().write(self.inode, offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk.state().sync(self.inode)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.disk
            .state()
            .set_len(self.inode, usize::try_from(length).unwrap_or(usize::MAX))
    }
}
