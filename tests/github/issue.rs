//! Issues and pull requests. As on GitHub, a pull request is an issue with more to it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::clock::Clock;
use super::history::BranchSide;
use super::review::Reviews;

/// Where an issue is: its repository and its number there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssueKey {
    /// `owner/name`.
    pub repository: String,
    /// The number in that repository.
    pub number: u64,
}

/// A comment on an issue.
#[derive(Debug, Clone)]
pub struct Comment {
    /// The database id.
    pub id: u64,
    /// The login of who wrote it.
    pub author: String,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A milestone as an issue sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone {
    /// Its number within the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// When it is due.
    pub due_on: Option<Timestamp>,
}

/// What a pull request has beyond an issue.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// Whether it is a draft.
    pub draft: bool,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// The branch it comes from.
    pub head_ref: String,
    /// The commit at the tip of that branch.
    pub head_sha: String,
    /// The branch it goes to.
    pub base_ref: String,
    /// The issues that merging it closes.
    pub closes: Vec<IssueKey>,
    /// What reviewers said.
    pub reviews: Reviews,
    /// What it has to do with commits.
    pub branches: BranchSide,
}

/// What the issues of one repository have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) repository: String,
    pub(super) author: String,
    /// Milestone titles in order of appearance: the place is the number.
    milestones: Mutex<Vec<String>>,
}

impl Common {
    pub(super) fn new(clock: Clock, repository: String, author: String) -> Arc<Self> {
        let milestones = Mutex::default();
        Arc::new(Self {
            clock,
            repository,
            author,
            milestones,
        })
    }

    fn milestone_number(&self, title: &str) -> u64 {
        let mut titles = self
            .milestones
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let place = titles
            .iter()
            .position(|known| known == title)
            .unwrap_or_else(|| {
                titles.push(title.to_owned());
                titles.len() - 1
            });
        place as u64 + 1
    }
}

/// An issue, or a pull request when [`Issue::pull_request`] is there.
///
/// The fields are public for looking at; the methods change them *and* move
/// `updated_at` forward, as every change on GitHub does.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The database id.
    pub id: u64,
    /// The number, from a sequence shared by issues and pull requests.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The description; shared, so that large worlds stay small.
    pub body: Arc<str>,
    /// Whether it is open.
    pub open: bool,
    /// `completed`, `not_planned`, `duplicate` or `reopened`.
    pub state_reason: Option<String>,
    /// The login of who opened it.
    pub author: String,
    /// Names of labels.
    pub labels: Vec<String>,
    /// Logins.
    pub assignees: Vec<String>,
    /// The milestone.
    pub milestone: Option<Milestone>,
    /// The comments, oldest first.
    pub comments: Vec<Comment>,
    /// The issues that have to be closed before this one can proceed.
    pub blocked_by: Vec<IssueKey>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was closed, if it is.
    pub closed_at: Option<Timestamp>,
    /// There for a pull request.
    pub pull_request: Option<PullRequest>,
    pub(super) common: Arc<Common>,
}

impl Issue {
    pub(super) fn new(id: u64, number: u64, title: &str, common: Arc<Common>) -> Self {
        let now = common.clock.tick();
        Self {
            id,
            number,
            title: title.to_owned(),
            body: Arc::from(""),
            open: true,
            state_reason: None,
            author: common.author.clone(),
            labels: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            comments: Vec::new(),
            blocked_by: Vec::new(),
            created_at: now,
            updated_at: now,
            closed_at: None,
            pull_request: None,
            common,
        }
    }

    /// Moves `updated_at` forward.
    pub fn touch(&mut self) -> &mut Self {
        self.updated_at = self.common.clock.tick();
        self
    }

    /// Gives it another title.
    pub fn title(&mut self, title: &str) -> &mut Self {
        title.clone_into(&mut self.title);
        self.touch()
    }

    /// Gives it another description.
    pub fn body(&mut self, body: impl Into<Arc<str>>) -> &mut Self {
        self.body = body.into();
        self.touch()
    }

    /// Says who opened it.
    pub fn author(&mut self, login: &str) -> &mut Self {
        login.clone_into(&mut self.author);
        self.touch()
    }

    /// Replaces the labels.
    pub fn labels(&mut self, names: &[&str]) -> &mut Self {
        self.labels = owned(names);
        self.touch()
    }

    /// Adds a label, unless it is there.
    pub fn label(&mut self, name: &str) -> &mut Self {
        if !self.labels.iter().any(|label| label == name) {
            self.labels.push(name.to_owned());
        }
        self.touch()
    }

    /// Takes a label away.
    pub fn remove_label(&mut self, name: &str) -> &mut Self {
        self.labels.retain(|label| label != name);
        self.touch()
    }

    /// Replaces the assignees.
    pub fn assignees(&mut self, logins: &[&str]) -> &mut Self {
        self.assignees = owned(logins);
        self.touch()
    }

    /// Puts it in a milestone; `due_on` is a time such as `2030-01-31T00:00:00Z`.
    pub fn milestone(&mut self, title: &str, due_on: Option<&str>) -> &mut Self {
        let due_on = due_on.map(|time| time.parse().expect("the due time is in RFC 3339"));
        let number = self.common.milestone_number(title);
        self.milestone = Some(Milestone {
            number,
            title: title.to_owned(),
            due_on,
        });
        self.touch()
    }

    /// Adds a comment.
    pub fn comment(&mut self, author: &str, body: &str) -> &mut Self {
        self.touch();
        self.comments.push(Comment {
            id: self.id * 1_000 + self.comments.len() as u64 + 1,
            author: author.to_owned(),
            body: body.to_owned(),
            created_at: self.updated_at,
        });
        self
    }

    /// Marks it as blocked by an issue of the same repository.
    pub fn blocked_by(&mut self, number: u64) -> &mut Self {
        let repository = self.common.repository.clone();
        self.blocked_by_in(&repository, number)
    }

    /// Marks it as blocked by an issue of another repository.
    pub fn blocked_by_in(&mut self, repository: &str, number: u64) -> &mut Self {
        self.blocked_by.push(IssueKey {
            repository: repository.to_owned(),
            number,
        });
        self.touch()
    }

    /// Takes all its blockers away.
    pub fn unblock(&mut self) -> &mut Self {
        self.blocked_by.clear();
        self.touch()
    }

    /// Closes it, for a reason such as `completed` or `not_planned`.
    pub fn close(&mut self, reason: &str) -> &mut Self {
        self.touch();
        if self.open {
            self.open = false;
            self.closed_at = Some(self.updated_at);
        }
        self.state_reason = self.pull_request.is_none().then(|| reason.to_owned());
        self
    }

    /// Opens it again.
    pub fn reopen(&mut self) -> &mut Self {
        self.open = true;
        self.closed_at = None;
        self.state_reason = self.pull_request.is_none().then(|| "reopened".to_owned());
        self.touch()
    }

    /// Makes a pull request a draft, or ready for review.
    pub fn draft(&mut self, draft: bool) -> &mut Self {
        self.pull_mut().draft = draft;
        self.touch()
    }

    /// Says which branch a pull request comes from.
    pub fn head(&mut self, branch: &str) -> &mut Self {
        branch.clone_into(&mut self.pull_mut().head_ref);
        self.touch()
    }

    fn pull_mut(&mut self) -> &mut PullRequest {
        self.pull_request
            .as_mut()
            .expect("only pull requests have branches and drafts")
    }

    /// `OPEN`, `CLOSED` or, for a pull request, `MERGED`.
    pub(super) fn graphql_state(&self) -> &'static str {
        match &self.pull_request {
            _ if self.open => "OPEN",
            Some(pull) if pull.merged_at.is_some() => "MERGED",
            _ => "CLOSED",
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
