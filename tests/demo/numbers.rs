//! Step 6: the history as the command line prints it, and what it all cost.

use serde_json::json;

use crate::github::Summary;
use crate::place::SYNC_INTERVAL;
use crate::screen::Screen;
use crate::{Demo, Result, ensure, fail};

/// Most bytes that the list of tools may take of an agent's context.
const TOOLS_BYTES_MAX: usize = 8_192;

impl Demo {
    /// Step 6.
    pub async fn history_and_numbers(&self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(6, "The history on the command line, and the numbers")
            .await;
        let command = "get-claim-history";
        let ran = self.place.run(&[command]).await?;
        ensure(ran.succeeded, || {
            format!("{command} failed: {}", ran.stderr)
        })?;
        screen.note(&format!("$ issuecommand {command}"));
        for line in ran.stdout.lines() {
            screen.line(line);
        }
        let Some(agent) = self.agents.first() else {
            return fail("there are no agents");
        };
        let health = agent.call("system_health", json!({})).await?;
        ensure(health["status"] == "ok", || format!("not well: {health}"))?;
        let granted = health["total_claims"].as_u64().unwrap_or_default();
        let active = health["active_claims"].as_u64().unwrap_or_default();
        let ended = ran.stdout.lines().count().saturating_sub(1) as u64;
        ensure(active + ended == granted, || {
            format!("{ended} ended claims do not fit {health}")
        })?;
        let requests = self.place.github.requests();
        let graphql = requests
            .iter()
            .filter(|request| request.is_graphql())
            .count();
        let (summary, runs) = (Summary::of(&requests), self.place.gh_runs()?);
        ensure(runs >= summary.count, || {
            "somebody else than gh spoke to GitHub".to_owned()
        })?;
        let limit = self.place.github.change(|world| world.graphql_limit.limit);
        let tools_bytes = self
            .agents
            .iter()
            .map(|agent| agent.tools_bytes)
            .max()
            .unwrap_or(0);
        screen.gap();
        screen.table(&[
            vec![
                "claims".to_owned(),
                format!("{granted} granted, {active} active, {ended} ended"),
            ],
            vec![
                "gh processes".to_owned(),
                format!(
                    "{runs}: {} requests to GitHub, {} asked for gh's version",
                    summary.count,
                    runs - summary.count
                ),
            ],
            vec![
                "GitHub".to_owned(),
                format!(
                    "{} of {limit} points an hour: {graphql} GraphQL requests, sync every {} s",
                    summary.points,
                    SYNC_INTERVAL.as_secs(),
                ),
            ],
            vec![
                String::new(),
                format!(
                    "{} REST requests, which look at single issues and pull requests",
                    summary.count - graphql
                ),
            ],
            vec![
                "tools/list".to_owned(),
                format!("{tools_bytes} bytes of an agent's context, at most {TOOLS_BYTES_MAX}"),
            ],
        ]);
        ensure(tools_bytes <= TOOLS_BYTES_MAX, || {
            format!("tools/list takes {tools_bytes} bytes")
        })?;
        screen.check("all is well, and every claim granted is active or in the history");
        Ok(())
    }
}

/// How it goes on with a real login.
pub fn what_next(screen: &Screen) {
    screen.heading("Next, with your own GitHub");
    screen.whole_line("gh auth login && cargo install --path . && issuecommand doctor");
    screen.whole_line("claude mcp add --scope user issuecommand -- issuecommand mcp");
}
