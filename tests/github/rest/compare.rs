//! `GET compare/{base}...{head}`.

use super::super::history::History;
use super::{Query, Reply};

/// Compares two commits. Files come with the first page only, as on GitHub.
pub(super) fn compare(history: &History, pair: &str, query: &Query) -> Reply {
    let commit = |name: &str| match history.branches.get(name) {
        Some(tip) => tip.clone(),
        None => name.to_owned(),
    };
    let pair = pair.split_once("...");
    let pair = pair.map(|(base, head)| (commit(base), commit(head)));
    let found = pair.as_ref().and_then(|(base, head)| {
        let merge_base = history.merge_base(base, head)?;
        Some((base, head, merge_base))
    });
    let Some((base, head, merge_base)) = found else {
        return Reply::message(404, "Not Found");
    };
    let ahead = history.between(base, head);
    let behind = history.between(head, base).len();
    Reply::json(200, |json| {
        json.object(|json| {
            json.key("status").plain(match (ahead.len(), behind) {
                (0, 0) => "identical",
                (_, 0) => "ahead",
                (0, _) => "behind",
                _ => "diverged",
            });
            json.key("ahead_by").raw(ahead.len());
            json.key("behind_by").raw(behind);
            json.key("total_commits").raw(ahead.len());
            json.key("merge_base_commit")
                .object(|json| json.key("sha").plain(merge_base));
            let (size, page) = (query.number("per_page", 30), query.number("page", 1));
            let shown = ahead.iter().skip((page - 1) * size).take(size);
            json.key("commits").list(shown, |json, name| {
                json.object(|json| json.key("sha").plain(name))
            });
            if page == 1 {
                json.key("files")
                    .list([merge_base], |json, _| json.object(|_| {}));
            }
        });
    })
}
