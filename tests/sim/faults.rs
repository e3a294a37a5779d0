//! What a simulated folder is made of, and how its operations fail.

use std::collections::BTreeMap;
use std::io;

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

/// A change of names.
pub enum FolderStep {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

/// The state of a folder.
pub struct State {
    pub names: BTreeMap<String, usize>,
    pub safe_names: BTreeMap<String, usize>,
    pub unsynced: Vec<FolderStep>,
    pub inodes: Vec<Inode>,
    pub plan: Plan,
    pub full: bool,
    pub power_left: Option<u32>,
    pub dead: bool,
    pub whole_tail: bool,
    pub failed: u32,
    pub random: Random,
}

impl FolderStep {
    pub fn perform(&self, names: &mut BTreeMap<String, usize>) {
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

pub fn no_power() -> io::Error {
    io::Error::other("the simulated machine is dead")
}

fn no_space() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the simulated disk is full")
}

/// What becomes of an operation.
pub enum Pass {
    Done,
    Fails,
    /// It is the last one: some of it happens.
    Dies,
}

impl State {
    pub fn pass(&mut self, kind: Kind) -> io::Result<Pass> {
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

    pub fn folder_step(&mut self, step: FolderStep) {
        step.perform(&mut self.names);
        self.unsynced.push(step);
    }

    /// The file's number; it is made when it is missing.
    pub fn open(&mut self, name: &str) -> io::Result<usize> {
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

    pub fn write(&mut self, inode: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
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

    pub fn sync(&mut self, inode: usize) -> io::Result<()> {
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

    pub fn set_len(&mut self, inode: usize, length: usize) -> io::Result<()> {
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
