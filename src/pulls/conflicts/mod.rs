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

pub use report::Report;

use self::examine::Findings;
use self::fetch::Sides;
use self::report::{GithubSays, Instructions, Method, UNTRUSTED};
use self::steps::Place;
use super::overlap::{self, Claimants, OverlappingPull};
use super::shell::short;
use super::{PullId, PullRequest, PullSource, Pulls, Warning, branch_name, head_cursor, overflow};
use crate::domain::cursor::{self, Page};
use crate::domain::{ApiError, Category, Host, limits};

const TOOL: &str = "detect_merge_conflicts";
/// Files that are looked into when the caller does not say, and at most.
pub const FILES_DEFAULT: usize = 20;
/// Most files that are looked into: each costs three calls.
pub const FILES_MAX: usize = 50;
/// Most conflicts of a page.
const PAGE_MAX: usize = 20;
/// Most bytes of a list of paths, of the list of other pull requests, of warnings, and of commands.
const PATHS_BYTES_MAX: usize = 700;
const OTHERS_BYTES_MAX: usize = 1_600;
const WARNINGS_BYTES_MAX: usize = 900;
const STEPS_BYTES_MAX: usize = 2_000;
/// Room for what the list of conflicts brings along.
const AROUND_BYTES: usize = 256;
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

/// Finds the conflicts of a pull request.
///
/// # Errors
/// `pr_not_open`, `target_not_found`, `no_common_ancestor`, `head_moved` for a cursor of another
/// state; else as [`Pulls::open`].
pub async fn detect_merge_conflicts(
    pulls: &Pulls,
    question: Question,
    now: Timestamp,
) -> Result<Report, ApiError> {
    let target = question.target.as_deref();
    let target = target.map(|given| branch_name::checked("target_branch", given));
    let question = Question {
        target: target.transpose()?,
        ..question
    };
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
        question: &question,
        target,
        mergeable,
        method,
        sides: &sides,
        findings,
        others,
        warnings,
    };
    answer.report(&source, now).await
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

/// What the answer is about.
struct Frame<'a> {
    id: &'a PullId,
    pull: &'a PullRequest,
    host: &'a Host,
    fetched_at: Timestamp,
}

/// The conflicts of a page, and what is known of all of them.
struct Shown {
    has_conflicts: Option<bool>,
    total: usize,
    certain: bool,
    offset: usize,
    page: Vec<report::Conflict>,
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
    question: &'a Question,
    target: String,
    mergeable: Option<GithubSays>,
    method: Method,
    sides: &'a Sides,
    findings: Findings,
    others: Option<Vec<OverlappingPull>>,
    warnings: Vec<Warning>,
}

impl Answer<'_> {
    async fn report(mut self, source: &PullSource, now: Timestamp) -> Result<Report, ApiError> {
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
        let offset = self.offset()?;
        let mut conflicts = std::mem::take(&mut self.findings.conflicts);
        let total = conflicts.len();
        let certain = conflicts.iter().any(|conflict| !conflict.estimated);
        let page = conflicts.get_mut(offset..).unwrap_or_default();
        let shown = page.len().min(PAGE_MAX);
        let shown = &mut page[..shown];
        commits::fill(source, self.sides, shown, &mut self.warnings).await;
        let shown = Shown {
            has_conflicts,
            total,
            certain,
            offset,
            page: shown.to_vec(),
        };
        let frame = Frame {
            id: &source.id,
            pull: &source.pull,
            host: source.gh().host(),
            fetched_at: source.as_of(now),
        };
        self.fitted(&frame, shown)
    }

    /// The page with these conflicts, as many as fit.
    fn fitted(self, frame: &Frame<'_>, shown: Shown) -> Result<Report, ApiError> {
        let Shown {
            has_conflicts,
            total,
            certain,
            offset,
            page: shown,
        } = shown;
        let pull = frame.pull;
        let github_conflicts = self.mergeable == Some(GithubSays::Conflicting);
        let unlocated = github_conflicts && total == 0;
        let disagreement = (certain && self.mergeable == Some(GithubSays::Mergeable)).then_some(
            "git finds a conflict, GitHub says that it merges: attributes or a merge driver may \
             settle it there",
        );
        let place = Place {
            host: frame.host,
            target: &self.target,
        };
        let instructions = (total > 0 || github_conflicts).then(|| Instructions {
            resolution_steps: bounded(steps::steps(pull, place, unlocated)),
        });
        let paths = |all: Vec<String>| {
            let short = all.iter().map(|path| super::short(path, PATH_BYTES_MAX));
            overflow::fit(short.collect(), PATHS_BYTES_MAX)
        };
        let (clean_overlaps, more_clean_overlaps) = paths(self.findings.clean);
        let (undecided, more_undecided) = paths(self.findings.undecided);
        let (other_open_prs, more_open_prs) = match self.others {
            Some(others) => {
                let told = others.into_iter().map(OverlappingPull::told).collect();
                let (shown, more) = overflow::fit(told, OTHERS_BYTES_MAX);
                (Some(shown), more)
            }
            None => (None, 0),
        };
        let computing = self.mergeable == Some(GithubSays::Computing);
        let state = self.mergeable.map(|_| pull.mergeable_state.clone());
        let mut report = Report {
            pr: frame.id.to_string(),
            head_sha: pull.head_short().to_owned(),
            fetched_at: frame.fetched_at,
            target: self.target,
            has_conflicts,
            mergeable: self.mergeable,
            mergeable_state: state.unwrap_or_default(),
            retry_after: computing.then_some(COMPUTING_RETRY_SECONDS),
            method: self.method,
            merge_base: short(&self.sides.commits.ancestor).to_owned(),
            target_ahead_by: self.sides.target_ahead,
            total_conflicts: total,
            conflicts: Vec::new(),
            unlocated,
            disagreement,
            clean_overlaps,
            more_clean_overlaps,
            undecided,
            more_undecided,
            other_open_prs,
            more_open_prs,
            ci_note: github_conflicts
                .then_some("workflows of pull_request do not run while it conflicts"),
            instructions,
            warnings: overflow::fit_warnings(self.warnings, WARNINGS_BYTES_MAX),
            next_cursor: None,
            untrusted: UNTRUSTED,
        };
        let around = serde_json::to_vec(&report).map_or(0, |json| json.len());
        let mut list = Page::new(PAGE_MAX).beside(around);
        for mut conflict in shown {
            conflict.shorten(PATH_BYTES_MAX);
            if list.items.is_empty() {
                // The first one is told in any case.
                let room = limits::ANSWER_BYTES_MAX.saturating_sub(around + AROUND_BYTES);
                conflict.shrink(room);
            }
            if !list.push(&conflict)? {
                break;
            }
        }
        report.conflicts = list.items;
        let end = offset + report.conflicts.len();
        if end < total {
            let position = format!("{}.{end}", state_of(self.sides));
            report.next_cursor = Some(cursor::make(TOOL, &filters(self.question), &position));
        }
        Ok(report)
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

    /// Where the page begins.
    fn offset(&self) -> Result<usize, ApiError> {
        let Some(given) = &self.question.cursor else {
            return Ok(0);
        };
        let position = cursor::read(TOOL, &filters(self.question), given)?;
        let offset = position.rsplit_once('.').and_then(|(state, offset)| {
            let offset: usize = offset.parse().ok()?;
            Some((state, offset))
        });
        match offset {
            Some((state, offset)) if state == state_of(self.sides) => Ok(offset),
            Some(_) => Err(head_cursor::head_moved("one of the branches was pushed to")),
            None => Err(head_cursor::damaged()),
        }
    }
}

/// What a cursor is good for.
fn filters(question: &Question) -> (String, &Option<String>, Mode, usize) {
    let Question { target, mode, .. } = question;
    (question.id.to_string(), target, *mode, question.files_max)
}

/// Names what is merged, for cursors.
fn state_of(sides: &Sides) -> String {
    let (pr, target) = (&sides.commits.pr, &sides.commits.target);
    format!("{}-{}", short(pr), short(target))
}
