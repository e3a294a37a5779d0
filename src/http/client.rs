//! The client by which a process reaches the owner. One connection a call: a call that waits does
//! not hold the others up, and cancelling one is closing its connection.

use std::time::Duration;

use bytes::Bytes;
use http::{Request as HttpRequest, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::forward::{ForwardedResult, PROCESS_HEADER, SESSION_HEADER, encode};
use crate::domain::{ApiError, SessionRef};
use crate::service::{Call, Reply};
use crate::store::LockInfo;

/// Time for the owner to take a connection: it is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for the owner to answer what needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the owner could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is not there, or it went away while it was asked: the call may be made again, with the
    /// same request id, to the next owner.
    #[error("the owner went away: {0}")]
    Gone(String),
    /// It answered something else than an owner does.
    #[error("the owner's answer makes no sense: {0}")]
    Strange(String),
}

/// Reaches one owner.
#[derive(Clone, Debug)]
pub struct OwnerClient {
    info: LockInfo,
}

impl OwnerClient {
    /// A client for the owner that the lock file names.
    pub fn new(info: LockInfo) -> Self {
        Self { info }
    }

    /// The owner.
    pub fn info(&self) -> &LockInfo {
        &self.info
    }

    async fn send(
        &self,
        request: HttpRequest<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let gone = |error: &dyn std::fmt::Display| ClientError::Gone(error.to_string());
        let connect = TcpStream::connect(&self.info.address);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .map_err(|_| ClientError::Gone("it takes no connection".to_owned()))?
            .map_err(|error| gone(&error))?;
        stream.set_nodelay(true).map_err(|error| gone(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| gone(&error))?;
        let driver = tokio::spawn(connection);
        // The connection lives as long as its response body is read; a dropped call aborts it.
        let abort = AbortOnDrop(driver);
        let sent = sender.send_request(request).await;
        let mut response = sent.map_err(|error| gone(&error))?;
        response.extensions_mut().insert(std::sync::Arc::new(abort));
        Ok(response)
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        HttpRequest::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.info.token))
    }

    /// Makes a call. The outer error means that the owner could not be asked.
    pub async fn call(&self, call: &Call) -> Result<Result<Reply, ApiError>, ClientError> {
        let strange = |error: &dyn std::fmt::Display| ClientError::Strange(error.to_string());
        let body = match encode(call) {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let request = self
            .request("POST", "/internal/forward")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| strange(&error))?;
        let response = self.send(request).await?;
        let status = response.status();
        let _connection = response
            .extensions()
            .get::<std::sync::Arc<AbortOnDrop>>()
            .cloned();
        let body = response.into_body().collect().await;
        let body = body
            .map_err(|error| ClientError::Gone(error.to_string()))?
            .to_bytes();
        if status != StatusCode::OK {
            return match serde_json::from_slice::<ApiError>(&body) {
                // Another program's process listens where the owner was.
                Ok(error) if error.code == "unauthorized" || error.code == "shutting_down" => {
                    Err(ClientError::Gone(error.message))
                }
                Ok(error) => Ok(Err(error)),
                Err(_) => Err(ClientError::Strange(format!("HTTP {status}"))),
            };
        }
        match serde_json::from_slice(&body).map_err(|error| strange(&error))? {
            ForwardedResult::Reply(reply) => Ok(Ok(reply)),
            ForwardedResult::Error(error) if error.code == "shutting_down" => {
                Err(ClientError::Gone(error.message))
            }
            ForwardedResult::Error(error) => Ok(Err(error)),
        }
    }

    /// Whether the owner answers at all: a process that was stopped still takes connections.
    pub async fn answers(&self) -> bool {
        let request = self.request("GET", "/api/health").body(Full::default());
        let Ok(request) = request else {
            return false;
        };
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request)).await;
        matches!(asked, Ok(Ok(_)))
    }

    /// Stays connected in the name of a session. `connected` is called once the owner knows it;
    /// returns when the owner is gone.
    pub async fn hold_session(
        &self,
        session: SessionRef,
        connected: impl FnOnce(),
    ) -> Result<(), ClientError> {
        let request = self
            .request("GET", "/internal/session")
            .header(SESSION_HEADER, session.id.to_string())
            .header(PROCESS_HEADER, session.pid.to_string())
            .body(Full::default())
            .map_err(|error| ClientError::Strange(error.to_string()))?;
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request)).await;
        let response = sent.map_err(|_| ClientError::Gone("it does not answer".to_owned()))??;
        if response.status() != StatusCode::OK {
            return Err(ClientError::Gone(format!("HTTP {}", response.status())));
        }
        connected();
        let _connection = response
            .extensions()
            .get::<std::sync::Arc<AbortOnDrop>>()
            .cloned();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| ClientError::Gone(error.to_string()))?;
        }
        Ok(())
    }

    /// Reads events, one server-sent event a call of `each` with its id and data, until the owner is
    /// gone or `each` says no more. `connected` is called once nothing is missed any more.
    pub async fn events(
        &self,
        query: &str,
        connected: impl FnOnce(),
        mut each: impl FnMut(Option<u64>, &str) -> bool,
    ) -> Result<(), ClientError> {
        let request = self
            .request("GET", &format!("/sse?{query}"))
            .body(Full::default())
            .map_err(|error| ClientError::Strange(error.to_string()))?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(ClientError::Strange(format!("HTTP {}", response.status())));
        }
        connected();
        let _connection = response
            .extensions()
            .get::<std::sync::Arc<AbortOnDrop>>()
            .cloned();
        let mut body = response.into_body();
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ClientError::Gone(error.to_string()))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            text.push_str(&String::from_utf8_lossy(data));
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                };
                if !field("event: ").is_empty()
                    && !each(field("id: ").parse().ok(), field("data: "))
                {
                    return Ok(());
                }
                text = rest.to_owned();
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
