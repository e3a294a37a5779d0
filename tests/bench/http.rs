//! One plain HTTP request at a time, for everything that is not measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::{Result, fail};

/// `GET path`; the status and the body.
pub fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return fail(format!("no HTTP reply to GET {path}"));
    };
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    match status {
        Some(status) => Ok((status, body.to_owned())),
        None => fail(format!("no status in the reply to GET {path}")),
    }
}
