//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    // What is no UTF-8 is refused as a wrong value where it is used, not by a panic here.
    let arguments = std::env::args_os();
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    issuecommand::cli::run(arguments.collect())
}
