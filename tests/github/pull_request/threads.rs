//! What reviewers said: most of it is done with.

use super::super::issue::Issue;

/// How many threads there are.
pub const THREADS: usize = 40;

/// The threads that are open: file, line and words of their first comment.
pub const OPEN_THREADS: [(&str, u64, &str); 5] = [
    (
        "backend/src/money.rs",
        12,
        "Please name the mode of rounding",
    ),
    (
        "backend/src/money.rs",
        19,
        "Potential overflow when summing",
    ),
    (
        "importer/importer/prices.py",
        9,
        "What happens with a price such as",
    ),
    (
        "web/src/cart/total.ts",
        6,
        "Comparing floating point numbers",
    ),
    ("web/src/cart/line.ts", 4, "Was this file meant to be"),
];

/// Files with threads that are done with.
const PATHS: [&str; 3] = [
    "backend/src/money.rs",
    "importer/importer/prices.py",
    "web/src/cart/total.ts",
];

const BOT: &str = "coderabbitai[bot]";

/// What a review bot writes on a line: a finding, and much around it.
fn bot_body(finding: &str, line: u64, replacement: &str) -> String {
    format!(
        "_⚠️ Potential issue_ | _🟠 Major_\n\n**{finding}**\n\nThe amounts come from an order of \
         any length. `i64` wraps silently in release builds and panics in debug builds.\n\n\
         <details>\n<summary>🧩 Analysis chain</summary>\n\n🏁 Script executed:\n\n```shell\n\
         #!/bin/bash\nrg -nP 'fn sum|cents:' --type rust -C3\nast-grep run --pattern \
         'Money::sum($$$)' --lang rust\n```\n\n{}\n</details>\n\n<details>\n<summary>📝 Committable \
         suggestion</summary>\n\n> ‼️ **IMPORTANT**\n> Carefully review the code before committing. \
         Ensure that it accurately replaces the highlighted code, contains no missing lines, and \
         has no issues with indentation.\n\n```suggestion\n{replacement}\n```\n\n</details>\n\n\
         <details>\n<summary>🤖 Prompt for AI Agents</summary>\n\n```\nIn backend/src/money.rs \
         around line {line}, {finding}; replace the code with the suggestion above and add a test \
         for the largest amount.\n```\n\n</details>\n\n<!-- fingerprinting:phantom:poseidon:hawk \
         -->\n\n<!-- This is an auto-generated comment by CodeRabbit -->",
        "Length of output: 2841\n\n".repeat(20)
    )
}

/// Lets reviewers comment on one commit before the head was pushed.
pub(super) fn fill(pull: &mut Issue, reviewed: &str, head: &str) {
    let details = pull.pull_request.as_mut().expect("it is one");
    reviewed.clone_into(&mut details.head_sha);
    pull.comment(
        BOT,
        "<!-- This is an auto-generated comment: summarize by coderabbit.ai -->\n## Walkthrough\n\n\
         Rounding goes to the even neighbour in backend, importer and web.\n\n## Changes\n\n\
         |File|Summary|\n|---|---|\n|backend/src/money.rs|rounds half to even|\n\n\
         <!-- tips_start -->\n\nThanks for using CodeRabbit!\n<!-- tips_end -->",
    );
    for place in 0..THREADS - OPEN_THREADS.len() {
        done(pull, place);
    }
    let suggestion =
        "```suggestion\n        let cents = (price * CENTS_PER_EURO).round_ties_even();\n```";
    let named = format!("Please name the mode of rounding and the factor.\n\n{suggestion}");
    thread(pull, 0, "lea", &named);
    let finding = "Potential overflow when summing many amounts";
    let checked = "        let cents = amounts.iter().fold(0i64, |sum, amount| \
                   sum.saturating_add(amount.cents));";
    let body = bot_body(finding, OPEN_THREADS[1].1, checked);
    thread(pull, 1, BOT, &body);
    thread(
        pull,
        2,
        "kim",
        "What happens with a price such as `1.005`, which the supplier sends as text with a comma?",
    );
    pull.reply("octo", "The comma is replaced before; I'll add a test.");
    pull.reply("kim", "I don't see where. Please point me to it.");
    let body = "Comparing floating point numbers with `!==` is fragile here: `1.005 * 100` is \
                `100.49999999999999`.\n\n```suggestion\n  if (Math.abs(exact - down - 0.5) > \
                Number.EPSILON * exact) return Math.round(exact);\n```\n\nCopilot uses AI. Check \
                for mistakes.";
    thread(pull, 3, "copilot-pull-request-reviewer[bot]", body);
    thread(pull, 4, "grace", "Was this file meant to be deleted?");
    pull.reviews().threads.last_mut().expect("it is there").line = None;
    pull.review("lea", "CHANGES_REQUESTED", "");
    pull.reviews().decision = Some("CHANGES_REQUESTED");
    pull.comment("octo", "Thank you all, I work on what is left.");
    pull.push(head, &["web/src/cart/total.ts"]);
}

/// Opens the thread at a place of [`OPEN_THREADS`].
fn thread(pull: &mut Issue, place: usize, author: &str, body: &str) {
    let (path, line, words) = OPEN_THREADS[place];
    assert!(body.contains(words), "{body}");
    pull.thread(author, path, line, body);
}

/// A thread that was answered and resolved.
fn done(pull: &mut Issue, place: usize) {
    let path = PATHS[place % PATHS.len()];
    let line = place as u64 + 1;
    let number = place + 1;
    if place % 3 == 1 {
        let finding = format!("Settled finding {number}: the value may be missing");
        let body = bot_body(
            &finding,
            line,
            "        let value = value.unwrap_or_default();",
        );
        pull.thread(BOT, path, line, &body);
    } else {
        let body = format!(
            "Settled remark {number}: I would keep this function next to the one that reads the \
             price, so that both are changed together. What do you think?"
        );
        pull.thread(["lea", "kim", "grace"][place % 3], path, line, &body);
        pull.reply("octo", "Good point, moved.");
    }
    let thread = pull.reviews().threads.last_mut().expect("it is there");
    (thread.resolved, thread.resolved_by) = (true, Some("octo".to_owned()));
}
