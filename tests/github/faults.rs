//! What goes wrong with a real service, on demand.

use std::time::Duration;

use jiff::Timestamp;

/// What a fault does to a request.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Gives this answer instead.
    Respond {
        /// The status.
        status: u16,
        /// Headers in addition to the usual ones, or in their place.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Ends the connection in the middle of the body.
    Truncate,
    /// Gives half of the JSON as if it were all.
    MalformedJson,
    /// Puts a byte into the body that is not UTF-8.
    InvalidUtf8,
    /// Never answers.
    Stall,
    /// Sends half of the body and then nothing, on an open connection.
    StallMidBody,
    /// Answers correctly, later.
    Delay(Duration),
    /// Closes the connection without an answer.
    Close,
}

/// A fault: an effect, and the requests that suffer from it.
#[derive(Debug, Clone)]
pub struct Fault {
    effect: Effect,
    applied: bool,
    writes_only: bool,
    on: Option<String>,
    on_body: Option<String>,
    times: Option<usize>,
}

impl Fault {
    /// An effect on every request, for ever.
    pub fn new(effect: Effect) -> Self {
        Self {
            effect,
            applied: false,
            writes_only: false,
            on: None,
            on_body: None,
            times: None,
        }
    }

    /// Only requests whose method, path with query and GraphQL operation name, joined by
    /// spaces, contain this (`GET /repos/acme`, `/issues/3`, `POST /graphql Probe`).
    #[must_use]
    pub fn on(mut self, part: &str) -> Self {
        self.on = Some(part.to_owned());
        self
    }

    /// Only requests whose body contains this.
    #[must_use]
    pub fn on_body(mut self, part: &str) -> Self {
        self.on_body = Some(part.to_owned());
        self
    }

    /// Only so many requests.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = Some(count);
        self
    }

    /// Adds a header to an answer that replaces the real one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Effect::Respond { headers, .. } = &mut self.effect {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Does what was asked first, so that only the answer is lost or replaced.
    #[must_use]
    pub fn after_applying(mut self) -> Self {
        self.applied = true;
        self
    }

    /// Another answer.
    pub fn respond(status: u16, body: &str) -> Self {
        let (headers, body) = (Vec::new(), body.to_owned());
        Self::new(Effect::Respond {
            status,
            headers,
            body,
        })
    }

    /// 500 with a page of HTML.
    pub fn server_error() -> Self {
        Self::html(500, "Unicorn! &middot; GitHub")
    }

    /// 502 with a page of HTML, as when a query takes longer than GitHub allows.
    pub fn bad_gateway() -> Self {
        Self::html(502, "502 Bad Gateway")
    }

    /// 503 with a page of HTML.
    pub fn unavailable() -> Self {
        Self::html(
            503,
            "No server is currently available to service your request.",
        )
    }

    /// 401, as for a token that was revoked.
    pub fn unauthorized() -> Self {
        Self::message(401, "Bad credentials")
    }

    /// 403 for asking too much at once.
    pub fn secondary_limit(retry_after_seconds: u64) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self::message(403, message).header("retry-after", &retry_after_seconds.to_string())
    }

    /// 429 for asking too much at once.
    pub fn too_many_requests(retry_after_seconds: u64) -> Self {
        let fault = Self::message(429, "You have exceeded a secondary rate limit.");
        fault.header("retry-after", &retry_after_seconds.to_string())
    }

    /// 403 for having used up the hour, which ends in the time given.
    pub fn primary_limit(reset_in: Duration) -> Self {
        Self::message(403, "API rate limit exceeded for user ID 1.")
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", &reset(reset_in))
    }

    /// 200 with the error GraphQL gives when the hour is used up.
    pub fn graphql_rate_limited(reset_in: Duration) -> Self {
        Self::respond(200, super::graphql::RATE_LIMITED)
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", &reset(reset_in))
            .on("/graphql")
    }

    /// 404 for all of GraphQL, as behind a proxy that lets only REST pass.
    pub fn graphql_refused() -> Self {
        Self::message(404, "Not Found").on("/graphql")
    }

    /// The connection ends in the middle of the body.
    pub fn truncated() -> Self {
        Self::new(Effect::Truncate)
    }

    /// The body is half of the JSON.
    pub fn malformed_json() -> Self {
        Self::new(Effect::MalformedJson)
    }

    /// The body is not UTF-8.
    pub fn invalid_utf8() -> Self {
        Self::new(Effect::InvalidUtf8)
    }

    /// No answer ever comes.
    pub fn stall() -> Self {
        Self::new(Effect::Stall)
    }

    /// Half of the body comes, and nothing after it.
    pub fn stall_mid_body() -> Self {
        Self::new(Effect::StallMidBody)
    }

    /// The answer comes later.
    pub fn delay(by: Duration) -> Self {
        Self::new(Effect::Delay(by))
    }

    /// The connection is closed at once.
    pub fn closed() -> Self {
        Self::new(Effect::Close)
    }

    /// A write is done, and the answer to it never comes.
    pub fn answer_lost() -> Self {
        Self {
            writes_only: true,
            ..Self::stall().after_applying()
        }
    }

    fn html(status: u16, title: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><p>{title}</p></body></html>\n"
        );
        Self::respond(status, &body).header("content-type", "text/html; charset=utf-8")
    }

    fn message(status: u16, message: &str) -> Self {
        let link = "https://docs.github.com/rest";
        Self::respond(
            status,
            &format!(r#"{{"message":"{message}","documentation_url":"{link}"}}"#),
        )
    }

    fn concerns(&self, request: &Asked<'_>) -> bool {
        let within = |part: &Option<String>, text: &str| {
            part.as_ref().is_none_or(|part| text.contains(part))
        };
        self.times != Some(0)
            && !(self.writes_only
                && (request.method == "GET" || request.path.ends_with("/graphql")))
            && within(&self.on, &request.subject())
            && within(&self.on_body, request.body)
    }
}

fn reset(reset_in: Duration) -> String {
    (Timestamp::now().as_second() + reset_in.as_secs().cast_signed()).to_string()
}

/// What a fault looks at to decide whether it concerns a request.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) operation: Option<&'a str>,
    pub(super) body: &'a str,
}

impl Asked<'_> {
    fn subject(&self) -> String {
        format!(
            "{} {} {}",
            self.method,
            self.path,
            self.operation.unwrap_or_default()
        )
    }
}

/// What is in store for one request.
#[derive(Default)]
pub(super) struct Plan {
    /// To wait before anything else.
    pub(super) delay: Duration,
    /// What to do instead of, or with, the answer.
    pub(super) effect: Option<Effect>,
    /// Whether the request is done before the effect.
    pub(super) applied: bool,
}

/// Chooses what happens to a request and counts it: all delays that concern it,
/// and the first of the other faults.
pub(super) fn plan(faults: &mut [Fault], request: &Asked<'_>) -> Plan {
    let mut plan = Plan::default();
    for fault in faults.iter_mut().filter(|fault| fault.concerns(request)) {
        match &fault.effect {
            Effect::Delay(by) => plan.delay += *by,
            _ if plan.effect.is_some() => continue,
            effect => {
                plan.effect = Some(effect.clone());
                plan.applied = fault.applied;
            }
        }
        fault.times = fault.times.map(|left| left - 1);
    }
    plan
}
