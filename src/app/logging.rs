//! The log: to stderr, and to LOG_FILE as well. Standard output is never written here: it belongs
//! to the protocol or to the command's result.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use super::Config;
use crate::domain::ApiError;

/// Writes to stderr and to the log file.
struct Tee(Option<Arc<File>>);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A closed stderr or a full disk must not stop the program.
        let _ = io::stderr().write_all(bytes);
        if let Some(file) = &self.0 {
            let _ = (&**file).write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to log. Returns the log file, for the claim events.
pub fn init_logging(config: &Config) -> Result<Option<Arc<File>>, ApiError> {
    let file = match &config.log_file {
        None => None,
        Some(path) => {
            let opened = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(path);
            let opened = opened.map_err(|error| {
                ApiError::invalid(
                    format!("LOG_FILE {} cannot be written: {error}", path.display()),
                    "set LOG_FILE to a file in a folder that exists and is writable",
                )
            })?;
            Some(Arc::new(opened))
        }
    };
    let for_writer = file.clone();
    let format = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || Tee(for_writer.clone()));
    // Libraries speak of every message of the protocol; only their warnings are ours to show.
    let ours = LevelFilter::from_level(config.log_level);
    let theirs = if config.log_level >= Level::DEBUG {
        ours
    } else {
        ours.min(LevelFilter::WARN)
    };
    let filter = Targets::new()
        .with_default(theirs)
        .with_target("issuecommand", ours);
    let subscriber = tracing_subscriber::registry().with(filter).with(format);
    // Only tests install one before.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(file)
}
