//! The life of a claim and which steps it may take.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::{ApiError, text};

/// Status of a claim. `released` and `closed` are final; all others are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Handed out; work has not begun.
    Claimed,
    /// The agent works on it.
    InProgress,
    /// A pull request waits; from here on the pull request holds the lease.
    PrSubmitted,
    /// The pull request is merged; the issue is not yet closed.
    PrMerged,
    /// The issue is done.
    Closed,
    /// Given back.
    Released,
    /// The agent has not been heard of for the lease's length. Still blocks others.
    Stale,
}

/// The transition table: what an agent or a person may ask for, by the present status.
const TRANSITIONS: [(Status, &[Status]); 4] = {
    use Status::{Claimed, Closed, InProgress, PrMerged, PrSubmitted, Released};
    [
        (
            Claimed,
            &[InProgress, PrSubmitted, PrMerged, Closed, Released],
        ),
        (InProgress, &[PrSubmitted, PrMerged, Closed, Released]),
        (PrSubmitted, &[InProgress, PrMerged, Closed, Released]),
        (PrMerged, &[Closed, Released]),
    ]
};

impl Status {
    /// Every status, in the order of life.
    pub const ALL: [Status; 7] = [
        Status::Claimed,
        Status::InProgress,
        Status::PrSubmitted,
        Status::PrMerged,
        Status::Closed,
        Status::Released,
        Status::Stale,
    ];

    /// Whether a claim with this status holds its issue.
    pub fn is_active(self) -> bool {
        !matches!(self, Status::Closed | Status::Released)
    }

    /// Whether its agent works on the issue: nothing was submitted yet, or it came back.
    pub fn is_at_work(self) -> bool {
        matches!(self, Status::Claimed | Status::InProgress)
    }

    /// The statuses that may be asked for from this one. A stale claim is asked through the
    /// status that it had.
    pub fn allowed_next(self) -> &'static [Status] {
        TRANSITIONS
            .iter()
            .find(|(from, _)| *from == self)
            .map_or(&[], |(_, allowed)| allowed)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Claimed => "claimed",
            Status::InProgress => "in_progress",
            Status::PrSubmitted => "pr_submitted",
            Status::PrMerged => "pr_merged",
            Status::Closed => "closed",
            Status::Released => "released",
            Status::Stale => "stale",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ApiError;

    fn from_str(given: &str) -> Result<Self, ApiError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == given)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::as_str);
                let hint = text::nearest(given, names)
                    .map_or(String::new(), |name| format!("did you mean {name}? "));
                ApiError::invalid(
                    format!(
                        "'{}' is not a status",
                        text::one_line(text::cut(given, 40).0)
                    ),
                    format!("{hint}a status is one of {}", names.join(", ")),
                )
            })
    }
}
