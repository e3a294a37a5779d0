use super::*;

/// A fold as bots write it.
fn fold(title: &str, content: &str) -> String {
    format!(
        "<details>\n<summary>{title}</summary><blockquote>\n\n{content}\n\n</blockquote></details>\n"
    )
}

fn taken(body: &str) -> TakenApart {
    take_apart("R", body).unwrap_or_else(|| panic!("not taken apart: {body}"))
}

/// Section, path, lines and words of a finding.
type Told<'a> = (Section, &'a str, Option<(u64, u64)>, &'a str);

fn told(found: &TakenApart) -> Vec<Told<'_>> {
    let findings = found.findings.iter().map(|finding| {
        let lines = finding.line.map(|end| (finding.start.unwrap_or(end), end));
        let path = finding.path.as_deref().unwrap_or("");
        (finding.section, path, lines, finding.written.as_str())
    });
    findings.collect()
}

#[test]
fn findings_have_their_section_file_and_lines() {
    let two = "`3-9`: **Name it.**\n\nThe name says nothing.\n\n---\n\n`12`: _🛠️ Refactor_ | _🟡 Minor_\n\n**Drop it.**\n\nAlso applies to: 20-22";
    let one = "`7-7`: **Spell it.**";
    let body = format!(
        "**Actionable comments posted: 0**\n\n{}\n{}\n<!-- made by a bot -->",
        fold(
            "🧹 Nitpick comments (3)",
            &(fold("src/a.rs (2)", two) + &fold("docs/read me (draft).md (1)", one))
        ),
        fold("📜 Review details", "**Run ID**: 5")
    );
    let found = taken(&body);
    assert_eq!(
        told(&found),
        [
            (
                Section::Nitpick,
                "src/a.rs",
                Some((3, 9)),
                "**Name it.**\n\nThe name says nothing."
            ),
            (
                Section::Nitpick,
                "src/a.rs",
                Some((12, 12)),
                "_🛠️ Refactor_ | _🟡 Minor_\n\n**Drop it.**\n\nAlso applies to: 20-22"
            ),
            (
                Section::Nitpick,
                "docs/read me (draft).md",
                Some((7, 7)),
                "**Spell it.**"
            ),
        ]
    );
    assert_eq!((found.rest.as_str(), found.unread), ("", 0));
    assert_eq!(found.findings[1].id, "R#2");
}

#[test]
fn titles_name_sections() {
    let cases = [
        (
            "⚠️ Outside diff range comments (2)",
            Some((Section::OutsideDiff, 2)),
        ),
        ("🧹 Nitpick comments (1)", Some((Section::Nitpick, 1))),
        ("♻️ Duplicate comments (12)", Some((Section::Duplicate, 12))),
        (
            "🛑 Comments failed to post (4)",
            Some((Section::FailedToPost, 4)),
        ),
        ("🟠 Major comments (3)", Some((Section::Major, 3))),
        (
            "Comments suppressed due to low confidence (1)",
            Some((Section::LowConfidence, 1)),
        ),
        (
            "Outside diff range and nitpick comments (5)",
            Some((Section::Other, 5)),
        ),
        ("Unheard-of comments (1)", Some((Section::Other, 1))),
        ("🔇 Additional comments (9)", None),
        ("src/comments (2)", None),
        ("📒 Files selected for processing (3)", None),
        ("Nitpick comments", None),
        ("Nitpick comments (many)", None),
    ];
    for (title, expected) in cases {
        assert_eq!(titled(title), expected, "{title}");
    }
}

#[test]
fn lines_name_places() {
    let cases = [
        (
            "`12-15`: **x**",
            Before::Rule,
            Some((None, 12, 15, "**x**")),
        ),
        ("`12`: x", Before::Nothing, Some((None, 12, 12, "x"))),
        ("12-15: _x_", Before::Rule, Some((None, 12, 15, "_x_"))),
        (
            "Line range hint `4-5`: x",
            Before::Rule,
            Some((None, 4, 5, "x")),
        ),
        (
            "**src/a.rs:42-45**: x",
            Before::Words,
            Some((Some("src/a.rs"), 42, 45, "x")),
        ),
        (
            "**src/a.rs:42**\n",
            Before::Words,
            Some((Some("src/a.rs"), 42, 42, "\n")),
        ),
        // Words of a finding, not the next one.
        ("`12-15`: x", Before::Words, None),
        ("12: x", Before::Nothing, None),
        ("`code`: x", Before::Rule, None),
        ("`12` x", Before::Rule, None),
        ("**Note:12 things**", Before::Words, None),
        ("`99999999999999999999`: x", Before::Rule, None),
    ];
    for (line, before, expected) in cases {
        let found = place(line, before);
        let found = found.map(|at| (at.path, at.start, at.end, &line[at.words_at..]));
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn a_quoted_section_is_read_and_its_alert_is_not() {
    let section = fold(
        "⚠️ Outside diff range comments (1)",
        &fold(
            "src/b.rs (1)",
            "`1-2`: **Check it.**\n\n> as the guide says",
        ),
    );
    let quoted: String = section.lines().map(|line| format!("> {line}\n")).collect();
    let body = format!(
        "**Actionable comments posted: 2**\n\n> [!CAUTION]\n> Some are elsewhere.\n> \n{quoted}\n> A quotation\n> stays.\n"
    );
    let found = taken(&body);
    assert_eq!(
        told(&found),
        [(
            Section::OutsideDiff,
            "src/b.rs",
            Some((1, 2)),
            "**Check it.**\n\n> as the guide says"
        )]
    );
    assert_eq!(found.rest, "> A quotation\n> stays.");
}

#[test]
fn code_and_folds_inside_of_a_finding_are_its_own() {
    let content = "`5`: **Bind it.**\n\n```text\n---\n\n`9`: not a finding\n</details>\n```\n\n<details>\n<summary>🤖 Prompt for AI Agents</summary>\n\n`8`: neither\n\n</details>";
    let found = taken(&fold(
        "🧹 Nitpick comments (1)",
        &fold("src/a.rs (1)", content),
    ));
    assert_eq!(found.findings.len(), 1, "{found:?}");
    let words = &found.findings[0].written;
    assert!(
        words.contains("not a finding") && words.contains("neither"),
        "{words}"
    );
    assert_eq!(found.unread, 0);
}

#[test]
fn what_is_said_besides_is_kept() {
    let nitpick = fold("🧹 Nitpick comments (1)", &fold("a.rs (1)", "`1`: x"));
    let body = format!(
        "Thanks for the tests!\n\n{nitpick}\n{}{}---\n",
        fold(
            "🔇 Additional comments (2)",
            &fold("b.rs (2)", "`1`: fine\n\n---\n\n`2`: fine")
        ),
        fold("🪄 Autofix (Beta)", "- [ ] push"),
    );
    let found = taken(&body);
    assert_eq!(found.findings.len(), 1);
    assert!(
        found.rest.starts_with("Thanks for the tests!")
            && found.rest.contains("[+ 🔇 Additional comments (2) (")
            && !found.rest.contains("Autofix"),
        "{}",
        found.rest
    );
}

#[test]
fn what_is_built_otherwise_is_not_lost() {
    // Titles with the lines, sections in the details of the run, no files, no lines.
    let body = [
        fold(
            "🟡 Minor comments (1)",
            &fold("src/a.rs-8-9 (1)", "`8-9`: x"),
        ),
        fold(
            "📜 Review details",
            &fold("♻️ Duplicate comments (1)", &fold("src/c.rs (1)", "words")),
        ),
        fold(
            "Comments suppressed due to low confidence (2)",
            "**src/d.rs:4**\n* Off by one.\n\n**src/e.rs:1-2**: Unused.",
        ),
        fold("🛑 Comments failed to post (3)", "The list is too long."),
    ];
    let found = taken(&body.concat());
    assert_eq!(
        told(&found),
        [
            (Section::Minor, "src/a.rs", Some((8, 9)), "x"),
            (Section::Duplicate, "src/c.rs", None, "words"),
            (
                Section::LowConfidence,
                "src/d.rs",
                Some((4, 4)),
                "* Off by one."
            ),
            (Section::LowConfidence, "src/e.rs", Some((1, 2)), "Unused."),
            (Section::FailedToPost, "", None, "The list is too long."),
        ]
    );
    assert_eq!(found.unread, 2);
}

#[test]
fn other_bodies_stay_whole() {
    for body in [
        "",
        "Please rebase.",
        "## Overview\n<details><summary>Files</summary>\n| a | b |\n</details>",
        "<details><summary>Nitpick comments (1)</summary></details>",
    ] {
        assert_eq!(take_apart("R", body), None, "{body}");
    }
    let only_threads = taken("**Actionable comments posted: 3**\n\n<!-- bot -->");
    assert_eq!(only_threads, TakenApart::default());
}

#[test]
fn findings_are_bounded_and_malice_costs_little() {
    let many: String = (1..=150)
        .map(|line| format!("`{line}`: x\n\n---\n\n"))
        .collect();
    let found = taken(&fold(
        "🧹 Nitpick comments (150)",
        &fold("a.rs (150)", &many),
    ));
    assert_eq!((found.findings.len(), found.unread), (FINDINGS_MAX, 50));
    let start = std::time::Instant::now();
    for part in [
        "<details>",
        "<details><summary>Nitpick comments (1)</summary>",
        "<details><summary>a (1)</summary>",
        "<!-- ",
        "<",
        "```\n",
        "> <details>\n",
        "`1`: x\n\n",
        "---\n",
    ] {
        take_apart("R", &part.repeat(65_536 / part.len()));
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(3));
}
