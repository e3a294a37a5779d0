//! The demonstration: the whole story on this machine, without a GitHub login.
//!
//! `scripts/demo` builds and runs it; its one argument is the path of the `issuecommand` binary.
//! A stand-in for GitHub answers, the real `gh` asks it, and five agents are real `issuecommand
//! mcp` processes. Every line shows what an answer said, and every `✓` is a check that was made:
//! the first one that fails ends the demonstration with exit code 1, so it is a test as well.
//!
//! # Layout
//! - [`place`]: the temporary folder, the stand-in, `gh`, and how programs are started in it;
//!   [`world`]: what is on GitHub; [`ending`]: proof that nothing stays behind.
//! - [`agent`]: an agent's process and the MCP client for it; [`events`]: server-sent events.
//! - [`asking`], [`takeover`], [`progress`], [`numbers`]: the steps.
//! - [`screen`]: what is printed, and how.

#![allow(
    clippy::expect_used,
    reason = "the stand-in for GitHub, which is included below, is code of tests"
)]

mod agent;
mod asking;
mod ending;
mod events;
#[path = "../github/mod.rs"]
mod github;
mod numbers;
mod place;
mod progress;
mod screen;
mod takeover;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use agent::Agent;
use ending::Descendants;
use place::Place;
use screen::Screen;

/// Any failure; the demonstration ends on the first.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// Longest wait for any one thing.
const LIMIT: Duration = Duration::from_secs(20);

/// A failure in words.
fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(text.into().into())
}

/// A check; `text` says what is wrong.
fn ensure(holds: bool, text: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { fail(text()) }
}

/// What the steps share.
struct Demo {
    screen: Screen,
    place: Place,
    agents: Vec<Agent>,
}

/// How it ended.
enum End {
    Told,
    Failed(String),
    Interrupted,
}

fn main() -> ExitCode {
    let started = Instant::now();
    let screen = Screen::new();
    let end = match run(screen) {
        Ok(end) => end,
        Err(error) => End::Failed(error.to_string()),
    };
    match end {
        End::Told => {
            let took = screen::time(started.elapsed());
            screen.check(&format!(
                "no process and no file is left; the demo took {took}"
            ));
            numbers::what_next(&screen);
            ExitCode::SUCCESS
        }
        End::Failed(text) => {
            screen.failure(&text);
            ExitCode::FAILURE
        }
        End::Interrupted => {
            screen.failure("interrupted; everything that was started has been ended");
            ExitCode::from(130)
        }
    }
}

/// Tells the story and leaves nothing behind, however it ends.
fn run(screen: Screen) -> Result<End> {
    let Some(binary) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return fail("usage: demo PATH-OF-ISSUECOMMAND (scripts/demo knows it)");
    };
    let descendants = Descendants::watch()?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build()?;
    let (end, folder) = runtime.block_on(async {
        let signals = Signals::listen()?;
        let place = Place::new(&binary).await?;
        let agents = Vec::new();
        let mut demo = Demo {
            screen,
            place,
            agents,
        };
        let end = tokio::select! {
            result = story(&mut demo) => match result {
                Ok(()) => End::Told,
                Err(error) => End::Failed(format!("{error}{}", demo.place.logs())),
            },
            () = signals.wait() => End::Interrupted,
        };
        let left = demo.everybody_leaves().await;
        let end = match (left, end) {
            (Err(error), End::Told) => End::Failed(error.to_string()),
            (_, end) => end,
        };
        Ok::<_, Failure>((end, demo.place.into_folder()))
    })?;
    // With the runtime the stand-in ends, and with it every gh that still waits for its answer.
    runtime.shutdown_timeout(Duration::from_secs(2));
    descendants.until_gone(Duration::from_secs(5))?;
    folder.close()?;
    Ok(end)
}

async fn story(demo: &mut Demo) -> Result<()> {
    demo.introduce().await?;
    demo.five_ask_at_once().await?;
    demo.one_asks_for_what_another_holds().await?;
    demo.the_owner_is_killed().await?;
    demo.one_hands_over_to_another().await?;
    demo.one_is_merged().await?;
    demo.history_and_numbers().await
}

impl Demo {
    /// Says who plays which part.
    async fn introduce(&self) -> Result<()> {
        let (place, screen) = (&self.place, &self.screen);
        screen.title("IssueCommand hands out GitHub issues so that no two agents work on one");
        let (repositories, issues) = place.github.change(|world| {
            let open = world
                .repositories
                .iter()
                .map(github::Repository::open_issues);
            (world.repositories.len(), open.sum::<usize>())
        });
        screen.table(&[
            vec![
                "GitHub".to_owned(),
                format!(
                    "a stand-in on this machine: {repositories} repositories, {issues} open issues"
                ),
            ],
            vec![
                "gh".to_owned(),
                format!("the real one: {}", place.gh_version().await?),
            ],
            vec![
                "agents".to_owned(),
                "real `issuecommand mcp` processes, spoken to as Claude Code does".to_owned(),
            ],
        ]);
        Ok(())
    }

    /// All clients hang up, then all processes are waited for; the first failure counts.
    async fn everybody_leaves(&mut self) -> Result<()> {
        for agent in &self.agents {
            agent.hang_up().await;
        }
        let mut result = Ok(());
        for agent in std::mem::take(&mut self.agents) {
            result = result.and(agent.end().await);
        }
        result
    }

    /// An agent by its name.
    fn agent(&self, name: &str) -> Result<&Agent> {
        let found = self.agents.iter().find(|agent| agent.name == name);
        found.ok_or_else(|| format!("there is no agent {name}").into())
    }
}

/// Ctrl-C, and whatever else asks the demonstration to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
