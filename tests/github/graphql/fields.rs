//! The fields of issues, pull requests and what hangs on them.

use serde_json::Value;

use super::super::issue::{Comment, Issue, IssueKey, Milestone};
use super::super::repository::Repository;
use super::super::world::World;
use super::git::pull_field;
use super::node::{Context, Node, Outcome};
use super::resolve::list;
use super::values::Arguments;

/// Of an issue or a pull request.
pub(super) fn issue_field<'w>(
    context: &Context<'w>,
    home: &'w Repository,
    issue: &'w Issue,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let world = context.world;
    let found = |keys: &'w [IssueKey]| {
        let found = keys.iter().filter_map(|key| world.find_issue(key));
        found.map(|(home, issue)| Node::Issue(home, issue))
    };
    match field {
        "id" => {
            let kind = if issue.pull_request.is_some() {
                "PR"
            } else {
                "I"
            };
            Outcome::owned(format!("{kind}_kwDO{}n{}", home.id, issue.number))
        }
        "databaseId" => Outcome::id(issue.id),
        "number" => Outcome::id(issue.number),
        "title" => Outcome::text(&issue.title),
        "body" | "bodyText" => Outcome::text(&issue.body),
        "state" => Outcome::text(issue.graphql_state()),
        "stateReason" => match &issue.state_reason {
            Some(reason) => Outcome::owned(reason.to_uppercase()),
            None => Outcome::Null,
        },
        "closed" => Outcome::Flag(!issue.open),
        "locked" => Outcome::Flag(false),
        "url" => Outcome::owned(web_page(world, home, issue)),
        "createdAt" => Outcome::Time(issue.created_at),
        "updatedAt" => Outcome::Time(issue.updated_at),
        "closedAt" => Outcome::time_or_null(issue.closed_at),
        "author" => Outcome::Object(Node::Account(&issue.author)),
        "labels" => list(
            "Label",
            issue.labels.iter().map(|label| Node::Label(label)),
            arguments,
        ),
        "assignees" => list(
            "User",
            issue.assignees.iter().map(|login| Node::Account(login)),
            arguments,
        ),
        "milestone" => {
            let milestone = issue.milestone.as_ref();
            Outcome::object_or_null(milestone.map(|milestone| Node::Milestone(home, milestone)))
        }
        "comments" => {
            let nodes = issue
                .comments
                .iter()
                .map(|comment| Node::Comment(home, issue, comment));
            list("IssueComment", nodes, arguments)
        }
        "closedByPullRequestsReferences" => {
            let closed_too = arguments.flag("includeClosedPrs").unwrap_or(false);
            let pulls = context.closing(home, issue).iter();
            let pulls = pulls.filter(|(_, pull)| closed_too || pull.graphql_state() != "CLOSED");
            list(
                "PullRequest",
                pulls.map(|(home, pull)| Node::Issue(home, pull)),
                arguments,
            )
        }
        "issueDependenciesSummary" => Outcome::Object(Node::Dependencies(home, issue)),
        "blockedBy" => list("Issue", found(&issue.blocked_by), arguments),
        "blocking" => {
            let blocked = context.blocking(home, issue).iter();
            list(
                "Issue",
                blocked.map(|(home, issue)| Node::Issue(home, issue)),
                arguments,
            )
        }
        "repository" => Outcome::Object(Node::Repository(home)),
        _ => {
            let Some(pull) = &issue.pull_request else {
                return Outcome::Null;
            };
            if let Some(outcome) = pull_field(context, home, pull, field, arguments) {
                return outcome;
            }
            match field {
                "reviewDecision" => pull.reviews.decision.map_or(Outcome::Null, Outcome::text),
                "reviewThreads" => {
                    let threads = pull.reviews.threads.iter();
                    let nodes = threads.map(|thread| Node::Thread(home, issue, thread));
                    list("PullRequestReviewThread", nodes, arguments)
                }
                "reviews" => {
                    let reviews = pull.reviews.submitted.iter();
                    let nodes = reviews.map(|review| Node::Review(home, issue, review));
                    list("PullRequestReview", nodes, arguments)
                }
                "statusCheckRollup" => {
                    let rollup = home.merges.rollup(&pull.head_sha);
                    Outcome::object_or_null(
                        rollup.map(|rollup| Node::Told("StatusCheckRollup", rollup)),
                    )
                }
                "changedFiles" => Outcome::count(home.merges.files_of(issue.number).len()),
                "files" => {
                    let files = home.merges.files_of(issue.number).iter();
                    list(
                        "PullRequestChangedFile",
                        files.map(Node::ChangedFile),
                        arguments,
                    )
                }
                "isDraft" => Outcome::Flag(pull.draft),
                "merged" => Outcome::Flag(pull.merged_at.is_some()),
                "mergedAt" => Outcome::time_or_null(pull.merged_at),
                "headRefName" => Outcome::text(&pull.head_ref),
                "headRefOid" => Outcome::text(&pull.head_sha),
                "baseRefName" => Outcome::text(&pull.base_ref),
                _ => list("Issue", found(&pull.closes), arguments),
            }
        }
    }
}

pub(super) fn web_page(world: &World, home: &Repository, issue: &Issue) -> String {
    let kind = if issue.pull_request.is_some() {
        "pull"
    } else {
        "issues"
    };
    format!(
        "{}/{}/{kind}/{}",
        world.web_url(),
        home.full_name(),
        issue.number
    )
}

/// Of the summary of what blocks and is blocked.
pub(super) fn dependencies<'w>(
    context: &Context<'w>,
    home: &'w Repository,
    issue: &'w Issue,
    field: &str,
) -> Outcome<'w> {
    let open =
        |links: &[(&Repository, &Issue)]| links.iter().filter(|(_, issue)| issue.open).count();
    Outcome::count(match field {
        "totalBlockedBy" => issue.blocked_by.len(),
        "blockedBy" => {
            let blockers = issue
                .blocked_by
                .iter()
                .filter_map(|key| context.world.find_issue(key));
            blockers.filter(|(_, blocker)| blocker.open).count()
        }
        "blocking" => open(context.blocking(home, issue)),
        _ => context.blocking(home, issue).len(),
    })
}

/// Of a comment.
pub(super) fn comment_field<'w>(
    world: &World,
    home: &Repository,
    issue: &Issue,
    comment: &'w Comment,
    field: &str,
) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("IC_kwDO{}", comment.id)),
        "databaseId" => Outcome::id(comment.id),
        "fullDatabaseId" => Outcome::owned(comment.id.to_string()),
        "authorAssociation" => Outcome::text("MEMBER"),
        "isMinimized" => {
            let pull = issue.pull_request.as_ref();
            Outcome::Flag(pull.is_some_and(|pull| pull.reviews.hidden.contains(&comment.id)))
        }
        "author" => Outcome::Object(Node::Account(&comment.author)),
        "body" => Outcome::text(&comment.body),
        "url" => Outcome::owned(format!(
            "{}#issuecomment-{}",
            web_page(world, home, issue),
            comment.id
        )),
        _ => Outcome::Time(comment.created_at),
    }
}

/// Of a file that a pull request changes. GraphQL tells neither its old name nor its patch.
pub(super) fn changed_file<'w>(file: &'w Value, field: &str) -> Outcome<'w> {
    match field {
        "path" => Outcome::text(file["filename"].as_str().unwrap_or_default()),
        "changeType" => Outcome::text(match file["status"].as_str() {
            Some("added") => "ADDED",
            Some("removed") => "DELETED",
            Some("renamed") => "RENAMED",
            Some("copied") => "COPIED",
            Some("changed") => "CHANGED",
            _ => "MODIFIED",
        }),
        _ => Outcome::id(file[field].as_u64().unwrap_or_default()),
    }
}

/// Of a label.
pub(super) fn label<'w>(name: &'w str, field: &str) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("LA_{name}")),
        "color" => Outcome::text("ededed"),
        "description" => Outcome::Null,
        "isDefault" => Outcome::Flag(false),
        _ => Outcome::text(name),
    }
}

/// Of a milestone.
pub(super) fn milestone_field<'w>(
    home: &Repository,
    milestone: &'w Milestone,
    field: &str,
) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("MI_kwDO{}n{}", home.id, milestone.number)),
        "number" => Outcome::id(milestone.number),
        "title" => Outcome::text(&milestone.title),
        _ => Outcome::time_or_null(milestone.due_on),
    }
}
