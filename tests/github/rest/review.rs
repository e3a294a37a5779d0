//! Routes of reviews: what changed since a commit, and a comment of a thread.

use super::super::repository::Repository;
use super::Reply;

/// Compares a commit with the head of the pull request that was built on it.
pub(super) fn compare(repository: &Repository, range: &str) -> Reply {
    let not_found = || Reply::message(404, "Not Found");
    let Some((base, head)) = range.split_once("...") else {
        return not_found();
    };
    let pulls = repository
        .issues
        .values()
        .filter_map(|issue| issue.pull_request.as_ref());
    let changed = pulls
        .filter(|pull| pull.head_sha == head)
        .find_map(|pull| pull.reviews.changed_since.get(base));
    let Some(files) = changed else {
        return not_found();
    };
    Reply::json(200, |json| {
        json.object(|json| {
            json.key("status").plain("ahead");
            json.key("files").list(files, |json, file| {
                json.object(|json| json.key("filename").text(file));
            });
        });
    })
}

/// A comment of a thread.
pub(super) fn comment(repository: &Repository, number: &str) -> Reply {
    let pulls = repository
        .issues
        .values()
        .filter_map(|issue| issue.pull_request.as_ref());
    let mut threads = pulls.flat_map(|pull| &pull.reviews.threads);
    let place = |thread: &super::super::review::ReviewThread| {
        let mut comments = thread.comments.iter();
        comments.position(|comment| comment.id.to_string() == number)
    };
    match threads.find_map(|thread| Some((thread, place(thread)?))) {
        Some((thread, place)) => Reply::json(200, |json| {
            json.object(|json| {
                json.key("id").raw(thread.comments[place].id);
                json.key("node_id")
                    .plain(format_args!("PRRC_kwDO{}", thread.comments[place].id));
                if place > 0 {
                    json.key("in_reply_to_id").raw(thread.comments[0].id);
                }
                json.key("body").text(&thread.comments[place].body);
            });
        }),
        None => Reply::message(404, "Not Found"),
    }
}
