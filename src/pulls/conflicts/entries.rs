//! What the three trees of a merge have at some paths: one GraphQL query in place of a call for
//! each path and tree. Only it tells modes and submodules.
//!
//! Facts: <https://docs.github.com/graphql/reference/objects#commit> (`file` is null where there
//! is none), <https://docs.github.com/graphql/reference/objects#treeentry> (`mode` is a number).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{Case, Entries, Entry, Side};
use crate::gh::GhError;
use crate::pulls::PullSource;

/// Most paths of one query.
const PATHS_A_QUERY: usize = 90;

/// The commits that are merged.
#[derive(Clone, Debug)]
pub struct Commits {
    /// Common ancestor.
    pub ancestor: String,
    /// Head of the pull request.
    pub pr: String,
    /// Tip of the target.
    pub target: String,
}

impl Commits {
    fn of(&self, side: Side) -> &str {
        match side {
            Side::Ancestor => &self.ancestor,
            Side::Pr => &self.pr,
            Side::Target => &self.target,
        }
    }
}

/// What trees have at paths; a path that was asked for and is not there is `None`.
pub type Trees = BTreeMap<(Side, String), Option<Entry>>;

/// Reads what the trees have at some paths.
///
/// # Errors
/// As the gh floor tells; also when a commit is not told, since a path of it would look missing.
pub async fn fetch(
    source: &PullSource,
    commits: &Commits,
    wanted: BTreeSet<(Side, String)>,
) -> Result<Trees, GhError> {
    let wanted: Vec<(Side, String)> = wanted.into_iter().collect();
    let mut trees = Trees::new();
    for some in wanted.chunks(PATHS_A_QUERY) {
        let (document, variables) = query(source, commits, some);
        let answer = source.graph(&document, variables).await?;
        if let Some(problem) = answer.problems.into_iter().next() {
            return Err(GhError::QueryRefused(problem));
        }
        let repository = answer.data.get("repository").unwrap_or(&Value::Null);
        for (place, key) in some.iter().enumerate() {
            let commit = &repository[letter(key.0)];
            if !commit.is_object() {
                let oid = commits.of(key.0);
                return Err(GhError::Malformed(format!("no commit {oid} in the answer")));
            }
            trees.insert(key.clone(), entry(&commit[format!("f{place}")])?);
        }
    }
    Ok(trees)
}

fn letter(side: Side) -> &'static str {
    match side {
        Side::Ancestor => "a",
        Side::Pr => "p",
        Side::Target => "t",
    }
}

fn query(source: &PullSource, commits: &Commits, some: &[(Side, String)]) -> (String, Value) {
    let mut variables = source.variables();
    if let Some(variables) = variables.as_object_mut() {
        // A variable that the query does not have is an error.
        variables.remove("pr");
    }
    let mut parameters = "$owner:String!,$repo:String!".to_owned();
    let mut fields = String::new();
    for side in [Side::Ancestor, Side::Pr, Side::Target] {
        let paths = some.iter().enumerate().filter(|(_, key)| key.0 == side);
        let mut files = String::new();
        for (place, (_, path)) in paths {
            let _ = write!(parameters, ",$p{place}:String!");
            let _ = write!(files, "f{place}:file(path:$p{place}){{mode oid size}} ");
            variables[format!("p{place}")] = json!(path);
        }
        if !files.is_empty() {
            let letter = letter(side);
            let _ = write!(parameters, ",${letter}:GitObjectID!");
            let _ = write!(
                fields,
                "{letter}:object(oid:${letter}){{...on Commit{{{files}}}}} "
            );
            variables[letter] = json!(commits.of(side));
        }
    }
    let document = format!(
        "query MergeTrees({parameters}){{repository(owner:$owner,name:$repo){{{fields}}}}}"
    );
    (document, variables)
}

fn entry(told: &Value) -> Result<Option<Entry>, GhError> {
    #[derive(Deserialize)]
    struct Told {
        mode: u32,
        oid: String,
        size: u64,
    }
    let told = Option::<Told>::deserialize(told);
    let told = told.map_err(|error| GhError::Malformed(error.to_string()))?;
    Ok(told.map(|Told { mode, oid, size }| Entry { mode, oid, size }))
}

impl Case {
    /// The paths at which the trees have it.
    pub fn places(&self) -> impl Iterator<Item = (Side, String)> {
        let names = [
            (Side::Ancestor, self.ancestor.clone()),
            (Side::Pr, self.pr.clone()),
            (Side::Target, self.target.clone()),
        ];
        names
            .into_iter()
            .filter_map(|(side, name)| Some((side, name?)))
    }

    /// What the trees have of it.
    pub fn entries(&self, trees: &Trees) -> Entries {
        let mut entries = Entries::default();
        for key in self.places() {
            let found = trees.get(&key).cloned().flatten();
            match key.0 {
                Side::Ancestor => entries.ancestor = found,
                Side::Pr => entries.pr = found,
                Side::Target => entries.target = found,
            }
        }
        entries
    }
}
