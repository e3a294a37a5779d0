//! Which other open pull requests touch the same files, and whose claims are behind them.
//!
//! One GraphQL query tells the files of up to thirty pull requests. It tells no old names and no
//! lines: those of a few pull requests that share files, or rename some, are read one by one where
//! lines are asked for.

mod fetch;

use std::collections::BTreeMap;

use serde::Serialize;

pub use fetch::fetch;

use super::Warning;
use super::edits::{edits, numbers};
use super::files::ChangedFile;
use super::secrets::mask;
use crate::domain::text;

/// Most paths of one pull request that an answer tells at once.
pub const PATHS_TOLD_MAX: usize = 10;
/// Most places of one pull request that an answer tells at once.
pub const PLACES_TOLD_MAX: usize = 5;
/// Most places of one pull request that are found.
const PLACES_FOUND_MAX: usize = 200;
/// Longest title or path that is told, in bytes.
const WORDS_BYTES_MAX: usize = 200;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The files that this pull request changes.
    pub own: &'a [ChangedFile],
    /// Only pull requests into this branch; none takes those into any.
    pub base: Option<&'a str>,
    /// Whether lines are compared: one more call for each of a few pull requests.
    pub lines: bool,
    /// Whose claims are behind which pull requests.
    pub claims: &'a Claimants,
}

/// Claims by the number of the pull request that they led to.
pub type Claimants = BTreeMap<u64, Claimant>;

/// The claim behind a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claimant {
    /// Id of the claim.
    pub claim: String,
    /// The agent that holds it.
    pub agent: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Overlaps {
    /// Other open pull requests that touch the same files, the nearest first.
    pub pulls: Vec<OverlappingPull>,
    /// What could not be compared.
    pub warnings: Vec<Warning>,
}

/// How near two pull requests come to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// Both change the same or neighbouring lines: the second to land conflicts.
    Lines,
    /// Both change the same files; the lines are not known.
    Files,
    /// Both change the same files in places apart.
    Apart,
}

/// Another open pull request that touches the same files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverlappingPull {
    /// Its number.
    pub pr: u64,
    /// Its title, written by its author.
    pub title: String,
    /// Who opened it; `ghost` when the account is gone.
    pub author: String,
    /// Whether it is a draft.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// How near it comes.
    pub overlap: Nearness,
    /// Shared files, by the name that this pull request gives them.
    pub paths: Vec<String>,
    /// Shared files beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_paths: usize,
    /// Where both change the same or neighbouring lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Such places beside those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_places: usize,
    /// The claim behind it.
    #[serde(flatten)]
    pub claimant: Option<Claimant>,
}

/// Lines that two pull requests change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, by the name that this pull request gives it.
    pub path: String,
    /// First and last line in the head of this pull request. A place where lines are only removed
    /// is the line before it, twice.
    pub lines: [usize; 2],
    /// The same in the head of the other one.
    pub their_lines: [usize; 2],
}

/// Another open pull request as it was told.
#[derive(Clone, Debug)]
struct Candidate {
    number: u64,
    title: String,
    author: String,
    draft: bool,
    /// Whether it changes more files than are told.
    cut: bool,
    /// Whether it renames a file, whose old name is not told yet.
    renames: bool,
    files: Vec<ChangedFile>,
    /// Whether `files` come with patches and old names.
    read: bool,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl OverlappingPull {
    /// With all that was found, in words that are short and hide nothing.
    #[must_use]
    pub fn short(mut self) -> Self {
        let short = |words: &str| text::one_line(text::cut(words, WORDS_BYTES_MAX).0);
        self.title = short(&mask(&self.title));
        self.author = short(&self.author);
        for path in &mut self.paths {
            *path = short(path);
        }
        for place in &mut self.places {
            place.path = short(&place.path);
        }
        self
    }
}

/// Compares the files of a pull request with those of another one.
fn compare(own: &[ChangedFile], other: &Candidate, claims: &Claimants) -> Option<OverlappingPull> {
    let shared = shared(own, &other.files);
    if shared.is_empty() {
        return None;
    }
    let mut places = Vec::new();
    let mut all_known = other.read;
    for (ours, theirs) in &shared {
        if ours.patch.is_none() || theirs.patch.is_none() {
            all_known = false;
        }
        places.extend(common_places(ours, theirs));
    }
    let overlap = match (places.is_empty(), all_known) {
        (false, _) => Nearness::Lines,
        (true, true) => Nearness::Apart,
        (true, false) => Nearness::Files,
    };
    let more_places = places.len().saturating_sub(PLACES_FOUND_MAX);
    places.truncate(PLACES_FOUND_MAX);
    let mut paths: Vec<String> = shared
        .iter()
        .map(|(ours, _)| ours.filename.clone())
        .collect();
    paths.dedup();
    Some(OverlappingPull {
        pr: other.number,
        title: other.title.clone(),
        author: other.author.clone(),
        draft: other.draft,
        overlap,
        paths,
        more_paths: 0,
        places,
        more_places,
        claimant: claims.get(&other.number).cloned(),
    })
}

/// Pairs of files that are known by the same path, before or now.
fn shared<'a>(
    own: &'a [ChangedFile],
    other: &'a [ChangedFile],
) -> Vec<(&'a ChangedFile, &'a ChangedFile)> {
    let mut by_name: BTreeMap<&str, Vec<&ChangedFile>> = BTreeMap::new();
    for file in other {
        for name in file.names() {
            by_name.entry(name).or_default().push(file);
        }
    }
    let mut pairs: Vec<(&ChangedFile, &ChangedFile)> = Vec::new();
    for file in own {
        let found = file.names().filter_map(|name| by_name.get(name)).flatten();
        for theirs in found {
            let known = pairs
                .iter()
                .rev()
                .take_while(|(ours, _)| std::ptr::eq(*ours, file));
            if !known
                .clone()
                .any(|(_, found)| std::ptr::eq(*found, *theirs))
            {
                pairs.push((file, theirs));
            }
        }
    }
    pairs
}

/// Where both change the same or neighbouring lines of the file as it was, not alike. The old line
/// numbers are those of each one's own start; when the file changed in between they are off by that.
fn common_places(ours: &ChangedFile, theirs: &ChangedFile) -> Vec<Place> {
    let (our_edits, their_edits) = (edits(&ours.hunks()), edits(&theirs.hunks()));
    let mut places = Vec::new();
    for edit in &our_edits {
        let near = their_edits.iter().filter(|other| edit.collides_with(other));
        places.extend(near.map(|other| Place {
            path: ours.filename.clone(),
            lines: numbers(&edit.new),
            their_lines: numbers(&other.new),
        }));
        if places.len() > PLACES_FOUND_MAX {
            break;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulls::files::FileStatus;

    fn file(path: &str, previous: Option<&str>, patch: Option<&str>) -> ChangedFile {
        ChangedFile {
            filename: path.to_owned(),
            status: FileStatus::Modified,
            previous_filename: previous.map(str::to_owned),
            additions: 1,
            deletions: 1,
            patch: patch.map(str::to_owned),
        }
    }

    fn candidate(files: Vec<ChangedFile>) -> Candidate {
        Candidate {
            number: 58,
            title: "Other".to_owned(),
            author: "kim".to_owned(),
            draft: false,
            cut: false,
            renames: false,
            read: files.iter().any(|file| file.patch.is_some()),
            files,
        }
    }

    fn nearness(own: &[ChangedFile], other: Vec<ChangedFile>) -> Option<Nearness> {
        compare(own, &candidate(other), &Claimants::new()).map(|found| found.overlap)
    }

    #[test]
    fn neighbouring_lines_are_near_and_others_apart() {
        let change = |line: u32, to: &str| format!("@@ -{line} +{line} @@\n-a\n+{to}");
        let own = [file("a", None, Some(&change(10, "b")))];
        for (line, expected) in [
            (8, Nearness::Apart),
            (9, Nearness::Lines),
            (10, Nearness::Lines),
            (11, Nearness::Lines),
            (12, Nearness::Apart),
        ] {
            let other = vec![file("a", None, Some(&change(line, "c")))];
            assert_eq!(nearness(&own, other), Some(expected), "{line}");
        }
        let same = vec![file("a", None, Some(&change(10, "b")))];
        assert_eq!(nearness(&own, same), Some(Nearness::Apart));
        // Where one patch is missing nothing can be said of the lines.
        let other = vec![file("a", None, None)];
        assert_eq!(nearness(&own, other), Some(Nearness::Files));
        assert_eq!(nearness(&own, vec![file("b", None, None)]), None);
    }

    #[test]
    fn both_names_of_a_renamed_file_count() {
        let own = [file("new", Some("old"), None)];
        for (path, previous) in [("new", None), ("old", None), ("x", Some("old"))] {
            let found = compare(
                &own,
                &candidate(vec![file(path, previous, None)]),
                &Claimants::new(),
            );
            assert_eq!(found.expect("it is shared").paths, ["new"], "{path}");
        }
        let twice = vec![file("new", Some("old"), None)];
        let found = compare(&own, &candidate(twice), &Claimants::new());
        assert_eq!(found.expect("it is shared").paths.len(), 1);
    }

    #[test]
    fn every_shared_file_is_found_and_the_claim_is_named() {
        let files = |count: usize| -> Vec<ChangedFile> {
            let names = (0..count).map(|index| file(&format!("f{index}"), None, None));
            names.collect()
        };
        let claimant = Claimant {
            claim: "c1".to_owned(),
            agent: "agent-3".to_owned(),
        };
        let claims = Claimants::from([(58, claimant)]);
        let found = compare(&files(14), &candidate(files(13)), &claims);
        let found = found.expect("they share files");
        assert_eq!((found.paths.len(), found.more_paths), (13, 0));
        let json = serde_json::to_value(&found).expect("it is JSON");
        assert_eq!(
            (&json["claim"], &json["agent"]),
            (&"c1".into(), &"agent-3".into())
        );
        assert!(json.get("places").is_none() && json.get("draft").is_none());
    }
}
