//! Places in files, as compilers and test frameworks write them: `path:line[:column]`.

/// A place and the text behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub line: u32,
    /// Whether a column follows the line.
    pub has_column: bool,
    /// What follows the place and its colon, without leading blanks.
    pub rest: &'a str,
}

/// The place a text begins with: `src/a.c:3:7: error: …`, `a_test.go:4: …`, `src/lib.rs:3:7`. A
/// Windows drive (`C:\a.c:3`) is part of the path.
pub(super) fn leading(text: &str) -> Option<Place<'_>> {
    for (colon, _) in text.match_indices(':') {
        let Some((line, rest)) = number(&text[colon + 1..]) else {
            continue;
        };
        let file = &text[..colon];
        if file.is_empty() || line == 0 {
            return None;
        }
        if rest.is_empty() {
            return Some(Place {
                file,
                line,
                has_column: false,
                rest,
            });
        }
        // `a.rs:12abc` is no line number.
        let rest = rest.strip_prefix(':')?;
        let behind_column = number(rest).and_then(|(_, rest)| match rest {
            "" => Some(""),
            rest => rest.strip_prefix(':'),
        });
        let has_column = behind_column.is_some();
        let rest = behind_column.unwrap_or(rest).trim_start();
        return Some(Place {
            file,
            line,
            has_column,
            rest,
        });
    }
    None
}

/// The number a text begins with, and what follows it.
pub(super) fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    digits.parse().ok().map(|number| (number, rest))
}

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
    fn places_are_read_with_and_without_columns() {
        let table = [
            ("src/a.c:3:7: error: x", Some(("src/a.c", 3, "error: x"))),
            ("a_test.go:4: got 1", Some(("a_test.go", 4, "got 1"))),
            ("a_test.go:4: 5: six", Some(("a_test.go", 4, "5: six"))),
            ("src/lib.rs:3:7", Some(("src/lib.rs", 3, ""))),
            (r"C:\a b\x.c:3:7: e", Some((r"C:\a b\x.c", 3, "e"))),
            ("no place: here", None),
            (":3: x", None),
            ("x:99999999999: y", None),
        ];
        for (text, wanted) in table {
            let found = leading(text).map(|place| (place.file, place.line, place.rest));
            assert_eq!(found, wanted, "{text}");
        }
    }

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
