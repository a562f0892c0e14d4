//! How a worker lays its item down and takes one up: for the next attempt, or for a limit.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::super::aside::Job;
use super::super::faults::{Again, Attempt};
use super::super::sequencer::Range;
use super::{Failure, Turn, Worker};
use crate::plan::Retry;
use crate::steps::ItemError;
use crate::wait::{Wait, What};

impl Worker {
    /// There is nothing to do; `due`: but then.
    pub(super) fn idle(
        &mut self,
        mut wait: Wait,
        mut due: Option<Duration>,
    ) -> Result<Turn, Failure> {
        if !self.stage.limits.is_empty() {
            // From now on it is rung for: a last look.
            self.stage.aside.idle(&self.agent);
            match self.stage.take_up(&self.agent, &self.shared) {
                Ok(job) => {
                    self.stage.aside.busy(&self.agent);
                    return self.resume(job);
                }
                Err(later) => due = later,
            }
            if self.stage.aside.is_limited() {
                wait.what = What::Limits {
                    limits: self.stage.limits.clone(),
                    conns: match wait.what {
                        What::Get(conns) => conns,
                        _ => Vec::new(),
                    },
                };
            }
        }
        wait.until = wait.until.into_iter().chain(due).min();
        Ok(Turn::Wait(wait))
    }

    /// An item that was set aside goes on.
    pub(super) fn resume(&mut self, job: Job) -> Result<Turn, Failure> {
        self.current = job.segment;
        self.gathered = Some(Range {
            ord: job.ord,
            span: job.span,
            parts: Vec::new(),
        });
        for segment in &self.stage.segments {
            segment.forget(&self.agent);
        }
        self.book.attempt = Some(job.attempt);
        self.book.wall = self.shared.clock.wall();
        self.book.input = job.input;
        self.segments[self.current].head.take_up(job.load);
        self.advance()
    }

    /// The item waits for its next attempt, and the worker does something else.
    pub(super) fn set_aside(&mut self, again: &Again) -> Result<Turn, Failure> {
        let mut attempt = self.book.attempt.take().unwrap_or_default();
        attempt.tries = if attempt.step == again.unit {
            attempt.tries + 1
        } else {
            1
        };
        attempt.step = again.unit;
        let wait = again
            .retry
            .map_or(Duration::ZERO, |r| pause(&r, attempt.tries, &again.error));
        let due = self.shared.clock.now() + wait;
        let job = self.lay_down(attempt);
        self.stage.set_aside(due, job);
        Ok(Turn::More)
    }

    /// The item in hand, for whoever takes it up again.
    pub(super) fn lay_down(&mut self, attempt: Attempt) -> Job {
        let mut load = self.segments[self.current].head.lay_down();
        // It was the last that was begun: the others' ordinals can go on without it.
        let Some(mut range) = self.gathered.take() else {
            unreachable!("BUG: an item without an ordinal")
        };
        let (ord, span) = (range.ord + range.span - 1, 1);
        range.span -= 1;
        if range.span > 0 {
            self.deposit = Some(range);
        } else {
            // What the item itself has made already stays with it.
            load.prepend(range.parts);
        }
        Job {
            segment: self.current,
            ord,
            span,
            load,
            attempt,
            input: self.book.input.take(),
        }
    }
}

/// How long to wait before attempt `tries + 1`.
fn pause(retry: &Retry, tries: u32, error: &ItemError) -> Duration {
    if let Some(after) = error.after {
        return after.min(retry.max_wait);
    }
    let grown = retry.wait.as_secs_f64()
        * retry
            .factor
            .powi(i32::try_from(tries).unwrap_or(i32::MAX) - 1);
    let capped = grown.min(retry.max_wait.as_secs_f64());
    let jittered = capped * (1.0 + retry.jitter * (2.0 * unit() - 1.0));
    Duration::try_from_secs_f64(jittered.max(0.0)).unwrap_or(retry.max_wait)
}

/// A random number from 0 to 1, as the standard library's hash seeds are random.
fn unit() -> f64 {
    let bits = std::hash::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
