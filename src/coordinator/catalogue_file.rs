//! The catalogue on disk: a cache, so that a start needs no full sync and works without GitHub.
//! It may be deleted at any time; a damaged one is ignored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Catalogue, RepoEntry};
use crate::domain::Host;
use crate::store::{Disk, StateFiles};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<Entries> {
    version: u32,
    host: Host,
    synced_at: Option<Timestamp>,
    repos: Entries,
}

/// Reads the catalogue of `host`; `None` when there is none that can be used.
pub fn read_catalogue(disk: &dyn Disk, files: &StateFiles, host: &Host) -> Option<Catalogue> {
    let name = files.catalogue();
    let bytes = disk.read(&name).ok()??;
    match serde_json::from_slice::<Stored<Vec<RepoEntry>>>(&bytes) {
        Ok(stored) if stored.version == VERSION && stored.host == *host => {
            Some(Catalogue::from_entries(stored.repos, stored.synced_at))
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(file = name, %error, "the stored catalogue is not usable: fetching anew");
            None
        }
    }
}

/// Writes the catalogue.
pub fn write_catalogue(
    disk: &dyn Disk,
    files: &StateFiles,
    host: &Host,
    catalogue: &Catalogue,
) -> std::io::Result<()> {
    let stored = Stored {
        version: VERSION,
        host: host.clone(),
        synced_at: catalogue.synced_at(),
        repos: catalogue.repos().collect::<Vec<_>>(),
    };
    let name = files.catalogue();
    let temporary = format!("{name}.new");
    disk.write_synced(&temporary, &serde_json::to_vec(&stored)?)?;
    disk.rename(&temporary, &name)
}
