//! The REST routes: path, query and body become a tool's arguments, a reply becomes a response.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::body::{self, ResponseBody};
use super::router::{Matched, RouteId};
use crate::claim::Claim;
use crate::domain::{ApiError, Category, write_compact_json};
use crate::service::{Call, Reply, ReplyKind, Request, arguments_from_text};

/// What a REST route needs of a request.
pub(super) struct RestRequest<'a> {
    pub matched: &'a Matched<'a>,
    pub query: Option<&'a str>,
    pub body: Bytes,
}

/// The call that a REST request makes.
pub(super) fn to_call(request: &RestRequest<'_>) -> Result<Call, ApiError> {
    let parameter = |name: &str| {
        let found = request
            .matched
            .parameters
            .iter()
            .find(|(known, _)| *known == name);
        found.map(|(_, value)| decode(value)).unwrap_or_default()
    };
    let parsed = match request.matched.route {
        RouteId::Claim => Request::from_json("claim_issue", &request.body),
        RouteId::ClaimNext => Request::from_json("next_issue", or_empty(&request.body)),
        RouteId::Tool => Request::from_json(&parameter("name"), or_empty(&request.body)),
        RouteId::UpdateClaim => {
            with_claim_id("update_claim_status", request, parameter("claim_id"))
        }
        RouteId::ReleaseClaim => with_claim_id("release_issue", request, parameter("claim_id")),
        RouteId::AllClaims => from_query("get_all_claims", request, Vec::new()),
        RouteId::ClaimHistory => from_query("get_claim_history", request, Vec::new()),
        RouteId::ListRepos => from_query("list_repos", request, Vec::new()),
        RouteId::ListOpenIssues => {
            let repo = format!("{}/{}", parameter("owner"), parameter("repo"));
            from_query("list_open_issues", request, vec![("repo".to_owned(), repo)])
        }
        RouteId::IssueDetails => {
            let repo = format!("{}/{}", parameter("owner"), parameter("repo"));
            let number = ("issue_number".to_owned(), parameter("number"));
            from_query(
                "get_issue_details",
                request,
                vec![("repo".to_owned(), repo), number],
            )
        }
        RouteId::Health => Request::from_json("system_health", b"{}"),
        _ => Err(ApiError::internal("this route has no tool")),
    };
    parsed.map(Call::new)
}

fn or_empty(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"{}" } else { body }
}

/// The body's fields (and, for DELETE, the query's) with the claim id of the path.
fn with_claim_id(
    tool: &str,
    request: &RestRequest<'_>,
    claim_id: String,
) -> Result<Request, ApiError> {
    let mut arguments = match serde_json::from_slice(or_empty(&request.body)) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => {
            return Err(ApiError::invalid(
                "the body must be one JSON object",
                "send the fields of the change, for example {\"status\":\"in_progress\"}",
            ));
        }
        Err(error) => {
            return Err(ApiError::invalid(
                format!("the body is not valid JSON: {error}"),
                "send the fields of the change, for example {\"status\":\"in_progress\"}",
            ));
        }
    };
    let from_query = arguments_from_text(tool, query_pairs(request.query)?)?;
    for (name, value) in from_query {
        if arguments.insert(name.clone(), value).is_some() {
            return Err(given_twice(&name, "the body and the query"));
        }
    }
    match arguments.get("claim_id").and_then(Value::as_str) {
        Some(other) if other != claim_id => Err(ApiError::invalid(
            "the claim_id of the body is not the one of the path",
            "leave claim_id out of the body",
        )),
        _ => {
            arguments.insert("claim_id".to_owned(), claim_id.into());
            Request::from_value(tool, Value::Object(arguments))
        }
    }
}

fn from_query(
    tool: &str,
    request: &RestRequest<'_>,
    extra: Vec<(String, String)>,
) -> Result<Request, ApiError> {
    let mut pairs = query_pairs(request.query)?;
    if let Some((name, _)) = pairs
        .iter()
        .find(|(name, _)| extra.iter().any(|(fixed, _)| fixed == name))
    {
        return Err(given_twice(name, "the path and the query"));
    }
    pairs.extend(extra);
    let arguments: Map<String, Value> = arguments_from_text(tool, pairs)?;
    Request::from_value(tool, Value::Object(arguments))
}

fn given_twice(name: &str, places: &str) -> ApiError {
    ApiError::invalid(
        format!("'{name}' is given in {places}"),
        "give it in one place only",
    )
}

/// The pairs of a query string, decoded.
pub(super) fn query_pairs(query: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let part = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| {
            ApiError::invalid(
                "the query is not UTF-8",
                "write names and values as UTF-8, percent-encoded",
            )
        })
    };
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((part(name)?, part(value)?))
        })
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The response for a reply.
pub(super) fn render(route: RouteId, reply: &Reply) -> Result<Response<ResponseBody>, ApiError> {
    let created = matches!(route, RouteId::Claim | RouteId::ClaimNext);
    let status = match reply.kind {
        ReplyKind::Created if created => StatusCode::CREATED,
        ReplyKind::Refused => StatusCode::CONFLICT,
        _ => StatusCode::OK,
    };
    // These two answer with the bare record.
    let text = match (route, &reply.claim) {
        (RouteId::Claim | RouteId::ReleaseClaim, Some(claim)) => claim_json(claim)?,
        _ => reply.whole_json().into(),
    };
    Ok(body::json(status, text))
}

/// A claim's record; written at once into enough space for most of them.
fn claim_json(claim: &Claim) -> Result<Bytes, ApiError> {
    const SPACE: usize = 1 << 10;
    let mut text = Vec::with_capacity(SPACE);
    write_compact_json(&mut text, claim).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(text.into())
}

/// Bodies are JSON: a browser's form could be sent cross-site without a preflight.
pub(super) fn check_media_type(headers: &HeaderMap, has_body: bool) -> Result<(), ApiError> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_json = |given: &str| {
        if given == "application/json" {
            return true;
        }
        let media_type = given.split(';').next().unwrap_or_default().trim();
        let suffix = media_type.rsplit_once('+').map(|(_, suffix)| suffix);
        media_type.eq_ignore_ascii_case("application/json")
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"))
    };
    match given {
        None if !has_body => Ok(()),
        Some(given) if is_json(given) => Ok(()),
        _ => Err(ApiError::new(
            Category::User,
            "unsupported_media_type",
            "the body must be JSON",
            "send the header Content-Type: application/json",
        )),
    }
}
