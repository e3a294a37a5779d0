//! Annotations on a failed job: marks of tools on lines of files, and what the runner and the service
//! say of the job as a whole.

use serde::Deserialize;

use super::fetch::UNKNOWN_FRAMEWORK;
use crate::gh::GhError;
use crate::pulls::checks::Check;
use crate::pulls::ci_log::{Confidence, Failure, FailureKind, said_of_job};
use crate::pulls::{PullSource, Warning};

/// Annotations read of one check: linters may report hundreds.
const READ_MAX: usize = 100;
/// Where those stand that are about no file.
const NO_FILE: &str = ".github";

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    path: String,
    #[serde(default)]
    start_line: u32,
    #[serde(default)]
    annotation_level: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    message: String,
}

/// What they tell.
#[derive(Default)]
pub(super) struct Annotations {
    /// Of files.
    pub of_files: Vec<Failure>,
    /// Of the job, where it is known that this is why it ended.
    pub verdict: Option<Failure>,
    /// Of the job, for what it is worth: one failure, for one job failed.
    pub of_job: Option<Failure>,
}

/// Reads those of a job.
pub(super) async fn fetch(
    source: &PullSource,
    check: &Check,
    job: u64,
    warnings: &mut Vec<Warning>,
) -> Annotations {
    match list(source, job).await {
        Ok((all, has_more)) => {
            if has_more {
                let reason = format!("a check has more than {READ_MAX}");
                let effect = "those after them are not read";
                warnings.push(Warning::new("annotations", reason, effect));
            }
            told(all)
        }
        Err(error) => {
            let effect = "annotations of a job are not known";
            let reason = format!("{}: {error}", check.name);
            warnings.push(Warning::new("annotations", reason, effect));
            Annotations::default()
        }
    }
}

async fn list(source: &PullSource, job: u64) -> Result<(Vec<Annotation>, bool), GhError> {
    let path = source
        .path()
        .then("check-runs")
        .then(job)
        .then("annotations");
    source.list(&path, None, READ_MAX).await
}

fn told(mut all: Vec<Annotation>) -> Annotations {
    all.retain(|annotation| {
        // The runner's own annotation of a failed step says nothing of the cause.
        let is_empty = annotation
            .message
            .starts_with("Process completed with exit code");
        annotation.annotation_level == "failure" && !is_empty
    });
    let (of_job, of_files): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|annotation| annotation.path == NO_FILE);
    let messages: Vec<&str> = of_job.iter().map(|it| it.message.as_str()).collect();
    let lines = || messages.iter().flat_map(|message| message.lines());
    Annotations {
        of_files: of_files.into_iter().map(failure_of_file).collect(),
        verdict: said_of_job(&messages),
        of_job: of_job.first().map(|it| failure_of(it).shown_by(lines())),
    }
}

fn failure_of_file(annotation: &Annotation) -> Failure {
    failure_of(annotation).at(&annotation.path, Some(annotation.start_line))
}

fn failure_of(annotation: &Annotation) -> Failure {
    let first = annotation.message.lines().next().unwrap_or_default();
    let title = annotation.title.as_deref().unwrap_or_default();
    let failure = Failure::new(FailureKind::Unknown, UNKNOWN_FRAMEWORK, title, first);
    failure
        .shown_by(annotation.message.lines())
        .with_confidence(Confidence::Medium)
}
