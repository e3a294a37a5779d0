//! A GitHub for stacks made of real git repositories: a bare one with pull requests beside it, an
//! author's clone that fills it, and another clone in which plans are carried out.
//!
//! What the engine is told is computed from the repositories (comparisons, commits, tips) and from
//! what was done to them (force-pushes, changed bases). Commands of `gh` are carried out on the
//! pull requests with GitHub's refusals.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use issuecommand::domain::Host;
use issuecommand::pulls::stack::commands::Setting;
use issuecommand::pulls::stack::discover::{Question, Stack};
use issuecommand::pulls::stack::facts::{
    Commit, Comparison, Comparisons, Event, Layer, MergeCommit, Pair, State,
};
use issuecommand::pulls::stack::judge::{Wish, judge};
use issuecommand::pulls::stack::report::{Material, report};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// How a pull request is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    Commit,
    Squash,
    Rebase,
    /// Its commits were pushed to the base.
    Push,
}

/// What happens to those who build on a branch when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// By the merge: they get the merged one's base.
    WithMerge,
    /// By anybody else: they are closed.
    Alone,
}

struct Pull {
    head: String,
    base: String,
    from_fork: bool,
    state: State,
    merged_at: Option<Timestamp>,
    merge_commit: Option<String>,
    /// As of the merge or the closing; the branch may go on.
    head_sha: String,
    /// Where it was merged into, before.
    base_sha: Option<String>,
    events: Vec<Event>,
    queued: bool,
}

/// See the module.
pub struct Lab {
    folder: TempDir,
    pulls: BTreeMap<u64, Pull>,
    /// What each branch was given, as subject and patch id.
    own: BTreeMap<String, Vec<(String, String)>>,
    clock: Cell<i64>,
    compared: RefCell<BTreeMap<Pair, Comparison>>,
    /// Whether GitHub remembers force-pushes.
    pub remembers: bool,
}

impl Lab {
    /// A repository with a first commit on `main`.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("stack").tempdir();
        let lab = Self {
            folder: folder.expect("there is a temporary folder"),
            pulls: BTreeMap::new(),
            own: BTreeMap::new(),
            clock: Cell::new(1_700_000_000),
            compared: RefCell::default(),
            remembers: true,
        };
        // Settings that people have and that would spoil a careless rebase.
        let fork = lab.path("fork.git");
        let config = format!(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n\
             [rebase]\nupdateRefs = true\nrebaseMerges = true\n[gc]\nauto = 0\n\
             [advice]\ndetachedHead = false\n[merge]\nconflictStyle = merge\n\
             [url \"{}\"]\ninsteadOf = https://github.com/bob/api.git\n",
            fork.display()
        );
        std::fs::write(lab.path("gitconfig"), config).expect("the folder can be written to");
        lab.git(".", "git init -q --bare hub.git");
        lab.git(".", "git init -q --bare fork.git");
        lab.git(".", "git clone -q hub.git author 2>/dev/null");
        lab.git(
            "author",
            "git commit -q --allow-empty -m start && git push -q origin main",
        );
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a shell command in a folder.
    pub fn shell(&self, folder: &str, command: &str) -> Output {
        self.clock.set(self.clock.get() + 60);
        let date = format!("{} +0000", self.clock.get());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.path(folder));
        shell
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path());
        shell
            .env("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        shell
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        shell
            .env("GIT_EDITOR", "true")
            .output()
            .expect("there is a shell")
    }

    /// Runs a shell command that must succeed and gives its output.
    #[track_caller]
    pub fn git(&self, folder: &str, command: &str) -> String {
        let output = self.shell(folder, command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn oid(&self, name: &str) -> Option<String> {
        let command = format!("git rev-parse -q --verify {}", quoted(name));
        let output = self.shell("hub.git", &command);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    fn tip(&self, branch: &str) -> Option<String> {
        self.oid(&format!("refs/heads/{branch}"))
    }

    fn patch_id(&self, oid: &str) -> String {
        let ids = self.git("author", &format!("git show {oid} | git patch-id --stable"));
        ids.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Opens a pull request whose branch begins at its base.
    pub fn open(&mut self, number: u64, head: &str, base: &str) {
        let (head_name, base_name) = (quoted(head), quoted(&format!("origin/{base}")));
        self.git(
            "author",
            &format!("git fetch -q && git switch -q -C {head_name} {base_name}"),
        );
        self.git("author", &format!("git push -q origin {head_name}"));
        self.add(number, head, base, false);
    }

    /// Opens one whose branch lives in a fork.
    pub fn open_from_fork(&mut self, number: u64, head: &str, base: &str) {
        self.git(
            "author",
            &format!("git fetch -q && git switch -q -C {head} origin/{base}"),
        );
        self.add(number, head, base, true);
        self.publish(head, true);
    }

    fn add(&mut self, number: u64, head: &str, base: &str, from_fork: bool) {
        let head_sha = self.tip(base).expect("the base exists");
        let pull = Pull {
            head: head.to_owned(),
            base: base.to_owned(),
            from_fork,
            state: State::Open,
            merged_at: None,
            merge_commit: None,
            head_sha,
            base_sha: None,
            events: Vec::new(),
            queued: false,
        };
        self.pulls.insert(number, pull);
    }

    /// Commits a change of one file to a branch and pushes.
    pub fn commit(&mut self, branch: &str, file: &str, content: &str, subject: &str) {
        self.change(branch, file, content, &format!("commit -q -m '{subject}'"));
        let oid = self.git("author", "git rev-parse HEAD");
        let entry = (subject.to_owned(), self.patch_id(&oid));
        self.own.entry(branch.to_owned()).or_default().push(entry);
        self.publish(branch, false);
    }

    /// Changes the newest commit of a branch and force-pushes.
    pub fn amend(&mut self, branch: &str, file: &str, content: &str, subject: &str) {
        self.change(
            branch,
            file,
            content,
            &format!("commit -q --amend -m '{subject}'"),
        );
        let oid = self.git("author", "git rev-parse HEAD");
        let entry = (subject.to_owned(), self.patch_id(&oid));
        let own = self.own.get_mut(branch).expect("it has commits");
        *own.last_mut().expect("it has commits") = entry;
        self.publish(branch, true);
    }

    fn change(&self, branch: &str, file: &str, content: &str, commit: &str) {
        self.git("author", &format!("git switch -q {}", quoted(branch)));
        std::fs::write(self.path("author").join(file), content).expect("it can be written");
        self.git("author", &format!("git add -A && git {commit}"));
    }

    /// Merges one branch into another, as an author who keeps up does.
    pub fn keep_up(&mut self, branch: &str, with: &str) {
        self.git(
            "author",
            &format!("git switch -q {branch} && git merge -q --no-edit origin/{with}"),
        );
        self.publish(branch, false);
    }

    /// Rebases a branch by hand and force-pushes.
    pub fn rebase(&mut self, branch: &str, arguments: &str) {
        let command = format!(
            "git switch -q {branch} && git fetch -q && git rebase -q --no-update-refs {arguments}"
        );
        self.git("author", &command);
        self.publish(branch, true);
    }

    fn publish(&mut self, branch: &str, force: bool) {
        let forked = self
            .pulls
            .values()
            .any(|pull| pull.from_fork && pull.head == branch);
        let (remote, flag) = (
            if forked { "../fork.git" } else { "origin" },
            if force { "-f" } else { "" },
        );
        let name = quoted(branch);
        self.git(
            "author",
            &format!("git push -q {flag} {remote} {name} && git fetch -q"),
        );
        self.notice();
    }

    /// What GitHub notices after pushes: new heads, and which of them are rewritten ones.
    fn notice(&mut self) {
        if self.pulls.values().any(|pull| pull.from_fork) {
            self.git(
                "hub.git",
                "git fetch -q ../fork.git '+refs/heads/*:refs/fork/*'",
            );
        }
        let refs = self.git(
            "hub.git",
            "git for-each-ref --format='%(objectname) %(refname)'",
        );
        let tips: BTreeMap<&str, &str> = refs
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(oid, name)| (name, oid))
            .collect();
        let mut moved = Vec::new();
        for (number, pull) in &self.pulls {
            let place = if pull.from_fork { "fork" } else { "heads" };
            let tip = tips.get(&*format!("refs/{place}/{}", pull.head));
            let Some(tip) = tip.filter(|tip| **tip != pull.head_sha) else {
                continue;
            };
            if pull.state == State::Open {
                let rewritten = self.compare(&pull.head_sha, tip).behind > 0;
                moved.push((*number, (*tip).to_owned(), rewritten));
            }
        }
        for (number, tip, rewritten) in moved {
            let update = format!("git update-ref refs/pull/{number}/head {tip}");
            self.git("hub.git", &update);
            let pull = self.pulls.get_mut(&number).expect("it was there");
            if rewritten && self.remembers {
                pull.events.push(Event::HeadRewritten {
                    before: Some(pull.head_sha.clone()),
                    after: Some(tip.clone()),
                });
            }
            pull.head_sha = tip;
        }
    }

    /// Merges a pull request.
    pub fn merge(&mut self, number: u64, how: Merge) {
        let pull = &self.pulls[&number];
        let (head, base) = (pull.head_sha.clone(), pull.base.clone());
        let before = self.tip(&base).expect("the base exists");
        let (head_name, base_name) = (quoted(&head), quoted(&base));
        self.git(
            "author",
            &format!("git fetch -q && git switch -q -C {base_name} {before}"),
        );
        self.git("author", &match how {
            Merge::Commit => format!("git merge -q --no-ff -m 'Merge #{number}' {head_name}"),
            Merge::Squash => format!("git merge -q --squash {head_name} && git commit -q -m 'Squash #{number}'"),
            // As on GitHub: always new commits, even when nothing else was merged meanwhile.
            Merge::Rebase => format!("git rebase -q --no-update-refs --force-rebase --onto {before} {before} {head_name} && git switch -q -C {base_name}"),
            Merge::Push => format!("git merge -q --ff-only {head_name}"),
        });
        self.git("author", &format!("git push -q origin {base_name}"));
        let now = Timestamp::from_second(self.clock.get()).expect("a time");
        let merged = self.git("author", "git rev-parse HEAD");
        let pull = self.pulls.get_mut(&number).expect("it was there");
        (pull.state, pull.merged_at) = (State::Merged, Some(now));
        (pull.merge_commit, pull.base_sha) = (Some(merged), Some(before));
        self.notice();
    }

    /// Deletes a branch.
    pub fn delete(&mut self, branch: &str, how: Deleted) {
        self.git(
            "hub.git",
            &format!(
                "git update-ref -d {}",
                quoted(&format!("refs/heads/{branch}"))
            ),
        );
        let target = self.pulls.values().find(|pull| pull.head == branch);
        let target = target.expect("it was a head").base.clone();
        for pull in self.pulls.values_mut() {
            if pull.state != State::Open || pull.base != branch {
                continue;
            }
            match how {
                Deleted::WithMerge => {
                    let (from, to) = (branch.to_owned(), target.clone());
                    pull.events.push(Event::BaseChanged { from, to });
                    pull.base.clone_from(&target);
                }
                Deleted::Alone => {
                    pull.events.push(Event::BaseDeleted);
                    pull.state = State::Closed;
                }
            }
        }
    }

    /// Closes a pull request without merging it.
    pub fn close(&mut self, number: u64) {
        self.pulls.get_mut(&number).expect("it is there").state = State::Closed;
    }

    /// Gives a pull request another base in place of a closed one's branch.
    pub fn rename_base(&mut self, number: u64, base: &str) {
        base.clone_into(&mut self.pulls.get_mut(&number).expect("it is there").base);
    }

    /// Puts a pull request into the merge queue.
    pub fn queue(&mut self, number: u64) {
        self.pulls.get_mut(&number).expect("it is there").queued = true;
    }

    /// Commits to main, as others do meanwhile.
    pub fn others_work(&mut self, file: &str) {
        self.git(
            "author",
            "git fetch -q && git switch -q -C main origin/main",
        );
        self.commit("main", file, "by others\n", &format!("others: {file}"));
    }

    fn compare(&self, base: &str, head: &str) -> Comparison {
        // A branch moves, a comparison of commits stays true.
        let base = self.tip(base).unwrap_or_else(|| base.to_owned());
        let pair = (base.clone(), head.to_owned());
        if let Some(known) = self.compared.borrow().get(&pair) {
            return known.clone();
        }
        let command = format!(
            "git rev-list --left-right --count {base}...{head} && git merge-base {base} {head}"
        );
        let text = self.git("hub.git", &command);
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |place: usize| words[place].parse().expect("a number");
        let found = Comparison {
            behind: number(0),
            ahead: number(1),
            merge_base: words[2].to_owned(),
        };
        self.compared.borrow_mut().insert(pair, found.clone());
        found
    }

    fn lines(&self, range: &str) -> u64 {
        let table = self.git("hub.git", &format!("git diff --numstat {range}"));
        let numbers = table
            .split_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        numbers.sum()
    }

    fn layer(&self, number: u64) -> Layer {
        let pull = &self.pulls[&number];
        let head = &pull.head_sha;
        let base_tip = self.tip(&pull.base);
        let base = pull.base_sha.clone().or_else(|| base_tip.clone());
        let base = base.or_else(|| self.tip("main")).expect("there is a main");
        let log = self.git("hub.git", &format!(
            "git log --reverse --topo-order --format='%H%x09%s%x09%ae%x09%aI%x09%P' {base}..{head}"
        ));
        let commits: Vec<Commit> = log
            .lines()
            .map(|line| {
                let parts: Vec<&str> = line.split('\t').collect();
                Commit {
                    oid: parts[0].to_owned(),
                    subject: parts[1].to_owned(),
                    author: (parts[2].to_owned(), parts[3].to_owned()),
                    parents: parts[4].split(' ').map(str::to_owned).collect(),
                }
            })
            .collect();
        let merge = pull.merge_commit.as_ref().map(|oid| MergeCommit {
            oid: oid.clone(),
            parents: self
                .git("hub.git", &format!("git rev-list --parents -n1 {oid}"))
                .split(' ')
                .count() as u64
                - 1,
            lines: self.lines(&format!("{oid}^1 {oid}")),
        });
        let place = if pull.from_fork { "fork" } else { "heads" };
        Layer {
            number,
            state: pull.state,
            merged_at: pull.merged_at,
            from_fork: pull.from_fork,
            head_repo: Some(
                if pull.from_fork {
                    "bob/api"
                } else {
                    "acme/api"
                }
                .to_owned(),
            ),
            maintainer_can_modify: pull.from_fork,
            queued: pull.queued,
            base: pull.base.clone(),
            base_tip,
            head: pull.head.clone(),
            head_sha: head.clone(),
            head_tip: self.oid(&format!("refs/{place}/{}", pull.head)),
            merge_commit: merge,
            lines: self.lines(&format!("{base}...{head}")),
            events: pull.events.clone(),
            events_complete: self.remembers,
            commits_total: commits.len() as u64,
            commits,
            ci: None,
        }
    }

    fn answer(&self, question: &Question) -> (Vec<Layer>, u64) {
        let layers = |wanted: &dyn Fn(&Pull) -> bool| {
            let found = self.pulls.iter().filter(|(_, pull)| wanted(pull));
            found.map(|(number, _)| self.layer(*number)).collect()
        };
        match question {
            Question::From(branch) => (layers(&|pull| pull.head == *branch), 0),
            Question::Onto(branch) => {
                let merged = |pull: &&Pull| pull.state == State::Merged && pull.base == *branch;
                let count = self.pulls.values().filter(merged).count() as u64;
                (
                    layers(&|pull| pull.base == *branch && pull.state != State::Merged),
                    count,
                )
            }
        }
    }

    /// What the engine says about the stack of a pull request.
    pub fn ask(&self, selected: u64) -> Value {
        self.ask_with(selected, &Wish::default())
    }

    /// The same with wishes.
    pub fn ask_with(&self, selected: u64, wish: &Wish) -> Value {
        let mut stack = Stack::new(self.layer(selected), "main".to_owned());
        loop {
            let questions = stack.questions();
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let (found, merged) = self.answer(&question);
                stack.answer(&question, found, merged);
            }
        }
        let mut comparisons = Comparisons::default();
        let verdicts = loop {
            let verdicts = judge(&stack, wish, &comparisons);
            let missed = comparisons.take_missed();
            if missed.is_empty() {
                break verdicts;
            }
            for (base, head) in missed {
                let found = self.compare(&base, &head);
                comparisons.add((base, head), Ok(found));
            }
        };
        let setting = Setting {
            repo: "acme/api".parse().expect("a name"),
            host: Host::default(),
            remote: "origin".to_owned(),
            native: false,
        };
        let answer = report(&Material {
            pr: format!("acme/api#{selected}"),
            setting: &setting.checked().expect("a plain remote"),
            stack: &stack,
            verdicts: &verdicts,
            comparisons: &comparisons,
            fix_loop: None,
            warnings: Vec::new(),
            native: None,
            now: Timestamp::UNIX_EPOCH,
        });
        serde_json::to_value(&answer).expect("it is JSON")
    }

    /// A clone that knows nothing of what the author did.
    pub fn fresh_clone(&self, name: &str) {
        self.git(".", &format!("git clone -q hub.git {name}"));
    }

    /// Carries out a plan in a clone; the first command that fails ends it.
    pub fn run(&mut self, clone: &str, answer: &Value) -> Result<(), String> {
        for step in answer["commands"].as_array().expect("there are commands") {
            let command = step["command"].as_str().expect("it is text");
            if step["type"] == "gh" {
                self.gh(command)?;
            } else {
                let output = self.shell(clone, command);
                if !output.status.success() {
                    let errors = String::from_utf8_lossy(&output.stderr);
                    return Err(format!("{command}: {errors}"));
                }
            }
            self.notice();
        }
        Ok(())
    }

    /// GitHub's side of a command of gh.
    fn gh(&mut self, command: &str) -> Result<(), String> {
        let words: Vec<&str> = command.split(' ').collect();
        let refused = |why: &str| Err(format!("{command}: {why}"));
        let plain = |word: &str| word.trim_matches('\'').replace(r"'\''", "'");
        match words.as_slice() {
            ["gh", "pr", "edit", number, "-R", "acme/api", "--base", base] => {
                let base = plain(base);
                if self.tip(&base).is_none() {
                    return refused("the base does not exist");
                }
                let number: u64 = number.parse().expect("a number");
                let pull = self.pulls.get_mut(&number).expect("it exists");
                if pull.state != State::Open {
                    return refused("a closed pull request keeps its base");
                }
                let (from, to) = (std::mem::replace(&mut pull.base, base.clone()), base);
                pull.events.push(Event::BaseChanged { from, to });
                Ok(())
            }
            ["gh", "pr", "reopen", number, "-R", "acme/api"] => {
                let number: u64 = number.parse().expect("a number");
                let pull = &self.pulls[&number];
                if self.tip(&pull.base).is_none() {
                    return refused("the base does not exist");
                }
                if self.tip(&pull.head).as_ref() != Some(&pull.head_sha) {
                    return refused("the head was pushed to or deleted");
                }
                self.pulls.get_mut(&number).expect("it exists").state = State::Open;
                Ok(())
            }
            [
                "gh",
                "api",
                "-X",
                "POST",
                "repos/acme/api/git/refs",
                "-f",
                reference,
                "-f",
                sha,
            ] => {
                let (reference, sha) = (plain(reference), sha.trim_start_matches("sha="));
                let reference = reference.trim_start_matches("ref=");
                self.git(
                    "hub.git",
                    &format!("git update-ref {} {sha} ''", quoted(reference)),
                );
                Ok(())
            }
            ["gh", "api", "-X", "DELETE", path] => {
                let branch = path
                    .strip_prefix("repos/acme/api/git/refs/heads/")
                    .expect("a branch");
                self.delete(branch, Deleted::Alone);
                Ok(())
            }
            _ => refused("unknown"),
        }
    }

    /// Asserts that a pull request holds exactly what its branch was given, on the tip of its base.
    #[track_caller]
    pub fn holds_its_own(&self, number: u64, base: &str) {
        let pull = &self.pulls[&number];
        assert_eq!(
            (pull.state, pull.base.as_str()),
            (State::Open, base),
            "#{number}"
        );
        let tip = self.tip(base).expect("the base exists");
        let range = format!("{tip}..{}", pull.head_sha);
        let log = self.git(
            "hub.git",
            &format!("git log --reverse --topo-order --format='%H%x09%s' {range}"),
        );
        self.git(
            "author",
            "git fetch -q && git fetch -q ../fork.git '+refs/heads/*:refs/fork/*'",
        );
        let found: Vec<(String, String)> = log
            .lines()
            .map(|line| {
                let (oid, subject) = line.split_once('\t').expect("two columns");
                (subject.to_owned(), self.patch_id(oid))
            })
            .collect();
        assert_eq!(found, self.own[&pull.head], "#{number} on {base}");
        assert_eq!(
            self.compare(&tip, &pull.head_sha).behind,
            0,
            "#{number} is on the tip of {base}"
        );
    }

    /// The folder of a clone.
    pub fn clone_path(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Newest commit of a pull request.
    pub fn head(&self, number: u64) -> &str {
        &self.pulls[&number].head_sha
    }
}

/// Whether there is a file in a clone.
pub fn has_file(folder: &Path, name: &str) -> bool {
    folder.join(name).exists()
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
