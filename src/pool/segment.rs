//! A segment: the steps of a stage up to, and with, those that must see all rows in order or remember them.
//! Most stages have one; a stage with parallel work behind such a step (`unique`, then `fetch`) has more, and its
//! workers serve all of them, the last first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::cut::Sink;
use super::instance::{Hands, Make};
use super::line::Line;
use super::sequencer::Sequencer;
use crate::channel::{Claim, Conn, Cycle, Found};
use crate::steps::timer::{Look, Rhythm};
use crate::steps::{Memory, Pull, RunError, Source};
use crate::value::Batch;
use crate::wait::{Agent, Wait, What};

/// How the workers' head ends.
pub(super) enum HeadEnd {
    /// Rows go on: to the turn, or straight on.
    On,
    /// Rows are absorbed into a part of the memory that the tail begins with.
    Part(Arc<dyn Fn() -> Box<dyn Memory> + Send + Sync>),
}

pub(super) struct Segment {
    stage: u32,
    workers: usize,
    /// The steps that every worker has its own of.
    pub head: Vec<Make>,
    pub head_end: HeadEnd,
    /// Rows are taken one by one: a step of the head may wait, or try again.
    pub single: bool,
    /// A worker never takes more than one: it is one of very many.
    pub task: bool,
    /// Sinks that write at once, until they are finished.
    pub sinks: Mutex<Vec<Sink>>,
    /// The steps after the head. `None`: results leave as they are completed, and nothing must see them all.
    pub turn: Option<Sequencer<Line>>,
    inputs: Vec<Arc<Conn>>,
    intake: Mutex<Intake>,
    /// Nothing more is wanted: a step has enough, or all readers have ended.
    enough: AtomicBool,
    /// Workers that have not left.
    pub live: AtomicUsize,
    /// The most rows of one claim.
    claim_max: usize,
    /// A timer's: each row runs so long after it came.
    delay: Option<Duration>,
    /// The loop that the stage is in.
    cycle: Option<Arc<Cycle>>,
    agents: Mutex<Vec<Arc<Agent>>>,
}

/// Where rows come from, and what came back. One lock: ordinals are given in the order of the taking.
#[derive(Default)]
struct Intake {
    source: Option<Box<dyn Source>>,
    next_ord: u64,
    /// Claimed, not begun, and given back; in the order of their ordinals.
    returned: Vec<Batch>,
    /// Rows that are claimed and not begun: they may still come back.
    unbegun: usize,
    /// Items that are set aside: they come back for sure.
    aside: usize,
    waiting: Vec<Arc<Agent>>,
    ended: bool,
    /// It ended because the run was told to stop, and not because there was no more.
    drained: bool,
    /// A timer that lets one row through a tick.
    pace: Option<Rhythm>,
    /// The source is to end, as soon as it has given what it has to give at once at its beginning.
    closing: bool,
    /// The input to be asked first.
    first: usize,
}

/// What a worker gets.
#[derive(Debug)]
pub(super) enum Taken {
    Rows(Batch),
    /// They are to be begun then (since the run's start).
    Later(Batch, Duration),
    Wait(Wait),
    Ended,
    Stop(RunError),
}

/// What a segment is made of.
pub(super) struct Parts {
    pub stage: u32,
    pub workers: usize,
    pub source: Option<Box<dyn Source>>,
    pub inputs: Vec<Arc<Conn>>,
    pub head: Vec<Make>,
    pub head_end: HeadEnd,
    pub single: bool,
    pub task: bool,
    /// Workers that come for sure.
    pub live: usize,
    pub sinks: Vec<Sink>,
    pub turn: Option<Sequencer<Line>>,
    pub claim_max: usize,
    pub pace: Option<Rhythm>,
    pub delay: Option<Duration>,
    pub cycle: Option<Arc<Cycle>>,
}

impl Segment {
    pub(super) fn new(parts: Parts) -> Segment {
        Segment {
            stage: parts.stage,
            workers: parts.workers,
            head: parts.head,
            head_end: parts.head_end,
            single: parts.single,
            task: parts.task,
            sinks: Mutex::new(parts.sinks),
            turn: parts.turn,
            inputs: parts.inputs,
            intake: Mutex::new(Intake {
                source: parts.source,
                pace: parts.pace,
                ..Intake::default()
            }),
            enough: AtomicBool::new(false),
            live: AtomicUsize::new(parts.live),
            claim_max: parts.claim_max,
            delay: parts.delay,
            cycle: parts.cycle,
            agents: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn enter(&self, agent: &Arc<Agent>) {
        self.agents.lock().push(agent.clone());
    }

    /// Was its source stopped before its end?
    pub(super) fn was_drained(&self) -> bool {
        self.intake.lock().drained
    }

    /// Would others be left without this worker?
    pub(super) fn has_others(&self) -> bool {
        self.live.load(Ordering::Acquire) > 1
    }

    /// One worker less, others are left.
    pub(super) fn part(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
    }

    /// One worker more. `false`: the segment is over already.
    pub(super) fn join(&self) -> bool {
        let one_more = |n: usize| (n > 0).then_some(n + 1);
        self.live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .is_ok()
    }

    /// Rows for a worker. `draining`: sources have ended.
    pub(super) fn take(&self, draining: bool, hands: &mut Hands<'_>) -> Taken {
        let agent = hands.agent;
        let mut intake = self.intake.lock();
        if self.has_enough() {
            intake.ended = true;
            return Taken::Ended;
        }
        let taken = if intake.returned.is_empty() {
            self.take_new(&mut intake, draining, hands)
        } else {
            self.forget(agent);
            Taken::Rows(intake.returned.remove(0))
        };
        let (taken, later) = match taken {
            Taken::Later(batch, due) => (Taken::Rows(batch), Some(due)),
            taken => (taken, None),
        };
        match taken {
            Taken::Rows(batch) => {
                let batch = self.hand_out(&mut intake, batch);
                // The baton: whoever else waits here looks again.
                if let Some(next) = intake.waiting.pop() {
                    next.wake();
                }
                match later {
                    Some(due) => Taken::Later(batch, due),
                    None => Taken::Rows(batch),
                }
            }
            Taken::Ended if intake.unbegun + intake.aside > 0 => {
                intake.enlist(agent);
                Taken::Wait(Wait::for_(What::Others { stage: self.stage }))
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

    fn take_new(&self, intake: &mut Intake, draining: bool, hands: &mut Hands<'_>) -> Taken {
        let begun = intake.next_ord > 0;
        let taken = match &mut intake.source {
            Some(_) if draining || intake.ended || (intake.closing && begun) => {
                intake.drained |= draining && !intake.ended;
                Taken::Ended
            }
            Some(source) => match pull(&mut **source, self.claim_max, hands) {
                Pull::Rows(batch) => Taken::Rows(batch),
                Pull::Wait(_) if intake.closing => Taken::Ended,
                Pull::Wait(wait) => {
                    intake.enlist(hands.agent);
                    Taken::Wait(wait)
                }
                Pull::End => Taken::Ended,
                Pull::Stop(error) => Taken::Stop(error),
            },
            None => match self.await_tick(intake, hands) {
                Some(taken) => taken,
                None => self.take_from_conns(intake, hands),
            },
        };
        let (mut batch, later) = match taken {
            Taken::Rows(batch) => (batch, None),
            Taken::Later(batch, due) => (batch, Some(due)),
            taken => return taken,
        };
        batch.ord = intake.next_ord;
        batch.span = batch.len() as u64;
        intake.next_ord += batch.span;
        match later {
            Some(due) => Taken::Later(batch, due),
            None => Taken::Rows(batch),
        }
    }

    /// Where a timer lets rows through: what is instead of one, until its tick is there.
    fn await_tick(&self, intake: &mut Intake, hands: &Hands<'_>) -> Option<Taken> {
        let pace = intake.pace.as_mut()?;
        let then = match pace.look(&*hands.shared.clock, hands.scope) {
            Look::Now => return None,
            Look::Then(then) => then,
            Look::Over => return Some(Taken::Ended),
            Look::Failed(error) => {
                let message = format!("`until`: {error}");
                return Some(Taken::Stop(RunError::Failed { message }));
            }
        };
        // Who waits for a tick hears all the same that nothing will come any more.
        let found: Vec<Found> = self.inputs.iter().map(|c| c.look(hands.agent)).collect();
        if found.iter().all(|f| *f == Found::Closed) {
            return Some(Taken::Ended);
        }
        Some(Taken::Wait(Wait::due(then)))
    }

    fn take_from_conns(&self, intake: &mut Intake, hands: &Hands<'_>) -> Taken {
        let agent = hands.agent;
        let mut closed = 0;
        let n = self.inputs.len();
        for i in 0..n {
            let at = (intake.first + i) % n;
            let conn = &self.inputs[at];
            let (claim, since) = conn.claim_since(self.want(conn), agent);
            match claim {
                Claim::Batch(batch) => {
                    conn.leaves_cycle(batch.len(), self.cycle.as_ref());
                    intake.first = (at + 1) % n;
                    // Wake-ups that the others may have for us now go to those who wait.
                    for other in (0..n).filter(|o| *o != at) {
                        self.inputs[other].forget(agent);
                    }
                    if let Some(pace) = &mut intake.pace {
                        let _its_number = pace.take(&*hands.shared.clock);
                    }
                    return match self.delay {
                        None => Taken::Rows(batch),
                        Some(delay) => {
                            let since = since.unwrap_or_else(|| hands.shared.clock.now());
                            Taken::Later(batch, since.saturating_add(delay))
                        }
                    };
                }
                Claim::Closed => closed += 1,
                Claim::Empty => {}
                Claim::Failed(broken) => return Taken::Stop(broken.into()),
            }
        }
        if closed == n {
            return Taken::Ended;
        }
        let mut wait = Wait::for_(What::Get(self.inputs.iter().map(|c| c.id()).collect()));
        if let Some(pace) = &mut intake.pace {
            pace.leave();
            wait.until = pace.end(&*hands.shared.clock);
        }
        Taken::Wait(wait)
    }

    /// How many rows to claim. Where steps wait, a worker takes only its share of what is there, so that the
    /// others have something to begin.
    fn want(&self, conn: &Conn) -> usize {
        if self.single && self.task {
            1
        } else if self.single {
            (conn.waiting() / self.workers).clamp(1, self.claim_max.min(16))
        } else {
            self.claim_max
        }
    }

    pub(super) fn inputs(&self) -> &[Arc<Conn>] {
        &self.inputs
    }

    /// The agent has found something elsewhere: a wake-up that it may have had from here goes to another.
    pub(super) fn forget(&self, agent: &Arc<Agent>) {
        for conn in &self.inputs {
            conn.forget(agent);
        }
    }

    /// The agent looks for nothing for now, and need not be woken.
    pub(super) fn rest(&self, agent: &Arc<Agent>) {
        self.intake
            .lock()
            .waiting
            .retain(|a| !Arc::ptr_eq(a, agent));
        self.forget(agent);
    }

    /// Have rows come back that come before this ordinal?
    pub(super) fn has_back(&self, ord: u64) -> bool {
        let intake = self.intake.lock();
        intake.returned.first().is_some_and(|batch| batch.ord < ord)
    }

    /// Rows that came back.
    pub(super) fn take_back(&self) -> Option<Batch> {
        let mut intake = self.intake.lock();
        if intake.returned.is_empty() {
            return None;
        }
        let batch = intake.returned.remove(0);
        Some(self.hand_out(&mut intake, batch))
    }

    /// A worker gets these rows, a task the first of them.
    fn hand_out(&self, intake: &mut Intake, mut batch: Batch) -> Batch {
        if self.single {
            if self.task && batch.len() > 1 {
                batch = intake.first_of(batch);
            }
            intake.unbegun += batch.len();
        }
        batch
    }

    /// A row of a claim has been begun: it will not come back.
    pub(super) fn begun(&self, rows: usize) {
        let mut intake = self.intake.lock();
        intake.unbegun -= rows;
        intake.wake_if_over();
    }

    /// An item is set aside, or (`false`) is taken up again.
    pub(super) fn aside(&self, yes: bool) {
        let mut intake = self.intake.lock();
        if yes {
            intake.aside += 1;
        } else {
            intake.aside -= 1;
            intake.wake_if_over();
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
        self.wake_workers();
    }

    pub(super) fn wake_workers(&self) {
        for agent in self.agents.lock().iter() {
            agent.wake();
        }
    }

    /// The source ends, whatever it could still give later.
    pub(super) fn end_source(&self) {
        let was = std::mem::replace(&mut self.intake.lock().closing, true);
        if !was {
            self.wake_workers();
        }
    }

    pub(super) fn has_enough(&self) -> bool {
        self.enough.load(Ordering::Acquire)
    }

    /// Nothing more is wanted: the segment ends with what it has.
    pub(super) fn enough(&self) {
        if !self.enough.swap(true, Ordering::AcqRel) {
            self.wake_workers();
        }
    }

    /// The run stops: rows that wait between this segment and the one before.
    pub(super) fn abandon_inner(&self) -> usize {
        self.inputs.iter().map(|c| c.waiting()).sum()
    }

    /// The source's progress.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.intake
            .lock()
            .source
            .as_ref()
            .and_then(|s| s.progress())
    }

    /// The segment has ended: its inputs are not read any more.
    pub(super) fn close(&self) {
        self.intake.lock().source = None;
        for conn in &self.inputs {
            conn.close_reader();
        }
    }
}

/// About so many rows of a source; what comes behind a row that ends the run is left out.
fn pull(source: &mut dyn Source, want: usize, hands: &mut Hands<'_>) -> Pull {
    let mut pull = source.pull(want, &mut hands.cx());
    if let (Some(_), Pull::Rows(batch)) = (&hands.book.fatal, &mut pull) {
        let before = hands.book.fatal_at as usize;
        batch.retain(|i, _| i < before);
    }
    pull
}

impl Intake {
    fn enlist(&mut self, agent: &Arc<Agent>) {
        if !self.waiting.iter().any(|a| Arc::ptr_eq(a, agent)) {
            self.waiting.push(agent.clone());
        }
    }

    /// The first row; the others go back.
    fn first_of(&mut self, mut batch: Batch) -> Batch {
        let row = batch.split_front(1);
        self.returned.insert(0, batch);
        row
    }

    fn wake_all(&mut self) {
        for agent in self.waiting.drain(..) {
            agent.wake();
        }
    }

    fn wake_if_over(&mut self) {
        if self.unbegun + self.aside == 0 {
            self.wake_all();
        }
    }
}
