//! Words of the commands that answers propose.

/// Digits of a commit's name in commands.
const OID_DIGITS: usize = 12;

/// A commit's name, long enough to stay unique.
pub fn short(oid: &str) -> &str {
    oid.get(..OID_DIGITS).unwrap_or(oid)
}

/// `word` as one word of a POSIX shell, quoted only where it must be. Git allows `;`, `$` and `` ` `` in
/// branch names, and names of tests hold anything.
pub fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/+=:@,%-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_branch_name_reaches_the_shell() {
        assert_eq!(shell_word("feature/a-1"), "feature/a-1");
        assert_eq!(shell_word("a;rm$IFS-rf"), "'a;rm$IFS-rf'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
