//! Proof that nothing stays behind.

use std::io::{PipeReader, PipeWriter};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::FdFlags;

use crate::{Result, fail};

/// All processes that come from this one, children of children included: each inherits the end of
/// a pipe for writing, so the other end tells when the last of them is gone.
pub struct Descendants {
    ours: PipeWriter,
    reader: PipeReader,
}

impl Descendants {
    /// Watches every process that is started from now on.
    pub fn watch() -> Result<Self> {
        let (reader, ours) = std::io::pipe()?;
        // Without this flag a new process gets the descriptor too.
        rustix::io::fcntl_setfd(&ours, FdFlags::empty())?;
        Ok(Self { ours, reader })
    }

    /// Waits until they are gone.
    pub fn until_gone(self, limit: Duration) -> Result<()> {
        drop(self.ours);
        let mut ends = [PollFd::new(&self.reader, PollFlags::IN)];
        let limit = Timespec::try_from(limit)?;
        match poll(&mut ends, Some(&limit)) {
            Ok(0) => fail("a process that was started here does not end"),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
