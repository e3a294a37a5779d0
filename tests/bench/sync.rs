//! What keeping up with GitHub costs: gh processes, requests, points and CPU of syncs, beside one
//! `gh api` a repository.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engines::engine_folder;
use crate::events::Events;
use crate::issuecommand::{self, Offline};
use crate::machine::children_cpu_seconds;
use crate::report::{Bar, Report, Side, median};
use crate::stand_in::{CountedGh, Requests, StandIn, gh, gh_version};
use crate::{Bench, Result, fail, progress};

const REPOSITORIES: usize = 100;
const ISSUES_EACH: usize = 100;
const CHANGED: usize = 10;
/// Long enough to change something between two syncs, short enough to wait for.
const INTERVAL_MINUTES: &str = "0.05";
/// `gh api` at once in the naive way.
const NAIVE_AT_ONCE: usize = 8;

/// gh processes of a sync that finds nothing new, at most.
const IDLE_BAR: f64 = 5.0;
/// Its CPU ÷ that of the naive way, at most.
const IDLE_CPU_BAR: f64 = 0.1;
/// gh processes of a sync that finds ten repositories changed, at most.
const CHANGED_BAR: f64 = 7.0;
/// gh processes of the first sync, at most: five, and one for five pages of 100 issues.
const FIRST_BAR: f64 = 5.0 + (REPOSITORIES * ISSUES_EACH) as f64 / 100.0 / 5.0;

/// What one sync took.
struct Cost {
    processes: u64,
    requests: Requests,
    cpu: f64,
    wall: Option<Duration>,
}

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let gh = gh()?;
    let folder = engine_folder(&bench.folder)?;
    let world = format!("synthetic:{REPOSITORIES}:{ISSUES_EACH}");
    let mut github = StandIn::start(folder.path(), &world, Duration::ZERO)?;
    let counted = CountedGh::write(folder.path(), &gh)?;
    let state = engine_folder(&bench.folder)?;
    let program = Offline::empty(folder.path(), &counted.script, &github.gh_config_dir)?
        .variable("SYNC_INTERVAL_MINUTES", INTERVAL_MINUTES);
    let begun = Instant::now();
    let server = issuecommand::start(&program, state.path())?;
    let owner = server.process.pid();
    let mut events = Events::connect(&server.address)?;
    let (mut processes, mut cpu) = (0, 0.0);
    let mut next_sync = |github: &mut StandIn, changed: u64| -> Result<Cost> {
        let event = events.wait_for("sync.completed")?;
        if event["repos"] != REPOSITORIES || event["changed"].as_u64() < Some(changed) {
            return fail(format!("not the sync that was expected: {event}"));
        }
        let (started, used) = (counted.starts()?, children_cpu_seconds(owner)?);
        let cost = Cost {
            processes: started - processes,
            requests: github.take_requests()?,
            cpu: used - cpu,
            wall: None,
        };
        (processes, cpu) = (started, used);
        Ok(cost)
    };
    let mut first = next_sync(&mut github, 1)?;
    first.wall = Some(begun.elapsed());
    progress("first sync");
    let (mut idle, mut changed) = (Vec::new(), Vec::new());
    let rounds = bench.options.rounds.unwrap_or(3);
    for _ in 0..rounds {
        idle.push(next_sync(&mut github, 0)?);
        touch(&mut github)?;
        changed.push(next_sync(&mut github, 1)?);
    }
    progress(format!("{rounds} syncs without and with changes"));
    drop(server);
    let naive = naive(&mut github, &gh)?;

    let header = [
        "",
        "gh processes",
        "GraphQL points",
        "CPU s",
        "of naive",
        "wall s",
        "requests",
    ];
    let mut report = Report::new("sync", bench.machine.clone(), &header);
    report.note(format!(
        "{REPOSITORIES} repositories with {ISSUES_EACH} issues each in the stand-in; {}",
        gh_version(&gh)
    ));
    report.note(format!(
        "CPU of gh and the script that counts its starts (user + system); the first sync includes \
         gh --version and gh api user; the naive way is one gh api repos/O/R/issues?per_page=100 a \
         repository, {NAIVE_AT_ONCE} at once; {rounds} rounds: most processes, median CPU"
    ));
    report.note(format!(
        "gh processes by round: nothing changed {:?}, {CHANGED} repositories changed {:?} (the \
         first of these looks back three minutes, in which the stand-in made every issue)",
        processes_of(&idle),
        processes_of(&changed)
    ));
    let (idle, changed) = (worst(idle)?, worst(changed)?);
    add_row(&mut report, "first sync", &first, &naive);
    add_row(&mut report, "nothing changed", &idle, &naive);
    let name = format!("{CHANGED} repositories changed");
    add_row(&mut report, &name, &changed, &naive);
    add_row(&mut report, "naive", &naive, &naive);

    let processes = [
        ("first sync, gh processes", &first, FIRST_BAR),
        ("nothing changed, gh processes", &idle, IDLE_BAR),
        (
            "10 repositories changed, gh processes",
            &changed,
            CHANGED_BAR,
        ),
    ];
    for (name, cost, bar) in processes {
        report.bar(Bar::new(
            name,
            Some(cost.processes as f64),
            Side::AtMost,
            bar,
        ));
    }
    let ratio = Some(idle.cpu / naive.cpu);
    let name = "nothing changed, CPU / CPU of naive";
    report.bar(Bar::new(name, ratio, Side::AtMost, IDLE_CPU_BAR));
    Ok(report)
}

/// Changes one issue in each of the first repositories.
fn touch(github: &mut StandIn) -> Result<()> {
    for place in 1..=CHANGED {
        let repo = format!("acme/service-{place:03}");
        github
            .command(&json!({"do": "comment_issue", "repo": repo, "number": 2, "body": "Seen."}))?;
    }
    Ok(())
}

/// One `gh api` a repository.
fn naive(github: &mut StandIn, gh: &std::path::Path) -> Result<Cost> {
    github.take_requests()?;
    let own = std::process::id();
    let (before, begun) = (children_cpu_seconds(own)?, Instant::now());
    let (place, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..NAIVE_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let place = place.fetch_add(1, Ordering::Relaxed) + 1;
                    if place > REPOSITORIES {
                        break;
                    }
                    let path =
                        format!("repos/acme/service-{place:03}/issues?state=open&per_page=100");
                    let mut command = github.gh_command(gh);
                    command
                        .args(["api", &path])
                        .stdout(Stdio::null())
                        .stderr(Stdio::null());
                    if !command.status().is_ok_and(|status| status.success()) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    if failed > 0 {
        return fail(format!("{failed} of {REPOSITORIES} gh api failed"));
    }
    Ok(Cost {
        processes: REPOSITORIES as u64,
        wall: Some(begun.elapsed()),
        cpu: children_cpu_seconds(own)? - before,
        requests: github.take_requests()?,
    })
}

fn processes_of(costs: &[Cost]) -> Vec<u64> {
    costs.iter().map(|cost| cost.processes).collect()
}

/// Of several syncs of a kind the one with most processes, with the median CPU of all.
fn worst(costs: Vec<Cost>) -> Result<Cost> {
    let cpu = median(costs.iter().map(|cost| cost.cpu)).unwrap_or(f64::NAN);
    let worst = costs.into_iter().max_by_key(|cost| cost.processes);
    let worst = worst.ok_or("no rounds")?;
    Ok(Cost { cpu, ..worst })
}

fn add_row(report: &mut Report, name: &str, cost: &Cost, naive: &Cost) {
    let wall = cost.wall.map(|wall| wall.as_secs_f64());
    let requests = &cost.requests;
    // The naive requests differ in their paths only.
    let shown = match requests.operations.len() {
        0..=5 => requests.by_operation(),
        _ => requests.count.to_string(),
    };
    report.row(
        vec![
            name.to_owned(),
            cost.processes.to_string(),
            requests.points.to_string(),
            format!("{:.3}", cost.cpu),
            format!("{:.3}", cost.cpu / naive.cpu),
            wall.map_or_else(String::new, |wall| format!("{wall:.1}")),
            shown,
        ],
        json!({
            "what": name, "gh_processes": cost.processes, "graphql_points": requests.points,
            "requests": requests.count, "cpu_s": cost.cpu, "wall_s": wall,
            "operations": (requests.operations.len() <= 5).then_some(&requests.operations),
        }),
    );
}
