//! The fields of review threads and reviews.

use super::super::issue::Issue;
use super::super::repository::Repository;
use super::super::review::{Review, ReviewComment, ReviewThread};
use super::super::world::World;
use super::fields::web_page;
use super::node::{Node, Outcome};
use super::resolve::list;
use super::values::Arguments;

/// The account behind a login: null when it is gone.
pub(super) fn actor(login: Option<&String>) -> Outcome<'_> {
    Outcome::object_or_null(login.map(|login| Node::Account(login)))
}

/// Of a thread.
pub(super) fn thread_field<'w>(
    home: &'w Repository,
    issue: &'w Issue,
    thread: &'w ReviewThread,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let line = || thread.line.map_or(Outcome::Null, Outcome::id);
    match field {
        "id" => Outcome::owned(thread.node_id()),
        "isResolved" | "isCollapsed" => Outcome::Flag(thread.resolved),
        "isOutdated" => Outcome::Flag(thread.line.is_none()),
        "path" => Outcome::text(&thread.path),
        "line" => line(),
        "originalLine" => Outcome::id(thread.original_line),
        "startLine" | "originalStartLine" => Outcome::Null,
        "diffSide" => Outcome::text("RIGHT"),
        "subjectType" => Outcome::text("LINE"),
        "viewerCanResolve" => Outcome::Flag(thread.viewer_can_resolve && !thread.resolved),
        "viewerCanUnresolve" => Outcome::Flag(thread.viewer_can_resolve && thread.resolved),
        "viewerCanReply" => Outcome::Flag(true),
        "resolvedBy" => actor(thread.resolved_by.as_ref()),
        "pullRequest" => Outcome::Object(Node::Issue(home, issue)),
        _ => {
            let nodes = thread.comments.iter();
            let nodes = nodes.map(|comment| Node::ThreadComment(home, issue, comment));
            list("PullRequestReviewComment", nodes, arguments)
        }
    }
}

/// Of a comment in a thread.
pub(super) fn comment_field<'w>(
    world: &World,
    home: &Repository,
    issue: &Issue,
    comment: &'w ReviewComment,
    field: &str,
) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("PRRC_kwDO{}", comment.id)),
        "fullDatabaseId" => Outcome::owned(comment.id.to_string()),
        "author" => actor(comment.author.as_ref()),
        "authorAssociation" => Outcome::text("MEMBER"),
        "body" => Outcome::text(&comment.body),
        "isMinimized" => Outcome::Flag(comment.minimized),
        "diffHunk" => Outcome::text("@@ -1,3 +1,3 @@ fn main\n context\n-old\n+new"),
        "originalCommit" => Outcome::Object(Node::Commit(&comment.commit)),
        "pullRequestReview" => {
            let state = if comment.pending {
                "PENDING"
            } else {
                "COMMENTED"
            };
            Outcome::Object(Node::ReviewState(state))
        }
        "url" => {
            let page = web_page(world, home, issue);
            Outcome::owned(format!("{page}#discussion_r{}", comment.id))
        }
        _ => Outcome::Time(comment.created_at),
    }
}

/// Of a review.
pub(super) fn review_field<'w>(
    world: &World,
    home: &Repository,
    issue: &Issue,
    review: &'w Review,
    field: &str,
) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("PRR_kwDO{}", review.id)),
        "fullDatabaseId" => Outcome::owned(review.id.to_string()),
        "author" => Outcome::Object(Node::Account(&review.author)),
        "authorAssociation" => Outcome::text("MEMBER"),
        "state" => Outcome::text(review.state),
        "body" => Outcome::text(&review.body),
        "isMinimized" => Outcome::Flag(false),
        "commit" => Outcome::Null,
        "url" => {
            let page = web_page(world, home, issue);
            Outcome::owned(format!("{page}#pullrequestreview-{}", review.id))
        }
        _ => Outcome::Time(review.submitted_at),
    }
}

/// The thread with an id, and where it is.
pub(super) fn by_id<'w>(world: &'w World, id: &str) -> Option<Node<'w>> {
    let visible = world
        .repositories
        .iter()
        .filter(|repository| !repository.inaccessible);
    visible
        .flat_map(|home| home.issues.values().map(move |issue| (home, issue)))
        .find_map(|(home, issue)| {
            let threads = &issue.pull_request.as_ref()?.reviews.threads;
            let thread = threads.iter().find(|thread| thread.node_id() == id)?;
            Some(Node::Thread(home, issue, thread))
        })
}
