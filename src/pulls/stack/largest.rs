//! The largest answers that can be built, for the test of sizes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::commands::Setting;
use super::discover::{LAYERS_MAX, Question, Stack};
use super::facts::{Comparisons, Event, Layer, MergeCommit, State};
use super::fix_loop::FixLoop;
use super::judge::{Landing, Status, Strategy, Verdict};
use super::old_base::OldBase;
use super::report::{Material, Report, levels, report};
use crate::domain::Host;
use crate::pulls::head_cursor::Call;
use crate::pulls::native_stack::{NativeStack, StackBase};
use crate::pulls::overflow::{self, Position};
use crate::pulls::{RollupState, Warning};

/// Answers about stacks of many layers with long names.
pub(in crate::pulls) fn answers(letters: &str) -> Vec<String> {
    let mut all = Vec::new();
    // GitHub takes no longer name of a branch than 244 bytes.
    for (bytes, status) in [
        (244, Status::NeedsOnto),
        (244, Status::OldBaseUnknown),
        (40, Status::NeedsOnto),
    ] {
        let name = letters.repeat(bytes / letters.len());
        let pages = overflow::all_pages(&answer(&name, status), &levels());
        all.extend(pages.iter().map(Value::to_string));
    }
    all
}

fn layer(number: u64, name: &str) -> Layer {
    let branch = |number: u64| format!("{number}{}", crate::domain::text::cut(name, 240).0);
    Layer {
        number,
        state: if number == 1 {
            State::Merged
        } else {
            State::Open
        },
        merged_at: None,
        from_fork: number == LAYERS_MAX as u64,
        head_repo: Some(format!("{}/{}", "o".repeat(39), "r".repeat(100))),
        maintainer_can_modify: true,
        queued: false,
        base: branch(number - 1),
        base_tip: Some("b".repeat(40)),
        head: branch(number),
        head_sha: format!("{number:040}"),
        head_tip: Some(format!("{number:040}")),
        merge_commit: (number == 1).then(|| MergeCommit {
            oid: "c".repeat(40),
            parents: 1,
            lines: 1,
        }),
        lines: 1,
        events: vec![Event::BaseDeleted],
        events_complete: false,
        commits: Vec::new(),
        commits_total: 1_000_000,
        ci: Some(RollupState::NoChecks),
    }
}

fn answer(name: &str, status: Status) -> Report {
    let count = u64::try_from(LAYERS_MAX).unwrap();
    let mut stack = Stack::new(layer(count, name), "main".to_owned());
    for number in 1..count {
        let branch = layer(number, name).head;
        stack.answer(&Question::From(branch), vec![layer(number, name)], 0);
    }
    let members = stack.members();
    assert!(members.len() + 1 >= LAYERS_MAX, "{members:?}");
    let verdicts: Vec<Verdict> = members
        .iter()
        .map(|number| {
            let own = stack.layer(*number).unwrap();
            Verdict {
                number: *number,
                parent: stack.parent(*number).map(|parent| parent.number),
                status,
                landing: Some(Landing {
                    branch: own.base.clone(),
                    layer: None,
                }),
                strategy: (status == Status::NeedsOnto).then_some(Strategy::Onto),
                old_base: Some(OldBase {
                    oid: "d".repeat(40),
                    source: "common_prefix",
                    certain: false,
                }),
                own: Some(1_000),
                own_list: Some((vec![name.repeat(9); 40], 7)),
                ahead_behind: Some((1_000, 1_000)),
            }
        })
        .collect();
    let mut comparisons = Comparisons::default();
    comparisons.add(("a".to_owned(), "b".to_owned()), Err(name.repeat(9)));
    let setting = Setting {
        repo: format!("{}/{}", "o".repeat(39), "r".repeat(100))
            .parse()
            .unwrap(),
        host: Host::default(),
        remote: "r".repeat(100),
        native: true,
    };
    let native = NativeStack {
        number: u64::MAX,
        size: count,
        position: count,
        base: StackBase {
            name: name.to_owned(),
        },
    };
    report(&Material {
        pr: format!("{}#{count}", setting.repo),
        setting: &setting,
        stack: &stack,
        verdicts: &verdicts,
        comparisons: &comparisons,
        fix_loop: FixLoop::of(None, None).unwrap(),
        warnings: vec![Warning::new("stack", name.repeat(9), "layers may be missing"); 30],
        native: Some(&native),
        now: Timestamp::MAX,
    })
}

#[test]
fn pages_are_of_one_plan_and_of_any_state_of_its_checks() {
    let whole = answer("a-branch-of-some-length", Status::NeedsOnto);
    let whole = serde_json::to_value(whole).unwrap();
    let call = Call::new("tool", &"filters", &"9f3c1e2a".repeat(5));
    let first = overflow::page(&call, &whole, &levels(), None).unwrap();
    let first: Value = serde_json::from_str(first.get()).unwrap();
    let cursor = first["next_cursor"].as_str().unwrap();
    let follows = |change: &dyn Fn(&mut Value)| {
        let mut later = whole.clone();
        change(&mut later);
        let position = Position::read(&call, cursor).unwrap();
        overflow::page(&call, &later, &levels(), Some(position)).is_ok()
    };
    let last = LAYERS_MAX - 2;
    for layer in [1, last] {
        assert!(first["stack"]["layers"][last].is_null(), "{first}");
        for (field, value) in [("ci", json!("failing")), ("behind", json!(1_001))] {
            let change = |later: &mut Value| later["stack"]["layers"][layer][field] = value.clone();
            assert!(follows(&change), "{field} of {layer}");
        }
        let head = |later: &mut Value| later["stack"]["layers"][layer]["head"] = json!("f00");
        assert!(!follows(&head), "head of {layer}");
    }
    let shown = |later: &mut Value| later["commands"][0]["command"] = json!("git fetch other");
    assert!(!follows(&shown), "a command that the first page has");
}

#[test]
fn all_pages_together_have_the_whole_plan_in_its_order() {
    const LISTS: [&str; 5] = [
        "/commands",
        "/stack/layers",
        "/hazards",
        "/rebase_strategy/own_subjects",
        "/warnings",
    ];
    let entries = |page: &Value, list: &str| -> Vec<Value> {
        let list = page.pointer(list).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    for status in [Status::NeedsOnto, Status::OldBaseUnknown] {
        let report = answer("a-branch-of-some-length", status);
        let whole = serde_json::to_value(&report).unwrap();
        let pages = overflow::all_pages(&report, &levels());
        assert!(pages.len() > 1, "{status:?}");
        for list in LISTS {
            let told: Vec<Value> = pages.iter().flat_map(|page| entries(page, list)).collect();
            assert_eq!(told, entries(&whole, list), "{list} {status:?}");
        }
        let first = &pages[0];
        assert!(!entries(first, "/stack/layers").is_empty(), "{first}");
        let more = whole["commands"].as_array().unwrap().len() - entries(first, "/commands").len();
        let said = first["more_commands"].as_u64().unwrap_or_default();
        assert_eq!(said, more as u64, "{first}");
        let then = first["summary"]["then"].as_str();
        assert!(
            then.is_none_or(|then| then.contains("next_cursor")),
            "{first}"
        );
        for further in &pages[1..] {
            assert!(further.get("summary").is_none(), "{further}");
            assert!(
                further["untrusted"].to_string().contains("commands"),
                "{further}"
            );
        }
    }
}
