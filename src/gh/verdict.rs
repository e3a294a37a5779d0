//! What an answer of GitHub, or none, means as an error.

use std::time::Duration;

use super::client::Call;
use super::error::{GhError, Help};
use super::response::Response;
use crate::domain::Host;

/// gh printed no HTTP answer: the exit code and standard error say why.
pub(super) fn transport_error(exit_code: Option<i32>, stderr: &str, host: &Host) -> GhError {
    let line = stderr
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    let not_logged_in = exit_code == Some(4) || stderr.contains("gh auth login");
    if not_logged_in {
        GhError::NotLoggedIn {
            host: host.to_string(),
        }
    } else if [
        "failed to read configuration",
        "unknown flag",
        "unknown command",
    ]
    .iter()
    .any(|told| stderr.contains(told))
    {
        GhError::Broken(line.to_owned())
    } else {
        GhError::Network(line.trim_start_matches("gh: ").to_owned())
    }
}

/// Turns every answer that is not a success into its error.
pub(super) fn judge(
    call: &Call<'_>,
    stderr: &[u8],
    host: &Host,
    response: &Response,
) -> Result<(), GhError> {
    let message = || {
        let fallback = || format!("HTTP {}", response.status);
        response.message().unwrap_or_else(fallback)
    };
    match response.status {
        200..=299 => Ok(()),
        300..=399 => Err(GhError::Malformed(format!("HTTP {}", response.status))),
        401 => Err(GhError::NotLoggedIn {
            host: host.to_string(),
        }),
        403 | 429 => Err(limit_or_forbidden(response, stderr, message())),
        404 if call.is_graphql() => Err(GhError::QueryRefused(message())),
        404 => Err(GhError::NotFound(subject(call.path))),
        410 => Err(GhError::Gone(subject(call.path))),
        400..=499 => Err(GhError::Rejected(message())),
        status => Err(GhError::Upstream {
            status,
            message: message(),
        }),
    }
}

fn limit_or_forbidden(response: &Response, stderr: &[u8], message: String) -> GhError {
    let minute = Duration::from_secs(60);
    if response.number("X-RateLimit-Remaining") == Some(0) {
        return GhError::RateLimited {
            retry_after: response.retry_after().unwrap_or(minute),
        };
    }
    let retry_after = response.number("Retry-After").map(Duration::from_secs);
    let secondary = message.to_lowercase().contains("rate limit");
    if response.status == 429 || retry_after.is_some() || secondary {
        let retry_after = retry_after.unwrap_or(minute);
        return GhError::SecondaryLimit { retry_after };
    }
    let permissions = response
        .header("X-Accepted-GitHub-Permissions")
        .map(str::to_owned)
        .or_else(|| {
            // gh names a missing scope on a further line.
            let stderr = String::from_utf8_lossy(stderr);
            stderr
                .lines()
                .nth(1)
                .map(|line| line.trim_start_matches("gh: ").to_owned())
        });
    // No permission helps before the organization lets the token in.
    let help = sign_on(response)
        .map(Help::SignOn)
        .or_else(|| permissions.map(Help::Permissions));
    GhError::Forbidden { message, help }
}

/// The page that `X-GitHub-SSO: required; url=…` names
/// (<https://docs.github.com/rest/authentication/authenticating-to-the-rest-api>). `gh api` has no
/// word on it beside the header.
fn sign_on(response: &Response) -> Option<String> {
    let parts = response.header("X-GitHub-SSO")?.split(';');
    let mut pages = parts.filter_map(|part| part.trim().strip_prefix("url="));
    pages
        .find(|page| page.starts_with("https://"))
        .map(str::to_owned)
}

/// `repos/o/r/issues/5` as `o/r#5`, for error texts.
fn subject(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["repos", owner, name, _, number, ..] if number.parse::<u64>().is_ok() => {
            format!("{owner}/{name}#{number}")
        }
        ["repos", owner, name, ..] => format!("{owner}/{name}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), GhError> {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let response = Response {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        };
        judge(
            &Call::get("repos/o/r/issues/5"),
            b"",
            &Host::default(),
            &response,
        )
    }

    #[test]
    fn answers_become_typed_errors() {
        assert_eq!(answer(204, &[], ""), Ok(()));
        assert_eq!(
            answer(404, &[], "{}"),
            Err(GhError::NotFound("o/r#5".to_owned()))
        );
        assert_eq!(
            answer(410, &[], "{}"),
            Err(GhError::Gone("o/r#5".to_owned()))
        );
        assert!(matches!(
            answer(401, &[], ""),
            Err(GhError::NotLoggedIn { .. })
        ));
        assert!(matches!(
            answer(502, &[], "<html>"),
            Err(GhError::Upstream { status: 502, .. })
        ));
        assert_eq!(
            answer(403, &[("Retry-After", "7")], r#"{"message":"slow"}"#),
            Err(GhError::SecondaryLimit {
                retry_after: Duration::from_secs(7)
            })
        );
        assert!(matches!(
            answer(
                403,
                &[("X-Ratelimit-Remaining", "0"), ("X-Ratelimit-Reset", "1")],
                "{}"
            ),
            Err(GhError::RateLimited { .. })
        ));
        let needs = [("X-Accepted-Github-Permissions", "issues=write")];
        assert_eq!(
            answer(403, &needs, r#"{"message":"Resource not accessible"}"#),
            Err(GhError::Forbidden {
                message: "Resource not accessible".to_owned(),
                help: Some(Help::Permissions("issues=write".to_owned()))
            })
        );
        let page = "https://github.com/orgs/acme/sso?authorization_request=AZ";
        let required = format!("required; url={page}");
        let error = answer(403, &[needs[0], ("X-Github-Sso", &required)], "{}").unwrap_err();
        assert_eq!(error.to_api().code, "forbidden");
        assert!(error.to_api().suggestion.ends_with(page), "{error:?}");
        let some_left_out = [("X-Github-Sso", "partial-results; organizations=1,2")];
        assert!(matches!(
            answer(403, &some_left_out, "{}"),
            Err(GhError::Forbidden { help: None, .. })
        ));
    }

    #[test]
    fn what_gh_says_without_an_answer() {
        let host = Host::default();
        assert!(matches!(
            transport_error(Some(4), "", &host),
            GhError::NotLoggedIn { .. }
        ));
        let down = "error connecting to api.github.com\ncheck your internet connection\n";
        assert_eq!(
            transport_error(Some(1), down, &host),
            GhError::Network("error connecting to api.github.com".to_owned())
        );
        let config = "failed to read configuration: yaml: line 1";
        assert!(matches!(
            transport_error(Some(1), config, &host),
            GhError::Broken(_)
        ));
    }
}
