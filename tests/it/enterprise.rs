//! A GitHub of one's own: another host, its token and its addresses.

use crate::support::{Place, field, issues, until};

#[test]
fn an_enterprise_host_is_served_like_any_other() {
    let mut world = issues(2);
    world.host = "git.example.org".to_owned();
    // Older servers do not know which issue blocks which.
    world.issue_dependencies = false;
    let place = Place::new(world).with("GH_HOST", "git.example.org");
    let server = place.serve_synced();
    let claim = server.claim("agent-a", 1).expect(201);
    assert_eq!(claim["host"], "git.example.org");
    let next = server.next("agent-a").expect(201);
    assert_eq!(next["url"], "https://git.example.org/acme/api/issues/2");
    let id = field(&next, "claim_id");
    let pull = place.github.change(|world| {
        let repository = world.repository("acme/api");
        repository.add_pull_request("Fix", &[]).number
    });
    let submit = |host: &str| {
        let url = format!("https://{host}/acme/api/pull/{pull}");
        server.patch(
            id,
            serde_json::json!({"status": "pr_submitted", "pr_url": url}),
        )
    };
    assert_eq!(submit("github.com").status, 400);
    submit("git.example.org").expect(200);
}

#[test]
fn a_token_goes_only_to_the_host_it_is_for() {
    let token = "ghp_ForTheEnterpriseServerOnly";
    let mut world = issues(1);
    world.host = "git.example.org".to_owned();
    let place = Place::new(world)
        .with("GH_HOST", "git.example.org")
        .with("GITHUB_TOKEN", token)
        .with("GH_TOKEN", "a-token-for-github-com");
    place.github.inject(crate::github::Fault::stall());
    let server = place.serve();
    let child = until("a gh that asks", || {
        let asks = |pid: &u32| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.starts_with(place.setting("GH_PATH").unwrap_or_default().as_bytes())
                && arguments.windows(3).any(|part| part == b"api")
        };
        server.process.children().into_iter().find(asks)
    });
    let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(
        environment.contains(&format!("GH_ENTERPRISE_TOKEN={token}")),
        "{environment}"
    );
    assert!(
        !environment.contains("a-token-for-github-com"),
        "{environment}"
    );
}
