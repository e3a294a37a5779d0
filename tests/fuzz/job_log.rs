//! Any bytes as a job's log.
#![no_main]

mod bounds;

use issuecommand::pulls::ci_log::JobLog;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bounds::check(&JobLog::read(bytes, None).failures));
