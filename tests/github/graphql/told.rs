//! Fields whose values the world holds as GraphQL shows them.

use serde_json::Value;

use super::super::issue::Issue;
use super::super::repository::Repository;
use super::node::{Context, Node, Outcome};
use super::objects;
use super::resolve::list;
use super::values::Arguments;

/// Fields of a repository.
const OF_REPOSITORY: [&str; 4] = [
    "mergeCommitAllowed",
    "squashMergeAllowed",
    "rebaseMergeAllowed",
    "autoMergeAllowed",
];

/// Fields of a pull request.
const OF_PULL: [&str; 15] = [
    "mergeable",
    "mergeStateStatus",
    "reviewDecision",
    "viewerCanUpdateBranch",
    "viewerCanEnableAutoMerge",
    "viewerCanMergeAsAdmin",
    "isInMergeQueue",
    "isMergeQueueEnabled",
    "mergeQueueEntry",
    "autoMergeRequest",
    "baseRef",
    "latestOpinionatedReviews",
    "reviewRequests",
    "reviewThreads",
    "commits",
];

/// Fields of a pull request that come from the history where there is one.
const OF_HISTORY: [&str; 3] = ["isInMergeQueue", "baseRef", "commits"];

/// Fields of a pull request that come from its reviews unless they were said.
const OF_REVIEWS: [&str; 2] = ["reviewDecision", "reviewThreads"];

/// A field of a repository, if it is one of these.
pub(super) fn of_repository<'w>(
    context: &Context<'w>,
    home: &'w Repository,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Option<Outcome<'w>> {
    if let Some(outcome) = objects::of_repository(home, field, arguments) {
        return Some(outcome);
    }
    let value = home.merges.of_repository(field);
    OF_REPOSITORY
        .contains(&field)
        .then(|| outcome(context, "Repository", value, field, arguments))
}

/// A field of a pull request, if it is one of these.
pub(super) fn of_pull<'w>(
    context: &Context<'w>,
    home: &'w Repository,
    issue: &'w Issue,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Option<Outcome<'w>> {
    if issue.pull_request.is_none() || !OF_PULL.contains(&field) {
        return None;
    }
    let said = home.merges.is_said(issue.number, field);
    if (OF_HISTORY.contains(&field) && home.history.is_told())
        || (OF_REVIEWS.contains(&field) && !said)
    {
        return None;
    }
    let value = home.merges.of(issue.number, field);
    Some(outcome(context, "PullRequest", value, field, arguments))
}

/// A member of an object.
pub(super) fn member<'w>(
    context: &Context<'w>,
    of: &'static str,
    object: &'w Value,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    if of == "Commit" && field == "history" {
        return objects::history(object, arguments);
    }
    outcome(context, of, &object[field], field, arguments)
}

fn outcome<'w>(
    context: &Context<'w>,
    of: &'static str,
    value: &'w Value,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let returns = &context
        .schema
        .field(of, field)
        .expect("the query was checked")
        .returns;
    // Members of a union say themselves what they are.
    let told = |value: &'w Value, name: &'static str| {
        let own = value["__typename"].as_str();
        let own = own.and_then(|own| context.schema.name(own));
        Node::Told(own.unwrap_or(name), value)
    };
    match value {
        Value::Null => Outcome::Null,
        Value::Bool(flag) => Outcome::Flag(*flag),
        Value::Number(number) => Outcome::Number(number.as_i64().unwrap_or_default()),
        Value::String(text) => Outcome::text(text),
        Value::Object(_) => Outcome::Object(told(value, returns.name)),
        Value::Array(items) => {
            let of = returns
                .name
                .strip_suffix("Connection")
                .expect("lists stand for connections");
            let of = context.schema.name(of).expect("connections are of a type");
            list(of, items.iter().map(|item| told(item, of)), arguments)
        }
    }
}
