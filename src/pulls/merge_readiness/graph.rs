//! What only GraphQL tells about a merge: GitHub's own verdict, reviews, conversations, classic
//! protection.
//!
//! Facts: <https://docs.github.com/graphql/reference/objects#pullrequest>. `refUpdateRule` shows
//! everybody the part of classic protection that `branchProtectionRule` shows to administrators.
//! `compare` takes `owner:branch`, as `gh pr update-branch` sends it.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::gh::{GhError, GraphAnswer};
use crate::pulls::{PullSource, Warning};

/// Pauses while GitHub computes whether the branches merge; the last one repeats.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

const READINESS: &str = "query PrReadiness($owner:String!,$repo:String!,$pr:Int!,$head:String!){\
repository(owner:$owner,name:$repo){viewerPermission mergeCommitAllowed squashMergeAllowed rebaseMergeAllowed autoMergeAllowed defaultBranchRef{name} \
pullRequest(number:$pr){headRefOid mergeable mergeStateStatus reviewDecision viewerCanUpdateBranch viewerCanEnableAutoMerge viewerCanMergeAsAdmin \
isInMergeQueue isMergeQueueEnabled mergeQueueEntry{position state} autoMergeRequest{mergeMethod} \
baseRef{compare(headRef:$head){behindBy} associatedPullRequests(first:1,states:[OPEN]){totalCount nodes{number}} \
refUpdateRule{requiredApprovingReviewCount requiresCodeOwnerReviews requiresConversationResolution requiresLinearHistory requiresSignatures} \
branchProtectionRule{requiresApprovingReviews requiredApprovingReviewCount requiresCodeOwnerReviews dismissesStaleReviews requireLastPushApproval requiresConversationResolution requiresCommitSignatures requiresLinearHistory requiresStrictStatusChecks requiresDeployments lockBranch}} \
latestOpinionatedReviews(first:100,writersOnly:true){totalCount nodes{author{login} state commit{oid}}} \
reviewRequests(first:100){totalCount nodes{asCodeOwner requestedReviewer{__typename ...on User{login} ...on Team{slug} ...on Bot{login} ...on Mannequin{login}}}} \
reviewThreads(first:100){pageInfo{hasNextPage} nodes{isResolved}} \
closingIssuesReferences(first:100){totalCount nodes{number repository{nameWithOwner}}} \
commits(last:1){nodes{commit{author{user{login}} committer{user{login}}}}}}}}";

const SIGNATURES: &str = "query PrSignatures($owner:String!,$repo:String!,$pr:Int!){\
repository(owner:$owner,name:$repo){pullRequest(number:$pr){commits(last:100){totalCount nodes{commit{signature{isValid}}}}}}}";

/// The repository, as far as a merge depends on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    pub viewer_permission: Option<String>,
    pub merge_commit_allowed: bool,
    pub squash_merge_allowed: bool,
    pub rebase_merge_allowed: bool,
    #[serde(default)]
    pub auto_merge_allowed: bool,
    pub default_branch_ref: Option<Named>,
    pub pull_request: Pull,
}

/// The pull request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pull {
    pub head_ref_oid: String,
    /// `MERGEABLE`, `CONFLICTING`, or `UNKNOWN` while it is computed.
    pub mergeable: String,
    pub merge_state_status: String,
    pub review_decision: Option<String>,
    pub viewer_can_update_branch: Option<bool>,
    pub viewer_can_enable_auto_merge: Option<bool>,
    pub viewer_can_merge_as_admin: Option<bool>,
    #[serde(default)]
    pub is_in_merge_queue: bool,
    #[serde(default)]
    pub is_merge_queue_enabled: bool,
    pub merge_queue_entry: Option<QueueEntry>,
    pub auto_merge_request: Option<IgnoredAny>,
    pub base_ref: Option<BaseRef>,
    pub latest_opinionated_reviews: Option<Nodes<Review>>,
    pub review_requests: Option<Nodes<ReviewRequest>>,
    pub review_threads: Option<Threads>,
    pub closing_issues_references: Option<Nodes<Closing>>,
    pub commits: Option<Nodes<CommitNode>>,
}

/// A list whose members may each be missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nodes<T> {
    /// How many there are, where that was asked for: more than are listed where the list is cut.
    #[serde(default)]
    pub total_count: Option<u64>,
    pub nodes: Vec<Option<T>>,
}

impl<T> Nodes<T> {
    /// What is there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().flatten()
    }

    /// How many there are and how many of them are listed, where those are fewer.
    fn is_cut(&self) -> Option<(u64, usize)> {
        let listed = self.nodes.len();
        let all = self.total_count.filter(|all| *all > listed as u64)?;
        Some((all, listed))
    }
}

/// A place in the merge queue.
#[derive(Clone, Debug, Deserialize)]
pub struct QueueEntry {
    pub position: u64,
    pub state: String,
}

/// The branch that the pull request goes to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseRef {
    pub compare: Option<Comparison>,
    pub associated_pull_requests: Option<Nodes<Numbered>>,
    pub ref_update_rule: Option<RefUpdateRule>,
    pub branch_protection_rule: Option<ProtectionRule>,
}

/// A branch.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    pub name: String,
}

/// How far the head is behind the base.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    pub behind_by: u64,
}

/// Another pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct Numbered {
    pub number: u64,
}

/// Classic protection as everybody sees it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefUpdateRule {
    pub required_approving_review_count: Option<u64>,
    pub requires_code_owner_reviews: bool,
    pub requires_conversation_resolution: bool,
    pub requires_linear_history: bool,
    pub requires_signatures: bool,
}

/// Classic protection as administrators see it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProtectionRule {
    pub requires_approving_reviews: bool,
    pub required_approving_review_count: Option<u64>,
    pub requires_code_owner_reviews: bool,
    pub dismisses_stale_reviews: bool,
    pub require_last_push_approval: bool,
    pub requires_conversation_resolution: bool,
    pub requires_commit_signatures: bool,
    pub requires_linear_history: bool,
    pub requires_strict_status_checks: bool,
    pub requires_deployments: bool,
    pub lock_branch: bool,
}

/// The newest opinion of somebody who may write.
#[derive(Clone, Debug, Deserialize)]
pub struct Review {
    pub author: Option<Login>,
    pub state: String,
    pub commit: Option<Oid>,
}

/// A login.
#[derive(Clone, Debug, Deserialize)]
pub struct Login {
    pub login: String,
}

/// A commit's name.
#[derive(Clone, Debug, Deserialize)]
pub struct Oid {
    pub oid: String,
}

/// Somebody who was asked for a review.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewRequest {
    #[serde(default)]
    pub as_code_owner: bool,
    pub requested_reviewer: Option<Reviewer>,
}

/// A person or a team.
#[derive(Clone, Debug, Deserialize)]
pub struct Reviewer {
    pub login: Option<String>,
    pub slug: Option<String>,
}

/// Conversations.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Threads {
    pub page_info: PageInfo,
    pub nodes: Vec<Option<Thread>>,
}

/// Whether a list goes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    pub has_next_page: bool,
}

/// One conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    pub is_resolved: bool,
}

/// An issue that the merge closes.
#[derive(Clone, Debug, Deserialize)]
pub struct Closing {
    pub number: u64,
    pub repository: Home,
}

/// Where an issue lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    pub name_with_owner: String,
}

/// A commit in a list.
#[derive(Clone, Debug, Deserialize)]
pub struct CommitNode {
    pub commit: Commit,
}

/// Who made a commit.
#[derive(Clone, Debug, Deserialize)]
pub struct Commit {
    pub author: Option<Actor>,
    pub committer: Option<Actor>,
}

/// Somebody with or without an account.
#[derive(Clone, Debug, Deserialize)]
pub struct Actor {
    pub user: Option<Login>,
}

impl Pull {
    /// Whether GitHub still computes whether the branches merge.
    pub fn is_computing(&self) -> bool {
        self.mergeable == "UNKNOWN" || self.merge_state_status == "UNKNOWN"
    }

    /// What the question was too short for, list by list.
    pub fn cut_lists(&self) -> Vec<Warning> {
        let below = self.base_ref.as_ref();
        let below = below.and_then(|base| base.associated_pull_requests.as_ref());
        let lists = [
            (
                "reviews",
                self.latest_opinionated_reviews
                    .as_ref()
                    .and_then(Nodes::is_cut),
                "approvals and requests for changes may be missing",
            ),
            (
                "review_requests",
                self.review_requests.as_ref().and_then(Nodes::is_cut),
                "who was asked for a review may be missing",
            ),
            (
                "closing_issues",
                self.closing_issues_references
                    .as_ref()
                    .and_then(Nodes::is_cut),
                "closes lacks the others",
            ),
            (
                "base_branch",
                below.and_then(Nodes::is_cut),
                "of the open pull requests from the base branch stacked_on names one",
            ),
        ];
        let told = lists.into_iter().filter_map(|(source, cut, effect)| {
            let (all, listed) = cut?;
            Some(Warning::new(
                source,
                format!("{listed} of {all} were read"),
                effect,
            ))
        });
        let mut told: Vec<Warning> = told.collect();
        let threads = self.review_threads.as_ref();
        if threads.is_some_and(|threads| threads.page_info.has_next_page) {
            let effect = "more conversations may be unresolved";
            told.push(Warning::new("review_threads", "more than 100", effect));
        }
        told
    }
}

/// Asks, and again while GitHub computes, for up to `patience` of pauses. Beside the answer come
/// the sentences of what could not be told.
pub async fn fetch(
    source: &PullSource,
    patience: Duration,
) -> Result<(Graph, Vec<String>), GhError> {
    let mut variables = source.variables();
    let head = &source.pull.head;
    let owner = head
        .repo
        .as_ref()
        .and_then(|repo| repo.full_name.split('/').next());
    variables["head"] = Value::from(match owner.filter(|_| source.pull.is_from_fork()) {
        Some(owner) => format!("{owner}:{}", head.name),
        None => head.name.clone(),
    });
    let mut found = read(source.graph(READINESS, variables.clone()).await?)?;
    let mut left = patience;
    let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(PAUSES[2]));
    while source.pull.state == "open" && found.0.pull_request.is_computing() {
        let pause = pauses.next().unwrap_or(PAUSES[2]);
        let Some(rest) = left.checked_sub(pause) else {
            break;
        };
        left = rest;
        tokio::time::sleep(pause).await;
        // Not from memory: that is the answer that was not ready.
        found = read(source.gh().graph(READINESS, variables.clone()).await?)?;
    }
    Ok(found)
}

fn read(answer: GraphAnswer) -> Result<(Graph, Vec<String>), GhError> {
    let GraphAnswer { mut data, problems } = answer;
    let repository = data.remove("repository").unwrap_or(Value::Null);
    match serde_json::from_value(repository) {
        Ok(graph) => Ok((graph, problems)),
        Err(error) => Err(match problems.into_iter().next() {
            Some(problem) => GhError::QueryRefused(problem),
            None => GhError::Malformed(error.to_string()),
        }),
    }
}

/// Counts the commits without a valid signature among the newest hundred, and tells whether that
/// is all of them.
pub async fn unsigned(source: &PullSource) -> Result<(usize, bool), GhError> {
    let answer = source.graph(SIGNATURES, source.variables()).await?;
    let commits = json!(answer.data);
    let commits = &commits["repository"]["pullRequest"]["commits"];
    let Some(nodes) = commits["nodes"].as_array() else {
        let problem = answer.problems.into_iter().next();
        return Err(GhError::QueryRefused(problem.unwrap_or_default()));
    };
    let valid = |node: &&Value| node["commit"]["signature"]["isValid"] == true;
    let unsigned = nodes.len() - nodes.iter().filter(valid).count();
    let all = commits["totalCount"].as_u64() == u64::try_from(nodes.len()).ok();
    Ok((unsigned, all))
}
