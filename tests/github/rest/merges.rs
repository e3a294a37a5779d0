//! Routes of checks, workflow runs, branches and their rules.

use serde_json::{Value, json};

use super::super::issue::Issue;
use super::super::merges::Merges;
use super::super::repository::Repository;
use super::super::world::World;
use super::{Call, Query, Reply, decode};

/// Where artifacts are stored.
pub(super) const STORAGE: &str = "storage.example.net";

/// Answers a request below a repository that no other route knows.
pub(super) fn route(repository: &Repository, rest: &[&str], query: &Query) -> Reply {
    let merges = &repository.merges;
    let rest: Vec<String> = rest.iter().map(|segment| decode(segment)).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let none = Vec::new();
    match rest.as_slice() {
        ["commits", sha, "check-runs"] => wrapped(
            query,
            "check_runs",
            merges.check_runs.get(*sha).unwrap_or(&none),
        ),
        ["commits", sha, "status"] => {
            let statuses = merges.statuses.get(*sha).unwrap_or(&none);
            // Without any status the combined state is `pending`, as GitHub has it.
            let state = |wanted: &str| statuses.iter().any(|status| status["state"] == wanted);
            let combined = match () {
                () if state("failure") || state("error") => "failure",
                () if state("pending") || statuses.is_empty() => "pending",
                () => "success",
            };
            let shown = page(query, statuses);
            let body = json!({"state": combined, "sha": sha, "statuses": shown, "total_count": statuses.len()});
            reply(&body)
        }
        ["stacks", number] if merges.stacks_enabled => stack(repository, number),
        ["actions", "runs"] => {
            let sha = query.get("head_sha").unwrap_or_default();
            wrapped(
                query,
                "workflow_runs",
                merges.workflow_runs.get(sha).unwrap_or(&none),
            )
        }
        ["actions", "runs", id, "jobs"] => {
            let part = format!("/actions/runs/{id}/");
            let of_run = |run: &&Value| {
                let url = run["details_url"].as_str();
                url.is_some_and(|url| url.contains(&part))
            };
            let runs = merges.check_runs.values().flatten();
            let jobs: Vec<Value> = runs.filter(of_run).map(|run| job(merges, run)).collect();
            wrapped(query, "jobs", &jobs)
        }
        ["actions", "jobs", id] => {
            let mut runs = merges.check_runs.values().flatten();
            match runs.find(|run| run["id"] == number(id)) {
                Some(run) => reply(&job(merges, run)),
                None => Reply::message(404, "Not Found"),
            }
        }
        ["actions", "runs", id, "artifacts"] => {
            let of_run = |(told, _): &&(Value, Vec<u8>)| told["workflow_run"]["id"] == number(id);
            let artifacts = merges.artifacts.iter().filter(of_run);
            let artifacts: Vec<Value> = artifacts.map(|(told, _)| told.clone()).collect();
            wrapped(query, "artifacts", &artifacts)
        }
        ["actions", "artifacts", id, "zip"] => match artifact(repository, number(id)) {
            Some((told, _)) if told["expired"] == true => {
                Reply::message(410, "Artifact has expired")
            }
            Some(_) => {
                let mut reply = Reply::new(302);
                let place = format!("https://{STORAGE}/{}/{id}?sig=s", repository.id);
                reply.header("location", place);
                reply
            }
            None => Reply::message(404, "Not Found"),
        },
        ["rules", "branches", branch] => reply(&json!(page(
            query,
            merges.rules.get(*branch).unwrap_or(&none)
        ))),
        ["branches", name]
            if *name == repository.default_branch || merges.protection.contains_key(*name) =>
        {
            reply(&branch(repository, name))
        }
        ["branches", _] => Reply::message(404, "Branch not found"),
        ["actions", "jobs", id, "logs"] => match merges.logs.get(&number(id)) {
            Some(log) => text(log),
            None => Reply::message(404, "Not Found"),
        },
        ["check-runs", id, "annotations"] => {
            let annotations = merges.annotations.get(&number(id));
            reply(&json!(page(query, annotations.unwrap_or(&none))))
        }
        ["pulls", id, "files"] => {
            let files = merges.files.get(&number(id));
            reply(&json!(page(query, files.unwrap_or(&none))))
        }
        ["dependency-graph", "compare", range] => {
            super::dependencies::compare(merges.dependencies.as_deref(), range)
        }
        _ => Reply::message(404, "Not Found"),
    }
}

/// A branch as everybody sees it.
pub(super) fn branch(repository: &Repository, name: &str) -> Value {
    let off = json!({"enabled": false, "required_status_checks":
        {"enforcement_level": "off", "contexts": [], "checks": []}});
    let protection = repository.merges.protection.get(name);
    json!({"name": name, "protected": protection.is_some(), "protection": protection.unwrap_or(&off)})
}

fn artifact(repository: &Repository, id: u64) -> Option<&(Value, Vec<u8>)> {
    let mut artifacts = repository.merges.artifacts.iter();
    artifacts.find(|(told, _)| told["id"] == id)
}

/// Answers for the storage behind GitHub's artifacts, which is on a host of its own: it refuses
/// whoever shows a token, for the signature in the address is another way to prove oneself.
pub(super) fn storage(world: &World, call: &Call<'_>) -> Reply {
    if call.authorized {
        return Reply::new(400);
    }
    let path = call.path.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').skip(1).map(number);
    let repository = segments.next().and_then(|id| {
        let mut all = world.repositories.iter();
        all.find(|repository| repository.id == id)
    });
    let id = segments.next().unwrap_or_default();
    match repository.and_then(|repository| artifact(repository, id)) {
        Some((_, archive)) => raw("application/zip", archive),
        None => Reply::new(404),
    }
}

fn number(segment: &str) -> u64 {
    segment.parse().unwrap_or_default()
}

/// Plain text, as the storage behind GitHub's logs delivers it.
fn text(body: &[u8]) -> Reply {
    raw("text/plain", body)
}

fn raw(kind: &str, body: &[u8]) -> Reply {
    let mut reply = Reply::new(200);
    reply.headers.retain(|(name, _)| name != "content-type");
    reply.header("content-type", kind);
    Reply {
        body: body.to_vec(),
        ..reply
    }
}

/// A check run as the list of a workflow run's jobs shows it.
fn job(merges: &Merges, run: &Value) -> Value {
    let steps = run["id"].as_u64().and_then(|id| merges.steps.get(&id));
    json!({
        "id": run["id"], "name": run["name"], "status": run["status"], "conclusion": run["conclusion"],
        "started_at": run["started_at"], "completed_at": run["completed_at"],
        "html_url": run["details_url"], "run_attempt": 1, "steps": steps.unwrap_or(&Vec::new()),
    })
}

fn page<'a>(query: &Query, items: &'a [Value]) -> Vec<&'a Value> {
    let size = query.number("per_page", 30).min(100);
    let before = (query.number("page", 1) - 1) * size;
    items.iter().skip(before).take(size).collect()
}

fn wrapped(query: &Query, member: &str, items: &[Value]) -> Reply {
    reply(&json!({"total_count": items.len(), member: page(query, items)}))
}

fn reply(body: &Value) -> Reply {
    Reply::json(200, |json| json.raw(body))
}

/// A stack that GitHub keeps.
fn stack(repository: &Repository, wanted: &str) -> Reply {
    let known = repository.merges.stack.as_ref();
    let Some((number, base, members)) = known.filter(|stack| stack.0.to_string() == wanted) else {
        return Reply::message(404, "Not Found");
    };
    let issues = members.iter().filter_map(|it| repository.issues.get(it));
    let member = |issue: &Issue| {
        let pull = issue.pull_request.as_ref()?;
        Some(json!({
            "number": issue.number, "state": if issue.open { "open" } else { "closed" },
            "draft": pull.draft, "merged_at": pull.merged_at.map(|at| at.to_string()),
            "head": {"ref": pull.head_ref, "sha": pull.head_sha},
        }))
    };
    let pulls: Vec<Value> = issues.filter_map(member).collect();
    reply(
        &json!({"id": number * 1_000, "number": number, "base": {"ref": base}, "open": true,
        "created_at": "2026-08-01T10:00:00Z", "pull_requests": pulls}),
    )
}
