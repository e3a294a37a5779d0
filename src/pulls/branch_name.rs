//! Names of branches, by git's rules: the one check for every argument that names a branch.

use crate::domain::{ApiError, text};

/// Longest name of a branch, in bytes; git keeps it as a file name.
const BRANCH_BYTES_MAX: usize = 244;

/// The name of a branch, with or without `refs/heads/`.
///
/// # Errors
/// `invalid_argument`, naming the argument.
pub fn checked(argument: &str, given: &str) -> Result<String, ApiError> {
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

/// What was given, short enough and harmless to be repeated in an error.
pub fn shown(given: &str) -> String {
    text::one_line(text::cut(given, 80).0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a\n",
            "a\u{7f}",
            "a\u{202e}b",
            "refs/heads/",
        ] {
            assert!(checked("base", bad).is_err(), "{bad:?}");
        }
        assert!(checked("base", &"x".repeat(245)).is_err());
        for good in ["a", "@a", "a@b", "feature/x-1", "v1.2", "日本", "a{b}"] {
            assert_eq!(checked("base", good).unwrap(), good);
        }
        assert_eq!(checked("base", "refs/heads/a").unwrap(), "a");
        let error = checked("target_branch", "a..b").unwrap_err();
        let told = "target_branch 'a..b' is no name for a branch: it holds .. or @{";
        assert_eq!(error.message, told);
    }
}
