//! `go test -json`: one event a line, the packages mixed (Go 1.10 and later; 1.24 added the build's
//! output to the events).

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::{Confidence, Failure, Log, Run, go_build, go_package};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    package: Cow<'a, str>,
    test: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    output: Cow<'a, str>,
}

/// A package while its events come.
#[derive(Default)]
struct Package {
    text: String,
    /// Whether it failed, once that is told.
    failed: Option<bool>,
}

/// One `go test -json`.
#[derive(Default)]
struct Stream {
    start: usize,
    last: usize,
    /// Names in the order they first appeared.
    names: Vec<String>,
    packages: HashMap<String, Package>,
    /// Number of packages that have not ended.
    open: usize,
    /// What the compiler said, in events or, before Go 1.24, in lines between them.
    build: Vec<String>,
}

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut stream: Option<Stream> = None;
    for (index, line) in log.from(0) {
        if let Some(event) = event(line) {
            let stream = stream.get_or_insert_with(|| Stream {
                start: index,
                ..Stream::default()
            });
            stream.last = index;
            stream.take(event);
        } else if let Some(current) = &mut stream {
            // A package can be silent before its first event, but none that runs ends the stream.
            if current.open == 0 && !line.starts_with("FAIL\t") {
                runs.extend(stream.take().map(Stream::run));
            } else {
                current.build.push(line.to_owned());
            }
        }
    }
    runs.extend(stream.map(Stream::run));
    runs
}

fn event(line: &str) -> Option<Event<'_>> {
    let begins = ["{\"Time\":", "{\"Action\":", "{\"ImportPath\":"];
    let is_event = line.starts_with('{') && begins.iter().any(|begin| line.starts_with(begin));
    is_event.then(|| serde_json::from_str(line).ok()).flatten()
}

impl Stream {
    fn take(&mut self, event: Event<'_>) {
        if event.package.is_empty() {
            self.build.extend(event.output.lines().map(str::to_owned));
            return;
        }
        if !self.packages.contains_key(&*event.package) {
            self.names.push(event.package.clone().into_owned());
            self.open += 1;
        }
        let package = self.packages.entry(event.package.into_owned()).or_default();
        package.text.push_str(&event.output);
        if event.test.is_none()
            && package.failed.is_none()
            && let action @ ("pass" | "fail" | "skip") = &*event.action
        {
            package.failed = Some(action == "fail");
            self.open -= 1;
        }
    }

    fn run(self) -> Run {
        let build: Vec<&str> = self.build.iter().map(String::as_str).collect();
        let mut failures = go_build::failures(&build);
        for name in &self.names {
            let Some(package) = self.packages.get(name) else {
                continue;
            };
            failures.extend(package_failures(name, package, !failures.is_empty()));
        }
        Run {
            lines: self.start..self.last + 1,
            failures,
        }
    }
}

fn package_failures(name: &str, package: &Package, is_build_told: bool) -> Vec<Failure> {
    let start = format!("FAIL\t{name}");
    let mut lines = package.text.lines();
    let end = lines.rfind(|line| line.starts_with(&start)).unwrap_or("");
    let lines = package.text.lines().filter(|line| *line != end);
    let lines: Vec<&str> = lines.collect();
    match (package.failed, end.rsplit_once(" [")) {
        (Some(true), Some(_)) if is_build_told => Vec::new(),
        (Some(true), Some((_, reason))) => {
            vec![go_package::unbuilt(name, reason.trim_end_matches(']'))]
        }
        (Some(true), None) => go_package::failures(&lines, name),
        (Some(false), _) => Vec::new(),
        (None, _) => {
            let told = go_package::failures(&lines, name).into_iter();
            let told = told.filter(|failure| failure.test != name);
            told.map(|failure| failure.with_confidence(Confidence::Medium))
                .collect()
        }
    }
}
