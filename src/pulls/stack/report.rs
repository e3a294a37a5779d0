//! The answer: the stack, what each layer needs, the plan, and what can go wrong with it.

use jiff::Timestamp;
use serde::Serialize;

use super::commands::{self, Command, Setting};
use super::discover::Stack;
use super::facts::{Comparisons, Layer, State};
use super::hazards::{Hazard, hazards};
use super::judge::{Status, Strategy, Verdict};
use super::reasons::{explain, reason};
use crate::domain::limits;
use crate::pulls::native_stack::NativeStack;
use crate::pulls::shell::{shell_word, short};
use crate::pulls::{RollupState, Warning, overflow, short as short_words};

/// Room that a transport may need around the answer.
const AROUND: usize = 256;
/// Longest subject of a commit, in bytes.
const SUBJECT_BYTES_MAX: usize = 120;

/// How much is told beside the commands.
#[derive(Clone, Copy)]
pub(super) struct Detail {
    /// Layers.
    pub layers: usize,
    /// Subjects of own commits.
    pub subjects: usize,
    /// Hazards.
    pub hazards: usize,
    /// Bytes of the name of a branch, where it is no part of a command.
    pub name_bytes: usize,
    /// Bytes of a sentence.
    pub sentence_bytes: usize,
    /// Bytes of all warnings.
    pub warning_bytes: usize,
}

impl Detail {
    /// From try to try, for a stack of so many layers.
    fn tries(layers: usize) -> [Self; 4] {
        let most = Self {
            layers,
            subjects: 10,
            hazards: 10,
            name_bytes: 256,
            sentence_bytes: 1_000,
            warning_bytes: 2_000,
        };
        [
            most,
            Self {
                layers: layers / 2,
                ..most
            },
            Self {
                layers: layers / 4,
                subjects: 5,
                hazards: 5,
                name_bytes: 120,
                sentence_bytes: 300,
                warning_bytes: 800,
            },
            Self {
                layers: 1,
                subjects: 0,
                hazards: 2,
                name_bytes: 50,
                sentence_bytes: 120,
                warning_bytes: 300,
            },
        ]
    }
}

/// The answer of `manage_stacked_prs`.
#[derive(Debug, Serialize)]
pub struct Report {
    pr: String,
    repo: String,
    head_sha: String,
    fetched_at: Timestamp,
    stack: StackShown,
    is_stacked: bool,
    /// Whether any layer needs something.
    changes_detected: bool,
    /// Whether a layer was merged below one that is not.
    upstream_merge_detected: bool,
    squash_merge: bool,
    /// For the selected layer if it moves, else for the first that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebase_strategy: Option<RebaseStrategy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hazards: Vec<Hazard>,
    /// To be run in this order by whoever asked.
    pub commands: Vec<Command>,
    /// Layers for which there was no room: call again when the commands were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<u64>,
    summary: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    untrusted: [&'static str; 2],
}

#[derive(Debug, Serialize)]
struct StackShown {
    /// `derived` from bases, or `native`: kept by GitHub.
    source: &'static str,
    /// Of a native one, as GitHub counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    target: String,
    layers: Vec<LayerShown>,
    #[serde(skip_serializing_if = "is_zero")]
    layers_left_off: usize,
    visualization: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Clone, Debug, Serialize)]
struct LayerShown {
    pr: u64,
    branch: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u64>,
    base: String,
    head: String,
    status: Status,
    /// Where it belongs, if that is not its base.
    #[serde(skip_serializing_if = "Option::is_none")]
    belongs_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_commits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<u64>,
    /// All checks of its head together, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    ci: Option<RollupState>,
}

#[derive(Debug, Serialize)]
struct RebaseStrategy {
    pr: u64,
    /// `onto`, `regular` or `decide`.
    recommended: &'static str,
    old_base: String,
    old_base_source: &'static str,
    /// `high`: commits were compared; `medium`: authors, dates and subjects were; `low`: a guess.
    confidence: &'static str,
    reason: String,
    regular_command: String,
    onto_command: String,
    ai_should_decide: bool,
    /// What is replayed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own_subjects: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    action_required: bool,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<&'static str>,
}

/// What an answer is made of.
pub struct Material<'a> {
    /// `owner/name#number`.
    pub pr: String,
    /// Where and how commands are run.
    pub setting: &'a Setting,
    /// The stack.
    pub stack: &'a Stack,
    /// What each layer needs.
    pub verdicts: &'a [Verdict],
    /// What was compared.
    pub comparisons: &'a Comparisons,
    /// What could not be read.
    pub warnings: Vec<Warning>,
    /// What GitHub says of the stack, if it keeps it.
    pub native: Option<&'a NativeStack>,
    /// When.
    pub now: Timestamp,
}

/// Puts the answer together, with as many layers' commands as fit into it.
pub fn report(material: &Material<'_>) -> Report {
    let movable = commands::movable(material.stack, material.verdicts);
    let tries = Detail::tries(material.verdicts.len());
    let drawing = drawing(material);
    let of = |count: usize, detail| assemble(material, &movable, count, detail, &drawing);
    let least = movable.len().min(1);
    for detail in tries {
        let report = of(movable.len(), detail);
        if fits(&report) {
            return report;
        }
        // Commands for fewer layers, but for one at least: the next call brings the others.
        let (mut fitting, mut too_many) = (of(least, detail), movable.len());
        if !fits(&fitting) {
            continue;
        }
        let mut count = least;
        while count + 1 < too_many {
            let middle = count.midpoint(too_many);
            let report = of(middle, detail);
            match fits(&report) {
                true => (fitting, count) = (report, middle),
                false => too_many = middle,
            }
        }
        return fitting;
    }
    let mut report = of(0, tries[tries.len() - 1]);
    // Names of branches can be so long that not even one layer's commands fit.
    report.hazards.push(Hazard {
        code: "names_too_long",
        text: "the names of the branches are too long for commands in an answer: rename them, or rebase by hand".to_owned(),
    });
    if !fits(&report) {
        report.rebase_strategy = None;
    }
    report
}

fn fits(report: &Report) -> bool {
    let bytes = serde_json::to_vec(report).map_or(usize::MAX, |json| json.len());
    bytes <= limits::ANSWER_BYTES_MAX - AROUND
}

fn assemble(
    material: &Material<'_>,
    movable: &[&Verdict],
    count: usize,
    detail: Detail,
    drawing: &str,
) -> Report {
    let Material {
        stack,
        verdicts,
        setting,
        ..
    } = material;
    let selected = stack.layer(stack.selected);
    let (now, later) = movable.split_at(count);
    let commands = commands::plan(setting, stack, now);
    let leading = |verdict: &&Verdict| {
        verdict.old_base.is_some() && (verdict.moves() || verdict.status == Status::OldBaseUnknown)
    };
    let own = verdicts
        .iter()
        .find(|verdict| verdict.number == stack.selected);
    let strategy = own.filter(|verdict| leading(verdict));
    let strategy = strategy.or_else(|| verdicts.iter().find(leading));
    let merged_below: Vec<&Layer> = verdicts
        .iter()
        .filter(|verdict| verdict.wants_action())
        .filter_map(|verdict| stack.layer(verdict.parent?))
        .filter(|parent| parent.state == State::Merged)
        .collect();
    let squashed = |layer: &&Layer| {
        layer
            .merge_kind()
            .is_some_and(|kind| kind.starts_with("squash"))
    };
    let changes_detected = verdicts.iter().any(Verdict::wants_action);
    Report {
        pr: material.pr.clone(),
        repo: setting.repo.to_string(),
        head_sha: selected
            .map(|layer| short(&layer.head_sha).to_owned())
            .unwrap_or_default(),
        fetched_at: material.now,
        stack: show_stack(material, detail, drawing),
        is_stacked: verdicts.len() > 1,
        changes_detected,
        upstream_merge_detected: !merged_below.is_empty(),
        squash_merge: merged_below.iter().any(squashed),
        rebase_strategy: strategy.and_then(|verdict| rebase_strategy(material, verdict, detail)),
        hazards: hazards(material, detail),
        summary: Summary {
            action_required: changes_detected,
            reason: reason(material, detail),
            then: (!commands.is_empty()).then_some(if later.is_empty() {
                "call get_failing_tests for every pushed pull request"
            } else {
                "call manage_stacked_prs again for the deferred ones"
            }),
        },
        commands,
        deferred: later.iter().map(|verdict| verdict.number).collect(),
        warnings: overflow::fit_warnings(warnings(material), detail.warning_bytes),
        untrusted: ["stack.layers[].branch", "rebase_strategy.own_subjects"],
    }
}

fn show_stack(material: &Material<'_>, detail: Detail, drawing: &str) -> StackShown {
    let Material {
        stack, verdicts, ..
    } = material;
    let root = verdicts
        .first()
        .and_then(|verdict| stack.layer(verdict.number));
    let kept = material.native.map(|native| native.base.name.clone());
    let target = kept.or_else(|| Some(root?.base.clone()));
    let target = short_words(&target.unwrap_or_default(), detail.name_bytes);
    let layers: Vec<LayerShown> = verdicts
        .iter()
        .enumerate()
        .filter(|(place, verdict)| *place < detail.layers || verdict.number == stack.selected)
        .filter_map(|(_, verdict)| Some(show_layer(verdict, stack.layer(verdict.number)?, detail)))
        .collect();
    StackShown {
        source: if material.setting.native {
            "native"
        } else {
            "derived"
        },
        number: material.native.map(|native| native.number),
        visualization: format!("{target} <- {drawing}"),
        target,
        layers_left_off: verdicts.len() - layers.len(),
        layers,
    }
}

fn show_layer(verdict: &Verdict, layer: &Layer, detail: Detail) -> LayerShown {
    let name = |branch: &str| short_words(branch, detail.name_bytes);
    let elsewhere = verdict
        .landing
        .as_ref()
        .filter(|landing| landing.branch != layer.base);
    LayerShown {
        pr: layer.number,
        branch: name(&layer.head),
        state: match layer.state {
            State::Open => "open",
            State::Merged => "merged",
            State::Closed => "closed",
        },
        merge_kind: layer.merge_kind(),
        parent: verdict.parent,
        base: name(&layer.base),
        head: short(&layer.head_sha).to_owned(),
        status: verdict.status,
        belongs_on: elsewhere.map(|landing| name(&landing.branch)),
        own_commits: verdict.own,
        ahead: verdict.ahead_behind.map(|(ahead, _)| ahead),
        behind: verdict.ahead_behind.map(|(_, behind)| behind),
        ci: layer.ci.filter(|_| layer.state == State::Open),
    }
}

/// The whole stack in one line.
fn drawing(material: &Material<'_>) -> String {
    let root = material.verdicts.first();
    root.map(|root| draw(material, root.number))
        .unwrap_or_default()
}

/// `#100 (squash) <- #101*`, several children in brackets.
fn draw(material: &Material<'_>, number: u64) -> String {
    let stack = material.stack;
    let kind = stack.layer(number).and_then(|layer| match layer.state {
        State::Open => None,
        State::Merged => Some(layer.merge_kind().unwrap_or("merged")),
        State::Closed => Some("closed"),
    });
    let kind = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
    let mark = if number == stack.selected { "*" } else { "" };
    let above = material
        .verdicts
        .iter()
        .filter(|verdict| {
            stack
                .parent(verdict.number)
                .is_some_and(|below| below.number == number)
        })
        .map(|verdict| draw(material, verdict.number));
    let above: Vec<String> = above.collect();
    match above.as_slice() {
        [] => format!("#{number}{mark}{kind}"),
        [only] => format!("#{number}{mark}{kind} <- {only}"),
        several => format!("#{number}{mark}{kind} <- ({})", several.join(", ")),
    }
}

fn rebase_strategy(
    material: &Material<'_>,
    verdict: &Verdict,
    detail: Detail,
) -> Option<RebaseStrategy> {
    let layer = material.stack.layer(verdict.number)?;
    let (landing, old_base) = (verdict.landing.as_ref()?, verdict.old_base.as_ref()?);
    let unknown = verdict.status == Status::OldBaseUnknown;
    let branch = shell_word(&layer.head);
    let onto = shell_word(&format!("{}/{}", material.setting.remote, landing.branch));
    let subjects = verdict.own_list.iter().flat_map(|(subjects, _)| subjects);
    Some(RebaseStrategy {
        pr: layer.number,
        recommended: match verdict.strategy {
            None => "decide",
            Some(Strategy::Regular) => "regular",
            Some(_) => "onto",
        },
        old_base: short(&old_base.oid).to_owned(),
        old_base_source: old_base.source,
        confidence: match old_base.certain {
            _ if unknown => "low",
            true => "high",
            false => "medium",
        },
        reason: short_words(&explain(material, verdict, layer), detail.sentence_bytes),
        regular_command: format!("git rebase {onto} {branch}"),
        onto_command: format!("git rebase --onto {onto} {} {branch}", short(&old_base.oid)),
        ai_should_decide: unknown || !old_base.certain,
        own_subjects: subjects
            .take(detail.subjects)
            .map(|subject| short_words(subject, SUBJECT_BYTES_MAX))
            .collect(),
    })
}

fn warnings(material: &Material<'_>) -> Vec<Warning> {
    let mut warnings = material.warnings.clone();
    if let Some((_, reason)) = material.comparisons.failures().next() {
        warnings.push(Warning::new(
            "compare",
            reason,
            "a layer's old base may be unknown",
        ));
    }
    if material.stack.is_cut() {
        let reason = format!("more than {} layers", super::discover::LAYERS_MAX);
        warnings.push(Warning::new(
            "stack",
            reason,
            "layers further up are not shown",
        ));
    }
    for branch in material.stack.trunks() {
        let reason = format!("many pull requests were merged into '{branch}'");
        warnings.push(Warning::new(
            "stack",
            reason,
            "it is taken for a trunk, not for a layer",
        ));
    }
    let long = material.verdicts.iter().find(|verdict| {
        let layer = material.stack.layer(verdict.number);
        layer.is_some_and(|layer| layer.commits_total > layer.commits.len() as u64)
    });
    if let Some(verdict) = long {
        let reason = format!("#{} has more commits than are listed", verdict.number);
        warnings.push(Warning::new(
            "commits",
            reason,
            "own commits are counted, not listed",
        ));
    }
    warnings
}
