//! Priority labels: which of two issues comes first.

/// The priority of an issue without a priority label: after every labelled one.
pub const UNLABELLED: u8 = u8::MAX;

/// How labels are understood: the built-in scheme, or the configured list, highest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityScheme {
    configured: Vec<String>,
}

impl PriorityScheme {
    /// A scheme from PRIORITY_LABELS; empty means the built-in one.
    pub fn new(configured: Vec<String>) -> Self {
        Self { configured }
    }

    /// Level of the most urgent of `labels` and that label: 0 is the highest.
    pub fn rank<'a>(&self, labels: impl IntoIterator<Item = &'a str>) -> (u8, Option<&'a str>) {
        labels
            .into_iter()
            .filter_map(|label| Some((self.level(label)?, label)))
            .min_by_key(|(level, _)| *level)
            .map_or((UNLABELLED, None), |(level, label)| (level, Some(label)))
    }

    fn level(&self, label: &str) -> Option<u8> {
        if self.configured.is_empty() {
            return built_in(label);
        }
        let position = self
            .configured
            .iter()
            .position(|configured| configured.eq_ignore_ascii_case(label))?;
        Some(u8::try_from(position).unwrap_or(UNLABELLED - 1))
    }
}

/// `P0`–`P4`, `priority: critical|high|medium|low`, `priority/…`, `severity…`, `urgent`,
/// `critical`, `blocker`; any case; `:`, `/`, `-`, `_` or spaces between.
fn built_in(label: &str) -> Option<u8> {
    let lower = label.trim().to_ascii_lowercase();
    let words: Vec<&str> = lower
        .split([':', '/', '-', '_', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        ["urgent" | "critical" | "blocker"] => Some(0),
        [word] => p_level(word).or_else(|| {
            let digit = word
                .strip_prefix("priority")
                .or(word.strip_prefix("severity"))?;
            digit_level(digit)
        }),
        ["priority" | "prio" | "severity" | "sev", word] => word_level(word),
        [word, "priority" | "severity"] => word_level(word),
        _ => None,
    }
}

fn word_level(word: &str) -> Option<u8> {
    match word {
        "critical" | "urgent" | "blocker" | "highest" => Some(0),
        "high" | "major" => Some(1),
        "medium" | "normal" | "moderate" => Some(2),
        "low" | "minor" => Some(3),
        "lowest" | "trivial" => Some(4),
        _ => p_level(word).or_else(|| digit_level(word)),
    }
}

fn p_level(word: &str) -> Option<u8> {
    digit_level(word.strip_prefix('p')?)
}

fn digit_level(word: &str) -> Option<u8> {
    match word.as_bytes() {
        [digit @ b'0'..=b'4'] => Some(digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_labels() {
        let cases = [
            ("P0", Some(0)),
            ("p3", Some(3)),
            ("P5", None),
            ("priority: critical", Some(0)),
            ("Priority/High", Some(1)),
            ("priority-medium", Some(2)),
            ("priority low", Some(3)),
            ("high priority", Some(1)),
            ("priority: p1", Some(1)),
            ("severity:major", Some(1)),
            ("Severity/Critical", Some(0)),
            ("severity2", Some(2)),
            ("urgent", Some(0)),
            ("Blocker", Some(0)),
            ("blocked", None),
            ("bug", None),
            ("high", None),
            ("priority", None),
            ("", None),
        ];
        for (label, level) in cases {
            assert_eq!(built_in(label), level, "{label}");
        }
    }

    #[test]
    fn the_most_urgent_label_counts() {
        let scheme = PriorityScheme::default();
        assert_eq!(scheme.rank(["bug", "P2", "urgent"]), (0, Some("urgent")));
        assert_eq!(scheme.rank(["bug"]), (UNLABELLED, None));
    }

    #[test]
    fn configured_labels_replace_the_scheme() {
        let scheme = PriorityScheme::new(vec!["now".into(), "soon".into()]);
        assert_eq!(scheme.rank(["Soon", "P0"]), (1, Some("Soon")));
        assert_eq!(scheme.rank(["P0"]), (UNLABELLED, None));
    }
}
