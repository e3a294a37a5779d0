//! What the tests stand on: a place with a stand-in for GitHub and a state folder, the program's
//! processes in it, and the smallest clients that will do.

mod fake_gh;
mod http;
mod mcp;
mod place;
mod process;
mod server;
mod sse;

pub use fake_gh::fake_gh;
pub use http::{Answer, Connection};
pub use mcp::{Era, McpClient, ToolAnswer};
pub use place::{Cost, Place, Ran, claims, field, issues, runtime};
pub use process::{Process, alive};
pub use server::Server;
pub use sse::{Event, Events};

use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Looks again and again until there is something, and fails after [`DEADLINE`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, look).unwrap_or_else(|| panic!("not within {DEADLINE:?}: {what}"))
}

/// Looks again and again until there is something or the time is over.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether something holds, for [`until`].
pub fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Does the same from several threads at once and gives what each came to.
pub fn all_at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let act = &act;
        let started: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || act(index)))
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().expect("no thread panics"))
            .collect()
    })
}
