//! The commits of a repository as far as pull requests tell of them: a graph, tips of branches,
//! and what happened to the branches of a pull request.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// A commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// First line of its message.
    pub subject: String,
    /// Names of its parents.
    pub parents: Vec<String>,
    /// When it was written.
    pub authored_at: Timestamp,
    /// Lines that it adds.
    pub lines: u64,
}

/// Commits and branches.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Commits by name. What was pushed over stays, as on GitHub.
    pub commits: BTreeMap<String, Commit>,
    /// Tips of branches.
    pub branches: BTreeMap<String, String>,
}

/// What happened to a pull request's branches.
#[derive(Debug, Clone)]
pub enum PullEvent {
    /// The head was rewritten: before and after.
    HeadForcePushed(String, String),
    /// The base was changed by hand: before and after.
    BaseChanged(String, String),
    /// The base was changed by the merge of what it built on: before and after.
    AutomaticBaseChange(String, String),
    /// The base was deleted.
    BaseDeleted,
}

/// What a pull request has to do with commits.
#[derive(Debug, Clone, Default)]
pub struct BranchSide {
    /// Whether its head is in another repository.
    pub from_fork: bool,
    /// Whether it is in the merge queue.
    pub queued: bool,
    /// Tip of the base when it was merged, and the commit it was merged as.
    pub merged_as: Option<(String, String)>,
    /// What happened, oldest first.
    pub events: Vec<PullEvent>,
}

/// A commit's full name from a short word.
pub fn oid(word: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in word.bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    format!("{hex:0<40.40}")
}

impl History {
    /// Adds a commit, all named by short words, and puts a branch on it.
    pub fn commit(&mut self, branch: &str, word: &str, parents: &[&str], at: Timestamp) {
        let commit = Commit {
            subject: format!("commit {word}"),
            parents: parents.iter().map(|parent| oid(parent)).collect(),
            authored_at: at,
            lines: 1,
        };
        self.commits.insert(oid(word), commit);
        self.branches.insert(branch.to_owned(), oid(word));
    }

    /// Whether a test told of commits.
    pub(super) fn is_told(&self) -> bool {
        !self.commits.is_empty()
    }

    /// What can be reached from a commit, itself included.
    fn reach<'h>(&'h self, from: &str) -> BTreeSet<&'h str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            if let Some((name, commit)) = self.commits.get_key_value(next)
                && reached.insert(name.as_str())
            {
                open.extend(commit.parents.iter().map(String::as_str));
            }
        }
        reached
    }

    /// Commits of `head` that `base` lacks, oldest first.
    pub(super) fn between<'h>(&'h self, base: &str, head: &str) -> Vec<&'h str> {
        let known = self.reach(base);
        let mut found: Vec<&str> = self.reach(head).difference(&known).copied().collect();
        found.sort_by_key(|name| self.depth(name));
        found
    }

    fn depth(&self, name: &str) -> usize {
        self.reach(name).len()
    }

    /// The newest common ancestor.
    pub(super) fn merge_base(&self, base: &str, head: &str) -> Option<&str> {
        let theirs = self.reach(base);
        let common = self.reach(head);
        let common = common.intersection(&theirs).copied();
        common.max_by_key(|name| self.depth(name))
    }
}
