//! Steps 4 and 5: an issue is handed over with a note, and one is worked on until it is closed.

use std::time::Instant;

use serde_json::json;

use crate::agent::Agent;
use crate::asking::{issue, text};
use crate::events::Events;
use crate::screen::time;
use crate::{Demo, Failure, Result, ensure, fail};

/// What the agent that gives its issue back has learnt.
const HANDOFF_NOTE: &str = "The plus sign is lost in src/login/query.rs; a failing test is there.";
const REPOSITORY: &str = "acme/api";
const HANDED_OVER: u64 = 1;
const MERGED: u64 = 2;

impl Demo {
    /// Who holds an issue of [`REPOSITORY`], and by which claim.
    async fn holder_of(&self, number: u64) -> Result<(&Agent, String)> {
        let Some(agent) = self.agents.first() else {
            return fail("there are no agents");
        };
        let claims = agent
            .call("get_all_claims", json!({"repo": REPOSITORY}))
            .await?;
        let claims = claims["claims"].as_array().into_iter().flatten();
        let claim = claims
            .into_iter()
            .find(|claim| claim["issue_number"] == number);
        let Some(claim) = claim else {
            return fail(format!("nobody holds {REPOSITORY}#{number}"));
        };
        Ok((
            self.agent(text(claim, "agent_id")?)?,
            text(claim, "claim_id")?.to_owned(),
        ))
    }

    /// Step 4.
    pub async fn one_hands_over_to_another(&self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(
                4,
                "An agent gives its issue back, with a note for the next one",
            )
            .await;
        let (first, claim_id) = self.holder_of(HANDED_OVER).await?;
        let arguments = json!({"claim_id": claim_id, "handoff_note": HANDOFF_NOTE});
        let released = first.call_as_itself("release_issue", arguments).await?;
        let Some(second) = self.agents.iter().find(|agent| agent.name != first.name) else {
            return fail("there is no second agent");
        };
        let got = second.call_as_itself("next_issue", json!({})).await?;
        let attempts = &got["previous_attempts"];
        screen.table(&[
            vec![
                first.name.clone(),
                "release_issue".to_owned(),
                format!(
                    "{} is now {}",
                    issue(&released["claim"])?,
                    text(&released["claim"], "status")?
                ),
            ],
            vec![
                second.name.clone(),
                "next_issue".to_owned(),
                format!("{}, previous attempts: {attempts}", issue(&got)?),
            ],
        ]);
        screen.words(&format!(
            "{} reads: \"{}\"",
            second.name,
            text(&got, "handoff_note")?
        ));
        let expected = format!("{REPOSITORY}#{HANDED_OVER}");
        ensure(issue(&got)? == expected, || {
            format!("{expected} was to come next: {got}")
        })?;
        ensure(got["handoff_note"] == HANDOFF_NOTE, || {
            format!("another note: {got}")
        })?;
        ensure(got["claim_id"] != claim_id, || {
            "the old claim came back".to_owned()
        })?;
        screen.check("the same issue under a new claim, with the note");
        Ok(())
    }

    /// Step 5.
    pub async fn one_is_merged(&self) -> Result<()> {
        let screen = self.screen;
        screen
            .step(
                5,
                "A pull request is submitted and merged; the claim follows",
            )
            .await;
        let (agent, claim_id) = self.holder_of(MERGED).await?;
        let health = agent.call("system_health", json!({})).await?;
        let mut events = Events::open(text(&health["owner"], "address")?).await?;
        let update = async |status: &str, pr_url: Option<&str>| {
            let mut arguments = json!({"claim_id": claim_id, "status": status});
            if let Some(pr_url) = pr_url {
                arguments["pr_url"] = json!(pr_url);
            }
            let updated = agent
                .call_as_itself("update_claim_status", arguments)
                .await?;
            let status = text(&updated, "status")?.to_owned();
            screen.line(&format!(
                "{}   update_claim_status answers {status}",
                agent.name
            ));
            Ok::<_, Failure>(())
        };
        update("in_progress", None).await?;
        let pull = self.place.github.change(|world| {
            let repository = world.repository(REPOSITORY);
            repository
                .add_pull_request("Cut pages by cursor", &[MERGED])
                .number
        });
        screen.line(&format!(
            "GitHub     pull request {REPOSITORY}#{pull} is opened, closes #{MERGED}"
        ));
        let pr_url = format!("https://github.com/{REPOSITORY}/pull/{pull}");
        update("pr_submitted", Some(&pr_url)).await?;
        self.place
            .github
            .change(|world| world.merge_pull_request(REPOSITORY, pull));
        let merged = Instant::now();
        screen.line(&format!(
            "GitHub     pull request {REPOSITORY}#{pull} is merged"
        ));
        loop {
            let moved = events.next("the end of the claim", |event| {
                event.kind == "claim.status_changed" && event.data["claim_id"] == claim_id.as_str()
            });
            let moved = moved.await?.data;
            let (from, to) = (text(&moved, "previous_status")?, text(&moved, "status")?);
            if !matches!(to, "pr_merged" | "closed") {
                // The agent's own steps, which were shown above.
                continue;
            }
            let note = text(&moved, "note")?;
            let after = time(merged.elapsed());
            screen.line(&format!(
                "/sse       {from} -> {to}: {note}, {after} after the merge"
            ));
            if to == "closed" {
                break;
            }
        }
        let history = agent
            .call(
                "get_claim_history",
                json!({"agent_id": agent.name, "limit": 1}),
            )
            .await?;
        let ended = &history["claims"][0];
        ensure(ended["claim_id"] == claim_id.as_str(), || {
            format!("not in the history: {history}")
        })?;
        ensure(ended["status"] == "closed", || {
            format!("not closed: {ended}")
        })?;
        ensure(ended["pr_url"] == pr_url.as_str(), || {
            format!("another pull request: {ended}")
        })?;
        let open = self
            .place
            .github
            .change(|world| world.issue(REPOSITORY, MERGED).open);
        ensure(!open, || "the issue is still open".to_owned())?;
        screen.check(&format!(
            "the claim for {REPOSITORY}#{MERGED} is closed, as its issue is, without a call"
        ));
        Ok(())
    }
}
