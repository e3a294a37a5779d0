//! The body of a bot's review taken apart. What it found on single lines has no thread of its own:
//! it is folded by section and by file, among announcements and details of the run.

use std::borrow::Cow;

use serde::Serialize;

use super::markdown::{Kind, parts, summary, visible};
use super::text::cut_title;

/// Most findings of one review that are told apart.
const FINDINGS_MAX: usize = 100;
/// Deepest fold that is looked into.
const FOLDS_MAX: usize = 8;

/// Folds that repeat what is said elsewhere or tell how the review was run, by words of their
/// titles in small letters.
const BOILERPLATE: [&str; 11] = [
    "review details",
    "review info",
    "prompt for all",
    "fix all issues with ai",
    "autofix",
    "additional context used",
    "context from checks",
    "files selected",
    "files skipped",
    "tips",
    "finishing touches",
];

/// Under which title a bot put a finding: its own word, not a judgement of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Section {
    /// On lines that the diff does not show, where GitHub takes no thread.
    OutsideDiff,
    Nitpick,
    /// Said in an earlier review already.
    Duplicate,
    /// GitHub refused the thread.
    FailedToPost,
    Critical,
    Major,
    Minor,
    LowConfidence,
    /// Under several of these titles at once, or another.
    Other,
}

/// Something that the body of a review says about a file.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    /// The review's id and the finding's place in it.
    pub id: String,
    pub section: Section,
    /// None where the bot names no file.
    pub path: Option<String>,
    /// The first line, where there are several.
    pub start: Option<u64>,
    pub line: Option<u64>,
    /// Markdown as the bot wrote it.
    pub written: String,
}

/// A body of which the findings are told apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TakenApart {
    pub findings: Vec<Finding>,
    /// What it says besides, as Markdown; empty when that is boilerplate only.
    pub rest: String,
    /// How many findings the titles announce beyond those that were recognised.
    pub unread: usize,
}

impl TakenApart {
    /// Whether it only announces what is said elsewhere.
    pub fn is_nothing(&self) -> bool {
        self.findings.is_empty() && self.rest.trim().is_empty()
    }
}

/// Takes the body of a bot's review apart; none when it is not built that way.
pub(super) fn take_apart(review_id: &str, body: &str) -> Option<TakenApart> {
    let body = body.replace("\r\n", "\n");
    let mut scan = Scan {
        review_id,
        found: TakenApart::default(),
    };
    let words = scan.walk(&visible(&unquoted(&body)), 0);
    let announced = words.contains("**Actionable comments posted");
    if !announced && scan.found.findings.is_empty() {
        return None;
    }
    scan.found.rest = without_announcements(&words);
    Some(scan.found)
}

struct Scan<'a> {
    review_id: &'a str,
    found: TakenApart,
}

impl Scan<'_> {
    /// Reads the sections in a text and gives what it says outside of them.
    fn walk(&mut self, written: &str, depth: usize) -> String {
        let mut words = String::new();
        for part in parts(written) {
            let Kind::Fold(inner) = part.kind else {
                words.push_str(part.text);
                continue;
            };
            let (title, content) = summary(inner);
            if let Some((section, announced)) = titled(&title) {
                self.read_section(section, announced, content);
                continue;
            }
            if depth < FOLDS_MAX {
                self.walk(content, depth + 1);
            }
            let lower = title.to_lowercase();
            if !BOILERPLATE.iter().any(|known| lower.contains(known)) {
                let chars = content.trim().chars().count();
                words.push_str(&format!("[+ {} ({chars} chars)]", cut_title(&title)));
            }
        }
        words
    }

    fn read_section(&mut self, section: Section, announced: usize, content: &str) {
        let before = self.found.findings.len();
        let mut loose = String::new();
        for part in parts(content) {
            let folded = match part.kind {
                Kind::Fold(inner) => Some(summary(inner)),
                Kind::Words | Kind::Fence => None,
            };
            let file = folded.as_ref().and_then(|(title, content)| {
                let (path, _) = counted(title)?;
                Some((path, *content))
            });
            match file {
                Some((path, content)) => self.read_file(section, path, content),
                None => loose.push_str(part.text),
            }
        }
        self.read_loose(section, &loose, before);
        let read = self.found.findings.len() - before;
        self.found.unread += announced.saturating_sub(read);
    }

    /// What a section says about one file.
    fn read_file(&mut self, section: Section, path: &str, content: &str) {
        let content = bare(content);
        let mut places = places(content);
        places.retain(|place| place.path.is_none());
        let Some(first) = places.first() else {
            self.add(section, Some(path), None, content);
            return;
        };
        // Some titles repeat the lines of the only remark below them.
        let suffix = format!("-{}-{}", first.start, first.end);
        let path = path.strip_suffix(&suffix).unwrap_or(path);
        for (place, written) in spans(content, &places) {
            self.add(section, Some(path), Some(place), written);
        }
    }

    /// What a section says outside of the folds of files. Where that names no place, it is kept
    /// as a whole if nothing else of the section was recognised.
    fn read_loose(&mut self, section: Section, written: &str, before: usize) {
        let written = bare(written);
        let mut places = places(written);
        places.retain(|place| place.path.is_some());
        for (place, text) in spans(written, &places) {
            self.add(section, place.path, Some(place), text);
        }
        if self.found.findings.len() == before {
            self.add(section, None, None, written);
        }
    }

    fn add(
        &mut self,
        section: Section,
        path: Option<&str>,
        place: Option<&Place<'_>>,
        written: &str,
    ) {
        let written = bare(written);
        if written.is_empty() || self.found.findings.len() >= FINDINGS_MAX {
            return;
        }
        self.found.findings.push(Finding {
            id: format!("{}#{}", self.review_id, self.found.findings.len() + 1),
            section,
            path: path.map(str::to_owned),
            start: place
                .filter(|place| place.start != place.end)
                .map(|place| place.start),
            line: place.map(|place| place.end),
            written: written.to_owned(),
        });
    }
}

/// Without the marks that make a quotation of folds: a warning that quotes its section.
fn unquoted(body: &str) -> Cow<'_, str> {
    fn mark(line: &str) -> Option<&str> {
        let after = line.strip_prefix('>')?;
        Some(after.strip_prefix(' ').unwrap_or(after))
    }
    let mut lines = body.split_inclusive('\n').peekable();
    if !body.contains("<details") || !body.contains('>') {
        return Cow::Borrowed(body);
    }
    let mut bare = String::with_capacity(body.len());
    while let Some(line) = lines.next() {
        if mark(line).is_none() {
            bare.push_str(line);
            continue;
        }
        let mut quoted = vec![line];
        while let Some(line) = lines.next_if(|line| mark(line).is_some()) {
            quoted.push(line);
        }
        let folds = quoted.iter().any(|line| line.contains("<details"));
        for line in quoted {
            bare.push_str(mark(line).filter(|_| folds).unwrap_or(line));
        }
    }
    Cow::Owned(bare)
}

/// A title that ends in how many there are: what stands before it, and the number.
fn counted(title: &str) -> Option<(&str, usize)> {
    let (before, count) = title.trim().strip_suffix(')')?.rsplit_once('(')?;
    Some((before.trim(), count.parse().ok()?))
}

/// The section that a title opens, and how many findings it announces.
fn titled(title: &str) -> Option<(Section, usize)> {
    let lower = title.to_lowercase();
    let (name, count) = counted(&lower)?;
    // Approval and verification, not findings.
    if !name.split_whitespace().any(|word| word == "comments") || name.contains("additional") {
        return None;
    }
    const NAMES: [(&str, Section); 8] = [
        ("outside diff", Section::OutsideDiff),
        ("nitpick", Section::Nitpick),
        ("duplicate", Section::Duplicate),
        ("failed to post", Section::FailedToPost),
        ("critical", Section::Critical),
        ("major", Section::Major),
        ("minor", Section::Minor),
        ("low confidence", Section::LowConfidence),
    ];
    let mut named = NAMES.iter().filter(|(words, _)| name.contains(words));
    match (named.next(), named.next()) {
        (Some((_, section)), None) => Some((*section, count)),
        _ => Some((Section::Other, count)),
    }
}

/// Where a finding begins, and what it is about.
#[derive(Debug)]
struct Place<'a> {
    /// Where the line with the place begins, in bytes.
    at: usize,
    /// Where the finding's own words begin.
    words_at: usize,
    path: Option<&'a str>,
    start: u64,
    end: u64,
}

/// The places that lines of a text name which are in no fence and no fold.
fn places(written: &str) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    let mut before = Before::Rule;
    let mut at_line_start = true;
    for part in parts(written) {
        let is_words = matches!(part.kind, Kind::Words);
        if at_line_start
            && is_words
            && let Some(mut place) = place(part.text, before)
        {
            place.at += part.at;
            place.words_at += part.at;
            places.push(place);
        }
        at_line_start = part.text.ends_with('\n');
        before = match part.text.trim() {
            _ if !is_words => Before::Words,
            "" if before == Before::Rule => Before::Rule,
            "" => Before::Nothing,
            "---" => Before::Rule,
            _ => Before::Words,
        };
    }
    places
}

/// What stands before a line.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// The beginning, or a rule across the page, and nothing else.
    Rule,
    /// An empty line.
    Nothing,
    Words,
}

/// The place that a line names: "`12-15`: words", "12-15: words" or "**src/a.rs:12-15**: words".
fn place(line: &str, before: Before) -> Option<Place<'_>> {
    let bare = line.trim_start();
    let bare = bare.strip_prefix("Line range hint ").unwrap_or(bare);
    let at = line.len() - bare.len();
    let (path, numbers, after) = if let Some(rest) = bare.strip_prefix("**") {
        let (place, after) = rest.split_once("**")?;
        let (path, numbers) = place.rsplit_once(':')?;
        let is_path = !path.is_empty() && !path.contains(char::is_whitespace);
        (is_path.then_some(Some(path))?, numbers, after)
    } else if let Some(rest) = bare.strip_prefix('`') {
        if before == Before::Words {
            return None;
        }
        let (numbers, after) = rest.split_once('`')?;
        (None, numbers, after.strip_prefix(':')?)
    } else {
        // Words may begin with a number, too.
        if before != Before::Rule {
            return None;
        }
        let (numbers, after) = bare.split_once(':')?;
        (None, numbers, after)
    };
    let (start, end) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    let after = after
        .strip_prefix(':')
        .unwrap_or(after)
        .trim_start_matches(' ');
    Some(Place {
        at,
        words_at: line.len() - after.len(),
        path,
        start,
        end,
    })
}

/// Each place with the words up to the next.
fn spans<'a, 'b>(
    written: &'a str,
    places: &'b [Place<'a>],
) -> impl Iterator<Item = (&'b Place<'a>, &'a str)> {
    places.iter().enumerate().map(|(number, place)| {
        let end = places.get(number + 1).map_or(written.len(), |next| next.at);
        (place, &written[place.words_at..end])
    })
}

/// Without what frames a text: indentation by tags, and the rule that parts it from the next.
fn bare(written: &str) -> &str {
    let mut bare = written.trim();
    loop {
        let before = bare.len();
        for tag in ["<blockquote>", "</blockquote>", "---"] {
            bare = bare.strip_suffix(tag).unwrap_or(bare).trim_end();
        }
        for tag in ["<blockquote>", "</blockquote>"] {
            bare = bare.strip_prefix(tag).unwrap_or(bare).trim_start();
        }
        if bare.len() == before {
            return bare;
        }
    }
}

/// Without the count of threads, rules across the page, and alerts that only say where the
/// findings are.
fn without_announcements(words: &str) -> String {
    let mut kept = String::new();
    let mut in_alert = false;
    for line in words.lines() {
        let bare = line.trim_start_matches(['>', ' ']).trim();
        in_alert = match bare {
            "" => false,
            _ => in_alert || (bare.starts_with("[!") && bare.ends_with(']')),
        };
        let announces = bare.starts_with("**Actionable comments posted");
        if !in_alert && !announces && bare != "---" {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests;
