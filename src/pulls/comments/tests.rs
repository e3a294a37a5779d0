use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::analyse::{Analysis, Entry, State, analyse};
use super::data::Pull;
use super::fetch::Fetched;
use super::report::{Changes, render};
use super::{CommentQuery, Frame, Sort};
use crate::domain::Host;
use crate::pulls::{PullId, PullRequest, Warning, overflow};

fn everything() -> CommentQuery {
    CommentQuery::default()
}

/// A remark as GitHub tells it, at a minute of an hour.
fn remark(id: u64, login: Option<&str>, minute: u64) -> Value {
    json!({
        "id": format!("IC_{id}"),
        "fullDatabaseId": id.to_string(),
        "author": login.map(|login| json!({"__typename": "User", "login": login})),
        "authorAssociation": "MEMBER",
        "body": format!("remark {id}"),
        "createdAt": format!("2026-11-19T10:{minute:02}:00Z"),
        "url": format!("https://github.com/acme/api/pull/42#discussion_r{id}"),
        "isMinimized": false,
        "pullRequestReview": {"state": "COMMENTED"},
    })
}

/// A thread in which these logins spoke, a minute after each other.
fn thread(id: u64, logins: &[&str]) -> Value {
    let said: Vec<Value> = (0..)
        .zip(logins)
        .map(|(place, login)| remark(id + place, Some(login), place))
        .collect();
    json!({
        "id": format!("PRRT_{id}"), "isResolved": false, "isOutdated": false,
        "path": "src/db.rs", "line": id, "startLine": null, "originalLine": 7,
        "originalStartLine": 5, "diffSide": "RIGHT", "viewerCanResolve": true,
        "first": {"totalCount": said.len(), "nodes": [said[0]]},
        "last": {"totalCount": said.len(), "nodes": said},
    })
}

/// What is read of a pull request by `bob`, asked by `agent`.
fn fetched(threads: Value, comments: Value, reviews: Value) -> Fetched {
    let pull: Pull = serde_json::from_value(json!({
        "author": {"login": "bob"},
        "reviewThreads": {"totalCount": 1, "nodes": threads},
        "comments": comments,
        "reviews": reviews,
    }))
    .unwrap();
    let page = pull.review_threads.unwrap();
    Fetched {
        viewer: "agent".to_owned(),
        author: pull.author.map(|author| author.login),
        review_decision: None,
        total_threads: page.total_count,
        threads: page.nodes.into_iter().flatten().collect(),
        reviews: pull.reviews,
        comments: pull.comments,
        taken_apart: HashMap::new(),
        warnings: Vec::new(),
    }
}

fn all(nodes: &[Value]) -> Value {
    json!({"totalCount": nodes.len(), "nodes": nodes})
}

fn first<'a>(analysis: &Analysis<'a>) -> Entry<'a> {
    *analysis.listed(&everything()).next().unwrap()
}

fn ids(fetched: &Fetched) -> Vec<String> {
    ids_of(fetched, &everything())
}

fn ids_of(fetched: &Fetched, query: &CommentQuery) -> Vec<String> {
    let analysis = analyse(fetched, query.sort);
    let listed = analysis.listed(query);
    listed.map(|entry| entry.id.to_owned()).collect()
}

#[test]
fn whose_turn_it_is() {
    let cases: [(&[&str], State); 9] = [
        (&["lea"], State::AwaitingAuthor),
        (&["lea", "bob"], State::AwaitingReviewer),
        (&["lea", "bob", "lea"], State::AwaitingAuthor),
        (&["lea", "bob", "kim"], State::AwaitingAuthor),
        // An agent answers under its own login.
        (&["lea", "agent"], State::AwaitingReviewer),
        (&["lea", "agent", "lea"], State::AwaitingAuthor),
        // Its own question is for the author to answer.
        (&["agent"], State::AwaitingAuthor),
        (&["agent", "bob"], State::AwaitingReviewer),
        (&["bob"], State::AwaitingReviewer),
    ];
    for (logins, expected) in cases {
        let fetched = fetched(json!([thread(1, logins)]), all(&[]), all(&[]));
        let analysis = analyse(&fetched, Sort::ByFile);
        let entry = first(&analysis);
        assert_eq!(entry.state, expected, "{logins:?}");
    }
}

#[test]
fn what_is_settled_hidden_or_unsent() {
    let with = |pointer: &str, value: Value| {
        let mut thread = thread(1, &["lea"]);
        *thread.pointer_mut(pointer).unwrap() = value;
        fetched(json!([thread]), all(&[]), all(&[]))
    };
    assert_eq!(ids(&with("/isResolved", json!(true))), [""; 0]);
    let hidden = with("/first/nodes/0/isMinimized", json!(true));
    assert_eq!(ids(&hidden), [""; 0]);
    assert_eq!(analyse(&hidden, Sort::ByFile).minimized, ["PRRT_1"]);
    let outdated = with("/line", json!(null));
    let place = analyse(&outdated, Sort::ByFile);
    let entry = first(&place);
    assert_eq!((entry.start(), entry.line()), (Some(5), Some(7)));
    // Nobody but its author sees it: nobody can answer.
    let unsent = with("/first/nodes/0/pullRequestReview/state", json!("PENDING"));
    let analysis = analyse(&unsent, Sort::ByFile);
    assert_eq!(first(&analysis).state, State::AwaitingReviewer);
    // A thread of which GitHub does not tell the beginning is not silently dropped.
    let untold = with("/first/nodes/0", json!(null));
    let analysis = analyse(&untold, Sort::ByFile);
    assert_eq!(analysis.warnings[0].source, "review_threads");
}

#[test]
fn the_conversation_after_the_last_word() {
    let said = [
        remark(1, Some("lea"), 1),
        remark(2, Some("bob"), 2),
        remark(3, Some("lea"), 3),
        remark(4, None, 4),
    ];
    let review = |id: u64, state: &str, body: &str, minute: u64| {
        let mut review = remark(id, Some("kim"), minute);
        let submitted = review["createdAt"].take();
        let fields = review.as_object_mut().unwrap();
        fields.retain(|name, _| name != "createdAt" && name != "pullRequestReview");
        fields.insert("submittedAt".to_owned(), submitted);
        review["state"] = json!(state);
        review["body"] = json!(body);
        review
    };
    let mut unsent = review(8, "PENDING", "draft", 9);
    unsent["submittedAt"] = json!(null);
    let reviews = [
        review(5, "CHANGES_REQUESTED", "Old.", 1),
        review(6, "APPROVED", "", 5),
        review(7, "APPROVED", "Fine, but one thing.", 6),
        unsent,
    ];
    let open = fetched(json!([]), all(&said), all(&reviews));
    assert_eq!(ids(&open), ["IC_3", "IC_4", "IC_7"]);
    let mut answered = said.to_vec();
    answered.push(remark(9, Some("agent"), 30));
    assert_eq!(
        ids(&fetched(json!([]), all(&answered), all(&reviews))),
        [""; 0]
    );
}

#[test]
fn what_was_not_read_is_said() {
    let part = |nodes: &[Value]| json!({"totalCount": 230, "nodes": nodes});
    let unread = fetched(json!([]), part(&[remark(1, Some("lea"), 1)]), all(&[]));
    let warnings = analyse(&unread, Sort::ByFile).warnings;
    assert_eq!(warnings[0].reason, "the newest 1 of 230 were read");
    // Older than the author's last word: answered, read or not.
    let said = [remark(1, Some("bob"), 1), remark(2, Some("lea"), 2)];
    let read = fetched(json!([]), part(&said), all(&[]));
    assert_eq!(analyse(&read, Sort::ByFile).warnings, []);
}

#[test]
fn a_page_begins_where_the_last_one_ended() {
    let threads: Vec<Value> = (1..=6).map(|id| thread(id * 10, &["lea"])).collect();
    for sort in [
        Sort::ByFile,
        Sort::Priority,
        Sort::Chronological,
        Sort::ByAuthor,
    ] {
        let query = CommentQuery {
            sort,
            ..everything()
        };
        let fresh = fetched(json!(threads), all(&[]), all(&[]));
        let before: Vec<String> = {
            let analysis = analyse(&fresh, sort);
            analysis
                .listed(&query)
                .map(|entry| entry.id.to_owned())
                .collect()
        };
        // The first two are resolved, the third, where the page ended, is answered.
        let mut later = fetched(json!(threads), all(&[]), all(&[]));
        for thread in &mut later.threads {
            thread.is_resolved = before[..2].contains(&thread.id);
            if thread.id == before[2] {
                let reply = remark(99, Some("bob"), 50);
                thread
                    .last
                    .nodes
                    .push(serde_json::from_value(reply).unwrap());
            }
        }
        let analysis = analyse(&later, sort);
        let after = analysis.listed_after(&query, &before[2], State::AwaitingAuthor);
        let mut after: Vec<&str> = after.unwrap().map(|entry| entry.id).collect();
        // What now awaits the reviewer comes again at the end, where it belongs.
        after.retain(|id| sort != Sort::Priority || *id != before[2]);
        assert_eq!(after, before[3..], "{sort:?}");
        assert!(
            analysis
                .listed_after(&query, "PRRT_0", State::AwaitingAuthor)
                .is_none()
        );
    }
}

#[test]
fn authors_and_outdated_threads_can_be_left_out() {
    let mut threads = [
        thread(10, &["lea", "kim"]),
        thread(20, &["kim"]),
        thread(30, &["coderabbitai"]),
    ];
    threads[1]["isOutdated"] = json!(true);
    let said = [remark(40, Some("lea"), 9), remark(50, None, 10)];
    let fetched = fetched(json!(threads), all(&said), all(&[]));
    let without = |authors: &[&str], include_outdated: bool| {
        let query = CommentQuery {
            exclude_authors: authors.iter().map(|login| (*login).to_owned()).collect(),
            include_outdated,
            ..everything()
        };
        ids_of(&fetched, &query)
    };
    let all = ["PRRT_10", "PRRT_20", "PRRT_30", "IC_40", "IC_50"];
    assert_eq!(without(&[], true), all);
    assert_eq!(
        without(&[], false),
        ["PRRT_10", "PRRT_30", "IC_40", "IC_50"]
    );
    // Who opened a thread counts, not who answered in it.
    assert_eq!(without(&["@LEA"], true), ["PRRT_20", "PRRT_30", "IC_50"]);
    let two = ["coderabbitai[bot]", "ghost"];
    assert_eq!(without(&two, false), ["PRRT_10", "IC_40"]);
}

#[test]
fn findings_of_a_review_have_places_and_are_one_remark() {
    let body = "**Actionable comments posted: 0**\n\n<details>\n<summary>🧹 Nitpick comments (3)</summary>\n\n\
        <details>\n<summary>src/b.rs (2)</summary>\n\n`30-40`: **Late.**\n\n---\n\n`5`: **Early.**\n\n</details>\n\n</details>\n";
    let by = |kind: &str, body: &str| {
        let mut review = remark(60, Some("rabbit"), 9);
        review["author"]["__typename"] = json!(kind);
        review["body"] = json!(body);
        let mut fetched = fetched(json!([thread(20, &["kim"])]), all(&[]), all(&[review]));
        fetched.take_reviews_apart();
        fetched
    };
    let of_bot = by("Bot", body);
    assert_eq!(ids(&of_bot), ["IC_60#2", "IC_60#1", "PRRT_20"]);
    let analysis = analyse(&of_bot, Sort::ByFile);
    let (_, summary) = analysis.summary(&everything());
    assert_eq!((summary.bots, summary.humans), (2, 1));
    assert_eq!(summary.files, ["src/b.rs", "src/db.rs"]);
    let waiting = analysis.waiting();
    let counts = (
        waiting.threads.len(),
        waiting.remarks.len(),
        waiting.reviews.len(),
    );
    assert_eq!(counts, (1, 0, 1), "a review is one, whatever it finds");
    assert_eq!(analysis.warnings.len(), 1);
    assert!(
        analysis.warnings[0].reason.starts_with("1 findings"),
        "{:?}",
        analysis.warnings
    );
    let rendered = render(&first(&analysis), &Changes::new(), 800, usize::MAX).unwrap();
    let rendered: Value = serde_json::from_str(rendered.get()).unwrap();
    assert_eq!(
        (&rendered["kind"], &rendered["section"], &rendered["path"]),
        (&json!("review_body"), &json!("nitpick"), &json!("src/b.rs"))
    );
    assert_eq!(
        (
            &rendered["line"],
            &rendered["body"],
            &rendered["comment_id"]
        ),
        (&json!(5), &json!("**Early.**"), &json!(60))
    );
    // What people write is theirs, and what says nothing but how much is said elsewhere is nothing.
    assert_eq!(ids(&by("User", body)), ["PRRT_20", "IC_60"]);
    let count = "**Actionable comments posted: 1**";
    assert_eq!(ids(&by("Bot", count)), ["PRRT_20"]);
    // What waits is the same where bodies are left in one piece.
    for (body, listed) in [
        (body, &["PRRT_20", "IC_60"][..]),
        (count, &["PRRT_20"]),
        (
            "**Actionable comments posted: 1**\n\nAnd one word.",
            &["PRRT_20", "IC_60"],
        ),
    ] {
        let mut whole = by("Bot", body);
        let apart = analyse(&whole, Sort::ByFile).waiting();
        whole.leave_reviews_whole();
        assert_eq!(ids(&whole), listed, "{body}");
        let waiting = analyse(&whole, Sort::ByFile).waiting();
        assert_eq!(
            (waiting.threads, waiting.remarks, waiting.reviews),
            (apart.threads, apart.remarks, apart.reviews),
            "{body}"
        );
    }
}

#[test]
fn bodies_are_cut_by_characters() {
    let mut long = thread(10, &["lea"]);
    long["first"]["nodes"][0]["body"] = json!("é".repeat(900));
    let fetched = fetched(json!([long]), all(&[]), all(&[]));
    let analysis = analyse(&fetched, Sort::ByFile);
    let told = |body_chars: usize, bytes_max: usize| {
        let json = render(&first(&analysis), &Changes::new(), body_chars, bytes_max).unwrap();
        let told: Value = serde_json::from_str(json.get()).unwrap();
        let chars = told["body"].as_str().unwrap().chars().count();
        (chars, told["body_truncated"] == true)
    };
    assert_eq!(told(800, usize::MAX), (800, true));
    assert_eq!(told(900, usize::MAX), (900, false));
    assert_eq!(told(40, usize::MAX), (40, true));
    let (chars, truncated) = told(4_000, 1_024);
    assert!(chars < 512 && truncated, "{chars}");
}

/// All pages of the largest answer that can be built, with these letters everywhere.
pub(in crate::pulls) fn largest(letters: &str) -> Vec<String> {
    let long = letters.repeat(3_000);
    let login = "l".repeat(39);
    let nodes: Vec<Value> = (0..90)
        .map(|id| {
            let mut thread = thread(
                id * 10,
                &[&format!("{id}{}", &login[3..]), &login, &login, &login],
            );
            thread["path"] = json!(format!("{id}{long}"));
            for list in ["first", "last"] {
                for node in thread[list]["nodes"].as_array_mut().unwrap() {
                    node["body"] = json!(format!("{long}\n```suggestion\n{long}\n```"));
                    node["diffHunk"] = json!(format!("@@ -1,9 +1,9 @@ {long}\n {long}\n+{long}"));
                }
            }
            // Some of them somebody hid.
            thread["first"]["nodes"][0]["isMinimized"] = json!(id >= 50);
            thread["id"] = json!(format!("PRRT_{id:0195}"));
            thread
        })
        .collect();
    let fetched = fetched(json!(nodes), all(&[]), all(&[]));
    let id = PullId::parse(
        &format!("{}/{}#42", "o".repeat(39), "r".repeat(100)),
        &Host::default(),
    )
    .unwrap();
    let branch = json!({"ref": long, "sha": "9f3c1e2a".repeat(5)});
    let pull: PullRequest = serde_json::from_value(json!({
        "number": 42, "state": "open", "title": long, "html_url": "", "head": branch, "base": branch,
        "updated_at": "2026-01-02T03:04:05Z",
    }))
    .unwrap();
    let query = CommentQuery {
        body_chars: super::BODY_CHARS_MAX,
        ..everything()
    };
    let call = super::Call::new(super::TOOL, &(id.to_string(), &query), &pull.head.sha);
    let analysis = analyse(&fetched, query.sort);
    let warnings = vec![Warning::new("compare", &long, "changed_since is unknown"); 20];
    let (mut answers, mut after, mut told) = (Vec::new(), None, 0);
    loop {
        let (window, more) = super::window(&analysis, &query, after.as_ref()).unwrap();
        let frame = Frame {
            id: &id,
            pull: &pull,
            host: &Host::default(),
            fetched: &fetched,
            query: &query,
            pr: id.to_string(),
            call: call.clone(),
            fetched_at: Timestamp::MAX,
            warnings: overflow::fit_warnings(warnings.clone(), super::WARNINGS_BYTES_MAX),
        };
        let answer = frame
            .fill(&analysis, &window, more, &Changes::new())
            .unwrap();
        let record: Value = serde_json::from_str(answer.get()).unwrap();
        answers.push(answer.get().to_owned());
        told += record["comments"].as_array().unwrap().len();
        let Some(next) = record["next_cursor"].as_str() else {
            assert_eq!(told, 50, "each once");
            return answers;
        };
        after = Some(super::Position::read(&call, next).unwrap());
    }
}
