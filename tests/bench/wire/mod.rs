//! The bytes of each engine: one small module a protocol, all driven by `load::drive`.

pub mod grpc;
pub mod http;
pub mod postgres;
pub mod resp;

/// The repository whose issues are claimed.
pub const REPO: &str = "bench/r3";
/// The agent that claims them.
pub const AGENT: &str = "bench-7";

/// Decimal digits without an allocation.
pub struct Digits {
    bytes: [u8; 20],
    start: usize,
}

impl Digits {
    /// The digits of `number`.
    pub fn new(mut number: u64) -> Self {
        let mut bytes = [b'0'; 20];
        let mut start = bytes.len();
        loop {
            start -= 1;
            bytes[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { bytes, start };
            }
        }
    }

    /// As text bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The key of issue `number` in the engines that know only keys and values.
pub fn key(number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(b"claim:");
    key.extend_from_slice(REPO.as_bytes());
    key.push(b'#');
    key.extend_from_slice(Digits::new(number).as_bytes());
    key
}

/// What those engines store: as long as a claim record in our journal, about 220 bytes.
pub fn value() -> Vec<u8> {
    let mut value = format!(
        "{{\"claim_id\":\"01900000-0000-7000-8000-000000000000\",\"agent_id\":\"{AGENT}\",\
         \"repo\":\"{REPO}\",\"status\":\"claimed\",\"claimed_at\":\"2026-11-20T10:00:00Z\",\
         \"issue_title\":\""
    )
    .into_bytes();
    value.resize(218, b'x');
    value.extend_from_slice(b"\"}");
    value
}
