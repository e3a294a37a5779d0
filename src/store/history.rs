//! History: claims that ended, one a line, oldest first, in files of bounded size. Neither a
//! restart nor a claim reads them.

use std::sync::Arc;

use jiff::Timestamp;

use super::journal::lines_of;
use super::snapshot::HistoryPosition;
use super::{Disk, StateFiles, StoreError, io_error};
use crate::claim::{Claim, Status};
use crate::domain::{AgentId, ClaimId, RepoName, RepoPattern, limits};

/// Appends claims after `position`; what lies beyond it in the file is overwritten in place. A
/// snapshot that could not be finished may have got its name and rely on that: its lines come first
/// among these, so they stay what they are whenever this fails. They are written again all the same,
/// since after a sync that failed nobody knows whether they are on the disk.
pub(super) fn append(
    disk: &dyn Disk,
    files: &StateFiles,
    mut position: HistoryPosition,
    ended: &[Arc<Claim>],
) -> Result<HistoryPosition, StoreError> {
    let mut ended = ended.iter().peekable();
    while ended.peek().is_some() {
        if position.file == 0 || position.bytes >= limits::HISTORY_FILE_BYTES_MAX {
            position.file += 1;
            position.bytes = 0;
        }
        let name = files.history(position.file);
        let room = limits::HISTORY_FILE_BYTES_MAX - position.bytes;
        let mut lines = Vec::new();
        while let Some(claim) = ended.next_if(|_| (lines.len() as u64) < room) {
            serde_json::to_writer(&mut lines, claim)
                .map_err(|error| io_error("encode", &name)(error.into()))?;
            lines.push(b'\n');
            position.claims += 1;
        }
        let end = position.bytes + lines.len() as u64;
        let mut file = disk.open(&name).map_err(io_error("open", &name))?;
        file.write_at(position.bytes, &lines)
            .map_err(io_error("write", &name))?;
        file.set_len(end).map_err(io_error("cut", &name))?;
        file.sync_data().map_err(io_error("sync", &name))?;
        position.bytes = end;
    }
    Ok(position)
}

/// Which ended claims are wanted.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Of repositories that this list lets in.
    pub within: Vec<RepoPattern>,
    /// Of this repository.
    pub repo: Option<RepoName>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// Ended with this status.
    pub status: Option<Status>,
    /// Ended at or after this time.
    pub since: Option<Timestamp>,
    /// Only the `before`-th of all ended claims and older ones.
    pub before: Option<u64>,
}

impl HistoryFilter {
    /// Whether the claim, the `index`-th that ended, is wanted.
    pub fn matches(&self, index: u64, claim: &Claim) -> bool {
        self.before.is_none_or(|before| index < before)
            && RepoPattern::let_in(&self.within, &claim.repo)
            && self.repo.as_ref().is_none_or(|repo| *repo == claim.repo)
            && self
                .agent_id
                .as_ref()
                .is_none_or(|agent_id| *agent_id == claim.agent_id)
            && self.status.is_none_or(|status| status == claim.status)
            && self.since.is_none_or(|since| claim.last_updated >= since)
    }
}

/// Ended claims, newest first, each with its place in the order of all ended claims.
pub type HistoryPage = Vec<(u64, Arc<Claim>)>;

/// Reads history files, newest first.
#[derive(Clone)]
pub struct HistoryReader {
    disk: Arc<dyn Disk>,
    files: StateFiles,
    position: HistoryPosition,
}

impl HistoryReader {
    /// A reader of everything up to `position`.
    pub fn new(disk: Arc<dyn Disk>, files: StateFiles, position: HistoryPosition) -> Self {
        Self {
            disk,
            files,
            position,
        }
    }

    /// Up to `limit` claims that match, newest first.
    pub fn page(&self, filter: &HistoryFilter, limit: usize) -> Result<HistoryPage, StoreError> {
        let mut page = HistoryPage::new();
        self.walk(|index, line| {
            let claim: Claim = parse(line)?;
            if filter.since.is_some_and(|since| claim.last_updated < since) {
                return Ok(false);
            }
            if filter.matches(index, &claim) {
                page.push((index, Arc::new(claim)));
            }
            Ok(page.len() < limit)
        })?;
        Ok(page)
    }

    /// The ended claim with this id.
    pub fn find(&self, claim_id: ClaimId) -> Result<Option<Claim>, StoreError> {
        let needle = format!("{{\"claim_id\":\"{claim_id}\"");
        let mut found = None;
        self.walk(|_, line| {
            if line.starts_with(needle.as_bytes()) {
                found = Some(parse(line)?);
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// Shows lines newest first until `visit` says false.
    fn walk(
        &self,
        mut visit: impl FnMut(u64, &[u8]) -> Result<bool, (usize, String)>,
    ) -> Result<(), StoreError> {
        let mut index = self.position.claims;
        for number in (1..=self.position.file).rev() {
            let name = self.files.history(number);
            let bytes = self.disk.read(&name).map_err(io_error("read", &name))?;
            let mut bytes = bytes.unwrap_or_default();
            if number == self.position.file {
                bytes.truncate(usize::try_from(self.position.bytes).unwrap_or(usize::MAX));
            }
            let lines: Vec<&[u8]> = lines_of(&bytes).collect();
            for (at, line) in lines.iter().enumerate().rev() {
                let more = visit(index, line).map_err(|(_, reason)| StoreError::Damaged {
                    file: name.clone(),
                    line: at + 1,
                    reason,
                })?;
                if !more {
                    return Ok(());
                }
                index = index.saturating_sub(1);
            }
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Result<Claim, (usize, String)> {
    serde_json::from_slice(line).map_err(|error| (error.line(), error.to_string()))
}
