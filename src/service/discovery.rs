//! Lists of repositories and of issues.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Reply;
use super::arguments::{FetchIssues, ListOpenIssues, ListRepos};
use super::desk::{Parts, sought};
use crate::coordinator::View;
use crate::domain::cursor::{self, Page};
use crate::domain::{AgentId, ApiError, Category, IssueSummary, RepoName, RepoPattern};

/// Most issues of one page that is fetched from GitHub.
const LIVE_PAGE_MAX: usize = 50;

#[derive(Serialize)]
struct RepoRow {
    repo: RepoName,
    open_issues: u64,
    claimed: u64,
    private: bool,
    synced_at: Timestamp,
}

#[derive(Serialize)]
struct ReposPage {
    repos: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct IssueRow {
    number: u64,
    title: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<crate::domain::IssueState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milestone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<String>,
    age_days: u64,
    comments: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_by: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<String>,
}

#[derive(Serialize)]
struct IssuesPage {
    issues: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Parts {
    pub(super) async fn list_repos(
        &self,
        arguments: ListRepos,
        within: Vec<RepoPattern>,
    ) -> Result<Reply, ApiError> {
        let limit = cursor::page_size(arguments.limit, 50, 200)?;
        let filters = ListRepos {
            cursor: None,
            limit: None,
            ..arguments.clone()
        };
        let after = match &arguments.cursor {
            Some(given) => Some(cursor::read("list_repos", &filters, given)?.parse::<RepoName>()?),
            None => None,
        };
        if let Some(owner) = &arguments.owner
            && format!("{owner}/*").parse::<RepoPattern>().is_err()
        {
            return Err(ApiError::invalid(
                "owner must be the name of a GitHub account",
                "write it without a slash, for example octo-org, or leave it out for all",
            ));
        }
        self.catalogue_ready().await?;
        let owner = arguments.owner;
        let (rows, synced_at, now) = self
            .read(move |view| {
                let rows: Vec<RepoRow> = repo_rows(view, owner.as_deref())
                    .filter(|row| RepoPattern::let_in(&within, &row.repo))
                    .filter(|row| after.as_ref().is_none_or(|after| row.repo > *after))
                    .collect();
                (rows, view.catalogue.synced_at(), view.now)
            })
            .await?;
        let mut page = Page::new(limit);
        let last = page.fill(rows.into_iter().map(|row| (row.repo.clone(), row)))?;
        let make = |repo: RepoName| cursor::make("list_repos", &filters, repo.as_str());
        Reply::new(&ReposPage {
            repos: page.items,
            next_cursor: last.map(make),
            warnings: self.age_warning(synced_at, now).into_iter().collect(),
        })
    }

    pub(super) async fn list_open_issues(
        &self,
        arguments: ListOpenIssues,
    ) -> Result<Reply, ApiError> {
        let limit = cursor::page_size(arguments.limit, 20, 100)?;
        let filters = ListOpenIssues {
            cursor: None,
            limit: None,
            ..arguments.clone()
        };
        let skip = cursor::read_number("list_open_issues", &filters, arguments.cursor.as_deref())?;
        let repo = self.repo(&arguments.repo)?;
        for (field, given) in [
            ("label", &arguments.label),
            ("milestone", &arguments.milestone),
        ] {
            given.iter().try_for_each(|given| sought(field, given))?;
        }
        self.catalogue_ready().await?;
        let labels: Vec<String> = arguments.label.into_iter().collect();
        let listing = Listing {
            repo,
            labels,
            milestone: arguments.milestone,
            claimed_too: false,
        };
        self.catalogue_page("list_open_issues", &filters, listing, skip, limit)
            .await
    }

    pub(super) async fn fetch_issues(&self, arguments: FetchIssues) -> Result<Reply, ApiError> {
        let limit = cursor::page_size(arguments.limit, 10, LIVE_PAGE_MAX)?;
        let filters = FetchIssues {
            cursor: None,
            ..arguments.clone()
        };
        let repo = self.repo(&arguments.repo)?;
        let labels = arguments.labels.unwrap_or_default();
        labels
            .iter()
            .try_for_each(|label| sought("labels", label))?;
        match arguments.state.as_deref().unwrap_or("open") {
            "open" => {
                let skip =
                    cursor::read_number("fetch_issues", &filters, arguments.cursor.as_deref())?;
                self.catalogue_ready().await?;
                let listing = Listing {
                    repo,
                    labels,
                    milestone: None,
                    claimed_too: true,
                };
                self.catalogue_page("fetch_issues", &filters, listing, skip, limit)
                    .await
            }
            state @ ("closed" | "all") => {
                self.live_page(
                    &filters,
                    repo,
                    state,
                    &labels,
                    arguments.cursor.as_deref(),
                    limit,
                )
                .await
            }
            _ => Err(ApiError::invalid(
                "state must be open, closed or all",
                "leave it out for open issues",
            )),
        }
    }

    async fn catalogue_page(
        &self,
        tool: &str,
        filters: &impl Serialize,
        listing: Listing,
        skip: Option<u64>,
        limit: usize,
    ) -> Result<Reply, ApiError> {
        let repo = listing.repo.clone();
        let skip = usize::try_from(skip.unwrap_or(0)).unwrap_or(usize::MAX);
        let found = self
            .read(move |view| listing.rows(view, skip, limit + 1))
            .await?;
        let Some((rows, total, synced_at, now)) = found else {
            return Err(self.unknown_repo(&repo).await);
        };
        let mut page = Page::new(limit);
        // The position of a page is how many issues came before it.
        let last = page.fill(rows.iter().enumerate())?;
        let make = |index: usize| cursor::make(tool, filters, &(skip + index + 1).to_string());
        Reply::new(&IssuesPage {
            issues: page.items,
            total: Some(total),
            next_cursor: last.map(make),
            warnings: self.age_warning(Some(synced_at), now).into_iter().collect(),
        })
    }

    /// Why the catalogue does not know a repository.
    pub(super) async fn unknown_repo(&self, repo: &RepoName) -> ApiError {
        if let Some(problem) = self.outage() {
            return problem.to_api();
        }
        let message = match self.gh.repository_is_archived(repo).await {
            Ok(true) => format!("{repo} is archived: its issues cannot be worked on"),
            Ok(false) => format!("{repo} is not among the repositories of this login"),
            Err(error) => return error.to_api(),
        };
        ApiError::new(
            Category::User,
            "not_found",
            message,
            "list_repos shows the repositories in reach; ALLOWED_REPOS can name further ones",
        )
    }

    /// Issues with any state, straight from GitHub. The position is `page:offset`.
    async fn live_page(
        &self,
        filters: &FetchIssues,
        repo: RepoName,
        state: &str,
        labels: &[String],
        given: Option<&str>,
        limit: usize,
    ) -> Result<Reply, ApiError> {
        let damaged = || {
            ApiError::invalid(
                "this cursor is damaged",
                "give next_cursor exactly as it was answered",
            )
        };
        let (page_number, offset) = match given {
            None => (1, 0),
            Some(given) => {
                let position = cursor::read("fetch_issues", filters, given)?;
                let (page, offset) = position.split_once(':').ok_or_else(damaged)?;
                let page = page.parse::<u32>().map_err(|_| damaged())?;
                (page.max(1), offset.parse::<usize>().map_err(|_| damaged())?)
            }
        };
        let per_page = u32::try_from(limit).unwrap_or(10);
        let listing = self
            .gh
            .list_issues(&repo, state, labels, per_page, page_number)
            .await;
        let listing = listing.map_err(|error| error.to_api())?;
        let issues = listing.issues;
        let key_repo = repo.clone();
        let rows = self.read(move |view| {
            let row = |issue: &IssueSummary| IssueRow {
                state: Some(issue.state),
                claimed_by: holder(view, &key_repo, issue.number),
                ..issue_row(view, issue)
            };
            issues.iter().skip(offset).map(row).collect::<Vec<_>>()
        });
        let mut page = Page::new(limit);
        let mut next = listing.next_page.map(|next| format!("{next}:0"));
        for row in rows.await? {
            if !page.push(&row)? {
                next = Some(format!("{page_number}:{}", offset + page.items.len()));
                break;
            }
        }
        let next_cursor = next.map(|next| cursor::make("fetch_issues", filters, &next));
        Reply::new(&IssuesPage {
            issues: page.items,
            total: None,
            next_cursor,
            warnings: Vec::new(),
        })
    }
}

fn repo_rows<'a>(view: &'a View<'_>, owner: Option<&'a str>) -> impl Iterator<Item = RepoRow> + 'a {
    let mut claimed = std::collections::HashMap::<&RepoName, u64>::new();
    for claim in view
        .ledger
        .active()
        .filter(|claim| claim.host == *view.host)
    {
        *claimed.entry(&claim.repo).or_default() += 1;
    }
    let entries = view.catalogue.repos().filter(move |entry| {
        view.is_allowed(&entry.name)
            && owner.is_none_or(|owner| entry.name.owner().eq_ignore_ascii_case(owner))
    });
    entries.map(move |entry| RepoRow {
        repo: entry.name.clone(),
        open_issues: entry.issues.len() as u64,
        claimed: claimed.get(&entry.name).copied().unwrap_or(0),
        private: entry.private,
        synced_at: entry.synced_at,
    })
}

fn holder(view: &View<'_>, repo: &RepoName, number: u64) -> Option<AgentId> {
    view.ledger
        .holder(&view.key(repo, number))
        .map(|claim| claim.agent_id.clone())
}

fn issue_row(view: &View<'_>, issue: &IssueSummary) -> IssueRow {
    let (_, priority) = view
        .rules
        .priorities
        .rank(issue.labels.iter().map(AsRef::as_ref));
    IssueRow {
        number: issue.number,
        title: issue.title.clone(),
        state: None,
        labels: issue.labels.clone(),
        milestone: issue
            .milestone
            .as_ref()
            .map(|milestone| milestone.title.clone()),
        priority: priority.map(str::to_owned),
        age_days: crate::claim::age_days(issue.created_at, view.now),
        comments: issue.comments,
        claimed_by: None,
        why_not: None,
    }
}

/// What is listed of a repository in the catalogue.
struct Listing {
    repo: RepoName,
    labels: Vec<String>,
    milestone: Option<String>,
    claimed_too: bool,
}

impl Listing {
    /// Rows best first, how many there are in all, when they were fetched, and the present.
    fn rows(
        &self,
        view: &View<'_>,
        skip: usize,
        limit: usize,
    ) -> Option<(Vec<IssueRow>, u64, Timestamp, Timestamp)> {
        let entry = view.catalogue.repo(&self.repo)?;
        let mut found = Vec::new();
        for issue in entry.issues.values().filter(|issue| self.wants(issue)) {
            let key = view.key(&entry.name, issue.number);
            let held = view.ledger.holder(&key).map(|claim| claim.agent_id.clone());
            if held.is_some() && !self.claimed_too {
                continue;
            }
            let assessment = view.rules.assess(&view.candidate(issue, &key), view.ledger);
            found.push((assessment, issue, key, held));
        }
        let total = found.len() as u64;
        found.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let rows = found
            .into_iter()
            .skip(skip)
            .take(limit)
            .map(|(_, issue, key, held)| {
                let exclusion = view
                    .rules
                    .warnings(&view.candidate(issue, &key))
                    .into_iter()
                    .next();
                IssueRow {
                    claimed_by: held,
                    why_not: exclusion.map(|exclusion| exclusion.explain()),
                    ..issue_row(view, issue)
                }
            });
        Some((rows.collect(), total, entry.synced_at, view.now))
    }

    fn wants(&self, issue: &IssueSummary) -> bool {
        let has = |wanted: &String| {
            issue
                .labels
                .iter()
                .any(|label| label.eq_ignore_ascii_case(wanted))
        };
        let milestone = self.milestone.as_ref().is_none_or(|wanted| {
            let known = issue.milestone.as_ref();
            known.is_some_and(|milestone| milestone.title.eq_ignore_ascii_case(wanted))
        });
        milestone && self.labels.iter().all(has)
    }
}
