use std::time::Duration;

use serde_json::json;

use super::super::github::Fault;
use super::client::{get, query, send, start};

#[tokio::test]
async fn a_fault_strikes_where_and_as_often_as_it_should() {
    let github = start(1).await;
    github.inject(Fault::bad_gateway().on("/issues/1").times(1));
    assert_eq!(get(&github, "/user").await.status, 200);
    let struck = get(&github, "/repos/acme/api/issues/1").await;
    assert_eq!(
        (struck.status, struck.header("content-type")),
        (502, Some("text/html; charset=utf-8"))
    );
    assert_eq!(get(&github, "/repos/acme/api/issues/1").await.status, 200);
    github.inject(Fault::secondary_limit(7));
    assert_eq!(get(&github, "/user").await.header("retry-after"), Some("7"));
    github.clear_faults();
    github.inject(Fault::graphql_rate_limited(Duration::from_secs(60)).on("Probe"));
    let limited = query(&github, "query Probe{viewer{login}}", json!({})).await;
    assert_eq!(limited["errors"][0]["type"], "RATE_LIMITED");
    assert_eq!(
        query(&github, "query Other{viewer{login}}", json!({})).await["data"]["viewer"]["login"],
        "octo"
    );
}

#[tokio::test]
async fn bodies_are_cut_and_spoiled() {
    let github = start(1).await;
    let whole = get(&github, "/user").await.body;
    github.inject(Fault::truncated().times(1));
    let cut = get(&github, "/user").await;
    assert_eq!(
        cut.header("content-length"),
        Some(whole.len().to_string().as_str())
    );
    assert_eq!(cut.body, whole[..whole.len() / 2]);
    github.inject(Fault::malformed_json().times(1));
    let malformed = get(&github, "/user").await;
    assert_eq!(
        malformed.header("content-length"),
        Some(malformed.body.len().to_string().as_str())
    );
    assert!(serde_json::from_slice::<serde_json::Value>(&malformed.body).is_err());
    github.inject(Fault::invalid_utf8().times(1));
    assert!(String::from_utf8(get(&github, "/user").await.body).is_err());
    github.inject(Fault::closed().times(1));
    assert_eq!(get(&github, "/user").await.status, 0);
}

#[tokio::test]
async fn a_lost_answer_is_to_a_write_that_was_done() {
    let github = start(1).await;
    github.inject(Fault::answer_lost());
    let close = json!({"state": "closed"}).to_string();
    let lost = tokio::spawn({
        let (github, close) = (github.clone(), close.clone());
        async move { send(&github, "PATCH", "/repos/acme/api/issues/1", "", &close).await }
    });
    github
        .until(|_| !github.change(|world| world.issue("acme/api", 1).open))
        .await;
    assert_eq!(
        get(&github, "/repos/acme/api/issues/1").await.json()["state"],
        "closed"
    );
    assert_eq!(github.most_at_once(), 2);
    assert_eq!(github.requests()[0].status, None);
    lost.abort();
}

#[tokio::test]
async fn a_stall_holds_until_the_client_leaves() {
    let github = start(1).await;
    github.inject(Fault::stall().on("GET /user").times(1));
    github.inject(Fault::stall_mid_body().on("GET /repos").times(1));
    for path in ["/user", "/repos/acme/api"] {
        let stalled = tokio::time::timeout(Duration::from_millis(20), get(&github, path)).await;
        assert!(stalled.is_err());
    }
    assert_eq!(get(&github, "/user").await.status, 200);
}

#[tokio::test]
async fn gh_is_told_where_to_go() {
    let github = start(1).await;
    let folder = github.gh_config_dir();
    assert_eq!(folder, github.gh_config_dir());
    let config = std::fs::read_to_string(folder.join("config.yml")).expect("the file is there");
    assert!(config.contains(&format!("http_unix_socket: {}", github.socket().display())));
    let hosts = std::fs::read_to_string(folder.join("hosts.yml")).expect("the file is there");
    assert!(hosts.starts_with("github.com:\n    user: octo\n"));
}
