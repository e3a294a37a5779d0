//! prettier 2 and 3, `--check`: `[warn] file` for each file that is not formatted.

use super::{Failure, FailureKind, Log, Run, shell_word};

const NAME: &str = "prettier";

pub(super) fn parse(log: &Log<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut index = 0;
    while let Some(start) = log.find(index, |line| line == "Checking formatting...") {
        let is_own = |line: &str| {
            line.starts_with("[warn] ")
                || line.starts_with("[error] ")
                || line.starts_with("Error occurred when checking")
        };
        let end = log
            .find(start + 1, |line| !is_own(line))
            .unwrap_or(log.len());
        let failures = log
            .from(start + 1)
            .take(end - start - 1)
            .filter_map(|(_, line)| failure(line));
        runs.push(Run {
            lines: start..end,
            failures: failures.collect(),
        });
        index = end;
    }
    runs
}

/// `[warn] src/a.js`, `[error] src/b.js: SyntaxError: Unexpected token (1:7)`.
fn failure(line: &str) -> Option<Failure> {
    let (file, row, error) = if let Some(file) = line.strip_prefix("[warn] ") {
        // Sentences are no files: `Code style issues found in 2 files. Run Prettier …`
        let name = file.rsplit(['/', '\\']).next()?;
        let is_file = name.contains('.')
            && !file.ends_with('.')
            && !file.contains(". ")
            && !file.contains(": ");
        (
            is_file.then_some(file)?,
            None,
            "not formatted as prettier does",
        )
    } else {
        let (file, error) = line.strip_prefix("[error] ")?.split_once(": ")?;
        let (_, place) = error
            .contains("Error: ")
            .then(|| error.rsplit_once(" ("))
            .flatten()?;
        let row = place.split(':').next()?.parse().ok()?;
        (file, Some(row), error)
    };
    let failure = Failure::new(FailureKind::Lint, NAME, "", error)
        .at(file, row)
        .shown_by([line]);
    Some(failure.reproduced_by(format!("npx prettier --check {}", shell_word(file))))
}
