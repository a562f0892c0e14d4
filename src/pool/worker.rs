//! The one worker loop: a machine that never blocks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::faults::{Failure, FaultBook};
use super::instance::{Halt, Hands, Instance, Line};
use super::sequencer::{Deposit, Range};
use super::stage::{HeadEnd, Shared, Stage, Taken};
use crate::channel::Offer;
use crate::expr::Scope;
use crate::notice::StageState;
use crate::steps::{Memory, Outcome, RunError, Tally};
use crate::value::Batch;
use crate::wait::{Agent, Wait, Who};

/// What a turn came to.
#[derive(Debug)]
#[must_use]
pub enum Turn {
    /// Call again.
    More,
    /// Nothing can be done until this is over; nothing that others wait for is in the worker's hands.
    Wait(Wait),
    /// The worker has left its stage.
    Done,
}

/// One worker of a stage.
pub struct Worker {
    stage: Arc<Stage>,
    shared: Arc<Shared>,
    agent: Arc<Agent>,
    scope: Scope,
    head: Line,
    part: Option<Box<dyn Memory>>,
    /// Claimed and not begun (only where steps can wait).
    rest: Option<Batch>,
    /// What rows that were taken one by one became, and the ordinals that they cover.
    gathered: Option<Range>,
    /// To be deposited.
    deposit: Option<Range>,
    /// The steps that must see all rows, while this worker has the turn.
    tail: Option<Line>,
    /// On their way into the outputs: the output, the rows, and whether their outcome is counted here.
    offers: VecDeque<(usize, Batch, bool)>,
    /// The input has ended, everything is deposited, and this worker was the last.
    finishing: bool,
    tally: Tally,
    book: FaultBook,
    taken: u64,
}

impl Worker {
    /// Worker number `index` of a stage.
    pub fn new(stage: Arc<Stage>, shared: Arc<Shared>, scope: &Scope, index: usize) -> Worker {
        let agent = shared.registry.enter_as(Who {
            stage: stage.id,
            worker: index as u32,
        });
        stage.enter(&agent);
        let steps = stage
            .head
            .iter()
            .map(|(factory, at)| Instance::Each {
                step: factory(),
                factory: factory.clone(),
                at: *at,
            })
            .collect();
        let part = match &stage.head_end {
            HeadEnd::On => None,
            HeadEnd::Part(make) => Some(make()),
        };
        let book = FaultBook::new(
            stage.id,
            stage.on_error.clone(),
            stage.shown.clone(),
            shared.notices.clone(),
        );
        Worker {
            scope: Scope {
                worker: index,
                ..scope.clone()
            },
            stage,
            shared,
            agent,
            head: Line::new(steps),
            part,
            rest: None,
            gathered: None,
            deposit: None,
            tail: None,
            offers: VecDeque::new(),
            finishing: false,
            tally: Tally::default(),
            book,
            taken: 0,
        }
    }

    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn busy_meter(&self) -> super::thread::Busy {
        super::thread::Busy(self.stage.id as usize)
    }

    /// Works for a while.
    pub fn turn(&mut self) -> Turn {
        // Before anything is asked that may hand out a wait, so that no wake-up in between is lost.
        self.agent.clear();
        if self.shared.stop.is_now() {
            self.abandon();
            return Turn::Done;
        }
        let began = Instant::now();
        let turn = self.work();
        let meter = self.stage.meter(&self.shared);
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        meter.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.report();
        match turn {
            Ok(turn) => turn,
            Err(failure) => {
                self.shared.fail(failure);
                self.abandon();
                Turn::Done
            }
        }
    }

    /// What is furthest on its way comes first, so that little is under way at once.
    fn work(&mut self) -> Result<Turn, Failure> {
        if let Some(wait) = self.give_out()? {
            return Ok(Turn::Wait(wait));
        }
        if self.finishing {
            return self.finish();
        }
        if !self.head.is_empty() {
            return self.advance();
        }
        if let Some(rest) = &mut self.rest {
            let row = rest.split_front(1);
            if rest.is_empty() {
                self.rest = None;
            }
            self.begin(row);
            return self.advance();
        }
        if self.gathered.is_some() {
            self.deposit = self.gathered.take();
            return Ok(Turn::More);
        }
        self.claim()
    }

    fn claim(&mut self) -> Result<Turn, Failure> {
        let Worker {
            stage,
            shared,
            agent,
            scope,
            tally,
            book,
            ..
        } = self;
        book.step = 0;
        let dropped = book.dropped;
        let taken = stage.take(agent, shared, |source, want| {
            source.pull(
                want,
                &mut Hands {
                    shared,
                    agent,
                    scope,
                    tally,
                    book,
                }
                .cx(),
            )
        });
        // Rows that failed in the source were taken too.
        self.taken += self.book.dropped - dropped;
        if self.book.fatal.is_some() {
            return Err(self.failure(None));
        }
        match taken {
            Taken::Rows(batch) => {
                if let Some((done, total)) = self.stage.progress() {
                    let meter = self.stage.meter(&self.shared);
                    meter.done.store(done, Ordering::Relaxed);
                    meter.total.store(total, Ordering::Relaxed);
                }
                if self.stage.waits {
                    self.rest = Some(batch);
                } else {
                    self.taken += batch.len() as u64;
                    self.gathered = Some(Range {
                        ord: batch.ord,
                        span: batch.span,
                        parts: Vec::new(),
                    });
                    self.head.enter(vec![batch]);
                    return self.advance();
                }
                Ok(Turn::More)
            }
            Taken::Wait(wait) => Ok(Turn::Wait(wait)),
            Taken::Ended => Ok(self.leave()),
            Taken::Stop(error) => Err(self.failure(Some(error))),
        }
    }

    /// A row that can wait is on its way; from now on it is not handed back.
    fn begin(&mut self, row: Batch) {
        self.stage.begun(row.len());
        self.taken += row.len() as u64;
        match &mut self.gathered {
            Some(range) => range.span += row.span,
            None => {
                self.gathered = Some(Range {
                    ord: row.ord,
                    span: row.span,
                    parts: Vec::new(),
                })
            }
        }
        self.head.enter(vec![row]);
    }

    /// Takes the head a step further.
    fn advance(&mut self) -> Result<Turn, Failure> {
        let halt = self.head.advance(&mut Hands {
            shared: &self.shared,
            agent: &self.agent,
            scope: &self.scope,
            tally: &mut self.tally,
            book: &mut self.book,
        });
        self.gather()?;
        if self.book.fatal.is_some() {
            return Err(self.failure(None));
        }
        match halt {
            Halt::Empty => {
                if self.rest.is_none() {
                    self.deposit = self.gathered.take();
                }
                Ok(Turn::More)
            }
            Halt::Stop(error) => Err(self.failure(Some(error))),
            Halt::Wait(wait) => self.before_wait(wait),
        }
    }

    /// The two rules: what is not begun goes back, and what is made is given out, before anybody waits.
    fn before_wait(&mut self, wait: Wait) -> Result<Turn, Failure> {
        if let Some(rest) = self.rest.take() {
            self.stage.give_back(rest);
        }
        let made = self
            .gathered
            .as_ref()
            .is_some_and(|r| r.span > 1 || !r.parts.is_empty());
        if made && let Some(range) = &mut self.gathered {
            // All but the row that waits, which is the last.
            let done = Range {
                ord: range.ord,
                span: range.span - 1,
                parts: std::mem::take(&mut range.parts),
            };
            range.ord += range.span - 1;
            range.span = 1;
            self.deposit = Some(done);
            if let Some(wait) = self.give_out()? {
                return Ok(Turn::Wait(wait));
            }
            // Asked again: giving out may have taken a while, and the wait may be over.
            return Ok(Turn::More);
        }
        Ok(Turn::Wait(wait))
    }

    /// What left the head goes where its end says.
    fn gather(&mut self) -> Result<(), Failure> {
        for batch in std::mem::take(&mut self.head.done) {
            match &mut self.part {
                Some(part) => {
                    let mut hands = Hands {
                        shared: &self.shared,
                        agent: &self.agent,
                        scope: &self.scope,
                        tally: &mut self.tally,
                        book: &mut self.book,
                    };
                    let absorbed = part.absorb(batch, &mut hands.cx());
                    absorbed.map_err(|error| self.failure(Some(error)))?;
                }
                None => match &mut self.gathered {
                    Some(range) => range.parts.push(batch),
                    None => unreachable!("BUG: rows left the head that were never begun"),
                },
            }
        }
        Ok(())
    }

    /// Deposits, works off the turn, fills the outputs; answers with a wait where that cannot go on.
    fn give_out(&mut self) -> Result<Option<Wait>, Failure> {
        loop {
            while let Some((output, mut batch, counted)) = self.offers.pop_front() {
                let before = batch.len();
                let offer = self.stage.outputs[output].offer(&mut batch, &self.agent);
                if counted {
                    let outcome = if matches!(offer, Offer::Unread) && self.all_unread() {
                        Outcome::Cut
                    } else {
                        Outcome::Passed
                    };
                    let n = if matches!(offer, Offer::Full(_)) {
                        before - batch.len()
                    } else {
                        before
                    };
                    self.tally.ended[outcome as usize] += n as u64;
                }
                match offer {
                    Offer::Taken => {}
                    Offer::Full(wait) => {
                        self.offers.push_front((output, batch, counted));
                        return Ok(Some(wait));
                    }
                    Offer::Unread => {
                        batch.clear();
                        if self.all_unread() {
                            self.stage.enough();
                        }
                    }
                }
            }
            if let Some(mut tail) = self.tail.take() {
                if !tail.is_empty() {
                    let halt = self.run_tail(&mut tail);
                    let done = std::mem::take(&mut tail.done);
                    if tail.has_enough() {
                        self.stage.enough();
                    }
                    self.tail = Some(tail);
                    self.leave_stage(done);
                    match halt? {
                        None => continue,
                        Some(wait) if self.offers.is_empty() => return Ok(Some(wait)),
                        Some(_) => continue,
                    }
                }
                if self.finishing {
                    self.tail = Some(tail);
                    return Ok(None);
                }
                let Some(turn) = &self.stage.turn else {
                    unreachable!("BUG: a turn in a stage without one")
                };
                if let Some((mut tail, range)) = turn.next(tail) {
                    tail.enter(range.parts);
                    self.tail = Some(tail);
                }
                continue;
            }
            let Some(range) = self.deposit.take() else {
                return Ok(None);
            };
            if self.stage.has_enough() {
                // Nobody wants it, and what should come before it may never come.
                let cut: usize = range.parts.into_iter().map(|mut b| b.clear()).sum();
                self.tally.ended[Outcome::Cut as usize] += cut as u64;
                continue;
            }
            match &self.stage.turn {
                None => self.leave_stage(range.parts),
                Some(_) if self.part.is_some() => {}
                Some(turn) => match turn.deposit(range, &self.agent) {
                    Deposit::Turn(mut tail, range) => {
                        tail.enter(range.parts);
                        self.tail = Some(tail);
                    }
                    Deposit::Left => {}
                    Deposit::Full(range, wait) => {
                        self.deposit = Some(range);
                        return Ok(Some(wait));
                    }
                },
            }
        }
    }

    fn run_tail(&mut self, tail: &mut Line) -> Result<Option<Wait>, Failure> {
        let halt = tail.advance(&mut Hands {
            shared: &self.shared,
            agent: &self.agent,
            scope: &self.scope,
            tally: &mut self.tally,
            book: &mut self.book,
        });
        if self.book.fatal.is_some() {
            return Err(self.failure(None));
        }
        match halt {
            Halt::Empty => Ok(None),
            Halt::Wait(wait) => Ok(Some(wait)),
            Halt::Stop(error) => Err(self.failure(Some(error))),
        }
    }

    /// Rows have come to the end of the stage.
    fn leave_stage(&mut self, parts: Vec<Batch>) {
        for mut batch in parts {
            if batch.is_empty() {
                continue;
            }
            let outputs = self.stage.outputs.len();
            match outputs {
                0 => {
                    let n = batch.clear();
                    self.tally.ended[Outcome::Passed as usize] += n as u64;
                }
                1 => {
                    let batch = self.stage.fit(0, batch);
                    self.offers.push_back((0, batch, true));
                }
                _ => {
                    batch.rendered = None;
                    batch.blocks_mut().seal();
                    for output in 1..outputs {
                        let copy = self.stage.fit(output, batch.clone());
                        self.offers.push_back((output, copy, false));
                    }
                    let batch = self.stage.fit(0, batch);
                    self.offers.push_back((0, batch, true));
                }
            }
        }
    }

    fn all_unread(&self) -> bool {
        self.stage.outputs.iter().all(|c| c.is_unread())
    }

    /// The input has ended for this worker.
    fn leave(&mut self) -> Turn {
        if let Some(part) = self.part.take()
            && let Some(turn) = &self.stage.turn
        {
            turn.with_baton(|tail| {
                if let Some(Instance::Memory { memory, .. }) = tail.steps.first_mut() {
                    memory.merge(part);
                }
            });
        }
        if self.stage.live.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Turn::Done;
        }
        self.finishing = true;
        if self.shared.stop.is_now() {
            // Others may have left by abandoning what is needed for an orderly end.
            return Turn::More;
        }
        self.stage
            .meter(&self.shared)
            .set_state(StageState::Finishing);
        if let Some(turn) = &self.stage.turn {
            let tail = if self.stage.has_enough() {
                let (held, tail) = turn.abandon();
                let cut: usize = held.into_iter().map(|mut b| b.clear()).sum();
                self.tally.ended[Outcome::Cut as usize] += cut as u64;
                tail.unwrap_or_default()
            } else {
                turn.finish()
            };
            self.stage
                .meter(&self.shared)
                .held
                .fetch_max(tail.held() as u64, Ordering::Relaxed);
            self.tail = Some(tail);
        }
        Turn::More
    }

    /// The last worker gives out what the steps have left, then closes the stage.
    fn finish(&mut self) -> Result<Turn, Failure> {
        if let Some(mut tail) = self.tail.take() {
            let more = tail.finish(&mut Hands {
                shared: &self.shared,
                agent: &self.agent,
                scope: &self.scope,
                tally: &mut self.tally,
                book: &mut self.book,
            });
            self.tail = Some(tail);
            if self.book.fatal.is_some() {
                return Err(self.failure(None));
            }
            match more {
                Ok(true) => return Ok(Turn::More),
                Ok(false) => {}
                Err(error) => return Err(self.failure(Some(error))),
            }
        }
        self.tail = None;
        self.stage.close();
        self.report();
        let meter = self.stage.meter(&self.shared);
        if let Some(total) = Some(meter.total.load(Ordering::Relaxed)).filter(|t| *t > 0) {
            meter.done.store(total, Ordering::Relaxed);
        }
        meter.set_state(StageState::Done);
        Ok(Turn::Done)
    }

    fn failure(&mut self, error: Option<RunError>) -> Failure {
        match (self.book.fatal.take(), error) {
            (Some(failure), _) => failure,
            (None, Some(error)) => Failure::Run {
                stage: self.stage.id,
                step: self.book.step,
                error,
            },
            (None, None) => Failure::Run {
                stage: self.stage.id,
                step: self.book.step,
                error: RunError::Bug {
                    message: "a failure without a cause".into(),
                },
            },
        }
    }

    /// The run stops now: what this worker has in its hands is unfinished.
    fn abandon(&mut self) {
        let mut rows = self.head.abandon();
        // What was not begun was not taken.
        if let Some(mut rest) = self.rest.take() {
            rest.clear();
        }
        for mut range in self.gathered.take().into_iter().chain(self.deposit.take()) {
            rows += range.parts.iter_mut().map(Batch::clear).sum::<usize>();
        }
        rows += self
            .offers
            .drain(..)
            .map(|(_, mut b, counted)| b.clear() * usize::from(counted))
            .sum::<usize>();
        if let Some(mut tail) = self.tail.take() {
            rows += tail.abandon();
        }
        if let Some(turn) = &self.stage.turn {
            let (held, tail) = turn.abandon();
            rows += held.into_iter().map(|mut b| b.clear()).sum::<usize>();
            rows += tail.map_or(0, |mut t| t.abandon());
        }
        self.tally.ended[Outcome::Unfinished as usize] += rows as u64;
        if self.finishing || self.stage.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.stage.close();
            let meter = self.stage.meter(&self.shared);
            meter.set_state(if self.shared.failure().is_some() {
                StageState::Failed
            } else {
                StageState::Stopped
            });
        }
        self.report();
    }

    /// Hands the counts to the meters: once a turn, not once an item.
    fn report(&mut self) {
        let meter = self.stage.meter(&self.shared);
        self.tally.ended[Outcome::Dropped as usize] += std::mem::take(&mut self.book.dropped);
        let tally = std::mem::take(&mut self.tally);
        for (to, n) in meter.ended.iter().zip(tally.ended) {
            if n > 0 {
                to.fetch_add(n, Ordering::Relaxed);
            }
        }
        if tally.made > 0 {
            meter.made.fetch_add(tally.made, Ordering::Relaxed);
        }
        if self.taken > 0 {
            meter
                .taken
                .fetch_add(std::mem::take(&mut self.taken), Ordering::Relaxed);
        }
    }
}
