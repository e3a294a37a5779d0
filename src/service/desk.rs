//! The desk of the owner: sends each request to what carries it out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::ci_watch::CiWatch;
use super::health::OwnerAddress;
use super::{Reply, Request};
use crate::claim::Actor;
use crate::coordinator::{Answer, Coordinator, CoordinatorError, Operation, Syncer};
use crate::domain::{
    AgentId, ApiError, Category, Host, IssueKey, RepoName, RepoPattern, RequestId, SessionRef,
    limits,
};
use crate::gh::{Gh, GhError};
use crate::pulls::Pulls;

/// Tells the caller how far a long call is: seconds gone by and words.
pub type Progress = Arc<dyn Fn(f64, String) + Send + Sync>;

/// One request with where it came from.
#[derive(Clone)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// The agent process; none for HTTP and the command line.
    pub session: Option<SessionRef>,
    /// Names the request, so that a repetition is done once.
    pub request_id: Option<RequestId>,
    /// ALLOWED_REPOS of the process that it came from: the call may touch what that list and the
    /// owner's both let in. What is claimed is shown to all that have no list of their own, whatever
    /// the owner's says, and can always be given back.
    pub allowed: Vec<RepoPattern>,
    /// Hears of progress.
    pub progress: Option<Progress>,
}

impl Call {
    /// A call without a session.
    pub fn new(request: Request) -> Self {
        Self {
            request,
            session: None,
            request_id: None,
            allowed: Vec::new(),
            progress: None,
        }
    }
}

/// What a call comes to.
pub type ServiceFuture<'a> = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send + 'a>>;

/// Whoever carries requests out: the owner's desk, or the way to it. Dropping the future cancels
/// the call.
pub trait Service: Send + Sync {
    /// Carries one request out.
    fn call(&self, call: Call) -> ServiceFuture<'_>;
}

/// What the desk needs to know.
pub struct DeskSettings {
    /// ALLOWED_REPOS.
    pub allowed: Vec<RepoPattern>,
    /// SYNC_INTERVAL_MINUTES: how old the catalogue may be for a claim without a look at GitHub.
    pub sync_interval: Duration,
    /// Who and where the owner is.
    pub owner: OwnerAddress,
}

/// The owner's desk. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Parts>);

/// What the desk works with.
pub(super) struct Parts {
    pub coordinator: Coordinator,
    pub gh: Gh,
    pub pulls: Pulls,
    pub syncer: Syncer,
    pub ci_watch: CiWatch,
    pub settings: DeskSettings,
    pub started: Instant,
    /// Whether health has seen to it that GitHub was asked.
    pub first_ask: OnceCell<()>,
    pub closing: CancellationToken,
}

impl Desk {
    /// A desk.
    pub fn new(
        coordinator: Coordinator,
        gh: Gh,
        pulls: Pulls,
        syncer: Syncer,
        settings: DeskSettings,
    ) -> Self {
        Self(Arc::new(Parts {
            coordinator,
            gh,
            pulls,
            syncer,
            ci_watch: CiWatch::default(),
            settings,
            started: Instant::now(),
            first_ask: OnceCell::new(),
            closing: CancellationToken::new(),
        }))
    }

    /// Watches checks of pull requests until it is dropped.
    pub async fn watch_checks(self) {
        self.0.watch_checks().await;
    }

    /// Ends calls that only wait with `shutting_down`, so that they hold no end of the owner up:
    /// followers make them again to the next owner.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// The coordinator, for what is no request: sessions and the feed.
    pub fn coordinator(&self) -> &Coordinator {
        &self.0.coordinator
    }
}

impl Service for Desk {
    fn call(&self, call: Call) -> ServiceFuture<'_> {
        Box::pin(self.0.dispatch(call))
    }
}

impl Parts {
    async fn dispatch(&self, call: Call) -> Result<Reply, ApiError> {
        let Call {
            request,
            session,
            request_id,
            allowed,
            progress,
        } = call;
        if let Some(session) = session {
            // Whatever is asked: most tools name no agent.
            self.coordinator.tell(Operation::SessionHeard(session));
        }
        self.check_caller(&request, &allowed).await?;
        let actor = |agent_id| Actor {
            agent_id,
            session,
            request_id,
        };
        // Boxed apart: otherwise every call would move a future as large as the largest of them.
        match request {
            Request::NextIssue(arguments) => {
                Box::pin(self.next_issue(arguments, allowed, session, request_id, progress)).await
            }
            Request::ClaimIssue(arguments) => {
                self.claim_issue(arguments, session, request_id).await
            }
            Request::UpdateClaimStatus(arguments) => {
                let agent_id = optional_agent(arguments.agent_id.as_deref())?;
                Box::pin(self.update_claim_status(arguments, actor(agent_id))).await
            }
            Request::ReleaseIssue(arguments) => {
                let agent_id = optional_agent(arguments.agent_id.as_deref())?;
                Box::pin(self.release_issue(arguments, actor(agent_id))).await
            }
            Request::GetMyClaims(arguments) => {
                Box::pin(self.get_my_claims(arguments, session)).await
            }
            Request::GetAllClaims(arguments) => {
                Box::pin(self.get_all_claims(arguments, allowed)).await
            }
            Request::GetClaimHistory(arguments) => {
                Box::pin(self.get_claim_history(arguments, allowed)).await
            }
            Request::ListRepos(arguments) => Box::pin(self.list_repos(arguments, allowed)).await,
            Request::ListOpenIssues(arguments) => Box::pin(self.list_open_issues(arguments)).await,
            Request::FetchIssues(arguments) => Box::pin(self.fetch_issues(arguments)).await,
            Request::GetIssueDetails(arguments) => {
                Box::pin(self.get_issue_details(arguments)).await
            }
            Request::CreatePullRequest(arguments) => {
                let agent_id = optional_agent(arguments.agent_id.as_deref())?;
                Box::pin(self.create_pull_request(arguments, actor(agent_id))).await
            }
            Request::GetFailingTests(arguments) => {
                Box::pin(self.get_failing_tests(arguments, progress)).await
            }
            Request::CheckMergeReadiness(arguments) => {
                Box::pin(self.check_merge_readiness(arguments)).await
            }
            Request::FindUnresolvedComments(arguments) => {
                Box::pin(self.find_unresolved_comments(arguments)).await
            }
            Request::ResolveReviewThread(arguments) => {
                Box::pin(self.resolve_review_thread(arguments)).await
            }
            Request::ManageStackedPrs(arguments) => {
                Box::pin(self.manage_stacked_prs(arguments)).await
            }
            Request::DetectMergeConflicts(arguments) => {
                Box::pin(self.detect_merge_conflicts(arguments)).await
            }
            Request::AnalyzePrImpact(arguments) => {
                Box::pin(self.analyze_pr_impact(arguments)).await
            }
            Request::GetReviewSuggestions(arguments) => {
                Box::pin(self.get_review_suggestions(arguments)).await
            }
            Request::SystemHealth(arguments) => Box::pin(self.system_health(arguments)).await,
        }
    }

    /// A repository that ALLOWED_REPOS lets in.
    pub fn repo(&self, given: &str) -> Result<RepoName, ApiError> {
        let repo = given.parse()?;
        self.owner_lets_in(&repo)?;
        Ok(repo)
    }

    /// Refuses a repository that ALLOWED_REPOS of this process does not let in.
    pub fn owner_lets_in(&self, repo: &RepoName) -> Result<(), ApiError> {
        if RepoPattern::let_in(&self.settings.allowed, repo) {
            return Ok(());
        }
        let pid = self.settings.owner.pid;
        let message = format!("{repo} is not among ALLOWED_REPOS of process {pid}, the owner");
        Err(not_allowed(message))
    }

    pub fn host(&self) -> &Host {
        self.gh.host()
    }

    pub fn key(&self, repo: RepoName, number: u64) -> IssueKey {
        IssueKey {
            host: self.host().clone(),
            repo,
            number,
        }
    }

    pub fn perform(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Answer, ApiError>> + use<> {
        let performed = self.coordinator.perform(operation);
        async move { performed.await.map_err(|error| error.to_api()) }
    }

    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&crate::coordinator::View<'_>) -> R + Send + 'static,
    ) -> Result<R, ApiError> {
        self.coordinator
            .read(read)
            .await
            .map_err(|error: CoordinatorError| error.to_api())
    }

    /// What is waited for, or `shutting_down` as soon as the desk is closed.
    pub async fn unless_closing<T>(&self, wait: impl Future<Output = T>) -> Result<T, ApiError> {
        let waited = self.closing.run_until_cancelled(wait).await;
        waited.ok_or_else(|| CoordinatorError::Stopped.to_api())
    }

    /// Waits for the first sync when nothing is known yet; says why nothing is known if it failed.
    pub async fn catalogue_ready(&self) -> Result<(), ApiError> {
        const PATIENCE: Duration = Duration::from_secs(25);
        let known = self.read(|view| {
            (
                view.catalogue.synced_at().is_some(),
                view.catalogue.repos().next().is_some(),
            )
        });
        let (complete, some) = known.await?;
        let tried = self.syncer.reports().borrow().runs > 0;
        if complete || tried && (some || self.outage().is_none()) {
            return Ok(());
        }
        let first = tokio::time::timeout(PATIENCE, self.syncer.first_run());
        let first = self.unless_closing(first).await?;
        match self.outage() {
            Some(problem) => Err(problem.to_api()),
            None if first.is_err() => Err(ApiError::new(
                Category::Api,
                "not_synced_yet",
                "the first look at GitHub is still under way",
                "call again in a few seconds",
            )
            .retry_after(5)),
            None => Ok(()),
        }
    }

    /// Why the catalogue may be behind.
    pub fn outage(&self) -> Option<GhError> {
        self.syncer.reports().borrow().problem.clone()
    }

    /// A warning when the catalogue is behind: how old it is, and why.
    pub fn age_warning(
        &self,
        synced_at: Option<jiff::Timestamp>,
        now: jiff::Timestamp,
    ) -> Option<String> {
        self.outage()
            .map(|problem| cached(synced_at, now, &problem))
    }
}

/// Says that an answer comes from the cache: how old it is, and why.
pub(super) fn cached(
    synced_at: Option<jiff::Timestamp>,
    now: jiff::Timestamp,
    problem: &GhError,
) -> String {
    match synced_at.filter(|at| *at > jiff::Timestamp::UNIX_EPOCH) {
        Some(at) => {
            let age = words_for(now.duration_since(at).as_secs().max(0));
            format!("as known {age} ago: {problem}")
        }
        None => format!("from the cache: {problem}"),
    }
}

fn words_for(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} minutes", seconds / 60),
        _ => format!("{} hours", seconds / 3_600),
    }
}

/// The refusal of a repository that a list does not let in.
pub(super) fn not_allowed(message: String) -> ApiError {
    ApiError::new(
        Category::User,
        "repo_not_allowed",
        message,
        "list_repos shows the repositories that may be used",
    )
}

/// The agent that a call names.
pub(super) fn required_agent(given: Option<&str>) -> Result<AgentId, ApiError> {
    optional_agent(given)?.ok_or_else(|| {
        ApiError::invalid(
            "agent_id is missing",
            "name yourself with agent_id, the same in every call",
        )
    })
}

/// The agent that a call names, if it names one.
pub(super) fn optional_agent(given: Option<&str>) -> Result<Option<AgentId>, ApiError> {
    given.map(str::parse).transpose()
}

/// A note of bounded length without control characters other than line breaks.
pub(super) fn note(field: &str, given: Option<String>) -> Result<Option<Arc<str>>, ApiError> {
    let Some(note) = given.filter(|note| !note.is_empty()) else {
        return Ok(None);
    };
    let strange =
        |character: char| character.is_control() && !matches!(character, '\n' | '\t' | '\r');
    if note.contains(strange) {
        return Err(ApiError::invalid(
            format!("{field} has control characters in it"),
            "send plain text; line breaks and tabs may be in it",
        ));
    }
    if note.len() > limits::NOTE_BYTES_MAX {
        return Err(ApiError::invalid(
            format!("{field} is longer than {} bytes", limits::NOTE_BYTES_MAX),
            "shorten it; long explanations belong into the issue or the pull request",
        ));
    }
    Ok(Some(note.into()))
}

/// A label or a milestone that is looked for: one that no issue can have is a slip, and an empty
/// list would hide it.
pub(super) fn sought(field: &str, given: &str) -> Result<(), ApiError> {
    // GitHub's own bound for the title of a milestone; labels are shorter.
    const CHARS_MAX: usize = 255;
    let is_name = !given.trim().is_empty() && !given.contains(char::is_control);
    if is_name && given.chars().count() <= CHARS_MAX {
        return Ok(());
    }
    Err(ApiError::invalid(
        format!("{field} must be 1 to {CHARS_MAX} characters without control characters"),
        "write it as GitHub shows it, or leave it out",
    ))
}

/// An issue number.
pub(super) fn issue_number(number: u64) -> Result<u64, ApiError> {
    // GitHub's numbers are 32 bit integers.
    if (1..=u64::from(u32::MAX >> 1)).contains(&number) {
        Ok(number)
    } else {
        Err(ApiError::invalid(
            "issue_number must be the number of an issue",
            "list_open_issues shows the numbers",
        ))
    }
}
