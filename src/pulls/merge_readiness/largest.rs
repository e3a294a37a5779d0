//! The largest answers that can be built, and that their pages tell everything once.

use serde_json::{Value, json};

use super::case::{HEAD, check, clean, demand};
use super::report::*;
use crate::pulls::Warning;
use crate::pulls::checks::{CheckState, WorkflowRun};
use crate::pulls::overflow;

#[test]
fn the_answer_stays_small() {
    let long = "\u{1b}[31m".to_owned() + &"x".repeat(300);
    let mut case = clean().blocked(|_| {});
    for (number, state) in (0..200).zip(
        [CheckState::Fail, CheckState::Pending, CheckState::Ok]
            .into_iter()
            .cycle(),
    ) {
        let name = format!("{number} {long}");
        case.contexts.push(demand(&name, None));
        case.checks.all.push(check(&name, state));
        case.checks
            .all
            .push(check(&format!("optional {name}"), CheckState::Fail));
        case.contexts.push(demand(&format!("missing {name}"), None));
    }
    case.checks.warnings =
        vec![Warning::new("check_runs", "y".repeat(2_000), "checks may be missing"); 20];
    let report = case.report();
    assert_eq!(
        report.blocking_issues[0].description,
        "67 required checks: each failed or was cancelled"
    );
    let pages = overflow::all_pages(&report, &levels());
    assert_eq!(pages[0]["branch_protection"]["truncated"], true);
    assert!(!serde_json::to_string(&pages).unwrap().contains("\\u001b"));
    let mut told: Vec<String> = pages.iter().flat_map(entries).collect();
    let mut all = entries(&serde_json::to_value(&report).unwrap());
    told.sort_unstable();
    all.sort_unstable();
    assert!(all.len() > 1_000, "{}", all.len());
    assert_eq!(told, all);
}

/// Every entry of all lists that may be cut, with where it stands.
fn entries(page: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    let protection = page["branch_protection"].as_object().into_iter().flatten();
    let lists = protection.chain(page.as_object().into_iter().flatten());
    for (name, value) in
        lists.filter(|(name, _)| !["blocking_issues", "untrusted"].contains(&&***name))
    {
        found.extend(list(value).iter().map(|one| format!("{name} {one}")));
    }
    for blocker in list(&page["blocking_issues"]) {
        let names = list(&blocker["names"]);
        let category = &blocker["category"];
        if names.is_empty() && blocker["more_names"].is_null() {
            found.push(format!("blocker {category}"));
        }
        found.extend(
            names
                .iter()
                .map(|name| format!("blocker {category} {name}")),
        );
    }
    found
}

/// Everything is in the way at once, and has long names.
fn busiest(letters: &str) -> MergeReadiness {
    let quote = letters.repeat(64);
    let logins = |count: usize| (0..count).map(|number| format!("{number}{}", "l".repeat(38)));
    let mut case = clean().blocked(|_| {});
    case.admin = true;
    case.method = Some(Method::Rebase);
    case.pull["draft"] = json!(true);
    let pull = case.pull();
    pull["mergeable"] = json!("CONFLICTING");
    pull["isInMergeQueue"] = json!(true);
    pull["reviewDecision"] = json!("CHANGES_REQUESTED");
    pull["reviewThreads"] =
        json!({"pageInfo": {"hasNextPage": true}, "nodes": [{"isResolved": false}]});
    pull["baseRef"]["compare"] = json!({"behindBy": 1_000_000});
    let reviews: Vec<Value> = logins(100)
        .map(|login| json!({"state": "CHANGES_REQUESTED", "author": {"login": login}, "commit": {"oid": HEAD}}))
        .collect();
    pull["latestOpinionatedReviews"] = json!({"nodes": reviews});
    let requests: Vec<Value> = logins(100)
        .map(|login| json!({"asCodeOwner": true, "requestedReviewer": {"__typename": "User", "login": login}}))
        .collect();
    pull["reviewRequests"] = json!({"nodes": requests});
    let issues: Vec<Value> = (0..100)
        .map(|number| json!({"number": number, "repository": {"nameWithOwner": format!("{}/{}", "o".repeat(39), "r".repeat(100))}}))
        .collect();
    pull["closingIssuesReferences"] = json!({"nodes": issues});
    case.graph["viewerPermission"] = json!("READ");
    case.unsigned = Some(100);
    case.rule(
        "pull_request",
        json!({"required_approving_review_count": 6, "require_code_owner_review": true,
        "require_last_push_approval": true, "required_review_thread_resolution": true,
        "allowed_merge_methods": ["squash"]}),
    );
    case.rule("required_signatures", Value::Null);
    case.rule("required_linear_history", Value::Null);
    case.rule("update", Value::Null);
    let environments: Vec<String> = (0..60).map(|number| format!("{number}{quote}")).collect();
    case.rule(
        "required_deployments",
        json!({"required_deployment_environments": environments}),
    );
    for number in 0..200 {
        case.rules
            .as_array_mut()
            .unwrap()
            .push(json!({"type": format!("k{number}{quote}"),
            "ruleset_id": 1_000_000 + number, "parameters": null}));
    }
    for number in 0..100 {
        let name = format!("{number}{quote}");
        case.contexts.push(demand(&name, None));
        let states = [
            CheckState::Fail,
            CheckState::Pending,
            CheckState::Ok,
            CheckState::Cancelled,
        ];
        case.checks.all.push(check(&name, states[number % 4]));
        case.contexts.push(demand(&format!("missing {name}"), None));
        case.checks
            .all
            .push(check(&format!("optional {name}"), CheckState::Fail));
    }
    let run: WorkflowRun =
        serde_json::from_value(json!({"id": u64::MAX, "conclusion": "action_required"})).unwrap();
    case.checks.workflow_runs = vec![run];
    case.checks.warnings =
        vec![Warning::new("check_runs", quote.repeat(50), "checks may be missing"); 20];
    let mut report = case.report();
    assert!(report.blocking_issues.len() >= 12, "{report:#?}");
    // Names of repositories are part of commands.
    for blocker in &mut report.blocking_issues {
        if let Some(command) = &mut blocker.command {
            *command = command.replace(
                "acme/api",
                &format!("{}/{}", "o".repeat(39), "r".repeat(100)),
            );
        }
    }
    report
}

/// All pages of that.
pub(in crate::pulls) fn answers(letters: &str) -> Vec<String> {
    let pages = overflow::all_pages(&busiest(letters), &levels());
    pages.iter().map(Value::to_string).collect()
}

#[test]
fn everything_in_the_way_at_once_is_told_once() {
    let report = busiest("\"");
    let pages = overflow::all_pages(&report, &levels());
    let mut told: Vec<String> = pages.iter().flat_map(entries).collect();
    let mut all = entries(&serde_json::to_value(&report).unwrap());
    told.sort_unstable();
    all.sort_unstable();
    assert_eq!(told, all);
}
