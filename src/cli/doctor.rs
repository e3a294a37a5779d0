//! `doctor`: checks everything the program needs, and says how to mend what is not well.

use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::{flags, output};
use crate::app::Config;
use crate::domain::ApiError;
use crate::gh::{Gh, locate};
use crate::http::OwnerClient;
use crate::service::{Call, Request, SystemHealth};
use crate::store::{FolderDisk, StateFiles, check_writable, read_lock_info, recover_check};

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Problem,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            what: what.into(),
            mend: None,
        }
    }

    fn warning(name: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Warning,
            what: what.into(),
            mend: Some(mend.into()),
        }
    }

    fn problem(name: &'static str, error: &ApiError) -> Self {
        let (what, mend) = (error.message.clone(), Some(error.suggestion.clone()));
        Self {
            name,
            verdict: Verdict::Problem,
            what,
            mend,
        }
    }
}

/// Runs all checks. Exit code 2 when something has to be mended.
pub(super) fn run(overrides: &flags::Overrides, json: bool) -> Result<ExitCode, ApiError> {
    let runtime = super::runtime()?;
    let checks = runtime.block_on(async {
        match super::configuration(overrides) {
            Ok(config) => {
                let mut checks = vec![Check::ok("configuration", "every value can be used")];
                checks.extend(check_gh(&config).await);
                checks.extend(check_state(&config).await);
                checks
            }
            Err(error) => vec![Check::problem("configuration", &error)],
        }
    });
    runtime.shutdown_background();
    let bad = checks.iter().any(|check| check.verdict == Verdict::Problem);
    let text = if json {
        let record = serde_json::json!({ "ok": !bad, "checks": checks });
        record.to_string() + "\n"
    } else {
        checks
            .iter()
            .map(|check| line(check, std::io::stdout().is_terminal()))
            .collect()
    };
    let printed = output::print(&text);
    Ok(if bad { ExitCode::from(2) } else { printed })
}

fn line(check: &Check, colours: bool) -> String {
    let (word, colour) = match check.verdict {
        Verdict::Ok => ("ok", "32"),
        Verdict::Warning => ("note", "33"),
        Verdict::Problem => ("FAIL", "31"),
    };
    let word = if colours {
        format!("\u{1b}[{colour}m{word:<5}\u{1b}[0m")
    } else {
        format!("{word:<5}")
    };
    let mut line = format!("{word}{:<14}{}\n", check.name, check.what);
    if let Some(mend) = &check.mend {
        line.push_str(&format!("{:<19}mend: {mend}\n", ""));
    }
    line
}

async fn check_gh(config: &Config) -> Vec<Check> {
    let gh = Gh::new(config.gh.clone());
    let mut checks = Vec::new();
    match gh.version().await {
        Ok(version) => {
            let path = locate(config.gh.path.as_deref());
            let path = path
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            checks.push(Check::ok("gh", format!("{version} at {path}")));
        }
        Err(error) => return vec![Check::problem("gh", &error.to_api())],
    }
    match gh.account().await {
        Ok(account) => {
            let host = gh.host();
            checks.push(Check::ok("login", format!("{} on {host}", account.login)));
            checks.push(check_scopes(account.scopes.as_deref()));
        }
        Err(error) => checks.push(Check::problem("login", &error.to_api())),
    }
    checks
}

/// Classic tokens list their scopes; fine-grained ones do not.
fn check_scopes(scopes: Option<&str>) -> Check {
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
        return Check::warning(
            "scopes",
            "GitHub lists no scopes: a fine-grained or app token",
            "give it Metadata: read, Issues: read and write, Pull requests: read and write, \
             Contents: read and write, Checks, Commit statuses and Actions: read",
        );
    };
    let has = |wanted: &str| scopes.split(',').any(|scope| scope.trim() == wanted);
    let missing: Vec<&str> = [
        ("repo", has("repo") || has("public_repo")),
        (
            "read:org",
            has("read:org") || has("write:org") || has("admin:org"),
        ),
    ]
    .into_iter()
    .filter_map(|(scope, there)| (!there).then_some(scope))
    .collect();
    if missing.is_empty() {
        return Check::ok("scopes", scopes);
    }
    let missing = missing.join(",");
    Check::warning(
        "scopes",
        format!("{scopes}; without {missing} some repositories stay hidden or cannot be changed"),
        format!("run: gh auth refresh -s {missing}"),
    )
}

async fn check_state(config: &Config) -> Vec<Check> {
    let path = config.state_file.display().to_string();
    let unusable = |error: &std::io::Error| {
        ApiError::invalid(
            format!("{path} cannot be used: {error}"),
            "set STATE_FILE_PATH to a file in a folder that this user can write to",
        )
    };
    let files = match StateFiles::new(&config.state_file) {
        Ok(files) => files,
        Err(error) => return vec![Check::problem("state file", &unusable(&error))],
    };
    let disk = match FolderDisk::new(&files.folder) {
        Ok(disk) => Arc::new(disk),
        Err(error) => return vec![Check::problem("state file", &unusable(&error))],
    };
    if let Some(owner) = check_owner(config, &files).await {
        let told = format!("{path}, in use by the owner");
        return vec![Check::ok("state file", told), owner];
    }
    let state =
        match check_writable(&files).and_then(|()| recover_check(&*disk, &files, config.leases)) {
            Ok(active) => Check::ok("state file", format!("{path}, {active} active claims")),
            Err(error) => Check::problem(
                "state file",
                &ApiError::invalid(error.to_string(), error.suggestion()),
            ),
        };
    vec![
        state,
        Check::ok("owner", "none runs: the next process becomes it"),
        check_port(config),
    ]
}

/// The owner, if one runs.
async fn check_owner(config: &Config, files: &StateFiles) -> Option<Check> {
    let info = read_lock_info(&files.folder.join(files.lock()))?;
    let client = OwnerClient::new(info.clone());
    let call = Call::new(Request::SystemHealth(SystemHealth::default()));
    let asked = tokio::time::timeout(config.gh.time_limit, client.call(&call)).await;
    let name = format!(
        "process {} (issuecommand {}) at http://{}",
        info.pid, info.command, info.address
    );
    match asked {
        Ok(Ok(Ok(_))) if info.version != env!("CARGO_PKG_VERSION") => Some(Check::warning(
            "owner",
            format!(
                "{name} runs version {}, this is {}",
                info.version,
                env!("CARGO_PKG_VERSION")
            ),
            "restart it, so that all processes have one version",
        )),
        Ok(Ok(Ok(_))) => Some(Check::ok("owner", name)),
        Ok(Ok(Err(error))) => Some(Check::problem("owner", &error)),
        // Nobody there: the file is left over from an owner that ended.
        Ok(Err(_)) => None,
        Err(_) => Some(Check::problem(
            "owner",
            &ApiError::invalid(
                format!("{name} does not answer"),
                format!(
                    "end it; another process then takes over at once: kill {}",
                    info.pid
                ),
            ),
        )),
    }
}

fn check_port(config: &Config) -> Check {
    let place = SocketAddr::new(config.http_host, config.http_port);
    match TcpListener::bind(place) {
        Ok(_) => Check::ok("port", format!("{place} is free")),
        Err(error) => Check::warning(
            "port",
            format!("{place}: {error}"),
            "serve needs it: stop the other program or set HTTP_PORT; mcp takes another port by itself",
        ),
    }
}
