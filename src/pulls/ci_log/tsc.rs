//! TypeScript 4 to 7: `file(line,column): error TS2322: text`, and `file:line:column - error TS…`
//! when pretty.

use super::{Failure, FailureKind, Log, Run};

const NAME: &str = "tsc";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut index = 0;
    while index < log.len() {
        let Some((diagnostic, pretty)) = diagnostic(log.line(index)) else {
            index += 1;
            continue;
        };
        let end = end(log, index, pretty);
        let shown = log
            .from(index)
            .take(end - index)
            .map(|(_, line)| line)
            .filter(|line| !line.is_empty());
        let failure = diagnostic.shown_by(shown);
        Run::append(&mut runs, index..end, failure);
        index = end;
    }
    runs
}

/// The diagnostic that a line begins, and whether it is a pretty one.
fn diagnostic(line: &str) -> Option<(Failure, bool)> {
    // Almost no line has this.
    let at = memchr::memmem::find(line.as_bytes(), b"error TS")?;
    let (before, rest) = (line.get(..at)?, line.get(at + "error ".len()..)?);
    let (code, text) = rest.split_once(':')?;
    if !code.get(2..)?.bytes().all(|byte| byte.is_ascii_digit()) || code.len() < 4 {
        return None;
    }
    let failure = Failure::new(FailureKind::Build, NAME, code, text)
        .reproduced_by("npx tsc --noEmit".to_owned());
    // Of the whole project: `error TS18003: No inputs were found`.
    if before.is_empty() {
        return Some((failure, false));
    }
    if let Some((file, line)) = before.strip_suffix(": ").and_then(in_parentheses) {
        return Some((failure.at(file, Some(line)), false));
    }
    let (file, line) = super::javascript::place(before.strip_suffix(" - ")?)?;
    Some((failure.at(file, Some(line)), true))
}

/// `file(line,column)`
fn in_parentheses(text: &str) -> Option<(&str, u32)> {
    let (file, place) = text.strip_suffix(')')?.rsplit_once('(')?;
    let (line, column) = place.split_once(',')?;
    column.parse::<u32>().ok()?;
    // What begins with blanks is another tool's text about this tool.
    (!file.is_empty() && !file.starts_with(' ') && !file.contains(": "))
        .then_some((file, line.parse().ok()?))
}

/// Where the text of the diagnostic at `index` ends: it goes on in indented lines; when pretty also
/// in lines of code (`12 let a`), of marks (`  ~~~`), and the places of related code.
fn end(log: &Log<'_>, index: usize, pretty: bool) -> usize {
    let mut end = index + 1;
    for (at, line) in log.from(index + 1).take(40) {
        let first = line.as_bytes().first();
        match first {
            Some(b' ') => end = at + 1,
            // After the code comes an empty line, then the next diagnostic or the count.
            None if pretty => end = at + 1,
            Some(b'0'..=b'9') if pretty => end = at + 1,
            _ => break,
        }
    }
    end
}
