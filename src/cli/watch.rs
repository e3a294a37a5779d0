//! `watch`: claim events as they happen, across changes of the owner.

use std::process::ExitCode;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::serve::stop_signals;
use super::{Watch, output};
use crate::app::{Config, Mode, Node, NodeEvents, init_logging};
use crate::domain::{AgentId, ApiError, RepoName, text};

/// Prints events until it is interrupted.
pub(super) fn run(config: Config, options: &Watch) -> Result<ExitCode, ApiError> {
    let repo = options
        .repo
        .as_deref()
        .map(str::parse::<RepoName>)
        .transpose()?;
    let agent_id = options
        .agent_id
        .as_deref()
        .map(str::parse::<AgentId>)
        .transpose()?;
    let log_file = init_logging(&config)?;
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let signals = stop_signals()?;
        let node = Node::new(config, Mode::Command, None, log_file);
        node.join();
        let watching = watch(&node, repo, agent_id, options.since, options.json);
        let result = tokio::select! {
            result = watching => result,
            () = signals.wait() => Ok(()),
        };
        node.stop().await;
        match result {
            Ok(()) | Err(Stopped::OutputClosed) => Ok(()),
            Err(Stopped::Failed(error)) => Err(error),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Ends when the output is closed.
async fn watch(
    node: &Node,
    repo: Option<RepoName>,
    agent_id: Option<AgentId>,
    mut since: Option<u64>,
    json: bool,
) -> Result<(), Stopped> {
    loop {
        match node.events().await? {
            NodeEvents::Own(owner) => {
                let mut feed = owner.desk.coordinator().feed().subscribe(since);
                for event in &feed.missed {
                    if event.matches(repo.as_ref(), agent_id.as_ref()) {
                        show(&event.json(), json)?;
                    }
                }
                loop {
                    match feed.live.recv().await {
                        Ok(event) if event.matches(repo.as_ref(), agent_id.as_ref()) => {
                            show(&event.json(), json)?;
                        }
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Ok(()),
                    }
                }
            }
            NodeEvents::Of(client) => {
                let query = query(repo.as_ref(), agent_id.as_ref(), since);
                let mut written = Ok(());
                let ended = client
                    .events(&query, |id, data| {
                        since = id.or(since);
                        written = show(data, json);
                        written.is_ok()
                    })
                    .await;
                written?;
                if let Err(error) = ended {
                    tracing::debug!(%error, "the events of this owner ended");
                }
                node.lost_owner();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

fn query(repo: Option<&RepoName>, agent_id: Option<&AgentId>, since: Option<u64>) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let mut parts = Vec::new();
    if let Some(since) = since {
        parts.push(format!("since={since}"));
    }
    if let Some(repo) = repo {
        parts.push(format!(
            "repo={}",
            utf8_percent_encode(repo.as_str(), NON_ALPHANUMERIC)
        ));
    }
    if let Some(agent_id) = agent_id {
        let encoded = utf8_percent_encode(agent_id.as_str(), NON_ALPHANUMERIC);
        parts.push(format!("agent_id={encoded}"));
    }
    parts.join("&")
}

/// Why there is nothing more to print.
enum Stopped {
    /// Whoever read the output is gone.
    OutputClosed,
    Failed(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// One event as a line.
fn show(data: &str, json: bool) -> Result<(), Stopped> {
    let line = if json { data.to_owned() } else { words(data) };
    output::write(&(line + "\n")).map_err(|_| Stopped::OutputClosed)
}

fn words(data: &str) -> String {
    let event: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    let word = |name: &str| event[name].as_str().map(text::one_line);
    let at = word("at").and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let at = at
        .map(|at| at.strftime("%H:%M:%SZ").to_string())
        .unwrap_or_default();
    // What is no change has no type: the stream itself says why there is a gap.
    let kind = word("type").unwrap_or_else(|| "lagged".to_owned());
    let mut line = format!("{at:<10} {kind:<21}");
    if let Some(pr) = word("pr") {
        line.push_str(&format!(" {pr}"));
    } else if let Some(repo) = word("repo") {
        line.push_str(&format!(" {repo}#{}", event["issue_number"]));
    }
    if let Some(agent_id) = word("agent_id") {
        line.push_str(&format!(" by {agent_id}"));
    }
    match (word("previous_status"), word("status")) {
        (Some(from), Some(to)) if from != to => line.push_str(&format!(" {from} -> {to}")),
        (_, Some(status)) => line.push_str(&format!(" {status}")),
        _ => {}
    }
    let named = [&event["tests"], &event["checks"]].map(Value::as_array);
    let named: Vec<String> = named
        .into_iter()
        .flatten()
        .next()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(text::one_line))
        .collect();
    if !named.is_empty() {
        line.push_str(&format!(": {}", named.join(", ")));
    }
    for name in ["issue_title", "note", "reason"] {
        if let Some(words) = word(name) {
            line.push_str(&format!(": {words}"));
        }
    }
    if let (Some(repos), Some(issues)) = (event["repos"].as_u64(), event["open_issues"].as_u64()) {
        line.push_str(&format!(" {repos} repositories, {issues} open issues"));
    }
    line
}
