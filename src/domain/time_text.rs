//! Times as text. Changes that are stored together bear the same time, and each is told several
//! times over: in the journal, to its caller, to readers of events. So the last text is remembered.

use std::cell::RefCell;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serializer;

thread_local! {
    static LAST: RefCell<(Timestamp, String)> = const { RefCell::new((Timestamp::MIN, String::new())) };
}

/// Hands the RFC 3339 text of `at` to `read`, which must not ask for another time's.
pub fn with_time_text<R>(at: Timestamp, read: impl FnOnce(&str) -> R) -> R {
    LAST.with_borrow_mut(|(known, text)| {
        if *known != at || text.is_empty() {
            text.clear();
            *known = at;
            // Writing into a string does not fail.
            let _ = write!(text, "{at}");
        }
        read(text)
    })
}

/// For `#[serde(serialize_with)]`: the same text as the type's own.
pub fn serialize_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    with_time_text(*at, |text| serializer.serialize_str(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_time_asked_for() {
        for milliseconds in [0, 0, 1, 1_000, 1_000, -5, 1_795_000_000_123] {
            let at = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(with_time_text(at, str::to_owned), at.to_string());
            let own = serde_json::to_string(&at).unwrap();
            let mut ours = Vec::new();
            serialize_time(&at, &mut serde_json::Serializer::new(&mut ours)).unwrap();
            assert_eq!(ours, own.as_bytes());
        }
    }
}
