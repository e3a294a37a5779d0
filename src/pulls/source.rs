//! Where the tools read from: GitHub, with a short memory.
//!
//! An agent asks several tools about one pull request within seconds. What was read for one answer
//! serves the next for half a minute, as long as the pull request itself, which is looked at each
//! time (a request that is free of points while nothing changed), is still the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::PullId;
use super::Standing;
use super::ci_log::{JobLog, JobStep, TestReports};
use super::failing_tests::Passes;
use super::kept::Kept;
use super::pull_request::PullRequest;
use crate::domain::{ApiError, Category, Clock, limits};
use crate::gh::{ApiPath, Gh, GhError, GraphAnswer};
use crate::git::Git;

/// Most answers in memory, and most bytes of one.
const ANSWERS_MAX: usize = 256;
const ANSWER_BYTES_MAX: usize = 4 << 20;

struct Remembered {
    stamp: String,
    read_at: Instant,
    body: Arc<Vec<u8>>,
}

/// GitHub for the pull-request tools. Clones share one memory.
#[derive(Clone)]
pub struct Pulls {
    gh: Gh,
    git: Git,
    clock: Arc<dyn Clock>,
    memory: Arc<Mutex<HashMap<String, Remembered>>>,
    logs: Arc<Kept<JobLog>>,
    /// Logs of finished jobs that cannot be read, now or later.
    lost_logs: Arc<Kept<GhError>>,
    logs_at_once: Arc<Semaphore>,
    reports: Arc<Kept<TestReports>>,
    /// By the number of a comment: the pull request and the thread that it is in.
    threads: Arc<Kept<(PullId, String)>>,
    standings: Arc<Mutex<HashMap<String, Standing>>>,
    passes: Arc<Passes>,
}

/// GitHub while one pull request is looked at.
pub struct PullSource {
    pulls: Pulls,
    /// Which.
    pub id: PullId,
    /// As it is now.
    pub pull: PullRequest,
    /// Tells one state of the pull request from another.
    stamp: String,
    /// Age of the oldest answer that memory served, in milliseconds.
    age_ms: AtomicU64,
}

impl Pulls {
    /// The tools' way to GitHub.
    pub fn new(gh: Gh, clock: Arc<dyn Clock>) -> Self {
        Self {
            gh,
            git: Git::find(),
            clock,
            memory: Arc::default(),
            logs: Arc::default(),
            lost_logs: Arc::default(),
            logs_at_once: Arc::new(Semaphore::new(limits::LOGS_AT_ONCE)),
            reports: Arc::default(),
            threads: Arc::default(),
            standings: Arc::default(),
            passes: Arc::default(),
        }
    }

    /// The same for work that nobody waits for; the memory is shared. It holds up nobody: its logs
    /// have a place of their own.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self {
            gh: self.gh.in_background(),
            logs_at_once: Arc::new(Semaphore::new(1)),
            ..self.clone()
        }
    }

    pub(super) fn passes(&self) -> &Passes {
        &self.passes
    }

    pub(super) fn standings(&self) -> MutexGuard<'_, HashMap<String, Standing>> {
        self.standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// GitHub itself, for what must not be remembered: writes.
    pub fn gh(&self) -> &Gh {
        &self.gh
    }

    /// Git itself, for what GitHub does not tell.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Looks at a pull request.
    ///
    /// # Errors
    /// `not_a_pull_request` when the number belongs to an issue; else as the gh floor tells.
    pub async fn open(&self, id: PullId) -> Result<PullSource, ApiError> {
        let path = ApiPath::repo(&id.repo).then("pulls").then(id.number);
        let pull: PullRequest = match self.gh.get(&path).await {
            Ok(pull) => pull,
            Err(GhError::NotFound(_)) => return Err(self.missing(&id).await),
            Err(error) => return Err(error.to_api()),
        };
        self.see_head(&id, &pull.head.sha);
        let stamp = format!("{id} {} {}", pull.head.sha, pull.updated_at);
        Ok(PullSource {
            pulls: self.clone(),
            id,
            pull,
            stamp,
            age_ms: AtomicU64::new(0),
        })
    }

    /// Forgets what was read of a pull request: a write made it untrue, and not every write changes
    /// the time of the last change that the memory goes by.
    pub fn forget(&self, id: &PullId) {
        let prefix = format!("{id} ");
        self.memory()
            .retain(|_, known| !known.stamp.starts_with(&prefix));
    }

    /// Says whether the number is an issue, or nothing that this login can see.
    async fn missing(&self, id: &PullId) -> ApiError {
        let path = ApiPath::repo(&id.repo).then("issues").then(id.number);
        match self.gh.get::<Value>(&path).await {
            Ok(_) => ApiError::new(
                Category::User,
                "not_a_pull_request",
                format!("{id} is an issue"),
                "give the pull request that solves it: get_issue_details lists linked ones",
            ),
            Err(_) => GhError::NotFound(id.to_string()).to_api(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered, and how old it is.
    fn recall(&self, key: &str, stamp: &str) -> Option<(Arc<Vec<u8>>, Duration)> {
        let memory = self.memory();
        let known = memory.get(key)?;
        let age = known.read_at.elapsed();
        let serves = known.stamp == stamp && age < limits::PULL_MEMORY;
        serves.then(|| (known.body.clone(), age))
    }

    fn remember(&self, key: String, stamp: &str, body: Vec<u8>) -> Arc<Vec<u8>> {
        let body = Arc::new(body);
        if body.len() > ANSWER_BYTES_MAX {
            return body;
        }
        let mut memory = self.memory();
        memory.retain(|_, known| known.read_at.elapsed() < limits::PULL_MEMORY);
        if memory.len() < ANSWERS_MAX {
            let remembered = Remembered {
                stamp: stamp.to_owned(),
                read_at: Instant::now(),
                body: body.clone(),
            };
            memory.insert(key, remembered);
        }
        body
    }
}

impl PullSource {
    /// GitHub itself, for what must not be remembered.
    pub fn gh(&self) -> &Gh {
        &self.pulls.gh
    }

    /// How old the oldest part of what was read through this is.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms.load(Ordering::Relaxed))
    }

    /// The time of which what was read through this tells, when it is `now`.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        let age = jiff::SignedDuration::try_from(self.age()).unwrap_or_default();
        now.checked_sub(age).unwrap_or(now)
    }

    /// A path in the pull request's repository.
    pub fn path(&self) -> ApiPath {
        ApiPath::repo(&self.id.repo)
    }

    /// `owner`, `repo` and `pr` as GraphQL variables.
    pub fn variables(&self) -> Value {
        let repo = &self.id.repo;
        json!({ "owner": repo.owner(), "repo": repo.name(), "pr": self.id.number })
    }

    /// Reads one thing.
    pub async fn get<T: DeserializeOwned>(&self, path: &ApiPath) -> Result<T, GhError> {
        let key = path.to_string();
        let body = match self.recall(&key) {
            Some(body) => body,
            None => {
                let value: Value = self.gh().get(path).await?;
                self.keep(key, &value)
            }
        };
        parse(&body)
    }

    /// Reads a whole list of up to `items_max` items; the flag tells whether there are more.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &ApiPath,
        member: Option<&str>,
        items_max: usize,
    ) -> Result<(Vec<T>, bool), GhError> {
        let key = list_key(path, member, items_max);
        match self.recall(&key) {
            Some(body) => parse(&body),
            None => Ok(self.list_now(path, member, items_max).await?.0),
        }
    }

    /// Reads a whole list as it is now; the second flag tells whether memory held the same.
    pub async fn list_now<T: DeserializeOwned>(
        &self,
        path: &ApiPath,
        member: Option<&str>,
        items_max: usize,
    ) -> Result<((Vec<T>, bool), bool), GhError> {
        let key = list_key(path, member, items_max);
        let before = self.pulls.recall(&key, &self.stamp);
        let list = self.gh().list::<Value>(path, member, items_max).await?;
        let now = self.keep(key, &json!(list));
        let is_same = before.is_some_and(|(before, _)| before == now);
        Ok((parse(&now)?, is_same))
    }

    /// Whether memory holds a list.
    pub fn remembers(&self, path: &ApiPath, member: Option<&str>, items_max: usize) -> bool {
        let key = list_key(path, member, items_max);
        self.pulls.recall(&key, &self.stamp).is_some()
    }

    /// Notes what was learned of the pull request.
    pub fn learn(&self, learn: impl FnOnce(&mut Standing)) {
        self.pulls.learn(&self.id, &self.pull.head.sha, learn);
    }

    /// Notes that nothing more is expected for the head commit, and whether that is certain.
    pub fn note_settled(&self, is_certain: bool) {
        let mark = |note: &str| {
            let key = note.to_owned() + &self.stamp;
            self.pulls.remember(key, &self.stamp, Vec::new());
        };
        mark(SETTLED);
        if is_certain {
            mark(CERTAIN);
        }
    }

    /// Whether a moment ago nothing more was expected for the head commit, and that for certain
    /// where it must be.
    pub fn is_settled(&self, must_be_certain: bool) -> bool {
        let note = if must_be_certain { CERTAIN } else { SETTLED };
        let key = note.to_owned() + &self.stamp;
        self.pulls.recall(&key, &self.stamp).is_some()
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.pulls.now()
    }

    /// What the log of a finished job of GitHub Actions tells; and why GitHub did not tell of its
    /// steps, where the log alone does not say which of them failed.
    pub async fn job_log(&self, job: u64) -> Result<(Arc<JobLog>, Option<GhError>), GhError> {
        if let Some(known) = self.pulls.logs.get(job) {
            return Ok((known, None));
        }
        if let Some(error) = self.pulls.lost_logs.get(job) {
            return Err((*error).clone());
        }
        let path = self.path().then("actions").then("jobs").then(job);
        // It is closed by nobody. Who reads keeps it, also when nobody waits any more.
        let turn = self.pulls.logs_at_once.clone().acquire_owned().await;
        let bytes = match self.gh().log(&path.clone().then("logs")).await {
            Ok(bytes) => bytes,
            Err(error) => {
                if matches!(error, GhError::TooLong(_) | GhError::Gone(_)) {
                    self.pulls.lost_logs.keep(job, error.clone());
                }
                return Err(error);
            }
        };
        let look = move || (JobLog::needs_steps(&bytes), bytes, turn);
        let (needs_steps, bytes, turn) = aside(look).await?;
        let steps = match needs_steps {
            true => self.steps(&path).await.map(Some),
            false => Ok(None),
        };
        let (steps, untold) = match steps {
            Ok(steps) => (steps, None),
            Err(error) => (None, Some(error)),
        };
        let read = move || {
            let _turn = turn;
            JobLog::read(&bytes, steps.as_deref())
        };
        let log = aside(read).await?;
        match untold {
            None => Ok((self.pulls.logs.keep(job, log), None)),
            // The next look may know better.
            Some(_) => Ok((Arc::new(log), untold)),
        }
    }

    /// The steps of a job that has ended.
    async fn steps(&self, job: &ApiPath) -> Result<Vec<JobStep>, GhError> {
        #[derive(Deserialize)]
        struct Job {
            status: String,
            #[serde(default)]
            steps: Vec<JobStep>,
        }
        let told: Job = self.gh().get(job).await?;
        match &*told.status {
            "completed" => Ok(told.steps),
            status => Err(GhError::Malformed(format!("the job is still {status}"))),
        }
    }

    /// What the test reports in an artifact of GitHub Actions tell.
    pub async fn test_reports(&self, artifact: u64) -> Result<Arc<TestReports>, GhError> {
        if let Some(known) = self.pulls.reports.get(artifact) {
            return Ok(known);
        }
        let path = self
            .path()
            .then("actions")
            .then("artifacts")
            .then(artifact)
            .then("zip");
        let bytes = self.gh().raw(&path, "*/*").await?;
        let read = aside(move || TestReports::read(&bytes)).await?;
        let reports = read.map_err(|error| GhError::Malformed(error.to_string()))?;
        Ok(self.pulls.reports.keep(artifact, reports))
    }

    /// The thread that a comment was found in before: it stays there, also after a write.
    pub fn known_thread(&self, comment: u64) -> Option<String> {
        let known = self.pulls.threads.get(comment)?;
        (known.0 == self.id).then(|| known.1.clone())
    }

    /// Notes in which thread a comment is.
    pub fn note_thread(&self, comment: u64, thread: &str) {
        let found = (self.id.clone(), thread.to_owned());
        self.pulls.threads.keep(comment, found);
    }

    /// Asks a GraphQL query.
    pub async fn graph(&self, document: &str, variables: Value) -> Result<GraphAnswer, GhError> {
        let key = format!("{document} {variables}");
        let body = match self.recall(&key) {
            Some(body) => body,
            None => {
                let answer = self.gh().graph(document, variables).await?;
                self.keep(key, &json!([answer.data, answer.problems]))
            }
        };
        let (data, problems) = parse(&body)?;
        Ok(GraphAnswer { data, problems })
    }

    /// What was computed before under a key that names all it depends on.
    pub fn recall_computed<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        parse(&self.recall(key)?).ok()
    }

    /// Keeps what was computed, like an answer of GitHub.
    pub fn keep_computed(&self, key: String, value: &impl Serialize) {
        if let Ok(body) = serde_json::to_vec(value) {
            self.pulls.remember(key, &self.stamp, body);
        }
    }

    fn recall(&self, key: &str) -> Option<Arc<Vec<u8>>> {
        let (body, age) = self.pulls.recall(key, &self.stamp)?;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.age_ms.fetch_max(age_ms, Ordering::Relaxed);
        Some(body)
    }

    fn keep(&self, key: String, value: &Value) -> Arc<Vec<u8>> {
        let body = value.to_string().into_bytes();
        self.pulls.remember(key, &self.stamp, body)
    }
}

/// Keys of the notes that a head is settled, and that this is certain.
const SETTLED: &str = "settled ";
const CERTAIN: &str = "certain ";

fn list_key(path: &ApiPath, member: Option<&str>, items_max: usize) -> String {
    format!("{path} {member:?} {items_max}")
}

/// Reads tens of megabytes, which takes a while: not on the thread that serves everybody.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, GhError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| GhError::Malformed(error.to_string()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, GhError> {
    serde_json::from_slice(body).map_err(|error| GhError::Malformed(error.to_string()))
}
