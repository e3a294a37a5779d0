//! Lines of code told apart from comments and the insides of strings, so that a word in a comment
//! is not taken for a call. It reads hunks, not files: what is open when a hunk begins is guessed.

/// One line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CodeLine {
    /// The code with the insides of strings left out.
    pub code: String,
    /// The code with its strings.
    pub with_strings: String,
    /// The comment.
    pub comment: String,
}

/// How a language writes comments and strings.
#[derive(Clone, Copy, Debug)]
struct Syntax {
    /// Begins a comment up to the end of the line.
    line: &'static [&'static str],
    /// Begins and ends a comment.
    block: Option<(&'static str, &'static str)>,
    /// Begin strings that may go over several lines; the same text ends them.
    long: &'static [&'static str],
    /// Begin and end strings of one line.
    short: &'static [char],
}

const C_LIKE: Syntax = Syntax {
    line: &["//"],
    block: Some(("/*", "*/")),
    long: &["`"],
    short: &['"', '\''],
};
const RUST: Syntax = Syntax {
    long: &["\""],
    short: &[],
    ..C_LIKE
};
const PYTHON: Syntax = Syntax {
    line: &["#"],
    block: None,
    long: &["\"\"\"", "'''"],
    short: &['"', '\''],
};
const HASH: Syntax = Syntax {
    long: &[],
    ..PYTHON
};
const SQL: Syntax = Syntax {
    line: &["--"],
    block: Some(("/*", "*/")),
    long: &[],
    short: &['\''],
};
const MARKUP: Syntax = Syntax {
    line: &[],
    block: Some(("<!--", "-->")),
    long: &[],
    short: &['"'],
};

/// Reads the lines of one side of a hunk in their order.
pub(super) struct CodeReader {
    syntax: Syntax,
    is_rust: bool,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
enum Open {
    Comment(&'static str),
    Text(&'static str),
}

impl CodeReader {
    /// For a file at this path.
    pub(super) fn of(path: &str) -> Self {
        let extension = path
            .rsplit(['.', '/'])
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let syntax = match &*extension {
            "rs" => RUST,
            "py" | "pyi" => PYTHON,
            "rb" | "sh" | "bash" | "zsh" | "yml" | "yaml" | "toml" | "ex" | "exs" | "pl" | "r"
            | "jl" | "tf" | "dockerfile" | "makefile" | "cfg" | "ini" | "env" | "txt" => HASH,
            "sql" | "lua" | "hs" => SQL,
            "html" | "vue" | "svelte" | "xml" | "md" => MARKUP,
            _ => C_LIKE,
        };
        Self {
            syntax,
            is_rust: extension == "rs",
            open: None,
        }
    }

    /// Takes the next line apart.
    pub(super) fn line(&mut self, text: &str) -> CodeLine {
        let mut line = CodeLine::default();
        // The hunk began within a comment of which every line has its star.
        let has_star =
            self.syntax.block.is_some_and(|(begin, _)| begin == "/*") && is_starred(text);
        if self.open.is_none() && has_star {
            line.comment.push_str(text);
            return line;
        }
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = match self.open {
                Some(Open::Comment(end)) => self.close(rest, end, &mut line.comment),
                Some(Open::Text(end)) => {
                    let before = rest;
                    let rest = self.text(rest, end);
                    line.with_strings
                        .push_str(&before[..before.len() - rest.len()]);
                    if self.open.is_none() {
                        line.code.push('"');
                    }
                    rest
                }
                None => self.code(rest, first, &mut line),
            };
        }
        line
    }

    /// Up to the end of what is open, or of the line.
    fn close<'a>(&mut self, rest: &'a str, end: &str, into: &mut String) -> &'a str {
        let length = rest.find(end).map(|at| at + end.len());
        let (taken, rest) = rest.split_at(length.unwrap_or(rest.len()));
        into.push_str(taken);
        if length.is_some() {
            self.open = None;
        }
        rest
    }

    /// Up to the end of a string of several lines, or of the line.
    fn text<'a>(&mut self, rest: &'a str, end: &str) -> &'a str {
        let mut place = 0;
        while let Some(first) = rest[place..].chars().next() {
            if first == '\\' {
                let escaped = rest[place + 1..].chars().next().map_or(0, char::len_utf8);
                place += 1 + escaped;
            } else if rest[place..].starts_with(end) {
                self.open = None;
                return &rest[place + end.len()..];
            } else {
                place += first.len_utf8();
            }
        }
        ""
    }

    /// One step in code.
    fn code<'a>(&mut self, rest: &'a str, first: char, line: &mut CodeLine) -> &'a str {
        let syntax = self.syntax;
        if syntax.line.iter().any(|mark| rest.starts_with(mark)) {
            line.comment.push_str(rest);
            return "";
        }
        if let Some((begin, end)) = syntax.block
            && let Some(after) = rest.strip_prefix(begin)
        {
            self.open = Some(Open::Comment(end));
            return after;
        }
        if let Some(mark) = syntax.long.iter().find(|mark| rest.starts_with(**mark)) {
            self.open = Some(Open::Text(mark));
            line.code.push('"');
            line.with_strings.push_str(mark);
            return &rest[mark.len()..];
        }
        let is_short =
            syntax.short.contains(&first) || (self.is_rust && first == '\'' && is_letter(rest));
        if is_short {
            let inner = &rest[1..];
            let length = end_of_text(inner, first);
            line.code.push(first);
            line.code.push(first);
            line.with_strings.push_str(&rest[..1 + length]);
            return &inner[length..];
        }
        line.code.push(first);
        line.with_strings.push(first);
        &rest[first.len_utf8()..]
    }
}

/// Whether a quote begins a character of Rust and not a lifetime.
fn is_letter(rest: &str) -> bool {
    let mut letters = rest.chars().skip(1);
    match (letters.next(), letters.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(second)) => second == '\'',
        _ => false,
    }
}

/// Bytes up to and including the quote that ends a string; without one, to the end.
fn end_of_text(inner: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    inner.len()
}

/// ` * words` and ` */`: no expression begins so.
fn is_starred(text: &str) -> bool {
    let text = text.trim_start();
    text == "*" || text.starts_with("* ") || text.starts_with("*/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_told_from_code() {
        let table = [
            (
                "a.rs",
                "x.unwrap(); // unwrap() is fine",
                "x.unwrap(); ",
                "// unwrap() is fine",
            ),
            ("a.rs", "let s = \"a.unwrap() // no\";", "let s = \"\";", ""),
            (
                "a.rs",
                "fn f<'a>(x: &'a str) -> char { '\"' }",
                "fn f<'a>(x: &'a str) -> char { '' }",
                "",
            ),
            ("a.rs", " * eval( in a comment", "", " * eval( in a comment"),
            ("a.rs", "    *count += 1;", "    *count += 1;", ""),
            ("a.py", "eval(x)  # eval", "eval(x)  ", "# eval"),
            ("a.py", "s = 'it\\'s # no' + y", "s = '' + y", ""),
            ("a.js", "f(`a ${x}`) /* b */ + 1", "f(\"\")  + 1", " b */"),
            ("a.sql", "drop table x; -- why", "drop table x; ", "-- why"),
            ("a.yml", "- uses: a/b@v1 # v1", "- uses: a/b@v1 ", "# v1"),
            ("a.go", "x := \"ä\" // é", "x := \"\" ", "// é"),
        ];
        for (path, text, code, comment) in table {
            let line = CodeReader::of(path).line(text);
            assert_eq!((&*line.code, &*line.comment), (code, comment), "{text}");
        }
    }

    #[test]
    fn what_is_open_goes_on_in_the_next_line() {
        let mut reader = CodeReader::of("a.rs");
        assert_eq!(reader.line("a /* b").code, "a ");
        assert_eq!(reader.line("c.unwrap()").code, "");
        assert_eq!(reader.line("d */ e").code, " e");
        assert_eq!(reader.line("let s = \"x").code, "let s = \"");
        assert_eq!(reader.line("y\\\" .unwrap()\" + z").code, "\" + z");
        let mut reader = CodeReader::of("a.py");
        assert_eq!(reader.line("\"\"\"Doc").code, "\"");
        assert_eq!(reader.line("eval(x)").code, "");
        assert_eq!(reader.line("\"\"\"; y").code, "\"; y");
    }
}
