//! Which commits of the target a conflict is from.

use serde::Deserialize;

use super::fetch::Sides;
use super::report::{Conflict, TargetCommit};
use crate::domain::text;
use crate::gh::GhError;
use crate::pulls::shell::short;
use crate::pulls::{PullSource, Warning, secrets};

/// Most files whose commits are read: one call each.
const FILES_MAX: usize = 5;
/// Commits of one file that are read.
const READ_MAX: usize = 20;
/// Most bytes of a subject.
const SUBJECT_BYTES_MAX: usize = 100;

#[derive(Deserialize)]
struct Told {
    sha: String,
    commit: Details,
    /// None for people without an account.
    #[serde(default)]
    author: Option<Account>,
}

#[derive(Deserialize)]
struct Details {
    message: String,
    #[serde(default)]
    author: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

/// Adds to the first conflicts the commits of the target that changed the file.
pub async fn fill(
    source: &PullSource,
    sides: &Sides,
    conflicts: &mut [Conflict],
    warnings: &mut Vec<Warning>,
) {
    let effect = "which commits of the target conflict is unknown of the others";
    if conflicts.len() > FILES_MAX {
        let reason = format!(
            "those of {FILES_MAX} of {} files were read",
            conflicts.len()
        );
        warnings.push(Warning::new("commits", reason, effect));
    }
    for conflict in conflicts.iter_mut().take(FILES_MAX) {
        match read(source, sides, conflict.in_target()).await {
            Ok((commits, all)) => {
                conflict.target_commits = commits;
                if !all {
                    let reason = format!("the newest {READ_MAX} of a file were read");
                    warnings.push(Warning::new(
                        "commits",
                        reason,
                        "older ones may conflict too",
                    ));
                }
            }
            Err(error) => {
                warnings.push(Warning::new("commits", error, effect));
                return;
            }
        }
    }
}

impl Conflict {
    /// The name by which the target's commits know the file.
    fn in_target(&self) -> &str {
        let names = [&self.target_path, &self.ancestor_path];
        names.into_iter().flatten().next().unwrap_or(&self.path)
    }
}

/// The commits of the target that changed a file, and whether those are all.
async fn read(
    source: &PullSource,
    sides: &Sides,
    path: &str,
) -> Result<(Vec<TargetCommit>, bool), GhError> {
    let mut request = source
        .path()
        .then("commits")
        .with("sha", &sides.commits.target)
        .with("path", path)
        .with("per_page", READ_MAX);
    // Commits that are older than the ancestor may be new to it; time is all there is to go by
    // where not all of the target's commits are known.
    if let (None, Some(since)) = (&sides.target_commits, sides.ancestor_at) {
        request = request.with("since", since);
    }
    let found: Vec<Told> = source.get(&request).await?;
    let is_new = |told: &&Told| {
        let known = sides.target_commits.as_ref();
        known.is_none_or(|known| known.contains(&told.sha)) && told.sha != sides.commits.ancestor
    };
    let new: Vec<TargetCommit> = found.iter().filter(is_new).map(Told::to_commit).collect();
    // One that is not new ends them: the list is from the newest to the oldest.
    let all = found.len() < READ_MAX || new.len() < found.len();
    Ok((new, all))
}

impl Told {
    fn to_commit(&self) -> TargetCommit {
        let subject = self.commit.message.lines().next().unwrap_or_default();
        let name = self.commit.author.as_ref().map(|person| &person.name);
        let login = self.author.as_ref().map(|account| &account.login);
        TargetCommit {
            sha: short(&self.sha).to_owned(),
            subject: text::cut(&secrets::mask(subject), SUBJECT_BYTES_MAX)
                .0
                .to_owned(),
            pr: pull_of(subject),
            author: login.or(name).cloned().unwrap_or_default(),
        }
    }
}

/// The pull request that GitHub names in the subject of a commit that it makes.
fn pull_of(subject: &str) -> Option<u64> {
    let number = match subject.strip_prefix("Merge pull request #") {
        Some(rest) => rest.split(' ').next()?,
        None => subject.rsplit_once("(#")?.1.strip_suffix(')')?,
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_request_is_read_from_the_subject() {
        for (subject, expected) in [
            ("db: macro queries (#57)", Some(57)),
            ("Revert \"a (#5)\" (#58)", Some(58)),
            ("Merge pull request #59 from bob/fix", Some(59)),
            ("see (#57) for more", None),
            ("fix #57", None),
            ("(#x)", None),
        ] {
            assert_eq!(pull_of(subject), expected, "{subject}");
        }
    }
}
