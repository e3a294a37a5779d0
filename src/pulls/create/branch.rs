//! The branch that a pull request comes from.

use super::super::branch_name::{checked, shown};
use crate::domain::{ApiError, RepoName};

/// The branch a pull request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Account that owns the repository it is in.
    pub owner: String,
    /// Its name.
    pub branch: String,
    /// Whether it is in a fork.
    pub in_fork: bool,
}

impl Head {
    /// Reads `branch`, or `owner:branch` for the branch of a fork of `repo`.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn parse(given: &str, repo: &RepoName) -> Result<Self, ApiError> {
        let (owner, name) = match given.split_once(':') {
            Some((owner, name)) => (owner, name),
            None => (repo.owner(), given),
        };
        // An owner is valid where it makes a valid repository name.
        if format!("{owner}/{}", repo.name())
            .parse::<RepoName>()
            .is_err()
        {
            return Err(ApiError::invalid(
                format!("'{}' is not a branch", shown(given)),
                "write branch, or owner:branch for the branch of a fork",
            ));
        }
        Ok(Self {
            owner: owner.to_owned(),
            branch: checked("head", name)?,
            in_fork: !owner.eq_ignore_ascii_case(repo.owner()),
        })
    }

    /// As GitHub's list of pull requests is filtered by it: `owner:branch`.
    pub fn label(&self) -> String {
        format!("{}:{}", self.owner, self.branch)
    }

    /// As a new pull request names it: with the owner only where it is another one.
    pub fn name(&self) -> String {
        if self.in_fork {
            self.label()
        } else {
            self.branch.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo() -> RepoName {
        "Acme/api".parse().unwrap()
    }

    #[test]
    fn heads_are_branches_here_or_in_a_fork() {
        let head = Head::parse("fix/é-1", &repo()).unwrap();
        assert_eq!(
            (head.name(), head.label()),
            ("fix/é-1".to_owned(), "Acme:fix/é-1".to_owned())
        );
        let head = Head::parse("refs/heads/fix", &repo()).unwrap();
        assert_eq!(head.name(), "fix");
        let own = Head::parse("acme:fix", &repo()).unwrap();
        assert!(!own.in_fork);
        assert_eq!(own.name(), "fix");
        let fork = Head::parse("octo:fix", &repo()).unwrap();
        assert!(fork.in_fork);
        assert_eq!(fork.name(), "octo:fix");
    }

    #[test]
    fn what_is_no_branch_of_an_owner_is_refused() {
        for bad in ["", "a b", "x:y:z", ":a", "a:", "-x:a", "o/r:a", "octo:a..b"] {
            assert!(Head::parse(bad, &repo()).is_err(), "{bad:?}");
        }
    }
}
