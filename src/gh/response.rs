//! What `gh api -i` prints: a status line, headers, an empty line, the body.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::GhError;

/// How many of an answer's `errors` its message tells.
const ERRORS_TOLD_MAX: usize = 3;

/// An HTTP answer as gh printed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// Status code.
    pub status: u16,
    /// Header names (as printed) and values.
    pub headers: Vec<(String, String)>,
    /// Body as printed; gh replaces control characters in JSON.
    pub body: Vec<u8>,
}

impl Response {
    /// Parses standard output. The status line ends in LF, the headers in CRLF.
    pub fn parse(stdout: Vec<u8>) -> Option<Self> {
        let (mut offset, status_line) = next_line(&stdout, 0)?;
        let mut words = status_line.split(' ');
        if !words.next()?.starts_with("HTTP/") {
            return None;
        }
        let status = words.next()?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let (after, line) = next_line(&stdout, offset)?;
            offset = after;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut body = stdout;
        body.drain(..offset);
        Some(Self {
            status,
            headers,
            body,
        })
    }

    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A header that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// How long GitHub asks to wait: `Retry-After`, else until the budget is filled again.
    pub fn retry_after(&self) -> Option<Duration> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let until_reset = || Some(self.number("X-RateLimit-Reset")?.saturating_sub(now));
        self.number("Retry-After")
            .or_else(until_reset)
            .map(Duration::from_secs)
    }

    /// Parses the body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, GhError> {
        serde_json::from_slice(&self.body).map_err(|error| GhError::Malformed(error.to_string()))
    }

    /// `message` of an error body, with what its `errors` add: "Validation Failed" alone says
    /// nothing.
    pub fn message(&self) -> Option<String> {
        let body: serde_json::Value = self.json().ok()?;
        let mut message = body["message"].as_str()?.to_owned();
        let errors = body["errors"].as_array().into_iter().flatten();
        for error in errors.take(ERRORS_TOLD_MAX) {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            let told = match (error.as_str(), text("message")) {
                (Some(told), _) => told.to_owned(),
                (None, "") => [text("resource"), text("field"), text("code")].join(" "),
                (None, told) => told.to_owned(),
            };
            message.push_str(": ");
            message.push_str(told.trim());
        }
        Some(message)
    }

    /// Whether `Link` names a next page. Its address is never followed: it could lead anywhere, and
    /// the pages are numbered.
    pub fn has_next_page(&self) -> bool {
        let links = self.header("Link").unwrap_or_default();
        links.split(',').any(|link| link.contains("rel=\"next\""))
    }
}

fn next_line(bytes: &[u8], offset: usize) -> Option<(usize, &str)> {
    let rest = bytes.get(offset..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    Some((offset + end + 1, line.trim_end_matches('\r')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_headers_and_body() {
        let output = b"HTTP/2.0 200 OK\nEtag: \"a\"\r\nX-Ratelimit-Remaining: 42\r\n\r\n{\"a\":1}";
        let response = Response::parse(output.to_vec()).unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.header("ETag"), Some("\"a\""));
        assert_eq!(response.number("x-ratelimit-remaining"), Some(42));
        assert_eq!(response.body, b"{\"a\":1}");
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let told = |body: &str| {
            let response = Response {
                status: 422,
                headers: Vec::new(),
                body: body.as_bytes().to_vec(),
            };
            response.message()
        };
        let invalid = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"}]}"#;
        assert_eq!(
            told(invalid).as_deref(),
            Some("Validation Failed: PullRequest head invalid")
        );
        let custom = r#"{"message":"Validation Failed","errors":[{"code":"custom","message":"No commits between main and x"},"and more"]}"#;
        assert_eq!(
            told(custom).as_deref(),
            Some("Validation Failed: No commits between main and x: and more")
        );
        assert_eq!(
            told(r#"{"message":"Not Found"}"#).as_deref(),
            Some("Not Found")
        );
        assert_eq!(told("<html>"), None);
    }

    #[test]
    fn nothing_or_nonsense_is_no_answer() {
        for output in [
            "",
            "{\"a\":1}",
            "HTTP/2.0 200 OK\nA: b\r\n",
            "HTTP/2.0 abc\n\r\n",
        ] {
            assert_eq!(
                Response::parse(output.as_bytes().to_vec()),
                None,
                "{output:?}"
            );
        }
    }

    #[test]
    fn the_next_page_is_announced() {
        let with = |link: &str| Response {
            status: 200,
            headers: vec![("Link".to_owned(), link.to_owned())],
            body: Vec::new(),
        };
        assert!(with("<https://x/repositories/1/issues?page=3>; rel=\"next\"").has_next_page());
        assert!(!with("<https://x/repositories/1/issues?page=1>; rel=\"prev\"").has_next_page());
    }
}
