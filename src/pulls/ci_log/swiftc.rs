//! The Swift compiler, as `swift build`, `swift test` and `xcodebuild` run it. Recorded is Swift 6;
//! Swift 5 and Xcode are from their documented output.

use memchr::memmem;

use super::place::{self, Place};
use super::{Failure, FailureKind, Log, Run};

/// Lines below an error that are read.
const CONTEXT_LINES_MAX: usize = 40;

/// What cannot be compiled. `error: fatalError` and `error: build had 1 command failures` only sum
/// up, and the same error comes again from each pass over the file.
pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let error = memmem::Finder::new(".swift:");
    let mut runs: Vec<Run> = Vec::new();
    let mut index = 0;
    while let Some(line) = log.get(index) {
        let found = error.find(line.as_bytes()).and_then(|_| source_place(line));
        let message = found.and_then(|place| Some((place, message(place)?)));
        let Some((place, message)) = message else {
            index += 1;
            continue;
        };
        let below = log.from(index + 1).take(CONTEXT_LINES_MAX);
        let end = index + 1 + below.take_while(|(_, line)| is_detail(line)).count();
        let lines = log.from(index).take(end - index).map(|(_, line)| line);
        let failure = Failure::new(FailureKind::Build, "swiftc", "", message)
            .at(place.file, Some(place.line))
            .shown_by(lines);
        Run::append(&mut runs, index..end, failure);
        index = end;
    }
    runs
}

/// The place a diagnostic begins with. The assertions of XCTest have no column.
fn source_place(line: &str) -> Option<Place<'_>> {
    let place = place::leading(line)?;
    let is_source = place.file.ends_with(".swift") && !place.file.starts_with(' ');
    (is_source && place.has_column).then_some(place)
}

fn message(place: Place<'_>) -> Option<&str> {
    let rest = place.rest.strip_prefix("fatal ").unwrap_or(place.rest);
    rest.strip_prefix("error: ")
}

/// A line below an error that is about it: ` 3 | source`, carets, notes.
fn is_detail(line: &str) -> bool {
    line.starts_with([' ', '\t'])
        || source_place(line).is_some_and(|place| place.rest.starts_with("note: "))
}
