//! What is on GitHub when the demonstration begins.

use jiff::SignedDuration;

use crate::github::World;

/// Issues beside those of the stand-in's small world: repository, title and labels.
const MORE: [(&str, &str, &[&str]); 7] = [
    (
        "acme/api",
        "Health check says ok while the database is away",
        &["P1", "bug"],
    ),
    (
        "acme/web",
        "Keyboard users cannot leave the cookie dialog",
        &["P1", "bug"],
    ),
    ("acme/api", "Retry webhooks that time out", &["P2"]),
    (
        "acme/web",
        "Show prices in the currency of the customer",
        &["P2"],
    ),
    (
        "octo/notes",
        "Tags with a slash break the folder view",
        &["P2", "bug"],
    ),
    (
        "octo/notes",
        "Search does not find words with accents",
        &["P2", "bug"],
    ),
    ("octo/notes", "Remember the size of the window", &[]),
];

/// The stand-in's small world with more to do, of different ages.
pub fn world() -> World {
    let mut world = World::small();
    for (repository, title, labels) in MORE {
        world.repository(repository).add_issue(title).labels(labels);
    }
    // Its milestone would come first whatever its age; here label and age shall decide.
    world.issue("acme/api", 1).milestone = None;
    let issues = world
        .repositories
        .iter_mut()
        .flat_map(|repository| repository.issues.values_mut());
    for (place, issue) in (0_i64..).zip(issues) {
        issue.created_at -= SignedDuration::from_hours(24 * (place * 7 % 20));
    }
    world
}
