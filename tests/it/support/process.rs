//! A process of the program. It may leave none of its children behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{holds, until, within};

/// A running process. Dropping it ends it, and fails the test if a child of it is left.
pub struct Process {
    child: Child,
    /// Its own HOME, which its children inherit: what tells them from those of other processes.
    home: PathBuf,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a command. Lines of its standard output go to `on_line` and into the log, as does
    /// its standard error.
    pub fn start(
        mut command: Command,
        home: &Path,
        on_line: impl FnMut(&str) + Send + 'static,
    ) -> (Self, ChildStdin) {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let output = child.stdout.take().expect("there is a pipe");
        let errors = child.stderr.take().expect("there is a pipe");
        follow(output, log.clone(), on_line);
        follow(errors, log.clone(), |_| {});
        let input = child.stdin.take().expect("there is a pipe");
        let home = home.to_owned();
        (Self { child, home, log }, input)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process(self.rustix_pid(), signal);
    }

    /// The process id as rustix wants it.
    pub fn rustix_pid(&self) -> Pid {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        Pid::from_raw(pid).expect("process ids are positive")
    }

    /// Kills it without notice, together with whatever it had started.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        within(limit, || self.child.try_wait().expect("it is our child"))
    }

    /// Ends it as a service manager does; it must exit with 0.
    #[track_caller]
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait(Duration::from_secs(10));
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "{}",
            self.log()
        );
    }

    /// Ids of its living children and their children.
    pub fn children(&self) -> Vec<u32> {
        let marker = format!("HOME={}", self.home.display());
        let is_ours = |pid: &u32| {
            *pid != self.pid()
                && fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|environment| contains(&environment, marker.as_bytes()))
        };
        processes().filter(is_ours).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut ended = !self.is_running();
        let was_killed =
            ended && matches!(self.child.try_wait(), Ok(Some(status)) if !status.success());
        if !ended {
            self.signal(Signal::TERM);
            ended = self.wait(Duration::from_secs(10)).is_some();
        }
        if thread::panicking() {
            eprintln!("--- end of the log of process {}:", self.pid());
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(40).collect();
            for line in lines.into_iter().rev() {
                eprintln!("{}", line.chars().take(400).collect::<String>());
            }
        }
        if !ended {
            self.kill();
        }
        // What a killed process had started ends by itself, or is ended here.
        let left = || holds(self.children().is_empty());
        let gone = within(Duration::from_secs(1), left).is_some();
        for pid in self.children() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        if !thread::panicking() {
            assert!(ended, "it does not end on TERM:\n{}", self.log());
            assert!(gone || was_killed, "children are left:\n{}", self.log());
        }
    }
}

fn follow(
    pipe: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    mut on_line: impl FnMut(&str) + Send + 'static,
) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut log = log.lock().expect("no reader panics");
            log.push_str(&line);
            log.push('\n');
            drop(log);
            on_line(&line);
        }
    });
}

/// Whether a process lives and is no zombie.
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z") && !stat.contains(") X"))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .split(|byte| *byte == 0)
        .any(|entry| entry == needle)
}

#[test]
fn a_process_is_told_from_its_zombie() {
    let mut child = Command::new("true").spawn().expect("there is a true");
    let pid = child.id();
    until("it ended", || holds(!alive(pid)));
    assert!(child.wait().is_ok_and(|status| status.success()));
}
