//! JUnit XML: the file that nearly every test runner can write, each in its own way.

use super::javascript::literal;
use super::pytest::Details;
use super::python_trace::{is_installed_python, path_line};
use super::xml::{Element, Step, first_line, push, walk};
use super::{EXCERPT_LINES_MAX, FAILURES_MAX, Failure, FailureKind, go_package, shell_word};

/// What CTest says of a test without a program.
const NOT_BUILT: &str = "Unable to find executable";
/// What jest-junit calls the class of a file that could not be loaded.
const NOT_LOADED: &str = "Test suite failed to run";
/// Most lines of a failure's text in which its place is looked for.
const PLACE_LINES_MAX: usize = 200;

/// Reads a JUnit XML file, or what there is of it. Retried tests that passed in the end
/// (`flakyFailure` and `flakyError` of Surefire and nextest) did not fail.
pub fn parse_junit(bytes: &[u8]) -> Vec<Failure> {
    let mut producer = "junit";
    let mut is_mocha_xunit = false;
    let mut case: Option<(usize, Case)> = None;
    let mut problem: Option<usize> = None;
    let mut failed: Vec<Case> = Vec::new();
    walk(bytes, |step| match step {
        Step::Start(element, depth) => match element.name() {
            b"testsuites" | b"testsuite" | b"property" if producer == "junit" => {
                producer = produced_by(element).unwrap_or(producer);
                // Mocha's own reporter has but one suite, others put it into `testsuites`.
                is_mocha_xunit = producer == "mocha" && element.name() == b"testsuite";
            }
            b"testcase" => {
                let mut next = Case::new(element);
                if producer == "junit" {
                    producer = told_by_case(element, &next).unwrap_or(producer);
                }
                next.name_as(producer, is_mocha_xunit);
                case = Some((depth, next));
            }
            // CTest says of a test whose program was not built that it was skipped, and fails.
            b"skipped" if producer == "ctest" => {
                if let Some((parent, case)) = &mut case
                    && depth == *parent + 1
                    && element.attribute("message") == NOT_BUILT
                {
                    case.is_failed = true;
                    case.message = format!("not run: {NOT_BUILT}");
                }
            }
            b"failure" | b"error" => {
                if let Some((parent, case)) = &mut case
                    && depth == *parent + 1
                    && !case.is_failed
                    // A test without assertions is an error to PHPUnit 9's file, not to its run.
                    && element.attribute("type") != "PHPUnit\\Framework\\RiskyTestError"
                {
                    case.is_failed = true;
                    case.message = element.attribute("message");
                    case.exception = element.attribute("type");
                    problem = Some(depth);
                }
            }
            _ => {}
        },
        Step::Text(text, depth) => {
            if problem == Some(depth)
                && let Some((_, case)) = &mut case
            {
                push(&mut case.text, text);
            }
        }
        Step::End(depth) => {
            if problem == Some(depth) {
                problem = None;
            }
            if let Some((_, case)) = case.take_if(|(start, _)| *start >= depth)
                && case.is_failed
                && failed.len() < FAILURES_MAX
                && !failed.last().is_some_and(|last| case.repeats(last))
            {
                failed.push(case);
            }
        }
    });
    // Of a file that is cut the last test may not be closed.
    failed.extend(case.map(|(_, case)| case).filter(|case| case.is_failed));
    let is_parent = |case: &Case| {
        let inner = format!("{}/", case.name);
        failed
            .iter()
            .any(|other| other.class == case.class && other.name.starts_with(&inner))
    };
    // Go says that the test around a failed subtest failed, too.
    let told = failed
        .iter()
        .filter(|case| producer != "go-test" || !is_parent(case));
    told.map(|case| case.failure(producer)).collect()
}

/// The tool that wrote this suite, where it tells.
fn produced_by(element: &Element<'_>) -> Option<&'static str> {
    if element.name() == b"property" {
        // gotestsum and go-junit-report.
        return (element.attribute("name") == "go.version").then_some("go-test");
    }
    match element.attribute("name").as_str() {
        "pytest tests" | "pytest" => return Some("pytest"),
        "jest tests" => return Some("jest"),
        "vitest tests" => return Some("vitest"),
        "nextest-run" => return Some("nextest"),
        "Mocha Tests" => return Some("mocha"),
        "AllTests" => return Some("googletest"),
        "rspec" => return Some("rspec"),
        _ => {}
    }
    if !element.attribute("assertions").is_empty() {
        return Some("phpunit");
    }
    let schema = element.attribute("xsi:noNamespaceSchemaLocation");
    schema.contains("surefire").then_some("maven")
}

/// The tool that wrote this test, where it is not told above.
fn told_by_case(element: &Element<'_>, case: &Case) -> Option<&'static str> {
    if !element.attribute("failure").is_empty() {
        return Some("node-test");
    }
    let is_ctest = case.class == case.name && !element.attribute("status").is_empty();
    is_ctest.then_some("ctest")
}

/// A `testcase`.
#[derive(Default)]
struct Case {
    class: String,
    name: String,
    file: String,
    line: Option<u32>,
    is_failed: bool,
    message: String,
    exception: String,
    text: String,
}

impl Case {
    fn new(element: &Element<'_>) -> Self {
        Self {
            class: element.attribute("classname"),
            name: element.attribute("name"),
            file: element.attribute("file"),
            line: element.attribute("line").parse().ok(),
            ..Self::default()
        }
    }

    /// Makes the name the one that the framework itself shows.
    fn name_as(&mut self, producer: &str, is_mocha_xunit: bool) {
        if producer == "jest" || is_mocha_xunit {
            let outer = if is_mocha_xunit { &*self.class } else { "" };
            self.name = format!("{outer} {}", self.name).trim().to_owned();
        }
    }

    /// Whether this is but more about the same: jest-junit writes the error of a file that could not
    /// be loaded twice, as text and as data.
    fn repeats(&self, last: &Self) -> bool {
        self.class == NOT_LOADED && last.class == NOT_LOADED && self.name == last.name
    }

    fn failure(&self, producer: &'static str) -> Failure {
        let test = self.id(producer);
        let mut error = first_line(&self.message);
        let mut place = self.place();
        let mut lines: Vec<&str> = self.text.lines().collect();
        let details;
        match producer {
            "pytest" => {
                // pytest's message says where in its own stages it failed, the text says why.
                details = Details::read(&lines, error);
                error = details.error.as_deref().unwrap_or(error);
                place = details.place.or(place);
                lines = details.excerpt.clone();
            }
            "phpunit" => error = lines.get(1).map_or(error, |line| line.trim()),
            "nextest" if error.contains(" panicked at ") => {
                let panic = lines.get(1).filter(|line| !line.trim().is_empty());
                error = panic.map_or(error, |line| line.trim());
            }
            _ => {
                let is_told = |line: &&str| !line.is_empty() && !line.starts_with(['=', '-', '●']);
                if error.is_empty() || error == "Failed" {
                    let mut told = lines.iter().map(|line| line.trim());
                    error = told.find(is_told).unwrap_or(&self.exception);
                }
            }
        }
        if lines.iter().all(|line| line.trim().is_empty()) {
            lines = self.message.lines().take(EXCERPT_LINES_MAX).collect();
        }
        let mut failure = Failure::new(FailureKind::Test, producer, &test, error).shown_by(lines);
        failure.reproduce = self.reproduce(producer, &test);
        match place {
            Some((file, line)) => failure.at(file, Some(line)),
            None if !self.file.is_empty() => failure.at(&self.file, self.line),
            None => failure,
        }
    }

    /// The id as the framework itself writes it.
    fn id(&self, producer: &str) -> String {
        let (class, name) = (self.class.as_str(), self.name.as_str());
        match producer {
            "pytest" => self.node_id(),
            "ctest" | "go-test" | "jest" | "mocha" | "node-test" | "rspec" => name.to_owned(),
            _ if class.is_empty() || name.starts_with(class) => name.to_owned(),
            "phpunit" => format!("{}::{name}", class.replace('.', "\\")),
            "vitest" => format!("{class} > {name}"),
            "nextest" => format!("{class} {name}"),
            _ => format!("{class}.{name}"),
        }
    }

    /// `tests.test_a.TestB` and `test_c[x]` as `tests/test_a.py::TestB::test_c[x]`. Of a file that
    /// could not be collected there is but a name.
    fn node_id(&self) -> String {
        if self.class.is_empty() {
            return format!("{}.py", self.name.replace('.', "/"));
        }
        let is_class = |part: &&str| part.starts_with(|first: char| first.is_uppercase());
        let parts: Vec<&str> = self.class.split('.').collect();
        let classes = parts.iter().rev().take_while(|part| is_class(part)).count();
        let (modules, classes) = parts.split_at(parts.len() - classes);
        let file = match self.file.as_str() {
            "" => format!("{}.py", modules.join("/")),
            file => file.to_owned(),
        };
        let names = classes.iter().copied().chain([self.name.as_str()]);
        [file.as_str()]
            .into_iter()
            .chain(names)
            .collect::<Vec<_>>()
            .join("::")
    }

    fn reproduce(&self, producer: &str, test: &str) -> Option<String> {
        let word = shell_word;
        Some(match producer {
            "pytest" => format!("pytest {}", word(test)),
            "jest" if self.class == NOT_LOADED => format!("npx jest {}", word(&self.name)),
            "jest" if !self.file.is_empty() => {
                let name = literal(&self.name);
                format!("npx jest {} -t {}", word(&self.file), word(&name))
            }
            "vitest" => format!("npx vitest run {}", word(&self.class)),
            "nextest" => {
                format!(
                    "cargo nextest run -E {}",
                    word(&format!("test(={})", self.name))
                )
            }
            "go-test" => {
                let pattern = go_package::pattern(&self.name);
                format!("go test {} -run {}", word(&self.class), word(&pattern))
            }
            "maven" => {
                let method = self.name.split(['(', '{', '[']).next().unwrap_or_default();
                format!(
                    "mvn test -Dtest={}",
                    word(&format!("{}#{method}", self.class))
                )
            }
            // A data provider that fails is a test without a class.
            "phpunit" if self.class.is_empty() => "vendor/bin/phpunit".to_owned(),
            "phpunit" => {
                let method = self
                    .name
                    .split(" with data set ")
                    .next()
                    .unwrap_or_default();
                let class = self.class.rsplit('.').next().unwrap_or_default();
                format!(
                    "vendor/bin/phpunit --filter {}",
                    word(&format!("{class}::{method}"))
                )
            }
            "rspec" if !self.file.is_empty() => format!("rspec {}", word(&self.file)),
            _ => return None,
        })
    }

    /// The first place in the text that is in the project's own code.
    fn place(&self) -> Option<(&str, u32)> {
        let lines = self
            .text
            .lines()
            .chain(self.message.lines())
            .take(PLACE_LINES_MAX);
        let words = lines.flat_map(|line| line.split([' ', '\t', '(', ')', '"', '\'']));
        words.filter_map(|word| self.own_place(word)).next()
    }

    fn own_place<'a>(&self, word: &'a str) -> Option<(&'a str, u32)> {
        if !word.contains(':') {
            return None;
        }
        let (path, line, _) = path_line(word.strip_prefix("file://").unwrap_or(word))?;
        let (stem, extension) = path.rsplit_once('.')?;
        let foreign = ["node_modules/", "/rustc/", "/vendor/", "node:", "/.cargo/"];
        let is_foreign = foreign.iter().any(|part| path.contains(part));
        let is_own = match extension {
            // A stack trace of the JVM has file names only: the test's is that of its class.
            "java" | "kt" | "scala" | "groovy" => {
                let class = self.class.split('$').next().unwrap_or_default();
                class.rsplit('.').next() == Some(stem)
            }
            "py" => !is_installed_python(path),
            "rs" | "go" | "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" | "vue"
            | "rb" | "php" | "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "swift" | "ex" | "exs"
            | "dart" | "bats" | "lua" => true,
            _ => false,
        };
        (is_own && !is_foreign).then_some((path, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_recorded_file_gives_exactly_the_expected_failures() {
        super::super::tests::check("junit", "xml", parse_junit);
    }

    #[test]
    fn names_are_no_patterns_in_commands() {
        let case = "<testcase classname='p' name='T/a(b)' file='a.js'><failure/></testcase>";
        let command = |head: &str| {
            let file = format!("{head}{case}");
            parse_junit(file.as_bytes()).remove(0).reproduce
        };
        let jest = command("<testsuites name='jest tests'>");
        assert_eq!(jest.as_deref(), Some(r"npx jest a.js -t 'T/a\(b\)'"));
        let go = command("<testsuite><property name='go.version'/>");
        assert_eq!(go.as_deref(), Some(r"go test p -run '^T$/^a\(b\)$'"));
    }

    #[test]
    fn a_deep_or_cut_or_broken_file_is_read_as_far_as_it_goes() {
        let deep =
            "<testsuite>".repeat(200_000) + "<testcase name='a'><failure message='&bad; &amp;'/>";
        let failures = parse_junit(deep.as_bytes());
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].error, "&bad; &amp;");
        let cut = b"<testsuite><testcase name='a'/><testcase name='b'><error>no \xff &#x41;&lt;";
        assert_eq!(parse_junit(cut)[0].error, "no \u{fffd} A<");
        assert!(parse_junit(b"</a></b><testcase><failure></x></y></z><<<").len() <= 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            parse_junit(&bytes);
        }

        #[test]
        fn any_mixture_of_tags_is_read(parts in prop::collection::vec(prop::sample::select(vec![
            "<testsuite>", "</testsuite>", "<testcase name='a' classname='b.C'>", "</testcase>",
            "<failure>", "</failure>", "<error/>", "<![CDATA[", "]]>", "&amp;", "&#0;", "&", "<", "é",
            "<!--", "-->", "a.py:1:", "<testsuite name='pytest'>", "E   x\n",
        ]), 0..60)) {
            parse_junit(parts.concat().as_bytes());
        }
    }
}
