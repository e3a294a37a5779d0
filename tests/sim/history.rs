//! Running, replaying and shrinking histories.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::model::Check;
use super::tally::Tally;
use super::world::{Script, World};

/// Steps of a history.
const STEPS: u32 = 150;
/// How many times a failing history is run to shrink it.
const SHRINK_RUNS: usize = 1_500;

/// A broken promise.
pub struct Failure {
    pub seed: u64,
    pub step: u32,
    pub reason: String,
}

thread_local! {
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics inside a history are caught and reported with their seed instead of printed.
pub fn quiet_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_ours = std::thread::current().name().is_some() && !in_history();
        if is_ours {
            usual(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PANICKED_AT.set(place);
    }));
}

thread_local! {
    static IN_HISTORY: RefCell<bool> = const { RefCell::new(false) };
}

fn in_history() -> bool {
    IN_HISTORY.with_borrow(|inside| *inside)
}

/// A part of a history: these steps, with what was chosen in the whole one.
struct Part {
    steps: BTreeSet<u32>,
    script: Option<Rc<Script>>,
}

/// Plays the steps, and then restarts cleanly. Returns the world where it can still be looked at.
fn play(seed: u64, part: &Part, traced: bool) -> (Option<World>, Result<(), Failure>) {
    let step = std::cell::Cell::new(0);
    let kept: RefCell<Option<World>> = RefCell::new(None);
    let run = || -> Check {
        let mut slot = kept.borrow_mut();
        let world = slot.insert(World::new(seed, traced)?);
        world.script.clone_from(&part.script);
        for index in &part.steps {
            step.set(*index);
            world.note(|| format!("-- step {index}"));
            world.step(*index)?;
        }
        world.restart_cleanly()?;
        world.audit(true)
    };
    IN_HISTORY.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IN_HISTORY.set(false);
    let world = kept.into_inner();
    let result = result.unwrap_or_else(|payload| {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(format!(
            "panic at {}: {}",
            PANICKED_AT.take(),
            words.unwrap_or("")
        ))
    });
    (
        world,
        result.map_err(|reason| Failure {
            seed,
            step: step.get(),
            reason,
        }),
    )
}

fn whole() -> Part {
    Part {
        steps: (0..STEPS).collect(),
        script: None,
    }
}

/// Runs the history of a seed.
pub fn run(seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let (world, result) = play(seed, &whole(), false);
    if let Some(world) = world {
        tally.add(&world.tally);
    }
    result
}

/// Runs it with a trace.
pub fn replay(seed: u64) -> (Vec<String>, Result<(), Failure>) {
    let (world, result) = play(seed, &whole(), true);
    (
        world.and_then(|world| world.trace).unwrap_or_default(),
        result,
    )
}

/// What two failures have in common when they are one: the words without names and numbers.
fn kind(reason: &str) -> String {
    let words = reason.split(|letter: char| !letter.is_alphabetic());
    words
        .filter(|word| word.len() > 1)
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The failure with the shortest history that was found to lead to it.
pub fn report(failure: &Failure) -> String {
    let Failure { seed, step, reason } = failure;
    let (world, _) = play(*seed, &whole(), true);
    let script = world.map(|world| world.record).unwrap_or_default();
    let requests: Vec<_> = script.asks.keys().copied().collect();
    let script = Rc::new(script);
    let part = |steps: &[u32], requests: &[(u32, usize)]| {
        let asks = requests
            .iter()
            .filter_map(|at| Some((*at, script.asks.get(at)?.clone())));
        let some = Script {
            asks: asks.collect(),
            times: script.times.clone(),
        };
        Part {
            steps: steps.iter().copied().collect(),
            script: Some(Rc::new(some)),
        }
    };
    let fails = |steps: &[u32], requests: &[(u32, usize)]| {
        let (_, result) = play(*seed, &part(steps, requests), false);
        result.is_err_and(|shorter| kind(&shorter.reason) == kind(reason))
    };
    let steps: Vec<u32> = (0..=*step).collect();
    let steps = shrink(steps, |steps| fails(steps, &requests));
    let requests = shrink(requests.clone(), |requests| fails(&steps, requests));
    let steps = shrink(steps, |steps| fails(steps, &requests));
    let (world, last) = play(*seed, &part(&steps, &requests), true);
    let trace = world.and_then(|world| world.trace).unwrap_or_default();
    let last = last.err().map_or_else(String::new, |last| last.reason);
    format!(
        "seed {seed}, step {step}: {reason}\n\
         replay it with SIM_SEED={seed}; the {} steps that matter:\n{}\n=> {last}",
        steps.len(),
        trace.join("\n"),
    )
}

/// As few of `parts` as still fail: first halves are left out, in the end single ones.
fn shrink<T: Clone>(mut parts: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut runs = 0;
    let mut size = parts.len().div_ceil(2).max(1);
    loop {
        let before = parts.len();
        let mut at = 0;
        while at < parts.len() && runs < SHRINK_RUNS {
            let mut without = parts.clone();
            without.drain(at..(at + size).min(parts.len()));
            runs += 1;
            if fails(&without) {
                parts = without;
            } else {
                at += size;
            }
        }
        if size == 1 && parts.len() == before || runs >= SHRINK_RUNS {
            return parts;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
}
