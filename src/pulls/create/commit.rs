//! The commit of a new pull request, and the branch that is put on it. Never by force: a branch
//! that has other commits is left alone.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::Warning;
use super::entries::{Entries, Holds, TreeEntry, blob, entries, paths, tree_entries};
use super::errors;
use super::{Base, NewPullRequest};
use crate::domain::{ApiError, Category};
use crate::gh::{ApiPath, Gh, GhError};

/// Blobs sent at once.
const BLOBS_AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Named {
    sha: String,
}

/// GitHub's comparison of two commits, in the parts that tell whether a branch is ours.
#[derive(Deserialize)]
struct Comparison {
    ahead_by: u64,
    merge_base_commit: Compared,
    #[serde(default)]
    commits: Vec<Compared>,
}

#[derive(Deserialize)]
struct Compared {
    sha: String,
    commit: CommitOf,
}

#[derive(Deserialize)]
struct CommitOf {
    tree: Named,
}

/// Writes one commit on the base and puts the head branch on it. Returns the commit's name.
///
/// # Errors
/// `no_changes`, `branch_exists`, and what GitHub refuses.
pub(super) async fn commit(
    gh: &Gh,
    ask: &NewPullRequest,
    message: &str,
    base: &Base,
    warnings: &mut Vec<Warning>,
) -> Result<String, ApiError> {
    let known = known_entries(gh, ask, base, warnings).await;
    let tree = tree_entries(&ask.changes, known.as_ref())?;
    let write = Write { gh, ask };
    write.blobs(&tree).await?;
    let top = write.tree(&base.tree, &tree).await?;
    if top == base.tree {
        return Err(errors::no_changes(ask, &base.name));
    }
    let body = json!({ "message": message, "tree": top, "parents": [base.sha] });
    let commit: Named = write.object("commits", &body).await?;
    if write.create_branch(&commit.sha).await? {
        return Ok(commit.sha);
    }
    write.existing_branch(base, &tree, &top).await
}

async fn known_entries(
    gh: &Gh,
    ask: &NewPullRequest,
    base: &Base,
    warnings: &mut Vec<Warning>,
) -> Option<Entries> {
    match entries(gh, &ask.repo, &base.sha, &paths(&ask.changes)).await {
        Ok(known) => Some(known),
        Err(reason) => {
            warnings.push(Warning::new(
                "file_modes",
                reason,
                "files given without 'executable' are not executable now, even if they were",
            ));
            None
        }
    }
}

struct Write<'a> {
    gh: &'a Gh,
    ask: &'a NewPullRequest,
}

impl Write<'_> {
    fn git(&self, kind: &str) -> ApiPath {
        ApiPath::repo(&self.ask.repo).then("git").then(kind)
    }

    async fn object<T: serde::de::DeserializeOwned>(
        &self,
        kind: &str,
        body: &Value,
    ) -> Result<T, ApiError> {
        let added = self.gh.add_object(&self.git(kind), body).await;
        added.map_err(|error| errors::of_write(self.ask, &error))
    }

    /// Sends what trees cannot carry, a few at a time.
    async fn blobs(&self, tree: &[TreeEntry<'_>]) -> Result<(), ApiError> {
        let mut waiting: std::collections::BTreeMap<&str, &[u8]> = tree
            .iter()
            .filter_map(|entry| match &entry.holds {
                Holds::Blob(content, name) => Some((name.as_str(), *content)),
                _ => None,
            })
            .collect();
        let mut sending = JoinSet::new();
        loop {
            while sending.len() < BLOBS_AT_ONCE
                && let Some((name, content)) = waiting.pop_first()
            {
                let (gh, path) = (self.gh.clone(), self.git("blobs"));
                let (name, body) = (name.to_owned(), blob(content));
                sending.spawn(async move {
                    let stored = gh.add_object::<Named>(&path, &body).await?;
                    if stored.sha == name {
                        return Ok(());
                    }
                    Err(GhError::Malformed(
                        "a blob was stored differently".to_owned(),
                    ))
                });
            }
            match sending.join_next().await {
                None => return Ok(()),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return Err(errors::of_write(self.ask, &error)),
                Some(Err(error)) => return Err(ApiError::internal(error.to_string())),
            }
        }
    }

    async fn tree(&self, base_tree: &str, tree: &[TreeEntry<'_>]) -> Result<String, ApiError> {
        let entries: Vec<Value> = tree.iter().map(TreeEntry::to_json).collect();
        let body = json!({ "base_tree": base_tree, "tree": entries });
        let top: Named = self.object("trees", &body).await?;
        Ok(top.sha)
    }

    /// Creates the branch. Returns whether it is on the commit now: not, when it was there.
    async fn create_branch(&self, commit: &str) -> Result<bool, ApiError> {
        let reference = format!("refs/heads/{}", self.ask.head.branch);
        let body = json!({ "ref": reference, "sha": commit });
        let created = self
            .gh
            .write::<Value>("POST", &self.git("refs"), &body)
            .await;
        match created {
            Ok(_) => Ok(true),
            Err(GhError::Rejected(told)) if told.contains("already exists") => Ok(false),
            Err(error) => self.settle(error, commit).await,
        }
    }

    /// After a write of the branch whose answer was lost: whether the branch is on the commit.
    async fn settle(&self, error: GhError, commit: &str) -> Result<bool, ApiError> {
        let failed = || Err(errors::of_write(self.ask, &error));
        if !error.is_transient() {
            return failed();
        }
        match self.tip().await {
            Ok(Some(tip)) => Ok(tip == commit),
            Ok(None) | Err(_) => failed(),
        }
    }

    /// The commit that the branch is on.
    async fn tip(&self) -> Result<Option<String>, GhError> {
        #[derive(Deserialize)]
        struct Reference {
            object: Named,
        }
        let path = self
            .git("ref")
            .then("heads")
            .then_all(&self.ask.head.branch);
        match self.gh.get::<Reference>(&path).await {
            Ok(reference) => Ok(Some(reference.object.sha)),
            Err(GhError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The branch is there already. It serves when a call before this one made it. Any other one is
    /// left as it is, even if it has no commits of its own: it may be what is deployed.
    async fn existing_branch(
        &self,
        base: &Base,
        tree: &[TreeEntry<'_>],
        top: &str,
    ) -> Result<String, ApiError> {
        let branch = &self.ask.head.branch;
        let range = format!("{}...{branch}", base.sha);
        let path = ApiPath::repo(&self.ask.repo).then("compare").then(range);
        let compared = self.gh.get::<Comparison>(&path).await;
        let compared = compared.map_err(|error| errors::of_write(self.ask, &error))?;
        let origin = &compared.merge_base_commit;
        let expected = if origin.sha == base.sha {
            top.to_owned()
        } else {
            self.tree(&origin.commit.tree.sha, tree).await?
        };
        match compared.commits.as_slice() {
            [only] if compared.ahead_by == 1 && only.commit.tree.sha == expected => {
                Ok(only.sha.clone())
            }
            _ => Err(branch_exists(self.ask)),
        }
    }
}

fn branch_exists(ask: &NewPullRequest) -> ApiError {
    ApiError::new(
        Category::Logical,
        "branch_exists",
        format!(
            "the branch {} exists already, with other commits than this; it was left as it is",
            ask.head.branch
        ),
        "choose another head; or, if its commits are what you want, call again without files",
    )
}
