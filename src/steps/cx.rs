//! What a running step sees of its surroundings, through narrow ports.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Broken, Conn};
use crate::expr::Scope;
use crate::net::Net;
use crate::sync::Commons;
use crate::value::{Cell, Row};
use crate::wait::{Agent, Clock};
use crate::worker::Programs;
use crate::worker::broker::Broker;

/// How an item ended in a stage. Every row that a stage takes, or makes, ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It left the stage at its end.
    Passed,
    /// `filter`, `skip`, `unique`, `sample` let it go; an `each` of an empty list.
    Filtered,
    /// It went into a `group`, `sort`, `top`, `batch`, or was more than `take` takes.
    Absorbed,
    /// An item error under `on_error: drop`, or routed nowhere.
    Dropped,
    /// An item error that was sent to a dead-letter connection.
    Dead,
    /// Nobody wanted it any more: all readers had ended.
    Cut,
    /// The run ended before the item did.
    Unfinished,
}

impl Outcome {
    pub const ALL: [Outcome; 7] = [
        Outcome::Passed,
        Outcome::Filtered,
        Outcome::Absorbed,
        Outcome::Dropped,
        Outcome::Dead,
        Outcome::Cut,
        Outcome::Unfinished,
    ];

    pub fn name(self) -> &'static str {
        [
            "passed",
            "filtered",
            "absorbed",
            "dropped",
            "dead",
            "cut",
            "unfinished",
        ][self as usize]
    }
}

/// What an item error is about (`error.kind` in a dead letter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemErrorKind {
    Type,
    Expression,
    Parse,
    Http,
    Robots,
    Timeout,
    Exit,
    Signal,
    Died,
    Memory,
    Io,
    /// A function of the user's raised one.
    Exception,
    Panic,
}

impl ItemErrorKind {
    pub fn name(self) -> &'static str {
        match self {
            ItemErrorKind::Type => "type",
            ItemErrorKind::Expression => "expression",
            ItemErrorKind::Parse => "parse",
            ItemErrorKind::Http => "http",
            ItemErrorKind::Robots => "robots",
            ItemErrorKind::Timeout => "timeout",
            ItemErrorKind::Exit => "exit",
            ItemErrorKind::Signal => "signal",
            ItemErrorKind::Died => "died",
            ItemErrorKind::Memory => "memory",
            ItemErrorKind::Io => "io",
            ItemErrorKind::Exception => "exception",
            ItemErrorKind::Panic => "panic",
        }
    }
}

/// One item could not be done.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemError {
    pub kind: ItemErrorKind,
    /// An exit code, an HTTP status, a signal's name.
    pub code: Cell,
    pub message: String,
    /// The last lines that a program wrote, where there was one.
    pub output: Option<String>,
    /// When the other side asked to be tried again (`Retry-After`).
    pub after: Option<Duration>,
    /// Another attempt would come to the same.
    pub for_good: bool,
}

impl ItemError {
    pub fn new(kind: ItemErrorKind, message: impl Into<String>) -> ItemError {
        ItemError {
            kind,
            code: Cell::Null,
            message: message.into(),
            output: None,
            after: None,
            for_good: false,
        }
    }

    pub fn parse(message: impl Into<String>) -> ItemError {
        ItemError::new(ItemErrorKind::Parse, message)
    }
}

impl From<crate::expr::EvalError> for ItemError {
    fn from(e: crate::expr::EvalError) -> ItemError {
        ItemError::new(ItemErrorKind::Expression, e.message)
    }
}

/// What ends the run, whatever `on_error` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Reading or writing data failed: exit 74.
    Io { what: String, message: String },
    /// Whoever read standard output went away: exit 141, quietly.
    BrokenPipe,
    /// A step could not start (a program that is not there, a function that is not registered): exit 1.
    Failed { message: String },
    /// We are wrong: exit 1, with a request to report it.
    Bug { message: String },
}

impl RunError {
    /// What went wrong with a file or stream; a closed standard output is told apart by the writer.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> RunError {
        RunError::Io {
            what: what.into(),
            message: error.to_string(),
        }
    }
}

impl From<Broken> for RunError {
    fn from(broken: Broken) -> RunError {
        RunError::Io {
            what: broken.what,
            message: broken.message,
        }
    }
}

/// Who is told of item errors: the worker loop, which knows the stage's `on_error`.
pub trait Faults {
    /// Row `origin` of the claimed batch failed; `item` is the row as the failing step saw it. The row
    /// counts as settled by this call.
    fn fail(&mut self, origin: u32, item: Row<'_>, error: ItemError);
}

/// Rows settled and made, counted by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub ended: [u64; 7],
    pub made: u64,
}

/// What a running step sees.
pub struct Cx<'a> {
    pub scope: &'a Scope,
    pub clock: &'a dyn Clock,
    pub agent: &'a Arc<Agent>,
    pub tally: &'a mut Tally,
    pub faults: &'a mut dyn Faults,
    pub output: &'a dyn Output,
    /// Every connection, by its number: for steps that put.
    pub conns: &'a [Arc<Conn>],
    /// Guards and values, by their numbers.
    pub commons: &'a Commons,
    pub net: &'a Net,
    /// Who answers user code in other programs.
    pub broker: Option<&'a Arc<Broker>>,
    /// What starts programs.
    pub programs: &'a Arc<Programs>,
    /// The number of the step in its stage.
    pub step: u32,
}

/// Where the program's own streams are written, so that progress bars are never torn.
pub trait Output: Send + Sync {
    /// # Errors
    /// As `write(2)`; `BrokenPipe` where the reader has gone.
    fn stdout(&self, bytes: &[u8]) -> std::io::Result<()>;

    /// # Errors
    /// As `write(2)`.
    fn stderr(&self, bytes: &[u8]) -> std::io::Result<()>;

    /// A line for the log (the step `log`, what user code prints).
    fn log(&self, line: &str);
}

impl Cx<'_> {
    /// `n` rows have ended so.
    pub fn settle(&mut self, outcome: Outcome, n: usize) {
        self.tally.ended[outcome as usize] += n as u64;
    }

    /// `n` rows more than came in were made here.
    pub fn made(&mut self, n: usize) {
        self.tally.made += n as u64;
    }

    /// This row failed; it counts as settled.
    pub fn fail(&mut self, origin: u32, item: Row<'_>, error: impl Into<ItemError>) {
        self.faults.fail(origin, item, error.into());
    }
}
