//! What each tool for pull requests costs at GitHub: gh processes, requests and points of a first
//! call, by a process that knows nothing yet, and of the same call again.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engines::engine_folder;
use crate::events::Events;
use crate::issuecommand::{self, Offline};
use crate::report::{Bar, Report, Side};
use crate::rpc::Client;
use crate::stand_in::{CountedGh, Requests, StandIn, gh, gh_version};
use crate::{Bench, Result, fail, progress};

/// The pull requests of the stand-in's world of that name: one that fails, one that conflicts.
const REPO: &str = "acme/api";
const PULL: &str = "acme/api#2";
const CONFLICTING: &str = "acme/api#4";

const TOOLS: [&str; 9] = [
    "create_pull_request",
    "get_failing_tests",
    "find_unresolved_comments",
    "resolve_review_thread",
    "check_merge_readiness",
    "detect_merge_conflicts",
    "manage_stacked_prs",
    "get_review_suggestions",
    "analyze_pr_impact",
];

/// Requests of a call that is made again, at most.
const AGAIN_BAR: f64 = 2.0;

/// Points that it takes of the REST budget, at most: the list in which `create_pull_request` looks
/// has changed by the first call. All others are answered with 304.
const AGAIN_POINTS_BAR: f64 = 1.0;

/// What one call cost.
struct Cost {
    processes: u64,
    requests: u64,
    /// A `304` takes none, and where GitHub stores files belongs to no budget.
    rest_points: u64,
    graphql_points: u64,
}

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let gh = gh()?;
    let header = [
        "first call and again",
        "gh",
        "requests",
        "REST points",
        "GraphQL points",
        "gh",
        "requests",
        "REST points",
        "GraphQL points",
    ];
    let mut report = Report::new("cost", bench.machine.clone(), &header);
    report.note(format!(
        "each tool in a process of its own that has synced; a 304 takes no point; {}",
        gh_version(&gh)
    ));
    let (mut most_requests, mut most_points) = (0, 0);
    for tool in TOOLS {
        let [first, again] = measure(bench, &gh, tool)?;
        progress(format!("{tool}: {} and {}", first.requests, again.requests));
        most_requests = most_requests.max(again.requests).max(again.processes);
        most_points = most_points.max(again.rest_points);
        let mut row = vec![tool.to_owned()];
        let mut record = json!({"tool": tool});
        for (name, cost) in [("first", first), ("again", again)] {
            let numbers = [
                cost.processes,
                cost.requests,
                cost.rest_points,
                cost.graphql_points,
            ];
            row.extend(numbers.map(|number| number.to_string()));
            record[name] = json!({
                "gh_processes": cost.processes, "requests": cost.requests,
                "rest_points": cost.rest_points, "graphql_points": cost.graphql_points,
            });
        }
        report.row(row, record);
    }
    for (name, most, bar) in [
        ("requests of a call made again", most_requests, AGAIN_BAR),
        (
            "REST points of a call made again",
            most_points,
            AGAIN_POINTS_BAR,
        ),
    ] {
        report.bar(Bar::new(name, Some(most as f64), Side::AtMost, bar));
    }
    Ok(report)
}

/// The costs of a tool's first call and of the same one again.
fn measure(bench: &Bench, gh: &Path, tool: &str) -> Result<[Cost; 2]> {
    let folder = engine_folder(&bench.folder)?;
    let mut github = StandIn::start(folder.path(), "pull-request", Duration::ZERO)?;
    let arguments = arguments(tool, &github, gh)?;
    let counted = CountedGh::write(folder.path(), gh)?;
    let program = Offline::empty(folder.path(), &counted.script, &github.gh_config_dir)?;
    let state = engine_folder(&bench.folder)?;
    let server = issuecommand::start(&program, state.path())?;
    // Nothing else is asked of GitHub after that for a while.
    Events::connect(&server.address)?.wait_for("sync.completed")?;
    let command = program.command(state.path(), &["mcp"]);
    let mut client = Client::start(command, &state.path().join("mcp.log"))?;
    client.initialize()?;
    let mut call = || -> Result<Cost> {
        github.take_requests()?;
        let before = counted.starts()?;
        let answer = client.call("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        if answer["isError"] == true {
            return fail(format!("{tool}: {answer}"));
        }
        let requests = github.take_requests()?;
        Ok(cost(counted.starts()? - before, &requests))
    };
    Ok([call()?, call()?])
}

fn cost(processes: u64, requests: &Requests) -> Cost {
    let operations = requests.operations.iter();
    let graphql: u64 = operations
        .filter(|(name, _)| name.starts_with("graphql"))
        .map(|(_, count)| count)
        .sum();
    let unchanged = requests.statuses.get("304").copied().unwrap_or(0);
    Cost {
        processes,
        requests: requests.count,
        rest_points: requests.count - graphql - unchanged - requests.without_authorization,
        graphql_points: requests.points,
    }
}

fn arguments(tool: &str, github: &StandIn, gh: &Path) -> Result<Value> {
    Ok(match tool {
        "create_pull_request" => json!({
            "repo": REPO, "title": "Note it", "body": "For later.", "head": "note",
            "issue_number": 1, "files": [{"path": "NOTES.md", "content": "new\n"}],
        }),
        "resolve_review_thread" => json!({"pr": PULL, "thread_id": open_thread(github, gh)?}),
        "detect_merge_conflicts" => json!({"pr": CONFLICTING}),
        _ => json!({"pr": PULL}),
    })
}

/// A thread that is not resolved yet.
fn open_thread(github: &StandIn, gh: &Path) -> Result<String> {
    const THREADS: &str = "query=query{repository(owner:\"acme\",name:\"api\"){\
        pullRequest(number:2){reviewThreads(first:100){nodes{id isResolved}}}}}";
    let mut command = github.gh_command(gh);
    let output = command.args(["api", "graphql", "-f", THREADS]).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let threads = &answer["data"]["repository"]["pullRequest"]["reviewThreads"]["nodes"];
    let mut threads = threads.as_array().into_iter().flatten();
    let open = threads.find(|thread| thread["isResolved"] == false);
    match open.and_then(|thread| thread["id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => fail(format!("no open thread: {answer}")),
    }
}
