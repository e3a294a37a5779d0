//! `serve`: the coordinator in the foreground.

use std::io::Write as _;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Config, Mode, Node, init_logging};
use crate::domain::ApiError;

/// Serves until it is told to stop.
pub(super) fn run(config: Config) -> Result<ExitCode, ApiError> {
    let log_file = init_logging(&config)?;
    let runtime = super::runtime()?;
    let result = runtime.block_on(async {
        ignore_file_size_signal()?;
        let signals = stop_signals()?;
        let with_key = config.api_key.is_some();
        let node = Node::new(config, Mode::Serve, None, log_file);
        let owner = node.own().await?;
        greet(owner.address, with_key);
        signals.wait().await;
        tracing::info!("shutting down");
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    });
    // What still blocks a thread must not hold the exit up.
    runtime.shutdown_background();
    result
}

fn greet(address: std::net::SocketAddr, with_key: bool) {
    let key = if with_key { " (API key needed)" } else { "" };
    let text = format!(
        "issuecommand {} serves http://{address}{key}\n  MCP   http://{address}/mcp\n  events http://{address}/sse\n  API   http://{address}/openapi.json\n",
        env!("CARGO_PKG_VERSION")
    );
    // A closed pipe must not stop the server.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

pub(super) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

pub(super) fn stop_signals() -> Result<StopSignals, ApiError> {
    let listen = |kind| signal(kind).map_err(|error| ApiError::internal(error.to_string()));
    Ok(StopSignals {
        interrupt: listen(SignalKind::interrupt())?,
        terminate: listen(SignalKind::terminate())?,
        hang_up: listen(SignalKind::hangup())?,
    })
}

impl StopSignals {
    /// Returns when the process is asked to stop.
    pub(super) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// A file-size limit (`ulimit -f`) shall be an error of the write, as a full disk is, rather than
/// the end of the process: SIGXFSZ is number 25 on Linux and macOS.
pub(super) fn ignore_file_size_signal() -> Result<(), ApiError> {
    let signal = signal(SignalKind::from_raw(25));
    signal
        .map(drop)
        .map_err(|error| ApiError::internal(error.to_string()))
}
