//! Seeded simulation: histories of agents, GitHub, a clock and a failing disk around the real core,
//! each step compared with a reference that was written from the rules alone.
//!
//! `SIM_HISTORIES=n` changes the number of histories, `SIM_FIRST=n` the first seed, and
//! `SIM_SEED=n` replays one and prints what happened. A failing history is shrunk to the steps
//! that matter.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may")]

mod ask;
mod batch;
mod book;
mod check;
mod choose;
mod content;
mod disk;
mod history;
mod hub;
mod model;
mod power;
mod random;
mod rules;
mod tally;
mod told;
mod world;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use history::Failure;
use tally::Tally;

/// Histories in a usual run.
const HISTORIES: u64 = 10_000;
/// From this number on, everything interesting must have happened.
const ENOUGH: u64 = 5_000;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")),
    )
}

/// Past the test harness, which hides what a passing test prints.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn claims_keep_their_promises_whatever_happens() {
    history::quiet_panics();
    if let Some(seed) = number("SIM_SEED") {
        let (trace, result) = history::replay(seed);
        say(&trace.join("\n"));
        if let Err(failure) = result {
            panic!("{}", history::report(&failure));
        }
        return;
    }
    let count = number("SIM_HISTORIES").unwrap_or(HISTORIES);
    let first = number("SIM_FIRST").unwrap_or(1);
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let results: Mutex<(Tally, Vec<Failure>)> = Mutex::new((Tally::new(), Vec::new()));
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(8);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tally = Tally::new();
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(failure) = history::run(seed, &mut tally) {
                        failed.store(true, Ordering::Relaxed);
                        results.lock().expect("no thread panics").1.push(failure);
                    }
                }
                results.lock().expect("no thread panics").0.add(&tally);
            });
        }
    });
    let (tally, failures) = results.into_inner().expect("no thread panics");
    if let Some(failure) = failures.iter().min_by_key(|failure| failure.seed) {
        panic!("{}", history::report(failure));
    }
    let seconds = began.elapsed().as_secs_f64();
    say(&format!(
        "{count} histories in {seconds:.1} s\n{}",
        tally.table()
    ));
    let never = tally.never();
    assert!(
        count < ENOUGH || never.is_empty(),
        "the simulation never saw {never:?}"
    );
}
