//! Names of branches, by git's rules.

use crate::domain::{ApiError, RepoName, text};

/// Longest name of a branch, in bytes; git keeps it as a file name.
const BRANCH_BYTES_MAX: usize = 244;

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
            branch: branch("head", name)?,
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

/// The name of a branch, with or without `refs/heads/`.
///
/// # Errors
/// `invalid_argument`, naming the argument.
pub fn branch(argument: &str, given: &str) -> Result<String, ApiError> {
    let name = given.strip_prefix("refs/heads/").unwrap_or(given);
    match flaw(name) {
        None => Ok(name.to_owned()),
        Some(flaw) => Err(ApiError::invalid(
            format!(
                "{argument} '{}' is no name for a branch: {flaw}",
                shown(given)
            ),
            "write a branch's name, for example fix/login-timeout",
        )),
    }
}

/// What git check-ref-format has against a branch of this name.
fn flaw(name: &str) -> Option<&'static str> {
    let forbidden = |byte: u8| byte.is_ascii_control() || b" ~^:?*[\\".contains(&byte);
    let parts = || name.split('/');
    match () {
        () if name.is_empty() => Some("it is empty"),
        () if name.len() > BRANCH_BYTES_MAX => Some("it is too long"),
        () if name.bytes().any(forbidden) || name.chars().any(text::is_deceptive) => {
            Some("it holds a space, a control character or one of ~^:?*[\\")
        }
        () if name.contains("..") || name.contains("@{") => Some("it holds .. or @{"),
        () if parts().any(str::is_empty) => Some("a part between slashes is empty"),
        () if parts().any(|part| part.starts_with('.') || part.ends_with(".lock")) => {
            Some("a part begins with a dot or ends with .lock")
        }
        () if name.starts_with('-') || name.ends_with('.') => {
            Some("it begins with a hyphen or ends with a dot")
        }
        () if name == "@" || name == "HEAD" => Some("git keeps that name for itself"),
        () => None,
    }
}

fn shown(given: &str) -> String {
    text::one_line(text::cut(given, 80).0)
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
    fn what_git_refuses_is_refused() {
        for bad in [
            "",
            " ",
            "a b",
            "a..b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "-a",
            "@",
            "HEAD",
            "a@{1}",
            "a~1",
            "a^",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a\n",
            "a\u{7f}",
            "a\u{202e}b",
            "x:y:z",
            ":a",
            "a:",
            "-x:a",
            "o/r:a",
            "refs/heads/",
        ] {
            assert!(Head::parse(bad, &repo()).is_err(), "{bad:?}");
        }
        assert!(branch("base", &"x".repeat(245)).is_err());
        for good in ["a", "@a", "a@b", "feature/x-1", "v1.2", "日本", "a{b}"] {
            assert!(branch("base", good).is_ok(), "{good}");
        }
    }
}
