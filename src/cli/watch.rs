//! `watch`: claim events as they happen, across changes of the owner. It never becomes the owner: a
//! window that somebody left open must not keep `serve` from starting.

use std::process::ExitCode;

use serde_json::Value;

use super::serve::stop_signals;
use super::{Watch, output};
use crate::app::{Config, WantedEvents, init_logging, read_events};
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
    init_logging(&config)?;
    let wanted = WantedEvents {
        since: options.since,
        repo,
        agent_id,
    };
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let signals = stop_signals()?;
        tokio::select! {
            result = read_events(&config, wanted, |data| show(data, options.json)) => result,
            () = signals.wait() => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one event as a line; `false` when whoever read the output is gone.
fn show(data: &str, json: bool) -> bool {
    let line = if json { data.to_owned() } else { words(data) };
    output::write(&(line + "\n")).is_ok()
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
