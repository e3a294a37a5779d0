//! The files of a new pull request: checked, decoded, and turned into the entries of a tree.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use crate::domain::{ApiError, Category, limits, text};

/// Most files of one pull request.
pub const FILES_MAX: usize = 100;
/// Longest path and longest name in it, in bytes; file systems take no longer names.
const PATH_BYTES_MAX: usize = 1_024;
const NAME_BYTES_MAX: usize = 255;

/// Base64 as it comes: with or without padding at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One file as a caller writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileChange {
    /// In the repository
    pub path: String,
    /// The whole file
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// utf-8 or base64
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// As it was
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
    /// Take it away
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<bool>,
}

impl FileChange {
    /// The change that gives a file this content.
    pub fn of(path: String, content: &[u8], executable: bool) -> Self {
        let (content, encoding) = match std::str::from_utf8(content) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (encode(content), Some("base64".to_owned())),
        };
        Self {
            path,
            content: Some(content),
            encoding,
            executable: Some(executable),
            delete: None,
        }
    }
}

/// What is to become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It gets this content; without a word on its executable bit it keeps the one it has.
    Write(Vec<u8>, Option<bool>),
    /// It keeps its content.
    SetExecutable(bool),
    /// It goes.
    Delete,
}

/// The files, each path once, in the order of their paths.
pub(super) type Changes = BTreeMap<String, Act>;

/// Checks the files of a call.
///
/// # Errors
/// `invalid_argument`, naming the file and its flaw; `body_too_large`.
pub(super) fn check(files: Vec<FileChange>) -> Result<Changes, ApiError> {
    if files.len() > FILES_MAX {
        return Err(ApiError::invalid(
            format!(
                "{} files are too many for one call: {FILES_MAX} at most",
                files.len()
            ),
            "commit and push with git, then call again without files",
        ));
    }
    let mut changes = Changes::new();
    let mut bytes = 0;
    for (index, file) in files.into_iter().enumerate() {
        let wrong = |flaw: &str, next: &str| {
            let path = text::one_line(text::cut(&file.path, 120).0);
            ApiError::invalid(format!("files[{index}] ('{path}') {flaw}"), next)
        };
        if let Some(flaw) = path_flaw(&file.path) {
            return Err(wrong(
                flaw,
                "write the path from the top of the repository, for example src/main.rs",
            ));
        }
        let act = act(&file).map_err(|(flaw, next)| wrong(&flaw, next))?;
        if let Act::Write(content, _) = &act {
            bytes += content.len();
        }
        if changes.insert(file.path.clone(), act).is_some() {
            return Err(wrong("is there twice", "give each path once"));
        }
    }
    if bytes > limits::BODY_BYTES_MAX {
        return Err(ApiError::new(
            Category::User,
            "body_too_large",
            format!(
                "the files have {bytes} bytes, more than {}",
                limits::BODY_BYTES_MAX
            ),
            "commit and push with git, then call again without files",
        ));
    }
    no_file_in_a_file(&changes)?;
    Ok(changes)
}

fn act(file: &FileChange) -> Result<Act, (String, &'static str)> {
    let deletes = file.delete == Some(true);
    match (&file.content, file.executable) {
        (None, None) if deletes => Ok(Act::Delete),
        _ if deletes => Err((
            "has delete and content or executable".to_owned(),
            "to delete it give only path and delete",
        )),
        (Some(content), executable) => {
            let content = decode(content, file.encoding.as_deref())?;
            Ok(Act::Write(content, executable))
        }
        (None, Some(executable)) => Ok(Act::SetExecutable(executable)),
        (None, None) => Err((
            "has no content".to_owned(),
            "give its whole new content, or delete: true",
        )),
    }
}

fn decode(content: &str, encoding: Option<&str>) -> Result<Vec<u8>, (String, &'static str)> {
    match encoding.unwrap_or("utf-8") {
        "utf-8" => Ok(content.as_bytes().to_vec()),
        "base64" => {
            let whole: Vec<u8> = content
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            BASE64.decode(whole).map_err(|error| {
                (
                    format!("is not base64: {error}"),
                    "send the output of base64 FILE, or text with encoding utf-8",
                )
            })
        }
        other => Err((
            format!(
                "has the encoding '{}'",
                text::one_line(text::cut(other, 40).0)
            ),
            "an encoding is utf-8 or base64",
        )),
    }
}

/// What speaks against a path. Git would refuse to check some of these out, on one system or
/// another; on a careless one they would write where they must not.
fn path_flaw(path: &str) -> Option<&'static str> {
    let names = || path.split('/');
    match () {
        () if path.is_empty() => Some("has an empty path"),
        () if path.len() > PATH_BYTES_MAX || names().any(|name| name.len() > NAME_BYTES_MAX) => {
            Some("has a path that is too long")
        }
        () if path.starts_with('/') => Some("has an absolute path"),
        () if path.contains('\\') => Some("has a backslash in its path"),
        () if path.chars().any(char::is_control) => Some("has a control character in its path"),
        () if names().any(|name| matches!(name, "" | "." | "..")) => {
            Some("has an empty name, . or .. in its path")
        }
        () if names().any(is_git_folder) => Some("is in git's own folder"),
        () => None,
    }
}

/// Whether some file system takes this name for `.git`: without regard to case, to characters
/// that cannot be seen, to what follows a colon and to dots and spaces at the end.
fn is_git_folder(name: &str) -> bool {
    let seen: String = name.chars().filter(|c| !text::is_deceptive(*c)).collect();
    let plain = seen.split(':').next().unwrap_or_default().to_lowercase();
    matches!(plain.trim_end_matches(['.', ' ']), ".git" | "git~1")
}

/// Folders above a path, the highest first.
pub(super) fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn no_file_in_a_file(changes: &Changes) -> Result<(), ApiError> {
    for path in changes.iter().filter(|(_, act)| **act != Act::Delete) {
        let above = folders_above(path.0).find(|folder| {
            let act = changes.get(*folder);
            act.is_some_and(|act| *act != Act::Delete)
        });
        if let Some(folder) = above {
            return Err(ApiError::invalid(
                format!("'{folder}' is a file and '{}' lies in it", path.0),
                "give one of them another path",
            ));
        }
    }
    Ok(())
}

/// Whether a tree's entry can carry this content as text. GitHub's field is text, a zero byte
/// does not survive everywhere, and an empty one reads as missing.
pub(super) fn fits_inline(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}

/// Base64 for what does not fit inline.
pub(super) fn encode(content: &[u8]) -> String {
    BASE64.encode(content)
}

/// The name that git gives this content.
pub(super) fn blob_name(content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileChange {
        FileChange {
            path: path.to_owned(),
            content: Some("x".to_owned()),
            ..FileChange::default()
        }
    }

    #[test]
    fn paths_stay_in_the_repository() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "a\nb",
            "a\0",
            ".git/config",
            "a/.GIT/hooks/x",
            ".git./x",
            ".git ",
            "git~1/x",
            ".g\u{200c}it/x",
            ".git::$INDEX_ALLOCATION/x",
            &"x/".repeat(600),
            &"x".repeat(256),
        ] {
            let error = check(vec![file(bad)]).unwrap_err();
            assert!(error.message.starts_with("files[0]"), "{bad:?}: {error}");
        }
        for good in [
            "a",
            ".github/workflows/ci.yml",
            ".gitignore",
            "a b/ü 日本.txt",
            "-x",
            "a..b",
            "...",
            "git~10",
            "x.git/y",
            "👨‍👩‍👧.md",
        ] {
            assert!(check(vec![file(good)]).is_ok(), "{good}");
        }
    }

    #[test]
    fn flaws_are_told_by_file() {
        let told = |file: FileChange| {
            let error = check(vec![self::file("ok"), file]).unwrap_err();
            (error.message, error.suggestion)
        };
        let bare = FileChange {
            content: None,
            ..file("a")
        };
        assert_eq!(told(bare.clone()).0, "files[1] ('a') has no content");
        let both = FileChange {
            delete: Some(true),
            ..file("a")
        };
        assert_eq!(
            told(both).0,
            "files[1] ('a') has delete and content or executable"
        );
        let encoded = |encoding: &str, content: &str| FileChange {
            encoding: Some(encoding.to_owned()),
            content: Some(content.to_owned()),
            ..file("a")
        };
        assert_eq!(
            told(encoded("latin1", "")).1,
            "an encoding is utf-8 or base64"
        );
        assert!(
            told(encoded("base64", "%%"))
                .0
                .starts_with("files[1] ('a') is not base64")
        );
        assert_eq!(told(file("ok")).0, "files[1] ('ok') is there twice");
        let inside = check(vec![file("a"), file("a/b")]).unwrap_err();
        assert_eq!(inside.message, "'a' is a file and 'a/b' lies in it");
        let gone = FileChange {
            delete: Some(true),
            ..bare
        };
        assert!(check(vec![gone, file("a/b")]).is_ok());
        let many = (0..=FILES_MAX).map(|number| file(&number.to_string()));
        assert!(
            check(many.collect())
                .unwrap_err()
                .message
                .contains("too many")
        );
        let large = FileChange {
            content: Some("x".repeat(limits::BODY_BYTES_MAX)),
            ..file("large")
        };
        assert_eq!(
            check(vec![file("a"), large]).unwrap_err().code,
            "body_too_large"
        );
    }

    #[test]
    fn content_is_decoded() {
        let content = |given: &str| {
            let file = FileChange {
                content: Some(given.to_owned()),
                encoding: Some("base64".to_owned()),
                ..file("a")
            };
            check(vec![file]).unwrap().remove("a").unwrap()
        };
        let expected = Act::Write(vec![0, 255, 1, 2], None);
        for given in ["AP8BAg==", "AP8BAg", " AP8B\nAg==\n"] {
            assert_eq!(content(given), expected, "{given}");
        }
        assert_eq!(fits_inline("é\r\n".as_bytes()), Some("é\r\n"));
        for kept_out in [&b""[..], b"a\0b", b"\xff"] {
            assert_eq!(fits_inline(kept_out), None);
        }
        // As `git hash-object` has them.
        assert_eq!(blob_name(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(
            blob_name(b"hello\n"),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
    }
}
