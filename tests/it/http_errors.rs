//! Every mistake has its status and its words, and the connection survives it.

use serde_json::{Value, json};

use crate::support::{Answer, Connection, Place, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

#[track_caller]
fn assert_is_error(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    let error = answer.json();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    assert!(!text("error").is_empty(), "{what}: {error}");
    assert!(!text("suggestion").is_empty(), "{what}: {error}");
    assert!(
        ["user", "api", "logical"].contains(&text("category").as_str()),
        "{what}: {error}"
    );
    let code = text("code");
    let is_snake = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
    assert!(
        !code.is_empty() && code.bytes().all(is_snake),
        "{what}: {error}"
    );
}

/// A connection, and what must not end it.
struct Survivor(Connection);

impl Survivor {
    fn on(server: &Server) -> Self {
        Self(server.connect())
    }

    #[track_caller]
    fn check(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let answer = self.0.request(method, path, headers, body);
        let what = format!(
            "{method} {path} {}",
            String::from_utf8_lossy(&body[..body.len().min(200)])
        );
        assert_is_error(&answer, status, &what);
        let health = self.0.request("GET", "/api/health", &[], b"");
        assert_eq!(health.status, 200, "after {what}");
        answer
    }

    #[track_caller]
    fn post(&mut self, status: u16, path: &str, body: &str) -> Value {
        self.check(status, "POST", path, &[JSON], body.as_bytes())
            .json()
    }
}

#[test]
fn malformed_input_is_refused_with_400() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut survivor = Survivor::on(&server);
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\u{fffd}",
        r#"{"agent_id":"a","repo":"acme/api"}"#,
        r#"{"agent_id":"a","issue_number":1}"#,
        r#"{"agent_id":"a","repo":"acme/api","issue_number":1,"nonsense":true}"#,
        r#"{"agent_id":7,"repo":"acme/api","issue_number":1}"#,
        r#"{"agent_id":"a","repo":"acme/api","issue_number":"1"}"#,
        r#"{"agent_id":"a","repo":"acme/api","issue_number":-1}"#,
        r#"{"agent_id":"a","repo":"acme/api","issue_number":1.5}"#,
        r#"{"agent_id":"a","repo":"acme/api","issue_number":0}"#,
        r#"{"agent_id":"a","repo":"acme","issue_number":1}"#,
        r#"{"agent_id":"a","repo":"acme/../api","issue_number":1}"#,
        r#"{"agent_id":"a","repo":"https://github.com/acme/api","issue_number":1}"#,
        r#"{"agent_id":"","repo":"acme/api","issue_number":1}"#,
        r#"{"agent_id":"a\u0007","repo":"acme/api","issue_number":1}"#,
        r#"{"repo":"acme/api","issue_number":1}"#,
    ] {
        survivor.post(400, "/api/claims", body);
    }
    survivor.check(
        400,
        "POST",
        "/api/claims",
        &[JSON],
        b"{\"agent_id\":\"\xff\xfe\"}",
    );
    let long = json!({"agent_id": "a".repeat(129), "repo": "acme/api", "issue_number": 1});
    survivor.post(400, "/api/claims", &long.to_string());
    let hint = survivor.post(
        400,
        "/api/claims",
        r#"{"agent_id":"a","repo":"acme/api","issue_numbr":1}"#,
    );
    assert!(hint.to_string().contains("issue_number"), "{hint}");
    for (path, body) in [
        ("/api/claims/next", r#"{"agent_id":"a","wait_seconds":46}"#),
        ("/api/claims/next", r#"{"agent_id":"a","labels":"bug"}"#),
        (
            "/api/tools/list_open_issues",
            r#"{"repo":"acme/api","limit":0}"#,
        ),
        (
            "/api/tools/list_open_issues",
            r#"{"repo":"acme/api","cursor":"x"}"#,
        ),
        ("/api/tools/get_claim_history", r#"{"since":"yesterday"}"#),
        (
            "/api/tools/update_claim_status",
            r#"{"claim_id":"not-a-uuid","status":"closed"}"#,
        ),
    ] {
        survivor.post(400, path, body);
    }
    let id = server.granted("agent-a", 1);
    let path = format!("/api/claims/{id}");
    for body in [
        r#"{"status":"finished"}"#,
        "{}",
        r#"{"status":"in_progress","note":5}"#,
    ] {
        survivor.check(400, "PATCH", &path, &[JSON], body.as_bytes());
    }
    for path in [
        "/api/issues/acme/api/one",
        "/api/repos/acme/../issues",
        "/api/repos/ac%20me/api/issues",
    ] {
        let answer = survivor.0.request("GET", path, &[], b"");
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {}",
            answer.text()
        );
    }
    assert_eq!(server.claims().len(), 1);
}

#[test]
fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let mut survivor = Survivor::on(&server);
    for path in [
        "/api",
        "/api/nonsense",
        "/nonsense",
        "/api/issues/acme/api/99",
    ] {
        survivor.check(404, "GET", path, &[], b"");
    }
    let unknown = survivor.post(404, "/api/tools/claim_isue", "{}");
    assert!(unknown.to_string().contains("claim_issue"), "{unknown}");
    for (method, path, allowed) in [
        ("PUT", "/api/claims", &["GET", "POST"][..]),
        ("GET", "/api/claims/next", &["POST"]),
        ("POST", "/api/claims/history", &["GET"]),
        (
            "PUT",
            "/api/claims/0190aaaa-0000-7000-8000-000000000000",
            &["PATCH", "DELETE"],
        ),
        ("DELETE", "/metrics", &["GET"]),
        ("POST", "/sse", &["GET"]),
        ("POST", "/api/repos", &["GET"]),
        ("POST", "/api/health", &["GET"]),
        ("GET", "/api/tools/next_issue", &["POST"]),
        ("POST", "/openapi.json", &["GET"]),
        ("BREW", "/api/issues/acme/api/1", &["GET"]),
    ] {
        let answer = survivor.check(405, method, path, &[], b"");
        let allow = answer.header("allow").unwrap_or_default();
        for method in allowed {
            assert!(allow.contains(method), "{path}: Allow: {allow}");
        }
    }
}

#[test]
fn bodies_have_a_type_and_a_limit() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut survivor = Survivor::on(&server);
    let claim = br#"{"agent_id":"a","repo":"acme/api","issue_number":1}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        survivor.check(415, "POST", "/api/claims", &[("content-type", kind)], claim);
    }
    survivor.check(415, "POST", "/api/claims", &[], claim);
    // Just below the limit it is read, and then judged.
    let mut fits = vec![b' '; (1 << 20) - 2];
    fits.extend(b"[]");
    survivor.check(400, "POST", "/api/claims", &[JSON], &fits);
    let with_charset = [("content-type", "application/json; charset=utf-8")];
    let accepted = survivor
        .0
        .request("POST", "/api/claims", &with_charset, claim);
    assert!(matches!(accepted.status, 200 | 201), "{}", accepted.text());
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_connection_survives() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut survivor = Survivor::on(&server);
    let large = vec![b' '; (1 << 20) + 1];
    survivor.check(413, "POST", "/api/claims", &[JSON], &large);
    let mut chunked = format!("{:x}\r\n", large.len()).into_bytes();
    chunked.extend(&large);
    chunked.extend(b"\r\n0\r\n\r\n");
    let headers = [JSON, ("transfer-encoding", "chunked")];
    survivor.check(413, "POST", "/api/claims", &headers, &chunked);
}

#[test]
fn a_head_over_the_limit_is_refused_in_words() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut survivor = Survivor::on(&server);
    let long = |bytes: usize| "y".repeat(bytes);
    // Just below the limit is no matter.
    let fits = long((64 << 10) - 200);
    let answer = survivor
        .0
        .request("GET", "/api/claims", &[("x-long", &fits)], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    for bytes in [64 << 10, 80_000, 100_000, 120_000] {
        let answer = survivor.check(431, "GET", "/api/claims", &[("x-long", &long(bytes))], b"");
        assert_eq!(answer.json()["code"], "head_too_large");
    }
    let names: Vec<_> = (0..70).map(|index| format!("x-{index}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "y")).collect();
    survivor.check(431, "GET", "/api/claims", &many, b"");
    let path = format!("/api/claims?agent_id={}", long(60_000));
    let large = [("x-long", long(8_000))];
    let large: Vec<_> = large
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    survivor.check(431, "GET", &path, &large, b"");
}

#[test]
fn queries_say_each_thing_once_and_in_words() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let id = server.granted("agent-a", 1);
    let mut survivor = Survivor::on(&server);
    for path in [
        "/api/claims?limit=1&limit=2",
        "/api/claims?agent_id=a&agent_id=b",
        "/api/claims/history?since=2026-01-01T00:00:00Z&since=2026-01-01T00:00:00Z",
        "/api/repos?owner=acme&owner=octo",
        "/api/repos?owner=%00",
        "/api/repos?owner=acme%2Fapi",
        "/api/repos?owner=%ff",
        "/api/repos?%ff=acme",
        "/api/repos/acme/api/issues?label=bug&label=docs",
        "/api/repos/acme/api/issues?label=%07",
        "/api/repos/acme/api/issues?label=",
        "/api/repos/acme/api/issues?milestone=a%0Ab",
        "/api/repos/acme/api/issues?repo=acme%2Fother",
        "/api/issues/acme/api/1?comments=1&comments=2",
        "/api/issues/acme/api/1?issue_number=2",
        "/sse?since=1&since=2",
        "/sse?agent_id=%00",
        "/sse?repo=acme%2Fapi&repo=acme%2Fother",
    ] {
        survivor.check(400, "GET", path, &[], b"");
    }
    for body in [
        json!({"agent_id": "a", "labels": ["\u{0}"]}),
        json!({"agent_id": "a", "milestone": ""}),
    ] {
        survivor.post(400, "/api/claims/next", &body.to_string());
    }
    let path = format!("/api/claims/{id}");
    let twice = format!("{path}?reason=one&reason=two");
    survivor.check(400, "DELETE", &twice, &[], b"");
    let both = format!("{path}?note=one");
    let note = br#"{"status":"in_progress","note":"two"}"#;
    survivor.check(400, "PATCH", &both, &[JSON], note);
    assert_eq!(server.claims()[0]["status"], "claimed");
}

#[test]
fn many_requests_share_a_connection() {
    let place = Place::with_issues(1);
    let server = place.serve();
    let mut connection = server.connect();
    for _ in 0..200 {
        let answer = connection.request("GET", "/api/claims", &[], b"");
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("application/json"))
        );
    }
    // Sent together, answered in order.
    let request = format!(
        "GET /api/health HTTP/1.1\r\nhost: {}\r\n\r\n",
        server.address
    );
    connection
        .send(request.repeat(3).as_bytes())
        .expect("they are taken");
    for _ in 0..3 {
        assert_eq!(connection.read_answer().expect("it answers").status, 200);
    }
}

#[test]
fn unreadable_http_is_answered_and_others_go_on() {
    let place = Place::with_issues(1);
    let server = place.serve();
    for nonsense in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(nonsense.as_bytes()).expect("it is taken");
        if let Ok(answer) = connection.read_answer() {
            assert!(
                (400..=505).contains(&answer.status),
                "{nonsense:?}: {}",
                answer.status
            );
        }
    }
    let mut head = format!("GET /api/health HTTP/1.1\r\nhost: {}\r\n", server.address);
    for index in 0..2_000 {
        head.push_str(&format!("x-{index}: {}\r\n", "y".repeat(100)));
    }
    let mut connection = server.connect();
    // The server may close before all of it is written.
    let _ = connection.send(format!("{head}\r\n").as_bytes());
    if let Ok(answer) = connection.read_answer() {
        assert!((400..=499).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(server.get("/api/claims").status, 200);
}
