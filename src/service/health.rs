//! `system_health`: how everything is, and how to mend what is not well.

use serde::{Deserialize, Serialize};

use super::Reply;
use super::desk::Parts;
use crate::claim::Status;
use crate::coordinator::StorageProblem;
use crate::domain::ApiError;
use crate::gh::RateLimit;
use crate::process::PoolLoad;

/// Who and where the owner is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnerAddress {
    /// Process id.
    pub pid: u32,
    /// Address of its HTTP listener.
    pub address: String,
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    total_claims: u64,
    active_claims: u64,
    stale_claims: u64,
    active_agents: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sync: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_progress: Option<String>,
    gh: GhHealth,
    owner: &'a OwnerAddress,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct GhHealth {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    pool: PoolLoad,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<RateLimit>,
    breaker: &'static str,
}

#[derive(Serialize)]
struct Problem {
    what: String,
    mend: String,
}

impl Parts {
    pub(super) async fn system_health(&self) -> Result<Reply, ApiError> {
        let (ended, active, stale, agents, last_sync, storage) = self
            .read(|view| {
                let active = view.ledger.active().count() as u64;
                let is_stale =
                    |claim: &&std::sync::Arc<crate::claim::Claim>| claim.status == Status::Stale;
                let stale = view.ledger.active().filter(is_stale).count() as u64;
                let agents = view.ledger.agent_count() as u64;
                let storage = view.storage_problem.cloned();
                let last_sync = view.catalogue.synced_at();
                (
                    view.ledger.ended_total(),
                    active,
                    stale,
                    agents,
                    last_sync,
                    storage,
                )
            })
            .await?;
        let report = self.syncer.reports().borrow().clone();
        let gh = self.gh.status();
        let mut problems = Vec::new();
        if let Some(problem) = gh.problem.or(report.problem) {
            let error = problem.to_api();
            problems.push(Problem {
                what: error.message,
                mend: error.suggestion,
            });
        }
        if let Some(StorageProblem { what, mend }) = storage {
            problems.push(Problem { what, mend });
        }
        Reply::new(&Health {
            status: if problems.is_empty() {
                "ok"
            } else {
                "degraded"
            },
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            total_claims: ended + active,
            active_claims: active,
            stale_claims: stale,
            active_agents: agents,
            last_sync,
            sync_progress: report.progress,
            gh: GhHealth {
                version: gh.version.map(|version| version.to_string()),
                user: gh.account.map(|account| account.login.to_string()),
                pool: gh.pool,
                rate_limit: gh.rate_limit,
                breaker: gh.breaker,
            },
            owner: &self.settings.owner,
            problems,
        })
    }
}
