//! What the tools and the watch last learned of each pull request: `get_my_claims` tells it at no
//! further call.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Conversation, PullId, Pulls, Rollup, RollupState};

/// Most pull requests that are remembered.
const STANDINGS_MAX: usize = 512;

/// How a pull request stood when it was last looked at. `None` was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The head that all of this is about: of another head nothing of it need be true.
    pub(super) head_sha: String,
    /// When something of it was last learned. Whoever takes it over from somebody else does not
    /// learn it anew.
    pub(super) learned_at: Option<Timestamp>,
    /// Checks fail.
    pub ci_fails: Option<bool>,
    /// Ids of the review threads that wait for its author: whoever resolves one takes out that one.
    pub threads_waiting: Option<BTreeSet<String>>,
    /// When the remarks in the conversation were made that wait for its author.
    pub remarks_waiting: Vec<Timestamp>,
    /// When the reviews were submitted whose bodies wait for its author.
    pub reviews_waiting: Vec<Timestamp>,
    /// When its author, or whoever asks, spoke last outside of threads.
    pub last_word: Option<Timestamp>,
    /// It conflicts with its base.
    pub conflicts: Option<bool>,
    /// It is known that it can be merged and that everything is green.
    pub is_ready: bool,
}

impl Standing {
    /// What waits, the most pressing first.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.conflicts == Some(true) {
            words.push("conflicts".to_owned());
        }
        if self.ci_fails == Some(true) {
            words.push("ci failing".to_owned());
        }
        let threads = self.threads_waiting.as_ref().map_or(0, BTreeSet::len);
        match threads + self.remarks_waiting.len() + self.reviews_waiting.len() {
            0 => {}
            1 => words.push("1 comment awaits you".to_owned()),
            count => words.push(format!("{count} comments await you")),
        }
        if words.is_empty() && self.is_ready {
            words.push("ready to merge".to_owned());
        }
        words
    }

    /// Notes what a look at many pull requests told of this one. That checks fail is left to a look
    /// at each check: the sum counts failures that a workflow allows.
    pub fn take_in(&mut self, rollup: &Rollup) {
        match rollup.state {
            RollupState::Failing => {}
            RollupState::Passing => self.ci_fails = Some(false),
            RollupState::Open | RollupState::NoChecks => self.ci_fails = None,
        }
        // What was not told does not make untrue what a tool has learned of this head.
        self.conflicts = rollup.conflicts.or(self.conflicts);
        if let Some(threads) = &rollup.threads_waiting {
            self.threads_waiting = Some(threads.clone());
        }
        if let Some(conversation) = &rollup.conversation {
            self.take_in_conversation(conversation);
        }
        // What is not known to be ready is not called so, whatever was learned before.
        self.is_ready = rollup.is_ready();
    }

    fn take_in_conversation(&mut self, told: &Conversation) {
        self.last_word = self.last_word.max(told.last_word);
        // What is older than what was read is as it was known.
        let unread = |at: &Timestamp| told.read_from.is_some_and(|from| *at < from);
        self.remarks_waiting.retain(unread);
        self.remarks_waiting.extend(&told.waiting);
        // What was said outside of threads is answered by a later word there.
        if let Some(last_word) = self.last_word {
            self.remarks_waiting.retain(|at| *at >= last_word);
            self.reviews_waiting.retain(|at| *at >= last_word);
        }
    }
}

impl Pulls {
    /// Notes what was learned of a head of a pull request. What was known of another one goes.
    pub fn learn(&self, id: &PullId, head_sha: &str, learn: impl FnOnce(&mut Standing)) {
        let now = self.now();
        let mut standings = self.standings();
        let key = id.to_string().to_lowercase();
        if standings.len() >= STANDINGS_MAX && !standings.contains_key(&key) {
            standings.clear();
        }
        let standing = standings.entry(key).or_default();
        if standing.head_sha != head_sha {
            *standing = Standing {
                head_sha: head_sha.to_owned(),
                ..Standing::default()
            };
        }
        standing.learned_at = Some(now);
        learn(standing);
    }

    /// Forgets what was learned of another head than this one.
    pub(super) fn see_head(&self, id: &PullId, head_sha: &str) {
        let key = id.to_string().to_lowercase();
        let mut standings = self.standings();
        if standings
            .get(&key)
            .is_some_and(|it| it.head_sha != head_sha)
        {
            standings.remove(&key);
        }
    }

    /// How a pull request stood when it was last looked at.
    pub fn standing(&self, id: &PullId) -> Standing {
        let key = id.to_string().to_lowercase();
        self.standings().get(&key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn threads(ids: &[&str]) -> Option<BTreeSet<String>> {
        Some(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn only_what_waits_is_told() {
        let ready = Standing {
            is_ready: true,
            ..Standing::default()
        };
        let table: [(Standing, &[&str]); 7] = [
            (Standing::default(), &[]),
            (ready.clone(), &["ready to merge"]),
            (
                Standing {
                    conflicts: Some(true),
                    ..ready.clone()
                },
                &["conflicts"],
            ),
            (
                Standing {
                    threads_waiting: threads(&[]),
                    ci_fails: Some(false),
                    conflicts: Some(false),
                    ..ready.clone()
                },
                &["ready to merge"],
            ),
            (
                Standing {
                    remarks_waiting: vec![at(1)],
                    ..ready.clone()
                },
                &["1 comment awaits you"],
            ),
            (
                Standing {
                    threads_waiting: threads(&["a"]),
                    remarks_waiting: vec![at(1)],
                    ci_fails: Some(true),
                    ..ready.clone()
                },
                &["ci failing", "2 comments await you"],
            ),
            (
                Standing {
                    conflicts: Some(true),
                    ci_fails: Some(true),
                    threads_waiting: threads(&["a", "b"]),
                    ..ready
                },
                &["conflicts", "ci failing", "2 comments await you"],
            ),
        ];
        for (standing, words) in table {
            assert_eq!(standing.words(), words, "{standing:?}");
        }
    }

    #[test]
    fn a_look_at_many_tells_what_it_knows() {
        let rollup = Rollup {
            head_sha: "abc".to_owned(),
            state: RollupState::Passing,
            conflicts: Some(false),
            threads_waiting: threads(&[]),
            may_merge: true,
            conversation: None,
        };
        let mut standing = Standing {
            ci_fails: Some(true),
            threads_waiting: threads(&["a"]),
            conflicts: Some(true),
            ..Standing::default()
        };
        standing.take_in(&rollup);
        assert_eq!(standing.words(), ["ready to merge"]);
        let unknown = Rollup {
            conflicts: None,
            threads_waiting: None,
            ..rollup.clone()
        };
        standing.take_in(&unknown);
        assert!(standing.words().is_empty(), "unknown is not ready");
        standing.threads_waiting = threads(&["a"]);
        standing.conflicts = Some(true);
        standing.take_in(&unknown);
        assert_eq!(standing.words(), ["conflicts", "1 comment awaits you"]);
        standing.ci_fails = Some(true);
        standing.threads_waiting = None;
        standing.take_in(&Rollup {
            state: RollupState::Open,
            ..rollup
        });
        assert!(standing.words().is_empty(), "checks run");
    }

    #[test]
    fn the_conversation_is_answered_by_a_later_word() {
        let said = |last_word: Option<i64>, waiting: &[i64], read_from: Option<i64>| Conversation {
            last_word: last_word.map(at),
            waiting: waiting.iter().map(|second| at(*second)).collect(),
            read_from: read_from.map(at),
        };
        // Remarks and reviews that are known, a look, and what waits then.
        let table = [
            ((&[][..], &[][..]), said(None, &[1, 2], None), (2, 0)),
            ((&[1, 2], &[1]), said(Some(2), &[2], None), (1, 0)),
            ((&[1], &[3]), said(Some(2), &[3, 4], None), (2, 1)),
            ((&[1], &[]), said(None, &[], None), (0, 0)),
            // What was not read is as it was.
            ((&[1, 5], &[]), said(None, &[5, 6], Some(4)), (3, 0)),
            ((&[1, 5], &[]), said(Some(5), &[6], Some(4)), (1, 0)),
        ];
        for ((remarks, reviews), told, expected) in table {
            let times = |seconds: &[i64]| seconds.iter().map(|second| at(*second)).collect();
            let mut standing = Standing {
                remarks_waiting: times(remarks),
                reviews_waiting: times(reviews),
                ..Standing::default()
            };
            standing.take_in_conversation(&told);
            let found = (
                standing.remarks_waiting.len(),
                standing.reviews_waiting.len(),
            );
            assert_eq!(found, expected, "{remarks:?} {reviews:?} {told:?}");
            // An answer that only a tool has seen, in a review, holds on.
            standing.last_word = Some(at(9));
            standing.take_in_conversation(&told);
            assert!(standing.words().is_empty(), "{standing:?}");
        }
    }
}
