//! How to merge: the ways that are allowed and the command for now.

use super::analyse::Look;
use super::commands::Commands;
use super::report::*;

impl Look<'_> {
    /// The next command and what it depends on.
    pub(super) fn merge(&self, blockers: &[Blocker], ready: bool) -> Merge {
        let graph = self.facts.graph.as_ref();
        // GitHub merges no stack later, and none in spite of its rules.
        let in_stack = self.facts.in_stack.is_some();
        let auto_merge = graph.map(|graph| AutoMerge {
            allowed: graph.auto_merge_allowed
                && !in_stack
                && graph.pull_request.viewer_can_enable_auto_merge != Some(false),
            enabled: graph.pull_request.auto_merge_request.is_some(),
        });
        // These pass by themselves or by what others do: the merge can be ordered beforehand.
        let passes = |blocker: &Blocker| {
            use Category::*;
            matches!(
                blocker.category,
                Behind
                    | CheckFailing
                    | CheckPending
                    | CheckMissing
                    | WorkflowApproval
                    | ChangesRequested
                    | ReviewRequired
                    | CodeOwner
                    | LastPush
                    | Threads
                    | Deployments
            )
        };
        let can_wait = auto_merge
            .as_ref()
            .is_some_and(|auto| auto.allowed && !auto.enabled)
            && !blockers.is_empty()
            && blockers.iter().all(passes);
        let method = self
            .facts
            .method
            .or_else(|| self.methods().first().copied());
        let command = match (ready || can_wait, method) {
            (false, _) | (true, None) => None,
            (true, Some(method)) => {
                let commands = Commands::new(&self.facts.id, &self.facts.host);
                // What the repository allows is not known then: gh asks whoever runs it.
                let guessed =
                    self.facts.method.is_none() && graph.is_none() && self.methods().len() > 1;
                let method = (!self.policy.queue && !guessed).then_some(method);
                let head = &self.facts.pull.head.sha;
                Some(match in_stack {
                    true => commands.merge_stack(method, head),
                    false => commands.merge(method, can_wait, head),
                })
            }
        };
        Merge {
            allowed_methods: graph.is_some().then(|| self.methods()),
            queue: (graph.is_some() || self.policy.queue).then_some(self.policy.queue),
            auto_merge,
            command,
            admin: self.facts.admin.then(|| self.admin(blockers, ready)),
        }
    }

    /// What this login may do as an administrator. Rules can be bypassed, facts cannot.
    fn admin(&self, blockers: &[Blocker], ready: bool) -> AdminMerge {
        use Category::*;
        let stays = |category: &Category| {
            matches!(
                category,
                Draft | Closed | Conflicts | Computing | Method | LinearHistory
            )
        };
        let not_bypassed: Vec<Category> = blockers
            .iter()
            .map(|blocker| blocker.category)
            .filter(stays)
            .collect();
        let may_bypass = match self.facts.in_stack {
            Some(_) => Some(false),
            None => self.pull.and_then(|pull| pull.viewer_can_merge_as_admin),
        };
        let is_open = self.facts.pull.state == "open";
        let helps = may_bypass == Some(true) && is_open && !ready && not_bypassed.is_empty();
        let method = self
            .facts
            .method
            .or_else(|| self.methods().first().copied());
        let command = method.filter(|_| helps).map(|method| {
            let commands = Commands::new(&self.facts.id, &self.facts.host);
            commands.merge_as_admin(method, &self.facts.pull.head.sha)
        });
        AdminMerge {
            may_bypass,
            command,
            not_bypassed,
        }
    }
}
