//! The benchmark: measures what the README promises, on the machine at hand.
//!
//! `scripts/bench SECTION` builds and runs it; `--help` lists sections and options. A section is
//! one module with `run`, which returns a [`report::Report`]: a table, and bars that are met or
//! not. Everything it starts is a child on loopback with its data in one temporary folder, and is
//! gone when it ends, however it ends.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables are its output"
)]

mod child;
mod claims;
mod context;
mod cost;
mod engines;
mod events;
mod gh;
mod growth;
mod http;
mod issuecommand;
mod linear;
mod load;
mod logs;
mod machine;
mod memory;
mod options;
mod report;
mod rpc;
mod stand_in;
mod start;
mod sync;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use options::{Options, USAGE};
use report::Report;

/// Any failure; a benchmark ends on the first.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A failure in words.
pub fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(text.into().into())
}

/// What is going on, for people who wait; not part of the result.
pub fn progress(text: impl AsRef<str>) {
    eprintln!("  .. {}", text.as_ref());
}

/// What every section gets.
pub struct Bench {
    /// The command line.
    pub options: Options,
    /// The temporary folder that holds all data.
    pub folder: PathBuf,
    /// The machine in one line.
    pub machine: String,
}

type Section = fn(&Bench) -> Result<Report>;

const SECTIONS: [(&str, Section); 10] = [
    ("claims", claims::run),
    ("growth", growth::run),
    ("start", start::run),
    ("memory", memory::run),
    ("sync", sync::run),
    ("gh", gh::run),
    ("context", context::run),
    ("cost", cost::run),
    ("logs", logs::run),
    ("linear", linear::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the run is to count as a success.
fn run() -> Result<bool> {
    let names = SECTIONS.map(|(name, _)| name);
    let options = Options::parse(std::env::args().skip(1), &names)?;
    if options.help {
        println!("{USAGE}");
        return Ok(true);
    }
    child::watch_signals()?;
    let parent = data_folder()?;
    // Dropped, and with it removed, after every child has ended.
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&parent)?;
    open_to_others(folder.path())?;
    child::remove_on_signal(folder.path());
    let bench = Bench {
        machine: machine::describe(&parent),
        folder: folder.path().to_owned(),
        options,
    };
    let mut all_met = true;
    for (name, section) in SECTIONS {
        if !bench.options.sections.iter().any(|wanted| wanted == name) {
            continue;
        }
        let report = section(&bench)?;
        all_met &= report.all_met();
        if bench.options.json {
            println!("{}", report.json());
        } else {
            report.print();
        }
    }
    Ok(all_met || !bench.options.check)
}

/// Where data goes: `BENCH_DIR`, else the target folder; never into memory.
fn data_folder() -> Result<PathBuf> {
    let folder = std::env::var_os("BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    if machine::in_memory(&folder) {
        let shown = folder.display();
        return fail(format!(
            "{shown} lies in memory (tmpfs), where nothing is durable; name a disk in BENCH_DIR"
        ));
    }
    Ok(folder)
}

/// PostgreSQL runs as another user, who must be able to enter.
fn open_to_others(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o755);
    Ok(std::fs::set_permissions(folder, permissions)?)
}
