//! Claim events for people: a line each, on stdout for `serve`, on stderr for `mcp`, and in
//! LOG_FILE. A thread of its own, so that a slow terminal holds no claim up.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::coordinator::Feed;

/// Where events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrintTo {
    Stdout,
    Stderr,
    Nowhere,
}

/// Lines written at once.
const LINES_MAX: usize = 256;

/// Starts to print the feed's events.
pub(super) fn start(feed: &Feed, to: PrintTo, file: Option<Arc<File>>) -> io::Result<()> {
    if to == PrintTo::Nowhere && file.is_none() {
        return Ok(());
    }
    let mut events = feed.subscribe(None).live;
    std::thread::Builder::new().name("events".to_owned()).spawn(move || {
        loop {
            let mut text = String::new();
            match events.blocking_recv() {
                Ok(event) => push_line(&mut text, &event.line()),
                Err(RecvError::Lagged(count)) => push_skipped(&mut text, count),
                Err(RecvError::Closed) => return,
            }
            for _ in 0..LINES_MAX {
                match events.try_recv() {
                    Ok(event) => push_line(&mut text, &event.line()),
                    Err(TryRecvError::Lagged(count)) => push_skipped(&mut text, count),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            write(to, file.as_deref(), text.as_bytes());
        }
    })?;
    Ok(())
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn push_skipped(text: &mut String, count: u64) {
    text.push_str(&format!("({count} events came too fast to print; /sse?since= has them)\n"));
}

fn write(to: PrintTo, file: Option<&File>, text: &[u8]) {
    // A closed pipe or a full disk must not stop the program.
    let _ = match to {
        PrintTo::Stdout => io::stdout().write_all(text).and_then(|()| io::stdout().flush()),
        PrintTo::Stderr => io::stderr().write_all(text),
        PrintTo::Nowhere => Ok(()),
    };
    if let Some(mut file) = file {
        let _ = file.write_all(text);
    }
}
