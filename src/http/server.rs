//! The listener: accepts connections within bounds, checks who asks, and sends each request to its
//! route.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use rmcp::model::{ErrorData, JsonRpcError, RequestId};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::{self, Access};
use super::body::{self, ResponseBody};
use super::events::{self, EventSource};
use super::idle::{Activity, RunningBody, WatchedStream};
use super::metrics::{self, HttpCounts};
use super::rest::{self, RestRequest};
use super::router::{self, RouteId};
use super::{forward, openapi};
use crate::coordinator::Coordinator;
use crate::domain::{ApiError, Category, limits};
use crate::mcp::{Era, McpServer, flaw_of, id_of, with_next_step};
use crate::service::{Call, Request as ToolRequest, Service, SystemHealth};
use crate::store::{Disk, StateFiles};

type McpService = StreamableHttpService<McpServer, LocalSessionManager>;

/// What the routes work with.
pub struct HttpState {
    service: Arc<dyn Service>,
    events: EventSource,
    access: Access,
    mcp: McpService,
    counts: HttpCounts,
    /// How many connections held a session so far.
    session_connections: AtomicU64,
    shutdown: CancellationToken,
}

/// What the requests of one connection share: each clones one thing.
struct Connection {
    state: Arc<HttpState>,
    activity: Activity,
}

/// A running listener.
pub struct HttpServer {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl HttpState {
    /// State for one listener.
    pub fn new(
        service: Arc<dyn Service>,
        coordinator: Coordinator,
        disk: Arc<dyn Disk>,
        files: StateFiles,
        access: Access,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let for_mcp = service.clone();
        // Host and Origin were checked for every route before.
        let config = StreamableHttpServerConfig::default()
            .with_cancellation_token(shutdown.child_token())
            .with_max_request_body_bytes(limits::BODY_BYTES_MAX)
            .disable_allowed_hosts();
        let mcp = StreamableHttpService::new(
            move || Ok(McpServer::new(for_mcp.clone())),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        Self {
            service,
            events: EventSource {
                coordinator,
                disk,
                files,
            },
            access,
            mcp,
            counts: HttpCounts::default(),
            session_connections: AtomicU64::new(0),
            shutdown,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let head = request.method() == Method::HEAD;
        let result = self.route(request).await;
        let mut response = result.unwrap_or_else(|error| body::error(&error));
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if head {
            *response.body_mut() = Empty::<Bytes>::new().boxed_unsync();
        }
        self.counts.count(response.status().as_u16());
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<ResponseBody>, ApiError> {
        access::check_size(&request)?;
        self.access.check_source(request.uri(), request.headers())?;
        let (parts, incoming) = request.into_parts();
        let matched = router::find(&parts.method, parts.uri.path())?;
        match matched.route {
            RouteId::Forward | RouteId::Session => self.access.check_process(&parts.headers)?,
            RouteId::Health => {}
            _ => self.access.check_key(&parts.headers)?,
        }
        match matched.route {
            RouteId::Mcp => Box::pin(self.mcp(parts, incoming)).await,
            RouteId::Events => {
                let query = parts.uri.query();
                let shutdown = self.shutdown.clone();
                Box::pin(events::answer(
                    &self.events,
                    &parts.headers,
                    query,
                    shutdown,
                ))
                .await
            }
            RouteId::Session => {
                let coordinator = &self.events.coordinator;
                let connection = 1 + self.session_connections.fetch_add(1, Ordering::Relaxed);
                let shutdown = self.shutdown.clone();
                forward::hold_session(coordinator, &parts.headers, connection, shutdown).await
            }
            RouteId::Forward => {
                let body = body::read(incoming).await?;
                drop(parts);
                forward::answer(&*self.service, body).await
            }
            RouteId::Health => Box::pin(self.health(&parts.headers)).await,
            RouteId::Metrics => Box::pin(self.metrics()).await,
            RouteId::OpenApi => Ok(body::json(StatusCode::OK, openapi::describe().to_string())),
            _ => {
                let length = incoming.size_hint().upper();
                if parts.method != Method::GET && parts.method != Method::HEAD {
                    rest::check_media_type(&parts.headers, length != Some(0))?;
                }
                let body = body::read(incoming).await?;
                let query = parts.uri.query();
                let call = rest::to_call(&RestRequest {
                    matched: &matched,
                    query,
                    body,
                })?;
                // The connection reads on into the buffer that the request lies in, unless somebody
                // still holds a part of it.
                let route = matched.route;
                drop(parts);
                let reply = self.service.call(call).await?;
                rest::render(route, &reply)
            }
        }
    }

    /// The library answers every body that is no message with 415, and its refusals tell no next
    /// step.
    async fn mcp(
        &self,
        parts: Parts,
        incoming: Incoming,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let is_json = rest::check_media_type(&parts.headers, true).is_ok();
        let body = body::read(incoming).await?;
        if parts.method == Method::POST && is_json {
            let flaw = match serde_json::from_slice(&body) {
                Ok(message) => flaw_of(&message),
                Err(error) => {
                    let words = format!("not valid JSON: {error}; send one message as the body");
                    Some((ErrorData::parse_error(words, None), None))
                }
            };
            if let Some((error, id)) = flaw {
                return Ok(json_rpc_error(StatusCode::BAD_REQUEST, error, id));
            }
        }
        let version = parts.headers.get("mcp-protocol-version");
        let era = Era::of(version.and_then(|version| version.to_str().ok()));
        let request = Request::from_parts(parts, Full::new(body.clone()));
        let response = self.mcp.handle(request).await;
        let response = response.map(BodyExt::boxed_unsync);
        if response.status().is_client_error() && !is_stream(response.headers()) {
            return Ok(explained(response, &body, era).await);
        }
        Ok(response)
    }

    async fn system_health(&self, only_known: bool) -> Result<serde_json::Value, ApiError> {
        let request = ToolRequest::SystemHealth(SystemHealth { only_known });
        let reply = self.service.call(Call::new(request)).await?;
        serde_json::from_str(&reply.json()).map_err(|error| ApiError::internal(error.to_string()))
    }

    /// Without the key only what anybody may know; strangers and watchers cause no calls to GitHub.
    async fn health(&self, headers: &HeaderMap) -> Result<Response<ResponseBody>, ApiError> {
        let is_stranger = self.access.needs_key() && self.access.check_key(headers).is_err();
        let whole = self.system_health(is_stranger).await?;
        if is_stranger {
            let public =
                serde_json::json!({ "status": whole["status"], "version": whole["version"] });
            return Ok(body::json(StatusCode::OK, public.to_string()));
        }
        Ok(body::json(StatusCode::OK, whole.to_string()))
    }

    async fn metrics(&self) -> Result<Response<ResponseBody>, ApiError> {
        let health = self.system_health(true).await?;
        let text = metrics::render(&health, &self.counts);
        let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
        Ok(body::with_type(StatusCode::OK, content_type, text.into()))
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.is_some_and(|given| given.starts_with("text/event-stream"))
}

/// The library's refusal of a request, in plain words or as an error of the protocol, as such an
/// error with its next step and the same status.
async fn explained(
    response: Response<ResponseBody>,
    request: &[u8],
    era: Era,
) -> Response<ResponseBody> {
    let (parts, body) = response.into_parts();
    let Ok(words) = body.collect().await.map(|body| body.to_bytes());
    let (error, id) = match serde_json::from_slice::<JsonRpcError>(&words) {
        Ok(told) => (with_next_step(told.error, era), told.id),
        Err(_) => {
            let words = String::from_utf8_lossy(&words);
            let words = match words.trim() {
                "" => parts.status.canonical_reason().unwrap_or("refused"),
                words => words,
            };
            let next = match parts.status {
                StatusCode::NOT_FOUND => "send initialize again, or no Mcp-Session-Id",
                StatusCode::NOT_ACCEPTABLE => {
                    "send the header Accept: application/json, text/event-stream"
                }
                StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    "send the header Content-Type: application/json"
                }
                _ if words.contains("Session ID is required") => {
                    "send initialize first, then the Mcp-Session-Id of its answer with each message"
                }
                _ => "send what MCP's Streamable HTTP asks for",
            };
            (
                ErrorData::invalid_request(format!("{words}; {next}"), None),
                None,
            )
        }
    };
    let message = || serde_json::from_slice(request).ok();
    let id = id.or_else(|| id_of(&message()?));
    let mut explained = json_rpc_error(parts.status, error, id);
    let headers = explained.headers_mut();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            headers.append(name, value.clone());
        }
    }
    explained
}

/// An error of the protocol; `None` for a request whose id could not be read.
fn json_rpc_error(
    status: StatusCode,
    error: ErrorData,
    id: Option<RequestId>,
) -> Response<ResponseBody> {
    let answer = serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": error });
    body::json(status, answer.to_string())
}

impl Connection {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<RunningBody>, Infallible> {
        let running = self.activity.begin();
        let response = self.state.answer(request).await;
        Ok(response.map(|body| RunningBody::new(body, running)))
    }
}

impl HttpServer {
    /// Serves `listener` until it is stopped.
    pub fn start(listener: TcpListener, state: HttpState) -> Self {
        let shutdown = state.shutdown.clone();
        let task = tokio::spawn(accept(listener, Arc::new(state)));
        Self { shutdown, task }
    }

    /// Takes no new connection, lets running requests end within the grace, then cuts the rest.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // The task bounds its own end.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, state: Arc<HttpState>) {
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        // See `idle`.
        .header_read_timeout(None)
        // Answers are short: copying one behind its head is cheaper than a gathering write.
        .writev(false)
        // Of headers the library itself takes 100. With `max_headers` it would fill its arrays for
        // so many before it reads a request.
        .max_buf_size(limits::HEAD_BYTES_WALL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = state.shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others must end before there is a new one.
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        // Small answers must not wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection was gone at once");
            continue;
        }
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            tokio::spawn(refuse(stream));
            continue;
        };
        let activity = Activity::default();
        let stream = WatchedStream::new(stream, activity.clone());
        let shared = Arc::new(Connection {
            state: state.clone(),
            activity,
        });
        let handler = {
            let shared = shared.clone();
            service_fn(move |request| shared.clone().answer(request))
        };
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), handler));
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let open = &shared.state.counts.connections;
            open.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::trace!(%error, "connection ended early");
                },
                () = shared.activity.idle_for(limits::HEADER_READ_TIMEOUT) => {
                    tracing::trace!("no request came on a connection");
                }
            }
            open.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits::SHUTDOWN_GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::info!("some requests did not end in time and are cut");
    }
    // Not left to the end of the runtime: what a cut request had been granted is taken back, which
    // needs the coordinator.
    connections.shutdown().await;
}

/// Says that the server is full, rather than letting a client guess.
async fn refuse(stream: tokio::net::TcpStream) {
    use tokio::io::AsyncWriteExt as _;
    let error = ApiError::new(
        Category::Api,
        "overloaded",
        "too many connections are open",
        "close some, or call again later",
    )
    .retry_after(1);
    let body = serde_json::to_string(&error).unwrap_or_default();
    let length = body.len();
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut stream = stream;
    let write = stream.write_all(text.as_bytes());
    // Whether it arrives is the client's matter.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), write).await;
}
