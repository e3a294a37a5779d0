//! The four engines, each started fresh in its own folder on loopback TCP.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::child::{Process, find_program, free_port};
use crate::issuecommand::{self, Offline};
use crate::load::{Limit, Measured, drive};
use crate::wire::{grpc::Etcd, http::Http, postgres::Postgres, resp::Redis};
use crate::{Result, fail, http};

/// How long an engine may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// gRPC streams on one connection to etcd: the best of 1, 4, 8, 16 and 64, by a little.
const ETCD_STREAMS: usize = 64;

/// What durable claims are made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// This program.
    Issuecommand,
    /// `SET key value NX`, append-only file synced always.
    Redis,
    /// `Txn(create_revision == 0 → put)`.
    Etcd,
    /// `insert ... on conflict do nothing`.
    Postgres,
}

impl Engine {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Issuecommand, Self::Redis, Self::Etcd, Self::Postgres];

    /// As it is called in options and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issuecommand => "issuecommand",
            Self::Redis => "redis",
            Self::Etcd => "etcd",
            Self::Postgres => "postgresql",
        }
    }

    /// Its version in one line, or `None` where it is not installed.
    pub fn version(self) -> Option<String> {
        if self == Self::Issuecommand {
            return Some(issuecommand::described());
        }
        let program = self.program()?;
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.lines().next().unwrap_or("version unknown").to_owned())
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Issuecommand => Some(issuecommand::binary()),
            Self::Redis => find_program("redis-server", &[]),
            Self::Etcd => find_program("etcd", &[]),
            Self::Postgres => find_program("postgres", &postgres_folders()),
        }
    }

    /// Starts it with nothing in it; `folder` exists and is empty.
    pub fn start(self, folder: &Path, offline: Option<&Offline>) -> Result<Running> {
        let started = match self {
            Self::Issuecommand => start_issuecommand(folder, offline),
            Self::Redis => self.spawned(folder, start_redis),
            Self::Etcd => self.spawned(folder, start_etcd),
            Self::Postgres => self.spawned(folder, start_postgres),
        };
        started.map_err(|error| format!("{}: {error}", self.name()).into())
    }

    fn spawned(
        self,
        folder: &Path,
        start: impl Fn(&Path, &Path, u16) -> Result<Process>,
    ) -> Result<Running> {
        let Some(program) = self.program() else {
            return fail("not installed");
        };
        let port = free_port()?;
        let process = start(&program, folder, port)?;
        Ok(Running {
            engine: self,
            address: format!("127.0.0.1:{port}"),
            _process: Some(process),
        })
    }
}

/// An engine that takes claims until it is dropped.
pub struct Running {
    engine: Engine,
    address: String,
    _process: Option<Process>,
}

impl Running {
    /// Claims per second of `clients` closed loops.
    pub fn measure(&self, clients: usize, limit: Limit, next_key: &mut u64) -> Result<Measured> {
        let address = self.address.as_str();
        let measured = match self.engine {
            Engine::Issuecommand => {
                let sessions = sessions(clients, || Http::claiming(address));
                drive(address, sessions, limit, next_key)
            }
            Engine::Redis => drive(address, sessions(clients, Redis::new), limit, next_key),
            Engine::Postgres => {
                let user = postgres_user()?;
                let sessions = sessions(clients, || Postgres::new(&user.name));
                drive(address, sessions, limit, next_key)
            }
            Engine::Etcd => drive(address, etcd_sessions(address, clients), limit, next_key),
        };
        measured.map_err(|error| format!("{}: {error}", self.engine.name()).into())
    }
}

fn sessions<S>(clients: usize, new: impl Fn() -> S) -> Vec<S> {
    (0..clients).map(|_| new()).collect()
}

/// Connections that together carry `clients` requests at once.
fn etcd_sessions(address: &str, clients: usize) -> Vec<Etcd> {
    let connections = clients.div_ceil(ETCD_STREAMS);
    (0..connections)
        .map(|index| {
            let lanes = clients / connections + usize::from(index < clients % connections);
            Etcd::new(address, lanes)
        })
        .collect()
}

fn start_issuecommand(folder: &Path, offline: Option<&Offline>) -> Result<Running> {
    if let Some(address) = issuecommand::external_address() {
        return Ok(Running {
            engine: Engine::Issuecommand,
            address,
            _process: None,
        });
    }
    let Some(offline) = offline else {
        return fail("no offline catalogue was prepared");
    };
    let server = issuecommand::start_fresh(offline, folder)?;
    Ok(Running {
        engine: Engine::Issuecommand,
        address: server.address,
        _process: Some(server.process),
    })
}

fn start_redis(program: &Path, folder: &Path, port: u16) -> Result<Process> {
    let mut command = Command::new(program);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .args(["--save", "", "--daemonize", "no", "--dir"])
        .arg(folder);
    let mut process = spawn(&mut command, folder, Signal::KILL)?;
    process.wait_ready(START_LIMIT, || connects(port))?;
    Ok(process)
}

fn start_etcd(program: &Path, folder: &Path, port: u16) -> Result<Process> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let mut command = Command::new(program);
    command
        .args(["--name", "bench", "--log-level", "error", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("bench={peer}")]);
    let mut process = spawn(&mut command, folder, Signal::KILL)?;
    let address = format!("127.0.0.1:{port}");
    process.wait_ready(START_LIMIT, || {
        let (status, body) = http::get(&address, "/health").ok()?;
        (status == 200 && body.contains("true")).then_some(())
    })?;
    Ok(process)
}

fn start_postgres(program: &Path, folder: &Path, port: u16) -> Result<Process> {
    let user = postgres_user()?;
    if let Some(id) = user.id {
        chown(folder, Some(id.0), Some(id.1))?;
    }
    let data = folder.join("data");
    let mut initdb = Command::new(program.with_file_name("initdb"));
    initdb
        .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
        .args(["--username", &user.name, "--pgdata"])
        .arg(&data);
    user.applied(&mut initdb);
    let made = initdb.current_dir(folder).output()?;
    if !made.status.success() {
        let text = String::from_utf8_lossy(&made.stderr).into_owned();
        return fail(format!(
            "initdb failed: {text} (the user {} must be able to enter {}; choose with BENCH_DIR)",
            user.name,
            folder.display()
        ));
    }
    let mut command = Command::new(program);
    command
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-c", "unix_socket_directories="])
        .args(["-c", "fsync=on", "-c", "synchronous_commit=on"]);
    user.applied(&mut command);
    // SIGQUIT ends the postmaster with all its children at once.
    let mut process = spawn(&mut command, folder, Signal::QUIT)?;
    let address = format!("127.0.0.1:{port}");
    process.wait_ready(START_LIMIT, || {
        Postgres::create_table(&address, &user.name).ok()
    })?;
    Ok(process)
}

fn spawn(command: &mut Command, folder: &Path, stop: Signal) -> Result<Process> {
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Process::start(command, &folder.join("server.log"), stop)
}

fn connects(port: u16) -> Option<()> {
    TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

/// Debian keeps the server's programs off PATH; the newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    folders.sort();
    folders.reverse();
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// Who runs PostgreSQL: it refuses root, so root hands over to `postgres`.
struct PostgresUser {
    name: String,
    id: Option<(u32, u32)>,
}

impl PostgresUser {
    fn applied(&self, command: &mut Command) {
        if let Some((user, group)) = self.id {
            command.uid(user).gid(group);
        }
    }
}

fn postgres_user() -> Result<PostgresUser> {
    if !rustix::process::geteuid().is_root() {
        let name = "bench".to_owned();
        return Ok(PostgresUser { name, id: None });
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let id = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let Some(id) = id else {
        return fail("PostgreSQL refuses root, and there is no user postgres to run it as");
    };
    let name = "postgres".to_owned();
    Ok(PostgresUser { name, id: Some(id) })
}

/// A folder inside `parent` that other users (PostgreSQL's) may enter.
pub fn engine_folder(parent: &Path) -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("engine-")
        .tempdir_in(parent)?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}
