//! The largest answers that can be built, for the test of sizes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cases::Kind;
use super::entries::Commits;
use super::lines::{Region, excerpt};
use super::report::{Conflict, TargetCommit};
use super::*;
use crate::pulls::overlap::{Nearness, Place as SharedPlace};

/// All answers to one call and the calls for its further pages, with these letters everywhere.
pub(in crate::pulls) fn answers(letters: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (name_bytes, count) in [(4_000, 8), (240, 12), (40, 25), (40, 0)] {
        let name = letters.repeat(name_bytes / letters.len());
        let pages = overflow::all_pages(&report(&name, count), &report::levels());
        all.extend(pages.iter().map(Value::to_string));
    }
    all
}

fn report(name: &str, count: usize) -> Report {
    let id = PullId::parse(
        &format!("{}/{}#42", "o".repeat(39), "r".repeat(100)),
        &Host::default(),
    )
    .unwrap();
    // GitHub takes no longer name of a branch, git none with control characters.
    let branch = name.replace(char::is_control, "x");
    let branch = crate::domain::text::cut(&branch, 244).0;
    let fork = format!("{}/{}", "o".repeat(39), "r".repeat(100));
    let pull: PullRequest = serde_json::from_value(json!({
        "number": 42, "state": "open", "title": name, "html_url": "",
        "head": {"ref": branch, "sha": "9f3c1e2a".repeat(5), "repo": {"full_name": fork}},
        "base": {"ref": branch, "sha": "9f3c1e2a".repeat(5), "repo": {"full_name": "acme/api"}},
        "updated_at": "2026-01-02T03:04:05Z", "mergeable_state": "dirty",
    }))
    .unwrap();
    let region = |line: usize| Region {
        pr_lines: [line, line],
        target_lines: [line, line],
        pr: excerpt(&[name.as_bytes()]),
        target: excerpt(&[name.as_bytes()]),
        ancestor: excerpt(&[name.as_bytes()]),
    };
    let commit = TargetCommit {
        sha: "9f3c1e2".to_owned(),
        subject: crate::domain::text::cut(name, 100).0.to_owned(),
        pr: Some(u64::MAX),
        author: name.to_owned(),
    };
    let conflict = |number: usize| Conflict {
        path: format!("{number}{name}"),
        kind: Kind::Content,
        ancestor_path: Some(name.to_owned()),
        pr_path: Some(name.to_owned()),
        target_path: Some(name.to_owned()),
        deleted_by: None,
        estimated: true,
        regions: (0..7).map(region).collect(),
        more_regions: 9,
        target_commits: vec![commit.clone(); 3],
    };
    let other = |number: u64| OverlappingPull {
        pr: number,
        title: name.to_owned(),
        author: "a".repeat(39),
        draft: true,
        overlap: Nearness::Lines,
        paths: vec![name.to_owned(); 12],
        more_paths: 0,
        places: vec![
            SharedPlace {
                path: name.to_owned(),
                lines: [1, 1],
                their_lines: [1, 1],
            };
            12
        ],
        more_places: 0,
        claimant: None,
    };
    let paths = |count: usize| (0..count).map(|number| format!("{number}{name}")).collect();
    let sides = Sides {
        commits: Commits {
            ancestor: "9f3c1e2a".repeat(5),
            pr: "9f3c1e2a".repeat(5),
            target: "9f3c1e2a".repeat(5),
        },
        ancestor_at: None,
        pr_files: Vec::new(),
        target_files: Vec::new(),
        complete: false,
        perhaps_renamed: BTreeSet::new(),
        target_ahead: u64::MAX,
        target_commits: None,
    };
    let answer = Answer {
        target: branch.to_owned(),
        mergeable: Some(GithubSays::Conflicting),
        method: Method::Exact,
        sides: &sides,
        findings: Findings {
            conflicts: (0..count).map(conflict).collect(),
            clean: paths(50),
            undecided: paths(50),
        },
        others: Some((0..8).map(other).collect()),
        warnings: vec![Warning::new("trees", name, "files were judged by names"); 20],
    };
    let about = About {
        id: &id,
        pull: &pull,
        host: &Host::default(),
        fetched_at: Timestamp::MAX,
    };
    answer.report(&about, Some(true))
}

#[test]
fn a_place_of_control_characters_fits_a_page() {
    let mut of_one = report(&"\u{1}".repeat(400), 1);
    let conflict = &mut of_one.conflicts[0];
    conflict.shorten(PATH_BYTES_MAX);
    let long = |letter: &str| Some(letter.repeat(PATH_BYTES_MAX));
    (conflict.ancestor_path, conflict.pr_path) = (long("a"), long("p"));
    conflict.target_path = long("t");
    // As a later one: it comes on a further page whole.
    let later = vec![conflict.clone(); 3];
    of_one.conflicts.extend(later);
    let pages = overflow::all_pages(&of_one, &report::levels());
    let places = |page: &Value| -> Option<usize> {
        let conflicts = page["conflicts"].as_array()?.iter();
        Some(
            conflicts
                .filter_map(|it| it["regions"].as_array())
                .map(Vec::len)
                .sum(),
        )
    };
    assert_eq!(pages.iter().filter_map(places).sum::<usize>(), 4 * 7);
}

#[test]
fn all_pages_together_have_every_entry_once() {
    let report = report("src/a", 60);
    let whole = serde_json::to_value(&report).unwrap();
    let pages = overflow::all_pages(&report, &report::levels());
    let count = |page: &Value, pointer: &str| -> usize {
        let list = page.pointer(pointer).and_then(Value::as_array);
        list.map_or(0, Vec::len)
    };
    let parts = |page: &Value, list: &str, name: &str| -> usize {
        let owners = page[list].as_array().into_iter().flatten();
        owners.map(|owner| count(owner, &format!("/{name}"))).sum()
    };
    for list in ["/clean_overlaps", "/undecided", "/warnings"] {
        let told: usize = pages.iter().map(|page| count(page, list)).sum();
        assert_eq!(told, count(&whole, list), "{list}");
    }
    for (list, name) in [
        ("conflicts", "regions"),
        ("conflicts", "target_commits"),
        ("other_open_prs", "paths"),
        ("other_open_prs", "places"),
    ] {
        let told: usize = pages.iter().map(|page| parts(page, list, name)).sum();
        assert_eq!(told, parts(&whole, list, name), "{list} {name}");
    }
    assert!(count(&pages[0], "/conflicts") > 0, "{}", pages[0]);
}
