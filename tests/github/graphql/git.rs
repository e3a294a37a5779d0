//! Commits, branches and the events of a pull request's branches.

use super::super::history::{History, PullEvent};
use super::super::issue::PullRequest;
use super::super::repository::Repository;
use super::node::{Context, Node, Outcome};
use super::resolve::list;
use super::values::Arguments;

/// A place in a history.
#[derive(Clone, Copy)]
pub(super) enum GitNode<'w> {
    /// A branch with its tip.
    Ref(&'w str, &'w str, &'w History),
    Commit(&'w str, &'w History),
    PullRequestCommit(&'w str, &'w History),
    /// Who wrote a commit.
    Author,
    /// How many commits of a branch another one lacks, and the other way round.
    Comparison(usize, usize),
    Event(&'w PullEvent, &'w History),
}

/// The type of a node.
pub(super) fn type_of(node: GitNode<'_>) -> &'static str {
    match node {
        GitNode::Ref(..) => "Ref",
        GitNode::Commit(..) => "Commit",
        GitNode::PullRequestCommit(..) => "PullRequestCommit",
        GitNode::Author => "GitActor",
        GitNode::Comparison(..) => "Comparison",
        GitNode::Event(event, _) => match event {
            PullEvent::HeadForcePushed(..) => "HeadRefForcePushedEvent",
            PullEvent::BaseChanged(..) => "BaseRefChangedEvent",
            PullEvent::AutomaticBaseChange(..) => "AutomaticBaseChangeSucceededEvent",
            PullEvent::BaseDeleted => "BaseRefDeletedEvent",
        },
    }
}

/// What a field of a node yields.
pub(super) fn git_field<'w>(
    node: GitNode<'w>,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let commit = |name: &str, history: &'w History| {
        let known = history.commits.get_key_value(name);
        Outcome::object_or_null(known.map(|(name, _)| Node::Git(GitNode::Commit(name, history))))
    };
    match node {
        GitNode::Ref(_, tip, history) if field == "target" => commit(tip, history),
        GitNode::Ref(name, ..) if field == "name" => Outcome::text(name),
        GitNode::Ref(_, tip, history) if field == "compare" => {
            let head = arguments.text("headRef").unwrap_or_default();
            // `owner:branch`; every branch is in one repository here.
            let head = head.rsplit(':').next().unwrap_or_default();
            let count = |head: &String| {
                let ahead = history.between(tip, head).len();
                Node::Git(GitNode::Comparison(ahead, history.between(head, tip).len()))
            };
            Outcome::object_or_null(history.branches.get(head).map(count))
        }
        GitNode::Comparison(ahead, _) if field == "aheadBy" => Outcome::count(ahead),
        GitNode::Comparison(_, behind) => Outcome::count(behind),
        GitNode::Author if field == "email" => Outcome::text("ada@example.org"),
        // Rules of branches and signatures are not of the history.
        GitNode::Ref(..) | GitNode::Author => Outcome::Null,
        GitNode::PullRequestCommit(name, history) => commit(name, history),
        GitNode::Commit(name, history) => {
            let details = &history.commits[name];
            match field {
                "oid" => Outcome::text(name),
                "messageBody" => Outcome::text(""),
                "messageHeadline" => Outcome::text(&details.subject),
                "authoredDate" => Outcome::Time(details.authored_at),
                "author" => Outcome::Object(Node::Git(GitNode::Author)),
                "additions" => Outcome::id(details.lines),
                "deletions" => Outcome::id(0),
                "parents" => {
                    let parents = details.parents.iter();
                    let nodes = parents.map(|name| Node::Git(GitNode::Commit(name, history)));
                    list("Commit", nodes, arguments)
                }
                _ => Outcome::Null,
            }
        }
        GitNode::Event(event, history) => match (event, field) {
            (PullEvent::HeadForcePushed(before, _), "beforeCommit") => commit(before, history),
            (PullEvent::HeadForcePushed(_, after), "afterCommit") => commit(after, history),
            (PullEvent::BaseChanged(from, _), "previousRefName")
            | (PullEvent::AutomaticBaseChange(from, _), "oldBase") => Outcome::text(from),
            (PullEvent::BaseChanged(_, to), "currentRefName")
            | (PullEvent::AutomaticBaseChange(_, to), "newBase") => Outcome::text(to),
            _ => Outcome::Null,
        },
    }
}

/// What a field of a pull request that is about commits yields; none for other fields.
pub(super) fn pull_field<'w>(
    context: &Context<'w>,
    home: &'w Repository,
    pull: &'w PullRequest,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Option<Outcome<'w>> {
    let (history, side) = (&home.history, &pull.branches);
    let branch = |name: &str| {
        let found = history.branches.get_key_value(name);
        let node = found.map(|(name, tip)| Node::Git(GitNode::Ref(name, tip, history)));
        Outcome::object_or_null(node)
    };
    let commits = || {
        let base = side.merged_as.as_ref().map(|(base, _)| base);
        let base = base.or_else(|| history.branches.get(&pull.base_ref));
        history.between(base.map_or("", String::as_str), &pull.head_sha)
    };
    Some(match field {
        "isCrossRepository" => Outcome::Flag(side.from_fork),
        "maintainerCanModify" => Outcome::Flag(false),
        "isInMergeQueue" => Outcome::Flag(side.queued),
        "headRepository" if side.from_fork => Outcome::Null,
        "headRepository" => Outcome::Object(Node::Repository(home)),
        "additions" => {
            let lines = commits()
                .iter()
                .map(|name| history.commits[*name].lines)
                .sum();
            Outcome::id(lines)
        }
        "deletions" => Outcome::id(0),
        "baseRef" => branch(&pull.base_ref),
        "headRef" => branch(&pull.head_ref),
        "mergeCommit" => {
            let merged = side.merged_as.as_ref();
            let known = merged.and_then(|(_, name)| history.commits.get_key_value(name));
            let node = known.map(|(name, _)| Node::Git(GitNode::Commit(name, history)));
            Outcome::object_or_null(node)
        }
        "commits" => {
            let nodes = commits().into_iter();
            let nodes = nodes.map(|name| Node::Git(GitNode::PullRequestCommit(name, history)));
            list("PullRequestCommit", nodes, arguments)
        }
        "timelineItems" => {
            let kinds = arguments.names("itemTypes");
            let wanted = |event: &&PullEvent| {
                let name = context
                    .schema
                    .enum_name(type_of(GitNode::Event(event, history)));
                kinds.as_ref().is_none_or(|kinds| kinds.contains(&name))
            };
            let events = side.events.iter().filter(wanted);
            let nodes = events.map(|event| Node::Git(GitNode::Event(event, history)));
            list("PullRequestTimelineItems", nodes, arguments)
        }
        _ => return None,
    })
}
