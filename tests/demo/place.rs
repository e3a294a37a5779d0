//! Where it all happens: a temporary folder with the state file, a stand-in for GitHub, and the
//! environment in which the program runs. Nothing of the user's own is read or written.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::github::GitHub;
use crate::world::world;
use crate::{LIMIT, Result, fail};

/// Time between two looks at GitHub: a demonstration has no quarter of an hour.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(3);
/// Lines of a log that are shown after a failure.
const LOG_LINES: usize = 4;

/// The place.
pub struct Place {
    /// The stand-in for GitHub.
    pub github: GitHub,
    folder: TempDir,
    binary: PathBuf,
    settings: Vec<(&'static str, OsString)>,
}

/// What a command that ended has to show.
pub struct Ran {
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Place {
    /// Starts the stand-in and prepares the folder.
    pub async fn new(binary: &Path) -> Result<Self> {
        let binary = fs::canonicalize(binary)
            .map_err(|error| format!("{} is not there: {error}", binary.display()))?;
        let Ok(gh) = which::which("gh") else {
            return fail("gh is not on PATH: see https://cli.github.com");
        };
        let github = GitHub::start(world()).await?;
        let folder = tempfile::Builder::new()
            .prefix("issuecommand-demo")
            .tempdir()?;
        let home = folder.path().join("home");
        fs::create_dir(&home)?;
        let counting = write_counting_gh(folder.path(), &gh)?;
        let mut settings: Vec<(&'static str, OsString)> = vec![
            ("HOME", home.into()),
            ("STATE_FILE_PATH", folder.path().join("state.json").into()),
            ("HTTP_PORT", "0".into()),
            ("GH_PATH", counting.into()),
            ("GH_CONFIG_DIR", github.gh_config_dir().into()),
            (
                "SYNC_INTERVAL_MINUTES",
                (SYNC_INTERVAL.as_secs_f64() / 60.0).to_string().into(),
            ),
        ];
        for passed_on in ["PATH", "TMPDIR"] {
            settings.extend(std::env::var_os(passed_on).map(|value| (passed_on, value)));
        }
        Ok(Self {
            github,
            folder,
            binary,
            settings,
        })
    }

    /// A command of the program in this place; it ends with this process, and Ctrl-C at the
    /// terminal reaches this process only, which ends it in good order.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.folder.path());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = self.command(arguments);
        finish(command.stdin(Stdio::null())).await
    }

    /// Stops the stand-in and gives the folder, which is removed when it is closed.
    pub fn into_folder(self) -> TempDir {
        self.folder
    }

    /// What gh says of itself.
    pub async fn gh_version(&self) -> Result<String> {
        let gh = which::which("gh")?;
        let ran = finish(Command::new(gh).arg("--version").kill_on_drop(true)).await?;
        Ok(ran.stdout.lines().next().unwrap_or_default().to_owned())
    }

    /// How many gh processes the program has started.
    pub fn gh_runs(&self) -> Result<usize> {
        Ok(fs::read_to_string(gh_log(self.folder.path()))?
            .lines()
            .count())
    }

    /// A new file for what a process writes to standard error.
    pub fn log(&self, name: &str) -> Result<File> {
        Ok(File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{name}.log")))?)
    }

    /// The ends of all logs, after a failure.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let files = fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
        paths.sort();
        let is_log = |path: &&PathBuf| {
            path.extension().is_some_and(|found| found == "log")
                && **path != gh_log(self.folder.path())
        };
        for path in paths.iter().filter(is_log) {
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let name = path.file_stem().unwrap_or_default().display();
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                text.push_str(&format!("\n  {name}: {line}"));
            }
        }
        text
    }
}

async fn finish(command: &mut Command) -> Result<Ran> {
    let output = match tokio::time::timeout(LIMIT, command.output()).await {
        Ok(output) => output?,
        Err(_) => return fail(format!("no end within {LIMIT:?}: {:?}", command.as_std())),
    };
    Ok(Ran {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn gh_log(folder: &Path) -> PathBuf {
    folder.join("gh-runs.log")
}

/// Writes a program that notes each run and then becomes the real gh: what is counted is what ran.
fn write_counting_gh(folder: &Path, gh: &Path) -> Result<PathBuf> {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    let log = gh_log(folder);
    File::create(&log)?;
    let program = folder.join("gh");
    let text = format!(
        "#!/bin/sh\necho $$ >>{}\nexec {} \"$@\"\n",
        quoted(&log),
        quoted(gh)
    );
    fs::write(&program, text)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}
