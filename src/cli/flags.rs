//! Flags: those of the configuration, and words for wrong ones.

use std::collections::HashMap;
use std::ffi::OsString;

use crate::app::VARIABLES;
use crate::domain::{ApiError, text};
use crate::service::tools;

/// Variables given as flags.
pub(super) type Overrides = HashMap<&'static str, String>;

/// Not flags: an argument vector can be read by every process of the machine.
const SECRETS: [&str; 2] = ["GITHUB_TOKEN", "API_KEY"];

/// The arguments as text. What is none is refused: a name that was read in part would be another
/// one.
pub(super) fn readable(argv: &[OsString]) -> Result<Vec<String>, ApiError> {
    let mut given: Vec<String> = Vec::with_capacity(argv.len());
    for (index, argument) in argv.iter().enumerate() {
        let Some(readable) = argument.to_str() else {
            let shown = argument.to_string_lossy();
            let shown = text::one_line(text::cut(&shown, 60).0);
            let place = match given.last().filter(|before| before.starts_with("--")) {
                Some(flag) => format!("the value of {flag}, '{shown}',"),
                None => format!("argument {}, '{shown}',", index + 1),
            };
            return Err(not_utf8(&place));
        };
        given.push(readable.to_owned());
    }
    Ok(given)
}

/// The error for something that is no text.
pub(super) fn not_utf8(what: &str) -> ApiError {
    ApiError::invalid(
        format!("{what} is not UTF-8"),
        "write it in UTF-8; look at the locale and the encoding of the terminal or script",
    )
}

/// Puts the name of the command first: flags of the configuration may stand before it.
pub(super) fn command_first(given: &mut [String]) {
    let mut at = 0;
    while let Some(argument) = given.get(at) {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, _)) => (flag, true),
            None => (argument.as_str(), false),
        };
        if variable_of(flag).is_none() {
            break;
        }
        at += if inline { 1 } else { 2 };
    }
    if let Some(beginning) = given.get_mut(..=at) {
        beginning.rotate_right(1);
    }
}

/// Takes `--http-port 3101` and the like out of the arguments. For a tool, `--agent-id` is its own.
pub(super) fn take_configuration(
    given: &mut Vec<String>,
    for_tool: bool,
) -> Result<Overrides, ApiError> {
    let mut overrides = Overrides::new();
    let is_watch = given.first().is_some_and(|first| first == "watch");
    let mut kept = Vec::with_capacity(given.len());
    let mut rest = std::mem::take(given).into_iter();
    while let Some(argument) = rest.next() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let Some(name) = variable_of(flag) else {
            kept.push(argument);
            continue;
        };
        if name == "AGENT_ID" && (for_tool || is_watch) {
            kept.push(argument);
            continue;
        }
        if SECRETS.contains(&name) {
            return Err(ApiError::invalid(
                format!("{name} is a secret and no flag: other processes can read arguments"),
                format!("set it in the environment or in .env: {name}=…"),
            ));
        }
        let value = inline.or_else(|| rest.next()).ok_or_else(|| {
            ApiError::invalid(
                format!("{flag} needs a value"),
                format!("write {flag} VALUE"),
            )
        })?;
        if overrides.insert(name, value).is_some() {
            return Err(ApiError::invalid(
                format!("{flag} is given more than once"),
                "give it once",
            ));
        }
    }
    *given = kept;
    Ok(overrides)
}

fn variable_of(flag: &str) -> Option<&'static str> {
    let name = flag.strip_prefix("--")?;
    let matches = |variable: &str| variable.to_ascii_lowercase().replace('_', "-") == name;
    let found = VARIABLES.iter().find(|variable| matches(variable.name))?;
    (found.name != "HOME" && found.name != "XDG_STATE_HOME").then_some(found.name)
}

/// What is wrong with the words of a command, and the next step.
pub(super) fn usage_error(given: &[String], told: &str) -> ApiError {
    const COMMANDS: [&str; 5] = ["mcp", "serve", "doctor", "watch", "tools"];
    let told = told
        .trim()
        .lines()
        .next()
        .unwrap_or("no command")
        .to_owned();
    let Some(first) = given.first() else {
        return ApiError::invalid(
            "no command was given",
            "run issuecommand --help for the commands, issuecommand tools for the tools",
        );
    };
    let names = tools()
        .iter()
        .map(|tool| tool.name.replace('_', "-"))
        .collect::<Vec<_>>();
    if COMMANDS.contains(&first.as_str()) {
        return ApiError::invalid(
            text::one_line(&told),
            format!("run issuecommand {first} --help for its flags"),
        );
    }
    let known = COMMANDS.into_iter().chain(names.iter().map(String::as_str));
    let hint = text::nearest(first, known)
        .map_or_else(String::new, |near| format!("did you mean {near}? "));
    ApiError::invalid(
        format!("'{}' is no command", text::one_line(text::cut(first, 60).0)),
        format!("{hint}run issuecommand --help for the commands, issuecommand tools for the tools"),
    )
}

#[cfg(test)]
mod tests {
    use super::{command_first, take_configuration};

    #[test]
    fn a_flag_of_the_configuration_is_given_once() {
        let taken = |line: &str| {
            let mut given = line.split_whitespace().map(str::to_owned).collect();
            take_configuration(&mut given, false).map(|overrides| (overrides, given))
        };
        let (overrides, rest) = taken("serve --http-port 1 --log-level debug").unwrap();
        assert_eq!(overrides["HTTP_PORT"], "1");
        assert_eq!((overrides.len(), rest), (2, vec!["serve".to_owned()]));
        for twice in ["--http-port 1 --http-port 2", "--http-port=1 --http-port=1"] {
            let error = taken(twice).unwrap_err();
            assert_eq!(error.message, "--http-port is given more than once");
        }
    }

    #[test]
    fn flags_of_the_configuration_may_stand_before_the_command() {
        let ordered = |line: &str| {
            let mut given: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            command_first(&mut given);
            given.join(" ")
        };
        assert_eq!(
            ordered("--http-port 3101 --gh-host=ghe.example list-repos --json"),
            "list-repos --http-port 3101 --gh-host=ghe.example --json"
        );
        for unchanged in ["list-repos --http-port 1", "--version", "--http-port 1", ""] {
            assert_eq!(ordered(unchanged), unchanged);
        }
    }
}
