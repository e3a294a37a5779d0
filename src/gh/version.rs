//! Which gh this is.

use std::fmt;

/// The oldest gh that is supported: the one Debian 12 ships. Older ones lack flags we rely on.
pub const MINIMUM_VERSION: GhVersion = GhVersion {
    major: 2,
    minor: 23,
    patch: 0,
};

/// From this version on gh refuses answers with terminal escapes unless told otherwise.
pub(super) const ESCAPES_REFUSED_SINCE: GhVersion = GhVersion {
    major: 2,
    minor: 100,
    patch: 0,
};

/// Version of gh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GhVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl GhVersion {
    /// Reads `gh version 2.23.0 (…)`, the first line of `gh --version`.
    pub fn parse(output: &str) -> Option<Self> {
        let version = output.lines().next()?.strip_prefix("gh version ")?;
        let version = version.split_whitespace().next()?.trim_start_matches('v');
        let mut numbers = version
            .split(['.', '-', '+'])
            .map_while(|part| part.parse().ok());
        Some(Self {
            major: numbers.next()?,
            minor: numbers.next()?,
            patch: numbers.next().unwrap_or(0),
        })
    }
}

impl fmt::Display for GhVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_gh_prints_them() {
        let parse = |text| GhVersion::parse(text).map(|version| version.to_string());
        assert_eq!(
            parse("gh version 2.23.0 (2023-02-27 Debian 2.23.0+dfsg1-1)\nhttps://…"),
            Some("2.23.0".to_owned())
        );
        assert_eq!(
            parse("gh version 2.102.0 (2026-10-01)"),
            Some("2.102.0".to_owned())
        );
        assert_eq!(parse("gh version 2.9.0-rc1"), Some("2.9.0".to_owned()));
        assert_eq!(parse("hub version 2.14"), None);
        let older = GhVersion::parse("gh version 2.9.0").unwrap();
        assert!(older < MINIMUM_VERSION && MINIMUM_VERSION < ESCAPES_REFUSED_SINCE);
    }
}
