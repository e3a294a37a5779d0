//! Floor 0: the words everybody uses. No input or output, no clock, no async.
//!
//! To parse is to validate: a value of one of these types is already within its limits.

mod clock;
mod compact_json;
pub mod cursor;
mod error;
mod ids;
mod issue;
pub mod limits;
pub mod priority;
mod pull_request;
pub mod text;
mod time_text;

pub use clock::{Clock, ManualClock, SystemClock, later};
pub use compact_json::write_compact_json;
pub use error::{ApiError, Category};
pub use ids::{AgentId, ClaimId, Host, IssueKey, RepoName, RequestId, SessionId, SessionRef};
pub use issue::{IssueState, IssueSummary, Milestone, RepoPattern};
pub use pull_request::{
    PullRequestState, PullRequestSummary, parse_pull_request_url, split_pull_request_url,
};
pub use time_text::{serialize_time, with_time_text};
