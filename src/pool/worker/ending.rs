//! How a worker ends: in good order, or because the run stops now.

use std::sync::atomic::Ordering;

use super::super::instance::{Instance, Kind};
use super::{Failure, Hands, Turn, Worker};
use crate::notice::StageState;
use crate::steps::{Outcome, RunError};
use crate::value::Batch;

impl Worker {
    /// This worker's part of a memory goes to the others'.
    pub(super) fn merge(&mut self, at: usize) {
        let (own, segment) = (&mut self.segments[at], &self.stage.segments[at]);
        if let (Some(part), Some(turn)) = (own.part.take(), &segment.turn) {
            turn.with_baton(|tail| {
                if let Some(Instance {
                    kind: Kind::Memory(memory),
                    ..
                }) = tail.steps.first_mut()
                {
                    memory.merge(part);
                }
            });
        }
    }

    /// The input of a segment has ended for this worker. Was it the last, so that there is something to do?
    pub(super) fn leave(&mut self, at: usize) -> bool {
        self.segments[at].left = true;
        self.merge(at);
        let segment = &self.stage.segments[at];
        if segment.live.fetch_sub(1, Ordering::AcqRel) > 1 {
            return false;
        }
        self.finishing = Some(at);
        self.current = at;
        if self.shared.stop.is_now() {
            // Others may have left by abandoning what is needed for an orderly end.
            return true;
        }
        self.stage
            .meter(&self.shared)
            .set_state(StageState::Finishing);
        if let Some(turn) = &segment.turn {
            let tail = if segment.has_enough() {
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
        true
    }

    /// The last worker of a segment gives out what the steps have left, then closes the way to the next.
    pub(super) fn finish(&mut self, segment: usize) -> Result<Turn, Failure> {
        let sinks = std::mem::take(&mut *self.stage.segments[segment].sinks.lock());
        for sink in sinks {
            (self.book.step, self.book.policy) = (sink.at, sink.policy);
            let finished = sink.step.lock().finish(&mut hands!(self).cx());
            if let Err(error) = finished {
                return Err(self.failure(Some(error)));
            }
        }
        if let Some(mut tail) = self.tail.take() {
            let more = tail.finish(&mut hands!(self));
            self.count_rests(&mut tail);
            self.tail = Some(tail);
            self.write_letters();
            if self.book.fatal.is_some() {
                return Err(self.failure(None));
            }
            match more {
                Ok(true) => return Ok(Turn::More),
                Ok(false) if self.offers.is_empty() => {}
                Ok(false) => return Ok(Turn::More),
                Err(error) => return Err(self.failure(Some(error))),
            }
        }
        self.tail = None;
        self.finishing = None;
        match self.stage.segments.get(segment + 1) {
            Some(next) => next.inner().close_writer(None),
            None => {
                if let Some(failure) = self.stage.faults.too_many(true) {
                    return Err(failure);
                }
                self.end_stage();
            }
        }
        Ok(Turn::More)
    }

    pub(super) fn end_stage(&mut self) {
        if self.stage.kept_going() {
            self.shared.keep_going();
        }
        self.report();
        let meter = self.stage.meter(&self.shared);
        let total = meter.total.load(Ordering::Relaxed);
        let drained = self.stage.segments[0].was_drained();
        if total > 0 && !drained {
            meter.done.store(total, Ordering::Relaxed);
        }
        meter.set_state(if self.stage.kept_going() {
            StageState::Failed
        } else if drained {
            StageState::Drained
        } else {
            StageState::Done
        });
        self.stage.close(&self.shared);
    }

    pub(super) fn leave_stage_for_good(&mut self) -> Turn {
        if self.shared.stop.is_now() {
            self.abandon();
            return Turn::Done;
        }
        self.stage.live.fetch_sub(1, Ordering::AcqRel);
        Turn::Done
    }

    pub(super) fn failure(&mut self, error: Option<RunError>) -> Failure {
        let (stage, step) = (self.stage.id, self.book.step);
        if let Some(failure) = self.book.fatal.take() {
            return failure;
        }
        if let Some(error) = error {
            return Failure::Run { stage, step, error };
        }
        let later = self.book.end.take().or_else(|| self.pending.take());
        later.unwrap_or_else(|| {
            let error = RunError::Bug {
                message: "a failure without a cause".into(),
            };
            Failure::Run { stage, step, error }
        })
    }

    /// The run stops now: what this worker has in its hands is unfinished.
    pub(super) fn abandon(&mut self) {
        let failed = [
            self.book.fatal.take(),
            self.book.end.take(),
            self.pending.take(),
        ];
        let failed = failed.iter().flatten().map(Failure::rows).sum::<u64>();
        let mut rows = usize::try_from(failed).unwrap_or_default();
        for own in &mut self.segments {
            rows += own.head.abandon();
        }
        // What was not begun was not taken, unless by an earlier segment.
        if let Some(mut rest) = self.rest.take() {
            rows += rest.clear() * usize::from(self.current > 0);
        }
        for mut range in self.gathered.take().into_iter().chain(self.deposit.take()) {
            rows += range.parts.iter_mut().map(Batch::clear).sum::<usize>();
        }
        for mut offering in self.offers.drain(..) {
            let inner = offering.conn.id() == u32::MAX;
            rows += offering.batch.clear() * usize::from(offering.counted || inner);
        }
        if let Some(mut tail) = self.tail.take() {
            rows += tail.abandon();
        }
        self.shared
            .commons
            .orphan(self.agent.id, &*self.shared.clock);
        for segment in &self.stage.segments {
            for sink in std::mem::take(&mut *segment.sinks.lock()) {
                sink.step.lock().abandon();
            }
            if let Some(turn) = &segment.turn {
                let (held, tail) = turn.abandon();
                rows += held.into_iter().map(|mut b| b.clear()).sum::<usize>();
                rows += tail.map_or(0, |mut t| t.abandon());
            }
        }
        rows += self.stage.abandon_aside(&self.shared);
        if self.stage.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            for next in self.stage.segments.iter().skip(1) {
                rows += next.abandon_inner();
            }
            let failure = self.shared.failure();
            let failed = failure.is_some_and(|f| f.stage() == Some(self.stage.id));
            let meter = self.stage.meter(&self.shared);
            meter.set_state(if failed {
                StageState::Failed
            } else {
                StageState::Stopped
            });
            self.stage.close(&self.shared);
        }
        self.tally.ended[Outcome::Unfinished as usize] += rows as u64;
        self.report();
    }
}
