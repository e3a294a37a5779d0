//! Everything in the way of a merge, in the order in which it is worth clearing away.

use super::analyse::{Look, names};
use super::commands::Commands;
use super::report::*;
use crate::pulls::required::Outcome;

impl<'a> Look<'a> {
    /// Everything in the way; nothing for what is merged already.
    pub(super) fn blockers(&self) -> Vec<Blocker> {
        let facts = self.facts;
        let mut found = Vec::new();
        if facts.pull.merged {
            return found;
        }
        let commands = Commands::new(&facts.id, &facts.host);
        if facts.pull.state != "open" {
            let reopen = Blocker::new(Category::Closed, Who::Author, "the pull request is closed");
            found.push(reopen.command("reopen it", commands.pr("reopen")));
            return found;
        }
        if facts.pull.draft || self.merge_state == "DRAFT" {
            let draft = Blocker::new(Category::Draft, Who::Author, "it is a draft");
            found.push(draft.command("mark it as ready", commands.pr("ready")));
        }
        self.branches(&commands, &mut found);
        self.check_blockers(&commands, &mut found);
        self.review_blockers(&mut found);
        self.rule_blockers(&commands, &mut found);
        found.extend(self.stack_below());
        if self.is_queued() {
            let entry = self.pull.and_then(|pull| pull.merge_queue_entry.as_ref());
            let place = entry.map_or_else(String::new, |entry| {
                format!(
                    " at position {} ({})",
                    entry.position,
                    entry.state.to_lowercase()
                )
            });
            let queued = format!("it is in the merge queue{place}");
            let queued = Blocker::new(Category::MergeQueue, Who::Ci, queued);
            found.push(queued.action("wait: the queue merges it"));
        }
        if self.merge_state == "BLOCKED" && found.is_empty() {
            found.push(self.unexplained());
        }
        found
    }

    fn branches(&self, commands: &Commands, found: &mut Vec<Blocker>) {
        if self.merges == Some(false) {
            let base = "it conflicts with its base branch";
            let conflicts = Blocker::new(Category::Conflicts, Who::Author, base);
            found.push(conflicts.action("detect_merge_conflicts shows where"));
        } else if self.merges.is_none() || self.merge_state == "UNKNOWN" {
            let computing = "GitHub has not computed yet whether the branches merge";
            let computing = Blocker::new(Category::Computing, Who::Github, computing);
            found.push(computing.action("call again in a few seconds"));
        }
        // A merge queue brings the base in by itself.
        let strict = self.policy.strict && !self.policy.queue;
        let behind = self.behind_by().filter(|behind| *behind > 0);
        if self.merge_state == "BEHIND" || strict && behind.is_some() {
            let count = behind.map_or_else(String::new, |behind| format!(" by {behind} commits"));
            let words =
                format!("behind its base branch{count}, and the rules demand to be up to date");
            let update = Blocker::new(Category::Behind, Who::Author, words);
            let may = self.pull.and_then(|pull| pull.viewer_can_update_branch) != Some(false);
            let words = "bring the base branch in";
            found.push(match may && self.merges != Some(false) {
                true => update.command(words, commands.update_branch(&self.facts.pull.head.sha)),
                false => update.action(words),
            });
        }
    }

    fn check_blockers(&self, commands: &Commands, found: &mut Vec<Blocker>) {
        let table = [
            (
                Outcome::Failing,
                Category::CheckFailing,
                Who::Author,
                "failed or was cancelled",
                "get_failing_tests shows why",
            ),
            (
                Outcome::Pending,
                Category::CheckPending,
                Who::Ci,
                "still runs",
                "wait, then call again",
            ),
            (
                Outcome::Missing,
                Category::CheckMissing,
                Who::Ci,
                "has not reported",
                "wait, or mend what triggers it (paths, branches, conflicts)",
            ),
            (
                Outcome::OtherApp,
                Category::CheckMissing,
                Who::Maintainer,
                "was reported by another app than the rules name",
                "let the named app report it, or change the rule",
            ),
            (
                Outcome::Unknown,
                Category::CheckUnknown,
                Who::Maintainer,
                "is not among the checks that this login can read",
                "give the token the permissions checks:read and statuses:read",
            ),
        ];
        for (outcome, category, who, what, action) in table {
            let names = self.with_outcome(outcome);
            if names.is_empty() {
                continue;
            }
            let words = match names.len() {
                1 => format!("a required check {what}"),
                count => format!("{count} required checks: each {what}"),
            };
            found.push(
                Blocker::new(category, who, words)
                    .about(&names)
                    .action(action),
            );
        }
        let mut waiting = self
            .facts
            .checks
            .workflow_runs
            .iter()
            .filter(|run| run.awaits_approval());
        if !self.way_is_free
            && let Some(first) = waiting.next()
        {
            let words = match waiting.count() {
                0 => "a workflow run waits for approval".to_owned(),
                more => format!("{} workflow runs wait for approval", more + 1),
            };
            let approval = Blocker::new(Category::WorkflowApproval, Who::Maintainer, words);
            let words = "look at the change, then let the run go";
            found.push(approval.command(words, commands.approve_run(first.id)));
        }
    }

    fn review_blockers(&self, found: &mut Vec<Blocker>) {
        let before = found.len();
        if self.decision() == Some("CHANGES_REQUESTED") {
            let by = self.reviewers("CHANGES_REQUESTED");
            let words = "a reviewer requested changes";
            let changes = Blocker::new(Category::ChangesRequested, Who::Author, words).about(&by);
            let action = "find_unresolved_comments; then ask for another review";
            found.push(changes.action(action));
        }
        let demanded = self.policy.approvals;
        let current = self.current_approvals();
        let too_few = current.is_some_and(|current| current < demanded);
        let not_approved = self.decision() == Some("REVIEW_REQUIRED");
        if too_few && (not_approved || !self.way_is_free) {
            let words = format!("{} of {demanded} approvals", current.unwrap_or(0));
            let review = Blocker::new(Category::ReviewRequired, Who::Reviewer, words);
            found.push(review.action("ask for a review; analyze_pr_impact names reviewers"));
        }
        if self.policy.code_owner && !self.way_is_free && self.decision() != Some("APPROVED") {
            let owners = self.owners_asked();
            if !owners.is_empty() {
                let words = "code owners have not approved";
                let owner = Blocker::new(Category::CodeOwner, Who::Reviewer, words);
                found.push(owner.about(&owners).action("ask one of them for a review"));
            }
        }
        if self.policy.last_push && !self.way_is_free && self.last_push_approved() == Some(false) {
            let words = "nobody but who made it approved the last commit";
            let last = Blocker::new(Category::LastPush, Who::Reviewer, words);
            found.push(last.action("ask somebody else to approve the head"));
        }
        if not_approved && found.len() == before {
            let words = "GitHub still demands a review";
            let review = Blocker::new(Category::ReviewRequired, Who::Reviewer, words);
            found.push(review.action("ask for a review; analyze_pr_impact names reviewers"));
        }
    }

    /// A merge takes the layers below along: each has to be ready, and to be known as that.
    fn stack_below(&self) -> Option<Blocker> {
        let stack = self.facts.in_stack.as_ref()?;
        let lacking = stack.below.iter().filter_map(|layer| {
            let lacks = layer.lacks?;
            Some((layer.number, format!("#{}: {lacks}", layer.number)))
        });
        let (numbers, names): (Vec<u64>, Vec<String>) = lacking.unzip();
        let Some(lowest) = numbers.first() else {
            let words = "whether the layers below it in the stack are ready could not be read";
            let unread = Blocker::new(Category::StackBelowNotReady, Who::Author, words);
            let action = "call again, or check_merge_readiness of each layer below";
            return (!stack.is_all_known).then(|| unread.action(action));
        };
        let words = match numbers.len() {
            1 => "a layer below it in the stack is not ready".to_owned(),
            count => format!("{count} layers below it in the stack are not ready"),
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let action = format!("check_merge_readiness of #{lowest}, the lowest of them");
        let blocker = Blocker::new(Category::StackBelowNotReady, Who::Author, words);
        Some(blocker.about(&names).action(action))
    }

    fn owners_asked(&self) -> Vec<&'a str> {
        let requests = self.pull.and_then(|pull| pull.review_requests.as_ref());
        let requests = requests.into_iter().flat_map(|requests| requests.iter());
        requests
            .filter(|request| request.as_code_owner)
            .filter_map(|request| request.requested_reviewer.as_ref())
            .filter_map(|reviewer| reviewer.login.as_deref().or(reviewer.slug.as_deref()))
            .collect()
    }

    fn rule_blockers(&self, commands: &Commands, found: &mut Vec<Blocker>) {
        let policy = self.policy;
        if policy.threads
            && let Some(open @ 1..) = self.unresolved()
        {
            let words = match open {
                1 => "a conversation is unresolved".to_owned(),
                open => format!("{open} conversations are unresolved"),
            };
            let threads = Blocker::new(Category::Threads, Who::Author, words);
            found.push(threads.action("find_unresolved_comments"));
        }
        let way_is_free = self.way_is_free;
        if policy.signatures
            && !way_is_free
            && let Some(unsigned @ 1..) = self.facts.unsigned
        {
            let words = format!("commits without a verified signature: {unsigned}");
            let signatures = Blocker::new(Category::Signatures, Who::Author, words);
            found.push(signatures.action("sign the commits and push them again"));
        }
        self.method_blockers(found);
        if !way_is_free && let Some(environments) = &policy.deployments {
            let names: Vec<&str> = environments.iter().map(String::as_str).collect();
            let words = "the rules demand a deployment of the head first; whether there is one was not looked up";
            let deployments = Blocker::new(Category::Deployments, Who::Ci, words).about(&names);
            let command = commands.deployments(&self.facts.pull.head.sha);
            found.push(deployments.command("look for a successful one", command));
        }
        if policy.locked && !way_is_free {
            let words = "the base branch is locked or takes changes of chosen people only";
            let locked = Blocker::new(Category::LockedBranch, Who::Maintainer, words);
            found.push(locked.action("ask a maintainer"));
        }
        let permission = self
            .facts
            .graph
            .as_ref()
            .and_then(|graph| graph.viewer_permission.as_deref());
        if let Some(permission @ ("READ" | "TRIAGE")) = permission {
            let words = format!("this login may not merge here: its permission is {permission}");
            let blocker = Blocker::new(Category::Permission, Who::Maintainer, words);
            found.push(blocker.action("ask a maintainer to merge"));
        }
    }

    fn method_blockers(&self, found: &mut Vec<Blocker>) {
        // In a queue, its settings decide on the method.
        if self.policy.queue {
            return;
        }
        let methods = self.methods();
        if methods.is_empty() && self.policy.linear && !self.policy.methods.is_empty() {
            let words = "the branch demands a linear history, and only merge commits are allowed";
            let linear = Blocker::new(Category::LinearHistory, Who::Maintainer, words);
            found.push(linear.action("allow squash or rebase merges"));
        } else if let Some(method) = self.facts.method.filter(|method| !methods.contains(method)) {
            let linear = self.policy.linear && method == Method::Merge;
            let category = if linear {
                Category::LinearHistory
            } else {
                Category::Method
            };
            let words = format!("method {} is not allowed here", method.as_str());
            let allowed: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
            let action = format!("use one of: {}", allowed.join(", "));
            found.push(Blocker::new(category, Who::Author, words).action(action));
        }
    }

    /// Methods that work here.
    pub(super) fn methods(&self) -> Vec<Method> {
        let fits = |method: &Method| !(self.policy.linear && *method == Method::Merge);
        self.policy.methods.iter().copied().filter(fits).collect()
    }

    fn unexplained(&self) -> Blocker {
        let graph = self.facts.graph.as_ref();
        let permission = graph.and_then(|graph| graph.viewer_permission.as_deref());
        let mut words = format!(
            "GitHub blocks the merge and nothing that was read explains it; permission of this login: {}",
            permission.unwrap_or("unknown")
        );
        let by_app = self.facts.required.contexts.iter().any(|context| {
            let matching = self
                .facts
                .checks
                .all
                .iter()
                .filter(|check| context.matches(check));
            context.integration_id.is_some()
                && matching.into_iter().all(|check| check.app.is_none())
        });
        if by_app {
            words.push_str(
                "; a required check was reported as a commit status, perhaps by the wrong app",
            );
        }
        let kinds: Vec<&str> = self.policy.unexamined.iter().map(String::as_str).collect();
        if !kinds.is_empty() {
            words.push_str("; these kinds of rules were not examined");
        }
        Blocker::new(Category::UnexplainedBlock, Who::Maintainer, words)
            .about(&kinds)
            .action("look at the merge box on the page, or ask a maintainer")
    }
}

impl Blocker {
    fn new(category: Category, who: Who, description: impl Into<String>) -> Self {
        Self {
            category,
            description: description.into(),
            names: Vec::new(),
            who,
            action_required: String::new(),
            command: None,
        }
    }

    fn about(mut self, of: &[&str]) -> Self {
        self.names = names(of);
        self
    }

    fn action(mut self, action: impl Into<String>) -> Self {
        self.action_required = action.into();
        self
    }

    fn command(mut self, action: &str, command: String) -> Self {
        self.command = Some(command);
        self.action(action)
    }
}
