//! PostgreSQL's version 3 protocol: a prepared insert, each its own transaction.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{key, value};
use crate::load::{Done, Session};
use crate::{Result, fail};

const INSERT: &str = "insert into claims (id, record) values ($1, $2) on conflict do nothing";
const CREATE: &str = "create table claims (id text primary key, record text not null)";

/// One PostgreSQL connection.
pub struct Postgres {
    user: String,
    value: Vec<u8>,
}

impl Postgres {
    /// A session of `user` on the database `postgres`.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            value: value(),
        }
    }

    fn log_in(&self, stream: &mut TcpStream) -> Result<()> {
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for part in ["user", &self.user, "database", "postgres", ""] {
            body.extend_from_slice(part.as_bytes());
            body.push(0);
        }
        let length = u32::try_from(body.len() + 4)?;
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(&body)?;
        until_ready(stream)
    }

    /// Whether the server takes log-ins yet; makes the table when it does.
    pub fn create_table(address: &str, user: &str) -> Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
        Self::new(user).log_in(&mut stream)?;
        let mut output = Vec::new();
        message(&mut output, b'Q', &[CREATE.as_bytes(), b"\0"]);
        stream.write_all(&output)?;
        until_ready(&mut stream)
    }
}

impl Session for Postgres {
    fn hello(&mut self, stream: &mut TcpStream) -> Result<()> {
        self.log_in(stream)?;
        let mut output = Vec::new();
        let no_types = [0, 0];
        message(
            &mut output,
            b'P',
            &[b"claim\0", INSERT.as_bytes(), b"\0", &no_types],
        );
        message(&mut output, b'S', &[]);
        stream.write_all(&output)?;
        until_ready(stream)
    }

    fn request(&mut self, _lane: usize, number: u64, output: &mut Vec<u8>) {
        let key = key(number);
        let key_length = (key.len() as u32).to_be_bytes();
        let value_length = (self.value.len() as u32).to_be_bytes();
        // Unnamed portal, statement `claim`, no format codes (text), two parameters, no results.
        let bind: &[&[u8]] = &[
            b"\0claim\0\0\0\0\x02",
            &key_length,
            &key,
            &value_length,
            &self.value,
            b"\0\0",
        ];
        message(output, b'B', bind);
        message(output, b'E', &[b"\0\0\0\0\0"]);
        message(output, b'S', &[]);
    }

    fn replies(
        &mut self,
        input: &[u8],
        _output: &mut Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<usize> {
        let mut granted = false;
        let mut at = 0;
        while let Some((kind, body, end)) = next_message(input, at) {
            match kind {
                b'C' => granted = body == b"INSERT 0 1\0",
                b'Z' => {
                    done.push(Done { lane: 0, granted });
                    return Ok(end);
                }
                _ => {}
            }
            at = end;
        }
        // Not ready yet: read again from the first message when more has come.
        Ok(0)
    }
}

fn message(output: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    output.push(kind);
    output.extend_from_slice(&(length as u32).to_be_bytes());
    for part in parts {
        output.extend_from_slice(part);
    }
}

/// The message at `at`: kind, body, and where the next begins.
fn next_message(input: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let length: [u8; 4] = input.get(at + 1..at + 5)?.try_into().ok()?;
    let end = at + 1 + u32::from_be_bytes(length) as usize;
    Some((input[at], input.get(at + 5..end)?, end))
}

/// Reads until ReadyForQuery; an ErrorResponse on the way is the error.
fn until_ready(stream: &mut TcpStream) -> Result<()> {
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return Ok(()),
            b'E' => return fail(String::from_utf8_lossy(&body).replace('\0', " ")),
            b'R' if body.get(..4) != Some(&[0; 4]) => return fail("the server wants a password"),
            _ => {}
        }
    }
}
