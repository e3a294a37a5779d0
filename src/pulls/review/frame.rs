//! What the first page says of the pull request as a whole, cut to a size that leaves room for files.

use std::collections::HashSet;

use super::Looked;
use super::checklist::{CRITERION_BYTES_MAX, breaking_marks, checklist, criteria, short};
use super::focus::Focus;
use super::report::{
    FirstPage, Item, Metadata, Question, RelatedIssue, RestOfContext, RestOfFrame, RestOfMetadata,
    Surroundings, Totals,
};
use crate::domain::{limits, text};
use crate::pulls::PullRequest;
use crate::pulls::context::{Context, LinkedIssue};
use crate::pulls::files::ChangedFile;
use crate::pulls::secrets::mask;

/// What of the answer this takes, in bytes: files and their diff are what it is asked for.
const FRAME_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX * 3 / 8;
/// Most bytes of the description, of a title, of that of an issue, of a label.
const DESCRIPTION_BYTES_MAX: usize = 600;
const TITLE_BYTES_MAX: usize = 200;
const ISSUE_TITLE_BYTES_MAX: usize = 160;
const LABEL_BYTES_MAX: usize = 50;
/// Most labels, issues, lines of one issue, and others that the description names: of the first page.
const LABELS_MAX: usize = 10;
const ISSUES_MAX: usize = 5;
const CRITERIA_MAX: usize = 8;
const MENTIONED_MAX: usize = 8;
/// Most questions of a kind, and pieces of what makes one, where there is room for so many.
const QUESTIONS_MAX: usize = 10;
const EVIDENCE_MAX: usize = 5;
/// How often everything is halved.
const HALVES_MAX: usize = 5;
/// From which share on questions come without a hint where to look, and long ones wait for a page
/// with room; how long these are, in bytes.
const SHARE_WITHOUT_HINTS: usize = 16;
const LONG_QUESTION_BYTES: usize = 160;

/// What the first page says is made of.
pub(super) struct Subject<'a> {
    pub pull: &'a PullRequest,
    pub context: &'a Context,
    pub looked: &'a [Looked],
    /// Changed files that were not asked for.
    pub aside: &'a [ChangedFile],
    pub focus: &'a [Focus],
}

/// What the first page says, and how often its lists were halved for it.
pub(super) fn first_page(subject: &Subject<'_>) -> (FirstPage, usize) {
    let whole = whole(subject);
    let mut page = of_share(subject, whole.clone(), 0);
    let mut last = 0;
    for halved in 1..=HALVES_MAX {
        let bytes = serde_json::to_string(&page).map_or(0, |json| json.len());
        if bytes <= FRAME_BYTES_MAX {
            break;
        }
        (page, last) = (of_share(subject, whole.clone(), halved), halved);
    }
    (page, last)
}

/// What the first page had no room for, when its lists were halved so often.
pub(super) fn rest(subject: &Subject<'_>, halved: usize) -> RestOfFrame {
    let whole = whole(subject);
    let shown = of_share(subject, whole.clone(), halved.min(HALVES_MAX));
    let (metadata, context) = (whole.metadata, whole.context);
    let issues_shown = shown.context.related_issues.iter();
    let mut shown_of_issues = issues_shown.map(|issue| issue.acceptance.len());
    let issues = context.related_issues.into_iter().filter_map(|mut issue| {
        if let Some(shown) = shown_of_issues.next() {
            issue.acceptance.drain(..shown.min(issue.acceptance.len()));
            return (!issue.acceptance.is_empty()).then_some(issue);
        }
        Some(issue)
    });
    let mut questions = Vec::new();
    let sections = whole.review_checklist.into_iter();
    for (section, shown) in sections.zip(&shown.review_checklist) {
        let category = section.category;
        let mut shown_of_items = shown.items.iter().map(|item| item.evidence.len());
        for mut item in section.items {
            if let Some(shown) = shown_of_items.next() {
                item.evidence.drain(..shown.min(item.evidence.len()));
                if item.evidence.is_empty() {
                    continue;
                }
            }
            questions.push(Question { category, item });
        }
    }
    RestOfFrame {
        metadata: RestOfMetadata {
            labels: after(metadata.labels, shown.metadata.labels.len()),
        },
        context: RestOfContext {
            related_issues: issues.collect(),
            mentioned: after(context.mentioned, shown.context.mentioned.len()),
        },
        questions,
    }
}

fn after(list: Vec<String>, shown: usize) -> Vec<String> {
    list.into_iter().skip(shown).collect()
}

/// All that there is to say, but for the description.
fn whole(subject: &Subject<'_>) -> FirstPage {
    let Subject {
        pull,
        context,
        looked,
        aside,
        focus,
    } = subject;
    let known = !context.commits.is_empty();
    let breaking = !breaking_marks(pull, context).is_empty();
    let body = pull.body.as_deref().unwrap_or_default();
    let labels = pull.labels.iter();
    FirstPage {
        metadata: Metadata {
            title: short(&pull.title, TITLE_BYTES_MAX),
            author: pull.author().to_owned(),
            state: (pull.state != "open").then(|| match pull.merged {
                true => "merged".to_owned(),
                false => pull.state.clone(),
            }),
            draft: pull.draft,
            labels: labels
                .map(|label| short(&label.name, LABEL_BYTES_MAX))
                .collect(),
            more_labels: 0,
            description: String::new(),
        },
        context: Surroundings {
            related_issues: context.issues.iter().map(related).collect(),
            more_related_issues: 0,
            mentioned: mentioned(body, context),
            more_mentioned: 0,
            breaking_changes_detected: (breaking || known).then_some(breaking),
            ci: context.ci.clone(),
            unresolved_threads: context.unresolved_threads,
        },
        totals: Totals {
            files: looked.len(),
            additions: looked.iter().map(|file| file.file.additions).sum(),
            deletions: looked.iter().map(|file| file.file.deletions).sum(),
            focus_points: looked.iter().map(|file| file.points.len()).sum(),
        },
        review_checklist: checklist(pull, context, looked, aside, focus),
    }
}

/// All that there is to say, with its lists halved so often.
fn of_share(subject: &Subject<'_>, mut page: FirstPage, halved: usize) -> FirstPage {
    let share = 1 << halved;
    let (items, evidence) = match halved {
        0 => (QUESTIONS_MAX, EVIDENCE_MAX),
        _ => ((CRITERIA_MAX / share).max(1), 4 / share),
    };
    for section in &mut page.review_checklist {
        let is_short = |item: &&Item| item.question.len() <= LONG_QUESTION_BYTES;
        let items = match share >= SHARE_WITHOUT_HINTS {
            true => section
                .items
                .iter()
                .take(items)
                .take_while(is_short)
                .count(),
            false => items,
        };
        section.more = cut(&mut section.items, items);
        for item in &mut section.items {
            if share >= SHARE_WITHOUT_HINTS {
                item.guidance = None;
            }
            item.more = cut(&mut item.evidence, evidence);
        }
    }
    let body = subject.pull.body.as_deref().unwrap_or_default();
    let (metadata, context) = (&mut page.metadata, &mut page.context);
    metadata.description = description(body, DESCRIPTION_BYTES_MAX / share);
    let most = |of_first: usize| (of_first / share).max(1);
    metadata.more_labels = cut(&mut metadata.labels, most(LABELS_MAX));
    context.more_mentioned = cut(&mut context.mentioned, most(MENTIONED_MAX));
    context.more_related_issues = cut(&mut context.related_issues, most(ISSUES_MAX));
    for issue in &mut context.related_issues {
        issue.more = cut(&mut issue.acceptance, CRITERIA_MAX / share);
    }
    page
}

/// Cuts a list and tells how many entries are gone.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    more
}

/// The beginning of a description, without what hides or deceives.
fn description(body: &str, bytes_max: usize) -> String {
    // What hides goes first: it could hide within a secret.
    let visible: String = body
        .chars()
        .filter(|letter| matches!(letter, '\n' | '\t') || !text::is_deceptive(*letter))
        .collect();
    let masked = mask(visible.trim());
    let (shown, cut) = text::cut(&masked, bytes_max);
    if cut {
        format!("{shown}…")
    } else {
        shown.to_owned()
    }
}

fn related(issue: &LinkedIssue) -> RelatedIssue {
    let lines = criteria(&issue.body).into_iter().map(|(done, words)| {
        let mark = if done { 'x' } else { ' ' };
        format!("[{mark}] {}", short(&words, CRITERION_BYTES_MAX))
    });
    RelatedIssue {
        issue: issue.name(),
        title: short(&issue.title, ISSUE_TITLE_BYTES_MAX),
        acceptance: lines.collect(),
        more: 0,
    }
}

/// Other issues and pull requests that the description names: `#40`, `acme/web#7`.
fn mentioned(body: &str, context: &Context) -> Vec<String> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    let is_end = |letter: char| letter.is_whitespace() || "()[],;:.!?\"'<>".contains(letter);
    for word in body.split(is_end) {
        let Some((home, number)) = word.split_once('#') else {
            continue;
        };
        let is_number =
            (1..=9).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_home = home.is_empty() || home.parse::<crate::domain::RepoName>().is_ok();
        let is_linked = context
            .issues
            .iter()
            .any(|issue| issue.name() == word || (home.is_empty() && issue.name().ends_with(word)));
        if is_number && is_home && !is_linked && known.insert(word) {
            found.push(word.to_owned());
        }
    }
    found
}
