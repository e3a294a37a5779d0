//! How several pull requests stand, in one question to GitHub: their checks, whether they merge, and
//! the review threads that wait for their authors.
//!
//! Facts: <https://docs.github.com/graphql/reference/commits#object-statuscheckrollup>. The sum is
//! more pessimistic than a look at each check: it counts failures that a workflow allows. It costs
//! one point for any number of pull requests: a point is a hundred lists, rounded, by
//! <https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>, and
//! so many threads of each are asked for as that allows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{PullId, Pulls};
use crate::gh::GhError;

/// Most pull requests in one question.
pub const ROLLUPS_MAX: usize = 20;
/// Most lists in one question: half as many again would cost a second point.
const LISTS_MAX: usize = 140;
/// Most threads of one pull request.
const THREADS_MAX: usize = 60;

/// What GitHub makes of all checks together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RollupState {
    /// Something failed.
    #[serde(rename = "failed")]
    Failing,
    /// All passed.
    #[serde(rename = "passed")]
    Passing,
    /// Something runs or is expected.
    #[serde(rename = "running")]
    Open,
    /// There are none.
    NoChecks,
}

impl RollupState {
    /// Reads `statusCheckRollup` of a pull request in a GraphQL answer, which is `complete` when
    /// nothing was refused: a rollup that may not be read is null as one is that does not exist.
    pub fn of(rollup: &Value, complete: bool) -> Option<Self> {
        match rollup["state"].as_str() {
            Some("FAILURE" | "ERROR") => Some(Self::Failing),
            Some("SUCCESS") => Some(Self::Passing),
            Some(_) => Some(Self::Open),
            None => complete.then_some(Self::NoChecks),
        }
    }
}

/// How the head of a pull request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Head commit.
    pub head_sha: String,
    /// Its checks.
    pub state: RollupState,
    /// Whether it conflicts with its base; `None` while GitHub computes it.
    pub conflicts: Option<bool>,
    /// Ids of the review threads that wait for the author; `None` when not all threads were told.
    pub threads_waiting: Option<BTreeSet<String>>,
    /// GitHub says that it would merge, and no reviewer objects.
    pub may_merge: bool,
    /// What was said in the conversation; `None` when that was not told.
    pub conversation: Option<Conversation>,
}

/// The newest remarks of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// When the author, or whoever asks, spoke last.
    pub last_word: Option<Timestamp>,
    /// When people made the remarks that came after it. What bots say there are reports.
    pub waiting: Vec<Timestamp>,
    /// The oldest remark that was read, where there are older ones.
    pub read_from: Option<Timestamp>,
}

impl Rollup {
    /// Whether it is known that it can be merged and that everything is green.
    pub fn is_ready(&self) -> bool {
        let green = matches!(self.state, RollupState::Passing | RollupState::NoChecks);
        let answered = self
            .threads_waiting
            .as_ref()
            .is_some_and(BTreeSet::is_empty);
        self.may_merge && green && answered && self.conflicts == Some(false)
    }
}

/// How many threads of each of so many pull requests are asked for: the conversation and the threads
/// are one list each, and so are the words of each thread.
fn threads_of_each(pulls: usize) -> usize {
    (LISTS_MAX / pulls.max(1))
        .saturating_sub(2)
        .min(THREADS_MAX)
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
             {{...P}}}} "
        ));
        variables[format!("o{place}")] = id.repo.owner().into();
        variables[format!("n{place}")] = id.repo.name().into();
        variables[format!("i{place}")] = id.number.into();
    }
    let threads = threads_of_each(ids.len());
    let document = format!(
        "query Rollups({}){{viewer{{login}} {fields}}} fragment P on PullRequest{{state headRefOid \
         author{{login}} mergeable mergeStateStatus reviewDecision statusCheckRollup{{state}} \
         comments(last:20){{totalCount nodes{{author{{__typename login}} createdAt isMinimized}}}} \
         reviewThreads(last:{threads}){{totalCount nodes{{id isResolved comments(last:20)\
         {{nodes{{author{{login}} isMinimized pullRequestReview{{state}}}}}}}}}}}}",
        declared.join(",")
    );
    let answer = pulls.gh().graph(&document, variables).await?;
    let complete = answer.problems.is_empty();
    let viewer = answer
        .data
        .get("viewer")
        .and_then(|it| it["login"].as_str());
    let viewer = viewer.unwrap_or_default();
    let rollup = |place| rollup(answer.data.get(&format!("p{place}"))?, viewer, complete);
    Ok((0..ids.len()).map(rollup).collect())
}

fn rollup(repository: &Value, viewer: &str, complete: bool) -> Option<Rollup> {
    let pull = repository.get("pullRequest")?;
    if pull["state"] != "OPEN" {
        return None;
    }
    let state = RollupState::of(&pull["statusCheckRollup"], complete)?;
    let conflicts = match pull["mergeable"].as_str() {
        Some("CONFLICTING") => Some(true),
        Some("MERGEABLE") => Some(false),
        _ => None,
    };
    // Where nothing demands reviews GitHub would merge in spite of one that asks for changes.
    let decision = pull["reviewDecision"].as_str();
    let objects = matches!(decision, Some("CHANGES_REQUESTED" | "REVIEW_REQUIRED"));
    let state_status = pull["mergeStateStatus"].as_str();
    Some(Rollup {
        head_sha: pull["headRefOid"].as_str()?.to_owned(),
        state,
        conflicts,
        threads_waiting: threads_waiting(pull, viewer),
        may_merge: matches!(state_status, Some("CLEAN" | "HAS_HOOKS")) && !objects,
        conversation: conversation(pull, viewer),
    })
}

fn conversation(pull: &Value, viewer: &str) -> Option<Conversation> {
    let told = pull["comments"]["nodes"].as_array()?;
    let at = |remark: &Value| remark["createdAt"].as_str()?.parse::<Timestamp>().ok();
    let own = told.iter().filter(|remark| is_own(remark, pull, viewer));
    let last_word = own.filter_map(at).max();
    let waits = |remark: &&Value| {
        let is_bot = remark["author"]["__typename"] == "Bot";
        !is_own(remark, pull, viewer) && !is_bot && remark["isMinimized"] != true
    };
    let waiting = told.iter().filter(waits).filter_map(at);
    let waiting = waiting.filter(|at| last_word.is_none_or(|last_word| *at >= last_word));
    let waiting = waiting.collect();
    let is_cut = pull["comments"]["totalCount"].as_u64()? > told.len() as u64;
    let oldest = told.iter().filter_map(at).min();
    Some(Conversation {
        last_word,
        waiting,
        read_from: oldest.filter(|_| is_cut),
    })
}

/// Whether the author of the pull request, or whoever asks, said it.
fn is_own(remark: &Value, pull: &Value, viewer: &str) -> bool {
    let speaker = remark["author"]["login"].as_str();
    speaker.is_some() && (speaker == pull["author"]["login"].as_str() || speaker == Some(viewer))
}

/// The threads in which somebody else than the author, or than whoever asks, spoke last; `None`
/// when a thread was not told.
fn threads_waiting(pull: &Value, viewer: &str) -> Option<BTreeSet<String>> {
    let threads = &pull["reviewThreads"];
    let told = threads["nodes"].as_array()?;
    if threads["totalCount"].as_u64()? > told.len() as u64 {
        return None;
    }
    let mut waiting = BTreeSet::new();
    for thread in told {
        if thread["isResolved"].as_bool()? {
            continue;
        }
        let words = thread["comments"]["nodes"].as_array()?;
        let (first, last) = (words.first()?, words.last()?);
        // What is hidden waits for nobody, and what is not submitted yet can be answered by nobody.
        let is_pending = first["pullRequestReview"]["state"] == "PENDING";
        if !is_own(last, pull, viewer) && !is_pending && first["isMinimized"] != true {
            waiting.insert(thread["id"].as_str()?.to_owned());
        }
    }
    Some(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pull: Value, complete: bool) -> Option<Rollup> {
        rollup(&json!({ "pullRequest": pull }), "agent", complete)
    }

    #[test]
    fn the_sum_of_all_checks() {
        let told = |state: Value, rollup_state: Value, complete| {
            let pull =
                json!({"state": state, "headRefOid": "abc", "statusCheckRollup": rollup_state});
            told(pull, complete).map(|it| it.state)
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
        assert_eq!(told(open(), Value::Null, true), Some(RollupState::NoChecks));
        assert_eq!(
            told(open(), Value::Null, false),
            None,
            "it may be forbidden"
        );
        assert_eq!(told(json!("MERGED"), state("FAILURE"), true), None);
        assert_eq!(rollup(&Value::Null, "agent", true), None);
    }

    /// A pull request of `octo` with everything in order.
    fn pull() -> Value {
        json!({"state": "OPEN", "headRefOid": "abc", "author": {"login": "octo"},
            "mergeable": "MERGEABLE", "mergeStateStatus": "CLEAN", "reviewDecision": "APPROVED",
            "statusCheckRollup": {"state": "SUCCESS"},
            "reviewThreads": {"totalCount": 0, "nodes": []}})
    }

    #[test]
    fn only_what_is_known_to_be_in_order_is_ready() {
        let ready = |field: &str, value: Value| {
            let mut pull = pull();
            pull[field] = value;
            told(pull, true).is_some_and(|it| it.is_ready())
        };
        for (field, value, expected) in [
            ("mergeStateStatus", json!("CLEAN"), true),
            ("mergeStateStatus", json!("HAS_HOOKS"), true),
            ("mergeStateStatus", json!("UNKNOWN"), false),
            ("mergeStateStatus", json!("UNSTABLE"), false),
            ("mergeStateStatus", json!("BLOCKED"), false),
            ("mergeStateStatus", json!("BEHIND"), false),
            ("mergeStateStatus", json!("DRAFT"), false),
            ("mergeStateStatus", Value::Null, false),
            ("mergeable", json!("UNKNOWN"), false),
            ("mergeable", json!("CONFLICTING"), false),
            ("reviewDecision", Value::Null, true),
            ("reviewDecision", json!("CHANGES_REQUESTED"), false),
            ("reviewDecision", json!("REVIEW_REQUIRED"), false),
            ("statusCheckRollup", Value::Null, true),
            ("statusCheckRollup", json!({"state": "PENDING"}), false),
            ("reviewThreads", Value::Null, false),
            (
                "reviewThreads",
                json!({"totalCount": 1, "nodes": []}),
                false,
            ),
        ] {
            assert_eq!(ready(field, value.clone()), expected, "{field} {value}");
        }
    }

    #[test]
    fn threads_wait_for_who_did_not_speak_last() {
        let words = |logins: &[&str]| {
            let words = logins.iter().map(|login| {
                let author = (*login != "-").then(|| json!({ "login": login }));
                json!({"author": author, "isMinimized": false,
                    "pullRequestReview": {"state": "COMMENTED"}})
            });
            json!({"id": "T", "isResolved": false, "comments": {"nodes": words.collect::<Value>()}})
        };
        let count = |thread: Value| {
            let mut pull = pull();
            pull["reviewThreads"] = json!({"totalCount": 1, "nodes": [thread]});
            told(pull, true)
                .and_then(|it| it.threads_waiting)
                .map(|ids| ids.len())
        };
        assert_eq!(count(words(&["lea"])), Some(1));
        assert_eq!(count(words(&["lea", "octo"])), Some(0), "the author");
        assert_eq!(count(words(&["lea", "agent"])), Some(0), "whoever asks");
        assert_eq!(count(words(&["octo", "lea"])), Some(1));
        assert_eq!(count(words(&["-"])), Some(1), "a lost account");
        let mut thread = words(&["lea"]);
        thread["isResolved"] = json!(true);
        assert_eq!(count(thread), Some(0));
        let mut thread = words(&["lea", "kim"]);
        thread["comments"]["nodes"][0]["isMinimized"] = json!(true);
        assert_eq!(count(thread), Some(0), "hidden");
        let mut thread = words(&["lea"]);
        thread["comments"]["nodes"][0]["pullRequestReview"]["state"] = json!("PENDING");
        assert_eq!(count(thread), Some(0), "not submitted");
        assert_eq!(count(Value::Null), None, "a thread that was not told");
        assert_eq!(count(words(&[])), None);
    }

    #[test]
    fn a_question_costs_one_point() {
        for pulls in 1..=ROLLUPS_MAX {
            let lists = pulls * (2 + threads_of_each(pulls));
            assert!(lists <= LISTS_MAX && threads_of_each(pulls) >= 5, "{pulls}");
        }
    }

    #[test]
    fn what_waits_in_the_conversation() {
        let said = |login: &str, day: u32| {
            json!({"author": {"__typename": "User", "login": login},
            "createdAt": format!("2026-01-0{day}T00:00:00Z"), "isMinimized": false})
        };
        let with = |field: &str, value: Value| {
            let mut remark = said("lea", 2);
            remark[field] = value;
            remark
        };
        let bot = json!({"__typename": "Bot", "login": "coverage"});
        // What was told, the last own word, how many wait after it.
        let table = [
            (json!([said("octo", 1), said("lea", 2)]), Some(1), 1),
            (json!([said("lea", 1), said("agent", 3)]), Some(3), 0),
            (json!([said("lea", 1), said("kim", 1)]), None, 2),
            (json!([said("lea", 1), null]), None, 1),
            (json!([with("author", Value::Null)]), None, 1),
            (json!([with("author", bot)]), None, 0),
            (json!([with("isMinimized", json!(true))]), None, 0),
            (json!([]), None, 0),
        ];
        let told = |nodes: &Value, total: usize| {
            let mut pull = pull();
            pull["comments"] = json!({ "totalCount": total, "nodes": nodes });
            told(pull, true).and_then(|it| it.conversation)
        };
        let day = |at: Timestamp| at.to_string()[..10].to_owned();
        for (nodes, last_word, waiting) in table {
            let count = nodes.as_array().map_or(0, Vec::len);
            let found = told(&nodes, count).unwrap();
            let last_word = last_word.map(|day: u32| format!("2026-01-0{day}"));
            assert_eq!(found.last_word.map(day), last_word, "{nodes}");
            assert_eq!(found.waiting.len(), waiting, "{nodes}");
            assert_eq!(found.read_from, None);
        }
        let cut = told(&json!([said("lea", 4), said("octo", 5)]), 9).unwrap();
        assert_eq!(cut.read_from.map(day).as_deref(), Some("2026-01-04"));
        assert_eq!(told(&Value::Null, 0), None);
    }
}
