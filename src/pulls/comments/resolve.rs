//! Resolves one review thread, or opens it again: done twice it is done once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{PullSource, Pulls};
use super::data::{Actor, Connection};
use super::fetch::{fetch, typed, untold};
use crate::domain::{ApiError, Category, limits, text};
use crate::gh::{GhError, GraphAnswer};

const THREAD: &str = "query ReviewThread($id:ID!){viewer{login} node(id:$id){__typename \
...on PullRequestReviewThread{id isResolved viewerCanResolve viewerCanUnresolve viewerCanReply \
resolvedBy{login} pullRequest{number repository{nameWithOwner}} \
comments(last:20){nodes{fullDatabaseId author{__typename login} body url}}}}}";
const REPLY: &str = "mutation Reply($id:ID!,$body:String!){addPullRequestReviewThreadReply(\
input:{pullRequestReviewThreadId:$id,body:$body}){comment{fullDatabaseId url}}}";
const RESOLVE: &str = "mutation Resolve($id:ID!){resolveReviewThread(input:{threadId:$id}){\
thread{id isResolved resolvedBy{login}}}}";
const UNRESOLVE: &str = "mutation Unresolve($id:ID!){unresolveReviewThread(input:{threadId:$id}){\
thread{id isResolved resolvedBy{login}}}}";

/// Longest id of a node.
const NODE_ID_BYTES_MAX: usize = 200;

/// Which thread.
#[derive(Clone, Debug, PartialEq)]
pub enum ThreadName {
    /// By its id in GraphQL.
    Thread(String),
    /// By the number of any comment in it.
    Comment(u64),
}

impl ThreadName {
    /// From the arguments of a call, of which one must be there.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn of(thread_id: Option<String>, comment_id: Option<u64>) -> Result<Self, ApiError> {
        match (thread_id, comment_id) {
            (Some(id), None) => checked_thread_id(&id).map(|id| Self::Thread(id.to_owned())),
            (None, Some(number)) if number > 0 => Ok(Self::Comment(number)),
            _ => Err(ApiError::invalid(
                "give either thread_id or comment_id",
                "find_unresolved_comments lists both",
            )),
        }
    }
}

/// The id of a thread as somebody gives it.
///
/// # Errors
/// `invalid_argument` for what cannot be one.
pub(super) fn checked_thread_id(id: &str) -> Result<&str, ApiError> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte);
    if (1..=NODE_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(letters) {
        return Ok(id);
    }
    Err(ApiError::invalid(
        "thread_id is not the id of a review thread",
        "find_unresolved_comments lists them: they begin with PRRT_",
    ))
}

/// What is to become of the thread.
#[derive(Clone, Debug)]
pub struct ThreadChange {
    /// Which.
    pub name: ThreadName,
    /// To be said in it before.
    pub reply: Option<String>,
    /// Open it again instead.
    pub unresolve: bool,
}

/// What became of the thread.
#[derive(Debug, Serialize)]
pub struct Resolution {
    ok: bool,
    pr: String,
    head_sha: String,
    fetched_at: Timestamp,
    thread_id: String,
    resolved: bool,
    /// It was so before this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    already_resolved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    already_unresolved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Replied>,
}

/// The reply in the thread.
#[derive(Debug, Serialize)]
struct Replied {
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_id: Option<u64>,
    url: String,
    /// The same words stood there already as the last ones of this login.
    already_there: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    id: String,
    is_resolved: bool,
    viewer_can_resolve: bool,
    viewer_can_unresolve: bool,
    viewer_can_reply: bool,
    resolved_by: Option<Actor>,
    comments: Connection<Said>,
}

#[derive(Deserialize)]
struct Home {
    number: u64,
    repository: Repository,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    name_with_owner: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    full_database_id: Option<String>,
    #[serde(default)]
    author: Option<Actor>,
    #[serde(default)]
    body: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    is_resolved: bool,
    resolved_by: Option<Actor>,
}

/// Resolves a thread or opens it again, after a reply if there is one.
///
/// # Errors
/// `forbidden` when this login may not; `not_found` when the pull request has no such thread;
/// else as the gh floor tells. After a lost answer the same call does not repeat what was done.
pub async fn resolve_review_thread(
    pulls: &Pulls,
    source: PullSource,
    change: ThreadChange,
    now: Timestamp,
) -> Result<Resolution, ApiError> {
    let reply = change.reply.as_deref().map(checked_reply).transpose()?;
    let id = match change.name {
        ThreadName::Thread(id) => id,
        ThreadName::Comment(number) => match source.known_thread(number) {
            Some(id) => id,
            None => {
                let id = thread_of(&source, number).await?;
                source.note_thread(number, &id);
                id
            }
        },
    };
    // Read afresh: what memory holds may be what this call is about to repeat.
    let (viewer, thread) = read(&source, &id).await?;
    let wanted = !change.unresolve;
    let done = thread.is_resolved == wanted;
    check_rights(&thread, &source, wanted, reply.is_some())?;
    let mut resolution = Resolution {
        ok: true,
        pr: source.id.to_string(),
        head_sha: source.pull.head_short().to_owned(),
        fetched_at: now,
        thread_id: id.clone(),
        resolved: wanted,
        already_resolved: (done && wanted).then_some(true),
        already_unresolved: (done && !wanted).then_some(true),
        resolved_by: thread.resolved_by.as_ref().map(|actor| actor.login.clone()),
        reply: None,
    };
    if let Some(body) = reply {
        resolution.reply = Some(match said_last(&thread, &viewer, body) {
            Some(replied) => replied,
            None => {
                let said = self::reply(pulls, &source, &id, body).await;
                pulls.forget(&source.id);
                said?
            }
        });
    }
    if !done {
        let changed = set(&source, &id, wanted).await;
        // Also after a failure: whether it was done is not known then.
        pulls.forget(&source.id);
        let changed = changed?;
        resolution.resolved = changed.is_resolved;
        resolution.ok = changed.is_resolved == wanted;
        resolution.resolved_by = changed.resolved_by.map(|actor| actor.login);
    }
    let replied = resolution
        .reply
        .as_ref()
        .is_some_and(|it| !it.already_there);
    let answered = replied || spoke_last(&thread, &viewer, source.pull.author());
    let waits = !resolution.resolved && !answered;
    source.learn(|standing| {
        // Where the threads were not looked at, one of them is not all.
        let Some(waiting) = &mut standing.threads_waiting else {
            return;
        };
        if waits {
            waiting.insert(id);
        } else {
            waiting.remove(&id);
        }
    });
    Ok(resolution)
}

/// Whether this login or the author of the pull request had the last word.
fn spoke_last(thread: &Thread, viewer: &str, author: &str) -> bool {
    let last = thread.comments.told().next_back();
    last.and_then(|said| said.author.as_ref())
        .is_some_and(|speaker| speaker.login == viewer || speaker.login == author)
}

fn checked_reply(reply: &str) -> Result<&str, ApiError> {
    let body = reply.trim();
    if body.is_empty() || body.len() > limits::NOTE_BYTES_MAX {
        return Err(ApiError::invalid(
            format!("reply must have 1 to {} bytes", limits::NOTE_BYTES_MAX),
            "say in a few words what was done, or leave it out",
        ));
    }
    Ok(body)
}

/// The thread that a comment is in.
async fn thread_of(source: &PullSource, number: u64) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Comment {
        #[serde(default)]
        in_reply_to_id: Option<u64>,
    }
    let fetched = fetch(source).await?;
    let find = |number: u64| {
        let has = |remarks: &Connection<super::data::Remark>| {
            remarks.told().any(|remark| remark.number() == Some(number))
        };
        let mut threads = fetched.threads.iter();
        threads
            .find(|thread| has(&thread.first) || has(&thread.last))
            .map(|thread| thread.id.clone())
    };
    if let Some(id) = find(number) {
        return Ok(id);
    }
    // In the middle of a long thread: it knows the comment that opened the thread.
    let path = source.path().then("pulls").then("comments").then(number);
    let first = match source.get::<Comment>(&path).await {
        Ok(comment) => comment.in_reply_to_id.and_then(find),
        Err(GhError::NotFound(_)) => None,
        Err(error) => return Err(error.to_api()),
    };
    first.ok_or_else(|| no_such_thread(source, &format!("with comment {number}")))
}

fn no_such_thread(source: &PullSource, which: &str) -> ApiError {
    ApiError::new(
        Category::User,
        "not_found",
        format!("{} has no review thread {which}", source.id),
        "find_unresolved_comments lists the threads; conversation comments cannot be resolved",
    )
}

async fn read(source: &PullSource, id: &str) -> Result<(String, Thread), ApiError> {
    let answer = source.gh().graph(THREAD, json!({ "id": id })).await;
    let answer = answer.map_err(|error| error.to_api())?;
    let thread: Thread = typed(thread_in(&answer, source, id)?)?;
    let viewer = answer
        .data
        .get("viewer")
        .and_then(|viewer| viewer["login"].as_str());
    Ok((viewer.unwrap_or_default().to_owned(), thread))
}

/// The thread in an answer to a question by its id, if it is one of this pull request.
///
/// # Errors
/// `not_found` when it is no thread, `invalid_argument` when it is one of another pull request;
/// else as [`untold`] tells.
pub(super) fn thread_in<'a>(
    answer: &'a GraphAnswer,
    source: &PullSource,
    id: &str,
) -> Result<&'a Value, ApiError> {
    let which = || no_such_thread(source, &format!("'{}'", text::cut(id, 60).0));
    let node = match answer.data.get("node").filter(|node| !node.is_null()) {
        Some(node) if node["__typename"] == "PullRequestReviewThread" => node,
        Some(_) => return Err(which()),
        None => {
            let error = untold(answer);
            return Err(if error.code == "not_found" {
                which()
            } else {
                error
            });
        }
    };
    let home: Home = typed(&node["pullRequest"])?;
    let here = home.number == source.id.number
        && home
            .repository
            .name_with_owner
            .eq_ignore_ascii_case(source.id.repo.as_str());
    if !here {
        return Err(ApiError::invalid(
            format!(
                "this thread belongs to {}#{}, not to {}",
                home.repository.name_with_owner, home.number, source.id
            ),
            "find_unresolved_comments lists the threads of a pull request",
        ));
    }
    Ok(node)
}

fn check_rights(
    thread: &Thread,
    source: &PullSource,
    wanted: bool,
    replies: bool,
) -> Result<(), ApiError> {
    let (may, deed) = if wanted {
        (thread.viewer_can_resolve, "resolve")
    } else {
        (thread.viewer_can_unresolve, "unresolve")
    };
    let refused = |deed: &str| {
        ApiError::new(
            Category::User,
            "forbidden",
            format!("this login may not {deed} review threads of {}", source.id),
            "ask the author of the pull request or somebody who may write to the repository",
        )
        .detail("thread_id", thread.id.as_str())
    };
    if replies && !thread.viewer_can_reply {
        return Err(refused("reply in"));
    }
    // GitHub's rights are about the change: what is resolved can be resolved by nobody.
    if thread.is_resolved != wanted && !may {
        return Err(refused(deed));
    }
    Ok(())
}

/// The reply, if it already is what this login said last in the thread.
fn said_last(thread: &Thread, viewer: &str, body: &str) -> Option<Replied> {
    let by_viewer = |said: &&Said| {
        said.author
            .as_ref()
            .is_some_and(|author| author.login == viewer)
    };
    let last = thread.comments.told().rev().find(by_viewer)?;
    let same = last.body.replace("\r\n", "\n").trim() == body.replace("\r\n", "\n");
    same.then(|| replied(last, true))
}

fn replied(said: &Said, already_there: bool) -> Replied {
    Replied {
        comment_id: said
            .full_database_id
            .as_ref()
            .and_then(|id| id.parse().ok()),
        url: said.url.clone(),
        already_there,
    }
}

async fn reply(
    pulls: &Pulls,
    source: &PullSource,
    id: &str,
    body: &str,
) -> Result<Replied, ApiError> {
    let variables = json!({ "id": id, "body": body });
    let said: Said = mutate(
        pulls.gh(),
        REPLY,
        variables,
        "addPullRequestReviewThreadReply",
        "comment",
    )
    .await
    .map_err(|error| error.detail("pr", source.id.to_string()))?;
    Ok(replied(&said, false))
}

async fn set(source: &PullSource, id: &str, resolved: bool) -> Result<Changed, ApiError> {
    let (document, field) = if resolved {
        (RESOLVE, "resolveReviewThread")
    } else {
        (UNRESOLVE, "unresolveReviewThread")
    };
    mutate(source.gh(), document, json!({ "id": id }), field, "thread").await
}

async fn mutate<T: serde::de::DeserializeOwned>(
    gh: &crate::gh::Gh,
    document: &str,
    variables: Value,
    field: &str,
    member: &str,
) -> Result<T, ApiError> {
    let answer = gh.mutate(document, variables).await;
    let answer = answer.map_err(|error| error.to_api())?;
    let payload = answer.data.get(field).map(|payload| &payload[member]);
    match payload.filter(|member| !member.is_null()) {
        Some(member) => typed(member),
        None => Err(untold(&answer)),
    }
}

/// The largest answer that can be built.
#[cfg(test)]
pub(in crate::pulls) fn largest(letters: &str) -> Vec<String> {
    let resolution = Resolution {
        ok: true,
        pr: format!("{}/{}#42", "o".repeat(39), "r".repeat(100)),
        head_sha: "9f3c1e2".to_owned(),
        fetched_at: Timestamp::MAX,
        thread_id: letters.repeat(NODE_ID_BYTES_MAX / letters.len()),
        resolved: true,
        already_resolved: Some(true),
        already_unresolved: Some(true),
        resolved_by: Some("l".repeat(39)),
        reply: Some(Replied {
            comment_id: Some(u64::MAX),
            url: format!("https://github.com/{}", letters.repeat(500)),
            already_there: true,
        }),
    };
    vec![serde_json::to_string(&resolution).unwrap()]
}
