//! Errors of the protocol itself, with their next step: the library only names what is wrong.

use std::borrow::Cow;

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, ProtocolVersion, RequestId};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::domain::text;

/// Versions that are spoken. Not 2025-03-26, which alone wants lists of messages to be taken.
pub(super) const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2024_11_05,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// What a client asks to speak, or what it is sure to know as well where that is not spoken: it may
/// be older than all later versions.
pub(super) fn version_for(asked: ProtocolVersion) -> ProtocolVersion {
    if asked == ProtocolVersion::V_2025_03_26 {
        ProtocolVersion::V_2024_11_05
    } else {
        asked
    }
}

/// How a conversation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// It begins with `initialize`.
    Greeting,
    /// Each request tells all about its client.
    Stateless,
}

impl Era {
    /// The era of a version; the older one for a client that tells none.
    pub fn of(version: Option<&str>) -> Self {
        match version {
            // Versions are dates.
            Some(version) if version >= ProtocolVersion::NO_INITIALIZE.as_str() => Self::Stateless,
            _ => Self::Greeting,
        }
    }
}

/// What a client may ask, and in which era if only in one.
const METHODS: [(&str, Option<Era>); 11] = [
    ("initialize", Some(Era::Greeting)),
    ("server/discover", Some(Era::Stateless)),
    ("ping", Some(Era::Greeting)),
    ("tools/list", None),
    ("tools/call", None),
    ("resources/list", None),
    ("resources/templates/list", None),
    ("resources/read", None),
    ("prompts/list", None),
    ("prompts/get", None),
    ("completion/complete", None),
];

/// There is no such method, or not in this version of the protocol.
pub(super) fn unknown_method(method: &str, era: Era) -> ErrorData {
    let known = METHODS
        .iter()
        .filter(|(_, only)| only.is_none_or(|only| only == era));
    let known: Vec<&str> = known.map(|(name, _)| *name).collect();
    let shown = text::one_line(text::cut(method, 60).0);
    let near = text::nearest(method, known.iter().copied());
    let next = match near.filter(|near| *near != method) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the methods are {}", known.join(", ")),
    };
    let message = format!("this server has no method '{shown}' in this version; {next}");
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}

/// Adds the next step to an error that the library made.
pub fn with_next_step(mut error: ErrorData, era: Era) -> ErrorData {
    if error.message.contains("; ") {
        return error;
    }
    let next = match error.code {
        ErrorCode::METHOD_NOT_FOUND => return unknown_method(&error.message, era),
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
        Value::Object(fields) if fields.contains_key("method") => flaw_of_request(fields),
        _ => {
            "not a JSON-RPC message; send an object with jsonrpc, id, method and params, or an \
             answer with id and result"
        }
    };
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, flaw, None);
    Some((error, id_of(message)))
}

fn flaw_of_request(fields: &Map<String, Value>) -> &'static str {
    if fields.contains_key("result") || fields.contains_key("error") {
        "a request and an answer in one; send either a method or a result"
    } else if !fields["method"].is_string() {
        "not a JSON-RPC request; method must be text"
    } else if fields
        .get("id")
        .is_some_and(|id| RequestId::deserialize(id).is_err())
    {
        "not a JSON-RPC request; id must be text or a whole number below 2^63"
    } else {
        "not a JSON-RPC request; params must be an object"
    }
}

/// The id to answer a message under, if it can be read.
pub fn id_of(message: &Value) -> Option<RequestId> {
    RequestId::deserialize(message.get("id")?).ok()
}

/// Whether nobody waits for an answer to a message, not even when it cannot be read.
pub(super) fn is_notification(message: &Value) -> bool {
    message["jsonrpc"] == "2.0" && message["method"].is_string() && message.get("id").is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_error_has_a_next_step() {
        let era = Era::of(Some("2025-11-25"));
        let unknown = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "tool/call", None);
        let unknown = with_next_step(unknown, era);
        assert!(unknown.message.ends_with("; did you mean tools/call?"));
        let meta = ErrorData::invalid_params("request _meta is missing", None);
        let meta = with_next_step(meta, era);
        assert!(meta.message.contains("; send initialize first"));
        assert_eq!(with_next_step(meta.clone(), era), meta);
    }

    #[test]
    fn only_the_methods_of_the_version_that_is_spoken_are_named() {
        let stateless = Era::of(Some("2026-07-28"));
        let words = unknown_method("ping", stateless).message;
        let (_, methods) = words.split_once("; the methods are ").unwrap();
        assert!(
            methods.starts_with("server/discover, tools/list"),
            "{words}"
        );
        assert!(!methods.contains("ping"), "{words}");
        let words = unknown_method("no/such/method", Era::of(None)).message;
        assert!(words.contains("; the methods are initialize, ping, tools/list"));
        let near = |era| {
            unknown_method("pings", era)
                .message
                .contains("did you mean ping?")
        };
        assert_eq!((near(Era::Greeting), near(stateless)), (true, false));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said_of_that_one_alone() {
        let too_large = 1_u64 << 63;
        for (flawed, word) in [
            (
                json!({"id": 1, "method": "a", "result": 3}),
                "either a method or a result",
            ),
            (json!({"id": 1, "method": 5}), "method must be text"),
            (json!({"id": too_large, "method": "a"}), "below 2^63"),
            (
                json!({"id": 1, "method": "a", "params": []}),
                "params must be an object",
            ),
        ] {
            let mut message = flawed;
            message["jsonrpc"] = json!("2.0");
            let (error, _) = flaw_of(&message).unwrap();
            assert!(error.message.contains(word), "{message}: {}", error.message);
            assert!(!is_notification(&message));
        }
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 5});
        assert!(is_notification(&cancelled));
        assert!(!is_notification(&json!({"jsonrpc": "2.0", "method": 5})));
        assert!(!is_notification(
            &json!({"method": "notifications/initialized"})
        ));
    }

    #[test]
    fn a_version_that_is_not_spoken_is_answered_with_one_that_its_clients_know() {
        for version in ProtocolVersion::KNOWN_VERSIONS {
            let answer = version_for(version.clone());
            assert!(VERSIONS.contains(&answer), "{version}");
            assert!(answer.as_str() <= version.as_str(), "{version}: {answer}");
        }
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
