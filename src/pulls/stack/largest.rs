//! The largest answers that can be built, for the test of sizes.

use jiff::Timestamp;

use super::commands::Setting;
use super::discover::{LAYERS_MAX, Question, Stack};
use super::facts::{Comparisons, Event, Layer, MergeCommit, State};
use super::judge::{Landing, Status, Strategy, Verdict};
use super::old_base::OldBase;
use super::report::{Material, report};
use crate::domain::Host;
use crate::pulls::native_stack::{NativeStack, StackBase};
use crate::pulls::{RollupState, Warning};

/// Answers about stacks of many layers with long names.
pub(in crate::pulls) fn answers(letters: &str) -> Vec<String> {
    let mut all = Vec::new();
    // GitHub takes no longer name of a branch than 244 bytes.
    for bytes in [244, 40] {
        for status in [Status::NeedsOnto, Status::OldBaseUnknown] {
            let name = letters.repeat(bytes / letters.len());
            all.push(answer(&name, status));
        }
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

fn answer(name: &str, status: Status) -> String {
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
                strategy: Some(Strategy::Onto),
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
    let report = report(&Material {
        pr: format!("{}#{count}", setting.repo),
        setting: &setting,
        stack: &stack,
        verdicts: &verdicts,
        comparisons: &comparisons,
        warnings: vec![Warning::new("stack", name.repeat(9), "layers may be missing"); 30],
        native: Some(&native),
        now: Timestamp::MAX,
    });
    serde_json::to_string(&report).unwrap()
}
