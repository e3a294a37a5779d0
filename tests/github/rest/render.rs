//! Resources as GitHub's REST API shows them.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::super::clock::RateLimit;
use super::super::issue::{Comment, Issue, IssueKey, Milestone};
use super::super::json::Json;
use super::super::repository::Repository;
use super::super::review::Review;
use super::super::world::World;

/// Writes resources of one world.
pub(super) struct Render<'w> {
    world: &'w World,
    api: String,
    web: String,
    /// How many open issues, and issues in all, each issue blocks. Made when first needed.
    blocking: OnceCell<HashMap<IssueKey, (usize, usize)>>,
}

impl<'w> Render<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        Self {
            world,
            api: world.api_url(),
            web: world.web_url(),
            blocking: OnceCell::new(),
        }
    }

    pub(super) fn root(&self, json: &mut Json) {
        json.object(|json| {
            json.key("current_user_url")
                .plain(format_args!("{}/user", self.api));
            json.key("rate_limit_url")
                .plain(format_args!("{}/rate_limit", self.api));
        });
    }

    pub(super) fn viewer(&self, json: &mut Json) {
        json.object(|json| {
            self.user_members(json, &self.world.user);
            json.key("name").text(&self.world.user);
            json.key("email").null();
            json.key("public_repos").raw(self.world.repositories.len());
        });
    }

    pub(super) fn rate_limit(&self, json: &mut Json) {
        let limit = |json: &mut Json, limit: &RateLimit| {
            json.object(|json| {
                json.key("limit").raw(limit.limit);
                json.key("used").raw(limit.used);
                json.key("remaining").raw(limit.remaining());
                json.key("reset").raw(limit.reset.as_second());
            });
        };
        json.object(|json| {
            json.key("resources").object(|json| {
                limit(json.key("core"), &self.world.rest_limit);
                limit(json.key("graphql"), &self.world.graphql_limit);
            });
            limit(json.key("rate"), &self.world.rest_limit);
        });
    }

    fn user(&self, json: &mut Json, login: &str) {
        json.object(|json| self.user_members(json, login));
    }

    fn user_members(&self, json: &mut Json, login: &str) {
        let organization = self.world.is_organization(login);
        json.key("login").text(login);
        json.key("id").raw(number_of(login));
        json.key("node_id")
            .plain(format_args!("U_kgDO{}", number_of(login)));
        json.key("avatar_url")
            .plain(format_args!("{}/{login}.png", self.web));
        json.key("url")
            .plain(format_args!("{}/users/{login}", self.api));
        json.key("html_url")
            .plain(format_args!("{}/{login}", self.web));
        json.key("repos_url")
            .plain(format_args!("{}/users/{login}/repos", self.api));
        json.key("type")
            .plain(if organization { "Organization" } else { "User" });
        json.key("site_admin").raw(false);
    }

    pub(super) fn repository(&self, json: &mut Json, repository: &Repository) {
        let full_name = repository.full_name();
        json.object(|json| {
            json.key("id").raw(repository.id);
            json.key("node_id")
                .plain(format_args!("R_kgDO{}", repository.id));
            json.key("name").text(&repository.name);
            json.key("full_name").text(&full_name);
            json.key("private").raw(repository.is_private);
            self.user(json.key("owner"), &repository.owner);
            json.key("html_url")
                .plain(format_args!("{}/{full_name}", self.web));
            json.key("description").null();
            json.key("fork").raw(repository.is_fork);
            json.key("url")
                .plain(format_args!("{}/repos/{full_name}", self.api));
            json.key("issues_url").plain(format_args!(
                "{}/repos/{full_name}/issues{{/number}}",
                self.api
            ));
            json.key("created_at").plain(repository.created_at);
            json.key("updated_at").plain(repository.updated_at);
            json.key("pushed_at").plain(repository.pushed_at);
            json.key("has_issues").raw(repository.has_issues);
            json.key("archived").raw(repository.is_archived);
            json.key("disabled").raw(false);
            let open = repository
                .issues
                .values()
                .filter(|issue| issue.open)
                .count();
            json.key("open_issues_count").raw(open);
            json.key("open_issues").raw(open);
            json.key("visibility").plain(if repository.is_private {
                "private"
            } else {
                "public"
            });
            json.key("default_branch").text(&repository.default_branch);
            json.key("permissions").object(|json| {
                json.key("admin").raw(repository.owner == self.world.user);
                json.key("push").raw(repository.may_push);
                json.key("pull").raw(true);
            });
        });
    }

    /// An issue, or the issue side of a pull request; `whole` adds what only single issues show.
    pub(super) fn issue(
        &self,
        json: &mut Json,
        repository: &Repository,
        issue: &Issue,
        whole: bool,
    ) {
        let full_name = repository.full_name();
        let here = format!("{}/repos/{full_name}/issues/{}", self.api, issue.number);
        let page = self.page(&full_name, issue);
        json.object(|json| {
            json.key("url").plain(&here);
            json.key("repository_url")
                .plain(format_args!("{}/repos/{full_name}", self.api));
            json.key("labels_url")
                .plain(format_args!("{here}/labels{{/name}}"));
            json.key("comments_url")
                .plain(format_args!("{here}/comments"));
            json.key("events_url").plain(format_args!("{here}/events"));
            json.key("html_url").plain(&page);
            json.key("node_id").plain(node_id(repository, issue));
            self.common_members(json, issue);
            json.key("state_reason")
                .plain_or_null(issue.state_reason.as_deref());
            json.key("comments").raw(issue.comments.len());
            if let Some(pull) = &issue.pull_request {
                json.key("draft").raw(pull.draft);
                json.key("pull_request").object(|json| {
                    let number = issue.number;
                    json.key("url").plain(format_args!(
                        "{}/repos/{full_name}/pulls/{number}",
                        self.api
                    ));
                    json.key("html_url").plain(&page);
                    json.key("merged_at").plain_or_null(pull.merged_at);
                });
            }
            if self.world.issue_dependencies {
                self.dependencies(json.key("issue_dependencies_summary"), repository, issue);
            }
            if whole {
                json.key("closed_by").null();
            }
        });
    }

    /// What issues and pull requests show alike.
    fn common_members(&self, json: &mut Json, issue: &Issue) {
        json.key("id").raw(issue.id);
        json.key("number").raw(issue.number);
        json.key("title").text(&issue.title);
        self.user(json.key("user"), &issue.author);
        json.key("labels").list(&issue.labels, |json, label| {
            json.object(|json| {
                json.key("id").raw(number_of(label));
                json.key("node_id")
                    .plain(format_args!("LA_kwDO{}", number_of(label)));
                json.key("name").text(label);
                json.key("color")
                    .plain(format_args!("{:06x}", number_of(label) & 0x00ff_ffff));
                json.key("default").raw(false);
                json.key("description").null();
            });
        });
        json.key("state")
            .plain(if issue.open { "open" } else { "closed" });
        json.key("locked").raw(false);
        json.key("active_lock_reason").null();
        match issue.assignees.first() {
            Some(login) => self.user(json.key("assignee"), login),
            None => json.key("assignee").null(),
        }
        json.key("assignees")
            .list(&issue.assignees, |json, login| self.user(json, login));
        match &issue.milestone {
            Some(milestone) => render_milestone(json.key("milestone"), milestone),
            None => json.key("milestone").null(),
        }
        json.key("created_at").plain(issue.created_at);
        json.key("updated_at").plain(issue.updated_at);
        json.key("closed_at").plain_or_null(issue.closed_at);
        json.key("author_association").plain("MEMBER");
        match &*issue.body {
            "" => json.key("body").null(),
            body => json.key("body").text(body),
        }
    }

    fn dependencies(&self, json: &mut Json, repository: &Repository, issue: &Issue) {
        let blockers = issue
            .blocked_by
            .iter()
            .filter_map(|key| self.world.find_issue(key));
        let blocking = self.blocking.get_or_init(|| self.count_blocking());
        let key = IssueKey {
            repository: repository.full_name(),
            number: issue.number,
        };
        let (open, all) = blocking.get(&key).copied().unwrap_or_default();
        json.object(|json| {
            json.key("blocked_by")
                .raw(blockers.filter(|(_, blocker)| blocker.open).count());
            json.key("total_blocked_by").raw(issue.blocked_by.len());
            json.key("blocking").raw(open);
            json.key("total_blocking").raw(all);
        });
    }

    fn count_blocking(&self) -> HashMap<IssueKey, (usize, usize)> {
        let mut counts: HashMap<IssueKey, (usize, usize)> = HashMap::new();
        for issue in self
            .world
            .repositories
            .iter()
            .flat_map(|repository| repository.issues.values())
        {
            for (home, blocker) in issue
                .blocked_by
                .iter()
                .filter_map(|key| self.world.find_issue(key))
            {
                let key = IssueKey {
                    repository: home.full_name(),
                    number: blocker.number,
                };
                let (open, all) = counts.entry(key).or_default();
                *open += usize::from(issue.open);
                *all += 1;
            }
        }
        counts
    }

    /// A pull request as the routes below `pulls` show it.
    pub(super) fn pull(&self, json: &mut Json, repository: &Repository, issue: &Issue) {
        let Some(pull) = &issue.pull_request else {
            return json.null();
        };
        let full_name = repository.full_name();
        json.object(|json| {
            let number = issue.number;
            json.key("url").plain(format_args!(
                "{}/repos/{full_name}/pulls/{number}",
                self.api
            ));
            json.key("issue_url").plain(format_args!(
                "{}/repos/{full_name}/issues/{number}",
                self.api
            ));
            json.key("html_url").plain(self.page(&full_name, issue));
            json.key("node_id").plain(node_id(repository, issue));
            self.common_members(json, issue);
            json.key("draft").raw(pull.draft);
            json.key("merged").raw(pull.merged_at.is_some());
            json.key("merged_at").plain_or_null(pull.merged_at);
            json.key("merge_commit_sha").null();
            let merges = |field: &str| repository.merges.of(number, field);
            match merges("mergeable").as_str() {
                Some("MERGEABLE") => json.key("mergeable").raw(true),
                Some("CONFLICTING") => json.key("mergeable").raw(false),
                _ => json.key("mergeable").null(),
            }
            let state = merges("mergeStateStatus").as_str().unwrap_or_default();
            json.key("mergeable_state").plain(state.to_lowercase());
            json.key("comments").raw(issue.comments.len());
            let files = repository.merges.files_of(number);
            json.key("changed_files").raw(files.len());
            for field in ["additions", "deletions"] {
                let lines = files.iter().filter_map(|file| file[field].as_u64());
                json.key(field).raw(lines.sum::<u64>());
            }
            let commits = repository.merges.of(number, "commits").as_array();
            json.key("commits").raw(commits.map_or(0, Vec::len));
            json.key("stack").raw(repository.merges.stack_of(number));
            for (side, branch) in [("head", &pull.head_ref), ("base", &pull.base_ref)] {
                json.key(side).object(|json| {
                    json.key("label")
                        .text(&format!("{}:{branch}", repository.owner));
                    json.key("ref").text(branch);
                    json.key("sha").text(&pull.head_sha);
                    self.user(json.key("user"), &repository.owner);
                    self.repository(json.key("repo"), repository);
                });
            }
        });
    }

    pub(super) fn comment(
        &self,
        json: &mut Json,
        home: &Repository,
        issue: &Issue,
        comment: &Comment,
    ) {
        let full_name = home.full_name();
        let page = self.page(&full_name, issue);
        let here = format!("{}/repos/{full_name}/issues", self.api);
        json.object(|json| {
            json.key("id").raw(comment.id);
            json.key("node_id")
                .plain(format_args!("IC_kwDO{}", comment.id));
            json.key("url")
                .plain(format_args!("{here}/comments/{}", comment.id));
            json.key("issue_url")
                .plain(format_args!("{here}/{}", issue.number));
            json.key("html_url")
                .plain(format_args!("{page}#issuecomment-{}", comment.id));
            self.user(json.key("user"), &comment.author);
            json.key("created_at").plain(comment.created_at);
            json.key("updated_at").plain(comment.created_at);
            json.key("author_association").plain("MEMBER");
            json.key("body").text(&comment.body);
        });
    }

    pub(super) fn review(
        &self,
        json: &mut Json,
        home: &Repository,
        issue: &Issue,
        review: &Review,
    ) {
        let (full_name, number) = (home.full_name(), issue.number);
        let page = self.page(&full_name, issue);
        json.object(|json| {
            json.key("id").raw(review.id);
            json.key("node_id")
                .plain(format_args!("PRR_kwDO{}", review.id));
            self.user(json.key("user"), &review.author);
            json.key("body").text(&review.body);
            json.key("state").plain(review.state);
            json.key("html_url")
                .plain(format_args!("{page}#pullrequestreview-{}", review.id));
            json.key("pull_request_url").plain(format_args!(
                "{}/repos/{full_name}/pulls/{number}",
                self.api
            ));
            json.key("author_association").plain("MEMBER");
            json.key("submitted_at").plain(review.submitted_at);
        });
    }

    fn page(&self, full_name: &str, issue: &Issue) -> String {
        let kind = if issue.pull_request.is_some() {
            "pull"
        } else {
            "issues"
        };
        format!("{}/{full_name}/{kind}/{}", self.web, issue.number)
    }
}

fn render_milestone(json: &mut Json, milestone: &Milestone) {
    json.object(|json| {
        json.key("number").raw(milestone.number);
        json.key("title").text(&milestone.title);
        json.key("state").plain("open");
        json.key("due_on").plain_or_null(milestone.due_on);
    });
}

fn node_id(repository: &Repository, issue: &Issue) -> String {
    let kind = if issue.pull_request.is_some() {
        "PR"
    } else {
        "I"
    };
    format!("{kind}_kwDO{}n{}", repository.id, issue.number)
}

/// A number that is always the same for a name, for ids and colours.
fn number_of(name: &str) -> u64 {
    name.bytes().fold(7, |number, byte| {
        (number * 31 + u64::from(byte)) % 100_000_007
    })
}
