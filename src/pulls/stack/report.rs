//! The answer: the stack, what each layer needs, the plan, and what can go wrong with it.

use jiff::Timestamp;
use serde::Serialize;

use super::commands::{self, Command, Setting};
use super::discover::Stack;
use super::facts::{Comparisons, Layer, State};
use super::fix_loop::FixLoop;
use super::hazards::{Hazard, hazards};
use super::judge::{Status, Strategy, Verdict};
use super::reasons::{explain, reason};
use crate::domain::limits;
use crate::pulls::native_stack::NativeStack;
use crate::pulls::overflow::{Rule, Said};
use crate::pulls::shell::{shell_word, short};
use crate::pulls::{RollupState, Warning, short as short_words};

/// Longest subject of a commit, and longest name of a branch where it is no part of a command, in
/// bytes. GitHub takes no longer name than 244 bytes.
const SUBJECT_BYTES_MAX: usize = 120;
pub(super) const NAME_BYTES_MAX: usize = 256;
/// What comes after the commands, and what does where not all of them are on the first page.
const THEN: &str = "call get_failing_tests for every pushed pull request";
const THEN_MORE: &str = "more steps may come with next_cursor: read all before running any, the order is theirs; then call get_failing_tests for every pushed pull request";
/// Fields with words of others: names of branches and subjects of commits stand in all of these.
const UNTRUSTED: &[&str] = &[
    "stack",
    "rebase_strategy",
    "hazards[].text",
    "commands[].command",
    "summary.reason",
    "warnings[].reason",
];

/// How long the lists of the first page are, level by level: layers, commands, hazards, subjects of
/// own commits, warnings. The first one has everything: whether that fits, its size tells.
const LENGTHS: [(usize, usize, usize, usize, usize); 14] = [
    (usize::MAX, usize::MAX, usize::MAX, usize::MAX, usize::MAX),
    (30, 40, 20, 10, 8),
    (30, 30, 10, 5, 4),
    (20, 24, 8, 5, 4),
    (16, 20, 6, 5, 4),
    (12, 16, 6, 3, 3),
    (10, 12, 4, 3, 3),
    (8, 10, 3, 2, 2),
    (6, 8, 3, 2, 2),
    (4, 6, 2, 1, 1),
    (3, 4, 1, 0, 1),
    (2, 2, 1, 0, 1),
    (1, 1, 0, 0, 0),
    (0, 0, 0, 0, 0),
];

/// What of a layer may be another at the next page, though the plan is the same: checks run, and
/// the target goes on below the lowest layer. What moves a layer changes its head or its status.
const PASSING: &[&str] = &["ci", "ahead", "behind"];

/// The rules by which the first page is cut, each cutting more than the one before.
pub(super) fn levels() -> Vec<Vec<Rule>> {
    let rules = |(layers, commands, hazards, subjects, warnings)| {
        vec![
            Rule::of(&["stack", "layers"], layers, Said::Count("layers_left_off")).but(PASSING),
            Rule::of(&["commands"], commands, Said::Count("more_commands")),
            Rule::of(&["hazards"], hazards, Said::Count("more_hazards")),
            Rule::of(
                &["rebase_strategy", "own_subjects"],
                subjects,
                Said::Count("more_own_subjects"),
            ),
            Rule::of(&["warnings"], warnings, Said::Nothing),
        ]
    };
    LENGTHS.into_iter().map(rules).collect()
}

/// The answer of `manage_stacked_prs`: everything, before it is cut into pages.
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
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix_loop: Option<FixLoop>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    untrusted: &'static [&'static str],
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
    visualization: String,
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
    /// What shall follow the commands.
    pub fix_loop: Option<FixLoop>,
    /// What could not be read.
    pub warnings: Vec<Warning>,
    /// What GitHub says of the stack, if it keeps it.
    pub native: Option<&'a NativeStack>,
    /// When.
    pub now: Timestamp,
}

/// Puts the answer together.
pub fn report(material: &Material<'_>) -> Report {
    let mut report = assemble(material);
    let bytes = serde_json::to_vec(&report).map_or(usize::MAX, |json| json.len());
    if bytes > limits::ANSWER_BYTES_MAX && report.summary.then.is_some() {
        report.summary.then = Some(THEN_MORE);
    }
    report
}

fn assemble(material: &Material<'_>) -> Report {
    let Material {
        stack,
        verdicts,
        setting,
        ..
    } = material;
    let selected = stack.layer(stack.selected);
    let movable = commands::movable(stack, verdicts);
    let commands = commands::plan(setting, stack, &movable);
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
        stack: show_stack(material),
        is_stacked: verdicts.len() > 1,
        changes_detected,
        upstream_merge_detected: !merged_below.is_empty(),
        squash_merge: merged_below.iter().any(squashed),
        rebase_strategy: strategy.and_then(|verdict| rebase_strategy(material, verdict)),
        hazards: hazards(material),
        summary: Summary {
            action_required: changes_detected,
            reason: reason(material),
            then: (!commands.is_empty()).then_some(THEN),
        },
        fix_loop: material.fix_loop.clone().filter(|_| !commands.is_empty()),
        commands,
        warnings: warnings(material),
        untrusted: UNTRUSTED,
    }
}

fn show_stack(material: &Material<'_>) -> StackShown {
    let Material {
        stack, verdicts, ..
    } = material;
    let root = verdicts
        .first()
        .and_then(|verdict| stack.layer(verdict.number));
    let kept = material.native.map(|native| native.base.name.clone());
    let target = kept.or_else(|| Some(root?.base.clone()));
    let target = short_words(&target.unwrap_or_default(), NAME_BYTES_MAX);
    let layers: Vec<LayerShown> = verdicts
        .iter()
        .filter_map(|verdict| Some(show_layer(verdict, stack.layer(verdict.number)?)))
        .collect();
    StackShown {
        source: if material.setting.native {
            "native"
        } else {
            "derived"
        },
        number: material.native.map(|native| native.number),
        visualization: format!("{target} <- {}", drawing(material)),
        target,
        layers,
    }
}

fn show_layer(verdict: &Verdict, layer: &Layer) -> LayerShown {
    let name = |branch: &str| short_words(branch, NAME_BYTES_MAX);
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

fn rebase_strategy(material: &Material<'_>, verdict: &Verdict) -> Option<RebaseStrategy> {
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
        reason: explain(material, verdict, layer),
        regular_command: format!("git rebase {onto} {branch}"),
        onto_command: format!("git rebase --onto {onto} {} {branch}", short(&old_base.oid)),
        ai_should_decide: unknown || !old_base.certain,
        own_subjects: subjects
            .map(|subject| short_words(subject, SUBJECT_BYTES_MAX))
            .collect(),
    })
}

/// What is unknown. There are as many as there are causes: a trunk or a comparison that failed is
/// one of at most a stack's layers.
fn warnings(material: &Material<'_>) -> Vec<Warning> {
    let mut warnings = material.warnings.clone();
    let mut failures = material.comparisons.failures();
    if let Some((_, reason)) = failures.next() {
        let others = match failures.count() {
            0 => String::new(),
            others => format!("{others} more comparisons failed; "),
        };
        warnings.push(Warning::new(
            "compare",
            format!("{others}{reason}"),
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
    let named = |is_cut: fn(&Layer) -> bool| {
        let layers = material.verdicts.iter();
        let layers = layers.filter_map(|verdict| material.stack.layer(verdict.number));
        let names = layers.filter(|layer| is_cut(layer));
        let names: Vec<String> = names.map(|layer| format!("#{}", layer.number)).collect();
        names.join(", ")
    };
    let long = named(|layer| layer.commits_total > layer.commits.len() as u64);
    if !long.is_empty() {
        warnings.push(Warning::new(
            "commits",
            format!("more commits than are listed: {long}"),
            "own commits are counted, not listed",
        ));
    }
    let eventful = named(|layer| !layer.events_complete);
    if !eventful.is_empty() {
        warnings.push(Warning::new(
            "events",
            format!("more than the newest 50 events: {eventful}"),
            "older heads and bases are unknown",
        ));
    }
    warnings
}
