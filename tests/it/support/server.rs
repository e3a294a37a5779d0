//! A running coordinator and what is asked of it over HTTP.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Answer, Connection, Events, Place, Process, until};

/// A coordinator that answers.
pub struct Server {
    /// Its process.
    pub process: Process,
    /// `127.0.0.1:PORT`.
    pub address: String,
    key: Option<String>,
}

impl Server {
    /// Waits until the process says in the lock file where it is, and answers there.
    #[track_caller]
    pub fn wait_for(place: &Place, mut process: Process) -> Self {
        let address = until("the coordinator listens", || {
            assert!(process.is_running(), "it ended:\n{}", process.log());
            let lock = place.lock()?;
            let ours = lock["pid"] == process.pid();
            lock["address"]
                .as_str()
                .filter(|address| ours && !address.is_empty())
                .map(str::to_owned)
        });
        let key = place.setting("API_KEY").map(str::to_owned);
        let server = Self {
            process,
            address,
            key,
        };
        let health = server.connect().request("GET", "/api/health", &[], b"");
        assert_eq!(health.status, 200, "{}", health.text());
        server
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// A request on a connection of its own, with the key if there is one.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let key = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers = vec![];
        if let Some(key) = &key {
            headers.push(("authorization", key.as_str()));
        }
        let mut bytes = Vec::new();
        if let Some(body) = body {
            headers.push(("content-type", "application/json"));
            bytes = body.to_string().into_bytes();
        }
        self.connect().request(method, path, &headers, &bytes)
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// POST with JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path, Some(&body))
    }

    /// PATCH of a claim.
    #[track_caller]
    pub fn patch(&self, claim_id: &str, body: Value) -> Answer {
        self.request("PATCH", &format!("/api/claims/{claim_id}"), Some(&body))
    }

    /// DELETE of a claim.
    #[track_caller]
    pub fn delete(&self, claim_id: &str) -> Answer {
        self.request("DELETE", &format!("/api/claims/{claim_id}"), None)
    }

    /// A tool by its name.
    #[track_caller]
    pub fn tool(&self, name: &str, arguments: Value) -> Answer {
        self.post(&format!("/api/tools/{name}"), arguments)
    }

    /// Claims an issue of `acme/api`.
    #[track_caller]
    pub fn claim(&self, agent_id: &str, number: u64) -> Answer {
        self.claim_in("acme/api", agent_id, number)
    }

    /// Claims an issue.
    #[track_caller]
    pub fn claim_in(&self, repo: &str, agent_id: &str, number: u64) -> Answer {
        let body = json!({"agent_id": agent_id, "repo": repo, "issue_number": number});
        self.post("/api/claims", body)
    }

    /// Claims an issue of `acme/api` that must be free, and gives the claim's id.
    #[track_caller]
    pub fn granted(&self, agent_id: &str, number: u64) -> String {
        let record = self.claim(agent_id, number).expect(201);
        super::field(&record, "claim_id").to_owned()
    }

    /// Asks for the best issue.
    #[track_caller]
    pub fn next(&self, agent_id: &str) -> Answer {
        self.post("/api/claims/next", json!({"agent_id": agent_id}))
    }

    /// All active claims, of all pages.
    #[track_caller]
    pub fn claims(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = "/api/claims?limit=100".to_owned();
        loop {
            let page = self.get(&path).expect(200);
            all.extend(super::claims(&page).clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/claims?limit=100&cursor={cursor}"),
                None => return all,
            }
        }
    }

    /// The newest claim for an issue, ended or not.
    #[track_caller]
    pub fn claim_of(&self, repo: &str, number: u64) -> Option<Value> {
        let path = |list: &str| format!("/api/claims{list}?repo={repo}&limit=100");
        let found = |list: &str| {
            let answer = self.get(&path(list)).expect(200);
            let claims = super::claims(&answer);
            claims
                .iter()
                .find(|claim| claim["issue_number"] == number)
                .cloned()
        };
        found("").or_else(|| found("/history"))
    }

    /// Waits until the newest claim for an issue of a repository has a status.
    #[track_caller]
    pub fn until_status(&self, repo: &str, number: u64, status: &str) -> Value {
        let mut last = Value::Null;
        let found = super::within(super::DEADLINE, || {
            last = self.claim_of(repo, number)?;
            (last["status"] == status).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{repo}#{number} does not become {status}: {last}"))
    }

    /// What `/api/health` says.
    #[track_caller]
    pub fn health(&self) -> Value {
        self.get("/api/health").expect(200)
    }

    /// Waits for the first sync.
    #[track_caller]
    pub fn wait_for_sync(&self) {
        until("the first sync", || {
            (!self.health()["last_sync"].is_null()).then_some(())
        });
    }

    /// Waits for the end of a sync that began after this call.
    #[track_caller]
    pub fn wait_for_another_sync(&self) {
        let mut events = self.events("", None);
        // The first one that ends may have begun before.
        events.next_of("sync.completed");
        events.next_of("sync.completed");
    }

    /// Events from now on, or after one.
    #[track_caller]
    pub fn events(&self, query: &str, last_event_id: Option<u64>) -> Events {
        let mut connection = self.connect();
        let key = format!("Bearer {}", self.key.as_deref().unwrap_or_default());
        let last = last_event_id.unwrap_or_default().to_string();
        let mut headers = vec![("accept", "text/event-stream"), ("authorization", &key)];
        if last_event_id.is_some() {
            headers.push(("last-event-id", &last));
        }
        let sent = connection.send_request("GET", &format!("/sse{query}"), &headers, b"");
        sent.expect("the request is taken");
        let head = connection.read_head().expect("there is an answer");
        assert_eq!(head.status, 200);
        let kind = head.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Events::new(connection)
    }

    /// Claims and releases from several threads while `act` runs, so that every step takes a
    /// while. The issues from `first` on are used.
    pub fn while_busy<T>(&self, first: u64, act: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for index in 0..4 {
                let done = &done;
                scope.spawn(move || {
                    let agent = format!("busy-{index}");
                    while !done.load(Ordering::Relaxed) {
                        let id = self.granted(&agent, first + index);
                        self.delete(&id).expect(200);
                    }
                });
            }
            // Also when it panics, or the threads would never end.
            let result = catch_unwind(AssertUnwindSafe(act));
            done.store(true, Ordering::Relaxed);
            result.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Kills it without notice.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub fn stop(mut self) {
        self.process.signal(Signal::TERM);
        let status = self.process.wait(Duration::from_secs(10));
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(0), "{}", self.process.log());
    }
}
