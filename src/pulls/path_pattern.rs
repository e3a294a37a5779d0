//! Patterns of paths as `.gitignore` and CODEOWNERS write them.
//!
//! Facts: <https://git-scm.com/docs/gitignore#_pattern_format> and
//! <https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>:
//! a slash at the beginning or in the middle ties the pattern to the root; a name stands for the
//! folder and all below it; a lone `*` at the end stands for files of that folder only; there is no
//! `!` and no `[ ]`.

/// A pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of folders.
    Folders,
    /// A name, perhaps with `*` and `?` in it.
    Name(Vec<Letter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    /// `*`: any letters but a slash.
    Any,
    /// `?`: one letter but a slash.
    One,
    Exactly(char),
}

impl PathPattern {
    /// Reads a pattern; none when its syntax is not that of CODEOWNERS.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.starts_with('!') || text.contains(['[', ']']) {
            return None;
        }
        let is_folder = text.ends_with('/');
        let body = text.strip_suffix('/').unwrap_or(text);
        let is_tied = body.contains('/');
        let body = body.strip_prefix('/').unwrap_or(body);
        let mut segments = Vec::new();
        if !is_tied {
            segments.push(Segment::Folders);
        }
        let mut ends_open = false;
        for part in body.split('/').filter(|part| !part.is_empty()) {
            ends_open = part == "**";
            let segment = if ends_open {
                Segment::Folders
            } else {
                Segment::Name(letters(part))
            };
            // Two in a row are one.
            if !(ends_open && segments.last() == Some(&Segment::Folders)) {
                segments.push(segment);
            }
        }
        let ends_with_star = segments.last() == Some(&Segment::Name(vec![Letter::Any]));
        if is_folder || ends_open {
            // What is inside, and not the name itself.
            segments.pop_if(|last| *last == Segment::Folders);
            segments.extend([Segment::Name(vec![Letter::Any]), Segment::Folders]);
        } else if !ends_with_star {
            segments.push(Segment::Folders);
        }
        Some(Self { segments })
    }

    /// Whether it stands for a path.
    pub fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        wild(
            &self.segments,
            &parts,
            |segment| *segment == Segment::Folders,
            |segment, part| match segment {
                Segment::Folders => false,
                Segment::Name(letters) => name_matches(letters, part),
            },
        )
    }
}

fn letters(part: &str) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        letters.push(match character {
            '*' if letters.last() == Some(&Letter::Any) => continue,
            '*' => Letter::Any,
            '?' => Letter::One,
            '\\' => Letter::Exactly(characters.next().unwrap_or('\\')),
            other => Letter::Exactly(other),
        });
    }
    letters
}

fn name_matches(letters: &[Letter], part: &str) -> bool {
    let characters: Vec<char> = part.chars().collect();
    wild(
        letters,
        &characters,
        |letter| *letter == Letter::Any,
        |letter, character| *letter == Letter::One || *letter == Letter::Exactly(*character),
    )
}

/// Whether `items` are as `pattern` says, in which a star stands for any number of items. Going
/// back to the last star alone is enough, so this takes no more than length times length steps.
fn wild<P, I>(
    pattern: &[P],
    items: &[I],
    is_star: impl Fn(&P) -> bool,
    equals: impl Fn(&P, &I) -> bool,
) -> bool {
    let (mut place, mut item) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(place) {
            Some(wanted) if is_star(wanted) => {
                star = Some((place, item));
                place += 1;
            }
            Some(wanted) if equals(wanted, &items[item]) => {
                place += 1;
                item += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                place = after + 1;
                item = from + 1;
            }
        }
    }
    pattern[place..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_github_documents() {
        let table = [
            ("*", &["a", "a/b.rs", "a/b/c"][..], &[][..]),
            ("*.js", &["a.js", "a/b.js"], &["a.jsx", "js"]),
            (
                "/build/logs/",
                &["build/logs/a", "build/logs/b/c"],
                &["build/logs", "x/build/logs/a"],
            ),
            (
                "docs/*",
                &["docs/getting-started.md"],
                &["docs/build-app/troubleshooting.md", "x/docs/a.md"],
            ),
            ("apps/", &["apps/a", "x/apps/b/c"], &["apps", "apps2/a"]),
            ("/docs/", &["docs/a", "docs/b/c"], &["x/docs/a"]),
            (
                "/apps/github",
                &["apps/github", "apps/github/a"],
                &["apps/githubber"],
            ),
            (
                "**/logs",
                &["logs/a", "build/logs/b", "deep/er/logs"],
                &["logs2/a"],
            ),
            ("/scripts/*.sh", &["scripts/a.sh"], &["scripts/b/a.sh"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &["a/x", "xa/b"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b/a/c"]),
            ("src/?.rs", &["src/a.rs"], &["src/ab.rs"]),
            ("my\\ file.txt", &["my file.txt"], &["my"]),
            (
                "README",
                &["README", "a/README", "README/x"],
                &["README.md"],
            ),
        ];
        for (pattern, yes, no) in table {
            let parsed = PathPattern::parse(pattern).unwrap();
            for path in yes {
                assert!(parsed.matches(path), "{pattern} {path}");
            }
            for path in no {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
        for unknown in ["", "!a", "a[bc]"] {
            assert_eq!(PathPattern::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn malicious_patterns_cost_little() {
        let start = std::time::Instant::now();
        let pattern = PathPattern::parse(&"**/*a*a*a*a*b/".repeat(200)).unwrap();
        assert!(!pattern.matches(&"aaaaaaaaaaaaaaaaaaaaaaaa/".repeat(160)));
        assert!(start.elapsed() < std::time::Duration::from_secs(3));
    }
}
