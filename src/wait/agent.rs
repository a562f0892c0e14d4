//! Agents (whatever can hold or wait), the wait as a value, and the registry of who waits for what.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use super::primitive::{
    AtomicU32, AtomicU64, Mutex, Ordering, Thread, current, park, park_timeout, yield_now,
};
use super::trace::{Trace, Track};

/// The number of an agent in its [`Registry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(pub u32);

/// Which worker of which stage an agent is; the numbers are those of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub stage: u32,
    pub worker: u32,
}

/// What an agent waits for. The numbers are those of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An item from one of these connections.
    Get(Vec<u32>),
    /// Room in a connection.
    Put(u32),
    /// The turn of an ordinal in an ordered stage.
    Turn { stage: u32, ord: u64 },
    /// The other workers of the stage, who hold what this one could still get.
    Others { stage: u32 },
    /// Permits of a guard: a lock has one.
    Permits { guard: u32, n: u32 },
    /// That an event is set.
    Event(u32),
    /// That something holds that is waited for under a condition; it is looked at again when one of these
    /// values or arrays (`true`) changes.
    Until {
        guard: u32,
        watches: Arc<[(bool, u32)]>,
    },
    /// That enough workers have come to a barrier.
    Barrier(u32),
    /// A guard that another run on this machine has. Always live.
    Machine(u32),
    /// That limits let an item begin which waits aside; or an item from one of these connections.
    Limits { limits: Arc<[u32]>, conns: Vec<u32> },
    /// A point in time (since the start).
    Due(Duration),
    /// Something outside the program: a file descriptor, the network. Always live.
    Outside(&'static str),
    /// A program that we have started. Always live; a virtual clock goes on as the real one does meanwhile.
    Program,
}

/// What kind of thing is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Items.
    Input,
    /// Room.
    Output,
    Turn,
    Guard,
    Time,
    /// The world: a file that grows, a program, the network.
    Outside,
}

impl Kind {
    pub const COUNT: usize = Self::ALL.len();
    pub const ALL: [Kind; 6] = [
        Kind::Input,
        Kind::Output,
        Kind::Turn,
        Kind::Guard,
        Kind::Time,
        Kind::Outside,
    ];
}

impl What {
    pub fn kind(&self) -> Kind {
        match self {
            What::Get(_) => Kind::Input,
            What::Put(_) => Kind::Output,
            What::Turn { .. } | What::Others { .. } => Kind::Turn,
            What::Machine(_)
            | What::Permits { .. }
            | What::Event(_)
            | What::Until { .. }
            | What::Barrier(_)
            | What::Limits { .. } => Kind::Guard,
            What::Due(_) => Kind::Time,
            What::Outside(_) | What::Program => Kind::Outside,
        }
    }

    /// The guard that is waited for.
    pub fn guard(&self) -> Option<u32> {
        match *self {
            What::Permits { guard, .. }
            | What::Event(guard)
            | What::Until { guard, .. }
            | What::Machine(guard)
            | What::Barrier(guard) => Some(guard),
            _ => None,
        }
    }
}

/// A wait, handed out by whoever could not answer now; the agent stands in the list of who is to be woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub what: What,
    /// When to go on in any case (since the start).
    pub until: Option<Duration>,
    /// Which item waits, and where, where one does.
    pub about: Option<Arc<About>>,
}

/// An item that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The number of the step in its stage.
    pub step: u32,
    /// The item, as people see it in messages.
    pub item: String,
}

impl Wait {
    pub fn for_(what: What) -> Wait {
        Wait {
            what,
            until: None,
            about: None,
        }
    }

    /// Until a point in time (since the start).
    pub fn due(at: Duration) -> Wait {
        Wait::for_(What::Due(at)).until(at)
    }

    /// It is over then in any case.
    #[must_use]
    pub fn until(self, at: Duration) -> Wait {
        let until = Some(self.until.map_or(at, |u| u.min(at)));
        Wait { until, ..self }
    }
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Ask again (it may be spurious).
    Again,
    TimedOut,
}

const RUNNING: u32 = 0;
const PARKED: u32 = 1;
const WOKEN: u32 = 2;

/// One thread, task or process worker's handler.
#[derive(Debug)]
pub struct Agent {
    pub id: AgentId,
    pub who: Option<Who>,
    /// User code in a worker's process, and not the worker itself.
    pub outside: bool,
    state: AtomicU32,
    sleeper: Mutex<Option<Sleeper>>,
    /// Raised when a wait begins and when it ends: odd while waiting.
    epoch: AtomicU64,
    wait: Mutex<Option<(Wait, Duration)>>,
    /// By [`Kind`].
    waited_nanos: [AtomicU64; Kind::COUNT],
    /// Where its waits are noted, if anywhere.
    track: Option<Arc<Track>>,
}

/// Who is to be roused.
#[derive(Debug)]
enum Sleeper {
    Thread(Thread),
    Task(Waker),
}

/// A wait that has begun.
#[derive(Debug)]
pub struct Pause {
    slot: usize,
    began: Duration,
    /// When it is over in any case (since the start).
    pub until: Option<Duration>,
}

/// What the registry shows of an agent.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: AgentId,
    pub who: Option<Who>,
    /// User code in a worker's process, and not the worker itself.
    pub outside: bool,
    pub epoch: u64,
    /// What it waits for, and since when (since the start); `None`: it works.
    pub wait: Option<(Wait, Duration)>,
    /// It waits, and was told to look again.
    pub woken: bool,
}

impl Seen {
    /// Will it move without anybody's help?
    pub fn is_free(&self) -> bool {
        match &self.wait {
            None => true,
            Some((wait, _)) => self.woken || wait.is_free(),
        }
    }
}

impl Wait {
    /// Will it be over without anybody's help: by time, or by the world outside?
    pub fn is_free(&self) -> bool {
        self.until.is_some()
            || matches!(
                self.what,
                What::Due(_) | What::Outside(_) | What::Program | What::Machine(_)
            )
    }
}

impl Agent {
    /// Wakes the agent, or lets its next wait be over at once.
    pub fn wake(&self) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == PARKED
            && let Some(sleeper) = &*self.sleeper.lock()
        {
            match sleeper {
                Sleeper::Thread(thread) => thread.unpark(),
                Sleeper::Task(waker) => waker.wake_by_ref(),
            }
        }
    }

    /// Was it woken since it last cleared that?
    pub fn is_woken(&self) -> bool {
        self.state.load(Ordering::Acquire) == WOKEN
    }

    /// Forgets earlier wake-ups. Call *before* asking for what may hand out a wait.
    pub fn clear(&self) {
        self.state.store(RUNNING, Ordering::Release);
    }

    /// Time spent waiting, by [`Kind`].
    pub fn waited(&self) -> [Duration; Kind::COUNT] {
        Kind::ALL.map(|kind| self.waited_for(kind))
    }

    fn waited_for(&self, kind: Kind) -> Duration {
        Duration::from_nanos(self.waited_nanos[kind as usize].load(Ordering::Relaxed))
    }

    /// Time spent waiting for guards, so far.
    pub fn waited_for_guards(&self) -> Duration {
        self.waited_for(Kind::Guard)
    }

    /// Parks this thread until the agent is woken or the wait's time has come.
    ///
    /// Before it really parks it yields a few times: a hand-over between two busy stages is then a matter
    /// of a yield and not of two system calls (measured: 0.3 instead of 1.9 times the hand-written program).
    pub fn park(&self, wait: Wait, clock: &dyn super::Clock) -> Woken {
        const YIELDS: u32 = 20;
        for _ in 0..YIELDS {
            if self.is_woken() {
                return Woken::Again;
            }
            yield_now();
        }
        *self.sleeper.lock() = Some(Sleeper::Thread(current()));
        let pause = self.begin(wait, clock);
        let woken = loop {
            if self.lie_down() {
                break Woken::Again;
            }
            match pause.until {
                Some(at) => {
                    let now = clock.now();
                    if now >= at {
                        break Woken::TimedOut;
                    }
                    if clock.is_real() {
                        park_timeout(at.saturating_sub(now));
                    } else {
                        park();
                    }
                }
                None => park(),
            }
        };
        self.end(&pause, clock);
        woken
    }

    /// Is the agent awake already? If not, whoever wakes it rouses its sleeper from now on.
    fn lie_down(&self) -> bool {
        self.state
            .compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire)
            .is_err_and(|now| now == WOKEN)
    }

    /// For a task: was it woken? If not, its waker is called when it is.
    pub fn poll(&self, cx: &Context<'_>) -> bool {
        let mut sleeper = self.sleeper.lock();
        match &mut *sleeper {
            Some(Sleeper::Task(waker)) => waker.clone_from(cx.waker()),
            other => *other = Some(Sleeper::Task(cx.waker().clone())),
        }
        drop(sleeper);
        self.lie_down()
    }

    /// A wait begins: it is seen from now on.
    pub fn begin(&self, wait: Wait, clock: &dyn super::Clock) -> Pause {
        let slot = wait.what.kind() as usize;
        let (began, until) = (clock.now(), wait.until);
        *self.wait.lock() = Some((wait, began));
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Pause { slot, began, until }
    }

    /// The wait is over.
    pub fn end(&self, pause: &Pause, clock: &dyn super::Clock) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let wait = self.wait.lock().take();
        let now = clock.now();
        if let (Some(track), Some((wait, _))) = (&self.track, wait) {
            track.waited(wait.what, pause.began, now);
        }
        let waited = now.saturating_sub(pause.began);
        self.waited_nanos[pause.slot].fetch_add(
            u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    pub fn seen(&self) -> Seen {
        let wait = self.wait.lock().clone();
        Seen {
            id: self.id,
            who: self.who,
            outside: self.outside,
            epoch: self.epoch.load(Ordering::Acquire),
            wait,
            woken: self.is_woken(),
        }
    }
}

/// Every agent of a run.
#[derive(Debug, Default)]
pub struct Registry {
    agents: Mutex<Vec<Arc<Agent>>>,
    next: AtomicU32,
    trace: OnceLock<Trace>,
}

impl Registry {
    /// Notes what workers wait for from now on, for [`Registry::trace`].
    pub fn start_trace(&self, clock: Arc<dyn super::Clock>) {
        let _again = self.trace.set(Trace::new(clock));
    }

    /// What was noted, where it was asked for.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.get()
    }

    /// A new agent.
    pub fn enter(&self) -> Arc<Agent> {
        self.entered(self.agent(None, false))
    }

    /// A new agent that people know as a worker.
    pub fn enter_as(&self, who: Who) -> Arc<Agent> {
        self.entered(self.agent(Some(who), false))
    }

    /// A new agent for user code in a worker's process: not looked at, but while it is shown.
    pub fn outside(&self, who: Who) -> Arc<Agent> {
        Arc::new(self.agent(Some(who), true))
    }

    fn agent(&self, who: Option<Who>, outside: bool) -> Agent {
        let traced = who.filter(|_| !outside);
        Agent {
            id: AgentId(self.next.fetch_add(1, Ordering::Relaxed)),
            who,
            outside,
            state: AtomicU32::new(RUNNING),
            sleeper: Mutex::new(None),
            epoch: AtomicU64::new(0),
            wait: Mutex::new(None),
            waited_nanos: [(); Kind::COUNT].map(|()| AtomicU64::new(0)),
            track: traced.and_then(|who| Some(self.trace.get()?.enter(who))),
        }
    }

    fn entered(&self, agent: Agent) -> Arc<Agent> {
        let agent = Arc::new(agent);
        self.agents.lock().push(agent.clone());
        agent
    }

    /// The agent has nothing to do for now, and is not looked at.
    pub fn hide(&self, agent: &Arc<Agent>) {
        self.agents.lock().retain(|a| !Arc::ptr_eq(a, agent));
    }

    /// It has something to do again.
    pub fn show(&self, agent: &Arc<Agent>) {
        self.agents.lock().push(agent.clone());
    }

    /// The agent has done its work.
    pub fn leave(&self, agent: &Arc<Agent>) {
        if let (Some(trace), Some(track)) = (self.trace.get(), &agent.track) {
            trace.leave(track);
        }
        self.agents.lock().retain(|a| !Arc::ptr_eq(a, agent));
    }

    /// What every agent does now.
    pub fn seen(&self) -> Vec<Seen> {
        self.agents.lock().iter().map(|a| a.seen()).collect()
    }

    /// Has anybody waited since before this, for something that others must do?
    pub fn has_waited_since(&self, before: Duration) -> bool {
        self.agents.lock().iter().any(|agent| {
            let wait = agent.wait.lock();
            let waits = wait.as_ref();
            waits.is_some_and(|(wait, since)| *since <= before && !wait.is_free())
        })
    }

    /// Wakes everybody (the run stops).
    pub fn wake_all(&self) {
        for agent in self.agents.lock().iter() {
            agent.wake();
        }
    }
}
