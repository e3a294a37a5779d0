//! Identifiers. Each parses from text and cannot hold a value outside its rules.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{ApiError, limits, text};

/// What an agent calls itself: 1 to 128 printable characters, case-sensitive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentId {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        let length = given.chars().count();
        let plain = |byte: u8| byte.is_ascii_graphic();
        let printable = given.bytes().all(plain)
            || !given.chars().any(text::is_deceptive) && given.trim() == given;
        if (1..=limits::AGENT_ID_CHARS_MAX).contains(&length) && printable {
            return Ok(Self(given.into()));
        }
        Err(ApiError::invalid(
            "agent_id must be 1 to 128 printable characters without spaces at its ends",
            "choose a name such as claude-code-laptop-1 and use it in every call",
        ))
    }
}

/// A repository as `owner/name`. Compared without regard to case, kept as it was written.
#[derive(Clone)]
pub struct RepoName(Arc<str>);

impl RepoName {
    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

/// GitHub's rule for account names (letters, digits and inner hyphens, up to 39).
pub(super) fn is_owner(owner: &str) -> bool {
    (1..=39).contains(&owner.len())
        && !owner.starts_with('-')
        && owner
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// GitHub's rule for repository names; `.` and `..` would walk the path of a request.
pub(super) fn is_repository(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

impl FromStr for RepoName {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        match given.split_once('/') {
            Some((owner, name)) if is_owner(owner) && is_repository(name) => Ok(Self(given.into())),
            _ => Err(ApiError::invalid(
                format!(
                    "'{}' is not a repository",
                    text::one_line(text::cut(given, 80).0)
                ),
                "write it as owner/name, for example octo-org/api; list_repos shows those you can reach",
            )),
        }
    }
}

impl PartialEq for RepoName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for RepoName {}

impl Hash for RepoName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Names are at most 140 bytes; a stack buffer keeps hashing free of allocation.
        let mut lower = [0u8; 160];
        let bytes = self.0.as_bytes();
        let length = bytes.len().min(lower.len());
        lower[..length].copy_from_slice(&bytes[..length]);
        lower[..length].make_ascii_lowercase();
        state.write(&lower[..length]);
    }
}

impl PartialOrd for RepoName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RepoName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

/// The host of a GitHub instance, `github.com` or an Enterprise host, in lower case.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    /// `None`: github.com. Nearly every host is that one, and each claim has copies of it: they need
    /// no reference count that threads would write in turn.
    other: Option<Arc<str>>,
}

const DEFAULT_HOST: &str = "github.com";

impl Host {
    /// The host name.
    pub fn as_str(&self) -> &str {
        self.other.as_deref().unwrap_or(DEFAULT_HOST)
    }

    /// Whether this is github.com, which answers leave out.
    pub fn is_default(&self) -> bool {
        self.other.is_none()
    }
}

impl FromStr for Host {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        let valid = (1..=253).contains(&given.len())
            && given.bytes().all(allowed)
            && given.starts_with(|first: char| first.is_ascii_alphanumeric());
        if valid {
            let given = given.to_ascii_lowercase();
            let other = (given != DEFAULT_HOST).then(|| given.into());
            Ok(Self { other })
        } else {
            Err(ApiError::invalid(
                format!("'{}' is not a host name", text::one_line(given)),
                "write github.com or the host of your GitHub Enterprise server, without https://",
            ))
        }
    }
}

/// One issue of one repository on one host: what a claim is exclusive for.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct IssueKey {
    /// GitHub instance.
    #[serde(default, skip_serializing_if = "Host::is_default")]
    pub host: Host,
    /// Repository.
    pub repo: RepoName,
    /// Issue number within the repository.
    pub number: u64,
}

/// One grant of one issue to one agent: a UUID, and the fencing token of that grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(pub Uuid);

impl FromStr for ClaimId {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        Uuid::try_parse(given).map(Self).map_err(|_| {
            ApiError::invalid(
                "claim_id is not a UUID",
                "use the claim_id that next_issue or claim_issue returned; get_my_claims lists yours",
            )
        })
    }
}

/// One connected agent process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// A session together with its operating-system process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRef {
    /// The session.
    pub id: SessionId,
    /// Process id on this machine.
    pub pid: u32,
}

/// Names one request, so that a request repeated after a lost answer is done once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

macro_rules! text_identifier {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let given = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                given.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
text_identifier!(AgentId, RepoName, Host);

macro_rules! uuid_identifier {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    )*};
}
uuid_identifier!(ClaimId, SessionId, RequestId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_are_checked() {
        for good in ["o/r", "Octo-Org/api.v2", "a_b/_x", "o/-r", "o/.github"] {
            assert!(good.parse::<RepoName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "o",
            "o/",
            "/r",
            "o/..",
            "o/.",
            "-o/r",
            "o/r/x",
            "o r/x",
            "o/r\n",
            "o@x/r",
            "../r",
            "o/%2e%2e",
            "{owner}/r",
            "https://x/y",
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn repository_names_compare_without_case() {
        let one: RepoName = "Org/Repo".parse().unwrap();
        let other: RepoName = "org/rEPO".parse().unwrap();
        assert_eq!(one, other);
        let set = std::collections::HashSet::from([one]);
        assert!(set.contains(&other));
    }

    #[test]
    fn github_com_is_the_default_host_however_it_is_written() {
        let written: Host = "GitHub.com".parse().unwrap();
        assert_eq!(written, Host::default());
        assert!(written.is_default());
        assert_eq!(written.as_str(), "github.com");
        let other: Host = "GitHub.example.org:8443".parse().unwrap();
        assert!(!other.is_default());
        assert_eq!(other.to_string(), "github.example.org:8443");
        assert_ne!(other, written);
    }

    #[test]
    fn agent_ids_are_printable() {
        for good in ["a", "claude-code-1", "агент 7", &"x".repeat(128)] {
            assert!(good.parse::<AgentId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "a\n",
            "a\u{202e}b",
            "\u{0}",
            "a ",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad:?}");
        }
    }
}
