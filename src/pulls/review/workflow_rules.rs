//! What lines of workflows, and of dependency manifests, show.
//!
//! Facts: <https://docs.github.com/actions/reference/security/secure-use>: only a full commit hash
//! pins an action; `pull_request_target` runs with the rights of the base; an expression in a script
//! is put in before the shell reads it.

use super::detectors::NewLine;
use super::focus::Focus;
use crate::pulls::areas::{self, Area};

/// Expressions whose text outsiders write.
const OUTSIDERS: [&str; 7] = [
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.comment.body",
    "github.head_ref",
];
/// Lines above an expression in which the key `run:` is looked for.
const RUN_LINES_MAX: usize = 30;

/// What a line shows.
pub(super) fn of_line(
    path: &str,
    area: Area,
    lines: &[NewLine<'_>],
    place: usize,
) -> Vec<(&'static str, Focus)> {
    let code = lines[place].parts.with_strings.trim();
    match area {
        Area::Ci => workflow(lines, place, code),
        Area::Dependencies if !areas::is_lock_file(path) => manifest(code),
        _ => Vec::new(),
    }
}

fn workflow(lines: &[NewLine<'_>], place: usize, code: &str) -> Vec<(&'static str, Focus)> {
    let mut found = Vec::new();
    let item = code.trim_start_matches("- ").trim_start();
    if code.contains("pull_request_target") {
        found.push(("pull_request_target", Focus::Security));
    }
    let writes = item.ends_with(": write")
        || item == "permissions: write-all"
        || item.contains(": write,")
        || item.contains(": write }");
    if writes {
        found.push(("workflow_may_write", Focus::Security));
    }
    if let Some(action) = item.strip_prefix("uses:")
        && !is_pinned(action.trim())
    {
        found.push(("action_not_pinned", Focus::Ci));
    }
    if (code.contains("curl ") || code.contains("wget "))
        && (code.contains("| sh") || code.contains("| bash") || code.contains("| sudo"))
    {
        found.push(("script_from_the_net", Focus::Security));
    }
    let is_outsiders =
        code.contains("${{") && OUTSIDERS.iter().any(|expression| code.contains(expression));
    if is_outsiders && is_in_script(lines, place) {
        found.push(("expression_in_script", Focus::Security));
    }
    if item == "continue-on-error: true" {
        found.push(("failure_allowed", Focus::Ci));
    }
    found
}

fn is_pinned(action: &str) -> bool {
    let action = action.trim_matches(['"', '\'']);
    let is_hash =
        |word: &str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let local = action.starts_with("./") || action.contains("${{");
    local
        || action.contains("@sha256:")
        || action
            .rsplit_once('@')
            .is_some_and(|(_, name)| is_hash(name))
}

/// Whether a line is part of what `run:` gives to a shell.
fn is_in_script(lines: &[NewLine<'_>], place: usize) -> bool {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let key = |text: &str| {
        text.trim_start()
            .trim_start_matches("- ")
            .trim_start()
            .to_owned()
    };
    let here = lines[place].text;
    if key(here).starts_with("run:") {
        return true;
    }
    let before = lines[..place].iter().rev().take(RUN_LINES_MAX);
    let mut outer =
        before.filter(|line| !line.text.trim().is_empty() && indent(line.text) < indent(here));
    outer
        .next()
        .is_some_and(|line| key(line.text).starts_with("run:"))
}

fn manifest(code: &str) -> Vec<(&'static str, Focus)> {
    let mut found = Vec::new();
    let from_git = [
        "git+",
        "git = \"",
        "\"github:",
        "git://",
        ":git =>",
        "\"git@",
    ];
    if from_git.iter().any(|word| code.contains(word)) {
        found.push(("dependency_from_git", Focus::Deps));
    }
    if code.contains(": \"*\"") || code.contains("= \"*\"") || code.contains(": \"latest\"") {
        found.push(("dependency_any_version", Focus::Deps));
    }
    let hooks = ["\"preinstall\":", "\"install\":", "\"postinstall\":"];
    if hooks.iter().any(|word| code.starts_with(word)) {
        found.push(("install_script", Focus::Security));
    }
    found
}
