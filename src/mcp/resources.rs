//! The resource template `github://issue/{owner}/{repo}/{number}` and its completions.

use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ErrorCode, ReadResourceResult,
    Reference, ResourceContents, ResourceTemplate,
};
use serde::Deserialize;

use super::server::{McpServer, error_text};
use crate::domain::{ApiError, RepoName};
use crate::service::{FetchIssues, GetIssueDetails, ListRepos, Request};

const TEMPLATE: &str = "github://issue/{owner}/{repo}/{number}";
const PREFIX: &str = "github://issue/";
/// How many pages of an answer are looked through for completions.
const PAGES_MAX: usize = 5;

/// All templates.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(TEMPLATE, "issue")
            .with_title("GitHub issue")
            .with_description("An issue with its text, comments and claim"),
    ]
}

/// Reads `github://issue/OWNER/REPO/NUMBER`.
pub(super) async fn read(server: &McpServer, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || ErrorData::resource_not_found(format!("resources are named {TEMPLATE}"), None);
    let path = uri.strip_prefix(PREFIX).ok_or_else(unknown)?;
    let (repo, number) = path.rsplit_once('/').ok_or_else(unknown)?;
    let issue_number = number.parse::<u64>().map_err(|_| unknown())?;
    repo.parse::<RepoName>().map_err(|_| unknown())?;
    let request = Request::GetIssueDetails(GetIssueDetails {
        repo: repo.to_owned(),
        issue_number,
        ..GetIssueDetails::default()
    });
    let reply = server
        .ask(request, None)
        .await
        .map_err(|error| to_protocol(&error))?;
    let mut contents =
        vec![ResourceContents::text(reply.json(), uri).with_mime_type("application/json")];
    if let Some(text) = reply.fenced() {
        contents.push(ResourceContents::text(text, uri).with_mime_type("text/plain"));
    }
    Ok(ReadResourceResult::new(contents))
}

fn to_protocol(error: &ApiError) -> ErrorData {
    let code = match error.code.as_ref() {
        "not_found" => ErrorCode::RESOURCE_NOT_FOUND,
        "invalid_argument" => ErrorCode::INVALID_PARAMS,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    ErrorData::new(code, error_text(error), None)
}

#[derive(Deserialize)]
struct RepoRows {
    #[serde(default)]
    repos: Vec<RepoRow>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct RepoRow {
    repo: RepoName,
}

#[derive(Deserialize)]
struct IssueRows {
    #[serde(default)]
    issues: Vec<IssueRow>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct IssueRow {
    number: u64,
}

/// Values that begin with what was typed.
pub(super) async fn complete(
    server: &McpServer,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let is_template =
        matches!(&request.r#ref, Reference::Resource(resource) if resource.uri == TEMPLATE);
    let is_prompt = matches!(&request.r#ref, Reference::Prompt(_));
    let context = |name: &str| {
        let known = request
            .context
            .as_ref()
            .and_then(|context| context.arguments.as_ref());
        known.and_then(|arguments| arguments.get(name)).cloned()
    };
    // A completion that cannot be made is no completion, not an error: the user goes on typing.
    let found = match request.argument.name.as_str() {
        "owner" if is_template => repos(server, None)
            .await
            .map(|repos| repos.iter().map(|repo| repo.owner().to_owned()).collect()),
        "repo" if is_template => repos(server, context("owner"))
            .await
            .map(|repos| repos.iter().map(|repo| repo.name().to_owned()).collect()),
        "repo" if is_prompt => repos(server, None)
            .await
            .map(|repos| repos.iter().map(|repo| repo.as_str().to_owned()).collect()),
        "number" if is_template => match (context("owner"), context("repo")) {
            (Some(owner), Some(repo)) => numbers(server, format!("{owner}/{repo}")).await,
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    };
    let mut values: Vec<String> = found.unwrap_or_default();
    let typed = request.argument.value.to_lowercase();
    values.retain(|value| value.to_lowercase().starts_with(&typed));
    values.dedup();
    let total = u32::try_from(values.len()).ok();
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let info = CompletionInfo::with_pagination(values, total, more)
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(info))
}

async fn repos(server: &McpServer, owner: Option<String>) -> Result<Vec<RepoName>, ApiError> {
    let mut found = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let request = ListRepos {
            owner: owner.clone(),
            limit: Some(200),
            cursor,
        };
        let reply = server.ask(Request::ListRepos(request), None).await?;
        let rows: RepoRows = parse(&reply.json())?;
        found.extend(rows.repos.into_iter().map(|row| row.repo));
        cursor = rows.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

async fn numbers(server: &McpServer, repo: String) -> Result<Vec<String>, ApiError> {
    let mut found = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let request = FetchIssues {
            repo: repo.clone(),
            limit: Some(50),
            cursor,
            ..FetchIssues::default()
        };
        let reply = server.ask(Request::FetchIssues(request), None).await?;
        let rows: IssueRows = parse(&reply.json())?;
        found.extend(rows.issues.into_iter().map(|row| row.number.to_string()));
        cursor = rows.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    serde_json::from_str(json).map_err(|error| ApiError::internal(error.to_string()))
}
