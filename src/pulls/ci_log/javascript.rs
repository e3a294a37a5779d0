//! What the parsers of JavaScript tools share: places in code, regular expressions, commands.

/// `file:line:column` or `file:line`, as compilers and stack traces write it.
pub(super) fn place(text: &str) -> Option<(&str, u32)> {
    let (rest, last) = text.rsplit_once(':')?;
    let last = last.parse().ok()?;
    let (file, line) = match rest.rsplit_once(':') {
        Some((file, line)) => line.parse().map_or((rest, last), |line| (file, line)),
        None => (rest, last),
    };
    let file = file.strip_prefix("file://").unwrap_or(file);
    (!file.is_empty()).then_some((file, line))
}

/// The place of one line of a JavaScript stack trace, if it is in the project's own code:
/// `at f (file:line:column)`, `at async file:line:column` (V8), `❯ f file:line:column` (vitest).
pub(super) fn own_frame(line: &str) -> Option<(&str, u32)> {
    let line = line.trim();
    let frame = line
        .strip_prefix("at ")
        .or_else(|| line.strip_prefix("❯ "))?;
    let place_text = match frame.strip_suffix(')') {
        Some(frame) => frame.rsplit_once(" (").map_or(frame, |(_, place)| place),
        None if line.starts_with('a') => frame.strip_prefix("async ").unwrap_or(frame),
        // A function's name has no blanks here but the file's may have: `❯ name a.js:1:2`.
        None => frame.rsplit_once(' ').map_or(frame, |(_, place)| place),
    };
    let (file, line) = place(place_text)?;
    // Cypress: `webpack://name/./cypress/e2e/a.cy.js`, `http://…/__cypress/tests?p=cypress/…`.
    let file = match file.split_once("://") {
        Some((_, url)) => url.split_once("/./").or_else(|| url.split_once("?p="))?.1,
        None => file,
    };
    let foreign = file.starts_with("node:")
        || file.starts_with("internal/")
        || file.starts_with('<')
        || file.contains("node_modules/")
        || file.contains("node_modules\\");
    (!foreign).then_some((file, line))
}

/// A path as it is written on all systems: with what Windows writes, tools find nothing, and the legs of a
/// matrix would fail in different files.
pub(super) fn slashed(path: &str) -> String {
    path.replace('\\', "/")
}

/// A regular expression (JavaScript) that matches `text` literally.
pub(super) fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\^$.*+?()[]{}|/".contains(letter) && letter != '/' {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// Does this line show that a runner (GitHub, npm, pnpm, yarn) starts a command that names `tool`?
pub(super) fn starts_command(line: &str, tool: &str) -> bool {
    let command = ["> ", "$ ", "##[group]Run "]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix));
    command.is_some_and(|command| command.contains(tool))
}

/// The error of Node's `assert` and of `expect` in one line: `first`, and of the lines after it
/// those that tell the values, as `2 !== 3`, `Expected: 3`, `Received: 2`.
pub(super) fn with_values<'a>(first: &str, rest: impl Iterator<Item = &'a str>) -> String {
    // `expect(received).toBe(expected) // Object.is equality`
    let mut error = first
        .split(" // ")
        .next()
        .unwrap_or(first)
        .trim()
        .to_owned();
    let mut told = 0;
    for line in rest.take(24).map(str::trim).filter(|line| !line.is_empty()) {
        let is_value = if first.ends_with(':') {
            [" !== ", " != ", " == ", " === "]
                .iter()
                .any(|sign| line.contains(sign))
        } else {
            let label = line.split_once(':').map_or("", |(label, _)| label);
            first.contains("expect(")
                && (label.starts_with("Expected") || label.starts_with("Received"))
        };
        if is_value && told < 2 {
            error.push_str(if error.ends_with(':') {
                " "
            } else if told == 0 {
                ": "
            } else {
                ", "
            });
            error.push_str(line);
            told += 1;
        }
        if first.ends_with(':') {
            break;
        }
    }
    error
}

/// Does a line begin as `SyntaxError: …` or `Error [ERR_X]: …` does?
pub(super) fn is_error(line: &str) -> bool {
    let class = line.split([':', ' ']).next().unwrap_or_default();
    class.ends_with("Error") && line.len() > class.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_from_the_ends_of_lines() {
        assert_eq!(place("a b.js:3:4"), Some(("a b.js", 3)));
        assert_eq!(place(r"C:\x.js:3"), Some((r"C:\x.js", 3)));
        assert_eq!(place("file:///x/a.mjs:3:4"), Some(("/x/a.mjs", 3)));
        assert_eq!(place("x:y"), None);
        assert_eq!(place(":3:4"), None);
    }

    #[test]
    fn only_own_frames_count() {
        assert_eq!(
            own_frame("  at Object.x [as y] (a/b.js:1:2)"),
            Some(("a/b.js", 1))
        );
        assert_eq!(
            own_frame("at async file:///x/a.mjs:3:4"),
            Some(("/x/a.mjs", 3))
        );
        assert_eq!(
            own_frame(" ❯ Timeout._onTimeout a.js:7:28"),
            Some(("a.js", 7))
        );
        assert_eq!(
            own_frame("at Context.eval (webpack://shop/./a/b.cy.js:9:22)"),
            Some(("a/b.cy.js", 9))
        );
        for foreign in [
            "at x (http://localhost/__cypress/runner/cypress_runner.js:1:2)",
            "at x (node_modules/a/b.js:1:2)",
            "at process (node:internal/timers:483:21)",
            "at Array.map (<anonymous>)",
            "at",
            "say at a.js:1:2",
        ] {
            assert_eq!(own_frame(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn values_are_added_to_the_error() {
        let lines = ["", "Expected: 3", "Received: 2", "x"];
        let error = with_values(
            "expect(received).toBe(expected) // Object.is equality",
            lines.into_iter(),
        );
        assert_eq!(
            error,
            "expect(received).toBe(expected): Expected: 3, Received: 2"
        );
        let error = with_values(
            "Error: Expected values to be strictly equal:",
            ["", "2 !== 3"].into_iter(),
        );
        assert_eq!(
            error,
            "Error: Expected values to be strictly equal: 2 !== 3"
        );
        let error = with_values(
            "Error: strictly deep-equal:",
            ["+ actual - expected", "1 !== 2"].into_iter(),
        );
        assert_eq!(error, "Error: strictly deep-equal:");
    }
}
