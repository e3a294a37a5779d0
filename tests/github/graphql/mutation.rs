//! Mutations: each field changes the world, in the order of the document; what it gives back is
//! read from the world afterwards.

use std::collections::HashMap;

use serde_json::Value;

use super::super::issue::Issue;
use super::super::world::World;
use super::Prepared;
use super::ast::Selection;
use super::node::{Failure, Node, Outcome};
use super::values::Arguments;

/// What the fields of a mutation came to, by name of the field.
pub(super) type Done = HashMap<String, Result<Change, String>>;

/// What a field changed.
pub(super) struct Change {
    /// The thread, by its id.
    thread: String,
    /// The comment that was added to it.
    comment: Option<u64>,
}

/// Does what a mutation asks for.
pub(super) fn apply(world: &mut World, prepared: &Prepared<'_>) -> Done {
    let mut done = Done::new();
    for selection in &prepared.query.selection_set.items {
        if let Selection::Field(field) = selection {
            let input = Arguments::new(&field.arguments, &prepared.variables).get("input");
            done.insert(field.name.to_owned(), change(world, field.name, &input));
        }
    }
    done
}

fn change(world: &mut World, field: &str, input: &Value) -> Result<Change, String> {
    let user = world.user.clone();
    let id = input["threadId"]
        .as_str()
        .or(input["pullRequestReviewThreadId"].as_str());
    let id = id.unwrap_or_default().to_owned();
    let (issue, number) = find(world, &id)
        .ok_or_else(|| format!("Could not resolve to a node with the global id of '{id}'"))?;
    if field == "addPullRequestReviewThreadReply" {
        let comment = issue.reply_in(number, &user, input["body"].as_str().unwrap_or_default());
        return Ok(Change {
            thread: id,
            comment: Some(comment),
        });
    }
    let mut threads = issue.reviews().threads.iter_mut();
    let thread = threads
        .find(|thread| thread.number == number)
        .expect("it was found a line ago");
    if !thread.viewer_can_resolve {
        return Err("You do not have permission to resolve this thread.".to_owned());
    }
    thread.resolved = field == "resolveReviewThread";
    thread.resolved_by = thread.resolved.then_some(user);
    Ok(Change {
        thread: id,
        comment: None,
    })
}

fn find<'w>(world: &'w mut World, id: &str) -> Option<(&'w mut Issue, u64)> {
    let issues = world
        .repositories
        .iter_mut()
        .flat_map(|home| home.issues.values_mut());
    issues.into_iter().find_map(|issue| {
        let threads = &issue.pull_request.as_ref()?.reviews.threads;
        let number = threads.iter().find(|thread| thread.node_id() == id)?.number;
        Some((issue, number))
    })
}

/// What a field of the mutation yields.
pub(super) fn payload<'w>(world: &'w World, done: &Done, field: &str) -> Outcome<'w> {
    match done.get(field) {
        Some(Ok(change)) => {
            let Some(Node::Thread(home, issue, thread)) =
                super::review::by_id(world, &change.thread)
            else {
                return Outcome::Null;
            };
            let mut comments = thread.comments.iter();
            let comment = comments.find(|comment| Some(comment.id) == change.comment);
            Outcome::Object(match comment {
                Some(comment) => Node::Replied(home, issue, comment),
                None => Node::Changed(home, issue, thread),
            })
        }
        Some(Err(message)) => {
            let kind = if message.starts_with("Could not") {
                "NOT_FOUND"
            } else {
                "FORBIDDEN"
            };
            Outcome::Failed(Failure {
                kind,
                message: message.clone(),
            })
        }
        None => Outcome::Null,
    }
}
