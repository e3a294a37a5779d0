//! `detect_merge_conflicts` from end to end.
