//! The layers below a pull request in a stack that GitHub keeps: a merge takes them along, so each
//! has to be ready.

use serde::Deserialize;
use serde_json::Value;

use crate::gh::GhError;
use crate::pulls::native_stack::{self, NativeStack};
use crate::pulls::{PullSource, RollupState};

/// Most layers that are looked at, from the lowest.
pub(super) const LAYERS_MAX: usize = 30;

/// A layer that is not merged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// The pull request.
    pub number: u64,
    /// What is in the way of its merge in a word or two; none when nothing is.
    pub lacks: Option<&'static str>,
}

/// The layers below, and why those are not all, if they are not.
pub(super) type Found = (Vec<Below>, Option<String>);

/// The stack of a pull request, as far as its merge depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InStack {
    /// The branch whose rules hold for every layer.
    pub base: String,
    /// What is below and not merged yet, from the lowest.
    pub below: Vec<Below>,
    /// Whether that is all of it.
    pub is_all_known: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    state: String,
    is_draft: bool,
    mergeable: String,
    merge_state_status: String,
    review_decision: Option<String>,
    #[serde(default)]
    status_check_rollup: Value,
}

/// Looks at the layers below, and tells why those are not all, if they are not. The lowest layer costs
/// nothing.
///
/// # Errors
/// As the gh floor tells.
pub(super) async fn fetch(source: &PullSource, stack: &NativeStack) -> Result<Found, GhError> {
    if stack.position <= 1 {
        return Ok((Vec::new(), None));
    }
    let members = native_stack::members(source, stack).await?;
    if !members.iter().any(|it| it.number == source.id.number) {
        let reason = "the stack does not name this pull request any more";
        return Err(GhError::Malformed(reason.to_owned()));
    }
    let below = members
        .iter()
        .take_while(|member| member.number != source.id.number);
    let open: Vec<u64> = below
        .filter(|member| member.merged_at.is_none())
        .map(|member| member.number)
        .collect();
    let asked = &open[..open.len().min(LAYERS_MAX)];
    let cut = stack.lacking(&members).or_else(|| {
        let more = open.len() > asked.len();
        more.then(|| format!("more than {LAYERS_MAX} layers below"))
    });
    if asked.is_empty() {
        return Ok((Vec::new(), cut));
    }
    let fields: Vec<String> = asked
        .iter()
        .map(|number| {
            format!(
                "p{number}:pullRequest(number:{number}){{state isDraft mergeable \
                 mergeStateStatus reviewDecision statusCheckRollup{{state}}}}"
            )
        })
        .collect();
    let document = format!(
        "query StackBelow($owner:String!,$repo:String!){{repository(owner:$owner,name:$repo){{{}}}}}",
        fields.join(" ")
    );
    let mut variables = source.variables();
    if let Some(variables) = variables.as_object_mut() {
        variables.remove("pr");
    }
    let answer = source.graph(&document, variables).await?;
    let complete = answer.problems.is_empty();
    let repository = answer.data.get("repository").unwrap_or(&Value::Null);
    let below = asked.iter().map(|number| {
        let layer = Layer::deserialize(&repository[format!("p{number}")]);
        let layer = layer.map_err(|error| GhError::Malformed(format!("#{number}: {error}")))?;
        Ok(Below {
            number: *number,
            lacks: layer.lacks(complete),
        })
    });
    let below = below.collect::<Result<_, GhError>>()?;
    Ok((below, cut))
}

impl Layer {
    /// What is in the way. GitHub's own word decides; the rest explains it.
    fn lacks(&self, complete: bool) -> Option<&'static str> {
        let ci = RollupState::of(&self.status_check_rollup, complete);
        Some(match self.merge_state_status.as_str() {
            _ if self.state != "OPEN" => "closed",
            _ if self.is_draft => "draft",
            "DIRTY" => "conflicts",
            _ if self.mergeable == "CONFLICTING" => "conflicts",
            "CLEAN" | "HAS_HOOKS" | "UNSTABLE" => return None,
            "BEHIND" => "behind",
            "UNKNOWN" => "being computed",
            _ => match (self.review_decision.as_deref(), ci) {
                (Some("CHANGES_REQUESTED"), _) => "changes requested",
                // A review is demanded for sure; whether that check is cannot be told from here.
                (Some("REVIEW_REQUIRED"), Some(RollupState::Failing)) => {
                    "review required, and a check failed"
                }
                (Some("REVIEW_REQUIRED"), Some(RollupState::Open)) => {
                    "review required, and checks run"
                }
                (Some("REVIEW_REQUIRED"), _) => "review required",
                (_, Some(RollupState::Failing)) => "checks failed",
                (_, Some(RollupState::Open)) => "checks running",
                _ => "blocked",
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_layer_lacks() {
        let lacks = |changes: &[(&str, Value)]| {
            let mut layer = json!({"state": "OPEN", "isDraft": false, "mergeable": "MERGEABLE",
                "mergeStateStatus": "BLOCKED", "reviewDecision": null,
                "statusCheckRollup": {"state": "SUCCESS"}});
            for (field, value) in changes {
                layer[*field] = value.clone();
            }
            Layer::deserialize(layer).unwrap().lacks(true)
        };
        let status = |word: &str| ("mergeStateStatus", json!(word));
        let rollup = |word: &str| ("statusCheckRollup", json!({ "state": word }));
        let review = |word: &str| ("reviewDecision", json!(word));
        for word in ["CLEAN", "HAS_HOOKS", "UNSTABLE"] {
            assert_eq!(lacks(&[status(word)]), None, "{word}");
        }
        let conflicting = ("mergeable", json!("CONFLICTING"));
        let cases: [(&[(&str, Value)], &str); 12] = [
            (&[("state", json!("CLOSED")), status("CLEAN")], "closed"),
            (&[("isDraft", json!(true)), status("CLEAN")], "draft"),
            (&[status("DIRTY")], "conflicts"),
            (&[conflicting, status("UNSTABLE")], "conflicts"),
            (&[status("BEHIND")], "behind"),
            (&[status("UNKNOWN")], "being computed"),
            (
                &[review("CHANGES_REQUESTED"), rollup("FAILURE")],
                "changes requested",
            ),
            (
                &[review("REVIEW_REQUIRED"), rollup("FAILURE")],
                "review required, and a check failed",
            ),
            (
                &[review("REVIEW_REQUIRED"), rollup("PENDING")],
                "review required, and checks run",
            ),
            (&[review("APPROVED"), rollup("FAILURE")], "checks failed"),
            (&[rollup("PENDING")], "checks running"),
            (&[], "blocked"),
        ];
        for (changes, expected) in cases {
            assert_eq!(lacks(changes), Some(expected), "{changes:?}");
        }
        assert_eq!(lacks(&[review("REVIEW_REQUIRED")]), Some("review required"));
    }
}
