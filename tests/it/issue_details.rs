//! One issue in full, and why one cannot be told.

use serde_json::json;

use crate::support::{Place, field, issues};

#[test]
fn an_issue_is_told_in_full() {
    let mut world = issues(3);
    world
        .repository("acme/api")
        .add_pull_request("Fix it", &[2]);
    let issue = world.issue("acme/api", 2);
    issue
        .body("The text.")
        .labels(&["bug"])
        .assignees(&["ada"])
        .blocked_by(1);
    for number in 1..=45 {
        issue.comment("grace", &format!("comment number {number}."));
    }
    let place = Place::new(world);
    let server = place.serve_synced();
    server.granted("agent-a", 2);
    let answer = server.get("/api/issues/acme/api/2");
    let details = answer.expect(200);
    let text = answer.text();
    assert!(text.contains("The text."), "{text}");
    assert!(
        text.contains("comment number 45.") && !text.contains("comment number 5."),
        "the newest ones"
    );
    assert_eq!(details["labels"], json!(["bug"]));
    assert_eq!(details["assignees"], json!(["ada"]));
    assert!(
        details["blocked_by"].to_string().contains('1'),
        "{}",
        details["blocked_by"]
    );
    assert!(
        text.contains("\"number\":4") && text.contains("Fix it"),
        "its pull request: {text}"
    );
    assert_eq!(details["claim"]["agent_id"], "agent-a");
    // Older comments come with the cursor, until there are none.
    let mut seen = text;
    let mut cursor = details["next_cursor"].clone();
    for _ in 0..5 {
        let Some(next) = cursor.as_str() else { break };
        let more = server.tool(
            "get_issue_details",
            json!({"repo": "acme/api", "issue_number": 2, "cursor": next}),
        );
        seen.push_str(&more.text());
        cursor = more.expect(200)["next_cursor"].clone();
    }
    assert!(cursor.is_null(), "it ends");
    for number in 1..=45 {
        assert!(
            seen.contains(&format!("comment number {number}.")),
            "comment {number} is missing"
        );
    }
    let few = server.tool(
        "get_issue_details",
        json!({"repo": "acme/api", "issue_number": 2, "comments": 1}),
    );
    assert!(!few.text().contains("comment number 44."));
}

#[test]
fn issues_that_cannot_be_told_say_why() {
    let mut world = issues(3);
    world.add_repository("acme/web");
    world.delete_issue("acme/api", 1);
    world.transfer_issue("acme/api", 2, "acme/web");
    let pull = world
        .repository("acme/api")
        .add_pull_request("Fix", &[])
        .number;
    let place = Place::new(world);
    let server = place.serve_synced();
    for number in [1, 2, 99, pull] {
        let answer = server.get(&format!("/api/issues/acme/api/{number}"));
        assert!(
            (400..=410).contains(&answer.status),
            "{number}: {}",
            answer.text()
        );
        assert!(!field(&answer.json(), "suggestion").is_empty());
        let named = answer.text().contains(&format!("#{number}"));
        assert!(named, "{number}: {}", answer.text());
    }
    assert_eq!(server.get("/api/issues/acme/nothing/1").status, 404);
}

#[test]
fn text_from_strangers_does_not_break_answers() {
    let title = "A \u{1b}[31mred\u{7} title\r\nwith \"quotes\" \u{202e}and <b>more</b>";
    let mut world = issues(0);
    world
        .repository("acme/api")
        .add_issue(title)
        .body("x".repeat(200_000))
        .labels(&["a,b", "\u{1F980}"]);
    let place = Place::new(world);
    let server = place.serve_synced();
    let listed = server.get("/api/repos/acme/api/issues").expect(200);
    assert_eq!(listed["issues"][0]["labels"], json!(["a,b", "\u{1F980}"]));
    let details = server.get("/api/issues/acme/api/1");
    assert!(details.body.len() < 60_000, "{} bytes", details.body.len());
    details.expect(200);
    server.granted("agent-a", 1);
    for arguments in [
        &["get-all-claims"][..],
        &["list-open-issues", "--repo", "acme/api"],
    ] {
        let ran = place.cli(arguments);
        assert!(
            !ran.stdout.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']),
            "{ran:?}"
        );
    }
    assert!(
        !server.process.log().contains(['\u{1b}', '\u{7}']),
        "{}",
        server.process.log()
    );
}
