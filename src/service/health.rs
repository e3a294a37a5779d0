//! `system_health`: how everything is, and how to mend what is not well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::desk::Parts;
use super::{Reply, SystemHealth};
use crate::claim::Status;
use crate::coordinator::StorageProblem;
use crate::domain::ApiError;
use crate::gh::{GhError, RateLimit};
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

/// How long an answer is held up for the first word of GitHub.
const FIRST_ASK_PATIENCE: Duration = Duration::from_secs(3);

impl Parts {
    /// Has GitHub asked where that is not known to be well: once if nobody has, as a process whose
    /// catalogue is fresh asks nothing for a while, and again when a problem is an old one.
    async fn ask_github(&self) {
        let ask = || async {
            let status = self.gh.status();
            if status.answered || status.problem.is_some() {
                return;
            }
            let (gh, closing) = (self.gh.clone(), self.closing.clone());
            // It goes on when it lasts longer than this answer can wait.
            let asking = tokio::spawn(async move {
                // What comes of it is in the status.
                let _ = closing.run_until_cancelled(gh.sign_in()).await;
            });
            let _ = tokio::time::timeout(FIRST_ASK_PATIENCE, asking).await;
        };
        self.first_ask.get_or_init(ask).await;
        if self.gh.status().problem_is_old {
            let (gh, closing) = (self.gh.in_background(), self.closing.clone());
            // The next answer tells what came of it.
            tokio::spawn(async move { closing.run_until_cancelled(gh.look_again()).await });
        }
    }

    pub(super) async fn system_health(&self, asked: SystemHealth) -> Result<Reply, ApiError> {
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
        if !asked.only_known {
            self.ask_github().await;
        }
        let report = self.syncer.reports().borrow().clone();
        let gh = self.gh.status();
        let mut problems = Vec::new();
        if let Some(problem) = gh.problem.or(report.problem) {
            let error = problem.to_api();
            problems.push(Problem {
                what: error.message,
                mend: error.suggestion,
            });
        } else if !gh.answered && self.first_ask.initialized() {
            problems.push(Problem {
                what: "GitHub has been asked and has not answered yet".to_owned(),
                mend: "look again in a moment; issuecommand doctor tells more if it lasts"
                    .to_owned(),
            });
        }
        for owner in report.unseen {
            problems.push(Problem {
                what: GhError::NotFound(owner).to_string(),
                mend: "correct ALLOWED_REPOS, or use an account that can see it".to_owned(),
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
