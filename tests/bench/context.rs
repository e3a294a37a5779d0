//! What an agent has to read: bytes of the tools and of their answers, beside `gh api`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engines::engine_folder;
use crate::issuecommand::Offline;
use crate::report::{Bar, Report, Side, grouped};
use crate::rpc::Client;
use crate::stand_in::{StandIn, gh, gh_version};
use crate::wire::AGENT;
use crate::{Bench, Result, fail};

const REPO: &str = "acme/service-001";
const LISTED: usize = 20;

/// Bytes of `tools/list`, at most.
const TOOLS_BAR: f64 = 8_192.0;
/// Bytes of its largest tool, at most.
const TOOL_BAR: f64 = 600.0;
/// Bytes of what `next_issue` says beside the issue's text, at most.
const NEXT_BAR: f64 = 400.0;

/// The pull request of the stand-in's world of that name.
const PULL_REPO: &str = "acme/api";
const PULL: u64 = 2;
/// Bytes of all that tells what is wrong with it, at most.
const PULL_BAR: f64 = 12_288.0;

/// What a script asks for review threads: only GraphQL tells which are resolved.
const THREADS: &str = "query{repository(owner:\"acme\",name:\"api\"){pullRequest(number:2){\
reviewThreads(first:100){nodes{id isResolved isOutdated path line comments(first:20){nodes{\
author{login} body createdAt url diffHunk}}}}}}}";

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let gh = gh()?;
    let folder = engine_folder(&bench.folder)?;
    let github = StandIn::start(folder.path(), "synthetic:3:100", Duration::ZERO)?;
    let program = Offline::empty(folder.path(), &gh, &github.gh_config_dir)?;
    let state = engine_folder(&bench.folder)?;
    let command = program.command(state.path(), &["mcp"]);
    let mut client = Client::start(command, &state.path().join("mcp.log"))?;
    client.initialize()?;

    let header = [
        "bytes",
        "record",
        "of gh api",
        "with the text",
        "of gh api",
        "gh api",
    ];
    let mut report = Report::new("context", bench.machine.clone(), &header);
    report.note(format!(
        "text that the agent reads, of MCP results, without and with what people wrote in the issue; \
         gh api always brings the latter; {}",
        gh_version(&gh)
    ));

    let tools = client.call("tools/list", &json!({}))?;
    let sizes = tools["tools"]
        .as_array()
        .ok_or("tools/list named no tools")?
        .iter();
    let largest = sizes.map(|tool| tool.to_string().len()).max().unwrap_or(0);
    let all = tools.to_string().len();
    add_row(&mut report, "tools/list", Answer { record: all, all }, None);
    let row = Answer {
        record: largest,
        all: largest,
    };
    add_row(&mut report, "tools/list, largest tool", row, None);

    let arguments = json!({"agent_id": AGENT, "repo": REPO});
    let (next, record) = call(&mut client, "next_issue", &arguments)?;
    let number = record["issue_number"]
        .as_u64()
        .ok_or("next_issue claimed nothing")?;
    let bytes = |path: &str| raw_bytes(&github, &gh, path);
    let raw_issue = bytes(&format!("repos/{REPO}/issues/{number}"))?;
    let raw_list = bytes(&format!("repos/{REPO}/issues?per_page={LISTED}"))?;
    add_row(&mut report, "next_issue", next, Some(raw_issue));
    let arguments = json!({"repo": REPO, "issue_number": number});
    let (details, _) = call(&mut client, "get_issue_details", &arguments)?;
    add_row(&mut report, "get_issue_details", details, Some(raw_issue));
    let arguments = json!({"repo": REPO, "limit": LISTED});
    let (list, record) = call(&mut client, "list_open_issues", &arguments)?;
    if record["issues"].as_array().map(Vec::len) != Some(LISTED) {
        return fail(format!("list_open_issues: {record}"));
    }
    let name = format!("list_open_issues, {LISTED}");
    add_row(&mut report, &name, list, Some(raw_list));
    let (mine, _) = call(&mut client, "get_my_claims", &json!({"agent_id": AGENT}))?;
    add_row(&mut report, "get_my_claims, 1", mine, Some(raw_issue));

    let pull = pull_request(bench, &gh, &mut report)?;

    let bars = [
        ("tools/list, bytes", all, TOOLS_BAR),
        ("largest tool, bytes", largest, TOOL_BAR),
        ("next_issue without the text, bytes", next.record, NEXT_BAR),
        (
            "failing tests, comments and readiness, bytes",
            pull,
            PULL_BAR,
        ),
    ];
    for (name, bytes, bar) in bars {
        report.bar(Bar::new(name, Some(bytes as f64), Side::AtMost, bar));
    }
    Ok(report)
}

/// What is wrong with a pull request: 12 jobs, three of which fail with logs of more than 2,000
/// lines, and 40 review threads, five of them open. The bytes of all three answers.
fn pull_request(bench: &Bench, gh: &Path, report: &mut Report) -> Result<usize> {
    let folder = engine_folder(&bench.folder)?;
    let github = StandIn::start(folder.path(), "pull-request", Duration::ZERO)?;
    let program = Offline::empty(folder.path(), gh, &github.gh_config_dir)?;
    let state = engine_folder(&bench.folder)?;
    let command = program.command(state.path(), &["mcp"]);
    let mut client = Client::start(command, &state.path().join("mcp.log"))?;
    client.initialize()?;

    let of_repo = |path: &str| format!("repos/{PULL_REPO}/{path}");
    let of_pull = |below: &str| of_repo(&format!("pulls/{PULL}{below}"));
    let pull: Value = serde_json::from_slice(&raw(&github, gh, &[&of_pull("")])?)?;
    let head = pull["head"]["sha"].as_str().ok_or("no head")?;
    let checks = of_repo(&format!("commits/{head}/check-runs?per_page=100"));
    let runs: Value = serde_json::from_slice(&raw(&github, gh, &[&checks])?)?;
    let runs = runs["check_runs"].as_array().ok_or("no check runs")?;
    let failed = runs.iter().filter(|run| run["conclusion"] == "failure");
    let logs = failed.map(|run| of_repo(&format!("actions/jobs/{}/logs", run["id"])));
    let logs: Vec<String> = logs.collect();

    let bytes = |paths: &[String]| -> Result<usize> {
        let sizes = paths.iter().map(|path| raw_bytes(&github, gh, path));
        sizes.sum()
    };
    let threads = format!("query={THREADS}");
    let threads = raw(&github, gh, &["graphql", "-f", &threads])?.len();
    let talk = bytes(&[
        of_repo(&format!("issues/{PULL}/comments")),
        of_pull("/reviews"),
    ])?;
    let readiness = [
        of_pull(""),
        of_repo("rules/branches/main"),
        checks.clone(),
        of_pull("/reviews"),
    ];
    let replaced = [
        ("get_failing_tests", bytes(&[checks])? + bytes(&logs)?),
        ("find_unresolved_comments", threads + talk),
        ("check_merge_readiness", bytes(&readiness)?),
    ];
    let arguments = json!({"pr": format!("{PULL_REPO}#{PULL}")});
    let mut sum = 0;
    for (tool, raw) in replaced {
        let (answer, _) = call(&mut client, tool, &arguments)?;
        add_row(report, tool, answer, Some(raw));
        sum += answer.all;
    }
    Ok(sum)
}

/// Bytes of an answer: its record, and all of its parts.
#[derive(Clone, Copy)]
struct Answer {
    record: usize,
    all: usize,
}

/// Calls a tool; the sizes and the record.
fn call(client: &mut Client, tool: &str, arguments: &Value) -> Result<(Answer, Value)> {
    let result = client.call("tools/call", &json!({"name": tool, "arguments": arguments}))?;
    let parts = result["content"].as_array().map(Vec::as_slice);
    let texts = parts.unwrap_or_default().iter();
    let texts: Vec<&str> = texts.filter_map(|part| part["text"].as_str()).collect();
    let Some(record) = texts.first().filter(|_| result["isError"] != true) else {
        return fail(format!("{tool}: {result}"));
    };
    let answer = Answer {
        record: record.len(),
        all: texts.iter().map(|text| text.len()).sum(),
    };
    Ok((answer, serde_json::from_str(record)?))
}

/// Bytes of `gh api PATH`.
fn raw_bytes(github: &StandIn, gh: &Path, path: &str) -> Result<usize> {
    Ok(raw(github, gh, &[path])?.len())
}

/// What `gh api` prints. Newer versions print the colours of a log only when told to, older ones do
/// not know that flag.
fn raw(github: &StandIn, gh: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let run = |flags: &[&str]| {
        let mut command = github.gh_command(gh);
        command.arg("api").args(flags).args(arguments).output()
    };
    let mut output = run(&[])?;
    if !output.status.success() {
        output = run(&["--allow-escape-sequences"])?;
    }
    if !output.status.success() {
        return fail(format!("gh api {arguments:?}: {}", output.status));
    }
    Ok(output.stdout)
}

fn add_row(report: &mut Report, name: &str, answer: Answer, raw: Option<usize>) {
    let ratio = |bytes: usize| raw.map(|raw| bytes as f64 / raw as f64);
    let shown = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    let (record, all) = (ratio(answer.record), ratio(answer.all));
    report.row(
        vec![
            name.to_owned(),
            grouped(answer.record as f64),
            shown(record),
            grouped(answer.all as f64),
            shown(all),
            raw.map_or_else(String::new, |raw| grouped(raw as f64)),
        ],
        json!({
            "what": name, "record_bytes": answer.record, "bytes": answer.all, "gh_bytes": raw,
            "record_ratio": record, "ratio": all,
        }),
    );
}
