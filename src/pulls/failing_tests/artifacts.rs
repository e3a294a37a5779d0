//! Test reports that jobs uploaded: what fails where no log names a test.
//!
//! Facts: <https://docs.github.com/rest/actions/artifacts>. The download is a redirect to a storage
//! host, which refuses requests with a token: gh follows it and sends its token to GitHub only.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::analyse::FailedCheck;
use super::report::Evidence;
use crate::gh::GhError;
use crate::pulls::checks::{ACTIONS_APP_ID, Check};
use crate::pulls::ci_log::{Confidence, Failure, FailureKind};
use crate::pulls::{PullSource, Warning};

/// Workflow runs whose artifacts are listed, and artifacts that are downloaded for one answer.
const RUNS_MAX: usize = 3;
const DOWNLOADS_MAX: usize = 5;
/// Artifacts of a run that are looked at.
const LISTED_MAX: usize = 300;
/// Largest archive that is downloaded.
const ARCHIVE_BYTES_MAX: u64 = 20 << 20;
/// What the names of artifacts with test reports have in them, without `-`, `_`, `.` and spaces.
const NAMES: [&str; 7] = [
    "junit",
    "testresult",
    "testreport",
    "surefire",
    "failsafe",
    "xunit",
    "trx",
];
const SOURCE: &str = "artifacts";
const EFFECT: &str = "failed tests that only a test report names are not known";

/// An artifact of a workflow run.
#[derive(Clone, Debug, Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    #[serde(default)]
    size_in_bytes: u64,
    #[serde(default)]
    expired: bool,
    #[serde(default)]
    created_at: Option<Timestamp>,
}

/// Adds what test reports tell of failed jobs whose logs do not say what went wrong.
pub(super) async fn add(
    source: &Arc<PullSource>,
    failed: &mut Vec<FailedCheck>,
    warnings: &mut Vec<Warning>,
) {
    let mut downloads_left = DOWNLOADS_MAX;
    let unexplained = unexplained(failed);
    if unexplained.len() > RUNS_MAX {
        let reason = format!("{RUNS_MAX} of {} runs were looked into", unexplained.len());
        warnings.push(Warning::new(SOURCE, reason, EFFECT));
    }
    for (run, jobs) in unexplained.into_iter().take(RUNS_MAX) {
        let artifacts = match list(source, run).await {
            Ok((artifacts, is_cut)) => {
                if is_cut {
                    let reason = format!("a run has more than {LISTED_MAX} artifacts");
                    warnings.push(Warning::new(SOURCE, reason, EFFECT));
                }
                artifacts
            }
            Err(error) => {
                warnings.push(Warning::new(SOURCE, error, EFFECT));
                continue;
            }
        };
        let known = tests_of_run(failed, run);
        for artifact in choose(artifacts, &jobs, &mut downloads_left, warnings) {
            let reports = match source.test_reports(artifact.id).await {
                Ok(reports) => reports,
                Err(error) => {
                    warnings.push(Warning::new(SOURCE, error, EFFECT));
                    continue;
                }
            };
            if reports.unread > 0 {
                let reason = format!("{} reports are too large or damaged", reports.unread);
                warnings.push(Warning::new(SOURCE, reason, EFFECT));
            }
            let new = told_anew(&artifact, &jobs, &reports.failures, &known);
            if !new.is_empty() {
                tell(failed, uploaders(&artifact, &jobs), new);
            }
        }
    }
}

/// Failed jobs that no reader of logs could explain, by workflow run, the newest run first.
fn unexplained(failed: &[FailedCheck]) -> Vec<(u64, Vec<Check>)> {
    let mut runs: BTreeMap<u64, Vec<Check>> = BTreeMap::new();
    for it in failed.iter().filter(|it| is_unexplained(it)) {
        let is_action = (it.check.app.as_ref()).is_some_and(|app| app.id == ACTIONS_APP_ID);
        if let Some(run) = it.check.run_id.filter(|_| is_action) {
            runs.entry(run).or_default().push(it.check.clone());
        }
    }
    runs.into_iter().rev().collect()
}

fn is_unexplained(failed: &FailedCheck) -> bool {
    let guess = |failure: &Failure| failure.kind == FailureKind::Unknown;
    !failed.log_pending && failed.failures.iter().all(guess)
}

/// The artifacts of a run, and whether there are more.
async fn list(source: &PullSource, run: u64) -> Result<(Vec<Artifact>, bool), GhError> {
    let path = source.path().then("actions").then("runs").then(run);
    let path = path.then("artifacts");
    source.list(&path, Some("artifacts"), LISTED_MAX).await
}

/// Tests that are known to fail in a run, as framework and name.
fn tests_of_run(failed: &[FailedCheck], run: u64) -> HashSet<(String, String)> {
    let of_run = failed.iter().filter(|it| it.check.run_id == Some(run));
    let failures = of_run.flat_map(|it| &it.failures);
    let tests = failures.filter(|failure| failure.kind == FailureKind::Test);
    let name = |failure: &Failure| (failure.framework.clone(), failure.test.clone());
    tests.map(name).collect()
}

/// What a report tells of these jobs. Where its name does not say whose it is, it may be that of a job
/// whose log has told the same.
fn told_anew(
    artifact: &Artifact,
    jobs: &[Check],
    failures: &[Failure],
    known: &HashSet<(String, String)>,
) -> Vec<Failure> {
    let is_named = jobs.iter().any(|job| is_named_after(artifact, job));
    let is_new =
        |it: &&Failure| is_named || !known.contains(&(it.framework.clone(), it.test.clone()));
    failures.iter().filter(is_new).cloned().collect()
}

/// Artifacts worth a download: named as test reports, made by these jobs or after them, neither
/// expired nor too large.
fn choose(
    mut artifacts: Vec<Artifact>,
    jobs: &[Check],
    downloads_left: &mut usize,
    warnings: &mut Vec<Warning>,
) -> Vec<Artifact> {
    // A repeated attempt uploads under the same name: the newest counts.
    artifacts.sort_by_key(|artifact| std::cmp::Reverse(artifact.id));
    let mut names = HashSet::new();
    artifacts.retain(|artifact| {
        let may_be = |job: &Check| !is_before(artifact.created_at, job.started_at);
        holds_reports(&artifact.name)
            && names.insert(artifact.name.clone())
            && jobs.iter().any(may_be)
    });
    let mut left_out = |count: usize, why: &str| {
        if count > 0 {
            let reason = format!("{count} artifacts with test reports {why}");
            warnings.push(Warning::new(SOURCE, reason, EFFECT));
        }
    };
    let before = artifacts.len();
    artifacts.retain(|artifact| !artifact.expired);
    left_out(before - artifacts.len(), "have expired");
    let before = artifacts.len();
    artifacts.retain(|artifact| artifact.size_in_bytes <= ARCHIVE_BYTES_MAX);
    left_out(before - artifacts.len(), "are larger than 20 MiB");
    // Those of the jobs themselves first.
    artifacts.sort_by_key(|artifact| !jobs.iter().any(|job| is_named_after(artifact, job)));
    let before = artifacts.len();
    artifacts.truncate(*downloads_left);
    *downloads_left -= artifacts.len();
    left_out(before - artifacts.len(), "were left out");
    artifacts
}

fn is_before(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one < other)
}

fn holds_reports(name: &str) -> bool {
    let is_letter = |letter: &char| !matches!(letter, '-' | '_' | '.' | ' ');
    let name: String = name.to_lowercase().chars().filter(is_letter).collect();
    NAMES.iter().any(|part| name.contains(part))
}

/// Whether an artifact's name has every word of a job's name that tells the jobs of a matrix apart:
/// `results-3.11-linux` of `test (3.11, linux)`.
fn is_named_after(artifact: &Artifact, job: &Check) -> bool {
    let matrix = job.name.rsplit_once('(').map_or("", |(_, matrix)| matrix);
    let matrix = matrix.trim_end_matches(')').to_lowercase();
    let mut words = matrix
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .peekable();
    let name = artifact.name.to_lowercase();
    words.peek().is_some() && words.all(|word| name.contains(word))
}

/// The jobs that may have uploaded an artifact.
fn uploaders<'a>(artifact: &Artifact, jobs: &'a [Check]) -> Vec<&'a Check> {
    let may_be = |job: &&Check| !is_before(artifact.created_at, job.started_at);
    let jobs: Vec<&Check> = jobs.iter().filter(may_be).collect();
    let named: Vec<&Check> = (jobs.iter().copied())
        .filter(|job| is_named_after(artifact, job))
        .collect();
    if named.is_empty() { jobs } else { named }
}

/// Notes what a report tells. Of a single uploader the log's guess is not needed any more; of
/// several it is not certain which one it was.
fn tell(failed: &mut Vec<FailedCheck>, uploaders: Vec<&Check>, mut failures: Vec<Failure>) {
    if let [only] = uploaders.as_slice() {
        let is_guess = |it: &FailedCheck| it.check == **only && it.evidence != Evidence::Annotation;
        failed.retain(|it| !(is_guess(it) && is_unexplained(it)));
    } else {
        for failure in &mut failures {
            failure.confidence = failure.confidence.max(Confidence::Medium);
        }
    }
    failed.extend(uploaders.into_iter().map(|check| FailedCheck {
        check: check.clone(),
        failures: failures.clone(),
        evidence: Evidence::Junit,
        log_pending: false,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(id: u64, name: &str) -> Artifact {
        Artifact {
            id,
            name: name.to_owned(),
            size_in_bytes: 1,
            expired: false,
            created_at: None,
        }
    }

    #[test]
    fn artifacts_with_reports_are_known_by_their_names() {
        let table = [
            ("junit", true),
            ("Test-Results-3.11", true),
            ("test_reports.linux", true),
            ("surefire-reports", true),
            ("TestResults", true),
            ("coverage", false),
            ("contest", false),
        ];
        for (name, expected) in table {
            assert_eq!(holds_reports(name), expected, "{name}");
        }
    }

    fn job(name: &str) -> Check {
        Check {
            name: name.to_owned(),
            ..super::super::tests::check("", crate::pulls::checks::CheckState::Fail)
        }
    }

    #[test]
    fn a_matrix_job_is_known_by_its_words() {
        let jobs = [job("test (3.11, linux)"), job("test (3.12, linux)")];
        let names = |artifact: &Artifact| -> Vec<String> {
            let found = uploaders(artifact, &jobs);
            found.into_iter().map(|job| job.name.clone()).collect()
        };
        assert_eq!(
            names(&artifact(1, "junit-linux-3.12")),
            ["test (3.12, linux)"]
        );
        assert_eq!(names(&artifact(1, "junit")).len(), 2);
    }

    #[test]
    fn a_test_that_fails_in_several_legs_is_told_of_each() {
        let legs = [job("test (3.11)"), job("test (3.12)")];
        let failures = [Failure::new(FailureKind::Test, "pytest", "t", "no")];
        let known = HashSet::from([("pytest".to_owned(), "t".to_owned())]);
        let count = |name: &str| told_anew(&artifact(1, name), &legs, &failures, &known).len();
        assert_eq!(count("junit-3.12"), 1);
        assert_eq!(count("junit"), 0, "it may be of the leg that told it");
    }

    #[test]
    fn what_is_not_downloaded_is_told() {
        let job = super::super::tests::check("test", crate::pulls::checks::CheckState::Fail);
        let mut artifacts: Vec<Artifact> = (1..=DOWNLOADS_MAX as u64 + 1)
            .map(|id| artifact(id, &format!("junit-{id}")))
            .collect();
        artifacts.push(artifact(90, "junit-1"));
        artifacts.push(Artifact {
            expired: true,
            ..artifact(91, "junit-old")
        });
        artifacts.push(Artifact {
            size_in_bytes: ARCHIVE_BYTES_MAX + 1,
            ..artifact(92, "junit-huge")
        });
        let (mut left, mut warnings) = (DOWNLOADS_MAX, Vec::new());
        let chosen = choose(artifacts, &[job], &mut left, &mut warnings);
        let ids: Vec<u64> = chosen.iter().map(|artifact| artifact.id).collect();
        assert_eq!(
            ids,
            [90, 6, 5, 4, 3],
            "the newest of a name, the newest first"
        );
        let told: Vec<&str> = warnings.iter().map(|it| it.reason.as_str()).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(left, 0);
    }
}
