//! etcd: `Txn(create_revision == 0 → put)` as gRPC, written straight onto HTTP/2.
//!
//! Only what the exchange needs: header fields go to the server's table with the first request and
//! are one byte each from then on; windows are opened wide once; several streams share a
//! connection (`lanes`), as etcd's own client does.

use std::io::Write;
use std::net::TcpStream;

use super::{key, value};
use crate::load::{Done, Session};
use crate::{Result, fail};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// After the first request: POST, http, then path, authority, content-type and te by table index.
const INDEXED: &[u8] = &[0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

/// One HTTP/2 connection to etcd.
pub struct Etcd {
    first_headers: Option<Vec<u8>>,
    value: Vec<u8>,
    next_stream: u32,
    lanes: Vec<Lane>,
}

#[derive(Clone, Default)]
struct Lane {
    stream: u32,
    message: Vec<u8>,
}

impl Etcd {
    /// A connection that carries `lanes` requests at once.
    pub fn new(address: &str, lanes: usize) -> Self {
        let mut headers = vec![0x83, 0x86];
        // Literal fields with incremental indexing; 4, 1 and 31 are names of the static table.
        field(&mut headers, 0x44, b"/etcdserverpb.KV/Txn");
        field(&mut headers, 0x41, address.as_bytes());
        field(&mut headers, 0x5f, b"application/grpc");
        headers.extend_from_slice(&[0x40, 2, b't', b'e']);
        headers.push(8);
        headers.extend_from_slice(b"trailers");
        Self {
            first_headers: Some(headers),
            value: value(),
            next_stream: 1,
            lanes: vec![Lane::default(); lanes],
        }
    }

    fn lane(&mut self, stream: u32) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.stream == stream)
    }
}

impl Session for Etcd {
    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn hello(&mut self, stream: &mut TcpStream) -> Result<()> {
        let mut output = PREFACE.to_vec();
        // INITIAL_WINDOW_SIZE (4) of 1 GiB, and the connection's window by the same measure: more
        // than a run receives, so that it need not be renewed.
        frame(&mut output, SETTINGS, 0, 0, &[&[0, 4, 0x40, 0, 0, 0]]);
        frame(&mut output, WINDOW_UPDATE, 0, 0, &[&[0x40, 0, 0, 0]]);
        stream.write_all(&output)?;
        Ok(())
    }

    fn request(&mut self, lane: usize, number: u64, output: &mut Vec<u8>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.lanes[lane].stream = stream;
        self.lanes[lane].message.clear();
        let first = self.first_headers.take();
        let headers = first.as_deref().unwrap_or(INDEXED);
        frame(output, HEADERS, END_HEADERS, stream, &[headers]);
        let message = transaction(&key(number), &self.value);
        let length = (message.len() as u32).to_be_bytes();
        let parts: &[&[u8]] = &[&[0], &length, &message];
        frame(output, DATA, END_STREAM, stream, parts);
    }

    fn replies(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<usize> {
        let mut at = 0;
        while let Some((kind, flags, stream, body)) = next_frame(&input[at..]) {
            at += 9 + body.len();
            match kind {
                DATA => {
                    if let Some(lane) = self.lane(stream) {
                        self.lanes[lane].message.extend_from_slice(body);
                    }
                }
                SETTINGS if flags & ACK == 0 => frame(output, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(output, PING, ACK, 0, &[body]),
                GOAWAY => return fail("etcd sent GOAWAY"),
                _ => {}
            }
            let ends = flags & END_STREAM != 0 && matches!(kind, DATA | HEADERS);
            if let Some(lane) = self.lane(stream)
                && (ends || kind == RESET)
            {
                // A unary call that fails has trailers only, and no message.
                let granted = ends && succeeded(&self.lanes[lane].message);
                done.push(Done { lane, granted });
            }
        }
        Ok(at)
    }
}

/// One header field: representation byte (with the name's index), then the value.
fn field(output: &mut Vec<u8>, representation: u8, value: &[u8]) {
    output.push(representation);
    output.push(value.len() as u8);
    output.extend_from_slice(value);
}

fn frame(output: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() as u32;
    output.extend_from_slice(&length.to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    for part in parts {
        output.extend_from_slice(part);
    }
}

/// The first whole frame: kind, flags, stream, body.
fn next_frame(input: &[u8]) -> Option<(u8, u8, u32, &[u8])> {
    let head = input.get(..9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Some((head[3], head[4], stream, input.get(9..9 + length)?))
}

/// `TxnRequest { compare: create_revision(key) == 0, success: put(key, value) }`.
fn transaction(key: &[u8], value: &[u8]) -> Vec<u8> {
    // Compare: result EQUAL is the default, 2: target CREATE (1), 3: key, 5: create_revision.
    let mut compare = vec![0x10, 1];
    bytes_field(&mut compare, 3, key);
    compare.extend_from_slice(&[0x28, 0]);
    let mut put = Vec::with_capacity(key.len() + value.len() + 8);
    bytes_field(&mut put, 1, key);
    bytes_field(&mut put, 2, value);
    let mut operation = Vec::with_capacity(put.len() + 4);
    bytes_field(&mut operation, 2, &put);
    let mut request = Vec::with_capacity(compare.len() + operation.len() + 8);
    bytes_field(&mut request, 1, &compare);
    bytes_field(&mut request, 2, &operation);
    request
}

fn bytes_field(output: &mut Vec<u8>, number: u8, value: &[u8]) {
    output.push(number << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        output.push(length as u8 | 0x80);
        length >>= 7;
    }
    output.push(length as u8);
    output.extend_from_slice(value);
}

/// Whether a gRPC-framed `TxnResponse` has `succeeded` (field 2) set.
fn succeeded(framed: &[u8]) -> bool {
    // 1: header, a short message, comes first; then 2: succeeded.
    match framed.get(5..) {
        Some([0x0a, length, rest @ ..]) => {
            rest.get(usize::from(*length)..usize::from(*length) + 2) == Some(&[0x10, 1])
        }
        _ => false,
    }
}
