//! Cursors: where the next page begins, bound to the tool and the filters it was made for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{ApiError, limits};

/// Makes a cursor for a position.
pub fn make(tool: &str, filters: &impl Serialize, position: &str) -> String {
    format!("{:08x}.{position}", fingerprint(tool, filters))
}

/// The position in a cursor; a cursor of another tool or other filters is refused.
pub fn read<'a>(
    tool: &str,
    filters: &impl Serialize,
    cursor: &'a str,
) -> Result<&'a str, ApiError> {
    let expected = format!("{:08x}", fingerprint(tool, filters));
    match cursor.split_once('.') {
        Some((found, position)) if found == expected => Ok(position),
        _ => Err(ApiError::invalid(
            "this cursor does not belong to this call",
            format!(
                "give the next_cursor of the last {tool} answer with the same filters, or none"
            ),
        )),
    }
}

/// The number in a cursor.
pub fn read_number(
    tool: &str,
    filters: &impl Serialize,
    cursor: Option<&str>,
) -> Result<Option<u64>, ApiError> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let position = read(tool, filters, cursor)?;
    position.parse().map(Some).map_err(|_| {
        ApiError::invalid(
            "this cursor is damaged",
            "give next_cursor exactly as it was answered",
        )
    })
}

/// A number that other filters, or another tool, do not share. Stable within one version of the
/// program, which is all that a cursor lives for.
pub fn fingerprint(tool: &str, filters: &impl Serialize) -> u32 {
    let mut hasher = DefaultHasher::new();
    tool.hash(&mut hasher);
    serde_json::to_string(filters)
        .unwrap_or_default()
        .hash(&mut hasher);
    (hasher.finish() & 0xffff_ffff) as u32
}

/// The page size asked for, within bounds.
pub fn page_size(asked: Option<u64>, default: usize, max: usize) -> Result<usize, ApiError> {
    match asked {
        None => Ok(default),
        Some(asked) => usize::try_from(asked)
            .ok()
            .filter(|size| (1..=max).contains(size))
            .ok_or_else(|| {
                ApiError::invalid(
                    format!("limit must be between 1 and {max}"),
                    "leave it out for the default, and use next_cursor for more",
                )
            }),
    }
}

/// Takes items until the page or the answer is full; tells whether some are left.
pub struct Page {
    /// What was taken.
    pub items: Vec<Box<RawValue>>,
    bytes: usize,
    size_max: usize,
}

impl Page {
    /// An empty page for so many items.
    pub fn new(size_max: usize) -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            size_max,
        }
    }

    /// With so many bytes of other fields beside the list.
    #[must_use]
    pub fn beside(mut self, bytes: usize) -> Self {
        self.bytes += bytes;
        self
    }

    /// Adds an item; `false` when it does not fit any more. The first one always fits.
    pub fn push(&mut self, item: &impl Serialize) -> Result<bool, ApiError> {
        // Room for the brackets, the cursor and a total around the list.
        const AROUND: usize = 256;
        let json = serde_json::value::to_raw_value(item)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let bytes = self.bytes + json.get().len() + 1;
        let full = self.items.len() >= self.size_max || bytes > limits::ANSWER_BYTES_MAX - AROUND;
        if full && !self.items.is_empty() {
            return Ok(false);
        }
        self.bytes = bytes;
        self.items.push(json);
        Ok(true)
    }

    /// Adds items, each with its position in the list, until one does not fit: the position of the
    /// last that did, where a cursor for the rest begins. `None` when there is no rest.
    pub fn fill<P>(
        &mut self,
        items: impl IntoIterator<Item = (P, impl Serialize)>,
    ) -> Result<Option<P>, ApiError> {
        let mut last = None;
        for (position, item) in items {
            if !self.push(&item)? {
                return Ok(last);
            }
            last = Some(position);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_call() {
        let cursor = make("a", &("x", 1), "40");
        assert_eq!(
            read_number("a", &("x", 1), Some(&cursor)).unwrap(),
            Some(40)
        );
        assert!(read("b", &("x", 1), &cursor).is_err());
        assert!(read("a", &("y", 1), &cursor).is_err());
        for nonsense in ["", ".", "zz", "00000000.1", "\u{0}"] {
            assert!(
                read_number("a", &("x", 1), Some(nonsense)).is_err(),
                "{nonsense:?}"
            );
        }
        let damaged = make("a", &("x", 1), "4x");
        assert!(read_number("a", &("x", 1), Some(&damaged)).is_err());
    }

    #[test]
    fn a_page_is_bounded_in_items_and_bytes() {
        let mut page = Page::new(2);
        assert!(page.push(&1).unwrap() && page.push(&2).unwrap());
        assert!(!page.push(&3).unwrap());
        let mut page = Page::new(100);
        let item = "x".repeat(3_000);
        assert!(page.push(&item).unwrap() && page.push(&item).unwrap());
        assert!(!page.push(&item).unwrap());
        let mut page = Page::new(2);
        let items = [('a', 1), ('b', 2), ('c', 3)];
        assert_eq!(
            page.fill(items).unwrap(),
            Some('b'),
            "the rest begins after it"
        );
        assert_eq!(page.items.len(), 2);
        assert_eq!(Page::new(3).fill(items).unwrap(), None, "no rest");
    }
}
