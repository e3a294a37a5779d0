//! Which formats a log is of: one look at it for the sentinels of all.
//!
//! It is a search for a hundred texts at once, which the library does by vectors of bytes: of three
//! bytes it looks at, it takes the upper and the lower halves apart, for several texts together,
//! and what passes is compared. So what costs is not the texts but how often something passes. They
//! are searched for from rare bytes on, and texts of like bytes are put together.

use std::iter;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Input, Match, Span};

use super::formats::{FORMATS, Format};

/// Bytes that a thread takes at once: with them it stays in the processor's cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes that the library looks at first.
const LOOKED_AT: usize = 3;
/// A text is searched for from a place on that leaves so many of its bytes, if it has them.
const KEY_BYTES_MIN: usize = 6;
/// So many sets of texts the library tells apart.
const SETS: usize = 16;
/// Searches that all texts are spread over: the library takes at most 64 texts at once.
const SEARCHES: usize = 2;
/// Parts of words that stand in logs of all kinds.
const COMMON: [&[u8]; 5] = [b"package", b"ing", b"test", b"error", b"version"];

/// A search of a log that several threads can take part in.
pub(super) struct Presence<'a> {
    bytes: &'a [u8],
    /// Where the next block begins.
    next: AtomicUsize,
    /// For each format.
    seen: Vec<AtomicBool>,
}

impl<'a> Presence<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: AtomicUsize::new(0),
            seen: FORMATS.iter().map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Searches as long as a block is left.
    pub(super) fn search(&self) {
        self.search_for(&PARTS);
    }

    fn search_for(&self, parts: &[Part]) {
        loop {
            let start = self.next.fetch_add(BLOCK_BYTES, Ordering::Relaxed);
            if start >= self.bytes.len() {
                break;
            }
            for part in parts {
                part.search(self, start);
            }
        }
    }

    /// The formats of which a sentinel was found.
    pub(super) fn found(&self) -> Vec<&'static Format> {
        let all = FORMATS.iter().zip(&self.seen);
        all.filter(|(_, seen)| seen.load(Ordering::Relaxed))
            .map(|(format, _)| format)
            .collect()
    }
}

/// One sentinel: it is searched for from its rarest place on and then compared as a whole.
#[derive(Clone, Copy)]
struct Sentinel {
    format: usize,
    text: &'static [u8],
    /// Bytes before the part that is searched for.
    skipped: usize,
}

impl Sentinel {
    fn new(format: usize, text: &'static str) -> Self {
        let text = text.as_bytes();
        let last = text.len().saturating_sub(KEY_BYTES_MIN);
        let skipped = (0..=last).max_by_key(|start| rarity(text, *start));
        Self {
            format,
            text,
            skipped: skipped.unwrap_or(0),
        }
    }

    fn key(&self) -> &'static [u8] {
        &self.text[self.skipped..]
    }

    /// Orders by the upper halves of the bytes that are looked at, then by all.
    fn order(&self) -> (Vec<u8>, &'static [u8]) {
        let looked_at = self.key().iter().take(LOOKED_AT);
        (looked_at.map(|byte| byte >> 4).collect(), self.key())
    }
}

/// Some of the sentinels.
struct Part {
    finder: Finder,
    /// Of each key the library searches for, the sentinels that are there if it is.
    sentinels: Vec<Vec<Sentinel>>,
}

static PARTS: LazyLock<Vec<Part>> =
    LazyLock::new(|| parts(|keys| Finder::by_vectors(keys).or_else(|| Finder::by_bytes(keys))));

fn parts(finder: fn(&[&'static [u8]]) -> Option<Finder>) -> Vec<Part> {
    let of_format = |(index, format): (usize, &'static Format)| {
        let texts = format.sentinels.iter();
        texts.map(move |text| Sentinel::new(index, text))
    };
    let mut all: Vec<Sentinel> = FORMATS.iter().enumerate().flat_map(of_format).collect();
    all.sort_by_cached_key(Sentinel::order);
    let parts = all.chunks(all.len().div_ceil(SEARCHES));
    parts.filter_map(|part| Part::new(part, finder)).collect()
}

/// Searches for several texts at once; of those at one place it tells the longest.
enum Finder {
    Vectors(Searcher),
    Bytes(AhoCorasick),
}

impl Finder {
    /// `None` on a processor for which the library has no such search.
    fn by_vectors(texts: &[&'static [u8]]) -> Option<Self> {
        let mut builder = Config::new()
            .match_kind(MatchKind::LeftmostLongest)
            .builder();
        builder.extend(texts).build().map(Self::Vectors)
    }

    /// Slower, and everywhere.
    fn by_bytes(texts: &[&'static [u8]]) -> Option<Self> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(aho_corasick::MatchKind::LeftmostLongest);
        // It fails for more texts than there are numbers of states; here are a hundred.
        builder.build(texts).ok().map(Self::Bytes)
    }

    fn find(&self, bytes: &[u8], span: Span) -> Option<Match> {
        match self {
            Self::Vectors(searcher) => searcher.find_in(bytes, span),
            Self::Bytes(searcher) => searcher.find(Input::new(bytes).span(span)),
        }
    }
}

impl Part {
    fn new(sentinels: &[Sentinel], finder: fn(&[&'static [u8]]) -> Option<Finder>) -> Option<Self> {
        let mut keys: Vec<&'static [u8]> = sentinels.iter().map(Sentinel::key).collect();
        keys.dedup();
        let keys = dealt(&keys);
        // Of several keys at one place the longest is told; the others are its beginning.
        let with = |key: &&'static [u8]| {
            let is_with = |sentinel: &&Sentinel| key.starts_with(sentinel.key());
            sentinels.iter().filter(is_with).copied().collect()
        };
        Some(Self {
            sentinels: keys.iter().map(with).collect(),
            finder: finder(&keys)?,
        })
    }

    /// Searches for what begins in the block that begins here.
    fn search(&self, presence: &Presence<'_>, start: usize) {
        let bytes = presence.bytes;
        let end = bytes.len().min(start + BLOCK_BYTES);
        let longest = self
            .sentinels
            .iter()
            .flatten()
            .map(|sentinel| sentinel.key().len());
        let until = bytes.len().min(end + longest.max().unwrap_or(0));
        let mut rest = start;
        let found = iter::from_fn(|| {
            let found = self.finder.find(bytes, (rest..until).into())?;
            // On from the byte after its beginning: sentinels may overlap.
            rest = found.start() + 1;
            Some(found)
        });
        for found in found {
            for sentinel in &self.sentinels[found.pattern().as_usize()] {
                let whole = &bytes[found.start().saturating_sub(sentinel.skipped)..];
                if whole.starts_with(sentinel.text) {
                    presence.seen[sentinel.format].store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// The texts in such an order that the library, which deals them out to its sets one by one, puts
/// those into one set that stand side by side here.
fn dealt<T: Copy>(texts: &[T]) -> Vec<T> {
    let mut rest = texts;
    let sets: Vec<&[T]> = (0..SETS)
        .map(|set| {
            let size = texts.len() / SETS + usize::from(set < texts.len() % SETS);
            let (of_set, others) = rest.split_at(size);
            rest = others;
            of_set
        })
        .collect();
    let rounds = 0..texts.len().div_ceil(SETS);
    rounds
        .flat_map(|round| sets.iter().filter_map(move |set| set.get(round)))
        .copied()
        .collect()
}

/// How rare the bytes at this place of a text are in logs, roughly.
fn rarity(text: &[u8], start: usize) -> u32 {
    let end = text.len().min(start + LOOKED_AT);
    let sum = text[start..end].iter().map(|byte| rarity_of(*byte)).sum();
    let is_common = |word: &&[u8]| {
        let mut places = memchr::memmem::find_iter(text, word);
        places.any(|at| at < end && start < at + word.len())
    };
    if COMMON.iter().any(is_common) {
        sum / 4
    } else {
        sum
    }
}

fn rarity_of(byte: u8) -> u32 {
    // Letters by their frequency in English text.
    const LETTERS: &[u8] = b"etaoinsrhldcumfpgwybvkxjqz";
    match byte {
        b'a'..=b'z' => LETTERS
            .iter()
            .position(|letter| *letter == byte)
            .map_or(0, |place| 1 + place as u32 / 2),
        b'A'..=b'Z' => 18,
        0x80..=0xff => 30,
        b'0'..=b'9' | b'.' | b':' | b'-' | b' ' | b'/' | b'_' => 0,
        b'\n' | b'\r' => 6,
        _ => 22,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(parts: &[Part], log: &str) -> Vec<&'static str> {
        let presence = Presence::new(log.as_bytes());
        presence.search_for(parts);
        let found = presence.found().into_iter();
        found.map(|format| format.name).collect()
    }

    #[test]
    fn every_sentinel_is_found_wherever_it_stands() {
        for finder in [Finder::by_vectors, Finder::by_bytes] {
            let parts = parts(finder);
            check(|log| found(&parts, log));
        }
    }

    fn check(found: impl Fn(&str) -> Vec<&'static str>) {
        for format in FORMATS {
            for text in format.sentinels {
                for before in [0, 1, 77, BLOCK_BYTES - text.len() / 2, BLOCK_BYTES] {
                    let log = format!("{}{text}", "x".repeat(before));
                    assert!(found(&log).contains(&format.name), "{text:?} at {before}");
                }
            }
        }
        assert_eq!(found(&"x ".repeat(BLOCK_BYTES)), [] as [&str; 0]);
        assert_eq!(found(""), [] as [&str; 0]);
    }
}
