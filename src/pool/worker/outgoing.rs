//! The worker's way out: deposits and turns, routes, connections, dead letters.

use super::super::line::{Halt, Line};
use super::super::sequencer::{Deposit, Range};
use super::{Failure, Hands, Offering, Worker};
use crate::channel::Offer;
use crate::steps::Outcome;
use crate::value::{Batch, Row};
use crate::wait::{Wait, What};

impl Worker {
    /// Deposits, works off the turn, fills the connections; answers with a wait where that cannot go on.
    pub(super) fn give_out(&mut self) -> Result<Option<Wait>, Failure> {
        loop {
            if let Some(wait) = self.offer()? {
                return Ok(Some(wait));
            }
            if let Some(mut tail) = self.tail.take() {
                if !tail.is_empty() {
                    let halt = self.run_tail(&mut tail);
                    let done = std::mem::take(&mut tail.done);
                    if tail.has_enough() {
                        self.stage.segments[self.current].enough();
                    }
                    self.tail = Some(tail);
                    self.go_on(done);
                    match halt? {
                        Some(wait) if self.offers.is_empty() => return Ok(Some(wait)),
                        Some(_) | None => continue,
                    }
                }
                if self.finishing.is_some() || self.book.end.is_some() {
                    self.tail = Some(tail);
                    return Ok(None);
                }
                let Some(turn) = &self.stage.segments[self.current].turn else {
                    unreachable!("BUG: a turn in a segment without one")
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
            if let Some(wait) = self.put_down(range) {
                return Ok(Some(wait));
            }
        }
    }

    /// Deposits a range.
    pub(super) fn put_down(&mut self, range: Range) -> Option<Wait> {
        let segment = &self.stage.segments[self.current];
        if segment.has_enough() {
            // Nobody wants it, and what should come before it may never come.
            let cut: usize = range.parts.into_iter().map(|mut b| b.clear()).sum();
            self.tally.ended[Outcome::Cut as usize] += cut as u64;
            return None;
        }
        match &segment.turn {
            None => self.go_on(range.parts),
            Some(_) if self.segments[self.current].part.is_some() => {}
            Some(turn) => match turn.deposit(range, &self.agent) {
                Deposit::Turn(mut tail, range) => {
                    tail.enter(range.parts);
                    self.tail = Some(tail);
                }
                Deposit::Left => {}
                Deposit::Full(range, wait) => return self.wait_for_turn(range, wait),
            },
        }
        None
    }

    /// The window is full. Where an earlier item waits aside, all workers may stand here when its time comes: then
    /// whoever sees it makes itself free for it.
    fn wait_for_turn(&mut self, range: Range, wait: Wait) -> Option<Wait> {
        let segment = &self.stage.segments[self.current];
        let limits = &self.shared.commons.limits;
        let (ord, now) = (range.ord, self.shared.clock.now());
        let aside = &self.stage.aside;
        let due = aside.due_before(self.current, ord, &self.agent, limits, now);
        let late = due.is_some_and(|due| due <= self.shared.clock.now());
        let (true, Some(turn)) = (late || segment.has_back(range.ord), &segment.turn) else {
            self.deposit = Some(range);
            let until = wait.until.into_iter().chain(due).min();
            return Some(Wait { until, ..wait });
        };
        match turn.deposit_over(range, &self.agent) {
            Deposit::Turn(mut tail, range) => {
                tail.enter(range.parts);
                self.tail = Some(tail);
            }
            Deposit::Left => {}
            Deposit::Full(..) => unreachable!("BUG: a window without end is full"),
        }
        None
    }

    pub(super) fn run_tail(&mut self, tail: &mut Line) -> Result<Option<Wait>, Failure> {
        // What sees all rows in order cannot do one of them again later.
        let attempt = self.book.attempt.take();
        let halt = tail.advance(&mut hands!(self));
        self.count_rests(tail);
        self.book.attempt = attempt;
        self.write_letters();
        if self.book.fatal.is_some() {
            return Err(self.failure(None));
        }
        match halt {
            Halt::Empty | Halt::Called => Ok(None),
            Halt::GiveOut => {
                tail.given_out = tail.done.is_empty() && self.offers.is_empty();
                Ok(None)
            }
            Halt::Wait(wait) => Ok(Some(Wait {
                about: tail.about(),
                ..wait
            })),
            Halt::Aside(ask) => {
                // Whoever has the turn cannot set it aside: it waits like anybody, and looks again.
                let limits = &self.shared.commons.limits;
                let opens = limits.watch(&self.agent, &ask.needs, self.shared.clock.now());
                let wait = Wait {
                    about: tail.about(),
                    ..Wait::for_(What::Limits {
                        limits: self.stage.limits.clone(),
                        conns: Vec::new(),
                    })
                };
                let until = opens.into_iter().chain(ask.until).min();
                Ok(Some(Wait { until, ..wait }))
            }
            Halt::Stop(error) => Err(self.failure(Some(error))),
        }
    }

    /// Rows have left a segment.
    pub(super) fn go_on(&mut self, parts: Vec<Batch>) {
        for mut batch in parts {
            if batch.is_empty() {
                continue;
            }
            if self.routed_badly {
                self.book.unfinished += batch.clear() as u64;
                continue;
            }
            match self.stage.segments.get(self.current + 1) {
                Some(next) => {
                    let conn = next.inner().clone();
                    self.offers.push_back(Offering {
                        conn,
                        batch,
                        counted: false,
                    });
                }
                None => self.leave_stage(batch),
            }
        }
    }

    /// Rows have come to the end of the stage.
    pub(super) fn leave_stage(&mut self, mut batch: Batch) {
        batch.rendered = None;
        let stage = self.stage.clone();
        if let Some(branches) = &stage.branches {
            self.route(branches, &batch);
            batch.clear();
            return;
        }
        let Some((last, others)) = stage.outputs.split_last() else {
            let n = batch.clear();
            self.tally.ended[Outcome::Passed as usize] += n as u64;
            return;
        };
        if !others.is_empty() {
            batch.blocks_mut().seal();
        }
        for way in others {
            let batch = way.fit(batch.clone());
            self.offers.push_back(Offering {
                conn: way.conn.clone(),
                batch,
                counted: false,
            });
        }
        self.offers.push_back(Offering {
            conn: last.conn.clone(),
            batch: last.fit(batch),
            counted: true,
        });
    }

    /// Each row goes out through the first branch that holds for it, and through every way out to which no
    /// branch leads (stages that name this one see every item).
    pub(super) fn route(&mut self, branches: &[crate::plan::Branch], batch: &Batch) {
        let stage = self.stage.clone();
        let mut ways: Vec<Option<Batch>> = stage.outputs.iter().map(|_| None).collect();
        let open: Vec<usize> = (0..ways.len())
            .filter(|o| branches.iter().all(|b| b.outlet != *o))
            .collect();
        let push = |way: &mut Option<Batch>, row: Row<'_>| {
            way.get_or_insert_with(|| Batch::new(batch.shape().clone(), batch.blocks().clone()))
                .push(row.cells.iter().cloned());
        };
        for (i, row) in batch.rows().enumerate() {
            if self.routed_badly {
                // Behind a row that ends the run: never begun.
                self.book.unfinished += 1;
                continue;
            }
            let mut outlet = Ok(None);
            for branch in branches {
                match branch
                    .when
                    .as_ref()
                    .map_or(Ok(true), |w| w.bool(row, &self.scope))
                {
                    Ok(false) => {}
                    Ok(true) => {
                        outlet = Ok(Some(branch.outlet));
                        break;
                    }
                    Err(error) => {
                        outlet = Err(error);
                        break;
                    }
                }
            }
            if outlet.is_ok() {
                for way in &open {
                    push(&mut ways[*way], row);
                }
            }
            match outlet {
                Ok(Some(outlet)) => push(&mut ways[outlet], row),
                Ok(None) => self.tally.ended[Outcome::Dropped as usize] += 1,
                Err(error) => {
                    self.book.policy.on_error = stage.on_error;
                    hands!(self).cx().fail(batch.origin(i), row, error);
                    self.routed_badly = self.book.fatal.is_some();
                }
            }
        }
        if self.routed_badly {
            self.book.cut_short();
        }
        self.write_letters();
        for (i, (way, rows)) in stage.outputs.iter().zip(ways).enumerate() {
            if let Some(mut batch) = rows {
                batch.blocks_mut().seal();
                self.offers.push_back(Offering {
                    conn: way.conn.clone(),
                    batch: way.fit(batch),
                    counted: !open.contains(&i),
                });
            }
        }
    }

    /// Fills the connections with what is on its way there.
    fn offer(&mut self) -> Result<Option<Wait>, Failure> {
        while let Some(mut offering) = self.offers.pop_front() {
            let before = offering.batch.len();
            let offer = offering.conn.offer(&mut offering.batch, &self.agent);
            let unread = matches!(offer, Offer::Unread);
            if offering.counted {
                let outcome = if unread && self.all_unread() {
                    Outcome::Cut
                } else {
                    Outcome::Passed
                };
                let left = if unread { 0 } else { offering.batch.len() };
                self.tally.ended[outcome as usize] += (before - left) as u64;
            }
            match offer {
                Offer::Taken => {}
                Offer::Failed(broken) => return Err(self.failure(Some(broken.into()))),
                Offer::Full(wait) => {
                    self.offers.push_front(offering);
                    return Ok(Some(wait));
                }
                Offer::Unread => {
                    offering.batch.clear();
                    if self.all_unread() {
                        for segment in &self.stage.segments {
                            segment.enough();
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// Have all readers of all outputs ended?
    pub(super) fn all_unread(&self) -> bool {
        let outputs = &self.stage.outputs;
        // What nobody ever read is no reason to end.
        outputs.iter().any(|w| !w.conn.discards()) && outputs.iter().all(|w| w.conn.is_unread())
    }

    /// Dead letters go on their way.
    pub(super) fn write_letters(&mut self) {
        for (_, letter) in std::mem::take(&mut self.book.letters) {
            let way = &self.stage.dead[letter.outlet];
            let batch = letter.batch(&self.stage.takes, way.convert());
            self.offers.push_back(Offering {
                conn: way.conn.clone(),
                batch,
                counted: false,
            });
        }
    }
}
