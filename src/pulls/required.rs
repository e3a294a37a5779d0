//! What the base branch demands: the rules of rulesets and the checks of classic branch protection,
//! together, and what each demanded check has come to.
//!
//! Facts: <https://docs.github.com/rest/repos/rules#get-rules-for-a-branch> (active rules of every
//! level, readable by everybody who can read), <https://docs.github.com/rest/branches/branches#get-a-branch>
//! (`protection` shows contexts without administration rights). A check is matched by its name and,
//! where the rule names one, by the app that must report it.

use serde::Deserialize;
use serde_json::Value;

use super::checks::{Check, CheckState, Checks};
use super::{PullSource, Warning};

/// Most rules that are read of one branch.
const RULES_MAX: usize = 500;

/// A rule of a ruleset.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// Its kind, as `required_status_checks` or `pull_request`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The ruleset that it belongs to.
    #[serde(default)]
    pub ruleset_id: Option<u64>,
    /// Where the ruleset lives: `owner/name` or an organisation.
    #[serde(default)]
    pub ruleset_source: Option<String>,
    /// What it demands in detail; each kind has its own fields.
    #[serde(default)]
    pub parameters: Value,
}

impl Rule {
    /// Whether a parameter is switched on.
    pub fn is_on(&self, parameter: &str) -> bool {
        self.parameters[parameter].as_bool() == Some(true)
    }
}

/// A check that must pass before the base branch takes a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredContext {
    /// Name of the check.
    pub context: String,
    /// The only app that may report it; `None` when any may.
    pub integration_id: Option<u64>,
}

impl RequiredContext {
    fn new(context: &str, integration_id: Option<i64>) -> Self {
        Self {
            context: context.to_owned(),
            // Classic protection writes -1 for "any app".
            integration_id: integration_id.and_then(|id| u64::try_from(id).ok()),
        }
    }

    /// Whether this check is the one that is demanded. A commit status does not tell its app: it
    /// is taken for the one that is meant, as GitHub's own verdict is there to contradict.
    pub fn matches(&self, check: &Check) -> bool {
        let reported_by = check.app.as_ref().map(|app| app.id);
        check.name == self.context
            && match (self.integration_id, reported_by) {
                (Some(demanded), Some(found)) => demanded == found,
                _ => true,
            }
    }
}

/// Classic branch protection, as far as those see it who do not administrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classic {
    /// There is none.
    Absent,
    /// There is; which checks it demands is among the contexts.
    Present,
    /// It could not be read.
    Unknown,
}

/// What the base branch demands.
#[derive(Clone, Debug)]
pub struct Required {
    /// Demanded checks of all sources, each once.
    pub contexts: Vec<RequiredContext>,
    /// Whether a ruleset wants the head to be up to date with the base.
    pub strict: bool,
    /// All active rules of rulesets; `None` when they could not be read.
    pub rules: Option<Vec<Rule>>,
    /// Classic protection.
    pub classic: Classic,
    /// Sources that could not be read.
    pub warnings: Vec<Warning>,
}

/// What a demanded check has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passing,
    /// It runs or waits.
    Pending,
    /// It failed or was cancelled.
    Failing,
    /// Nobody reported it.
    Missing,
    /// An app other than the demanded one reported it.
    OtherApp,
    /// It is not among the checks that could be read.
    Unknown,
}

impl Required {
    /// Whether all sources were read: if not, further checks may be demanded.
    pub fn is_complete(&self) -> bool {
        self.rules.is_some() && self.classic != Classic::Unknown
    }

    /// Notes on each check whether it is demanded.
    pub fn mark(&self, checks: &mut Checks) {
        for check in &mut checks.all {
            let demanded = self.contexts.iter().any(|context| context.matches(check));
            check.required = (demanded || self.is_complete()).then_some(demanded);
        }
    }

    /// What a demanded check has come to: the worst of those that match.
    pub fn outcome(context: &RequiredContext, checks: &Checks) -> Outcome {
        let matching = checks.all.iter().filter(|check| context.matches(check));
        match matching.map(|check| check.state).max() {
            Some(CheckState::Ok) => Outcome::Passing,
            Some(CheckState::Pending) => Outcome::Pending,
            // GitHub does not let a demanded job off for `continue-on-error`.
            Some(CheckState::Allowed | CheckState::Cancelled | CheckState::Fail) => {
                Outcome::Failing
            }
            None if !checks.complete => Outcome::Unknown,
            None if checks.all.iter().any(|check| check.name == context.context) => {
                Outcome::OtherApp
            }
            None => Outcome::Missing,
        }
    }
}

/// A branch as REST tells it.
#[derive(Debug, Deserialize)]
struct BranchAnswer {
    #[serde(default)]
    protection: Option<Protection>,
}

#[derive(Debug, Deserialize)]
struct Protection {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    required_status_checks: Option<ClassicChecks>,
}

#[derive(Debug, Deserialize)]
struct ClassicChecks {
    #[serde(default)]
    enforcement_level: Option<String>,
    #[serde(default)]
    contexts: Vec<String>,
    #[serde(default)]
    checks: Vec<ClassicCheck>,
}

#[derive(Debug, Deserialize)]
struct ClassicCheck {
    context: String,
    #[serde(default)]
    app_id: Option<i64>,
}

/// Reads what a branch demands. A source that cannot be read is a warning.
pub async fn fetch(source: &PullSource, branch: &str) -> Required {
    let rules_path = source.path().then("rules").then("branches").then(branch);
    let branch_path = source.path().then("branches").then(branch);
    let (rules, answer) = tokio::join!(
        source.list::<Rule>(&rules_path, None, RULES_MAX),
        source.get::<BranchAnswer>(&branch_path),
    );
    let mut warnings = Vec::new();
    let rules = match rules {
        Ok((rules, more)) => {
            if more {
                let reason = format!("more than {RULES_MAX} rules");
                warnings.push(Warning::new("rulesets", reason, INCOMPLETE));
            }
            (!more).then_some(rules)
        }
        Err(error) => {
            warnings.push(Warning::new("rulesets", error, INCOMPLETE));
            None
        }
    };
    let answer = match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            warnings.push(Warning::new("branch_protection", error, INCOMPLETE));
            None
        }
    };
    Required {
        warnings,
        ..union(rules, answer)
    }
}

const INCOMPLETE: &str = "required checks and reviews may be incomplete";

fn union(rules: Option<Vec<Rule>>, branch: Option<BranchAnswer>) -> Required {
    let mut contexts: Vec<RequiredContext> = Vec::new();
    let mut add = |context: RequiredContext| {
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    };
    let mut strict = false;
    for rule in rules.iter().flatten() {
        if rule.kind != "required_status_checks" {
            continue;
        }
        strict |= rule.is_on("strict_required_status_checks_policy");
        let listed = rule.parameters["required_status_checks"].as_array();
        for item in listed.into_iter().flatten() {
            if let Some(context) = item["context"].as_str() {
                add(RequiredContext::new(
                    context,
                    item["integration_id"].as_i64(),
                ));
            }
        }
    }
    let classic = match branch {
        None => Classic::Unknown,
        // An answer without the field, as old servers give it, tells nothing.
        Some(BranchAnswer { protection: None }) => Classic::Unknown,
        Some(BranchAnswer {
            protection: Some(protection),
        }) => {
            let checks = protection.required_status_checks;
            let checks = checks.filter(|checks| checks.enforcement_level.as_deref() != Some("off"));
            if let Some(checks) = checks {
                for check in &checks.checks {
                    add(RequiredContext::new(&check.context, check.app_id));
                }
                let listed =
                    |name: &String| checks.checks.iter().any(|check| check.context == *name);
                for context in checks.contexts.iter().filter(|name| !listed(name)) {
                    add(RequiredContext::new(context, None));
                }
            }
            if protection.enabled {
                Classic::Present
            } else {
                Classic::Absent
            }
        }
    };
    Required {
        contexts,
        strict,
        rules,
        classic,
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::checks::App;
    use super::*;

    fn demanded(rules: Value, branch: Value) -> Required {
        union(
            serde_json::from_value(rules).unwrap(),
            serde_json::from_value(branch).unwrap(),
        )
    }

    fn check(name: &str, app: Option<u64>, state: CheckState) -> Check {
        Check {
            name: name.to_owned(),
            app: app.map(|id| App {
                id,
                slug: String::new(),
            }),
            state,
            conclusion: String::new(),
            details_url: None,
            check_run_id: None,
            run_id: None,
            suite_id: None,
            started_at: None,
            completed_at: None,
            summary: None,
            text: Vec::new(),
            required: None,
        }
    }

    fn context(name: &str, integration_id: Option<u64>) -> RequiredContext {
        RequiredContext {
            context: name.to_owned(),
            integration_id,
        }
    }

    fn status_checks(strict: bool, checks: Value) -> Value {
        json!({"type": "required_status_checks", "ruleset_source_type": "Repository",
               "ruleset_source": "o/r", "ruleset_id": 42, "parameters": {
                   "strict_required_status_checks_policy": strict, "required_status_checks": checks}})
    }

    #[test]
    fn rulesets_and_classic_protection_add_up() {
        let rules = json!([
            {"type": "deletion", "ruleset_source_type": "Repository", "ruleset_source": "o/r", "ruleset_id": 1},
            status_checks(false, json!([{"context": "test", "integration_id": 15368}, {"context": "lint"}])),
            status_checks(true, json!([{"context": "lint"}])),
        ]);
        let branch = json!({"name": "main", "protected": true, "protection": {"enabled": true,
            "required_status_checks": {"enforcement_level": "non_admins", "contexts": ["e2e", "old"],
                "checks": [{"context": "e2e", "app_id": -1}, {"context": "lint", "app_id": null}]}}});
        let required = demanded(rules, branch);
        assert_eq!(
            required.contexts,
            [
                context("test", Some(15_368)),
                context("lint", None),
                context("e2e", None),
                context("old", None)
            ]
        );
        assert!(required.strict && required.is_complete());
        assert_eq!(required.classic, Classic::Present);
    }

    #[test]
    fn protection_that_is_off_or_unseen() {
        let off = json!({"protection": {"enabled": false, "required_status_checks":
            {"enforcement_level": "off", "contexts": ["x"], "checks": []}}});
        let required = demanded(json!([]), off.clone());
        assert_eq!(
            (required.contexts.len(), required.classic),
            (0, Classic::Absent)
        );
        let required = demanded(json!([]), Value::Null);
        assert_eq!(required.classic, Classic::Unknown);
        assert!(!required.is_complete());
        assert!(!demanded(json!([]), json!({"name": "main"})).is_complete());
        assert!(!demanded(Value::Null, off).is_complete());
    }

    #[test]
    fn a_demanded_check_comes_to_the_worst_of_what_matches() {
        use CheckState as State;
        let table = [
            (vec![], true, Outcome::Missing),
            (vec![], false, Outcome::Unknown),
            (vec![(Some(7), State::Ok)], true, Outcome::Passing),
            // A commit status does not name its app.
            (vec![(None, State::Ok)], true, Outcome::Passing),
            (vec![(Some(8), State::Ok)], true, Outcome::OtherApp),
            (
                vec![(Some(8), State::Fail), (Some(7), State::Ok)],
                true,
                Outcome::Passing,
            ),
            (
                vec![(Some(7), State::Ok), (Some(7), State::Pending)],
                true,
                Outcome::Pending,
            ),
            (
                vec![(Some(7), State::Pending), (Some(7), State::Fail)],
                true,
                Outcome::Failing,
            ),
            (vec![(Some(7), State::Cancelled)], true, Outcome::Failing),
            (vec![(Some(7), State::Allowed)], true, Outcome::Failing),
        ];
        for (found, complete, outcome) in table {
            let all = found
                .iter()
                .map(|(app, state)| check("test", *app, *state))
                .collect();
            let checks = Checks {
                all,
                complete,
                ..Checks::default()
            };
            let came_to = Required::outcome(&context("test", Some(7)), &checks);
            assert_eq!(came_to, outcome, "{found:?}");
        }
    }

    #[test]
    fn checks_are_marked_and_unknown_stays_unknown() {
        let rules = json!([status_checks(false, json!([{"context": "test"}]))]);
        let branch = json!({"protection": {"enabled": false}});
        let mut checks = Checks {
            all: vec![
                check("test", Some(1), CheckState::Ok),
                check("docs", Some(1), CheckState::Ok),
            ],
            ..Checks::default()
        };
        demanded(rules.clone(), branch).mark(&mut checks);
        let marks = |checks: &Checks| [checks.all[0].required, checks.all[1].required];
        assert_eq!(marks(&checks), [Some(true), Some(false)]);
        demanded(rules, Value::Null).mark(&mut checks);
        assert_eq!(marks(&checks), [Some(true), None]);
    }
}
