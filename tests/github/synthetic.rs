//! Ready-made worlds: a friendly one for demonstrations, and large ones for measuring.

use std::sync::Arc;

use super::world::World;

/// Issues open at the start of the small world: repository, title, labels, description.
const SMALL: [(&str, &str, &[&str], &str); 12] = [
    (
        "acme/api",
        "Login fails with a 500 when the e-mail has a plus sign",
        &["P0", "bug"],
        "## Steps\n1. Sign up as `jo+test@example.com`.\n2. Log in.\n\nThe server answers 500. The log says `invalid escape in query`.\n\n## Done when\n- [ ] The address is encoded once.\n- [ ] A test covers `+`, `%` and a space.",
    ),
    (
        "acme/api",
        "Pagination of /orders skips an order when one is deleted meanwhile",
        &["P1", "bug"],
        "Pages are cut by offset. When an order on page 1 is deleted, the first order of page 2 is never shown.\n\nUse a cursor over `(created_at, id)` instead.",
    ),
    (
        "acme/api",
        "Add rate limits per API key",
        &["P1"],
        "One customer can slow down all the others. Limit to 100 requests a second for each key and answer 429 with `Retry-After`.",
    ),
    (
        "acme/api",
        "Document the limits in the developer guide",
        &["P2"],
        "Needs the numbers from the issue about limits, so it has to wait for that one.",
    ),
    (
        "acme/api",
        "Move the background jobs off the web process",
        &["P2"],
        "A large export blocks the event loop for seconds. Run jobs in a process of their own.",
    ),
    (
        "acme/api",
        "Should deleted users keep their comments?",
        &["question"],
        "Legal asks for removal, support asks for keeping the text under \"deleted user\". Needs a decision by a person.",
    ),
    (
        "acme/web",
        "Dark mode: the date picker is unreadable",
        &["P2", "bug"],
        "Dark grey on black. The colours are hard-coded in `date-picker.css`.",
    ),
    (
        "acme/web",
        "Search box loses focus after every keystroke on Firefox",
        &["P1", "bug"],
        "The list re-renders the input because its key is the query. Chrome restores the focus, Firefox does not.",
    ),
    (
        "acme/web",
        "Upgrade the router to version 7",
        &["P3"],
        "Follow the migration guide. Loaders replace our `useFetch` hook.",
    ),
    (
        "acme/web",
        "Show a banner when the API answers 429",
        &["P2", "blocked"],
        "Waits for the rate limits of the API.",
    ),
    (
        "octo/notes",
        "Export all notes as Markdown",
        &["P3"],
        "One file for each note, in folders by tag, as a zip archive.",
    ),
    (
        "octo/notes",
        "Typo on the start page: \"recieve\"",
        &["P3", "bug"],
        "Line 12 of `index.html`.",
    ),
];

const AREAS: [&str; 8] = [
    "login", "search", "export", "billing", "upload", "settings", "reports", "webhooks",
];
const FAULTS: [&str; 8] = [
    "fails after a time-out",
    "is slow with many rows",
    "shows the wrong time zone",
    "loses the last entry",
    "needs a retry",
    "does not escape quotes",
    "leaks a file handle",
    "ignores the locale",
];
const LABELS: [&[&str]; 8] = [
    &["P1", "bug"],
    &["P2"],
    &["priority: high", "bug"],
    &[],
    &["P3"],
    &["enhancement"],
    &["P0", "bug", "security"],
    &["question"],
];
const ASSIGNEES: [&str; 3] = ["octo", "ada", "grace"];

impl World {
    /// Three repositories with a dozen issues: one blocked, one assigned, one with an open
    /// pull request.
    pub fn small() -> Self {
        let mut world = Self::new("octo");
        for repository in ["acme/api", "acme/web", "octo/notes"] {
            world.add_repository(repository);
        }
        for (repository, title, labels, body) in SMALL {
            world
                .repository(repository)
                .add_issue(title)
                .body(body)
                .labels(labels);
        }
        world
            .issue("acme/api", 1)
            .milestone("Spring release", Some("2030-03-31T00:00:00Z"));
        world
            .issue("acme/api", 2)
            .comment("grace", "Seen again today with 30 orders.");
        world.issue("acme/api", 4).blocked_by(3);
        world.issue("acme/api", 5).assignees(&["ada"]);
        world.issue("acme/web", 4).blocked_by_in("acme/api", 3);
        let pull = world
            .repository("acme/web")
            .add_pull_request("Keep the search box mounted", &[2]);
        pull.author("ada").body("Closes #2").head("search-focus");
        world
    }

    /// As many repositories and issues as asked for, always the same for a seed. One issue
    /// in five is closed, one in ten is assigned and one in twenty is blocked by the one before.
    pub fn synthetic(repositories: usize, issues_each: usize, seed: u64) -> Self {
        let mut world = Self::new("octo");
        let mut random = Random(seed);
        // Ten texts for all issues: a large world costs little more than its titles.
        let bodies: Vec<Arc<str>> = (0..10).map(|_| body(&mut random).into()).collect();
        for place in 1..=repositories {
            let repository = world.add_repository(&format!("acme/service-{place:03}"));
            for number in 1..=issues_each {
                let (area, fault) = (random.of(&AREAS), random.of(&FAULTS));
                let issue = repository.add_issue(&format!("The {area} {fault} ({number})"));
                // Set directly: a second of the world's time for an issue is enough.
                issue.body = random.of(&bodies).clone();
                issue.labels = random
                    .of(&LABELS)
                    .iter()
                    .map(|&label| label.to_owned())
                    .collect();
                if random.below(10) == 0 {
                    issue.assignees = vec![(*random.of(&ASSIGNEES)).to_owned()];
                }
                if number > 1 && random.below(20) == 0 {
                    issue.blocked_by(number as u64 - 1);
                }
                if random.below(5) == 0 {
                    issue.close("completed");
                }
            }
        }
        world
    }
}

/// About a kilobyte of text.
fn body(random: &mut Random) -> String {
    let mut text = String::from("## What happens\n");
    while text.len() < 1_000 {
        let (area, fault) = (random.of(&AREAS), random.of(&FAULTS));
        text.push_str(&format!(
            "- The {area} {fault}; after that the {} is affected too.\n",
            random.of(&AREAS)
        ));
    }
    text
}

/// Numbers that look random and are the same for the same seed (the `SplitMix64` sequence).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(items.len() as u64)).expect("the place is small");
        &items[place]
    }
}
