//! Questions that a change asks of its reviewer, each bound to what makes it: a line, a file, an
//! issue. No question is asked of every pull request.

use std::collections::BTreeMap;

use super::focus::Focus;
use super::report::{Item, Section};
use super::{Looked, template};
use crate::domain::text;
use crate::pulls::PullRequest;
use crate::pulls::areas::{self, Area};
use crate::pulls::context::{Context, says_breaking};
use crate::pulls::files::{ChangedFile, FileStatus};
use crate::pulls::public_api::removed_names;
use crate::pulls::secrets::mask;

/// Longest piece of evidence, in bytes.
const EVIDENCE_BYTES_MAX: usize = 160;
/// Longest line of an issue's task lists, in bytes: one cut short may say the opposite.
pub(super) const CRITERION_BYTES_MAX: usize = 400;

/// What points of a kind ask: `{n}` is how many.
const ASKED: [(&str, &str); 22] = [
    (
        "secret",
        "{n} lines look like secrets: are they real? Then revoke them, for history keeps them",
    ),
    (
        "rust_unwrap",
        "{n} places panic when a value is missing: can each be ruled out?",
    ),
    (
        "rust_expect",
        "{n} places panic with a message: can each be ruled out?",
    ),
    (
        "rust_panic",
        "{n} places panic: is that what callers expect?",
    ),
    (
        "rust_unsafe",
        "{n} unsafe places: does each say why it is sound?",
    ),
    (
        "sql_built_from_strings",
        "{n} statements of SQL are built from strings: is every value bound or fixed?",
    ),
    (
        "eval",
        "{n} places evaluate text as code: can outsiders reach it?",
    ),
    (
        "exec",
        "{n} places evaluate text as code: can outsiders reach it?",
    ),
    (
        "shell_command",
        "{n} places run a shell: can outsiders reach its text?",
    ),
    (
        "unsafe_deserialization",
        "{n} places read objects from bytes: are the bytes trusted?",
    ),
    (
        "raw_html",
        "{n} places put text into a page as it is: is it escaped?",
    ),
    (
        "tls_not_verified",
        "{n} places switch the check of certificates off: is that for tests only?",
    ),
    (
        "bare_except",
        "{n} places drop every error: which errors are meant?",
    ),
    (
        "error_swallowed",
        "{n} places drop errors: which errors are meant?",
    ),
    (
        "test_disabled",
        "{n} tests are disabled: is there an issue that enables them again?",
    ),
    (
        "test_focused",
        "{n} tests run alone: do the others still run in CI?",
    ),
    (
        "assertion_removed",
        "{n} checks were taken out of tests: what covers them now?",
    ),
    (
        "sleep_in_test",
        "{n} tests sleep: can they wait for what they need instead?",
    ),
    (
        "pull_request_target",
        "a workflow runs for outsiders with the rights of the base: does it keep away from their code?",
    ),
    (
        "workflow_may_write",
        "{n} lines let workflows write: is each needed?",
    ),
    (
        "action_not_pinned",
        "{n} actions are not pinned to a commit: are their owners trusted?",
    ),
    (
        "expression_in_script",
        "{n} scripts take in words of outsiders: do they go through the environment?",
    ),
];

/// All questions with all that makes them, grouped by what they are about. `aside` are changed files that were not asked for:
/// nothing is asked about them, but what changed there did change.
pub(super) fn checklist(
    pull: &PullRequest,
    context: &Context,
    looked: &[Looked],
    aside: &[ChangedFile],
    focus: &[Focus],
) -> Vec<Section> {
    let mut list = List::default();
    of_points(&mut list, looked);
    of_tests(&mut list, looked, aside);
    of_dependencies(&mut list, looked, aside);
    of_api(&mut list, pull, context, (looked, aside));
    of_migrations(&mut list, looked, aside);
    of_context(&mut list, pull, context);
    let wanted =
        |category: &str| focus.is_empty() || focus.iter().any(|focus| focus.name() == category);
    let sections = list.0.into_iter().filter(|(category, _)| wanted(category));
    sections
        .map(|(category, items)| Section {
            category,
            items,
            more: 0,
        })
        .collect()
}

#[derive(Default)]
struct List(BTreeMap<&'static str, Vec<Item>>);

impl List {
    fn ask(
        &mut self,
        category: &'static str,
        question: impl Into<String>,
        guidance: Option<String>,
        evidence: Vec<String>,
    ) {
        let evidence = evidence
            .iter()
            .map(|words| short(words, EVIDENCE_BYTES_MAX));
        self.0.entry(category).or_default().push(Item {
            question: question.into(),
            guidance: guidance.map(|words| crate::pulls::short(&words, EVIDENCE_BYTES_MAX)),
            evidence: evidence.collect(),
            more: 0,
        });
    }
}

/// Words of others on one line without secrets, with an ellipsis where they are cut.
pub(super) fn short(words: &str, bytes_max: usize) -> String {
    crate::pulls::short(&mask(words), bytes_max)
}

fn of_points(list: &mut List, looked: &[Looked]) {
    for (code, question) in ASKED {
        let found = looked.iter().flat_map(|file| {
            let points = file.points.iter().filter(move |point| point.code == code);
            points.map(move |point| (point.area, format!("{}:{}", file.file.filename, point.line)))
        });
        let found: Vec<(Focus, String)> = found.collect();
        let Some((area, _)) = found.first() else {
            continue;
        };
        let count = found.len();
        let question = question.replace("{n}", &count.to_string());
        list.ask(
            area.name(),
            question,
            None,
            found.into_iter().map(|(_, place)| place).collect(),
        );
    }
}

/// Code without a change of tests, and tests that are gone.
fn of_tests(list: &mut List, looked: &[Looked], aside: &[ChangedFile]) {
    let mut all = looked.iter().map(|file| &file.file).chain(aside);
    let tested = all.any(|file| {
        let is_test = Area::of(&file.filename) == Area::Tests;
        is_test && file.status != FileStatus::Removed || file.adds_inline_tests()
    });
    let code = looked.iter().filter(|file| {
        file.area.is_code()
            && areas::language(&file.file.filename).is_some()
            && file.file.additions > 0
    });
    let code: Vec<&Looked> = code.collect();
    if !tested && !code.is_empty() {
        let lines: u64 = code.iter().map(|file| file.file.additions).sum();
        let question =
            format!("{lines} lines of code are new and no test changed: what covers them?");
        let guidance = test_place(&code[0].file.filename).map(|place| format!("look for {place}"));
        let paths = code.iter().map(|file| file.file.filename.clone());
        list.ask("tests", question, guidance, paths.collect());
    }
    let gone = looked
        .iter()
        .filter(|file| file.area == Area::Tests && file.file.status == FileStatus::Removed);
    let gone: Vec<String> = gone.map(|file| file.file.filename.clone()).collect();
    if !gone.is_empty() {
        let question = format!(
            "{} files of tests are deleted: what covers their cases now?",
            gone.len()
        );
        list.ask("tests", question, None, gone);
    }
}

/// Where tests of a file are by the custom of its language.
fn test_place(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = name.rsplit_once('.')?;
    let stem = text::one_line(stem);
    let here = if folder.is_empty() {
        String::new()
    } else {
        format!("{}/", text::one_line(folder))
    };
    match areas::language(path)? {
        "Rust" => Some(format!(
            "mod tests in it, {here}tests.rs or tests/{stem}*.rs"
        )),
        "Go" => Some(format!("{here}{stem}_test.go")),
        "Python" => Some(format!("tests/test_{stem}.py")),
        "JavaScript" | "TypeScript" => Some(format!("{here}{stem}.test.{extension}")),
        "Ruby" => Some(format!("spec/**/{stem}_spec.rb")),
        "Java" | "Kotlin" => Some(format!("src/test/**/{stem}Test.{extension}")),
        _ => None,
    }
}

/// A manifest without its lock file, and a lock file without a manifest.
fn of_dependencies(list: &mut List, looked: &[Looked], aside: &[ChangedFile]) {
    let changed = |locks: bool| -> Vec<String> {
        let files = looked.iter().filter(|file| file.area == Area::Dependencies);
        let files = files.filter(|file| areas::is_lock_file(&file.file.filename) == locks);
        files.map(|file| file.file.filename.clone()).collect()
    };
    let has_aside = |locks: bool| {
        let mut names = aside.iter().map(|file| &*file.filename);
        names.any(|name| Area::of(name) == Area::Dependencies && areas::is_lock_file(name) == locks)
    };
    let (manifests, locks) = (changed(false), changed(true));
    if !locks.is_empty() && manifests.is_empty() && !has_aside(false) {
        list.ask(
            "deps",
            "a lock file changed and no manifest did: is the update meant?",
            None,
            locks,
        );
    } else if !manifests.is_empty() {
        let is_alone = locks.is_empty() && !has_aside(true);
        let guidance = is_alone.then(|| "no lock file changed with it".to_owned());
        list.ask(
            "deps",
            "a manifest changed: is each new or newer dependency wanted?",
            guidance,
            manifests,
        );
    }
}

fn of_api(
    list: &mut List,
    pull: &PullRequest,
    context: &Context,
    (looked, aside): (&[Looked], &[ChangedFile]),
) {
    let all = looked.iter().map(|file| &file.file).chain(aside);
    let files: Vec<ChangedFile> = all.cloned().collect();
    // What only moved to a file that was not asked for is not gone.
    let mut gone = removed_names(&files);
    gone.retain(|gone| looked.iter().any(|file| file.file.filename == gone.path));
    if !gone.is_empty() {
        let places = gone
            .iter()
            .map(|gone| format!("{} ({}:{}, before)", gone.name, gone.path, gone.line));
        let question = format!(
            "{} public names are gone: does anybody call them?",
            gone.len()
        );
        list.ask("api", question, None, places.collect());
    }
    let contracts = looked.iter().filter(|file| file.area == Area::ApiContract);
    let contracts: Vec<String> = contracts.map(|file| file.file.filename.clone()).collect();
    if !contracts.is_empty() {
        list.ask(
            "api",
            "an interface description changed: do old clients still work?",
            None,
            contracts,
        );
    }
    let marks = breaking_marks(pull, context);
    let is_noted = files
        .iter()
        .any(|file| Area::of(&file.filename) == Area::Docs);
    if !marks.is_empty() && !is_noted {
        list.ask("docs", "a breaking change is announced and no documentation changed: where do users read of it?", None, marks);
    }
}

/// What announces a breaking change: the title, and commits.
pub(super) fn breaking_marks(pull: &PullRequest, context: &Context) -> Vec<String> {
    let title = says_breaking(&pull.title, "").then(|| format!("title: {}", pull.title));
    let commits = context
        .commits
        .iter()
        .filter(|commit| says_breaking(&commit.message_headline, &commit.message_body));
    let commits = commits.map(|commit| format!("commit: {}", commit.message_headline));
    title.into_iter().chain(commits).collect()
}

/// Migrations of which one direction is missing.
fn of_migrations(list: &mut List, looked: &[Looked], aside: &[ChangedFile]) {
    let all = looked.iter().map(|file| &file.file).chain(aside);
    let paths: Vec<&str> = all.map(|file| &*file.filename).collect();
    let lonely = looked.iter().filter(|file| {
        let name = &file.file.filename;
        file.area == Area::Migrations
            && file.file.status == FileStatus::Added
            && name.contains(".up.")
            && !paths.contains(&&*name.replacen(".up.", ".down.", 1))
    });
    let in_code = looked.iter().filter(|file| {
        file.points
            .iter()
            .any(|point| point.code == "migration_without_down")
    });
    let all: Vec<String> = lonely
        .chain(in_code)
        .map(|file| file.file.filename.clone())
        .collect();
    if !all.is_empty() {
        list.ask(
            "api",
            format!(
                "{} migrations have no way back: how is a deployment undone?",
                all.len()
            ),
            None,
            all,
        );
    }
    let losses = looked.iter().flat_map(|file| {
        let points = file
            .points
            .iter()
            .filter(|point| point.code == "migration_loses_data");
        points.map(|point| format!("{}:{}", file.file.filename, point.line))
    });
    let losses: Vec<String> = losses.collect();
    if !losses.is_empty() {
        list.ask(
            "api",
            "a migration deletes data: is it needed no more, by old versions neither?",
            None,
            losses,
        );
    }
}

fn of_context(list: &mut List, pull: &PullRequest, context: &Context) {
    let open = context.issues.iter().flat_map(|issue| {
        let open = criteria(&issue.body).into_iter().filter(|(done, _)| !done);
        open.map(|(_, words)| (words, issue.name()))
    });
    for (words, issue) in open {
        list.ask(
            "acceptance",
            format!("is it met: {}", short(&words, CRITERION_BYTES_MAX)),
            None,
            vec![issue],
        );
    }
    if let Some(open) = context.unresolved_threads.filter(|open| *open > 0) {
        let question = format!("{open} conversations are not resolved: what is still to answer?");
        list.ask(
            "conversations",
            question,
            Some("find_unresolved_comments".to_owned()),
            Vec::new(),
        );
    }
    if matches!(context.ci.as_deref(), Some("failure" | "error")) {
        let guidance = Some("get_failing_tests".to_owned());
        list.ask(
            "ci",
            "CI fails on the head: does the change make it fail?",
            guidance,
            vec![pull.head_short().to_owned()],
        );
    }
    let untouched =
        template::untouched(pull.body.as_deref().unwrap_or_default(), &context.templates);
    if !untouched.is_empty() {
        let question = "these sections of the template say nothing: do they matter here?";
        list.ask("description", question, None, untouched);
    }
}

/// The lines of task lists: whether each is done, and its words.
pub(super) fn criteria(body: &str) -> Vec<(bool, String)> {
    let item = |line: &str| {
        let line = line.trim_start();
        let rest = ["- ", "* ", "+ "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark))?;
        let done = match rest.get(..3)? {
            "[ ]" => false,
            "[x]" | "[X]" => true,
            _ => return None,
        };
        let words = rest[3..].trim();
        (!words.is_empty()).then(|| (done, words.to_owned()))
    };
    body.lines().filter_map(item).collect()
}
