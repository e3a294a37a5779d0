//! Tools as commands: flags become the tool's arguments, its reply is laid out to be read.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::serve::stop_signals;
use super::{files, flags, long_wait, output, render};
use crate::app::{Mode, Node, init_logging};
use crate::domain::{ApiError, Category, text};
use crate::service::{
    Call, Reply, ReplyKind, Request, Service as _, ToolSpec, arguments_from_text, tool, tools,
};

/// Exit code of an ordinary refusal.
const REFUSED: u8 = 4;
/// What takes longer than this shows that it goes on.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// The tool that a command names: kebab case, or the tool's own name.
pub(super) fn name_of(command: &str) -> Option<&'static str> {
    let name = command.replace('-', "_");
    tools()
        .iter()
        .map(|tool| tool.name)
        .find(|known| *known == name)
}

/// Runs `TOOL [--flag value]… [--json]`.
pub(super) fn run(given: &[String], overrides: &flags::Overrides) -> ExitCode {
    let json = given.iter().any(|argument| argument == "--json");
    match prepare(given, overrides) {
        Ok(Prepared::Help(text)) => output::print(&text),
        Ok(Prepared::Request(config, request)) => carry_out(*config, request, json),
        Err(error) => output::fail(&error, json),
    }
}

enum Prepared {
    Help(String),
    Request(Box<crate::app::Config>, Request),
}

fn prepare(given: &[String], overrides: &flags::Overrides) -> Result<Prepared, ApiError> {
    let name = given
        .first()
        .and_then(|first| name_of(first))
        .unwrap_or_default();
    let spec = tool(name).ok_or_else(|| ApiError::internal("this tool has gone"))?;
    let mut given = given[1..].to_vec();
    if asks_for_help(spec, &given) {
        return Ok(Prepared::Help(help(spec)));
    }
    let files = if takes_files(spec) {
        files::take(&mut given, &working_directory()?)?
    } else {
        None
    };
    let mut pairs = pairs(spec, &given)?;
    pairs.extend(files.map(|files| ("files".to_owned(), files)));
    let arguments = arguments_from_text(name, pairs)?;
    let mut request = Request::from_value(name, serde_json::Value::Object(arguments))?;
    let config = super::configuration(overrides)?;
    if let Some(agent_id) = &config.agent_id {
        request.default_agent(agent_id.as_str());
    }
    Ok(Prepared::Request(Box::new(config), request))
}

/// Whether the tool's files may come from the working directory: they are more than names.
fn takes_files(spec: &ToolSpec) -> bool {
    spec.schema["properties"]["files"]["items"]["type"] == "object"
}

fn working_directory() -> Result<std::path::PathBuf, ApiError> {
    std::env::current_dir().map_err(|error| {
        ApiError::invalid(
            format!("the working directory cannot be read: {error}"),
            "run the command in another folder",
        )
    })
}

/// Whether a word asks for help where a flag may stand: the same word may be the value of one.
fn asks_for_help(spec: &ToolSpec, given: &[String]) -> bool {
    let takes_a_word = |word: &str| {
        let Some(flag) = word.strip_prefix("--") else {
            return false;
        };
        let is_file = takes_files(spec) && matches!(flag, "file" | "delete");
        is_file || kind_of(spec, &flag.replace('-', "_")).is_some_and(|kind| kind != "boolean")
    };
    let mut rest = given.iter();
    while let Some(word) = rest.next() {
        if matches!(word.as_str(), "--help" | "-h" | "help") {
            return true;
        }
        if takes_a_word(word) {
            rest.next();
        }
    }
    false
}

/// The JSON type of one of the tool's arguments; none for a name that is no argument.
fn kind_of<'a>(spec: &'a ToolSpec, field: &str) -> Option<&'a str> {
    let fields = spec.schema.get("properties")?.as_object()?;
    let schema = fields.get(field)?;
    Some(schema["type"].as_str().unwrap_or_default())
}

/// `--issue-number 5`, `--issue-number=5` and `--stale` as pairs of field and text.
fn pairs(spec: &ToolSpec, given: &[String]) -> Result<Vec<(String, String)>, ApiError> {
    let mut pairs = Vec::new();
    let mut rest = given.iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--json" {
            continue;
        }
        let Some(flag) = argument.strip_prefix("--") else {
            return Err(ApiError::invalid(
                format!(
                    "'{}' is not a flag",
                    text::one_line(text::cut(argument, 60).0)
                ),
                format!("run issuecommand {} --help for its flags", kebab(spec.name)),
            ));
        };
        let (flag, inline) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (flag, None),
        };
        let field = flag.replace('-', "_");
        let Some(kind) = kind_of(spec, &field) else {
            return Err(unknown_flag(spec, flag));
        };
        let value = match inline {
            Some(value) => value,
            None if kind == "boolean" => {
                let word = rest.next_if(|next| matches!(next.as_str(), "true" | "false"));
                word.cloned().unwrap_or_default()
            }
            None => rest.next().cloned().ok_or_else(|| {
                ApiError::invalid(
                    format!("--{flag} needs a value"),
                    format!("write --{flag} VALUE"),
                )
            })?,
        };
        pairs.push((field, value));
    }
    Ok(pairs)
}

fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

fn unknown_flag(spec: &ToolSpec, flag: &str) -> ApiError {
    let fields = spec
        .schema
        .get("properties")
        .and_then(serde_json::Value::as_object);
    let known: Vec<String> = fields
        .into_iter()
        .flat_map(|fields| fields.keys().map(|field| kebab(field)))
        .collect();
    let hint = text::nearest(flag, known.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("did you mean --{near}? "));
    ApiError::invalid(
        format!(
            "{} has no flag --{}",
            kebab(spec.name),
            text::one_line(text::cut(flag, 60).0)
        ),
        format!(
            "{hint}run issuecommand {} --help for its flags",
            kebab(spec.name)
        ),
    )
}

fn help(spec: &ToolSpec) -> String {
    let mut help = format!(
        "Usage: issuecommand {} [flags]\n\n{}\n\nFlags:\n",
        kebab(spec.name),
        spec.description
    );
    let required: Vec<&str> = spec
        .schema
        .get("required")
        .and_then(serde_json::Value::as_array)
        .map(|list| list.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    let fields = spec
        .schema
        .get("properties")
        .and_then(serde_json::Value::as_object);
    for (field, schema) in fields.into_iter().flatten() {
        let about = schema["description"].as_str().unwrap_or_default();
        let kind = match schema["type"].as_str().unwrap_or_default() {
            "boolean" => "",
            "integer" => " N",
            "array" if schema["items"]["type"] == "object" => " JSON",
            "array" => " A,B",
            _ => " TEXT",
        };
        let mark = if required.contains(&field.as_str()) {
            " (required)"
        } else {
            ""
        };
        let flag = format!("--{}{kind}", kebab(field));
        help.push_str(&format!("  {flag:<24}{about}{mark}\n"));
    }
    if takes_files(spec) {
        help.push_str(files::HELP);
    }
    help.push_str("  --json                  print the tool's JSON\n");
    help
}

fn carry_out(config: crate::app::Config, request: Request, json: bool) -> ExitCode {
    let tool = request.tool_name();
    let result = init_logging(&quiet(config.clone())).and_then(|log_file| {
        let runtime = super::runtime()?;
        runtime.block_on(async {
            let node = Node::new(config, Mode::Command, None, log_file);
            node.join();
            let signals = stop_signals()?;
            let call = async |request| with_progress(&node, node.call(Call::new(request))).await;
            let result = tokio::select! {
                result = long_wait::to_the_end(request, call) => result,
                // Dropping the call takes a grant back that its agent has not heard of.
                () = signals.wait() => Err(interrupted()),
            };
            node.stop().await;
            result
        })
    });
    match result {
        Ok(reply) => show(tool, &reply, json),
        Err(error) => output::fail(&error, json),
    }
}

fn interrupted() -> ApiError {
    ApiError::new(
        Category::User,
        "interrupted",
        "the command was ended before there was an answer",
        "run it again; see get-my-claims for what you hold",
    )
}

/// A command's own log is about the user's command: only what is wrong.
fn quiet(mut config: crate::app::Config) -> crate::app::Config {
    config.log_level = config.log_level.min(tracing::Level::WARN);
    config
}

fn show(tool: &str, reply: &Reply, json: bool) -> ExitCode {
    let text = if json {
        reply.whole_json() + "\n"
    } else {
        render::render(tool, reply, io::stdout().is_terminal())
    };
    let printed = output::print(&text);
    if reply.kind == ReplyKind::Refused {
        ExitCode::from(REFUSED)
    } else {
        printed
    }
}

/// Waits for the call; on a terminal it says after a second what it waits for.
async fn with_progress(
    node: &Node,
    call: impl Future<Output = Result<Reply, ApiError>>,
) -> Result<Reply, ApiError> {
    tokio::pin!(call);
    if !io::stderr().is_terminal() {
        return call.await;
    }
    let started = tokio::time::Instant::now();
    let mut shown = false;
    let result = loop {
        match tokio::time::timeout(QUIET_TIME, &mut call).await {
            Ok(result) => break result,
            Err(_) => {
                let what = node.progress().unwrap_or_else(|| "waiting".to_owned());
                let seconds = started.elapsed().as_secs();
                // Nothing can be done about a closed standard error.
                let _ = write!(io::stderr(), "\r\u{1b}[2K{what} … {seconds} s");
                shown = true;
            }
        }
    };
    if shown {
        let _ = write!(io::stderr(), "\r\u{1b}[2K");
    }
    result
}

#[cfg(test)]
mod tests {
    use super::{asks_for_help, tool};

    #[test]
    fn a_value_is_no_request_for_help() {
        let asks = |name: &str, line: &str| {
            let given: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            asks_for_help(tool(name).unwrap(), &given)
        };
        for help in [
            "--help",
            "-h",
            "help",
            "--json --help",
            "--claim-id x -h",
            "--claim-id=x help",
            "--nonsense help",
        ] {
            assert!(asks("release_issue", help), "{help}");
        }
        assert!(asks("get_all_claims", "--stale help"));
        assert!(!asks("release_issue", "--claim-id x --reason help"));
        assert!(!asks(
            "release_issue",
            "--handoff-note -h --claim-id --help"
        ));
        assert!(!asks("create_pull_request", "--file help --delete -h"));
    }
}
