//! The rules of claims, each as a small story.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::{AgentId, ClaimId, Host, IssueKey, RequestId, SessionId, SessionRef, limits};

const MINUTE: Duration = Duration::from_secs(60);

struct World {
    ledger: Ledger,
    now: Timestamp,
    next_id: u128,
    changes: Vec<Change>,
}

impl World {
    fn new() -> Self {
        Self::with_policy(LeasePolicy {
            claim_timeout: 120 * MINUTE,
            stale_auto_release: Some(30 * MINUTE),
        })
    }

    fn with_policy(policy: LeasePolicy) -> Self {
        Self {
            ledger: Ledger::new(policy),
            now: "2026-11-20T10:00:00Z".parse().unwrap(),
            next_id: 0,
            changes: Vec::new(),
        }
    }

    fn commit_into(now: Timestamp, changes: &mut Vec<Change>) -> impl FnMut(&mut Ledger, Change) {
        move |ledger, change| {
            let recorded = Recorded {
                seq: ledger.seq() + 1,
                at: now,
                change,
            };
            let before = format!("{:?}", ledger.image());
            let undo = ledger.apply(&recorded);
            ledger.undo(undo);
            assert_eq!(
                format!("{:?}", ledger.image()),
                before,
                "undo restores everything"
            );
            ledger.apply(&recorded);
            changes.push(recorded.change);
        }
    }

    fn run(&mut self, command: &Command) -> Outcome {
        let commit = Self::commit_into(self.now, &mut self.changes);
        self.ledger.execute(command, self.now, commit)
    }

    fn grant(&mut self, agent: &str, number: u64, session: Option<u32>) -> Outcome {
        self.grant_with(agent, number, session, None)
    }

    fn grant_with(
        &mut self,
        agent: &str,
        number: u64,
        session: Option<u32>,
        request: Option<u128>,
    ) -> Outcome {
        self.next_id += 1;
        let id = self.next_id;
        self.run(&Command::Grant(Grant {
            new_claim_id: ClaimId(Uuid::from_u128(id)),
            agent_id: agent.parse().unwrap(),
            session: session.map(session_ref),
            request_id: request.map(|id| RequestId(Uuid::from_u128(id))),
            key: key(number),
            title: "Fix it".into(),
        }))
    }

    fn granted(&mut self, agent: &str, number: u64, session: Option<u32>) -> Arc<Claim> {
        match self.grant(agent, number, session) {
            Outcome::Granted { claim, .. } => claim,
            other => panic!("not granted: {other:?}"),
        }
    }

    fn update(&mut self, claim: &Claim, actor: Actor, status: Status) -> Outcome {
        let pr_url =
            (status == Status::PrSubmitted).then(|| "https://github.com/acme/api/pull/9".into());
        self.run(&Command::Update {
            claim_id: claim.claim_id,
            actor,
            status,
            note: None,
            pr_url,
        })
    }

    fn release(&mut self, claim: &Claim, actor: Actor) -> Outcome {
        self.run(&Command::Release {
            target: Target::Claim(claim.claim_id),
            actor,
            reason: None,
            handoff_note: Some("look at auth.rs".into()),
        })
    }

    fn observe(&mut self, number: u64, fact: GitHubFact) -> Outcome {
        self.run(&Command::Observe {
            key: key(number),
            fact,
        })
    }

    fn pass(&mut self, by: Duration) {
        self.now = crate::domain::later(self.now, by);
        let commit = Self::commit_into(self.now, &mut self.changes);
        self.ledger.tick(self.now, commit);
    }

    fn status(&self, number: u64) -> Option<Status> {
        self.ledger.holder(&key(number)).map(|claim| claim.status)
    }
}

fn key(number: u64) -> IssueKey {
    IssueKey {
        host: Host::default(),
        repo: "acme/api".parse().unwrap(),
        number,
    }
}

fn session_ref(pid: u32) -> SessionRef {
    SessionRef {
        id: SessionId(Uuid::from_u128(u128::from(pid) << 64)),
        pid,
    }
}

fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

fn by(name: &str) -> Actor {
    Actor {
        agent_id: Some(agent(name)),
        ..Actor::default()
    }
}

fn by_session(pid: u32) -> Actor {
    Actor {
        session: Some(session_ref(pid)),
        ..Actor::default()
    }
}

#[test]
fn one_agent_wins_and_the_other_learns_who() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    assert_eq!(
        world.grant("b", 1, None),
        Outcome::Refused(Refusal::AlreadyClaimed(claim.clone()))
    );
    match world.grant("a", 1, None) {
        Outcome::Granted {
            claim: again,
            already_owned: true,
        } => {
            assert_eq!(again.claim_id, claim.claim_id);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn transitions_follow_the_table() {
    for from in Status::ALL.into_iter().filter(|status| status.is_active()) {
        for to in Status::ALL {
            if from == Status::Stale || matches!(to, Status::Stale) && from == to {
                continue;
            }
            let mut world = World::new();
            let claim = world.granted("a", 1, None);
            if from != Status::Claimed {
                assert!(matches!(
                    world.update(&claim, by("a"), from),
                    Outcome::Updated(_)
                ));
            }
            let allowed = from == to || from.allowed_next().contains(&to);
            match world.update(&claim, by("a"), to) {
                Outcome::Updated(updated) => {
                    assert!(allowed, "{from} -> {to}");
                    assert_eq!(updated.status, to);
                }
                Outcome::Refused(Refusal::NotAllowed { asked, .. }) => {
                    assert!(!allowed, "{from} -> {to}");
                    assert_eq!(asked, to);
                }
                other => panic!("{from} -> {to}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_pull_request_needs_an_address() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    let outcome = world.run(&Command::Update {
        claim_id: claim.claim_id,
        actor: by("a"),
        status: Status::PrSubmitted,
        note: None,
        pr_url: None,
    });
    assert!(matches!(
        outcome,
        Outcome::Refused(Refusal::PullRequestMissing(_))
    ));
}

#[test]
fn the_old_id_is_refused_after_release() {
    let mut world = World::new();
    let old = world.granted("a", 1, None);
    assert!(matches!(world.release(&old, by("a")), Outcome::Updated(_)));
    let new = world.granted("b", 1, None);
    assert_ne!(old.claim_id, new.claim_id);
    match world.update(&old, by("a"), Status::InProgress) {
        Outcome::Refused(Refusal::ClaimLost { now_held_by, .. }) => {
            assert_eq!(now_held_by, Some(agent("b")));
        }
        other => panic!("{other:?}"),
    }
    let memory = world.ledger.memory(&key(1)).unwrap();
    assert_eq!(
        (memory.attempts, memory.handoff_note.as_deref()),
        (1, Some("look at auth.rs"))
    );
}

#[test]
fn writes_that_name_another_agent_are_refused() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    let outcome = world.release(&claim, by("b"));
    assert!(matches!(outcome, Outcome::Refused(Refusal::NotYours(_))));
    assert!(matches!(
        world.release(&claim, Actor::default()),
        Outcome::Updated(_)
    ));
}

#[test]
fn one_name_in_two_live_windows_is_refused() {
    let mut world = World::new();
    world.ledger.session_opened(session_ref(1).id, 0);
    world.ledger.session_opened(session_ref(2).id, 0);
    let claim = world.granted("a", 1, Some(1));
    for number in [1, 2] {
        match world.grant("a", number, Some(2)) {
            Outcome::Refused(Refusal::AgentIdInUse { pid, .. }) => assert_eq!(pid, 1),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        world.release(&claim, by_session(2)),
        Outcome::Refused(Refusal::HeldByOtherSession(_))
    ));
    assert!(
        matches!(world.release(&claim, Actor::default()), Outcome::Updated(_)),
        "a person can"
    );
}

#[test]
fn a_session_that_came_back_outlives_its_former_connection() {
    let mut world = World::new();
    let session = session_ref(1).id;
    world.ledger.session_opened(session, 1);
    world.ledger.session_opened(session, 3);
    world.granted("a", 1, Some(1));
    // Noticed late, and for a connection that was never the newest.
    for former in [1, 2] {
        world.ledger.session_closed(session, former);
        let refusal = world.grant("a", 2, Some(2));
        assert!(
            matches!(&refusal, Outcome::Refused(Refusal::AgentIdInUse { .. })),
            "{refusal:?}"
        );
    }
    world.ledger.session_closed(session, 3);
    assert!(!world.ledger.is_live(session));
    world.granted("a", 2, Some(2));
}

#[test]
fn a_dead_sessions_claims_are_handed_on_under_new_ids() {
    let mut world = World::new();
    world.ledger.session_opened(session_ref(1).id, 0);
    let first = world.granted("a", 1, Some(1));
    let second = world.granted("a", 2, Some(1));
    world.update(&second, by_session(1), Status::InProgress);
    world.ledger.session_closed(session_ref(1).id, 0);
    world.ledger.session_opened(session_ref(2).id, 0);
    match world.grant("a", 2, Some(2)) {
        Outcome::Granted {
            claim,
            already_owned: true,
        } => {
            assert_ne!(claim.claim_id, second.claim_id);
            assert_eq!(claim.status, Status::InProgress);
        }
        other => panic!("{other:?}"),
    }
    for lost in [&first, &second] {
        match world.update(lost, by_session(1), Status::InProgress) {
            Outcome::Refused(Refusal::ClaimLost { now_held_by, .. }) => {
                assert_eq!(now_held_by, Some(agent("a")));
            }
            other => panic!("{other:?}"),
        }
    }
    let ids: std::collections::HashSet<_> = world
        .ledger
        .held_by(&agent("a"))
        .map(|claim| claim.claim_id)
        .collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn the_first_of_two_windows_that_writes_to_a_dead_sessions_claim_has_it() {
    let mut world = World::new();
    for pid in [1, 2, 3] {
        world.ledger.session_opened(session_ref(pid).id, 0);
    }
    let first = world.granted("a", 1, Some(1));
    let second = world.granted("a", 2, Some(1));
    world.ledger.session_closed(session_ref(1).id, 0);
    let update =
        |world: &mut World, claim, pid| world.update(claim, by_session(pid), Status::InProgress);
    assert!(matches!(
        update(&mut world, &first, 2),
        Outcome::Updated(claim) if claim.session == Some(session_ref(2))
    ));
    assert!(matches!(
        update(&mut world, &first, 3),
        Outcome::Refused(Refusal::HeldByOtherSession(_))
    ));
    // Nor does the other one get the rest of what their name holds, or will hold.
    assert!(matches!(
        update(&mut world, &second, 3),
        Outcome::Refused(Refusal::HeldByOtherSession(_))
    ));
    let by_hand = world.granted("a", 3, None);
    assert!(matches!(
        update(&mut world, &by_hand, 3),
        Outcome::Refused(Refusal::AgentIdInUse { pid: 2, .. })
    ));
    for claim in [&first, &second] {
        assert!(matches!(update(&mut world, claim, 2), Outcome::Updated(_)));
    }
    // A person's write leaves it where it is.
    assert!(matches!(
        world.update(&first, Actor::default(), Status::InProgress),
        Outcome::Updated(claim) if claim.session == Some(session_ref(2))
    ));
}

#[test]
fn a_claim_without_a_session_goes_to_the_first_that_writes_to_it() {
    let mut world = World::new();
    for pid in [1, 2] {
        world.ledger.session_opened(session_ref(pid).id, 0);
    }
    let claim = world.granted("a", 1, None);
    assert!(matches!(
        world.update(&claim, by_session(1), Status::InProgress),
        Outcome::Updated(_)
    ));
    assert!(matches!(
        world.update(&claim, by_session(2), Status::InProgress),
        Outcome::Refused(Refusal::HeldByOtherSession(_))
    ));
}

#[test]
fn a_merge_holds_no_lease() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    world.update(&claim, by("a"), Status::PrMerged);
    world.pass(121 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
    let commit = World::commit_into(world.now, &mut world.changes);
    world.ledger.revive(&agent("a"), world.now, commit);
    assert_eq!(world.status(1), Some(Status::PrMerged));
    // GitHub tells which one it was: the issue stays open all the same.
    let at = Some(world.now);
    let url = "https://github.com/acme/api/pull/9".into();
    world.observe(1, GitHubFact::PullRequestMerged { url, at });
    assert_eq!(world.status(1), Some(Status::PrMerged));
    world.pass(121 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
}

#[test]
fn silence_makes_stale_and_the_next_call_revives() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    world.update(&claim, by("a"), Status::InProgress);
    world.pass(119 * MINUTE);
    assert_eq!(world.status(1), Some(Status::InProgress));
    world.pass(2 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
    assert!(matches!(
        world.grant("b", 1, None),
        Outcome::Refused(Refusal::AlreadyClaimed(_))
    ));
    let commit = World::commit_into(world.now, &mut world.changes);
    world.ledger.revive(&agent("a"), world.now, commit);
    assert_eq!(world.status(1), Some(Status::InProgress));
    world.pass(121 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
    world.pass(31 * MINUTE);
    assert_eq!(world.status(1), None);
}

#[test]
fn a_call_counts_although_what_it_followed_is_undone() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    world.pass(100 * MINUTE);
    let mut undo = Vec::new();
    let (now, why) = (world.now, "nobody took it");
    let claim_id = claim.claim_id;
    let withdraw = Command::Withdraw { claim_id, why };
    world.ledger.execute(&withdraw, now, |ledger, change| {
        let (seq, at) = (ledger.seq() + 1, now);
        undo.push(ledger.apply(&Recorded { seq, at, change }));
    });
    world.ledger.renew(&agent("a"), now);
    for undo in undo {
        world.ledger.undo(undo);
    }
    world.pass(100 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Claimed));
}

#[test]
fn any_call_of_the_agent_renews_all_it_holds() {
    let mut world = World::new();
    world.granted("a", 1, None);
    for number in 2..6 {
        world.pass(100 * MINUTE);
        world.granted("a", number, None);
    }
    assert!((1..6).all(|number| world.status(number) == Some(Status::Claimed)));
}

#[test]
fn a_call_of_the_session_renews_what_lies_with_it() {
    let mut world = World::new();
    world.granted("a", 1, Some(1));
    world.granted("a", 2, Some(1));
    world.granted("c", 3, Some(2));
    let hear = |world: &mut World, pid| {
        let commit = World::commit_into(world.now, &mut world.changes);
        world
            .ledger
            .hear_session(session_ref(pid).id, world.now, commit);
    };
    world.pass(100 * MINUTE);
    let before = world.changes.len();
    hear(&mut world, 1);
    assert_eq!(world.changes.len(), before, "a renewal is no change");
    world.pass(100 * MINUTE);
    let statuses = |world: &World| [1, 2, 3].map(|number| world.status(number));
    let (claimed, stale) = (Some(Status::Claimed), Some(Status::Stale));
    assert_eq!(statuses(&world), [claimed, claimed, stale]);
    world.pass(25 * MINUTE);
    assert_eq!(statuses(&world), [stale, stale, stale]);
    hear(&mut world, 1);
    assert_eq!(statuses(&world), [claimed, claimed, stale]);
    // What it no longer holds is not renewed by it.
    for number in [1, 2] {
        let claim = world.ledger.holder(&key(number)).cloned().unwrap();
        world.release(&claim, by_session(1));
    }
    world.granted("a", 1, None);
    world.pass(100 * MINUTE);
    hear(&mut world, 1);
    world.pass(25 * MINUTE);
    assert_eq!(world.status(1), stale);
}

#[test]
fn of_agents_that_share_a_process_only_those_that_are_named_are_heard_of() {
    let mut world = World::new();
    world.granted("a", 1, Some(1));
    world.granted("b", 2, Some(1));
    world.pass(100 * MINUTE);
    let commit = World::commit_into(world.now, &mut world.changes);
    world
        .ledger
        .hear_session(session_ref(1).id, world.now, commit);
    world.pass(25 * MINUTE);
    let statuses = [1, 2].map(|number| world.status(number));
    assert_eq!(
        statuses,
        [Some(Status::Stale); 2],
        "one of them may be dead"
    );
}

#[test]
fn an_open_pull_request_holds_the_lease() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    world.update(&claim, by("a"), Status::PrSubmitted);
    world.pass(10_000 * MINUTE);
    assert_eq!(world.status(1), Some(Status::PrSubmitted));
    let url: Arc<str> = "https://github.com/acme/api/pull/9".into();
    world.observe(1, GitHubFact::PullRequestClosed(url));
    assert_eq!(world.status(1), Some(Status::InProgress));
    world.pass(119 * MINUTE);
    assert_eq!(
        world.status(1),
        Some(Status::InProgress),
        "a full period from then on"
    );
    world.pass(2 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
}

#[test]
fn a_restart_gives_every_lease_a_full_period() {
    let mut world = World::new();
    world.granted("a", 1, None);
    world.now = crate::domain::later(world.now, 500 * MINUTE);
    let policy = world.ledger.policy;
    world.ledger = Ledger::from_image(policy, world.ledger.image());
    world.ledger.promote(world.now);
    world.pass(119 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Claimed));
    world.pass(2 * MINUTE);
    assert_eq!(world.status(1), Some(Status::Stale));
}

#[test]
fn github_moves_claims_along() {
    let mut world = World::new();
    let url: Arc<str> = "https://github.com/acme/api/pull/9".into();
    world.granted("a", 1, None);
    world.observe(1, GitHubFact::PullRequestOpen(url.clone()));
    assert_eq!(world.status(1), Some(Status::PrSubmitted));
    let claim = world.ledger.holder(&key(1)).cloned().unwrap();
    world.update(&claim, by("a"), Status::InProgress);
    world.observe(1, GitHubFact::PullRequestOpen(url.clone()));
    assert_eq!(
        world.status(1),
        Some(Status::InProgress),
        "changes were asked for"
    );
    world.observe(1, GitHubFact::PullRequestMerged { url, at: None });
    assert_eq!(world.status(1), Some(Status::PrMerged));
    world.observe(1, GitHubFact::IssueClosed);
    assert_eq!(world.status(1), None);
    let (_, ended) = world.ledger.ended().next().unwrap();
    assert_eq!(ended.status, Status::Closed);
    assert_eq!(
        ended.status_history.last().unwrap().note.as_deref(),
        Some("closed on GitHub")
    );
    assert_eq!(
        world.observe(1, GitHubFact::IssueClosed),
        Outcome::Unchanged
    );
}

#[test]
fn a_merge_before_the_claim_is_another_ones() {
    let mut world = World::new();
    let url: Arc<str> = "https://github.com/acme/api/pull/9".into();
    let claim = world.granted("a", 1, None);
    let before = claim.claimed_at.checked_sub(MINUTE).unwrap();
    for at in [Some(before), None] {
        let url = url.clone();
        let outcome = world.observe(1, GitHubFact::PullRequestMerged { url, at });
        assert_eq!(outcome, Outcome::Unchanged);
    }
    assert_eq!(world.status(1), Some(Status::Claimed));
    // Of the one that the claim names it counts whenever it was.
    world.update(&claim, by("a"), Status::PrSubmitted);
    let at = Some(before);
    world.observe(1, GitHubFact::PullRequestMerged { url, at });
    assert_eq!(world.status(1), Some(Status::PrMerged));
    // A merge that was missed while it was not recorded counts as well.
    world.granted("a", 2, None);
    let (url, at) = ("https://github.com/acme/api/pull/8".into(), Some(world.now));
    world.observe(2, GitHubFact::PullRequestMerged { url, at });
    assert_eq!(world.status(2), Some(Status::PrMerged));
}

#[test]
fn what_a_claim_submitted_is_not_replaced_by_somebody_elses() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    world.update(&claim, by("a"), Status::PrSubmitted);
    world.update(&claim, by("a"), Status::InProgress);
    let url: Arc<str> = "https://github.com/acme/api/pull/10".into();
    let at = Some(world.now);
    for fact in [
        GitHubFact::PullRequestOpen(url.clone()),
        GitHubFact::PullRequestMerged {
            url: url.clone(),
            at,
        },
        GitHubFact::PullRequestClosed(url),
    ] {
        assert_eq!(world.observe(1, fact), Outcome::Unchanged);
    }
    let claim = world.ledger.holder(&key(1)).cloned().unwrap();
    let own = "https://github.com/acme/api/pull/9";
    assert_eq!(claim.pr_url.as_deref(), Some(own));
    // Once its own is closed another one can finish it.
    world.observe(1, GitHubFact::PullRequestClosed(own.into()));
    let url = "https://github.com/acme/api/pull/11".into();
    world.observe(1, GitHubFact::PullRequestOpen(url));
    assert_eq!(world.status(1), Some(Status::PrSubmitted));
}

#[test]
fn a_repeated_request_is_done_once() {
    let mut world = World::new();
    let Outcome::Granted { claim: first, .. } = world.grant_with("a", 1, None, Some(7)) else {
        panic!()
    };
    let Outcome::Granted { claim: again, .. } = world.grant_with("a", 2, None, Some(7)) else {
        panic!()
    };
    assert_eq!(first.claim_id, again.claim_id);
    assert_eq!(world.status(2), None);
    let actor = Actor {
        request_id: Some(RequestId(Uuid::from_u128(8))),
        ..by("a")
    };
    assert!(matches!(
        world.release(&first, actor.clone()),
        Outcome::Updated(_)
    ));
    assert!(
        matches!(world.release(&first, actor), Outcome::Updated(_)),
        "answered again"
    );
}

#[test]
fn the_status_history_is_bounded() {
    let mut world = World::new();
    let claim = world.granted("a", 1, None);
    for round in 0..200 {
        let status = if round % 2 == 0 {
            Status::PrSubmitted
        } else {
            Status::InProgress
        };
        world.update(&claim, by("a"), status);
    }
    let claim = world.ledger.holder(&key(1)).unwrap();
    assert_eq!(claim.status_history.len(), limits::STATUS_HISTORY_MAX);
    assert_eq!(claim.status_history[0].status, Status::Claimed);
}

#[test]
fn failing_checks_are_announced_once_for_a_commit() {
    let mut world = World::new();
    let failed = |number: u64, sha: &str| {
        Arc::new(FailedChecks {
            repo: "acme/api".parse().unwrap(),
            number,
            head_sha: sha.into(),
            claim_id: None,
            agent_id: None,
            issue_number: None,
            checks: vec!["test".into()],
            tests: Vec::new(),
        })
    };
    let mut commit = World::commit_into(world.now, &mut world.changes);
    for failed in [failed(2, "abc"), failed(3, "abc"), failed(2, "def")] {
        assert!(!world.ledger.is_failure_told(&failed));
        commit(&mut world.ledger, Change::ChecksFailed(failed.clone()));
        assert!(world.ledger.is_failure_told(&failed));
    }
    drop(commit);
    assert!(
        !world.ledger.is_failure_told(&failed(2, "abc")),
        "only the newest counts"
    );
    let image = serde_json::to_string(&world.ledger.image()).unwrap();
    let policy = world.ledger.policy;
    let after_restart = Ledger::from_image(policy, serde_json::from_str(&image).unwrap());
    assert!(after_restart.is_failure_told(&failed(2, "def")));
    for number in 10..10 + limits::FAILED_HEADS_MAX as u64 {
        let mut commit = World::commit_into(world.now, &mut world.changes);
        commit(
            &mut world.ledger,
            Change::ChecksFailed(failed(number, "abc")),
        );
    }
    assert!(
        !world.ledger.is_failure_told(&failed(3, "abc")),
        "the oldest made room"
    );
}
