//! What gh costs: most children at once under a crowd, the environment they get, and whether a
//! large owner pays more to start one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engines::engine_folder;
use crate::events::Events;
use crate::http;
use crate::issuecommand::{self, Offline, Server};
use crate::machine::living_children;
use crate::report::{Bar, Report, Side, median};
use crate::stand_in::{CountedGh, StandIn, gh, gh_version};
use crate::{Bench, Result, fail, progress};

const PROCESSES_MAX: usize = 4;
const CLIENTS: usize = 32;
const CROWD_TIME: Duration = Duration::from_secs(5);
/// GitHub's own time, so that children wait and pile up where nothing stops them.
const LATENCY: Duration = Duration::from_millis(50);
const LARGE: u64 = 10_000;
const SMALL: u64 = 10;
const ISSUE: &str = "/api/issues/acme/service-001/1";

/// CPU of gh with the environment it is given ÷ with the inherited one, at most.
const ENVIRONMENT_BAR: f64 = 0.87;
/// A verified call through a large owner ÷ through a small one, at most.
const SPAWN_BAR: f64 = 1.15;

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let gh = gh()?;
    let rounds = bench.options.rounds.unwrap_or(20);
    let mut report = Report::new("gh", bench.machine.clone(), &["", "median", "min", "max"]);
    report.note(gh_version(&gh));
    crowd(bench, &gh, &mut report)?;
    environment(bench, &gh, rounds, &mut report)?;
    spawn(bench, &gh, rounds, &mut report)?;
    Ok(report)
}

/// Most children of an owner at once, seen from outside, while many clients want answers.
fn crowd(bench: &Bench, gh: &Path, report: &mut Report) -> Result<()> {
    let folder = engine_folder(&bench.folder)?;
    let github = StandIn::start(folder.path(), "synthetic:10:100", LATENCY)?;
    let state = engine_folder(&bench.folder)?;
    let program = Offline::empty(folder.path(), gh, &github.gh_config_dir)?
        .variable("GH_MAX_PROCESSES", &PROCESSES_MAX.to_string());
    let server = issuecommand::start(&program, state.path())?;
    Events::connect(&server.address)?.wait_for("sync.completed")?;
    let owner = server.process.pid();
    let over = AtomicBool::new(false);
    let (address, stop) = (server.address.as_str(), &over);
    let (seen, statuses) = thread::scope(|scope| -> Result<_> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || client_loop(address, client, stop)))
            .collect();
        let seen = watch_children(owner);
        over.store(true, Ordering::Relaxed);
        let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
        for client in clients {
            let answers = client.join().map_err(|_| "a client panicked")?;
            for (status, count) in answers? {
                *statuses.entry(status).or_default() += count;
            }
        }
        Ok((seen?, statuses))
    })?;
    let answered = statuses.iter().filter(|(status, _)| **status < 300);
    let answered: u64 = answered.map(|(_, count)| count).sum();
    if answered == 0 {
        return fail(format!("nothing was answered: {statuses:?}"));
    }
    let (most, samples) = seen;
    report.note(format!(
        "{CLIENTS} clients for {} s, GH_MAX_PROCESSES={PROCESSES_MAX}, {} ms latency: answers by \
         status {statuses:?}; children counted {samples} times in /proc",
        CROWD_TIME.as_secs(),
        LATENCY.as_millis()
    ));
    let name = "gh children of an owner at once, highest count seen";
    report.bar(Bar::new(
        name,
        Some(most as f64),
        Side::AtMost,
        PROCESSES_MAX as f64,
    ));
    progress(format!("{answered} answers, at most {most} children"));
    drop(server);
    Ok(())
}

/// The highest count of children in [`CROWD_TIME`], and how often they were counted.
fn watch_children(owner: u32) -> Result<(usize, u64)> {
    let deadline = Instant::now() + CROWD_TIME;
    let (mut most, mut samples) = (0, 0);
    while Instant::now() < deadline {
        most = most.max(living_children(owner)?.len());
        samples += 1;
        thread::sleep(Duration::from_millis(1));
    }
    Ok((most, samples))
}

/// Answers by status; half of the clients claim, half read.
fn client_loop(
    address: &str,
    client: usize,
    stop: &AtomicBool,
) -> std::result::Result<BTreeMap<u16, u64>, String> {
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut number = client;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let answer = if client.is_multiple_of(2) {
            claim_next(address, &format!("crowd-{client}-{number}"))
        } else {
            let path = format!(
                "/api/issues/acme/service-{:03}/{}",
                number % 10 + 1,
                number % 100 + 1
            );
            http::get(address, &path).map(|(status, _)| status)
        };
        let status = answer.map_err(|error| error.to_string())?;
        *statuses.entry(status).or_default() += 1;
    }
    Ok(statuses)
}

/// `POST /api/claims/next`; the status.
fn claim_next(address: &str, agent: &str) -> Result<u16> {
    let body = json!({"agent_id": agent}).to_string();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "POST /api/claims/next HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| "no HTTP reply to POST /api/claims/next".into())
}

/// CPU of one `gh api -i`, with the environment that the program gives and with the inherited one.
fn environment(bench: &Bench, gh: &Path, rounds: usize, report: &mut Report) -> Result<()> {
    let folder = engine_folder(&bench.folder)?;
    let github = StandIn::start(folder.path(), "synthetic:1:150", Duration::ZERO)?;
    let counted = CountedGh::write(folder.path(), gh)?;
    let state = engine_folder(&bench.folder)?;
    let program = Offline::empty(folder.path(), &counted.script, &github.gh_config_dir)?;
    let server = issuecommand::start(&program, state.path())?;
    Events::connect(&server.address)?.wait_for("sync.completed")?;
    drop(server);
    let given = counted.environment()?;
    let with_given = || {
        let mut command = timed(gh);
        command
            .env_clear()
            .envs(given.iter().map(|(name, value)| (name, value)));
        cpu_ms(command)
    };
    let with_inherited = || {
        // The same removals as for any gh here.
        let mut command = timed(gh);
        let led = github.gh_command(gh);
        for (name, value) in led.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        cpu_ms(command)
    };
    let (mut pinned, mut inherited) = (Vec::new(), Vec::new());
    // One round before the first warms the page cache for both.
    for round in 0..=rounds {
        let (ours, theirs) = in_turn(round, with_given, with_inherited)?;
        if round > 0 {
            pinned.push(ours);
            inherited.push(theirs);
        }
    }
    progress(format!("{rounds} pairs of gh api"));
    add_row(
        report,
        "CPU ms of gh api -i, 100 issues, environment as given",
        &pinned,
    );
    add_row(
        report,
        "CPU ms of gh api -i, 100 issues, environment inherited",
        &inherited,
    );
    let ratios = pinned
        .iter()
        .zip(&inherited)
        .map(|(ours, theirs)| ours / theirs);
    let name = "CPU of gh, environment as given / inherited (median of pairs)";
    report.bar(Bar::new(
        name,
        median(ratios),
        Side::AtMost,
        ENVIRONMENT_BAR,
    ));
    Ok(())
}

/// `gh api` under bash's `time`: times of one child in /proc are too coarse.
fn timed(gh: &Path) -> Command {
    let mut command = Command::new("/bin/bash");
    let script = r#"TIMEFORMAT='%3U %3S'; time "$0" "$@" >/dev/null"#;
    command
        .args(["-c", script])
        .arg(gh)
        .args(["api", "-i", "repos/acme/service-001/issues?per_page=100"])
        .stdin(Stdio::null());
    command
}

/// User and system time of a [`timed`] command.
fn cpu_ms(mut command: Command) -> Result<f64> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return fail(format!("gh api: {text}"));
    }
    let mut seconds = 0.0;
    for part in text.lines().last().unwrap_or("").split_whitespace() {
        seconds += part.replace(',', ".").parse::<f64>()?;
    }
    Ok(seconds * 1e3)
}

/// Time of a call that asks GitHub, through a large and through a small owner.
fn spawn(bench: &Bench, gh: &Path, rounds: usize, report: &mut Report) -> Result<()> {
    let folder = engine_folder(&bench.folder)?;
    let github = StandIn::start(folder.path(), "synthetic:1:10", Duration::ZERO)?;
    let start = |issues: u64| -> Result<(Server, tempfile::TempDir)> {
        let prepared = tempfile::tempdir_in(&bench.folder)?;
        let program = Offline::prepare(prepared.path(), issues)?.with_gh(gh, &github.gh_config_dir);
        let state = engine_folder(&bench.folder)?;
        Ok((issuecommand::start_fresh(&program, state.path())?, state))
    };
    let (large, _large_state) = start(LARGE)?;
    let (small, _small_state) = start(SMALL)?;
    let (mut large_ms, mut small_ms) = (Vec::new(), Vec::new());
    // The first round also asks gh for its version.
    for round in 0..=2 * rounds {
        let (ours, theirs) = in_turn(
            round,
            || verified_call_ms(&large),
            || verified_call_ms(&small),
        )?;
        if round > 0 {
            large_ms.push(ours);
            small_ms.push(theirs);
        }
    }
    progress(format!("{} pairs of verified calls", 2 * rounds));
    add_row(
        report,
        "ms of a verified call, owner with 10 000 issues",
        &large_ms,
    );
    add_row(
        report,
        "ms of a verified call, owner with 10 issues",
        &small_ms,
    );
    let medians = median(large_ms).zip(median(small_ms));
    let ratio = medians.map(|(large, small)| large / small);
    let name = "verified call, large owner / small owner (medians)";
    report.bar(Bar::new(name, ratio, Side::AtMost, SPAWN_BAR));
    Ok(())
}

fn verified_call_ms(server: &Server) -> Result<f64> {
    let begun = Instant::now();
    let (status, body) = http::get(&server.address, ISSUE)?;
    let taken = begun.elapsed();
    match status {
        200 => Ok(taken.as_secs_f64() * 1e3),
        _ => fail(format!("GET {ISSUE}: {status} {body}")),
    }
}

/// One pair; who goes first alternates.
fn in_turn(
    round: usize,
    first: impl Fn() -> Result<f64>,
    second: impl Fn() -> Result<f64>,
) -> Result<(f64, f64)> {
    if round.is_multiple_of(2) {
        let value = first()?;
        Ok((value, second()?))
    } else {
        let value = second()?;
        Ok((first()?, value))
    }
}

fn add_row(report: &mut Report, name: &str, values: &[f64]) {
    let middle = median(values.iter().copied()).unwrap_or(f64::NAN);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(0.0, f64::max);
    let mut row = vec![name.to_owned()];
    row.extend([middle, min, max].map(|value| format!("{value:.1}")));
    report.row(
        row,
        json!({"what": name, "median": middle, "min": min, "max": max}),
    );
}
