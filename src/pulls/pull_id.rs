//! Names of pull requests, in every form in which people and agents write them.

use std::fmt;

use crate::domain::{ApiError, Host, RepoName, text};

/// One pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullId {
    /// Its repository.
    pub repo: RepoName,
    /// Its number.
    pub number: u64,
}

impl PullId {
    /// Reads `owner/repo#N`, `owner/repo/pull/N` or the address of any of its pages on `host`.
    ///
    /// # Errors
    /// `invalid_argument` with the forms that are understood.
    pub fn parse(given: &str, host: &Host) -> Result<Self, ApiError> {
        let trimmed = given.trim();
        let rest = match trimmed.split_once("://") {
            Some(("https" | "http", rest)) => match rest.split_once('/') {
                Some((authority, path)) if authority.eq_ignore_ascii_case(host.as_str()) => path,
                Some((authority, _)) => return Err(other_host(authority, host)),
                None => return Err(malformed(given)),
            },
            Some(_) => return Err(malformed(given)),
            None => trimmed,
        };
        let (repo, number) = match rest.split_once('#') {
            Some((repo, number)) if !repo.contains("/pull") => (repo, number),
            _ => {
                let page = rest.split(['?', '#']).next().unwrap_or(rest);
                let parts: Vec<&str> = page.splitn(5, '/').collect();
                match parts.as_slice() {
                    [owner, name, "pull" | "pulls", number, ..] => {
                        let end = owner.len() + 1 + name.len();
                        (&page[..end], *number)
                    }
                    _ => return Err(malformed(given)),
                }
            }
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u64>().ok().filter(|number| {
            // GitHub's numbers are 32 bit integers.
            digits && (1..=u64::from(u32::MAX >> 1)).contains(number)
        });
        match (repo.parse(), number) {
            (Ok(repo), Some(number)) => Ok(Self { repo, number }),
            _ => Err(malformed(given)),
        }
    }
}

impl fmt::Display for PullId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.repo, self.number)
    }
}

fn malformed(given: &str) -> ApiError {
    let shown = text::one_line(text::cut(given, 80).0);
    ApiError::invalid(
        format!("'{shown}' is not a pull request"),
        "write octo-org/api#42, octo-org/api/pull/42 or https://github.com/octo-org/api/pull/42",
    )
}

fn other_host(authority: &str, host: &Host) -> ApiError {
    let shown = text::one_line(text::cut(authority, 80).0);
    ApiError::invalid(
        format!("this pull request is on {shown}, and this program works with {host}"),
        format!("start it with GH_HOST={shown} to work there"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_in_use() {
        let host = Host::default();
        for given in [
            "o/r#5",
            " o/r#5 ",
            "o/r/pull/5",
            "o/r/pulls/5",
            "https://github.com/o/r/pull/5",
            "https://GitHub.com/o/r/pull/5/files?w=1#diff-1",
            "http://github.com/o/r/pull/5#discussion_r1",
            "https://github.com/o/r/pull/5/checks",
        ] {
            let id = PullId::parse(given, &host).unwrap();
            assert_eq!(id.to_string(), "o/r#5", "{given}");
        }
        for given in [
            "",
            "#5",
            "5",
            "o/r",
            "o/r#",
            "o/r#0",
            "o/r#-1",
            "o/r#+5",
            "o/r#5x",
            "o/../pull/5",
            "-o/r#5",
            "https://evil.example/o/r/pull/5",
            "ftp://github.com/o/r/pull/5",
            "o/r/issues/5",
            "o/r#99999999999",
            "o/r/pull/5\n",
            "https://github.com",
        ] {
            let found = PullId::parse(given, &host);
            assert!(
                found.is_err() || given.ends_with('\n'),
                "{given:?}: {found:?}"
            );
        }
    }
}
