//! Choosing: the best eligible issue for an agent, granted in the same step.

use std::sync::Arc;

use jiff::Timestamp;

use super::core::View;
use crate::claim::{Candidate, Claim, Grant, PassedBy, Refusal};
use crate::domain::{AgentId, ClaimId, IssueKey, RepoName, RepoPattern, RequestId, SessionRef};

/// What an agent asks for.
#[derive(Clone, Debug)]
pub struct NextQuery {
    /// Id that the new claim will have.
    pub new_claim_id: ClaimId,
    /// For whom.
    pub agent_id: AgentId,
    /// From which process.
    pub session: Option<SessionRef>,
    /// Names the request.
    pub request_id: Option<RequestId>,
    /// Only of repositories that this list lets in.
    pub within: Vec<RepoPattern>,
    /// Only of this repository.
    pub repo: Option<RepoName>,
    /// Only with all of these labels.
    pub labels: Vec<String>,
    /// Only of this milestone.
    pub milestone: Option<String>,
    /// Issues that were found unfit a moment ago.
    pub except: Vec<IssueKey>,
    /// Repositories whose issues GitHub refused to show a moment ago.
    pub except_repos: Vec<RepoName>,
}

/// A choice that was granted.
#[derive(Clone, Debug)]
pub struct NextGrant {
    /// The claim.
    pub claim: Arc<Claim>,
    /// Why this one.
    pub why: String,
    /// Times it was given back before.
    pub previous_attempts: u32,
    /// What the last holder left.
    pub handoff_note: Option<Arc<str>>,
    /// When the catalogue last looked at its repository.
    pub synced_at: Option<Timestamp>,
}

/// What came of a choice.
#[derive(Clone, Debug)]
pub enum NextOutcome {
    /// This one.
    Granted(Box<NextGrant>),
    /// None is eligible.
    Nothing {
        /// How many were passed by, and why.
        passed_by: PassedBy,
    },
    /// The agent may not ask.
    Refused(Refusal),
}

/// The grant for the best eligible issue, or the count of those passed by.
pub(super) fn choose(view: &View<'_>, query: &NextQuery) -> Result<(Grant, String), PassedBy> {
    let mut passed_by = PassedBy::default();
    let mut best: Option<(crate::claim::Assessment, IssueKey, Arc<str>)> = None;
    let repos = view.catalogue.repos().filter(|entry| {
        // One that no sync has seen may be another one under a new name.
        entry.is_synced()
            && view.is_allowed(&entry.name)
            && RepoPattern::let_in(&query.within, &entry.name)
            && query.repo.as_ref().is_none_or(|repo| *repo == entry.name)
            && !query.except_repos.contains(&entry.name)
    });
    for entry in repos {
        let mut key = IssueKey {
            host: view.host.clone(),
            repo: entry.name.clone(),
            number: 0,
        };
        for issue in entry.issues.values() {
            let has_label = |wanted: &String| {
                issue
                    .labels
                    .iter()
                    .any(|label| label.eq_ignore_ascii_case(wanted))
            };
            let milestone_fits = query.milestone.as_ref().is_none_or(|wanted| {
                let has = issue.milestone.as_ref();
                has.is_some_and(|milestone| milestone.title.eq_ignore_ascii_case(wanted))
            });
            if !milestone_fits || !query.labels.iter().all(has_label) {
                continue;
            }
            key.number = issue.number;
            if query.except.contains(&key) {
                continue;
            }
            let candidate = view.candidate(issue, &key);
            let exclusion =
                view.rules
                    .exclusion(&candidate, view.ledger, Some(&query.agent_id), view.now);
            if let Some(exclusion) = exclusion {
                passed_by.count(&exclusion);
                continue;
            }
            let assessment = view.rules.assess(&candidate, view.ledger);
            if best
                .as_ref()
                .is_none_or(|(known, _, _)| assessment < *known)
            {
                best = Some((assessment, key.clone(), issue.title.clone()));
            }
        }
    }
    let Some((_, key, title)) = best else {
        return Err(passed_by);
    };
    let why = view.catalogue.issue(&key.repo, key.number).map(|issue| {
        let candidate: Candidate<'_> = view.candidate(issue, &key);
        view.rules.why(&candidate, view.ledger, view.now)
    });
    let grant = Grant {
        new_claim_id: query.new_claim_id,
        agent_id: query.agent_id.clone(),
        session: query.session,
        request_id: query.request_id,
        key,
        title,
    };
    Ok((grant, why.unwrap_or_default()))
}
