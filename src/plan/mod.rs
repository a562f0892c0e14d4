//! MEANT: names resolved, types known, ids instead of names. Cannot be wrong: only `check` makes a [`Plan`].
//!
//! Knows nothing of YAML, threads or channels.

mod alive;
mod graph;
mod only;

pub use alive::{Alive, reached};
pub use graph::{Graph, Loop, components};

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Place;
use crate::expr::{Code, Env, Scope};
pub use crate::steps::timer::Timer;
use crate::steps::{Convert, GuardKind, Limit, May, Op, Touches};
use crate::value::{Cell, Name, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u32);

impl StageId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ConnId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A whole pipeline, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub name: Name,
    pub description: Option<String>,
    /// Relative paths are relative to this.
    pub folder: PathBuf,
    /// In the order of the file.
    pub stages: Vec<Stage>,
    pub conns: Vec<Conn>,
    /// Everything that can be waited for by name, in the order of the file.
    pub guards: Vec<Guard>,
    /// In the order of the file; numbered as in [`Env::values`] and [`Env::arrays`].
    pub values: Vec<Value>,
    pub arrays: Vec<Value>,
    /// What expressions may name, and the parameters' values.
    pub env: Env,
    pub scope: Scope,
    /// For the whole run.
    pub deadline: Option<Duration>,
    /// How long a first signal lets what has begun go on.
    pub drain: Duration,
    /// Nobody can wait for ever in it, as long as every step returns.
    pub safe: bool,
}

/// `stop: {drain: ...}` where the file says nothing.
pub const DRAIN: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Stage {
    pub id: StageId,
    pub name: Name,
    pub description: Option<String>,
    pub place: Place,
    /// Empty: the first step is a source.
    pub inputs: Vec<ConnId>,
    /// Each of these gets every item, but for those that branches lead to.
    pub outputs: Vec<Outlet>,
    /// `to` as a mapping: the first branch that holds takes the item; what none takes is dropped.
    pub branches: Option<Vec<Branch>>,
    /// Where dead letters go (`on_error: {to: ...}` of the stage and its steps); their type is
    /// [`crate::steps::dead_letter_type`] of `takes`.
    pub dead: Vec<Outlet>,
    /// Where the steps `put` puts, and user code.
    pub puts: Vec<ConnId>,
    pub executor: Executor,
    pub program: Program,
    pub ordered: Ordered,
    pub on_error: OnError,
    /// More item errors than this fail the run.
    pub max_errors: Option<MaxErrors>,
    /// At most so many items wait aside (for a retry, a time, a limit).
    pub max_waiting: usize,
    /// Starts when these have ended.
    pub after: Vec<StageId>,
    /// ... in whatever way.
    pub always: bool,
    /// What its steps do to guards and values that others may wait for.
    pub touches: Touches,
    /// What user code in its programs may do to others.
    pub may: May,
    /// The type that enters (of the source's items where there is no input), and the one that leaves.
    pub takes: Type,
    pub gives: Type,
}

impl Stage {
    /// The guards that its blocks hold, by their numbers; one for each time.
    pub fn holds(&self) -> impl Iterator<Item = u32> {
        self.program.steps.iter().flat_map(|step| match &step.op {
            Op::Enter(enter) => enter.guards.clone(),
            _ => Vec::new(),
        })
    }

    /// A stage of one worker with nothing around its steps: what a rehearsal adds, and tests begin with.
    pub fn bare(id: StageId, name: &str, of: Type, program: Program) -> Stage {
        Stage {
            id,
            name: name.into(),
            description: None,
            place: Place::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            branches: None,
            dead: Vec::new(),
            puts: Vec::new(),
            executor: Executor::Threads(NonZeroUsize::MIN),
            program,
            ordered: Ordered::Window(NonZeroUsize::MIN),
            on_error: OnError::Fail,
            max_errors: None,
            max_waiting: 10_000,
            after: Vec::new(),
            always: false,
            touches: Touches::default(),
            may: May::default(),
            takes: of.clone(),
            gives: of,
        }
    }
}

/// One way out of a stage.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub conn: ConnId,
    /// Brings what leaves the last step into the connection's shape, where it is another.
    pub convert: Option<Convert>,
}

#[derive(Clone, Debug)]
pub enum Executor {
    Threads(NonZeroUsize),
    /// Threads, and so many processes of its external steps, each of which is at so many items at once.
    Processes {
        count: NonZeroUsize,
        tasks: NonZeroUsize,
    },
    /// One worker, one item at a time, on a clock.
    Timer(Arc<Timer>),
    /// So many items at once on one event loop.
    Tasks(NonZeroUsize),
}

impl Executor {
    pub fn workers(&self) -> usize {
        match self {
            Executor::Threads(n) | Executor::Tasks(n) => n.get(),
            Executor::Processes { count, tasks } => count.get() * tasks.get(),
            Executor::Timer(_) => 1,
        }
    }

    /// The threads that its workers need.
    pub fn threads(&self) -> usize {
        match self {
            Executor::Threads(n) => n.get(),
            Executor::Processes { count, tasks } => count.get() * tasks.get(),
            Executor::Timer(_) | Executor::Tasks(_) => 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// As completed.
    No,
    /// In the order of the input; at most this many results wait for their turn.
    Window(NonZeroUsize),
}

/// What an item error does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    Fail,
    Drop,
    /// As `Drop`, but stages `after` this one do not start and the run fails at its end.
    KeepGoing,
    /// A dead letter, through this one of [`Stage::dead`].
    To(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxErrors {
    Count(u64),
    /// Of what the stage takes; judged at its end, and after 1,000 items at any time.
    Percent(f64),
}

/// One branch of a routing `to`.
#[derive(Clone)]
pub struct Branch {
    /// `None`: `else`.
    pub when: Option<Code>,
    /// The number of the outlet in [`Stage::outputs`].
    pub outlet: usize,
    /// The condition as it was written, for drawings.
    pub text: String,
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Branch({} -> {})", self.text, self.outlet)
    }
}

/// How an attempt is followed by others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    pub wait: Duration,
    pub factor: f64,
    pub max_wait: Duration,
    /// A random part of the wait, up to so much either way: 0 to 1.
    pub jitter: f64,
}

/// What holds for one step: its own, or its block's, or its stage's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub retry: Option<Retry>,
    /// For one item, each attempt.
    pub timeout: Option<Duration>,
    pub on_error: OnError,
}

/// The steps of a stage, in order.
#[derive(Debug, Default)]
pub struct Program {
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub struct Step {
    /// The step's key: `filter`; with `name:`, the name that the user gave.
    pub label: String,
    /// One line: `filter status >= 500`; empty where nobody wrote it (a conversion of what enters).
    pub text: String,
    pub place: Place,
    pub op: Op,
    pub waits: bool,
    /// It waits for what other workers do, also those of its own stage.
    pub meets: bool,
    pub policy: Policy,
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    /// The name in the file; for an unnamed pipe, the name of the stage that writes it.
    pub name: Name,
    pub kind: ConnKind,
    pub of: Type,
    pub max: NonZeroUsize,
    pub max_bytes: NonZeroUsize,
    pub order: Order,
    pub full: Full,
    /// The run ends when nothing is unfinished, not when the writers end.
    pub feedback: bool,
    /// A stage once for each of its ways here: its items, its dead letters, what it puts.
    pub writers: Vec<StageId>,
    pub readers: Vec<StageId>,
}

/// A lock, rlock, rwlock, semaphore, condition, event or barrier; its number is its place in [`Plan::guards`].
#[derive(Clone, Debug)]
pub struct Guard {
    pub name: Name,
    pub kind: GuardKind,
    /// The lock of a value or an array, for user code: no part of the file.
    pub hidden: bool,
    /// Shared by all runs of the user on this machine.
    pub machine: bool,
    pub place: Place,
    /// What a limit limits.
    pub limit: Option<Limit>,
}

impl Guard {
    /// `semaphore of 5`, `barrier of 2`, `event, set at first`, `lock`.
    pub fn describe(&self) -> String {
        match self.kind {
            GuardKind::Semaphore { permits } => format!("semaphore of {permits}"),
            GuardKind::Barrier { parties } => format!("barrier of {parties}"),
            GuardKind::Event { set: true } => "event, set at first".into(),
            GuardKind::Limit { .. } => {
                let what = self.limit.as_ref().map(Limit::describe);
                format!("limit of {}", what.unwrap_or_default())
            }
            other => other.name().into(),
        }
    }
}

/// A shared value, or an array where there is a length.
#[derive(Clone, Debug)]
pub struct Value {
    pub name: Name,
    pub of: Type,
    pub initial: Cell,
    pub length: Option<usize>,
    /// Shown as `***`.
    pub secret: bool,
    pub place: Place,
}

/// Which waiting item goes next.
#[derive(Clone)]
pub enum Order {
    Fifo,
    Lifo,
    /// The lowest number first.
    Priority {
        by: Code,
        text: String,
    },
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Order::Fifo => "fifo",
            Order::Lifo => "lifo",
            Order::Priority { .. } => "priority",
        })
    }
}

/// What a full connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Block,
    DropNewest,
    DropOldest,
    /// To disk.
    Spill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnKind {
    /// Between a stage and another that names it in `from`.
    Unnamed,
    Pipe,
    Queue,
}

impl Conn {
    /// As messages name it: `the queue "urls"`.
    pub fn describe(&self) -> String {
        match self.kind {
            ConnKind::Unnamed => format!("the pipe from stage `{}`", self.name),
            ConnKind::Pipe => format!("the pipe `{}`", self.name),
            ConnKind::Queue => format!("the queue `{}`", self.name),
        }
    }
}
