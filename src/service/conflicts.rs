//! Merge conflicts: what is asked is checked here, the rest is done by [`crate::pulls`].

use std::sync::Arc;

use super::desk::Parts;
use super::pull_requests::patience;
use super::{DetectMergeConflicts, Reply};
use crate::claim::Claim;
use crate::domain::{ApiError, RepoName};
use crate::pulls::conflicts::{self, FILES_DEFAULT, FILES_MAX, Mode, Question};
use crate::pulls::overlap::{Claimant, Claimants};

impl Parts {
    pub(super) async fn detect_merge_conflicts(
        &self,
        arguments: DetectMergeConflicts,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let files_max = match arguments.max_files.map(usize::try_from) {
            None => FILES_DEFAULT,
            Some(Ok(asked)) if (1..=FILES_MAX).contains(&asked) => asked,
            Some(_) => {
                return Err(ApiError::invalid(
                    format!("max_files must be between 1 and {FILES_MAX}"),
                    format!("leave it out for {FILES_DEFAULT}; each file costs up to three calls"),
                ));
            }
        };
        let mode = arguments.mode.as_deref().map(Mode::parse).transpose()?;
        let question = Question {
            target: arguments.target_branch,
            mode: mode.unwrap_or_default(),
            files_max,
            patience: patience(arguments.wait_seconds)?,
            cursor: arguments.cursor,
            others: match arguments.with_open_prs {
                Some(true) => Some(self.claimants(id.repo.clone()).await?),
                _ => None,
            },
            id,
        };
        let now = self.read(|view| view.now).await?;
        let page = conflicts::detect_merge_conflicts(&self.pulls, question, now).await?;
        Reply::new(&page)
    }

    /// Whose claims are behind the open pull requests of a repository.
    pub(super) async fn claimants(&self, repo: RepoName) -> Result<Claimants, ApiError> {
        let claims = self.read(move |view| view.claims_by_pull(&repo)).await?;
        let claimant = |(number, claim): (u64, Arc<Claim>)| {
            let claimant = Claimant {
                claim: claim.claim_id.to_string(),
                agent: claim.agent_id.to_string(),
            };
            (number, claimant)
        };
        Ok(claims.into_iter().map(claimant).collect())
    }
}
