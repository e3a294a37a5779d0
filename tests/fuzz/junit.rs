//! Any bytes as a JUnit XML report.
#![no_main]

mod bounds;

use issuecommand::pulls::ci_log::parse_junit;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bounds::check(&parse_junit(bytes)));
