//! Claim events for people: a line each, on stdout for `serve`, on stderr for `mcp`, and in
//! LOG_FILE. A thread of its own, so that a slow terminal holds no claim up.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::coordinator::{Feed, FeedEvent};

/// Under load, events are printed together: waking up for each batch of changes would cost the
/// claims processor time.
const PAUSE: Duration = Duration::from_millis(20);

/// Where events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrintTo {
    Stdout,
    Stderr,
    Nowhere,
}

/// Starts to print the feed's events.
pub(super) fn start(feed: &Feed, to: PrintTo, file: Option<Arc<File>>) -> io::Result<()> {
    if to == PrintTo::Nowhere && file.is_none() {
        return Ok(());
    }
    let Some(batches) = feed.batches() else {
        return Ok(());
    };
    std::thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || {
            let mut last = None;
            while let Ok(batch) = batches.recv() {
                let mut text = lines(&batch, &mut last);
                for batch in batches.try_iter() {
                    text.push_str(&lines(&batch, &mut last));
                }
                write(to, file.as_deref(), text.as_bytes());
                std::thread::sleep(PAUSE);
            }
        })?;
    Ok(())
}

/// The batch as lines, saying where events are missing that came too fast.
fn lines(batch: &[Arc<FeedEvent>], last: &mut Option<u64>) -> String {
    let mut text = String::with_capacity(batch.len() * 128);
    for event in batch {
        let seq = event.recorded.seq;
        let skipped = last.map_or(0, |last| seq.saturating_sub(last + 1));
        if skipped > 0 {
            text.push_str(&format!(
                "({skipped} events came too fast to print; /sse?since= has them)\n"
            ));
        }
        event.write_line(&mut text);
        *last = Some(seq);
    }
    text
}

fn write(to: PrintTo, file: Option<&File>, text: &[u8]) {
    // A closed pipe or a full disk must not stop the program.
    let _ = match to {
        PrintTo::Stdout => io::stdout()
            .write_all(text)
            .and_then(|()| io::stdout().flush()),
        PrintTo::Stderr => io::stderr().write_all(text),
        PrintTo::Nowhere => Ok(()),
    };
    if let Some(mut file) = file {
        let _ = file.write_all(text);
    }
}
