//! Durable claims per second, beside Redis, etcd and PostgreSQL on the same machine and disk.

use std::time::Duration;

use serde_json::json;

use crate::engines::{Engine, engine_folder};
use crate::issuecommand::{self, Offline};
use crate::load::{Limit, Measured};
use crate::report::{Bar, Report, Side, grouped, median};
use crate::{Bench, Result, progress};

/// Open issues the server must know: more than one measurement of a few seconds can claim.
const ISSUES: u64 = 500_000;
const WARM: Duration = Duration::from_millis(300);

/// One measurement, reduced to what the table needs.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl From<Measured> for Figures {
    fn from(measured: Measured) -> Self {
        Self {
            per_second: measured.per_second(),
            p50_ms: measured.quantile_ms(0.5),
            p99_ms: measured.quantile_ms(0.99),
        }
    }
}

/// The figures of one engine at one client count, one for each round.
struct Series {
    engine: Engine,
    clients: usize,
    rounds: Vec<Figures>,
}

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let options = &bench.options;
    let rounds = options.rounds.unwrap_or(5);
    let engines = options.engines.clone().unwrap_or(Engine::ALL.to_vec());
    let (present, missing): (Vec<Engine>, Vec<Engine>) = engines
        .into_iter()
        .partition(|engine| engine.version().is_some());
    let external = issuecommand::external_address();
    let prepared = tempfile::tempdir_in(&bench.folder)?;
    let offline = if present.contains(&Engine::Issuecommand) && external.is_none() {
        Some(Offline::prepare(prepared.path(), ISSUES)?)
    } else {
        None
    };

    let mut series = Vec::new();
    for &clients in &options.clients {
        for &engine in &present {
            let rounds = Vec::new();
            series.push(Series {
                engine,
                clients,
                rounds,
            });
        }
    }
    let mut external_key = 1;
    for round in 0..rounds {
        for (step, &clients) in options.clients.iter().enumerate() {
            for turn in 0..present.len() {
                let engine = present[(turn + round + step) % present.len()];
                let figures = measure(bench, engine, clients, offline.as_ref(), &mut external_key)?;
                progress(format!(
                    "round {}/{rounds} {:>2} clients {:<12} {:>7} claims/s",
                    round + 1,
                    clients,
                    engine.name(),
                    grouped(figures.per_second),
                ));
                let wanted = |one: &&mut Series| one.engine == engine && one.clients == clients;
                if let Some(one) = series.iter_mut().find(wanted) {
                    one.rounds.push(figures);
                }
            }
        }
    }
    Ok(report(bench, rounds, &present, &missing, &series))
}

/// Starts `engine` with nothing in it, measures, and takes it away again.
fn measure(
    bench: &Bench,
    engine: Engine,
    clients: usize,
    offline: Option<&Offline>,
    external_key: &mut u64,
) -> Result<Figures> {
    let folder = engine_folder(&bench.folder)?;
    let running = engine.start(folder.path(), offline)?;
    let limit = Limit::Time {
        warm: WARM,
        measured: Duration::from_secs_f64(bench.options.seconds),
    };
    // Only a server that was there before us keeps its claims from one measurement to the next.
    let mut fresh_key = 1;
    let kept = engine == Engine::Issuecommand && issuecommand::external_address().is_some();
    let next_key = if kept { external_key } else { &mut fresh_key };
    Ok(running.measure(clients, limit, next_key)?.into())
}

fn report(
    bench: &Bench,
    rounds: usize,
    present: &[Engine],
    missing: &[Engine],
    series: &[Series],
) -> Report {
    let header = [
        "engine", "clients", "claims/s", "min", "max", "p50 ms", "p99 ms",
    ];
    let mut report = Report::new("claims", bench.machine.clone(), &header);
    for engine in present {
        report.note(format!(
            "{}: {}",
            engine.name(),
            engine.version().unwrap_or_default()
        ));
    }
    for engine in missing {
        report.note(format!("{}: not installed, not measured", engine.name()));
    }
    report.note(format!(
        "median of {rounds} interleaved rounds of {} s; every engine fresh on the same disk, loopback \
         TCP, one epoll client for all (etcd: gRPC written straight onto HTTP/2); a claim counts \
         when it is on disk",
        bench.options.seconds
    ));
    for one in series {
        add_row(&mut report, one);
    }
    add_bars(&mut report, series);
    report
}

fn add_row(report: &mut Report, one: &Series) {
    let rates = || one.rounds.iter().map(|figures| figures.per_second);
    let rate = median(rates()).unwrap_or(f64::NAN);
    let (min, max) = (
        rates().fold(f64::INFINITY, f64::min),
        rates().fold(0.0, f64::max),
    );
    let p50 = median(one.rounds.iter().map(|figures| figures.p50_ms)).unwrap_or(f64::NAN);
    let p99 = median(one.rounds.iter().map(|figures| figures.p99_ms)).unwrap_or(f64::NAN);
    let each: Vec<f64> = rates().map(f64::round).collect();
    report.row(
        vec![
            one.engine.name().to_owned(),
            one.clients.to_string(),
            grouped(rate),
            grouped(min),
            grouped(max),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
        ],
        json!({
            "engine": one.engine.name(), "clients": one.clients, "claims_per_second": rate.round(),
            "rounds": each, "p50_ms": p50, "p99_ms": p99,
        }),
    );
}

fn add_bars(report: &mut Report, series: &[Series]) {
    let rate = |figures: &Figures| figures.per_second;
    let p99 = |figures: &Figures| figures.p99_ms;
    let bars = [
        (Engine::Redis, 1, 0.8),
        (Engine::Redis, 16, 1.0),
        (Engine::Redis, 64, 1.0),
        (Engine::Etcd, 64, 5.0),
        (Engine::Postgres, 64, 2.5),
    ];
    for (engine, clients, bar) in bars {
        if let Some(value) = wanted_ratio(series, engine, clients, rate) {
            let name = format!("issuecommand / {} at {clients}, claims/s", engine.name());
            report.bar(Bar::new(name, value, Side::AtLeast, bar));
        }
    }
    if let Some(value) = wanted_ratio(series, Engine::Redis, 64, p99) {
        let name = "issuecommand / redis at 64, p99";
        report.bar(Bar::new(name, value, Side::AtMost, 1.5));
    }
}

/// The median over rounds of issuecommand's figure divided by `engine`'s of the same round.
///
/// The outer `None`: this client count was not asked for, so there is no bar to meet.
fn wanted_ratio(
    series: &[Series],
    engine: Engine,
    clients: usize,
    figure: impl Fn(&Figures) -> f64,
) -> Option<Option<f64>> {
    let asked = series.iter().any(|one| one.clients == clients);
    let rounds = |engine: Engine| {
        let found = |one: &&Series| one.engine == engine && one.clients == clients;
        series.iter().find(found).map_or(&[][..], |one| &one.rounds)
    };
    let ours = rounds(Engine::Issuecommand).iter();
    let ratios = ours
        .zip(rounds(engine))
        .map(|(ours, theirs)| figure(ours) / figure(theirs));
    asked.then(|| median(ratios))
}
