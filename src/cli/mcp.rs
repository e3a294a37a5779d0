//! `mcp`: MCP over stdio for one agent. A client may start it, look at its tools and leave:
//! nothing is touched before the first request, and little before the first call.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::serve::{ignore_file_size_signal, stop_signals};
use crate::app::{Config, Mode, Node, init_logging};
use crate::domain::{ApiError, SessionId, SessionRef};
use crate::mcp::{McpServer, serve_stdio};

/// Pause between the first request and joining: a client that only probes is gone by then.
const PROBE_TIME: Duration = Duration::from_millis(400);
/// Time to write the state at the end; clients kill what lasts longer.
const STOP_TIME: Duration = Duration::from_millis(700);

/// Serves the client until its input ends.
pub(super) fn run(config: Config) -> Result<ExitCode, ApiError> {
    let log_file = init_logging(&config)?;
    let runtime = super::runtime()?;
    runtime.block_on(async {
        ignore_file_size_signal()?;
        let signals = stop_signals()?;
        let session = SessionRef {
            id: SessionId(Uuid::new_v4()),
            pid: std::process::id(),
        };
        let node = Node::new(config, Mode::Mcp, Some(session), log_file);
        let first_request = Arc::new(Notify::new());
        let first_call = Arc::new(Notify::new());
        let (request, call) = (first_request.clone(), first_call.clone());
        let activity = Arc::new(move |calls_tool: bool| {
            request.notify_one();
            if calls_tool {
                call.notify_one();
            }
        });
        let joining = node.clone();
        tokio::spawn(async move {
            first_request.notified().await;
            let _ = tokio::time::timeout(PROBE_TIME, first_call.notified()).await;
            joining.join();
        });
        let server = McpServer::for_session(Arc::new(node.clone()), session, activity);
        tokio::select! {
            result = serve_stdio(server) => {
                result.map_err(|error| ApiError::internal(format!("stdio: {error}")))?;
            }
            () = signals.wait() => {}
        }
        if tokio::time::timeout(STOP_TIME, node.stop()).await.is_err() {
            tracing::info!("the last snapshot was left to the next start");
        }
        Ok(())
    })?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
