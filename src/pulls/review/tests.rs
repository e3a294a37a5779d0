use serde_json::json;

use super::*;
use crate::pulls::PullRequest;
use crate::pulls::files::FileStatus;

fn file(path: &str, additions: u64, patch: &str) -> ChangedFile {
    ChangedFile {
        filename: path.to_owned(),
        status: FileStatus::Modified,
        previous_filename: None,
        additions,
        deletions: 0,
        patch: Some(patch.to_owned()),
    }
}

fn order(files: Vec<ChangedFile>, focus: &[Focus]) -> Vec<String> {
    let looked = look(files, focus);
    looked
        .into_iter()
        .map(|looked| looked.file.filename)
        .collect()
}

#[test]
fn what_matters_most_comes_first() {
    let files = || {
        vec![
            file("vendor/a.rs", 900, ""),
            file("README.md", 5, ""),
            file("config/a.yaml", 5, ""),
            file("tests/a.rs", 5, ""),
            file("src/small.rs", 1, "@@ -1 +1 @@\n+a.unwrap();"),
            file("src/large.rs", 100, ""),
            file("tests/leak.rs", 1, "@@ -1 +1 @@\n+unsafe { f() }"),
            file("src/auth/a.rs", 1, ""),
            file("Cargo.lock", 900, ""),
        ]
    };
    let expected = [
        "src/auth/a.rs",
        "tests/leak.rs",
        "src/large.rs",
        "src/small.rs",
        "tests/a.rs",
        "config/a.yaml",
        "README.md",
        "Cargo.lock",
        "vendor/a.rs",
    ];
    assert_eq!(order(files(), &[]), expected);
    assert_eq!(order(files(), &[Focus::Errors])[0], "src/small.rs");
}

#[test]
fn the_first_page_leaves_room_for_files_and_shows_no_secret() {
    let secret = ["ghp_", &"a1".repeat(18)].concat();
    let long = format!("{secret} {}", "ö\u{202e}".repeat(2_000));
    let branch = json!({"ref": "main", "sha": "0"});
    let pull: PullRequest = serde_json::from_value(json!({
        "number": 2, "state": "open", "title": long, "body": long, "head": branch, "base": branch,
        "updated_at": "2026-01-02T03:04:05Z", "html_url": "", "labels": [{"name": long}],
    }))
    .unwrap();
    let issue = json!({"number": 1, "title": long, "body": format!("- [ ] {long}\n").repeat(50),
        "repository": {"nameWithOwner": "acme/api"}});
    let context = Context {
        issues: (0..10)
            .map(|_| serde_json::from_value(issue.clone()).unwrap())
            .collect(),
        templates: vec!["## A\n## B\n".repeat(40)],
        unresolved_threads: Some(7),
        ci: Some("failure".to_owned()),
        ..Context::default()
    };
    let lines = ["+eval(x)", "+a.unwrap();", "+os.system(x)", "+except:"].join("\n");
    let patch = format!("@@ -1 +1 @@\n{lines}\n+{secret}");
    let files = (0..200).map(|number| {
        let extension = ["rs", "py"][number % 2];
        file(
            &format!("{}/{number}.{extension}", "ä".repeat(200)),
            5,
            &patch,
        )
    });
    let looked = look(files.collect(), &[]);
    let page = frame::first_page(&pull, &context, &looked, &[]);
    let json = serde_json::to_string(&page).unwrap();
    assert!(
        json.len() <= limits::ANSWER_BYTES_MAX * 5 / 8,
        "{} bytes",
        json.len()
    );
    assert!(
        !json.contains("a1a1") && !json.contains('\u{202e}'),
        "{json}"
    );
    assert!(page.review_checklist.len() > 4, "{json}");
    assert_eq!(
        page.context.breaking_changes_detected, None,
        "no commit was told"
    );
}
