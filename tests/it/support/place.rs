//! A place: a stand-in for GitHub, a state folder, and settings for the program.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::{DEADLINE, Era, McpClient, Process, Server};
use crate::github::{GitHub, RequestRecord, World};

/// Where all stand-ins run: a thread of its own. The tests themselves are threads that block.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("the runtime starts");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

/// Where all stand-ins run.
pub fn runtime() -> &'static Handle {
    &RUNTIME
}

/// A repository `acme/api` with as many open issues as asked for: `Issue 1` and so on.
pub fn issues(count: usize) -> World {
    let mut world = World::new("octo");
    // Away from the hour at which a whole number of days is full: ages must not change meanwhile.
    world.clock.advance(3_600);
    let repository = world.add_repository("acme/api");
    for number in 1..=count {
        repository.add_issue(&format!("Issue {number}"));
    }
    world
}

/// What requests cost. Each was made by a gh process of its own, except where gh followed an address
/// to where GitHub stores a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How many there were.
    pub requests: usize,
    /// Points of the REST budget: a `304` takes none, and storage belongs to no budget.
    pub rest_points: u64,
    /// Points of the GraphQL budget.
    pub graphql_points: u64,
}

impl Cost {
    fn of(requests: &[RequestRecord]) -> Self {
        let paid = |it: &&RequestRecord| {
            !it.is_graphql() && it.status != Some(304) && it.had_authorization
        };
        Self {
            requests: requests.len(),
            rest_points: requests.iter().filter(paid).count() as u64,
            graphql_points: requests.iter().map(|request| request.points).sum(),
        }
    }

    /// The sum that a first call shall come to.
    pub fn is(requests: usize, rest_points: u64, graphql_points: u64) -> Self {
        Self {
            requests,
            rest_points,
            graphql_points,
        }
    }
}

/// One test's own world.
pub struct Place {
    /// The stand-in for GitHub.
    pub github: GitHub,
    folder: TempDir,
    settings: BTreeMap<String, String>,
    homes: AtomicUsize,
}

/// What a command that ended has to show.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Place {
    /// A place with this world at GitHub.
    pub fn new(world: World) -> Self {
        let github = RUNTIME.block_on(GitHub::start(world));
        let folder = tempfile::Builder::new().prefix("issuecommand").tempdir();
        let mut place = Self {
            github: github.expect("the temporary folder takes a socket"),
            folder: folder.expect("there is a temporary folder"),
            settings: BTreeMap::new(),
            homes: AtomicUsize::new(0),
        };
        let config = place.github.gh_config_dir();
        place.set("STATE_FILE_PATH", place.state_file().display());
        place.set("HTTP_PORT", 0);
        place.set("GH_PATH", gh().display());
        place.set("GH_CONFIG_DIR", config.display());
        place.set("SYNC_INTERVAL_MINUTES", 60);
        place.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        place
    }

    /// A place with `acme/api` and some issues.
    pub fn with_issues(count: usize) -> Self {
        Self::new(issues(count))
    }

    /// The same with one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set(name, value);
        self
    }

    /// Changes a setting for processes to come.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.settings.insert(name.to_owned(), value.to_string());
    }

    /// Takes a setting away.
    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// The folder of this place: the working directory of its processes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state file.
    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    /// A file beside the state file, such as `journal.jsonl`.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("state.{suffix}"))
    }

    /// The lock file's content, if it can be read now.
    pub fn lock(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.beside("lock")).ok()?;
        serde_json::from_str(text.lines().next()?).ok()
    }

    /// Process id of whoever wrote the lock file last.
    pub fn owner(&self) -> Option<u64> {
        self.lock()?["pid"].as_u64()
    }

    /// A command of the program with this place's settings and nothing else, and its HOME.
    pub fn command(&self, arguments: &[&str]) -> (Command, PathBuf) {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_issuecommand")), arguments)
    }

    /// Another program with the same settings.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> (Command, PathBuf) {
        let number = self.homes.fetch_add(1, Ordering::Relaxed);
        let home = self.folder.path().join(format!("home-{number}"));
        std::fs::create_dir(&home).expect("the folder can be written to");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.settings);
        command.env("HOME", &home).current_dir(self.folder.path());
        (command, home)
    }

    /// Runs a command to its end.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_with_input(arguments, "")
    }

    /// Has an agent claim an issue of `acme/api` by a command.
    pub fn claim_by_command(&self, agent_id: &str, number: u64) -> Ran {
        let number = number.to_string();
        self.cli(&[
            "claim-issue",
            "--agent-id",
            agent_id,
            "--repo",
            "acme/api",
            "--issue-number",
            &number,
            "--json",
        ])
    }

    /// Runs a command with something to read.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let (mut command, _) = self.command(arguments);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // A command that reads nothing may have ended before.
        let _ = child
            .stdin
            .take()
            .expect("there is a pipe")
            .write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it is our child");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts any command and leaves it running.
    pub fn spawn(&self, arguments: &[&str]) -> Process {
        let (command, home) = self.command(arguments);
        Process::start(command, &home, |_| {}).0
    }

    /// Starts the coordinator and waits until it answers.
    #[track_caller]
    pub fn serve(&self) -> Server {
        let (command, home) = self.command(&["serve"]);
        Server::wait_for(self, Process::start(command, &home, |_| {}).0)
    }

    /// Starts the coordinator and waits for its first sync.
    #[track_caller]
    pub fn serve_synced(&self) -> Server {
        let server = self.serve();
        server.wait_for_sync();
        server
    }

    /// Starts an agent's process and opens the conversation as most clients do today.
    #[track_caller]
    pub fn mcp(&self) -> McpClient {
        let client = self.mcp_of(Era::Legacy("2025-06-18"));
        client.initialize();
        client
    }

    /// Starts an agent's process and says nothing yet.
    pub fn mcp_of(&self, era: Era) -> McpClient {
        McpClient::start(self, era)
    }

    /// What was asked since the record was cleared.
    pub fn cost(&self) -> Cost {
        Cost::of(&self.github.requests())
    }

    /// What was asked since the record was cleared is what a repeated call may cost: so many
    /// requests and points of GraphQL at most, and REST said each time that nothing has changed.
    #[track_caller]
    pub fn assert_repeat(&self, requests: usize, graphql_points: u64) {
        let made = self.github.requests();
        let cost = Cost::of(&made);
        assert!(cost.requests <= requests, "{cost:?} {made:?}");
        assert!(cost.graphql_points <= graphql_points, "{cost:?} {made:?}");
        for request in made.iter().filter(|it| !it.is_graphql()) {
            let is_conditional = request.if_none_match.is_some() && request.status == Some(304);
            assert!(is_conditional, "{request:?}");
        }
    }

    /// Waits until the stand-in was asked something.
    #[track_caller]
    pub fn until_asked(&self, condition: impl Fn(&[RequestRecord]) -> bool) {
        let asked = async { tokio::time::timeout(DEADLINE, self.github.until(condition)).await };
        let asked = RUNTIME.block_on(asked);
        assert!(asked.is_ok(), "GitHub was not asked");
    }
}

/// The gh under test.
fn gh() -> PathBuf {
    if let Some(path) = std::env::var_os("ISSUECOMMAND_TEST_GH") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("gh"));
    found
        .find(|path| path.is_file())
        .expect("gh is on PATH, or ISSUECOMMAND_TEST_GH says where it is")
}

/// A member of a JSON object as text.
#[track_caller]
pub fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text '{name}' in {value}"))
}

/// The claims of a list answer.
#[track_caller]
pub fn claims(value: &Value) -> &Vec<Value> {
    value["claims"]
        .as_array()
        .unwrap_or_else(|| panic!("no claims in {value}"))
}
