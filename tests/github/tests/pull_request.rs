use super::super::github::{GitHub, LOG_LINES, OPEN_THREADS, THREADS, World};
use super::client::get;

#[tokio::test]
async fn the_failing_pull_request_is_as_large_as_it_claims() {
    let github = GitHub::start(World::pull_request()).await;
    let github = github.expect("the temporary folder takes a socket");
    let pull = get(&github, "/repos/acme/api/pulls/2").await.json();
    let head = pull["head"]["sha"].as_str().expect("there is a head");
    let path = format!("/repos/acme/api/commits/{head}/check-runs");
    let checks = get(&github, &path).await.json();
    assert_eq!(checks["total_count"], 12);
    let runs = checks["check_runs"].as_array().expect("a list").iter();
    let failed: Vec<_> = runs.filter(|run| run["conclusion"] == "failure").collect();
    assert_eq!(failed.len(), 3);
    for run in failed {
        let path = format!("/repos/acme/api/actions/jobs/{}/logs", run["id"]);
        let log = get(&github, &path).await;
        let lines = String::from_utf8(log.body).expect("text").lines().count();
        assert!(lines >= LOG_LINES, "{}: {lines} lines", run["name"]);
    }
    let counts = github.change(|world| {
        let threads = &world.issue("acme/api", 2).reviews().threads;
        let open = threads.iter().filter(|thread| !thread.resolved);
        (threads.len(), open.count())
    });
    assert_eq!(counts, (THREADS, OPEN_THREADS.len()));
    let reviews = get(&github, "/repos/acme/api/pulls/2/reviews").await.json();
    assert_eq!(reviews[0]["state"], "CHANGES_REQUESTED", "{reviews}");
}
