//! The commands that an answer proposes. They are made of checked names and commit ids only.

use super::report::Method;
use crate::domain::Host;
use crate::pulls::PullId;

/// Writes commands for one pull request.
pub struct Commands {
    /// `owner/name` with the host where it is not github.com.
    repo: String,
    /// `gh api`, on the right host.
    api: String,
    id: PullId,
}

impl Commands {
    /// Commands for this pull request.
    pub fn new(id: &PullId, host: &Host) -> Self {
        let (repo, api) = if host.is_default() {
            (id.repo.to_string(), "gh api".to_owned())
        } else {
            (
                format!("{host}/{}", id.repo),
                format!("gh api --hostname {host}"),
            )
        };
        Self {
            repo,
            api,
            id: id.clone(),
        }
    }

    /// `gh pr <verb>`.
    pub fn pr(&self, verb: &str) -> String {
        format!("gh pr {verb} {} -R {}", self.id.number, self.repo)
    }

    /// Merges, as soon as it may if `auto`. A queue takes no method.
    pub fn merge(&self, method: Option<Method>, auto: bool, head: &str) -> String {
        let auto = if auto { " --auto" } else { "" };
        let method = method.map_or_else(String::new, |method| format!(" --{}", method.as_str()));
        format!(
            "{}{auto}{method} --match-head-commit {head}",
            self.pr("merge")
        )
    }

    /// Merges with all layers below, in the background; `gh pr merge` is refused in a stack that
    /// GitHub keeps.
    pub fn merge_stack(&self, method: Option<Method>, head: &str) -> String {
        let PullId { repo, number } = &self.id;
        let path = format!("repos/{repo}/pulls/{number}/merge-async");
        let method = method.map_or_else(String::new, |method| {
            format!(" -f merge_method={}", method.as_str())
        });
        format!("{} -X PUT {path}{method} -f sha={head}", self.api)
    }

    /// Merges in spite of the rules, past a queue too.
    pub fn merge_as_admin(&self, method: Method, head: &str) -> String {
        let (merge, method) = (self.pr("merge"), method.as_str());
        format!("{merge} --admin --{method} --match-head-commit {head}")
    }

    /// Brings the base branch into the head.
    pub fn update_branch(&self, head: &str) -> String {
        let PullId { repo, number } = &self.id;
        let path = format!("repos/{repo}/pulls/{number}/update-branch");
        format!("{} -X PUT {path} -f expected_head_sha={head}", self.api)
    }

    /// Lets a workflow run of a fork go.
    pub fn approve_run(&self, run_id: u64) -> String {
        let path = format!("repos/{}/actions/runs/{run_id}/approve", self.id.repo);
        format!("{} -X POST {path}", self.api)
    }

    /// Lists deployments of a commit.
    pub fn deployments(&self, head: &str) -> String {
        format!(
            "{} 'repos/{}/deployments?sha={head}'",
            self.api, self.id.repo
        )
    }
}
