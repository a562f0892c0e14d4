//! What can come to happen in a run: the least fixpoint over what must have happened before.
//!
//! It is the question that the search for deadlocks asks of a running pipeline, asked of the file: a stage starts
//! when others have ended, an item comes to a step when it has come past those before it, an event is set when
//! one comes to where it is set. What does not come out of it cannot happen, whatever the order in which
//! workers run.
//!
//! Two readings of the same rules. [`Reading::Proof`] takes for possible whatever may be: what does not come out
//! then is an error. [`Reading::Doubt`] asks what is sure to come while one worker stands still at one place with
//! what it holds, and its stage with it: what does not come out then is worth a warning.

use super::super::wiring::What;
use super::points::{Act, First, Held, Point};
use super::{Ways, World};
use crate::steps::GuardKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Proof,
    Doubt,
}

/// Somebody stands still at a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck<'a> {
    pub point: usize,
    /// What he holds.
    pub held: &'a [Held],
    pub reading: Reading,
    /// Does it count that an item must have been written before it is read?
    pub items: bool,
    /// Does it count that others may keep guards because they, too, wait in vain?
    pub chains: bool,
}

/// What can happen.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    /// For each stage: it starts.
    pub starts: Vec<bool>,
    /// An item comes to its first step.
    pub comes: Vec<bool>,
    pub ends: Vec<bool>,
    /// Whoever comes to one of its points comes past it, and what it writes is taken.
    steady: Vec<bool>,
    /// For each point: who waits there goes on.
    pub passes: Vec<bool>,
    /// Somebody comes to the point in question.
    pub reached: bool,
}

pub(super) struct Solve<'a, 'f> {
    world: &'a World<'a, 'f>,
    stuck: Stuck<'a>,
    /// Stages that cannot come to their end while he stands there.
    held_up: Vec<bool>,
    facts: Facts,
}

impl<'a, 'f> Solve<'a, 'f> {
    pub fn run(world: &'a World<'a, 'f>, stuck: Stuck<'a>) -> Facts {
        let (stages, points) = (world.wiring.stages.len(), world.points.all.len());
        let own = world.points.all[stuck.point].stage;
        let mut held_up = vec![false; stages];
        held_up[own] = true;
        if stuck.reading == Reading::Doubt {
            world.ways.upstream(own, &mut held_up);
        }
        let mut solve = Solve {
            world,
            stuck,
            held_up,
            facts: Facts {
                starts: vec![false; stages],
                comes: vec![false; stages],
                ends: vec![false; stages],
                steady: vec![false; stages],
                passes: vec![false; points],
                reached: false,
            },
        };
        while solve.round() {}
        let reached = solve.is_reached(stuck.point);
        solve.facts.reached = reached;
        solve.facts
    }

    fn doubts(&self) -> bool {
        self.stuck.reading == Reading::Doubt
    }

    /// Draws what follows from what is known. Has something come of it?
    fn round(&mut self) -> bool {
        let mut moved = false;
        let mut set = |fact: &mut bool, now: bool| {
            moved |= now && !*fact;
            *fact |= now;
        };
        for &stage in &self.world.wiring.order {
            let starts = self.starts(stage);
            set(&mut self.facts.starts[stage], starts);
            let comes = self.comes(stage);
            set(&mut self.facts.comes[stage], comes);
            for point in self.world.points.of_stage(stage) {
                if !self.facts.passes[point] {
                    let passes = self.passes(point);
                    set(&mut self.facts.passes[point], passes);
                }
            }
            let ends = self.ends(stage);
            set(&mut self.facts.ends[stage], ends);
        }
        for &stage in self.world.wiring.order.iter().rev() {
            let steady = self.steady(stage);
            set(&mut self.facts.steady[stage], steady);
        }
        moved
    }

    fn starts(&self, stage: usize) -> bool {
        let after = &self.world.wiring.stages[stage].after;
        after.iter().all(|a| self.facts.ends[*a])
    }

    fn comes(&self, stage: usize) -> bool {
        let inputs = &self.world.wiring.stages[stage].inputs;
        self.facts.starts[stage]
            && (!self.stuck.items
                || inputs.is_empty()
                || inputs.iter().any(|conn| {
                    let writers = &self.world.wiring.conns[*conn].writers;
                    writers.iter().any(|w| match w.what {
                        What::Items => self.leaves(w.stage),
                        _ => match self.world.points.put_at(w.stage, w.at) {
                            Some(point) => self.is_reached(point),
                            // Dead letters, and what the user's code puts.
                            None => self.facts.comes[w.stage],
                        },
                    })
                }))
    }

    /// Does somebody come past these points of a stage, on the way to one behind them?
    fn gone_by(&self, stage: usize, mut before: impl Iterator<Item = usize>) -> bool {
        self.facts.comes[stage] && before.all(|p| self.facts.passes[p])
    }

    fn is_own(&self, stage: usize) -> bool {
        self.world.points.all[self.stuck.point].stage == stage
    }

    /// Does an item leave the stage?
    fn leaves(&self, stage: usize) -> bool {
        let all = &self.world.points.all;
        let must = |p: &usize| all[*p].ifs.is_empty() && all[*p].waits();
        !(self.doubts() && self.is_own(stage))
            && self.gone_by(stage, self.world.points.of_stage(stage).filter(must))
    }

    /// Does somebody come to a point?
    pub fn is_reached(&self, point: usize) -> bool {
        let all = &self.world.points.all;
        let own = &all[point];
        if self.doubts() && self.is_own(own.stage) && point > self.stuck.point {
            return false;
        }
        let first = self.world.points.first[own.stage];
        let must = |p: &usize| all[*p].waits() && all[*p].is_before(own);
        self.gone_by(own.stage, (first..point).filter(must))
    }

    fn any_reached(&self, does: impl Fn(&Act) -> bool) -> bool {
        let all = self.world.points.all.iter().enumerate();
        all.filter(|(_, p)| does(&p.act))
            .any(|(i, _)| self.is_reached(i))
    }

    fn passes(&self, at: usize) -> bool {
        let point = &self.world.points.all[at];
        match &point.act {
            Act::WaitEvent(event) => {
                let set = self.world.room.guards.kind(*event) == GuardKind::Event { set: true };
                let clears = |a: &Act| *a == Act::Clear(*event);
                (set && !(self.doubts() && self.world.points.any(clears)))
                    || self.any_reached(|a| sets(a, *event))
            }
            Act::Until {
                conditions,
                watches,
                first,
            } => match first {
                First::True => true,
                First::Depends if !self.doubts() => true,
                First::Depends => {
                    let helps = |a: &Act| notifies(a, conditions) || changes(a, watches);
                    self.any_reached(helps) || !self.world.points.any(helps)
                }
                // A notification alone changes nothing.
                First::False => self.any_reached(|a| changes(a, watches)),
            },
            Act::Meet(barrier) => self.comes_together(*barrier),
            Act::Take(held) => !self.doubts() || self.is_free(point, held),
            Act::Put(conn) | Act::Ask(conn) => !self.doubts() || self.is_drained(*conn),
            Act::Gather => {
                let inputs = &self.world.wiring.stages[point.stage].inputs;
                let mut writers = inputs
                    .iter()
                    .flat_map(|c| &self.world.wiring.conns[*c].writers);
                !self.doubts() || writers.all(|w| self.facts.ends[w.stage])
            }
            _ => true,
        }
    }

    /// Can as many come to a barrier at once as it takes?
    fn comes_together(&self, barrier: usize) -> bool {
        let GuardKind::Barrier { parties } = self.world.room.guards.kind(barrier) else {
            return true;
        };
        // The user's code may come with threads of its own.
        if self.any_reached(|a| *a == Act::Declared(barrier)) {
            return true;
        }
        let all = self.world.points.all.iter().enumerate();
        let mut stages: Vec<usize> = all
            .filter(|(_, p)| meets(&p.act, barrier))
            .filter(|(i, _)| self.is_reached(*i))
            .map(|(_, p)| p.stage)
            .collect();
        stages.dedup();
        let mut workers: usize = stages.iter().map(|s| self.world.workers(*s)).sum();
        let stuck = &self.world.points.all[self.stuck.point];
        if self.doubts() && meets(&stuck.act, barrier) && !stages.contains(&stuck.stage) {
            // He stands there himself, though others of his stage may not come so far.
            workers += 1;
        }
        workers >= parties as usize
    }

    /// Is what is wanted there not held by who stands still, and does nobody keep it while he waits in vain?
    fn is_free(&self, point: &Point, wanted: &Held) -> bool {
        let again = |h: &Held| h.guard == wanted.guard;
        let kind = self.world.room.guards.kind(wanted.guard);
        if kind == GuardKind::RLock && point.held.iter().any(again) {
            return true;
        }
        let workers = self
            .world
            .workers(self.world.points.all[self.stuck.point].stage);
        let mut held = self.stuck.held.iter().filter(|h| again(h));
        if held.any(|h| self.world.conflicts(*h, *wanted, workers)) {
            return false;
        }
        let keeps = |p: &Point| {
            let workers = self.world.workers(p.stage);
            let mut held = p.held.iter().filter(|h| again(h));
            p.waits()
                && !matches!(p.act, Act::Take(_))
                && held.any(|h| self.world.conflicts(*h, *wanted, workers))
        };
        let mut all = self.world.points.all.iter().enumerate();
        !self.stuck.chains
            || all.all(|(i, p)| self.facts.passes[i] || i == self.stuck.point || !keeps(p))
    }

    /// Is there always somebody who takes from a connection?
    fn is_drained(&self, conn: usize) -> bool {
        if !self.world.ways.blocks(conn) {
            return true;
        }
        let readers = &self.world.wiring.conns[conn].readers;
        readers.is_empty() || readers.iter().any(|r| self.facts.steady[r.stage])
    }

    fn steady(&self, stage: usize) -> bool {
        let ends = &self.world.wiring.stages[stage];
        self.facts.starts[stage]
            && !self.is_own(stage)
            && self
                .world
                .points
                .of_stage(stage)
                .all(|p| self.facts.passes[p] || self.world.points.all[p].act == Act::Gather)
            && ends.ways_out().all(|conn| self.is_drained(conn))
    }

    fn ends(&self, stage: usize) -> bool {
        let ways: &Ways = &self.world.ways;
        if self.held_up[stage] || !self.facts.starts[stage] {
            return false;
        }
        // Where a step has enough, a stage may end before its writers, and so may those.
        if ways.may_end_early {
            return true;
        }
        let inputs = &self.world.wiring.stages[stage].inputs;
        let mut writers = inputs
            .iter()
            .flat_map(|c| &self.world.wiring.conns[*c].writers);
        writers.all(|w| {
            self.facts.ends[w.stage]
                || (ways.circle[w.stage] == ways.circle[stage] && !self.held_up[w.stage])
        })
    }
}

pub(super) fn sets(act: &Act, event: usize) -> bool {
    matches!(act, Act::Set(e) | Act::Declared(e) if *e == event)
}

pub(super) fn meets(act: &Act, barrier: usize) -> bool {
    matches!(act, Act::Meet(b) | Act::Declared(b) if *b == barrier)
}

pub(super) fn notifies(act: &Act, conditions: &[usize]) -> bool {
    matches!(act, Act::Notify(c) | Act::Declared(c) if conditions.contains(c))
}

pub(super) fn changes(act: &Act, watches: &[(bool, u32)]) -> bool {
    match act {
        Act::Change(array, at) => watches.contains(&(*array, *at)),
        Act::UserCode => !watches.is_empty(),
        _ => false,
    }
}
