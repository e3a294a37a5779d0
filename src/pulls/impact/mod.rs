//! `analyze_pr_impact`: what a pull request touches, what makes it risky with the evidence for every
//! point, who could review it, and which other pull requests touch the same files. Facts; what they
//! mean is for the reader to say.

mod dependencies;
mod history;
mod manifest;
mod report;
mod reviewers;
mod risk;
#[cfg(test)]
pub(super) mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use self::dependencies::DependencyChange;
use self::history::Authors;
use self::report::{Changes, DependencySource, ImpactArea, Lengths, PullImpact, UNTRUSTED};
use self::reviewers::Reviewer;
use super::areas::{self, Area};
use super::context::{self, Context, Known, says_breaking};
use super::files::{self, ChangedFile, FileStatus};
use super::head_cursor::Call;
use super::overflow::{self, Position};
use super::overlap::{self, Claimants, OverlappingPull, Overlaps};
use super::{PullSource, Warning};
use crate::domain::{ApiError, Category, text};
use crate::gh::GhError;

const TOOL: &str = "analyze_pr_impact";
/// Longest path shown, name of a reviewer with what speaks for them, and reason of a warning, in
/// bytes.
const PATH_BYTES_MAX: usize = 200;
const PERSON_BYTES_MAX: usize = 300;
const REASON_BYTES_MAX: usize = 160;
/// Most files that are named as lacking their lines, and the longest name of one, in bytes.
const LACKING_NAMED_MAX: usize = 3;
const LACKING_BYTES_MAX: usize = 24;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Depth {
    /// The first names of each list.
    #[default]
    Summary,
    /// Longer lists, and the lines at which other pull requests come near.
    Detailed,
}

impl Depth {
    /// Reads the name of a depth.
    ///
    /// # Errors
    /// `invalid_argument` with the names.
    pub fn parse(given: &str) -> Result<Self, ApiError> {
        match given {
            "summary" => Ok(Self::Summary),
            "detailed" => Ok(Self::Detailed),
            _ => Err(ApiError::invalid(
                "depth must be summary or detailed",
                "leave it out for summary",
            )),
        }
    }

    fn lengths(self) -> Lengths {
        match self {
            Self::Summary => Lengths {
                files: 3,
                evidence: 3,
                others: 5,
            },
            Self::Detailed => Lengths {
                files: 15,
                evidence: 10,
                others: 30,
            },
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct ImpactQuery {
    /// How much is told.
    pub depth: Depth,
    /// Whether reviewers are suggested.
    pub suggest_reviewers: bool,
    /// Whose claims are behind which pull requests; none leaves other pull requests out.
    pub others: Option<Claimants>,
}

/// Everything that was fetched.
struct Facts {
    source: Arc<PullSource>,
    files: Vec<ChangedFile>,
    context: Context,
    dependencies: Vec<DependencyChange>,
    dependency_source: Option<DependencySource>,
    history: Vec<Authors>,
    overlaps: Option<Vec<OverlappingPull>>,
    warnings: Vec<Warning>,
}

impl ImpactQuery {
    /// What cursors are bound to, beside the pull request.
    fn filters(&self) -> impl Serialize {
        (self.depth, self.suggest_reviewers, self.others.is_some())
    }
}

/// What a pull request touches, as compact JSON. `after` is the cursor of an earlier page: what that
/// had no room for.
///
/// # Errors
/// `no_changes` when no file is changed, `head_moved` for a cursor of an older head or of lists that
/// changed since, `invalid_argument` for one of another call; else as the gh floor tells.
pub async fn analyze_pr_impact(
    source: PullSource,
    query: &ImpactQuery,
    after: Option<&str>,
    now: Timestamp,
) -> Result<Box<RawValue>, ApiError> {
    let filters = (source.id.to_string(), query.filters());
    let call = Call::new(TOOL, &filters, &source.pull.head.sha);
    let position = after
        .map(|given| Position::read(&call, given))
        .transpose()?;
    let facts = fetch(source, query).await?;
    let answer = report(facts, query, now);
    overflow::page(&call, &answer, &query.depth.lengths().levels(), position)
}

/// Reads everything that the answer is made of.
async fn fetch(source: PullSource, query: &ImpactQuery) -> Result<Facts, ApiError> {
    let source = Arc::new(source);
    let (files, context) = tokio::join!(files::fetch(&source), context::fetch(&source));
    let (files, cut) = files.map_err(|error| error.to_api())?;
    if files.is_empty() {
        return Err(ApiError::new(
            Category::Logical,
            "no_changes",
            format!("{} changes no file", source.id),
            "push a commit, or look at the base branch",
        ));
    }
    let mut warnings = context.warnings.clone();
    if cut {
        warnings.push(files::cut_warning("the other files were not looked at"));
    }
    warnings.extend(lines_unknown(&files));
    let (dependencies, history, overlaps) = tokio::join!(
        fetch_dependencies(&source, &files),
        fetch_history(&source, &files, query),
        fetch_overlaps(&source, &files, query),
    );
    let (graph, dependency_source) = taken(dependencies, &files, &mut warnings);
    let overlaps = match overlaps {
        Ok(Some(mut found)) => {
            warnings.append(&mut found.warnings);
            Some(found.pulls)
        }
        Ok(None) => None,
        Err(error) => {
            let effect = "other pull requests that touch the same files are unknown";
            warnings.push(Warning::new("open_pull_requests", error, effect));
            None
        }
    };
    let history = history.unwrap_or_else(|error| {
        let effect = "who changed these files lately is unknown";
        warnings.push(Warning::new("history", error, effect));
        Vec::new()
    });
    Ok(Facts {
        source,
        files,
        context,
        dependencies: graph,
        dependency_source,
        history,
        overlaps,
        warnings,
    })
}

/// The first of some files, and how many more there are.
fn in_words(files: &[&ChangedFile]) -> String {
    let named = files.iter().take(LACKING_NAMED_MAX);
    let named: Vec<String> = named
        .map(|file| short(&file.filename, LACKING_BYTES_MAX))
        .collect();
    match files.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Says which files came without their lines: what those hold adds nothing to the risk.
fn lines_unknown(files: &[ChangedFile]) -> Option<Warning> {
    let lacking: Vec<&ChangedFile> = files.iter().filter(|file| file.lacks_lines()).collect();
    let reason = format!(
        "no lines came of {}: binary, too large, empty or only another mode",
        in_words(&lacking)
    );
    let effect = "risk that stands in those lines is not counted: look at the files themselves";
    (!lacking.is_empty()).then(|| Warning::new("patches", reason, effect))
}

/// Asks the dependency graph where something in it can have changed.
async fn fetch_dependencies(
    source: &PullSource,
    files: &[ChangedFile],
) -> Option<Result<Vec<DependencyChange>, GhError>> {
    let touched = files
        .iter()
        .any(|file| dependencies::is_manifest(&file.filename));
    match touched {
        true => Some(
            dependencies::fetch(source)
                .await
                .map(dependencies::of_graph),
        ),
        false => None,
    }
}

fn taken(
    answer: Option<Result<Vec<DependencyChange>, GhError>>,
    files: &[ChangedFile],
    warnings: &mut Vec<Warning>,
) -> (Vec<DependencyChange>, Option<DependencySource>) {
    let error = match answer {
        None => return (Vec::new(), None),
        Some(Ok(changes)) => return (changes, Some(DependencySource::DependencyGraph)),
        Some(Err(error)) => error,
    };
    let reason = match error {
        GhError::Forbidden { .. } | GhError::NotFound(_) => {
            "the repository has no dependency graph, or the token may not read it".to_owned()
        }
        error => error.to_string(),
    };
    let effect = "vulnerabilities are unknown; versions are from changed lines";
    warnings.push(Warning::new("dependency_graph", reason, effect));
    let unread = dependencies::unread(files);
    if !unread.is_empty() {
        let reason = format!("dependencies in {} were not read", in_words(&unread));
        let effect = "what changes in them is not listed and adds nothing to the risk";
        warnings.push(Warning::new("dependencies", reason, effect));
    }
    (
        dependencies::of_files(files),
        Some(DependencySource::ChangedLines),
    )
}

/// Asks who changed the most changed files of code.
async fn fetch_history(
    source: &PullSource,
    files: &[ChangedFile],
    query: &ImpactQuery,
) -> Result<Vec<Authors>, GhError> {
    let mut known: Vec<&ChangedFile> = files
        .iter()
        .filter(|file| {
            let is_code = areas::language(&file.filename).is_some();
            is_code && !Area::of(&file.filename).is_foreign() && file.status != FileStatus::Added
        })
        .collect();
    if !query.suggest_reviewers || known.is_empty() {
        return Ok(Vec::new());
    }
    known.sort_by_key(|file| Reverse(size(file)));
    let paths = known
        .iter()
        .map(|file| file.previous_filename.as_ref().unwrap_or(&file.filename));
    let paths: Vec<&str> = paths.map(String::as_str).collect();
    history::fetch(source, &paths).await
}

async fn fetch_overlaps(
    source: &Arc<PullSource>,
    files: &[ChangedFile],
    query: &ImpactQuery,
) -> Result<Option<Overlaps>, GhError> {
    let Some(claims) = &query.others else {
        return Ok(None);
    };
    let question = overlap::Question {
        own: files,
        base: None,
        lines: query.depth == Depth::Detailed,
        claims,
    };
    overlap::fetch(source, question).await.map(Some)
}

fn size(file: &ChangedFile) -> u64 {
    file.additions.saturating_add(file.deletions)
}

/// From what was fetched to the whole answer.
fn report(facts: Facts, query: &ImpactQuery, now: Timestamp) -> PullImpact {
    let Facts {
        source,
        files,
        context,
        dependencies,
        ..
    } = facts;
    let (files, context) = (&files, &context);
    let overlaps = facts
        .overlaps
        .map(|pulls| pulls.into_iter().map(OverlappingPull::short).collect());
    let pull = &source.pull;
    let paths: Vec<&str> = files.iter().map(|file| &*file.filename).collect();
    let owners = match &context.code_owners {
        Known::Present(owners) => Some(owners),
        Known::Absent | Known::Unknown => None,
    };
    let unowned = paths.iter().copied().filter(|path| {
        owners.is_some_and(|owners| owners.of(path).is_empty()) && !Area::of(path).is_foreign()
    });
    let unowned: Vec<&str> = unowned.collect();
    let reviewers = query
        .suggest_reviewers
        .then(|| reviewers::suggest(pull.author(), &paths, owners, &facts.history))
        .map(|found| found.into_iter().map(short_words).collect());
    let commits = context.commits.iter();
    let mut commits =
        commits.map(|commit| says_breaking(&commit.message_headline, &commit.message_body));
    let breaking = says_breaking(&pull.title, "") || commits.any(|breaks| breaks);
    let known = breaking || !context.commits.is_empty();
    let risk = risk::assess(files, &unowned, &dependencies);
    PullImpact {
        pr: source.id.to_string(),
        head_sha: pull.head_short().to_owned(),
        fetched_at: source.as_of(now),
        changes: changes(files, pull.commits),
        impact_areas: areas_of(files),
        risk,
        dependency_source: facts.dependency_source.filter(|_| !dependencies.is_empty()),
        has_code_owners: match context.code_owners {
            Known::Present(_) => Some(true),
            Known::Absent => Some(false),
            Known::Unknown => None,
        },
        unowned_files: unowned
            .iter()
            .map(|path| short(path, PATH_BYTES_MAX))
            .collect(),
        suggested_reviewers: reviewers,
        overlapping_prs: overlaps,
        linked_issues: context
            .issues
            .iter()
            .map(context::LinkedIssue::name)
            .collect(),
        breaking_changes_detected: known.then_some(breaking),
        untrusted: UNTRUSTED,
        warnings: facts.warnings.into_iter().map(one_line).collect(),
        dependencies,
    }
}

/// A reviewer in words of bounded length: owners write what they like.
fn short_words(reviewer: Reviewer) -> Reviewer {
    Reviewer {
        username: short(&reviewer.username, PERSON_BYTES_MAX),
        reason: short(&reviewer.reason, PERSON_BYTES_MAX),
        ..reviewer
    }
}

fn short(words: &str, bytes_max: usize) -> String {
    text::one_line(text::cut(words, bytes_max).0)
}

fn one_line(warning: Warning) -> Warning {
    Warning {
        reason: short(&warning.reason, REASON_BYTES_MAX),
        ..warning
    }
}

fn changes(files: &[ChangedFile], commits: u64) -> Changes {
    let by_program = |file: &&ChangedFile| {
        Area::of(&file.filename).is_foreign() || areas::is_lock_file(&file.filename)
    };
    Changes {
        files_changed: files.len(),
        additions: files.iter().map(|file| file.additions).sum(),
        deletions: files.iter().map(|file| file.deletions).sum(),
        commits,
        code_lines: risk::code_lines(files),
        generated_files: files.iter().filter(by_program).count(),
    }
}

/// What the files are for, the most changed first.
fn areas_of(files: &[ChangedFile]) -> Vec<ImpactArea> {
    let mut grouped: BTreeMap<(Area, Option<&'static str>), Vec<&ChangedFile>> = BTreeMap::new();
    for file in files {
        let area = Area::of(&file.filename);
        let language = areas::language(&file.filename).filter(|_| area.is_code());
        grouped.entry((area, language)).or_default().push(file);
    }
    let mut found: Vec<ImpactArea> = grouped
        .into_iter()
        .map(|((category, language), mut files)| {
            files.sort_by_key(|file| Reverse(size(file)));
            ImpactArea {
                category,
                language,
                count: files.len(),
                additions: files.iter().map(|file| file.additions).sum(),
                deletions: files.iter().map(|file| file.deletions).sum(),
                files: files
                    .iter()
                    .map(|file| short(&file.filename, PATH_BYTES_MAX))
                    .collect(),
            }
        })
        .collect();
    found.sort_by_key(|area| Reverse(area.additions + area.deletions));
    found
}
