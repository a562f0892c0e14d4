//! A running stage: what its workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use super::faults::Failure;
use super::instance::{Factory, Instance, Line};
use super::sequencer::Sequencer;
use crate::channel::{Claim, Conn};
use crate::notice::{Meters, Notice, StageMeter};
use crate::plan;
use crate::plan::{OnError, Ordered};
use crate::steps::{Convert, Memory, Op, Output, Pull, Source};
use crate::value::Batch;
use crate::wait::{Agent, Clock, Registry, Stop, Wait, What};

/// What all workers of a run share.
pub struct Shared {
    pub clock: Arc<dyn Clock>,
    pub output: Arc<dyn Output>,
    pub notices: Sender<Notice>,
    pub meters: Arc<Meters>,
    pub registry: Arc<Registry>,
    pub stop: Stop,
    failure: Mutex<Option<Failure>>,
}

impl Shared {
    pub fn new(
        clock: Arc<dyn Clock>,
        output: Arc<dyn Output>,
        notices: Sender<Notice>,
        meters: Arc<Meters>,
        registry: Arc<Registry>,
        stop: Stop,
    ) -> Shared {
        Shared {
            clock,
            output,
            notices,
            meters,
            registry,
            stop,
            failure: Mutex::new(None),
        }
    }

    /// The run has failed: everything stops. The first failure is the one that is told.
    pub fn fail(&self, failure: Failure) {
        self.failure.lock().get_or_insert(failure);
        self.stop.now(crate::wait::Why::Failed);
    }

    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().clone()
    }
}

/// How the workers' head ends.
pub(super) enum HeadEnd {
    /// Rows go on: to the turn, or straight to the outputs.
    On,
    /// Rows are absorbed into a part of the memory that the tail begins with.
    Part(Arc<dyn Fn() -> Box<dyn Memory> + Send + Sync>),
}

pub(super) type MakeInstance = (Factory, usize);

/// A stage that runs.
pub struct Stage {
    pub id: u32,
    pub(super) on_error: OnError,
    pub(super) workers: usize,
    /// The steps that every worker has its own of.
    pub(super) head: Vec<MakeInstance>,
    pub(super) head_end: HeadEnd,
    /// May a step of the head wait? Then rows are taken one by one.
    pub(super) waits: bool,
    /// The steps after the head, where there is one order or one memory for all. `None`: results leave as
    /// they are completed, and there is nothing that must see them all.
    pub(super) turn: Option<Sequencer<Line>>,
    pub(super) outputs: Vec<Arc<Conn>>,
    /// For each output, how items get its shape, where that is not the last step's.
    pub(super) converts: Vec<Option<Convert>>,
    inputs: Vec<Arc<Conn>>,
    intake: Mutex<Intake>,
    /// Nothing more is wanted: a step has enough, or all readers have ended.
    enough: AtomicBool,
    pub(super) live: AtomicUsize,
    pub(super) shown: Arc<[AtomicU32]>,
    /// The most rows of one claim.
    claim_max: usize,
    agents: Mutex<Vec<Arc<Agent>>>,
}

/// Where rows come from, and what came back. One lock: ordinals are given in the order of the taking.
struct Intake {
    source: Option<Box<dyn Source>>,
    next_ord: u64,
    /// Claimed, not begun, and given back; in the order of their ordinals.
    returned: Vec<Batch>,
    /// Rows that are claimed and not begun: they may still come back.
    unbegun: usize,
    waiting: Vec<Arc<Agent>>,
    ended: bool,
    /// The input to be asked first.
    first: usize,
}

/// What a worker gets.
#[derive(Debug)]
pub(super) enum Taken {
    Rows(Batch),
    Wait(Wait),
    Ended,
    Stop(crate::steps::RunError),
}

impl Stage {
    /// Builds what the workers of this stage share.
    pub fn new(stage: &plan::Stage, conns: &[Arc<Conn>]) -> Stage {
        let mut source = None;
        let mut head: Vec<MakeInstance> = Vec::new();
        let mut tail: Vec<Instance> = Vec::new();
        let mut head_end = HeadEnd::On;
        let mut waits = false;
        let mut in_tail = false;
        let each = |factory: &Factory, at| Instance::Each {
            step: factory(),
            factory: factory.clone(),
            at,
        };
        for (at, step) in stage.program.steps.iter().enumerate() {
            match &step.op {
                Op::Source(make) => source = Some(make()),
                Op::Each(make) if in_tail => tail.push(each(make, at)),
                Op::Each(make) => {
                    waits |= step.waits;
                    head.push((make.clone(), at));
                }
                Op::Turn(make) => {
                    in_tail = true;
                    tail.push(Instance::Turn { step: make(), at });
                }
                Op::Sink(render, write) => {
                    if in_tail {
                        tail.push(each(render, at));
                    } else {
                        head.push((render.clone(), at));
                    }
                    in_tail = true;
                    tail.push(Instance::Turn { step: write(), at });
                }
                Op::Memory(make) => {
                    if !in_tail {
                        head_end = HeadEnd::Part(make.clone());
                    }
                    in_tail = true;
                    tail.push(Instance::Memory { memory: make(), at });
                }
            }
        }
        let workers = stage.executor.workers();
        let outputs: Vec<_> = stage
            .outputs
            .iter()
            .map(|o| conns[o.conn.index()].clone())
            .collect();
        let converts = stage.outputs.iter().map(|o| o.convert.clone()).collect();
        let inputs: Vec<_> = stage
            .inputs
            .iter()
            .map(|c| conns[c.index()].clone())
            .collect();
        let (ordered, window) = match stage.ordered {
            Ordered::Window(n) => (true, n.get().max(workers)),
            Ordered::No => (false, usize::MAX),
        };
        let narrow = inputs
            .iter()
            .chain(&outputs)
            .map(|c| c.batch_max())
            .min()
            .unwrap_or(256);
        let claim_max = if ordered && workers > 1 {
            narrow.min((window / workers).max(1))
        } else {
            narrow
        };
        let window = if ordered {
            window
        } else {
            claim_max * workers * 4
        };
        let turn = (in_tail || (ordered && workers > 1))
            .then(|| Sequencer::new(stage.id.0, ordered, window, Line::new(tail)));
        Stage {
            id: stage.id.0,
            on_error: stage.on_error.clone(),
            workers,
            head,
            head_end,
            waits,
            turn,
            outputs,
            converts,
            inputs,
            intake: Mutex::new(Intake {
                source,
                next_ord: 0,
                returned: Vec::new(),
                unbegun: 0,
                waiting: Vec::new(),
                ended: false,
                first: 0,
            }),
            enough: AtomicBool::new(false),
            live: AtomicUsize::new(workers),
            shown: stage
                .program
                .steps
                .iter()
                .map(|_| AtomicU32::new(0))
                .collect(),
            claim_max,
            agents: Mutex::new(Vec::new()),
        }
    }

    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The items in the shape of an output.
    pub(super) fn fit(&self, output: usize, batch: Batch) -> Batch {
        match &self.converts[output] {
            Some(convert) => convert.apply(batch),
            None => batch,
        }
    }

    pub(super) fn meter<'a>(&self, shared: &'a Shared) -> &'a StageMeter {
        &shared.meters.stages[self.id as usize]
    }

    pub(super) fn enter(&self, agent: &Arc<Agent>) {
        self.agents.lock().push(agent.clone());
    }

    /// Rows for a worker.
    pub(super) fn take(
        &self,
        agent: &Arc<Agent>,
        shared: &Shared,
        pull: impl FnOnce(&mut dyn Source, usize) -> Pull,
    ) -> Taken {
        let mut intake = self.intake.lock();
        if self.enough.load(Ordering::Acquire) {
            intake.ended = true;
            return Taken::Ended;
        }
        let taken = if intake.returned.is_empty() {
            self.take_new(&mut intake, agent, shared, pull)
        } else {
            for conn in &self.inputs {
                conn.forget(agent);
            }
            Taken::Rows(intake.returned.remove(0))
        };
        match taken {
            Taken::Rows(batch) => {
                if self.waits {
                    intake.unbegun += batch.len();
                }
                // The baton: whoever else waits here looks again.
                if let Some(next) = intake.waiting.pop() {
                    next.wake();
                }
                Taken::Rows(batch)
            }
            Taken::Ended if intake.unbegun > 0 => {
                intake.enlist(agent);
                Taken::Wait(Wait::for_(What::Others { stage: self.id }))
            }
            other => {
                intake.ended |= matches!(other, Taken::Ended);
                if intake.ended {
                    intake.wake_all();
                }
                other
            }
        }
    }

    fn take_new(
        &self,
        intake: &mut Intake,
        agent: &Arc<Agent>,
        shared: &Shared,
        pull: impl FnOnce(&mut dyn Source, usize) -> Pull,
    ) -> Taken {
        let next_ord = intake.next_ord;
        let number = |mut batch: Batch| {
            batch.ord = next_ord;
            batch.span = batch.len() as u64;
            batch
        };
        let taken = match &mut intake.source {
            Some(source) => {
                if shared.stop.is_draining() || intake.ended {
                    return Taken::Ended;
                }
                match pull(&mut **source, self.claim_max) {
                    Pull::Rows(batch) => Taken::Rows(number(batch)),
                    Pull::Wait(wait) => {
                        intake.enlist(agent);
                        Taken::Wait(wait)
                    }
                    Pull::End => Taken::Ended,
                    Pull::Stop(error) => Taken::Stop(error),
                }
            }
            None => self.take_from_conns(intake, agent).map(number),
        };
        if let Taken::Rows(batch) = &taken {
            intake.next_ord += batch.len() as u64;
        }
        taken
    }

    fn take_from_conns(&self, intake: &mut Intake, agent: &Arc<Agent>) -> Taken {
        let mut closed = 0;
        let n = self.inputs.len();
        for i in 0..n {
            let at = (intake.first + i) % n;
            let conn = &self.inputs[at];
            match conn.claim(self.want(conn), agent) {
                Claim::Batch(batch) => {
                    intake.first = (at + 1) % n;
                    // Wake-ups that the others may have for us now go to those who wait.
                    for other in (0..n).filter(|o| *o != at) {
                        self.inputs[other].forget(agent);
                    }
                    return Taken::Rows(batch);
                }
                Claim::Closed => closed += 1,
                Claim::Empty => {}
            }
        }
        if closed == n {
            return Taken::Ended;
        }
        Taken::Wait(Wait::for_(What::Get(
            self.inputs.iter().map(|c| c.id()).collect(),
        )))
    }

    /// How many rows to claim. Where steps wait, a worker takes only its share of what is there, so that the
    /// others have something to begin.
    fn want(&self, conn: &Conn) -> usize {
        if self.waits {
            (conn.waiting() / self.workers).clamp(1, self.claim_max.min(16))
        } else {
            self.claim_max
        }
    }

    /// A row of a claim has been begun: it will not come back.
    pub(super) fn begun(&self, rows: usize) {
        let mut intake = self.intake.lock();
        intake.unbegun -= rows;
        if intake.unbegun == 0 {
            intake.wake_all();
        }
    }

    /// Rows that were not begun, for whoever is free.
    pub(super) fn give_back(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let mut intake = self.intake.lock();
        intake.unbegun -= batch.len();
        let at = intake.returned.partition_point(|b| b.ord < batch.ord);
        intake.returned.insert(at, batch);
        intake.wake_all();
        drop(intake);
        // Workers that wait for input do not wait in the intake.
        for agent in self.agents.lock().iter() {
            agent.wake();
        }
    }

    pub(super) fn has_enough(&self) -> bool {
        self.enough.load(Ordering::Acquire)
    }

    /// Nothing more is wanted: the stage ends with what it has.
    pub(super) fn enough(&self) {
        if !self.enough.swap(true, Ordering::AcqRel) {
            for agent in self.agents.lock().iter() {
                agent.wake();
            }
        }
    }

    /// The source's progress.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.intake
            .lock()
            .source
            .as_ref()
            .and_then(|s| s.progress())
    }

    /// The stage has ended: its ends of the connections close.
    pub(super) fn close(&self) {
        self.intake.lock().source = None;
        for conn in &self.outputs {
            conn.close_writer();
        }
        for conn in &self.inputs {
            conn.close_reader();
        }
    }
}

impl Intake {
    fn enlist(&mut self, agent: &Arc<Agent>) {
        if !self.waiting.iter().any(|a| Arc::ptr_eq(a, agent)) {
            self.waiting.push(agent.clone());
        }
    }

    fn wake_all(&mut self) {
        for agent in self.waiting.drain(..) {
            agent.wake();
        }
    }
}

impl Taken {
    fn map(self, f: impl FnOnce(Batch) -> Batch) -> Taken {
        match self {
            Taken::Rows(batch) => Taken::Rows(f(batch)),
            other => other,
        }
    }
}
