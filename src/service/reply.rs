//! What a request leads to.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::claim::Claim;
use crate::domain::{ApiError, text};

/// How a reply is to be reported where a transport has words for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// Done.
    #[default]
    Ok,
    /// Something new exists: HTTP 201.
    Created,
    /// An ordinary refusal: HTTP 409, exit code 4.
    Refused,
}

/// Long text that users wrote: a field in JSON over HTTP, a fenced block over MCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongText {
    /// Name of the field over HTTP.
    pub field: String,
    /// What it is, for people.
    pub title: String,
    /// The text.
    pub text: String,
}

/// The record of an answer.
#[derive(Clone, Debug)]
enum Record {
    /// As JSON.
    Json(Box<RawValue>),
    /// Of a granted claim, written when it is asked for: REST answers with the claim alone.
    Granted {
        already_owned: bool,
        warnings: Vec<String>,
    },
}

/// A tool's answer.
#[derive(Clone, Debug)]
pub struct Reply {
    record: Record,
    /// Text that strangers wrote, apart from the record.
    pub long: Vec<LongText>,
    /// How to report it.
    pub kind: ReplyKind,
    /// The claim it is about, for transports that answer with the bare record. Does not travel
    /// between processes.
    pub claim: Option<Arc<Claim>>,
}

impl Reply {
    /// A reply with this record.
    pub fn new(record: &impl Serialize) -> Result<Self, ApiError> {
        let json = serde_json::value::to_raw_value(record)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Self {
            record: Record::Json(json),
            long: Vec::new(),
            kind: ReplyKind::Ok,
            claim: None,
        })
    }

    /// The reply for a claim that is held by whoever asked for it.
    pub fn granted(claim: Arc<Claim>, already_owned: bool, warnings: Vec<String>) -> Self {
        Self {
            record: Record::Granted {
                already_owned,
                warnings,
            },
            long: Vec::new(),
            kind: if already_owned {
                ReplyKind::Ok
            } else {
                ReplyKind::Created
            },
            claim: Some(claim),
        }
    }

    /// The record as compact JSON.
    pub fn json(&self) -> Cow<'_, str> {
        #[derive(Serialize)]
        struct Claimed<'a> {
            claimed: bool,
            already_owned: bool,
            claim: Option<&'a Claim>,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            warnings: &'a [String],
        }
        match &self.record {
            Record::Json(json) => Cow::Borrowed(json.get()),
            Record::Granted {
                already_owned,
                warnings,
            } => {
                let claim = self.claim.as_deref();
                let record = Claimed {
                    claimed: true,
                    already_owned: *already_owned,
                    claim,
                    warnings,
                };
                // These types have no value that JSON cannot hold.
                Cow::Owned(serde_json::to_string(&record).unwrap_or_default())
            }
        }
    }

    /// Reported as `kind`.
    #[must_use]
    pub fn kind(mut self, kind: ReplyKind) -> Self {
        self.kind = kind;
        self
    }

    /// About this claim.
    #[must_use]
    pub fn about(mut self, claim: Arc<Claim>) -> Self {
        self.claim = Some(claim);
        self
    }

    /// With a long text.
    #[must_use]
    pub fn with_text(mut self, field: &str, title: String, text: String) -> Self {
        if !text.is_empty() {
            self.long.push(LongText {
                field: field.to_owned(),
                title,
                text,
            });
        }
        self
    }

    /// The long texts as one fenced block, marked as untrusted.
    pub fn fenced(&self) -> Option<String> {
        let blocks = self
            .long
            .iter()
            .map(|long| text::fence_untrusted(&long.title, &long.text));
        let block = blocks.collect::<Vec<_>>().join("\n");
        (!block.is_empty()).then_some(block)
    }

    /// The record with the long texts as further fields.
    pub fn whole_json(&self) -> String {
        let record = self.json();
        let Some(open) = record.strip_suffix('}').filter(|_| !self.long.is_empty()) else {
            return record.into_owned();
        };
        let mut whole = open.to_owned();
        for long in &self.long {
            let separator = if whole.ends_with('{') { "" } else { "," };
            let (name, value) = (json_text(&long.field), json_text(&long.text));
            whole.push_str(&format!("{separator}{name}:{value}"));
        }
        whole.push('}');
        whole
    }
}

/// A reply on its way between two processes.
#[derive(Serialize, Deserialize)]
struct Travelling<'a> {
    json: Cow<'a, RawValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    long: Vec<LongText>,
    #[serde(default)]
    kind: ReplyKind,
}

impl Serialize for Reply {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = RawValue::from_string(self.json().into_owned());
        let json = Cow::Owned(json.map_err(serde::ser::Error::custom)?);
        Travelling {
            json,
            long: self.long.clone(),
            kind: self.kind,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Travelling { json, long, kind } = Travelling::deserialize(deserializer)?;
        Ok(Self {
            record: Record::Json(json.into_owned()),
            long,
            kind,
            claim: None,
        })
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_a_field_or_a_block() {
        let reply = Reply::new(&serde_json::json!({"a": 1})).unwrap();
        assert_eq!(reply.whole_json(), r#"{"a":1}"#);
        assert_eq!(reply.fenced(), None);
        let reply = reply.with_text("body", "Issue #1".to_owned(), "say \"hi\"".to_owned());
        assert_eq!(reply.whole_json(), r#"{"a":1,"body":"say \"hi\""}"#);
        assert!(reply.fenced().unwrap().contains("untrusted"));
        let empty = Reply::new(&serde_json::json!({})).unwrap();
        let empty = empty.with_text("b", String::new(), "x".to_owned());
        assert_eq!(empty.whole_json(), r#"{"b":"x"}"#);
    }
}
