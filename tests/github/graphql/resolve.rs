//! From a field of any type to what it yields; here are those of accounts and repositories.

use std::rc::Rc;

use jiff::Timestamp;

use super::super::git_repository::GitRepository;
use super::super::issue::{Issue, Milestone};
use super::super::repository::Repository;
use super::super::world::World;
use super::fields::{
    changed_file, comment_field, dependencies, issue_field, label, milestone_field,
};
use super::git::git_field;
use super::node::{Context, Failure, Node, Outcome};
use super::page::{Key, Page};
use super::told;
use super::values::{Arguments, names};
use super::{mutation, review};

/// What a field of a node yields. The field is one of the schema.
pub(super) fn resolve<'w>(
    context: &Context<'w>,
    node: &Node<'w>,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let world = context.world;
    match node {
        Node::Query => query(context, field, arguments),
        Node::Mutation => mutation::payload(world, &context.done, field),
        Node::RateLimit => rate_limit(context, field),
        Node::Account(login) => account(context, login, field, arguments),
        Node::Repository(repository) => {
            match told::of_repository(context, repository, field, arguments) {
                Some(outcome) => outcome,
                None => repository_field(context, repository, field, arguments),
            }
        }
        Node::Branch(name) if field == "name" => Outcome::text(name),
        Node::Branch(_) => Outcome::Null,
        Node::Issue(home, issue) => match told::of_pull(context, home, issue, field, arguments) {
            Some(outcome) => outcome,
            None => issue_field(context, home, issue, field, arguments),
        },
        Node::Snapshot(git, oid) => snapshot(git, oid, field, arguments),
        Node::TreeEntry(entry) => match field {
            "mode" => Outcome::id(entry.mode.into()),
            "type" => Outcome::owned(entry.kind.clone()),
            "oid" => Outcome::owned(entry.oid.clone()),
            _ => Outcome::id(entry.size),
        },
        Node::ChangedFile(file) => changed_file(file, field),
        Node::Told(name, value) => told::member(context, name, value, field, arguments),
        Node::Dependencies(home, issue) => dependencies(context, home, issue, field),
        Node::Comment(home, issue, comment) => comment_field(world, home, issue, comment, field),
        Node::Thread(home, issue, thread) => {
            review::thread_field(home, issue, thread, field, arguments)
        }
        Node::ThreadComment(home, issue, comment) => {
            review::comment_field(world, home, issue, comment, field)
        }
        Node::Review(home, issue, submitted) => {
            review::review_field(world, home, issue, submitted, field)
        }
        Node::ReviewState(state) => Outcome::text(state),
        Node::Commit(oid) if field == "oid" => Outcome::text(oid),
        Node::Commit(_) => Outcome::Null,
        Node::Changed(home, issue, thread) => Outcome::Object(Node::Thread(home, issue, thread)),
        Node::Replied(home, issue, comment) => {
            Outcome::Object(Node::ThreadComment(home, issue, comment))
        }
        Node::Label(name) => label(name, field),
        Node::Milestone(home, milestone) => milestone_field(home, milestone, field),
        Node::Connection(page) => connection(page, field),
        Node::PageInfo(page) => page_info(page, field),
        Node::Git(node) => git_field(*node, field, arguments),
        Node::Edge(page, place) => match field {
            "cursor" => Outcome::owned(Page::cursor(page.items[*place].0)),
            _ => Outcome::Object(page.items[*place].1.clone()),
        },
    }
}

fn query<'w>(context: &Context<'w>, field: &str, arguments: &Arguments<'_, '_>) -> Outcome<'w> {
    let world = context.world;
    let text = |name: &str| arguments.text(name).unwrap_or_default();
    let login = text("login");
    let known = || {
        let owners = world
            .repositories
            .iter()
            .map(|repository| &repository.owner);
        owners
            .chain([&world.user])
            .find(|known| known.eq_ignore_ascii_case(&login))
            .map(String::as_str)
    };
    match field {
        "viewer" => Outcome::Object(Node::Account(&world.user)),
        "rateLimit" => Outcome::Object(Node::RateLimit),
        "repository" => {
            let name = format!("{}/{}", text("owner"), text("name"));
            let follow = arguments.flag("followRenames").unwrap_or(true);
            match world.find(&name).filter(|(_, current)| *current || follow) {
                Some((repository, _)) => Outcome::Object(Node::Repository(repository)),
                None => Outcome::Failed(Failure::not_found(format!(
                    "Could not resolve to a Repository with the name '{name}'."
                ))),
            }
        }
        "repositoryOwner" => Outcome::object_or_null(known().map(Node::Account)),
        "user" | "organization" => {
            let kind = if field == "user" {
                "a User"
            } else {
                "an Organization"
            };
            match known().filter(|login| world.is_organization(login) == (field == "organization"))
            {
                Some(login) => Outcome::Object(Node::Account(login)),
                None => Outcome::Failed(Failure::not_found(format!(
                    "Could not resolve to {kind} with the login of '{login}'."
                ))),
            }
        }
        "node" => match by_id(world, &text("id")) {
            Ok(node) => Outcome::Object(node),
            Err(failure) => Outcome::Failed(failure),
        },
        _ => {
            let ids = arguments.names("ids").unwrap_or_default();
            Outcome::List(ids.iter().map(|id| by_id(world, id)).collect())
        }
    }
}

fn by_id<'w>(world: &'w World, id: &str) -> Result<Node<'w>, Failure> {
    let repository = |number: &str| {
        let number: u64 = number.parse().ok()?;
        world
            .repositories
            .iter()
            .find(|repository| repository.id == number && !repository.inaccessible)
    };
    let found = || {
        if id.starts_with("PRRT_") {
            return review::by_id(world, id);
        }
        if let Some(number) = id.strip_prefix("R_kgDO") {
            return Some(Node::Repository(repository(number)?));
        }
        let rest = id
            .strip_prefix("I_kwDO")
            .or_else(|| id.strip_prefix("PR_kwDO"))?;
        let (home, number) = rest.split_once('n')?;
        let home = repository(home)?;
        let issue = home.issues.get(&number.parse().ok()?)?;
        Some(Node::Issue(home, issue))
    };
    found().ok_or_else(|| {
        Failure::not_found(format!(
            "Could not resolve to a node with the global id of '{id}'"
        ))
    })
}

fn rate_limit<'w>(context: &Context<'w>, field: &str) -> Outcome<'w> {
    let limit = &context.world.graphql_limit;
    match field {
        "limit" => Outcome::id(limit.limit),
        "cost" => Outcome::id(context.points),
        "remaining" => Outcome::id(limit.remaining()),
        "used" => Outcome::id(limit.used),
        "nodeCount" => Outcome::id(context.nodes),
        _ => Outcome::Time(limit.reset),
    }
}

fn account<'w>(
    context: &Context<'w>,
    login: &'w str,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let world = context.world;
    match field {
        "id" => Outcome::owned(format!("U_{login}")),
        // A bot goes by its name with a mark in REST and without one here.
        "login" | "name" => Outcome::text(login.strip_suffix("[bot]").unwrap_or(login)),
        "url" => Outcome::owned(format!("{}/{login}", world.web_url())),
        "avatarUrl" => Outcome::owned(format!("{}/{login}.png", world.web_url())),
        _ => repositories(world, login, arguments),
    }
}

fn repositories<'w>(world: &'w World, login: &str, arguments: &Arguments<'_, '_>) -> Outcome<'w> {
    // What the user may write to through an organisation is theirs by membership.
    // Without arguments GitHub gives what the user owns or was invited to.
    let affiliations = |name: &str| {
        let given = arguments.names(name);
        given.unwrap_or_else(|| vec!["OWNER".to_owned(), "COLLABORATOR".to_owned()])
    };
    let (asked, owners) = (
        affiliations("affiliations"),
        affiliations("ownerAffiliations"),
    );
    let viewer = login.eq_ignore_ascii_case(&world.user);
    let wanted = |repository: &&Repository| {
        let owned = repository.owner.eq_ignore_ascii_case(login);
        let affiliation = if owned {
            "OWNER"
        } else {
            "ORGANIZATION_MEMBER"
        };
        let within = |list: &[String]| list.iter().any(|name| name == affiliation);
        let flag =
            |name: &str, value: bool| arguments.flag(name).is_none_or(|asked| asked == value);
        let privacy = if repository.is_private {
            "PRIVATE"
        } else {
            "PUBLIC"
        };
        !repository.inaccessible
            && (owned || (viewer && within(&asked) && within(&owners)))
            && (!viewer || (within(&asked) && within(&owners)))
            && flag("isArchived", repository.is_archived)
            && flag("isFork", repository.is_fork)
            && arguments
                .text("privacy")
                .is_none_or(|asked| asked == privacy)
    };
    let order = arguments.get("orderBy");
    let mut found: Vec<&Repository> = world.repositories.iter().filter(wanted).collect();
    if order["field"] == "NAME" {
        found.sort_by_key(|repository| repository.name.to_lowercase());
    }
    let key = |(place, repository): (usize, &Repository)| -> i64 {
        match order["field"].as_str() {
            Some("NAME") => i64::try_from(place).unwrap_or(i64::MAX),
            Some("UPDATED_AT") => repository.updated_at.as_second(),
            Some("PUSHED_AT") => repository.pushed_at.as_second(),
            _ => repository.created_at.as_second(),
        }
    };
    let items = found.iter().enumerate();
    let items = items.map(|(place, repository)| {
        (
            (key((place, repository)), repository.id),
            Node::Repository(repository),
        )
    });
    page(
        "Repository",
        items.collect(),
        order["direction"] == "DESC",
        arguments,
    )
}

fn page<'w>(
    of: &'static str,
    items: Vec<(Key, Node<'w>)>,
    descending: bool,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    match Page::cut(of, items, descending, arguments) {
        Ok(page) => Outcome::Object(Node::Connection(Rc::new(page))),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// A connection over a list in its own order.
pub(super) fn list<'w>(
    of: &'static str,
    nodes: impl Iterator<Item = Node<'w>>,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let items = nodes
        .enumerate()
        .map(|(place, node)| ((0, place as u64), node));
    page(of, items.collect(), false, arguments)
}

fn repository_field<'w>(
    context: &Context<'w>,
    repository: &'w Repository,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    match field {
        "id" => Outcome::owned(format!("R_kgDO{}", repository.id)),
        "databaseId" => Outcome::id(repository.id),
        "name" => Outcome::text(&repository.name),
        "nameWithOwner" => Outcome::owned(repository.full_name()),
        "owner" => Outcome::Object(Node::Account(&repository.owner)),
        "isPrivate" => Outcome::Flag(repository.is_private),
        "isArchived" => Outcome::Flag(repository.is_archived),
        "isFork" => Outcome::Flag(repository.is_fork),
        "hasIssuesEnabled" => Outcome::Flag(repository.has_issues),
        "url" => Outcome::owned(format!(
            "{}/{}",
            context.world.web_url(),
            repository.full_name()
        )),
        "createdAt" => Outcome::Time(repository.created_at),
        "updatedAt" => Outcome::Time(repository.updated_at),
        "pushedAt" => Outcome::Time(repository.pushed_at),
        "viewerPermission" => Outcome::text("WRITE"),
        "defaultBranchRef" => Outcome::Object(Node::Branch(&repository.default_branch)),
        "object" => {
            let oid = arguments.text("oid").unwrap_or_default();
            let git = repository.git();
            let known = git.and_then(|git| Some((git, git.commit(&oid)?)));
            Outcome::object_or_null(known.map(|(git, oid)| Node::Snapshot(git, oid.into())))
        }
        "issues" => issues(repository, false, arguments),
        "pullRequests" => issues(repository, true, arguments),
        "issue" | "pullRequest" | "issueOrPullRequest" => numbered(repository, field, arguments),
        "labels" => {
            let labels = repository.issues.values().flat_map(|issue| &issue.labels);
            let labels: std::collections::BTreeSet<&String> = labels.collect();
            list(
                "Label",
                labels.into_iter().map(|label| Node::Label(label)),
                arguments,
            )
        }
        _ => {
            let milestones = repository
                .issues
                .values()
                .filter_map(|issue| issue.milestone.as_ref());
            let milestones: std::collections::BTreeMap<u64, &Milestone> = milestones
                .map(|milestone| (milestone.number, milestone))
                .collect();
            let nodes = milestones
                .into_values()
                .map(|milestone| Node::Milestone(repository, milestone));
            list("Milestone", nodes, arguments)
        }
    }
}

fn numbered<'w>(
    repository: &'w Repository,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let number = arguments.number("number").unwrap_or_default();
    let issue = u64::try_from(number)
        .ok()
        .and_then(|number| repository.issues.get(&number));
    let wanted = |issue: &&Issue| match field {
        "issue" => issue.pull_request.is_none(),
        "pullRequest" => issue.pull_request.is_some(),
        _ => true,
    };
    match (issue.filter(wanted), field) {
        (Some(issue), _) => Outcome::Object(Node::Issue(repository, issue)),
        (None, "issueOrPullRequest") => Outcome::Failed(Failure::not_found(format!(
            "Could not resolve to an issue or pull request with the number of {number}."
        ))),
        (None, _) => {
            let kind = if field == "issue" {
                "an Issue"
            } else {
                "a PullRequest"
            };
            let message = format!("Could not resolve to {kind} with the number of {number}.");
            Outcome::Failed(Failure::not_found(message))
        }
    }
}

fn issues<'w>(
    repository: &'w Repository,
    pulls: bool,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    let filter = arguments.get("filterBy");
    let all_of = |argument: &str| [arguments.names(argument), names(&filter[argument])];
    let (states, labels) = (all_of("states"), all_of("labels"));
    let since: Option<Timestamp> = filter["since"]
        .as_str()
        .and_then(|since| since.parse().ok());
    let member = |name: &str| filter[name].as_str().map(str::to_owned);
    let (assignee, author) = (member("assignee"), member("createdBy"));
    let branch = |name: &str| arguments.text(name);
    let (head, base) = (branch("headRefName"), branch("baseRefName"));
    let wanted = |issue: &&Issue| {
        let state = issue.graphql_state();
        let labelled = |name: &String| {
            issue
                .labels
                .iter()
                .any(|label| label.eq_ignore_ascii_case(name))
        };
        let pull = issue.pull_request.as_ref();
        pull.is_some() == pulls
            && states.iter().flatten().all(|states| states.iter().any(|wanted| wanted == state))
            // An issue needs one of the labels, unlike in the REST API.
            && labels.iter().flatten().all(|names| names.iter().any(labelled))
            && since.is_none_or(|since| issue.updated_at >= since)
            && assignee.as_ref().is_none_or(|login| issue.assignees.contains(login))
            && author.as_ref().is_none_or(|login| issue.author == *login)
            && head.as_ref().is_none_or(|name| pull.is_some_and(|pull| pull.head_ref == *name))
            && base.as_ref().is_none_or(|name| pull.is_some_and(|pull| pull.base_ref == *name))
    };
    let order = arguments.get("orderBy");
    let field = order["field"].as_str();
    let key = |issue: &Issue| match field {
        Some("UPDATED_AT") => issue.updated_at.as_second(),
        Some("COMMENTS") => i64::try_from(issue.comments.len()).unwrap_or(i64::MAX),
        _ => issue.created_at.as_second(),
    };
    let found = repository.issues.values().filter(wanted);
    let items = found.map(|issue| ((key(issue), issue.number), Node::Issue(repository, issue)));
    let of = if pulls { "PullRequest" } else { "Issue" };
    page(of, items.collect(), order["direction"] == "DESC", arguments)
}

/// Of a commit of a real repository.
fn snapshot<'w>(
    git: &GitRepository,
    oid: &Rc<str>,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Outcome<'w> {
    match field {
        "file" => {
            let path = arguments.text("path").unwrap_or_default();
            let entry = git.entry(oid, &path);
            Outcome::object_or_null(entry.map(|entry| Node::TreeEntry(Rc::new(entry))))
        }
        "oid" => Outcome::owned(oid.to_string()),
        _ => Outcome::Null,
    }
}

fn connection<'w>(page: &Rc<Page<'w>>, field: &str) -> Outcome<'w> {
    match field {
        "totalCount" => Outcome::count(page.total),
        "pageInfo" => Outcome::Object(Node::PageInfo(page.clone())),
        "nodes" => Outcome::List(
            page.items
                .iter()
                .map(|(_, node)| Ok(node.clone()))
                .collect(),
        ),
        _ => {
            let edges = (0..page.items.len()).map(|place| Ok(Node::Edge(page.clone(), place)));
            Outcome::List(edges.collect())
        }
    }
}

fn page_info<'w>(page: &Page<'w>, field: &str) -> Outcome<'w> {
    let cursor = |item: Option<&(Key, Node<'w>)>| match item {
        Some((key, _)) => Outcome::owned(Page::cursor(*key)),
        None => Outcome::Null,
    };
    match field {
        "hasNextPage" => Outcome::Flag(page.has_next),
        "hasPreviousPage" => Outcome::Flag(page.has_previous),
        "startCursor" => cursor(page.items.first()),
        _ => cursor(page.items.last()),
    }
}
