//! A bounded memory of what never changes: logs of finished jobs, uploaded reports, the threads of
//! comments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most things that are kept.
const KEPT_MAX: usize = 128;

/// What was read of things that never change, by their id.
pub(super) struct Kept<T>(Mutex<HashMap<u64, Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// What is known of one.
    pub fn get(&self, id: u64) -> Option<Arc<T>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&id).cloned()
    }

    /// Keeps what was read of one.
    pub fn keep(&self, id: u64, read: T) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        let read = Arc::new(read);
        all.insert(id, read.clone());
        read
    }
}
