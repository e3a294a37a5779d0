//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    issuecommand::cli::run(std::env::args_os())
}
