//! Bodies: reading a bounded one in bounded time, and building responses.

use std::convert::Infallible;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;

use crate::domain::{ApiError, Category, limits};

/// Every response body of this server.
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// What is read and thrown away of a body that is too large, so that the connection survives the
/// refusal.
const DRAINED_BYTES_MAX: usize = 16 << 20;

/// Reads a request body.
pub(super) async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    match tokio::time::timeout(limits::BODY_READ_TIMEOUT, collect(body)).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::new(
            Category::User,
            "request_timeout",
            "the body did not arrive in time",
            "send it without pauses",
        )),
    }
}

async fn collect<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut body = pin!(body);
    // Nearly every body arrives in one piece, which needs no copy.
    let mut collected = Bytes::new();
    let mut length = 0;
    // A body that is known to be over is not asked again, which takes a lock.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| {
            ApiError::invalid(
                format!("the body could not be read: {error}"),
                "send the whole body with a right Content-Length",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length > DRAINED_BYTES_MAX {
            break;
        }
        if collected.is_empty() {
            collected = data;
        } else if length <= limits::BODY_BYTES_MAX {
            let mut more = BytesMut::from(collected);
            more.extend_from_slice(&data);
            collected = more.freeze();
        }
    }
    if length > limits::BODY_BYTES_MAX {
        Err(too_large())
    } else {
        Ok(collected)
    }
}

fn too_large() -> ApiError {
    ApiError::new(
        Category::User,
        "body_too_large",
        format!("the body is larger than {} bytes", limits::BODY_BYTES_MAX),
        "send less at once",
    )
}

/// A JSON response.
pub(super) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<ResponseBody> {
    with_type(
        status,
        HeaderValue::from_static("application/json"),
        text.into(),
    )
}

/// A response of any type.
pub(super) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
) -> Response<ResponseBody> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// The response for an error.
pub(super) fn error(error: &ApiError) -> Response<ResponseBody> {
    let text = serde_json::to_string(error).unwrap_or_default();
    let mut response = json(status_of(error), text);
    let headers = response.headers_mut();
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == "unauthorized" {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allowed) = error
        .details
        .get("allow")
        .and_then(serde_json::Value::as_str)
        && let Ok(allowed) = HeaderValue::from_str(allowed)
    {
        headers.insert(header::ALLOW, allowed);
    }
    response
}

/// The status code of an error: by its code, else by its category.
fn status_of(error: &ApiError) -> StatusCode {
    match error.code.as_ref() {
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "forbidden_origin" | "forbidden_host" | "repo_not_allowed" | "forbidden" => {
            StatusCode::FORBIDDEN
        }
        "not_found" | "unknown_tool" | "unknown_claim" | "no_such_route" => StatusCode::NOT_FOUND,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "request_timeout" => StatusCode::REQUEST_TIMEOUT,
        "body_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "head_too_large" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "rate_limited" | "secondary_limit" => StatusCode::TOO_MANY_REQUESTS,
        "storage_unavailable"
        | "overloaded"
        | "shutting_down"
        | "not_synced_yet"
        | "owner_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "gh_missing" | "gh_too_old" | "gh_broken" | "not_authenticated" | "github_failed"
        | "github_unavailable" | "rejected" => StatusCode::BAD_GATEWAY,
        "internal" | "history_unreadable" | "state_moved" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => match error.category {
            Category::User => StatusCode::BAD_REQUEST,
            Category::Logical => StatusCode::CONFLICT,
            Category::Api => StatusCode::BAD_GATEWAY,
        },
    }
}
