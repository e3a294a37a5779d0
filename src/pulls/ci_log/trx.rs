//! TRX: the test results of `dotnet test --logger trx` (Visual Studio's schema of 2010), and of the
//! reporters of jest, mocha and jasmine that write it for Azure Pipelines.

use std::collections::{HashMap, HashSet};

use super::javascript::own_frame;
use super::xml::{Element, Step, first_line, push, walk};
use super::{FAILURES_MAX, Failure, FailureKind, shell_word};

const NAME: &str = "dotnet-test";
/// Of tests that are in no assembly: the file does not say what ran them.
const FOREIGN: &str = "trx";

/// Reads a TRX file, or what there is of it.
pub fn parse_trx(bytes: &[u8]) -> Vec<Failure> {
    let mut open: Vec<(usize, TestResult)> = Vec::new();
    let mut failed: Vec<TestResult> = Vec::new();
    let mut methods: HashMap<String, Method> = HashMap::new();
    let mut definition = String::new();
    // The element whose text is wanted, and its depth.
    let mut wanted: Option<(usize, Text)> = None;
    let mut crashes = Vec::new();
    walk(bytes, |step| match step {
        Step::Start(element, depth) => match element.name() {
            b"UnitTestResult" => {
                // A test with rows of data fails because a row did.
                if let Some((_, parent)) = open.last_mut() {
                    parent.has_inner = true;
                }
                open.push((depth, TestResult::new(element)));
            }
            b"Message" => wanted = Some((depth, Text::Message)),
            b"StackTrace" => wanted = Some((depth, Text::Stack)),
            b"UnitTest" => definition = element.attribute("id"),
            b"TestMethod" => {
                let class = element.attribute("className");
                let class = class.split(',').next().unwrap_or_default().to_owned();
                let name = element.attribute("name");
                let code = element.attribute("codeBase");
                let method = Method { class, name, code };
                methods.insert(std::mem::take(&mut definition), method);
            }
            b"RunInfo" if element.attribute("outcome") == "Error" => {
                crashes.push(String::new());
            }
            b"Text" if !crashes.is_empty() => wanted = Some((depth, Text::Crash)),
            _ => {}
        },
        Step::Text(text, depth) => {
            if let Some((_, kind)) = wanted.as_ref().filter(|(at, _)| *at == depth) {
                let result = open.last_mut().map(|(_, result)| result);
                match (kind, result) {
                    (Text::Message, Some(result)) => push(&mut result.message, text),
                    (Text::Stack, Some(result)) => push(&mut result.stack, text),
                    (Text::Crash, None) => crashes
                        .iter_mut()
                        .next_back()
                        .into_iter()
                        .for_each(|crash| push(crash, text)),
                    _ => {}
                }
            }
        }
        Step::End(depth) => {
            wanted.take_if(|(at, _)| *at >= depth);
            while let Some((_, result)) = open.pop_if(|(at, _)| *at >= depth) {
                if result.is_failed && failed.len() < FAILURES_MAX {
                    failed.push(result);
                }
            }
        }
    });
    failed.extend(
        open.into_iter()
            .map(|(_, result)| result)
            .filter(|result| result.is_failed),
    );
    let mut seen = HashSet::new();
    let results = failed.iter().filter(|result| !result.has_inner);
    let tests = results.map(|result| result.failure(&methods));
    let crash = |text: &String| {
        Failure::new(FailureKind::Test, NAME, "", first_line(text)).shown_by(text.lines())
    };
    let is_crash = |text: &&String| !only_sums_up(text, !failed.is_empty());
    let failures = tests.chain(crashes.iter().filter(is_crash).map(crash));
    failures
        .filter(|failure| seen.insert((failure.test.clone(), failure.error.clone())))
        .collect()
}

/// Whether an error of the run only repeats what the results tell. xUnit reports each test that fails
/// or is skipped, some versions all in one line; the newer platform says how it exited.
fn only_sums_up(text: &str, has_failed: bool) -> bool {
    let text = text.trim();
    let is_result = text.ends_with(" [FAIL]") || text.ends_with(" [SKIP]");
    is_result || has_failed && text.starts_with("Exit code indicates failure: ")
}

/// A text that is read.
enum Text {
    Message,
    Stack,
    Crash,
}

/// Where a test is defined.
struct Method {
    class: String,
    name: String,
    /// The assembly, or of another language the file of the tests, or what wrote this.
    code: String,
}

impl Method {
    fn is_foreign(&self) -> bool {
        let code = self.code.to_ascii_lowercase();
        !code.is_empty() && !code.ends_with(".dll") && !code.ends_with(".exe")
    }

    /// What `FullyQualifiedName` is of its tests: without the arguments, which NUnit writes here.
    fn full_name(&self) -> String {
        let name = self.name.split(['(', ' ']).next().unwrap_or_default();
        if name.starts_with(&self.class) {
            return name.to_owned();
        }
        format!("{}.{name}", self.class)
    }
}

struct TestResult {
    name: String,
    definition: String,
    outcome: String,
    is_failed: bool,
    has_inner: bool,
    message: String,
    stack: String,
}

impl TestResult {
    fn new(element: &Element<'_>) -> Self {
        let outcome = element.attribute("outcome");
        Self {
            name: element.attribute("testName"),
            definition: element.attribute("testId"),
            is_failed: matches!(outcome.as_str(), "Failed" | "Error" | "Timeout" | "Aborted"),
            outcome: outcome.to_ascii_lowercase(),
            has_inner: false,
            message: String::new(),
            stack: String::new(),
        }
    }

    fn failure(&self, methods: &HashMap<String, Method>) -> Failure {
        let method = methods.get(&self.definition);
        if let Some(method) = method.filter(|method| method.is_foreign()) {
            return self.foreign_failure(&method.code);
        }
        // xUnit writes the class into the name, MSTest and NUnit do not.
        let class = method.map_or("", |method| &method.class);
        let test = match class {
            "" => self.name.clone(),
            class if self.name.starts_with(class) => self.name.clone(),
            class => format!("{class}.{}", self.name),
        };
        // The name that is shown may be a sentence.
        let method = match method.filter(|method| !method.name.is_empty()) {
            Some(method) => method.full_name(),
            None => test.split(['(', ' ']).next().unwrap_or_default().to_owned(),
        };
        // xUnit's `[Test Class Cleanup Failure (Api.Tests.UserTests.Greets)]`.
        let cleaned = self.name.strip_prefix("[Test ").and_then(|name| {
            let (_, inner) = name.split_once(" Failure (")?;
            inner.strip_suffix(")]")
        });
        let method = cleaned.map_or(method, str::to_owned);
        let filter = shell_word(&format!("FullyQualifiedName={method}"));
        let failure = self
            .bare_failure(NAME, &test)
            .reproduced_by(format!("dotnet test --filter {filter}"));
        let place = self.stack.lines().find_map(|line| {
            // `   at A.B() in /src/B.cs:line 12`: frames without a source are not ours.
            let (path, line) = line.split_once(" in ")?.1.rsplit_once(":line ")?;
            Some((path, line.trim().parse().ok()?))
        });
        match place {
            Some((path, line)) => failure.at(path, Some(line)),
            None => failure,
        }
    }

    /// Of a test that no assembly holds. `code` is its file with some reporters.
    fn foreign_failure(&self, code: &str) -> Failure {
        let failure = self.bare_failure(FOREIGN, &self.name);
        let lines = self.stack.lines().chain(self.message.lines());
        // Jasmine's reporter makes a list of them.
        let mut lines = lines.map(|line| line.trim_start_matches([' ', '-']));
        match lines.find_map(own_frame) {
            Some((path, line)) => failure.at(path, Some(line)),
            None if code.contains('.') => failure.at(code, None),
            None => failure,
        }
    }

    fn bare_failure(&self, framework: &str, test: &str) -> Failure {
        let lines = self.message.lines().chain(self.stack.lines());
        let error = [first_line(&self.message), first_line(&self.stack)];
        let error = error.into_iter().find(|line| !line.is_empty());
        let error = error.unwrap_or(&self.outcome);
        let error = error.trim_start().trim_start_matches("- ");
        Failure::new(FailureKind::Test, framework, test, error).shown_by(lines)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_recorded_file_gives_exactly_the_expected_failures() {
        super::super::tests::check("trx", "trx", parse_trx);
    }

    proptest! {
        #[test]
        fn any_mixture_of_tags_is_read(parts in prop::collection::vec(prop::sample::select(vec![
            "<UnitTestResult outcome='Failed'>", "</UnitTestResult>", "<Message>", "</Message>",
            "<StackTrace>", "<TestMethod className='A'/>", "<RunInfo outcome='Error'>", "<Text>",
            "</Text>", "a", "&lt;", "<", " in b.cs:line 3\n",
        ]), 0..60)) {
            parse_trx(parts.concat().as_bytes());
        }
    }
}
