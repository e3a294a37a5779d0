//! How soon an agent's client has its tools: `issuecommand mcp` beside `gh --version`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::child::find_program;
use crate::engines::engine_folder;
use crate::issuecommand::Offline;
use crate::machine::has_had_children;
use crate::report::{Bar, Report, Side, median};
use crate::rpc::Client;
use crate::stand_in::gh_version;
use crate::{Bench, Result, fail, progress};

/// Answered `tools/list` ÷ `gh --version`, at most.
const BAR: f64 = 0.15;
/// How soon after the end of its input the server must have left.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// One start, times in milliseconds.
struct Start {
    initialize_ms: f64,
    tools_ms: f64,
    had_children: bool,
    leave: Option<Duration>,
}

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let Some(gh) = find_program("gh", &[]) else {
        return fail("gh is not installed (Debian package gh): nothing to compare with");
    };
    let rounds = bench.options.rounds.unwrap_or(20);
    let prepared = tempfile::tempdir_in(&bench.folder)?;
    let offline = Offline::prepare(prepared.path(), 0)?;
    let mut starts = Vec::new();
    let mut gh_ms = Vec::new();
    // One round before the first warms the page cache for both.
    for round in 0..=rounds {
        // Who goes first alternates.
        let gh_first = round % 2 == 0;
        let before = if gh_first { Some(time_gh(&gh)?) } else { None };
        let start = start_once(bench, &offline)?;
        let gh_time = match before {
            Some(time) => time,
            None => time_gh(&gh)?,
        };
        if round > 0 {
            starts.push(start);
            gh_ms.push(gh_time);
        }
    }
    progress(format!("{rounds} pairs of starts"));
    Ok(report(bench, &gh, &starts, &gh_ms))
}

fn time_gh(gh: &std::path::Path) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new(gh)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let taken = begun.elapsed();
    if !status.success() {
        return fail(format!("gh --version: {status}"));
    }
    Ok(taken.as_secs_f64() * 1e3)
}

fn start_once(bench: &Bench, offline: &Offline) -> Result<Start> {
    let folder = engine_folder(&bench.folder)?;
    let command = offline.command(folder.path(), &["mcp"]);
    let begun = Instant::now();
    let mut client = Client::start(command, &folder.path().join("mcp.log"))?;
    client.initialize()?;
    let initialized = begun.elapsed();
    let tools = client.call("tools/list", &json!({}))?;
    let listed = begun.elapsed();
    let had_children = has_had_children(client.process.pid())?;
    if tools["tools"].as_array().is_none_or(Vec::is_empty) {
        return fail("tools/list named no tools");
    }
    Ok(Start {
        initialize_ms: initialized.as_secs_f64() * 1e3,
        tools_ms: listed.as_secs_f64() * 1e3,
        had_children,
        leave: client.leave(LEAVE_LIMIT),
    })
}

fn report(bench: &Bench, gh: &std::path::Path, starts: &[Start], gh_ms: &[f64]) -> Report {
    let header = ["from spawn, ms", "median", "min", "max"];
    let mut report = Report::new("start", bench.machine.clone(), &header);
    report.note(format!(
        "{} interleaved pairs; {}",
        starts.len(),
        gh_version(gh)
    ));
    let initialize: Vec<f64> = starts.iter().map(|start| start.initialize_ms).collect();
    let tools: Vec<f64> = starts.iter().map(|start| start.tools_ms).collect();
    let leaves = starts.iter().filter_map(|start| start.leave);
    let leave: Vec<f64> = leaves.map(|time| time.as_secs_f64() * 1e3).collect();
    let late = starts.len() - leave.len();
    add_row(&mut report, "mcp: initialize answered", &initialize);
    add_row(&mut report, "mcp: tools/list answered", &tools);
    add_row(&mut report, "gh --version ended", gh_ms);
    add_row(&mut report, "mcp: end of input to exit", &leave);

    let ratios = tools.iter().zip(gh_ms).map(|(ours, gh)| ours / gh);
    let name = "tools/list answered / gh --version";
    report.bar(Bar::new(name, median(ratios), Side::AtMost, BAR));
    let parents = starts.iter().filter(|start| start.had_children).count();
    let name = "mcp processes that had started a child by then";
    report.bar(Bar::new(name, Some(parents as f64), Side::AtMost, 0.0));
    let name = "mcp processes still there 1 s after end of input";
    report.bar(Bar::new(name, Some(late as f64), Side::AtMost, 0.0));
    report
}

fn add_row(report: &mut Report, name: &str, times_ms: &[f64]) {
    let middle = median(times_ms.iter().copied()).unwrap_or(f64::NAN);
    let min = times_ms.iter().copied().fold(f64::INFINITY, f64::min);
    let max = times_ms.iter().copied().fold(0.0, f64::max);
    let cells = [middle, min, max].map(|time| format!("{time:.2}"));
    let mut row = vec![name.to_owned()];
    row.extend(cells);
    report.row(
        row,
        json!({"what": name, "median_ms": middle, "min_ms": min, "max_ms": max}),
    );
}
