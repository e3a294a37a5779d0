use serde_json::Value;

use super::*;

fn file(path: &str, additions: u64) -> ChangedFile {
    ChangedFile {
        filename: path.to_owned(),
        status: FileStatus::Modified,
        previous_filename: None,
        additions,
        deletions: 1,
        patch: None,
    }
}

#[test]
fn files_are_grouped_by_what_they_are_for() {
    let files = [
        file("src/a.rs", 5),
        file("src/b.rs", 50),
        file("tool.py", 2),
        file("Cargo.lock", 200),
        file("api/user.pb.go", 300),
    ];
    let areas = areas_of(&files);
    let told: Vec<_> = areas
        .iter()
        .map(|area| (area.category, area.language, area.count))
        .collect();
    assert_eq!(
        told,
        [
            (Area::Generated, None, 1),
            (Area::Dependencies, None, 1),
            (Area::Backend, Some("Rust"), 2),
            (Area::Backend, Some("Python"), 1),
        ]
    );
    assert_eq!(areas[2].files, ["src/b.rs", "src/a.rs"]);
    let changes = changes(&files, 3);
    assert_eq!(
        (
            changes.code_lines,
            changes.generated_files,
            changes.additions
        ),
        (60, 2, 557)
    );
}

/// As much as one can put into an answer.
fn largest(quote: &str) -> PullImpact {
    let name = |number: usize| {
        let area = [
            "docs",
            "migrations",
            "tests",
            "vendor",
            "config",
            "src",
            ".github/workflows",
        ][number % 7];
        let extension = [
            "rs", "py", "ts", "go", "java", "js", "rb", "kt", "c", "cpp", "cs", "php", "swift",
        ][number % 13];
        format!("{}/{area}/{number}.{extension}", quote.repeat(30))
    };
    let files: Vec<ChangedFile> = (0..300).map(|number| file(&name(number), 10)).collect();
    let unowned: Vec<&str> = files.iter().map(|file| &*file.filename).collect();
    let change = |number: usize| DependencyChange {
        name: format!("{number}{}", quote.repeat(45)),
        from: None,
        to: Some("1".to_owned()),
        manifest: quote.repeat(45),
        vulnerabilities: Some((0..9).map(|one| format!("high {one}")).collect()),
    };
    let dependencies: Vec<DependencyChange> = (0..60).map(change).collect();
    let pull = |number: u64| {
        let place = |line: usize| overlap::Place {
            path: quote.repeat(3_000),
            lines: [line, line],
            their_lines: [line, line],
        };
        OverlappingPull {
            pr: number,
            title: quote.repeat(200),
            author: "a".repeat(39),
            draft: true,
            overlap: overlap::Nearness::Lines,
            paths: (0..15)
                .map(|path| format!("{path}{}", quote.repeat(3_000)))
                .collect(),
            more_paths: 0,
            places: (0..7).map(place).collect(),
            more_places: 0,
            claimant: None,
        }
        .short()
    };
    let reviewer = |number: usize| {
        short_words(Reviewer {
            username: format!("{number}{}", quote.repeat(1_000)),
            reason: quote.repeat(1_000),
            owns_files: 1,
            recent_commits: 1,
        })
    };
    PullImpact {
        pr: format!("{}/{}#2", "o".repeat(39), "r".repeat(100)),
        head_sha: "abc".to_owned(),
        fetched_at: Timestamp::MAX,
        changes: changes(&files, 3),
        impact_areas: areas_of(&files),
        risk: risk::assess(&files, &unowned, &dependencies),
        dependencies,
        dependency_source: Some(DependencySource::DependencyGraph),
        has_code_owners: Some(true),
        unowned_files: unowned
            .iter()
            .map(|path| short(path, PATH_BYTES_MAX))
            .collect(),
        suggested_reviewers: Some((0..6).map(reviewer).collect()),
        overlapping_prs: Some((0..20).map(pull).collect()),
        linked_issues: (0..10)
            .map(|number| format!("{}/{}#{number}", "o".repeat(39), "r".repeat(100)))
            .collect(),
        breaking_changes_detected: Some(false),
        untrusted: UNTRUSTED,
        warnings: (0..20)
            .map(|number| {
                let reason = format!("{number}{}", quote.repeat(3_000));
                one_line(Warning::new("open_pull_requests", reason, "z"))
            })
            .collect(),
    }
}

/// All pages of it.
pub(in crate::pulls) fn largest_pages(letters: &str) -> Vec<String> {
    let pages = overflow::all_pages(&largest(letters), &Depth::Detailed.lengths().levels());
    pages.iter().map(Value::to_string).collect()
}

/// Every entry of all lists, with where it stands.
fn entries(page: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for name in [
        "unowned_files",
        "suggested_reviewers",
        "linked_issues",
        "warnings",
    ] {
        found.extend(list(&page[name]).iter().map(|one| format!("{name} {one}")));
    }
    for (owners, key, name) in [
        (&page["risk"]["factors"], "code", "evidence"),
        (&page["impact_areas"], "language", "files"),
        (&page["dependencies"], "name", "vulnerabilities"),
        (&page["overlapping_prs"], "pr", "paths"),
        (&page["overlapping_prs"], "pr", "places"),
    ] {
        for owner in list(owners) {
            let parts = list(&owner[name]);
            let parts = parts.iter();
            found.extend(parts.map(|one| format!("{name} {} {one}", owner[key])));
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn all_pages_of_the_largest_answer_are_small_and_have_every_entry_once() {
    for quote in ["ä", "\""] {
        let answer = largest(quote);
        let expected = entries(&serde_json::to_value(&answer).unwrap());
        for depth in [Depth::Summary, Depth::Detailed] {
            let pages = overflow::all_pages(&answer, &depth.lengths().levels());
            let mut told: Vec<String> = pages.iter().flat_map(entries).collect();
            told.sort_unstable();
            assert_eq!(told.len(), expected.len(), "{depth:?} {quote}");
            assert_eq!(told, expected, "{depth:?} {quote}");
            let first = &pages[0];
            assert!(first["risk"]["score"].is_number() && !pages[1]["pr"].is_null());
        }
    }
}

#[test]
fn the_first_page_says_how_much_is_left() {
    let pages = overflow::all_pages(&largest("a"), &Depth::Summary.lengths().levels());
    let first = &pages[0];
    for (list, more, all) in [
        ("dependencies", "more_dependencies", 60),
        ("unowned_files", "more_unowned_files", 300),
        ("overlapping_prs", "more_overlapping_prs", 20),
    ] {
        let shown = first[list].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(shown + first[more].as_u64().unwrap(), all, "{first}");
    }
}

#[test]
fn manifests_that_are_not_read_are_named() {
    let told = |answer, paths: &[&str]| {
        let files: Vec<ChangedFile> = paths.iter().map(|path| file(path, 1)).collect();
        let mut warnings = Vec::new();
        taken(Some(answer), &files, &mut warnings);
        let mut unread = warnings
            .into_iter()
            .filter(|it| it.source == "dependencies");
        unread.next().map(|warning| warning.reason)
    };
    let gone = || Err(GhError::NotFound("o/r".to_owned()));
    let paths = [
        "src/a.rs",
        "pyproject.toml",
        "go.sum",
        "app/pom.xml",
        "Gemfile",
    ];
    let reason = "dependencies in app/pom.xml, Gemfile were not read";
    assert_eq!(told(gone(), &paths).as_deref(), Some(reason));
    assert_eq!(told(gone(), &paths[..3]), None);
    assert_eq!(told(Ok(Vec::new()), &paths), None, "the graph reads them");
}

#[test]
fn files_without_their_lines_are_named() {
    let with_lines = ChangedFile {
        patch: Some("@@ -1 +1 @@\n+a".to_owned()),
        ..file("src/a.rs", 1)
    };
    assert_eq!(lines_unknown(std::slice::from_ref(&with_lines)), None);
    let long = format!("{}.bin", "x".repeat(300));
    let files = [
        with_lines,
        file("logo.png", 0),
        file(&long, 9_000),
        file("c", 1),
        file("d", 1),
        file("e", 1),
    ];
    let told = lines_unknown(&files).unwrap();
    let cut = "x".repeat(LACKING_BYTES_MAX);
    assert_eq!(
        told.reason,
        format!(
            "no lines came of logo.png, {cut}, c and 2 more: binary, too large, empty or only another mode"
        )
    );
    assert!(told.reason.len() <= REASON_BYTES_MAX, "{}", told.reason);
}
