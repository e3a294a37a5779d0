//! A small MCP client: JSON-RPC, one message a line, over the pipes of a child.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::child::Process;
use crate::{Result, fail};

const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// A stdio server and the requests made of it.
pub struct Client {
    /// The server's process.
    pub process: Process,
    input: Option<ChildStdin>,
    replies: Receiver<Value>,
    last_id: u64,
}

impl Client {
    /// Starts `command` with pipes; its standard error goes to `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, log, Signal::KILL)?;
        let input = process.child().stdin.take();
        let Some(output) = process.child().stdout.take() else {
            return fail("no pipe on standard output");
        };
        Ok(Self {
            process,
            input,
            replies: read_replies(output),
            last_id: 0,
        })
    }

    /// The handshake: `initialize` and its answer, then `notifications/initialized`.
    pub fn initialize(&mut self) -> Result<()> {
        let parameters = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        });
        self.call("initialize", &parameters)?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    }

    /// One request; its result.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters});
        self.send(&request)?;
        loop {
            let Ok(mut reply) = self.replies.recv_timeout(REPLY_LIMIT) else {
                return fail(format!("no answer to {method}"));
            };
            // Notifications and requests of the server pass by.
            if reply["id"] != id {
                continue;
            }
            if reply["result"].is_null() {
                return fail(format!("{method} failed: {reply}"));
            }
            return Ok(reply["result"].take());
        }
    }

    /// Closes standard input and waits for the server to leave.
    pub fn leave(&mut self, limit: Duration) -> Option<Duration> {
        self.input = None;
        self.process.wait_end(limit)
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let Some(input) = &mut self.input else {
            return fail("standard input is closed");
        };
        let mut line = message.to_string();
        line.push('\n');
        Ok(input.write_all(line.as_bytes())?)
    }
}

fn read_replies(output: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
            let reply = serde_json::from_str(&line).unwrap_or(Value::Null);
            if sender.send(reply).is_err() {
                break;
            }
        }
    });
    receiver
}
