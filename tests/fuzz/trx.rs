//! Any bytes as a TRX report.
#![no_main]

mod bounds;

use issuecommand::pulls::ci_log::parse_trx;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bounds::check(&parse_trx(bytes)));
