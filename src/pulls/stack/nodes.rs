//! Layers and their commits as GraphQL tells them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Commit, Event, Layer, MergeCommit, State};

/// Without the commits, which only members of the stack need. `pageInfo` tells whether older
/// events were cut; `baseRef` and `headRef` are null when the branch was deleted.
pub(super) const LAYER: &str = "fragment Layer on PullRequest{number state isCrossRepository \
 maintainerCanModify isInMergeQueue mergedAt additions deletions headRepository{nameWithOwner} \
 baseRefName baseRef{target{oid}} headRefName headRefOid headRef{target{oid}} \
 mergeCommit{oid additions deletions parents(first:1){totalCount}} commits(first:1){totalCount} \
 timelineItems(last:50,itemTypes:[HEAD_REF_FORCE_PUSHED_EVENT,BASE_REF_CHANGED_EVENT,\
AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT,BASE_REF_DELETED_EVENT]){pageInfo{hasPreviousPage} \
 nodes{__typename ...on HeadRefForcePushedEvent{beforeCommit{oid} afterCommit{oid}} \
 ...on BaseRefChangedEvent{previousRefName currentRefName} \
 ...on AutomaticBaseChangeSucceededEvent{oldBase newBase}}}}";

/// The sum of all checks is more pessimistic when the checks are asked for beside it.
pub(super) const COMMITS: &str = "statusCheckRollup{state} commits(first:100){totalCount nodes{commit{oid messageHeadline \
 authoredDate author{email} parents(first:2){nodes{oid}}}}}";

/// A branch by its name.
#[derive(Deserialize)]
pub(super) struct NamedRef {
    pub name: String,
}

/// How many there are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counted {
    pub total_count: u64,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Nodes<T> {
    #[serde(default)]
    pub total_count: u64,
    #[serde(default)]
    page_info: Option<PageInfo>,
    #[serde(default = "Vec::new")]
    pub nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
}

#[derive(Deserialize)]
struct Oid {
    oid: String,
}

#[derive(Deserialize)]
struct RefNode {
    target: Option<Oid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadRepository {
    name_with_owner: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeNode {
    oid: String,
    additions: u64,
    deletions: u64,
    parents: Counted,
}

/// Any event; each kind has its own fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventNode {
    #[serde(rename = "__typename")]
    kind: String,
    before_commit: Option<Oid>,
    after_commit: Option<Oid>,
    previous_ref_name: Option<String>,
    current_ref_name: Option<String>,
    old_base: Option<String>,
    new_base: Option<String>,
}

impl EventNode {
    fn into_event(self) -> Option<Event> {
        let changed = |from: Option<String>, to: Option<String>| {
            let (from, to) = (from?, to?);
            Some(Event::BaseChanged { from, to })
        };
        match self.kind.as_str() {
            "HeadRefForcePushedEvent" => Some(Event::HeadRewritten {
                before: self.before_commit.map(|commit| commit.oid),
                after: self.after_commit.map(|commit| commit.oid),
            }),
            "BaseRefChangedEvent" => changed(self.previous_ref_name, self.current_ref_name),
            "AutomaticBaseChangeSucceededEvent" => changed(self.old_base, self.new_base),
            "BaseRefDeletedEvent" => Some(Event::BaseDeleted),
            _ => None,
        }
    }
}

/// A pull request as the fragment `Layer` asks for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    number: u64,
    state: String,
    is_cross_repository: bool,
    maintainer_can_modify: bool,
    is_in_merge_queue: bool,
    merged_at: Option<Timestamp>,
    additions: u64,
    deletions: u64,
    head_repository: Option<HeadRepository>,
    base_ref_name: String,
    base_ref: Option<RefNode>,
    head_ref_name: String,
    head_ref_oid: String,
    head_ref: Option<RefNode>,
    merge_commit: Option<MergeNode>,
    commits: Counted,
    timeline_items: Nodes<EventNode>,
}

impl Node {
    pub fn into_layer(self) -> Layer {
        let tip = |reference: Option<RefNode>| Some(reference?.target?.oid);
        let items = self.timeline_items;
        Layer {
            number: self.number,
            state: match self.state.as_str() {
                "OPEN" => State::Open,
                "MERGED" => State::Merged,
                _ => State::Closed,
            },
            merged_at: self.merged_at,
            from_fork: self.is_cross_repository,
            head_repo: self.head_repository.map(|repo| repo.name_with_owner),
            maintainer_can_modify: self.maintainer_can_modify,
            queued: self.is_in_merge_queue,
            base: self.base_ref_name,
            base_tip: tip(self.base_ref),
            head: self.head_ref_name,
            head_sha: self.head_ref_oid,
            head_tip: tip(self.head_ref),
            merge_commit: self.merge_commit.map(|merge| MergeCommit {
                oid: merge.oid,
                parents: merge.parents.total_count,
                lines: merge.additions + merge.deletions,
            }),
            lines: self.additions + self.deletions,
            events_complete: items.page_info.is_some_and(|page| !page.has_previous_page),
            events: items
                .nodes
                .into_iter()
                .filter_map(EventNode::into_event)
                .collect(),
            commits: Vec::new(),
            commits_total: self.commits.total_count,
            ci: None,
        }
    }
}

/// What is asked of members beside [`LAYER`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commits {
    pub commits: Nodes<CommitNode>,
    #[serde(default)]
    pub status_check_rollup: Value,
}

/// A commit in the list of a pull request.
#[derive(Deserialize)]
pub(super) struct CommitNode {
    commit: CommitFields,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitFields {
    oid: String,
    message_headline: String,
    authored_date: String,
    author: Option<Author>,
    parents: Nodes<Oid>,
}

#[derive(Deserialize)]
struct Author {
    email: Option<String>,
}

impl CommitNode {
    pub fn into_commit(self) -> Commit {
        let commit = self.commit;
        let email = commit.author.and_then(|author| author.email);
        Commit {
            oid: commit.oid,
            subject: commit.message_headline,
            author: (email.unwrap_or_default(), commit.authored_date),
            parents: commit
                .parents
                .nodes
                .into_iter()
                .map(|parent| parent.oid)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pull_request_as_github_writes_it() {
        let node: Node = serde_json::from_value(json!({
            "number": 100, "state": "MERGED", "isCrossRepository": false,
            "maintainerCanModify": false, "isInMergeQueue": false,
            "mergedAt": "2026-11-19T10:02:00Z", "additions": 40, "deletions": 2,
            "headRepository": {"nameWithOwner": "acme/api"},
            "baseRefName": "main", "baseRef": {"target": {"oid": "b1"}},
            "headRefName": "auth", "headRefOid": "a2", "headRef": null,
            "mergeCommit": {"oid": "m1", "additions": 40, "deletions": 2, "parents": {"totalCount": 1}},
            "commits": {"totalCount": 3},
            "timelineItems": {"pageInfo": {"hasPreviousPage": false}, "nodes": [
                {"__typename": "HeadRefForcePushedEvent", "beforeCommit": {"oid": "a1"}, "afterCommit": {"oid": "a2"}},
                {"__typename": "HeadRefForcePushedEvent", "beforeCommit": null, "afterCommit": null},
                {"__typename": "AutomaticBaseChangeSucceededEvent", "oldBase": "x", "newBase": "main"},
                {"__typename": "BaseRefChangedEvent", "previousRefName": "y", "currentRefName": "x"},
                {"__typename": "BaseRefDeletedEvent"},
                {"__typename": "MentionedEvent"}
            ]}
        }))
        .unwrap();
        let layer = node.into_layer();
        assert_eq!(layer.merge_kind(), Some("squash"));
        assert_eq!(layer.earlier_heads(), ["a1"]);
        assert_eq!(
            (layer.head_tip.as_deref(), layer.base_tip.as_deref()),
            (None, Some("b1"))
        );
        assert_eq!(layer.events.len(), 5);
        assert!(layer.events_complete && !layer.is_alive());
        let moved = |from: &str, to: &str| Event::BaseChanged {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        assert!(layer.events.contains(&moved("x", "main")));
        assert!(layer.events.contains(&moved("y", "x")));
    }
}
