//! Resident memory: an owner with work, a forwarder, an owner with a thousand readers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::engines::engine_folder;
use crate::issuecommand::{self, Offline};
use crate::load::{Limit, drive};
use crate::machine::{raise_file_limit, resident_mb};
use crate::report::{Bar, Report, Side};
use crate::rpc::Client;
use crate::wire::{AGENT, http::Http};
use crate::{Bench, Result, fail, progress};

const ACTIVE_CLAIMS: usize = 1_000;
const CACHED_ISSUES: u64 = 10_000;
const READERS: usize = 1_000;
/// MB of the owner with all those, at most.
const OWNER_BAR: f64 = 40.0;
/// MB of a forwarding `mcp` process, at most.
const FORWARDER_BAR: f64 = 10.0;
/// MB that the readers may add to the owner.
const READERS_BAR: f64 = 30.0;
/// Until what a call set going has settled.
const SETTLE: Duration = Duration::from_millis(500);

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let mut report = Report::new("memory", bench.machine.clone(), &["process", "VmRSS MB"]);
    report.note("VmRSS of /proc/PID/status, MB = 10^6 bytes");
    let prepared = tempfile::tempdir_in(&bench.folder)?;
    let offline = Offline::prepare(prepared.path(), CACHED_ISSUES)?;
    let folder = engine_folder(&bench.folder)?;
    let server = issuecommand::start_fresh(&offline, folder.path())?;
    let owner = server.process.pid();
    add_row(&mut report, "owner, no claims", resident_mb(owner)?);

    let session = Http::claiming(&server.address);
    let limit = Limit::PerLane(ACTIVE_CLAIMS);
    drive(&server.address, vec![session], limit, &mut 1)?;
    thread::sleep(SETTLE);
    let working = resident_mb(owner)?;
    let name = format!("owner, {ACTIVE_CLAIMS} active claims, {CACHED_ISSUES} issues");
    add_row(&mut report, &name, working);
    progress(name);

    let command = offline.command(folder.path(), &["mcp"]);
    let mut forwarder = Client::start(command, &folder.path().join("mcp.log"))?;
    forwarder.initialize()?;
    let call = json!({"name": "get_my_claims", "arguments": {"agent_id": AGENT}});
    let answer = forwarder.call("tools/call", &call)?;
    if !answer.to_string().contains("claim_id") {
        return fail(format!("get_my_claims through the forwarder: {answer}"));
    }
    thread::sleep(SETTLE);
    let forwarding = resident_mb(forwarder.process.pid())?;
    let name = "forwarder (mcp beside an owner), after get_my_claims";
    add_row(&mut report, name, forwarding);
    drop(forwarder);

    let before = resident_mb(owner)?;
    let readers = connect_readers(&server.address)?;
    thread::sleep(SETTLE);
    let listening = resident_mb(owner)?;
    let name = format!("owner, with {} SSE readers", readers.len());
    add_row(&mut report, &name, listening);

    report.bar(Bar::new(
        "owner with claims and issues, MB",
        Some(working),
        Side::AtMost,
        OWNER_BAR,
    ));
    report.bar(Bar::new(
        "forwarder, MB",
        Some(forwarding),
        Side::AtMost,
        FORWARDER_BAR,
    ));
    let name = format!("{READERS} SSE readers add, MB");
    let added = Some(listening - before);
    report.bar(Bar::new(name, added, Side::AtMost, READERS_BAR));
    Ok(report)
}

fn add_row(report: &mut Report, name: &str, resident: f64) {
    report.row(
        vec![name.to_owned(), format!("{resident:.1}")],
        json!({"process": name, "resident_mb": resident}),
    );
}

/// Readers of the event stream, each past its reply's head.
///
/// The server was started before our limit of open files is raised, so it has the user's own.
fn connect_readers(address: &str) -> Result<Vec<BufReader<TcpStream>>> {
    raise_file_limit(READERS as u64 + 200)?;
    (0..READERS).map(|_| connect_reader(address)).collect()
}

fn connect_reader(address: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET /sse HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
    )?;
    let mut reader = BufReader::with_capacity(512, stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    if !status.contains(" 200") {
        return fail(format!("GET /sse: {status}"));
    }
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(reader)
}
