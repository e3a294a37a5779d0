//! Which sections of a description are as the template has them.

/// Most sections that are compared.
const SECTIONS_MAX: usize = 30;

/// Titles of the template's sections that the description left as they are or left empty. Without
/// a template, or with a description that follows none of them, nothing.
pub(super) fn untouched(description: &str, templates: &[String]) -> Vec<String> {
    let written = sections(description);
    let known = |section: &&(String, String)| written.iter().any(|(title, _)| *title == section.0);
    // Of several templates, the one that was used.
    let used = templates
        .iter()
        .map(|template| sections(template))
        .max_by_key(|sections| sections.iter().filter(known).count());
    let Some(used) = used else {
        return Vec::new();
    };
    let left = used.iter().filter(|(title, given)| {
        let mut same = written.iter().filter(|(written, _)| written == title);
        same.any(|(_, words)| words.is_empty() || words == given)
    });
    left.map(|(title, _)| title.clone()).collect()
}

/// Headings with what stands below each, without comments and empty lines.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    let visible = without_comments(text);
    for line in visible
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if (1..=6).contains(&level) && title.starts_with(' ') {
            if sections.len() == SECTIONS_MAX {
                break;
            }
            let title = title.trim().trim_end_matches('#').trim_end();
            sections.push((title.to_owned(), String::new()));
        } else if let Some((_, words)) = sections.last_mut() {
            words.push_str(line);
            words.push('\n');
        }
    }
    sections
}

fn without_comments(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        visible.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    visible.push_str(rest);
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "## What\n<!-- say what -->\n\n## How tested\n- [ ] unit tests\n- [ ] by hand\n\n## Risks\nNone known\n";

    #[test]
    fn sections_without_words_of_their_own_are_told() {
        let templates = [TEMPLATE.to_owned()];
        let table = [
            (
                "## What\nBinds ids\r\n\r\n## How tested\n- [x] unit tests\n- [ ] by hand\n## Risks\nSmall",
                &[][..],
            ),
            (TEMPLATE, &["What", "How tested", "Risks"]),
            ("## What\n<!-- say what -->\n## Risks\nBig", &["What"]),
            ("Just words", &[]),
            ("", &[]),
        ];
        for (description, expected) in table {
            assert_eq!(
                untouched(description, &templates),
                expected,
                "{description}"
            );
        }
        assert!(untouched(TEMPLATE, &[]).is_empty());
        let several = ["## Bug\nx".to_owned(), TEMPLATE.to_owned()];
        assert_eq!(untouched("## Risks\nNone known", &several), ["Risks"]);
    }
}
