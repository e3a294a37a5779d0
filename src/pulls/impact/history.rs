//! Who changed the most changed files lately: one question for all of them.
//!
//! Facts: <https://docs.github.com/graphql/reference/objects#commit> (`history` with a path lists the
//! commits that changed it, newest first); a commit's `user` is null where its email belongs to no
//! account, and for bots.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::gh::GhError;
use crate::pulls::PullSource;

/// Most files that are looked at.
pub(super) const FILES_MAX: usize = 5;
/// Commits of each that are looked at.
pub(super) const COMMITS_MAX: usize = 20;

/// What is known of who changed a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Authors {
    /// The file.
    pub path: String,
    /// Commits that were looked at, those without an account too.
    pub commits: usize,
    /// Commits by login.
    pub by_login: BTreeMap<String, usize>,
}

/// Asks who changed these files on the base branch.
///
/// # Errors
/// As the gh floor tells; also when the base branch is not told.
pub(super) async fn fetch(source: &PullSource, paths: &[&str]) -> Result<Vec<Authors>, GhError> {
    let paths = &paths[..paths.len().min(FILES_MAX)];
    let mut variables = source.variables();
    if let Some(variables) = variables.as_object_mut() {
        // A variable that the query does not have is an error.
        variables.remove("pr");
    }
    variables["base"] = Value::from(format!("refs/heads/{}", source.pull.base.name));
    let mut declared = String::new();
    let mut asked = String::new();
    for (number, path) in paths.iter().enumerate() {
        variables[format!("path{number}")] = Value::from(*path);
        declared.push_str(&format!(",$path{number}:String!"));
        asked.push_str(&format!(
            "file{number}:history(first:{COMMITS_MAX},path:$path{number}){{nodes{{author{{user{{login}}}}}}}} "
        ));
    }
    let document = format!(
        "query PrAuthors($owner:String!,$repo:String!,$base:String!{declared}){{\
         repository(owner:$owner,name:$repo){{object(expression:$base){{...on Commit{{{asked}}}}}}}}}"
    );
    let answer = source.graph(&document, variables).await?;
    let data = json!(answer.data);
    let commit = &data["repository"]["object"];
    if !commit.is_object() {
        let problem = answer.problems.into_iter().next();
        let problem = problem.unwrap_or_else(|| "the base branch is not told".to_owned());
        return Err(GhError::QueryRefused(problem));
    }
    let files = paths.iter().enumerate();
    Ok(files
        .map(|(number, path)| authors(path, &commit[format!("file{number}")]))
        .collect())
}

fn authors(path: &str, history: &Value) -> Authors {
    let mut authors = Authors {
        path: path.to_owned(),
        ..Authors::default()
    };
    for commit in history["nodes"].as_array().into_iter().flatten() {
        authors.commits += 1;
        if let Some(login) = commit["author"]["user"]["login"].as_str() {
            *authors.by_login.entry(login.to_owned()).or_default() += 1;
        }
    }
    authors
}
