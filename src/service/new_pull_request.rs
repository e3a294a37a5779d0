//! Opening a pull request: the claim is looked at before anything is written, and moved after.

use std::sync::Arc;

use serde::Serialize;

use super::Reply;
use super::arguments::CreatePullRequest;
use super::claims::known_issue;
use super::desk::{Parts, issue_number};
use crate::claim::{Actor, Claim, Command, Status};
use crate::domain::{ApiError, RepoName};
use crate::gh::GhError;
use crate::process::Priority;
use crate::pulls::Warning;
use crate::pulls::create::{self, Created, Given, NewPullRequest};

/// The answer: the pull request and what became of the claim.
#[derive(Serialize)]
struct Opened {
    #[serde(flatten)]
    created: Created,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_status: Option<Status>,
}

/// The issue that the pull request is for.
#[derive(Default)]
struct Purpose {
    /// The caller's claim on it.
    claim: Option<Arc<Claim>>,
    issue: Option<u64>,
    /// Whether nobody has seen yet that it is one.
    is_unseen: bool,
    warning: Option<Warning>,
}

impl Parts {
    pub(super) async fn create_pull_request(
        &self,
        arguments: CreatePullRequest,
        actor: Actor,
    ) -> Result<Reply, ApiError> {
        let repo = self.repo(&arguments.repo)?;
        let number = arguments.issue_number.map(issue_number).transpose()?;
        let mut ask = NewPullRequest::check(Given {
            repo: repo.clone(),
            title: arguments.title,
            body: arguments.body,
            head: arguments.head,
            base: arguments.base,
            files: arguments.files.unwrap_or_default(),
            draft: arguments.draft.unwrap_or(false),
        })?;
        let claim_id = arguments.claim_id.as_deref();
        let purpose = self.purpose(claim_id, number, &repo, &actor).await?;
        if let Some(issue) = purpose.issue {
            ask = ask.closing(issue, self.host().as_str())?;
        }
        let look_up = async {
            match purpose.issue.filter(|_| purpose.is_unseen) {
                Some(issue) => self.look_up(&repo, issue).await,
                None => Ok(None),
            }
        };
        let mut created = create::create_pull_request(&self.pulls, &ask, look_up).await?;
        created.warnings.extend(purpose.warning);
        let moved = match purpose.claim {
            Some(claim) if created.is_what_was_asked => {
                self.submitted(&claim, actor, &mut created).await
            }
            _ => None,
        };
        let claim_status = moved.as_ref().map(|claim| claim.status);
        let reply = Reply::new(&Opened {
            created,
            claim_status,
        })?;
        Ok(match moved {
            Some(claim) => reply.about(claim),
            None => reply,
        })
    }

    /// The claim that is to be moved, which must be the caller's and may become `pr_submitted`.
    async fn purpose(
        &self,
        claim_id: Option<&str>,
        number: Option<u64>,
        repo: &RepoName,
        actor: &Actor,
    ) -> Result<Purpose, ApiError> {
        let claim_id = match (claim_id, number) {
            (None, None) => return Ok(Purpose::default()),
            (Some(claim_id), _) => claim_id.parse()?,
            (None, Some(number)) => {
                let key = self.key(repo.clone(), number);
                let holder = self.read(move |view| view.ledger.holder(&key).cloned());
                match holder.await? {
                    Some(claim) if may_be_callers(&claim, actor) => claim.claim_id,
                    other => {
                        // What somebody claims was seen to be an issue.
                        return Ok(Purpose {
                            issue: Some(number),
                            is_unseen: other.is_none(),
                            warning: other.map(|claim| of_somebody(&claim)),
                            claim: None,
                        });
                    }
                }
            }
        };
        let claim = self.movable(claim_id, actor, Status::PrSubmitted).await?;
        let same_issue = number.is_none_or(|number| number == claim.issue_number);
        if claim.repo != *repo || !same_issue {
            return Err(ApiError::invalid(
                format!("this claim is for {}#{}", claim.repo, claim.issue_number),
                "give the claim of the issue that this pull request solves: get_my_claims lists \
                 yours",
            ));
        }
        Ok(Purpose {
            issue: Some(claim.issue_number),
            claim: Some(claim),
            is_unseen: false,
            warning: None,
        })
    }

    /// Sees to it that there is such an issue; a warning where this login may not look.
    async fn look_up(&self, repo: &RepoName, number: u64) -> Result<Option<Warning>, ApiError> {
        match self.gh.issue(repo, number, Priority::Claim).await {
            Ok(lookup) => known_issue(repo, number, lookup).map(|_| None),
            Err(error @ GhError::Forbidden { .. }) => Ok(Some(Warning::new(
                "issue",
                error,
                "whether there is such an issue is not known",
            ))),
            Err(error) => Err(error.to_api()),
        }
    }

    /// The claim after it was moved. What goes wrong is a warning: the pull request is open.
    async fn submitted(
        &self,
        claim: &Claim,
        actor: Actor,
        created: &mut Created,
    ) -> Option<Arc<Claim>> {
        let command = Command::Update {
            claim_id: claim.claim_id,
            actor,
            status: Status::PrSubmitted,
            note: None,
            pr_url: Some(created.url.as_str().into()),
        };
        match self.changed(command).await {
            Ok(claim) => Some(claim),
            Err(error) => {
                created.warnings.push(Warning::new(
                    "claim",
                    format!("{error}; {}", error.suggestion),
                    "the pull request is open, the claim was not moved to pr_submitted",
                ));
                None
            }
        }
    }
}

/// Whether the holder may be who asks: without a name only by the session.
fn may_be_callers(claim: &Claim, actor: &Actor) -> bool {
    let same_session = match (claim.session, actor.session) {
        (Some(held), Some(asks)) => held.id == asks.id,
        _ => false,
    };
    actor.agent_id.is_some() || same_session
}

fn of_somebody(claim: &Claim) -> Warning {
    Warning::new(
        "claim",
        format!(
            "{}#{} is claimed by {}",
            claim.repo, claim.issue_number, claim.agent_id
        ),
        "the claim was not moved: give claim_id or agent_id if it is yours",
    )
}
