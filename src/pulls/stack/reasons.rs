//! What is told of layers in sentences.

use super::facts::Layer;
use super::judge::{Status, Verdict};
use super::report::Material;
use crate::pulls::short;

/// Longest name of a branch in a sentence, in bytes: the layer has the whole one.
const NAME_BYTES_MAX: usize = 60;

/// Why a layer is what it is, in a sentence.
pub(super) fn explain(material: &Material<'_>, verdict: &Verdict, layer: &Layer) -> String {
    let number = layer.number;
    let parent = verdict
        .parent
        .map_or_else(String::new, |parent| format!("#{parent}"));
    let target = verdict
        .landing
        .as_ref()
        .map_or_else(String::new, |landing| {
            short(&landing.branch, NAME_BYTES_MAX)
        });
    let own = verdict
        .own
        .map_or_else(|| "its own".to_owned(), |own| format!("its {own} own"));
    let merged_as = verdict
        .parent
        .and_then(|parent| material.stack.layer(parent)?.merge_kind());
    match verdict.status {
        Status::NeedsOnto => match merged_as {
            Some(kind) => format!(
                "{parent} went into {target} by {kind}, as other commits: #{number} must replay {own} commits only"
            ),
            None => format!("{parent} is empty: #{number} moves {own} commits onto {target}"),
        },
        Status::NeedsRebase => format!(
            "the commits of {parent} are in {target}: #{number} can be rebased; without that it only lags behind"
        ),
        Status::NeedsRestack => format!("{parent} has new commits that #{number} lacks"),
        Status::ParentRewritten => format!(
            "{parent} was force-pushed: #{number} still holds its old commits, {own} are replayed"
        ),
        Status::RestackWithParent => format!("#{number} follows {parent}, which moves"),
        Status::MovesToTarget => {
            format!("#{number} moves with {own} commits onto {target}, as asked")
        }
        Status::NeedsRetarget => {
            format!("#{number} needs the base {target}, its commits are right")
        }
        Status::Empty => format!("#{number} has no commit of its own left: close it, or push some"),
        Status::ParentClosed => format!(
            "{parent} below #{number} was closed without a merge: reopen that, or move #{number}"
        ),
        Status::OldBaseUnknown => format!(
            "where the own commits of #{number} begin cannot be told: compare git log of both before choosing"
        ),
        Status::WaitsForParent => {
            // Where the layer below was merged, it waits for the one that this went into.
            let landing = verdict.landing.as_ref();
            let below = landing.and_then(|landing| landing.layer);
            let below = below.map_or(parent, |below| format!("#{below}"));
            format!("#{number} waits until {below} is settled")
        }
        Status::Unknown => format!("GitHub did not compare #{number} with {parent}"),
        Status::Ok | Status::Merged | Status::Closed => String::new(),
    }
}

/// Why something has to be done, or that nothing has.
pub(super) fn reason(material: &Material<'_>) -> String {
    const SENTENCES_MAX: usize = 3;
    let wanting: Vec<&Verdict> = material
        .verdicts
        .iter()
        .filter(|verdict| verdict.wants_action())
        .collect();
    let sentences = wanting.iter().take(SENTENCES_MAX).filter_map(|verdict| {
        let layer = material.stack.layer(verdict.number)?;
        Some(explain(material, verdict, layer))
    });
    let mut sentences: Vec<String> = sentences.collect();
    if wanting.len() > SENTENCES_MAX {
        sentences.push(format!(
            "{} more layers need something: stack.layers tells what",
            wanting.len() - SENTENCES_MAX
        ));
    }
    if sentences.is_empty() {
        sentences.push("every layer is on what it builds on".to_owned());
    }
    sentences.join("; ")
}
