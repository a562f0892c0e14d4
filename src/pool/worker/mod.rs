//! The one worker loop: a machine that never blocks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::aside::Job;
use super::faults::{Attempt, Failure, FaultBook};
use super::instance::{Hands, Instance};
use super::line::{Halt, Line, Load};
use super::segment::{HeadEnd, Segment, Taken};
use super::sequencer::Range;
use super::shared::Shared;
use super::stage::Stage;
use crate::channel::Conn;
use crate::expr::Scope;
use crate::steps::{Memory, Outcome, Tally};
use crate::value::{Batch, Secrets};
use crate::wait::{Agent, Wait, What, Who};

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

/// A worker's own part of a segment.
struct Own {
    head: Line,
    part: Option<Box<dyn Memory>>,
    left: bool,
    /// It rests, and is not counted there meanwhile: a segment must not wait for it to leave.
    rests: bool,
}

/// Rows on their way into a connection.
struct Offering {
    conn: Arc<Conn>,
    batch: Batch,
    /// Are they counted as passed (or cut) here?
    counted: bool,
}

/// One worker of a stage.
pub struct Worker {
    stage: Arc<Stage>,
    shared: Arc<Shared>,
    agent: Arc<Agent>,
    scope: Scope,
    segments: Vec<Own>,
    /// The segment that this worker has something of in its hands.
    current: usize,
    /// Claimed and not begun (only where rows are taken one by one).
    rest: Option<Batch>,
    /// What became of the rows that were begun, and the ordinals that they cover.
    gathered: Option<Range>,
    /// To be deposited.
    deposit: Option<Range>,
    /// The steps that must see all rows, while this worker has the turn.
    tail: Option<Line>,
    offers: VecDeque<Offering>,
    /// The input of this segment has ended, everything is deposited, and this worker was the last.
    finishing: Option<usize>,
    tally: Tally,
    book: FaultBook,
    /// What ends the run when all rows that were taken before have gone their way.
    pending: Option<Failure>,
    /// A row could not be routed, and ends the run.
    routed_badly: bool,
    taken: u64,
    /// Of a loop: rows that have ended while what they became is still on its way into connections.
    owed: u64,
    /// Of a loop: rows that rest in steps, more or fewer than was reported.
    rests: i64,
}

macro_rules! hands {
    ($worker:ident) => {
        Hands {
            shared: &$worker.shared,
            agent: &$worker.agent,
            scope: &$worker.scope,
            tally: &mut $worker.tally,
            book: &mut $worker.book,
        }
    };
}

// Behind the macro, which they use.
mod aside;
mod ending;
mod outgoing;
mod rest;

impl Worker {
    /// Worker number `index` of a stage.
    pub fn new(stage: Arc<Stage>, shared: Arc<Shared>, scope: &Scope, index: usize) -> Worker {
        let agent = shared.registry.enter_as(Who {
            stage: stage.id,
            worker: index as u32,
        });
        let own = |segment: &Segment| {
            segment.enter(&agent);
            Own {
                head: Line::new(segment.head.iter().map(Instance::of).collect()),
                part: match &segment.head_end {
                    HeadEnd::On => None,
                    HeadEnd::Part(make) => Some(make()),
                },
                left: false,
                rests: false,
            }
        };
        let segments = stage.segments.iter().map(own).collect();
        if let Some(cycle) = &stage.cycle {
            cycle.watch(&agent);
        }
        let mut book = FaultBook::new(stage.faults.clone(), &shared);
        book.secrets = Arc::new(Secrets::new(scope.secrets.clone()));
        Worker {
            scope: Scope {
                worker: index,
                ..scope.clone()
            },
            stage,
            shared,
            agent,
            segments,
            current: 0,
            rest: None,
            gathered: None,
            deposit: None,
            tail: None,
            offers: VecDeque::new(),
            finishing: None,
            tally: Tally::default(),
            book,
            pending: None,
            routed_badly: false,
            taken: 0,
            owed: 0,
            rests: 0,
        }
    }

    /// One of the workers that come when they are needed; only the first is expected.
    pub fn of_crew(stage: Arc<Stage>, shared: Arc<Shared>, scope: &Scope, index: usize) -> Worker {
        let mut worker = Worker::new(stage, shared, scope, index);
        if index > 0 {
            worker.stage.live.fetch_add(1, Ordering::AcqRel);
            for (own, segment) in worker.segments.iter_mut().zip(&worker.stage.segments) {
                own.left = !segment.join();
            }
        }
        worker
    }

    /// Is nothing in its hands?
    pub fn is_free(&self) -> bool {
        self.rest.is_none()
            && self.gathered.is_none()
            && self.deposit.is_none()
            && self.tail.is_none()
            && self.offers.is_empty()
            && self.finishing.is_none()
            && self.pending.is_none()
            && self.segments[self.current].head.is_empty()
    }

    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn stage(&self) -> u32 {
        self.stage.id
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
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.stage
            .meter(&self.shared)
            .busy_nanos
            .fetch_add(nanos, Ordering::Relaxed);
        self.report();
        match turn {
            Ok(Turn::Wait(wait)) => Turn::Wait(self.until_due(wait)),
            Ok(turn) => turn,
            Err(failure) => {
                self.book.tell(&failure);
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
        if self.book.end.is_some() && self.segments[self.current].head.is_empty() {
            // What went before has gone its way, but for what may lie here.
            return match self.gathered.take() {
                Some(range) => {
                    self.deposit = Some(range);
                    Ok(Turn::More)
                }
                None => Err(self.failure(None)),
            };
        }
        if let Some(segment) = self.finishing {
            return self.finish(segment);
        }
        if self.book.end.is_none() && self.ring()? {
            return Ok(Turn::More);
        }
        if !self.segments[self.current].head.is_empty() {
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
        self.find_work()
    }

    /// The segments whose steps may be asked for what they give out at their time: all, but while an item is in
    /// hand only its own, and while guards are held none: nobody waits for room while he holds one.
    fn rings(&self) -> impl Iterator<Item = (usize, &super::Sequencer<Line>)> {
        let busy = self.gathered.is_some()
            || self.rest.is_some()
            || !self.segments[self.current].head.is_empty();
        let rings = self.stage.rings() && !self.segments[self.current].head.holds();
        let segments = self.stage.segments.iter().enumerate();
        segments
            .filter(move |(i, _)| rings && (!busy || *i == self.current))
            .filter_map(|(i, s)| Some((i, s.turn.as_ref()?)))
    }

    /// Is there a step whose time has come? Then it gives out what it has.
    fn ring(&mut self) -> Result<bool, Failure> {
        if !self.stage.rings() {
            return Ok(false);
        }
        let now = self.shared.clock.now();
        // In a loop nothing more may come to what rests in a step: it is given out, and may come round again.
        let idle = self.stage.cycle.as_ref().is_some_and(|c| c.is_idle());
        let is_due =
            |line: &Line| line.due().is_some_and(|due| due <= now) || (idle && line.rests() > 0);
        let found = self
            .rings()
            .find_map(|(i, turn)| Some((i, turn.take_if(is_due)?)));
        let Some((segment, mut tail)) = found else {
            return Ok(false);
        };
        self.current = segment;
        let rung = tail.ring(idle, &mut hands!(self));
        self.count_rests(&mut tail);
        self.tail = Some(tail);
        self.write_letters();
        match rung {
            Ok(()) if self.book.fatal.is_none() => Ok(true),
            Ok(()) => Err(self.failure(None)),
            Err(error) => Err(self.failure(Some(error))),
        }
    }

    /// A wait that ends when a step's time comes, where this worker could serve it then.
    fn until_due(&self, wait: Wait) -> Wait {
        if !self.stage.keeps_time
            || self.tail.is_some()
            || self.deposit.is_some()
            || !self.offers.is_empty()
        {
            return wait;
        }
        let due = self
            .rings()
            .filter_map(|(_, turn)| turn.with_baton(|line| line.due()).flatten());
        let until = wait.until.into_iter().chain(due).min();
        Wait { until, ..wait }
    }

    /// An item whose time has come, or new ones: from the last segment that has some.
    fn find_work(&mut self) -> Result<Turn, Failure> {
        let limited = !self.stage.limits.is_empty();
        if limited {
            self.stage.aside.busy(&self.agent);
        }
        let due = match self.stage.take_up(&self.agent, &self.shared) {
            Ok(job) => return self.resume(job),
            Err(due) => due,
        };
        if self.stage.aside.is_full() {
            let stage = self.stage.id;
            let wait = due.map_or(Wait::for_(What::Others { stage }), Wait::due);
            return self.idle(wait, due);
        }
        if self.pending.is_some() {
            let Some(batch) = self.stage.segments[0].take_back() else {
                return Err(self.failure(None));
            };
            self.current = 0;
            return self.start(batch);
        }
        let mut waits = None;
        for segment in (0..self.segments.len()).rev() {
            if self.segments[segment].left {
                continue;
            }
            match self.take(segment)? {
                Taken::Rows(batch) => {
                    for other in (0..self.segments.len()).filter(|o| *o != segment) {
                        self.stage.segments[other].forget(&self.agent);
                    }
                    if limited {
                        self.stage.aside.pass_on();
                    }
                    self.current = segment;
                    return self.start(batch);
                }
                Taken::Later(batch, due) => {
                    self.put_off(segment, batch, due);
                    return Ok(Turn::More);
                }
                Taken::Wait(wait) => waits = Some(wait),
                Taken::Ended => {
                    if self.leave(segment) {
                        return Ok(Turn::More);
                    }
                }
                Taken::Stop(error) => return Err(self.failure(Some(error))),
            }
        }
        match waits {
            Some(wait) => self.idle(wait, due),
            None => Ok(self.leave_stage_for_good()),
        }
    }

    fn take(&mut self, segment: usize) -> Result<Taken, Failure> {
        let draining = self.shared.stop.is_draining();
        self.book.step = 0;
        if let Some(policy) = self.stage.first {
            self.book.policy = policy;
        }
        self.book.attempt = None;
        self.book.input = None;
        let lost = self.book.dropped + self.book.dead;
        let behind = self.book.unfinished;
        let taken = self.stage.segments[segment].take(draining, &mut hands!(self));
        // Rows that failed in the source were taken too.
        let fatal = self.book.fatal.as_ref().map_or(0, Failure::rows);
        let failed = self.book.dropped + self.book.dead - lost + fatal;
        self.took(segment, failed);
        // What failed behind the row that ends the run was not taken.
        self.book.unfinished = behind;
        self.write_letters();
        match taken {
            Taken::Rows(batch) if self.book.fatal.is_some() && !batch.is_empty() => {
                self.pending = self.book.fatal.take();
                Ok(Taken::Rows(batch))
            }
            _ if self.book.fatal.is_some() => Err(self.failure(None)),
            taken => Ok(taken),
        }
    }

    /// Rows that a later segment takes were taken before.
    fn took(&mut self, segment: usize, rows: u64) {
        if rows > 0 && segment == 0 {
            self.taken += rows;
            self.stage.faults.taken.fetch_add(rows, Ordering::Relaxed);
        }
    }

    fn start(&mut self, mut batch: Batch) -> Result<Turn, Failure> {
        if self.current == 0
            && let Some((done, total)) = self.stage.segments[0].progress()
        {
            let meter = self.stage.meter(&self.shared);
            meter.done.store(done, Ordering::Relaxed);
            meter.total.store(total, Ordering::Relaxed);
        }
        if self.stage.segments[self.current].single {
            self.rest = Some(batch);
            return Ok(Turn::More);
        }
        self.took(self.current, batch.len() as u64);
        batch.keep_origins();
        if !self.stage.dead.is_empty() {
            batch.blocks_mut().seal();
            self.book.wall = self.shared.clock.wall();
            self.book.input = Some(batch.clone());
        }
        self.gathered = Some(Range {
            ord: batch.ord,
            span: batch.span,
            parts: Vec::new(),
        });
        self.segments[self.current].head.enter(vec![batch]);
        self.advance()
    }

    /// A row that can wait is on its way; from now on it is not handed back.
    fn begin(&mut self, mut row: Batch) {
        self.stage.segments[self.current].begun(row.len());
        self.took(self.current, row.len() as u64);
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
        self.book.attempt = Some(Attempt {
            tries: 0,
            step: 0,
            began: self.shared.clock.now(),
        });
        row.keep_origins();
        if !self.stage.dead.is_empty() {
            row.blocks_mut().seal();
            self.book.wall = self.shared.clock.wall();
            self.book.input = Some(row.clone());
        }
        self.segments[self.current].head.enter(vec![row]);
    }

    /// Rows that are to be begun later wait aside, and the worker does something else.
    fn put_off(&mut self, segment: usize, mut batch: Batch, due: Duration) {
        while !batch.is_empty() {
            let mut row = batch.split_front(1);
            self.took(segment, 1);
            let input = (!self.stage.dead.is_empty()).then(|| {
                row.blocks_mut().seal();
                row.keep_origins();
                row.clone()
            });
            let job = Job {
                segment,
                ord: row.ord,
                span: row.span,
                load: Load::fresh(row),
                attempt: Attempt::default(),
                input,
            };
            self.stage.set_aside(due, job);
            self.stage.segments[segment].begun(1);
        }
    }

    /// Takes the head a step further.
    fn advance(&mut self) -> Result<Turn, Failure> {
        let halt = self.segments[self.current].head.advance(&mut hands!(self));
        self.write_letters();
        if let Some(again) = self.book.again.take() {
            return self.set_aside(&again);
        }
        self.gather()?;
        if self.book.fatal.is_some() {
            return Err(self.failure(None));
        }
        match halt {
            Halt::Empty | Halt::Called => {
                let ends = self.rest.is_none() || self.book.end.is_some();
                if ends && self.segments[self.current].head.is_empty() {
                    self.deposit = self.gathered.take();
                }
                Ok(Turn::More)
            }
            Halt::Stop(error) => Err(self.failure(Some(error))),
            Halt::Wait(wait) => Ok(self.before_wait(wait)),
            Halt::Aside(ask) => {
                let attempt = self.book.attempt.take().unwrap_or_default();
                let job = self.lay_down(attempt);
                self.stage.set_aside_for(&ask, job, &self.shared);
                Ok(Turn::More)
            }
            Halt::GiveOut => {
                self.segments[self.current].head.given_out = self.is_given_out();
                Ok(Turn::More)
            }
        }
    }

    /// The two rules: what is not begun goes back, and what is made is given out, before anybody waits.
    fn before_wait(&mut self, wait: Wait) -> Turn {
        if self.is_given_out() {
            let about = self.segments[self.current].head.about();
            Turn::Wait(Wait { about, ..wait })
        } else {
            // Asked again when it is out: that may take a while, and the wait may be over.
            Turn::More
        }
    }

    /// Gives back what is not begun, and sees to it that what is made is given out. Is nothing left of either?
    fn is_given_out(&mut self) -> bool {
        if !self.stage.segments[self.current].single {
            // A block that waits for nothing but a lock keeps its batch: who holds that works and waits for nobody.
            return self.offers.is_empty();
        }
        if let Some(rest) = self.rest.take() {
            self.stage.segments[self.current].give_back(rest);
        }
        if let Some(range) = &mut self.gathered
            && range.span > 1
        {
            // All but the item that waits, which is the last.
            let done = Range {
                ord: range.ord,
                span: range.span - 1,
                parts: std::mem::take(&mut range.parts),
            };
            range.ord += range.span - 1;
            range.span = 1;
            self.deposit = Some(done);
        }
        self.deposit.is_none() && self.offers.is_empty()
    }

    /// What left the head goes where its end says.
    fn gather(&mut self) -> Result<(), Failure> {
        let own = &mut self.segments[self.current];
        for batch in std::mem::take(&mut own.head.done) {
            match (&mut own.part, &mut self.gathered) {
                (Some(part), _) => {
                    let absorbed = part.absorb(batch, &mut hands!(self).cx());
                    if let Err(error) = absorbed {
                        return Err(self.failure(Some(error)));
                    }
                }
                (None, Some(range)) => range.parts.push(batch),
                (None, None) => unreachable!("BUG: rows left the head that were never begun"),
            }
        }
        Ok(())
    }

    /// Of a loop: how much rests in the steps that see all rows, after they have worked.
    fn count_rests(&mut self, tail: &mut Line) {
        if self.stage.cycle.is_some() {
            self.rests += tail.count_rests();
        }
    }

    /// Hands the counts to the meters: once a turn, not once an item.
    fn report(&mut self) {
        let meter = self.stage.meter(&self.shared);
        self.tally.ended[Outcome::Dropped as usize] += std::mem::take(&mut self.book.dropped);
        self.tally.ended[Outcome::Dead as usize] += std::mem::take(&mut self.book.dead);
        self.tally.ended[Outcome::Unfinished as usize] += std::mem::take(&mut self.book.unfinished);
        let tally = std::mem::take(&mut self.tally);
        if let Some(cycle) = &self.stage.cycle {
            // What the rows became must be in its connections, and counted there, before they themselves are not.
            self.owed += tally.ended.iter().sum::<u64>();
            let finished = if self.offers.is_empty() {
                std::mem::take(&mut self.owed)
            } else {
                0
            };
            cycle.settle(tally.made, std::mem::take(&mut self.rests), finished);
        }
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
