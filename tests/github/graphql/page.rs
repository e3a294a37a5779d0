//! Pages of connections. Cursors hold the place in the order, as on GitHub, so a
//! page stays right while the world changes between two requests.

use super::node::{Failure, Node};
use super::values::Arguments;

/// The place of an item in an order: what it is ordered by, and its number.
pub(super) type Key = (i64, u64);

/// A part of a connection.
pub(super) struct Page<'w> {
    /// The type of its nodes.
    pub(super) of: &'static str,
    pub(super) total: usize,
    pub(super) items: Vec<(Key, Node<'w>)>,
    pub(super) has_next: bool,
    pub(super) has_previous: bool,
}

impl<'w> Page<'w> {
    /// Cuts a page out of all items, which need not be in order.
    pub(super) fn cut(
        of: &'static str,
        mut items: Vec<(Key, Node<'w>)>,
        descending: bool,
        arguments: &Arguments<'_, '_>,
    ) -> Result<Self, Failure> {
        let bound = |name: &str| {
            arguments
                .number(name)
                .and_then(|count| usize::try_from(count).ok())
        };
        let (first, last) = (bound("first"), bound("last"));
        let cursor = |name: &str| arguments.text(name).map(|text| decode(&text)).transpose();
        let (mut after, mut before) = (cursor("after")?, cursor("before")?);
        if descending {
            (after, before) = (before, after);
        }
        let total = items.len();
        // Whatever lies outside the cursors is not asked for.
        items.retain(|(key, _)| after.is_none_or(|after| *key > after));
        let skipped_low = total - items.len();
        items.retain(|(key, _)| before.is_none_or(|before| *key < before));
        let skipped_high = total - skipped_low - items.len();
        let (mut more_low, mut more_high) = (skipped_low > 0, skipped_high > 0);
        // `first` counts from the beginning of the order, which is the highest key if it descends.
        let count = first.or(last).unwrap_or(0);
        let from_low = first.is_some() != descending;
        if items.len() > count {
            let order = |a: &(Key, Node<'w>), b: &(Key, Node<'w>)| {
                if from_low {
                    a.0.cmp(&b.0)
                } else {
                    b.0.cmp(&a.0)
                }
            };
            // Only what is shown needs to be in order.
            items.select_nth_unstable_by(count, order);
            items.truncate(count);
            if from_low {
                more_high = true;
            } else {
                more_low = true;
            }
        }
        items.sort_unstable_by_key(|(key, _)| *key);
        if descending {
            items.reverse();
            (more_low, more_high) = (more_high, more_low);
        }
        Ok(Self {
            of,
            total,
            items,
            has_next: more_high,
            has_previous: more_low,
        })
    }

    /// The cursor of an item.
    pub(super) fn cursor(key: Key) -> String {
        format!("Y3Vyc29y{:x}_{:x}", key.0, key.1)
    }
}

fn decode(text: &str) -> Result<Key, Failure> {
    let decoded = || {
        let (key, number) = text.strip_prefix("Y3Vyc29y")?.split_once('_')?;
        Some((
            i64::from_str_radix(key, 16).ok()?,
            u64::from_str_radix(number, 16).ok()?,
        ))
    };
    decoded().ok_or_else(|| Failure {
        kind: "INVALID_CURSOR_ARGUMENTS",
        message: format!("`{text}` does not appear to be a valid cursor."),
    })
}
