//! The stdio transport: one client, from its first byte to the end of its input.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rmcp::ServiceExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use super::McpServer;

/// Serves the client on standard input and output until its input ends.
///
/// Calls under way are given up then: the client is gone, and a grant that did not arrive is
/// taken back.
pub async fn serve_stdio(server: McpServer) -> io::Result<()> {
    let (reader, writer) = rmcp::transport::io::stdio_pipes();
    let (ended, mut end) = watch::channel(false);
    let reader = Ending {
        inner: reader,
        ended,
    };
    let serving = async {
        match server.serve((reader, writer)).await {
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

/// Tells when the input has ended.
struct Ending<R> {
    inner: R,
    ended: watch::Sender<bool>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Ending<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if matches!(&result, Poll::Ready(Ok(())) if buffer.filled().len() == before)
            || matches!(&result, Poll::Ready(Err(_)))
        {
            self.ended.send_replace(true);
        }
        result
    }
}
