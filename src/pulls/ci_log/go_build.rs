//! `go build`, `go vet`, what `go test` says of packages it cannot build, and linters that write as
//! vet does (golangci-lint, staticcheck).
//!
//! Packages are headed by `# example.com/api`, those that vet objects to (newer releases) by
//! `# [example.com/api]` as well. What cannot even be loaded has no head, nor has anything that vet
//! says in Go 1.27, or that linters say.

use memchr::memmem;

use super::place::{self, Place};
use super::{Failure, FailureKind, Log, Run, shell_word};

/// Lines that belong to one diagnostic.
const DIAGNOSTIC_LINES_MAX: usize = 40;
/// How the messages begin that come without a head.
const LOADING: [&str; 9] = [
    "no required module provides ",
    "package ",
    "cannot find ",
    "missing go.sum entry ",
    "import ",
    "use of internal package ",
    "build constraints exclude ",
    "expected ",
    "module ",
];

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    runs(|index| log.get(index))
}

/// The failures of lines that hold nothing but what the tool said.
pub(super) fn failures(lines: &[&str]) -> Vec<Failure> {
    runs(|index| lines.get(index).copied())
        .into_iter()
        .flat_map(|run| run.failures)
        .collect()
}

/// `get` gives the line with an index.
fn runs<'a>(get: impl Fn(usize) -> Option<&'a str>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let file = memmem::Finder::new(".go:");
    let mut head: Option<Head<'_>> = None;
    let mut index = 0;
    while let Some(line) = get(index) {
        let start = index;
        index += 1;
        if let Some(text) = line.strip_prefix("# ") {
            head = Head::read(text, head);
            continue;
        }
        // Most lines have no such text at all: this is the cheap question.
        let place = file.find(line.as_bytes()).and_then(|_| diagnostic(line));
        let Some(place) = place else {
            // The compiler stops after ten errors.
            if !line.ends_with("too many errors") {
                head = None;
            }
            continue;
        };
        // As log lines of programs look, but those have no column.
        if head.is_none() && !place.has_column || place.rest == "too many errors" {
            continue;
        }
        let below = (index..).map_while(&get).take(DIAGNOSTIC_LINES_MAX);
        index += below.take_while(|line| line.starts_with('\t')).count();
        let shown = (start..index).filter_map(&get);
        // What vet cannot compile is no matter of vet.
        let is_vet = !line.starts_with("vet: ")
            && head.map_or_else(|| !is_about_loading(place.rest), |head| head.is_vet);
        let failure = failure(place, is_vet).shown_by(shown);
        Run::append(&mut runs, start..index, failure);
    }
    runs
}

fn is_about_loading(message: &str) -> bool {
    LOADING.iter().any(|start| message.starts_with(start))
}

/// The package that the lines below are about.
#[derive(Clone, Copy)]
struct Head<'a> {
    package: &'a str,
    is_vet: bool,
}

impl<'a> Head<'a> {
    fn read(text: &'a str, above: Option<Self>) -> Option<Self> {
        if let Some(package) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            let head = above.filter(|head| head.package == package);
            return head.map(|head| Self {
                is_vet: true,
                ..head
            });
        }
        let package = text.split(" [").next()?;
        let is_package = !package.is_empty() && !package.contains([' ', '`', '*']);
        is_package.then_some(Self {
            package,
            is_vet: false,
        })
    }
}

/// `./main.go:3:7: undefined: x`, `vet: ./main.go:3:7: …` when vet cannot compile.
fn diagnostic(line: &str) -> Option<Place<'_>> {
    let place = place::leading(line.strip_prefix("vet: ").unwrap_or(line))?;
    let is_file = place.file.ends_with(".go") && !place.file.contains([' ', '\t', '"']);
    (is_file && !place.rest.is_empty()).then_some(place)
}

fn failure(place: Place<'_>, is_vet: bool) -> Failure {
    let file = place.file.strip_prefix("./").unwrap_or(place.file);
    let failure = |kind, name: &str, code: &str| {
        Failure::new(kind, name, code, place.rest).at(file, Some(place.line))
    };
    // Linters put their names or codes last: `x is unused (U1000)`.
    let code = place
        .rest
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" ("));
    if let Some((_, code)) = code.filter(|(_, code)| is_vet && !code.contains(' ')) {
        return failure(FailureKind::Lint, "go-lint", code);
    }
    let (kind, name) = if is_vet {
        (FailureKind::Lint, "go-vet")
    } else {
        (FailureKind::Build, "go-build")
    };
    // Only vet compiles the tests without running them.
    let command = if is_vet || file.ends_with("_test.go") {
        "vet"
    } else {
        "build"
    };
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = if folder.starts_with('/') {
        folder.to_owned()
    } else {
        format!("./{folder}")
    };
    failure(kind, name, "").reproduced_by(format!("go {command} {}", shell_word(&folder)))
}
