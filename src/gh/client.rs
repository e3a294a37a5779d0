//! The choke point: every call to GitHub is built, run, retried and judged here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};

use super::cache::EtagCache;
use super::environment;
use super::error::GhError;
use super::gate::{BreakerState, Gate, RateLimit};
use super::response::Response;
use super::verdict::{judge, transport_error};
use super::version::{ESCAPES_REFUSED_SINCE, GhVersion, MINIMUM_VERSION};
use crate::domain::{Host, limits};
use crate::process::{self, ChildCommand, Finished, Pool, PoolLoad, Priority, ProcessError};

/// Tries of one call that may be repeated.
const TRIES_MAX: u32 = 3;
/// A call that somebody waits for is made again only when it failed within this time. With the time
/// limit of one more try that stays below the minute after which agents' programs give a call up.
const REPEATED_WITHIN: Duration = Duration::from_secs(15);
/// A problem that was told this long ago may be over.
const PROBLEM_IS_NEWS: Duration = Duration::from_secs(10);
/// A wait that GitHub asks for is waited out up to this length, else the caller is told.
const PATIENCE: Duration = Duration::from_secs(3);

/// How gh is run.
#[derive(Clone, Debug)]
pub struct GhSettings {
    /// GH_PATH, if set.
    pub path: Option<PathBuf>,
    /// GH_HOST.
    pub host: Host,
    /// GITHUB_TOKEN, if set.
    pub token: Option<String>,
    /// GH_MAX_PROCESSES.
    pub processes_max: usize,
    /// GH_TIMEOUT_SECONDS.
    pub time_limit: Duration,
}

/// Whose login is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub login: Arc<str>,
    /// Scopes of a classic token, as GitHub lists them; fine-grained tokens have none.
    pub scopes: Option<String>,
}

/// The gh layer as `system_health` shows it.
#[derive(Clone, Debug)]
pub struct GhStatus {
    /// Version, once known.
    pub version: Option<GhVersion>,
    /// Login, once known.
    pub account: Option<Account>,
    /// The pool.
    pub pool: PoolLoad,
    /// The scarcest budget.
    pub rate_limit: Option<RateLimit>,
    /// `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// The last failure that has not been followed by a success.
    pub problem: Option<GhError>,
    /// Whether that was so long ago that it may be over by now.
    pub problem_is_old: bool,
    /// Whether GitHub has answered anything yet.
    pub answered: bool,
}

struct Ready {
    program: PathBuf,
    version: GhVersion,
}

/// GitHub through gh. Clones share pool, gate and cache.
#[derive(Clone)]
pub struct Gh(Arc<Inner>, Urgency);

/// Whether somebody waits for what a client asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Each call says for whom.
    Asked,
    /// Nobody does.
    Background,
}

struct Inner {
    settings: GhSettings,
    pool: Pool,
    gate: Gate,
    cache: EtagCache,
    ready: OnceCell<Ready>,
    account: std::sync::Mutex<Option<Account>>,
    /// With the time of the failure.
    problem: std::sync::Mutex<Option<(GhError, Instant)>>,
    answered: AtomicBool,
    /// Whoever asks who is logged in, so that GitHub is asked once.
    signing_in: Mutex<()>,
    /// One call at a time until gh is known to work: old versions rewrite their configuration.
    first: Mutex<()>,
    /// This server's GraphQL lacks issue dependencies.
    pub(super) no_dependencies: AtomicBool,
}

/// What GitHub's interface answers.
const JSON: &str = "application/vnd.github+json";

/// One call.
pub(super) struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: Option<Vec<u8>>,
    pub priority: Priority,
    /// Send the known ETag and take a 304 for an answer.
    pub conditional: bool,
    /// Media type that is asked for.
    pub accept: &'a str,
    /// What it does there.
    pub effect: Effect,
    /// Longest answer that is read.
    pub bytes_max: usize,
}

/// What a call does at GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be repeated.
    Reads,
    /// It adds a git object that nothing refers to yet. Nobody is told, and added twice it is
    /// there once: it may be repeated and needs no pause before it.
    AddsObject,
    /// It changes what others see: done once, at the pace that GitHub asks for.
    Changes,
}

impl<'a> Call<'a> {
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            body: None,
            priority: Priority::Ordinary,
            conditional: true,
            accept: JSON,
            effect: Effect::Reads,
            bytes_max: limits::GH_STDOUT_BYTES_MAX,
        }
    }

    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub fn is_graphql(&self) -> bool {
        self.path == "graphql"
    }

    fn resource(&self) -> &'static str {
        if self.is_graphql() { "graphql" } else { "core" }
    }
}

impl Gh {
    /// A client; gh is looked for at the first call.
    pub fn new(settings: GhSettings) -> Self {
        let pool = Pool::new(
            settings.processes_max,
            limits::GH_PLACES_FOR_CLAIMS,
            limits::GH_QUEUE_MAX,
        );
        let inner = Inner {
            settings,
            pool,
            gate: Gate::default(),
            cache: EtagCache::default(),
            ready: OnceCell::new(),
            account: std::sync::Mutex::default(),
            problem: std::sync::Mutex::default(),
            answered: AtomicBool::new(false),
            signing_in: Mutex::new(()),
            first: Mutex::new(()),
            no_dependencies: AtomicBool::new(false),
        };
        Self(Arc::new(inner), Urgency::Asked)
    }

    /// The same for work that nobody waits for: it takes places in the pool that nobody else wants.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self(self.0.clone(), Urgency::Background)
    }

    /// The host in use.
    pub fn host(&self) -> &Host {
        &self.0.settings.host
    }

    pub(super) fn lacks_dependencies(&self) -> &AtomicBool {
        &self.0.no_dependencies
    }

    /// Notes a limit that the body of an answer told.
    pub(super) fn note_limit(&self, resource: &str, error: &GhError) {
        self.0.gate.note_result(resource, Some(error));
        self.note_problem(Some(error));
    }

    /// What is known without asking.
    pub fn status(&self) -> GhStatus {
        let breaker = match self.0.gate.breaker() {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        };
        let problem = lock(&self.0.problem).clone();
        let is_old = |(error, at): &(GhError, Instant)| may_be_over(error, at.elapsed());
        GhStatus {
            version: self.0.ready.get().map(|ready| ready.version),
            account: lock(&self.0.account).clone(),
            pool: self.0.pool.load(),
            rate_limit: self.0.gate.rate_limit(),
            breaker,
            problem_is_old: problem.as_ref().is_some_and(is_old),
            problem: problem.map(|(error, _)| error),
            answered: self.0.answered.load(Ordering::Relaxed),
        }
    }

    /// Login in use, once it is known.
    pub fn login(&self) -> Option<Arc<str>> {
        lock(&self.0.account)
            .as_ref()
            .map(|account| account.login.clone())
    }

    /// Notes the login that an answer named: `gh auth switch` changes it under us.
    pub(super) fn note_login(&self, login: &str) {
        let mut account = lock(&self.0.account);
        match account.as_mut() {
            Some(known) if *known.login == *login => {}
            _ => {
                *account = Some(Account {
                    login: login.into(),
                    scopes: None,
                })
            }
        }
    }

    /// Finds gh and checks its version: the only call that runs alone and before all others.
    pub async fn version(&self) -> Result<GhVersion, GhError> {
        let result = self.ready(Priority::Claim).await.map(|ready| ready.version);
        // That gh is well tells nothing of GitHub.
        if let Err(error) = &result {
            self.note_problem(Some(error));
        }
        result
    }

    async fn ready(&self, priority: Priority) -> Result<&Ready, GhError> {
        self.0
            .ready
            .get_or_try_init(|| async {
                let _alone = self.0.first.lock().await;
                let program = environment::locate(self.0.settings.path.as_deref())?;
                let finished = self
                    .run(
                        &program,
                        vec!["--version".into()],
                        None,
                        priority,
                        limits::GH_STDOUT_BYTES_MAX,
                    )
                    .await?;
                let output = String::from_utf8_lossy(&finished.stdout).into_owned();
                let Some(version) = GhVersion::parse(&output) else {
                    let told = if output.trim().is_empty() {
                        String::from_utf8_lossy(&finished.stderr).into_owned()
                    } else {
                        output
                    };
                    let told = told
                        .lines()
                        .next()
                        .unwrap_or("it prints no version")
                        .to_owned();
                    return Err(GhError::Broken(told));
                };
                if version < MINIMUM_VERSION {
                    return Err(GhError::TooOld { found: version });
                }
                Ok(Ready { program, version })
            })
            .await
    }

    /// Asks who is logged in, with the token's scopes.
    pub async fn account(&self) -> Result<Account, GhError> {
        #[derive(serde::Deserialize)]
        struct User {
            login: Arc<str>,
        }
        let response = self.call(Call::get("user")).await?;
        let User { login } = response.json()?;
        let scopes = response.header("X-OAuth-Scopes").map(str::to_owned);
        let account = Account { login, scopes };
        *lock(&self.0.account) = Some(account.clone());
        Ok(account)
    }

    /// Learns who is logged in. GitHub is asked once, however many want to know at a time.
    pub async fn sign_in(&self) -> Result<(), GhError> {
        let _alone = self.0.signing_in.lock().await;
        if self.login().is_some() {
            return Ok(());
        }
        self.ask_login().await
    }

    /// Asks GitHub anew who is logged in, unless somebody asks that already: whether a problem still
    /// lasts is in the status after it.
    pub async fn look_again(&self) {
        if let Ok(_alone) = self.0.signing_in.try_lock() {
            let _ = self.ask_login().await;
        }
    }

    async fn ask_login(&self) -> Result<(), GhError> {
        let asked = async {
            self.version().await?;
            self.account().await.map(drop)
        };
        let result = asked.await;
        if let Err(error) = &result {
            // Of whatever kind: nothing else is known of GitHub.
            *lock(&self.0.problem) = Some((error.clone(), Instant::now()));
        }
        result
    }

    /// Makes a call: waits for its turn, runs gh, repeats what may be repeated.
    pub(super) async fn call(&self, mut call: Call<'_>) -> Result<Response, GhError> {
        if self.1 == Urgency::Background {
            call.priority = Priority::Background;
        }
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let result = self.call_once(&call).await;
            self.note_problem(result.as_ref().err());
            let error = match result {
                Ok(response) => {
                    self.0.answered.store(true, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(error) => error,
            };
            let Some(pause) = pause_before_repeat(&call, &error, tries, began.elapsed()) else {
                return Err(error);
            };
            tracing::debug!(path = call.path, %error, tries, "GitHub call is repeated");
            tokio::time::sleep(with_jitter(pause)).await;
        }
    }

    async fn call_once(&self, call: &Call<'_>) -> Result<Response, GhError> {
        let ready = self.ready(call.priority).await?;
        self.0.gate.admit(call.resource())?;
        let mut admitted = Admitted {
            gate: &self.0.gate,
            judged: false,
        };
        let result = self.call_admitted(ready, call).await;
        admitted.judged = true;
        self.0
            .gate
            .note_result(call.resource(), result.as_ref().err());
        result
    }

    async fn call_admitted(&self, ready: &Ready, call: &Call<'_>) -> Result<Response, GhError> {
        if call.effect == Effect::Changes {
            tokio::time::sleep(self.0.gate.write_turn()?).await;
        }
        let known = if call.conditional {
            self.0.cache.get(call.path)
        } else {
            None
        };
        let arguments = self.arguments(ready, call, known.as_ref().map(|entry| &*entry.etag));
        let finished = self
            .run(
                &ready.program,
                arguments,
                call.body.clone(),
                call.priority,
                call.bytes_max,
            )
            .await?;
        let Some(mut response) = Response::parse(finished.stdout) else {
            let stderr = String::from_utf8_lossy(&finished.stderr).into_owned();
            return Err(transport_error(
                finished.status.code(),
                &stderr,
                self.host(),
            ));
        };
        self.0.gate.note_budget(&response);
        if response.status == 304
            && let Some(known) = known
        {
            response.body = known.body.to_vec();
            return Ok(response);
        }
        judge(call, &finished.stderr, self.host(), &response)?;
        if finished.status.code() != Some(0) && !call.is_graphql() {
            // A success whose body gh could not read to its end.
            let stderr = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
            return Err(GhError::Malformed(stderr));
        }
        if call.conditional
            && let Some(etag) = response.header("Etag")
        {
            self.0.cache.put(call.path, etag, &response.body);
        }
        Ok(response)
    }

    /// The argument vector. Nothing in it was written by a stranger: paths are built from checked
    /// parts, bodies go through standard input.
    fn arguments(&self, ready: &Ready, call: &Call<'_>, etag: Option<&str>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            "api",
            "-i",
            "--hostname",
            self.host().as_str(),
            "-X",
            call.method,
            "-H",
            "X-GitHub-Api-Version: 2022-11-28",
            "-H",
        ]
        .map(OsString::from)
        .to_vec();
        arguments.push(format!("Accept: {}", call.accept).into());
        if let Some(etag) = etag {
            arguments.extend(["-H".into(), format!("If-None-Match: {etag}").into()]);
        }
        if ready.version >= ESCAPES_REFUSED_SINCE {
            arguments.push("--allow-escape-sequences".into());
        }
        if call.body.is_some() {
            arguments.extend(["--input".into(), "-".into()]);
        }
        arguments.push(call.path.into());
        arguments
    }

    async fn run(
        &self,
        program: &std::path::Path,
        arguments: Vec<OsString>,
        input: Option<Vec<u8>>,
        priority: Priority,
        stdout_bytes_max: usize,
    ) -> Result<Finished, GhError> {
        let settings = &self.0.settings;
        let permit = self
            .0
            .pool
            .permit(priority)
            .await
            .map_err(|_| GhError::Overloaded)?;
        let command = ChildCommand {
            program: program.to_owned(),
            arguments,
            environment: environment::child_environment(
                std::env::vars_os(),
                settings.host.as_str(),
                settings.token.as_deref(),
            ),
            input,
            time_limit: settings.time_limit,
            stdout_bytes_max,
        };
        process::run(command, permit)
            .await
            .map_err(|error| match error {
                ProcessError::TimedOut(limit) => GhError::TimedOut(limit),
                ProcessError::TooMuchOutput(bytes_max) => GhError::TooLong(bytes_max),
                ProcessError::Spawn { .. } | ProcessError::Io(_) => {
                    GhError::Broken(error.to_string())
                }
            })
    }

    fn note_problem(&self, error: Option<&GhError>) {
        let mut problem = lock(&self.0.problem);
        match error {
            None => *problem = None,
            Some(error) if error.is_outage() => *problem = Some((error.clone(), Instant::now())),
            Some(_) => {}
        }
    }
}

/// Frees the breaker's trial when a call is cancelled half-way.
struct Admitted<'a> {
    gate: &'a Gate,
    judged: bool,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if !self.judged {
            self.gate.note_cancelled();
        }
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How long to wait before a call is made again that failed after `tries` tries and the time `taken`
/// for all of them; none when the failure is to be told.
fn pause_before_repeat(
    call: &Call<'_>,
    error: &GhError,
    tries: u32,
    taken: Duration,
) -> Option<Duration> {
    let is_awaited = call.priority != Priority::Background;
    // A write may have landed: the verb reads back before it tries again.
    let is_write = call.effect == Effect::Changes;
    if is_write || tries >= TRIES_MAX || is_awaited && taken > REPEATED_WITHIN {
        return None;
    }
    match error {
        GhError::NotLoggedIn { .. } | GhError::Broken(_) => Some(Duration::from_millis(700)),
        GhError::SecondaryLimit { retry_after } if *retry_after <= PATIENCE => Some(*retry_after),
        GhError::TimedOut(_) if tries > 1 => None,
        error if error.is_transient() => Some(Duration::from_millis(250 << (2 * tries))),
        _ => None,
    }
}

/// Whether a problem of that age may be over: not before the time that GitHub named.
fn may_be_over(error: &GhError, age: Duration) -> bool {
    let named = match error {
        GhError::RateLimited { retry_after }
        | GhError::SecondaryLimit { retry_after }
        | GhError::BreakerOpen { retry_after } => *retry_after,
        _ => Duration::ZERO,
    };
    age >= named.max(PROBLEM_IS_NEWS)
}

/// Between half and all of `pause`, so that callers do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let share = (uuid::Uuid::new_v4().as_u128() % 512) as u32;
    pause / 2 + pause / 2 * share / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_somebody_waits_for_is_not_repeated_after_a_long_time() {
        let second = Duration::from_secs(1);
        let pause = |priority, error: &GhError, taken| {
            let call = Call::get("user").priority(priority);
            pause_before_repeat(&call, error, 1, taken)
        };
        let hung = GhError::TimedOut(30 * second);
        for awaited in [Priority::Claim, Priority::Ordinary] {
            assert_eq!(pause(awaited, &hung, 30 * second), None);
            let cut_off = GhError::Network("connection reset".to_owned());
            assert_eq!(pause(awaited, &cut_off, 29 * second), None);
            assert_eq!(pause(awaited, &cut_off, second), Some(second));
            // With a short GH_TIMEOUT_SECONDS there is time for one more.
            assert_eq!(pause(awaited, &hung, 2 * second), Some(second));
        }
        let background = Priority::Background;
        assert_eq!(pause(background, &hung, 30 * second), Some(second));
    }

    #[test]
    fn a_problem_may_be_over_when_it_is_no_news() {
        let second = Duration::from_secs(1);
        let hung = GhError::TimedOut(30 * second);
        assert!(!may_be_over(&hung, 9 * second));
        assert!(may_be_over(&hung, 10 * second));
        let limited = GhError::RateLimited {
            retry_after: 60 * second,
        };
        assert!(!may_be_over(&limited, 59 * second));
        assert!(may_be_over(&limited, 60 * second));
    }
}
