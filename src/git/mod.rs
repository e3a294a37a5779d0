//! Floor 3: git itself, for what GitHub does not tell: which lines of a file two sides changed.
//!
//! No clone is needed: the versions of a file are put into a private folder, and git compares
//! them there. Nothing that strangers wrote is in an argument, and no configuration is read.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::process::{self, ChildCommand, Pool, Priority, ProcessError};

/// Most git children at once.
const CHILDREN_MAX: usize = 2;
/// Most calls that wait for a place.
const QUEUE_MAX: usize = 256;
/// How long one comparison may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of one comparison.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// Compares as `git merge` does: by histogram and without moving the edges of a change to where
/// they look best. One line of context keeps git from leaving common ends out before it compares,
/// which would find other changes.
const DIFF: [&str; 10] = [
    "diff",
    "--no-index",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-indent-heuristic",
    "--diff-algorithm=histogram",
    "--unified=1",
    "--inter-hunk-context=0",
    "--text",
];

/// Why git told nothing.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is none on PATH.
    #[error("git was not found")]
    Missing,
    /// Its input could not be written.
    #[error("no private folder: {0}")]
    Folder(#[from] io::Error),
    /// Too many calls wait.
    #[error("too many comparisons are waiting")]
    Overloaded,
    /// It did not end as it should.
    #[error("git diff: {0}")]
    Process(#[from] ProcessError),
    /// It refused.
    #[error("git diff: {0}")]
    Refused(String),
}

/// Three versions of a file.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    /// The common one; empty when both sides added the file.
    pub ancestor: &'a [u8],
    /// Of one side.
    pub ours: &'a [u8],
    /// Of the other side.
    pub theirs: &'a [u8],
}

/// What both sides changed, each as a patch.
#[derive(Clone, Debug)]
pub struct Changes {
    /// From the common version to one side.
    pub ours: String,
    /// From the common version to the other side.
    pub theirs: String,
}

/// The git program. Clones share its places.
#[derive(Clone, Debug)]
pub struct Git {
    program: Option<Arc<Path>>,
    pool: Pool,
}

impl Git {
    /// The git on PATH, if there is one.
    pub fn find() -> Self {
        Self {
            program: which::which("git").ok().map(Arc::from),
            pool: Pool::new(CHILDREN_MAX, 0, QUEUE_MAX),
        }
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.program.is_some()
    }

    /// Compares both sides with their common version.
    ///
    /// # Errors
    /// When there is no git, or it does not answer.
    pub async fn compare(&self, versions: Versions<'_>) -> Result<Changes, GitError> {
        let folder = tempfile::Builder::new().prefix("issuecommand-").tempdir()?;
        let files = [
            ("ancestor", versions.ancestor),
            ("ours", versions.ours),
            ("theirs", versions.theirs),
        ];
        for (name, content) in files {
            tokio::fs::write(folder.path().join(name), content).await?;
        }
        let (ours, theirs) = tokio::try_join!(
            self.diff(folder.path(), "ours"),
            self.diff(folder.path(), "theirs")
        )?;
        Ok(Changes { ours, theirs })
    }

    async fn diff(&self, folder: &Path, side: &str) -> Result<String, GitError> {
        let program = self.program.as_deref().ok_or(GitError::Missing)?;
        let permit = self.pool.permit(Priority::Ordinary).await;
        let permit = permit.map_err(|_| GitError::Overloaded)?;
        let mut arguments: Vec<OsString> = vec!["-C".into(), folder.into()];
        arguments.extend(DIFF.map(OsString::from));
        arguments.extend(["--", "ancestor", side].map(OsString::from));
        let command = ChildCommand {
            program: program.to_owned(),
            arguments,
            environment: environment(folder),
            input: None,
            time_limit: TIME_LIMIT,
            stdout_bytes_max: OUTPUT_BYTES_MAX,
        };
        let finished = process::run(command, permit).await?;
        // 0 is the same, 1 is different; all else is a failure.
        if !matches!(finished.status.code(), Some(0 | 1)) {
            let stderr = String::from_utf8_lossy(&finished.stderr);
            let line = stderr.lines().next().unwrap_or("it said nothing");
            return Err(GitError::Refused(line.to_owned()));
        }
        Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
    }
}

/// Neither the user's configuration nor a repository around the folder may have a say.
fn environment(folder: &Path) -> Vec<(OsString, OsString)> {
    let above = folder.parent().map(PathBuf::from).unwrap_or_default();
    [
        ("GIT_CONFIG_NOSYSTEM", OsString::from("1")),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_ATTR_NOSYSTEM", "1".into()),
        ("GIT_CEILING_DIRECTORIES", above.into()),
        ("HOME", folder.into()),
        ("LC_ALL", "C".into()),
    ]
    .map(|(name, value)| (name.into(), value))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_sides_are_compared_with_the_common_version() {
        let versions = Versions {
            ancestor: b"a\nb\nc\n",
            ours: b"a\nB\nc\n",
            theirs: b"",
        };
        let changes = Git::find().compare(versions).await.expect("git is there");
        assert!(changes.ours.ends_with("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"));
        assert!(changes.theirs.ends_with("@@ -1,3 +0,0 @@\n-a\n-b\n-c\n"));
        let same = Versions {
            ours: versions.ancestor,
            theirs: b"\0\n",
            ..versions
        };
        let changes = Git::find().compare(same).await.expect("git is there");
        assert_eq!(changes.ours, "");
        assert!(changes.theirs.contains("@@ -1,3 +1 @@"));
    }

    #[tokio::test]
    async fn no_git_is_said() {
        let git = Git {
            program: None,
            ..Git::find()
        };
        let versions = Versions {
            ancestor: b"",
            ours: b"",
            theirs: b"",
        };
        assert!(matches!(
            git.compare(versions).await,
            Err(GitError::Missing)
        ));
    }
}
