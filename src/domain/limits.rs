//! Every bound of the program that is not configuration, in one place.

use std::time::Duration;

/// Longest agent id, in characters.
pub const AGENT_ID_CHARS_MAX: usize = 128;
/// Longest note, reason or handoff note, in bytes. Longer text is refused, not cut.
pub const NOTE_BYTES_MAX: usize = 4_096;
/// How many entries of a claim's status history are kept: the first and the newest ones.
pub const STATUS_HISTORY_MAX: usize = 64;
/// How many answered request ids are remembered, so that a repeated request is not done twice.
pub const REQUESTS_REMEMBERED_MAX: usize = 512;
/// How many issues' past attempts are remembered (failed attempts, handoff notes).
pub const ISSUE_MEMORY_MAX: usize = 10_000;
/// How many past releases of one issue are remembered for the 30 minute rule.
pub const RELEASES_PER_ISSUE_MAX: usize = 16;
/// Of how many pull requests it is remembered for which commit failing checks were announced.
pub const FAILED_HEADS_MAX: usize = 512;
/// For how long `next_issue` keeps an issue from the agent that gave it back.
pub const RELEASE_COOLDOWN: Duration = Duration::from_secs(30 * 60);

/// How many requests may wait for the coordinator before callers are told to come back.
pub const COORDINATOR_QUEUE_MAX: usize = 4_096;
/// How many requests the coordinator takes into one sync of the journal.
pub const COORDINATOR_BATCH_MAX: usize = 512;
/// How many events stay in memory, and on disk at least, for readers that resume.
pub const FEED_EVENTS_MAX: usize = 2_048;

/// The journal grows by this many bytes at a time: overwriting prepared bytes needs no change of
/// the file's size, which makes the sync of a record about a third cheaper.
pub const JOURNAL_EXTENSION_BYTES: usize = 256 << 10;
/// The journal is cut by a snapshot when it has grown to this size (or twice the last snapshot).
pub const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// A snapshot is also taken after this many ended claims, so that memory does not grow with them.
pub const ENDED_IN_MEMORY_MAX: usize = 4_000;
/// Size at which a history file is full and the next one is begun.
pub const HISTORY_FILE_BYTES_MAX: u64 = 4 << 20;
/// How many cut journals are kept at least, so that readers of events can resume far back.
pub const OLD_JOURNALS_KEPT: usize = 3;

/// Largest accepted HTTP or MCP request body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Largest accepted head of an HTTP request: its first line and its headers.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most headers of one HTTP request.
pub const HEADERS_MAX: usize = 64;
/// The last wall, at which the connection is given up with a bare 431: what lies between it and
/// [`HEAD_BYTES_MAX`] is still read, so that it can be refused with words. For the number of headers
/// the wall is the HTTP library's own, 100.
pub const HEAD_BYTES_WALL: usize = 2 * HEAD_BYTES_MAX;
/// Largest answer of a tool that lists things; then there is a cursor.
pub const ANSWER_BYTES_MAX: usize = 8 << 10;
/// Largest issue body or comment text handed to an agent, in bytes.
pub const UNTRUSTED_TEXT_BYTES_MAX: usize = 32 << 10;
/// HTTP connections served at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Time a client has to send the first request of a connection, and to take an answer; up to twice
/// that for a further request.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time a client has to send its request body.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time that running requests get at shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Longest wait of one call; clients drop calls at 60 s.
pub const WAIT_SECONDS_MAX: u64 = 45;

/// For how long what was read of a pull request serves further answers while that is the same. As
/// much later than check runs may be seen, while those stay as they are: commit statuses of other
/// apps, and what becomes of workflow runs that have no job (approvals, broken files).
pub const PULL_MEMORY: Duration = Duration::from_secs(30);

/// Standard output kept of one gh child, in bytes.
pub const GH_STDOUT_BYTES_MAX: usize = 32 << 20;
/// The same where it is the log of a job. Longer ones are not read, and that is told.
pub const GH_LOG_BYTES_MAX: usize = 64 << 20;
/// Standard error kept of one gh child, in bytes.
pub const GH_STDERR_BYTES_MAX: usize = 64 << 10;
/// How many calls may wait for a place in the gh pool.
pub const GH_QUEUE_MAX: usize = 256;
/// How many places of the gh pool only claims may use.
pub const GH_PLACES_FOR_CLAIMS: usize = 2;
/// Time between TERM and KILL for a child.
pub const CHILD_KILL_GRACE: Duration = Duration::from_millis(500);
/// How many logs of jobs are read at once for those who wait. Reading takes up to four times the
/// bytes of a log.
pub const LOGS_AT_ONCE: usize = 2;
/// Answers kept with their ETag.
pub const ETAG_CACHE_MAX: usize = 512;
/// Bytes kept in the ETag cache.
pub const ETAG_CACHE_BYTES_MAX: usize = 4 << 20;
/// How many pages are followed for one list.
pub const PAGES_MAX: usize = 1_000;
