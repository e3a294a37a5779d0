//! Who could review a change: owners of the changed files, and who changed them lately.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::history::Authors;
use crate::pulls::code_owners::CodeOwners;

/// Most reviewers that are named.
const REVIEWERS_MAX: usize = 6;

/// Somebody who could review the change, and the facts that speak for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reviewer {
    /// Login, `org/team`, or the email that CODEOWNERS names.
    pub username: String,
    /// The facts in words.
    pub reason: String,
    /// Changed files that they own.
    #[serde(skip_serializing_if = "is_zero")]
    pub owns_files: usize,
    /// Commits of theirs among the newest of the most changed files.
    #[serde(skip_serializing_if = "is_zero")]
    pub recent_commits: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Default)]
struct Facts {
    owned: usize,
    commits: usize,
    /// The file of which they have most commits: those, and of how many.
    best: Option<(String, usize, usize)>,
}

/// Reviewers, those with the most owned files first, then those with the most commits. Never the
/// author, never a bot.
pub(super) fn suggest(
    author: &str,
    paths: &[&str],
    owners: Option<&CodeOwners>,
    history: &[Authors],
) -> Vec<Reviewer> {
    let mut people: BTreeMap<String, (String, Facts)> = BTreeMap::new();
    let mut entry = |name: &str, add: &mut dyn FnMut(&mut Facts)| {
        let is_self = name.eq_ignore_ascii_case(author);
        if !is_self && !is_bot(name) {
            let known = people.entry(name.to_lowercase());
            add(&mut known
                .or_insert_with(|| (name.to_owned(), Facts::default()))
                .1);
        }
    };
    for path in paths {
        for owner in owners.map(|owners| owners.of(path)).into_iter().flatten() {
            let name = owner.strip_prefix('@').unwrap_or(owner);
            entry(name, &mut |facts| facts.owned += 1);
        }
    }
    for file in history {
        for (login, commits) in &file.by_login {
            entry(login, &mut |facts| {
                facts.commits += commits;
                if facts
                    .best
                    .as_ref()
                    .is_none_or(|(_, best, _)| commits > best)
                {
                    facts.best = Some((file.path.clone(), *commits, file.commits));
                }
            });
        }
    }
    let mut people: Vec<(String, Facts)> = people.into_values().collect();
    people.sort_by_key(|(_, facts)| (Reverse(facts.owned), Reverse(facts.commits)));
    people.truncate(REVIEWERS_MAX);
    people.into_iter().map(reviewer).collect()
}

fn reviewer((username, facts): (String, Facts)) -> Reviewer {
    let owned = match facts.owned {
        0 => None,
        1 => Some("code owner of 1 changed file".to_owned()),
        count => Some(format!("code owner of {count} changed files")),
    };
    let commits = facts
        .best
        .map(|(path, own, all)| format!("{own} of the last {all} commits to {path}"));
    let reasons: Vec<String> = owned.into_iter().chain(commits).collect();
    Reviewer {
        username,
        reason: reasons.join("; "),
        owns_files: facts.owned,
        recent_commits: facts.commits,
    }
}

/// GitHub marks logins of apps so; a few older ones are accounts of people by their form.
fn is_bot(login: &str) -> bool {
    const ACCOUNTS: [&str; 4] = ["dependabot", "renovate-bot", "web-flow", "github-actions"];
    login.ends_with("[bot]") || ACCOUNTS.iter().any(|bot| login.eq_ignore_ascii_case(bot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_come_before_recent_authors_and_the_author_never() {
        let owners = CodeOwners::parse("* @Lea @bob @acme/core\n*.md docs@example.com\n");
        let by_login = |pairs: &[(&str, usize)]| {
            pairs
                .iter()
                .map(|(login, count)| ((*login).to_owned(), *count))
                .collect()
        };
        let history = [
            Authors {
                path: "src/a.rs".to_owned(),
                commits: 20,
                by_login: by_login(&[("lea", 9), ("BOB", 8), ("kim", 3), ("dependabot[bot]", 9)]),
            },
            Authors {
                path: "src/b.rs".to_owned(),
                commits: 4,
                by_login: by_login(&[("kim", 4)]),
            },
        ];
        let found = suggest(
            "bob",
            &["src/a.rs", "src/b.rs", "a.md"],
            Some(&owners),
            &history,
        );
        let told: Vec<(&str, &str)> = found
            .iter()
            .map(|one| (&*one.username, &*one.reason))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "Lea",
                    "code owner of 2 changed files; 9 of the last 20 commits to src/a.rs"
                ),
                ("acme/core", "code owner of 2 changed files"),
                ("docs@example.com", "code owner of 1 changed file"),
                ("kim", "4 of the last 4 commits to src/b.rs"),
            ]
        );
        assert!(suggest("bob", &["src/a.rs"], None, &[]).is_empty());
    }
}
