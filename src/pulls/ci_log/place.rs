//! Places in files, as most tools write them: `path:line`, perhaps `:column` or more after it.

/// The path and line with which `text` begins.
pub(super) fn path_and_line(text: &str) -> Option<(&str, u32)> {
    text.match_indices(':').find_map(|(at, _)| {
        let (path, rest) = (&text[..at], &text[at + 1..]);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let line = rest[..digits].parse().ok()?;
        (!path.is_empty()).then_some((path, line))
    })
}

/// A path without the `./` that Ruby puts before relative ones.
pub(super) fn without_dot(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_the_start_of_a_text() {
        let table = [
            ("a/b.rb:12:in `x'", Some(("a/b.rb", 12))),
            (r"C:\a b\c.cs:7", Some((r"C:\a b\c.cs", 7))),
            ("a/b.rb", None),
            (":1", None),
            ("a:99999999999", None),
            ("a:", None),
        ];
        for (text, wanted) in table {
            assert_eq!(path_and_line(text), wanted, "{text}");
        }
    }
}
