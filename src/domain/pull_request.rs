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

/// Takes `https://HOST/owner/repo/pull/N` apart. A trailing `/files`, query or fragment is allowed.
pub fn split_pull_request_url(url: &str, host: &Host) -> Option<(RepoName, u64)> {
    let rest = url.strip_prefix("https://")?;
    let path = rest.split(['?', '#']).next()?;
    let mut parts = path.split('/');
    let (given_host, owner, name) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = parts.next()?;
    let number = parts.next()?.parse::<u64>().ok()?;
    let repo = format!("{owner}/{name}").parse().ok()?;
    let same_host = given_host.eq_ignore_ascii_case(host.as_str());
    (same_host && kind == "pull" && number > 0).then_some((repo, number))
}

/// The number of a pull request of `repo`, by its address.
pub fn parse_pull_request_url(url: &str, host: &Host, repo: &RepoName) -> Result<u64, ApiError> {
    match split_pull_request_url(url, host) {
        Some((home, number)) if home == *repo => Ok(number),
        _ => Err(ApiError::invalid(
            format!("pr_url must be a pull request of {repo}"),
            format!("give its address as https://{host}/{repo}/pull/NUMBER"),
        )),
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
