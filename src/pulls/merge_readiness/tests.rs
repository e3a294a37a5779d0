use super::below::{Below, InStack};
use super::case::{Case, HEAD, check, clean, demand, review};
use serde_json::{Value, json};

use super::report::*;
use crate::pulls::checks::{CheckState, WorkflowRun};
use crate::pulls::required::Classic;

#[test]
fn a_free_way_is_told_with_its_command() {
    let report = clean().comes_to(Verdict::Ready, &[]);
    let command = format!("gh pr merge 42 -R acme/api --merge --match-head-commit {HEAD}");
    assert_eq!(report.merge.command, Some(command));
    assert_eq!(
        report.merge.allowed_methods,
        Some(vec![Method::Merge, Method::Squash])
    );
    assert_eq!(report.closes, ["acme/api#17"]);
    assert_eq!(report.head_sha, "9f3c1e2");
    // The base is the default branch: whatever is made of it is no stack.
    assert_eq!(report.stacked_on, None);
    let yes = Some(true);
    let all = Answers {
        ci_passing: yes,
        approvals_met: yes,
        no_conflicts: yes,
        up_to_date: yes,
        conversations_resolved: yes,
        branch_protection_satisfied: yes,
    };
    assert_eq!(report.checks, all);
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.starts_with(r#"{"pr":"acme/api#42","head_sha":"9f3c1e2","fetched_at":"#));
}

#[test]
fn what_nothing_demands_does_not_block() {
    let report = clean()
        .with(|case| {
            case.checks.all.push(check("docs", CheckState::Fail));
            case.pull()["mergeStateStatus"] = json!("UNSTABLE");
            case.pull()["reviewThreads"]["nodes"] = json!([{"isResolved": false}]);
            case.pull()["baseRef"]["compare"]["behindBy"] = json!(3);
        })
        .comes_to(Verdict::Unstable, &[]);
    assert_eq!(report.checks.ci_passing, Some(false));
    assert_eq!(report.checks.conversations_resolved, Some(false));
    assert_eq!(report.checks.up_to_date, Some(false));
    assert_eq!(report.branch_protection.optional_failing, ["docs"]);
}

#[test]
fn every_outcome_of_a_demanded_check_has_its_blocker() {
    let cases = [
        (CheckState::Fail, Category::CheckFailing),
        (CheckState::Cancelled, Category::CheckFailing),
        (CheckState::Allowed, Category::CheckFailing),
        (CheckState::Pending, Category::CheckPending),
    ];
    for (state, category) in cases {
        let report = clean()
            .blocked(|case| {
                case.contexts = vec![demand("test", Some(15_368))];
                case.checks.all = vec![check("test", state)];
            })
            .comes_to(Verdict::Blocked, &[category]);
        assert_eq!(report.blocking_issues[0].names, ["test"]);
        assert!(report.merge.command.unwrap().contains(" --auto --merge "));
    }
    // GitHub's word does not make up for a check that is not there.
    let report = clean()
        .with(|case| case.contexts = vec![demand("e2e", None), demand("test", None)])
        .comes_to(Verdict::Blocked, &[Category::CheckMissing]);
    assert_eq!(report.branch_protection.missing_checks, ["e2e"]);
    assert_eq!(report.branch_protection.passing_checks, ["test"]);
    assert_eq!(report.checks.ci_passing, Some(false));
    let report = clean()
        .blocked(|case| case.contexts = vec![demand("test", Some(7))])
        .comes_to(Verdict::Blocked, &[Category::CheckMissing]);
    assert!(
        report.blocking_issues[0]
            .description
            .contains("another app")
    );
    let report = clean()
        .blocked(|case| {
            case.contexts = vec![demand("e2e", None)];
            case.checks.complete = false;
        })
        .comes_to(Verdict::Blocked, &[Category::CheckUnknown]);
    assert_eq!(report.checks.ci_passing, None);
}

#[test]
fn no_check_at_all_is_not_a_passed_one() {
    let report = clean()
        .with(|case| case.checks.all.clear())
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.checks.ci_passing, None);
    let report = clean()
        .with(|case| case.checks.complete = false)
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.checks.ci_passing, None);
}

#[test]
fn states_of_the_pull_request_itself() {
    use Category::*;
    let report = clean()
        .with(|case| {
            case.pull["state"] = json!("closed");
            case.pull["merged"] = json!(true);
            case.pull()["mergeStateStatus"] = json!("UNKNOWN");
        })
        .comes_to(Verdict::Merged, &[]);
    assert_eq!(report.merge.command, None);
    clean()
        .with(|case| case.pull["state"] = json!("closed"))
        .comes_to(Verdict::Closed, &[Closed]);
    let report = clean()
        .with(|case| {
            case.pull["draft"] = json!(true);
            case.pull()["mergeStateStatus"] = json!("DRAFT");
        })
        .comes_to(Verdict::Blocked, &[Draft]);
    let command = report.blocking_issues[0].command.as_deref();
    assert_eq!(command, Some("gh pr ready 42 -R acme/api"));
    let report = clean()
        .with(|case| {
            case.pull()["mergeable"] = json!("CONFLICTING");
            case.pull()["mergeStateStatus"] = json!("DIRTY");
        })
        .comes_to(Verdict::Blocked, &[Conflicts]);
    assert_eq!(report.checks.no_conflicts, Some(false));
    assert_eq!(report.merge.command, None);
    let report = clean()
        .with(|case| {
            case.pull()["mergeable"] = json!("UNKNOWN");
            case.pull()["mergeStateStatus"] = json!("UNKNOWN");
        })
        .comes_to(Verdict::Computing, &[Computing]);
    assert_eq!(report.checks.no_conflicts, None);
    clean()
        .with(|case| {
            case.pull()["isInMergeQueue"] = json!(true);
            case.pull()["isMergeQueueEnabled"] = json!(true);
            case.pull()["mergeQueueEntry"] = json!({"position": 2, "state": "QUEUED"});
        })
        .comes_to(Verdict::Queued, &[MergeQueue]);
    let report = clean()
        .with(|case| case.pull()["isMergeQueueEnabled"] = json!(true))
        .comes_to(Verdict::Ready, &[]);
    let command = report.merge.command.unwrap();
    assert!(
        command.contains("-R acme/api --match-head-commit"),
        "{command}"
    );
}

#[test]
fn being_behind_blocks_where_it_is_demanded() {
    let strict = json!({"strict_required_status_checks_policy": true});
    let behind = |case: &mut Case| case.pull()["baseRef"]["compare"]["behindBy"] = json!(3);
    let report = clean()
        .with(|case| {
            behind(case);
            case.rule("required_status_checks", strict.clone());
            case.pull()["mergeStateStatus"] = json!("BEHIND");
        })
        .comes_to(Verdict::Blocked, &[Category::Behind]);
    let expected =
        format!("gh api -X PUT repos/acme/api/pulls/42/update-branch -f expected_head_sha={HEAD}");
    assert_eq!(report.blocking_issues[0].command, Some(expected));
    assert_eq!(report.checks.up_to_date, Some(false));
    let classic = json!({"requiresStrictStatusChecks": true});
    clean()
        .blocked(|case| {
            behind(case);
            case.pull()["baseRef"]["branchProtectionRule"] = classic;
        })
        .comes_to(Verdict::Blocked, &[Category::Behind]);
    // A queue brings the base in.
    clean()
        .with(|case| {
            behind(case);
            case.rule("required_status_checks", strict);
            case.rule("merge_queue", json!({}));
        })
        .comes_to(Verdict::Ready, &[]);
}

#[test]
fn reviews_are_counted_as_github_counts_them() {
    use Category::*;
    let two = json!({"required_approving_review_count": 2});
    let report = clean()
        .blocked(|case| {
            case.rule("pull_request", two.clone());
            case.pull()["reviewDecision"] = json!("REVIEW_REQUIRED");
            case.pull()["latestOpinionatedReviews"]["nodes"] = json!([
                review("bob", "APPROVED", "old"),
                review("eve", "DISMISSED", HEAD)
            ]);
        })
        .comes_to(Verdict::Blocked, &[ReviewRequired]);
    assert_eq!(report.blocking_issues[0].description, "1 of 2 approvals");
    assert_eq!(report.checks.approvals_met, Some(false));
    let protection = &report.branch_protection;
    assert_eq!(
        (protection.current_approvals, protection.approvals_on_head),
        (Some(1), Some(0))
    );
    // A stale approval does not count where a push takes it away.
    clean()
        .blocked(|case| {
            let stale = json!({"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": true});
            case.rule("pull_request", stale);
            case.pull()["reviewDecision"] = json!("REVIEW_REQUIRED");
            case.pull()["latestOpinionatedReviews"]["nodes"] = json!([review("bob", "APPROVED", "old")]);
        })
        .comes_to(Verdict::Blocked, &[ReviewRequired]);
    let report = clean()
        .blocked(|case| {
            case.pull()["reviewDecision"] = json!("CHANGES_REQUESTED");
            case.pull()["latestOpinionatedReviews"]["nodes"] =
                json!([review("eve", "CHANGES_REQUESTED", HEAD)]);
        })
        .comes_to(Verdict::Blocked, &[ChangesRequested]);
    assert_eq!(report.blocking_issues[0].names, ["eve"]);
    clean()
        .blocked(|case| case.pull()["reviewDecision"] = json!("REVIEW_REQUIRED"))
        .comes_to(Verdict::Blocked, &[ReviewRequired]);
    let owner = json!({"required_approving_review_count": 0, "require_code_owner_review": true});
    let report = clean()
        .blocked(|case| {
            case.rule("pull_request", owner);
            case.pull()["reviewDecision"] = json!("REVIEW_REQUIRED");
            case.pull()["reviewRequests"]["nodes"] = json!([
                {"asCodeOwner": true, "requestedReviewer": {"__typename": "Team", "slug": "core"}},
                {"asCodeOwner": false, "requestedReviewer": {"__typename": "User", "login": "bob"}}]);
        })
        .comes_to(Verdict::Blocked, &[CodeOwner]);
    assert_eq!(report.blocking_issues[0].names, ["core"]);
}

#[test]
fn a_demand_that_is_known_stands_beside_one_that_is_not() {
    let case = |approvals: Value| {
        clean().blocked(|case| {
            case.classic = Classic::Present;
            case.rule(
                "pull_request",
                json!({"required_approving_review_count": 1}),
            );
            case.pull()["latestOpinionatedReviews"]["nodes"] = approvals;
        })
    };
    let report = case(json!([])).comes_to(Verdict::Blocked, &[Category::ReviewRequired]);
    assert_eq!(report.branch_protection.required_approvals, Some(1));
    assert_eq!(report.checks.approvals_met, Some(false));
    let report = case(json!([review("bob", "APPROVED", HEAD)]))
        .comes_to(Verdict::Blocked, &[Category::UnexplainedBlock]);
    assert_eq!(report.checks.approvals_met, None);
}

#[test]
fn the_last_push_needs_somebody_else() {
    let rule = json!({"required_approving_review_count": 1, "require_last_push_approval": true});
    let case = |login: &str, commit: &str| {
        clean().blocked(|case| {
            case.rule("pull_request", rule.clone());
            case.pull()["reviewDecision"] = json!("APPROVED");
            case.pull()["latestOpinionatedReviews"]["nodes"] =
                json!([review(login, "APPROVED", commit)]);
        })
    };
    case("ada", HEAD).comes_to(Verdict::Blocked, &[Category::LastPush]);
    let report = case("bob", "old").comes_to(Verdict::Blocked, &[Category::LastPush]);
    assert_eq!(report.checks.approvals_met, Some(false));
    case("bob", HEAD).comes_to(Verdict::Blocked, &[Category::UnexplainedBlock]);
}

#[test]
fn rules_of_both_kinds_block() {
    use Category::*;
    let unresolved = json!([{"isResolved": true}, {"isResolved": false}, {"isResolved": false}]);
    let threads = |case: &mut Case| case.pull()["reviewThreads"]["nodes"] = unresolved.clone();
    let table: [(&str, Value, Category); 6] = [
        (
            "pull_request",
            json!({"required_review_thread_resolution": true}),
            Threads,
        ),
        ("required_signatures", Value::Null, Signatures),
        (
            "required_deployments",
            json!({"required_deployment_environments": ["staging"]}),
            Deployments,
        ),
        ("update", Value::Null, LockedBranch),
        (
            "code_scanning",
            json!({"code_scanning_tools": []}),
            UnexplainedBlock,
        ),
        ("non_fast_forward", Value::Null, UnexplainedBlock),
    ];
    for (kind, parameters, category) in table {
        let report = clean()
            .blocked(|case| {
                threads(case);
                case.unsigned = Some(2);
                case.rule(kind, parameters);
            })
            .comes_to(Verdict::Blocked, &[category]);
        assert_eq!(report.branch_protection.sources, ["ruleset:5"]);
        let names = match kind {
            "required_deployments" => vec!["staging"],
            "code_scanning" => vec!["code_scanning"],
            _ => vec![],
        };
        assert_eq!(report.blocking_issues[0].names, names);
    }
    let table = [
        (json!({"requiresConversationResolution": true}), Threads),
        (json!({"requiresCommitSignatures": true}), Signatures),
        (json!({"requiresDeployments": true}), Deployments),
        (json!({"lockBranch": true}), LockedBranch),
        (
            json!({"requiresApprovingReviews": true, "requiredApprovingReviewCount": 1}),
            ReviewRequired,
        ),
    ];
    for (rule, category) in table {
        let report = clean()
            .blocked(|case| {
                threads(case);
                case.unsigned = Some(2);
                case.pull()["baseRef"]["branchProtectionRule"] = rule;
            })
            .comes_to(Verdict::Blocked, &[category]);
        assert_eq!(report.branch_protection.sources, ["classic"]);
    }
    let report = clean()
        .blocked(|case| {
            threads(case);
            case.pull()["baseRef"]["refUpdateRule"] =
                json!({"requiresConversationResolution": true, "requiredApprovingReviewCount": 1});
        })
        .comes_to(Verdict::Blocked, &[ReviewRequired, Threads]);
    assert_eq!(report.branch_protection.sources, ["classic:partial"]);
}

#[test]
fn methods_are_those_of_repository_and_rules() {
    let squash = json!({"allowed_merge_methods": ["squash", "rebase"]});
    let report = clean()
        .with(|case| case.rule("pull_request", squash.clone()))
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.merge.allowed_methods, Some(vec![Method::Squash]));
    assert!(report.merge.command.unwrap().contains(" --squash "));
    let wanted = |method| {
        move |case: &mut Case| {
            case.rule("required_linear_history", Value::Null);
            case.method = Some(method);
        }
    };
    clean()
        .with(wanted(Method::Squash))
        .comes_to(Verdict::Ready, &[]);
    clean()
        .with(wanted(Method::Merge))
        .comes_to(Verdict::Blocked, &[Category::LinearHistory]);
    let report = clean()
        .with(wanted(Method::Rebase))
        .comes_to(Verdict::Blocked, &[Category::Method]);
    assert_eq!(
        report.blocking_issues[0].action_required,
        "use one of: squash"
    );
    clean()
        .with(|case| {
            case.rule("required_linear_history", Value::Null);
            case.graph["squashMergeAllowed"] = json!(false);
        })
        .comes_to(Verdict::Blocked, &[Category::LinearHistory]);
}

#[test]
fn a_block_without_a_reason_is_said_to_be_one() {
    let report = clean()
        .blocked(|_| {})
        .comes_to(Verdict::Blocked, &[Category::UnexplainedBlock]);
    assert!(
        report.blocking_issues[0]
            .description
            .ends_with("permission of this login: WRITE")
    );
    assert_eq!(report.checks.branch_protection_satisfied, Some(false));
    assert_eq!(report.merge.command, None);
    clean()
        .blocked(|case| case.graph["viewerPermission"] = json!("READ"))
        .comes_to(Verdict::Blocked, &[Category::Permission]);
    // A status does not name its app: the rule may mean another one.
    let report = clean()
        .blocked(|case| {
            case.contexts = vec![demand("test", Some(7))];
            case.checks.all[0].app = None;
        })
        .comes_to(Verdict::Blocked, &[Category::UnexplainedBlock]);
    assert!(
        report.blocking_issues[0]
            .description
            .contains("commit status")
    );
}

#[test]
fn a_run_that_waits_for_approval_is_named_with_its_command() {
    let run: WorkflowRun =
        serde_json::from_value(json!({"id": 99, "conclusion": "action_required"})).unwrap();
    let report = clean()
        .blocked(|case| case.checks.workflow_runs = vec![run])
        .comes_to(Verdict::Blocked, &[Category::WorkflowApproval]);
    let command = report.blocking_issues[0].command.as_deref();
    assert_eq!(
        command,
        Some("gh api -X POST repos/acme/api/actions/runs/99/approve")
    );
}

#[test]
fn a_pull_request_on_another_one_says_so() {
    let report = clean()
        .with(|case| case.pull["base"]["ref"] = json!("feature"))
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.stacked_on, Some(7));
}

#[test]
fn in_a_stack_that_github_keeps_every_layer_below_has_to_be_ready() {
    let in_stack = |lacks: &[Option<&'static str>]| {
        let below = (7..).zip(lacks);
        let below = below.map(|(number, lacks)| Below {
            number,
            lacks: *lacks,
        });
        Some(InStack {
            base: "main".to_owned(),
            below: below.collect(),
            is_all_known: true,
        })
    };
    let case = |lacks: &[Option<&'static str>]| {
        clean().with(|case| {
            case.pull["base"]["ref"] = json!("feature");
            case.in_stack = in_stack(lacks);
            case.admin = true;
        })
    };
    let not_ready = [Category::StackBelowNotReady];
    let lacking = [Some("draft"), None, Some("checks failed")];
    let report = case(&lacking).comes_to(Verdict::Blocked, &not_ready);
    let blocker = &report.blocking_issues[0];
    assert_eq!(blocker.names, ["#7: draft", "#9: checks failed"]);
    assert!(blocker.action_required.contains("#7"), "{blocker:?}");
    assert_eq!(report.merge.command, None, "not even later");
    assert_eq!(report.rules_of.as_deref(), Some("main"));
    let admin = report.merge.admin.unwrap();
    assert_eq!((admin.may_bypass, admin.command), (Some(false), None));

    let unread = case(&[None]).with(|case| {
        if let Some(stack) = &mut case.in_stack {
            stack.is_all_known = false;
        }
    });
    let report = unread.comes_to(Verdict::Blocked, &not_ready);
    assert_eq!(report.merge.command, None, "what is unknown is not ready");

    let report = case(&[None]).comes_to(Verdict::Ready, &[]);
    let path = "gh api -X PUT repos/acme/api/pulls/42/merge-async";
    let command = format!("{path} -f merge_method=merge -f sha={HEAD}");
    assert_eq!(report.merge.command, Some(command));
    assert!(!report.merge.auto_merge.unwrap().allowed);
}

#[test]
fn without_graphql_the_rest_is_told_and_the_unknown_named() {
    let report = clean()
        .with(|case| {
            case.graph = Value::Null;
            case.classic = Classic::Unknown;
        })
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.merge_state_status, "CLEAN");
    let answers = &report.checks;
    assert_eq!(
        (
            answers.approvals_met,
            answers.conversations_resolved,
            answers.up_to_date
        ),
        (None, None, None)
    );
    assert_eq!(
        (report.merge.allowed_methods, report.merge.queue),
        (None, None)
    );
    // A method would be a guess, unless rules or the caller leave one only.
    let command = |wish: Option<Method>, rule: Option<&str>| {
        let case = clean().with(|case| {
            case.graph = Value::Null;
            case.method = wish;
            if let Some(only) = rule {
                case.rules = json!([{"type": "pull_request", "ruleset_id": 1,
                    "parameters": {"allowed_merge_methods": [only]}}]);
            }
        });
        let report = case.comes_to(Verdict::Ready, &[]);
        report.merge.command.unwrap()
    };
    let merge = "gh pr merge 42 -R acme/api";
    for (wish, rule, named) in [
        (None, None, ""),
        (Some(Method::Squash), None, " --squash"),
        (None, Some("rebase"), " --rebase"),
    ] {
        let expected = format!("{merge}{named} --match-head-commit {HEAD}");
        assert_eq!(command(wish, rule), expected);
    }
    assert_eq!(report.branch_protection.sources, ["classic:unknown"]);
    clean()
        .with(|case| {
            case.graph = Value::Null;
            case.pull["mergeable_state"] = json!("blocked");
        })
        .comes_to(Verdict::Blocked, &[Category::UnexplainedBlock]);
    clean()
        .with(|case| {
            case.graph = Value::Null;
            case.pull["mergeable"] = Value::Null;
            case.pull["mergeable_state"] = json!("unknown");
        })
        .comes_to(Verdict::Computing, &[Category::Computing]);
    let report = clean()
        .with(|case| {
            case.rules = Value::Null;
            case.classic = Classic::Present;
        })
        .comes_to(Verdict::Ready, &[]);
    assert_eq!(report.branch_protection.required_approvals, None);
    assert_eq!(
        report.branch_protection.sources,
        ["rulesets:unknown", "classic:checks_only"]
    );
    assert_eq!(report.checks.approvals_met, None);
}

#[test]
fn what_an_administrator_may_do_is_told_when_asked() {
    let lacking = |may: Value| {
        clean().blocked(move |case| {
            case.admin = true;
            case.contexts = vec![demand("e2e", None)];
            case.pull()["viewerCanMergeAsAdmin"] = may;
        })
    };
    let report = lacking(json!(true)).comes_to(Verdict::Blocked, &[Category::CheckMissing]);
    let admin = report.merge.admin.unwrap();
    let command = format!("gh pr merge 42 -R acme/api --admin --merge --match-head-commit {HEAD}");
    assert_eq!(
        (admin.may_bypass, admin.command),
        (Some(true), Some(command))
    );
    assert!(!report.ready_to_merge, "the rules are still not met");
    let report = lacking(json!(true))
        .with(|case| case.method = Some(Method::Squash))
        .report();
    let command = report.merge.admin.unwrap().command.unwrap();
    assert!(command.contains(" --admin --squash "), "{command}");
    for (may, expected) in [(json!(false), Some(false)), (Value::Null, None)] {
        let admin = lacking(may).report().merge.admin.unwrap();
        assert_eq!((admin.may_bypass, admin.command), (expected, None));
    }
    // No right helps against these.
    let report = lacking(json!(true))
        .with(|case| {
            case.pull["draft"] = json!(true);
            case.pull()["mergeable"] = json!("CONFLICTING");
        })
        .report();
    let admin = report.merge.admin.unwrap();
    assert_eq!(admin.not_bypassed, [Category::Draft, Category::Conflicts]);
    assert_eq!(admin.command, None);
    // Where nothing is in the way nobody needs it, and nobody is told who did not ask.
    let free = clean().with(|case| {
        case.admin = true;
        case.pull()["viewerCanMergeAsAdmin"] = json!(true);
    });
    assert_eq!(free.report().merge.admin.unwrap().command, None);
    assert!(clean().report().merge.admin.is_none());
    let merged = lacking(json!(true)).with(|case| {
        case.pull["state"] = json!("closed");
        case.pull["merged"] = json!(true);
    });
    assert_eq!(merged.report().merge.admin.unwrap().command, None);
}
