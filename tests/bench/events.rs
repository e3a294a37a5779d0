//! A reader of `GET /sse` that waits for events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::{Result, fail};

/// How long nothing at all may come; heartbeats come every 15 s.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// The stream of events, from the first one on.
pub struct Events {
    reader: BufReader<TcpStream>,
}

impl Events {
    /// Connects to the server at `address`.
    pub fn connect(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        write!(
            stream,
            "GET /sse?since=0 HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
        )?;
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status)?;
        if !status.contains(" 200") {
            return fail(format!("GET /sse: {status}"));
        }
        Ok(Self { reader })
    }

    /// Waits for the next event of this type; its data.
    pub fn wait_for(&mut self, kind: &str) -> Result<Value> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return fail(format!("/sse ended before {kind}"));
            }
            // An event is one chunk: sizes and other fields are lines of their own.
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let data: Value = serde_json::from_str(data)?;
            if data["type"] == kind {
                return Ok(data);
            }
        }
    }
}
