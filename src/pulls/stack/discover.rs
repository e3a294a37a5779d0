//! From one pull request to its whole stack.
//!
//! A pull request builds on another when its base is the other's head branch, or was until that
//! one was merged. Discovery knows no GitHub: it says which branches it wants to know about, is
//! told the pull requests there, and asks on until nothing is open.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Event, Layer, State};

/// Most layers of a stack.
pub const LAYERS_MAX: usize = 30;
/// Most rounds of questions: a stack of this depth is found from its bottom to its top.
pub const ROUNDS_MAX: usize = 20;
/// A branch into which so many pull requests were merged is a trunk (`develop`), no layer: else
/// every pull request would be stacked on the release that is always open.
pub const TRUNK_MERGES_MIN: u64 = 5;

/// What discovery wants to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Pull requests of any state whose head is this branch, newest first.
    From(String),
    /// Pull requests that are open, or closed and not merged, with this base, newest first; and
    /// how many were merged into it.
    Onto(String),
}

/// A stack as far as it is known.
#[derive(Debug)]
pub struct Stack {
    /// The pull request it was found from.
    pub selected: u64,
    default_branch: String,
    known: BTreeMap<u64, Layer>,
    merged_into: BTreeMap<String, u64>,
    asked: BTreeSet<Question>,
    /// The layers of a stack that GitHub keeps, from the bottom to the top.
    kept: Vec<u64>,
}

impl Stack {
    /// A stack of which one pull request is known.
    pub fn new(selected: Layer, default_branch: String) -> Self {
        Self {
            selected: selected.number,
            default_branch,
            known: BTreeMap::from([(selected.number, selected)]),
            merged_into: BTreeMap::new(),
            asked: BTreeSet::new(),
            kept: Vec::new(),
        }
    }

    /// Takes in a stack that GitHub keeps, from the bottom to the top: its order is not derived.
    pub fn keep(&mut self, layers: Vec<Layer>) {
        self.kept = layers.iter().map(|layer| layer.number).collect();
        for layer in layers {
            self.known.entry(layer.number).or_insert(layer);
        }
    }

    /// What has to be found out next; nothing when the stack is complete.
    pub fn questions(&mut self) -> Vec<Question> {
        let members = self.members();
        let mut wanted = BTreeSet::new();
        for layer in members.iter().filter_map(|number| self.known.get(number)) {
            let below = [Some(layer.base.as_str()), former_base(layer)];
            let below = below.into_iter().flatten();
            wanted.extend(
                below
                    .filter(|branch| *branch != self.default_branch)
                    .map(|branch| Question::From(branch.to_owned())),
            );
            if layer.from_fork || layer.head == self.default_branch {
                continue;
            }
            wanted.insert(Question::Onto(layer.head.clone()));
            if layer.state == State::Merged {
                // Children that GitHub moved to where this one went.
                wanted.insert(Question::Onto(layer.base.clone()));
            }
        }
        let new: Vec<Question> = wanted.difference(&self.asked).cloned().collect();
        self.asked.extend(new.iter().cloned());
        new
    }

    /// Takes in the answer to a question.
    pub fn answer(&mut self, question: &Question, found: Vec<Layer>, merged: u64) {
        if let Question::Onto(branch) = question {
            self.merged_into.insert(branch.clone(), merged);
        }
        for layer in found {
            self.known.entry(layer.number).or_insert(layer);
        }
    }

    /// Numbers of the stack's pull requests, each after the one it builds on.
    pub fn members(&self) -> Vec<u64> {
        let links = self.links();
        let mut root = self.selected;
        let mut path = BTreeSet::from([root]);
        while let Some(below) = links.get(&root) {
            root = *below;
            path.insert(root);
        }
        // What was given up matters only below the selected one.
        let matters = |number: &u64| {
            let given_up = |layer: &Layer| layer.state == State::Closed && !layer.lost_its_base();
            path.contains(number) || !self.known.get(number).is_some_and(given_up)
        };
        let mut members = vec![root];
        let mut place = 0;
        while let Some(below) = members.get(place).copied() {
            place += 1;
            let above = links.iter().filter(|(_, parent)| **parent == below);
            members.extend(
                above
                    .map(|(number, _)| *number)
                    .filter(|above| matters(above)),
            );
        }
        if members.len() > LAYERS_MAX {
            self.nearest(&links, members)
        } else {
            members
        }
    }

    /// Whether layers were left off.
    pub fn is_cut(&self) -> bool {
        let links = self.links();
        let members = self.members();
        let outside =
            |(above, below): (&u64, &u64)| members.contains(below) && !members.contains(above);
        members.len() >= LAYERS_MAX && links.iter().any(outside)
    }

    /// Of too many layers those below the selected one, itself and what follows in order.
    fn nearest(&self, links: &BTreeMap<u64, u64>, members: Vec<u64>) -> Vec<u64> {
        let mut below = vec![self.selected];
        while let Some(next) = below.last().and_then(|last| links.get(last)) {
            below.push(*next);
        }
        below.reverse();
        below.truncate(LAYERS_MAX);
        for number in members {
            let fits = below.len() < LAYERS_MAX && !below.contains(&number);
            // Only with its own parent: a list with holes would be a list of wrong bases.
            if fits
                && links
                    .get(&number)
                    .is_some_and(|parent| below.contains(parent))
            {
                below.push(number);
            }
        }
        below
    }

    /// A layer.
    pub fn layer(&self, number: u64) -> Option<&Layer> {
        self.known.get(&number)
    }

    /// Gives a layer its commits, which discovery itself does not need.
    pub fn layer_mut(&mut self, number: u64) -> Option<&mut Layer> {
        self.known.get_mut(&number)
    }

    /// The pull request that another one builds on.
    pub fn parent(&self, number: u64) -> Option<&Layer> {
        self.known.get(self.links().get(&number)?)
    }

    /// Whether a pull request builds on another one, directly or with others between them.
    pub fn builds_on(&self, number: u64, below: u64) -> bool {
        let links = self.links();
        let mut next = links.get(&number);
        while let Some(parent) = next {
            if *parent == below {
                return true;
            }
            next = links.get(parent);
        }
        false
    }

    /// The branches on which pull requests pile up without being layers.
    pub fn trunks(&self) -> impl Iterator<Item = &str> {
        let trunk = |(branch, _): &(&String, &u64)| self.is_trunk(branch);
        let merged = self.merged_into.iter().filter(trunk);
        merged.map(|(branch, _)| branch.as_str())
    }

    /// Tip of a branch, if any layer tells.
    pub fn tip(&self, branch: &str) -> Option<&str> {
        let based = self.known.values().filter(|layer| layer.base == branch);
        let heads = self
            .known
            .values()
            .filter(|layer| layer.head == branch && !layer.from_fork);
        based
            .filter_map(|layer| layer.base_tip.as_deref())
            .chain(heads.filter_map(|layer| layer.head_tip.as_deref()))
            .next()
    }

    fn is_trunk(&self, branch: &str) -> bool {
        let merged = self.merged_into.get(branch).copied().unwrap_or_default();
        branch != self.default_branch && merged >= TRUNK_MERGES_MIN
    }

    /// Who builds on whom, without circles.
    fn links(&self) -> BTreeMap<u64, u64> {
        let mut links = BTreeMap::new();
        for layer in self.known.values() {
            let Some(parent) = self.parent_of(layer) else {
                continue;
            };
            let mut below = Some(parent);
            while let Some(number) = below {
                if number == layer.number {
                    break;
                }
                below = links.get(&number).copied();
            }
            // Two branches may each be the other's base: the link that closes the circle goes.
            if below.is_none() {
                links.insert(layer.number, parent);
            }
        }
        links
    }

    fn parent_of(&self, layer: &Layer) -> Option<u64> {
        if let Some(place) = self.kept.iter().position(|kept| *kept == layer.number) {
            return self.kept.get(place.checked_sub(1)?).copied();
        }
        let current = self.owner_of(&layer.base, layer).filter(|parent| {
            // A merged branch that went on afterwards is no longer what was merged.
            let untouched = layer
                .base_tip
                .as_deref()
                .is_none_or(|tip| tip == parent.head_sha);
            parent.state == State::Open || untouched
        });
        let former = || {
            let parent = self.owner_of(former_base(layer)?, layer)?;
            (parent.state == State::Merged).then_some(parent)
        };
        current.or_else(former).map(|parent| parent.number)
    }

    /// The pull request whose head is this branch: an open one, else the newest merged one, else
    /// the newest closed one.
    fn owner_of(&self, branch: &str, child: &Layer) -> Option<&Layer> {
        if branch == self.default_branch || self.is_trunk(branch) {
            return None;
        }
        let owners = self.known.values().filter(|layer| {
            // A branch of a fork only shares the name.
            layer.head == branch && !layer.from_fork && layer.number != child.number
        });
        let rank = |layer: &&Layer| match layer.state {
            State::Open => (2, None, layer.number),
            State::Merged => (1, layer.merged_at, layer.number),
            State::Closed => (0, None, layer.number),
        };
        owners.max_by_key(rank)
    }
}

/// The base before the present one, if the pull request was moved to where it is.
fn former_base(layer: &Layer) -> Option<&str> {
    let changes = layer.events.iter().rev().filter_map(|event| match event {
        Event::BaseChanged { from, to } => Some((from, to)),
        _ => None,
    });
    let mut changes = changes.filter(|(_, to)| **to == layer.base);
    changes.next().map(|(from, _)| from.as_str())
}
