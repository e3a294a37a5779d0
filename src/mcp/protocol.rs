//! Errors of the protocol itself, with their next step: the library only names what is wrong.

use std::borrow::Cow;

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, RequestId};
use serde::Deserialize as _;
use serde_json::Value;

use crate::domain::text;

/// What a client may ask.
const METHODS: [&str; 11] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

/// There is no such method, or not in this version of the protocol.
pub(super) fn unknown_method(method: &str) -> ErrorData {
    let shown = text::one_line(text::cut(method, 60).0);
    let next = match text::nearest(method, METHODS).filter(|near| *near != method) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the methods are {}", METHODS.join(", ")),
    };
    let message = format!("this server has no method '{shown}' in this version; {next}");
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}

/// Adds the next step to an error that the library made.
pub fn with_next_step(mut error: ErrorData) -> ErrorData {
    if error.message.contains("; ") {
        return error;
    }
    let next = match error.code {
        ErrorCode::METHOD_NOT_FOUND => return unknown_method(&error.message),
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => "use one of the versions in data",
        ErrorCode::INVALID_PARAMS if error.message.contains("_meta") => {
            "send initialize first, or these fields in params._meta of each request"
        }
        ErrorCode::HEADER_MISMATCH => "let the MCP headers say what the message says",
        ErrorCode::INVALID_REQUEST if error.message != "cancelled" => {
            "send one JSON-RPC 2.0 message that follows the protocol"
        }
        _ => return error,
    };
    error.message = Cow::Owned(format!("{}; {next}", error.message));
    error
}

/// What is wrong with a message that the library would not take, and the id to answer under.
pub fn flaw_of(message: &Value) -> Option<(ErrorData, Option<RequestId>)> {
    if ClientJsonRpcMessage::deserialize(message).is_ok() {
        return None;
    }
    let is_of_version = message["jsonrpc"] == "2.0";
    // The library passes over notifications of other protocols.
    let foreign = |method: &str| !method.starts_with("notifications/");
    if is_of_version
        && message.get("id").is_none()
        && message["method"].as_str().is_some_and(foreign)
    {
        return None;
    }
    let flaw = match message {
        Value::Array(_) => "a list of messages is not taken; send one message at a time",
        Value::Object(_) if !is_of_version => {
            "not a JSON-RPC message; it needs \"jsonrpc\":\"2.0\""
        }
        Value::Object(fields) if fields.contains_key("method") => {
            "not a JSON-RPC request; method must be text, id text or a whole number, params an \
             object"
        }
        _ => {
            "not a JSON-RPC message; send an object with jsonrpc, id, method and params, or an \
             answer with id and result"
        }
    };
    let id = message.get("id").cloned();
    let id = id.and_then(|id| serde_json::from_value(id).ok());
    Some((ErrorData::new(ErrorCode::INVALID_REQUEST, flaw, None), id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_error_has_a_next_step() {
        let unknown = with_next_step(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            "tool/call",
            None,
        ));
        assert!(unknown.message.ends_with("; did you mean tools/call?"));
        // Known, but not in the version that is spoken.
        assert!(unknown_method("ping").message.contains("; the methods are"));
        let meta = ErrorData::invalid_params("request _meta is missing", None);
        let meta = with_next_step(meta);
        assert!(meta.message.contains("; send initialize first"));
        assert_eq!(with_next_step(meta.clone()), meta);
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        for good in [
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
            json!({"jsonrpc": "2.0", "id": "a", "method": "no/such"}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "method": "$/lsp"}),
            json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        ] {
            assert_eq!(flaw_of(&good), None, "{good}");
        }
        for bad in [
            json!([]),
            json!(null),
            json!("x"),
            json!({}),
            json!({"id": 7, "method": "tools/list"}),
            json!({"jsonrpc": "1.0", "id": 7, "method": "tools/list"}),
            json!({"jsonrpc": "2.0", "id": 7, "method": 5}),
            json!({"method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 5}),
            json!({"jsonrpc": "2.0", "id": {}, "method": "tools/list"}),
            json!({"jsonrpc": "2.0", "id": null, "method": "tools/list"}),
        ] {
            let (error, id) = flaw_of(&bad).unwrap();
            assert_eq!(error.code, ErrorCode::INVALID_REQUEST);
            assert!(error.message.contains("; "), "{}", error.message);
            let expected = (bad["id"] == 7).then_some(RequestId::Number(7));
            assert_eq!(id, expected, "{bad}");
        }
    }
}
