//! An agent: a real `issuecommand mcp` process and what its client says to it, which is MCP as
//! Claude Code speaks it: JSON-RPC over standard input and output, a message a line.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::{LIMIT, Result, ensure, fail};

/// Time in which a process must end when its client goes.
const LEAVING_TIME: Duration = Duration::from_secs(3);

/// An agent with its process.
pub struct Agent {
    /// What it calls itself.
    pub name: String,
    /// Length of the answer to `tools/list`: what the tools cost its context.
    pub tools_bytes: usize,
    child: Child,
    pid: u32,
    line: Line,
}

/// A tool call that is under way.
pub struct Asked {
    /// Who asks.
    pub agent: String,
    /// When it was sent.
    pub sent: Instant,
    answer: JoinHandle<Result<Option<(Value, Instant)>>>,
}

/// The pipes of one process; clones share them.
#[derive(Clone)]
struct Line(Arc<Shared>);

struct Shared {
    name: String,
    /// None after it was closed.
    input: tokio::sync::Mutex<Option<ChildStdin>>,
    /// None after the process ended.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<String>>>>,
    last_id: AtomicU64,
}

impl Agent {
    /// Starts the process and shakes hands, as a client does before its agent begins to work.
    pub async fn start(place: &Place, name: &str) -> Result<Self> {
        let mut command = place.command(&["mcp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(place.log(name)?).spawn()?;
        let (Some(input), Some(output), Some(pid)) =
            (child.stdin.take(), child.stdout.take(), child.id())
        else {
            return fail("a process without pipes");
        };
        let line = Line::new(name, input, output);
        let hello = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "issuecommand-demo", "version": env!("CARGO_PKG_VERSION")},
        });
        line.answer("initialize", hello).await?;
        line.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await?;
        let tools = line.answer("tools/list", json!({})).await?;
        Ok(Self {
            name: name.to_owned(),
            tools_bytes: tools.len(),
            child,
            pid,
            line,
        })
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Calls a tool and waits for its answer, which must be no failure.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value> {
        self.ask(tool, arguments).await?.answer().await
    }

    /// Calls a tool in its own name.
    pub async fn call_as_itself(&self, tool: &str, mut arguments: Value) -> Result<Value> {
        arguments["agent_id"] = json!(self.name);
        self.call(tool, arguments).await
    }

    /// Calls a tool; the answer is waited for elsewhere.
    pub async fn ask(&self, tool: &str, arguments: Value) -> Result<Asked> {
        let parameters = json!({"name": tool, "arguments": arguments});
        let answer = self.line.request("tools/call", parameters).await?;
        let sent = Instant::now();
        let about = format!("{tool} of {}", self.name);
        let answer = tokio::spawn(async move {
            let text = tokio::time::timeout(LIMIT, answer);
            match text.await {
                Err(_) => fail(format!("no answer to {about} within {LIMIT:?}")),
                Ok(Err(_)) => Ok(None),
                Ok(Ok(text)) => Ok(Some((record(&about, &text)?, Instant::now()))),
            }
        });
        Ok(Asked {
            agent: self.name.clone(),
            sent,
            answer,
        })
    }

    /// Kills its process without notice, as `kill -9` does, and says when.
    pub async fn kill(&mut self) -> Result<Instant> {
        let now = Instant::now();
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(now)
    }

    /// Closes its standard input, as a client that ends does.
    pub async fn hang_up(&self) {
        *self.line.0.input.lock().await = None;
    }

    /// Waits for the end of its process after its client has hung up.
    pub async fn end(mut self) -> Result<()> {
        let name = &self.name;
        let Ok(status) = tokio::time::timeout(LEAVING_TIME, self.child.wait()).await else {
            self.child.kill().await?;
            return fail(format!(
                "the process of {name} stayed when its client left, and was killed"
            ));
        };
        let status = status?;
        ensure(status.success(), || {
            format!("the process of {name} ended with {status}")
        })
    }
}

impl Asked {
    /// The answer and when it came; none when the process ended before.
    pub async fn outcome(self) -> Result<Option<(Value, Instant)>> {
        self.answer.await?
    }

    /// The answer, which must come.
    pub async fn answer(self) -> Result<Value> {
        let agent = self.agent.clone();
        match self.outcome().await? {
            Some((record, _)) => Ok(record),
            None => fail(format!("the process of {agent} ended before it answered")),
        }
    }
}

impl Line {
    fn new(name: &str, input: ChildStdin, output: ChildStdout) -> Self {
        let line = Self(Arc::new(Shared {
            name: name.to_owned(),
            input: tokio::sync::Mutex::new(Some(input)),
            waiting: Mutex::new(Some(HashMap::new())),
            last_id: AtomicU64::new(0),
        }));
        let reader = line.clone();
        tokio::spawn(async move { reader.read(output).await });
        line
    }

    /// Brings each answer to whoever waits for it; at the end all who still wait learn of it.
    async fn read(&self, output: ChildStdout) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            let id = serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|message| message["id"].as_u64());
            let waits = id.and_then(|id| self.waiting().as_mut()?.remove(&id));
            // A notification, or nobody waits any more.
            let _ = waits.map(|waits| waits.send(text));
        }
        *self.waiting() = None;
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<String>>>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, message: &Value) -> Result<()> {
        match self.0.input.lock().await.as_mut() {
            Some(input) => Ok(input.write_all(format!("{message}\n").as_bytes()).await?),
            None => fail("standard input is closed"),
        }
    }

    async fn request(&self, method: &str, parameters: Value) -> Result<oneshot::Receiver<String>> {
        let id = self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        if let Some(waiting) = self.waiting().as_mut() {
            waiting.insert(id, sender);
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}))
            .await?;
        Ok(receiver)
    }

    /// The line that answers a request.
    async fn answer(&self, method: &str, parameters: Value) -> Result<String> {
        let answer = self.request(method, parameters).await?;
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(_)) => fail(format!("the process of {} ended at {method}", self.0.name)),
            Err(_) => fail(format!(
                "{} got no answer to {method} within {LIMIT:?}",
                self.0.name
            )),
        }
    }
}

/// The record in the answer to a tool call.
fn record(about: &str, text: &str) -> Result<Value> {
    let message: Value = serde_json::from_str(text)?;
    let first = message["result"]["content"][0]["text"].as_str();
    match first {
        Some(record) if message["result"]["isError"] != true => Ok(serde_json::from_str(record)?),
        Some(failure) => fail(format!("{about} failed: {failure}")),
        None => fail(format!("{about} failed: {text}")),
    }
}
