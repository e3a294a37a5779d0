//! The files of other open pull requests.
//!
//! Facts: <https://docs.github.com/graphql/reference/objects#pullrequestchangedfile> (no old name
//! and no patch), <https://docs.github.com/rest/pulls/pulls#list-pull-requests-files> (both).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Candidate, OverlappingPull, Overlaps, Question, compare, shared};
use crate::gh::GhError;
use crate::pulls::files::{ChangedFile, FileStatus};
use crate::pulls::{PullSource, Warning};

/// Most pages of thirty pull requests.
const PAGES_MAX: usize = 4;
/// Most pull requests whose lines are read.
const READ_MAX: usize = 5;
/// Most files of one pull request whose lines are read: one page.
const READ_FILES_MAX: usize = 100;
/// Most pull requests that are named as renaming files.
const RENAMING_NAMED_MAX: usize = 5;
/// What a warning says is missing.
const EFFECT: &str = "other pull requests that touch the same files may be missing";

const OPEN_PULL_FILES: &str = "query OpenPrFiles($owner:String!,$repo:String!,$base:String,$after:String){\
repository(owner:$owner,name:$repo){pullRequests(states:[OPEN],baseRefName:$base,first:30,after:$after,\
orderBy:{field:UPDATED_AT,direction:DESC}){totalCount pageInfo{hasNextPage endCursor} \
nodes{number title isDraft author{login} \
files(first:100){pageInfo{hasNextPage} nodes{path changeType}}}}}}";

/// Finds other open pull requests that touch the same files.
///
/// # Errors
/// As the gh floor tells, when the first page cannot be read.
pub async fn fetch(source: &Arc<PullSource>, question: Question<'_>) -> Result<Overlaps, GhError> {
    let mut warnings = Vec::new();
    let mut candidates = candidates(source, question.base, &mut warnings).await?;
    if question.lines {
        read_lines(source, question.own, &mut candidates, &mut warnings).await;
    } else {
        warnings.extend(old_names_unknown(question.own, &candidates));
    }
    let cut: Vec<String> = candidates
        .iter()
        .filter(|candidate| candidate.cut && shared(question.own, &candidate.files).is_empty())
        .map(|candidate| format!("#{}", candidate.number))
        .collect();
    if !cut.is_empty() {
        let reason = format!("only 100 files of {} were compared", cut.join(", "));
        warnings.push(Warning::new("open_pull_requests", reason, EFFECT));
    }
    let found = candidates
        .iter()
        .filter_map(|candidate| compare(question.own, candidate, question.claims));
    let mut pulls: Vec<_> = found.collect();
    let order = |pull: &OverlappingPull| {
        let shared = pull.paths.len() + pull.more_paths;
        (pull.overlap, std::cmp::Reverse(shared), pull.pr)
    };
    pulls.sort_by_key(order);
    Ok(Overlaps { pulls, warnings })
}

/// Other open pull requests with the paths of their files.
async fn candidates(
    source: &PullSource,
    base: Option<&str>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Candidate>, GhError> {
    let mut variables = source.variables();
    if let Some(variables) = variables.as_object_mut() {
        // A variable that the query does not have is an error.
        variables.remove("pr");
    }
    variables["base"] = Value::from(base);
    let mut candidates = Vec::new();
    for page in 0..PAGES_MAX {
        let answer = match source.graph(OPEN_PULL_FILES, variables.clone()).await {
            Err(error) if page > 0 => {
                warnings.push(Warning::new("open_pull_requests", error, EFFECT));
                break;
            }
            answer => answer?,
        };
        let problem = answer.problems.into_iter().next();
        let found = answer.data.get("repository").map(|it| &it["pullRequests"]);
        let found = found.and_then(|found| Page::deserialize(found).ok());
        let Some(found) = found else {
            let problem = problem.unwrap_or_else(|| "no pull requests in the answer".to_owned());
            return Err(GhError::QueryRefused(problem));
        };
        if let Some(problem) = problem {
            warnings.push(Warning::new("open_pull_requests", problem, EFFECT));
        }
        let nodes = found.nodes.into_iter().flatten();
        let others = nodes.filter(|node| node.number != source.id.number);
        candidates.extend(others.map(Node::into_candidate));
        if !found.page_info.has_next_page {
            break;
        }
        if page + 1 == PAGES_MAX {
            let seen = PAGES_MAX * 30;
            let reason = format!("the newest {seen} of {} were compared", found.total_count);
            warnings.push(Warning::new("open_pull_requests", reason, EFFECT));
        }
        variables["after"] = Value::from(found.page_info.end_cursor);
    }
    Ok(candidates)
}

/// Says which others rename files: what those were called before is told by REST alone, one more
/// request for each of them.
fn old_names_unknown(own: &[ChangedFile], candidates: &[Candidate]) -> Option<Warning> {
    let renaming = candidates
        .iter()
        .filter(|candidate| candidate.renames && shared(own, &candidate.files).is_empty());
    let numbers: Vec<u64> = renaming.map(|candidate| candidate.number).collect();
    let named = numbers.iter().take(RENAMING_NAMED_MAX);
    let named: Vec<String> = named.map(|number| format!("#{number}")).collect();
    let more = match numbers.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = format!("{}{more} rename files", named.join(", "));
    let effect = "whether those were files of this one was not looked up: depth detailed does";
    (!numbers.is_empty()).then(|| Warning::new("open_pull_requests", reason, effect))
}

/// Reads lines and old names of those that share files, then of those that rename some.
async fn read_lines(
    source: &Arc<PullSource>,
    own: &[ChangedFile],
    candidates: &mut [Candidate],
    warnings: &mut Vec<Warning>,
) {
    let shares = |candidate: &Candidate| !shared(own, &candidate.files).is_empty();
    let mut wanted: Vec<&mut Candidate> = candidates
        .iter_mut()
        .filter(|candidate| candidate.renames || shares(candidate))
        .collect();
    wanted.sort_by_key(|candidate| !shares(candidate));
    if wanted.len() > READ_MAX {
        let reason = format!("lines of {READ_MAX} of {} were compared", wanted.len());
        let effect = "how near the others come is unknown";
        warnings.push(Warning::new("open_pull_requests", reason, effect));
        wanted.truncate(READ_MAX);
    }
    let mut running = JoinSet::new();
    for (place, candidate) in wanted.iter().enumerate() {
        let (source, number) = (source.clone(), candidate.number);
        running.spawn(async move {
            let path = source.path().then("pulls").then(number).then("files");
            (place, source.list(&path, None, READ_FILES_MAX).await)
        });
    }
    for (place, read) in running.join_all().await {
        let candidate = &mut wanted[place];
        match read {
            Ok((files, more)) => {
                (candidate.files, candidate.read) = (files, true);
                candidate.cut = more;
            }
            Err(error) => {
                let reason = format!("#{}: {error}", candidate.number);
                let effect = "how near it comes is unknown";
                warnings.push(Warning::new("open_pull_requests", reason, effect));
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    total_count: u64,
    page_info: PageInfo,
    nodes: Vec<Option<Node>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    #[serde(default)]
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    number: u64,
    title: String,
    is_draft: bool,
    author: Option<Login>,
    /// None while GitHub cannot compute the difference.
    files: Option<Files>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Files {
    page_info: PageInfo,
    nodes: Vec<Option<File>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    change_type: String,
}

impl Node {
    fn into_candidate(self) -> Candidate {
        let (cut, nodes) = match self.files {
            Some(files) => (files.page_info.has_next_page, files.nodes),
            None => (true, Vec::new()),
        };
        let nodes: Vec<File> = nodes.into_iter().flatten().collect();
        Candidate {
            number: self.number,
            title: self.title,
            author: self
                .author
                .map_or("ghost".to_owned(), |author| author.login),
            draft: self.is_draft,
            cut,
            renames: nodes.iter().any(|file| file.change_type == "RENAMED"),
            files: nodes.into_iter().map(File::into_changed_file).collect(),
            read: false,
        }
    }
}

impl File {
    fn into_changed_file(self) -> ChangedFile {
        let status = match self.change_type.as_str() {
            "ADDED" => FileStatus::Added,
            "DELETED" => FileStatus::Removed,
            "RENAMED" => FileStatus::Renamed,
            "COPIED" => FileStatus::Copied,
            _ => FileStatus::Modified,
        };
        ChangedFile {
            filename: self.path,
            status,
            previous_filename: None,
            additions: 0,
            deletions: 0,
            patch: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_renames_what_nobody_looked_up_is_named() {
        let file = |path: &str, change: &str| File {
            path: path.to_owned(),
            change_type: change.to_owned(),
        };
        let candidate = |number: u64, path: &str, change: &str| Candidate {
            number,
            title: String::new(),
            author: String::new(),
            draft: false,
            cut: false,
            renames: change == "RENAMED",
            files: vec![file(path, change).into_changed_file()],
            read: false,
        };
        let own = [file("src/db.rs", "MODIFIED").into_changed_file()];
        let mut others = vec![
            candidate(3, "src/db.rs", "RENAMED"),
            candidate(4, "README.md", "MODIFIED"),
        ];
        assert_eq!(old_names_unknown(&own, &others), None);
        others.extend((5..12).map(|number| candidate(number, "src/new.rs", "RENAMED")));
        let told = old_names_unknown(&own, &others).unwrap();
        assert_eq!(told.reason, "#5, #6, #7, #8, #9 and 2 more rename files");
    }
}
