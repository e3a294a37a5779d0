//! One process among several: it becomes the owner when the lock is free, and forwards to the
//! owner when it is not. When the owner goes away, one of the others takes over within a second,
//! and calls under way are made again, with the same request id.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::Config;
use super::owner::{Mode, Owner, open_folder, process_lives};
use crate::coordinator::Operation;
use crate::domain::{ApiError, Category, RequestId, SessionRef};
use crate::http::{ClientError, OwnerClient};
use crate::service::{Call, Reply, Service, ServiceFuture};
use crate::store::{LockError, LockInfo, OwnerLock};

/// Between two looks at a lock whose holder does not answer yet.
const RETRY: Duration = Duration::from_millis(20);
/// How long a call waits for an owner.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many owners a call is made to, one after the other.
const OWNERS_MAX: usize = 50;
/// How often a waiting call of a follower reports progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What this process is at the moment.
#[derive(Clone)]
enum Role {
    /// Not asked to join yet, or between two owners.
    Joining,
    /// It owns the state.
    Owner(Arc<Owner>),
    /// It forwards to the owner.
    Follower(OwnerClient),
    /// The state cannot be used.
    Failed(ApiError),
}

struct Shared {
    config: Config,
    mode: Mode,
    session: Option<SessionRef>,
    log_file: Option<Arc<File>>,
    role: watch::Sender<Role>,
    /// The owner did not answer: look again.
    lost: Notify,
}

/// This process. Cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

impl Node {
    /// A process that has not joined yet.
    pub fn new(
        config: Config,
        mode: Mode,
        session: Option<SessionRef>,
        log_file: Option<Arc<File>>,
    ) -> Self {
        let role = watch::Sender::new(Role::Joining);
        Self(Arc::new(Shared {
            config,
            mode,
            session,
            log_file,
            role,
            lost: Notify::new(),
        }))
    }

    /// Becomes the owner or fails: for `serve`.
    pub async fn own(&self) -> Result<Arc<Owner>, ApiError> {
        let deadline = Instant::now() + PATIENCE;
        let mut is_told = false;
        loop {
            let holder = match self.try_own().await? {
                Ok(owner) => return Ok(owner),
                // While an owner starts, the lock file still says what an earlier one wrote.
                Err(holder) => holder.filter(|it| !it.address.is_empty() && process_lives(it.pid)),
            };
            // A command owns the state for its one call, which is over in a moment.
            let is_command = |holder: &LockInfo| holder.command == Mode::Command.as_str();
            if !holder.as_ref().is_none_or(is_command) || Instant::now() > deadline {
                return Err(held(holder));
            }
            if !is_told {
                tracing::info!(
                    "a process that is starting or ending has the state: waiting for it"
                );
                is_told = true;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Joins and stays joined, in the background.
    pub fn join(&self) {
        let node = self.clone();
        tokio::spawn(async move { node.stay_joined().await });
    }

    /// Takes the lock if it is free; otherwise tells who has it.
    async fn try_own(&self) -> Result<Result<Arc<Owner>, Option<LockInfo>>, ApiError> {
        let shared = &*self.0;
        let (_, files) = open_folder(&shared.config)?;
        let lock = match OwnerLock::try_acquire(&files.folder.join(files.lock())) {
            Ok(lock) => lock,
            Err(LockError::Held(holder)) => return Ok(Err(holder)),
            Err(error @ LockError::Io { .. }) => {
                return Err(ApiError::new(
                    Category::User,
                    "state_unavailable",
                    error.to_string(),
                    "set STATE_FILE_PATH to a file in a folder that this user can write to",
                ));
            }
        };
        let owner =
            Owner::start(&shared.config, shared.mode, lock, shared.log_file.clone()).await?;
        let owner = Arc::new(owner);
        if let Some(session) = shared.session {
            let opened = owner
                .desk
                .coordinator()
                .perform(Operation::SessionOpened(session, 0))
                .await;
            opened.map_err(|error| error.to_api())?;
        }
        shared.role.send_replace(Role::Owner(owner.clone()));
        Ok(Ok(owner))
    }

    async fn stay_joined(&self) {
        loop {
            match self.try_own().await {
                Ok(Ok(owner)) => {
                    tracing::info!(address = %owner.address, "this process is the owner");
                    return;
                }
                Ok(Err(Some(info))) if !info.address.is_empty() => self.follow(info).await,
                Ok(Err(_)) => {}
                Err(error) => {
                    // Somebody may mend it while we run.
                    self.0.role.send_replace(Role::Failed(error));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Follows an owner until it is gone.
    async fn follow(&self, info: LockInfo) {
        let shared = &*self.0;
        let client = OwnerClient::new(info);
        let joined = || {
            tracing::debug!(owner = client.info().pid, "following");
            shared.role.send_replace(Role::Follower(client.clone()));
        };
        match shared.session {
            Some(session) => {
                if let Err(error) = client.hold_session(session, joined).await {
                    tracing::debug!(%error, "owner not reached");
                }
            }
            None => {
                joined();
                shared.lost.notified().await;
            }
        }
        shared.role.send_if_modified(|role| {
            let following = matches!(role, Role::Follower(_));
            if following {
                *role = Role::Joining;
            }
            following
        });
    }

    /// The role once there is one, or why there is none.
    async fn joined(&self, deadline: Instant) -> Result<Role, ApiError> {
        let mut roles = self.0.role.subscribe();
        let is_settled = |role: &Role| !matches!(role, Role::Joining);
        match tokio::time::timeout_at(deadline, roles.wait_for(is_settled)).await {
            Ok(Ok(role)) => match &*role {
                Role::Failed(error) => Err(error.clone()),
                role => Ok(role.clone()),
            },
            _ => Err(unavailable(
                "no process answers as the owner of the state file",
            )),
        }
    }

    /// What sync is doing, when this process is the owner.
    pub fn progress(&self) -> Option<String> {
        match &*self.0.role.borrow() {
            Role::Owner(owner) => owner.progress(),
            _ => None,
        }
    }

    /// Ends what runs in this process.
    pub async fn stop(&self) {
        let role = self.0.role.borrow().clone();
        if let Role::Owner(owner) = role {
            owner.stop().await;
        }
    }

    async fn carry_out(&self, mut call: Call) -> Result<Reply, ApiError> {
        if let Some(agent_id) = &self.0.config.agent_id {
            call.request.default_agent(agent_id.as_str());
        }
        call.allowed.clone_from(&self.0.config.allowed);
        call.request_id
            .get_or_insert_with(|| RequestId(Uuid::new_v4()));
        for _ in 0..OWNERS_MAX {
            let deadline = Instant::now() + PATIENCE;
            let client = match self.joined(deadline).await? {
                Role::Owner(owner) => return owner.desk.call(call).await,
                Role::Follower(client) => client,
                Role::Joining | Role::Failed(_) => continue,
            };
            match forward(&client, &call).await {
                Ok(result) => return result,
                Err(ClientError::Gone(reason)) => {
                    tracing::debug!(reason, "the call is made again");
                    self.0.lost.notify_one();
                    self.await_other_owner(&client).await;
                }
                Err(error @ ClientError::Strange(_)) => {
                    return Err(unavailable(&error.to_string()));
                }
            }
        }
        Err(unavailable("one owner after the other went away"))
    }

    /// Waits a moment for the role to change; a wrong alarm goes on with the same owner.
    async fn await_other_owner(&self, lost: &OwnerClient) {
        let mut roles = self.0.role.subscribe();
        let is_other = |role: &Role| match role {
            Role::Follower(client) => client.info() != lost.info(),
            _ => true,
        };
        let _ = tokio::time::timeout(RETRY * 5, roles.wait_for(is_other)).await;
    }
}

impl Service for Node {
    fn call(&self, call: Call) -> ServiceFuture<'_> {
        Box::pin(self.carry_out(call))
    }
}

/// Forwards a call; while it lasts, whoever waits hears of it.
async fn forward(
    client: &OwnerClient,
    call: &Call,
) -> Result<Result<Reply, ApiError>, ClientError> {
    let started = Instant::now();
    let work = client.call(call);
    tokio::pin!(work);
    loop {
        match tokio::time::timeout(PROGRESS_EVERY, &mut work).await {
            Ok(result) => return result,
            Err(_) => {
                if !client.answers().await {
                    return Ok(Err(silent(client.info())));
                }
                if let Some(progress) = &call.progress {
                    progress(
                        started.elapsed().as_secs_f64(),
                        "waiting for the owner".to_owned(),
                    );
                }
            }
        }
    }
}

/// The owner lives and holds the lock, but does nothing: only a person can decide to end it.
fn silent(owner: &LockInfo) -> ApiError {
    ApiError::new(
        Category::Api,
        "owner_unavailable",
        format!(
            "the owner, process {} (issuecommand {}), does not answer",
            owner.pid, owner.command
        ),
        format!(
            "end it, another process then takes over at once: kill -9 {}",
            owner.pid
        ),
    )
    .retry_after(5)
}

fn unavailable(message: &str) -> ApiError {
    ApiError::new(
        Category::Api,
        "owner_unavailable",
        message,
        "run issuecommand doctor: it says which process owns the state and how to mend it",
    )
    .retry_after(2)
}

/// The refusal of a second `serve`.
fn held(holder: Option<LockInfo>) -> ApiError {
    let Some(holder) = holder else {
        return ApiError::new(
            Category::Logical,
            "already_running",
            "another process owns the state file",
            "run issuecommand doctor to see which one",
        );
    };
    ApiError::new(
        Category::Logical,
        "already_running",
        format!(
            "process {} (issuecommand {}) already serves this state file at http://{}",
            holder.pid, holder.command, holder.address
        ),
        format!("use that one, or stop it first: kill {}", holder.pid),
    )
    .detail("pid", holder.pid)
    .detail("address", holder.address)
}
