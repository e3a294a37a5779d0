//! The objects and branches of a repository: a real bare git repository in a temporary folder.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::git_repository::GitRepository;

/// A bare git repository.
#[derive(Debug)]
pub struct Store {
    folder: TempDir,
    /// What is read of it.
    pub(super) git: GitRepository,
}

/// What stands at a path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Mode in octal digits, as git prints it.
    pub mode: String,
    /// Name of the object.
    pub oid: String,
}

/// What git said when it refused.
type Refusal = String;

/// The name that stands for no object.
const NOTHING: &str = "0000000000000000000000000000000000000000";

impl Store {
    /// A repository whose branch `main` has one commit with these files: path, mode, content.
    pub fn new(files: &[(&str, &str, &[u8])]) -> Self {
        let folder = tempfile::Builder::new().prefix("store").tempdir();
        let folder = folder.expect("there is a temporary folder");
        let git = GitRepository::at(folder.path());
        let store = Self { folder, git };
        store.must(&["init", "-q", "--bare", "."], b"");
        let entries = files.iter().map(|(path, mode, content)| {
            let blob = store.blob(content);
            format!("{mode} {blob}\t{path}\0")
        });
        let lines: String = entries.collect();
        let tree = store.index(None, &lines).expect("git takes the files");
        let commit = store
            .commit("start", &tree, &[])
            .expect("git takes the commit");
        store
            .create_branch("main", &commit)
            .expect("there is no branch yet");
        store
    }

    /// The folder of the repository.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git and gives what it printed.
    pub fn git(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.git_with(arguments, input, None)
    }

    /// Runs git, which must succeed, and gives what it printed as text without the last line end.
    #[track_caller]
    pub fn must(&self, arguments: &[&str], input: &[u8]) -> String {
        let printed = self.git(arguments, input);
        let printed = printed.unwrap_or_else(|told| panic!("git {arguments:?}: {told}"));
        text(printed)
    }

    fn git_with(
        &self,
        arguments: &[&str],
        input: &[u8],
        index: Option<&Path>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(self.folder.path());
        let path = std::env::var_os("PATH").unwrap_or_default();
        git.env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path());
        git.env("GIT_DIR", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "octo");
            git.env(format!("GIT_{role}_EMAIL"), "octo@example.org");
        }
        if let Some(index) = index {
            git.env("GIT_INDEX_FILE", index);
        }
        git.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = git.spawn().expect("git is there");
        let mut pipe = child.stdin.take().expect("there is a pipe");
        std::thread::scope(|scope| {
            // Git may end without reading, and may print before it has read all.
            scope.spawn(move || pipe.write_all(input));
            let output = child.wait_with_output().expect("it is our child");
            if output.status.success() {
                Ok(output.stdout)
            } else {
                Err(String::from_utf8_lossy(&output.stderr).into_owned())
            }
        })
    }

    /// Stores a blob and gives its name.
    pub fn blob(&self, content: &[u8]) -> String {
        self.must(&["hash-object", "-w", "--stdin"], content)
    }

    /// The type of an object, if it is there.
    pub fn kind(&self, oid: &str) -> Option<String> {
        self.git(&["cat-file", "-t", oid], b"").ok().map(text)
    }

    /// Makes a tree from another one and lines as `git update-index --index-info` reads them.
    pub(super) fn index(&self, base: Option<&str>, lines: &str) -> Result<String, Refusal> {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let index = folder.path().join("index");
        let git = |arguments: &[&str], input: &[u8]| self.git_with(arguments, input, Some(&index));
        if let Some(base) = base {
            git(&["read-tree", base], b"")?;
        }
        git(&["update-index", "-z", "--index-info"], lines.as_bytes())?;
        git(&["write-tree"], b"").map(text)
    }

    /// A line that takes a path out of an index.
    pub(super) fn removal(path: &str) -> String {
        format!("0 {NOTHING}\t{path}\0")
    }

    /// Stores a commit.
    pub fn commit(&self, message: &str, tree: &str, parents: &[&str]) -> Result<String, Refusal> {
        let mut arguments = vec!["commit-tree", tree, "-F", "-"];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        self.git(&arguments, message.as_bytes()).map(text)
    }

    /// Commits some text files to a branch and gives the commit's name.
    #[track_caller]
    pub fn push(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        let tip = self.tip(branch).expect("the branch exists");
        let entries = files.iter().map(|(path, content)| {
            let blob = self.blob(content.as_bytes());
            format!("100644 {blob}\t{path}\0")
        });
        let lines: String = entries.collect();
        let commit = self
            .index(Some(&self.tree_of(&tip)), &lines)
            .and_then(|tree| self.commit(message, &tree, &[&tip]))
            .expect("git takes the files");
        assert_eq!(self.forward(branch, &commit), Ok(true));
        commit
    }

    /// Puts a new branch on a commit.
    pub fn create_branch(&self, name: &str, commit: &str) -> Result<(), Refusal> {
        let name = format!("refs/heads/{name}");
        self.git(&["update-ref", &name, commit, NOTHING], b"")
            .map(drop)
    }

    /// Moves a branch forward. Returns whether that was forward.
    pub(super) fn forward(&self, name: &str, commit: &str) -> Result<bool, Refusal> {
        let reference = format!("refs/heads/{name}");
        if self
            .git(&["merge-base", "--is-ancestor", &reference, commit], b"")
            .is_err()
        {
            return Ok(false);
        }
        self.git(&["update-ref", &reference, commit], b"")
            .map(|_| true)
    }

    /// The commit that a branch is on.
    pub fn tip(&self, branch: &str) -> Option<String> {
        self.commit_named(&format!("refs/heads/{branch}"))
    }

    /// The commit that a name stands for.
    pub(super) fn commit_named(&self, name: &str) -> Option<String> {
        let name = format!("{name}^{{commit}}");
        self.git(&["rev-parse", "-q", "--verify", &name], b"")
            .ok()
            .map(text)
    }

    /// The tree of a commit.
    pub fn tree_of(&self, commit: &str) -> String {
        self.must(&["rev-parse", &format!("{commit}^{{tree}}")], b"")
    }

    /// Commits of `head` that `base` lacks, the oldest first.
    pub fn between(&self, base: &str, head: &str) -> Vec<String> {
        let range = format!("{base}..{head}");
        let printed = self.must(&["rev-list", "--reverse", &range], b"");
        printed.lines().map(str::to_owned).collect()
    }

    /// What stands at a path of a commit or tree.
    pub fn entry(&self, tree: &str, path: &str) -> Option<StoredEntry> {
        let arguments = ["--literal-pathspecs", "ls-tree", "-z", tree, "--", path];
        let printed = text(self.git(&arguments, b"").ok()?);
        let (about, _) = printed.split_once('\t')?;
        let words: Vec<&str> = about.split(' ').collect();
        Some(StoredEntry {
            mode: words[0].to_owned(),
            oid: words[2].to_owned(),
        })
    }

    /// The content of a file of a commit.
    #[track_caller]
    pub fn content(&self, commit: &str, path: &str) -> Vec<u8> {
        let entry = self.entry(commit, path).expect("the file is there");
        self.git(&["cat-file", "blob", &entry.oid], b"")
            .expect("it is a blob")
    }
}

fn text(printed: Vec<u8>) -> String {
    String::from_utf8_lossy(&printed)
        .trim_end_matches('\n')
        .to_owned()
}
