//! The words by which a pull request closes an issue when it is merged.

use crate::domain::RepoName;

/// GitHub's closing keywords, in lower case.
const KEYWORDS: [&str; 9] = [
    "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
];

/// The body with `Closes #N` below it, unless it says so already.
pub(super) fn with_closing(body: &str, repo: &RepoName, host: &str, issue: u64) -> String {
    if closes(body, repo, host, issue) {
        return body.to_owned();
    }
    let keyword = format!("Closes #{issue}");
    let body = body.trim_end();
    if body.is_empty() {
        return keyword;
    }
    let below = format!("{body}\n\n{keyword}");
    if closes(&below, repo, host, issue) {
        return below;
    }
    // A code block or comment that was never closed would swallow it.
    format!("{keyword}\n\n{body}")
}

/// Whether the body has a closing keyword for this issue where GitHub reads it: not in code and
/// not in a comment.
pub(super) fn closes(body: &str, repo: &RepoName, host: &str, issue: u64) -> bool {
    let read = without_code(body).to_lowercase();
    let forms = [
        format!("#{issue}"),
        format!("gh-{issue}"),
        format!("{repo}#{issue}").to_lowercase(),
        format!("https://{host}/{repo}/issues/{issue}").to_lowercase(),
    ];
    let words: Vec<&str> = read.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let keyword = pair[0].trim_start_matches(|begin: char| !begin.is_alphanumeric());
        let keyword = keyword.strip_suffix(':').unwrap_or(keyword);
        KEYWORDS.contains(&keyword) && forms.iter().any(|form| begins_with(pair[1], form))
    })
}

/// Whether a word is this reference, with nothing but punctuation after it.
fn begins_with(word: &str, form: &str) -> bool {
    word.strip_prefix(form)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// Markdown without fenced blocks, HTML comments and code spans.
fn without_code(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut fence: Option<&str> = None;
    for line in body.lines() {
        let start = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                text.push_str(line);
                text.push('\n');
            }
            (Some(_), _) => {}
        }
    }
    if let Some(open) = text.rfind("<!--")
        && !text[open..].contains("-->")
    {
        text.truncate(open);
    }
    let text = without(&text, "<!--", "-->");
    without(&text, "`", "`")
}

/// The text without what stands between two marks.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((_, behind)) = after.split_once(close) else {
            break;
        };
        kept.push_str(before);
        kept.push(' ');
        rest = behind;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_added_once() {
        let repo: RepoName = "Acme/Api".parse().unwrap();
        let said = |body: &str| with_closing(body, &repo, "github.com", 12) == body;
        for body in [
            "Closes #12",
            "closes: #12.",
            "This FIXES #12, and more",
            "(resolves acme/api#12)",
            "**Fixed** #1\n\n- resolved GH-12",
            "close https://github.com/acme/api/issues/12",
            "a `b` c\n```\nx\n```\nfixes\n#12",
        ] {
            assert!(said(body), "{body}");
        }
        for body in [
            "",
            "Closes #123",
            "Closes #1",
            "encloses #12",
            "see #12",
            "Closes web#12",
            "Closes acme/web#12",
            "`Closes #12`",
            "```\nCloses #12\n```",
            "~~~md\nCloses #12\n~~~",
            "<!-- Closes #12 -->",
            "Closes #12a",
        ] {
            assert!(!said(body), "{body}");
        }
        let with = |body: &str| with_closing(body, &repo, "github.com", 12);
        assert_eq!(with(""), "Closes #12");
        assert_eq!(with("Why.\n\n"), "Why.\n\nCloses #12");
        assert_eq!(with("a\n```\nb"), "Closes #12\n\na\n```\nb");
        assert_eq!(with("a <!-- b"), "Closes #12\n\na <!-- b");
        assert_eq!(with("a ` b"), "a ` b\n\nCloses #12");
    }
}
