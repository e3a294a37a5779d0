//! A gh that a test writes, for what neither the real one nor the stand-in can do wrong.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Place;

/// Writes a shell script that says a version and then does as it is told for every other call.
/// The folder of the place is its working directory.
pub fn fake_gh(place: &Place, version: &str, otherwise: &str) -> PathBuf {
    let path = place.folder().join("fake-gh");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'gh version {version} (2026-01-01)'; exit 0; fi\n\
         {otherwise}\n"
    );
    // Written by a child: a file that this process holds open while another thread starts a
    // process cannot be run ("text file busy").
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(&path);
    let mut child = shell
        .stdin(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut input = child.stdin.take().expect("there is a pipe");
    input.write_all(script.as_bytes()).expect("the shell reads");
    drop(input);
    assert!(child.wait().is_ok_and(|status| status.success()));
    path
}
