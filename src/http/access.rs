//! Who may ask: Host and Origin of every request, and the key where one is set; and how large a
//! request's head may be.
//!
//! A web page in the user's browser must not reach the claims, neither by DNS rebinding (a foreign
//! Host) nor by a cross-site request (a foreign Origin).

use http::{HeaderMap, Request, Uri, header};
use subtle::ConstantTimeEq as _;

use crate::domain::{ApiError, Category, limits};

/// The rules of one listener.
pub struct Access {
    /// API_KEY.
    api_key: Option<String>,
    /// Secret of the lock file: processes of the same user.
    owner_token: String,
    /// Reached from other machines (then a key is set): any Host is let in.
    any_host: bool,
}

impl Access {
    /// The rules for a listener.
    pub fn new(api_key: Option<String>, owner_token: String, loopback_only: bool) -> Self {
        Self {
            api_key,
            owner_token,
            any_host: !loopback_only,
        }
    }

    /// Host and Origin, and the host of an address that is written out.
    pub(super) fn check_source(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                (Some(value), None) => value.to_str().map(Some).map_err(|_| forbidden_host()),
                // Which of them counts would be anybody's guess.
                (Some(_), Some(_)) => Err(forbidden_host()),
            }
        };
        let host = text(header::HOST)?;
        let written_out = uri.authority().map(http::uri::Authority::as_str);
        let is_ours = host.is_some_and(is_loopback_authority)
            && written_out.is_none_or(is_loopback_authority);
        if !self.any_host && !is_ours {
            return Err(forbidden_host());
        }
        let Some(origin) = text(header::ORIGIN)? else {
            return Ok(());
        };
        let authority = origin
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        let same_host = self.any_host && host == Some(authority);
        if is_loopback_authority(authority) || same_host {
            return Ok(());
        }
        Err(ApiError::new(
            Category::User,
            "forbidden_origin",
            "requests from this web origin are not allowed",
            "call from a program that is no web page, or from a page of this server's own address",
        ))
    }

    /// The key.
    pub(super) fn check_key(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(api_key) = &self.api_key else {
            return Ok(());
        };
        let given = bearer(headers);
        if same(given, api_key) || same(given, &self.owner_token) {
            return Ok(());
        }
        Err(ApiError::new(
            Category::User,
            "unauthorized",
            "the API key is missing or wrong",
            "send the header Authorization: Bearer KEY with the value of API_KEY",
        ))
    }

    /// Whether the caller is a process of the same user that read the lock file.
    pub(super) fn check_process(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if same(bearer(headers), &self.owner_token) {
            return Ok(());
        }
        Err(ApiError::new(
            Category::User,
            "unauthorized",
            "this route is for issuecommand's own processes",
            "use the routes of /openapi.json",
        ))
    }

    /// Whether a key is needed.
    pub(super) fn needs_key(&self) -> bool {
        self.api_key.is_some()
    }
}

/// Refuses a head that is too large, in words: hyper's own limits lie above and have none.
pub(super) fn check_size<B>(request: &Request<B>) -> Result<(), ApiError> {
    /// What stands between the parts of a line, and at its end.
    const AROUND: usize = 4;
    let target = request.uri();
    let first_line = request.method().as_str().len()
        + target.path().len()
        + target.query().map_or(0, |query| query.len() + 1)
        + AROUND
        + "HTTP/1.1".len();
    let lines = request.headers().iter();
    let bytes = lines.fold(first_line, |bytes, (name, value)| {
        bytes + name.as_str().len() + value.len() + AROUND
    });
    let count = request.headers().len();
    if bytes <= limits::HEAD_BYTES_MAX && count <= limits::HEADERS_MAX {
        return Ok(());
    }
    Err(ApiError::new(
        Category::User,
        "head_too_large",
        format!(
            "the head of the request has {count} headers and {bytes} bytes; {} and {} are allowed",
            limits::HEADERS_MAX,
            limits::HEAD_BYTES_MAX
        ),
        "send fewer and shorter headers, and long arguments in the body: POST /api/tools/NAME",
    ))
}

fn bearer(headers: &HeaderMap) -> &[u8] {
    let value = headers
        .get(header::AUTHORIZATION)
        .map_or(&b""[..], |value| value.as_bytes());
    value.strip_prefix(b"Bearer ").unwrap_or_default()
}

/// Compared in a time that tells nothing about where the difference lies.
fn same(given: &[u8], expected: &str) -> bool {
    given.ct_eq(expected.as_bytes()).into()
}

fn forbidden_host() -> ApiError {
    ApiError::new(
        Category::User,
        "forbidden_host",
        "this Host is not served here",
        "address the server as localhost or 127.0.0.1",
    )
}

/// `localhost`, a loopback address or either with a port.
fn is_loopback_authority(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if port.is_empty() || is_port(port) => host,
            _ => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) => return false,
            None => authority,
        },
    };
    // What nearly every request says needs no parsing.
    host == "127.0.0.1"
        || host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check_at("/api/claims", &headers)
    }

    fn check_at(uri: &str, headers: &HeaderMap) -> bool {
        Access::new(None, "t".to_owned(), true)
            .check_source(&uri.parse().unwrap(), headers)
            .is_ok()
    }

    #[test]
    fn only_loopback_names_and_origins() {
        for host in [
            "localhost",
            "localhost:3100",
            "127.0.0.1:1",
            "[::1]:3100",
            "LOCALHOST:9",
        ] {
            assert!(check(&[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "a@localhost",
            "",
        ] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]), "a request without Host");
        let host = ("host", "localhost:3100");
        assert!(!check(&[host, ("host", "evil.example")]), "two Hosts");
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        assert!(check_at("http://127.0.0.1:3100/api/claims", &headers));
        assert!(!check_at("http://evil.example/api/claims", &headers));
        assert!(check(&[host, ("origin", "http://localhost:5173")]));
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
        ] {
            assert!(!check(&[host, ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn the_key_or_the_lock_files_token() {
        let access = Access::new(Some("secret".to_owned()), "token".to_owned(), true);
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value.parse().unwrap());
            access.check_key(&headers).is_ok()
        };
        assert!(check("Bearer secret") && check("Bearer token"));
        assert!(!check("Bearer wrong") && !check("secret") && !check("Bearer "));
        assert!(access.check_key(&HeaderMap::new()).is_err());
    }
}
