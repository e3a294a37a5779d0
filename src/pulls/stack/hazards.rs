//! What goes wrong with a stack when it is not known.

use serde::Serialize;

use super::facts::{Layer, State};
use super::judge::{Status, Strategy, Verdict};
use super::obstacle::{Obstacle, obstacle};
use super::report::Material;
use crate::pulls::short;

/// Longest sentence, in bytes: with two names of the length that GitHub takes.
const SENTENCE_BYTES_MAX: usize = 1_000;

/// Something that goes wrong when it is not known.
#[derive(Debug, Serialize)]
pub(super) struct Hazard {
    pub code: &'static str,
    pub text: String,
}

/// Everything that goes wrong with this stack when it is not known.
pub(super) fn hazards(material: &Material<'_>) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    for verdict in material.verdicts {
        if let Some(layer) = material.stack.layer(verdict.number) {
            layer_hazards(material, verdict, layer, &mut hazards);
        }
    }
    if material.setting.native {
        hazards.push(Hazard {
            code: "native_stack",
            text: format!(
                "GitHub keeps the bases of this stack: use Rebase Stack there (gh stack rebase); gh pr edit --base is refused, and so is gh pr merge: PUT repos/{}/pulls/NUMBER/merge-async merges a layer with all below it",
                material.setting.repo
            ),
        });
    }
    for hazard in &mut hazards {
        hazard.text = short(&hazard.text, SENTENCE_BYTES_MAX);
    }
    hazards
}

fn layer_hazards(
    material: &Material<'_>,
    verdict: &Verdict,
    layer: &Layer,
    hazards: &mut Vec<Hazard>,
) {
    let number = layer.number;
    let mut add = |code, text| hazards.push(Hazard { code, text });
    let parent = material.stack.parent(number);
    let on_merged =
        parent.is_some_and(|below| below.state == State::Merged && below.head == layer.base);
    if layer.state == State::Open && on_merged && layer.base_tip.is_some() {
        add(
            "base_branch_live_dependents",
            format!(
                "retarget #{number} before the branch '{}' is deleted: deleting a base outside the merge closes the pull request (cli/cli#14223)",
                layer.base
            ),
        );
    }
    if layer.lost_its_base() {
        add(
            "closed_by_lost_base",
            format!(
                "#{number} was closed because its base was deleted: reopen it before any push to '{}', or it stays closed",
                layer.head
            ),
        );
    }
    if verdict.moves()
        && let Some((_, merges @ 1..)) = verdict.own_list
    {
        add(
            "merges_are_dropped",
            format!(
                "#{number} has {merges} merge commits: the rebase drops them, and conflicts solved in them come again"
            ),
        );
    }
    // Behind an open layer that was only added to nothing comes along.
    let is_plain = matches!(verdict.status, Status::NeedsRebase | Status::NeedsRestack);
    if verdict.strategy == Some(Strategy::Regular) && !is_plain {
        add(
            "rebased_without_onto",
            format!(
                "#{number}: without --onto the old commits of the layer below are replayed too: conflicts or duplicates; use_onto true avoids that"
            ),
        );
    }
    if verdict.status == Status::Empty {
        add(
            "no_own_commits",
            format!(
                "#{number}: gh pr close {number} -R {}",
                material.setting.repo
            ),
        );
    }
    if !verdict.wants_action() {
        return;
    }
    match obstacle(layer) {
        Some(Obstacle::ToolManaged) => add(
            "tool_managed",
            format!(
                "#{number} is kept by ghstack or spr: use that tool, a rebase by hand breaks its mapping"
            ),
        ),
        Some(Obstacle::Queued) => add(
            "queued",
            format!("#{number} is in the merge queue: a push takes it out; wait"),
        ),
        Some(Obstacle::BranchName) => add(
            "branch_name",
            format!("#{number}: a branch name starts with a dash; rename it"),
        ),
        Some(Obstacle::ForkIsClosed) => add(
            "fork_head",
            format!(
                "#{number} comes from a fork that cannot be pushed to: its author has to rebase it"
            ),
        ),
        Some(Obstacle::CannotReopen) => add(
            "cannot_reopen",
            format!(
                "#{number} was pushed to after it was closed: GitHub does not reopen it, open a new one from '{}'",
                layer.head
            ),
        ),
        None if layer.from_fork => add(
            "fork_head",
            format!(
                "#{number} comes from a fork: the push goes to {}",
                layer.head_repo.as_deref().unwrap_or("it")
            ),
        ),
        None => {}
    }
}
