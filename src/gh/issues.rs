//! Verbs about issues and pull requests, one by one or in lists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::{Call, Effect, Gh};
use super::error::GhError;
use super::graphql::typed;
use super::issue_nodes::DetailsNode;
use super::issue_rest::{RestIssue, RestPull, RestRepo};
use super::sync_queries::{ProbeScope, RepoProbe};
use crate::domain::{
    IssueState, IssueSummary, PullRequestState, PullRequestSummary, RepoName, limits,
};
use crate::process::Priority;

/// An issue with what is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedIssue {
    /// What the catalogue keeps.
    pub summary: IssueSummary,
    /// Its text, as its author wrote it.
    pub body: String,
    /// Address of its page.
    pub url: String,
    /// Login of its author.
    pub author: Option<String>,
}

impl FetchedIssue {
    /// Its repository as GitHub spells it, which may be other than in `known`.
    pub fn repo(&self, known: &RepoName) -> RepoName {
        // https://HOST/OWNER/NAME/issues/NUMBER
        let mut parts = self.url.rsplit('/').skip(2);
        let told = match (parts.next(), parts.next()) {
            (Some(name), Some(owner)) => format!("{owner}/{name}").parse().ok(),
            _ => None,
        };
        told.filter(|told| told == known)
            .unwrap_or_else(|| known.clone())
    }
}

/// What became of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueLookup {
    /// It is there.
    Found(Box<FetchedIssue>),
    /// The number belongs to a pull request.
    IsPullRequest,
    /// It lives in another repository now.
    Transferred,
    /// It was deleted.
    Deleted,
    /// GitHub does not show it: deleted, converted to a discussion, or out of reach.
    Unknown,
}

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Login of its author.
    pub author: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// Its text.
    pub body: String,
}

/// Another issue or a pull request, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedIssue {
    /// `owner/name`, when it is another repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Its number.
    pub number: u64,
    /// Its state, in lower case.
    pub state: String,
    /// Its title.
    pub title: String,
}

/// An issue with its surroundings.
#[derive(Clone, Debug)]
pub struct IssueDetails {
    /// The issue.
    pub issue: FetchedIssue,
    /// Number of comments in all.
    pub comments_total: u64,
    /// The newest comments that were asked for, oldest first.
    pub comments: Vec<Comment>,
    /// Where older comments begin.
    pub older: Option<String>,
    /// Pull requests that will close it or have.
    pub pull_requests: Vec<LinkedIssue>,
    /// Issues that block it; `None` where this server has no issue dependencies.
    pub blocked_by: Option<Vec<LinkedIssue>>,
}

/// A page of a repository's issues.
#[derive(Clone, Debug)]
pub struct IssueListing {
    /// Issues, pull requests left out.
    pub issues: Vec<IssueSummary>,
    /// When the last on the page changed, be it a pull request.
    pub last_updated: Option<Timestamp>,
    /// The next page.
    pub next_page: Option<u32>,
}

impl Gh {
    /// Looks at one issue. Costs no point while it is unchanged.
    pub async fn issue(
        &self,
        repo: &RepoName,
        number: u64,
        priority: Priority,
    ) -> Result<IssueLookup, GhError> {
        let path = format!("repos/{repo}/issues/{number}");
        let response = match self.call(Call::get(&path).priority(priority)).await {
            Ok(response) => response,
            Err(GhError::Gone(_)) => return Ok(IssueLookup::Deleted),
            Err(GhError::NotFound(_)) => return Ok(IssueLookup::Unknown),
            Err(error) => return Err(error),
        };
        let issue: RestIssue = response.json()?;
        // gh follows the redirect of a transferred issue to its new place.
        if issue.number != number || !issue.is_in(repo) {
            return Ok(IssueLookup::Transferred);
        }
        if issue.pull_request.is_some() {
            return Ok(IssueLookup::IsPullRequest);
        }
        Ok(IssueLookup::Found(Box::new(issue.into_fetched())))
    }

    /// Whether the repository can be seen, and whether it is archived.
    pub async fn repository_is_archived(&self, repo: &RepoName) -> Result<bool, GhError> {
        #[derive(Deserialize)]
        struct Repository {
            #[serde(default)]
            archived: bool,
        }
        let path = format!("repos/{repo}");
        let Repository { archived } = self.call(Call::get(&path)).await?.json()?;
        Ok(archived)
    }

    /// A pull request's state.
    pub async fn pull_request(
        &self,
        repo: &RepoName,
        number: u64,
        priority: Priority,
    ) -> Result<PullRequestSummary, GhError> {
        let path = format!("repos/{repo}/pulls/{number}");
        let call = Call::get(&path).priority(priority);
        let pull: RestPull = self.call(call).await?.json()?;
        let merged = pull.merged || pull.merged_at.is_some();
        let state = match (pull.state, merged) {
            (_, true) => PullRequestState::Merged,
            (IssueState::Open, _) => PullRequestState::Open,
            (IssueState::Closed, _) => PullRequestState::Closed,
        };
        Ok(PullRequestSummary {
            number: pull.number,
            title: pull.title,
            state,
            draft: pull.draft,
            url: pull.html_url,
            closes: Vec::new(),
            updated_at: pull.updated_at,
        })
    }

    /// Closes an issue as completed. Returns whether it was open before.
    pub async fn close_issue(&self, repo: &RepoName, number: u64) -> Result<bool, GhError> {
        if !self.is_open(repo, number).await? {
            return Ok(false);
        }
        let path = format!("repos/{repo}/issues/{number}");
        let body = json!({ "state": "closed", "state_reason": "completed" });
        let call = || Call {
            method: "PATCH",
            body: Some(body.to_string().into_bytes()),
            conditional: false,
            effect: Effect::Changes,
            ..Call::get(&path).priority(Priority::Claim)
        };
        for last in [false, true] {
            match self.call(call()).await {
                Ok(_) => return Ok(true),
                // It may have landed although the answer was lost.
                Err(error) if error.is_transient() => match self.is_open(repo, number).await {
                    Ok(false) => return Ok(true),
                    Ok(true) if !last => {}
                    _ => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Err(GhError::Malformed("the issue stays open".to_owned()))
    }

    async fn is_open(&self, repo: &RepoName, number: u64) -> Result<bool, GhError> {
        match self.issue(repo, number, Priority::Claim).await? {
            IssueLookup::Found(issue) => Ok(issue.summary.state == IssueState::Open),
            IssueLookup::Deleted => Err(GhError::Gone(format!("{repo}#{number}"))),
            _ => Err(GhError::NotFound(format!("{repo}#{number}"))),
        }
    }

    /// All repositories in scope, by REST: for servers that refuse GraphQL. Counts and times of
    /// changes are not told.
    pub async fn repositories_by_rest(
        &self,
        scope: &ProbeScope,
    ) -> Result<Vec<RepoProbe>, GhError> {
        let mut found = Vec::new();
        if let ProbeScope::Named(names) = scope {
            for name in names {
                let path = format!("repos/{name}");
                match self.call(Call::get(&path)).await {
                    Ok(response) => found.extend(response.json::<RestRepo>()?.into_probe()),
                    Err(GhError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(found);
        }
        let base = match scope {
            ProbeScope::Owner(owner) => format!("users/{owner}/repos?per_page=100&sort=full_name"),
            _ => "user/repos?per_page=100&sort=full_name".to_owned(),
        };
        for page in 1..=limits::PAGES_MAX {
            let path = format!("{base}&page={page}");
            let response = self.call(Call::get(&path)).await?;
            let more = response.has_next_page();
            let repos: Vec<RestRepo> = response.json()?;
            found.extend(repos.into_iter().filter_map(RestRepo::into_probe));
            if !more {
                break;
            }
        }
        Ok(found)
    }

    /// A page of issues with any state, newest change first, straight from GitHub.
    pub async fn list_issues(
        &self,
        repo: &RepoName,
        state: &str,
        labels: &[String],
        per_page: u32,
        page: u32,
    ) -> Result<IssueListing, GhError> {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let mut path = format!(
            "repos/{repo}/issues?state={state}&sort=updated&direction=desc&per_page={per_page}&page={page}"
        );
        if !labels.is_empty() {
            let labels = labels.join(",");
            path.push_str("&labels=");
            path.extend(utf8_percent_encode(&labels, NON_ALPHANUMERIC));
        }
        let response = self.call(Call::get(&path)).await?;
        // GitHub's links name the repository by its number: only whether there is a next page counts.
        let next_page = response.has_next_page().then_some(page + 1);
        let issues: Vec<RestIssue> = response.json()?;
        let last_updated = issues.last().map(|issue| issue.updated_at);
        let issues = issues
            .into_iter()
            .filter(|issue| issue.pull_request.is_none())
            .map(|issue| issue.into_fetched().summary)
            .collect();
        Ok(IssueListing {
            issues,
            last_updated,
            next_page,
        })
    }

    /// An issue with its newest comments, linked pull requests and blockers, in one call.
    pub async fn issue_details(
        &self,
        repo: &RepoName,
        number: u64,
        comments: u32,
        before: Option<&str>,
    ) -> Result<IssueDetails, GhError> {
        let lacks = self.lacks_dependencies();
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let first = self
            .query_details(repo, number, comments, before, !lacks.load(relaxed))
            .await;
        match first {
            Err(GhError::QueryRefused(reason))
                if reason.contains("blocked") || reason.contains("Depend") =>
            {
                lacks.store(true, relaxed);
                self.query_details(repo, number, comments, before, false)
                    .await
            }
            other => other,
        }
    }

    async fn query_details(
        &self,
        repo: &RepoName,
        number: u64,
        comments: u32,
        before: Option<&str>,
        with_blockers: bool,
    ) -> Result<IssueDetails, GhError> {
        let blockers = if with_blockers {
            "issueDependenciesSummary{blockedBy} \
             blockedBy(first:20){nodes{number title state repository{nameWithOwner}}}"
        } else {
            ""
        };
        let document = format!(
            "query($owner:String!,$name:String!,$number:Int!,$last:Int!,$before:String){{\
             repository(owner:$owner,name:$name){{issue(number:$number){{\
             number title state body url createdAt updatedAt author{{login}} \
             labels(first:20){{nodes{{name}}}} assignees(first:10){{nodes{{login}}}} \
             milestone{{title dueOn}} \
             comments(last:$last,before:$before){{totalCount pageInfo{{hasPreviousPage startCursor}} \
             nodes{{author{{login}} createdAt body}}}} \
             closedByPullRequestsReferences(first:10,includeClosedPrs:true){{nodes{{\
             number title state repository{{nameWithOwner}}}}}} {blockers}}}}}}}"
        );
        let mut variables = Map::new();
        variables.insert("owner".into(), repo.owner().into());
        variables.insert("name".into(), repo.name().into());
        variables.insert("number".into(), number.into());
        variables.insert("last".into(), comments.into());
        variables.insert("before".into(), before.map_or(Value::Null, Into::into));
        let mut answer = self.query(&document, variables, Priority::Ordinary).await?;
        let missing = || GhError::NotFound(format!("{repo}#{number}"));
        let node = answer.take("repository").and_then(|mut repository| {
            repository
                .get_mut("issue")
                .map(Value::take)
                .filter(|issue| !issue.is_null())
        });
        let node: DetailsNode = typed(node.ok_or_else(missing)?)?;
        Ok(node.into_details(repo))
    }
}
