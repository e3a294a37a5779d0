//! A GitHub on this machine, for demonstrations, scripts and measurements.
//!
//! `github-stand-in [--socket PATH] [--gh-config-dir DIR] [--world small|synthetic:REPOS:ISSUES|
//! pull-request] [--latency-ms N]` prints one line of JSON with the socket and the folder for
//! `GH_CONFIG_DIR`, and then takes commands on standard input, one JSON object per line,
//! each answered by one line:
//!
//! ```json
//! {"do":"add_issue","repo":"acme/api","title":"A new one","labels":["P1"],"body":"..."}
//! {"do":"close_issue","repo":"acme/api","number":3}
//! {"do":"reopen_issue","repo":"acme/api","number":3}
//! {"do":"touch_issue","repo":"acme/api","number":3,"title":"A better title"}
//! {"do":"comment_issue","repo":"acme/api","number":3,"body":"..."}
//! {"do":"open_pull_request","repo":"acme/api","title":"Fix it","closes":[3]}
//! {"do":"merge_pull_request","repo":"acme/api","number":13}
//! {"do":"requests"}
//! {"do":"clear_requests"}
//! ```
//!
//! It ends with its standard input.

#[path = "mod.rs"]
mod github;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use github::{Fault, GitHub, Issue, Summary, World};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// What the command line asks for.
struct Options {
    socket: Option<PathBuf>,
    gh_config_dir: Option<PathBuf>,
    world: World,
    latency: Duration,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut socket, mut gh_config_dir, mut latency) = (None, None, Duration::ZERO);
        let mut world = "small".to_owned();
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--socket" => socket = Some(PathBuf::from(value)),
                "--gh-config-dir" => gh_config_dir = Some(PathBuf::from(value)),
                "--world" => world = value,
                "--latency-ms" => {
                    let milliseconds = value
                        .parse()
                        .map_err(|_| format!("{value} is not a number"))?;
                    latency = Duration::from_millis(milliseconds);
                }
                _ => return Err(format!("unknown option {flag}")),
            }
        }
        Ok(Self {
            socket,
            gh_config_dir,
            world: parse_world(&world)?,
            latency,
        })
    }
}

fn parse_world(text: &str) -> Result<World, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str| {
        part.parse::<usize>()
            .map_err(|_| format!("{part} is not a number"))
    };
    match parts.as_slice() {
        ["small"] => Ok(World::small()),
        ["pull-request"] => Ok(World::pull_request()),
        ["synthetic", repositories, issues] => {
            Ok(World::synthetic(number(repositories)?, number(issues)?, 1))
        }
        _ => Err(format!(
            "unknown world {text}: small, synthetic:REPOS:ISSUES or pull-request"
        )),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("github-stand-in: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let started = match &options.socket {
        Some(socket) => GitHub::start_at(socket, options.world).await,
        None => GitHub::start(options.world).await,
    };
    let github = started.map_err(|error| format!("cannot serve: {error}"))?;
    if !options.latency.is_zero() {
        github.inject(Fault::delay(options.latency));
    }
    let gh_config_dir = match options.gh_config_dir {
        Some(folder) => {
            let written = github.write_gh_config(&folder);
            written.map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
            folder
        }
        None => github.gh_config_dir(),
    };
    println!(
        "{}",
        json!({"socket": github.socket(), "gh_config_dir": gh_config_dir})
    );
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
        let answer = match serde_json::from_str(&line) {
            Ok(command) => obey(&github, command).unwrap_or_else(|error| json!({"error": error})),
            Err(error) => json!({"error": error.to_string()}),
        };
        println!("{answer}");
    }
    // The socket was not ours to create if its path was given, but it is ours to remove.
    if let Some(socket) = options.socket {
        let _ = std::fs::remove_file(socket);
    }
    Ok(())
}

/// A line of standard input.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    AddIssue {
        repo: String,
        title: String,
        #[serde(default)]
        body: String,
        #[serde(default)]
        labels: Vec<String>,
    },
    CloseIssue {
        repo: String,
        number: u64,
    },
    ReopenIssue {
        repo: String,
        number: u64,
    },
    TouchIssue {
        repo: String,
        number: u64,
        title: Option<String>,
    },
    CommentIssue {
        repo: String,
        number: u64,
        body: String,
    },
    OpenPullRequest {
        repo: String,
        title: String,
        #[serde(default)]
        closes: Vec<u64>,
    },
    MergePullRequest {
        repo: String,
        number: u64,
    },
    Requests,
    ClearRequests,
}

fn obey(github: &GitHub, command: Command) -> Result<Value, String> {
    let with_issue = |repo: &str, number: u64, act: &dyn Fn(&mut Issue)| {
        github.change(|world| {
            exists(world, repo, Some(number))?;
            act(world.issue(repo, number));
            Ok(json!({"ok": true}))
        })
    };
    match command {
        Command::AddIssue {
            repo,
            title,
            body,
            labels,
        } => github.change(|world| {
            exists(world, &repo, None)?;
            let issue = world.repository(&repo).add_issue(&title);
            issue.body = body.into();
            issue.labels = labels;
            Ok(json!({"number": issue.number}))
        }),
        Command::CloseIssue { repo, number } => with_issue(&repo, number, &|issue| {
            issue.close("completed");
        }),
        Command::ReopenIssue { repo, number } => with_issue(&repo, number, &|issue| {
            issue.reopen();
        }),
        Command::TouchIssue {
            repo,
            number,
            title,
        } => with_issue(&repo, number, &|issue| {
            let title = title
                .clone()
                .unwrap_or_else(|| format!("{} (edited)", issue.title));
            issue.title(&title);
        }),
        Command::CommentIssue { repo, number, body } => with_issue(&repo, number, &|issue| {
            issue.comment("octo", &body);
        }),
        Command::OpenPullRequest {
            repo,
            title,
            closes,
        } => github.change(|world| {
            exists(world, &repo, None)?;
            Ok(json!({"number": world.repository(&repo).add_pull_request(&title, &closes).number}))
        }),
        Command::MergePullRequest { repo, number } => github.change(|world| {
            exists(world, &repo, Some(number))?;
            if world.issue(&repo, number).pull_request.is_none() {
                return Err(format!("{repo}#{number} is not a pull request"));
            }
            world.merge_pull_request(&repo, number);
            Ok(json!({"ok": true}))
        }),
        Command::Requests => {
            let mut summary = json!(Summary::of(&github.requests()));
            summary["most_at_once"] = json!(github.most_at_once());
            Ok(summary)
        }
        Command::ClearRequests => {
            github.clear_requests();
            Ok(json!({"ok": true}))
        }
    }
}

/// Commands come from outside: what they name may not be there.
fn exists(world: &World, repo: &str, number: Option<u64>) -> Result<(), String> {
    let found = world
        .repositories
        .iter()
        .find(|known| known.full_name().eq_ignore_ascii_case(repo));
    let found = found.ok_or_else(|| format!("there is no repository {repo}"))?;
    match number.filter(|number| !found.issues.contains_key(number)) {
        Some(number) => Err(format!("there is no issue {repo}#{number}")),
        None => Ok(()),
    }
}
