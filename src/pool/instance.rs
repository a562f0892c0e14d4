//! A list of running steps and the rows that are on their way through it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::faults::FaultBook;
use super::shared::Shared;
use crate::expr::Scope;
use crate::plan::Policy;
use crate::steps::{
    BatchStep, Cx, Flow, ItemError, ItemErrorKind, Memory, Outcome, RunError, Tally,
};
use crate::value::{Batch, wreck};
use crate::wait::{Agent, Wait};

/// How to make a step anew: for each worker, and after a panic.
pub(super) type Factory = Arc<dyn Fn() -> Box<dyn BatchStep> + Send + Sync>;

/// One step, alive.
pub(super) struct Instance {
    pub kind: Kind,
    /// The number of the step in the stage's program.
    at: usize,
    /// Rows enter one by one.
    waits: bool,
    policy: Policy,
}

pub(super) enum Kind {
    /// May be made anew after a panic: it remembers nothing of the rows.
    Each(Box<dyn BatchStep>, Factory),
    Turn(Box<dyn BatchStep>),
    Memory(Box<dyn Memory>),
}

impl Instance {
    pub(super) fn each(make: &Make) -> Instance {
        let kind = Kind::Each((make.factory)(), make.factory.clone());
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

/// How a worker gets its own instance of a step.
#[derive(Clone)]
pub(super) struct Make {
    pub factory: Factory,
    pub at: usize,
    pub waits: bool,
    pub policy: Policy,
}

/// What a worker lends to the steps that it runs.
pub(super) struct Hands<'a> {
    pub shared: &'a Shared,
    pub agent: &'a Arc<Agent>,
    pub scope: &'a Scope,
    pub tally: &'a mut Tally,
    pub book: &'a mut FaultBook,
}

impl Hands<'_> {
    /// When the time of the attempt is over, where there is one.
    fn late_at(&self) -> Option<Duration> {
        let attempt = self.book.attempt.as_ref()?;
        Some(attempt.began + self.book.policy.timeout?)
    }

    fn is_late(&self) -> bool {
        self.late_at()
            .is_some_and(|late| self.shared.clock.now() >= late)
    }

    fn time_out(&mut self, batch: &mut Batch) {
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
            faults: self.book,
            output: &*self.shared.output,
            conns: &self.shared.conns,
        }
    }
}

/// Why a line stopped.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing is on its way; what came out lies in `done`.
    Empty,
    Wait(Wait),
    /// The fault book has something that the worker must decide about.
    Called,
    Stop(RunError),
}

/// Steps in a row.
#[derive(Default)]
pub(super) struct Line {
    pub steps: Vec<Instance>,
    /// What is on its way, the next on top: the step that it enters, and the rows.
    stack: Vec<(usize, Batch)>,
    /// What has left the last step, in order.
    pub done: Vec<Batch>,
    /// Steps before this one have enough: what would enter them is cut.
    closed: usize,
    /// How far the end of the input has come: the step that gives out what it has left.
    finishing: usize,
}

impl Line {
    pub(super) fn new(steps: Vec<Instance>) -> Line {
        Line {
            steps,
            ..Line::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.done.is_empty()
    }

    pub(super) fn enter(&mut self, parts: Vec<Batch>) {
        self.stack.extend(parts.into_iter().rev().map(|b| (0, b)));
    }

    /// Has a step (`take`) enough?
    pub(super) fn has_enough(&self) -> bool {
        self.closed > 0
    }

    /// What is on its way, to be taken up later by whoever is free.
    pub(super) fn lay_down(&mut self) -> (Vec<(usize, Batch)>, Vec<Batch>) {
        (
            std::mem::take(&mut self.stack),
            std::mem::take(&mut self.done),
        )
    }

    pub(super) fn take_up(&mut self, stack: Vec<(usize, Batch)>, done: Vec<Batch>) {
        self.stack = stack;
        self.done = done;
    }

    /// Works until nothing is on its way, or a step must wait, or something calls for the worker.
    pub(super) fn advance(&mut self, hands: &mut Hands<'_>) -> Halt {
        while let Some((at, mut batch)) = self.stack.pop() {
            if batch.is_empty() {
                continue;
            }
            if at < self.closed {
                hands.cx().settle(Outcome::Cut, batch.clear());
                continue;
            }
            let Some(instance) = self.steps.get_mut(at) else {
                self.done.push(batch);
                continue;
            };
            if instance.waits && batch.len() > 1 {
                let row = batch.split_front(1);
                self.stack.push((at, batch));
                batch = row;
            }
            hands.book.step = instance.at;
            hands.book.policy = instance.policy;
            if hands.is_late() {
                if let Kind::Each(step, _) | Kind::Turn(step) = &mut instance.kind {
                    step.cancel(&mut hands.cx());
                }
                hands.time_out(&mut batch);
            } else {
                match run(instance, batch, hands) {
                    Ok(Flow::Next(batch)) => self.stack.push((at + 1, batch)),
                    Ok(Flow::Many(parts)) => {
                        self.stack
                            .extend(parts.into_iter().rev().map(|b| (at + 1, b)));
                    }
                    Ok(Flow::End(batch)) => {
                        self.closed = at + 1;
                        self.stack.push((at + 1, batch));
                    }
                    Ok(Flow::Wait(batch, mut wait)) => {
                        self.stack.push((at, batch));
                        if let Some(late) = hands.late_at() {
                            wait.until = Some(wait.until.map_or(late, |u| u.min(late)));
                        }
                        return Halt::Wait(wait);
                    }
                    Ok(Flow::Stop(error)) | Err(error) => return Halt::Stop(error),
                }
            }
            if hands.book.calls() {
                if let Some((row, _)) = &mut hands.book.again {
                    // It goes on at this step, with the item as it was there.
                    self.stack.push((at, row.split_front(1)));
                }
                return Halt::Called;
            }
        }
        Halt::Empty
    }

    /// The input has ended, and nothing is on its way: the next batch that a step has left goes on its way.
    /// `false`: there is none, the line is at its end.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn finish(&mut self, hands: &mut Hands<'_>) -> Result<bool, RunError> {
        while let Some(instance) = self.steps.get_mut(self.finishing) {
            hands.book.step = instance.at;
            hands.book.policy = instance.policy;
            let left = match &mut instance.kind {
                Kind::Each(..) => None,
                Kind::Turn(step) => step.finish(&mut hands.cx())?,
                Kind::Memory(memory) => memory.drain(&mut hands.cx())?,
            };
            match left {
                Some(batch) => {
                    self.stack.push((self.finishing + 1, batch));
                    return Ok(true);
                }
                None => self.finishing += 1,
            }
        }
        Ok(false)
    }

    /// May a step have something to give out though nothing comes?
    pub(super) fn keeps_time(&self) -> bool {
        self.steps
            .iter()
            .any(|i| matches!(&i.kind, Kind::Turn(step) if step.keeps_time()))
    }

    /// When the next step has something to give out though nothing comes.
    pub(super) fn due(&self) -> Option<Duration> {
        let due = |i: &Instance| match &i.kind {
            Kind::Turn(step) => step.due(),
            Kind::Each(..) | Kind::Memory(_) => None,
        };
        self.steps.iter().filter_map(due).min()
    }

    /// Nothing is on its way: what the steps give out whose time has come goes on its way. Those at the end
    /// come first, for what the others give out comes after what they have.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn ring(&mut self, hands: &mut Hands<'_>) -> Result<(), RunError> {
        let now = hands.shared.clock.now();
        for (at, instance) in self.steps.iter_mut().enumerate() {
            if let Kind::Turn(step) = &mut instance.kind
                && step.due().is_some_and(|due| due <= now)
            {
                hands.book.step = instance.at;
                hands.book.policy = instance.policy;
                let parts = step.ring(&mut hands.cx())?;
                self.stack
                    .extend(parts.into_iter().rev().map(|b| (at + 1, b)));
            }
        }
        Ok(())
    }

    /// The run stops: rows on their way are unfinished, files keep their partial names.
    pub(super) fn abandon(&mut self) -> usize {
        for instance in &mut self.steps {
            if let Kind::Each(step, _) | Kind::Turn(step) = &mut instance.kind {
                step.abandon();
            }
        }
        let rows = self
            .stack
            .iter()
            .map(|(_, b)| b.len())
            .chain(self.done.iter().map(Batch::len))
            .sum();
        self.stack.clear();
        self.done.clear();
        rows
    }

    /// Bytes that steps with a memory hold.
    pub(super) fn held(&self) -> usize {
        let held = |i: &Instance| match &i.kind {
            Kind::Memory(memory) => memory.held(),
            Kind::Each(step, _) | Kind::Turn(step) => step.held(),
        };
        self.steps.iter().map(held).sum()
    }
}

/// Runs one step over a batch; a panic in it is an error of the row that caused it.
fn run(instance: &mut Instance, batch: Batch, hands: &mut Hands<'_>) -> Result<Flow, RunError> {
    let rows = batch.len();
    let shape = batch.shape().clone();
    let before = (hands.tally.clone(), hands.book.mark());
    let caught = catch_unwind(AssertUnwindSafe(|| match &mut instance.kind {
        Kind::Each(step, _) | Kind::Turn(step) => Ok(step.run(batch, &mut hands.cx())),
        Kind::Memory(memory) => {
            let empty = Batch::new(batch.shape().clone(), crate::value::Blocks::new());
            memory
                .absorb(batch, &mut hands.cx())
                .map(|()| Flow::Next(empty))
        }
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
