//! MEANT: names resolved, types known, ids instead of names. Cannot be wrong: only `check` makes a [`Plan`].
//!
//! Knows nothing of YAML, threads or channels.

mod graph;

pub use graph::{Graph, components};

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::diagnostic::Place;
use crate::expr::{Env, Scope};
use crate::steps::{Convert, Op};
use crate::value::{Name, Type};

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
    /// What expressions may name, and the parameters' values.
    pub env: Env,
    pub scope: Scope,
}

#[derive(Debug)]
pub struct Stage {
    pub id: StageId,
    pub name: Name,
    pub description: Option<String>,
    pub place: Place,
    /// Empty: the first step is a source.
    pub inputs: Vec<ConnId>,
    /// Every one of these gets every item.
    pub outputs: Vec<Outlet>,
    pub executor: Executor,
    pub program: Program,
    pub ordered: Ordered,
    pub on_error: OnError,
    /// The type that enters (of the source's items where there is no input), and the one that leaves.
    pub takes: Type,
    pub gives: Type,
}

/// One way out of a stage.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub conn: ConnId,
    /// Brings what leaves the last step into the connection's shape, where it is another.
    pub convert: Option<Convert>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    Threads(NonZeroUsize),
}

impl Executor {
    pub fn workers(self) -> usize {
        match self {
            Executor::Threads(n) => n.get(),
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnError {
    Fail,
    Drop,
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
    /// One line: `filter status >= 500`.
    pub text: String,
    pub place: Place,
    pub op: Op,
    pub waits: bool,
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
    pub writers: Vec<StageId>,
    pub readers: Vec<StageId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnKind {
    /// Between a stage and another that names it in `from`.
    Unnamed,
    Pipe,
    Queue,
}
