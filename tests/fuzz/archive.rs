//! Any bytes as an archive of test reports.
#![no_main]

mod bounds;

use issuecommand::pulls::ci_log::TestReports;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(reports) = TestReports::read(bytes) {
        bounds::check(&reports.failures);
    }
});
