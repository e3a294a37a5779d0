//! Serves the world on a Unix socket, and keeps a record of what was asked.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::body::{Answer, Ending};
use super::faults::{Asked, Effect, Fault, Plan, plan};
use super::record::{RequestRecord, is_graphql};
use super::rest::{Call, Reply};
use super::world::World;
use super::{graphql, rest};

/// What the connections and the handles have in common.
pub(super) struct Shared {
    // Standard mutexes: none is held across an await, and answers are computed
    // without waiting for anything.
    pub(super) world: Mutex<World>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) requests: Mutex<Vec<RequestRecord>>,
    pub(super) arrivals: AtomicUsize,
    /// Tells those who wait for requests that the record has changed.
    pub(super) recorded: Notify,
    pub(super) in_service: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
}

/// Locks, whatever happened to the holder before.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in a test's closure must not turn every later request into another one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves connections until it is aborted.
pub(super) async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    // The connections belong to this task and end with it.
    let mut connections = JoinSet::new();
    loop {
        // Accepting fails while file descriptors are short; others will be closed.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| respond(shared.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // It ends in an error when a client is killed or a fault strikes: both are intended.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Counts a request as in service for as long as it lives.
pub(super) struct InService(Arc<Shared>);

impl InService {
    fn enter(shared: &Arc<Shared>) -> Self {
        let now = shared.in_service.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_at_once.fetch_max(now, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.in_service.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Answer>> {
    let in_service = InService::enter(&shared);
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let body = String::from_utf8_lossy(&body);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let header = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let graphql = is_graphql(parts.uri.path());
    let operation = if graphql {
        graphql::operation_name(&body)
    } else {
        None
    };
    let call = Call {
        method: parts.method.as_str(),
        path,
        host: header(HOST).unwrap_or_default(),
        authorized: parts.headers.contains_key(AUTHORIZATION),
        if_none_match: header(IF_NONE_MATCH),
        body: &body,
    };
    let sequence = shared.arrivals.fetch_add(1, Ordering::Relaxed) as u64 + 1;
    shared.record(RequestRecord {
        sequence,
        method: call.method.to_owned(),
        path: path.to_owned(),
        status: None,
        had_authorization: call.authorized,
        if_none_match: call.if_none_match.clone(),
        operation: operation.clone(),
        points: 0,
        request_bytes: body.len(),
        request_body: body.to_string(),
        body_bytes: 0,
        started,
    });
    let asked = Asked {
        method: call.method,
        path,
        operation: operation.as_deref(),
        body: &body,
    };
    let plan = plan(&mut lock(&shared.faults), &asked);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    let answer = || {
        let mut world = lock(&shared.world);
        if graphql {
            graphql::answer(&mut world, &call)
        } else {
            rest::answer(&mut world, &call)
        }
    };
    let reply = finish(plan, answer, &shared, sequence).await?;
    Ok(reply.into_response(in_service))
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            faults: Mutex::default(),
            requests: Mutex::default(),
            arrivals: AtomicUsize::new(0),
            recorded: Notify::new(),
            in_service: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    fn record(&self, request: RequestRecord) {
        lock(&self.requests).push(request);
        self.recorded.notify_waiters();
    }

    /// Notes how a request went, unless the record was cleared since it came.
    fn record_answer(&self, sequence: u64, reply: Option<&Reply>, points: u64) {
        let mut requests = lock(&self.requests);
        if let Some(request) = requests
            .iter_mut()
            .rfind(|request| request.sequence == sequence)
        {
            request.status = reply.map(|reply| reply.status);
            request.body_bytes = reply.map_or(0, |reply| reply.body.len());
            request.points = points;
        }
        drop(requests);
        self.recorded.notify_waiters();
    }
}

/// A reply and how its body ends.
struct Finished(Reply, Ending);

async fn finish(
    plan: Plan,
    answer: impl Fn() -> Reply,
    shared: &Shared,
    sequence: u64,
) -> io::Result<Finished> {
    let lost = matches!(plan.effect, Some(Effect::Stall | Effect::Close));
    let replaced = lost || matches!(plan.effect, Some(Effect::Respond { .. }));
    let mut reply = if replaced && !plan.applied {
        Reply::new(200)
    } else {
        answer()
    };
    let points = reply.points;
    let mut ending = Ending::Complete;
    match plan.effect {
        None | Some(Effect::Delay(_) | Effect::Stall | Effect::Close) => {}
        Some(Effect::Truncate) => ending = Ending::Cut,
        Some(Effect::StallMidBody) => ending = Ending::Hang,
        Some(Effect::MalformedJson) => reply.body.truncate(reply.body.len() / 2),
        Some(Effect::InvalidUtf8) => spoil(&mut reply.body),
        Some(Effect::Respond {
            status,
            ref headers,
            ref body,
        }) => {
            reply = Reply::new(status);
            reply.body = body.clone().into_bytes();
            for (name, value) in headers {
                reply.header(name, value.clone());
            }
        }
    }
    shared.record_answer(sequence, (!lost).then_some(&reply), points);
    match plan.effect {
        Some(Effect::Stall) => std::future::pending().await,
        // An error from the service makes hyper close the connection.
        Some(Effect::Close) => Err(io::ErrorKind::ConnectionReset.into()),
        _ => Ok(Finished(reply, ending)),
    }
}

/// Puts a byte that no UTF-8 text has into the first string value of a body.
fn spoil(body: &mut Vec<u8>) {
    let value = body
        .windows(2)
        .position(|pair| pair == b":\"")
        .map_or(0, |place| place + 2);
    body.insert(value.min(body.len()), 0xff);
}

impl Finished {
    fn into_response(self, in_service: InService) -> Response<Answer> {
        let Self(reply, ending) = self;
        let length = reply.body.len();
        let mut chunk = Bytes::from(reply.body);
        if ending != Ending::Complete {
            chunk.truncate(length / 2);
        }
        // A complete body is handed over here; only one that hangs stays in service.
        let held = (ending == Ending::Hang).then_some(in_service);
        let mut response = Response::new(Answer::new(chunk, ending, held));
        *response.status_mut() =
            StatusCode::from_u16(reply.status).expect("the status is a valid one");
        fill(response.headers_mut(), &reply.headers);
        if reply.status != 304 {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response
    }
}

fn fill(map: &mut HeaderMap, headers: &[(String, String)]) {
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("the header's name is a valid one");
        map.insert(
            name,
            HeaderValue::from_str(value).expect("the header's value is a valid one"),
        );
    }
}
