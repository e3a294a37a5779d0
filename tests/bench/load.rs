//! The load client: one thread, non-blocking sockets on one epoll, closed loops.
//!
//! Client and server share the machine's cores, so a heavy client would measure itself. Every
//! engine is driven by this one loop; only the bytes differ (`wire/`), so that no engine is
//! flattered by a better client library.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::{Result, fail};

/// A reply read by a [`Session`]: which lane it ends, and whether it was the success we asked for.
pub struct Done {
    /// The lane whose request is answered.
    pub lane: usize,
    /// Whether the reply grants what was asked.
    pub granted: bool,
}

/// One connection's half of a protocol: renders requests, recognises replies.
pub trait Session {
    /// Requests that may be under way at once on this connection.
    fn lanes(&self) -> usize {
        1
    }

    /// Does the handshake on the still blocking socket.
    fn hello(&mut self, _stream: &mut TcpStream) -> Result<()> {
        Ok(())
    }

    /// Appends the request for a fresh `key` to `output`.
    fn request(&mut self, lane: usize, key: u64, output: &mut Vec<u8>);

    /// Reads whole replies from `input`, returns how many bytes they took.
    ///
    /// Bytes for the server that are no request (acknowledgements) go to `output`.
    fn replies(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<usize>;
}

/// When a measurement ends.
#[derive(Clone, Copy)]
pub enum Limit {
    /// After `warm` unmeasured, count for `measured`.
    Time {
        /// Not counted.
        warm: Duration,
        /// Counted.
        measured: Duration,
    },
    /// After this many requests on each lane, all counted.
    PerLane(usize),
}

/// What a measurement gave.
pub struct Measured {
    /// Length of the counted window in seconds.
    pub seconds: f64,
    /// Latency of each counted request in nanoseconds, in order of completion.
    pub latencies_ns: Vec<u64>,
}

impl Measured {
    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        self.latencies_ns.len() as f64 / self.seconds
    }

    /// The latency below which `share` (0 to 1) of the requests stayed, in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let mut sorted = self.latencies_ns.clone();
        sorted.sort_unstable();
        if sorted.is_empty() {
            return f64::NAN;
        }
        let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
        sorted[rank - 1] as f64 / 1e6
    }
}

struct Connection<S> {
    stream: TcpStream,
    session: S,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    started: Vec<Instant>,
    issued: Vec<usize>,
}

impl<S: Session> Connection<S> {
    fn open(address: &str, mut session: S) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        session.hello(&mut stream)?;
        stream.set_nonblocking(true)?;
        let started = vec![Instant::now(); session.lanes()];
        let issued = vec![0; session.lanes()];
        Ok(Self {
            stream,
            session,
            input: vec![0; 16 * 1024],
            filled: 0,
            output: Vec::with_capacity(16 * 1024),
            started,
            issued,
        })
    }

    fn flush(&mut self) -> Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        // A closed loop of small requests never fills a socket buffer; if it did, the server has
        // stopped reading and the run is worth nothing.
        let written = self.stream.write(&self.output)?;
        if written < self.output.len() {
            return fail("the server stopped reading: short write");
        }
        self.output.clear();
        Ok(())
    }

    /// Takes what the socket has; appends finished requests to `done`.
    fn receive(&mut self, done: &mut Vec<Done>) -> Result<()> {
        if self.filled == self.input.len() {
            self.input.resize(self.input.len() * 2, 0);
        }
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(0) => return fail("the server closed the connection"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let bytes = &self.input[..self.filled];
        let before = done.len();
        let taken = self.session.replies(bytes, &mut self.output, done)?;
        if done[before..].iter().any(|reply| !reply.granted) {
            let shown = bytes.len().min(400);
            let text = String::from_utf8_lossy(&bytes[..shown]);
            return fail(format!("a claim was not granted, the reply: {text:?}"));
        }
        self.input.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }
}

/// Counts and bounds one measurement.
struct Clock {
    limit: Limit,
    counted_from: Instant,
    ends_at: Option<Instant>,
}

impl Clock {
    fn start(limit: Limit) -> Self {
        let now = Instant::now();
        let (counted_from, ends_at) = match limit {
            Limit::Time { warm, measured } => (now + warm, Some(now + warm + measured)),
            Limit::PerLane(_) => (now, None),
        };
        Self {
            limit,
            counted_from,
            ends_at,
        }
    }

    /// Whether a lane that has made `issued` requests may make another.
    fn allows(&self, now: Instant, issued: usize) -> bool {
        match self.limit {
            Limit::Time { .. } => self.ends_at.is_none_or(|end| now < end),
            Limit::PerLane(count) => issued < count,
        }
    }

    fn counts(&self, now: Instant) -> bool {
        now >= self.counted_from && self.ends_at.is_none_or(|end| now < end)
    }
}

/// Drives `sessions` against `address`, each lane a closed loop over the next free key.
pub fn drive<S: Session>(
    address: &str,
    sessions: Vec<S>,
    limit: Limit,
    next_key: &mut u64,
) -> Result<Measured> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(sessions.len());
    for session in sessions {
        connections.push(register(&poll, connections.len(), address, session)?);
    }

    let clock = Clock::start(limit);
    let mut latencies_ns = Vec::with_capacity(1 << 18);
    let mut under_way = 0_usize;
    for connection in &mut connections {
        for lane in 0..connection.session.lanes() {
            under_way += usize::from(issue(connection, lane, &clock, next_key));
        }
        connection.flush()?;
    }

    let mut events = Vec::with_capacity(connections.len());
    let mut done = Vec::new();
    let patience = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut finished_at = Instant::now();
    while under_way > 0 {
        events.clear();
        if wait(&poll, &mut events, &patience)? == 0 {
            return fail("no reply for 20 seconds");
        }
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let connection = &mut connections[index];
            connection.receive(&mut done)?;
            let now = Instant::now();
            for reply in done.drain(..) {
                under_way -= 1;
                finished_at = now;
                if clock.counts(now) {
                    let taken = now - connection.started[reply.lane];
                    latencies_ns.push(u64::try_from(taken.as_nanos())?);
                }
                under_way += usize::from(issue(connection, reply.lane, &clock, next_key));
            }
            connection.flush()?;
        }
    }
    let ended = clock.ends_at.unwrap_or(finished_at);
    Ok(Measured {
        seconds: (ended - clock.counted_from).as_secs_f64(),
        latencies_ns,
    })
}

fn register<S: Session>(
    poll: &OwnedFd,
    index: usize,
    address: &str,
    session: S,
) -> Result<Connection<S>> {
    let connection = Connection::open(address, session)?;
    let data = epoll::EventData::new_u64(index as u64);
    epoll::add(poll, &connection.stream, data, epoll::EventFlags::IN)?;
    Ok(connection)
}

fn issue<S: Session>(
    connection: &mut Connection<S>,
    lane: usize,
    clock: &Clock,
    next_key: &mut u64,
) -> bool {
    let now = Instant::now();
    if !clock.allows(now, connection.issued[lane]) {
        return false;
    }
    connection.issued[lane] += 1;
    connection
        .session
        .request(lane, *next_key, &mut connection.output);
    *next_key += 1;
    connection.started[lane] = now;
    true
}

fn wait(poll: &OwnedFd, events: &mut Vec<epoll::Event>, patience: &Timespec) -> Result<usize> {
    loop {
        match epoll::wait(poll, spare_capacity(events), Some(patience)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
