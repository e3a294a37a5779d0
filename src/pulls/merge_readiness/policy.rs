//! What the base branch demands of a merge: rulesets and classic protection as one list of demands.

use super::graph::Graph;
use super::report::Method;
use crate::pulls::required::{Classic, Required, Rule};

/// Rules that say nothing about the merge of a pull request, or that are read elsewhere.
const NOT_ABOUT_MERGES: [&str; 4] = [
    "creation",
    "deletion",
    "non_fast_forward",
    "branch_name_pattern",
];

/// All demands. What could not be read is not in it; `sources` says so.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Where it comes from, and what could not be read.
    pub sources: Vec<String>,
    /// Approvals, as far as is known.
    pub approvals: u64,
    /// Whether all sources that may demand approvals were read.
    pub approvals_known: bool,
    /// Code owners have to approve.
    pub code_owner: bool,
    /// Somebody other than the last pusher has to approve the last push.
    pub last_push: bool,
    /// A push takes approvals away.
    pub dismiss_stale: bool,
    /// Conversations have to be resolved.
    pub threads: bool,
    /// Commits have to be signed.
    pub signatures: bool,
    /// No merge commits.
    pub linear: bool,
    /// The head has to have every commit of the base.
    pub strict: bool,
    /// Environments that the head has to be deployed to; empty names are unknown.
    pub deployments: Option<Vec<String>>,
    /// Nobody may push: the branch is locked, or only those may who bypass the rules.
    pub locked: bool,
    /// Merges go through a queue.
    pub queue: bool,
    /// Methods that the rules allow.
    pub methods: Vec<Method>,
    /// Kinds of rules that this program does not check.
    pub unexamined: Vec<String>,
}

impl Policy {
    /// Adds up what was read.
    pub fn of(required: &Required, graph: Option<&Graph>) -> Self {
        let mut policy = Self {
            methods: Method::ALL.to_vec(),
            strict: required.strict,
            approvals_known: true,
            ..Self::default()
        };
        match &required.rules {
            Some(rules) => rules.iter().for_each(|rule| policy.add_rule(rule)),
            None => {
                policy.sources.push("rulesets:unknown".to_owned());
                policy.approvals_known = false;
            }
        }
        policy.add_classic(required.classic, graph);
        if let Some(graph) = graph {
            policy.queue |= graph.pull_request.is_merge_queue_enabled;
            let allowed = |method: &Method| match method {
                Method::Merge => graph.merge_commit_allowed,
                Method::Squash => graph.squash_merge_allowed,
                Method::Rebase => graph.rebase_merge_allowed,
            };
            policy.methods.retain(allowed);
        }
        policy
    }

    fn demand_approvals(&mut self, count: u64) {
        self.approvals = self.approvals.max(count);
    }

    fn add_rule(&mut self, rule: &Rule) {
        if let Some(id) = rule.ruleset_id {
            let source = format!("ruleset:{id}");
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
        match rule.kind.as_str() {
            "required_status_checks" => {}
            "pull_request" => {
                let count = rule.parameters["required_approving_review_count"].as_u64();
                self.demand_approvals(count.unwrap_or(0));
                self.code_owner |= rule.is_on("require_code_owner_review");
                self.last_push |= rule.is_on("require_last_push_approval");
                self.dismiss_stale |= rule.is_on("dismiss_stale_reviews_on_push");
                self.threads |= rule.is_on("required_review_thread_resolution");
                if let Some(allowed) = rule.parameters["allowed_merge_methods"].as_array() {
                    self.methods
                        .retain(|method| allowed.iter().any(|name| name == method.as_str()));
                }
            }
            "required_signatures" => self.signatures = true,
            "required_linear_history" => self.linear = true,
            "required_deployments" => {
                let listed = rule.parameters["required_deployment_environments"].as_array();
                let names = listed
                    .into_iter()
                    .flatten()
                    .filter_map(|name| name.as_str());
                let known = self.deployments.get_or_insert_default();
                known.extend(names.map(str::to_owned));
            }
            "merge_queue" => self.queue = true,
            "update" => self.locked = true,
            kind if NOT_ABOUT_MERGES.contains(&kind) => {}
            kind => self.unexamined.push(kind.to_owned()),
        }
    }

    fn add_classic(&mut self, classic: Classic, graph: Option<&Graph>) {
        let base = graph.and_then(|graph| graph.pull_request.base_ref.as_ref());
        let whole = base.and_then(|base| base.branch_protection_rule.as_ref());
        let part = base.and_then(|base| base.ref_update_rule.as_ref());
        if let Some(rule) = part {
            self.demand_approvals(rule.required_approving_review_count.unwrap_or(0));
            self.code_owner |= rule.requires_code_owner_reviews;
            self.threads |= rule.requires_conversation_resolution;
            self.linear |= rule.requires_linear_history;
            self.signatures |= rule.requires_signatures;
        }
        if let Some(rule) = whole {
            if rule.requires_approving_reviews {
                self.demand_approvals(rule.required_approving_review_count.unwrap_or(1));
                self.code_owner |= rule.requires_code_owner_reviews;
                self.last_push |= rule.require_last_push_approval;
                self.dismiss_stale |= rule.dismisses_stale_reviews;
            }
            self.threads |= rule.requires_conversation_resolution;
            self.linear |= rule.requires_linear_history;
            self.signatures |= rule.requires_commit_signatures;
            self.strict |= rule.requires_strict_status_checks;
            self.locked |= rule.lock_branch;
            if rule.requires_deployments {
                self.deployments.get_or_insert_default();
            }
        }
        let source = match (classic, whole, part) {
            (Classic::Absent, None, None) => return,
            (_, Some(_), _) => "classic",
            (_, None, Some(_)) => "classic:partial",
            (Classic::Present, None, None) => "classic:checks_only",
            (Classic::Unknown, None, None) => "classic:unknown",
        };
        if part.is_none() && whole.is_none() {
            self.approvals_known = false;
        }
        self.sources.push(source.to_owned());
    }
}
