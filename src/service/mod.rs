//! Floor 5: the front desk. One request with a variant a tool, one reply, one error: all that
//! transports and commands know. In the owner a request is carried out here; in every other
//! process it is forwarded to the owner by another [`Service`].

mod allowed;
mod arguments;
mod ci_watch;
mod claim_lists;
mod claims;
mod conflicts;
mod desk;
mod discovery;
mod health;
mod issue_details;
mod new_pull_request;
mod next;
mod pull_requests;
mod refusal;
mod reply;
mod review_comments;
mod reviews;
mod tools;

pub use arguments::*;
pub use desk::{Call, Desk, DeskSettings, Progress, Service, ServiceFuture};
pub use health::OwnerAddress;
pub use reply::{LongText, Reply, ReplyKind};
pub use tools::{Request, ToolSpec, arguments_from_text, tool, tools};
