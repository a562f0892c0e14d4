//! What an expression may name (when it is checked) and what these names are (when it runs).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::value::{Cell, Name, Type};

/// The names that an expression may use.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// The type of `item`; its fields may be used by their own names. `None`: there is no item (a source).
    pub item: Option<Type>,
    /// `params.NAME`.
    pub params: Vec<(Name, Type)>,
    /// `values.NAME`.
    pub values: Vec<(Name, Type)>,
    /// `arrays.NAME`: the element type.
    pub arrays: Vec<(Name, Type)>,
    /// `queues.NAME.size`.
    pub queues: Vec<Name>,
    /// Is `${..}` meant by the user as a parameter? (always an error in expressions; the message says so)
    pub in_template: bool,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// E0301 syntax · E0302 unknown field · E0303 wrong type · E0305 unknown function · E0201 unknown name ·
    /// E0104 not built yet · W0301 a null where a value is needed · W0302 a comment that looks like a division.
    pub code: &'static str,
    /// Bytes of the expression's text.
    pub range: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Problem {
        Problem {
            code,
            range,
            message: message.into(),
            help: None,
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// How a field is used: only handed on, or looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It may be written as it was read.
    Pass,
    Look,
}

/// Which fields of the item something uses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Uses {
    pub fields: BTreeMap<Name, Use>,
    /// How all other fields (or a scalar item itself) are used; `None`: not at all.
    pub rest: Option<Use>,
}

impl Uses {
    /// Nothing but the number of items.
    pub fn nothing() -> Uses {
        Uses::default()
    }

    /// The whole item.
    pub fn all(how: Use) -> Uses {
        Uses {
            fields: BTreeMap::new(),
            rest: Some(how),
        }
    }

    pub fn field(&mut self, name: &Name, how: Use) {
        let old = self.fields.entry(name.clone()).or_insert(how);
        *old = (*old).max(how);
    }

    /// How a field is used.
    pub fn of(&self, name: &str) -> Option<Use> {
        match (self.fields.get(name).copied(), self.rest) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }

    /// Both uses together.
    pub fn merge(&mut self, other: &Uses) {
        for (name, how) in &other.fields {
            self.field(name, *how);
        }
        self.rest = self.rest.max(other.rest);
    }

    /// The part of a type that is used: a record keeps the fields that are.
    pub fn narrow(&self, ty: &Type) -> Type {
        match ty {
            Type::Record(r) if r.rest.is_none() && self.rest.is_none() => Type::record(
                r.fields
                    .iter()
                    .filter(|f| self.of(&f.name).is_some())
                    .map(|f| (f.name.clone(), f.ty.clone())),
            ),
            other => other.clone(),
        }
    }
}

/// Where `now()` looks: the run's clock, which may be virtual.
pub trait Now: std::fmt::Debug + Send + Sync {
    /// Seconds and nanoseconds since 1970.
    fn now(&self) -> (i64, u32);
}

/// Where `values`, `arrays` and `queues` are looked up; all by their places in [`Env`].
pub trait Shared: std::fmt::Debug + Send + Sync {
    /// The present value, detached.
    fn value(&self, value: usize) -> Cell;

    /// The present value of an element, detached; `None` beyond the end.
    fn element(&self, array: usize, i: usize) -> Option<Cell>;

    fn length(&self, array: usize) -> usize;

    /// Items that wait in a queue now.
    fn queue_size(&self, queue: usize) -> usize;
}

/// What an expression sees besides its row. One for each run; `worker` is the number of the worker that asks.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// In the order of [`Env::params`]; detached.
    pub params: Vec<Cell>,
    /// `worker`: from 0.
    pub worker: usize,
    /// `run.start`: seconds and nanoseconds since 1970.
    pub start: (i64, u32),
    /// `run.failed`.
    pub failed: bool,
    /// The texts of secret parameters.
    pub secrets: Vec<String>,
    /// `None`: the machine's clock.
    pub clock: Option<Arc<dyn Now>>,
    /// `None`: nothing is shared, all is empty.
    pub shared: Option<Arc<dyn Shared>>,
}

impl Scope {
    /// This moment: seconds and nanoseconds since 1970.
    pub fn now(&self) -> (i64, u32) {
        match &self.clock {
            Some(clock) => clock.now(),
            None => {
                let nanos = jiff::Timestamp::now().as_nanosecond();
                let secs = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0);
                (
                    secs,
                    u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
                )
            }
        }
    }
}

/// An expression failed for this item: an item error of kind `expression` (or `type`: null where a value
/// is needed, a conversion that does not fit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    pub message: String,
}

impl EvalError {
    pub fn new(message: impl Into<String>) -> EvalError {
        EvalError {
            message: message.into(),
        }
    }
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}
