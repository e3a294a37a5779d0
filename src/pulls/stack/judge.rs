//! What each layer of a stack needs.
//!
//! Above all where its own commits begin: see [`super::old_base`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::discover::Stack;
use super::facts::{Comparisons, Layer, State};
use super::obstacle::obstacle;
use super::old_base::{OldBase, is_of};

/// What a layer is or needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// Merged.
    Merged,
    /// Closed, and not by the loss of its base.
    Closed,
    /// The open layer below has new commits.
    NeedsRestack,
    /// The open layer below was rewritten.
    ParentRewritten,
    /// The layer below was merged as other commits: only the own ones may be replayed.
    NeedsOnto,
    /// The layer below was merged as it was: an ordinary rebase.
    NeedsRebase,
    /// The branch is right, the pull request's base is not.
    NeedsRetarget,
    /// Right as it is, but the layer below is about to move.
    RestackWithParent,
    /// It was asked to be moved onto another branch.
    MovesToTarget,
    /// No commit of its own is left.
    Empty,
    /// The layer below was closed without a merge: somebody has to decide.
    ParentClosed,
    /// It cannot be told where its own commits begin.
    OldBaseUnknown,
    /// The layer that it belongs on cannot be moved yet.
    WaitsForParent,
    /// GitHub did not tell enough.
    Unknown,
}

/// How a branch is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `git rebase TARGET`.
    Regular,
    /// `git rebase --onto TARGET OLD_BASE`.
    Onto,
}

/// Where a layer belongs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The branch.
    pub branch: String,
    /// The layer whose head that branch is.
    pub layer: Option<u64>,
}

/// What the caller wants otherwise than it would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The branch that the selected layer shall be moved onto.
    pub target: Option<String>,
    /// Whether every rebase has `--onto`, or none; without a wish each has what it needs.
    pub onto: Option<bool>,
}

/// What was found out about one layer.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The layer.
    pub number: u64,
    /// The one it builds on.
    pub parent: Option<u64>,
    /// What it is or needs.
    pub status: Status,
    /// Where it belongs.
    pub landing: Option<Landing>,
    /// How it is moved, if it is.
    pub strategy: Option<Strategy>,
    /// Where its own commits begin; with [`Status::OldBaseUnknown`] the best guess.
    pub old_base: Option<OldBase>,
    /// How many commits are its own, merges included.
    pub own: Option<u64>,
    /// Subjects of the own commits and how many of those are merges, when GitHub's list agrees.
    pub own_list: Option<(Vec<String>, usize)>,
    /// Commits that it has and what it is compared with lacks, and the reverse.
    pub ahead_behind: Option<(u64, u64)>,
}

impl Verdict {
    pub(super) fn new(layer: &Layer, parent: Option<&Layer>, status: Status) -> Self {
        Self {
            number: layer.number,
            parent: parent.map(|parent| parent.number),
            status,
            landing: None,
            strategy: None,
            old_base: None,
            own: None,
            own_list: None,
            ahead_behind: None,
        }
    }

    /// Whether its commits are replayed.
    pub fn moves(&self) -> bool {
        self.strategy.is_some()
    }

    /// Whether commands bring it in order, where they may touch it.
    pub fn wants_commands(&self) -> bool {
        self.moves() || self.status == Status::NeedsRetarget
    }

    /// Whether somebody has to do something about it.
    pub fn wants_action(&self) -> bool {
        !matches!(self.status, Status::Ok | Status::Merged | Status::Closed)
    }
}

/// Judges all layers, each after the one it builds on.
pub fn judge(stack: &Stack, wish: &Wish, comparisons: &Comparisons) -> Vec<Verdict> {
    let mut judge = Judge {
        stack,
        wish,
        comparisons,
        done: BTreeMap::new(),
    };
    let members = stack.members();
    for number in &members {
        if let Some(layer) = stack.layer(*number) {
            let mut verdict = judge.layer(layer);
            verdict.strategy = verdict.strategy.map(|fitting| match wish.onto {
                None => fitting,
                Some(true) => Strategy::Onto,
                Some(false) => Strategy::Regular,
            });
            judge.done.insert(*number, verdict);
        }
    }
    let take = |number: &u64| judge.done.remove(number);
    members.iter().filter_map(take).collect()
}

/// Judges layers one after the other.
pub(super) struct Judge<'a> {
    pub(super) stack: &'a Stack,
    pub(super) wish: &'a Wish,
    pub(super) comparisons: &'a Comparisons,
    /// The layers that were judged before.
    pub(super) done: BTreeMap<u64, Verdict>,
}

impl<'a> Judge<'a> {
    fn layer(&self, layer: &Layer) -> Verdict {
        let parent = self.stack.parent(layer.number);
        let verdict = |status| Verdict::new(layer, parent, status);
        match layer.state {
            State::Merged => return verdict(Status::Merged),
            State::Closed if !layer.lost_its_base() => return verdict(Status::Closed),
            _ => {}
        }
        if let Some(target) = self.wished(layer) {
            return self.onto_target(layer, parent, target);
        }
        match parent {
            Some(parent) => self.above(layer, parent),
            None => Verdict {
                ahead_behind: self.ahead_behind(layer.base_tip.as_deref(), layer),
                ..verdict(Status::Ok)
            },
        }
    }

    /// The branch that a layer shall be moved onto.
    fn wished(&self, layer: &Layer) -> Option<&'a str> {
        let target = self.wish.target.as_deref();
        target.filter(|_| layer.number == self.stack.selected)
    }

    /// A layer that builds on another.
    fn above(&self, layer: &Layer, parent: &'a Layer) -> Verdict {
        let mut below = parent;
        loop {
            if below.is_alive() {
                return self.above_alive(layer, below);
            }
            if below.state == State::Closed {
                return Verdict::new(layer, Some(parent), Status::ParentClosed);
            }
            let merge = below.merge_commit.as_ref();
            let compared =
                merge.and_then(|merge| self.comparisons.get(&merge.oid, &layer.head_sha));
            let ahead_behind = compared.as_ref().map(|found| (found.ahead, found.behind));
            if compared.is_none_or(|found| found.behind > 0) {
                let mut verdict = self.above_merged(layer, below);
                verdict.ahead_behind = ahead_behind;
                return verdict;
            }
            // It already stands on the merge. What that went into may have been merged since.
            match self.merged_into(below) {
                Some(next) => below = next,
                None => {
                    let mut verdict = self.in_place(layer, below);
                    if let (Some(merge), Some((ahead, _))) = (merge, ahead_behind) {
                        let (own_list, own) = self.own_counted(layer, &merge.oid, ahead);
                        (verdict.own_list, verdict.own) = (own_list, Some(own));
                    }
                    verdict.ahead_behind = ahead_behind;
                    return verdict;
                }
            }
        }
    }

    /// The layer that a merged one was merged into, if it was one.
    fn merged_into(&self, merged: &Layer) -> Option<&'a Layer> {
        let below = self.stack.parent(merged.number)?;
        (below.head == merged.base).then_some(below)
    }

    /// Where layers above a merged one belong.
    fn landing(&self, merged: &Layer) -> Landing {
        let mut last = merged;
        while let Some(below) = self.merged_into(last) {
            if below.state != State::Merged {
                return Landing {
                    branch: below.head.clone(),
                    layer: Some(below.number),
                };
            }
            last = below;
        }
        Landing {
            branch: last.base.clone(),
            layer: None,
        }
    }

    /// A branch that needs no new commits; its pull request may need another base.
    fn in_place(&self, layer: &Layer, merged: &Layer) -> Verdict {
        let landing = self.landing(merged);
        let right = layer.base == landing.branch && layer.state == State::Open;
        let status = if right {
            Status::Ok
        } else {
            Status::NeedsRetarget
        };
        Verdict {
            landing: Some(landing),
            ..Verdict::new(layer, Some(merged), status)
        }
    }

    fn above_merged(&self, layer: &Layer, merged: &Layer) -> Verdict {
        let landing = self.landing(merged);
        let (old_base, own, sure) = match self.old_base(layer, merged) {
            Some(found) => found,
            None => return Verdict::new(layer, Some(merged), Status::Unknown),
        };
        let tip = match landing.layer {
            Some(number) => self.stack.layer(number).map(|layer| &*layer.head_sha),
            None => self.stack.tip(&landing.branch),
        };
        // With no answer the careful way: --onto is right in either case.
        let landed = tip
            .and_then(|tip| self.comparisons.get(tip, &old_base.oid))
            .is_some_and(|found| found.ahead == 0);
        if !sure {
            return self.unsure(layer, merged, landing, old_base);
        }
        let (own_list, own) = self.own_counted(layer, &old_base.oid, own);
        let is_of_parent = is_of(merged, &old_base);
        if landed && !is_of_parent {
            // It was put on the target before, without anything of the layer below.
            return Verdict {
                own: Some(own),
                own_list,
                ..self.in_place(layer, merged)
            };
        }
        let blocked = landing.layer.is_some_and(|number| self.is_blocked(number));
        let (status, strategy) = match (own, blocked, landed) {
            (0, _, _) => (Status::Empty, None),
            (_, true, _) => (Status::WaitsForParent, None),
            (_, _, true) => (Status::NeedsRebase, Some(Strategy::Regular)),
            (_, _, false) => (Status::NeedsOnto, Some(Strategy::Onto)),
        };
        Verdict {
            landing: Some(landing),
            strategy,
            old_base: Some(old_base),
            own: Some(own),
            own_list,
            ..Verdict::new(layer, Some(merged), status)
        }
    }

    fn above_alive(&self, layer: &Layer, parent: &Layer) -> Verdict {
        let ahead_behind = self.ahead_behind(Some(&parent.head_sha), layer);
        let (old_base, own, sure) = match self.old_base(layer, parent) {
            Some(found) => found,
            None => return Verdict::new(layer, Some(parent), Status::Unknown),
        };
        let below = self.done.get(&parent.number);
        // A layer without commits that is on its way out is no base.
        let skipped = below.filter(|below| below.status == Status::Empty);
        let skipped = skipped.and_then(|below| below.landing.clone());
        let landing = skipped.clone().unwrap_or_else(|| Landing {
            branch: parent.head.clone(),
            layer: Some(parent.number),
        });
        if !sure {
            let mut verdict = self.unsure(layer, parent, landing, old_base);
            verdict.ahead_behind = ahead_behind;
            return verdict;
        }
        let (own_list, own) = self.own_counted(layer, &old_base.oid, own);
        let behind = ahead_behind.is_some_and(|(_, behind)| behind > 0);
        let status = if own == 0 {
            Status::Empty
        } else if landing.layer.is_some_and(|number| self.is_blocked(number)) {
            Status::WaitsForParent
        } else if skipped.is_some() {
            Status::NeedsOnto
        } else if behind && parent.was_rewritten() {
            Status::ParentRewritten
        } else if behind {
            Status::NeedsRestack
        } else if below.is_some_and(Verdict::moves) {
            Status::RestackWithParent
        } else if layer.base != landing.branch || layer.state == State::Closed {
            Status::NeedsRetarget
        } else {
            Status::Ok
        };
        let moves = matches!(
            status,
            Status::NeedsOnto
                | Status::ParentRewritten
                | Status::NeedsRestack
                | Status::RestackWithParent
        );
        Verdict {
            // An empty layer above an open one waits for its first commit; nothing passes it by.
            landing: if status == Status::Empty {
                skipped
            } else {
                Some(landing)
            },
            strategy: moves.then_some(Strategy::Onto),
            old_base: moves.then_some(old_base),
            own: Some(own),
            own_list,
            ahead_behind,
            ..Verdict::new(layer, Some(parent), status)
        }
    }

    fn unsure(&self, layer: &Layer, parent: &Layer, landing: Landing, guess: OldBase) -> Verdict {
        Verdict {
            landing: Some(landing),
            old_base: Some(guess),
            ..Verdict::new(layer, Some(parent), Status::OldBaseUnknown)
        }
    }

    /// Whether a layer has to move and no command moves it: what follows it would move twice.
    fn is_blocked(&self, number: u64) -> bool {
        let undecided = self.done.get(&number).is_some_and(|below| {
            matches!(
                below.status,
                Status::OldBaseUnknown | Status::ParentClosed | Status::Unknown
            )
        });
        undecided || self.moves_later(number)
    }

    /// Whether it is known how a layer moves, and it must not or cannot yet.
    pub(super) fn moves_later(&self, number: u64) -> bool {
        let is_kept = || {
            self.stack
                .layer(number)
                .is_some_and(|it| obstacle(it).is_some())
        };
        self.done.get(&number).is_some_and(|below| {
            below.status == Status::WaitsForParent || (below.wants_commands() && is_kept())
        })
    }

    fn ahead_behind(&self, base: Option<&str>, layer: &Layer) -> Option<(u64, u64)> {
        let found = self.comparisons.get(base?, &layer.head_sha)?;
        Some((found.ahead, found.behind))
    }
}
