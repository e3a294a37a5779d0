//! Merges in a real git repository, and the same merges as pull requests of the stand-in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::github::{GitRepository, World};
use crate::support::issues;

/// Three versions of a tree, each made by a shell script from the one before.
pub struct Merge {
    pub name: &'static str,
    pub ancestor: &'static str,
    pub pr: &'static str,
    pub target: &'static str,
}

/// A repository with branches `base-1`, `pr-1` and so on.
pub struct Lab {
    folder: TempDir,
}

/// Helpers for scripts: `put FILE LINE…` writes a file, `link` a submodule; branches are switched
/// to and committed by hand so that no leftover of one is in another.
const HELPERS: &str = r#"set -e
put() { name=$1; shift; mkdir -p "$(dirname "$name")"; printf '%s\n' "$@" > "$name"; }
link() { mkdir -p "$1"; git update-index --add --cacheinfo "160000,$2,$1"; }
commit() { git add -A -- . ':!sub'; git commit -q --allow-empty -m "$1"; }
fresh() { git clean -ffdxq; }
"#;

impl Lab {
    /// An empty repository.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("merge").tempdir();
        let lab = Self {
            folder: folder.expect("there is a temporary folder"),
        };
        lab.run("git init -q -b start . && git commit -q --allow-empty -m start");
        lab
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a shell command in the repository.
    pub fn shell(&self, command: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.folder());
        shell
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_EDITOR", "true");
        for role in ["AUTHOR", "COMMITTER"] {
            shell
                .env(format!("GIT_{role}_NAME"), "Kim")
                .env(format!("GIT_{role}_EMAIL"), "kim@example.org");
        }
        shell.output().expect("there is a shell")
    }

    /// Runs a shell command that must succeed, and gives its output.
    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        let output = self.shell(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes the branches of a merge.
    #[track_caller]
    pub fn add(&self, number: usize, merge: &Merge) {
        let Merge { name, .. } = merge;
        let script = format!(
            "{HELPERS}git checkout -q --orphan base-{number}; git rm -rfq --ignore-unmatch .; fresh\n\
             {}\ncommit 'ancestor of {name}'; git checkout -q -b pr-{number}\n\
             {}\ncommit 'ours of {name}'; git checkout -q -f base-{number}; fresh\n\
             {}\ncommit 'theirs of {name} (#{number}57)'",
            merge.ancestor, merge.pr, merge.target
        );
        self.run(&script);
    }

    /// The files that conflict in git's own merge of two branches.
    #[track_caller]
    pub fn conflicts(&self, target: &str, pr: &str) -> BTreeSet<String> {
        let command = format!(
            "git -c merge.directoryRenames=false merge-tree --write-tree --name-only --no-messages \
             -z {target} {pr}"
        );
        let output = self.shell(&command);
        let code = output.status.code();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, Some(0 | 1)), "{command}: {errors}");
        let listed = output.stdout.split(|byte| *byte == 0).skip(1);
        let names = listed.filter(|name| !name.is_empty());
        let names: BTreeSet<String> = names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        assert_eq!(names.is_empty(), code == Some(0), "{command}");
        names
    }

    /// The repository as the stand-in uses it.
    pub fn git(&self) -> GitRepository {
        GitRepository::at(self.folder())
    }

    /// `acme/api` with pull requests 1 to `count` of the branches made so far; GitHub's word is
    /// what git finds.
    pub fn world(&self, count: usize) -> World {
        let mut world = issues(0);
        let git = self.git();
        let repository = world.repository("acme/api");
        for number in 1..=count {
            let (base, head) = (format!("base-{number}"), format!("pr-{number}"));
            let pull = repository.add_pull_request(&head, &[]).head(&head);
            let details = pull.pull_request.as_mut().expect("it is one");
            details.base_ref = base.clone();
            details.head_sha = git.branch(&head).expect("it was made");
            let clean = self.conflicts(&base, &head).is_empty();
            self.says(repository, number as u64, clean);
            let found = git.compare(&base, &head).expect("they have an ancestor");
            for file in git.changed_files(&found.merge_base, &found.head) {
                repository.merges.changes_file(number as u64, file);
            }
        }
        repository.git = Some(git);
        world
    }

    /// Lets GitHub say whether a pull request merges.
    pub fn says(&self, repository: &mut crate::github::Repository, number: u64, clean: bool) {
        let (word, state) = if clean {
            ("MERGEABLE", "CLEAN")
        } else {
            ("CONFLICTING", "DIRTY")
        };
        repository
            .merges
            .say_of(number, "mergeable", json!(word))
            .say_of(number, "mergeStateStatus", json!(state));
    }
}

/// Whether the conflicts that were told are those that git finds: each of git's files is one of
/// the names of a conflict (git adds a branch's name to a file that a folder displaces), and each
/// conflict has a name that git lists.
pub fn differs(told: &[Value], found: &BTreeSet<String>) -> Option<String> {
    let names = |conflict: &Value| -> Vec<String> {
        ["path", "ancestor_path", "pr_path", "target_path"]
            .iter()
            .filter_map(|field| conflict[*field].as_str().map(str::to_owned))
            .collect()
    };
    let plain = |name: &String| name.split('~').next().unwrap_or(name).to_owned();
    let found: BTreeSet<String> = found.iter().map(plain).collect();
    let all: BTreeSet<String> = told.iter().flat_map(names).collect();
    if let Some(missing) = found.difference(&all).next() {
        return Some(format!("{missing} is not told"));
    }
    let wrong = told
        .iter()
        .find(|conflict| !names(conflict).iter().any(|name| found.contains(name)));
    wrong.map(|wrong| format!("git merges {wrong}"))
}
