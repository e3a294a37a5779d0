//! Everything at once: agents that claim and release through processes of their own, while any of
//! those processes, the owner included, is killed without notice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    Connection, Event, Events, McpClient, Place, ToolAnswer, claims, field, until,
};

const AGENTS: usize = 8;
const ISSUES: u64 = 60;
const TIME: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);

/// Numbers that look random and are the same for the same seed (the `SplitMix64` sequence).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 16) % bound
    }
}

/// The process of each agent, while it may be killed.
type Victims = [Mutex<Option<Pid>>; AGENTS];

/// An agent, and what it was told.
struct Agent<'a> {
    place: &'a Place,
    index: usize,
    victims: &'a Victims,
    client: Option<McpClient>,
    random: Random,
    /// What it holds for sure: issue and claim.
    held: BTreeMap<u64, String>,
    /// Every grant that it was told of.
    acknowledged: Vec<(String, u64)>,
    calls: usize,
}

impl Agent<'_> {
    fn name(&self) -> String {
        format!("agent-{}", self.index)
    }

    /// One step; a process that died on the way is replaced.
    fn step(&mut self) {
        if self.client.is_none() {
            self.start();
            return;
        }
        let release = self.held.len() > 2 || (!self.held.is_empty() && self.random.below(3) == 0);
        let went_on = if release {
            self.release()
        } else {
            self.claim()
        };
        if went_on.is_none() {
            self.bury();
        }
    }

    fn call(&mut self, name: &str, arguments: Value) -> Option<ToolAnswer> {
        self.calls += 1;
        self.client.as_ref()?.try_tool(name, arguments)
    }

    fn claim(&mut self) -> Option<()> {
        let name = self.name();
        let record = if self.random.below(5) == 0 {
            self.call("next_issue", json!({"agent_id": name}))?.record()
        } else {
            let number = self.random.below(ISSUES) + 1;
            let arguments = json!({"agent_id": name, "repo": "acme/api", "issue_number": number});
            let record = self.call("claim_issue", arguments)?.record();
            assert!(
                record["claimed"] == true || record["owner"] != json!(name),
                "{record}"
            );
            record["claim"].clone()
        };
        if let (Some(id), Some(number)) =
            (record["claim_id"].as_str(), record["issue_number"].as_u64())
        {
            self.held.insert(number, id.to_owned());
            self.acknowledged.push((id.to_owned(), number));
        }
        Some(())
    }

    fn release(&mut self) -> Option<()> {
        let place = self.random.below(self.held.len() as u64) as usize;
        let number = *self.held.keys().nth(place).expect("the place is within");
        // Not held for sure from here on: the answer may get lost.
        let id = self.held.remove(&number).expect("it was found a line ago");
        let answer = self.call("release_issue", json!({"claim_id": id}))?;
        assert_eq!(answer.record()["ok"], true);
        Some(())
    }

    /// Starts a process and compares what the coordinator knows with what was acknowledged.
    fn start(&mut self) {
        let client = self.place.mcp_of(crate::support::Era::Stateless);
        *self.victims[self.index].lock().expect("nobody panics") =
            Some(client.process.rustix_pid());
        self.client = Some(client);
        if self.take_over().is_none() {
            self.bury();
        }
    }

    fn take_over(&mut self) -> Option<()> {
        let name = self.name();
        // The owner may need a moment to see that the last session is dead.
        let deadline = Instant::now() + Duration::from_secs(10);
        let number = self
            .held
            .keys()
            .next()
            .copied()
            .unwrap_or(ISSUES + 1 + self.index as u64);
        let arguments = json!({"agent_id": name, "repo": "acme/api", "issue_number": number});
        loop {
            let answer = self.call("claim_issue", arguments.clone())?;
            if !answer.is_error {
                break;
            }
            let failure = answer.failure();
            assert!(failure.contains("agent_id_in_use"), "{failure}");
            assert!(Instant::now() < deadline, "{failure}");
        }
        let mine = self
            .call("get_my_claims", json!({"agent_id": name}))?
            .record();
        let mine = claims(&mine).iter().map(|claim| {
            let number = claim["issue_number"].as_u64().expect("it is a number");
            (number, field(claim, "claim_id").to_owned())
        });
        let mine: BTreeMap<_, _> = mine.collect();
        for number in self.held.keys() {
            assert!(
                mine.contains_key(number),
                "#{number} of {name} was acknowledged and is lost"
            );
        }
        self.held = mine;
        Some(())
    }

    fn bury(&mut self) {
        *self.victims[self.index].lock().expect("nobody panics") = None;
        self.client = None;
    }
}

/// Kills one after the other, and tells how many.
fn kill_at_random(victims: &Victims, seed: u64) -> usize {
    let (mut random, mut killed) = (Random(seed), 0);
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        thread::sleep(PAUSE);
        let victim = &victims[random.below(AGENTS as u64) as usize];
        if let Some(pid) = victim.lock().expect("nobody panics").take() {
            killed += usize::from(kill_process(pid, Signal::KILL).is_ok());
        }
    }
    killed
}

#[test]
fn no_issue_has_two_holders_and_no_claim_is_lost() {
    let seed = std::env::var("ISSUECOMMAND_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    eprintln!("ISSUECOMMAND_TEST_SEED={seed}");
    let place = Place::with_issues(ISSUES as usize + AGENTS);
    // One for each agent that nobody else gets: a claim that is granted hands its claims on.
    place.github.change(|world| {
        for number in ISSUES + 1..=ISSUES + AGENTS as u64 {
            world.issue("acme/api", number).label("wontfix");
        }
    });
    place.serve_synced().stop();
    let victims: Victims = Default::default();
    let done = AtomicBool::new(false);
    let (agents, killed) = thread::scope(|scope| {
        let started: Vec<_> = (0..AGENTS)
            .map(|index| {
                let mut agent = Agent {
                    place: &place,
                    index,
                    victims: &victims,
                    client: None,
                    random: Random(seed ^ (index as u64) << 32),
                    held: BTreeMap::new(),
                    acknowledged: Vec::new(),
                    calls: 0,
                };
                let done = &done;
                scope.spawn(move || {
                    // Whatever ends, ends with a process that lives and has been told everything.
                    while !done.load(Ordering::Relaxed) || agent.client.is_none() {
                        agent.step();
                    }
                    agent
                })
            })
            .collect();
        let killed = kill_at_random(&victims, seed);
        done.store(true, Ordering::Relaxed);
        let agents: Vec<_> = started
            .into_iter()
            .map(|thread| thread.join().expect("no agent fails"))
            .collect();
        (agents, killed)
    });
    let calls: usize = agents.iter().map(|agent| agent.calls).sum();
    assert!(
        killed >= 15 && calls >= 100,
        "{killed} killed, {calls} calls"
    );
    let held = all_held(agents[0].client.as_ref().expect("it lives"));
    for agent in &agents {
        for (number, id) in &agent.held {
            assert_eq!(
                held.get(number),
                Some(&(agent.name(), id.clone())),
                "#{number}"
            );
        }
    }
    let events = all_events(&place);
    assert_one_holder_each(&events);
    let told: BTreeSet<_> = events
        .iter()
        .filter_map(|event| {
            Some((
                event.data["claim_id"].as_str()?.to_owned(),
                event.data["issue_number"].as_u64()?,
            ))
        })
        .collect();
    for acknowledged in agents.iter().flat_map(|agent| &agent.acknowledged) {
        assert!(
            told.contains(acknowledged),
            "{acknowledged:?} was never recorded"
        );
    }
    eprintln!(
        "{killed} processes killed, {calls} calls, {} events",
        events.len()
    );
}

/// Who holds which issue by which claim.
fn all_held(client: &McpClient) -> BTreeMap<u64, (String, String)> {
    let mut held = BTreeMap::new();
    let mut arguments = json!({"limit": 100});
    loop {
        let page = client.tool("get_all_claims", arguments.clone()).record();
        for claim in claims(&page) {
            let number = claim["issue_number"].as_u64().expect("it is a number");
            let holder = (
                field(claim, "agent_id").to_owned(),
                field(claim, "claim_id").to_owned(),
            );
            assert!(
                held.insert(number, holder).is_none(),
                "#{number} has two holders"
            );
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => return held,
        }
    }
}

/// All that ever happened, up to a claim that is made to mark the end.
fn all_events(place: &Place) -> Vec<Event> {
    let address = until("somebody owns it", || {
        let lock = place.lock()?;
        Some(
            lock["address"]
                .as_str()
                .filter(|text| !text.is_empty())?
                .to_owned(),
        )
    });
    let number = place
        .github
        .change(|world| world.repository("acme/api").add_issue("the end").number);
    let mut http = Connection::open(&address);
    let kind = [("content-type", "application/json")];
    let body =
        json!({"agent_id": "the end", "repo": "acme/api", "issue_number": number}).to_string();
    http.request("POST", "/api/claims", &kind, body.as_bytes())
        .expect(201);
    http.send_request("GET", "/sse?since=0", &[], b"")
        .expect("it is taken");
    assert_eq!(http.read_head().expect("it answers").status, 200);
    let mut stream = Events::new(http);
    let mut events = Vec::new();
    loop {
        let event = stream.read().expect("the stream goes on");
        if event.data["agent_id"] == "the end" {
            return events;
        }
        events.push(event);
    }
}

/// Replays events: at no time may an issue have two holders.
fn assert_one_holder_each(events: &[Event]) {
    let mut holders: BTreeMap<u64, String> = BTreeMap::new();
    for (expected, event) in (1..).zip(events) {
        assert_eq!(event.id, Some(expected), "there is a gap before {event:?}");
        let (Some(number), Some(agent)) = (
            event.data["issue_number"].as_u64(),
            event.data["agent_id"].as_str(),
        ) else {
            continue;
        };
        let holder = holders.get(&number);
        match event.kind.as_str() {
            "claim.created" => {
                assert_eq!(holder, None, "granted twice: {event:?}");
                holders.insert(number, agent.to_owned());
            }
            _ => assert_eq!(
                holder.map(String::as_str),
                Some(agent),
                "not its holder: {event:?}"
            ),
        }
        if event.kind == "claim.released" || event.data["status"] == "closed" {
            holders.remove(&number);
        }
    }
}
