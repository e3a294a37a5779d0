//! Steps 1 and 2: five agents ask at once, and one asks for what another holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::agent::{Agent, Asked};
use crate::screen::time;
use crate::{Demo, Result, ensure, fail};

const AGENTS: usize = 5;

/// A member of an answer as text.
pub fn text<'a>(record: &'a Value, name: &str) -> Result<&'a str> {
    let found = record[name].as_str();
    found.ok_or_else(|| format!("no {name} in {record}").into())
}

/// The issue that a record is about: `owner/name#1`.
pub fn issue(record: &Value) -> Result<String> {
    Ok(format!(
        "{}#{}",
        text(record, "repo")?,
        record["issue_number"]
    ))
}

impl Demo {
    /// Step 1.
    pub async fn five_ask_at_once(&mut self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(1, "Five agents ask for the next issue at the same moment")
            .await;
        for number in 1..=AGENTS {
            let name = format!("claude-{number}");
            self.agents.push(Agent::start(&self.place, &name).await?);
        }
        let asked = self.all_ask_for_the_next_issue().await?;
        let sent: Vec<_> = asked.iter().map(|asked| asked.sent).collect();
        let mut rows = Vec::new();
        let mut different = BTreeSet::new();
        let mut last = None;
        for asked in asked {
            let agent = asked.agent.clone();
            let Some((record, at)) = asked.outcome().await? else {
                return fail(format!("the process of {agent} ended"));
            };
            let issue = issue(&record)?;
            rows.push(vec![
                agent,
                issue.clone(),
                text(&record, "why")?.to_owned(),
                text(&record, "title")?.to_owned(),
            ]);
            different.insert(issue);
            last = last.max(Some(at));
        }
        screen.table(&rows);
        let (Some(first), Some(latest), Some(last)) = (sent.iter().min(), sent.iter().max(), last)
        else {
            return fail("nobody asked");
        };
        let owner = self.owner().await?;
        screen.note(&format!(
            "asked within {}, all answered after {} with the first look at GitHub; the process of {} \
             became the owner, which decides for all of them",
            time(latest.duration_since(*first)),
            time(last.duration_since(*first)),
            self.agents[owner].name
        ));
        ensure(different.len() == AGENTS, || {
            format!("not {AGENTS} issues: {different:?}")
        })?;
        screen.check(&format!(
            "{AGENTS} agents, {} different issues",
            different.len()
        ));
        self.show_what_was_passed_by().await
    }

    /// Sends `next_issue` from every agent before any answer is awaited.
    pub async fn all_ask_for_the_next_issue(&self) -> Result<Vec<Asked>> {
        let mut asked = Vec::new();
        for agent in &self.agents {
            asked.push(
                agent
                    .ask("next_issue", json!({"agent_id": agent.name}))
                    .await?,
            );
        }
        Ok(asked)
    }

    /// Which of the agents has the process that owns the state.
    pub async fn owner(&self) -> Result<usize> {
        let Some(agent) = self.agents.first() else {
            return fail("there are no agents");
        };
        let health = agent.call("system_health", json!({})).await?;
        let owner = self.owner_named_by(&health)?;
        let position = self
            .agents
            .iter()
            .position(|agent| agent.pid() == owner.pid());
        position.ok_or_else(|| "the owner has gone".into())
    }

    /// The agent whose process `system_health` names as the owner.
    pub fn owner_named_by(&self, health: &Value) -> Result<&Agent> {
        let found = self
            .agents
            .iter()
            .find(|agent| health["owner"]["pid"] == agent.pid());
        found.ok_or_else(|| format!("the owner is none of the agents: {}", health["owner"]).into())
    }

    /// Says why the other issues stay where they are.
    async fn show_what_was_passed_by(&self) -> Result<()> {
        let Some(agent) = self.agents.first() else {
            return fail("there are no agents");
        };
        let repositories = agent.call("list_repos", json!({})).await?;
        let mut reasons = BTreeMap::new();
        for repository in repositories["repos"].as_array().into_iter().flatten() {
            let arguments = json!({"repo": repository["repo"], "limit": 50});
            let list = agent.call("list_open_issues", arguments).await?;
            for issue in list["issues"].as_array().into_iter().flatten() {
                if let Some(why_not) = issue["why_not"].as_str() {
                    *reasons.entry(why_not.to_owned()).or_insert(0) += 1;
                }
            }
        }
        ensure(!reasons.is_empty(), || {
            "no issue is blocked or assigned".to_owned()
        })?;
        let reasons: Vec<String> = reasons
            .iter()
            .map(|(why_not, count)| format!("{count} × {why_not}"))
            .collect();
        self.screen
            .note(&format!("handed to nobody: {}", reasons.join(", ")));
        Ok(())
    }

    /// Step 2.
    pub async fn one_asks_for_what_another_holds(&self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(2, "An agent asks for an issue that another one holds")
            .await;
        let [holder, asker, ..] = &self.agents[..] else {
            return fail("there are no two agents");
        };
        let mine = holder.call_as_itself("get_my_claims", json!({})).await?;
        let held = &mine["claims"][0];
        let arguments = json!({"repo": held["repo"], "issue_number": held["issue_number"]});
        let refusal = asker.call_as_itself("claim_issue", arguments).await?;
        screen.line(&format!(
            "{} calls claim_issue for {} and reads:",
            asker.name,
            issue(held)?
        ));
        let fields = refusal.as_object().into_iter().flatten();
        let rows: Vec<Vec<String>> = fields
            .map(|(name, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                vec![format!("  {name}"), value]
            })
            .collect();
        screen.table(&rows);
        ensure(refusal["claimed"] == false, || {
            format!("not refused: {refusal}")
        })?;
        ensure(refusal["owner"] == holder.name, || {
            format!("another holder: {refusal}")
        })?;
        screen.check(&format!("refused, and told that {} holds it", holder.name));
        Ok(())
    }
}
