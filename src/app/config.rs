//! Configuration: flags over environment over `.env` over defaults, read once at the start. A
//! value that cannot be read stops the program, naming variable, value and what is allowed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::claim::{EligibilityRules, LeasePolicy};
use crate::domain::priority::PriorityScheme;
use crate::domain::{AgentId, ApiError, Host, RepoPattern};
use crate::gh::GhSettings;

/// One variable: its name, default and meaning.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Name in the environment.
    pub name: &'static str,
    /// Value when it is not set.
    pub default: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
}

const fn variable(name: &'static str, default: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default,
        about,
    }
}

/// Every variable, in the order of `.env.example`.
pub const VARIABLES: [Variable; 20] = [
    variable(
        "GITHUB_TOKEN",
        "",
        "optional: given to gh as GH_TOKEN; empty uses gh's own login",
    ),
    variable(
        "GH_HOST",
        "github.com",
        "GitHub host, for GitHub Enterprise",
    ),
    variable("GH_PATH", "", "the gh binary; empty finds it on PATH"),
    variable(
        "GH_MAX_PROCESSES",
        "8",
        "how many gh run at once (1 to 64); two places are kept for claims",
    ),
    variable(
        "GH_TIMEOUT_SECONDS",
        "30",
        "time limit of one gh call (1 to 600)",
    ),
    variable(
        "HTTP_HOST",
        "127.0.0.1",
        "address to listen on; anything but loopback needs API_KEY",
    ),
    variable(
        "HTTP_PORT",
        "3100",
        "port to listen on; 0 takes any free one",
    ),
    variable(
        "API_KEY",
        "",
        "when set, every route but /api/health wants Authorization: Bearer KEY",
    ),
    variable(
        "CLAIM_TIMEOUT_MINUTES",
        "120",
        "silence after which a claim is stale; decimals allowed",
    ),
    variable(
        "STALE_AUTO_RELEASE_MINUTES",
        "0",
        "further minutes until a stale claim is released; 0 is never",
    ),
    variable(
        "SYNC_INTERVAL_MINUTES",
        "15",
        "minutes between two looks at GitHub; decimals allowed",
    ),
    variable(
        "STATE_FILE_PATH",
        "",
        "the state file; empty is issuecommand-state.json in the user's state folder",
    ),
    variable(
        "ALLOWED_REPOS",
        "",
        "owner/name or owner/*, comma-separated; empty allows all that are accessible",
    ),
    variable(
        "PRIORITY_LABELS",
        "",
        "labels, highest first, comma-separated; empty uses P0-P4, priority: high and the like",
    ),
    variable(
        "SKIP_LABELS",
        "blocked,wontfix,duplicate,invalid,question,needs-info",
        "next_issue passes these by",
    ),
    variable(
        "AGENT_ID",
        "",
        "the agent_id of this process where a call names none",
    ),
    variable(
        "LOG_FILE",
        "",
        "log and claim events are also written to this file",
    ),
    variable("LOG_LEVEL", "info", "error, warn, info, debug or trace"),
    variable(
        "XDG_STATE_HOME",
        "",
        "the user's state folder, as other programs use it",
    ),
    variable("HOME", "", "the user's home, as other programs use it"),
];

/// What the program was told.
#[derive(Clone)]
pub struct Config {
    /// How gh is run.
    pub gh: GhSettings,
    /// HTTP_HOST.
    pub http_host: IpAddr,
    /// HTTP_PORT.
    pub http_port: u16,
    /// API_KEY.
    pub api_key: Option<String>,
    /// CLAIM_TIMEOUT_MINUTES and STALE_AUTO_RELEASE_MINUTES.
    pub leases: LeasePolicy,
    /// SYNC_INTERVAL_MINUTES.
    pub sync_interval: Duration,
    /// STATE_FILE_PATH.
    pub state_file: PathBuf,
    /// ALLOWED_REPOS.
    pub allowed: Vec<RepoPattern>,
    /// PRIORITY_LABELS and SKIP_LABELS.
    pub rules: EligibilityRules,
    /// AGENT_ID.
    pub agent_id: Option<AgentId>,
    /// LOG_FILE.
    pub log_file: Option<PathBuf>,
    /// LOG_LEVEL.
    pub log_level: tracing::Level,
}

/// Looks values up and says what is wrong with them.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> String {
        let default = VARIABLES.iter().find(|variable| variable.name == name);
        let given = (self.lookup)(name).filter(|value| !value.trim().is_empty());
        given.unwrap_or_else(|| default.map_or("", |variable| variable.default).to_owned())
    }

    fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ApiError> {
        let text = self.text(name);
        parse(text.trim()).ok_or_else(|| refuse(name, &text, allowed))
    }

    fn minutes(&self, name: &str, zero_allowed: bool) -> Result<Duration, ApiError> {
        // Ten years; more would be a slip, and time arithmetic stays in range.
        const MINUTES_MAX: f64 = 5_256_000.0;
        let allowed = if zero_allowed {
            "minutes, 0 or more, decimals allowed"
        } else {
            "minutes above 0, decimals allowed"
        };
        self.parsed(name, allowed, |text| {
            let minutes: f64 = text.parse().ok()?;
            let fits = minutes.is_finite()
                && minutes <= MINUTES_MAX
                && (minutes > 0.0 || zero_allowed && minutes == 0.0);
            fits.then(|| Duration::from_secs_f64(minutes * 60.0))
        })
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name);
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }
}

fn refuse(name: &str, value: &str, allowed: &str) -> ApiError {
    let mut error = ApiError::invalid(
        format!("{name} is '{value}', which cannot be used"),
        format!("set {name} to {allowed}"),
    );
    error.code = "invalid_configuration".into();
    error
}

impl Config {
    /// Reads every variable through `lookup`, which already puts flags over environment over
    /// `.env`.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        let reader = Reader { lookup };
        let api_key = reader.optional("API_KEY");
        let http_host = reader.parsed("HTTP_HOST", "an IP address such as 127.0.0.1", |text| {
            if text == "localhost" {
                Some(IpAddr::from([127, 0, 0, 1]))
            } else {
                text.parse().ok()
            }
        })?;
        if !http_host.is_loopback() && api_key.is_none() {
            let mut error = ApiError::invalid(
                format!(
                    "HTTP_HOST is {http_host}, which other machines reach, and API_KEY is not set"
                ),
                "set API_KEY to a long random text, or HTTP_HOST to 127.0.0.1",
            );
            error.code = "invalid_configuration".into();
            return Err(error);
        }
        let stale_release = reader.minutes("STALE_AUTO_RELEASE_MINUTES", true)?;
        let allowed = reader.list("ALLOWED_REPOS").into_iter().map(|entry| {
            let parsed = entry.parse::<RepoPattern>();
            parsed.map_err(|_| {
                refuse(
                    "ALLOWED_REPOS",
                    &entry,
                    "owner/name or owner/*, comma-separated",
                )
            })
        });
        let agent_id = reader.optional("AGENT_ID").map(|text| {
            let parsed = text.parse::<AgentId>();
            parsed.map_err(|_| refuse("AGENT_ID", &text, "1 to 128 printable characters"))
        });
        Ok(Self {
            gh: GhSettings {
                path: reader.optional("GH_PATH").map(PathBuf::from),
                host: reader.parsed("GH_HOST", "a host name without https://", |text| {
                    text.parse::<Host>().ok()
                })?,
                token: reader.optional("GITHUB_TOKEN"),
                processes_max: reader.parsed(
                    "GH_MAX_PROCESSES",
                    "a number from 1 to 64",
                    |text| text.parse().ok().filter(|count| (1..=64).contains(count)),
                )?,
                time_limit: reader.parsed(
                    "GH_TIMEOUT_SECONDS",
                    "seconds from 1 to 600",
                    |text| {
                        let seconds: f64 = text.parse().ok()?;
                        (1.0..=600.0)
                            .contains(&seconds)
                            .then(|| Duration::from_secs_f64(seconds))
                    },
                )?,
            },
            http_host,
            http_port: reader.parsed("HTTP_PORT", "a port from 0 to 65535", |text| {
                text.parse().ok()
            })?,
            api_key,
            leases: LeasePolicy {
                claim_timeout: reader.minutes("CLAIM_TIMEOUT_MINUTES", false)?,
                stale_auto_release: Some(stale_release).filter(|wait| !wait.is_zero()),
            },
            sync_interval: reader.minutes("SYNC_INTERVAL_MINUTES", false)?,
            state_file: match reader.optional("STATE_FILE_PATH") {
                Some(path) => PathBuf::from(path),
                None => default_state_file(&reader)?,
            },
            allowed: allowed.collect::<Result<_, _>>()?,
            rules: EligibilityRules {
                skip_labels: reader.list("SKIP_LABELS"),
                priorities: PriorityScheme::new(reader.list("PRIORITY_LABELS")),
            },
            agent_id: agent_id.transpose()?,
            log_file: reader.optional("LOG_FILE").map(PathBuf::from),
            log_level: reader.parsed("LOG_LEVEL", "error, warn, info, debug or trace", |text| {
                text.parse().ok()
            })?,
        })
    }
}

/// Not the working directory: clients start the server from different folders, and two state
/// files would hand out one issue twice.
fn default_state_file(reader: &Reader<'_>) -> Result<PathBuf, ApiError> {
    const FILE: &str = "issuecommand-state.json";
    if let Some(state) = reader.optional("XDG_STATE_HOME") {
        return Ok(PathBuf::from(state).join("issuecommand").join(FILE));
    }
    let home = reader.optional("HOME").map(PathBuf::from).ok_or_else(|| {
        ApiError::invalid(
            "neither STATE_FILE_PATH nor HOME is set",
            "set STATE_FILE_PATH to where the state shall be kept",
        )
    })?;
    let folder = if cfg!(target_os = "macos") {
        home.join("Library/Application Support/issuecommand")
    } else {
        home.join(".local/state/issuecommand")
    };
    Ok(folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ApiError> {
        let lookup = |name: &str| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .or((name == "HOME").then(|| "/home/u".to_owned()))
        };
        Config::read(&lookup)
    }

    #[test]
    fn defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.http_port, 3100);
        assert_eq!(config.leases.claim_timeout, Duration::from_secs(7_200));
        assert_eq!(config.leases.stale_auto_release, None);
        assert!(
            config
                .state_file
                .ends_with("issuecommand/issuecommand-state.json")
        );
        assert_eq!(config.rules.skip_labels.len(), 6);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("HTTP_PORT", "70000"),
            ("HTTP_HOST", "example.com"),
            ("HTTP_HOST", "0.0.0.0"),
            ("GH_MAX_PROCESSES", "0"),
            ("GH_TIMEOUT_SECONDS", "x"),
            ("CLAIM_TIMEOUT_MINUTES", "-1"),
            ("CLAIM_TIMEOUT_MINUTES", "0"),
            ("CLAIM_TIMEOUT_MINUTES", "NaN"),
            ("SYNC_INTERVAL_MINUTES", "inf"),
            ("ALLOWED_REPOS", "just-a-name"),
            ("AGENT_ID", "a\nb"),
            ("LOG_LEVEL", "loud"),
            ("GH_HOST", "https://github.com"),
        ];
        for (name, value) in cases {
            let Err(error) = read(&[(name, value)]) else {
                panic!("{name}={value} was taken")
            };
            assert_eq!(error.code, "invalid_configuration");
            assert!(error.message.contains(name), "{}", error.message);
            assert!(error.suggestion.contains(name) || name == "HTTP_HOST");
        }
        assert!(read(&[("HTTP_HOST", "0.0.0.0"), ("API_KEY", "k")]).is_ok());
    }

    #[test]
    fn decimals_are_minutes() {
        let config = read(&[("CLAIM_TIMEOUT_MINUTES", "0.05")]).unwrap();
        assert_eq!(config.leases.claim_timeout, Duration::from_secs(3));
    }
}
