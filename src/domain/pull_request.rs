//! Pull requests as the catalogue knows them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ApiError, Host, RepoName};

/// Life of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullRequestState {
    /// Under review or in the making.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged,
}

/// What the catalogue keeps of one open pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestSummary {
    /// Number within the repository.
    pub number: u64,
    /// Title as written.
    pub title: Arc<str>,
    /// Open, closed or merged.
    pub state: PullRequestState,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// Address of its page.
    pub url: Arc<str>,
    /// Numbers of the issues of the same repository that it will close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<u64>,
    /// When GitHub last changed it.
    pub updated_at: Timestamp,
}

/// Takes `https://HOST/owner/repo/pull/N` apart and checks that it lies in `repo`.
///
/// Returns the number. A trailing `/files`, query or fragment is allowed.
pub fn parse_pull_request_url(url: &str, host: &Host, repo: &RepoName) -> Result<u64, ApiError> {
    let mismatch = || {
        ApiError::invalid(
            format!("pr_url must be a pull request of {repo}"),
            format!("give its address as https://{host}/{repo}/pull/NUMBER"),
        )
    };
    let rest = url.strip_prefix("https://").ok_or_else(mismatch)?;
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut parts = path.split('/');
    let (given_host, owner, name) = (parts.next(), parts.next(), parts.next());
    let kind = parts.next();
    let number = parts.next().and_then(|number| number.parse::<u64>().ok());
    let same_host = given_host.is_some_and(|given| given.eq_ignore_ascii_case(host.as_str()));
    let same_repo = owner.is_some_and(|given| given.eq_ignore_ascii_case(repo.owner()))
        && name.is_some_and(|given| given.eq_ignore_ascii_case(repo.name()));
    match number {
        Some(number) if number > 0 && same_host && same_repo && kind == Some("pull") => Ok(number),
        _ => Err(mismatch()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_request_addresses() {
        let repo: RepoName = "Acme/Api".parse().unwrap();
        let check = |url: &str| parse_pull_request_url(url, &Host::default(), &repo).ok();
        assert_eq!(check("https://github.com/acme/api/pull/57"), Some(57));
        assert_eq!(
            check("https://github.com/acme/api/pull/57/files?x#y"),
            Some(57)
        );
        assert_eq!(check("https://github.com/acme/web/pull/57"), None);
        assert_eq!(check("https://github.com/acme/api/issues/57"), None);
        assert_eq!(check("https://evil.example/acme/api/pull/57"), None);
        assert_eq!(check("http://github.com/acme/api/pull/57"), None);
        assert_eq!(check("https://github.com/acme/api/pull/0"), None);
    }
}
