//! What a call may touch. An agent that its client's configuration limits stays limited whichever
//! process carries its calls out.

use super::Request;
use super::arguments::*;
use super::desk::{Parts, not_allowed};
use crate::claim::Status;
use crate::domain::{ApiError, ClaimId, RepoName, RepoPattern};
use crate::pulls::PullId;

/// What a call says it is about.
enum About<'a> {
    /// One repository.
    Repo(&'a str),
    /// Pull requests.
    Pulls(Vec<&'a str>),
    /// A claim that goes on.
    Claim(&'a str),
    /// Nothing, or what is the agent's own: a claim can always be seen and given back by its holder.
    Any,
}

fn about(request: &Request) -> About<'_> {
    match request {
        Request::ListOpenIssues(ListOpenIssues { repo, .. })
        | Request::FetchIssues(FetchIssues { repo, .. })
        | Request::GetIssueDetails(GetIssueDetails { repo, .. })
        | Request::ClaimIssue(ClaimIssue { repo, .. })
        | Request::CreatePullRequest(CreatePullRequest { repo, .. })
        | Request::NextIssue(NextIssue {
            repo: Some(repo), ..
        })
        | Request::GetAllClaims(GetAllClaims {
            repo: Some(repo), ..
        })
        | Request::GetClaimHistory(GetClaimHistory {
            repo: Some(repo), ..
        }) => About::Repo(repo),
        Request::GetFailingTests(GetFailingTests { pr, .. })
        | Request::CheckMergeReadiness(CheckMergeReadiness { pr, .. })
        | Request::FindUnresolvedComments(FindUnresolvedComments { pr, .. })
        | Request::ResolveReviewThread(ResolveReviewThread { pr, .. })
        | Request::DetectMergeConflicts(DetectMergeConflicts { pr, .. })
        | Request::AnalyzePrImpact(AnalyzePrImpact { pr, .. })
        | Request::GetReviewSuggestions(GetReviewSuggestions { pr, .. }) => About::Pulls(vec![pr]),
        Request::ManageStackedPrs(arguments) => {
            let named = [&arguments.pr, &arguments.base_pr, &arguments.dependent_pr];
            About::Pulls(named.into_iter().flatten().map(String::as_str).collect())
        }
        Request::UpdateClaimStatus(UpdateClaimStatus {
            claim_id, status, ..
        }) if status != Status::Released.as_str() => About::Claim(claim_id),
        Request::UpdateClaimStatus(_)
        | Request::ReleaseIssue(_)
        | Request::NextIssue(_)
        | Request::GetAllClaims(_)
        | Request::GetClaimHistory(_)
        | Request::GetMyClaims(_)
        | Request::ListRepos(_)
        | Request::SystemHealth(_) => About::Any,
    }
}

impl Parts {
    /// Refuses a call about what its caller's ALLOWED_REPOS does not let in, and a claim to go on
    /// that the owner's does not: that may close an issue. All else looks at the owner's itself.
    pub(super) async fn check_caller(
        &self,
        request: &Request,
        allowed: &[RepoPattern],
    ) -> Result<(), ApiError> {
        if allowed.is_empty() && self.settings.allowed.is_empty() {
            return Ok(());
        }
        let repos: Vec<RepoName> = match about(request) {
            About::Repo(given) => vec![given.parse()?],
            About::Pulls(given) => {
                let repos = given
                    .into_iter()
                    .map(|given| PullId::parse(given, self.host()).map(|id| id.repo));
                repos.collect::<Result<_, _>>()?
            }
            About::Claim(given) => {
                let claim_id: ClaimId = given.parse()?;
                let repo =
                    self.read(move |view| view.ledger.claim(claim_id).map(|it| it.repo.clone()));
                let repo = repo.await?;
                repo.iter().try_for_each(|repo| self.owner_lets_in(repo))?;
                repo.into_iter().collect()
            }
            About::Any => Vec::new(),
        };
        match repos
            .iter()
            .find(|repo| !RepoPattern::let_in(allowed, repo))
        {
            Some(repo) => Err(not_allowed(format!(
                "{repo} is not among ALLOWED_REPOS of this process"
            ))),
            None => Ok(()),
        }
    }
}
