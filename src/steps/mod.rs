//! What a step does to items; one file a step or family of small ones, and the table [`STEPS`] that the
//! checker, the schema, the documentation and completion read.
//!
//! A step lives in three tenses too: [`StepDef::read`] makes a [`Step`] of what was written; the checker
//! asks it for types ([`Step::infer`]) and needs ([`Step::uses`]); [`Step::compile`] makes the [`Op`] that runs.
//! Knows nothing of stages, connections or threads.
//!
//! Pitfalls: a step must settle every row it does not hand on ([`Cx::settle`], [`Cx::fail`]) and announce every
//! row that it makes beyond those it got ([`Cx::made`]); the worker loop adds up.

mod assign;
mod batch;
mod build;
mod call;
mod convert;
mod coordinate;
mod css;
mod cx;
mod dead_letter;
mod each;
mod exec;
mod fetch;
mod fields;
mod files;
mod filter;
mod group;
#[cfg(test)]
mod harness;
mod key;
mod keyer;
mod lasting;
mod limit;
mod log;
mod lookup;
mod made;
mod map;
pub mod modifiers;
#[cfg(test)]
mod nested;
mod notation;
mod parse;
mod print;
mod processes;
mod put;
mod python;
mod read;
pub mod rehearsal;
mod sample;
mod sleep;
mod sort;
mod table;
mod take;
mod template_text;
#[cfg(test)]
mod testing;
pub mod timer;
mod top;
mod touches;
mod unique;
mod wildcards;
mod words;
mod write;

pub use crate::worker::broker::May;
pub use call::{Function, Functions};
pub use convert::Convert;
pub use coordinate::{Deed, deeds, watched};
pub use cx::{Cx, Faults, ItemError, ItemErrorKind, Outcome, Output, RunError, Tally};
pub use dead_letter::{DeadLetter, dead_letter_type};
pub use limit::{Limit, Per};
pub use notation::{built_in, names_in, read_type};
pub use processes::Processes;
pub use table::{Group, Opt, Reader, STEPS, StepDef, find};
pub use template_text::TemplateText;
pub use touches::{GuardKind, Touches};
pub use words::{ExprText, Named};

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{At, Diagnostics};
use crate::expr::{Env, Uses};
use crate::spec::Key;
use crate::sync::Need;
use crate::value::{Batch, Type};
use crate::wait::Wait;

/// A step as it was written, understood, its expressions not yet checked.
pub trait Step: Debug + Send + Sync {
    /// The type that comes out for the type that goes in (`None`: this is the stage's source). Says every
    /// mistake; where there was one, answers the best guess (`Type::Any` at worst), so that what follows can be checked.
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type;

    /// What this step uses of its input, given what is used of its output.
    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let _ = (input, after, env);
        Uses::all(crate::expr::Use::Look)
    }

    /// The modifier `as`: the type that the step's result is to have. `true`: the step makes it itself;
    /// `false`: what it makes is converted behind it.
    fn target(&mut self, ty: &Type) -> bool {
        let _ = ty;
        false
    }

    /// The modifier `in`: what the step is to work on instead of the item. `true`: it works that out itself, and
    /// sees the whole item beside it; `false`: it is given that as its item.
    fn works_on(&mut self, input: &ExprText) -> bool {
        let _ = input;
        false
    }

    /// What runs, for an input narrowed to what is used. Called only for a file without errors.
    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled;

    /// For a source that only cuts its rows out: what reads them, by every worker. `compile` says what it takes.
    fn second(&self, after: &Uses) -> Option<Compiled> {
        let _ = after;
        None
    }

    /// The steps within it, in order; as many as its [`Block`] has.
    fn steps(&self) -> Vec<&dyn Step> {
        Vec::new()
    }

    /// Does this step wait for others, for time, or for the world?
    fn waits(&self) -> bool {
        false
    }

    /// Does it wait for what other workers do, also those of its own stage? (Who has the turn must not.)
    fn meets(&self) -> bool {
        false
    }

    /// Is it a sink (nobody need read what leaves it)?
    fn is_sink(&self) -> bool {
        false
    }

    /// Does every item that leaves it leave as it came (`filter`, `take`, sinks)? Beside `in`, such a step
    /// gives on the item itself and not what it looked at.
    fn lets_pass(&self) -> bool {
        self.is_sink()
    }

    /// May it stand first in a stage without `from`?
    fn is_source(&self) -> bool {
        false
    }

    /// Is it a source that has no end by itself?
    fn is_endless(&self) -> bool {
        false
    }

    /// What it puts into queues beside the item's own way, as far as types were inferred.
    fn puts(&self) -> Vec<Put<'_>> {
        Vec::new()
    }

    /// What it does to guards and values that others may wait for.
    fn touches(&self, cx: &CompileCx<'_>) -> Touches {
        let _ = cx;
        Touches::default()
    }

    /// Files that it writes under a constant name, for the rule that no two stages write the same.
    fn writes(&self) -> Option<String> {
        None
    }

    /// One line for `graph` and `--dry-run`: `filter status >= 500`.
    fn describe(&self) -> String;
}

/// What a step's checking sees and where it says what is wrong.
#[derive(Debug)]
pub struct Infer<'a> {
    /// The names for expressions; `env.item` is set to the step's input.
    pub env: &'a Env,
    /// The types of `types:`.
    pub types: &'a dyn Types,
    pub diagnostics: &'a mut Diagnostics,
    /// The whole step.
    pub at: At,
    /// The folder that relative paths are relative to.
    pub folder: &'a std::path::Path,
}

/// One value that a step puts into a queue.
#[derive(Clone, Debug)]
pub struct Put<'s> {
    pub to: &'s Key,
    /// `None`: it is not known (yet, or because of a mistake that was said).
    pub gives: Option<Type>,
}

/// Where connections are looked up by those that put into them.
pub trait Conns: Debug {
    /// The number of a connection, and the type of what it carries.
    fn target(&self, name: &str) -> Option<(u32, Type)>;
}

/// Where the names of types and guards are looked up.
pub trait Types: Debug {
    fn named(&self, name: &str) -> Option<Type>;

    /// A guard's number and what it is; says so where there is none of this name.
    fn guard(&self, name: &Key, diagnostics: &mut Diagnostics) -> Option<(u32, GuardKind)> {
        let _ = (name, diagnostics);
        None
    }

    /// What the file says of a limit, by its number.
    fn limit(&self, guard: u32) -> Option<&Limit> {
        let _ = guard;
        None
    }

    /// The names that there are, for "did you mean".
    fn names(&self) -> Vec<&str>;

    /// The functions that the embedding program has registered.
    fn functions(&self) -> &Functions;

    /// Is this a rehearsal (`test`), in which sinks write nothing?
    fn rehearses(&self) -> bool;
}

/// What a step's compilation sees.
#[derive(Debug)]
pub struct CompileCx<'a> {
    pub env: &'a Env,
    pub conns: &'a dyn Conns,
    pub types: &'a dyn Types,
    pub folder: &'a std::path::Path,
    /// `-C DIR` or the file's folder, params and so on are resolved in text already; secrets to mask.
    pub scope: &'a crate::expr::Scope,
    /// How the stage keeps its programs.
    pub processes: Option<&'a Arc<Processes>>,
}

/// A step, ready to run, and the (narrowed) type that leaves it.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub out: Type,
    pub op: Op,
}

/// How a step runs.
#[derive(Clone)]
pub enum Op {
    /// Makes items; one for the stage, its claims are made in turn by whichever worker is free.
    Source(Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>),
    /// Looks at each row alone; every worker has its own.
    Each(Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>),
    /// Must see all rows of the stage, in order; one for the stage, run by whoever has the turn.
    Turn(Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>),
    /// A sink: the first half renders rows into `Batch::rendered` (by each worker), the second writes that, in turn.
    Sink(
        Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>,
        Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>,
    ),
    /// Takes all rows in, part by part, and gives results at the end.
    Memory(Arc<dyn Fn() -> Box<dyn Memory> + Send + Sync>),
    /// Steps within a step.
    Block(Block),
    /// In a plan, where a block's steps stand in one row with the others: its beginning ...
    Enter(Enter),
    /// ... and its end.
    Leave,
}

/// How to make a frame: for each worker.
pub type FrameMaker = Arc<dyn Fn() -> Box<dyn Frame> + Send + Sync>;

/// Steps within a step, ready to run.
#[derive(Clone, Debug)]
pub struct Block {
    pub enter: Enter,
    /// In order; as many as the step has within it.
    pub steps: Vec<Compiled>,
}

/// The beginning of a block.
#[derive(Clone)]
pub struct Enter {
    pub make: FrameMaker,
    /// The guards that are held within it, by their numbers; empty: none.
    pub guards: Vec<u32>,
    /// Those of them that are limits.
    pub limits: Vec<u32>,
    /// It is entered when a condition holds.
    pub until: bool,
    /// The wait for the guards has an end.
    pub timed: bool,
}

impl Debug for Enter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enter({:?})", self.guards)
    }
}

impl Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Op::Source(_) => "Source",
            Op::Each(_) => "Each",
            Op::Turn(_) => "Turn",
            Op::Sink(..) => "Sink",
            Op::Memory(_) => "Memory",
            Op::Block(_) => "Block",
            Op::Enter(_) => "Enter",
            Op::Leave => "Leave",
        })
    }
}

/// What became of a batch in a step.
#[derive(Debug)]
#[must_use]
pub enum Flow {
    /// Go on with this (it may be empty).
    Next(Batch),
    /// Go on with each of these, in order.
    Many(Vec<Batch>),
    /// Go on with this, and take no more: the stage has enough (`take`).
    End(Batch),
    /// Cannot go on now; call again with the same batch when the wait is over. Only steps that say `waits()`.
    Wait(Batch, Wait),
    /// The run cannot go on (a full disk).
    Stop(RunError),
}

/// A step that runs over batches.
pub trait BatchStep: Send {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow;

    /// The input has ended: give out what is left; called again until it answers `None`. Only for `Op::Turn`
    /// and the second half of `Op::Sink`.
    ///
    /// # Errors
    /// As [`Flow::Stop`].
    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        let _ = cx;
        Ok(None)
    }

    /// May it have something to give out though nothing comes (`within`, `every`)? Only for `Op::Turn`.
    fn keeps_time(&self) -> bool {
        false
    }

    /// Items that it keeps and gives out when its input ends at the latest: in a loop, when nothing else of that
    /// is unfinished, it is asked to by [`BatchStep::ring`]. Only for `Op::Turn`.
    fn rests(&self) -> usize {
        0
    }

    /// When that is (since the run's start); `None`: not now.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// That time has come: what it gives out. Afterwards it is due later, or not at all.
    ///
    /// # Errors
    /// As [`Flow::Stop`].
    fn ring(&mut self, cx: &mut Cx<'_>) -> Result<Vec<Batch>, RunError> {
        let _ = cx;
        Ok(Vec::new())
    }

    /// Only for the second half of `Op::Sink`: what was written so far is to be seen by others now.
    ///
    /// # Errors
    /// As [`Flow::Stop`].
    fn flush(&mut self) -> Result<(), RunError> {
        Ok(())
    }

    /// The item that the last [`Flow::Wait`] was about is given up (its time is over): whatever stands in a
    /// list of who is to be woken is taken out.
    fn cancel(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Bytes that the step remembers, as an estimate, for the summary.
    fn held(&self) -> usize {
        0
    }

    /// The run has failed or was stopped hard: what is incomplete is left under its partial name.
    fn abandon(&mut self) {}
}

/// What became of a batch at the beginning of a block.
#[derive(Debug)]
#[must_use]
pub enum Entered {
    /// This goes to the first step within (it may be empty).
    In(Batch),
    /// This goes on behind the block, untouched.
    Past(Batch),
    /// Cannot go on now; call again with the same batch when the wait is over.
    Wait(Batch, Wait),
    /// Must wait for limits, and nobody need stay with it: call again when they can be had.
    Aside(Batch, Ask),
}

/// What an item wants of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub needs: Vec<Need>,
    /// It does not wait beyond this (since the start).
    pub until: Option<Duration>,
}

/// Both ends of a block: rows go in through it, and what they became comes out through it. One batch at a time
/// is inside; one row, where guards are held.
pub trait Frame: Send {
    fn enter(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Entered;

    /// All that went in has come to the end (this is what is left of it) or was settled on the way.
    fn leave(&mut self, made: Vec<Batch>, cx: &mut Cx<'_>) -> Vec<Batch>;

    /// What went in is given up; what was taken for it is given back.
    fn back_out(&mut self, cx: &mut Cx<'_>);

    /// The rows that the last [`Entered::Wait`] was about are given up: whatever stands in a list of who is to
    /// be woken is taken out.
    fn cancel(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Does anybody wait for what is held?
    fn is_wanted(&self, cx: &Cx<'_>) -> bool {
        let _ = cx;
        false
    }

    /// At the end of the input a step within gives out what it had left: as it is to leave the block.
    fn stray(&mut self, batch: Batch) -> Batch {
        batch
    }

    /// For each row that went in, the row of the claimed batch that it came from; `None`: as it says itself.
    fn origins(&self) -> Option<Vec<u32>> {
        None
    }

    /// Rows that are neither within nor on their way out.
    fn resting(&self) -> usize {
        0
    }

    /// The run ends with a row of the claim: of the rows that rest, only those go on of whose [`Batch::origin`]
    /// (before they came in) this is true. How many went.
    fn cut_short(&mut self, goes_on: &dyn Fn(u32) -> bool) -> usize {
        let _ = goes_on;
        0
    }

    /// Does a step within that has enough end only what is within?
    fn ends_alone(&self) -> bool {
        false
    }

    /// What is known of the batch that is inside, for whoever takes the item up again.
    fn lay_down(&mut self) -> Box<dyn std::any::Any + Send>;

    fn take_up(&mut self, state: Box<dyn std::any::Any + Send>);
}

/// What a source has.
#[derive(Debug)]
pub enum Pull {
    /// Rows; their number is `Batch::len`, at most about what was asked for.
    Rows(Batch),
    /// Nothing yet; call again when the wait is over.
    Wait(Wait),
    End,
    Stop(RunError),
}

/// A step that makes items.
pub trait Source: Send {
    /// About `want` rows. A row that fails here ([`Cx::fail`]) counts as taken; it is not to be announced. Its
    /// origin is the number of rows of this pull before it.
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull;

    /// Done and total, where the total is known (bytes, items): for percentage and ETA.
    fn progress(&self) -> Option<(u64, u64)> {
        None
    }
}

/// A step with a memory whose parts can be merged (`group`, `sort`, `top`).
pub trait Memory: Send {
    /// Takes the rows in (settles them as absorbed).
    ///
    /// # Errors
    /// What ends the run.
    fn absorb(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Result<(), RunError>;

    /// Takes another worker's part in. Always one made by the same factory.
    fn merge(&mut self, other: Box<dyn Memory>);

    /// Everything has been absorbed: the results, batch by batch (announce them with [`Cx::made`]).
    ///
    /// # Errors
    /// What ends the run.
    fn drain(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError>;

    /// Bytes held, as an estimate, for the summary.
    fn held(&self) -> usize {
        0
    }

    /// For `merge`: the same concrete type back.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any>;
}
