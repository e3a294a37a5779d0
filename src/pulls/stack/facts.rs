//! What GitHub tells of the layers of a stack.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::pulls::RollupState;

/// Where a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without a merge.
    Closed,
}

/// A commit of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub oid: String,
    /// First line of its message, written by its author.
    pub subject: String,
    /// Author's address and date: with the subject they name a commit across rebases.
    pub author: (String, String),
    /// Names of its parents.
    pub parents: Vec<String>,
}

impl Commit {
    /// Whether a rebase or an amendment of one gives the other.
    pub fn is_version_of(&self, other: &Self) -> bool {
        (&self.author, &self.subject) == (&other.author, &other.subject)
    }
}

/// The commit that a pull request was merged as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeCommit {
    /// Its name.
    pub oid: String,
    /// How many parents it has.
    pub parents: u64,
    /// Lines added and removed by it.
    pub lines: u64,
}

/// What happened to a pull request, as far as it moves stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The head branch was rewritten.
    HeadRewritten {
        /// Head before; none when GitHub has lost it.
        before: Option<String>,
        /// Head after.
        after: Option<String>,
    },
    /// It was given another base, by hand or because the old one went away.
    BaseChanged {
        /// Branch before.
        from: String,
        /// Branch after.
        to: String,
    },
    /// The base branch was deleted, which closes it.
    BaseDeleted,
}

/// A pull request as a layer of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its number.
    pub number: u64,
    /// Where it stands.
    pub state: State,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// Whether its head is a branch of another repository.
    pub from_fork: bool,
    /// `owner/name` of the head's repository; none when that was deleted.
    pub head_repo: Option<String>,
    /// Whether maintainers may push to the head.
    pub maintainer_can_modify: bool,
    /// Whether it waits in a merge queue.
    pub queued: bool,
    /// Base branch.
    pub base: String,
    /// Tip of the base branch now; none when the branch was deleted.
    pub base_tip: Option<String>,
    /// Head branch.
    pub head: String,
    /// Newest commit of the pull request.
    pub head_sha: String,
    /// Tip of the head branch now; none when the branch was deleted.
    pub head_tip: Option<String>,
    /// The commit it was merged as.
    pub merge_commit: Option<MergeCommit>,
    /// Lines added and removed.
    pub lines: u64,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
    /// Whether [`Layer::events`] goes back to the beginning.
    pub events_complete: bool,
    /// Its commits as GitHub lists them, oldest first.
    pub commits: Vec<Commit>,
    /// How many commits it has; [`Layer::commits`] may be cut.
    pub commits_total: u64,
    /// All checks of its head together; none while that is not known.
    pub ci: Option<RollupState>,
}

impl Layer {
    /// Every known earlier head, newest first: what was pushed over, and what was pushed instead.
    pub fn earlier_heads(&self) -> Vec<&str> {
        let mut heads = Vec::new();
        for event in self.events.iter().rev() {
            if let Event::HeadRewritten { before, after } = event {
                for head in [after, before].into_iter().flatten() {
                    if *head != self.head_sha && !heads.contains(&head.as_str()) {
                        heads.push(head);
                    }
                }
            }
        }
        heads
    }

    /// Whether its head branch was ever rewritten.
    pub fn was_rewritten(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::HeadRewritten { .. }))
    }

    /// Whether it was closed only because its base branch went away.
    pub fn lost_its_base(&self) -> bool {
        self.state == State::Closed && self.events.contains(&Event::BaseDeleted)
    }

    /// Whether there is still work in it: open, or closed by the loss of its base.
    pub fn is_alive(&self) -> bool {
        self.state == State::Open || self.lost_its_base()
    }

    /// How it was merged, in a word.
    pub fn merge_kind(&self) -> Option<&'static str> {
        let merge = self
            .merge_commit
            .as_ref()
            .filter(|_| self.state == State::Merged)?;
        Some(match merge.parents {
            _ if merge.oid == self.head_sha => "fast_forward",
            2.. => "merge",
            _ if self.commits_total <= 1 => "squash_or_rebase",
            // A squash is the whole change in one commit, the last one rebased only a part of it.
            _ if merge.lines == self.lines => "squash",
            _ => "rebase",
        })
    }
}

/// How one commit stands to another, as `GET compare/{base}...{head}` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Commits that only the head has.
    pub ahead: u64,
    /// Commits that only the base has; 0 means that the base is an ancestor of the head.
    pub behind: u64,
    /// Their newest common ancestor.
    pub merge_base: String,
}

/// Names of the two commits of a comparison: base, head.
pub type Pair = (String, String);

/// Comparisons made so far, and a note of those that were missed.
#[derive(Debug, Default)]
pub struct Comparisons {
    known: BTreeMap<Pair, Result<Comparison, String>>,
    missed: RefCell<BTreeSet<Pair>>,
}

impl Comparisons {
    /// The comparison of two commits; `None` when it is not there (and then it is noted) or could
    /// not be made.
    pub fn get(&self, base: &str, head: &str) -> Option<Comparison> {
        if base == head {
            let merge_base = base.to_owned();
            return Some(Comparison {
                ahead: 0,
                behind: 0,
                merge_base,
            });
        }
        let pair = (base.to_owned(), head.to_owned());
        match self.known.get(&pair) {
            Some(known) => known.clone().ok(),
            None => {
                self.missed.borrow_mut().insert(pair);
                None
            }
        }
    }

    /// Adds what was found out about a pair.
    pub fn add(&mut self, pair: Pair, found: Result<Comparison, String>) {
        self.known.insert(pair, found);
    }

    /// What was asked for and is not there, since the last call.
    pub fn take_missed(&mut self) -> Vec<Pair> {
        std::mem::take(self.missed.get_mut()).into_iter().collect()
    }

    /// Pairs that could not be compared, with the reason.
    pub fn failures(&self) -> impl Iterator<Item = (&Pair, &str)> {
        self.known.iter().filter_map(|(pair, found)| {
            let reason = found.as_ref().err()?;
            Some((pair, reason.as_str()))
        })
    }
}
