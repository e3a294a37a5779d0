//! What was asked of the stand-in.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

/// One request.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Counts up from one and never starts again.
    pub sequence: u64,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer; none while there is no answer, and after a fault kept it back.
    pub status: Option<u16>,
    /// Whether there was an `Authorization` header. Its value is kept nowhere.
    pub had_authorization: bool,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
    /// The name of the GraphQL operation.
    pub operation: Option<String>,
    /// What GraphQL charged.
    pub points: u64,
    /// The length of the body that was received.
    pub request_bytes: usize,
    /// The body that was received.
    pub request_body: String,
    /// The length of the body that was sent.
    pub body_bytes: usize,
    /// When it arrived.
    pub started: Instant,
}

impl RequestRecord {
    /// Whether it is a GraphQL request.
    pub fn is_graphql(&self) -> bool {
        is_graphql(&self.path)
    }
}

pub(super) fn is_graphql(path: &str) -> bool {
    matches!(path, "/graphql" | "/api/graphql")
}

/// Many requests in a few numbers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// How many there were.
    pub count: usize,
    /// What GraphQL charged for all of them.
    pub points: u64,
    /// Bytes of all answers.
    pub body_bytes: usize,
    /// How many carried no authorization.
    pub without_authorization: usize,
    /// Counts by status; `0` is no answer.
    pub statuses: BTreeMap<u16, usize>,
    /// Counts by GraphQL operation, or by method and path (without the query) for REST.
    pub operations: BTreeMap<String, usize>,
}

impl Summary {
    /// Sums up requests.
    pub fn of(requests: &[RequestRecord]) -> Self {
        let mut summary = Self {
            count: requests.len(),
            ..Self::default()
        };
        for request in requests {
            summary.points += request.points;
            summary.body_bytes += request.body_bytes;
            summary.without_authorization += usize::from(!request.had_authorization);
            *summary
                .statuses
                .entry(request.status.unwrap_or(0))
                .or_default() += 1;
            *summary.operations.entry(operation(request)).or_default() += 1;
        }
        summary
    }
}

fn operation(request: &RequestRecord) -> String {
    let path = request.path.split('?').next().unwrap_or_default();
    match &request.operation {
        Some(name) => format!("graphql {name}"),
        None if request.is_graphql() => "graphql".to_owned(),
        None => format!("{} {path}", request.method),
    }
}
