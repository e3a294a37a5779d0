//! What a claim and a restart cost as history grows.

use serde_json::json;

use crate::engines::engine_folder;
use crate::issuecommand::{self, Offline, Server};
use crate::load::{Limit, drive};
use crate::machine::resident_mb;
use crate::report::{Report, grouped, median};
use crate::wire::http::Http;
use crate::{Bench, Result, progress};

/// Ended claims at which we stop and look.
const LEVELS: [usize; 4] = [1_000, 10_000, 50_000, 100_000];
/// Claims measured at each level, released at once so that they are part of the history.
const SAMPLE: usize = 500;
const CLIENTS: usize = 16;
/// Open issues, taken in turn and again: history grows, the catalogue does not.
const ISSUES: u64 = 10_000;
const RESTARTS: usize = 3;

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let header = [
        "ended claims",
        "claim p50 ms",
        "release p50 ms",
        "restart ms",
        "resident MB",
        "snapshot and journals KB",
        "history KB",
    ];
    let mut report = Report::new("growth", bench.machine.clone(), &header);
    report.note(format!(
        "claim + release cycles through HTTP, {CLIENTS} clients; latency at 1 client over the last \
         {SAMPLE} claims; restart = kill -9, start, until /api/claims answers 200 (median of \
         {RESTARTS})"
    ));
    let prepared = tempfile::tempdir_in(&bench.folder)?;
    let offline = Offline::prepare(prepared.path(), ISSUES)?;
    let folder = engine_folder(&bench.folder)?;
    let mut server = issuecommand::start_fresh(&offline, folder.path())?;
    let mut next_key = 1;
    let mut ended = 0;
    for level in LEVELS {
        fill(&server, level - SAMPLE - ended, &mut next_key)?;
        let (claim_ms, release_ms) = sample(&server, &mut next_key)?;
        ended = level;
        let resident = resident_mb(server.process.pid())?;
        let mut restarts = Vec::new();
        for _ in 0..RESTARTS {
            drop(server);
            server = issuecommand::start(&offline, folder.path())?;
            restarts.push(server.started_in.as_secs_f64() * 1e3);
        }
        let restart_ms = median(restarts).unwrap_or(f64::NAN);
        let sizes = issuecommand::state_sizes(folder.path())?;
        let size_of = |is_wanted: fn(&str) -> bool| {
            let wanted = sizes.iter().filter(|(name, _)| is_wanted(name));
            let bytes: u64 = wanted.map(|(_, bytes)| bytes).sum();
            grouped(bytes as f64 / 1e3)
        };
        let is_state = |name: &str| name == "state.json" || name.contains(".journal");
        progress(format!(
            "{level} ended claims: claim {claim_ms:.2} ms, restart {restart_ms:.1} ms"
        ));
        report.row(
            vec![
                grouped(level as f64),
                format!("{claim_ms:.2}"),
                format!("{release_ms:.2}"),
                format!("{restart_ms:.1}"),
                format!("{resident:.1}"),
                size_of(is_state),
                size_of(|name| name.contains(".history")),
            ],
            json!({
                "ended_claims": level, "claim_p50_ms": claim_ms, "release_p50_ms": release_ms,
                "restart_ms": restart_ms, "resident_mb": resident,
                "file_bytes": sizes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            }),
        );
    }
    Ok(report)
}

/// Ends exactly `cycles` claims.
fn fill(server: &Server, cycles: usize, next_key: &mut u64) -> Result<()> {
    let rest = cycles % CLIENTS;
    for (clients, cycles) in [(CLIENTS, cycles - rest), (1, rest)] {
        let session = || Http::cycling(&server.address, ISSUES);
        let sessions = (0..clients).map(|_| session()).collect();
        let limit = Limit::PerLane(2 * cycles / clients);
        drive(&server.address, sessions, limit, next_key)?;
    }
    Ok(())
}

/// Median latency in ms of a claim and of a release, one client.
fn sample(server: &Server, next_key: &mut u64) -> Result<(f64, f64)> {
    let session = Http::cycling(&server.address, ISSUES);
    let limit = Limit::PerLane(2 * SAMPLE);
    let measured = drive(&server.address, vec![session], limit, next_key)?;
    let every_second = |skip: usize| {
        let latencies = measured.latencies_ns.iter().skip(skip).step_by(2);
        median(latencies.map(|&ns| ns as f64 / 1e6)).unwrap_or(f64::NAN)
    };
    Ok((every_second(0), every_second(1)))
}
