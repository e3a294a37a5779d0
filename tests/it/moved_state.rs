//! Files of the state that are taken away while their owner lives: it must not hand out what
//! another owner may hand out as well.

use std::fs;

use serde_json::json;

use crate::support::{Place, Server, field};

fn refused_as_moved(server: &Server, number: u64) {
    let answer = server.claim("agent-b", number);
    let error = answer.expect(500);
    assert_eq!(error["code"], "state_moved", "{error}");
    // Asking again does not help: nothing says that it would.
    assert_eq!(answer.header("retry-after"), None);
    assert!(error["retry_after"].is_null(), "{error}");
    assert!(
        field(&error, "error").contains("was moved, deleted or replaced"),
        "{error}"
    );
    assert!(
        field(&error, "suggestion").contains("stop every issuecommand process"),
        "{error}"
    );
}

#[test]
fn an_owner_without_its_lock_or_journal_refuses_changes_until_they_are_back() {
    let place = Place::with_issues(6);
    let server = place.serve_synced();
    let held = server.granted("agent-a", 1);
    for suffix in ["lock", "journal.jsonl"] {
        let (file, elsewhere) = (place.beside(suffix), place.beside("elsewhere"));
        fs::rename(&file, &elsewhere).expect("it is there");
        refused_as_moved(&server, 2);
        let health = server.health();
        assert_ne!(health["status"], "ok");
        let mend = field(&health["problems"][0], "mend");
        assert!(mend.contains("stop every issuecommand process"), "{health}");
        fs::rename(&elsewhere, &file).expect("it is ours");
        server
            .patch(&held, json!({"status": "in_progress", "note": suffix}))
            .expect(200);
    }
    assert_eq!(server.claims().len(), 1);
}

#[test]
fn the_next_owner_of_a_deleted_lock_loses_nothing_to_the_former_one() {
    let place = Place::with_issues(6);
    let former = place.serve_synced();
    let held = former.granted("agent-a", 1);
    fs::remove_file(place.beside("lock")).expect("it is there");
    let next = place.serve();
    let granted = next.granted("agent-c", 2);
    refused_as_moved(&former, 2);
    // Neither refusing nor ending may touch files that belong to the next owner by now.
    former.stop();
    let third = next.granted("agent-c", 3);
    next.kill();
    let again = place.serve();
    let mut found: Vec<_> = again
        .claims()
        .iter()
        .map(|claim| field(claim, "claim_id").to_owned())
        .collect();
    found.sort();
    let mut expected = vec![held, granted, third];
    expected.sort();
    assert_eq!(found, expected);
}
