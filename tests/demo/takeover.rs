//! Step 3: the process that owns the state is killed while calls are under way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::agent::{Agent, Asked};
use crate::asking::{issue, text};
use crate::github::{Fault, RequestRecord};
use crate::screen::time;
use crate::{Demo, LIMIT, Result, ensure, fail};

/// Active claims by their id: issue and holder.
pub type Claims = BTreeMap<String, (String, String)>;

/// All active claims, as one agent is told.
pub async fn all_claims(agent: &Agent) -> Result<Claims> {
    let mut claims = Claims::new();
    let mut arguments = json!({});
    loop {
        let page = agent.call("get_all_claims", arguments.clone()).await?;
        for claim in page["claims"].as_array().into_iter().flatten() {
            let holder = (issue(claim)?, text(claim, "agent_id")?.to_owned());
            claims.insert(text(claim, "claim_id")?.to_owned(), holder);
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => return Ok(claims),
        }
    }
}

/// The request by which a grant is verified with GitHub.
fn looks_at_an_issue(request: &RequestRecord) -> bool {
    request.method == "GET" && request.path.contains("/issues/")
}

impl Demo {
    /// Step 3.
    pub async fn the_owner_is_killed(&mut self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(
                3,
                "The owner is killed with kill -9 while all five ask for another issue",
            )
            .await;
        let asked = self.calls_that_wait_for_github().await?;
        let owner = self.owner().await?;
        let mut owner = self.agents.remove(owner);
        let before = all_claims(self.survivor()?).await?;
        ensure(before.len() == 2 * asked.len(), || {
            format!("claims before: {before:?}")
        })?;
        screen.line(&format!(
            "before      {} claims on disk; {} just granted, their calls wait for GitHub",
            before.len(),
            asked.len(),
        ));
        // What waits goes on waiting; calls that are made again are answered.
        self.place.github.clear_faults();
        let killed = owner.kill().await?;
        screen.line(&format!(
            "kill -9     {} of {}, the owner of the state",
            owner.pid(),
            owner.name
        ));
        let health = self.survivor()?.ask("system_health", json!({})).await?;
        let Some((health, mut first)) = health.outcome().await? else {
            return fail("a second process ended");
        };
        let mut rows = Vec::new();
        for asked in asked {
            let agent = asked.agent.clone();
            let told = match asked.outcome().await? {
                Some((record, at)) => {
                    self.is_the_grant_from_before(&before, &agent, &record)?;
                    first = first.min(at);
                    let after = time(at.duration_since(killed));
                    format!(
                        "got {}, granted before the kill, answered {after} after",
                        issue(&record)?
                    )
                }
                None if agent == owner.name => {
                    "no answer: its own process was the one killed".to_owned()
                }
                None => return fail(format!("the process of {agent} ended too")),
            };
            rows.push(vec![agent, format!("  {told}")]);
        }
        let heir = self.owner_named_by(&health)?;
        screen.line(&format!(
            "takes over  {} of {}; the first answer came {} after the kill",
            heir.pid(),
            heir.name,
            time(first.duration_since(killed)),
        ));
        rows.push(self.the_client_starts_it_again(owner.name, &before).await?);
        screen.table(&rows);

        let after = all_claims(self.survivor()?).await?;
        let issues: BTreeSet<_> = after.values().map(|(issue, _)| issue).collect();
        ensure(issues.len() == after.len(), || {
            format!("an issue has two holders: {after:?}")
        })?;
        let holders = |claims: &Claims| claims.values().cloned().collect::<BTreeSet<_>>();
        ensure(holders(&after) == holders(&before), || {
            format!("claims before: {before:?}\nand after: {after:?}")
        })?;
        screen.check(&format!(
            "{} claims before, {} after, same issues and holders: none lost, none doubled",
            before.len(),
            after.len()
        ));
        Ok(())
    }

    /// Every agent asks for another issue; returns when all are granted and being verified.
    async fn calls_that_wait_for_github(&self) -> Result<Vec<Asked>> {
        let github = &self.place.github;
        let known = github
            .requests()
            .iter()
            .filter(|request| looks_at_an_issue(request))
            .count();
        github.inject(Fault::stall().on("/issues/"));
        let asked = self.all_ask_for_the_next_issue().await?;
        let all_wait = github.until(|requests| {
            let looks = requests
                .iter()
                .filter(|request| looks_at_an_issue(request))
                .count();
            looks >= known + asked.len()
        });
        match tokio::time::timeout(LIMIT, all_wait).await {
            Ok(()) => Ok(asked),
            Err(_) => fail("the calls do not reach GitHub"),
        }
    }

    fn is_the_grant_from_before(&self, before: &Claims, agent: &str, record: &Value) -> Result<()> {
        let granted = before.get(text(record, "claim_id")?);
        let answered = (issue(record)?, agent.to_owned());
        ensure(granted == Some(&answered), || {
            format!("{agent} was answered {record}, which is no grant from before the kill")
        })
    }

    fn survivor(&self) -> Result<&Agent> {
        self.agents.first().ok_or_else(|| "nobody is left".into())
    }

    /// The client of the killed process starts it again; says what that one finds.
    async fn the_client_starts_it_again(
        &mut self,
        name: String,
        before: &Claims,
    ) -> Result<Vec<String>> {
        // Last in the list, so that the others come first in what follows.
        self.agents.push(Agent::start(&self.place, &name).await?);
        let mine = self
            .agent(&name)?
            .call_as_itself("get_my_claims", json!({}))
            .await?;
        let mut found = Vec::new();
        for claim in mine["claims"].as_array().into_iter().flatten() {
            // Under a new id: the old one, which the dead process knew, is refused from now on.
            let known = (issue(claim)?, name.clone());
            ensure(before.values().any(|held| *held == known), || {
                format!("not its claim before: {claim}")
            })?;
            found.push(known.0);
        }
        let held = before.values().filter(|(_, agent)| *agent == name).count();
        ensure(found.len() == held, || {
            format!("{name} held {held} claims and finds {found:?}")
        })?;
        Ok(vec![
            name,
            format!(
                "  started again: get_my_claims finds {}",
                found.join(" and ")
            ),
        ])
    }
}
