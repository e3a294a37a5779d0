//! Queries of the periodic sync: a probe that tells which repositories changed, and deltas for
//! those. Several repositories share one gh process: one process start costs as much as the
//! payload of thousands of issues.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Gh;
use super::error::GhError;
use super::graphql::{Answer, QueryError, typed};
use super::issue_nodes::IssueNode;
use super::sync_nodes::{Connection, DeltaNode, PageInfo, ProbeNode};
use crate::domain::{IssueSummary, PullRequestSummary, RepoName};
use crate::process::Priority;

/// Where to look for repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeScope {
    /// Everything the account can reach: its own, shared and organisations' repositories.
    Viewer,
    /// One account's repositories.
    Owner(String),
    /// These.
    Named(Vec<RepoName>),
}

/// What a probe tells of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoProbe {
    /// Its name as GitHub writes it.
    pub name: RepoName,
    /// Whether it is private.
    pub private: bool,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether it has issues at all.
    pub has_issues: bool,
    /// When an issue last changed.
    pub issues_updated_at: Option<Timestamp>,
    /// Number of open issues.
    pub open_issues: u64,
    /// When a pull request last changed.
    pub pulls_updated_at: Option<Timestamp>,
    /// Number of open pull requests.
    pub open_pulls: u64,
}

/// A page of a probe.
#[derive(Clone, Debug, Default)]
pub struct ProbePage {
    /// What was found.
    pub repositories: Vec<RepoProbe>,
    /// Named repositories that GitHub does not show.
    pub missing: Vec<RepoName>,
    /// Owners that GitHub does not show.
    pub unseen: Vec<String>,
    /// Why repositories were left out of which nothing is known: that they are gone cannot be told.
    pub unknown: Option<GhError>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl ProbePage {
    /// Adds what another page told.
    pub fn add(&mut self, page: Self) {
        self.repositories.extend(page.repositories);
        self.missing.extend(page.missing);
        self.unknown = self.unknown.take().or(page.unknown);
    }

    /// Adds what was found in a scope. An owner that GitHub does not show is left out, as a named
    /// repository is.
    pub fn add_scope(
        &mut self,
        scope: &ProbeScope,
        page: Result<Self, GhError>,
    ) -> Result<(), GhError> {
        match (page, scope) {
            (Ok(page), _) => self.add(page),
            (Err(GhError::NotFound(_)), ProbeScope::Owner(owner)) => {
                self.unseen.push(owner.clone());
            }
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }
}

/// What to fetch of one repository.
#[derive(Clone, Debug)]
pub struct DeltaRequest {
    /// Which one.
    pub repo: RepoName,
    /// Issues changed since then, with any state; `None` for all that are open.
    pub issues_since: Option<Timestamp>,
    /// Where the page of issues begins; `Some(None)` is the first one, `None` no issues.
    pub issues_after: Option<Option<String>>,
    /// Where the page of pull requests begins, in the same way.
    pub pulls_after: Option<Option<String>>,
    /// Pull requests with any state, newest change first; otherwise all that are open.
    pub pulls_any_state: bool,
    /// How many issues a page has (at most 100).
    pub page_size: u32,
}

/// A pull request with the issues that it will close anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedPullRequest {
    /// What the catalogue keeps; `closes` has the issues of its own repository.
    pub summary: PullRequestSummary,
    /// Issues of other repositories that it will close.
    pub closes_elsewhere: Vec<(RepoName, u64)>,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
}

/// What came of one request. Requests of which GitHub did not tell have no page.
#[derive(Clone, Debug)]
pub struct DeltaPage {
    /// Which repository.
    pub repo: RepoName,
    /// Issues, oldest change first.
    pub issues: Vec<IssueSummary>,
    /// Where the next page of issues begins.
    pub issues_next: Option<String>,
    /// Pull requests.
    pub pulls: Vec<SyncedPullRequest>,
    /// Where the next page of pull requests begins.
    pub pulls_next: Option<String>,
}

const PROBE_FIELDS: &str = "fragment R on Repository{nameWithOwner isPrivate isArchived \
    hasIssuesEnabled latest:issues(first:1,orderBy:{field:UPDATED_AT,direction:DESC}){nodes{updatedAt}} \
    open:issues(states:OPEN){totalCount} \
    latestPull:pullRequests(first:1,orderBy:{field:UPDATED_AT,direction:DESC}){nodes{updatedAt}} \
    openPulls:pullRequests(states:OPEN){totalCount}}";

const ISSUE_FIELDS: &str = "fragment I on Issue{number title state createdAt updatedAt \
    discussion:comments{totalCount} labels(first:20){nodes{name}} assignees(first:10){nodes{login}} \
    milestone{title dueOn}";

const PULL_FIELDS: &str = "fragment P on PullRequest{number title state isDraft url updatedAt mergedAt \
    closingIssuesReferences(first:10){nodes{number repository{nameWithOwner}}}}";

impl Gh {
    /// One page of repositories with what tells whether they changed.
    pub async fn probe(
        &self,
        scope: &ProbeScope,
        page_size: u32,
        after: Option<&str>,
    ) -> Result<ProbePage, GhError> {
        match scope {
            ProbeScope::Viewer => self.probe_list("viewer", None, page_size, after).await,
            ProbeScope::Owner(owner) => {
                self.probe_list("owner", Some(owner), page_size, after)
                    .await
            }
            ProbeScope::Named(names) => self.probe_named(names).await,
        }
    }

    async fn probe_list(
        &self,
        root: &str,
        owner: Option<&str>,
        page_size: u32,
        after: Option<&str>,
    ) -> Result<ProbePage, GhError> {
        let page = "pageInfo{hasNextPage endCursor}nodes{...R}";
        let order = "orderBy:{field:NAME,direction:ASC}";
        let (parameters, selection) = if owner.is_some() {
            let list = format!("repositories(first:$first,after:$after,{order}){{{page}}}");
            (
                ",$owner:String!",
                format!("viewer{{login}} owner:repositoryOwner(login:$owner){{{list}}}"),
            )
        } else {
            let who = "[OWNER,COLLABORATOR,ORGANIZATION_MEMBER]";
            let list = format!(
                "repositories(first:$first,after:$after,affiliations:{who},ownerAffiliations:{who},{order}){{{page}}}"
            );
            ("", format!("viewer{{login {list}}}"))
        };
        let document =
            format!("query($first:Int!,$after:String{parameters}){{{selection}}} {PROBE_FIELDS}");
        let mut variables = Map::new();
        variables.insert("first".into(), page_size.into());
        variables.insert("after".into(), after.map_or(Value::Null, Into::into));
        if let Some(owner) = owner {
            variables.insert("owner".into(), owner.into());
        }
        let mut answer = self.query(&document, variables, Priority::Ordinary).await?;
        self.note_viewer(&mut answer, root == "viewer");
        let found = answer.take(root).and_then(|mut node| {
            node.get_mut("repositories")
                .map(Value::take)
                .filter(|list| !list.is_null())
        });
        let Some(found) = found else {
            let missing = GhError::NotFound(owner.unwrap_or("the account").to_owned());
            return Err(unexplained(&answer, root).unwrap_or(missing));
        };
        let list: Connection<Option<ProbeNode>> = typed(found)?;
        let next = list.page_info.and_then(PageInfo::next);
        let nulls = list.nodes.iter().filter(|node| node.is_none()).count();
        let hidden = answer.errors.iter().filter(|error| hides(error)).count();
        let unknown = (nulls > hidden).then(|| not_told(&answer, root));
        let nodes = list.nodes.into_iter().flatten();
        Ok(ProbePage {
            repositories: nodes.filter_map(ProbeNode::into_probe).collect(),
            unknown,
            next,
            ..ProbePage::default()
        })
    }

    fn note_viewer(&self, answer: &mut Answer, keep: bool) {
        let viewer = answer
            .data
            .get("viewer")
            .and_then(|viewer| viewer.get("login"));
        if let Some(login) = viewer.and_then(Value::as_str) {
            self.note_login(login);
        }
        if !keep {
            answer.take("viewer");
        }
    }

    async fn probe_named(&self, names: &[RepoName]) -> Result<ProbePage, GhError> {
        let mut document = String::from("query(");
        let mut variables = Map::new();
        for (index, name) in names.iter().enumerate() {
            let _ = write!(document, "$o{index}:String!,$n{index}:String!,");
            variables.insert(format!("o{index}"), name.owner().into());
            variables.insert(format!("n{index}"), name.name().into());
        }
        document.push_str("){viewer{login} ");
        for index in 0..names.len() {
            let _ = write!(
                document,
                "r{index}:repository(owner:$o{index},name:$n{index}){{...R}} "
            );
        }
        let _ = write!(document, "}} {PROBE_FIELDS}");
        let mut answer = self.query(&document, variables, Priority::Ordinary).await?;
        self.note_viewer(&mut answer, false);
        let mut page = ProbePage::default();
        for (index, name) in names.iter().enumerate() {
            let alias = format!("r{index}");
            match answer.take(&alias) {
                Some(node) => page
                    .repositories
                    .extend(typed::<ProbeNode>(node)?.into_probe()),
                None if answer.error_at(&alias).is_some_and(hides) => {
                    page.missing.push(name.clone());
                }
                None => page.unknown = Some(not_told(&answer, &alias)),
            }
        }
        Ok(page)
    }

    /// Pages of several repositories in one process. A repository that GitHub did not answer is
    /// left out.
    pub async fn deltas(&self, requests: &[DeltaRequest]) -> Result<Vec<DeltaPage>, GhError> {
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let with_dependencies = !self.lacks_dependencies().load(relaxed);
        let (document, variables) = delta_query(requests, with_dependencies);
        match self.query(&document, variables, Priority::Ordinary).await {
            Ok(answer) => parse_deltas(requests, answer),
            // An older Enterprise server: once more without the field, and never again with it.
            Err(GhError::QueryRefused(reason))
                if with_dependencies && reason.contains("Depend") =>
            {
                self.lacks_dependencies().store(true, relaxed);
                let (document, variables) = delta_query(requests, false);
                let answer = self.query(&document, variables, Priority::Ordinary).await?;
                parse_deltas(requests, answer)
            }
            Err(error) => Err(error),
        }
    }

    /// How some issues stand now, whether they changed or not, in one process. One that GitHub does
    /// not tell is left out.
    pub async fn issues_anew(
        &self,
        wanted: &[(RepoName, Vec<u64>)],
    ) -> Result<Vec<(RepoName, Vec<IssueSummary>)>, GhError> {
        let (document, variables) = anew_query(wanted);
        let mut answer = self.query(&document, variables, Priority::Ordinary).await?;
        let mut found = Vec::new();
        for (index, (repo, _)) in wanted.iter().enumerate() {
            if let Some(node) = answer.take(&format!("r{index}")) {
                let issues: BTreeMap<String, Option<IssueNode>> = typed(node)?;
                let issues = issues.into_values().flatten().map(IssueNode::into_summary);
                found.push((repo.clone(), issues.collect()));
            }
        }
        Ok(found)
    }

    /// Numbers of all open issues of a repository, for the comparison with what is known.
    pub async fn open_numbers(&self, repo: &RepoName) -> Result<Vec<u64>, GhError> {
        #[derive(Deserialize)]
        struct Numbered {
            number: u64,
        }
        let document = "query($owner:String!,$name:String!,$after:String){\
            repository(owner:$owner,name:$name){issues(first:100,after:$after,states:OPEN){\
            pageInfo{hasNextPage endCursor} nodes{number}}}}";
        let mut numbers = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..crate::domain::limits::PAGES_MAX {
            let mut variables = Map::new();
            variables.insert("owner".into(), repo.owner().into());
            variables.insert("name".into(), repo.name().into());
            variables.insert("after".into(), after.map_or(Value::Null, Into::into));
            let mut answer = self.query(document, variables, Priority::Ordinary).await?;
            let list = answer.take("repository").and_then(|mut node| {
                node.get_mut("issues")
                    .map(Value::take)
                    .filter(|list| !list.is_null())
            });
            let list = list.ok_or_else(|| GhError::NotFound(repo.to_string()))?;
            let list: Connection<Numbered> = typed(list)?;
            numbers.extend(list.nodes.into_iter().map(|node| node.number));
            after = list.page_info.and_then(PageInfo::next);
            if after.is_none() {
                break;
            }
        }
        Ok(numbers)
    }
}

/// GitHub says that something is not there for this login, rather than leaving the answer out.
fn hides(error: &QueryError) -> bool {
    matches!(error.kind.as_deref(), Some("NOT_FOUND" | "FORBIDDEN"))
}

/// An error about an alias that says something else.
fn unexplained(answer: &Answer, alias: &str) -> Option<GhError> {
    let mut errors = answer.errors.iter();
    let error = errors.find(|error| error.is_at(alias) && !hides(error))?;
    Some(GhError::Upstream {
        status: 200,
        message: error.explain(),
    })
}

/// Why nothing is known of what an alias should have told.
fn not_told(answer: &Answer, alias: &str) -> GhError {
    unexplained(answer, alias).unwrap_or_else(|| {
        GhError::Malformed("a repository was left out without a reason".to_owned())
    })
}

fn delta_query(requests: &[DeltaRequest], with_dependencies: bool) -> (String, Map<String, Value>) {
    let mut parameters = String::new();
    let mut selections = String::new();
    let mut variables = Map::new();
    let (mut any_issues, mut any_pulls) = (false, false);
    for (index, request) in requests.iter().enumerate() {
        let _ = write!(parameters, "$o{index}:String!,$n{index}:String!,");
        variables.insert(format!("o{index}"), request.repo.owner().into());
        variables.insert(format!("n{index}"), request.repo.name().into());
        let _ = write!(
            selections,
            "r{index}:repository(owner:$o{index},name:$n{index}){{nameWithOwner "
        );
        if let Some(after) = &request.issues_after {
            any_issues = true;
            let _ = write!(parameters, "$i{index}:String,");
            variables.insert(
                format!("i{index}"),
                after.clone().map_or(Value::Null, Into::into),
            );
            let filter = if let Some(since) = request.issues_since {
                let _ = write!(parameters, "$s{index}:DateTime,");
                variables.insert(format!("s{index}"), since.to_string().into());
                format!("filterBy:{{since:$s{index}}}")
            } else {
                "states:OPEN".to_owned()
            };
            let _ = write!(
                selections,
                "issues(first:{},after:$i{index},{filter},orderBy:{{field:UPDATED_AT,direction:ASC}})\
                 {{pageInfo{{hasNextPage endCursor}} nodes{{...I}}}} ",
                request.page_size
            );
        }
        if let Some(after) = &request.pulls_after {
            any_pulls = true;
            let _ = write!(parameters, "$p{index}:String,");
            variables.insert(
                format!("p{index}"),
                after.clone().map_or(Value::Null, Into::into),
            );
            let states = if request.pulls_any_state {
                ""
            } else {
                "states:OPEN,"
            };
            let _ = write!(
                selections,
                "pullRequests(first:{},after:$p{index},{states}orderBy:{{field:UPDATED_AT,direction:DESC}})\
                 {{pageInfo{{hasNextPage endCursor}} nodes{{...P}}}} ",
                if request.pulls_any_state { 25 } else { 50 }
            );
        }
        selections.push_str("} ");
    }
    let mut document = format!("query({parameters}){{{selections}}}");
    if any_issues {
        let dependencies = if with_dependencies {
            " issueDependenciesSummary{blockedBy}}"
        } else {
            "}"
        };
        let _ = write!(document, " {ISSUE_FIELDS}{dependencies}");
    }
    if any_pulls {
        let _ = write!(document, " {PULL_FIELDS}");
    }
    (document, variables)
}

fn anew_query(wanted: &[(RepoName, Vec<u64>)]) -> (String, Map<String, Value>) {
    let mut parameters = String::new();
    let mut selections = String::new();
    let mut variables = Map::new();
    for (index, (repo, numbers)) in wanted.iter().enumerate() {
        let _ = write!(parameters, "$o{index}:String!,$n{index}:String!,");
        variables.insert(format!("o{index}"), repo.owner().into());
        variables.insert(format!("n{index}"), repo.name().into());
        let _ = write!(
            selections,
            "r{index}:repository(owner:$o{index},name:$n{index}){{"
        );
        for number in numbers {
            let _ = write!(selections, "i{number}:issue(number:{number}){{...I}} ");
        }
        selections.push_str("} ");
    }
    let document = format!(
        "query({parameters}){{{selections}}} {ISSUE_FIELDS} issueDependenciesSummary{{blockedBy}}}}"
    );
    (document, variables)
}

fn parse_deltas(requests: &[DeltaRequest], mut answer: Answer) -> Result<Vec<DeltaPage>, GhError> {
    let mut pages = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        if let Some(node) = answer.take(&format!("r{index}")) {
            let node: DeltaNode = typed(node)?;
            pages.push(node.into_page(request));
        }
    }
    Ok(pages)
}
