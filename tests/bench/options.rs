//! The command line of the benchmark.

use std::fmt::Display;
use std::str::FromStr;

use crate::engines::Engine;
use crate::{Result, fail};

/// Shown by `--help` and after a mistake.
pub const USAGE: &str = "\
cargo bench --bench bench -- [SECTION ...] [OPTION ...]

Sections (all, when none is named):
  claims    durable claims per second beside Redis, etcd and PostgreSQL
  growth    cost of a claim and of a restart up to 100,000 ended claims
  start     start of `issuecommand mcp` beside `gh --version`
  memory    resident memory of owner and forwarder
  sync      gh processes, points and CPU of syncs beside one `gh api` a repository
  gh        most gh at once, and what starting one costs
  context   bytes an agent reads beside those of `gh api`
  cost      gh processes, requests and points of each pull-request tool, asked once and again
  logs      time to read a 50 MB job log beside `grep -c FAILED`
  linear    growth of the time to read logs and reports that are made to be slow

Options:
  --rounds N           rounds (claims 5, start 20, sync 3, gh 20)
  --seconds S          measured time of each claims measurement (2)
  --clients A,B,..     client counts of claims (1,16,64)
  --engines A,B,..     engines of claims (issuecommand,redis,etcd,postgresql)
  --json               one JSON document a section instead of tables
  --check              exit 1 when a bar is not met

Environment: BENCH_DIR (where data goes; a real disk, default the target folder),
ISSUECOMMAND_BENCH_BIN (another binary), ISSUECOMMAND_BENCH_STAND_IN (another github-stand-in),
ISSUECOMMAND_BENCH_URL (claims: a server that runs).";

/// What was asked for.
#[derive(Clone)]
pub struct Options {
    /// Sections by name, in order.
    pub sections: Vec<String>,
    /// Rounds, where a section's own number is not wanted.
    pub rounds: Option<usize>,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Client counts.
    pub clients: Vec<usize>,
    /// Engines, all when `None`.
    pub engines: Option<Vec<Engine>>,
    /// Print JSON.
    pub json: bool,
    /// Fail when a bar is not met.
    pub check: bool,
    /// Print the usage only.
    pub help: bool,
}

impl Options {
    /// Reads the arguments; `known` are the sections there are.
    pub fn parse(arguments: impl Iterator<Item = String>, known: &[&str]) -> Result<Self> {
        let mut options = Self {
            sections: Vec::new(),
            rounds: None,
            seconds: 2.0,
            clients: vec![1, 16, 64],
            engines: None,
            json: false,
            check: false,
            help: false,
        };
        let mut arguments = arguments;
        let mut under_cargo_bench = false;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_default();
            match argument.as_str() {
                // Cargo adds this itself.
                "--bench" => under_cargo_bench = true,
                "--rounds" => options.rounds = Some(positive(value())?),
                "--seconds" => options.seconds = positive(value())?,
                "--clients" => options.clients = list(&value(), |text| positive(text.to_owned()))?,
                "--engines" => options.engines = Some(list(&value(), engine)?),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => options.help = true,
                name if known.contains(&name) => options.sections.push(name.to_owned()),
                other => return fail(format!("unknown argument {other:?}\n\n{USAGE}")),
            }
        }
        if options.sections.is_empty() && under_cargo_bench {
            options.sections = known.iter().map(|&name| name.to_owned()).collect();
        }
        // `cargo test --benches` runs us without a word: nothing to do.
        options.help |= options.sections.is_empty();
        Ok(options)
    }
}

fn positive<T: FromStr + PartialOrd + Default + Display>(text: String) -> Result<T> {
    match text.parse::<T>() {
        Ok(number) if number > T::default() => Ok(number),
        _ => fail(format!("{text:?} is no positive number\n\n{USAGE}")),
    }
}

fn list<T>(text: &str, each: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',').map(each).collect()
}

fn engine(name: &str) -> Result<Engine> {
    let found = Engine::ALL.into_iter().find(|engine| engine.name() == name);
    found.ok_or_else(|| format!("no engine is called {name:?}\n\n{USAGE}").into())
}
