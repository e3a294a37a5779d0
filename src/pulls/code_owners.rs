//! CODEOWNERS: who owns which paths.
//!
//! Facts: <https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>:
//! the first of `.github/`, the root and `docs/` on the base branch counts; the last rule that
//! matches a path decides; a rule without owners takes them away; a line that is not understood is
//! skipped; there are no sections.

use super::path_pattern::PathPattern;

/// Where the file may be, in the order in which GitHub looks.
pub const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
/// Most rules that are read: enough for the largest files known.
const RULES_MAX: usize = 10_000;

/// A CODEOWNERS file.
#[derive(Clone, Debug, Default)]
pub struct CodeOwners {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: PathPattern,
    owners: Vec<String>,
}

impl CodeOwners {
    /// Reads a file.
    pub fn parse(text: &str) -> Self {
        let rules = text.lines().filter_map(rule).take(RULES_MAX).collect();
        Self { rules }
    }

    /// Owners of a path as written (`@login`, `@org/team` or an email); empty when nobody owns it.
    pub fn of(&self, path: &str) -> &[String] {
        let last = self.rules.iter().rev();
        let mut last = last.filter(|rule| rule.pattern.matches(path));
        last.next().map_or(&[], |rule| &rule.owners)
    }
}

fn rule(line: &str) -> Option<Rule> {
    let mut words = words(line).into_iter();
    let pattern = PathPattern::parse(&words.next()?)?;
    let owners: Vec<String> = words.collect();
    owners
        .iter()
        .all(|owner| is_owner(owner))
        .then_some(Rule { pattern, owners })
}

/// The words of a line up to a comment; a backslash keeps a space within a word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '#' => break,
            '\\' => {
                word.push('\\');
                word.extend(characters.next());
            }
            space if space.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn is_owner(word: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    match word.strip_prefix('@') {
        Some(login) => match login.split_once('/') {
            Some((organization, team)) => name(organization) && name(team),
            None => name(login),
        },
        None => word
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && name(domain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let owners = CodeOwners::parse(
            "# Everything\n*       @global-owner1 @octo-org/core docs@example.com # inline\n\
             [Section]\n!src/ @nobody\n*.js    @js-owner\nbroken.rs not-an-owner\n\
             /apps/ @octocat\n/apps/github\na\\ b/ @spaced\n",
        );
        let table = [
            (
                "README.md",
                &["@global-owner1", "@octo-org/core", "docs@example.com"][..],
            ),
            ("src/a.js", &["@js-owner"]),
            (
                "broken.rs",
                &["@global-owner1", "@octo-org/core", "docs@example.com"],
            ),
            ("apps/x.js", &["@octocat"]),
            ("apps/github/x.js", &[]),
            ("a b/c", &["@spaced"]),
        ];
        for (path, expected) in table {
            assert_eq!(owners.of(path), expected, "{path}");
        }
        assert!(CodeOwners::default().of("a").is_empty());
    }
}
