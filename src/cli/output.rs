//! Writing: results to standard output, errors to standard error, exit codes.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::domain::{ApiError, Category};

/// Prints a result. A reader that closed the pipe is not an error.
pub(super) fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let message = format!("the answer could not be written: {error}");
            let next = "free space where standard output goes, and read what was done with \
                        get_my_claims: the command itself was carried out";
            fail(
                &ApiError::new(Category::User, "output_failed", message, next),
                false,
            )
        }
    }
}

/// Writes to standard output.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
}

/// Prints an error with its next step, and gives its exit code.
pub(super) fn fail(error: &ApiError, json: bool) -> ExitCode {
    let text = if json {
        serde_json::to_string(error).unwrap_or_default() + "\n"
    } else {
        let (red, dim, off) = if io::stderr().is_terminal() {
            ("\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m")
        } else {
            ("", "", "")
        };
        let mut text = format!("{red}error:{off} {}\n", error.message);
        text.push_str(&format!("{dim}next:{off}  {}\n", error.suggestion));
        if let Some(seconds) = error.retry_after {
            text.push_str(&format!("       (again in {seconds} s)\n"));
        }
        text
    };
    // Nothing can be done about a closed standard error.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(error.exit_code())
}
