//! The error every caller sees, whichever transport it came by.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// The caller: the request or the set-up is wrong.
    User,
    /// GitHub, the network, the disk or this program.
    Api,
    /// Nobody did anything wrong: the state of things forbids it.
    Logical,
}

/// An error with what it is, whose it is and what to do next.
///
/// As JSON: `{"error","category","code","suggestion","retry_after"?, …facts}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What happened, as a sentence without a full stop.
    #[serde(rename = "error")]
    pub message: String,
    /// Who can mend it.
    pub category: Category,
    /// The stable name of this error, in snake case.
    pub code: Cow<'static, str>,
    /// The next step.
    pub suggestion: String,
    /// Seconds after which the same request may succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Facts for programs, such as `allowed` transitions, beside the other fields.
    #[serde(flatten)]
    pub details: Box<serde_json::Map<String, serde_json::Value>>,
}

impl ApiError {
    /// An error of the given category.
    pub fn new(
        category: Category,
        code: &'static str,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        Self {
            message: message.into(),
            category,
            code: Cow::Borrowed(code),
            suggestion: suggestion.into(),
            retry_after: None,
            details: Box::default(),
        }
    }

    /// A bad value from the caller: code `invalid_argument`.
    pub fn invalid(message: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Self::new(Category::User, "invalid_argument", message, suggestion)
    }

    /// A defect of this program: code `internal`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            Category::Api,
            "internal",
            message,
            "this is a bug in issuecommand: report it with the log of this moment",
        )
    }

    /// Adds the number of seconds after which a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds one fact for programs.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Process exit code for this error: 2 user, 3 GitHub or network, 4 a refusal, 1 a bug.
    pub fn exit_code(&self) -> u8 {
        match (self.code.as_ref(), self.category) {
            ("internal", _) => 1,
            (_, Category::User) => 2,
            (_, Category::Api) => 3,
            (_, Category::Logical) => 4,
        }
    }
}
