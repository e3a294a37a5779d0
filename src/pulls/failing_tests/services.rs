//! What shows a failure again where GitHub Actions did not run it. Some services document a command of
//! their own that does a job again in a clone; of all others the first step is known, which is to check
//! out what failed.

use crate::domain::Host;
use crate::pulls::PullId;
use crate::pulls::checks::Check;
use crate::pulls::shell::shell_word;

/// What a command that checks a pull request out begins with.
const CHECKOUT: &str = "gh pr checkout ";

/// A kind of checks, and what does their work again in a clone.
struct Service {
    /// Short name of the app that reports them; none for commit statuses.
    app: Option<&'static str>,
    /// What their names begin with.
    name: &'static str,
    again: Again,
}

enum Again {
    /// A command for all of them.
    All(&'static str),
    /// One that takes the rest of the name.
    One(&'static str),
}

use Again::{All, One};

const SERVICES: [Service; 8] = [
    // <https://circleci.com/docs/guides/execution-managed/run-a-job-in-a-container/>: from version 2.1
    // on, which has workflows, it is to be processed before.
    status(
        "ci/circleci: ",
        One(
            "circleci config process .circleci/config.yml > process.yml && \
             circleci local execute -c process.yml",
        ),
    ),
    // <https://github.com/cirruslabs/cirrus-cli>: "it is also possible to run a task by name".
    of_app("cirrus-ci", "", One("cirrus run")),
    // <https://pre-commit.ci>, <https://pre-commit.com/#usage-in-continuous-integration>
    status("pre-commit.ci - ", All("pre-commit run --all-files")),
    // <https://cli.netlify.com/commands/build/>
    status("netlify/", All("netlify build --context deploy-preview")),
    // <https://vercel.com/docs/cli/build>; the name of the project may follow.
    status("Vercel", All("vercel build")),
    // <https://docs.drone.io/cli/drone-exec>
    status("continuous-integration/drone/", All("drone exec")),
    // <https://woodpecker-ci.org/docs/next/usage/local-execution>
    status("ci/woodpecker/", All("woodpecker-cli exec")),
    // <https://docs.trunk.io/check/advanced-setup/cli>
    of_app("trunk-io", "Trunk Check", All("trunk check")),
];

const fn status(name: &'static str, again: Again) -> Service {
    Service {
        app: None,
        name,
        again,
    }
}

const fn of_app(app: &'static str, name: &'static str, again: Again) -> Service {
    Service {
        app: Some(app),
        name,
        again,
    }
}

/// The command of the service that reported a check, where it documents one.
pub(super) fn command(check: &Check) -> Option<String> {
    let app = check.app.as_ref().map(|app| app.slug.as_str());
    let mut of_app = SERVICES.iter().filter(|service| service.app == app);
    let (service, rest) =
        of_app.find_map(|service| Some((service, check.name.strip_prefix(service.name)?)))?;
    match service.again {
        All(command) => Some(command.to_owned()),
        // What begins with a dash would be an option.
        One(_) if rest.is_empty() || rest.starts_with('-') || rest.contains(char::is_control) => {
            None
        }
        One(command) => Some(format!("{command} {}", shell_word(rest))),
    }
}

/// The command that checks a pull request out.
pub(super) fn checkout(id: &PullId, host: &Host) -> String {
    format!("{CHECKOUT}{} -R {}", id.number, repository(id, host))
}

/// Whether a command only checks a pull request out.
pub(super) fn is_checkout(command: &str) -> bool {
    command.starts_with(CHECKOUT)
}

/// A repository as gh takes it: with its host where that is not the default.
pub(super) fn repository(id: &PullId, host: &Host) -> String {
    match host.is_default() {
        true => id.repo.to_string(),
        false => format!("{host}/{}", id.repo),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;
    use crate::pulls::checks::{App, CheckState};

    fn of(app: Option<&str>, name: &str) -> Option<String> {
        let app = app.map(|slug| App {
            id: 1,
            slug: slug.to_owned(),
        });
        command(&Check {
            app,
            ..check(name, CheckState::Fail)
        })
    }

    #[test]
    fn services_do_their_jobs_again() {
        let process = "circleci config process .circleci/config.yml > process.yml && circleci \
                       local execute -c process.yml";
        let table = [
            (
                None,
                "ci/circleci: unit-3.11",
                format!("{process} unit-3.11"),
            ),
            (
                None,
                "ci/circleci: it's; rm -rf ~",
                format!(r"{process} 'it'\''s; rm -rf ~'"),
            ),
            (
                Some("cirrus-ci"),
                "Tests (Go 1.15)",
                "cirrus run 'Tests (Go 1.15)'".to_owned(),
            ),
            (
                None,
                "pre-commit.ci - pr",
                "pre-commit run --all-files".to_owned(),
            ),
            (
                None,
                "netlify/docs/deploy-preview",
                "netlify build --context deploy-preview".to_owned(),
            ),
            (None, "Vercel", "vercel build".to_owned()),
            (None, "Vercel – web", "vercel build".to_owned()),
            (
                None,
                "continuous-integration/drone/pr",
                "drone exec".to_owned(),
            ),
            (
                None,
                "ci/woodpecker/pr/test",
                "woodpecker-cli exec".to_owned(),
            ),
            (Some("trunk-io"), "Trunk Check", "trunk check".to_owned()),
        ];
        for (app, name, expected) in table {
            assert_eq!(of(app, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn nothing_is_made_up_for_others() {
        for (app, name) in [
            (None, "codecov/patch"),
            (None, "buildkite/api"),
            (None, "ci/circleci: "),
            (None, "ci/circleci: --config=/etc/passwd"),
            (None, "ci/circleci: a\nb"),
            (Some("cirrus-ci"), "-v"),
            // An app of its own names workflows, not jobs.
            (Some("circleci-checks"), "build"),
            (Some("github-actions"), "ci/circleci: build"),
            (Some("trunk-io"), "Trunk Merge (main)"),
        ] {
            assert_eq!(of(app, name), None, "{name}");
        }
    }
}
