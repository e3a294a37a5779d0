//! What the output of one failed Rust test says is wrong: its panic, its `Err`, or what libtest
//! itself objects to.

use super::{Failure, place};

/// Lines of a panic message that are looked through for the end of an old-style message.
const MESSAGE_LINES_MAX: usize = 100;

/// Completes `failure`, of the test called `name`, by what `output` tells.
pub(super) fn explain(mut failure: Failure, name: &str, output: &[&str]) -> Failure {
    let panic = telling(name, output);
    let note = output.iter().rposition(|line| {
        line.starts_with("note: test did not panic") || line.starts_with("note: panic did not")
    });
    // A test that returns `Err`; a doctest that does not compile; anything else.
    let returned = || output.iter().rfind(|line| line.starts_with("Error: "));
    let compiler = || output.iter().find(|line| line.starts_with("error"));
    let any = || output.iter().find(|line| !line.trim().is_empty());
    let error = match (&panic, note) {
        // `should_panic`: the panic, if there is one, was wanted; only its text is wrong.
        (_, Some(note)) => should_panic(&output[note..]),
        (Some(panic), None) => panic.message.to_owned(),
        (None, None) => {
            let line = returned().or_else(compiler).or_else(any);
            line.map_or("", |line| line.trim()).to_owned()
        }
    };
    if !error.is_empty() {
        failure = Failure {
            error: Failure::new(failure.kind, "", "", &error).error,
            ..failure
        };
    }
    let start = panic.as_ref().map_or(0, |panic| panic.at);
    let unwanted = note.and_then(|note| output[note].split_once(" at ")?.1.into());
    let named = panic.as_ref().map(|panic| panic.place).or(unwanted);
    if let Some(place) = named.and_then(|named| own_place(named, &output[start..])) {
        failure = failure.at(place.file, Some(place.line));
    }
    failure.shown_by(without_backtrace(&output[start..]))
}

struct Panic<'a> {
    /// Index of its first line.
    at: usize,
    thread: &'a str,
    /// First line of the message.
    message: &'a str,
    place: &'a str,
}

/// The panic that tells why the test failed: the last one of its own thread, unless that only
/// passes on the panic of another thread.
fn telling<'a>(name: &str, output: &[&'a str]) -> Option<Panic<'a>> {
    let mut first = None;
    let mut last = None;
    let mut own = None;
    for at in 0..output.len() {
        if !output[at].starts_with("thread '") {
            continue;
        }
        let Some(panic) = panic_at(output, at) else {
            continue;
        };
        first = first.or(Some(at));
        last = Some(at);
        if panic.thread == name {
            own = Some(at);
        }
    }
    let panic = panic_at(output, own.or(last)?)?;
    // What `JoinHandle::join` returns says nothing of the payload.
    if panic.message.ends_with("on an `Err` value: Any { .. }") {
        return panic_at(output, first?);
    }
    Some(panic)
}

/// The panic whose first line this is. Rust 1.73 changed
/// `thread 'a' panicked at 'message', src/lib.rs:7:20` to
/// `thread 'a' panicked at src/lib.rs:7:20:`, and the message on its own lines; later releases put
/// the thread's number behind its name.
fn panic_at<'a>(output: &[&'a str], at: usize) -> Option<Panic<'a>> {
    let (thread, rest) = output.get(at)?.strip_prefix("thread '")?.split_once('\'')?;
    let (_, told) = rest.split_once("panicked at ")?;
    let following = output.get(at + 1..)?;
    if let Some(message) = told.strip_prefix('\'') {
        let lines = std::iter::once(&told)
            .chain(following)
            .take(MESSAGE_LINES_MAX);
        let place = lines
            .filter_map(|line| line.rsplit_once("', "))
            .map(|(_, place)| place);
        let place = place
            .into_iter()
            .find(|place| place::leading(place).is_some())?;
        let message = message
            .rsplit_once("', ")
            .map_or(message, |(message, _)| message);
        return Some(Panic {
            at,
            thread,
            message,
            place,
        });
    }
    let place = told.strip_suffix(':')?;
    let message = following.iter().find(|line| !line.trim().is_empty());
    let message = message.map_or("", |line| line.trim());
    Some(Panic {
        at,
        thread,
        message,
        place,
    })
}

/// The place, or if it lies in the standard library or a dependency, the innermost place of the
/// backtrace that does not.
fn own_place<'a>(named: &'a str, panic: &[&'a str]) -> Option<place::Place<'a>> {
    let foreign = |path: &str| {
        path.starts_with("/rustc/") || path.contains("/library/") || path.contains("/.cargo/")
    };
    if !foreign(named) {
        return place::leading(named);
    }
    let frames = panic
        .iter()
        .filter_map(|line| line.trim_start().strip_prefix("at "));
    let frame = frames.into_iter().find(|place| !foreign(place))?;
    place::leading(frame.strip_prefix("./").unwrap_or(frame))
}

/// libtest's note of a test with `#[should_panic]`, with what was and what should have been said.
fn should_panic(note: &[&str]) -> String {
    let first = note
        .first()
        .map_or("", |line| line.trim_start_matches("note: "));
    let first = first.split_once(" at ").map_or(first, |(what, _)| what);
    let texts = note
        .iter()
        .skip(1)
        .take(2)
        .map(|line| line.trim_matches([' ', ',']));
    let texts =
        texts.filter(|line| line.starts_with("panic message") || line.starts_with("expected"));
    texts.fold(first.to_owned(), |told, text| told + "; " + text)
}

fn without_backtrace<'a>(panic: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    panic.iter().copied().filter(move |line| {
        let note = line.starts_with("note: run with `RUST_BACKTRACE")
            || line.starts_with("note: Some details are omitted");
        inside = !note && (inside || *line == "stack backtrace:");
        !inside && !note
    })
}
