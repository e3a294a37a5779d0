//! Server-sent events of the owner, as any program may read them.

use std::collections::VecDeque;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{LIMIT, Result, fail};

/// One event.
pub struct Event {
    /// Such as `claim.created`.
    pub kind: String,
    /// What happened.
    pub data: Value,
}

/// A stream of events.
pub struct Events {
    body: Incoming,
    text: String,
    parsed: VecDeque<Event>,
}

impl Events {
    /// Subscribes at `address`; when this returns, no later event is missed.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the stream; why it ends is told by the body.
        tokio::spawn(connection);
        let request = Request::get("/sse")
            .header("host", address)
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return fail(format!("/sse answers {}", response.status()));
        }
        Ok(Self {
            body: response.into_body(),
            text: String::new(),
            parsed: VecDeque::new(),
        })
    }

    /// The next event that is wanted; others are passed by.
    pub async fn next(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let search = async {
            loop {
                match self.parsed.pop_front() {
                    Some(event) if wanted(&event) => return Ok(event),
                    Some(_) => {}
                    None => self.read().await?,
                }
            }
        };
        match tokio::time::timeout(LIMIT, search).await {
            Ok(found) => found,
            Err(_) => fail(format!("{what} does not come within {LIMIT:?}")),
        }
    }

    async fn read(&mut self) -> Result<()> {
        let Some(frame) = self.body.frame().await else {
            return fail("the stream of events ended");
        };
        if let Ok(data) = frame?.into_data() {
            self.text.push_str(&String::from_utf8_lossy(&data));
        }
        while let Some((event, rest)) = self.text.split_once("\n\n") {
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
            };
            let kind = field("event: ").to_owned();
            // Without a kind it is a comment that keeps the connection alive.
            if !kind.is_empty() {
                let data = serde_json::from_str(field("data: "))?;
                self.parsed.push_back(Event { kind, data });
            }
            self.text = rest.to_owned();
        }
        Ok(())
    }
}
