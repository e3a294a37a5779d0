//! Dependencies that a change adds, drops or moves: as GitHub's dependency graph tells them, or as
//! the lines of manifests and lock files show.
//!
//! Facts: <https://docs.github.com/rest/dependency-graph/dependency-review> (an update is a removal
//! and an addition; 403 where the graph is switched off, or for private repositories without the
//! licence for it).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::mem;

use serde::{Deserialize, Serialize};

use super::manifest::{self, ManifestReader};
use crate::domain::text;
use crate::gh::GhError;
use crate::pulls::PullSource;
use crate::pulls::areas;
use crate::pulls::files::ChangedFile;
use crate::pulls::secrets::mask;

/// Longest name or version shown, and longest path of a manifest, in bytes.
const WORD_BYTES_MAX: usize = 100;
const PATH_BYTES_MAX: usize = 200;

/// A dependency that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DependencyChange {
    /// Its name.
    pub name: String,
    /// Version before; none when it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Version now; none when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The file that says so.
    pub manifest: String,
    /// Known vulnerabilities of the new version, as `high GHSA-…`; none when GitHub did not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<Vec<String>>,
}

impl DependencyChange {
    /// Whether it is new.
    pub(super) fn is_new(&self) -> bool {
        self.from.is_none() && self.to.is_some()
    }

    /// Whether the first number of its version that is not zero grew.
    pub(super) fn is_major(&self) -> bool {
        let significant = |version: &Option<String>| {
            let numbers = numbers(version.as_deref()?);
            let place = numbers.iter().position(|number| *number > 0)?;
            Some((place, numbers[place]))
        };
        match (significant(&self.from), significant(&self.to)) {
            (Some((place, before)), Some((now_place, now))) => {
                now_place < place || (now_place == place && now > before)
            }
            _ => false,
        }
    }
}

/// A change as the dependency graph tells it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct GraphChange {
    /// `added` or `removed`.
    change_type: String,
    manifest: String,
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Clone, Debug, Deserialize)]
struct Vulnerability {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    advisory_ghsa_id: String,
}

/// Asks the dependency graph.
///
/// # Errors
/// As the gh floor tells; `Forbidden` and `NotFound` where there is no graph.
pub(super) async fn fetch(source: &PullSource) -> Result<Vec<GraphChange>, GhError> {
    let (base, head) = (&source.pull.base.sha, &source.pull.head.sha);
    let path = source.path().then("dependency-graph").then("compare");
    source.get(&path.then(format!("{base}...{head}"))).await
}

fn word(text: &str) -> String {
    text::one_line(text::cut(&mask(text), WORD_BYTES_MAX).0)
}

/// The numbers of a version: `^1.2.0` has 1, 2 and 0. None of one that has no number, as `latest`.
fn numbers(version: &str) -> Vec<u64> {
    let digits = version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let numbers = digits.split('.').map_while(|part| {
        let number = part.split(|letter: char| !letter.is_ascii_digit()).next()?;
        number.parse().ok()
    });
    numbers.collect()
}

/// A version of a dependency. The order is that of the numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: Vec<u64>,
    text: String,
    /// Where those are told.
    vulnerabilities: Option<Vec<String>>,
}

impl Version {
    fn new(text: String, vulnerabilities: Option<Vec<String>>) -> Self {
        Self {
            numbers: numbers(&text),
            text,
            vulnerabilities,
        }
    }

    /// Its numbers up to the first that is not zero, and so many after that. They stand in the order
    /// of the versions.
    fn leading(&self, after: usize) -> &[u64] {
        let zeros = self.numbers.iter().take_while(|number| **number == 0);
        let most = zeros.count() + 1 + after;
        &self.numbers[..most.min(self.numbers.len())]
    }

    /// What two of them are compared by to be the same.
    fn name(&self) -> (&[u64], &str) {
        (&self.numbers, &self.text)
    }
}

/// The versions of one dependency in one manifest, which may have several of it side by side.
#[derive(Default)]
struct Versions {
    removed: Vec<Version>,
    added: Vec<Version>,
}

impl Versions {
    /// What changes: each version that is gone with the one that came for it, which is the one that
    /// has the most of its numbers, and those for which there is no other one alone.
    fn changes(mut self, (manifest, name): (String, String)) -> Vec<DependencyChange> {
        self.removed.sort();
        self.added.sort();
        // What is on both sides has only moved.
        drop(self.take_pairs(|before, now| before.name().cmp(&now.name())));
        let mut pairs = Vec::new();
        for after in [2, 1, 0] {
            pairs.extend(
                self.take_pairs(|before, now| before.leading(after).cmp(now.leading(after))),
            );
        }
        pairs.extend(self.take_pairs(|_, _| Ordering::Equal));
        let updated = pairs.into_iter().map(|(from, to)| (Some(from), Some(to)));
        let gone = self.removed.into_iter().map(|from| (Some(from), None));
        let new = self.added.into_iter().map(|to| (None, Some(to)));
        let mut changes: Vec<(Option<Version>, Option<Version>)> =
            updated.chain(gone).chain(new).collect();
        changes.sort_by(|one, other| {
            let [one, other] = [one, other].map(|(from, to)| from.as_ref().or(to.as_ref()));
            one.cmp(&other)
        });
        let manifest = text::one_line(text::cut(&mask(&manifest), PATH_BYTES_MAX).0);
        let told = changes.into_iter().map(|(from, to)| {
            let (to, vulnerabilities) = match to {
                Some(to) => (Some(to.text), to.vulnerabilities),
                None => (None, None),
            };
            DependencyChange {
                name: word(&name),
                from: from.map(|from| from.text),
                to,
                manifest: manifest.clone(),
                vulnerabilities,
            }
        });
        told.collect()
    }

    /// Takes out those of both sides that are equal by an order in which both sides stand.
    fn take_pairs(
        &mut self,
        order: impl Fn(&Version, &Version) -> Ordering,
    ) -> Vec<(Version, Version)> {
        let mut added = mem::take(&mut self.added).into_iter().peekable();
        let mut pairs = Vec::new();
        for before in mem::take(&mut self.removed) {
            while let Some(lower) = added.next_if(|now| order(&before, now).is_gt()) {
                self.added.push(lower);
            }
            match added.next_if(|now| order(&before, now).is_eq()) {
                Some(now) => pairs.push((before, now)),
                None => self.removed.push(before),
            }
        }
        self.added.extend(added);
        pairs
    }
}

type Found = BTreeMap<(String, String), Versions>;

fn changes_of(found: Found) -> Vec<DependencyChange> {
    let found = found.into_iter();
    found
        .flat_map(|(key, versions)| versions.changes(key))
        .collect()
}

/// Puts removals and additions of one dependency together.
pub(super) fn of_graph(changes: Vec<GraphChange>) -> Vec<DependencyChange> {
    let mut found = Found::new();
    for change in changes {
        let versions = found.entry((change.manifest, change.name)).or_default();
        let version = word(&change.version);
        if change.change_type == "removed" {
            versions.removed.push(Version::new(version, None));
        } else {
            let told = change.vulnerabilities.iter();
            let told = told.map(|one| word(&format!("{} {}", one.severity, one.advisory_ghsa_id)));
            let told = Some(told.collect());
            versions.added.push(Version::new(version, told));
        }
    }
    changes_of(found)
}

/// What the lines of manifests and lock files show.
pub(super) fn of_files(files: &[ChangedFile]) -> Vec<DependencyChange> {
    let mut found = Found::new();
    for file in files {
        for hunk in file.hunks() {
            let mut reader = ManifestReader::of(&file.filename);
            for line in hunk.text.lines() {
                let (mark, rest) = line.split_at_checked(1).unwrap_or((line, ""));
                for (name, version) in reader.line(if mark == "@" { line } else { rest }) {
                    if mark != "+" && mark != "-" {
                        continue;
                    }
                    let versions = found.entry((file.filename.clone(), name)).or_default();
                    let version = Version::new(word(&version), None);
                    match mark {
                        "-" => versions.removed.push(version),
                        _ => versions.added.push(version),
                    }
                }
            }
        }
    }
    changes_of(found)
}

/// Files of dependencies whose lines [`of_files`] cannot read.
pub(super) fn unread(files: &[ChangedFile]) -> Vec<&ChangedFile> {
    let lists = files.iter().filter(|file| {
        areas::Area::of(&file.filename) == areas::Area::Dependencies
            && manifest::is_unread(&file.filename)
    });
    lists.collect()
}

/// Whether a path can change what the dependency graph tells: manifests, and workflows, whose
/// actions are dependencies too.
pub(super) fn is_manifest(path: &str) -> bool {
    matches!(
        areas::Area::of(path),
        areas::Area::Dependencies | areas::Area::Ci
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pulls::files::FileStatus;

    fn told(path: &str, patch: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let file = ChangedFile {
            filename: path.to_owned(),
            status: FileStatus::Modified,
            previous_filename: None,
            additions: 0,
            deletions: 0,
            patch: Some(patch.to_owned()),
        };
        let changes = of_files(&[file]);
        changes
            .into_iter()
            .map(|change| (change.name, change.from, change.to))
            .collect()
    }

    #[test]
    fn lines_of_manifests_tell_what_changes() {
        type Told = (&'static str, &'static str, &'static str);
        let table: &[(&str, &str, &[Told])] = &[
            (
                "Cargo.toml",
                "@@ -1,4 +1,5 @@ [dependencies]\n-tokio = \"1.40\"\n+tokio = { version = \"1.44\", features = [\"rt\"] }\n+serde = \"1\"\n a = \"1\"\n [lints]\n+x = \"2\"",
                &[("serde", "", "1"), ("tokio", "1.40", "1.44")],
            ),
            (
                "Cargo.toml",
                "@@ -1,2 +1,2 @@ [package]\n-version = \"0.1.0\"\n+version = \"0.2.0\"",
                &[],
            ),
            (
                "Cargo.lock",
                "@@ -1,4 +1,4 @@\n [[package]]\n name = \"tokio\"\n-version = \"1.40.0\"\n+version = \"1.44.0\"\n source = \"x\"",
                &[("tokio", "1.40.0", "1.44.0")],
            ),
            (
                "web/package.json",
                "@@ -1,5 +1,5 @@\n-  \"version\": \"1.0.0\",\n+  \"version\": \"1.1.0\",\n   \"dependencies\": {\n-    \"react\": \"^18.0.0\",\n+    \"react\": \"^19.0.0\",\n   \"scripts\": {\n+    \"x\": \"1 2\"",
                &[("react", "^18.0.0", "^19.0.0")],
            ),
            (
                "package-lock.json",
                "@@ -9,4 +9,4 @@\n     \"node_modules/@a/b\": {\n-      \"version\": \"1.0.0\",\n+      \"version\": \"2.0.0\",",
                &[("@a/b", "1.0.0", "2.0.0")],
            ),
            (
                "go.mod",
                "@@ -1,3 +1,3 @@\n-\tgolang.org/x/net v0.1.0\n+\tgolang.org/x/net v0.2.0 // indirect",
                &[("golang.org/x/net", "v0.1.0", "v0.2.0")],
            ),
            (
                "requirements.txt",
                "@@ -1 +1 @@\n-django[x]==4.2\n+django==5.0 ; python_version>'3'\n+# a==1",
                &[("django", "4.2", "5.0")],
            ),
            (
                "Gemfile.lock",
                "@@ -1 +1 @@\n-    rails (7.0.1)\n+    rails (7.1.0)\n+      rack (>= 2)",
                &[("rails", "7.0.1", "7.1.0")],
            ),
            (
                "pyproject.toml",
                "@@ -1,9 +1,9 @@ [project]\n-version = \"1.0\"\n+version = \"1.1\"\n+requires-python = \">=3.9\"\n \
                 dependencies = [\n-  \"requests[socks]>=2,<3\",\n+  'requests[socks]>=3 ; python_version>\"3.9\"',\n+  \"rich\"\n ]",
                &[("requests", ">=2,<3", ">=3")],
            ),
            (
                "pyproject.toml",
                "@@ -1,2 +1,3 @@\n-dependencies = [\"a>=1\", 'b[c]==2']\n+dependencies = [\"a>=1\", 'b[c]==3']\n+addopts = [\"--cov=src\"]",
                &[("b", "2", "3")],
            ),
            (
                "pyproject.toml",
                "@@ -1,4 +1,4 @@\n [tool.poetry.dependencies]\n-python = \"^3.8\"\n+python = \"^3.9\"\n-django = \"^4.2\"\n+django = {version = \"^5.0\"}\n [tool.ruff]\n+required-version = \"0.5\"",
                &[("django", "^4.2", "^5.0")],
            ),
            ("notes.txt", "@@ -1 +1 @@\n+a==1", &[]),
        ];
        for (path, patch, expected) in table {
            let version = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, from, to)| ((*name).to_owned(), version(from), version(to)))
                .collect();
            assert_eq!(told(path, patch), expected, "{path}");
        }
    }

    #[test]
    fn the_graph_tells_updates_as_two_changes() {
        let change = |kind: &str, version: &str, bad: bool| {
            let vulnerabilities = if bad {
                json!([{"severity": "high", "advisory_ghsa_id": "GHSA-1"}])
            } else {
                json!([])
            };
            json!({"change_type": kind, "manifest": "Cargo.lock", "ecosystem": "cargo", "name": "tokio",
                "version": version, "vulnerabilities": vulnerabilities})
        };
        let changes = serde_json::from_value(json!([
            change("removed", "1.0.0", true),
            change("added", "2.0.0", true)
        ]));
        let found = of_graph(changes.unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].from.as_deref(), found[0].to.as_deref()),
            (Some("1.0.0"), Some("2.0.0"))
        );
        assert_eq!(
            found[0].vulnerabilities.as_deref(),
            Some(&["high GHSA-1".to_owned()][..])
        );
        assert!(found[0].is_major() && !found[0].is_new());
    }

    #[test]
    fn several_versions_of_one_dependency_are_told_apart() {
        let change = |kind: &str, version: &str, advisory: &str| {
            json!({"change_type": kind, "manifest": "Cargo.lock", "name": "syn", "version": version,
                "vulnerabilities": [{"severity": "low", "advisory_ghsa_id": advisory}]})
        };
        let changes = serde_json::from_value(json!([
            change("removed", "1.0.0", "GHSA-0"),
            change("added", "1.0.1", "GHSA-1"),
            change("added", "2.0.0", "GHSA-2"),
            change("added", "3.0.0", "GHSA-3"),
            change("removed", "3.0.0", "GHSA-3"),
        ]));
        let found = of_graph(changes.unwrap());
        let told: Vec<_> = found
            .iter()
            .map(|it| {
                let vulnerabilities = it.vulnerabilities.clone().unwrap_or_default();
                (it.from.as_deref(), it.to.as_deref(), vulnerabilities)
            })
            .collect();
        let known = |advisory: &str| vec![format!("low {advisory}")];
        assert_eq!(
            told,
            [
                (Some("1.0.0"), Some("1.0.1"), known("GHSA-1")),
                (None, Some("2.0.0"), known("GHSA-2"))
            ]
        );
    }

    #[test]
    fn each_version_goes_with_the_one_that_came_for_it() {
        let lock = "@@ -1,4 +1,9 @@\n [[package]]\n+name = \"syn\"\n+version = \"1.0.5\"\n+source = \"x\"\n+\n\
            +[[package]]\n name = \"syn\"\n-version = \"2.0.0\"\n+version = \"2.0.1\"\n source = \"x\"";
        let version = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let of_lock: Vec<_> = told("Cargo.lock", lock)
            .into_iter()
            .map(|(_, from, to)| (from, to))
            .collect();
        assert_eq!(
            of_lock,
            [
                (None, version("1.0.5")),
                (version("2.0.0"), version("2.0.1"))
            ]
        );
        type Pairs = &'static [(&'static str, &'static str)];
        let table: [(&[&str], &[&str], Pairs); 7] = [
            (
                &["2.0.0", "1.0.0"],
                &["1.0.1", "2.0.1"],
                &[("1.0.0", "1.0.1"), ("2.0.0", "2.0.1")],
            ),
            (
                &["1.2.0"],
                &["1.0.5", "1.2.1"],
                &[("", "1.0.5"), ("1.2.0", "1.2.1")],
            ),
            (
                &["0.2.1", "0.1.9"],
                &["0.1.10", "0.3.0"],
                &[("0.1.9", "0.1.10"), ("0.2.1", "0.3.0")],
            ),
            (
                &["10.0.0", "9.0.0"],
                &["12.0.0", "11.0.0"],
                &[("9.0.0", "11.0.0"), ("10.0.0", "12.0.0")],
            ),
            (
                &["1.0.0", "3.0.0", "2.5.0"],
                &["3.0.0", "2.6.0"],
                &[("1.0.0", ""), ("2.5.0", "2.6.0")],
            ),
            (
                &["1.0.0+a"],
                &["1.0.0+b", "1.0.1"],
                &[("1.0.0+a", "1.0.0+b"), ("", "1.0.1")],
            ),
            (&["latest"], &["2.0.0"], &[("latest", "2.0.0")]),
        ];
        for (removed, added, expected) in table {
            let change = |kind: &str, version: &str| json!({"change_type": kind, "manifest": "Cargo.lock", "name": "syn", "version": version});
            let removed = removed.iter().map(|version| change("removed", version));
            let added = added.iter().map(|version| change("added", version));
            let all: Vec<serde_json::Value> = removed.chain(added).collect();
            let found = of_graph(serde_json::from_value(json!(all)).unwrap());
            let found: Vec<_> = found.into_iter().map(|it| (it.from, it.to)).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(from, to)| (version(from), version(to)))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn majors_are_told_by_the_first_number_that_counts() {
        for (from, to, major) in [
            ("1.9.0", "2.0.0", true),
            ("1.9.0", "1.10.0", false),
            ("0.1.9", "0.2.0", true),
            ("0.1.1", "0.1.2", false),
            ("0.9.0", "1.0.0", true),
            ("^18.0.0", "^19.0.0", true),
            ("v2", "v1", false),
            ("latest", "2.0.0", false),
        ] {
            let change = DependencyChange {
                name: String::new(),
                from: Some(from.to_owned()),
                to: Some(to.to_owned()),
                manifest: String::new(),
                vulnerabilities: None,
            };
            assert_eq!(change.is_major(), major, "{from} {to}");
        }
    }
}
