//! Opens a pull request: from a branch that was pushed, or from files that become one commit on a
//! new branch. Asked twice, there is one pull request.
//!
//! Nothing is remembered for that: each step finds at GitHub what a call before it did. An open
//! pull request from the head to the base is the answer; a branch with exactly this commit is
//! taken up; of two calls at once GitHub lets one create the branch and one the pull request.

pub mod branch;
mod closing;
mod commit;
mod entries;
mod errors;
mod files;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use branch::Head;
pub use files::FileChange;

use super::{Pulls, Warning, branch_name};
use crate::domain::{ApiError, RepoName, text};
use crate::gh::{ApiPath, Gh, GhError};

/// GitHub's limits for the title and the description of a pull request, in characters.
const TITLE_CHARS_MAX: usize = 256;
const BODY_CHARS_MAX: usize = 65_536;
/// Pull requests of one branch that are looked at.
const KNOWN_MAX: usize = 100;

/// What is asked for, checked.
#[derive(Clone, Debug)]
pub struct NewPullRequest {
    repo: RepoName,
    title: String,
    body: String,
    head: Head,
    base: Option<String>,
    changes: files::Changes,
    draft: bool,
    /// The issue that it shall close, and the host that both are on.
    closes: Option<(u64, String)>,
}

/// What is asked for, as it was given.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where to.
    pub repo: RepoName,
    /// Title.
    pub title: String,
    /// Description, in Markdown.
    pub body: String,
    /// `branch`, or `owner:branch`.
    pub head: String,
    /// Branch to merge into; the default branch where none is named.
    pub base: Option<String>,
    /// Files of the commit; none for a branch that was pushed.
    pub files: Vec<FileChange>,
    /// As a draft.
    pub draft: bool,
}

impl NewPullRequest {
    /// Checks what was given.
    ///
    /// # Errors
    /// `invalid_argument` and `body_too_large`.
    pub fn check(given: Given) -> Result<Self, ApiError> {
        let title = given.title.trim();
        let chars = title.chars().count();
        if !(1..=TITLE_CHARS_MAX).contains(&chars) || title.chars().any(char::is_control) {
            return Err(ApiError::invalid(
                format!("title must be one line of 1 to {TITLE_CHARS_MAX} characters"),
                "say in a few words what changes; the rest belongs into body",
            ));
        }
        let head = Head::parse(&given.head, &given.repo)?;
        let base = given
            .base
            .map(|base| branch_name::checked("base", &base))
            .transpose()?;
        if !head.in_fork && base.as_deref() == Some(&head.branch) {
            return Err(same_branch());
        }
        if head.in_fork && !given.files.is_empty() {
            return Err(ApiError::invalid(
                "files cannot be committed to a fork",
                "push them to the fork and leave files out; or give head without an owner",
            ));
        }
        Ok(Self {
            title: title.to_owned(),
            body: within_limit(given.body)?,
            head,
            base,
            changes: files::check(given.files)?,
            draft: given.draft,
            closes: None,
            repo: given.repo,
        })
    }

    /// With a closing keyword for an issue of the repository in its description.
    ///
    /// # Errors
    /// `invalid_argument`, where the description becomes too long by that.
    pub fn closing(mut self, issue: u64, host: &str) -> Result<Self, ApiError> {
        self.body = within_limit(closing::with_closing(&self.body, &self.repo, host, issue))?;
        self.closes = Some((issue, host.to_owned()));
        Ok(self)
    }

    fn message(&self) -> String {
        let body = self.body.trim();
        let gap = if body.is_empty() { "" } else { "\n\n" };
        format!("{}{gap}{body}", self.title)
    }
}

fn within_limit(body: String) -> Result<String, ApiError> {
    let flawed = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if body.chars().count() <= BODY_CHARS_MAX && !body.contains(flawed) {
        return Ok(body);
    }
    Err(ApiError::invalid(
        format!("body must be text of at most {BODY_CHARS_MAX} characters"),
        "shorten it; long texts belong into files or comments",
    ))
}

fn same_branch() -> ApiError {
    ApiError::invalid(
        "head and base are the same branch",
        "choose another head: a new branch for this change",
    )
}

/// The pull request, and whether this call opened it.
#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// Where it comes from: `branch`, or `owner:branch`.
    pub head: String,
    /// Where it goes.
    pub base: String,
    /// `false` when it was there before.
    pub created: bool,
    /// Whether it is what was asked for: one that was there may lack files, or be for another issue.
    #[serde(skip)]
    pub is_what_was_asked: bool,
    /// First digits of its head commit.
    pub head_sha: String,
    /// Whether it is a draft.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// What was not done, or is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The base of the commit.
struct Base {
    name: String,
    sha: String,
    tree: String,
}

/// A pull request in GitHub's list.
#[derive(Deserialize)]
struct Listed {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    merged_at: Option<String>,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    /// `owner:branch`.
    #[serde(default)]
    label: Option<String>,
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    #[serde(default)]
    repo: Option<Home>,
}

#[derive(Deserialize)]
struct Home {
    full_name: String,
    default_branch: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    push: bool,
}

/// Opens a pull request, or finds the one that is open. `issue` looks up the issue that it shall
/// close: before anything is written, and not where the open pull request says that it closes it,
/// since whoever asks again is not to pay for that again.
///
/// # Errors
/// What is wrong with the branches or the files, what this login may not do, and what GitHub
/// refuses, each with the next step. After an error the same call may be made again.
pub async fn create_pull_request(
    pulls: &Pulls,
    ask: &NewPullRequest,
    issue: impl Future<Output = Result<Option<Warning>, ApiError>>,
) -> Result<Created, ApiError> {
    let opening = Opening {
        gh: pulls.gh(),
        ask,
    };
    let known = opening.known().await.map_err(|error| error.to_api())?;
    if let Some(open) = known
        .iter()
        .find(|pull| opening.is_open(pull, ask.base.as_deref()))
    {
        let warning = match opening.says_what_it_closes(open) {
            true => None,
            false => issue.await?,
        };
        let mut found = opening.found(open).await;
        found.warnings.extend(warning);
        return Ok(found);
    }
    let mut warnings: Vec<Warning> = issue.await?.into_iter().collect();
    let mut base = opening.base_name().await?;
    if ask.changes.is_empty() {
        opening.check_branch(&known, &base).await?;
    } else {
        let from = opening.base(&base).await?;
        let message = ask.message();
        let tip = commit::commit(opening.gh, ask, &message, &from, &mut warnings).await?;
        // A branch that was renamed is found by its old name.
        base = from.name;
        opening.check_unmerged(&known, &base, &tip)?;
    }
    let mut created = opening.open(&base).await?;
    created.warnings.extend(warnings);
    Ok(created)
}

struct Opening<'a> {
    gh: &'a Gh,
    ask: &'a NewPullRequest,
}

impl Opening<'_> {
    fn path(&self, part: &str) -> ApiPath {
        ApiPath::repo(&self.ask.repo).then(part)
    }

    /// Pull requests from the head, in every state, the newest first.
    async fn known(&self) -> Result<Vec<Listed>, GhError> {
        let label = self.ask.head.label();
        let path = self.path("pulls").with("head", &label).with("state", "all");
        let path = path.with("per_page", KNOWN_MAX);
        let mut known: Vec<Listed> = self.gh.get(&path).await?;
        // A filter that GitHub does not understand is ignored.
        known.retain(|pull| {
            let from = pull
                .head
                .label
                .as_deref()
                .and_then(|label| label.split_once(':'));
            from.is_some_and(|(owner, branch)| {
                owner.eq_ignore_ascii_case(&self.ask.head.owner) && branch == self.ask.head.branch
            })
        });
        Ok(known)
    }

    fn is_open(&self, pull: &Listed, base: Option<&str>) -> bool {
        let home = pull.base.repo.as_ref();
        let base = base.or(home.map(|home| home.default_branch.as_str()));
        pull.state == "open" && base == Some(pull.base.branch.as_str())
    }

    /// Whether its description has the closing keyword that is asked for, if one is.
    fn says_what_it_closes(&self, pull: &Listed) -> bool {
        let body = pull.body.as_deref().unwrap_or_default();
        let closes = self.ask.closes.as_ref();
        closes.is_none_or(|(issue, host)| closing::closes(body, &self.ask.repo, host, *issue))
    }

    /// The answer for a pull request that was there.
    async fn found(&self, pull: &Listed) -> Created {
        let mut found = self.told(pull, false);
        if let Some((issue, _)) = &self.ask.closes
            && !self.says_what_it_closes(pull)
        {
            found.is_what_was_asked = false;
            found.warnings.push(Warning::new(
                "closing",
                format!("the open pull request does not say that it closes #{issue}"),
                "the claim was not moved: write it into the description and call again, or choose another head",
            ));
        }
        if self.ask.changes.is_empty() {
            return found;
        }
        let paths: Vec<String> = self.ask.changes.keys().cloned().collect();
        let has = entries::entries(self.gh, &self.ask.repo, &pull.head.sha, &paths).await;
        let missing = match has {
            Ok(has) => entries::missing_changes(&self.ask.changes, &has),
            Err(reason) => Some(Warning::new(
                "files",
                reason,
                "whether the open pull request has these files is not known",
            )),
        };
        found.is_what_was_asked &= missing.is_none();
        found.warnings.extend(missing);
        found
    }

    fn told(&self, pull: &Listed, created: bool) -> Created {
        Created {
            number: pull.number,
            url: pull.html_url.clone(),
            head: self.ask.head.name(),
            base: pull.base.branch.clone(),
            created,
            is_what_was_asked: true,
            head_sha: text::cut(&pull.head.sha, 7).0.to_owned(),
            draft: pull.draft,
            warnings: Vec::new(),
        }
    }

    /// The name of the base, after a look at the repository.
    async fn base_name(&self) -> Result<String, ApiError> {
        let home = self.gh.get::<Home>(&ApiPath::repo(&self.ask.repo)).await;
        let home = home.map_err(|error| error.to_api())?;
        if !home.full_name.eq_ignore_ascii_case(self.ask.repo.as_str()) {
            return Err(errors::moved(self.ask, &home.full_name));
        }
        if home.archived {
            return Err(errors::archived(self.ask));
        }
        let may_push = home.permissions.is_none_or(|permissions| permissions.push);
        if !may_push && !self.ask.head.in_fork {
            return Err(errors::no_push(self.ask));
        }
        let base = self.ask.base.clone().unwrap_or(home.default_branch);
        if base == self.ask.head.branch && !self.ask.head.in_fork {
            return Err(same_branch());
        }
        Ok(base)
    }

    async fn branch(&self, name: &str) -> Result<Option<Base>, ApiError> {
        #[derive(Deserialize)]
        struct Branch {
            name: String,
            commit: Tip,
        }
        #[derive(Deserialize)]
        struct Tip {
            sha: String,
            commit: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            tree: Tree,
        }
        #[derive(Deserialize)]
        struct Tree {
            sha: String,
        }
        match self
            .gh
            .get::<Branch>(&self.path("branches").then(name))
            .await
        {
            Ok(Branch { name, commit }) => Ok(Some(Base {
                name,
                sha: commit.sha,
                tree: commit.commit.tree.sha,
            })),
            Err(GhError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.to_api()),
        }
    }

    async fn base(&self, name: &str) -> Result<Base, ApiError> {
        let found = self.branch(name).await?;
        found.ok_or_else(|| errors::base_missing(self.ask, name))
    }

    /// Looks at a branch that shall have been pushed. Of a fork nothing can be told: it may have
    /// another name than the repository.
    async fn check_branch(&self, known: &[Listed], base: &str) -> Result<(), ApiError> {
        if self.ask.head.in_fork {
            return Ok(());
        }
        let Some(tip) = self.branch(&self.ask.head.branch).await? else {
            return Err(errors::branch_missing(self.ask));
        };
        self.check_unmerged(known, base, &tip.sha)
    }

    /// After a squash a branch differs from the base although all of it was merged.
    fn check_unmerged(&self, known: &[Listed], base: &str, tip: &str) -> Result<(), ApiError> {
        let merged = known.iter().find(|pull| {
            pull.merged_at.is_some() && pull.base.branch == base && pull.head.sha == tip
        });
        match merged {
            Some(pull) => Err(errors::already_merged(
                self.ask,
                pull.number,
                &pull.html_url,
            )),
            None => Ok(()),
        }
    }

    async fn open(&self, base: &str) -> Result<Created, ApiError> {
        let ask = self.ask;
        let body = json!({
            "title": ask.title, "body": ask.body, "head": ask.head.name(), "base": base,
            "draft": ask.draft,
        });
        let path = self.path("pulls");
        let error = match self.gh.write::<Listed>("POST", &path, &body).await {
            Ok(pull) => return Ok(self.told(&pull, true)),
            Err(error) => error,
        };
        // Somebody else was faster, or the answer was lost: what is there decides.
        let was_there =
            matches!(&error, GhError::Rejected(told) if told.contains("already exists"));
        if (was_there || error.is_transient())
            && let Ok(known) = self.known().await
            && let Some(pull) = known.iter().find(|pull| self.is_open(pull, Some(base)))
        {
            return Ok(if was_there {
                self.found(pull).await
            } else {
                self.told(pull, true)
            });
        }
        Err(errors::of_write(ask, &error))
    }
}

/// The largest answer that can be built.
#[cfg(test)]
pub(super) fn largest(letters: &str) -> Vec<String> {
    let long = letters.repeat(3_000);
    // GitHub takes no longer name of a branch.
    let branch = text::cut(&long, 244).0;
    let created = Created {
        number: u64::MAX,
        url: format!(
            "https://github.com/{}/{}/pull/1",
            "o".repeat(39),
            "r".repeat(100)
        ),
        head: format!("{}:{branch}", "o".repeat(39)),
        base: branch.to_owned(),
        created: false,
        is_what_was_asked: false,
        head_sha: "9f3c1e2".to_owned(),
        draft: true,
        // One of each source, and more than there are.
        warnings: vec![
            Warning::new(
                "files",
                &long,
                "nothing was changed: commit them to its branch"
            );
            8
        ],
    };
    vec![serde_json::to_string(&created).unwrap()]
}
