//! `manage_stacked_prs` against real git repositories: every plan is carried out, and the branches
//! must then hold exactly their own commits, by subject and patch, on the right base.

use issuecommand::pulls::stack::Wish;
use serde_json::{Value, json};

use crate::stack_lab::{Deleted, Lab, Merge, has_file};

/// `auth` (#100) on main, with two commits of which the second changes the first's line: replayed
/// on a squash of both, the first conflicts. `auth-ui` (#101) on it.
fn two_layers() -> Lab {
    let mut lab = Lab::new();
    lab.open(100, "auth", "main");
    lab.commit("auth", "auth.txt", "one\n", "auth: begin");
    lab.commit("auth", "auth.txt", "two\n", "auth: finish");
    lab.open(101, "auth-ui", "auth");
    lab.commit("auth-ui", "ui.txt", "a\n", "ui: begin");
    lab.commit("auth-ui", "ui.txt", "a\nb\n", "ui: finish");
    lab
}

/// The same with `docs` (#102) on top.
fn three_layers() -> Lab {
    let mut lab = two_layers();
    lab.open(102, "docs", "auth-ui");
    lab.commit("docs", "docs.txt", "text\n", "docs: begin");
    lab
}

fn status(answer: &Value, number: u64) -> &str {
    let layers = answer["stack"]["layers"]
        .as_array()
        .expect("there are layers");
    let layer = layers.iter().find(|layer| layer["pr"] == number);
    layer.expect("it is in the stack")["status"]
        .as_str()
        .expect("it is text")
}

/// Whether the summary says so.
fn waits(answer: &Value, sentence: &str) -> bool {
    let reason = answer["summary"]["reason"].as_str();
    reason.is_some_and(|reason| reason.contains(sentence))
}

/// Asks from one layer, carries the plan out in a fresh clone, asks again: nothing may be left.
#[track_caller]
fn restack(lab: &mut Lab, selected: u64) -> Value {
    restack_as(lab, selected, &Wish::default())
}

/// The same with wishes.
#[track_caller]
fn restack_as(lab: &mut Lab, selected: u64, wish: &Wish) -> Value {
    let answer = lab.ask_with(selected, wish);
    lab.fresh_clone("clone");
    lab.run("clone", &answer)
        .unwrap_or_else(|error| panic!("{error}\n{answer:#}"));
    let again = lab.ask_with(selected, wish);
    assert_eq!(again["summary"]["action_required"], false, "{again:#}");
    assert_eq!(again["commands"], json!([]));
    answer
}

#[test]
fn the_parent_was_squashed() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 101);
    assert_eq!(status(&answer, 101), "needs_onto");
    assert_eq!(answer["stack"]["layers"][0]["merge_kind"], "squash");
    assert_eq!(answer["stack"]["layers"][1]["own_commits"], 2);
    assert_eq!(
        answer["stack"]["visualization"],
        "main <- #100 (squash) <- #101*"
    );
    let strategy = &answer["rebase_strategy"];
    assert_eq!(strategy["recommended"], "onto");
    assert_eq!(strategy["old_base_source"], "parent_head");
    assert_eq!(strategy["own_subjects"], json!(["ui: begin", "ui: finish"]));
    assert_eq!(answer["hazards"][0]["code"], "base_branch_live_dependents");
    lab.holds_its_own(101, "main");
}

/// Proof that the other tests could fail: without an old base the same stack does not come out.
#[test]
fn a_plain_rebase_would_not_do() {
    let mut lab = two_layers();
    lab.amend("auth", "auth.txt", "three\n", "auth: finish");
    lab.merge(100, Merge::Squash);
    for (clone, command) in [
        ("a", "git switch -q auth-ui && git rebase -q origin/main"),
        (
            "b",
            "git switch -q auth-ui && git rebase -q --onto origin/main origin/auth",
        ),
    ] {
        lab.fresh_clone(clone);
        let output = lab.shell(clone, command);
        assert!(!output.status.success(), "{command} meets a conflict");
    }
}

#[test]
fn the_parent_was_squashed_and_the_child_retargeted() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    // From above and from below.
    assert_eq!(lab.ask(100)["commands"], lab.ask(101)["commands"]);
    let answer = restack(&mut lab, 100);
    let commands = answer["commands"].to_string();
    assert!(!commands.contains("gh pr edit"), "{commands}");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_parent_was_merged() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Commit);
    let answer = restack(&mut lab, 101);
    assert_eq!(status(&answer, 101), "needs_rebase");
    assert_eq!(answer["rebase_strategy"]["recommended"], "regular");
    assert_eq!(answer["squash_merge"], false);
    lab.holds_its_own(101, "main");
}

#[test]
fn the_parent_was_pushed_to_main() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Push);
    let answer = restack(&mut lab, 101);
    assert_eq!(answer["stack"]["layers"][0]["merge_kind"], "fast_forward");
    assert_eq!(status(&answer, 101), "needs_retarget");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_parent_was_rebased_and_main_went_on() {
    let mut lab = two_layers();
    lab.others_work("before.txt");
    lab.merge(100, Merge::Rebase);
    lab.delete("auth", Deleted::WithMerge);
    lab.others_work("after.txt");
    let answer = restack(&mut lab, 101);
    assert_eq!(answer["stack"]["layers"][0]["merge_kind"], "rebase");
    assert_eq!(status(&answer, 101), "needs_onto");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_open_parent_has_new_commits() {
    let mut lab = two_layers();
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    let answer = restack(&mut lab, 101);
    assert_eq!(status(&answer, 101), "needs_restack");
    lab.holds_its_own(101, "auth");
}

#[test]
fn the_open_parent_was_rewritten() {
    let mut lab = two_layers();
    lab.amend("auth", "auth.txt", "three\n", "auth: finish");
    let answer = restack(&mut lab, 101);
    assert_eq!(status(&answer, 101), "parent_rewritten");
    assert_eq!(answer["rebase_strategy"]["old_base_source"], "force_push");
    lab.holds_its_own(101, "auth");
}

#[test]
fn the_open_parent_was_rebased_on_main() {
    let mut lab = two_layers();
    lab.others_work("other.txt");
    lab.rebase("auth", "origin/main");
    restack(&mut lab, 100);
    lab.holds_its_own(101, "auth");
}

#[test]
fn the_parent_was_amended_and_then_squashed() {
    let mut lab = two_layers();
    lab.amend("auth", "auth.txt", "three\n", "auth: another end");
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    lab.others_work("after.txt");
    let answer = restack(&mut lab, 101);
    assert_eq!(answer["rebase_strategy"]["old_base_source"], "force_push");
    assert_eq!(answer["rebase_strategy"]["confidence"], "high");
    lab.holds_its_own(101, "main");
}

/// The child stands on a commit that was pushed plainly, followed by another, and then rewritten:
/// no earlier head is its ancestor, but one of them shares its old base.
#[test]
fn the_parent_was_rewritten_after_it_went_on() {
    let mut lab = two_layers();
    lab.commit("auth", "late.txt", "late\n", "auth: late");
    lab.amend("auth", "late.txt", "later\n", "auth: later");
    lab.rebase("auth", "--force-rebase origin/main");
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 101);
    assert_eq!(answer["rebase_strategy"]["old_base_source"], "force_push");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_parent_was_rewritten_twice_and_merged() {
    let mut lab = two_layers();
    lab.amend("auth", "auth.txt", "three\n", "auth: third");
    lab.amend("auth", "auth.txt", "four\n", "auth: fourth");
    lab.merge(100, Merge::Commit);
    let answer = restack(&mut lab, 101);
    assert_eq!(status(&answer, 101), "needs_onto");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_bottom_of_three_was_squashed() {
    for selected in [100, 101, 102] {
        let mut lab = three_layers();
        lab.merge(100, Merge::Squash);
        lab.delete("auth", Deleted::WithMerge);
        let answer = restack(&mut lab, selected);
        assert_eq!(status(&answer, 101), "needs_onto");
        assert_eq!(status(&answer, 102), "restack_with_parent");
        assert_eq!(
            answer["rebase_strategy"]["pr"],
            if selected == 102 { 102 } else { 101 }
        );
        lab.holds_its_own(101, "main");
        lab.holds_its_own(102, "auth-ui");
    }
}

#[test]
fn the_middle_of_three_was_merged() {
    for how in [Merge::Squash, Merge::Rebase, Merge::Commit] {
        let mut lab = three_layers();
        lab.merge(101, how);
        restack(&mut lab, 102);
        lab.holds_its_own(102, "auth");
    }
}

#[test]
fn the_middle_and_then_the_bottom_were_squashed() {
    let mut lab = three_layers();
    lab.merge(101, Merge::Squash);
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = restack(&mut lab, 102);
    assert_eq!(answer["stack"]["layers"][2]["belongs_on"], "main");
    lab.holds_its_own(102, "main");
}

/// The top was restacked on the squashed middle; then the bottom, which took that in, was squashed.
#[test]
fn the_bottom_was_squashed_after_the_top_had_followed() {
    let mut lab = three_layers();
    lab.merge(101, Merge::Squash);
    restack(&mut lab, 102);
    lab.holds_its_own(102, "auth");
    lab.merge(100, Merge::Squash);
    let answer = lab.ask(102);
    lab.fresh_clone("second");
    lab.run("second", &answer)
        .expect("the second plan works, too");
    lab.holds_its_own(102, "main");
}

/// The top belongs on a layer that has to move itself.
#[test]
fn the_bottom_was_squashed_and_a_higher_one_merged() {
    let mut lab = three_layers();
    lab.open(103, "cli", "docs");
    lab.commit("cli", "cli.txt", "c\n", "cli: begin");
    lab.merge(102, Merge::Squash);
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = lab.ask(103);
    lab.fresh_clone("clone");
    lab.run("clone", &answer)
        .unwrap_or_else(|error| panic!("{error}\n{answer:#}"));
    let again = lab.ask(103);
    assert_eq!(again["summary"]["action_required"], false, "{again:#}");
    let subjects = lab.git("hub.git", "git log --reverse --format=%s main..auth-ui");
    assert_eq!(subjects, "ui: begin\nui: finish\nSquash #102");
    lab.holds_its_own(103, "auth-ui");
}

/// The top stands on the merge already; what that went into has gone on.
#[test]
fn the_middle_was_merged_and_the_bottom_went_on() {
    let mut lab = three_layers();
    lab.merge(101, Merge::Squash);
    restack(&mut lab, 102);
    lab.amend("auth", "auth.txt", "three\n", "auth: amended squash");
    let answer = lab.ask(102);
    assert_eq!(status(&answer, 102), "parent_rewritten");
    lab.fresh_clone("second");
    lab.run("second", &answer)
        .unwrap_or_else(|error| panic!("{error}\n{answer:#}"));
    lab.holds_its_own(102, "auth");
}

/// The top was put on the merge by hand and kept its base, a merged branch.
#[test]
fn the_top_was_moved_by_hand_and_the_bottom_went_on() {
    let mut lab = three_layers();
    let old_base = lab.head(101).to_owned();
    lab.merge(101, Merge::Squash);
    lab.rebase("docs", &format!("--onto origin/auth {old_base}"));
    let answer = lab.ask(102);
    assert_eq!(status(&answer, 102), "needs_retarget");
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    let answer = restack(&mut lab, 102);
    assert_eq!(status(&answer, 102), "needs_restack");
    lab.holds_its_own(102, "auth");
}

/// Nothing is put on a layer that has to move and must not be touched.
#[test]
fn what_belongs_on_a_queued_layer_waits() {
    let mut lab = three_layers();
    lab.open(103, "cli", "docs");
    lab.commit("cli", "cli.txt", "c\n", "cli: begin");
    lab.merge(102, Merge::Squash);
    lab.merge(100, Merge::Squash);
    lab.queue(101);
    let answer = lab.ask(103);
    assert_eq!(status(&answer, 103), "waits_for_parent");
    assert_eq!(answer["commands"], json!([]), "{answer:#}");
    // Not until the merged one is settled on which it was.
    assert!(waits(&answer, "#103 waits until #101 is settled"));
}

/// Its commits are where they belong: what moves below has nothing to do with its base.
#[test]
fn what_is_right_on_a_queued_layer_gets_its_base() {
    let mut lab = three_layers();
    lab.open(103, "cli", "docs");
    lab.commit("cli", "cli.txt", "c\n", "cli: begin");
    let docs = lab.head(102).to_owned();
    lab.rebase("cli", &format!("--onto origin/auth-ui {docs}"));
    lab.merge(102, Merge::Squash);
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    lab.queue(101);
    let answer = lab.ask(103);
    assert_eq!(status(&answer, 101), "needs_restack");
    assert_eq!(status(&answer, 103), "needs_retarget");
    let commands = answer["commands"].as_array().expect("there are commands");
    let commands: Vec<&Value> = commands.iter().map(|it| &it["command"]).collect();
    assert_eq!(commands, ["gh pr edit 103 -R acme/api --base auth-ui"]);
}

#[test]
fn the_bottom_was_squashed_and_the_middle_rewritten() {
    let mut lab = three_layers();
    lab.amend("auth-ui", "ui.txt", "a\nc\n", "ui: another end");
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 100);
    assert_eq!(status(&answer, 102), "parent_rewritten");
    lab.holds_its_own(101, "main");
    lab.holds_its_own(102, "auth-ui");
}

#[test]
fn two_children_of_one_parent() {
    let mut lab = two_layers();
    lab.open(102, "cli", "auth");
    lab.commit("cli", "cli.txt", "c\n", "cli: begin");
    // One that was given up is no layer.
    lab.open(103, "dropped", "auth");
    lab.close(103);
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 101);
    assert_eq!(
        answer["stack"]["visualization"],
        "main <- #100 (squash) <- (#101*, #102)"
    );
    lab.holds_its_own(101, "main");
    lab.holds_its_own(102, "main");
}

#[test]
fn the_child_comes_from_a_fork() {
    let mut lab = Lab::new();
    lab.open(100, "auth", "main");
    lab.commit("auth", "auth.txt", "one\n", "auth: begin");
    lab.commit("auth", "auth.txt", "two\n", "auth: finish");
    lab.open_from_fork(101, "patch", "auth");
    lab.commit("patch", "ui.txt", "a\n", "ui: begin");
    // Only the name is the same: nothing builds on a branch of the fork.
    lab.open(102, "other", "main");
    lab.commit("other", "other.txt", "o\n", "other");
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 101);
    let hazard = &answer["hazards"][1];
    assert_eq!(hazard["code"], "fork_head");
    assert!(hazard["text"].to_string().contains("bob/api"), "{hazard}");
    lab.holds_its_own(101, "main");
}

#[test]
fn the_child_was_closed_with_its_base() {
    let mut lab = three_layers();
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::Alone);
    let answer = restack(&mut lab, 101);
    let order = answer["commands"]
        .as_array()
        .expect("there are commands")
        .iter();
    let order: Vec<&str> = order
        .filter_map(|command| command["command"].as_str())
        .collect();
    let place = |what: &str| {
        order
            .iter()
            .position(|command| command.contains(what))
            .expect(what)
    };
    let (restored, reopened) = (
        place("POST repos/acme/api/git/refs"),
        place("gh pr reopen 101"),
    );
    let (retargeted, deleted) = (place("gh pr edit 101"), place("DELETE"));
    assert!(restored < reopened && reopened < retargeted && retargeted < deleted);
    assert!(deleted < place("git push"));
    lab.holds_its_own(101, "main");
    lab.holds_its_own(102, "auth-ui");
}

#[test]
fn a_closed_child_that_was_pushed_to_is_left_alone() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::Alone);
    lab.commit("auth-ui", "ui.txt", "late\n", "ui: too late");
    let answer = lab.ask(101);
    assert_eq!(answer["commands"], json!([]));
    assert!(answer["hazards"].to_string().contains("cannot_reopen"));
}

#[test]
fn the_child_merged_its_parent_which_was_merged() {
    let mut lab = two_layers();
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    lab.keep_up("auth-ui", "auth");
    lab.commit("auth-ui", "ui.txt", "a\nb\nc\n", "ui: after the merge");
    lab.merge(100, Merge::Commit);
    restack(&mut lab, 101);
    lab.holds_its_own(101, "main");
}

#[test]
fn the_child_merged_its_parent_which_was_squashed() {
    let mut lab = two_layers();
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    lab.keep_up("auth-ui", "auth");
    lab.commit("auth-ui", "ui.txt", "a\nb\nc\n", "ui: after the merge");
    lab.merge(100, Merge::Squash);
    let answer = restack(&mut lab, 101);
    assert_eq!(answer["stack"]["layers"][1]["own_commits"], 3);
    assert!(answer["hazards"].to_string().contains("merges_are_dropped"));
    lab.holds_its_own(101, "main");
}

#[test]
fn nothing_of_its_own_is_left() {
    let mut lab = two_layers();
    lab.open(102, "empty", "auth");
    lab.open(103, "on-empty", "empty");
    lab.commit("on-empty", "top.txt", "t\n", "top");
    lab.merge(100, Merge::Squash);
    let answer = lab.ask(103);
    assert_eq!(status(&answer, 102), "empty");
    assert!(answer["hazards"].to_string().contains("gh pr close 102"));
    lab.fresh_clone("clone");
    lab.run("clone", &answer).expect("the plan works");
    lab.holds_its_own(101, "main");
    // What builds on the empty one passes it by.
    lab.holds_its_own(103, "main");
}

/// No force-push is on record, the subjects are: the old base has the same commits by name.
#[test]
fn a_rewritten_parent_without_a_record() {
    let mut lab = two_layers();
    lab.remembers = false;
    lab.others_work("other.txt");
    lab.rebase("auth", "origin/main");
    lab.amend("auth", "auth.txt", "three\n", "auth: finish");
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = lab.ask(101);
    let strategy = &answer["rebase_strategy"];
    assert_eq!(strategy["old_base_source"], "common_prefix", "{answer:#}");
    assert_eq!(
        (&strategy["confidence"], &strategy["ai_should_decide"]),
        (&json!("medium"), &json!(true))
    );
    lab.fresh_clone("clone");
    lab.run("clone", &answer).expect("the plan works");
    lab.holds_its_own(101, "main");
}

#[test]
fn without_any_trace_nothing_is_done() {
    let mut lab = three_layers();
    lab.remembers = false;
    lab.others_work("other.txt");
    lab.rebase(
        "auth",
        "origin/main --exec 'git commit -q --amend -m new-words'",
    );
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = lab.ask(101);
    assert_eq!(status(&answer, 101), "old_base_unknown");
    assert_eq!(status(&answer, 102), "waits_for_parent");
    assert_eq!(answer["commands"], json!([]));
    let strategy = &answer["rebase_strategy"];
    assert_eq!(
        (&strategy["recommended"], &strategy["confidence"]),
        (&json!("decide"), &json!("low"))
    );
    for command in ["regular_command", "onto_command"] {
        assert!(
            strategy[command].to_string().contains("git rebase"),
            "{strategy}"
        );
    }
}

#[test]
fn a_stack_in_order_is_left_alone() {
    let mut lab = three_layers();
    lab.others_work("other.txt");
    let answer = lab.ask(101);
    assert_eq!(answer["is_stacked"], true);
    assert_eq!(answer["summary"]["action_required"], false);
    assert_eq!(answer["commands"], json!([]));
    for number in [100, 101, 102] {
        assert_eq!(status(&answer, number), "ok");
    }
    assert_eq!(answer["stack"]["layers"][0]["behind"], 1);
}

#[test]
fn a_parent_that_was_given_up_is_for_somebody_to_decide() {
    let mut lab = two_layers();
    lab.close(100);
    let answer = lab.ask(101);
    assert_eq!(status(&answer, 101), "parent_closed");
    assert_eq!(answer["commands"], json!([]));
}

#[test]
fn a_layer_in_the_merge_queue_is_left_alone() {
    let mut lab = three_layers();
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    lab.queue(101);
    let answer = lab.ask(101);
    assert_eq!(answer["commands"], json!([]));
    assert!(answer["hazards"].to_string().contains("queued"));
    // What follows it is told so, and no way to move it.
    let answer = lab.ask(102);
    assert_eq!(status(&answer, 101), "needs_restack");
    assert_eq!(status(&answer, 102), "waits_for_parent");
    assert!(waits(&answer, "#102 waits until #101 is settled"));
    assert_eq!(answer["rebase_strategy"]["pr"], 101, "{answer:#}");
    assert_eq!(answer["commands"], json!([]));
}

#[test]
fn what_follows_a_layer_of_another_tool_waits() {
    let mut lab = Lab::new();
    lab.open(100, "auth", "main");
    lab.commit("auth", "auth.txt", "one\n", "auth: begin");
    lab.open(101, "gh/ada/1/head", "auth");
    lab.commit("gh/ada/1/head", "ui.txt", "a\n", "ui: begin");
    lab.open(102, "docs", "gh/ada/1/head");
    lab.commit("docs", "docs.txt", "text\n", "docs: begin");
    // As long as it need not move, nothing waits for it.
    assert_eq!(status(&lab.ask(102), 102), "ok");
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    let answer = lab.ask(102);
    assert_eq!(status(&answer, 101), "needs_restack");
    assert_eq!(status(&answer, 102), "waits_for_parent");
    assert_eq!(answer["commands"], json!([]));
}

#[test]
fn what_shall_stand_on_a_queued_layer_waits_until_that_has_moved() {
    let mut lab = three_layers();
    lab.open(103, "cli", "auth");
    lab.commit("cli", "cli.txt", "c\n", "cli: begin");
    let onto = Wish {
        target: Some("auth-ui".to_owned()),
        onto: None,
    };
    lab.queue(101);
    let answer = lab.ask_with(103, &onto);
    assert_eq!(status(&answer, 103), "moves_to_target");
    assert_ne!(answer["commands"], json!([]));
    lab.commit("auth", "more.txt", "more\n", "auth: more");
    let answer = lab.ask_with(103, &onto);
    assert_eq!(status(&answer, 103), "waits_for_parent");
    assert_eq!(answer["commands"], json!([]));
    assert!(waits(&answer, "#103 waits until #101 is settled"));
}

#[test]
fn a_branch_name_is_no_command() {
    let (evil, quote) = ("a;touch${IFS}owned", "it's-$(touch)");
    let mut lab = Lab::new();
    lab.open(100, evil, "main");
    lab.commit(evil, "auth.txt", "one\n", "auth: begin");
    lab.open(101, quote, evil);
    lab.commit(quote, "ui.txt", "a\n", "ui: begin");
    lab.amend(evil, "auth.txt", "two\n", "auth: begin");
    restack(&mut lab, 101);
    lab.holds_its_own(101, evil);
    lab.merge(100, Merge::Squash);
    let answer = lab.ask(101);
    lab.fresh_clone("second");
    lab.run("second", &answer).expect("the plan works");
    lab.holds_its_own(101, "main");
    for clone in ["clone", "second"] {
        assert!(!has_file(&lab.clone_path(clone), "owned"));
    }
}

#[test]
fn a_clone_that_differs_is_not_overwritten() {
    let mut lab = two_layers();
    lab.fresh_clone("clone");
    lab.git(
        "clone",
        "git switch -q auth-ui && git commit -q --amend -m 'ui: mine'",
    );
    lab.merge(100, Merge::Squash);
    let before = (
        lab.head(101).to_owned(),
        lab.git("clone", "git rev-parse auth-ui"),
    );
    let error = lab.run("clone", &lab.ask(101)).expect_err("it stops");
    assert!(error.contains("--ff-only"), "{error}");
    let after = (
        lab.head(101).to_owned(),
        lab.git("clone", "git rev-parse auth-ui"),
    );
    assert_eq!(before, after);
}

#[test]
fn what_was_not_pushed_yet_comes_along() {
    let mut lab = two_layers();
    lab.fresh_clone("clone");
    lab.git(
        "clone",
        "git switch -q auth-ui && echo x >x.txt && git add -A && git commit -q -m 'ui: local'",
    );
    lab.merge(100, Merge::Squash);
    let answer = lab.ask(101);
    lab.run("clone", &answer).expect("the plan works");
    let subjects = lab.git("hub.git", "git log --reverse --format=%s main..auth-ui");
    assert_eq!(subjects, "ui: begin\nui: finish\nui: local");
}

#[test]
fn the_backup_stays_where_it_was() {
    let mut lab = two_layers();
    let before = lab.head(101).to_owned();
    lab.merge(100, Merge::Squash);
    restack(&mut lab, 101);
    let command = "git for-each-ref --format='%(objectname)' refs/heads/backup";
    let backup = lab.git("clone", command);
    assert_eq!(backup, before);
}

#[test]
fn a_high_stack_is_restacked_by_one_plan() {
    const LAYERS: u64 = 12;
    let name = |number: u64| format!("layer-{number}");
    let mut lab = two_layers();
    for number in 102..=100 + LAYERS {
        let base = if number == 102 {
            "auth-ui".to_owned()
        } else {
            name(number - 1)
        };
        lab.open(number, &name(number), &base);
        lab.commit(
            &name(number),
            &format!("{number}.txt"),
            "x\n",
            &format!("layer {number}"),
        );
    }
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = lab.ask(105);
    assert!(answer.to_string().len() > 8_192, "it has several pages");
    lab.fresh_clone("clone");
    lab.run("clone", &answer)
        .unwrap_or_else(|error| panic!("{error}\n{answer:#}"));
    let answer = lab.ask(105);
    assert_eq!(answer["summary"]["action_required"], false, "{answer:#}");
    lab.holds_its_own(101, "main");
    lab.holds_its_own(102, "auth-ui");
    for number in 103..=100 + LAYERS {
        lab.holds_its_own(number, &name(number - 1));
    }
}

#[test]
fn what_goes_into_a_trunk_is_no_stack() {
    let mut lab = Lab::new();
    lab.open(1, "develop", "main");
    lab.commit("develop", "d.txt", "d\n", "develop");
    for number in 2..=6 {
        let branch = format!("feature-{number}");
        lab.open(number, &branch, "develop");
        lab.commit(&branch, &format!("{branch}.txt"), "x\n", &branch);
        lab.merge(number, Merge::Squash);
    }
    lab.open(7, "feature-7", "develop");
    lab.commit("feature-7", "seven.txt", "x\n", "seven");
    let answer = lab.ask(7);
    assert_eq!(answer["is_stacked"], false, "{answer:#}");
    assert!(answer["warnings"].to_string().contains("develop"));
}

#[test]
fn a_circle_ends() {
    let mut lab = two_layers();
    lab.open(102, "back", "auth-ui");
    lab.commit("back", "b.txt", "b\n", "back");
    // `auth` goes into `back`, which goes into `auth-ui`, which goes into `auth`.
    lab.close(100);
    lab.open(103, "turn", "back");
    lab.commit("turn", "t.txt", "t\n", "turn");
    lab.rename_base(101, "turn");
    let answer = lab.ask(102);
    assert_eq!(
        answer["stack"]["layers"].as_array().map(Vec::len),
        Some(3),
        "{answer:#}"
    );
}

/// A branch beside main with a commit of its own; main goes on as well.
fn with_release(lab: &mut Lab) {
    lab.git(
        "author",
        "git fetch -q && git switch -q -C release origin/main && echo r > release.txt \
         && git add -A && git commit -q -m release && git push -q origin release",
    );
    lab.others_work("others.txt");
}

fn onto_release() -> Wish {
    Wish {
        target: Some("release".to_owned()),
        onto: None,
    }
}

fn rebases(answer: &Value) -> Vec<&str> {
    let commands = answer["commands"].as_array().expect("there are commands");
    let commands = commands.iter().filter_map(|it| it["command"].as_str());
    commands.filter(|it| it.contains(" rebase ")).collect()
}

fn hazards(answer: &Value) -> Vec<&str> {
    let hazards = answer["hazards"].as_array().into_iter().flatten();
    hazards
        .filter_map(|hazard| hazard["code"].as_str())
        .collect()
}

#[test]
fn a_layer_leaves_its_open_parent_for_another_branch() {
    let mut lab = three_layers();
    with_release(&mut lab);
    let left = lab.head(100).to_owned();
    let answer = restack_as(&mut lab, 101, &onto_release());
    assert_eq!(status(&answer, 101), "moves_to_target");
    assert_eq!(status(&answer, 102), "restack_with_parent");
    assert_eq!(
        answer["rebase_strategy"]["own_subjects"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    lab.holds_its_own(101, "release");
    lab.holds_its_own(102, "auth-ui");
    assert_eq!(lab.head(100), left, "what it left stays as it was");
}

#[test]
fn a_layer_above_a_squashed_one_goes_to_another_branch() {
    let mut lab = two_layers();
    with_release(&mut lab);
    lab.merge(100, Merge::Squash);
    lab.delete("auth", Deleted::WithMerge);
    let answer = restack_as(&mut lab, 101, &onto_release());
    assert_eq!(status(&answer, 101), "moves_to_target");
    lab.holds_its_own(101, "release");
    // It follows when that branch goes on, again with its own commits only.
    lab.git(
        "author",
        "git switch -q release && echo s > s.txt && git add -A && git commit -q -m s && git push -q origin release",
    );
    lab.fresh_clone("another");
    let answer = lab.ask_with(101, &onto_release());
    lab.run("another", &answer).expect("it is carried out");
    lab.holds_its_own(101, "release");
}

#[test]
fn a_single_pull_request_goes_to_another_branch() {
    let mut lab = Lab::new();
    with_release(&mut lab);
    // It has what main got meanwhile, and must not take that along.
    lab.open(100, "fix", "main");
    lab.commit("fix", "fix.txt", "1\n", "fix: begin");
    let answer = restack_as(&mut lab, 100, &onto_release());
    assert_eq!(status(&answer, 100), "moves_to_target");
    lab.holds_its_own(100, "release");
}

#[test]
fn every_rebase_is_with_onto_where_that_is_asked_for() {
    let mut lab = two_layers();
    lab.merge(100, Merge::Commit);
    let wish = |onto| Wish {
        target: None,
        onto: Some(onto),
    };
    assert_eq!(lab.ask(101)["rebase_strategy"]["recommended"], "regular");
    let answer = restack_as(&mut lab, 101, &wish(true));
    assert_eq!(status(&answer, 101), "needs_rebase");
    assert_eq!(answer["rebase_strategy"]["recommended"], "onto");
    assert!(rebases(&answer)[0].contains("--onto"), "{answer:#}");
    lab.holds_its_own(101, "main");
}

#[test]
fn without_onto_the_hazard_is_told() {
    let wish = Wish {
        target: None,
        onto: Some(false),
    };
    let mut lab = two_layers();
    lab.merge(100, Merge::Squash);
    let answer = lab.ask_with(101, &wish);
    assert_eq!(status(&answer, 101), "needs_onto");
    assert_eq!(answer["rebase_strategy"]["recommended"], "regular");
    assert!(!rebases(&answer)[0].contains("--onto"), "{answer:#}");
    assert!(
        hazards(&answer).contains(&"rebased_without_onto"),
        "{answer:#}"
    );
    lab.fresh_clone("clone");
    lab.run("clone", &answer)
        .expect_err("the old commits conflict");
    // What was only added to needs no --onto.
    let mut lab = two_layers();
    lab.commit("auth", "more.txt", "1\n", "auth: more");
    let answer = restack_as(&mut lab, 101, &wish);
    assert_eq!(status(&answer, 101), "needs_restack");
    assert!(!hazards(&answer).contains(&"rebased_without_onto"));
    assert!(!rebases(&answer)[0].contains("--onto"), "{answer:#}");
    lab.holds_its_own(101, "auth");
}
