//! Redis: `SET key value NX`.

use super::{Digits, key, value};
use crate::Result;
use crate::load::{Done, Session};

/// One Redis connection.
pub struct Redis {
    after_key: Vec<u8>,
}

impl Redis {
    /// A session that writes fresh keys.
    pub fn new() -> Self {
        let value = value();
        let mut after_key = format!("\r\n${}\r\n", value.len()).into_bytes();
        after_key.extend_from_slice(&value);
        after_key.extend_from_slice(b"\r\n$2\r\nNX\r\n");
        Self { after_key }
    }
}

impl Session for Redis {
    fn request(&mut self, _lane: usize, number: u64, output: &mut Vec<u8>) {
        let key = key(number);
        output.extend_from_slice(b"*4\r\n$3\r\nSET\r\n$");
        output.extend_from_slice(Digits::new(key.len() as u64).as_bytes());
        output.extend_from_slice(b"\r\n");
        output.extend_from_slice(&key);
        output.extend_from_slice(&self.after_key);
    }

    fn replies(
        &mut self,
        input: &[u8],
        _output: &mut Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<usize> {
        // Each reply is one line: `+OK`, `$-1` where the key was taken, or `-ERR ...`.
        let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else {
            return Ok(0);
        };
        done.push(Done {
            lane: 0,
            granted: &input[..end] == b"+OK",
        });
        Ok(end + 2)
    }
}
