//! The handle that tests hold.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

use super::faults::Fault;
use super::record::RequestRecord;
use super::server::{Shared, accept, lock};
use super::world::World;

/// A handle to a running stand-in; clones are handles to the same one, which
/// stops when the last of them is gone.
#[derive(Clone)]
pub struct GitHub {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    socket: PathBuf,
    folder: TempDir,
    config: OnceLock<PathBuf>,
    accepting: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl GitHub {
    /// Starts serving on a socket in a fresh temporary folder. Needs a tokio runtime.
    pub async fn start(world: World) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("github").tempdir()?;
        let socket = folder.path().join("github.sock");
        Self::serve(folder, &socket, world)
    }

    /// Starts serving on a socket at a path where nothing is yet.
    pub async fn start_at(socket: &Path, world: World) -> io::Result<Self> {
        Self::serve(
            tempfile::Builder::new().prefix("github").tempdir()?,
            socket,
            world,
        )
    }

    fn serve(folder: TempDir, socket: &Path, world: World) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let shared = Arc::new(Shared::new(world));
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        let (socket, config) = (socket.to_owned(), OnceLock::new());
        Ok(Self {
            running: Arc::new(Running {
                shared,
                socket,
                folder,
                config,
                accepting,
            }),
        })
    }

    /// The path of the socket.
    pub fn socket(&self) -> &Path {
        &self.running.socket
    }

    /// A folder for `GH_CONFIG_DIR` that sends `gh` here; the same one at every call.
    pub fn gh_config_dir(&self) -> PathBuf {
        let create = || {
            let folder = self.running.folder.path().join("gh");
            self.write_gh_config(&folder)
                .expect("the temporary folder can be written to");
            folder
        };
        self.running.config.get_or_init(create).clone()
    }

    /// Writes what sends `gh` here into a folder, which is created if need be.
    pub fn write_gh_config(&self, folder: &Path) -> io::Result<()> {
        let socket = std::path::absolute(self.socket())?;
        let (user, host) = self.change(|world| (world.user.clone(), world.host.clone()));
        let config = format!("version: \"1\"\nhttp_unix_socket: {}\n", socket.display());
        // The user and the token stand there twice: for versions of gh with one
        // account a host, and for those with several.
        let hosts = format!(
            "{host}:\n    user: {user}\n    oauth_token: not-a-token\n    git_protocol: https\n    \
             users:\n        {user}:\n            oauth_token: not-a-token\n"
        );
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("config.yml"), config)?;
        std::fs::write(folder.join("hosts.yml"), hosts)
    }

    /// Looks at the world or changes it, between two requests.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        change(&mut lock(&self.running.shared.world))
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.running.shared.requests).clone()
    }

    /// Forgets the requests, and how many there were at once.
    pub fn clear_requests(&self) {
        lock(&self.running.shared.requests).clear();
        self.running.shared.most_at_once.store(0, Ordering::Relaxed);
    }

    /// Waits until the record of requests satisfies a condition.
    pub async fn until(&self, condition: impl Fn(&[RequestRecord]) -> bool) {
        let shared = &self.running.shared;
        loop {
            // Registered before the look, so that no change in between is missed.
            let mut recorded = std::pin::pin!(shared.recorded.notified());
            recorded.as_mut().enable();
            if condition(&lock(&shared.requests)) {
                return;
            }
            recorded.await;
        }
    }

    /// The highest number of requests that were in service at the same time.
    pub fn most_at_once(&self) -> usize {
        self.running.shared.most_at_once.load(Ordering::Relaxed)
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        lock(&self.running.shared.faults).push(fault);
    }

    /// Lets nothing go wrong any more; what is stalled stays so.
    pub fn clear_faults(&self) {
        lock(&self.running.shared.faults).clear();
    }
}
