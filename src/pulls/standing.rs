//! What the tools last learned of each pull request: `get_my_claims` tells it at no further call.

use super::{PullId, Pulls};

/// Most pull requests that are remembered.
const STANDINGS_MAX: usize = 512;

/// How a pull request stood when it was last looked at. `None` was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Checks fail.
    pub ci_fails: Option<bool>,
    /// Review threads and remarks that wait for its author.
    pub comments_waiting: Option<usize>,
    /// It conflicts with its base.
    pub conflicts: Option<bool>,
    /// It can be merged.
    pub is_ready: Option<bool>,
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
        match self.comments_waiting {
            None | Some(0) => {}
            Some(1) => words.push("1 comment awaits you".to_owned()),
            Some(count) => words.push(format!("{count} comments await you")),
        }
        if words.is_empty() && self.is_ready == Some(true) {
            words.push("ready to merge".to_owned());
        }
        words
    }
}

impl Pulls {
    /// Notes what was learned of a pull request.
    pub fn learn(&self, id: &PullId, learn: impl FnOnce(&mut Standing)) {
        let mut standings = self.standings();
        let key = id.to_string().to_lowercase();
        if standings.len() >= STANDINGS_MAX && !standings.contains_key(&key) {
            standings.clear();
        }
        learn(standings.entry(key).or_default());
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

    #[test]
    fn only_what_waits_is_told() {
        let mut standing = Standing::default();
        assert!(standing.words().is_empty());
        standing.is_ready = Some(true);
        assert_eq!(standing.words(), ["ready to merge"]);
        standing.ci_fails = Some(true);
        standing.comments_waiting = Some(2);
        assert_eq!(standing.words(), ["ci failing", "2 comments await you"]);
    }
}
