//! A pull request on a bad day, as an agent meets it: three of twelve jobs fail with long logs, five
//! of forty review threads are open, rules demand more than there is, one pull request builds on it
//! and another conflicts with the target.
//!
//! Commits, files and comparisons come from a real git repository.

mod files;
mod logs;
mod threads;

use serde_json::json;

use super::git_repository::GitRepository;
use super::merges::Merges;
use super::repository::Repository;
use super::world::World;

pub use logs::{FAILING_TESTS, LOG_LINES};
pub use threads::{OPEN_THREADS, THREADS};

/// The repository of this world; its issue 1 is what pull request 2 closes.
const REPOSITORY: &str = "acme/api";
const PULL: u64 = 2;
/// Builds on [`PULL`].
const STACKED: u64 = 3;
/// Conflicts with `main`.
const CONFLICTING: u64 = 4;

/// Jobs by name and conclusion, in the order of their reports.
const JOBS: [(&str, &str); 12] = [
    ("changes", "success"),
    ("backend / test", "failure"),
    ("backend / clippy", "success"),
    ("backend / rustfmt", "success"),
    ("importer / test", "failure"),
    ("importer / ruff", "success"),
    ("importer / mypy", "success"),
    ("web / test", "failure"),
    ("web / eslint", "success"),
    ("web / build", "success"),
    ("docs", "success"),
    ("preview", "skipped"),
];

/// The checks that the rules demand; nothing reports the last one.
const REQUIRED: [&str; 5] = [
    "backend / test",
    "backend / clippy",
    "importer / test",
    "web / test",
    "license",
];

impl World {
    /// `acme/api` with the failing pull request 2, pull request 3 on top of it, and pull request
    /// 4, which conflicts with `main`.
    pub fn pull_request() -> Self {
        let mut world = Self::new("octo");
        let repository = world.add_repository(REPOSITORY);
        repository
            .add_issue("Invoices differ from their lines by a cent")
            .labels(&["P1", "bug"])
            .body(
                "Half a cent is always rounded up, so that the sum of the lines drifts from the \
                 total.\n\n- [ ] half cents go to the even neighbour\n- [ ] backend, importer and \
                 web agree",
            );
        let branches = files::store();
        let git = branches.store.git.clone();
        repository.store = Some(branches.store);
        repository.history = git.history();
        for (number, title, head, base) in [
            (PULL, "Round half cents to even", files::HEAD, "main"),
            (STACKED, "Print receipts", files::STACKED, files::HEAD),
            (
                CONFLICTING,
                "Show the sign of the currency",
                files::CONFLICTING,
                "main",
            ),
        ] {
            open(repository, &git, number, title, head, base);
        }
        let pull = repository.issue(PULL);
        let head = git.branch(files::HEAD).expect("it was made");
        threads::fill(pull, &branches.reviewed, &head);
        checks(&mut repository.merges, &head);
        rules(&mut repository.merges);
        verdicts(&mut repository.merges, &head);
        world
    }
}

/// Opens a pull request between two branches.
fn open(
    repository: &mut Repository,
    git: &GitRepository,
    number: u64,
    title: &str,
    head: &str,
    base: &str,
) {
    let closes: &[u64] = if number == PULL { &[1] } else { &[] };
    let pull = repository.add_pull_request(title, closes).head(head);
    assert_eq!(pull.number, number, "the numbers follow each other");
    if number == PULL {
        pull.body("Closes #1.\n\nBackend, importer and web round alike now.");
    }
    let details = pull.pull_request.as_mut().expect("it is one");
    details.head_sha = git.branch(head).expect("the branch was made");
    base.clone_into(&mut details.base_ref);
    let found = git.compare(base, head).expect("they have an ancestor");
    let commits = found
        .ahead
        .iter()
        .map(|oid| json!({"commit": {"oid": oid}}));
    let commits = commits.collect();
    repository.merges.say_of(number, "commits", commits);
    for file in git.changed_files(&found.merge_base, &found.head) {
        repository.merges.changes_file(number, file);
    }
}

/// What continuous integration reported of the head.
fn checks(merges: &mut Merges, head: &str) {
    merges.workflow_run(head, 9, "failure");
    for (name, conclusion) in JOBS {
        merges.check_run(head, name, conclusion);
        if conclusion == "failure" {
            let (log, exit_code) = logs::of(name);
            let message = format!("Process completed with exit code {exit_code}.");
            merges
                .step(head, "Set up job", Some("success"))
                .step(head, "Run tests", Some("failure"))
                .log(head, log)
                .annotate(head, ".github", 1, &message);
        }
        // The jobs on the target are fine: what fails is of the pull request.
        merges.check_run("main", name, "success");
    }
}

/// What the rules of the target demand.
fn rules(merges: &mut Merges) {
    let checks: Vec<_> = REQUIRED
        .iter()
        .map(|name| json!({"context": name, "integration_id": 15368}))
        .collect();
    merges
        .rule("main", "deletion", json!({}))
        .rule("main", "non_fast_forward", json!({}))
        .rule(
            "main",
            "required_status_checks",
            json!({"strict_required_status_checks_policy": true,
                "do_not_enforce_on_create": false, "required_status_checks": checks}),
        )
        .rule(
            "main",
            "pull_request",
            json!({"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": true,
                "require_code_owner_review": false, "require_last_push_approval": false,
                "required_review_thread_resolution": true, "allowed_merge_methods": ["squash"]}),
        );
    merges.file("main", ".github/CODEOWNERS", files::CODEOWNERS);
    for (path, logins) in [
        ("backend/src/money.rs", ["lea", "lea", "kim"].as_slice()),
        ("importer/importer/prices.py", &["kim"]),
        ("web/src/cart/total.ts", &["grace", "grace"]),
    ] {
        merges.authors("main", path, logins);
    }
}

/// What GitHub says of the pull requests.
fn verdicts(merges: &mut Merges, head: &str) {
    merges
        .say_of(PULL, "mergeStateStatus", json!("BLOCKED"))
        .say_of(
            PULL,
            "latestOpinionatedReviews",
            json!([{"author": {"__typename": "User", "login": "lea"}, "state": "CHANGES_REQUESTED",
                "commit": {"oid": head}}]),
        )
        .say_of(CONFLICTING, "mergeable", json!("CONFLICTING"))
        .say_of(CONFLICTING, "mergeStateStatus", json!("DIRTY"));
}
