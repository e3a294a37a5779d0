//! A real git repository behind the answers: comparisons, trees, blobs and logs come from git.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::history::{Commit, History};

/// What a tree has at a path.
#[derive(Debug, Clone)]
pub struct TreeEntry {
    /// Git's mode as a number.
    pub mode: u32,
    /// `blob`, `tree` or `commit`.
    pub kind: String,
    /// Its name.
    pub oid: String,
    /// Bytes of a blob.
    pub size: u64,
}

/// A repository on this disk.
#[derive(Debug, Clone)]
pub struct GitRepository(PathBuf);

/// Two commits and what lies between them.
#[derive(Debug)]
pub struct Comparison {
    /// The commit that a name stood for.
    pub base: String,
    /// The same.
    pub head: String,
    /// Their newest common ancestor.
    pub merge_base: String,
    /// Commits of each that the other lacks, oldest first.
    pub ahead: Vec<String>,
    /// The same.
    pub behind: Vec<String>,
}

impl GitRepository {
    /// The repository in a folder.
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn git(&self, arguments: &[&str]) -> Option<Vec<u8>> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.0).args(arguments);
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_LITERAL_PATHSPECS", "1");
        let output = git.output().expect("git is there");
        output.status.success().then_some(output.stdout)
    }

    fn text(&self, arguments: &[&str]) -> Option<String> {
        let bytes = self.git(arguments)?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// The commit that a branch or a full name stands for.
    pub fn commit(&self, name: &str) -> Option<String> {
        self.branch(name).or_else(|| {
            let full = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let name = format!("{name}^{{commit}}");
            full.then(|| self.text(&["rev-parse", "--verify", "-q", &name]))
                .flatten()
        })
    }

    /// The tip of a branch.
    pub fn branch(&self, name: &str) -> Option<String> {
        let reference = format!("refs/heads/{name}");
        self.text(&["rev-parse", "--verify", "-q", &reference])
    }

    /// All that the branches hold, as pull requests tell of it.
    pub fn history(&self) -> History {
        let format = "--format=%H%x1f%P%x1f%ct%x1f%s";
        let log = self.text(&["log", "--branches", format]);
        let log = log.expect("there are commits");
        let commits = log.lines().map(|line| {
            let parts: Vec<&str> = line.splitn(4, '\u{1f}').collect();
            let parents: Vec<String> = parts[1].split_whitespace().map(str::to_owned).collect();
            let second = parts[2].parse().expect("git prints seconds");
            let files = parents
                .first()
                .map(|parent| self.changed_files(parent, parts[0]));
            let added = files
                .iter()
                .flatten()
                .filter_map(|file| file["additions"].as_u64());
            let commit = Commit {
                subject: parts[3].to_owned(),
                authored_at: Timestamp::from_second(second).expect("it is a time"),
                lines: added.sum(),
                parents,
            };
            (parts[0].to_owned(), commit)
        });
        let heads = self.text(&["branch", "--format=%(objectname) %(refname:short)"]);
        let heads = heads.expect("there are branches");
        let branches = heads.lines().filter_map(|line| line.split_once(' '));
        History {
            commits: commits.collect(),
            branches: branches
                .map(|(tip, name)| (name.to_owned(), tip.to_owned()))
                .collect(),
        }
    }

    /// Compares two commits that have an ancestor in common.
    pub fn compare(&self, base: &str, head: &str) -> Option<Comparison> {
        let (base, head) = (self.commit(base)?, self.commit(head)?);
        let merge_base = self.text(&["merge-base", &base, &head])?;
        let between = |from: &str, to: &str| -> Option<Vec<String>> {
            let range = format!("{from}..{to}");
            let list = self.text(&["rev-list", "--reverse", &range])?;
            Some(list.lines().map(str::to_owned).collect())
        };
        let (ahead, behind) = (between(&base, &head)?, between(&head, &base)?);
        Some(Comparison {
            base,
            head,
            merge_base,
            ahead,
            behind,
        })
    }

    /// Commits as REST shows them.
    pub fn commits(&self, oids: &[&str]) -> Vec<Value> {
        if oids.is_empty() {
            return Vec::new();
        }
        let mut arguments = vec!["show", "-s", "-z", "--format=%H%x1f%T%x1f%P%x1f%cI%x1f%B"];
        arguments.extend(oids);
        let shown = self.text(&arguments).expect("the commits exist");
        let commits = shown.split('\0').filter(|commit| !commit.is_empty());
        let commit = |commit: &str| {
            let parts: Vec<&str> = commit.splitn(5, '\u{1f}').collect();
            let parents = parts[2].split_whitespace().map(|sha| json!({"sha": sha}));
            json!({"sha": parts[0], "parents": parents.collect::<Vec<_>>(),
                "commit": {"message": parts[4].trim_end(), "tree": {"sha": parts[1]},
                    "committer": {"date": parts[3]}}})
        };
        commits.map(commit).collect()
    }

    /// The files that differ between two commits, as REST shows them.
    pub fn changed_files(&self, from: &str, to: &str) -> Vec<Value> {
        let raw = self.git(&["diff", "--raw", "-z", "--no-abbrev", "-M", from, to]);
        let raw = raw.expect("both commits exist");
        let mut parts = raw.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let mut files = Vec::new();
        while let Some(about) = parts.next().filter(|about| !about.is_empty()) {
            let words: Vec<&str> = about.split(' ').collect();
            let letter = words[4].chars().next().expect("a status");
            let mut name = || parts.next().expect("a name").into_owned();
            let old = name();
            let new = if letter == 'R' { name() } else { old.clone() };
            let content_changed = words[2] != words[3];
            let status = match letter {
                'A' => "added",
                'D' => "removed",
                'R' => "renamed",
                _ if content_changed => "modified",
                _ => "changed",
            };
            let patch = self.patch(from, to, &old, &new);
            let count = |mark: char| {
                let lines = patch.iter().flat_map(|patch| patch.lines());
                lines.filter(|line| line.starts_with(mark)).count()
            };
            let oid = if letter == 'D' { words[2] } else { words[3] };
            let mut file = json!({"sha": oid, "filename": new, "status": status,
                "additions": count('+'), "deletions": count('-')});
            if letter == 'R' {
                file["previous_filename"] = json!(old);
            }
            if let Some(patch) = patch {
                file["patch"] = json!(patch);
            }
            files.push(file);
        }
        files
    }

    /// The hunks of one file; none for what is no text.
    fn patch(&self, from: &str, to: &str, old: &str, new: &str) -> Option<String> {
        let all = self.text(&["diff", "-M", from, to, "--", old, new])?;
        let start = if all.starts_with("@@ ") {
            0
        } else {
            all.find("\n@@ ")? + 1
        };
        Some(all[start..].to_owned())
    }

    /// What a commit has at a path.
    pub fn entry(&self, commit: &str, path: &str) -> Option<TreeEntry> {
        let path = path.trim_end_matches('/');
        let line = self.git(&["ls-tree", "-l", "-z", commit, "--", path])?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let (about, _) = line.split_once('\t')?;
        let words: Vec<&str> = about.split_whitespace().collect();
        Some(TreeEntry {
            mode: u32::from_str_radix(words[0], 8).ok()?,
            kind: words[1].to_owned(),
            oid: words[2].to_owned(),
            size: words[3].parse().unwrap_or_default(),
        })
    }

    /// The content of a blob.
    pub fn blob(&self, oid: &str) -> Option<Vec<u8>> {
        self.git(&["cat-file", "blob", oid])
    }

    /// Commits that changed a path, newest first, as REST shows them.
    pub fn log(&self, from: &str, path: &str, since: Option<&str>) -> Vec<Value> {
        let since = since.map(|since| format!("--since={since}"));
        let mut arguments = vec!["log", "-z", "--format=%H%x1f%an%x1f%cI%x1f%B"];
        arguments.extend(since.as_deref());
        arguments.extend([from, "--", path]);
        let log = self.text(&arguments).expect("the commit exists");
        let commits = log.split('\0').filter(|commit| !commit.is_empty());
        commits
            .map(|commit| {
                let parts: Vec<&str> = commit.splitn(4, '\u{1f}').collect();
                json!({"sha": parts[0], "author": null, "commit": {"message": parts[3].trim_end(),
                    "author": {"name": parts[1]}, "committer": {"date": parts[2]}}})
            })
            .collect()
    }
}
