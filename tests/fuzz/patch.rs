//! Any text as a changed file: its path in the first line, its patch below.
#![no_main]

use issuecommand::pulls::edits::{edits, meetings};
use issuecommand::pulls::files::ChangedFile;
use issuecommand::pulls::{public_api, review, secrets};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (path, patch) = text.split_once('\n').unwrap_or((text, ""));
    let given = serde_json::json!({"filename": path, "status": "modified", "patch": patch});
    let file: ChangedFile = serde_json::from_value(given).expect("a changed file");
    let own = edits(&file.hunks());
    let _ = meetings(&own, &own);
    let _ = review::focus_points(&file);
    let masked = secrets::mask(patch);
    assert_eq!(masked.split('\n').count(), patch.split('\n').count());
    let _ = public_api::removed_names(&[file]);
});
