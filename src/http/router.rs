//! Which route a request is for. The table is also the source of `/openapi.json`.

use http::Method;

use crate::domain::{ApiError, Category};

/// A route's name with what its path carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matched<'a> {
    pub route: RouteId,
    pub parameters: Vec<(&'static str, &'a str)>,
}

/// All routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteId {
    Events,
    ListRepos,
    ListOpenIssues,
    IssueDetails,
    Claim,
    ClaimNext,
    UpdateClaim,
    ReleaseClaim,
    AllClaims,
    ClaimHistory,
    Health,
    Tool,
    Mcp,
    Metrics,
    OpenApi,
    Forward,
    Session,
}

/// One row of the table.
pub(super) struct Route {
    pub id: RouteId,
    pub method: &'static str,
    pub path: &'static str,
    pub about: &'static str,
    /// The tool whose arguments and answer it has.
    pub tool: Option<&'static str>,
}

const fn route(
    id: RouteId,
    method: &'static str,
    path: &'static str,
    tool: Option<&'static str>,
    about: &'static str,
) -> Route {
    Route {
        id,
        method,
        path,
        about,
        tool,
    }
}

/// The table. Routes under `/internal/` are for processes of the same user and not described.
pub(super) const ROUTES: [Route; 19] = [
    route(
        RouteId::Claim,
        "POST",
        "/api/claims",
        Some("claim_issue"),
        "Claim one issue: 201 with the claim record, 200 where this agent has it, 409 where another has it",
    ),
    route(
        RouteId::ClaimNext,
        "POST",
        "/api/claims/next",
        Some("next_issue"),
        "Claim the best issue: 201, or 200 with claim_id null",
    ),
    route(
        RouteId::UpdateClaim,
        "PATCH",
        "/api/claims/{claim_id}",
        Some("update_claim_status"),
        "Move or confirm a claim",
    ),
    route(
        RouteId::ReleaseClaim,
        "DELETE",
        "/api/claims/{claim_id}",
        Some("release_issue"),
        "Give an issue back",
    ),
    route(
        RouteId::AllClaims,
        "GET",
        "/api/claims",
        Some("get_all_claims"),
        "Active claims",
    ),
    route(
        RouteId::ClaimHistory,
        "GET",
        "/api/claims/history",
        Some("get_claim_history"),
        "Ended claims, newest first",
    ),
    route(
        RouteId::ListRepos,
        "GET",
        "/api/repos",
        Some("list_repos"),
        "Repositories in reach",
    ),
    route(
        RouteId::ListOpenIssues,
        "GET",
        "/api/repos/{owner}/{repo}/issues",
        Some("list_open_issues"),
        "Unclaimed open issues, best first",
    ),
    route(
        RouteId::IssueDetails,
        "GET",
        "/api/issues/{owner}/{repo}/{number}",
        Some("get_issue_details"),
        "One issue with its text and comments",
    ),
    route(
        RouteId::Health,
        "GET",
        "/api/health",
        Some("system_health"),
        "Health; without a key status and version only",
    ),
    route(
        RouteId::Tool,
        "POST",
        "/api/tools/{name}",
        None,
        "Any tool, with its arguments as JSON",
    ),
    route(
        RouteId::Events,
        "GET",
        "/sse",
        None,
        "Events as they happen; Last-Event-ID or ?since= resumes, ?repo= and ?agent_id= filter",
    ),
    route(
        RouteId::Mcp,
        "POST",
        "/mcp",
        None,
        "Model Context Protocol, Streamable HTTP",
    ),
    route(
        RouteId::Mcp,
        "GET",
        "/mcp",
        None,
        "Model Context Protocol: stream of an older client's session",
    ),
    route(
        RouteId::Mcp,
        "DELETE",
        "/mcp",
        None,
        "Model Context Protocol: end of an older client's session",
    ),
    route(RouteId::Metrics, "GET", "/metrics", None, "Prometheus text"),
    route(
        RouteId::OpenApi,
        "GET",
        "/openapi.json",
        None,
        "This description",
    ),
    route(RouteId::Forward, "POST", "/internal/forward", None, ""),
    route(RouteId::Session, "GET", "/internal/session", None, ""),
];

/// Finds the route of a request.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Result<Matched<'a>, ApiError> {
    let mut allowed = Vec::new();
    for route in &ROUTES {
        let Some(parameters) = match_path(route.path, path) else {
            continue;
        };
        let head = method == Method::HEAD && route.method == "GET";
        if method.as_str() == route.method || head {
            return Ok(Matched {
                route: route.id,
                parameters,
            });
        }
        allowed.push(route.method);
    }
    if allowed.is_empty() {
        return Err(ApiError::new(
            Category::User,
            "no_such_route",
            "there is nothing at this path",
            "GET /openapi.json lists the routes",
        ));
    }
    let allow = allowed.join(", ");
    Err(ApiError::new(
        Category::User,
        "method_not_allowed",
        format!("this path does not take {method}"),
        format!("use {allow}"),
    )
    .detail("allow", allow))
}

/// Matches segment by segment; `{name}` takes one. A fixed segment wins over a named one by its
/// place in the table, so `/api/claims/next` is no claim id for POST.
fn match_path<'a>(pattern: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    if pattern == path && !pattern.contains('{') {
        return Some(Vec::new());
    }
    let mut parameters = Vec::new();
    let mut given = path.split('/');
    for expected in pattern.split('/') {
        let segment = given.next()?;
        match expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) if !segment.is_empty() => parameters.push((name, segment)),
            Some(_) => return None,
            None if expected == segment => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_what_they_allow() {
        let found = |method: Method, path| find(&method, path).map(|matched| matched.route);
        assert_eq!(
            found(Method::POST, "/api/claims/next"),
            Ok(RouteId::ClaimNext)
        );
        assert_eq!(
            found(Method::PATCH, "/api/claims/abc"),
            Ok(RouteId::UpdateClaim)
        );
        assert_eq!(
            found(Method::GET, "/api/claims/history"),
            Ok(RouteId::ClaimHistory)
        );
        assert_eq!(found(Method::HEAD, "/api/health"), Ok(RouteId::Health));
        let error = found(Method::PUT, "/api/claims").unwrap_err();
        assert_eq!(error.details["allow"], "POST, GET");
        for path in [
            "/",
            "/api",
            "/api/claims/",
            "/api//x",
            "/api/repos/a/b/issues/",
        ] {
            let code = found(Method::GET, path).unwrap_err().code;
            assert!(
                code == "no_such_route" || code == "method_not_allowed",
                "{path}"
            );
        }
        let matched = find(&Method::GET, "/api/issues/o/r/5").unwrap();
        assert_eq!(
            matched.parameters,
            [("owner", "o"), ("repo", "r"), ("number", "5")]
        );
    }
}
