//! How the time of reading a log, a report or an archive grows with its size: for inputs made to
//! be read slowly, twice the size may take only about twice the time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use issuecommand::pulls::ci_log::{self, JobLog, TestReports};
use serde_json::json;

use crate::report::{Bar, Report, Side};
use crate::{Bench, Result, progress};

/// Size at which all inputs are tried once, to find the slow ones.
const TRIED_BYTES: usize = 64 << 10;
/// Smallest of the three sizes at which the slow ones are measured; each is twice the one before.
const BYTES: usize = 2 << 20;
/// So many of the slowest inputs are measured, beside the slowest of each folder of fixtures.
const SLOWEST: usize = 16;
/// Time at twice the size ÷ time, at most: linear is 2, quadratic 4.
const BAR: f64 = 3.0;
/// Times below this are noise, in seconds.
const NOISE: f64 = 0.002;
/// Where one reading takes longer than this many seconds, larger sizes are not tried.
const PATIENCE: f64 = 20.0;

/// Stands for a number that counts up.
const NUMBER: u8 = 0;

/// What reads an input; the count of failures, so that nothing is optimised away.
type Reader = fn(&[u8]) -> usize;

/// A text in which one part is repeated up to any size.
struct Input {
    /// Folder of the fixture that it was made of.
    folder: String,
    name: String,
    read: Reader,
    head: Vec<u8>,
    /// Repeated; [`NUMBER`] in it is counted.
    part: Vec<u8>,
    /// Repeated for the second half, if it is not empty.
    then: Vec<u8>,
    tail: Vec<u8>,
}

impl Input {
    fn of_size(&self, bytes: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes + self.part.len() + self.tail.len());
        text.extend_from_slice(&self.head);
        let first = if self.then.is_empty() {
            bytes
        } else {
            bytes / 2
        };
        for (part, until) in [(&self.part, first), (&self.then, bytes)] {
            let at = part.iter().position(|byte| *byte == NUMBER);
            let mut count = 0;
            while !part.is_empty() && text.len() < until {
                count += 1;
                match at {
                    Some(at) => {
                        text.extend_from_slice(&part[..at]);
                        text.extend_from_slice(count.to_string().as_bytes());
                        text.extend_from_slice(&part[at + 1..]);
                    }
                    None => text.extend_from_slice(part),
                }
            }
        }
        text.extend_from_slice(&self.tail);
        text
    }

    /// Seconds that it takes at this size.
    fn seconds(&self, bytes: usize) -> f64 {
        let text = self.of_size(bytes);
        let begun = Instant::now();
        std::hint::black_box((self.read)(&text));
        begun.elapsed().as_secs_f64()
    }
}

/// Runs the section.
pub fn run(bench: &Bench) -> Result<Report> {
    let rounds = bench.options.rounds.unwrap_or(3);
    let header = ["input", "2 MB, ms", "4 MB, ms", "8 MB, ms", "growth"];
    let mut report = Report::new("linear", bench.machine.clone(), &header);
    let mut inputs = of_fixtures()?;
    inputs.extend(made_up());
    progress(format!("{} inputs of {TRIED_BYTES} bytes", inputs.len()));
    let count = inputs.len();
    let slow = slowest(inputs);
    report.note(format!(
        "{} of {count} inputs, the slowest at {TRIED_BYTES} bytes; the fastest of {rounds} rounds",
        slow.len()
    ));
    let mut worst: Option<f64> = None;
    for input in slow {
        let mut times: Vec<f64> = Vec::new();
        for bytes in [BYTES, 2 * BYTES, 4 * BYTES] {
            if times.last().is_none_or(|seconds| *seconds < PATIENCE) {
                let runs = (0..rounds).map(|_| input.seconds(bytes));
                times.push(runs.fold(f64::INFINITY, f64::min));
            }
        }
        let growth = growth(&times);
        worst = Some(worst.map_or(growth, |worst| worst.max(growth)));
        let mut cells = vec![input.name.clone()];
        cells.extend((0..3).map(|at| match times.get(at) {
            Some(seconds) => format!("{:.1}", seconds * 1e3),
            None => "-".to_owned(),
        }));
        cells.push(format!("{growth:.2}"));
        progress(cells.join("  "));
        report.row(
            cells,
            json!({"input": input.name, "seconds": times, "growth": growth}),
        );
    }
    report.bar(Bar::new("time at twice the size", worst, Side::AtMost, BAR));
    Ok(report)
}

/// The factor for each doubling, over all of them. Reading that takes longer than one has patience
/// for at the smallest size has none.
fn growth(seconds: &[f64]) -> f64 {
    match seconds {
        [first, .., last] => {
            let doublings = (seconds.len() - 1) as f64;
            (last.max(NOISE) / first.max(NOISE)).powf(1.0 / doublings)
        }
        _ => f64::INFINITY,
    }
}

/// The slowest inputs, and the slowest of each folder.
fn slowest(inputs: Vec<Input>) -> Vec<Input> {
    let mut timed: Vec<(f64, Input)> = inputs
        .into_iter()
        .map(|input| (input.seconds(TRIED_BYTES), input))
        .collect();
    timed.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let mut folders = std::collections::HashSet::new();
    let mut slow = Vec::new();
    for (place, (_, input)) in timed.into_iter().enumerate() {
        if folders.insert(input.folder.clone()) || place < SLOWEST {
            slow.push(input);
        }
    }
    slow
}

fn read_log(bytes: &[u8]) -> usize {
    JobLog::read(bytes, None).failures.len()
}

fn read_junit(bytes: &[u8]) -> usize {
    ci_log::parse_junit(bytes).len()
}

fn read_trx(bytes: &[u8]) -> usize {
    ci_log::parse_trx(bytes).len()
}

fn read_archive(bytes: &[u8]) -> usize {
    TestReports::read(bytes).map_or(0, |reports| reports.failures.len())
}

/// Of each recorded log and report: as a whole, and each of its pieces (lines, or tags) repeated in
/// several ways. What follows the repeated part keeps the format recognisable.
fn of_fixtures() -> Result<Vec<Input>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ci-logs");
    let mut inputs = Vec::new();
    for folder in sorted(&root)? {
        for path in sorted(&folder)? {
            let extension = path.extension().and_then(|it| it.to_str());
            let (read, end): (Reader, u8) = match extension {
                Some("log" | "txt") => (read_log, b'\n'),
                Some("xml") => (read_junit, b'>'),
                Some("trx") => (read_trx, b'>'),
                _ => continue,
            };
            let shown = path.strip_prefix(&root)?.display().to_string();
            let whole = fs::read(&path)?;
            let folder = folder.display().to_string();
            let input = |how: String, head: &[u8], part: &[u8], tail: &[u8]| Input {
                folder: folder.clone(),
                name: format!("{shown} {how}"),
                read,
                head: head.to_vec(),
                part: part.to_vec(),
                then: Vec::new(),
                tail: tail.to_vec(),
            };
            inputs.push(input("again and again".to_owned(), b"", &whole, b""));
            let mut start = 0;
            let mut known = std::collections::HashSet::new();
            let pieces: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == end).collect();
            for (place, piece) in pieces.iter().enumerate() {
                let next = start + piece.len();
                let bare = piece.trim_ascii();
                if !bare.is_empty() && known.insert(*piece) {
                    let line = place + 1;
                    let (before, head, tail) = (&whole[..start], &whole[..next], &whole[next..]);
                    let two = pieces[place..pieces.len().min(place + 2)].concat();
                    let mut add = |how: &str, head: &[u8], part: &[u8], tail: &[u8]| {
                        inputs.push(input(format!("line {line}{how}"), head, part, tail));
                    };
                    add(", in its place", head, piece, tail);
                    add(", before all", b"", piece, &whole);
                    add(", endless", &whole, bare, b"\n");
                    add(" and next", b"", &two, &whole);
                    if end == b'\n' {
                        add(
                            ", in groups",
                            b"",
                            &[b"##[group]Run x\n", *piece].concat(),
                            &whole,
                        );
                    }
                    add(", numbered", head, &numbered(piece), tail);
                    add(
                        ", numbered from 1",
                        before,
                        &numbered(piece),
                        &whole[next..],
                    );
                    // Half of it this line, half of it the next.
                    let mut halves = input(format!("line {line}, then next"), head, piece, tail);
                    halves.then = pieces.get(place + 1).map_or(Vec::new(), |it| it.to_vec());
                    inputs.push(halves);
                    // A long line, and then many short ones that may refer to it.
                    let mut long =
                        input(format!("line {line} long, then next"), before, bare, tail);
                    long.then = [&b"\n"[..], pieces.get(place + 1).unwrap_or(piece)].concat();
                    inputs.push(long);
                }
                start = next;
            }
        }
    }
    Ok(inputs)
}

/// With its first number counted, or where it has none with one behind its last word.
fn numbered(piece: &[u8]) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let start = piece
        .iter()
        .position(is_digit)
        .unwrap_or(piece.trim_ascii_end().len());
    let rest = &piece[start..];
    let digits = rest.iter().take_while(|byte| is_digit(byte)).count();
    [&piece[..start], &[NUMBER], &rest[digits..]].concat()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// What no fixture has.
fn made_up() -> Vec<Input> {
    let of = |folder: &str, read: Reader, part: &[u8], tail: &[u8]| Input {
        folder: folder.to_owned(),
        name: format!("{folder} of {}", part.escape_ascii()),
        read,
        head: Vec::new(),
        part: part.to_vec(),
        then: Vec::new(),
        tail: tail.to_vec(),
    };
    let mut inputs = Vec::new();
    let logs: [&[u8]; 14] = [
        b"x",
        b" ",
        b"\n",
        b"\r",
        b"\x1b",
        b"\x1b[",
        b"\x1b]8;;",
        b"\x1b[31m",
        b"\xff",
        b"##[error]",
        b"##[group]x\n",
        b"##[error]x\n",
        b"##[error]Process completed with exit code 1.\n",
        b"2026-11-20T10:00:00.1234567Z ",
    ];
    inputs.extend(
        logs.iter()
            .map(|part| of("log", read_log, part, b"\nerror: x\n")),
    );
    let tags: [&[u8]; 12] = [
        b"<a>",
        b"</a>",
        b"<",
        b"<a ",
        b"<testcase name='a'>",
        b"<testcase name='a'><failure>",
        b"<failure>x</failure>",
        b"<!--",
        b"<![CDATA[",
        b"<!DOCTYPE [",
        b"&",
        b"&amp;",
    ];
    for part in tags {
        inputs.push(of("xml", read_junit, part, b"</a>"));
        inputs.push(of("trx", read_trx, part, b"</a>"));
    }
    let attributes = [&b"<testcase "[..], b"<UnitTestResult "];
    for (head, read) in attributes.into_iter().zip([read_junit as Reader, read_trx]) {
        let mut input = of("attributes", read, b"name='x' ", b"><failure/></testcase>");
        input.head = head.to_vec();
        inputs.push(input);
    }
    let archives: [&[u8]; 5] = [
        b"PK\x05\x06",
        b"PK\x06\x07",
        b"PK\x03\x04",
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0",
        b"PK\x06\x06\x2c\0\0\0\0\0\0\0\0\0\0\0PK\x06\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0",
    ];
    let end = b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0";
    for part in archives {
        inputs.push(of("archive", read_archive, part, b""));
        inputs.push(of("archive", read_archive, part, end));
    }
    inputs
}
