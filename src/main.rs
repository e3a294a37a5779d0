//! The binary: arguments in, exit code out.

use std::process::ExitCode;

/// Requests are made on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    issuecommand::cli::run(std::env::args().collect())
}
