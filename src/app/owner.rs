//! The owner: everything that runs in the one process that holds the lock, built and wired.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Config;
use super::port_holder::port_holder;
use super::printer::{self, PrintTo};
use crate::coordinator::{Coordinator, Core, CoreSettings, SyncSettings, Syncer, read_catalogue};
use crate::domain::{ApiError, Category, SystemClock, limits};
use crate::gh::Gh;
use crate::http::{Access, HttpServer, HttpState};
use crate::pulls::Pulls;
use crate::service::{Desk, DeskSettings, OwnerAddress};
use crate::store::{Disk, FolderDisk, LockInfo, OwnerLock, StateFiles, StoreError, recover};

/// What the process was started as; decides about ports and where events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `serve`: its port or nothing.
    Serve,
    /// `mcp`: the port, or another one.
    Mcp,
    /// One command: any port, nothing printed.
    Command,
}

impl Mode {
    /// The word in the lock file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Mcp => "mcp",
            Self::Command => "command",
        }
    }
}

/// A running owner.
pub struct Owner {
    /// Its desk.
    pub desk: Desk,
    /// Where it listens.
    pub address: SocketAddr,
    pulls: Pulls,
    disk: Arc<dyn Disk>,
    files: StateFiles,
    syncer: Syncer,
    sync_task: tokio::task::JoinHandle<()>,
    watch_task: Option<tokio::task::JoinHandle<()>>,
    http: Mutex<Option<HttpServer>>,
    /// Held to the end.
    _lock: OwnerLock,
}

fn storage(error: &StoreError, files: &StateFiles) -> ApiError {
    let code = match error {
        StoreError::Io { .. } => "state_unavailable",
        StoreError::Damaged { .. } | StoreError::JournalMissing { .. } => "state_damaged",
        StoreError::Newer { .. } => "state_newer",
        StoreError::Moved { .. } => "state_moved",
    };
    let message = format!("{error} (in the folder {})", files.folder.display());
    ApiError::new(Category::User, code, message, error.suggestion())
}

pub(super) fn process_lives(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| {
        // Not ours to signal is alive too.
        !matches!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        )
    })
}

/// Names beside the state file, in a folder that is there and can be used.
pub(super) fn open_folder(config: &Config) -> Result<(Arc<dyn Disk>, StateFiles), ApiError> {
    let unusable = |error: std::io::Error| {
        ApiError::new(
            Category::User,
            "state_unavailable",
            format!("{} cannot be used: {error}", config.state_file.display()),
            "set STATE_FILE_PATH to a file in a folder that this user can write to",
        )
    };
    let files = StateFiles::new(&config.state_file).map_err(unusable)?;
    let disk = FolderDisk::new(&files.folder).map_err(unusable)?;
    Ok((Arc::new(disk), files))
}

impl Owner {
    /// Starts everything. The lock has just been taken.
    pub(super) async fn start(
        config: &Config,
        mode: Mode,
        mut lock: OwnerLock,
        log_file: Option<Arc<File>>,
    ) -> Result<Self, ApiError> {
        let (disk, files) = open_folder(config)?;
        let listener = listen(config, mode).await?;
        let address = listener
            .local_addr()
            .map_err(|error| bind_error(config, &error))?;
        let core = load(config, &disk, &files)?;
        let coordinator =
            Coordinator::start(core).map_err(|error| ApiError::internal(error.to_string()))?;
        let print_to = match mode {
            Mode::Serve => PrintTo::Stdout,
            Mode::Mcp => PrintTo::Stderr,
            Mode::Command => PrintTo::Nowhere,
        };
        printer::start(coordinator.feed(), print_to, log_file)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let gh = Gh::new(config.gh.clone());
        let settings = SyncSettings {
            interval: config.sync_interval,
            allowed: config.allowed.clone(),
            disk: disk.clone(),
            files: files.clone(),
        };
        let syncer = Syncer::new(gh.clone(), coordinator.clone(), settings);
        let info = LockInfo {
            pid: std::process::id(),
            address: reachable(address).to_string(),
            token: Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string(),
            command: mode.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let settings = DeskSettings {
            allowed: config.allowed.clone(),
            sync_interval: config.sync_interval,
            owner: OwnerAddress {
                pid: info.pid,
                address: info.address.clone(),
            },
        };
        let pulls = Pulls::new(gh.clone(), Arc::new(SystemClock::starting_at_least(None)));
        pulls.take_over(&*disk, &files);
        let desk = Desk::new(
            coordinator.clone(),
            gh,
            pulls.clone(),
            syncer.clone(),
            settings,
        );
        let loopback = config.http_host.is_loopback();
        let access = Access::new(config.api_key.clone(), info.token.clone(), loopback);
        let state = HttpState::new(
            Arc::new(desk.clone()),
            coordinator,
            disk.clone(),
            files.clone(),
            access,
        );
        let http = HttpServer::start(listener, state);
        lock.publish(&info).map_err(|error| {
            ApiError::new(
                Category::User,
                "state_unavailable",
                format!("the lock file cannot be written: {error}"),
                "free space on the disk of the state file, or make its folder writable",
            )
        })?;
        let sync_task = tokio::spawn(syncer.clone().run());
        // A single command ends before there is anything to watch for.
        let watch = || tokio::spawn(desk.clone().watch_checks());
        let watch_task = (mode != Mode::Command).then(watch);
        Ok(Self {
            desk,
            address,
            pulls,
            disk,
            files,
            syncer,
            sync_task,
            watch_task,
            http: Mutex::new(Some(http)),
            _lock: lock,
        })
    }

    /// What sync is doing, in words.
    pub fn progress(&self) -> Option<String> {
        self.syncer.reports().borrow().progress.clone()
    }

    /// Ends what nobody waits for; its children are killed.
    fn end_tasks(&self) {
        self.sync_task.abort();
        if let Some(task) = &self.watch_task {
            task.abort();
        }
    }

    /// Ends everything: waits end at once, running requests get a grace, the state is written, children are killed.
    pub async fn stop(&self) {
        self.end_tasks();
        self.desk.close();
        if let Some(http) = self.http.lock().await.take() {
            http.stop().await;
        }
        // It reads through the writer: grants that cut requests gave back are taken in by then.
        if let Err(error) = self.syncer.store().await {
            tracing::warn!(%error, "the catalogue was not stored; the next start fetches it");
        }
        // A small file, and nobody waits for this process any more.
        if let Err(error) = self.pulls.hand_over(&*self.disk, &self.files) {
            tracing::warn!(%error, "the next owner looks at pull requests anew");
        }
        if let Err(error) = self.desk.coordinator().stop().await {
            // The journal has everything; the next start replays it.
            tracing::warn!(%error, "no last snapshot was written");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.end_tasks();
    }
}

fn load(config: &Config, disk: &Arc<dyn Disk>, files: &StateFiles) -> Result<Core, ApiError> {
    let recovered =
        recover(disk.clone(), files, config.leases).map_err(|error| storage(&error, files))?;
    for note in &recovered.notes {
        tracing::warn!("{note}");
    }
    let clock = SystemClock::starting_at_least(recovered.ledger.last_time());
    let settings = CoreSettings {
        host: config.gh.host.clone(),
        allowed: config.allowed.clone(),
        rules: config.rules.clone(),
        clock: Arc::new(clock),
        disk: disk.clone(),
        files: files.clone(),
        journal_bytes_max: limits::JOURNAL_BYTES_MAX,
        process_lives,
    };
    let catalogue = read_catalogue(&**disk, files, &config.gh.host).unwrap_or_default();
    Ok(Core::new(settings, recovered, catalogue))
}

async fn listen(config: &Config, mode: Mode) -> Result<TcpListener, ApiError> {
    let wanted = SocketAddr::new(config.http_host, config.http_port);
    let any = SocketAddr::new(config.http_host, 0);
    let bound = match mode {
        Mode::Serve => TcpListener::bind(wanted).await,
        Mode::Command => TcpListener::bind(any).await,
        Mode::Mcp => match TcpListener::bind(wanted).await {
            Ok(listener) => Ok(listener),
            Err(error) => {
                tracing::warn!(%error, "HTTP_PORT {} is taken: using another port", config.http_port);
                TcpListener::bind(any).await
            }
        },
    };
    bound.map_err(|error| bind_error(config, &error))
}

fn bind_error(config: &Config, error: &std::io::Error) -> ApiError {
    let place = SocketAddr::new(config.http_host, config.http_port);
    if error.kind() == std::io::ErrorKind::AddrInUse {
        let holder = match port_holder(place) {
            Some((pid, name)) => format!("process {pid} ({name})"),
            None => "another program".to_owned(),
        };
        return ApiError::new(
            Category::User,
            "port_in_use",
            format!("{holder} listens on {place}"),
            "stop it, or set HTTP_PORT to another port (0 takes any free one)",
        );
    }
    ApiError::new(
        Category::User,
        "invalid_configuration",
        format!("cannot listen on {place}: {error}"),
        "set HTTP_HOST to an address of this machine, and HTTP_PORT to a port that this user may use",
    )
}

/// The address that other processes of this machine use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = match address {
        SocketAddr::V4(_) => std::net::IpAddr::from([127, 0, 0, 1]),
        SocketAddr::V6(_) => std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, address.port())
}
