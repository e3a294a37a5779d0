//! Events for a process that never owns the state: from the owner while there is one, and otherwise
//! from the journals, in which commands that owned it for a moment leave theirs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Config;
use super::owner::{open_folder, process_lives};
use crate::coordinator::FeedEvent;
use crate::domain::{AgentId, ApiError, RepoName};
use crate::http::OwnerClient;
use crate::store::{
    Disk, LockInfo, StateFiles, StoreError, newest_change, read_changes_since, read_lock_info,
};

/// Between two looks for an owner.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct WantedEvents {
    /// Those after the one with this id; without it, from now on.
    pub since: Option<u64>,
    /// Only of this repository.
    pub repo: Option<RepoName>,
    /// Only of this agent.
    pub agent_id: Option<AgentId>,
}

impl WantedEvents {
    fn query(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let since = self.since.map(|since| format!("since={since}"));
        let repo = self.repo.as_ref().map(|repo| encoded(repo.as_str()));
        let agent_id = self.agent_id.as_ref().map(|id| encoded(id.as_str()));
        let parts = [
            since,
            repo.map(|repo| format!("repo={repo}")),
            agent_id.map(|agent_id| format!("agent_id={agent_id}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

/// Shows events, as JSON, across changes of the owner until `each` says no more.
///
/// # Errors
/// The folder of the state cannot be used.
pub async fn read_events(
    config: &Config,
    mut wanted: WantedEvents,
    mut each: impl FnMut(&str) -> bool,
) -> Result<(), ApiError> {
    let (disk, files) = open_folder(config)?;
    let lock = files.folder.join(files.lock());
    // The first owner knows itself what comes from now on: the disk is ahead of it while it stores
    // a change. But it may end before it told of anything, and then the place is known already.
    let mut query = wanted.query();
    if wanted.since.is_none() {
        wanted.since = on_disk(&disk, &files, newest_change).await;
    }
    // An owner writes its address into the lock file: no owner since then, nothing new on disk.
    let mut read_at = None;
    loop {
        let written_at = written_at(&lock);
        let mut goes_on = true;
        if let Some(owner) = living_owner(&lock) {
            let pid = owner.pid;
            let connected = || tracing::debug!(pid, "following the owner's events");
            let stream = OwnerClient::new(owner);
            let ended = stream.events(&query, connected, |id, data| {
                wanted.since = id.or(wanted.since);
                goes_on = each(data);
                goes_on
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "the events of this owner ended");
            }
            read_at = None;
        } else if read_at != Some(written_at) {
            if read_at.is_none() {
                tracing::info!("no process owns the state: waiting for one");
            }
            goes_on = show_stored(&disk, &files, &mut wanted, &mut each).await;
            read_at = Some(written_at);
        }
        if !goes_on {
            return Ok(());
        }
        query = wanted.query();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn written_at(lock: &Path) -> Option<SystemTime> {
    std::fs::metadata(lock).ok()?.modified().ok()
}

/// Who owns the state and listens. To take the lock for a moment in order to learn it could make the
/// start of an owner fail.
fn living_owner(lock: &Path) -> Option<LockInfo> {
    read_lock_info(lock).filter(|info| !info.address.is_empty() && process_lives(info.pid))
}

/// What `read` finds on disk; `None` where it cannot be read.
async fn on_disk<T: Send + 'static>(
    disk: &Arc<dyn Disk>,
    files: &StateFiles,
    read: impl FnOnce(&dyn Disk, &StateFiles) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    let (disk, files) = (disk.clone(), files.clone());
    let found = tokio::task::spawn_blocking(move || read(&*disk, &files)).await;
    let found = found.ok()?;
    // The next owner says so as well, and what to do.
    let log = |error: &StoreError| tracing::warn!(%error, "events on disk cannot be read");
    found.inspect_err(log).ok()
}

/// Shows what is in the journals. Without a place to go on from they only tell where that is.
async fn show_stored(
    disk: &Arc<dyn Disk>,
    files: &StateFiles,
    wanted: &mut WantedEvents,
    each: &mut impl FnMut(&str) -> bool,
) -> bool {
    let since = wanted.since;
    let read = move |disk: &dyn Disk, files: &StateFiles| {
        read_changes_since(disk, files, since.unwrap_or(0))
    };
    let Some(changes) = on_disk(disk, files, read).await else {
        return true;
    };
    let newest = changes.last().map(|change| change.seq);
    wanted.since = newest.or(since);
    let Some(since) = since else {
        return true;
    };
    let first = changes.first().map_or(since, |change| change.seq);
    if first > since + 1 && !each(r#"{"reason":"some events in between are no longer kept"}"#) {
        return false;
    }
    let mut events = changes.into_iter().map(FeedEvent::new);
    events.all(|event| {
        let is_wanted = event.matches(wanted.repo.as_ref(), wanted.agent_id.as_ref());
        !is_wanted || each(&event.json())
    })
}
