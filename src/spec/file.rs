//! A pipeline file as it was written: every word of it that is known, with its place; what the words mean
//! together (do the names exist, do the types fit) is for `check`.

use std::path::PathBuf;
use std::time::Duration;

use super::params::Params;
use super::{Key, Node, Text};
use crate::diagnostic::At;

/// A whole file. Keys that were wrong are missing here and were said.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The whole file as a tree, with every `${}` put in.
    pub root: Node,
    pub name: Option<Key>,
    pub description: Option<String>,
    /// What relative paths are relative to.
    pub folder: PathBuf,
    /// Declared parameters, with their values.
    pub params: Params,
    pub types: Vec<(Key, Node)>,
    pub pipes: Vec<Conn>,
    pub queues: Vec<Conn>,
    /// Locks, semaphores, conditions, events, barriers and limits, in the order in which they are declared.
    pub guards: Vec<Guard>,
    pub values: Vec<(Key, Node)>,
    pub arrays: Vec<(Key, Node)>,
    pub stages: Vec<Stage>,
    pub tests: Vec<Test>,
    /// `stop: {drain: 20s}`.
    pub drain: Option<Placed<Duration>>,
    pub deadline: Option<Placed<Duration>>,
}

/// Something that was written, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed<T> {
    pub value: T,
    pub at: At,
}

/// A pipe or a queue. `None`: not written.
#[derive(Clone, Debug)]
pub struct Conn {
    pub name: Key,
    /// The whole declaration, without its key.
    pub at: At,
    /// A type.
    pub of: Option<Node>,
    pub max: Option<Placed<u64>>,
    pub max_bytes: Option<Placed<u64>>,
    pub order: Option<Placed<Order>>,
    /// An expression.
    pub by: Option<Text>,
    pub full: Option<Placed<Full>>,
    pub feedback: Option<Placed<bool>>,
    /// A type.
    pub reply: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Fifo,
    Lifo,
    Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Block,
    DropNewest,
    DropOldest,
    Spill,
}

/// A guard as declared.
#[derive(Clone, Debug)]
pub struct Guard {
    pub name: Key,
    pub kind: GuardKind,
    /// Its options; null where there are none.
    pub node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardKind {
    Lock,
    Semaphore,
    Condition,
    Event,
    Barrier,
    Limit,
}

#[derive(Clone, Debug)]
pub struct Stage {
    pub name: Key,
    /// The whole stage, without its key.
    pub at: At,
    /// Something of `from`, `to` or `do` was wrong and is missing here: what seems to be missing may not be.
    pub incomplete: bool,
    pub description: Option<String>,
    /// Stages, pipes or queues; empty: the first step is a source.
    pub from: Vec<Key>,
    pub to: To,
    pub executor: Option<Executor>,
    /// The ticks of a timer without `from`, as if they were the first step.
    pub ticks: Option<StepNode>,
    pub steps: Vec<StepNode>,
    pub ordered: Option<Placed<Ordered>>,
    pub after: Vec<Key>,
    pub always: Option<Placed<bool>>,
    pub timeout: Option<Placed<Duration>>,
    pub retry: Option<Placed<Retry>>,
    pub on_error: Option<Placed<OnError>>,
    pub max_errors: Option<Placed<MaxErrors>>,
    pub sets: Vec<Key>,
    pub puts: Vec<Key>,
}

/// Where a stage's items go.
#[derive(Clone, Debug)]
pub enum To {
    /// To each of these (none: only to the stages that name this one).
    All(Vec<Key>),
    /// To the first whose condition holds.
    Route(Vec<Route>),
}

#[derive(Clone, Debug)]
pub struct Route {
    pub to: Key,
    /// An expression; `None`: `else`.
    pub condition: Option<Text>,
}

/// Who runs the steps: the key, and what it says.
#[derive(Clone, Debug)]
pub struct Executor {
    pub kind: ExecutorKind,
    /// The place of the key.
    pub at: At,
    pub node: Node,
    /// How many, where that was written.
    pub workers: Option<Placed<Workers>>,
    /// For processes: the rest of the long form.
    pub processes: Processes,
}

/// How programs are kept, as written.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// `start: spawn`.
    pub spawn: bool,
    pub max_items: Option<u64>,
    pub memory: Option<u64>,
    pub env: Vec<(String, String)>,
    pub cwd: Option<String>,
    pub tasks: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorKind {
    Threads,
    Processes,
    Tasks,
    Timer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// The number of CPUs.
    Auto,
    Count(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    No,
    /// With the window, where one was written.
    Yes(Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    pub wait: Duration,
    pub factor: f64,
    pub max_wait: Option<Duration>,
    pub jitter: f64,
    pub max_waiting: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OnError {
    Fail,
    Drop,
    KeepGoing,
    /// The connection that takes dead letters.
    To(Key),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxErrors {
    Count(u64),
    /// Of the items taken, 0 to 100.
    Percent(f64),
}

/// A step: its key, its options (read by the step itself), its modifiers.
#[derive(Clone, Debug)]
pub struct StepNode {
    /// `filter`, with its place; `do` for a block.
    pub key: Key,
    pub node: Node,
    /// The steps of a block; empty for any other step.
    pub steps: Vec<StepNode>,
    pub modifiers: Modifiers,
    /// The whole step.
    pub at: At,
}

/// What may stand beside a step's key.
#[derive(Clone, Debug, Default)]
pub struct Modifiers {
    pub name: Option<Key>,
    /// `if`: an expression.
    pub condition: Option<Text>,
    /// `with`: guards and what is wanted of each (`None`: one permit, or the lock).
    pub with: Vec<(Key, Option<Node>)>,
    /// An expression.
    pub until: Option<Text>,
    /// `in`: an expression.
    pub input: Option<Text>,
    /// A field.
    pub into: Option<Key>,
    /// `as`: a type.
    pub result: Option<Node>,
    pub timeout: Option<Placed<Duration>>,
    pub retry: Option<Placed<Retry>>,
    pub on_error: Option<Placed<OnError>>,
}

/// One of `tests:`.
#[derive(Clone, Debug)]
pub struct Test {
    pub name: Option<Key>,
    pub at: At,
    pub node: Node,
}

impl File {
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|s| s.name.text == name)
    }

    /// A pipe or queue.
    pub fn conn(&self, name: &str) -> Option<&Conn> {
        self.pipes
            .iter()
            .chain(&self.queues)
            .find(|c| c.name.text == name)
    }
}
