//! Routes that a real git repository answers.

use serde_json::{Value, json};

use super::super::git_repository::GitRepository;
use super::super::repository::Repository;
use super::{Query, Reply, decode};

/// Most files of a comparison, as on GitHub.
const FILES_MAX: usize = 300;

/// Answers what git knows; none for other routes.
pub(super) fn route(
    repository: &Repository,
    git: &GitRepository,
    rest: &[&str],
    query: &Query,
) -> Option<Reply> {
    let not_found = || Reply::message(404, "Not Found");
    let decoded: Vec<String> = rest.iter().map(|segment| decode(segment)).collect();
    let rest: Vec<&str> = decoded.iter().map(String::as_str).collect();
    Some(match rest.as_slice() {
        ["compare", pair] => compare(git, pair, query).unwrap_or_else(not_found),
        ["git", "blobs", oid] => git.blob(oid).map_or_else(not_found, |blob| {
            let mut reply = Reply::new(200);
            reply.headers.retain(|(name, _)| name != "content-type");
            reply.header("content-type", "application/vnd.github.raw; charset=utf-8");
            reply.body = blob;
            reply
        }),
        ["commits"] => {
            let (from, path) = (query.get("sha")?, query.get("path")?);
            let size = query.number("per_page", 30);
            let commits = git.log(from, path, query.get("since"));
            answer(&json!(commits.into_iter().take(size).collect::<Vec<_>>()))
        }
        ["branches", branch] => {
            let Some(tip) = git.branch(branch) else {
                return Some(Reply::message(404, "Branch not found"));
            };
            let mut body = super::merges::branch(repository, branch);
            body["commit"] = git.commits(&[&tip]).remove(0);
            answer(&body)
        }
        _ => return None,
    })
}

fn answer(body: &Value) -> Reply {
    Reply::json(200, |json| json.raw(body))
}

fn compare(git: &GitRepository, pair: &str, query: &Query) -> Option<Reply> {
    let (base, head) = pair.split_once("...")?;
    let found = git.compare(base, head)?;
    let (size, page) = (query.number("per_page", 30), query.number("page", 1));
    let commits = found.ahead.iter().skip((page - 1) * size).take(size);
    let commits: Vec<&str> = commits.map(String::as_str).collect();
    let merge_base = &found.merge_base;
    let mut body = json!({
        "status": match (found.ahead.len(), found.behind.len()) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        },
        "ahead_by": found.ahead.len(), "behind_by": found.behind.len(),
        "total_commits": found.ahead.len(), "commits": git.commits(&commits),
        "base_commit": {"sha": found.base},
        "merge_base_commit": git.commits(&[merge_base]).remove(0),
    });
    if page == 1 {
        let mut files = git.changed_files(merge_base, &found.head);
        files.truncate(FILES_MAX);
        body["files"] = json!(files);
    }
    Some(answer(&body))
}
