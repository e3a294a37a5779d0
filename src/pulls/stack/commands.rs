//! The plan: the commands that bring a stack in order, to be run by whoever owns the clone.
//!
//! Layers are moved one by one from the bottom up, each with its own old base. That serves trees
//! and layers that lag behind alike, where one `rebase --update-refs` of the top would not, and
//! every conflict is met once, in the layer that it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::discover::Stack;
use super::facts::Layer;
use super::judge::{Status, Strategy, Verdict};
use super::obstacle::obstacle;
use crate::domain::{ApiError, Host, RepoName};
use crate::gh::ApiPath;
use crate::pulls::shell::{shell_word, short};

/// Most bytes of what one `git fetch` names, where that is more than one branch: every command has
/// to fit a page of the answer.
const FETCHED_BYTES_MAX: usize = 2_000;

/// One command of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its place: the order matters.
    pub step: usize,
    /// The layer that it is for; none when it serves several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr: Option<u64>,
    /// `git`, to be run in a clone, or `gh`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The command, quoted for a POSIX shell.
    pub command: String,
    /// What it is for.
    pub description: &'static str,
    /// What to do when it stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<&'static str>,
}

/// Where and how the plan is run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The repository.
    pub repo: RepoName,
    /// Its host.
    pub host: Host,
    /// Name of its remote in the clone.
    pub remote: String,
    /// Whether GitHub itself keeps the bases of this stack.
    pub native: bool,
}

impl Setting {
    /// Checks the name of the remote.
    ///
    /// # Errors
    /// `invalid_argument` when it is no name of a remote.
    pub fn checked(self) -> Result<Self, ApiError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let name = self.remote.as_str();
        if !name.is_empty()
            && name.len() <= 100
            && name.bytes().all(plain)
            && !name.starts_with('-')
        {
            return Ok(self);
        }
        Err(ApiError::invalid(
            "remote must be the name of a git remote",
            "git remote -v shows them; leave it out for origin",
        ))
    }
}

/// Layers that commands can bring in order now, from the bottom up.
pub fn movable<'a>(stack: &Stack, verdicts: &'a [Verdict]) -> Vec<&'a Verdict> {
    let is_free = |layer: &Layer| obstacle(layer).is_none();
    verdicts
        .iter()
        .filter(|verdict| verdict.wants_commands())
        .filter(|verdict| stack.layer(verdict.number).is_some_and(is_free))
        .collect()
}

/// The plan for these layers.
pub fn plan(setting: &Setting, stack: &Stack, verdicts: &[&Verdict]) -> Vec<Command> {
    let mut plan = Plan {
        setting,
        stack,
        moving: verdicts
            .iter()
            .filter(|verdict| verdict.moves())
            .map(|verdict| verdict.number)
            .collect(),
        commands: Vec::new(),
    };
    let layers: Vec<(&Verdict, &Layer)> = verdicts
        .iter()
        .filter_map(|verdict| Some((*verdict, stack.layer(verdict.number)?)))
        .collect();
    plan.reopen(&layers);
    plan.fetch(&layers);
    for (verdict, layer) in &layers {
        plan.layer(verdict, layer);
    }
    plan.commands
}

struct Plan<'a> {
    setting: &'a Setting,
    stack: &'a Stack,
    moving: BTreeSet<u64>,
    commands: Vec<Command>,
}

impl Plan<'_> {
    fn add(&mut self, pr: Option<u64>, command: String, description: &'static str) {
        self.commands.push(Command {
            step: self.commands.len() + 1,
            pr,
            kind: if command.starts_with("gh ") {
                "gh"
            } else {
                "git"
            },
            command,
            description,
            on_conflict: None,
        });
    }

    /// Opens pull requests again that were closed by the loss of their base. The order is fixed:
    /// GitHub reopens only onto a base that exists, and never after a push to the head.
    fn reopen(&mut self, layers: &[(&Verdict, &Layer)]) {
        let mut by_base: BTreeMap<&str, Vec<(&Verdict, &Layer)>> = BTreeMap::new();
        for (verdict, layer) in layers.iter().filter(|(_, layer)| layer.lost_its_base()) {
            by_base
                .entry(&layer.base)
                .or_default()
                .push((verdict, layer));
        }
        for (base, lost) in by_base {
            let gone = lost.iter().all(|(_, layer)| layer.base_tip.is_none());
            let parent = lost
                .iter()
                .find_map(|(_, layer)| self.stack.parent(layer.number));
            if let Some(parent) = parent.filter(|_| gone) {
                let command = self.create_branch(base, &parent.head_sha);
                self.add(None, command, "bring the deleted base back for a moment");
            }
            for (verdict, layer) in &lost {
                let number = layer.number;
                if layer.head_tip.is_none() && !layer.from_fork {
                    let command = self.create_branch(&layer.head, &layer.head_sha);
                    self.add(Some(number), command, "bring the deleted head back");
                }
                let command = format!("gh pr reopen {number} -R {}", self.gh_repo());
                self.add(Some(number), command, "reopen before any push to it");
                self.retarget(verdict, layer);
            }
            if gone {
                let path = self.path().then("refs").then("heads").then_all(base);
                let command = format!(
                    "gh api{} -X DELETE {}",
                    self.hostname(),
                    shell_word(&path.to_string())
                );
                self.add(None, command, "delete the base again");
            }
        }
    }

    fn create_branch(&self, branch: &str, oid: &str) -> String {
        let reference = shell_word(&format!("ref=refs/heads/{branch}"));
        let (hostname, path) = (self.hostname(), self.path().then("refs"));
        format!("gh api{hostname} -X POST {path} -f {reference} -f sha={oid}")
    }

    fn fetch(&mut self, layers: &[(&Verdict, &Layer)]) {
        let mut wanted: Vec<String> = Vec::new();
        let mut want = |refspec: String| {
            if !wanted.contains(&refspec) {
                wanted.push(refspec);
            }
        };
        let remote = &self.setting.remote;
        let branch =
            |name: &str| shell_word(&format!("+refs/heads/{name}:refs/remotes/{remote}/{name}"));
        for (verdict, layer) in layers.iter().filter(|(verdict, _)| verdict.moves()) {
            if let Some(landing) = &verdict.landing
                && !landing
                    .layer
                    .is_some_and(|below| self.moving.contains(&below))
            {
                want(branch(&landing.branch));
            }
            if layer.from_fork {
                let number = layer.number;
                want(format!(
                    "+refs/pull/{number}/head:refs/issuecommand/pr-{number}"
                ));
            } else {
                want(branch(&layer.head));
            }
        }
        let mut fetched: Vec<String> = Vec::new();
        for refspec in wanted {
            match fetched.last_mut() {
                Some(last) if last.len() + refspec.len() < FETCHED_BYTES_MAX => {
                    last.push(' ');
                    last.push_str(&refspec);
                }
                _ => fetched.push(refspec),
            }
        }
        for refspecs in fetched {
            let command = format!("git fetch {remote} {refspecs}");
            self.add(None, command, "get the branches as they are on GitHub");
        }
    }

    fn layer(&mut self, verdict: &Verdict, layer: &Layer) {
        let (Some(strategy), Some(landing), Some(old_base)) =
            (verdict.strategy, &verdict.landing, &verdict.old_base)
        else {
            // Only the base is wrong; a reopened one has it already.
            if !layer.lost_its_base() {
                self.retarget(verdict, layer);
            }
            return;
        };
        let number = Some(layer.number);
        let remote = &self.setting.remote;
        let (sha, old_base) = (short(&layer.head_sha), short(&old_base.oid));
        let local = local_branch(layer);
        let onto = match landing.layer {
            Some(below) if self.moving.contains(&below) => self
                .stack
                .layer(below)
                .map(local_branch)
                .unwrap_or_default(),
            _ => format!("{remote}/{}", landing.branch),
        };
        let (local, onto) = (shell_word(&local), shell_word(&onto));
        if layer.from_fork {
            let command = format!("git switch -C {local} {sha}");
            self.add(
                number,
                command,
                "a branch of its own for the fork's commits",
            );
        } else {
            let backup = shell_word(&format!("backup/{}-{}", layer.head, short(&layer.head_sha)));
            let switch = format!("git -c checkout.defaultRemote={remote} switch {local}");
            self.add(
                number,
                format!("git branch -f {backup} {sha}"),
                "keep what is there",
            );
            self.add(number, switch, "go to the branch");
            self.add(
                number,
                format!("git merge --ff-only {sha}"),
                "stops if the clone differs from GitHub",
            );
        }
        // What a configuration may switch on would move the backup, or keep the merges and with
        // them the commits of the layer below.
        let rebase = "git -c rebase.updateRefs=false -c rebase.rebaseMerges=false rebase";
        let (command, description) = match strategy {
            Strategy::Regular if verdict.status == Status::NeedsRebase => (
                format!("{rebase} {onto} {local}"),
                "the layer below is in the target as it was",
            ),
            Strategy::Regular => (
                format!("{rebase} {onto} {local}"),
                "without --onto, as asked",
            ),
            Strategy::Onto => (
                format!("{rebase} --onto {onto} {old_base} {local}"),
                "replay the own commits only",
            ),
        };
        self.add(number, command, description);
        if let Some(last) = self.commands.last_mut() {
            last.on_conflict =
                Some("resolve, git add, git rebase --continue; or git rebase --abort");
        }
        let ranges = format!("git range-diff {old_base}..{sha} {onto}..{local}");
        self.add(number, ranges, "check: the own commits before and after");
        let head = shell_word(&layer.head);
        let push = match layer.head_repo.as_deref().filter(|_| layer.from_fork) {
            Some(fork) => {
                let url = format!("https://{}/{fork}.git", self.setting.host);
                let lease = shell_word(&format!(
                    "--force-with-lease=refs/heads/{}:{sha}",
                    layer.head
                ));
                let refspec = shell_word(&format!(
                    "{}:refs/heads/{}",
                    local_branch(layer),
                    layer.head
                ));
                format!("git push {lease} {url} {refspec}")
            }
            None => {
                let lease = shell_word(&format!("--force-with-lease={}:{sha}", layer.head));
                format!("git push {lease} {remote} {head}")
            }
        };
        self.add(number, push, "refused if somebody pushed meanwhile");
        if !layer.lost_its_base() {
            self.retarget(verdict, layer);
        }
    }

    fn retarget(&mut self, verdict: &Verdict, layer: &Layer) {
        let Some(landing) = verdict
            .landing
            .as_ref()
            .filter(|landing| landing.branch != layer.base)
        else {
            return;
        };
        if self.setting.native {
            return;
        }
        let (number, base) = (layer.number, shell_word(&landing.branch));
        let command = format!("gh pr edit {number} -R {} --base {base}", self.gh_repo());
        self.add(Some(number), command, "give it its new base");
    }

    fn path(&self) -> ApiPath {
        ApiPath::repo(&self.setting.repo).then("git")
    }

    fn is_elsewhere(&self) -> bool {
        !self.setting.host.is_default()
    }

    fn gh_repo(&self) -> String {
        let Setting { repo, host, .. } = self.setting;
        if self.is_elsewhere() {
            format!("{host}/{repo}")
        } else {
            repo.to_string()
        }
    }

    fn hostname(&self) -> String {
        if self.is_elsewhere() {
            format!(" --hostname {}", self.setting.host)
        } else {
            String::new()
        }
    }
}

/// The branch in the clone that a layer is rebased on.
fn local_branch(layer: &Layer) -> String {
    if layer.from_fork {
        format!("restack/pr-{}", layer.number)
    } else {
        layer.head.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_a_plain_name() {
        let setting = |remote: &str| Setting {
            repo: "o/r".parse().unwrap(),
            host: Host::default(),
            remote: remote.to_owned(),
            native: false,
        };
        assert!(setting("up-stream").checked().is_ok());
        for bad in ["", "-x", "a b", "a;b", "--upload-pack=x"] {
            assert!(setting(bad).checked().is_err(), "{bad}");
        }
    }
}
