//! Places in logs of Python tools and in tracebacks.

/// `PATH:LINE` or `PATH:LINE:rest` at the start of a line: path, line and rest.
pub(super) fn path_line(text: &str) -> Option<(&str, u32, &str)> {
    if text.starts_with([' ', '\t']) {
        return None;
    }
    let mut from = 0;
    while let Some(found) = text[from..].find(':') {
        let colon = from + found;
        let after = &text[colon + 1..];
        let (line, rest) = number(after);
        // The first colon of `C:\a.py:3` or of `std::a` is not followed by a number.
        if !line.is_empty() && (rest.is_empty() || rest.starts_with(':')) {
            let path = &text[..colon];
            let rest = rest.strip_prefix(':').unwrap_or(rest);
            return (!path.is_empty()).then_some((path, line.parse().ok()?, rest));
        }
        from = colon + 1;
    }
    None
}

/// A frame of a Python traceback: `File "PATH", line N, in NAME` (traceback.py) or
/// `File "PATH", line N in NAME` (faulthandler). Path, line and name.
pub(super) fn python_frame(text: &str) -> Option<(&str, u32, &str)> {
    // Tracebacks of exception groups are drawn as a tree.
    let text = text.trim_start_matches([' ', '|', '+']);
    let (path, rest) = text.strip_prefix("File \"")?.split_once("\", line ")?;
    let (line, rest) = number(rest);
    let name = rest.trim_start_matches(',').trim_start();
    let name = name.strip_prefix("in ").unwrap_or_default();
    Some((path, line.parse().ok()?, name.trim_end()))
}

/// The same, but only in the project's own code.
pub(super) fn own_python_frame(text: &str) -> Option<(&str, u32, &str)> {
    python_frame(text).filter(|(path, _, _)| !is_installed_python(path))
}

/// Whether a Python file belongs to an installed package or to Python itself.
pub(super) fn is_installed_python(path: &str) -> bool {
    let parts = [
        "site-packages/",
        "dist-packages/",
        "/lib/python",
        "/Lib/",
        "\\Lib\\",
    ];
    path.starts_with('<') || parts.iter().any(|part| path.contains(part))
}

fn number(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}
