//! No answer of a pull-request tool is larger than 8 KiB, whatever there is to tell.

use super::{comments, conflicts, create, failing_tests, impact, merge_readiness, review, stack};
use crate::domain::limits;

/// For each tool the largest answers that it can build of names and words made of some letters: as
/// HTTP and MCP give them, further pages too.
type Largest = fn(&str) -> Vec<String>;

/// Of two bytes, longer as JSON, and longer in a shell.
const LETTERS: &[&str] = &["ä", "\"", "'"];
const TOOLS: [(&str, Largest, &[&str]); 10] = [
    // A test of its own tries the other letters.
    (
        "get_failing_tests",
        failing_tests::pages_tests::largest,
        &["'"],
    ),
    (
        "find_unresolved_comments",
        comments::tests::largest,
        LETTERS,
    ),
    (
        "find_unresolved_comments",
        comments::thread_page::largest,
        LETTERS,
    ),
    ("resolve_review_thread", comments::resolve::largest, LETTERS),
    ("manage_stacked_prs", stack::largest::answers, LETTERS),
    (
        "detect_merge_conflicts",
        conflicts::largest::answers,
        LETTERS,
    ),
    (
        "check_merge_readiness",
        merge_readiness::largest::answers,
        LETTERS,
    ),
    ("analyze_pr_impact", impact::tests::largest_pages, LETTERS),
    // A test of its own tries quotes; nothing in it is for a shell.
    ("get_review_suggestions", review::tests::largest, &["ä"]),
    ("create_pull_request", create::largest, LETTERS),
];

#[test]
fn no_answer_is_larger_than_eight_kibibytes() {
    let mut wrong = Vec::new();
    for (tool, largest, all) in TOOLS {
        for letters in all {
            let answers = largest(letters);
            let most = answers.iter().map(String::len).max().unwrap_or_default();
            if most > limits::ANSWER_BYTES_MAX || answers.is_empty() {
                wrong.push(format!("{tool} with {letters}: {most} bytes"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
