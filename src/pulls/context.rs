//! What surrounds a change, in one question: who owns the code, the issues that it closes, its
//! commits, open conversations, the template of its description, the state of CI.
//!
//! Facts: <https://docs.github.com/graphql/reference/objects#repository>: `object` reads a file of a
//! commit, `pullRequestTemplates` those of the default branch;
//! <https://docs.github.com/graphql/reference/objects#statuscheckrollup>: `state` alone is what
//! GitHub shows beside the commit.

use serde::Deserialize;
use serde_json::Value;

use super::code_owners::{CodeOwners, PLACES};
use super::{PullSource, Warning};
use crate::gh::GhError;

/// Most linked issues and commits that are asked for.
const ISSUES_MAX: usize = 10;
const COMMITS_MAX: usize = 100;
/// Most reasons of GitHub that become warnings.
const PROBLEMS_MAX: usize = 3;

const CONTEXT: &str = "query PrContext($owner:String!,$repo:String!,$pr:Int!,$owners0:String!,$owners1:String!,$owners2:String!){\
repository(owner:$owner,name:$repo){\
owners0:object(expression:$owners0){...B} owners1:object(expression:$owners1){...B} owners2:object(expression:$owners2){...B} \
pullRequestTemplates{body} \
pullRequest(number:$pr){\
closingIssuesReferences(first:10){totalCount nodes{number title body state repository{nameWithOwner}}} \
reviewThreads(first:100){pageInfo{hasNextPage} nodes{isResolved}} \
commits(last:100){totalCount nodes{commit{messageHeadline messageBody}}} \
head:commits(last:1){nodes{commit{statusCheckRollup{state}}}}}}} \
fragment B on Blob{text isTruncated}";

/// What surrounds a change.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// CODEOWNERS of the base branch.
    pub code_owners: Known<CodeOwners>,
    /// Templates for descriptions.
    pub templates: Vec<String>,
    /// Issues that the merge closes.
    pub issues: Vec<LinkedIssue>,
    /// Conversations that are not resolved; `None` is unknown.
    pub unresolved_threads: Option<usize>,
    /// Messages of the newest commits, the oldest first.
    pub commits: Vec<Message>,
    /// What CI says of the head: `success`, `failure`, `error`, `pending` or `expected`.
    pub ci: Option<String>,
    /// What could not be read.
    pub warnings: Vec<Warning>,
}

/// Something that may not be there, or may not be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// It could not be read.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There it is.
    Present(T),
}

/// An issue that the merge closes.
#[derive(Clone, Debug, Deserialize)]
pub struct LinkedIssue {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    #[serde(default)]
    pub body: String,
    /// `OPEN` or `CLOSED`.
    #[serde(default)]
    pub state: String,
    /// Where it lives.
    pub repository: Home,
}

/// Where an issue lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    /// `owner/name`.
    pub name_with_owner: String,
}

/// The message of a commit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// First line.
    pub message_headline: String,
    /// The rest.
    #[serde(default)]
    pub message_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    owners0: Option<Blob>,
    owners1: Option<Blob>,
    owners2: Option<Blob>,
    pull_request_templates: Option<Vec<Template>>,
    pull_request: Pull,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    /// None of a file that is no text.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    is_truncated: bool,
}

#[derive(Deserialize)]
struct Template {
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    closing_issues_references: Option<Nodes<LinkedIssue>>,
    review_threads: Option<Nodes<Thread>>,
    commits: Option<Nodes<CommitNode<Message>>>,
    head: Option<Nodes<CommitNode<Head>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes<T> {
    #[serde(default)]
    total_count: usize,
    #[serde(default)]
    page_info: Option<PageInfo>,
    nodes: Vec<Option<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    is_resolved: bool,
}

#[derive(Deserialize)]
struct CommitNode<T> {
    commit: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    status_check_rollup: Option<Rollup>,
}

#[derive(Deserialize)]
struct Rollup {
    state: String,
}

/// Asks what surrounds a change. What is not told becomes a warning.
pub async fn fetch(source: &PullSource) -> Context {
    match read(source).await {
        Ok(context) => context,
        Err(error) => Context {
            warnings: vec![Warning::new(
                "graphql",
                error,
                "linked issues, commits, conversations, CI, code owners and templates are unknown",
            )],
            ..Context::default()
        },
    }
}

async fn read(source: &PullSource) -> Result<Context, GhError> {
    let mut variables = source.variables();
    let base = &source.pull.base;
    // The branch may be gone once the pull request is closed.
    let commit = match &*source.pull.state {
        "open" => format!("refs/heads/{}", base.name),
        _ => base.sha.clone(),
    };
    for (number, place) in PLACES.iter().enumerate() {
        variables[format!("owners{number}")] = Value::from(format!("{commit}:{place}"));
    }
    let mut answer = source.graph(CONTEXT, variables).await?;
    let repository = answer.data.remove("repository").unwrap_or(Value::Null);
    let repository: Repository = serde_json::from_value(repository).map_err(|error| {
        let problem = answer.problems.first().cloned();
        problem.map_or_else(
            || GhError::Malformed(error.to_string()),
            GhError::QueryRefused,
        )
    })?;
    Ok(taken(repository, answer.problems))
}

/// What an answer tells.
fn taken(repository: Repository, problems: Vec<String>) -> Context {
    let mut warnings: Vec<Warning> = problems
        .iter()
        .take(PROBLEMS_MAX)
        .map(|problem| {
            Warning::new(
                "graphql",
                problem,
                "what it is about is unknown or incomplete",
            )
        })
        .collect();
    let files = [repository.owners0, repository.owners1, repository.owners2];
    let code_owners = match files.into_iter().flatten().next() {
        Some(Blob {
            text: Some(text),
            is_truncated: false,
        }) => Known::Present(CodeOwners::parse(&text)),
        Some(_) => {
            warnings.push(Warning::new(
                "codeowners",
                "the file is too large",
                "owners are unknown",
            ));
            Known::Unknown
        }
        // One that was refused is not one that is absent.
        None if problems.is_empty() => Known::Absent,
        None => Known::Unknown,
    };
    let pull = repository.pull_request;
    let threads = pull.review_threads.map(|threads| {
        if threads.page_info.is_some_and(|info| info.has_next_page) {
            warnings.push(Warning::new(
                "review_threads",
                "more than 100",
                "more conversations may be unresolved",
            ));
        }
        let open = threads
            .nodes
            .iter()
            .flatten()
            .filter(|thread| !thread.is_resolved);
        open.count()
    });
    let (issues, all) = told(pull.closing_issues_references);
    if all > ISSUES_MAX {
        let reason = format!("{all} linked issues");
        warnings.push(Warning::new(
            "linked_issues",
            reason,
            "only the first 10 were read",
        ));
    }
    let (commits, all) = told(pull.commits);
    if all > COMMITS_MAX {
        let reason = format!("{all} commits");
        warnings.push(Warning::new(
            "commits",
            reason,
            "only the newest 100 messages were read",
        ));
    }
    let (heads, _) = told(pull.head);
    let rollup = heads
        .into_iter()
        .next()
        .and_then(|node| node.commit.status_check_rollup);
    Context {
        code_owners,
        templates: repository
            .pull_request_templates
            .unwrap_or_default()
            .into_iter()
            .filter_map(|template| template.body)
            .collect(),
        issues,
        unresolved_threads: threads,
        commits: commits.into_iter().map(|node| node.commit).collect(),
        ci: rollup.map(|rollup| rollup.state.to_lowercase()),
        warnings,
    }
}

fn told<T>(nodes: Option<Nodes<T>>) -> (Vec<T>, usize) {
    nodes.map_or((Vec::new(), 0), |nodes| {
        (
            nodes.nodes.into_iter().flatten().collect(),
            nodes.total_count,
        )
    })
}

impl LinkedIssue {
    /// `owner/name#number`.
    pub fn name(&self) -> String {
        format!("{}#{}", self.repository.name_with_owner, self.number)
    }
}

/// Whether a title or a message says that something others use stops working, as Conventional
/// Commits write it (<https://www.conventionalcommits.org>): `feat!:`, `BREAKING CHANGE:`.
pub fn says_breaking(title: &str, more: &str) -> bool {
    let marked = title.split_once(':').is_some_and(|(kind, _)| {
        let kind = kind.trim();
        kind.ends_with('!') && !kind.contains(' ')
    });
    let line =
        |line: &str| line.starts_with("BREAKING CHANGE:") || line.starts_with("BREAKING-CHANGE:");
    marked || title.contains("BREAKING CHANGE") || more.lines().any(line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn breaking_changes_are_marked_in_two_ways() {
        for (title, more, expected) in [
            ("feat!: drop the old path", "", true),
            ("feat(api)!: drop it", "", true),
            (
                "fix: bind ids",
                "Details.\n\nBREAKING CHANGE: ids are bound",
                true,
            ),
            ("fix: bind ids", "no BREAKING CHANGE: here", false),
            ("Wow!: this is no kind", "", true),
            ("It works! Really: it does", "", false),
            ("Stop!", "", false),
        ] {
            assert_eq!(says_breaking(title, more), expected, "{title}");
        }
    }

    #[test]
    fn the_first_place_of_owners_counts_and_unknown_is_not_absent() {
        let pull = json!({"closingIssuesReferences": null, "reviewThreads": null, "commits": null, "head": null});
        let mut answer = json!({"owners0": null, "owners1": {"text": "* @root", "isTruncated": false},
            "owners2": {"text": "* @docs", "isTruncated": false}, "pullRequestTemplates": null, "pullRequest": pull});
        let context = taken(serde_json::from_value(answer.clone()).unwrap(), Vec::new());
        let Known::Present(owners) = context.code_owners else {
            panic!("there are owners")
        };
        assert_eq!(owners.of("a"), ["@root"]);
        answer["owners1"] = json!({"text": null, "isTruncated": true});
        let context = taken(serde_json::from_value(answer.clone()).unwrap(), Vec::new());
        assert!(matches!(context.code_owners, Known::Unknown));
        assert_eq!(context.warnings[0].source, "codeowners");
        (answer["owners1"], answer["owners2"]) = (Value::Null, Value::Null);
        let context = taken(serde_json::from_value(answer.clone()).unwrap(), Vec::new());
        assert!(matches!(context.code_owners, Known::Absent));
        let context = taken(
            serde_json::from_value(answer).unwrap(),
            vec!["FORBIDDEN: no".to_owned()],
        );
        assert!(matches!(context.code_owners, Known::Unknown));
        assert_eq!(context.unresolved_threads, None);
    }
}
