//! Children that never outlive the run: a register, killed on drop, on error and on Ctrl-C.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Result, fail};

/// Living children and how each is told to end. Held while one is started or reaped, so that the
/// signal thread never meets a pid that is no longer ours.
static LIVING: Mutex<Vec<(u32, Signal)>> = Mutex::new(Vec::new());
/// Folders to remove when a signal ends the run.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<(u32, Signal)>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes `folder` if a signal ends the run (its own guard does otherwise).
pub fn remove_on_signal(folder: &Path) {
    let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    folders.push(folder.to_owned());
}

/// Ends every child and leaves when SIGINT, SIGTERM or SIGHUP comes.
pub fn watch_signals() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        end_everything();
        std::process::exit(130);
    });
    Ok(())
}

fn end_everything() {
    // Not given back before the exit: nothing may be started any more.
    let living = living();
    for (pid, signal) in living.iter() {
        send(*pid, *signal);
    }
    let ended = |&(pid, _): &(u32, Signal)| state(pid).is_none_or(|state| state == 'Z');
    within(Duration::from_secs(3), || {
        living.iter().all(ended).then_some(())
    });
    for (pid, _) in living.iter() {
        send(*pid, Signal::KILL);
    }
    let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in folders.iter() {
        // Best effort on the way out: what is left lies in the target folder.
        let _ = fs::remove_dir_all(folder);
    }
    std::mem::forget(living);
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A child of this run; dropping it ends it.
pub struct Process {
    child: Child,
    log: PathBuf,
    stop: Signal,
}

impl Process {
    /// Starts `command` in its own process group, its standard error in `log`.
    ///
    /// Pipes that the caller has set on standard input and output stay; see [`Process::child`].
    pub fn start(command: &mut Command, log: &Path, stop: Signal) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let mut living = living();
        let child = command
            .stderr(Stdio::from(File::create(log)?))
            .process_group(0)
            .spawn()
            .map_err(|error| {
                format!(
                    "{} cannot be started: {error}",
                    command.get_program().display()
                )
            })?;
        living.push((child.id(), stop));
        Ok(Self {
            child,
            log: log.to_owned(),
            stop,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Polls `ready` until it answers; fails when the process ends or `limit` passes.
    pub fn wait_ready<T>(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                let why = ended.map_or("not ready in time".to_owned(), |end| end.to_string());
                return fail(format!("{why}; last of its log: {tail:?}"));
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// Waits for it to end by itself; says how long that took.
    pub fn wait_end(&mut self, limit: Duration) -> Option<Duration> {
        let asked = Instant::now();
        within(limit, || self.child.try_wait().ok().flatten())?;
        Some(asked.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut living = living();
        let pid = self.child.id();
        if let Ok(None) = self.child.try_wait() {
            send(pid, self.stop);
            let ended = within(Duration::from_secs(5), || {
                self.child.try_wait().ok().flatten()
            });
            if ended.is_none() {
                send(pid, Signal::KILL);
                // Reaping only; it has been killed.
                let _ = self.child.wait();
            }
        }
        living.retain(|(other, _)| *other != pid);
    }
}

/// Polls `probe` each half millisecond for at most `limit`.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let found = probe();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(Duration::from_micros(500));
    }
}

/// A loopback port that is free now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The first executable called `name` in `folders`, then on PATH.
pub fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders
        .iter()
        .chain(&on_path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
