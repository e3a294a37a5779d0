//! Looks into the files that both sides touch.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::cases::{Case, Entries, Entry, Kind, Side, Verdict};
use super::entries::{self, Commits};
use super::lines::{self, Merged, Region};
use super::report::Conflict;
use crate::gh::GhError;
use crate::git::{Git, Versions};
use crate::pulls::{PullSource, Warning};

/// Largest version of a file that is looked into.
const BLOB_BYTES_MAX: u64 = 1 << 20;
/// Most files under way at once: other calls want the pool, too.
const FILES_AT_ONCE: usize = 2;
/// Bytes as they are. With `+json` at its end gh would take them for JSON and rewrite them.
const RAW: &str = "application/vnd.github.raw";

/// What became of the files that both sides touch.
#[derive(Debug, Default)]
pub struct Findings {
    /// Those that conflict.
    pub conflicts: Vec<Conflict>,
    /// Those that merge.
    pub clean: Vec<String>,
    /// Those that were not looked into.
    pub undecided: Vec<String>,
}

impl Findings {
    /// Notes a conflict; its places may be known.
    fn conflict(&mut self, case: &Case, kind: Kind, regions: Vec<Region>, total: usize) {
        let other = |name: &Option<String>| name.clone().filter(|name| *name != case.path);
        let deleted_by = match (&case.pr, &case.target) {
            (None, _) if kind != Kind::FileDirectory => Some(Side::Pr),
            (_, None) if kind != Kind::FileDirectory => Some(Side::Target),
            _ => None,
        };
        self.conflicts.push(Conflict {
            path: case.path.clone(),
            kind,
            ancestor_path: other(&case.ancestor),
            pr_path: other(&case.pr),
            target_path: other(&case.target),
            deleted_by,
            estimated: false,
            more_regions: total - regions.len(),
            regions,
            target_commits: Vec::new(),
        });
    }

    /// Takes conflicts with what the target deleted for guesses where it may have renamed that.
    pub fn doubt_deletions(&mut self, perhaps_renamed: &BTreeSet<String>) {
        for conflict in &mut self.conflicts {
            let name = conflict.ancestor_path.as_ref().unwrap_or(&conflict.path);
            conflict.estimated |=
                conflict.deleted_by == Some(Side::Target) && perhaps_renamed.contains(name);
        }
    }

    /// Judges by names and patches.
    fn estimate(&mut self, case: &Case) {
        match (case.settled, case.near) {
            (Some(kind), _) => self.conflict(case, kind, Vec::new(), 0),
            (None, Some(true)) => {
                self.conflict(case, case.kind, Vec::new(), 0);
                if let Some(last) = self.conflicts.last_mut() {
                    last.estimated = true;
                }
            }
            (None, Some(false)) => self.clean.push(case.path.clone()),
            (None, None) => self.undecided.push(case.path.clone()),
        }
    }
}

/// Judges all by names and patches.
pub fn estimate(cases: &[Case]) -> Findings {
    let mut findings = Findings::default();
    for case in cases {
        findings.estimate(case);
    }
    findings
}

/// Looks into the likeliest `files_max` files and judges the others by names and patches.
///
/// # Errors
/// As the gh floor tells, when the trees cannot be read.
pub async fn examine(
    source: &Arc<PullSource>,
    git: &Git,
    commits: &Commits,
    cases: Vec<Case>,
    files_max: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Findings, GhError> {
    let mut findings = Findings::default();
    let (settled, open): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.settled.is_some());
    settled.iter().for_each(|case| findings.estimate(case));
    let (looked_into, rest) = open.split_at(open.len().min(files_max));
    let wanted = looked_into.iter().flat_map(Case::places).collect();
    let trees = entries::fetch(source, commits, wanted).await?;
    let mut by_lines = Vec::new();
    for case in looked_into {
        let entries = case.entries(&trees);
        match case.verdict(&entries) {
            Verdict::Clean => findings.clean.push(case.path.clone()),
            Verdict::Conflict(kind) => findings.conflict(case, kind, Vec::new(), 0),
            Verdict::Lines => by_lines.push((case, entries)),
        }
    }
    for some in by_lines.chunks(FILES_AT_ONCE) {
        let mut running = JoinSet::new();
        for (place, (_, entries)) in some.iter().enumerate() {
            let (source, git, entries) = (source.clone(), git.clone(), entries.clone());
            running.spawn(async move { (place, merge(&source, &git, &entries).await) });
        }
        let mut merged = running.join_all().await;
        merged.sort_by_key(|(place, _)| *place);
        for (place, merged) in merged {
            let case = some[place].0;
            match merged {
                Ok(Merged::Clean) => findings.clean.push(case.path.clone()),
                Ok(Merged::Binary) => findings.conflict(case, Kind::Binary, Vec::new(), 0),
                Ok(Merged::Conflict(regions, total)) => {
                    findings.conflict(case, case.kind, regions, total);
                }
                Err(reason) => {
                    let effect = "a file was judged by patches alone, or not at all";
                    warnings.push(Warning::new("files", reason, effect));
                    findings.estimate(case);
                }
            }
        }
    }
    rest.iter().for_each(|case| findings.estimate(case));
    if !rest.is_empty() {
        let total = open.len();
        let reason =
            format!("{files_max} of {total} files were looked into; max_files allows more");
        let effect = "the others were judged by patches alone, or not at all";
        warnings.push(Warning::new("files", reason, effect));
    }
    Ok(findings)
}

/// Merges one file. What three blobs come to never changes, so it is remembered.
async fn merge(source: &PullSource, git: &Git, entries: &Entries) -> Result<Merged, String> {
    let (Some(pr), Some(target)) = (&entries.pr, &entries.target) else {
        return Ok(Merged::Clean);
    };
    // What is not a file of the same kind is no ancestor of its lines.
    let ancestor = entries.ancestor.as_ref().filter(|entry| entry.is_regular());
    let oid = |entry: Option<&Entry>| entry.map_or("none".to_owned(), |entry| entry.oid.clone());
    let key = format!("merge {} {} {}", oid(ancestor), pr.oid, target.oid);
    if let Some(merged) = source.recall_computed(&key) {
        return Ok(merged);
    }
    let (ancestor, pr, target) = tokio::try_join!(
        blob(source, ancestor),
        blob(source, Some(pr)),
        blob(source, Some(target))
    )?;
    let versions = Versions {
        ancestor: &ancestor,
        ours: &pr,
        theirs: &target,
    };
    let merged = lines::merge(git, versions).await;
    let merged = merged.map_err(|error| error.to_string())?;
    source.keep_computed(key, &merged);
    Ok(merged)
}

async fn blob(source: &PullSource, entry: Option<&Entry>) -> Result<Vec<u8>, String> {
    let Some(entry) = entry else {
        return Ok(Vec::new());
    };
    if entry.size > BLOB_BYTES_MAX {
        return Err(format!("a file has {} bytes", entry.size));
    }
    let path = source.path().then("git").then("blobs").then(&entry.oid);
    let content = source.gh().raw(&path, RAW).await;
    let content = content.map_err(|error| error.to_string())?;
    if content.len() as u64 == entry.size {
        Ok(content)
    } else {
        let found = content.len();
        Err(format!("{found} of {} bytes of a file came", entry.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(path: &str, pr: Option<&str>) -> Case {
        Case {
            path: pr.unwrap_or(path).to_owned(),
            ancestor: Some(path.to_owned()),
            pr: pr.map(str::to_owned),
            target: None,
            settled: Some(Kind::ModifyDelete),
            kind: Kind::Content,
            near: None,
            lines: 1,
        }
    }

    #[test]
    fn what_the_target_may_have_renamed_is_a_guess() {
        let cases = [
            gone("a", Some("a")),
            gone("b", Some("moved")),
            gone("c", Some("c")),
            Case {
                target: Some("d".to_owned()),
                pr: None,
                settled: Some(Kind::DeleteModify),
                ..gone("d", None)
            },
        ];
        let mut findings = estimate(&cases);
        let names = ["a", "b", "d"].map(str::to_owned);
        findings.doubt_deletions(&BTreeSet::from(names));
        let told: Vec<(&str, bool)> = findings
            .conflicts
            .iter()
            .map(|conflict| (&*conflict.path, conflict.estimated))
            .collect();
        assert_eq!(
            told,
            [("a", true), ("moved", true), ("c", false), ("d", false)]
        );
    }
}
