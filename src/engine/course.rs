//! The course of a run: which stages have started and ended, what may start now, deadlines, and a virtual
//! clock's steps. One thread owns it; workers tell it when a stage has closed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::deadlock::{PATIENCE, Search, State};
use crate::notice::{Notice, StageState};
use crate::plan::{Alive, Plan, StageId};
use crate::pool::{Failure, Shared, Stage};
use crate::wait::{Seen, Stop, What, Why};

/// How often the counters of connections are looked at for the faces.
const GLANCE: Duration = Duration::from_millis(50);
/// How often the workers are looked at where the clock moves only when all of them wait.
const VIRTUAL_GLANCE: Duration = Duration::from_micros(200);

/// Where a stage is in the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Waits for the stages that it comes `after`.
    Waiting,
    Running,
    /// Ended, and no item failed under `keep_going`.
    Ended,
    /// Ended otherwise, or never started.
    Failed,
}

pub(super) struct Course<'a, F> {
    plan: &'a Plan,
    shared: &'a Shared,
    /// For stages that start `always`, when the others were stopped: told to stop only by a further signal.
    rest: Shared,
    stages: &'a [Arc<Stage>],
    places: Vec<Place>,
    alive: Alive,
    start: F,
}

impl<'a, F: FnMut(&Arc<Stage>, &Shared)> Course<'a, F> {
    pub(super) fn new(
        plan: &'a Plan,
        shared: &'a Shared,
        stages: &'a [Arc<Stage>],
        start: F,
    ) -> Course<'a, F> {
        let rest = Shared {
            stop: Stop::new(),
            ..shared.clone()
        };
        rest.stop.watch(&shared.registry);
        let places = vec![Place::Waiting; stages.len()];
        Course {
            plan,
            shared,
            rest,
            stages,
            places,
            alive: Alive::of(plan),
            start,
        }
    }

    /// Until every stage has ended.
    pub(super) fn run(mut self, told: &Receiver<u32>) {
        let began = self.shared.clock.now();
        let mut draining_since = None;
        let mut seen = Vec::new();
        let mut moved = Instant::now();
        let mut looked = began;
        let glance_every = if self.shared.clock.is_real() {
            GLANCE
        } else {
            VIRTUAL_GLANCE
        };
        loop {
            self.start_what_can();
            self.end_timers();
            if !self.places.contains(&Place::Running) {
                return;
            }
            match told.recv_timeout(glance_every) {
                Ok(stage) => self.ended(stage as usize),
                Err(RecvTimeoutError::Timeout) => glance(self.shared),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.shared.clock.now();
            if self
                .plan
                .deadline
                .is_some_and(|d| now.saturating_sub(began) >= d)
                && !self.shared.stop.is_draining()
            {
                self.shared.stop.drain(Why::Deadline);
                // A face that does not read does not keep the run from stopping.
                let _unheard = self.shared.notices.try_send(Notice::Draining {
                    why: "the deadline has passed".into(),
                });
            }
            if self.shared.stop.is_draining() && draining_since.is_none() {
                self.seal_loops();
            }
            if self.shared.stop.is_draining() && !self.shared.stop.is_now() {
                let since = *draining_since.get_or_insert(now);
                if now.saturating_sub(since) >= self.plan.drain {
                    self.shared
                        .stop
                        .now(self.shared.stop.why().unwrap_or(Why::Interrupted));
                }
            }
            if self.shared.clock.is_real() {
                self.look_for_deadlocks(now, &mut looked);
            } else {
                seen = self.move_clock(seen, &mut moved);
            }
        }
    }

    /// Timers without an end of their own end with everything that does not come from them.
    fn end_timers(&self) {
        let over = |s: &StageId| matches!(self.places[s.index()], Place::Ended | Place::Failed);
        if !self.alive.others.is_empty() && self.alive.others.iter().all(over) {
            for timer in &self.alive.timers {
                self.stages[timer.index()].end_source();
            }
        }
    }

    /// Every now and then: is there somebody who has waited for long, and will for ever?
    fn look_for_deadlocks(&self, now: Duration, looked: &mut Duration) {
        if now.saturating_sub(*looked) < PATIENCE || self.shared.stop.is_draining() {
            return;
        }
        *looked = now;
        let long_ago = now.checked_sub(PATIENCE);
        if long_ago.is_some_and(|t| self.shared.registry.has_waited_since(t)) {
            self.search();
        }
    }

    /// Looks for a deadlock; where there is one, the run has failed.
    fn search(&self) {
        let search = Search {
            plan: self.plan,
            shared: self.shared,
            stages: self.stages,
        };
        let found = search.find(|stage| match self.places[stage] {
            Place::Waiting => {
                let after = &self.plan.stages[stage].after;
                State::Waits(after.iter().map(|a| a.index()).collect())
            }
            Place::Running => State::Runs,
            Place::Ended | Place::Failed => State::Over,
        });
        if let Some(deadlock) = found {
            let deadlock = Arc::new(deadlock);
            // The end of the run says it too.
            let notice = Notice::Deadlock(deadlock.clone());
            let _unheard = self.shared.notices.try_send(notice);
            self.shared.fail(Failure::Deadlock(deadlock));
        }
    }

    /// The run is stopped: what waits to go round again stays unfinished, or a loop would never end.
    fn seal_loops(&self) {
        let conns = self.plan.conns.iter().zip(self.shared.conns.iter());
        for (_, conn) in conns.filter(|(plan, _)| plan.feedback) {
            conn.seal();
        }
    }

    fn ended(&mut self, stage: usize) {
        let failed = self.stages[stage].kept_going() || self.shared.stop.is_now();
        self.places[stage] = if failed { Place::Failed } else { Place::Ended };
    }

    /// Starts the stages whose time has come; those whose time cannot come any more close their ends.
    fn start_what_can(&mut self) {
        loop {
            let mut moved = false;
            for (i, stage) in self.stages.iter().enumerate() {
                if self.places[i] != Place::Waiting {
                    continue;
                }
                let plan = &self.plan.stages[i];
                let over = |p: Place| matches!(p, Place::Ended | Place::Failed);
                let all_over = plan.after.iter().all(|a| over(self.places[a.index()]));
                let one_failed = plan
                    .after
                    .iter()
                    .any(|a| self.places[a.index()] == Place::Failed);
                if plan.always && all_over {
                    let stopped = self.shared.stop.is_draining();
                    self.places[i] = Place::Running;
                    (self.start)(stage, if stopped { &self.rest } else { self.shared });
                } else if !plan.always
                    && (one_failed || (self.shared.stop.is_draining() && !plan.after.is_empty()))
                {
                    self.shared.meters.stages[i].set_state(StageState::Stopped);
                    self.places[i] = Place::Failed;
                    // It tells us that it has closed; it is over already.
                    stage.close(&Shared {
                        closed: crossbeam_channel::unbounded().0,
                        ..self.shared.clone()
                    });
                } else if !plan.always && all_over {
                    self.places[i] = Place::Running;
                    (self.start)(stage, self.shared);
                } else {
                    continue;
                }
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    /// Are there workers that have started and not begun yet?
    fn are_coming(&self, seen: &[Seen]) -> bool {
        let running = self.stages.iter().zip(&self.places);
        running
            .filter(|(_, p)| **p == Place::Running)
            .any(|(s, _)| {
                let here = seen.iter().filter_map(|a| a.who);
                here.filter(|who| who.stage == s.id).count() < s.staying()
            })
    }

    /// A virtual clock moves to the next time that somebody waits for, when everybody waits: seen twice
    /// without a change in between.
    fn move_clock(&self, before: Vec<Seen>, last: &mut Instant) -> Vec<Seen> {
        let seen = self.shared.registry.seen();
        let passed = std::mem::replace(last, Instant::now()).elapsed();
        let runs = |s: &Seen| matches!(&s.wait, Some((wait, _)) if wait.what == What::Program);
        if seen.iter().any(runs) {
            // Programs take real time.
            let now = self.shared.clock.now() + passed;
            self.shared.clock.advance_to(now);
            let due = |s: &Seen| {
                s.wait
                    .as_ref()
                    .is_some_and(|(w, _)| w.until <= Some(now) && w.until.is_some())
            };
            if seen.iter().any(due) {
                self.shared.registry.wake_all();
            }
            return seen;
        }
        let still = seen.len() == before.len()
            && seen
                .iter()
                .zip(&before)
                // One that was told to look again has not begun to, on a busy machine.
                .all(|(a, b)| {
                    a.epoch == b.epoch && a.wait.is_some() && b.wait.is_some() && !a.woken
                });
        if !still || seen.is_empty() || self.are_coming(&seen) {
            return seen;
        }
        let until = seen.iter().filter_map(|s| s.wait.as_ref()?.0.until).min();
        match until {
            Some(until) => {
                self.shared.clock.advance_to(until);
                self.shared.registry.wake_all();
            }
            None if !self.shared.stop.is_draining() => self.search(),
            None => {}
        }
        Vec::new()
    }
}

/// Brings the counters of the connections up to date.
pub(super) fn glance(shared: &Shared) {
    for (meter, conn) in shared.meters.conns.iter().zip(shared.conns.iter()) {
        let counts = conn.counts();
        meter.put.store(counts.put, Relaxed);
        meter.got.store(counts.got, Relaxed);
        meter.waiting.store(counts.waiting, Relaxed);
        meter.bytes.store(counts.bytes, Relaxed);
        meter.dropped.store(counts.dropped, Relaxed);
        meter.cut.store(counts.cut, Relaxed);
        meter.peak.store(counts.peak, Relaxed);
        meter.unfinished.store(counts.unfinished, Relaxed);
    }
}
