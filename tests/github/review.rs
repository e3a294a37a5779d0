//! What reviewers say on a pull request: threads on lines, and reviews.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::issue::Issue;

/// Everything that reviewers said on one pull request.
#[derive(Debug, Clone, Default)]
pub struct Reviews {
    /// Threads, oldest first.
    pub threads: Vec<ReviewThread>,
    /// Submitted reviews, oldest first.
    pub submitted: Vec<Review>,
    /// `APPROVED`, `CHANGES_REQUESTED` or `REVIEW_REQUIRED`.
    pub decision: Option<&'static str>,
    /// Comments of the conversation that somebody hid.
    pub hidden: BTreeSet<u64>,
    /// Commits the head builds on, with the files that changed since.
    pub changed_since: BTreeMap<String, Vec<String>>,
}

/// A thread on a line.
#[derive(Debug, Clone)]
pub struct ReviewThread {
    /// The number in its id.
    pub number: u64,
    /// The file.
    pub path: String,
    /// The line; none when it is outdated.
    pub line: Option<u64>,
    /// The line at the time.
    pub original_line: u64,
    /// Whether it is resolved.
    pub resolved: bool,
    /// Who resolved it.
    pub resolved_by: Option<String>,
    /// Whether the user may resolve it.
    pub viewer_can_resolve: bool,
    /// The comments, oldest first.
    pub comments: Vec<ReviewComment>,
}

/// A comment in a thread.
#[derive(Debug, Clone)]
pub struct ReviewComment {
    /// The database id.
    pub id: u64,
    /// Login; `[bot]` at its end marks a bot, none is an account that is gone.
    pub author: Option<String>,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Whether somebody hid it.
    pub minimized: bool,
    /// Whether its review is not submitted yet.
    pub pending: bool,
    /// The commit that was commented on.
    pub commit: String,
}

/// A review.
#[derive(Debug, Clone)]
pub struct Review {
    /// The database id.
    pub id: u64,
    /// Login.
    pub author: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`.
    pub state: &'static str,
    /// The text.
    pub body: String,
    /// When it was submitted.
    pub submitted_at: Timestamp,
}

impl ReviewThread {
    /// The id in GraphQL.
    pub fn node_id(&self) -> String {
        format!("PRRT_kwDO{}", self.number)
    }
}

impl Issue {
    /// What reviewers said; only pull requests have it.
    #[track_caller]
    pub fn reviews(&mut self) -> &mut Reviews {
        let pull = self.pull_request.as_mut();
        &mut pull.expect("only pull requests are reviewed").reviews
    }

    /// Opens a thread on a line of a file and gives it for more changes.
    #[track_caller]
    pub fn thread(&mut self, author: &str, path: &str, line: u64, body: &str) -> &mut ReviewThread {
        self.touch();
        let number = self.id * 1_000 + self.reviews().threads.len() as u64 + 1;
        let commit = self.pull_request.as_ref().map(|pull| pull.head_sha.clone());
        let comment = ReviewComment {
            id: number * 1_000,
            author: Some(author.to_owned()),
            body: body.to_owned(),
            created_at: self.updated_at,
            minimized: false,
            pending: false,
            commit: commit.unwrap_or_default(),
        };
        let threads = &mut self.reviews().threads;
        threads.push(ReviewThread {
            number,
            path: path.to_owned(),
            line: Some(line),
            original_line: line,
            resolved: false,
            resolved_by: None,
            viewer_can_resolve: true,
            comments: vec![comment],
        });
        threads.last_mut().expect("it was added a line ago")
    }

    /// Says something in the newest thread.
    #[track_caller]
    pub fn reply(&mut self, author: &str, body: &str) -> &mut Self {
        let number = self
            .reviews()
            .threads
            .last()
            .expect("there is a thread")
            .number;
        self.reply_in(number, author, body);
        self
    }

    /// Says something in a thread and gives the comment's id.
    #[track_caller]
    pub(super) fn reply_in(&mut self, number: u64, author: &str, body: &str) -> u64 {
        self.touch();
        let created_at = self.updated_at;
        let mut threads = self.reviews().threads.iter_mut();
        let thread = threads
            .find(|thread| thread.number == number)
            .expect("the thread exists");
        let comment = ReviewComment {
            id: thread.comments[0].id + thread.comments.len() as u64,
            author: Some(author.to_owned()),
            body: body.to_owned(),
            created_at,
            ..thread.comments[0].clone()
        };
        let id = comment.id;
        thread.comments.push(comment);
        id
    }

    /// Submits a review.
    #[track_caller]
    pub fn review(&mut self, author: &str, state: &'static str, body: &str) -> &mut Self {
        self.touch();
        let (id, submitted_at) = (self.id * 1_000, self.updated_at);
        let submitted = &mut self.reviews().submitted;
        submitted.push(Review {
            id: id + submitted.len() as u64 + 1,
            author: author.to_owned(),
            state,
            body: body.to_owned(),
            submitted_at,
        });
        self
    }

    /// Pushes a commit that changes some files.
    #[track_caller]
    pub fn push(&mut self, sha: &str, files: &[&str]) -> &mut Self {
        let pull = self
            .pull_request
            .as_mut()
            .expect("only pull requests are pushed to");
        let before = std::mem::replace(&mut pull.head_sha, sha.to_owned());
        pull.reviews.changed_since.insert(before, Vec::new());
        for known in pull.reviews.changed_since.values_mut() {
            known.extend(files.iter().map(|&file| file.to_owned()));
        }
        self.touch()
    }
}
