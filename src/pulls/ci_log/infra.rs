//! What is left where no parser found anything: the runner, the network, or simply the first error.

use super::log::COMPLETED;
use super::python_trace::path_line;
use super::steps::is_heading;
use super::{Confidence, EXCERPT_LINES_MAX, Failure, FailureKind, Log};

/// Who tells it.
pub(super) const NAME: &str = "github-actions";
/// How many lines above the first error are searched for its cause.
const NEAR: usize = 15;
/// Lines of an excerpt before the line it is about.
const BEFORE: usize = 8;

/// What a text means if it holds these words, in lower case.
type Sign = (FailureKind, &'static [&'static str]);

/// What the service and the runner say of a job as a whole. They show these as annotations too.
const OF_JOB: &[Sign] = {
    use FailureKind::{Cancelled, Infra, Timeout};
    &[
        (Timeout, &["has exceeded the maximum execution time"]),
        (Infra, &["lost communication with the server"]),
        (
            Infra,
            &["runner encountered an error while running your job"],
        ),
        (Infra, &["github actions has encountered an internal error"]),
        (Infra, &["the job was not acquired by runner"]),
        (Infra, &["the job was not started because"]),
        // github.com/actions/runner: JobRunner.cs; the last is of its own log.
        (Infra, &["runner has received a shutdown signal"]),
        (Infra, &["operating system is shutting down for computer"]),
        (Infra, &["no space left on device", "/_diag/"]),
        (
            Cancelled,
            &["canceling since a higher priority waiting request"],
        ),
        (Cancelled, &["the run was canceled by"]),
        (Cancelled, &["configuration was canceled because"]),
    ]
};

/// What else a log says, of any step.
const OF_STEPS: &[Sign] = {
    use FailureKind::{Cancelled, Infra, Timeout};
    &[
        // github.com/actions/runner: StepsRunner.cs, CompositeActionHandler.cs.
        (Timeout, &["has timed out after ", " minutes"]),
        (Timeout, &["the action has timed out."]),
        // ActionManager.cs.
        (Infra, &["failed to download archive ", " attempts"]),
        (Infra, &["failed to resolve action download info"]),
        (Infra, &["missing download info for "]),
        (Infra, &["download has timed out. error: "]),
        (
            Infra,
            &["extract archive file: ", "action being checked out"],
        ),
        (Infra, &["can't un-zip archive file: "]),
        // The machine.
        (Infra, &["no space left on device"]),
        (Infra, &["not enough space on the disk"]),
        (Infra, &["disk quota exceeded"]),
        (Infra, &["exit code 137"]),
        (Infra, &["out of memory"]),
        (Infra, &["oom-kill"]),
        (Infra, &["outofmemoryerror"]),
        (Infra, &["cannot allocate memory"]),
        // Artifacts and images.
        (Infra, &["artifact not found"]),
        (Infra, &["unable to download artifact"]),
        (Infra, &["unable to find any artifacts"]),
        (Infra, &["manifest unknown"]),
        (Infra, &["manifest for ", " not found"]),
        (Infra, &["pull access denied"]),
        // github.com/actions/runner: ContainerOperationProvider.cs, ContainerActionHandler.cs.
        (Infra, &["docker pull failed with exit code"]),
        (Infra, &["docker start fail with exit code"]),
        (Infra, &["docker network create failed with exit code"]),
        (Infra, &["docker login for ", " failed with exit code"]),
        (Infra, &["failed to initialize container "]),
        (Infra, &["one or more containers failed to start"]),
        // Limits.
        (Infra, &["rate limit exceeded"]),
        (Infra, &["secondary rate limit"]),
        (Infra, &["toomanyrequests"]),
        (Infra, &["429 too many requests"]),
        // Servers that fail, in the words of curl, git, npm, pip, docker and .NET.
        (Infra, &["500 internal server error"]),
        (Infra, &["502 bad gateway"]),
        (Infra, &["503 service unavailable"]),
        (Infra, &["503 service temporarily unavailable"]),
        (Infra, &["504 gateway time"]),
        (Infra, &["returned error: 50"]),
        (Infra, &["http error 50"]),
        (Infra, &["status code 50"]),
        (Infra, &["status code: 50"]),
        (Infra, &["does not indicate success: 50"]),
        // Names and connections.
        (Infra, &["could not resolve host"]),
        (Infra, &["temporary failure in name resolution"]),
        (Infra, &["temporary failure resolving"]),
        (Infra, &["name or service not known"]),
        (Infra, &["getaddrinfo e"]),
        (Infra, &["no such host"]),
        (Infra, &["failed to lookup address information"]),
        (Infra, &["connection reset by peer"]),
        (Infra, &["connection timed out"]),
        (Infra, &["econnreset"]),
        (Infra, &["etimedout"]),
        (Infra, &["tls handshake timeout"]),
        (Infra, &["network is unreachable"]),
        (Infra, &["the remote end hung up unexpectedly"]),
        // Credentials.
        (Infra, &["could not read username"]),
        (Infra, &["permission denied (publickey"]),
        (Infra, &["authentication failed for"]),
        (Infra, &["bad credentials"]),
        (Infra, &["credentials could not be loaded"]),
        (Infra, &["input required and not supplied: token"]),
        (Infra, &["resource not accessible by integration"]),
        (Infra, &["unauthorized: authentication required"]),
        (Infra, &["denied: permission_denied"]),
        // It follows a time-out, a lost runner and whatever stops a job.
        (Cancelled, &["the operation was canceled"]),
    ]
};

/// The runner, a service or somebody is to blame. Only for logs in which no parser found anything:
/// the words may stand in any program's output, so they count in what the runner marks as an error
/// and in the few lines above the first such mark (or above the end of a log without one).
pub fn classify(log: &Log<'_>) -> Option<Failure> {
    let errors = log.errors.iter().take(100);
    let errors: Vec<(usize, &str)> = errors.map(|index| (*index, log.line(*index))).collect();
    let end = errors.first().map_or(log.len(), |(index, _)| *index);
    let near = log.within(end.saturating_sub(NEAR)..end).rev();
    // Above is the command as the workflow has it, which is not output.
    let near: Vec<(usize, &str)> = near
        .take_while(|(_, line)| !line.starts_with("##[endgroup]"))
        .collect();
    let signs = || OF_JOB.iter().chain(OF_STEPS);
    let marked = sign(&errors, signs()).map(|found| (found, Confidence::High));
    let (found, confidence) =
        marked.or_else(|| sign(&near, signs()).map(|found| (found, Confidence::Medium)))?;
    let (kind, index) = found;
    Some(failure(log, kind, index).with_confidence(confidence))
}

/// What the service says of a job as a whole, by the most telling of its messages. Among them are
/// those of steps that may fail, so that nothing counts that a step could say.
pub fn said_of_job(messages: &[&str]) -> Option<Failure> {
    let lines: Vec<(usize, &str)> = messages.iter().copied().enumerate().collect();
    let (kind, index) = sign(&lines, OF_JOB.iter())?;
    let message = messages[index];
    let first = message.lines().next().unwrap_or_default();
    Some(Failure::new(kind, NAME, "", first).shown_by(message.lines()))
}

/// The most telling of the lines: the first sign that is found counts.
fn sign(
    lines: &[(usize, &str)],
    mut signs: impl Iterator<Item = &'static Sign>,
) -> Option<(FailureKind, usize)> {
    let lines: Vec<(usize, String)> = lines
        .iter()
        .map(|(index, line)| (*index, line.to_ascii_lowercase()))
        .collect();
    signs.find_map(|(kind, words)| {
        let holds = |line: &str| words.iter().all(|word| line.contains(word));
        let (index, _) = lines.iter().find(|(_, line)| holds(line))?;
        Some((*kind, *index))
    })
}

/// The first line that looks like an error, of a log that nothing else explains.
pub fn first_error(log: &Log<'_>) -> Option<Failure> {
    let completed = log.find(0, |line| line.starts_with(COMPLETED));
    let mut marked = log.errors.iter().copied();
    let marked = marked.find(|index| !log.line(*index).starts_with(COMPLETED));
    if let Some(index) = marked.or_else(|| said(log)) {
        let failure = failure(log, FailureKind::Unknown, index);
        return Some(failure.with_confidence(Confidence::Low));
    }
    let end = completed?;
    let last = end.saturating_sub(EXCERPT_LINES_MAX)..end;
    let told = printed(log).filter(|(index, line)| last.contains(index) && !line.trim().is_empty());
    let (_, text) = told.last()?;
    let failure = Failure::new(FailureKind::Unknown, NAME, "", text);
    let failure = failure.shown_by(log.within(last).map(|(_, line)| line));
    Some(failure.with_confidence(Confidence::Low))
}

/// The first line with an error's usual words.
fn said(log: &Log<'_>) -> Option<usize> {
    const WORDS: [&str; 3] = ["error:", "Error:", "fatal:"];
    let is_error = |line: &str| WORDS.iter().any(|word| line.contains(word));
    let (index, _) = printed(log).find(|(_, line)| is_error(line))?;
    Some(index)
}

/// The lines that programs wrote: neither the runner's marks nor the commands that it repeats.
fn printed<'a>(log: &'a Log<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    let mut is_command = false;
    log.from(0).filter(move |(index, line)| {
        let Some(mark) = line.strip_prefix("##[") else {
            return !is_command;
        };
        if let Some(shown) = mark.strip_prefix("group]Run ") {
            let below = log.from(index + 1).map(|(_, line)| line.as_bytes());
            is_command = is_heading(shown.as_bytes(), below);
        } else if mark.starts_with("endgroup]") {
            is_command = false;
        }
        false
    })
}

fn failure(log: &Log<'_>, kind: FailureKind, index: usize) -> Failure {
    let line = log.line(index);
    let text = line.strip_prefix("##[error]").unwrap_or(line);
    let start = index.saturating_sub(BEFORE);
    let lines = log
        .within(start..start + EXCERPT_LINES_MAX)
        .map(|(_, line)| line);
    let failure = Failure::new(kind, NAME, "", text).shown_by(lines);
    match path_line(text) {
        Some((path, line, _)) if path.contains('.') && !path.contains(' ') => {
            failure.at(path, Some(line))
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_log_gives_exactly_the_expected_failure() {
        super::super::tests::check("infra", "txt", |bytes| {
            let log = Log::clean(bytes);
            classify(&log)
                .or_else(|| first_error(&log))
                .into_iter()
                .collect()
        });
    }

    #[test]
    fn the_most_telling_message_of_a_job_counts() {
        let told = |messages: &[&str]| {
            let failure = said_of_job(messages)?;
            Some((failure.kind, failure.error))
        };
        let stopped = "The operation was canceled.";
        let late =
            "The job running on runner r has exceeded the maximum execution time of 360 minutes.";
        let newer = "Canceling since a higher priority waiting request for 'ci' exists";
        for (message, kind) in [
            (late, FailureKind::Timeout),
            (newer, FailureKind::Cancelled),
        ] {
            let expected = Some((kind, message.to_owned()));
            assert_eq!(told(&[stopped, message]), expected);
        }
        assert_eq!(told(&["Unable to resolve action `a/b@v9`"]), None);
        assert_eq!(told(&[]), None);
        let full = "No space left on device : '/runner/_diag/Worker_20261120-100000-utc.log'";
        let expected = Some((FailureKind::Infra, full.to_owned()));
        assert_eq!(told(&[full]), expected);
    }

    #[test]
    fn what_a_step_may_say_is_not_said_of_the_job() {
        for message in [
            "curl: 429 Too Many Requests",
            "ssh: connect to host example.com port 22: Connection timed out",
            "Bad credentials",
            "write error: No space left on device",
            "The action 'flaky' has timed out after 5 minutes.",
            "System.OperationCanceledException: The operation was canceled.",
        ] {
            assert_eq!(said_of_job(&[message]), None, "{message}");
        }
    }

    #[test]
    fn what_the_runner_repeats_is_no_error() {
        let told = |log: &str| first_error(&Log::clean(log.as_bytes())).map(|it| it.error);
        let failed = "##[error]Process completed with exit code 1.\n";
        let command =
            "##[group]Run exit 1\nexit 1\nshell: sh\nenv:\n  CI: error: 1\n##[endgroup]\n";
        assert_eq!(told(&format!("{command}{failed}")), None);
        // What is in a group that a program left open, it has printed.
        for said in ["it broke", "error: it broke"] {
            let log = format!("{command}##[group]Run tests\nreading\n{said}\n{failed}");
            assert_eq!(told(&log).as_deref(), Some(said));
        }
    }

    #[test]
    fn words_in_output_do_not_count_far_from_an_error() {
        let log = format!(
            "test: No space left on device is handled ... ok\n{}##[error]Process completed with exit code 1.",
            "line\n".repeat(NEAR)
        );
        assert_eq!(classify(&Log::clean(log.as_bytes())), None);
        assert_eq!(classify(&Log::clean(b"")), None);
        assert_eq!(first_error(&Log::clean(b"all is well\n")), None);
    }
}
