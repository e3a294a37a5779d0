//! Lists of claims: an agent's own, all that are active, and those that ended.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Reply;
use super::arguments::{GetAllClaims, GetClaimHistory, GetMyClaims};
use super::desk::{Parts, optional_agent, required_agent};
use crate::claim::{Claim, Command, Status};
use crate::coordinator::{CoordinatorError, Operation, View};
use crate::domain::cursor::{self, Page};
use crate::domain::{ApiError, Category, ClaimId, RepoName, RepoPattern, SessionRef};
use crate::pulls::PullId;
use crate::store::HistoryFilter;

#[derive(Serialize)]
struct ClaimsPage {
    claims: Vec<Box<serde_json::value::RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Parts {
    pub(super) async fn get_my_claims(
        &self,
        arguments: GetMyClaims,
        session: Option<SessionRef>,
    ) -> Result<Reply, ApiError> {
        #[derive(Serialize)]
        struct Mine {
            claims: Vec<Box<serde_json::value::RawValue>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            more: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            suggestion: Option<&'static str>,
        }
        let agent_id = required_agent(arguments.agent_id.as_deref())?;
        // An agent that was started again finds its claims under the ids that count from now on.
        let heard = match session {
            Some(session) => Operation::Command(Command::TakeOver {
                agent_id: agent_id.clone(),
                session,
                fresh_id: ClaimId(Uuid::now_v7()),
            }),
            None => Operation::Heard(agent_id.clone()),
        };
        match self.coordinator.perform(heard).await {
            // Reading goes on while nothing can be stored; a later call tries again.
            Ok(_) | Err(CoordinatorError::Storage { .. } | CoordinatorError::Moved { .. }) => {}
            Err(error) => return Err(error.to_api()),
        }
        let read = move |view: &View<'_>| -> Vec<Arc<Claim>> {
            view.ledger.held_by(&agent_id).cloned().collect()
        };
        let claims = self.read(read).await?;
        /// A claim with what its pull request waits for, as it was last seen.
        #[derive(Serialize)]
        struct Held<'a> {
            #[serde(flatten)]
            claim: &'a Claim,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            waiting: Vec<String>,
        }
        let waiting = |claim: &Claim| {
            let pull = PullId::parse(claim.pr_url.as_deref()?, self.host()).ok()?;
            Some(self.pulls.standing(&pull).words())
        };
        let mut page = Page::new(claims.len());
        for claim in &claims {
            let held = Held {
                claim,
                waiting: waiting(claim).unwrap_or_default(),
            };
            if !page.push(&held)? {
                break;
            }
        }
        let more = Some(claims.len() - page.items.len()).filter(|more| *more > 0);
        let suggestion = more.map(|_| "get_all_claims with your agent_id has pages");
        Reply::new(&Mine {
            claims: page.items,
            more,
            suggestion,
        })
    }

    pub(super) async fn get_all_claims(
        &self,
        arguments: GetAllClaims,
        within: Vec<RepoPattern>,
    ) -> Result<Reply, ApiError> {
        let limit = cursor::page_size(arguments.limit, 50, 200)?;
        let filters = GetAllClaims {
            cursor: None,
            limit: None,
            ..arguments.clone()
        };
        let after = match &arguments.cursor {
            Some(given) => {
                Some(cursor::read("get_all_claims", &filters, given)?.parse::<ClaimId>()?)
            }
            None => None,
        };
        let repo = arguments
            .repo
            .as_deref()
            .map(str::parse::<RepoName>)
            .transpose()?;
        let agent_id = optional_agent(arguments.agent_id.as_deref())?;
        let status = arguments
            .status
            .as_deref()
            .map(str::parse::<Status>)
            .transpose()?;
        let stale = arguments.stale;
        let matching = self.read(move |view| {
            let wanted = |claim: &&Arc<Claim>| {
                after.is_none_or(|after| claim.claim_id > after)
                    && RepoPattern::let_in(&within, &claim.repo)
                    && repo.as_ref().is_none_or(|repo| *repo == claim.repo)
                    && agent_id
                        .as_ref()
                        .is_none_or(|agent_id| *agent_id == claim.agent_id)
                    && status.is_none_or(|status| status == claim.status)
                    && stale.is_none_or(|stale| stale == (claim.status == Status::Stale))
            };
            let mut claims: Vec<_> = view.ledger.active().filter(wanted).cloned().collect();
            claims.sort_unstable_by_key(|claim| claim.claim_id);
            claims.truncate(limit + 1);
            claims
        });
        let mut page = Page::new(limit);
        let matching = matching.await?.into_iter();
        let last = page.fill(matching.map(|claim| (claim.claim_id, claim)))?;
        let make = |id: ClaimId| cursor::make("get_all_claims", &filters, &id.to_string());
        Reply::new(&ClaimsPage {
            claims: page.items,
            next_cursor: last.map(make),
        })
    }

    pub(super) async fn get_claim_history(
        &self,
        arguments: GetClaimHistory,
        within: Vec<RepoPattern>,
    ) -> Result<Reply, ApiError> {
        let limit = cursor::page_size(arguments.limit, 50, 200)?;
        let filters = GetClaimHistory {
            cursor: None,
            limit: None,
            ..arguments.clone()
        };
        let since = arguments
            .since
            .as_deref()
            .map(str::parse::<Timestamp>)
            .transpose();
        let since = since.map_err(|_| {
            ApiError::invalid(
                "since must be an RFC 3339 time",
                "write it as 2026-11-20T10:00:00Z",
            )
        })?;
        let status = arguments
            .status
            .as_deref()
            .map(str::parse::<Status>)
            .transpose()?;
        let stale = arguments.stale.filter(|stale| *stale);
        let filter = HistoryFilter {
            within,
            repo: arguments.repo.as_deref().map(str::parse).transpose()?,
            agent_id: optional_agent(arguments.agent_id.as_deref())?,
            status: stale.map(|_| Status::Stale).or(status),
            since,
            before: cursor::read_number(
                "get_claim_history",
                &filters,
                arguments.cursor.as_deref(),
            )?,
        };
        let in_memory = filter.clone();
        let recent = self.read(move |view| {
            let wanted = view
                .ledger
                .ended()
                .filter(|(at, claim)| in_memory.matches(*at, claim));
            let recent: Vec<_> = wanted
                .take(limit + 1)
                .map(|(at, claim)| (at, claim.clone()))
                .collect();
            (recent, view.history())
        });
        let (mut found, history) = recent.await?;
        if found.len() <= limit {
            let missing = limit + 1 - found.len();
            let older = blocking(move || history.page(&filter, missing)).await?;
            // A snapshot may have moved claims to the files between the two looks.
            let oldest = found.last().map(|(at, _)| *at);
            found.extend(
                older
                    .into_iter()
                    .filter(|(at, _)| oldest.is_none_or(|known| *at < known)),
            );
        }
        let mut page = Page::new(limit);
        let last = page.fill(found)?;
        let make = |at: u64| cursor::make("get_claim_history", &filters, &at.to_string());
        Reply::new(&ClaimsPage {
            claims: page.items,
            next_cursor: last.map(make),
        })
    }
}

/// Reads files away from the thread that serves requests.
pub(super) async fn blocking<R: Send + 'static>(
    read: impl FnOnce() -> Result<R, crate::store::StoreError> + Send + 'static,
) -> Result<R, ApiError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(ApiError::new(
            Category::Api,
            "history_unreadable",
            error.to_string(),
            error.suggestion(),
        )),
        Err(_) => Err(ApiError::internal("reading history failed")),
    }
}
