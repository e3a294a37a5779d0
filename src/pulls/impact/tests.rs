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

#[test]
fn the_answer_stays_small() {
    let files: Vec<ChangedFile> = (0..900)
        .map(|number| {
            let area = [
                "docs",
                "migrations",
                "tests",
                "vendor",
                "config",
                ".github/workflows",
            ][number % 6];
            let extension = ["rs", "py", "ts", "go", "java"][number % 5];
            file(
                &format!("{}/{area}/{number}.{extension}", "ä".repeat(300)),
                10,
            )
        })
        .collect();
    let unowned: Vec<&str> = files.iter().map(|file| &*file.filename).collect();
    let change = |number: usize| DependencyChange {
        name: format!("{number}{}", "n".repeat(90)),
        from: None,
        to: Some("1".to_owned()),
        manifest: "m".repeat(90),
        vulnerabilities: Some(vec!["high".to_owned()]),
    };
    let dependencies: Vec<DependencyChange> = (0..200).map(change).collect();
    let answer = PullImpact {
        pr: "acme/api#2".to_owned(),
        head_sha: "abc".to_owned(),
        fetched_at: Timestamp::UNIX_EPOCH,
        changes: changes(&files, 3),
        impact_areas: areas_of(&files),
        risk: risk::assess(&files, &unowned, &dependencies),
        dependencies,
        more_dependencies: 0,
        dependency_source: None,
        has_code_owners: Some(true),
        unowned_files: unowned
            .iter()
            .map(|path| short(path, PATH_BYTES_MAX))
            .collect(),
        more_unowned_files: 0,
        suggested_reviewers: None,
        overlapping_prs: None,
        more_overlapping_prs: 0,
        linked_issues: Vec::new(),
        breaking_changes_detected: None,
        untrusted: UNTRUSTED,
        warnings: vec![Warning::new("x", "y".repeat(160), "z"); 20],
    };
    for depth in [Depth::Summary, Depth::Detailed] {
        let fitted = answer.clone().fitted(depth.lengths());
        let bytes = serde_json::to_string(&fitted).unwrap().len();
        assert!(
            bytes <= crate::domain::limits::ANSWER_BYTES_MAX,
            "{bytes} bytes"
        );
        assert_eq!(fitted.dependencies.len() + fitted.more_dependencies, 200);
        assert_eq!(fitted.unowned_files.len() + fitted.more_unowned_files, 900);
    }
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
