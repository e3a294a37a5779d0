//! The stdio transport: one client, from its first byte to the end of its input.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rmcp::model::{
    ClientRequest, ErrorCode, ErrorData, GetMeta as _, JsonRpcMessage, ProtocolVersion, RequestId,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{RoleServer, ServiceExt as _};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::PollSender;

use super::McpServer;
use super::protocol::{self, Era};

/// Lines that are no message and wait to be answered, at most; nothing is read meanwhile, so that
/// each gets its answer.
const UNREADABLE_MAX: usize = 16;
/// Longest line that is read; the library leaves longer ones out, and does not say so.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Bytes read at once.
const CHUNK_BYTES: usize = 8 << 10;

/// Serves the client on standard input and output until its input ends.
///
/// Calls under way are given up then: the client is gone, and a grant that did not arrive is
/// taken back.
pub async fn serve_stdio(server: McpServer) -> io::Result<()> {
    let (reader, writer) = rmcp::transport::io::stdio_pipes();
    let (ended, mut end) = watch::channel(false);
    let (tell, unreadable) = mpsc::channel(UNREADABLE_MAX);
    let reader = JsonLines::new(reader, tell, ended);
    let transport = Answering {
        inner: AsyncRwTransport::new_server(reader, writer),
        is_open: false,
        era: Era::Greeting,
        unreadable,
    };
    let serving = async {
        match server.serve(transport).await {
            Ok(running) => {
                let _ = running.waiting().await;
                Ok(())
            }
            // The client looked at us and left.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    };
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        _ = end.wait_for(|ended| *ended) => {
            // Answers that are ready still go out; waiting calls do not hold the exit up.
            let grace = std::time::Duration::from_millis(200);
            tokio::time::timeout(grace, serving).await.unwrap_or(Ok(()))
        }
    }
}

/// Why a line is no message, and the id to answer under.
type Unreadable = (ErrorData, Option<RequestId>);

/// The library's transport, which answers lines that are no message as well: the library leaves them
/// out or tells no next step.
struct Answering<T> {
    inner: T,
    /// A request has come that opens the conversation. Before it the library gives a client up that
    /// sends anything but requests.
    is_open: bool,
    /// How it is held: as the last of its requests told.
    era: Era,
    unreadable: mpsc::Receiver<Unreadable>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Answering<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        mut item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Error(answer) = &mut item {
            answer.error = protocol::with_next_step(answer.error.clone(), self.era);
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let (error, id) = tokio::select! {
                biased;
                Some(unreadable) = self.unreadable.recv() => unreadable,
                message = self.inner.receive() => match message {
                    Some(JsonRpcMessage::Request(request)) => {
                        self.is_open |= opens(&request.request);
                        let version = request.request.get_meta().protocol_version();
                        self.era = Era::of(version.as_ref().map(ProtocolVersion::as_str));
                        return Some(JsonRpcMessage::Request(request));
                    }
                    Some(message) if self.is_open => return Some(message),
                    // What was read last may wait for its answer.
                    None => self.unreadable.try_recv().ok()?,
                    Some(_) => {
                        tracing::debug!("what comes before the first request is left out");
                        continue;
                    }
                },
            };
            let answer = TxJsonRpcMessage::<RoleServer>::error(error, id);
            self.inner.send(answer).await.ok()?;
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Whether a request opens the conversation: an older client's greeting, or any other one that says
/// which version it speaks.
fn opens(request: &ClientRequest) -> bool {
    let meta = request.get_meta();
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        _ => {
            let is_whole = |version: &ProtocolVersion| {
                protocol::VERSIONS.contains(version)
                    && meta
                        .missing_required_keys(&ProtocolVersion::V_2026_07_28)
                        .is_empty()
            };
            meta.protocol_version()
                .is_some_and(|version| is_whole(&version))
        }
    }
}

/// Lets whole lines with a message through, reports the others, and tells when the input has ended.
struct JsonLines<R> {
    inner: R,
    /// A line that has no end yet.
    line: Vec<u8>,
    /// What may be read, of which `given` bytes have been.
    checked: Vec<u8>,
    given: usize,
    /// The line is longer than may be: the rest of it is left out.
    overlong: bool,
    /// What one read brought that is no message.
    flaws: VecDeque<Unreadable>,
    unreadable: PollSender<Unreadable>,
    ended: watch::Sender<bool>,
}

impl<R> JsonLines<R> {
    fn new(inner: R, unreadable: mpsc::Sender<Unreadable>, ended: watch::Sender<bool>) -> Self {
        Self {
            inner,
            line: Vec::new(),
            checked: Vec::new(),
            given: 0,
            overlong: false,
            flaws: VecDeque::new(),
            unreadable: PollSender::new(unreadable),
            ended,
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (rest_of_line, later) = bytes.split_at(end + 1);
            self.extend_line(rest_of_line);
            if !std::mem::take(&mut self.overlong) {
                self.check_line();
            }
            bytes = later;
        }
        self.extend_line(bytes);
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        if self.overlong {
            return;
        }
        if self.line.len() + bytes.len() <= LINE_BYTES_MAX {
            self.line.extend_from_slice(bytes);
            return;
        }
        self.overlong = true;
        self.line = Vec::new();
        self.flaws.push_back(no_json(format!(
            "a message is at most {LINE_BYTES_MAX} bytes; send less at once"
        )));
    }

    /// Hands over what is to be answered, as far as there is room; pending while there is none.
    fn poll_tell(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.flaws.is_empty() {
            // Whether somebody is left who answers shows elsewhere.
            let Ok(()) = std::task::ready!(self.unreadable.poll_reserve(context)) else {
                self.flaws.clear();
                break;
            };
            if let Some(flaw) = self.flaws.pop_front() {
                let _ = self.unreadable.send_item(flaw);
            }
        }
        Poll::Ready(())
    }

    fn check_line(&mut self) {
        let text = self.line.strip_prefix(b"\xEF\xBB\xBF");
        let text = text.unwrap_or(&self.line).trim_ascii();
        if text.is_empty() {
            self.line.clear();
            return;
        }
        // Read whole, as the library does: it leaves out what is nested too deep as well.
        let flaw = match serde_json::from_slice(text) {
            Ok(message) => {
                let flaw = protocol::flaw_of(&message);
                if flaw.is_some() && protocol::is_notification(&message) {
                    tracing::debug!("a notification that cannot be read is left out");
                    self.line.clear();
                    return;
                }
                flaw
            }
            Err(error) => Some(no_json(format!(
                "not valid JSON: {error}; send one message a line"
            ))),
        };
        match flaw {
            None => self.checked.append(&mut self.line),
            Some(unreadable) => {
                self.flaws.push_back(unreadable);
                self.line.clear();
            }
        }
    }
}

fn no_json(problem: String) -> Unreadable {
    (ErrorData::new(ErrorCode::PARSE_ERROR, problem, None), None)
}

impl<R: AsyncRead + Unpin> AsyncRead for JsonLines<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready = &this.checked[this.given..];
            if !ready.is_empty() {
                let count = ready.len().min(buffer.remaining());
                buffer.put_slice(&ready[..count]);
                this.given += count;
                return Poll::Ready(Ok(()));
            }
            this.checked.clear();
            this.given = 0;
            std::task::ready!(this.poll_tell(context));
            let mut space = [0; CHUNK_BYTES];
            let mut chunk = ReadBuf::new(&mut space);
            let read = Pin::new(&mut this.inner).poll_read(context, &mut chunk);
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !chunk.filled().is_empty() => this.take(chunk.filled()),
                Poll::Ready(result) => {
                    this.ended.send_replace(true);
                    return Poll::Ready(result);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What comes through of `input`, read in chunks of so many bytes, and what is told of the rest.
    async fn read(input: &[u8], chunk: usize) -> (Vec<u8>, Vec<String>) {
        let (tell, mut unreadable) = mpsc::channel(UNREADABLE_MAX);
        let (ended, end) = watch::channel(false);
        let mut lines = JsonLines::new(in_chunks(input, chunk), tell, ended);
        let reading = async move {
            let mut output = Vec::new();
            lines.read_to_end(&mut output).await.unwrap();
            output
        };
        let hearing = async move {
            let mut told = Vec::new();
            while let Some((error, _)) = unreadable.recv().await {
                told.push(error.message.into_owned());
            }
            told
        };
        let heard = tokio::join!(reading, hearing);
        assert!(*end.borrow());
        heard
    }

    #[tokio::test]
    async fn of_many_lines_that_are_no_message_each_is_told() {
        let many = 10 * UNREADABLE_MAX;
        let one = line(1);
        let input = [b"null\n".repeat(many), one.clone()].concat();
        for chunk in [3, input.len()] {
            let (output, told) = read(&input, chunk).await;
            assert_eq!(output, one);
            assert_eq!(told.len(), many);
        }
    }

    fn line(id: u64) -> Vec<u8> {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n").into_bytes()
    }

    #[tokio::test]
    async fn only_lines_with_a_message_come_through() {
        let mark: &[u8] = b"\xEF\xBB\xBF";
        let (one, two) = (line(1), line(2));
        let input = [
            one.as_slice(),
            b"\r\n{\"b\":\n",
            mark,
            &two,
            b"[2]\n\xff\n{\"cut\":",
        ]
        .concat();
        for chunk in [1, 3, 100] {
            let (output, told) = read(&input, chunk).await;
            assert_eq!(output, [one.as_slice(), mark, &two].concat());
            assert_eq!(told.len(), 3);
            assert!(told[0].starts_with("not valid JSON: EOF"), "{}", told[0]);
            assert!(told[1].starts_with("a list of messages"), "{}", told[1]);
        }
    }

    #[tokio::test]
    async fn what_the_library_would_leave_out_is_told_and_costs_no_other_message() {
        let long = [b"\"".as_slice(), &vec![b'a'; LINE_BYTES_MAX], b"\"\n"].concat();
        let deep = format!("{}{}\n", "[".repeat(200), "]".repeat(200));
        let (one, two, three) = (line(1), line(2), line(3));
        let input = [one.as_slice(), &long, &two, deep.as_bytes(), &three].concat();
        let (output, told) = read(&input, CHUNK_BYTES).await;
        assert_eq!(output, [one, two, three].concat());
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("a message is at most"), "{}", told[0]);
        assert!(told[1].contains("recursion limit"), "{}", told[1]);
    }

    /// Gives `input` in chunks of so many bytes.
    fn in_chunks(input: &[u8], chunk: usize) -> impl AsyncRead + Unpin {
        struct Chunks<'a>(&'a [u8], usize);
        impl AsyncRead for Chunks<'_> {
            fn poll_read(
                mut self: Pin<&mut Self>,
                _context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let (now, later) = self.0.split_at(self.1.min(self.0.len()));
                buffer.put_slice(now);
                self.0 = later;
                Poll::Ready(Ok(()))
            }
        }
        Chunks(input, chunk)
    }
}
