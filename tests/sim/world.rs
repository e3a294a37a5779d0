//! One history: agents, GitHub, a clock and a disk around one core, and the reference beside it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use issuecommand::claim::{EligibilityRules, LeasePolicy};
use issuecommand::coordinator::{Catalogue, Core, CoreSettings, Subscription};
use issuecommand::domain::priority::PriorityScheme;
use issuecommand::domain::{
    ClaimId, Clock as _, Host, ManualClock, RepoName, SessionId, SessionRef, later, limits,
};
use issuecommand::store::{SnapshotJob, StateFiles, recover};
use jiff::Timestamp;

use super::ask::{Ask, Setting};
use super::book::Book;
use super::disk::PowerDisk;
use super::hub::{Hub, LOGINS, SKIPPED};
use super::model::{Check, Fact};
use super::random::Random;
use super::rules::Model;
use super::tally::{Seen, Tally};
use super::told::Taste;

thread_local! {
    static LIVING: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
}

fn process_lives(pid: u32) -> bool {
    LIVING.with_borrow(|living| living.contains(&pid))
}

/// A window in which an agent works: its process, while there is one.
#[derive(Clone, Copy, Default)]
pub struct Window {
    pub session: Option<SessionRef>,
    pub is_connected: bool,
}

/// What was chosen in a history, so that a part of it can be played again.
#[derive(Default)]
pub struct Script {
    /// Requests by step and place in the batch.
    pub asks: BTreeMap<(u32, usize), Ask>,
    /// Times that pass.
    pub times: BTreeMap<u32, Duration>,
}

/// Everything of one history.
pub struct World {
    pub setting: Setting,
    pub random: Random,
    pub clock: ManualClock,
    /// GitHub's clock, which nobody sets back.
    pub true_time: Timestamp,
    pub disk: PowerDisk,
    pub files: StateFiles,
    pub core: Core,
    pub model: Model,
    pub hub: Hub,
    /// What GitHub was before, for pages that come late.
    pub older: Vec<Hub>,
    /// Two of each agent.
    pub windows: Vec<[Window; 2]>,
    pub pids: BTreeMap<SessionId, u32>,
    /// All claim ids ever seen.
    pub tokens: Vec<ClaimId>,
    /// Requests that may be repeated, and whether a restart lies between.
    pub asked: Vec<(Ask, bool)>,
    /// Refused batches that a failing disk may still hold, and how much of them time did.
    pub suspects: Vec<(Vec<Fact>, usize)>,
    /// Agents of whose claims a crash let only some be taken over: they may work in two windows.
    pub parted: Vec<usize>,
    pub pause_until: Option<Timestamp>,
    pub slept: bool,
    pub is_full: bool,
    /// A snapshot that is being written in the background.
    pub job: Option<SnapshotJob>,
    pub book: Book,
    pub reader: Subscription,
    pub tally: Tally,
    pub trace: Option<Vec<String>>,
    /// The step under way, and the seed.
    pub at: (u64, u32),
    /// What is chosen, for a shorter history later.
    pub record: Script,
    /// What was chosen in the longer history of which this one is a part.
    pub script: Option<Rc<Script>>,
    /// So many notes of megabytes are to come, each of which makes the journal so long that it is
    /// cut in the background.
    pub big_notes: usize,
}

impl World {
    /// The beginning of the history of this seed.
    pub fn new(seed: u64, traced: bool) -> Check<Self> {
        let mut random = Random::new(seed);
        LIVING.with_borrow_mut(BTreeSet::clear);
        let setting = setting(&mut random)?;
        let start: Timestamp = "2026-11-20T10:00:00Z".parse().map_err(|_| "no start")?;
        let clock = ManualClock::new(start);
        let is_big = random.below(150) == 0;
        let disk = PowerDisk::new(random.next(), random.chance(3));
        let files = StateFiles::new(std::path::Path::new("state.json"));
        let files = files.map_err(|error| error.to_string())?;
        let recovered = recover(Arc::new(disk.clone()), &files, setting.policy);
        let recovered = recovered.map_err(|error| error.to_string())?;
        let core_settings = core_settings(&setting, &clock, &disk, &files);
        let mut core = Core::new(core_settings, recovered, Catalogue::default());
        core.set_viewer(setting.taste.viewer.then(|| LOGINS[0].into()));
        let reader = core.feed().subscribe(Some(0));
        let hub = Hub::new(&setting.repos, &mut random, start);
        Ok(Self {
            model: Model::new(setting.agents.len(), start),
            windows: vec![[Window::default(); 2]; setting.agents.len()],
            setting,
            random,
            clock,
            true_time: start,
            disk,
            files,
            core,
            hub,
            older: Vec::new(),
            pids: BTreeMap::new(),
            tokens: Vec::new(),
            asked: Vec::new(),
            suspects: Vec::new(),
            parted: Vec::new(),
            pause_until: None,
            slept: false,
            is_full: false,
            job: None,
            book: Book::default(),
            reader,
            tally: Tally::new(),
            trace: traced.then(Vec::new),
            at: (seed, 0),
            record: Script::default(),
            script: None,
            big_notes: if is_big { 2 } else { 0 },
        })
    }

    /// A line of the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// How the core is built.
    pub fn core_settings(&self) -> CoreSettings {
        core_settings(&self.setting, &self.clock, &self.disk, &self.files)
    }

    /// One step.
    pub fn step(&mut self, index: u32) -> Check {
        self.at.1 = index;
        self.random = Random::of_step(self.at.0, index * 16);
        self.disk.reseed(self.random.next());
        #[derive(Clone, Copy)]
        enum Step {
            Batch,
            Time,
            GitHub,
            Snapshot,
            Background,
            Kill,
            Power,
            CleanRestart,
            Audit,
        }
        let step = self.random.weighted([
            (620, Step::Batch),
            (160, Step::Time),
            (110, Step::GitHub),
            (35, Step::Snapshot),
            (15, Step::Background),
            (14, Step::Kill),
            (18, Step::Power),
            (10, Step::CleanRestart),
            (18, Step::Audit),
        ]);
        match step {
            Step::Batch => self.batch(),
            Step::Time => {
                self.pass_time();
                Ok(())
            }
            Step::GitHub => {
                if self.random.chance(30) {
                    let hub = self.hub.clone();
                    self.older.push(hub);
                }
                let told = self.hub.mutate(&mut self.random, self.true_time);
                self.note(|| format!("GitHub: {told}"));
                Ok(())
            }
            Step::Snapshot => self.snapshot(),
            Step::Background => self.write_job(),
            Step::Kill => self.crash(false),
            Step::Power => self.crash(true),
            Step::CleanRestart => self.restart_cleanly(),
            Step::Audit => self.audit(true),
        }
    }

    fn pass_time(&mut self) {
        let random = &mut self.random;
        let millisecond = Duration::from_millis(1);
        let mut by = match random.below(10) {
            0 | 1 => Duration::from_millis(random.between(1, 2_000) as u64),
            2 | 3 => Duration::from_secs(random.between(1, 90) as u64),
            4 | 5 => Duration::from_secs(60 * random.between(1, 20) as u64),
            6 => Duration::from_secs(60 * random.between(20, 200) as u64),
            _ => Duration::from_secs(60),
        };
        // Often to a deadline, just before it, or just behind.
        let deadlines: Vec<Timestamp> = self.deadlines().collect();
        let now = self.clock.now();
        if let Some(deadline) = deadlines.iter().min().filter(|_| self.random.chance(50)) {
            let until = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
            by = match self.random.below(3) {
                0 => until.saturating_sub(millisecond),
                1 => until,
                _ => until + millisecond,
            };
        }
        if let Some(script) = &self.script {
            by = script.times.get(&self.at.1).copied().unwrap_or(by);
        }
        if self.trace.is_some() {
            self.record.times.insert(self.at.1, by);
        }
        self.true_time = later(self.true_time, by);
        if self.random.chance(8) && !by.is_zero() {
            self.clock.sleep(by);
            self.slept = true;
            self.tally.count(Seen::Slept);
            self.note(|| format!("the machine sleeps for {by:?}"));
        } else {
            self.clock.advance(by);
            self.note(|| format!("{by:?} pass"));
        }
        if self.random.chance(40) && self.is_full {
            self.is_full = false;
            self.disk.set_full(false);
            self.note(|| "there is room on the disk again".to_owned());
        }
    }

    /// When something must happen by itself.
    pub fn deadlines(&self) -> impl Iterator<Item = Timestamp> {
        let wait = self.setting.policy.stale_auto_release;
        self.model.now.held.values().filter_map(move |held| {
            let release = held
                .stale_since
                .zip(wait)
                .map(|(since, wait)| later(since, wait));
            self.model.deadline(held, &self.setting).or(release)
        })
    }

    /// A process connects.
    pub fn open_session(&mut self, agent: usize, window: usize, session: SessionRef) {
        self.pids.insert(session.id, session.pid);
        LIVING.with_borrow_mut(|living| living.insert(session.pid));
        self.windows[agent][window] = Window {
            session: Some(session),
            is_connected: true,
        };
    }

    /// Ends a process.
    pub fn end_session(&mut self, agent: usize, window: usize) {
        if let Some(session) = std::mem::take(&mut self.windows[agent][window]).session {
            LIVING.with_borrow_mut(|living| living.remove(&session.pid));
        }
    }

    /// Whether the process of a session lives.
    pub fn session_lives(&self, session: SessionId) -> bool {
        self.pids
            .get(&session)
            .is_some_and(|pid| process_lives(*pid))
    }
}

/// The journal of the simulation is cut early, so that one large change does it, and large enough
/// for that change to fill a history file as well.
pub const JOURNAL_BYTES_MAX: u64 = limits::HISTORY_FILE_BYTES_MAX;

fn core_settings(
    setting: &Setting,
    clock: &ManualClock,
    disk: &PowerDisk,
    files: &StateFiles,
) -> CoreSettings {
    let configured = ["now", "soon"].map(str::to_owned).to_vec();
    let allowed = setting.repos.iter().zip(&setting.taste.allowed);
    let is_restricted = setting.taste.allowed.contains(&false);
    CoreSettings {
        host: Host::default(),
        allowed: allowed
            .filter(|(_, allowed)| is_restricted && **allowed)
            .filter_map(|(name, _)| name.as_str().parse().ok())
            .collect(),
        rules: EligibilityRules {
            skip_labels: vec![SKIPPED.to_owned()],
            priorities: PriorityScheme::new(if setting.taste.configured {
                configured
            } else {
                Vec::new()
            }),
        },
        clock: Arc::new(clock.clone()),
        disk: Arc::new(disk.clone()),
        files: files.clone(),
        journal_bytes_max: JOURNAL_BYTES_MAX,
        process_lives,
    }
}

fn setting(random: &mut Random) -> Check<Setting> {
    let parse = |name: &str| name.parse::<RepoName>().map_err(|error| error.to_string());
    let names = ["acme/api", "acme/web", "beta/core"];
    let names = &names[..random.between(1, 3)];
    let repos = names
        .iter()
        .map(|name| parse(name))
        .collect::<Check<Vec<_>>>()?;
    let shouted = names
        .iter()
        .map(|name| parse(&name.to_uppercase()))
        .collect::<Check<_>>()?;
    let agents = (0..random.between(2, 6)).map(|number| format!("agent-{number}").parse());
    let agents = agents.collect::<Result<_, _>>().map_err(|_| "no agents")?;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut allowed = vec![true; repos.len()];
    if repos.len() > 1 && random.chance(25) {
        allowed[0] = false;
    }
    Ok(Setting {
        agents,
        repos,
        shouted,
        policy: LeasePolicy {
            claim_timeout: minutes(random.one_of([5, 30, 120])),
            stale_auto_release: random.one_of([None, Some(minutes(3)), Some(minutes(30))]),
        },
        taste: Taste {
            allowed,
            configured: random.chance(20),
            viewer: random.chance(60),
        },
    })
}
