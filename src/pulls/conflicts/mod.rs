//! `detect_merge_conflicts`: whether a pull request merges, which places conflict, which commits
//! they are from, and which other open pull requests come near.
//!
//! No clone is needed. GitHub tells which files both sides changed since their common ancestor;
//! the three versions of each are compared by git. GitHub's own word is told beside that: where
//! both differ (attributes, merge drivers, folders that were renamed), the answer says so.

pub mod cases;
mod commits;
pub mod entries;
mod examine;
mod fetch;
#[cfg(test)]
pub(super) mod largest;
pub mod lines;
mod report;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

pub use report::Report;

use self::examine::Findings;
use self::fetch::Sides;
use self::report::{GithubSays, Instructions, Method, UNTRUSTED};
use self::steps::Place;
use super::head_cursor::Call;
use super::overflow::{self, Position};
use super::overlap::{self, Claimants, OverlappingPull};
use super::shell::short;
use super::{PullId, PullRequest, PullSource, Pulls, Warning, branch_name};
use crate::domain::{ApiError, Category, Host};

const TOOL: &str = "detect_merge_conflicts";
/// Files that are looked into when the caller does not say, and at most.
pub const FILES_DEFAULT: usize = 20;
/// Most files that are looked into: each costs three calls.
pub const FILES_MAX: usize = 50;
/// Most bytes of all commands together.
const STEPS_BYTES_MAX: usize = 2_000;
/// Longest path shown, in bytes.
const PATH_BYTES_MAX: usize = 200;
/// When GitHub may have computed what it did not know.
const COMPUTING_RETRY_SECONDS: u64 = 5;

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// Exactly, unless GitHub says that it merges.
    #[default]
    Auto,
    /// By names and patches.
    Fast,
    /// By the contents of all versions.
    Exact,
}

impl Mode {
    /// Reads a mode's name.
    ///
    /// # Errors
    /// `invalid_argument` with the names there are.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        match given {
            "auto" => Ok(Self::Auto),
            "fast" => Ok(Self::Fast),
            "exact" => Ok(Self::Exact),
            _ => Err(ApiError::invalid(
                "mode must be auto, fast or exact",
                "leave it out: auto looks exactly unless GitHub says that it merges",
            )),
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which pull request.
    pub id: PullId,
    /// The branch to merge it into; none is its base.
    pub target: Option<String>,
    /// How closely to look.
    pub mode: Mode,
    /// Most files to look into.
    pub files_max: usize,
    /// Whose claims are behind which pull requests; none leaves other pull requests out.
    pub others: Option<Claimants>,
    /// For how long GitHub may compute.
    pub patience: Duration,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// Finds the conflicts of a pull request: the page that was asked for, as compact JSON.
///
/// # Errors
/// `pr_not_open`, `target_not_found`, `no_common_ancestor`, `head_moved` for a cursor of another
/// state; else as [`Pulls::open`].
pub async fn detect_merge_conflicts(
    pulls: &Pulls,
    question: Question,
    now: Timestamp,
) -> Result<Box<RawValue>, ApiError> {
    let target = question.target.as_deref();
    let target = target.map(|given| branch_name::checked("target_branch", given));
    let question = Question {
        target: target.transpose()?,
        ..question
    };
    if let Some(given) = &question.cursor {
        // Before GitHub is asked: whatever the head is, it belongs to this call or not.
        call(&question, "").check(given)?;
    }
    let (id, patience) = (question.id.clone(), question.patience);
    let source = fetch::open(pulls, id, question.target.as_deref(), patience).await?;
    if source.pull.state != "open" {
        return Err(not_open(&source));
    }
    let source = Arc::new(source);
    let base = source.pull.base.name.clone();
    let target = question.target.clone().unwrap_or_else(|| base.clone());
    let mergeable = (target == base).then(|| mergeable(&source));
    let mut warnings = Vec::new();
    let sides = fetch::sides(&source, &target, &mut warnings).await?;
    let call = call(&question, &state_of(&sides));
    let given = question.cursor.as_deref();
    let position = given
        .map(|given| Position::read(&call, given))
        .transpose()?;
    let (mut findings, method) =
        find(&source, pulls, &question, mergeable, &sides, &mut warnings).await;
    findings.doubt_deletions(&sides.perhaps_renamed);
    let others = match &question.others {
        None => None,
        Some(claims) => {
            let asked = overlap::Question {
                own: &sides.pr_files,
                base: Some(&target),
                lines: true,
                claims,
            };
            others(&source, asked, &mut warnings).await
        }
    };
    let answer = Answer {
        target,
        mergeable,
        method,
        sides: &sides,
        findings,
        others,
        warnings,
    };
    answer.page((&call, position), &source, now).await
}

fn mergeable(source: &PullSource) -> GithubSays {
    match source.pull.mergeable {
        Some(true) => GithubSays::Mergeable,
        Some(false) => GithubSays::Conflicting,
        None => GithubSays::Computing,
    }
}

fn not_open(source: &PullSource) -> ApiError {
    let state = if source.pull.merged {
        "merged"
    } else {
        "closed"
    };
    ApiError::new(
        Category::Logical,
        "pr_not_open",
        format!("{} is {state}", source.id),
        "only open pull requests are merged; manage_stacked_prs tells what builds on this one",
    )
}

/// Judges the files that both sides touch.
async fn find(
    source: &Arc<PullSource>,
    pulls: &Pulls,
    question: &Question,
    mergeable: Option<GithubSays>,
    sides: &Sides,
    warnings: &mut Vec<Warning>,
) -> (Findings, Method) {
    let cases = cases::cases(&sides.pr_files, &sides.target_files);
    let wanted = match question.mode {
        Mode::Fast => false,
        Mode::Exact => true,
        Mode::Auto => mergeable != Some(GithubSays::Mergeable),
    };
    if !wanted {
        return (examine::estimate(&cases), Method::Fast);
    }
    const EFFECT: &str = "files were judged by names and patches alone";
    let git = pulls.git();
    if !git.is_there() {
        warnings.push(Warning::new("git", "git was not found on PATH", EFFECT));
        return (examine::estimate(&cases), Method::Fast);
    }
    let (commits, files_max) = (&sides.commits, question.files_max);
    match examine::examine(source, git, commits, cases.clone(), files_max, warnings).await {
        Ok(findings) => (findings, Method::Exact),
        Err(error) => {
            warnings.push(Warning::new("trees", error, EFFECT));
            (examine::estimate(&cases), Method::Fast)
        }
    }
}

async fn others(
    source: &Arc<PullSource>,
    asked: overlap::Question<'_>,
    warnings: &mut Vec<Warning>,
) -> Option<Vec<OverlappingPull>> {
    match overlap::fetch(source, asked).await {
        Ok(found) => {
            warnings.extend(found.warnings);
            Some(found.pulls)
        }
        Err(error) => {
            let effect = "other pull requests that touch the same files are unknown";
            warnings.push(Warning::new("open_pull_requests", error, effect));
            None
        }
    }
}

/// Commands, unless the names of branches are so long that nothing else would fit beside them. A
/// part of a command does something else.
fn bounded(steps: Vec<String>) -> Vec<String> {
    let bytes = serde_json::to_vec(&steps).map_or(0, |json| json.len());
    if bytes <= STEPS_BYTES_MAX {
        return steps;
    }
    let words = "# the names of the branches are too long to be told here: fetch both, switch to the \
                 head, merge the target, solve the conflicts, commit and push";
    vec![words.to_owned()]
}

/// Everything that the answer is made of.
struct Answer<'a> {
    target: String,
    mergeable: Option<GithubSays>,
    method: Method,
    sides: &'a Sides,
    findings: Findings,
    others: Option<Vec<OverlappingPull>>,
    warnings: Vec<Warning>,
}

impl Answer<'_> {
    async fn page(
        mut self,
        (call, position): (&Call, Option<Position>),
        source: &PullSource,
        now: Timestamp,
    ) -> Result<Box<RawValue>, ApiError> {
        self.trust_github();
        let has_conflicts = self.has_conflicts();
        let github = self.mergeable.map(|says| match says {
            GithubSays::Conflicting => Some(true),
            GithubSays::Mergeable => Some(false),
            GithubSays::Computing => has_conflicts,
        });
        if let Some(conflicts) = github {
            source.learn(|it| it.conflicts = conflicts);
        }
        let conflicts = &mut self.findings.conflicts;
        commits::fill(source, self.sides, conflicts, &mut self.warnings).await;
        let about = About {
            id: &source.id,
            pull: &source.pull,
            host: source.gh().host(),
            fetched_at: source.as_of(now),
        };
        let report = self.report(&about, has_conflicts);
        overflow::page(call, &report, &report::levels(), position)
    }

    /// Everything that there is to tell.
    fn report(self, about: &About<'_>, has_conflicts: Option<bool>) -> Report {
        let pull = about.pull;
        let mut conflicts = self.findings.conflicts;
        let total = conflicts.len();
        let certain = conflicts.iter().any(|conflict| !conflict.estimated);
        for conflict in &mut conflicts {
            conflict.shorten(PATH_BYTES_MAX);
        }
        let github_conflicts = self.mergeable == Some(GithubSays::Conflicting);
        let unlocated = github_conflicts && total == 0;
        let disagreement = (certain && self.mergeable == Some(GithubSays::Mergeable)).then_some(
            "git finds a conflict, GitHub says that it merges: attributes or a merge driver may \
             settle it there",
        );
        let place = Place {
            host: about.host,
            target: &self.target,
        };
        let instructions = (total > 0 || github_conflicts).then(|| Instructions {
            resolution_steps: bounded(steps::steps(pull, place, unlocated)),
        });
        let paths = |all: Vec<String>| -> Vec<String> {
            let short = all.iter().map(|path| super::short(path, PATH_BYTES_MAX));
            short.collect()
        };
        let others = self.others;
        let others = others.map(|all| all.into_iter().map(OverlappingPull::short).collect());
        let computing = self.mergeable == Some(GithubSays::Computing);
        let state = self.mergeable.map(|_| pull.mergeable_state.clone());
        Report {
            pr: about.id.to_string(),
            head_sha: pull.head_short().to_owned(),
            fetched_at: about.fetched_at,
            target: self.target,
            has_conflicts,
            mergeable: self.mergeable,
            mergeable_state: state.unwrap_or_default(),
            retry_after: computing.then_some(COMPUTING_RETRY_SECONDS),
            method: self.method,
            merge_base: short(&self.sides.commits.ancestor).to_owned(),
            target_ahead_by: self.sides.target_ahead,
            total_conflicts: total,
            conflicts,
            unlocated,
            disagreement,
            clean_overlaps: paths(self.findings.clean),
            undecided: paths(self.findings.undecided),
            other_open_prs: others,
            ci_note: github_conflicts
                .then_some("workflows of pull_request do not run while it conflicts"),
            instructions,
            warnings: self.warnings,
            untrusted: UNTRUSTED,
        }
    }

    /// When GitHub says that it merges, estimates are void: nobody here looked closer.
    fn trust_github(&mut self) {
        if self.mergeable != Some(GithubSays::Mergeable) {
            return;
        }
        let findings = &mut self.findings;
        let (sure, estimated): (Vec<_>, Vec<_>) = findings
            .conflicts
            .drain(..)
            .partition(|conflict| !conflict.estimated);
        findings.conflicts = sure;
        let estimated = estimated.into_iter().map(|conflict| conflict.path);
        findings.clean.extend(estimated);
        if self.method == Method::Fast {
            findings.clean.append(&mut findings.undecided);
        }
    }

    fn has_conflicts(&self) -> Option<bool> {
        let findings = &self.findings;
        let certain = findings.conflicts.iter().any(|found| !found.estimated);
        match self.mergeable {
            _ if certain => Some(true),
            Some(GithubSays::Conflicting) => Some(true),
            Some(GithubSays::Mergeable) => Some(false),
            _ => {
                let nothing_left = findings.conflicts.is_empty() && findings.undecided.is_empty();
                (nothing_left && self.sides.complete).then_some(false)
            }
        }
    }
}

/// The pull request that the answer is about.
struct About<'a> {
    id: &'a PullId,
    pull: &'a PullRequest,
    host: &'a Host,
    fetched_at: Timestamp,
}

/// What a cursor is good for: all that decides what is in the answer, and what is merged.
fn call(question: &Question, state: &str) -> Call {
    let with_others = question.others.is_some();
    let Question { target, mode, .. } = question;
    let (id, files_max) = (question.id.to_string(), question.files_max);
    Call::new(TOOL, &(id, target, mode, files_max, with_others), state)
}

/// Names what is merged, for cursors: both commits in the digits that those have for one.
fn state_of(sides: &Sides) -> String {
    const DIGITS: usize = 6;
    let digits = |sha: &str| sha.get(..DIGITS).unwrap_or(sha).to_owned();
    digits(&sides.commits.pr) + &digits(&sides.commits.target)
}
