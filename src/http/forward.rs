//! The routes by which other processes of the same user reach the owner: calls, and a connection
//! that says that a session lives.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::{self, ResponseBody};
use crate::coordinator::{Coordinator, Operation};
use crate::domain::{ApiError, RepoPattern, RequestId, SessionId, SessionRef};
use crate::service::{Call, Reply, Request, Service};

/// A call on its way to the owner.
#[derive(Serialize, Deserialize)]
pub(super) struct ForwardedCall {
    pub tool: String,
    pub arguments: Value,
    #[serde(default)]
    pub session: Option<SessionRef>,
    #[serde(default)]
    pub request_id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<RepoPattern>,
}

/// Its result on the way back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ForwardedResult {
    Reply(Reply),
    Error(ApiError),
}

/// Headers that name the session of a living connection.
pub(super) const SESSION_HEADER: &str = "x-issuecommand-session";
pub(super) const PROCESS_HEADER: &str = "x-issuecommand-process";

/// Carries out a call of another process.
pub(super) async fn answer(
    service: &dyn Service,
    body: Bytes,
) -> Result<Response<ResponseBody>, ApiError> {
    let forwarded: ForwardedCall = serde_json::from_slice(&body).map_err(|error| {
        ApiError::invalid(
            format!("this owner does not understand the call: {error}"),
            "use the same version of issuecommand in all processes",
        )
    })?;
    // The call may wait for long.
    drop(body);
    let result = match Request::from_value(&forwarded.tool, forwarded.arguments) {
        Ok(request) => {
            let call = Call {
                request,
                session: forwarded.session,
                request_id: forwarded.request_id,
                allowed: forwarded.allowed,
                progress: None,
            };
            service.call(call).await
        }
        Err(error) => Err(error),
    };
    let result = match result {
        Ok(reply) => ForwardedResult::Reply(reply),
        Err(error) => ForwardedResult::Error(error),
    };
    let text =
        serde_json::to_vec(&result).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(body::json(StatusCode::OK, text))
}

/// Keeps a session alive as long as the connection stands, of which `connection` is the number:
/// later ones have greater numbers.
pub(super) async fn hold_session(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    connection: u64,
    shutdown: CancellationToken,
) -> Result<Response<ResponseBody>, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let id = text(SESSION_HEADER)
        .and_then(|id| id.parse().ok())
        .map(SessionId);
    let pid = text(PROCESS_HEADER).and_then(|pid| pid.parse().ok());
    let (Some(id), Some(pid)) = (id, pid) else {
        return Err(ApiError::invalid(
            "the session is not named",
            "this route is internal",
        ));
    };
    let session = SessionRef { id, pid };
    // Before the session is opened: a peer that hangs up meanwhile must not stay alive for ever.
    let alive = Alive {
        coordinator: coordinator.clone(),
        session,
        connection,
    };
    let opened = coordinator
        .perform(Operation::SessionOpened(session, connection))
        .await;
    opened.map_err(|error| error.to_api())?;
    let body = SessionBody {
        first: Some(Bytes::from_static(b"\n")),
        shutdown: Box::pin(shutdown.cancelled_owned()),
        _alive: alive,
    };
    Ok(Response::new(body.boxed_unsync()))
}

/// A body that says one line and then stays open: the server drops it when the connection is gone.
struct SessionBody {
    first: Option<Bytes>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    _alive: Alive,
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.shutdown.as_mut().poll(context).map(|()| None)
    }
}

/// Ends the session when the connection does.
struct Alive {
    coordinator: Coordinator,
    session: SessionRef,
    connection: u64,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let (coordinator, session) = (self.coordinator.clone(), self.session);
        let closed = Operation::SessionClosed(session, self.connection);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let closed = coordinator.perform(closed).await;
                if let Err(error) = closed {
                    tracing::debug!(%error, session = %session.id, "session end not noted");
                }
            });
        }
    }
}

/// The body of a forwarded call.
pub(super) fn encode(call: &Call) -> Result<Bytes, ApiError> {
    let forwarded = ForwardedCall {
        tool: call.request.tool_name().to_owned(),
        arguments: call.request.arguments()?,
        session: call.session,
        request_id: call.request_id,
        allowed: call.allowed.clone(),
    };
    let text =
        serde_json::to_vec(&forwarded).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(text.into())
}
