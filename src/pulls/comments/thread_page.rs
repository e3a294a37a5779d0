//! All that was said in one thread, page by page: a list of threads has room for the last words only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::{PullSource, Warning};
use super::data::{PageInfo, Remark};
use super::fetch::{graph, typed};
use super::report::{PATH_BYTES, cut_chars, in_one_piece, is_false};
use super::resolve::{checked_thread_id, thread_in};
use super::{Call, TOOL};
use crate::domain::cursor::Page;
use crate::domain::{ApiError, limits, text};

/// One page of a thread. Each remark has a cursor of its own: an answer may end at any of them.
const THREAD: &str = "query ThreadPage($id:ID!,$after:String){node(id:$id){__typename \
...on PullRequestReviewThread{isResolved isOutdated path line originalLine viewerCanResolve \
pullRequest{number repository{nameWithOwner}} comments(first:50,after:$after){totalCount \
pageInfo{hasNextPage endCursor} edges{cursor node{fullDatabaseId author{__typename login} \
authorAssociation body createdAt url isMinimized pullRequestReview{state}}}}}}}";
/// How many it has.
const COMMENTS_MAX: usize = 50;
/// Bytes that are left free beside the remarks: what [`Page`] counts on, and some more.
const AROUND_BYTES: usize = 300;
/// Fields that hold what strangers wrote.
const UNTRUSTED: [&str; 2] = ["path", "comments[].body"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    is_resolved: bool,
    is_outdated: bool,
    path: String,
    line: Option<u64>,
    original_line: Option<u64>,
    viewer_can_resolve: bool,
    comments: Comments,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comments {
    total_count: u64,
    page_info: PageInfo,
    edges: Vec<Option<Edge>>,
}

#[derive(Deserialize)]
struct Edge {
    cursor: String,
    node: Option<Remark>,
}

/// A page of a thread.
#[derive(Serialize)]
struct ThreadPage<'a> {
    pr: String,
    head_sha: &'a str,
    fetched_at: Timestamp,
    thread_id: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    outdated: bool,
    resolved: bool,
    /// `false` when this login may not resolve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    can_resolve: Option<bool>,
    /// With the remark that opened it, which is the first.
    total_comments: u64,
    comments: Vec<Box<RawValue>>,
    untrusted: [&'static str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<[Warning; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_id: Option<u64>,
    author: &'a str,
    is_bot: bool,
    association: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    pending: bool,
    /// Hidden on the page.
    #[serde(skip_serializing_if = "is_false")]
    minimized: bool,
    body: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    body_truncated: bool,
    url: &'a str,
}

/// What was said in a thread, oldest first, as compact JSON. What somebody hid is told too: whoever
/// asks for this very thread wants to know what it is about.
///
/// # Errors
/// `not_found` when there is no such thread, `invalid_argument` for one of another pull request, and
/// for a cursor of another call; `head_moved` for one of an older head; else as the gh floor tells.
pub async fn read_thread(
    source: PullSource,
    id: &str,
    body_chars: usize,
    after: Option<&str>,
    now: Timestamp,
) -> Result<Box<RawValue>, ApiError> {
    let id = checked_thread_id(id)?;
    let pr = source.id.to_string();
    let call = Call::new(TOOL, &(&pr, "thread", id), &source.pull.head.sha);
    let after = after.map(|given| call.read(given)).transpose()?;
    let answer = graph(&source, THREAD, json!({ "id": id, "after": after })).await?;
    let thread: Thread = typed(thread_in(&answer, &source, id)?)?;
    let page = ThreadPage {
        pr,
        head_sha: source.pull.head_short(),
        fetched_at: source.as_of(now),
        thread_id: id,
        ..ThreadPage::of(&thread)
    };
    page.filled(&thread.comments, &call, body_chars)
}

impl<'a> ThreadPage<'a> {
    /// Without what was said.
    fn of(thread: &'a Thread) -> Self {
        Self {
            pr: String::new(),
            head_sha: "",
            fetched_at: Timestamp::UNIX_EPOCH,
            thread_id: "",
            path: text::cut(&thread.path, PATH_BYTES).0,
            line: thread.line.or(thread.original_line),
            outdated: thread.is_outdated,
            resolved: thread.is_resolved,
            can_resolve: (!thread.viewer_can_resolve && !thread.is_resolved).then_some(false),
            total_comments: thread.comments.total_count,
            comments: Vec::new(),
            untrusted: UNTRUSTED,
            warnings: None,
            next_cursor: None,
        }
    }

    /// With as many remarks as fit.
    fn filled(
        mut self,
        comments: &Comments,
        call: &Call,
        body_chars: usize,
    ) -> Result<Box<RawValue>, ApiError> {
        let edges = comments.edges.iter().flatten();
        let told = edges.filter_map(|edge| Some((edge.cursor.as_str(), edge.node.as_ref()?)));
        let told: Vec<(&str, &Remark)> = told.collect();
        let untold = comments.edges.len() - told.len();
        self.warnings = (untold > 0).then(|| {
            let reason = format!("{untold} remarks were not told");
            [Warning::new("thread", reason, "the thread has gaps")]
        });
        self.next_cursor = told.last().map(|(cursor, _)| call.make(cursor));
        let around = json(&self)?.get().len();
        let room = limits::ANSWER_BYTES_MAX.saturating_sub(around + AROUND_BYTES);
        let mut page = Page::new(COMMENTS_MAX).beside(around);
        let (mut more, mut last) = (comments.page_info.has_next_page, None);
        for (cursor, remark) in told {
            let words = in_one_piece(remark);
            let mut chars = body_chars;
            // Some characters take six bytes as JSON.
            while chars > 0 && json(&said(remark, &words, chars))?.get().len() > room {
                chars /= 2;
            }
            if !page.push(&said(remark, &words, chars))? {
                more = true;
                break;
            }
            last = Some(cursor);
        }
        self.comments = page.items;
        self.next_cursor = last.filter(|_| more).map(|cursor| call.make(cursor));
        json(&self)
    }
}

fn said<'a>(remark: &'a Remark, words: &'a str, chars: usize) -> Said<'a> {
    let (body, body_truncated) = cut_chars(words, chars);
    Said {
        comment_id: remark.number(),
        author: remark.author(),
        is_bot: remark.is_bot(),
        association: &remark.author_association,
        created_at: remark.created_at,
        pending: remark.is_pending(),
        minimized: remark.is_minimized,
        body,
        body_truncated,
        url: &remark.url,
    }
}

fn json(value: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    serde_json::value::to_raw_value(value).map_err(|error| ApiError::internal(error.to_string()))
}

/// All pages of the largest thread that can be told, with these letters everywhere.
#[cfg(test)]
pub(in crate::pulls) fn largest(letters: &str) -> Vec<String> {
    let long = letters.repeat(3_000);
    let cursor = |number: usize| format!("{number:0200}");
    let edge = |number: usize| {
        json!({"cursor": cursor(number), "node": {"fullDatabaseId": "18446744073709551615",
            "author": {"__typename": "Bot", "login": "l".repeat(39)},
            "authorAssociation": "FIRST_TIME_CONTRIBUTOR", "createdAt": Timestamp::MAX,
            "body": long, "url": format!("https://github.com/{}", "u".repeat(250)),
            "isMinimized": true, "pullRequestReview": {"state": "PENDING"}}})
    };
    let edges: Vec<serde_json::Value> = (0..COMMENTS_MAX).map(edge).collect();
    let mut thread = json!({"isResolved": false, "isOutdated": true, "path": long,
        "originalLine": u64::MAX, "viewerCanResolve": false, "comments": {"totalCount": u64::MAX,
            "pageInfo": {"hasNextPage": false, "endCursor": null}, "edges": edges}});
    let call = Call::new(TOOL, &"o/r#1", &"9f3c1e2a".repeat(5));
    let thread_id = "t".repeat(200);
    let (mut answers, mut told) = (Vec::new(), 0);
    loop {
        let read: Thread = serde_json::from_value(thread.clone()).unwrap();
        let page = ThreadPage {
            pr: format!("{}/{}#42", "o".repeat(39), "r".repeat(100)),
            thread_id: &thread_id,
            ..ThreadPage::of(&read)
        };
        let page = page
            .filled(&read.comments, &call, super::BODY_CHARS_MAX)
            .unwrap();
        let record: serde_json::Value = serde_json::from_str(page.get()).unwrap();
        answers.push(page.get().to_owned());
        told += record["comments"].as_array().unwrap().len();
        let Some(next) = record["next_cursor"].as_str() else {
            assert_eq!(told, COMMENTS_MAX, "each once");
            return answers;
        };
        assert_eq!(call.read(next).unwrap(), cursor(told - 1));
        thread["comments"]["edges"] = json!(edges[told..]);
    }
}
