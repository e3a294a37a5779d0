//! A pull request that can be merged, for tests that change a part of it.

use serde_json::{Value, json};

use super::analyse::{Facts, analyse};
use super::below::InStack;
use super::graph::Graph;
use super::report::*;
use crate::domain::Host;
use crate::pulls::PullId;
use crate::pulls::checks::{App, Check, CheckState, Checks};
use crate::pulls::required::{Classic, Required, RequiredContext};

pub(super) const HEAD: &str = "9f3c1e2a9f3c1e2a9f3c1e2a9f3c1e2a9f3c1e2a";

/// What GitHub answers for a pull request that can be merged; each test changes a part.
pub(super) struct Case {
    pub pull: Value,
    pub graph: Value,
    pub rules: Value,
    pub contexts: Vec<RequiredContext>,
    pub classic: Classic,
    pub checks: Checks,
    pub unsigned: Option<usize>,
    pub method: Option<Method>,
    pub admin: bool,
    pub in_stack: Option<InStack>,
}

pub(super) fn clean() -> Case {
    let branch =
        |name: &str, sha: &str| json!({"ref": name, "sha": sha, "repo": {"full_name": "acme/api"}});
    Case {
        pull: json!({"number": 42, "state": "open", "title": "t", "draft": false, "merged": false,
            "head": branch("change", HEAD), "base": branch("main", "b"), "mergeable": true,
            "mergeable_state": "clean", "updated_at": "2026-01-02T03:04:05Z", "html_url": ""}),
        graph: json!({"viewerPermission": "WRITE", "mergeCommitAllowed": true, "squashMergeAllowed": true,
            "rebaseMergeAllowed": false, "autoMergeAllowed": true, "defaultBranchRef": {"name": "main"},
            "pullRequest": {"headRefOid": HEAD, "mergeable": "MERGEABLE", "mergeStateStatus": "CLEAN",
                "reviewDecision": null, "viewerCanUpdateBranch": true, "viewerCanEnableAutoMerge": true,
                "viewerCanMergeAsAdmin": false, "isInMergeQueue": false, "isMergeQueueEnabled": false, "mergeQueueEntry": null,
                "autoMergeRequest": null,
                "baseRef": {"compare": {"behindBy": 0}, "associatedPullRequests": {"nodes": [{"number": 7}]},
                    "refUpdateRule": null, "branchProtectionRule": null},
                "latestOpinionatedReviews": {"nodes": []}, "reviewRequests": {"nodes": []},
                "reviewThreads": {"pageInfo": {"hasNextPage": false}, "nodes": []},
                "closingIssuesReferences": {"nodes": [{"number": 17, "repository": {"nameWithOwner": "acme/api"}}]},
                "commits": {"nodes": [{"commit": {"author": {"user": {"login": "ada"}},
                    "committer": {"user": {"login": "web-flow"}}}}]}}}),
        rules: json!([]),
        contexts: Vec::new(),
        classic: Classic::Absent,
        checks: Checks {
            all: vec![check("test", CheckState::Ok)],
            complete: true,
            ..Checks::default()
        },
        unsigned: None,
        method: None,
        admin: false,
        in_stack: None,
    }
}

pub(super) fn check(name: &str, state: CheckState) -> Check {
    Check {
        name: name.to_owned(),
        app: Some(App {
            id: 15_368,
            slug: "github-actions".to_owned(),
        }),
        state,
        conclusion: String::new(),
        details_url: None,
        check_run_id: Some(1),
        run_id: None,
        suite_id: None,
        started_at: None,
        completed_at: None,
        summary: None,
        text: Vec::new(),
        required: None,
    }
}

pub(super) fn demand(name: &str, app: Option<u64>) -> RequiredContext {
    RequiredContext {
        context: name.to_owned(),
        integration_id: app,
    }
}

pub(super) fn review(login: &str, state: &str, commit: &str) -> Value {
    json!({"author": {"login": login}, "state": state, "commit": {"oid": commit}})
}

impl Case {
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn blocked(self, change: impl FnOnce(&mut Self)) -> Self {
        self.with(|case| {
            case.graph["pullRequest"]["mergeStateStatus"] = json!("BLOCKED");
            change(case);
        })
    }

    pub fn pull(&mut self) -> &mut Value {
        &mut self.graph["pullRequest"]
    }

    pub fn rule(&mut self, kind: &str, parameters: Value) {
        let list = self.rules.as_array_mut().unwrap();
        list.push(json!({"type": kind, "ruleset_id": 5, "parameters": parameters}));
    }

    pub fn report(self) -> MergeReadiness {
        let graph: Option<Graph> = serde_json::from_value(self.graph).unwrap();
        let rules: Option<Vec<crate::pulls::required::Rule>> =
            serde_json::from_value(self.rules).unwrap();
        let strict = rules
            .iter()
            .flatten()
            .any(|rule| rule.is_on("strict_required_status_checks_policy"));
        let facts = Facts {
            id: PullId::parse("acme/api#42", &Host::default()).unwrap(),
            host: Host::default(),
            pull: serde_json::from_value(self.pull).unwrap(),
            graph,
            checks: self.checks,
            required: Required {
                contexts: self.contexts,
                strict,
                rules,
                classic: self.classic,
                warnings: Vec::new(),
            },
            unsigned: self.unsigned,
            method: self.method,
            admin: self.admin,
            in_stack: self.in_stack,
            warnings: Vec::new(),
        };
        analyse(facts, "2026-01-02T03:04:05Z".parse().unwrap())
    }

    #[track_caller]
    pub fn comes_to(self, verdict: Verdict, categories: &[Category]) -> MergeReadiness {
        let report = self.report();
        let found: Vec<Category> = report
            .blocking_issues
            .iter()
            .map(|blocker| blocker.category)
            .collect();
        assert_eq!(
            (report.verdict, found.as_slice()),
            (verdict, categories),
            "{report:#?}"
        );
        let ready = matches!(verdict, Verdict::Ready | Verdict::Unstable);
        assert_eq!(report.ready_to_merge, ready);
        for blocker in &report.blocking_issues {
            assert!(!blocker.action_required.is_empty(), "{blocker:?}");
        }
        report
    }
}
