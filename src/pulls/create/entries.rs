//! What a commit has at given paths, and the tree entries that make the changes from there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Warning;
use super::files::{Act, Changes, FILES_MAX, blob_name, encode, fits_inline, folders_above};
use crate::domain::{ApiError, Category, RepoName};
use crate::gh::{Gh, GhError};

/// Paths asked for in one query: all files of a call, so that asking again costs one.
const PATHS_PER_QUERY: usize = FILES_MAX;
/// Most folders above the files that are looked at for files in their place.
const FOLDERS_MAX: usize = 100;

/// Modes of git, as GraphQL tells them: as numbers.
const EXECUTABLE: u32 = 0o100_755;
const SYMBOLIC_LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;
const FOLDER: u32 = 0o040_000;

/// What stands at a path. Source: `TreeEntry` of GitHub's GraphQL schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Entry {
    /// File mode as git has it.
    pub mode: u32,
    /// Name of the object.
    pub oid: String,
}

/// What a commit has at the paths that were asked for; paths where nothing stands are left out.
pub(super) type Entries = BTreeMap<String, Entry>;

/// The paths to ask for: the files and the folders above them.
pub(super) fn paths(changes: &Changes) -> Vec<String> {
    let above: BTreeSet<&str> = changes
        .keys()
        .flat_map(|path| folders_above(path))
        .collect();
    let folders = above.into_iter().take(FOLDERS_MAX).map(str::to_owned);
    changes.keys().cloned().chain(folders).collect()
}

/// Asks what a commit has at these paths.
///
/// # Errors
/// The reason why it is not known.
pub(super) async fn entries(
    gh: &Gh,
    repo: &RepoName,
    commit: &str,
    paths: &[String],
) -> Result<Entries, String> {
    let mut found = Entries::new();
    let mut left: Vec<&[String]> = paths.chunks(PATHS_PER_QUERY).collect();
    while let Some(chunk) = left.pop() {
        let (document, variables) = query(repo, commit, chunk);
        let mut answer = match gh.graph(&document, variables).await {
            // GitHub's limit is its own time: how many paths that are is not known beforehand.
            Err(GhError::TooExpensive) if chunk.len() > 1 => {
                let (one, other) = chunk.split_at(chunk.len() / 2);
                left.extend([one, other]);
                continue;
            }
            answer => answer.map_err(|error| error.to_string())?,
        };
        let commit = answer
            .data
            .get_mut("repository")
            .map(|it| it["object"].take());
        let Some(Value::Object(mut files)) = commit else {
            let told = answer.problems.into_iter().next();
            return Err(told.unwrap_or_else(|| "GitHub does not show the commit".to_owned()));
        };
        for (index, path) in chunk.iter().enumerate() {
            let entry = files.remove(&format!("f{index}")).unwrap_or_default();
            if let Ok(Some(entry)) = serde_json::from_value(entry) {
                found.insert(path.clone(), entry);
            }
        }
    }
    Ok(found)
}

fn query(repo: &RepoName, commit: &str, paths: &[String]) -> (String, Value) {
    let mut variables = Map::new();
    let mut declared = String::new();
    let mut files = String::new();
    for (index, path) in paths.iter().enumerate() {
        variables.insert(format!("p{index}"), json!(path));
        declared.push_str(&format!(",$p{index}:String!"));
        files.push_str(&format!(" f{index}:file(path:$p{index}){{mode oid}}"));
    }
    variables.insert("owner".to_owned(), json!(repo.owner()));
    variables.insert("name".to_owned(), json!(repo.name()));
    variables.insert("commit".to_owned(), json!(commit));
    let document = format!(
        "query Files($owner:String!,$name:String!,$commit:GitObjectID!{declared}){{\
         repository(owner:$owner,name:$name){{object(oid:$commit){{...on Commit{{{files}}}}}}}}}"
    );
    (document, Value::Object(variables))
}

/// What a tree's entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds<'a> {
    /// Text, sent with the tree.
    Text(&'a str),
    /// Other content, sent before as an object of this name.
    Blob(&'a [u8], String),
    /// An object that is there.
    Known(String),
    /// Nothing: the path is taken away.
    Nothing,
}

/// One entry of the new tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeEntry<'a> {
    path: &'a str,
    mode: &'static str,
    pub holds: Holds<'a>,
}

impl TreeEntry<'_> {
    /// As GitHub's interface takes it.
    pub fn to_json(&self) -> Value {
        let mut entry = json!({ "path": self.path, "mode": self.mode, "type": "blob" });
        match &self.holds {
            Holds::Text(text) => entry["content"] = json!(text),
            Holds::Blob(_, name) | Holds::Known(name) => entry["sha"] = json!(name),
            Holds::Nothing => entry["sha"] = Value::Null,
        }
        entry
    }
}

/// A blob as GitHub's interface takes it.
pub(super) fn blob(content: &[u8]) -> Value {
    json!({ "content": encode(content), "encoding": "base64" })
}

/// The entries that make the changes on a commit. `None` where it is not known what it has: files
/// then become executable only where that was said.
///
/// # Errors
/// `not_a_file` and `no_such_file`, where a change does not fit what is there.
pub(super) fn tree_entries<'a>(
    changes: &'a Changes,
    known: Option<&Entries>,
) -> Result<Vec<TreeEntry<'a>>, ApiError> {
    let mut made = Vec::with_capacity(changes.len());
    for (path, act) in changes {
        let there = known.and_then(|known| known.get(path));
        fits(path, act, there, known, changes)?;
        let was_executable = there.is_some_and(|entry| entry.mode == EXECUTABLE);
        let (holds, executable) = match act {
            Act::Write(content, executable) => {
                let executable = executable.unwrap_or(was_executable);
                (holds(content, there), executable)
            }
            Act::SetExecutable(executable) => match there {
                Some(entry) => (Holds::Known(entry.oid.clone()), *executable),
                None => return Err(no_content(path, known.is_some())),
            },
            // GitHub ignores the mode of what goes.
            Act::Delete => (Holds::Nothing, false),
        };
        let mode = if executable { "100755" } else { "100644" };
        made.push(TreeEntry { path, mode, holds });
    }
    Ok(made)
}

fn holds<'a>(content: &'a [u8], there: Option<&Entry>) -> Holds<'a> {
    if let Some(text) = fits_inline(content) {
        return Holds::Text(text);
    }
    let name = blob_name(content);
    if there.is_some_and(|entry| entry.oid == name) {
        return Holds::Known(name);
    }
    Holds::Blob(content, name)
}

fn fits(
    path: &str,
    act: &Act,
    there: Option<&Entry>,
    known: Option<&Entries>,
    changes: &Changes,
) -> Result<(), ApiError> {
    let refused = |message: String, next: &str| {
        Err(ApiError::new(Category::User, "not_a_file", message, next))
    };
    match there.map(|entry| entry.mode) {
        Some(FOLDER) => refused(
            format!("'{path}' is a folder"),
            "name the files in it one by one",
        ),
        Some(SUBMODULE) => refused(
            format!("'{path}' is a submodule"),
            "change it with git, push, and call again without files",
        ),
        Some(SYMBOLIC_LINK) if *act != Act::Delete => refused(
            format!("'{path}' is a symbolic link"),
            "change the file that it points to, or change the link with git",
        ),
        None if *act == Act::Delete && known.is_some() => Err(ApiError::new(
            Category::User,
            "no_such_file",
            format!("there is no '{path}' to delete"),
            "leave it out, or correct the path: upper and lower case count",
        )),
        None if *act != Act::Delete => {
            let is_in_the_way = |folder: &&str| {
                let entry = known.and_then(|known| known.get(*folder));
                let stays = changes.get(*folder) != Some(&Act::Delete);
                stays && entry.is_some_and(|entry| entry.mode != FOLDER)
            };
            match folders_above(path).find(is_in_the_way) {
                Some(file) => refused(
                    format!("'{file}' is a file and '{path}' would lie in it"),
                    "delete the file in the same call, or choose another path",
                ),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn no_content(path: &str, is_known: bool) -> ApiError {
    let reason = if is_known {
        format!("there is no '{path}' whose executable bit could be set")
    } else {
        format!("what '{path}' holds is not known")
    };
    ApiError::new(
        Category::User,
        "no_such_file",
        reason,
        "give its content too",
    )
}

/// Says which of the changes a commit does not have, if any.
pub(super) fn missing_changes(changes: &Changes, has: &Entries) -> Option<Warning> {
    /// Paths that are named.
    const NAMED_MAX: usize = 5;
    let is_missing = |(path, act): &(&String, &Act)| {
        let entry = has.get(*path);
        let bit = |wanted: bool| entry.is_some_and(|it| (it.mode == EXECUTABLE) == wanted);
        match act {
            Act::Delete => entry.is_some(),
            Act::SetExecutable(wanted) => !bit(*wanted),
            Act::Write(content, executable) => {
                let same = entry.is_some_and(|entry| entry.oid == blob_name(content));
                !same || executable.is_some_and(|wanted| !bit(wanted))
            }
        }
    };
    let missing: Vec<&str> = changes
        .iter()
        .filter(is_missing)
        .map(|(path, _)| path.as_str())
        .collect();
    if missing.is_empty() {
        return None;
    }
    let more = match missing.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = missing[..missing.len().min(NAMED_MAX)].join(", ");
    Some(Warning::new(
        "files",
        format!("the open pull request has not got these changes: {named}{more}"),
        "nothing was changed: commit them to its branch with git and push",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::files::{FileChange, check};
    use super::*;

    fn changes(files: Value) -> Changes {
        check(serde_json::from_value::<Vec<FileChange>>(files).unwrap()).unwrap()
    }

    fn there() -> Entries {
        let entry = |(path, mode, content): (&str, u32, &[u8])| {
            let oid = blob_name(content);
            (path.to_owned(), Entry { mode, oid })
        };
        let all = [
            ("run", EXECUTABLE, &b"old"[..]),
            ("plain", 0o100_644, b"old"),
            ("logo", 0o100_644, b"\xff\0"),
            ("src", FOLDER, b""),
            ("link", SYMBOLIC_LINK, b"plain"),
            ("vendor", SUBMODULE, b""),
        ];
        all.into_iter().map(entry).collect()
    }

    #[test]
    fn modes_are_kept_and_set() {
        let changes = changes(json!([
            {"path": "run", "content": "new"},
            {"path": "plain", "executable": true},
            {"path": "src/a", "content": "a", "executable": true},
            {"path": "logo", "content": "/wA=", "encoding": "base64"},
            {"path": "pixel", "content": "/w==", "encoding": "base64"},
            {"path": "link", "delete": true},
        ]));
        let there = there();
        let made = tree_entries(&changes, Some(&there)).unwrap();
        let made: Vec<Value> = made.iter().map(TreeEntry::to_json).collect();
        let (old, pixel) = (blob_name(b"old"), blob_name(b"\xff"));
        let logo = &there["logo"].oid;
        assert_eq!(
            Value::from(made),
            json!([
                {"path": "link", "mode": "100644", "type": "blob", "sha": null},
                {"path": "logo", "mode": "100644", "type": "blob", "sha": logo},
                {"path": "pixel", "mode": "100644", "type": "blob", "sha": pixel},
                {"path": "plain", "mode": "100755", "type": "blob", "sha": old},
                {"path": "run", "mode": "100755", "type": "blob", "content": "new"},
                {"path": "src/a", "mode": "100755", "type": "blob", "content": "a"},
            ])
        );
        // Nothing is known: what was not said is not executable.
        let unknown = tree_entries(
            &self::changes(json!([{"path": "run", "content": "x"}])),
            None,
        )
        .unwrap()[0]
            .to_json();
        assert_eq!(unknown["mode"], "100644");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |file: Value| {
            let error = tree_entries(&changes(json!([file])), Some(&there())).unwrap_err();
            (error.code.into_owned(), error.message)
        };
        for (file, code, message) in [
            (
                json!({"path": "src", "content": ""}),
                "not_a_file",
                "'src' is a folder",
            ),
            (
                json!({"path": "src", "delete": true}),
                "not_a_file",
                "'src' is a folder",
            ),
            (
                json!({"path": "link", "content": ""}),
                "not_a_file",
                "'link' is a symbolic link",
            ),
            (
                json!({"path": "vendor", "content": ""}),
                "not_a_file",
                "'vendor' is a submodule",
            ),
            (
                json!({"path": "no", "delete": true}),
                "no_such_file",
                "there is no 'no' to delete",
            ),
            (
                json!({"path": "plain/a/b", "content": ""}),
                "not_a_file",
                "'plain' is a file and 'plain/a/b' would lie in it",
            ),
            (
                json!({"path": "no", "executable": true}),
                "no_such_file",
                "there is no 'no' whose executable bit could be set",
            ),
        ] {
            assert_eq!(refused(file), (code.to_owned(), message.to_owned()));
        }
        let replaced = changes(json!([
            {"path": "plain", "delete": true}, {"path": "plain/a", "content": ""}]));
        assert!(tree_entries(&replaced, Some(&there())).is_ok());
    }

    #[test]
    fn changes_that_a_pull_request_lacks_are_named() {
        let told = |files: Value| missing_changes(&changes(files), &there()).map(|it| it.reason);
        let has = json!([
            {"path": "run", "content": "old"},
            {"path": "logo", "content": "/wA=", "encoding": "base64", "executable": false},
            {"path": "gone", "delete": true},
            {"path": "run2", "delete": true},
        ]);
        assert_eq!(told(has), None);
        let lacks = json!([
            {"path": "run", "content": "old", "executable": false},
            {"path": "plain", "content": "new"},
            {"path": "src/a", "content": "a"},
        ]);
        assert_eq!(
            told(lacks).unwrap(),
            "the open pull request has not got these changes: plain, run, src/a"
        );
    }

    #[test]
    fn folders_are_asked_for_once() {
        let files = json!([{"path": "a/b/c", "content": ""}, {"path": "a/b/d", "content": ""}]);
        assert_eq!(paths(&changes(files)), ["a/b/c", "a/b/d", "a", "a/b"]);
    }
}
