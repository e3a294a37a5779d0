//! Files for a pull request from the working directory: `--file PATH` and `--delete PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use crate::domain::{ApiError, limits, text};
use crate::pulls::create::FileChange;

/// What the help of a tool with files says of these flags.
pub(super) const HELP: &str = "  --file PATH             commit this file of the working directory, may be repeated\n  \
     --delete PATH           delete it in the pull request, may be repeated\n";

/// Takes the flags out of the arguments and gives their files as the tool's JSON; none without
/// such flags. Paths are told from the top of the git repository around `folder`, if there is one.
pub(super) fn take(given: &mut Vec<String>, folder: &Path) -> Result<Option<String>, ApiError> {
    let mut kept = Vec::with_capacity(given.len());
    let mut files = Vec::new();
    let mut rest = std::mem::take(given).into_iter();
    while let Some(argument) = rest.next() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if !matches!(flag, "--file" | "--delete") {
            kept.push(argument);
            continue;
        }
        let path = inline.or_else(|| rest.next()).ok_or_else(|| {
            ApiError::invalid(format!("{flag} needs a path"), format!("write {flag} PATH"))
        })?;
        let name = name_of(&path, folder)?;
        files.push(if flag == "--delete" {
            FileChange {
                path: name,
                delete: Some(true),
                ..FileChange::default()
            }
        } else {
            read(&path, name, folder)?
        });
    }
    *given = kept;
    if files.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(&files);
    json.map(Some)
        .map_err(|error| ApiError::internal(error.to_string()))
}

fn refused(path: &str, flaw: impl std::fmt::Display, next: &str) -> ApiError {
    let shown = text::one_line(text::cut(path, 120).0);
    ApiError::invalid(format!("'{shown}' {flaw}"), next)
}

/// The path from the top of the repository.
fn name_of(path: &str, folder: &Path) -> Result<String, ApiError> {
    let outside = || {
        refused(
            path,
            "lies outside of the repository",
            "run the command in the repository's working directory",
        )
    };
    let is_top = |above: &&Path| above.join(".git").exists();
    let top = folder.ancestors().find(is_top).unwrap_or(folder);
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    let inside = whole.strip_prefix(top).map_err(|_| outside())?;
    inside.to_str().map(str::to_owned).ok_or_else(outside)
}

fn read(path: &str, name: String, folder: &Path) -> Result<FileChange, ApiError> {
    let whole = folder.join(path);
    let about = fs::symlink_metadata(&whole).map_err(|error| {
        refused(
            path,
            format_args!("cannot be read: {error}"),
            "correct the path; a file that shall go is named with --delete",
        )
    })?;
    if !about.is_file() {
        return Err(refused(
            path,
            "is no ordinary file",
            "name files one by one; commit folders and links with git",
        ));
    }
    if about.len() > limits::BODY_BYTES_MAX as u64 {
        return Err(refused(
            path,
            format_args!("has more than {} bytes", limits::BODY_BYTES_MAX),
            "commit and push with git, then run the command without files",
        ));
    }
    let content = fs::read(&whole)
        .map_err(|error| refused(path, format_args!("cannot be read: {error}"), "mend that"))?;
    let executable = about.permissions().mode() & 0o111 != 0;
    Ok(FileChange::of(name, &content, executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_top() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        let folder = top.join("src");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(top.join(".git")).unwrap();
        fs::write(folder.join("ü.rs"), "é").unwrap();
        fs::write(top.join("run"), b"\xff").unwrap();
        fs::set_permissions(top.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        let asked = |flags: &[&str]| {
            let mut given: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            take(&mut given, &folder).map(|files| (given, files))
        };
        let flags = [
            "x",
            "--file",
            "ü.rs",
            "--json",
            "--file=../run",
            "--delete",
            "./old",
        ];
        let (kept, files) = asked(&flags).unwrap();
        assert_eq!(kept, ["x", "--json"]);
        let expected = r#"[{"path":"src/ü.rs","content":"é","executable":false},{"path":"run","content":"/w==","encoding":"base64","executable":true},{"path":"src/old","delete":true}]"#;
        assert_eq!(files.unwrap(), expected);
        assert_eq!(asked(&["--head", "x"]).unwrap().1, None);
        for (flags, told) in [
            (["--file", "../../x"], "lies outside"),
            (["--file", "none"], "cannot be read"),
            (["--file", "."], "no ordinary file"),
            (["--json", "--file"], "needs a path"),
        ] {
            let error = asked(&flags).unwrap_err();
            assert!(error.message.contains(told), "{error}");
        }
    }
}
