//! The program under test: where it lies, how it is run without GitHub, when it is ready.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use issuecommand::coordinator::{Catalogue, RepoEntry, write_catalogue};
use issuecommand::domain::{Host, IssueState, IssueSummary, RepoName};
use issuecommand::store::{FolderDisk, StateFiles};
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use crate::child::{Process, find_program};
use crate::stand_in::ELSEWHERE;
use crate::wire::REPO;
use crate::{Result, fail, http};

/// How long a server may take until it answers and knows its issues.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The binary: `ISSUECOMMAND_BENCH_BIN`, else the one this benchmark was built with.
pub fn binary() -> PathBuf {
    std::env::var_os("ISSUECOMMAND_BENCH_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_issuecommand")),
        PathBuf::from,
    )
}

/// `host:port` of a server that already runs (`ISSUECOMMAND_BENCH_URL`), if one is to be used.
pub fn external_address() -> Option<String> {
    let url = std::env::var("ISSUECOMMAND_BENCH_URL").ok()?;
    let address = url.strip_prefix("http://").unwrap_or(&url);
    Some(address.trim_end_matches('/').to_owned())
}

/// What is measured: version and binary, or the address of a server that was there before us.
pub fn described() -> String {
    match external_address() {
        Some(address) => format!("the server at {address}"),
        None => format!("{}, {}", env!("CARGO_PKG_VERSION"), binary().display()),
    }
}

/// What lets the program run without GitHub: made once a section, used by every start in it.
pub struct Offline {
    gh_path: PathBuf,
    gh_config_dir: PathBuf,
    /// Further environment of the program.
    environment: Vec<(String, String)>,
    /// The catalogue that every fresh server begins with.
    seed: PathBuf,
    /// How many open issues of [`REPO`] the program will know: 1 to this.
    issues: u64,
}

impl Offline {
    /// Prepares, in `folder`, a catalogue of `issues` open issues (1 to `issues`) of [`REPO`], as a
    /// sync of this moment would have left it: nothing asks GitHub for the next minutes.
    pub fn prepare(folder: &Path, issues: u64) -> Result<Self> {
        let gh_config_dir = folder.join("gh");
        fs::create_dir_all(&gh_config_dir)?;
        let seed = folder.join("seed");
        fs::create_dir_all(&seed)?;
        write_seed(&seed, issues)?;
        Ok(Self {
            gh_path: find_program("gh", &[]).unwrap_or_else(|| "/usr/bin/gh".into()),
            gh_config_dir,
            environment: Vec::new(),
            seed,
            issues,
        })
    }

    /// Nothing known yet, and `gh_path` with its configuration in `gh_config_dir`, which leads to
    /// a stand-in for GitHub.
    pub fn empty(folder: &Path, gh_path: &Path, gh_config_dir: &Path) -> Result<Self> {
        let seed = folder.join("seed");
        fs::create_dir_all(&seed)?;
        Ok(Self {
            gh_path: gh_path.to_owned(),
            gh_config_dir: gh_config_dir.to_owned(),
            environment: Vec::new(),
            seed,
            issues: 0,
        })
    }

    /// The same with another gh and its configuration.
    pub fn with_gh(mut self, gh_path: &Path, gh_config_dir: &Path) -> Self {
        self.gh_path = gh_path.to_owned();
        self.gh_config_dir = gh_config_dir.to_owned();
        self
    }

    /// The same with one more variable in the program's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lays what a fresh server needs into its state folder, before its first start.
    fn seed(&self, state: &Path) -> Result<()> {
        for entry in fs::read_dir(&self.seed)? {
            let entry = entry?;
            fs::copy(entry.path(), state.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// Waits until `address` knows all issues, so that no claim asks GitHub.
    fn wait_known(&self, server: &mut Server) -> Result<()> {
        let address = server.address.clone();
        let known = || {
            let (_, body) = http::get(&address, "/api/repos").ok()?;
            let repos: Value = serde_json::from_str(&body).ok()?;
            let mut repos = repos.get("repos")?.as_array()?.iter();
            let bench = repos.find(|repo| repo["repo"] == REPO)?;
            (bench["open_issues"].as_u64()? >= self.issues).then_some(())
        };
        server.process.wait_ready(START_LIMIT, known)
    }

    /// `issuecommand` with the arguments given, on the state in `state`.
    pub fn command(&self, state: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(state)
            .env("STATE_FILE_PATH", state_file(state))
            .env("HTTP_HOST", "127.0.0.1")
            .env("HTTP_PORT", "0")
            .env("GH_PATH", &self.gh_path)
            .env("GH_CONFIG_DIR", &self.gh_config_dir)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            // Claim events go to standard output; a terminal or file there is not what we measure.
            .stdout(Stdio::null());
        command
    }
}

/// Writes the catalogue as the program itself stores it.
fn write_seed(folder: &Path, issues: u64) -> Result<()> {
    let now = Timestamp::now();
    let repo: RepoName = REPO.parse()?;
    let issue = |number| IssueSummary {
        number,
        title: format!("Measure what issue {number} costs").into(),
        state: IssueState::Open,
        labels: vec!["bug".into()],
        assignees: Vec::new(),
        milestone: None,
        comments: 0,
        blocked_by: 0,
        created_at: now,
        updated_at: now,
    };
    let entry = RepoEntry {
        name: repo,
        private: false,
        issues: (1..=issues).map(|number| (number, issue(number))).collect(),
        pulls: BTreeMap::new(),
        synced_at: now,
        issues_cursor: Some(now),
        pulls_cursor: None,
        reconciled_at: Some(now),
        closes_elsewhere: Vec::new(),
    };
    let catalogue = Catalogue::from_entries(vec![entry], Some(now));
    let files = StateFiles::new(&state_file(folder))?;
    let disk = FolderDisk::new(folder)?;
    Ok(write_catalogue(
        &disk,
        &files,
        &Host::default(),
        &catalogue,
    )?)
}

/// The state file of a server started on the folder `state`.
pub fn state_file(state: &Path) -> PathBuf {
    state.join("state.json")
}

/// A running `issuecommand serve`.
pub struct Server {
    /// Where it listens, `host:port`.
    pub address: String,
    /// The process; dropping it kills the server.
    pub process: Process,
    /// From spawn until it told its claims. `/api/health` may wait for gh.
    pub started_in: Duration,
}

/// Starts a server on the new folder `state`, ready to claim issues 1 to `offline.issues`.
pub fn start_fresh(offline: &Offline, state: &Path) -> Result<Server> {
    offline.seed(state)?;
    let mut server = start(offline, state)?;
    offline.wait_known(&mut server)?;
    Ok(server)
}

/// Starts a server on what lies in `state`; returns when it tells its claims.
pub fn start(offline: &Offline, state: &Path) -> Result<Server> {
    let begun = Instant::now();
    let mut command = offline.command(state, &["serve"]);
    // kill -9 is the ending the program promises to survive.
    let mut process = Process::start(&mut command, &state.join("serve.log"), Signal::KILL)?;
    let pid = process.pid();
    let address = process.wait_ready(START_LIMIT, || {
        let address = owner_address(state, pid)?;
        let (status, _) = http::get(&address, "/api/claims?limit=1").ok()?;
        (status == 200).then_some(address)
    })?;
    Ok(Server {
        address,
        process,
        started_in: begun.elapsed(),
    })
}

/// The address in the lock file, once the process `pid` has written it.
fn owner_address(state: &Path, pid: u32) -> Option<String> {
    let text = fs::read_to_string(state.join("state.lock")).ok()?;
    let owner: Value = serde_json::from_str(&text).ok()?;
    let address = owner["address"].as_str()?;
    (owner["pid"].as_u64() == Some(u64::from(pid)))
        .then(|| address.trim_start_matches("http://").to_owned())
}

/// Size of each file beside the state file, by name.
pub fn state_sizes(state: &Path) -> Result<Vec<(String, u64)>> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("state") && entry.file_type()?.is_file() {
            sizes.push((name, entry.metadata()?.len()));
        }
    }
    if sizes.is_empty() {
        return fail("no state file was written");
    }
    sizes.sort();
    Ok(sizes)
}
