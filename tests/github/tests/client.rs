//! The smallest client that will do: one request a connection.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::github::{GitHub, World};

/// An answer, as far as it came.
pub struct Got {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Sends a request with an authorization and reads until the connection ends.
pub async fn send(github: &GitHub, method: &str, path: &str, headers: &str, body: &str) -> Got {
    let headers = format!("authorization: token x\r\n{headers}");
    send_as_is(github, method, path, &headers, body).await
}

/// Sends a request with just these headers.
pub async fn send_as_is(
    github: &GitHub,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Got {
    let mut stream = UnixStream::connect(github.socket())
        .await
        .expect("the stand-in is there");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: api.github.com\r\nconnection: close\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("the answer ends");
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let body = answer.split_off((end + 4).min(answer.len()));
    Got { status, head, body }
}

pub async fn get(github: &GitHub, path: &str) -> Got {
    send(github, "GET", path, "", "").await
}

pub async fn query(github: &GitHub, text: &str, variables: Value) -> Value {
    let body = json!({"query": text, "variables": variables}).to_string();
    let got = send(github, "POST", "/graphql", "", &body).await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    got.json()
}

/// A repository `acme/api` with as many issues as asked for.
pub async fn start(issues: usize) -> GitHub {
    let mut world = World::new("octo");
    let repository = world.add_repository("acme/api");
    for number in 1..=issues {
        repository.add_issue(&format!("Issue {number}"));
    }
    GitHub::start(world)
        .await
        .expect("the temporary folder takes a socket")
}
