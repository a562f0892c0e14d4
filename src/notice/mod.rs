//! Plain types: what the engine tells the faces. Notices are events; meters are counters that the faces
//! look at when they like. Knows nothing of either side.

mod deadlock;

pub use deadlock::{Deadlock, Holding, Stuck};

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An item error; `shown` is false from the sixth of a stage and step on (they are still counted).
    Fault {
        stage: u32,
        step: usize,
        item: String,
        kind: &'static str,
        message: String,
        fatal: bool,
    },
    /// A line for the log.
    Log { level: Level, text: String },
    /// The first signal came (or the deadline): sources stop, the rest is finished.
    Draining { why: String },
    /// The second: everything stops now.
    Stopping,
    /// Workers wait for each other for ever; everything stops now.
    Deadlock(Arc<Deadlock>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

/// Where a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StageState {
    /// Not started yet (`after`).
    Pending,
    Running,
    /// Its input has ended; it gives out what it remembers.
    Finishing,
    Done,
    Failed,
    Stopped,
    /// A source that was stopped before its end; what it had begun is finished.
    Drained,
}

/// The counters of one stage.
#[derive(Debug, Default)]
pub struct StageMeter {
    pub taken: AtomicU64,
    pub made: AtomicU64,
    /// By outcome, in the order of `steps::Outcome::ALL`.
    pub ended: [AtomicU64; 7],
    pub busy_workers: AtomicU64,
    /// How many wait now, by kind: for input, output, their turn, a guard, a time, the world outside.
    pub waiting_workers: [AtomicU64; 6],
    /// Nanoseconds that the workers worked, together.
    pub busy_nanos: AtomicU64,
    /// Nanoseconds that they waited, together, by the same kinds.
    pub waited_nanos: [AtomicU64; 6],
    /// The source's progress; 0 of 0: unknown.
    pub done: AtomicU64,
    pub total: AtomicU64,
    /// Bytes that steps with a memory hold.
    pub held: AtomicU64,
    state: AtomicU8,
}

impl StageMeter {
    pub fn state(&self) -> StageState {
        match self.state.load(Ordering::Relaxed) {
            0 => StageState::Pending,
            1 => StageState::Running,
            2 => StageState::Finishing,
            3 => StageState::Done,
            4 => StageState::Failed,
            6 => StageState::Drained,
            _ => StageState::Stopped,
        }
    }

    pub fn set_state(&self, state: StageState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// The counters of one connection.
#[derive(Debug, Default)]
pub struct ConnMeter {
    pub put: AtomicU64,
    pub got: AtomicU64,
    pub waiting: AtomicU64,
    pub bytes: AtomicU64,
    /// By `drop_newest` or `drop_oldest`.
    pub dropped: AtomicU64,
    /// What nobody reads: it waited when the last reader ended, or there never was one.
    pub cut: AtomicU64,
    /// The most that ever waited.
    pub peak: AtomicU64,
    /// Left there when the run was stopped.
    pub unfinished: AtomicU64,
}

/// All counters of a run, in the order of the plan's stages and connections.
#[derive(Debug)]
pub struct Meters {
    pub stages: Vec<StageMeter>,
    pub conns: Vec<ConnMeter>,
}

impl Meters {
    pub fn new(stages: usize, conns: usize) -> Arc<Meters> {
        Arc::new(Meters {
            stages: (0..stages).map(|_| StageMeter::default()).collect(),
            conns: (0..conns).map(|_| ConnMeter::default()).collect(),
        })
    }
}

/// A shared value or array at the end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Final {
    pub name: String,
    /// As JSON; a secret is `***`.
    pub value: serde_json::Value,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub exit: Exit,
    pub took: Duration,
    /// Why, in a sentence, where it is not 0.
    pub why: Option<String>,
}

/// The exit codes of LANGUAGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Invalid,
    Deadlock,
    Deadline,
    Io,
    Interrupted,
    Terminated,
    BrokenPipe,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Invalid => 2,
            Exit::Deadlock => 3,
            Exit::Deadline => 4,
            Exit::Io => 74,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::BrokenPipe => 141,
        }
    }
}
