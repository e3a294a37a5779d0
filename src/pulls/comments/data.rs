//! Review threads and remarks as GraphQL tells them. Whether a thread is resolved is told nowhere
//! else.

use jiff::Timestamp;
use serde::Deserialize;

/// What is asked of a thread: the comment that opened it and the last words in it.
macro_rules! thread_fragments {
    () => {
        " fragment T on PullRequestReviewThread{id isResolved isOutdated path line startLine originalLine \
originalStartLine diffSide viewerCanResolve \
first:comments(first:1){totalCount nodes{...C diffHunk originalCommit{oid}}} \
last:comments(last:5){totalCount nodes{...C}}} \
fragment C on PullRequestReviewComment{fullDatabaseId author{__typename login} authorAssociation \
body createdAt url isMinimized pullRequestReview{state}}"
    };
}

/// The conversation and the first review threads, in one question.
pub(super) const FIRST_PAGE: &str = concat!(
    "query PrComments($owner:String!,$repo:String!,$pr:Int!){\
viewer{login} \
repository(owner:$owner,name:$repo){pullRequest(number:$pr){\
author{login} reviewDecision \
reviewThreads(first:50){totalCount pageInfo{hasNextPage endCursor} nodes{...T}} \
reviews(last:50){totalCount nodes{id fullDatabaseId author{__typename login} authorAssociation \
state body submittedAt url isMinimized}} \
comments(last:100){totalCount nodes{id fullDatabaseId author{__typename login} \
authorAssociation body createdAt url isMinimized}}}}}",
    thread_fragments!()
);

/// Further review threads.
pub(super) const NEXT_PAGE: &str = concat!(
    "query PrThreads($owner:String!,$repo:String!,$pr:Int!,\
$after:String){repository(owner:$owner,name:$repo){pullRequest(number:$pr){\
reviewThreads(first:50,after:$after){totalCount pageInfo{hasNextPage endCursor} nodes{...T}}}}}",
    thread_fragments!()
);

/// A list in which a node may be null: it could not be told.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T> {
    #[serde(default)]
    pub total_count: u64,
    #[serde(default)]
    pub page_info: Option<PageInfo>,
    pub nodes: Vec<Option<T>>,
}

/// Whether there are more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

/// The pull request in the parts that are asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    #[serde(default)]
    pub author: Option<Actor>,
    #[serde(default)]
    pub review_decision: Option<String>,
    #[serde(default)]
    pub review_threads: Option<Connection<Thread>>,
    #[serde(default)]
    pub reviews: Option<Connection<Remark>>,
    #[serde(default)]
    pub comments: Option<Connection<Remark>>,
}

/// Who wrote something.
#[derive(Debug, Deserialize)]
pub(super) struct Actor {
    #[serde(rename = "__typename", default)]
    pub kind: String,
    pub login: String,
}

/// A review thread with its first comment and its last ones.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thread {
    pub id: String,
    pub is_resolved: bool,
    pub is_outdated: bool,
    pub path: String,
    /// None when the thread is outdated, or about a whole file.
    pub line: Option<u64>,
    pub start_line: Option<u64>,
    pub original_line: Option<u64>,
    pub original_start_line: Option<u64>,
    #[serde(default)]
    pub diff_side: Option<String>,
    pub viewer_can_resolve: bool,
    pub first: Connection<Remark>,
    pub last: Connection<Remark>,
}

/// A comment in a thread or the conversation, or the body of a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remark {
    /// Not asked for in threads, which have one of their own.
    #[serde(default)]
    pub id: String,
    /// A number in a string: it outgrows 32 bits.
    #[serde(default)]
    pub full_database_id: Option<String>,
    pub author: Option<Actor>,
    #[serde(default)]
    pub author_association: String,
    pub body: String,
    /// None for a review that its author has not submitted.
    #[serde(alias = "submittedAt")]
    pub created_at: Option<Timestamp>,
    pub url: String,
    pub is_minimized: bool,
    /// Of a review.
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub diff_hunk: Option<String>,
    #[serde(default)]
    pub original_commit: Option<Commit>,
    #[serde(default)]
    pub pull_request_review: Option<Review>,
}

/// A commit.
#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub oid: String,
}

/// The review that a comment is part of.
#[derive(Debug, Deserialize)]
pub(super) struct Review {
    pub state: String,
}

impl<T> Connection<T> {
    /// What was told.
    pub fn told(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.nodes.iter().flatten()
    }
}

impl Remark {
    /// Login of the author; `ghost` when the account is gone, as GitHub shows it.
    pub fn author(&self) -> &str {
        self.author.as_ref().map_or("ghost", |author| &author.login)
    }

    /// Whether this login wrote it. GraphQL names bots without the `[bot]` that REST and the page
    /// have.
    pub fn is_by(&self, login: &str) -> bool {
        let login = login.trim().trim_start_matches('@');
        let login = login.strip_suffix("[bot]").unwrap_or(login);
        self.author().eq_ignore_ascii_case(login)
    }

    /// Whether GitHub knows the author as a bot.
    pub fn is_bot(&self) -> bool {
        self.author
            .as_ref()
            .is_some_and(|author| author.kind == "Bot")
    }

    /// Its number in addresses and in REST.
    pub fn number(&self) -> Option<u64> {
        self.full_database_id.as_ref()?.parse().ok()
    }

    /// Whether only its author sees it, until the review is submitted.
    pub fn is_pending(&self) -> bool {
        let of_review = self.pull_request_review.as_ref();
        let state = of_review
            .map(|review| &review.state)
            .or(self.state.as_ref());
        state.is_some_and(|state| state == "PENDING")
    }
}
