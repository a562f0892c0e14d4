//! One running step, and how a panic in it becomes an error of the row that caused it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::faults::FaultBook;
use super::shared::Shared;
use crate::expr::Scope;
use crate::plan::Policy;
use crate::steps::{
    BatchStep, Cx, DeadLetter, Flow, Frame, FrameMaker, ItemError, ItemErrorKind, Memory, RunError,
    Tally,
};
use crate::value::{Batch, wreck};
use crate::wait::Agent;

/// How to make a step anew: for each worker, and after a panic.
pub(super) type Factory = Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>;

/// A step of which there is one for all workers of the stage.
pub(super) type Common = Arc<Mutex<Box<dyn BatchStep>>>;

/// One step, alive.
pub(super) struct Instance {
    pub kind: Kind,
    /// The number of the step in the stage's program.
    pub at: usize,
    /// Rows enter one by one.
    pub waits: bool,
    pub policy: Policy,
}

pub(super) enum Kind {
    /// May be made anew after a panic: it remembers nothing of the rows.
    Each(Box<dyn BatchStep>, Factory),
    Turn(Box<dyn BatchStep>),
    /// The writing half of a sink in a block that holds guards: it writes at once.
    Common(Common),
    Memory(Box<dyn Memory>),
    Enter(Gate),
    /// The end of the block that begins at this step of the line.
    Leave(usize),
}

/// The beginning of a block.
pub(super) struct Gate {
    pub frame: Box<dyn Frame>,
    pub way: GateWay,
    pub swing: Swing,
}

/// How many rows enter a block that holds guards at once, where there is one step in it: then it is the same
/// whether the guards are given back after each of them while nobody waits for them, or not.
#[derive(Debug)]
pub(super) struct Swing {
    rows: usize,
    since: Duration,
}

impl Swing {
    /// Nobody who comes while the guards are held waits longer than this for the rows that entered together, or
    /// than he would for one row.
    const LONG: Duration = Duration::from_micros(50);
    const MOST: usize = 64;

    fn new() -> Swing {
        Swing {
            rows: 1,
            since: Duration::ZERO,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn enter(&mut self, now: Duration) {
        self.since = now;
    }

    /// So many rows have come out; `wanted`: somebody waits.
    pub(super) fn leave(&mut self, rows: usize, wanted: bool, now: Duration) {
        let took = now.saturating_sub(self.since);
        if wanted {
            self.rows = 1;
        } else if took > Swing::LONG {
            self.rows = (self.rows / 2).max(1);
        } else if rows == self.rows && took * 2 < Swing::LONG {
            self.rows = (self.rows * 2).min(Swing::MOST);
        }
    }
}

/// What is known of a block before it runs.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts, each of which may be without the others"
)]
pub(super) struct GateWay {
    /// The step of the line that is the block's end.
    pub leave: usize,
    /// Guards are held within; rows enter one by one.
    pub holds: bool,
    /// Something within waits for others: what was made before is given out first.
    pub gives_out: bool,
    /// Something within may be tried again: the item is kept as it came.
    pub keeps: bool,
    /// It holds guards around one step that sees each row alone and never waits: several rows may enter at once.
    pub single: bool,
}

/// How a worker gets its own instance of a step.
#[derive(Clone)]
pub(super) struct Make {
    pub how: How,
    pub at: usize,
    pub waits: bool,
    pub policy: Policy,
}

#[derive(Clone)]
pub(super) enum How {
    Each(Factory),
    Common(Common),
    Enter(FrameMaker, GateWay),
    Leave(usize),
}

impl Instance {
    pub(super) fn of(make: &Make) -> Instance {
        let kind = match &make.how {
            How::Each(factory) => Kind::Each(factory(), factory.clone()),
            How::Common(step) => Kind::Common(step.clone()),
            How::Enter(frame, way) => Kind::Enter(Gate {
                frame: frame(),
                way: *way,
                swing: Swing::new(),
            }),
            How::Leave(enter) => Kind::Leave(*enter),
        };
        Instance {
            kind,
            at: make.at,
            waits: make.waits,
            policy: make.policy,
        }
    }

    pub(super) fn new(kind: Kind, at: usize, policy: Policy) -> Instance {
        Instance {
            kind,
            at,
            waits: false,
            policy,
        }
    }
}

/// What a worker lends to the steps that it runs.
pub(super) struct Hands<'a> {
    pub shared: &'a Shared,
    pub agent: &'a Arc<Agent>,
    pub scope: &'a Scope,
    pub tally: &'a mut Tally,
    pub book: &'a mut FaultBook,
}

/// What became of rows, before it counts: an attempt within a block that holds guards may be discarded.
#[derive(Default)]
pub(super) struct Ledger {
    tally: Tally,
    dropped: u64,
    dead: u64,
    letters: Vec<(u32, DeadLetter)>,
}

impl Hands<'_> {
    /// Another ledger is written in from now on; the old one is left in its place.
    pub(super) fn swap(&mut self, ledger: &mut Ledger) {
        std::mem::swap(self.tally, &mut ledger.tally);
        std::mem::swap(&mut self.book.dropped, &mut ledger.dropped);
        std::mem::swap(&mut self.book.dead, &mut ledger.dead);
        std::mem::swap(&mut self.book.letters, &mut ledger.letters);
    }

    /// What is written in a ledger counts.
    pub(super) fn add(&mut self, ledger: Ledger) {
        for (to, n) in self.tally.ended.iter_mut().zip(ledger.tally.ended) {
            *to += n;
        }
        self.tally.made += ledger.tally.made;
        self.book.dropped += ledger.dropped;
        self.book.dead += ledger.dead;
        self.book.letters.extend(ledger.letters);
    }

    /// The step that runs now.
    pub(super) fn at(&mut self, instance: &Instance) {
        self.book.step = instance.at;
        self.book.policy = instance.policy;
    }

    /// May an item that fails in this step be tried again?
    pub(super) fn retries(&self) -> bool {
        self.book.attempt.is_some() && self.book.policy.retry.is_some()
    }

    /// When the time of the attempt is over, where there is one.
    pub(super) fn late_at(&self) -> Option<Duration> {
        let attempt = self.book.attempt.as_ref()?;
        Some(attempt.began + self.book.policy.timeout?)
    }

    pub(super) fn is_late(&self) -> bool {
        self.late_at()
            .is_some_and(|late| self.shared.clock.now() >= late)
    }

    pub(super) fn time_out(&mut self, batch: &mut Batch) {
        let timeout = self.book.policy.timeout.unwrap_or_default();
        let message = format!("not done within {timeout:?}");
        for i in 0..batch.len() {
            let error = ItemError::new(ItemErrorKind::Timeout, message.clone());
            self.cx().fail(batch.origin(i), batch.row(i), error);
        }
        batch.clear();
    }

    pub(super) fn cx(&mut self) -> Cx<'_> {
        Cx {
            scope: self.scope,
            clock: &*self.shared.clock,
            agent: self.agent,
            tally: self.tally,
            step: u32::try_from(self.book.step).unwrap_or(u32::MAX),
            faults: self.book,
            output: &*self.shared.output,
            conns: &self.shared.conns,
            commons: &self.shared.commons,
            net: &self.shared.net,
            broker: Some(&self.shared.broker),
            programs: &self.shared.programs,
        }
    }
}

/// Runs one step over a batch; a panic in it is an error of the row that caused it.
///
/// # Errors
/// What ends the run.
pub(super) fn run(
    instance: &mut Instance,
    batch: Batch,
    hands: &mut Hands<'_>,
) -> Result<Flow, RunError> {
    let rows = batch.len();
    let shape = batch.shape().clone();
    let before = (hands.tally.clone(), hands.book.mark());
    let caught = catch_unwind(AssertUnwindSafe(|| match &mut instance.kind {
        Kind::Each(step, _) | Kind::Turn(step) => Ok(step.run(batch, &mut hands.cx())),
        Kind::Common(step) => {
            let mut step = step.lock();
            let flow = step.run(batch, &mut hands.cx());
            step.flush()?;
            Ok(flow)
        }
        Kind::Memory(memory) => {
            let empty = Batch::new(batch.shape().clone(), crate::value::Blocks::new());
            memory
                .absorb(batch, &mut hands.cx())
                .map(|()| Flow::Next(empty))
        }
        Kind::Enter(_) | Kind::Leave(_) => unreachable!("BUG: the ends of a block do not run"),
    }));
    let panic = match caught {
        Ok(flow) => return flow,
        Err(panic) => panic,
    };
    let message = panic_text(&*panic);
    let Kind::Each(step, factory) = &mut instance.kind else {
        return Err(RunError::Bug { message });
    };
    *step = factory();
    let wreck = wreck::take()
        .into_iter()
        .find(|b| b.len() == rows && Arc::ptr_eq(b.shape(), &shape));
    let Some(mut wreck) = wreck else {
        return Err(RunError::Bug { message });
    };
    *hands.tally = before.0;
    hands.book.back_to(&before.1);
    one_by_one(step, factory, &mut wreck, hands).map(Flow::Many)
}

/// After a panic: each row alone, so that only those that cause it are lost.
fn one_by_one(
    step: &mut Box<dyn BatchStep>,
    factory: &Factory,
    batch: &mut Batch,
    hands: &mut Hands<'_>,
) -> Result<Vec<Batch>, RunError> {
    let mut out = Vec::new();
    batch.number_origins();
    while !batch.is_empty() {
        let row = batch.split_front(1);
        let shown = row.clone();
        match catch_unwind(AssertUnwindSafe(|| step.run(row, &mut hands.cx()))) {
            Ok(Flow::Next(batch) | Flow::End(batch)) => out.push(batch),
            Ok(Flow::Many(parts)) => out.extend(parts),
            Ok(Flow::Wait(..)) => {
                return Err(RunError::Bug {
                    message: "a step waits after a panic".into(),
                });
            }
            Ok(Flow::Stop(error)) => return Err(error),
            Err(panic) => {
                let message = format!(
                    "the program itself is wrong here, please report it: {}",
                    panic_text(&*panic)
                );
                *step = factory();
                wreck::take();
                hands.cx().fail(
                    shown.origin(0),
                    shown.row(0),
                    ItemError::new(ItemErrorKind::Panic, message),
                );
            }
        }
    }
    Ok(out)
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}
