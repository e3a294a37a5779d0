//! Whether a pull request can be merged, for people: the verdict, what is in the way with who can
//! clear it and how, the questions one by one, and the next command.

use std::fmt::Write as _;

use serde_json::Value;

use super::render::{FURTHER_PAGE, bold, next_page, warnings, words};
use super::render_review::list;

/// The questions in the order of the answer.
const QUESTIONS: [(&str, &str); 6] = [
    ("ci_passing", "CI passes"),
    ("approvals_met", "approvals are met"),
    ("no_conflicts", "no conflicts"),
    ("up_to_date", "up to date with its base"),
    ("conversations_resolved", "conversations are resolved"),
    (
        "branch_protection_satisfied",
        "branch protection is satisfied",
    ),
];
/// The lists of demanded checks, the worst first.
const REQUIRED: [(&str, &str); 4] = [
    ("failing_checks", "failed"),
    ("missing_checks", "not reported"),
    ("pending_checks", "running"),
    ("passing_checks", "passed"),
];

/// The answer of `check_merge_readiness` as text.
pub(super) fn render(record: &Value, colours: bool) -> String {
    let is_first = record["verdict"].is_string();
    let verdict = match is_first {
        true => verdict(record),
        false => FURTHER_PAGE.to_owned(),
    };
    let verdict = bold(&verdict, colours);
    let (pr, head) = (words(&record["pr"]), words(&record["head_sha"]));
    let mut out = format!("{pr} at {head}: {verdict}\n");
    if record["stacked_on"].is_number() {
        let _ = writeln!(out, "goes onto the branch of #{}", record["stacked_on"]);
    }
    if record["rules_of"].is_string() {
        let base = words(&record["rules_of"]);
        let _ = writeln!(
            out,
            "in a stack that GitHub keeps: the rules of {base} hold"
        );
    }
    let closes: Vec<String> = list(record, "closes").iter().map(words).collect();
    if !closes.is_empty() {
        let _ = writeln!(out, "closes {}", closes.join(", "));
    }
    blockers(&mut out, record, colours);
    out.push('\n');
    if is_first {
        questions(&mut out, &record["checks"]);
    }
    demands(&mut out, &record["branch_protection"]);
    warnings(&mut out, record);
    next(&mut out, &record["merge"], colours);
    next_page(&mut out, record);
    out
}

fn questions(out: &mut String, checks: &Value) {
    for (field, question) in QUESTIONS {
        let answer = match checks[field].as_bool() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let _ = writeln!(out, "{question:<32}{answer}");
    }
}

/// The verdict in words, with GitHub's own where that is another one.
fn verdict(record: &Value) -> String {
    let told = match record["verdict"].as_str().unwrap_or_default() {
        "ready" => "ready to merge",
        "unstable" => "ready to merge, though checks that nothing demands fail or run",
        "queued" => "in the merge queue",
        "blocked" => "blocked",
        "computing" => "GitHub still computes whether it merges",
        "merged" => "merged",
        "closed" => "closed",
        other => return other.to_owned(),
    };
    match record["verdict"] == "blocked" {
        true => format!(
            "{told} (GitHub says {})",
            words(&record["merge_state_status"])
        ),
        false => told.to_owned(),
    }
}

fn blockers(out: &mut String, record: &Value, colours: bool) {
    let blockers = list(record, "blocking_issues");
    if !blockers.is_empty() {
        let _ = writeln!(out, "\n{}", bold("in the way:", colours));
    }
    for blocker in blockers {
        let names: Vec<String> = list(blocker, "names").iter().map(words).collect();
        let names = match names.is_empty() {
            true => String::new(),
            false => format!(": {}", names.join(", ")),
        };
        let (what, about) = (words(&blocker["category"]), words(&blocker["description"]));
        let _ = writeln!(out, "{} {about}{names}", bold(&format!("{what}:"), colours));
        if blocker["who"].is_string() {
            let (who, action) = (words(&blocker["who"]), words(&blocker["action_required"]));
            let _ = writeln!(out, "  {who}: {action}");
        }
        command(out, &blocker["command"]);
    }
}

/// What the base branch demands, and how far it is met.
fn demands(out: &mut String, protection: &Value) {
    let (required, current) = (
        &protection["required_approvals"],
        &protection["current_approvals"],
    );
    if required.as_u64().is_some_and(|least| least > 0) {
        let current = match current.as_u64() {
            Some(current) => current.to_string(),
            None => "unknown".to_owned(),
        };
        let _ = writeln!(out, "approvals: {current} of {required}");
    }
    let lists = REQUIRED
        .iter()
        .map(|(field, what)| (*field, format!("required checks {what}")));
    let optional = ("optional_failing", "other checks failed".to_owned());
    for (field, what) in lists.chain([optional]) {
        let names: Vec<String> = list(protection, field).iter().map(words).collect();
        if !names.is_empty() {
            let _ = writeln!(out, "{what}: {}", names.join(", "));
        }
    }
    if protection["truncated"] == true {
        let _ = writeln!(out, "more checks than these");
    }
}

/// What can be done now.
fn next(out: &mut String, merge: &Value, colours: bool) {
    if merge["command"].is_string() {
        let waits = words(&merge["command"]).contains(" --auto ");
        let title = match waits {
            true => "to merge it as soon as nothing is in the way:",
            false => "to merge it:",
        };
        let _ = writeln!(out, "\n{}", bold(title, colours));
        command(out, &merge["command"]);
    }
    if merge["auto_merge"]["enabled"] == true {
        let _ = writeln!(out, "\nauto-merge is on: GitHub merges it when it can");
    }
    let admin = &merge["admin"];
    if admin["command"].is_string() {
        let title = "as administrator, in spite of the rules:";
        let _ = writeln!(out, "\n{}", bold(title, colours));
        command(out, &admin["command"]);
    } else if admin["may_bypass"] == false {
        let _ = writeln!(out, "\nthis login may not bypass the rules");
    } else if admin.is_object() && admin["may_bypass"].is_null() {
        let _ = writeln!(out, "\nwhether this login may bypass the rules is unknown");
    }
    let stays: Vec<String> = list(admin, "not_bypassed").iter().map(words).collect();
    if !stays.is_empty() {
        let _ = writeln!(
            out,
            "in the way of an administrator too: {}",
            stays.join(", ")
        );
    }
}

fn command(out: &mut String, command: &Value) {
    if command.is_string() {
        let _ = writeln!(out, "  $ {}", words(command));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blocked() -> Value {
        json!({
            "pr": "acme/api#42", "head_sha": "9f3c1e2", "verdict": "blocked",
            "merge_state_status": "BLOCKED", "ready_to_merge": false,
            "checks": {"ci_passing": false, "approvals_met": true, "no_conflicts": null,
                "up_to_date": true, "conversations_resolved": true,
                "branch_protection_satisfied": false},
            "blocking_issues": [
                {"category": "check_failing", "description": "a required check failed",
                    "names": ["te\u{1b}[31mst"], "who": "author",
                    "action_required": "get_failing_tests shows why"},
                {"category": "draft", "description": "it is a draft", "who": "author",
                    "action_required": "mark it as ready", "command": "gh pr ready 42 -R acme/api"},
            ],
            "branch_protection": {"sources": [], "required_approvals": 1, "current_approvals": 2,
                "required_checks": ["test", "lint"], "passing_checks": ["lint"],
                "failing_checks": ["test"], "pending_checks": [], "missing_checks": [],
                "optional_failing": ["docs"]},
            "merge": {"allowed_methods": ["squash"], "command": null,
                "auto_merge": {"allowed": true, "enabled": false}},
            "closes": ["acme/api#17"],
            "warnings": [{"source": "rulesets", "reason": "403", "effect": "rules are unknown"}],
        })
    }

    #[test]
    fn what_is_in_the_way_comes_first_with_who_and_how() {
        let expected = "acme/api#42 at 9f3c1e2: blocked (GitHub says BLOCKED)\n\
            closes acme/api#17\n\
            \n\
            in the way:\n\
            check_failing: a required check failed: te [31mst\n  \
              author: get_failing_tests shows why\n\
            draft: it is a draft\n  \
              author: mark it as ready\n  \
              $ gh pr ready 42 -R acme/api\n\
            \n\
            CI passes                       no\n\
            approvals are met               yes\n\
            no conflicts                    unknown\n\
            up to date with its base        yes\n\
            conversations are resolved      yes\n\
            branch protection is satisfied  no\n\
            approvals: 2 of 1\n\
            required checks failed: test\n\
            required checks passed: lint\n\
            other checks failed: docs\n\
            warning: rulesets: 403: rules are unknown\n";
        assert_eq!(render(&blocked(), false), expected);
        let coloured = render(&blocked(), true);
        assert!(coloured.contains("\u{1b}[1mblocked (GitHub says BLOCKED)\u{1b}[0m"));
        assert!(!coloured.contains("[31m\u{1b}") && !coloured.contains("\u{1b}[31m"));
    }

    #[test]
    fn the_next_command_is_the_last_word() {
        let mut ready = blocked();
        ready["verdict"] = json!("ready");
        ready["blocking_issues"] = json!([]);
        ready["warnings"] = Value::Null;
        ready["merge"]["command"] = json!("gh pr merge 42 -R acme/api --squash");
        let text = render(&ready, false);
        assert!(
            text.starts_with("acme/api#42 at 9f3c1e2: ready to merge\n"),
            "{text}"
        );
        let end = "\nto merge it:\n  $ gh pr merge 42 -R acme/api --squash\n";
        assert!(
            text.ends_with(end) && !text.contains("in the way"),
            "{text}"
        );
        ready["merge"]["command"] = json!("gh pr merge 42 -R acme/api --auto --squash");
        assert!(render(&ready, false).contains("as soon as nothing is in the way:\n  $ gh"));
        let mut denied = blocked();
        denied["merge"]["admin"] = json!({"may_bypass": false});
        assert!(render(&denied, false).ends_with("\nthis login may not bypass the rules\n"));
        denied["merge"]["admin"] = json!({"may_bypass": true, "not_bypassed": ["draft"]});
        let end = "in the way of an administrator too: draft\n";
        assert!(render(&denied, false).ends_with(end));
    }
}
