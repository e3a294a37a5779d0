use serde_json::json;

use super::super::github::{GitHub, World};
use super::client::{get, send, send_as_is, start};

#[tokio::test]
async fn an_etag_spares_the_body_and_the_limit() {
    let github = start(1).await;
    let first = get(&github, "/repos/Acme/API/issues/1").await;
    let tag = first.header("etag").expect("there is a tag").to_owned();
    let condition = format!("if-none-match: {tag}\r\n");
    let second = send(&github, "GET", "/repos/acme/api/issues/1", &condition, "").await;
    assert_eq!((second.status, second.body.len()), (304, 0));
    assert_eq!(second.header("x-ratelimit-remaining"), Some("4999"));
    github.change(|world| world.close_issue("acme/api", 1));
    let third = send(&github, "GET", "/repos/acme/api/issues/1", &condition, "").await;
    assert_eq!(
        (third.status, &third.json()["state"]),
        (200, &json!("closed"))
    );
    assert_eq!(github.requests()[1].if_none_match, Some(tag));
}

#[tokio::test]
async fn lists_have_pages_filters_and_pull_requests() {
    let github = start(4).await;
    github.change(|world| {
        world.repository("acme/api").add_pull_request("Fix", &[2]);
        world.issue("acme/api", 1).labels(&["bug", "P1"]);
        world.close_issue("acme/api", 3);
    });
    let path = "/repos/acme/api/issues?state=all&per_page=2&sort=updated&direction=asc";
    let first = get(&github, path).await;
    let next = "<https://api.github.com/repositories/1000/issues?state=all&per_page=2&sort=updated&direction=asc&page=2>; rel=\"next\"";
    assert!(
        first
            .header("link")
            .is_some_and(|link| link.starts_with(next)),
        "{}",
        first.head
    );
    assert_eq!(first.json()[0]["number"], 4);
    let last = get(
        &github,
        "/repositories/1000/issues?state=all&per_page=2&page=3&sort=updated&direction=asc",
    )
    .await;
    assert_eq!(last.json()[0]["number"], 3);
    assert_eq!(
        get(&github, "/repos/acme/api/issues?labels=bug,P1")
            .await
            .json()[0]["number"],
        1
    );
    let open = get(&github, "/repos/acme/api/issues").await.json();
    assert_eq!(open.as_array().map(Vec::len), Some(4));
    assert!(open[0]["pull_request"].is_object());
    let since = github.change(|world| world.issue("acme/api", 1).updated_at);
    let changed = get(
        &github,
        &format!("/repos/acme/api/issues?state=all&since={since}"),
    )
    .await
    .json();
    assert_eq!(changed.as_array().map(Vec::len), Some(2));
    assert_eq!(
        get(&github, "/user/repos").await.json()[0]["full_name"],
        "acme/api"
    );
    assert_eq!(get(&github, "/orgs/octo/repos").await.status, 404);
}

#[tokio::test]
async fn what_left_is_told_apart() {
    let github = start(3).await;
    let number = github.change(|world| {
        world.add_repository("acme/web");
        world.delete_issue("acme/api", 1);
        world.transfer_issue("acme/api", 2, "acme/web")
    });
    assert_eq!(get(&github, "/repos/acme/api/issues/1").await.status, 410);
    let moved = get(&github, "/repos/acme/api/issues/2").await;
    assert_eq!(moved.status, 301);
    let place = format!("https://api.github.com/repositories/1001/issues/{number}");
    assert_eq!(moved.header("location"), Some(place.as_str()));
    let found = get(&github, place.trim_start_matches("https://api.github.com")).await;
    assert_eq!(found.json()["title"], "Issue 2");
    assert_eq!(get(&github, "/repos/acme/api/issues/9").await.status, 404);
    github.change(|world| world.rename_repository("acme/api", "acme/core"));
    assert_eq!(get(&github, "/repos/acme/api").await.status, 301);
    let write = send(&github, "PATCH", "/repos/acme/api/issues/3", "", "{}").await;
    assert_eq!(write.status, 307);
    github.change(|world| world.set_inaccessible("acme/core", true));
    assert_eq!(get(&github, "/api/v3/repos/acme/core").await.status, 404);
    let anonymous = send_as_is(&github, "GET", "/user", "", "").await;
    assert_eq!(anonymous.status, 401);
    assert!(
        !github
            .requests()
            .last()
            .expect("there was one")
            .had_authorization
    );
}

#[tokio::test]
async fn writes_change_the_world() {
    let github = start(2).await;
    let before = github.change(|world| world.issue("acme/api", 1).updated_at);
    let close = json!({"state": "closed", "state_reason": "not_planned"}).to_string();
    let closed = send(&github, "PATCH", "/repos/acme/api/issues/1", "", &close)
        .await
        .json();
    assert_eq!(closed["state_reason"], "not_planned");
    assert!(github.change(|world| world.issue("acme/api", 1).updated_at) > before);
    let wrong = json!({"state": "merged"}).to_string();
    assert_eq!(
        send(&github, "PATCH", "/repos/acme/api/issues/2", "", &wrong)
            .await
            .status,
        422
    );
    let comment = json!({"body": "Working on it."}).to_string();
    let created = send(
        &github,
        "POST",
        "/repos/acme/api/issues/2/comments",
        "",
        &comment,
    )
    .await;
    assert_eq!(created.status, 201);
    let listed = get(&github, "/repos/acme/api/issues/2/comments")
        .await
        .json();
    assert_eq!(listed, json!([created.json()]));
    let pull =
        json!({"title": "Fix", "head": "fix", "base": "main", "body": "Closes #2", "draft": true})
            .to_string();
    let opened = send(&github, "POST", "/repos/acme/api/pulls", "", &pull).await;
    assert_eq!(
        (opened.status, &opened.json()["head"]["ref"]),
        (201, &json!("fix"))
    );
    assert_eq!(
        send(&github, "POST", "/repos/acme/api/pulls", "", &pull)
            .await
            .status,
        422
    );
    github.change(|world| world.merge_pull_request("acme/api", 3));
    assert_eq!(
        get(&github, "/repos/acme/api/pulls/3").await.json()["merged"],
        true
    );
    assert_eq!(
        get(&github, "/repos/acme/api/issues/2").await.json()["state"],
        "closed"
    );
    github.change(|world| world.archive("acme/api"));
    assert_eq!(
        send(&github, "PATCH", "/repos/acme/api/issues/2", "", "{}")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn blockers_are_listed_and_counted() {
    let github = start(2).await;
    github.change(|world| {
        world.issue("acme/api", 2).blocked_by(1);
    });
    let listed = get(&github, "/repos/acme/api/issues/2/dependencies/blocked_by")
        .await
        .json();
    assert_eq!(listed[0]["number"], 1);
    assert_eq!(listed[0]["issue_dependencies_summary"]["blocking"], 1);
    let blocked = get(&github, "/repos/acme/api/issues/2").await.json();
    let summary =
        json!({"blocked_by": 1, "total_blocked_by": 1, "blocking": 0, "total_blocking": 0});
    assert_eq!(blocked["issue_dependencies_summary"], summary);
    github.change(|world| world.issue_dependencies = false);
    let path = "/repos/acme/api/issues/2/dependencies/blocked_by";
    assert_eq!(get(&github, path).await.status, 404);
}

#[tokio::test]
async fn worlds_are_the_same_for_the_same_seed() {
    let titles = |seed| {
        let world = World::synthetic(2, 50, seed);
        let issues = world
            .repositories
            .into_iter()
            .flat_map(|repository| repository.issues);
        issues
            .map(|(_, issue)| (issue.title, issue.labels, issue.open))
            .collect::<Vec<_>>()
    };
    assert_eq!(titles(7), titles(7));
    assert_ne!(titles(7), titles(8));
    let github = GitHub::start(World::small())
        .await
        .expect("the temporary folder takes a socket");
    assert_eq!(
        get(&github, "/repos/octo/notes/issues").await.json()[1]["title"],
        "Export all notes as Markdown"
    );
}
