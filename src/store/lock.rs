//! The owner lock: an advisory lock on `X.lock`, which the kernel frees when its holder dies, and
//! in the file the address at which the holder can be reached.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// What the lock file says of the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Process id.
    pub pid: u32,
    /// Address of its HTTP listener, `127.0.0.1:3100`; empty while it starts.
    pub address: String,
    /// Secret that lets other processes of this user in. The file has mode 0600.
    pub token: String,
    /// The command it was started with: `serve`, `mcp` or another.
    pub command: String,
    /// Version of the program.
    pub version: String,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another process owns the state file")]
    Held(Option<LockInfo>),
    /// The file could not be opened or locked.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// Path of the lock file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Held as long as this value lives.
pub struct OwnerLock {
    file: File,
}

impl OwnerLock {
    /// Takes the lock, or tells who has it. Never waits.
    pub fn try_acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.display().to_string(),
            source,
        };
        // Never truncated or replaced: the lock is on the file itself.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Held(read_lock_info(path))),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Tells the others where the owner is.
    pub fn publish(&mut self, info: &LockInfo) -> io::Result<()> {
        let mut text = serde_json::to_vec(info)?;
        text.push(b'\n');
        self.file.rewind()?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)
    }
}

/// What the lock file says, if it can be read and is whole.
pub fn read_lock_info(path: &Path) -> Option<LockInfo> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}
