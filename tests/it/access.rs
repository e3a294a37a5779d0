//! Who may speak to the coordinator.

use serde_json::{Value, json};

use crate::support::{Answer, Place, Server, field};

fn with_headers(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let body = json!({"agent_id": "a", "repo": "acme/api", "issue_number": 1}).to_string();
    let body = if method == "GET" { "" } else { &body };
    server
        .connect()
        .request(method, path, &all, body.as_bytes())
}

#[test]
fn with_a_key_every_route_wants_it() {
    let place = Place::with_issues(1).with("API_KEY", "open sesame");
    let server = place.serve();
    for (method, path) in [
        ("GET", "/api/repos"),
        ("GET", "/api/repos/acme/api/issues"),
        ("GET", "/api/issues/acme/api/1"),
        ("GET", "/api/claims"),
        ("GET", "/api/claims/history"),
        ("POST", "/api/claims"),
        ("POST", "/api/claims/next"),
        ("PATCH", "/api/claims/0190aaaa-0000-7000-8000-000000000000"),
        ("DELETE", "/api/claims/0190aaaa-0000-7000-8000-000000000000"),
        ("POST", "/api/tools/get_all_claims"),
        ("POST", "/mcp"),
        ("GET", "/sse"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    ] {
        for headers in [
            &[][..],
            &[("authorization", "Bearer open sesam")],
            &[("authorization", "Bearer open sesame!")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Basic open sesame")],
            &[("authorization", "open sesame")],
        ] {
            let answer = with_headers(&server, method, path, headers);
            let error = answer.expect(401);
            assert!(!field(&error, "suggestion").is_empty(), "{method} {path}");
            assert!(!answer.text().contains("open sesame"), "{method} {path}");
        }
    }
    assert_eq!(server.get("/api/claims").status, 200);
    assert_eq!(server.get("/metrics").status, 200);
    assert!(server.claims().is_empty());
}

#[test]
fn health_needs_no_key_and_then_tells_little() {
    let place = Place::with_issues(1).with("API_KEY", "sesame");
    let server = place.serve();
    let names = |value: &Value| {
        let object = value.as_object().expect("it is an object");
        object.keys().cloned().collect::<Vec<_>>()
    };
    let mut public = names(
        &server
            .connect()
            .request("GET", "/api/health", &[], b"")
            .expect(200),
    );
    public.sort();
    assert_eq!(public, ["status", "version"]);
    assert!(names(&server.health()).contains(&"total_claims".to_owned()));
    // Our own commands need no key: they find a token beside the state file.
    let listed = place.cli(&["get-all-claims", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
}

#[test]
fn a_foreign_host_or_origin_is_refused() {
    let place = Place::with_issues(1);
    let server = place.serve_synced();
    let port = server
        .address
        .rsplit(':')
        .next()
        .expect("there is a port")
        .to_owned();
    let local = |host: &str| format!("{host}:{port}");
    for (method, path) in [
        ("GET", "/api/claims"),
        ("POST", "/api/claims"),
        ("GET", "/sse"),
        ("GET", "/"),
        ("GET", "/api/health"),
    ] {
        for host in [
            "evil.example",
            &local("evil.example"),
            &local("127.0.0.1.evil.example"),
        ] {
            let answer = with_headers(&server, method, path, &[("host", host)]);
            assert_eq!(answer.status, 403, "{method} {path} with Host {host}");
        }
        for origin in [
            "http://evil.example",
            "https://evil.example",
            "null",
            &format!("http://{}", local("evil.example")),
            "http://localhost.evil.example",
            "file://",
        ] {
            let answer = with_headers(&server, method, path, &[("origin", origin)]);
            assert_eq!(answer.status, 403, "{method} {path} with Origin {origin}");
        }
    }
    assert!(server.claims().is_empty());
    for host in [
        local("127.0.0.1"),
        local("localhost"),
        local("LOCALHOST"),
        local("[::1]"),
    ] {
        let answer = with_headers(&server, "GET", "/api/claims", &[("host", &host)]);
        assert_eq!(answer.status, 200, "Host {host}");
        let origin = format!("http://{host}");
        let answer = with_headers(&server, "GET", "/api/claims", &[("origin", &origin)]);
        assert_eq!(answer.status, 200, "Origin {origin}");
    }
    let refusal = with_headers(
        &server,
        "GET",
        "/api/claims",
        &[("origin", "http://evil.example")],
    );
    assert!(!field(&refusal.json(), "suggestion").is_empty());
    assert!(refusal.header("access-control-allow-origin").is_none());
}

#[test]
fn without_a_key_only_loopback_is_served() {
    let place = Place::with_issues(0).with("HTTP_HOST", "0.0.0.0");
    let refused = place.cli(&["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("API_KEY"), "{refused:?}");
    assert!(refused.stderr.contains("0.0.0.0"), "{refused:?}");
}

#[test]
fn the_lock_file_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_issues(0);
    let server = place.serve();
    let mode = |suffix: &str| {
        let file = std::fs::metadata(place.beside(suffix)).expect("the file is there");
        file.permissions().mode() & 0o777
    };
    assert_eq!(mode("lock"), 0o600);
    let lock = place.lock().expect("it can be read");
    assert!(
        field(&lock, "token").len() >= 16,
        "the token cannot be guessed"
    );
    for answer in [
        server.get("/api/health"),
        server.get("/metrics"),
        server.get("/"),
    ] {
        assert!(!answer.text().contains(field(&lock, "token")));
    }
    assert!(!server.process.log().contains(field(&lock, "token")));
}

#[test]
fn agents_of_this_user_join_without_the_key() {
    let place = Place::with_issues(1).with("API_KEY", "sesame");
    let server = place.serve_synced();
    let client = place.mcp().joined();
    assert_eq!(client.claim("agent-a", 1).record()["claimed"], true);
    assert_eq!(server.claims()[0]["agent_id"], "agent-a");
    // Whoever guesses the token of the lock file stays out.
    let guess = [("authorization", "Bearer 00000000000000000000000000000000")];
    let guessed = with_headers(&server, "GET", "/api/claims", &guess);
    assert_eq!(guessed.status, 401);
}
