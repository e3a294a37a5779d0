//! The smallest MCP client that will do: JSON-RPC over the pipes of a process, a message a line.

use std::collections::HashMap;
use std::io::Write;
use std::process::{ChildStdin, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Place, Process, until};

/// How the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// With `initialize` and a revision.
    Legacy(&'static str),
    /// Revision 2026-07-28: every request says all about its client.
    Stateless,
}

impl Era {
    /// The parameters of a request as this era wants them.
    pub fn parameters(self, mut given: Value) -> Value {
        if self == Self::Stateless {
            given["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
            });
        }
        given
    }
}

/// An agent's process and the requests made of it; it can be shared by threads.
pub struct McpClient {
    /// The process.
    pub process: Process,
    era: Era,
    input: Mutex<Option<ChildStdin>>,
    inbox: Arc<Mutex<Inbox>>,
    last_id: AtomicU64,
}

#[derive(Default)]
struct Inbox {
    waiting: HashMap<u64, Sender<String>>,
    /// Lines that answer no request.
    others: Vec<Value>,
    ended: bool,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct ToolAnswer {
    /// Whether it reports a failure.
    pub is_error: bool,
    /// The text blocks.
    pub texts: Vec<String>,
}

impl ToolAnswer {
    /// Reads the result of `tools/call`.
    #[track_caller]
    pub fn of(result: &Value) -> Self {
        let blocks = result["content"].as_array();
        let blocks = blocks.unwrap_or_else(|| panic!("no content in {result}"));
        let text = |block: &Value| super::field(block, "text").to_owned();
        Self {
            is_error: result["isError"] == true,
            texts: blocks.iter().map(text).collect(),
        }
    }

    /// The record in the first block.
    #[track_caller]
    pub fn record(&self) -> Value {
        assert!(!self.is_error, "{:?}", self.texts);
        serde_json::from_str(&self.texts[0])
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.texts))
    }

    /// All text of a failure.
    #[track_caller]
    pub fn failure(&self) -> String {
        assert!(self.is_error, "{:?}", self.texts);
        self.texts.join("\n")
    }
}

impl McpClient {
    /// Starts the process and says nothing.
    pub fn start(place: &Place, era: Era) -> Self {
        let (command, home) = place.command(&["mcp"]);
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let (process, input) = Process::start(command, &home, {
            let sorter = Sorter(inbox.clone());
            move |line| sorter.sort(line)
        });
        Self {
            process,
            era,
            input: Mutex::new(Some(input)),
            inbox,
            last_id: AtomicU64::new(0),
        }
    }

    /// The handshake of the legacy revisions; gives the server's answer.
    #[track_caller]
    pub fn initialize(&self) -> Value {
        let Era::Legacy(version) = self.era else {
            panic!("the stateless revision knows no initialize");
        };
        let parameters = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "it", "version": "1"},
        });
        let answer = self.result("initialize", parameters);
        self.notify("notifications/initialized", json!({}));
        answer
    }

    /// Sends a request; gives its id and where the answer will come.
    pub fn send(&self, method: &str, parameters: Value) -> (u64, Receiver<String>) {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = channel();
        let mut inbox = lock(&self.inbox);
        if !inbox.ended {
            inbox.waiting.insert(id, sender);
        }
        drop(inbox);
        let parameters = self.era.parameters(parameters);
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        (id, receiver)
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, parameters: Value) {
        let parameters = self.era.parameters(parameters);
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    fn write(&self, message: &Value) {
        self.write_line(&message.to_string());
    }

    /// Sends a line as it is.
    pub fn write_line(&self, line: &str) {
        if let Some(input) = self
            .input
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            // A process that was killed reads nothing; its answer never comes.
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Sends a request and gives the line that answers it; none when the process ended before.
    pub fn try_line(&self, method: &str, parameters: Value) -> Option<String> {
        let (_, answer) = self.send(method, parameters);
        match answer.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no answer to {method} for a minute"),
        }
    }

    /// Sends a request and gives the message that answers it.
    #[track_caller]
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        let line = self.try_line(method, parameters);
        let line = line.unwrap_or_else(|| panic!("it ended:\n{}", self.process.log()));
        serde_json::from_str(&line).expect("the line was JSON when it was sorted")
    }

    /// Sends a request that must succeed and gives its result.
    #[track_caller]
    pub fn result(&self, method: &str, parameters: Value) -> Value {
        let mut answer = self.call(method, parameters);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Calls a tool.
    #[track_caller]
    pub fn tool(&self, name: &str, arguments: Value) -> ToolAnswer {
        let result = self.result("tools/call", json!({"name": name, "arguments": arguments}));
        ToolAnswer::of(&result)
    }

    /// Calls a tool; none when the process ended before it answered.
    pub fn try_tool(&self, name: &str, arguments: Value) -> Option<ToolAnswer> {
        let line = self.try_line("tools/call", json!({"name": name, "arguments": arguments}))?;
        let answer: Value = serde_json::from_str(&line).ok()?;
        Some(ToolAnswer::of(&answer["result"]))
    }

    /// Claims an issue of `acme/api`.
    #[track_caller]
    pub fn claim(&self, agent_id: &str, number: u64) -> ToolAnswer {
        let arguments = json!({"agent_id": agent_id, "repo": "acme/api", "issue_number": number});
        self.tool("claim_issue", arguments)
    }

    /// Messages that answered no request, so far.
    pub fn notifications(&self) -> Vec<Value> {
        lock(&self.inbox).others.clone()
    }

    /// Closes its standard input, as a client that leaves does, and waits for its end.
    #[track_caller]
    pub fn leave(&mut self, limit: Duration) -> ExitStatus {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let status = self.process.wait(limit);
        status.unwrap_or_else(|| panic!("it stays:\n{}", self.process.log()))
    }

    /// Waits until it is, or has, an owner: its first call is answered.
    #[track_caller]
    pub fn joined(self) -> Self {
        let health = self.tool("system_health", json!({})).record();
        assert!(health["version"].is_string(), "{health}");
        self
    }

    /// Waits until the catalogue of the owner is filled.
    #[track_caller]
    pub fn synced(self) -> Self {
        until("the first sync", || {
            let health = self.tool("system_health", json!({})).record();
            (!health["last_sync"].is_null()).then_some(())
        });
        self
    }
}

/// Brings each line to whoever waits for it, and tells all who wait when there are no more.
struct Sorter(Arc<Mutex<Inbox>>);

impl Sorter {
    fn sort(&self, line: &str) {
        let message: Value =
            serde_json::from_str(line).unwrap_or_else(|_| json!({"not_json": line}));
        let mut inbox = lock(&self.0);
        let waiting = message["id"]
            .as_u64()
            .and_then(|id| inbox.waiting.remove(&id));
        match waiting {
            // Whoever waited may have given up.
            Some(sender) => drop(sender.send(line.to_owned())),
            None => inbox.others.push(message),
        }
    }
}

impl Drop for Sorter {
    fn drop(&mut self) {
        let mut inbox = lock(&self.0);
        inbox.ended = true;
        inbox.waiting.clear();
    }
}

fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}
