//! The objects of the answer, and what their fields yield.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::super::git_repository::{GitRepository, TreeEntry};
use super::super::issue::{Comment, Issue, IssueKey, Milestone};
use super::super::repository::Repository;
use super::super::review::{Review, ReviewComment, ReviewThread};
use super::super::world::World;
use super::git::{self, GitNode};
use super::mutation::Done;
use super::page::Page;
use super::schema::Schema;

/// An object of the answer: a place in the world.
#[derive(Clone)]
pub(super) enum Node<'w> {
    Query,
    Mutation,
    RateLimit,
    /// A user or an organisation, by login.
    Account(&'w str),
    Repository(&'w Repository),
    Branch(&'w str),
    /// An issue or a pull request.
    Issue(&'w Repository, &'w Issue),
    Dependencies(&'w Repository, &'w Issue),
    Comment(&'w Repository, &'w Issue, &'w Comment),
    Thread(&'w Repository, &'w Issue, &'w ReviewThread),
    ThreadComment(&'w Repository, &'w Issue, &'w ReviewComment),
    Review(&'w Repository, &'w Issue, &'w Review),
    /// The review of a comment, by its state.
    ReviewState(&'static str),
    Commit(&'w str),
    /// The payload of a mutation that resolved a thread or opened it again.
    Changed(&'w Repository, &'w Issue, &'w ReviewThread),
    /// The payload of a mutation that replied in a thread.
    Replied(&'w Repository, &'w Issue, &'w ReviewComment),
    Label(&'w str),
    Milestone(&'w Repository, &'w Milestone),
    Connection(Rc<Page<'w>>),
    PageInfo(Rc<Page<'w>>),
    /// An object of a type as the world holds it.
    Told(&'static str, &'w serde_json::Value),
    /// A commit of a real repository.
    Snapshot(&'w GitRepository, Rc<str>),
    /// What such a commit has at a path.
    TreeEntry(Rc<TreeEntry>),
    /// A file of a pull request, as REST shows it.
    ChangedFile(&'w serde_json::Value),
    Edge(Rc<Page<'w>>, usize),
    /// A commit, a branch or what happened to one.
    Git(GitNode<'w>),
}

/// A field that cannot be given; the answer has null in its place.
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn not_found(message: String) -> Self {
        Self {
            kind: "NOT_FOUND",
            message,
        }
    }
}

/// What a field yields.
pub(super) enum Outcome<'w> {
    Null,
    Text(Cow<'w, str>),
    Time(Timestamp),
    Number(i64),
    Flag(bool),
    Object(Node<'w>),
    List(Vec<Result<Node<'w>, Failure>>),
    Failed(Failure),
}

impl<'w> Outcome<'w> {
    pub(super) fn text(text: &'w str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(super) fn count(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn id(number: u64) -> Self {
        Self::Number(number.cast_signed())
    }

    pub(super) fn object_or_null(node: Option<Node<'w>>) -> Self {
        node.map_or(Self::Null, Self::Object)
    }

    pub(super) fn time_or_null(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Null, Self::Time)
    }
}

type Links<'w> = HashMap<(u64, u64), Vec<(&'w Repository, &'w Issue)>>;

/// What resolving needs: the world, and what can only be found by going through all of it.
pub(super) struct Context<'w> {
    pub(super) world: &'w World,
    pub(super) schema: &'static Schema,
    pub(super) points: u64,
    pub(super) nodes: u64,
    pub(super) done: Done,
    blocking: OnceCell<Links<'w>>,
    closing: OnceCell<Links<'w>>,
}

impl<'w> Context<'w> {
    pub(super) fn new(
        world: &'w World,
        schema: &'static Schema,
        points: u64,
        nodes: u64,
        done: Done,
    ) -> Self {
        let (blocking, closing) = (OnceCell::new(), OnceCell::new());
        Self {
            world,
            schema,
            points,
            nodes,
            done,
            blocking,
            closing,
        }
    }

    /// The type of a node.
    pub(super) fn type_of(&self, node: &Node<'w>) -> &'static str {
        let of_page = |page: &Page<'_>, what: &str| {
            let name = self.schema.name(&format!("{}{what}", page.of));
            name.expect("the schema has a connection for every type with pages")
        };
        match node {
            Node::Query => "Query",
            Node::Mutation => "Mutation",
            Node::RateLimit => "RateLimit",
            Node::Account(login) if login.ends_with("[bot]") => "Bot",
            Node::Account(login) if self.world.is_organization(login) => "Organization",
            Node::Account(_) => "User",
            Node::Repository(_) => "Repository",
            Node::Branch(_) => "Ref",
            Node::Issue(_, issue) if issue.pull_request.is_some() => "PullRequest",
            Node::Issue(..) => "Issue",
            Node::Dependencies(..) => "IssueDependenciesSummary",
            Node::Comment(..) => "IssueComment",
            Node::Thread(..) => "PullRequestReviewThread",
            Node::ThreadComment(..) => "PullRequestReviewComment",
            Node::Review(..) | Node::ReviewState(_) => "PullRequestReview",
            Node::Commit(_) => "Commit",
            Node::Changed(..) => "ReviewThreadPayload",
            Node::Replied(..) => "ReplyPayload",
            Node::Label(_) => "Label",
            Node::Milestone(..) => "Milestone",
            Node::Connection(page) => of_page(page, "Connection"),
            Node::PageInfo(_) => "PageInfo",
            Node::Told(name, _) => name,
            Node::Snapshot(..) => "Commit",
            Node::TreeEntry(_) => "TreeEntry",
            Node::ChangedFile(_) => "PullRequestChangedFile",
            Node::Edge(page, _) => of_page(page, "Edge"),
            Node::Git(node) => git::type_of(*node),
        }
    }

    /// The issues that an issue blocks.
    pub(super) fn blocking(
        &self,
        home: &Repository,
        issue: &Issue,
    ) -> &[(&'w Repository, &'w Issue)] {
        let links = self
            .blocking
            .get_or_init(|| self.links(|issue| &issue.blocked_by));
        links
            .get(&(home.id, issue.number))
            .map_or(&[], Vec::as_slice)
    }

    /// The pull requests that close an issue.
    pub(super) fn closing(
        &self,
        home: &Repository,
        issue: &Issue,
    ) -> &[(&'w Repository, &'w Issue)] {
        let links = self.closing.get_or_init(|| {
            self.links(|issue| {
                issue
                    .pull_request
                    .as_ref()
                    .map_or(&[], |pull| pull.closes.as_slice())
            })
        });
        links
            .get(&(home.id, issue.number))
            .map_or(&[], Vec::as_slice)
    }

    /// Turns references round: from what is referred to, to what refers to it.
    fn links(&self, references: impl Fn(&'w Issue) -> &'w [IssueKey]) -> Links<'w> {
        let mut links = Links::new();
        for repository in self
            .world
            .repositories
            .iter()
            .filter(|repository| !repository.inaccessible)
        {
            for issue in repository.issues.values() {
                for (home, target) in references(issue)
                    .iter()
                    .filter_map(|key| self.world.find_issue(key))
                {
                    links
                        .entry((home.id, target.number))
                        .or_default()
                        .push((repository, issue));
                }
            }
        }
        links
    }
}
