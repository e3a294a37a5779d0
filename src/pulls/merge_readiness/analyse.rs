//! From what was fetched to the answer: a pure function.
//!
//! Two kinds of things are in the way. Facts (a draft, conflicts, a demanded check that failed)
//! stand by themselves. Conclusions that GitHub draws with knowledge that nobody else has (who
//! pushed last, which signature counts for which method) are named only while GitHub does not say
//! that the way is free.

use std::collections::HashSet;

use jiff::Timestamp;

use super::below::InStack;
use super::graph::{Graph, Pull};
use super::policy::Policy;
use super::report::*;
use crate::domain::{Host, text};
use crate::pulls::checks::{Check, CheckState, Checks};
use crate::pulls::required::{Outcome, Required, RequiredContext};
use crate::pulls::{PullId, PullRequest, Warning};

/// Longest name shown, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest reason of a warning, in bytes.
const REASON_BYTES_MAX: usize = 160;

/// Everything that was fetched.
pub struct Facts {
    /// Which pull request.
    pub id: PullId,
    /// The host it is on.
    pub host: Host,
    /// As REST tells it.
    pub pull: PullRequest,
    /// What GraphQL tells; `None` when it could not be asked.
    pub graph: Option<Graph>,
    /// Checks of the head.
    pub checks: Checks,
    /// What the base branch demands.
    pub required: Required,
    /// Commits without a valid signature; `None` is unknown or not asked.
    pub unsigned: Option<usize>,
    /// The way the caller wants to merge.
    pub method: Option<Method>,
    /// Whether it is told what an administrator may do.
    pub admin: bool,
    /// The stack that GitHub keeps it in.
    pub in_stack: Option<InStack>,
    /// Sources that could not be read, beside those of checks and demands.
    pub warnings: Vec<Warning>,
}

/// Analyses what was fetched at `now`.
pub fn analyse(facts: Facts, now: Timestamp) -> MergeReadiness {
    let policy = Policy::of(&facts.required, facts.graph.as_ref());
    let look = Look::new(&facts, &policy);
    let blockers = look.blockers();
    let protection = look.protection();
    let answers = look.answers(&blockers);
    let is_open = facts.pull.state == "open";
    let ready = is_open && blockers.is_empty() && look.way_is_free;
    let verdict = match () {
        () if facts.pull.merged => Verdict::Merged,
        () if !is_open => Verdict::Closed,
        () if look.is_queued() => Verdict::Queued,
        () if ready && look.merge_state == "UNSTABLE" => Verdict::Unstable,
        () if ready => Verdict::Ready,
        () if blockers
            .iter()
            .all(|blocker| blocker.category == Category::Computing) =>
        {
            Verdict::Computing
        }
        () => Verdict::Blocked,
    };
    let graph = facts.graph.as_ref();
    let base = graph.and_then(|graph| graph.pull_request.base_ref.as_ref());
    let is_default = graph
        .and_then(|graph| graph.default_branch_ref.as_ref())
        .is_some_and(|branch| branch.name == facts.pull.base.name);
    let below = base.and_then(|base| base.associated_pull_requests.as_ref());
    // A release branch made of the default branch does not make a stack of everything else.
    let stacked_on = below
        .filter(|_| !is_default)
        .and_then(|below| below.iter().next())
        .map(|below| below.number)
        .filter(|below| *below != facts.id.number);
    let closing = graph.and_then(|graph| graph.pull_request.closing_issues_references.as_ref());
    let closes = closing.into_iter().flat_map(|closing| closing.iter());
    MergeReadiness {
        commit: facts.pull.head.sha.clone(),
        pr: facts.id.to_string(),
        head_sha: facts.pull.head_short().to_owned(),
        fetched_at: now,
        ready_to_merge: ready,
        verdict,
        merge_state_status: look.merge_state.clone(),
        checks: answers,
        branch_protection: protection,
        merge: look.merge(&blockers, ready),
        blocking_issues: blockers,
        stacked_on,
        rules_of: facts
            .in_stack
            .as_ref()
            .map(|stack| stack.base.clone())
            .filter(|base| *base != facts.pull.base.name),
        closes: closes
            .map(|issue| format!("{}#{}", issue.repository.name_with_owner, issue.number))
            .collect(),
        warnings: warnings(&facts),
        untrusted: [
            "blocking_issues[].names",
            "branch_protection.*_checks and optional_failing",
        ],
    }
}

fn warnings(facts: &Facts) -> Vec<Warning> {
    let all = facts
        .warnings
        .iter()
        .chain(&facts.required.warnings)
        .chain(&facts.checks.warnings);
    all.map(|warning| Warning {
        reason: text::one_line(text::cut(&warning.reason, REASON_BYTES_MAX).0),
        ..warning.clone()
    })
    .collect()
}

/// What everything else is derived from.
pub(super) struct Look<'a> {
    pub(super) facts: &'a Facts,
    pub(super) policy: &'a Policy,
    pub(super) pull: Option<&'a Pull>,
    /// GitHub's word in capitals.
    pub(super) merge_state: String,
    /// Whether GitHub says that a merge would go through.
    pub(super) way_is_free: bool,
    /// Whether the branches merge; `None` while it is computed.
    pub(super) merges: Option<bool>,
    pub(super) outcomes: Vec<(&'a RequiredContext, Outcome)>,
}

impl<'a> Look<'a> {
    fn new(facts: &'a Facts, policy: &'a Policy) -> Self {
        let pull = facts.graph.as_ref().map(|graph| &graph.pull_request);
        let merge_state = match pull {
            Some(pull) => pull.merge_state_status.clone(),
            None if facts.pull.mergeable_state.is_empty() => "UNKNOWN".to_owned(),
            None => facts.pull.mergeable_state.to_uppercase(),
        };
        let merges = match pull.map(|pull| pull.mergeable.as_str()) {
            Some("MERGEABLE") => Some(true),
            Some("CONFLICTING") => Some(false),
            Some(_) => None,
            None => facts.pull.mergeable,
        };
        let contexts = facts.required.contexts.iter();
        Self {
            facts,
            policy,
            pull,
            way_is_free: matches!(&*merge_state, "CLEAN" | "HAS_HOOKS" | "UNSTABLE"),
            merges: merges
                .filter(|_| merge_state != "DIRTY")
                .or((merge_state == "DIRTY").then_some(false)),
            merge_state,
            outcomes: contexts
                .map(|context| (context, Required::outcome(context, &facts.checks)))
                .collect(),
        }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.pull.is_some_and(|pull| pull.is_in_merge_queue)
    }

    pub(super) fn behind_by(&self) -> Option<u64> {
        let base = self.pull?.base_ref.as_ref()?;
        Some(base.compare.as_ref()?.behind_by)
    }

    /// Unresolved conversations; `None` when they are not all known and none of those known is
    /// unresolved.
    pub(super) fn unresolved(&self) -> Option<usize> {
        let threads = self.pull?.review_threads.as_ref()?;
        let known = threads.nodes.iter().flatten();
        let unresolved = known.filter(|thread| !thread.is_resolved).count();
        (unresolved > 0 || !threads.page_info.has_next_page).then_some(unresolved)
    }

    pub(super) fn reviewers(&self, state: &str) -> Vec<&'a str> {
        let reviews = self
            .pull
            .and_then(|pull| pull.latest_opinionated_reviews.as_ref());
        let reviews = reviews.into_iter().flat_map(|reviews| reviews.iter());
        reviews
            .filter(|review| review.state == state)
            .map(|review| {
                review
                    .author
                    .as_ref()
                    .map_or("ghost", |author| &author.login)
            })
            .collect()
    }

    /// Who approved the head commit.
    fn approvers_of_head(&self) -> Option<Vec<&'a str>> {
        let reviews = self.pull?.latest_opinionated_reviews.as_ref()?;
        let on_head = reviews.iter().filter(|review| {
            review.state == "APPROVED"
                && review
                    .commit
                    .as_ref()
                    .is_some_and(|commit| commit.oid == self.facts.pull.head.sha)
        });
        let author = |review: &'a super::graph::Review| {
            review
                .author
                .as_ref()
                .map_or("ghost", |author| &*author.login)
        };
        Some(on_head.map(author).collect())
    }

    pub(super) fn decision(&self) -> Option<&'a str> {
        self.pull?.review_decision.as_deref()
    }

    pub(super) fn current_approvals(&self) -> Option<u64> {
        let all = self.pull?.latest_opinionated_reviews.as_ref()?;
        let all = all
            .iter()
            .filter(|review| review.state == "APPROVED")
            .count();
        // GitHub takes stale approvals away by itself, unless a push left the difference as it
        // was; until it has, its decision is not `APPROVED`.
        let on_head = self.approvers_of_head()?.len();
        let only_head = self.policy.dismiss_stale && self.decision() != Some("APPROVED");
        u64::try_from(if only_head { on_head } else { all }).ok()
    }

    /// Whether somebody other than the makers of the last commit approved it.
    pub(super) fn last_push_approved(&self) -> Option<bool> {
        let commits = self.pull?.commits.as_ref()?;
        let last = commits.iter().last().map(|node| &node.commit);
        let makers: HashSet<&str> = last
            .into_iter()
            .flat_map(|commit| [&commit.author, &commit.committer])
            .filter_map(|actor| Some(&*actor.as_ref()?.user.as_ref()?.login))
            .collect();
        let approvers = self.approvers_of_head()?;
        Some(approvers.iter().any(|login| !makers.contains(login)))
    }

    pub(super) fn with_outcome(&self, wanted: Outcome) -> Vec<&'a str> {
        let found = self
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == wanted);
        found.map(|(context, _)| &*context.context).collect()
    }

    fn answers(&self, blockers: &[Blocker]) -> Answers {
        let has = |category| blockers.iter().any(|blocker| blocker.category == category);
        let reviews_lack = [
            Category::ChangesRequested,
            Category::ReviewRequired,
            Category::CodeOwner,
            Category::LastPush,
        ];
        let approvals_met = if reviews_lack.into_iter().any(has) {
            Some(false)
        } else if self.decision() == Some("APPROVED") {
            Some(true)
        } else {
            let enough = |current| current >= self.policy.approvals;
            let known = self.policy.approvals_known;
            self.current_approvals().filter(|_| known).map(enough)
        };
        let behind = (self.merge_state == "BEHIND").then_some(false);
        let satisfied = match &*self.merge_state {
            "BLOCKED" | "BEHIND" => Some(false),
            _ if self.way_is_free => Some(blockers.is_empty()),
            _ => None,
        };
        Answers {
            ci_passing: self.ci_passing(),
            approvals_met,
            no_conflicts: self.merges,
            up_to_date: behind.or(self.behind_by().map(|behind| behind == 0)),
            conversations_resolved: self.unresolved().map(|open| open == 0),
            branch_protection_satisfied: satisfied,
        }
    }

    /// Unknown while something is not read, and where no check ever reported.
    fn ci_passing(&self) -> Option<bool> {
        let checks = &self.facts.checks;
        let bad = |check: &Check| !matches!(check.state, CheckState::Ok | CheckState::Allowed);
        let lacking = |(_, outcome): &(&RequiredContext, Outcome)| {
            !matches!(outcome, Outcome::Passing | Outcome::Unknown)
        };
        if checks.all.iter().any(bad) || self.outcomes.iter().any(lacking) {
            return Some(false);
        }
        let demands_known = self.facts.required.is_complete() || self.way_is_free;
        (checks.complete && demands_known && !checks.all.is_empty()).then_some(true)
    }

    fn protection(&self) -> Protection {
        let of = |outcomes: &[Outcome]| {
            let found = self.outcomes.iter();
            let found = found.filter(|(_, outcome)| outcomes.contains(outcome));
            found
                .map(|(context, _)| &*context.context)
                .collect::<Vec<&str>>()
        };
        let required: Vec<&str> = self
            .outcomes
            .iter()
            .map(|(context, _)| &*context.context)
            .collect();
        let optional = self.facts.checks.all.iter().filter(|check| {
            matches!(check.state, CheckState::Fail | CheckState::Cancelled)
                && !required.contains(&&*check.name)
        });
        let optional: Vec<&str> = optional.map(|check| &*check.name).collect();
        Protection {
            sources: self.policy.sources.clone(),
            required_approvals: Some(self.policy.approvals)
                .filter(|least| self.policy.approvals_known || *least > 0),
            current_approvals: self.current_approvals(),
            approvals_on_head: self
                .approvers_of_head()
                .and_then(|approvers| u64::try_from(approvers.len()).ok()),
            required_checks: names(&required),
            passing_checks: names(&of(&[Outcome::Passing])),
            failing_checks: names(&of(&[Outcome::Failing])),
            pending_checks: names(&of(&[Outcome::Pending])),
            missing_checks: names(&of(&[Outcome::Missing, Outcome::OtherApp])),
            optional_failing: names(&optional),
        }
    }
}

/// Names of others, made harmless and short.
pub(super) fn names(of: &[&str]) -> Vec<String> {
    let short = |name: &&str| match text::cut(name, NAME_BYTES_MAX) {
        (shown, true) => format!("{}…", text::one_line(shown)),
        (shown, false) => text::one_line(shown),
    };
    of.iter().map(short).collect()
}
