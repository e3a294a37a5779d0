//! What the first page says of the pull request as a whole, cut to a size that leaves room for files.

use super::Looked;
use super::checklist::{breaking_marks, checklist, criteria};
use super::focus::Focus;
use super::report::{FirstPage, Metadata, RelatedIssue, Surroundings, Totals};
use crate::domain::{limits, text};
use crate::pulls::PullRequest;
use crate::pulls::context::Context;
use crate::pulls::files::ChangedFile;
use crate::pulls::secrets::mask;

/// What of the answer this takes, in bytes: files and their diff are what it is asked for.
const FRAME_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX * 3 / 8;
/// Most bytes of the description, of a title, of a line of an issue, of a label.
const DESCRIPTION_BYTES_MAX: usize = 600;
const TITLE_BYTES_MAX: usize = 200;
const LINE_BYTES_MAX: usize = 160;
const LABEL_BYTES_MAX: usize = 50;
/// Most labels, issues, lines of one issue, and others that the description names.
const LABELS_MAX: usize = 10;
const ISSUES_MAX: usize = 5;
const CRITERIA_MAX: usize = 8;
const MENTIONED_MAX: usize = 8;
/// How often everything is halved.
const HALVES_MAX: usize = 5;
/// From which share on questions come without a hint where to look.
const SHARE_WITHOUT_HINTS: usize = 16;

/// What the first page says, of files that were asked for and beside others that were not.
pub(super) fn first_page(
    pull: &PullRequest,
    context: &Context,
    files: (&[Looked], &[ChangedFile]),
    focus: &[Focus],
) -> FirstPage {
    let mut page = of_share(pull, context, files, focus, 1);
    for halved in 1..=HALVES_MAX {
        let bytes = serde_json::to_string(&page).map_or(0, |json| json.len());
        if bytes <= FRAME_BYTES_MAX {
            break;
        }
        page = of_share(pull, context, files, focus, 1 << halved);
    }
    page
}

fn of_share(
    pull: &PullRequest,
    context: &Context,
    (looked, aside): (&[Looked], &[ChangedFile]),
    focus: &[Focus],
    share: usize,
) -> FirstPage {
    let mut review_checklist = checklist(pull, context, looked, aside, focus);
    if share > 1 {
        for section in &mut review_checklist {
            let kept = (CRITERIA_MAX / share).max(1);
            section.more = section.items.len().saturating_sub(kept);
            section.items.truncate(kept);
            for item in &mut section.items {
                if share >= SHARE_WITHOUT_HINTS {
                    item.guidance = None;
                }
                let kept = 4 / share;
                item.more += item.evidence.len().saturating_sub(kept);
                item.evidence.truncate(kept);
            }
        }
    }
    let known = !context.commits.is_empty();
    let breaking = !breaking_marks(pull, context).is_empty();
    let labels = pull.labels.iter().take((LABELS_MAX / share).max(1));
    let body = pull.body.as_deref().unwrap_or_default();
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
            description: description(body, DESCRIPTION_BYTES_MAX / share),
        },
        context: Surroundings {
            related_issues: related(context, share),
            mentioned: mentioned(body, context),
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
        review_checklist,
    }
}

fn short(words: &str, bytes_max: usize) -> String {
    text::one_line(text::cut(&mask(words), bytes_max).0)
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

fn related(context: &Context, share: usize) -> Vec<RelatedIssue> {
    let issues = context.issues.iter().take((ISSUES_MAX / share).max(1));
    let related = issues.map(|issue| {
        let all = criteria(&issue.body);
        let kept = CRITERIA_MAX / share;
        let lines = all.iter().take(kept).map(|(done, words)| {
            let mark = if *done { 'x' } else { ' ' };
            format!("[{mark}] {}", short(words, LINE_BYTES_MAX / share))
        });
        RelatedIssue {
            issue: issue.name(),
            title: short(&issue.title, LINE_BYTES_MAX),
            acceptance: lines.collect(),
            more: all.len().saturating_sub(kept),
        }
    });
    related.collect()
}

/// Other issues and pull requests that the description names: `#40`, `acme/web#7`.
fn mentioned(body: &str, context: &Context) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
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
        let is_new = !found.iter().any(|known| known == word);
        if is_number && is_home && !is_linked && is_new && found.len() < MENTIONED_MAX {
            found.push(word.to_owned());
        }
    }
    found
}
