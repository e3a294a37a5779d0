//! What was learned of pull requests, handed from one owner to the next: `get_my_claims` then knows
//! it before GitHub is asked again, and without GitHub.
//!
//! The file is written when an owner ends and is gone once the next one has read it: after an end
//! without a last word nothing old is told. It may be deleted at any time.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Pulls, Standing};
use crate::store::{Disk, StateFiles};

const VERSION: u32 = 2;
/// Largest file that is read or written: many times what a team's pull requests come to.
const BYTES_MAX: usize = 16 << 20;
/// What is older than this is not worth telling.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);

#[derive(Serialize, Deserialize)]
struct Stored<Standings> {
    version: u32,
    host: String,
    standings: Standings,
}

impl Pulls {
    /// Writes what was learned for the next owner.
    ///
    /// # Errors
    /// What the disk says; the next owner then learns anew.
    pub fn hand_over(&self, disk: &dyn Disk, files: &StateFiles) -> std::io::Result<()> {
        let stored = Stored {
            version: VERSION,
            host: self.gh().host().to_string(),
            standings: self.standings().clone(),
        };
        if stored.standings.is_empty() {
            return Ok(());
        }
        let name = files.standings();
        let temporary = format!("{name}.new");
        let bytes = serde_json::to_vec(&stored)?;
        if bytes.len() > BYTES_MAX {
            let words = format!("{} bytes are too many", bytes.len());
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, words));
        }
        disk.write_synced(&temporary, &bytes)?;
        disk.rename(&temporary, &name)
    }

    /// Takes in what the owner before has learned, if that is fit to be told, and deletes the file.
    /// What is no such file (a link, a pipe, one too large) is left as it is and nothing taken in.
    pub fn take_over(&self, disk: &dyn Disk, files: &StateFiles) {
        let name = files.standings();
        let bytes = match disk.read_small(&name, BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(file = name, %error, "what was learned of pull requests cannot be read");
                return;
            }
        };
        if let Err(error) = disk.remove(&name) {
            // Read again after a crash it would tell of the past.
            tracing::warn!(file = name, %error, "what was learned of pull requests is not taken over");
            return;
        }
        match readable(&bytes, &self.gh().host().to_string(), self.now()) {
            Ok(standings) => *self.standings() = standings,
            Err(reason) => {
                tracing::warn!(file = name, reason, "pull requests are looked at anew");
            }
        }
    }
}

/// What a file tells. What was learned too long ago is left out, through however many hands it went;
/// and that something was ready: much may have happened since.
fn readable(
    bytes: &[u8],
    host: &str,
    now: Timestamp,
) -> Result<HashMap<String, Standing>, &'static str> {
    let stored: Stored<HashMap<String, Standing>> =
        serde_json::from_slice(bytes).map_err(|_| "damaged, or of another version")?;
    if stored.version != VERSION {
        return Err("of another version");
    }
    if stored.host != host {
        return Err("of another host");
    }
    let mut standings = stored.standings;
    let is_fresh = |at: Timestamp| now.duration_since(at).unsigned_abs() <= AGE_MAX;
    standings.retain(|_, standing| standing.learned_at.is_some_and(is_fresh));
    for standing in standings.values_mut() {
        standing.is_ready = false;
    }
    Ok(standings)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_is_fresh_and_of_this_host_is_taken_over() {
        let standing = Standing {
            conflicts: Some(true),
            is_ready: true,
            reviews_waiting: vec!["2026-01-01T00:00:00Z".parse().unwrap()],
            learned_at: Some("2026-01-02T11:30:00Z".parse().unwrap()),
            ..Standing::default()
        };
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let stored = json!({"version": 2, "host": "github.com",
            "standings": {"acme/api#2": standing}});
        let read = |stored: &Value| readable(stored.to_string().as_bytes(), "github.com", now);
        let read_with = |field: &str, value: Value| {
            let mut stored = stored.clone();
            stored[field] = value;
            read(&stored).err()
        };
        let found = read(&stored).unwrap();
        let words = found["acme/api#2"].words();
        assert_eq!(words, ["conflicts", "1 comment awaits you"]);
        assert!(!found["acme/api#2"].is_ready);
        for (field, value, reason) in [
            ("version", json!(1), "of another version"),
            ("host", json!("ghe.example.com"), "of another host"),
            ("standings", json!([]), "damaged, or of another version"),
        ] {
            assert_eq!(read_with(field, value), Some(reason), "{field}");
        }
        assert!(readable(b"{\"version\":2,", "github.com", now).is_err());
        for (learned_at, is_told) in [
            (json!("2026-01-02T11:01:00Z"), true),
            (json!("2026-01-02T10:59:00Z"), false),
            (json!("2026-01-02T13:01:00Z"), false),
            (json!(null), false),
        ] {
            let mut stored = stored.clone();
            stored["standings"]["acme/api#2"]["learned_at"] = learned_at.clone();
            assert_eq!(
                read(&stored).unwrap().len(),
                usize::from(is_told),
                "{learned_at}"
            );
        }
    }
}
