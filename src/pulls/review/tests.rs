use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
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

/// Lines of the task list of an issue: more than a first page shows.
const CRITERIA: usize = 12;

/// A pull request of which every word is long, with what surrounds it.
fn wordy(words: &str) -> (PullRequest, Context) {
    let branch = json!({"ref": "main", "sha": "9f3c1e2a".repeat(5)});
    let pull: PullRequest = serde_json::from_value(json!({
        "number": 2, "state": "open", "title": format!("feat!: {words}"), "body": format!("## A\n## B\n{words}"),
        "head": branch, "base": branch, "updated_at": "2026-01-02T03:04:05Z", "html_url": "",
        "labels": vec![json!({"name": words}); 30], "user": {"login": "l".repeat(39)},
    }))
    .unwrap();
    let home = format!("{}/{}", "o".repeat(39), "r".repeat(100));
    let issue = |number: u64| {
        let body = format!("- [ ] {words}\n").repeat(CRITERIA);
        json!({"number": number, "title": words, "body": body, "repository": {"nameWithOwner": home}})
    };
    let context = Context {
        issues: (0..10)
            .map(|number| serde_json::from_value(issue(number)).unwrap())
            .collect(),
        templates: vec!["## A\n## B\n".repeat(40)],
        unresolved_threads: Some(7),
        ci: Some("failure".to_owned()),
        warnings: vec![
            Warning::new(
                "graphql",
                words,
                "what it is about is unknown or incomplete"
            );
            9
        ],
        ..Context::default()
    };
    (pull, context)
}

#[test]
fn the_first_page_leaves_room_for_files_and_shows_no_secret() {
    let secret = ["ghp_", &"a1".repeat(18)].concat();
    let (pull, context) = wordy(&format!("{secret} {}", "ö\u{202e}".repeat(2_000)));
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
    let subject = Subject {
        pull: &pull,
        context: &context,
        looked: &looked,
        aside: &[],
        focus: &[],
    };
    let (page, _) = frame::first_page(&subject);
    let json = serde_json::to_string(&page).unwrap();
    assert!(
        json.len() <= limits::ANSWER_BYTES_MAX * 3 / 8,
        "{} bytes",
        json.len()
    );
    assert!(
        !json.contains("a1a1") && !json.contains('\u{202e}'),
        "{json}"
    );
    assert!(page.review_checklist.len() > 4, "{json}");
    assert_eq!(
        page.context.breaking_changes_detected,
        Some(true),
        "the title says so"
    );
}

#[test]
fn what_changed_in_files_that_were_not_asked_for_did_change() {
    let (pull, _) = wordy("words");
    let moved = |mark: &str| format!("@@ -1 +1 @@\n{mark}pub fn moved() {{}}");
    let asked = || {
        let all = vec![
            file("src/a.rs", 5, &moved("-")),
            file("migrations/1.up.sql", 1, ""),
            file("Cargo.toml", 1, ""),
        ];
        let added = all.into_iter().map(|it| ChangedFile {
            status: match it.filename.starts_with("migrations") {
                true => FileStatus::Added,
                false => it.status,
            },
            ..it
        });
        look(added.collect(), &[])
    };
    let aside = [
        file("src/b.rs", 5, &moved("+")),
        file("migrations/1.down.sql", 1, ""),
        file("Cargo.lock", 1, ""),
        file("tests/a.rs", 1, ""),
        file("README.md", 1, ""),
    ];
    let told = |aside: &[ChangedFile]| {
        let subject = Subject {
            pull: &pull,
            context: &Context::default(),
            looked: &asked(),
            aside,
            focus: &[],
        };
        let (page, _) = frame::first_page(&subject);
        serde_json::to_string(&page.review_checklist).unwrap()
    };
    let (alone, with_others) = (told(&[]), told(&aside));
    for words in [
        "no test changed",
        "no lock file changed",
        "public names are gone",
        "have no way back",
        "no documentation changed",
    ] {
        assert!(alone.contains(words), "{words}: {alone}");
        assert!(!with_others.contains(words), "{words}: {with_others}");
    }
}

#[test]
fn criteria_are_told_whole_or_said_to_be_cut() {
    let (pull, _) = wordy("few words");
    let long = |number: usize, bytes: usize| {
        let reasons = "for readers and for writers, ".repeat(bytes / 29);
        format!("- [ ] criterion {number} holds {reasons}unless it is {number}")
    };
    for (count, bytes) in [(1, 100), (6, 100), (6, 300), (40, 300)] {
        let body: Vec<String> = (0..count).map(|number| long(number, bytes)).collect();
        let body = body.join("\n") + &format!("\n- [ ] {}", "far too long ".repeat(60));
        let body = body + &format!("\n{}", "- [ ] ids are bound\n".repeat(9));
        let issue = json!({"number": 1, "title": "t", "body": body, "repository": {"nameWithOwner": "o/r"}});
        let pull = PullRequest {
            body: Some((10..30).map(|number| format!("#{number} ")).collect()),
            ..pull.clone()
        };
        let context = Context {
            issues: vec![serde_json::from_value(issue).unwrap()],
            ..Context::default()
        };
        let query = ReviewQuery {
            focus: Vec::new(),
            files: Vec::new(),
            include_diff: false,
            diff_lines_max: DIFF_LINES_DEFAULT,
        };
        let looked = look(vec![file("a.rs", 1, "")], &[]);
        let pages = pages("o/r#2", &pull, &context, &looked, &query);
        let lists = |pointer: &str| -> Vec<&Value> {
            let lists = pages
                .iter()
                .filter_map(|(record, _)| record.pointer(pointer));
            lists.filter_map(Value::as_array).flatten().collect()
        };
        let texts = |owners: Vec<&Value>, name: &str| -> Vec<String> {
            let values = owners.iter().map(|owner| &owner[name]);
            let values = values.flat_map(|value| match value {
                Value::Array(list) => list.clone(),
                other => vec![other.clone()],
            });
            values
                .filter_map(|it| Some(it.as_str()?.to_owned()))
                .collect()
        };
        let told = texts(lists("/context/related_issues"), "acceptance");
        assert_eq!(told.len(), count + 10);
        let mut asked = texts(lists("/questions"), "question");
        for section in lists("/review_checklist") {
            asked.extend(texts(
                section["items"].as_array().into_iter().flatten().collect(),
                "question",
            ));
        }
        for number in 0..count {
            let words = long(number, bytes).replacen("- ", "", 1);
            assert_eq!(
                told.iter().filter(|line| **line == words).count(),
                1,
                "{words}"
            );
            let words = words.replacen("[ ]", "is it met:", 1);
            assert_eq!(
                asked.iter().filter(|line| **line == words).count(),
                1,
                "{words}"
            );
        }
        for lines in [&told, &asked] {
            let is_cut = |line: &&String| line.contains("far too long") && line.ends_with('…');
            assert_eq!(lines.iter().filter(is_cut).count(), 1, "{lines:?}");
        }
        let first = &pages[0].0["context"];
        let shown = first["mentioned"].as_array().unwrap().len() as u64;
        assert_eq!(first["more_mentioned"], 20 - shown);
        assert_eq!(lists("/context/mentioned").len(), 20);
    }
}

/// Files of every kind, each with `lines` at which there is something to see.
fn files(count: usize, name: &str, lines: &str) -> Vec<ChangedFile> {
    let kinds = [
        ("src", "rs"),
        ("src", "py"),
        (".github/workflows", "yml"),
        ("migrations", "up.sql"),
        ("tests", "rs"),
        ("docs", "md"),
        ("config", "yaml"),
        ("api", "proto"),
        ("web", "ts"),
    ];
    let one = |number: usize| {
        let (folder, extension) = kinds[number % kinds.len()];
        let path = format!("{name}/{folder}/{number}.{extension}");
        let hunk = |hunk: usize| {
            let body = lines.repeat(number % 5 * hunk + 1);
            let at = hunk * 10_000 + 1;
            format!("@@ -{at},0 +{at},9 @@ fn {name}\n{body}")
        };
        let patch: String = (0..number % 4 + 1).map(hunk).collect();
        file(&path, 5, patch.trim_end())
    };
    (0..count).map(one).collect()
}

fn frame_of<'a>(pr: &str, pull: &'a PullRequest, query: &'a ReviewQuery) -> Frame<'a> {
    Frame {
        pull,
        query,
        pr: pr.to_owned(),
        fetched_at: Timestamp::UNIX_EPOCH,
        lasting: vec![files::cut_warning("the other files were not looked at")],
        aside: &[],
    }
}

/// All pages of an answer about these files, as record and diff.
fn pages(
    pr: &str,
    pull: &PullRequest,
    context: &Context,
    looked: &[Looked],
    query: &ReviewQuery,
) -> Vec<(Value, String)> {
    pages_until(pr, pull, context, looked, query, true)
}

/// The same; those with what had no room before only where they are wanted, for they are many.
fn pages_until(
    pr: &str,
    pull: &PullRequest,
    context: &Context,
    looked: &[Looked],
    query: &ReviewQuery,
    with_rest: bool,
) -> Vec<(Value, String)> {
    let (mut all, mut place) = (Vec::new(), Place::default());
    loop {
        let frame = Frame {
            // Whatever the time is, the pages go on where the last one ended.
            fetched_at: match all.len() % 2 {
                0 => Timestamp::UNIX_EPOCH,
                _ => Timestamp::MAX,
            },
            ..frame_of(pr, pull, query)
        };
        // Not every page asks for what surrounds the pull request.
        let none = Context::default();
        let context = if place.tells_context() {
            context
        } else {
            &none
        };
        let (answer, diff) = match place {
            Place::Files(position) => frame.page(looked, context, position).unwrap(),
            Place::Rest(position) => frame.rest_page(looked, context, position).unwrap(),
        };
        let title = diff_title(&answer.pr, &answer.head_sha);
        let reply = text::fence_untrusted(&title, &diff);
        let page = answer.page().unwrap();
        let record = page.get();
        let as_field = json!({ "diff": diff }).to_string();
        // An empty one is not sent.
        let beside = match diff.is_empty() {
            true => 0,
            false => as_field.len().max(reply.len()),
        };
        let most = record.len() + beside;
        assert!(
            most <= limits::ANSWER_BYTES_MAX,
            "page {}: {} + {} or {}",
            all.len(),
            record.len(),
            as_field.len(),
            reply.len()
        );
        assert!(diff.lines().count() <= query.diff_lines_max);
        let record: Value = serde_json::from_str(record).unwrap();
        let next = record["next_cursor"].as_str().map(str::to_owned);
        all.push((record, diff));
        let Some(next) = next else {
            return all;
        };
        assert!(
            next.len() <= CURSOR_BYTES_MAX && all.len() < 2_000,
            "{next}"
        );
        let head = &pull.head.sha;
        place = Place::read(&next, pr, query, head).unwrap();
        if matches!(place, Place::Rest(_)) && !with_rest {
            return all;
        }
    }
}

#[test]
fn every_page_is_small_and_all_of_them_show_every_line_once() {
    let long = format!(
        "+{}.unwrap(); \t\\\"``` ````` {}\n",
        "x\"".repeat(90),
        "y".repeat(300)
    );
    for (words, count, name, lines) in [
        ("Bind ids", 3, "a", "+let row = rows.next().unwrap();\n"),
        (
            "Bind ids",
            30,
            "deep/er",
            "+let row = rows.next().unwrap();\n",
        ),
        (&"\"\\ ".repeat(2_000), 18, &"\"".repeat(400), &*long),
    ] {
        let (pull, context) = wordy(words);
        let pr = format!("{}/{}#2", "o".repeat(39), "r".repeat(100));
        let looked = look(files(count, name, lines), &[]);
        for (diff_lines_max, include_diff) in [(20, true), (200, true), (500, true), (200, false)] {
            let query = ReviewQuery {
                focus: Vec::new(),
                files: Vec::new(),
                include_diff,
                diff_lines_max,
            };
            let pages = pages_until(&pr, &pull, &context, &looked, &query, !include_diff);
            let listed = pages
                .iter()
                .flat_map(|(record, _)| record["files"].as_array().into_iter().flatten());
            let listed = listed.map(|file| file["path"].as_str().unwrap());
            let listed: BTreeSet<&str> = listed.collect();
            if name.len() < PATH_BYTES_MAX {
                assert_eq!(listed.len(), count, "{diff_lines_max}");
            }
            let shown: usize = pages.iter().map(|(_, diff)| lines_of(diff)).sum();
            let all = looked.iter().filter(|file| rank(file) != 5);
            let all: usize = all
                .map(|file| lines_of(file.file.patch.as_deref().unwrap()))
                .sum();
            assert_eq!(
                shown,
                if include_diff { all } else { 0 },
                "{count} {diff_lines_max}"
            );
            assert!(pages.last().unwrap().0["omitted"].is_null());
            if !include_diff {
                every_entry_is_told_once(&pages, &pull, &context, &looked);
            }
        }
    }
}

#[test]
fn pages_go_on_only_with_what_the_first_one_was_made_of() {
    let (pull, context) = wordy("few words");
    let query = ReviewQuery {
        focus: Vec::new(),
        files: Vec::new(),
        include_diff: true,
        diff_lines_max: DIFF_LINES_DEFAULT,
    };
    let line = "+let row = rows.next().unwrap();\n";
    let changed = || files(60, "a", line);
    let page = |files: Vec<ChangedFile>, context: &Context, place: Place| -> Result<_, ApiError> {
        let (frame, looked) = (frame_of("o/r#2", &pull, &query), look(files, &[]));
        let (answer, _) = match place {
            Place::Files(position) => frame.page(&looked, context, position)?,
            Place::Rest(position) => frame.rest_page(&looked, context, position)?,
        };
        let page: Value = serde_json::from_str(answer.page()?.get()).unwrap();
        let next = page["next_cursor"].as_str();
        let next = next.map(|next| Place::read(next, "o/r#2", &query, &pull.head.sha));
        next.transpose()
    };
    let with_files = |change: &dyn Fn(&mut Vec<ChangedFile>)| {
        let mut files = changed();
        change(&mut files);
        files
    };
    let is_refused = |files: Vec<ChangedFile>, context: &Context, place: Place| {
        let error = page(files, context, place).unwrap_err();
        assert_eq!(error.code, "head_moved", "{place:?}");
        error.message
    };
    let (mut place, mut pages) = (Place::default(), [0, 0]);
    loop {
        match place {
            Place::Files(position) if !position.is_first() => {
                pages[0] += 1;
                // It has another base now, and so other files at the same head.
                is_refused(with_files(&|all| drop(all.pop())), &context, place);
                let longer = with_files(&|all| all[0].patch.as_mut().unwrap().push('x'));
                is_refused(longer, &context, place);
            }
            Place::Files(_) => {}
            Place::Rest(_) => {
                pages[1] += 1;
                let mut fewer = context.clone();
                fewer.issues.pop();
                is_refused(changed(), &fewer, place);
                let unread = Context {
                    warnings: vec![Warning::new("graphql", "HTTP 502", "it is unknown")],
                    ..Context::default()
                };
                let cause = is_refused(changed(), &unread, place);
                assert!(
                    cause.contains("graphql cannot be read (HTTP 502)"),
                    "{cause}"
                );
            }
        }
        match page(changed(), &context, place).unwrap() {
            Some(next) => place = next,
            None => break,
        }
    }
    assert!(pages[0] > 2 && pages[1] > 1, "{pages:?}");
}

/// The lists of the first page and the points of files, of which no page alone has room for all.
fn every_entry_is_told_once(
    pages: &[(Value, String)],
    pull: &PullRequest,
    context: &Context,
    looked: &[Looked],
) {
    let records = || pages.iter().map(|(record, _)| record);
    let entries = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let lists = |pointer: &str| {
        let lists = records().filter_map(|record| record.pointer(pointer));
        lists.flat_map(entries).collect::<Vec<Value>>()
    };
    let parts = |owners: &[Value], name: &str| -> usize {
        owners.iter().map(|owner| entries(&owner[name]).len()).sum()
    };
    let points = parts(&lists("/files"), "focus_points");
    let all: usize = looked.iter().map(|file| file.points.len()).sum();
    assert_eq!(points, all);
    let all = checklist::checklist(pull, context, looked, &[], &[]);
    let all: Vec<&report::Item> = all.iter().flat_map(|section| &section.items).collect();
    let mut questions = lists("/questions");
    for section in lists("/review_checklist") {
        questions.extend(entries(&section["items"]));
    }
    let evidence: usize = all.iter().map(|item| item.evidence.len()).sum();
    assert_eq!(parts(&questions, "evidence"), evidence);
    let asked: BTreeSet<&str> = questions
        .iter()
        .filter_map(|it| it["question"].as_str())
        .collect();
    let known: BTreeSet<&str> = all.iter().map(|item| &*item.question).collect();
    assert_eq!(asked, known);
    let issues = lists("/context/related_issues");
    assert_eq!(
        parts(&issues, "acceptance"),
        CRITERIA * context.issues.len()
    );
    assert_eq!(lists("/metadata/labels").len(), pull.labels.len());
    let first = &pages[0].0;
    for (list, more, all) in [
        ("/metadata/labels", "/metadata/more_labels", 30),
        (
            "/context/related_issues",
            "/context/more_related_issues",
            context.issues.len(),
        ),
    ] {
        let shown = first.pointer(list).map_or(0, |list| entries(list).len());
        let more = first.pointer(more).and_then(Value::as_u64);
        assert_eq!(more, Some((all - shown) as u64), "{list}");
    }
    let of_context = |warning: &&Value| warning["source"] == "graphql";
    let warnings = lists("/warnings");
    let told = warnings.iter().filter(of_context).count();
    assert_eq!(told, context.warnings.len());
}

/// A part of a large hunk may be so small that the first page has room for it: the line behind it is
/// long.
#[test]
fn warnings_of_the_first_page_alone_do_not_move_where_pages_end() {
    let (pull, _) = wordy("few words");
    let context = Context {
        warnings: vec![Warning::new("graphql", "x".repeat(150), "it is unknown"); 4],
        ..Context::default()
    };
    let query = ReviewQuery {
        focus: Vec::new(),
        files: Vec::new(),
        include_diff: true,
        diff_lines_max: DIFF_LINES_MAX,
    };
    for small in 60..110 {
        let lines = "+a line of fifty bytes as people write them in code\n".repeat(small)
            + &format!("+{}\n", "\"".repeat(390)).repeat(12);
        let hunk = format!("@@ -1,0 +1,{} @@\n{lines}", small + 12);
        let looked = look(vec![file("notes.txt", 5, hunk.trim_end())], &[]);
        let pages = pages("o/r#2", &pull, &context, &looked, &query);
        let shown: usize = pages.iter().map(|(_, diff)| lines_of(diff)).sum();
        assert_eq!(shown, small + 12, "{small}");
    }
}

/// Added lines of a diff, without the headings of files.
fn lines_of(diff: &str) -> usize {
    let added = diff.lines().filter(|line| line.starts_with('+'));
    added.filter(|line| !line.starts_with("+++ ")).count()
}

/// All pages of the largest answer that can be built: the record with the diff as a field, and the
/// record beside the diff as a block.
pub(in crate::pulls) fn largest(letters: &str) -> Vec<String> {
    let (pull, context) = wordy(&letters.repeat(1_000));
    let line = format!("+{letters}.unwrap(); {}\n", letters.repeat(500));
    let looked = look(files(9, &letters.repeat(400), &line), &[]);
    let query = ReviewQuery {
        focus: Vec::new(),
        files: Vec::new(),
        include_diff: true,
        diff_lines_max: DIFF_LINES_MAX,
    };
    let pr = format!("{}/{}#2", "o".repeat(39), "r".repeat(100));
    let pages = pages(&pr, &pull, &context, &looked, &query);
    let whole = pages.into_iter().flat_map(|(mut record, diff)| {
        if diff.is_empty() {
            return [record.to_string(), record.to_string()];
        }
        let block = text::fence_untrusted(&diff_title(&pr, "9f3c1e2"), &diff);
        let apart = format!("{record}{block}");
        record["diff"] = Value::from(diff);
        [apart, record.to_string()]
    });
    whole.collect()
}
