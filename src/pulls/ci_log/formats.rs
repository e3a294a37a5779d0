//! The table of formats.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Log, Run};

/// One log format.
pub(super) struct Format {
    /// Name of the tool.
    pub name: &'static str,
    /// Texts of which at least one is in every log of this format that matters, as the tool writes
    /// them whether coloured or not. Rare in other logs: a parser that is not needed costs time.
    pub sentinels: &'static [&'static str],
    /// Compilers and linters: what they say inside a test run is output of that run.
    pub is_diagnostic: bool,
    /// Finds the runs in a log, in order. Pure, linear in the log's size, and never panics.
    pub parse: fn(&Log<'_>) -> Vec<Run>,
}

/// All formats.
pub(super) static FORMATS: &[Format] = &[];

static SENTINELS: LazyLock<Option<(AhoCorasick, Vec<usize>)>> = LazyLock::new(|| {
    let mut owners = Vec::new();
    let mut texts = Vec::new();
    for (index, format) in FORMATS.iter().enumerate() {
        for sentinel in format.sentinels {
            owners.push(index);
            texts.push(*sentinel);
        }
    }
    AhoCorasick::new(texts).ok().map(|search| (search, owners))
});

/// The formats of which a sentinel is in the log.
pub(super) fn present(bytes: &[u8]) -> impl Iterator<Item = &'static Format> {
    let mut seen = vec![false; FORMATS.len()];
    if let Some((search, owners)) = &*SENTINELS {
        for found in search.find_overlapping_iter(bytes) {
            seen[owners[found.pattern().as_usize()]] = true;
        }
    }
    FORMATS
        .iter()
        .zip(seen)
        .filter(|(_, seen)| *seen)
        .map(|(format, _)| format)
}
