//! Test reports in a zip archive, as jobs upload them: JUnit XML and TRX files.
//!
//! The archive was made by whoever may change the workflow: every count and size is bounded by what
//! is really read, whatever the archive says of itself. Names in it only tell whether a file is
//! worth a look; nothing touches the disk.

use std::collections::HashSet;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::{FAILURES_MAX, Failure, identity, parse_junit, parse_trx};

/// Most entries of an archive. Surefire writes a file for each test class.
const ENTRIES_MAX: usize = 10_000;
/// Most bytes of one report, and of all of them together, when unpacked.
const REPORT_BYTES_MAX: u64 = 16 << 20;
const TOTAL_BYTES_MAX: u64 = 128 << 20;
/// What each entry of the list of contents begins with.
const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
/// In the first part of a TRX file there is its root element.
const ROOT_BYTES: usize = 1_024;

/// What an archive of test reports tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TestReports {
    /// What failed, each once, at most [`FAILURES_MAX`].
    pub failures: Vec<Failure>,
    /// Reports that are too large, encrypted or damaged.
    pub unread: usize,
}

/// Why an archive cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It has more entries than are looked at.
    #[error("more than {ENTRIES_MAX} files in one archive")]
    TooManyEntries,
    /// It is no zip archive, or a damaged one.
    #[error("it is no archive: {0}")]
    Damaged(String),
}

impl TestReports {
    /// Reads all reports of an archive, in the order of the archive.
    ///
    /// # Errors
    /// When the archive as a whole cannot be read.
    pub fn read(archive: &[u8]) -> Result<Self, ArchiveError> {
        Self::read_within(archive, REPORT_BYTES_MAX, TOTAL_BYTES_MAX)
    }

    fn read_within(archive: &[u8], report_max: u64, total_max: u64) -> Result<Self, ArchiveError> {
        // The list of contents is read into memory as a whole: bounded before that.
        let entries = memchr::memmem::find_iter(archive, ENTRY_SIGNATURE);
        if entries.take(ENTRIES_MAX + 1).count() > ENTRIES_MAX {
            return Err(ArchiveError::TooManyEntries);
        }
        let mut archive = ZipArchive::new(Cursor::new(archive))
            .map_err(|error| ArchiveError::Damaged(error.to_string()))?;
        let mut reports = Self::default();
        let mut known = HashSet::new();
        let mut room = total_max;
        for index in 0..archive.len() {
            let name = archive.name_for_index(index);
            if !name.is_some_and(|name| name.is_ok_and(|name| is_report(&name))) {
                continue;
            }
            let bytes_max = room.min(report_max);
            let (report, whole) = unpack(&mut archive, index, bytes_max);
            // What was unpacked in vain counts as well: many entries may share one stream.
            room = room.saturating_sub(report.len() as u64);
            if !whole || report.len() as u64 > bytes_max {
                reports.unread += 1;
                if room == 0 {
                    break;
                }
                continue;
            }
            for failure in parse_report(&report) {
                if reports.failures.len() < FAILURES_MAX && known.insert(identity(&failure)) {
                    reports.failures.push(failure);
                }
            }
        }
        Ok(reports)
    }
}

fn is_report(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".xml") || name.ends_with(".trx")
}

/// The first bytes of the file at `index`, one more than `bytes_max` where it is larger, and whether
/// nothing was wrong with them.
fn unpack(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    bytes_max: u64,
) -> (Vec<u8>, bool) {
    let mut report = Vec::new();
    let whole = archive.by_index(index).is_ok_and(|file| {
        let mut file = file.take(bytes_max + 1);
        file.read_to_end(&mut report).is_ok()
    });
    (report, whole)
}

/// XML of another kind, as coverage, has no test cases.
fn parse_report(report: &[u8]) -> Vec<Failure> {
    let head = &report[..report.len().min(ROOT_BYTES)];
    if memchr::memmem::find(head, b"<TestRun").is_some() {
        parse_trx(report)
    } else {
        parse_junit(report)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    const JUNIT: &str = "<testsuite name='pytest'><testcase classname='tests.test_a' name='test_b'>\
        <failure message='assert 1 == 2'>E   assert 1 == 2</failure></testcase></testsuite>";
    const TRX: &str = "<?xml version='1.0'?><TestRun><Results><UnitTestResult testName='A.B' \
        outcome='Failed'><Output><ErrorInfo><Message>no</Message></ErrorInfo></Output>\
        </UnitTestResult></Results></TestRun>";

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            let options = SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn tests_in(reports: &TestReports) -> Vec<&str> {
        let failures = reports.failures.iter();
        failures.map(|failure| failure.test.as_str()).collect()
    }

    #[test]
    fn every_report_is_read_and_told_once() {
        let archive = packed(&[
            ("readme.txt", b"<testcase name='x'><failure/></testcase>"),
            ("unit/junit.xml", JUNIT.as_bytes()),
            ("../../etc/again.XML", JUNIT.as_bytes()),
            ("results.trx", TRX.as_bytes()),
            ("coverage.xml", b"<coverage line-rate='1'/>"),
        ]);
        let reports = TestReports::read(&archive).unwrap();
        assert_eq!(tests_in(&reports), ["tests/test_a.py::test_b", "A.B"]);
        assert_eq!(reports.unread, 0);
    }

    #[test]
    fn a_bomb_is_left_out_and_the_rest_is_read() {
        let bomb = vec![b' '; 1 << 20];
        let files: [(&str, &[u8]); 2] = [("bomb.xml", &bomb), ("junit.xml", JUNIT.as_bytes())];
        let archive = packed(&files);
        assert!(archive.len() < bomb.len() / 100, "it is packed well");
        let read = |report_max, total_max| {
            let reports = TestReports::read_within(&archive, report_max, total_max).unwrap();
            (reports.failures.len(), reports.unread)
        };
        let (bomb, report) = (bomb.len() as u64, JUNIT.len() as u64);
        assert_eq!(read(bomb, 2 * bomb), (1, 0));
        assert_eq!(read(bomb - 1, 2 * bomb), (1, 1), "one is too large");
        assert_eq!(read(bomb, bomb + report - 1), (0, 1), "together they are");
    }

    #[test]
    fn what_is_unpacked_in_vain_is_bounded_too() {
        let bomb = vec![b' '; 1 << 20];
        let names: Vec<String> = (0..50).map(|number| format!("{number}.xml")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), &bomb[..]))
            .collect();
        let archive = packed(&files);
        let reports = TestReports::read_within(&archive, 1_000, 10_000).unwrap();
        assert_eq!(reports.unread, 10, "the others are not begun");
    }

    #[test]
    fn what_is_no_archive_is_told() {
        assert!(matches!(
            TestReports::read(b"<html>"),
            Err(ArchiveError::Damaged(_))
        ));
        let many = ENTRY_SIGNATURE.repeat(ENTRIES_MAX + 1);
        assert_eq!(TestReports::read(&many), Err(ArchiveError::TooManyEntries));
    }

    proptest! {
        #[test]
        fn a_damaged_archive_is_read_or_refused(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
            let mut archive = packed(&[("a.xml", JUNIT.as_bytes()), ("b.trx", TRX.as_bytes())]);
            let place = at % archive.len();
            archive[place] = byte;
            archive.truncate(archive.len().max(cut) - cut);
            let _ = TestReports::read(&archive);
        }
    }
}
