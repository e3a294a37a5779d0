//! The tools that claim, move and give back.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::arguments::{ClaimIssue, ReleaseIssue, UpdateClaimStatus};
use super::claim_lists::blocking;
use super::desk::{Parts, cached, issue_number, note, required_agent};
use super::{Reply, ReplyKind, refusal};
use crate::claim::{Actor, Claim, Command, GitHubFact, Grant, Outcome, Refusal, Status, Target};
use crate::coordinator::{
    Answer, CatalogueUpdate, ClaimAnswer, CoordinatorError, Operation, RepoUpdate,
};
use crate::domain::{
    AgentId, ApiError, Category, ClaimId, IssueState, PullRequestState, RepoName, RequestId,
    SessionRef, parse_pull_request_url,
};
use crate::gh::{FetchedIssue, IssueLookup};
use crate::process::Priority;

#[derive(Serialize)]
struct NotClaimed<'a> {
    claimed: bool,
    reason: &'static str,
    owner: &'a AgentId,
    since: Timestamp,
    status: Status,
    suggestion: &'static str,
}

#[derive(Serialize)]
struct Changed<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_closed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<&'a Claim>,
}

impl Parts {
    pub(super) async fn claim_issue(
        &self,
        arguments: ClaimIssue,
        session: Option<SessionRef>,
        request_id: Option<RequestId>,
    ) -> Result<Reply, ApiError> {
        let agent_id = required_agent(arguments.agent_id.as_deref())?;
        let repo = self.repo(&arguments.repo)?;
        let number = issue_number(arguments.issue_number)?;
        let grant = Grant {
            new_claim_id: ClaimId(Uuid::now_v7()),
            agent_id,
            session,
            request_id,
            key: self.key(repo, number),
            title: Arc::default(),
        };
        let fresh_within = Some(self.settings.sync_interval);
        let operation = Operation::Claim {
            grant,
            fresh_within,
        };
        let (outcome, warnings) = match self.perform(operation).await? {
            Answer::Claim(ClaimAnswer::Decided { outcome, warnings }) => (outcome, warnings),
            Answer::Claim(ClaimAnswer::Unknown(grant)) => {
                Box::pin(self.claim_after_lookup(grant)).await?
            }
            _ => return Err(CoordinatorError::Stopped.to_api()),
        };
        claim_reply(outcome, warnings)
    }

    /// The catalogue does not know the issue well enough: GitHub is asked about this one.
    async fn claim_after_lookup(&self, grant: Grant) -> Result<(Outcome, Vec<String>), ApiError> {
        let (repo, number) = (grant.key.repo.clone(), grant.key.number);
        let mut extra = None;
        match self.gh.issue(&repo, number, Priority::Claim).await {
            Ok(lookup) => {
                let issue = known_issue(&repo, number, lookup)?;
                self.let_go_of_former_names(&repo, &issue).await?;
                self.take_in_issue(&repo, &issue).await?;
                if issue.summary.state == IssueState::Closed {
                    return Err(issue_closed(&repo, number));
                }
            }
            Err(error) if error.is_outage() => {
                let key = grant.key.clone();
                let age = self.read(move |view| {
                    (
                        view.catalogue.repo(&key.repo).map(|entry| entry.synced_at),
                        view.now,
                    )
                });
                let (synced_at, now) = age.await?;
                extra = Some((cached(synced_at, now, &error), error));
            }
            Err(error) => return Err(error.to_api()),
        }
        let operation = Operation::Claim {
            grant,
            fresh_within: None,
        };
        match self.perform(operation).await? {
            Answer::Claim(ClaimAnswer::Decided {
                outcome,
                mut warnings,
            }) => {
                warnings.extend(extra.map(|(warning, _)| warning));
                Ok((outcome, warnings))
            }
            _ => Err(match extra {
                Some((_, error)) => error.to_api(),
                None => issue_closed(&repo, number),
            }),
        }
    }

    /// An issue of a repository that was renamed since the last sync may be held, or be had, under
    /// its former name. GitHub is asked, and what lives here now is let go of there.
    async fn let_go_of_former_names(
        &self,
        repo: &RepoName,
        issue: &FetchedIssue,
    ) -> Result<(), ApiError> {
        let (repo, summary) = (issue.repo(repo), issue.summary.clone());
        let number = summary.number;
        let names = self.read(move |view| view.former_names(&repo, &summary));
        let mut update = CatalogueUpdate::default();
        for name in names.await? {
            match self.gh.issue(&name, number, Priority::Claim).await {
                Ok(IssueLookup::Transferred) => {
                    let gone = GitHubFact::IssueGone("transferred on GitHub");
                    update.facts.push((name.clone(), number, gone));
                    update.gone.push((name, number));
                }
                Err(error) if error.is_outage() => return Err(error.to_api()),
                // What is there still, or is not shown, is another one.
                Ok(_) | Err(_) => {}
            }
        }
        if !update.gone.is_empty() {
            self.perform(Operation::Catalogue(update)).await?;
        }
        Ok(())
    }

    /// Puts what GitHub just told of one issue into the catalogue.
    pub(super) async fn take_in_issue(
        &self,
        repo: &RepoName,
        issue: &FetchedIssue,
    ) -> Result<(), ApiError> {
        let repos = vec![RepoUpdate::of_issues(
            issue.repo(repo),
            vec![issue.summary.clone()],
        )];
        let update = CatalogueUpdate {
            repos,
            ..CatalogueUpdate::default()
        };
        self.perform(Operation::Catalogue(update)).await.map(drop)
    }

    pub(super) async fn release_issue(
        &self,
        arguments: ReleaseIssue,
        actor: Actor,
    ) -> Result<Reply, ApiError> {
        let target = match (&arguments.claim_id, &arguments.repo, arguments.issue_number) {
            (Some(claim_id), _, _) => Target::Claim(claim_id.parse()?),
            (None, Some(repo), Some(number)) => {
                if actor.agent_id.is_none() {
                    return Err(required_agent(None).err().unwrap_or_else(|| {
                        ApiError::internal("an agent_id appeared from nowhere")
                    }));
                }
                // Whatever ALLOWED_REPOS says by now: what is held can be given back.
                Target::Issue(self.key(repo.parse()?, issue_number(number)?))
            }
            _ => {
                return Err(ApiError::invalid(
                    "release_issue needs claim_id, or agent_id, repo and issue_number",
                    "get_my_claims lists your claims with their ids",
                ));
            }
        };
        let command = Command::Release {
            target,
            actor,
            reason: note("reason", arguments.reason)?,
            handoff_note: note("handoff_note", arguments.handoff_note)?,
        };
        let claim = self.changed(command).await?;
        let record = Changed {
            ok: true,
            status: None,
            issue_closed: None,
            claim: Some(&claim),
        };
        Ok(Reply::new(&record)?.about(claim))
    }

    pub(super) async fn update_claim_status(
        &self,
        arguments: UpdateClaimStatus,
        actor: Actor,
    ) -> Result<Reply, ApiError> {
        let claim_id: ClaimId = arguments.claim_id.parse()?;
        let status: Status = arguments.status.parse()?;
        let note = note("note", arguments.note)?;
        let mut pr_url = None;
        let mut issue_closed = None;
        if let Some(url) = arguments.pr_url.as_deref() {
            pr_url = Some(
                self.checked_pull_request(claim_id, &actor, status, url)
                    .await?,
            );
        }
        if status == Status::Closed {
            issue_closed = Some(self.close_on_github(claim_id, &actor).await?);
        }
        let command = Command::Update {
            claim_id,
            actor,
            status,
            note,
            pr_url,
        };
        let claim = self.changed(command).await?;
        if issue_closed == Some(true) {
            let (repo, number) = (claim.repo.clone(), claim.issue_number);
            let update = self.read(move |view| view.catalogue.closing(&repo, number, view.now));
            if let Some(update) = update.await? {
                self.perform(Operation::Catalogue(update)).await?;
            }
        }
        let record = Changed {
            ok: true,
            status: Some(claim.status),
            issue_closed,
            claim: None,
        };
        Ok(Reply::new(&record)?.about(claim))
    }

    /// Closes the issue of a claim that may be closed by this actor. Returns whether it was open.
    async fn close_on_github(&self, claim_id: ClaimId, actor: &Actor) -> Result<bool, ApiError> {
        let claim = self.movable(claim_id, actor, Status::Closed).await?;
        let closed = self.gh.close_issue(&claim.repo, claim.issue_number).await;
        closed.map_err(|error| {
            let mut error = error.to_api();
            error.message = format!(
                "the issue could not be closed, the claim stays {}: {}",
                claim.status, error.message
            );
            error
        })
    }

    /// The address of the pull request, once GitHub has confirmed it.
    async fn checked_pull_request(
        &self,
        claim_id: ClaimId,
        actor: &Actor,
        status: Status,
        url: &str,
    ) -> Result<Arc<str>, ApiError> {
        let claim = self.movable(claim_id, actor, status).await?;
        let number = parse_pull_request_url(url, &claim.host, &claim.repo)?;
        let canonical: Arc<str> =
            format!("https://{}/{}/pull/{number}", claim.host, claim.repo).into();
        if claim.pr_url.as_ref() == Some(&canonical) {
            return Ok(canonical);
        }
        let ask = self.gh.pull_request(&claim.repo, number, Priority::Claim);
        let found = ask.await;
        let pull = found.map_err(|error| error.to_api())?;
        if pull.state == PullRequestState::Closed && status == Status::PrSubmitted {
            return Err(ApiError::new(
                Category::Logical,
                "pull_request_closed",
                format!("pull request #{number} is closed and not merged"),
                "open a new pull request, or reopen this one",
            ));
        }
        Ok(pull.url)
    }

    pub(super) async fn movable(
        &self,
        claim_id: ClaimId,
        actor: &Actor,
        status: Status,
    ) -> Result<Arc<Claim>, ApiError> {
        let actor = actor.clone();
        let found = self
            .read(move |view| view.ledger.may_move(claim_id, &actor, status))
            .await?;
        match found {
            Ok(claim) => Ok(claim),
            Err(refusal) => Err(self.refused(refusal, Some(claim_id)).await?),
        }
    }

    /// The claim after a command that changes one.
    pub(super) async fn changed(&self, command: Command) -> Result<Arc<Claim>, ApiError> {
        let claim_id = match &command {
            Command::Update { claim_id, .. }
            | Command::Release {
                target: Target::Claim(claim_id),
                ..
            } => Some(*claim_id),
            _ => None,
        };
        match self.perform(Operation::Command(command)).await? {
            Answer::Outcome(Outcome::Updated(claim) | Outcome::Granted { claim, .. }) => Ok(claim),
            Answer::Outcome(Outcome::Refused(refusal)) => {
                Err(self.refused(refusal, claim_id).await?)
            }
            _ => Err(ApiError::internal(
                "the claim core gave no answer to a change",
            )),
        }
    }

    /// The error for a refusal. An id that is not in memory is looked for in history.
    async fn refused(
        &self,
        refusal: Refusal,
        claim_id: Option<ClaimId>,
    ) -> Result<ApiError, ApiError> {
        let (Refusal::ClaimLost { ended: None, .. }, Some(claim_id)) = (&refusal, claim_id) else {
            return Ok(refusal::to_error(&refusal));
        };
        let history = self.read(|view| view.history()).await?;
        let ended = blocking(move || history.find(claim_id)).await?;
        let Some(ended) = ended else {
            return Ok(refusal::unknown_claim(claim_id));
        };
        let key = ended.key();
        let holder =
            self.read(move |view| view.ledger.holder(&key).map(|claim| claim.agent_id.clone()));
        let now_held_by = holder.await?;
        let ended = Some(Arc::new(ended));
        Ok(refusal::to_error(&Refusal::ClaimLost {
            ended,
            now_held_by,
        }))
    }
}

fn claim_reply(outcome: Outcome, warnings: Vec<String>) -> Result<Reply, ApiError> {
    match outcome {
        Outcome::Granted {
            claim,
            already_owned,
        } => Ok(Reply::granted(claim, already_owned, warnings)),
        Outcome::Refused(Refusal::AlreadyClaimed(claim)) => {
            let record = NotClaimed {
                claimed: false,
                reason: "already_claimed",
                owner: &claim.agent_id,
                since: claim.claimed_at,
                status: claim.status,
                suggestion: "take another one with next_issue",
            };
            Ok(Reply::new(&record)?.kind(ReplyKind::Refused))
        }
        Outcome::Refused(refusal) => Err(refusal::to_error(&refusal)),
        Outcome::Updated(_) | Outcome::Unchanged => Err(ApiError::internal(
            "the claim core gave no answer to a claim",
        )),
    }
}

/// The issue that was found, or why there is none of that number.
pub(super) fn known_issue(
    repo: &RepoName,
    number: u64,
    lookup: IssueLookup,
) -> Result<FetchedIssue, ApiError> {
    let missing = |message: String| {
        ApiError::new(
            Category::User,
            "not_found",
            message,
            "check repository and number: list_open_issues shows what is there",
        )
    };
    match lookup {
        IssueLookup::Found(issue) => Ok(*issue),
        IssueLookup::IsPullRequest => Err(ApiError::new(
            Category::User,
            "not_an_issue",
            format!("{repo}#{number} is a pull request"),
            "give the issue that it is about",
        )),
        IssueLookup::Transferred => Err(missing(format!(
            "{repo}#{number} was transferred to another repository"
        ))),
        IssueLookup::Deleted => Err(missing(format!("{repo}#{number} was deleted"))),
        IssueLookup::Unknown => Err(missing(format!(
            "GitHub does not know {repo}#{number}, or this login cannot see it"
        ))),
    }
}

fn issue_closed(repo: &RepoName, number: u64) -> ApiError {
    ApiError::new(
        Category::Logical,
        "issue_closed",
        format!("{repo}#{number} is closed"),
        "take another one with next_issue",
    )
}
