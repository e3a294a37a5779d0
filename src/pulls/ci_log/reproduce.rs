//! Commands for failures whose format has none of its own: what `make` says it could not build, the
//! program that holds the tests, else the whole step that failed.
//!
//! The log is a stranger's text, so that a step's command is only repeated when it is one line, starts
//! a tool that builds or tests or a program of the repository, holds nothing but plain words, and none
//! that publishes, deploys or deletes.

use std::ops::Range;

use super::log::COMPLETED;
use super::{Failure, FailureKind, Log, shell_word};

/// Longest command of a step that is repeated, in bytes.
const COMMAND_BYTES_MAX: usize = 200;
/// How far below a diagnostic `make` gives up.
const MAKE_LINES_MAX: usize = 20;
/// Parts of words that say that a command does more than to build and to test: it reaches other people
/// or takes something away. Nobody may do that again only to see a failure.
const LASTING: [&str; 10] = [
    "delete", "deploy", "destroy", "drop", "prune", "publish", "push", "release", "rollback",
    "upload",
];
/// What builds and tests, as the first word of a command.
const TOOLS: [&str; 58] = [
    "bazel",
    "bazelisk",
    "bun",
    "bundle",
    "cabal",
    "cargo",
    "clang",
    "clang++",
    "cmake",
    "composer",
    "ctest",
    "deno",
    "dotnet",
    "dune",
    "eslint",
    "g++",
    "gcc",
    "gmake",
    "go",
    "golangci-lint",
    "gradle",
    "hatch",
    "jest",
    "just",
    "make",
    "meson",
    "mix",
    "mvn",
    "mypy",
    "ninja",
    "node",
    "nox",
    "npm",
    "npx",
    "pdm",
    "perl",
    "phpunit",
    "pnpm",
    "poetry",
    "prove",
    "pytest",
    "python",
    "python3",
    "rake",
    "rebar3",
    "rspec",
    "ruby",
    "ruff",
    "sbt",
    "stack",
    "swift",
    "task",
    "tox",
    "tsc",
    "uv",
    "vitest",
    "xcodebuild",
    "yarn",
];
/// Folders that builds write programs to. A program elsewhere may be a script around the tests.
const BUILD_FOLDERS: [&str; 6] = [
    "build",
    "out",
    "bin",
    "bazel-bin",
    "builddir",
    "cmake-build",
];

/// What a log tells of its steps.
pub(super) struct Commands<'a> {
    log: &'a Log<'a>,
    /// Where each step begins, in order, and its command if that can be repeated.
    steps: Vec<(usize, Option<&'a str>)>,
}

impl<'a> Commands<'a> {
    pub fn new(log: &'a Log<'a>) -> Self {
        let groups = log.led_by(0..log.len(), |first| first == b'#');
        let steps = groups.filter_map(|(index, line)| {
            let shown = line.strip_prefix("##[group]Run ")?;
            Some((index, step_command(log, index, shown)))
        });
        Self {
            log,
            steps: steps.collect(),
        }
    }

    /// The failure of a run on these lines, with a command if one can be derived.
    pub fn complete(&self, lines: &Range<usize>, failure: Failure) -> Failure {
        if failure.reproduce.is_some() || !is_of_code(failure.kind) {
            return failure;
        }
        let step = self.step_at(lines.start);
        let command = match &*failure.framework {
            "gtest" => step.and_then(|step| gtest(step, &failure.test)),
            "c-compiler" | "linker" => self.target(lines.end),
            _ => None,
        };
        match command.or_else(|| step.map(str::to_owned)) {
            Some(command) => failure.reproduced_by(command),
            None => failure,
        }
    }

    /// The failure of a step of which nothing but its end is known.
    pub fn complete_unknown(&self, failure: Failure) -> Failure {
        let mut errors = self.log.errors.iter();
        let end = errors.find(|index| self.log.line(**index).starts_with(COMPLETED));
        match end.and_then(|end| self.step_at(*end)) {
            Some(step) if failure.kind == FailureKind::Unknown => {
                failure.reproduced_by(step.to_owned())
            }
            _ => failure,
        }
    }

    /// The command of the step that this line belongs to.
    fn step_at(&self, line: usize) -> Option<&'a str> {
        let after = self.steps.partition_point(|(start, _)| *start <= line);
        self.steps.get(after.checked_sub(1)?)?.1
    }

    /// `make: *** [Makefile:3: app] Error 1` below a diagnostic. What a make of another folder, or one
    /// that CMake wrote, could not build, cannot be built from here.
    fn target(&self, end: usize) -> Option<String> {
        let mut below = self.log.from(end).take(MAKE_LINES_MAX);
        let (tool, told) = below.find_map(|(_, line)| line.split_once(": *** ["))?;
        let (target, _) = told.split_once("] Error ")?;
        let target = match target.split_once(": ") {
            None => target,
            Some((place, target)) => {
                let (file, _) = place.split_once(':')?;
                let is_own = ["Makefile", "makefile", "GNUmakefile"].contains(&file);
                is_own.then_some(target)?
            }
        };
        let is_outermost = ["make", "gmake"].contains(&tool);
        let is_target = !target.is_empty() && !target.starts_with('-');
        (is_outermost && is_target && !lasts(target))
            .then(|| format!("{tool} {}", shell_word(target)))
    }
}

/// Not what a runner or a service is to blame for.
fn is_of_code(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Test | FailureKind::Build | FailureKind::Lint
    )
}

/// The command of the step whose heading is at `start`, where it is a plain one. The runner shows the
/// first line of the script, then the whole script, then the shell.
fn step_command<'a>(log: &'a Log<'_>, start: usize, shown: &'a str) -> Option<&'a str> {
    let shell = log.line(start + 2).strip_prefix("shell: ")?;
    let shell = shell.split(' ').next()?;
    let shell = shell.rsplit('/').next()?;
    let is_one_line = log.line(start + 1).trim() == shown.trim();
    let is_posix = ["bash", "sh", "dash", "zsh"].contains(&shell);
    (is_one_line && is_posix && is_plain(shown.trim())).then_some(shown.trim())
}

fn is_plain(command: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./:@%+,=".contains(&byte);
    let is_fit = command.len() <= COMMAND_BYTES_MAX && command.bytes().all(plain);
    if !is_fit || lasts(command) || command.contains("://") {
        return false;
    }
    // Variables may stand before it.
    let program = command.split(' ').find(|word| !word.contains('='));
    let program = program.unwrap_or_default();
    TOOLS.contains(&program) || is_of_repository(program)
}

/// `npm publish`, `make docker-push`, `scripts/deploy.sh`; not `swift build -c release` or
/// `npm run test:release`.
fn lasts(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    words.iter().enumerate().any(|(place, word)| {
        let is_value = place > 0 && words[place - 1].starts_with('-');
        let name = word.rsplit('/').next().unwrap_or(word);
        let mut parts = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        let is_of_option = word.starts_with('-') || is_value && *word == "release";
        !is_of_option
            && !parts
                .clone()
                .any(|part| ["check", "test", "tests"].contains(&part))
            && parts.any(|part| LASTING.contains(&part))
    })
}

/// `./configure`, `scripts/test`: a path within the repository.
fn is_of_repository(program: &str) -> bool {
    let parts: Vec<&str> = program.split('/').collect();
    parts.len() > 1 && !parts[0].is_empty() && !parts.contains(&"..")
}

/// One test of a program that a step starts directly: `build/tests --gtest_filter=Math.Adds`.
fn gtest(step: &str, test: &str) -> Option<String> {
    let program = step.split(' ').next()?;
    let mut folders = program.split('/').rev().skip(1);
    let is_built = folders.any(|folder| BUILD_FOLDERS.contains(&folder));
    let is_program = is_built && !program.contains('=') && !step.contains("--gtest_");
    is_program.then(|| format!("{step} {}", shell_word(&format!("--gtest_filter={test}"))))
}

#[cfg(test)]
mod tests {
    use super::super::{JobLog, parse};

    /// A job whose step runs `script` in `shell` and prints `output`.
    fn job(script: &str, shell: &str, output: &str) -> String {
        let first = script.lines().next().unwrap_or_default();
        let lines: String = script
            .lines()
            .map(|line| format!("\x1b[36;1m{line}\x1b[0m\n"))
            .collect();
        format!(
            "##[group]Run actions/checkout@v5\nwith:\n  depth: 1\n##[endgroup]\n\
             ##[group]Run {first}\n{lines}shell: {shell}\nenv:\n  A: b\n##[endgroup]\n{output}\
             ##[error]Process completed with exit code 2.\n"
        )
    }

    const BASH: &str = "/usr/bin/bash -e {0}";
    const GCC: &str = "src/a.c:3:7: error: expected ';' before '}' token\n";
    const GTEST: &str = "[==========] Running 1 test from 1 test suite.\n\
        [ RUN      ] Math.Adds\nmath.cc:3: Failure\nExpected: 1\n[  FAILED  ] Math.Adds (0 ms)\n\
        [==========] 1 test from 1 test suite ran. (0 ms total)\n[  PASSED  ] 0 tests.\n\
        [  FAILED  ] 1 test, listed below:\n[  FAILED  ] Math.Adds\n\n 1 FAILED TEST\n";

    fn command(script: &str, shell: &str, output: &str) -> Option<String> {
        let log = job(script, shell, output);
        let [failure] = &*parse(log.as_bytes()).failures else {
            panic!("{log}");
        };
        failure.reproduce.clone()
    }

    #[test]
    fn a_plain_step_is_repeated() {
        for script in [
            "make -j4 check",
            "CC=clang-18 make",
            "./configure --prefix=/usr",
            "scripts/build.sh all",
            "npm run build",
            "swift build -c release",
            "cargo build --release",
            "npm run test:deploy",
            "./target/release/tests",
        ] {
            assert_eq!(command(script, BASH, GCC).as_deref(), Some(script));
        }
        for script in [
            "make && make check",
            "make\nmake check",
            "make TOKEN=***",
            "make \"CC=gcc 12\"",
            "echo $(make)",
            "make > log",
            "rm -rf build",
            "/opt/evil make",
            "../evil",
            "make $TARGET",
            "npm publish",
            "cargo publish",
            "npm run deploy:prod",
            "make docker-push",
            "make release",
            "scripts/deploy.sh",
            "deno run https://evil.example/a.ts",
            "",
        ] {
            assert_eq!(command(script, BASH, GCC), None, "{script}");
        }
        for shell in ["/usr/bin/pwsh -command \". '{0}'\"", "/usr/bin/python {0}"] {
            assert_eq!(command("make check", shell, GCC), None, "{shell}");
        }
        assert_eq!(
            parse(GCC.as_bytes()).failures[0].reproduce,
            None,
            "no step is known"
        );
    }

    #[test]
    fn the_target_of_the_outermost_make_is_built_again() {
        let told = |line: &str| command("cd src; make", BASH, &format!("{GCC}{line}\n"));
        let target = told("make: *** [Makefile:12: src/a.o] Error 1");
        assert_eq!(target.as_deref(), Some("make src/a.o"));
        let old = told("gmake: *** [it's.o] Error 1");
        assert_eq!(old.as_deref(), Some(r"gmake 'it'\''s.o'"));
        for line in [
            "make[1]: *** [Makefile:12: a.o] Error 1",
            "gmake: *** [CMakeFiles/a.dir/build.make:76: a.o] Error 1",
            "make: *** [Makefile:12: --eval=x] Error 1",
            "make: *** [Makefile:12: deploy] Error 1",
            "make: *** No rule to make target 'x'.  Stop.",
        ] {
            assert_eq!(told(line), None, "{line}");
        }
    }

    #[test]
    fn one_test_of_a_program_is_run_again() {
        let again = |script| command(script, BASH, GTEST);
        let filtered = again("build/unit/tests --seed=3");
        assert_eq!(
            filtered.as_deref(),
            Some("build/unit/tests --seed=3 --gtest_filter=Math.Adds")
        );
        assert_eq!(again("scripts/test").as_deref(), Some("scripts/test"));
        assert_eq!(again("make check").as_deref(), Some("make check"));
    }

    #[test]
    fn a_step_that_failed_for_no_known_reason_is_repeated() {
        let read = |script, output| {
            let log = job(script, BASH, output);
            JobLog::read(log.as_bytes(), None).failures[0]
                .reproduce
                .clone()
        };
        let again = read("./check.sh all", "second file differs\n");
        assert_eq!(again.as_deref(), Some("./check.sh all"));
        let infra = "write error: No space left on device\n";
        assert_eq!(read("./check.sh all", infra), None);
    }
}
