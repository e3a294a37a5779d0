//! issuecommand: the REST interface over HTTP keep-alive.

use super::{AGENT, Digits, REPO};
use crate::load::{Done, Session};
use crate::{Result, fail};

/// One HTTP reply: its status and where head and body end.
struct Reply {
    status: u16,
    head: usize,
    end: usize,
}

/// The first whole reply in `input`, if it is there.
fn reply(input: &[u8]) -> Result<Option<Reply>> {
    let Some(blank) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&input[..blank])?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.get(9..12))
        .and_then(|digits| digits.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let (Some(status), Some(length)) = (status, length) else {
        return fail(format!("a reply without status or length: {head:?}"));
    };
    let end = blank + 4 + length;
    Ok((input.len() >= end).then_some(Reply {
        status,
        head: blank + 4,
        end,
    }))
}

/// One HTTP connection that claims, and releases what it claimed where it is told to.
pub struct Http {
    claim_head: Vec<u8>,
    claim_body: Vec<u8>,
    host: String,
    /// Alternate claim and release over this many issues; `None`: claim fresh ones only.
    cycle: Option<u64>,
    held: Option<String>,
}

impl Http {
    /// A session that only claims: `POST /api/claims`.
    pub fn claiming(address: &str) -> Self {
        Self {
            claim_head: format!(
                "POST /api/claims HTTP/1.1\r\nHost: {address}\r\n\
                 Content-Type: application/json\r\nContent-Length: "
            )
            .into_bytes(),
            claim_body: format!("{{\"agent_id\":\"{AGENT}\",\"repo\":\"{REPO}\",\"issue_number\":")
                .into_bytes(),
            host: address.to_owned(),
            cycle: None,
            held: None,
        }
    }

    /// A session that alternates claim and `DELETE /api/claims/{claim_id}` over `issues` issues.
    pub fn cycling(address: &str, issues: u64) -> Self {
        Self {
            cycle: Some(issues),
            ..Self::claiming(address)
        }
    }
}

impl Session for Http {
    fn request(&mut self, _lane: usize, number: u64, output: &mut Vec<u8>) {
        if let Some(claim_id) = &self.held {
            let host = &self.host;
            let text = format!("DELETE /api/claims/{claim_id} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            output.extend_from_slice(text.as_bytes());
            return;
        }
        let issue = self.cycle.map_or(number, |issues| 1 + number % issues);
        let digits = Digits::new(issue);
        let digits = digits.as_bytes();
        let length = self.claim_body.len() + digits.len() + 1;
        output.extend_from_slice(&self.claim_head);
        output.extend_from_slice(Digits::new(length as u64).as_bytes());
        output.extend_from_slice(b"\r\n\r\n");
        output.extend_from_slice(&self.claim_body);
        output.extend_from_slice(digits);
        output.push(b'}');
    }

    fn replies(
        &mut self,
        input: &[u8],
        _output: &mut Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<usize> {
        let Some(reply) = reply(input)? else {
            return Ok(0);
        };
        let was_release = self.held.take().is_some();
        let mut granted = reply.status == if was_release { 200 } else { 201 };
        if granted && self.cycle.is_some() && !was_release {
            self.held = claim_id(&input[reply.head..reply.end]);
            granted = self.held.is_some();
        }
        done.push(Done { lane: 0, granted });
        Ok(reply.end)
    }
}

fn claim_id(body: &[u8]) -> Option<String> {
    let record: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(record.get("claim_id")?.as_str()?.to_owned())
}
