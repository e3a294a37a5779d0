//! Server-sent events: every durable change, in order, resumable without a gap.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::body::ResponseBody;
use super::rest::query_pairs;
use crate::coordinator::{Coordinator, FeedEvent, Subscription};
use crate::domain::{AgentId, ApiError, RepoName};
use crate::store::{Disk, StateFiles, read_changes_since};

/// A comment keeps proxies and clients from giving an idle stream up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Time in which a reader must take the next event once its buffers are full.
const READER_PATIENCE: Duration = Duration::from_secs(20);
/// Events between the stream and the connection.
const BUFFER: usize = 16;

/// What a reader asked for.
struct Wanted {
    since: Option<u64>,
    repo: Option<RepoName>,
    agent_id: Option<AgentId>,
}

/// Where events come from.
#[derive(Clone)]
pub(super) struct EventSource {
    pub coordinator: Coordinator,
    pub disk: Arc<dyn Disk>,
    pub files: StateFiles,
}

/// Answers `GET /sse`.
pub(super) async fn answer(
    source: &EventSource,
    headers: &HeaderMap,
    query: Option<&str>,
    shutdown: tokio_util::sync::CancellationToken,
) -> Result<Response<ResponseBody>, ApiError> {
    let mut wanted = wanted(headers, query)?;
    let subscription = source.coordinator.feed().subscribe(wanted.since);
    let (older, gap) = missed_on_disk(source, &mut wanted, &subscription).await?;
    let (sender, channel) = Channel::new(BUFFER);
    let reader = Reader { sender, wanted };
    tokio::spawn(async move {
        tokio::select! {
            // The client left, was cut, or the server ends: the stream ends either way.
            _ = reader.run(older, gap, subscription) => {}
            () = shutdown.cancelled() => {}
        }
    });
    let mut response = Response::new(channel.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn wanted(headers: &HeaderMap, query: Option<&str>) -> Result<Wanted, ApiError> {
    let mut wanted = Wanted {
        since: None,
        repo: None,
        agent_id: None,
    };
    let number = |text: &str| {
        text.trim().parse::<u64>().map_err(|_| {
            ApiError::invalid(
                "the id to resume after must be a number",
                "send the id of the last event that arrived as Last-Event-ID or ?since=",
            )
        })
    };
    for (name, value) in query_pairs(query)? {
        let is_first = match name.as_str() {
            "since" => wanted.since.replace(number(&value)?).is_none(),
            "repo" => wanted.repo.replace(value.parse()?).is_none(),
            "agent_id" => wanted.agent_id.replace(value.parse()?).is_none(),
            _ => {
                return Err(ApiError::invalid(
                    "unknown query parameter",
                    "/sse takes since, repo and agent_id",
                ));
            }
        };
        if !is_first {
            return Err(ApiError::invalid(
                format!("'{name}' is given more than once"),
                "give it once; without it the stream has everything",
            ));
        }
    }
    // A browser that reconnects knows better than its address.
    if let Some(last) = headers.get("last-event-id") {
        wanted.since = Some(number(last.to_str().unwrap_or_default())?);
    }
    Ok(wanted)
}

/// Why a reader does not go on exactly where it asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Events after the one it named are not even on disk.
    NotKept,
    /// It named one that has not happened: the state was begun anew or restored.
    Ahead {
        /// What it named.
        since: u64,
        /// The newest one there is.
        newest: u64,
    },
}

impl Gap {
    /// The event that tells of it. A reader that is ahead gets the newest id to resume after.
    fn frame(self) -> Bytes {
        let (id, reason) = match self {
            Self::NotKept => (
                String::new(),
                "some events in between are no longer kept".to_owned(),
            ),
            Self::Ahead { since, newest } => (
                format!("id: {newest}\n"),
                format!(
                    "{since} is ahead of the newest event, {newest}: the state was begun anew or \
                     restored"
                ),
            ),
        };
        let next = "read GET /api/claims for what is so now; the events from now on follow";
        lagged_frame(&id, &reason, Some(next))
    }
}

fn lagged_frame(id: &str, reason: &str, suggestion: Option<&str>) -> Bytes {
    let mut data = serde_json::json!({ "reason": reason });
    if let Some(suggestion) = suggestion {
        data["suggestion"] = suggestion.into();
    }
    Bytes::from(format!("{id}event: lagged\ndata: {data}\n\n"))
}

/// Events that are no longer in memory, and what is missing even on disk.
async fn missed_on_disk(
    source: &EventSource,
    wanted: &mut Wanted,
    subscription: &Subscription,
) -> Result<(Vec<FeedEvent>, Option<Gap>), ApiError> {
    let Some(since) = wanted.since else {
        return Ok((Vec::new(), None));
    };
    let first_in_memory = subscription.missed.first().map(|event| event.recorded.seq);
    if first_in_memory.is_some_and(|first| since.checked_add(1) == Some(first)) {
        return Ok((Vec::new(), None));
    }
    let newest = source.coordinator.read(|view| view.ledger.seq()).await;
    let newest = newest.map_err(|error| error.to_api())?;
    if since == newest {
        return Ok((Vec::new(), None));
    }
    if since > newest {
        wanted.since = Some(newest);
        return Ok((Vec::new(), Some(Gap::Ahead { since, newest })));
    }
    let (disk, files) = (source.disk.clone(), source.files.clone());
    let read = tokio::task::spawn_blocking(move || read_changes_since(&*disk, &files, since)).await;
    let changes = match read {
        Ok(Ok(changes)) => changes,
        Ok(Err(error)) => {
            return Err(ApiError::new(
                crate::domain::Category::Api,
                "history_unreadable",
                error.to_string(),
                error.suggestion(),
            ));
        }
        Err(_) => return Err(ApiError::internal("reading old events failed")),
    };
    // The file may already hold what the live part will bring.
    let until = first_in_memory.unwrap_or(newest + 1);
    let older: Vec<FeedEvent> = changes
        .into_iter()
        .filter(|change| change.seq < until)
        .map(FeedEvent::new)
        .collect();
    let first = older.first().map_or(until, |event| event.recorded.seq);
    Ok((older, (first > since + 1).then_some(Gap::NotKept)))
}

struct Reader {
    sender: Sender<Bytes>,
    wanted: Wanted,
}

/// The reader is gone.
struct Gone;

impl Reader {
    async fn run(
        mut self,
        older: Vec<FeedEvent>,
        gap: Option<Gap>,
        subscription: Subscription,
    ) -> Result<(), Gone> {
        self.send(Bytes::from_static(b"retry: 1000\n: connected\n\n"))
            .await?;
        if let Some(gap) = gap {
            self.send(gap.frame()).await?;
        }
        let mut last = self.wanted.since.unwrap_or(0);
        for event in &older {
            last = event.recorded.seq;
            self.event(event).await?;
        }
        let Subscription { missed, mut live } = subscription;
        for event in missed.iter().filter(|event| event.recorded.seq > last) {
            self.event(event).await?;
        }
        last = missed
            .last()
            .map_or(last, |event| event.recorded.seq.max(last));
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            match tokio::time::timeout_at(heartbeat, live.recv()).await {
                Ok(Ok(event)) if event.recorded.seq > last => self.event(&event).await?,
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(count))) => {
                    // Cut, so that it comes back with Last-Event-ID and misses nothing.
                    return self.lagged(&format!("{count} events behind")).await;
                }
                Ok(Err(RecvError::Closed)) => return Ok(()),
                Err(_) => {
                    self.send(Bytes::from_static(b": heartbeat\n\n")).await?;
                    heartbeat = Instant::now() + HEARTBEAT;
                }
            }
        }
    }

    async fn event(&mut self, event: &FeedEvent) -> Result<(), Gone> {
        if event.matches(self.wanted.repo.as_ref(), self.wanted.agent_id.as_ref()) {
            self.send(event.frame()).await?;
        }
        Ok(())
    }

    async fn lagged(&mut self, reason: &str) -> Result<(), Gone> {
        self.send(lagged_frame("", reason, None)).await
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), Gone> {
        match tokio::time::timeout(READER_PATIENCE, self.sender.send_data(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::Feed;

    fn reader() -> (Reader, Channel<Bytes>) {
        let (sender, channel) = Channel::new(BUFFER);
        let wanted = Wanted {
            since: None,
            repo: None,
            agent_id: None,
        };
        (Reader { sender, wanted }, channel)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_beats_every_fifteen_seconds() {
        let feed = Feed::new(Vec::new());
        let (reader, mut channel) = reader();
        let running = tokio::spawn(reader.run(Vec::new(), None, feed.subscribe(None)));
        let started = Instant::now();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let frame = channel.frame().await.expect("it goes on");
            let frame = frame.expect("no error").into_data().expect("data");
            seen.push((started.elapsed().as_secs(), frame));
        }
        let beat = Bytes::from_static(b": heartbeat\n\n");
        assert!(seen[0].1.starts_with(b"retry: "), "{seen:?}");
        assert_eq!(seen[1..], [15, 30, 45].map(|at| (at, beat.clone())));
        drop(channel);
        let ended = tokio::time::timeout(HEARTBEAT * 2, running).await;
        assert!(ended.is_ok(), "a beat that nobody takes ends the stream");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut() {
        let feed = Feed::new(Vec::new());
        let (reader, _channel) = reader();
        let started = Instant::now();
        let ended = reader.run(Vec::new(), None, feed.subscribe(None)).await;
        assert!(ended.is_err());
        let beats = HEARTBEAT * BUFFER as u32;
        assert_eq!(started.elapsed(), beats + READER_PATIENCE);
    }
}
