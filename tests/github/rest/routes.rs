//! The routes below one repository.

use jiff::Timestamp;
use serde_json::Value;

use super::super::issue::{Issue, IssueKey};
use super::super::repository::{Gone, Repository};
use super::super::world::World;
use super::render::Render;
use super::{Query, Reply, moved, paged, review, store};

/// Words that tie a pull request to the issue it closes.
const CLOSING: [&str; 9] = [
    "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
];

/// Why an issue may be in its state.
const REASONS: [&str; 4] = ["completed", "not_planned", "duplicate", "reopened"];

/// Answers a request below the repository with an id, which exists and is visible.
pub(super) fn route(
    world: &mut World,
    id: u64,
    method: &str,
    rest: &[&str],
    query: &Query,
    body: &str,
) -> Reply {
    let place = world
        .repositories
        .iter()
        .position(|repository| repository.id == id);
    let place = place.expect("the caller has found the repository");
    if method != "GET" {
        return write(world, place, method, rest, body);
    }
    let repository = &world.repositories[place];
    if let Some(git) = &repository.store
        && let Some(reply) = store::route(repository, git, method, rest, &Value::Null)
    {
        return reply;
    }
    let render = Render::new(world);
    let path = format!("repositories/{id}/{}", rest.join("/"));
    if let Some(git) = repository.git()
        && let Some(reply) = super::git::route(repository, git, rest, query)
    {
        return reply;
    }
    match rest {
        [] => Reply::json(200, |json| render.repository(json, repository)),
        ["issues", ..] if !repository.has_issues => {
            Reply::message(410, "Issues has been disabled in this repository.")
        }
        ["issues"] => issues(world, repository, query, &path, false),
        ["pulls"] => issues(world, repository, query, &path, true),
        ["issues", number, below @ ..] => {
            let issue = match look_up(method, world, repository, number) {
                Ok(issue) => issue,
                Err(reply) => return reply,
            };
            match below {
                [] => Reply::json(200, |json| render.issue(json, repository, issue, true)),
                ["comments"] => {
                    let comments: Vec<_> = issue.comments.iter().collect();
                    let each =
                        |json: &mut _, comment| render.comment(json, repository, issue, comment);
                    paged(world, query, &path, &comments, each)
                }
                ["dependencies", "blocked_by"] if world.issue_dependencies => {
                    let blockers: Vec<_> = issue
                        .blocked_by
                        .iter()
                        .filter_map(|key| world.find_issue(key))
                        .collect();
                    let each =
                        |json: &mut _, (home, blocker)| render.issue(json, home, blocker, true);
                    paged(world, query, &path, &blockers, each)
                }
                _ => Reply::message(404, "Not Found"),
            }
        }
        ["compare", pair] if repository.history.is_told() => {
            super::compare::compare(&repository.history, pair, query)
        }
        ["compare", range] => review::compare(repository, range),
        ["pulls", "comments", number] => review::comment(repository, number),
        ["pulls", number, "reviews"] => match look_up(method, world, repository, number) {
            Ok(issue) => {
                let reviews = issue.pull_request.iter();
                let reviews: Vec<_> = reviews.flat_map(|it| &it.reviews.submitted).collect();
                let each =
                    |json: &mut _, submitted| render.review(json, repository, issue, submitted);
                paged(world, query, &path, &reviews, each)
            }
            Err(reply) => reply,
        },
        ["pulls", number] => match look_up(method, world, repository, number) {
            Ok(issue) if issue.pull_request.is_some() => {
                Reply::json(200, |json| render.pull(json, repository, issue))
            }
            _ => Reply::message(404, "Not Found"),
        },
        _ => super::merges::route(repository, rest, query),
    }
}

fn look_up<'w>(
    method: &str,
    world: &World,
    repository: &'w Repository,
    number: &str,
) -> Result<&'w Issue, Reply> {
    let number: u64 = number
        .parse()
        .map_err(|_| Reply::message(404, "Not Found"))?;
    match (repository.issues.get(&number), repository.gone.get(&number)) {
        (Some(issue), _) => Ok(issue),
        (None, None) => Err(Reply::message(404, "Not Found")),
        (None, Some(Gone::Deleted)) => Err(Reply::message(410, "This issue was deleted")),
        (None, Some(Gone::Transferred(key))) => match world.find(&key.repository) {
            Some((home, _)) => Err(moved(
                method,
                &format!(
                    "{}/repositories/{}/issues/{}",
                    world.api_url(),
                    home.id,
                    key.number
                ),
            )),
            None => Err(Reply::message(404, "Not Found")),
        },
    }
}

fn issues(world: &World, repository: &Repository, query: &Query, path: &str, pulls: bool) -> Reply {
    let state = query.get("state").unwrap_or("open");
    let since = match query.get("since").map(str::parse::<Timestamp>).transpose() {
        Ok(since) => since,
        Err(_) => return Reply::message(422, "Validation Failed"),
    };
    let labels = query.get("labels").unwrap_or_default();
    let labels: Vec<&str> = labels
        .split(',')
        .filter(|label| !label.is_empty())
        .collect();
    let wanted = |issue: &&Issue| {
        (!pulls || is_between(repository, issue, query))
            && (state == "all" || issue.open == (state == "open"))
            && since.is_none_or(|since| issue.updated_at >= since)
            && labels.iter().all(|label| {
                issue
                    .labels
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(label))
            })
            && query
                .get("assignee")
                .is_none_or(|login| issue.assignees.iter().any(|name| name == login))
    };
    let mut found: Vec<&Issue> = repository.issues.values().filter(wanted).collect();
    match query.get("sort").unwrap_or("created") {
        "updated" => found.sort_by_key(|issue| (issue.updated_at, issue.number)),
        "comments" => found.sort_by_key(|issue| (issue.comments.len(), issue.number)),
        _ => found.sort_by_key(|issue| (issue.created_at, issue.number)),
    }
    if query.get("direction").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    let render = Render::new(world);
    paged(world, query, path, &found, |json, issue| {
        if pulls {
            render.pull(json, repository, issue);
        } else {
            render.issue(json, repository, issue, false);
        }
    })
}

/// Whether a pull request has the head (`owner:branch`) and base that are asked for.
fn is_between(repository: &Repository, issue: &Issue, query: &Query) -> bool {
    let pull = issue.pull_request.as_ref();
    pull.is_some_and(|pull| {
        let label = format!("{}:{}", repository.owner, pull.head_ref);
        let base = query.get("base");
        // What is not owner:branch is no filter.
        let head = query.get("head").filter(|head| head.contains(':'));
        head.is_none_or(|head| head == label) && base.is_none_or(|base| base == pull.base_ref)
    })
}

fn write(world: &mut World, place: usize, method: &str, rest: &[&str], body: &str) -> Reply {
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return Reply::message(400, "Problems parsing JSON");
    };
    let repository = &world.repositories[place];
    if repository.is_archived {
        return Reply::message(403, "Repository was archived so is read-only.");
    }
    if let Some(git) = &repository.store
        && let Some(reply) = store::route(repository, git, method, rest, &body)
    {
        return reply;
    }
    let user = world.user.clone();
    let number = match rest {
        ["issues", number, ..] => match look_up(method, world, repository, number) {
            Ok(issue) => issue.number,
            Err(reply) => return reply,
        },
        _ => 0,
    };
    let repository = &mut world.repositories[place];
    match (method, rest) {
        ("PATCH", ["issues", _]) => {
            let changed = change_issue(repository.issue(number), &body);
            changed.unwrap_or_else(|| issue_reply(world, place, number, 200))
        }
        ("POST", ["issues"]) => match body["title"].as_str() {
            Some(title) => {
                let issue = repository.add_issue(title);
                let number = issue.number;
                let changed = change_issue(issue, &body);
                changed.unwrap_or_else(|| issue_reply(world, place, number, 201))
            }
            None => Reply::message(422, "Validation Failed"),
        },
        ("POST", ["issues", _, "comments"]) => match body["body"].as_str() {
            Some(text) if !text.trim().is_empty() => {
                repository.issue(number).comment(&user, text);
                let (render, repository) = (Render::new(world), &world.repositories[place]);
                let issue = &repository.issues[&number];
                let comment = issue.comments.last().expect("it was added a line ago");
                Reply::json(201, |json| render.comment(json, repository, issue, comment))
            }
            _ => Reply::message(422, "Validation Failed"),
        },
        ("POST", ["pulls"]) => add_pull(world, place, &body),
        _ => Reply::message(404, "Not Found"),
    }
}

fn issue_reply(world: &World, place: usize, number: u64, status: u16) -> Reply {
    let (render, repository) = (Render::new(world), &world.repositories[place]);
    Reply::json(status, |json| {
        render.issue(json, repository, &repository.issues[&number], true)
    })
}

/// Applies the members of a request to an issue, or gives the answer to a request that is wrong.
fn change_issue(issue: &mut Issue, body: &Value) -> Option<Reply> {
    let state = body["state"].as_str();
    let reason = body["state_reason"].as_str();
    if state.is_some_and(|state| !["open", "closed"].contains(&state))
        || reason.is_some_and(|reason| !REASONS.contains(&reason))
    {
        return Some(Reply::message(422, "Validation Failed"));
    }
    let names = |member: &str| -> Option<Vec<String>> {
        let names = body[member].as_array()?.iter();
        // A label is a name, or an object with one.
        Some(
            names
                .filter_map(|name| Some(name.as_str().or(name["name"].as_str())?.to_owned()))
                .collect(),
        )
    };
    issue.touch();
    if let Some(title) = body["title"].as_str() {
        title.clone_into(&mut issue.title);
    }
    if let Some(text) = body["body"].as_str() {
        issue.body = text.into();
    }
    if let Some(labels) = names("labels") {
        issue.labels = labels;
    }
    if let Some(assignees) = names("assignees") {
        issue.assignees = assignees;
    }
    match state {
        Some("closed") => {
            issue.close(reason.unwrap_or("completed"));
        }
        Some(_) if !issue.open => {
            issue.reopen();
        }
        _ => {}
    }
    None
}

fn add_pull(world: &mut World, place: usize, body: &Value) -> Reply {
    let (Some(title), Some(head), Some(base)) = (
        body["title"].as_str(),
        body["head"].as_str(),
        body["base"].as_str(),
    ) else {
        return Reply::message(422, "Validation Failed");
    };
    let head = head.rsplit(':').next().unwrap_or(head);
    let text = body["body"].as_str().unwrap_or_default();
    let repository = &mut world.repositories[place];
    let exists = |issue: &Issue| {
        let pull = issue.pull_request.as_ref();
        issue.open && pull.is_some_and(|pull| pull.head_ref == head && pull.base_ref == base)
    };
    if repository.issues.values().any(exists) {
        let owner = &repository.owner;
        let told = format!("A pull request already exists for {owner}:{head}.");
        return store::validation_failed(&store::custom(&told));
    }
    let tip = repository.store.as_ref().and_then(|git| git.tip(head));
    if let Some(git) = &repository.store
        && let Some(refusal) = store::pull_refusal(git, head, base)
    {
        return refusal;
    }
    let closes = closing_references(text, &repository.full_name());
    for key in &closes {
        if let Some(issue) = repository.issues.get_mut(&key.number) {
            issue.touch();
        }
    }
    let pull = repository.add_pull_request(title, &[]);
    pull.body(text)
        .head(head)
        .draft(body["draft"].as_bool().unwrap_or(false));
    let details = pull
        .pull_request
        .as_mut()
        .expect("it was made as a pull request");
    details.closes = closes;
    if let Some(tip) = tip {
        details.head_sha = tip;
    }
    base.clone_into(&mut details.base_ref);
    let number = pull.number;
    let (render, repository) = (Render::new(world), &world.repositories[place]);
    Reply::json(201, |json| {
        render.pull(json, repository, &repository.issues[&number])
    })
}

/// The issues that a description says are closed: `Closes #5`, `fixes: acme/web#7`.
fn closing_references(text: &str, repository: &str) -> Vec<IssueKey> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let reference = |pair: &[&str]| {
        let word = pair[0].trim_end_matches(':').to_lowercase();
        let (home, number) = pair[1].split_once('#')?;
        let number = number
            .trim_end_matches(|end: char| !end.is_ascii_digit())
            .parse()
            .ok()?;
        let home = if home.is_empty() { repository } else { home };
        let known = CLOSING.contains(&word.as_str());
        known.then(|| IssueKey {
            repository: home.to_owned(),
            number,
        })
    };
    words.windows(2).filter_map(reference).collect()
}
