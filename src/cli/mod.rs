//! Floor 7: the command line. The one place that writes to standard output, beside the events
//! that `serve` prints.

mod doctor;
mod files;
mod flags;
mod long_wait;
mod mcp;
mod output;
mod render;
mod render_comments;
mod render_conflicts;
mod render_impact;
mod render_merge;
mod render_review;
mod render_stack;
mod serve;
mod tool;
mod watch;

use std::cell::RefCell;
use std::env::VarError;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use argh::FromArgs;

use crate::app::{Config, read_dotenv};
use crate::domain::ApiError;
use crate::service::tools;

/// Hands out GitHub issues to coding agents so that no two work on one.
///
/// Every tool is a command as well: issuecommand next-issue --agent-id me --repo owner/name.
/// issuecommand tools lists them; --json prints the tool's JSON. Every variable of .env.example
/// is a flag as well (--http-port 3101), except the secrets.
#[derive(FromArgs, Debug)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum Command {
    Mcp(Mcp),
    Serve(Serve),
    Doctor(Doctor),
    Watch(Watch),
    Tools(Tools),
}

/// MCP over stdio for one agent; shares one owner with every other process
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "mcp")]
struct Mcp {}

/// the coordinator in the foreground: REST, events, MCP over HTTP
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "serve")]
struct Serve {}

/// check gh, login, state file, port and owner, and say how to mend each
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "doctor")]
struct Doctor {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// print claim events as they happen
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "watch")]
struct Watch {
    /// only of this repository, owner/name
    #[argh(option)]
    repo: Option<String>,
    /// only of this agent
    #[argh(option)]
    agent_id: Option<String>,
    /// first the events after the one with this id
    #[argh(option)]
    since: Option<u64>,
    /// print JSON, one event a line
    #[argh(switch)]
    json: bool,
}

/// list the tools, each of which is a command
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "tools")]
struct Tools {}

/// Runs the program; `argv` begins with its own name.
pub fn run(argv: impl Iterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = argv.skip(1).collect();
    let mut given = match flags::readable(&argv) {
        Ok(given) => given,
        Err(error) => return output::fail(&error, argv.iter().any(|word| word == "--json")),
    };
    flags::command_first(&mut given);
    let wants_tool = given
        .first()
        .is_some_and(|first| tool::name_of(first).is_some());
    let overrides = match flags::take_configuration(&mut given, wants_tool) {
        Ok(overrides) => overrides,
        Err(error) => return output::fail(&error, false),
    };
    if matches!(given.first().map(String::as_str), Some("--version" | "-V")) {
        return output::print(&format!("issuecommand {}\n", env!("CARGO_PKG_VERSION")));
    }
    if wants_tool {
        return tool::run(&given, &overrides);
    }
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    let arguments = match Arguments::from_args(&["issuecommand"], &words) {
        Ok(arguments) => arguments,
        Err(exit) if exit.status.is_ok() => return output::print(&exit.output),
        Err(exit) => return output::fail(&flags::usage_error(&given, &exit.output), false),
    };
    let result = match arguments.command {
        Command::Tools(_) => return output::print(&list_tools()),
        Command::Doctor(doctor) => doctor::run(&overrides, doctor.json),
        Command::Mcp(_) => configuration(&overrides).and_then(mcp::run),
        Command::Serve(_) => configuration(&overrides).and_then(serve::run),
        Command::Watch(options) => {
            let config = configuration(&overrides);
            config.and_then(|config| watch::run(config, &options))
        }
    };
    result.unwrap_or_else(|error| output::fail(&error, false))
}

fn list_tools() -> String {
    let mut text = String::new();
    let names = tools().iter().map(|tool| tool.name.len());
    let width = names.max().unwrap_or_default() + 2;
    for tool in tools() {
        text.push_str(&format!(
            "{:<width$}{}\n",
            tool.name.replace('_', "-"),
            tool.description
        ));
    }
    text
}

/// The configuration: flags over environment over `.env` over defaults.
fn configuration(overrides: &flags::Overrides) -> Result<Config, ApiError> {
    let dotenv = read_dotenv(Path::new(".env"))?;
    let unreadable = RefCell::new(None);
    let environment = |name: &str| match std::env::var(name) {
        Ok(value) => Some(value).filter(|value| !value.is_empty()),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => {
            unreadable.borrow_mut().get_or_insert(name.to_owned());
            None
        }
    };
    let lookup = |name: &str| {
        let flag = overrides.get(name).cloned();
        flag.or_else(|| environment(name))
            .or_else(|| dotenv.get(name).cloned())
    };
    let config = Config::read(&lookup);
    match unreadable.take() {
        // Whatever else is wrong may follow from it.
        Some(name) => Err(flags::not_utf8(&format!("the environment's {name}"))),
        None => config,
    }
}

/// A runtime for a command. One thread does everything and, while few ask and the disk is quick,
/// stores claims: one busy thread beats two that wake each other. Long batches and those of many
/// callers, snapshots and file reads have threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| ApiError::internal(format!("no runtime: {error}")))
}
