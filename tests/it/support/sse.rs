//! A reader of server-sent events.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

use super::{Connection, DEADLINE};

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id, if it has one.
    pub id: Option<u64>,
    /// The name.
    pub kind: String,
    /// The data.
    pub data: Value,
}

/// A stream of events.
pub struct Events {
    connection: Connection,
    text: String,
    parsed: VecDeque<Event>,
    ended: bool,
}

impl Events {
    /// Reads the events of an answer whose head was read.
    pub fn new(connection: Connection) -> Self {
        let (text, parsed) = (String::new(), VecDeque::new());
        Self {
            connection,
            text,
            parsed,
            ended: false,
        }
    }

    /// The next event; `None` when the stream has ended.
    pub fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            match self.connection.read_chunk() {
                Ok(chunk) if !chunk.is_empty() => self.take_in(&chunk),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("no event within {DEADLINE:?}")
                }
                // A clean end, or the server went away.
                _ => self.ended = true,
            }
        }
    }

    /// The next event of a kind; the others are passed by.
    #[track_caller]
    pub fn next_of(&mut self, kind: &str) -> Event {
        self.find(&format!("an event {kind}"), |event| event.kind == kind)
    }

    /// The next event that is wanted; the others are passed by.
    #[track_caller]
    pub fn find(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + DEADLINE;
        while let Some(event) = self.read() {
            if wanted(&event) {
                return event;
            }
            assert!(Instant::now() < deadline, "{what} does not come");
        }
        panic!("the stream ended before {what}");
    }

    /// All events until the stream ends.
    pub fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.read()).collect()
    }

    fn take_in(&mut self, chunk: &[u8]) {
        self.text.push_str(&String::from_utf8_lossy(chunk));
        while let Some(end) = self.text.find("\n\n") {
            let frame: String = self.text.drain(..end + 2).collect();
            let mut event = Event {
                id: None,
                kind: "message".to_owned(),
                data: Value::Null,
            };
            let mut is_event = false;
            for line in frame.lines().filter(|line| !line.starts_with(':')) {
                let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                match name {
                    "id" => event.id = value.parse().ok(),
                    "event" => event.kind = value.to_owned(),
                    "data" => event.data = serde_json::from_str(value).unwrap_or_default(),
                    _ => continue,
                }
                is_event = true;
            }
            if is_event {
                self.parsed.push_back(event);
            }
        }
    }
}
