//! The setting of a history: what stays the same in it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::{Claim, EligibilityRules, LeasePolicy};
use issuecommand::coordinator::CoreSettings;
use issuecommand::domain::priority::PriorityScheme;
use issuecommand::domain::{AgentId, Host, IssueKey, ManualClock, RepoName};
use issuecommand::store::StateFiles;

use super::disk::PowerDisk;
use super::hub::SKIPPED;
use super::model::{Check, Issue};
use super::random::Random;
use super::told::Taste;

thread_local! {
    /// Processes of this history that live.
    pub static LIVING: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
}

/// Whether a process lives.
pub fn process_lives(pid: u32) -> bool {
    LIVING.with_borrow(|living| living.contains(&pid))
}

/// What stays the same during a history.
pub struct Setting {
    pub agents: Vec<AgentId>,
    pub repos: Vec<RepoName>,
    /// The same names in other letters.
    pub shouted: Vec<RepoName>,
    pub policy: LeasePolicy,
    pub taste: Taste,
}

impl Setting {
    /// The place of a repository.
    pub fn place(&self, name: &RepoName) -> usize {
        self.repos
            .iter()
            .position(|known| known == name)
            .unwrap_or(usize::MAX)
    }

    /// The place of an agent.
    pub fn agent(&self, name: &AgentId) -> usize {
        self.agents
            .iter()
            .position(|known| known == name)
            .unwrap_or(usize::MAX)
    }

    /// The issue of a claim.
    pub fn issue(&self, claim: &Claim) -> Issue {
        (self.place(&claim.repo), claim.issue_number)
    }

    /// The key of an issue.
    pub fn key(&self, (repo, number): Issue) -> IssueKey {
        IssueKey {
            host: Host::default(),
            repo: self.repos[repo].clone(),
            number,
        }
    }

    /// The key, with the repository written otherwise or not.
    pub fn key_as(&self, (repo, number): Issue, shouts: bool) -> IssueKey {
        let repo = if shouts {
            &self.shouted[repo]
        } else {
            &self.repos[repo]
        };
        IssueKey {
            host: Host::default(),
            repo: repo.clone(),
            number,
        }
    }

    /// How the core is built.
    pub fn core(&self, clock: &ManualClock, disk: &PowerDisk, files: &StateFiles) -> CoreSettings {
        let configured = ["now", "soon"].map(str::to_owned).to_vec();
        let allowed = self.repos.iter().zip(&self.taste.allowed);
        let is_restricted = self.taste.allowed.contains(&false);
        CoreSettings {
            host: Host::default(),
            allowed: allowed
                .filter(|(_, allowed)| is_restricted && **allowed)
                .filter_map(|(name, _)| name.as_str().parse().ok())
                .collect(),
            rules: EligibilityRules {
                skip_labels: vec![SKIPPED.to_owned()],
                priorities: PriorityScheme::new(if self.taste.configured {
                    configured
                } else {
                    Vec::new()
                }),
            },
            clock: Arc::new(clock.clone()),
            disk: Arc::new(disk.clone()),
            files: files.clone(),
            process_lives,
        }
    }
}

/// A setting.
pub fn setting(random: &mut Random) -> Check<Setting> {
    let parse = |name: &str| name.parse::<RepoName>().map_err(|error| error.to_string());
    let names = ["acme/api", "acme/web", "beta/core"];
    let names = &names[..random.between(1, 3)];
    let repos = names
        .iter()
        .map(|name| parse(name))
        .collect::<Check<Vec<_>>>()?;
    let shouted = names
        .iter()
        .map(|name| parse(&name.to_uppercase()))
        .collect::<Check<_>>()?;
    let agents = (0..random.between(2, 6)).map(|number| format!("agent-{number}").parse());
    let agents = agents.collect::<Result<_, _>>().map_err(|_| "no agents")?;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut allowed = vec![true; repos.len()];
    if repos.len() > 1 && random.chance(25) {
        allowed[0] = false;
    }
    Ok(Setting {
        agents,
        repos,
        shouted,
        policy: LeasePolicy {
            claim_timeout: minutes(random.one_of([5, 30, 120])),
            stale_auto_release: random.one_of([None, Some(minutes(3)), Some(minutes(30))]),
        },
        taste: Taste {
            allowed,
            configured: random.chance(20),
            viewer: random.chance(60),
        },
    })
}
