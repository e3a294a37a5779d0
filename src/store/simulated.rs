//! A disk in memory that loses what was not synced, tears writes and fails on demand: for the
//! simulation and for tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

#[derive(Default)]
struct State {
    /// What a power loss leaves.
    durable: BTreeMap<String, Vec<u8>>,
    /// What a reader sees.
    visible: BTreeMap<String, Vec<u8>>,
    fail_writes: u32,
    fail_syncs: u32,
    syncs: u64,
}

/// A disk in memory. Clones share it.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `count` writes fail for lack of space, after writing half of their bytes.
    pub fn fail_writes(&self, count: u32) {
        self.state().fail_writes = count;
    }

    /// The next `count` syncs fail.
    pub fn fail_syncs(&self, count: u32) {
        self.state().fail_syncs = count;
    }

    /// How many syncs were made.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Power loss: of each file that was not synced since its last write, the first `keep` bytes
    /// (by a share in 0..=255 of the difference) survive.
    pub fn crash(&self, keep: u8) {
        let mut state = self.state();
        let mut after = state.durable.clone();
        for (name, visible) in &state.visible {
            let Some(durable) = after.get_mut(name) else {
                continue;
            };
            let same = durable
                .iter()
                .zip(visible)
                .take_while(|(a, b)| a == b)
                .count();
            let fresh = visible.len().saturating_sub(same);
            let kept = same + fresh * usize::from(keep) / 255;
            let mut torn = visible[..kept].to_vec();
            torn.extend(durable.iter().skip(kept));
            *durable = torn;
        }
        state.visible.clone_from(&after);
        state.durable = after;
    }

    /// Changes a file behind the program's back.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let mut bytes = state.visible.get(name).cloned().unwrap_or_default();
        edit(&mut bytes);
        state.visible.insert(name.to_owned(), bytes.clone());
        state.durable.insert(name.to_owned(), bytes);
    }
}

fn full() -> io::Error {
    io::Error::new(
        io::ErrorKind::StorageFull,
        "no space left on the simulated disk",
    )
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.visible.entry(name.to_owned()).or_default();
        state.durable.entry(name.to_owned()).or_default();
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().visible.get(name).cloned())
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.fail_writes > 0 {
            state.fail_writes -= 1;
            return Err(full());
        }
        state.visible.insert(name.to_owned(), bytes.to_vec());
        state.durable.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let visible = state.visible.remove(from).ok_or_else(missing)?;
        let durable = state.durable.remove(from).unwrap_or_default();
        state.visible.insert(to.to_owned(), visible);
        state.durable.insert(to.to_owned(), durable);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.visible.remove(name);
        state.durable.remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().visible.keys().cloned().collect())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    name: String,
}

impl DiskFile for SimulatedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let fails = state.fail_writes > 0;
        state.fail_writes = state.fail_writes.saturating_sub(1);
        let written = if fails {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        let file = state.visible.entry(self.name.clone()).or_default();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start + written.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[start..end].copy_from_slice(written);
        if fails { Err(full()) } else { Ok(()) }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.syncs += 1;
        if state.fail_syncs > 0 {
            state.fail_syncs -= 1;
            return Err(io::Error::other("the simulated disk failed to sync"));
        }
        let content = state.visible.get(&self.name).cloned().unwrap_or_default();
        state.durable.insert(self.name.clone(), content);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        state
            .visible
            .entry(self.name.clone())
            .or_default()
            .resize(length, 0);
        Ok(())
    }
}
