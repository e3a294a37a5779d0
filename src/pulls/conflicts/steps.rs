//! The commands that bring a conflict into a clone, and its solution back.

use crate::domain::Host;
use crate::pulls::PullRequest;
use crate::pulls::shell::{shell_word, short};

/// The repository's remote in the clone: git's own default.
const REMOTE: &str = "origin";

/// Where the commands are run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Host of the repository.
    pub host: &'a Host,
    /// The branch to merge.
    pub target: &'a str,
}

/// What solves conflicts. `unlocated` ones are looked for first.
pub fn steps(pull: &PullRequest, place: Place<'_>, unlocated: bool) -> Vec<String> {
    let target = place.target;
    let branch =
        |name: &str| shell_word(&format!("+refs/heads/{name}:refs/remotes/{REMOTE}/{name}"));
    let merged = shell_word(&format!("{REMOTE}/{target}"));
    let sha = short(&pull.head.sha);
    let mut steps = Vec::new();
    let local = if pull.is_from_fork() {
        let number = pull.number;
        let ours = format!("+refs/pull/{number}/head:refs/issuecommand/pr-{number}");
        steps.push(format!("git fetch {REMOTE} {} {ours}", branch(target)));
        let local = format!("resolve/pr-{number}");
        steps.push(format!("git switch -C {local} {sha}"));
        local
    } else {
        let head = &pull.head.name;
        steps.push(format!(
            "git fetch {REMOTE} {} {}",
            branch(target),
            branch(head)
        ));
        let name = shell_word(head);
        steps.push(format!(
            "git -c checkout.defaultRemote={REMOTE} switch {name}"
        ));
        steps.push(format!("git merge --ff-only {sha}"));
        head.clone()
    };
    if unlocated {
        steps.push(format!(
            "git merge-tree --write-tree --name-only {merged} HEAD"
        ));
    }
    steps.push(format!("git merge {merged}"));
    steps.push("# it stops at the conflicts: solve each, then git add it".to_owned());
    steps.push("git commit --no-edit".to_owned());
    steps.push(push(pull, place, &local));
    steps
}

fn push(pull: &PullRequest, place: Place<'_>, local: &str) -> String {
    let head = &pull.head.name;
    let refspec = shell_word(&format!("{local}:refs/heads/{head}"));
    if !pull.is_from_fork() {
        return format!("git push {} {refspec}", REMOTE);
    }
    let Some(fork) = &pull.head.repo else {
        return "# the fork is gone: push the branch elsewhere and open a new pull request"
            .to_owned();
    };
    let url = shell_word(&format!("https://{}/{}.git", place.host, fork.full_name));
    let push = format!("git push {url} {refspec}");
    if pull.maintainer_can_modify {
        push
    } else {
        format!("{push} # only the fork's owner may")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(head: &str, fork: Value, modify: bool) -> Vec<String> {
        let sha = "9f3c1e2aaaaabbbbbccccc000001111122222333";
        let pull = json!({
            "number": 42, "state": "open", "title": "", "maintainer_can_modify": modify,
            "head": {"ref": head, "sha": sha, "repo": fork},
            "base": {"ref": "main", "sha": sha, "repo": {"full_name": "acme/api"}},
            "updated_at": "2026-01-02T03:04:05Z", "html_url": "",
        });
        let pull: PullRequest = serde_json::from_value(pull).expect("it is one");
        let host = Host::default();
        let place = Place {
            host: &host,
            target: "main",
        };
        steps(&pull, place, false)
    }

    #[test]
    fn branch_names_of_strangers_are_quoted() {
        let own = json!({"full_name": "acme/api"});
        let steps = told("a;rm -rf $HOME", own, false);
        assert_eq!(
            steps[1],
            "git -c checkout.defaultRemote=origin switch 'a;rm -rf $HOME'"
        );
        let push = "git push origin 'a;rm -rf $HOME:refs/heads/a;rm -rf $HOME'";
        assert_eq!(steps.last().expect("there is one"), push);
    }

    #[test]
    fn a_fork_is_fetched_by_number_and_pushed_to_by_address() {
        let fork = json!({"full_name": "bob/api"});
        let steps = told("fix", fork.clone(), true);
        assert!(steps[0].ends_with("+refs/pull/42/head:refs/issuecommand/pr-42"));
        let push = "git push https://github.com/bob/api.git resolve/pr-42:refs/heads/fix";
        assert_eq!(steps.last().expect("there is one"), push);
        let closed = told("fix", fork, false);
        assert!(
            closed
                .last()
                .is_some_and(|push| push.ends_with("# only the fork's owner may"))
        );
        let gone = told("fix", Value::Null, false);
        assert!(
            gone.last()
                .is_some_and(|push| push.starts_with("# the fork is gone"))
        );
    }
}
