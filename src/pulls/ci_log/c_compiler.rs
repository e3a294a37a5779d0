//! gcc, clang and the linkers they call (GNU ld, lld, mold, Apple's).

use memchr::memmem;

use super::place::{self, Place};
use super::{Failure, FailureKind, Log, Run};

/// Lines around an error that are read.
const CONTEXT_LINES_MAX: usize = 60;
/// Other compilers write such lines too; these files are ours.
const EXTENSIONS: [&str; 22] = [
    "c", "cc", "cpp", "cxx", "c++", "C", "h", "hh", "hpp", "hxx", "h++", "inl", "ipp", "tcc",
    "inc", "def", "m", "mm", "cu", "cuh", "S", "s",
];

/// In every error of a linker that has no `error:`.
const LINKER_TEXTS: [&str; 4] = [
    "undefined reference to `",
    "multiple definition of `",
    "cannot find ",
    "Undefined symbols for architecture ",
];

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let error = memmem::Finder::new("error: ");
    let linking = LINKER_TEXTS.map(memmem::Finder::new);
    let mut runs: Vec<Run> = Vec::new();
    let mut index = 0;
    while let Some(line) = log.get(index) {
        let found = if error.find(line.as_bytes()).is_some() {
            compiler(log, index).or_else(|| driver(line, index))
        } else if linking
            .iter()
            .any(|text| text.find(line.as_bytes()).is_some())
        {
            linker(log, index)
        } else {
            None
        };
        let Some((failure, end)) = found else {
            index += 1;
            continue;
        };
        Run::append(&mut runs, index..end, failure);
        index = end;
    }
    runs
}

fn build(name: &str, code: &str, message: &str) -> Failure {
    Failure::new(FailureKind::Build, name, code, message)
}

/// `src/a.c:3:7: error: message [-Werror=flag]`, and the source and notes below it.
fn compiler(log: &Log<'_>, start: usize) -> Option<(Failure, usize)> {
    let place = source_place(log.line(start))?;
    let message = place
        .rest
        .strip_prefix("fatal ")
        .unwrap_or(place.rest)
        .strip_prefix("error: ")?;
    let below = log.from(start + 1).take(CONTEXT_LINES_MAX);
    let end = start + 1 + below.take_while(|(_, line)| is_detail(line)).count();
    let (text, flag) = flag(message);
    // In a header of the system the cause is what instantiated a template of it.
    let own = if is_system(place.file) {
        instantiated(log, start, end)
    } else {
        None
    };
    let place = own.unwrap_or(place);
    let lines = log.from(start).take(end - start).map(|(_, line)| line);
    let failure = build("c-compiler", &flag, text).at(file(place.file), Some(place.line));
    Some((failure.shown_by(lines), end))
}

fn source_place(line: &str) -> Option<Place<'_>> {
    let place = place::leading(line)?;
    let extension = place.file.rsplit_once('.')?.1;
    (EXTENSIONS.contains(&extension) && !place.file.starts_with(' ')).then_some(place)
}

fn file(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// A line below an error that is about it: `    3 | source`, carets, notes.
fn is_detail(line: &str) -> bool {
    line.starts_with(' ')
        || source_place(line).is_some_and(|place| place.rest.starts_with("note: "))
}

/// Message and flag of `unused variable 'x' [-Werror,-Wunused-variable]`, the flag as it is given.
fn flag(message: &str) -> (&str, String) {
    let found = message
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once(" [-W"));
    let Some((text, flags)) = found else {
        return (message, String::new());
    };
    let flag = flags
        .strip_prefix("error,-W")
        .or_else(|| flags.strip_prefix("error="));
    (
        text,
        format!("-W{}", flag.unwrap_or(flags).trim_end_matches('=')),
    )
}

fn is_system(file: &str) -> bool {
    file.starts_with("/usr/") || file.contains("/include/c++/") || file.contains("/Xcode")
}

/// Where the code of the project is named: by gcc above the error, by clang below it.
fn instantiated<'a>(log: &'a Log<'_>, start: usize, end: usize) -> Option<Place<'a>> {
    let first = start.saturating_sub(CONTEXT_LINES_MAX);
    let above = log.within(first..start).rev().map(|(_, line)| line);
    let above = above.take_while(|line| !line.contains(" error: "));
    let above = above.filter(|line| line.ends_with("required from here"));
    let below = log.within(start + 1..end).map(|(_, line)| line);
    let below = below.filter(|line| line.ends_with("requested here"));
    let mut places = above.chain(below).filter_map(source_place);
    places.find(|place| !is_system(place.file))
}

/// An error of the compiler as a program: `g++: fatal error: Killed signal terminated program
/// cc1plus`. That the linker failed says only what was said before.
fn driver(line: &str, index: usize) -> Option<(Failure, usize)> {
    let (name, message) = line.split_once(": ")?;
    let message = message
        .strip_prefix("fatal ")
        .unwrap_or(message)
        .strip_prefix("error: ")?;
    let program = name
        .rsplit(['/', '-'])
        .find(|part| part.starts_with(|first: char| first.is_ascii_alphabetic()))?;
    let compilers = [
        "gcc", "g++", "cc", "c++", "cc1", "cc1plus", "clang", "clang++",
    ];
    let linkers = ["ld.lld", "ld64.lld", "mold", "lld"];
    let tool = if compilers.contains(&program) {
        "c-compiler"
    } else if linkers.contains(&program) {
        "linker"
    } else {
        return None;
    };
    let is_sum = message.starts_with("linker command failed")
        || message.contains("warnings being treated as errors");
    (!is_sum).then(|| (build(tool, "", message).shown_by([line]), index + 1))
}

/// Errors of linkers that have no `error:`, and the lines of lld that say where.
fn linker(log: &Log<'_>, start: usize) -> Option<(Failure, usize)> {
    let line = log.line(start);
    // Apple's linker lists the symbols below this line.
    if line.starts_with("Undefined symbols for architecture ") {
        let below = log.from(start + 1).take(CONTEXT_LINES_MAX);
        let end = start + 1 + below.take_while(|(_, line)| line.starts_with(' ')).count();
        let symbol = log.line(start + 1).split('"').nth(1)?;
        let lines = log.from(start).take(end - start).map(|(_, line)| line);
        return Some((
            build("linker", "", &format!("undefined symbol {symbol}")).shown_by(lines),
            end,
        ));
    }
    // The GNU linker begins its lines with its name, but not all of them.
    let is_named = line
        .split(": ")
        .next()
        .is_some_and(|name| name == "ld" || name.ends_with("/ld") || name.ends_with("-ld"));
    let symbol = LINKER_TEXTS[..2].iter().find_map(|text| line.find(text));
    let symbol = symbol.filter(|at| line[..*at].ends_with(": ") && !line.starts_with(' '));
    let Some(at) = symbol.and_then(|at| at.checked_sub(2)) else {
        let (_, missing) = line.split_once("cannot find ").filter(|_| is_named)?;
        let error = format!("cannot find {missing}");
        return Some((build("linker", "", &error).shown_by([line]), start + 1));
    };
    let failure = build("linker", "", &line[at + 2..]);
    // `/usr/bin/ld: src/a.c:(.text+0x6)`, with debug information `src/a.c:12`.
    let place = line[..at].rsplit(": ").next().unwrap_or("");
    let (source, position) = place.rsplit_once(':').unwrap_or((place, ""));
    let failure = match place::number(position) {
        Some((line, "")) => failure.at(source, Some(line)),
        _ if position.starts_with("(.") => failure.at(source, None),
        _ => failure,
    };
    let above = log.line(start.saturating_sub(1));
    let shown = above.contains(": in function `").then_some(above);
    Some((failure.shown_by(shown.into_iter().chain([line])), start + 1))
}
