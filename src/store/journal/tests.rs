//! Lines of the journal, and the claims in them.

use super::*;
use crate::claim::{Claim, FailedChecks, Status, StatusChange};
use crate::domain::{AgentId, ClaimId, Host, RepoName, RequestId, SessionId, SessionRef};
use uuid::Uuid;

const TITLES: [&str; 4] = [
    "Fix it",
    "a \"quoted\" one\\",
    "two\nlines\t\u{1}",
    "für 𝄞 \u{7f}",
];

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_795_000_000 + seconds, 123_000_000).unwrap()
}

fn claim_id(number: u128) -> ClaimId {
    ClaimId(Uuid::from_u128(number << 64 | 7))
}

fn agent() -> AgentId {
    "агент \"7\"".parse().unwrap()
}

fn repo() -> RepoName {
    "Octo-Org/api.v2".parse().unwrap()
}

/// With everything that a claim may have, or with nothing of it.
fn claim(title: &str, whole: bool) -> Claim {
    let text = || whole.then(|| title.into());
    let host = if whole {
        "ghe.example:8443"
    } else {
        "github.com"
    };
    let step = |status, note| StatusChange {
        status,
        timestamp: at(2),
        note,
    };
    Claim {
        claim_id: claim_id(1),
        agent_id: agent(),
        host: host.parse().unwrap(),
        repo: repo(),
        issue_number: u64::MAX,
        issue_title: title.into(),
        status: Status::Stale,
        claimed_at: at(1),
        last_updated: at(2),
        status_history: vec![step(Status::Claimed, None), step(Status::Stale, text())],
        pr_url: text(),
        handoff_note: text(),
        stale_from: whole.then_some(Status::PrSubmitted),
        session: None,
    }
}

/// Every kind of change, with everything that it may have or with nothing of it.
fn changes(title: &str, whole: bool) -> Vec<Change> {
    let text = || whole.then(|| Arc::from(title));
    let session = whole.then(|| SessionRef {
        id: SessionId(Uuid::from_u128(9)),
        pid: u32::MAX,
    });
    let request_id = whole.then(|| RequestId(Uuid::from_u128(11)));
    let all = vec![
        Change::Granted {
            claim_id: claim_id(1),
            agent_id: agent(),
            host: claim(title, whole).host,
            repo: repo(),
            issue_number: 1,
            issue_title: title.into(),
            session,
            request_id,
        },
        Change::Moved {
            claim_id: claim_id(1),
            agent_id: agent(),
            repo: repo(),
            issue_number: 1,
            from: Status::InProgress,
            to: Status::PrSubmitted,
            note: text(),
            pr_url: text(),
            pr_closed: whole,
            uncounted: whole,
            handoff_note: text(),
            session,
            request_id,
        },
        Change::HandedOn {
            old_claim_id: claim_id(1),
            claim: Arc::new(claim(title, whole)),
            session,
            request_id,
        },
        Change::IssueClosed {
            repo: repo(),
            issue_number: 1,
            issue_title: title.into(),
        },
        Change::SyncCompleted {
            repos: 1,
            open_issues: 2,
            changed: 3,
        },
        Change::ChecksFailed(Arc::new(FailedChecks {
            repo: repo(),
            number: 1,
            head_sha: "abc".into(),
            claim_id: whole.then(|| claim_id(1)),
            agent_id: whole.then(agent),
            issue_number: whole.then_some(1),
            checks: vec![title.into()],
            tests: text().into_iter().collect(),
        })),
    ];
    for change in &all {
        // Whoever adds a kind of change adds it above, too.
        match change {
            Change::Granted { .. }
            | Change::Moved { .. }
            | Change::HandedOn { .. }
            | Change::IssueClosed { .. }
            | Change::SyncCompleted { .. }
            | Change::ChecksFailed(_) => {}
        }
    }
    all
}

#[test]
fn every_change_is_written_as_the_general_serializer_would_and_read_back() {
    for title in TITLES {
        for change in [changes(title, true), changes(title, false)].concat() {
            let recorded = Recorded {
                seq: 12,
                at: at(3),
                change,
            };
            let mut buffer = b"before\n".to_vec();
            write_line(&mut buffer, &recorded, 11).unwrap();
            let line = buffer.strip_prefix(b"before\n").unwrap();
            let line = line.strip_suffix(b"\n").unwrap();
            let general = serde_json::to_string(&Unsealed {
                seq: 12,
                durable: 11,
                at: at(3),
                change: &recorded.change,
            });
            let body = std::str::from_utf8(&line[..line.len() - SEAL_LENGTH]).unwrap();
            assert_eq!(format!("{body}}}"), general.unwrap());
            let read = parse_line(line).unwrap();
            assert_eq!(read.change, recorded.change);
            assert_eq!((read.seq, read.durable, read.at), (12, 11, at(3)));
        }
    }
}

#[test]
fn a_claims_record_is_written_as_the_general_serializer_would() {
    for title in TITLES {
        for whole in [true, false] {
            let claim = claim(title, whole);
            let mut text = Vec::new();
            write_compact_json(&mut text, &claim).unwrap();
            assert_eq!(text, serde_json::to_vec(&claim).unwrap());
        }
    }
}

#[test]
fn the_first_versions_lines_are_read() {
    let line = br#"{"seq":1,"durable":0,"at":"2026-11-20T10:00:00Z","change":{"type":"granted","claim_id":"00000000-0000-0000-0000-000000000001","agent_id":"a","repo":"acme/api","issue_number":1,"issue_title":"Fix it"},"crc":"CRC"}"#;
    let body = line.len() - b",\"crc\":\"CRC\"}".len();
    let crc = format!("{:08x}", crc32fast::hash(&line[..body]));
    let line = String::from_utf8_lossy(line).replace("CRC", &crc);
    let read = parse_line(line.as_bytes()).unwrap();
    assert!(matches!(&read.change, Change::Granted { host, .. } if *host == Host::default()));
}
