//! The GitHub stand-in (`tests/github/`) as a child, and gh wrapped so that its starts are counted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::child::{Process, find_program, remove_on_signal};
use crate::{Result, fail};

/// Variables that would lead gh elsewhere than to the stand-in.
pub const ELSEWHERE: [&str; 4] = ["GH_HOST", "GH_TOKEN", "GITHUB_TOKEN", "GH_REPO"];

/// The gh on PATH.
pub fn gh() -> Result<PathBuf> {
    find_program("gh", &[])
        .ok_or_else(|| "gh is not installed (Debian package gh)".into())
        .and_then(|path| Ok(path.canonicalize()?))
}

/// The first line of `gh --version`.
pub fn gh_version(gh: &Path) -> String {
    let output = Command::new(gh).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines()
        .next()
        .unwrap_or("gh of unknown version")
        .to_owned()
}

/// What was asked of the stand-in.
#[derive(Deserialize)]
pub struct Requests {
    /// How many requests.
    pub count: u64,
    /// What GraphQL charged.
    pub points: u64,
    /// Requests by the status of their answer.
    pub statuses: BTreeMap<String, u64>,
    /// How many carried no authorization: those to where GitHub stores files.
    pub without_authorization: u64,
    /// Requests by operation.
    pub operations: BTreeMap<String, u64>,
}

impl Requests {
    /// `graphql 22, GET /user 1`: operations by frequency.
    pub fn by_operation(&self) -> String {
        if self.operations.is_empty() {
            return "none".to_owned();
        }
        let mut operations: Vec<_> = self.operations.iter().collect();
        operations.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let shown = operations
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A running stand-in.
pub struct StandIn {
    /// For `GH_CONFIG_DIR`.
    pub gh_config_dir: PathBuf,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Process,
    // A Unix socket's path must be short: not below the target folder.
    _socket_folder: tempfile::TempDir,
}

impl StandIn {
    /// Starts one with `world`, whose answers take `latency` longer; files go to `folder`.
    pub fn start(folder: &Path, world: &str, latency: Duration) -> Result<Self> {
        let socket_folder = tempfile::tempdir()?;
        remove_on_signal(socket_folder.path());
        let gh_config_dir = folder.join("gh-config");
        let mut command = Command::new(binary()?);
        command
            .args(["--world", world, "--latency-ms"])
            .arg(latency.as_millis().to_string())
            .arg("--socket")
            .arg(socket_folder.path().join("github"))
            .arg("--gh-config-dir")
            .arg(&gh_config_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command, &folder.join("github.log"), Signal::KILL)?;
        let (Some(input), Some(output)) =
            (process.child().stdin.take(), process.child().stdout.take())
        else {
            return fail("the stand-in has no pipes");
        };
        let mut stand_in = Self {
            gh_config_dir,
            input,
            output: BufReader::new(output),
            _process: process,
            _socket_folder: socket_folder,
        };
        // Its first line says that it listens.
        stand_in.answer()?;
        Ok(stand_in)
    }

    /// Obeys one command; its answer.
    pub fn command(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.input, "{command}")?;
        let answer = self.answer()?;
        match answer.get("error") {
            Some(error) => fail(format!("the stand-in on {command}: {error}")),
            None => Ok(answer),
        }
    }

    /// What was asked since the last call.
    pub fn take_requests(&mut self) -> Result<Requests> {
        let requests = self.command(&json!({"do": "requests"}))?;
        self.command(&json!({"do": "clear_requests"}))?;
        Ok(serde_json::from_value(requests)?)
    }

    /// `gh` as a user would run it here, except that it talks to the stand-in.
    pub fn gh_command(&self, gh: &Path) -> Command {
        let mut command = Command::new(gh);
        command
            .env("GH_CONFIG_DIR", &self.gh_config_dir)
            .stdin(Stdio::null());
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        command
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return fail("the stand-in has ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// `ISSUECOMMAND_BENCH_STAND_IN`, else the example beside this benchmark: `deps/` and `examples/`
/// are siblings.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ISSUECOMMAND_BENCH_STAND_IN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent);
    let found = target.map(|target| target.join("examples/github-stand-in"));
    match found.filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => fail(
            "the stand-in for GitHub is not built: cargo build --release --example github-stand-in",
        ),
    }
}

/// A script that stands for gh: notes each start, then becomes the real one.
pub struct CountedGh {
    /// For `GH_PATH`.
    pub script: PathBuf,
    starts: PathBuf,
    environment: PathBuf,
}

impl CountedGh {
    /// Writes the script into `folder`.
    pub fn write(folder: &Path, gh: &Path) -> Result<Self> {
        let counted = Self {
            script: folder.join("gh-counted"),
            starts: folder.join("gh-starts"),
            environment: folder.join("gh-environment"),
        };
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let script = format!(
            "#!/bin/sh\necho x >>{}\n[ -e {environment} ] || cat /proc/$$/environ >{environment}\n\
             exec {} \"$@\"\n",
            quoted(&counted.starts),
            quoted(gh),
            environment = quoted(&counted.environment),
        );
        fs::write(&counted.starts, "")?;
        fs::write(&counted.script, script)?;
        fs::set_permissions(&counted.script, fs::Permissions::from_mode(0o755))?;
        Ok(counted)
    }

    /// Starts so far.
    pub fn starts(&self) -> Result<u64> {
        // Two bytes each.
        Ok(fs::metadata(&self.starts)?.len() / 2)
    }

    /// The environment of the first start, as the program under test gave it.
    pub fn environment(&self) -> Result<Vec<(OsString, OsString)>> {
        let block = fs::read(&self.environment)?;
        let entries = block
            .split(|&byte| byte == 0)
            .filter(|entry| !entry.is_empty());
        let pair = |entry: &[u8]| {
            let middle = entry.iter().position(|&byte| byte == b'=')?;
            let (name, value) = (entry[..middle].to_vec(), entry[middle + 1..].to_vec());
            Some((OsString::from_vec(name), OsString::from_vec(value)))
        };
        Ok(entries.filter_map(pair).collect())
    }
}
