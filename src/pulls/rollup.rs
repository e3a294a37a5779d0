//! How the checks of several pull requests stand, in one question to GitHub.
//!
//! Facts: <https://docs.github.com/graphql/reference/commits#object-statuscheckrollup>. The sum is
//! more pessimistic than a look at each check: it counts failures that a workflow allows. It costs
//! one point for any number of pull requests.

use serde_json::{Value, json};

use super::{PullId, Pulls};
use crate::gh::GhError;

/// Most pull requests in one question.
pub const ROLLUPS_MAX: usize = 20;

/// What GitHub makes of all checks together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollupState {
    /// Something failed.
    Failing,
    /// All passed.
    Passing,
    /// Something runs or is expected, or there are no checks.
    Open,
}

/// A pull request's head and its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Head commit.
    pub head_sha: String,
    /// Its checks.
    pub state: RollupState,
}

/// Asks how up to [`ROLLUPS_MAX`] pull requests stand; `None` where one could not be told or is
/// not open any more.
pub async fn rollups(pulls: &Pulls, ids: &[PullId]) -> Result<Vec<Option<Rollup>>, GhError> {
    let ids = &ids[..ids.len().min(ROLLUPS_MAX)];
    let mut declared = Vec::new();
    let mut fields = String::new();
    let mut variables = json!({});
    for (place, id) in ids.iter().enumerate() {
        declared.push(format!(
            "$o{place}:String!,$n{place}:String!,$i{place}:Int!"
        ));
        fields.push_str(&format!(
            "p{place}:repository(owner:$o{place},name:$n{place}){{pullRequest(number:$i{place})\
             {{state headRefOid statusCheckRollup{{state}}}}}} "
        ));
        variables[format!("o{place}")] = id.repo.owner().into();
        variables[format!("n{place}")] = id.repo.name().into();
        variables[format!("i{place}")] = id.number.into();
    }
    let document = format!("query Rollups({}){{{fields}}}", declared.join(","));
    let answer = pulls.gh().graph(&document, variables).await?;
    // A rollup that may not be read is null as one is that does not exist.
    let complete = answer.problems.is_empty();
    let rollup = |place| rollup(answer.data.get(&format!("p{place}"))?, complete);
    Ok((0..ids.len()).map(rollup).collect())
}

fn rollup(repository: &Value, complete: bool) -> Option<Rollup> {
    let pull = repository.get("pullRequest")?;
    if pull["state"] != "OPEN" {
        return None;
    }
    let state = match pull["statusCheckRollup"]["state"].as_str() {
        Some("FAILURE" | "ERROR") => RollupState::Failing,
        Some("SUCCESS") => RollupState::Passing,
        Some(_) => RollupState::Open,
        None if complete => RollupState::Open,
        None => return None,
    };
    let head_sha = pull["headRefOid"].as_str()?.to_owned();
    Some(Rollup { head_sha, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_all_checks() {
        let told = |state: Value, rollup_state: Value, complete| {
            let pull =
                json!({"state": state, "headRefOid": "abc", "statusCheckRollup": rollup_state});
            rollup(&json!({ "pullRequest": pull }), complete).map(|it| it.state)
        };
        let state = |word: &str| json!({ "state": word });
        let open = || json!("OPEN");
        for (word, expected) in [
            ("FAILURE", RollupState::Failing),
            ("ERROR", RollupState::Failing),
            ("SUCCESS", RollupState::Passing),
            ("PENDING", RollupState::Open),
            ("EXPECTED", RollupState::Open),
        ] {
            assert_eq!(told(open(), state(word), true), Some(expected), "{word}");
        }
        assert_eq!(told(open(), Value::Null, true), Some(RollupState::Open));
        assert_eq!(
            told(open(), Value::Null, false),
            None,
            "it may be forbidden"
        );
        assert_eq!(told(json!("MERGED"), state("FAILURE"), true), None);
        assert_eq!(rollup(&Value::Null, true), None);
    }
}
