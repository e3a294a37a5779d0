//! One child from start to end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::Permit;
use crate::domain::limits;

/// What to run.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// What it reads from standard input; nothing when `None`.
    pub input: Option<Vec<u8>>,
    /// How long it may take.
    pub time_limit: Duration,
    /// Most bytes of standard output.
    pub stdout_bytes_max: usize,
}

/// What a child left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program does not exist or may not be run.
    #[error("cannot start {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long and was ended.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It wrote more than allowed and was ended.
    #[error("more than {0} bytes of output")]
    TooMuchOutput(usize),
    /// Its pipes failed.
    #[error("lost contact: {0}")]
    Io(#[from] io::Error),
}

/// Runs a child to its end. When the caller goes away, the child and all it started are killed;
/// the permit is given back only when the child is reaped.
pub async fn run(command: ChildCommand, permit: Permit) -> Result<Finished, ProcessError> {
    let mut child = Guard::spawn(&command, permit)?;
    let limit = command.time_limit;
    let work = child.communicate(command.input, command.stdout_bytes_max);
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(finished)) => Ok(finished),
        Ok(Err(error)) => {
            child.end().await;
            Err(error)
        }
        Err(_) => {
            child.end().await;
            Err(ProcessError::TimedOut(limit))
        }
    }
}

/// A live child with its permit; killed with its group when dropped.
struct Guard {
    child: Option<(Child, Permit)>,
    group: Option<Pid>,
}

impl Guard {
    fn spawn(command: &ChildCommand, permit: Permit) -> Result<Self, ProcessError> {
        let input = if command.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .envs(
                command
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::Spawn {
                program: command.program.clone(),
                source,
            })?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self {
            child: Some((child, permit)),
            group,
        })
    }

    async fn communicate(
        &mut self,
        input: Option<Vec<u8>>,
        stdout_bytes_max: usize,
    ) -> Result<Finished, ProcessError> {
        let Some((child, _)) = &mut self.child else {
            return Err(io::Error::other("the child is gone").into());
        };
        let mut stdin = child.stdin.take();
        let feed = async {
            if let (Some(stdin), Some(input)) = (stdin.as_mut(), input.as_ref()) {
                // A child that does not read its input tells why on standard error.
                let _ = stdin.write_all(input).await;
            }
            drop(stdin);
        };
        let stdout = read_capped(child.stdout.take(), stdout_bytes_max);
        let stderr = read_beginning(child.stderr.take(), limits::GH_STDERR_BYTES_MAX);
        let (stdout, stderr, ()) = tokio::join!(stdout, stderr, feed);
        let (stdout, stderr) = (stdout?, stderr?);
        let status = child.wait().await?;
        self.child = None;
        Ok(Finished {
            status,
            stdout,
            stderr,
        })
    }

    /// TERM to the group, a grace, KILL, reap.
    async fn end(mut self) {
        self.signal(Signal::TERM);
        if let Some((child, _)) = &mut self.child
            && tokio::time::timeout(limits::CHILD_KILL_GRACE, child.wait())
                .await
                .is_err()
        {
            self.signal(Signal::KILL);
            if let Some((child, _)) = &mut self.child {
                let _ = child.wait().await;
            }
        }
        // Grandchildren that ignored TERM.
        self.signal(Signal::KILL);
        self.child = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error means that nobody is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some((mut child, permit)) = self.child.take() else {
            return;
        };
        self.signal(Signal::KILL);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = child.wait().await;
                drop(permit);
            });
        }
    }
}

async fn read_capped(
    pipe: Option<impl AsyncRead + Unpin>,
    bytes_max: usize,
) -> Result<Vec<u8>, ProcessError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(bytes_max as u64 + 1)
            .read_to_end(&mut bytes)
            .await?;
    }
    if bytes.len() > bytes_max {
        return Err(ProcessError::TooMuchOutput(bytes_max));
    }
    Ok(bytes)
}

/// Keeps the beginning and reads on, so that the child does not block on a full pipe.
async fn read_beginning(
    pipe: Option<impl AsyncRead + Unpin>,
    bytes_max: usize,
) -> Result<Vec<u8>, ProcessError> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe)
            .take(bytes_max as u64)
            .read_to_end(&mut bytes)
            .await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{Pool, Priority};
    use super::*;

    fn shell(script: &str, time_limit_ms: u64) -> ChildCommand {
        ChildCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            input: None,
            time_limit: Duration::from_millis(time_limit_ms),
            stdout_bytes_max: 1_000,
        }
    }

    async fn run_one(command: ChildCommand) -> Result<Finished, ProcessError> {
        let pool = Pool::new(1, 0, 1);
        let result = run(command, pool.permit(Priority::Claim).await.unwrap()).await;
        assert_eq!(
            pool.load().running,
            0,
            "the place is free when the call returns"
        );
        result
    }

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out() {
        let mut command = shell("cat; echo oops >&2; exit 3", 10_000);
        command.input = Some(b"hello".to_vec());
        let finished = run_one(command).await.unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(
            (&finished.stdout[..], &finished.stderr[..]),
            (&b"hello"[..], &b"oops\n"[..])
        );
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_ended_with_all_it_started() {
        let script = "trap '' TERM; sleep 100 & echo $!; wait; sleep 100";
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("({script}) > {}", pid_file.display());
        assert!(matches!(
            run_one(shell(&script, 300)).await,
            Err(ProcessError::TimedOut(_))
        ));
        let pid = std::fs::read_to_string(pid_file).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        // The grandchild was killed with the group; it may linger as a zombie of init.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            stat.map_or(true, |stat| stat.contains(") Z"))
        };
        let dying = async {
            while !gone() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), dying)
            .await
            .expect("it is gone");
    }

    #[tokio::test]
    async fn output_is_capped() {
        let result = run_one(shell("yes", 10_000)).await;
        assert!(matches!(result, Err(ProcessError::TooMuchOutput(1_000))));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let mut command = shell("", 1_000);
        command.program = "/nonexistent/gh".into();
        let error = run_one(command).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot start /nonexistent/gh")
        );
    }

    #[tokio::test]
    async fn a_cancelled_call_kills_its_child() {
        let pool = Pool::new(1, 0, 1);
        let permit = pool.permit(Priority::Claim).await.unwrap();
        let call = tokio::spawn(run(shell("sleep 100", 100_000), permit));
        tokio::task::yield_now().await;
        call.abort();
        let _ = call.await;
        let next = tokio::time::timeout(Duration::from_secs(5), pool.permit(Priority::Claim));
        assert!(
            next.await.is_ok(),
            "the place comes back when the child is reaped"
        );
    }
}
