//! Where gh is, and the environment it gets: nothing but what is on the list.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::GhError;

/// Passed on when present. Proxy and certificate settings make gh work behind company networks;
/// the D-Bus address lets it reach the keyring.
const PASSED_ON: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "GH_CONFIG_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "GH_TOKEN",
];

/// Always set. `CLICOLOR_FORCE=1` would colour JSON, telemetry would fork a detached process that
/// escapes the pool; the last three halve gh's start (TCELL on 2.23 to 2.61) or save its garbage
/// collection, bounded by a memory limit.
const PINNED: [(&str, &str); 14] = [
    ("GH_TELEMETRY", "false"),
    ("DO_NOT_TRACK", "1"),
    ("CLICOLOR_FORCE", "0"),
    ("NO_COLOR", "1"),
    ("GH_PROMPT_DISABLED", "1"),
    ("GH_NO_UPDATE_NOTIFIER", "1"),
    ("GH_NO_EXTENSION_UPDATE_NOTIFIER", "1"),
    ("GH_SPINNER_DISABLED", "1"),
    ("GH_PAGER", "cat"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("TCELL_MINIMIZE", "1"),
    ("GOGC", "off"),
    ("GOMEMLIMIT", "200MiB"),
];

/// The environment of a gh child, from this process's one.
pub(super) fn child_environment(
    own: impl Iterator<Item = (OsString, OsString)>,
    host: &str,
    token: Option<&str>,
) -> Vec<(OsString, OsString)> {
    let public = host == "github.com" || host.ends_with(".ghe.com");
    let passed = |name: &OsStr| {
        let name = name.to_str().unwrap_or_default();
        // A token for the wrong host would be sent to it.
        let wrong_token = !public && name == "GH_TOKEN";
        let enterprise = !public && name == "GH_ENTERPRISE_TOKEN";
        let alias = public && name == "GITHUB_TOKEN" && token.is_none();
        (PASSED_ON.contains(&name) && !wrong_token)
            || name.starts_with("XDG_")
            || enterprise
            || alias
    };
    let mut environment: Vec<_> = own.filter(|(name, _)| passed(name)).collect();
    environment.extend(PINNED.map(|(name, value)| (name.into(), value.into())));
    if let Some(token) = token {
        let name = if public {
            "GH_TOKEN"
        } else {
            "GH_ENTERPRISE_TOKEN"
        };
        environment.retain(|(known, _)| known != name);
        environment.push((name.into(), token.into()));
    }
    environment
}

/// Finds gh: the configured path, else the one on PATH.
pub fn locate(configured: Option<&Path>) -> Result<PathBuf, GhError> {
    match configured {
        Some(path) => which::which(path).map_err(|_| GhError::Missing(Some(path.to_owned()))),
        None => which::which("gh").map_err(|_| GhError::Missing(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(own: &[(&str, &str)], host: &str, token: Option<&str>) -> Vec<String> {
        let own = own.iter().map(|(name, value)| (name.into(), value.into()));
        child_environment(own, host, token)
            .iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect()
    }

    #[test]
    fn only_what_is_on_the_list_is_passed_on() {
        let own = [
            ("PATH", "/bin"),
            ("GH_DEBUG", "api"),
            ("GH_REPO", "x/y"),
            ("API_KEY", "secret"),
            ("XDG_CONFIG_HOME", "/c"),
            ("CLICOLOR_FORCE", "1"),
        ];
        let environment = environment(&own, "github.com", None);
        assert!(environment.contains(&"PATH=/bin".to_owned()));
        assert!(environment.contains(&"XDG_CONFIG_HOME=/c".to_owned()));
        assert!(environment.contains(&"CLICOLOR_FORCE=0".to_owned()));
        for dropped in ["GH_DEBUG", "GH_REPO", "API_KEY", "CLICOLOR_FORCE=1"] {
            assert!(
                !environment.iter().any(|entry| entry.starts_with(dropped)),
                "{dropped}"
            );
        }
    }

    #[test]
    fn a_token_goes_only_to_the_host_it_is_for() {
        let own = [("GH_TOKEN", "a"), ("GH_ENTERPRISE_TOKEN", "b")];
        let public = environment(&own, "github.com", Some("t"));
        assert!(public.contains(&"GH_TOKEN=t".to_owned()));
        assert!(
            !public
                .iter()
                .any(|entry| entry.starts_with("GH_ENTERPRISE_TOKEN"))
        );
        let enterprise = environment(&own, "git.example.org", None);
        assert!(enterprise.contains(&"GH_ENTERPRISE_TOKEN=b".to_owned()));
        assert!(!enterprise.iter().any(|entry| entry.starts_with("GH_TOKEN")));
    }
}
