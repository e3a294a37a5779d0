//! Stacks that GitHub keeps itself, in public preview since July 2026: an ordered chain of pull
//! requests of one repository, which it rebases, judges and merges as one.
//!
//! Facts: <https://docs.github.com/rest/pulls/stacks>; that each layer is judged by the rules of
//! the stack's base, and that it takes those below it along:
//! <https://docs.github.com/pull-requests/how-tos/merge-and-close-pull-requests/merging-stacked-pull-requests>.
//! A preview may change: what cannot be read here is never an error of a tool, but a warning.

use serde::Deserialize;
use serde_json::Value;

use super::PullSource;
use crate::gh::GhError;

/// What a pull request says of the stack that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NativeStack {
    /// The stack's number in its repository.
    pub number: u64,
    /// How many pull requests it has.
    pub size: u64,
    /// Which of them this one is, from 1 at the bottom.
    pub position: u64,
    /// Where all of it goes.
    pub base: StackBase,
}

/// The branch that a stack goes to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StackBase {
    /// Its name.
    #[serde(rename = "ref")]
    pub name: String,
}

/// A pull request of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StackMember {
    /// Its number.
    pub number: u64,
    /// When it was merged, in RFC 3339.
    #[serde(default)]
    pub merged_at: Option<String>,
}

impl NativeStack {
    /// Reads what a pull request says of its stack; none when it is in no stack, or when that is
    /// told in a form which this program does not know.
    pub fn of(told: Option<&Value>) -> Option<Self> {
        Self::deserialize(told?).ok()
    }

    /// Says so where GitHub names fewer layers than it counts.
    pub fn lacking(&self, members: &[StackMember]) -> Option<String> {
        let (named, all) = (members.len() as u64, self.size);
        (named < all).then(|| format!("GitHub names {named} of {all} layers"))
    }
}

/// The pull requests of a stack, from the bottom to the top.
///
/// # Errors
/// As the gh floor tells; `NotFound` where stacks are not enabled.
pub async fn members(
    source: &PullSource,
    stack: &NativeStack,
) -> Result<Vec<StackMember>, GhError> {
    #[derive(Deserialize)]
    struct Told {
        pull_requests: Vec<StackMember>,
    }
    let path = source.path().then("stacks").then(stack.number);
    let told: Told = source.get(&path).await?;
    Ok(told.pull_requests)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_pull_request_says_of_its_stack() {
        let told = json!({"id": 9, "number": 50, "size": 5, "position": 2,
            "base": {"ref": "main", "sha": "abc"}});
        let stack = NativeStack::of(Some(&told)).unwrap();
        assert_eq!((stack.number, stack.size, stack.position), (50, 5, 2));
        assert_eq!(stack.base.name, "main");
        let member = StackMember {
            number: 1,
            merged_at: None,
        };
        assert!(stack.lacking(&vec![member.clone(); 5]).is_none());
        let cut = stack.lacking(&vec![member; 4]);
        assert_eq!(cut.as_deref(), Some("GitHub names 4 of 5 layers"));
        for unknown in [json!(null), json!({}), json!({"number": "50"}), json!(50)] {
            assert_eq!(NativeStack::of(Some(&unknown)), None, "{unknown}");
        }
        assert_eq!(NativeStack::of(None), None);
    }
}
