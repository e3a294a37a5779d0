//! `.env` in the working directory: `NAME=value` lines, comments, quotes.

use std::collections::HashMap;
use std::path::Path;

use crate::domain::ApiError;

/// Reads the file; a missing one is empty.
pub fn read_dotenv(path: &Path) -> Result<HashMap<String, String>, ApiError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => {
            return Err(ApiError::invalid(
                format!("{} cannot be read: {error}", path.display()),
                "make it readable, or remove it",
            ));
        }
    };
    parse(&text)
}

fn parse(text: &str) -> Result<HashMap<String, String>, ApiError> {
    let mut values = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(ApiError::invalid(
                format!(".env, line {}: there is no '='", index + 1),
                "write NAME=value, and # before comments",
            ));
        };
        values.insert(name.trim().to_owned(), unquote(value.trim()).to_owned());
    }
    Ok(values)
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, _)) = rest.split_once(quote)
        {
            return inner;
        }
    }
    // A comment after an unquoted value needs a space before it: `#` is allowed in values.
    value
        .split_once(" #")
        .map_or(value, |(value, _)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_quotes_and_comments() {
        let text = "# c\nA=1\nexport B = \"x # y\" # z\nC='q'\nD=a#b # c\nE=\n";
        let values = parse(text).unwrap();
        let get = |name: &str| values[name].as_str();
        assert_eq!((get("A"), get("B"), get("C")), ("1", "x # y", "q"));
        assert_eq!((get("D"), get("E")), ("a#b", ""));
        assert!(parse("nonsense").unwrap_err().message.contains("line 1"));
    }
}
