//! The pieces that Markdown on GitHub is made of, as far as they decide what is read: fenced code,
//! folded sections, invisible comments. None of it costs more than the text is long, times the
//! depth of what is folded.
//!
//! Facts: <https://github.github.com/gfm/#html-blocks> (a comment that begins a line reaches to its
//! end wherever that is, or to the end of the text), <https://github.github.com/gfm/#raw-html> (within
//! words it is one only if it ends in the same paragraph) and
//! <https://github.github.com/gfm/#code-spans>.

use crate::domain::text;

/// A piece of Markdown.
pub(super) struct Part<'a> {
    /// Where it begins, in bytes.
    pub at: usize,
    pub text: &'a str,
    pub kind: Kind<'a>,
}

/// What a piece is.
pub(super) enum Kind<'a> {
    /// Words up to the end of a line, or up to a fold.
    Words,
    Fence,
    /// A fold, of which this is inside.
    Fold(&'a str),
}

/// A text without the comments that its page does not show. What opens none, as in code, is kept: a
/// person's words are not to be lost.
pub(super) fn visible(written: &str) -> String {
    let mut shown = String::with_capacity(written.len());
    let (mut at, mut paragraph_end, mut comment_end) = (0, 0, 0);
    let mut line = Line::default();
    let mut at_line_start = true;
    while at < written.len() {
        let rest = &written[at..];
        if at_line_start {
            line = Line::at(at, rest);
        }
        if at >= paragraph_end {
            paragraph_end = at + paragraph_length(rest);
        }
        let length = if at_line_start && let Some(block) = fenced(rest) {
            block.length
        } else if rest.starts_with('`') {
            code_length(&written[at..paragraph_end])
        } else if rest.starts_with("<!--") {
            // `<!-->` has an end, too.
            let inside = at + 2;
            if comment_end < inside {
                let end = written[inside..].find("-->");
                comment_end = end.map_or(usize::MAX, |end| inside + end);
            }
            let limit = if line.is_html {
                written.len()
            } else {
                paragraph_end
            };
            if comment_end < limit {
                at = comment_end + 3;
                at_line_start = false;
                continue;
            }
            if at == line.words_at {
                break;
            }
            4
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        shown.push_str(&rest[..length]);
        at_line_start = rest[..length].ends_with('\n');
        at += length;
    }
    shown
}

/// What a line is made of.
#[derive(Default)]
struct Line {
    /// Where its words begin; beyond all of it where that is code for its indentation.
    words_at: usize,
    /// Whether a tag or a comment begins it: the page takes what follows as it is.
    is_html: bool,
}

impl Line {
    fn at(at: usize, rest: &str) -> Self {
        let words = rest.trim_start_matches(' ');
        let indentation = rest.len() - words.len();
        let is_html = indentation <= 3 && words.starts_with('<');
        Self {
            words_at: if is_html {
                at + indentation
            } else {
                usize::MAX
            },
            is_html,
        }
    }
}

/// Up to the line that ends the paragraph that a text begins in: an empty one, a fence or a comment.
fn paragraph_length(text: &str) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        let ends = line.trim().is_empty()
            || fence_of(line).is_some()
            || line.trim_start().starts_with("<!--");
        if ends && length > 0 {
            break;
        }
        length += line.len();
    }
    length
}

/// The code in a line that a paragraph begins with, or the backticks alone that open none.
fn code_length(paragraph: &str) -> usize {
    let opening = paragraph.len() - paragraph.trim_start_matches('`').len();
    let mut at = opening;
    while let Some(next) = paragraph[at..].find('`') {
        at += next;
        let run = paragraph[at..].len() - paragraph[at..].trim_start_matches('`').len();
        at += run;
        if run == opening {
            return at;
        }
    }
    opening
}

/// A text in pieces. Its comments are to be taken out before: see [`visible`].
pub(super) fn parts(written: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut at = 0;
    let mut at_line_start = true;
    while at < written.len() {
        let rest = &written[at..];
        let (length, kind) = if at_line_start && let Some(block) = fenced(rest) {
            (block.length, Kind::Fence)
        } else if has_tag(rest, "<details") {
            let (inner, length) = section(rest);
            (length, Kind::Fold(inner))
        } else {
            (words_length(rest), Kind::Words)
        };
        let text = &rest[..length];
        at_line_start = text.ends_with('\n');
        parts.push(Part { at, text, kind });
        at += length;
    }
    parts
}

/// Up to the end of the line that a text begins with, or up to what begins inside of it.
fn words_length(rest: &str) -> usize {
    let line = rest.split_inclusive('\n').next().unwrap_or(rest);
    let tags = line.match_indices('<').map(|(place, _)| place);
    let mut tags = tags.filter(|place| *place > 0 && has_tag(&rest[*place..], "<details"));
    tags.next().unwrap_or(line.len())
}

/// A fenced block at the beginning of a text.
pub(super) struct Fenced<'a> {
    /// What follows the opening fence, as the name of a language.
    pub info: &'a str,
    pub content: &'a str,
    /// Bytes up to the end of the line that closes it.
    pub length: usize,
}

/// The fenced block that a text begins with.
pub(super) fn fenced(text: &str) -> Option<Fenced<'_>> {
    let (fence, count, after) = fence_of(text)?;
    let info_end = after.find('\n').unwrap_or(after.len());
    let info = after[..info_end].trim();
    if fence == '`' && info.contains('`') {
        return None;
    }
    let start = text.len() - after.len() + info_end;
    let start = (start + 1).min(text.len());
    let mut end = start;
    for line in text[start..].split_inclusive('\n') {
        let closing = fence_of(line).is_some_and(|(found, length, after)| {
            found == fence && length >= count && after.trim().is_empty()
        });
        if closing {
            return Some(Fenced {
                info,
                content: &text[start..end],
                length: end + line.len(),
            });
        }
        end += line.len();
    }
    Some(Fenced {
        info,
        content: &text[start..],
        length: text.len(),
    })
}

/// The fence that a line begins with: its character, its length, and what follows.
fn fence_of(line: &str) -> Option<(char, usize, &str)> {
    let bare = line.trim_start_matches(' ');
    let fence = bare.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let after = bare.trim_start_matches(fence);
    let count = bare.len() - after.len();
    (line.len() - bare.len() <= 3 && count >= 3).then_some((fence, count, after))
}

/// Whether a text begins with a tag, in letters of any size.
pub(super) fn has_tag(text: &str, tag: &str) -> bool {
    let Some(after) = text
        .get(..tag.len())
        .filter(|found| found.eq_ignore_ascii_case(tag))
        .map(|_| &text[tag.len()..])
    else {
        return false;
    };
    !after.starts_with(|next: char| next.is_ascii_alphanumeric())
}

/// What is inside of the `<details>` that a text begins with, and how long it is in all. Without
/// an end it reaches to the end of the text.
pub(super) fn section(text: &str) -> (&str, usize) {
    let start = text.find('>').map_or(text.len(), |end| end + 1);
    let mut depth = 0_usize;
    let mut place = start;
    let mut at_line_start = false;
    while let Some(first) = text[place..].chars().next() {
        let rest = &text[place..];
        if at_line_start && let Some(block) = fenced(rest) {
            place += block.length;
            continue;
        }
        at_line_start = first == '\n';
        if has_tag(rest, "<details") {
            depth += 1;
        } else if has_tag(rest, "</details") {
            if depth == 0 {
                let length = rest.find('>').map_or(rest.len(), |end| end + 1);
                return (&text[start..place], place + length);
            }
            depth -= 1;
        }
        place += first.len_utf8();
    }
    (&text[start..], text.len())
}

/// The title of a folded section, and what follows it.
pub(super) fn summary(inner: &str) -> (String, &str) {
    let trimmed = inner.trim_start();
    let parts = has_tag(trimmed, "<summary")
        .then(|| trimmed.split_once('>'))
        .flatten()
        .and_then(|(_, after)| after.split_once("</summary>"));
    let Some((title, content)) = parts else {
        return ("details".to_owned(), inner);
    };
    let mut bare = String::new();
    let mut in_tag = false;
    for character in title.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            _ if !in_tag => bare.push(character),
            _ => {}
        }
    }
    (text::one_line(bare.trim()), content)
}
