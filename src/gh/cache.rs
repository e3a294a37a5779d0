//! Answers kept with their ETag: asking again costs a 304, which is free of points.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::limits;

#[derive(Clone)]
pub(super) struct Entry {
    pub etag: String,
    pub body: Arc<[u8]>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    order: VecDeque<String>,
    bytes: usize,
}

/// Bounded in entries and bytes; the oldest goes first.
#[derive(Default)]
pub(super) struct EtagCache(Mutex<State>);

impl EtagCache {
    pub fn get(&self, path: &str) -> Option<Entry> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(path).cloned()
    }

    pub fn put(&self, path: &str, etag: &str, body: &[u8]) {
        if body.len() > limits::ETAG_CACHE_BYTES_MAX / 8 {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            etag: etag.to_owned(),
            body: body.into(),
        };
        state.bytes += body.len();
        match state.entries.insert(path.to_owned(), entry) {
            Some(old) => state.bytes -= old.body.len(),
            None => state.order.push_back(path.to_owned()),
        }
        while state.bytes > limits::ETAG_CACHE_BYTES_MAX
            || state.order.len() > limits::ETAG_CACHE_MAX
        {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some(old) = state.entries.remove(&oldest) {
                state.bytes -= old.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let cache = EtagCache::default();
        for number in 0..=limits::ETAG_CACHE_MAX {
            cache.put(&format!("path{number}"), "e", b"body");
        }
        assert!(cache.get("path0").is_none());
        assert!(cache.get("path1").is_some());
        let huge = vec![0; limits::ETAG_CACHE_BYTES_MAX];
        cache.put("huge", "e", &huge);
        assert!(cache.get("huge").is_none());
    }
}
