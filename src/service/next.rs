//! `next_issue`: choose and grant in one step, verify with GitHub, hand over with the text.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::arguments::NextIssue;
use super::desk::{Parts, Progress, cached, required_agent, sought};
use super::{Reply, ReplyKind, refusal};
use crate::claim::{Claim, Exclusion, PassedBy, Status};
use crate::coordinator::{CatalogueUpdate, NextGrant, NextOutcome, NextQuery, Operation};
use crate::domain::{
    ApiError, ClaimId, IssueState, RepoName, RepoPattern, RequestId, SessionRef, limits, text,
};
use crate::gh::{FetchedIssue, IssueLookup};
use crate::process::Priority;

/// How many issues are tried before the catalogue is held to be out of date.
const TRIES_MAX: usize = 8;
/// How often a waiting agent hears of it.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Handed<'a> {
    claim_id: ClaimId,
    repo: &'a RepoName,
    issue_number: u64,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    labels: &'a [Arc<str>],
    status: Status,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handoff_note: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Nothing {
    /// Present and null by contract: it is what callers look at.
    claim_id: Option<ClaimId>,
    reason: &'static str,
    passed_by: PassedBy,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    suggestion: &'static str,
}

/// What GitHub said of the issue that was chosen.
enum Verdict {
    Good(Option<Box<FetchedIssue>>, Vec<String>),
    Unfit,
    Refused(ApiError),
}

impl Parts {
    pub(super) async fn next_issue(
        &self,
        arguments: NextIssue,
        within: Vec<RepoPattern>,
        session: Option<SessionRef>,
        request_id: Option<RequestId>,
        progress: Option<Progress>,
    ) -> Result<Reply, ApiError> {
        let agent_id = required_agent(arguments.agent_id.as_deref())?;
        let repo = arguments
            .repo
            .as_deref()
            .map(|repo| self.repo(repo))
            .transpose()?;
        let wait_seconds = arguments.wait_seconds.unwrap_or(0);
        if wait_seconds > limits::WAIT_SECONDS_MAX {
            return Err(ApiError::invalid(
                format!(
                    "wait_seconds must be between 0 and {}",
                    limits::WAIT_SECONDS_MAX
                ),
                "call again to wait longer",
            ));
        }
        for label in arguments.labels.iter().flatten() {
            sought("labels", label)?;
        }
        if let Some(milestone) = &arguments.milestone {
            sought("milestone", milestone)?;
        }
        let started = Instant::now();
        let deadline = started + Duration::from_secs(wait_seconds);
        self.catalogue_ready().await?;
        let mut query = NextQuery {
            new_claim_id: ClaimId(Uuid::now_v7()),
            agent_id,
            session,
            request_id,
            within,
            repo,
            labels: arguments.labels.unwrap_or_default(),
            milestone: arguments.milestone,
            except: Vec::new(),
            except_repos: Vec::new(),
        };
        let mut changes = self.coordinator.changes();
        let mut is_last = false;
        loop {
            changes.mark_unchanged();
            let nothing = match self.try_next(&mut query).await? {
                Ok(reply) => return Ok(reply),
                Err(nothing) => nothing,
            };
            if is_last {
                return self.nothing(nothing).await;
            }
            self.check_known(query.repo.as_ref()).await?;
            let tick = Instant::now() + PROGRESS_EVERY;
            let woken = tokio::time::timeout_at(deadline.min(tick), changes.changed());
            let woken = self.unless_closing(woken).await?;
            // What woke it at the last moment may be an issue.
            is_last = Instant::now() >= deadline;
            if woken.is_ok() {
                continue;
            }
            if is_last {
                return self.nothing(nothing).await;
            }
            // What was found unfit is the catalogue's knowledge by now, and may have changed again.
            query.except.clear();
            if let Some(progress) = &progress {
                let waited = started.elapsed().as_secs_f64();
                progress(waited, "waiting for an issue".to_owned());
            }
        }
    }

    /// Waiting is of no use where the repository is not one that can be worked on.
    async fn check_known(&self, repo: Option<&RepoName>) -> Result<(), ApiError> {
        let Some(repo) = repo else { return Ok(()) };
        let name = repo.clone();
        let known = self.read(move |view| view.catalogue.repo(&name).is_some());
        match known.await? {
            true => Ok(()),
            false => Err(self.unknown_repo(repo).await),
        }
    }

    async fn nothing(&self, passed_by: PassedBy) -> Result<Reply, ApiError> {
        let age = self
            .read(|view| (view.catalogue.synced_at(), view.now))
            .await?;
        Reply::new(&Nothing {
            claim_id: None,
            reason: "no_eligible_issue",
            passed_by,
            warnings: self.age_warning(age.0, age.1).into_iter().collect(),
            suggestion: "call again with wait_seconds, widen the filters, or stop: list_open_issues says why_not",
        })
    }

    /// One choice, with further ones while GitHub says that the chosen issue is unfit. Where it
    /// refuses to say, the other repositories are tried; its reason is told in any case.
    async fn try_next(&self, query: &mut NextQuery) -> Result<Result<Reply, PassedBy>, ApiError> {
        let mut refused = None;
        let mut nothing = PassedBy::default();
        for _ in 0..TRIES_MAX {
            query.new_claim_id = ClaimId(Uuid::now_v7());
            let next = self.coordinator.next(query.clone()).await;
            let (outcome, handover) = next.map_err(|error| error.to_api())?;
            let (grant, handover) = match (outcome, handover) {
                (NextOutcome::Granted(grant), Some(handover)) => (grant, handover),
                (NextOutcome::Nothing { passed_by }, _) => {
                    nothing = passed_by;
                    break;
                }
                (NextOutcome::Refused(refused), _) => return Err(refusal::to_error(&refused)),
                (NextOutcome::Granted(_), None) => {
                    return Err(ApiError::internal("a grant came without its handover"));
                }
            };
            match self.unless_closing(self.verify(&grant)).await?? {
                Verdict::Good(issue, mut warnings) => {
                    warnings.extend(refused.as_ref().map(passed_by_warning));
                    let reply = self.hand_over(&grant, issue.as_deref(), &warnings)?;
                    handover.done();
                    return Ok(Ok(reply));
                }
                Verdict::Unfit => {
                    handover.withdraw("found unfit on GitHub");
                    query.except.push(grant.claim.key());
                }
                Verdict::Refused(error) => {
                    handover.withdraw("GitHub refused to show it");
                    let repo = grant.claim.repo.clone();
                    query.except_repos.push(repo.clone());
                    refused = refused.or(Some((repo, error)));
                }
            }
        }
        match refused {
            Some((_, error)) => Err(error),
            None => Ok(Err(nothing)),
        }
    }

    /// Asks GitHub about the chosen issue. Without GitHub the catalogue's word counts.
    async fn verify(&self, grant: &NextGrant) -> Result<Verdict, ApiError> {
        let claim = &grant.claim;
        match self
            .gh
            .issue(&claim.repo, claim.issue_number, Priority::Claim)
            .await
        {
            Ok(IssueLookup::Found(issue)) => {
                self.take_in_issue(&claim.repo, &issue).await?;
                if issue.summary.state == IssueState::Closed {
                    return Ok(Verdict::Unfit);
                }
                let found = self.still_excluded(claim).await?;
                Ok(if found.is_some() {
                    Verdict::Unfit
                } else {
                    Verdict::Good(Some(issue), Vec::new())
                })
            }
            Ok(_) => {
                // It is no issue of this repository any more: the catalogue need not offer it.
                let gone = vec![(claim.repo.clone(), claim.issue_number)];
                let update = CatalogueUpdate {
                    gone,
                    ..CatalogueUpdate::default()
                };
                self.perform(Operation::Catalogue(update)).await?;
                Ok(Verdict::Unfit)
            }
            Err(error) if error.is_outage() => {
                let now = self.read(|view| view.now).await?;
                let warning = cached(grant.synced_at, now, &error);
                let next = "read it with get_issue_details when GitHub answers again".to_owned();
                Ok(Verdict::Good(None, vec![warning, next]))
            }
            Err(error) => {
                tracing::info!(%error, repo = %claim.repo, number = claim.issue_number, "passed by");
                Ok(Verdict::Refused(error.to_api()))
            }
        }
    }

    /// Whether the fresh facts speak against handing the claimed issue out.
    async fn still_excluded(&self, claim: &Claim) -> Result<Option<Exclusion>, ApiError> {
        let key = claim.key();
        self.read(move |view| {
            let issue = view.catalogue.issue(&key.repo, key.number)?;
            view.rules
                .warnings(&view.candidate(issue, &key))
                .into_iter()
                .next()
        })
        .await
    }

    fn hand_over(
        &self,
        grant: &NextGrant,
        issue: Option<&FetchedIssue>,
        warnings: &[String],
    ) -> Result<Reply, ApiError> {
        let claim = &grant.claim;
        let record = Handed {
            claim_id: claim.claim_id,
            repo: &claim.repo,
            issue_number: claim.issue_number,
            title: issue.map_or(&claim.issue_title, |issue| &issue.summary.title),
            url: issue.map(|issue| issue.url.as_str()),
            labels: issue.map_or(&[], |issue| &issue.summary.labels),
            status: claim.status,
            why: &grant.why,
            previous_attempts: (grant.previous_attempts > 0).then_some(grant.previous_attempts),
            handoff_note: grant.handoff_note.as_deref(),
            warnings,
        };
        let title = format!("Text of {}#{}", claim.repo, claim.issue_number);
        let body = issue.map_or("", |issue| &issue.body);
        let reply = Reply::new(&record)?
            .kind(ReplyKind::Created)
            .about(claim.clone());
        Ok(reply.with_text("body", title, bounded(body)))
    }
}

fn passed_by_warning((repo, error): &(RepoName, ApiError)) -> String {
    format!(
        "{repo} is passed by: {}; {}",
        error.message, error.suggestion
    )
}

/// A text within the limit, saying so where it was cut.
pub(super) fn bounded(body: &str) -> String {
    match text::cut(body, limits::UNTRUSTED_TEXT_BYTES_MAX) {
        (whole, false) => whole.to_owned(),
        (part, true) => format!("{part}\n[cut after {} of {} bytes]", part.len(), body.len()),
    }
}
