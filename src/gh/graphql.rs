//! GraphQL: a document and variables go in by standard input, data and errors come out. An error
//! for one alias leaves the others valid; its data is null, which means *unknown*.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::{Call, Effect, Gh};
use super::error::GhError;
use crate::process::Priority;

/// One error of an answer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct QueryError {
    /// `NOT_FOUND`, `FORBIDDEN`, `RATE_LIMITED`, `RESOURCE_LIMITS_EXCEEDED` and others.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub path: Vec<Value>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Clone, Debug, Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<String>,
}

impl QueryError {
    /// Whether it is about a top-level alias, or something in it.
    pub fn is_at(&self, alias: &str) -> bool {
        self.path.first().and_then(Value::as_str) == Some(alias)
    }

    /// The error as a sentence.
    pub fn explain(&self) -> String {
        let kind = self.kind.as_deref().or(self.code());
        match kind {
            Some(kind) => format!("{kind}: {}", self.message),
            None => self.message.clone(),
        }
    }

    fn code(&self) -> Option<&str> {
        self.extensions
            .as_ref()
            .and_then(|extensions| extensions.code.as_deref())
    }
}

/// Data with the errors that came beside it.
pub(super) struct Answer {
    pub data: Map<String, Value>,
    pub errors: Vec<QueryError>,
}

impl Answer {
    /// The value of a top-level alias; `None` when GitHub did not tell.
    pub fn take(&mut self, alias: &str) -> Option<Value> {
        self.data.remove(alias).filter(|value| !value.is_null())
    }

    /// The error that explains why `alias` is null.
    pub fn error_at(&self, alias: &str) -> Option<&QueryError> {
        self.errors.iter().find(|error| error.is_at(alias))
    }
}

impl Gh {
    /// Asks a query.
    pub(super) async fn query(
        &self,
        document: &str,
        variables: Map<String, Value>,
        priority: Priority,
    ) -> Result<Answer, GhError> {
        self.ask(document, variables, priority, Effect::Reads).await
    }

    /// Sends a mutation, once.
    pub(super) async fn mutation(
        &self,
        document: &str,
        variables: Map<String, Value>,
    ) -> Result<Answer, GhError> {
        self.ask(document, variables, Priority::Claim, Effect::Changes)
            .await
    }

    async fn ask(
        &self,
        document: &str,
        variables: Map<String, Value>,
        priority: Priority,
        effect: Effect,
    ) -> Result<Answer, GhError> {
        let body = serde_json::json!({ "query": document, "variables": variables });
        let call = Call {
            method: "POST",
            body: Some(body.to_string().into_bytes()),
            conditional: false,
            effect,
            ..Call::get("graphql").priority(priority)
        };
        let response = self.call(call).await?;
        let answer = parse(&response.body, response.retry_after());
        // The limit is in the body of a 200: the gate has not seen it.
        if let Err(error @ GhError::RateLimited { .. }) = &answer {
            self.note_limit("graphql", error);
        }
        answer
    }
}

fn parse(body: &[u8], retry_after: Option<Duration>) -> Result<Answer, GhError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        data: Option<Map<String, Value>>,
        #[serde(default)]
        errors: Vec<QueryError>,
    }
    let Body { data, errors } =
        serde_json::from_slice(body).map_err(|error| GhError::Malformed(error.to_string()))?;
    let has = |kind: &str| {
        errors
            .iter()
            .any(|error| error.kind.as_deref() == Some(kind))
    };
    if has("RATE_LIMITED") {
        let retry_after = retry_after.unwrap_or(Duration::from_secs(60));
        return Err(GhError::RateLimited { retry_after });
    }
    if has("RESOURCE_LIMITS_EXCEEDED") || has("MAX_NODE_LIMIT_EXCEEDED") {
        return Err(GhError::TooExpensive);
    }
    let schema = errors.iter().find(|error| {
        matches!(
            error.code(),
            Some("undefinedField" | "argumentNotAccepted" | "undefinedType")
        )
    });
    if let Some(error) = schema {
        return Err(GhError::QueryRefused(error.message.clone()));
    }
    match (data, errors.first()) {
        (Some(data), _) => Ok(Answer { data, errors }),
        (None, Some(first)) => Err(GhError::Upstream {
            status: 200,
            message: first.message.clone(),
        }),
        (None, None) => Err(GhError::Malformed("neither data nor errors".to_owned())),
    }
}

/// Parses a part of an answer.
pub(super) fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, GhError> {
    serde_json::from_value(value).map_err(|error| GhError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_data_keeps_what_is_valid() {
        let body = br#"{"data":{"r0":null,"r1":{"x":1}},"errors":[{"type":"NOT_FOUND","path":["r0"],"message":"no"}]}"#;
        let mut answer = parse(body, None).unwrap();
        assert!(answer.take("r0").is_none());
        assert!(answer.take("r1").is_some());
        assert_eq!(
            answer.error_at("r0").unwrap().kind.as_deref(),
            Some("NOT_FOUND")
        );
        assert!(answer.error_at("r1").is_none());
    }

    #[test]
    fn errors_that_spoil_the_whole_answer() {
        let limited =
            br#"{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}"#;
        assert!(matches!(
            parse(limited, None),
            Err(GhError::RateLimited { .. })
        ));
        let expensive =
            br#"{"data":{"r0":null},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":""}]}"#;
        assert!(matches!(parse(expensive, None), Err(GhError::TooExpensive)));
        let field = br#"{"errors":[{"message":"Field 'x' doesn't exist on type 'Issue'","extensions":{"code":"undefinedField"}}]}"#;
        assert!(matches!(parse(field, None), Err(GhError::QueryRefused(_))));
        assert!(matches!(parse(b"{}", None), Err(GhError::Malformed(_))));
        assert!(matches!(parse(b"<html>", None), Err(GhError::Malformed(_))));
    }
}
